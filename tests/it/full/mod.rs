//! Full batches: what is compared with what, what is deleted, what is kept, and when the guard asks.

use std::collections::BTreeMap;

use nifi_idb::chunk::parse_chunk;
use nifi_idb::decode::DecodeOptions;
use nifi_idb::exit_status::ExitStatus;
use nifi_idb::flowfile::Attributes;
use nifi_idb::normalize::NormalizeOptions;
use nifi_idb::pipeline::{IntakeOptions, Review, SyncOptions, deliver};
use nifi_idb::report::Summary;
use nifi_idb::snapshot::{FlowName, LineState, List};
use nifi_idb::store::SnapshotReader;
use nifi_idb::store::memory::MemoryStore;
use serde_json::Value;

mod bases;
mod guard;
mod kept;
mod own_changes;
mod packages;
mod recreated;

/// A store, and options for what is sent next.
#[derive(Debug, Default)]
struct Lab {
    store: MemoryStore,
    received_at: i64,
    decode: DecodeOptions,
    sync: SyncOptions,
}

/// What became of a batch.
#[derive(Debug)]
struct Sent {
    summary: Summary,
    status: ExitStatus,
    plan: Option<String>,
    message: String,
    kept_attribute: Option<String>,
    lines: Vec<Value>,
}

impl Sent {
    fn is_done(&self) -> bool {
        self.status == ExitStatus::Done
    }

    /// Object store, reason and count of each line `kept`.
    fn kept(&self) -> Vec<(String, String, u64)> {
        let lines = self.lines.iter().filter(|line| line["type"] == "kept");
        let text = |value: &'_ Value| value.as_str().map(str::to_owned).unwrap();
        let kept = |line: &Value| {
            (text(&line["store"]), text(&line["reason"]), line["count"].as_u64().unwrap())
        };
        lines.map(kept).collect()
    }

    /// Kinds of the conflicts.
    fn conflicts(&self) -> Vec<&str> {
        let lines = self.lines.iter().filter(|line| line["type"] == "conflict");
        lines.map(|line| line["kind"].as_str().unwrap()).collect()
    }

    fn put_and_deleted(&self) -> (u64, u64) {
        assert!(self.is_done(), "{}", self.message);
        (self.summary.put, self.summary.deleted)
    }
}

impl Lab {
    /// Sends any text to the flow `shop`.
    fn text(&self, text: &str) -> Sent {
        let options = IntakeOptions {
            bucket: "indexeddb".to_owned(),
            flow: Some("shop".to_owned()),
            decode: self.decode.clone(),
            normalize: NormalizeOptions::received_at(self.received_at),
            sync: self.sync.clone(),
            review: Review::default(),
            admission: None,
            trusts_received_at: true,
            rejected_text: false,
        };
        let mut delivered = deliver(&self.store, &options, &Attributes::default(), text.as_bytes());
        let mut report = Vec::new();
        delivered.report.copy_to(&mut report).unwrap();
        let lines = report.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        let lines: Vec<Value> = lines.map(|line| serde_json::from_slice(line).unwrap()).collect();
        assert_eq!(lines.last().unwrap()["type"], "summary");
        let verdict = delivered.verdict;
        Sent {
            kept_attribute: verdict.attributes().get("sync.kept").map(str::to_owned),
            status: verdict.status,
            plan: verdict.plan.clone(),
            message: verdict.failure.map(|failure| failure.message).unwrap_or_default(),
            summary: verdict.summary,
            lines,
        }
    }

    /// Sends changes; the object stores `data` (key path `id`) and `more` (keys out of line).
    fn send(&self, header: &str, lines: &[String]) -> Sent {
        self.of_stores(
            r#"[{"name":"data","keyPath":"id"},{"name":"more","keyPath":null}]"#,
            header,
            lines,
        )
    }

    fn of_stores(&self, stores: &str, header: &str, lines: &[String]) -> Sent {
        let head = format!(
            r#"{{"format":"indexeddb-changes/1","database":"shop","stores":{stores}{header}}}"#
        );
        let end = format!(r#"{{"op":"end","count":{}}}"#, lines.len());
        self.text(&[std::slice::from_ref(&head), lines, &[end, String::new()]].concat().join("\n"))
    }

    /// Sends it, and confirms its plan, which the guard asks about.
    fn confirm(&mut self, header: &str, lines: &[String]) -> Sent {
        let asked = self.send(header, lines);
        assert_eq!(asked.status, ExitStatus::Guard, "{}", asked.message);
        self.sync.confirm = asked.plan;
        let sent = self.send(header, lines);
        self.sync.confirm = None;
        assert!(sent.is_done(), "{}", sent.message);
        sent
    }

    /// All live records of an object store: key and value.
    fn records(&self, store: &str) -> BTreeMap<String, String> {
        let flow = FlowName::new("indexeddb", "shop").unwrap();
        let head = self.store.head(&flow).unwrap().unwrap();
        let (list, mut found) = (List::Records(store.into()), BTreeMap::new());
        for chunk in head
            .manifest
            .store(&store.into())
            .map(|store| store.records.as_slice())
            .unwrap_or_default()
        {
            let text = self.store.read_chunk(&flow, &head, &list, chunk).unwrap();
            for line in parse_chunk(&text, format!("\"{store}\"").as_bytes()).unwrap() {
                let LineState::Put(value) = line.state else { panic!("{:?}", line.state) };
                found.insert(line.key.to_canonical(), String::from_utf8(value.into()).unwrap());
            }
        }
        found
    }

    /// Keys of `data`, and the member `v` of each.
    fn data(&self) -> Vec<(u64, u64)> {
        let number = |text: &str| text.parse().unwrap();
        let member =
            |value: &str| serde_json::from_str::<Value>(value).unwrap()["v"].as_u64().unwrap();
        self.records("data").iter().map(|(key, value)| (number(key), member(value))).collect()
    }
}

/// What a line `kept` says.
fn kept(store: &str, reason: &str, count: u64) -> Vec<(String, String, u64)> {
    vec![(store.to_owned(), reason.to_owned(), count)]
}

fn full(source: &str) -> String {
    format!(r#","source":"{source}","mode":"full""#)
}

fn delta(source: &str) -> String {
    format!(r#","source":"{source}""#)
}

/// A line of `data`.
fn put(id: u64, v: u64) -> String {
    format!(r#"{{"op":"put","store":"data","value":{{"id":{id},"v":{v}}}}}"#)
}

/// The same with more members of the line.
fn put_with(id: u64, v: u64, more: &str) -> String {
    format!(r#"{{"op":"put","store":"data","value":{{"id":{id},"v":{v}}},{more}}}"#)
}

/// A line of `more`.
fn more(key: u64) -> String {
    format!(r#"{{"op":"put","store":"more","key":{key},"value":{key}}}"#)
}

fn delete(id: u64) -> String {
    format!(r#"{{"op":"delete","store":"data","key":{id}}}"#)
}

fn puts(ids: std::ops::Range<u64>) -> Vec<String> {
    ids.map(|id| put(id, 0)).collect()
}
