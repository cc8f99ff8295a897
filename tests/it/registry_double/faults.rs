//! What can go wrong on demand.

use std::time::Duration;

/// The text of every error that a real server does not explain.
pub(crate) const UNEXPECTED: &str =
    "An unexpected error has occurred. Please check the logs for additional details.";

/// One failure. Unless said otherwise, the request is carried out first.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Answered with this status and text; nothing is done.
    Answer(u16, String),
    /// The answer stops in the middle of its body.
    CutAnswer,
    /// The connection closes without an answer: to the client, a time-out after success.
    LostAnswer,
    /// The connection closes without an answer, and nothing is done.
    LostRequest,
    /// The connection closes before the whole body was read, as on a body that the server refuses early.
    LostUpload,
    /// The answer comes this much later.
    Delay(Duration),
    /// Nothing is done, and no answer comes while the double lives.
    Silence,
    /// 500; nothing is stored, and the number stays free.
    OutOfHeap,
    /// As if the server was killed while it wrote the version: the connection closes, the list is as before, and every
    /// further version of the flow is a 500 until the flow is deleted. Only the file provider knows this state.
    Orphan,
    /// As H2 after an out-of-memory error: this call and all later ones that need the database are 500, until
    /// [`super::RegistryDouble::restart`].
    DeadDatabase,
}

impl Fault {
    /// The 500 without an explanation.
    pub(crate) fn internal_error() -> Self {
        Self::Answer(500, UNEXPECTED.to_owned())
    }

    /// The 409 that says another writer was first.
    pub(crate) fn conflict(version: u32) -> Self {
        Self::Answer(
            409,
            format!("A Versioned flow snapshot with the same version already exists: {version}"),
        )
    }
}

/// Which requests a fault strikes: by method, and by how the path ends (without the query; `*` stands for one segment).
#[derive(Clone, Debug)]
pub(crate) struct On {
    method: &'static str,
    path_end: &'static str,
    pub(crate) skip: usize,
    pub(crate) times: usize,
}

impl On {
    /// The next such request. An empty method or path end stands for all.
    pub(crate) fn next(method: &'static str, path_end: &'static str) -> Self {
        Self { method, path_end, skip: 0, times: 1 }
    }

    /// The next `times` such requests.
    pub(crate) fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }

    /// Lets the first `skip` such requests pass.
    pub(crate) fn after(self, skip: usize) -> Self {
        Self { skip, ..self }
    }

    /// Whether the request is of this kind; counts nothing.
    pub(crate) fn matches(&self, method: &str, target: &str) -> bool {
        let path = target.split('?').next().unwrap_or_default();
        let segments: Vec<_> = path.split('/').collect();
        let wanted: Vec<_> =
            self.path_end.split('/').filter(|segment| !segment.is_empty()).collect();
        let end = segments.len().checked_sub(wanted.len()).map(|start| &segments[start..]);
        let path_fits = end.is_some_and(|end| {
            end.iter().zip(&wanted).all(|(is, want)| *want == "*" || is == want)
        });
        (self.method.is_empty() || self.method == method) && path_fits
    }
}
