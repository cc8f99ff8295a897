//! Looks at the records as they stand, and refuses what would overwrite something unseen.

use super::Facts;
use super::pick::{Chosen, Picked};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::SortableKey;
use crate::merge::Winner;
use crate::pipeline::conflicts::Choice;
use crate::pipeline::error::SyncError;
use crate::pipeline::guard::{Deletes, Measure};
use crate::pipeline::lookup::{Lookup, line_text};
use crate::pipeline::run::{Deletion, Run};
use crate::pipeline::walk::MergeSink;
use crate::snapshot::{Digest, FlowVersion, Line, LineState, Meta};
use crate::spool::{Place, Spool};

/// What stands of a record.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub(super) meta: Meta,
    /// Digest of its value without error stacks; `None`: it is deleted.
    pub(super) digest: Option<Digest>,
    /// Where the value lies, if it is to go.
    pub(super) value: Option<Place>,
}

/// A record that conflicts are about.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) store: DomString,
    pub(super) key: SortableKey,
    /// The conflicts, by place.
    pub(super) conflicts: Vec<usize>,
    /// What stands; `None`: neither a record nor a tombstone.
    pub(super) standing: Option<Standing>,
    /// What it becomes, if that is something else.
    pub(super) change: Option<Chosen>,
    /// The conflict that decides, by place, and the side whose state goes; no side: the state that goes is neither's.
    pub(super) lost: Option<(usize, Option<Choice>)>,
    /// Its line when all is done.
    pub(super) line: Option<Place>,
}

impl Record {
    /// Whether it gets a value.
    pub(super) fn puts(&self) -> bool {
        matches!(self.change, Some(Chosen::Put(..)))
    }

    /// Whether there is a record.
    pub(super) fn was_live(&self) -> bool {
        self.standing.as_ref().is_some_and(|standing| standing.digest.is_some())
    }

    /// Whether a record goes.
    pub(super) fn deletes(&self) -> bool {
        self.change == Some(Chosen::Delete) && self.was_live()
    }

    /// Whether the state that goes was neither side's, so that a new line keeps it.
    pub(super) fn logs(&self) -> bool {
        self.change.is_some() && self.standing.is_some() && matches!(self.lost, Some((_, None)))
    }
}

/// Looks at every record that a conflict is about, in the order of object store and key.
pub(super) fn look(facts: &Facts<'_>, picked: &[Picked], spool: &mut Spool) -> Result<Vec<Record>, SyncError> {
    let mut order: Vec<usize> = (0..picked.len()).collect();
    order.sort_by(|&a, &b| (&picked[a].store, &picked[a].key, a).cmp(&(&picked[b].store, &picked[b].key, b)));
    let mut lookup = Lookup::new(facts.store, facts.flow, facts.head);
    let (mut records, mut changed, mut deletes) = (Vec::new(), Vec::new(), Deletes::default());
    let same = |&a: &usize, &b: &usize| picked[a].store == picked[b].store && picked[a].key == picked[b].key;
    for conflicts in order.chunk_by(same) {
        let record = look_at(facts, picked, conflicts, &mut lookup, spool, &mut changed)?;
        if record.deletes() {
            deletes.deleted(&record.store, &record.key, Deletion { bulk: false, own: false });
        }
        if record.change.is_some() && facts.head.manifest.store(&record.store).is_none() {
            return Err(SyncError::Mismatch(no_object_store(facts, &record.store)));
        }
        records.push(record);
    }
    changed.sort_unstable();
    if let (Some(&(place, version)), false) = (changed.first(), facts.options.even_if_changed) {
        let (id, more) = (picked[place].id.to_canonical(), changed.len() - 1);
        return Err(SyncError::Changed { id, version, more });
    }
    let confirmed = facts.options.confirm.as_deref();
    // A person decides, not a source: nobody's records are compared, and every call is judged alone.
    let (run, had) = (Run::default(), |_: &DomString, enough| Ok(enough));
    let measure = Measure { head: &facts.head.manifest, vanishing: &[], is_empty: false, run: &run, had: &had };
    deletes.check(&measure, confirmed, || Ok(deletes.plan("", &digest_of(facts, picked))))?;
    Ok(records)
}

/// Says what to do where a record has no place to go: its schema was parked, or its object store is gone.
fn no_object_store(facts: &Facts<'_>, name: &DomString) -> String {
    let (name, version) = (name.to_canonical(), facts.head.manifest.version);
    format!(
        "version {version} of {} has no object store {name}, so it cannot hold the record: sync a batch whose schema has it \
         and is accepted (schema-newer = \"accept\" in the policy's defaults.types), then decide again; or decide for head, \
         which leaves the change out",
        facts.flow
    )
}

fn look_at(
    facts: &Facts<'_>,
    picked: &[Picked],
    conflicts: &[usize],
    lookup: &mut Lookup<'_>,
    spool: &mut Spool,
    changed: &mut Vec<(usize, Option<FlowVersion>)>,
) -> Result<Record, SyncError> {
    let first = &picked[conflicts[0]];
    let line = lookup.find(&first.store, &first.key)?;
    let mut standing = line.as_ref().map(|line| Standing {
        meta: line.meta.clone(),
        digest: (line.state != LineState::Delete).then(|| line.state.content_digest()),
        value: None,
    });
    let now = standing.as_ref().and_then(|standing| standing.digest);
    let open = conflicts.iter().copied().filter(|&place| !picked[place].done);
    let mut record = Record {
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
            let moved = picked[place].chosen.digest() != now && has_changed(&picked[place], standing.as_ref());
            let overruled = picked[place].chosen.digest() != chosen.digest();
            if moved || overruled {
                changed.push((place, standing.as_ref().map(|standing| standing.meta.rev)));
            }
        }
        // Deleting what is not there leaves a tombstone, as in a sync, if there is an object store.
        let remembers = standing.is_none() && chosen == Chosen::Delete && facts.options.choice != Choice::Head;
        let remembers = remembers && facts.head.manifest.store(&first.store).is_some();
        if chosen.digest() != now || remembers {
            let head = picked[last].head.as_ref().and_then(|head| head.digest);
            let side = match () {
                () if head == now => Some(Choice::Head),
                () if picked[last].incoming.digest == now => Some(Choice::Incoming),
                () => None,
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

/// Of a record that is set: never older than what it replaces, else an older change could win over it.
pub(super) fn meta_of(facts: &Facts<'_>, standing: Option<&Standing>) -> Meta {
    let before = standing.map_or(facts.meta.at, |standing| standing.meta.at);
    Meta { at: facts.meta.at.max(before), ..facts.meta.clone() }
}

/// Whether the record is not what the conflict left.
fn has_changed(conflict: &Picked, standing: Option<&Standing>) -> bool {
    let now = standing.and_then(|standing| standing.digest);
    let left = match conflict.winner {
        Winner::Head | Winner::Nobody => Some(conflict.head.as_ref().and_then(|head| head.digest)),
        Winner::Incoming => Some(conflict.incoming.digest),
        // Its digest is not kept.
        Winner::Merged => None,
    };
    standing.is_some_and(|standing| standing.meta.rev > conflict.version) || left.is_some_and(|left| left != now)
}

/// What a plan is about, for the guard.
fn digest_of(facts: &Facts<'_>, picked: &[Picked]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(facts.options.choice.name().as_bytes());
    for conflict in picked {
        let id = conflict.id.as_bytes();
        hasher.update(&(id.len() as u64).to_le_bytes()).update(id);
    }
    hasher.finalize()
}
