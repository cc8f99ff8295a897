//! The data of a conflict that is kept in the list `~conflicts`.

use std::sync::Arc;

use super::{ConflictType, Digest, FlowVersion, SourceId};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::{Key, KeyError, SortableKey};
use crate::indexeddb::text;

/// The side that wins a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Winner {
    /// The stored state.
    Head,
    /// The incoming state.
    Incoming,
    /// Members of both sides.
    Merged,
    /// Undecided: head stays, and the change waits.
    Nobody,
}

impl Winner {
    /// Returns the name used in lists and reports.
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
    /// The side's clock: head's `at`, or the time with which incoming is stored.
    pub at: i64,
    /// The side's source.
    pub by: Option<SourceId>,
    /// Digest of the side's canonical value without error stacks; `None` for a deletion.
    pub digest: Option<Digest>,
    /// The whole canonical value, if this side lost.
    pub value: Option<Vec<u8>>,
}

/// The decision about one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldDecision {
    /// The field's path, or the group's name.
    pub field: Arc<str>,
    /// The resolver.
    pub resolver: &'static str,
    /// The side whose value the field has now.
    pub winner: Winner,
}

/// A conflict, decided or parked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The object store.
    pub store: DomString,
    /// The record's key.
    pub key: SortableKey,
    /// The type.
    pub kind: ConflictType,
    /// For a conflict about a unique index: the record with the same index key.
    pub other: Option<SortableKey>,
    /// Name of the rule that decided or parked it.
    pub rule: Arc<str>,
    /// The side that won.
    pub winner: Winner,
    /// The reason why no rule decided, one of a fixed set.
    pub reason: Option<&'static str>,
    /// Decisions about single fields.
    pub fields: Vec<FieldDecision>,
    /// Digest of the base's value, if the base is known and had a record.
    pub base: Option<Digest>,
    /// The base's canonical value, kept if no rule decided.
    pub base_value: Option<Vec<u8>>,
    /// The stored side; `None` if there was neither a record nor a tombstone.
    pub head: Option<Side>,
    /// The incoming side.
    pub incoming: Side,
}

impl Conflict {
    /// Returns the key of the conflict's line in `~conflicts`: flow version, object store, key; and
    /// a number, from this version's second conflict about the record on.
    pub fn list_key(&self, version: FlowVersion, number: u32) -> Result<SortableKey, KeyError> {
        let key = Key::from_sortable(self.key.as_bytes())?;
        let mut parts =
            vec![Key::Number(f64::from(version.get())), Key::String(self.store.clone()), key];
        if number > 1 {
            parts.push(Key::Number(f64::from(number)));
        }
        Key::Array(parts).to_list_key()
    }

    /// Returns the canonical value of the conflict's line; empty members are omitted.
    pub fn to_value(&self) -> Vec<u8> {
        // Canonical JSON has its members in the order of their names.
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
                let (field, winner) =
                    (text::canonical_text(&decision.field), decision.winner.name());
                let resolver = decision.resolver;
                let line = format!(
                    "{{\"field\":{field},\"resolver\":\"{resolver}\",\"winner\":\"{winner}\"}}"
                );
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
        let (rule, kind, winner) =
            (text::canonical_text(&self.rule), self.kind.name(), self.winner.name());
        out.extend_from_slice(
            format!(",\"rule\":{rule},\"type\":\"{kind}\",\"winner\":\"{winner}\"}}").as_bytes(),
        );
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
