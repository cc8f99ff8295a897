//! Why a version could not be read or given out.

use std::io;

use crate::exit_status::ExitStatus;
use crate::snapshot::{FlowName, FlowVersion};
use crate::store::StoreError;

/// Why a version could not be read or given out.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// Nothing was ever written there.
    #[error("{store} has no flow {flow}; check the names of bucket and flow")]
    NoFlow {
        /// The flow.
        flow: FlowName,
        /// The snapshot store, without credentials.
        store: String,
    },
    /// The flow is there, the version is not.
    #[error("flow {flow} has {}, not {version}", versions(there))]
    NoVersion {
        /// The flow.
        flow: FlowName,
        /// The version that was asked for.
        version: FlowVersion,
        /// The versions that it has, ascending.
        there: Vec<FlowVersion>,
    },
    /// The snapshot store failed, or what it holds is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The output cannot be written; what was written is not whole.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
    /// Options that do not fit the version.
    #[error("{0}")]
    Usage(String),
}

impl HistoryError {
    /// How the process ends for it: usage 2, an output that broke 4, the rest as the store's error says.
    pub fn exit_status(&self) -> ExitStatus {
        match self {
            Self::NoFlow { .. } | Self::NoVersion { .. } | Self::Usage(_) => ExitStatus::Usage,
            Self::Store(error) => error.exit_status(),
            Self::Output(_) => ExitStatus::Transient,
        }
    }
}

/// `version 3`, `versions 1 to 7`, or where some are missing `versions 1 to 3, 5, 7 to 9`.
fn versions(there: &[FlowVersion]) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for version in there.iter().map(|version| version.get()) {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == version => *last = version,
            _ => runs.push((version, version)),
        }
    }
    let run = |&(first, last): &(u32, u32)| match first == last {
        true => first.to_string(),
        false => format!("{first} to {last}"),
    };
    let shown = runs.iter().map(run).collect::<Vec<_>>().join(", ");
    if there.len() == 1 { format!("version {shown}") } else { format!("versions {shown}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_shown_as_runs() {
        let shown = |numbers: &[u64]| {
            versions(&numbers.iter().map(|&number| FlowVersion::new(number).unwrap()).collect::<Vec<_>>())
        };
        assert_eq!(shown(&[1]), "version 1");
        assert_eq!(shown(&[1, 2, 3, 4, 5, 6, 7]), "versions 1 to 7");
        assert_eq!(shown(&[1, 2, 3, 5, 7, 8]), "versions 1 to 3, 5, 7 to 8");
    }
}
