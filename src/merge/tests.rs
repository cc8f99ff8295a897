//! Tests that enumerate the rules.

mod detection;
mod fields;
mod members;
mod records;

use super::{Base, Incoming, Resolution, Sides, resolve};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::{SortableKey, sortable_string};
use crate::policy::{FieldPath, FieldRule, Resolver, StorePolicy};
use crate::snapshot::Winner;
use crate::snapshot::{ConflictType, FlowVersion, Line, LineState, Meta, SourceId};

/// Parses a state: `-` is a deletion, anything else a canonical value.
fn state(text: &str) -> LineState {
    if text == "-" { LineState::Delete } else { LineState::Put(text.as_bytes().into()) }
}

fn source(name: &str) -> Option<SourceId> {
    name.parse().ok()
}

fn version(number: u64) -> FlowVersion {
    FlowVersion::new(number).unwrap()
}

fn path(text: &str) -> FieldPath {
    FieldPath::parse(text).unwrap()
}

/// Returns head's line, written by `b` in version 5 at time 100.
fn head(text: &str) -> Line {
    Line {
        key: sortable_string("k"),
        meta: Meta { at: 100, by: source("b"), rev: version(5) },
        state: state(text),
    }
}

fn incoming(text: &str, clock: Option<i64>) -> Incoming {
    Incoming { state: state(text), clock, by: source("a") }
}

/// Returns a policy that decides everything by one resolver.
fn by(resolver: Resolver) -> StorePolicy {
    let unsaid = StorePolicy::unsaid();
    StorePolicy {
        types: unsaid.types.clone().map(|_| Some(resolver.clone())),
        scope: "data".into(),
        ..unsaid
    }
}

fn field(name: &str, resolver: Resolver) -> FieldRule {
    FieldRule { name: name.into(), paths: vec![path(name)], resolver }
}

/// A conflict, written as texts. Without a base nothing is known of it; `!` means that there was no
/// record.
struct Case<'a> {
    kind: ConflictType,
    base: &'a str,
    head: &'a str,
    incoming: &'a str,
    clock: Option<i64>,
}

impl Case<'_> {
    fn resolved(&self, policy: &StorePolicy) -> Resolution {
        let (line, change) = (head(self.head), incoming(self.incoming, self.clock));
        let (store, key): (DomString, SortableKey) = ("data".into(), sortable_string("k"));
        let base = match self.base {
            "" => Base::Unknown,
            "!" => Base::Absent,
            value => Base::Value(value.as_bytes()),
        };
        let sides = Sides {
            kind: self.kind,
            store: &store,
            key: &key,
            head: (!self.head.is_empty()).then_some(&line),
            head_value: if let LineState::Put(value) = &line.state { Some(value) } else { None },
            incoming: &change,
            base,
            received_at: 1_000,
        };
        resolve(policy, &sides, &mut |_| ())
    }

    /// Returns the resulting value: `-` for a deletion, `?` for a parked conflict.
    fn stands(&self, policy: &StorePolicy) -> String {
        let resolution = self.resolved(policy);
        match resolution.winner {
            Winner::Head => self.head.to_owned(),
            Winner::Incoming => self.incoming.to_owned(),
            Winner::Merged => String::from_utf8(resolution.merged.unwrap()).unwrap(),
            Winner::Nobody => "?".to_owned(),
        }
    }
}

/// Returns an update on both sides, without a clock.
fn update<'a>(base: &'a str, head: &'a str, incoming: &'a str) -> Case<'a> {
    Case { kind: ConflictType::UpdateUpdate, base, head, incoming, clock: None }
}
