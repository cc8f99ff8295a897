//! The bytes in a view of an ArrayBuffer, and its elements as JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::array_buffer::{ArrayBuffer, BufferView};
use super::kind::ValueKind;
use super::shared::SharedValues;
use super::tree::Tree;
use crate::indexeddb::number::{special_word, write_canonical};

/// Returns the bytes in a view, and true if the buffer has others. The buffer may be a reference.
pub(crate) fn view_bytes(
    view: &BufferView<'_>,
    shared: &SharedValues<'_>,
) -> Option<(Vec<u8>, bool)> {
    let buffer = buffer_of(view.buffer, shared)?;
    let bytes = STANDARD.decode(buffer.data).ok()?;
    let start = usize::try_from(view.offset).ok()?;
    let size = view.size();
    let length = match view.length {
        Some(length) => usize::try_from(length).ok()?.checked_mul(size)?,
        None => bytes.len().checked_sub(start)? / size * size,
    };
    let shown = bytes.get(start..start.checked_add(length)?)?.to_vec();
    let more = shown.len() != bytes.len();
    Some((shown, more))
}

/// Returns the buffer of a view, which may be shared.
pub(crate) fn buffer_of<'t>(
    tree: &'t Tree<'t>,
    shared: &SharedValues<'t>,
) -> Option<ArrayBuffer<'t>> {
    match ValueKind::of(tree)? {
        ValueKind::Buffer(buffer) => Some(buffer),
        ValueKind::Id(_, inner) => match ValueKind::of(inner)? {
            ValueKind::Buffer(buffer) => Some(buffer),
            _ => None,
        },
        ValueKind::Ref(id) => match ValueKind::of(shared.get(&id)?)? {
            ValueKind::Buffer(buffer) => Some(buffer),
            _ => None,
        },
        _ => None,
    }
}

/// An element of a typed array, as text.
pub(crate) enum ViewElement {
    /// A number that JSON can represent.
    Number(String),
    /// `-0`, `NaN`, `Infinity` or `-Infinity`.
    Special(&'static str),
    /// The digits of a BigInt.
    BigInt(String),
}

impl From<f64> for ViewElement {
    fn from(value: f64) -> Self {
        match special_word(value) {
            Some(word) => Self::Special(word),
            None => {
                let mut out = Vec::new();
                write_canonical(value, &mut out);
                Self::Number(String::from_utf8_lossy(&out).into_owned())
            }
        }
    }
}

/// Returns the elements of a view, for formats that write them as members.
pub(crate) fn view_elements(view: &BufferView<'_>, bytes: &[u8]) -> Vec<ViewElement> {
    use ViewElement::{BigInt, Number};
    fn chunks<const N: usize>(
        bytes: &[u8],
        read: impl Fn([u8; N]) -> ViewElement,
    ) -> Vec<ViewElement> {
        bytes.as_chunks::<N>().0.iter().map(|chunk| read(*chunk)).collect()
    }
    match view.name {
        b"Int8Array" => chunks(bytes, |byte| Number(i8::from_le_bytes(byte).to_string())),
        b"Int16Array" => chunks(bytes, |chunk| Number(i16::from_le_bytes(chunk).to_string())),
        b"Uint16Array" => chunks(bytes, |chunk| Number(u16::from_le_bytes(chunk).to_string())),
        b"Int32Array" => chunks(bytes, |chunk| Number(i32::from_le_bytes(chunk).to_string())),
        b"Uint32Array" => chunks(bytes, |chunk| Number(u32::from_le_bytes(chunk).to_string())),
        b"Float16Array" => chunks(bytes, |chunk| half(u16::from_le_bytes(chunk)).into()),
        b"Float32Array" => chunks(bytes, |chunk| f64::from(f32::from_le_bytes(chunk)).into()),
        b"Float64Array" => chunks(bytes, |chunk| f64::from_le_bytes(chunk).into()),
        b"BigInt64Array" => chunks(bytes, |chunk| BigInt(i64::from_le_bytes(chunk).to_string())),
        b"BigUint64Array" => chunks(bytes, |chunk| BigInt(u64::from_le_bytes(chunk).to_string())),
        _ => bytes.iter().map(|byte| Number(byte.to_string())).collect(),
    }
}

/// Converts an IEEE 754 binary16 number.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        0x1f if fraction == 0.0 => f64::INFINITY,
        0x1f => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves() {
        for (bits, value) in [
            (0x3e00, 1.5),
            (0xc000, -2.0),
            (0x0001, 2f64.powi(-24)),
            (0x7bff, 65504.0),
            (0xfc00, f64::NEG_INFINITY),
        ] {
            assert_eq!(half(bits), value);
        }
        assert!(half(0x7e00).is_nan());
    }
}
