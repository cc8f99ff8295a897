//! What a source is told that asks for everything it lacks.

use std::collections::BTreeSet;

use serde_json::json;

use super::answer::Answer;
use super::flow::{Draft, Entry, Flow};
use super::folding::{Folded, fold_lines};
use super::words::{Batch, Line, STORES};

/// Adds the `change` lines of `--pull`; `replayed` lines of the batch were known before.
pub(super) fn pulled(
    flow: &Flow,
    draft: &Draft,
    batch: &Batch,
    (replayed, judged): (usize, Option<&Folded>),
    is_known: bool,
    answer: &mut Answer,
) {
    // A batch without a source may be anybody's.
    let is_own = |entry: &Entry| batch.source.is_some() && entry.by == batch.source;
    let lines = &mut answer.changes;
    if let Some(base) = batch.base {
        let named: BTreeSet<_> = batch.lines[..replayed].iter().filter_map(Line::place).collect();
        let said = fold_lines(flow, draft, batch, &batch.lines);
        let mut first = Vec::new();
        for change in said.changes.values().filter(|change| named.contains(&change.place)) {
            if let Some(entry) = draft.records.get(&change.place)
                && entry.value != change.value
                && (entry.rev <= base || is_own(entry))
                && judged.is_none_or(|judged| !judged.changes.contains_key(&change.place))
            {
                first.push(entry.line(&change.place));
            }
        }
        // Before what becomes of the changes that are judged now.
        lines.splice(0..0, first);
    }
    let may_lack = is_known || replayed > 0;
    let forgotten = draft.forgotten_for(batch.source.as_ref());
    let anew = match batch.base {
        Some(base) => forgotten.is_some_and(|forgotten| base < forgotten),
        None => may_lack && forgotten.is_some(),
    };
    if anew && batch.base != Some(flow.version_of(draft)) {
        answer.others.push(json!({"type": "reset"}));
    }
    for store in STORES {
        let there = || draft.records.iter().filter(|((of, _), _)| of == store);
        for alive in [true, false] {
            for (place, entry) in there().filter(|(_, entry)| entry.value.is_some() == alive) {
                let is_told = match batch.base {
                    _ if anew => alive,
                    Some(base) => entry.rev > base && !is_own(entry),
                    None => alive || may_lack,
                };
                if is_told {
                    lines.push(entry.line(place));
                }
            }
        }
    }
}
