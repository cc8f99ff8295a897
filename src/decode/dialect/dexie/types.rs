//! `$types`: which place of a row has which type. A place is written as member names joined by `.`, in which `~` is `~0` and
//! `.` is `~1`. Places are kept as a tree of names, so that what is long or deep costs no more than its bytes.

use std::collections::HashMap;

use super::value::INVALID;
use crate::decode::raw_json::Reject;
use crate::indexeddb::value::tree::{Tree, unescape};
use crate::rejection::code;

/// Code units: names may hold lone surrogates.
type Units = Vec<u16>;

/// The type of a reference.
const REFERENCE: &[u8] = b"#";

/// Number of a place.
pub(crate) type PlaceId = usize;

/// The place of the row itself.
pub(crate) const ROOT: PlaceId = 0;

/// A place that a type or a reference names, or one on the way there.
#[derive(Default)]
pub(crate) struct Place<'t> {
    pub(crate) kind: Option<&'t [u8]>,
    /// What stands there.
    pub(crate) tree: Option<&'t Tree<'t>>,
    /// A reference names it.
    pub(crate) target: bool,
    /// Where it points to, if it is a reference.
    pub(crate) points_to: Option<PlaceId>,
    /// The number that it was written under, if a reference names it.
    pub(crate) id: Option<u64>,
    children: HashMap<Units, PlaceId>,
}

/// A row and its places.
pub(crate) struct Typed<'t> {
    /// The row without its types.
    pub(crate) root: &'t Tree<'t>,
    /// Whether the root is the object that also holds `$types`, which is none of its members then.
    pub(crate) beside: bool,
    pub(crate) places: Vec<Place<'t>>,
    /// How many places have a type.
    pub(crate) count: usize,
}

impl<'t> Typed<'t> {
    /// Takes a row apart.
    pub(crate) fn read(row: &'t Tree<'t>) -> Result<Self, Reject> {
        let untyped = |root| Self { root, beside: false, places: vec![Place::default()], count: 0 };
        let wrapped = || {
            let only = row.members().is_some_and(|members| members.len() == 2);
            row.get("$").filter(|_| only).ok_or(INVALID)
        };
        let (root, beside, types) = match row.get("$types") {
            None => return Ok(untyped(row)),
            Some(Tree::Bool(true)) => return Ok(untyped(wrapped()?)),
            Some(types @ Tree::Object(_)) => match types.get("$") {
                Some(inner @ Tree::Object(_)) => (wrapped()?, false, inner),
                _ => (row, true, types),
            },
            Some(_) => return Err(INVALID),
        };
        let mut typed = Self { beside, ..untyped(root) };
        for (path, kind) in types.members().unwrap_or_default() {
            let place = typed.insert(&unescape(path).ok_or(INVALID)?);
            if typed.places[place].kind.replace(single(kind)?).is_some() {
                return Err((code::DUPLICATE_MEMBER, "a place of the row has two types"));
            }
            typed.count += 1;
        }
        typed.check_empty_name()?;
        typed.attach();
        typed.find_targets()?;
        Ok(typed)
    }

    /// The path of a member without a name of the root is the root's own.
    fn check_empty_name(&self) -> Result<(), Reject> {
        let container = |tree: &Tree<'_>| matches!(tree, Tree::List(_) | Tree::Object(_));
        let unclear = |(name, value): &(&[u8], Tree<'_>)| {
            name.is_empty() && (self.places[ROOT].kind.is_some() || container(value))
        };
        match self.root.members().is_some_and(|members| members.iter().any(unclear)) && self.count > 0 {
            true => Err((code::INVALID_TAG, "the row's types do not say which of two places they are of")),
            false => Ok(()),
        }
    }

    /// The place of a path, new if need be.
    fn insert(&mut self, path: &[u16]) -> PlaceId {
        let mut place = ROOT;
        if path.is_empty() {
            return place;
        }
        for part in path.split(|&unit| unit == u16::from(b'.')) {
            let fresh = self.places.len();
            place = *self.places[place].children.entry(unescape_part(part)).or_insert(fresh);
            if place == fresh {
                self.places.push(Place::default());
            }
        }
        place
    }

    /// Finds what stands at each place.
    fn attach(&mut self) {
        let mut open = vec![(ROOT, self.root)];
        while let Some((place, tree)) = open.pop() {
            self.places[place].tree = Some(tree);
            let own = &self.places[place];
            match tree {
                _ if own.children.is_empty() => {}
                Tree::List(items) => {
                    for (name, child) in &own.children {
                        open.extend(index(name).and_then(|index| Some((*child, items.get(index)?))));
                    }
                }
                Tree::Object(members) => {
                    for (name, value) in members {
                        open.extend(unescape(name).and_then(|name| Some((*own.children.get(&name)?, value))));
                    }
                }
                _ => {}
            }
        }
    }

    /// Finds where references point to.
    fn find_targets(&mut self) -> Result<(), Reject> {
        let references: Vec<_> =
            (0..self.places.len()).filter(|&place| self.places[place].kind == Some(REFERENCE)).collect();
        for &place in &references {
            let Some(Tree::String(raw)) = self.places[place].tree else { return Err(INVALID) };
            let path = unescape(raw.strip_prefix(REFERENCE).ok_or(INVALID)?).ok_or(INVALID)?;
            let target = self.insert(&path);
            self.places[target].target = true;
            self.places[place].points_to = Some(target);
        }
        // A reference to a reference is nothing that was ever written, and could lead in a circle.
        let to_reference = |place: &Place<'_>| {
            let target = place.points_to.and_then(|target| self.places.get(target));
            target.is_some_and(|target| target.kind == Some(REFERENCE))
        };
        if self.places.iter().any(to_reference) {
            return Err(INVALID);
        }
        if !references.is_empty() {
            self.attach();
        }
        Ok(())
    }

    /// The place of a member or item, if anything was said of it.
    pub(crate) fn child(&self, place: Option<PlaceId>, name: &[u16]) -> Option<PlaceId> {
        self.places.get(place?)?.children.get(name).copied()
    }

    /// Whether anything was said of places inside.
    pub(crate) fn has_children(&self, place: Option<PlaceId>) -> bool {
        place.and_then(|place| self.places.get(place)).is_some_and(|place| !place.children.is_empty())
    }

    /// The type of a place.
    pub(crate) fn kind(&self, place: Option<PlaceId>) -> Option<&'t [u8]> {
        self.places.get(place?)?.kind
    }
}

/// One type; of a list of types the last one, if the others say nothing that JSON does not.
fn single<'t>(kind: &'t Tree<'t>) -> Result<&'t [u8], Reject> {
    match kind {
        Tree::String(kind) => Ok(kind),
        Tree::List(kinds) => match kinds.split_last() {
            Some((Tree::String(last), before))
                if before.iter().all(|kind| matches!(kind, Tree::String(b"arrayNonindexKeys" | b"userObject"))) =>
            {
                Ok(last)
            }
            _ => Err((code::UNKNOWN_TAG, "a place of the row has several types at once")),
        },
        _ => Err(INVALID),
    }
}

/// An array index in its one spelling.
fn index(name: &[u16]) -> Option<usize> {
    let text = String::from_utf16(name).ok()?;
    text.parse().ok().filter(|index: &usize| index.to_string() == text)
}

fn unescape_part(part: &[u16]) -> Units {
    let mut name = Vec::with_capacity(part.len());
    let mut rest = part;
    while let [unit, tail @ ..] = rest {
        let (unit, after) = match (unit, tail) {
            (0x7e, [0x30, after @ ..]) => (0x7e, after),
            (0x7e, [0x31, after @ ..]) => (0x2e, after),
            _ => (*unit, tail),
        };
        name.push(unit);
        rest = after;
    }
    name
}
