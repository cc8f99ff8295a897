//! The body of a gRPC call as it arrives: it must not stall, and each of its messages has a largest
//! size.
//!
//! tonic reads a whole message before it calls the service, without a time limit.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::Status;

use super::body::Body;
use super::refusal::LATE;
use crate::memory::{MemoryClaim, MemoryError, MemoryUse};

/// Bytes before each message: the compression flag and the length.
const PREFIX_BYTES: usize = 5;

/// Copies of a message in memory: it is copied as it grows.
const COPIES: u64 = 2;

/// The limits on a call's body.
#[derive(Clone, Debug)]
pub(super) struct CallLimits {
    pub(super) max_message_bytes: usize,
    pub(super) idle: Duration,
    pub(super) deadline: Instant,
    pub(super) memory: MemoryClaim,
}

/// A call's body.
pub(super) struct CallBody {
    body: Body,
    limits: CallLimits,
    lengths: MessageLengths,
    silent: Pin<Box<Sleep>>,
    /// True if `silent` is running: nothing has arrived since it was set.
    is_waiting: bool,
    late: Pin<Box<Sleep>>,
}

impl CallBody {
    pub(super) fn new(body: Body, limits: CallLimits) -> Self {
        let at = |deadline| Box::pin(sleep_until(deadline));
        let (silent, late) = (at(limits.deadline), at(limits.deadline));
        Self { body, limits, lengths: MessageLengths::default(), silent, is_waiting: false, late }
    }
}

impl CallBody {
    fn take(&mut self, data: &[u8]) -> Result<(), Status> {
        self.lengths.take(data, self.limits.max_message_bytes)?;
        let bytes = self.lengths.arrived as u64;
        self.limits.memory.need_now(MemoryUse::Message, bytes.saturating_mul(COPIES)).map_err(
            |error| match error {
                MemoryError::Busy => Status::unavailable(error.to_string()),
                MemoryError::TooLarge { .. } => {
                    Status::resource_exhausted(format!("{error} (--max-memory)"))
                }
            },
        )
    }
}

impl HttpBody for CallBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                this.is_waiting = false;
                let checked = frame.data_ref().map_or(Ok(()), |data| this.take(data));
                return Poll::Ready(Some(checked.map(|()| frame)));
            }
            Poll::Ready(Some(Err(error))) => {
                return Poll::Ready(Some(Err(Status::from_error(error.into()))));
            }
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => {}
        }
        if this.late.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(Status::deadline_exceeded(LATE))));
        }
        if !this.is_waiting {
            this.is_waiting = true;
            this.silent.as_mut().reset(Instant::now() + this.limits.idle);
        }
        if this.silent.as_mut().poll(context).is_ready() {
            let what = format!(
                "nothing came for {} s, and the message is not whole",
                this.limits.idle.as_secs_f64()
            );
            tracing::warn!(error = what.as_str(), "slow client");
            return Poll::Ready(Some(Err(Status::deadline_exceeded(what))));
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A tracker of message boundaries.
#[derive(Debug, Default)]
struct MessageLengths {
    prefix: Vec<u8>,
    /// Bytes of the current message that are still to come.
    left: usize,
    /// Bytes of the current message that have arrived.
    arrived: usize,
}

impl MessageLengths {
    fn take(&mut self, mut data: &[u8], max_bytes: usize) -> Result<(), Status> {
        while !data.is_empty() {
            let message = self.left.min(data.len());
            (self.left, data) = (self.left - message, &data[message..]);
            self.arrived += message;
            if self.left > 0 || data.is_empty() {
                continue;
            }
            let count = (PREFIX_BYTES - self.prefix.len()).min(data.len());
            self.prefix.extend_from_slice(&data[..count]);
            data = &data[count..];
            if let [_, length @ ..] = self.prefix.as_slice()
                && let Ok(length) = <[u8; 4]>::try_from(length)
            {
                self.left = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
                self.prefix.clear();
                self.arrived = 0;
                if self.left > max_bytes {
                    let what =
                        format!("a message has more than {max_bytes} bytes (--max-message-bytes)");
                    return Err(Status::resource_exhausted(what));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_found_wherever_it_is_cut() {
        let message =
            |length: u32, bytes: usize| [&[0][..], &length.to_be_bytes(), &vec![7; bytes]].concat();
        let two = [message(3, 3), message(0, 0), message(10, 10)].concat();
        for size in 1..=two.len() {
            let mut lengths = MessageLengths::default();
            assert!(two.chunks(size).all(|piece| lengths.take(piece, 10).is_ok()), "{size}");
            assert!(lengths.left == 0 && lengths.prefix.is_empty());
            let mut lengths = MessageLengths::default();
            let error = two.chunks(size).find_map(|piece| lengths.take(piece, 9).err()).unwrap();
            assert_eq!(error.code(), tonic::Code::ResourceExhausted);
        }
    }
}
