//! Writes the decisions: records and tombstones, the conflicts' lines, new lines for replaced
//! values that were neither side's, and notices.

use super::current_record::{ConflictedRecord, meta_of};
use super::selected_conflict::{Chosen, Picked};
use super::{Facts, RULE, comment};
use crate::apply::error::SyncError;
use crate::apply::recorder::ChunkOutput;
use crate::chunk::ListEditor;
use crate::indexeddb::key::SortableKey;
use crate::pipeline::attempt::{DraftLabel, read_sources, seal};
use crate::snapshot::logged_conflict::{ConflictError, Resolved, resolved_value};
use crate::snapshot::{
    ChunkRef, Conflict, ConflictType, Line, LineState, List, Manifest, Meta, Side, Winner,
};
use crate::spool::Spool;
use crate::store::{StoreError, StoreErrorKind, VersionDraft, VersionWriter};

/// Passes new data to `writer`, and returns the draft of the version.
pub(super) fn write(
    facts: &Facts<'_>,
    picked: &[Picked],
    records: &[ConflictedRecord],
    spool: &mut Spool,
    mut writer: Option<&mut (dyn VersionWriter + '_)>,
) -> Result<Box<VersionDraft>, SyncError> {
    let head = facts.head;
    let mut output = ChunkOutput::new(writer.as_deref_mut(), Some(&head.manifest));
    let mut manifest = head.manifest.clone();
    for records in records.chunk_by(|a, b| a.store == b.store) {
        write_records(facts, records, spool, &mut manifest, &mut output)?;
    }
    manifest.conflicts = write_conflicts(facts, picked, records, spool, &mut output)?;
    let mut sources = read_sources(facts.store, facts.flow, Some(head))?;
    for record in records {
        let choice = facts.options.choice;
        for conflict in
            record.conflicts.iter().filter_map(|&place| picked.get(place)).filter(|it| !it.done)
        {
            let head =
                conflict.head.as_ref().filter(|head| head.digest != conflict.chosen.digest());
            // The replaced state may be by a source that is on neither side.
            let written = record
                .standing
                .as_ref()
                .filter(|_| record.logs())
                .and_then(|it| it.meta.by.as_ref());
            let sides =
                [conflict.incoming.by.as_ref(), head.and_then(|head| head.by.as_ref()), written];
            for source in sides.into_iter().flatten() {
                sources.add_notice(source, &conflict.id, choice, &facts.meta);
            }
        }
    }
    sources.trim_notices();
    // The list of sources is written last, because head's list is not part of the new version.
    let manifest = Manifest { sources: Vec::new(), ..manifest };
    let summary = comment(picked, records);
    let label = DraftLabel { summary, timestamp_ms: facts.options.received_at };
    Ok(seal(manifest, &sources, Some(head), writer, label)?)
}

/// Sets the records of one object store.
fn write_records(
    facts: &Facts<'_>,
    records: &[ConflictedRecord],
    spool: &mut Spool,
    manifest: &mut Manifest,
    output: &mut ChunkOutput<'_, '_>,
) -> Result<(), SyncError> {
    let changes = || records.iter().filter_map(|record| Some((record, record.change?)));
    let Some((first, _)) = changes().next() else { return Ok(()) };
    let name = &first.store;
    let Some(lists) = facts.head.manifest.store(name) else { return Ok(()) };
    let mut live = ListEditor::new(List::Records(name.clone()), &lists.records, facts.base);
    let mut dead = ListEditor::new(List::Tombstones(name.clone()), &lists.tombstones, facts.base);
    for (record, chosen) in changes() {
        let (key, meta) = (record.key.clone(), meta_of(facts, record.standing.as_ref()));
        match chosen {
            Chosen::Delete => {
                live.remove(&key, output)?;
                dead.put(&Line { key, meta, state: LineState::Delete }, output)?;
            }
            Chosen::Put(place, _) => {
                dead.remove(&key, output)?;
                let state = output.spill(LineState::Put(spool.read(place)?.into()))?;
                live.put(&Line { key, meta, state }, output)?;
            }
        }
    }
    let (live, dead) = (live.finish(output)?, dead.finish(output)?);
    if let Some(store) = manifest.stores.iter_mut().find(|store| store.schema.name == *name) {
        (store.records, store.tombstones) = (live, dead);
    }
    Ok(())
}

/// Marks the conflicts, then adds new ones. Their keys start with the new version, so they come
/// last.
fn write_conflicts(
    facts: &Facts<'_>,
    picked: &[Picked],
    records: &[ConflictedRecord],
    spool: &mut Spool,
    output: &mut ChunkOutput<'_, '_>,
) -> Result<Vec<ChunkRef>, SyncError> {
    let mut lost = vec![None; picked.len()];
    for record in records {
        if let (Some((place, Some(side))), Some(standing)) = (record.lost, &record.standing)
            && let (Some(slot), Some(value)) = (lost.get_mut(place), standing.value)
        {
            *slot = Some((side, value));
        }
    }
    let resolved = Resolved { at: facts.options.received_at, choice: facts.options.choice };
    let mut editor = ListEditor::new(List::Conflicts, &facts.head.manifest.conflicts, facts.base);
    for (conflict, lost) in picked.iter().zip(lost).filter(|(conflict, _)| !conflict.done) {
        let Some(line) = editor.get(&conflict.id, output)?.cloned() else { continue };
        let value = facts.base.whole_value(&line.state)?.unwrap_or_default();
        let lost = match lost {
            Some((side, place)) => Some((side, spool.read(place)?)),
            None => None,
        };
        let lost = lost.as_ref().map(|(side, value)| (*side, value.as_slice()));
        let value = resolved_value(&value, resolved, lost)
            .ok_or_else(|| ConflictError::of(&line.key, "its value is no object"));
        let state = output.spill(LineState::Put(value.map_err(StoreError::from)?.into()))?;
        let meta = Meta { rev: facts.meta.rev, ..line.meta };
        editor.put(&Line { key: line.key, meta, state }, output)?;
    }
    for (key, value) in new_conflicts(facts, records, spool)? {
        let state = output.spill(LineState::Put(value.into()))?;
        editor.put(&Line { key, meta: facts.meta.clone(), state }, output)?;
    }
    Ok(editor.finish(output)?)
}

/// Returns lines that keep states which were neither side's, ordered by key, which is the order of
/// their records.
fn new_conflicts(
    facts: &Facts<'_>,
    records: &[ConflictedRecord],
    spool: &mut Spool,
) -> Result<Vec<(SortableKey, Vec<u8>)>, SyncError> {
    let refused =
        |error| StoreError::new(StoreErrorKind::Refused, "key of a conflict").because(error);
    let mut found = Vec::new();
    for record in records.iter().filter(|record| record.logs()) {
        let (Some(chosen), Some(standing)) = (record.change, &record.standing) else { continue };
        let value = standing.value.map(|value| spool.read(value)).transpose()?;
        let conflict = Conflict {
            store: record.store.clone(),
            key: record.key.clone(),
            kind: match (standing.digest, chosen) {
                (None, _) => ConflictType::DeleteUpdate,
                (_, Chosen::Delete) => ConflictType::UpdateDelete,
                _ => ConflictType::UpdateUpdate,
            },
            other: None,
            rule: RULE.into(),
            winner: Winner::Incoming,
            reason: None,
            fields: Vec::new(),
            base: None,
            base_value: None,
            head: Some(Side {
                at: standing.meta.at,
                by: standing.meta.by.clone(),
                digest: standing.digest,
                value,
            }),
            incoming: Side { at: facts.meta.at, by: None, digest: chosen.digest(), value: None },
        };
        found.push((conflict.list_key(facts.meta.rev, 1).map_err(refused)?, conflict.to_value()));
    }
    Ok(found)
}
