//! `zumic import` and `zumic export`: data in from Redis, and out again.
//!
//! Why it exists: moving must not need a program that somebody has to write. Both talk to a
//! running server, so they work while it serves, with whatever keeps its data, and with Redis at
//! the other end as well; or they work on a data directory that no server uses. Not for backups
//! of a server: those are its own files.
//!
//! Reading order: [`options`] (what was asked), `source` (what is read: a dump file, a log, a
//! directory of both), `log` (commands in a file), `target` and `directory` (where it goes),
//! `fetch` and `sync` (the way out), `meter` (how far it is).

mod directory;
mod fetch;
mod log;
mod meter;
pub mod options;
mod source;
mod sync;
mod target;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use zumic_error::{Error, ErrorKind, ResultExt as _, Status};

use directory::Store;
pub use fetch::{Fetched, fetch};
use options::{Options, Task};
use source::Source;
use target::{Sent, Server, Target};

/// Whether the arguments behind the program's name are for this module.
#[must_use]
pub fn is_asked_for(arguments: &[OsString]) -> bool {
    arguments.first().is_some_and(|first| first == "import" || first == "export")
}

/// Runs with the process's arguments, its name first, and gives the exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let options = match Options::try_parse_from(arguments) {
        Ok(options) => options,
        Err(error) => {
            drop(error.print());
            let status = Status::Usage.code();
            return if error.use_stderr() { ExitCode::from(status) } else { ExitCode::SUCCESS };
        }
    };
    let done = match options.task {
        Task::Import(import) => bring_in(&import),
        Task::Export(export) => take_out(&export),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(Status::Failure.code()),
        Err(error) => {
            say(&format!("zumic: {error}"));
            ExitCode::from(error.status().code())
        }
    }
}

/// Writes a line to the standard error.
pub(crate) fn say(line: &str) {
    // Nobody is left to be told of a failure.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Imports; false when parts were refused.
fn bring_in(import: &options::Import) -> Result<bool, Error> {
    let source = Source::find(&import.source)?;
    let mut target = match &import.dir {
        Some(dir) => {
            let store = Store::open(dir, import.databases)?;
            Target::Directory(Box::new(store), Sent::default())
        }
        None => Target::Server(Box::new(Server::open(&import.to.access()?)?)),
    };
    let mut meter = meter::Meter::new("imported", source.bytes());
    let found = source.read(&mut target, &mut meter)?;
    let refused = target.finish()?;
    meter.finish();
    let Sent { keys, commands, functions, .. } = refused;
    say(&format!("{keys} keys, {commands} commands and {functions} libraries of functions"));
    for (name, count) in &found.modules {
        say(&format!("left out: {count} keys of the module type {name}"));
    }
    if let Some(tail) = &found.tail {
        say(&format!("the log ends in the middle of a command, which was left out: {tail}"));
    }
    for line in &refused.refusals {
        say(&format!("refused: {line}"));
    }
    if refused.refused > 0 {
        say(&format!("{} were refused in all", refused.refused));
    }
    Ok(refused.refused == 0 && found.modules.is_empty())
}

/// Exports; false when keys were left out.
fn take_out(export: &options::Export) -> Result<bool, Error> {
    let fetched = match &export.dir {
        Some(dir) => Store::open(dir, export.databases)?.export(&export.rdb)?,
        None => fetch(&export.from.access()?, &export.rdb)?,
    };
    report(&fetched, &export.rdb);
    Ok(fetched.left_out == 0)
}

/// Says what came of an export.
pub(crate) fn report(fetched: &Fetched, path: &std::path::Path) {
    let Fetched { keys, left_out, bytes, version, is_exact } = fetched;
    let path = path.display();
    say(&format!("{keys} keys, {bytes} bytes, RDB version {version}: {path}"));
    if !is_exact {
        say("the keys were read one after the other: the file is not of one instant");
    }
    if *left_out > 0 {
        say(&format!("left out: {left_out} keys of types that Redis does not have"));
    }
}

/// Opens a file for reading.
fn open(path: &std::path::Path) -> Result<std::fs::File, Error> {
    std::fs::File::open(path).context(ErrorKind::Io, format!("opening {}", path.display()))
}
