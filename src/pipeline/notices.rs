//! Reports people's decisions to the sources of a conflict.

use crate::apply::error::SyncError;
use crate::apply::lookup::Lookup;
use crate::normalize::Batch;
use crate::report::{Ack, ReportLines};
use crate::report_line::ReportLine;
use crate::snapshot::logged_conflict::record_of;
use crate::snapshot::sources::{Notice, Sources};
use crate::snapshot::{FlowName, FlowVersion, Meta};
use crate::store::{SnapshotReader, StoreError, StoreErrorKind};

/// The information for a batch's source, reported once the version is known.
#[derive(Debug, Default)]
pub(super) struct ForSource {
    /// The number up to which its changes are durable.
    pub(super) ack: Option<Ack>,
    /// People's decisions.
    pub(super) notices: Vec<Notice>,
    /// True if the source may have records that a new source cannot have.
    pub(super) is_known: bool,
}

/// Returns the notices for a batch's source. If the batch makes a version, removes from `sources`
/// the notices that this version completes.
pub(super) fn of_batch(
    sources: &mut Sources,
    batch: &Batch,
    makes: Option<FlowVersion>,
) -> Vec<Notice> {
    let Some(source) = &batch.header.source else { return Vec::new() };
    let meta = makes.map(|rev| Meta { at: batch.received_at, by: Some(source.clone()), rev });
    sources.tell(source, batch.header.base, meta.as_ref())
}

/// Adds a `resolved` line for every notice, with the record's line in `version`. Reads nothing if
/// there are no notices.
pub(super) fn tell(
    store: &dyn SnapshotReader,
    flow: &FlowName,
    version: FlowVersion,
    notices: &[Notice],
    lines: &mut ReportLines,
) -> Result<(), SyncError> {
    if notices.is_empty() {
        return Ok(());
    }
    let missing = || {
        StoreError::new(StoreErrorKind::Damaged, format!("version {version} of {flow} is missing"))
    };
    let now = store.version(flow, version)?.ok_or_else(missing)?;
    let mut lookup = Lookup::new(store, flow, &now);
    for notice in notices {
        let Some((_, name, key)) = record_of(&notice.id) else { continue };
        let line = lookup.find(&name, &key)?.map(|line| lookup.text(&name, &line)).transpose()?;
        lines.push(&ReportLine::Resolved {
            id: &notice.id.to_canonical(),
            line: line.as_deref(),
            choice: notice.choice.name(),
            withheld: false,
        })?;
    }
    Ok(())
}

/// Adds a `resolved` line for every notice, with the decision only.
pub(super) fn tell_without_values(
    notices: &[Notice],
    lines: &mut ReportLines,
) -> Result<(), SyncError> {
    for notice in notices.iter().filter(|notice| record_of(&notice.id).is_some()) {
        lines.push(&ReportLine::Resolved {
            id: &notice.id.to_canonical(),
            line: None,
            choice: notice.choice.name(),
            withheld: true,
        })?;
    }
    Ok(())
}
