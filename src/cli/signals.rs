//! The ends of the process that the code does not choose: signals and panics.
//!
//! A commit is a single step of the store, so a process that is killed leaves nothing half-written.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

#[cfg(feature = "serve")]
use signal_hook::consts::SIGHUP;
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use super::output::write_failure;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;

/// The function called instead of ending the process.
type SignalHandler = Box<dyn FnOnce(ExitStatus) + Send>;

/// The handler of the first signal, if one was set.
static HANDLER: Mutex<Option<SignalHandler>> = Mutex::new(None);

/// Makes the next SIGINT or SIGTERM call `handler` instead of ending the process. The signal after
/// that ends it.
#[cfg(feature = "serve")]
pub(super) fn take_over(handler: SignalHandler) {
    *HANDLER.lock().unwrap_or_else(PoisonError::into_inner) = Some(handler);
}

/// True if a panic ends only its thread; another thread waits for the thread's result.
static SURVIVES_PANICS: AtomicBool = AtomicBool::new(false);

/// Makes a panic end only its thread, and ignores SIGHUP, which a closed terminal sends. For the
/// server.
#[cfg(feature = "serve")]
pub(super) fn survive() {
    SURVIVES_PANICS.store(true, Ordering::Relaxed);
    ignore(SIGHUP);
}

/// Ignores a signal.
fn ignore(signal: i32) {
    // The flag is never read. Without a handler, the signal's default action would end the process.
    let _ = flag::register(signal, Arc::new(AtomicBool::new(false)));
}

/// Makes the first SIGINT or SIGTERM end the process with status 130 or 143. The standard library
/// ignores SIGPIPE. SIGXFSZ is ignored here, so that a file that grows too large is a write error.
pub fn exit_on_signals() {
    ignore(SIGXFSZ);
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM]) else { return };
    let watch = move || {
        let (status, name) = loop {
            let (status, name) = match signals.forever().next() {
                Some(SIGINT) => (ExitStatus::Interrupted, "SIGINT"),
                _ => (ExitStatus::Terminated, "SIGTERM"),
            };
            match HANDLER.lock().unwrap_or_else(PoisonError::into_inner).take() {
                Some(handler) => handler(status),
                None => break (status, name),
            }
        };
        write_failure(&Failure::new(status, format!("stopped by {name}; nothing is half-written")));
        process::exit(i32::from(status as u8));
    };
    if thread::Builder::new().name("signals".to_owned()).spawn(watch).is_err() {
        // No thread could be started: end directly from the signal handler, without a message.
        for (signal, status) in
            [(SIGINT, ExitStatus::Interrupted), (SIGTERM, ExitStatus::Terminated)]
        {
            let always = Arc::new(AtomicBool::new(true));
            // If this fails, the signal's default action ends the process, which is just as good.
            let _ = flag::register_conditional_shutdown(signal, i32::from(status as u8), always);
        }
    }
}

/// Makes a panic end the process with status 1 and one line. The line contains the place of the
/// panic but not its message, which may contain data. In a server only the request ends.
pub fn exit_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(|place| format!(" at {}:{}", place.file(), place.line()));
        let message = format!("internal error: a bug in nifi-idb{}", place.unwrap_or_default());
        write_failure(
            &Failure::new(ExitStatus::Internal, message)
                .hint("please report it with the command's flags"),
        );
        if SURVIVES_PANICS.load(Ordering::Relaxed) {
            return;
        }
        process::exit(i32::from(ExitStatus::Internal as u8));
    }));
}
