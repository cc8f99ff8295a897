//! A conflict as a value: what the list `~conflicts` keeps of it.

use std::sync::Arc;

use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::{Key, KeyError, SortableKey};
use crate::indexeddb::text;
use crate::policy::ConflictType;
use crate::snapshot::{Digest, FlowVersion, SourceId};

/// Whose state stands after a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Winner {
    /// What was stored.
    Head,
    /// What came.
    Incoming,
    /// Members of both.
    Merged,
    /// Nobody decided: head stands, and the change waits.
    Nobody,
}

impl Winner {
    /// Its name in lists and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Incoming => "incoming",
            Self::Merged => "merged",
            Self::Nobody => "none",
        }
    }
}

/// One side of a conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// Its clock: head's `at`, or the time that incoming is stored with.
    pub at: i64,
    /// Its source.
    pub by: Option<SourceId>,
    /// Digest of its canonical value without error stacks; `None` if it deletes.
    pub digest: Option<Digest>,
    /// The canonical value, kept whole if this side lost.
    pub value: Option<Vec<u8>>,
}

/// What decided about one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldDecision {
    /// The field's path, or the group's name.
    pub field: Arc<str>,
    /// The resolver.
    pub resolver: &'static str,
    /// Whose value it has now.
    pub winner: Winner,
}

/// A conflict, decided or parked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The object store.
    pub store: DomString,
    /// The record's key.
    pub key: SortableKey,
    /// Type.
    pub kind: ConflictType,
    /// Of a conflict about a unique index: the record that has the same key in it.
    pub other: Option<SortableKey>,
    /// Name of the rule that decided.
    pub rule: Arc<str>,
    /// Whose state stands.
    pub winner: Winner,
    /// Why nobody decided, in fixed words.
    pub reason: Option<&'static str>,
    /// What decided about single fields.
    pub fields: Vec<FieldDecision>,
    /// Digest of the base's value, if there was one and it was known.
    pub base: Option<Digest>,
    /// The base's canonical value, kept if nobody decided.
    pub base_value: Option<Vec<u8>>,
    /// What was stored; `None`: neither a record nor a tombstone.
    pub head: Option<Side>,
    /// What came.
    pub incoming: Side,
}

impl Conflict {
    /// The key of its line in `~conflicts`: flow version, object store, key, and from the second conflict of this record in
    /// this version on their number.
    pub fn list_key(&self, version: FlowVersion, number: u32) -> Result<SortableKey, KeyError> {
        let key = Key::from_sortable(self.key.as_bytes())?;
        let mut parts = vec![Key::Number(f64::from(version.get())), Key::String(self.store.clone()), key];
        if number > 1 {
            parts.push(Key::Number(f64::from(number)));
        }
        Key::Array(parts).to_list_key()
    }

    /// The canonical value of its line; members that say nothing are left out.
    pub fn to_value(&self) -> Vec<u8> {
        let mut out = b"{\"base\":".to_vec();
        write_digest(self.base.as_ref(), &mut out);
        if let Some(value) = &self.base_value {
            out.extend_from_slice(b",\"baseValue\":");
            out.extend_from_slice(value);
        }
        if !self.fields.is_empty() {
            out.extend_from_slice(b",\"fields\":[");
            for (place, decision) in self.fields.iter().enumerate() {
                out.extend_from_slice(if place > 0 { b"," } else { b"" });
                let (field, winner) = (text::canonical_text(&decision.field), decision.winner.name());
                let resolver = decision.resolver;
                let line = format!("{{\"field\":{field},\"resolver\":\"{resolver}\",\"winner\":\"{winner}\"}}");
                out.extend_from_slice(line.as_bytes());
            }
            out.push(b']');
        }
        out.extend_from_slice(b",\"head\":");
        match &self.head {
            Some(head) => head.write(&mut out),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"incoming\":");
        self.incoming.write(&mut out);
        if let Some(other) = &self.other {
            out.extend_from_slice(format!(",\"other\":{}", other.to_canonical()).as_bytes());
        }
        if let Some(reason) = self.reason {
            out.extend_from_slice(format!(",\"reason\":\"{reason}\"").as_bytes());
        }
        let (rule, kind, winner) = (text::canonical_text(&self.rule), self.kind.name(), self.winner.name());
        out.extend_from_slice(format!(",\"rule\":{rule},\"type\":\"{kind}\",\"winner\":\"{winner}\"}}").as_bytes());
        out
    }
}

impl Side {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("{{\"at\":{}", self.at).as_bytes());
        if let Some(by) = &self.by {
            out.extend_from_slice(format!(",\"by\":\"{by}\"").as_bytes());
        }
        out.extend_from_slice(b",\"digest\":");
        write_digest(self.digest.as_ref(), out);
        if let Some(value) = &self.value {
            out.extend_from_slice(b",\"value\":");
            out.extend_from_slice(value);
        }
        out.push(b'}');
    }
}

fn write_digest(digest: Option<&Digest>, out: &mut Vec<u8>) {
    match digest {
        Some(digest) => out.extend_from_slice(format!("\"{digest}\"").as_bytes()),
        None => out.extend_from_slice(b"null"),
    }
}
