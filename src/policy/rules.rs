//! A policy, read and checked: what a merge asks.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::conflict_type::ConflictType;
use super::expression::Expression;
use super::path::FieldPath;
use super::privacy::Privacy;
use super::resolver::{Resolver, ThreeWay};
use crate::indexeddb::dom_string::DomString;

/// The rules of one database.
#[derive(Clone, Debug)]
pub struct Policy {
    /// For object stores that have no rules of their own.
    pub default: StorePolicy,
    /// By object store; each whole, with the defaults in it.
    pub stores: BTreeMap<DomString, StorePolicy>,
    /// How long deletions are remembered; `None`: for ever.
    pub tombstones: Option<Tombstones>,
    /// How far ahead of the time of receipt a claimed clock may be, in milliseconds; `None`: as the option says.
    pub max_skew_ms: Option<i64>,
}

/// How long deletions are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tombstones {
    /// In milliseconds; at least `longest_offline_ms`.
    pub keep_ms: i64,
    /// The longest time that a source may be away, in milliseconds.
    pub longest_offline_ms: i64,
}

/// The rules of one object store.
#[derive(Clone, Debug)]
pub struct StorePolicy {
    /// What the rules are called in logs: the object store's name, or `defaults`.
    pub scope: Arc<str>,
    /// No policy file stands behind it.
    pub builtin: bool,
    /// How a conflict is found.
    pub detect: Detect,
    /// Where a change without a clock of its own has one: a Date, or milliseconds since 1970.
    pub clock_field: Option<FieldPath>,
    /// Every change is judged by the resolvers, whatever it had seen, so that the order of arrival does not matter.
    pub commutative: bool,
    /// Conditional rules; the first that fits decides.
    pub rules: Vec<Rule>,
    /// What decides conflicts of a type, in the order of [`ConflictType::ALL`]; `None`: such conflicts are not looked for.
    pub types: [Option<Resolver>; ConflictType::ALL.len()],
    /// Fields that have a resolver of their own, and groups of fields that are resolved as one.
    pub fields: Vec<FieldRule>,
    /// What happens when nothing else decides.
    pub unresolved: Unresolved,
    /// What is left out, hidden or hashed before anything is stored.
    pub privacy: Privacy,
}

/// How a conflict is found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Detect {
    /// Head's record is newer than what the change had seen.
    #[default]
    BaseRevision,
    /// As base revision, and both sides changed the same field differently.
    ChangedFields,
    /// The change's clock is not later than head's.
    Clock,
    /// The member's value is not the one that the change started from; each change adds one.
    VersionField(FieldPath),
    /// The member's value is not the one that the change started from, or not later than head's.
    TimestampField(FieldPath),
}

/// A rule with a condition.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name in logs, with its scope: `orders/shipped orders are locked`.
    pub name: Arc<str>,
    /// The types that it is tried for.
    pub types: Vec<ConflictType>,
    /// `None`: it always fits.
    pub when: Option<Expression>,
    /// What decides.
    pub then: Resolver,
}

/// A resolver for one field, or for a group of fields as one.
#[derive(Clone, Debug)]
pub struct FieldRule {
    /// Its name in logs: the field's path, or the group's name.
    pub name: Arc<str>,
    /// The fields; several are a group.
    pub paths: Vec<FieldPath>,
    /// What decides.
    pub resolver: Resolver,
}

/// What happens when nothing else decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unresolved {
    /// The change waits for a person.
    #[default]
    Park,
    /// Head stays.
    HeadWins,
    /// The change stands.
    IncomingWins,
    /// The later clock.
    LastWriteWins,
    /// The whole batch is refused.
    Fail,
}

impl Policy {
    /// The rules of an object store.
    pub fn store(&self, name: &DomString) -> &StorePolicy {
        self.stores.get(name).unwrap_or(&self.default)
    }
}

impl StorePolicy {
    /// What decides conflicts of this type; `None`: they are not looked for.
    pub fn resolver(&self, conflict: ConflictType) -> Option<&Resolver> {
        self.types.get(conflict as usize).and_then(Option::as_ref)
    }
}

/// The types that no policy and no scope names: by [`ConflictType::ALL`].
fn types(of: impl Fn(ConflictType) -> Option<Resolver>) -> [Option<Resolver>; ConflictType::ALL.len()] {
    ConflictType::ALL.map(of)
}

impl StorePolicy {
    /// What a scope is before a policy file says anything.
    pub fn unsaid() -> Self {
        use ConflictType as T;
        Self {
            scope: "defaults".into(),
            builtin: false,
            detect: Detect::default(),
            clock_field: None,
            commutative: false,
            rules: Vec::new(),
            types: types(|conflict| match conflict {
                T::InsertInsert | T::UpdateUpdate => Some(Resolver::ThreeWay(ThreeWay::default())),
                T::UpdateDelete | T::DeleteUpdate | T::UpdateRecentlyDeleted | T::OutOfOrder => {
                    Some(Resolver::LastWriteWins)
                }
                // A page cannot hold two records with one key in a unique index.
                T::UniqueIndex => Some(Resolver::Park),
                T::UpdateMissing | T::DeleteMissing | T::SchemaNewer | T::SchemaOlder => None,
            }),
            fields: Vec::new(),
            unresolved: Unresolved::default(),
            privacy: Privacy::default(),
        }
    }

    /// The built-in default, which holds where there is no policy file: a source's own changes follow each other as they come.
    pub fn builtin() -> Self {
        let unsaid = Self::unsaid();
        let mut types = unsaid.types.clone();
        types[ConflictType::InsertInsert as usize] = Some(Resolver::LastWriteWins);
        types[ConflictType::OutOfOrder as usize] = None;
        Self { scope: "default".into(), types, builtin: true, ..unsaid }
    }
}

impl Default for Policy {
    /// The built-in default.
    fn default() -> Self {
        Self { default: StorePolicy::builtin(), stores: BTreeMap::new(), tombstones: None, max_skew_ms: None }
    }
}
