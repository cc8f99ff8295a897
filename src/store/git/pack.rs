//! Writing a pack (version 2) and its index (version 2). Source: gitformat-pack(5), git 2.39.

use std::path::{Path, PathBuf};

use flate2::Crc;
use gix::ObjectId;
use sha1::{Digest as _, Sha1};

use super::object::Deflated;
use super::temp::TempFile;
use crate::store::StoreError;

/// The size of one write, in bytes; entries are gathered until then.
const WRITE_BYTES: usize = 256 * 1024;

/// The size of the pieces in which the pack is read back, in bytes.
const READ_BYTES: usize = 1024 * 1024;

/// `PACK`, version 2, and the number of objects.
const HEADER_BYTES: u64 = 12;

/// The first offset that is stored in the separate table of large offsets.
const LARGE_OFFSET: u64 = 1 << 31;

/// A pack that is being written; it has no name yet.
#[derive(Debug)]
pub(super) struct PackWriter {
    file: TempFile,
    waiting: Vec<u8>,
    /// The number of bytes in the file; `waiting` comes after them.
    written: u64,
    entries: Vec<PackIndexEntry>,
}

#[derive(Debug)]
struct PackIndexEntry {
    id: ObjectId,
    checksum: u32,
    offset: u64,
}

/// A complete pack and its index, without names.
#[derive(Debug)]
pub(super) struct Pack {
    /// `pack-….pack`
    pub(super) pack: (TempFile, PathBuf),
    /// `pack-….idx`: git sees the pack once this file exists.
    pub(super) index: (TempFile, PathBuf),
}

impl PackWriter {
    /// Starts a pack in `dir`, a repository's `objects/pack`.
    pub(super) fn new(dir: &Path) -> Result<Self, StoreError> {
        let file = TempFile::object(dir, "tmp_pack_")?;
        // The number of objects is only known at the end.
        file.write_at(&[0; HEADER_BYTES as usize], 0)?;
        Ok(Self {
            file,
            waiting: Vec::with_capacity(WRITE_BYTES),
            written: HEADER_BYTES,
            entries: Vec::new(),
        })
    }

    /// Adds an object. The caller ensures that none is added twice.
    pub(super) fn add(&mut self, object: &Deflated) -> Result<(), StoreError> {
        let header = object.pack_header();
        let mut checksum = Crc::new();
        checksum.update(&header);
        checksum.update(&object.zlib);
        let offset = self.written + self.waiting.len() as u64;
        self.entries.push(PackIndexEntry { id: object.id, checksum: checksum.sum(), offset });
        self.waiting.extend_from_slice(&header);
        self.waiting.extend_from_slice(&object.zlib);
        if self.waiting.len() >= WRITE_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.file.write_at(&self.waiting, self.written)?;
        self.written += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(())
    }

    /// Completes the pack in `dir` and makes its index.
    pub(super) fn finish(mut self, dir: &Path) -> Result<Pack, StoreError> {
        self.flush()?;
        let mut header = b"PACK\0\0\0\x02".to_vec();
        header.extend_from_slice(&(self.entries.len() as u32).to_be_bytes());
        self.file.write_at(&header, 0)?;
        let checksum = self.checksum()?;
        self.file.write_at(&checksum, self.written)?;

        let index = TempFile::object(dir, "tmp_idx_")?;
        index.write_at(&index_bytes(&mut self.entries, &checksum), 0)?;
        tracing::debug!(objects = self.entries.len(), bytes = self.written, "pack written");
        let name = format!("pack-{}", ObjectId::from_bytes_or_panic(&checksum));
        let path = |extension: &str| dir.join(format!("{name}.{extension}"));
        Ok(Pack { pack: (self.file, path("pack")), index: (index, path("idx")) })
    }

    /// Computes the pack's checksum. It covers the header, which was unknown until now, so the file
    /// is read once more, mostly from the page cache.
    fn checksum(&self) -> Result<[u8; 20], StoreError> {
        let mut hash = Sha1::new();
        let mut buffer = vec![0; READ_BYTES];
        let mut offset = 0;
        while offset < self.written {
            let count = self.file.read_at(&mut buffer, offset)?;
            if count == 0 {
                return Err(super::error::damaged("the pack that is being written became shorter"));
            }
            hash.update(&buffer[..count]);
            offset += count as u64;
        }
        Ok(hash.finalize().into())
    }
}

fn index_bytes(entries: &mut [PackIndexEntry], pack_checksum: &[u8]) -> Vec<u8> {
    entries.sort_unstable_by_key(|entry| entry.id);
    let mut out = b"\xfftOc\0\0\0\x02".to_vec();
    let mut fan = [0_u32; 256];
    for entry in entries.iter() {
        fan[usize::from(entry.id.as_bytes()[0])] += 1;
    }
    let mut sum = 0;
    for count in fan {
        sum += count;
        out.extend_from_slice(&sum.to_be_bytes());
    }
    entries.iter().for_each(|entry| out.extend_from_slice(entry.id.as_bytes()));
    entries.iter().for_each(|entry| out.extend_from_slice(&entry.checksum.to_be_bytes()));
    let mut large = Vec::new();
    for entry in entries.iter() {
        let short = if entry.offset < LARGE_OFFSET {
            entry.offset as u32
        } else {
            large.push(entry.offset);
            LARGE_OFFSET as u32 | (large.len() - 1) as u32
        };
        out.extend_from_slice(&short.to_be_bytes());
    }
    large.iter().for_each(|offset| out.extend_from_slice(&offset.to_be_bytes()));
    out.extend_from_slice(pack_checksum);
    let checksum = Sha1::digest(&out);
    out.extend_from_slice(&checksum);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_beyond_two_gibibytes_have_their_own_table() {
        let id = |byte: u8| ObjectId::from_bytes_or_panic(&[byte; 20]);
        let mut entries = vec![
            PackIndexEntry { id: id(9), checksum: 1, offset: LARGE_OFFSET + 5 },
            PackIndexEntry { id: id(3), checksum: 2, offset: 12 },
        ];
        let out = index_bytes(&mut entries, &[7; 20]);
        let offsets = &out[8 + 1024 + 2 * 20 + 2 * 4..];
        assert_eq!(&offsets[..16], &[0, 0, 0, 12, 0x80, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 5]);
        assert_eq!(out.len(), 8 + 1024 + 2 * 28 + 8 + 40);
    }
}
