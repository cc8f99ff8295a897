//! Metrics of the process, with the names that Prometheus clients of other languages use. Their
//! values are read from `/proc/self` when a page is made.

use std::fs;
use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::{Level, added};

/// Columns of `/proc/self/stat` after the program's name: user and system time, threads, start.
const USER_TIME: usize = 11;
const SYSTEM_TIME: usize = 12;
const THREADS: usize = 17;
const START_TIME: usize = 19;

/// Metrics of the process.
#[derive(Debug)]
pub(super) struct ProcessMetrics {
    cpu_seconds: Counter<f64, AtomicU64>,
    resident_bytes: Level,
    open_files: Level,
    threads: Level,
    /// Set once.
    _start_seconds: Gauge<f64, AtomicU64>,
}

/// The values of one moment.
struct ProcessUsage {
    cpu_seconds: f64,
    threads: u64,
    /// Seconds from the start of the system to the start of the process.
    start_after_boot: f64,
}

impl ProcessMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let start: Gauge<f64, AtomicU64> = added(
            registry,
            "process_start_time_seconds",
            "Start time of the process since the Unix epoch",
        );
        if let (Some(usage), Some(boot)) = (usage(), boot_time()) {
            start.set(boot + usage.start_after_boot);
        }
        Self {
            cpu_seconds: added(registry, "process_cpu_seconds", "CPU time, user and system"),
            resident_bytes: added(registry, "process_resident_memory_bytes", "Resident memory"),
            open_files: added(registry, "process_open_fds", "Open file descriptors"),
            threads: added(registry, "process_threads", "Threads"),
            _start_seconds: start,
        }
    }

    /// Reads the values. A value that cannot be read keeps its last one.
    pub(super) fn update(&self) {
        if let Some(usage) = usage() {
            // The kernel's count never goes down.
            let more = usage.cpu_seconds - self.cpu_seconds.get();
            self.cpu_seconds.inc_by(more.max(0.0));
            self.threads.set(usage.threads);
        }
        if let Some(bytes) = resident_bytes() {
            self.resident_bytes.set(bytes);
        }
        if let Ok(entries) = fs::read_dir("/proc/self/fd") {
            // One of them is the folder itself.
            self.open_files.set((entries.count() as u64).saturating_sub(1));
        }
    }
}

fn usage() -> Option<ProcessUsage> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    // The program's name is in brackets and may contain any byte.
    let (_, after_name) = text.rsplit_once(')')?;
    let columns: Vec<&str> = after_name.split_whitespace().collect();
    let number = |column: usize| columns.get(column)?.parse::<u64>().ok();
    let ticks_per_second = rustix::param::clock_ticks_per_second() as f64;
    Some(ProcessUsage {
        cpu_seconds: (number(USER_TIME)? + number(SYSTEM_TIME)?) as f64 / ticks_per_second,
        threads: number(THREADS)?,
        start_after_boot: number(START_TIME)? as f64 / ticks_per_second,
    })
}

fn resident_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// Returns the start time of the system, in seconds since the Unix epoch.
fn boot_time() -> Option<f64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_is_measured() {
        let metrics = ProcessMetrics::new(&mut Registry::default());
        metrics.update();
        assert!(metrics.resident_bytes.get() > 1_000_000);
        assert!(metrics.open_files.get() >= 3 && metrics.threads.get() >= 1);
        // 2020, in seconds since the Unix epoch.
        assert!(metrics._start_seconds.get() > 1.577e9);
        let before = metrics.cpu_seconds.get();
        let busy = std::time::Instant::now();
        while busy.elapsed() < std::time::Duration::from_millis(50) {}
        metrics.update();
        assert!(metrics.cpu_seconds.get() > before);
    }
}
