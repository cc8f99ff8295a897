//! Reads the question of `policy explain` from a file and a snapshot store.

use std::time::Instant;

use super::{Explain, ExplainedChange};
use crate::apply::{BaseValue, HeadReader};
use crate::cli::store_url::StoreArgs;
use crate::failure::Failure;
use crate::history;
use crate::merge::Standing;
use crate::normalize::Claim;
use crate::policy::Policy;
use crate::snapshot::{FlowVersion, Line, LineState};

impl Explain {
    /// Reads head, and the base if one is named, from stored versions.
    pub(super) fn stored(
        &self,
        policy: &Policy,
        args: &StoreArgs,
        start: Instant,
    ) -> Result<ExplainedChange, Failure> {
        let key = self
            .key()?
            .ok_or_else(|| Failure::usage("with --store the record must be named: give --key"))?;
        let incoming = self.change(policy)?;
        let claim = self.claim()?;
        let store = args.open(start)?;
        let flow = args.existing_flow(&*store)?;
        let version = history::open_version(&*store, &flow, self.at)?;
        let name = self.object_store.as_str().into();
        let shown = history::show_record(&*store, &flow, &version, &name, &key)?;
        let head_value = shown.as_ref().and_then(|shown| value_of(&shown.line));
        let head = shown.map(|shown| Line {
            key: key.clone(),
            meta: shown.meta,
            state: head_value
                .as_deref()
                .map_or(LineState::Delete, |value| LineState::Put(value.into())),
        });
        // The base is found as `sync` finds it, so that the answer is the one that a batch gets.
        let base = HeadReader::new(&*store, &flow, Some(&version)).value(&name, &key, &claim)?;
        let base = match base {
            BaseValue::Unknown => None,
            BaseValue::Absent => Some(None),
            BaseValue::Value(value) => Some(Some(value.into())),
        };
        let received_at = self.received(head.as_ref(), &incoming);
        let from = format!("as of version {} of {flow}", version.manifest.version);
        let standing = Standing::default();
        Ok(ExplainedChange {
            store: name,
            key,
            head,
            head_value,
            incoming,
            claim,
            base,
            standing,
            received_at,
            from,
        })
    }

    fn claim(&self) -> Result<Claim, Failure> {
        let Some(base) = &self.base else {
            return Ok(if self.base_absent { Claim::Absent } else { Claim::None });
        };
        let version = base.to_str().and_then(|text| text.parse::<FlowVersion>().ok());
        let wrong = || {
            Failure::usage(
                "with --store, --base is the version that the change started from, a number",
            )
        };
        version.map(Claim::Version).ok_or_else(wrong)
    }
}

/// Returns the value in a record's line. A line is canonical ASCII, `value` is its last member, and
/// a quote inside a string is escaped by a backslash; so a search for the member's name finds it.
fn value_of(line: &str) -> Option<Vec<u8>> {
    const MEMBER: &str = ",\"value\":";
    let start = line.find(MEMBER)? + MEMBER.len();
    line.get(start..line.len() - 1).map(|value| value.as_bytes().to_vec())
}
