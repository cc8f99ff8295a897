//! Joins framing and dialects: opens a stream, returns its items one by one, and checks how it
//! ends.

use std::io::Read;

use super::built::Built;
use super::change::{Change, EventNotes, Item, NamedBase, Op, StreamCounts};
use super::dialect::Dialect;
use super::dialect::changes::{self, LastStore, Parsed};
use super::dialect::events::{self, Events};
use super::error::DecodeError;
use super::framing::{Lines, StreamLine};
use super::header::{BatchHeader, MAX_HEADER_BYTES, Mode, Sequence};
use super::import::{self, Import};
use super::incomplete::Incomplete;
use super::mark::Mark;
use super::options::DecodeOptions;
use super::values::ValueStream;
use super::{header_line, raw_json, rejected, sniff};
use crate::indexeddb::key::SortableKey;
use crate::indexeddb::value::{self, Canonicalizer};
use crate::loss::Losses;
use crate::rejection::{RejectedText, Rejection, code};

/// Reads one batch from a stream.
///
/// It needs a buffer of 256 KiB, or of up to twice the longest line. For documents of other
/// programs, it needs a few times the size of the largest record.
pub struct Decoder<R> {
    lines: Lines<R>,
    header: BatchHeader,
    options: DecodeOptions,
    key_field: Option<String>,
    /// Records, in whatever way they are joined.
    values: Option<ValueStream>,
    /// A document that does not consist of lines.
    import: Option<Import>,
    built: Built,
    events: Events,
    losses: Losses,
    /// A line that was read to detect the dialect and has not been returned yet.
    waiting: Option<StreamLine>,
    last_store: LastStore,
    /// The item that was returned last.
    last: Given,
    /// The header's line as received.
    header_text: Option<String>,
    /// A record without its key field.
    scratch: Vec<u8>,
    max_changes: u64,
    changes: u64,
    rejected: u64,
    done: bool,
}

/// The location of the text of the item that was returned last.
#[derive(Clone, Copy)]
enum Given {
    Nothing,
    Line(StreamLine),
    Record,
}

enum LineOutcome {
    Change(usize, changes::FoundChange),
    Rejected(Option<usize>, raw_json::Reject),
}

impl<R: Read> Decoder<R> {
    /// Reads the header, or as much as is needed to see that there is none. After an error, drain
    /// the reader.
    pub fn open(reader: R, options: DecodeOptions) -> Result<Self, DecodeError> {
        let lines = Lines::new(reader, options.max_line_bytes)
            .keep_overlong_in(options.temp_folder.as_deref())
            .with_memory(options.memory.clone());
        Self::open_lines(lines, &options)
    }

    fn open_lines(mut lines: Lines<R>, options: &DecodeOptions) -> Result<Self, DecodeError> {
        sniff::first_bytes(&mut lines)?;
        let mut input = options.input;
        if matches!(input, None | Some(Dialect::PlainJson)) {
            let found = sniff::document(&mut lines, options.object_store.is_some())?;
            // Neither of these is plain JSON, whose members are arrays.
            let is_dump = matches!(found, Some(Dialect::Rxdb | Dialect::DexieCloud));
            input = found.filter(|_| input.is_none() || is_dump).or(input);
        }
        let mut losses = Losses::default();
        // Documents come first: their beginnings could also be taken for records that span lines.
        let document = match input {
            Some(dialect) => Import::open(dialect, &mut lines, options, &mut losses)?,
            None => None,
        };
        if let Some((header, import)) = document {
            return Ok(Self { losses, import: Some(import), ..Self::new(lines, header, options) });
        }
        if input.is_none() {
            input = events::first_event(&mut lines, options)?;
        }
        if let Some(dialect) = input.filter(|dialect| dialect.has_events()) {
            let (header, values) = (options.events_header(dialect)?, Some(ValueStream::default()));
            return Ok(Self { values, ..Self::new(lines, header, options) });
        }
        let values =
            input == Some(Dialect::Records) || (input.is_none() && sniff::is_values(&mut lines)?);
        let first = if values { None } else { next_line(&mut lines)? };
        let line = |line: StreamLine| raw_json::trim(lines.bytes(&line));
        let begins = first.is_some_and(|first| sniff::is_header(line(first)));
        let changes = match input {
            Some(Dialect::Records) => false,
            Some(Dialect::Changes) => true,
            _ => begins,
        };
        let header = match first {
            Some(line) if changes => open_changes(&lines, &line, begins, options)?,
            None if changes => return Err(DecodeError::Truncated { line: 0, what: "it is empty" }),
            _ if options.object_store.is_some() || options.input == Some(Dialect::Records) => {
                options.records_header()?
            }
            None if !values => return Err(DecodeError::Truncated { line: 0, what: "it is empty" }),
            _ => {
                let what = "the input does not begin with a header of indexeddb-changes/1; for \
                    plain records give \
                            --object-store, and --key-path or --key-field";
                return Err(DecodeError::Usage(what.to_owned()));
            }
        };
        if changes {
            let text = first.map(|first| String::from_utf8_lossy(line(first)).into_owned());
            return Ok(Self { header_text: text, ..Self::new(lines, header, options) });
        }
        let waiting = first.filter(|first| first.too_long);
        if let Some(first) = first.filter(|first| !first.too_long) {
            lines.put_back(&first);
        }
        let (values, key_field) = (Some(ValueStream::default()), options.key_field.clone());
        Ok(Self { values, waiting, key_field, ..Self::new(lines, header, options) })
    }

    fn new(lines: Lines<R>, header: BatchHeader, options: &DecodeOptions) -> Self {
        Self {
            lines,
            header,
            options: options.clone(),
            key_field: None,
            values: None,
            import: None,
            built: Built::default(),
            events: Events::default(),
            losses: Losses::default(),
            waiting: None,
            last_store: LastStore::default(),
            last: Given::Nothing,
            header_text: None,
            scratch: Vec::new(),
            max_changes: options.max_changes,
            changes: 0,
            rejected: 0,
            done: false,
        }
    }

    /// Returns the losses: details that the input cannot express, or cannot be trusted to express.
    /// Complete once [`Self::next`] has returned `None`.
    pub fn losses(&self) -> &Losses {
        &self.losses
    }

    /// Returns the information about the batch that precedes its first change.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// Returns the counts so far; final once [`Self::next`] has returned `None`.
    pub fn counts(&self) -> StreamCounts {
        let (lines, bytes) = (self.lines.count(), self.lines.offset());
        StreamCounts { lines, bytes, changes: self.changes, rejected: self.rejected }
    }

    /// Returns the header's line as received; records and documents have none.
    pub fn header_text(&self) -> Option<&str> {
        self.header_text.as_deref()
    }

    /// Returns the text of the item that [`Self::next`] returned last, without a line end.
    pub fn text(&mut self) -> RejectedText<'_> {
        match self.last {
            Given::Line(line) if line.too_long => RejectedText::File(self.lines.overlong()),
            Given::Line(line) => RejectedText::Bytes(raw_json::trim(self.lines.bytes(&line))),
            Given::Record => RejectedText::Bytes(&self.scratch),
            Given::Nothing => RejectedText::Missing,
        }
    }

    /// Returns the reader, to drain it after an error or to ask how much it has read.
    pub fn reader_mut(&mut self) -> &mut R {
        self.lines.reader_mut()
    }

    /// Returns the next change or rejection, or `None` once the batch is complete and the stream is
    /// at its end.
    #[expect(
        clippy::should_implement_trait,
        reason = "items borrow from the decoder, which iterators cannot say"
    )]
    pub fn next(&mut self) -> Result<Option<Item<'_>>, DecodeError> {
        if self.done {
            return Ok(None);
        }
        if self.import.is_some() {
            return self.imported();
        }
        if self.header.dialect.has_events() {
            return self.event();
        }
        if let Some(values) = &mut self.values {
            let next = match self.waiting.take() {
                Some(line) => Some(line),
                None => values.next(&mut self.lines)?,
            };
            let Some(line) = next else {
                self.done = true;
                return Ok(None);
            };
            return self.record(&line).map(Some);
        }
        match next_line(&mut self.lines)? {
            Some(line) => self.change(&line),
            None => Err(self.truncated()),
        }
    }

    /// Returns the next record of a document.
    fn imported(&mut self) -> Result<Option<Item<'_>>, DecodeError> {
        let (found, built) = loop {
            let Some(import) = &mut self.import else { return Ok(None) };
            let Some(found) = import.next(&mut self.lines, &mut self.scratch)? else {
                import.missing(&self.header, &mut self.losses);
                self.end_of_records();
                return Ok(None);
            };
            let schema =
                found.store.and_then(|place| Some((place, self.header.schema.stores.get(place)?)));
            let built = match (schema, &self.import) {
                _ if found.too_long => Err(TOO_LONG),
                (Some((place, store)), Some(import)) => {
                    import.build(&self.scratch, store, &mut self.built).map(|()| place)
                }
                _ => Err((
                    code::UNKNOWN_STORE,
                    "the document describes no object store of this name",
                )),
            };
            // A full batch deletes the records that it does not contain, so a deletion in it adds
            // nothing.
            if built.is_err() || !self.built.is_deleted || self.header.mode == Mode::Delta {
                break (found, built);
            }
        };
        self.last = if found.too_long { Given::Nothing } else { Given::Record };
        let index = self.count()?;
        let store = match built {
            Ok(store) => store,
            Err(reject) => {
                let (place, import) =
                    (found.store.filter(|_| !found.too_long), self.import.as_ref());
                let store = place.and_then(|place| self.header.schema.stores.get(place));
                let keys = store
                    .zip(import)
                    .map(|(store, import)| import.rejected_keys(&self.scratch, store, &self.built));
                return Ok(Some(self.reject_at(
                    found.mark,
                    found.store,
                    reject,
                    keys.unwrap_or_default(),
                )));
            }
        };
        self.changes += 1;
        self.losses.append(&mut self.built.losses);
        let Built { key, keyed, value, is_deleted, .. } = &self.built;
        let op = match is_deleted {
            true => Op::Delete { key, at: None, base: NamedBase::None },
            false => {
                Op::Put { key: keyed.then_some(&key[..]), value, at: None, base: NamedBase::None }
            }
        };
        let Mark { line, offset } = found.mark;
        let notes = EventNotes::default();
        Ok(Some(Item::Change(Change { line, offset, index, store, op, notes })))
    }

    /// Returns the next event that changes a row.
    fn event(&mut self) -> Result<Option<Item<'_>>, DecodeError> {
        let (line, parsed) = loop {
            let next = match &mut self.values {
                Some(values) => values.next(&mut self.lines)?,
                None => None,
            };
            let Some(line) = next else {
                self.events.missing(self.changes, &mut self.losses);
                self.end_of_records();
                return Ok(None);
            };
            if line.too_long || line.broken {
                break (line, Err((None, if line.too_long { TOO_LONG } else { BROKEN })));
            }
            let text = raw_json::trim(self.lines.bytes(&line));
            if let Some(parsed) = self.events.parse(text, &self.header, &self.options).transpose() {
                break (line, parsed);
            }
        };
        self.last = Given::Line(line);
        let index = self.count()?;
        match parsed {
            Ok(store) => {
                self.changes += 1;
                self.losses.append(self.events.losses());
                let (op, notes) = (self.events.parts().op(), self.events.parts().notes());
                let (line, offset) = (line.number, line.offset);
                Ok(Some(Item::Change(Change { line, offset, index, store, op, notes })))
            }
            Err((store, reject)) => Ok(Some(self.reject(&line, store, reject))),
        }
    }

    fn end_of_records(&mut self) {
        self.losses.append(&mut import::notes(&self.header, self.changes));
        self.done = true;
    }

    fn truncated(&self) -> DecodeError {
        DecodeError::Truncated { line: self.lines.number(), what: "there is no end line" }
    }

    fn record(&mut self, line: &StreamLine) -> Result<Item<'_>, DecodeError> {
        self.last = Given::Line(*line);
        let index = self.count()?;
        if line.too_long {
            return Ok(self.reject(line, Some(0), TOO_LONG));
        }
        if line.broken {
            return Ok(self.reject(line, Some(0), BROKEN));
        }
        let text = raw_json::trim(self.lines.bytes(line));
        let key = self
            .key_field
            .as_ref()
            .map(|field| raw_json::take_key(text, field, &mut self.scratch))
            .transpose();
        let key = match key {
            Ok(key) => key,
            Err(reject) => return Ok(self.reject(line, Some(0), reject)),
        };
        let text = raw_json::trim(self.lines.bytes(line));
        let key = key.map(|key| key.of(text));
        let value = if key.is_some() { self.scratch.as_slice() } else { text };
        self.changes += 1;
        let op = Op::Put { key, value, at: None, base: NamedBase::None };
        let (line, offset, notes) = (line.number, line.offset, EventNotes::default());
        Ok(Item::Change(Change { line, offset, index, store: 0, op, notes }))
    }

    fn change(&mut self, line: &StreamLine) -> Result<Option<Item<'_>>, DecodeError> {
        self.last = Given::Line(*line);
        let outcome = if line.too_long {
            LineOutcome::Rejected(None, TOO_LONG)
        } else {
            match changes::parse(self.lines.bytes(line), &self.header, &mut self.last_store) {
                Ok(Parsed::End(count)) => return self.end(line, count).map(|()| None),
                Ok(Parsed::Change(store, found)) => LineOutcome::Change(store, found),
                Err((store, reject)) => LineOutcome::Rejected(store, reject),
            }
        };
        if !line.ended {
            // The line was cut off, and no end line can follow, whatever it contains.
            return Err(self.truncated());
        }
        let index = self.count()?;
        match outcome {
            LineOutcome::Rejected(store, reject) => {
                Ok(Some(self.reject_change(line, store, reject)))
            }
            LineOutcome::Change(store, found) => {
                self.changes += 1;
                let op = found.op(self.lines.bytes(line));
                let (line, offset, notes) = (line.number, line.offset, EventNotes::default());
                Ok(Some(Item::Change(Change { line, offset, index, store, op, notes })))
            }
        }
    }

    /// Returns the number of a line that is about to be returned.
    fn count(&self) -> Result<u64, DecodeError> {
        let index = self.changes + self.rejected;
        if index < self.max_changes {
            Ok(index)
        } else {
            Err(DecodeError::TooMany { limit: self.max_changes })
        }
    }

    /// Returns the object stores of which, by its own account, the input does not contain all
    /// records. Complete once [`Self::next`] has returned `None`.
    pub fn incomplete(&self) -> Vec<(usize, Incomplete)> {
        self.import.as_ref().map(Import::incomplete).unwrap_or_default()
    }

    fn reject(
        &mut self,
        line: &StreamLine,
        store: Option<usize>,
        reject: raw_json::Reject,
    ) -> Item<'static> {
        self.reject_at(Mark { line: line.number, offset: line.offset }, store, reject, Vec::new())
    }

    /// Works like [`Self::reject`] for a line of changes, which may identify the record it is
    /// about.
    fn reject_change(
        &mut self,
        line: &StreamLine,
        store: Option<usize>,
        reject: raw_json::Reject,
    ) -> Item<'static> {
        let full = self.header.mode == Mode::Full && !line.too_long;
        let schema = store.filter(|_| full).and_then(|place| self.header.schema.stores.get(place));
        let keys = schema.map(|schema| {
            let mut canonicalizer =
                Canonicalizer::new(self.header.dialect.values(value::Options::default()));
            rejected::keys_of_line(self.lines.bytes(line), schema, &mut canonicalizer)
        });
        let mark = Mark { line: line.number, offset: line.offset };
        self.reject_at(mark, store, reject, keys.unwrap_or_default())
    }

    fn reject_at(
        &mut self,
        mark: Mark,
        store: Option<usize>,
        (code, message): raw_json::Reject,
        keys: Vec<SortableKey>,
    ) -> Item<'static> {
        self.rejected += 1;
        let store = store
            .and_then(|place| self.header.schema.stores.get(place))
            .map(|store| store.name.clone());
        let Mark { line, offset } = mark;
        Item::Rejected(Rejection { line, offset, code, store, message: message.to_owned(), keys })
    }

    fn end(&mut self, line: &StreamLine, count: Option<u64>) -> Result<(), DecodeError> {
        let found = self.changes + self.rejected;
        let framing = |line: &StreamLine, what| {
            Err(DecodeError::Framing { line: line.number, offset: line.offset, what })
        };
        let Some(count) = count else {
            return framing(
                line,
                "the end line needs a count of the lines before it, and nothing else".to_owned(),
            );
        };
        if count != found {
            return framing(
                line,
                format!("the end line counts {count} lines, but there are {found}"),
            );
        }
        let delta = self.header.sequence.as_ref().filter(|_| self.header.mode == Mode::Delta);
        if let Some(expected) = delta.map(Sequence::count).filter(|&expected| expected != found) {
            return framing(
                line,
                format!(
                    "first and last of the header make {expected} lines, but there are {found}"
                ),
            );
        }
        if let Some(more) = next_line(&mut self.lines)? {
            let what = "a line after the end line; join batches as FlowFile packages, not by \
                concatenation";
            return framing(&more, what.to_owned());
        }
        self.done = true;
        Ok(())
    }
}

const BROKEN: raw_json::Reject = (code::SYNTAX, "part of a value that is not JSON");

const TOO_LONG: raw_json::Reject = (code::LINE_TOO_LONG, "the line is longer than the limit");

/// Returns the next line that is not blank.
fn next_line<R: Read>(lines: &mut Lines<R>) -> Result<Option<StreamLine>, DecodeError> {
    while let Some(line) = lines.advance()? {
        if line.too_long || !raw_json::trim(lines.bytes(&line)).is_empty() {
            return Ok(Some(line));
        }
    }
    Ok(None)
}

fn open_changes<R: Read>(
    lines: &Lines<R>,
    line: &StreamLine,
    begins: bool,
    options: &DecodeOptions,
) -> Result<BatchHeader, DecodeError> {
    let text = raw_json::trim(lines.bytes(line));
    let framing = |what: &str| DecodeError::Framing {
        line: line.number,
        offset: line.offset,
        what: what.to_owned(),
    };
    if line.too_long || text.len() > MAX_HEADER_BYTES {
        return Err(framing("the header is longer than 1 MiB"));
    }
    if !line.ended {
        return Err(DecodeError::Truncated { line: line.number, what: "there is no end line" });
    }
    if !begins {
        return Err(framing("the first line is no header of indexeddb-changes/1"));
    }
    header_line::parse(text, line.number, options)
}
