//! A test hook: at a named step, kills the process, as a power cut or an `OutOfMemory` killer
//! would, or panics, as a bug would.
//!
//! `NIFI_IDB_FAULT="git:before-link=abort"` aborts at the first time that the step is reached,
//! `git:before-link=abort@3` at the third; `serve:work=panic` panics there. It is compiled into
//! every build, so that what is tested is what is shipped; unset, a step costs one load. The steps,
//! in the order of a commit:
//!
//! | step | what is done, and what is not |
//! | --- | --- |
//! | `git:init` | some files of a new repository are there; `HEAD`, which makes it one, is not |
//! | `git:before-sync` | objects are written to files without a name; not synced |
//! | `git:before-lock` | they are on disk; the lock of the repository is not held |
//! | `git:before-link` | the lock is held; no object has its name |
//! | `git:link` | another object file, pack or index has its name; reached once for each |
//! | `git:after-link` | all objects have their names; directories are not synced |
//! | `git:before-ref-lock` | objects are durable, the intent is recorded; no `main.lock` yet |
//! | `git:ref-locked` | `main.lock` exists; `main` is as before |
//! | `git:after-rename` | `main` has moved: the version is visible; its directory is not synced |
//! | `git:done` | durable; the lock is still held |
//! | `serve:work` | a request has its slot; its content is not read |

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The environment variable that names the step.
pub const FAULT_VARIABLE: &str = "NIFI_IDB_FAULT";

#[derive(Debug)]
struct InjectedFault {
    step: String,
    is_panic: bool,
    countdown: AtomicU32,
}

static FAULT: OnceLock<Option<InjectedFault>> = OnceLock::new();

/// Marks that the step `name` is reached, and aborts the process or panics if `NIFI_IDB_FAULT`
/// requests that.
pub fn step(name: &str) {
    let fault =
        FAULT.get_or_init(|| std::env::var(FAULT_VARIABLE).ok().and_then(|text| parse(&text)));
    if let Some(fault) = fault
        && fault.step == name
        && fault.countdown.fetch_sub(1, Ordering::Relaxed) == 1
    {
        if fault.is_panic {
            std::panic::panic_any("asked for by NIFI_IDB_FAULT");
        }
        std::process::abort();
    }
}

fn parse(text: &str) -> Option<InjectedFault> {
    let (step, action) = text.split_once('=')?;
    let (action, count) = action.split_once('@').unwrap_or((action, "1"));
    let countdown = count.parse().ok().filter(|count| *count > 0)?;
    let is_panic = match action {
        "abort" => false,
        "panic" => true,
        _ => return None,
    };
    Some(InjectedFault { step: step.to_owned(), is_panic, countdown: AtomicU32::new(countdown) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_step_and_a_count() {
        let shown = |text: &str| {
            parse(text).map(|fault| (fault.step, fault.is_panic, fault.countdown.into_inner()))
        };
        assert_eq!(shown("git:link=abort"), Some(("git:link".to_owned(), false, 1)));
        assert_eq!(shown("git:link=abort@3"), Some(("git:link".to_owned(), false, 3)));
        assert_eq!(shown("serve:work=panic"), Some(("serve:work".to_owned(), true, 1)));
        assert_eq!(shown("git:link=abort@0"), None);
        assert_eq!(shown("git:link"), None);
        assert_eq!(shown("git:link=wait"), None);
    }
}
