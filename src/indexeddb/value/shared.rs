//! The shared values in a tree.

use std::collections::HashMap;

use super::kind::ValueKind;
use super::tag::ValueTag;
use super::tree::Tree;

/// The values of the `~id`s in a value, by their numbers.
pub(crate) type SharedValues<'t> = HashMap<u64, &'t Tree<'t>>;

/// Returns the values of the `~id`s in a value.
pub(crate) fn shared_values<'t>(tree: &'t Tree<'t>) -> SharedValues<'t> {
    let mut found = SharedValues::new();
    collect(tree, &mut found);
    found
}

fn collect<'t>(tree: &'t Tree<'t>, found: &mut SharedValues<'t>) {
    match tree {
        Tree::List(items) => items.iter().for_each(|item| collect(item, found)),
        Tree::Object(members) => {
            if let Some(ValueKind::Id(id, value)) = ValueKind::of(tree) {
                found.insert(id, value);
            }
            members.iter().for_each(|(_, value)| collect(value, found));
        }
        Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::String(_) => {}
    }
}

/// True if a value contains shared values or references.
pub(crate) fn has_shared_values(tree: &Tree<'_>) -> bool {
    match tree {
        Tree::List(items) => items.iter().any(has_shared_values),
        Tree::Object(members) => {
            let tag = tree.tagged().and_then(|(name, _)| ValueTag::from_name(name));
            matches!(tag, Some(ValueTag::Id | ValueTag::Ref))
                || members.iter().any(|(_, value)| has_shared_values(value))
        }
        Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::String(_) => false,
    }
}
