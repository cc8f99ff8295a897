//! The reasons why JSON is not a value.

use super::MAX_DEPTH;
use crate::indexeddb::number::MAX_SIGNIFICANT_DIGITS;

/// A refused value, as a reason and a position. It contains no data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}, at byte {offset} of the value")]
pub struct ValueError {
    /// The reason.
    pub reason: ValueErrorReason,
    /// The byte offset in the input.
    pub offset: usize,
}

impl ValueError {
    /// Returns the stable code of the reason, in kebab case.
    pub fn code(&self) -> &'static str {
        self.reason.code()
    }
}

/// The reason why a value is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueErrorReason {
    /// The text is not JSON by RFC 8259. This includes a byte-order mark, and control characters in
    /// strings.
    #[error("not JSON")]
    Syntax,
    /// A string contains bytes that are not UTF-8.
    #[error("text is not UTF-8")]
    InvalidUtf8,
    /// Brackets nest deeper than [`MAX_DEPTH`] in the input or in its canonical form.
    #[error("nested deeper than {MAX_DEPTH}")]
    Depth,
    /// Two members of one object have the same name.
    #[error("two members have the same name")]
    DuplicateMember,
    /// A double cannot represent the number.
    #[error(
        "a double cannot hold this number: an integer must be exact, any other number has at most \
         {MAX_SIGNIFICANT_DIGITS} significant digits; send it as {{\"~bigint\":…}} or as a string"
    )]
    NumberPrecision,
    /// The number is too great for a double, or so small that it would become zero.
    #[error("the number is outside the range of a double")]
    NumberRange,
    /// The only member's name begins with `~`, and the table does not contain it.
    #[error(
        "unknown tag: a member name that begins with `~` is written with one more `~` in front"
    )]
    UnknownTag,
    /// A member name begins with a single `~` in an object that has other members.
    #[error(
        "reserved member name: in data, a member name that begins with `~` is written with one \
         more `~` in front"
    )]
    ReservedName,
    /// The content of a tag is not allowed.
    #[error("invalid tagged value: {0}")]
    InvalidTag(&'static str),
    /// Two `~id` objects have the same number.
    #[error("two `~id` have the same number")]
    DuplicateId,
    /// A `~ref` does not follow an `~id` with its number.
    #[error("`~ref` names no `~id` before it")]
    DanglingReference,
}

impl ValueErrorReason {
    /// Returns the stable code, in kebab case.
    pub fn code(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::InvalidUtf8 => "invalid-utf8",
            Self::Depth => "depth",
            Self::DuplicateMember => "duplicate-member",
            Self::NumberPrecision => "number-precision",
            Self::NumberRange => "number-range",
            Self::UnknownTag => "unknown-tag",
            Self::ReservedName => "reserved-name",
            Self::InvalidTag(_) => "invalid-tag",
            Self::DuplicateId => "duplicate-id",
            Self::DanglingReference => "dangling-reference",
        }
    }
}
