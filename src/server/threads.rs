//! Threads for blocking work. If the system cannot start one, that is an error, and nothing waits
//! for it.

use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::thread::Builder;

use tokio::runtime::Handle;

use crate::exit_status::ExitStatus;
use crate::failure::Failure;

/// Runs `work` on a new thread.
///
/// Each request gets a thread: a pool that cannot start its threads would queue the work forever.
/// Network waits on the thread use the caller's runtime. A panic ends the work and nothing else.
pub(super) fn start(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let runtime = Handle::try_current().ok();
    let span = tracing::Span::current();
    let name = name.to_owned();
    let builder = Builder::new().name(name.clone());
    let work = move || {
        let _entered = runtime.as_ref().map(Handle::enter);
        // The events of the work carry the id of its request.
        let _in_span = span.enter();
        // The program's panic hook says where the bug is; this says which request met it.
        if std::panic::catch_unwind(AssertUnwindSafe(work)).is_err() {
            tracing::warn!(thread = name, "panic caught");
        }
    };
    builder.spawn(work).map(drop).map_err(|error| none(&error))
}

/// Checks that `count` threads can be started at once, for a caller that would panic if they
/// cannot.
pub(super) fn check(count: usize) -> Result<(), Failure> {
    let (hold, held) = channel::<()>();
    let held = Mutex::new(held);
    std::thread::scope(|scope| {
        // Each thread lives until all were tried.
        let wait = || drop(held.lock().map(|held| held.recv()));
        let threads: Result<Vec<_>, _> =
            (0..count).map(|_| Builder::new().spawn_scoped(scope, wait)).collect();
        drop(hold);
        let threads = threads.map_err(|error| none(&error))?;
        threads.into_iter().for_each(|thread| drop(thread.join()));
        Ok(())
    })
}

fn none(error: &std::io::Error) -> Failure {
    Failure::new(ExitStatus::Transient, format!("cannot start a thread: {error}")).hint(
        "raise the limit on processes and threads (ulimit -u, pids.max, TasksMax), or end others",
    )
}
