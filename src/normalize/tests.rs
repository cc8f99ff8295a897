//! Policies applied to values: private fields, and fields that contain a clock.

mod rows;

use std::sync::Arc;

use super::*;
use crate::decode::{DecodeOptions, Decoder};
use crate::indexeddb::key::Key;
use crate::policy::{FieldPath, HashKey, Hide, Policy};
use crate::snapshot::LineState;

const HEADER: &str = r#"{"format":"indexeddb-changes/1","database":"shop","stores":[{"name":"data","keyPath":"id"},{"name":"free","keyPath":"id"}]}"#;

/// Returns a policy for `data`.
fn policy(fields: &[(&str, Hide)], clock: Option<&str>) -> Policy {
    let mut policy = Policy::default();
    let mut store = policy.default.clone();
    store.privacy.fields =
        fields.iter().map(|(path, hide)| (FieldPath::parse(path).unwrap(), *hide)).collect();
    store.clock_field = clock.map(|path| FieldPath::parse(path).unwrap());
    policy.stores.insert("data".into(), store);
    policy
}

fn options(policy: Policy) -> NormalizeOptions {
    NormalizeOptions { policy: Some(Arc::new(policy)), ..NormalizeOptions::received_at(1_000) }
}

/// Normalizes a batch; returns it with its folded changes and the report lines of rejections.
fn run(options: &NormalizeOptions, lines: &[&str]) -> (Batch, Vec<Folded>, Vec<String>) {
    let text =
        format!("{HEADER}\n{}\n{{\"op\":\"end\",\"count\":{}}}\n", lines.join("\n"), lines.len());
    let mut decoder = Decoder::open(text.as_bytes(), DecodeOptions::default()).unwrap();
    let mut rejected = Vec::new();
    let batch = normalize(&mut decoder, options, &mut |rejection| {
        rejected.push(rejection.to_json());
        Ok(())
    });
    let batch = batch.unwrap();
    let mut folds = batch.changes.folds(0).unwrap();
    let folded = std::iter::from_fn(|| folds.next().unwrap()).collect();
    (batch, folded, rejected)
}

fn value(folded: &Folded) -> &str {
    let LineState::Put(value) = &folded.state else { panic!("{folded:?}") };
    std::str::from_utf8(value).unwrap()
}

#[test]
fn values_and_bases_are_hidden_alike_and_only_where_the_policy_says_so() {
    let options = options(policy(&[("mail", Hide::Exclude), ("note", Hide::Redact)], None));
    let (batch, folded, rejected) = run(
        &options,
        &[
            r#"{"op":"put","store":"data","value":{"id":1,"mail":"m","note":"n"},"base":{"value":{"id":1,"mail":"k","x":0}}}"#,
            r#"{"op":"put","store":"free","value":{"id":1,"mail":"m","note":"n"}}"#,
            r#"{"op":"delete","store":"data","key":2,"base":{"value":{"id":2,"mail":"m"}}}"#,
            r#"{"op":"put","store":"data","value":{"id":3},"base":{"absent":true}}"#,
        ],
    );
    assert!(rejected.is_empty(), "{rejected:?}");
    assert_eq!(batch.hidden, Hidden { excluded: 1, hashed: 0, redacted: 1 });
    assert_eq!(folded[0].claim, Claim::Value(br#"{"id":1,"x":0}"#.as_slice().into()));
    assert_eq!(value(&folded[0]), r#"{"id":1,"note":"[redacted]"}"#);
    assert_eq!(folded[1].claim, Claim::Value(br#"{"id":2}"#.as_slice().into()));
    assert_eq!(folded[2].claim, Claim::Absent);
    assert_eq!(value(&folded[3]), r#"{"id":1,"mail":"m","note":"n"}"#);
}

#[test]
fn what_cannot_be_hidden_is_rejected_without_a_word_of_it() {
    let options = options(policy(&[("a.mail", Hide::Exclude), ("id", Hide::Exclude)], None));
    let shared = r#"{"op":"put","store":"data","value":{"id":1,"a":{"~id":[1,{"mail":"seCret"}]},"b":{"~ref":1}}}"#;
    let (batch, folded, rejected) =
        run(&options, &[shared, r#"{"op":"delete","store":"data","key":1}"#]);
    let message = "a private field cannot be hidden: it holds the object store's key, and keys are never hidden";
    let line = format!(
        r#"{{"line":2,"message":"{message}","offset":{},"reason":"private-field","store":"data","type":"rejected"}}"#,
        HEADER.len() + 1
    );
    assert_eq!(rejected, [line], "deletes have no value");
    assert_eq!((folded.len(), batch.rejected, batch.hidden), (1, 1, Hidden::default()));

    let hides = |base: &str| {
        format!(r#"{{"op":"put","store":"data","value":{{"id":1}},"base":{{"value":{base}}}}}"#)
    };
    let options = self::options(policy(&[("b.mail", Hide::Exclude)], None));
    let (_, folded, rejected) =
        run(&options, &[shared, &hides(r#"{"a":{"~id":[1,{"mail":"seCret"}]},"b":{"~ref":1}}"#)]);
    assert!(folded.is_empty() && rejected.len() == 2, "{rejected:?}");
    assert!(
        rejected.iter().all(|line| line.contains("\"private-field\"") && !line.contains("seCret")),
        "{rejected:?}"
    );
}

#[test]
fn no_batch_is_hashed_without_a_key() {
    let options = options(policy(&[("mail", Hide::Hash)], None));
    let text = format!("{HEADER}\n{{\"op\":\"end\",\"count\":0}}\n");
    let mut decoder = Decoder::open(text.as_bytes(), DecodeOptions::default()).unwrap();
    let refused = normalize(&mut decoder, &options, &mut |_| Ok(()));
    assert!(matches!(refused, Err(NormalizeError::NoHashKey)));
    let options =
        NormalizeOptions { hash_key: HashKey::from_secret("0123456789abcdef"), ..options };
    let (batch, folded, _) =
        run(&options, &[r#"{"op":"put","store":"data","value":{"id":1,"mail":"m"}}"#]);
    assert!(value(&folded[0]).starts_with(r#"{"id":1,"mail":"blake3:"#), "{}", value(&folded[0]));
    assert_eq!(batch.hidden, Hidden { hashed: 1, ..Hidden::default() });
}

#[test]
fn a_clock_in_the_value_counts_where_the_line_has_none() {
    let rules = || policy(&[("t", Hide::Exclude)], Some("t.at"));
    let skewed = Policy { max_skew_ms: Some(7), ..rules() };
    for (rest, clock, clamped) in [
        (r#""value":{"id":1,"t":{"at":500}}"#, Some(500), 0),
        (r#""value":{"id":1,"t":{"at":{"~date":-500}}}"#, Some(-500), 0),
        (r#""value":{"id":1,"t":{"at":500}},"at":600"#, Some(600), 0),
        (r#""value":{"id":1,"t":{"at":2000}}"#, Some(1_007), 1),
        (r#""value":{"id":1,"t":{"at":8640000000000000}}"#, Some(1_007), 1),
        (r#""value":{"id":1,"t":{"at":8640000000000001}}"#, None, 0),
        (r#""value":{"id":1,"t":{"at":500.5}}"#, None, 0),
        (r#""value":{"id":1,"t":{"at":1e300}}"#, None, 0),
        (r#""value":{"id":1,"t":{"at":"500"}}"#, None, 0),
        (r#""value":{"id":1,"t":{"at":{"~date":null}}}"#, None, 0),
        (r#""value":{"id":1,"t":{"at":{"~number":"-0"}}}"#, None, 0),
        (r#""value":{"id":1,"t":[{"at":500}]}"#, None, 0),
        (r#""value":{"id":1}"#, None, 0),
    ] {
        let line = format!(r#"{{"op":"put","store":"data",{rest}}}"#);
        let (batch, folded, rejected) = run(&options(skewed.clone()), &[&line]);
        assert!(rejected.is_empty(), "{rejected:?}");
        assert_eq!((folded[0].clock, batch.clamped), (clock, clamped), "{rest}");
        assert_eq!(
            value(&folded[0]),
            r#"{"id":1}"#,
            "the clock is read before its field is hidden"
        );
    }
    let other = r#"{"op":"put","store":"free","value":{"id":1,"t":{"at":500}}}"#;
    let delete =
        r#"{"op":"delete","store":"data","key":2,"base":{"value":{"id":2,"t":{"at":500}}}}"#;
    let (_, folded, _) = run(&options(skewed), &[other, delete]);
    assert_eq!(
        (folded[0].key.clone(), folded[0].clock),
        (Key::Number(2.0).to_sortable().unwrap(), None)
    );
    assert_eq!(folded[1].clock, None);
    // If the policy does not set it, the option applies.
    let late = r#"{"op":"put","store":"data","value":{"id":1,"t":{"at":2000}}}"#;
    let options = NormalizeOptions { skew_ms: 20, ..options(rules()) };
    assert_eq!(run(&options, &[late]).1[0].clock, Some(1_020));
}
