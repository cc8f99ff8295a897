//! Turns a full batch into changes, by comparing it with the view of its source, never with head.
//! The view includes the source's own changes by delta batches since its last full one. See
//! `doc/reference/rules.md`, "Full batches".

use std::collections::VecDeque;
use std::path::PathBuf;

use super::error::SyncError;
use super::own_changes::{OwnChanges, OwnLines};
use super::recorder::ChunkOutput;
use crate::chunk::{ChunkBuilder, ChunkSink, ContentBuilder, ContentRef};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::SortableKey;
use crate::normalize::{
    Batch, Changes, Claim, DEFAULT_MEMORY_BYTES, Folded, KeptReason, Runs, Unsent, WithheldStore,
    push_folded,
};
use crate::snapshot::{ChunkRef, FlowVersion, Line, LineState, List, Meta};
use crate::store::StoreError;

/// A view: chunks per object store, sorted by name.
pub(crate) type ViewChunks = Vec<(DomString, Vec<ChunkRef>)>;

/// A reader of a view.
pub(crate) trait ViewSource {
    /// Returns the lines of a chunk.
    fn lines(&self, store: &DomString, chunk: &ChunkRef) -> Result<Vec<Line>, StoreError>;
    /// Returns the whole value of a line.
    fn whole(&self, state: &LineState) -> Result<Option<Box<[u8]>>, StoreError>;
}

/// The data that a source has sent before.
pub(crate) struct SourceView<'a> {
    /// The chunks of its view; `None` if it never sent a full batch, or the view was forgotten.
    pub(crate) chunks: Option<&'a ViewChunks>,
    /// The version made by its last full batch.
    pub(crate) full: Option<FlowVersion>,
    /// The source's own changes since.
    pub(crate) own: Option<&'a OwnChanges<'a>>,
    /// The reader of the chunks.
    pub(crate) source: &'a dyn ViewSource,
}

/// A full batch as changes.
#[derive(Debug)]
pub(crate) struct Compared {
    /// Puts and deletions, with their base.
    pub(crate) changes: Changes,
    /// The object stores by which `changes` are numbered, sorted by name: the batch's, the view's,
    /// and those of own changes.
    pub(crate) names: Vec<DomString>,
    /// The source's records now, per object store of `names`, including kept ones.
    pub(crate) contents: Vec<Vec<ContentRef>>,
    /// True if they equal what it last sent in full.
    pub(crate) alike: bool,
    /// True if nothing else can differ either.
    pub(crate) same: bool,
    /// Number of records in the batch that equal the view's.
    pub(crate) unchanged: u64,
    /// Records that are neither in the batch nor deleted.
    pub(crate) kept: Vec<KeptRecords>,
    /// Number of records that the source had before, per object store of `names`.
    pub(crate) had: Vec<u64>,
}

impl Compared {
    /// Returns the number of records of an object store that the source had.
    pub(crate) fn had_in(&self, name: &DomString) -> u64 {
        let place = self.names.binary_search(name).ok();
        place.and_then(|place| self.had.get(place)).copied().unwrap_or(0)
    }
}

/// Records that stay although a full batch does not contain them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeptRecords {
    pub(crate) store: DomString,
    pub(crate) reason: KeptReason,
    pub(crate) count: u64,
}

/// An object store of the batch or of the view.
struct StorePlan<'a> {
    name: DomString,
    viewed: &'a [ChunkRef],
    /// The reason why none of its records is deleted.
    keeps_all: Option<KeptReason>,
    /// Single records that are not deleted.
    withheld: Option<&'a WithheldStore>,
    /// True if the batch cannot contain records of it, and nothing else differs, so that its view
    /// is kept unchanged.
    carried: bool,
}

impl StorePlan<'_> {
    fn kept(&self, key: &SortableKey) -> Option<KeptReason> {
        let single = || {
            self.withheld.filter(|withheld| withheld.holds(key)).map(|_| KeptReason::RejectedLine)
        };
        self.keeps_all.or_else(single)
    }

    /// True if the view has to be read to know what is kept.
    fn keeps(&self) -> bool {
        !self.carried
            && (self.keeps_all.is_some() || self.withheld.is_some_and(WithheldStore::holds_any))
    }
}

/// Compares a full batch with the view of its source.
pub(crate) struct Comparison<'a> {
    batch: &'a Batch,
    view: SourceView<'a>,
    plans: Vec<StorePlan<'a>>,
    /// For each object store of the batch, its index in `plans`.
    places: Vec<usize>,
}

/// A record of the view.
struct Known {
    line: Line,
    /// True if the source has changed it since.
    own: bool,
}

/// A step through batch and view, in the order of object stores and keys.
enum JoinStep {
    /// A record of the batch, and the view's record with the same key.
    Put(Folded, Option<Known>),
    /// A record that only the view has.
    Missing(Known),
}

impl<'a> Comparison<'a> {
    /// `gone` is true if an upgrade has deleted the object stores that are missing from the batch's
    /// schema.
    pub(crate) fn new(
        batch: &'a Batch,
        view: SourceView<'a>,
        gone: bool,
    ) -> Result<Self, StoreError> {
        let schema = &batch.header.schema;
        let chunks = view.chunks.map(Vec::as_slice).unwrap_or_default();
        let mut names: Vec<_> = schema.stores.iter().map(|store| store.name.clone()).collect();
        names.extend(chunks.iter().map(|(name, _)| name.clone()));
        if let Some(own) = view.own {
            names.extend(own.stores_beside(&names)?);
        }
        names.sort();
        names.dedup();
        let plan = |name: DomString| {
            let viewed = chunks
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, chunks)| chunks.as_slice());
            let place = schema.store(&name).map(|(place, _)| place);
            let left_out = (place.is_none() && !gone).then_some(KeptReason::StoreLeftOut);
            let keeps_all = left_out.or_else(|| batch.withheld.keeps_all(place));
            let carried = place.is_none() && keeps_all.is_some() && view.own.is_none();
            let withheld = place.and_then(|place| batch.withheld.of_store(place));
            StorePlan { name, viewed: viewed.unwrap_or_default(), keeps_all, withheld, carried }
        };
        let plans: Vec<_> = names.into_iter().map(plan).collect();
        let place =
            |name: &DomString| plans.binary_search_by(|plan| plan.name.cmp(name)).unwrap_or(0);
        let places = schema.stores.iter().map(|store| place(&store.name)).collect();
        Ok(Self { batch, view, plans, places })
    }

    /// Returns the differences. For a batch that equals the view and has no base, reads no chunk.
    pub(crate) fn compare(&self, temp: Option<PathBuf>) -> Result<Compared, SyncError> {
        let (now, kept) = self.contents()?;
        let all: u64 = now.iter().flatten().map(|chunk| chunk.content.count).sum();
        let mut unchanged = all - kept.iter().map(|kept| kept.count).sum::<u64>();
        let is_viewed = |(now, plan): (&Vec<NowChunk>, &StorePlan<'_>)| {
            now.len() == plan.viewed.len()
                && now.iter().zip(plan.viewed).all(|(a, b)| a.content.is(b))
        };
        let alike = now.iter().zip(&self.plans).all(is_viewed);
        let has_bases =
            self.batch.header.base.is_some() || now.iter().flatten().any(|chunk| chunk.has_claims);
        let mut changes =
            Changes { runs: Runs::new(DEFAULT_MEMORY_BYTES, temp), ranges: Vec::new(), deletes: 0 };
        let mut had: Vec<_> = self
            .plans
            .iter()
            .map(|plan| plan.viewed.iter().map(|chunk| chunk.count).sum())
            .collect();
        if !alike || has_bases || self.view.own.is_some() {
            let (counted, puts) = self.changes(&now, &mut changes)?;
            unchanged -= puts;
            if self.view.own.is_some() {
                had = counted;
            }
        }
        let same = alike && !has_bases && self.view.own.is_none();
        changes.runs.seal();
        let contents = now
            .into_iter()
            .map(|chunks| chunks.into_iter().map(|chunk| chunk.content).collect())
            .collect();
        let names = self.plans.iter().map(|plan| plan.name.clone()).collect();
        Ok(Compared { changes, names, contents, alike, same, unchanged, kept, had })
    }

    /// Walks through the batch, and in parallel through the view that `views` returns for each
    /// object store.
    fn walk(
        &self,
        views: &dyn Fn(usize) -> StoreView<'a>,
        visit: &mut dyn FnMut(usize, JoinStep) -> Result<(), SyncError>,
    ) -> Result<(), SyncError> {
        let mut folds = self.batch.changes.folds(0)?;
        let mut next = folds.next()?;
        for place in 0..self.plans.len() {
            let mut view = views(place);
            while let Some(put) = next.take_if(|put| self.places.get(put.store) == Some(&place)) {
                while let Some(known) = view.take(|key| *key < put.key)? {
                    visit(place, JoinStep::Missing(known))?;
                }
                let known = view.take(|key| *key == put.key)?;
                visit(place, JoinStep::Put(put, known))?;
                next = folds.next()?;
            }
            while let Some(known) = view.take(|_| true)? {
                visit(place, JoinStep::Missing(known))?;
            }
        }
        Ok(())
    }

    /// Returns the view of one object store, without the chunks for which `skips` is true.
    fn view_of(&self, place: usize, skips: &dyn Fn(&ChunkRef) -> bool) -> StoreView<'a> {
        let plan = &self.plans[place];
        StoreView {
            name: plan.name.clone(),
            source: self.view.source,
            chunks: plan.viewed.iter().filter(|chunk| !skips(chunk)).collect(),
            lines: VecDeque::new(),
            // Without a view there are no own changes since.
            own: self
                .view
                .own
                .filter(|_| self.view.chunks.is_some())
                .map(|own| own.of_store(&plan.name)),
            own_line: None,
            next: None,
        }
    }

    fn no_view(&self, place: usize) -> StoreView<'a> {
        let name = self.plans[place].name.clone();
        let (source, chunks, lines) = (self.view.source, VecDeque::new(), VecDeque::new());
        StoreView { name, source, chunks, lines, own: None, own_line: None, next: None }
    }

    /// Returns the source's records now, in chunks, and the kept records that the batch does not
    /// contain.
    fn contents(&self) -> Result<(Vec<Vec<NowChunk>>, Vec<KeptRecords>), SyncError> {
        let mut now: Vec<NowChunks> = self.plans.iter().map(|_| NowChunks::default()).collect();
        let mut counts = vec![0; self.plans.len()];
        for (place, plan) in self.plans.iter().enumerate().filter(|(_, plan)| plan.carried) {
            counts[place] = plan.viewed.iter().map(|chunk| chunk.count).sum();
            now[place].chunks.extend(plan.viewed.iter().map(NowChunk::of));
        }
        let views = |place: usize| {
            if self.plans[place].keeps() {
                self.view_of(place, &|_| false)
            } else {
                self.no_view(place)
            }
        };
        self.walk(&views, &mut |place, step| {
            match step {
                JoinStep::Put(put, _) => {
                    now[place].push(&put.key, &put.state, put.claim != Claim::None)
                }
                JoinStep::Missing(known) if self.plans[place].kept(&known.line.key).is_some() => {
                    counts[place] += 1;
                    now[place].push(&known.line.key, &known.line.state, false);
                }
                JoinStep::Missing(_) => {}
            }
            Ok(())
        })?;
        let kept =
            self.plans.iter().zip(counts).filter(|(_, count)| *count > 0).map(|(plan, count)| {
                KeptRecords {
                    store: plan.name.clone(),
                    reason: plan.keeps_all.unwrap_or(KeptReason::RejectedLine),
                    count,
                }
            });
        let kept = kept.collect();
        Ok((now.into_iter().map(NowChunks::finish).collect(), kept))
    }

    /// Adds the differences from the view to `changes`. Returns the numbers of the view's records,
    /// as far as they are read, and the number of puts.
    fn changes(
        &self,
        now: &[Vec<NowChunk>],
        changes: &mut Changes,
    ) -> Result<(Vec<u64>, u64), SyncError> {
        // A chunk may be skipped only if equal values mean that nothing changed.
        let skips = |place: usize| {
            self.batch.header.base.is_none()
                && self.view.own.is_none()
                && !self.plans[place].keeps()
        };
        let views = |place: usize| {
            if self.plans[place].carried {
                return self.no_view(place);
            }
            self.view_of(place, &|chunk: &ChunkRef| {
                let found = now[place].partition_point(|now| now.content.first < chunk.first);
                skips(place)
                    && now[place]
                        .get(found)
                        .is_some_and(|now| !now.has_claims && now.content.is(chunk))
            })
        };
        let mut skipped: Vec<Skipping<'_>> = (0..self.plans.len())
            .map(|place| Skipping {
                now: &now[place],
                viewed: self.plans[place].viewed,
                taken: 0,
                on: skips(place),
            })
            .collect();
        let mut counts = vec![0; self.plans.len()];
        let mut pushed = 0;
        self.walk(&views, &mut |place, step| {
            let change = match step {
                JoinStep::Put(put, known) => {
                    counts[place] += u64::from(known.is_some());
                    if skipped[place].skips_next() { None } else { self.put(put, known)? }
                }
                JoinStep::Missing(known) => {
                    counts[place] += 1;
                    let kept = self.plans[place].kept(&known.line.key).is_some();
                    if kept { None } else { Some(self.deletion(place, known)?) }
                }
            };
            let Some(change) = change else { return Ok(()) };
            changes.deletes += u64::from(change.state == LineState::Delete);
            pushed += 1;
            Ok(push_folded(&mut changes.runs, &change, pushed)?)
        })?;
        Ok((counts, pushed - changes.deletes))
    }

    /// Turns a record of the batch into a change; `None` if it equals the view's.
    fn put(&self, mut put: Folded, known: Option<Known>) -> Result<Option<Folded>, SyncError> {
        put.store = self.places.get(put.store).copied().unwrap_or(0);
        let known = known.filter(|known| self.counts(known, &put.claim));
        if let Some(known) = known {
            if known.line.state.same(&put.state) {
                return Ok(None);
            }
            put.claim = self.claim(&known)?;
        } else if put.claim == Claim::None
            && self.batch.header.base.is_none()
            && self.view.chunks.is_some()
        {
            put.claim = Claim::Absent;
        }
        Ok(Some(put))
    }

    fn deletion(&self, place: usize, known: Known) -> Result<Folded, SyncError> {
        let claim =
            if self.counts(&known, &Claim::None) { self.claim(&known)? } else { Claim::None };
        let (key, state, unsent) = (known.line.key, LineState::Delete, Unsent::default());
        Ok(Folded { store: place, key, state, clock: None, claim, unsent })
    }

    /// True if the view's record is better evidence of what the source had than the change's claim
    /// or the batch's base.
    fn counts(&self, known: &Known, claim: &Claim) -> bool {
        let later = |version: &FlowVersion| self.view.full.is_some_and(|full| full > *version);
        known.own
            || match (claim, &self.batch.header.base) {
                (Claim::None, base) => base.as_ref().is_none_or(later),
                (Claim::Version(version), Some(_)) => later(version),
                _ => false,
            }
    }

    fn claim(&self, known: &Known) -> Result<Claim, StoreError> {
        Ok(self.whole(known)?.map_or(Claim::Absent, Claim::Value))
    }

    fn whole(&self, known: &Known) -> Result<Option<Box<[u8]>>, StoreError> {
        match self.view.own.filter(|_| known.own) {
            Some(own) => own.whole(&known.line.state),
            None => self.view.source.whole(&known.line.state),
        }
    }

    /// Provides a chunk for each content, from `stored` if it is there, otherwise written anew.
    pub(crate) fn store_view(
        &self,
        compared: &Compared,
        stored: &dyn Fn(&DomString, &ContentRef) -> Option<ChunkRef>,
        meta: &Meta,
        output: &mut ChunkOutput<'_, '_>,
    ) -> Result<ViewChunks, SyncError> {
        let find = |(name, contents): (&DomString, &Vec<ContentRef>)| {
            contents.iter().map(|content| stored(name, content)).collect::<Vec<_>>()
        };
        let mut slots: Vec<Vec<Option<ChunkRef>>> =
            compared.names.iter().zip(&compared.contents).map(find).collect();
        let lacks: Vec<bool> =
            slots.iter().map(|slots| slots.iter().any(Option::is_none)).collect();
        let views = |place: usize| {
            let plan = &self.plans[place];
            let reads = plan.keeps() || (plan.carried && lacks[place]);
            if reads { self.view_of(place, &|_| false) } else { self.no_view(place) }
        };
        let mut walk = vec![(0usize, 0u64); slots.len()];
        let mut builder: Option<ChunkBuilder> = None;
        self.walk(&views, &mut |place, step| {
            let (key, state, at) = match step {
                JoinStep::Put(put, _) => (put.key, put.state, put.clock),
                JoinStep::Missing(known) => {
                    if self.plans[place].kept(&known.line.key).is_none() {
                        return Ok(());
                    }
                    // The parts of the value may only be in an older version.
                    let value = self.whole(&known)?;
                    let Line { key, meta, state } = known.line;
                    (key, value.map_or(state, LineState::Put), Some(meta.at))
                }
            };
            let (chunk, taken) = &mut walk[place];
            let count = compared.contents[place].get(*chunk).map_or(0, |content| content.count);
            *taken += 1;
            let ends = *taken == count;
            if let Some(slot) = slots[place].get_mut(*chunk).filter(|slot| slot.is_none()) {
                let name = compared.names[place].to_canonical().into_bytes();
                let builder = builder.get_or_insert_with(|| ChunkBuilder::new(name));
                let state = output.spill(state)?;
                let meta = Meta { at: at.unwrap_or(meta.at), ..meta.clone() };
                let cut = builder.push(&Line { key, meta, state });
                if let Some((written, text)) =
                    if ends { cut.or_else(|| builder.cut()) } else { cut }
                {
                    output.write_chunk(&List::Views, &written, text)?;
                    *slot = Some(written);
                }
            }
            if ends {
                builder = None;
                (*chunk, *taken) = (*chunk + 1, 0);
            }
            Ok(())
        })?;
        let chunks = slots.into_iter().map(|slots| slots.into_iter().flatten().collect());
        Ok(compared.names.iter().cloned().zip(chunks).collect())
    }
}

/// A chunk of the source's current records.
#[derive(Debug)]
struct NowChunk {
    content: ContentRef,
    /// True if a line in it has a base.
    has_claims: bool,
}

impl NowChunk {
    fn of(chunk: &ChunkRef) -> Self {
        let (first, count, content) = (chunk.first.clone(), chunk.count, chunk.content);
        Self { content: ContentRef { first, count, content }, has_claims: false }
    }
}

#[derive(Debug, Default)]
struct NowChunks {
    chunks: Vec<NowChunk>,
    builder: ContentBuilder,
    has_claims: bool,
}

impl NowChunks {
    fn push(&mut self, key: &SortableKey, state: &LineState, claims: bool) {
        self.has_claims |= claims;
        if self.builder.push(key, state) {
            self.cut();
        }
    }

    fn cut(&mut self) {
        let has_claims = std::mem::take(&mut self.has_claims);
        self.chunks.extend(self.builder.cut().map(|content| NowChunk { content, has_claims }));
    }

    fn finish(mut self) -> Vec<NowChunk> {
        self.cut();
        self.chunks
    }
}

/// Follows the batch through its chunks, to skip those that the view has as well.
struct Skipping<'a> {
    now: &'a [NowChunk],
    viewed: &'a [ChunkRef],
    taken: u64,
    on: bool,
}

impl Skipping<'_> {
    /// True if the next record of the batch is in such a chunk.
    fn skips_next(&mut self) -> bool {
        let Some(first) = self.now.first().filter(|_| self.on) else { return false };
        self.taken += 1;
        if self.taken == first.content.count {
            (self.taken, self.now) = (0, &self.now[1..]);
        }
        let place = self.viewed.partition_point(|chunk| chunk.first < first.content.first);
        !first.has_claims && self.viewed.get(place).is_some_and(|chunk| first.content.is(chunk))
    }
}

/// The view of one object store, with the source's changes since, in key order.
struct StoreView<'a> {
    name: DomString,
    source: &'a dyn ViewSource,
    chunks: VecDeque<&'a ChunkRef>,
    lines: VecDeque<Line>,
    own: Option<OwnLines<'a>>,
    own_line: Option<Line>,
    next: Option<Known>,
}

impl StoreView<'_> {
    /// Returns the next record, if its key is wanted.
    fn take(
        &mut self,
        is_wanted: impl Fn(&SortableKey) -> bool,
    ) -> Result<Option<Known>, StoreError> {
        while self.next.is_none() {
            while self.lines.is_empty() {
                let Some(chunk) = self.chunks.pop_front() else { break };
                self.lines = self.source.lines(&self.name, chunk)?.into();
            }
            if self.own_line.is_none()
                && let Some(own) = &mut self.own
            {
                self.own_line = own.next()?;
            }
            let own = self
                .own_line
                .take_if(|own| self.lines.front().is_none_or(|line| own.key <= line.key));
            self.next = match own {
                Some(own) => {
                    if self.lines.front().is_some_and(|line| line.key == own.key) {
                        self.lines.pop_front();
                    }
                    // The source deleted the record itself.
                    if own.state == LineState::Delete {
                        continue;
                    }
                    Some(Known { line: own, own: true })
                }
                None => self.lines.pop_front().map(|line| Known { line, own: false }),
            };
            if self.next.is_none() {
                return Ok(None);
            }
        }
        Ok(self.next.take_if(|known| is_wanted(&known.line.key)))
    }
}
