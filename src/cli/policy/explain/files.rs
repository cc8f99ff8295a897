//! Reads the question of `policy explain` from files.

use std::fs;
use std::path::Path;

use super::{Explain, ExplainedChange};
use crate::failure::Failure;
use crate::indexeddb::key::{Key, SortableKey};
use crate::indexeddb::value::{Canonicalizer, Options};
use crate::merge::{Incoming, Standing, clock_of};
use crate::normalize::{Claim, DEFAULT_SKEW_MS};
use crate::policy::Policy;
use crate::snapshot::{FlowVersion, Line, LineState, Meta};

impl Explain {
    /// Reads all sides from files.
    pub(super) fn filed(&self, policy: &Policy) -> Result<ExplainedChange, Failure> {
        let key = self.key()?.map_or_else(|| one("--key", Key::Number(1.0)), Ok)?;
        let head_value = self.head.as_deref().map(|path| value_in("--head", path)).transpose()?;
        let state = match &head_value {
            Some(value) => Some(LineState::Put(value.as_slice().into())),
            None => self.head_deleted.then_some(LineState::Delete),
        };
        let meta = Meta {
            at: self.head_at.unwrap_or(0),
            by: self.head_by.clone(),
            rev: FlowVersion::FIRST,
        };
        // Without a source, head does not count as the change's own.
        let by = meta.by.clone().or_else(|| "head".parse().ok());
        let head = state.map(|state| Line { key: key.clone(), meta: Meta { by, ..meta }, state });
        let base = self.base.as_deref().map(|path| value_in("--base", path)).transpose()?;
        let (claim, base) = match base {
            Some(value) => (Claim::Value(value.as_slice().into()), Some(Some(value))),
            None if self.base_absent => (Claim::Absent, Some(None)),
            None => (Claim::None, None),
        };
        let store = self.object_store.as_str().into();
        let incoming = self.change(policy)?;
        let received_at = self.received(head.as_ref(), &incoming);
        let (standing, from) = (Standing::default(), "from files".to_owned());
        Ok(ExplainedChange {
            store,
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

    /// Returns the record's key, if one is given.
    pub(super) fn key(&self) -> Result<Option<SortableKey>, Failure> {
        const EXPECTED: &str = "--key is no JSON; a string key needs its quotes: --key '\"ann\"'";
        let Some(text) = &self.key else { return Ok(None) };
        let value = serde_json::from_str(text).map_err(|_| Failure::usage(EXPECTED))?;
        let key =
            Key::from_json(&value).map_err(|error| Failure::usage(format!("--key: {error}")))?;
        one("--key", key).map(Some)
    }

    /// Returns the incoming change.
    pub(super) fn change(&self, policy: &Policy) -> Result<Incoming, Failure> {
        let state = match &self.incoming {
            Some(path) => LineState::Put(value_in("--incoming", path)?.into()),
            None => LineState::Delete,
        };
        let rules = policy.store(&self.object_store.as_str().into());
        let mut clock = clock_of(rules, self.incoming_at, &state);
        if let Some(received_at) = self.received_at {
            let latest = received_at.saturating_add(policy.max_skew_ms.unwrap_or(DEFAULT_SKEW_MS));
            clock = clock.map(|clock| clock.min(latest));
        }
        Ok(Incoming {
            state,
            clock,
            by: self.incoming_by.clone().or_else(|| "incoming".parse().ok()),
        })
    }

    /// Returns the time of receipt.
    pub(super) fn received(&self, head: Option<&Line>, incoming: &Incoming) -> i64 {
        let later = || head.map_or(0, |head| head.meta.at).max(incoming.clock.unwrap_or(0));
        self.received_at.unwrap_or_else(later)
    }
}

fn one(flag: &str, key: Key) -> Result<SortableKey, Failure> {
    key.to_sortable().map_err(|error| Failure::usage(format!("{flag}: {error}")))
}

/// Returns the canonical form of the single value in a file.
fn value_in(flag: &str, path: &Path) -> Result<Vec<u8>, Failure> {
    let wrong = |what: String| Failure::usage(format!("{flag} {}: {what}", path.display()));
    let text = fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let mut value = Vec::new();
    Canonicalizer::new(Options::default())
        .value(&text, &mut value)
        .map_err(|error| wrong(error.to_string()))?;
    Ok(value)
}
