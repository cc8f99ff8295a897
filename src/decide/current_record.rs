//! Reads the current records, and refuses to overwrite a change that the person has not seen.

use super::Facts;
use super::selected_conflict::{Chosen, Picked};
use crate::apply::error::SyncError;
use crate::apply::guard::{Deletes, Measure};
use crate::apply::lookup::{Lookup, line_text};
use crate::apply::walk::MergeSink;
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::SortableKey;
use crate::snapshot::deletion_run::{Deletion, Run};
use crate::snapshot::logged_conflict::Choice;
use crate::snapshot::{Digest, FlowVersion, Line, LineState, Meta, Winner};
use crate::spool::{Place, Spool};

/// The current state of a record.
#[derive(Clone, Debug)]
pub(super) struct CurrentState {
    pub(super) meta: Meta,
    /// Digest of the value without error stacks; `None` for a tombstone.
    pub(super) digest: Option<Digest>,
    /// The place of the value, if it is replaced.
    pub(super) value: Option<Place>,
}

/// A record with conflicts to decide.
#[derive(Clone, Debug)]
pub(super) struct ConflictedRecord {
    pub(super) store: DomString,
    pub(super) key: SortableKey,
    /// The conflicts, by index.
    pub(super) conflicts: Vec<usize>,
    /// The current state; `None` if there is neither a record nor a tombstone.
    pub(super) standing: Option<CurrentState>,
    /// The new state, if it differs.
    pub(super) change: Option<Chosen>,
    /// The deciding conflict, by index, and the side whose state is replaced; no side if the state
    /// is neither's.
    pub(super) lost: Option<(usize, Option<Choice>)>,
    /// The place of the final line.
    pub(super) line: Option<Place>,
}

impl ConflictedRecord {
    /// True if the record gets a value.
    pub(super) fn puts(&self) -> bool {
        matches!(self.change, Some(Chosen::Put(..)))
    }

    /// True if the record exists.
    pub(super) fn was_live(&self) -> bool {
        self.standing.as_ref().is_some_and(|standing| standing.digest.is_some())
    }

    /// True if the record is deleted.
    pub(super) fn deletes(&self) -> bool {
        self.change == Some(Chosen::Delete) && self.was_live()
    }

    /// True if the replaced state was neither side's, so that a new line must keep it.
    pub(super) fn logs(&self) -> bool {
        self.change.is_some() && self.standing.is_some() && matches!(self.lost, Some((_, None)))
    }
}

/// Reads every record with conflicts, in the order of object store and key.
pub(super) fn look(
    facts: &Facts<'_>,
    picked: &[Picked],
    spool: &mut Spool,
) -> Result<Vec<ConflictedRecord>, SyncError> {
    let mut order: Vec<usize> = (0..picked.len()).collect();
    order.sort_by(|&a, &b| {
        (&picked[a].store, &picked[a].key, a).cmp(&(&picked[b].store, &picked[b].key, b))
    });
    let lookup = Lookup::new(facts.store, facts.flow, facts.head);
    let mut look = RecordLook { facts, picked, lookup, spool, changed: Vec::new() };
    let mut records = Vec::new();
    let mut deletes = Deletes::default();
    let same = |&a: &usize, &b: &usize| {
        picked[a].store == picked[b].store && picked[a].key == picked[b].key
    };
    for conflicts in order.chunk_by(same) {
        let record = look.at(conflicts)?;
        if record.deletes() {
            deletes.deleted(&record.store, &record.key, Deletion { bulk: false, own: false });
        }
        if record.change.is_some() && facts.head.manifest.store(&record.store).is_none() {
            return Err(SyncError::Mismatch(no_object_store(facts, &record.store)));
        }
        records.push(record);
    }
    let mut changed = look.changed;
    changed.sort_unstable();
    if let (Some(&(place, version)), false) = (changed.first(), facts.options.even_if_changed) {
        let (id, more) = (picked[place].id.to_canonical(), changed.len() - 1);
        return Err(SyncError::Changed { id, version, more });
    }
    let confirmed = facts.options.confirm.as_deref();
    // A person decides, not a source, so there are no records of a source to compare with, and each
    // call is judged alone.
    let (run, had) = (Run::default(), |_: &DomString, enough| Ok(enough));
    let measure = Measure {
        head: &facts.head.manifest,
        vanishing: &[],
        is_empty: false,
        run: &run,
        had: &had,
    };
    deletes.check(&measure, confirmed, || Ok(deletes.plan("", &digest_of(facts, picked))))?;
    Ok(records)
}

/// Returns the advice for a record without an object store: its schema was parked, or its object
/// store was deleted.
fn no_object_store(facts: &Facts<'_>, name: &DomString) -> String {
    let (name, version) = (name.to_canonical(), facts.head.manifest.version);
    format!(
        "version {version} of {} has no object store {name}, so it cannot hold the record: sync a \
         batch whose schema has it \
         and is accepted (schema-newer = \"accept\" in the policy's defaults.types), then decide \
         again; or decide for head, \
         which leaves the change out",
        facts.flow
    )
}

/// Reads records with conflicts, one after the other.
struct RecordLook<'a> {
    facts: &'a Facts<'a>,
    picked: &'a [Picked],
    lookup: Lookup<'a>,
    spool: &'a mut Spool,
    /// The conflicts whose record is no longer as the conflict left it, with its version.
    changed: Vec<(usize, Option<FlowVersion>)>,
}

impl RecordLook<'_> {
    /// Reads the record of these conflicts, which are all about it.
    fn at(&mut self, conflicts: &[usize]) -> Result<ConflictedRecord, SyncError> {
        let Self { facts, picked, lookup, spool, changed } = self;
        let first = &picked[conflicts[0]];
        let line = lookup.find(&first.store, &first.key)?;
        let mut standing = line.as_ref().map(|line| CurrentState {
            meta: line.meta.clone(),
            digest: (line.state != LineState::Delete).then(|| line.state.content_digest()),
            value: None,
        });
        let now = standing.as_ref().and_then(|standing| standing.digest);
        let open = conflicts.iter().copied().filter(|&place| !picked[place].done);
        let mut record = ConflictedRecord {
            store: first.store.clone(),
            key: first.key.clone(),
            conflicts: conflicts.to_vec(),
            standing: None,
            change: None,
            lost: None,
            line: None,
        };
        // The newest conflict decides.
        if let Some(last) = open.clone().next_back() {
            let chosen = picked[last].chosen;
            for place in open {
                let moved = picked[place].chosen.digest() != now
                    && has_changed(&picked[place], standing.as_ref());
                let overruled = picked[place].chosen.digest() != chosen.digest();
                if moved || overruled {
                    changed.push((place, standing.as_ref().map(|standing| standing.meta.rev)));
                }
            }
            // Deleting a record that does not exist leaves a tombstone, as in a sync, if the object
            // store exists.
            let remembers = standing.is_none()
                && chosen == Chosen::Delete
                && facts.options.choice != Choice::Head;
            let remembers = remembers && facts.head.manifest.store(&first.store).is_some();
            if chosen.digest() != now || remembers {
                let head = picked[last].head.as_ref().and_then(|head| head.digest);
                let side = if head == now {
                    Some(Choice::Head)
                } else {
                    (picked[last].incoming.digest == now).then_some(Choice::Incoming)
                };
                (record.change, record.lost) = (Some(chosen), Some((last, side)));
            }
        }
        let line = match (record.change, line) {
            (None, line) => line.map(|line| lookup.text(&record.store, &line)).transpose()?,
            (Some(chosen), before) => {
                if let (Some(line), Some(standing)) = (&before, standing.as_mut())
                    && let Some(value) = facts.base.whole_value(&line.state)?
                {
                    standing.value = Some(spool.append(&value)?);
                }
                let state = match chosen {
                    Chosen::Delete => LineState::Delete,
                    Chosen::Put(place, _) => LineState::Put(spool.read(place)?.into()),
                };
                let meta = meta_of(facts, standing.as_ref());
                Some(line_text(&record.store, &Line { key: record.key.clone(), meta, state }))
            }
        };
        record.line = line.map(|line| spool.append(line.as_bytes())).transpose()?;
        record.standing = standing;
        Ok(record)
    }
}

/// Returns the metadata of a record that is set. It is never older than the replaced record;
/// otherwise an older change could win over it.
pub(super) fn meta_of(facts: &Facts<'_>, standing: Option<&CurrentState>) -> Meta {
    let before = standing.map_or(facts.meta.at, |standing| standing.meta.at);
    Meta { at: facts.meta.at.max(before), ..facts.meta.clone() }
}

/// True if the record's state is not the one that the conflict left.
fn has_changed(conflict: &Picked, standing: Option<&CurrentState>) -> bool {
    let now = standing.and_then(|standing| standing.digest);
    let left = match conflict.winner {
        Winner::Head | Winner::Nobody => Some(conflict.head.as_ref().and_then(|head| head.digest)),
        Winner::Incoming => Some(conflict.incoming.digest),
        // The digest of a merged value is not kept.
        Winner::Merged => None,
    };
    standing.is_some_and(|standing| standing.meta.rev > conflict.version)
        || left.is_some_and(|left| left != now)
}

/// Returns the digest of the plan's subject, for the guard.
fn digest_of(facts: &Facts<'_>, picked: &[Picked]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(facts.options.choice.name().as_bytes());
    for conflict in picked {
        let id = conflict.id.as_bytes();
        hasher.update(&(id.len() as u64).to_le_bytes()).update(id);
    }
    hasher.finalize()
}
