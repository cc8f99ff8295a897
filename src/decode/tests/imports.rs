//! Files of other programs: reasons for rejections, references, and random changes to bytes.

use super::*;
use crate::indexeddb::value::Canonicalizer;

/// Returns a storage state with one object store without key path.
fn state(records: &str) -> String {
    let head = r#"{"cookies":[],"origins":[{"origin":"o","localStorage":[],"indexedDB":[{"name":"d","version":1,"stores":[{"name":"s","autoIncrement":false,"records":["#;
    format!("{head}{records}]}}]}}]}}]}}")
}

/// Returns an export of Dexie with one table without key path.
fn export(rows: &str) -> String {
    let head = r#"{"formatName":"dexie","formatVersion":1,"data":{"databaseName":"d","databaseVersion":0.7,"tables":[{"name":"s","schema":"","rowCount":1}],"data":[{"tableName":"s","inbound":false,"rows":["#;
    format!("{head}{rows}]}}]}}}}")
}

/// Returns the value of the only record in canonical form, or the reason for its rejection.
fn value(text: &str) -> String {
    let mut decoder = Decoder::open(text.as_bytes(), DecodeOptions::default()).unwrap();
    match decoder.next().unwrap().unwrap() {
        Item::Rejected(rejection) => rejection.code.to_owned(),
        Item::Change(Change { op: Op::Put { value, .. }, .. }) => {
            let mut out = Vec::new();
            match Canonicalizer::default().value(value, &mut out) {
                Ok(()) => String::from_utf8(out).unwrap(),
                Err(error) => error.code().to_owned(),
            }
        }
        other => panic!("{other:?}"),
    }
}

fn encoded(value_encoded: &str) -> String {
    value(&state(&format!("{{\"key\":1,\"valueEncoded\":{value_encoded}}}")))
}

fn typed(value_text: &str, types: &str) -> String {
    value(&export(&format!(
        "{{\"$\":[1,{value_text}],\"$types\":{{\"$\":{{\"\":\"arrayNonindexKeys\"{types}}}}}}}"
    )))
}

#[test]
fn playwright_s_kinds_are_read_or_rejected() {
    for (text, expected) in [
        (r#"{"v":"-0"}"#, r#"{"~number":"-0"}"#),
        (r#"{"d":"-271821-04-20T00:00:00.000Z"}"#, r#"{"~date":-8640000000000000}"#),
        (r#"{"r":{"p":"a","f":"yg"}}"#, r#"{"~regexp":["a","gy"]}"#),
        (
            r#"{"e":{"n":"TypeError","m":"x","s":"y"}}"#,
            r#"{"~error":{"message":"x","name":"TypeError","stack":"y"}}"#,
        ),
        (
            r#"{"o":[{"k":"~a","v":1},{"k":"\ud800","v":2}],"id":1}"#,
            r#"{"~entries":[["~a",1],[{"~utf16":"ANg="},2]]}"#,
        ),
        (r#"{"a":[{"ref":1}],"id":1}"#, r#"{"~id":[1,[{"~ref":1}]]}"#),
        (
            r#"{"m":[{"k":{"o":[],"id":2},"v":{"ref":2}}],"id":1}"#,
            r#"{"~map":[[{"~id":[1,{}]},{"~ref":1}]]}"#,
        ),
        (r#"{"o":[],"id":0}"#, "{}"),
        (r#"{"o":[]}"#, "{}"),
        (r#"{"ref":5}"#, "dangling-reference"),
        (
            r#"{"o":[{"k":"a","v":{"a":[],"id":1}},{"k":"b","v":{"a":[],"id":1}},{"k":"c","v":{"ref":1}}],"id":2}"#,
            "duplicate-id",
        ),
        (r#"{"u":"https://a.example"}"#, "unknown-tag"),
        (r#"{"h":0}"#, "unknown-tag"),
        (r#"{"v":"maybe"}"#, "unknown-tag"),
        (r#"{"ta":{"b":"AAA=","k":"f16"}}"#, "unknown-tag"),
        (r#"{"ta":{"b":"AAA=","k":"i32"}}"#, "invalid-tag"),
        (r#"{"ta":{"b":"!","k":"i8"}}"#, "invalid-tag"),
        (r#"{"ab":{"b":"A"}}"#, "invalid-tag"),
        (r#"{"d":"yesterday"}"#, "invalid-tag"),
        (r#"{"d":"1970-01-01T00:00:00.000Z","x":1}"#, "unknown-tag"),
        (r#"{"o":[{"k":1,"v":1}],"id":1}"#, "invalid-tag"),
        (r#"{"o":[{"k":"a"}],"id":1}"#, "invalid-tag"),
        (r#"{"o":[{"k":"a","v":1},{"k":"a","v":2}],"id":1}"#, "duplicate-member"),
        (r#"{"e":{"m":"no name"}}"#, "invalid-tag"),
        (r#"{"bi":"1.5"}"#, "invalid-tag"),
        (r#"{"bi":5}"#, "invalid-tag"),
        ("[1]", "unknown-tag"),
        ("{}", "unknown-tag"),
        ("1e999", "number-range"),
    ] {
        assert_eq!(encoded(text), expected, "{text}");
    }
    for (record, expected) in [
        (r#"{"key":1,"value":{"~date":1}}"#, r#"{"~~date":1}"#),
        (r#"{"key":1}"#, "missing-member"),
        (r#"{"value":1}"#, "no-key"),
        (r#"{"key":1,"value":1,"valueEncoded":1}"#, "duplicate-member"),
        (r#"{"key":1,"value":1,"more":1}"#, "unknown-member"),
        (r#"{"key":1,"value":tru}"#, "syntax"),
        ("7", "syntax"),
    ] {
        assert_eq!(value(&state(record)), expected, "{record}");
    }
}

#[test]
fn dexie_s_types_are_read_or_rejected() {
    for (text, types, expected) in [
        ("0", r#","1":"undef""#, r#"{"~undefined":true}"#),
        (
            r#"[0,0,1]"#,
            r#","1":"arrayNonindexKeys","1.0":"sparseUndefined","1.1":"undef""#,
            r#"{"~array":{"items":[[1,{"~undefined":true}],[2,1]],"length":3,"members":[]}}"#,
        ),
        (
            r##"{"a":"#1.b","b":{"x":"#1"}}"##,
            r##","1.a":"#","1.b.x":"#""##,
            r#"{"~id":[1,{"a":{"~id":[2,{"x":{"~ref":1}}]},"b":{"~ref":2}}]}"#,
        ),
        (
            r#"{"a.b":1,"c~":2}"#,
            r#","1.a~1b":"date","1.c~0":"date""#,
            r#"{"a.b":{"~date":1},"c~":{"~date":2}}"#,
        ),
        (
            r#"{"type":"t","stringContents":"A\uf7ff","name":"n","lastModified":5}"#,
            r#","1":"file""#,
            r#"{"~blob":{"blake3":"","data":"Qf8=","lastModified":5,"name":"n","size":2,"type":"t"}}"#,
        ),
        (
            r#"{"type":"t","stringContents":"\u4e00","name":"n","lastModified":5}"#,
            r#","1":"file""#,
            "invalid-tag",
        ),
        (
            r#"{"encoded":"AQI=","byteOffset":0,"byteLength":2}"#,
            r#","1":"dataview""#,
            r#"{"~view":{"buffer":{"~buffer":{"data":"AQI="}},"length":2,"offset":0,"type":"DataView"}}"#,
        ),
        (r#"{"index":0,"byteOffset":0,"byteLength":2}"#, r#","1":"dataview""#, "invalid-tag"),
        (
            r#"{"buffer":"AQI=","byteOffset":1,"length":9}"#,
            r#","1":"int8array2","1.buffer":"arraybuffer""#,
            "invalid-tag",
        ),
        (r#""x""#, r#","1":["arrayNonindexKeys","map"]"#, "invalid-tag"),
        (
            r#"[["a",1]]"#,
            r#","1":["arrayNonindexKeys","map"],"1.0":"arrayNonindexKeys""#,
            r#"{"~map":[["a",1]]}"#,
        ),
        (r#"[["a"]]"#, r#","1":"map""#, "invalid-tag"),
        ("1", r#","1":"error""#, "unknown-tag"),
        ("1", r#","1":"IntlCollator""#, "unknown-tag"),
        ("1", r#","1":["date","map"]"#, "unknown-tag"),
        ("1", r#","1":7"#, "invalid-tag"),
        ("1", r#","1.x":"date""#, "invalid-tag"),
        ("1", r#","1":"date","1":"undef""#, "duplicate-member"),
        ("null", r#","1":"NumberObject""#, "invalid-tag"),
        (r##"{"a":"#1.c"}"##, r##","1.a":"#""##, "invalid-tag"),
        (r#"{"a":"plain"}"#, r##","1.a":"#""##, "invalid-tag"),
        (r##"{"a":"#1.b","b":"#1.a"}"##, r##","1.a":"#","1.b":"#""##, "invalid-tag"),
        (r##"{"a":"#1.a"}"##, r##","1.a":"#""##, "invalid-tag"),
        (r##"{"a":"#1.b","b":5}"##, r##","1.a":"#""##, "invalid-tag"),
    ] {
        let digest = "\"blake3\":\"";
        let mut found = typed(text, types);
        if let Some(at) = found.find(digest).map(|at| at + digest.len()) {
            found.replace_range(at..at + 64, "");
        }
        assert_eq!(found, expected, "{text} {types}");
    }
    for (row, expected) in [
        (r#"{"$":[1,{"$types":5}],"$types":true}"#, r#"{"\u0024types":5}"#),
        (r#"[1,{"a":[]}]"#, r#"{"a":[]}"#),
        (r#"{"$":[1],"$types":true}"#, "no-key"),
        (r#"{"$":[1,2],"$types":true,"more":1}"#, "invalid-tag"),
        (r#"{"$":[1,2],"$types":5}"#, "invalid-tag"),
        ("5", "no-key"),
    ] {
        assert_eq!(value(&export(row)), expected, "{row}");
    }
}

#[test]
fn chains_of_references_do_not_dig_deeper_than_values_may_be() {
    // Each member refers to the next one, which is written in place of the reference.
    let count = 3000;
    let members: Vec<_> =
        (0..count).map(|at| format!("\"m{at}\":[\"#1.m{}\"]", (at + 1) % count)).collect();
    let types: String = (0..count).map(|at| format!(",\"1.m{at}.0\":\"#\"")).collect();
    assert_eq!(typed(&format!("{{{}}}", members.join(",")), &types), "depth");
    let deep = |depth: usize| "{\"a\":[".repeat(depth) + &"],\"id\":1}".repeat(depth);
    assert!(encoded(&deep(510)).starts_with("[["));
    assert_eq!(encoded(&deep(5000)), "depth");
}

#[test]
fn documents_that_are_not_what_they_say_are_refused() {
    let refused = |text: &str, input: Option<Dialect>| {
        let options = DecodeOptions { input, ..DecodeOptions::default() };
        let Err(error) = Decoder::open(text.as_bytes(), options) else { panic!("{text}") };
        error.to_string()
    };
    for (text, what) in [
        (r#"{"formatName":"dexie","formatVersion":2}"#, "formatVersion must be 1"),
        (r#"{"formatName":"dixie"}"#, "must be \"dexie\""),
        (r#"{"formatName":"dexie","formatVersion":1}"#, "it has no data"),
        (r#"{"data":{}}"#, "before data"),
        (r#"{"formatName":"dexie","formatVersion":1,"data":{"data":[]}}"#, "before the rows"),
        (
            r#"{"formatName":"dexie","formatVersion":1,"data":{"databaseName":"d","databaseVersion":0,"tables":[]}}"#,
            "a tenth",
        ),
    ] {
        assert!(
            refused(text, Some(Dialect::Dexie)).contains(what),
            "{text}: {}",
            refused(text, Some(Dialect::Dexie))
        );
    }
    for (text, what) in [
        ("[]", "must be an object"),
        ("{}", "no origins"),
        (r#"{"origins":[{"indexedDB":[]}]}"#, "name must stand before"),
        (r#"{"origins":[{"origin":"o","indexedDB":[{"stores":[]}]}]}"#, "name must stand before"),
        (
            r#"{"origins":[{"origin":"o","indexedDB":[{"name":"d","stores":[]}]}]}"#,
            "needs a version",
        ),
        (
            r#"{"origins":[{"origin":"o","indexedDB":[{"name":"d","version":1,"stores":[{}]}]}]}"#,
            "not described",
        ),
        (r#"{"origins":[]}"#, "no such database"),
    ] {
        assert!(
            refused(text, Some(Dialect::Playwright)).contains(what),
            "{text}: {}",
            refused(text, Some(Dialect::Playwright))
        );
    }
    let long = DecodeOptions { max_line_bytes: 20, ..DecodeOptions::default() };
    let text = state(r#"{"key":1,"value":"a string that is too long"},{"key":2,"value":1}"#);
    let decoded = decode(text.as_bytes(), long);
    assert_eq!(decoded.items[0], code::LINE_TOO_LONG);
    assert!(
        decoded.items[1].starts_with("s put 2 1") || decoded.items[1].contains("put 2 1"),
        "{decoded:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Each changed real file is answered without a panic, and in the same way for any pieces.
    #[test]
    fn changed_files_are_answered(
        dexie: bool,
        start in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(b"{}[]\",:\\a10~#$. ".to_vec()), 0_u8..3), 1..6),
    ) {
        let whole: &[u8] = if dexie {
            include_bytes!("../../../tests/fixtures/imports/dexie/export.json")
        } else {
            include_bytes!("../../../tests/fixtures/imports/playwright/storage-state.json")
        };
        // Edits go mostly to the records, because almost any edit breaks the beginning.
        let from = start.index(whole.len() - 2000);
        let mut text = whole.to_vec();
        for (place, byte, kind) in edits {
            let place = from + place.index(2000);
            match kind {
                0 => text[place] = byte,
                1 => text.insert(place, byte),
                _ => drop(text.remove(place)),
            }
        }
        let options = DecodeOptions { origin: Some("https://zoo.example".to_owned()), database: Some("zoo".into()), ..DecodeOptions::default() };
        let found = decode(&text[..], options.clone());
        prop_assert_eq!(decode(Slow(&text, 97), options), found);
    }
}
