//! Finds the selected conflicts, and the chosen state for each.

use std::collections::BTreeSet;

use super::{Facts, Selection, own_value};
use crate::apply::BaseValue;
use crate::apply::error::SyncError;
use crate::chunk::{ChunkSource, lines_of};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::SortableKey;
use crate::normalize::{Claim, Hidden};
use crate::snapshot::logged_conflict::{Choice, LoggedConflict};
use crate::snapshot::{Digest, FlowVersion, LineState, List, Side, SourceId, Winner};
use crate::spool::{Place, Spool};

/// The chosen state; values are stored in the spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chosen {
    /// Delete the record.
    Delete,
    /// The place of the value, and its digest without error stacks.
    Put(Place, Digest),
}

impl Chosen {
    /// Returns the digest; `None` for a deletion.
    pub(super) fn digest(self) -> Option<Digest> {
        match self {
            Self::Delete => None,
            Self::Put(_, digest) => Some(digest),
        }
    }
}

/// One side of a conflict, without its value.
#[derive(Clone, Debug)]
pub(super) struct PickedSide {
    pub(super) by: Option<SourceId>,
    pub(super) digest: Option<Digest>,
}

/// A selected conflict.
#[derive(Clone, Debug)]
pub(super) struct Picked {
    pub(super) id: SortableKey,
    pub(super) version: FlowVersion,
    pub(super) store: DomString,
    pub(super) key: SortableKey,
    pub(super) winner: Winner,
    pub(super) head: Option<PickedSide>,
    pub(super) incoming: PickedSide,
    pub(super) chosen: Chosen,
    /// The private fields that were hidden in an own value.
    pub(super) hidden: Hidden,
    /// True if it already has this decision.
    pub(super) done: bool,
}

/// Finds the selected conflicts, ordered by key. Stores chosen values in the spool.
pub(super) fn pick(facts: &Facts<'_>, spool: &mut Spool) -> Result<Vec<Picked>, SyncError> {
    let chunks = &facts.head.manifest.conflicts;
    let wanted: BTreeSet<&SortableKey> = match &facts.options.selection {
        Selection::Ids(ids) => ids.iter().collect(),
        Selection::Matching(_) => BTreeSet::new(),
    };
    let mut picked = Vec::new();
    for (place, chunk) in chunks.iter().enumerate() {
        let next = chunks.get(place + 1).map(|next| &next.first);
        // Conflicts are ordered by key, so many chunks can be left unread: those without a wanted
        // key, and those before the first key that the filter admits.
        let reads = match &facts.options.selection {
            Selection::Ids(_) => wanted
                .range::<SortableKey, _>(&chunk.first..)
                .next()
                .is_some_and(|id| next.is_none_or(|next| *id < next)),
            Selection::Matching(filter) => match (filter.first_key(), next) {
                (Some(first), Some(next)) => *next > first,
                _ => true,
            },
        };
        if !reads {
            continue;
        }
        let text = facts.base.read_chunk(&List::Conflicts, chunk)?;
        for line in lines_of(&List::Conflicts, chunk, &text)? {
            if matches!(facts.options.selection, Selection::Ids(_)) && !wanted.contains(&line.key) {
                continue;
            }
            let value = facts.base.whole_value(&line.state)?.unwrap_or_default();
            let conflict =
                LoggedConflict::read(&line, &value).map_err(crate::store::StoreError::from)?;
            let meant = match &facts.options.selection {
                Selection::Ids(_) => true,
                Selection::Matching(filter) => filter.admits(&conflict),
            };
            if meant {
                picked.push(settle(facts, conflict, spool)?);
            }
        }
    }
    let found: BTreeSet<&SortableKey> =
        picked.iter().map(|conflict: &Picked| &conflict.id).collect();
    if let Some(unknown) = wanted.difference(&found).next() {
        return Err(SyncError::Mismatch(no_conflict(facts, unknown)));
    }
    // One value cannot have the keys of several records.
    if facts.options.choice == Choice::Value && picked.len() > 1 {
        let what = format!("{} conflicts are meant: a value of your own is for one", picked.len());
        return Err(SyncError::Mismatch(what));
    }
    Ok(picked)
}

/// Describes the existing conflicts, for an id that does not exist.
fn no_conflict(facts: &Facts<'_>, id: &SortableKey) -> String {
    let manifest = &facts.head.manifest;
    let count: u64 = manifest.conflicts.iter().map(|chunk| chunk.count).sum();
    let there = match manifest.conflicts.first() {
        Some(first) => {
            format!(
                "{count}, the first is {}; conflicts list --state all names them",
                first.first.to_canonical()
            )
        }
        None => "none".to_owned(),
    };
    format!(
        "there is no conflict {}; version {} of {} has {there}",
        id.to_canonical(),
        manifest.version,
        facts.flow
    )
}

fn settle(
    facts: &Facts<'_>,
    conflict: LoggedConflict,
    spool: &mut Spool,
) -> Result<Picked, SyncError> {
    let choice = facts.options.choice;
    let id = conflict.id.to_canonical();
    let mut hidden = Hidden::default();
    let state = match facts.value {
        Some(value) => {
            let admitted = own_value::admit(facts, &conflict, value)?;
            hidden = admitted.1;
            Some(LineState::Put(admitted.0.into()))
        }
        None => conflict.state_of(choice, facts.base)?,
    };
    let mut done = conflict.resolved.is_some_and(|resolved| resolved.choice == choice);
    if let (true, Choice::Value, Some(state)) = (done, choice, &state) {
        // Was it also the same value?
        let then =
            facts.base.value(&conflict.store, &conflict.key, &Claim::Version(conflict.rev))?;
        done = match then {
            BaseValue::Value(value) => LineState::Put(value).same(state),
            BaseValue::Unknown | BaseValue::Absent => false,
        };
    }
    if let (Some(resolved), false) = (conflict.resolved, done) {
        let (version, before) = (conflict.rev, resolved.choice);
        let what = format!(
            "conflict {id} was resolved in version {version} already, for {before}: put the record \
             to change it"
        );
        return Err(SyncError::Mismatch(what));
    }
    let chosen = match state {
        Some(LineState::Put(value)) => {
            let digest = LineState::Put(value.clone()).content_digest();
            Chosen::Put(spool.append(&value)?, digest)
        }
        Some(_) => Chosen::Delete,
        // The state of an earlier decision may no longer be kept.
        None if done => Chosen::Delete,
        None => {
            let what = format!(
                "conflict {id}: its {choice} is not kept; choose another, or give a value of your \
                 own"
            );
            return Err(SyncError::Mismatch(what));
        }
    };
    let side = |side: Side| PickedSide { by: side.by, digest: side.digest };
    Ok(Picked {
        id: conflict.id,
        version: conflict.version,
        store: conflict.store,
        key: conflict.key,
        winner: conflict.winner,
        head: conflict.head.map(side),
        incoming: side(conflict.incoming),
        chosen,
        hidden,
        done,
    })
}
