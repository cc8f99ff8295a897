//! Values: one canonical form for every value that IndexedDB can store.
//!
//! This page is the definition; `tests/fixtures/values` holds a case for every rule. Equal values have equal texts, but
//! for error stacks, and for Blobs whose bytes one text holds and the other only names. What JavaScript programs hardly
//! see is not kept: the order of an object's members, prototypes, property attributes.
//!
//! # Text
//!
//! - The form is JSON as RFC 8785 prescribes it, restricted to printable ASCII: no white space between tokens, members
//!   sorted by the UTF-16 units of their names, numbers as ECMAScript writes them.
//! - In strings everything outside U+0020–U+007E is `\uXXXX` in lower-case hexadecimal (astral characters as two), and
//!   so are `$` and `#`, which NiFi would evaluate. `\"` and `\\` are the only short escapes.
//! - Input is RFC 8259 JSON in UTF-8. Refused: a byte-order mark, invalid UTF-8 (`invalid-utf8`), control characters
//!   inside strings (`syntax`), two members of one name, compared after unescaping (`duplicate-member`).
//! - Brackets nest at most [`MAX_DEPTH`] deep, in the input and in its canonical form (`depth`).
//!
//! # Numbers
//!
//! - An integer literal must be a double exactly, or the very text that ECMAScript writes for its double (2^68 is
//!   `295147905179352830000`); else `number-precision`, or, with [`Options::big_integers`], a BigInt.
//! - Any other literal is rounded to the nearest double, but more than 17 significant digits (zeros at either end do not
//!   count) must be exact; else `number-precision`.
//! - What would round to an infinity, or to zero without being zero, is `number-range`.
//! - `-0`, also as `-0.0` or `-0e5`, is `{"~number":"-0"}`.
//!
//! # Tags
//!
//! What JSON cannot say is an object with exactly one member, whose name is `~` and a word of this table. In data, every
//! member name that begins with `~` gets one more `~` in front; that is the only escape. Another single `~` in front of
//! the only member's name is `unknown-tag`, beside other members `reserved-name`. Content that the table does not allow
//! is `invalid-tag`. With [`Options::plain`] the input knows no tags, and the escape is added.
//!
//! | tag | content |
//! | --- | --- |
//! | `~undefined` | `true` |
//! | `~number` | `"-0"`, `"NaN"`, `"Infinity"`, `"-Infinity"`; any other number is a JSON number |
//! | `~bigint` | a decimal integer as a string; no leading zeros, no `"-0"` |
//! | `~date` | milliseconds since 1970, at most 8.64e15 either way, fractions cut off and −0 written 0; `null`: invalid |
//! | `~utf16` | a string with lone surrogates: base64 of UTF-16LE. A JSON string with such an escape becomes one; without lone surrogates it becomes a string |
//! | `~entries` | an object with a lone surrogate in a member name: `[[name,value],…]`, sorted by unit, names without the `~` escape. An object with such a name becomes one; without such a name it becomes an object |
//! | `~regexp` | `[source,flags]`; flags sorted, some of `dgimsuvy`, each once, not both `u` and `v` |
//! | `~boxed` | the string, number, boolean or BigInt that the object wraps |
//! | `~array` | `{"items":[[index,value],…],"length":n,"members":[[name,value],…]}`: an array with holes or named members, both lists sorted. `items` and `members` may be left out of the input. Without holes and members it becomes a JSON array |
//! | `~map` | `[[key,value],…]` in insertion order; no primitive key twice, and no −0, which a Map stores as 0 |
//! | `~set` | `[value,…]` in insertion order; likewise |
//! | `~buffer` | `{"data":base64,"max":n}`: an ArrayBuffer; `max` only if it is resizable |
//! | `~view` | `{"buffer":…,"length":n,"offset":n,"type":…}`: type is a typed array's name or `DataView`; offset in bytes, length in elements; no length where the view tracks a resizable buffer. It lies within its buffer, aligned to its elements. The buffer is a `~buffer`, shared or not |
//! | `~binary` | a binary key: base64. Only in keys; a value has `~buffer` |
//! | `~error` | `{"cause":…,"message":…,"name":…,"stack":…}`, all but the name optional: Error and DOMException. AggregateError is written `Error`, as all engines but Firefox store it. Stacks are kept but not portable: [`without_stacks`] |
//! | `~blob` | `{"blake3":hex,"data":base64,"lastModified":ms,"name":…,"size":n,"type":…}`: a Blob, with a name a File. `data` may be kept elsewhere under its digest. Where it is given, size and digest are checked, or computed if they are missing. `lastModified` needs a name |
//! | `~dom` | `{"kind":…,…}`: ImageData, DOMPoint, DOMRect, DOMQuad, DOMMatrix, FileList (`"files":[~blob,…]`) |
//! | `~opaque` | `{"kind":…,"reason":…,…}`: CryptoKey, file handles, what could not be decoded |
//! | `~id` | `[n,value]`: the first place of a value that occurs more than once, or within itself |
//! | `~ref` | `n`: a further place |
//!
//! - Optional members that are `null` count as absent, but for `cause`. Unknown members are refused, but in `~dom` and
//!   `~opaque`.
//! - Base64 is standard, padded, and in its one spelling: white space, missing padding and stray bits are refused.
//! - **References.** Ids in the input are any whole numbers from 1, each used by one `~id` (`duplicate-id`), and a `~ref`
//!   follows its `~id` (`dangling-reference`). Only objects have identity: an `~id` holds no primitive and no reference.
//!   In the canonical form ids count from 1 in the order of the text. Sorting members can bring a `~ref` before its
//!   `~id`: then the definition moves to that first place. An id that nobody refers to goes.
//! - A value with references cannot be compared or merged member by member: [`members`] gives none.
//!
//! # Speed
//!
//! A value without references is written in one pass. Members that arrive in order are copied, in one piece as long as
//! nothing needs rewriting; objects whose members do not are sorted in place.

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
pub mod tree;

#[cfg(test)]
mod tests;

pub use error::{ValueError, ValueErrorReason};
pub use key_of::sortable_key_of;
pub(crate) use key_of::{list_key_of, sortable_array_within, sortable_key_within};
pub use order::compare_names;
pub use path::{at_members, at_path, member_name};
pub(crate) use read::{Items, Members, each_item, each_member, unescaped};
pub use read::{NameValue, all_members, has_references, items, kind, members, tagged, without_stacks};
pub(crate) use read::{string_end, value_end};
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
        if text.first() != Some(&b'{') || read::tagged(text).is_some() {
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
