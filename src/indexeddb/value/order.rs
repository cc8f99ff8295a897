//! Members in RFC 8785 order, and objects with names that a JSON string cannot represent.

use std::cmp::Ordering;

use super::error::ValueErrorReason as Reason;
use super::pass::Pass;
use super::scan;
use super::tag::ValueTag;
use super::write::{close_tag, open_tag};
use crate::indexeddb::text;

/// One member of an object that is being written, as positions in the output.
#[derive(Clone, Copy)]
pub(super) struct WrittenMember {
    /// The start of its name, after the quote.
    pub(super) start: usize,
    /// The end of its name, before the quote.
    pub(super) name_end: usize,
    /// The end of its value.
    pub(super) end: usize,
    /// The position of its name in the input.
    pub(super) offset: usize,
    /// The first eight bytes of its name as one number, which decides most comparisons.
    pub(super) head: u64,
    /// True if its name contains a backslash.
    pub(super) escaped: bool,
    /// True if its name contains a lone surrogate.
    pub(super) lone: bool,
}

impl WrittenMember {
    /// Orders two names by code unit.
    #[inline]
    pub(super) fn compare(&self, own: &[u8], other: &Self, others: &[u8]) -> Ordering {
        // Without a backslash, every byte is a code unit.
        if self.escaped || other.escaped {
            compare_names(own, others)
        } else {
            self.head.cmp(&other.head).then_with(|| own.cmp(others))
        }
    }
}

/// Returns the first eight bytes of a name of `length` bytes at the start of `text`, padded with
/// zeros, which names cannot contain.
#[inline]
pub(super) fn head(text: &[u8], length: usize) -> u64 {
    match (text.first_chunk::<8>(), length) {
        (Some(chunk), 8..) => u64::from_be_bytes(*chunk),
        (Some(chunk), 1..) => u64::from_be_bytes(*chunk) & (u64::MAX << (64 - 8 * length)),
        (_, 0) => 0,
        (None, _) => {
            let mut chunk = [0; 8];
            let name = &text[..length.min(text.len())];
            chunk[..name.len()].copy_from_slice(name);
            u64::from_be_bytes(chunk)
        }
    }
}

/// Orders the insides of two canonical strings by code unit.
pub fn compare_names(a: &[u8], b: &[u8]) -> Ordering {
    scan::units(a).cmp(scan::units(b))
}

/// Writes `{"~entries":…}` for sorted members. A name is the text between the quotes of a canonical
/// string, without the `~` escape; it may contain lone surrogates.
pub(super) fn write_entries<'a>(
    members: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    out: &mut Vec<u8>,
) {
    open_tag(ValueTag::Entries, out);
    out.push(b'[');
    for (index, (name, value)) in members.enumerate() {
        out.extend_from_slice(if index > 0 { b",[" } else { b"[" });
        let units: Vec<u16> = scan::units(name).collect();
        text::write_units(&units, out);
        out.push(b',');
        out.extend_from_slice(value);
        out.push(b']');
    }
    out.push(b']');
    close_tag(out);
}

impl Pass<'_> {
    /// Sorts the members from index `base` on, and rewrites the object at `start` to match.
    pub(super) fn reorder(
        &mut self,
        start: usize,
        base: usize,
        depth: usize,
        lone: bool,
    ) -> Result<(), Reason> {
        let members = &mut self.scratch.members[base..];
        let out = &*self.out;
        members.sort_unstable_by(|a, b| {
            a.compare(&out[a.start..a.name_end], b, &out[b.start..b.name_end])
        });
        let same = |pair: &&[WrittenMember]| {
            out[pair[0].start..pair[0].name_end] == out[pair[1].start..pair[1].name_end]
        };
        if let Some(pair) = members.windows(2).find(same) {
            let offset = pair[0].offset.max(pair[1].offset);
            return self.fail_at(offset, Reason::DuplicateMember);
        }
        let old = &mut self.scratch.text;
        old.clear();
        old.extend_from_slice(&self.out[start..]);
        self.out.truncate(start);
        if lone {
            let named = members.iter().map(|member| {
                let name = &old[member.start - start..member.name_end - start];
                // In a list of entries a name needs no escape.
                (
                    name.strip_prefix(b"~").unwrap_or(name),
                    &old[member.name_end + 2 - start..member.end - start],
                )
            });
            write_entries(named, self.out);
            // Two brackets more around every value, and three around a name that is `{"~utf16":…}`.
            return self.enter((self.deepest + 2).max(depth + 3));
        }
        self.out.push(b'{');
        for (index, member) in members.iter_mut().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            let place = self.out.len() + 1;
            self.out.extend_from_slice(&old[member.start - 1 - start..member.end - start]);
            member.name_end = place + (member.name_end - member.start);
            member.end = self.out.len();
            member.start = place;
        }
        self.out.push(b'}');
        Ok(())
    }
}
