//! Checks names, types and sizes in a syntax tree, and turns it into nodes that can be evaluated.

mod calls;
mod loops;
mod operators;

use std::ops::Range;

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr};

use super::data::Name;
use super::limits::{MAX_DEPTH, MAX_NODES};
use super::names::{META, META_MEMBERS, VARIABLES, Variable, canonical, meant};
use super::node::Node;
use super::spans::Spans;
use super::types::{Kind, Type};
use super::{Mistake, Wanted, syntax};

/// A node, with the kinds of its possible values.
struct TypedNode {
    node: Node,
    kinds: Type,
    /// The kinds of a list's elements.
    elements: Type,
}

/// Walks a tree.
struct Checker<'s> {
    spans: Spans<'s>,
    mistakes: Vec<Mistake>,
    /// The name and kinds of the element, inside a loop.
    element: Option<(String, Type)>,
}

/// Returns a checked expression and its number of nodes, or all of its mistakes.
pub(super) fn check(source: &str, wanted: Wanted) -> Result<(Node, usize), Vec<Mistake>> {
    let (tree, spans) = syntax::parse(source).map_err(|mistake| vec![mistake])?;
    let whole = spans.of(&tree);
    let mut nodes = 0;
    if measure(&tree, 1, &mut nodes).is_none() {
        return Err(vec![syntax::too_deep(whole)]);
    }
    if nodes > MAX_NODES {
        let message = format!("the expression has {nodes} parts, {MAX_NODES} are allowed");
        return Err(vec![Mistake::new(whole, message).help("split it into several rules")]);
    }
    let mut checker = Checker { spans, mistakes: Vec::new(), element: None };
    let checked = checker.node(&tree);
    if wanted == Wanted::Condition && !checked.kinds.meets(Type::BOOL) {
        checker.say(
            &tree,
            format!("a condition is true or false, this is {}", checked.kinds),
            "compare it: `… == …`",
        );
    }
    if wanted == Wanted::Value && !checked.kinds.meets(Type::DATA) {
        checker.say(
            &tree,
            format!("{} cannot be stored", checked.kinds),
            "a value is null, a bool, a number, a string, a Date, bytes, a list or a map",
        );
    }
    if checker.mistakes.is_empty() {
        return Ok((checked.node, nodes));
    }
    checker.mistakes.sort_by_key(|mistake| (mistake.start, mistake.end));
    Err(checker.mistakes)
}

/// Counts nodes; returns `None` if they nest too deep.
fn measure(tree: &IdedExpr, depth: usize, nodes: &mut usize) -> Option<()> {
    *nodes += 1;
    if depth > MAX_DEPTH {
        return None;
    }
    let mut inner = |part: &IdedExpr| measure(part, depth + 1, nodes);
    match &tree.expr {
        Expr::Call(call) => {
            call.target.iter().map(|target| &**target).chain(&call.args).try_for_each(inner)
        }
        Expr::Select(select) => inner(&select.operand),
        Expr::List(list) => list.elements.iter().try_for_each(inner),
        Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
            EntryExpr::MapEntry(entry) => {
                inner(&entry.key)?;
                inner(&entry.value)
            }
            EntryExpr::StructField(field) => inner(&field.value),
        }),
        _ => Some(()),
    }
}

impl TypedNode {
    fn new(node: Node, kinds: Type) -> Self {
        Self { node, kinds, elements: Type::ANY }
    }

    /// Returns a placeholder for a node with a mistake, so that further mistakes can be found.
    fn unknown() -> Self {
        Self::new(Node::Null, Type::ANY)
    }
}

impl Checker<'_> {
    fn at(&mut self, span: Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        let (message, help) = (message.into(), help.into());
        let mistake = Mistake::new(span, message);
        self.mistakes.push(if help.is_empty() { mistake } else { mistake.help(help) });
    }

    fn say(&mut self, node: &IdedExpr, message: impl Into<String>, help: impl Into<String>) {
        self.at(self.spans.of(node), message, help);
    }

    fn node(&mut self, tree: &IdedExpr) -> TypedNode {
        match &tree.expr {
            Expr::Literal(literal) => self.literal(tree, literal),
            Expr::Ident(name) => self.name(tree, name),
            Expr::Select(select) => self.member(tree, select),
            Expr::Call(call) => self.call(tree, call),
            Expr::List(list) => {
                let elements: Vec<_> =
                    list.elements.iter().map(|element| self.node(element)).collect();
                let kinds = elements.iter().fold(Type::NEVER, |all, element| all | element.kinds);
                let nodes = elements.into_iter().map(|element| element.node).collect();
                TypedNode { node: Node::List(nodes), kinds: Type::LIST, elements: kinds }
            }
            Expr::Map(map) => {
                let mut entries = Vec::new();
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        let (key, value) = (self.node(&entry.key), self.node(&entry.value));
                        if !key.kinds.meets(Type::TEXT) {
                            let message = format!("a map's key is a string, this is {}", key.kinds);
                            self.say(&entry.key, message, "put it in quotes, or use string()");
                        }
                        // Other keys are only known when the expression is evaluated.
                        if entries
                            .iter()
                            .any(|(other, _)| matches!(other, Node::Text(_)) && *other == key.node)
                        {
                            self.say(&entry.key, "the map has this member already", "");
                        }
                        entries.push((key.node, value.node));
                    }
                }
                TypedNode::new(Node::Map(entries.into()), Type::MAP)
            }
            Expr::Struct(_) => {
                self.say(tree, "there are no messages", "a map is written `{\"name\": value}`");
                TypedNode::unknown()
            }
            Expr::Unspecified | Expr::Comprehension(_) => {
                self.say(tree, "this is no expression", "");
                TypedNode::unknown()
            }
        }
    }

    fn literal(&mut self, tree: &IdedExpr, literal: &LiteralValue) -> TypedNode {
        match literal {
            LiteralValue::Null => TypedNode::new(Node::Null, Type::NULL),
            LiteralValue::Boolean(truth) => TypedNode::new(Node::Bool(*truth.inner()), Type::BOOL),
            LiteralValue::Int(int) => TypedNode::new(Node::Int(*int.inner()), Type::INT),
            LiteralValue::Double(double) => {
                TypedNode::new(Node::Double(*double.inner()), Type::DOUBLE)
            }
            LiteralValue::String(text) => {
                TypedNode::new(Node::Text(text.inner().into()), Type::TEXT)
            }
            LiteralValue::Bytes(bytes) => {
                TypedNode::new(Node::Bytes(bytes.inner().into()), Type::BYTES)
            }
            LiteralValue::UInt(_) => {
                self.say(tree, "there are no unsigned integers", "leave the `u` out");
                TypedNode::unknown()
            }
        }
    }

    fn name(&mut self, tree: &IdedExpr, name: &str) -> TypedNode {
        let name = name.strip_prefix('.').unwrap_or(name);
        if let Some((element, kinds)) = &self.element
            && element == name
        {
            return TypedNode::new(Node::Element, *kinds);
        }
        if let Some(variable) = Variable::from_name(name) {
            return TypedNode::new(Node::Variable(variable), variable.kinds());
        }
        if let Some(kind) = Kind::from_name(name) {
            return TypedNode::new(Node::Type(kind), Type::TYPE);
        }
        if name == "meta" {
            self.say(tree, "`meta` is no value", "use one of its members: `meta.head.at`");
            return TypedNode::unknown();
        }
        let element = self.element.as_ref().map(|(element, _)| element.as_str());
        let help = match meant(name, VARIABLES.into_iter().chain(element)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if name == "value" || name == "record" => {
                "the stored record is `head`, the one that came `incoming`".into()
            }
            None => format!(
                "there are {}; a member of a record is `head.{name}`, a string `\"{name}\"`",
                VARIABLES.join(", ")
            ),
        };
        self.say(tree, format!("unknown variable `{name}`"), help);
        TypedNode::unknown()
    }

    fn member(&mut self, tree: &IdedExpr, select: &SelectExpr) -> TypedNode {
        if let Some(meta) = self.meta(tree, select) {
            return meta;
        }
        let inner = self.node(&select.operand);
        if !inner.kinds.meets(Type::MAP) {
            let message = format!("{} has no members", inner.kinds);
            let help = match select.field.as_str() {
                "length" | "size" => "the number of elements or letters is size(…)",
                _ => "members are those of records, objects and Maps",
            };
            self.at(self.spans.field(tree), message, help);
            return TypedNode::unknown();
        }
        TypedNode::new(Node::Member(Box::new(inner.node), Name::new(&select.field)), Type::DATA)
    }

    /// Checks `meta.head.at` and the like; returns `None` for anything else.
    fn meta(&mut self, tree: &IdedExpr, select: &SelectExpr) -> Option<TypedNode> {
        let is_meta = |node: &IdedExpr| matches!(&node.expr, Expr::Ident(name) if name.trim_start_matches('.') == "meta");
        if is_meta(&select.operand) {
            let known = META.contains(&canonical(&select.field));
            if known {
                let help =
                    format!("use one of its members: `meta.{}.at`, `.by`, `.rev`", select.field);
                self.say(tree, format!("`meta.{}` is no value", select.field), help);
            } else {
                self.unknown_member(tree, "meta", &select.field, &META);
            }
            return Some(TypedNode::unknown());
        }
        let Expr::Select(side) = &select.operand.expr else { return None };
        if !is_meta(&side.operand) {
            return None;
        }
        if !META.contains(&canonical(&side.field)) {
            self.unknown_member(&select.operand, "meta", &side.field, &META);
            return Some(TypedNode::unknown());
        }
        let Some(variable) = Variable::of_meta(&side.field, &select.field) else {
            self.unknown_member(
                tree,
                &format!("meta.{}", side.field),
                &select.field,
                &META_MEMBERS,
            );
            return Some(TypedNode::unknown());
        };
        Some(TypedNode::new(Node::Variable(variable), variable.kinds()))
    }

    fn unknown_member(&mut self, tree: &IdedExpr, of: &str, name: &str, known: &[&str]) {
        let help = match meant(name, known.iter().copied()) {
            Some(meant) => format!("did you mean `{of}.{meant}`?"),
            None => format!("there are {}", known.join(", ")),
        };
        self.at(self.spans.field(tree), format!("`{of}` has no member `{name}`"), help);
    }

    fn call(&mut self, tree: &IdedExpr, call: &CallExpr) -> TypedNode {
        if let Some(operator) = self.operator(tree, call) {
            operator
        } else {
            self.function(tree, call)
        }
    }
}
