//! Values.

use std::collections::HashSet;
use std::ops::Range;

mod error;
mod key_of;
mod order;
mod pass;
mod path;
mod read;
mod references;
mod scan;
mod tags;

#[cfg(test)]
mod tests;

pub use error::{ValueError, ValueErrorReason};
pub use key_of::sortable_key_of;
pub use path::at_path;
pub use read::{has_references, kind, members, without_stacks};
pub use tags::MAX_DATE_MS;

/// Brackets may nest this deep, in the input and in its canonical form.
pub const MAX_DEPTH: usize = 512;

/// How input is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The input is plain JSON that knows no tags: member names that begin with `~` are the user's own and get the
    /// escape.
    pub plain: bool,
    /// An integer that no double holds becomes a BigInt instead of an error.
    pub big_integers: bool,
}

/// Writes values in canonical form. Keeps its buffers from one value to the next.
#[derive(Default)]
pub struct Canonicalizer {
    options: Options,
    scratch: Scratch,
}

/// Buffers of one pass.
#[derive(Default)]
struct Scratch {
    /// Members of the objects that are open; after the pass, those of the top-level object.
    members: Vec<order::Member>,
    /// An object before its members are sorted.
    text: Vec<u8>,
    /// Numbers of the `~id` seen so far.
    ids: HashSet<u64>,
    /// There is an `~id`.
    has_references: bool,
}

impl Scratch {
    /// Finds the members of a plain top-level object again, after its text was rewritten.
    fn find_top_members(&mut self, out: &[u8], start: usize) {
        let text = &out[start..];
        self.members.clear();
        if read::tagged(text).is_some() {
            return;
        }
        let mut at = start + 1;
        for (name, value) in read::all_members(text).unwrap_or_default() {
            let (start, name_end) = (at + 1, at + 1 + name.len());
            let end = name_end + 2 + value.len();
            let escaped = name.contains(&b'\\');
            self.members.push(order::Member { start, name_end, end, offset: 0, head: 0, escaped, lone: false });
            at = end + 1;
        }
    }
}

impl Canonicalizer {
    /// Returns one that reads input by `options`.
    pub fn new(options: Options) -> Self {
        Self { options, scratch: Scratch::default() }
    }

    /// Returns how input is read.
    pub fn options(&self) -> Options {
        self.options
    }

    /// Appends the canonical form of the one JSON value that `input` holds; JSON white space may surround it. After an
    /// error `out` is as it was.
    pub fn value(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), ValueError> {
        self.run(input, out, false)
    }

    /// Appends the canonical form of a key: as [`value`](Self::value), and `{"~binary":…}` is allowed. Whether it is a
    /// key [`sortable_key_of`] tells.
    pub fn key(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), ValueError> {
        self.run(input, out, true)
    }

    fn run(&mut self, input: &[u8], out: &mut Vec<u8>, key: bool) -> Result<(), ValueError> {
        let start = out.len();
        self.scratch.members.clear();
        if self.scratch.has_references {
            self.scratch.ids.clear();
            self.scratch.has_references = false;
        }
        out.reserve(input.len());
        let mut pass = pass::Pass::new(input, out, &mut self.scratch, self.options);
        pass.key = key;
        let result = pass.document();
        if result.is_err() {
            out.truncate(start);
            self.scratch.members.clear();
        }
        result
    }

    /// After [`value`](Self::value) of a plain object, and while its text stands unmoved in `out`: the place in `out` of
    /// the value of a top-level member. `canonical_name` is what stands between the quotes, with all escapes.
    pub fn top_member(&self, out: &[u8], canonical_name: &[u8]) -> Option<Range<usize>> {
        let named = |member: &&order::Member| out.get(member.start..member.name_end) == Some(canonical_name);
        let member = self.scratch.members.iter().find(named)?;
        Some(member.name_end + 2..member.end)
    }
}
