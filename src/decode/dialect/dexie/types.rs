//! `$types`: the types of the places in a row. A place is written as member names joined by `.`, in
//! which `~` is `~0` and `.` is `~1`. Places are kept as a tree of names, so that the cost of long
//! or deep paths is proportional to their bytes.

use std::collections::HashMap;

use crate::decode::raw_json::Reject;
use crate::indexeddb::value::tree::{Tree, unescape};
use crate::rejection::code;

/// The rejection of a value that contradicts its type.
pub(crate) const INVALID: Reject =
    (code::INVALID_TAG, "a typed value that is not written as its type is");

/// Code units, because names may contain lone surrogates.
type CodeUnits = Vec<u16>;

/// The type of a reference.
const REFERENCE: &[u8] = b"#";

/// The number of a place.
pub(crate) type PlaceId = usize;

/// The place of the row itself.
pub(crate) const ROOT: PlaceId = 0;

/// A place with a type, a target of a reference, or a place on the way to one.
#[derive(Default)]
pub(crate) struct TypedPlace<'t> {
    pub(crate) kind: Option<&'t [u8]>,
    /// The value at the place.
    pub(crate) tree: Option<&'t Tree<'t>>,
    /// True if a reference names it.
    pub(crate) target: bool,
    /// The target, if the place is a reference.
    pub(crate) points_to: Option<PlaceId>,
    /// The number under which it was written, if a reference names it.
    pub(crate) id: Option<u64>,
    children: HashMap<CodeUnits, PlaceId>,
}

/// A row and its places.
pub(crate) struct Typed<'t> {
    /// The row without its types.
    pub(crate) root: &'t Tree<'t>,
    /// True if the root is the object that also contains `$types`, which is then not a member of
    /// the value.
    pub(crate) beside: bool,
    pub(crate) places: Vec<TypedPlace<'t>>,
    /// The number of places that have a type.
    pub(crate) count: usize,
}

impl<'t> Typed<'t> {
    /// Splits a row into its value and its types.
    pub(crate) fn read(row: &'t Tree<'t>) -> Result<Self, Reject> {
        let untyped =
            |root| Self { root, beside: false, places: vec![TypedPlace::default()], count: 0 };
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

    /// Refuses a member with an empty name if its path could also mean the root itself.
    fn check_empty_name(&self) -> Result<(), Reject> {
        let container = |tree: &Tree<'_>| matches!(tree, Tree::List(_) | Tree::Object(_));
        let unclear = |(name, value): &(&[u8], Tree<'_>)| {
            name.is_empty() && (self.places[ROOT].kind.is_some() || container(value))
        };
        match self.root.members().is_some_and(|members| members.iter().any(unclear))
            && self.count > 0
        {
            true => Err((
                code::INVALID_TAG,
                "the row's types do not say which of two places they are of",
            )),
            false => Ok(()),
        }
    }

    /// Returns the place of a path, and creates it if necessary.
    fn insert(&mut self, path: &[u16]) -> PlaceId {
        let mut place = ROOT;
        if path.is_empty() {
            return place;
        }
        for part in path.split(|&unit| unit == u16::from(b'.')) {
            let fresh = self.places.len();
            place = *self.places[place].children.entry(unescape_part(part)).or_insert(fresh);
            if place == fresh {
                self.places.push(TypedPlace::default());
            }
        }
        place
    }

    /// Attaches the values to their places.
    fn attach(&mut self) {
        let mut open = vec![(ROOT, self.root)];
        while let Some((place, tree)) = open.pop() {
            self.places[place].tree = Some(tree);
            let own = &self.places[place];
            match tree {
                _ if own.children.is_empty() => {}
                Tree::List(items) => {
                    for (name, child) in &own.children {
                        open.extend(
                            index(name).and_then(|index| Some((*child, items.get(index)?))),
                        );
                    }
                }
                Tree::Object(members) => {
                    for (name, value) in members {
                        open.extend(
                            unescape(name)
                                .and_then(|name| Some((*own.children.get(&name)?, value))),
                        );
                    }
                }
                _ => {}
            }
        }
    }

    /// Resolves the targets of references.
    fn find_targets(&mut self) -> Result<(), Reject> {
        let references: Vec<_> = (0..self.places.len())
            .filter(|&place| self.places[place].kind == Some(REFERENCE))
            .collect();
        for &place in &references {
            let Some(Tree::String(raw)) = self.places[place].tree else { return Err(INVALID) };
            let path = unescape(raw.strip_prefix(REFERENCE).ok_or(INVALID)?).ok_or(INVALID)?;
            let target = self.insert(&path);
            self.places[target].target = true;
            self.places[place].points_to = Some(target);
        }
        // No writer produces a reference to a reference, and one could lead in a circle.
        let to_reference = |place: &TypedPlace<'_>| {
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

    /// Returns the place of a member or item, if `$types` mentions it.
    pub(crate) fn child(&self, place: Option<PlaceId>, name: &[u16]) -> Option<PlaceId> {
        self.places.get(place?)?.children.get(name).copied()
    }

    /// True if `$types` mentions places inside this one.
    pub(crate) fn has_children(&self, place: Option<PlaceId>) -> bool {
        place
            .and_then(|place| self.places.get(place))
            .is_some_and(|place| !place.children.is_empty())
    }

    /// Returns the type of a place.
    pub(crate) fn kind(&self, place: Option<PlaceId>) -> Option<&'t [u8]> {
        self.places.get(place?)?.kind
    }
}

/// Returns a single type, or the last one of a list if the others add nothing to JSON.
fn single<'t>(kind: &'t Tree<'t>) -> Result<&'t [u8], Reject> {
    match kind {
        Tree::String(kind) => Ok(kind),
        Tree::List(kinds) => match kinds.split_last() {
            Some((Tree::String(last), before))
                if before.iter().all(|kind| {
                    matches!(kind, Tree::String(b"arrayNonindexKeys" | b"userObject"))
                }) =>
            {
                Ok(last)
            }
            _ => Err((code::UNKNOWN_TAG, "a place of the row has several types at once")),
        },
        _ => Err(INVALID),
    }
}

/// Parses an array index in its only spelling.
fn index(name: &[u16]) -> Option<usize> {
    let text = String::from_utf16(name).ok()?;
    text.parse().ok().filter(|index: &usize| index.to_string() == text)
}

fn unescape_part(part: &[u16]) -> CodeUnits {
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
