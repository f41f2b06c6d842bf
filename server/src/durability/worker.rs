//! The durability thread: recovery at the start, then snapshots when the books say so.
//!
//! Why it exists: recovery takes seconds, and the main thread has to hear signals meanwhile, as the
//! reactors have to answer `-LOADING`. Afterwards somebody has to look at the `save` rules and at
//! the log's growth, and to tell who waits that a snapshot is there. Not the writing itself: the
//! log has a thread of its own, and so has each snapshot.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{fs, io};

use engine::persist::snapshot::SnapshotOptions;
use engine::persist::zdb::Compression;
use engine::persist::{Directory, Options, Persistence};
use zumic_error::{CommandError, DurabilityError, Error, ErrorKind, ResultExt};

use super::{Durability, Purpose, Waiter, fsync, lock};
use crate::clock;
use crate::fill;
use crate::settings::Settings;
use crate::shared::{Message, Shared, Stop};

/// Between two looks at the rules.
const IDLE: Duration = Duration::from_millis(100);

/// The thread, as the main thread has it; nothing in memory mode.
#[derive(Debug)]
pub(crate) struct Worker {
    running: Option<(JoinHandle<()>, Arc<Durability>)>,
}

/// Starts the thread. `ready` is called when the data is there: at once in memory mode.
///
/// # Errors
/// The system has no thread to give.
pub(crate) fn start(
    shared: &Arc<Shared>,
    ready: impl FnOnce(&Shared) + Send + 'static,
) -> io::Result<Worker> {
    let Some(durability) = shared.durability.clone() else {
        ready(shared);
        return Ok(Worker { running: None });
    };
    let (bell, rung) = channel();
    *lock(&durability.bell) = Some(bell);
    let own = Arc::clone(shared);
    let thread = thread::Builder::new().name("zumic-durability".to_owned()).spawn(move || {
        let durability = own.durability.as_ref().expect("it was there a moment ago");
        match recover(&own, durability) {
            Ok(()) => {
                ready(&own);
                attend(&own, durability, &rung);
            }
            // The main thread ends the server; it may be doing so already.
            Err(error) => drop(own.stop.send(Stop::Failed(error))),
        }
    })?;
    Ok(Worker { running: Some((thread, durability)) })
}

impl Worker {
    /// Ends the thread and closes the log; the sessions are gone. A recovery under way is left
    /// alone: it ends with the process, and has changed nothing on disk.
    ///
    /// # Errors
    /// Not everything that was acknowledged could be brought to the disk.
    pub(crate) fn end(self) -> Result<(), Error> {
        let Some((thread, durability)) = self.running else { return Ok(()) };
        lock(&durability.bell).take();
        if !durability.is_loaded() {
            return Ok(());
        }
        durability.meter.abandon();
        // It aborts the process if it panics.
        drop(thread.join());
        durability.persistence().map_or(Ok(()), Persistence::close)
    }
}

/// Loads what the directory holds, and starts the log.
fn recover(shared: &Arc<Shared>, durability: &Durability) -> Result<(), Error> {
    let settings = shared.settings.load();
    let directory = &settings.durability.dir;
    let shown = directory.display();
    fs::create_dir_all(directory)
        .context(ErrorKind::Io, format!("making the data directory {shown}"))?;
    let disk = Directory::open(directory)
        .context(ErrorKind::Io, format!("opening the data directory {shown}"))?;
    let engine = shared.admin.engine();
    let mut seed = [0; 8];
    getrandom::fill(&mut seed)
        .map_err(io::Error::other)
        .context(ErrorKind::Resource, "drawing a random number")?;
    let options = options(&settings, u64::from_ne_bytes(seed));
    let opened = durability.loading.run(|progress| {
        let persistence = Persistence::open(engine, Arc::new(disk), options, progress)?;
        if let Some(rdb) = &settings.durability.rdb {
            let how = (durability, &snapshot_options(&settings));
            fill::fill_directory(engine, rdb, (&persistence, progress), how)?;
        }
        Ok::<_, Error>(persistence)
    });
    let persistence =
        opened.map_err(|error| error.context(format!("loading the data in {shown}")))?;
    report(&persistence, durability.loading.elapsed());
    durability.base_bytes.set(newest_snapshot_bytes(directory));
    durability.base_raw_bytes.set(persistence.recovery().snapshot_raw_bytes);
    let waking = Arc::downgrade(shared);
    persistence.set_waker(Arc::new(move || wake(&waking)));
    *lock(&durability.maintenance) = Some(persistence.journal());
    durability.begin(persistence, shared.reactors.len());
    for reactor in &shared.reactors {
        let journal = durability.journal().expect("set a moment ago");
        reactor.send(Message::Loaded(journal));
    }
    Ok(())
}

fn options(settings: &Settings, seed: u64) -> Options {
    let durability = &settings.durability;
    Options {
        fsync: fsync(durability.fsync),
        buffer_bytes_max: durability.buffer_bytes_max,
        cut_torn: durability.load_truncated,
        seed,
        ..Options::default()
    }
}

/// Says what recovery found.
fn report(persistence: &Persistence, took: Duration) {
    let found = persistence.recovery();
    tracing::info!(
        "loaded {} entries of the log up to epoch {} in {:.3} s",
        found.entries,
        found.epoch,
        took.as_secs_f64()
    );
    if let Some(torn) = &found.torn {
        tracing::warn!("the log was torn: {torn}; {} entries were not complete", found.dropped);
    }
}

/// Wakes the reactors that wait for what is durable now; all, when nothing will be any more.
fn wake(shared: &Weak<Shared>) {
    let Some(shared) = shared.upgrade() else { return };
    let Some(persistence) = shared.durability.as_ref().and_then(|own| own.persistence()) else {
        return;
    };
    let durable = persistence.durable_epoch();
    let faulty = persistence.fault().is_some();
    for reactor in &shared.reactors {
        if reactor.awaited.reached(durable) || faulty {
            reactor.wake();
        }
    }
}

/// Does what the books ask for until the server ends.
fn attend(shared: &Shared, durability: &Durability, rung: &Receiver<()>) {
    loop {
        match rung.recv_timeout(IDLE) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let settings = shared.settings.load();
        follow_rules(shared, durability, &settings);
        let begun = lock(&durability.books).begin(Instant::now(), shared.admin.stats().changes());
        if let Some(purpose) = begun {
            run(shared, durability, &settings, purpose);
        }
    }
}

/// Looks whether a rule asks for a snapshot.
fn follow_rules(shared: &Shared, durability: &Durability, settings: &Settings) {
    let Some(persistence) = durability.persistence() else { return };
    let status = persistence.log_status();
    let asked = lock(&durability.books).follow_rules(
        &settings.durability,
        Instant::now(),
        shared.admin.stats().changes(),
        (status.log_bytes, durability.base_raw_bytes.get()),
    );
    match asked {
        Some(Purpose::Rewrite) => tracing::info!("the log has grown: writing a snapshot"),
        Some(Purpose::Save) => tracing::info!("a 'save' rule is met: writing a snapshot"),
        None => {}
    }
}

/// Has a snapshot written, and notes how it went.
fn run(shared: &Shared, durability: &Durability, settings: &Settings, purpose: Purpose) {
    let Some(persistence) = durability.persistence() else { return };
    let began = Instant::now();
    let result = persistence.snapshot(&snapshot_options(settings), &durability.meter);
    let ok = result.is_ok();
    match result {
        Ok(done) => {
            tracing::info!(
                "snapshot of {} keys up to epoch {} written in {:.3} s: {} bytes",
                done.summary.keys,
                done.header.epoch,
                began.elapsed().as_secs_f64(),
                done.summary.file_bytes
            );
            *lock(&durability.last) = Some(done);
            durability.base_bytes.set(done.summary.file_bytes);
            durability.base_raw_bytes.set(done.summary.raw_bytes);
        }
        Err(error) => tracing::warn!("the snapshot failed: {error}"),
    }
    let (now, unix_s) = (Instant::now(), clock::unix_time().as_secs());
    if purpose == Purpose::Save {
        durability.note_save(ok);
    }
    let waiters = lock(&durability.books).finish(ok, now, unix_s);
    for waiter in waiters {
        if let Waiter::Client(reactor, id) = waiter {
            let failed = CommandError::Durability(DurabilityError::SaveFailed);
            let answer = if ok { Ok("OK") } else { Err(failed) };
            shared.reactors[reactor].send(Message::Answer(id, answer, 0));
        }
    }
}

fn snapshot_options(settings: &Settings) -> SnapshotOptions {
    let durability = &settings.durability;
    let compression = match durability.compression {
        true => Compression::Zstd(durability.compression_level),
        false => Compression::None,
    };
    SnapshotOptions { compression, created_ms: clock::now_ms(), ..SnapshotOptions::default() }
}

/// Bytes of the newest snapshot of a directory; 0 without one.
fn newest_snapshot_bytes(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let snapshots = entries.filter_map(|entry| {
        let entry = entry.ok()?;
        let name = entry.file_name().into_string().ok()?;
        (name.ends_with(".zdb")).then_some((name, entry))
    });
    let newest = snapshots.max_by(|a, b| a.0.cmp(&b.0));
    newest.and_then(|(_, entry)| entry.metadata().ok()).map_or(0, |about| about.len())
}
