//! The question of `policy explain`: one change and the states that it meets, from files or from
//! the store.

use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::SortableKey;
use crate::merge::{Base, Incoming, Question, Standing};
use crate::normalize::Claim;
use crate::snapshot::Line;

/// One change and the states that it meets.
#[derive(Debug)]
pub(super) struct ExplainedChange {
    pub(super) store: DomString,
    pub(super) key: SortableKey,
    pub(super) head: Option<Line>,
    pub(super) head_value: Option<Vec<u8>>,
    pub(super) incoming: Incoming,
    pub(super) claim: Claim,
    /// The base. `None`: unknown; `Some(None)`: there was no record.
    pub(super) base: Option<Option<Vec<u8>>>,
    pub(super) standing: Standing,
    pub(super) received_at: i64,
    /// The origin of head, for people.
    pub(super) from: String,
}

impl ExplainedChange {
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
