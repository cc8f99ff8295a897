//! A policy that has been read and checked, as a merge uses it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::expression::Expression;
use super::path::FieldPath;
use super::privacy::Privacy;
use super::resolver::{Resolver, ThreeWay};
use crate::indexeddb::dom_string::DomString;
use crate::snapshot::ConflictType;

/// The rules of one database.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The rules of object stores without their own rules.
    pub default: StorePolicy,
    /// The rules by object store, each complete with the defaults.
    pub stores: BTreeMap<DomString, StorePolicy>,
    /// The retention of deletions; `None` means forever.
    pub tombstones: Option<Tombstones>,
    /// The limit for clocks ahead of the time of receipt, in milliseconds; `None` means that the
    /// option applies.
    pub max_skew_ms: Option<i64>,
}

/// The retention of deletions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tombstones {
    /// The time that deletions are kept, in milliseconds; at least `longest_offline_ms`.
    pub keep_ms: i64,
    /// The longest time that a source may be offline, in milliseconds.
    pub longest_offline_ms: i64,
}

/// The rules of one object store.
#[derive(Clone, Debug)]
pub struct StorePolicy {
    /// The name of the rules in logs: the object store's name, or `defaults`.
    pub scope: Arc<str>,
    /// True for the built-in default, which does not come from a policy file.
    pub builtin: bool,
    /// The way to detect a conflict.
    pub detect: Detect,
    /// The field to take the clock from if a change has none: a Date, or milliseconds since 1970.
    pub clock_field: Option<FieldPath>,
    /// True if every change goes to the resolvers, whatever base it has, so that the order of
    /// arrival does not matter.
    pub commutative: bool,
    /// Conditional rules; the first one that matches decides.
    pub rules: Vec<Rule>,
    /// The resolver of each type, in the order of [`ConflictType::ALL`]; `None` means that such
    /// conflicts are not detected.
    pub types: [Option<Resolver>; ConflictType::ALL.len()],
    /// Fields with their own resolver, and groups of fields that are resolved together.
    pub fields: Vec<FieldRule>,
    /// The resolver of last resort.
    pub unresolved: Unresolved,
    /// Fields that are left out, redacted or hashed before anything is stored.
    pub privacy: Privacy,
}

/// The way to detect a conflict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Detect {
    /// Head's record is newer than the change's base.
    #[default]
    BaseRevision,
    /// Like the base revision, but both sides must have changed the same field differently.
    ChangedFields,
    /// The change's clock is not later than head's.
    Clock,
    /// The member's value differs from the one that the change started from; each change adds one.
    VersionField(FieldPath),
    /// The member's value differs from the one that the change started from, or is not later than
    /// head's.
    TimestampField(FieldPath),
}

/// A rule with a condition.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The name in logs, with its scope: `orders/shipped orders are locked`.
    pub name: Arc<str>,
    /// The types that the rule applies to.
    pub types: Vec<ConflictType>,
    /// The condition; `None` means that the rule always matches.
    pub when: Option<Expression>,
    /// The resolver.
    pub then: Resolver,
}

/// A resolver for one field, or for a group of fields together.
#[derive(Clone, Debug)]
pub struct FieldRule {
    /// The name in logs: the field's path, or the group's name.
    pub name: Arc<str>,
    /// The fields; several form a group.
    pub paths: Vec<FieldPath>,
    /// The resolver.
    pub resolver: Resolver,
}

/// The resolver of last resort, when nothing else decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unresolved {
    /// The change is parked for a person to decide.
    #[default]
    Park,
    /// Head wins.
    HeadWins,
    /// The change wins.
    IncomingWins,
    /// The later clock wins.
    LastWriteWins,
    /// The whole batch is refused.
    Fail,
}

impl Policy {
    /// True if any object store has a hashed field, which requires a [`HashKey`](super::HashKey).
    pub fn needs_hash_key(&self) -> bool {
        self.default.privacy.hashes() || self.stores.values().any(|store| store.privacy.hashes())
    }

    /// Returns the rules of an object store.
    pub fn store(&self, name: &DomString) -> &StorePolicy {
        self.stores.get(name).unwrap_or(&self.default)
    }
}

impl StorePolicy {
    /// Returns the resolver of this type; `None` means that such conflicts are not detected.
    pub fn resolver(&self, conflict: ConflictType) -> Option<&Resolver> {
        self.types.get(conflict as usize).and_then(Option::as_ref)
    }
}

/// Returns a table of resolvers, in the order of [`ConflictType::ALL`].
fn types(
    of: impl Fn(ConflictType) -> Option<Resolver>,
) -> [Option<Resolver>; ConflictType::ALL.len()] {
    std::array::from_fn(|at| ConflictType::ALL.get(at).copied().and_then(&of))
}

impl StorePolicy {
    /// Returns a scope's rules before a policy file sets anything.
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
                // A browser cannot store two records with one key in a unique index.
                T::UniqueIndex => Some(Resolver::Park),
                T::UpdateMissing | T::DeleteMissing | T::SchemaNewer | T::SchemaOlder => None,
            }),
            fields: Vec::new(),
            unresolved: Unresolved::default(),
            privacy: Privacy::default(),
        }
    }

    /// Returns the built-in default, used without a policy file. It takes a source's own changes in
    /// the order of arrival.
    pub fn builtin() -> Self {
        let unsaid = Self::unsaid();
        let mut types = unsaid.types.clone();
        types[ConflictType::InsertInsert as usize] = Some(Resolver::LastWriteWins);
        types[ConflictType::OutOfOrder as usize] = None;
        Self { scope: "default".into(), types, builtin: true, ..unsaid }
    }
}

impl Default for Policy {
    /// Returns the built-in default.
    fn default() -> Self {
        Self {
            default: StorePolicy::builtin(),
            stores: BTreeMap::new(),
            tombstones: None,
            max_skew_ms: None,
        }
    }
}
