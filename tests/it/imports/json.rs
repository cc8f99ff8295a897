//! Plain JSON: where the keys are has to be said.

use nifi_idb::decode::{DecodeOptions, Dialect};
use nifi_idb::history::ExportFormat;
use nifi_idb::indexeddb::schema::KeyPath;
use nifi_idb::report::Outcome;
use nifi_idb::store::memory::MemoryStore;

use super::{input, take, written};

const DUMP: &str = r#" {"orders":[{"id":1,"~x":"own"},{"id":2,"at":"1970-01-01T00:00:00.000Z"}],
  "lines":[{"order":1,"row":1},{"order":1}],"notes":[{"_key":"a","text":"b"},{"_key":["c",1]}],"none":[]} "#;

fn mapped() -> DecodeOptions {
    let path = |path: &str| KeyPath::Path(path.into());
    let key_paths = vec![
        ("orders".into(), path("id")),
        ("lines".into(), KeyPath::Paths(vec!["order".into(), "row".into()])),
        ("none".into(), path("x")),
    ];
    DecodeOptions {
        key_paths,
        key_field: Some("_key".to_owned()),
        ..input(Some(Dialect::PlainJson))
    }
}

#[test]
fn every_mapping_is_used() {
    let store = MemoryStore::default();
    let taken = take(&store, mapped(), DUMP);
    assert_eq!(
        (taken.outcome, taken.received, taken.rejected),
        (Outcome::Committed, 6, 1),
        "{:?}",
        taken.error
    );
    assert_eq!(taken.reasons(), ["no-key"]);
    let rejected = taken.of("rejected")[0];
    assert_eq!((rejected["line"].as_u64(), rejected["store"].as_str()), (Some(2), Some("lines")));
    assert!(DUMP[rejected["offset"].as_u64().unwrap() as usize..].starts_with("{\"order\":1}"));
    let (text, losses) = written(&store, ExportFormat::Json);
    let expected = r#"{"lines":[{"order":1,"row":1}],"none":[],"notes":[{"text":"b"},{}],"orders":[{"id":1,"~x":"own"},{"at":"1970-01-01T00:00:00.000Z","id":2}]}"#;
    assert_eq!(text, format!("{expected}\n"));
    let lines = losses.lines().map(|line| line.to_json());
    let kinds: Vec<_> = lines.filter(|line| line.contains("out-of-line-keys")).collect();
    assert_eq!(kinds, [r#"{"count":2,"path":"notes","type":"loss","what":"out-of-line-keys"}"#]);
}

#[test]
fn what_is_not_said_is_not_guessed() {
    let error = |decode: DecodeOptions, text: &str| {
        take(&MemoryStore::default(), decode, text).error.unwrap()
    };
    assert!(
        error(DecodeOptions { key_field: None, ..mapped() }, DUMP)
            .contains("object store \"notes\"")
    );
    let text = DUMP.replace("none", "nine");
    assert!(error(mapped(), &text).contains("\"none\""));
    assert!(error(mapped(), r#"{"orders":{"id":1}}"#).contains("must be an array"));
    assert!(error(mapped(), r#"{"orders":[],"orders":[]}"#).contains("twice"));
    assert!(error(mapped(), r#"[{"id":1}]"#).contains("must be an object"));
    assert!(error(mapped(), r#"{"orders":[]} {}"#).contains("follows the end"));
    // It is never found out: without the option it is no header, and no record has a place to go.
    assert!(error(DecodeOptions::default(), DUMP).contains("does not begin with a header"));
}
