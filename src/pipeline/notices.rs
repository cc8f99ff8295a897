//! Tells a source what people decided about conflicts that it has a part in.

use super::conflicts::record_of;
use super::error::SyncError;
use super::lookup::Lookup;
use super::sources::{Notice, Sources};
use crate::normalize::Batch;
use crate::report::{Ack, ReportLines, resolved_line, resolved_line_without_value};
use crate::snapshot::{FlowName, FlowVersion, Meta};
use crate::store::{SnapshotStore, StoreError, StoreErrorKind};

/// What is said to the source of a batch once its version stands.
#[derive(Debug, Default)]
pub(super) struct ForSource {
    /// Up to where its changes are durable.
    pub(super) ack: Option<Ack>,
    /// What people decided.
    pub(super) notices: Vec<Notice>,
    /// It may have what a source that is new cannot have.
    pub(super) is_known: bool,
}

/// The notices for the source of a batch; those that go with the version that it makes, if it does, leave `sources`.
pub(super) fn of_batch(sources: &mut Sources, batch: &Batch, makes: Option<FlowVersion>) -> Vec<Notice> {
    let Some(source) = &batch.header.source else { return Vec::new() };
    let meta = makes.map(|rev| Meta { at: batch.received_at, by: Some(source.clone()), rev });
    sources.tell(source, batch.header.base, meta.as_ref())
}

/// Adds a line `resolved` for every notice, with the record as it stands in `version`. Reads nothing if there is none.
pub(super) fn tell(
    store: &dyn SnapshotStore,
    flow: &FlowName,
    version: FlowVersion,
    notices: &[Notice],
    lines: &mut ReportLines,
) -> Result<(), SyncError> {
    if notices.is_empty() {
        return Ok(());
    }
    let missing = || StoreError::new(StoreErrorKind::Damaged, format!("version {version} of {flow} is missing"));
    let now = store.version(flow, version)?.ok_or_else(missing)?;
    let mut lookup = Lookup::new(store, flow, &now);
    for notice in notices {
        let Some((_, name, key)) = record_of(&notice.id) else { continue };
        let line = lookup.find(&name, &key)?.map(|line| lookup.text(&name, &line)).transpose()?;
        lines.push(&resolved_line(&notice.id, notice.choice.name(), line.as_deref()))?;
    }
    Ok(())
}

/// Adds a line `resolved` for every notice that says only how it was decided.
pub(super) fn tell_without_values(notices: &[Notice], lines: &mut ReportLines) -> Result<(), SyncError> {
    for notice in notices.iter().filter(|notice| record_of(&notice.id).is_some()) {
        lines.push(&resolved_line_without_value(&notice.id, notice.choice.name()))?;
    }
    Ok(())
}
