//! Keys that are not own members of a plain object.

use crate::program::on;

/// Syncs a batch; gives the exit status, the report and the keys of the version, one a line.
fn keys_of(stores: &str, lines: &[&str]) -> (Option<i32>, String, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let mut batch =
        format!("{{\"format\":\"indexeddb-changes/1\",\"database\":\"d\",\"stores\":{stores}}}\n");
    for line in lines {
        batch += &format!("{line}\n");
    }
    batch += &format!("{{\"op\":\"end\",\"count\":{}}}\n", lines.len());
    let synced = on(folder.path(), "sync", &[], batch.as_bytes());
    let restored =
        String::from_utf8(on(folder.path(), "restore", &["--flow", "d"], b"").out).unwrap();
    let key = |line: &str| {
        serde_json::from_str::<serde_json::Value>(line)
            .unwrap()
            .get("key")
            .map(|key| key.to_string())
    };
    let keys = restored.lines().filter_map(key).collect();
    (synced.code(), String::from_utf8(synced.out).unwrap(), keys)
}

const FILE: &str =
    r#"{"~blob":{"name":"report.txt","lastModified":5,"data":"YWJj","type":"text/plain"}}"#;

#[test]
fn a_file_and_a_blob_are_records_of_their_own() {
    let stores = r#"[{"name":"a","keyPath":"name"},{"name":"b","keyPath":"size"},{"name":"c","keyPath":"f.name"},
        {"name":"d","keyPath":"lastModified"},{"name":"e","keyPath":["type","size"]}]"#;
    let (code, report, keys) = keys_of(
        &stores.replace('\n', ""),
        &[
            &format!(r#"{{"op":"put","store":"a","value":{FILE}}}"#),
            r#"{"op":"put","store":"b","value":{"~blob":{"data":"YWJj","type":""}}}"#,
            &format!(r#"{{"op":"put","store":"c","value":{{"f":{FILE}}}}}"#),
            &format!(r#"{{"op":"put","store":"d","key":5,"value":{FILE}}}"#),
            &format!(r#"{{"op":"put","store":"e","value":{FILE}}}"#),
        ],
    );
    assert_eq!((code, report.matches("rejected\",").count()), (Some(0), 0), "{report}");
    assert_eq!(keys, ["\"report.txt\"", "3", "\"report.txt\"", "5", r#"["text/plain",3]"#]);
}

#[test]
fn strings_arrays_cycles_and_names_with_lone_surrogates_have_keys() {
    let stores = r#"[{"name":"length","keyPath":"length"},{"name":"t","keyPath":"t"}]"#;
    let (code, report, keys) = keys_of(
        stores,
        &[
            r#"{"op":"put","store":"length","value":"four"}"#,
            r#"{"op":"put","store":"length","value":[1,2]}"#,
            r#"{"op":"put","store":"t","value":{"~id":[1,{"t":1,"self":{"~ref":1}}]}}"#,
            r#"{"op":"put","store":"t","value":{"t":2,"\ud800":0}}"#,
            r#"{"op":"put","store":"t","value":{"a":{"~id":[1,[3]]},"t":{"~ref":1}}}"#,
        ],
    );
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(keys, ["2", "4", "1", "2", "[3]"]);
}

#[test]
fn what_has_no_key_is_rejected_with_its_reason() {
    let stores = r#"[{"name":"name","keyPath":"name"},{"name":"t","keyPath":"t"}]"#;
    let (_, report, keys) = keys_of(
        stores,
        &[
            r#"{"op":"put","store":"name","value":{"name":"kept"}}"#,
            r#"{"op":"put","store":"name","value":{"~blob":{"data":"YWJj","type":""}}}"#,
            r#"{"op":"put","store":"name","value":{"name":{"~undefined":true}}}"#,
            r#"{"op":"put","store":"name","value":"text"}"#,
            r#"{"op":"put","store":"t","value":{"t":{"~id":[1,[{"~ref":1}]]}}}"#,
            r#"{"op":"put","store":"t","value":{"t":null}}"#,
        ],
    );
    assert_eq!(keys, ["\"kept\""]);
    assert_eq!(report.matches(r#""reason":"no-key""#).count(), 3, "{report}");
    assert_eq!(report.matches(r#""reason":"invalid-key""#).count(), 2, "{report}");
}
