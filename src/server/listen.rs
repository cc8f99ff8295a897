//! One listener for HTTP/1.1, HTTP/2 and gRPC, with and without TLS, and its shutdown.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::select;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tonic_health::server::HealthReporter;

use super::access::Peer;
use super::connections::{Connections, OpenConnection};
use super::grpc::set_health;
use super::preface::read_preface;
use super::protocols::Protocols;
use super::repeated::RepeatedWarning;
use super::state::Server;
use super::tracked::tracked;

/// Time limit of each first step of a connection: the first byte, the TLS handshake, the preface, a
/// request's head.
const HEAD: Duration = Duration::from_secs(30);

/// The same limit for a connection that may only ask for the server's health.
const RESERVED_HEAD: Duration = Duration::from_secs(5);

/// A connection without a request is closed after this time.
const IDLE_CONNECTION: Duration = Duration::from_secs(120);

/// Pause after a failure to accept a connection, which means that a limit of this process is
/// reached.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Time that connections have to deliver their last responses once they are asked to close.
const FAREWELL: Duration = Duration::from_secs(2);

/// Interval of the HTTP/2 and TCP keep-alive probes on an idle connection.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// Most bytes of an HTTP/1 connection's read buffer, which bounds the size of one piece of a body.
const MAX_BUFFER_BYTES: usize = 256 * 1024;

/// Window of an HTTP/2 stream: the bytes that may be in flight before the server has read them.
const WINDOW_BYTES: u32 = 1024 * 1024;

/// Most streams of an HTTP/2 connection at once.
const MAX_STREAMS: u32 = 100;

/// The acceptor of connections.
pub(super) struct Listener {
    pub(super) listener: TcpListener,
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) server: Arc<Server>,
    pub(super) protocols: Protocols,
    pub(super) health: HealthReporter,
    /// The warnings of connections that were refused, and that could not be accepted.
    pub(super) refused: RepeatedWarning,
    pub(super) failed: RepeatedWarning,
}

impl Listener {
    /// Serves until `stop` resolves, then finishes the requests that are under way. During the
    /// shutdown new requests get a response that asks them to try again, which NiFi does; NiFi
    /// treats a closed port as a failure.
    pub(super) async fn run(self, stop: impl Future<Output = ()>) {
        let (draining, drained) = watch::channel(false);
        let (open, mut closed) = mpsc::channel::<()>(1);
        let connections = Arc::new(Connections::default());
        let mut stop = pin!(stop);
        loop {
            let (stream, place) = select! {
                biased;
                () = stop.as_mut() => break,
                accepted = self.accept(&connections) => accepted,
            };
            let connection = self.connection(stream, place, drained.clone());
            let open = open.clone();
            tokio::spawn(async move {
                connection.await;
                drop(open);
            });
        }
        drop(open);
        set_health(&self.health, false).await;
        let mut work = pin!(timeout(self.server.limits.drain, self.server.slots.drain()));
        let is_done = loop {
            select! {
                biased;
                done = work.as_mut() => break done.is_ok(),
                // The shutdown does not wait for these connections.
                (stream, place) = self.accept(&connections) => {
                    drop(tokio::spawn(self.connection(stream, place, drained.clone())));
                }
            }
        };
        if is_done {
            let _ = draining.send(true);
            // Resolves when all connections that were open at the stop are closed.
            let _ = timeout(FAREWELL, closed.recv()).await;
        }
    }

    async fn accept(&self, connections: &Arc<Connections>) -> (TcpStream, OpenConnection) {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => match connections.open(peer.ip()) {
                    Some(place) => return (stream, place),
                    None => self.refused.warn(|suppressed| {
                        tracing::warn!(address = %peer.ip(), suppressed, "connection refused");
                    }),
                },
                Err(error) => {
                    self.failed.warn(|suppressed| {
                        tracing::warn!(error = %error, suppressed, "accept failed");
                    });
                    connections.make_room();
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Serves one connection until it closes.
    fn connection(
        &self,
        stream: TcpStream,
        place: OpenConnection,
        drained: watch::Receiver<bool>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let acceptor = self.tls.clone().map(TlsAcceptor::from);
        let head = if place.is_reserved { RESERVED_HEAD } else { HEAD };
        let (server, protocols) = (Arc::clone(&self.server), self.protocols.clone());
        let conversation = Conversation { server, protocols, place, head, drained };
        async move {
            // Small responses must not wait for more data.
            let _ = stream.set_nodelay(true);
            // TCP keep-alive detects a client that has vanished, even while the server only waits
            // for it.
            let keepalive = TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE / 4);
            let _ = SockRef::from(&stream).set_tcp_keepalive(&keepalive);
            let activity = Arc::clone(&conversation.place.activity);
            let talking = async {
                let mut first = [0];
                if !matches!(timeout(head, stream.peek(&mut first)).await, Ok(Ok(1))) {
                    return;
                }
                let Some(acceptor) = acceptor else {
                    return conversation.talk(stream, None).await;
                };
                let stream = match timeout(head, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => stream,
                    Ok(Err(error)) => return warn_of_tls(&conversation.place, &error),
                    Err(_) => return warn_of_tls(&conversation.place, &"the client is slow"),
                };
                let certificate =
                    stream.get_ref().1.peer_certificates().and_then(|all| all.first());
                let certificate = certificate.map(|certificate| certificate.to_vec());
                conversation.talk(stream, certificate).await;
            };
            select! {
                biased;
                () = talking => {}
                // A connection that is evicted has no request under way.
                () = activity.evicted() => {}
            }
        }
    }
}

/// The parts of the server that a connection needs.
struct Conversation {
    server: Arc<Server>,
    protocols: Protocols,
    place: OpenConnection,
    /// The time for a handshake, and for the head of a request.
    head: Duration,
    drained: watch::Receiver<bool>,
}

impl Conversation {
    /// Serves requests until one side ends the connection. `certificate` is the client's, as DER.
    async fn talk(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        certificate: Option<Vec<u8>>,
    ) {
        let Self { server, protocols, place, head, mut drained } = self;
        let Ok(Ok(stream)) = timeout(head, read_preface(stream)).await else { return };
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(head)
            .max_buf_size(MAX_BUFFER_BYTES);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(KEEP_ALIVE)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .max_concurrent_streams(MAX_STREAMS);
        let peer =
            Peer { certificate, address: Some(place.address), is_reserved: place.is_reserved };
        let (peer, activity) = (Arc::new(peer), Arc::clone(&place.activity));
        let service = service_fn(move |request| {
            let (protocols, peer) = (protocols.clone(), Arc::clone(&peer));
            let active = activity.begin(Instant::now() + server.limits.deadline);
            async move {
                let response = protocols.respond(request, peer).await;
                Ok::<_, Infallible>(tracked(response, active))
            }
        });
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let stop = async {
            // The sender lives as long as the server.
            let _ = drained.wait_for(|drained| *drained).await;
        };
        let idle = if place.is_reserved { RESERVED_HEAD } else { IDLE_CONNECTION };
        select! {
            biased;
            // Errors of a connection matter only to its client.
            _ = connection.as_mut() => return,
            () = stop => {}
            () = place.activity.overdue(head, idle) => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = timeout(FAREWELL, connection).await;
    }
}

fn warn_of_tls(place: &OpenConnection, error: &dyn std::fmt::Display) {
    tracing::warn!(address = %place.address, error = %error, "TLS handshake failed");
}

/// Binds the address.
pub(super) async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}
