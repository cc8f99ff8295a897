//! Faults of a policy file as text, as JSON, and as the failure of a command that needs the file.

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::policy::{Fault, FilePosition};

/// Returns the failure of a command that cannot use a file because of these faults; the first is
/// the headline.
pub(super) fn failure(name: &str, text: &str, faults: &[Fault]) -> Failure {
    let Some((first, rest)) = faults.split_first() else {
        return Failure::usage(format!("{name} is faulty"));
    };
    let mut failure = Failure::usage(first.headline(name, text));
    failure.hints = first.details(text);
    for fault in rest {
        failure.hints.push(fault.headline(name, text));
        failure.hints.extend(fault.details(text));
    }
    failure
}

/// Formats a fault or note as a JSON object.
pub(super) fn json(kind: &str, name: &str, text: &str, fault: &Fault) -> Value {
    let (start, end) =
        (FilePosition::of(text, fault.span.start), FilePosition::of(text, fault.span.end));
    json!({
        "type": kind,
        "file": name,
        "line": start.line,
        "column": start.column,
        "endLine": end.line,
        "endColumn": end.column,
        "message": fault.message,
        "help": fault.help,
    })
}
