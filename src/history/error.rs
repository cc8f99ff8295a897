//! The reasons why a version cannot be read or written out.

use std::io;

use crate::exit_status::ExitStatus;
use crate::snapshot::{FlowName, FlowVersion};
use crate::store::StoreError;

/// The reason why a version could not be read or written out.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The flow does not exist.
    #[error("{store} has no flow {flow}; check the names of bucket and flow")]
    NoFlow {
        /// The flow.
        flow: FlowName,
        /// The snapshot store, without credentials.
        store: String,
    },
    /// The flow exists, but not the version.
    #[error("flow {flow} has {}, not {version}", versions(there))]
    NoVersion {
        /// The flow.
        flow: FlowName,
        /// The requested version.
        version: FlowVersion,
        /// The existing versions, ascending.
        there: Vec<FlowVersion>,
    },
    /// The snapshot store failed, or its data is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The output cannot be written; the output so far is incomplete.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
    /// Options that do not fit the version.
    #[error("{0}")]
    Usage(String),
}

impl HistoryError {
    /// Returns the exit status of the process: 2 for usage, 4 for a broken output, otherwise that
    /// of the store's error.
    pub fn exit_status(&self) -> ExitStatus {
        match self {
            Self::NoFlow { .. } | Self::NoVersion { .. } | Self::Usage(_) => ExitStatus::Usage,
            Self::Store(error) => error.exit_status(),
            Self::Output(_) => ExitStatus::Transient,
        }
    }
}

/// Formats versions: `version 3`, `versions 1 to 7`, or with gaps `versions 1 to 3, 5, 7 to 9`.
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
            versions(
                &numbers
                    .iter()
                    .map(|&number| FlowVersion::new(number).unwrap())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(shown(&[1]), "version 1");
        assert_eq!(shown(&[1, 2, 3, 4, 5, 6, 7]), "versions 1 to 7");
        assert_eq!(shown(&[1, 2, 3, 5, 7, 8]), "versions 1 to 3, 5, 7 to 8");
    }
}
