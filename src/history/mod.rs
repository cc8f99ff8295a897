//! Reading versions: whole or by record, listing them, and verifying every byte of them.
//!
//! Nothing in this module writes to a snapshot store, and it returns only data that was checked
//! against a digest.
//!
//! [../reference/changes.md]: crate::decode
//! [imports.md]: crate::decode
//! [privacy.md]: crate::normalize
//!
#![doc = include_str!("../../doc/guide/erasure.md")]
#![doc = include_str!("../../doc/reference/exports.md")]

mod chain;
mod conflicts;
mod error;
mod export;
mod flowfiles;
mod log;
mod reader;
mod restore;
mod show;
mod sources;
#[cfg(test)]
mod tests;
mod unmakeable;
mod utc;
mod verify;

use std::str::FromStr;

pub use conflicts::{count_conflicts, count_parked, list_conflicts, show_conflict};
pub use error::HistoryError;
pub use export::{ExportFormat, ExportOptions, Exported, export};
pub use flowfiles::{FlowFileOptions, restore_flowfiles};
pub use log::{LogEntry, log};
pub use restore::{RestoreFormat, RestoreOptions, Restored, restore};
pub use show::{
    RecordPlace, RecordState, RecordVersion, ShownRecord, history_of_record, show_record,
};
pub use sources::{SourceCheckpoint, sources};
pub use unmakeable::{IndexClash, Unmakeable, unmakeable};
pub use utc::rfc_3339;
pub use verify::{Verified, verify};

use crate::snapshot::id::IdError;
use crate::snapshot::{FlowName, FlowVersion};
use crate::store::{SnapshotReader, StoredVersion};

/// The choice of a version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum At {
    /// The newest version.
    #[default]
    Latest,
    /// The version with this number.
    Version(FlowVersion),
}

impl FromStr for At {
    type Err = IdError;

    /// Parses `latest` or a version number.
    fn from_str(text: &str) -> Result<Self, IdError> {
        if text == "latest" { Ok(Self::Latest) } else { text.parse().map(Self::Version) }
    }
}

/// Reads the manifest of one version.
///
/// # Errors
///
/// [`HistoryError::NoFlow`] or [`HistoryError::NoVersion`] if it does not exist,
/// [`HistoryError::Store`] if it cannot be read.
pub fn open_version(
    store: &dyn SnapshotReader,
    flow: &FlowName,
    at: At,
) -> Result<StoredVersion, HistoryError> {
    let no_flow = || HistoryError::NoFlow { flow: flow.clone(), store: store.describe() };
    let version = match at {
        At::Latest => return store.head(flow)?.ok_or_else(no_flow),
        At::Version(version) => version,
    };
    if let Some(stored) = store.version(flow, version)? {
        return Ok(stored);
    }
    let mut there: Vec<_> = store.log(flow)?.into_iter().map(|info| info.version).collect();
    if there.is_empty() {
        return Err(no_flow());
    }
    there.sort_unstable();
    Err(HistoryError::NoVersion { flow: flow.clone(), version, there })
}
