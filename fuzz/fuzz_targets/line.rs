//! Any bytes as a batch of either dialect, decoded and normalized: never a panic; what comes out is sorted, unique,
//! canonical, and each line is either a change or a rejection.
#![no_main]

use std::io;

use libfuzzer_sys::fuzz_target;
use nifi_idb::decode::{DecodeOptions, Decoder, Dialect, Mode};
use nifi_idb::indexeddb::schema::KeyPath;
use nifi_idb::indexeddb::value::{Canonicalizer, Options};
use nifi_idb::normalize::{Batch, NormalizeOptions, normalize};
use nifi_idb::snapshot::LineState;

/// So short a limit that the fuzzer reaches it.
const SHORT_LINE: usize = 64;

/// So small a budget that sorted runs go to disk.
const SMALL_MEMORY: usize = 256;

/// Headers that change lines are read under: keys in line, out of line, compound; numbered; full.
const HEADERS: [&str; 4] = [
    r#"{"format":"indexeddb-changes/1","database":"d","stores":[{"name":"data","keyPath":"id"},{"name":"k","keyPath":null},{"name":"c","keyPath":["a","b.c"]}]}"#,
    r#"{"format":"indexeddb-changes/1","database":"d","stores":[{"name":"data","keyPath":null}],"source":"s","mode":"full"}"#,
    r#"{"format":"indexeddb-changes/1","database":"d","stores":[{"name":"data","keyPath":"id","autoIncrement":true,"indexes":[{"name":"i","keyPath":"x","unique":false,"multiEntry":true}],"keyGenerator":5}],"source":"s","base":3}"#,
    r#"{"format":"indexeddb-changes/1","database":"d","stores":[{"name":"","keyPath":""},{"name":{"~utf16":"ANg="},"keyPath":null}]}"#,
];

fn options(flags: u8) -> DecodeOptions {
    let object_store = (flags & 4 != 0).then(|| "data".into());
    let (key_path, key_field) = match flags >> 3 & 3 {
        0 => (Some(KeyPath::Path("id".into())), None),
        1 => (Some(KeyPath::Paths(vec!["id".into(), "a.b".into()])), None),
        2 => (None, Some("id".to_owned())),
        _ => (None, Some(String::new())),
    };
    DecodeOptions {
        input: match flags & 3 {
            0 => Some(Dialect::Records),
            1 => Some(Dialect::Changes),
            _ => None,
        },
        object_store,
        key_path,
        key_field,
        max_line_bytes: if flags & 32 != 0 { SHORT_LINE } else { DecodeOptions::default().max_line_bytes },
        ..DecodeOptions::default()
    }
}

/// Reads a batch; `None` if it is refused as a whole.
fn read(text: &[u8], decode: DecodeOptions, options: &NormalizeOptions) -> Option<(Batch, u64)> {
    let mut decoder = Decoder::open(text, decode).ok()?;
    let mut rejected = 0;
    let mut last = 0;
    let batch = normalize(&mut decoder, options, &mut |rejection| {
        assert!(rejection.line > last && rejection.offset <= text.len() as u64);
        last = rejection.line;
        rejected += 1;
        // It is a line of the report: JSON, and printable ASCII.
        let line = rejection.to_json();
        assert!(line.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{line}");
        io::Result::Ok(())
    });
    let batch = batch.ok()?;
    let counts = decoder.counts();
    assert_eq!(counts.bytes, text.len() as u64);
    assert_eq!(batch.rejected, rejected);
    assert!(batch.rejected <= batch.received && batch.received <= counts.lines);
    Some((batch, rejected))
}

/// What is sorted, unique and canonical, in one text.
fn outcome(batch: &Batch) -> Vec<u8> {
    let mut all = Vec::new();
    let mut canonicalizer = Canonicalizer::default();
    let mut again = Vec::new();
    let mut last = None;
    let mut folds = batch.changes.folds(0).expect("sorted runs can be read");
    while let Some(change) = folds.next().expect("sorted runs can be read") {
        let place = (change.store, change.key.clone());
        assert!(last.as_ref().is_none_or(|last| *last < place), "sorted, and each key once");
        assert!(change.store < batch.header.schema.stores.len());
        if let LineState::Put(value) = &change.state {
            again.clear();
            canonicalizer.value(value, &mut again).expect("a normalized value is canonical");
            assert_eq!(again, **value);
        }
        all.extend_from_slice(format!("{place:?} {:?} {:?}\n", change.state, change.clock).as_bytes());
        last = Some(place);
    }
    for range in &batch.changes.ranges {
        assert!(range.store < batch.header.schema.stores.len());
    }
    all
}

fuzz_target!(|data: &[u8]| {
    let Some((&[flags, more], input)) = data.split_first_chunk::<2>() else { return };
    let mut normalize_options = NormalizeOptions::received_at(1_700_000_000_000);
    normalize_options.values = Options { plain: more & 1 != 0, big_integers: more & 2 != 0 };
    let decode = options(flags);

    // As it came.
    let as_it_came = read(input, decode.clone(), &normalize_options);
    if let Some((batch, _)) = &as_it_came {
        let expected = outcome(batch);
        // A budget of memory decides nothing.
        let small = NormalizeOptions { memory_bytes: SMALL_MEMORY, ..normalize_options.clone() };
        let (small, _) = read(input, decode.clone(), &small).expect("it was a batch before");
        assert_eq!(outcome(&small), expected);
        assert!(decode.input != Some(Dialect::Records) || batch.header.dialect == Dialect::Records);
    }

    // As change lines under a good header and before a good end line.
    let header = HEADERS[usize::from(more >> 2 & 3)];
    let lines = input.split(|&byte| byte == b'\n').filter(|line| !line.iter().all(u8::is_ascii_whitespace));
    let (mut text, mut count) = (format!("{header}\n").into_bytes(), 0);
    for line in lines {
        text.extend_from_slice(line);
        text.push(b'\n');
        count += 1;
    }
    text.extend_from_slice(format!("{{\"op\":\"end\",\"count\":{count}}}\n").as_bytes());
    let decode = DecodeOptions { input: None, max_line_bytes: 4096, ..decode };
    if let Some((batch, _)) = read(&text, decode, &normalize_options) {
        assert_eq!(batch.header.dialect, Dialect::Changes);
        assert_eq!(batch.received, count);
        if batch.header.mode == Mode::Full {
            assert!(batch.changes.ranges.is_empty() && batch.changes.deletes == 0);
        }
        outcome(&batch);
    }
});
