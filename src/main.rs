//! The binary `nifi-idb`: sets up the process and calls the library.

use std::process::ExitCode;

use nifi_idb::cli;

fn main() -> ExitCode {
    cli::signals::exit_on_panic();
    cli::signals::exit_on_signals();
    cli::run(std::env::args_os()).into()
}
