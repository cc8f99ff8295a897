//! Keys: their canonical JSON form, and a byte form that sorts in IndexedDB's order.
//!
//! The sortable form is that of Chromium's SQLite store (`content/browser/indexed_db`, "sortable
//! IDB key"). It is a type byte (`10` number, `20` date, `30` string, `40` binary, `50` array),
//! followed by:
//!
//! - number, date: the 8 bytes of the double, big-endian. The sign bit is set for values ≥ 0; all
//!   bits are inverted for values below. −0 is written as 0.
//! - string: per code unit, `unit + 1` up to U+007E, two bytes `80 7f`–`bf ff` up to U+3FFF,
//!   otherwise `ff hi lo`; then `00`.
//! - binary: `00` if empty. Otherwise, `09` and 8 bytes (zero padded) for every 8 bytes; after the
//!   last group, a byte 1–8 instead of `09` gives the number of bytes used in that group.
//! - array: the items, then `00`.
//!
//! Comparing two sortable forms as bytes gives IndexedDB's order: number < date < string < binary <
//! array.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::dom_string::DomString;
use super::number::{self, special_value};
use super::value::ValueTag;
use super::value::write::{close_tag, open_tag, write_tagged_string};

/// The greatest depth of arrays in a key.
pub const MAX_KEY_DEPTH: usize = 64;

/// The greatest length of a key's sortable form, in bytes. Longer keys are rejected because keys
/// are stored in every manifest.
pub const MAX_KEY_BYTES: usize = 64 * 1024;

/// The greatest depth of arrays in a key of a system list.
///
/// `["notice",SOURCE,[VERSION,STORE,KEY]]` contains a record's key two arrays down, and earlier
/// releases stored record keys with one array more than the limit, if the innermost was empty. The
/// length of such a key has no separate limit: it consists of a record's key and a source's name,
/// which have limits, and of a name that is stored in every manifest anyway. This way, a record
/// that can be stored is never too large to be in conflict.
pub const MAX_LIST_KEY_DEPTH: usize = MAX_KEY_DEPTH + 3;

/// A valid IndexedDB key.
#[derive(Clone, Debug, PartialEq)]
pub enum Key {
    /// Any double except NaN; −0 equals 0 and is written as 0.
    Number(f64),
    /// Milliseconds since 1970; any double except NaN.
    Date(f64),
    /// Any code units.
    String(DomString),
    /// Bytes.
    Binary(Vec<u8>),
    /// Keys.
    Array(Vec<Key>),
}

/// The sortable bytes of a valid key: equal keys have equal bytes, and bytes sort in the order of
/// keys.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SortableKey(Box<[u8]>);

/// The reason why bytes or JSON are not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The type cannot be a key.
    #[error("not a valid IndexedDB key (number, Date, string, binary or array of keys)")]
    Invalid,
    /// Nested deeper than [`MAX_KEY_DEPTH`].
    #[error("key arrays nest deeper than {MAX_KEY_DEPTH}")]
    Depth,
    /// Longer than [`MAX_KEY_BYTES`].
    #[error("key is longer than {MAX_KEY_BYTES} bytes in sortable form")]
    Length,
}

impl Key {
    /// Reads a key from its canonical JSON form, or from any JSON with the same meaning.
    pub fn from_json(value: &serde_json::Value) -> Result<Self, KeyError> {
        Self::from_json_within(value, MAX_KEY_DEPTH)
    }

    /// Reads a key of a system list like [`Self::from_json`], but nested up to
    /// [`MAX_LIST_KEY_DEPTH`].
    pub fn list_key_from_json(value: &serde_json::Value) -> Result<Self, KeyError> {
        Self::from_json_within(value, MAX_LIST_KEY_DEPTH)
    }

    /// Reads a key; `depth` is the number of arrays that may be open.
    fn from_json_within(value: &serde_json::Value, depth: usize) -> Result<Self, KeyError> {
        use serde_json::Value;
        match value {
            Value::Number(number) => number.as_f64().map(Self::Number).ok_or(KeyError::Invalid),
            Value::String(text) => Ok(Self::String(text.as_str().into())),
            Value::Array(items) => {
                let depth = depth.checked_sub(1).ok_or(KeyError::Depth)?;
                let item = |item| Self::from_json_within(item, depth);
                items.iter().map(item).collect::<Result<_, _>>().map(Self::Array)
            }
            Value::Object(members) if members.len() == 1 => {
                let (tag, inner) = members.iter().next().ok_or(KeyError::Invalid)?;
                let tag = ValueTag::from_name(tag.as_bytes()).ok_or(KeyError::Invalid)?;
                match (tag, inner) {
                    (ValueTag::Number, Value::String(word)) => {
                        let number = special_value(word).filter(|number| !number.is_nan());
                        // Turns negative zero into zero.
                        number.map(|number| Self::Number(number + 0.0)).ok_or(KeyError::Invalid)
                    }
                    (ValueTag::Date, Value::Number(ms)) => {
                        ms.as_f64().map(Self::Date).ok_or(KeyError::Invalid)
                    }
                    (ValueTag::Utf16, _) => {
                        DomString::from_json(value).map(Self::String).ok_or(KeyError::Invalid)
                    }
                    (ValueTag::Binary, Value::String(data)) => {
                        STANDARD.decode(data).map(Self::Binary).map_err(|_| KeyError::Invalid)
                    }
                    _ => Err(KeyError::Invalid),
                }
            }
            _ => Err(KeyError::Invalid),
        }
    }

    /// Appends the canonical JSON form.
    pub fn write_canonical(&self, out: &mut Vec<u8>) {
        match self {
            Self::Number(value) => {
                number::write_canonical(if *value == 0.0 { 0.0 } else { *value }, out)
            }
            Self::Date(ms) => {
                open_tag(ValueTag::Date, out);
                number::write_canonical(if *ms == 0.0 { 0.0 } else { *ms }, out);
                close_tag(out);
            }
            Self::String(string) => string.write_canonical(out),
            Self::Binary(bytes) => {
                write_tagged_string(ValueTag::Binary, STANDARD.encode(bytes).as_bytes(), out);
            }
            Self::Array(items) => {
                out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    item.write_canonical(out);
                }
                out.push(b']');
            }
        }
    }

    /// Returns the canonical JSON form.
    pub fn to_canonical(&self) -> String {
        let mut out = Vec::new();
        self.write_canonical(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// Appends the sortable form.
    pub fn write_sortable(&self, out: &mut Vec<u8>) {
        match self {
            Self::Number(value) => write_sortable_number(*value, out),
            Self::Date(ms) => {
                out.push(TYPE_DATE);
                write_sortable_double(*ms, out);
            }
            Self::String(string) => {
                out.push(TYPE_STRING);
                string.units().iter().for_each(|&unit| write_sortable_unit(unit, out));
                out.push(0);
            }
            Self::Binary(bytes) => write_sortable_binary(bytes, out),
            Self::Array(items) => {
                out.push(TYPE_ARRAY);
                items.iter().for_each(|item| item.write_sortable(out));
                out.push(0);
            }
        }
    }

    /// Returns the sortable form, or an error if the key is too long or invalid (NaN).
    pub fn to_sortable(&self) -> Result<SortableKey, KeyError> {
        let mut out = Vec::new();
        self.write_sortable(&mut out);
        SortableKey::from_bytes(&out)
    }

    /// Returns the sortable form for a system list, or an error if the key nests too deep or is
    /// invalid (NaN).
    pub fn to_list_key(&self) -> Result<SortableKey, KeyError> {
        let mut out = Vec::new();
        self.write_sortable(&mut out);
        Self::from_sortable(&out)?;
        Ok(SortableKey(out.into()))
    }

    /// Reads exactly one key, of a record or of a system list, from its sortable bytes.
    pub fn from_sortable(bytes: &[u8]) -> Result<Self, KeyError> {
        Self::from_sortable_within(bytes, MAX_LIST_KEY_DEPTH)
    }

    fn from_sortable_within(bytes: &[u8], depth: usize) -> Result<Self, KeyError> {
        let mut rest = bytes;
        let key = read_sortable(&mut rest, depth)?;
        if rest.is_empty() { Ok(key) } else { Err(KeyError::Invalid) }
    }
}

const TYPE_NUMBER: u8 = 0x10;
const TYPE_DATE: u8 = 0x20;
/// The type byte of a string key, for writers that do not build a [`Key`].
pub const TYPE_STRING: u8 = 0x30;
const TYPE_BINARY: u8 = 0x40;
/// The type byte of an array key, for writers that do not build a [`Key`].
pub(crate) const TYPE_ARRAY: u8 = 0x50;

/// Appends the sortable form of a number key.
pub fn write_sortable_number(value: f64, out: &mut Vec<u8>) {
    out.push(TYPE_NUMBER);
    write_sortable_double(value, out);
}

fn write_sortable_double(value: f64, out: &mut Vec<u8>) {
    let value = if value == 0.0 { 0.0 } else { value };
    let bits = value.to_bits();
    let sortable = if bits >> 63 == 0 { bits | 1 << 63 } else { !bits };
    out.extend_from_slice(&sortable.to_be_bytes());
}

/// Appends one code unit of a string key.
pub fn write_sortable_unit(unit: u16, out: &mut Vec<u8>) {
    match unit {
        0..=0x7e => out.push(unit as u8 + 1),
        0x7f..=0x3fff => out.extend_from_slice(&(unit | 0x8000).to_be_bytes()),
        _ => {
            out.push(0xff);
            out.extend_from_slice(&unit.to_be_bytes());
        }
    }
}

fn write_sortable_binary(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(TYPE_BINARY);
    if bytes.is_empty() {
        out.push(0);
        return;
    }
    for piece in bytes.chunks(8) {
        let mut padded = [0; 8];
        padded[..piece.len()].copy_from_slice(piece);
        out.push(9);
        out.extend_from_slice(&padded);
    }
    out.push(((bytes.len() - 1) % 8 + 1) as u8);
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], KeyError> {
    let (head, tail) = rest.split_at_checked(count).ok_or(KeyError::Invalid)?;
    *rest = tail;
    Ok(head)
}

fn take_byte(rest: &mut &[u8]) -> Result<u8, KeyError> {
    Ok(take(rest, 1)?[0])
}

/// Reads a key; `depth` is the number of arrays that may be open.
fn read_sortable(rest: &mut &[u8], depth: usize) -> Result<Key, KeyError> {
    match take_byte(rest)? {
        TYPE_NUMBER => read_sortable_double(rest).map(Key::Number),
        TYPE_DATE => read_sortable_double(rest).map(Key::Date),
        TYPE_STRING => read_sortable_string(rest).map(Key::String),
        TYPE_BINARY => read_sortable_binary(rest).map(Key::Binary),
        TYPE_ARRAY => {
            let depth = depth.checked_sub(1).ok_or(KeyError::Depth)?;
            let mut items = Vec::new();
            while *rest.first().ok_or(KeyError::Invalid)? != 0 {
                items.push(read_sortable(rest, depth)?);
            }
            take_byte(rest)?;
            Ok(Key::Array(items))
        }
        _ => Err(KeyError::Invalid),
    }
}

fn read_sortable_double(rest: &mut &[u8]) -> Result<f64, KeyError> {
    let bytes: [u8; 8] = take(rest, 8)?.try_into().map_err(|_| KeyError::Invalid)?;
    let sortable = u64::from_be_bytes(bytes);
    let bits = if sortable >> 63 == 1 { sortable & !(1 << 63) } else { !sortable };
    let value = f64::from_bits(bits);
    // −0 has no sortable form: `7f ff …` would decode to it, and is refused.
    if value.is_nan() || (value == 0.0 && bits != 0) { Err(KeyError::Invalid) } else { Ok(value) }
}

fn read_sortable_string(rest: &mut &[u8]) -> Result<DomString, KeyError> {
    let mut units = Vec::new();
    loop {
        let unit = match take_byte(rest)? {
            0 => return Ok(DomString::from_units(units)),
            byte @ 1..=0x7f => u16::from(byte) - 1,
            byte @ 0x80..=0xbf => {
                let unit = u16::from(byte & 0x3f) << 8 | u16::from(take_byte(rest)?);
                if unit < 0x7f {
                    return Err(KeyError::Invalid);
                }
                unit
            }
            0xff => {
                let unit = u16::from(take_byte(rest)?) << 8 | u16::from(take_byte(rest)?);
                if unit < 0x4000 {
                    return Err(KeyError::Invalid);
                }
                unit
            }
            _ => return Err(KeyError::Invalid),
        };
        units.push(unit);
    }
}

fn read_sortable_binary(rest: &mut &[u8]) -> Result<Vec<u8>, KeyError> {
    let mut bytes: Vec<u8> = Vec::new();
    loop {
        match take_byte(rest)? {
            0 if bytes.is_empty() => return Ok(bytes),
            9 => bytes.extend_from_slice(take(rest, 8)?),
            used @ 1..=8 if !bytes.is_empty() => {
                let keep = bytes.len() - 8 + usize::from(used);
                if bytes[keep..].iter().any(|&padding| padding != 0) {
                    return Err(KeyError::Invalid);
                }
                bytes.truncate(keep);
                return Ok(bytes);
            }
            _ => return Err(KeyError::Invalid),
        }
    }
}

impl SortableKey {
    /// Checks that `bytes` are the sortable form of one valid record key within the limits of depth
    /// and length.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        if bytes.len() > MAX_KEY_BYTES {
            return Err(KeyError::Length);
        }
        Key::from_sortable_within(bytes, MAX_KEY_DEPTH)?;
        Ok(Self(bytes.into()))
    }

    /// Wraps bytes that a normalizer of this crate has just written.
    pub(crate) fn trusted(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns a position before every key. It is not a key and only serves for comparing.
    pub(crate) fn before_all() -> Self {
        Self([].into())
    }

    /// Returns the position between this key and the next greater one. It is not a key and only
    /// serves for comparing.
    pub(crate) fn just_after(&self) -> Self {
        Self([&self.0, &[0][..]].concat().into())
    }

    /// Returns the canonical JSON form.
    pub fn to_canonical(&self) -> String {
        Key::from_sortable(&self.0).map(|key| key.to_canonical()).unwrap_or_default()
    }
}

impl fmt::Debug for SortableKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_canonical())
    }
}

/// Returns the sortable form of a string key without building a [`Key`].
pub fn sortable_string(text: &str) -> SortableKey {
    let mut out = vec![TYPE_STRING];
    text.encode_utf16().for_each(|unit| write_sortable_unit(unit, &mut out));
    out.push(0);
    SortableKey(out.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The order of 44 sample keys that Chromium, Firefox and WebKit agree on.
    fn observed_order() -> Vec<Key> {
        let string = |units: &[u16]| Key::String(DomString::from_units(units));
        let text = |text: &str| Key::String(text.into());
        let mut keys: Vec<Key> =
            [f64::NEG_INFINITY, -1.5, 0.0, 5e-324, 1.0, 9007199254740991.0, 1e308, f64::INFINITY]
                .map(Key::Number)
                .into();
        keys.extend([-1.0, 0.0, 1_700_000_000_123.0, 8.64e15].map(Key::Date));
        keys.extend(
            [
                "", "\0", "A", "a", "a\0b", "ab", "b", "~", "\u{7f}", "\u{80}", "é", "\u{3fff}",
                "\u{4000}", "名前",
            ]
            .map(text),
        );
        keys.extend([string(&[0xd83d]), text("😀"), string(&[0xde00]), text("\u{ffff}")]);
        keys.extend(
            [
                vec![],
                vec![0],
                vec![1, 2, 3],
                vec![7; 20],
                vec![9; 8],
                vec![9; 16],
                vec![255, 0, 127, 128],
            ]
            .map(Key::Binary),
        );
        keys.extend([
            Key::Array(vec![]),
            Key::Array(vec![Key::Number(1.0)]),
            Key::Array(vec![text("")]),
            Key::Array(vec![text("a"), Key::Number(2.0), Key::Date(5.0)]),
            Key::Array(vec![Key::Array(vec![])]),
            Key::Array(vec![Key::Array(vec![Key::Number(1.0), text("x")]), Key::Binary(vec![1])]),
            Key::Array(vec![Key::Array(vec![Key::Array(vec![])])]),
        ]);
        keys
    }

    #[test]
    fn bytes_order_as_browsers_order() {
        let sortable: Vec<_> =
            observed_order().iter().map(|key| key.to_sortable().unwrap()).collect();
        for pair in sortable.windows(2) {
            assert!(pair[0] < pair[1], "{:?} {:?}", pair[0], pair[1]);
        }
    }

    #[test]
    fn minus_zero_is_zero() {
        assert_eq!(Key::Number(-0.0).to_sortable(), Key::Number(0.0).to_sortable());
        assert_eq!(Key::Number(-0.0).to_canonical(), "0");
    }

    #[test]
    fn nan_and_overlong_forms_are_refused() {
        assert_eq!(Key::Number(f64::NAN).to_sortable(), Err(KeyError::Invalid));
        assert_eq!(Key::from_sortable(b"\x30\x80\x01\x00"), Err(KeyError::Invalid));
        assert_eq!(Key::from_sortable(b"\x40\x09\x01\0\0\0\0\0\0\x01\x01"), Err(KeyError::Invalid));
    }

    #[test]
    fn arrays_count_as_deep_as_they_nest_also_if_the_innermost_is_empty() {
        let nested =
            |arrays: usize| (1..arrays).fold(Key::Array(vec![]), |key, _| Key::Array(vec![key]));
        for (arrays, expected) in
            [(MAX_KEY_DEPTH, Ok(())), (MAX_KEY_DEPTH + 1, Err(KeyError::Depth))]
        {
            let key = nested(arrays);
            let json: serde_json::Value = serde_json::from_str(&key.to_canonical()).unwrap();
            assert_eq!(key.to_sortable().map(|_| ()), expected, "{arrays}");
            assert_eq!(Key::from_json(&json).map(|_| ()), expected, "{arrays}");
            // A key that an earlier release stored is still read, and may be in conflict.
            let stored = key.to_list_key().unwrap();
            assert_eq!(Key::from_sortable(stored.as_bytes()), Ok(key.clone()));
            let conflict = Key::Array(vec![Key::Number(1.0), Key::String("s".into()), key]);
            let notice =
                Key::Array(vec![Key::String("notice".into()), Key::String("a".into()), conflict]);
            assert!(notice.to_list_key().is_ok(), "{arrays}");
        }
    }

    #[test]
    fn keys_of_lists_nest_deeper_and_are_longer() {
        let nested = |depth| (0..depth).fold(Key::Number(1.0), |key, _| Key::Array(vec![key]));
        let json = |key: &Key| serde_json::from_str(&key.to_canonical()).unwrap();
        let (record, list) = (nested(MAX_KEY_DEPTH), nested(MAX_LIST_KEY_DEPTH));
        assert!(record.to_sortable().is_ok() && Key::from_json(&json(&record)).is_ok());
        assert_eq!(
            (list.to_sortable(), Key::from_json(&json(&list))),
            (Err(KeyError::Depth), Err(KeyError::Depth))
        );
        let sortable = list.to_list_key().unwrap();
        assert_eq!(Key::list_key_from_json(&json(&list)), Ok(list.clone()));
        assert_eq!(
            (Key::from_sortable(sortable.as_bytes()), sortable.to_canonical()),
            (Ok(list.clone()), list.to_canonical())
        );
        let deeper = Key::Array(vec![list]);
        assert_eq!(
            (deeper.to_list_key(), Key::list_key_from_json(&json(&deeper))),
            (Err(KeyError::Depth), Err(KeyError::Depth))
        );
        let long = Key::String("x".repeat(MAX_KEY_BYTES).as_str().into());
        assert_eq!(long.to_sortable(), Err(KeyError::Length));
        assert!(long.to_list_key().is_ok());
        assert_eq!(Key::Array(vec![Key::Number(f64::NAN)]).to_list_key(), Err(KeyError::Invalid));
    }

    fn compare(a: &Key, b: &Key) -> std::cmp::Ordering {
        fn rank(key: &Key) -> u8 {
            match key {
                Key::Number(_) => 0,
                Key::Date(_) => 1,
                Key::String(_) => 2,
                Key::Binary(_) => 3,
                Key::Array(_) => 4,
            }
        }
        match (a, b) {
            (Key::Number(a), Key::Number(b)) | (Key::Date(a), Key::Date(b)) => {
                a.partial_cmp(b).unwrap()
            }
            (Key::String(a), Key::String(b)) => a.units().cmp(b.units()),
            (Key::Binary(a), Key::Binary(b)) => a.cmp(b),
            (Key::Array(a), Key::Array(b)) => {
                let first = a.iter().zip(b).map(|(a, b)| compare(a, b)).find(|order| order.is_ne());
                first.unwrap_or(a.len().cmp(&b.len()))
            }
            _ => rank(a).cmp(&rank(b)),
        }
    }

    fn keys() -> impl Strategy<Value = Key> {
        let double = any::<f64>().prop_filter("NaN is no key", |value| !value.is_nan());
        let small = prop_oneof![Just(0.0), Just(-0.0), -3.0..3.0f64, double];
        let leaf = prop_oneof![
            small.clone().prop_map(Key::Number),
            small.prop_map(Key::Date),
            prop::collection::vec(
                prop_oneof![0u16..4, 0x7d..0x82u16, 0x3ffe..0x4002u16, any::<u16>()],
                0..6
            )
            .prop_map(|units| Key::String(DomString::from_units(units))),
            prop::collection::vec(prop_oneof![0u8..2, any::<u8>()], 0..20).prop_map(Key::Binary),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop::collection::vec(inner, 0..4).prop_map(Key::Array)
        })
    }

    proptest! {
        #[test]
        fn sortable_bytes_order_and_round_trip(a in keys(), b in keys()) {
            let (x, y) = (a.to_sortable().unwrap(), b.to_sortable().unwrap());
            prop_assert_eq!(x.cmp(&y), compare(&a, &b));
            let read = Key::from_sortable(x.as_bytes()).unwrap();
            prop_assert_eq!(&read, &a);
            let json: serde_json::Value = serde_json::from_str(&a.to_canonical()).unwrap();
            prop_assert_eq!(Key::from_json(&json).unwrap().to_sortable().unwrap(), x);
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(key) = Key::from_sortable(&bytes) {
                let mut again = Vec::new();
                key.write_sortable(&mut again);
                prop_assert_eq!(again, bytes);
            }
        }
    }
}
