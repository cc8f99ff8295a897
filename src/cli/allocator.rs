//! Settings of glibc's allocator for a server. glibc reads them when a process starts.
//!
//! By default, glibc stops returning large blocks to the system once some have been freed, and it
//! gives threads up to eight heaps for each core. Under mixed load a server then held 180 MiB and
//! more, eight times what it used. With these settings it holds only what it uses.

use std::env;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// The settings: return blocks above 256 KiB to the system when they are freed, and free memory
/// above 1 MiB at the end of a heap; use four heaps for all threads.
const SETTINGS: [(&str, &str); 3] = [
    ("MALLOC_ARENA_MAX", "4"),
    ("MALLOC_MMAP_THRESHOLD_", "262144"),
    ("MALLOC_TRIM_THRESHOLD_", "1048576"),
];

/// Replaces this process by the same program with [`SETTINGS`] in its environment, unless one of
/// them or glibc's tunables are set. If that fails, the server runs with glibc's defaults.
pub(super) fn settle() {
    let is_set = |name: &str| env::var_os(name).is_some();
    if cfg!(not(target_env = "gnu"))
        || is_set("GLIBC_TUNABLES")
        || SETTINGS.iter().any(|(name, _)| is_set(name))
    {
        return;
    }
    let Ok(program) = env::current_exe() else { return };
    let mut arguments = env::args_os();
    let Some(name) = arguments.next() else { return };
    // Returns only if it fails.
    let _ = Command::new(program).arg0(name).args(arguments).envs(SETTINGS).exec();
}
