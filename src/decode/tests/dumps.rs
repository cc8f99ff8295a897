//! Dumps and events with random changes to their bytes.

use super::*;

/// One file of each kind, small enough that edits reach every part of it.
const FILES: [&str; 7] = [
    r#"{"name":"shop","instanceToken":"abc","collections":[{"name":"orders","schemaHash":"x","docs":[{"id":"a","_meta":{}},{"id":"b","_deleted":true,"_attachments":{"f":{}}}]}]}"#,
    r#"{"data":{"items":{"a":{"id":"a","at":{"$t":"Date","v":"2019-08-11T17:47:44.000Z"}},"b":null},"rlm-x":{"items":{"c":{"n":[1]}}}},"schema":{"items":"@id"}}"#,
    "{\"total_rows\":2,\"offset\":0,\"rows\":[\r\n{\"id\":\"a\",\"key\":\"a\",\"value\":{\"rev\":\"1-x\"},\"doc\":{\"_id\":\"a\",\"_rev\":\"1-x\"}},\r\n{\"id\":\"b\",\"deleted\":true}\r\n]}",
    "{\"version\":\"1\",\"db_type\":\"http\",\"db_info\":{\"doc_count\":1}}\n{\"docs\":[{\"_id\":\"a\",\"_rev\":\"1-x\"},{\"_id\":\"a\",\"_rev\":\"2-y\"}]}\n{\"seq\":1}",
    "[{\"_id\":{\"$oid\":\"aa\"},\"n\":{\"$numberLong\":\"7\"}},\n{\"_id\":1,\"b\":{\"$binary\":{\"base64\":\"AQI=\",\"subType\":\"00\"}}}]",
    "null\n{\"ts_ms\":1}\n{\"before\":{\"id\":1,\"d\":2},\"after\":{\"id\":2,\"d\":\"__debezium_unavailable_value\",\"n\":{\"scale\":1,\"value\":\"AQ==\"}},\"source\":{\"db\":\"a\",\"schema\":\"b\",\"table\":\"s\"},\"op\":\"u\",\"ts_ms\":1}\n{\"id\":1,\"__op\":\"d\",\"__deleted\":\"true\"}",
    "{\"type\":\"begin\",\"timestamp\":1,\"binlog_filename\":\"m\"}\n{\"type\":\"update\",\"timestamp\":1,\"binlog_filename\":\"m\",\"database\":\"d\",\"table_name\":\"s\",\"columns\":[{\"name\":\"id\",\"value\":1,\"last_value\":2}]}",
];

#[test]
fn each_file_is_found_out() {
    let options = |object_store: Option<&str>| DecodeOptions {
        object_store: object_store.map(Into::into),
        key_path: object_store.map(|_| KeyPath::Path("id".into())),
        ..DecodeOptions::default()
    };
    let dialects = [
        Dialect::Rxdb,
        Dialect::DexieCloud,
        Dialect::Couchdb,
        Dialect::PouchdbDump,
        Dialect::Mongoexport,
        Dialect::Debezium,
        Dialect::CaptureChangeMysql,
    ];
    for (text, dialect) in FILES.iter().zip(dialects) {
        let object_store = Some("s").filter(|_| dialect != Dialect::DexieCloud);
        let found = Decoder::open(text.as_bytes(), options(object_store)).unwrap();
        assert_eq!(found.header().dialect, dialect);
        let slow = Decoder::open(Slow(text.as_bytes(), 1), options(object_store)).unwrap();
        assert_eq!(slow.header().dialect, dialect, "in pieces");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Each changed file is answered without a panic, and in the same way for any pieces.
    #[test]
    fn changed_dumps_are_answered(
        file in 0..FILES.len(),
        auto: bool,
        edits in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(b"{}[]\",:\\a10~#$. ".to_vec()), 0_u8..3), 0..4),
    ) {
        let mut text = FILES[file].as_bytes().to_vec();
        for (place, byte, kind) in edits {
            let place = place.index(text.len());
            match kind {
                0 => text[place] = byte,
                1 => text.insert(place, byte),
                _ => drop(text.remove(place)),
            }
        }
        let inputs = [Some(Dialect::Rxdb), Some(Dialect::DexieCloud), Some(Dialect::Couchdb), Some(Dialect::PouchdbDump), Some(Dialect::Mongoexport), Some(Dialect::Debezium), Some(Dialect::CaptureChangeMysql)];
        let options = DecodeOptions {
            input: if auto { None } else { inputs[file] },
            object_store: Some("s".into()),
            key_path: Some(KeyPath::Path("id".into())),
            ..DecodeOptions::default()
        };
        let found = decode(&text[..], options.clone());
        prop_assert_eq!(decode(Slow(&text, 7), options), found);
    }
}
