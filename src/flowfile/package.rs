//! Packages of FlowFiles in the format `application/flowfile-v3`, read and written as NiFi's
//! FlowFilePackagerV3 does. The page is `doc/reference/flowfiles.md`.

use std::io::{self, Read, Write};

use super::Attributes;

/// The first bytes of a package.
pub const MAGIC: &[u8; 7] = b"NiFiFF3";

/// The media type of packages.
pub const MEDIA_TYPE: &str = "application/flowfile-v3";

/// Limit on the attributes of a FlowFile.
pub const MAX_ATTRIBUTES: u32 = 1024;

/// Limit on the bytes of an attribute's name.
pub const MAX_NAME_BYTES: u32 = 64 * 1024;

/// Limit on the bytes of an attribute's value.
pub const MAX_VALUE_BYTES: u32 = 1024 * 1024;

/// Limit on the bytes of all attributes of a FlowFile.
pub const MAX_HEAD_BYTES: u64 = 4 * 1024 * 1024;

/// Limit on the FlowFiles of a stream.
pub const MAX_FLOWFILES: u64 = 100_000;

/// Limit on the bytes of all attributes in a stream, because they are kept in memory.
pub const MAX_STREAM_HEAD_BYTES: u64 = 64 * 1024 * 1024;

/// The reason why a stream of packages cannot be read any further.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The bytes are not a package, or end inside one.
    #[error("FlowFile {number} of the package: {what}")]
    Framing {
        /// Number of the FlowFile, starting at 1.
        number: u64,
        /// The fault, without data.
        what: String,
    },
    /// Reading failed or was idle for too long, or the length differs from the announced one.
    #[error("cannot read the package: {0}")]
    Io(#[from] io::Error),
}

/// Attributes from outside a package that exceed the limits of a package.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the FlowFile has {what}")]
pub struct AttributeLimitError {
    what: String,
}

/// Checks attributes from outside a package against the limits of a package.
///
/// # Errors
///
/// A message that names the limit, but no attribute name and no value.
pub fn check_attributes(attributes: &Attributes) -> Result<(), AttributeLimitError> {
    let wrong = |what: String| Err(AttributeLimitError { what });
    if attributes.len() > MAX_ATTRIBUTES as usize {
        return wrong(format!("more than {MAX_ATTRIBUTES} attributes"));
    }
    let mut bytes = 0;
    for (name, value) in attributes.iter() {
        if name.len() > MAX_NAME_BYTES as usize {
            return wrong(format!("an attribute whose name has more than {MAX_NAME_BYTES} bytes"));
        }
        if value.len() > MAX_VALUE_BYTES as usize {
            return wrong(format!(
                "an attribute whose value has more than {MAX_VALUE_BYTES} bytes"
            ));
        }
        bytes += name.len() as u64 + value.len() as u64;
    }
    if bytes > MAX_HEAD_BYTES {
        return wrong(format!("attributes of more than {MAX_HEAD_BYTES} bytes"));
    }
    Ok(())
}

/// The part of a package before the content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The FlowFile's attributes; at least one.
    pub attributes: Attributes,
    /// Length of the content that follows.
    pub content_bytes: u64,
}

/// A reader of consecutive packages.
#[derive(Debug)]
pub struct PackageReader<R> {
    reader: R,
    number: u64,
    head_bytes: u64,
}

impl<R: Read> PackageReader<R> {
    /// Creates the reader without reading anything.
    pub fn new(reader: R) -> Self {
        Self { reader, number: 0, head_bytes: 0 }
    }

    /// Reads the next FlowFile's head; `None` at a clean end. The previous content must have been
    /// read.
    ///
    /// # Errors
    ///
    /// Framing is lost, a limit is exceeded, or the stream fails.
    pub fn next_head(&mut self) -> Result<Option<Head>, PackageError> {
        self.number += 1;
        let mut magic = [0; MAGIC.len()];
        match read_up_to(&mut self.reader, &mut magic)? {
            0 if self.number > 1 => return Ok(None),
            0 => return Err(self.wrong("there is none: the input is empty")),
            count if count < magic.len() => return Err(self.truncated()),
            _ if magic != *MAGIC => return Err(self.wrong("it does not begin with NiFiFF3")),
            _ => {}
        }
        if self.number > MAX_FLOWFILES {
            return Err(self.wrong(&format!(
                "more than {MAX_FLOWFILES} FlowFiles in one package: send fewer at once"
            )));
        }
        let count = self.length()?;
        if count == 0 {
            return Err(self.wrong("it has no attributes, which is not legal"));
        }
        if count > MAX_ATTRIBUTES {
            return Err(
                self.wrong(&format!("it has {count} attributes, more than {MAX_ATTRIBUTES}"))
            );
        }
        let mut attributes = Attributes::default();
        let mut bytes = 0;
        for _ in 0..count {
            let name = self.text("name", MAX_NAME_BYTES, &mut bytes)?;
            let value = self.text("value", MAX_VALUE_BYTES, &mut bytes)?;
            attributes.set(name, value);
        }
        self.head_bytes += bytes;
        if self.head_bytes > MAX_STREAM_HEAD_BYTES {
            let limit = MAX_STREAM_HEAD_BYTES;
            return Err(self.wrong(&format!(
                "all attributes up to here have more than {limit} bytes: send fewer at once"
            )));
        }
        let mut length = [0; 8];
        self.fill(&mut length)?;
        // The length is signed, because NiFi is written in Java.
        let content_bytes = i64::from_be_bytes(length);
        let content_bytes = u64::try_from(content_bytes)
            .map_err(|_| self.wrong("its content has a negative length"))?;
        Ok(Some(Head { attributes, content_bytes }))
    }

    /// Copies the content that `head` announces.
    ///
    /// # Errors
    ///
    /// The stream ends too early or fails. An error of `out` is returned as the inner result.
    pub fn content(
        &mut self,
        head: &Head,
        out: &mut dyn Write,
    ) -> Result<io::Result<()>, PackageError> {
        let mut left = head.content_bytes;
        let mut buffer = vec![0; 64 * 1024];
        while left > 0 {
            let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
            let part = buffer.get_mut(..most).unwrap_or_default();
            let count = read_up_to(&mut self.reader, part)?;
            if count == 0 {
                return Err(self.truncated());
            }
            if let Err(error) = out.write_all(&part[..count]) {
                return Ok(Err(error));
            }
            left -= count as u64;
        }
        Ok(Ok(()))
    }

    fn length(&mut self) -> Result<u32, PackageError> {
        let mut short = [0; 2];
        self.fill(&mut short)?;
        if short != [0xff, 0xff] {
            return Ok(u32::from(u16::from_be_bytes(short)));
        }
        let mut long = [0; 4];
        self.fill(&mut long)?;
        Ok(u32::from_be_bytes(long))
    }

    fn text(&mut self, what: &str, limit: u32, bytes: &mut u64) -> Result<String, PackageError> {
        let length = self.length()?;
        *bytes += u64::from(length);
        if length > limit || *bytes > MAX_HEAD_BYTES {
            return Err(
                self.wrong(&format!("an attribute's {what} has {length} bytes, beyond the limits"))
            );
        }
        let mut text = vec![0; length as usize];
        self.fill(&mut text)?;
        String::from_utf8(text)
            .map_err(|_| self.wrong(&format!("an attribute's {what} is not UTF-8")))
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), PackageError> {
        if read_up_to(&mut self.reader, bytes)? < bytes.len() {
            Err(self.truncated())
        } else {
            Ok(())
        }
    }

    fn truncated(&self) -> PackageError {
        self.wrong("the input ends inside it; send it again, whole")
    }

    fn wrong(&self, what: &str) -> PackageError {
        PackageError::Framing { number: self.number, what: what.to_owned() }
    }
}

/// Reads until `bytes` is full or the input ends.
fn read_up_to(reader: &mut impl Read, bytes: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        match reader.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Writes everything before a content of `content_bytes` bytes. A package needs at least one
/// attribute.
///
/// # Errors
///
/// Those of `out`, and an attribute of 2^31 bytes or more.
pub fn write_head(
    attributes: &Attributes,
    content_bytes: u64,
    out: &mut dyn Write,
) -> io::Result<()> {
    out.write_all(MAGIC)?;
    write_length(attributes.len(), out)?;
    for (name, value) in attributes.iter() {
        for text in [name, value] {
            write_length(text.len(), out)?;
            out.write_all(text.as_bytes())?;
        }
    }
    out.write_all(&content_bytes.to_be_bytes())
}

fn write_length(length: usize, out: &mut dyn Write) -> io::Result<()> {
    match u16::try_from(length) {
        Ok(short) if short < u16::MAX => out.write_all(&short.to_be_bytes()),
        _ => {
            let long =
                i32::try_from(length).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
            out.write_all(&[0xff, 0xff])?;
            out.write_all(&long.to_be_bytes())
        }
    }
}

/// Checks whether an input is a package, by its first bytes. Returns the answer and the complete
/// input.
///
/// # Errors
///
/// Reading fails.
pub fn sniff<R: Read>(mut reader: R) -> io::Result<(bool, impl Read)> {
    let mut first = vec![0; MAGIC.len()];
    let count = read_up_to(&mut reader, &mut first)?;
    first.truncate(count);
    Ok((first == MAGIC, io::Cursor::new(first).chain(reader)))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read1 = (Attributes, Vec<u8>);

    fn read(bytes: &[u8]) -> Result<Vec<Read1>, PackageError> {
        let mut reader = PackageReader::new(bytes);
        let mut all = Vec::new();
        while let Some(head) = reader.next_head()? {
            let mut content = Vec::new();
            reader.content(&head, &mut content)?.unwrap();
            all.push((head.attributes, content));
        }
        Ok(all)
    }

    fn write(all: &[Read1]) -> Vec<u8> {
        let mut out = Vec::new();
        for (attributes, content) in all {
            write_head(attributes, content.len() as u64, &mut out).unwrap();
            out.extend_from_slice(content);
        }
        out
    }

    fn attributes(pairs: &[(&str, &str)]) -> Attributes {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let all = [
            (attributes(&[("a", ""), ("ключ.é", "значение € 😀")]), b"x".to_vec()),
            (
                attributes(&[("long", &"y".repeat(65_535)), ("short", &"z".repeat(65_534))]),
                Vec::new(),
            ),
        ];
        let bytes = write(&all);
        assert_eq!(read(&bytes).unwrap(), all);
        assert_eq!(&bytes[..15], b"NiFiFF3\0\x02\0\x01a\0\0\0");
        let long = [b"long".as_slice(), &[0xff, 0xff, 0, 0, 0xff, 0xff]].concat();
        assert!(bytes.windows(long.len()).any(|window| window == long));
    }

    #[test]
    fn the_long_form_of_a_short_length_is_read() {
        let bytes = [
            MAGIC.as_slice(),
            &[0xff, 0xff, 0, 0, 0, 1, 0, 1, b'a', 0, 1, b'b', 0, 0, 0, 0, 0, 0, 0, 0],
        ]
        .concat();
        assert_eq!(read(&bytes).unwrap(), [(attributes(&[("a", "b")]), Vec::new())]);
    }

    #[test]
    fn every_cut_is_noticed() {
        let bytes = write(&[
            (attributes(&[("a", "b")]), b"xyz".to_vec()),
            (attributes(&[("c", "d")]), b"q".to_vec()),
        ]);
        let first = write(&[(attributes(&[("a", "b")]), b"xyz".to_vec())]).len();
        for end in 0..bytes.len() {
            let result = read(&bytes[..end]);
            assert_eq!(result.is_ok(), end == first, "{end}");
        }
    }

    #[test]
    fn what_is_no_package_is_refused_with_its_place() {
        let one = write(&[(attributes(&[("a", "b")]), b"xyz".to_vec())]);
        let cases: [(Vec<u8>, &str); 6] = [
            (b"{\"id\":1}\n".to_vec(), "FlowFile 1 of the package: it does not begin with NiFiFF3"),
            (
                [one.as_slice(), b"NiFiFF2"].concat(),
                "FlowFile 2 of the package: it does not begin with NiFiFF3",
            ),
            ([MAGIC.as_slice(), &[0, 0]].concat(), "has no attributes"),
            ([MAGIC.as_slice(), &[0xff, 0xff, 0x7f, 0, 0, 0]].concat(), "more than 1024"),
            ([MAGIC.as_slice(), &[0, 1, 0xff, 0xff, 0x7f, 0, 0, 0]].concat(), "beyond the limits"),
            ([MAGIC.as_slice(), &[0, 1, 0, 1, 0xff, 0, 0]].concat(), "not UTF-8"),
        ];
        for (bytes, expected) in cases {
            let message = read(&bytes).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
        let negative = [&one[..one.len() - 11], &[0xff; 8]].concat();
        assert!(read(&negative).unwrap_err().to_string().contains("negative"));
    }

    #[test]
    fn sniffing_takes_nothing_away() {
        for (bytes, package) in [(b"NiFiFF3\0".as_slice(), true), (b"NiFi", false), (b"", false)] {
            let (found, mut reader) = sniff(bytes).unwrap();
            let mut all = Vec::new();
            reader.read_to_end(&mut all).unwrap();
            assert_eq!((found, all.as_slice()), (package, bytes));
        }
    }
}
