//! Reads a request body into the classes of the data model, with the coercions and error texts of the servers' Jackson.

use super::Release;
use super::json::{Json, Text};
use super::schema::{Class, Default, Kind};
use std::collections::HashSet;

/// Characters (UTF-16 code units) that a string may have since 1.x; 0.8.0 has no limit.
pub(crate) const MAX_STRING_CHARS: usize = 20_000_000;

/// The text of the 400 that the server answers.
pub(crate) type Refusal = String;

/// Reads a body as `class`. `None` stands for an empty body and for `null`.
pub(crate) fn read(
    body: &[u8],
    class: &'static Class,
    release: Release,
) -> Result<Option<Json>, Refusal> {
    let mut reader = Reader { bytes: body, at: 0, release, chain: Vec::new() };
    reader.skip_space();
    if reader.at == body.len() {
        return Ok(None);
    }
    let value = reader.value(Kind::Object(class))?;
    reader.end()?;
    Ok(Some(value).filter(|value| *value != Json::Null))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    release: Release,
    /// The fields and elements that lead to the value being read.
    chain: Vec<String>,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// Since 1.x nothing may follow the body's value.
    fn end(&mut self) -> Result<(), Refusal> {
        if self.release == Release::V0_8_0 {
            return Ok(());
        }
        self.skip_space();
        match self.peek() {
            None => Ok(()),
            Some(byte) if byte.is_ascii_alphabetic() => Err(self.unrecognized()),
            Some(_) => Err(self.refuse("Trailing token found after value", self.at)),
        }
    }

    fn value(&mut self, kind: Kind) -> Result<Json, Refusal> {
        match kind {
            Kind::Object(class) => self.object(class),
            Kind::Set(class) => self.set(class, false),
            Kind::CopiedSet(class) => self.set(class, true),
            Kind::List(class) => self.list(Kind::Object(class), "java.util.ArrayList"),
            Kind::TextList => self.list(Kind::Text, "java.util.ArrayList"),
            Kind::TextSet => {
                Ok(collapsed(self.list(Kind::Text, "java.util.HashSet")?, |item| match item {
                    Json::Text(text) => Some(text.clone()),
                    _ => None,
                }))
            }
            Kind::TextMap => self.map(Kind::Text),
            Kind::Map(class) => self.map(Kind::Object(class)),
            Kind::Coordinate if self.release == Release::V2_11_0 => self.scalar(Kind::Text),
            Kind::Coordinate => self.scalar(Kind::Int),
            Kind::Text | Kind::Int | Kind::Long | Kind::Double | Kind::Bool => self.scalar(kind),
        }
    }

    fn object(&mut self, class: &'static Class) -> Result<Json, Refusal> {
        let start = self.at;
        match self.peek() {
            Some(b'{') => {}
            Some(b'[') => return Err(self.mismatch(&class.java_name(self.release), start)),
            _ => {
                let (how, from) = match self.any()? {
                    Json::Null => return Ok(Json::Null),
                    Json::Text(text) => ("String-argument", format!("String value ('{text}')")),
                    Json::Int(number) => ("int/Int-argument", format!("Number value ({number})")),
                    Json::Double(number) => {
                        ("double/Double-argument", format!("Number value ({number:?})"))
                    }
                    other => (
                        "boolean/Boolean-argument",
                        format!("boolean value ({})", other == Json::Bool(true)),
                    ),
                };
                let name = class.java_name(self.release);
                let text = format!(
                    "Cannot construct instance of `{name}` (although at least one Creator exists): no {how} \
                     constructor/factory method to deserialize from {from}"
                );
                return Err(self.refuse(&text, start));
            }
        }
        let mut members: Vec<(Text, Json)> = Vec::new();
        self.members(|reader, name| {
            let Some(field) = class.field(name.as_bytes(), reader.release) else {
                return reader.any().map(drop);
            };
            reader.chain.push(format!("{}[\"{}\"]", class.java_name(reader.release), field.name));
            let value = reader.value(field.kind)?;
            reader.chain.pop();
            members.retain(|(known, _)| *known != name);
            if value != Json::Null {
                members.push((name, value));
            }
            Ok(())
        })?;
        Ok(self.finished(class, members))
    }

    /// Adds what the server's class holds by itself.
    fn finished(&self, class: &'static Class, mut members: Vec<(Text, Json)>) -> Json {
        for field in class.fields(self.release) {
            let value = match field.default {
                Default::Absent => continue,
                Default::EmptyArray => Json::Array(Vec::new()),
                Default::EmptyMap => Json::Object(Vec::new()),
                Default::Zero => Json::Int(0),
                Default::ZeroPointZero => Json::Double(0.0),
                Default::False => Json::Bool(false),
            };
            if members.iter().all(|(name, _)| name.as_bytes() != field.name.as_bytes()) {
                members.push((Text::from(field.name), value));
            }
        }
        if let Some(kind) = class.component(self.release) {
            members.push((Text::from("componentType"), Json::text(kind)));
        }
        if class.has_target_uri(self.release) {
            let uris = members.iter().find(|(name, _)| name.as_bytes() == b"targetUris");
            if let Some((_, Json::Text(uris))) = uris {
                let first = uris.to_lossy().split(',').next().unwrap_or_default().trim().to_owned();
                members.push((Text::from("targetUri"), Json::Text(Text::from(first))));
            }
        }
        members.sort_by(|one, other| one.0.cmp(&other.0));
        Json::Object(members)
    }

    fn map(&mut self, kind: Kind) -> Result<Json, Refusal> {
        let start = self.at;
        if self.peek() != Some(b'{') {
            if matches!(self.peek(), Some(b'n')) && self.any()? == Json::Null {
                return Ok(Json::Null);
            }
            return Err(self.mismatch("java.util.LinkedHashMap", start));
        }
        let mut members: Vec<(Text, Json)> = Vec::new();
        self.members(|reader, name| {
            reader.chain.push(format!("java.util.LinkedHashMap[\"{name}\"]"));
            let value = reader.value(kind)?;
            reader.chain.pop();
            members.retain(|(known, _)| *known != name);
            if value != Json::Null {
                members.push((name, value));
            }
            Ok(())
        })?;
        Ok(Json::Object(members))
    }

    /// Reads `{…}`; `member` reads the value of each name.
    fn members(
        &mut self,
        mut member: impl FnMut(&mut Self, Text) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let start = self.at;
        self.at += 1;
        let mut first = true;
        loop {
            self.skip_space();
            match self.peek() {
                None => return Err(self.unclosed("Object", start)),
                Some(b'}') if first => break,
                Some(b'"') => {}
                Some(_) => {
                    return Err(self.unexpected("was expecting double-quote to start field name"));
                }
            }
            first = false;
            let name = self.string()?;
            self.skip_space();
            match self.peek() {
                None => {
                    return Err(self
                        .refuse("Unexpected end-of-input within/between Object entries", self.at));
                }
                Some(b':') => self.at += 1,
                Some(_) => {
                    return Err(
                        self.unexpected("was expecting a colon to separate field name and value")
                    );
                }
            }
            self.skip_space();
            if self.peek().is_none() {
                return Err(
                    self.refuse("Unexpected end-of-input within/between Object entries", self.at)
                );
            }
            member(self, name)?;
            self.skip_space();
            match self.peek() {
                None => return Err(self.unclosed("Object", start)),
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                Some(_) => {
                    return Err(self.unexpected("was expecting comma to separate Object entries"));
                }
            }
        }
        self.at += 1;
        Ok(())
    }

    fn set(&mut self, class: &'static Class, copied: bool) -> Result<Json, Refusal> {
        let start = self.at;
        if matches!(self.peek(), Some(b'n')) && self.any()? == Json::Null {
            return if copied {
                // The setter hands the collection to `new HashSet<>(c)`.
                Err(self.refuse(
                    "Cannot invoke \"java.util.Collection.size()\" because \"c\" is null",
                    start,
                ))
            } else {
                Ok(Json::Null)
            };
        }
        if self.peek() != Some(b'[') {
            let name = format!("java.util.HashSet<{}>", class.java_name(self.release));
            return Err(self.mismatch(&name, start));
        }
        let items = self.list(Kind::Object(class), "java.util.HashSet")?;
        Ok(collapsed(items, |item| item.get_text(class.identity()).cloned()))
    }

    fn list(&mut self, kind: Kind, java_name: &str) -> Result<Json, Refusal> {
        let start = self.at;
        if self.peek() != Some(b'[') {
            if matches!(self.peek(), Some(b'n')) && self.any()? == Json::Null {
                return Ok(Json::Null);
            }
            return Err(self.mismatch(java_name, start));
        }
        let mut items = Vec::new();
        self.elements(|reader| {
            reader.chain.push(format!("{java_name}[{}]", items.len()));
            items.push(reader.value(kind)?);
            reader.chain.pop();
            Ok(())
        })?;
        Ok(Json::Array(items))
    }

    fn elements(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let start = self.at;
        self.at += 1;
        let mut first = true;
        loop {
            self.skip_space();
            match self.peek() {
                None => return Err(self.unclosed("Array", start)),
                Some(b']') if first => break,
                Some(_) => {}
            }
            first = false;
            element(self)?;
            self.skip_space();
            match self.peek() {
                None => return Err(self.unclosed("Array", start)),
                Some(b',') => self.at += 1,
                Some(b']') => break,
                Some(_) => {
                    return Err(self.unexpected("was expecting comma to separate Array entries"));
                }
            }
        }
        self.at += 1;
        Ok(())
    }

    fn scalar(&mut self, kind: Kind) -> Result<Json, Refusal> {
        let start = self.at;
        let name = match kind {
            Kind::Int => "int",
            Kind::Long => "long",
            Kind::Double => "double",
            Kind::Bool => "boolean",
            _ => "java.lang.String",
        };
        if matches!(self.peek(), Some(b'[' | b'{')) {
            return Err(self.mismatch(name, start));
        }
        let value = self.any()?;
        let written = &self.bytes[start..self.at];
        match (kind, value) {
            (_, Json::Null) => Ok(Json::Null),
            (Kind::Text | Kind::Coordinate, Json::Text(text)) => self.checked(text).map(Json::Text),
            (Kind::Text | Kind::Coordinate, _) => Ok(Json::Text(Text::from_wtf8(written.to_vec()))),
            (Kind::Int | Kind::Long, Json::Int(number)) => self.ranged(kind, number, start),
            #[allow(clippy::cast_possible_truncation, reason = "Jackson truncates too")]
            (Kind::Int | Kind::Long, Json::Double(number)) => {
                self.ranged(kind, number as i64, start)
            }
            (Kind::Double, Json::Double(number)) => Ok(Json::Double(number)),
            #[allow(clippy::cast_precision_loss, reason = "as in Java")]
            (Kind::Double, Json::Int(number)) => Ok(Json::Double(number as f64)),
            (Kind::Bool, Json::Bool(value)) => Ok(Json::Bool(value)),
            (Kind::Bool, Json::Int(number)) => Ok(Json::Bool(number != 0)),
            (_, Json::Text(text)) => {
                let plain = text.to_lossy();
                let parsed = match kind {
                    Kind::Bool => plain.trim().parse().ok().map(Json::Bool),
                    Kind::Double => plain.trim().parse().ok().map(Json::Double),
                    _ => plain.trim().parse().ok().map(Json::Int),
                };
                let shown = match (kind, self.release) {
                    (Kind::Int, Release::V0_8_0) => "Integer".to_owned(),
                    _ => format!("`{name}`"),
                };
                let text = format!(
                    "Cannot deserialize value of type `{name}` from String \"{plain}\": not a valid {shown} value"
                );
                parsed.ok_or_else(|| self.refuse(&text, start))
            }
            _ => Err(self.mismatch(name, start)),
        }
    }

    fn ranged(&self, kind: Kind, number: i64, start: usize) -> Result<Json, Refusal> {
        if matches!(kind, Kind::Int) && i32::try_from(number).is_err() {
            let written = String::from_utf8_lossy(&self.bytes[start..self.at]);
            let text = format!(
                "Numeric value ({written}) out of range of int ({} - {})",
                i32::MIN,
                i32::MAX
            );
            return Err(self.refuse(&text, self.at));
        }
        Ok(Json::Int(number))
    }

    /// Refuses a string beyond the limit. The text names no place, and of a map's entry not the name.
    fn checked(&self, text: Text) -> Result<Text, Refusal> {
        let limited = self.release != Release::V0_8_0 && text.as_bytes().len() > MAX_STRING_CHARS;
        let length = if limited { text.utf16_len() } else { 0 };
        if length <= MAX_STRING_CHARS {
            return Ok(text);
        }
        let steps: Vec<_> =
            self.chain.iter().filter(|step| !step.starts_with("java.util.LinkedHashMap")).collect();
        Err(format!(
            "String value length ({length}) exceeds the maximum allowed ({MAX_STRING_CHARS}, from \
             `StreamReadConstraints.getMaxStringLength()`){}",
            chained(&steps)
        ))
    }

    /// Reads any value; of arrays and objects nothing is kept.
    fn any(&mut self) -> Result<Json, Refusal> {
        let start = self.at;
        match self.peek() {
            None => Err(self.refuse("Unexpected end-of-input", self.at)),
            Some(b'"') => self.string().map(Json::Text),
            Some(b'{') => {
                self.members(|reader, _| reader.any().map(drop))?;
                Ok(Json::Object(Vec::new()))
            }
            Some(b'[') => {
                self.elements(|reader| reader.any().map(drop))?;
                Ok(Json::Array(Vec::new()))
            }
            Some(b'-' | b'0'..=b'9') => {
                while matches!(self.peek(), Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')) {
                    self.at += 1;
                }
                let number = std::str::from_utf8(&self.bytes[start..self.at]).unwrap_or_default();
                let whole = number.parse().ok().map(Json::Int);
                let value = whole.or_else(|| number.parse().ok().map(Json::Double));
                value.ok_or_else(|| self.refuse("Invalid numeric value", self.at))
            }
            Some(byte) if byte.is_ascii_alphabetic() => {
                for (word, value) in [("null", Json::Null), ("true", Json::Bool(true)), ("false", Json::Bool(false))] {
                    if self.bytes[start..].starts_with(word.as_bytes()) {
                        self.at += word.len();
                        return Ok(value);
                    }
                }
                Err(self.unrecognized())
            }
            Some(byte @ 0..0x20) => {
                let text = format!(
                    "Illegal character ((CTRL-CHAR, code {byte})): only regular white space (\\r, \\n, \\t) is allowed \
                     between tokens"
                );
                Err(self.refuse(&text, self.at + 1))
            }
            Some(_) => Err(self.unexpected(
                "expected a valid value (JSON String, Number, Array, Object or token 'null', 'true' or 'false')",
            )),
        }
    }

    fn string(&mut self) -> Result<Text, Refusal> {
        let start = self.at;
        // The library is compiled for speed even in tests, and refuses nothing that Jackson takes but lone surrogates.
        let mut stream =
            serde_json::Deserializer::from_slice(&self.bytes[start..]).into_iter::<String>();
        if let Some(Ok(text)) = stream.next() {
            self.at = start + stream.byte_offset();
            return Ok(Text::from(text));
        }
        let mut end = start + 1;
        loop {
            let Some(quote) = memchr::memchr(b'"', &self.bytes[end..]) else {
                return Err(
                    self.refuse("Unexpected end-of-input in VALUE_STRING", self.bytes.len())
                );
            };
            end += quote;
            let escapes =
                self.bytes[start + 1..end].iter().rev().take_while(|byte| **byte == b'\\').count();
            if escapes % 2 == 0 {
                break;
            }
            end += 1;
        }
        self.at = end + 1;
        with_lone_surrogates(&self.bytes[start + 1..end])
            .map(Text::from_wtf8)
            .ok_or_else(|| self.refuse("Illegal character or escape in a string", start))
    }

    // ---- error texts ----------------------------------------------------------------------------------------------

    /// The place of the byte at `offset`, counted from 1.
    fn place(&self, offset: usize) -> String {
        let before = &self.bytes[..offset.min(self.bytes.len())];
        let line = 1 + memchr::memchr_iter(b'\n', before).count();
        let column = 1 + offset - memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
        let source = match self.release {
            Release::V0_8_0 => {
                "(org.glassfish.jersey.message.internal.ReaderInterceptorExecutor$UnCloseableInputStream)"
            }
            _ => "REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled)",
        };
        format!("[Source: {source}; line: {line}, column: {column}]")
    }

    fn refuse(&self, text: &str, offset: usize) -> Refusal {
        format!(
            "{text}\n at {}{}",
            self.place(offset),
            chained(&self.chain.iter().collect::<Vec<_>>())
        )
    }

    fn unclosed(&self, what: &str, start: usize) -> Refusal {
        let text = format!(
            "Unexpected end-of-input: expected close marker for {what} (start marker at {})",
            self.place(start)
        );
        self.refuse(&text, self.bytes.len())
    }

    fn unexpected(&self, wanted: &str) -> Refusal {
        let rest = String::from_utf8_lossy(&self.bytes[self.at..self.bytes.len().min(self.at + 4)]);
        let found = rest.chars().next().unwrap_or('\u{FFFD}');
        let text =
            format!("Unexpected character ('{found}' (code {})): {wanted}", u32::from(found));
        // Newer parsers name the character's last byte, older ones what follows it.
        let last = self.at + found.len_utf8() - 1;
        self.refuse(&text, if self.release == Release::V0_8_0 { last + 1 } else { last })
    }

    fn unrecognized(&self) -> Refusal {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let text = format!(
            "Unrecognized token '{}': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')",
            String::from_utf8_lossy(&rest[..length])
        );
        self.refuse(
            &text,
            if self.release == Release::V2_11_0 { self.at } else { self.at + length },
        )
    }

    fn mismatch(&self, java_name: &str, start: usize) -> Refusal {
        let (kind, token) = match self.bytes.get(start) {
            Some(b'[') => ("Array", "START_ARRAY"),
            Some(b'{') => ("Object", "START_OBJECT"),
            Some(b't') => ("Boolean", "VALUE_TRUE"),
            Some(b'f') => ("Boolean", "VALUE_FALSE"),
            Some(b'"') => ("String", "VALUE_STRING"),
            _ => ("Integer", "VALUE_NUMBER_INT"),
        };
        let text = match self.release {
            Release::V0_8_0 => {
                format!("Cannot deserialize instance of `{java_name}` out of {token} token")
            }
            _ => {
                format!(
                    "Cannot deserialize value of type `{java_name}` from {kind} value (token `JsonToken.{token}`)"
                )
            }
        };
        self.refuse(&text, start)
    }
}

fn chained(steps: &[&String]) -> String {
    if steps.is_empty() {
        return String::new();
    }
    let steps: Vec<_> = steps.iter().map(|step| step.as_str()).collect();
    format!(" (through reference chain: {})", steps.join("->"))
}

/// Keeps the first item of each identity, in the order of a Java `HashSet`: not the order that was sent.
fn collapsed(items: Json, identity: impl Fn(&Json) -> Option<Text>) -> Json {
    let Json::Array(items) = items else { return items };
    let mut seen = HashSet::new();
    let mut kept: Vec<(i32, Json)> = Vec::new();
    for item in items {
        let name = identity(&item);
        let hash = name.as_ref().map_or(0, Text::java_hash);
        if seen.insert((item == Json::Null, name)) {
            kept.push((hash ^ hash >> 16, item));
        }
    }
    kept.sort_by_key(|(hash, _)| *hash);
    Json::Array(kept.into_iter().map(|(_, item)| item).collect())
}

/// Decodes the inside of a JSON string as WTF-8; `None` if it is not one.
fn with_lone_surrogates(mut inside: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(inside.len());
    while let Some(at) = memchr::memchr(b'\\', inside) {
        out.extend_from_slice(plain(&inside[..at])?);
        let (mut length, escape) = (at + 2, *inside.get(at + 1)?);
        match escape {
            b'u' => {
                let mut code = hex(inside.get(at + 2..at + 6)?)?;
                length = at + 6;
                let low = inside
                    .get(at + 6..at + 12)
                    .filter(|next| next.starts_with(b"\\u"))
                    .and_then(|it| hex(&it[2..]));
                if let (0xD800..0xDC00, Some(low @ 0xDC00..0xE000)) = (code, low) {
                    code = 0x1_0000 + ((code - 0xD800) << 10) + (low - 0xDC00);
                    length = at + 12;
                }
                match char::from_u32(code) {
                    Some(found) => out.extend_from_slice(found.encode_utf8(&mut [0; 4]).as_bytes()),
                    None => out.extend([
                        0xED,
                        0x80 | u8::try_from(code >> 6 & 0x3F).ok()?,
                        0x80 | u8::try_from(code & 0x3F).ok()?,
                    ]),
                }
            }
            b'"' | b'\\' | b'/' => out.push(escape),
            b'b' => out.push(0x08),
            b'f' => out.push(0x0C),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            _ => return None,
        }
        inside = inside.get(length..)?;
    }
    out.extend_from_slice(plain(inside)?);
    Some(out)
}

/// Refuses controls and bytes that are not UTF-8.
fn plain(bytes: &[u8]) -> Option<&[u8]> {
    (std::str::from_utf8(bytes).is_ok() && bytes.iter().all(|byte| *byte >= 0x20)).then_some(bytes)
}

fn hex(digits: &[u8]) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::super::schema::BUCKET;
    use super::*;
    use proptest::prelude::*;

    fn name_of(body: &str) -> Text {
        let bucket = read(body.as_bytes(), &BUCKET, Release::V1_28_1)
            .expect("the body is JSON")
            .expect("it has a value");
        let again = String::from_utf8(bucket.to_bytes()).expect("what is written is UTF-8");
        assert_eq!(
            read(again.as_bytes(), &BUCKET, Release::V1_28_1),
            Ok(Some(bucket.clone())),
            "written and read again"
        );
        bucket.get_text("name").expect("the bucket has a name").clone()
    }

    proptest! {
        #[test]
        fn any_text_is_kept(text in any::<String>()) {
            let name = name_of(&serde_json::json!({ "name": text }).to_string());
            prop_assert_eq!(name.as_bytes(), text.as_bytes());
        }

        #[test]
        fn any_utf_16_is_kept(units in prop::collection::vec(prop_oneof![any::<u16>(), 0xD800_u16..0xE000], 0..20)) {
            let escaped: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let name = name_of(&format!("{{\"name\":\"{escaped}\"}}"));
            prop_assert_eq!(name.utf16_len(), units.len());
            let lossy: Vec<u16> = String::from_utf16_lossy(&units).encode_utf16().collect();
            prop_assert_eq!(name.to_lossy().encode_utf16().collect::<Vec<_>>(), lossy);
        }
    }
}
