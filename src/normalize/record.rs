//! A change encoded as bytes, for sorted runs. The encoding is private and lives only as long as a
//! batch.

use std::io::{self, Read};

use crate::snapshot::FlowVersion;

/// The operation of a change that puts a value.
pub(super) const OP_PUT: u8 = 1;
/// The operation of a change that deletes a key.
pub(super) const OP_DELETE: u8 = 2;

/// The base that a change claims to have started from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BaseBytes<'a> {
    None,
    Version(FlowVersion),
    Value(&'a [u8]),
    Absent,
}

/// One change of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    pub(super) store: u32,
    pub(super) key: &'a [u8],
    pub(super) index: u64,
    pub(super) op: u8,
    pub(super) at: Option<i64>,
    pub(super) base: BaseBytes<'a>,
    pub(super) value: &'a [u8],
    /// A canonical object of the members that were not sent; empty if all were sent.
    pub(super) unsent: &'a [u8],
}

/// Lengths of key, base, value and unsent members; store, index, clock, base version; operation,
/// clock flag, base tag.
const HEADER: usize = 4 + 8 + 8 + 4 + 4 + 8 + 8 + 4 + 3;

/// Returns the key of a change that [`Record::encode`] wrote.
pub(super) fn encoded_key(bytes: &[u8]) -> &[u8] {
    let length = bytes.first_chunk().map_or(0, |length| u32::from_le_bytes(*length) as usize);
    bytes.get(HEADER..HEADER + length).unwrap_or_default()
}

fn take<'a, const N: usize>(bytes: &mut &'a [u8]) -> io::Result<&'a [u8; N]> {
    let (head, rest) = bytes.split_first_chunk().ok_or(io::ErrorKind::UnexpectedEof)?;
    *bytes = rest;
    Ok(head)
}

impl<'a> Record<'a> {
    fn base_bytes(&self) -> &'a [u8] {
        match self.base {
            BaseBytes::Value(value) => value,
            _ => &[],
        }
    }

    /// Returns the length of the encoded form, in bytes.
    pub(super) fn encoded_bytes(&self) -> usize {
        HEADER + self.key.len() + self.base_bytes().len() + self.value.len() + self.unsent.len()
    }

    /// Appends the encoded form.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let (tag, version) = match self.base {
            BaseBytes::None => (0, 0),
            BaseBytes::Version(version) => (1, version.get()),
            BaseBytes::Value(_) => (2, 0),
            BaseBytes::Absent => (3, 0),
        };
        out.extend_from_slice(&(self.key.len() as u32).to_le_bytes());
        out.extend_from_slice(&(self.base_bytes().len() as u64).to_le_bytes());
        out.extend_from_slice(&(self.value.len() as u64).to_le_bytes());
        out.extend_from_slice(&(self.unsent.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.store.to_le_bytes());
        out.extend_from_slice(&self.index.to_le_bytes());
        out.extend_from_slice(&self.at.unwrap_or(0).to_le_bytes());
        out.extend_from_slice(&version.to_le_bytes());
        out.extend_from_slice(&[self.op, u8::from(self.at.is_some()), tag]);
        out.extend_from_slice(self.key);
        out.extend_from_slice(self.base_bytes());
        out.extend_from_slice(self.value);
        out.extend_from_slice(self.unsent);
    }

    /// Decodes the change at the start of `bytes`; returns its encoded length and the change.
    pub(super) fn decode(bytes: &'a [u8]) -> io::Result<(usize, Self)> {
        let mut rest = bytes;
        let key_length = u32::from_le_bytes(*take(&mut rest)?) as usize;
        let base_length = u64::from_le_bytes(*take(&mut rest)?) as usize;
        let value_length = u64::from_le_bytes(*take(&mut rest)?) as usize;
        let unsent_length = u32::from_le_bytes(*take(&mut rest)?) as usize;
        let store = u32::from_le_bytes(*take(&mut rest)?);
        let index = u64::from_le_bytes(*take(&mut rest)?);
        let at = i64::from_le_bytes(*take(&mut rest)?);
        let version = u64::from(u32::from_le_bytes(*take(&mut rest)?));
        let [op, has_at, tag] = *take(&mut rest)?;
        let mut part = |length: usize| -> io::Result<&'a [u8]> {
            let (part, tail) = rest.split_at_checked(length).ok_or(io::ErrorKind::UnexpectedEof)?;
            rest = tail;
            Ok(part)
        };
        let (key, base, value) = (part(key_length)?, part(base_length)?, part(value_length)?);
        let unsent = part(unsent_length)?;
        let base = match tag {
            0 => BaseBytes::None,
            1 => BaseBytes::Version(FlowVersion::new(version).ok_or(io::ErrorKind::InvalidData)?),
            2 => BaseBytes::Value(base),
            _ => BaseBytes::Absent,
        };
        let record =
            Self { store, key, index, op, at: (has_at == 1).then_some(at), base, value, unsent };
        Ok((record.encoded_bytes(), record))
    }

    /// Reads the next encoded change into `buffer` and returns its length.
    pub(super) fn read(reader: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<usize> {
        buffer.clear();
        buffer.resize(HEADER, 0);
        reader.read_exact(buffer)?;
        let mut rest = buffer.as_slice();
        let key = u64::from(u32::from_le_bytes(*take(&mut rest)?));
        let base = u64::from_le_bytes(*take(&mut rest)?);
        let value = u64::from_le_bytes(*take(&mut rest)?);
        let unsent = u64::from(u32::from_le_bytes(*take(&mut rest)?));
        let length = key + base + value + unsent;
        // The buffer grows as bytes arrive, so a damaged length cannot exhaust memory.
        let read = reader.by_ref().take(length).read_to_end(buffer)?;
        if read as u64 == length {
            Ok(buffer.len())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }
}
