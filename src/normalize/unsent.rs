//! Members that a source did not send because they had not changed; their stored values are kept.

use std::borrow::Cow;

use super::fold::{Claim, Folded};
use crate::indexeddb::value::{
    NameValue, ValueTag, all_members, compare_names, has_references, is_tagged,
};
use crate::snapshot::LineState;

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

impl Folded {
    /// Fills in the unsent members from the stored record, if there is one.
    pub fn fill_from(&mut self, stored: Option<&[u8]>) {
        let Unsent { state, claim } = std::mem::take(&mut self.unsent);
        let Some(stored) = stored else { return };
        if let LineState::Put(value) = &mut self.state
            && let Cow::Owned(whole) = filled(value, &state, stored)
        {
            *value = whole.into();
        }
        if let Claim::Value(value) = &mut self.claim
            && let Cow::Owned(whole) = filled(value, &claim, stored)
        {
            *value = whole.into();
        }
    }

    /// Applies a later change of the same key on top of this one.
    pub(super) fn follow(&mut self, later: Self) {
        let before = std::mem::replace(&mut self.state, later.state);
        let unsent_before = std::mem::replace(&mut self.unsent.state, later.unsent.state);
        self.clock = later.clock;
        if self.unsent.state.is_empty() {
            return;
        }
        let LineState::Put(before) = before else {
            self.unsent.state = Box::default();
            return;
        };
        if let LineState::Put(value) = &mut self.state
            && let Cow::Owned(whole) = filled(value, &self.unsent.state, &before)
        {
            *value = whole.into();
        }
        // Members that neither change sent are still to be filled in from the stored record.
        self.unsent.state = in_both(&self.unsent.state, &unsent_before).into();
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
fn filled<'v>(value: &'v [u8], unsent: &[u8], stored: &[u8]) -> Cow<'v, [u8]> {
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
fn in_both(a: &[u8], b: &[u8]) -> Vec<u8> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::indexeddb::key::Key;

    fn folded(value: &str, unsent: &str) -> Folded {
        Folded {
            store: 0,
            key: Key::Number(1.0).to_sortable().unwrap(),
            state: LineState::Put(value.as_bytes().into()),
            clock: None,
            claim: Claim::Value(value.as_bytes().into()),
            unsent: Unsent::both(unsent.as_bytes()),
        }
    }

    fn state(folded: &Folded) -> &str {
        let LineState::Put(value) = &folded.state else { return "deleted" };
        std::str::from_utf8(value).unwrap()
    }

    #[test]
    fn what_was_not_sent_comes_from_what_is_stored() {
        let mut change =
            folded(r#"{"id":1,"q":2}"#, r#"{"bin":null,"doc":null,"new":null,"q":null}"#);
        change.fill_from(Some(br#"{"bin":"AQI=","doc":{"a":[1]},"id":1,"q":1}"#));
        assert_eq!(state(&change), r#"{"bin":"AQI=","doc":{"a":[1]},"id":1,"q":2}"#);
        assert_eq!(change.claim, Claim::Value(state(&change).as_bytes().into()));
        assert!(change.unsent.is_empty());
        let mut rest = folded(r#"{"q":2}"#, r#"[{"gone":null}]"#);
        rest.fill_from(Some(br#"{"gone":1,"id":1,"q":1}"#));
        assert_eq!(state(&rest), r#"{"id":1,"q":2}"#);
        let mut alone = folded(r#"{"id":1}"#, r#"{"doc":null}"#);
        alone.fill_from(None);
        assert_eq!(state(&alone), r#"{"id":1}"#);
        let mut shared = folded(r#"{"id":1}"#, r#"{"a":null,"b":null,"c":null}"#);
        shared.fill_from(Some(br#"{"a":{"~id":[1,[]]},"b":{"~ref":1},"c":3,"id":1}"#));
        assert_eq!(state(&shared), r#"{"c":3,"id":1}"#);
    }

    #[test]
    fn changes_of_one_batch_fill_each_other() {
        let mut change = folded(r#"{"a":1,"id":1}"#, r#"{"b":null}"#);
        change.follow(folded(r#"{"id":1}"#, r#"{"a":null,"b":null}"#));
        assert_eq!(
            (state(&change), &*change.unsent.state),
            (r#"{"a":1,"id":1}"#, &br#"{"b":null}"#[..])
        );
        let mut rest = folded(r#"{"a":1}"#, r#"[{"x":null}]"#);
        rest.follow(folded(r#"{"b":1}"#, r#"[{"a":null,"y":null}]"#));
        assert_eq!(
            (state(&rest), &*rest.unsent.state),
            (r#"{"b":1}"#, &br#"[{"a":null,"x":null,"y":null}]"#[..])
        );
        rest.follow(folded(r#"{"c":1}"#, r#"{"n":null,"y":null}"#));
        assert_eq!(&*rest.unsent.state, br#"{"n":null}"#);
        change.follow(Folded {
            state: LineState::Delete,
            unsent: Unsent::default(),
            ..folded("{}", "")
        });
        change.follow(folded(r#"{"id":1}"#, r#"{"a":null}"#));
        assert_eq!((state(&change), change.unsent.state.len()), (r#"{"id":1}"#, 0));
    }
}
