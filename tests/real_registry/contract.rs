//! Real servers still answer as they were recorded to.

use super::replay;
use super::server::{Distribution, Provider, RealRegistry, needed, turn};
use std::time::Instant;

fn check(distribution: &Distribution, provider: Provider, recording: &str) {
    let _turn = turn();
    let registry = RealRegistry::start(distribution, provider);
    let start = Instant::now();
    let (differences, count) = replay::replay(&registry.url(), &replay::load(recording));
    eprintln!("{count} exchanges of {recording}: {:.1?}", start.elapsed());
    assert!(count > 380, "{recording}: only {count} exchanges");
    let text: Vec<_> = differences
        .iter()
        .map(|it| format!("{} {}: {}", it.scenario, it.number, it.text))
        .collect();
    assert!(
        text.is_empty(),
        "{recording}, {provider:?}: {} of {count} differ\n{}",
        text.len(),
        text.join("\n")
    );
}

#[test]
fn assembled_0_8_0_file() {
    check(&needed(Distribution::assembled()), Provider::File, "registry-0.8.0-file.json");
}

/// 0.8.0 answers alike with both providers, so there is one recording.
#[test]
fn assembled_0_8_0_database() {
    check(&needed(Distribution::assembled()), Provider::Database, "registry-0.8.0-file.json");
}

/// A distribution at hand is held to the recording of its release.
#[test]
#[ignore = "needs NIFI_REGISTRY_HOME; run with --include-ignored"]
fn distribution_at_hand() {
    let distribution = needed(Distribution::from_environment());
    for (provider, name) in [(Provider::File, "file"), (Provider::Database, "database")] {
        let recording = format!("registry-{}-{name}.json", distribution.release);
        // 0.8.0 has one recording for both.
        let recording = recording.replace("0.8.0-database", "0.8.0-file");
        let known = replay::recording_path(&recording).exists();
        assert!(
            known,
            "NOT RUN: needs a release that was recorded; {} was not",
            distribution.release
        );
        check(&distribution, provider, &recording);
    }
}

/// What was stored is there after `kill -9`, and the next number is free.
#[test]
fn survives_a_kill() {
    let _turn = turn();
    let mut registry = RealRegistry::start(&needed(Distribution::assembled()), Provider::Database);
    let recording = replay::load("registry-0.8.0-file.json");
    let bucket = recording.into_iter().filter(|(name, _)| name == "empty-flow").collect();
    assert!(replay::replay(&registry.url(), &bucket).0.is_empty());
    let url = registry.url();
    registry.kill();
    registry.start_again().expect("it starts on what it had stored");
    assert_eq!(registry.url(), url);
    let probe = replay::Sent {
        method: "GET".to_owned(),
        path: "/buckets".to_owned(),
        ..replay::Sent::default()
    };
    let reply = replay::send(&registry.url(), &probe).expect("it answers");
    let buckets: serde_json::Value =
        String::from_utf8_lossy(&reply.body).parse().expect("a list is JSON");
    assert_eq!(buckets.as_array().map(Vec::len), Some(1));
}
