//! A conflict as a value: what the list `~conflicts` keeps of it.

use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::{Key, KeyError, SortableKey};
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
}

impl Winner {
    /// Its name in lists and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Incoming => "incoming",
            Self::Merged => "merged",
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

/// A decided conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The object store.
    pub store: DomString,
    /// The record's key.
    pub key: SortableKey,
    /// Type.
    pub kind: ConflictType,
    /// Name of the rule that decided.
    pub rule: &'static str,
    /// Whose state stands.
    pub winner: Winner,
    /// Digest of the base's value, if there was one and it was known.
    pub base: Option<Digest>,
    /// What was stored.
    pub head: Side,
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
        Key::Array(parts).to_sortable()
    }

    /// The canonical value of its line.
    pub fn to_value(&self) -> Vec<u8> {
        let mut out = b"{\"base\":".to_vec();
        write_digest(self.base.as_ref(), &mut out);
        out.extend_from_slice(b",\"head\":");
        self.head.write(&mut out);
        out.extend_from_slice(b",\"incoming\":");
        self.incoming.write(&mut out);
        let (rule, kind, winner) = (self.rule, self.kind.name(), self.winner.name());
        out.extend_from_slice(format!(",\"rule\":\"{rule}\",\"type\":\"{kind}\",\"winner\":\"{winner}\"}}").as_bytes());
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
