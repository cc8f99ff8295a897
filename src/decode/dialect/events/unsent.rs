//! Debezium's placeholder for a column that was not sent because it did not change
//! (`unavailable.value.placeholder`), in each form that a column can have.

use crate::indexeddb::value::tree::Tree;

/// The placeholder, unless the connector is configured with another.
const TEXT: &[u8] = b"__debezium_unavailable_value";

/// The placeholder as base64, as in a column of bytes; without padding.
const BASE64: &[u8] = b"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ";

/// The placeholder as hexadecimal digits, as in a column of bytes with `binary.handling.mode=hex`.
const HEX: &[u8] = b"5f5f646562657a69756d5f756e617661696c61626c655f76616c7565";

/// True if a column contains the placeholder.
pub(super) fn is_unsent(column: &Tree<'_>) -> bool {
    match column {
        Tree::String(raw) => is_text(raw) || is_map_text(column),
        Tree::List(items) if items.is_empty() => false,
        // An array column consists of one text or bytes, or of the placeholder's bytes as numbers.
        Tree::List(items) => {
            let is_placeholder =
                |item: &Tree<'_>| matches!(item, Tree::String(raw) if is_text(raw));
            items.iter().all(is_placeholder)
                || items.iter().map(Tree::whole).eq(TEXT.iter().map(|&byte| Some(byte.into())))
        }
        Tree::Object(members) => {
            matches!(&members[..], [(name, value)] if is_text(name) && is_unsent(value))
        }
        _ => false,
    }
}

fn is_text(raw: &[u8]) -> bool {
    let padding = raw.strip_prefix(BASE64);
    raw == TEXT
        || padding.is_some_and(|rest| matches!(rest, b"" | b"=="))
        || raw.eq_ignore_ascii_case(HEX)
}

/// True for a map column (`hstore`) with the placeholder, which is sent as JSON in a string.
fn is_map_text(column: &Tree<'_>) -> bool {
    let Some(text) =
        column.text().filter(|text| text.starts_with('{') && text.len() < 4 * TEXT.len())
    else {
        return false;
    };
    Tree::read(text.as_bytes()).is_ok_and(|map| matches!(map, Tree::Object(_)) && is_unsent(&map))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_of_the_placeholder_is_known_and_nothing_else() {
        let numbers = TEXT.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let hex: String = TEXT.iter().map(|byte| format!("{byte:02X}")).collect();
        for (text, expected) in [
            (r#""__debezium_unavailable_value""#.to_owned(), true),
            (r#""X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==""#.to_owned(), true),
            (r#""X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ""#.to_owned(), true),
            (format!("\"{hex}\""), true),
            (r#"["__debezium_unavailable_value"]"#.to_owned(), true),
            (r#"["X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="]"#.to_owned(), true),
            (format!("[{numbers}]"), true),
            (r#"{"__debezium_unavailable_value":"__debezium_unavailable_value"}"#.to_owned(), true),
            (
                r#""{\"__debezium_unavailable_value\":\"__debezium_unavailable_value\"}""#
                    .to_owned(),
                true,
            ),
            (r#""about __debezium_unavailable_value""#.to_owned(), false),
            (r#"["__debezium_unavailable_value","x"]"#.to_owned(), false),
            (r#"{"x":"__debezium_unavailable_value"}"#.to_owned(), false),
            ("[]".to_owned(), false),
            ("null".to_owned(), false),
            ("{}".to_owned(), false),
        ] {
            assert_eq!(is_unsent(&Tree::read(text.as_bytes()).unwrap()), expected, "{text}");
        }
    }
}
