//! Guesses why all lines of a batch were rejected, from the first of them.

use super::rejects::MAX_REJECTED_BYTES;
use crate::decode::{BatchHeader, Dialect};
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::rejection::{Rejection, code};

/// Limit on the bytes of the first rejected text that are examined.
pub(super) const HEAD_BYTES: usize = 1024;

/// The first line or record of a batch that was rejected.
#[derive(Debug)]
pub(super) struct FirstRejection {
    pub(super) rejection: Rejection,
    /// The beginning of its text.
    pub(super) head: Vec<u8>,
}

impl FirstRejection {
    /// Returns the failure of a batch whose `count` lines were all rejected, with its likely cause.
    pub(super) fn failure(&self, header: &BatchHeader, count: u64) -> Failure {
        let Rejection { line, offset, code, message, .. } = &self.rejection;
        let all = if count == 1 {
            "the only line was".to_owned()
        } else {
            format!("all {count} lines were")
        };
        let cause =
            self.cause(header.dialect).map(|cause| format!("; {cause}")).unwrap_or_default();
        let what = format!("{all} rejected: line {line} (byte {offset}): {code}: {message}{cause}");
        Failure::new(ExitStatus::Input, what)
            .hint("nothing was written; the report names every rejected line")
    }

    /// Returns the failure of a batch with too many rejected lines, with its likely cause.
    pub(super) fn too_much(&self, header: &BatchHeader) -> Failure {
        let Rejection { line, offset, code, message, .. } = &self.rejection;
        let cause =
            self.cause(header.dialect).map(|cause| format!("; {cause}")).unwrap_or_default();
        let limit = MAX_REJECTED_BYTES / (1024 * 1024);
        let what = format!(
            "too many lines were rejected: a report says at most {limit} MiB of them; the first: \
             line {line} (byte \
             {offset}): {code}: {message}{cause}"
        );
        Failure::new(ExitStatus::Input, what).hint("nothing was written")
    }

    /// Describes the apparent format of the input, and the option that was probably meant.
    fn cause(&self, dialect: Dialect) -> Option<&'static str> {
        let head = self.head.trim_ascii_start();
        let begins = |text: &str| head.starts_with(text.as_bytes());
        let has = |text: &str| memchr::memmem::find(head, text.as_bytes()).is_some();
        // No text has these control characters; tab, line ends and escape sequences are left out.
        if head.iter().any(|byte| matches!(byte, 0..=8 | 14..=26 | 28..=31)) {
            return Some(
                "this looks like binary data, or text that is not UTF-8; convert it before",
            );
        }
        if begins("<") {
            return Some("this looks like HTML or XML; look at what was downloaded");
        }
        match self.rejection.code {
            code::LINE_TOO_LONG => Some("raise --max-line-bytes, or send one record a line"),
            code::UNKNOWN_STORE => {
                Some("did you mean another object store? Names are case-sensitive")
            }
            code::MISSING_MEMBER | code::UNKNOWN_OP if dialect == Dialect::Changes => Some(
                "these look like bare records; send them without the header, and give \
                 --object-store and --key-path",
            ),
            code::NO_KEY | code::SYNTAX if dialect == Dialect::Records => {
                if begins("{\"op\":") || (has("\"op\":\"put\"") && has("\"store\":")) {
                    return Some(
                        "this looks like lines of indexeddb-changes/1 without their header; send \
                         it with them",
                    );
                }
                let is_flat = has("\"__deleted\":") || has("\"__op\":");
                if has("\"binlog_") && has("\"columns\":") {
                    return Some(
                        "this looks like events of CaptureChangeMySQL; did you mean --input \
                         capture-change-mysql?",
                    );
                }
                if is_flat || (has("\"before\":") && has("\"after\":")) {
                    return Some(
                        "this looks like change events of Debezium; did you mean --input debezium?",
                    );
                }
                if has("\"cookies\":") && has("\"origins\":") {
                    return Some(
                        "this looks like a storage state of Playwright; did you mean --input \
                         playwright?",
                    );
                }
                self.cause_of_records(head)
            }
            code::INVALID_KEY if has("{\"$") => {
                Some("this looks like extended JSON of MongoDB; did you mean --input mongoexport?")
            }
            _ => None,
        }
    }

    fn cause_of_records(&self, head: &[u8]) -> Option<&'static str> {
        let begins = |text: &str| head.starts_with(text.as_bytes());
        if !begins("{") && self.rejection.code == code::NO_KEY {
            return Some("the values are not objects, so they have no key");
        }
        // One document is told from a record by its first member: an array where a key should be.
        let line = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let inner = head.strip_prefix(b"{").unwrap_or_default().trim_ascii_start();
        let stores =
            memchr::memmem::find(inner, b"\":").map(|place| inner[place + 2..].trim_ascii_start());
        if stores.is_some_and(|value| value.starts_with(b"["))
            && self.rejection.code == code::NO_KEY
        {
            return Some(
                "this looks like one document with its records in arrays; did you mean --input \
                 plain-json, or to send \
                 the inner array?",
            );
        }
        if self.rejection.code == code::NO_KEY {
            return Some("did you mean another key path? Names are case-sensitive");
        }
        if begins("{'") {
            return Some("this looks like Python's own notation; write it with json.dumps");
        }
        if begins("data:") || begins("event:") {
            return Some("this looks like server-sent events; take the JSON behind data: only");
        }
        if begins(")]}'") {
            return Some(
                "this begins with a guard against script inclusion; take the first line away",
            );
        }
        let separated = line.iter().any(|byte| matches!(byte, b',' | b';' | b'\t'));
        if separated && !head.iter().any(|byte| matches!(byte, b'{' | b'[')) {
            return Some(
                "this looks like CSV; did you mean to convert it before (ConvertRecord with \
                 CSVReader and \
                 JsonRecordSetWriter)?",
            );
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(code: &'static str, head: &str) -> Option<&'static str> {
        let rejection = Rejection {
            line: 1,
            offset: 0,
            code,
            store: None,
            message: String::new(),
            keys: Vec::new(),
        };
        FirstRejection { rejection, head: head.as_bytes().to_vec() }.cause(Dialect::Records)
    }

    #[test]
    fn what_the_input_looks_like_is_named() {
        for (code, head, expected) in [
            (code::SYNTAX, "id,name\n1,apple\n", "CSV"),
            (code::SYNTAX, "id;name", "CSV"),
            (code::SYNTAX, "{'id': 1}", "Python"),
            (code::SYNTAX, "  <div>", "HTML"),
            (code::SYNTAX, "data: {\"id\":1}", "server-sent"),
            (code::SYNTAX, ")]}'", "script inclusion"),
            (code::SYNTAX, "\u{1}\u{2}", "binary"),
            (code::NO_KEY, "{\"data\":[{\"id\":1}]}", "plain-json"),
            (
                code::NO_KEY,
                "{\"op\":\"put\",\"store\":\"data\",\"value\":{}}",
                "without their header",
            ),
            (code::NO_KEY, "{\"before\":null,\"after\":{},\"op\":\"c\"}", "debezium"),
            (code::NO_KEY, "{\"ID\":1,\"__deleted\":\"false\"}", "debezium"),
            (
                code::NO_KEY,
                "{\"type\":\"insert\",\"binlog_filename\":\"m\",\"columns\":[]}",
                "capture-change-mysql",
            ),
            (code::INVALID_KEY, "{\"_id\":{\"$oid\":\"aa\"}}", "mongoexport"),
            (code::NO_KEY, "{\"cookies\":[],\"origins\":[]}", "playwright"),
            (code::NO_KEY, "{\"ID\":1}", "another key path"),
            (code::LINE_TOO_LONG, "{\"id\":1", "--max-line-bytes"),
        ] {
            let found = cause(code, head).unwrap_or_default();
            assert!(found.contains(expected), "{head}: {found}");
        }
        assert_eq!(cause(code::INVALID_KEY, "{\"id\":null}"), None);
    }
}
