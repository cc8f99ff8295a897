//! The list `~conflicts`, read back: logged conflicts, their display, and the filter that selects
//! them.

use std::fmt;

use strum::VariantArray as _;

use super::{ConflictType, Digest, FlowVersion, Line, LineState, Side, SourceId, Winner};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::{Key, SortableKey};
use crate::indexeddb::value::{NameValue, all_members, sortable_key_of};

/// A person's decision about a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::VariantArray)]
pub enum Choice {
    /// The stored state.
    Head,
    /// The incoming state.
    Incoming,
    /// The state of the base.
    Base,
    /// A value given by the person.
    Value,
}

impl Choice {
    /// Returns the name used in lists and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Incoming => "incoming",
            Self::Base => "base",
            Self::Value => "value",
        }
    }

    /// Returns the choice with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::VARIANTS.iter().copied().find(|it| it.name() == name)
    }
}

/// The state of a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConflictState {
    /// Undecided: the change waits.
    Parked,
    /// A rule decided.
    Decided,
    /// A person decided.
    Resolved,
}

impl ConflictState {
    /// Returns the name used in lists.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Parked => "parked",
            Self::Decided => "decided",
            Self::Resolved => "resolved",
        }
    }
}

/// A person's decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The time, in milliseconds since 1970.
    pub at: i64,
    /// The choice.
    pub choice: Choice,
}

/// One line of `~conflicts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedConflict {
    /// The line's key: flow version, object store, the record's key; and a number, from the
    /// version's second conflict about the record on.
    pub id: SortableKey,
    /// The flow version in which the two sides met.
    pub version: FlowVersion,
    /// The object store.
    pub store: DomString,
    /// The record's key.
    pub key: SortableKey,
    /// The flow version that last wrote the line, because of the conflict or of its resolution.
    pub rev: FlowVersion,
    /// The type.
    pub kind: ConflictType,
    /// For a conflict about a unique index: the record with the same index key.
    pub other: Option<SortableKey>,
    /// Name of the rule that decided or parked it.
    pub rule: String,
    /// The side that won.
    pub winner: Winner,
    /// The reason why no rule decided.
    pub reason: Option<String>,
    /// Decisions about single fields, as text of the line.
    pub fields: Option<String>,
    /// Digest of the base's value.
    pub base: Option<Digest>,
    /// The base's canonical value, if it is kept.
    pub base_value: Option<Vec<u8>>,
    /// The stored side; `None` if there was neither a record nor a tombstone.
    pub head: Option<Side>,
    /// The incoming side.
    pub incoming: Side,
    /// The person's decision, if there is one.
    pub resolved: Option<Resolved>,
}

/// A line that this release cannot read as a conflict.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("conflict {id}: {what}")]
pub struct ConflictError {
    id: String,
    what: &'static str,
}

impl ConflictError {
    /// Creates the error about the line with this key.
    pub(crate) fn of(id: &SortableKey, what: &'static str) -> Self {
        Self { id: id.to_canonical(), what }
    }
}

/// Returns the record in the key of a line of `~conflicts`: flow version, object store, key.
pub fn record_of(id: &SortableKey) -> Option<(FlowVersion, DomString, SortableKey)> {
    let Ok(Key::Array(parts)) = Key::from_sortable(id.as_bytes()) else { return None };
    let (version, store, key) = match parts.as_slice() {
        [Key::Number(version), Key::String(store), key]
        | [Key::Number(version), Key::String(store), key, _] => {
            (*version, store.clone(), key.to_list_key().ok()?)
        }
        _ => return None,
    };
    // A flow version is an integer of 32 bits.
    let number = version as u64;
    let version = FlowVersion::new(number).filter(|_| number as f64 == version)?;
    Some((version, store, key))
}

impl LoggedConflict {
    /// Parses a line; `value` is its whole canonical value.
    ///
    /// # Errors
    ///
    /// An error that names the line's key and the unreadable part.
    pub fn read(line: &Line, value: &[u8]) -> Result<Self, ConflictError> {
        let wrong = |what| ConflictError::of(&line.key, what);
        let (version, store, key) =
            record_of(&line.key).ok_or_else(|| wrong("its key is none of a conflict"))?;
        let members = ConflictMembers::of(value).ok_or_else(|| wrong("its value is no object"))?;
        let kind = members.text("type").and_then(|name| ConflictType::from_name(&name));
        let winner = members.text("winner").and_then(|name| winner_of(&name));
        // A conflict without a record in head has null there; a line without the member is damaged.
        let head = match members.get("head") {
            Some(b"null") => None,
            side => Some(side.and_then(read_side).ok_or_else(|| wrong("head cannot be read"))?),
        };
        let fields = members.get("fields").map(|fields| {
            match serde_json::from_slice::<serde_json::Value>(fields) {
                Ok(value) if value.is_array() => Ok(String::from_utf8_lossy(fields).into_owned()),
                _ => Err(wrong("fields cannot be read")),
            }
        });
        let other =
            members.get("other").map(|key| read_key(key).ok_or_else(|| wrong("other is no key")));
        let resolved = members
            .get("resolved")
            .map(|text| read_resolved(text).ok_or_else(|| wrong("resolved is no resolution")));
        Ok(Self {
            id: line.key.clone(),
            version,
            store,
            key,
            rev: line.meta.rev,
            kind: kind.ok_or_else(|| wrong("type is none that this release knows"))?,
            other: other.transpose()?,
            rule: members.text("rule").ok_or_else(|| wrong("rule is missing"))?,
            winner: winner.ok_or_else(|| wrong("winner is none that this release knows"))?,
            reason: members.text("reason"),
            fields: fields.transpose()?,
            base: members
                .get("base")
                .and_then(read_digest)
                .ok_or_else(|| wrong("base is no digest"))?,
            base_value: members.get("baseValue").map(<[u8]>::to_vec),
            head,
            incoming: members
                .get("incoming")
                .and_then(read_side)
                .ok_or_else(|| wrong("incoming cannot be read"))?,
            resolved: resolved.transpose()?,
        })
    }

    /// Returns the state of the conflict.
    pub fn state(&self) -> ConflictState {
        match (&self.resolved, self.winner) {
            (Some(_), _) => ConflictState::Resolved,
            (None, Winner::Nobody) => ConflictState::Parked,
            (None, _) => ConflictState::Decided,
        }
    }

    /// Returns canonical JSON of the line without the sides' values: members `base`, `fields` (if
    /// any), `head` (or null), `id`, `incoming`, `key`, `kind`, `other` (for a unique index),
    /// `reason` (if no rule decided), `resolved` (if resolved), `rule`, `state`, `store`, `type`,
    /// `winner`; without a line end.
    pub fn to_json(&self) -> String {
        self.write(None, None, None)
    }

    /// As [`Self::to_json`], with the values of the sides that were found, `baseValue`, and `now`:
    /// the record's current line, or null.
    pub fn to_json_with(
        &self,
        head: Option<&LineState>,
        incoming: Option<&LineState>,
        now: Option<&str>,
    ) -> String {
        self.write(head, incoming, Some(now.unwrap_or("null")))
    }

    fn write(
        &self,
        head: Option<&LineState>,
        incoming: Option<&LineState>,
        now: Option<&str>,
    ) -> String {
        // Canonical JSON has its members in the order of their names.
        let base = self.base.map_or_else(|| "null".to_owned(), |digest| format!("\"{digest}\""));
        let mut out = format!("{{\"base\":{base}");
        if let (Some(_), Some(value)) = (now, &self.base_value) {
            out += &format!(",\"baseValue\":{}", String::from_utf8_lossy(value));
        }
        if let Some(fields) = &self.fields {
            out += &format!(",\"fields\":{fields}");
        }
        let side =
            self.head.as_ref().map_or_else(|| "null".to_owned(), |side| side_json(side, head));
        out += &format!(",\"head\":{side},\"id\":{}", self.id.to_canonical());
        out += &format!(",\"incoming\":{}", side_json(&self.incoming, incoming));
        out += &format!(",\"key\":{},\"kind\":\"{}\"", self.key.to_canonical(), self.kind.name());
        if let Some(now) = now {
            out += &format!(",\"now\":{now}");
        }
        if let Some(other) = &self.other {
            out += &format!(",\"other\":{}", other.to_canonical());
        }
        if let Some(reason) = &self.reason {
            out += &format!(",\"reason\":{}", crate::indexeddb::text::canonical_text(reason));
        }
        if let Some(Resolved { at, choice }) = self.resolved {
            out += &format!(
                ",\"resolved\":{{\"at\":{at},\"use\":\"{}\",\"version\":{}}}",
                choice.name(),
                self.rev
            );
        }
        let (rule, store) =
            (crate::indexeddb::text::canonical_text(&self.rule), self.store.to_canonical());
        let (state, winner) = (self.state().name(), self.winner.name());
        out += &format!(
            ",\"rule\":{rule},\"state\":\"{state}\",\"store\":{store},\"type\":\"conflict\",\"winner\":\"{winner}\"}}"
        );
        out
    }
}

/// A selection of conflicts: those that match all given criteria.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConflictFilter {
    /// Only conflicts in this state; `None`: all.
    pub state: Option<ConflictState>,
    /// Only conflicts in this object store.
    pub store: Option<DomString>,
    /// Only conflicts about records with this key.
    pub key: Option<SortableKey>,
    /// Only conflicts of this type.
    pub kind: Option<ConflictType>,
    /// Only conflicts decided or parked by the rule with this name.
    pub rule: Option<String>,
    /// Only conflicts with this source on either side.
    pub source: Option<SourceId>,
    /// Only conflicts of this flow version or later.
    pub since: Option<FlowVersion>,
}

impl ConflictFilter {
    /// True if the conflict matches.
    pub fn admits(&self, conflict: &LoggedConflict) -> bool {
        fn fits<T: PartialEq>(wanted: Option<&T>, there: &T) -> bool {
            wanted.is_none_or(|wanted| wanted == there)
        }
        let by = |source: &SourceId| {
            let head = conflict.head.as_ref().and_then(|head| head.by.as_ref());
            conflict.incoming.by.as_ref() == Some(source) || head == Some(source)
        };
        fits(self.state.as_ref(), &conflict.state())
            && fits(self.store.as_ref(), &conflict.store)
            && fits(self.key.as_ref(), &conflict.key)
            && fits(self.kind.as_ref(), &conflict.kind)
            && fits(self.rule.as_ref(), &conflict.rule)
            && self.source.as_ref().is_none_or(by)
            && self.since.is_none_or(|since| conflict.version >= since)
    }

    /// Returns the first key in the list that may match.
    pub fn first_key(&self) -> Option<SortableKey> {
        let since = Key::Number(f64::from(self.since?.get()));
        Key::Array(vec![since]).to_list_key().ok()
    }
}

/// Adds a person's decision to a line's value. `lost` is the value that the decision replaces, and
/// its side. Returns `None` if the value is not an object.
pub(crate) fn resolved_value(
    value: &[u8],
    resolved: Resolved,
    lost: Option<(Choice, &[u8])>,
) -> Option<Vec<u8>> {
    let Resolved { at, choice } = resolved;
    let resolution = format!("{{\"at\":{at},\"use\":\"{}\"}}", choice.name()).into_bytes();
    let mut members: Vec<(Vec<u8>, Vec<u8>)> = all_members(value)?
        .into_iter()
        .map(|(name, value)| (name.to_vec(), value.to_vec()))
        .collect();
    if let Some((side, lost)) = lost
        && let Some((_, text)) = members.iter_mut().find(|(name, _)| name == side.name().as_bytes())
        && ConflictMembers::of(text).is_some_and(|members| members.get("value").is_none())
    {
        // `value` is the last member of a side.
        text.pop();
        text.extend_from_slice(&[b",\"value\":", lost, b"}"].concat());
    }
    members.retain(|(name, _)| name != b"resolved");
    let place = members.partition_point(|(name, _)| name.as_slice() < b"resolved".as_slice());
    members.insert(place, (b"resolved".to_vec(), resolution));
    let mut out = Vec::with_capacity(value.len() + 64);
    for (name, value) in members {
        out.extend_from_slice(if out.is_empty() { b"{\"" } else { b",\"" });
        out.extend_from_slice(&[&name, &b"\":"[..], &value].concat());
    }
    out.push(b'}');
    Some(out)
}

/// The members of an object; the names used here need no escapes.
struct ConflictMembers<'a>(Vec<NameValue<'a>>);

impl<'a> ConflictMembers<'a> {
    fn of(text: &'a [u8]) -> Option<Self> {
        all_members(text).map(Self)
    }

    fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.0.iter().find(|(there, _)| *there == name.as_bytes()).map(|(_, value)| *value)
    }

    fn text(&self, name: &str) -> Option<String> {
        serde_json::from_slice(self.get(name)?).ok()
    }
}

fn winner_of(name: &str) -> Option<Winner> {
    [Winner::Head, Winner::Incoming, Winner::Merged, Winner::Nobody]
        .into_iter()
        .find(|it| it.name() == name)
}

/// Parses a digest or null.
fn read_digest(text: &[u8]) -> Option<Option<Digest>> {
    let text: Option<String> = serde_json::from_slice(text).ok()?;
    text.map_or(Some(None), |digest| digest.parse().ok().map(Some))
}

fn read_key(text: &[u8]) -> Option<SortableKey> {
    let mut key = Vec::new();
    sortable_key_of(text, &mut key).ok()?;
    SortableKey::from_bytes(&key).ok()
}

fn read_side(text: &[u8]) -> Option<Side> {
    let members = ConflictMembers::of(text)?;
    let by = match members.get("by") {
        Some(_) => Some(members.text("by")?.parse().ok()?),
        None => None,
    };
    Some(Side {
        at: serde_json::from_slice(members.get("at")?).ok()?,
        by,
        digest: members.get("digest").and_then(read_digest)?,
        value: members.get("value").map(<[u8]>::to_vec),
    })
}

fn read_resolved(text: &[u8]) -> Option<Resolved> {
    let members = ConflictMembers::of(text)?;
    let at = serde_json::from_slice(members.get("at")?).ok()?;
    Some(Resolved { at, choice: Choice::from_name(&members.text("use")?)? })
}

fn side_json(side: &Side, state: Option<&LineState>) -> String {
    let mut out = format!("{{\"at\":{}", side.at);
    if let Some(by) = &side.by {
        out += &format!(",\"by\":\"{by}\"");
    }
    match &side.digest {
        Some(digest) => out += &format!(",\"digest\":\"{digest}\""),
        None => out += ",\"digest\":null",
    }
    if let Some(LineState::Put(value)) = state {
        out += &format!(",\"value\":{}", String::from_utf8_lossy(value));
    }
    out + "}"
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::{Conflict, Meta};

    fn key(number: f64) -> SortableKey {
        Key::Number(number).to_sortable().unwrap()
    }

    fn side(by: &str, value: &str, kept: bool) -> Side {
        let (at, digest) = (100, Some(Digest::of(value.as_bytes())));
        Side { at, by: by.parse().ok(), digest, value: kept.then(|| value.into()) }
    }

    fn parked() -> Conflict {
        Conflict {
            store: "orders".into(),
            key: key(17.0),
            kind: ConflictType::UpdateUpdate,
            other: None,
            rule: "orders/\u{e9}\"".into(),
            winner: Winner::Nobody,
            reason: Some("park"),
            fields: Vec::new(),
            base: Some(Digest::of(b"0")),
            base_value: Some(b"0".to_vec()),
            head: Some(side("a", "1", false)),
            incoming: side("b", "[{\"~id\":[1,{}]},{\"~ref\":1}]", true),
        }
    }

    fn version(number: u64) -> FlowVersion {
        FlowVersion::new(number).unwrap()
    }

    fn line(conflict: &Conflict, number: u32) -> Line {
        let meta = Meta { at: 100, by: None, rev: version(6) };
        Line { key: conflict.list_key(version(6), number).unwrap(), meta, state: LineState::Delete }
    }

    fn logged(conflict: &Conflict) -> LoggedConflict {
        LoggedConflict::read(&line(conflict, 1), &conflict.to_value()).unwrap()
    }

    #[test]
    fn a_conflict_is_read_as_it_was_written() {
        let conflict = parked();
        let read = logged(&conflict);
        assert_eq!(
            (read.version, &read.store, &read.key),
            (version(6), &conflict.store, &conflict.key)
        );
        assert_eq!(
            (read.kind, read.winner, read.rule.as_str()),
            (conflict.kind, conflict.winner, &*conflict.rule)
        );
        assert_eq!(
            (read.head.as_ref(), &read.incoming),
            (conflict.head.as_ref(), &conflict.incoming)
        );
        assert_eq!((read.base, read.base_value.as_deref()), (conflict.base, Some(&b"0"[..])));
        assert_eq!((read.reason.as_deref(), read.resolved), (Some("park"), None));
        assert_eq!(read.id.to_canonical(), r#"[6,"orders",17]"#);
        let second = LoggedConflict::read(&line(&conflict, 2), &conflict.to_value()).unwrap();
        assert_eq!(
            (second.id.to_canonical().as_str(), second.key),
            (r#"[6,"orders",17,2]"#, conflict.key.clone())
        );
        let nothing =
            Conflict { head: None, base: None, base_value: None, reason: None, ..conflict };
        assert_eq!(logged(&nothing).head, None);
    }

    #[test]
    fn states_and_json() {
        let mut conflict = logged(&parked());
        assert_eq!(conflict.state(), ConflictState::Parked);
        let digest = |value: &str| Digest::of(value.as_bytes());
        let json = format!(
            concat!(
                r#"{{"base":"{}","head":{{"at":100,"by":"a","digest":"{}"}},"id":[6,"orders",17],"#,
                r#""incoming":{{"at":100,"by":"b","digest":"{}"}},"key":17,"kind":"update-update","reason":"park","#,
                r#""rule":"orders/\u00e9\"","state":"parked","store":"orders","type":"conflict","winner":"none"}}"#
            ),
            digest("0"),
            digest("1"),
            digest("[{\"~id\":[1,{}]},{\"~ref\":1}]"),
        );
        assert_eq!(conflict.to_json(), json);
        let head = LineState::Put(b"1".as_slice().into());
        let whole = conflict.to_json_with(Some(&head), None, None);
        assert!(
            whole.contains(r#","baseValue":0,"head":{"at":100,"by":"a","digest":""#),
            "{whole}"
        );
        assert!(
            whole.contains(r#"","value":1},"id""#) && whole.contains(r#","now":null,"#),
            "{whole}"
        );
        conflict.winner = Winner::Head;
        assert_eq!(conflict.state(), ConflictState::Decided);
        conflict.resolved = Some(Resolved { at: 5, choice: Choice::Base });
        assert_eq!(conflict.state(), ConflictState::Resolved);
        assert!(
            conflict.to_json().contains(r#""resolved":{"at":5,"use":"base","version":6},"rule""#)
        );
    }

    #[test]
    fn the_other_record_of_a_unique_index_is_named() {
        let conflict =
            Conflict { kind: ConflictType::UniqueIndex, other: Some(key(3.0)), ..parked() };
        let logged = logged(&conflict);
        assert_eq!(logged.other, Some(key(3.0)));
        assert!(
            logged.to_json().contains(r#","kind":"unique-index","other":3,"reason":"park","#),
            "{}",
            logged.to_json()
        );
        let resolved =
            resolved_value(&conflict.to_value(), Resolved { at: 7, choice: Choice::Head }, None)
                .unwrap();
        assert_eq!(
            LoggedConflict::read(&line(&conflict, 1), &resolved).unwrap().other,
            Some(key(3.0))
        );
    }

    #[test]
    fn a_resolution_is_one_member_and_keeps_what_lost() {
        let value = parked().to_value();
        let resolved = Resolved { at: 7, choice: Choice::Incoming };
        let with =
            |lost| String::from_utf8(resolved_value(&value, resolved, lost).unwrap()).unwrap();
        let text = with(None);
        let member = r#""resolved":{"at":7,"use":"incoming"},"#;
        assert!(text.contains(&format!(r#""reason":"park",{member}"rule""#)), "{text}");
        assert_eq!(text.replace(member, "").into_bytes(), value, "nothing else differs");
        let text = with(Some((Choice::Head, b"1")));
        let read = LoggedConflict::read(&line(&parked(), 1), text.as_bytes()).unwrap();
        assert_eq!((read.resolved, read.head), (Some(resolved), Some(side("a", "1", true))));
        // A value that is kept already is not added again, and a deletion has no value.
        assert_eq!(with(Some((Choice::Incoming, b"1"))), with(None));
        let nothing = Conflict { head: None, ..parked() }.to_value();
        let of_nothing = |lost| resolved_value(&nothing, resolved, lost);
        assert_eq!(of_nothing(Some((Choice::Head, b"1"))), of_nothing(None));
        assert_eq!(resolved_value(b"[]", resolved, None), None);
    }

    #[test]
    fn what_is_no_conflict_is_an_error_that_names_it() {
        let (conflict, value) = (parked(), String::from_utf8(parked().to_value()).unwrap());
        let error = |value: &str| {
            LoggedConflict::read(&line(&conflict, 1), value.as_bytes()).unwrap_err().to_string()
        };
        for (from, to) in [
            ("\"type\":\"update-update\"", "\"type\":\"odd\""),
            ("\"winner\":\"none\"", "\"winner\":1"),
            ("\"base\":\"", "\"base\":\"x"),
            ("\"head\":{", "\"head\":{\"x\":1,"),
            ("\"at\":100", "\"at\":\"x\""),
            ("\"by\":\"a\"", "\"by\":\"a b\""),
            ("\"incoming\":", "\"outgoing\":"),
            ("\"rule\":", "\"resolved\":{\"at\":1,\"use\":\"odd\"},\"rule\":"),
            ("\"rule\":", "\"ruler\":"),
            ("\"rule\":", "\"other\":null,\"rule\":"),
        ] {
            let broken = value.replacen(from, to, 1);
            assert_ne!(broken, value);
            if to.starts_with("\"head\":{\"x\"") {
                // Members that a later release adds are not damage.
                LoggedConflict::read(&line(&conflict, 1), broken.as_bytes()).unwrap();
                continue;
            }
            assert!(error(&broken).starts_with("conflict [6,\"orders\",17]: "), "{broken}");
        }
        for broken in ["", "{", "null", "[1]", "{}", &value[..value.len() / 2]] {
            assert!(error(broken).starts_with("conflict [6,\"orders\",17]: "));
        }
        let odd = Line { key: key(1.0), ..line(&conflict, 1) };
        assert_eq!(LoggedConflict::read(&odd, value.as_bytes()).unwrap_err().id, "1");
        for id in [
            r#"[0,"a",1]"#,
            r#"[1.5,"a",1]"#,
            r#"[-1,"a",1]"#,
            r#"[1,2,3]"#,
            r#"[1,"a"]"#,
            r#"[1,"a",1,2,3]"#,
        ] {
            let id =
                Key::from_json(&serde_json::from_str(id).unwrap()).unwrap().to_sortable().unwrap();
            assert_eq!(record_of(&id), None, "{id:?}");
        }
    }

    #[test]
    fn a_filter_admits_what_fits_all_of_it() {
        let conflict = logged(&parked());
        let all = ConflictFilter {
            state: Some(ConflictState::Parked),
            store: Some("orders".into()),
            key: Some(key(17.0)),
            kind: Some(ConflictType::UpdateUpdate),
            rule: Some("orders/\u{e9}\"".into()),
            source: "b".parse().ok(),
            since: Some(version(6)),
        };
        assert!(all.admits(&conflict) && ConflictFilter::default().admits(&conflict));
        assert!(
            ConflictFilter { source: "a".parse().ok(), ..all.clone() }.admits(&conflict),
            "either side"
        );
        for none in [
            ConflictFilter { state: Some(ConflictState::Decided), ..all.clone() },
            ConflictFilter { store: Some("other".into()), ..all.clone() },
            ConflictFilter { key: Some(key(1.0)), ..all.clone() },
            ConflictFilter { kind: Some(ConflictType::UpdateDelete), ..all.clone() },
            ConflictFilter { rule: Some("other".into()), ..all.clone() },
            ConflictFilter { source: "c".parse().ok(), ..all.clone() },
            ConflictFilter { since: Some(version(7)), ..all.clone() },
        ] {
            assert!(!none.admits(&conflict), "{none:?}");
        }
        assert!(all.first_key().is_some_and(|first| first < conflict.id));
        let later = ConflictFilter { since: Some(version(7)), ..all };
        assert!(later.first_key().is_some_and(|first| first > conflict.id));
    }
}
