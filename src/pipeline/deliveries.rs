//! Remembered deliveries in `~sources`: batches without sequence numbers that have a delivery id.
//!
//! A delivery id is valid for one client and one source, and is stored with a digest of the
//! content. So nobody's id suppresses another's batch, and the same id with other content is
//! recognized. Only digests are kept, so every line has the same size.

use std::collections::VecDeque;

use serde_json::json;

use super::sources::{Sources, list_key};
use crate::decode::BatchHeader;
use crate::indexeddb::key::SortableKey;
use crate::normalize::Batch;
use crate::snapshot::manifest::canonical_json;
use crate::snapshot::{Digest, FlowVersion, Meta};

/// How many deliveries are remembered, the newest; more if the oldest version among them made more.
pub const DELIVERIES: usize = 1024;

/// Limit on the bytes of a delivery id.
pub const MAX_DELIVERY_BYTES: usize = 256;

/// The kind of the lines of `~sources` that contain deliveries.
const DELIVERED: &str = "delivered";

/// The kind of lines from earlier releases: a bare id, for any client, source and content.
const UNSCOPED: &str = "delivery";

/// The delivery of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    id: String,
    /// Digest of client, source and id.
    name: Digest,
    /// Digest of what was delivered, if the batch was read from bytes.
    content: Option<Digest>,
}

/// The relation of a delivery to the remembered ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recognition {
    /// The delivery is new.
    New,
    /// The delivery is a replay.
    Replay,
    /// The delivery id was used before with other content.
    OtherContent,
}

impl Delivery {
    /// Creates the delivery `id` of a batch by `client`.
    pub fn new(client: Option<&str>, id: &str, batch: &Batch) -> Self {
        let BatchHeader { schema, mode, source, .. } = &batch.header;
        let mut name = blake3::Hasher::new();
        add(&mut name, client);
        add(&mut name, source.as_ref().map(|source| source.as_str()));
        add(&mut name, Some(id));
        let content = batch.content.map(|bytes| {
            let mut content = blake3::Hasher::new();
            content.update(bytes.as_bytes());
            add(&mut content, Some(&schema.name.to_canonical()));
            add(&mut content, Some(mode.name()));
            // The content of bare records does not contain the object store, so the digest must.
            let only = if let [only] = schema.stores.as_slice() { Some(only.name.to_canonical()) } else { None };
            add(&mut content, only.as_deref());
            content.finalize().into()
        });
        Self { id: id.to_owned(), name: name.finalize().into(), content }
    }

    /// Returns the delivery id.
    pub fn id(&self) -> &str {
        &self.id
    }

    fn key(&self) -> SortableKey {
        list_key(DELIVERED, &self.name.to_string())
    }
}

/// Adds a text with its length, or a mark if there is none.
fn add(hasher: &mut blake3::Hasher, text: Option<&str>) {
    hasher.update(&text.map_or(u64::MAX, |text| text.len() as u64).to_le_bytes());
    hasher.update(text.unwrap_or_default().as_bytes());
}

/// Keys of remembered deliveries in order of arrival, grouped by version.
#[derive(Clone, Debug, Default)]
pub(super) struct DeliveryQueue {
    versions: VecDeque<(FlowVersion, Vec<SortableKey>)>,
    count: usize,
    last_order: u64,
}

impl DeliveryQueue {
    fn push(&mut self, order: u64, version: FlowVersion, key: SortableKey) {
        self.count += 1;
        self.last_order = order;
        match self.versions.back_mut() {
            Some((last, keys)) if *last == version => keys.push(key),
            _ => self.versions.push_back((version, vec![key])),
        }
    }

    /// Takes out the oldest version's, if enough are left without them.
    fn surplus(&mut self) -> Option<Vec<SortableKey>> {
        let (_, oldest) = self.versions.front()?;
        if self.count - oldest.len() < DELIVERIES {
            return None;
        }
        self.count -= oldest.len();
        self.versions.pop_front().map(|(_, keys)| keys)
    }
}

impl Sources {
    /// Compares a delivery with the remembered ones.
    pub fn recognize(&self, delivery: &Delivery) -> Recognition {
        if self.has(&list_key(UNSCOPED, &delivery.id)) {
            return Recognition::Replay;
        }
        let Some(known) = self.value(&delivery.key()) else { return Recognition::New };
        let known: Option<Digest> = known["digest"].as_str().and_then(|digest| digest.parse().ok());
        match (known, delivery.content) {
            (Some(known), Some(content)) if known != content => Recognition::OtherContent,
            _ => Recognition::Replay,
        }
    }

    /// Remembers a delivery and drops the oldest beyond [`DELIVERIES`], a whole version's at once: of a package that comes
    /// again either all FlowFiles are replays or none is, else an old one could undo a newer one.
    pub fn add_delivery(&mut self, delivery: &Delivery, meta: &Meta) {
        let mut queue = self.deliveries.take().unwrap_or_else(|| self.read_deliveries());
        let (order, key) = (queue.last_order + 1, delivery.key());
        let value = match &delivery.content {
            Some(digest) => json!({ "digest": digest.to_string(), "order": order }),
            None => json!({ "order": order }),
        };
        self.set(key.clone(), canonical_json(&value), meta);
        queue.push(order, meta.rev, key);
        while let Some(oldest) = queue.surplus() {
            oldest.iter().for_each(|key| self.remove(key));
        }
        self.deliveries = Some(queue);
    }

    fn read_deliveries(&self) -> DeliveryQueue {
        let lines = self.of_kind(DELIVERED).chain(self.of_kind(UNSCOPED));
        let mut all: Vec<_> = lines
            .map(|(key, line)| {
                let order = self.value(key).and_then(|value| value["order"].as_u64()).unwrap_or(0);
                (order, key, line.meta.rev)
            })
            .collect();
        all.sort_unstable();
        let mut queue = DeliveryQueue::default();
        all.into_iter().for_each(|(order, key, version)| queue.push(order, version, key.clone()));
        queue
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::{Line, LineState};

    fn in_version(number: u64) -> Meta {
        Meta { at: 1, by: None, rev: FlowVersion::new(number).unwrap() }
    }

    fn delivery(id: &str, content: &str) -> Delivery {
        Delivery { id: id.to_owned(), name: Digest::of(id.as_bytes()), content: Some(Digest::of(content.as_bytes())) }
    }

    fn knows(sources: &Sources, id: &str) -> bool {
        sources.recognize(&delivery(id, "x")) == Recognition::Replay
    }

    #[test]
    fn the_newest_are_remembered() {
        let mut sources = Sources::default();
        for number in 1..DELIVERIES as u64 + 10 {
            // Reads the list back, as for the next version.
            sources = Sources::from_lines(sources.lines().cloned());
            sources.add_delivery(&delivery(&format!("id-{number}"), "x"), &in_version(number));
        }
        assert!(!knows(&sources, "id-9") && knows(&sources, "id-10"));
        assert_eq!(sources.lines().count(), DELIVERIES);
    }

    #[test]
    fn those_of_one_version_go_together() {
        let mut sources = Sources::default();
        let mut add = |id: String, version| sources.add_delivery(&delivery(&id, "x"), &in_version(version));
        (0..3 * DELIVERIES).for_each(|number| add(format!("a-{number}"), 1));
        (1..DELIVERIES).for_each(|number| add(format!("b-{number}"), 1 + number as u64));
        assert!(knows(&sources, "a-0"));
        assert_eq!(sources.lines().count(), 4 * DELIVERIES - 1);
        sources.add_delivery(&delivery("c", "x"), &in_version(5_000));
        assert!(!knows(&sources, "a-0") && !knows(&sources, "a-3000") && knows(&sources, "b-1"));
        assert_eq!(sources.lines().count(), DELIVERIES);
    }

    #[test]
    fn other_content_under_a_known_name_is_no_replay() {
        let mut sources = Sources::default();
        sources.add_delivery(&delivery("a", "x"), &in_version(1));
        let sources = Sources::from_lines(sources.lines().cloned());
        let found = |delivery: &Delivery| sources.recognize(delivery);
        assert_eq!(found(&delivery("a", "x")), Recognition::Replay);
        assert_eq!(found(&delivery("a", "y")), Recognition::OtherContent);
        assert_eq!(found(&delivery("b", "y")), Recognition::New);
        assert_eq!(found(&Delivery { content: None, ..delivery("a", "") }), Recognition::Replay, "it is not known");
    }

    #[test]
    fn ids_of_earlier_releases_are_replays_of_anybody_and_are_dropped_in_their_turn() {
        let line = |number: u64| {
            let key = list_key(UNSCOPED, &format!("old-{number}"));
            let state = LineState::Put(format!("{{\"order\":{number}}}").into_bytes().into());
            Line { key, meta: in_version(number), state }
        };
        let mut sources = Sources::from_lines((1..=DELIVERIES as u64).map(line));
        assert_eq!(sources.recognize(&delivery("old-1", "y")), Recognition::Replay);
        sources.add_delivery(&delivery("new", "x"), &in_version(5_000));
        assert!(!knows(&sources, "old-1") && knows(&sources, "old-2") && knows(&sources, "new"));
        assert_eq!(sources.lines().count(), DELIVERIES);
    }
}
