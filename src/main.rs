//! The `backfire` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    // A panic is a fault of ours, whatever the input: the hook has printed it, the exit code says so.
    std::panic::catch_unwind(backfire::cli::main)
        .unwrap_or_else(|_| ExitCode::from(backfire::cli::exit::OWN_FAULT))
}
