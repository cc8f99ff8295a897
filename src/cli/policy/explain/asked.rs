//! What is asked about: one change and what it meets, wherever both came from.

use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::SortableKey;
use crate::merge::{Base, Incoming, Question, Standing};
use crate::normalize::Claim;
use crate::snapshot::Line;

/// One change and what it meets.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) store: DomString,
    pub(super) key: SortableKey,
    pub(super) head: Option<Line>,
    pub(super) head_value: Option<Vec<u8>>,
    pub(super) incoming: Incoming,
    pub(super) claim: Claim,
    /// `None`: nothing is known; `Some(None)`: there was no record.
    pub(super) base: Option<Option<Vec<u8>>>,
    pub(super) standing: Standing,
    pub(super) received_at: i64,
    /// Where head is from, for people.
    pub(super) from: String,
}

impl Asked {
    pub(super) fn question(&self) -> Question<'_> {
        Question {
            store: &self.store,
            key: &self.key,
            head: self.head.as_ref(),
            head_value: self.head_value.as_deref(),
            incoming: &self.incoming,
            claim: &self.claim,
            base: match &self.base {
                None => Base::Unknown,
                Some(None) => Base::Absent,
                Some(Some(value)) => Base::Value(value),
            },
            standing: &self.standing,
            received_at: self.received_at,
        }
    }
}
