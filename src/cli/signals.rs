//! How the process ends when it does not end by itself: signals and panics.
//!
//! A commit is one step of the store, so a process that just ends leaves nothing half-written.

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

/// What is called instead of an end.
type Handler = Box<dyn FnOnce(ExitStatus) + Send>;

/// Takes the first signal, if somebody asked for it.
static HANDLER: Mutex<Option<Handler>> = Mutex::new(None);

/// Has the next SIGINT or SIGTERM call `handler` instead of ending the process; the one after it ends it.
#[cfg(feature = "serve")]
pub(super) fn take_over(handler: Handler) {
    *HANDLER.lock().unwrap_or_else(PoisonError::into_inner) = Some(handler);
}

/// Whether a panic ends only its thread, whose work somebody waits for.
static SURVIVES_PANICS: AtomicBool = AtomicBool::new(false);

/// Has a panic end its thread only, and SIGHUP, which a closed terminal sends, nothing at all: for a server.
#[cfg(feature = "serve")]
pub(super) fn survive() {
    SURVIVES_PANICS.store(true, Ordering::Relaxed);
    ignore(SIGHUP);
}

/// Has a signal do nothing.
fn ignore(signal: i32) {
    // The flag is never looked at. Without it the signal's own default would end the process.
    let _ = flag::register(signal, Arc::new(AtomicBool::new(false)));
}

/// Ends the process with 130 or 143 at the first SIGINT or SIGTERM. SIGPIPE is ignored by the standard library;
/// SIGXFSZ is ignored here, so that a file that grows too large is an error of the write.
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
        // No thread to be had: end without a word, straight from the handler.
        for (signal, status) in [(SIGINT, ExitStatus::Interrupted), (SIGTERM, ExitStatus::Terminated)] {
            let always = Arc::new(AtomicBool::new(true));
            // Without it the signal's own default ends the process, which is as good.
            let _ = flag::register_conditional_shutdown(signal, i32::from(status as u8), always);
        }
    }
}

/// Ends the process with 1 and one line at a panic: where it was, but not what it said, which may be data. In a server only
/// the request ends.
pub fn exit_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(|place| format!(" at {}:{}", place.file(), place.line()));
        let message = format!("internal error: a bug in nifi-idb{}", place.unwrap_or_default());
        write_failure(&Failure::new(ExitStatus::Internal, message).hint("please report it with the command's flags"));
        if SURVIVES_PANICS.load(Ordering::Relaxed) {
            return;
        }
        process::exit(i32::from(ExitStatus::Internal as u8));
    }));
}
