//! The outcome of a batch for one key, and the base that it claims.

use std::borrow::Cow;

use super::record::{BaseBytes, OP_PUT, Record};
use super::unsent::{Unsent, filled, in_both};
use crate::indexeddb::key::SortableKey;
use crate::snapshot::{FlowVersion, LineState};

/// The base that a change claims to have started from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Claim {
    /// No claim.
    #[default]
    None,
    /// The contents of this flow version.
    Version(FlowVersion),
    /// This canonical value.
    Value(Box<[u8]>),
    /// The absence of the record.
    Absent,
}

/// The outcome of a batch for one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folded {
    /// The position of the object store in the batch's schema.
    pub store: usize,
    /// The key.
    pub key: SortableKey,
    /// The last state.
    pub state: LineState,
    /// The last change's clock, clamped.
    pub clock: Option<i64>,
    /// The first change's base.
    pub claim: Claim,
    /// Members that the source did not send; their stored values are kept.
    pub unsent: Unsent,
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

impl From<&Record<'_>> for Folded {
    fn from(record: &Record<'_>) -> Self {
        let claim = match record.base {
            BaseBytes::None => Claim::None,
            BaseBytes::Version(version) => Claim::Version(version),
            BaseBytes::Value(value) => Claim::Value(value.into()),
            BaseBytes::Absent => Claim::Absent,
        };
        let state = if record.op == OP_PUT {
            LineState::Put(record.value.into())
        } else {
            LineState::Delete
        };
        let unsent = Unsent::both(record.unsent);
        let key = SortableKey::trusted(record.key);
        Self { store: record.store as usize, key, state, clock: record.at, claim, unsent }
    }
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
