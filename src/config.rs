//! Settings of the snapshot store and of the connection to it. Flags override `NIFI_IDB_*` in the
//! environment. Secrets come only from the environment or from files, because everybody on a
//! machine can read a command line.

#[cfg(feature = "registry")]
mod registry_settings;

use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::policy::HashKey;
use crate::secret::Secret;

/// The default bucket.
pub const DEFAULT_BUCKET: &str = "indexeddb";

/// Environment variable of the bearer token.
pub const TOKEN_VARIABLE: &str = "NIFI_IDB_TOKEN";

/// Environment variable of the password.
pub const PASSWORD_VARIABLE: &str = "NIFI_IDB_PASSWORD";

/// Environment variable of the secret that private fields are hashed with.
pub const HASH_KEY_VARIABLE: &str = "NIFI_IDB_HASH_KEY";

/// Limit on the bytes of a file with a secret.
pub const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// A wrong setting: what is wrong and what to do. Contains no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl ConfigError {
    /// Creates the error for a wrong setting; the message names it by its flag.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// Creates the error for a store that this program was built without. `kind` names such a
    /// store, `feature` is the Cargo feature with it.
    pub fn not_built_in(kind: &str, feature: &str) -> Self {
        Self(format!(
            "--store is {kind}, but this program was built without the feature {feature}; build it \
             with cargo build --release --features {feature}"
        ))
    }
}

fn wrong(message: impl Into<String>) -> ConfigError {
    ConfigError(message.into())
}

/// The location of the snapshot store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// `git:PATH`: a bare repository.
    Git(PathBuf),
    /// `http(s)://host:port`: a NiFi Registry.
    Registry(String),
    /// `memory:`: lost when the process ends.
    Memory,
}

impl StoreUrl {
    /// Parses the value of `--store`.
    ///
    /// # Errors
    ///
    /// A message with the expected forms. It does not repeat the value, which may contain a
    /// password.
    pub fn parse(text: &OsStr) -> Result<Self, ConfigError> {
        const EXPECTED: &str =
            "--store is none of git:PATH, http://HOST:PORT, https://HOST:PORT, memory:";
        if let Some(path) = text.as_bytes().strip_prefix(b"git:") {
            if path.is_empty() {
                return Err(wrong("--store git: needs a path, such as git:snapshots.git"));
            }
            return Ok(Self::Git(PathBuf::from(OsStr::from_bytes(path))));
        }
        if text == "memory:" {
            return Ok(Self::Memory);
        }
        let url = text.to_str().ok_or_else(|| wrong(EXPECTED))?;
        let rest = url
            .strip_prefix("http://")
            .or_else(|| url.strip_prefix("https://"))
            .ok_or_else(|| wrong(EXPECTED))?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(wrong(
                "--store must not hold credentials: give --user and --password-file, or \
                 --token-file",
            ));
        }
        if authority.is_empty() {
            return Err(wrong("--store has no host: give http://HOST:PORT"));
        }
        Ok(Self::Registry(url.to_owned()))
    }
}

/// Settings of the connection to a Registry, as given by the user.
#[derive(Clone, Debug, Default)]
pub struct RegistrySettings {
    /// PEM file of the certificate authorities to trust.
    pub ca_file: Option<PathBuf>,
    /// PEM file of the client certificate.
    pub client_cert_file: Option<PathBuf>,
    /// PEM file of the client certificate's key.
    pub client_key_file: Option<PathBuf>,
    /// The user's name.
    pub user: Option<String>,
    /// File with the password; the default is [`PASSWORD_VARIABLE`].
    pub password_file: Option<PathBuf>,
    /// File with the token; the default is [`TOKEN_VARIABLE`].
    pub token_file: Option<PathBuf>,
    /// Time limit for one connection attempt.
    pub connect_timeout: Option<Duration>,
    /// Time limit for one call.
    pub call_timeout: Option<Duration>,
    /// Number of times a failed call is retried. A write is retried only if it was never sent.
    pub retries: Option<u32>,
}

/// Reads the key for hashing private fields: from the file given by `--hash-key-file`, otherwise
/// from [`HASH_KEY_VARIABLE`]. Returns `None` if neither is set.
///
/// # Errors
///
/// The key cannot be read, or is so short that it could be guessed.
pub fn hash_key(file: Option<&Path>) -> Result<Option<HashKey>, ConfigError> {
    const FLAG: &str = "--hash-key-file";
    let (name, secret) = match file {
        Some(path) => (FLAG, Some(secret_in(FLAG, path)?)),
        None => (HASH_KEY_VARIABLE, secret_of(HASH_KEY_VARIABLE)?),
    };
    let Some(secret) = secret else { return Ok(None) };
    let short = || wrong(format!("{name}: a key has at least {} bytes", HashKey::MIN_SECRET_BYTES));
    HashKey::from_secret(secret.expose()).map(Some).ok_or_else(short)
}

/// Reads a secret from the file that a flag names.
///
/// # Errors
///
/// The file cannot be read, or is empty.
pub fn secret_in(flag: &str, path: &Path) -> Result<Secret, ConfigError> {
    let mut text = String::new();
    let read =
        File::open(path).and_then(|file| file.take(MAX_SECRET_BYTES).read_to_string(&mut text));
    match read {
        Err(error) => Err(wrong(format!("{flag} {}: {error}", path.display()))),
        Ok(_) if text.trim().is_empty() => {
            Err(wrong(format!("{flag} {}: it is empty", path.display())))
        }
        Ok(_) => Ok(Secret::new(&text)),
    }
}

/// Reads a secret from the environment.
///
/// # Errors
///
/// The value is not UTF-8.
pub fn secret_of(name: &str) -> Result<Option<Secret>, ConfigError> {
    match env::var(name) {
        Ok(text) if text.trim().is_empty() => Ok(None),
        Ok(text) => Ok(Some(Secret::new(&text))),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(wrong(format!("{name} is not UTF-8"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<StoreUrl, String> {
        StoreUrl::parse(OsStr::new(text)).map_err(|error| error.to_string())
    }

    #[test]
    fn stores_by_name() {
        assert_eq!(parse("git:a b/c.git"), Ok(StoreUrl::Git("a b/c.git".into())));
        assert_eq!(parse("memory:"), Ok(StoreUrl::Memory));
        assert_eq!(parse("https://r:18443"), Ok(StoreUrl::Registry("https://r:18443".into())));
        for wrong in
            ["", "git", "git:", "memory", "memory:x", "ftp://x", "http://", "https:///x", "/tmp/x"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_password_in_the_url_is_refused_and_not_repeated() {
        for url in ["http://ann:hunter2@host:1", "htp://ann:hunter2@host", "https://hunter2@host/x"]
        {
            let error = parse(url).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_hash_key_is_not_short() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, "too short\n").unwrap();
        let error = hash_key(Some(&file)).unwrap_err().to_string();
        assert_eq!(error, "--hash-key-file: a key has at least 16 bytes");
        std::fs::write(&file, "0123456789abcdef\n").unwrap();
        assert_eq!(hash_key(Some(&file)), Ok(HashKey::from_secret("0123456789abcdef")));
    }
}
