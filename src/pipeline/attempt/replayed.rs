//! Reports the changes of a batch that are committed already.

use super::{Attempt, SyncError};
use crate::apply::lookup::Lookup;
use crate::decode::BatchHeader;
use crate::normalize::{Folds, RangeSweep};
use crate::report::ReportLines;
use crate::report_line::ReportLine;

impl Attempt<'_> {
    /// Reports to a pulling source the current state of changes that are not merged again: all, or
    /// those numbered below `skip`. It gets changes by others since its base in any case.
    pub(super) fn report_replayed(
        &self,
        skip: Option<u64>,
        lines: &mut ReportLines,
    ) -> Result<(), SyncError> {
        let BatchHeader { schema, source, base, .. } = &self.batch.header;
        let pulls = self.options.pull && !self.options.withholds_values;
        let (Some(base), Some(head), true) = (base, self.head, pulls) else { return Ok(()) };
        let mut lookup = Lookup::new(self.store, self.flow, head);
        let mut judged = skip.map(|skip| self.batch.changes.folds(skip)).transpose()?;
        let mut next = judged.as_mut().map_or(Ok(None), Folds::next)?;
        // A range among the later changes also decides the keys that it covers.
        let ranges_in = |store: usize| {
            skip.map(|skip| self.batch.changes.ranges_of(store, skip)).unwrap_or_default()
        };
        let mut ranges = (0, RangeSweep::new(ranges_in(0)));
        let mut folds = self.batch.changes.folds(0)?;
        while let Some(change) = folds.next()? {
            let place = (change.store, &change.key);
            if ranges.0 != change.store {
                ranges = (change.store, RangeSweep::new(ranges_in(change.store)));
            }
            ranges.1.advance(&change.key);
            while next.as_ref().is_some_and(|next| (next.store, &next.key) < place) {
                next = judged.as_mut().map_or(Ok(None), Folds::next)?;
            }
            let is_named = next.as_ref().is_some_and(|next| (next.store, &next.key) == place);
            let is_judged = is_named || ranges.1.last().is_some();
            let Some(name) =
                schema.stores.get(change.store).map(|store| &store.name).filter(|_| !is_judged)
            else {
                continue;
            };
            let Some(line) = lookup.find(name, &change.key)? else { continue };
            let own = line.meta.by.is_some() && line.meta.by == *source;
            if (line.meta.rev <= *base || own) && !line.state.same(&change.state) {
                lines.push(&ReportLine::Change { line: &lookup.text(name, &line)? })?;
            }
        }
        Ok(())
    }
}
