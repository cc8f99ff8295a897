//! The program with a NiFi Registry as its store.

use std::fs;

use super::{EXAMPLE, Place, RECORDS, Ran, committed, finish, unchanged};
use crate::registry_double::{Fault, On, Provider, RegistryDouble, Release};

/// Records to a Registry double, and nothing repeated that failed.
fn sync_to(registry: &RegistryDouble, place: &Place, args: &[&str], token: &str) -> Ran {
    let url = registry.url();
    let limits = [
        "--call-timeout",
        "500ms",
        "--connect-timeout",
        "2s",
        "--retries",
        "0",
        "--deadline",
        "20s",
    ];
    let args = [&["sync", "--store", &url], &limits[..], &RECORDS[..], args].concat();
    finish(place.command(&args).env("NIFI_IDB_TOKEN", token).spawn().unwrap(), EXAMPLE.as_bytes())
}

#[test]
fn a_registry_gives_back_what_git_gives_back() {
    let place = Place::new();
    let in_git = place.records(EXAMPLE).summary();
    for release in [Release::V0_8_0, Release::V1_28_1, Release::V2_11_0] {
        let registry = RegistryDouble::start(release, Provider::Database);
        let ran = sync_to(&registry, &place, &["--received-at", "1700000000000"], "");
        assert_eq!(ran.done(), committed(1));
        // The same history has the same state everywhere.
        assert_eq!(ran.summary(), in_git);
        assert_eq!(sync_to(&registry, &place, &[], "").done(), unchanged(1));
        let restore = ["restore", "--store", &registry.url(), "--format", "records"];
        assert_eq!(place.run(&restore, "").out, EXAMPLE);
        assert_eq!(place.run(&["doctor", "--store", &registry.url()], "").status, Some(0));
        assert_eq!(place.run(&["verify", "--store", &registry.url()], "").status, Some(0));
    }
}

#[test]
fn a_wrong_token_is_denied_and_not_repeated() {
    let place = Place::new();
    let registry = RegistryDouble::start(Release::V2_11_0, Provider::Database);
    registry.require_authorization("Bearer right");
    for token in ["hunter2", ""] {
        let ran = sync_to(&registry, &place, &[], token);
        ran.failed(8, "credentials are missing or not accepted");
        assert!(!ran.err.contains("hunter2"));
        assert_eq!(ran.summary()["outcome"], "failed");
    }
    fs::write(place.path().join("token"), "right\n").unwrap();
    assert_eq!(
        sync_to(&registry, &place, &["--token-file", "token"], "hunter2").done(),
        committed(1)
    );
    assert_eq!(sync_to(&registry, &place, &[], "right").done(), unchanged(1));
}

#[test]
fn a_registry_that_fails_or_says_nothing_is_transient() {
    let place = Place::new();
    for fault in [Fault::internal_error(), Fault::Silence, Fault::LostRequest] {
        let registry = RegistryDouble::start(Release::V1_28_1, Provider::Database);
        registry.inject(On::next("", "").times(1_000), fault.clone());
        let ran = sync_to(&registry, &place, &[], "");
        ran.failed(4, "");
        assert_eq!(ran.summary()["outcome"], "failed", "{fault:?}");
    }
}

#[test]
fn a_version_whose_answer_was_lost_is_known_for_its_own() {
    let place = Place::new();
    for fault in [Fault::LostAnswer, Fault::CutAnswer] {
        let registry = RegistryDouble::start(Release::V2_11_0, Provider::Database);
        registry.inject(On::next("POST", "versions"), fault.clone());
        assert_eq!(sync_to(&registry, &place, &[], "").done(), committed(1), "{fault:?}");
        assert!(registry.all_faults_struck());
    }
}

#[test]
fn a_registry_that_is_not_there_is_transient() {
    let place = Place::new();
    let args = ["sync", "--store", "http://127.0.0.1:1", "--retries", "0", "--deadline", "20s"];
    let ran = place.run(&[&args, &RECORDS[..]].concat(), EXAMPLE);
    ran.failed(4, "");
    let summary = ran.summary();
    assert_eq!((&summary["outcome"], &summary["flow"]), (&"failed".into(), &"myDatabase".into()));
}
