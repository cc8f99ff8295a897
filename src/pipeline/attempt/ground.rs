//! The manifest and the rules that a batch is merged with.

use super::{Attempt, Mode};
use crate::apply::error::SyncError;
use crate::apply::rules::{DeletionMemory, Rules};
use crate::apply::united_schema::united;
use crate::decode::BatchHeader;
use crate::indexeddb::dom_string::DomString;
use crate::snapshot::sources::{SourceState, Sources, View};
use crate::snapshot::{FlowVersion, Manifest, StoreManifest};

/// The state that a batch is merged into.
pub(super) struct Ground<'a> {
    /// Head's manifest with the united schema; object stores that the batch recreates are empty.
    pub(super) manifest: Manifest,
    /// Object stores that the batch's schema recreates.
    pub(super) recreated: Vec<DomString>,
    /// Object stores that the batch's schema no longer has.
    pub(super) vanishing: Vec<DomString>,
    pub(super) rules: Rules<'a>,
}

impl<'a> Attempt<'a> {
    /// Checks that head has the version that the batch names as its base, in the same state.
    pub(super) fn check_base(&self) -> Result<(), SyncError> {
        let known = self.committed;
        let claimed = self.batch.header.base;
        if let Some(base) = claimed.filter(|claimed| known.is_none_or(|known| *claimed > known)) {
            let head = known
                .map_or("no version yet".to_owned(), |known| format!("versions up to {known}"));
            return Err(SyncError::Diverged { base, flow: self.flow.clone(), head });
        }
        self.check_states(known)
    }

    /// Checks that every version that a base names with its state has that state.
    fn check_states(&self, committed: Option<FlowVersion>) -> Result<(), SyncError> {
        let header = &self.batch.header;
        let named =
            header.base.zip(header.base_state).into_iter().chain(self.batch.states.iter().copied());
        for (base, state) in named {
            let stored = match self
                .head
                .filter(|head| committed == Some(base) && head.manifest.version == base)
            {
                Some(head) => Some(head.state),
                None if committed.is_some_and(|committed| base <= committed) => {
                    self.store.version(self.flow, base)?.map(|stored| stored.state)
                }
                None => None,
            };
            if stored != Some(state) {
                return Err(SyncError::OtherState { base, flow: self.flow.clone() });
            }
        }
        Ok(())
    }

    /// Unites the schemas and finds the rules. Removes recreated object stores from the source's
    /// view, because their keys now denote other records.
    pub(super) fn ground(
        &self,
        sources: &Sources,
        state: &mut SourceState,
    ) -> Result<Ground<'a>, SyncError> {
        let header = &self.batch.header;
        let (mut manifest, mut recreated) = united(self.before(), header)?;
        let policy = self.options.rules();
        let retention = sources.retention();
        let forget = policy
            .tombstones
            .and_then(|policy| retention.due(policy.keep_ms, self.batch.received_at));
        let seen = header.source.as_ref().and_then(|id| sources.last_seen(id));
        let deletions = DeletionMemory { forgotten: retention.forgotten, forget, seen };
        let rules = Rules::new(policy, self.before(), header, &deletions);
        if !rules.accepts_schema() {
            recreated.clear();
        }
        if let Some(View::Chunks(stores)) = &mut state.view {
            stores.retain(|(name, _)| !recreated.contains(name));
        }
        let mut since = sources.recreated();
        let version = FlowVersion::after(self.committed);
        since.extend(recreated.iter().map(|name| (name.clone(), version)));
        let rules = rules.with_recreated(since);
        manifest
            .stores
            .iter_mut()
            .filter(|store| recreated.contains(&store.schema.name))
            .for_each(begin_anew);
        let vanishing = if rules.accepts_schema() { self.vanishing() } else { Vec::new() };
        Ok(Ground { manifest, recreated, vanishing, rules })
    }

    /// Returns the object stores that a full batch with a newer schema no longer has.
    fn vanishing(&self) -> Vec<DomString> {
        let header = &self.batch.header;
        let newer =
            self.before().filter(|before| header.mode == Mode::Full && upgrades(header, before));
        let stores = newer.map(|before| before.stores.as_slice()).unwrap_or_default();
        let gone = stores.iter().filter(|store| header.schema.store(&store.schema.name).is_none());
        gone.map(|store| store.schema.name.clone()).collect()
    }
}

/// Empties an object store that was recreated.
fn begin_anew(store: &mut StoreManifest) {
    store.records.clear();
    store.tombstones.clear();
    store.key_generator = None;
}

/// True if the batch's schema may delete or recreate an object store, which only an upgrade can.
pub(super) fn upgrades(header: &BatchHeader, before: &Manifest) -> bool {
    header.dialect.has_schema() && header.schema.version > before.database_version
}
