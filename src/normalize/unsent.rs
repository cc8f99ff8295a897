//! Members that a source did not send because they had not changed; their stored values are kept.

use std::borrow::Cow;

use crate::indexeddb::value::{
    NameValue, ValueTag, all_members, compare_names, has_references, is_tagged,
};

/// The members that were not sent: a canonical object whose members they are, or, if all unnamed
/// members were unsent, a list with an object of the members that were removed. Empty if all
/// members were sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unsent {
    /// Members that the last state lacks.
    pub state: Box<[u8]>,
    /// Members that the first change's base lacks.
    pub claim: Box<[u8]>,
}

impl Unsent {
    /// Returns the same members for state and base.
    pub(super) fn both(unsent: &[u8]) -> Self {
        Self { state: unsent.into(), claim: unsent.into() }
    }

    /// True if all members were sent.
    pub fn is_empty(&self) -> bool {
        self.state.is_empty() && self.claim.is_empty()
    }
}

/// The members that were not sent.
enum UnsentMembers<'u> {
    /// The named members.
    Named(Vec<NameValue<'u>>),
    /// All members except those that were sent and these, which were removed.
    Rest(Vec<NameValue<'u>>),
}

impl<'u> UnsentMembers<'u> {
    /// Parses an object of unsent members, or a list with an object of removed members.
    fn read(text: &'u [u8]) -> Option<Self> {
        match text.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")) {
            Some(gone) => all_members(gone).map(Self::Rest),
            None => all_members(text).map(Self::Named),
        }
    }

    fn has(&self, name: &[u8]) -> bool {
        let is_in = |names: &[NameValue<'_>]| names.iter().any(|(known, _)| *known == name);
        match self {
            Self::Named(names) => is_in(names),
            Self::Rest(gone) => !is_in(gone),
        }
    }
}

/// Returns the value, plus those unsent members that it lacks and the stored value has.
pub(super) fn filled<'v>(value: &'v [u8], unsent: &[u8], stored: &[u8]) -> Cow<'v, [u8]> {
    let lists = (all_members(value), UnsentMembers::read(unsent), all_members(stored));
    let (Some(own), Some(unsent), Some(stored_members)) = lists else {
        return Cow::Borrowed(value);
    };
    if is_tagged(value) || is_tagged(stored) {
        return Cow::Borrowed(value);
    }
    let lacks = |name: &[u8]| !own.iter().any(|(known, _)| *known == name);
    // A member that shares an object with another member has no meaning alone.
    let kept = stored_members
        .iter()
        .filter(|(name, text)| unsent.has(name) && lacks(name) && !shares(text));
    let mut members: Vec<_> = own.iter().chain(kept).copied().collect();
    if members.len() == own.len() {
        return Cow::Borrowed(value);
    }
    members.sort_by(|(a, _), (b, _)| compare_names(a, b));
    Cow::Owned(write_object(&members))
}

fn write_object(members: &[NameValue<'_>]) -> Vec<u8> {
    let mut out = vec![b'{'];
    for (name, text) in members {
        out.extend_from_slice(if out.len() > 1 { b",\"" } else { b"\"" });
        out.extend_from_slice(name);
        out.extend_from_slice(b"\":");
        out.extend_from_slice(text);
    }
    out.push(b'}');
    out
}

fn shares(text: &[u8]) -> bool {
    has_references(text) || ValueTag::Id.occurs_in(text)
}

/// Returns the members that neither of two changes sent.
pub(super) fn in_both(a: &[u8], b: &[u8]) -> Vec<u8> {
    let (Some(a), Some(b)) = (UnsentMembers::read(a), UnsentMembers::read(b)) else {
        return Vec::new();
    };
    let mut names = match (&a, &b) {
        (UnsentMembers::Rest(gone), UnsentMembers::Rest(others)) => {
            let mut gone = [&gone[..], &others[..]].concat();
            gone.sort_by(|(a, _), (b, _)| compare_names(a, b));
            gone.dedup_by(|(a, _), (b, _)| a == b);
            return [b"[", &write_object(&gone)[..], b"]"].concat();
        }
        (UnsentMembers::Named(names), other) | (other, UnsentMembers::Named(names)) => {
            names.iter().filter(|(name, _)| other.has(name)).copied().collect::<Vec<_>>()
        }
    };
    names.sort_by(|(a, _), (b, _)| compare_names(a, b));
    if names.is_empty() { Vec::new() } else { write_object(&names) }
}
