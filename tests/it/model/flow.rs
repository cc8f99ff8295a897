//! The oracle: what the pages say that a flow holds after each batch.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::admission::{Admitted, admit};
use super::answer::{Answer, Refusal, Stored, line_of};
use super::folding::fold;
use super::guard::Run;
use super::judging::{Judging, acknowledge};
use super::losses::{Losing, admits_losses};
use super::retention::{advance, forget, forgetting, notice};
use super::rules::Rules;
use super::schema::Shape;
use super::telling::pulled;
use super::upgrade::{begin_anew, unite};
use super::view::{Dump, View, dump};
use super::words::{Batch, Key, Op, Place};

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
    pub(super) rules: &'static Rules,
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
    /// The database's version; `None` before the first batch.
    pub(super) database_version: Option<u64>,
    /// Object stores that a batch has described.
    pub(super) stores: BTreeMap<&'static str, Shape>,
    /// Since which version the keys of an object store are what they are, and whose batch made it.
    pub(super) recreated: BTreeMap<&'static str, (u32, Option<String>)>,
    pub(super) sources: BTreeMap<String, Known>,
    pub(super) deliveries: Vec<Delivery>,
    /// When versions were made, where deletions are forgotten after a time.
    pub(super) made: Vec<(u32, i64)>,
    /// Deletions up to this version are forgotten.
    pub(super) forgotten: Option<u32>,
    /// The last version that a source's batch made, and when that was received.
    pub(super) seen: BTreeMap<String, (u32, i64)>,
    /// By source: the deletions that the guard adds up.
    pub(super) runs: BTreeMap<Option<String>, Run>,
}

impl Draft {
    /// Returns true if a version's keys of an object store mean other records than they do now.
    pub(super) fn is_before_recreation(&self, version: u32, store: &str) -> bool {
        self.recreated.get(store).is_some_and(|(since, _)| version < *since)
    }

    /// Returns the version up to which a source may have missed deletions that nobody remembers.
    pub(super) fn forgotten_for(&self, source: Option<&String>) -> Option<u32> {
        let by_others =
            self.recreated.values().filter(|(_, by)| by.is_none() || by.as_ref() != source);
        by_others.map(|(since, _)| *since).chain(self.forgotten).max()
    }
}

impl Flow {
    pub(super) fn new(rules: &'static Rules) -> Self {
        Self { rules, head: Draft::default(), versions: vec![Records::new()] }
    }

    /// Returns the newest version's number; 0 if there is none.
    pub(super) fn version(&self) -> u32 {
        self.versions.len() as u32 - 1
    }

    /// Returns the number of the version that a draft is or becomes.
    pub(super) fn version_of(&self, draft: &Draft) -> u32 {
        self.version() + u32::from(*draft != self.head)
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
            let numbers = batch
                .sequence
                .as_ref()
                .map(|it| (batch.source.clone(), it.epoch.clone(), it.first));
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
        let is_known =
            batch.source.as_ref().is_some_and(|source| draft.sources.contains_key(source));
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
                    pulled(self, draft, batch, (batch.lines.len(), None), true, &mut answer);
                }
                acknowledge(draft, batch, &mut answer);
                return answer;
            }
            Admitted::From(skip) => skip,
        };
        let before = draft.clone();
        let upgrade = match unite(draft, batch, self.version() + 1) {
            Ok(upgrade) => upgrade,
            Err(refusal) => {
                return Answer { status: refusal.status(), outcome: refusal.outcome(), ..answer };
            }
        };
        answer.counts.deleted += begin_anew(draft, &upgrade);
        let mut dumped = batch.full.then(|| dump(self, draft, batch, upgrade.is_newer));
        let folded = match &mut dumped {
            Some(dumped) => std::mem::take(&mut dumped.folded),
            None => fold(self, draft, batch, skip),
        };
        answer.counts.unchanged += folded.without_effect;
        let forgetting = forgetting(self, draft, batch);
        forget(draft, forgetting);
        let judging = Judging { flow: self, batch, folded: &folded, forgetting };
        let displaced = match judging.all(draft, &mut answer) {
            Ok(displaced) => displaced,
            Err(()) => return refused(answer),
        };
        let losing = Losing {
            before: &before,
            batch,
            folded: &folded,
            upgrade: &upgrade,
            displaced: &displaced,
        };
        if !admits_losses(&losing, draft, dumped.as_ref(), confirmed) {
            return refused(answer);
        }
        upgrade.drop_empty(draft);
        self.remember(&before, draft, batch, dumped.as_ref());
        if *draft != before {
            advance(self, draft, batch, forgetting);
        }
        answer.outcome = if *draft == before { "unchanged" } else { "committed" };
        answer.kept = dumped.map(|dumped| dumped.kept).unwrap_or_default();
        if batch.pull {
            pulled(self, draft, batch, (skip, Some(&folded)), is_known, &mut answer);
        }
        acknowledge(draft, batch, &mut answer);
        answer
    }

    /// Writes down what is kept of a batch's source and delivery.
    fn remember(&self, before: &Draft, draft: &mut Draft, batch: &Batch, dumped: Option<&Dump>) {
        let version = self.version() + 1;
        notice(self, draft, batch);
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
        let stores: Vec<_> = self.head.stores.values().map(|shape| shape.to_json()).collect();
        Stored {
            schema: json!({"stores": stores, "version": self.head.database_version}),
            records: live.chain(gone).collect(),
            conflicts: conflicts.collect(),
            sources: sources
                .map(|(id, known)| (id.clone(), known.epoch.clone(), known.checkpoint))
                .collect(),
        }
    }

    /// Returns the lines of a version's live records.
    pub(super) fn restored(&self, version: u32) -> Vec<Value> {
        let records = self.versions[version as usize].iter();
        records
            .filter(|(_, entry)| entry.value.is_some())
            .map(|(place, entry)| entry.line(place))
            .collect()
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

fn refused(answer: Answer) -> Answer {
    Answer { status: Refusal::Guard.status(), outcome: Refusal::Guard.outcome(), ..answer }
}

/// Returns the live keys of an object store.
pub(super) fn live(records: &Records, store: &str) -> Vec<Key> {
    let there = records.iter().filter(|((of, _), entry)| of == store && entry.value.is_some());
    there.map(|((_, key), _)| key.clone()).collect()
}
