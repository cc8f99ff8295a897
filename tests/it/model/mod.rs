//! A second implementation of the [merge rules](nifi_idb::merge), written from the pages alone, against the product: random
//! histories, and after each batch everything that can be seen of it.
//!
//! `just model` is the long run; `just model-history N` plays one history alone. By environment:
//!
//! | variable | |
//! | --- | --- |
//! | `NIFI_IDB_MODEL` | so many histories instead of [`HISTORIES`] |
//! | `NIFI_IDB_MODEL_FROM` | the first one's seed; 0 if absent |
//! | `NIFI_IDB_MODEL_SEED` | only the history of this seed |
//! | `NIFI_IDB_MODEL_DIFFERENCES` | ends after so many differences instead of [`DIFFERENCES`]; each is printed when it is found |
//!
//! Histories contain:
//!
//! - 2 to 6 sources, and batches without one; full and delta batches; ranges and `clear`;
//! - sequence numbers with replays, overlaps, gaps and new epochs (refused, `keep`, `mirror`); delivery ids, also with other
//!   content; packages, and packages that come again as a whole;
//! - bases of a batch and of a line: a version, also one that head has not reached, a version with its state, right and wrong,
//!   a value, `absent`;
//! - clocks within and beyond what is allowed, and servers whose clocks differ; runs of deletions that the guard judges
//!   together, confirmed or not;
//! - unique indexes of one member, of several and with `multiEntry`, keys that move within a batch, and every resolver for them;
//! - database versions: object stores that are missing, new, or recreated with another key path; indexes that come and go;
//! - rejected lines with and without a known key; `--pull`;
//! - the policies of `rules.rs`.

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
mod judging;
mod lines;
mod losses;
mod product;
mod retention;
mod rules;
mod schema;
mod telling;
mod three_way;
mod unique;
mod upgrade;
mod view;
mod words;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use comparison::{Played, describe, shrink, try_play};
use dice::Dice;
use generation::{Features, generate};
use rules::{POLICIES, Rules};
use schema::{PLAIN, UNIQUE, UPGRADES, World};
use words::Step;

/// Histories of a normal run.
const HISTORIES: u64 = 2_000;

/// A normal run ends after so many differences.
const DIFFERENCES: u64 = 3;

/// What histories have in them.
const FEATURES: Features = Features {
    full: true,
    deliveries: true,
    packages: true,
    rejected: true,
    pull: true,
    scalars: true,
    states: true,
};

/// The guard counts as the merge rules say.
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

/// Returns the history of a seed, and the policy that it is played by. Half of all are played by the built-in default.
fn history(seed: u64) -> (usize, &'static Rules, Vec<Step>) {
    let mut dice = Dice::new(seed);
    let place = if dice.one_in(2) { 0 } else { dice.roll(POLICIES.len() as u64) as usize };
    let worlds: [World; 5] = [PLAIN, PLAIN, UNIQUE, UNIQUE, UPGRADES];
    let world = dice.pick(&worlds);
    let rules = &POLICIES[place];
    (place, rules, generate(dice, rules, world, FEATURES))
}

/// Plays the history of a seed; a difference is told with the shortest history that has it.
fn check(seed: u64) -> Result<Played, String> {
    let (place, rules, steps) = history(seed);
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
    let from = number("NIFI_IDB_MODEL_FROM").unwrap_or(0);
    let histories = number("NIFI_IDB_MODEL").unwrap_or(HISTORIES);
    let most = number("NIFI_IDB_MODEL_DIFFERENCES").unwrap_or(DIFFERENCES) as usize;
    let (next, differences, total) =
        (AtomicU64::new(from), AtomicUsize::new(0), Mutex::new(Played::default()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while differences.load(Ordering::Relaxed) < most {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + histories {
                        break;
                    }
                    match check(seed) {
                        Ok(played) => {
                            let mut total = total.lock().unwrap();
                            total.add(played);
                            if total.histories.is_multiple_of(1_000) {
                                eprintln!("so far: {total:?}");
                            }
                        }
                        Err(difference) => {
                            differences.fetch_add(1, Ordering::Relaxed);
                            eprintln!("{difference}\n");
                        }
                    }
                }
            });
        }
    });
    let (differences, total) = (differences.into_inner(), total.into_inner().unwrap());
    eprintln!("seeds from {from}: {differences} differences, without one {total:?}");
    assert_eq!(differences, 0, "each is printed above");
}
