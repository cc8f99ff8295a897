//! What a person decides: the record, the conflict, what lost, and what is refused.

use super::*;

#[test]
fn each_choice_sets_the_record_and_marks_the_conflict() {
    let store = memory();
    let (summary, lines) = resolved(&store, ids(&[r#"[2,"data",1]"#]), Choice::Incoming);
    assert_eq!((summary.outcome, summary.version.unwrap().get()), (Outcome::Committed, 3));
    assert_eq!((summary.received, summary.put, summary.deleted, summary.conflicts), (1, 1, 0, 0));
    let line = serde_json::json!(
        {"at":5000,"key":1,"op":"put","rev":3,"store":"data","value":"incoming"}
    );
    assert_eq!(record(&store, 1).unwrap(), line);
    let told =
        serde_json::json!({"id":[2,"data",1],"line":line,"type":"resolved","use":"incoming"});
    assert_eq!(lines, [told]);
    // The side that lost now is kept whole from now on.
    let one = shown(&store, r#"[2,"data",1]"#);
    assert_eq!(one["resolved"], serde_json::json!({"at":5000,"use":"incoming","version":3}));
    assert_eq!((&one["state"], &one["head"]["value"]), (&"resolved".into(), &"head".into()));
    assert!(
        store.log(&flow()).unwrap()[0]
            .comment
            .starts_with("resolved 1 conflict, +0 ~1 -0 in 1 object store\n\n")
    );

    // Both sides had inserted it: the base is that there was nothing.
    let (summary, lines) = resolved(&store, ids(&[r#"[2,"data",2]"#]), Choice::Base);
    assert_eq!((summary.put, summary.deleted), (0, 1));
    assert_eq!(
        (&record(&store, 2).unwrap()["op"], &lines[0]["line"]["op"]),
        (&"delete".into(), &"delete".into())
    );
    // The incoming side deletes.
    resolved(&store, ids(&[r#"[2,"data",3]"#]), Choice::Incoming);
    assert_eq!(record(&store, 3).unwrap()["op"], "delete");
    // Head stands already: the conflict is marked, the record is not touched.
    let (summary, lines) = resolved(&store, ids(&[r#"[2,"data",4]"#]), Choice::Head);
    assert_eq!((summary.outcome, summary.put, summary.unchanged), (Outcome::Committed, 0, 1));
    assert_eq!((&lines[0]["line"]["rev"], &lines[0]["line"]["by"]), (&1.into(), &"a".into()));
    assert_eq!(listed(&store, &parked()), Vec::<Value>::new());
    assert!(store.log(&flow()).unwrap()[0].comment.starts_with("resolved 1 conflict\n\n"));
}

#[test]
fn base_and_own_values() {
    let store = memory();
    resolved(&store, ids(&[r#"[2,"data",1]"#]), Choice::Base);
    assert_eq!(value(&store, 1), "base");
    let own = |text: &str| {
        let (one, text) = (ids(&[r#"[2,"data",4]"#]), text.as_bytes().to_vec());
        try_resolve(&store, one, Choice::Value, |options| options.value = Some(text))
    };
    assert!(matches!(own("{"), Err(SyncError::Mismatch(_))));
    assert_eq!(own("\n {\"b\":1,\"a\":{\"~date\":5}} \n").unwrap().0.put, 1);
    assert_eq!(record(&store, 4).unwrap()["value"].to_string(), r#"{"a":{"~date":5},"b":1}"#);
    assert_eq!(own("{\"a\":{\"~date\":5},\"b\":1}").unwrap().0.outcome, Outcome::Unchanged);
    assert!(
        matches!(own("{\"a\":2}"), Err(SyncError::Mismatch(_))),
        "it was resolved for another value"
    );
    let two = try_resolve(&store, matching(parked()), Choice::Value, |options| {
        options.value = Some(b"1".to_vec())
    });
    assert!(
        matches!(two, Err(SyncError::Mismatch(what)) if what.starts_with("2 conflicts are meant"))
    );
}

#[test]
fn a_value_has_the_records_own_key() {
    let store = MemoryStore::default();
    let sync = |key_path: &str, value: &str| {
        let text = format!(
            "{{\"format\":\"indexeddb-changes/1\",\"database\":\"shop\",\"source\":\"a\",\"stores\":[{{\"name\":\"data\",\
             \"keyPath\":{key_path}}}]}}\n{{\"op\":\"put\",\"store\":\"data\",\"value\":{value}}}\n\
             {{\"op\":\"end\",\"count\":1}}\n"
        );
        let batch = crate::batches::batch_of(&text);
        sync(&store, &flow(), &batch, &SyncOptions::default(), &mut ReportLines::default())
            .unwrap();
    };
    sync(r#"["id","n.o"]"#, r#"{"id":1,"n":{"o":"x"}}"#);
    let head = r#"{"id":1,"n":{"o":"x"}}"#;
    let conflict =
        Conflict { key: id(r#"[1,"x"]"#), ..waiting(0, Some("0"), Some(head), Some("1")) };
    park(&store, &[conflict]);
    let own = |text: &str| {
        let one = ids(&[r#"[2,"data",[1,"x"]]"#]);
        try_resolve(&store, one, Choice::Value, |options| {
            options.value = Some(text.as_bytes().to_vec())
        })
    };
    for wrong in [r#"{"id":1,"n":{"o":"y"}}"#, r#"{"id":1}"#, "1", r#"{"id":null,"n":{"o":"x"}}"#] {
        let error = own(wrong).unwrap_err();
        assert_eq!(error.exit_status(), ExitStatus::Usage, "{error}");
    }
    assert_eq!(own(r#"{"id":1,"n":{"o":"x"},"more":true}"#).unwrap().0.put, 1);
}

#[test]
fn a_second_time_changes_nothing_and_another_choice_is_refused() {
    let store = memory();
    let first = resolved(&store, ids(&[r#"[2,"data",1]"#, r#"[2,"data",3]"#]), Choice::Incoming);
    let again = resolved(&store, ids(&[r#"[2,"data",3]"#, r#"[2,"data",1]"#]), Choice::Incoming);
    assert_eq!(
        (again.0.outcome, again.0.unchanged, again.0.state),
        (Outcome::Unchanged, 2, first.0.state)
    );
    assert_eq!(again.1, first.1, "the same report");
    let other = try_resolve(&store, ids(&[r#"[2,"data",1]"#]), Choice::Head, |_| ()).unwrap_err();
    assert_eq!(other.exit_status(), ExitStatus::Usage);
    assert!(
        other.to_string().contains("was resolved in version 3 already, for incoming"),
        "{other}"
    );
    let unknown =
        try_resolve(&store, ids(&[r#"[2,"data",1]"#, r#"[2,"data",9]"#]), Choice::Incoming, |_| ());
    let unknown = unknown.unwrap_err();
    assert_eq!(unknown.exit_status(), ExitStatus::Usage);
    assert!(
        unknown
            .to_string()
            .contains(r#"no conflict [2,"data",9]; version 3 of indexeddb/shop has 4, the first"#)
    );
    let nothing = resolved(
        &store,
        matching(ConflictFilter { rule: Some("x".into()), ..parked() }),
        Choice::Head,
    );
    assert_eq!((nothing.0.outcome, nothing.0.received), (Outcome::Unchanged, 0));
}

#[test]
fn what_changed_since_is_replaced_only_if_asked_for_and_kept() {
    let store = memory();
    from(&store, r#""source":"c""#, &[put(1, "\"later\"")]);
    let one = || ids(&[r#"[2,"data",1]"#]);
    let refused = try_resolve(&store, one(), Choice::Incoming, |_| ()).unwrap_err();
    assert_eq!(refused.exit_status(), ExitStatus::Guard);
    assert!(refused.to_string().contains("changed after it, in version 3;"), "{refused}");
    let all = try_resolve(&store, matching(parked()), Choice::Head, |_| ());
    assert!(
        matches!(all, Err(SyncError::Changed { more: 0, .. })),
        "only the others stand as head left them"
    );
    assert_eq!(head(&store).manifest.version.get(), 3);
    let (summary, _) =
        try_resolve(&store, one(), Choice::Incoming, |options| options.even_if_changed = true)
            .unwrap();
    assert_eq!((summary.put, summary.conflicts), (1, 1));
    assert_eq!(value(&store, 1), "incoming");
    // What was there is a conflict of its own, whole, and can be overturned; its source is told.
    let kept = shown(&store, r#"[4,"data",1]"#);
    assert_eq!(
        (&kept["rule"], &kept["state"], &kept["winner"]),
        (&"resolve".into(), &"decided".into(), &"incoming".into())
    );
    assert_eq!((&kept["head"]["value"], &kept["head"]["by"]), (&"later".into(), &"c".into()));
    for source in ["a", "b", "c"] {
        let (_, lines) = from(&store, &format!(r#""source":"{source}","base":3"#), &[put(9, "9")]);
        assert_eq!(lines[0]["line"]["value"], "incoming", "{source}: {lines:?}");
    }
    resolved(&store, ids(&[r#"[4,"data",1]"#]), Choice::Head);
    assert_eq!(value(&store, 1), "later");

    // The same value needs no question.
    from(&store, r#""source":"c""#, &[put(4, "\"incoming\"")]);
    let (summary, _) = resolved(&store, ids(&[r#"[2,"data",4]"#]), Choice::Incoming);
    assert_eq!((summary.put, summary.unchanged), (0, 1));
}

#[test]
fn of_several_conflicts_about_one_record_the_newest_decides_if_asked_for() {
    let store = memory();
    let base = Some("\"base\"");
    park(&store, &[waiting(1, base, Some("\"head\""), Some("\"other\""))]);
    let of_one = || matching(ConflictFilter { key: Some(number(1)), ..parked() });
    assert!(matches!(
        try_resolve(&store, of_one(), Choice::Incoming, |_| ()),
        Err(SyncError::Changed { .. })
    ));
    let dry =
        try_resolve(&store, of_one(), Choice::Head, |options| options.dry_run = true).unwrap().0;
    assert_eq!(
        (dry.outcome, dry.version.unwrap().get()),
        (Outcome::Committed, 4),
        "head is the same for both"
    );
    assert_eq!(head(&store).manifest.version.get(), 3, "nothing is written");
    try_resolve(&store, of_one(), Choice::Incoming, |options| options.even_if_changed = true)
        .unwrap();
    assert_eq!(value(&store, 1), "other");
    let states = |text| {
        (shown(&store, text)["state"].clone(), shown(&store, text)["incoming"]["value"].clone())
    };
    assert_eq!(states(r#"[2,"data",1]"#), ("resolved".into(), "incoming".into()));
    assert_eq!(states(r#"[3,"data",1]"#), ("resolved".into(), "other".into()));
}

#[test]
fn decided_conflicts_are_overturned() {
    let store = MemoryStore::default();
    from(&store, r#""source":"a""#, &[put(1, r#"{"x":1}"#)]);
    let (summary, _) = from(&store, r#""source":"b""#, &[put(1, r#"{"x":2}"#)]);
    assert_eq!(summary.conflicts, 1);
    let decided =
        ConflictFilter { state: Some(ConflictState::Decided), ..ConflictFilter::default() };
    assert_eq!(listed(&store, &decided)[0]["winner"], "incoming");
    assert_eq!(
        shown(&store, r#"[2,"data",1]"#)["incoming"]["value"]["x"],
        2,
        "from the version itself"
    );
    resolved(&store, matching(decided.clone()), Choice::Head);
    assert_eq!(value(&store, 1)["x"], 1);
    assert_eq!(
        shown(&store, r#"[2,"data",1]"#)["incoming"]["value"]["x"],
        2,
        "kept in the line now"
    );

    // What was merged was neither side's: it is kept in a line of its own.
    from(&store, r#""source":"b","base":3"#, &[put(1, r#"{"x":1,"y":1}"#)]);
    let (summary, _) = from(&store, r#""source":"c","base":3"#, &[put(1, r#"{"x":1,"z":1}"#)]);
    assert_eq!(
        (summary.conflicts, value(&store, 1).to_string().as_str()),
        (1, r#"{"x":1,"y":1,"z":1}"#)
    );
    let gone =
        try_resolve(&store, ids(&[r#"[5,"data",1]"#]), Choice::Incoming, |_| ()).unwrap_err();
    assert!(gone.to_string().contains("its incoming is not kept"), "{gone}");
    let (summary, _) = resolved(&store, ids(&[r#"[5,"data",1]"#]), Choice::Head);
    assert_eq!((summary.conflicts, value(&store, 1).to_string().as_str()), (1, r#"{"x":1,"y":1}"#));
    assert_eq!(
        shown(&store, r#"[6,"data",1]"#)["head"]["value"].to_string(),
        r#"{"x":1,"y":1,"z":1}"#
    );
}

#[test]
fn a_thousand_at_once_are_one_version() {
    let store = MemoryStore::default();
    let long = format!("\"{}\"", "x".repeat(300));
    from(&store, r#""source":"a""#, &(0..1500).map(|key| put(key, &long)).collect::<Vec<_>>());
    let big = format!("\"{}\"", "y".repeat(SPILL_BYTES));
    let conflict = |key| {
        let incoming = if key % 250 == 0 { big.clone() } else { format!("\"{key}\"") };
        let rule = if key < 1000 { "data/many" } else { "data/few" };
        Conflict { rule: rule.into(), ..waiting(key, Some("0"), Some(&long), Some(&incoming)) }
    };
    park(&store, &(0..1100).map(conflict).collect::<Vec<_>>());
    let many = || ConflictFilter { rule: Some("data/many".into()), ..parked() };
    let (summary, lines) = resolved(&store, matching(many()), Choice::Incoming);
    assert_eq!(
        (summary.received, summary.put, summary.version.unwrap().get(), lines.len()),
        (1000, 1000, 3, 1000)
    );
    assert_eq!(lines[250]["line"]["value"].to_string(), big, "a spilled value is inline");
    assert_eq!(
        (value(&store, 999), value(&store, 500).to_string(), value(&store, 1000).to_string()),
        ("999".into(), big, long)
    );
    assert_eq!((listed(&store, &many()).len(), listed(&store, &parked()).len()), (0, 100));
    // The newest notices are kept.
    let (_, lines) = from(&store, r#""source":"b","base":1"#, &[]);
    assert_eq!(lines.len(), 512, "half of them are of the other source");
    assert!(lines.iter().all(|line| line["type"] == "resolved"));
    let again = resolved(
        &store,
        matching(ConflictFilter { state: Some(ConflictState::Resolved), ..many() }),
        Choice::Incoming,
    );
    assert_eq!((again.0.outcome, again.0.received), (Outcome::Unchanged, 1000));
}

#[test]
fn many_deletions_are_asked_about() {
    let store = MemoryStore::default();
    from(&store, r#""source":"a""#, &(0..40).map(|key| put(key, "\"head\"")).collect::<Vec<_>>());
    park(
        &store,
        &(0..20).map(|key| waiting(key, Some("0"), Some("\"head\""), None)).collect::<Vec<_>>(),
    );
    let all = |confirm: Option<String>| {
        try_resolve(&store, matching(parked()), Choice::Incoming, |options| {
            options.confirm = confirm
        })
    };
    let Err(SyncError::Guard { what, plan }) = all(None) else { panic!() };
    assert_eq!(what, r#"20 of 40 records of object store "data""#);
    assert_eq!(all(Some(plan)).unwrap().0.deleted, 20);
}

/// Lets another writer be first, once.
#[derive(Debug)]
struct Racing<'a> {
    store: &'a MemoryStore,
    raced: AtomicBool,
    other: String,
}

impl WrappedStore for Racing<'_> {
    type Inner = MemoryStore;

    fn inner(&self) -> &Self::Inner {
        self.store
    }

    fn writer<'b>(
        &'b self,
        flow: &FlowName,
        head: Option<&StoredVersion>,
    ) -> Result<Box<dyn VersionWriter + 'b>, StoreError> {
        let writer = self.store.writer(flow, head);
        if !self.raced.swap(true, Ordering::Relaxed) {
            from(self.store, r#""source":"racer""#, std::slice::from_ref(&self.other));
        }
        writer
    }
}

#[test]
fn a_lost_race_is_decided_on_what_won_it() {
    let race = |key: u32| {
        let store = memory();
        let racing =
            Racing { store: &store, raced: AtomicBool::new(false), other: put(key, "\"raced\"") };
        let result = try_resolve(&racing, ids(&[r#"[2,"data",1]"#]), Choice::Incoming, |_| ());
        (store, result)
    };
    let (store, result) = race(7);
    let (summary, lines) = result.unwrap();
    assert_eq!(
        (summary.version.unwrap().get(), lines.len()),
        (4, 1),
        "the lines of the lost round are gone"
    );
    assert_eq!((value(&store, 1), value(&store, 7)), ("incoming".into(), "raced".into()));
    // The record itself was changed: nothing is overwritten unseen.
    let (store, result) = race(1);
    assert!(matches!(result, Err(SyncError::Changed { .. })), "{result:?}");
    assert_eq!(value(&store, 1), "raced");
}

#[test]
fn the_same_history_gives_the_same_states_in_git_and_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let git = GitStore::new(&folder.path().join("s.git")).unwrap();
    let memory = MemoryStore::default();
    let states = [&git as &dyn SnapshotStore, &memory].map(|store| {
        four(store);
        let big = format!("\"{}\"", "y".repeat(SPILL_BYTES));
        from(store, r#""source":"a""#, &[put(5, &big)]);
        park(
            store,
            &[
                waiting(5, Some("0"), Some(&big), Some("\"small\"")),
                waiting(6, Some("0"), None, Some(&big)),
            ],
        );
        resolved(store, matching(parked()), Choice::Incoming);
        from(store, r#""source":"b""#, &[put(9, "1")]);
        head(store).state
    });
    assert_eq!(states[0], states[1]);
    assert_eq!(value(&git, 6).as_str().map(str::len), Some(SPILL_BYTES));
    fsck(&folder.path().join("s.git"));
}

/// From the policy that parks to the sources that hear of it.
#[test]
fn what_a_policy_parks_is_resolved_each_way() {
    let mut scope = StorePolicy { scope: "data".into(), ..StorePolicy::unsaid() };
    for kind in [ConflictType::UpdateUpdate, ConflictType::UpdateDelete, ConflictType::DeleteUpdate]
    {
        scope.types[kind as usize] = Some(Resolver::Park);
    }
    let policy = Some(Arc::new(Policy { default: scope, ..Policy::default() }));
    let options = SyncOptions { policy, ..SyncOptions::default() };
    for (choice, expected) in
        [(Choice::Incoming, [3, 0, 3]), (Choice::Head, [2, 2, 0]), (Choice::Base, [1, 1, 1])]
    {
        let store = MemoryStore::default();
        let sends = |source: &str, lines: &[String]| {
            synced(&store, &format!(r#""source":"{source}","base":1"#), lines, &options)
        };
        from(&store, r#""source":"a""#, &[put(1, "1"), put(2, "1"), put(3, "1")]);
        sends("b", &[put(1, "2"), put(2, "2"), delete(3)]);
        let (summary, _) = sends("c", &[put(1, "3"), delete(2), put(3, "3"), put(4, "4")]);
        assert_eq!((summary.parked, summary.put), (3, 1), "nothing else waits");
        let (summary, lines) = resolved(&store, matching(parked()), choice);
        assert_eq!((summary.received, lines.len(), listed(&store, &parked()).len()), (3, 3, 0));
        let stand = [1, 2, 3].map(|key| {
            record(&store, key).unwrap().get("value").and_then(Value::as_i64).unwrap_or(0)
        });
        assert_eq!(stand, expected, "{choice}");
        for (source, told) in
            [("a", 0), ("b", if choice == Choice::Head { 0 } else { 3 }), ("c", 3)]
        {
            let (_, lines) = sends(source, &[]);
            assert_eq!(resolved_lines(&lines).len(), told, "{choice} {source}");
        }
        // What lost is whole in the log, whoever it was.
        for line in listed(&store, &ConflictFilter::default()) {
            let shown = shown(&store, &line["id"].to_string());
            for side in ["head", "incoming"] {
                assert_eq!(
                    shown[side]["digest"].is_null(),
                    shown[side].get("value").is_none(),
                    "{shown}"
                );
            }
        }
    }
}
