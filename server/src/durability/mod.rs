//! Persistent mode: recovery, the log and the snapshots, as the server sees them.
//!
//! Why it exists: the engine knows how to log, to snapshot and to recover; when that happens, who
//! waits for it, what is refused meanwhile and what is reported are the server's. In memory mode
//! none of this exists: no thread, no file, one `None` per reactor.
//!
//! Reading order: `view` (what a reactor looks at), `worker` (the thread that recovers at the
//! start and has snapshots written later), `books` (which snapshot when), `loading` (progress),
//! `commands`, `info`. Replies are held back by `gate` beside this module.
//!
//! Invariants
//! - R1: a reactor runs commands that need data only after its session has its journal, and it
//!   gets that only when recovery has ended.
//! - R2: no reactor runs one before all have theirs: a client that was told of the end of
//!   recovery on one connection is not told otherwise on another.
//! - R3: the log is closed after the last session is gone, so what was acknowledged is in it.
//!
//! Ordering edges
//! - `loaded`: a reactor's count (Release) -> any look (Acquire). Carries nothing but the number.

mod books;
mod commands;
mod info;
mod loading;
mod view;
mod worker;

use std::sync::mpsc::Sender;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use engine::Journal;
use engine::persist::snapshot::Snapshotted;
use engine::persist::{Fsync, Meter, Persistence};
use engine::sync::{AtomicBool, AtomicUsize, Counter, Ordering};
use zumic_error::CommandError;

pub(crate) use self::books::{Asked, Purpose, Waiter};
pub(crate) use self::commands::run;
pub(crate) use self::info::write as write_info;
pub(crate) use self::loading::Loading;
pub(crate) use self::view::{LogView, Standing};
pub(crate) use self::worker::start;

use self::books::Books;
use crate::clock;
use crate::settings::{AppendFsync, DurabilitySettings, Settings};
use crate::shared::Shared;

/// How often the main thread looks whether a shutdown was called off.
const ABORT_LOOK: Duration = Duration::from_millis(10);
/// How often a thread looks whether what it waits for is on disk.
const DISK_LOOK: Duration = Duration::from_millis(1);

/// What the reactors, the durability thread and the main thread share.
#[derive(Debug)]
pub(crate) struct Durability {
    /// Set when recovery has ended.
    persistence: OnceLock<Persistence>,
    /// Reactors that do not have their journal yet; counts once `persistence` is set.
    missing: AtomicUsize,
    loading: Loading,
    books: Mutex<Books>,
    /// How far the running snapshot is.
    meter: Meter,
    /// The last snapshot that worked since the start.
    last: Mutex<Option<Snapshotted>>,
    /// Bytes of the newest snapshot's file.
    base_bytes: Counter,
    /// The same before compression: what the log, which is not compressed, has to be as long as
    /// for a start to take twice the time.
    base_raw_bytes: Counter,
    /// The journal of the background work, until that takes it.
    maintenance: Mutex<Option<Box<dyn Journal>>>,
    /// To the durability thread: look at the books.
    bell: Mutex<Option<Sender<()>>>,
    /// The last snapshot of the `save` rules, or of SAVE, failed.
    save_failed: AtomicBool,
    /// The main thread waits for a snapshot before it ends the server.
    ending: AtomicBool,
}

impl Default for Durability {
    fn default() -> Self {
        Self {
            persistence: OnceLock::new(),
            missing: AtomicUsize::new(0),
            loading: Loading::default(),
            books: Mutex::new(Books::new(Instant::now(), clock::unix_time().as_secs())),
            meter: Meter::default(),
            last: Mutex::default(),
            base_bytes: Counter::default(),
            base_raw_bytes: Counter::default(),
            maintenance: Mutex::default(),
            bell: Mutex::default(),
            save_failed: AtomicBool::new(false),
            ending: AtomicBool::new(false),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is half-done behind a poisoned lock: a panic ends the process.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Durability {
    /// How far the running snapshot is.
    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// The engine's side, once recovery has ended.
    fn persistence(&self) -> Option<&Persistence> {
        self.persistence.get()
    }

    /// Whether recovery has ended.
    #[must_use]
    pub(crate) fn is_loaded(&self) -> bool {
        self.persistence().is_some()
    }

    /// Recovery has ended; so many reactors are about to get their journals.
    fn begin(&self, persistence: Persistence, reactors: usize) {
        // ORDER(loaded): Relaxed; the store of `persistence` publishes it.
        self.missing.store(reactors, Ordering::Relaxed);
        assert!(self.persistence.set(persistence).is_ok(), "recovery happens once");
    }

    /// A reactor has its journal.
    pub(crate) fn join(&self) {
        // ORDER(loaded): Release; see the header.
        self.missing.fetch_sub(1, Ordering::Release);
    }

    /// Whether commands that need data run (R2).
    #[must_use]
    pub(crate) fn is_open(&self) -> bool {
        // ORDER(loaded): Acquire; see the header.
        self.is_loaded() && self.missing.load(Ordering::Acquire) == 0
    }

    /// Everything up to this epoch is on disk.
    #[must_use]
    pub(crate) fn durable_epoch(&self) -> u64 {
        self.persistence().map_or(0, Persistence::durable_epoch)
    }

    /// Waits until everything up to `epoch` is on disk, if replies do; for threads that are no
    /// reactors. False when that will not be: the log stopped, or the server does.
    pub(crate) fn await_disk(&self, epoch: u64, shared: &Shared) -> bool {
        while shared.settings.load().durability.fsync == AppendFsync::Always
            && self.durable_epoch() < epoch
        {
            if self.fault().is_some() || shared.is_stopping() {
                return false;
            }
            self.hurry();
            std::thread::sleep(DISK_LOOK);
        }
        true
    }

    /// Says that somebody waits for the current epoch.
    pub(crate) fn hurry(&self) {
        if let Some(persistence) = self.persistence() {
            persistence.ring();
        }
    }

    /// Why the log stopped, if it did.
    #[must_use]
    pub(crate) fn fault(&self) -> Option<String> {
        self.persistence().and_then(Persistence::fault)
    }

    /// Which commands may run. Cost: two loads while all is well.
    #[must_use]
    pub(crate) fn standing(&self, settings: &Settings) -> Standing {
        let Some(persistence) = self.persistence().filter(|_| self.is_open()) else {
            return Standing::Loading;
        };
        let settings = &settings.durability;
        if persistence.fault().is_some() {
            Standing::Stopped
        } else if settings.stop_writes_on_save_error
            && !settings.save.is_empty()
            && self.has_save_failed()
        {
            Standing::SnapshotFailed
        } else {
            Standing::Normal
        }
    }

    /// Unix time of the last snapshot that worked, or of the start.
    #[must_use]
    pub(crate) fn saved_at_s(&self) -> u64 {
        lock(&self.books).saved_at_s()
    }

    /// Asks for a snapshot; the thread does it.
    ///
    /// # Errors
    /// Redis's complaint about what runs already.
    pub(crate) fn ask(
        &self,
        purpose: Purpose,
        schedule: bool,
        waiter: Option<Waiter>,
    ) -> Result<Asked, CommandError> {
        let asked = lock(&self.books).ask(purpose, schedule, waiter)?;
        self.ring();
        Ok(asked)
    }

    fn ring(&self) {
        if let Some(bell) = &*lock(&self.bell) {
            // The thread has ended: nobody is served any more.
            let _ = bell.send(());
        }
    }

    /// Passes settings on to the log.
    pub(crate) fn apply(&self, settings: &DurabilitySettings) {
        if let Some(persistence) = self.persistence() {
            persistence.set_fsync_policy(fsync(settings.fsync));
        }
    }

    /// Has a snapshot written and waits for it, before the server ends. False when it failed, or
    /// when somebody called the shutdown off.
    pub(crate) fn save_and_wait(&self) -> bool {
        self.set_ending(true);
        let before = lock(&self.books).tally(Purpose::Save);
        let asked = self.ask(Purpose::Save, true, Some(Waiter::Main));
        let mut ok = asked.is_ok();
        while ok {
            std::thread::sleep(ABORT_LOOK);
            if !self.is_ending() {
                ok = false;
            }
            let now = lock(&self.books).tally(Purpose::Save);
            if now.done > before.done {
                break;
            }
            ok &= now.failures == before.failures;
        }
        self.set_ending(false);
        ok
    }

    /// Calls a shutdown off that has not happened yet; false when there is none.
    pub(crate) fn abort_shutdown(&self) -> bool {
        // ORDER: Relaxed (unpaired); a flag that the main thread polls.
        self.ending.swap(false, Ordering::Relaxed)
    }

    /// A journal for one more session, once recovery has ended.
    #[must_use]
    pub(crate) fn journal(&self) -> Option<Box<dyn Journal>> {
        self.persistence().map(Persistence::journal)
    }

    /// The journal of the background work, once recovery has ended: given out once.
    pub(crate) fn take_maintenance_journal(&self) -> Option<Box<dyn Journal>> {
        lock(&self.maintenance).take()
    }

    fn note_save(&self, ok: bool) {
        // ORDER: Relaxed (unpaired); as in `has_save_failed`.
        self.save_failed.store(!ok, Ordering::Relaxed);
    }

    fn has_save_failed(&self) -> bool {
        // ORDER: Relaxed (unpaired); a report, which a command may see one turn late.
        self.save_failed.load(Ordering::Relaxed)
    }

    fn set_ending(&self, ending: bool) {
        // ORDER: Relaxed (unpaired); as in `abort_shutdown`.
        self.ending.store(ending, Ordering::Relaxed);
    }

    fn is_ending(&self) -> bool {
        // ORDER: Relaxed (unpaired); as in `abort_shutdown`.
        self.ending.load(Ordering::Relaxed)
    }
}

/// The engine's word for a policy.
fn fsync(policy: AppendFsync) -> Fsync {
    match policy {
        AppendFsync::Always => Fsync::Always,
        AppendFsync::EverySec => Fsync::EverySec,
        AppendFsync::No => Fsync::No,
    }
}
