//! One history, played to the product and to the oracle; the first difference, and the shortest history that has it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::answer::Answer;
use super::flow::Flow;
use super::product::Product;
use super::rules::Rules;
use super::words::{Batch, Claim, Step};

/// What a history came to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Played {
    pub(super) histories: u64,
    pub(super) batches: u64,
    pub(super) versions: u64,
    pub(super) conflicts: u64,
}

impl Played {
    pub(super) fn add(&mut self, other: Self) {
        self.histories += 1;
        self.batches += other.batches;
        self.versions += other.versions;
        self.conflicts += other.conflicts;
    }
}

fn differs<T: PartialEq + std::fmt::Debug>(
    what: &str,
    product: &T,
    oracle: &T,
) -> Result<(), String> {
    if product == oracle {
        Ok(())
    } else {
        Err(format!("{what}:\n  product {product:?}\n  pages   {oracle:?}"))
    }
}

fn differing(
    what: &str,
    product: &[serde_json::Value],
    oracle: &[serde_json::Value],
) -> Result<(), String> {
    if product == oracle {
        return Ok(());
    }
    let mut text = format!("{what}:");
    for line in product.iter().filter(|line| !oracle.contains(line)) {
        write!(text, "\n  product {line}").unwrap();
    }
    for line in oracle.iter().filter(|line| !product.contains(line)) {
        write!(text, "\n  pages   {line}").unwrap();
    }
    if !text.contains('\n') {
        write!(text, "\n  another order: product {product:?}\n  pages {oracle:?}").unwrap();
    }
    Err(text)
}

fn compare(product: &Answer, oracle: &Answer) -> Result<(), String> {
    differs("exit status", &product.status, &oracle.status)?;
    differs("outcome", &product.outcome, &oracle.outcome)?;
    if oracle.status != 0 {
        return Ok(());
    }
    differing("rejected", &product.rejected, &oracle.rejected)?;
    differing("conflict lines", &product.conflicts, &oracle.conflicts)?;
    differing("change lines", &product.changes, &oracle.changes)?;
    differing("kept lines", &product.kept, &oracle.kept)?;
    differing("other lines", &product.others, &oracle.others)?;
    differs("version", &product.version, &oracle.version)?;
    differs("counts", &product.counts, &oracle.counts)
}

fn send(product: &Product, flow: &mut Flow, batch: &Batch) -> Result<(), String> {
    let (answer, plan) = product.send(batch, None);
    let expected = flow.send(batch, false);
    compare(&answer, &expected)?;
    if let (true, Some(plan)) = (batch.confirms, plan) {
        let (answer, _) = product.send(batch, Some(plan));
        compare(&answer, &flow.send(batch, true))?;
    }
    Ok(())
}

fn stored(product: &Product, flow: &Flow) -> Result<(), String> {
    let (there, expected) = (product.stored(), flow.stored());
    differs("schema", &there.schema, &expected.schema)?;
    differing("records", &there.records, &expected.records)?;
    differing("conflicts", &there.conflicts, &expected.conflicts)?;
    differs("sources", &there.sources, &expected.sources)
}

/// Plays a history; returns the first difference.
pub(super) fn play(rules: &'static Rules, steps: &[Step]) -> Result<Played, String> {
    let (product, mut flow) = (Product::new(rules.policy()), Flow::new(rules));
    let mut played = Played::default();
    for (number, step) in steps.iter().enumerate() {
        let before = flow.version();
        let at = |error: String| format!("step {}: {error}", number + 1);
        match step {
            Step::Send(batch) => {
                played.batches += 1;
                send(&product, &mut flow, batch).map_err(at)?;
            }
            Step::Package(batches) => {
                played.batches += batches.len() as u64;
                let answers = product.send_package(batches);
                for (place, (answer, expected)) in
                    answers.iter().zip(flow.send_package(batches)).enumerate()
                {
                    compare(answer, &expected)
                        .map_err(|error| at(format!("FlowFile {}: {error}", place + 1)))?;
                }
            }
        }
        // No version, nothing new to see: both answers named the version.
        if flow.version() != before {
            stored(&product, &flow).map_err(at)?;
        }
    }
    for version in 1..=flow.version() {
        let newest = version == flow.version();
        // Older versions cost most of the time: an eighth of them, others in another history.
        if !newest && !(version as usize + steps.len()).is_multiple_of(8) {
            continue;
        }
        differing(
            &format!("version {version}"),
            &product.restored(version, newest),
            &flow.restored(version),
        )?;
    }
    played.versions = flow.version().into();
    played.conflicts = flow.head.conflicts.len() as u64;
    Ok(played)
}

/// Plays a history; a panic is a difference, too.
pub(super) fn try_play(rules: &'static Rules, steps: &[Step]) -> Result<Played, String> {
    catch_unwind(AssertUnwindSafe(|| play(rules, steps))).unwrap_or_else(|cause| {
        let text = cause.downcast_ref::<String>().cloned();
        let text = text.or_else(|| cause.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("panic: {}", text.unwrap_or_default()))
    })
}

/// Returns every history that is one step, one batch or one line shorter, or has fewer numbers.
fn shorter(steps: &[Step]) -> Vec<Vec<Step>> {
    let mut all = Vec::new();
    for place in 0..steps.len() {
        let mut fewer = steps.to_vec();
        fewer.remove(place);
        all.push(fewer.clone());
        // What was the version of a step is that of the one before now.
        each_batch(&mut fewer[place..], |batch| {
            batch.base = batch.base.map(|base| base.saturating_sub(1)).filter(|&base| base > 0);
            batch.base_state =
                batch.base_state.map(|of| of.saturating_sub(1)).filter(|_| batch.base.is_some());
            for line in &mut batch.lines {
                match &mut line.base {
                    Some(Claim::Version(base)) => *base = base.saturating_sub(1).max(1),
                    Some(Claim::State(base, of)) => {
                        (*base, *of) = (base.saturating_sub(1).max(1), of.saturating_sub(1).max(1));
                    }
                    _ => {}
                }
            }
        });
        all.push(fewer);
    }
    let sources: BTreeSet<_> = {
        let mut sources = BTreeSet::new();
        each_batch(&mut steps.to_vec(), |batch| {
            if batch.sequence.is_some() {
                sources.insert(batch.source.clone());
            }
        });
        sources
    };
    for source in sources {
        let mut unnumbered = steps.to_vec();
        each_batch(&mut unnumbered, |batch| {
            if batch.source == source {
                batch.sequence = None;
            }
        });
        all.push(unnumbered);
    }
    for (place, step) in steps.iter().enumerate() {
        let mut replace = |step: Step| {
            let mut other = steps.to_vec();
            other[place] = step;
            all.push(other);
        };
        match step {
            Step::Send(batch) => {
                // A sequenced batch of another length would have other numbers.
                for line in
                    0..if batch.sequence.is_none() || batch.full { batch.lines.len() } else { 0 }
                {
                    let mut batch = batch.clone();
                    batch.lines.remove(line);
                    replace(Step::Send(batch));
                }
            }
            Step::Package(batches) => {
                for one in 0..if batches.len() > 1 { batches.len() } else { 0 } {
                    let mut batches = batches.clone();
                    batches.remove(one);
                    replace(Step::Package(batches));
                }
            }
        }
    }
    all
}

fn each_batch(steps: &mut [Step], mut change: impl FnMut(&mut Batch)) {
    for step in steps {
        match step {
            Step::Send(batch) => change(batch),
            Step::Package(batches) => batches.iter_mut().for_each(&mut change),
        }
    }
}

/// Shortens a history as long as what differs keeps its kind.
pub(super) fn shrink(
    rules: &'static Rules,
    mut steps: Vec<Step>,
    mut error: String,
) -> (Vec<Step>, String) {
    let kind = |error: &str| {
        error.split_once(": ").map(|(_, rest)| rest.lines().next().unwrap_or("").to_owned())
    };
    let mut tries = 2_000;
    'again: loop {
        for fewer in shorter(&steps) {
            tries -= 1;
            if tries == 0 {
                break 'again;
            }
            if let Err(found) = try_play(rules, &fewer)
                && kind(&found) == kind(&error)
            {
                (steps, error) = (fewer, found);
                continue 'again;
            }
        }
        break;
    }
    (steps, error)
}

/// Returns a history for people.
pub(super) fn describe(steps: &[Step]) -> String {
    let mut text = String::new();
    for (number, step) in steps.iter().enumerate() {
        let batches = match step {
            Step::Send(batch) => std::slice::from_ref(batch),
            Step::Package(batches) => &batches[..],
        };
        for batch in batches {
            let kind = if matches!(step, Step::Package(_)) { "package " } else { "" };
            writeln!(text, "--- step {} {kind}{}", number + 1, batch.caller()).unwrap();
            text.push_str(&batch.to_text());
        }
    }
    text
}
