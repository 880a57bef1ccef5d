//! The `backfire` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    std::panic::catch_unwind(backfire::cli::main).unwrap_or_else(|_| backfire::cli::own_fault())
}
