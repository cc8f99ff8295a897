//! Any text as an expression over fixed sides: never a panic, mistakes point into the text, and what is given is canonical.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use nifi_idb::indexeddb::value::Canonicalizer;
use nifi_idb::policy::{Expression, SideMeta, Variables, Wanted};

fn side(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    Canonicalizer::default().value(text.as_bytes(), &mut out).expect("a value");
    out
}

static HEAD: LazyLock<Vec<u8>> = LazyLock::new(|| {
    side(
        r#"{"a":1,"b":"text","c":[1,"x",{"d":null}],"d":{"~date":1700000000000},"e":{"f":{"g":true}},"h":{"~bigint":"7"},
        "i":{"~set":[1,2]},"j":{"~map":[["k",1]]},"l":{"~buffer":{"data":"AQID"}},"m":{"~number":"NaN"},"n":{"~regexp":["a",""]},
        "o":{"~id":[1,{}]},"p":{"~ref":1},"q":"ä😀\"","~~r":{"~bigint":"99999999999999999999"}}"#,
    )
});
static INCOMING: LazyLock<Vec<u8>> = LazyLock::new(|| side(r#"{"a":2.5,"b":"other","c":[],"d":{"~date":null},"s":-0.0}"#));

fuzz_target!(|source: &str| {
    let mistakes = Expression::compile(source, Wanted::Condition).err().into_iter().flatten();
    for mistake in mistakes {
        assert!(source.get(mistake.start..mistake.end).is_some(), "{mistake:?}");
        assert!(!mistake.message.is_empty() && !mistake.message.contains('\n'), "{mistake:?}");
    }
    let Ok(expression) = Expression::compile(source, Wanted::Value) else { return };
    assert_eq!(expression.source(), source);
    let variables = Variables {
        base: None,
        head: Some(&HEAD),
        incoming: Some(&INCOMING),
        head_meta: SideMeta { at: Some(1), by: Some("a"), rev: Some(2) },
        incoming_meta: SideMeta::default(),
        store: "store",
        key: br#"[1,{"~binary":"AQ=="}]"#,
        conflict: "update-update",
        field: "a.b",
        now: 1_700_000_000_000,
    };
    let _ = expression.holds(&variables);
    let value = expression.value(&variables);
    assert_eq!(value, expression.value(&variables));
    if let Ok(value) = value {
        let mut again = Vec::new();
        Canonicalizer::default().value(&value, &mut again).expect("it is a value");
        assert_eq!(again, value);
    }
});
