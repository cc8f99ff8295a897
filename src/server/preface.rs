//! The first bytes of a connection, which determine its version of HTTP. They must arrive within a
//! time limit.
//!
//! hyper reads them without a limit, so a client that sends half of them would keep its connection
//! forever.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The first bytes of an HTTP/2 connection.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream that first returns the bytes that were read ahead.
pub(super) struct Rewound<S> {
    first: Vec<u8>,
    taken: usize,
    stream: S,
}

/// Reads until the version of HTTP is clear. The caller sets the time limit.
pub(super) async fn read_preface<S: AsyncRead + Unpin>(mut stream: S) -> io::Result<Rewound<S>> {
    let mut first = Vec::with_capacity(PREFACE.len());
    while first.len() < PREFACE.len() && PREFACE.starts_with(&first) {
        let mut piece = [0; PREFACE.len()];
        let room = PREFACE.len() - first.len();
        let mut buffer = ReadBuf::new(&mut piece[..room]);
        poll_fn(|context| Pin::new(&mut stream).poll_read(context, &mut buffer)).await?;
        if buffer.filled().is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        first.extend_from_slice(buffer.filled());
    }
    Ok(Rewound { first, taken: 0, stream })
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewound<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { first, taken, stream } = &mut *self;
        let left = first.get(*taken..).unwrap_or_default();
        if left.is_empty() {
            return Pin::new(stream).poll_read(context, buffer);
        }
        let count = left.len().min(buffer.remaining());
        buffer.put_slice(&left[..count]);
        *taken += count;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewound<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
