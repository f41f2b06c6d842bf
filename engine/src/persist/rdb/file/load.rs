//! Loading: from a file into a store, with as many threads as there are.
//!
//! Why it exists: finding where values end costs a fraction of decoding and storing them, so one
//! thread reads and cuts the file, and the others make values of what it hands out.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use zumic_error::{Error, ErrorKind, ResultExt};

use super::super::damage::Flaw;
use super::super::value::{Rules, decode};
use super::read::{FileEntry, FileReader, Part};
use crate::journal::Journal;
use crate::reply::Discard;
use crate::session::Turn;
use crate::{Engine, Halt, Scope};

/// Bytes of values that are handed out at once.
const BATCH_BYTES: usize = 256 * 1024;
/// Keys that are handed out at once: a turn stays short.
const BATCH_KEYS: usize = 512;
/// Batches that wait for one thread.
const BATCHES_WAITING: usize = 4;
/// Tries to write a key that another session holds.
const TRIES_MAX: u32 = 1_000;

/// How a file is loaded.
#[derive(Clone, Copy, Debug)]
pub struct LoadOptions {
    /// Unix time in milliseconds: what has expired by then is left out.
    pub now_ms: u64,
    /// Threads that decode, at least one.
    pub threads: usize,
    /// Whether keys that are there are replaced. If not, the store has to be empty.
    pub replace: bool,
}

/// What was in a file.
#[derive(Clone, Debug, Default)]
pub struct LoadReport {
    /// The RDB version.
    pub version: u16,
    /// Keys that were stored.
    pub keys: u64,
    /// Keys that had expired and were left out.
    pub expired: u64,
    /// Keys without elements, which Redis leaves out as well.
    pub empty: u64,
    /// Keys of module types, which were left out, by the type's name.
    pub modules: BTreeMap<String, u64>,
    /// Libraries of functions, as they were loaded there.
    pub functions: Vec<Vec<u8>>,
    /// What the file says of itself.
    pub notes: Vec<(String, String)>,
}

/// What one thread has done.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    keys: u64,
    expired: u64,
    empty: u64,
}

/// Loads a file into `engine`.
///
/// Without `journal`, nobody else may use the store: keys have no place in the log. With one, each
/// thread gets a journal, and the store may be in use. `progress` is told how many bytes were
/// read, and how many keys were in them.
/// On an error, what was loaded so far is there.
///
/// # Errors
/// [`ErrorKind::Damaged`] with the offset; [`ErrorKind::Io`]; [`ErrorKind::Resource`].
pub fn load<R: Read>(
    engine: &Engine,
    reader: &mut FileReader<R>,
    options: LoadOptions,
    journal: Option<&dyn Fn() -> Box<dyn Journal>>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<LoadReport, Error> {
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for index in 0..options.threads.max(1) {
            let (send, receive) = sync_channel(BATCHES_WAITING);
            let worker = Worker {
                engine: engine.clone(),
                journal: journal.map(|journal| journal()),
                options,
            };
            let thread = thread::Builder::new()
                .name(format!("zumic-load-{index}"))
                .spawn_scoped(scope, move || worker.run(&receive))
                .context(ErrorKind::Resource, "starting a thread that loads")?;
            threads.push((send, thread));
        }
        let senders: Vec<_> = threads.iter().map(|(send, _)| send.clone()).collect();
        let read = hand_out(reader, senders, engine.databases(), progress);
        let mut report = LoadReport { version: reader.version(), ..LoadReport::default() };
        let mut failure = None;
        for (send, thread) in threads {
            drop(send);
            match thread.join().expect("a panic aborts the process") {
                Ok(counts) => {
                    report.keys += counts.keys;
                    report.expired += counts.expired;
                    report.empty += counts.empty;
                }
                Err(error) => failure = Some(error),
            }
        }
        // What a thread found wrong is why nothing could be handed to it.
        match (failure, read) {
            (Some(error), _) | (None, Err(error)) => return Err(error),
            (None, Ok(rest)) => {
                (report.modules, report.functions, report.notes) = rest;
            }
        }
        Ok(report)
    })
}

/// What belongs to no key: modules, functions, notes.
type Rest = (BTreeMap<String, u64>, Vec<Vec<u8>>, Vec<(String, String)>);

/// Reads the file and hands keys out in batches, to one thread after the other.
fn hand_out<R: Read>(
    reader: &mut FileReader<R>,
    senders: Vec<SyncSender<Vec<FileEntry>>>,
    databases: u16,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Rest, Error> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut rest: Rest = Rest::default();
    let (mut batch, mut bytes, mut keys) = (Vec::new(), 0, 0);
    let mut turn = senders.iter().cycle();
    while let Some(part) = reader.next_part()? {
        match part {
            Part::Aux(name, value) => rest.2.push((text(&name), text(&value))),
            Part::Entry(entry) => {
                if entry.db >= u64::from(databases) {
                    let (db, at) = (entry.db, entry.at);
                    let text = format!("database {db} at byte {at}, and there are {databases}");
                    return Err(Error::new(ErrorKind::Configuration, text));
                }
                bytes += entry.value.len();
                keys += 1;
                batch.push(entry);
            }
            Part::Function(library) => rest.1.push(library),
            Part::ModuleAux(_) => {}
            Part::ModuleValue(name) => *rest.0.entry(text(&name)).or_default() += 1,
        }
        if bytes >= BATCH_BYTES || batch.len() >= BATCH_KEYS {
            let next = turn.next().expect("at least one thread");
            // One that is gone has failed, and says why.
            if next.send(std::mem::take(&mut batch)).is_err() {
                return Ok(rest);
            }
            bytes = 0;
            progress(reader.position(), keys);
        }
    }
    let next = turn.next().expect("at least one thread");
    let _ = next.send(batch);
    progress(reader.position(), keys);
    Ok(rest)
}

/// A thread that decodes and stores.
struct Worker {
    engine: Engine,
    journal: Option<Box<dyn Journal>>,
    options: LoadOptions,
}

impl Worker {
    fn run(self, batches: &Receiver<Vec<FileEntry>>) -> Result<Counts, Error> {
        let mut session = self.engine.session();
        let LoadOptions { now_ms, replace, .. } = self.options;
        let is_written = replace || self.journal.is_some();
        if let Some(journal) = self.journal {
            session.set_journal(journal);
        }
        let mut counts = Counts::default();
        while let Ok(batch) = batches.recv() {
            let rules = session.enter(now_ms).rules();
            let mut left = batch.as_slice();
            let mut tries = 0;
            while !left.is_empty() {
                let mut turn = session.enter(now_ms);
                let done = store(&mut turn, left, &rules, (is_written, replace), &mut counts)?;
                drop(turn);
                tries = if done > 0 { 0 } else { tries + 1 };
                if tries > TRIES_MAX {
                    return Err(Error::new(ErrorKind::Resource, "a key is held for too long"));
                }
                if done < left.len() {
                    thread::sleep(std::time::Duration::from_millis(1));
                }
                left = &left[done..];
            }
        }
        Ok(counts)
    }
}

/// Stores keys; answers how many, which is less than all when one has to wait.
fn store(
    turn: &mut Turn<'_>,
    entries: &[FileEntry],
    rules: &Rules,
    (is_written, replace): (bool, bool),
    counts: &mut Counts,
) -> Result<usize, Error> {
    for (index, entry) in entries.iter().enumerate() {
        if entry.expire_at_ms.is_some_and(|deadline| deadline < turn.now_ms()) {
            counts.expired += 1;
            continue;
        }
        let loaded = match decode(entry.type_byte, &entry.value, rules) {
            Ok(loaded) => loaded,
            Err(damage) if damage.flaw == Flaw::Empty => {
                counts.empty += 1;
                continue;
            }
            Err(damage) => return Err(flawed(entry, &damage.to_string())),
        };
        let db = u16::try_from(entry.db).expect("compared when it was read");
        let (key, deadline) = (entry.key.as_slice(), entry.expire_at_ms);
        if !is_written {
            if !turn.load(db, key, loaded, deadline, entry.access) {
                return Err(flawed(entry, "the key is there twice"));
            }
        } else {
            let mut scope = Scope { db, ..Scope::default() };
            let stored = turn.with(&mut scope, &mut Discard, |context| {
                context.put_loaded(db, key, &loaded, deadline, replace)?;
                entry.access.map_or(Ok(()), |access| context.set_access(key, access))
            });
            match stored {
                Ok(()) => {}
                Err(Halt::Error(error)) => return Err(flawed(entry, &error.to_string())),
                Err(_) => return Ok(index),
            }
        }
        counts.keys += 1;
    }
    Ok(entries.len())
}

fn flawed(entry: &FileEntry, what: &str) -> Error {
    let key = entry.key.escape_ascii().to_string();
    let key: String = key.chars().take(100).collect();
    let text = format!("key \"{key}\" at byte {}: {what}", entry.at);
    Error::new(ErrorKind::Damaged, text)
}
