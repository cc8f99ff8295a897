//! How one change is found and decided, step by step: the same functions that a merge calls, and what they say on the way.

use super::Winner;
use super::detect::{Base, Detection, Incoming, Judgement, Standing, detect, judge};
use super::resolve::{Resolution, Sides, Tried, resolve};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::SortableKey;
use crate::normalize::{Claim, clock_at};
use crate::policy::{ConflictType, StorePolicy};
use crate::snapshot::{Line, LineState};

/// One change, and all that is known of it.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The object store.
    pub store: &'a DomString,
    /// The record's key.
    pub key: &'a SortableKey,
    /// Head's entry or tombstone.
    pub head: Option<&'a Line>,
    /// Head's canonical value, read whole; `None` for a tombstone and for nothing.
    pub head_value: Option<&'a [u8]>,
    /// What came.
    pub incoming: &'a Incoming,
    /// What it claims to have started from.
    pub claim: &'a Claim,
    /// What is known of that.
    pub base: Base<'a>,
    /// How its batch stands to head.
    pub standing: &'a Standing,
    /// When that was received, in milliseconds since 1970.
    pub received_at: i64,
}

/// How a change was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Head has that state already.
    Equal,
    /// It follows head.
    FastForward,
    /// Both changed, and not the same fields: nothing is in conflict.
    Merged,
    /// A conflict of this type.
    Conflict {
        /// Its type.
        kind: ConflictType,
        /// The change had seen head; the policy asks nevertheless.
        follows: bool,
    },
}

/// What stands in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Neither a record nor a tombstone.
    Nothing,
    /// This canonical value.
    Value(Vec<u8>),
    /// A tombstone.
    Deleted,
    /// What head has, and the change waits for a person.
    Parked,
    /// What head has, and the batch is refused.
    Failed,
}

/// How one change was found and decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// How it was found.
    pub found: Found,
    /// Rules that were asked, in their order.
    pub tried: Vec<Tried>,
    /// What they decided, if there was a conflict.
    pub resolution: Option<Resolution>,
    /// What stands in the end.
    pub outcome: Outcome,
}

/// Finds and decides one change as a merge would.
pub fn trace(policy: &StorePolicy, question: &Question<'_>) -> Trace {
    let Question { store, key, head, head_value, incoming, claim, base, standing, received_at } = *question;
    let done = |found, outcome| Trace { found, tried: Vec::new(), resolution: None, outcome };
    let (stored, sent) = (state(head.map(|head| &head.state), head_value), state(Some(&incoming.state), None));
    let follows = match detect(policy, head, incoming, claim, standing) {
        Detection::Equal => return done(Found::Equal, stored),
        Detection::FastForward => return done(Found::FastForward, sent),
        Detection::Suspect { follows } => follows,
    };
    let kind = ConflictType::UpdateUpdate;
    let mut sides = Sides { kind, store, key, head, head_value, incoming, base, received_at };
    let (kind, follows) = match judge(policy, &sides, claim, standing, follows) {
        Judgement::FastForward => return done(Found::FastForward, sent),
        Judgement::Merged(value) => return done(Found::Merged, Outcome::Value(value)),
        Judgement::Conflict { kind, follows } => (kind, follows),
    };
    sides.kind = kind;
    let mut tried = Vec::new();
    let resolution = resolve(policy, &sides, &mut |asked| tried.push(asked));
    let outcome = match (resolution.winner, &resolution.merged) {
        _ if resolution.refused => Outcome::Failed,
        (Winner::Nobody, _) => Outcome::Parked,
        (Winner::Incoming, _) => sent,
        (Winner::Merged, Some(value)) => Outcome::Value(value.clone()),
        (Winner::Merged, None) | (Winner::Head, _) => stored,
    };
    Trace { found: Found::Conflict { kind, follows }, tried, resolution: Some(resolution), outcome }
}

fn state(state: Option<&LineState>, whole: Option<&[u8]>) -> Outcome {
    match (state, whole) {
        (None, _) => Outcome::Nothing,
        (Some(LineState::Delete), _) => Outcome::Deleted,
        (Some(LineState::Put(value)), _) => Outcome::Value(value.to_vec()),
        (Some(LineState::Spilled(_)), value) => Outcome::Value(value.unwrap_or_default().to_vec()),
    }
}

impl Found {
    /// Its name in cases and reports; a conflict's is its type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::FastForward => "fast-forward",
            Self::Merged => "merged",
            Self::Conflict { kind, .. } => kind.name(),
        }
    }

    /// In one sentence.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Equal => "head has this state already",
            Self::FastForward => "the change follows head",
            Self::Merged => "both changed, and no field differently: merged without a conflict",
            Self::Conflict { follows: true, .. } => "the change follows head, and the policy asks nevertheless",
            Self::Conflict { follows: false, .. } => "the change had not seen head: a conflict",
        }
    }
}

/// The clock that a change counts with: its own, else the member that the policy names.
pub fn clock_of(policy: &StorePolicy, own: Option<i64>, incoming: &LineState) -> Option<i64> {
    match (&policy.clock_field, incoming, own) {
        (Some(path), LineState::Put(value), None) => clock_at(value, path),
        _ => own,
    }
}
