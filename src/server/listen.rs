//! One listener for HTTP/1.1, HTTP/2 and gRPC, with and without TLS; and its end.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tonic_health::server::HealthReporter;

use super::access::Peer;
use super::grpc::{Grpc, set_health};
use super::service::{Server, serve};

/// Connections at once; more wait in the listener's queue. A process has 1,024 descriptors unless it is given more.
const MAX_CONNECTIONS: usize = 500;

/// A new connection says something within this time, and a request's head comes whole.
const HEAD: Duration = Duration::from_secs(30);

/// After a failure to accept, which is one of this process's limits, there is a pause.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// When all work is done, connections have this long to take what was said.
const FAREWELL: Duration = Duration::from_secs(2);

/// An idle HTTP/2 connection is asked this often whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// Most bytes of an HTTP/1 connection's read buffer: it bounds what one piece of a body can be.
const MAX_BUFFER_BYTES: usize = 256 * 1024;

/// An HTTP/2 stream's window: what may be under way before we have read it.
const WINDOW_BYTES: u32 = 1024 * 1024;

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
        let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut stop = pin!(stop);
        while let Either::Second((stream, permit)) = first_of(stop.as_mut(), pin!(self.accept(&connections))).await {
            let (connection, open) = (self.connection(stream, drained.clone()), open.clone());
            tokio::spawn(async move {
                connection.await;
                drop((open, permit));
            });
        }
        drop(open);
        set_health(&self.health, false).await;
        let mut work = pin!(timeout(self.server.limits.drain, self.server.slots.drain()));
        let is_done = loop {
            match first_of(work.as_mut(), pin!(self.accept(&connections))).await {
                Either::First(done) => break done.is_ok(),
                // Nobody waits for these.
                Either::Second((stream, _)) => drop(tokio::spawn(self.connection(stream, drained.clone()))),
            }
        };
        if is_done {
            let _ = draining.send(true);
            // Ends when all that were open at the stop are closed.
            let _ = timeout(FAREWELL, closed.recv()).await;
        }
    }

    async fn accept(&self, connections: &Arc<Semaphore>) -> (TcpStream, Option<OwnedSemaphorePermit>) {
        // It is never closed.
        let permit = Arc::clone(connections).acquire_owned().await.ok();
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => return (stream, permit),
                Err(_) => sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    /// One connection to its end.
    fn connection(
        &self,
        stream: TcpStream,
        drained: watch::Receiver<bool>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (server, grpc) = (Arc::clone(&self.server), self.grpc.clone());
        let acceptor = self.tls.clone().map(TlsAcceptor::from);
        async move {
            // Small answers must not wait for more.
            let _ = stream.set_nodelay(true);
            let mut first = [0];
            if !matches!(timeout(HEAD, stream.peek(&mut first)).await, Ok(Ok(1))) {
                return;
            }
            let Some(acceptor) = acceptor else {
                return talk(stream, Peer::default(), server, grpc, drained).await;
            };
            let Ok(Ok(stream)) = timeout(HEAD, acceptor.accept(stream)).await else { return };
            let certificate = stream.get_ref().1.peer_certificates().and_then(|all| all.first());
            let peer = Peer { certificate: certificate.map(|certificate| certificate.to_vec()) };
            talk(stream, peer, server, grpc, drained).await;
        }
    }
}

/// What came first.
enum Either<A, B> {
    First(A),
    Second(B),
}

/// Waits for either; the first has precedence.
async fn first_of<A, B>(
    mut first: Pin<&mut impl Future<Output = A>>,
    mut second: Pin<&mut impl Future<Output = B>>,
) -> Either<A, B> {
    poll_fn(|context| match first.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Either::First(output)),
        Poll::Pending => second.as_mut().poll(context).map(Either::Second),
    })
    .await
}

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    server: Arc<Server>,
    grpc: Grpc,
    mut drained: watch::Receiver<bool>,
) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(MAX_BUFFER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES);
    let peer = Arc::new(peer);
    let service = service_fn(move |request| {
        let answering = serve(Arc::clone(&server), grpc.clone(), Arc::clone(&peer), request);
        async move { Ok::<_, Infallible>(answering.await) }
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    // How a connection ends concerns nobody but its client.
    let stop = pin!(async {
        // Its other end lives as long as the server.
        let _ = drained.wait_for(|drained| *drained).await;
    });
    if let Either::Second(()) = first_of(connection.as_mut(), stop).await {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}

/// Binds the address.
pub(super) async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}
