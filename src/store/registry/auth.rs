//! Who we are to a Registry. What is secret is never shown.

use std::fmt;

use crate::store::{StoreError, StoreErrorKind};

/// A password or token. Its debug form hides it; it has no display form.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret; white space at its end, which files have, is cut off.
    pub fn new(text: &str) -> Self {
        Self(text.trim_end().to_owned())
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// How calls are authenticated. A client certificate is separate: it belongs to the connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Not at all.
    #[default]
    None,
    /// With a bearer token.
    Token(Secret),
    /// With a token that `POST /access/token/login` gives for user and password, and again when it has expired.
    Login {
        /// The user's name; may not hold a colon.
        user: String,
        /// The password.
        password: Secret,
    },
}

impl Credentials {
    /// Refuses what would send a secret in the clear (plain HTTP to another host), or cannot be sent at all.
    pub(super) fn check(&self, https: bool, loopback: bool) -> Result<(), StoreError> {
        let refuse = |message: &str| Err(StoreError::new(StoreErrorKind::Configuration, message));
        let sendable =
            |secret: &Secret| !secret.0.is_empty() && secret.0.bytes().all(|byte| matches!(byte, b'!'..=b'~'));
        match self {
            Self::None => Ok(()),
            _ if !https && !loopback => {
                refuse("credentials are sent over https only: the Registry's URL is plain http")
            }
            Self::Token(token) if !sendable(token) => refuse("the Registry token is empty or no token"),
            Self::Login { user, .. } if user.is_empty() || user.contains(':') => {
                refuse("the Registry user is empty or holds a colon")
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden() {
        let credentials = Credentials::Login { user: "ann".into(), password: Secret::new("hunter2\n") };
        let shown = format!("{credentials:?} {:?}", Credentials::Token(Secret::new("abc.def")));
        assert!(shown.contains("ann") && !shown.contains("hunter2") && !shown.contains("abc"), "{shown}");
        assert_eq!(Secret::new("hunter2\n").expose(), "hunter2");
    }

    #[test]
    fn secrets_are_never_sent_in_the_clear() {
        let token = Credentials::Token(Secret::new("abc"));
        assert!(token.check(true, false).is_ok());
        assert!(token.check(false, true).is_ok());
        assert_eq!(token.check(false, false).unwrap_err().kind, StoreErrorKind::Configuration);
        assert!(Credentials::None.check(false, false).is_ok());
        assert!(Credentials::Token(Secret::new("a\nb")).check(true, false).is_err());
        let colon = Credentials::Login { user: "a:b".into(), password: Secret::new("x") };
        assert!(colon.check(true, false).is_err());
    }
}
