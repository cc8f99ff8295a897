//! The flags of every command that opens a snapshot store.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;

use super::built_in_stores::{open_git, open_registry};
use super::find_flow::find_flow;
use super::units::duration;
use crate::config::{ConfigError, DEFAULT_BUCKET, RegistrySettings, StoreUrl};
use crate::failure::Failure;
use crate::snapshot::FlowName;
use crate::store::SnapshotStore;
use crate::store::memory::MemoryStore;

/// Heading of the flags that only a Registry needs. A program built without it takes them too, so
/// that the same command line works with each.
const REGISTRY: &str = if cfg!(feature = "registry") {
    "NiFi Registry"
} else {
    "NiFi Registry (not built into this program)"
};

/// The location of the snapshot store, and the settings for connecting to it.
#[derive(Args, Clone, Debug)]
pub struct StoreArgs {
    /// Location of the store: git:PATH (a bare repository, created on first use),
    /// http(s)://HOST:PORT (NiFi Registry) or memory: (lost when the process ends)
    #[arg(long, value_name = "STORE", env = "NIFI_IDB_STORE", hide_env_values = true)]
    pub store: OsString,

    /// Bucket [default: indexeddb]
    #[arg(long, value_name = "NAME", env = "NIFI_IDB_BUCKET", hide_env_values = true)]
    pub bucket: Option<String>,

    /// Flow, which holds one database; also takes a database's name [default: the database's name]
    #[arg(long, value_name = "NAME", env = "NIFI_IDB_FLOW", hide_env_values = true)]
    pub flow: Option<String>,

    /// Give up after this time, such as 30s or 5m [default: never]
    #[arg(long, value_name = "TIME", value_parser = duration, env = "NIFI_IDB_DEADLINE", hide_env_values = true)]
    pub deadline: Option<Duration>,

    /// Registry: PEM file with the certificate authorities to trust [default: the system's]
    #[arg(
        long,
        value_name = "FILE",
        env = "NIFI_IDB_CA_FILE",
        hide_env_values = true,
        help_heading = REGISTRY
    )]
    pub ca_file: Option<PathBuf>,

    /// Registry: PEM file with the client certificate chain
    #[arg(long, value_name = "FILE", env = "NIFI_IDB_CLIENT_CERT", hide_env_values = true)]
    #[arg(help_heading = REGISTRY, requires = "client_key")]
    pub client_cert: Option<PathBuf>,

    /// Registry: PEM file with the private key of the client certificate
    #[arg(long, value_name = "FILE", env = "NIFI_IDB_CLIENT_KEY", hide_env_values = true)]
    #[arg(help_heading = REGISTRY, requires = "client_cert")]
    pub client_key: Option<PathBuf>,

    /// Registry: file with a bearer token [default: NIFI_IDB_TOKEN from the environment]
    #[arg(long, value_name = "FILE", env = "NIFI_IDB_TOKEN_FILE", hide_env_values = true)]
    #[arg(help_heading = REGISTRY)]
    pub token_file: Option<PathBuf>,

    /// Registry: user name, with --password-file or NIFI_IDB_PASSWORD in the environment
    #[arg(
        long,
        value_name = "NAME",
        env = "NIFI_IDB_USER",
        hide_env_values = true,
        help_heading = REGISTRY
    )]
    pub user: Option<String>,

    /// Registry: file with the user's password
    #[arg(long, value_name = "FILE", env = "NIFI_IDB_PASSWORD_FILE", hide_env_values = true)]
    #[arg(help_heading = REGISTRY)]
    pub password_file: Option<PathBuf>,

    /// Registry: time limit for each connection attempt [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = duration, env = "NIFI_IDB_CONNECT_TIMEOUT", hide_env_values = true)]
    #[arg(help_heading = REGISTRY)]
    pub connect_timeout: Option<Duration>,

    /// Registry: time limit for each call [default: 2m]
    #[arg(long, value_name = "TIME", value_parser = duration, env = "NIFI_IDB_CALL_TIMEOUT", hide_env_values = true)]
    #[arg(help_heading = REGISTRY)]
    pub call_timeout: Option<Duration>,

    /// Registry: number of times a failed call is retried [default: 4]
    #[arg(
        long,
        value_name = "N",
        env = "NIFI_IDB_RETRIES",
        hide_env_values = true,
        help_heading = REGISTRY
    )]
    pub retries: Option<u32>,
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(error.to_string())
    }
}

impl StoreArgs {
    /// Returns the time of the deadline, if one is set.
    pub fn deadline_at(&self, start: Instant) -> Option<Instant> {
        self.deadline.and_then(|deadline| start.checked_add(deadline))
    }

    /// Checks all settings and opens the store. A Registry is not called until it is needed.
    ///
    /// # Errors
    ///
    /// A setting is wrong, the path is not a repository, or this program was built without such a
    /// store.
    pub fn open(&self, start: Instant) -> Result<Box<dyn SnapshotStore>, Failure> {
        match StoreUrl::parse(&self.store)? {
            StoreUrl::Git(path) => open_git(&path),
            StoreUrl::Memory => Ok(Box::new(MemoryStore::default())),
            StoreUrl::Registry(url) => {
                open_registry(self.registry(), &url, self.deadline_at(start))
            }
        }
    }

    fn registry(&self) -> RegistrySettings {
        RegistrySettings {
            ca_file: self.ca_file.clone(),
            client_cert_file: self.client_cert.clone(),
            client_key_file: self.client_key.clone(),
            user: self.user.clone(),
            password_file: self.password_file.clone(),
            token_file: self.token_file.clone(),
            connect_timeout: self.connect_timeout,
            call_timeout: self.call_timeout,
            retries: self.retries,
        }
    }

    /// Returns the flow's name, which may also be given as a database's name; `flow` is the default
    /// if no flag names one.
    ///
    /// # Errors
    ///
    /// A name is not legal.
    pub fn flow_name(&self, flow: &str) -> Result<FlowName, Failure> {
        let bucket = self.bucket.as_deref().unwrap_or(DEFAULT_BUCKET);
        let flow = self.flow.as_deref().unwrap_or(flow);
        FlowName::of_name(bucket, flow)
            .map_err(|error| Failure::usage(format!("--bucket or --flow: {error}")))
    }

    /// Returns the flow for a command without input: the named one, or the only one in the store.
    ///
    /// # Errors
    ///
    /// There is no such flow, or there are several and none is named; the store cannot be read.
    pub fn existing_flow(&self, store: &dyn SnapshotStore) -> Result<FlowName, Failure> {
        find_flow(store, self.bucket.as_deref(), self.flow.as_deref())
    }
}
