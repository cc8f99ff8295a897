//! Rejected input, through the binary: what is rejected is kept and can be sent again, a batch that is all rejects fails,
//! and what is no input at all is recognised.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::json_records::{Shop, errors, report};

const GOOD: &str = "{\"id\":1}\n{\"id\":2}\n{\"id\":3}\n{\"id\":4}\n{\"id\":5}\n{\"id\":6}\n{\"id\":7}\n{\"id\":8}\n";

fn changes(header: &str, lines: &[&str]) -> String {
    let stores = r#""stores":[{"name":"data","keyPath":"id"}]"#;
    let mut text =
        format!(r#"{{"format":"indexeddb-changes/1","database":"shop",{stores}{header}}}"#);
    for line in lines {
        text += &format!("\n{line}");
    }
    text + &format!("\n{{\"op\":\"end\",\"count\":{}}}\n", lines.len())
}

#[test]
fn a_batch_of_rejects_alone_fails_and_says_the_likely_cause() {
    for (input, args, cause) in [
        ("id,name\n1,apple\n2,pear\n", &[][..], "CSV"),
        ("{'id': 1}\n", &[], "Python"),
        ("{\"ID\":1}\n{\"ID\":2}\n", &[], "another key path"),
        ("{\"data\":[{\"id\":1}]}", &[], "plain-json"),
        ("{\"op\":\"put\",\"store\":\"data\",\"value\":{\"id\":1}}\n", &[], "without their header"),
        ("{\"id\":true}\n", &[], "the only line was rejected: line 1 (byte 0): invalid-key"),
        ("{\"id\":1}\n", &["--max-line-bytes", "3"], "--max-line-bytes"),
        ("{\"id\":1}\n", &["--fail-on", "rejects", "--max-line-bytes", "3"], "--max-line-bytes"),
        ("[1,2,3]", &[], "not objects"),
    ] {
        let shop = Shop::new();
        let output = shop.records(args, input);
        let (lines, said) = (report(&output), errors(&output));
        assert_eq!(output.status.code(), Some(5), "{input}: {said}");
        assert!(said.starts_with("nifi-idb: ") && said.contains(cause), "{input}: {said}");
        assert!(
            said.ends_with("nothing was written; the report names every rejected line\n"),
            "{said}"
        );
        let summary = lines.last().unwrap();
        assert_eq!(
            (&summary["outcome"], &summary["received"]),
            (&"failed".into(), &summary["rejected"])
        );
        assert_eq!(summary["rejected"], lines.len() - 1);
        assert!(!shop.path("s.git").exists(), "{input}");
    }
}

#[test]
fn every_dialect_fails_if_all_is_rejected() {
    let shop = Shop::new();
    let debezium =
        r#"{"op":"c","before":null,"after":{"x":1},"source":{"table":"data"},"ts_ms":1}"#;
    assert_eq!(shop.records(&["--input", "debezium"], debezium).status.code(), Some(5));
    let dump = ["sync", "--store", "git:s.git", "--input", "plain-json", "--key-path", "data=id"];
    assert_eq!(shop.run(&dump, "{\"data\":[{\"x\":1}]}").status.code(), Some(5));
    let sync = ["sync", "--store", "git:s.git"];
    assert_eq!(shop.run(&sync, changes("", &["bad", "{}"])).status.code(), Some(5));
    // What is empty is no failure, and part of a batch is stored.
    assert_eq!(shop.run(&sync, changes("", &[])).status.code(), Some(0));
    assert_eq!(shop.records(&[], "").status.code(), Some(0));
    let part = changes("", &["bad", r#"{"op":"put","store":"data","value":{"id":1}}"#]);
    assert_eq!(shop.run(&sync, part).status.code(), Some(0));
}

#[test]
fn a_numbered_batch_is_acknowledged_although_all_of_it_is_rejected() {
    // Else one bad change would block its source for ever.
    let shop = Shop::new();
    let numbered = changes(r#","source":"kiosk","epoch":"a","first":1,"last":1"#, &["bad"]);
    let output = shop.run(&["sync", "--store", "git:s.git", "--rejects", "r.ndjson"], numbered);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    assert!(report(&output).iter().any(|line| line["type"] == "ack" && line["checkpoint"] == 1));
    assert!(fs::read_to_string(shop.path("r.ndjson")).unwrap().contains("\"text\":\"bad\""));
}

#[test]
fn a_full_batch_that_could_not_be_read_deletes_nothing() {
    let shop = Shop::new();
    let full = ["--source", "job", "--mode", "full"];
    assert_eq!(shop.records(&full, GOOD).status.code(), Some(0));
    for input in [
        "<html><body>502 Bad Gateway</body></html>\n",
        "502 Bad Gateway\n",
        "{\"ID\":1}\n",
        "[{\"ID\":1},{\"ID\":2}]",
        "[{\"id\":1},{\"id\":2}",
        "id,n\n1,a\n",
    ] {
        let output = shop.records(&full, input);
        assert_eq!(
            (output.status.code(), shop.stored().as_str()),
            (Some(5), GOOD),
            "{input}: {}",
            errors(&output)
        );
    }
}

#[test]
fn answers_pages_and_files_of_rejects_are_no_input() {
    let shop = Shop::new();
    let made = shop.records(&["--rejects", "r.ndjson"], "{\"id\":1}\nbad\n");
    let summary = shop.records(&["--report", "summary"], "{\"id\":1}\n");
    let rejects = fs::read(shop.path("r.ndjson")).unwrap();
    let before = shop.stored();
    let full = ["--source", "job", "--mode", "full"];
    for (what, input) in [
        ("report", made.stdout.clone()),
        ("report", summary.stdout.clone()),
        ("report", rejects),
        ("report", br#"{"message":"the body has more than 3 bytes","type":"error"}"#.to_vec()),
        ("HTML", b"\n<!DOCTYPE html>\n<title>502</title>".to_vec()),
        ("HTML", b"<html>".to_vec()),
        ("XML", b"<?xml version=\"1.0\"?><a/>".to_vec()),
        ("ZIP", b"PK\x03\x04...".to_vec()),
    ] {
        for dialect in
            ["auto", "records", "changes", "debezium", "plain-json", "playwright", "dexie"]
        {
            let output = shop.records(&[&["--input", dialect], &full[..]].concat(), &input);
            let said = errors(&output);
            assert_eq!(output.status.code(), Some(5), "{dialect}: {said}");
            assert!(
                said.contains(&format!("this is a{}", if what == "HTML" { "n HTML" } else { "" }))
                    || said.contains(what),
                "{dialect}: {said}"
            );
        }
    }
    assert_eq!(shop.stored(), before);
}

#[test]
fn rejected_records_are_mended_and_sent_again() {
    let shop = Shop::new();
    let input = b"{\"id\":1}\n{\"id\":2,\"n\":NaN}\n{\"id\":3,\"t\":\"\xff\"}\n[{\"id\":4},\n{\"id\":\n 5,}]\n";
    let output = shop.records(&["--rejects", "r.ndjson"], input);
    assert_eq!(
        (output.status.code(), shop.stored().as_str()),
        (Some(0), "{\"id\":1}\n{\"id\":4}\n")
    );
    let file = shop.path("r.ndjson");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let kept: Vec<Value> = fs::read_to_string(&file)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(kept.len(), 3);
    assert_eq!((&kept[0]["text"], &kept[0]["line"]), (&"{\"id\":2,\"n\":NaN}".into(), &2.into()));
    assert!(kept[1]["textBase64"].is_string() && kept[1]["text"].is_null());
    // The report itself has no data unless it is asked for.
    assert!(
        report(&output).iter().all(|line| line["text"].is_null() && line["textBase64"].is_null())
    );
    let asked = shop.records(&["--rejected-text"], input);
    assert_eq!(report(&asked)[..3], kept);

    let printed = shop.run(&["rejects", "r.ndjson"], "");
    let bytes =
        [b"{\"id\":2,\"n\":NaN}\n{\"id\":3,\"t\":\"\xff\"}\n".as_slice(), b"{\"id\":\n 5,}\n"]
            .concat();
    assert_eq!((printed.status.code(), &printed.stdout), (Some(0), &bytes));
    assert_eq!(shop.run(&["rejects"], &asked.stdout).stdout, bytes);
    let mended = String::from_utf8_lossy(&bytes).replace("NaN", "null").replace(",}", "}");
    assert_eq!(shop.records(&[], &mended).status.code(), Some(0));
    assert_eq!(shop.stored().lines().count(), 5);
    // A report without texts says so.
    let without = shop.run(&["rejects"], &output.stdout);
    assert_eq!(without.status.code(), Some(5));
    assert!(errors(&without).contains("3 rejected lines have no text"), "{}", errors(&without));
}

#[test]
fn rejected_changes_come_back_as_a_batch() {
    let shop = Shop::new();
    let sync = ["sync", "--store", "git:s.git", "--rejects", "r.ndjson"];
    let good = r#"{"op":"put","store":"data","value":{"id":1}}"#;
    let bad = r#"{"op":"put","store":"data","value":{"id":2},"tiem":1}"#;
    let numbered = changes(r#","source":"kiosk","epoch":"a","first":1,"last":2"#, &[good, bad]);
    assert_eq!(shop.run(&sync, numbered).status.code(), Some(0));
    let printed = shop.run(&["rejects", "r.ndjson"], "");
    let mended = String::from_utf8(printed.stdout).unwrap().replace("tiem", "at");
    assert!(mended.contains("\"source\":\"kiosk\"") && !mended.contains("\"epoch\""), "{mended}");
    let again = shop.run(&sync[..3], &mended);
    assert_eq!(again.status.code(), Some(0), "{}", errors(&again));
    assert_eq!(shop.stored(), "{\"id\":1}\n{\"id\":2}\n");
    // Nothing was rejected, so there is nothing to print.
    assert_eq!(shop.run(&sync, changes("", &[good])).status.code(), Some(0));
    assert!(shop.run(&["rejects", "r.ndjson"], "").stdout.is_empty());
}

#[test]
fn a_line_beyond_the_limit_is_kept_whole() {
    let shop = Shop::new();
    let long = format!("{{\"id\":2,\"t\":\"{}\"}}", "é]\u{7}".repeat(600_000));
    for input in [
        format!("{{\"id\":1}}\n{long}\n{{\"id\":3}}\n"),
        format!("[{{\"id\":1}},{long},{{\"id\":3}}]"),
    ] {
        let output =
            shop.records(&["--max-line-bytes", "1000000", "--rejects", "r.ndjson"], &input);
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        let printed = shop.run(&["rejects", "r.ndjson"], "").stdout;
        assert_eq!(printed.len(), long.len() + 1);
        assert!(printed.strip_suffix(b"\n") == Some(long.as_bytes()));
    }
    let change = format!("{{\"op\":\"put\",\"store\":\"data\",\"value\":{long}}}");
    let good = r#"{"op":"put","store":"data","value":{"id":9}}"#;
    let args =
        ["sync", "--store", "git:s.git", "--max-line-bytes", "1000000", "--rejects", "r.ndjson"];
    assert_eq!(shop.run(&args, changes("", &[&change, good])).status.code(), Some(0));
    let printed = shop.run(&["rejects", "r.ndjson"], "").stdout;
    assert_eq!(String::from_utf8(printed).unwrap().lines().nth(1).unwrap(), change);
}

#[test]
fn in_a_package_the_report_has_the_text_and_a_flowfile_of_rejects_keeps_its_content() {
    let flowfile = |content: &str| {
        let attributes = [
            ("indexeddb.database", "shop"),
            ("indexeddb.object.store", "data"),
            ("indexeddb.key.path", "id"),
            ("sync.status", "of an earlier run"),
        ];
        let attributes = attributes
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into_iter()
            .collect();
        let mut bytes = Vec::new();
        nifi_idb::flowfile::write_head(&attributes, content.len() as u64, &mut bytes).unwrap();
        [bytes, content.as_bytes().to_vec()].concat()
    };
    let shop = Shop::new();
    let (part, all) = ("{\"id\":1}\n{\"id\":2,\"n\":NaN}\n", "no JSON\nid,name\n");
    let package = [flowfile(part), flowfile(all), flowfile("<html></html>")].concat();
    let output = shop.run(&["sync", "--store", "git:s.git"], &package);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let mut reader = nifi_idb::flowfile::PackageReader::new(output.stdout.as_slice());
    let mut answers = Vec::new();
    while let Some(head) = reader.next_head().unwrap() {
        let mut content = Vec::new();
        reader.content(&head, &mut content).unwrap().unwrap();
        let get = |name: &str| head.attributes.get(name).unwrap_or_default().to_owned();
        answers.push((
            get("sync.status"),
            get("sync.rejected"),
            get("sync.error"),
            String::from_utf8(content).unwrap(),
        ));
    }
    assert_eq!((answers[0].0.as_str(), answers[0].1.as_str()), ("0", "1"));
    let printed = shop.run(&["rejects"], &answers[0].3).stdout;
    assert_eq!(String::from_utf8(printed).unwrap(), "{\"id\":2,\"n\":NaN}\n");
    assert_eq!(
        (answers[1].0.as_str(), answers[1].1.as_str(), answers[1].3.as_str()),
        ("5", "2", all)
    );
    assert!(answers[1].2.starts_with("all 2 lines were rejected"), "{}", answers[1].2);
    assert_eq!((answers[2].0.as_str(), answers[2].3.as_str()), ("5", "<html></html>"));
    assert_eq!(shop.stored(), "{\"id\":1}\n");
    // What a dead letter holds can be looked at without NiFi.
    let lines = shop
        .run(&["sync", "--store", "git:s.git", "--dry-run", "--report", "lines"], flowfile(all));
    let printed = shop.run(&["rejects"], &lines.stdout).stdout;
    assert_eq!(String::from_utf8(printed).unwrap(), all);
}

#[test]
fn a_single_batch_that_is_answered_with_a_flowfile_has_the_text_in_it() {
    // The report is the FlowFile's content, so what is not in it is gone.
    let shop = Shop::new();
    for (input, text) in [("{\"id\":1}\nbad\n", "bad"), ("worse\n", "worse")] {
        let output = shop.records(&["--report", "flowfile-v3"], input);
        let found = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(found.contains(&format!("\"text\":\"{text}\"")), "{found}");
    }
}
