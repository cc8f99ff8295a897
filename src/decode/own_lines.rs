//! Detects lines that this program wrote itself: a report that is sent back as input is refused
//! instead of stored.

use std::str::FromStr as _;

use super::framing::Span;
use super::scan::{ScannedMember, ScannedMembers};
use crate::rejection::code;
use crate::report_line::ReportLineType;

/// The number of bytes of a first line that are examined.
pub(crate) const BEGIN_BYTES: usize = 16 * 1024;

/// The message for such an input.
pub(crate) const REFUSED: &str = "this is a report of nifi-idb, not records: an answer was fed \
    back as input; \
    for rejected records give nifi-idb rejects the report and send what it prints";

/// The number of members by which a summary is recognised, because older ones have fewer.
const SUMMARY_MEMBERS: usize = 7;

/// Returns the members by which a line of this type is recognised; `None` if they are not enough,
/// because records may have the same.
fn recognised_by(kind: ReportLineType) -> Option<&'static [&'static str]> {
    match kind {
        ReportLineType::Change | ReportLineType::Reset | ReportLineType::Resolved => None,
        ReportLineType::Summary => kind.members().get(..SUMMARY_MEMBERS),
        ReportLineType::Ack
        | ReportLineType::Conflict
        | ReportLineType::Error
        | ReportLineType::Header
        | ReportLineType::Kept
        | ReportLineType::Loss
        | ReportLineType::Losses
        | ReportLineType::Package
        | ReportLineType::Privacy
        | ReportLineType::Rejected => Some(kind.members()),
    }
}

/// True if a text begins with a line of a report.
pub(crate) fn begins(text: &[u8]) -> bool {
    let line = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let found = members(line);
    let value = |name: &str| {
        let member = found.iter().find(|member| member.name.of(line) == name.as_bytes());
        member.map(|member| member.value.of(line))
    };
    if let Some(quoted) = value("type") {
        let kind = quoted
            .strip_prefix(b"\"")
            .and_then(|text| text.strip_suffix(b"\""))
            .unwrap_or_default();
        let kind =
            std::str::from_utf8(kind).ok().and_then(|kind| ReportLineType::from_str(kind).ok());
        if let Some(kind) = kind
            && let Some(names) = recognised_by(kind)
            && has(line, &found, names, kind != ReportLineType::Summary)
            && (kind != ReportLineType::Header
                || value("value").is_some_and(|raw| raw.starts_with(b"\"{")))
        {
            return true;
        }
    }
    // A long value or text may cut these off before their type.
    let first = found.first().map(|member| member.name.of(line));
    let reason = || value("reason").and_then(|raw| raw.strip_prefix(b"\"")?.strip_suffix(b"\""));
    match first {
        Some(b"bucket") => recognised_by(ReportLineType::Summary)
            .is_some_and(|names| has(line, &found, names, false)),
        Some(b"line") if found.len() == 1 || value("type") == Some(b"\"change\"") => {
            nested(line, &found[0])
        }
        Some(b"line") => {
            let known = reason()
                .is_some_and(|reason| code::ALL.iter().any(|code| code.as_bytes() == reason));
            known && ["message", "offset"].iter().all(|name| value(name).is_some())
        }
        Some(b"id") => found.get(1).is_some_and(|line_of| {
            let resolved = value("type") == Some(b"\"resolved\"") || found.len() == 2;
            resolved && line_of.name.of(line) == b"line" && nested(line, line_of)
        }),
        None => line.strip_prefix(b"{\"line\":").is_some_and(is_change),
        _ => false,
    }
}

/// Returns the members whose values are complete.
fn members(line: &[u8]) -> Vec<ScannedMember> {
    let mut found = Vec::new();
    let Ok(mut members) = ScannedMembers::of(line) else { return found };
    while let Ok(Some(member)) = members.next() {
        found.push(member);
        if found.len() > 16 {
            break;
        }
    }
    found
}

/// True if the line's members are these, in this order; others may follow unless `exactly` is true.
fn has(line: &[u8], found: &[ScannedMember], names: &[&str], exactly: bool) -> bool {
    let mut found = found.iter().map(|member| member.name.of(line)).peekable();
    for name in names {
        let (name, optional) = name.strip_suffix('?').map_or((*name, false), |name| (name, true));
        if found.peek().is_some_and(|next| *next == name.as_bytes()) {
            found.next();
        } else if !optional {
            return false;
        }
    }
    !exactly || found.next().is_none()
}

fn nested(line: &[u8], member: &ScannedMember) -> bool {
    let Span { start, .. } = member.value;
    line.get(start..).is_some_and(|rest| rest.starts_with(b"null") || is_change(rest))
}

/// True if a text begins with a stored line, which includes its version.
fn is_change(text: &[u8]) -> bool {
    let found = members(text);
    let value = |name: &[u8]| {
        found.iter().find(|member| member.name.of(text) == name).map(|it| it.value.of(text))
    };
    matches!(value(b"op"), Some(b"\"put\"" | b"\"delete\""))
        && value(b"rev").is_some()
        && value(b"store").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_reports_are_known() {
        let long = "x".repeat(2 * BEGIN_BYTES);
        for line in [
            r#"{"checkpoint":3,"epoch":"2026-01","source":"kiosk-7","type":"ack"}"#.to_owned(),
            r#"{"key":7,"kind":"update-update","rule":"default/incoming","store":"data","type":"conflict","winner":"incoming"}"#.to_owned(),
            r#"{"message":"the body has more than 3 bytes","type":"error"}"#.to_owned(),
            r#"{"type":"header","value":"{\"format\":\"indexeddb-changes/1\"}"}"#.to_owned(),
            r#"{"count":8,"reason":"store-left-out","store":"notes","type":"kept"}"#.to_owned(),
            r#"{"count":8,"path":"a","type":"loss","what":"x"}"#.to_owned(),
            r#"{"excluded":1,"hashed":0,"redacted":0,"type":"privacy"}"#.to_owned(),
            r#"{"line":7,"message":"x","offset":812,"reason":"no-key","store":"data","type":"rejected"}"#.to_owned(),
            format!(r#"{{"line":7,"message":"x","offset":812,"reason":"no-key","text":"{long}","type":"rejected"}}"#),
            r#"{"bucket":"indexeddb","conflicts":0,"deleted":0,"flow":"f","outcome":"committed","parked":0,"put":5,"received":5,"rejected":0,"root":"01","state":"75","type":"summary","unchanged":0,"version":1}"#.to_owned(),
            r#"{"committed":1,"failed":0,"flowfiles":1,"received":1,"refused":0,"transient":0,"type":"package","unchanged":0}"#.to_owned(),
            r#"{"line":{"at":1,"key":1,"op":"put","rev":3,"store":"data","value":{"id":1}},"type":"change"}"#.to_owned(),
            format!(r#"{{"line":{{"at":1,"key":1,"op":"put","rev":3,"store":"data","value":"{long}"}},"type":"change"}}"#),
            r#"{"id":[5,"data",7],"line":{"at":1,"key":7,"op":"put","rev":6,"store":"data","value":{}},"type":"resolved","use":"head"}"#.to_owned(),
            r#"{"id":[5,"data",7],"line":null,"type":"resolved","use":"head"}"#.to_owned(),
        ] {
            let cut = &line.as_bytes()[..line.len().min(BEGIN_BYTES)];
            assert!(begins(cut) && begins(&[cut, b"\n{}"].concat()), "{line:.100}");
        }
    }

    #[test]
    fn records_that_look_like_them_are_records() {
        for line in [
            r#"{"id":1,"type":"summary"}"#,
            r#"{"id":1,"message":"x","type":"error"}"#,
            r#"{"type":"header","id":1,"value":2}"#,
            r#"{"line":1,"type":"change"}"#,
            r#"{"line":7,"message":"x","offset":812,"reason":"late"}"#,
            r#"{"type":"header","value":"x"}"#,
            r#"{"count":8,"path":"a","type":"loss","what":"x","id":1,"n":2}"#,
            r#"{"bucket":"b","id":1}"#,
            r#"{"id":[1],"line":{"a":1},"type":"resolved"}"#,
            r#"{"format":"indexeddb-changes/1"}"#,
            "{}",
            "",
        ] {
            assert!(!begins(line.as_bytes()), "{line}");
        }
    }
}
