//! The versions of a flow, as described by their comments.

use serde_json::{Value, json};

use super::HistoryError;
use super::utc::rfc_3339;
use crate::snapshot::manifest::canonical_json;
use crate::snapshot::{FlowName, FlowVersion, RootId, StateId};
use crate::store::{SnapshotReader, VersionInfo};

/// Number of digits of a root that are shown to people.
const SHOWN_DIGITS: usize = 12;

/// A version, as listed without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// The version's number.
    pub version: FlowVersion,
    /// The time in the store's list, in milliseconds since 1970.
    pub timestamp_ms: i64,
    /// The author in the store's list.
    pub author: String,
    /// The first line of the comment; empty if that line contains root and state.
    pub summary: String,
    /// The root in the comment, if any.
    pub root: Option<RootId>,
    /// The state in the comment, if any.
    pub state: Option<StateId>,
}

/// Lists at most `limit` versions, newest first.
///
/// # Errors
///
/// [`HistoryError::NoFlow`] if the flow does not exist; [`HistoryError::Store`] if the versions
/// cannot be read.
pub fn log(
    store: &dyn SnapshotReader,
    flow: &FlowName,
    limit: usize,
) -> Result<Vec<LogEntry>, HistoryError> {
    let versions = store.log_newest(flow, limit.max(1))?;
    if versions.is_empty() {
        return Err(HistoryError::NoFlow { flow: flow.clone(), store: store.describe() });
    }
    Ok(versions.into_iter().take(limit).map(LogEntry::from).collect())
}

/// Returns root and state from the last line of a comment, `root=… state=…`.
pub(super) fn ids_of(comment: &str) -> Option<(RootId, StateId)> {
    let last = comment.trim_end().lines().last()?;
    let (root, state) = last.strip_prefix("root=")?.split_once(" state=")?;
    Some((root.parse().ok()?, state.parse().ok()?))
}

impl From<VersionInfo> for LogEntry {
    fn from(info: VersionInfo) -> Self {
        let VersionInfo { version, comment, author, timestamp_ms } = info;
        let ids = ids_of(&comment);
        let first = comment.lines().next().unwrap_or_default();
        let summary =
            if ids_of(first).is_some() { String::new() } else { first.trim_end().to_owned() };
        Self {
            version,
            timestamp_ms,
            author,
            summary,
            root: ids.map(|ids| ids.0),
            state: ids.map(|ids| ids.1),
        }
    }
}

impl LogEntry {
    /// Returns canonical JSON with the members `author`, `root` (or null), `state` (or null),
    /// `summary`, `timestamp` (in milliseconds since 1970), `version`; without a line end.
    pub fn to_json(&self) -> String {
        let text = |value: Option<String>| value.map_or(Value::Null, Value::String);
        canonical_json(&json!({
            "author": self.author,
            "root": text(self.root.map(|root| root.to_string())),
            "state": text(self.state.map(|state| state.to_string())),
            "summary": self.summary,
            "timestamp": self.timestamp_ms,
            "version": self.version.get(),
        }))
    }

    /// Returns one line for people, without a line end: version, time in UTC, the first digits of
    /// the root (`-` if unknown), author, summary.
    pub fn to_text(&self) -> String {
        let root = self
            .root
            .map_or_else(|| "-".to_owned(), |root| root.to_string()[..SHOWN_DIGITS].to_owned());
        let Self { version, author, summary, .. } = self;
        let line = format!(
            "{version}  {}  {root:SHOWN_DIGITS$}  {author}  {summary}",
            rfc_3339(self.timestamp_ms)
        );
        // Other programs may write comments too, and these must not be able to control a terminal.
        line.trim_end()
            .chars()
            .map(|char| if char.is_control() { '\u{fffd}' } else { char })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Digest;

    fn entry(comment: &str) -> LogEntry {
        let author = "anonymous".to_owned();
        LogEntry::from(VersionInfo {
            version: FlowVersion::FIRST,
            comment: comment.into(),
            author,
            timestamp_ms: 1_700_000_000_123,
        })
    }

    #[test]
    fn a_comment_is_taken_apart() {
        let (root, state) = (RootId(Digest::of(b"r")), StateId(Digest::of(b"s")));
        let ours = entry(&format!(
            "+1 ~0 -0 in 1 object store, from kiosk-7\n\nroot={root} state={state}\n"
        ));
        assert_eq!(ours.summary, "+1 ~0 -0 in 1 object store, from kiosk-7");
        assert_eq!((ours.root, ours.state), (Some(root), Some(state)));
        let shown = format!(
            "1  2023-11-14T22:13:20.123Z  {}  anonymous  +1 ~0 -0 in 1 object store, from kiosk-7",
            &root.to_string()[..12]
        );
        assert_eq!(ours.to_text(), shown);
        let json = format!(
            "{{\"author\":\"anonymous\",\"root\":\"{root}\",\"state\":\"{state}\",\"summary\":\"+1 ~0 -0 in 1 object \
             store, from kiosk-7\",\"timestamp\":1700000000123,\"version\":1}}"
        );
        assert_eq!(ours.to_json(), json);
        let bare = entry(&format!("root={root} state={state}"));
        assert_eq!((bare.summary.as_str(), bare.root), ("", Some(root)));
    }

    #[test]
    fn a_foreign_comment_has_no_ids_and_steers_no_terminal() {
        for comment in ["", "by hand", "root=12 state=34", "x\u{1b}[2J\ny"] {
            let entry = entry(comment);
            assert_eq!((entry.root, entry.state), (None, None));
            assert!(!entry.to_text().chars().any(char::is_control));
        }
        assert!(
            entry("by hand")
                .to_json()
                .contains("\"root\":null,\"state\":null,\"summary\":\"by hand\"")
        );
    }
}
