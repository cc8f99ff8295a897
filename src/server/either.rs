//! Waiting for whichever of two things happens first.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

/// The output of the future that finished first.
pub(super) enum Either<A, B> {
    First(A),
    Second(B),
}

/// Waits for either future; the first one wins if both are ready.
pub(super) async fn first_of<A, B>(
    mut first: Pin<&mut impl Future<Output = A>>,
    mut second: Pin<&mut impl Future<Output = B>>,
) -> Either<A, B> {
    poll_fn(|context| match first.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Either::First(output)),
        Poll::Pending => second.as_mut().poll(context).map(Either::Second),
    })
    .await
}
