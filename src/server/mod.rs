//! The edge that waits for many clients: HTTP and gRPC over the same pipeline.
//!
//! All that is async in the program is here. A request's body is handed through a small channel to a thread, which does what
//! `nifi-idb sync` does; its report comes back the same way. So memory does not grow with bodies, and a slow client holds up
//! nobody but itself.
//!
//! | page | says |
//! | --- | --- |
//! | [`http`](crate::server::http) (`HTTP.md`) | routes, headers, status |
//! | [`grpc`](crate::server::grpc) (`GRPC.md`) | both services |
//! | [`client`](crate::server::client) (`CLIENTS.md`) | who may do what |

mod access;
mod answer;
mod body;
mod call_body;
pub mod client;
mod connections;
mod cors;
mod either;
mod flowfile_service;
pub mod grpc;
mod host;
pub mod http;
mod limits;
mod listen;
mod metered;
mod metrics;
mod preface;
mod proto;
mod ready;
mod request;
mod service;
mod sidecar;
mod slots;
mod threads;
mod tls;
mod tracked;
mod work;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use tonic_health::server::HealthReporter;

pub use access::Access;
pub use client::Clients;
pub use cors::Origins;
pub use limits::{
    DEFAULT_DEADLINE, DEFAULT_DRAIN, DEFAULT_IDLE, DEFAULT_MAX_BODY_BYTES, DEFAULT_MAX_MEMORY,
    DEFAULT_MAX_MESSAGE_BYTES, DEFAULT_MAX_REQUESTS, Limits,
};
pub use tls::TlsFiles;

use crate::failure::Failure;
use crate::memory::MemoryBudget;
use crate::pipeline::IntakeOptions;
use crate::store::SnapshotStore;
use crate::store::cached::CachedStore;

/// Most threads that wait for the network. Work has threads of its own.
const MAX_NETWORK_THREADS: usize = 8;

/// What a server is made of.
#[derive(Debug)]
pub struct ServeOptions {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The store, with what is kept of it in memory.
    pub store: CachedStore<Box<dyn SnapshotStore>>,
    /// What every batch begins with.
    pub intake: IntakeOptions,
    /// Who may do what.
    pub access: Access,
    /// TLS, if it is to be spoken.
    pub tls: Option<TlsFiles>,
    /// Limits.
    pub limits: Limits,
}

/// The other end of what stops a server.
pub type Stop = std::sync::mpsc::Receiver<()>;

/// Serves until `stop` says so or its sender is gone, then finishes what is under way. `started` hears where it listens.
///
/// # Errors
///
/// The address cannot be bound, or a file of TLS is wrong; afterwards nothing fails it.
pub fn run(
    options: ServeOptions,
    stop: Stop,
    started: impl FnOnce(SocketAddr),
) -> Result<(), Failure> {
    let ServeOptions { listen, store, intake, access, tls, limits } = options;
    let tls = tls
        .map(|files| files.open())
        .transpose()
        .map_err(|error| Failure::usage(error.to_string()))?;
    let bug = |error: &dyn fmt::Display| {
        Failure::new(crate::exit_status::ExitStatus::Internal, error.to_string())
    };
    let network_threads =
        std::thread::available_parallelism().map_or(1, usize::from).min(MAX_NETWORK_THREADS);
    // And one that waits for the stop.
    threads::check(network_threads + 1)?;
    let (told, hears) = tokio::sync::oneshot::channel::<()>();
    threads::start("stop", move || {
        let _ = stop.recv();
        let _ = told.send(());
    })?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(network_threads)
        .thread_name("serve")
        .enable_all()
        .build()
        .map_err(|error| bug(&error))?;
    let result = runtime.block_on(async {
        let listener = listen::bind(listen).await;
        let listener =
            listener.map_err(|error| Failure::usage(format!("--listen {listen}: {error}")))?;
        let address = listener.local_addr().map_err(|error| bug(&error))?;
        let health = HealthReporter::new();
        grpc::set_health(&health, true).await;
        let slots = slots::Slots::new(limits.max_requests);
        let memory = Arc::new(MemoryBudget::new(limits.max_memory));
        let (metrics, readiness) = (metrics::Metrics::default(), ready::Readiness::default());
        let store = Arc::new(store);
        let server = Arc::new(service::Server {
            store,
            intake,
            access,
            limits,
            slots,
            memory,
            metrics,
            readiness,
        });
        let grpc = grpc::Grpc::new(&server, health.clone()).map_err(|error| bug(&error))?;
        started(address);
        let stopped = async {
            let _ = hears.await;
        };
        listen::Listener { listener, tls, server, grpc, health }.run(stopped).await;
        Ok(())
    });
    // Whoever still works holds nothing half-written.
    runtime.shutdown_background();
    result
}
