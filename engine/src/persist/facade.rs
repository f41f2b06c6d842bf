//! Keeps an engine's data on a disk: the log of what happens, and its recovery.
//!
//! Why it exists: a host opens one of these on a directory before it serves, gives every session
//! its journal, and asks which epoch is durable before it lets a reply go. Everything else (epochs,
//! blocks, syncs, files) happens on threads of its own. Not for sockets or settings: the host's.
//!
//! ```
//! use std::sync::Arc;
//! use engine::Engine;
//! use engine::persist::{Directory, Fsync, Options, Persistence, Progress};
//!
//! let path = std::env::temp_dir().join(format!("zumic-persist-{}", std::process::id()));
//! let disk = || Arc::new(Directory::open(&path).unwrap());
//! let options = Options { fsync: Fsync::Always, ..Options::default() };
//!
//! let engine = Engine::builder().build();
//! let log = Persistence::open(&engine, disk(), options, &Progress::default()).unwrap();
//! let mut session = engine.session();
//! session.set_journal(log.journal());
//! session.enter(1_700_000_000_000).set(0, b"greeting", b"hello").unwrap();
//! drop(session);
//! log.close().unwrap();
//! drop(log);
//!
//! let engine = Engine::builder().build();
//! let log = Persistence::open(&engine, disk(), options, &Progress::default()).unwrap();
//! let value = engine.session().enter(1_700_000_000_001).get(0, b"greeting").unwrap();
//! assert_eq!(value.as_deref(), Some(&b"hello"[..]));
//! log.close().unwrap();
//! std::fs::remove_dir_all(&path).unwrap();
//! ```

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::{io, thread};

use zumic_error::{Error, ErrorKind, ResultExt as _};

use super::log::appender::{Appender, Beginning};
use super::log::core::{Core, SessionLog};
use super::log::format::Kind;
use super::log::lane::lane;
use super::log::recover::TornTail;
use super::log::recover::{Recovered, recover};
use super::log::replay::Replay;
use super::log::thread::{LogThread, Order};
use super::meter::Meter;
use super::progress::Progress;
use super::snapshot::{
    Restored, SnapshotError, SnapshotOptions, Snapshotted, remove_older, restore, save,
};
use super::storage::{DirectoryLock, Disk};
use crate::{Engine, Journal, JournalSource};

/// The file that keeps a second process out.
const LOCK_NAME: &str = "LOCK";
/// Bytes of a session's chunks: a few of them stay in a second-level cache.
const CHUNK_BYTES: usize = 64 << 10;

/// When what was written is synced (`appendfsync`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fsync {
    /// At once; replies wait for it.
    Always = 0,
    /// Every second.
    EverySec = 1,
    /// When the kernel likes.
    No = 2,
}

/// How a log is kept.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// When it is synced.
    pub fsync: Fsync,
    /// Length of a log file, in bytes; a block that is longer gets a longer one.
    pub segment_bytes: u64,
    /// Bytes that may wait for the disk before commands that write have to wait.
    pub buffer_bytes_max: u64,
    /// Threads that do a log's effects again; `None` for as many as there are cores.
    pub replay_threads: Option<usize>,
    /// Whether a torn end of the log, which a crash leaves, is cut off and not an error.
    pub cut_torn: bool,
    /// Makes this process's files different from another's; any number.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            fsync: Fsync::EverySec,
            segment_bytes: 64 << 20,
            buffer_bytes_max: 64 << 20,
            replay_threads: None,
            cut_torn: true,
            seed: 0,
        }
    }
}

/// What a recovery found.
#[derive(Clone, Debug, Default)]
pub struct Recovery {
    /// Entries of the log that were applied.
    pub entries: u64,
    /// Entries whose epoch was not complete, which were not.
    pub dropped: u64,
    /// The last complete epoch.
    pub epoch: u64,
    /// What was cut off at the end.
    pub torn: Option<TornTail>,
    /// The epoch of the snapshot that was loaded, and its keys; zero for none.
    pub snapshot_epoch: u64,
    /// See `snapshot_epoch`.
    pub snapshot_keys: u64,
    /// Its bytes before compression.
    pub snapshot_raw_bytes: u64,
    /// Newer snapshots that are damaged, and what is wrong with them: the log reached back to the
    /// one before, so nothing is lost. They stay until a newer snapshot is there.
    pub damaged_snapshots: Vec<String>,
}

/// A reading of a log's state.
#[derive(Clone, Debug, Default)]
pub struct LogStatus {
    /// Why nothing more can be written, if that is so.
    pub fault: Option<String>,
    /// The last epoch that is on the disk.
    pub durable_epoch: u64,
    /// The last epoch that the kernel has.
    pub written_epoch: u64,
    /// Bytes of buffers that wait for the log thread.
    pub buffer_bytes: u64,
    /// Bytes of the log's files, and their number.
    pub log_bytes: u64,
    /// See `log_bytes`.
    pub segments: u64,
    /// Blocks written since the start, and their bytes.
    pub blocks: u64,
    /// See `blocks`.
    pub block_bytes: u64,
    /// Syncs since the start.
    pub syncs: u64,
    /// How long the last one took, in microseconds.
    pub sync_us_last: u64,
    /// How long the longest one took, in microseconds.
    pub sync_us_max: u64,
    /// How long an epoch waited for a turn at the most, in microseconds.
    pub epoch_wait_us_max: u64,
}

/// An engine's data on a disk. One per engine and directory.
pub struct Persistence {
    engine: Engine,
    disk: Arc<dyn Disk>,
    /// The libraries of functions that were recovered, for an engine without scripts to pass on.
    #[cfg(not(feature = "scripting"))]
    functions: Vec<u8>,
    /// Held while a snapshot is taken.
    saving: Mutex<()>,
    core: Arc<Core>,
    orders: Mutex<Sender<Order>>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
    recovery: Recovery,
    /// Dropped last: from then on another process may come.
    _lock: Box<dyn DirectoryLock>,
}

impl std::fmt::Debug for Persistence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Persistence").field("disk", &self.disk).finish_non_exhaustive()
    }
}

/// The journal of one more session.
fn journal(core: &Arc<Core>) -> Box<dyn Journal> {
    let (writer, reader) = lane(Arc::clone(&core.budget), CHUNK_BYTES);
    core.enroll(reader);
    Box::new(SessionLog::new(Arc::clone(core), writer))
}

/// Journals for the sessions of scripts.
#[derive(Debug)]
struct ForScripts(Arc<Core>);

impl JournalSource for ForScripts {
    fn make(&self) -> Box<dyn Journal> {
        journal(&self.0)
    }
}

impl Persistence {
    /// Locks the directory, loads what it holds into `engine`, which is empty, and starts the log.
    /// Blocks until that is done; `progress` tells others how far it is.
    ///
    /// # Errors
    /// [`ErrorKind::Resource`] when another process has the directory; [`ErrorKind::Damaged`], with
    /// a [`Damage`](super::Damage) as its source where it is the log's, when what was durable is
    /// not there; [`ErrorKind::Io`] as the disk says.
    pub fn open(
        engine: &Engine,
        disk: Arc<dyn Disk>,
        options: Options,
        progress: &Progress,
    ) -> Result<Self, Error> {
        let lock = disk.lock(LOCK_NAME).context(ErrorKind::Io, "locking the data directory")?;
        let Some(lock) = lock else {
            let what = format!("{} is locked by another process", disk.describe(LOCK_NAME));
            return Err(Error::new(ErrorKind::Resource, what));
        };
        let (found, restored) = recover_all(engine, &disk, options.replay_threads, progress)?;
        if let Some(torn) = found.torn.as_ref().filter(|_| !options.cut_torn) {
            return Err(Error::new(ErrorKind::Damaged, format!("the log is torn: {torn}")));
        }
        let loading = restored.loading.unwrap_or_default();
        let recovery = Recovery {
            snapshot_epoch: loading.header.epoch,
            snapshot_keys: loading.summary.keys,
            snapshot_raw_bytes: loading.summary.raw_bytes,
            damaged_snapshots: restored.damaged.iter().map(chain_of).collect(),
            entries: found.entries,
            dropped: found.dropped,
            epoch: found.complete,
            torn: found.torn.clone(),
        };
        engine.resume_at(found.highest.max(restored.newest) + 1);
        let (complete, highest) = (found.complete, found.highest);
        let appender =
            go_on(Arc::clone(&disk), options, found).context(ErrorKind::Io, "beginning the log")?;
        engine.shared.leave_epochs_to_log();
        let core = Arc::new(Core::new(options.fsync, options.buffer_bytes_max, complete));
        let (orders, inbox) = channel();
        let shared = Arc::clone(&engine.shared);
        let worker =
            LogThread::new(Arc::clone(&core), shared, appender, inbox, (complete, highest));
        let started = worker.and_then(|worker| {
            thread::Builder::new().name("zumic-log".into()).spawn(|| worker.run())
        });
        let thread = started.context(ErrorKind::Resource, "starting the log thread")?;
        core.set_thread(thread.thread().clone());
        engine.set_journals(Box::new(ForScripts(Arc::clone(&core))));
        progress.finish();
        let orders = Mutex::new(orders);
        Ok(Self {
            engine: engine.clone(),
            disk,
            #[cfg(not(feature = "scripting"))]
            functions: loading.functions,
            saving: Mutex::new(()),
            core,
            orders,
            thread: Mutex::new(Some(thread)),
            recovery,
            _lock: lock,
        })
    }

    /// What was there when this was opened.
    #[must_use]
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// The journal of one more session: see [`crate::Session::set_journal`].
    #[must_use]
    pub fn journal(&self) -> Box<dyn Journal> {
        journal(&self.core)
    }

    /// The last epoch that is on the disk, with all before it. Under [`Fsync::Always`], a reply
    /// may leave when this is the epoch it depends on, or later. Cost: a load.
    #[must_use]
    pub fn durable_epoch(&self) -> u64 {
        self.core.durable()
    }

    /// Why nothing more can be written, if that is so: the durable epoch stays where it is.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        self.core.fault()
    }

    /// What is called after the durable epoch has advanced, and on a fault; on the log thread, so
    /// it must be short.
    pub fn set_waker(&self, waker: Arc<dyn Fn() + Send + Sync>) {
        self.core.set_waker(waker);
    }

    /// Somebody waits for the current epoch to be durable, though nothing may have been written in
    /// it. Turns that wrote ring by themselves. Cost: a fence and a load while others ring, too.
    pub fn ring(&self) {
        self.core.ring();
    }

    /// When the log is synced.
    #[must_use]
    pub fn fsync_policy(&self) -> Fsync {
        self.core.fsync()
    }

    /// Changes when the log is synced. Between [`Fsync::Always`] and others, what was written
    /// before counts under the old policy.
    pub fn set_fsync_policy(&self, fsync: Fsync) {
        self.core.set_fsync(fsync);
    }

    /// Changes how many bytes may wait for the disk.
    pub fn set_buffer_bytes_max(&self, bytes: u64) {
        self.core.budget.set_limit(bytes);
    }

    /// Figures.
    #[must_use]
    pub fn log_status(&self) -> LogStatus {
        let figures = &self.core.figures;
        LogStatus {
            fault: self.core.fault(),
            durable_epoch: self.core.durable(),
            written_epoch: figures.written.get(),
            buffer_bytes: self.core.budget.used(),
            log_bytes: figures.log_bytes.get(),
            segments: figures.segments.get(),
            blocks: figures.blocks.get(),
            block_bytes: figures.block_bytes.get(),
            syncs: figures.syncs.get(),
            sync_us_last: figures.sync_us_last.get(),
            sync_us_max: figures.sync_us_max.get(),
            epoch_wait_us_max: figures.epoch_wait_us_max.get(),
        }
    }

    /// Syncs everything published so far, whatever the policy; returns the durable epoch.
    ///
    /// # Errors
    /// The fault, if there is one.
    pub fn sync(&self) -> Result<u64, Error> {
        self.order(Order::Sync).context(ErrorKind::Io, "syncing the log")
    }

    /// Lets go of log files that a durable snapshot of epoch `covered` replaces.
    ///
    /// # Errors
    /// As the disk says; a start finds out about what is left.
    pub fn trim(&self, covered: u64) -> Result<(), Error> {
        let order = |done| Order::Trim(covered, done);
        let gone = self.order(order).and_then(|gone| {
            // Here and not on the log thread: long files take long.
            gone.iter().try_for_each(|name| self.disk.remove(name))?;
            self.disk.sync_names()
        });
        gone.context(ErrorKind::Io, "trimming the log")
    }

    /// After a fault, begins a log that counts once a snapshot cut after this call is durable and
    /// [`Persistence::heal`] was called. Nothing without a fault.
    ///
    /// # Errors
    /// As the disk says; the fault stays.
    pub fn reopen(&self) -> Result<(), Error> {
        self.order(Order::Reopen).context(ErrorKind::Io, "beginning a new log")
    }

    /// The snapshot that makes the log whole is durable: ends the fault.
    ///
    /// # Errors
    /// The fault, if the new log failed meanwhile, too.
    pub fn heal(&self) -> Result<(), Error> {
        self.order(Order::Heal).context(ErrorKind::Io, "ending the log's fault")
    }

    /// Takes a snapshot while others go on; when this returns it is durable, and has replaced older
    /// ones and the log up to it. After a fault, writes are taken again from then on.
    ///
    /// Blocks until it is done: call it on a thread of its own. `meter` tells how far it is, and
    /// ends it early.
    ///
    /// # Errors
    /// [`ErrorKind::Resource`] when another one is being taken; [`ErrorKind::Io`] as the disk says
    /// or when it was abandoned: what was there before is all there still.
    pub fn snapshot(&self, options: &SnapshotOptions, meter: &Meter) -> Result<Snapshotted, Error> {
        let Ok(_saving) = self.saving.try_lock() else {
            return Err(Error::new(ErrorKind::Resource, "another snapshot is being taken"));
        };
        let was_faulty = self.fault().is_some();
        if was_faulty {
            self.reopen()?;
        } else {
            self.order(Order::Rotate).context(ErrorKind::Io, "beginning a segment of the log")?;
        }
        #[cfg(feature = "scripting")]
        let functions = || self.engine.dump_functions();
        #[cfg(not(feature = "scripting"))]
        let functions = || self.functions.clone();
        let saved = save(&self.engine, &*self.disk, options, &functions, meter);
        let done = saved.map_err(|error| match error {
            SnapshotError::Io(error) => {
                Error::with_source(ErrorKind::Io, "writing a snapshot", error)
            }
            abandoned => Error::new(ErrorKind::Io, abandoned.to_string()),
        })?;
        if was_faulty {
            self.heal()?;
        }
        self.trim(done.header.epoch)?;
        remove_older(&*self.disk, done.header.epoch);
        Ok(done)
    }

    /// Writes and syncs everything, and ends. Sessions have ended, or at least their turns.
    ///
    /// # Errors
    /// The fault, if there is one: not everything is durable then.
    pub fn close(&self) -> Result<(), Error> {
        let result = self.order(Order::Close).context(ErrorKind::Io, "closing the log");
        self.join();
        result
    }

    fn order<T>(&self, order: impl FnOnce(Sender<io::Result<T>>) -> Order) -> io::Result<T> {
        let (done, result) = channel();
        let sent = self.orders.lock().unwrap_or_else(PoisonError::into_inner).send(order(done));
        let gone = || io::Error::other("the log thread has ended");
        sent.map_err(|_| gone())?;
        self.core.urge();
        result.recv().map_err(|_| gone())?
    }

    fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            thread.join().expect("the log thread does not panic");
        }
    }
}

impl Drop for Persistence {
    /// Writes what is published, as well as it goes.
    fn drop(&mut self) {
        // Closed already, or the thread has ended by itself.
        let _ = self.order(Order::Close);
        self.join();
    }
}

/// Loads the newest whole snapshot, and what the log has beyond it.
fn recover_all(
    engine: &Engine,
    disk: &Arc<dyn Disk>,
    threads: Option<usize>,
    progress: &Progress,
) -> Result<(Recovered, Restored), Error> {
    let mut restored = restore(engine, disk, progress)?;
    let covered = restored.loading.as_ref().map_or(0, |loading| loading.header.epoch);
    #[cfg(feature = "scripting")]
    if let Some(loading) = restored.loading.as_ref().filter(|it| !it.functions.is_empty()) {
        let restored = engine.restore_functions(&loading.functions);
        let what = |error| format!("loading the libraries of functions in a snapshot: {error}");
        restored.map_err(|error| Error::new(ErrorKind::Damaged, what(error)))?;
    }
    let mut replay = Replay::start(engine, threads)?;
    let found = recover(&**disk, covered, progress, &mut replay);
    let found = replay.finish().and(found);
    match (found, restored.damaged.is_empty()) {
        (Ok(found), true) => Ok((found, restored)),
        // A log that is there goes back to what was loaded, or `recover` would have refused.
        (Ok(found), false) if !found.older.is_empty() => Ok((found, restored)),
        (Err(error), true) => Err(error),
        (_, false) => {
            let newest = restored.damaged.swap_remove(0);
            Err(newest.context("the log does not reach back to the snapshot before it"))
        }
    }
}

/// An error with what caused it, in one line.
fn chain_of(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Begins a segment behind what was found.
fn go_on(disk: Arc<dyn Disk>, options: Options, found: Recovered) -> io::Result<Appender> {
    // Newest first: if the process ends in between, what is left has no gap.
    for name in found.void.iter().rev() {
        disk.remove(name)?;
    }
    // What the process before wrote may not be synced, and counts from now on.
    for segment in &found.older {
        disk.open(&segment.name)?.sync()?;
    }
    disk.sync_names()?;
    let Recovered { older, last, spares, complete, highest, .. } = found;
    let mut appender =
        Appender::new(disk, options.segment_bytes, options.seed, older, last, spares);
    let beginning = Beginning { kind: Kind::Restart, base: complete, highest, synced: complete };
    appender.begin(beginning)?;
    Ok(appender)
}
