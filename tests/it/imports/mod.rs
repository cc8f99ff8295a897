//! Files of other programs: read, kept, and written again. The fixtures were written by the real programs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use nifi_idb::decode::{DecodeOptions, Dialect};
use nifi_idb::flowfile::Attributes;
use nifi_idb::history::{
    At, ExportFormat, ExportOptions, RestoreFormat, RestoreOptions, open_version,
};
use nifi_idb::loss::Losses;
use nifi_idb::normalize::NormalizeOptions;
use nifi_idb::pipeline::{IntakeOptions, Review, SyncOptions, deliver};
use nifi_idb::report::Outcome;
use nifi_idb::snapshot::FlowName;
use nifi_idb::store::memory::MemoryStore;
use serde_json::Value;

mod capture_mysql;
mod databases;
mod dumps;
mod event_arrays;
mod events;
mod files;
mod json;
mod older_playwright;
mod program;

fn fixture(name: &str) -> String {
    fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/imports").join(name),
    )
    .unwrap()
}

/// What became of a file.
#[derive(Debug)]
struct Taken {
    outcome: Outcome,
    received: u64,
    deleted: u64,
    rejected: u64,
    root: String,
    error: Option<String>,
    /// The report's lines.
    lines: Vec<Value>,
}

impl Taken {
    /// Lines of one type.
    fn of(&self, kind: &str) -> Vec<&Value> {
        self.lines.iter().filter(|line| line["type"] == kind).collect()
    }

    /// Places and kinds of loss.
    fn losses(&self) -> BTreeSet<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        self.of("loss").into_iter().map(|line| (text(&line["path"]), text(&line["what"]))).collect()
    }

    /// Reasons of rejected lines.
    fn reasons(&self) -> Vec<&str> {
        self.of("rejected").into_iter().map(|line| line["reason"].as_str().unwrap()).collect()
    }
}

/// Takes a file into the flow `shop`.
fn take(store: &MemoryStore, decode: DecodeOptions, text: &str) -> Taken {
    take_with(store, decode, NormalizeOptions::received_at(1_700_000_000_000), text)
}

/// As [`take`], with values read as these options have it.
fn take_with(
    store: &MemoryStore,
    decode: DecodeOptions,
    normalize: NormalizeOptions,
    text: &str,
) -> Taken {
    let options = IntakeOptions {
        bucket: "indexeddb".to_owned(),
        flow: Some("shop".to_owned()),
        decode,
        normalize,
        sync: SyncOptions::default(),
        review: Review::default(),
        rejected_text: false,
        admission: None,
        trusts_received_at: true,
    };
    let mut delivered = deliver(store, &options, &Attributes::default(), text.as_bytes());
    let mut report = Vec::new();
    delivered.report.copy_to(&mut report).unwrap();
    let lines = report.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let verdict = delivered.verdict;
    Taken {
        outcome: verdict.summary.outcome,
        received: verdict.summary.received,
        deleted: verdict.summary.deleted,
        rejected: verdict.summary.rejected,
        root: verdict.summary.root.map(|root| root.to_string()).unwrap_or_default(),
        error: verdict.failure.map(|failure| failure.message),
        lines: lines.map(|line| serde_json::from_slice(line).unwrap()).collect(),
    }
}

/// Writes the newest version of the flow `shop`.
fn written(store: &MemoryStore, format: ExportFormat) -> (String, Losses) {
    let flow = FlowName::new("indexeddb", "shop").unwrap();
    let version = open_version(store, &flow, At::Latest).unwrap();
    let mut text = Vec::new();
    let options = ExportOptions { format, object_store: None };
    let exported = nifi_idb::history::export(store, &flow, &version, &options, &mut text).unwrap();
    assert_eq!(exported.written.bytes, text.len() as u64);
    (String::from_utf8(text).unwrap(), exported.losses)
}

/// The newest version of the flow `shop` as `indexeddb-changes/1`.
fn changes(store: &MemoryStore) -> Vec<u8> {
    let flow = FlowName::new("indexeddb", "shop").unwrap();
    let version = open_version(store, &flow, At::Latest).unwrap();
    let mut text = Vec::new();
    let options = RestoreOptions { format: RestoreFormat::Changes, object_store: None };
    nifi_idb::history::restore(store, &flow, &version, &options, &mut text).unwrap();
    text
}

fn playwright() -> ExportFormat {
    ExportFormat::Playwright { origin: "https://zoo.example".to_owned() }
}

/// Options for a dialect.
fn input(input: Option<Dialect>) -> DecodeOptions {
    DecodeOptions { input, ..DecodeOptions::default() }
}

/// JSON that may hold lone surrogates, which `serde_json` refuses.
fn read(text: &str) -> Value {
    let mut mended = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("\\u") {
        let (before, escape) = rest.split_at(at);
        mended.push_str(before);
        let even = before.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 0;
        let code = u16::from_str_radix(&escape[2..6], 16).unwrap_or(0);
        let low = escape
            .get(6..12)
            .and_then(|next| u16::from_str_radix(next.strip_prefix("\\u")?, 16).ok());
        let pair = (0xd800..0xdc00).contains(&code)
            && low.is_some_and(|low| (0xdc00..0xe000).contains(&low));
        let length = if pair { 12 } else { 6 };
        if even && !pair && (0xd800..0xe000).contains(&code) {
            mended.push_str(&format!("(lone {code:x})"));
        } else {
            mended.push_str(&escape[..length]);
        }
        rest = &escape[length..];
    }
    mended.push_str(rest);
    serde_json::from_str(&mended).unwrap()
}
