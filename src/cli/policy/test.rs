//! `nifi-idb policy test`: runs the test cases in a policy file.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::super::output::print;
use super::{PolicyReportArg, load};
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::merge::{Mismatch, Ran, TraceOutcome, Unreached, run_case, shown, unreached};
use crate::policy::Case;

const EXAMPLE: &str = "Example:\n  nifi-idb policy test policy.toml\n\nExit status 3 if a case \
    failed, 2 if the file is faulty, else 0.";

/// The flags of `policy test`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(super) struct Test {
    /// The policy file
    file: PathBuf,

    /// text: one line per case; json: one object per line for each case, then the unreached rules,
    /// then a summary
    #[arg(long, value_enum, default_value_t)]
    report: PolicyReportArg,
}

impl Test {
    pub(super) fn run(self) -> Result<ExitStatus, Failure> {
        let file = load(&self.file)?;
        let ran: Vec<(&Case, Ran)> =
            file.cases.iter().map(|case| (case, run_case(&file.policy, case))).collect();
        let left = unreached(
            &file.policy,
            &ran.iter().map(|(case, ran)| (*case, ran)).collect::<Vec<_>>(),
        );
        let failed: Vec<_> = ran.iter().filter(|(_, ran)| !ran.mismatches.is_empty()).collect();
        print(&match self.report {
            PolicyReportArg::Text => text(&ran, &left, failed.len()),
            PolicyReportArg::Json => lines(&ran, &left, failed.len()),
        })?;
        let Some((first, _)) = failed.first() else { return Ok(ExitStatus::Done) };
        let what =
            format!("{} of {} failed; the first: {}", failed.len(), cases(ran.len()), first.name);
        Err(Failure::new(ExitStatus::Review, what))
    }
}

fn cases(count: usize) -> String {
    if count == 1 { "1 case".to_owned() } else { format!("{count} cases") }
}

fn text(ran: &[(&Case, Ran)], left: &Unreached, failed: usize) -> String {
    let mut out = String::new();
    for (case, ran) in ran {
        if ran.mismatches.is_empty() {
            out += &format!("ok {}\n", case.name);
            continue;
        }
        let differs =
            |it: &Mismatch| format!("{}expected {}, got {}", named(it.what), it.expected, it.got);
        let differs: Vec<_> = ran.mismatches.iter().map(differs).collect();
        out += &format!("FAILED {}: {}{}\n", case.name, differs.join("; "), decided(ran));
    }
    for rule in &left.rules {
        out += &format!("no case reaches the rule {rule}\n");
    }
    for conflict in &left.types {
        out += &format!("no case reaches the type {}\n", conflict.name());
    }
    for field in &left.fields {
        out += &format!("no case reaches the field {field}\n");
    }
    out + &format!("{}, {failed} failed\n", cases(ran.len()))
}

/// Returns the prefix of a mismatch; a result needs none.
fn named(what: &str) -> String {
    if what == "result" { String::new() } else { format!("{what}: ") }
}

/// Describes how a failed case was decided.
fn decided(ran: &Ran) -> String {
    let trace = &ran.trace;
    let rule = trace.resolution.as_ref().map(|resolution| format!(", rule {}", resolution.rule));
    let reason = trace.resolution.as_ref().and_then(|resolution| resolution.reason);
    let reason = reason.map(|reason| format!(", {reason}"));
    format!(" ({}{}{})", trace.found.name(), rule.unwrap_or_default(), reason.unwrap_or_default())
}

fn lines(ran: &[(&Case, Ran)], left: &Unreached, failed: usize) -> String {
    let case = |(case, ran): &(&Case, Ran)| {
        let mismatch =
            |it: &Mismatch| json!({ "what": it.what, "expected": it.expected, "got": it.got });
        let resolution = ran.trace.resolution.as_ref();
        json!({
            "type": "case",
            "name": case.name.as_ref(),
            "ok": ran.mismatches.is_empty(),
            "found": ran.trace.found.name(),
            "rule": resolution.map(|resolution| resolution.rule.as_ref()),
            "reason": resolution.and_then(|resolution| resolution.reason),
            "result": result(&ran.trace.outcome),
            "mismatches": ran.mismatches.iter().map(mismatch).collect::<Vec<_>>(),
        })
    };
    let left = json!({
        "type": "unreached",
        "rules": left.rules.iter().map(|rule| rule.as_ref()).collect::<Vec<_>>(),
        "types": left.types.iter().map(|conflict| conflict.name()).collect::<Vec<_>>(),
        "fields": left.fields,
    });
    let summary = json!({ "type": "summary", "cases": ran.len(), "failed": failed });
    ran.iter().map(case).chain([left, summary]).map(|line| line.to_string() + "\n").collect()
}

/// Formats an outcome as JSON; a value appears unchanged.
pub(super) fn result(outcome: &TraceOutcome) -> Value {
    match outcome {
        TraceOutcome::Value(value) => {
            json!({ "value": serde_json::from_slice::<Value>(value).unwrap_or_default() })
        }
        other => json!(shown(other)),
    }
}
