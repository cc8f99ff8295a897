//! The page's own examples, odd input, and properties of any bytes.

use std::io::{self, Read};

use proptest::prelude::*;

use super::*;
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::schema::KeyPath;
use crate::rejection::{Rejection, code};
use crate::snapshot::id::FlowVersion;

mod dumps;
mod imports;
mod odd;
mod page;
mod values;

/// A stream that returns a few bytes at a time.
struct Slow<'a>(&'a [u8], usize);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.1.min(self.0.len()).min(buffer.len());
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

/// The result of a stream: its items as text, their positions, and its end.
#[derive(Debug, PartialEq)]
struct Decoded {
    items: Vec<String>,
    places: Vec<(u64, u64)>,
    end: Result<StreamCounts, String>,
}

impl Decoded {
    fn error(&self) -> &str {
        self.end.as_ref().err().map_or("", String::as_str)
    }
}

fn decode(reader: impl Read, options: DecodeOptions) -> Decoded {
    let mut decoded =
        Decoded { items: Vec::new(), places: Vec::new(), end: Ok(StreamCounts::default()) };
    decoded.end = fill(reader, options, &mut decoded).map_err(|error| error.to_string());
    decoded
}

fn fill(
    reader: impl Read,
    options: DecodeOptions,
    decoded: &mut Decoded,
) -> Result<StreamCounts, DecodeError> {
    let mut decoder = Decoder::open(reader, options)?;
    while let Some(item) = decoder.next()? {
        let (text, place) = match &item {
            Item::Change(change) => (show(change), (change.line, change.offset)),
            Item::Rejected(rejection) => {
                (rejection.code.to_owned(), (rejection.line, rejection.offset))
            }
        };
        decoded.items.push(text);
        decoded.places.push(place);
    }
    assert!(decoder.next()?.is_none(), "the end stays the end");
    Ok(decoder.counts())
}

fn show(change: &Change<'_>) -> String {
    let text = |raw: &[u8]| String::from_utf8_lossy(raw).into_owned();
    let base = |base: NamedBase<'_>| match base {
        NamedBase::None => "-".to_owned(),
        NamedBase::Version(version) => format!("v{version}"),
        NamedBase::Value(value) => text(value),
        NamedBase::State(version, state) => format!("{version} {state}"),
        NamedBase::Absent => "absent".to_owned(),
    };
    let at = |at: Option<i64>| at.map_or("-".to_owned(), |at| at.to_string());
    let bound = |bound: Option<RangeEnd<'_>>| match bound {
        None => "-".to_owned(),
        Some(RangeEnd { key, open }) => format!("{}{}", text(key), if open { " open" } else { "" }),
    };
    let op = match change.op {
        Op::Put { key, value, at: time, base: from } => {
            format!(
                "put {} {} {} {}",
                key.map_or("-".to_owned(), text),
                text(value),
                at(time),
                base(from)
            )
        }
        Op::Delete { key, at: time, base: from } => {
            format!("delete {} {} {}", text(key), at(time), base(from))
        }
        Op::DeleteRange { lower, upper, at: time } => {
            format!("range {} {} {}", bound(lower), bound(upper), at(time))
        }
        Op::Clear { at: time } => format!("clear {}", at(time)),
    };
    format!("{}:{} {op}", change.index, change.store)
}

fn records() -> DecodeOptions {
    let key_path = Some(KeyPath::Path("id".into()));
    DecodeOptions { object_store: Some("data".into()), key_path, ..DecodeOptions::default() }
}

fn key_field(field: &str) -> DecodeOptions {
    DecodeOptions { key_path: None, key_field: Some(field.to_owned()), ..records() }
}

const HEADER: &str = r#"{"format":"indexeddb-changes/1","database":"d","stores":[{"name":"data","keyPath":"id"},{"name":"b"},{"name":{"~utf16":"ANg="}},{"name":"keyless"}]}"#;

/// Returns a batch with these lines and the right count.
fn batch(lines: &[&str]) -> Decoded {
    let text = format!(
        "{HEADER}\n{}{{\"op\":\"end\",\"count\":{}}}\n",
        lines.join("\n") + "\n",
        lines.len()
    );
    decode(text.as_bytes(), DecodeOptions::default())
}

fn line_strategy() -> impl Strategy<Value = Vec<u8>> {
    let known = [
        HEADER,
        r#"{"op":"put","store":"data","key":1,"value":{"id":1,"t":"a\"}{"},"at":1,"base":{"value":[{}]}}"#,
        r#"{"op":"delete","store":"data","key":[1,"]"],"base":4}"#,
        r#"{"op":"delete-range","store":"b","lower":1,"upperOpen":true}"#,
        r#"{"op":"clear","store":"keyless"}"#,
        r#"{"op":"end","count":2}"#,
        "\u{feff}",
        " \t\r",
        "[1,2",
    ];
    let known = prop::sample::select(known.map(|line| line.as_bytes().to_vec()).to_vec());
    let broken = (known.clone(), any::<prop::sample::Index>(), any::<u8>()).prop_map(
        |(mut line, place, byte)| {
            let place = place.index(line.len());
            line[place] = byte;
            line
        },
    );
    prop_oneof![4 => known, 2 => broken, 1 => prop::collection::vec(any::<u8>(), 0..20)]
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let lines = prop::collection::vec(line_strategy(), 0..8);
    (any::<bool>(), lines, any::<bool>()).prop_map(|(header, lines, ended)| {
        let mut lines = lines;
        if header {
            lines.insert(0, HEADER.as_bytes().to_vec());
        }
        let mut text = lines.join(&b'\n');
        if ended {
            text.push(b'\n');
        }
        text
    })
}

proptest! {
    #[test]
    fn any_bytes_give_an_answer_that_reads_do_not_change(text in stream(), piece in 1usize..40, which in 0..3) {
        let options = || match which {
            0 => records(),
            1 => key_field("id"),
            _ => DecodeOptions { max_line_bytes: 60, ..DecodeOptions::default() },
        };
        let whole = decode(text.as_slice(), options());
        for piece in [1, piece] {
            prop_assert_eq!(&decode(Slow(&text, piece), options()), &whole);
        }
        for &(line, offset) in &whole.places {
            let before = &text[..offset as usize];
            let mark = text.starts_with(b"\xef\xbb\xbf") && offset == 3;
            // Records may share a line; the lines of a batch may not.
            prop_assert!(which < 2 || before.is_empty() || before.ends_with(b"\n") || mark);
            prop_assert_eq!(memchr::memchr_iter(b'\n', before).count() as u64 + 1, line);
        }
        if let Ok(counts) = whole.end {
            prop_assert_eq!(counts.bytes, text.len() as u64);
            prop_assert_eq!(counts.changes + counts.rejected, whole.items.len() as u64);
        }
    }

    #[test]
    fn a_key_field_is_taken_out_and_nothing_else(
        members in prop::collection::btree_map("[a-c\"\\\\é]{0,3}", any::<Option<i32>>(), 0..6),
        key: i32,
        place: prop::sample::Index,
    ) {
        let mut rest: Vec<String> =
            members.iter().map(|(name, value)| format!("{}: {}", serde_json::json!(name), serde_json::json!(value))).collect();
        let expected = format!("{{{}}}", rest.join(","));
        rest.insert(place.index(rest.len() + 1), format!("\"k\\u0065y\" : {key} "));
        let decoded = decode(format!(" {{ {} }} ", rest.join(" , ")).as_bytes(), key_field("key"));
        prop_assert_eq!(&decoded.items, &[format!("0:0 put {key} {expected} - -")]);
    }
}
