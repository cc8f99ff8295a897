//! The words of a history: keys, change lines, batches and steps, and how each is written as input.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::schema::Schema;

/// A key; the order of the variants is IndexedDB's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Number(i64),
    Date(i64),
    Text(String),
    Array(Vec<Self>),
}

impl Key {
    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Number(number) => json!(number),
            Self::Date(date) => json!({ "~date": date }),
            Self::Text(text) => json!(text),
            Self::Array(keys) => keys.iter().map(Self::to_json).collect(),
        }
    }
}

/// An object store and a key in it.
pub(super) type Place = (String, Key);

/// The object store whose keys are out of line.
pub(super) const DATA: &str = "data";
/// The object store whose keys are a member of the values.
pub(super) const ITEMS: &str = "items";

/// An object store that only some database versions have.
pub(super) const EXTRA: &str = "extra";

/// All object stores, in the order of their names.
pub(super) const STORES: [&str; 3] = [DATA, EXTRA, ITEMS];

/// What a change line says that its sender started from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Claim {
    Version(u32),
    /// A version, and which one's state is named beside it.
    State(u32, u32),
    Value(Value),
    Absent,
}

/// Returns a version with its state, or with another one's. The state itself is known only to who has stored it.
fn with_state(version: u32, state_of: u32) -> Value {
    json!({"version": version, "state": format!("{STATE_OF}{state_of:06}")})
}

/// Placeholder for the state of the version whose number follows, in six digits.
pub(super) const STATE_OF: &str = "the state of version ";

impl Claim {
    fn to_json(&self) -> Value {
        match self {
            Self::Version(version) => json!(version),
            Self::State(version, of) => with_state(*version, *of),
            Self::Value(value) => json!({ "value": value }),
            Self::Absent => json!({ "absent": true }),
        }
    }
}

/// A bound of a range: the key, and whether it is itself outside.
pub(super) type Bound = Option<(Key, bool)>;

/// What a change line does.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Op {
    Put {
        key: Key,
        value: Value,
    },
    Delete {
        key: Key,
    },
    Range {
        lower: Bound,
        upper: Bound,
    },
    Clear,
    /// A line that is rejected for this reason; `text` is the whole line, `key` what can be read of its key.
    /// The line's own `store` is empty if the text does not say it.
    Bad {
        reason: &'static str,
        text: String,
        key: Option<Key>,
    },
}

/// A change line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) store: String,
    pub(super) op: Op,
    pub(super) at: Option<i64>,
    pub(super) base: Option<Claim>,
}

impl Line {
    /// Returns the record that a put or a delete names.
    pub(super) fn place(&self) -> Option<Place> {
        match &self.op {
            Op::Put { key, .. } | Op::Delete { key } => Some((self.store.clone(), key.clone())),
            _ => None,
        }
    }

    fn to_text(&self) -> String {
        let mut line = json!({ "store": self.store });
        let mut set = |name: &str, value: Value| line[name] = value;
        match &self.op {
            Op::Put { key, value } => {
                set("op", json!("put"));
                set("key", key.to_json());
                set("value", value.clone());
            }
            Op::Delete { key } => {
                set("op", json!("delete"));
                set("key", key.to_json());
            }
            Op::Range { lower, upper } => {
                set("op", json!("delete-range"));
                for (name, open, bound) in
                    [("lower", "lowerOpen", lower), ("upper", "upperOpen", upper)]
                {
                    if let Some((key, is_open)) = bound {
                        set(name, key.to_json());
                        set(open, json!(is_open));
                    }
                }
            }
            Op::Clear => set("op", json!("clear")),
            Op::Bad { text, .. } => return text.clone(),
        }
        if let Some(at) = self.at {
            set("at", json!(at));
        }
        if let Some(base) = &self.base {
            set("base", base.to_json());
        }
        line.to_string()
    }
}

/// The numbers of a sequenced batch.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sequence {
    pub(super) epoch: String,
    pub(super) first: u64,
    pub(super) last: u64,
}

/// What a caller says about a new epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answered {
    Keep,
    Mirror,
}

/// A batch, and what its caller says beside it.
#[derive(Clone, Debug, PartialEq, Default)]
pub(super) struct Batch {
    pub(super) source: Option<String>,
    pub(super) sequence: Option<Sequence>,
    pub(super) base: Option<u32>,
    /// The state beside the base: that of this version.
    pub(super) base_state: Option<u32>,
    pub(super) full: bool,
    pub(super) schema: Schema,
    pub(super) lines: Vec<Line>,
    /// The object store that the header leaves out.
    pub(super) without: Option<&'static str>,
    pub(super) received_at: i64,
    pub(super) delivery: Option<String>,
    pub(super) pull: bool,
    pub(super) new_epoch: Option<Answered>,
    /// If the guard refuses, its plan is confirmed.
    pub(super) confirms: bool,
}

impl Batch {
    /// Returns true if the header names the object store.
    pub(super) fn has(&self, store: &str) -> bool {
        self.without != Some(store) && self.schema.store(store).is_some()
    }

    /// Returns the batch as `indexeddb-changes/1`.
    pub(super) fn to_text(&self) -> String {
        let stores = self.schema.stores.iter().filter(|shape| self.has(shape.name));
        let stores: Vec<_> = stores.map(|shape| shape.to_json()).collect();
        let mut header = json!({"format": "indexeddb-changes/1", "database": "shop", "stores": stores,
            "databaseVersion": self.schema.version});
        if let Some(source) = &self.source {
            header["source"] = json!(source);
        }
        if let Some(Sequence { epoch, first, last }) = &self.sequence {
            (header["epoch"], header["first"], header["last"]) =
                (json!(epoch), json!(first), json!(last));
        }
        if let Some(base) = self.base {
            header["base"] = self.base_state.map_or(json!(base), |of| with_state(base, of));
        }
        if self.full {
            header["mode"] = json!("full");
        }
        let mut text = format!("{header}\n");
        for line in &self.lines {
            writeln!(text, "{}", line.to_text()).unwrap();
        }
        writeln!(text, "{}", json!({ "op": "end", "count": self.lines.len() })).unwrap();
        text
    }

    /// Returns what the caller says, for people.
    pub(super) fn caller(&self) -> String {
        let Self { received_at, delivery, pull, new_epoch, confirms, without, .. } = self;
        format!(
            "received_at={received_at} delivery={delivery:?} pull={pull} new_epoch={new_epoch:?} \
             confirms={confirms} without={without:?}"
        )
    }
}

/// A step of a history.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// One batch.
    Send(Batch),
    /// A package of batches, all received at the first one's time.
    Package(Vec<Batch>),
}
