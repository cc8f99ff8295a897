//! One listener for HTTP/1.1, HTTP/2 and gRPC, with and without TLS; and its end.

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

/// Each step of a beginning comes within this time: the first byte, the TLS handshake, the preface, a request's head.
const HEAD: Duration = Duration::from_secs(30);

/// The same for a connection that may only ask for the server's health.
const RESERVED_HEAD: Duration = Duration::from_secs(5);

/// A connection without a request is closed after this time.
const IDLE_CONNECTION: Duration = Duration::from_secs(120);

/// After a failure to accept, which is one of this process's limits, there is a pause.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// When all work is done, connections have this long to take what was said.
const FAREWELL: Duration = Duration::from_secs(2);

/// An idle HTTP/2 connection is asked this often whether it is still there; TCP asks likewise.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// Most bytes of an HTTP/1 connection's read buffer: it bounds what one piece of a body can be.
const MAX_BUFFER_BYTES: usize = 256 * 1024;

/// An HTTP/2 stream's window: what may be under way before we have read it.
const WINDOW_BYTES: u32 = 1024 * 1024;

/// Most streams of an HTTP/2 connection at once.
const MAX_STREAMS: u32 = 100;

/// What accepts connections.
pub(super) struct Listener {
    pub(super) listener: TcpListener,
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) server: Arc<Server>,
    pub(super) grpc: Grpc,
    pub(super) health: HealthReporter,
}

impl Listener {
    /// Serves until `stop` is done, then finishes what is under way. Meanwhile whoever comes is told to try again, which
    /// NiFi does; a closed port would be a failure to it.
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
                // Nobody waits for these.
                Either::Second((stream, place)) => {
                    drop(tokio::spawn(self.connection(stream, place, drained.clone())))
                }
            }
        };
        if is_done {
            let _ = draining.send(true);
            // Ends when all that were open at the stop are closed.
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

    /// One connection to its end.
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
            // Small answers must not wait for more.
            let _ = stream.set_nodelay(true);
            // Who vanished without a word is noticed also where we only wait for him.
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
            // One that has to make room has nothing under way.
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
        // Its other end lives as long as the server.
        let _ = drained.wait_for(|drained| *drained).await;
    };
    let idle = if place.is_reserved { RESERVED_HEAD } else { IDLE_CONNECTION };
    let (stop, overdue) = (pin!(stop), pin!(place.activity.overdue(head, idle)));
    let over = pin!(first_of(stop, overdue));
    // How a connection ends concerns nobody but its client.
    if let Either::Second(_) = first_of(connection.as_mut(), over).await {
        connection.as_mut().graceful_shutdown();
        let _ = timeout(FAREWELL, connection).await;
    }
}

/// Binds the address.
pub(super) async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}
