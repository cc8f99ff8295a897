//! Functions, methods and `has()`.

use cel::common::ast::{CallExpr, Expr, IdedExpr};

use super::{Checker, TypedNode};
use crate::policy::expression::functions::{ALL, CallForm, LEFT_OUT, LOOPS, Signature, find};
use crate::policy::expression::names::meant;
use crate::policy::expression::node::Node;
use crate::policy::expression::types::Type;

impl Checker<'_> {
    pub(super) fn function(&mut self, tree: &IdedExpr, call: &CallExpr) -> TypedNode {
        let name = call.func_name.as_str();
        let target = call.target.as_deref();
        if name == "has" && target.is_none() {
            return self.has(tree, call);
        }
        if let (Some(target), Some((_, counts))) =
            (target, LOOPS.iter().find(|(own, _)| *own == name))
        {
            return self.run_through(tree, target, call, counts);
        }
        let is_math =
            matches!(target, Some(IdedExpr { expr: Expr::Ident(name), .. }) if name == "math");
        let form = match target {
            _ if is_math => CallForm::Math,
            Some(_) => CallForm::Method,
            None => CallForm::Global,
        };
        let parts: Vec<&IdedExpr> =
            target.filter(|_| !is_math).into_iter().chain(&call.args).collect();
        let Some(signature) = find(name, form) else {
            self.unknown_function(tree, name, form);
            parts.iter().for_each(|part| drop(self.node(part)));
            return TypedNode::unknown();
        };
        let fits =
            if signature.more { !parts.is_empty() } else { parts.len() == signature.takes.len() };
        if !fits {
            self.count(tree, signature, call.args.len());
            parts.iter().for_each(|part| drop(self.node(part)));
            return TypedNode::unknown();
        }
        let nodes: Vec<_> =
            parts.iter().enumerate().map(|(at, part)| self.part(part, signature, at)).collect();
        TypedNode::new(Node::Call(signature.function, nodes.into()), signature.gives)
    }

    /// Checks an argument, or the target of a method.
    fn part(&mut self, tree: &IdedExpr, signature: &Signature, at: usize) -> Node {
        let part = self.node(tree);
        if let Some(&takes) = signature.takes.get(at).or(signature.takes.last())
            && !part.kinds.meets(takes)
        {
            let name = signature.name;
            let message = if at == 0 && signature.form == CallForm::Method {
                format!("{name}() is a function of {takes}, this is {}", part.kinds)
            } else {
                format!("{name}() takes {takes}, this is {}", part.kinds)
            };
            self.say(tree, message, "");
        }
        part.node
    }

    fn count(&mut self, tree: &IdedExpr, signature: &Signature, given: usize) {
        let on = usize::from(signature.form == CallForm::Method);
        let takes = if signature.more {
            "one argument or more".into()
        } else {
            arguments(signature.takes.len() - on)
        };
        let message = format!("{}() takes {takes}, here are {given}", signature.name);
        self.at(self.spans.name(tree), message, format!("write `{}`", example(signature)));
    }

    fn unknown_function(&mut self, tree: &IdedExpr, name: &str, form: CallForm) {
        let span = self.spans.name(tree);
        // A name that CEL or this program has is explained; only others are taken for a slip of the
        // pen, because the nearest name would mislead.
        if let Some((_, help)) = LEFT_OUT.iter().find(|(own, _)| *own == name) {
            return self.at(span, format!("{name}() is not there"), *help);
        }
        if let Some(signature) = ALL.iter().find(|signature| signature.name == name) {
            return self.at(
                span,
                format!("{name}() is not called like this"),
                format!("write `{}`", example(signature)),
            );
        }
        if name == "has" || LOOPS.iter().any(|(own, _)| *own == name) {
            let help = if name == "has" {
                "write `has(head.a)`".into()
            } else {
                format!("write `head.list.{name}(x, …)`")
            };
            return self.at(span, format!("{name}() is not called like this"), help);
        }
        let known = ALL
            .iter()
            .map(|signature| signature.name)
            .chain(LOOPS.map(|(name, _)| name))
            .chain(["has"]);
        let help = match meant(name, known) {
            Some(meant) => {
                let shown = ALL
                    .iter()
                    .find(|signature| signature.name == meant)
                    .map_or(format!("{meant}(…)"), example);
                format!("did you mean `{shown}`?")
            }
            None => "the functions are listed on the page of expressions".into(),
        };
        let what = match form {
            CallForm::Method => "method",
            CallForm::Math => "function of math",
            CallForm::Global | CallForm::Both => "function",
        };
        self.at(span, format!("unknown {what} `{name}`"), help);
    }

    fn has(&mut self, tree: &IdedExpr, call: &CallExpr) -> TypedNode {
        let [part] = &call.args[..] else {
            let message = format!("has() takes one argument, here are {}", call.args.len());
            self.at(self.spans.name(tree), message, "write `has(head.a)`");
            return TypedNode::unknown();
        };
        let part_kinds = self.node(part);
        let node = match part_kinds.node {
            Node::Member(inner, name) => Node::Has(inner, name),
            // A member of `meta` always exists, and is null if it is unknown.
            node @ Node::Variable(_) if matches!(part.expr, Expr::Select(_)) => {
                Node::NotEqual(Box::new([node, Node::Null]))
            }
            _ if self.mistakes.is_empty() => {
                self.say(
                    part,
                    "has() asks for a member",
                    "write `has(head.a)`; a value is compared with null: `head != null`",
                );
                Node::Null
            }
            _ => Node::Null,
        };
        TypedNode::new(node, Type::BOOL)
    }
}

pub(super) fn arguments(count: usize) -> String {
    match count {
        0 => "no argument".into(),
        1 => "one argument".into(),
        2 => "two arguments".into(),
        _ => format!("{count} arguments"),
    }
}

/// Returns an example call of a function.
fn example(signature: &Signature) -> String {
    let name = signature.name;
    match (signature.form, signature.takes.len()) {
        (CallForm::Method, 1) => format!("head.a.{name}()"),
        (CallForm::Method, _) => format!("head.a.{name}(\"…\")"),
        (CallForm::Math, _) if signature.more => format!("math.{name}(a, b)"),
        (CallForm::Math, _) => format!("math.{name}(head.a)"),
        _ => format!("{name}(head.a)"),
    }
}
