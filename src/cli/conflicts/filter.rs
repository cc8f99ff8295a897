//! The flags that select conflicts.

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};

use crate::cli::show::read_key;
use crate::failure::Failure;
use crate::snapshot::logged_conflict::{ConflictFilter, ConflictState};
use crate::snapshot::{ConflictType, FlowVersion, SourceId};

/// The selection of conflicts: those that match all flags.
#[derive(Args, Debug, Default)]
pub(super) struct FilterArgs {
    /// Only conflicts in this state: parked (waiting for a person), decided (by a rule) or resolved
    /// (by a person) [default: parked]
    #[arg(long, value_enum)]
    state: Option<StateArg>,

    /// Only conflicts in this object store
    #[arg(long, value_name = "NAME")]
    object_store: Option<String>,

    /// Only conflicts about the record with this key, as JSON
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    key: Option<String>,

    /// Only conflicts of this type, such as update-update
    #[arg(long = "type", value_name = "TYPE", value_parser = types())]
    kind: Option<String>,

    /// Only conflicts decided or parked by this rule
    #[arg(long, value_name = "NAME")]
    rule: Option<String>,

    /// Only conflicts with this source on either side
    #[arg(long, value_name = "ID")]
    source: Option<SourceId>,

    /// Only conflicts of this version or later
    #[arg(long, value_name = "VERSION")]
    since: Option<FlowVersion>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum StateArg {
    Parked,
    Decided,
    Resolved,
    All,
}

fn types() -> PossibleValuesParser {
    PossibleValuesParser::new(ConflictType::names())
}

impl FilterArgs {
    /// True if any flag is given.
    pub(super) fn is_given(&self) -> bool {
        let Self { state, object_store, key, kind, rule, source, since } = self;
        let texts = [object_store, key, kind, rule].into_iter().any(Option::is_some);
        texts || state.is_some() || source.is_some() || since.is_some()
    }

    /// Returns the filter that the flags describe.
    pub(super) fn filter(&self) -> Result<ConflictFilter, Failure> {
        Ok(ConflictFilter {
            state: match self.state {
                None | Some(StateArg::Parked) => Some(ConflictState::Parked),
                Some(StateArg::Decided) => Some(ConflictState::Decided),
                Some(StateArg::Resolved) => Some(ConflictState::Resolved),
                Some(StateArg::All) => None,
            },
            store: self.object_store.as_deref().map(Into::into),
            key: self.key.as_deref().map(|key| read_key("--key", key)).transpose()?,
            kind: self.kind.as_deref().and_then(ConflictType::from_name),
            rule: self.rule.clone(),
            source: self.source.clone(),
            since: self.since,
        })
    }
}
