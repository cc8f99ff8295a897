//! `nifi-idb serve`: the same as `sync`, over HTTP and gRPC.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use clap::Args;

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
    self, Access, Clients, DEFAULT_DEADLINE, DEFAULT_MAX_BODY_BYTES, DEFAULT_MAX_MEMORY, DEFAULT_MAX_MESSAGE_BYTES,
    DEFAULT_MAX_REQUESTS, Limits, Origins, ServeOptions, TlsFiles,
};
use crate::store::cached::{CachedStore, DEFAULT_CACHE_BYTES};

const EXAMPLE: &str = "Example:\n  nifi-idb serve --store git:snapshots.git\n  curl --data-binary @records.ndjson -H \
    'content-type: application/x-ndjson' \\\n    \
    'http://127.0.0.1:8765/v1/sync?indexeddb.database=myDatabase&indexeddb.object.store=data&indexeddb.key.path=id'\n\n\
    SIGTERM and SIGINT stop it: what is under way is finished, new requests are told to try again. Exit status: 143 or 130.\n\
    --deadline counts for each request and its answer; without it a request may take 10m. SIGHUP is ignored.";

/// The flags of `serve`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct Serve {
    #[command(flatten)]
    store: StoreArgs,

    /// Where to listen. Another interface than loopback needs --tls-cert, and --clients or --client-ca
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:8765",
        env = "NIFI_IDB_LISTEN",
        hide_env_values = true
    )]
    listen: SocketAddr,

    /// PEM file of this server's certificate and its chain
    #[arg(long, value_name = "FILE", env = "NIFI_IDB_TLS_CERT", hide_env_values = true, help_heading = "Access")]
    #[arg(requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// PEM file of the certificate's key
    #[arg(long, value_name = "FILE", env = "NIFI_IDB_TLS_KEY", hide_env_values = true, help_heading = "Access")]
    #[arg(requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Mutual TLS: PEM file of the authorities that clients' certificates are from
    #[arg(long, value_name = "FILE", env = "NIFI_IDB_CLIENT_CA", hide_env_values = true, help_heading = "Access")]
    #[arg(requires = "tls_cert")]
    client_ca: Option<PathBuf>,

    /// TOML file of clients: their tokens or certificates, sources, bucket and flows
    #[arg(long, value_name = "FILE", env = "NIFI_IDB_CLIENTS", hide_env_values = true, help_heading = "Access")]
    clients: Option<PathBuf>,

    /// CORS: let pages of this origin in, such as https://shop.example; may be given again
    #[arg(long, value_name = "ORIGIN", help_heading = "Access")]
    allow_origin: Vec<String>,

    /// Most bytes of a request's body
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_BODY_BYTES, help_heading = "Limits")]
    max_body_bytes: u64,

    /// Most bytes of a gRPC message; InvokeGRPC sends a FlowFile as one, and so many may be in memory for each request
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_MESSAGE_BYTES, help_heading = "Limits")]
    max_message_bytes: usize,

    /// Most requests that are worked on at once; one more waits for its turn until the deadline
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_REQUESTS, help_heading = "Limits")]
    #[arg(value_parser = positive)]
    max_requests: usize,

    /// Most bytes of memory that all requests may claim together; beyond it a request is told to try again
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_MEMORY, help_heading = "Limits")]
    max_memory: u64,

    /// How long a request's body, or its reader, may stand still; 0: for ever
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = IDLE_TEXT, help_heading = "Limits")]
    idle: Duration,

    /// How long a stop waits for what is under way
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = DRAIN_TEXT, help_heading = "Limits")]
    drain: Duration,

    /// Longest line in bytes; a longer one is rejected
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_LINE_BYTES, help_heading = "Limits")]
    max_line_bytes: usize,

    /// Chunks that are kept in memory between requests may have this many bytes; 0: none
    #[arg(long, value_name = "N", default_value_t = DEFAULT_CACHE_BYTES, help_heading = "Limits")]
    cache_bytes: u64,

    #[command(flatten)]
    hash_key: HashKeyArgs,

    /// TOML file with the rules for conflicts; see nifi-idb policy --help. It is read once, at the start
    #[arg(long, value_name = "FILE", env = "NIFI_IDB_POLICY", hide_env_values = true)]
    policy: Option<PathBuf>,

    /// Where large inputs are sorted [default: the system's folder for temporary files]
    #[arg(long, value_name = "FOLDER", env = "NIFI_IDB_TEMP_DIR", hide_env_values = true)]
    temp_dir: Option<PathBuf>,
}

/// [`server::DEFAULT_IDLE`] as a flag's value.
const IDLE_TEXT: &str = "60s";

/// [`server::DEFAULT_DRAIN`] as a flag's value.
const DRAIN_TEXT: &str = "30s";

/// No clock has to count further than this.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

fn positive(text: &str) -> Result<usize, String> {
    // A semaphore has this many permits at most.
    text.parse().ok().filter(|number| (1..=100_000).contains(number)).ok_or_else(|| "expected 1 to 100000".to_owned())
}

impl Serve {
    /// Runs the command.
    pub(super) fn run(self, start: Instant) -> Result<ExitStatus, Failure> {
        let options = self.options(start)?;
        let scheme = if options.tls.is_some() { "https" } else { "http" };
        signals::survive();
        let (stop, stopped) = mpsc::channel();
        let (ended, how) = mpsc::channel();
        signals::take_over(Box::new(move |status| {
            // Each is heard as long as the server runs.
            let _ = ended.send(status);
            let _ = stop.send(());
        }));
        server::run(options, stopped, |address| {
            // Nobody may be reading it.
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
        let tls = self.tls_cert.clone().zip(self.tls_key.clone()).map(|(certificate, key)| TlsFiles {
            certificate,
            key,
            client_ca: self.client_ca.clone(),
            is_certificate_optional: clients.as_ref().is_some_and(Clients::have_tokens),
        });
        let policy = self.policy.as_deref().map(policy::load_flag).transpose()?.map(|file| Arc::new(file.policy));
        let hash_key = self.hash_key.read()?;
        if hash_key.is_none() && policy.as_ref().is_some_and(|policy| policy.needs_hash_key()) {
            return Err(Failure::usage(NormalizeError::NoHashKey.to_string()));
        }
        let skew_ms = policy.as_ref().and_then(|policy| policy.max_skew_ms).unwrap_or(DEFAULT_SKEW_MS);
        let intake = IntakeOptions {
            bucket: self.store.bucket.clone().unwrap_or_else(|| DEFAULT_BUCKET.to_owned()),
            flow: self.store.flow.clone(),
            decode: DecodeOptions {
                max_line_bytes: self.max_line_bytes,
                temp_folder: self.temp_dir.clone(),
                ..DecodeOptions::default()
            },
            // The time of receipt is each request's own.
            normalize: NormalizeOptions {
                temp_folder: self.temp_dir.clone(),
                hash_key,
                skew_ms,
                policy: policy.clone(),
                ..NormalizeOptions::received_at(0)
            },
            sync: SyncOptions { policy, temp_folder: self.temp_dir.clone(), ..SyncOptions::default() },
            review: Review::default(),
            rejected_text: false,
            admission: None,
            // Each request says whether its client may set it.
            trusts_received_at: false,
        };
        // Each request has a deadline of its own.
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

    /// What goes together: nobody outside of this machine gets in without having been asked who he is.
    fn check(&self, clients: Option<&Clients>) -> Result<(), Failure> {
        if clients.is_some_and(Clients::have_certificates) && self.client_ca.is_none() {
            return Err(Failure::usage("--clients names certificates: give --client-ca, whom they are from"));
        }
        if self.listen.ip().is_loopback() {
            return Ok(());
        }
        let address = self.listen;
        if self.tls_cert.is_none() {
            let message = format!("--listen {address} is not loopback: it needs --tls-cert and --tls-key");
            return Err(Failure::usage(message).hint("tokens and data would travel in clear"));
        }
        if clients.is_none() && self.client_ca.is_none() {
            let message = format!("--listen {address} is not loopback: it needs --clients or --client-ca");
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
