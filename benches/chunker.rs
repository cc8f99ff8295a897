//! What the chunk boundaries do to small, mixed and large records, and how many chunks an edit touches:
//! `cargo bench --bench chunker`. Prints a table; times nothing.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::collections::HashSet;

use nifi_idb::chunk::{Boundary, CAP_BYTES, weight};
use nifi_idb::indexeddb::key::Key;

const LIST_BYTES: u64 = 160 * 1024 * 1024;
const EDITS: usize = 60;

type Entry = (Vec<u8>, u64);

fn entry(number: u64, value_bytes: u64) -> Entry {
    let mut key = Vec::new();
    Key::Number(number as f64).write_sortable(&mut key);
    let weight = weight(key.len(), value_bytes);
    (key, weight)
}

/// Last keys of chunks, and the weight of each chunk.
fn cuts(entries: &[Entry]) -> Vec<(&[u8], u64)> {
    let (mut boundary, mut sum, mut found) = (Boundary::default(), 0, Vec::new());
    for (key, weight) in entries {
        sum += weight;
        if boundary.ends_after(key, *weight) {
            found.push((key.as_slice(), sum));
            sum = 0;
        }
    }
    found
}

fn touched(before: &HashSet<&[u8]>, after: &[Entry]) -> usize {
    cuts(after).iter().filter(|(key, _)| !before.contains(key)).count() + 1
}

fn main() {
    println!(
        "{:<22}{:>9}{:>10}{:>10}{:>8}{:>9}{:>9}{:>9}",
        "value bytes", "records", "mean KiB", "max KiB", "forced", "change", "delete", "insert"
    );
    let sizes: [(&str, &dyn Fn(u64) -> u64); 6] = [
        ("40", &|number| 40 + number * 7 % 13),
        ("350", &|number| 350 + number * 7 % 61),
        ("5,000", &|number| 5_000 + number * 7 % 613),
        ("20,000", &|number| 20_000 + number * 7 % 4_001),
        ("60,000 (to the limit)", &|number| 60_000 + number * 7 % 9_001),
        ("mixed 40 to 60,000", &|number| 40 << (number * 2_654_435_761 % 1_000_003 % 11)),
    ];
    for (name, size) in sizes {
        let mut entries = Vec::new();
        let mut total = 0;
        while total < LIST_BYTES {
            entries.push(entry(entries.len() as u64 * 2, size(entries.len() as u64)));
            total += entries.last().map_or(0, |entry: &Entry| entry.1);
        }
        let before = cuts(&entries);
        let keys: HashSet<&[u8]> = before.iter().map(|(key, _)| *key).collect();
        let forced = before.iter().filter(|(_, weight)| *weight >= CAP_BYTES).count();
        let (mut change, mut delete, mut insert) = (0, 0, 0);
        for edit in 0..EDITS {
            let place = entries.len() / EDITS * edit;
            let mut after = entries.clone();
            after[place].1 = weight(after[place].0.len(), size(place as u64) * 9 / 8);
            change += touched(&keys, &after);
            after = entries.clone();
            after.remove(place);
            delete += touched(&keys, &after);
            after = entries.clone();
            after.insert(place + 1, entry(place as u64 * 2 + 1, size(place as u64)));
            insert += touched(&keys, &after);
        }
        let per_edit = |count: usize| count as f64 / EDITS as f64;
        println!(
            "{name:<22}{:>9}{:>10}{:>10}{:>7.1}%{:>9.2}{:>9.2}{:>9.2}",
            entries.len(),
            total / 1024 / (before.len() as u64 + 1),
            before.iter().map(|(_, weight)| weight / 1024).max().unwrap_or(0),
            100.0 * forced as f64 / before.len() as f64,
            per_edit(change),
            per_edit(delete),
            per_edit(insert)
        );
    }
}
