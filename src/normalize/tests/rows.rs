//! A batch that never was text: a source of its own, from rows in memory.

use std::io;

use super::*;
use crate::decode::{
    BatchHeader, Change, ChangeSource, DecodeError, Dialect, EventNotes, Incomplete, Item, Mode,
    NamedBase, Op,
};
use crate::indexeddb::schema::{Database, ObjectStore};
use crate::indexeddb::value::write::write_date;
use crate::loss::Losses;
use crate::rejection::RejectedText;

/// The object stores of the rows: `damaged` is one whose rows cannot all be read.
const STORES: [&str; 2] = ["damaged", "whole"];

/// A row: its object store, its key, and a Date unless the row is gone.
type Row = (usize, i64, Option<i64>);

struct Rows {
    header: BatchHeader,
    rows: Vec<Row>,
    taken: usize,
    key: Vec<u8>,
    value: Vec<u8>,
    losses: Losses,
    /// The row at which the medium fails.
    fails_at: Option<usize>,
}

impl Rows {
    fn new(mode: Mode, rows: &[Row]) -> Self {
        let stores = STORES.map(|name| ObjectStore::new(name.into(), None)).to_vec();
        let header = BatchHeader {
            dialect: Dialect::Changes,
            schema: Database::new("shop".into(), 1, stores).unwrap(),
            key_generators: vec![None; STORES.len()],
            source: None,
            sequence: None,
            base: None,
            base_state: None,
            mode,
        };
        Self {
            header,
            rows: rows.to_vec(),
            taken: 0,
            key: Vec::new(),
            value: Vec::new(),
            losses: Losses::default(),
            fails_at: None,
        }
    }
}

impl ChangeSource for Rows {
    fn header(&self) -> &BatchHeader {
        &self.header
    }

    fn next(&mut self) -> Result<Option<Item<'_>>, DecodeError> {
        if self.fails_at == Some(self.taken) {
            return Err(io::Error::other("the medium is gone").into());
        }
        let Some(&(store, key, date)) = self.rows.get(self.taken) else { return Ok(None) };
        let index = self.taken as u64;
        self.taken += 1;
        self.key = key.to_string().into_bytes();
        self.value.clear();
        let op = match date {
            None => Op::Delete { key: &self.key, at: None, base: NamedBase::None },
            Some(ms) => {
                write_date(Some(ms), &mut self.value);
                let (key, value) = (Some(self.key.as_slice()), self.value.as_slice());
                Op::Put { key, value, at: Some(5), base: NamedBase::None }
            }
        };
        // A row has no line; its place is its number.
        let (line, offset, notes) = (index + 1, 0, EventNotes::default());
        Ok(Some(Item::Change(Change { line, offset, index, store, op, notes })))
    }

    fn received(&self) -> u64 {
        self.taken as u64
    }

    fn incomplete(&self) -> Vec<(usize, Incomplete)> {
        vec![(0, Incomplete::Filtered)]
    }

    fn losses(&self) -> &Losses {
        &self.losses
    }
}

#[test]
fn rows_that_never_were_text_become_a_batch() {
    let rows = [(1, 2, Some(7)), (0, 1, Some(8)), (1, 2, None), (1, 1, Some(1 << 60))];
    let mut source = Rows::new(Mode::Full, &rows);
    let mut rejected = Vec::new();
    let options = NormalizeOptions::received_at(1_000);
    let batch = normalize_keeping(&mut source, &options, &mut |rejection, text| {
        assert!(matches!(text, RejectedText::Missing));
        rejected.push(rejection.clone());
        Ok(())
    });
    let batch = batch.unwrap();

    // The last Date is later than any that exists.
    let [rejection] = rejected.as_slice() else { panic!("{rejected:?}") };
    assert_eq!((rejection.line, rejection.store.clone()), (4, Some("whole".into())));
    assert_eq!((batch.received, batch.rejected, batch.changes.deletes), (4, 1, 1));

    let mut folds = batch.changes.folds(0).unwrap();
    let folded: Vec<Folded> = std::iter::from_fn(|| folds.next().unwrap()).collect();
    let [put, deleted] = folded.as_slice() else { panic!("{folded:?}") };
    assert_eq!((put.store, value(put), put.clock), (0, r#"{"~date":8}"#, Some(5)));
    assert_eq!((deleted.store, &deleted.state), (1, &LineState::Delete));

    // A full batch deletes neither what its source could not read nor what was rejected.
    let withheld = &batch.withheld;
    assert_eq!(withheld.keeps_all(Some(0)), Some(KeptReason::Filtered));
    assert_eq!(withheld.keeps_all(Some(1)), None);
    assert!(withheld.of_store(1).unwrap().holds(&Key::Number(1.0).to_sortable().unwrap()));
    assert!(source.losses().is_empty());
}

#[test]
fn a_source_that_fails_makes_no_batch() {
    let mut source = Rows::new(Mode::Delta, &[(1, 1, Some(1)), (1, 2, Some(2))]);
    source.fails_at = Some(1);
    let outcome = normalize(&mut source, &NormalizeOptions::received_at(1_000), &mut |_| Ok(()));
    assert!(matches!(outcome, Err(NormalizeError::Decode(DecodeError::Io(_)))), "{outcome:?}");
}
