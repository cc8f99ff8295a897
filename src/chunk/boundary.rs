//! Chunk boundaries, which depend on nothing but keys and weights. See "Boundaries" in
//! `doc/internals/format.md`.

/// The least weight of a chunk, in bytes; only the last chunk of a list may weigh less.
pub const MIN_BYTES: u64 = 128 * 1024;

/// The weight, in bytes, from which a chunk is four times as likely to end.
pub const TARGET_BYTES: u64 = 640 * 1024;

/// The weight, in bytes, at which a chunk always ends.
pub const CAP_BYTES: u64 = 1024 * 1024;

/// The bytes that a line weighs in addition to its key and value.
const LINE_BYTES: u64 = 96;

/// The most that a value weighs, in bytes.
const VALUE_BYTES: u64 = crate::snapshot::line::SPILL_BYTES as u64;

/// Between minimum and target a chunk ends once per this many steps of [`STEP_BYTES`], on average.
const STEPS: u64 = 16_384;
const STEP_BYTES: u64 = 32;
const HASTE: u64 = 4;

/// The weight of an entry, in bytes.
pub fn weight(sortable_key_bytes: usize, value_bytes: u64) -> u64 {
    sortable_key_bytes as u64 + value_bytes.min(VALUE_BYTES) + LINE_BYTES
}

/// Follows one list and decides after which entries a chunk ends.
#[derive(Clone, Debug, Default)]
pub struct Boundary {
    weight: u64,
}

impl Boundary {
    /// Takes the next entry; true if the chunk ends after it.
    pub fn ends_after(&mut self, sortable_key: &[u8], weight: u64) -> bool {
        self.weight += weight;
        let ends = match self.weight {
            0..MIN_BYTES => false,
            CAP_BYTES.. => true,
            so_far => {
                let haste = if so_far < TARGET_BYTES { 1 } else { HASTE };
                let threshold = u64::MAX / STEPS * weight.div_ceil(STEP_BYTES);
                hash(sortable_key) < threshold.saturating_mul(haste)
            }
        };
        if ends {
            self.weight = 0;
        }
        ends
    }
}

fn hash(sortable_key: &[u8]) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&blake3::hash(sortable_key).as_bytes()[..8]);
    u64::from_le_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::indexeddb::key::Key;

    fn sortable(number: u64) -> Vec<u8> {
        Key::Number(number as f64).to_sortable().unwrap().as_bytes().to_vec()
    }

    /// Returns the last key of each chunk.
    fn cuts(entries: &[(Vec<u8>, u64)]) -> Vec<Vec<u8>> {
        let mut boundary = Boundary::default();
        let ends = entries.iter().filter(|(key, weight)| boundary.ends_after(key, *weight));
        ends.map(|(key, _)| key.clone()).collect()
    }

    fn chunks_that_differ(a: &[Vec<u8>], b: &[Vec<u8>]) -> usize {
        b.iter().filter(|cut| !a.contains(cut)).count() + 1
    }

    #[test]
    fn sizes_and_edits_stay_in_their_bounds() {
        for bytes in [40u64, 350, 5_000, 60_000] {
            let entries: Vec<_> = (0..48 * 1024 * 1024 / (bytes + 105))
                .map(|number| (sortable(number), weight(9, bytes + number * 7 % 13)))
                .collect();
            let before = cuts(&entries);
            let mean = entries.iter().map(|entry| entry.1).sum::<u64>() / (before.len() as u64 + 1);
            assert!(
                (400_000..560_000).contains(&mean),
                "records of {bytes} bytes: chunks of {mean}"
            );
            let (mut touched, edits) = (0, 60);
            for edit in 0..edits {
                let place = entries.len() / edits * edit;
                let mut after = entries.clone();
                after.remove(place);
                touched += chunks_that_differ(&before, &cuts(&after));
            }
            assert!(
                touched <= edits * 16 / 10,
                "records of {bytes} bytes: {touched} chunks for {edits} deletions"
            );
        }
    }
}
