//! Members in RFC 8785 order, and objects with names that a JSON string cannot represent.

use super::error::ValueErrorReason as Reason;
use super::pass::Pass;
use super::tag::ValueTag;
use super::write::{close_tag, open_tag};
use super::written_member::WrittenMember;
use crate::indexeddb::text;

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
        let units: Vec<u16> = text::units(name).collect();
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
