//! Values: one canonical form for every value that IndexedDB can store.
//!
//! This page is the definition; `tests/fixtures/values` contains a case for every rule. Equal
//! values have equal texts, except for error stacks, and for Blobs whose bytes are in one text and
//! only named by digest in the other. Details that JavaScript programs hardly ever see are not
//! kept: the order of an object's members, prototypes, and property attributes.
//!
//! # Text
//!
//! - The form is JSON as in RFC 8785, restricted to printable ASCII. There is no white space
//!   between tokens, members are sorted by the UTF-16 units of their names, and numbers are written
//!   as ECMAScript writes them.
//! - In strings, everything outside U+0020–U+007E is `\uXXXX` in lower-case hexadecimal (two
//!   escapes for astral characters). So are `$` and `#`, which NiFi would evaluate. `\"` and `\\`
//!   are the only short escapes.
//! - Input is RFC 8259 JSON in UTF-8. These are refused: a byte-order mark, invalid UTF-8
//!   (`invalid-utf8`), control characters inside strings (`syntax`), and two members with one name,
//!   compared after unescaping (`duplicate-member`).
//! - Brackets nest at most [`MAX_DEPTH`] deep, in the input and in its canonical form (otherwise
//!   `depth`).
//!
//! # Numbers
//!
//! - An integer literal must be exactly a double, or the very text that ECMAScript writes for its
//!   double (2^68 is `295147905179352830000`). Any other integer is refused as `number-precision`,
//!   or becomes a BigInt with [`Options::big_integers`].
//! - Any other literal is rounded to the nearest double. With more than 17 significant digits
//!   (zeros at either end do not count) it must be exact; otherwise it is refused as
//!   `number-precision`.
//! - A literal that would round to an infinity, or to zero although it is not zero, is refused as
//!   `number-range`.
//! - `-0`, even if written `-0.0` or `-0e5`, becomes `{"~number":"-0"}`.
//!
//! # Tags
//!
//! A value that JSON cannot represent is an object with exactly one member, whose name is `~` and a
//! word of this table. In data, every member name that begins with `~` gets one more `~` in front;
//! there is no other escape. Any other name with a single `~` is refused: as `unknown-tag` if it is
//! the only member, or as `reserved-name` if there are others. Content that the table does not
//! allow is `invalid-tag`. With [`Options::plain`] the input has no tags, and the escape is added.
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
//! | `~view` | `{"buffer":…,"length":n,"offset":n,"type":…}`: type is a typed array's name or `DataView`; offset in bytes, length in elements; no length where the view tracks a resizable buffer. It is within its buffer, aligned to its elements. The buffer is a `~buffer`, shared or not |
//! | `~binary` | a binary key: base64. Only in keys; a value has `~buffer` |
//! | `~error` | `{"cause":…,"message":…,"name":…,"stack":…}`, all but the name optional: Error and DOMException. AggregateError is written `Error`, as all engines but Firefox store it. Stacks are kept but not portable: [`without_stacks`] |
//! | `~blob` | `{"blake3":hex,"data":base64,"lastModified":ms,"name":…,"size":n,"type":…}`: a Blob, with a name a File. `data` may be kept elsewhere under its digest. Where it is given, size and digest are checked, or computed if they are missing. `lastModified` needs a name |
//! | `~dom` | `{"kind":…,…}`: ImageData, DOMPoint, DOMRect, DOMQuad, DOMMatrix, FileList (`"files":[~blob,…]`) |
//! | `~opaque` | `{"kind":…,"reason":…,…}`: CryptoKey, file handles, undecodable values |
//! | `~id` | `[n,value]`: the first place of a value that occurs more than once, or within itself |
//! | `~ref` | `n`: a further place |
//!
//! - Optional members that are `null` count as absent, except `cause`. Unknown members are refused,
//!   except in `~dom` and `~opaque`.
//! - Base64 is standard and padded, with only one spelling: white space, missing padding and stray
//!   bits are refused.
//! - **References.** Ids in the input are any whole numbers from 1, each used by one `~id`
//!   (otherwise `duplicate-id`). A `~ref` follows its `~id` (otherwise `dangling-reference`). Only
//!   objects have identity: an `~id` contains neither a primitive nor a reference. In the canonical
//!   form, ids count from 1 in the order of the text. Sorting members can move a `~ref` before its
//!   `~id`; the definition then moves to that first place. An id without references is removed.
//! - A value with references cannot be compared or merged member by member: [`members`] returns
//!   `None`.
//!
//! # Speed
//!
//! A value without references is written in one pass. Members that arrive in order are copied, in
//! one piece as long as nothing needs rewriting. Objects whose members are not in order are sorted
//! in place.

use std::collections::HashSet;
use std::ops::Range;

pub(crate) mod array_buffer;
mod error;
mod grammar;
mod key_of;
pub(crate) mod kind;
mod order;
mod pass;
mod path;
mod read;
mod references;
mod scan;
pub(crate) mod shared;
mod tag;
mod tags;
pub mod tree;
pub(crate) mod view;
pub(crate) mod write;
mod written_member;

#[cfg(test)]
mod tests;

pub use error::{ValueError, ValueErrorReason};
pub use key_of::sortable_key_of;
pub(crate) use key_of::{list_key_of, sortable_array_within, sortable_key_within};
pub use path::{at_members, at_path, member_name};
pub(crate) use read::{
    Items, Members, date_text, each_item, each_member, is_tagged, number_of, special_number,
    tag_at, unescaped,
};
pub use read::{
    NameValue, all_members, has_references, items, kind, members, tagged, without_stacks,
};
pub(crate) use read::{string_end, value_end};
pub use tag::ValueTag;
pub(crate) use tag::may_have_tags;
pub use written_member::compare_names;

/// The greatest depth of brackets, in the input and in its canonical form.
pub const MAX_DEPTH: usize = 512;

/// The options for reading input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// True if the input is plain JSON without tags. Member names that begin with `~` are then data
    /// and get the escape.
    pub plain: bool,
    /// True if an integer that a double cannot represent becomes a BigInt instead of an error.
    pub big_integers: bool,
}

/// Writes values in canonical form. Reuses its buffers from one value to the next.
#[derive(Default)]
pub struct Canonicalizer {
    options: Options,
    scratch: Scratch,
}

/// The buffers of one pass.
#[derive(Default)]
struct Scratch {
    /// Members of the objects that are open; after the pass, members of the top-level object.
    members: Vec<written_member::WrittenMember>,
    /// An object before its members are sorted.
    text: Vec<u8>,
    /// Numbers of the `~id` objects seen so far.
    ids: HashSet<u64>,
    /// True if there is an `~id`.
    has_references: bool,
}

impl Scratch {
    /// Finds the members of a plain top-level object again after its text was rewritten.
    fn find_top_members(&mut self, out: &[u8], start: usize) {
        let text = &out[start..];
        self.members.clear();
        if text.first() != Some(&b'{') || read::is_tagged(text) {
            return;
        }
        let mut at = start + 1;
        for (name, value) in read::all_members(text).unwrap_or_default() {
            let (start, name_end) = (at + 1, at + 1 + name.len());
            let end = name_end + 2 + value.len();
            let escaped = name.contains(&b'\\');
            self.members.push(written_member::WrittenMember {
                start,
                name_end,
                end,
                offset: 0,
                head: 0,
                escaped,
                lone: false,
            });
            at = end + 1;
        }
    }
}

impl Canonicalizer {
    /// Returns a canonicalizer with these options.
    pub fn new(options: Options) -> Self {
        Self { options, scratch: Scratch::default() }
    }

    /// Returns the options.
    pub fn options(&self) -> Options {
        self.options
    }

    /// Appends the canonical form of the JSON value in `input`, which may be surrounded by JSON
    /// white space. After an error `out` is unchanged.
    pub fn value(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), ValueError> {
        self.run(input, out, false)
    }

    /// Appends the canonical form of a key. Works like [`value`](Self::value), but allows
    /// `{"~binary":…}`. Use [`sortable_key_of`] to check that the result is a key.
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

    /// Returns the position in `out` of the value of a top-level member.
    ///
    /// Call it after [`value`](Self::value) of a plain object, while its text is still at the same
    /// position in `out`. `canonical_name` is the text between the quotes, with all escapes.
    pub fn top_member(&self, out: &[u8], canonical_name: &[u8]) -> Option<Range<usize>> {
        let named = |member: &&written_member::WrittenMember| {
            out.get(member.start..member.name_end) == Some(canonical_name)
        };
        let member = self.scratch.members.iter().find(named)?;
        Some(member.name_end + 2..member.end)
    }
}
