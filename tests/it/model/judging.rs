//! The fate of the records that a batch changes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::answer::{Answer, Counts};
use super::decision::{decide, digest};
use super::detection::{Finding, Kind, detect};
use super::flow::{Draft, Entry, Flow, Logged};
use super::folding::{Change, Folded};
use super::retention::Forgetting;
use super::unique::{Collision, Collisions, Planned, collide};
use super::words::{Batch, Place};

/// A batch that is merged.
pub(super) struct Judging<'a> {
    pub(super) flow: &'a Flow,
    pub(super) batch: &'a Batch,
    pub(super) folded: &'a Folded,
    pub(super) forgetting: Forgetting,
}

impl Judging<'_> {
    fn version(&self) -> u32 {
        self.flow.version() + 1
    }

    /// Merges all changes; returns the records that gave way in a unique index. `Err`: the policy refuses the batch.
    pub(super) fn all(
        &self,
        draft: &mut Draft,
        answer: &mut Answer,
    ) -> Result<BTreeSet<Place>, ()> {
        let collisions = self.collisions(draft)?;
        let changes = self.folded.changes.keys();
        let places: BTreeSet<&Place> = changes.chain(collisions.displaced.keys()).collect();
        for place in places {
            if let Some(change) = self.folded.changes.get(place) {
                self.one(draft, change, collisions.refused.get(place), answer)?;
            }
            if let Some(collision) = collisions.displaced.get(place) {
                self.displace(draft, place, collision, answer);
            }
        }
        Ok(collisions.displaced.into_keys().collect())
    }

    /// Looks at what the changes would come to if there were no indexes.
    fn collisions(&self, draft: &Draft) -> Result<Collisions, ()> {
        let mut all = Collisions::default();
        if draft.stores.values().all(|shape| shape.unique.is_empty()) {
            return Ok(all);
        }
        let mut planned = draft.clone();
        for change in self.folded.changes.values() {
            self.one(&mut planned, change, None, &mut Answer::default())?;
        }
        let plan = self.folded.changes.keys().filter_map(|place| {
            let (before, after) =
                (draft.records.get(place).cloned(), planned.records.get(place).cloned()?);
            (before.as_ref() != Some(&after)).then(|| (place.clone(), Planned { before, after }))
        });
        let plan: BTreeMap<_, _> = plan.collect();
        for shape in draft.stores.values() {
            let found = collide(self.flow.rules, shape, &draft.records, &plan)?;
            all.refused.extend(found.refused);
            all.displaced.extend(found.displaced);
        }
        Ok(all)
    }

    fn incoming(&self, change: &Change) -> Entry {
        let at = change.clock.unwrap_or(self.batch.received_at);
        Entry {
            value: change.value.clone(),
            at,
            by: self.batch.source.clone(),
            rev: self.version(),
        }
    }

    /// Decides about one record.
    fn one(
        &self,
        draft: &mut Draft,
        change: &Change,
        refused: Option<&Collision>,
        answer: &mut Answer,
    ) -> Result<(), ()> {
        let (flow, rules, batch, version) =
            (self.flow, self.flow.rules, self.batch, self.version());
        let place = change.place.clone();
        let head = draft.records.get(&place).cloned();
        let incoming = self.incoming(change);
        let stands = match detect(flow, draft, change, batch, self.forgetting) {
            Finding::Equal => {
                // What a range covers is no line of its own.
                answer.counts.unchanged += u64::from(change.is_named);
                return Ok(());
            }
            Finding::Stands => {
                answer.counts.unchanged += u64::from(change.is_named);
                // What it says since its last full batch it is not told again.
                if let Some(head) = head.filter(|head| !change.stands && head.value != change.value)
                {
                    answer.changes.push(head.line(&place));
                }
                return Ok(());
            }
            _ if refused.is_some() => {
                self.refuse(draft, change, refused.unwrap(), answer);
                return Ok(());
            }
            Finding::Follows => incoming.clone(),
            Finding::Missing(known) => {
                self.missing(draft, change, known, answer);
                return Ok(());
            }
            Finding::Merged(merged) => merged,
            Finding::Conflict(conflict) => {
                let decision =
                    decide(rules, &conflict, head.as_ref().unwrap(), change, batch, version)?;
                let stays = head.as_ref() == Some(&decision.stands);
                let reason = decision.winner == "none";
                let mut line = json!({"kind": conflict.kind.name(), "rule": decision.rule, "winner": decision.winner});
                if reason {
                    line["reason"] = json!(true);
                }
                self.log(draft, &place, (incoming.at, decision.logged, stays), line, answer);
                decision.stands
            }
        };
        if stands.value != change.value {
            answer.changes.push(stands.line(&place));
        }
        if head.as_ref() == Some(&stands) {
            answer.counts.unchanged += u64::from(change.is_named);
        } else {
            tally(&mut answer.counts, head.as_ref(), &stands);
            draft.records.insert(place, stands);
        }
        Ok(())
    }

    /// Writes a conflict to the log and to the report. `stays`: head is as it was, so it is logged once.
    fn log(
        &self,
        draft: &mut Draft,
        place: &Place,
        (at, logged, stays): (i64, Value, bool),
        mut line: Value,
        answer: &mut Answer,
    ) {
        let version = self.version();
        let parked = logged["winner"] == "none";
        let number =
            draft.conflicts.keys().filter(|(of, at, _)| *of == version && at == place).count();
        let known =
            |(id, line): (&(u32, Place, u32), &Logged)| id.1 == *place && says(&line.2, &logged);
        if !(super::LOGGED_ONCE && stays && draft.conflicts.iter().any(known)) {
            let logged = (at, self.batch.source.clone(), logged);
            draft.conflicts.insert((version, place.clone(), number as u32), logged);
        }
        line["type"] = json!("conflict");
        (line["store"], line["key"]) = (json!(place.0), place.1.to_json());
        answer.conflicts.push(line);
        answer.counts.conflicts += 1;
        answer.counts.parked += u64::from(parked);
    }

    /// Writes a conflict about a unique index; `lost`: the value that does not stand.
    fn log_index(
        &self,
        draft: &mut Draft,
        place: &Place,
        (head, incoming): (Option<&Entry>, &Entry),
        collision: &Collision,
        answer: &mut Answer,
    ) {
        let Collision { winner, other } = collision;
        let side = |entry: &Entry, lost: bool| {
            let mut side = json!({"at": entry.at, "digest": digest(entry.value.as_ref())});
            if let Some(by) = &entry.by {
                side["by"] = json!(by);
            }
            if let (true, Some(value)) = (lost, &entry.value) {
                side["value"] = value.clone();
            }
            side
        };
        let head_loses = *winner == "incoming";
        let rule = self.flow.rules.named(Kind::UniqueIndex);
        let mut logged = json!({"base": null, "head": head.map(|head| side(head, head_loses)),
            "incoming": side(incoming, !head_loses), "other": other.to_json(), "rule": rule,
            "type": "unique-index", "winner": winner});
        let mut line = json!({"kind": "unique-index", "other": other.to_json(), "rule": rule, "winner": winner});
        if *winner == "none" {
            (logged["reason"], line["reason"]) = (json!(true), json!(true));
        }
        self.log(draft, place, (incoming.at, logged, !head_loses), line, answer);
    }

    /// A change whose index key another record has.
    fn refuse(
        &self,
        draft: &mut Draft,
        change: &Change,
        collision: &Collision,
        answer: &mut Answer,
    ) {
        let (place, incoming) = (&change.place, self.incoming(change));
        let head = draft.records.get(place).cloned();
        answer.counts.unchanged += u64::from(change.is_named);
        self.log_index(draft, place, (head.as_ref(), &incoming), collision, answer);
        let was_stored = head.as_ref().is_some_and(|head| head.value.is_some());
        if !was_stored && collision.winner == "none" {
            return;
        }
        let stands = head.unwrap_or_else(|| self.nothing());
        if stands.value != change.value {
            answer.changes.push(stands.line(place));
        }
    }

    /// The line for a source that has a record which is not there.
    fn nothing(&self) -> Entry {
        Entry { value: None, at: self.batch.received_at, by: None, rev: self.flow.version().max(1) }
    }

    /// A record that may have been deleted, and nobody remembers it: it waits.
    fn missing(
        &self,
        draft: &mut Draft,
        change: &Change,
        known: Option<Option<Value>>,
        answer: &mut Answer,
    ) {
        let (place, incoming) = (&change.place, self.incoming(change));
        let rule = self.flow.rules.named(Kind::UpdateMissing);
        let base = known.flatten();
        let mut side = json!({"at": incoming.at, "digest": digest(incoming.value.as_ref()), "value": incoming.value});
        if let Some(by) = &incoming.by {
            side["by"] = json!(by);
        }
        let mut logged = json!({"base": digest(base.as_ref()), "head": null, "incoming": side, "reason": true,
            "rule": rule, "type": "update-missing", "winner": "none"});
        if let Some(base) = base {
            logged["baseValue"] = base;
        }
        let line =
            json!({"kind": "update-missing", "reason": true, "rule": rule, "winner": "none"});
        answer.counts.unchanged += u64::from(change.is_named);
        self.log(draft, place, (incoming.at, logged, true), line, answer);
        answer.changes.push(self.nothing().line(place));
    }

    /// A record that gives its index key to another one.
    fn displace(
        &self,
        draft: &mut Draft,
        place: &Place,
        collision: &Collision,
        answer: &mut Answer,
    ) {
        let (at, by) = (self.batch.received_at, self.batch.source.clone());
        let gone = Entry { value: None, at, by, rev: self.version() };
        let head = draft.records.insert(place.clone(), gone.clone());
        self.log_index(draft, place, (head.as_ref(), &gone), collision, answer);
        answer.changes.push(gone.line(place));
        answer.counts.deleted += 1;
    }
}

/// Returns true if two lines of the log say the same of one record.
fn says(logged: &Value, other: &Value) -> bool {
    let same = |path: &str| logged.pointer(path) == other.pointer(path);
    ["/type", "/winner", "/incoming/by", "/incoming/digest", "/head/digest", "/other"]
        .iter()
        .all(|path| same(path))
}

fn tally(count: &mut Counts, head: Option<&Entry>, stands: &Entry) {
    let had = head.is_some_and(|head| head.value.is_some());
    match &stands.value {
        Some(_) => count.put += 1,
        None if had => count.deleted += 1,
        // A tombstone for what is not there.
        None => {}
    }
}

pub(super) fn acknowledge(draft: &Draft, batch: &Batch, answer: &mut Answer) {
    if let (Some(source), Some(_)) = (&batch.source, &batch.sequence) {
        let known = &draft.sources[source];
        let line = json!({"checkpoint": known.checkpoint, "epoch": known.epoch, "source": source, "type": "ack"});
        answer.others.push(line);
    }
}
