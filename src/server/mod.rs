//! The server: HTTP and gRPC over the same pipeline.
//!
//! All async code of the program is in this module. A request's body is handed through a small
//! channel to a thread that does the work of `nifi-idb sync`; the report returns the same way. So
//! memory use does not grow with the size of bodies, and a slow client delays only itself.
//!
//! A request passes, from the outside in: `listen` (connections, TLS), `layers` (request id, log,
//! metrics, host, origin, credential), `http` or `grpc` (a mapping to an operation), and `api` (the
//! operations, which know no transport). The layers know no route, and `state`, which all requests
//! share, knows neither.
//!
//! | module | page | contents |
//! | --- | --- | --- |
//! | [`http`](crate::server::http) | `doc/reference/http.md` | routes, headers, status |
//! | [`grpc`](crate::server::grpc) | `doc/reference/grpc.md` | both services |
//! | [`client`](crate::server::client) | `doc/reference/clients.md` | clients and their rights |

mod access;
mod answer;
mod api;
mod body;
mod call_body;
pub mod client;
mod connections;
mod cors;
mod facts;
mod flowfile_service;
pub mod grpc;
mod grpc_call;
mod grpc_status;
mod grpc_timeout;
mod host;
pub mod http;
mod layers;
mod limits;
mod listen;
mod metered;
mod metrics;
mod named;
mod preface;
mod proto;
mod protocols;
mod ready;
mod refusal;
mod repeated;
mod reply;
mod request;
mod route_names;
mod sidecar;
mod slots;
mod state;
mod threads;
mod ticket;
mod tls;
mod tracked;

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

/// Most threads that wait for the network. Requests run on separate threads.
const MAX_NETWORK_THREADS: usize = 8;

/// The parts and settings of a server.
#[derive(Debug)]
pub struct ServeOptions {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The store, with its in-memory cache.
    pub store: CachedStore<Box<dyn SnapshotStore>>,
    /// The options that every batch starts with.
    pub intake: IntakeOptions,
    /// The rules of authentication and authorization.
    pub access: Access,
    /// The files of TLS; `None`: connections are not encrypted.
    pub tls: Option<TlsFiles>,
    /// The limits.
    pub limits: Limits,
}

/// The receiver that stops a server.
pub type Stop = std::sync::mpsc::Receiver<()>;

/// Serves until `stop` receives a message or its sender is dropped, then finishes the requests that
/// are under way. `started` is called with the address that the server listens on.
///
/// # Errors
///
/// The address cannot be bound, a TLS file is wrong, or a thread cannot be started. Once started,
/// the server does not fail.
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
    // One more thread waits for the stop. The runtime panics if a thread cannot be started, so this
    // is checked first.
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
        let server = Arc::new(state::Server {
            store,
            intake,
            access,
            limits,
            slots,
            memory,
            metrics,
            readiness,
        });
        let protocols =
            protocols::Protocols::new(&server, health.clone()).map_err(|error| bug(&error))?;
        started(address);
        let stopped = async {
            let _ = hears.await;
        };
        let (refused, failed) = Default::default();
        let listener =
            listen::Listener { listener, tls, server, protocols, health, refused, failed };
        listener.run(stopped).await;
        Ok(())
    });
    // A thread that is still working has not left a half-written version.
    runtime.shutdown_background();
    result
}
