//! Many processes that sync into one flow at once.

use std::time::Instant;

use nifi_idb::history::{At, open_version, verify};

use super::batches::{flow, restored, versions};
use super::conformance::open;
use super::program;
use super::server::{Distribution, Provider, RealRegistry, needed, turn};

/// Processes at once.
const PROCESSES: usize = 20;

/// Rounds: the first one also races for bucket and flow.
const ROUNDS: usize = 2;

fn race(provider: Provider) {
    let distribution = needed(Distribution::assembled());
    let _turn = turn();
    let registry = RealRegistry::start(&distribution, provider);
    let start = Instant::now();
    let (mut acknowledged, mut busy) = (Vec::new(), 0);
    for round in 0..ROUNDS {
        let processes: Vec<_> = (0..PROCESSES)
            .map(|process| {
                let id = round * PROCESSES + process;
                let record = format!("{{\"id\":{id},\"by\":\"process {process}\"}}\n");
                let source = format!("p{process}");
                let mut program = program::sync(&registry.url());
                program.args(["--source", &source]);
                (id, program::start(program, move |stdin| stdin.write_all(record.as_bytes())))
            })
            .collect();
        for (id, process) in processes {
            let ended = process.end();
            match ended.code {
                Some(0) => acknowledged.push(id),
                Some(4) => busy += 1,
                _ => panic!("record {id}: {ended:?}"),
            }
        }
    }
    let store = open(&registry);
    let text = restored(&store, &flow(), None);
    for id in &acknowledged {
        assert!(
            text.contains(&format!("\"id\":{id}}}")),
            "record {id} was acknowledged and is not there"
        );
    }
    let numbers = versions(&store);
    let count = u32::try_from(numbers.len()).expect("few versions");
    assert_eq!(
        numbers,
        (1..=count).rev().collect::<Vec<_>>(),
        "numbers are unique and have no gap"
    );
    // One version for each that was acknowledged. One that was told to try again may have been stored, after all.
    assert!(
        (acknowledged.len()..=acknowledged.len() + busy).contains(&numbers.len()),
        "{numbers:?} {acknowledged:?}"
    );
    assert!(acknowledged.len() >= PROCESSES * ROUNDS / 2, "only {acknowledged:?}");
    eprintln!(
        "{provider:?}: {} processes won, {busy} to try again: {:.1?}",
        acknowledged.len(),
        start.elapsed()
    );
    let head = open_version(&store, &flow(), At::Latest).expect("the flow is there");
    let checked =
        verify(&store, &flow(), &head, true).expect("every byte is there, and one history");
    assert_eq!(checked.versions + 1, u64::from(count));
}

#[test]
fn twenty_processes_file() {
    race(Provider::File);
}

#[test]
fn twenty_processes_database() {
    race(Provider::Database);
}
