//! The sources hear of what was decided.

use super::*;

#[test]
fn the_source_that_lost_is_told_until_it_has_the_version() {
    let store = memory();
    let one = || ids(&[r#"[2,"data",1]"#]);
    resolved(&store, one(), Choice::Head);
    let batch = |epoch: &str, base: u32, first: u32, key: u32| {
        let header = format!(
            r#""source":"b","epoch":"{epoch}","first":{first},"last":{first},"base":{base}"#
        );
        from(&store, &header, &[put(key, "true")])
    };
    let (summary, lines) = batch("e", 2, 1, 20);
    let told = resolved_lines(&lines);
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0]["use"].as_str(), told[0]["line"]["value"].as_str()),
        (Some("head"), Some("head"))
    );
    assert_eq!(lines.last().unwrap()["type"], "ack", "it comes before the acknowledgement");
    assert_eq!(summary.version.unwrap().get(), 4);
    // Its replay is told as well, and what it says next, as long as it has not got the version.
    assert_eq!(resolved_lines(&batch("e", 2, 1, 20).1).len(), 1);
    let (summary, lines) = batch("e", 2, 2, 1);
    let line = &resolved_lines(&lines)[0]["line"];
    assert_eq!(
        (&line["value"], &line["rev"]),
        (&true.into(), &summary.version.unwrap().get().into()),
        "as it stands now"
    );
    assert_eq!(resolved_lines(&batch("e", 3, 3, 21).1).len(), 0);
    assert_eq!(resolved_lines(&batch("e", 2, 4, 22).1).len(), 0, "it is gone");
    // Head's side has what it had.
    assert_eq!(resolved_lines(&from(&store, r#""source":"a""#, &[put(30, "1")]).1).len(), 0);
}

#[test]
fn a_source_without_bases_is_told_once_and_whenever_that_batch_comes_again() {
    let store = memory();
    resolved(&store, ids(&[r#"[2,"data",1]"#, r#"[2,"data",3]"#]), Choice::Incoming);
    let deliver = |source: &str, id: &str, key: u32, pull: bool| {
        let options = SyncOptions { delivery: Some(id.into()), pull, ..SyncOptions::default() };
        let (summary, lines) =
            synced(&store, &format!(r#""source":"{source}""#), &[put(key, "true")], &options);
        (summary.outcome, resolved_lines(&lines).len())
    };
    // Both sides hear of it: the result is not head's.
    for source in ["a", "b"] {
        let key = u32::from(source.as_bytes()[0]);
        let dry = SyncOptions { dry_run: true, ..SyncOptions::default() };
        let (_, lines) =
            synced(&store, &format!(r#""source":"{source}""#), &[put(key, "true")], &dry);
        assert_eq!(resolved_lines(&lines).len(), 0, "a dry run makes nothing that could be read");
        assert_eq!(deliver(source, &format!("{source}1"), key, true), (Outcome::Committed, 2));
        assert_eq!(
            deliver(source, &format!("{source}1"), key, false),
            (Outcome::Unchanged, 2),
            "the replay"
        );
        assert_eq!(
            deliver(source, &format!("{source}2"), key + 100, false),
            (Outcome::Committed, 0)
        );
        assert_eq!(deliver(source, &format!("{source}1"), key, false), (Outcome::Unchanged, 0));
    }
    assert_eq!(deliver("c", "c1", 50, false), (Outcome::Committed, 0));
    // A deletion is a line, too.
    let store = memory();
    resolved(&store, ids(&[r#"[2,"data",3]"#]), Choice::Incoming);
    let (_, lines) = from(&store, r#""source":"a""#, &[delete(60)]);
    assert_eq!(resolved_lines(&lines)[0]["line"]["op"], "delete");
}

#[test]
fn sources_that_are_not_told_cost_no_call() {
    let data = List::Records("data".into());
    let calls = |resolves: bool| {
        let store = RecordingStore::new(MemoryStore::default());
        four(&store);
        from(&store, r#""source":"b","epoch":"e","first":1,"last":1"#, &[put(5, "1")]);
        if resolves {
            resolved(&store, ids(&[r#"[2,"data",1]"#]), Choice::Incoming);
        }
        store.take_calls();
        ["c", "b"].map(|source| {
            let header =
                format!(r#""source":"{source}","epoch":"e","first":2,"last":2,"mode":"delta""#);
            let header = if source == "c" { r#""source":"c""#.to_owned() } else { header };
            from(&store, &header, &[put(6, "2")]);
            store.take_calls()
        })
    };
    let number = |number| FlowVersion::new(number).unwrap();
    let sources = || Call::ReadChunk(List::Sources);
    let ([without, own], [with, told]) = (calls(false), calls(true));
    let plain = [
        Call::Head,
        Call::Writer,
        sources(),
        Call::ReadChunk(data.clone()),
        Call::WriteChunk(data.clone()),
        Call::Commit(number(4)),
    ];
    assert_eq!(without, plain);
    assert_eq!(own.len(), plain.len(), "{own:?}");
    assert_eq!(with[..5], plain[..5], "another source is told nothing");
    assert_eq!(with[5..], [Call::Commit(number(5))]);
    let more: Vec<_> = told.iter().skip_while(|call| !matches!(call, Call::Commit(_))).collect();
    assert_eq!(more, [&Call::Commit(number(6)), &Call::Version(number(6)), &Call::ReadChunk(data)]);
}
