//! Does the effects of a log again, on an engine that nobody else uses yet, with all cores.
//!
//! With one core there is one thread, the caller's: dealing out would only copy.
//!
//! Why it exists: the log holds commands, so the handlers that ran them first run them again, at
//! the time they ran at. What one effect does depends on its own key alone, so keys are dealt out
//! to threads by their hash, and each thread gets its keys' effects in their order. Not for the
//! order itself: see `recover`.
//!
//! Invariants
//! - Y1: all effects of a key go to one thread, in the order they came in.
//! - Y2: an effect of several keys, or of a whole database, happens when everything before it has
//!   happened and before anything behind it does.

use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64;
use zumic_error::{Error, ErrorKind, ResultExt as _};

use super::entry::{Entry, LoggedEffect};
use super::recover::Receive;
use crate::Ahead;
use crate::commands::{Flags, lookup};
use crate::{Engine, Session, Tid, Turn};

/// A thread gets its effects in portions of about this many bytes.
const BATCH_BYTES: usize = 256 << 10;
/// Portions that wait for a thread, at most: what bounds the memory.
const BATCHES_WAITING: usize = 3;
/// Keys whose places are fetched ahead of their effects.
const AHEAD: usize = 32;
/// More threads than this wait for the one that reads.
const THREADS_MAX: usize = 16;

/// An effect's words.
type Words<'b> = SmallVec<[&'b [u8]; 8]>;

/// A portion of effects.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    items: Vec<Item>,
}

/// An effect in a portion: where its words are, and its key.
#[derive(Clone, Copy)]
struct Item {
    tid: Tid,
    now_ms: u64,
    start: usize,
    key: (usize, usize),
}

/// An effect about to happen.
struct Step<'b> {
    tid: Tid,
    now_ms: u64,
    db: u16,
    words: Words<'b>,
    /// Its key, if it has one only.
    key: Option<&'b [u8]>,
}

/// Effects whose keys are fetched together.
type Group<'b> = SmallVec<[Step<'b>; AHEAD]>;

enum Job {
    /// Effects to do.
    Batch(Batch),
    /// Everything before is done when this is answered.
    Barrier(SyncSender<()>),
}

/// One thread's end.
struct Worker {
    jobs: SyncSender<Job>,
    thread: JoinHandle<()>,
    batch: Batch,
}

/// The first thing that went wrong on any thread.
type Failure = Arc<Mutex<Option<Error>>>;

/// Does entries again, as they come.
pub(crate) struct Replay {
    /// None when the caller's thread does it all.
    workers: Vec<Worker>,
    /// Portions that were done, to be filled again.
    empty: Receiver<Batch>,
    /// For effects that happen alone, or all of them.
    session: Session,
    failure: Failure,
}

impl Replay {
    /// Starts `threads` threads, or as many as the machine has cores.
    ///
    /// # Errors
    /// When a thread cannot be had.
    pub(crate) fn start(engine: &Engine, threads: Option<usize>) -> Result<Self, Error> {
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        let threads = threads.unwrap_or_else(cores).clamp(1, THREADS_MAX);
        let failure = Failure::default();
        let (done, empty) = channel();
        let mut workers = Vec::new();
        for number in (0..threads).filter(|_| threads > 1) {
            let (jobs, inbox) = sync_channel(BATCHES_WAITING);
            let (session, done) = (engine.session(), done.clone());
            let failure = Arc::clone(&failure);
            let work = move || {
                let mut session = session;
                for job in inbox {
                    match job {
                        Job::Batch(batch) => {
                            if let Err(error) = apply(&mut session, &batch) {
                                note(&failure, error);
                            }
                            // Nobody takes it back at the end.
                            let _ = done.send(batch);
                        }
                        Job::Barrier(answer) => answer.send(()).unwrap_or_default(),
                    }
                }
            };
            let named = thread::Builder::new().name(format!("zumic-replay-{number}"));
            let thread = named.spawn(work).context(ErrorKind::Resource, "replaying the log")?;
            workers.push(Worker { jobs, thread, batch: Batch::default() });
        }
        Ok(Self { workers, empty, session: engine.session(), failure })
    }

    /// Waits until everything is done.
    ///
    /// # Errors
    /// The first effect that could not be done again.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        (0..self.workers.len()).for_each(|worker| self.hand_over(worker));
        for Worker { jobs, thread, .. } in self.workers {
            drop(jobs);
            thread.join().expect("replay does not panic");
        }
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.take().map_or(Ok(()), Err)
    }

    /// Gives a thread what was gathered for it.
    fn hand_over(&mut self, worker: usize) {
        let worker = &mut self.workers[worker];
        if worker.batch.items.is_empty() {
            return;
        }
        let mut fresh = self.empty.try_recv().unwrap_or_default();
        fresh.bytes.clear();
        fresh.items.clear();
        let batch = std::mem::replace(&mut worker.batch, fresh);
        worker.jobs.send(Job::Batch(batch)).expect("the thread ends after its sender");
    }

    /// Y2: waits until all threads have done what they were given.
    fn settle(&mut self) {
        (0..self.workers.len()).for_each(|worker| self.hand_over(worker));
        let (answer, answers) = sync_channel(self.workers.len());
        for worker in &self.workers {
            let barrier = Job::Barrier(answer.clone());
            worker.jobs.send(barrier).expect("the thread ends after its sender");
        }
        drop(answer);
        answers.iter().for_each(drop);
    }
}

impl Receive for Replay {
    fn expect_keys(&mut self, db: u64, keys: u64) {
        self.session.enter(0).reserve(db, keys);
    }

    fn entries(&mut self, entries: &[Entry<'_>]) -> Result<(), Error> {
        if self.workers.is_empty() {
            return apply_here(&mut self.session, entries);
        }
        entries.iter().try_for_each(|&entry| self.entry(entry))
    }

    fn entry(&mut self, entry: Entry<'_>) -> Result<(), Error> {
        let Entry { tid, now_ms, .. } = entry;
        for effect in entry.effects() {
            let words: Words<'_> = effect.words().collect();
            let Some(key) = own_key(&words) else {
                self.settle();
                let mut turn = self.session.enter(now_ms);
                redo(&mut turn, &Step { tid, now_ms, db: effect.db, words, key: None })?;
                continue;
            };
            // The upper half, as a map's own hash of the key uses other bits, and another seed.
            let hash = xxh3_64(words[key]) >> 32;
            let worker = usize::try_from(hash).expect("32 bits") % self.workers.len();
            let batch = &mut self.workers[worker].batch;
            let start = batch.bytes.len();
            let key = effect.append_to(key, &mut batch.bytes);
            batch.items.push(Item { tid, now_ms, start, key });
            if batch.bytes.len() >= BATCH_BYTES {
                self.hand_over(worker);
                if let Some(error) =
                    self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
                {
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}

/// Which of the words is the only key; `None` when the effect is of several or of all keys.
fn own_key(words: &[&[u8]]) -> Option<usize> {
    match (words[0], words.len()) {
        (b"SET" | b"DEL" | b"INCR" | b"PEXPIREAT", 2..)
            if words[0] != b"DEL" || words.len() == 2 =>
        {
            return Some(1);
        }
        _ => {}
    }
    let row = lookup(words[0])?;
    let row = match words.get(1) {
        Some(name) if !row.subcommands.is_empty() => row.subcommand(name)?,
        _ => row,
    };
    if row.flags.intersects(Flags::EXCLUSIVE.or(Flags::WHOLE)) || row.cross_db.is_some() {
        return None;
    }
    let mut keys = row.key_positions(words);
    let key = keys.next()?;
    keys.next().is_none().then_some(key)
}

/// Does a portion again, with the places of its keys fetched ahead.
fn apply(session: &mut Session, batch: &Batch) -> Result<(), Error> {
    let mut groups = batch.items.chunks(AHEAD).peekable();
    while let Some(first) = groups.peek() {
        let mut turn = session.enter(first[0].now_ms);
        while !turn.is_long()
            && let Some(group) = groups.next()
        {
            apply_group(&mut turn, batch, group)?;
        }
    }
    Ok(())
}

fn apply_group(turn: &mut Turn<'_>, batch: &Batch, group: &[Item]) -> Result<(), Error> {
    let group: Group<'_> = group
        .iter()
        .map(|&Item { tid, now_ms, start, key }| {
            let mut bytes = &batch.bytes[start..];
            let effect = LoggedEffect::take(&mut bytes).expect("it was one before");
            let key = Some(&batch.bytes[key.0..key.1]);
            Step { tid, now_ms, db: effect.db, words: effect.words().collect(), key }
        })
        .collect();
    redo_all(turn, &group)
}

/// Does entries again, one after the other.
fn apply_here(session: &mut Session, entries: &[Entry<'_>]) -> Result<(), Error> {
    let effects =
        entries.iter().flat_map(|entry| entry.effects().map(move |effect| (entry, effect)));
    let mut steps = effects.map(|(&Entry { tid, now_ms, .. }, effect)| {
        let words: Words<'_> = effect.words().collect();
        let key = own_key(&words).map(|at| words[at]);
        Step { tid, now_ms, db: effect.db, words, key }
    });
    loop {
        let mut turn = session.enter(0);
        while !turn.is_long() {
            let group: Group<'_> = steps.by_ref().take(AHEAD).collect();
            if group.is_empty() {
                return Ok(());
            }
            redo_all(&mut turn, &group)?;
        }
    }
}

/// Does effects again, with the places of their keys fetched first.
fn redo_all(turn: &mut Turn<'_>, group: &[Step<'_>]) -> Result<(), Error> {
    let databases = turn.shared().databases.len();
    let ahead: SmallVec<[Ahead<'_>; AHEAD]> = group
        .iter()
        .filter(|step| usize::from(step.db) < databases)
        .filter_map(|step| Some(Ahead { db: step.db, key: step.key?, value: false, element: None }))
        .collect();
    turn.prefetch(&ahead);
    group.iter().try_for_each(|step| redo(turn, step))
}

/// Does one effect again.
fn redo(turn: &mut Turn<'_>, step: &Step<'_>) -> Result<(), Error> {
    let Step { tid, now_ms, db, words, .. } = step;
    turn.replay(*db, *now_ms, words).map_err(|error| {
        let name = words.first().map_or("", |name| str::from_utf8(name).unwrap_or("?"));
        let what = format!("the log's {name} of epoch {}", tid.epoch());
        Error::with_source(ErrorKind::Damaged, what, error)
    })
}

/// Keeps the first failure.
fn note(failure: &Failure, error: Error) {
    failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
}
