//! Whether a change follows head or is in conflict with it, and of which type: pure functions, no I/O, no clock.

use super::collections::at;
use super::number::delta;
use super::order::compare;
use super::resolve::{Asked, Sides};
use super::three_way::{Rest, merge};
use crate::indexeddb::value;
use crate::normalize::Claim;
use crate::policy::{ConflictType, Detect, FieldPath, Resolver, StorePolicy, ThreeWay};
use crate::snapshot::{FlowVersion, Line, LineState, SourceId};

/// One change of one key, folded, ready to be merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// What the source says the key is now. Never spilled: the value is at hand.
    pub state: LineState,
    /// The source's own clock, clamped, in milliseconds since 1970; `None` if it claimed none.
    pub clock: Option<i64>,
    /// The source, if the batch named one.
    pub by: Option<SourceId>,
}

/// What is known of a base once a conflict made it worth reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base<'a> {
    /// Nothing.
    Unknown,
    /// The key had no record.
    Absent,
    /// The key had this canonical value.
    Value(&'a [u8]),
}

/// How a batch stands to head: the same for all of its changes of one object store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The source numbers its changes, so they come in order.
    pub sequenced: bool,
    /// The batch's schema is not head's, and the policy does not accept that.
    pub schema: Option<ConflictType>,
    /// The source was last heard of before tombstones were dropped that it may need.
    pub stale: bool,
    /// Deletions up to this version are remembered no more.
    pub forgotten: Option<FlowVersion>,
}

/// What metadata alone say of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detection {
    /// Nothing to do.
    Equal,
    /// The change follows head.
    FastForward,
    /// The values of head and base decide: [`judge`].
    Suspect {
        /// Metadata say that the change follows head.
        follows: bool,
    },
}

/// What metadata and values say of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// The change follows head.
    FastForward,
    /// Both changed, but not the same: this canonical value holds what both did.
    Merged(Vec<u8>),
    /// A conflict.
    Conflict {
        /// Its type.
        kind: ConflictType,
        /// The change had seen head; the policy asks nevertheless.
        follows: bool,
    },
}

/// Compares a change with head's line (an entry or a tombstone) and the base that it claims.
pub fn detect(
    policy: &StorePolicy,
    head: Option<&Line>,
    incoming: &Incoming,
    claim: &Claim,
    standing: &Standing,
) -> Detection {
    let suspect = Detection::Suspect { follows: false };
    if let Some(head) = head.filter(|head| head.state.same(&incoming.state)) {
        // Where clocks alone decide, the later one has to be known to what comes after.
        let later = (incoming.clock, &incoming.by) > (Some(head.meta.at), &head.meta.by);
        // Two that sell one each have sold two, though they say the same.
        let sums = policy.fields.iter().any(|rule| rule.resolver == Resolver::Delta)
            || policy.resolver(ConflictType::UpdateUpdate) == Some(&Resolver::Delta);
        let another = head.meta.by != incoming.by && *claim != Claim::None && !follows_base(head, claim);
        if sums && another && incoming.state != LineState::Delete && standing.schema.is_none() {
            return Detection::Suspect { follows: false };
        }
        return if policy.commutative && later { Detection::FastForward } else { Detection::Equal };
    }
    if standing.schema.is_some() {
        return suspect;
    }
    let Some(head) = head else {
        return if missing(policy, incoming, claim, standing) { suspect } else { Detection::FastForward };
    };
    let own = head.meta.by == incoming.by;
    if out_of_order(policy, head, incoming, standing) {
        return suspect;
    }
    let follows = own
        || match (&policy.detect, incoming.clock) {
            // Of two equal clocks the one with the greater source is later; equal sources follow anyway.
            (Detect::Clock, Some(clock)) if clock == head.meta.at && !policy.commutative => incoming.by > head.meta.by,
            (Detect::Clock, Some(clock)) => clock > head.meta.at,
            _ => follows_base(head, claim),
        };
    let by_value = matches!(policy.detect, Detect::VersionField(_) | Detect::TimestampField(_)) && !own;
    if !follows || by_value || policy.commutative || has_immutable(policy) {
        return Detection::Suspect { follows };
    }
    Detection::FastForward
}

/// Whether head is what the change started from, as far as its base says that.
fn follows_base(head: &Line, claim: &Claim) -> bool {
    match claim {
        Claim::None => false,
        Claim::Version(version) => head.meta.rev <= *version,
        Claim::Value(value) => head.state.same(&LineState::Put(value.clone())),
        Claim::Absent => head.state == LineState::Delete,
    }
}

/// Whether the source's own later change is stored already. Batches without a source are all of one nameless source.
fn out_of_order(policy: &StorePolicy, head: &Line, incoming: &Incoming, standing: &Standing) -> bool {
    !policy.commutative
        && policy.resolver(ConflictType::OutOfOrder).is_some()
        && !standing.sequenced
        && head.meta.by == incoming.by
        && incoming.clock.is_some_and(|clock| clock < head.meta.at)
}

/// Whether what head neither has nor remembers may be more than an insertion.
fn missing(policy: &StorePolicy, incoming: &Incoming, claim: &Claim, standing: &Standing) -> bool {
    if incoming.state == LineState::Delete {
        return policy.resolver(ConflictType::DeleteMissing).is_some();
    }
    policy.resolver(ConflictType::UpdateMissing).is_some()
        && match claim {
            Claim::None => standing.stale,
            Claim::Absent => false,
            Claim::Value(_) => true,
            // What was deleted after that version would be remembered, unless it was dropped.
            Claim::Version(version) => standing.forgotten.is_some_and(|forgotten| *version < forgotten),
        }
}

fn has_immutable(policy: &StorePolicy) -> bool {
    policy.fields.iter().any(|rule| rule.resolver == Resolver::Immutable)
}

/// Judges a suspect change by the values. `sides.kind` is not looked at.
pub fn judge(policy: &StorePolicy, sides: &Sides<'_>, claim: &Claim, standing: &Standing, follows: bool) -> Judgement {
    let Sides { head, head_value, incoming, base, .. } = *sides;
    let conflict = |kind| Judgement::Conflict { kind, follows: false };
    if let Some(kind) = standing.schema {
        return conflict(kind);
    }
    let Some(line) = head else {
        return match (&incoming.state, base) {
            (LineState::Delete, _) => conflict(ConflictType::DeleteMissing),
            // It was not there when the source read it either: an insertion.
            (_, Base::Absent) => Judgement::FastForward,
            _ => conflict(ConflictType::UpdateMissing),
        };
    };
    if out_of_order(policy, line, incoming, standing) {
        return conflict(ConflictType::OutOfOrder);
    }
    let kind = conflict_type(&line.state, incoming, claim, base);
    let own = line.meta.by == incoming.by;
    let values =
        if let LineState::Put(value) = &incoming.state { head_value.map(|head| (head, &**value)) } else { None };
    let mut follows = follows;
    if let (Some((head, incoming)), false) = (values, own) {
        let before = if let Base::Value(base) = base { Some(base) } else { None };
        let by_field = match &policy.detect {
            Detect::VersionField(field) => numbered(field, before, head, incoming),
            Detect::TimestampField(field) => later(field, before, head, incoming),
            _ => None,
        };
        follows = by_field.unwrap_or(follows);
        let plain = ThreeWay::default();
        if policy.detect == Detect::ChangedFields && !follows && !policy.commutative && base != Base::Unknown {
            // Without rules for fields: only what both changed differently makes a conflict.
            let bare = StorePolicy { fields: Vec::new(), ..StorePolicy::builtin() };
            let asked = Asked { policy: &bare, sides, head_value };
            if let Ok(merged) = merge(&asked, base, Rest::ThreeWay(&plain))
                && merged.contested == 0
                && !both_changed(policy, base, head, incoming)
                && !immutable_differs(policy, head, incoming)
            {
                return Judgement::Merged(merged.value);
            }
        }
    }
    let breaks = follows && values.is_some_and(|(head, incoming)| immutable_differs(policy, head, incoming));
    if policy.commutative || !follows || breaks {
        return Judgement::Conflict { kind, follows: follows && !breaks };
    }
    Judgement::FastForward
}

/// Names the type of a conflict between an entry or a tombstone and a change.
pub fn conflict_type(head: &LineState, incoming: &Incoming, claim: &Claim, base: Base<'_>) -> ConflictType {
    match (head, &incoming.state) {
        (LineState::Delete, _) if *claim == Claim::None => ConflictType::UpdateRecentlyDeleted,
        (LineState::Delete, _) => ConflictType::DeleteUpdate,
        (_, LineState::Delete) => ConflictType::UpdateDelete,
        _ if base == Base::Absent => ConflictType::InsertInsert,
        _ => ConflictType::UpdateUpdate,
    }
}

/// Whether both sides changed one field, or one group of fields, that has a rule of its own.
fn both_changed(policy: &StorePolicy, base: Base<'_>, head: &[u8], incoming: &[u8]) -> bool {
    let before = if let Base::Value(base) = base { Some(base) } else { None };
    policy.fields.iter().any(|rule| {
        let differs =
            |side: &[u8]| rule.paths.iter().any(|path| at(side, path) != before.and_then(|before| at(before, path)));
        differs(head) && differs(incoming)
    })
}

fn immutable_differs(policy: &StorePolicy, head: &[u8], incoming: &[u8]) -> bool {
    let immutable = policy.fields.iter().filter(|rule| rule.resolver == Resolver::Immutable);
    let mut paths = immutable.flat_map(|rule| &rule.paths);
    paths.any(|path| at(head, path).is_some_and(|stored| at(incoming, path) != Some(stored)))
}

/// Whether head has the number that the change started from; `None` if a number is missing.
fn numbered(field: &FieldPath, base: Option<&[u8]>, head: &[u8], incoming: &[u8]) -> Option<bool> {
    let stored = at(head, field)?;
    if let Some(before) = base.and_then(|base| at(base, field)) {
        return Some(before == stored);
    }
    // Each change adds one.
    Some(delta(b"0", stored, b"1")? == at(incoming, field)?)
}

/// Whether head has the time that the change started from, or an earlier one than the change; `None` if a time is missing.
fn later(field: &FieldPath, base: Option<&[u8]>, head: &[u8], incoming: &[u8]) -> Option<bool> {
    let stored = at(head, field)?;
    if let Some(before) = base.and_then(|base| at(base, field)) {
        return Some(before == stored);
    }
    let claimed = at(incoming, field)?;
    let comparable = value::kind(stored) == value::kind(claimed);
    compare(claimed, stored).filter(|_| comparable).map(std::cmp::Ordering::is_gt)
}
