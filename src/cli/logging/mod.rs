//! Logging: one line per event on standard error, off by default except in `serve`.
//!
#![doc = include_str!("../../../doc/reference/logging.md")]

#[cfg(feature = "otel")]
mod export;
mod levels;
mod stderr;

use clap::{Args, ValueEnum};
use serde_json::json;
use tracing::Subscriber;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use self::levels::LogLevels;
use self::stderr::LogWriter;
use super::sync::now_ms;
use crate::history::rfc_3339;

/// The flags of every command for its log.
#[derive(Args, Clone, Debug)]
pub struct LogArgs {
    /// Log to standard error: off, error, warn, info, debug, trace, or a list with parts of the
    /// program, such as info,nifi_idb::store=debug [default: off; for serve: info]
    #[arg(
        long,
        value_name = "LEVELS",
        global = true,
        env = "NIFI_IDB_LOG",
        hide_env_values = true
    )]
    #[arg(help_heading = "Log", value_parser = LogLevels::parse)]
    log_level: Option<LogLevels>,

    /// Format of the log
    #[arg(
        long,
        value_name = "FORMAT",
        global = true,
        env = "NIFI_IDB_LOG_FORMAT",
        hide_env_values = true
    )]
    #[arg(help_heading = "Log", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

/// The format of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// Time, level, spans, part of the program, message and fields
    Text,
    /// One JSON object per line
    Json,
}

/// The part of the program that reports dropped lines.
const TARGET: &str = module_path!();

/// The message of the line that reports dropped lines.
const DROPPED: &str = "log lines dropped";

impl LogFormat {
    /// Returns a function that makes the line for a number of dropped lines. It is made by hand,
    /// because an event would wait for the writer that is writing it.
    fn notice(self) -> fn(u64) -> String {
        match self {
            Self::Text => {
                |lines| format!("{}  WARN {TARGET}: {DROPPED} lines={lines}", rfc_3339(now_ms()))
            }
            Self::Json => |lines| {
                json!({
                    "timestamp": rfc_3339(now_ms()),
                    "level": "WARN",
                    "message": DROPPED,
                    "lines": lines,
                    "target": TARGET,
                })
                .to_string()
            },
        }
    }
}

/// The time of an event.
struct UtcMilliseconds;

impl FormatTime for UtcMilliseconds {
    fn format_time(&self, writer: &mut Writer<'_>) -> std::fmt::Result {
        writer.write_str(&rfc_3339(now_ms()))
    }
}

/// The log of a process, as long as it runs.
pub(super) struct StartedLog {
    #[cfg(feature = "otel")]
    _export: Option<export::SpanExport>,
}

impl LogArgs {
    /// Starts logging, and the export of spans if the environment asks for it. Without a flag the
    /// level is `default`. A level of `off` installs nothing, so that an event costs the test of
    /// one number. The last spans are sent when the result is dropped.
    pub(super) fn start(&self, default: &str) -> StartedLog {
        let mut layers = Vec::new();
        #[cfg(feature = "otel")]
        let export = export::SpanExport::start();
        #[cfg(feature = "otel")]
        layers.extend(export.iter().flatten().map(export::SpanExport::layer));
        let given = self.log_level.clone().filter(|levels| !levels.are_unset());
        let levels = given.or_else(|| LogLevels::parse(default).ok());
        if let Some(levels) = levels.filter(|levels| !levels.are_off()) {
            layers.push(self.lines().with_filter(levels.filter()).boxed());
        }
        if !layers.is_empty() {
            // Fails if the program that called the library logs by itself.
            let _ = tracing_subscriber::registry().with(layers).try_init();
        }
        StartedLog {
            #[cfg(feature = "otel")]
            _export: export.unwrap_or_else(|error| {
                tracing::warn!(%error, "export not started");
                None
            }),
        }
    }

    /// Returns the layer that writes lines.
    fn lines<S>(&self) -> Box<dyn Layer<S> + Send + Sync>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        // A failed write is not reported: standard error is the place for reports, and it may be
        // closed.
        let lines = fmt::layer()
            .with_timer(UtcMilliseconds)
            .with_ansi(false)
            .log_internal_errors(false)
            .with_writer(LogWriter::new(self.log_format.notice()));
        match self.log_format {
            LogFormat::Text => lines.boxed(),
            LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
        }
    }
}
