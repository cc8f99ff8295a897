//! A second implementation of the [merge rules](nifi_idb::merge), written from the pages alone, against the product: random
//! histories, and after each batch everything that can be seen of it.
//!
//! `NIFI_IDB_MODEL=50000` plays that many histories instead of [`HISTORIES`]; `NIFI_IDB_MODEL_SEED=N` plays one alone.
//! `just model` is the long run.

mod admission;
mod answer;
mod comparison;
mod decision;
mod detection;
mod dice;
mod fields;
mod flow;
mod folding;
mod generation;
mod guard;
mod product;
mod rules;
mod telling;
mod three_way;
mod view;
mod words;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use comparison::{Played, describe, shrink, try_play};
use generation::{Features, generate};
use rules::POLICIES;

/// Histories of a normal run.
const HISTORIES: u64 = 2_000;

/// What histories have in them.
const FEATURES: Features =
    Features { full: true, deliveries: true, packages: true, rejected: true, pull: true, scalars: true };

/// The guard counts as `RULES.md` says.
const GUARD: bool = true;
/// A delivery that changes nothing is remembered, too.
const DELIVERIES: bool = true;
/// A conflict that leaves head as it is is logged once.
const LOGGED_ONCE: bool = true;
/// A batch without sequence numbers that is rejected as a whole is refused.
const ALL_REJECTED: bool = true;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Plays the history of a seed; a difference is told with the shortest history that has it.
fn check(seed: u64) -> Result<Played, String> {
    let place = seed as usize % (2 * POLICIES.len());
    // Half of all histories are played by the built-in default.
    let place = if place < POLICIES.len() { place } else { 0 };
    let rules = &POLICIES[place];
    let steps = generate(seed, rules, FEATURES);
    try_play(rules, &steps).map_err(|error| {
        let (steps, error) = shrink(rules, steps, error);
        let alone = format!("NIFI_IDB_MODEL_SEED={seed} plays it alone");
        format!("history {seed} ({alone}), policy {place}: {error}\n{}", describe(&steps))
    })
}

#[test]
fn every_history_ends_as_the_pages_say() {
    if let Some(seed) = number("NIFI_IDB_MODEL_SEED") {
        return check(seed).map(drop).unwrap_or_else(|error| panic!("{error}"));
    }
    let histories = number("NIFI_IDB_MODEL").unwrap_or(HISTORIES);
    let (next, failures, total) = (AtomicU64::new(0), Mutex::new(Vec::new()), Mutex::new(Played::default()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while failures.lock().unwrap().len() < 3 {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= histories {
                        break;
                    }
                    match check(seed) {
                        Ok(played) => total.lock().unwrap().add(played),
                        Err(error) => failures.lock().unwrap().push(error),
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    eprintln!("{histories} histories: {:?}", total.into_inner().unwrap());
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
