//! A full batch becomes changes: compared with what its source itself last sent in full, never with head. Where it names a version
//! up to which the source has applied everything, what is older than that in the view says nothing any more. What is newer, the
//! source has sent and heard no answer to.

use std::collections::VecDeque;
use std::path::PathBuf;

use super::error::SyncError;
use super::recorder::Output;
use crate::chunk::{ChunkBuilder, ChunkSink, ContentBuilder, ContentRef};
use crate::indexeddb::dom_string::DomString;
use crate::normalize::{Batch, Changes, Claim, DEFAULT_MEMORY_BYTES, Folded, Runs, Unsent, push_folded};
use crate::snapshot::{ChunkRef, FlowVersion, Line, LineState, List, Meta};
use crate::store::StoreError;

/// What a source last sent in full: chunks per object store, sorted by name.
pub(super) type ViewChunks = Vec<(DomString, Vec<ChunkRef>)>;

/// Reads a view.
pub(super) trait ViewSource {
    /// The lines of one of its chunks.
    fn lines(&self, store: &DomString, chunk: &ChunkRef) -> Result<Vec<Line>, StoreError>;
    /// The whole value of one of its lines.
    fn whole(&self, state: &LineState) -> Result<Option<Box<[u8]>>, StoreError>;
}

/// A full batch as changes.
#[derive(Debug)]
pub(super) struct Compared {
    /// Puts and deletes, with their base.
    pub changes: Changes,
    /// The object stores that `changes` count, sorted by name: the batch's and the view's.
    pub names: Vec<DomString>,
    /// What the source has now, per object store of `names`.
    pub contents: Vec<Vec<ContentRef>>,
    /// Whether that is what it had.
    pub same: bool,
}

/// Compares a full batch with a view. An unchanged one reads no chunk, unless it has a base.
pub(super) fn compare(
    batch: &Batch,
    view: &ViewChunks,
    source: &dyn ViewSource,
    temp: Option<PathBuf>,
) -> Result<Compared, SyncError> {
    let mut names: Vec<_> = batch.header.schema.stores.iter().map(|store| store.name.clone()).collect();
    names.extend(view.iter().map(|(name, _)| name.clone()));
    names.sort();
    names.dedup();
    let place = |name: &DomString| names.binary_search(name).unwrap_or(0);
    let places: Vec<_> = batch.header.schema.stores.iter().map(|store| place(&store.name)).collect();
    let mut viewed: Vec<&[ChunkRef]> = vec![&[]; names.len()];
    view.iter().for_each(|(name, chunks)| viewed[place(name)] = chunks);
    let contents = contents(batch, &places, names.len())?;
    let same = contents
        .iter()
        .zip(&viewed)
        .all(|(now, then)| now.len() == then.len() && now.iter().zip(*then).all(|(a, b)| a.is(b)));
    let mut changes = Changes { runs: Runs::new(DEFAULT_MEMORY_BYTES, temp), ranges: Vec::new(), deletes: 0 };
    let base = batch.header.base;
    if !same || base.is_some() {
        let mut joins: Vec<_> = (0..names.len())
            .map(|store| Join::new(store, &names[store], viewed[store], &contents[store], source, base))
            .collect();
        let mut folds = batch.changes.folds(0)?;
        while let Some(mut put) = folds.next()? {
            put.store = places[put.store];
            joins[put.store].put(put, &mut changes)?;
        }
        joins.iter_mut().try_for_each(|join| join.finish(&mut changes))?;
    }
    changes.runs.seal();
    Ok(Compared { changes, names, contents, same })
}

fn contents(batch: &Batch, places: &[usize], stores: usize) -> Result<Vec<Vec<ContentRef>>, SyncError> {
    let mut contents: Vec<Vec<ContentRef>> = vec![Vec::new(); stores];
    let mut builder = ContentBuilder::default();
    let mut current = 0;
    let mut folds = batch.changes.folds(0)?;
    while let Some(put) = folds.next()? {
        let store = places[put.store];
        if store != current {
            contents[current].extend(builder.cut());
            current = store;
        }
        if builder.push(&put.key, &put.state) {
            contents[current].extend(builder.cut());
        }
    }
    if let Some(last) = contents.get_mut(current) {
        last.extend(builder.cut());
    }
    Ok(contents)
}

/// Joins what is new with what was there, leaving out chunks that are in both.
struct Join<'a> {
    store: usize,
    name: &'a DomString,
    source: &'a dyn ViewSource,
    /// Up to which version the source says that it has applied everything.
    base: Option<FlowVersion>,
    /// Chunks of the view that the batch has not; with a base, all.
    then: VecDeque<&'a ChunkRef>,
    lines: VecDeque<Line>,
    /// The batch's chunks from the place of the walk on, and whether the view has them.
    now: VecDeque<(&'a ContentRef, bool)>,
    /// Entries that were taken of the first of them.
    taken: u64,
    pushed: u64,
}

impl<'a> Join<'a> {
    fn new(
        store: usize,
        name: &'a DomString,
        then: &'a [ChunkRef],
        now: &'a [ContentRef],
        source: &'a dyn ViewSource,
        base: Option<FlowVersion>,
    ) -> Self {
        let has = |content: &ContentRef| {
            let place = then.partition_point(|chunk| chunk.first < content.first);
            base.is_none() && then.get(place).is_some_and(|chunk| content.is(chunk))
        };
        let lacks = |chunk: &&ChunkRef| {
            let place = now.partition_point(|content| content.first < chunk.first);
            base.is_some() || !now.get(place).is_some_and(|content| content.is(chunk))
        };
        Self {
            store,
            name,
            source,
            base,
            then: then.iter().filter(lacks).collect(),
            lines: VecDeque::new(),
            now: now.iter().map(|content| (content, has(content))).collect(),
            taken: 0,
            pushed: 0,
        }
    }

    fn front(&mut self) -> Result<Option<&Line>, StoreError> {
        while self.lines.is_empty() {
            let Some(chunk) = self.then.pop_front() else { return Ok(None) };
            self.lines = self.source.lines(self.name, chunk)?.into();
        }
        Ok(self.lines.front())
    }

    fn put(&mut self, mut put: Folded, changes: &mut Changes) -> Result<(), SyncError> {
        let Some((content, has)) = self.now.front().copied() else { return Ok(()) };
        self.taken += 1;
        if self.taken == content.count {
            self.taken = 0;
            self.now.pop_front();
        }
        if has {
            return Ok(());
        }
        while self.front()?.is_some_and(|line| line.key < put.key) {
            self.delete(changes)?;
        }
        let is_known = self.front()?.is_some_and(|line| line.key == put.key);
        let known = if is_known { self.lines.pop_front() } else { None };
        let known = known.filter(|line| self.counts(line, &put.claim));
        if known.as_ref().is_some_and(|line| line.state.same(&put.state)) {
            return Ok(());
        }
        if known.is_some() || put.claim == Claim::None {
            put.claim = self.claim(known.as_ref())?;
        }
        self.push(&put, changes)
    }

    /// Whether a line of the view says more of what the source had than the change itself, or the batch's base.
    fn counts(&self, line: &Line, claim: &Claim) -> bool {
        match (claim, self.base) {
            (Claim::None, base) => base.is_none_or(|base| line.meta.rev > base),
            (Claim::Version(version), Some(_)) => line.meta.rev > *version,
            _ => false,
        }
    }

    /// What a change of a record is based on: on what the view has of it, if that counts.
    fn claim(&self, known: Option<&Line>) -> Result<Claim, StoreError> {
        match known {
            Some(line) => Ok(self.source.whole(&line.state)?.map_or(Claim::Absent, Claim::Value)),
            // The batch's base.
            None if self.base.is_some() => Ok(Claim::None),
            None => Ok(Claim::Absent),
        }
    }

    fn delete(&mut self, changes: &mut Changes) -> Result<(), SyncError> {
        let Some(line) = self.lines.pop_front() else { return Ok(()) };
        let claim = self.claim(Some(&line).filter(|line| self.counts(line, &Claim::None)))?;
        changes.deletes += 1;
        let (key, state, unsent) = (line.key, LineState::Delete, Unsent::default());
        self.push(&Folded { store: self.store, key, state, clock: None, claim, unsent }, changes)
    }

    fn push(&mut self, change: &Folded, changes: &mut Changes) -> Result<(), SyncError> {
        self.pushed += 1;
        Ok(push_folded(&mut changes.runs, change, self.pushed)?)
    }

    fn finish(&mut self, changes: &mut Changes) -> Result<(), SyncError> {
        while self.front()?.is_some() {
            self.delete(changes)?;
        }
        Ok(())
    }
}

/// Gives a chunk for each content, from `stored` where it is, else written anew.
pub(super) fn store_view(
    batch: &Batch,
    compared: &Compared,
    stored: &dyn Fn(&DomString, &ContentRef) -> Option<ChunkRef>,
    meta: &Meta,
    output: &mut Output<'_, '_>,
) -> Result<ViewChunks, SyncError> {
    let find = |(name, contents): (&DomString, &Vec<ContentRef>)| {
        let chunks: Vec<_> = contents.iter().map(|content| stored(name, content)).collect();
        (name.clone(), chunks)
    };
    let mut view: Vec<(DomString, Vec<Option<ChunkRef>>)> =
        compared.names.iter().zip(&compared.contents).map(find).collect();
    let mut walk = vec![(0usize, 0u64); view.len()];
    let mut builder: Option<ChunkBuilder> = None;
    let mut folds = batch.changes.folds(0)?;
    while let Some(put) = folds.next()? {
        let Some(name) = batch.header.schema.stores.get(put.store).map(|store| &store.name) else { continue };
        let store = compared.names.binary_search(name).unwrap_or(0);
        let (chunk, taken) = &mut walk[store];
        let count = compared.contents[store].get(*chunk).map_or(0, |content| content.count);
        let slot = &mut view[store].1[*chunk];
        *taken += 1;
        let ends = *taken == count;
        if slot.is_none() {
            let builder = builder.get_or_insert_with(|| ChunkBuilder::new(name.to_canonical().into_bytes()));
            let state = output.spill(put.state)?;
            let meta = Meta { at: put.clock.unwrap_or(meta.at), ..meta.clone() };
            let cut = builder.push(&Line { key: put.key, meta, state });
            if let Some((written, text)) = if ends { cut.or_else(|| builder.cut()) } else { cut } {
                output.write_chunk(&List::Views, &written, text)?;
                *slot = Some(written);
            }
        }
        if ends {
            builder = None;
            (*chunk, *taken) = (*chunk + 1, 0);
        }
    }
    Ok(view.into_iter().map(|(name, chunks)| (name, chunks.into_iter().flatten().collect())).collect())
}
