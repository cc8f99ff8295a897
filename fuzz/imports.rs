//! What holds of every decoder of other programs' files.

use std::io::{self, Read};

use nifi_idb::decode::{DecodeOptions, Decoder, Dialect};
use nifi_idb::flowfile::Attributes;
use nifi_idb::history::{At, ExportFormat, ExportOptions, export, open_version};
use nifi_idb::indexeddb::schema::KeyPath;
use nifi_idb::normalize::{Batch, NormalizeOptions, normalize};
use nifi_idb::pipeline::{IntakeOptions, Review, SyncOptions, deliver};
use nifi_idb::report::Outcome;
use nifi_idb::snapshot::FlowName;
use nifi_idb::store::memory::MemoryStore;

/// Gives few bytes at a time.
struct Slow<'a>(&'a [u8]);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.len().min(7).min(buffer.len());
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

fn options(input: Option<Dialect>) -> DecodeOptions {
    let lines = matches!(
        input,
        Some(Dialect::Debezium | Dialect::CaptureChangeMysql | Dialect::Mongoexport)
    );
    DecodeOptions {
        input,
        object_store: lines.then(|| "data".into()),
        key_path: lines.then(|| KeyPath::Path("id".into())),
        key_field: (input == Some(Dialect::PlainJson)).then(|| "id".to_owned()),
        ..DecodeOptions::default()
    }
}

/// Reads a batch: a summary of it, and how many records were rejected; `None` if it is refused as a whole.
fn read(reader: impl Read, input: Option<Dialect>) -> Option<(Batch, String)> {
    let mut decoder = Decoder::open(reader, options(input)).ok()?;
    let mut rejected = String::new();
    let batch = normalize(&mut decoder, &NormalizeOptions::received_at(1_700_000_000_000), &mut |rejection| {
        let line = rejection.to_json();
        assert!(line.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{line}");
        rejected.push_str(&line);
        io::Result::Ok(())
    });
    let losses: Vec<_> = decoder.losses().lines().collect();
    assert!(losses.iter().all(|line| line.is_ascii() && line.len() < 4096));
    Some((batch.ok()?, rejected + &losses.join("\n")))
}

/// Reads any bytes, writes what they hold in the formats that can be read again, and reads that.
pub fn run(text: &[u8], input: Option<Dialect>) {
    let whole = read(text, input);
    let slow = read(Slow(text), input);
    assert_eq!(whole.as_ref().map(|(_, told)| told), slow.as_ref().map(|(_, told)| told), "pieces decide nothing");
    if whole.is_none_or(|(batch, _)| batch.received == batch.rejected) {
        return;
    }
    let store = MemoryStore::default();
    let intake = IntakeOptions {
        bucket: "b".to_owned(),
        flow: Some("f".to_owned()),
        decode: options(input),
        normalize: NormalizeOptions::received_at(1_700_000_000_000),
        sync: SyncOptions::default(),
        review: Review::default(),
        rejected_text: true,
        admission: None,
        trusts_received_at: true,
    };
    let delivered = deliver(&store, &intake, &Attributes::default(), text);
    if delivered.verdict.summary.outcome != Outcome::Committed {
        return;
    }
    let flow = FlowName::new("b", "f").expect("it is a name");
    let version = open_version(&store, &flow, At::Latest).expect("it was committed");
    let origin = "https://a.example".to_owned();
    for (format, again) in [
        (ExportFormat::Playwright { origin }, Some(Dialect::Playwright)),
        (ExportFormat::Dexie, Some(Dialect::Dexie)),
        (ExportFormat::Json, None),
    ] {
        let (mut text, options) = (Vec::new(), ExportOptions { format, object_store: None });
        let Ok(exported) = export(&store, &flow, &version, &options, &mut text) else { continue };
        assert!(text.is_ascii());
        let ambiguous = exported.losses.lines().any(|line| line.contains("\"empty-name\""));
        if let Some(again) = again.filter(|_| !ambiguous) {
            let (batch, told) = read(&text[..], Some(again)).expect("what we write we read");
            assert_eq!((batch.received, batch.rejected), (exported.written.records, 0), "{told}");
        }
    }
}
