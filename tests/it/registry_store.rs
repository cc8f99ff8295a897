//! NiFi Registry as a snapshot store, on the doubles of three releases: what it promises, what it costs, and that it is
//! the same as every other store.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the failure")]

use nifi_idb::report::Outcome;
use nifi_idb::store::git::GitStore;
use nifi_idb::store::memory::MemoryStore;
use nifi_idb::store::registry::{MAX_POST_BYTES, RegistryOptions, RegistryStore};
use nifi_idb::store::{SnapshotReader, SnapshotStore};

use crate::batches::{flow, history, many, put, sync_ok};
use crate::conformance;
use crate::registry_double::{Provider, RegistryDouble, Release};

const RELEASES: [Release; 3] = [Release::V0_8_0, Release::V1_28_1, Release::V2_11_0];

fn open(double: &RegistryDouble) -> RegistryStore {
    RegistryStore::open(RegistryOptions::new(&double.url())).unwrap()
}

fn conforms(release: Release, provider: Provider) {
    // Each case gets a Registry of its own; a double lives as long as its store is used.
    let doubles = std::cell::RefCell::new(Vec::new());
    conformance::run(&|| {
        let double = RegistryDouble::start(release, provider);
        let store = open(&double);
        doubles.borrow_mut().push(double);
        Box::new(store)
    });
}

#[test]
fn conforms_on_0_8_0() {
    conforms(Release::V0_8_0, Provider::File);
}

#[test]
fn conforms_on_1_28_1() {
    conforms(Release::V1_28_1, Provider::File);
}

#[test]
fn conforms_on_2_11_0() {
    conforms(Release::V2_11_0, Provider::Database);
}

/// Method and last segments of every call since the last look.
fn calls(double: &RegistryDouble) -> Vec<String> {
    let shape = |path: &str| {
        let words = path.split('?').next().unwrap_or_default().split('/').skip(1);
        // Identifiers are of no interest here.
        words.map(|word| if word.len() == 36 { "*" } else { word }).collect::<Vec<_>>().join("/")
    };
    let calls = double
        .requests()
        .iter()
        .map(|seen| format!("{} {}", seen.method, shape(&seen.path)))
        .collect();
    double.forget_requests();
    calls
}

#[test]
fn one_changed_record_in_a_large_flow_is_five_calls() {
    for release in RELEASES {
        let double = RegistryDouble::start(release, Provider::Database);
        sync_ok(&open(&double), "", &many(4000));
        sync_ok(&open(&double), "", &[put(5000, "\"later\"")]);
        double.forget_requests();
        // A new process knows nothing but the names.
        let summary = sync_ok(
            &open(&double),
            "",
            &many(1235)[1234..].iter().map(|line| line.replace('x', "y")).collect::<Vec<_>>(),
        );
        assert_eq!((summary.outcome, summary.version.unwrap().get()), (Outcome::Committed, 3));
        let expected = [
            "GET flows/*/versions/latest",
            "GET flows/*/versions/1",
            "POST buckets/*/flows",
            "POST buckets/*/flows/*/versions",
            "POST buckets/*/flows/*/versions",
        ];
        assert_eq!(calls(&double), expected, "{release:?}");
    }
}

#[test]
fn an_unchanged_dump_reads_only_the_parent() {
    let double = RegistryDouble::start(Release::V2_11_0, Provider::Database);
    let full = r#""source":"a","mode":"full""#;
    let (large, small) = (many(4000), many(40));
    for records in [&large, &small] {
        let header = full.replace("\"a\"", &format!("\"s{}\"", records.len()));
        sync_ok(&open(&double), &header, records);
        double.forget_requests();
        let again = sync_ok(&open(&double), &header, records);
        assert_eq!(again.outcome, Outcome::Unchanged);
        assert_eq!(calls(&double), ["GET flows/*/versions/latest"]);
    }
}

#[test]
fn a_first_sync_sends_every_chunk_once_and_nothing_too_large() {
    let double = RegistryDouble::start(Release::V1_28_1, Provider::File);
    sync_ok(&open(&double), "", &many(4000));
    let seen = double.requests();
    assert!(seen.iter().all(|seen| seen.body_bytes <= MAX_POST_BYTES));
    let posts = |end: &str| {
        seen.iter().filter(|seen| seen.method == "POST" && seen.path.ends_with(end)).count()
    };
    let head = open(&double).head(&flow()).unwrap().unwrap();
    let chunks = head.manifest.chunks().filter(|(list, _)| !list.is_system()).count();
    assert!(chunks >= 4, "{chunks}");
    assert_eq!(posts("/versions"), chunks + 1);
    assert_eq!(posts("/flows"), chunks + 1);
    assert_eq!(posts("/buckets"), 2);
    // The same again, from elsewhere: what is there is not sent again.
    let other = nifi_idb::snapshot::FlowName::new("indexeddb", "copy").unwrap();
    double.forget_requests();
    let text = crate::batches::text_of("", &many(4000));
    let options = nifi_idb::pipeline::SyncOptions::default();
    let batch = crate::batches::batch_of(&text);
    nifi_idb::pipeline::sync(&open(&double), &other, &batch, &options, &mut Default::default())
        .unwrap();
    let large = double.requests().iter().filter(|seen| seen.body_bytes > 100_000).count();
    assert_eq!(large, 0, "chunks are shared between flows");
}

/// `more` records beside the odd ones: few travel in the parent, many in chunk flows.
fn same_everywhere(more: usize) {
    let expected = history(&MemoryStore::default(), more);
    assert_eq!(
        expected.iter().map(|(_, state, _)| state).collect::<std::collections::BTreeSet<_>>().len(),
        5
    );
    // A version that is given back and taken again is the same data.
    let again = MemoryStore::default();
    let batch = crate::batches::batch_of(&expected[0].2);
    let options = nifi_idb::pipeline::SyncOptions::default();
    let summary =
        nifi_idb::pipeline::sync(&again, &flow(), &batch, &options, &mut Default::default())
            .unwrap();
    assert_eq!(summary.root.unwrap().to_string(), expected[0].0);

    let dir = tempfile::tempdir().unwrap();
    let same = |store: &dyn SnapshotStore| {
        for (version, (found, expected)) in history(store, more).iter().zip(&expected).enumerate() {
            let what = format!("version {} in {}", version + 1, store.describe());
            assert_eq!(
                (&found.0, &found.1),
                (&expected.0, &expected.1),
                "root and state of {what}"
            );
            assert!(found.2 == expected.2, "the text of {what} differs");
        }
    };
    same(&GitStore::new(&dir.path().join("repo")).unwrap());
    for release in RELEASES {
        for provider in [Provider::File, Provider::Database] {
            let double = RegistryDouble::start(release, provider);
            same(&open(&double));
        }
    }
}

#[test]
fn the_same_bytes_have_the_same_root_and_state_everywhere() {
    same_everywhere(0);
}

#[test]
fn in_chunk_flows_too() {
    same_everywhere(1500);
}
