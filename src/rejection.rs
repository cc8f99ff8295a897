//! A rejected line and the reason. A rejection is data, not an error: the batch continues. The
//! reasons are listed in `doc/reference/changes.md`.

mod text;

use std::io::{self, Write};

use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::SortableKey;
use crate::indexeddb::schema::name_to_json;
use crate::report_line::ReportLine;

pub use text::{ReadSeek, RejectedText};

/// Defines names and the list of all of them, which can then lack none.
macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        $($(#[$doc])* pub const $name: &str = $text;)*

        /// All reasons.
        pub const ALL: &[&str] = &[$($name,)*];
    };
}

/// The reasons: stable names in kebab case. `doc/reference/changes.md` defines each.
pub mod code {
    reasons! {
        /// The line is not JSON, or not an object where one is required.
        SYNTAX = "syntax",
        /// The line is nested too deeply.
        DEPTH = "depth",
        /// The line is longer than the limit.
        LINE_TOO_LONG = "line-too-long",
        /// An object contains a member twice.
        DUPLICATE_MEMBER = "duplicate-member",
        /// The line has a member that its operation does not allow.
        UNKNOWN_MEMBER = "unknown-member",
        /// The line lacks a member that its operation requires.
        MISSING_MEMBER = "missing-member",
        /// A member's value has the wrong type.
        INVALID_MEMBER = "invalid-member",
        /// The operation is unknown.
        UNKNOWN_OP = "unknown-op",
        /// The header does not list the object store.
        UNKNOWN_STORE = "unknown-store",
        /// A full batch may contain only `put` lines.
        NOT_IN_FULL = "not-in-full",
        /// The line refers to its value instead of containing it.
        SPILLED_VALUE = "spilled-value",
        /// The line has no key, and neither has the value.
        NO_KEY = "no-key",
        /// The key differs from the one in the value.
        KEY_MISMATCH = "key-mismatch",
        /// IndexedDB does not accept the key.
        INVALID_KEY = "invalid-key",
        /// The key exceeds the length limit.
        KEY_TOO_LONG = "key-too-long",
        /// The range contains no key.
        INVALID_RANGE = "invalid-range",
        /// The line contains bytes that are not UTF-8.
        INVALID_UTF8 = "invalid-utf8",
        /// A double would round the number.
        NUMBER_PRECISION = "number-precision",
        /// The number is outside the range of a double.
        NUMBER_RANGE = "number-range",
        /// The kind of a tagged value is unknown.
        UNKNOWN_TAG = "unknown-tag",
        /// A tagged value is not in the form of its kind.
        INVALID_TAG = "invalid-tag",
        /// A member name starts with `~` but is neither a tag nor escaped.
        RESERVED_NAME = "reserved-name",
        /// A private field is in a place where it cannot be hidden.
        PRIVATE_FIELD = "private-field",
    }
}

/// A rejected line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Line number, starting at 1.
    pub line: u64,
    /// Offset of the line's first byte in the stream.
    pub offset: u64,
    /// One of [`code::ALL`].
    pub code: &'static str,
    /// The object store, if known.
    pub store: Option<DomString>,
    /// The fault and the next step, for people; contains nothing from the line.
    pub message: String,
    /// Keys of the records that the line of a full batch may be about; empty if unknown. Not part
    /// of the report.
    pub keys: Vec<SortableKey>,
}

impl Rejection {
    /// Returns the report line, without a line end: canonical JSON with the members `line`,
    /// `message`, `offset`, `reason`, `store` (if known), `type`. See also
    /// [`Self::write_with_text`].
    pub fn to_json(&self) -> String {
        let line = ReportLine::Rejected {
            line: self.line,
            message: &self.message,
            offset: self.offset,
            reason: self.code,
            store: self.store.as_ref().map(name_to_json),
        };
        line.to_json()
    }

    /// Writes a line of [`Self::to_json`] with the member `text` or `textBase64`, and a line end.
    ///
    /// # Errors
    ///
    /// Those of `out`, and of the temporary file that contains the text.
    pub fn write_line_with_text(
        line: &str,
        text: &mut RejectedText<'_>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        // Canonical order puts the member between `store` and `type`.
        let (before, after) = line.split_at(line.len() - ",\"type\":\"rejected\"}".len());
        out.write_all(before.as_bytes())?;
        text.write_member(out)?;
        out.write_all(after.as_bytes())?;
        out.write_all(b"\n")
    }

    /// Writes the line of [`Self::to_json`] with [`Self::write_line_with_text`].
    ///
    /// # Errors
    ///
    /// Those of [`Self::write_line_with_text`].
    pub fn write_with_text(
        &self,
        text: &mut RejectedText<'_>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        Self::write_line_with_text(&self.to_json(), text, out)
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
        let page = include_str!("../doc/reference/changes.md");
        let table =
            page.split("| reason |").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap();
        let mut listed: Vec<_> =
            table.lines().skip(2).map(|row| row.split('`').nth(1).unwrap()).collect();
        let mut all = code::ALL.to_vec();
        listed.sort_unstable();
        all.sort_unstable();
        assert_eq!(listed, all);
    }
}
