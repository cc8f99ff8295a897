//! Remembered deliveries in `~sources`: batches without sequence numbers that have a delivery id.
//!
//! A delivery id is valid for one client and one source, and is stored with a digest of the
//! content. So nobody's id suppresses another's batch, and the same id with other content is
//! recognized. Only digests are kept, so every line has the same size.

use serde_json::json;

use super::delivery::{Delivery, DeliveryQueue, Owner, Recognition};
use super::manifest::canonical_json;
use super::sources::{Sources, list_key};
use super::{Digest, Meta};
use crate::indexeddb::key::SortableKey;

/// The kind of the lines of `~sources` that contain deliveries.
const DELIVERED: &str = "delivered";

/// The kind of lines from earlier releases: a bare id, for any client, source and content.
const UNSCOPED: &str = "delivery";

impl Sources {
    /// Compares a delivery with the remembered ones.
    pub fn recognize(&self, delivery: &Delivery) -> Recognition {
        if self.has(&list_key(UNSCOPED, &delivery.id)) {
            return Recognition::Replay;
        }
        let Some(known) = self.value(&delivery_key(delivery)) else { return Recognition::New };
        let known: Option<Digest> = known["digest"].as_str().and_then(|digest| digest.parse().ok());
        match (known, delivery.content) {
            (Some(known), Some(content)) if known != content => Recognition::OtherContent,
            _ => Recognition::Replay,
        }
    }

    /// Remembers a delivery, and drops deliveries beyond the limit, the oldest of the largest
    /// owner first. All deliveries of one version are dropped together, so that of a repeated
    /// package either all FlowFiles are replays or none is. Otherwise an old FlowFile could undo a
    /// newer one.
    pub fn add_delivery(&mut self, delivery: &Delivery, meta: &Meta) {
        let mut queue = self.deliveries.take().unwrap_or_else(|| self.read_deliveries());
        let (order, key) = (queue.last_order + 1, delivery_key(delivery));
        let mut value = json!({ "order": order });
        if let Some(digest) = &delivery.content {
            value["digest"] = digest.to_string().into();
        }
        if let Some(owner) = delivery.owner.to_text() {
            value["of"] = owner.into();
        }
        self.set(key.clone(), canonical_json(&value), meta);
        queue.push(order, meta.rev, delivery.owner.clone(), key);
        while let Some(oldest) = queue.surplus() {
            oldest.iter().for_each(|key| self.remove(key));
        }
        self.deliveries = Some(queue);
    }

    fn read_deliveries(&self) -> DeliveryQueue {
        let lines = self.of_kind(DELIVERED).chain(self.of_kind(UNSCOPED));
        let mut all: Vec<_> = lines
            .map(|(key, line)| {
                let value = self.value(key).unwrap_or_default();
                (
                    value["order"].as_u64().unwrap_or(0),
                    key,
                    line.meta.rev,
                    Owner::parse(value["of"].as_str()),
                )
            })
            .collect();
        all.sort_unstable();
        let mut queue = DeliveryQueue::default();
        all.into_iter().for_each(|(order, key, version, owner)| {
            queue.push(order, version, owner, key.clone())
        });
        queue
    }
}

fn delivery_key(delivery: &Delivery) -> SortableKey {
    list_key(DELIVERED, &delivery.name.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::sources::DELIVERIES;
    use crate::snapshot::{FlowVersion, Line, LineState};

    fn in_version(number: u64) -> Meta {
        Meta { at: 1, by: None, rev: FlowVersion::new(number).unwrap() }
    }

    fn delivery(id: &str, content: &str) -> Delivery {
        let (name, content) = (Digest::of(id.as_bytes()), Some(Digest::of(content.as_bytes())));
        Delivery { id: id.to_owned(), name, owner: Owner::default(), content }
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
        let mut add =
            |id: String, version| sources.add_delivery(&delivery(&id, "x"), &in_version(version));
        (0..3 * DELIVERIES).for_each(|number| add(format!("a-{number}"), 1));
        (1..DELIVERIES).for_each(|number| add(format!("b-{number}"), 1 + number as u64));
        assert!(knows(&sources, "a-0"));
        assert_eq!(sources.lines().count(), 4 * DELIVERIES - 1);
        sources.add_delivery(&delivery("c", "x"), &in_version(5_000));
        assert!(!knows(&sources, "a-0") && !knows(&sources, "a-3000") && knows(&sources, "b-1"));
        assert_eq!(sources.lines().count(), DELIVERIES);
    }

    #[test]
    fn who_delivers_most_forgets_first() {
        let mut sources = Sources::default();
        let mut number = 0;
        let mut add = |sources: &mut Sources, client: Option<&str>, source: Option<&str>| {
            number += 1;
            // Read back at times, as for a next version.
            if number % 97 == 1 {
                *sources = Sources::from_lines(sources.lines().cloned());
            }
            let owner = Owner::new(client, source);
            let delivery = Delivery { owner, ..delivery(&format!("id-{number}"), "x") };
            sources.add_delivery(&delivery, &in_version(number));
            delivery.id
        };
        let of_a: Vec<_> = (0..10).map(|_| add(&mut sources, Some("a"), None)).collect();
        let nobodys = add(&mut sources, None, None);
        // Another client that uses many sources.
        let of_b: Vec<_> = (0..2 * DELIVERIES)
            .map(|n| add(&mut sources, Some("b"), Some(&format!("s-{}", n % 700))))
            .collect();
        assert!(of_a.iter().all(|id| knows(&sources, id)) && knows(&sources, &nobodys));
        assert!(!knows(&sources, &of_b[0]) && knows(&sources, of_b.last().unwrap()));
        // The client's busy source is the one whose deliveries are dropped.
        let quiet = add(&mut sources, Some("a"), Some("quiet"));
        (0..2 * DELIVERIES).for_each(|_| drop(add(&mut sources, Some("a"), Some("busy"))));
        assert!(knows(&sources, &quiet) && of_a.iter().all(|id| knows(&sources, id)));
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
        assert_eq!(
            found(&Delivery { content: None, ..delivery("a", "") }),
            Recognition::Replay,
            "it is not known"
        );
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
