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
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tonic_health::server::HealthReporter;

use super::access::Peer;
use super::connections::{Connections, OpenConnection};
use super::either::{Either, first_of};
use super::grpc::{Grpc, set_health};
use super::preface::read_preface;
use super::service::{Server, serve};
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
    pub(super) grpc: Grpc,
    pub(super) health: HealthReporter,
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
        while let Either::Second((stream, place)) =
            first_of(stop.as_mut(), pin!(self.accept(&connections))).await
        {
            let (connection, open) =
                (self.connection(stream, place, drained.clone()), open.clone());
            tokio::spawn(async move {
                connection.await;
                drop(open);
            });
        }
        drop(open);
        set_health(&self.health, false).await;
        let mut work = pin!(timeout(self.server.limits.drain, self.server.slots.drain()));
        let is_done = loop {
            match first_of(work.as_mut(), pin!(self.accept(&connections))).await {
                Either::First(done) => break done.is_ok(),
                // The shutdown does not wait for these connections.
                Either::Second((stream, place)) => {
                    drop(tokio::spawn(self.connection(stream, place, drained.clone())))
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
                Ok((stream, peer)) => {
                    if let Some(place) = connections.open(peer.ip()) {
                        return (stream, place);
                    }
                }
                Err(_) => {
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
        let (server, grpc) = (Arc::clone(&self.server), self.grpc.clone());
        let acceptor = self.tls.clone().map(TlsAcceptor::from);
        let head = if place.is_reserved { RESERVED_HEAD } else { HEAD };
        async move {
            // Small responses must not wait for more data.
            let _ = stream.set_nodelay(true);
            // TCP keep-alive detects a client that has vanished, even while the server only waits
            // for it.
            let keepalive = TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE / 4);
            let _ = SockRef::from(&stream).set_tcp_keepalive(&keepalive);
            let activity = Arc::clone(&place.activity);
            let talking = async {
                let mut first = [0];
                if !matches!(timeout(head, stream.peek(&mut first)).await, Ok(Ok(1))) {
                    return;
                }
                let Some(acceptor) = acceptor else {
                    return talk(stream, None, server, grpc, place, head, drained).await;
                };
                let Ok(Ok(stream)) = timeout(head, acceptor.accept(stream)).await else { return };
                let certificate =
                    stream.get_ref().1.peer_certificates().and_then(|all| all.first());
                let certificate = certificate.map(|certificate| certificate.to_vec());
                talk(stream, certificate, server, grpc, place, head, drained).await;
            };
            // A connection that is evicted has no request under way.
            first_of(pin!(talking), pin!(activity.evicted())).await;
        }
    }
}

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    certificate: Option<Vec<u8>>,
    server: Arc<Server>,
    grpc: Grpc,
    place: OpenConnection,
    head: Duration,
    mut drained: watch::Receiver<bool>,
) {
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
    let peer = Peer { certificate, address: Some(place.address), is_reserved: place.is_reserved };
    let (peer, activity) = (Arc::new(peer), Arc::clone(&place.activity));
    let service = service_fn(move |request| {
        let (server, grpc, peer) = (Arc::clone(&server), grpc.clone(), Arc::clone(&peer));
        let active = activity.begin(Instant::now() + server.limits.deadline);
        async move { Ok::<_, Infallible>(tracked(serve(server, grpc, peer, request).await, active)) }
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let stop = async {
        // The sender lives as long as the server.
        let _ = drained.wait_for(|drained| *drained).await;
    };
    let idle = if place.is_reserved { RESERVED_HEAD } else { IDLE_CONNECTION };
    let (stop, overdue) = (pin!(stop), pin!(place.activity.overdue(head, idle)));
    let over = pin!(first_of(stop, overdue));
    // Errors of a connection matter only to its client.
    if let Either::Second(_) = first_of(connection.as_mut(), over).await {
        connection.as_mut().graceful_shutdown();
        let _ = timeout(FAREWELL, connection).await;
    }
}

/// Binds the address.
pub(super) async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}
