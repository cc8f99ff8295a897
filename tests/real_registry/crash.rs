//! `kill -9` of the Registry while it is written to: nothing that was acknowledged is missing, and the next run goes on.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use super::batches::{flow, restored, versions};
use super::conformance::{open, wipe};
use super::program::{self, Ended};
use super::server::{Distribution, Provider, RealRegistry, needed, turn};

/// When the Registry is killed, after the start of a sync.
const MOMENTS: [Duration; 2] = [Duration::from_millis(700), Duration::from_millis(2500)];

/// Records of a large sync, of about 1 KiB each.
const RECORDS: usize = 24_000;

/// Small syncs, one after another, until the Registry is gone; at most this many.
const SMALL: usize = 2_000;

fn records(from: usize, count: usize) -> String {
    (from..from + count).fold(String::new(), |mut text, id| {
        let _ =
            writeln!(text, "{{\"id\":{id},\"text\":\"{}\"}}", format!("{id:08} $ # ").repeat(80));
        text
    })
}

fn assert_there(registry: &RealRegistry, acknowledged: &[usize]) {
    let text = restored(&open(registry), &flow(), None);
    let key = |line: &str| line.split("\"key\":").nth(1)?.split(',').next()?.parse::<usize>().ok();
    let there: BTreeSet<_> = text.lines().filter_map(key).collect();
    for id in acknowledged {
        assert!(there.contains(id), "record {id} was acknowledged and is not there");
    }
    let numbers = versions(&open(registry));
    let newest = u32::try_from(numbers.len()).expect("few versions");
    assert_eq!(numbers, (1..=newest).rev().collect::<Vec<_>>());
}

/// A run after a crash succeeds; with the file provider it may meet an orphaned number, and then names it, soon.
fn succeeds_or_names_the_orphan(provider: Provider, start: Instant, ended: &Ended) -> bool {
    match (provider, ended.code) {
        (_, Some(0)) => true,
        (Provider::File, Some(7)) => {
            assert!(ended.cause.contains("orphaned"), "{ended:?}");
            assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
            eprintln!("the killed Registry left an orphan: {}", ended.cause);
            false
        }
        _ => panic!("{ended:?}"),
    }
}

fn killed(provider: Provider) {
    let distribution = needed(Distribution::assembled());
    let _turn = turn();
    let mut registry = RealRegistry::start(&distribution, provider);
    during_large_syncs(&mut registry, provider);
    wipe(&registry.url());
    between_small_versions(&mut registry, provider);
}

fn during_large_syncs(registry: &mut RealRegistry, provider: Provider) {
    let ended = program::run(&registry.url(), records(1, 1));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let mut acknowledged = vec![1];
    for (number, moment) in MOMENTS.into_iter().enumerate() {
        let from = (number + 1) * 100_000;
        let input = records(from, RECORDS);
        let copy = input.clone();
        let running = program::start(program::sync(&registry.url()), move |stdin| {
            stdin.write_all(copy.as_bytes())
        });
        thread::sleep(moment);
        registry.kill();
        let ended = running.end();
        assert!(matches!(ended.code, Some(0 | 4)), "{ended:?}");
        if ended.code == Some(0) {
            acknowledged.extend(from..from + RECORDS);
        }
        registry.start_again().expect("it starts on what it had stored");
        assert_there(registry, &acknowledged);
        let start = Instant::now();
        let again = program::run(&registry.url(), input);
        eprintln!(
            "{provider:?}, killed after {moment:?}: {:?}, then {:?} in {:.1?}",
            ended.code,
            again.code,
            start.elapsed()
        );
        if !succeeds_or_names_the_orphan(provider, start, &again) {
            return;
        }
        acknowledged.extend(from..from + RECORDS);
        assert_there(registry, &acknowledged);
    }
}

/// Here nearly every POST is a commit.
fn between_small_versions(registry: &mut RealRegistry, provider: Provider) {
    let url = registry.url();
    let writer = thread::spawn(move || {
        let mut acknowledged = Vec::new();
        for id in 0..SMALL {
            let ended = program::run(&url, records(id, 1));
            if ended.code != Some(0) {
                return (acknowledged, ended);
            }
            acknowledged.push(id);
        }
        panic!("the Registry was not killed in time");
    });
    thread::sleep(Duration::from_millis(4321));
    registry.kill();
    let (acknowledged, ended) = writer.join().expect("the writer ends");
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(!acknowledged.is_empty());
    registry.start_again().expect("it starts on what it had stored");
    assert_there(registry, &acknowledged);
    let stored = versions(&open(registry)).len();
    assert!(
        (acknowledged.len()..=acknowledged.len() + 1).contains(&stored),
        "{stored} of {}",
        acknowledged.len()
    );
    let start = Instant::now();
    let again = program::run(&registry.url(), records(acknowledged.len(), 1));
    eprintln!(
        "{provider:?}: {} acknowledged, {stored} stored, then {:?}",
        acknowledged.len(),
        again.code
    );
    if succeeds_or_names_the_orphan(provider, start, &again) {
        assert_there(registry, &(0..=acknowledged.len()).collect::<Vec<_>>());
    }
}

#[test]
fn killed_file() {
    killed(Provider::File);
}

#[test]
fn killed_database() {
    killed(Provider::Database);
}
