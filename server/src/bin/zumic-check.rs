//! The process of the file checker: arguments in, exit code out.
//!
//! Why it exists: Cargo wants a file per binary. Everything else is in [`server::check`], where
//! tests can reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    server::check::run(std::env::args_os())
}
