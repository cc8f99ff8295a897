//! The oracle: what the pages say that a flow holds after each batch.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::admission::{Admitted, admit};
use super::answer::{Answer, Counts, Refusal, Stored, line_of};
use super::decision::decide;
use super::detection::{Finding, detect};
use super::folding::{Change, Folded, fold};
use super::guard::{Loss, Run, judge};
use super::rules::Rules;
use super::telling::pulled;
use super::view::{Dump, View, dump};
use super::words::{Batch, Key, Op, Place, STORES};

/// A record, or the tombstone of one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    /// `None`: deleted.
    pub(super) value: Option<Value>,
    pub(super) at: i64,
    pub(super) by: Option<String>,
    pub(super) rev: u32,
}

impl Entry {
    pub(super) fn line(&self, (store, key): &Place) -> Value {
        line_of(store, key, self.value.as_ref(), (self.at, self.by.as_deref(), self.rev))
    }
}

pub(super) type Records = BTreeMap<Place, Entry>;

/// What is kept of a source.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Known {
    pub(super) epoch: Option<String>,
    pub(super) checkpoint: u64,
    pub(super) view: Option<View>,
}

/// A delivery that is remembered: its source, its id, and what was delivered.
pub(super) type Delivery = (Option<String>, String, String);

/// When a conflict was logged, for which source, and the value of its line.
pub(super) type Logged = (i64, Option<String>, Value);

/// What the newest version holds, and what all before it held.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    rules: &'static Rules,
    pub(super) head: Draft,
    /// By version; 0 holds nothing.
    pub(super) versions: Vec<Records>,
}

/// The part that a batch may change.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Draft {
    pub(super) records: Records,
    /// By version, place and number.
    pub(super) conflicts: BTreeMap<(u32, Place, u32), Logged>,
    /// Object stores that a batch has named.
    pub(super) stores: BTreeSet<&'static str>,
    pub(super) sources: BTreeMap<String, Known>,
    pub(super) deliveries: Vec<Delivery>,
    /// By source: the deletions that the guard adds up.
    pub(super) runs: BTreeMap<Option<String>, Run>,
}

impl Flow {
    pub(super) fn new(rules: &'static Rules) -> Self {
        Self { rules, head: Draft::default(), versions: vec![Records::new()] }
    }

    /// Returns the newest version's number; 0 if there is none.
    pub(super) fn version(&self) -> u32 {
        self.versions.len() as u32 - 1
    }

    /// Takes one batch.
    pub(super) fn send(&mut self, batch: &Batch, confirmed: bool) -> Answer {
        self.take(&[batch], confirmed).remove(0)
    }

    /// Takes a package: those with a sequence come first, by source, epoch and first number.
    pub(super) fn send_package(&mut self, batches: &[Batch]) -> Vec<Answer> {
        let mut order: Vec<usize> = (0..batches.len()).collect();
        order.sort_by_key(|&place| {
            let batch = &batches[place];
            let numbers = batch.sequence.as_ref().map(|it| (batch.source.clone(), it.epoch.clone(), it.first));
            (numbers.is_none(), numbers, place)
        });
        let ordered: Vec<_> = order.iter().map(|&place| &batches[place]).collect();
        let mut answers = vec![Answer::default(); batches.len()];
        for (place, answer) in order.iter().zip(self.take(&ordered, false)) {
            answers[*place] = answer;
        }
        answers
    }

    fn take(&mut self, batches: &[&Batch], confirmed: bool) -> Vec<Answer> {
        let mut draft = self.head.clone();
        let mut answers = Vec::new();
        for batch in batches {
            let mut next = draft.clone();
            let answer = self.merge(&mut next, batch, confirmed);
            if answer.status == 0 {
                draft = next;
            }
            answers.push(answer);
        }
        let version = self.version();
        let made = answers.iter().any(|answer| answer.outcome == "committed");
        if made {
            self.versions.push(draft.records.clone());
            self.head = draft;
        }
        let head = Some(version + u32::from(made)).filter(|&version| version > 0);
        for answer in answers.iter_mut().filter(|answer| answer.status == 0) {
            answer.version = head;
        }
        answers
    }

    /// Merges one batch into a draft of the next version.
    fn merge(&self, draft: &mut Draft, batch: &Batch, confirmed: bool) -> Answer {
        let mut answer = Answer::default();
        for (place, line) in batch.lines.iter().enumerate() {
            if let Op::Bad { reason, .. } = &line.op {
                answer.rejected.push(json!([place + 2, reason]));
            }
        }
        answer.counts.received = batch.lines.len() as u64;
        answer.counts.rejected = answer.rejected.len() as u64;
        let is_known = batch.source.as_ref().is_some_and(|source| draft.sources.contains_key(source));
        let skip = match admit(self, draft, batch) {
            Admitted::Refused(refusal) => {
                answer.status = refusal.status();
                answer.outcome = refusal.outcome();
                return answer;
            }
            Admitted::Replay => {
                answer.outcome = "unchanged";
                answer.counts.unchanged = answer.counts.received;
                if batch.pull {
                    answer.changes = pulled(self, draft, batch, (batch.lines.len(), None), true);
                }
                acknowledge(draft, batch, &mut answer);
                return answer;
            }
            Admitted::From(skip) => skip,
        };
        let before = draft.clone();
        let mut dumped = batch.full.then(|| dump(self, draft, batch));
        let folded = match &mut dumped {
            Some(dumped) => std::mem::take(&mut dumped.folded),
            None => fold(self, draft, batch, skip),
        };
        draft.stores.extend(STORES.iter().filter(|store| batch.has(store)));
        answer.counts.unchanged += folded.without_effect;
        for change in folded.changes.values() {
            self.judge(draft, batch, change, &mut answer);
        }
        if !self.admits_losses(&before, draft, batch, &folded, dumped.as_ref(), confirmed) {
            answer = Answer { status: Refusal::Guard.status(), outcome: Refusal::Guard.outcome(), ..answer };
            return answer;
        }
        self.remember(&before, draft, batch, dumped.as_ref());
        answer.outcome = if *draft == before { "unchanged" } else { "committed" };
        answer.kept = dumped.map(|dumped| dumped.kept).unwrap_or_default();
        if batch.pull {
            answer.changes.extend(pulled(self, draft, batch, (skip, Some(&folded)), is_known));
        }
        acknowledge(draft, batch, &mut answer);
        answer
    }

    /// Asks the guard; the run of deletions is part of the draft.
    fn admits_losses(
        &self,
        before: &Draft,
        draft: &mut Draft,
        batch: &Batch,
        folded: &Folded,
        dumped: Option<&Dump>,
        confirmed: bool,
    ) -> bool {
        if !super::GUARD {
            return true;
        }
        let mut losses: BTreeMap<String, Loss> = BTreeMap::new();
        for (place, entry) in draft.records.iter().filter(|(_, entry)| entry.value.is_none()) {
            if before.records.get(place).is_some_and(|before| before.value.is_some()) {
                let loss = losses.entry(place.0.clone()).or_default();
                let bulk = folded.changes.get(place).is_some_and(|change| change.bulk);
                let keys = if bulk { &mut loss.bulk } else { &mut loss.single };
                keys.insert(place.1.clone());
                debug_assert!(entry.rev == self.version() + 1);
            }
        }
        let had = dumped.map(|dumped| &dumped.had);
        let run = draft.runs.get(&batch.source);
        match judge(&before.records, batch, &losses, had, run) {
            _ if confirmed => drop(draft.runs.remove(&batch.source)),
            Some(None) => {}
            Some(Some(run)) => drop(draft.runs.insert(batch.source.clone(), run)),
            None => return false,
        }
        true
    }

    /// Writes down what is kept of a batch's source and delivery.
    fn remember(&self, before: &Draft, draft: &mut Draft, batch: &Batch, dumped: Option<&Dump>) {
        let version = self.version() + 1;
        if let (Some(source), Some(sequence)) = (&batch.source, &batch.sequence) {
            let known = draft.sources.entry(source.clone()).or_default();
            known.epoch = Some(sequence.epoch.clone());
            known.checkpoint = known.checkpoint.max(sequence.last);
        } else if let Some(delivery) = &batch.delivery
            && (super::DELIVERIES || draft != before)
        {
            draft.deliveries.push((batch.source.clone(), delivery.clone(), batch.to_text()));
        }
        let Some(source) = &batch.source else { return };
        let viewless = draft.sources.get(source).is_none_or(|known| known.view.is_none());
        if let Some(dumped) = dumped
            && (draft != before || viewless || dumped.differs)
        {
            let view = View { records: dumped.records.clone(), made: version, delta: None };
            draft.sources.entry(source.clone()).or_default().view = Some(view);
        } else if dumped.is_none()
            && draft != before
            && let Some(view) = draft.sources.get_mut(source).and_then(|known| known.view.as_mut())
        {
            view.delta = view.delta.or(Some(version));
        }
    }

    /// Decides about one record.
    fn judge(&self, draft: &mut Draft, batch: &Batch, change: &Change, answer: &mut Answer) {
        let version = self.version() + 1;
        let place = change.place.clone();
        let head = draft.records.get(&place).cloned();
        let count = &mut answer.counts;
        let incoming = Entry {
            value: change.value.clone(),
            at: change.clock.unwrap_or(batch.received_at),
            by: batch.source.clone(),
            rev: version,
        };
        let stands = match detect(self, self.rules, head.as_ref(), change, batch) {
            Finding::Equal => {
                // What a range covers is no line of its own.
                count.unchanged += u64::from(change.is_named);
                return;
            }
            Finding::Stands => {
                count.unchanged += 1;
                // What it says since its last full batch it is not told again.
                if let Some(head) = head.filter(|head| !change.stands && head.value != change.value) {
                    answer.changes.push(head.line(&place));
                }
                return;
            }
            Finding::Follows => incoming.clone(),
            Finding::Merged(merged) => merged,
            Finding::Conflict(conflict) => {
                let decision = decide(self.rules, &conflict, head.as_ref().unwrap(), change, batch, version);
                let number = draft.conflicts.keys().filter(|(of, at, _)| *of == version && *at == place).count();
                let logged = (incoming.at, batch.source.clone(), decision.logged);
                let stays = head.as_ref() == Some(&decision.stands);
                let known = |(id, line): (&(u32, Place, u32), &Logged)| id.1 == place && says(&line.2, &logged.2);
                if !(super::LOGGED_ONCE && stays && draft.conflicts.iter().any(known)) {
                    draft.conflicts.insert((version, place.clone(), number as u32), logged);
                }
                let (store, key) = &place;
                let mut line = json!({"key": key.to_json(), "kind": conflict.kind.name(), "rule": decision.rule,
                    "store": store, "type": "conflict", "winner": decision.winner});
                if decision.winner == "none" {
                    line["reason"] = json!(true);
                }
                answer.conflicts.push(line);
                count.conflicts += 1;
                count.parked += u64::from(decision.winner == "none");
                decision.stands
            }
        };
        if stands.value != change.value {
            answer.changes.push(stands.line(&place));
        }
        if head.as_ref() == Some(&stands) {
            count.unchanged += u64::from(change.is_named);
        } else {
            tally(count, head.as_ref(), &stands);
            draft.records.insert(place, stands);
        }
    }

    /// Returns what anybody can read of the newest version.
    pub(super) fn stored(&self) -> Stored {
        let line = |(place, entry): (&Place, &Entry)| entry.line(place);
        let live = self.head.records.iter().filter(|(_, entry)| entry.value.is_some()).map(line);
        let gone = self.head.records.iter().filter(|(_, entry)| entry.value.is_none()).map(line);
        let conflicts = self.head.conflicts.iter().map(|((version, (store, key), number), (at, by, value))| {
            let mut id = vec![json!(version), json!(store), key.to_json()];
            if *number > 0 {
                id.push(json!(number + 1));
            }
            let id: Value = id.into();
            let mut line =
                json!({"at": at, "key": id, "op": "put", "rev": version, "store": "~conflicts", "value": value});
            if let Some(by) = by {
                line["by"] = json!(by);
            }
            line
        });
        let sources = self.head.sources.iter();
        Stored {
            records: live.chain(gone).collect(),
            conflicts: conflicts.collect(),
            sources: sources.map(|(id, known)| (id.clone(), known.epoch.clone(), known.checkpoint)).collect(),
        }
    }

    /// Returns the lines of a version's live records.
    pub(super) fn restored(&self, version: u32) -> Vec<Value> {
        let records = self.versions[version as usize].iter();
        records.filter(|(_, entry)| entry.value.is_some()).map(|(place, entry)| entry.line(place)).collect()
    }

    /// Returns the record that a version held.
    pub(super) fn record_at(&self, version: u32, place: &Place) -> Option<&Value> {
        self.versions.get(version as usize)?.get(place)?.value.as_ref()
    }

    /// Returns the live keys of an object store in a version.
    pub(super) fn live_at(&self, version: u32, store: &str) -> Vec<Key> {
        live(self.versions.get(version as usize).unwrap_or(&Records::new()), store)
    }
}

/// Returns the live keys of an object store.
pub(super) fn live(records: &Records, store: &str) -> Vec<Key> {
    let there = records.iter().filter(|((of, _), entry)| of == store && entry.value.is_some());
    there.map(|((_, key), _)| key.clone()).collect()
}

/// Returns true if two lines of the log say the same of one record.
fn says(logged: &Value, other: &Value) -> bool {
    let same = |path: &str| logged.pointer(path) == other.pointer(path);
    ["/type", "/winner", "/incoming/by", "/incoming/digest", "/head/digest", "/other"].iter().all(|path| same(path))
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

fn acknowledge(draft: &Draft, batch: &Batch, answer: &mut Answer) {
    if let (Some(source), Some(_)) = (&batch.source, &batch.sequence) {
        let known = &draft.sources[source];
        let line = json!({"checkpoint": known.checkpoint, "epoch": known.epoch, "source": source, "type": "ack"});
        answer.others.push(line);
    }
}
