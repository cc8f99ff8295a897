//! Counters for Prometheus, in its text format 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::slots::Slots;
use crate::report::Summary;
use crate::store::cached::CacheCounts;

/// The media type of the metrics page.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4";

/// Above this many unread pages, a page of at most [`STALE`] age is reused.
const MANY_UNREAD: usize = 16;

/// Above this many unread pages, no new page is made.
const MAX_UNREAD: usize = 256;

/// Largest age of a reused page.
const STALE: Duration = Duration::from_secs(1);

/// Upper bounds of the histogram, in milliseconds.
const BOUNDS_MS: [u64; 12] = [1, 2, 5, 10, 25, 50, 100, 250, 1_000, 5_000, 30_000, 300_000];

/// Counts of everything since the start.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    kept: Mutex<Kept>,
    /// Bytes of bodies that were received.
    pub(super) received_bytes: Arc<AtomicU64>,
    /// The page that was made last.
    last: Mutex<Option<(Instant, Bytes)>>,
    /// Counts pages that are in memory.
    unread: Arc<()>,
}

/// A page in memory, up to its last reader.
struct UnreadPage(String, #[expect(dead_code, reason = "it is counted, not looked at")] Arc<()>);

impl AsRef<[u8]> for UnreadPage {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

#[derive(Debug, Default)]
struct Kept {
    requests: BTreeMap<(&'static str, &'static str, String), u64>,
    durations: BTreeMap<(&'static str, &'static str), Histogram>,
    outcomes: BTreeMap<&'static str, u64>,
    records: BTreeMap<&'static str, u64>,
    conflicts: u64,
}

#[derive(Debug, Default)]
struct Histogram {
    /// One count per bound; not cumulative.
    counts: [u64; BOUNDS_MS.len()],
    all: u64,
    sum: Duration,
}

impl Metrics {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request that has a response.
    pub(super) fn request(
        &self,
        edge: &'static str,
        route: &'static str,
        status: &str,
        took: Duration,
    ) {
        let mut kept = self.kept();
        *kept.requests.entry((edge, route, status.to_owned())).or_default() += 1;
        let histogram = kept.durations.entry((edge, route)).or_default();
        let milliseconds = took.as_millis();
        if let Some(place) = BOUNDS_MS.iter().position(|&bound| milliseconds < u128::from(bound)) {
            histogram.counts[place] += 1;
        }
        histogram.all += 1;
        histogram.sum += took;
    }

    /// Counts a processed FlowFile.
    pub(super) fn flowfile(&self, summary: &Summary) {
        let mut kept = self.kept();
        *kept.outcomes.entry(summary.outcome.name()).or_default() += 1;
        for (name, count) in [
            ("deleted", summary.deleted),
            ("put", summary.put),
            ("rejected", summary.rejected),
            ("unchanged", summary.unchanged),
        ] {
            *kept.records.entry(name).or_default() += count;
        }
        kept.conflicts += summary.conflicts;
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
        let kept = self.kept();
        let mut page = Page::default();
        page.head(
            "requests_total",
            "counter",
            "Requests that were answered, by edge, route and status.",
        );
        for ((edge, route, status), count) in &kept.requests {
            page.line(
                "requests_total",
                &[("edge", *edge), ("route", *route), ("status", status.as_str())],
                count,
            );
        }
        page.head("request_duration_seconds", "histogram", "Time to the first byte of the answer.");
        for ((edge, route), histogram) in &kept.durations {
            let mut sum = 0;
            for (bound, count) in BOUNDS_MS.iter().zip(histogram.counts) {
                sum += count;
                let bound = (*bound as f64 / 1000.0).to_string();
                let labels = [("edge", *edge), ("route", *route), ("le", bound.as_str())];
                page.line("request_duration_seconds_bucket", &labels, sum);
            }
            let labels = [("edge", *edge), ("route", *route), ("le", "+Inf")];
            page.line("request_duration_seconds_bucket", &labels, histogram.all);
            page.line("request_duration_seconds_sum", &labels[..2], histogram.sum.as_secs_f64());
            page.line("request_duration_seconds_count", &labels[..2], histogram.all);
        }
        page.head("flowfiles_total", "counter", "FlowFiles by outcome.");
        for (outcome, count) in &kept.outcomes {
            page.line("flowfiles_total", &[("outcome", outcome)], count);
        }
        page.head("records_total", "counter", "Records by what became of them.");
        for (what, count) in &kept.records {
            page.line("records_total", &[("what", what)], count);
        }
        page.single("conflicts_total", "counter", "Conflicts decided.", kept.conflicts);
        let received = self.received_bytes.load(Ordering::Relaxed);
        page.single("received_bytes_total", "counter", "Bytes of content that came.", received);
        page.single(
            "requests_in_flight",
            "gauge",
            "Requests that are worked on.",
            in_flight as u64,
        );
        page.single("requests_waiting", "gauge", "Requests that wait for a slot.", waiting as u64);
        page.single(
            "memory_claimed_bytes",
            "gauge",
            "Memory that requests have claimed, of --max-memory.",
            claimed,
        );
        for (name, help, hits, misses) in [
            (
                "head",
                "Heads of flows that were still the newest version.",
                cache.head_hits,
                cache.head_misses,
            ),
            ("text", "Texts that were in memory.", cache.text_hits, cache.text_misses),
        ] {
            page.single(&format!("cache_{name}_hits_total"), "counter", help, hits);
            let help = "The opposite of the hits.";
            page.single(&format!("cache_{name}_misses_total"), "counter", help, misses);
        }
        page.single("cache_bytes", "gauge", "Bytes of texts in memory.", cache.bytes);
        page.0
    }
}

/// The text of the metrics page, as it is built.
#[derive(Default)]
struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = write!(self.0, "# HELP nifi_idb_{name} {help}\n# TYPE nifi_idb_{name} {kind}\n");
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let labels: Vec<_> =
            labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
        let labels =
            if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "nifi_idb_{name}{labels} {value}");
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.head(name, kind, help);
        self.line(name, &[], value);
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
            metrics.request("http", "/v1/sync", "200", Duration::from_millis(milliseconds));
        }
        metrics.flowfile(&Summary {
            put: 7,
            conflicts: 2,
            ..Summary::new(Outcome::Committed, None)
        });
        let text = metrics.to_text((3, 0), 0, &CacheCounts::default());
        let bucket = |bound: &str| {
            let line = format!(
                "nifi_idb_request_duration_seconds_bucket{{edge=\"http\",route=\"/v1/sync\",le=\"{bound}\"}} "
            );
            let line = text.lines().find_map(|found| found.strip_prefix(&line)).unwrap();
            line.parse::<u64>().unwrap()
        };
        assert_eq!(["0.001", "0.002", "0.005", "300", "+Inf"].map(bucket), [1, 1, 3, 3, 4]);
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
}
