//! Merges sorted changes into one object store of head. `merge` decides conflicts, `chunk` builds
//! chunks.

use std::sync::Arc;
use std::time::Instant;

use super::counts::Counts;
use super::head_reader::{BaseValue, HeadReader};
use super::rules::ObjectStoreRules;
use super::unique::{Collision, Collisions};
use crate::chunk::{ChunkSink, ListEditor};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::{Key, SortableKey};
use crate::merge::{self, Base, Detection, Incoming, Judgement, Resolution, Sides, Standing};
use crate::normalize::{Claim, Folded, RangeChange, RangeSweep};
use crate::policy::StorePolicy;
use crate::snapshot::deletion_run::Deletion;
use crate::snapshot::{
    Conflict, ConflictType, Digest, FlowVersion, Line, LineState, List, Meta, Side, SourceId,
    StoreManifest, Winner,
};
use crate::store::{StoreError, StoreErrorKind};

/// The facts that all changes of a batch share.
#[derive(Clone, Debug)]
pub(crate) struct BatchFacts {
    /// The flow version being made.
    pub version: FlowVersion,
    /// The batch's source.
    pub by: Option<SourceId>,
    /// The batch's base version.
    pub base: Option<FlowVersion>,
    /// True if its lines are all records of the source, changed or not.
    pub is_full: bool,
    /// Time of receipt, in milliseconds since 1970.
    pub received_at: i64,
    /// The time at which merging ends, finished or not.
    pub deadline: Option<Instant>,
}

/// Number of keys between two looks at the clock.
const KEYS_BETWEEN_LOOKS: u32 = 1024;

/// A change that makes the policy refuse the whole batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WalkRefusal {
    pub(crate) store: DomString,
    pub(crate) kind: ConflictType,
    pub(crate) rule: Arc<str>,
}

/// A sink for the results of a merge. `write_chunk` may receive chunks that head has.
pub(crate) trait MergeSink: ChunkSink {
    /// Receives a value; returns the state for its line: the value itself, or its reference if it
    /// is spilled.
    fn spill(&mut self, state: LineState) -> Result<LineState, StoreError>;
    /// Receives a deleted record.
    fn deleted(&mut self, store: &DomString, key: &SortableKey, deletion: Deletion);
    /// Receives a conflict, in the order of object store and key; returns false if it was logged
    /// before.
    fn conflict(&mut self, conflict: Conflict) -> Result<bool, StoreError>;
    /// Receives a line that is put, or a new tombstone, and the previous line.
    fn applied(
        &mut self,
        _store: &DomString,
        _head: Option<&Line>,
        _line: &Line,
    ) -> Result<(), StoreError> {
        Ok(())
    }
    /// Receives a result that differs from what the source sent.
    fn differs(&mut self, store: &DomString, line: &Line) -> Result<(), StoreError>;
}

/// A change that may conflict with head: the values decide.
struct SuspectChange<'a> {
    key: SortableKey,
    head: Option<Line>,
    incoming: Incoming,
    /// The base that the source names.
    claim: &'a Claim,
    /// True if the change had seen head.
    follows: bool,
}

/// A walk through one object store, once, in key order.
#[derive(Debug)]
pub(crate) struct StoreWalk<'a> {
    name: DomString,
    facts: &'a BatchFacts,
    policy: &'a StorePolicy,
    standing: Standing,
    base: &'a HeadReader<'a>,
    records: ListEditor<'a>,
    tombstones: ListEditor<'a>,
    /// The changes that unique indexes prevent.
    unique: Option<&'a Collisions>,
    /// The position up to which records have given way to others.
    gave_way: Option<SortableKey>,
    /// The version up to which deletions are forgotten on the way.
    forget: Option<FlowVersion>,
    /// The position up to which deletions have been forgotten.
    kept: SortableKey,
    /// The ranges of this object store.
    ranges: RangeSweep<'a>,
    /// The position up to which ranges have been applied.
    swept: Option<SortableKey>,
    /// True if the current deletion has no separate line.
    in_bulk: bool,
    /// True if the current change has a separate line.
    is_named: bool,
    highest_number: f64,
    /// Number of keys since the last look at the clock.
    keys: u32,
    counts: Counts,
    refusal: Option<WalkRefusal>,
}

impl<'a> StoreWalk<'a> {
    /// Creates a walk that starts before the first key of `head`'s object store.
    pub(crate) fn new(
        head: &'a StoreManifest,
        ranges: &'a [RangeChange],
        facts: &'a BatchFacts,
        base: &'a HeadReader<'a>,
        rules: ObjectStoreRules<'a>,
    ) -> Self {
        let ObjectStoreRules { policy, standing } = rules;
        let name = head.schema.name.clone();
        Self {
            facts,
            base,
            policy,
            standing,
            unique: None,
            gave_way: None,
            forget: None,
            kept: SortableKey::before_all(),
            records: ListEditor::new(List::Records(name.clone()), &head.records, base),
            tombstones: ListEditor::new(List::Tombstones(name.clone()), &head.tombstones, base),
            name,
            ranges: RangeSweep::new(ranges),
            swept: None,
            in_bulk: false,
            is_named: false,
            highest_number: 0.0,
            keys: 0,
            counts: Counts::default(),
            refusal: None,
        }
    }

    /// Also forgets deletions up to a version.
    pub(crate) fn forgetting(self, forget: Option<FlowVersion>) -> Self {
        Self { forget, ..self }
    }

    /// Also refuses changes and deletes records as unique indexes require.
    pub(crate) fn unique(self, unique: Option<&'a Collisions>) -> Self {
        Self { unique, ..self }
    }

    /// Counts a key, and fails once the deadline has passed.
    fn look_at_clock(&mut self) -> Result<(), StoreError> {
        self.keys += 1;
        if self.keys < KEYS_BETWEEN_LOOKS {
            return Ok(());
        }
        self.keys = 0;
        match self.facts.deadline {
            Some(deadline) if Instant::now() >= deadline => {
                let message = "the deadline passed while the batch was merged; nothing was written";
                Err(StoreError::new(StoreErrorKind::Transient, message))
            }
            _ => Ok(()),
        }
    }

    /// Merges the next change; keys ascend from call to call.
    pub(crate) fn change(
        &mut self,
        change: Folded,
        sink: &mut dyn MergeSink,
    ) -> Result<(), StoreError> {
        self.look_at_clock()?;
        self.give_way(Some(&change.key), sink)?;
        self.sweep(Some(&change.key), sink)?;
        self.ranges.advance(&change.key);
        self.in_bulk = self.facts.is_full || self.ranges.last().is_some();
        // A record that a full batch does not contain is deleted, but no line names it.
        self.is_named = !self.facts.is_full || change.state != LineState::Delete;
        let change = self.with_unsent(change, sink)?;
        let claim = match (&change.claim, self.facts.base) {
            (Claim::None, Some(version)) => Claim::Version(version),
            // A version that does not exist yet cannot be the base.
            (Claim::Version(version), _) if *version >= self.facts.version => Claim::None,
            (claim, _) => claim.clone(),
        };
        // Nor does one whose records were other records.
        let claim = if self.is_of_others(&claim) { Claim::None } else { claim };
        let incoming =
            Incoming { state: change.state, clock: change.clock, by: self.facts.by.clone() };
        self.merge(change.key, incoming, &claim, sink)
    }

    /// True if a base is a version in which the object store's keys meant other records.
    fn is_of_others(&self, claim: &Claim) -> bool {
        let Claim::Version(version) = claim else { return false };
        self.standing.since.is_some_and(|since| *version < since)
    }

    /// Returns the change, completed by head's values of the members that its source did not send.
    fn with_unsent(
        &mut self,
        mut change: Folded,
        sink: &mut dyn MergeSink,
    ) -> Result<Folded, StoreError> {
        if !change.unsent.is_empty() {
            let stored = match self.head(&change.key, sink)? {
                Some(line) => self.base.whole_value(&line.state)?,
                None => None,
            };
            change.fill_from(stored.as_deref());
        }
        Ok(change)
    }

    /// Applies the remaining ranges. Returns the counts, and the first change that the policy
    /// refuses.
    pub(crate) fn finish(
        mut self,
        manifest: &mut StoreManifest,
        sink: &mut dyn MergeSink,
    ) -> Result<(Counts, Option<WalkRefusal>), StoreError> {
        self.give_way(None, sink)?;
        self.sweep(None, sink)?;
        self.forget_to(None, sink)?;
        manifest.records = self.records.finish(sink)?;
        manifest.tombstones = self.tombstones.finish(sink)?;
        if manifest.schema.auto_increment && self.highest_number >= 1.0 {
            // IndexedDB's generator never exceeds 2^53 and never goes back.
            let next = self.highest_number.floor().min(9_007_199_254_740_991.0) as u64 + 1;
            manifest.key_generator = manifest.key_generator.max(Some(next));
        }
        Ok((self.counts, self.refusal))
    }

    fn head(
        &mut self,
        key: &SortableKey,
        sink: &mut dyn MergeSink,
    ) -> Result<Option<Line>, StoreError> {
        if let Some(line) = self.records.get(key, sink)? {
            return Ok(Some(line.clone()));
        }
        Ok(self.tombstones.get(key, sink)?.cloned())
    }

    fn merge(
        &mut self,
        key: SortableKey,
        incoming: Incoming,
        claim: &Claim,
        sink: &mut dyn MergeSink,
    ) -> Result<(), StoreError> {
        if let (LineState::Put(_), Some(&[0x10, ..])) =
            (&incoming.state, key.as_bytes().first_chunk::<1>())
            && let Ok(Key::Number(number)) = Key::from_sortable(key.as_bytes())
        {
            self.highest_number = self.highest_number.max(number);
        }
        self.forget_to(Some(&key), sink)?;
        let head = self.head(&key, sink)?;
        let detection = merge::detect(self.policy, head.as_ref(), &incoming, claim, &self.standing);
        match detection {
            Detection::Equal => {
                self.counts.unchanged += u64::from(self.is_named);
                Ok(())
            }
            // A record that its source did not change is not a change. Changes by others since then
            // stay, whatever the clocks are.
            Detection::FastForward
                if self.is_unchanged(head.as_ref(), &key, &incoming, claim)? =>
            {
                self.counts.unchanged += u64::from(self.is_named);
                head.map_or(Ok(()), |head| sink.differs(&self.name, &head))
            }
            _ if self.unique.is_some_and(|unique| unique.refused.contains_key(&key)) => {
                self.refused_by_index(key, head, &incoming, sink)
            }
            Detection::FastForward => self.fast_forward(key, head.as_ref(), incoming, sink),
            Detection::Suspect { follows } => {
                let suspect = SuspectChange { key, head, incoming, claim, follows };
                self.suspect(suspect, sink)
            }
        }
    }

    /// True if a record of a full batch equals its base, although detection lets the change follow
    /// other sources' changes.
    fn is_unchanged(
        &self,
        head: Option<&Line>,
        key: &SortableKey,
        incoming: &Incoming,
        claim: &Claim,
    ) -> Result<bool, StoreError> {
        let Some(head) = head.filter(|head| self.facts.is_full && head.meta.by != self.facts.by)
        else {
            return Ok(false);
        };
        // Head is the base then, and differs.
        if matches!(claim, Claim::Version(version) if head.meta.rev <= *version) {
            return Ok(false);
        }
        Ok(is_base(&incoming.state, &self.base.value(&self.name, key, claim)?))
    }

    /// Forgets old deletions up to and including `until`.
    fn forget_to(
        &mut self,
        until: Option<&SortableKey>,
        sink: &mut dyn MergeSink,
    ) -> Result<(), StoreError> {
        let Some(forget) = self.forget else { return Ok(()) };
        while until.is_none_or(|until| self.kept <= *until) {
            let Some(line) = self.tombstones.at_or_after(&self.kept, sink)? else { break };
            if until.is_some_and(|until| line.key > *until) {
                break;
            }
            let (key, old) = (line.key.clone(), line.meta.rev <= forget);
            if old {
                self.tombstones.remove(&key, sink)?;
                self.counts.tombstones += 1;
            }
            self.kept = key.just_after();
        }
        Ok(())
    }

    fn log(&mut self, conflict: Conflict, sink: &mut dyn MergeSink) -> Result<(), StoreError> {
        self.counts.conflicts += 1;
        self.counts.parked += u64::from(conflict.winner == Winner::Nobody);
        self.counts.repeated += u64::from(!sink.conflict(conflict)?);
        Ok(())
    }

    /// Reports that head is unchanged, if the source sent something else. A missing record is
    /// reported as deleted.
    fn kept(
        &self,
        key: &SortableKey,
        head: Option<&Line>,
        sent: &LineState,
        sink: &mut dyn MergeSink,
    ) -> Result<(), StoreError> {
        if let Some(head) = head {
            return if head.state.same(sent) { Ok(()) } else { sink.differs(&self.name, head) };
        }
        // The change waits for its schema and is applied later.
        if self.standing.schema.is_some() {
            return Ok(());
        }
        let before =
            FlowVersion::new(u64::from(self.facts.version.get()) - 1).unwrap_or(FlowVersion::FIRST);
        let meta = Meta { at: self.facts.received_at, by: None, rev: before };
        sink.differs(&self.name, &Line { key: key.clone(), meta, state: LineState::Delete })
    }

    fn meta(&self, incoming: &Incoming) -> Meta {
        Meta {
            at: incoming.clock.unwrap_or(self.facts.received_at),
            by: incoming.by.clone(),
            rev: self.facts.version,
        }
    }

    fn fast_forward(
        &mut self,
        key: SortableKey,
        head: Option<&Line>,
        incoming: Incoming,
        sink: &mut dyn MergeSink,
    ) -> Result<(), StoreError> {
        let meta = self.meta(&incoming);
        self.apply(head, Line { key, meta, state: incoming.state }, sink)
    }

    /// Reads the base of a change, and compares the values.
    fn suspect(
        &mut self,
        change: SuspectChange<'_>,
        sink: &mut dyn MergeSink,
    ) -> Result<(), StoreError> {
        let SuspectChange { key, head, incoming, claim, follows } = change;
        let base_value = self.base.value(&self.name, &key, claim)?;
        let base = match &base_value {
            BaseValue::Unknown => Base::Unknown,
            BaseValue::Absent => Base::Absent,
            BaseValue::Value(value) => Base::Value(value),
        };
        // A record that its source did not change is not a change, so changes by others since then
        // stay.
        let own = head.as_ref().is_some_and(|head| head.meta.by == incoming.by);
        if self.facts.is_full && !own && is_base(&incoming.state, &base_value) {
            self.counts.unchanged += u64::from(self.is_named);
            return head.map_or(Ok(()), |head| self.kept(&key, Some(&head), &incoming.state, sink));
        }
        // The values decide from here on, so a spilled value of head is read now, and not earlier.
        let head_value = match &head {
            Some(head) => self.base.whole_value(&head.state)?,
            None => None,
        };
        let name = self.name.clone();
        let mut sides = Sides {
            kind: ConflictType::UpdateUpdate,
            store: &name,
            key: &key,
            head: head.as_ref(),
            head_value: head_value.as_deref(),
            incoming: &incoming,
            base,
            received_at: self.facts.received_at,
        };
        let (kind, follows) =
            match merge::judge(self.policy, &sides, claim, &self.standing, follows) {
                Judgement::FastForward => {
                    return self.fast_forward(key, head.as_ref(), incoming, sink);
                }
                // If the merged value equals a side, that side wins.
                Judgement::Merged(value) if head_value.as_deref() == Some(&*value) => {
                    self.counts.unchanged += u64::from(self.is_named);
                    return self.kept(&key, head.as_ref(), &incoming.state, sink);
                }
                Judgement::Merged(value)
                    if incoming.state == LineState::Put(value.as_slice().into()) =>
                {
                    return self.fast_forward(key, head.as_ref(), incoming, sink);
                }
                Judgement::Merged(value) => {
                    return self.merged(&key, head.as_ref(), &incoming, value, sink);
                }
                Judgement::Conflict { kind, follows } => (kind, follows),
            };
        sides.kind = kind;
        let resolution = merge::resolve(self.policy, &sides, &mut |_| ());
        if resolution.refused {
            let refusal =
                || WalkRefusal { store: name.clone(), kind, rule: resolution.rule.clone() };
            self.refusal.get_or_insert_with(refusal);
        }
        // The change had seen head and is applied unchanged, so there is nothing to report.
        if !(follows && resolution.winner == Winner::Incoming) {
            self.log(self.conflict(&sides, &resolution), sink)?;
        }
        // If both values are joined, the later clock is kept, whichever value the result equals.
        let joined = self.policy.commutative && kind.has_both_values();
        let mut meta = self.meta(&incoming);
        let at = head.as_ref().filter(|_| joined).map_or(meta.at, |head| meta.at.max(head.meta.at));
        match (resolution.winner, resolution.merged) {
            (Winner::Merged, Some(value)) => {
                self.merged(&key, head.as_ref(), &incoming, value, sink)
            }
            (Winner::Incoming, _) => {
                meta.at = at;
                self.apply(head.as_ref(), Line { key, meta, state: incoming.state }, sink)
            }
            (winner, _) => {
                self.counts.unchanged += u64::from(self.is_named);
                if head.is_some() || incoming.state != LineState::Delete {
                    self.kept(&key, head.as_ref(), &incoming.state, sink)?;
                }
                let Some(head) = head else { return Ok(()) };
                if winner == Winner::Head && joined && at > head.meta.at {
                    let line = Line {
                        meta: Meta { at, rev: meta.rev, ..head.meta.clone() },
                        ..head.clone()
                    };
                    return self.apply(Some(&head), line, sink);
                }
                Ok(())
            }
        }
    }

    /// Refuses a change whose index key another record has.
    fn refused_by_index(
        &mut self,
        key: SortableKey,
        head: Option<Line>,
        incoming: &Incoming,
        sink: &mut dyn MergeSink,
    ) -> Result<(), StoreError> {
        let Some(collision) = self.unique.and_then(|unique| unique.refused.get(&key)) else {
            return Ok(());
        };
        let name = self.name.clone();
        let sides = self.index_sides(&name, &key, head.as_ref(), None, incoming);
        let resolution = Resolution { head_lost: false, ..collision.resolution.clone() };
        self.counts.unchanged += u64::from(self.is_named);
        let other = Some(collision.other.clone());
        self.log(Conflict { other, ..self.conflict(&sides, &resolution) }, sink)?;
        // The source has the only copy of a new record that waits, so it must not be told to delete
        // it.
        let is_new = head.as_ref().is_none_or(|head| head.state == LineState::Delete);
        if is_new && resolution.winner == Winner::Nobody {
            return Ok(());
        }
        self.kept(&key, head.as_ref(), &incoming.state, sink)
    }

    /// Deletes records of head whose index key a change has taken, up to but not including `until`.
    fn give_way(
        &mut self,
        until: Option<&SortableKey>,
        sink: &mut dyn MergeSink,
    ) -> Result<(), StoreError> {
        let Some(unique) = self.unique else { return Ok(()) };
        let from = self.gave_way.clone().unwrap_or_else(SortableKey::before_all);
        for (key, Collision { resolution, other }) in unique.displaced.range(from..) {
            if until.is_some_and(|until| key >= until) {
                break;
            }
            self.gave_way = Some(key.just_after());
            // A range that covers the record is in conflict with it first; otherwise the record
            // would be gone already.
            self.sweep(Some(&key.just_after()), sink)?;
            self.swept = Some(key.just_after());
            let Some(head) = self.records.get(key, sink)?.cloned() else { continue };
            let value = self.base.whole_value(&head.state)?;
            let incoming =
                Incoming { state: LineState::Delete, clock: None, by: self.facts.by.clone() };
            let name = self.name.clone();
            let sides = self.index_sides(&name, key, Some(&head), value.as_deref(), &incoming);
            self.log(
                Conflict { other: Some(other.clone()), ..self.conflict(&sides, resolution) },
                sink,
            )?;
            let line =
                Line { key: key.clone(), meta: self.meta(&incoming), state: LineState::Delete };
            sink.differs(&name, &line)?;
            self.in_bulk = true;
            self.apply(Some(&head), line, sink)?;
        }
        Ok(())
    }

    fn index_sides<'s>(
        &self,
        store: &'s DomString,
        key: &'s SortableKey,
        head: Option<&'s Line>,
        head_value: Option<&'s [u8]>,
        incoming: &'s Incoming,
    ) -> Sides<'s> {
        let (kind, received_at) = (ConflictType::UniqueIndex, self.facts.received_at);
        Sides { kind, store, key, head, head_value, incoming, base: Base::Unknown, received_at }
    }

    fn merged(
        &mut self,
        key: &SortableKey,
        head: Option<&Line>,
        incoming: &Incoming,
        value: Vec<u8>,
        sink: &mut dyn MergeSink,
    ) -> Result<(), StoreError> {
        let own = self.meta(incoming);
        // No source has seen the merged value yet, so the line names none.
        let at = head.map_or(own.at, |head| own.at.max(head.meta.at));
        let line = Line {
            key: key.clone(),
            meta: Meta { by: None, at, rev: own.rev },
            state: LineState::Put(value.into()),
        };
        sink.differs(&self.name, &line)?;
        self.apply(head, line, sink)
    }

    /// Returns the conflict to log, with whole values for the sides that lost something.
    fn conflict(&self, sides: &Sides<'_>, resolution: &Resolution) -> Conflict {
        let digest =
            |state: &LineState| (*state != LineState::Delete).then(|| state.content_digest());
        let kept = |lost: bool, value: Option<&[u8]>| value.filter(|_| lost).map(<[u8]>::to_vec);
        let (incoming, nobody) = (sides.incoming, resolution.winner == Winner::Nobody);
        let incoming_value =
            if let LineState::Put(value) = &incoming.state { Some(&**value) } else { None };
        let base = if let Base::Value(base) = sides.base { Some(base) } else { None };
        let meta = self.meta(incoming);
        Conflict {
            store: self.name.clone(),
            key: sides.key.clone(),
            kind: sides.kind,
            other: None,
            rule: resolution.rule.clone(),
            winner: resolution.winner,
            reason: resolution.reason,
            fields: resolution.fields.clone(),
            base: base.map(Digest::of),
            base_value: kept(nobody, base),
            head: sides.head.map(|head| Side {
                at: head.meta.at,
                by: head.meta.by.clone(),
                digest: digest(&head.state),
                value: kept(resolution.head_lost, sides.head_value),
            }),
            incoming: Side {
                at: meta.at,
                by: meta.by,
                digest: digest(&incoming.state),
                value: kept(resolution.incoming_lost, incoming_value),
            },
        }
    }

    fn apply(
        &mut self,
        head: Option<&Line>,
        line: Line,
        sink: &mut dyn MergeSink,
    ) -> Result<(), StoreError> {
        self.forget_to(Some(&line.key), sink)?;
        sink.applied(&self.name, head, &line)?;
        let was_live = head.is_some_and(|head| head.state != LineState::Delete);
        let was_dead = head.is_some_and(|head| head.state == LineState::Delete);
        if line.state == LineState::Delete {
            if was_live {
                self.records.remove(&line.key, sink)?;
                let own =
                    self.facts.is_full || head.is_some_and(|head| head.meta.by == self.facts.by);
                sink.deleted(&self.name, &line.key, Deletion { bulk: self.in_bulk, own });
                self.counts.deleted += 1;
            } else {
                self.counts.tombstones += 1;
            }
            return self.tombstones.put(&line, sink);
        }
        if was_dead {
            self.tombstones.remove(&line.key, sink)?;
        }
        if was_live {
            self.counts.updated += 1;
        } else {
            self.counts.inserted += 1;
        }
        let line = Line { state: sink.spill(line.state)?, ..line };
        self.records.put(&line, sink)
    }

    /// Deletes the records in ranges, up to but not including `until`. The change at `until`
    /// already includes the ranges.
    fn sweep(
        &mut self,
        until: Option<&SortableKey>,
        sink: &mut dyn MergeSink,
    ) -> Result<(), StoreError> {
        if self.ranges.is_over() {
            return Ok(());
        }
        let mut from = self.swept.take().unwrap_or_else(SortableKey::before_all);
        loop {
            self.ranges.advance(&from);
            let start = self
                .ranges
                .next_place(&from)
                .filter(|start| until.is_none_or(|until| start < until));
            let Some(start) = start else { break };
            let next = self.records.at_or_after(&start, sink)?.map(|line| line.key.clone());
            let next = next.filter(|key| until.is_none_or(|until| key < until));
            let Some(key) = next else { break };
            self.look_at_clock()?;
            self.ranges.advance(&key);
            if let Some(range) = self.ranges.last() {
                self.delete_in_range(key.clone(), range, sink)?;
            }
            from = key.just_after();
        }
        self.swept = Some(until.map_or(from, SortableKey::just_after));
        Ok(())
    }

    /// Deletes head's record at `key` if the range's base has it; a record that changed since is a
    /// conflict.
    fn delete_in_range(
        &mut self,
        key: SortableKey,
        range: &RangeChange,
        sink: &mut dyn MergeSink,
    ) -> Result<(), StoreError> {
        (self.in_bulk, self.is_named) = (true, false);
        let incoming =
            Incoming { state: LineState::Delete, clock: range.clock, by: self.facts.by.clone() };
        if self.standing.schema.is_some() || (self.policy.commutative && self.facts.base.is_none())
        {
            return self.merge(
                key,
                incoming,
                &self.facts.base.map_or(Claim::None, Claim::Version),
                sink,
            );
        }
        let Some(version) = self.facts.base else {
            // Without a base, the range applies to head.
            let Some(head) = self.records.get(&key, sink)?.cloned() else { return Ok(()) };
            let meta = self.meta(&incoming);
            return self.apply(Some(&head), Line { key, meta, state: LineState::Delete }, sink);
        };
        let claim = Claim::Version(version);
        let inserted_since = match self.records.get(&key, sink)? {
            Some(head) if head.meta.rev > version && head.meta.by != self.facts.by => {
                self.is_of_others(&claim)
                    || self.base.value(&self.name, &key, &claim)? == BaseValue::Absent
            }
            _ => false,
        };
        if inserted_since { Ok(()) } else { self.merge(key, incoming, &claim, sink) }
    }
}

/// True if a state equals the change's base, as far as the base is known.
fn is_base(state: &LineState, base: &BaseValue) -> bool {
    match base {
        BaseValue::Unknown => false,
        BaseValue::Absent => *state == LineState::Delete,
        BaseValue::Value(value) => LineState::Put(value.clone()).same(state),
    }
}
