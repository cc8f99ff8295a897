//! The lines of a report: one variant for each value of the member `type`.
//! `doc/reference/report.md` lists them for users.
//!
//! Decoding needs the vocabulary, too, because a report that is fed back as input is refused. So it
//! is below all stages and knows none of their types.

use serde::Serialize;
use serde_json::Value;

use crate::snapshot::manifest::canonical_json;

/// One line of a report. Texts are `&str`; keys and names of object stores, which may contain
/// surrogates, are JSON.
#[derive(Clone, Debug, PartialEq, Serialize, strum::EnumDiscriminants)]
#[serde(tag = "type", rename_all = "lowercase")]
#[strum_discriminants(
    name(ReportLineType),
    doc = "The kind of a line: the value of its member `type`.",
    derive(strum::EnumString, strum::IntoStaticStr, strum::VariantArray),
    strum(serialize_all = "lowercase")
)]
pub enum ReportLine<'a> {
    /// A numbered batch is durable up to `checkpoint`.
    Ack {
        /// The last durable number.
        checkpoint: u64,
        /// The epoch of the source's numbers.
        epoch: &'a str,
        /// The source.
        source: &'a str,
    },
    /// The stored record differs from the one that the source sent.
    Change {
        /// A line of `indexeddb-changes/1`, copied as it is.
        line: &'a str,
    },
    /// Two sides changed a record.
    Conflict {
        /// The record's key.
        key: Value,
        /// The type of the conflict.
        kind: &'a str,
        /// The key of the other record with the same key in a unique index.
        #[serde(skip_serializing_if = "Option::is_none")]
        other: Option<Value>,
        /// The reason why no rule decided.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
        /// The rule that decided.
        rule: &'a str,
        /// The object store.
        store: Value,
        /// The side that won.
        winner: &'a str,
    },
    /// A request was refused. It is the only line of a server's response.
    Error {
        /// The fault and the next step.
        message: &'a str,
        /// The exit status that a command would have.
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<u8>,
    },
    /// The header under which the rejected lines came.
    Header {
        /// The header's text.
        value: &'a str,
    },
    /// Records that a full batch neither contains nor deletes.
    Kept {
        /// The number of records.
        count: u64,
        /// The reason why they are not deleted.
        reason: &'a str,
        /// The object store.
        store: Value,
    },
    /// An imported file cannot express something.
    Loss {
        /// The number of losses.
        count: u64,
        /// The object store and the members.
        path: &'a str,
        /// The kind of loss.
        what: &'a str,
    },
    /// The number of all losses.
    Losses {
        /// The number of losses.
        count: u64,
        /// The number of those that no line lists.
        left_out: u64,
    },
    /// The counts of a package.
    Package {
        /// The number of FlowFiles with this outcome.
        committed: u64,
        /// The number of FlowFiles with this outcome.
        failed: u64,
        /// The number of FlowFiles.
        flowfiles: u64,
        /// The number of change lines.
        received: u64,
        /// The number of FlowFiles with this outcome.
        refused: u64,
        /// The number of FlowFiles that may be sent again.
        transient: u64,
        /// The number of FlowFiles with this outcome.
        unchanged: u64,
    },
    /// A policy hid private fields.
    Privacy {
        /// The number of fields that were left out.
        excluded: u64,
        /// The number of fields that were replaced by a hash.
        hashed: u64,
        /// The number of fields that were replaced by a constant.
        redacted: u64,
    },
    /// A line of the input was rejected. Its text is written after the member `store`: see
    /// [`crate::rejection::Rejection::write_with_text`].
    Rejected {
        /// The number of the line, from 1.
        line: u64,
        /// The fault, for people.
        message: &'a str,
        /// The byte at which the line begins.
        offset: u64,
        /// One of [`crate::rejection::code::ALL`].
        reason: &'a str,
        /// The object store, if known.
        #[serde(skip_serializing_if = "Option::is_none")]
        store: Option<Value>,
    },
    /// The changes that follow are all records, because deletions are no longer remembered.
    Reset,
    /// A person decided a conflict of this source.
    Resolved {
        /// The key of the conflict's line, as canonical JSON.
        id: &'a str,
        /// The record's current line of `indexeddb-changes/1`, copied as it is; `None` if there is
        /// neither a record nor a tombstone.
        line: Option<&'a str>,
        /// The decision.
        #[serde(rename = "use")]
        choice: &'a str,
        /// True if the source may not see the changes of others.
        withheld: bool,
    },
    /// The result of the batch. The last line of every report.
    Summary {
        /// The bucket, if the input determined it.
        bucket: Option<&'a str>,
        /// The number of conflicts, including parked ones.
        conflicts: u64,
        /// The number of records deleted.
        deleted: u64,
        /// The flow, if the input determined it.
        flow: Option<&'a str>,
        /// The name of an [`crate::report::Outcome`].
        outcome: &'a str,
        /// The number of conflicts that wait for a person.
        parked: u64,
        /// The number of records inserted or updated.
        put: u64,
        /// The number of change lines.
        received: u64,
        /// The number of rejected lines.
        rejected: u64,
        /// The digest of the version's data.
        root: Option<String>,
        /// The digest of the version and its history.
        state: Option<String>,
        /// The number of changes that changed no record.
        unchanged: u64,
        /// The version that was made, or head's.
        version: Option<u32>,
    },
}

impl ReportLine<'_> {
    /// Returns the line as canonical JSON, without a line end.
    pub fn to_json(&self) -> String {
        match self {
            // A record may be large, and its line is canonical already.
            Self::Change { line } => format!("{{\"line\":{line},\"type\":\"change\"}}"),
            Self::Resolved { id, line, choice, withheld } => {
                let line = line.unwrap_or("null");
                let withheld = if *withheld { ",\"withheld\":true" } else { "" };
                format!(
                    "{{\"id\":{id},\"line\":{line},\"type\":\"resolved\",\"use\":\"{choice}\"{withheld}}}"
                )
            }
            // Serializing an enum of numbers, texts and JSON cannot fail.
            _ => canonical_json(&serde_json::to_value(self).unwrap_or_default()),
        }
    }
}

impl ReportLineType {
    /// Returns the members of a line in canonical order; a `?` marks those that may be absent.
    pub(crate) fn members(self) -> &'static [&'static str] {
        // Not taken from the variants, because a line that is cut off is recognised by the order.
        match self {
            Self::Ack => &["checkpoint", "epoch", "source", "type"],
            Self::Change => &["line", "type"],
            Self::Conflict => {
                &["key", "kind", "other?", "reason?", "rule", "store", "type", "winner"]
            }
            Self::Error => &["message", "status?", "type"],
            Self::Header => &["type", "value"],
            Self::Kept => &["count", "reason", "store", "type"],
            Self::Loss => &["count", "path", "type", "what"],
            Self::Losses => &["count", "left_out", "type"],
            Self::Package => &[
                "committed",
                "failed",
                "flowfiles",
                "received",
                "refused",
                "transient",
                "type",
                "unchanged",
            ],
            Self::Privacy => &["excluded", "hashed", "redacted", "type"],
            Self::Rejected => {
                &["line", "message", "offset", "reason", "store?", "text?", "textBase64?", "type"]
            }
            Self::Reset => &["type"],
            Self::Resolved => &["id", "line", "type", "use", "withheld?"],
            Self::Summary => &[
                "bucket",
                "conflicts",
                "deleted",
                "flow",
                "outcome",
                "parked",
                "put",
                "received",
                "rejected",
                "root",
                "state",
                "type",
                "unchanged",
                "version",
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;
    use strum::VariantArray as _;

    use super::*;

    /// One line of each type, with every member that it can have, and the member's text.
    fn examples() -> Vec<(ReportLine<'static>, &'static str)> {
        let lines = [
            (
                ReportLine::Ack { checkpoint: 3, epoch: "é", source: "kiosk-7" },
                r#"{"checkpoint":3,"epoch":"\u00e9","source":"kiosk-7","type":"ack"}"#,
            ),
            (ReportLine::Change { line: r#"{"key":1}"# }, r#"{"line":{"key":1},"type":"change"}"#),
            (
                ReportLine::Conflict {
                    key: json!([7.5]),
                    kind: "unique-index",
                    other: Some(json!("b")),
                    reason: Some("no-rule"),
                    rule: "default/park",
                    store: json!("data"),
                    winner: "none",
                },
                r#"{"key":[7.5],"kind":"unique-index","other":"b","reason":"no-rule","rule":"default/park","store":"data","type":"conflict","winner":"none"}"#,
            ),
            (
                ReportLine::Error { message: "full", status: Some(4) },
                r#"{"message":"full","status":4,"type":"error"}"#,
            ),
            (ReportLine::Header { value: "{}" }, r#"{"type":"header","value":"{}"}"#),
            (
                ReportLine::Kept { count: 8, reason: "store-left-out", store: json!("notes") },
                r#"{"count":8,"reason":"store-left-out","store":"notes","type":"kept"}"#,
            ),
            (
                ReportLine::Loss { count: 7, path: "\"a b\".x", what: "hole" },
                r#"{"count":7,"path":"\"a b\".x","type":"loss","what":"hole"}"#,
            ),
            (
                ReportLine::Losses { count: 9, left_out: 1 },
                r#"{"count":9,"left_out":1,"type":"losses"}"#,
            ),
            (
                ReportLine::Package {
                    committed: 1,
                    failed: 2,
                    flowfiles: 3,
                    received: 4,
                    refused: 5,
                    transient: 6,
                    unchanged: 7,
                },
                r#"{"committed":1,"failed":2,"flowfiles":3,"received":4,"refused":5,"transient":6,"type":"package","unchanged":7}"#,
            ),
            (
                ReportLine::Privacy { excluded: 1, hashed: 2, redacted: 3 },
                r#"{"excluded":1,"hashed":2,"redacted":3,"type":"privacy"}"#,
            ),
            (
                ReportLine::Rejected {
                    line: 7,
                    message: "say “put”",
                    offset: 812,
                    reason: "unknown-op",
                    store: Some(json!("data")),
                },
                r#"{"line":7,"message":"say \u201cput\u201d","offset":812,"reason":"unknown-op","store":"data","type":"rejected"}"#,
            ),
            (ReportLine::Reset, r#"{"type":"reset"}"#),
            (
                ReportLine::Resolved {
                    id: "[5]",
                    line: Some("{}"),
                    choice: "head",
                    withheld: false,
                },
                r#"{"id":[5],"line":{},"type":"resolved","use":"head"}"#,
            ),
            (
                ReportLine::Resolved { id: "[5]", line: None, choice: "head", withheld: true },
                r#"{"id":[5],"line":null,"type":"resolved","use":"head","withheld":true}"#,
            ),
            (
                ReportLine::Summary {
                    bucket: Some("b"),
                    conflicts: 1,
                    deleted: 2,
                    flow: None,
                    outcome: "committed",
                    parked: 3,
                    put: 4,
                    received: 5,
                    rejected: 6,
                    root: Some("01".to_owned()),
                    state: None,
                    unchanged: 7,
                    version: Some(8),
                },
                r#"{"bucket":"b","conflicts":1,"deleted":2,"flow":null,"outcome":"committed","parked":3,"put":4,"received":5,"rejected":6,"root":"01","state":null,"type":"summary","unchanged":7,"version":8}"#,
            ),
        ];
        lines.into()
    }

    #[test]
    fn lines_are_canonical_json_with_the_members_of_their_type() {
        let mut seen = BTreeSet::new();
        for (line, text) in examples() {
            assert_eq!(line.to_json(), text);
            let kind = ReportLineType::from(&line);
            let value: serde_json::Map<String, Value> = serde_json::from_str(text).unwrap();
            assert_eq!(value["type"], <&str>::from(kind));
            let known = kind.members();
            let expected: Vec<_> = known
                .iter()
                .filter(|name| {
                    !name.ends_with('?') || value.contains_key(name.trim_end_matches('?'))
                })
                .map(|name| name.trim_end_matches('?'))
                .collect();
            assert_eq!(value.keys().collect::<Vec<_>>(), expected);
            seen.insert(<&str>::from(kind));
        }
        assert_eq!(seen.len(), ReportLineType::VARIANTS.len());
    }

    #[test]
    fn the_pages_list_the_members_of_every_type() {
        let report = include_str!("../doc/reference/report.md");
        let types: Vec<Vec<&str>> = report
            .split("| `type` |")
            .nth(1)
            .and_then(|rest| rest.split("\n\n").next())
            .unwrap()
            .lines()
            .filter(|row| row.starts_with("| `"))
            .map(|row| row.split('|').collect())
            .collect();
        assert_eq!(types.len(), ReportLineType::VARIANTS.len());
        for kind in ReportLineType::VARIANTS {
            let name = format!(" `{}` ", <&str>::from(*kind));
            let row = types.iter().find(|row| row[1] == name).unwrap();
            let mut listed = quoted(row[2]);
            listed.push("type");
            listed.sort_unstable();
            let known: Vec<_> =
                kind.members().iter().map(|name| name.trim_end_matches('?')).collect();
            match kind {
                // These have tables of their own.
                ReportLineType::Summary => {
                    let mut listed: Vec<_> = report
                        .split("## The summary")
                        .nth(1)
                        .unwrap()
                        .lines()
                        .filter_map(|row| row.strip_prefix("| `"))
                        .flat_map(|row| {
                            quoted(&format!("`{}", row.split('|').next().unwrap()))
                                .into_iter()
                                .map(str::to_owned)
                                .collect::<Vec<_>>()
                        })
                        .collect();
                    listed.push("type".to_owned());
                    listed.sort_unstable();
                    assert_eq!(listed, known);
                }
                ReportLineType::Package => {
                    let page = include_str!("../doc/reference/flowfiles.md");
                    for member in known {
                        assert!(page.contains(&format!("`{member}`")), "{member}");
                    }
                }
                _ => assert_eq!(listed, known),
            }
        }
    }

    fn quoted(cell: &str) -> Vec<&str> {
        cell.split('`').skip(1).step_by(2).collect()
    }
}
