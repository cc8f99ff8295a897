//! Files of older Playwright, and states that hold more or less than databases.

use nifi_idb::decode::DecodeOptions;
use nifi_idb::report::Outcome;
use nifi_idb::store::memory::MemoryStore;

use super::take;

fn state(origin: &str, more: &str, records: &str) -> String {
    let stores =
        format!(r#"[{{"name":"s","autoIncrement":false,"indexes":[],"records":[{records}]}}]"#);
    format!(
        r#"{{"cookies":[],"origins":[{{"origin":"{origin}","localStorage":[],"indexedDB":[{{"name":"app","version":1,"stores":{stores}}}]{more}}}]}}"#
    )
}

#[test]
fn a_null_may_have_been_another_number() {
    let records = r#"{"key":"a","value":{"n":null,"list":[null,1]}},{"key":"b","value":null},{"key":"c","valueEncoded":{"v":"null"}}"#;
    let taken = take(
        &MemoryStore::default(),
        DecodeOptions::default(),
        &state("https://a.example", "", records),
    );
    assert_eq!((taken.outcome, taken.rejected), (Outcome::Committed, 0), "{:?}", taken.error);
    let found: Vec<_> = taken
        .losses()
        .into_iter()
        .filter(|(_, what)| what == "special-number")
        .map(|(path, _)| path)
        .collect();
    assert_eq!(found, ["s", "s.list[]", "s.n"]);
}

#[test]
fn a_value_that_is_left_out_is_rejected_with_the_cause() {
    let records = r#"{"key":"flag"},{"key":"t","value":"x"}"#;
    let taken = take(
        &MemoryStore::default(),
        DecodeOptions::default(),
        &state("https://a.example", "", records),
    );
    assert_eq!((taken.outcome, taken.reasons()), (Outcome::Committed, vec!["missing-member"]));
    let message = taken.of("rejected")[0]["message"].as_str().unwrap().to_owned();
    assert!(
        message
            .contains(r#"older Playwright leaves out values that are false, 0, "", null or NaN"#),
        "{message}"
    );
}

#[test]
fn origins_and_what_stands_beside_their_databases() {
    let record = r#"{"key":"t","value":"x"}"#;
    let meant = |origin: &str| DecodeOptions {
        origin: Some(origin.to_owned()),
        ..DecodeOptions::default()
    };
    for (written, asked) in
        [("https://a.example", "https://a.example/"), ("https://a.example/", "https://a.example")]
    {
        let taken = take(&MemoryStore::default(), meant(asked), &state(written, "", record));
        assert_eq!(taken.outcome, Outcome::Committed, "{:?}", taken.error);
    }
    let opfs = |more: &str| {
        let text = state("https://a.example", more, record);
        let taken = take(&MemoryStore::default(), DecodeOptions::default(), &text);
        taken.losses().contains(&("opfs".to_owned(), "opfs".to_owned()))
    };
    assert!(opfs(r#","opfs":[{"name":"a.txt","content":"QQ=="}]"#));
    assert!(!opfs(r#","opfs":[]"#) && !opfs(""));
    let without = r#"{"cookies":[],"origins":[{"origin":"https://a.example","localStorage":[]}]}"#;
    let error = take(&MemoryStore::default(), DecodeOptions::default(), without).error.unwrap();
    assert!(error.contains("indexedDB: true"), "{error}");
}
