//! A bounded queue to a thread that hashes, compresses and writes objects in parallel with the
//! merge.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use gix::ObjectId;
use gix::object::Kind;

use super::object::Deflater;
use super::sink::Sink;
use crate::store::{StoreError, StoreErrorKind};

/// Limit on the bytes that wait for the thread; a single object may be longer.
const QUEUE_BYTES: usize = 8 * 1024 * 1024;

#[derive(Debug)]
struct Shared {
    state: Mutex<PipeState>,
    /// Signals that there is work, or that none will come.
    work: Condvar,
    /// Signals that there is room, an id, or an error.
    done: Condvar,
}

#[derive(Debug, Default)]
struct PipeState {
    jobs: VecDeque<(Kind, Vec<u8>)>,
    bytes: usize,
    ids: Vec<ObjectId>,
    closed: bool,
    abandoned: bool,
    failed: bool,
    error: Option<StoreError>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, PipeState> {
        // A panic on the other side ends the thread, and `close` passes it on.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PipeState {
    fn error(&mut self) -> StoreError {
        self.error.take().unwrap_or_else(|| {
            StoreError::new(
                StoreErrorKind::Transient,
                "this version cannot be written: an earlier write failed",
            )
        })
    }
}

/// The sending end of the queue.
#[derive(Debug)]
pub(super) struct Pipe {
    shared: Arc<Shared>,
    worker: Option<JoinHandle<Sink>>,
    sent: usize,
}

impl Pipe {
    /// Starts the thread; `objects` is the repository's `objects` directory.
    pub(super) fn start(objects: PathBuf) -> Result<Self, StoreError> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            work: Condvar::new(),
            done: Condvar::new(),
        });
        let far = Arc::clone(&shared);
        let worker = std::thread::Builder::new()
            .name("git objects".to_owned())
            .spawn(move || run(&far, Sink::new(objects)));
        let worker = worker.map_err(|error| {
            StoreError::new(
                StoreErrorKind::Transient,
                "cannot start the thread that writes git objects",
            )
            .because(error)
        })?;
        Ok(Self { shared, worker: Some(worker), sent: 0 })
    }

    /// Queues an object and returns its position among the ids. Waits while the queue is full.
    pub(super) fn send(&mut self, kind: Kind, bytes: Vec<u8>) -> Result<usize, StoreError> {
        let mut state = self.shared.lock();
        while !state.failed && state.bytes > 0 && state.bytes + bytes.len() > QUEUE_BYTES {
            state = self.shared.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.failed {
            return Err(state.error());
        }
        state.bytes += bytes.len();
        state.jobs.push_back((kind, bytes));
        self.shared.work.notify_one();
        self.sent += 1;
        Ok(self.sent - 1)
    }

    /// The number of objects that were sent.
    pub(super) fn sent(&self) -> usize {
        self.sent
    }

    /// Waits until the first `count` objects have ids, and returns at least these ids, in the order
    /// of sending.
    pub(super) fn ids(&mut self, count: usize) -> Result<Vec<ObjectId>, StoreError> {
        let mut state = self.shared.lock();
        while !state.failed && state.ids.len() < count {
            state = self.shared.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.failed { Err(state.error()) } else { Ok(state.ids.clone()) }
    }

    /// Waits until the sink has taken everything that was sent, and returns the sink.
    pub(super) fn close(mut self) -> Result<Sink, StoreError> {
        self.shared.lock().closed = true;
        self.shared.work.notify_one();
        let worker = self.worker.take().map(JoinHandle::join);
        let mut state = self.shared.lock();
        match worker {
            Some(Ok(sink)) if !state.failed => Ok(sink),
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            _ => Err(state.error()),
        }
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let Some(worker) = self.worker.take() else { return };
        let mut state = self.shared.lock();
        state.closed = true;
        state.abandoned = true;
        drop(state);
        self.shared.work.notify_one();
        // The result is not wanted any more, but the thread must not outlive the store.
        let _ = worker.join();
    }
}

/// Fails the queue if the thread panics, so that nobody waits for it.
struct FailOnPanic<'a>(&'a Shared);

impl Drop for FailOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().failed = true;
            self.0.done.notify_all();
        }
    }
}

fn run(shared: &Shared, mut sink: Sink) -> Sink {
    let _guard = FailOnPanic(shared);
    let mut deflater = Deflater::new();
    loop {
        let mut state = shared.lock();
        while state.jobs.is_empty() && !state.closed {
            state = shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.abandoned || state.failed {
            return sink;
        }
        let Some((kind, bytes)) = state.jobs.pop_front() else { return sink };
        drop(state);

        let object = deflater.deflate(kind, &bytes);
        let id = object.id;
        let result = sink.add(object);

        let mut state = shared.lock();
        state.bytes -= bytes.len();
        state.ids.push(id);
        if let Err(error) = result {
            state.failed = true;
            state.error = Some(error);
        }
        drop(state);
        shared.done.notify_all();
    }
}
