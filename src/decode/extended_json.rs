//! Converts MongoDB's extended JSON, canonical or relaxed, to our form.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::options::Decimals;
use super::raw_json::Reject;
use crate::indexeddb::value::tree::{Tree, write_list, write_name, write_plain};
use crate::indexeddb::value::write::{
    close_tag, open_tag, write_buffer, write_date, write_special_number, write_string,
    write_undefined,
};
use crate::indexeddb::value::{MAX_DEPTH, ValueTag};
use crate::indexeddb::{iso_date, number};
use crate::rejection::code;

const INVALID: Reject =
    (code::INVALID_TAG, "a value of extended JSON that is not written as its type is");

/// Appends a value. An object of a type that IndexedDB does not have (`$timestamp`, `$code`,
/// `$minKey` and the like) is kept as written.
pub(crate) fn write(tree: &Tree<'_>, decimals: Decimals, out: &mut Vec<u8>) -> Result<(), Reject> {
    write_at(tree, decimals, out, 0)
}

fn write_at(
    tree: &Tree<'_>,
    decimals: Decimals,
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), Reject> {
    if depth > MAX_DEPTH {
        return Err((code::DEPTH, "brackets are nested too deep"));
    }
    match tree {
        Tree::Object(members) => {
            // Every typed value begins with a `$` name, so most objects need no closer look.
            if members.first().is_some_and(|(name, _)| name.first() == Some(&b'$'))
                && typed(tree, decimals, out)?
            {
                return Ok(());
            }
            out.push(b'{');
            for (index, (name, value)) in members.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_name(name, out);
                write_at(value, decimals, out, depth + 1)?;
            }
            out.push(b'}');
            Ok(())
        }
        Tree::List(items) => {
            // The writer of lists cannot fail, so the first failure is kept and the rest left out.
            let mut result = Ok(());
            write_list(items, out, |item, out| {
                if result.is_ok() {
                    result = write_at(item, decimals, out, depth + 1);
                }
            });
            result
        }
        _ => {
            write_plain(tree, out);
            Ok(())
        }
    }
}

/// Writes an object that represents a value of one type; returns `false` if it does not.
fn typed(tree: &Tree<'_>, decimals: Decimals, out: &mut Vec<u8>) -> Result<bool, Reject> {
    let Some([(name, content), more @ ..]) = tree.members() else { return Ok(false) };
    match (*name, more) {
        (b"$oid" | b"$symbol" | b"$uuid", []) => {
            let Tree::String(raw) = content else { return Err(INVALID) };
            write_string(raw, out);
        }
        (b"$numberInt" | b"$numberLong" | b"$numberDouble", []) => {
            numeric(content, Decimals::Number, out)?
        }
        (b"$numberDecimal", []) => numeric(content, decimals, out)?,
        (b"$date", []) => {
            let ms = date(content).ok_or(INVALID)?;
            write_date(Some(ms), out);
        }
        (b"$undefined", []) => write_undefined(out),
        (b"$binary", _) => {
            let data = match (content, more) {
                (Tree::String(raw), [(b"$type", _)] | []) => *raw,
                (Tree::Object(_), []) => match content.get("base64") {
                    Some(Tree::String(raw)) => raw,
                    _ => return Err(INVALID),
                },
                _ => return Err(INVALID),
            };
            let bytes = STANDARD.decode(data).map_err(|_| INVALID)?;
            write_buffer(STANDARD.encode(bytes).as_bytes(), out);
        }
        (b"$regularExpression", []) => regexp(content.get("pattern"), content.get("options"), out)?,
        (b"$regex", [(b"$options", options)]) => regexp(Some(content), Some(options), out)?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// Writes a number that is given as a string.
fn numeric(content: &Tree<'_>, decimals: Decimals, out: &mut Vec<u8>) -> Result<(), Reject> {
    let text = content.text().ok_or(INVALID)?;
    if matches!(text.as_str(), "NaN" | "Infinity" | "-Infinity") {
        write_special_number(&text, out);
        return Ok(());
    }
    if number::scan(text.as_bytes()).is_none_or(|literal| literal.length != text.len()) {
        return Err(INVALID);
    }
    let quote = if decimals == Decimals::Text { "\"" } else { "" };
    out.extend_from_slice(format!("{quote}{text}{quote}").as_bytes());
    Ok(())
}

/// Reads a time: milliseconds in `$numberLong`, a number from an older program, or ISO 8601 text.
fn date(content: &Tree<'_>) -> Option<i64> {
    match content {
        Tree::Number(raw) => std::str::from_utf8(raw).ok()?.parse().ok(),
        Tree::Object(_) => content.get("$numberLong")?.text()?.parse().ok(),
        Tree::String(_) => {
            let text = content.text()?;
            iso_date::read(&text).or_else(|| loose_date(&text))
        }
        _ => None,
    }
}

/// Reads a time in UTC without milliseconds, or with fewer digits of them.
fn loose_date(text: &str) -> Option<i64> {
    let text = text
        .strip_suffix('Z')
        .or_else(|| text.strip_suffix("+00:00"))
        .or_else(|| text.strip_suffix("+0000"))?;
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    iso_date::read(&format!("{seconds}.{digits}Z"))
}

fn regexp(
    pattern: Option<&Tree<'_>>,
    options: Option<&Tree<'_>>,
    out: &mut Vec<u8>,
) -> Result<(), Reject> {
    let (Some(Tree::String(pattern)), Some(Tree::String(options))) = (pattern, options) else {
        return Err(INVALID);
    };
    // MongoDB's other flags (l, u, x) have no meaning in JavaScript, or a different one.
    let flags: Vec<u8> = options.iter().copied().filter(|flag| b"ims".contains(flag)).collect();
    open_tag(ValueTag::RegExp, out);
    write_list([*pattern, &flags[..]], out, write_string);
    close_tag(out);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::indexeddb::value::Canonicalizer;

    fn canonical(text: &str, decimals: Decimals) -> String {
        let mut ours = Vec::new();
        if let Err((code, _)) = write(&Tree::read(text.as_bytes()).unwrap(), decimals, &mut ours) {
            return code.to_owned();
        }
        let mut out = Vec::new();
        match Canonicalizer::default().value(&ours, &mut out) {
            Ok(()) => String::from_utf8(out).unwrap(),
            Err(error) => error.code().to_owned(),
        }
    }

    #[test]
    fn each_type_is_read_in_both_forms() {
        for (text, expected) in [
            (r#"{"$oid":"5d505646cf6d4fe581014ab2"}"#, r#""5d505646cf6d4fe581014ab2""#),
            (r#"{"$numberInt":"42"}"#, "42"),
            (r#"{"$numberLong":"1004"}"#, "1004"),
            (r#"{"$numberLong":"9007199254740993"}"#, "number-precision"),
            (r#"{"$numberDouble":"1.50"}"#, "1.5"),
            (r#"{"$numberDouble":"NaN"}"#, r#"{"~number":"NaN"}"#),
            (r#"{"$numberDouble":"-0.0"}"#, r#"{"~number":"-0"}"#),
            (r#"{"$numberDecimal":"0.10"}"#, "0.1"),
            (r#"{"$date":{"$numberLong":"1565545664000"}}"#, r#"{"~date":1565545664000}"#),
            (r#"{"$date":"2019-08-11T17:47:44Z"}"#, r#"{"~date":1565545664000}"#),
            (r#"{"$date":"2019-08-11T17:47:44.5Z"}"#, r#"{"~date":1565545664500}"#),
            (r#"{"$date":1565545664000}"#, r#"{"~date":1565545664000}"#),
            (r#"{"$date":"yesterday"}"#, "invalid-tag"),
            (r#"{"$binary":{"base64":"AQI=","subType":"00"}}"#, r#"{"~buffer":{"data":"AQI="}}"#),
            (r#"{"$binary":"AQI=","$type":"00"}"#, r#"{"~buffer":{"data":"AQI="}}"#),
            (
                r#"{"$regularExpression":{"pattern":"^a","options":"ix"}}"#,
                r#"{"~regexp":["^a","i"]}"#,
            ),
            (r#"{"$undefined":true}"#, r#"{"~undefined":true}"#),
            (r#"{"$timestamp":{"t":1,"i":2}}"#, r#"{"$timestamp":{"i":2,"t":1}}"#),
            (r#"{"$ref":"c","$id":{"$oid":"aa"}}"#, r#"{"$id":"aa","$ref":"c"}"#),
            (r#"{"a":[{"$numberLong":"7"}],"~b":1}"#, r#"{"a":[7],"~~b":1}"#),
            (r#"{"$numberLong":7}"#, "invalid-tag"),
        ] {
            assert_eq!(
                canonical(text, Decimals::Number).replace("\\u0024", "$"),
                expected,
                "{text}"
            );
        }
        assert_eq!(canonical(r#"{"$numberDecimal":"0.10"}"#, Decimals::Text), r#""0.10""#);
    }
}
