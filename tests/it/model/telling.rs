//! What a source is told that asks for everything it lacks.

use serde_json::Value;

use super::flow::{Draft, Flow};
use super::folding::fold_lines;
use super::words::{Batch, STORES};

/// Returns the `change` lines of `--pull`; `replayed` lines of the batch were known before.
pub(super) fn pulled(flow: &Flow, draft: &Draft, batch: &Batch, replayed: usize, is_known: bool) -> Vec<Value> {
    let mut lines = Vec::new();
    if let Some(base) = batch.base {
        for change in fold_lines(flow, draft, batch, &batch.lines[..replayed], false).changes.values() {
            if let Some(entry) = draft.records.get(&change.place)
                && entry.value != change.value
                && entry.rev <= base
                && entry.by != batch.source
            {
                lines.push(entry.line(&change.place));
            }
        }
    }
    for store in STORES {
        let there = || draft.records.iter().filter(|((of, _), _)| of == store);
        for alive in [true, false] {
            for (place, entry) in there().filter(|(_, entry)| entry.value.is_some() == alive) {
                let is_told = match batch.base {
                    Some(base) => entry.rev > base && entry.by != batch.source,
                    None => alive || is_known || replayed > 0,
                };
                if is_told {
                    lines.push(entry.line(place));
                }
            }
        }
    }
    lines
}
