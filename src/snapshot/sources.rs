//! The list `~sources`: the state of each source, and remembered deliveries. Replays are recognized
//! here.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::deletion_run::Run;
use super::delivery::DeliveryQueue;
pub(crate) use super::delivery::add_text;
pub use super::delivery::{DELIVERIES, Delivery, MAX_DELIVERY_BYTES, Recognition};
use super::logged_conflict::Choice;
use super::manifest::canonical_json;
use super::retention::Retention;
use super::{Digest, FlowVersion, Line, LineState, Meta, SourceId};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::key::{Key, SortableKey};
use crate::indexeddb::schema::name_to_json;

/// Limit on the notices that are kept, newest first; those of one version are ordered by conflict.
pub const NOTICES: usize = 1024;

/// The records that a source last sent in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum View {
    /// Equal to the records of this flow version.
    Version(FlowVersion),
    /// Chunks of `~views` by full digest, per object store.
    Chunks(Vec<(DomString, Vec<Digest>)>),
}

/// The state of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceState {
    /// The epoch, if the source numbers its changes.
    pub epoch: Option<String>,
    /// The last committed sequence number; 0 before the first.
    pub checkpoint: u64,
    /// The records that it last sent in full, if any.
    pub view: Option<View>,
    /// The version made by its last full batch.
    pub full: Option<FlowVersion>,
    /// The version made by its first delta batch after that.
    pub own: Option<FlowVersion>,
}

/// A notice for a source: a person decided a conflict in which the source is involved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Key of the conflict's line in `~conflicts`.
    pub id: SortableKey,
    /// The decision.
    pub choice: Choice,
    /// The version that contains the decision.
    pub resolved: FlowVersion,
    /// The first version whose report contained the notice, if the source sends no bases.
    pub told: Option<FlowVersion>,
}

/// The whole list `~sources` in memory; a line has some hundred bytes.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    lines: BTreeMap<SortableKey, Line>,
    /// Deliveries in order of arrival, read when the first one is added.
    pub(crate) deliveries: Option<DeliveryQueue>,
    /// The number of views that refer to each chunk, counted on first use.
    viewed: Option<BTreeMap<Digest, usize>>,
}

/// The relation of a sequenced batch to the checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// The whole batch is committed already.
    Whole,
    /// Changes before this number of the batch (from 0) are committed; 0 if none is.
    From(u64),
    /// Changes after this checkpoint are missing.
    Gap(u64),
    /// The source is known under another epoch.
    Epoch,
}

/// Compares a batch's range of numbers with a source's state.
///
/// `jump` is true for full batches, which may start at any number.
pub fn replay(
    state: Option<&SourceState>,
    epoch: &str,
    first: u64,
    last: u64,
    jump: bool,
) -> Replay {
    let checkpoint = match state {
        None => 0,
        Some(state) => match &state.epoch {
            Some(known) if known != epoch => return Replay::Epoch,
            _ => state.checkpoint,
        },
    };
    if last <= checkpoint {
        Replay::Whole
    } else if jump {
        Replay::From(0)
    } else if first > checkpoint + 1 {
        Replay::Gap(checkpoint)
    } else {
        Replay::From(checkpoint + 1 - first)
    }
}

fn source_key(id: &SourceId) -> SortableKey {
    list_key("source", id.as_str())
}

fn run_key(source: Option<&SourceId>) -> SortableKey {
    list_key("run", source.map_or("", SourceId::as_str))
}

pub(crate) fn list_key(kind: &str, id: &str) -> SortableKey {
    let mut out = Vec::new();
    Key::Array(vec![Key::String(kind.into()), Key::String(id.into())]).write_sortable(&mut out);
    SortableKey::trusted(&out)
}

/// Returns the key `["notice",SOURCE,ID]`; `None` if `id` is not the key of a conflict.
fn notice_key(source: &SourceId, id: &SortableKey) -> Option<SortableKey> {
    let id = Key::from_sortable(id.as_bytes()).ok()?;
    Key::Array(vec![Key::String("notice".into()), Key::String(source.as_str().into()), id])
        .to_list_key()
        .ok()
}

impl Notice {
    fn to_json(&self) -> Value {
        let mut members = Map::new();
        members.insert("resolved".into(), self.resolved.get().into());
        if let Some(told) = self.told {
            members.insert("told".into(), told.get().into());
        }
        members.insert("use".into(), self.choice.name().into());
        Value::Object(members)
    }
}

impl Sources {
    /// Builds the list from its lines.
    pub fn from_lines(lines: impl IntoIterator<Item = Line>) -> Self {
        Self {
            lines: lines.into_iter().map(|line| (line.key.clone(), line)).collect(),
            ..Self::default()
        }
    }

    /// Returns the lines, in key order.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.lines.values()
    }

    pub(crate) fn has(&self, key: &SortableKey) -> bool {
        self.lines.contains_key(key)
    }

    pub(crate) fn remove(&mut self, key: &SortableKey) {
        self.lines.remove(key);
    }

    pub(crate) fn value(&self, key: &SortableKey) -> Option<Value> {
        match &self.lines.get(key)?.state {
            LineState::Put(value) => serde_json::from_slice(value).ok(),
            _ => None,
        }
    }

    /// Returns the state of a source.
    pub fn source(&self, id: &SourceId) -> Option<SourceState> {
        let key = source_key(id);
        let rev = self.lines.get(&key)?.meta.rev;
        self.value(&key).map(|value| SourceState::from_json(&value, rev))
    }

    /// Returns all sources with their states.
    pub fn all(&self) -> Vec<(SourceId, SourceState)> {
        let source = |line: &Line| {
            let Ok(Key::Array(parts)) = Key::from_sortable(line.key.as_bytes()) else {
                return None;
            };
            let [Key::String(kind), Key::String(id)] = parts.as_slice() else { return None };
            let id = id.to_text().filter(|_| *kind == "source".into())?.parse().ok()?;
            self.value(&line.key).map(|value| (id, SourceState::from_json(&value, line.meta.rev)))
        };
        self.of_kind("source").map(|(_, line)| line).filter_map(source).collect()
    }

    /// Sets a source's state; false if it is unchanged.
    pub fn set_source(&mut self, id: &SourceId, state: &SourceState, meta: &Meta) -> bool {
        if self.source(id).as_ref() == Some(state) {
            return false;
        }
        self.put_source(id, state, meta);
        true
    }

    /// Sets a source's state, and the version that set it, even if the state is unchanged.
    pub fn put_source(&mut self, id: &SourceId, state: &SourceState, meta: &Meta) {
        if let Some(mut viewed) = self.viewed.take() {
            let before = self.source(id).unwrap_or_default();
            before.view_chunks().for_each(|chunk| count(&mut viewed, chunk, false));
            state.view_chunks().for_each(|chunk| count(&mut viewed, chunk, true));
            self.viewed = Some(viewed);
        }
        let (key, text) = (source_key(id), canonical_json(&state.to_json(meta.rev)));
        let state = LineState::Put(text.into_bytes().into());
        self.lines.insert(key.clone(), Line { key, meta: meta.clone(), state });
    }

    /// Returns, for each object store that was recreated or gone, the version since which its keys
    /// have their present meaning.
    pub fn recreated(&self) -> BTreeMap<DomString, FlowVersion> {
        let recreated = |(key, line): (&SortableKey, &Line)| {
            let Ok(Key::Array(parts)) = Key::from_sortable(key.as_bytes()) else { return None };
            let [_, Key::String(name)] = parts.as_slice() else { return None };
            Some((name.clone(), line.meta.rev))
        };
        self.of_kind("recreated").filter_map(recreated).collect()
    }

    /// Returns the version up to which deletions that `reader` may have missed are no longer
    /// remembered: by age, or because somebody else recreated or removed an object store.
    pub fn forgotten(&self, reader: Option<&SourceId>) -> Option<FlowVersion> {
        let by_others = self
            .of_kind("recreated")
            .map(|(_, line)| &line.meta)
            .filter(|meta| meta.by.is_none() || meta.by.as_ref() != reader);
        by_others.map(|meta| meta.rev).max().max(self.retention().forgotten)
    }

    /// Keeps that the keys of an object store mean other records from the version of `meta` on, and
    /// forgets what every source but `except` sent of it. Nobody counts as heard of by that.
    pub fn forget_store(&mut self, name: &DomString, except: Option<&SourceId>, meta: &Meta) {
        if let Ok(key) =
            Key::Array(vec![Key::String("recreated".into()), Key::String(name.clone())])
                .to_list_key()
        {
            let state = LineState::Put(b"{}".as_slice().into());
            self.lines.insert(key.clone(), Line { key, meta: meta.clone(), state });
        }
        for (id, mut state) in self.all() {
            let Some(View::Chunks(stores)) = &mut state.view else { continue };
            stores.retain(|(known, _)| known != name);
            let heard = self.lines.get(&source_key(&id)).map(|line| line.meta.clone());
            if let Some(heard) = heard.filter(|_| except != Some(&id)) {
                self.set_source(&id, &state, &heard);
            }
        }
    }

    /// Returns a source's recent deletions, as counted by the guard.
    pub fn run(&self, source: Option<&SourceId>, received_at: i64) -> Run {
        let run =
            self.value(&run_key(source)).map(|value| Run::from_json(&value)).unwrap_or_default();
        if run.holds(received_at) { run } else { Run::default() }
    }

    /// Sets a source's recent deletions, and forgets those of others that are too old.
    pub fn set_run(&mut self, source: Option<&SourceId>, run: &Run, meta: &Meta) {
        let old = |(key, _): (&SortableKey, &Line)| {
            let run = self.value(key).map(|value| Run::from_json(&value)).unwrap_or_default();
            (!run.holds(meta.at)).then(|| key.clone())
        };
        let old: Vec<_> = self.of_kind("run").filter_map(old).collect();
        old.iter().for_each(|key| drop(self.lines.remove(key)));
        let key = run_key(source);
        if run.stores.is_empty() {
            self.lines.remove(&key);
        } else {
            self.set(key, canonical_json(&run.to_json()), meta);
        }
    }

    /// Returns the retention of deletions.
    pub fn retention(&self) -> Retention {
        self.value(&list_key("retention", ""))
            .map(|value| Retention::from_json(&value))
            .unwrap_or_default()
    }

    /// Sets the retention of deletions.
    pub fn set_retention(&mut self, retention: &Retention, meta: &Meta) {
        self.set(list_key("retention", ""), canonical_json(&retention.to_json()), meta);
    }

    /// Returns the version made by a source's last batch, if it is kept.
    pub fn last_seen(&self, id: &SourceId) -> Option<FlowVersion> {
        self.lines.get(&source_key(id)).map(|line| line.meta.rev)
    }

    /// Returns the time of receipt of a source's last batch that made a version, if it is kept.
    pub fn seen_at(&self, id: &SourceId) -> Option<i64> {
        self.lines.get(&source_key(id)).map(|line| line.meta.at)
    }

    /// Records that a source exists, if nothing else is stored about it.
    pub fn set_seen(&mut self, id: &SourceId, meta: &Meta) {
        let key = source_key(id);
        let state = match self.lines.remove(&key) {
            Some(line) => line.state,
            None => LineState::Put(b"{}".as_slice().into()),
        };
        self.lines.insert(key.clone(), Line { key, meta: meta.clone(), state });
    }

    /// Adds a notice for a source, about a conflict that the version in `meta` resolves.
    pub fn add_notice(&mut self, source: &SourceId, id: &SortableKey, choice: Choice, meta: &Meta) {
        let Some(key) = notice_key(source, id) else { return };
        let notice = Notice { id: id.clone(), choice, resolved: meta.rev, told: None };
        self.set(key, canonical_json(&notice.to_json()), meta);
    }

    /// Drops the oldest notices beyond [`NOTICES`].
    pub fn trim_notices(&mut self) {
        let notice = |(key, _): (&SortableKey, &Line)| {
            let Notice { id, resolved, .. } = self.notice(key)?;
            Some((resolved, id, key.clone()))
        };
        let mut all: Vec<_> = self.of_kind("notice").filter_map(notice).collect();
        all.sort();
        let surplus = all.len().saturating_sub(NOTICES);
        all.into_iter().take(surplus).for_each(|(_, _, key)| drop(self.lines.remove(&key)));
    }

    /// Returns the open notices of a source, ordered by conflict.
    fn notices(&self, source: &SourceId) -> Vec<(SortableKey, Notice)> {
        let prefix = list_key("notice", source.as_str());
        // Without the end of the array.
        let prefix = prefix.as_bytes()[..prefix.as_bytes().len() - 1].to_vec();
        let from = SortableKey::trusted(&prefix);
        let lines =
            self.lines.range(from..).take_while(|(key, _)| key.as_bytes().starts_with(&prefix));
        lines.filter_map(|(key, _)| Some((key.clone(), self.notice(key)?))).collect()
    }

    /// Returns the notices for the report of a batch from this source. `base` is the batch's base.
    /// If the batch makes a version, `meta` is of that version, and notices that the source must
    /// have received are removed: those whose version the base includes, and, for a source without
    /// bases, those that an earlier version's report contained. So a replay reports notices again
    /// if the response was lost.
    pub fn tell(
        &mut self,
        source: &SourceId,
        base: Option<FlowVersion>,
        meta: Option<&Meta>,
    ) -> Vec<Notice> {
        let mut told = Vec::new();
        for (key, mut notice) in self.notices(source) {
            let known = base.is_some_and(|base| base >= notice.resolved);
            let Some(meta) = meta else {
                told.extend((!known).then_some(notice));
                continue;
            };
            let heard = base.is_none() && notice.told.is_some_and(|version| version < meta.rev);
            if known || heard {
                self.lines.remove(&key);
                continue;
            }
            if base.is_none() && notice.told.is_none() {
                notice.told = Some(meta.rev);
                self.set(key, canonical_json(&notice.to_json()), meta);
            }
            told.push(notice);
        }
        told
    }

    fn notice(&self, key: &SortableKey) -> Option<Notice> {
        let value = self.value(key)?;
        let Ok(Key::Array(parts)) = Key::from_sortable(key.as_bytes()) else { return None };
        let version = |member: &str| value[member].as_u64().and_then(FlowVersion::new);
        Some(Notice {
            id: parts.get(2)?.to_list_key().ok()?,
            choice: Choice::from_name(value["use"].as_str()?)?,
            resolved: version("resolved")?,
            told: version("told"),
        })
    }

    pub(crate) fn of_kind(
        &self,
        kind: &str,
    ) -> impl Iterator<Item = (&SortableKey, &Line)> + use<'_> {
        let prefix = list_key(kind, "");
        // Keys of one kind start with the same bytes, up to the end of the first string.
        let kind = prefix.as_bytes()[..prefix.as_bytes().len() - 3].to_vec();
        let from = SortableKey::trusted(&kind);
        self.lines.range(from..).take_while(move |(key, _)| key.as_bytes().starts_with(&kind))
    }

    pub(crate) fn set(&mut self, key: SortableKey, value: String, meta: &Meta) -> bool {
        let state = LineState::Put(value.into_bytes().into());
        if self.lines.get(&key).is_some_and(|line| line.state == state) {
            return false;
        }
        self.lines.insert(key.clone(), Line { key, meta: meta.clone(), state });
        true
    }

    /// Returns the full digests of all chunks in views, each with the number of views that refer to
    /// it.
    pub fn view_chunks(&mut self) -> &BTreeMap<Digest, usize> {
        let viewed = self.viewed.take().unwrap_or_else(|| {
            let mut viewed = BTreeMap::new();
            for (_, state) in self.all() {
                state.view_chunks().for_each(|chunk| count(&mut viewed, chunk, true));
            }
            viewed
        });
        self.viewed.insert(viewed)
    }
}

/// Adds or removes one reference to a chunk.
fn count(viewed: &mut BTreeMap<Digest, usize>, chunk: Digest, more: bool) {
    let number = viewed.entry(chunk).or_default();
    *number = if more { *number + 1 } else { number.saturating_sub(1) };
    if *number == 0 {
        viewed.remove(&chunk);
    }
}

impl SourceState {
    fn view_chunks(&self) -> impl Iterator<Item = Digest> + '_ {
        let stores =
            if let Some(View::Chunks(stores)) = &self.view { stores.as_slice() } else { &[] };
        stores.iter().flat_map(|(_, chunks)| chunks.iter().copied())
    }

    /// Parses a line's value; `rev` is the line's version.
    fn from_json(value: &Value, rev: FlowVersion) -> Self {
        let version = |member: &str| value[member].as_u64().and_then(FlowVersion::new);
        let view = View::from_json(&value["view"]);
        let full =
            version("full").or_else(|| view.as_ref().map(|view| view.version().unwrap_or(rev)));
        Self {
            epoch: value["epoch"].as_str().map(str::to_owned),
            checkpoint: value["checkpoint"].as_u64().unwrap_or(0),
            view,
            full,
            own: version("own"),
        }
    }

    /// Returns the value for a line of version `rev`.
    fn to_json(&self, rev: FlowVersion) -> Value {
        let mut members = Map::new();
        if let Some(epoch) = &self.epoch {
            members.insert("checkpoint".into(), self.checkpoint.into());
            members.insert("epoch".into(), epoch.as_str().into());
        }
        if let Some(view) = &self.view {
            members.insert("view".into(), view.to_json());
            let full = self.full.filter(|full| *full != view.version().unwrap_or(rev));
            for (name, version) in [("full", full), ("own", self.own)] {
                members
                    .extend(version.map(|version| (name.to_owned(), Value::from(version.get()))));
            }
        }
        Value::Object(members)
    }
}

impl View {
    fn from_json(value: &Value) -> Option<Self> {
        if let Some(version) = value["version"].as_u64() {
            return FlowVersion::new(version).map(Self::Version);
        }
        let stores = value["stores"].as_array()?.iter().map(|store| {
            let chunks =
                store["chunks"].as_array()?.iter().map(|chunk| chunk.as_str()?.parse().ok());
            Some((DomString::from_json(&store["name"])?, chunks.collect::<Option<Vec<_>>>()?))
        });
        stores.collect::<Option<Vec<_>>>().map(Self::Chunks)
    }

    /// Returns the flow version that equals the view, if one does.
    fn version(&self) -> Option<FlowVersion> {
        match self {
            Self::Version(version) => Some(*version),
            Self::Chunks(_) => None,
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Version(version) => json!({ "version": version.get() }),
            Self::Chunks(stores) => {
                let store = |(name, chunks): &(DomString, Vec<Digest>)| {
                    let chunks: Vec<_> = chunks.iter().map(Digest::to_string).collect();
                    json!({ "chunks": chunks, "name": name_to_json(name) })
                };
                json!({ "stores": stores.iter().map(store).collect::<Vec<_>>() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta() -> Meta {
        Meta { at: 1, by: None, rev: FlowVersion::FIRST }
    }

    #[test]
    fn the_replay_rule_enumerated() {
        let at = |checkpoint| SourceState {
            epoch: Some("a".into()),
            checkpoint,
            ..SourceState::default()
        };
        let c = |checkpoint, first, last| replay(Some(&at(checkpoint)), "a", first, last, false);
        assert_eq!(c(5, 1, 5), Replay::Whole);
        assert_eq!(c(5, 1, 4), Replay::Whole);
        assert_eq!(c(5, 4, 9), Replay::From(2));
        assert_eq!(c(5, 6, 9), Replay::From(0));
        assert_eq!(c(5, 7, 9), Replay::Gap(5));
        assert_eq!(replay(None, "a", 1, 3, false), Replay::From(0));
        assert_eq!(replay(None, "a", 2, 3, false), Replay::Gap(0));
        assert_eq!(replay(None, "a", 2, 3, true), Replay::From(0));
        assert_eq!(replay(Some(&at(5)), "b", 1, 3, false), Replay::Epoch);
        assert_eq!(replay(Some(&SourceState::default()), "b", 1, 3, false), Replay::From(0));
        assert_eq!(replay(Some(&at(5)), "a", 9, 12, true), Replay::From(0));
    }

    #[test]
    fn a_source_is_read_as_it_was_written() {
        let mut sources = Sources::default();
        let id: SourceId = "kiosk-7".parse().unwrap();
        let view = View::Chunks(vec![("data".into(), vec![Digest::of(b"x")])]);
        let full = Some(FlowVersion::FIRST);
        let state = SourceState {
            epoch: Some("a".into()),
            checkpoint: 7,
            view: Some(view),
            full,
            own: None,
        };
        assert!(sources.set_source(&id, &state, &meta()));
        assert!(!sources.set_source(&id, &state, &meta()), "nothing new");
        assert_eq!(sources.all(), [(id.clone(), state)]);
        assert_eq!(sources.view_chunks().len(), 1);
    }

    #[test]
    fn chunks_of_views_are_counted_as_views_come_and_go() {
        let mut sources = Sources::default();
        let view = |chunks: &[&str]| {
            let chunks = chunks.iter().map(|chunk| Digest::of(chunk.as_bytes())).collect();
            SourceState {
                view: Some(View::Chunks(vec![("data".into(), chunks)])),
                ..SourceState::default()
            }
        };
        let ids: [SourceId; 2] = ["a", "b"].map(|id| id.parse().unwrap());
        sources.set_source(&ids[0], &view(&["x", "y"]), &meta());
        sources.set_source(&ids[1], &view(&["y"]), &meta());
        assert_eq!(sources.view_chunks().values().copied().sum::<usize>(), 3);
        for (id, chunks, left) in [(0, &["z"][..], 2), (1, &["z"], 1), (0, &[], 1), (1, &[], 0)] {
            sources.set_source(&ids[id], &view(chunks), &meta());
            assert_eq!(sources.view_chunks().len(), left);
            let mut anew = Sources::from_lines(sources.lines().cloned());
            assert_eq!(anew.view_chunks(), sources.view_chunks());
        }
    }

    fn conflict(number: u64) -> SortableKey {
        let parts = vec![Key::Number(number as f64), Key::String("data".into()), Key::Number(1.0)];
        Key::Array(parts).to_sortable().unwrap()
    }

    fn of_version(number: u64) -> Meta {
        Meta { rev: FlowVersion::new(number).unwrap(), ..meta() }
    }

    #[test]
    fn a_notice_is_told_until_the_source_has_surely_heard_of_it() {
        let (a, b): (SourceId, SourceId) = ("a".parse().unwrap(), "aa".parse().unwrap());
        let mut sources = Sources::default();
        sources.add_notice(&a, &conflict(3), Choice::Incoming, &of_version(5));
        sources = Sources::from_lines(sources.lines().cloned());
        let ids = |told: Vec<Notice>| told.into_iter().map(|notice| notice.id).collect::<Vec<_>>();
        assert_eq!(
            ids(sources.tell(&b, None, Some(&of_version(6)))),
            [],
            "another source with a like name"
        );
        // Nothing changes without a version.
        let before = sources.lines().cloned().collect::<Vec<_>>();
        assert_eq!(ids(sources.tell(&a, FlowVersion::new(4), None)), [conflict(3)]);
        assert_eq!(ids(sources.tell(&a, None, None)), [conflict(3)]);
        assert_eq!(ids(sources.tell(&a, FlowVersion::new(5), None)), []);
        assert_eq!(sources.lines().cloned().collect::<Vec<_>>(), before);
        // With a base: reported until the base is that version.
        let mut based = sources.clone();
        for version in [6, 7] {
            assert_eq!(
                ids(based.tell(&a, FlowVersion::new(4), Some(&of_version(version)))),
                [conflict(3)]
            );
        }
        assert_eq!(ids(based.tell(&a, FlowVersion::new(5), Some(&of_version(8)))), []);
        assert_eq!(based.lines().count(), 0);
        // Without a base: reported once, and again if that batch is repeated or another batch is
        // part of the same version; then never.
        let six = sources.tell(&a, None, Some(&of_version(6)));
        assert_eq!(
            (six[0].told, six[0].resolved),
            (FlowVersion::new(6), FlowVersion::new(5).unwrap())
        );
        sources = Sources::from_lines(sources.lines().cloned());
        assert_eq!(sources.tell(&a, None, Some(&of_version(6))), six);
        assert_eq!(sources.tell(&a, None, None), six);
        assert_eq!(ids(sources.tell(&a, None, Some(&of_version(7)))), []);
        assert_eq!(sources.lines().count(), 0);
    }

    #[test]
    fn the_newest_notices_are_kept() {
        let mut sources = Sources::default();
        let id: SourceId = "a".parse().unwrap();
        let state = SourceState { epoch: Some("e".into()), ..SourceState::default() };
        sources.set_source(&id, &state, &meta());
        for number in 1..=NOTICES as u64 {
            sources.add_notice(&id, &conflict(number), Choice::Head, &of_version(2));
        }
        sources.add_notice(&id, &conflict(1), Choice::Head, &of_version(3));
        sources.add_notice(&"b".parse().unwrap(), &conflict(1), Choice::Head, &of_version(3));
        sources.trim_notices();
        assert_eq!(sources.lines().count(), NOTICES + 1);
        let kept = sources.tell(&id, None, None);
        assert_eq!(
            (kept.len(), kept[0].id.clone(), kept[1].id.clone()),
            (NOTICES - 1, conflict(1), conflict(3))
        );
    }

    #[test]
    fn the_largest_keys_have_notices() {
        let long =
            Key::String("x".repeat(crate::indexeddb::key::MAX_KEY_BYTES - 2).as_str().into());
        let deep = (0..crate::indexeddb::key::MAX_KEY_DEPTH)
            .fold(Key::Number(1.0), |key, _| Key::Array(vec![key]));
        for key in [long, deep] {
            assert!(key.to_sortable().is_ok());
            let mut sources = Sources::default();
            let parts = vec![Key::Number(1.0), Key::String("d".into()), key, Key::Number(2.0)];
            let id = Key::Array(parts).to_list_key().unwrap();
            let source: SourceId = "a".repeat(60).parse().unwrap();
            sources.add_notice(&source, &id, Choice::Head, &meta());
            let told = Sources::from_lines(sources.lines().cloned()).tell(&source, None, None);
            assert_eq!(told.into_iter().map(|notice| notice.id).collect::<Vec<_>>(), [id]);
        }
    }
}
