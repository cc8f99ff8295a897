//! Passes the results of a merge to the store's writer and to the report.

use std::collections::{BTreeMap, HashSet};

use super::conflict_log::{ConflictLog, identity_of};
use super::head_reader::HeadReader;
use super::walk::MergeSink;
use crate::chunk::{ChunkBuilder, ChunkSink, ListEditor, store_name};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::SortableKey;
use crate::indexeddb::value;
use crate::report::{ReportLines, conflict_line};
use crate::report_line::ReportLine;
use crate::snapshot::deletion_run::{Deletion, Deletions};
use crate::snapshot::line::{PART_BYTES, SPILL_BYTES};
use crate::snapshot::{
    ChunkRef, Conflict, Digest, FlowVersion, Line, LineState, List, Manifest, Meta, Spilled,
};
use crate::store::{StoreError, StoreErrorKind, VersionWriter};

/// Passes to the store's writer the data that head does not have. Without a writer, as in a dry
/// run, nothing is passed.
pub(crate) struct ChunkOutput<'w, 's> {
    writer: Option<&'w mut (dyn VersionWriter + 's)>,
    chunks: HashSet<Digest>,
    spilled: HashSet<Digest>,
}

impl<'w, 's> ChunkOutput<'w, 's> {
    /// Creates the output; data in `head` is not written again.
    pub(crate) fn new(
        writer: Option<&'w mut (dyn VersionWriter + 's)>,
        head: Option<&Manifest>,
    ) -> Self {
        let mut output = Self { writer, chunks: HashSet::new(), spilled: HashSet::new() };
        for (_, chunk) in head.into_iter().flat_map(Manifest::chunks) {
            output.chunks.insert(chunk.full);
            output.spilled.extend(chunk.spilled.iter().map(|spilled| spilled.digest));
        }
        output
    }

    /// Rebuilds a list from all its lines.
    pub(crate) fn list<'l>(
        &mut self,
        list: &List,
        lines: impl Iterator<Item = &'l Line>,
    ) -> Result<Vec<ChunkRef>, StoreError> {
        let mut builder = ChunkBuilder::new(store_name(list));
        let mut chunks = Vec::new();
        let mut take = |cut: Option<(ChunkRef, Vec<u8>)>, output: &mut Self| {
            let Some((chunk, text)) = cut else { return Ok(()) };
            output.write_chunk(list, &chunk, text)?;
            chunks.push(chunk);
            Ok::<_, StoreError>(())
        };
        for line in lines {
            take(builder.push(line), self)?;
        }
        take(builder.cut(), self)?;
        Ok(chunks)
    }

    /// Stores a value if it is large; returns the state for its line.
    pub(crate) fn spill(&mut self, state: LineState) -> Result<LineState, StoreError> {
        let LineState::Put(value) = &state else { return Ok(state) };
        if value.len() <= SPILL_BYTES {
            return Ok(state);
        }
        let digest = Digest::of(value);
        if self.spilled.insert(digest)
            && let Some(writer) = &mut self.writer
        {
            for (part, bytes) in (0..).zip(value.chunks(PART_BYTES)) {
                writer.write_part(&digest, part, bytes)?;
            }
        }
        let content = state.content_digest();
        Ok(LineState::Spilled(Spilled {
            bytes: value.len() as u64,
            digest,
            content,
            kind: value::kind(value).to_owned(),
        }))
    }
}

impl ChunkSink for ChunkOutput<'_, '_> {
    fn write_chunk(
        &mut self,
        list: &List,
        chunk: &ChunkRef,
        text: Vec<u8>,
    ) -> Result<(), StoreError> {
        match &mut self.writer {
            Some(writer) if self.chunks.insert(chunk.full) => writer.write_chunk(list, chunk, text),
            _ => Ok(()),
        }
    }
}

/// The conflicts that are known before an attempt.
pub(crate) struct ConflictList<'a> {
    /// Head's list.
    pub(crate) before: &'a [ChunkRef],
    /// Those of the version that is being made.
    pub(crate) logged: &'a mut ConflictLog,
    /// The reader of head.
    pub(crate) reader: &'a HeadReader<'a>,
}

/// Output, conflicts and report of one attempt.
pub(crate) struct Recorder<'a, 'w, 's> {
    output: &'a mut ChunkOutput<'w, 's>,
    conflicts: ListEditor<'a>,
    /// The list before this attempt.
    before: &'a [ChunkRef],
    logged: &'a mut ConflictLog,
    base: &'a HeadReader<'a>,
    lines: &'a mut ReportLines,
    version: FlowVersion,
    /// True if `change` lines are reported.
    pub(crate) report_changes: bool,
    deletions: BTreeMap<DomString, Deletions>,
    /// The first key of the record whose conflict was written last.
    last: Option<SortableKey>,
}

impl<'a, 'w, 's> Recorder<'a, 'w, 's> {
    /// Creates a recorder that writes to `output` and `lines`.
    pub(crate) fn new(
        output: &'a mut ChunkOutput<'w, 's>,
        conflicts: ConflictList<'a>,
        lines: &'a mut ReportLines,
        version: FlowVersion,
    ) -> Self {
        let ConflictList { before, logged, reader: base } = conflicts;
        let conflicts = ListEditor::new(List::Conflicts, before, base);
        let deletions = BTreeMap::new();
        Self {
            output,
            conflicts,
            before,
            logged,
            base,
            lines,
            version,
            report_changes: true,
            deletions,
            last: None,
        }
    }

    /// Returns the new list of conflicts, and the deletions.
    pub(crate) fn finish(
        self,
    ) -> Result<(Vec<ChunkRef>, BTreeMap<DomString, Deletions>), StoreError> {
        Ok((self.conflicts.finish(self.output)?, self.deletions))
    }

    fn report(&mut self, line: &ReportLine<'_>) -> Result<(), StoreError> {
        let failed = |error| {
            StoreError::new(StoreErrorKind::Transient, "temporary file of the report")
                .because(error)
        };
        self.lines.push(line).map_err(failed)
    }
}

impl ChunkSink for Recorder<'_, '_, '_> {
    fn write_chunk(
        &mut self,
        list: &List,
        chunk: &ChunkRef,
        text: Vec<u8>,
    ) -> Result<(), StoreError> {
        self.output.write_chunk(list, chunk, text)
    }
}

impl MergeSink for Recorder<'_, '_, '_> {
    fn spill(&mut self, state: LineState) -> Result<LineState, StoreError> {
        self.output.spill(state)
    }

    fn deleted(&mut self, store: &DomString, _key: &SortableKey, deletion: Deletion) {
        deletion.count(store, &mut self.deletions);
    }

    fn conflict(&mut self, conflict: Conflict) -> Result<bool, StoreError> {
        if self.logged.is_repeated(&conflict, self.version, self.before, self.base)? {
            self.report(&conflict_line(&conflict))?;
            return Ok(false);
        }
        let refused =
            |error| StoreError::new(StoreErrorKind::Refused, "key of a conflict").because(error);
        // Several batches of one version may have conflicts about one record, whose lines must not
        // overwrite each other.
        let mut key = conflict.list_key(self.version, 1).map_err(refused)?;
        let first = key.clone();
        // The list does not show what was put into it last.
        let mut is_again = self.last.as_ref() == Some(&first);
        while std::mem::take(&mut is_again)
            || self.logged.has(&key)
            || (self.logged.is_written() && self.conflicts.get(&key, self.output)?.is_some())
        {
            let number = self.logged.next_number(&first);
            key = conflict.list_key(self.version, number).map_err(refused)?;
        }
        self.last = Some(first);
        let state = self.output.spill(LineState::Put(conflict.to_value().into()))?;
        let meta =
            Meta { at: conflict.incoming.at, by: conflict.incoming.by.clone(), rev: self.version };
        if let Some(line) = self.logged.keep(Line { key, meta, state }, identity_of(&conflict)) {
            self.conflicts.put(&line, self.output)?;
        }
        self.report(&conflict_line(&conflict))?;
        Ok(true)
    }

    fn differs(&mut self, store: &DomString, line: &Line) -> Result<(), StoreError> {
        if !self.report_changes {
            return Ok(());
        }
        let mut text = Vec::new();
        line.write(store.to_canonical().as_bytes(), &mut text);
        self.report(&ReportLine::Change { line: String::from_utf8_lossy(&text).trim_end() })
    }
}
