//! Private fields, which are hidden in a canonical value before any part of it is stored. See
//! `doc/guide/privacy.md`.
//!
//! The value is walked once without being copied. The walk finds the places to cut and to replace;
//! only a value with such places is written again.

mod walk;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use self::walk::{Edit, PrivateWalk, With};
use crate::indexeddb::schema::KeyPath;
use crate::indexeddb::value::{Canonicalizer, has_references, member_name};
use crate::policy::{FieldPath, HashKey, Hide, PathStep, Privacy};

/// The canonical text that replaces a redacted value.
pub(super) const MARK: &[u8] = b"\"[redacted]\"";

/// The number of fields that were hidden.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hidden {
    /// Fields that were left out.
    pub excluded: u64,
    /// Fields that were replaced by a digest.
    pub hashed: u64,
    /// Fields that were replaced by the mark.
    pub redacted: u64,
}

impl Hidden {
    /// Adds the counts of another value.
    pub(super) fn add(&mut self, other: Self) {
        self.excluded += other.excluded;
        self.hashed += other.hashed;
        self.redacted += other.redacted;
    }
}

/// The reason why a private field cannot be hidden. It contains nothing of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unhideable(pub(super) &'static str);

/// A tree of private paths, by member name from the outside in.
#[derive(Debug, Default)]
struct PathNode {
    /// Set if the value itself is private. The number is how many levels of array to go down; the
    /// elements at that level are hidden.
    hide: Option<(usize, Hide)>,
    members: HashMap<Vec<u8>, PathNode>,
    /// True if the name of a member could also be the index of an array element.
    has_index: bool,
    /// True if a path continues through `[]`. In a Map, such a path applies to all values, not only
    /// to those whose keys it names.
    has_elements: bool,
}

impl PathNode {
    /// Returns the node for a member name, given as a string without the `~` escape.
    fn named(&self, string: &[u8]) -> Option<&Self> {
        let name = string.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        match name.first() {
            Some(b'~') => self.members.get(&[b"~", name].concat()),
            _ => self.members.get(name),
        }
    }

    fn insert(&mut self, path: &FieldPath, hide: Hide) {
        let mut node = self;
        let mut levels = 0;
        for step in path.steps() {
            match step {
                PathStep::Member(name) => {
                    node.has_elements |= levels > 0;
                    // Arrays on the way are entered whether or not the path has `[]` there.
                    levels = 0;
                    node.has_index |= !name.is_empty() && name.iter().all(u8::is_ascii_digit);
                    node = node.members.entry(name.clone()).or_default();
                }
                PathStep::Elements => levels += 1,
            }
        }
        // If two paths end here, the one that hides more wins.
        node.hide = Some(node.hide.map_or((levels, hide), |other| other.min((levels, hide))));
    }
}

/// The private fields of one object store.
#[derive(Debug)]
pub(super) struct Private {
    root: PathNode,
    /// True if the key is in a private field.
    has_key: bool,
}

impl Private {
    /// Returns `None` if no field is private.
    pub(super) fn new(privacy: &Privacy, key_path: Option<&KeyPath>) -> Option<Self> {
        if privacy.fields.is_empty() {
            return None;
        }
        let mut root = PathNode::default();
        privacy.fields.iter().for_each(|(path, hide)| root.insert(path, *hide));
        let in_private = |path: &str| {
            let mut node = Some(&root);
            path.split('.').any(|name| {
                node = node.and_then(|node| node.members.get(&member_name(name)));
                node.is_some_and(|node| node.hide.is_some())
            })
        };
        let has_key = match key_path {
            None => false,
            Some(KeyPath::Path(path)) => in_private(&path.to_string()),
            Some(KeyPath::Paths(paths)) => paths.iter().any(|path| in_private(&path.to_string())),
        };
        Some(Self { root, has_key })
    }
}

/// Hides the private fields of one canonical value of an object store, in the same way as in a
/// batch.
///
/// # Errors
///
/// Returns the reason if a field cannot be hidden, without anything of the value, which is then
/// unchanged.
pub fn hide(
    privacy: &Privacy,
    key_path: Option<&KeyPath>,
    key: Option<&HashKey>,
    value: &mut Vec<u8>,
) -> Result<Hidden, &'static str> {
    let Some(private) = Private::new(privacy, key_path) else { return Ok(Hidden::default()) };
    Hider::new(key.cloned()).hide(&private, value).map_err(|Unhideable(why)| why)
}

/// Hides private fields. Reuses its buffers from one value to the next.
#[derive(Default)]
pub(super) struct Hider {
    key: Option<HashKey>,
    canonicalizer: Canonicalizer,
    edits: Vec<Edit>,
    text: Vec<u8>,
}

impl Hider {
    /// Returns a hider that hashes with this key.
    pub(super) fn new(key: Option<HashKey>) -> Self {
        Self { key, ..Self::default() }
    }

    /// Hides the private fields of a canonical value; the result is canonical again.
    ///
    /// # Errors
    ///
    /// Fails if a field cannot be hidden; the value is then unchanged.
    pub(super) fn hide(
        &mut self,
        private: &Private,
        value: &mut Vec<u8>,
    ) -> Result<Hidden, Unhideable> {
        if private.has_key {
            return Err(Unhideable("it holds the object store's key, and keys are never hidden"));
        }
        self.edits.clear();
        let mut walk =
            PrivateWalk::new(value, self.key.as_ref(), &mut self.edits, &mut self.canonicalizer);
        walk.root(&private.root)?;
        let (hidden, renew) = (walk.hidden, walk.renew);
        if self.edits.is_empty() {
            return Ok(hidden);
        }
        self.text.clear();
        let mut copied = 0;
        for edit in &self.edits {
            self.text.extend_from_slice(&value[copied..edit.start]);
            match edit.with {
                With::Nothing => {}
                With::Mark => self.text.extend_from_slice(MARK),
                With::Digest(digest) => walk::write_digest(&digest, &mut self.text),
            }
            copied = edit.end;
        }
        self.text.extend_from_slice(&value[copied..]);
        if renew || has_references(value) {
            let mut renewed = Vec::with_capacity(self.text.len());
            // This fails only if the value refers to an object that was removed.
            let shared = |_| Unhideable("it holds an object that is also elsewhere in the value");
            self.canonicalizer.value(&self.text, &mut renewed).map_err(shared)?;
            *value = renewed;
        } else {
            std::mem::swap(value, &mut self.text);
        }
        Ok(hidden)
    }
}
