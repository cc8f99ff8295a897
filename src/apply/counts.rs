//! The counts of a batch, as its summary reports them.

/// The numbers of keys, by result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Keys that had no record before.
    pub inserted: u64,
    /// Records with a new value.
    pub updated: u64,
    /// Deleted records.
    pub deleted: u64,
    /// Named puts and deletions that changed no record.
    pub unchanged: u64,
    /// Conflicts, decided or parked.
    pub conflicts: u64,
    /// Conflicts that no rule decided.
    pub parked: u64,
    /// Conflicts that were logged before.
    pub repeated: u64,
    /// Tombstones that were added without deleting a record, or forgotten.
    pub tombstones: u64,
    /// Records that a full batch neither contained nor deleted.
    pub kept: u64,
}

impl Counts {
    /// Adds the counts of another object store.
    pub fn add(&mut self, other: &Self) {
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.deleted += other.deleted;
        self.unchanged += other.unchanged;
        self.conflicts += other.conflicts;
        self.parked += other.parked;
        self.repeated += other.repeated;
        self.tombstones += other.tombstones;
        self.kept += other.kept;
    }

    /// True if any record, tombstone or conflict differs from head.
    pub fn changes_something(&self) -> bool {
        let Self {
            inserted,
            updated,
            deleted,
            conflicts,
            repeated,
            tombstones,
            unchanged: _,
            parked: _,
            kept: _,
        } = *self;
        inserted + updated + deleted + tombstones > 0 || conflicts > repeated
    }
}
