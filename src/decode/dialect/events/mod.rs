//! Change events of databases, one a line: the object store of each, and the change in it.

pub(crate) mod capture_mysql;
pub(crate) mod debezium;
mod decimal;
mod detect;
mod documents;
mod row;
mod tables;
mod unsent;

pub(crate) use detect::first_event;
use row::Row;
use tables::{EventTable, Tables};

use crate::decode::change::{EventNotes, NamedBase, Op};
use crate::decode::dialect::Dialect;
use crate::decode::header::BatchHeader;
use crate::decode::options::DecodeOptions;
use crate::decode::raw_json::Reject;
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::iso_date::MAX_DATE_MS;
use crate::indexeddb::schema::KeyPath;
use crate::loss::{LossStep, Losses, path, what};
use crate::rejection::code;

/// The kind of change that an event makes to a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum RowChange {
    #[default]
    Create,
    Put,
    Delete,
    Clear,
}

/// An event as its format describes it, before its row is converted.
#[derive(Debug, Default)]
struct Event {
    kind: RowChange,
    /// The event's clock, milliseconds since 1970.
    at: Option<i64>,
    table: Option<EventTable>,
    /// The row before the change, if the event contains it.
    before: Option<Row>,
    /// The row after the change, if the event contains it.
    after: Option<Row>,
    /// True if the stream names the rows that are deleted.
    names_deletions: bool,
}

/// The event that was read last, with key and rows in our form.
#[derive(Debug, Default)]
pub(crate) struct EventParts {
    kind: RowChange,
    at: Option<i64>,
    key: Vec<u8>,
    /// True if the key is not in the row.
    keyed: bool,
    /// The row's previous key, if it is written differently.
    old_key: Option<Vec<u8>>,
    before: Vec<u8>,
    after: Vec<u8>,
    /// An object of the members that the event did not send; empty if it sent all.
    unsent: Vec<u8>,
    losses: Losses,
}

impl EventParts {
    /// Returns the operation of the event.
    pub(crate) fn op(&self) -> Op<'_> {
        let at = self.at;
        let base = match (self.kind, self.before.is_empty()) {
            (_, false) => NamedBase::Value(&self.before),
            (RowChange::Create, true) => NamedBase::Absent,
            _ => NamedBase::None,
        };
        match self.kind {
            RowChange::Create | RowChange::Put => {
                Op::Put { key: self.keyed.then_some(&self.key[..]), value: &self.after, at, base }
            }
            RowChange::Delete => Op::Delete { key: &self.key, at, base },
            RowChange::Clear => Op::Clear { at },
        }
    }

    /// Returns the event's details in addition to its row.
    pub(crate) fn notes(&self) -> EventNotes<'_> {
        EventNotes { unsent: &self.unsent, old_key: self.old_key.as_deref() }
    }
}

/// Reads the events of a stream and remembers the tables seen.
#[derive(Debug, Default)]
pub(crate) struct Events {
    tables: Tables,
    schemas: debezium::Schemas,
    parts: EventParts,
    /// The number of lines that are `null`.
    tombstones: u64,
    /// True if an event marked its row as deleted, or could have done so.
    names_deletions: bool,
}

/// The object store of a rejected event, if known, and the reason for the rejection.
pub(crate) type EventReject = (Option<usize>, Reject);

impl Events {
    /// Returns the parts of the event that was read last.
    pub(crate) fn parts(&self) -> &EventParts {
        &self.parts
    }

    /// Returns the losses of the event that was read last, to be moved out.
    pub(crate) fn losses(&mut self) -> &mut Losses {
        &mut self.parts.losses
    }

    /// Reports deletions that the stream cannot name: unless it is rewritten, the deletion of a
    /// flattened row is only a `null`.
    pub(crate) fn missing(&self, events: u64, losses: &mut Losses) {
        if events > 0 && !self.names_deletions {
            losses.add("", what::DELETION, self.tombstones);
        }
    }

    /// Reads a line and returns the position of its object store, or `None` if the line does not
    /// change a row.
    pub(crate) fn parse(
        &mut self,
        line: &[u8],
        header: &BatchHeader,
        options: &DecodeOptions,
    ) -> Result<Option<usize>, EventReject> {
        self.parts = EventParts::default();
        let keys = KeyColumns { header, options };
        self.tombstones += u64::from(line == b"null");
        let event = match header.dialect {
            Dialect::CaptureChangeMysql => capture_mysql::read(line, &keys),
            _ => debezium::read(line, &keys, &mut self.schemas),
        };
        let Some(event) = event.map_err(|reject| (None, reject))? else { return Ok(None) };
        self.names_deletions |= event.names_deletions;
        let place = self
            .tables
            .place(event.table.as_ref(), header, options)
            .map_err(|reject| (None, reject))?;
        self.parts.fill(event, header, place, options).map_err(|reject| (Some(place), reject))?;
        Ok(Some(place))
    }
}

/// Columns that are a key in any object store; numbers in them are written in a form that keys can
/// have.
struct KeyColumns<'a> {
    header: &'a BatchHeader,
    options: &'a DecodeOptions,
}

impl KeyColumns<'_> {
    /// True if a column, by its name in JSON, is a key or part of one.
    fn has(&self, name: &[u8]) -> bool {
        let named = |path: &DomString| crate::decode::raw_json::named(name, &path.to_string());
        let in_store = |path: &Option<KeyPath>| match path {
            Some(KeyPath::Path(path)) => named(path),
            Some(KeyPath::Paths(paths)) => paths.iter().any(named),
            None => false,
        };
        self.options
            .key_field
            .as_deref()
            .is_some_and(|field| crate::decode::raw_json::named(name, field))
            || self.header.schema.stores.iter().any(|store| in_store(&store.key_path))
    }
}

impl EventParts {
    fn fill(
        &mut self,
        event: Event,
        header: &BatchHeader,
        place: usize,
        options: &DecodeOptions,
    ) -> Result<(), Reject> {
        const LACKS: Reject = (
            code::MISSING_MEMBER,
            "the event lacks the row: before of a deletion, after of the others; a partial update or a deletion \
             without the row before cannot be applied",
        );
        let Event { kind, at, before, after, .. } = event;
        (self.kind, self.at) = (kind, at);
        if kind == RowChange::Clear {
            return Ok(());
        }
        let (mut before, mut after) = (before, after.filter(|_| kind != RowChange::Delete));
        if let (Some(before), Some(after)) = (&before, &mut after) {
            after.take_unsent_from(before);
        }
        let store = header
            .schema
            .stores
            .get(place)
            .ok_or((code::UNKNOWN_STORE, "the batch has no such object store"))?;
        let key_path = store.key_path.as_ref();
        self.keyed = key_path.is_none();
        let key_of = |row: &mut Row| row.key(key_path, options.key_field.as_deref());
        let old_key = before.as_mut().map(key_of);
        if kind == RowChange::Delete {
            self.key = old_key.ok_or(LACKS)??;
        } else {
            let after = after.as_mut().ok_or(LACKS)?;
            self.key = key_of(after)?;
            // A row before the change that lacks its key does not give the previous key.
            self.old_key = old_key.and_then(Result::ok).filter(|old| *old != self.key);
            // The unsent members are stored under the previous key, where the change cannot reach
            // them.
            if self.old_key.is_some() && !after.unsent.is_empty() {
                let what = "the event moves the row to another key and does not send all of it: send the row whole";
                return Err((code::MISSING_MEMBER, what));
            }
        }
        let mut unsent: Vec<&Vec<u8>> =
            [&before, &after].into_iter().flatten().flat_map(|row| &row.unsent).collect();
        unsent.sort_unstable();
        unsent.dedup();
        for name in after.iter().flat_map(|row| &row.unsent) {
            self.losses.add(&path(&store.name, &[LossStep::member(name)]), what::UNSENT_MEMBER, 1);
        }
        if !unsent.is_empty() {
            self.unsent = names_object(unsent);
        }
        if let Some(gone) = after.as_ref().and_then(|row| row.gone.as_ref()) {
            self.losses.add(&path(&store.name, &[]), what::UNSENT_MEMBER, 1);
            self.unsent = [b"[", &names_object(gone)[..], b"]"].concat();
        }
        self.before = before.map(|row| row.base()).unwrap_or_default();
        self.after = after.map(|row| row.text()).unwrap_or_default();
        Ok(())
    }
}

/// Returns a JSON object with these member names.
fn names_object<'n>(names: impl IntoIterator<Item = &'n Vec<u8>>) -> Vec<u8> {
    let names: Vec<Vec<u8>> =
        names.into_iter().map(|name| [b"\"", &name[..], b"\":null"].concat()).collect();
    [b"{", &names.join(&b","[..])[..], b"}"].concat()
}

/// Reads a clock: integer milliseconds since 1970, or nothing.
fn clock(raw: Option<&[u8]>) -> Result<Option<i64>, Reject> {
    let Some(raw) = raw.filter(|raw| *raw != b"null") else { return Ok(None) };
    let at = std::str::from_utf8(raw).ok().and_then(|text| text.parse().ok());
    let at = at.filter(|at| (-MAX_DATE_MS..=MAX_DATE_MS).contains(at));
    at.map(Some)
        .ok_or((code::INVALID_MEMBER, "the event's time must be integer milliseconds since 1970"))
}
