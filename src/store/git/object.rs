//! Git objects: their ids, and their compressed bytes, loose or in a pack.
//!
//! Source: gitformat-pack(5) and `Documentation/technical`, git 2.39; zlib: RFC 1950; deflate: RFC
//! 1951.

use std::io::Read;

use flate2::read::ZlibDecoder;
use flate2::{Compress, Compression, FlushCompress, Status};
use gix::ObjectId;
use gix::object::Kind;
use sha1::{Digest as _, Sha1};

/// zlib's fastest level. Measured on chunks of records, level 6 takes three times as long and saves
/// a tenth.
const LEVEL: u32 = 1;

/// The size of the pieces in which loose objects are read, in bytes.
const READ_BYTES: usize = 64 * 1024;

/// A compressed object that can still become loose or part of a pack.
#[derive(Debug)]
pub(super) struct Deflated {
    /// The object's id.
    pub(super) id: ObjectId,
    /// The object's kind.
    pub(super) kind: Kind,
    /// Length before compression.
    pub(super) size: u64,
    /// The zlib stream of its bytes without git's header, as a pack stores it.
    pub(super) zlib: Vec<u8>,
}

/// Git's header of an object: its kind, its length, a zero byte.
fn header(kind: Kind, size: u64) -> Vec<u8> {
    let mut header = kind.as_bytes().to_vec();
    header.extend_from_slice(format!(" {size}\0").as_bytes());
    header
}

/// The id of an object.
pub(super) fn id_of(kind: Kind, bytes: &[u8]) -> ObjectId {
    let mut hash = Sha1::new();
    hash.update(header(kind, bytes.len() as u64));
    hash.update(bytes);
    ObjectId::from_bytes_or_panic(&hash.finalize())
}

/// True if a loose object's bytes are those of the object with this id, however they were
/// compressed.
pub(super) fn is_loose_object(bytes: &[u8], id: ObjectId) -> bool {
    let mut hash = Sha1::new();
    let mut reader = ZlibDecoder::new(bytes);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return ObjectId::from_bytes_or_panic(&hash.finalize()) == id,
            Ok(count) => hash.update(&buffer[..count]),
            Err(_) => return false,
        }
    }
}

/// Compresses one object after another; keeps zlib's tables between them.
#[derive(Debug)]
pub(super) struct Deflater(Compress);

impl Deflater {
    pub(super) fn new() -> Self {
        Self(Compress::new(Compression::new(LEVEL), true))
    }

    /// Computes the id of an object and compresses it.
    pub(super) fn deflate(&mut self, kind: Kind, bytes: &[u8]) -> Deflated {
        let size = bytes.len() as u64;
        Deflated { id: id_of(kind, bytes), kind, size, zlib: self.zlib(bytes) }
    }

    fn zlib(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.0.reset();
        // Records shrink to about a third; a longer result makes the buffer grow.
        let mut out = Vec::with_capacity(bytes.len() / 3 + 128);
        loop {
            let taken = self.0.total_in() as usize;
            match self.0.compress_vec(
                bytes.get(taken..).unwrap_or_default(),
                &mut out,
                FlushCompress::Finish,
            ) {
                Ok(Status::StreamEnd) => break,
                Ok(_) => out.reserve(out.capacity().max(4096)),
                Err(error) => unreachable!("deflate into memory cannot fail: {error}"),
            }
        }
        out
    }
}

/// Length of the longest header that [`Deflated::to_loose`] can put in one stored block of deflate.
const STORED_BLOCK_LIMIT: usize = 65_535;

impl Deflated {
    /// The bytes of a loose object: one zlib stream of git's header and the object.
    ///
    /// The object is not compressed again. Deflate is a sequence of blocks, so the header goes
    /// first as a stored block, and the checksum at the end (Adler-32) is combined from that of the
    /// header and that of the object.
    pub(super) fn to_loose(&self) -> Vec<u8> {
        let header = header(self.kind, self.size);
        debug_assert!(
            header.len() <= STORED_BLOCK_LIMIT,
            "an object's header is at most some 30 bytes"
        );
        let length = header.len() as u16;
        let (body, checksum) = self.zlib.split_at(self.zlib.len() - 4);
        let of_body = checksum.iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte));
        let mut out = Vec::with_capacity(self.zlib.len() + header.len() + 5);
        out.extend_from_slice(&body[..2]);
        out.push(0); // stored, not the last block
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(&header);
        out.extend_from_slice(&body[2..]);
        out.extend_from_slice(&adler_combine(adler(&header), of_body, self.size).to_be_bytes());
        out
    }

    /// The header before the zlib stream in a pack: kind and length, seven bits per byte after the
    /// first four.
    pub(super) fn pack_header(&self) -> Vec<u8> {
        let kind = match self.kind {
            Kind::Commit => 1_u8,
            Kind::Tree => 2,
            Kind::Blob => 3,
            Kind::Tag => 4,
        };
        let mut rest = self.size >> 4;
        let mut byte = kind << 4 | (self.size & 15) as u8;
        let mut out = Vec::with_capacity(10);
        while rest > 0 {
            out.push(byte | 0x80);
            byte = (rest & 0x7f) as u8;
            rest >>= 7;
        }
        out.push(byte);
        out
    }
}

/// The modulus of Adler-32.
const ADLER: u32 = 65_521;

fn adler(bytes: &[u8]) -> u32 {
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in bytes {
        a = (a + u32::from(*byte)) % ADLER;
        b = (b + a) % ADLER;
    }
    b << 16 | a
}

/// The checksum of two concatenated texts, from their checksums and the length of the second.
fn adler_combine(first: u32, second: u32, second_length: u64) -> u32 {
    let prime = u64::from(ADLER);
    let (a1, b1) = (u64::from(first & 0xffff), u64::from(first >> 16));
    let (a2, b2) = (u64::from(second & 0xffff), u64::from(second >> 16));
    // `a` starts at 1 in both, so one of them is subtracted; `b` adds the first text's `a` once for
    // every byte after it.
    let a = (a1 + a2 + prime - 1) % prime;
    let b = (b1 + b2 + (second_length % prime) * ((a1 + prime - 1) % prime)) % prime;
    (b << 16 | a) as u32
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    fn inflate(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        flate2::read::ZlibDecoder::new(bytes).read_to_end(&mut out).unwrap();
        out
    }

    #[test]
    fn ids_are_those_of_git() {
        assert_eq!(id_of(Kind::Blob, b"").to_string(), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
        assert_eq!(id_of(Kind::Tree, b"").to_string(), "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
    }

    proptest! {
        #[test]
        fn both_forms_hold_the_object(bytes in prop::collection::vec(0_u8..8, 0..200_000)) {
            let mut deflater = Deflater::new();
            deflater.deflate(Kind::Blob, b"one before, so that tables are used again");
            let object = deflater.deflate(Kind::Blob, &bytes);
            prop_assert_eq!(&inflate(&object.zlib), &bytes);
            let mut whole = header(Kind::Blob, bytes.len() as u64);
            whole.extend_from_slice(&bytes);
            prop_assert_eq!(inflate(&object.to_loose()), whole);
        }
    }
}
