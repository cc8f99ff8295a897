//! Types of values, as sets of kinds that are known before evaluation.

use std::fmt;
use std::ops::BitOr;

use strum::VariantArray as _;

/// The kind of a value, as `type()` returns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::VariantArray)]
pub(super) enum Kind {
    Null,
    Bool,
    Int,
    Double,
    Text,
    Bytes,
    List,
    Map,
    Date,
    Type,
    /// A value that can only be compared and returned.
    Stored,
}

impl Kind {
    const ALL: &'static [Self] = Self::VARIANTS;

    /// Returns the name in expressions.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Double => "double",
            Self::Text => "string",
            Self::Bytes => "bytes",
            Self::List => "list",
            Self::Map => "map",
            Self::Date => "date",
            Self::Type => "type",
            Self::Stored => "stored",
        }
    }

    /// Returns the kind with this name.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    const fn shown(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "a bool",
            Self::Int | Self::Double => "a number",
            Self::Text => "a string",
            Self::Bytes => "bytes",
            Self::List => "a list",
            Self::Map => "a map",
            Self::Date => "a Date",
            Self::Type => "a type",
            Self::Stored => "a stored object",
        }
    }
}

/// The set of kinds that a value may have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Type(u16);

impl Type {
    pub(super) const NEVER: Self = Self(0);
    pub(super) const ANY: Self = Self((1 << Kind::ALL.len()) - 1);
    pub(super) const NULL: Self = Self::of(Kind::Null);
    pub(super) const BOOL: Self = Self::of(Kind::Bool);
    pub(super) const INT: Self = Self::of(Kind::Int);
    pub(super) const DOUBLE: Self = Self::of(Kind::Double);
    pub(super) const TEXT: Self = Self::of(Kind::Text);
    pub(super) const BYTES: Self = Self::of(Kind::Bytes);
    pub(super) const LIST: Self = Self::of(Kind::List);
    pub(super) const MAP: Self = Self::of(Kind::Map);
    pub(super) const DATE: Self = Self::of(Kind::Date);
    pub(super) const TYPE: Self = Self::of(Kind::Type);
    /// The operands of arithmetic; a Date is its milliseconds.
    pub(super) const NUMBER: Self = Self(Self::INT.0 | Self::DOUBLE.0 | Self::DATE.0);
    /// Numbers that are not Dates.
    pub(super) const PLAIN: Self = Self(Self::INT.0 | Self::DOUBLE.0);
    /// The values that a record can contain.
    pub(super) const DATA: Self = Self(Self::ANY.0 & !Self::TYPE.0);

    /// Returns the type with only this kind.
    pub(super) const fn of(kind: Kind) -> Self {
        Self(1 << kind as u16)
    }

    /// Returns the kinds that are in both types.
    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Returns the kinds that are in either type.
    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// True if the two types have a kind in common.
    pub(super) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// True if values of the two types may be equal; all numbers count as one kind.
    pub(super) fn may_equal(self, other: Self) -> bool {
        let widen =
            |of: Self| if of.meets(Self::NUMBER) { Self(of.0 | Self::NUMBER.0) } else { of };
        widen(self).meets(widen(other))
    }
}

impl BitOr for Type {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.or(other)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown: Vec<_> = Kind::ALL
            .iter()
            .copied()
            .filter(|&kind| self.meets(Self::of(kind)))
            .map(Kind::shown)
            .collect();
        shown.dedup();
        f.write_str(&shown.join(" or "))
    }
}

impl fmt::Debug for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_sets() {
        for &kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.name()), Some(kind));
            assert!(Type::ANY.meets(Type::of(kind)));
        }
        assert!(!Type::DATA.meets(Type::TYPE) && !Type::NEVER.meets(Type::ANY));
        assert_eq!((Type::NULL | Type::INT).to_string(), "null or a number");
        assert!(
            Type::INT.may_equal(Type::DATE)
                && !Type::INT.may_equal(Type::TEXT)
                && !Type::INT.meets(Type::DATE)
        );
    }
}
