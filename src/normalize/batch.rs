//! Turns decoded changes into a normalized batch: sortable keys, canonical values, clamped clocks.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::fold::Changes;
use super::private::{Hidden, Hider, Private, Unhideable};
use super::range::{Bound, RangeChange};
use super::record::{BaseBytes, OP_DELETE, OP_PUT, Record};
use super::runs::{DEFAULT_MEMORY_BYTES, Runs};
use super::withheld::Withheld;
use crate::decode::{
    self, BatchHeader, Change, ChangeSource, DecodeError, Item, Mode, Op, rejected_keys,
};
use crate::indexeddb::iso_date::MAX_DATE_MS;
use crate::indexeddb::key::{KeyError, SortableKey};
use crate::indexeddb::key_path::{ExtractError, KeyExtractor};
use crate::indexeddb::schema::{KeyPath, ObjectStore};
use crate::indexeddb::value::write::special_number_text;
use crate::indexeddb::value::{
    Canonicalizer, Options, ValueError, ValueErrorReason, at_members, date_text, member_name,
    sortable_key_of,
};
use crate::policy::{FieldPath, HashKey, PathStep, Policy};
use crate::rejection::{RejectedText, Rejection, code};
use crate::snapshot::{Digest, FlowVersion, StateId};

/// The default limit, in milliseconds, for clocks ahead of the time of receipt. A later clock is
/// clamped to it.
pub const DEFAULT_SKEW_MS: i64 = 5 * 60 * 1000;

/// The most `clear` and `delete-range` lines in a batch. They are kept in memory.
pub const MAX_RANGES: usize = 1_000_000;

/// The most different versions, with their states, that the lines of a batch may name as base. They
/// are kept in memory.
pub const MAX_BASE_STATES: usize = 10_000;

/// The settings for normalizing a batch.
#[derive(Clone, Debug)]
pub struct NormalizeOptions {
    /// The time of receipt, in milliseconds since 1970.
    pub received_at: i64,
    /// See [`DEFAULT_SKEW_MS`].
    pub skew_ms: i64,
    /// See [`DEFAULT_MEMORY_BYTES`].
    pub memory_bytes: usize,
    /// The folder for sorted runs; `None` means the system's folder for temporary files.
    pub temp_folder: Option<PathBuf>,
    /// The settings for reading values.
    pub values: Options,
    /// The policy that marks private fields and fields that contain a clock.
    pub policy: Option<Arc<Policy>>,
    /// The key for hashed fields. Required if the policy hashes fields.
    pub hash_key: Option<HashKey>,
}

impl NormalizeOptions {
    /// Returns the defaults for a batch received at this time.
    pub fn received_at(received_at: i64) -> Self {
        Self {
            received_at,
            skew_ms: DEFAULT_SKEW_MS,
            memory_bytes: DEFAULT_MEMORY_BYTES,
            temp_folder: None,
            values: Options::default(),
            policy: None,
            hash_key: None,
        }
    }
}

/// A batch that is ready to be merged, any number of times.
#[derive(Debug)]
pub struct Batch {
    /// The batch's header.
    pub header: BatchHeader,
    /// The batch's changes.
    pub changes: Changes,
    /// The digest of the bytes that the batch was read from, if it was asked for.
    pub content: Option<Digest>,
    /// The versions that lines name as base, with the states that those versions should have.
    pub states: BTreeSet<(FlowVersion, StateId)>,
    /// The time of receipt, in milliseconds since 1970.
    pub received_at: i64,
    /// The number of change lines received, including rejected ones.
    pub received: u64,
    /// The number of change lines that were rejected.
    pub rejected: u64,
    /// The number of clocks that were clamped.
    pub clamped: u64,
    /// The number of private fields that were hidden in received values; bases are not counted.
    pub hidden: Hidden,
    /// Records that a full batch neither contains nor proves to be deleted.
    pub withheld: Withheld,
}

/// The reason why a batch cannot be normalized.
#[derive(Debug, thiserror::Error)]
pub enum NormalizeError {
    /// The input is incomplete, or is not a batch.
    #[error(transparent)]
    Decode(DecodeError),
    /// Sorted runs could not be written or read back.
    #[error("temporary file for sorting (see --temp-dir): {0}")]
    Temporary(io::Error),
    /// More versions are named with their states than are kept in memory.
    #[error(
        "the lines name more than {MAX_BASE_STATES} different versions with their states as base; send the batch in parts"
    )]
    States,
    /// The policy hashes fields, and no key is given. No line was read.
    #[error(
        "the policy hashes private fields, which needs a key: give --hash-key-file or NIFI_IDB_HASH_KEY"
    )]
    NoHashKey,
    /// More than [`MAX_RANGES`] lines that delete ranges.
    #[error(
        "more than {MAX_RANGES} clear and delete-range lines in one batch: send them in several"
    )]
    TooManyRanges,
}

impl From<DecodeError> for NormalizeError {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Temporary(error) => Self::Temporary(error),
            error => Self::Decode(error),
        }
    }
}

/// Reads a whole batch. Passes each rejected change to `reject` and continues.
///
/// # Errors
///
/// Fails if the source fails or ends early, if temporary files cannot be written, or if the policy
/// hashes fields and no key is given.
pub fn normalize<S: ChangeSource>(
    source: &mut S,
    options: &NormalizeOptions,
    reject: &mut dyn FnMut(&Rejection) -> io::Result<()>,
) -> Result<Batch, NormalizeError> {
    normalize_keeping(source, options, &mut |rejection, _| reject(rejection))
}

/// A callback that takes a rejection and the rejected text.
pub type RejectionSink<'a> = dyn FnMut(&Rejection, RejectedText<'_>) -> io::Result<()> + 'a;

/// Normalizes like [`normalize`]; `reject` also gets the rejected text.
///
/// # Errors
///
/// Fails like [`normalize`].
pub fn normalize_keeping<S: ChangeSource>(
    source: &mut S,
    options: &NormalizeOptions,
    reject: &mut RejectionSink<'_>,
) -> Result<Batch, NormalizeError> {
    // Checked before anything is read, so that no field is stored unhashed.
    if options.hash_key.is_none()
        && options.policy.as_ref().is_some_and(|policy| policy.needs_hash_key())
    {
        return Err(NormalizeError::NoHashKey);
    }
    let header = source.header().clone();
    let mut normalizer = Normalizer::new(&header, options);
    let mut refused = 0;
    let is_full = header.mode == Mode::Full;
    let mut withheld = Withheld::new(header.schema.stores.len());
    while let Some(item) = source.next()? {
        let rejection = match item {
            Item::Rejected(rejection) => Some(rejection),
            Item::Change(change) => match normalizer.take(&change) {
                Ok(()) => None,
                Err(LineRefusal::Reject(code, message)) => {
                    let schema = header.schema.stores.get(change.store);
                    let keys = schema
                        .filter(|_| is_full)
                        .map(|schema| normalizer.rejected_keys(&change.op, schema));
                    let (keys, store) =
                        (keys.unwrap_or_default(), schema.map(|store| store.name.clone()));
                    Some(Rejection {
                        line: change.line,
                        offset: change.offset,
                        code,
                        store,
                        message,
                        keys,
                    })
                }
                Err(LineRefusal::States) => return Err(NormalizeError::States),
                Err(LineRefusal::Io(error)) => return Err(NormalizeError::Temporary(error)),
                Err(LineRefusal::TooManyRanges) => return Err(NormalizeError::TooManyRanges),
            },
        };
        if let Some(mut rejection) = rejection {
            refused += 1;
            reject(&rejection, source.text()).map_err(NormalizeError::Temporary)?;
            // A full batch deletes the records that it lacks, but a rejected line does not prove a
            // deletion.
            if is_full {
                let place = rejection.store.as_ref().and_then(|name| header.schema.store(name));
                withheld.reject(place.map(|(place, _)| place), std::mem::take(&mut rejection.keys));
            }
        }
    }
    if is_full {
        source
            .incomplete()
            .into_iter()
            .for_each(|(place, incomplete)| withheld.incomplete(place, incomplete));
    }
    normalizer.changes.runs.seal();
    normalizer.changes.ranges.sort_by_key(|range| range.store);
    Ok(Batch {
        changes: normalizer.changes,
        content: None,
        states: normalizer.states,
        received_at: options.received_at,
        received: source.received(),
        rejected: refused,
        clamped: normalizer.clamped,
        hidden: normalizer.hidden,
        withheld,
        header,
    })
}

enum LineRefusal {
    Reject(&'static str, String),
    States,
    Io(io::Error),
    /// Refuses the whole batch: a line that was only left out would still be acknowledged.
    TooManyRanges,
}

impl From<ValueError> for LineRefusal {
    fn from(error: ValueError) -> Self {
        Self::Reject(error.code(), error.to_string())
    }
}

impl From<KeyError> for LineRefusal {
    fn from(error: KeyError) -> Self {
        let code = if error == KeyError::Length { code::KEY_TOO_LONG } else { code::INVALID_KEY };
        Self::Reject(code, error.to_string())
    }
}

impl From<ExtractError> for LineRefusal {
    fn from(error: ExtractError) -> Self {
        match error {
            ExtractError::Absent => Self::Reject(
                code::NO_KEY,
                "the value has no key at the object store's key path".to_owned(),
            ),
            ExtractError::Invalid(error) => error.into(),
        }
    }
}

impl From<Unhideable> for LineRefusal {
    fn from(Unhideable(why): Unhideable) -> Self {
        Self::Reject(code::PRIVATE_FIELD, format!("a private field cannot be hidden: {why}"))
    }
}

impl From<io::Error> for LineRefusal {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The way to find a record's key in an object store.
enum KeyFinder {
    OutOfLine,
    InLine {
        extractor: KeyExtractor,
        /// The name, in canonical text, of the only member that the key path consists of.
        member: Option<Vec<u8>>,
    },
}

/// The policy's rules for one object store.
#[derive(Default)]
struct StoreRules<'a> {
    private: Option<Private>,
    clock: Option<&'a FieldPath>,
}

struct Normalizer<'a> {
    finders: Vec<KeyFinder>,
    /// The rules by object store; empty without a policy.
    rules: Vec<StoreRules<'a>>,
    hider: Hider,
    hidden: Hidden,
    /// The latest clock that a change may claim.
    latest: i64,
    canonicalizer: Canonicalizer,
    changes: Changes,
    states: BTreeSet<(FlowVersion, StateId)>,
    clamped: u64,
    value: Vec<u8>,
    base: Vec<u8>,
    unsent: Vec<u8>,
    key: Vec<u8>,
    key_text: Vec<u8>,
}

impl<'a> Normalizer<'a> {
    fn new(header: &BatchHeader, options: &'a NormalizeOptions) -> Self {
        let finder = |key_path: &Option<KeyPath>| match key_path {
            None => KeyFinder::OutOfLine,
            Some(key_path) => {
                let extractor = KeyExtractor::from(key_path);
                let member = extractor.member().map(member_name);
                KeyFinder::InLine { extractor, member }
            }
        };
        let policy = options.policy.as_deref();
        let rules = |policy: &'a Policy| {
            let of = |store: &ObjectStore| {
                let rules = policy.store(&store.name);
                let private = Private::new(&rules.privacy, store.key_path.as_ref());
                StoreRules { private, clock: rules.clock_field.as_ref() }
            };
            header.schema.stores.iter().map(of).collect()
        };
        let skew = policy.and_then(|policy| policy.max_skew_ms).unwrap_or(options.skew_ms);
        Self {
            rules: policy.map(rules).unwrap_or_default(),
            hider: Hider::new(options.hash_key.clone()),
            hidden: Hidden::default(),
            latest: options.received_at.saturating_add(skew),
            finders: header.schema.stores.iter().map(|store| finder(&store.key_path)).collect(),
            canonicalizer: Canonicalizer::new(header.dialect.values(options.values)),
            changes: Changes {
                runs: Runs::new(options.memory_bytes, options.temp_folder.clone()),
                ranges: Vec::new(),
                deletes: 0,
            },
            states: BTreeSet::new(),
            clamped: 0,
            value: Vec::new(),
            base: Vec::new(),
            unsent: Vec::new(),
            key: Vec::new(),
            key_text: Vec::new(),
        }
    }

    fn take(&mut self, change: &Change<'_>) -> Result<(), LineRefusal> {
        match change.op {
            Op::Put { key, value, at, base } => self.put(change, key, value, at, base),
            Op::Delete { key, at, base } => {
                self.explicit_key(key)?;
                self.value.clear();
                self.push(change, OP_DELETE, at, base)
            }
            Op::DeleteRange { lower, upper, at } => {
                let (lower, upper) = (self.bound(lower)?, self.bound(upper)?);
                self.range(change, lower, upper, at)
            }
            Op::Clear { at } => self.range(change, None, None, at),
        }
    }

    fn put(
        &mut self,
        change: &Change<'_>,
        key: Option<&[u8]>,
        value: &[u8],
        at: Option<i64>,
        base: decode::NamedBase<'_>,
    ) -> Result<(), LineRefusal> {
        self.value.clear();
        self.canonicalizer
            .value(value, &mut self.value)
            .map_err(|error| unreadable(value, error))?;
        self.key.clear();
        let finder = self.finders.get(change.store).unwrap_or(&KeyFinder::OutOfLine);
        match finder {
            KeyFinder::OutOfLine => {
                let missing = || {
                    LineRefusal::Reject(
                        code::NO_KEY,
                        "the object store has no key path: give a key".to_owned(),
                    )
                };
                return match key {
                    Some(key) => {
                        self.explicit_key(key).and_then(|()| self.push_put(change, at, base))
                    }
                    None => Err(missing()),
                };
            }
            KeyFinder::InLine { extractor, member } => {
                // Most keys are a number or string in a member of a plain object, whose position is
                // known.
                let place = member
                    .as_ref()
                    .and_then(|name| self.canonicalizer.top_member(&self.value, name));
                let simple = |place: &Range<usize>| {
                    matches!(self.value.get(place.start), Some(b'"' | b'-' | b'0'..=b'9'))
                };
                match place.filter(simple) {
                    Some(place) => sortable_key_of(&self.value[place], &mut self.key)?,
                    None => extractor.extract(&self.value, &mut self.key)?,
                }
            }
        }
        if let Some(given) = key {
            let found = std::mem::take(&mut self.key);
            self.explicit_key(given)?;
            if self.key != found {
                return Err(LineRefusal::Reject(
                    code::KEY_MISMATCH,
                    "the key is not the one in the value".to_owned(),
                ));
            }
        }
        self.push_put(change, at, base)
    }

    /// Takes a put. If the record had another key before, that key is deleted in the same step.
    fn push_put(
        &mut self,
        change: &Change<'_>,
        at: Option<i64>,
        base: decode::NamedBase<'_>,
    ) -> Result<(), LineRefusal> {
        let Some(old) = change.notes.old_key else { return self.push(change, OP_PUT, at, base) };
        let key = std::mem::take(&mut self.key);
        self.explicit_key(old)?;
        let old = std::mem::replace(&mut self.key, key);
        if old == self.key {
            return self.push(change, OP_PUT, at, base);
        }
        if let decode::NamedBase::Value(value) = base {
            // If one half is invalid, neither is taken.
            self.base.clear();
            self.canonicalizer.value(value, &mut self.base)?;
        }
        self.push(change, OP_PUT, at, decode::NamedBase::Absent)?;
        self.key = old;
        self.value.clear();
        self.push(change, OP_DELETE, at, base)
    }

    /// Returns the keys that a rejected record may have.
    fn rejected_keys(&mut self, op: &Op<'_>, store: &ObjectStore) -> Vec<SortableKey> {
        match *op {
            Op::Put { key, value, .. } => {
                rejected_keys(key, Some(value), store, &mut self.canonicalizer)
            }
            Op::Delete { .. } | Op::DeleteRange { .. } | Op::Clear { .. } => Vec::new(),
        }
    }

    fn explicit_key(&mut self, key: &[u8]) -> Result<(), LineRefusal> {
        self.key_text.clear();
        self.key.clear();
        self.canonicalizer.key(key, &mut self.key_text).map_err(|error| unreadable(key, error))?;
        Ok(sortable_key_of(&self.key_text, &mut self.key)?)
    }

    fn bound(&mut self, bound: Option<decode::RangeEnd<'_>>) -> Result<Option<Bound>, LineRefusal> {
        let Some(bound) = bound else { return Ok(None) };
        self.explicit_key(bound.key)?;
        Ok(Some(Bound { key: SortableKey::trusted(&self.key), open: bound.open }))
    }

    fn range(
        &mut self,
        change: &Change<'_>,
        lower: Option<Bound>,
        upper: Option<Bound>,
        at: Option<i64>,
    ) -> Result<(), LineRefusal> {
        if let (Some(lower), Some(upper)) = (&lower, &upper)
            && (lower.key > upper.key || (lower.key == upper.key && (lower.open || upper.open)))
        {
            // `IDBKeyRange` throws a `DataError` for these bounds.
            return Err(LineRefusal::Reject(
                code::INVALID_RANGE,
                "no key can be between these bounds".to_owned(),
            ));
        }
        if self.changes.ranges.len() >= MAX_RANGES {
            return Err(LineRefusal::TooManyRanges);
        }
        let clock = self.clamp(at);
        self.changes.ranges.push(RangeChange {
            store: change.store,
            index: change.index,
            lower,
            upper,
            clock,
        });
        Ok(())
    }

    fn clamp(&mut self, at: Option<i64>) -> Option<i64> {
        self.clamped += u64::from(at.is_some_and(|at| at > self.latest));
        at.map(|at| at.min(self.latest))
    }

    fn push(
        &mut self,
        change: &Change<'_>,
        op: u8,
        at: Option<i64>,
        base: decode::NamedBase<'_>,
    ) -> Result<(), LineRefusal> {
        let rules = self.rules.get(change.store);
        // The clock in the value counts only if the change itself has none.
        let clock = rules.and_then(|rules| rules.clock).filter(|_| at.is_none() && op == OP_PUT);
        let at = at.or_else(|| clock_at(&self.value, clock?));
        self.base.clear();
        if let decode::NamedBase::Value(value) = base {
            self.canonicalizer
                .value(value, &mut self.base)
                .map_err(|error| unreadable(value, error))?;
        }
        if let Some(private) = self.rules.get(change.store).and_then(|rules| rules.private.as_ref())
        {
            // Fields are hidden in the base too, so that a merge compares like with like.
            if !self.base.is_empty() {
                self.hider.hide(private, &mut self.base)?;
            }
            if op == OP_PUT {
                let hidden = self.hider.hide(private, &mut self.value)?;
                self.hidden.add(hidden);
            }
        }
        let known = |named| self.states.len() < MAX_BASE_STATES || self.states.contains(&named);
        if matches!(base, decode::NamedBase::State(version, state) if !known((version, state))) {
            return Err(LineRefusal::States);
        }
        let at = self.clamp(at);
        let base = match base {
            decode::NamedBase::None => BaseBytes::None,
            decode::NamedBase::Absent => BaseBytes::Absent,
            decode::NamedBase::Version(version) => BaseBytes::Version(version),
            decode::NamedBase::State(version, state) => {
                self.states.insert((version, state));
                BaseBytes::Version(version)
            }
            decode::NamedBase::Value(_) => BaseBytes::Value(&self.base),
        };
        self.unsent.clear();
        if !change.notes.unsent.is_empty() {
            self.canonicalizer.value(change.notes.unsent, &mut self.unsent)?;
        }
        let record = Record {
            store: change.store as u32,
            key: &self.key,
            index: change.index,
            op,
            at,
            base,
            value: &self.value,
            unsent: &self.unsent,
        };
        self.changes.deletes += u64::from(op == OP_DELETE);
        Ok(self.changes.runs.push(&record)?)
    }
}

/// Returns the refusal for text that is not a value. It names the words that programs write for
/// numbers that JSON does not have.
fn unreadable(text: &[u8], error: ValueError) -> LineRefusal {
    const WORDS: [&str; 3] = ["NaN", "Infinity", "-Infinity"];
    let rest = text.get(error.offset..).unwrap_or_default();
    let word = WORDS.iter().find(|word| rest.starts_with(word.as_bytes()));
    match word.filter(|_| error.reason == ValueErrorReason::Syntax) {
        None => error.into(),
        Some(word) => LineRefusal::Reject(
            error.code(),
            format!(
                "{word} is not JSON, at byte {} of the value; write {} or null (in Python, \
                 json.dumps with allow_nan=False finds it before it is sent)",
                error.offset,
                special_number_text(word),
            ),
        ),
    }
}

/// Returns the clock that a value contains: a Date, or milliseconds since 1970.
pub fn clock_at(value: &[u8], path: &FieldPath) -> Option<i64> {
    let names = path.steps().iter().map(|step| match step {
        PathStep::Member(name) => Some(name.as_slice()),
        PathStep::Elements => None,
    });
    let found = at_members(value, names.collect::<Option<Vec<_>>>()?)?;
    let number = std::str::from_utf8(date_text(found).unwrap_or(found)).ok()?;
    number.parse().ok().filter(|at| (-MAX_DATE_MS..=MAX_DATE_MS).contains(at))
}
