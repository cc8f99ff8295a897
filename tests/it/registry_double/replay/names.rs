//! Placeholders: what changes from run to run, by name.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// Fields that hold milliseconds since 1970.
const TIMES: &[&str] = &["timestamp", "createdTimestamp", "modifiedTimestamp"];
/// Times from here on are the server's clock; the scenarios' own are older.
const SERVER_TIME: i64 = 1_600_000_000_000;
/// A string of one character, this many times or more, is recorded as `{"repeat": [character, count]}`.
const LONG_CHARS: usize = 500;

/// Values of `<<name>>`. One that nothing has set is a fresh UUID, in capitals if its name is.
#[derive(Debug)]
pub(crate) struct Names(BTreeMap<String, String>);

impl Names {
    /// `base` and `run`, eight characters that no other call has given.
    pub(crate) fn new(base: &str) -> Self {
        let run = fresh_uuid().chars().take(8).collect();
        Self(BTreeMap::from([("base".to_owned(), base.to_owned()), ("run".to_owned(), run)]))
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.to_owned());
    }

    fn value_of(&mut self, name: &str) -> &str {
        let capital = name.bytes().all(|byte| byte.is_ascii_uppercase());
        self.0.entry(name.to_owned()).or_insert_with(|| {
            let uuid = fresh_uuid();
            if capital { uuid.to_uppercase() } else { uuid }
        })
    }

    /// Fills in placeholders.
    pub(crate) fn expand_text(&mut self, text: &str) -> String {
        let (mut out, mut rest) = (String::new(), text);
        while let Some(start) = rest.find("<<") {
            let after = &rest[start + 2..];
            let name = after.find(">>").map(|end| &after[..end]).filter(|name| is_name(name));
            out.push_str(&rest[..start]);
            if let Some(name) = name {
                out.push_str(self.value_of(name));
                rest = &after[name.len() + 2..];
            } else {
                out.push_str("<<");
                rest = after;
            }
        }
        out + rest
    }

    /// Fills in placeholders and writes repeated characters out, everywhere in a value.
    pub(crate) fn expand(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.expand_text(text)),
            Value::Array(items) => {
                Value::Array(items.iter().map(|item| self.expand(item)).collect())
            }
            Value::Object(members) => match repeated(members) {
                Some(text) => Value::String(text),
                None => {
                    let expanded = members
                        .iter()
                        .map(|(name, item)| (self.expand_text(name), self.expand(item)));
                    Value::Object(expanded.collect())
                }
            },
            other => other.clone(),
        }
    }

    /// Puts placeholders for known values, UUIDs and Java's object hashes.
    pub(crate) fn named(&self, text: &str) -> String {
        let mut known: Vec<_> = self.0.iter().collect();
        known.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
        let mut text = text.to_owned();
        for (name, value) in known {
            if text.contains(value.as_str()) {
                text = text.replace(value.as_str(), &format!("<<{name}>>"));
            }
        }
        without_hashes(&without_uuids(&text))
    }

    /// The value with its volatile parts named.
    pub(crate) fn normal(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => {
                let first = text.chars().next();
                if text.len() >= LONG_CHARS
                    && first.is_some_and(|first| text.chars().all(|found| found == first))
                {
                    return json!({ "repeat": [first.map(String::from), text.chars().count()] });
                }
                Value::String(self.named(text))
            }
            Value::Array(items) => {
                Value::Array(items.iter().map(|item| self.normal(item)).collect())
            }
            Value::Object(members) => {
                let named = members.iter().map(|(name, item)| {
                    let is_time = TIMES.contains(&name.as_str())
                        && item.as_i64().is_some_and(|time| time > SERVER_TIME);
                    (self.named(name), if is_time { json!("<<time>>") } else { self.normal(item) })
                });
                Value::Object(named.collect())
            }
            other => other.clone(),
        }
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic())
}

fn repeated(members: &Map<String, Value>) -> Option<String> {
    let parts = members.get("repeat").filter(|_| members.len() == 1)?.as_array()?;
    let count = usize::try_from(parts.get(1)?.as_u64()?).ok()?;
    Some(parts.first()?.as_str()?.repeat(count))
}

fn fresh_uuid() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let hash =
        blake3::hash(format!("{:?} {} {count}", SystemTime::now(), std::process::id()).as_bytes());
    let bytes = hash.as_bytes().first_chunk().expect("a hash has 32 bytes");
    uuid::Builder::from_random_bytes(*bytes).into_uuid().to_string()
}

/// Sorts arrays of objects, which servers keep in no order; lists of versions have `flowIdentifier` and keep theirs.
pub(crate) fn ordered(value: &Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(ordered).collect();
            if items.iter().all(|item| item.is_object() && item.get("flowIdentifier").is_none()) {
                let identifier =
                    |item: &Value| item["identifier"].as_str().unwrap_or_default().to_owned();
                items.sort_by_cached_key(|item| (identifier(item), item.to_string()));
            }
            Value::Array(items)
        }
        Value::Object(members) => Value::Object(
            members.iter().map(|(name, item)| (name.clone(), ordered(item))).collect(),
        ),
        other => other.clone(),
    }
}

/// JSON text with the server's times replaced.
pub(crate) fn without_times(text: &str) -> String {
    let mut text = text.to_owned();
    for field in TIMES {
        let label = format!("\"{field}\":");
        let mut from = 0;
        while let Some(found) = text[from..].find(&label) {
            let start = from + found + label.len();
            let end = start + text[start..].bytes().take_while(u8::is_ascii_digit).count();
            if text[start..end].parse::<i64>().is_ok_and(|time| time >= SERVER_TIME) {
                text.replace_range(start..end, "\"<<time>>\"");
            }
            from = start;
        }
    }
    text
}

/// Replaces lower-case UUIDs that stand alone.
fn without_uuids(text: &str) -> String {
    replace_runs(text, |run| {
        let parts: Vec<_> = run.split('-').map(str::len).collect();
        let lower = run.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'));
        (lower && parts == [8, 4, 4, 4, 12]).then_some("<<uuid>>")
    })
}

/// Replaces each run of letters, digits, `_` and `-` that `replace` has another text for.
fn replace_runs(text: &str, replace: impl Fn(&str) -> Option<&'static str>) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while !rest.is_empty() {
        let run = rest
            .find(|found: char| !found.is_alphanumeric() && found != '-' && found != '_')
            .unwrap_or(rest.len());
        out.push_str(replace(&rest[..run]).unwrap_or(&rest[..run]));
        rest = &rest[run..];
        let gap = rest
            .find(|found: char| found.is_alphanumeric() || found == '-' || found == '_')
            .unwrap_or(rest.len());
        out.push_str(&rest[..gap]);
        rest = &rest[gap..];
    }
    out
}

/// Replaces the hash in Java's default `toString()`: `@` and five to eight hexadecimal digits.
fn without_hashes(text: &str) -> String {
    let mut parts = text.split('@');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let length =
            part.bytes().take_while(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).count();
        let ends = !part[length..].starts_with(|next: char| next.is_alphanumeric() || next == '_');
        out.push('@');
        if (5..=8).contains(&length) && ends {
            out.push_str("<<hash>>");
            out.push_str(&part[length..]);
        } else {
            out.push_str(part);
        }
    }
    out
}
