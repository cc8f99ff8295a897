//! Macros over a list: `all`, `exists`, `exists_one`, `filter`, `map`.

use cel::common::ast::{CallExpr, Expr, IdedExpr};

use super::calls::arguments;
use super::{Checker, TypedNode};
use crate::policy::expression::names::Variable;
use crate::policy::expression::node::{Loop, LoopKind, Node};
use crate::policy::expression::types::{Kind, Type};

impl Checker<'_> {
    pub(super) fn run_through(
        &mut self,
        tree: &IdedExpr,
        range: &IdedExpr,
        call: &CallExpr,
        counts: &[usize],
    ) -> TypedNode {
        let name = call.func_name.as_str();
        let span = self.spans.name(tree);
        // Loops cannot be nested, so that one element is enough and the cost stays bounded.
        if self.element.is_some() {
            let help = "bring it in front of the other, or into a rule of its own";
            self.at(span, format!("{name}() stands inside another loop"), help);
            return TypedNode::unknown();
        }
        let range_tree = range;
        let range = self.node(range);
        if !range.kinds.meets(Type::LIST | Type::MAP) {
            let message = format!(
                "{name}() goes through a list or the keys of a map, this is {}",
                range.kinds
            );
            self.say(range_tree, message, "");
        }
        let (Some(variable), true) = (call.args.first(), counts.contains(&call.args.len())) else {
            let takes = if counts.len() > 1 {
                "two or three arguments".into()
            } else {
                arguments(counts[0])
            };
            let message = format!("{name}() takes {takes}, here are {}", call.args.len());
            self.at(
                span,
                message,
                format!("write `head.list.{name}(x, …)`, where x stands for an element"),
            );
            return TypedNode::unknown();
        };
        let Expr::Ident(variable_name) = &variable.expr else {
            self.say(
                variable,
                "here stands a name for the element",
                format!("write `head.list.{name}(x, …)`"),
            );
            return TypedNode::unknown();
        };
        if Variable::from_name(variable_name).is_some()
            || Kind::from_name(variable_name).is_some()
            || ["meta", "math"].contains(&variable_name.as_str())
            || variable_name.starts_with('.')
        {
            self.say(
                variable,
                format!("`{variable_name}` names something else already"),
                "take another name: `x`",
            );
            return TypedNode::unknown();
        }
        let elements = match range.kinds {
            Type::LIST => range.elements,
            Type::MAP => Type::TEXT,
            _ => Type::ANY,
        };
        // The element's name is only known while the body is checked.
        self.element = Some((variable_name.clone(), elements));
        let checked = self.body(name, call);
        self.element = None;
        let (kind, condition, result, gives, elements) = match checked {
            (LoopKind::Map, condition, Some(result)) => {
                (LoopKind::Map, condition, Some(result.node), Type::LIST, result.kinds)
            }
            (LoopKind::Filter, condition, _) => {
                (LoopKind::Filter, condition, None, Type::LIST, elements)
            }
            (kind, condition, _) => (kind, condition, None, Type::BOOL, Type::ANY),
        };
        let node = Node::Loop(Box::new(Loop { kind, range: range.node, condition, result }));
        TypedNode { node, kinds: gives, elements }
    }

    /// Checks the body of a loop; returns its kind, its condition and its result.
    fn body(&mut self, name: &str, call: &CallExpr) -> (LoopKind, Option<Node>, Option<TypedNode>) {
        let kind = match name {
            "map" => match &call.args[1..] {
                [condition, result] => {
                    let condition = self.bool(condition, "map()");
                    return (LoopKind::Map, Some(condition), Some(self.node(result)));
                }
                [result] => return (LoopKind::Map, None, Some(self.node(result))),
                _ => return (LoopKind::Map, None, None),
            },
            "all" => LoopKind::All,
            "exists" => LoopKind::Exists,
            "exists_one" => LoopKind::ExistsOne,
            _ => LoopKind::Filter,
        };
        let condition =
            call.args.get(1).map(|condition| self.bool(condition, &format!("{name}()")));
        (kind, condition, None)
    }
}
