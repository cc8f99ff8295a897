//! Conflict rules through the pipeline: from input lines to what a version holds.

mod adversaries;
mod commutative;
mod concurrent_inserts;
mod convergence;
mod examples;
mod forgetting;
mod histories;
mod pulling;
mod repeated;
mod types;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use nifi_idb::chunk::{parse_chunk, store_name};
use nifi_idb::decode::{DecodeOptions, Decoder};
use nifi_idb::normalize::{NormalizeOptions, normalize};
use nifi_idb::pipeline::{SyncOptions, sync};
use nifi_idb::policy::{Policy, Resolver, StorePolicy};
use nifi_idb::report::{ReportLines, Summary};
use nifi_idb::snapshot::{ConflictType, FlowName, LineState, List};
use nifi_idb::store::SnapshotReader;
use nifi_idb::store::memory::MemoryStore;
use serde_json::Value;

use nifi_idb::apply::SyncError;

/// What a batch says beside its lines.
#[derive(Clone, Debug)]
struct From<'a> {
    source: &'a str,
    /// Members of the header, each with its comma in front.
    more: &'a str,
    received_at: i64,
    /// The database's version; in 2 object store `data` has a unique index, in 3 two.
    schema: u64,
}

/// A batch of a source, received at 1,000.
fn from(source: &str) -> From<'_> {
    From { source, more: "", received_at: 1_000, schema: 1 }
}

/// A flow in memory, and the policy that it is written by.
struct Lab {
    store: MemoryStore,
    policy: Option<Arc<Policy>>,
}

fn flow() -> FlowName {
    FlowName::new("indexeddb", "shop").unwrap()
}

impl Lab {
    fn with(policy: Policy) -> Self {
        Self { store: MemoryStore::default(), policy: Some(Arc::new(policy)) }
    }

    /// A policy of one scope that decides one type of conflict like this, and parks all others that are looked for.
    fn deciding(kind: ConflictType, resolver: Resolver) -> Self {
        let mut scope = StorePolicy { scope: "data".into(), ..StorePolicy::unsaid() };
        scope.types[kind as usize] = Some(resolver);
        Self::with(Policy { default: scope, ..Policy::default() })
    }

    fn send(&self, from: &From<'_>, lines: &[String]) -> Result<(Summary, Vec<Value>), SyncError> {
        self.send_with(from, lines, SyncOptions::default())
    }

    fn send_with(
        &self,
        from: &From<'_>,
        lines: &[String],
        options: SyncOptions,
    ) -> Result<(Summary, Vec<Value>), SyncError> {
        let (summary, report) = self.sent(from, lines, options)?;
        let lines = report.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        Ok((summary, lines.map(|line| serde_json::from_slice(line).unwrap()).collect()))
    }

    /// The summary, and the report as it is.
    fn sent(
        &self,
        from: &From<'_>,
        lines: &[String],
        options: SyncOptions,
    ) -> Result<(Summary, Vec<u8>), SyncError> {
        let indexes = match from.schema {
            1 => "",
            2 => {
                r#","indexes":[{"name":"mail","keyPath":"mail","unique":true,"multiEntry":false}]"#
            }
            _ => {
                r#","indexes":[{"name":"mail","keyPath":"mail","unique":true,"multiEntry":false},{"name":"tel","keyPath":"tel","unique":true,"multiEntry":false}]"#
            }
        };
        let From { source, more, schema, .. } = from;
        let mut text = format!(
            "{{\"format\":\"indexeddb-changes/1\",\"database\":\"shop\",\"databaseVersion\":{schema},\"source\":\"{source}\"{more},\
             \"stores\":[{{\"name\":\"data\",\"keyPath\":null{indexes}}}]}}\n"
        );
        lines.iter().for_each(|line| text.extend([line, "\n"]));
        writeln!(text, "{{\"op\":\"end\",\"count\":{}}}", lines.len()).unwrap();
        let mut decoder = Decoder::open(text.as_bytes(), DecodeOptions::default()).unwrap();
        let normalizing = NormalizeOptions {
            policy: self.policy.clone(),
            ..NormalizeOptions::received_at(from.received_at)
        };
        let batch = normalize(&mut decoder, &normalizing, &mut |rejection| {
            panic!("{}", rejection.to_json())
        })
        .unwrap();
        let options = SyncOptions { policy: self.policy.clone(), ..options };
        let mut report = ReportLines::default();
        let summary = sync(&self.store, &flow(), &batch, &options, &mut report)?;
        let mut lines = Vec::new();
        report.copy_to(&mut lines).unwrap();
        Ok((summary, lines))
    }

    fn ok(&self, from: &From<'_>, lines: &[String]) -> Summary {
        self.sent(from, lines, SyncOptions::default()).unwrap().0
    }

    /// All lines of a list of the newest version: key and state; `-` is a deletion.
    fn list(&self, list: &List) -> BTreeMap<String, String> {
        let Some(head) = self.store.head(&flow()).unwrap() else { return BTreeMap::new() };
        let mut found = BTreeMap::new();
        for (_, chunk) in head.manifest.chunks().filter(|(there, _)| there == list) {
            let text = self.store.read_chunk(&flow(), &head, list, chunk).unwrap();
            for line in parse_chunk(&text, &store_name(list)).unwrap() {
                let state = match line.state {
                    LineState::Put(value) => String::from_utf8(value.into()).unwrap(),
                    _ => "-".to_owned(),
                };
                found.insert(line.key.to_canonical(), state);
            }
        }
        found
    }

    /// Records of `data`, and its tombstones as `-`.
    fn data(&self) -> BTreeMap<String, String> {
        let mut found = self.list(&List::Records("data".into()));
        found.extend(self.list(&List::Tombstones("data".into())));
        found
    }

    fn conflicts(&self) -> BTreeMap<String, Value> {
        let values = self.list(&List::Conflicts).into_iter();
        values.map(|(key, value)| (key, serde_json::from_str(&value).unwrap())).collect()
    }
}

fn put(key: u32, value: &str) -> String {
    format!(r#"{{"op":"put","store":"data","key":{key},"value":{value}}}"#)
}

/// A put with further members.
fn put_with(key: u32, value: &str, more: &str) -> String {
    format!(r#"{{"op":"put","store":"data","key":{key},"value":{value},{more}}}"#)
}

fn delete(key: u32, more: &str) -> String {
    format!(r#"{{"op":"delete","store":"data","key":{key}{more}}}"#)
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}
