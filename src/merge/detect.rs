//! Detection: decides whether a change follows head or is in conflict with it, and of which type.
//! Pure functions without I/O or a clock.

use super::asked::Asked;
use super::field::at;
use super::number::delta;
use super::order::compare;
use super::sides::{Base, Incoming, Sides};
use super::three_way::{Rest, merge};
use crate::indexeddb::value;
use crate::normalize::Claim;
use crate::policy::{Detect, FieldPath, Resolver, StorePolicy, ThreeWay};
use crate::snapshot::{ConflictType, FlowVersion, Line, LineState};

/// The relation of a batch to head; the same for all its changes of one object store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// True if the source numbers its changes, so that they arrive in order.
    pub sequenced: bool,
    /// The type of schema conflict, if the batch's schema differs from head's and the policy does
    /// not accept it.
    pub schema: Option<ConflictType>,
    /// True if tombstones that the source may need were dropped since its last batch.
    pub stale: bool,
    /// The version up to which deletions are no longer remembered.
    pub forgotten: Option<FlowVersion>,
    /// Before this version the keys of the object store meant other records.
    pub since: Option<FlowVersion>,
}

/// The relation of a change to head, as far as metadata alone can determine it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detection {
    /// The change changes nothing.
    Equal,
    /// The change follows head.
    FastForward,
    /// The values of head and base must be compared by [`judge`].
    Suspect {
        /// True if the metadata show that the change follows head.
        follows: bool,
    },
}

/// The relation of a change to head, determined by metadata and values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// The change follows head.
    FastForward,
    /// Both sides changed the record, but not the same members. This canonical value contains both
    /// changes.
    Merged(Vec<u8>),
    /// A conflict.
    Conflict {
        /// The type.
        kind: ConflictType,
        /// True if the change had seen head; the policy's rules decide it nevertheless.
        follows: bool,
    },
}

/// Compares a change with head's line (a record or a tombstone) and with the base that it claims.
pub fn detect(
    policy: &StorePolicy,
    head: Option<&Line>,
    incoming: &Incoming,
    claim: &Claim,
    standing: &Standing,
) -> Detection {
    let suspect = Detection::Suspect { follows: false };
    if let Some(head) = head.filter(|head| head.state.same(&incoming.state)) {
        // If clocks alone decide, the later clock must be stored, because later changes are
        // compared with it.
        let later = (incoming.clock, &incoming.by) > (Some(head.meta.at), &head.meta.by);
        // Two sources that each sell one item have sold two, although both sent the same value.
        let sums = policy.fields.iter().any(|rule| rule.resolver == Resolver::Delta)
            || policy.resolver(ConflictType::UpdateUpdate) == Some(&Resolver::Delta);
        let another =
            head.meta.by != incoming.by && *claim != Claim::None && !follows_base(head, claim);
        if sums && another && incoming.state != LineState::Delete && standing.schema.is_none() {
            return Detection::Suspect { follows: false };
        }
        return if policy.commutative && later { Detection::FastForward } else { Detection::Equal };
    }
    if standing.schema.is_some() {
        return suspect;
    }
    let Some(head) = head else {
        return if missing(policy, incoming, claim, standing) {
            suspect
        } else {
            Detection::FastForward
        };
    };
    let own = head.meta.by == incoming.by;
    if out_of_order(policy, head, incoming, standing) {
        return suspect;
    }
    let follows = own
        || match (&policy.detect, incoming.clock) {
            // Of two equal clocks, the one with the greater source is later. Equal sources follow
            // anyway.
            (Detect::Clock, Some(clock)) if clock == head.meta.at && !policy.commutative => {
                incoming.by > head.meta.by
            }
            (Detect::Clock, Some(clock)) => clock > head.meta.at,
            _ => follows_base(head, claim),
        };
    let by_value =
        matches!(policy.detect, Detect::VersionField(_) | Detect::TimestampField(_)) && !own;
    if !follows || by_value || policy.commutative || has_immutable(policy) {
        return Detection::Suspect { follows };
    }
    Detection::FastForward
}

/// True if head is the change's base, as far as the claim determines it.
fn follows_base(head: &Line, claim: &Claim) -> bool {
    match claim {
        Claim::None => false,
        Claim::Version(version) => head.meta.rev <= *version,
        Claim::Value(value) => head.state.same(&LineState::Put(value.clone())),
        Claim::Absent => head.state == LineState::Delete,
    }
}

/// True if a later change by the same source is already stored. All batches without a source count
/// as those of one nameless source.
fn out_of_order(
    policy: &StorePolicy,
    head: &Line,
    incoming: &Incoming,
    standing: &Standing,
) -> bool {
    !policy.commutative
        && policy.resolver(ConflictType::OutOfOrder).is_some()
        && !standing.sequenced
        && head.meta.by == incoming.by
        && incoming.clock.is_some_and(|clock| clock < head.meta.at)
}

/// Decides about a key that head neither has nor remembers: true if the change may be more than an
/// insertion.
fn missing(policy: &StorePolicy, incoming: &Incoming, claim: &Claim, standing: &Standing) -> bool {
    if incoming.state == LineState::Delete {
        return policy.resolver(ConflictType::DeleteMissing).is_some();
    }
    policy.resolver(ConflictType::UpdateMissing).is_some()
        && match claim {
            Claim::None => standing.stale,
            Claim::Absent => false,
            Claim::Value(_) => true,
            // A deletion after that version would still be remembered, unless it was dropped.
            Claim::Version(version) => {
                standing.forgotten.is_some_and(|forgotten| *version < forgotten)
            }
        }
}

fn has_immutable(policy: &StorePolicy) -> bool {
    policy.fields.iter().any(|rule| rule.resolver == Resolver::Immutable)
}

/// Compares a suspect change by its values. Ignores `sides.kind`.
pub fn judge(
    policy: &StorePolicy,
    sides: &Sides<'_>,
    claim: &Claim,
    standing: &Standing,
    follows: bool,
) -> Judgement {
    let Sides { head, head_value, incoming, base, .. } = *sides;
    let conflict = |kind| Judgement::Conflict { kind, follows: false };
    if let Some(kind) = standing.schema {
        return conflict(kind);
    }
    let Some(line) = head else {
        return match (&incoming.state, base) {
            (LineState::Delete, _) => conflict(ConflictType::DeleteMissing),
            // The source saw no record either, so this is an insertion.
            (_, Base::Absent) => Judgement::FastForward,
            _ => conflict(ConflictType::UpdateMissing),
        };
    };
    if out_of_order(policy, line, incoming, standing) {
        return conflict(ConflictType::OutOfOrder);
    }
    let kind = conflict_type(&line.state, incoming, claim, base);
    let own = line.meta.by == incoming.by;
    let values = if let LineState::Put(value) = &incoming.state {
        head_value.map(|head| (head, &**value))
    } else {
        None
    };
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
        if policy.detect == Detect::ChangedFields
            && !follows
            && !policy.commutative
            && base != Base::Unknown
        {
            // Without rules for fields, a conflict is only what both sides changed differently.
            let bare = StorePolicy { fields: Vec::new(), ..StorePolicy::builtin() };
            let asked = Asked { policy: &bare, sides, head_value };
            let merged = match before {
                // One side is as before, whatever value that is: the other side is taken.
                Some(before) if before == head => Some(incoming.to_vec()),
                Some(before) if before == incoming => Some(head.to_vec()),
                _ => merge(&asked, base, Rest::ThreeWay(&plain))
                    .ok()
                    .filter(|merged| merged.contested == 0)
                    .map(|merged| merged.value),
            };
            if let Some(value) = merged
                && !both_changed(policy, base, head, incoming)
                && !immutable_differs(policy, head, incoming)
            {
                return Judgement::Merged(value);
            }
        }
    }
    let breaks =
        follows && values.is_some_and(|(head, incoming)| immutable_differs(policy, head, incoming));
    if policy.commutative || !follows || breaks {
        return Judgement::Conflict { kind, follows: follows && !breaks };
    }
    Judgement::FastForward
}

/// Returns the type of a conflict between a record or a tombstone and a change.
pub fn conflict_type(
    head: &LineState,
    incoming: &Incoming,
    claim: &Claim,
    base: Base<'_>,
) -> ConflictType {
    match (head, &incoming.state) {
        (LineState::Delete, _) if *claim == Claim::None => ConflictType::UpdateRecentlyDeleted,
        (LineState::Delete, _) => ConflictType::DeleteUpdate,
        (_, LineState::Delete) => ConflictType::UpdateDelete,
        _ if base == Base::Absent => ConflictType::InsertInsert,
        _ => ConflictType::UpdateUpdate,
    }
}

/// True if both sides changed the same field, or the same group of fields, and a rule exists for
/// it.
fn both_changed(policy: &StorePolicy, base: Base<'_>, head: &[u8], incoming: &[u8]) -> bool {
    let before = if let Base::Value(base) = base { Some(base) } else { None };
    policy.fields.iter().any(|rule| {
        let differs = |side: &[u8]| {
            rule.paths
                .iter()
                .any(|path| at(side, path) != before.and_then(|before| at(before, path)))
        };
        differs(head) && differs(incoming)
    })
}

fn immutable_differs(policy: &StorePolicy, head: &[u8], incoming: &[u8]) -> bool {
    let immutable = policy.fields.iter().filter(|rule| rule.resolver == Resolver::Immutable);
    let mut paths = immutable.flat_map(|rule| &rule.paths);
    paths.any(|path| at(head, path).is_some_and(|stored| at(incoming, path) != Some(stored)))
}

/// True if head has the number that the change started from; `None` if a number is missing.
fn numbered(field: &FieldPath, base: Option<&[u8]>, head: &[u8], incoming: &[u8]) -> Option<bool> {
    let stored = at(head, field)?;
    if let Some(before) = base.and_then(|base| at(base, field)) {
        return Some(before == stored);
    }
    // Each change increases the number by one.
    Some(delta(b"0", stored, b"1")? == at(incoming, field)?)
}

/// True if head has the time that the change started from, or an earlier time than the change;
/// `None` if a time is missing.
fn later(field: &FieldPath, base: Option<&[u8]>, head: &[u8], incoming: &[u8]) -> Option<bool> {
    let stored = at(head, field)?;
    if let Some(before) = base.and_then(|base| at(base, field)) {
        return Some(before == stored);
    }
    let claimed = at(incoming, field)?;
    let comparable = value::kind(stored) == value::kind(claimed);
    compare(claimed, stored).filter(|_| comparable).map(std::cmp::Ordering::is_gt)
}
