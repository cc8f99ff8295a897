//! Numbers: ECMAScript's `Number::toString`, which RFC 8785 prescribes, and what a double can hold.

/// Appends the canonical form: a JSON number, or `{"~number":…}` for −0, NaN and the infinities.
pub fn write_canonical(value: f64, out: &mut Vec<u8>) {
    let tagged = match value {
        _ if value.is_nan() => "NaN",
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        _ if value == 0.0 && value.is_sign_negative() => "-0",
        _ => {
            out.extend_from_slice(ryu_js::Buffer::new().format_finite(value).as_bytes());
            return;
        }
    };
    out.extend_from_slice(b"{\"~number\":\"");
    out.extend_from_slice(tagged.as_bytes());
    out.extend_from_slice(b"\"}");
}
