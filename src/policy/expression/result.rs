//! The result of an expression, in canonical form.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::data::{List, Map, Value};
use super::error::{Evaluated, EvaluationError};
use super::limits::MAX_VALUE;
use super::work::Work;
use crate::indexeddb::number::{MAX_SAFE_INTEGER, write_canonical};
use crate::indexeddb::text::write_text;
use crate::indexeddb::value::write::{
    close_tag, open_tag, write_big_int, write_buffer, write_date,
};
use crate::indexeddb::value::{Canonicalizer, ValueTag, member_name};

/// Returns the canonical text of a value. Text that was not parsed is returned unchanged.
pub(super) fn canonical(value: Value<'_>, work: &mut Work) -> Evaluated<Vec<u8>> {
    let mut out = Vec::new();
    match value {
        Value::Raw(text) => {
            work.read(text.len())?;
            if !ValueTag::Binary.occurs_in(text) {
                if !has_shared(text) {
                    return Ok(text.to_vec());
                }
                // The text is a part of a record that may refer to another part.
                Canonicalizer::default()
                    .value(text, &mut out)
                    .map_err(|_| EvaluationError::REFERENCES)?;
                return Ok(out);
            }
            write(value, &mut out, work)?;
        }
        value => write(value, &mut out, work)?,
    }
    let mut canonical = Vec::new();
    Canonicalizer::default().value(&out, &mut canonical).map_err(|_| EvaluationError::RESULT)?;
    Ok(canonical)
}

fn has_shared(text: &[u8]) -> bool {
    ValueTag::Ref.occurs_in(text) || ValueTag::Id.occurs_in(text)
}

/// Appends a value; the order of members does not matter.
fn write(value: Value<'_>, out: &mut Vec<u8>, work: &mut Work) -> Evaluated<()> {
    work.step()?;
    match value {
        Value::Raw(text) => {
            work.read(text.len())?;
            if ValueTag::Binary.occurs_in(text) {
                // This is part of a key, and becomes a buffer in a value.
                return write(value.open(work)?, out, work);
            }
            stored(text, out)?;
        }
        Value::Stored(text) => stored(text, out)?,
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(truth) => out.extend_from_slice(if truth { b"true" } else { b"false" }),
        Value::Int(int) if int.unsigned_abs() <= MAX_SAFE_INTEGER => {
            out.extend_from_slice(int.to_string().as_bytes());
        }
        // Doubles cannot represent all of the others.
        Value::Int(int) => write_big_int(int, out),
        Value::Double(double) => write_canonical(double, out),
        Value::Date(ms) if ms.is_nan() => write_date(None, out),
        Value::Date(ms) => {
            open_tag(ValueTag::Date, out);
            write_canonical(ms, out);
            close_tag(out);
        }
        Value::Text(text) => {
            work.read(text.len())?;
            write_text(&text, out);
        }
        Value::Bytes(bytes) => {
            work.read(bytes.len())?;
            write_buffer(STANDARD.encode(bytes).as_bytes(), out);
        }
        Value::List(list) => {
            out.push(b'[');
            let mut elements = list.elements();
            let mut first = true;
            while let Some(element) = elements.next(work)? {
                if !first {
                    out.push(b',');
                }
                first = false;
                write(element, out, work)?;
            }
            out.push(b']');
        }
        Value::Map(Map::Pairs(pairs)) => {
            open_tag(ValueTag::Map, out);
            write(Value::List(List::Text(pairs)), out, work)?;
            close_tag(out);
        }
        Value::Map(map) => {
            out.push(b'{');
            for (at, (name, value)) in map.members(work)?.into_iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                out.push(b'"');
                out.extend_from_slice(&member_name(&name));
                out.extend_from_slice(b"\":");
                write(value, out, work)?;
            }
            out.push(b'}');
        }
        Value::Type(_) => return Err(EvaluationError::RESULT),
    }
    if out.len() > MAX_VALUE { Err(EvaluationError::VALUE) } else { Ok(()) }
}

/// Appends a part of a record unchanged.
fn stored(text: &[u8], out: &mut Vec<u8>) -> Evaluated<()> {
    if has_shared(text) {
        return Err(EvaluationError::REFERENCES);
    }
    if out.len() + text.len() > MAX_VALUE {
        return Err(EvaluationError::VALUE);
    }
    out.extend_from_slice(text);
    Ok(())
}
