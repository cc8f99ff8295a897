//! The delivery of a batch without sequence numbers, and the queue of those that are remembered.

use std::collections::{BTreeMap, VecDeque};

use super::{Digest, FlowVersion, SourceId};
use crate::indexeddb::key::SortableKey;

/// The number of most recent deliveries that are remembered per flow; more if one version made
/// more. The oldest ones of the largest owner (the source with the most, of the client with the
/// most) are dropped first, so nobody's deliveries displace those of others.
pub const DELIVERIES: usize = 1024;

/// Limit on the bytes of a delivery id.
pub const MAX_DELIVERY_BYTES: usize = 256;

/// The delivery of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub(super) id: String,
    /// Digest of client, source and id.
    pub(super) name: Digest,
    /// The owner.
    pub(super) owner: Owner,
    /// Digest of the content, if the batch was read from bytes.
    pub(super) content: Option<Digest>,
}

/// The owner of a delivery. A few digits of digests are enough: two owners with equal digits share
/// their allowance. Deliveries without a client have one owner, because anyone may name any source
/// there.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Owner {
    client: Option<String>,
    source: Option<String>,
}

/// Number of digits of a digest that name an owner.
const OWNER_DIGITS: usize = 8;

impl Owner {
    pub(super) fn new(client: Option<&str>, source: Option<&str>) -> Self {
        let digits =
            |name: &str| Digest::of(name.as_bytes()).to_string()[..OWNER_DIGITS].to_owned();
        Self { client: client.map(digits), source: source.filter(|_| client.is_some()).map(digits) }
    }

    /// Returns the member `of`: client and source, `-` for a missing source; `None` without a
    /// client.
    pub(super) fn to_text(&self) -> Option<String> {
        let client = self.client.as_ref()?;
        Some(format!("{client}/{}", self.source.as_deref().unwrap_or("-")))
    }

    pub(super) fn parse(text: Option<&str>) -> Self {
        let Some((client, source)) = text.and_then(|text| text.split_once('/')) else {
            return Self::default();
        };
        Self {
            client: Some(client.to_owned()),
            source: Some(source.to_owned()).filter(|source| source != "-"),
        }
    }
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
    /// Creates the delivery `id` of a batch by `client` and `source`. `content` identifies what the
    /// batch contains; `None` if it was not read from bytes.
    pub fn new(
        client: Option<&str>,
        source: Option<&SourceId>,
        id: &str,
        content: Option<Digest>,
    ) -> Self {
        let source = source.map(SourceId::as_str);
        let mut name = blake3::Hasher::new();
        add_text(&mut name, client);
        add_text(&mut name, source);
        add_text(&mut name, Some(id));
        let owner = Owner::new(client, source);
        Self { id: id.to_owned(), name: name.finalize().into(), owner, content }
    }

    /// Returns the delivery id.
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// Adds a text with its length, or a mark if there is none.
pub(crate) fn add_text(hasher: &mut blake3::Hasher, text: Option<&str>) {
    hasher.update(&text.map_or(u64::MAX, |text| text.len() as u64).to_le_bytes());
    hasher.update(text.unwrap_or_default().as_bytes());
}

/// Keys of remembered deliveries in order of arrival, grouped by version.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeliveryQueue {
    versions: VecDeque<VersionDeliveries>,
    count: usize,
    /// Number of deliveries by client.
    of_client: BTreeMap<Option<String>, usize>,
    of_owner: BTreeMap<Owner, usize>,
    pub(super) last_order: u64,
}

/// The deliveries of one version, owned by the owner of the first.
#[derive(Clone, Debug)]
struct VersionDeliveries {
    version: FlowVersion,
    owner: Owner,
    keys: Vec<SortableKey>,
}

impl DeliveryQueue {
    /// Adds a delivery, the newest one.
    pub(super) fn push(
        &mut self,
        order: u64,
        version: FlowVersion,
        owner: Owner,
        key: SortableKey,
    ) {
        self.last_order = order;
        match self.versions.back_mut() {
            Some(last) if last.version == version => last.keys.push(key),
            _ => self.versions.push_back(VersionDeliveries { version, owner, keys: vec![key] }),
        }
        if let Some(VersionDeliveries { owner, .. }) = self.versions.back() {
            self.count += 1;
            *self.of_client.entry(owner.client.clone()).or_default() += 1;
            *self.of_owner.entry(owner.clone()).or_default() += 1;
        }
    }

    /// Removes and returns the oldest version's deliveries of the largest owner, if enough remain
    /// without them.
    pub(super) fn surplus(&mut self) -> Option<Vec<SortableKey>> {
        if self.count <= DELIVERIES {
            return None;
        }
        let owner = self.largest_owner()?;
        let place = self.versions.iter().position(|version| version.owner == *owner)?;
        if self.count - self.versions.get(place)?.keys.len() < DELIVERIES {
            return None;
        }
        let VersionDeliveries { owner, keys, .. } = self.versions.remove(place)?;
        self.count -= keys.len();
        take_from(&mut self.of_client, &owner.client, keys.len());
        take_from(&mut self.of_owner, &owner, keys.len());
        Some(keys)
    }

    /// Returns the source with the most deliveries, of the client with the most.
    fn largest_owner(&self) -> Option<&Owner> {
        let (client, _) = self.of_client.iter().max_by_key(|(_, count)| **count)?;
        let own = self.of_owner.iter().filter(|(owner, _)| owner.client == *client);
        own.max_by_key(|(_, count)| **count).map(|(owner, _)| owner)
    }
}

fn take_from<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K, count: usize) {
    if let Some(had) = counts.get_mut(key) {
        *had -= count;
        if *had == 0 {
            counts.remove(key);
        }
    }
}
