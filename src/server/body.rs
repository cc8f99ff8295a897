//! Bodies between the network and a blocking thread. They are bounded, so that neither side gets
//! far ahead of the other.

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use prometheus_client::metrics::counter::Counter;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

use super::limits::CONTENT_MEMORY;
use super::refusal::{Refusal, RefusalKind};
use crate::memory::{MemoryClaim, MemoryError, MemoryUse};

/// The type of every response's body.
pub(super) type Body = axum::body::Body;

/// Most pieces that may wait for the other side.
const PIECES: usize = 4;

/// Size of a response's pieces in bytes. A shorter response is sent as one piece, with its length.
const PIECE_BYTES: usize = 32 * 1024;

/// The time for which the rest of a body is read and discarded once its response is known, so that
/// the sender sees the response and not a broken pipe.
const DISCARD: Duration = Duration::from_secs(30);

/// A failure to receive a body. It travels inside an [`io::Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BodyError {
    /// More bytes than the limit.
    #[error("the body has more than {0} bytes (--max-body-bytes)")]
    TooLarge(u64),
    /// Nothing arrived for too long.
    #[error("body idle: nothing came for {} s, and it is not at its end", .0.as_secs_f64())]
    Idle(Duration),
    /// The request's time is over.
    #[error("the deadline passed before the body was at its end")]
    Deadline,
    /// The connection or stream broke.
    #[error("the body was cut off")]
    Cut,
    /// A gRPC message has more bytes than the limit.
    #[error("a message is larger than --max-message-bytes")]
    LargeMessage,
    /// No memory is left for it, or it needs more than the budget.
    #[error("{0}")]
    Memory(MemoryError),
    /// A gRPC message is out of place.
    #[error("after start there is content only")]
    Unexpected,
}

impl From<axum::Error> for BodyError {
    fn from(_: axum::Error) -> Self {
        Self::Cut
    }
}

impl From<tonic::Status> for BodyError {
    fn from(status: tonic::Status) -> Self {
        match status.code() {
            tonic::Code::ResourceExhausted => Self::LargeMessage,
            tonic::Code::Unavailable => Self::Memory(MemoryError::Busy),
            tonic::Code::InvalidArgument => Self::Unexpected,
            _ => Self::Cut,
        }
    }
}

impl From<BodyError> for io::Error {
    fn from(error: BodyError) -> Self {
        let kind = match error {
            BodyError::TooLarge(_) | BodyError::LargeMessage | BodyError::Unexpected => {
                io::ErrorKind::InvalidData
            }
            BodyError::Idle(_) | BodyError::Deadline => io::ErrorKind::TimedOut,
            BodyError::Memory(_) => io::ErrorKind::OutOfMemory,
            BodyError::Cut => io::ErrorKind::UnexpectedEof,
        };
        Self::new(kind, error)
    }
}

/// The limits on a body's time and size.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyLimits {
    pub(super) max_bytes: u64,
    pub(super) idle: Duration,
    pub(super) deadline: Instant,
}

enum BodyPiece {
    Data(Bytes),
    End,
    Failed(BodyError),
}

/// A body that a blocking thread reads.
pub(super) struct BodyReader {
    pieces: mpsc::Receiver<BodyPiece>,
    current: Bytes,
    at_end: bool,
    failed: Option<BodyError>,
    bytes: u64,
    memory: MemoryClaim,
}

impl BodyReader {
    /// Returns the result of work that read the body, or the refusal for a body that did not
    /// arrive. Without a refusal for it here, the work itself reports that the body was cut off.
    pub(super) fn check<T>(&self, result: Result<T, Refusal>) -> Result<T, Refusal> {
        match self.failed {
            Some(error @ (BodyError::TooLarge(_) | BodyError::LargeMessage)) => {
                Err(Refusal::new(RefusalKind::TooLarge, error.to_string()))
            }
            Some(BodyError::Memory(error)) => Err(error.into()),
            Some(error @ BodyError::Unexpected) => Err(Refusal::bad_request(error.to_string())),
            Some(error @ BodyError::Deadline) => Err(Refusal::unavailable(error.to_string())),
            Some(BodyError::Idle(_) | BodyError::Cut) | None => result,
        }
    }
}

impl Read for BodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !self.at_end {
            if let Some(failed) = self.failed {
                return Err(failed.into());
            }
            match self.pieces.blocking_recv() {
                Some(BodyPiece::Data(bytes)) => {
                    self.bytes += bytes.len() as u64;
                    if let Err(error) =
                        self.memory.need(MemoryUse::Content, self.bytes.min(CONTENT_MEMORY))
                    {
                        self.failed = Some(BodyError::Memory(error));
                        continue;
                    }
                    self.current = bytes;
                }
                Some(BodyPiece::End) => self.at_end = true,
                Some(BodyPiece::Failed(error)) => self.failed = Some(error),
                // The feeding task is gone, so the server is too.
                None => self.failed = Some(BodyError::Cut),
            }
        }
        let count = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

/// Makes a body readable by a blocking thread. `received` counts its bytes.
pub(super) fn reader<B>(
    body: B,
    limits: BodyLimits,
    received: &Counter,
    memory: MemoryClaim,
) -> BodyReader
where
    B: HttpBody<Data = Bytes, Error: Into<BodyError>> + Send + Unpin + 'static,
{
    let (sender, pieces) = mpsc::channel(PIECES);
    tokio::spawn(feed(body, limits, sender, received.clone()).in_current_span());
    BodyReader { pieces, current: Bytes::new(), at_end: false, failed: None, bytes: 0, memory }
}

async fn feed<B>(
    mut body: B,
    limits: BodyLimits,
    sender: mpsc::Sender<BodyPiece>,
    received: Counter,
) where
    B: HttpBody<Data = Bytes, Error: Into<BodyError>> + Send + Unpin,
{
    let mut left = limits.max_bytes;
    loop {
        let piece =
            next(&mut body, limits.idle, limits.deadline).await.and_then(|bytes| match bytes {
                None => Ok(BodyPiece::End),
                Some(bytes) => {
                    received.inc_by(bytes.len() as u64);
                    left = left
                        .checked_sub(bytes.len() as u64)
                        .ok_or(BodyError::TooLarge(limits.max_bytes))?;
                    Ok(BodyPiece::Data(bytes))
                }
            });
        let piece = piece.unwrap_or_else(|error| {
            warn_of(error);
            BodyPiece::Failed(error)
        });
        let is_last = !matches!(piece, BodyPiece::Data(_));
        let is_whole = matches!(piece, BodyPiece::End | BodyPiece::Failed(BodyError::Cut));
        let unheard = sender.send(piece).await.is_err();
        if is_whole {
            return;
        }
        if is_last || unheard {
            return discard(body, limits.max_bytes, limits.idle).await;
        }
    }
}

/// Logs that a client is slow or has gone away.
fn warn_of(error: BodyError) {
    match error {
        BodyError::Idle(_) | BodyError::Deadline => tracing::warn!(error = %error, "slow client"),
        BodyError::Cut => tracing::warn!(error = %error, "client gone"),
        _ => {}
    }
}

async fn next<B>(
    body: &mut B,
    idle: Duration,
    deadline: Instant,
) -> Result<Option<Bytes>, BodyError>
where
    B: HttpBody<Data = Bytes, Error: Into<BodyError>> + Unpin,
{
    loop {
        let silent = Instant::now() + idle;
        let frame = timeout_at(silent.min(deadline), body.frame()).await;
        match frame {
            Err(_) if deadline < silent => return Err(BodyError::Deadline),
            Err(_) => return Err(BodyError::Idle(idle)),
            Ok(None) => return Ok(None),
            Ok(Some(Err(error))) => return Err(error.into()),
            // Trailers are ignored.
            Ok(Some(Ok(frame))) => {
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
        }
    }
}

/// Reads and discards the rest of a body, within bounds.
pub(super) async fn discard<B>(mut body: B, max_bytes: u64, idle: Duration)
where
    B: HttpBody<Data = Bytes, Error: Into<BodyError>> + Unpin,
{
    let deadline = Instant::now() + DISCARD;
    let mut left = max_bytes;
    while let Ok(Some(bytes)) = next(&mut body, idle, deadline).await {
        match left.checked_sub(bytes.len() as u64) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

/// A writer that collects a thread's output into pieces and passes each to `send`.
pub(super) struct PieceWriter<F> {
    buffer: Vec<u8>,
    send: F,
}

impl<F: FnMut(Bytes) -> io::Result<()>> PieceWriter<F> {
    pub(super) fn new(send: F) -> Self {
        Self { buffer: Vec::with_capacity(PIECE_BYTES), send }
    }

    /// Sends the last piece.
    pub(super) fn finish(mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            Ok(())
        } else {
            (self.send)(std::mem::take(&mut self.buffer).into())
        }
    }

    /// Returns the bytes that were not sent yet.
    pub(super) fn into_rest(self) -> Vec<u8> {
        self.buffer
    }
}

impl<F: FnMut(Bytes) -> io::Result<()>> Write for PieceWriter<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > PIECE_BYTES && !self.buffer.is_empty() {
            let full = std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE_BYTES));
            (self.send)(full.into())?;
        }
        let count = bytes.len().min(PIECE_BYTES);
        self.buffer.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    /// Does nothing: pieces are sent when they are full, or at the end.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Sends a piece from a blocking thread. Gives up when the other side takes nothing for `idle`, or
/// at `deadline`.
pub(super) fn send_blocking<T>(
    handle: &Handle,
    sender: &mpsc::Sender<T>,
    piece: T,
    idle: Duration,
    deadline: Instant,
) -> io::Result<()> {
    match handle.block_on(timeout_at(deadline.min(Instant::now() + idle), sender.send(piece))) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(io::ErrorKind::BrokenPipe.into()),
        Err(_) => {
            tracing::warn!(error = "the response is read no further", "slow client");
            Err(io::ErrorKind::TimedOut.into())
        }
    }
}

/// The writing end of a response's body.
pub(super) struct StreamSender {
    sender: mpsc::Sender<BodyPiece>,
    idle: Duration,
    deadline: Instant,
}

impl StreamSender {
    pub(super) fn send(&self, handle: &Handle, bytes: Bytes) -> io::Result<()> {
        send_blocking(handle, &self.sender, BodyPiece::Data(bytes), self.idle, self.deadline)
    }

    /// Marks the end of the body; without it the other side sees a body that was cut off.
    pub(super) fn end(&self, handle: &Handle) -> io::Result<()> {
        send_blocking(handle, &self.sender, BodyPiece::End, self.idle, self.deadline)
    }
}

/// A response's body that a thread writes.
struct StreamBody {
    pieces: mpsc::Receiver<BodyPiece>,
    at_end: bool,
}

/// Makes a response's body and its writing end.
pub(super) fn stream(idle: Duration, deadline: Instant) -> (StreamSender, Body) {
    let (sender, pieces) = mpsc::channel(PIECES);
    (StreamSender { sender, idle, deadline }, Body::new(StreamBody { pieces, at_end: false }))
}

impl HttpBody for StreamBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.at_end {
            return Poll::Ready(None);
        }
        self.pieces.poll_recv(context).map(|piece| match piece {
            Some(BodyPiece::Data(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(BodyPiece::End) => {
                self.at_end = true;
                None
            }
            Some(BodyPiece::Failed(error)) => Some(Err(error.into())),
            None => Some(Err(BodyError::Cut.into())),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.at_end
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// Makes a complete body.
pub(super) fn whole(bytes: impl Into<Bytes>) -> Body {
    Body::new(http_body_util::Full::new(bytes.into()))
}
