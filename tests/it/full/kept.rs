//! What a full batch does not hold and does not delete, because it does not prove that it is gone.

use nifi_idb::decode::Dialect;

use super::*;

/// A line of `data` that is rejected, with the reason.
fn rejected() -> Vec<(&'static str, String)> {
    let line = |value: &str| format!(r#"{{"op":"put","store":"data","value":{value}}}"#);
    let deep = format!(r#"{{"id":2,"v":{}{}}}"#, "[".repeat(600), "]".repeat(600));
    vec![
        ("number-precision", line(r#"{"id":2,"v":12345678901234567891}"#)),
        ("number-range", line(r#"{"id":2,"v":1e999}"#)),
        ("duplicate-member", line(r#"{"id":2,"v":1,"v":2}"#)),
        ("unknown-tag", line(r#"{"id":2,"v":{"~no":1}}"#)),
        ("syntax", line(r#"{"id":2,"v":NaN}"#)),
        ("depth", line(&deep)),
        (
            "key-mismatch",
            r#"{"op":"put","store":"data","key":2,"value":{"id":7,"v":1}}"#.to_owned(),
        ),
        (
            "key-mismatch",
            r#"{"op":"put","store":"data","key":7,"value":{"id":2,"v":1}}"#.to_owned(),
        ),
        ("missing-member", r#"{"op":"put","store":"data","key":2}"#.to_owned()),
        (
            "unknown-member",
            r#"{"op":"put","store":"data","value":{"id":2,"v":1},"time":5}"#.to_owned(),
        ),
        (
            "invalid-member",
            r#"{"op":"put","store":"data","value":{"id":2,"v":1},"at":0.5}"#.to_owned(),
        ),
        ("spilled-value", r#"{"op":"put","store":"data","key":2,"spilled":{}}"#.to_owned()),
        ("not-in-full", delete(2)),
    ]
}

#[test]
fn a_record_whose_line_is_rejected_stays() {
    for (reason, line) in rejected() {
        let lab = Lab::default();
        lab.send(&full("a"), &puts(1..5));
        // 4 is gone, 2 is not.
        let sent = lab.send(&full("a"), &[put(1, 0), line, put(3, 0)]);
        assert_eq!(sent.lines[0]["reason"], reason);
        assert_eq!(sent.put_and_deleted(), (0, 1), "{reason}");
        assert_eq!(sent.kept(), kept("data", "rejected-line", 1), "{reason}");
        assert_eq!(sent.kept_attribute.as_deref(), Some("1"));
        assert_eq!(lab.data(), [(1, 0), (2, 0), (3, 0)], "{reason}");
        // It stayed in the view: what is not there next time is gone.
        assert_eq!(
            lab.send(&full("a"), &[put(1, 0), put(3, 0)]).put_and_deleted(),
            (0, 1),
            "{reason}"
        );
    }
}

#[test]
fn a_rejected_line_without_a_known_key_forbids_deletions_in_its_object_store() {
    for line in [
        r#"{"op":"put","store":"data","value":{"v":1}}"#,
        r#"{"op":"put","store":"data","value":{"id":true,"v":1}}"#,
        r#"{"op":"put","store":"data","value":{"id":2,"id":3}}"#,
        r#"{"op":"clear","store":"data"}"#,
    ] {
        let lab = Lab::default();
        lab.send(&full("a"), &[put(1, 0), put(2, 0), more(1), more(2)]);
        let sent = lab.send(&full("a"), &[put(1, 1), line.to_owned(), more(1)]);
        assert_eq!(sent.put_and_deleted(), (1, 1), "{line}");
        assert_eq!(sent.kept(), kept("data", "unknown-key", 1));
        assert_eq!((lab.data(), lab.records("more").len()), (vec![(1, 1), (2, 0)], 1));
        // A full batch that says the same changes nothing, and says what it keeps again.
        let again = lab.send(&full("a"), &[put(1, 1), line.to_owned(), more(1)]);
        assert_eq!(
            (again.summary.outcome.name(), again.kept()),
            ("unchanged", kept("data", "unknown-key", 1))
        );
    }
}

#[test]
fn a_rejected_line_of_no_known_object_store_forbids_every_deletion() {
    for line in
        ["{", r#"{"op":"put","store":"Data","value":{"id":2}}"#, r#"{"op":"put","value":{"id":2}}"#]
    {
        let lab = Lab::default();
        lab.send(&full("a"), &[put(1, 0), put(2, 0), more(1), more(2)]);
        let sent = lab.send(&full("a"), &[put(1, 0), line.to_owned(), more(1)]);
        assert_eq!(sent.put_and_deleted(), (0, 0));
        assert_eq!(
            sent.kept(),
            [kept("data", "unknown-key", 1), kept("more", "unknown-key", 1)].concat()
        );
    }
}

#[test]
fn many_rejected_lines_delete_nothing_without_a_question() {
    let lab = Lab::default();
    lab.send(&full("a"), &puts(0..1000));
    let line = |id: u64| {
        format!(r#"{{"op":"put","store":"data","value":{{"id":{id},"v":12345678901234567891}}}}"#)
    };
    let sent = lab.send(&full("a"), &[(0..190).map(line).collect(), puts(190..1000)].concat());
    assert_eq!((sent.put_and_deleted(), sent.kept()), ((0, 0), kept("data", "rejected-line", 190)));
    assert_eq!(lab.data().len(), 1000);
}

#[test]
fn large_values_that_are_kept_are_whole_in_later_views() {
    let lab = Lab::default();
    let large =
        format!(r#"{{"op":"put","store":"more","key":1,"value":"{}"}}"#, "x".repeat(70_000));
    lab.send(&full("a"), &[large, more(2), more(3)]);
    // Somebody else changes it, so that only the view has it; then its line is rejected twice.
    let changed = [r#"{"op":"put","store":"more","key":1,"value":"y"}"#.to_owned()];
    lab.send(r#","source":"b","base":1"#, &changed);
    let bad = r#"{"op":"put","store":"more","key":1,"value":1e999}"#.to_owned();
    for v in [5, 6] {
        let other = format!(r#"{{"op":"put","store":"more","key":3,"value":{v}}}"#);
        let sent = lab.send(&full("a"), &[bad.clone(), more(2), other]);
        assert_eq!(
            (sent.put_and_deleted(), sent.kept()),
            ((1, 0), kept("more", "rejected-line", 1))
        );
    }
    // Gone at its source, changed by another: a conflict that names what the source had.
    let sent = lab.send(
        &full("a"),
        &[more(2), r#"{"op":"put","store":"more","key":3,"value":6}"#.to_owned()],
    );
    assert_eq!(sent.conflicts(), ["update-delete"]);
}

#[test]
fn an_object_store_that_is_missing_at_the_same_version_was_left_out() {
    let lab = Lab::default();
    let both = [&puts(1..3)[..], &(1..9).map(more).collect::<Vec<_>>()].concat();
    lab.send(&full("a"), &both);
    let only = r#"[{"name":"data","keyPath":"id"}]"#;
    for v in [1, 1] {
        let sent = lab.of_stores(only, &full("a"), &[put(1, v), put(2, v)]);
        assert_eq!(sent.kept(), kept("more", "store-left-out", 8));
        assert_eq!((sent.summary.deleted, lab.records("more").len()), (0, 8));
    }
    // A newer version may have deleted it: the guard asks.
    let newer = format!(r#"{},"databaseVersion":2"#, full("a"));
    let asked = lab.of_stores(only, &newer, &[put(1, 1), put(2, 1)]);
    assert_eq!(asked.status, ExitStatus::Guard);
    assert_eq!(
        asked.message.split(';').next().unwrap(),
        r#"guard: this batch would delete 8 of 8 records of object store "more""#
    );
    // It stayed in the view: a batch with it, and without its records, deletes them; asked as well.
    assert_eq!(lab.send(&full("a"), &[put(1, 1), put(2, 1)]).status, ExitStatus::Guard);
    assert_eq!(
        lab.send(&full("a"), &[&[put(1, 1), put(2, 1)], &both[2..9]].concat()).put_and_deleted(),
        (0, 1)
    );
}

#[test]
fn records_and_plain_json_leave_object_stores_out_at_any_version() {
    let mut lab = Lab::default();
    lab.decode.input = Some(Dialect::PlainJson);
    lab.decode.source = Some("job".parse().unwrap());
    lab.decode.database = Some("shop".into());
    let path =
        |store: &str| (store.into(), nifi_idb::indexeddb::schema::KeyPath::Path("id".into()));
    lab.decode.key_paths = vec![path("a"), path("b")];
    lab.text(r#"{"a":[{"id":1},{"id":2},{"id":3}],"b":[{"id":1}]}"#);
    lab.decode.key_paths = vec![path("b")];
    for version in [None, Some(5)] {
        lab.decode.database_version = version;
        let sent = lab.text(r#"{"b":[{"id":1}]}"#);
        assert_eq!((sent.put_and_deleted(), sent.kept()), ((0, 0), kept("a", "store-left-out", 3)));
    }
    lab.decode.key_paths.clear();
    lab.decode.input = Some(Dialect::Records);
    lab.decode.object_store = Some("b".into());
    lab.decode.key_path = Some(nifi_idb::indexeddb::schema::KeyPath::Path("id".into()));
    lab.decode.mode = Some(nifi_idb::decode::Mode::Full);
    let sent = lab.text("{\"id\":1}\n{\"id\":2}\n");
    assert_eq!((sent.put_and_deleted(), sent.kept()), ((1, 0), kept("a", "store-left-out", 3)));
}

fn dexie(tables: &[(&str, u64)], rows: &[(&str, &str)]) -> String {
    let table = |(name, count): &(&str, u64)| {
        format!(r#"{{"name":"{name}","schema":"id","rowCount":{count}}}"#)
    };
    let data = |(name, rows): &(&str, &str)| {
        format!(r#"{{"tableName":"{name}","inbound":true,"rows":[{rows}]}}"#)
    };
    let tables = tables.iter().map(table).collect::<Vec<_>>().join(",");
    let data = rows.iter().map(data).collect::<Vec<_>>().join(",");
    format!(
        r#"{{"formatName":"dexie","formatVersion":1,"data":{{"databaseName":"shop","databaseVersion":1,"tables":[{tables}],"data":[{data}]}}}}"#
    )
}

#[test]
fn an_export_of_dexie_with_a_filter_deletes_nothing_there() {
    let mut lab = Lab::default();
    lab.decode.source = Some("tab".parse().unwrap());
    let rows = (1..9).map(|id| format!(r#"{{"id":{id},"v":1}}"#)).collect::<Vec<_>>();
    lab.text(&dexie(
        &[("notes", 8), ("prefs", 1)],
        &[("notes", &rows.join(",")), ("prefs", &rows[0])],
    ));
    // A filter: the header counts more rows than there are.
    let filtered = dexie(
        &[("notes", 8), ("prefs", 1)],
        &[("notes", &rows[..3].join(",")), ("prefs", &rows[0])],
    );
    let sent = lab.text(&filtered);
    assert_eq!((sent.put_and_deleted(), sent.kept()), ((0, 0), kept("notes", "filtered", 5)));
    // skipTables: no rows of it, described or not.
    for tables in [&[("notes", 8), ("prefs", 1)][..], &[("prefs", 1)]] {
        let sent = lab.text(&dexie(tables, &[("prefs", &rows[0])]));
        assert_eq!(
            (sent.put_and_deleted(), sent.kept()),
            ((0, 0), kept("notes", "store-left-out", 8))
        );
    }
    // A row that is rejected; its neighbour is gone.
    let bad = [&rows[..6], &[r#"{"id":7,"v":1e999}"#.to_owned()]].concat().join(",");
    let sent =
        lab.text(&dexie(&[("notes", 7), ("prefs", 1)], &[("notes", &bad), ("prefs", &rows[0])]));
    assert_eq!((sent.put_and_deleted(), sent.kept()), ((0, 1), kept("notes", "rejected-line", 1)));
}

#[test]
fn a_key_that_has_a_type_in_a_rejected_row_of_dexie_is_not_guessed() {
    let mut lab = Lab::default();
    lab.decode.source = Some("tab".parse().unwrap());
    let date = |id: u64| format!(r#"{{"id":{id},"v":1,"$types":{{"id":"date"}}}}"#);
    lab.text(&dexie(&[("notes", 2)], &[("notes", &[date(1), date(2)].join(","))]));
    // The first is read as a row, and its key with it; of the second nobody knows.
    for (bad, reason) in [
        (r#"{"id":1,"v":1e999,"$types":{"id":"date"}}"#, "rejected-line"),
        (r#"{"id":1,"v":1,"$types":{"id":"date","v":"odd"}}"#, "unknown-key"),
    ] {
        let sent =
            lab.text(&dexie(&[("notes", 2)], &[("notes", &[bad.to_owned(), date(2)].join(","))]));
        assert_eq!((sent.put_and_deleted(), sent.kept()), ((0, 0), kept("notes", reason, 1)));
    }
}

#[test]
fn a_record_that_older_playwright_wrote_without_its_value_stays() {
    let mut lab = Lab::default();
    lab.decode.source = Some("kiosk".parse().unwrap());
    let state = |records: &str| {
        format!(
            r#"{{"cookies":[],"origins":[{{"origin":"https://a.example","localStorage":[],"indexedDB":[{{"name":"shop","version":2,"stores":[{{"name":"kv","autoIncrement":false,"indexes":[],"records":[{records}]}}]}}]}}]}}"#
        )
    };
    lab.text(&state(
        r#"{"key":"flag","value":true},{"key":"n","value":5},{"key":"t","value":"x"}"#,
    ));
    let sent = lab.text(&state(r#"{"key":"flag"},{"key":"n"},{"key":"t","value":"x"}"#));
    assert_eq!((sent.put_and_deleted(), sent.kept()), ((0, 0), kept("kv", "rejected-line", 2)));
    let message = sent.lines[0]["message"].as_str().unwrap();
    assert!(
        message.contains("older Playwright leaves out values that are false, 0, \"\", null or NaN"),
        "{message}"
    );
}
