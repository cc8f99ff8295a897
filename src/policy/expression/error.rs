//! The reasons why an evaluation fails, as fixed sentences.

/// The reason why an evaluation failed. Contains no data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EvaluationError(pub &'static str);

/// The result of an evaluation step.
pub(super) type Evaluated<T> = Result<T, EvaluationError>;

impl EvaluationError {
    /// A member does not exist.
    pub const MISSING: Self = Self("a member is missing: use has()");
    /// A member of null was read, for example of a side that is absent or deleted.
    pub const NULL: Self = Self("null has no members: compare with null, or use has()");
    /// An operator or function does not accept these values.
    pub const TYPES: Self = Self("an operator or function does not take values of these types");
    /// A text is not a number, a double is not an integer, or bytes are not text.
    pub const CONVERSION: Self = Self("a value cannot be converted");
    /// An integer was divided by zero.
    pub const DIVISION: Self = Self("an integer is divided by zero");
    /// An integer does not fit into 64 bits.
    pub const OVERFLOW: Self = Self("an integer does not fit 64 bits");
    /// An element does not exist.
    pub const INDEX: Self = Self("a list has no element of this index");
    /// Shared references were compared or taken apart.
    pub const REFERENCES: Self =
        Self("a value holds shared references, which are only given back with their whole record");
    /// A condition returned a value that is not a bool.
    pub const CONDITION: Self = Self("a condition is neither true nor false");
    /// The result is not a value of IndexedDB.
    pub const RESULT: Self = Self("the result cannot be stored");
    /// A map has a duplicate member.
    pub const TWICE: Self = Self("a map has a member twice");
    /// See [`MAX_STEPS`](super::limits::MAX_STEPS).
    pub const STEPS: Self = Self("limit: the evaluation takes too many steps");
    /// See [`MAX_MADE`](super::limits::MAX_MADE).
    pub const MADE: Self = Self("limit: the evaluation makes too much text or too many values");
    /// See [`MAX_LIST`](super::limits::MAX_LIST).
    pub const LIST: Self = Self("limit: a list is too long");
    /// See [`MAX_VALUE`](super::limits::MAX_VALUE).
    pub const VALUE: Self = Self("limit: the result is too large");
    /// A text that should be canonical is not.
    pub const BROKEN: Self = Self("a stored value is not canonical");
}
