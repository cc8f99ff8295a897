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
mod flow;
mod folding;
mod generation;
mod guard;
mod product;
mod telling;
mod three_way;
mod view;
mod words;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use comparison::{Played, describe, shrink, try_play};
use generation::{Features, generate};

/// Histories of a normal run.
const HISTORIES: u64 = 2_000;

/// What histories have in them.
const FEATURES: Features =
    Features { full: true, deliveries: false, packages: false, rejected: true, pull: false, scalars: false };

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Plays the history of a seed; a difference is told with the shortest history that has it.
fn check(seed: u64) -> Result<Played, String> {
    let steps = generate(seed, FEATURES);
    try_play(&steps).map_err(|error| {
        let (steps, error) = shrink(steps, error);
        format!("history {seed} (NIFI_IDB_MODEL_SEED={seed} plays it alone): {error}\n{}", describe(&steps))
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
    println!("{histories} histories: {:?}", total.into_inner().unwrap());
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
