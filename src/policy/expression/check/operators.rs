//! Operators.

use cel::common::ast::{CallExpr, IdedExpr, operators as sign};

use super::{Checker, TypedNode};
use crate::policy::expression::data::Name;
use crate::policy::expression::names::{Variable, meant};
use crate::policy::expression::node::{Arithmetic, Compare, Node};
use crate::policy::expression::types::Type;
use crate::snapshot::ConflictType;

impl Checker<'_> {
    /// Checks a call that is an operator; returns `None` if it is a function.
    pub(super) fn operator(&mut self, tree: &IdedExpr, call: &CallExpr) -> Option<TypedNode> {
        use Arithmetic as A;
        use Compare as C;
        let parts = &call.args[..];
        Some(match (call.func_name.as_str(), parts) {
            (sign::LOGICAL_NOT, [inner]) => {
                let inner = self.bool(inner, "!");
                TypedNode::new(Node::Not(Box::new(inner)), Type::BOOL)
            }
            (sign::LOGICAL_AND, [a, b]) => {
                let parts = [self.bool(a, "&&"), self.bool(b, "&&")];
                TypedNode::new(Node::And(Box::new(parts)), Type::BOOL)
            }
            (sign::LOGICAL_OR, [a, b]) => {
                let parts = [self.bool(a, "||"), self.bool(b, "||")];
                TypedNode::new(Node::Or(Box::new(parts)), Type::BOOL)
            }
            (sign::CONDITIONAL, [condition, a, b]) => {
                let condition = self.bool(condition, "?");
                // Which part is the result is not known before a conflict, so both may be.
                let (a, b) = (self.node(a), self.node(b));
                let (kinds, elements) = (a.kinds | b.kinds, a.elements | b.elements);
                TypedNode {
                    node: Node::Choice(Box::new([condition, a.node, b.node])),
                    kinds,
                    elements,
                }
            }
            (sign::ADD, [a, b]) => self.arithmetic(tree, A::Add, a, b),
            (sign::SUBSTRACT, [a, b]) => self.arithmetic(tree, A::Subtract, a, b),
            (sign::MULTIPLY, [a, b]) => self.arithmetic(tree, A::Multiply, a, b),
            (sign::DIVIDE, [a, b]) => self.arithmetic(tree, A::Divide, a, b),
            (sign::MODULO, [a, b]) => self.arithmetic(tree, A::Remainder, a, b),
            (sign::NEGATE, [inner]) => self.negate(inner),
            (sign::LESS, [a, b]) => self.compare(tree, C::Less, a, b),
            (sign::LESS_EQUALS, [a, b]) => self.compare(tree, C::LessOrEqual, a, b),
            (sign::GREATER, [a, b]) => self.compare(tree, C::Greater, a, b),
            (sign::GREATER_EQUALS, [a, b]) => self.compare(tree, C::GreaterOrEqual, a, b),
            (sign::EQUALS, [a, b]) => {
                TypedNode::new(Node::Equal(self.equality(tree, a, b, "never")), Type::BOOL)
            }
            (sign::NOT_EQUALS, [a, b]) => {
                TypedNode::new(Node::NotEqual(self.equality(tree, a, b, "always")), Type::BOOL)
            }
            (sign::IN, [element, range]) => self.within(tree, element, range),
            (sign::INDEX, [of, index]) => self.index(of, index),
            _ => return None,
        })
    }

    /// Checks a part that must be true or false.
    pub(super) fn bool(&mut self, tree: &IdedExpr, sign: &str) -> Node {
        let part = self.node(tree);
        if !part.kinds.meets(Type::BOOL) {
            let message = format!("`{sign}` takes true or false, this is {}", part.kinds);
            self.say(tree, message, "compare it: `… == …`");
        }
        part.node
    }

    fn negate(&mut self, tree: &IdedExpr) -> TypedNode {
        let part = self.node(tree);
        if !part.kinds.meets(Type::NUMBER) {
            self.say(tree, format!("`-` takes a number, this is {}", part.kinds), "");
            return TypedNode::unknown();
        }
        TypedNode::new(Node::Negate(Box::new(part.node)), plain(part.kinds, part.kinds))
    }

    fn arithmetic(
        &mut self,
        tree: &IdedExpr,
        operator: Arithmetic,
        a: &IdedExpr,
        b: &IdedExpr,
    ) -> TypedNode {
        let (a, b) = (self.node(a), self.node(b));
        let mut gives = Type::NEVER;
        if a.kinds.meets(Type::NUMBER) && b.kinds.meets(Type::NUMBER) {
            gives = plain(a.kinds, b.kinds);
        }
        if operator == Arithmetic::Add {
            gives = gives | a.kinds.and(b.kinds).and(Type::TEXT | Type::BYTES | Type::LIST);
        }
        let elements = a.elements | b.elements;
        if gives == Type::NEVER {
            let (name, help) = match operator {
                Arithmetic::Add if a.kinds.meets(Type::TEXT) || b.kinds.meets(Type::TEXT) => (
                    "+",
                    "make a string of the other with string(), or a number of the string with \
                     double()",
                ),
                Arithmetic::Add => {
                    ("+", "it adds two numbers, and joins two strings, two lists or two bytes")
                }
                Arithmetic::Subtract => ("-", "it takes two numbers"),
                Arithmetic::Multiply => ("*", "it takes two numbers"),
                Arithmetic::Divide => ("/", "it takes two numbers"),
                Arithmetic::Remainder => ("%", "it takes two numbers"),
            };
            let message = format!("`{name}` does not take {} and {}", a.kinds, b.kinds);
            self.at(self.spans.sign(tree), message, help);
            // What encloses this is not to blame for its kind.
            gives = Type::ANY;
        }
        TypedNode {
            node: Node::Arithmetic(operator, Box::new([a.node, b.node])),
            kinds: gives,
            elements,
        }
    }

    fn compare(
        &mut self,
        tree: &IdedExpr,
        order: Compare,
        a: &IdedExpr,
        b: &IdedExpr,
    ) -> TypedNode {
        let (a, b) = (self.node(a), self.node(b));
        let numbers = a.kinds.meets(Type::NUMBER) && b.kinds.meets(Type::NUMBER);
        if !numbers && !a.kinds.and(b.kinds).meets(Type::TEXT | Type::BYTES | Type::BOOL) {
            let message = format!("{} and {} have no order", a.kinds, b.kinds);
            self.at(
                self.spans.sign(tree),
                message,
                "two numbers or Dates, two strings, two bytes and two bools have one",
            );
        }
        TypedNode::new(Node::Compare(order, Box::new([a.node, b.node])), Type::BOOL)
    }

    fn equality(
        &mut self,
        tree: &IdedExpr,
        a: &IdedExpr,
        b: &IdedExpr,
        when: &str,
    ) -> Box<[Node; 2]> {
        let trees = [a, b];
        let (a, b) = (self.node(a), self.node(b));
        if !a.kinds.may_equal(b.kinds) {
            let message =
                format!("{} and {} are never equal: this is {when} true", a.kinds, b.kinds);
            let help = if (a.kinds | b.kinds).meets(Type::NULL) {
                "it is never null"
            } else {
                "compare values of one type"
            };
            self.at(self.spans.sign(tree), message, help);
        }
        for (one, other, tree) in [(&a.node, &b.node, trees[1]), (&b.node, &a.node, trees[0])] {
            if *one == Node::Variable(Variable::ConflictType) {
                self.conflict_type(other, tree);
            }
        }
        Box::new([a.node, b.node])
    }

    /// Checks a literal that is compared with `type`.
    fn conflict_type(&mut self, node: &Node, tree: &IdedExpr) {
        let Node::Text(name) = node else { return };
        if ConflictType::from_name(name).is_none() {
            let help = match meant(name, ConflictType::names()) {
                Some(meant) => format!("did you mean \"{meant}\"?"),
                None => {
                    format!("there are {}", ConflictType::names().collect::<Vec<_>>().join(", "))
                }
            };
            self.say(tree, format!("there is no type of conflict \"{name}\""), help);
        }
    }

    fn within(&mut self, tree: &IdedExpr, element: &IdedExpr, range: &IdedExpr) -> TypedNode {
        let range_tree = range;
        let (element, range) = (self.node(element), self.node(range));
        if !range.kinds.meets(Type::LIST | Type::MAP) {
            let message =
                format!("`in` looks into a list or the keys of a map, this is {}", range.kinds);
            let help = if range.kinds == Type::TEXT {
                "a part of a string is found by contains()"
            } else {
                ""
            };
            self.say(range_tree, message, help);
        } else if range.kinds == Type::LIST && !element.kinds.may_equal(range.elements) {
            let message = match range.elements {
                Type::NEVER => "the list is empty: this is never true".to_owned(),
                elements => format!("{} is never in a list of {elements}", element.kinds),
            };
            self.at(self.spans.sign(tree), message, "");
        }
        if let (
            Node::Variable(Variable::ConflictType),
            Node::List(nodes),
            cel::common::ast::Expr::List(list),
        ) = (&element.node, &range.node, &range_tree.expr)
        {
            nodes
                .iter()
                .zip(&list.elements)
                .for_each(|(node, tree)| self.conflict_type(node, tree));
        }
        TypedNode::new(Node::In(Box::new([element.node, range.node])), Type::BOOL)
    }

    fn index(&mut self, of_tree: &IdedExpr, index_tree: &IdedExpr) -> TypedNode {
        let (of, index) = (self.node(of_tree), self.node(index_tree));
        let list = of.kinds.meets(Type::LIST) && index.kinds.meets(Type::NUMBER);
        let map = of.kinds.meets(Type::MAP) && index.kinds.meets(Type::TEXT);
        if !list && !map {
            let (tree, message, help) = if of.kinds.meets(Type::LIST | Type::MAP) {
                let help = "a list has elements from 0, a map has members by string";
                (index_tree, format!("{} has no element of {}", of.kinds, index.kinds), help)
            } else {
                (
                    of_tree,
                    format!("{} has no elements", of.kinds),
                    "elements are those of lists and maps",
                )
            };
            self.say(tree, message, help);
        }
        let kinds = if of.kinds == Type::LIST { of.elements } else { Type::ANY };
        let node = match index.node {
            // A fixed index becomes a member, so that the members that are read are known and the
            // name is compared as it is written in the text.
            Node::Text(name) if of.kinds.meets(Type::MAP) => {
                Node::Member(Box::new(of.node), Name::new(&name))
            }
            index => Node::Index(Box::new([of.node, index])),
        };
        TypedNode::new(node, kinds)
    }
}

/// Returns the kinds that arithmetic on these numbers can result in.
fn plain(a: Type, b: Type) -> Type {
    let ints = a.meets(Type::INT) && b.meets(Type::INT);
    let other = Type::DOUBLE | Type::DATE;
    let doubles = a.meets(other) || b.meets(other);
    let int = if ints { Type::INT } else { Type::NEVER };
    if doubles { int | Type::DOUBLE } else { int }
}
