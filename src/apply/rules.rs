//! The policy for a batch, and the relation of the batch to head.

use std::collections::BTreeMap;

use crate::decode::BatchHeader;
use crate::indexeddb::dom_string::DomString;
use crate::merge::Standing;
use crate::policy::{Policy, Resolver, StorePolicy};
use crate::snapshot::{ConflictType, FlowVersion, Manifest};

/// The deletions that the flow remembers, and those that the source knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeletionMemory {
    /// The version up to which deletions are forgotten already.
    pub(crate) forgotten: Option<FlowVersion>,
    /// The version up to which they must be forgotten now.
    pub(crate) forget: Option<FlowVersion>,
    /// The version that the source's last batch made.
    pub(crate) seen: Option<FlowVersion>,
}

/// The rules for one object store, and the relation of the batch's changes to head.
#[derive(Clone, Debug)]
pub(crate) struct ObjectStoreRules<'a> {
    pub(crate) policy: &'a StorePolicy,
    pub(crate) standing: Standing,
}

/// The rules for merging a batch, for every object store.
#[derive(Debug)]
pub(crate) struct Rules<'a> {
    policy: &'a Policy,
    standing: Standing,
    /// True if the batch's schema is newer than head's, and the policy does not accept that.
    newer: bool,
    /// Object stores that differ from head's newer schema, if the policy does not accept that.
    outdated: Vec<DomString>,
    /// Object stores that were recreated, and since when they are what they are.
    recreated: BTreeMap<DomString, FlowVersion>,
    /// The version up to which deletions must be forgotten now.
    pub(crate) forget: Option<FlowVersion>,
}

impl<'a> Rules<'a> {
    /// Compares a batch with head.
    pub(crate) fn new(
        policy: &'a Policy,
        before: Option<&Manifest>,
        header: &BatchHeader,
        deletions: &DeletionMemory,
    ) -> Self {
        let DeletionMemory { forgotten, forget, seen } = *deletions;
        let forgotten = forget.or(forgotten);
        let older = |version: Option<FlowVersion>| {
            forgotten.zip(version).is_some_and(|(forgotten, own)| own < forgotten)
        };
        let mut rules = Self {
            policy,
            standing: Standing {
                sequenced: header.sequence.is_some(),
                schema: None,
                // A source that saw nothing since then may lack deletions that nobody remembers.
                stale: older(header.base.or(seen)),
                forgotten,
                since: None,
            },
            newer: false,
            outdated: Vec::new(),
            recreated: BTreeMap::new(),
            forget,
        };
        let objects = |kind| {
            policy.default.resolver(kind).is_some_and(|resolver| *resolver != Resolver::Accept)
        };
        // Other dialects take their schema from the options, which state nothing about indexes.
        if let Some(before) = before.filter(|_| header.dialect.has_schema()) {
            rules.newer = header.schema.version > before.database_version
                && objects(ConflictType::SchemaNewer);
            if header.schema.version < before.database_version && objects(ConflictType::SchemaOlder)
            {
                let differs = |store: &&crate::indexeddb::schema::ObjectStore| {
                    before.store(&store.name).is_none_or(|known| known.schema != **store)
                };
                rules.outdated = header
                    .schema
                    .stores
                    .iter()
                    .filter(differs)
                    .map(|store| store.name.clone())
                    .collect();
            }
        }
        rules
    }

    /// Returns the rules of an object store.
    pub(crate) fn of(&self, store: &DomString) -> ObjectStoreRules<'a> {
        let schema = if self.newer {
            Some(ConflictType::SchemaNewer)
        } else {
            self.outdated.contains(store).then_some(ConflictType::SchemaOlder)
        };
        let since = self.recreated.get(store).copied();
        let standing = Standing { schema, since, ..self.standing.clone() };
        ObjectStoreRules { policy: self.policy.store(store), standing }
    }

    /// Says which object stores were recreated.
    pub(crate) fn with_recreated(self, recreated: BTreeMap<DomString, FlowVersion>) -> Self {
        Self { recreated, ..self }
    }

    /// True if the keys of an object store meant other records in a version than they do now.
    pub(crate) fn is_before_recreation(&self, version: FlowVersion, store: &DomString) -> bool {
        self.recreated.get(store).is_some_and(|since| version < *since)
    }

    /// True if unique indexes are checked.
    pub(crate) fn keeps_unique(&self) -> bool {
        self.policy.default.resolver(ConflictType::UniqueIndex).is_some()
    }

    /// True if the batch's schema may remove object stores.
    pub(crate) fn accepts_schema(&self) -> bool {
        !self.newer && self.outdated.is_empty()
    }

    /// Restores the parts of the manifest that were changed by a schema which is not accepted.
    pub(crate) fn keep_schema(&self, before: Option<&Manifest>, manifest: &mut Manifest) {
        let Some(before) = before.filter(|_| !self.accepts_schema()) else { return };
        manifest.database_version = before.database_version;
        manifest.stores.retain(|store| before.store(&store.schema.name).is_some());
        for store in &mut manifest.stores {
            if let Some(known) = before.store(&store.schema.name) {
                (store.schema, store.key_generator) = (known.schema.clone(), known.key_generator);
            }
        }
    }
}
