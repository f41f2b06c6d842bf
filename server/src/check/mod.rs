//! `zumic-check`: what is in a data directory, a log segment or a snapshot.
//!
//! Why it exists: when a server refuses to start, or a backup has to be trusted, somebody has to
//! look at the files with a tool that reads them as the server does, changes nothing unless told
//! to, and gets the data out. It needs no server and takes no lock, so a backup can be checked
//! while the server runs; a directory in use may change under it.
//!
//! Reading order: `source` (what a path is), `verify`, `stats`, `export`, `repair`, `report`.

mod export;
mod options;
mod repair;
mod report;
mod source;
mod stats;
mod verify;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use zumic_error::{Error, ErrorKind, ResultExt};

use self::options::{Command, Options};
use self::source::Source;
use self::verify::Verdict;

/// Runs `zumic-check` and returns its exit code: 0 sound, 1 torn at the end, 2 damaged, 64 wrong
/// usage, 74 a file cannot be read or written.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let options = match Options::try_parse_from(arguments) {
        Ok(options) => options,
        Err(error) => {
            // Help and version are errors to clap; a broken pipe is nobody's.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 64 } else { 0 });
        }
    };
    let stdout = io::stdout();
    let mut out = io::BufWriter::new(stdout.lock());
    let result = work(&options, &mut out)
        .and_then(|code| out.flush().context(ErrorKind::Io, "writing").map(|()| code));
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("zumic-check: {error}");
            ExitCode::from(match error.kind() {
                ErrorKind::Damaged => 2,
                _ => error.status().code(),
            })
        }
    }
}

fn work(options: &Options, out: &mut impl Write) -> Result<u8, Error> {
    let path = options.command.path();
    let repairs = matches!(options.command, Command::Repair { yes: true, .. });
    let source = if repairs { Source::open(path)? } else { Source::read(path)? };
    match &options.command {
        Command::Export { .. } => {
            export::export(&source, out)?;
            Ok(0)
        }
        Command::Inspect { .. } => {
            let verdict = verify::verify(&source)?;
            report::inspect(&verdict, options.json, out)?;
            Ok(verdict.code())
        }
        Command::Repair { yes, .. } => {
            let done = repair::repair(&source, *yes)?;
            report::repair(&done, options.json, out)?;
            Ok(done.code())
        }
        Command::Stats { .. } => {
            let stats = stats::stats(&source)?;
            report::stats(&stats, options.json, out)?;
            Ok(0)
        }
        Command::Verify { .. } => {
            let verdict: Verdict = verify::verify(&source)?;
            report::verify(&verdict, options.json, out)?;
            Ok(verdict.code())
        }
    }
}
