//! Finds out whether a stream holds change events: the first line that is a change of a row decides.

use std::io::Read;

use super::{capture_mysql, debezium};
use crate::decode::error::DecodeError;
use crate::decode::framing::Lines;
use crate::decode::options::{DecodeOptions, Input};
use crate::decode::records;

/// Lines that change no row are looked behind up to this many bytes.
const PASSED_BYTES: usize = 1024 * 1024;

/// Returns the dialect of a stream of change events, from its first line that changes a row, or from lines before it that
/// only such streams have. Takes nothing from the stream.
pub(crate) fn first_event<R: Read>(
    lines: &mut Lines<R>,
    options: &DecodeOptions,
) -> Result<Option<Input>, DecodeError> {
    let mut start = 0;
    let mut passed = None;
    loop {
        let text = lines.available().get(start..).unwrap_or_default();
        let end = memchr::memchr(b'\n', text);
        if end.is_none() && text.len() <= options.max_line_bytes && lines.more()? {
            continue;
        }
        let text = lines.available().get(start..).unwrap_or_default();
        let end = memchr::memchr(b'\n', text).unwrap_or(text.len());
        if text.is_empty() {
            return Ok(passed);
        }
        let line = records::trim(&text[..end]);
        match look(line, options) {
            _ if line.is_empty() => {}
            Some((input, true)) => return Ok(Some(input)),
            Some((input, false)) if start < PASSED_BYTES => passed = passed.or(Some(input)),
            Some((input, false)) => return Ok(Some(input)),
            None => return Ok(None),
        }
        start += end + 1;
    }
}

/// The dialect that a line may belong to, and whether it changes a row.
fn look(line: &[u8], options: &DecodeOptions) -> Option<(Input, bool)> {
    let of_debezium = debezium::look(line, options).map(|is_change| (Input::Debezium, is_change));
    of_debezium.or_else(|| capture_mysql::look(line).map(|is_change| (Input::CaptureChangeMysql, is_change)))
}
