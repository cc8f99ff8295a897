//! Traces how one change is detected and decided, with the same functions as a merge.

use super::detect::{Detection, Judgement, Standing, detect, judge};
use super::resolve::{Resolution, Tried, resolve};
use super::sides::{Base, Incoming, Sides};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::SortableKey;
use crate::normalize::{Claim, clock_at};
use crate::policy::StorePolicy;
use crate::snapshot::Winner;
use crate::snapshot::{ConflictType, Line, LineState};

/// A change, and the facts needed to merge it.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The object store.
    pub store: &'a DomString,
    /// The record's key.
    pub key: &'a SortableKey,
    /// Head's record or tombstone.
    pub head: Option<&'a Line>,
    /// Head's whole canonical value; `None` for a tombstone, or if there is neither.
    pub head_value: Option<&'a [u8]>,
    /// The incoming change.
    pub incoming: &'a Incoming,
    /// The base that the change claims.
    pub claim: &'a Claim,
    /// The base, as far as it is known.
    pub base: Base<'a>,
    /// The relation of the batch to head.
    pub standing: &'a Standing,
    /// Time of receipt of the batch, in milliseconds since 1970.
    pub received_at: i64,
}

/// The result of detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Head already has that state.
    Equal,
    /// The change follows head.
    FastForward,
    /// Both sides changed the record, but not the same fields, so nothing is in conflict.
    Merged,
    /// A conflict of this type.
    Conflict {
        /// The type.
        kind: ConflictType,
        /// True if the change had seen head; the policy's rules decide it nevertheless.
        follows: bool,
    },
}

/// The resulting state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TraceOutcome {
    /// Neither a record nor a tombstone.
    Nothing,
    /// This canonical value.
    Value(Vec<u8>),
    /// A tombstone.
    Deleted,
    /// Head's state; the change waits for a person.
    Parked,
    /// Head's state; the batch is refused.
    Failed,
}

/// The detection and decision of one change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The result of detection.
    pub found: Found,
    /// The rules that were tried, in order.
    pub tried: Vec<Tried>,
    /// The decision, if there was a conflict.
    pub resolution: Option<Resolution>,
    /// The resulting state.
    pub outcome: TraceOutcome,
}

/// Detects and decides one change as a merge would.
pub fn trace(policy: &StorePolicy, question: &Question<'_>) -> Trace {
    let Question { store, key, head, head_value, incoming, claim, base, standing, received_at } =
        *question;
    let done = |found, outcome| Trace { found, tried: Vec::new(), resolution: None, outcome };
    let (stored, sent) =
        (state(head.map(|head| &head.state), head_value), state(Some(&incoming.state), None));
    let follows = match detect(policy, head, incoming, claim, standing) {
        Detection::Equal => return done(Found::Equal, stored),
        Detection::FastForward => return done(Found::FastForward, sent),
        Detection::Suspect { follows } => follows,
    };
    let kind = ConflictType::UpdateUpdate;
    let mut sides = Sides { kind, store, key, head, head_value, incoming, base, received_at };
    let (kind, follows) = match judge(policy, &sides, claim, standing, follows) {
        Judgement::FastForward => return done(Found::FastForward, sent),
        Judgement::Merged(value) => return done(Found::Merged, TraceOutcome::Value(value)),
        Judgement::Conflict { kind, follows } => (kind, follows),
    };
    sides.kind = kind;
    let mut tried = Vec::new();
    let resolution = resolve(policy, &sides, &mut |asked| tried.push(asked));
    let outcome = match (resolution.winner, &resolution.merged) {
        _ if resolution.refused => TraceOutcome::Failed,
        (Winner::Nobody, _) => TraceOutcome::Parked,
        (Winner::Incoming, _) => sent,
        (Winner::Merged, Some(value)) => TraceOutcome::Value(value.clone()),
        (Winner::Merged, None) | (Winner::Head, _) => stored,
    };
    Trace { found: Found::Conflict { kind, follows }, tried, resolution: Some(resolution), outcome }
}

fn state(state: Option<&LineState>, whole: Option<&[u8]>) -> TraceOutcome {
    match (state, whole) {
        (None, _) => TraceOutcome::Nothing,
        (Some(LineState::Delete), _) => TraceOutcome::Deleted,
        (Some(LineState::Put(value)), _) => TraceOutcome::Value(value.to_vec()),
        (Some(LineState::Spilled(_)), value) => {
            TraceOutcome::Value(value.unwrap_or_default().to_vec())
        }
    }
}

impl Found {
    /// Returns the name used in cases and reports; for a conflict, its type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::FastForward => "fast-forward",
            Self::Merged => "merged",
            Self::Conflict { kind, .. } => kind.name(),
        }
    }

    /// Describes the result in one sentence.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Equal => "head has this state already",
            Self::FastForward => "the change follows head",
            Self::Merged => "both changed, and no field differently: merged without a conflict",
            Self::Conflict { follows: true, .. } => {
                "the change follows head, and the policy asks nevertheless"
            }
            Self::Conflict { follows: false, .. } => "the change had not seen head: a conflict",
        }
    }
}

/// Returns the effective clock of a change: its own, otherwise the member that the policy names.
pub fn clock_of(policy: &StorePolicy, own: Option<i64>, incoming: &LineState) -> Option<i64> {
    match (&policy.clock_field, incoming, own) {
        (Some(path), LineState::Put(value), None) => clock_at(value, path),
        _ => own,
    }
}
