//! `--rdb`: all keys of the server in a dump file.
//!
//! Why it exists: who knows `redis-cli --rdb` finds it here. The work is that of `zumic export`:
//! see [`crate::transfer`].

use std::path::Path;

use zumic_error::Error;

use crate::cli::options::Settings;
use crate::cli::session::Verdict;
use crate::transfer;

/// Writes the file and says what is in it. `Refused` if keys were left out.
///
/// # Errors
/// The connection is lost, the server refuses a command, or the file cannot be written.
pub fn run(settings: &Settings, path: &Path) -> Result<Verdict, Error> {
    let fetched = transfer::fetch(&settings.access, path)?;
    transfer::report(&fetched, path);
    Ok(if fetched.left_out == 0 { Verdict::Answered } else { Verdict::Refused })
}
