//! The flags that say which conflicts are meant.

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};

use crate::cli::show::read_key;
use crate::failure::Failure;
use crate::pipeline::conflicts::{ConflictFilter, ConflictState};
use crate::policy::ConflictType;
use crate::snapshot::{FlowVersion, SourceId};

/// Which conflicts are meant: those that fit all flags.
#[derive(Args, Debug, Default)]
pub(super) struct FilterArgs {
    /// parked: they wait for a person; decided: by a rule; resolved: by a person [default: parked]
    #[arg(long, value_enum)]
    state: Option<StateArg>,

    /// Of this object store
    #[arg(long, value_name = "NAME")]
    object_store: Option<String>,

    /// About the record with this key, as JSON
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    key: Option<String>,

    /// Of this type, such as update-update
    #[arg(long = "type", value_name = "TYPE", value_parser = types())]
    kind: Option<String>,

    /// Decided, or parked, by this rule
    #[arg(long, value_name = "NAME")]
    rule: Option<String>,

    /// With this source on either side
    #[arg(long, value_name = "ID")]
    source: Option<SourceId>,

    /// Of this version and later ones
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
    PossibleValuesParser::new(ConflictType::ALL.map(ConflictType::name))
}

impl FilterArgs {
    /// Whether any flag is given.
    pub(super) fn is_given(&self) -> bool {
        let Self { state, object_store, key, kind, rule, source, since } = self;
        let texts = [object_store, key, kind, rule].into_iter().any(Option::is_some);
        texts || state.is_some() || source.is_some() || since.is_some()
    }

    /// What the flags say.
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
