//! Members that a source did not send because they did not change: what is stored of them is kept.

use std::borrow::Cow;

use super::fold::{Claim, Folded};
use crate::indexeddb::value::{all_members, compare_names, has_references, tagged};
use crate::snapshot::LineState;

/// Canonical objects whose members are those that were not sent; empty if all were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unsent {
    /// Not in the last state.
    pub state: Box<[u8]>,
    /// Not in the first change's base.
    pub claim: Box<[u8]>,
}

impl Unsent {
    /// Returns the same for state and base.
    pub(super) fn both(unsent: &[u8]) -> Self {
        Self { state: unsent.into(), claim: unsent.into() }
    }

    /// Tells whether everything was sent.
    pub fn is_empty(&self) -> bool {
        self.state.is_empty() && self.claim.is_empty()
    }
}

impl Folded {
    /// Takes what was not sent from the stored record, if there is one.
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

    /// Puts a later change of the same key on top.
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
        // What the change before had not sent either is in neither, and still to be taken from what is stored.
        self.unsent.state = in_both(&self.unsent.state, &unsent_before).into();
    }
}

/// The value with those of the unsent members that it lacks and the stored value has.
fn filled<'v>(value: &'v [u8], unsent: &[u8], stored: &[u8]) -> Cow<'v, [u8]> {
    let plain = |text: &'_ [u8]| tagged(text).is_none();
    let lists = (all_members(value), all_members(unsent), all_members(stored));
    let (Some(own), Some(unsent), Some(stored)) = lists else { return Cow::Borrowed(value) };
    if !plain(value) {
        return Cow::Borrowed(value);
    }
    let lacks = |name: &[u8]| !own.iter().any(|(known, _)| *known == name);
    let is_unsent = |name: &[u8]| unsent.iter().any(|(known, _)| *known == name);
    // A member that shares an object with another one means nothing on its own.
    let kept = stored.iter().filter(|(name, text)| is_unsent(name) && lacks(name) && !shares(text));
    let mut members: Vec<_> = own.iter().chain(kept).copied().collect();
    if members.len() == own.len() {
        return Cow::Borrowed(value);
    }
    members.sort_by(|(a, _), (b, _)| compare_names(a, b));
    let mut out = vec![b'{'];
    for (name, text) in members {
        out.extend_from_slice(if out.len() > 1 { b",\"" } else { b"\"" });
        out.extend_from_slice(name);
        out.extend_from_slice(b"\":");
        out.extend_from_slice(text);
    }
    out.push(b'}');
    Cow::Owned(out)
}

fn shares(text: &[u8]) -> bool {
    has_references(text) || memchr::memmem::find(text, b"{\"~id\":").is_some()
}

/// The members that two objects of unsent members have both.
fn in_both(a: &[u8], b: &[u8]) -> Vec<u8> {
    let (Some(a), Some(b)) = (all_members(a), all_members(b)) else { return Vec::new() };
    let both = a.iter().filter(|(name, _)| b.iter().any(|(known, _)| known == name));
    let names: Vec<Vec<u8>> = both.map(|(name, text)| [b"\"", *name, b"\":", *text].concat()).collect();
    if names.is_empty() { Vec::new() } else { [b"{", &names.join(&b","[..])[..], b"}"].concat() }
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
        let mut change = folded(r#"{"id":1,"q":2}"#, r#"{"bin":null,"doc":null,"new":null,"q":null}"#);
        change.fill_from(Some(br#"{"bin":"AQI=","doc":{"a":[1]},"id":1,"q":1}"#));
        assert_eq!(state(&change), r#"{"bin":"AQI=","doc":{"a":[1]},"id":1,"q":2}"#);
        assert_eq!(change.claim, Claim::Value(state(&change).as_bytes().into()));
        assert!(change.unsent.is_empty());
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
        assert_eq!((state(&change), &*change.unsent.state), (r#"{"a":1,"id":1}"#, &br#"{"b":null}"#[..]));
        change.follow(Folded { state: LineState::Delete, unsent: Unsent::default(), ..folded("{}", "") });
        change.follow(folded(r#"{"id":1}"#, r#"{"a":null}"#));
        assert_eq!((state(&change), change.unsent.state.len()), (r#"{"id":1}"#, 0));
    }
}
