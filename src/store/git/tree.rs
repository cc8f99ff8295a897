//! Trees: reading, changing and writing them; other people's entries are kept unchanged.
//!
//! By hand, because a tree that another program wrote in the wrong order is kept as it is; the writer
//! of `gix` asserts the order.

use std::cmp::Ordering;

use gix::ObjectId;

/// The mode of a directory.
pub(super) const DIRECTORY: u32 = 0o040_000;

/// The mode of a file.
pub(super) const FILE: u32 = 0o100_644;

/// An entry of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TreeEntry {
    pub(super) mode: u32,
    pub(super) name: Vec<u8>,
    pub(super) id: ObjectId,
}

impl TreeEntry {
    pub(super) fn is_directory(&self) -> bool {
        self.mode == DIRECTORY
    }
}

/// A tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct GitTree(Vec<TreeEntry>);

impl GitTree {
    /// Parses git's format; `None` if the bytes are not a tree.
    pub(super) fn parse(mut bytes: &[u8]) -> Option<Self> {
        let mut entries = Vec::with_capacity(bytes.len() / 64);
        while !bytes.is_empty() {
            let space = memchr::memchr(b' ', bytes)?;
            let mode = u32::from_str_radix(std::str::from_utf8(&bytes[..space]).ok()?, 8).ok()?;
            let end = space + memchr::memchr(0, &bytes[space..])?;
            let id = bytes.get(end + 1..end + 21)?;
            let id = ObjectId::from_bytes_or_panic(id);
            entries.push(TreeEntry { mode, name: bytes[space + 1..end].to_vec(), id });
            bytes = &bytes[end + 21..];
        }
        Some(Self(entries))
    }

    /// A tree of entries that have distinct names.
    pub(super) fn of(mut entries: Vec<TreeEntry>) -> Self {
        entries.sort_unstable_by(order);
        Self(entries)
    }

    /// Finds an entry.
    pub(super) fn get(&self, name: &[u8]) -> Option<&TreeEntry> {
        // A directory sorts as if its name ended in a slash, so there are two positions to check.
        let find = |mode| {
            let wanted =
                TreeEntry { mode, name: name.to_vec(), id: ObjectId::null(gix::hash::Kind::Sha1) };
            let place = self.0.binary_search_by(|entry| order(entry, &wanted)).ok()?;
            self.0.get(place)
        };
        find(FILE).or_else(|| find(DIRECTORY))
    }

    /// All entries.
    pub(super) fn entries(&self) -> &[TreeEntry] {
        &self.0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds or replaces the entry of this name.
    pub(super) fn set(&mut self, mode: u32, name: &str, id: ObjectId) {
        self.0.retain(|entry| entry.name != name.as_bytes());
        let entry = TreeEntry { mode, name: name.as_bytes().to_vec(), id };
        let place = self.0.partition_point(|other| order(other, &entry).is_lt());
        self.0.insert(place, entry);
    }

    /// Writes git's format.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.0.iter().map(|entry| entry.name.len() + 28).sum());
        for entry in &self.0 {
            out.extend_from_slice(format!("{:o} ", entry.mode).as_bytes());
            out.extend_from_slice(&entry.name);
            out.push(0);
            out.extend_from_slice(entry.id.as_bytes());
        }
        out
    }
}

/// Git's order: by bytes, a directory as if its name ended in a slash.
fn order(a: &TreeEntry, b: &TreeEntry) -> Ordering {
    let common = a.name.len().min(b.name.len());
    let after = |entry: &TreeEntry| {
        entry.name.get(common).copied().or_else(|| entry.is_directory().then_some(b'/'))
    };
    a.name[..common].cmp(&b.name[..common]).then_with(|| after(a).cmp(&after(b))).then_with(|| {
        // Equal so far: one is a directory, the other one has a slash in its name, which git does
        // not allow.
        a.name.len().cmp(&b.name.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_directories_as_if_they_ended_in_a_slash() {
        let id = ObjectId::from_bytes_or_panic(&[1; 20]);
        let entry = |mode, name: &str| TreeEntry { mode, name: name.into(), id };
        let tree = GitTree::of(vec![
            entry(FILE, "a0"),
            entry(DIRECTORY, "a"),
            entry(FILE, "a.json"),
            entry(FILE, "a-"),
        ]);
        let names: Vec<_> =
            tree.entries().iter().map(|entry| String::from_utf8_lossy(&entry.name)).collect();
        assert_eq!(names, ["a-", "a.json", "a", "a0"]);
        for entry in tree.entries() {
            assert_eq!(tree.get(&entry.name), Some(entry));
        }
        assert_eq!(tree.get(b"b"), None);
        assert_eq!(GitTree::parse(&tree.to_bytes()), Some(tree.clone()));
        let mut changed = tree.clone();
        changed.set(DIRECTORY, "a-", id);
        assert_eq!(changed.entries().len(), 4);
        assert!(changed.get(b"a-").is_some_and(TreeEntry::is_directory));
        assert_eq!(GitTree::of(changed.entries().to_vec()), changed);
        assert_eq!(GitTree::parse(b"100644 x\x00123"), None);
    }
}
