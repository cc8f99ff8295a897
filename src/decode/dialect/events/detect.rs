//! Detects change events in a stream. The first value that changes a row decides, whether values
//! are in separate lines, span lines, or are elements of an array.

use std::io::Read;

use super::{capture_mysql, debezium};
use crate::decode::dialect::Dialect;
use crate::decode::error::DecodeError;
use crate::decode::framing::Lines;
use crate::decode::growing::RECORD_SEPARATOR;
use crate::decode::growing::{GrowingScan, InLine, Seen};
use crate::decode::options::DecodeOptions;
use crate::decode::scan::{BracketScan, MAX_DEPTH, is_space};
use crate::decode::structure::StructureScan;

/// The number of bytes of values that change no row up to which the search continues.
const PASSED_BYTES: usize = 1024 * 1024;

/// Returns the dialect of a stream of change events, from its first value that changes a row, or
/// from values before it that only such streams contain. Consumes nothing.
pub(crate) fn first_event<R: Read>(
    lines: &mut Lines<R>,
    options: &DecodeOptions,
) -> Result<Option<Dialect>, DecodeError> {
    let (mut start, mut in_array) = (0, false);
    let mut passed = None;
    loop {
        let text = lines.available().get(start..).unwrap_or_default();
        let separates = |byte: u8| is_space(byte) || matches!(byte, b',' | RECORD_SEPARATOR);
        let Some(gap) = text.iter().position(|&byte| !separates(byte)) else {
            start += text.len();
            if lines.more()? {
                continue;
            }
            return Ok(passed);
        };
        start += gap;
        let length = match text.get(gap) {
            Some(b'[') if !in_array => {
                (start, in_array) = (start + 1, true);
                continue;
            }
            Some(b']') if in_array => return Ok(passed),
            Some(b'{') => object_length(lines, start, in_array)?,
            Some(b'n') => starts_with(lines, start, b"null")?.then_some(4),
            _ => None,
        };
        let value = length.and_then(|length| lines.available().get(start..start + length));
        match value.and_then(|value| look(value, options)) {
            Some((input, true)) => return Ok(Some(input)),
            Some((input, false)) if start < PASSED_BYTES => passed = passed.or(Some(input)),
            Some((input, false)) => return Ok(Some(input)),
            None => return Ok(None),
        }
        start += length.unwrap_or_default();
    }
}

/// Returns the length of the object at `start`, or `None` if it is broken or longer than the limit
/// for lines.
fn object_length<R: Read>(
    lines: &mut Lines<R>,
    start: usize,
    in_array: bool,
) -> Result<Option<usize>, DecodeError> {
    if in_array {
        return length(lines, start, &mut BracketScan::new(MAX_DEPTH));
    }
    match length(lines, start, &mut InLine::default())? {
        Some(length) => Ok(Some(length)),
        None => length(lines, start, &mut StructureScan::default()),
    }
}

fn length<R: Read>(
    lines: &mut Lines<R>,
    start: usize,
    scan: &mut dyn GrowingScan,
) -> Result<Option<usize>, DecodeError> {
    loop {
        let text = lines.available().get(start..).unwrap_or_default();
        match scan.see(text) {
            Seen::End(end) => return Ok(Some(end)),
            Seen::Open if text.len() <= lines.max_line_bytes() && lines.more()? => {}
            Seen::Open | Seen::Stop(_) => return Ok(None),
        }
    }
}

fn starts_with<R: Read>(
    lines: &mut Lines<R>,
    start: usize,
    word: &[u8],
) -> Result<bool, DecodeError> {
    while lines.available().len() < start + word.len() && lines.more()? {}
    Ok(lines.available().get(start..).is_some_and(|text| text.starts_with(word)))
}

/// Returns the dialect that a value may belong to, and true if it changes a row.
fn look(value: &[u8], options: &DecodeOptions) -> Option<(Dialect, bool)> {
    let of_debezium =
        debezium::look(value, options).map(|is_change| (Dialect::Debezium, is_change));
    of_debezium.or_else(|| {
        capture_mysql::look(value).map(|is_change| (Dialect::CaptureChangeMysql, is_change))
    })
}
