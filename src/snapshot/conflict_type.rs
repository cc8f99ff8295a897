//! Types of conflict.

use strum::VariantArray as _;

/// The type of disagreement between head and a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, strum::VariantArray)]
pub enum ConflictType {
    /// Both sides inserted the record.
    InsertInsert,
    /// Both sides changed it.
    UpdateUpdate,
    /// Head changed it, incoming deletes it.
    UpdateDelete,
    /// Head deleted it, incoming changes the value from before the deletion.
    DeleteUpdate,
    /// Head deleted it and has a tombstone; it is unknown if incoming had ever seen the record.
    UpdateRecentlyDeleted,
    /// Incoming changes a record of which head has neither a value nor a tombstone.
    UpdateMissing,
    /// Incoming deletes a record of which head has neither a value nor a tombstone.
    DeleteMissing,
    /// Two records of an object store would have the same key in a unique index.
    UniqueIndex,
    /// The batch's schema is newer than head's.
    SchemaNewer,
    /// The batch was made under an older schema than head's, which describes the object store differently.
    SchemaOlder,
    /// A later change by the same source is already stored: its changes arrived in the wrong order.
    OutOfOrder,
}

impl ConflictType {
    /// All types, in the order of the printed matrix.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// Returns the name in policy files, lists and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InsertInsert => "insert-insert",
            Self::UpdateUpdate => "update-update",
            Self::UpdateDelete => "update-delete",
            Self::DeleteUpdate => "delete-update",
            Self::UpdateRecentlyDeleted => "update-recently-deleted",
            Self::UpdateMissing => "update-missing",
            Self::DeleteMissing => "delete-missing",
            Self::UniqueIndex => "unique-index",
            Self::SchemaNewer => "schema-newer",
            Self::SchemaOlder => "schema-older",
            Self::OutOfOrder => "out-of-order",
        }
    }

    /// Returns the type with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|it| it.name() == name)
    }

    /// Returns the names of all types.
    pub fn names() -> impl Iterator<Item = &'static str> + Clone {
        Self::ALL.iter().map(|conflict| conflict.name())
    }

    /// True if both sides have a value; only then can fields be resolved separately.
    pub const fn has_both_values(self) -> bool {
        matches!(self, Self::InsertInsert | Self::UpdateUpdate)
    }
}
