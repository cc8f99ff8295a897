//! Resolvers: what decides a conflict, and which of them may serve which type.

use super::conflict_type::ConflictType;
use super::expression::Expression;
use super::path::FieldPath;

/// What decides a conflict, of a whole record or of one field.
#[derive(Clone, Debug, PartialEq)]
pub enum Resolver {
    /// The later clock wins; ties by source, then by digest of the value. Without a clock: what arrives later.
    LastWriteWins,
    /// The earlier clock wins; ties the other way round. Without a clock: what arrived first.
    FirstWriteWins,
    /// The change wins.
    IncomingWins,
    /// What is stored wins.
    HeadWins,
    /// Member by member against the base.
    ThreeWay(ThreeWay),
    /// Head plus what incoming added to its base.
    Delta,
    /// The greater value; or, `by` a member of both sides, the side where that is greater.
    Max {
        /// The member that is compared; `None`: the value itself.
        by: Option<FieldPath>,
    },
    /// The smaller value, or side.
    Min {
        /// The member that is compared; `None`: the value itself.
        by: Option<FieldPath>,
    },
    /// All elements of both sides, each once, in canonical order.
    SetUnion,
    /// All elements of both lists, each key once.
    AppendUnique {
        /// The member that says which elements are the same.
        key: FieldPath,
        /// The member by which the result is sorted; `None`: head's, then incoming's new ones.
        order_by: Option<FieldPath>,
    },
    /// The state that stands further back in this list: canonical values.
    Order(Vec<Vec<u8>>),
    /// The value that was stored first stays.
    Immutable,
    /// The change is left out; it is kept in the list of conflicts.
    Skip,
    /// The whole batch is refused.
    Fail,
    /// Nothing decides: head stays, the change waits for a person.
    Park,
    /// Go on as if there were no conflict of this type.
    Accept,
    /// The value that an expression gives.
    Cel(Expression),
}

/// How values are merged member by member.
#[derive(Clone, Debug, PartialEq)]
pub struct ThreeWay {
    /// What becomes of arrays.
    pub arrays: Arrays,
    /// What decides between members that both sides changed differently.
    pub contested: Box<Resolver>,
}

/// How three-way merges arrays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrays {
    /// They are values like any other.
    Whole,
    /// As sets: what one side added is added, what one side removed is removed.
    Set,
    /// What incoming put behind the base's elements is put behind head's.
    Append,
    /// By identity: elements with equal keys are merged, others come and go as in a set.
    Key(FieldPath),
}

/// A resolver's kind, without its parameters: a line of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// All of them, in the order of the printed matrix.
    pub const ALL: [Self; 17] = [
        Self::LastWriteWins,
        Self::FirstWriteWins,
        Self::IncomingWins,
        Self::HeadWins,
        Self::ThreeWay,
        Self::Delta,
        Self::Max,
        Self::Min,
        Self::SetUnion,
        Self::AppendUnique,
        Self::Order,
        Self::Immutable,
        Self::Skip,
        Self::Fail,
        Self::Park,
        Self::Accept,
        Self::Cel,
    ];

    /// Its canonical name.
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

    /// The kind of this canonical name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// Whether it may decide conflicts of this type: a cell of the matrix.
    pub const fn serves(self, conflict: ConflictType) -> bool {
        use ConflictType as T;
        match self {
            Self::Fail | Self::Park => true,
            Self::Skip => !matches!(conflict, T::UniqueIndex),
            Self::IncomingWins => !matches!(conflict, T::SchemaNewer | T::SchemaOlder),
            Self::HeadWins => {
                !matches!(conflict, T::UpdateMissing | T::DeleteMissing | T::SchemaNewer | T::SchemaOlder)
            }
            Self::LastWriteWins | Self::FirstWriteWins => {
                !matches!(conflict, T::UpdateMissing | T::DeleteMissing | T::SchemaNewer | T::SchemaOlder)
            }
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

    /// Whether it may decide about one field.
    pub const fn serves_fields(self) -> bool {
        !matches!(self, Self::Skip | Self::Accept)
    }
}

impl Resolver {
    /// Its kind.
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
