//! Reads the cases in a policy file.

use std::sync::Arc;

use super::MAX_CASES;
use super::fault::{ByteSpan, Fault};
use super::names::CASE;
use super::reader::{Reader, TomlTable, Value};
use super::scope::DATABASE_WIDE;
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::{Key, SortableKey};
use crate::snapshot::ConflictType;

/// One case: the given base, head and change, and the expected outcome. Values are canonical.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The case's name.
    pub name: Arc<str>,
    /// The place in the file.
    pub place: ByteSpan,
    /// The object store.
    pub store: DomString,
    /// The record's key.
    pub key: SortableKey,
    /// The base that the change started from.
    pub base: CaseBase,
    /// The stored state; `None` if there is none.
    pub head: Option<CaseState>,
    /// The incoming state.
    pub incoming: CaseState,
    /// Head's clock, in milliseconds since 1970; 0 by default.
    pub head_at: i64,
    /// The clock of the change.
    pub incoming_at: Option<i64>,
    /// The time of receipt. By default, the later of the two clocks, so that no clock is clamped.
    pub received_at: Option<i64>,
    /// The source that wrote head.
    pub head_by: String,
    /// The source of the change.
    pub incoming_by: String,
    /// The expected outcome.
    pub expect: Expectation,
}

/// The base of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaseBase {
    /// The base is unknown.
    Unknown,
    /// The record did not exist.
    Absent,
    /// The record had this value.
    Value(Vec<u8>),
}

/// A side of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaseState {
    /// A value.
    Value(Vec<u8>),
    /// A deletion.
    Deleted,
}

/// The expected outcome of a case. Fields that are `None` are not compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expectation {
    /// The stored state, or the fate of the change.
    pub result: Option<CaseResult>,
    /// The expected detection.
    pub detection: Option<ExpectedDetection>,
    /// The name of the rule that decided.
    pub rule: Option<String>,
}

/// The outcome of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaseResult {
    /// This value is stored.
    Value(Vec<u8>),
    /// A tombstone is stored.
    Deleted,
    /// Neither a record nor a tombstone is stored.
    Absent,
    /// The change is parked for a person to decide.
    Parked,
    /// The whole batch is refused.
    Failed,
}

/// The expected detection of a case's change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectedDetection {
    /// There is nothing to do.
    Equal,
    /// The change follows head.
    FastForward,
    /// Both sides changed, but no field differently.
    Merged,
    /// A conflict of this type.
    Conflict(ConflictType),
}

impl ExpectedDetection {
    /// Returns the name in cases.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::FastForward => "fast-forward",
            Self::Merged => "merged",
            Self::Conflict(conflict) => conflict.name(),
        }
    }
}

/// The source of head by default.
const HEAD: &str = "head";
/// The source of the change by default.
const INCOMING: &str = "incoming";

impl<'a> Reader<'a> {
    /// Reads `[[tests]]`.
    pub(super) fn cases(&mut self, value: &Value<'a>) -> Vec<Case> {
        let tables = self.tables(value, "tests");
        if !self.limit(&value.span(), tables.len(), MAX_CASES, "cases") {
            return Vec::new();
        }
        let mut cases: Vec<Case> = Vec::new();
        for (table, place) in tables {
            let Some(case) = self.case(table, &place) else { continue };
            if cases.iter().any(|other| other.name == case.name) {
                let message = format!("there is a case {:?} already", case.name);
                self.fault(
                    Fault::new(case.place.clone(), message)
                        .help("a report names cases by their names"),
                );
            }
            cases.push(case);
        }
        cases
    }

    fn case(&mut self, table: &TomlTable<'a>, place: &ByteSpan) -> Option<Case> {
        self.known(table, CASE, "a case");
        let name = self.name(table, place, "a case");
        let store = match table.get("store") {
            Some(value) => self.string(value, "store").map(DomString::from),
            None => {
                let fault = Fault::new(place.clone(), "a case needs `store`");
                self.fault(fault.help("write the object store that the record is in"));
                None
            }
        };
        let key = self.key(table);
        let base = self.side(table, "base", "base-absent");
        let head = self.side(table, "head", "head-deleted");
        let incoming = self.side(table, "incoming", "incoming-deleted");
        if incoming == Some(None) {
            let fault =
                Fault::new(place.clone(), "a case needs `incoming`, or `incoming-deleted = true`");
            self.fault(fault.help("write what the change brings"));
        }
        let clock = |reader: &mut Self, name: &str| {
            table
                .get(name)
                .map(|value| reader.clock(value, name))
                .map_or(Some(None), |it| it.map(Some))
        };
        let (head_at, incoming_at) = (clock(self, "head-at"), clock(self, "incoming-at"));
        let received_at = clock(self, "received-at");
        let (head_by, incoming_by) =
            (self.source(table, "head-by", HEAD), self.source(table, "incoming-by", INCOMING));
        let expect = self.expectation(table, place);
        // Nothing above returns early, so that all faults of a case are reported together.
        let (name, place) = name?;
        let (head_at, incoming_at) = (head_at?.unwrap_or(0), incoming_at?);
        Some(Case {
            name,
            place,
            store: store?,
            key: key?,
            base: match base? {
                None => CaseBase::Unknown,
                Some(CaseState::Deleted) => CaseBase::Absent,
                Some(CaseState::Value(value)) => CaseBase::Value(value),
            },
            head: head?,
            incoming: incoming??,
            head_at,
            incoming_at,
            received_at: received_at?,
            head_by: head_by?,
            incoming_by: incoming_by?,
            expect: expect?,
        })
    }

    /// Reads the record's key, which is 1 by default.
    fn key(&mut self, table: &TomlTable<'a>) -> Option<SortableKey> {
        let canonical = match table.get("key") {
            Some(value) => self.canonical(value)?,
            None => b"1".to_vec(),
        };
        let key =
            serde_json::from_slice(&canonical).ok().and_then(|json| Key::from_json(&json).ok());
        let key = key.and_then(|key| key.to_sortable().ok());
        if let (None, Some(value)) = (&key, table.get("key")) {
            let fault = Fault::new(value.span(), "this is no key of IndexedDB");
            self.fault(
                fault.help("a key is a number, a text, a date and time, or an array of those"),
            );
        }
        key
    }

    /// Reads a side: at most one of the value, its text, and the flag for no value.
    fn side(&mut self, table: &TomlTable<'a>, name: &str, flag: &str) -> Option<Option<CaseState>> {
        let text = format!("{name}-json");
        let said: Vec<_> = [name, &text, flag]
            .into_iter()
            .filter_map(|it| Some((it.to_owned(), table.get(it)?)))
            .collect();
        match said.as_slice() {
            [] => Some(None),
            [(one, value)] => {
                if one == flag {
                    return Some(self.flag(table, flag).then_some(CaseState::Deleted));
                }
                let value = if one == name {
                    self.canonical(value)
                } else {
                    self.canonical_text(value, &text)
                };
                value.map(|value| Some(CaseState::Value(value)))
            }
            [(first, _), (second, value), ..] => {
                let fault =
                    Fault::new(value.span(), format!("a case has either {first} or {second}"));
                self.fault(fault.help("leave one of them out"));
                None
            }
        }
    }

    /// Reads a source id, which has the same form as everywhere.
    fn source(&mut self, table: &TomlTable<'a>, name: &str, default: &str) -> Option<String> {
        let Some(value) = table.get(name) else { return Some(default.to_owned()) };
        let id = self.string(value, name)?;
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-');
        if id.is_empty() || id.len() > 64 || !id.chars().all(legal) {
            let fault = Fault::new(value.span(), format!("{name} is no source: {id:?}"));
            self.fault(fault.help("1 to 64 of A-Z a-z 0-9 . _ : -"));
            return None;
        }
        Some(id.to_owned())
    }

    fn expectation(&mut self, table: &TomlTable<'a>, place: &ByteSpan) -> Option<Expectation> {
        let result = self.side(table, "expect", "expect-deleted")?.map(|state| match state {
            CaseState::Value(value) => CaseResult::Value(value),
            CaseState::Deleted => CaseResult::Deleted,
        });
        let absent = self.flag(table, "expect-absent").then_some(CaseResult::Absent);
        let parked = self.flag(table, "expect-parked").then_some(CaseResult::Parked);
        let failed = self.flag(table, "expect-failed").then_some(CaseResult::Failed);
        let mut results = [result, absent, parked, failed].into_iter().flatten();
        let result = results.next();
        if results.next().is_some() {
            self.fault(
                Fault::new(place.clone(), "a case expects one result")
                    .help("leave all but one expect-... out"),
            );
            return None;
        }
        let detection = match table.get("type") {
            Some(value) => Some(self.detection(value)?),
            None => None,
        };
        let rule = match table.get("rule") {
            Some(value) => Some(self.string(value, "rule")?.to_owned()),
            None => None,
        };
        if result.is_none() && detection.is_none() && rule.is_none() {
            let fault = Fault::new(place.clone(), "a case must expect something");
            self.fault(fault.help(
                "write expect, expect-deleted, expect-absent, expect-parked, \
                    expect-failed, type or rule",
            ));
            return None;
        }
        Some(Expectation { result, detection, rule })
    }

    fn detection(&mut self, value: &Value<'a>) -> Option<ExpectedDetection> {
        let name = self.string(value, "type")?;
        let plain =
            [ExpectedDetection::Equal, ExpectedDetection::FastForward, ExpectedDetection::Merged];
        if let Some(found) = plain.into_iter().find(|it| it.name() == name) {
            return Some(found);
        }
        let conflict = self.conflict_type(name, value.span())?;
        if DATABASE_WIDE.contains(&conflict) {
            let message = format!("no case can come to {name:?}: it is no matter of one record");
            self.fault(Fault::new(value.span(), message).help("leave the case out"));
            return None;
        }
        Some(ExpectedDetection::Conflict(conflict))
    }
}
