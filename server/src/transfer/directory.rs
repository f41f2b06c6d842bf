//! A data directory that no server uses: filled by an import, or written into a dump file.
//!
//! Why it exists: a first start can find its data in place, and a file of one instant needs no
//! server. An import ends in a snapshot, which takes the place of what was there at once: until
//! then, the directory is as it was.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use engine::commands::{CommandSpec, Handler, HostCommand, lookup};
use engine::persist::rdb::file::{FileReader, FileWriter, LoadOptions, LoadReport, load};
use engine::persist::rdb::value::{Style, ValueRef, type_byte, version_of};
use engine::persist::snapshot::SnapshotOptions;
use engine::persist::{Directory, Meter as SnapshotMeter, Options, Persistence, Progress};
use engine::reply::Discard;
use engine::{Context, Engine, Halt, Host, Scope, Session};
use zumic_error::{CommandError, Error, ErrorKind, ResultExt as _};

use super::fetch::{Fetched, Written, write};
use super::meter::Meter;
use super::target::Sent;
use crate::clock::now_ms;

/// Keys that are looked at in one turn.
const PAGE_KEYS: usize = 300;
/// Tries of a command that finds something busy; nobody else is there.
const TRIES_MAX: u32 = 1_000;

/// An engine with the data of a directory.
pub(super) struct Store {
    engine: Engine,
    persistence: Persistence,
    session: Session,
    scope: Scope,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

/// Commands of a log are about data.
struct DataOnly;

impl Host for DataOnly {
    fn run(
        &mut self,
        _: &mut Context<'_>,
        _: HostCommand,
        spec: &'static CommandSpec,
        _: &[&[u8]],
    ) -> Result<(), Halt> {
        Err(CommandError::unknown_command(&[spec.name.as_bytes()]).into())
    }
}

impl Store {
    /// Opens a directory, which is made if it is not there.
    pub(super) fn open(path: &Path, databases: u16) -> Result<Self, Error> {
        let mut seed = [0; 16];
        getrandom::fill(&mut seed)
            .map_err(|error| Error::with_source(ErrorKind::Resource, "random numbers", error))?;
        let (one, other) = seed.split_at(8);
        let number = |bytes: &[u8]| u64::from_ne_bytes(bytes.try_into().expect("eight bytes"));
        let engine = Engine::builder().databases(databases).seed(number(one)).build();
        let disk =
            Directory::open(path).context(ErrorKind::Io, format!("opening {}", path.display()))?;
        let options = Options { seed: number(other), ..Options::default() };
        let persistence =
            Persistence::open(&engine, Arc::new(disk), options, &Progress::default())?;
        let session = engine.session();
        Ok(Self { engine, persistence, session, scope: Scope::default() })
    }

    /// Loads a dump file; keys that are there are replaced.
    pub(super) fn dump<R: Read>(
        &mut self,
        reader: &mut FileReader<R>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<LoadReport, Error> {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let options = LoadOptions { now_ms: now_ms(), threads, replace: true };
        load(&self.engine, reader, options, None, &mut |bytes, _| progress(bytes))
    }

    /// Adds a library of functions.
    pub(super) fn function(&mut self, source: &[u8]) -> Result<(), CommandError> {
        self.engine.load_function_library(source)
    }

    /// Runs a command of a log.
    pub(super) fn command(&mut self, words: &[Vec<u8>]) -> Result<(), CommandError> {
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        if words[0].eq_ignore_ascii_case(b"SELECT") {
            let number = words.get(1).and_then(|word| std::str::from_utf8(word).ok()?.parse().ok());
            let number = number.filter(|number| *number < self.engine.databases());
            self.scope.db = number.ok_or(CommandError::DbIndexOutOfRange)?;
            return Ok(());
        }
        let row = lookup(words[0]).and_then(|row| match words.get(1) {
            Some(name) if !row.subcommands.is_empty() => row.subcommand(name),
            _ => Some(row),
        });
        let row = row.filter(|row| matches!(row.handler, Handler::Engine(_)));
        let row = row.ok_or_else(|| CommandError::unknown_command(&words))?;
        if !row.accepts(words.len()) {
            return Err(CommandError::WrongArity(row.name.to_owned()));
        }
        for _ in 0..TRIES_MAX {
            let mut turn = self.session.enter(now_ms());
            match turn.run(&mut self.scope, &mut DataOnly, row, &words, &mut Discard) {
                Ok(()) => return Ok(()),
                Err(Halt::Error(error)) => return Err(error),
                Err(Halt::Busy | Halt::Wait(_)) => {}
            }
        }
        Err(CommandError::CannotWait)
    }

    /// Puts everything into a snapshot and ends.
    pub(super) fn save(self, sent: Sent) -> Result<Sent, Error> {
        let created_ms = now_ms();
        drop(self.session);
        let options = SnapshotOptions { created_ms, ..SnapshotOptions::default() };
        self.persistence.snapshot(&options, &SnapshotMeter::default())?;
        self.persistence.close()?;
        Ok(sent)
    }

    /// Writes all keys into a dump file: the state of one instant, since nobody else is here.
    pub(super) fn export(mut self, path: &Path) -> Result<Fetched, Error> {
        let fetched = write(path, |writer, version| self.fill(writer, version))?;
        drop(self.session);
        self.persistence.close()?;
        Ok(fetched)
    }

    fn fill(&mut self, writer: &mut FileWriter<File>, version: u16) -> Result<Written, Error> {
        let total = self.engine.stats().databases.iter().map(|db| db.keys).sum();
        let mut meter = Meter::new("of the keys exported", total);
        let (mut keys, mut left_out, mut is_too_old) = (0, 0, false);
        let now = now_ms();
        for db in 0..self.engine.databases() {
            let mut scope = Scope::default();
            (scope.db, scope.no_touch) = (db, true);
            let mut cursor = 0;
            loop {
                let mut turn = self.session.enter(now);
                let next = turn.with(&mut scope, &mut Discard, |context| {
                    let step = context.scan(cursor, PAGE_KEYS);
                    meter.add(step.records.len() as u64);
                    for record in &step.records {
                        let (key, deadline) = (record.key(), record.expire_at_ms());
                        context.read_value(key, |_, value: ValueRef<'_>| {
                            if writer.key(db, key, deadline, value) {
                                keys += 1;
                            } else if version_of(type_byte(value, Style::REDIS)) > version {
                                is_too_old = true;
                            } else {
                                left_out += 1;
                            }
                        })?;
                    }
                    Ok(step.cursor)
                });
                cursor = match next {
                    Ok(cursor) => cursor,
                    Err(halt) => {
                        let text = format!("reading a key: {halt:?}");
                        return Err(Error::new(ErrorKind::Resource, text));
                    }
                };
                if is_too_old {
                    return Ok(Written::TooOld);
                }
                if cursor == 0 {
                    break;
                }
            }
        }
        meter.finish();
        Ok(Written::Keys { keys, left_out })
    }
}
