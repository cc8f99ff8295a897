//! Round trips of every fixture value, and of random values, through each format: a value without
//! reported losses comes back equal.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::decode::{DecodeOptions, Decoder, Dialect, Item, Op};
use crate::indexeddb::schema::{Database, Index, KeyPath, ObjectStore};
use crate::indexeddb::value::Canonicalizer;
use crate::report_line::ReportLine;
use crate::snapshot::Manifest;

const CASES: &str = include_str!("../../../tests/fixtures/values/canonical.ndjson");

fn manifest(store: ObjectStore) -> Manifest {
    Manifest::empty(&Database::new("shop".into(), 25, vec![store]).unwrap())
}

/// A document with one record.
fn document(
    format: &ExportFormat,
    store: ObjectStore,
    key: &str,
    value: &str,
) -> (Vec<u8>, Losses) {
    try_document(format, store, key, value)
        .unwrap_or_else(|| panic!("{format:?} cannot hold {value}"))
}

/// As [`document`]; `None` if the format cannot represent the value.
fn try_document(
    format: &ExportFormat,
    store: ObjectStore,
    key: &str,
    value: &str,
) -> Option<(Vec<u8>, Losses)> {
    let manifest = manifest(store);
    let store = &manifest.stores[0];
    let mut writer = Writer::new(format, &manifest.database).unwrap();
    let (mut out, mut losses) = (Vec::new(), Losses::default());
    writer.open(&manifest, &[store], &mut out);
    writer.open_store(store, &mut out, &mut losses);
    let (key, value) = (Tree::read(key.as_bytes()).unwrap(), Tree::read(value.as_bytes()).unwrap());
    writer.record(store, &key, &value, &mut out, &mut losses)?;
    writer.close_store(&mut out);
    writer.close(&mut out);
    Some((out, losses))
}

/// Returns key and value of the only record in a document.
fn read(text: &[u8], input: Option<Dialect>) -> Result<(String, String), String> {
    let options = DecodeOptions { input, ..DecodeOptions::default() };
    let mut decoder = Decoder::open(text, options).map_err(|error| error.to_string())?;
    let canonical = |raw: &[u8], key: bool| {
        let mut out = Vec::new();
        let mut canonicalizer = Canonicalizer::default();
        let done =
            if key { canonicalizer.key(raw, &mut out) } else { canonicalizer.value(raw, &mut out) };
        done.map(|()| String::from_utf8(out).unwrap()).map_err(|error| error.to_string())
    };
    let found = match decoder.next().map_err(|error| error.to_string())? {
        Some(Item::Change(change)) => match change.op {
            Op::Put { key, value, .. } => {
                (canonical(key.unwrap_or(b"null"), true)?, canonical(value, false)?)
            }
            other => return Err(format!("{other:?}")),
        },
        other => return Err(format!("{other:?}")),
    };
    assert!(decoder.next().unwrap().is_none());
    Ok(found)
}

fn formats() -> [(ExportFormat, Option<Dialect>); 2] {
    let origin = "https://shop.example".to_owned();
    [
        (ExportFormat::Playwright { origin }, Some(Dialect::Playwright)),
        (ExportFormat::Dexie, Some(Dialect::Dexie)),
    ]
}

/// Exports a value and reads it back. Without reported losses it must be equal. Returns the losses.
#[track_caller]
fn through(format: &ExportFormat, input: Option<Dialect>, canonical: &str) -> BTreeSet<String> {
    let written =
        try_document(format, ObjectStore::new("data".into(), None), "[1,\"a\"]", canonical);
    let Some((text, losses)) = written else {
        assert!(
            canonical.contains("4294967295") && input == Some(Dialect::Playwright),
            "{canonical}"
        );
        return BTreeSet::new();
    };
    let shown = String::from_utf8(text.clone()).unwrap();
    assert!(
        shown.is_ascii() && serde_json::from_str::<serde::de::IgnoredAny>(&shown).is_ok(),
        "{shown}"
    );
    let back = read(&text, input);
    let lost: BTreeSet<String> = losses
        .lines()
        .filter_map(|line| match line {
            ReportLine::Loss { what, .. } => Some(what.to_owned()),
            _ => None,
        })
        .collect();
    if lost.is_empty() {
        assert_eq!(back.as_ref().map(|(_, value)| value.as_str()), Ok(canonical), "{shown}");
    }
    assert!(back.is_ok(), "{canonical} -> {shown}: {back:?}");
    lost
}

/// Values that the fixtures lack.
const MORE: [&str; 7] = [
    r#"{"~regexp":["a","dgsv"]}"#,
    r#"{"__proto__":{"x":1}}"#,
    r#"{"incomplete":true}"#,
    r#"{"~error":{"cause":1,"name":"AbortError","stack":"s"}}"#,
    r#"{"~buffer":{"data":"AQ==","max":8}}"#,
    r#"{"a":{"~id":[1,{"~date":0}]},"b":{"~map":[["x",{"~ref":1}]]}}"#,
    r#"[{"~view":{"buffer":{"~id":[1,{"~buffer":{"data":"AQI="}}]},"length":1,"offset":1,"type":"DataView"}},{"~ref":1},{"~view":{"buffer":{"~ref":1},"length":2,"offset":0,"type":"DataView"}},{"~view":{"buffer":{"~ref":1},"length":2,"offset":0,"type":"Int8Array"}}]"#,
];

#[test]
fn what_is_not_told_as_lost_comes_back_equal() {
    for (format, input) in formats() {
        let mut lost = BTreeSet::new();
        for line in CASES.lines() {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            // A binary key is not a value.
            if let Some(canonical) =
                case["canonical"].as_str().filter(|text| !text.contains("{\"~binary\""))
            {
                lost.extend(through(&format, input, canonical));
            }
        }
        MORE.iter().for_each(|value| lost.extend(through(&format, input, value)));
        // Each kind of loss that a single value can cause is caused by one of these.
        let page = include_str!("../../../doc/reference/exports.md");
        let schema = [
            "index",
            "index-names",
            "key-generator",
            "key-path",
            "empty-name",
            "schema",
            "out-of-line-keys",
            "unique-index",
            "unmakeable-schema",
        ];
        for row in
            page.lines().filter(|row| row.starts_with("| `") && row.matches('|').count() == 5)
        {
            let cells: Vec<_> = row.split('|').map(str::trim).collect();
            let (kind, cell) = (
                cells[1].trim_matches('`'),
                cells[if input == Some(Dialect::Playwright) { 2 } else { 3 }],
            );
            let said = cell != "kept" && !cell.starts_with("see ") && !schema.contains(&kind);
            assert!(!said || lost.contains(kind), "{input:?}: {kind} is not shown");
            assert!(
                said || !lost.contains(kind),
                "{input:?}: {kind} is lost, the page does not say so"
            );
        }
    }
}

#[test]
fn each_loss_is_told_at_its_place() {
    let lines = |format: &ExportFormat, value: &str| {
        let (_, losses) = document(format, ObjectStore::new("data".into(), None), "1", value);
        losses.lines().map(|line| line.to_json()).collect::<Vec<_>>()
    };
    let [(playwright, _), (dexie, _)] = formats();
    let value = r#"{"a":{"b":[{"~blob":{"blake3":"af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262","data":"","size":0,"type":""}}]},"incomplete":{"~number":"-0"}}"#;
    assert_eq!(
        lines(&playwright, value),
        [
            r#"{"count":1,"path":"data.a.b[]","type":"loss","what":"blob"}"#,
            r#"{"count":1,"left_out":0,"type":"losses"}"#
        ]
    );
    assert_eq!(
        lines(&dexie, value),
        [
            r#"{"count":1,"path":"data.incomplete","type":"loss","what":"incomplete-member"}"#,
            r#"{"count":1,"path":"data.incomplete","type":"loss","what":"negative-zero"}"#,
            r#"{"count":2,"left_out":0,"type":"losses"}"#
        ]
    );
}

#[test]
fn schemas_are_written_in_each_program_s_words() {
    let index = |name: &str, key_path: KeyPath, unique: bool, multi_entry: bool| Index {
        name: name.into(),
        key_path,
        unique,
        multi_entry,
    };
    let path = |path: &str| KeyPath::Path(path.into());
    let store = ObjectStore {
        auto_increment: true,
        indexes: vec![
            index("[a+b]", KeyPath::Paths(vec!["a".into(), "b".into()]), false, false),
            index("by mail", path("mail"), true, false),
            index("second", path("mail"), false, false),
            index("tags", path("tags"), false, true),
            index("whole", path(""), false, false),
        ],
        ..ObjectStore::new("data".into(), Some(path("id")))
    };
    let (text, losses) = document(&ExportFormat::Dexie, store.clone(), "1", "{\"id\":1}");
    let text = String::from_utf8(text).unwrap();
    assert!(
        text.contains(r#""databaseVersion":2.5,"#)
            && text.contains(r#""schema":"++id,[a+b],&mail,*tags""#),
        "{text}"
    );
    let lines: Vec<_> = losses.lines().map(|line| line.to_json()).collect();
    assert!(lines[0].contains(what::INDEX) && lines[0].contains("\"count\":2"), "{lines:?}");
    assert!(lines[1].contains(what::INDEX_NAMES) && lines[1].contains("\"count\":1"), "{lines:?}");
    let (text, losses) = document(&formats()[0].0, store.clone(), "1", "{\"id\":1}");
    assert!(losses.is_empty());
    let decoder = Decoder::open(&text[..], DecodeOptions::default()).unwrap();
    assert_eq!(decoder.header().schema, Database::new("shop".into(), 25, vec![store]).unwrap());
    let whole = ObjectStore::new("data".into(), Some(path("")));
    let (text, losses) = document(&ExportFormat::Dexie, whole, "5", "5");
    assert!(String::from_utf8(text).unwrap().contains(r#""inbound":false,"rows":[{"$":[5,5],"#));
    assert!(losses.lines().any(|line| line.to_json().contains(what::KEY_PATH)));
}

#[test]
fn what_cannot_be_written_is_refused() {
    for format in [ExportFormat::Dexie, formats()[0].0.clone()] {
        assert!(Writer::new(&format, &"".into()).is_err());
    }
    for origin in ["", "shop.example", "https://", "https://shop.example/path", "https://é.example"]
    {
        let format = ExportFormat::Playwright { origin: origin.to_owned() };
        assert!(Writer::new(&format, &"shop".into()).is_err(), "{origin}");
    }
    let holes = r#"{"~array":{"items":[],"length":4294967295,"members":[]}}"#;
    let manifest = manifest(ObjectStore::new("data".into(), None));
    for format in [formats()[0].0.clone(), ExportFormat::Json] {
        let mut writer = Writer::new(&format, &manifest.database).unwrap();
        let (key, value) = (Tree::Number(b"1"), Tree::read(holes.as_bytes()).unwrap());
        let done = writer.record(
            &manifest.stores[0],
            &key,
            &value,
            &mut Vec::new(),
            &mut Losses::default(),
        );
        assert_eq!(done, None);
    }
    assert!(through(&ExportFormat::Dexie, Some(Dialect::Dexie), holes).is_empty());
}

#[test]
fn json_is_what_stringify_makes() {
    let value = r#"{"a":{"~undefined":true},"b":[{"~undefined":true},{"~number":"NaN"}],"c":{"~date":0},"d":{"~map":[]},"e":{"~boxed":"x"},"~~f":1,"g":{"~id":[1,{"~view":{"buffer":{"~buffer":{"data":"AQI="}},"length":2,"offset":0,"type":"Uint8Array"}}]},"h":{"~ref":1}}"#;
    let (text, losses) =
        document(&ExportFormat::Json, ObjectStore::new("data".into(), None), "1", value);
    let expected = r#"{"data":[{"b":[null,null],"c":"1970-01-01T00:00:00.000Z","d":{},"e":"x","~f":1,"g":{"0":1,"1":2},"h":null}]}"#;
    assert_eq!(String::from_utf8(text).unwrap(), format!("{expected}\n"));
    assert_eq!(losses.total(), 9);
}

/// Texts of values of all kinds, in canonical form.
fn values() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "a",
        "b",
        "",
        "~",
        "~~x",
        "a.b",
        "a~1",
        "$types",
        "$",
        "length",
        "0",
        "__proto",
        "é",
        "\u{1f600}",
    ]);
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i32>().prop_map(|value| value.to_string()),
        "[ -~é]{0,6}".prop_map(|text| serde_json::to_string(&text).unwrap()),
        any::<i64>().prop_map(|value| format!("{{\"~bigint\":\"{value}\"}}")),
        (-8_640_000_000_000_000_i64..=8_640_000_000_000_000).prop_map(|ms| format!("{{\"~date\":{ms}}}")),
        prop::sample::select(vec![
            r#"{"~undefined":true}"#,
            r#"{"~number":"NaN"}"#,
            r#"{"~number":"-Infinity"}"#,
            r#"{"~utf16":"ANg="}"#,
            r#"{"~regexp":["a/b","gi"]}"#,
            r#"{"~buffer":{"data":"AQID"}}"#,
            r#"{"~view":{"buffer":{"~buffer":{"data":"AQIDBA=="}},"length":2,"offset":0,"type":"Int16Array"}}"#,
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        let list = prop::collection::vec(inner.clone(), 0..5);
        let member = (name.clone(), inner.clone());
        prop_oneof![
            list.clone().prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec(member, 0..5).prop_map(|members| {
                let members: std::collections::BTreeMap<_, _> = members.into_iter().collect();
                let escape = |name: &str| if name.starts_with('~') { format!("~{name}") } else { name.to_owned() };
                let text = members
                    .iter()
                    .map(|(name, value)| format!("{}:{value}", serde_json::to_string(&escape(name)).unwrap()));
                format!("{{{}}}", text.collect::<Vec<_>>().join(","))
            }),
            prop::collection::vec((0_u32..1000, inner.clone()), 0..4).prop_map(|pairs| {
                let pairs: std::collections::BTreeMap<_, _> = pairs.into_iter().collect();
                let pairs: Vec<_> = pairs.iter().map(|(key, value)| format!("[{key},{value}]")).collect();
                format!("{{\"~map\":[{}]}}", pairs.join(","))
            }),
            list.prop_map(|items| {
                let items: Vec<_> = items.iter().map(|item| format!("[{item}]")).collect();
                format!("{{\"~set\":[{}]}}", items.join(","))
            }),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| {
                format!("{{\"a\":{{\"~id\":[1,{{\"x\":{a},\"self\":{{\"~ref\":1}}}}]}},\"b\":[{{\"~ref\":1}},{b}]}}")
            }),
            (inner, 0_u32..4).prop_map(|(value, place)| format!(
                "{{\"~array\":{{\"length\":5,\"items\":[[{place},{value}]],\"members\":[[\"m.n\",1]]}}}}"
            )),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// A text that defines an id twice is not a value. All others come back, or report a loss.
    #[test]
    fn random_values_come_back(text in values()) {
        let mut canonical = Vec::new();
        prop_assume!(Canonicalizer::default().value(text.as_bytes(), &mut canonical).is_ok());
        let canonical = String::from_utf8(canonical).unwrap();
        for (format, input) in formats() {
            through(&format, input, &canonical);
        }
        document(&ExportFormat::Json, ObjectStore::new("data".into(), None), "1", &canonical);
    }
}
