//! Types of conflict.

/// What kind of disagreement there is between head and a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConflictType {
    /// Both sides inserted the record.
    InsertInsert,
    /// Both sides changed it.
    UpdateUpdate,
    /// Head changed it, incoming deletes it.
    UpdateDelete,
    /// Head deleted it, incoming changes what it had seen before.
    DeleteUpdate,
    /// Head deleted it and remembers that; nothing says whether incoming had ever seen it.
    UpdateRecentlyDeleted,
    /// Incoming changes what head neither has nor remembers.
    UpdateMissing,
    /// Incoming deletes what head neither has nor remembers.
    DeleteMissing,
    /// Two records of an object store would have the same key in a unique index.
    UniqueIndex,
    /// The batch's schema is newer than head's.
    SchemaNewer,
    /// The batch was made under an older schema than head's, which describes the object store differently.
    SchemaOlder,
    /// The source's own later change is stored already: its changes came in the wrong order.
    OutOfOrder,
}

impl ConflictType {
    /// All of them, in the order of the printed matrix.
    pub const ALL: [Self; 11] = [
        Self::InsertInsert,
        Self::UpdateUpdate,
        Self::UpdateDelete,
        Self::DeleteUpdate,
        Self::UpdateRecentlyDeleted,
        Self::UpdateMissing,
        Self::DeleteMissing,
        Self::UniqueIndex,
        Self::SchemaNewer,
        Self::SchemaOlder,
        Self::OutOfOrder,
    ];

    /// Its name in policy files, lists and reports.
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

    /// The type of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// Whether both sides have a value: only then can fields be resolved one by one.
    pub const fn has_both_values(self) -> bool {
        matches!(self, Self::InsertInsert | Self::UpdateUpdate)
    }
}
