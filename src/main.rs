//! The `backfire` command.

use std::process::ExitCode;

/// A run makes and drops many small things; the system's allocator takes a fifth of its time for that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    std::panic::catch_unwind(backfire::cli::main).unwrap_or_else(|_| backfire::cli::own_fault())
}
