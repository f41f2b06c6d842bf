//! The command-line client's process: arguments in, exit code out.
//!
//! Why it exists: Cargo wants a file per binary. Everything else is in [`server::cli`], where tests
//! and other binaries can reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    server::cli::run(std::env::args_os())
}
