//! `nifi-idb serve`: does the work of `sync` over HTTP and gRPC.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use clap::Args;

use super::allocator;
use super::hash_key::HashKeyArgs;
use super::policy;
use super::signals;
use super::store_url::StoreArgs;
use super::units::duration;
use crate::config::DEFAULT_BUCKET;
use crate::decode::{DEFAULT_MAX_LINE_BYTES, DecodeOptions};
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::normalize::{DEFAULT_SKEW_MS, NormalizeError, NormalizeOptions};
use crate::pipeline::{IntakeOptions, Review, SyncOptions};

use crate::server::{
    self, Access, Clients, DEFAULT_DEADLINE, DEFAULT_MAX_BODY_BYTES, DEFAULT_MAX_MEMORY,
    DEFAULT_MAX_MESSAGE_BYTES, DEFAULT_MAX_REQUESTS, Limits, Origins, ServeOptions, TlsFiles,
};
use crate::store::cached::{CachedStore, DEFAULT_CACHE_BYTES};

const EXAMPLE: &str = "Example:\n  nifi-idb serve --store git:snapshots.git\n  curl --data-binary \
    @records.ndjson -H \
    'content-type: application/x-ndjson' \\\n    \
    'http://127.0.0.1:8765/v1/sync?indexeddb.database=myDatabase&indexeddb.object.store=data&indexeddb.key.path=id'\n\n\
    SIGTERM and SIGINT stop it: what is under way is finished, new requests are told to try again. \
    Exit status: 143 or 130.\n\
    --deadline counts for each request and its answer; without it a request may take 10m. SIGHUP \
    is ignored.";

/// The flags of `serve`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct Serve {
    #[command(flatten)]
    store: StoreArgs,

    /// Address to listen on; any other than loopback needs --tls-cert, and --clients or --client-ca
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:8765",
        env = "NIFI_IDB_LISTEN",
        hide_env_values = true
    )]
    listen: SocketAddr,

    /// PEM file with the server's certificate chain
    #[arg(
        long,
        value_name = "FILE",
        env = "NIFI_IDB_TLS_CERT",
        hide_env_values = true,
        help_heading = "Access"
    )]
    #[arg(requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// PEM file with the private key of the server's certificate
    #[arg(
        long,
        value_name = "FILE",
        env = "NIFI_IDB_TLS_KEY",
        hide_env_values = true,
        help_heading = "Access"
    )]
    #[arg(requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Mutual TLS: PEM file with the authorities that issue client certificates
    #[arg(
        long,
        value_name = "FILE",
        env = "NIFI_IDB_CLIENT_CA",
        hide_env_values = true,
        help_heading = "Access"
    )]
    #[arg(requires = "tls_cert")]
    client_ca: Option<PathBuf>,

    /// TOML file with the clients: tokens or certificates, sources, bucket and flows
    #[arg(
        long,
        value_name = "FILE",
        env = "NIFI_IDB_CLIENTS",
        hide_env_values = true,
        help_heading = "Access"
    )]
    clients: Option<PathBuf>,

    /// CORS: allow web pages of this origin, such as https://shop.example; may be repeated
    #[arg(long, value_name = "ORIGIN", help_heading = "Access")]
    allow_origin: Vec<String>,

    /// Maximum size of a request body in bytes
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_BODY_BYTES, help_heading = "Limits")]
    max_body_bytes: u64,

    /// Maximum size of a gRPC message in bytes; InvokeGRPC sends each FlowFile as one message, and
    /// each request may hold one in memory
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_MESSAGE_BYTES, help_heading = "Limits")]
    max_message_bytes: usize,

    /// Maximum number of requests processed at once, three quarters of them for one client; further
    /// requests wait until their deadline
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_REQUESTS, help_heading = "Limits")]
    #[arg(value_parser = positive)]
    max_requests: usize,

    /// Memory in bytes that all requests may use together; a request over the limit is answered
    /// with "try again"
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_MEMORY, help_heading = "Limits")]
    max_memory: u64,

    /// Give up when a request body, or the reader of a response, makes no progress for this long;
    /// 0: never
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = IDLE_TEXT, help_heading = "Limits")]
    idle: Duration,

    /// Time to wait on shutdown for requests in progress
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = DRAIN_TEXT, help_heading = "Limits")]
    drain: Duration,

    /// Maximum length of a line in bytes; longer lines are rejected
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_LINE_BYTES, help_heading = "Limits")]
    max_line_bytes: usize,

    /// Size in bytes of the in-memory cache of chunks, shared by all requests; 0: no cache
    #[arg(long, value_name = "N", default_value_t = DEFAULT_CACHE_BYTES, help_heading = "Limits")]
    cache_bytes: u64,

    #[command(flatten)]
    hash_key: HashKeyArgs,

    /// TOML file with the conflict rules, read once at startup; see nifi-idb policy --help
    #[arg(long, value_name = "FILE", env = "NIFI_IDB_POLICY", hide_env_values = true)]
    policy: Option<PathBuf>,

    /// Folder for sorting large inputs [default: the system's folder for temporary files]
    #[arg(long, value_name = "FOLDER", env = "NIFI_IDB_TEMP_DIR", hide_env_values = true)]
    temp_dir: Option<PathBuf>,
}

/// [`server::DEFAULT_IDLE`] as a flag's value.
const IDLE_TEXT: &str = "60s";

/// [`server::DEFAULT_DRAIN`] as a flag's value.
const DRAIN_TEXT: &str = "30s";

/// Upper bound on every configured duration, so that adding it to a clock cannot overflow.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

fn positive(text: &str) -> Result<usize, String> {
    // Keeps the number within the limit on the permits of a semaphore.
    text.parse()
        .ok()
        .filter(|number| (1..=100_000).contains(number))
        .ok_or_else(|| "expected 1 to 100000".to_owned())
}

impl Serve {
    /// Runs the command.
    pub(super) fn run(self, start: Instant) -> Result<ExitStatus, Failure> {
        allocator::settle();
        let options = self.options(start)?;
        let scheme = if options.tls.is_some() { "https" } else { "http" };
        signals::survive();
        let (stop, stopped) = mpsc::channel();
        let (ended, how) = mpsc::channel();
        signals::take_over(Box::new(move |status| {
            // Sending works as long as the server runs.
            let _ = ended.send(status);
            let _ = stop.send(());
        }));
        server::run(options, stopped, |address| {
            // Standard error may be closed; that must not stop the server.
            let _ = writeln!(io::stderr(), "nifi-idb: listening on {scheme}://{address}");
        })?;
        let status = how.try_recv().unwrap_or(ExitStatus::Terminated);
        let _ = writeln!(io::stderr(), "nifi-idb: stopped");
        Ok(status)
    }

    fn options(&self, start: Instant) -> Result<ServeOptions, Failure> {
        self.store.flow_name("any")?;
        let clients = self.clients.as_deref().map(Clients::open).transpose()?;
        self.check(clients.as_ref())?;
        if let Some(folder) = self.temp_dir.as_ref().filter(|folder| !folder.is_dir()) {
            return Err(Failure::usage(format!("--temp-dir {}: no such folder", folder.display())));
        }
        let tls =
            self.tls_cert.clone().zip(self.tls_key.clone()).map(|(certificate, key)| TlsFiles {
                certificate,
                key,
                client_ca: self.client_ca.clone(),
                is_certificate_optional: clients.as_ref().is_some_and(Clients::have_tokens),
            });
        let policy = self
            .policy
            .as_deref()
            .map(policy::load_flag)
            .transpose()?
            .map(|file| Arc::new(file.policy));
        let hash_key = self.hash_key.read()?;
        if hash_key.is_none() && policy.as_ref().is_some_and(|policy| policy.needs_hash_key()) {
            return Err(Failure::usage(NormalizeError::NoHashKey.to_string()));
        }
        let skew_ms =
            policy.as_ref().and_then(|policy| policy.max_skew_ms).unwrap_or(DEFAULT_SKEW_MS);
        let intake = IntakeOptions {
            bucket: self.store.bucket.clone().unwrap_or_else(|| DEFAULT_BUCKET.to_owned()),
            flow: self.store.flow.clone(),
            decode: DecodeOptions {
                max_line_bytes: self.max_line_bytes,
                temp_folder: self.temp_dir.clone(),
                ..DecodeOptions::default()
            },
            // Each request sets its own time of receipt.
            normalize: NormalizeOptions {
                temp_folder: self.temp_dir.clone(),
                hash_key,
                skew_ms,
                policy: policy.clone(),
                ..NormalizeOptions::received_at(0)
            },
            sync: SyncOptions {
                policy,
                temp_folder: self.temp_dir.clone(),
                ..SyncOptions::default()
            },
            review: Review::default(),
            rejected_text: false,
            admission: None,
            // Set for each request, by the rights of its client.
            trusts_received_at: false,
        };
        // Each request has its own deadline.
        let store = StoreArgs { deadline: None, ..self.store.clone() }.open(start)?;
        Ok(ServeOptions {
            listen: self.listen,
            store: CachedStore::new(store, self.cache_bytes),
            intake,
            access: Access {
                clients,
                has_client_ca: self.client_ca.is_some(),
                origins: Origins::new(&self.allow_origin)?,
            },
            tls,
            limits: Limits {
                max_body_bytes: self.max_body_bytes,
                max_message_bytes: self.max_message_bytes,
                max_requests: self.max_requests,
                max_memory: self.max_memory,
                deadline: self.store.deadline.unwrap_or(DEFAULT_DEADLINE).min(LONGEST),
                idle: if self.idle.is_zero() { LONGEST } else { self.idle.min(LONGEST) },
                drain: self.drain.min(LONGEST),
            },
        })
    }

    /// Checks that the flags fit together: every client from outside this machine must be
    /// authenticated.
    fn check(&self, clients: Option<&Clients>) -> Result<(), Failure> {
        if clients.is_some_and(Clients::have_certificates) && self.client_ca.is_none() {
            return Err(Failure::usage(
                "--clients names certificates: give --client-ca, whom they are from",
            ));
        }
        if self.listen.ip().is_loopback() {
            return Ok(());
        }
        let address = self.listen;
        if self.tls_cert.is_none() {
            let message =
                format!("--listen {address} is not loopback: it needs --tls-cert and --tls-key");
            return Err(Failure::usage(message).hint("tokens and data would travel in clear"));
        }
        if clients.is_none() && self.client_ca.is_none() {
            let message =
                format!("--listen {address} is not loopback: it needs --clients or --client-ca");
            return Err(Failure::usage(message).hint("anybody could read and write the store"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_defaults_are_the_real_ones() {
        assert_eq!(duration(IDLE_TEXT), Ok(server::DEFAULT_IDLE));
        assert_eq!(duration(DRAIN_TEXT), Ok(server::DEFAULT_DRAIN));
        assert!(EXAMPLE.contains("10m") && DEFAULT_DEADLINE == Duration::from_secs(600));
    }
}
