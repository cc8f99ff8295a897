//! One refused line and why. Data, not an error: the batch goes on. The reasons are listed in `decode/CHANGES.md`.

mod text;

use std::io::{self, Write};

use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::SortableKey;
use crate::indexeddb::text::canonical_text;

pub use text::{ReadSeek, RejectedText};

/// Reasons: stable, kebab-case. `decode/CHANGES.md` says what each means.
pub mod code {
    /// Not JSON, or not an object where one is needed.
    pub const SYNTAX: &str = "syntax";
    /// Nested too deep.
    pub const DEPTH: &str = "depth";
    /// The line is longer than the limit.
    pub const LINE_TOO_LONG: &str = "line-too-long";
    /// An object has a member twice.
    pub const DUPLICATE_MEMBER: &str = "duplicate-member";
    /// A member that lines of this operation do not have.
    pub const UNKNOWN_MEMBER: &str = "unknown-member";
    /// A member that lines of this operation need.
    pub const MISSING_MEMBER: &str = "missing-member";
    /// A member's value is not of its kind.
    pub const INVALID_MEMBER: &str = "invalid-member";
    /// No such operation.
    pub const UNKNOWN_OP: &str = "unknown-op";
    /// The header has no such object store.
    pub const UNKNOWN_STORE: &str = "unknown-store";
    /// A full batch has only `put` lines.
    pub const NOT_IN_FULL: &str = "not-in-full";
    /// The line names its value but does not hold it.
    pub const SPILLED_VALUE: &str = "spilled-value";
    /// No key given, and none in the value.
    pub const NO_KEY: &str = "no-key";
    /// The key is not the one in the value.
    pub const KEY_MISMATCH: &str = "key-mismatch";
    /// IndexedDB would not take this key.
    pub const INVALID_KEY: &str = "invalid-key";
    /// Longer than keys may be.
    pub const KEY_TOO_LONG: &str = "key-too-long";
    /// No key can be between these bounds.
    pub const INVALID_RANGE: &str = "invalid-range";
    /// Bytes that are not UTF-8.
    pub const INVALID_UTF8: &str = "invalid-utf8";
    /// A number that a double would round.
    pub const NUMBER_PRECISION: &str = "number-precision";
    /// A number beyond doubles.
    pub const NUMBER_RANGE: &str = "number-range";
    /// A tagged value of no known kind.
    pub const UNKNOWN_TAG: &str = "unknown-tag";
    /// A tagged value that is not written as its kind is.
    pub const INVALID_TAG: &str = "invalid-tag";
    /// A member name with `~` in front that is neither tag nor escaped.
    pub const RESERVED_NAME: &str = "reserved-name";
    /// A field that the policy makes private lies where it cannot be hidden.
    pub const PRIVATE_FIELD: &str = "private-field";

    /// Every reason there is.
    pub const ALL: [&str; 23] = [
        SYNTAX,
        DEPTH,
        LINE_TOO_LONG,
        DUPLICATE_MEMBER,
        UNKNOWN_MEMBER,
        MISSING_MEMBER,
        INVALID_MEMBER,
        UNKNOWN_OP,
        UNKNOWN_STORE,
        NOT_IN_FULL,
        SPILLED_VALUE,
        NO_KEY,
        KEY_MISMATCH,
        INVALID_KEY,
        KEY_TOO_LONG,
        INVALID_RANGE,
        INVALID_UTF8,
        NUMBER_PRECISION,
        NUMBER_RANGE,
        UNKNOWN_TAG,
        INVALID_TAG,
        RESERVED_NAME,
        PRIVATE_FIELD,
    ];
}

/// A line that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Number of the line, from 1.
    pub line: u64,
    /// Offset of the line's first byte in the stream.
    pub offset: u64,
    /// One of [`code::ALL`].
    pub code: &'static str,
    /// The object store, where it is known.
    pub store: Option<DomString>,
    /// What is wrong and what to do, for people; nothing of what the line holds.
    pub message: String,
    /// Keys of the records that the line of a full batch may be about; none if that cannot be told. Not in the report.
    pub keys: Vec<SortableKey>,
}

impl Rejection {
    /// Its line of the report, without the line's end: canonical JSON with the members `line`, `message`, `offset`,
    /// `reason`, `store` (where it is known), `type`; see [`Self::write_with_text`].
    pub fn to_json(&self) -> String {
        let Self { line, offset, code, .. } = self;
        let message = canonical_text(&self.message);
        let store = self.store.as_ref().map(|name| format!("\"store\":{},", name.to_canonical())).unwrap_or_default();
        format!(
            "{{\"line\":{line},\"message\":{message},\"offset\":{offset},\"reason\":\"{code}\",{store}\"type\":\"rejected\"}}"
        )
    }

    /// Writes its line with the member `text` or `textBase64`, and the line's end.
    ///
    /// # Errors
    ///
    /// Those of `out`, and of the temporary file that holds the text.
    pub fn write_with_text(&self, text: &mut RejectedText<'_>, out: &mut dyn Write) -> io::Result<()> {
        let line = self.to_json();
        // In a canonical line the member stands between `store` and `type`.
        let (before, after) = line.split_at(line.len() - ",\"type\":\"rejected\"}".len());
        out.write_all(before.as_bytes())?;
        text.write_member(out)?;
        out.write_all(after.as_bytes())?;
        out.write_all(b"\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_line_is_canonical_json() {
        let mut rejection = Rejection {
            line: 7,
            offset: 812,
            code: code::UNKNOWN_OP,
            store: Some(DomString::from_units([0xd800])),
            message: "say “put”".into(),
            keys: Vec::new(),
        };
        let store = r#""store":{"~utf16":"ANg="},"#;
        let message = r#"say \u201cput\u201d"#;
        let line = format!(
            r#"{{"line":7,"message":"{message}","offset":812,"reason":"unknown-op",{store}"type":"rejected"}}"#
        );
        assert_eq!(rejection.to_json(), line);
        rejection.store = None;
        assert_eq!(rejection.to_json(), line.replace(store, ""));
    }

    #[test]
    fn the_page_lists_every_reason_once_and_no_other() {
        let page = include_str!("decode/CHANGES.md");
        let table = page.split("| reason |").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap();
        let mut listed: Vec<_> = table.lines().skip(2).map(|row| row.split('`').nth(1).unwrap()).collect();
        let mut all = code::ALL.to_vec();
        listed.sort_unstable();
        all.sort_unstable();
        assert_eq!(listed, all);
    }
}
