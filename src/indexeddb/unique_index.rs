//! The keys that a record has in the unique indexes of its object store.

use std::sync::LazyLock;

use super::dom_string::DomString;
use super::key::sortable_string;
use super::key_path::KeyExtractor;
use super::schema::ObjectStore;

/// A key in a unique index, as a digest of the index's position and the key.
pub type IndexEntry = [u8; 16];

/// The unique indexes of an object store.
#[derive(Clone, Debug)]
pub struct UniqueIndexes {
    indexes: Vec<UniqueIndex>,
}

#[derive(Clone, Debug)]
struct UniqueIndex {
    name: DomString,
    extractor: KeyExtractor,
    multi_entry: bool,
}

/// The sortable key of the text that replaces a redacted value.
static REDACTED: LazyLock<Vec<u8>> =
    LazyLock::new(|| sortable_string("[redacted]").as_bytes().to_vec());

impl UniqueIndexes {
    /// Returns the unique indexes of an object store, or `None` if it has none.
    pub fn of(store: &ObjectStore) -> Option<Self> {
        let unique = store.indexes.iter().filter(|index| index.unique);
        let prepared = unique.map(|index| UniqueIndex {
            name: index.name.clone(),
            extractor: KeyExtractor::from(&index.key_path),
            multi_entry: index.multi_entry,
        });
        let indexes: Vec<_> = prepared.collect();
        (!indexes.is_empty()).then_some(Self { indexes })
    }

    /// Returns the indexes' names, in the order in which [`Self::each`] counts them.
    pub fn names(&self) -> impl Iterator<Item = &DomString> {
        self.indexes.iter().map(|index| &index.name)
    }

    /// Passes each key of a canonical value to `found`: the position of its index, its entry, and
    /// its sortable form.
    ///
    /// As in IndexedDB, a value that is not a valid key has no entry. Redacted values have none
    /// either, because they are the same text in every record. A key may be passed twice.
    pub fn each(&self, value: &[u8], found: &mut dyn FnMut(usize, IndexEntry, &[u8])) {
        for (place, index) in self.indexes.iter().enumerate() {
            index.extractor.index_keys(value, index.multi_entry, &mut |sortable| {
                if *sortable == **REDACTED {
                    return;
                }
                let digest = blake3::Hasher::new()
                    .update(&(place as u64).to_le_bytes())
                    .update(sortable)
                    .finalize();
                if let Some(entry) = digest.as_bytes().first_chunk() {
                    found(place, *entry, sortable);
                }
            });
        }
    }

    /// Returns the entries of a canonical value, sorted and without duplicates.
    pub fn entries(&self, value: &[u8]) -> Vec<IndexEntry> {
        let mut entries = Vec::new();
        self.each(value, &mut |_, entry, _| entries.push(entry));
        entries.sort_unstable();
        entries.dedup();
        entries
    }
}
