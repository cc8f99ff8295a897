//! Writers of tagged values, for readers of other programs' formats and for computed values.
//!
//! They write a value in our form; the [`Canonicalizer`](super::Canonicalizer) makes it canonical
//! where the content may be in another order or spelling.

use std::fmt::Display;

use super::tag::ValueTag;

/// Appends the text before the content of a tagged value; after the content, [`close_tag`] follows.
pub(crate) fn open_tag(tag: ValueTag, out: &mut Vec<u8>) {
    out.extend_from_slice(tag.opening());
}

/// Appends the text after the content of a tagged value.
pub(crate) fn close_tag(out: &mut Vec<u8>) {
    out.push(b'}');
}

/// Appends a tagged value whose content is this JSON text.
pub(crate) fn write_tagged(tag: ValueTag, content: &[u8], out: &mut Vec<u8>) {
    open_tag(tag, out);
    out.extend_from_slice(content);
    close_tag(out);
}

/// Appends a tagged value whose content is a string, given as the text between its quotes.
pub(crate) fn write_tagged_string(tag: ValueTag, raw: &[u8], out: &mut Vec<u8>) {
    open_tag(tag, out);
    write_string(raw, out);
    close_tag(out);
}

/// Appends a JSON string, given as the text between its quotes.
pub(crate) fn write_string(raw: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(raw);
    out.push(b'"');
}

/// Appends `undefined`.
pub(crate) fn write_undefined(out: &mut Vec<u8>) {
    write_tagged(ValueTag::Undefined, b"true", out);
}

/// Appends a number that JSON lacks: `-0`, `NaN`, `Infinity` or `-Infinity`.
pub(crate) fn write_special_number(word: &str, out: &mut Vec<u8>) {
    write_tagged_string(ValueTag::Number, word.as_bytes(), out);
}

/// Returns the text of a number that JSON lacks, for messages.
pub(crate) fn special_number_text(word: &str) -> String {
    let mut out = Vec::new();
    write_special_number(word, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// Appends a BigInt.
pub(crate) fn write_big_int(number: impl Display, out: &mut Vec<u8>) {
    write_tagged_string(ValueTag::BigInt, number.to_string().as_bytes(), out);
}

/// Appends a Date, given in milliseconds since 1970; `None` is an invalid Date.
pub(crate) fn write_date(ms: Option<i64>, out: &mut Vec<u8>) {
    match ms {
        Some(ms) => write_tagged(ValueTag::Date, ms.to_string().as_bytes(), out),
        None => write_tagged(ValueTag::Date, b"null", out),
    }
}

/// Appends an ArrayBuffer of fixed length, given as the base64 text between the quotes of a string.
pub(crate) fn write_buffer(base64: &[u8], out: &mut Vec<u8>) {
    open_tag(ValueTag::Buffer, out);
    out.extend_from_slice(b"{\"data\":");
    write_string(base64, out);
    out.push(b'}');
    close_tag(out);
}

/// Appends the beginning of a view; its buffer follows, and then [`close_view`].
pub(crate) fn open_view(out: &mut Vec<u8>) {
    open_tag(ValueTag::View, out);
    out.extend_from_slice(b"{\"buffer\":");
}

/// Appends the rest of a view after its buffer: the length in elements, the offset in bytes, and
/// the name of the view's type.
pub(crate) fn close_view(length: impl Display, offset: u64, name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(
        format!(",\"length\":{length},\"offset\":{offset},\"type\":\"{name}\"}}").as_bytes(),
    );
    close_tag(out);
}

/// Appends the beginning of an array with holes or named members; the items `[index,value]` follow.
pub(crate) fn open_array(length: impl Display, out: &mut Vec<u8>) {
    open_tag(ValueTag::Array, out);
    out.extend_from_slice(format!("{{\"length\":{length},\"items\":[").as_bytes());
}

/// Appends the text between the items of an array and its named members `[name,value]`.
pub(crate) fn begin_array_members(out: &mut Vec<u8>) {
    out.extend_from_slice(b"],\"members\":[");
}

/// Appends the end of an array with holes or named members.
pub(crate) fn close_array(out: &mut Vec<u8>) {
    out.extend_from_slice(b"]}");
    close_tag(out);
}

/// Appends the beginning of a shared value; the value follows, and then [`close_shared`].
pub(crate) fn open_shared(id: u64, out: &mut Vec<u8>) {
    open_tag(ValueTag::Id, out);
    out.extend_from_slice(format!("[{id},").as_bytes());
}

/// Appends the end of a shared value.
pub(crate) fn close_shared(out: &mut Vec<u8>) {
    out.push(b']');
    close_tag(out);
}

/// Appends a reference to a shared value.
pub(crate) fn write_reference(id: u64, out: &mut Vec<u8>) {
    write_tagged(ValueTag::Ref, id.to_string().as_bytes(), out);
}

/// Appends the beginning of an object whose inside is not known. Further members may follow, each
/// with a comma before it, and then [`close_opaque`]. Both texts must need no escape.
pub(crate) fn open_opaque(kind: &str, reason: &str, out: &mut Vec<u8>) {
    open_tag(ValueTag::Opaque, out);
    out.extend_from_slice(format!("{{\"kind\":\"{kind}\",\"reason\":\"{reason}\"").as_bytes());
}

/// Appends the end of an object whose inside is not known.
pub(crate) fn close_opaque(out: &mut Vec<u8>) {
    out.push(b'}');
    close_tag(out);
}
