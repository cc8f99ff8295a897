//! Batches for tests, from text to flow version and back; among them one that holds every kind of value and of code point.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the failure")]
#![allow(
    unreachable_pub,
    dead_code,
    reason = "several test binaries include this file, and each uses some of it"
)]

use std::fmt::{Display, Write as _};

use nifi_idb::decode::{DecodeOptions, Decoder};
use nifi_idb::history::{At, RestoreOptions, open_version, restore};
use nifi_idb::normalize::{Batch, NormalizeOptions, normalize};
use nifi_idb::pipeline::{SyncOptions, sync};
use nifi_idb::report::{ReportLines, Summary};
use nifi_idb::snapshot::{FlowName, FlowVersion};
use nifi_idb::store::SnapshotStore;

use nifi_idb::apply::SyncError;

/// The flow that most tests use.
pub fn flow() -> FlowName {
    FlowName::new("indexeddb", "shop").unwrap()
}

/// A `put` line of object store `data`.
pub fn put(key: impl Display, value: impl Display) -> String {
    format!(r#"{{"op":"put","store":"data","key":{key},"value":{value}}}"#)
}

/// A whole batch; `header` are members beside format, database and stores.
pub fn text_of(header: &str, lines: &[String]) -> String {
    let separator = if header.is_empty() { "" } else { "," };
    let mut text = format!(
        "{{\"format\":\"indexeddb-changes/1\",\"database\":\"shop\",\"stores\":[{{\"name\":\"data\",\"keyPath\":null}},\
         {{\"name\":\"more $ \u{e9}\u{1f600}/..\",\"keyPath\":null}}]{separator}{header}}}\n"
    );
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    writeln!(text, "{{\"op\":\"end\",\"count\":{}}}", lines.len()).unwrap();
    text
}

/// Decodes and normalizes; a rejected line is a failure.
pub fn batch_of(text: &str) -> Batch {
    let mut decoder = Decoder::open(text.as_bytes(), DecodeOptions::default()).unwrap();
    let mut options = NormalizeOptions::received_at(1_000);
    options.skew_ms = 0;
    normalize(&mut decoder, &options, &mut |rejection| panic!("rejected: {}", rejection.to_json()))
        .unwrap()
}

/// Syncs a batch into [`flow`].
pub fn try_sync(
    store: &dyn SnapshotStore,
    header: &str,
    lines: &[String],
) -> Result<Summary, SyncError> {
    sync(
        store,
        &flow(),
        &batch_of(&text_of(header, lines)),
        &SyncOptions::default(),
        &mut ReportLines::default(),
    )
}

/// The same, where it has to succeed.
pub fn sync_ok(store: &dyn SnapshotStore, header: &str, lines: &[String]) -> Summary {
    try_sync(store, header, lines).unwrap_or_else(|error| panic!("{}: {error}", store.describe()))
}

/// A version as `indexeddb-changes/1`; `None`: the newest.
pub fn restored(
    store: &dyn SnapshotStore,
    flow: &FlowName,
    version: Option<FlowVersion>,
) -> String {
    let version = open_version(store, flow, version.map_or(At::Latest, At::Version)).unwrap();
    let mut text = Vec::new();
    restore(store, flow, &version, &RestoreOptions::default(), &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

/// Numbers of all versions, newest first.
pub fn versions(store: &dyn SnapshotStore) -> Vec<u32> {
    store.log(&flow()).unwrap().iter().map(|info| info.version.get()).collect()
}

/// Records of about 1 KiB each, as `put` lines.
pub fn many(count: usize) -> Vec<String> {
    (0..count)
        .map(|key| put(key, format!(r#"{{"id":{key},"text":"{}"}}"#, "x".repeat(1000))))
        .collect()
}

/// Puts of every value kind that `tests/fixtures/values` knows, in all the ways it is written there, and of every class
/// of code points in values, member names, keys and object store names; among them values that are spilled.
pub fn every_value() -> Vec<String> {
    const CASES: &str = include_str!("../fixtures/values/canonical.ndjson");
    let mut lines = Vec::new();
    for (number, case) in CASES.lines().enumerate() {
        let case: serde_json::Value = serde_json::from_str(case).unwrap();
        let Some(canonical) = case["canonical"].as_str() else { continue };
        let is_set = |name: &str| case[name] == serde_json::Value::Bool(true);
        if is_set("key") {
            continue;
        }
        lines.push(put(format!("[{number},\"canonical\"]"), canonical));
        let plain_line =
            |input: &&str| !input.contains('\n') && !is_set("plain") && !is_set("bigIntegers");
        if let Some(input) = case["input"].as_str().filter(plain_line) {
            lines.push(put(format!("[{number},\"input\"]"), input));
        }
    }
    let kinds = lines.len();
    assert!(kinds > 250, "only {kinds} values of the fixture were taken");
    for (number, text) in code_points().iter().enumerate() {
        let quoted = serde_json::to_string(text).unwrap();
        lines.push(put(format!("[\"points\",{number}]"), &quoted));
        // A name that begins with `~` is written with one more.
        let name = if text.starts_with('~') { format!("~{text}") } else { text.clone() };
        let name = serde_json::to_string(&name).unwrap();
        lines.push(put(format!("[\"names\",{number}]"), format!("{{{name}:1}}")));
        lines.push(put(&quoted, number));
    }
    for lone in [r#""\ud800""#, r#""a\udc00b""#, r#""\udfff\ud800$#""#] {
        lines.push(put(format!("[\"lone\",{lone}]"), lone));
        lines.push(put(lone, format!("{{{lone}:{lone}}}")));
    }
    for key in [
        "-1.5",
        "0",
        "1e300",
        r#"{"~number":"-Infinity"}"#,
        r#"{"~date":-1}"#,
        r#"{"~binary":"AP8="}"#,
        "[[],[1]]",
    ] {
        lines.push(put(key, "\"key\""));
        lines.push(
            put(key, "\"key\"")
                .replace(r#""store":"data""#, r#""store":"more $ \u00e9\ud83d\ude00/..""#),
        );
    }
    let wide = "\u{e9}$#\u{1f600}\u{1}\\\"~ ${x} #{y} $$".repeat(4000);
    lines.push(put("\"spilled\"", serde_json::to_string(&wide).unwrap()));
    lines.push(put("\"spilled lone\"", format!("\"{}\\ud800\"", "y".repeat(100_000))));
    lines.push(put(
        "\"spilled bytes\"",
        format!(r#"{{"~buffer":{{"data":"{}"}}}}"#, "AP8A".repeat(30_000)),
    ));
    lines
}

/// What a history leaves: root, state and text of each version.
pub type Trace = Vec<(String, String, String)>;

/// A first batch of everything, a change of another source that conflicts, deletes, and an equal full dump.
pub fn history(store: &dyn SnapshotStore, more: usize) -> Trace {
    let mut lines = every_value();
    lines.extend(many(more));
    let from = |source: &str, rest: &str| format!(r#""source":"{source}",{rest}"#);
    let end = lines.len();
    sync_ok(store, &from("kiosk-7", &format!(r#""epoch":"e","first":1,"last":{end}"#)), &lines);
    let object = r#"{"x":1,"$":"é","y":[1,{"~date":7}]}"#;
    sync_ok(
        store,
        &from("b", r#""base":1"#),
        &[put("\"spilled\"", object), put("\"new\"", object)],
    );
    sync_ok(store, &from("c", r#""base":1"#), &[put("\"spilled\"", r#"{"x":2}"#)]);
    let delete = |key: &str| format!(r#"{{"op":"delete","store":"data","key":{key}}}"#);
    sync_ok(
        store,
        &from("c", r#""base":3"#),
        &[delete("\"new\""), delete("\"spilled lone\""), delete("\"never\"")],
    );
    sync_ok(
        store,
        &from("full", r#""mode":"full""#),
        &[put("\"spilled\"", "1"), put("\"own\"", "2")],
    );
    let count = versions(store).len() as u64;
    assert_eq!(count, 5, "{}", store.describe());
    let trace = |number| {
        let number = FlowVersion::new(number).unwrap();
        let version = store.version(&flow(), number).unwrap().unwrap();
        let text = restored(store, &flow(), Some(number));
        (version.manifest.root().to_string(), version.state.to_string(), text)
    };
    (1..=count).map(trace).collect()
}

/// Texts of one class of code points each.
fn code_points() -> Vec<String> {
    let range = |from: u32, to: u32| (from..=to).filter_map(char::from_u32).collect::<String>();
    vec![
        range(0, 0x1f),
        range(0x20, 0x7e),
        range(0x7f, 0x9f),
        range(0xa0, 0x24f),
        "$ $$ ${a} ${a:toUpper()} # ## #{p} \\${x}".to_owned(),
        "~ ~~ ~date </script> <!-- -->]]> &amp; %2e".to_owned(),
        "\r\n\t\u{b}\u{c}\u{85}\u{2028}\u{2029}\u{feff}\u{200b}\u{202e}".to_owned(),
        "\u{d7ff}\u{e000}\u{f8ff}\u{fdd0}\u{fffd}\u{fffe}\u{ffff}".to_owned(),
        "\u{10000}\u{1f600}\u{1fffe}\u{e0001}\u{10ffff}".to_owned(),
        "e\u{301} \u{e9} \u{1100}\u{1161} \u{ac00}".to_owned(),
    ]
}
