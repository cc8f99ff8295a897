//! The product, driven in process over the memory store, and what it shows from outside.

use std::sync::Arc;

use nifi_idb::decode::DecodeOptions;
use nifi_idb::flowfile::{Attributes, PackageReader, write_head};
use nifi_idb::history::{At, RestoreOptions, open_version, restore, sources, verify};
use nifi_idb::normalize::NormalizeOptions;
use nifi_idb::pipeline::{IntakeOptions, NewEpoch, Review, SyncOptions, deliver, deliver_package};
use nifi_idb::policy::Policy;
use nifi_idb::report::Summary;
use nifi_idb::snapshot::{FlowName, FlowVersion, List};
use nifi_idb::store::SnapshotReader;
use nifi_idb::store::memory::MemoryStore;
use serde_json::{Value, json};

use super::answer::{Answer, Counts, Stored};
use super::words::{Answered, Batch, STATE_OF};

/// A flow in memory.
pub(super) struct Product {
    store: MemoryStore,
    flow: FlowName,
    policy: Option<Arc<Policy>>,
}

fn attributes(batch: &Batch) -> Attributes {
    let mut attributes = Attributes::default();
    attributes.set("filename", "batch");
    if let Some(delivery) = &batch.delivery {
        attributes.set("idempotency-key", delivery);
    }
    attributes
}

/// Returns a report's lines, sorted into an answer.
fn answer(status: u8, summary: &Summary, report: &[u8]) -> Answer {
    let mut answer = Answer {
        status,
        outcome: summary.outcome.name(),
        version: summary.version.map(FlowVersion::get),
        counts: Counts {
            received: summary.received,
            put: summary.put,
            deleted: summary.deleted,
            unchanged: summary.unchanged,
            rejected: summary.rejected,
            conflicts: summary.conflicts,
            parked: summary.parked,
        },
        ..Answer::default()
    };
    for line in report.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let mut line: Value = serde_json::from_slice(line).unwrap();
        match line["type"].as_str().unwrap() {
            "rejected" => answer.rejected.push(json!([line["line"], line["reason"]])),
            "conflict" => {
                hide_reason(&mut line);
                answer.conflicts.push(line);
            }
            "change" => answer.changes.push(line["line"].take()),
            "kept" => answer.kept.push(line),
            // What a rejected line is sent again with.
            "summary" | "header" => {}
            _ => answer.others.push(line),
        }
    }
    answer
}

/// Replaces the words of a reason, which are on no page.
fn hide_reason(line: &mut Value) {
    if let Some(reason) = line.get_mut("reason") {
        *reason = json!(true);
    }
}

impl Product {
    pub(super) fn new(policy: Option<Arc<Policy>>) -> Self {
        Self {
            store: MemoryStore::default(),
            flow: FlowName::new("indexeddb", "shop").unwrap(),
            policy,
        }
    }

    fn options(&self, batch: &Batch, confirm: Option<String>) -> IntakeOptions {
        let new_epoch = batch.new_epoch.map(|answered| match answered {
            Answered::Keep => NewEpoch::Keep,
            Answered::Mirror => NewEpoch::Mirror,
        });
        let policy = self.policy.clone();
        let mut normalize = NormalizeOptions {
            policy: policy.clone(),
            ..NormalizeOptions::received_at(batch.received_at)
        };
        if let Some(skew) = policy.as_ref().and_then(|policy| policy.max_skew_ms) {
            normalize.skew_ms = skew;
        }
        IntakeOptions {
            bucket: "indexeddb".into(),
            flow: Some("shop".into()),
            decode: DecodeOptions::default(),
            normalize,
            sync: SyncOptions {
                pull: batch.pull,
                new_epoch,
                confirm,
                policy,
                ..SyncOptions::default()
            },
            review: Review::default(),
            admission: None,
            trusts_received_at: true,
            rejected_text: false,
        }
    }

    /// Puts in the states that a text only speaks of.
    fn with_states(&self, mut text: String) -> String {
        while let Some(place) = text.find(STATE_OF) {
            let number = place + STATE_OF.len()..place + STATE_OF.len() + 6;
            let version = FlowVersion::new(text[number.clone()].parse().unwrap());
            let version =
                version.and_then(|version| self.store.version(&self.flow, version).unwrap());
            // A version that is not there has no state.
            let state = version.map_or("0".repeat(64), |version| version.state.to_string());
            text.replace_range(place..number.end, &state);
        }
        text
    }

    /// Delivers one batch; returns its answer and the plan that the guard asks to confirm.
    pub(super) fn send(&self, batch: &Batch, confirm: Option<String>) -> (Answer, Option<String>) {
        let options = self.options(batch, confirm);
        let text = self.with_states(batch.to_text());
        let mut delivered = deliver(&self.store, &options, &attributes(batch), text.as_bytes());
        let mut report = Vec::new();
        delivered.report.copy_to(&mut report).unwrap();
        let verdict = &delivered.verdict;
        (answer(verdict.status as u8, &verdict.summary, &report), verdict.plan.clone())
    }

    /// Delivers a package of batches; returns an answer for each.
    pub(super) fn send_package(&self, batches: &[Batch]) -> Vec<Answer> {
        let mut input = Vec::new();
        for batch in batches {
            let text = self.with_states(batch.to_text());
            write_head(&attributes(batch), text.len() as u64, &mut input).unwrap();
            input.extend_from_slice(text.as_bytes());
        }
        let mut package =
            deliver_package(&self.store, &self.options(&batches[0], None), &input[..]).unwrap();
        let mut output = Vec::new();
        package.write_v3(&mut output).unwrap();
        let mut reader = PackageReader::new(&output[..]);
        let verdicts: Vec<_> = package.iter().map(|(_, verdict)| verdict.clone()).collect();
        let answers = verdicts.iter().map(|verdict| {
            let head = reader.next_head().unwrap().unwrap();
            let mut content = Vec::new();
            reader.content(&head, &mut content).unwrap().unwrap();
            let report = if verdict.is_done() { &content[..] } else { b"" };
            answer(verdict.status as u8, &verdict.summary, report)
        });
        answers.collect()
    }

    fn lines(&self, wanted: impl Fn(&List) -> bool) -> Vec<Value> {
        let Some(head) = self.store.head(&self.flow).unwrap() else { return Vec::new() };
        let mut lines = Vec::new();
        for (list, chunk) in head.manifest.chunks().filter(|(list, _)| wanted(list)) {
            let text = self.store.read_chunk(&self.flow, &head, &list, chunk).unwrap();
            let rows = text.split(|byte| *byte == b'\n').filter(|row| !row.is_empty());
            lines.extend(rows.map(|row| serde_json::from_slice::<Value>(row).unwrap()));
        }
        lines
    }

    /// Returns what the newest version holds.
    pub(super) fn stored(&self) -> Stored {
        let mut records = self.lines(|list| matches!(list, List::Records(_)));
        records.extend(self.lines(|list| matches!(list, List::Tombstones(_))));
        let mut conflicts = self.lines(|list| matches!(list, List::Conflicts));
        conflicts.iter_mut().for_each(|line| hide_reason(&mut line["value"]));
        let head = self.store.head(&self.flow).unwrap().unwrap().manifest.schema();
        let stores: Vec<_> =
            head.stores.iter().map(|store| Value::Object(store.to_json())).collect();
        let known = sources(&self.store, &self.flow, None).unwrap();
        Stored {
            schema: json!({"stores": stores, "version": head.version}),
            records,
            conflicts,
            sources: known
                .into_iter()
                .map(|it| (it.source.to_string(), it.epoch, it.checkpoint))
                .collect(),
        }
    }

    /// Returns the record lines that `restore` writes for a version, and checks that the chain up to it is whole.
    pub(super) fn restored(&self, version: u32, newest: bool) -> Vec<Value> {
        let at = At::Version(FlowVersion::new(version.into()).unwrap());
        let opened = open_version(&self.store, &self.flow, at).unwrap();
        if newest {
            verify(&self.store, &self.flow, &opened, true).unwrap();
        }
        let mut text = Vec::new();
        restore(&self.store, &self.flow, &opened, &RestoreOptions::default(), &mut text).unwrap();
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let lines = lines.map(|line| serde_json::from_slice::<Value>(line).unwrap());
        lines.filter(|line| line["op"] == "put").collect()
    }
}
