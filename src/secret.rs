//! A password or token, which is never shown.

use std::fmt;

/// A password or token. Its debug form hides it; it has no display form.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret; white space at its end, which files have, is cut off.
    pub fn new(text: &str) -> Self {
        Self(text.trim_end().to_owned())
    }

    /// The secret itself, for the one place that sends it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it can be sent in a header at all.
    pub(crate) fn is_sendable(&self) -> bool {
        !self.0.is_empty() && self.0.bytes().all(|byte| matches!(byte, b'!'..=b'~'))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}
