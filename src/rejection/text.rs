//! The text of rejected lines, kept so that they can be corrected and sent again.

use std::io::{self, Read, Seek, SeekFrom, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::indexeddb::text;

/// Number of bytes encoded at once; a multiple of three because of base64.
const PIECE_BYTES: usize = 48 * 1024;

/// The bytes of a rejected line or record, without a line's end.
pub enum RejectedText<'a> {
    /// The bytes are in memory.
    Bytes(&'a [u8]),
    /// The bytes exceed the limit of a line, and are stored in a temporary file.
    File(&'a mut dyn ReadSeek),
    /// The bytes were not kept: a record of a document that exceeds the limit.
    Missing,
}

/// A readable and seekable stream, such as a file.
pub trait ReadSeek: Read + Seek {}

impl<F: Read + Seek> ReadSeek for F {}

impl RejectedText<'_> {
    /// Returns the first bytes, at most `count`.
    ///
    /// # Errors
    ///
    /// The temporary file cannot be read.
    pub fn head(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        match self {
            Self::Bytes(bytes) => head.extend_from_slice(&bytes[..bytes.len().min(count)]),
            Self::File(file) => {
                file.seek(SeekFrom::Start(0))?;
                (&mut **file).take(count as u64).read_to_end(&mut head)?;
            }
            Self::Missing => {}
        }
        Ok(head)
    }

    /// Writes the member `text`, or `textBase64` if the bytes are not UTF-8, preceded by a comma.
    /// Writes nothing if the bytes are missing. Uses constant memory.
    ///
    /// # Errors
    ///
    /// Those of `out`, and of the temporary file.
    pub fn write_member(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let is_text = match self {
            Self::Missing => return Ok(()),
            Self::Bytes(bytes) => std::str::from_utf8(bytes).is_ok(),
            Self::File(_) => self.is_text()?,
        };
        out.write_all(if is_text { b",\"text\":\"" } else { b",\"textBase64\":\"" })?;
        let mut encoded = Vec::new();
        // A character that is cut by the end of a piece is completed by the next piece.
        let mut waiting = Vec::new();
        self.pieces(&mut |piece| {
            encoded.clear();
            if is_text {
                waiting.extend_from_slice(piece);
                let whole = std::str::from_utf8(&waiting)
                    .map_or_else(|error| error.valid_up_to(), str::len);
                let valid = std::str::from_utf8(&waiting[..whole]).unwrap_or_default();
                for unit in valid.encode_utf16() {
                    text::write_unit(unit, &mut encoded);
                }
                waiting.drain(..whole);
            } else {
                encoded.extend_from_slice(STANDARD.encode(piece).as_bytes());
            }
            out.write_all(&encoded)
        })?;
        out.write_all(b"\"")
    }

    fn is_text(&mut self) -> io::Result<bool> {
        let mut waiting = Vec::new();
        let mut valid = true;
        self.pieces(&mut |piece| {
            waiting.extend_from_slice(piece);
            if let Err(error) = std::str::from_utf8(&waiting) {
                valid &= error.error_len().is_none();
                waiting.drain(..error.valid_up_to());
            } else {
                waiting.clear();
            }
            if !valid {
                waiting.clear();
            }
            Ok(())
        })?;
        Ok(valid && waiting.is_empty())
    }

    /// Passes the bytes to `take` in pieces of [`PIECE_BYTES`]; the last one may be shorter.
    fn pieces(&mut self, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let file = match self {
            Self::Missing => return Ok(()),
            Self::Bytes(bytes) => return bytes.chunks(PIECE_BYTES).try_for_each(take),
            Self::File(file) => file,
        };
        file.seek(SeekFrom::Start(0))?;
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        loop {
            piece.clear();
            (&mut **file).take(PIECE_BYTES as u64).read_to_end(&mut piece)?;
            if piece.is_empty() {
                return Ok(());
            }
            take(&piece)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(mut text: RejectedText<'_>) -> String {
        let mut out = Vec::new();
        text.write_member(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_is_kept_as_text_and_bytes_as_base64_wherever_they_lie() {
        let long = "é😀x\n".repeat(PIECE_BYTES / 3);
        let binary = b"\xff\0".repeat(PIECE_BYTES);
        let cut = &"é".as_bytes()[..1];
        let cases: [&[u8]; 6] =
            [b"", b"{\"id\":1,\r\n\"$\"", long.as_bytes(), &binary, cut, b"a\xffb"];
        for bytes in cases {
            let member = written(RejectedText::Bytes(bytes));
            assert_eq!(written(RejectedText::File(&mut io::Cursor::new(bytes))), member);
            let value: serde_json::Value =
                serde_json::from_str(&format!("{{{}}}", &member[1..])).unwrap();
            let kept = match (value["text"].as_str(), value["textBase64"].as_str()) {
                (Some(text), None) => text.as_bytes().to_vec(),
                (None, Some(text)) => STANDARD.decode(text).unwrap(),
                _ => panic!("{member}"),
            };
            assert_eq!(kept, bytes);
            assert!(member.is_ascii());
            assert_eq!(value["text"].is_string(), std::str::from_utf8(bytes).is_ok());
        }
        assert_eq!(written(RejectedText::Missing), "");
    }
}
