//! A record of another program's document, converted to our form.

use crate::loss::Losses;

/// A record in our form: its value, and its key if it is separate from the value. Both are not
/// checked yet.
#[derive(Debug, Default)]
pub(crate) struct Built {
    pub(crate) key: Vec<u8>,
    pub(crate) keyed: bool,
    pub(crate) value: Vec<u8>,
    /// True if the file marks the record as deleted.
    pub(crate) is_deleted: bool,
    pub(crate) losses: Losses,
}

impl Built {
    /// Empties it for the next record.
    pub(crate) fn clear(&mut self) {
        self.key.clear();
        self.value.clear();
        (self.keyed, self.is_deleted, self.losses) = (false, false, Losses::default());
    }
}
