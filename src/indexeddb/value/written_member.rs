//! A member of an object that is being written, and the order of names.

use std::cmp::Ordering;

use crate::indexeddb::text;

/// One member of an object that is being written, as positions in the output.
#[derive(Clone, Copy)]
pub(super) struct WrittenMember {
    /// The start of its name, after the quote.
    pub(super) start: usize,
    /// The end of its name, before the quote.
    pub(super) name_end: usize,
    /// The end of its value.
    pub(super) end: usize,
    /// The position of its name in the input.
    pub(super) offset: usize,
    /// The first eight bytes of its name as one number, which decides most comparisons.
    pub(super) head: u64,
    /// True if its name contains a backslash.
    pub(super) escaped: bool,
    /// True if its name contains a lone surrogate.
    pub(super) lone: bool,
}

impl WrittenMember {
    /// Orders two names by code unit.
    #[inline]
    pub(super) fn compare(&self, own: &[u8], other: &Self, others: &[u8]) -> Ordering {
        // Without a backslash, every byte is a code unit.
        if self.escaped || other.escaped {
            compare_names(own, others)
        } else {
            self.head.cmp(&other.head).then_with(|| own.cmp(others))
        }
    }
}

/// Returns the first eight bytes of a name of `length` bytes at the start of `text`, padded with
/// zeros, which names cannot contain.
#[inline]
pub(super) fn head(text: &[u8], length: usize) -> u64 {
    match (text.first_chunk::<8>(), length) {
        (Some(chunk), 8..) => u64::from_be_bytes(*chunk),
        (Some(chunk), 1..) => u64::from_be_bytes(*chunk) & (u64::MAX << (64 - 8 * length)),
        (_, 0) => 0,
        (None, _) => {
            let mut chunk = [0; 8];
            let name = &text[..length.min(text.len())];
            chunk[..name.len()].copy_from_slice(name);
            u64::from_be_bytes(chunk)
        }
    }
}

/// Orders the insides of two canonical strings by code unit.
pub fn compare_names(a: &[u8], b: &[u8]) -> Ordering {
    text::units(a).cmp(text::units(b))
}
