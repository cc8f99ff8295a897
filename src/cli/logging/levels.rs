//! The levels of a log: one for the program, and others for parts of it.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

/// The crate. Other crates log headers, and with them credentials, so their events are never
/// written.
const CRATE: &str = "nifi_idb";

/// The form of the flag, for messages.
const EXPECTED: &str = "expected off, error, warn, info, debug or trace, or a list with parts of \
    nifi_idb, such as info,nifi_idb::store=debug";

/// The levels as given: parts of the program, each with its level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogLevels(Vec<(String, LevelFilter)>);

impl LogLevels {
    /// Parses a level, or a list of them with parts of the program. An empty text sets nothing.
    ///
    /// # Errors
    ///
    /// A message with the expected form.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut levels = Vec::new();
        for item in text.split(',').map(str::trim).filter(|_| !text.trim().is_empty()) {
            let (part, level) = item.split_once('=').unwrap_or((CRATE, item));
            let inside = part.strip_prefix(CRATE);
            if !inside.is_some_and(|inside| inside.is_empty() || inside.starts_with("::")) {
                return Err(EXPECTED.to_owned());
            }
            levels.push((part.to_owned(), parse_level(level)?));
        }
        Ok(Self(levels))
    }

    /// True if no level is set.
    pub(super) fn are_unset(&self) -> bool {
        self.0.is_empty()
    }

    /// True if nothing is logged.
    pub(super) fn are_off(&self) -> bool {
        self.0.iter().all(|(_, level)| *level == LevelFilter::OFF)
    }

    /// Returns the filter for events. The longest part that matches decides.
    pub(super) fn filter(self) -> Targets {
        Targets::new().with_default(LevelFilter::OFF).with_targets(self.0)
    }
}

fn parse_level(text: &str) -> Result<LevelFilter, String> {
    Ok(match text {
        "off" => LevelFilter::OFF,
        "error" => LevelFilter::ERROR,
        "warn" => LevelFilter::WARN,
        "info" => LevelFilter::INFO,
        "debug" => LevelFilter::DEBUG,
        "trace" => LevelFilter::TRACE,
        _ => return Err(EXPECTED.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn a_list_sets_levels_of_parts() {
        let filter = LogLevels::parse("warn, nifi_idb::store=debug").unwrap().filter();
        for (target, level, expected) in [
            ("nifi_idb::pipeline", Level::WARN, true),
            ("nifi_idb::pipeline", Level::INFO, false),
            ("nifi_idb::store::git", Level::DEBUG, true),
            ("nifi_idb::store::git", Level::TRACE, false),
            ("h2::codec", Level::ERROR, false),
        ] {
            assert_eq!(filter.would_enable(target, &level), expected, "{target} {level}");
        }
    }

    #[test]
    fn other_words_and_other_crates_are_refused() {
        for text in ["loud", "INFO,", "h2=trace", "info,nifi_idbx=info", "nifi_idb::store", "=info"]
        {
            assert_eq!(LogLevels::parse(text), Err(EXPECTED.to_owned()), "{text}");
        }
        assert!(LogLevels::parse("").unwrap().are_unset());
        assert!(LogLevels::parse("off,nifi_idb::store=off").unwrap().are_off());
    }
}
