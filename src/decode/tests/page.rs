//! Every code block of `doc/reference/changes.md` is read by the decoder, and agrees with the JSON
//! schema.

use serde_json::Value;

use super::*;

const PAGE: &str = include_str!("../../../doc/reference/changes.md");

fn blocks() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut blocks = Vec::new();
    for part in PAGE.split("\n```ndjson ").skip(1) {
        let (kind, rest) = part.split_once('\n').unwrap();
        let (text, _) = rest.split_once("\n```").unwrap();
        blocks.push((kind, text.lines().collect()));
    }
    blocks
}

#[test]
fn every_example_is_what_the_page_says() {
    let mut kinds = Vec::new();
    for (kind, lines) in blocks() {
        kinds.push(kind.split(':').next().unwrap());
        let whole = lines.join("\n") + "\n";
        let items = match kind {
            "batch" => {
                let decoded = decode(whole.as_bytes(), DecodeOptions::default());
                assert_eq!(decoded.end.unwrap().changes, lines.len() as u64 - 2, "{whole}");
                continue;
            }
            "records" => {
                let decoded = decode(whole.as_bytes(), records());
                assert_eq!(decoded.end.unwrap().changes, lines.len() as u64, "{whole}");
                continue;
            }
            "end" => {
                assert_eq!(lines.len(), 1);
                continue;
            }
            _ => batch(&lines).items,
        };
        for (item, line) in items.iter().zip(&lines) {
            match kind.strip_prefix("reject:") {
                Some(reason) => assert_eq!(item, reason, "{line}"),
                None => assert!(
                    item.contains(if kind == "delete-range" { " range " } else { kind }),
                    "{item}: {line}"
                ),
            }
        }
        assert_eq!(items.len(), lines.len(), "{kind}");
    }
    for kind in ["batch", "put", "delete", "delete-range", "clear", "end", "records", "reject"] {
        assert!(kinds.contains(&kind), "{kind}");
    }
}

/// Validates the part of JSON Schema that the schema uses; panics at anything else, so that nothing
/// is left unchecked silently.
fn valid(schema: &Value, root: &Value, value: &Value) -> bool {
    let integer = |value: &Value| value.as_f64().filter(|number| number.fract() == 0.0);
    schema.as_object().unwrap().iter().all(|(word, rule)| match word.as_str() {
        "$schema" | "$id" | "$defs" | "title" | "description" | "patternProperties" => true,
        "$ref" => valid(
            root.pointer(rule.as_str().unwrap().trim_start_matches('#')).unwrap(),
            root,
            value,
        ),
        "const" => rule == value,
        "enum" => rule.as_array().unwrap().contains(value),
        "oneOf" => {
            rule.as_array().unwrap().iter().filter(|rule| valid(rule, root, value)).count() == 1
        }
        "anyOf" => rule.as_array().unwrap().iter().any(|rule| valid(rule, root, value)),
        "type" => match rule.as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            "integer" => integer(value).is_some(),
            other => panic!("type {other}"),
        },
        "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap()),
        "maximum" => value.as_f64().is_none_or(|number| number <= rule.as_f64().unwrap()),
        "minItems" => {
            value.as_array().is_none_or(|items| items.len() as u64 >= rule.as_u64().unwrap())
        }
        "items" => {
            value.as_array().is_none_or(|items| items.iter().all(|item| valid(rule, root, item)))
        }
        "required" => {
            let has = |name: &Value| value.get(name.as_str().unwrap()).is_some();
            !value.is_object() || rule.as_array().unwrap().iter().all(has)
        }
        "dependentRequired" => rule.as_object().unwrap().iter().all(|(name, needed)| {
            value.get(name).is_none()
                || needed
                    .as_array()
                    .unwrap()
                    .iter()
                    .all(|name| value.get(name.as_str().unwrap()).is_some())
        }),
        "pattern" => {
            let text = value.as_str();
            match rule.as_str().unwrap() {
                "^[A-Za-z0-9._:-]{1,64}$" => {
                    text.is_none_or(|text| text.parse::<crate::snapshot::id::SourceId>().is_ok())
                }
                "^[0-9a-f]{64}$" => {
                    text.is_none_or(|text| text.parse::<crate::snapshot::id::StateId>().is_ok())
                }
                other => panic!("pattern {other}"),
            }
        }
        "properties" => rule
            .as_object()
            .unwrap()
            .iter()
            .all(|(name, rule)| value.get(name).is_none_or(|value| valid(rule, root, value))),
        "additionalProperties" => {
            assert_eq!(rule, false);
            let own = schema.get("patternProperties").is_some();
            let known = |name: &String| {
                schema["properties"].get(name).is_some() || (own && name.starts_with("x-"))
            };
            value.as_object().is_none_or(|members| members.keys().all(known))
        }
        other => panic!("{other} is not checked"),
    })
}

#[test]
fn the_schema_and_the_decoder_agree() {
    let schema: Value =
        serde_json::from_str(include_str!("../indexeddb-changes-1.schema.json")).unwrap();
    // A schema cannot express these: they depend on another line (the header), or on JSON itself.
    let beyond = ["syntax", "duplicate-member", "unknown-store", "line-too-long", "depth"];
    let mut seen = 0;
    for (kind, lines) in blocks().into_iter().chain(fixtures()) {
        for line in lines {
            let Ok(value) = serde_json::from_str::<Value>(line) else { continue };
            let reason = kind.strip_prefix("reject:");
            if kind == "records"
                || reason.is_some_and(|reason| beyond.contains(&reason))
                || line.contains("keyless\"")
            {
                continue;
            }
            seen += 1;
            assert_eq!(valid(&schema, &schema, &value), reason.is_none(), "{kind}: {line}");
        }
    }
    assert!(seen > 30, "{seen}");
    for (index, _) in schema["oneOf"].as_array().unwrap().iter().enumerate() {
        assert!(schema.pointer(&format!("/oneOf/{index}/$ref")).is_some());
    }
}

const ALL: &str = include_str!("../../../tests/fixtures/changes/all-lines.ndjson");
const BAD: &str = include_str!("../../../tests/fixtures/changes/bad-lines.ndjson");
const HEADERS: &str = include_str!("../../../tests/fixtures/changes/bad-headers.ndjson");

/// Returns the lines of the fixtures, with those that the decoder rejects under their reason.
fn fixtures() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut blocks =
        vec![("all", ALL.lines().collect()), ("reject:header", HEADERS.lines().collect())];
    let lines: Vec<_> = BAD.lines().collect();
    for (line, reason) in
        lines[1..].iter().zip(decode(BAD.as_bytes(), DecodeOptions::default()).items)
    {
        let kind = format!(
            "reject:{}",
            code::ALL.iter().find(|code| **code == reason).unwrap_or_else(|| panic!("{line}"))
        );
        blocks.push((kind.leak(), vec![*line]));
    }
    blocks
}

#[test]
fn fixtures_are_decoded_as_ever() {
    let decoded = decode(ALL.as_bytes(), DecodeOptions::default());
    let counts = decoded.end.as_ref().unwrap();
    assert_eq!((counts.changes, counts.rejected), (11, 0));
    let expected = [
        r#"0:1 put 1 {"id":1} 1700000000123 v3"#,
        r#"1:1 put - "x" - {"id":1}"#,
        "2:1 put - null -5 absent",
        "3:2 put - [] - -",
        r#"4:1 put 1 {"id":1} 1700000000123 -"#,
        "5:1 delete 3 1700000000123 -",
        r#"6:1 delete {"~binary":"AA=="} 0 v7"#,
        "7:0 range 1 9 open 1",
        "8:0 range - [] -",
        "9:0 clear 1",
        r#"10:0 put "k" 5 - -"#,
    ];
    assert_eq!(decoded.items, expected);

    let decoded = decode(BAD.as_bytes(), DecodeOptions::default());
    assert_eq!(decoded.end.as_ref().map(|counts| (counts.changes, counts.rejected)), Ok((0, 30)));
}

#[test]
fn bad_headers_are_refused_and_say_which_member() {
    for header in HEADERS.lines() {
        let member = header.split("\"x-member\":\"").nth(1).unwrap().split('"').next().unwrap();
        let decoded = decode(
            format!("{header}\n{{\"op\":\"end\",\"count\":0}}\n").as_bytes(),
            DecodeOptions::default(),
        );
        let expected = format!("the header (line 1): {member}: ");
        assert!(decoded.error().starts_with(&expected), "{header}: {:?}", decoded.end);
    }
}
