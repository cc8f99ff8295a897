//! The clients file: clients and their rights.
#![doc = include_str!("../../doc/reference/clients.md")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use ring::digest::{SHA256, digest};
use serde::Deserialize;

use super::named::flow_or_database;
use super::refusal::Refusal;
use crate::config::{ConfigError, MAX_SECRET_BYTES};
use crate::snapshot::{Digest, FlowName, SourceId};

/// A right of a client.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Right {
    /// Writes batches, and asks for checkpoints of the client's sources.
    Sync,
    /// Reads versions and checkpoints; includes [`Right::Pull`].
    Read,
    /// Receives values that others wrote, in the report of a batch.
    Pull,
    /// Sets the time of receipt of its batches.
    ReceivedAt,
}

impl Right {
    /// Returns the right's name in the clients file.
    fn name(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Read => "read",
            Self::Pull => "pull",
            Self::ReceivedAt => "received-at",
        }
    }
}

/// The clients file as parsed from TOML.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    client: Vec<ClientEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientEntry {
    name: String,
    token_file: Option<String>,
    token_blake3: Option<String>,
    certificate_sha256: Option<String>,
    source: Option<String>,
    sources: Option<Vec<String>>,
    bucket: Option<String>,
    flow: Option<String>,
    flows: Option<Vec<String>>,
    allow: Vec<Right>,
}

/// The credential that identifies a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Credential {
    /// BLAKE3 digest of its token.
    Token(Digest),
    /// SHA-256 of its certificate.
    Certificate([u8; 32]),
}

/// A name, or a prefix followed by `*` that matches all names that start with it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern(String);

impl Pattern {
    fn matches(&self, name: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => self.0 == name,
        }
    }
}

/// One client.
#[derive(Debug)]
pub struct Client {
    name: String,
    credential: Credential,
    /// The source of all its batches; `None`: [`Client::sources`] lists the sources that it may
    /// name.
    source: Option<SourceId>,
    sources: Vec<Pattern>,
    bucket: Option<String>,
    /// The flow of all its requests; `None`: [`Client::flows`] lists the flows that it may name.
    flow: Option<String>,
    flows: Vec<Pattern>,
    allow: Vec<Right>,
}

/// The client that sent a request; `None`: there is no clients file, so callers have no name.
pub(super) type Caller = Option<Arc<Client>>;

/// All clients.
#[derive(Debug, Default)]
pub struct Clients(Vec<Arc<Client>>);

impl Clients {
    /// Reads the file of `--clients`.
    ///
    /// # Errors
    ///
    /// The file cannot be read or is wrong. The message names the client and the member, and never
    /// contains a secret.
    pub fn open(path: &Path) -> Result<Self, ConfigError> {
        let about =
            |what: String| ConfigError::new(format!("--clients {}: {what}", path.display()));
        let text = fs::read_to_string(path).map_err(|error| about(error.to_string()))?;
        let base = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, base).map_err(about)
    }

    fn parse(text: &str, base: &Path) -> Result<Self, String> {
        // The error's text would quote the line, which may contain a secret in the wrong place.
        let wrong = |error: toml::de::Error| {
            let line = error.span().map(|span| text[..span.start].matches('\n').count() + 1);
            let line = line.map(|line| format!("line {line}: ")).unwrap_or_default();
            format!("{line}{}", error.message())
        };
        let file: File = toml::from_str(text).map_err(wrong)?;
        if file.client.is_empty() {
            return Err("it names no [[client]]".to_owned());
        }
        let (mut names, mut clients) = (BTreeSet::new(), Vec::<Arc<Client>>::new());
        for entry in file.client {
            let about = format!("client {:?}", entry.name);
            if entry.name.is_empty() || !names.insert(entry.name.clone()) {
                return Err(format!("{about}: a name must not be empty, nor there twice"));
            }
            let client = entry.checked(base).map_err(|error| format!("{about}: {error}"))?;
            if clients.iter().any(|other| other.credential == client.credential) {
                return Err(format!("{about}: another client has the same credential"));
            }
            clients.push(Arc::new(client));
        }
        Ok(Self(clients))
    }

    /// True if any client is identified by a token.
    pub fn have_tokens(&self) -> bool {
        self.0.iter().any(|client| matches!(client.credential, Credential::Token(_)))
    }

    /// True if any client is identified by a certificate.
    pub fn have_certificates(&self) -> bool {
        self.0.iter().any(|client| matches!(client.credential, Credential::Certificate(_)))
    }

    /// Finds the client with this token. All tokens are compared, each in constant time.
    pub(super) fn by_token(&self, token: &[u8]) -> Option<&Arc<Client>> {
        let found = blake3::hash(token);
        let same = |client: &&Arc<Client>| matches!(client.credential, Credential::Token(digest) if found == *digest.as_bytes());
        self.0.iter().filter(same).fold(None, |_, client| Some(client))
    }

    /// Finds the client with this certificate (DER).
    pub(super) fn by_certificate(&self, certificate: &[u8]) -> Option<&Arc<Client>> {
        let found = digest(&SHA256, certificate);
        let same = |client: &&Arc<Client>| matches!(client.credential, Credential::Certificate(sha256) if found.as_ref() == sha256.as_slice());
        self.0.iter().find(same)
    }
}

impl ClientEntry {
    fn checked(self, base: &Path) -> Result<Client, String> {
        let credential = self.credential(base)?;
        let source = self.source.as_deref().map(str::parse::<SourceId>).transpose();
        let source = source.map_err(|error| format!("source is {error}"))?;
        if source.is_some() && self.sources.is_some() {
            return Err("give source or sources, not both".to_owned());
        }
        if self.flow.is_some() && self.flows.is_some() {
            return Err("give flow or flows, not both".to_owned());
        }
        if self.allow.is_empty() {
            return Err("allow is empty: give \"sync\", \"pull\", \"read\" or several".to_owned());
        }
        FlowName::new(self.bucket.as_deref().unwrap_or("any"), "any")
            .map_err(|error| format!("bucket is {error}"))?;
        let patterns = |names: Option<Vec<String>>| {
            names.unwrap_or_default().into_iter().map(Pattern).collect()
        };
        Ok(Client {
            name: self.name,
            credential,
            source,
            sources: patterns(self.sources),
            bucket: self.bucket,
            flow: self.flow.map(flow_or_database),
            flows: patterns(self.flows),
            allow: self.allow,
        })
    }

    fn credential(&self, base: &Path) -> Result<Credential, String> {
        match (&self.token_file, &self.token_blake3, &self.certificate_sha256) {
            (Some(file), None, None) => {
                let file = base.join(file);
                let about = |what: String| format!("token_file {}: {what}", file.display());
                let size = fs::metadata(&file).map_err(|error| about(error.to_string()))?.len();
                if size > MAX_SECRET_BYTES {
                    return Err(about(format!("more than {MAX_SECRET_BYTES} bytes")));
                }
                let text = fs::read_to_string(&file).map_err(|error| about(error.to_string()))?;
                match text.trim() {
                    "" => Err(about("it is empty".to_owned())),
                    token => Ok(Credential::Token(Digest::of(token.as_bytes()))),
                }
            }
            (None, Some(digest), None) => {
                let digest = digest.parse().map_err(|error| format!("token_blake3 is {error}"))?;
                Ok(Credential::Token(digest))
            }
            (None, None, Some(sha256)) => {
                let digits: Vec<u8> = sha256.bytes().filter(|byte| *byte != b':').collect();
                let bytes = digits.chunks(2).map(|pair| {
                    let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
                    u8::from_str_radix(pair, 16).ok()
                });
                let bytes: Option<Vec<u8>> = bytes.collect();
                let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
                bytes.map(Credential::Certificate).ok_or_else(|| {
                    "certificate_sha256 is not a SHA-256 of 64 hexadecimal digits, with or without \
                     colons"
                        .to_owned()
                })
            }
            _ => Err("give exactly one of token_file, token_blake3, certificate_sha256".to_owned()),
        }
    }
}

impl Client {
    /// Returns the client's name, for logs and metrics.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the source that the client is bound to, if any.
    pub(super) fn source(&self) -> Option<&SourceId> {
        self.source.as_ref()
    }

    /// Returns the bucket that the client is bound to, if any.
    pub(super) fn bucket(&self) -> Option<&str> {
        self.bucket.as_deref()
    }

    /// Returns the flow that the client is bound to, if any.
    pub(super) fn flow(&self) -> Option<&str> {
        self.flow.as_deref()
    }

    /// True if the client has the right.
    pub(super) fn has(&self, right: Right) -> bool {
        self.allow.contains(&right) || (right == Right::Pull && self.allow.contains(&Right::Read))
    }

    pub(super) fn check_right(&self, right: Right) -> Result<(), Refusal> {
        if self.has(right) {
            return Ok(());
        }
        Err(Refusal::forbidden(format!(
            "client {:?} has not the right {:?}",
            self.name,
            right.name()
        )))
    }

    pub(super) fn check_source(&self, source: Option<&SourceId>) -> Result<(), Refusal> {
        // A batch without a source claims nothing; the source of a client that is bound to one is
        // used.
        let Some(source) = source else { return Ok(()) };
        let may = match &self.source {
            Some(own) => own == source,
            None => self.sources.iter().any(|pattern| pattern.matches(source.as_str())),
        };
        if may {
            Ok(())
        } else {
            Err(Refusal::forbidden(format!("client {:?} may not be source {source}", self.name)))
        }
    }

    /// Refuses a flow that the client may not use. `default` is the server's own flow; a client
    /// without `flow` and `flows` may use it.
    pub(super) fn check_flow(&self, flow: &str, default: Option<&str>) -> Result<(), Refusal> {
        let may = match &self.flow {
            Some(own) => own == flow,
            None if self.flows.is_empty() => default == Some(flow),
            None => self.flows.iter().any(|pattern| pattern.matches(flow)),
        };
        if may {
            Ok(())
        } else {
            Err(Refusal::forbidden(format!("client {:?} may not use flow {flow}", self.name)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";

    fn parse(text: &str) -> Result<Clients, String> {
        Clients::parse(text, Path::new("/nowhere"))
    }

    #[test]
    fn a_client_is_known_by_its_credential_and_has_its_rights_only() {
        let text = format!(
            "[[client]]\nname = \"a\"\ntoken_blake3 = \"{TOKEN}\"\nsources = [\"kiosk-*\", \"till\"]\n\
             flows = [\"shop\", \"test-*\"]\nallow = [\"sync\"]\n\n[[client]]\nname = \"b\"\n\
             certificate_sha256 = \"{}\"\nsource = \"b\"\nbucket = \"own\"\nflow = \"f\"\nallow = [\"read\", \"sync\"]\n",
            "E3:B0:C4:42:98:FC:1C:14:9A:FB:F4:C8:99:6F:B9:24:27:AE:41:E4:64:9B:93:4C:A4:95:99:1B:78:52:B8:55"
        );
        let clients = parse(&text).unwrap();
        let (a, b) = (clients.by_token(b"").unwrap(), clients.by_certificate(b"").unwrap());
        assert!(clients.by_token(b"x").is_none() && clients.by_certificate(b"x").is_none());
        assert_eq!((a.name(), b.name(), b.bucket(), b.flow()), ("a", "b", Some("own"), Some("f")));
        assert!(a.check_right(Right::Sync).is_ok() && a.check_right(Right::Read).is_err());
        let source =
            |client: &Client, name: &str| client.check_source(Some(&name.parse().unwrap())).is_ok();
        assert!(
            source(a, "kiosk-7")
                && source(a, "till")
                && !source(a, "till-2")
                && source(b, "b")
                && !source(b, "a")
        );
        assert!(a.check_flow("shop", None).is_ok() && a.check_flow("test-1", None).is_ok());
        assert!(a.check_flow("other", Some("other")).is_err() && b.check_flow("f", None).is_ok());
    }

    #[test]
    fn a_wrong_file_is_refused_without_its_secrets() {
        let entry = |rest: &str| format!("[[client]]\nname = \"a\"\nallow = [\"sync\"]\n{rest}\n");
        for (text, expected) in [
            (String::new(), "it names no [[client]]"),
            (entry(""), "client \"a\": give exactly one of token_file"),
            (entry("token = \"hunter2\""), "line 4: unknown field `token`"),
            (entry("token_blake3 = \"hunter2\""), "client \"a\": token_blake3 is not a digest"),
            (entry("certificate_sha256 = \"abc\""), "client \"a\": certificate_sha256 is not"),
            (entry("token_file = \"t\""), "client \"a\": token_file /nowhere/t: No such file"),
            (
                entry(&format!("token_blake3 = \"{TOKEN}\"\nsource = \"a b\"")),
                "client \"a\": source is not",
            ),
            (
                entry(&format!("token_blake3 = \"{TOKEN}\"\nbucket = \"a/b\"")),
                "client \"a\": bucket is not",
            ),
            (
                entry(&format!("token_blake3 = \"{TOKEN}\"\n")).repeat(2),
                "client \"a\": a name must not be",
            ),
        ] {
            let error = parse(&text).map(|_| ()).unwrap_err();
            assert!(error.starts_with(expected) && !error.contains("hunter2"), "{error}");
        }
    }
}
