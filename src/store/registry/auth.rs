//! Credentials for a Registry. Secrets are never shown.

use crate::secret::Secret;
use crate::store::{StoreError, StoreErrorKind};

/// The authentication of calls. A client certificate is separate: it belongs to the connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credentials {
    /// No authentication.
    #[default]
    None,
    /// A bearer token.
    Token(Secret),
    /// A token that `POST /access/token/login` returns for user and password; requested again when
    /// it has expired.
    Login {
        /// The user's name; may not contain a colon.
        user: String,
        /// The password.
        password: Secret,
    },
}

impl Credentials {
    /// Refuses credentials that would be sent in the clear (plain HTTP to another host), or cannot
    /// be sent at all.
    pub(super) fn check(&self, https: bool, loopback: bool) -> Result<(), StoreError> {
        let refuse = |message: &str| Err(StoreError::new(StoreErrorKind::Configuration, message));
        match self {
            Self::None => Ok(()),
            _ if !https && !loopback => {
                refuse("credentials are sent over https only: the Registry's URL is plain http")
            }
            Self::Token(token) if !token.is_sendable() => {
                refuse("the Registry token is empty or no token")
            }
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
        let credentials =
            Credentials::Login { user: "ann".into(), password: Secret::new("hunter2\n") };
        let shown = format!("{credentials:?} {:?}", Credentials::Token(Secret::new("abc.def")));
        assert!(
            shown.contains("ann") && !shown.contains("hunter2") && !shown.contains("abc"),
            "{shown}"
        );
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
