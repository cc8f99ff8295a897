//! Resolvers, which decide conflicts, and the conflict types that each may decide.

use strum::VariantArray as _;

use super::expression::Expression;
use super::path::FieldPath;
use crate::snapshot::ConflictType;

/// The resolver of a conflict, for a whole record or for one field.
#[derive(Clone, Debug, PartialEq)]
pub enum Resolver {
    /// The later clock wins; ties are broken by source, then by the digest of the value. Without a
    /// clock, the later arrival wins.
    LastWriteWins,
    /// The earlier clock wins; ties are broken the other way round. Without a clock, the first
    /// arrival wins.
    FirstWriteWins,
    /// The change wins.
    IncomingWins,
    /// The stored state wins.
    HeadWins,
    /// Merges member by member against the base.
    ThreeWay(ThreeWay),
    /// Head, plus the amount that incoming added to its base.
    Delta,
    /// The greater value; or, with `by`, the side on which that member is greater.
    Max {
        /// The member to compare; `None` means the value itself.
        by: Option<FieldPath>,
    },
    /// The smaller value, or side.
    Min {
        /// The member to compare; `None` means the value itself.
        by: Option<FieldPath>,
    },
    /// All elements of both sides without duplicates, in canonical order.
    SetUnion,
    /// All elements of both lists, one for each key.
    AppendUnique {
        /// The member that identifies an element.
        key: FieldPath,
        /// The member to sort the result by; `None` means head's elements, then incoming's new
        /// ones.
        order_by: Option<FieldPath>,
    },
    /// The state that comes later in this list of canonical values.
    Order(Vec<Vec<u8>>),
    /// The value that was stored first.
    Immutable,
    /// Leaves the change out, but keeps it in the list of conflicts.
    Skip,
    /// Refuses the whole batch.
    Fail,
    /// Decides nothing: head stays, and the change waits for a person.
    Park,
    /// Continues as if there were no conflict of this type.
    Accept,
    /// The value of an expression.
    Cel(Expression),
}

/// The settings for merging values member by member.
#[derive(Clone, Debug, PartialEq)]
pub struct ThreeWay {
    /// The way to merge arrays.
    pub arrays: Arrays,
    /// The resolver of members that both sides changed differently.
    pub contested: Box<Resolver>,
}

/// The way in which three-way merges arrays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrays {
    /// As a whole, like any other value.
    Whole,
    /// As sets: elements that one side added are added, elements that one side removed are removed.
    Set,
    /// By appending: elements that incoming added after the base's are added after head's.
    Append,
    /// By identity: elements with equal keys are merged, others are added and removed as in a set.
    Key(FieldPath),
}

/// The kind of a resolver, without its parameters; a line of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::VariantArray)]
pub enum ResolverKind {
    /// See [`Resolver::LastWriteWins`].
    LastWriteWins,
    /// See [`Resolver::FirstWriteWins`].
    FirstWriteWins,
    /// See [`Resolver::IncomingWins`].
    IncomingWins,
    /// See [`Resolver::HeadWins`].
    HeadWins,
    /// See [`Resolver::ThreeWay`].
    ThreeWay,
    /// See [`Resolver::Delta`].
    Delta,
    /// See [`Resolver::Max`].
    Max,
    /// See [`Resolver::Min`].
    Min,
    /// See [`Resolver::SetUnion`].
    SetUnion,
    /// See [`Resolver::AppendUnique`].
    AppendUnique,
    /// See [`Resolver::Order`].
    Order,
    /// See [`Resolver::Immutable`].
    Immutable,
    /// See [`Resolver::Skip`].
    Skip,
    /// See [`Resolver::Fail`].
    Fail,
    /// See [`Resolver::Park`].
    Park,
    /// See [`Resolver::Accept`].
    Accept,
    /// See [`Resolver::Cel`].
    Cel,
}

impl ResolverKind {
    /// All kinds, in the order of the printed matrix.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// Returns the canonical name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LastWriteWins => "last-write-wins",
            Self::FirstWriteWins => "first-write-wins",
            Self::IncomingWins => "incoming-wins",
            Self::HeadWins => "head-wins",
            Self::ThreeWay => "three-way",
            Self::Delta => "delta",
            Self::Max => "max",
            Self::Min => "min",
            Self::SetUnion => "set-union",
            Self::AppendUnique => "append-unique",
            Self::Order => "order",
            Self::Immutable => "immutable",
            Self::Skip => "skip",
            Self::Fail => "fail",
            Self::Park => "park",
            Self::Accept => "accept",
            Self::Cel => "cel",
        }
    }

    /// Returns the kind with this canonical name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|it| it.name() == name)
    }

    /// Returns the canonical names of all kinds.
    pub fn names() -> impl Iterator<Item = &'static str> + Clone {
        Self::ALL.iter().map(|kind| kind.name())
    }

    /// True if it may decide conflicts of this type; a cell of the matrix.
    pub const fn serves(self, conflict: ConflictType) -> bool {
        use ConflictType as T;
        match self {
            Self::Fail | Self::Park => true,
            Self::Skip => !matches!(conflict, T::UniqueIndex),
            Self::IncomingWins => !matches!(conflict, T::SchemaNewer | T::SchemaOlder),
            Self::HeadWins => !matches!(
                conflict,
                T::UpdateMissing | T::DeleteMissing | T::SchemaNewer | T::SchemaOlder
            ),
            Self::LastWriteWins | Self::FirstWriteWins => !matches!(
                conflict,
                T::UpdateMissing | T::DeleteMissing | T::SchemaNewer | T::SchemaOlder
            ),
            Self::Accept => matches!(conflict, T::SchemaNewer | T::SchemaOlder),
            Self::ThreeWay
            | Self::Delta
            | Self::Max
            | Self::Min
            | Self::SetUnion
            | Self::AppendUnique
            | Self::Order
            | Self::Immutable
            | Self::Cel => conflict.has_both_values(),
        }
    }

    /// True if it may decide a single field.
    pub const fn serves_fields(self) -> bool {
        !matches!(self, Self::Skip | Self::Accept)
    }
}

impl Resolver {
    /// Returns the kind.
    pub const fn kind(&self) -> ResolverKind {
        match self {
            Self::LastWriteWins => ResolverKind::LastWriteWins,
            Self::FirstWriteWins => ResolverKind::FirstWriteWins,
            Self::IncomingWins => ResolverKind::IncomingWins,
            Self::HeadWins => ResolverKind::HeadWins,
            Self::ThreeWay(_) => ResolverKind::ThreeWay,
            Self::Delta => ResolverKind::Delta,
            Self::Max { .. } => ResolverKind::Max,
            Self::Min { .. } => ResolverKind::Min,
            Self::SetUnion => ResolverKind::SetUnion,
            Self::AppendUnique { .. } => ResolverKind::AppendUnique,
            Self::Order(_) => ResolverKind::Order,
            Self::Immutable => ResolverKind::Immutable,
            Self::Skip => ResolverKind::Skip,
            Self::Fail => ResolverKind::Fail,
            Self::Park => ResolverKind::Park,
            Self::Accept => ResolverKind::Accept,
            Self::Cel(_) => ResolverKind::Cel,
        }
    }
}

impl Default for ThreeWay {
    fn default() -> Self {
        Self { arrays: Arrays::Whole, contested: Box::new(Resolver::LastWriteWins) }
    }
}
