//! Maps positions in a TOML string to the file, through quotes, escapes and omitted line ends.

use super::fault::ByteSpan;

/// Returns the place in the file of bytes `start..end` of the string at `place`. The string is a
/// value, or a key with or without quotes.
pub(super) fn inside(text: &str, place: &ByteSpan, start: usize, end: usize) -> ByteSpan {
    let raw = text.get(place.clone()).unwrap_or_default();
    let offsets = offsets(raw);
    let at = |byte: usize| {
        // An offset inside a character belongs to that character.
        let found = offsets.partition_point(|(decoded, _)| *decoded <= byte);
        place.start
            + found.checked_sub(1).and_then(|found| offsets.get(found)).map_or(0, |(_, raw)| *raw)
    };
    let (from, to) = (at(start), at(end));
    from..if end > start { to.max(from + 1) } else { from }
}

/// Returns, for each character of the string and for its end, its byte position in the string and
/// in the raw text.
fn offsets(raw: &str) -> Vec<(usize, usize)> {
    let (quotes, escapes) = match raw.as_bytes() {
        [b'"', b'"', b'"', ..] => (3, true),
        [b'\'', b'\'', b'\'', ..] => (3, false),
        [b'"', ..] => (1, true),
        [b'\'', ..] => (1, false),
        _ => (0, false),
    };
    let mut at = quotes;
    if quotes == 3 {
        // TOML drops a line end directly after the opening quotes.
        let body = raw.get(at..).unwrap_or_default();
        at += if body.starts_with("\r\n") { 2 } else { usize::from(body.starts_with('\n')) };
    }
    let end = raw.len().saturating_sub(quotes).max(at);
    let mut decoded = 0;
    let mut offsets = Vec::new();
    while at < end {
        let rest = raw.get(at..end).unwrap_or_default();
        let Some(first) = rest.chars().next() else { break };
        if first != '\\' || !escapes {
            offsets.push((decoded, at));
            decoded += first.len_utf8();
            at += first.len_utf8();
            continue;
        }
        let escape = rest.get(1..).unwrap_or_default();
        let digits = match escape.chars().next() {
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            // The end of the line and all white space after it are omitted.
            Some(' ' | '\t' | '\r' | '\n') => {
                at += 1 + escape.len() - escape.trim_start().len();
                continue;
            }
            _ => 0,
        };
        let bytes = if digits == 0 {
            1
        } else {
            let digits = escape.get(1..1 + digits).unwrap_or_default();
            u32::from_str_radix(digits, 16).ok().and_then(char::from_u32).map_or(3, char::len_utf8)
        };
        offsets.push((decoded, at));
        decoded += bytes;
        at += 2 + digits;
    }
    offsets.push((decoded, end));
    offsets
}

#[cfg(test)]
mod tests {
    use toml::de::DeTable;

    use super::*;

    /// In every kind of string, each character is found at its position.
    #[test]
    fn every_character_is_found() {
        for raw in [
            r#""plain é text""#,
            r#""q \" b \\ t \t u \u00e9 U \U0001F600 x \x41 e \e end""#,
            r"'literal \n ä'",
            "\"\"\"\nfirst\n  second \\\n   third \\u0041 \"two\"\" é\"\"\"",
            "\"\"\"\r\na\r\nb\"\"\"",
            "'''\nraw \\ 'x' é\nb'''",
            "''''a''''",
            "bare-key_1",
        ] {
            let is_key = raw.starts_with("bare");
            let text = if is_key { format!("  {raw} = 1") } else { format!("  k = {raw} # tail") };
            let table = DeTable::parse(&text).unwrap();
            let (key, value) = table.get_ref().iter().next().unwrap();
            let (place, string) = match is_key {
                true => (key.span(), key.get_ref().to_string()),
                false => (value.span(), value.get_ref().as_str().unwrap().to_owned()),
            };
            for (byte, character) in string.char_indices() {
                let found = inside(&text, &place, byte, byte + character.len_utf8());
                let shown = &text[found.clone()];
                let escaped = shown.starts_with('\\') || shown == character.to_string();
                // An omitted line end belongs to the character before it.
                assert!(
                    escaped || shown.starts_with(character),
                    "{raw}: {character:?} at {found:?} is {shown:?}"
                );
            }
            let end = inside(&text, &place, string.len(), string.len());
            assert!(end.start <= place.end && text.is_char_boundary(end.start), "{raw}");
        }
    }
}
