//! Metrics for Prometheus, in the text format of OpenMetrics 1.0.

mod process;

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

use self::process::ProcessMetrics;
use super::slots::Slots;
use crate::report::Summary;
use crate::store::cached::CacheCounts;

/// The media type of the metrics page.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Above this many unread pages, a page of at most [`STALE`] age is reused.
const MANY_UNREAD: usize = 16;

/// Above this many unread pages, no new page is made.
const MAX_UNREAD: usize = 256;

/// Largest age of a reused page.
const STALE: Duration = Duration::from_secs(1);

/// Upper bounds of the histogram, in seconds.
const BOUNDS: [f64; 12] =
    [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 300.0];

/// A gauge of a whole number.
type Level = Gauge<u64, AtomicU64>;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    edge: &'static str,
    route: &'static str,
    status: Cow<'static, str>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabels {
    edge: &'static str,
    route: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RecordLabels {
    what: &'static str,
}

/// Counts of everything since the start, and levels that are read when a page is made.
#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram>,
    flowfiles: Family<OutcomeLabels, Counter>,
    records: Family<RecordLabels, Counter>,
    conflicts: Counter,
    /// Bytes of bodies that were received.
    pub(super) received_bytes: Counter,
    in_flight: Level,
    waiting: Level,
    memory_claimed: Level,
    cache: CacheMetrics,
    process: ProcessMetrics,
    /// The page that was made last.
    last: Mutex<Option<(Instant, Bytes)>>,
    /// Counts pages that are in memory.
    unread: Arc<()>,
}

/// The counts of the cache, which the cache itself keeps.
#[derive(Debug)]
struct CacheMetrics {
    head_hits: Counter,
    head_misses: Counter,
    text_hits: Counter,
    text_misses: Counter,
    bytes: Level,
}

/// A page in memory, up to its last reader.
struct UnreadPage(String, #[expect(dead_code, reason = "it is counted, not looked at")] Arc<()>);

impl AsRef<[u8]> for UnreadPage {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Makes a metric, adds it to a registry, and returns it.
fn added<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let process = ProcessMetrics::new(&mut registry);
        let own = registry.sub_registry_with_prefix("nifi_idb");
        let durations =
            Family::<RouteLabels, Histogram>::new_with_constructor(|| Histogram::new(BOUNDS));
        own.register(
            "request_duration_seconds",
            "Time to the first byte of the answer",
            durations.clone(),
        );
        // The encoder adds `_total` to the name of a counter.
        Self {
            requests: added(
                own,
                "requests",
                "Requests that were answered, by edge, route and status",
            ),
            durations,
            flowfiles: added(own, "flowfiles", "FlowFiles by outcome"),
            records: added(own, "records", "Records by what became of them"),
            conflicts: added(own, "conflicts", "Conflicts decided"),
            received_bytes: added(own, "received_bytes", "Bytes of content that came"),
            in_flight: added(own, "requests_in_flight", "Requests that are worked on"),
            waiting: added(own, "requests_waiting", "Requests that wait for a slot"),
            memory_claimed: added(
                own,
                "memory_claimed_bytes",
                "Memory that requests have claimed, of --max-memory",
            ),
            cache: CacheMetrics::new(own),
            process,
            registry,
            last: Mutex::default(),
            unread: Arc::default(),
        }
    }
}

impl CacheMetrics {
    fn new(registry: &mut Registry) -> Self {
        let opposite = "The opposite of the hits";
        let heads = "Heads of flows that were still the newest version";
        Self {
            head_hits: added(registry, "cache_head_hits", heads),
            head_misses: added(registry, "cache_head_misses", opposite),
            text_hits: added(registry, "cache_text_hits", "Texts that were in memory"),
            text_misses: added(registry, "cache_text_misses", opposite),
            bytes: added(registry, "cache_bytes", "Bytes of texts in memory"),
        }
    }

    fn set(&self, counts: &CacheCounts) {
        for (counter, count) in [
            (&self.head_hits, counts.head_hits),
            (&self.head_misses, counts.head_misses),
            (&self.text_hits, counts.text_hits),
            (&self.text_misses, counts.text_misses),
        ] {
            counter.inner().store(count, Ordering::Relaxed);
        }
        self.bytes.set(counts.bytes);
    }
}

impl Metrics {
    /// Counts a request that has a response.
    pub(super) fn request(
        &self,
        edge: &'static str,
        route: &'static str,
        status: Cow<'static, str>,
        took: Duration,
    ) {
        self.requests.get_or_create(&RequestLabels { edge, route, status }).inc();
        self.durations.get_or_create(&RouteLabels { edge, route }).observe(took.as_secs_f64());
    }

    /// Counts a processed FlowFile.
    pub(super) fn flowfile(&self, summary: &Summary) {
        self.flowfiles.get_or_create(&OutcomeLabels { outcome: summary.outcome.name() }).inc();
        for (what, count) in [
            ("deleted", summary.deleted),
            ("put", summary.put),
            ("rejected", summary.rejected),
            ("unchanged", summary.unchanged),
        ] {
            self.records.get_or_create(&RecordLabels { what }).inc_by(count);
        }
        self.conflicts.inc_by(summary.conflicts);
    }

    /// Returns all metrics as the body of a response. Pages that no client has read yet are kept in
    /// memory; when there are many, the last page is reused.
    pub(super) fn to_page(&self, slots: &Slots, claimed: u64, cache: &CacheCounts) -> Bytes {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let unread = Arc::strong_count(&self.unread) - 1;
        if let Some((at, page)) = &*last
            && (unread > MAX_UNREAD || (unread > MANY_UNREAD && at.elapsed() < STALE))
        {
            return page.clone();
        }
        let text = self.to_text((slots.taken(), slots.waiting()), claimed, cache);
        let page = Bytes::from_owner(UnreadPage(text, Arc::clone(&self.unread)));
        *last = Some((Instant::now(), page.clone()));
        page
    }

    fn to_text(
        &self,
        (in_flight, waiting): (usize, usize),
        claimed: u64,
        cache: &CacheCounts,
    ) -> String {
        self.in_flight.set(in_flight as u64);
        self.waiting.set(waiting as u64);
        self.memory_claimed.set(claimed);
        self.cache.set(cache);
        self.process.update();
        let mut page = String::new();
        // Writing to a string cannot fail.
        let _ = text::encode(&mut page, &self.registry);
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Outcome;

    #[test]
    fn buckets_are_cumulative_and_every_line_has_a_type() {
        let metrics = Metrics::default();
        for milliseconds in [0, 3, 3, 400_000] {
            metrics.request("http", "/v1/sync", "200".into(), Duration::from_millis(milliseconds));
        }
        metrics.flowfile(&Summary {
            put: 7,
            conflicts: 2,
            ..Summary::new(Outcome::Committed, None)
        });
        let text = metrics.to_text((3, 0), 0, &CacheCounts::default());
        let bucket = |bound: &str| {
            let line = text
                .lines()
                .filter(|line| line.starts_with("nifi_idb_request_duration_seconds_bucket{"))
                .find(|line| line.contains(&format!("le=\"{bound}\"")));
            line.unwrap().rsplit(' ').next().unwrap().parse::<u64>().unwrap()
        };
        assert_eq!(["0.001", "0.002", "0.005", "300.0", "+Inf"].map(bucket), [1, 1, 3, 3, 4]);
        for line in [
            "nifi_idb_requests_total{edge=\"http\",route=\"/v1/sync\",status=\"200\"} 4",
            "nifi_idb_flowfiles_total{outcome=\"committed\"} 1",
            "nifi_idb_records_total{what=\"put\"} 7",
            "nifi_idb_conflicts_total 2",
            "nifi_idb_requests_in_flight 3",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        let typed: Vec<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
            .collect();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            assert!(typed.iter().any(|name| line.starts_with(name)), "{line}");
        }
    }

    #[test]
    fn pages_that_nobody_reads_are_few() {
        let (metrics, slots) = (Metrics::default(), Slots::new(1));
        let unread: Vec<_> =
            (0..10_000).map(|_| metrics.to_page(&slots, 0, &CacheCounts::default())).collect();
        assert!(Arc::strong_count(&metrics.unread) <= MAX_UNREAD + 2);
        drop(unread);
        assert_eq!(Arc::strong_count(&metrics.unread), 2, "the last page and the count itself");
    }

    #[test]
    fn the_page_lists_every_metric() {
        let page = include_str!("../../../doc/reference/http.md");
        let metrics = Metrics::default();
        let text = metrics.to_text((0, 0), 0, &CacheCounts::default());
        let typed = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        for (name, kind) in typed.filter_map(|line| line.split_once(' ')) {
            let name = if kind == "counter" { format!("{name}_total") } else { name.to_owned() };
            assert!(page.contains(&format!("| `{name}`")), "http.md does not list {name}");
        }
    }
}
