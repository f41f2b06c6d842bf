//! Snapshots, the log behind them, and what is left of both after failures.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use engine::persist::snapshot::{SnapshotOptions, snapshots_of};
use engine::persist::testing::{Event, Faults, FaultyDisk, Loss, MemoryDisk, RecordingDisk};
use engine::persist::{Disk, Fsync, Meter, Options, Persistence, Progress};
use engine::{Engine, Halt, Session};
use zumic_error::{Error, ErrorKind};

const NOW_MS: u64 = 1_700_000_000_000;
const KEYS: u64 = 5;
#[cfg(feature = "scripting")]
const LIBRARY: &[u8] =
    b"#!lua name=lib\nredis.register_function('answer', function() return 42 end)";
const OPTIONS: Options = Options {
    fsync: Fsync::Always,
    segment_bytes: 1_500,
    buffer_bytes_max: 1 << 20,
    replay_threads: None,
    cut_torn: true,
    seed: 0,
};

fn snapshot_options() -> SnapshotOptions {
    SnapshotOptions { threads: 1, created_ms: NOW_MS, ..SnapshotOptions::default() }
}

fn open(engine: &Engine, disk: &(impl Disk + Clone + 'static)) -> Result<Persistence, Error> {
    Persistence::open(engine, Arc::new(disk.clone()), OPTIONS, &Progress::default())
}

fn new_engine() -> Engine {
    Engine::builder().databases(2).seed(5).build()
}

/// Sets a key to the number of the write.
fn put(session: &mut Session, write: u64) {
    let key = format!("key:{}", write % KEYS);
    let value = write.to_string();
    while session.enter(NOW_MS).set(0, key.as_bytes(), value.as_bytes()) == Err(Halt::Busy) {
        thread::yield_now();
    }
}

/// The last write that is there; all before it must be, too.
fn last_write(engine: &Engine, context: &str) -> u64 {
    let mut session = engine.session();
    let values: Vec<u64> = (0..KEYS)
        .map(|of| {
            let value = session.enter(NOW_MS).get(0, format!("key:{of}").as_bytes());
            let value = value.expect("a string").unwrap_or_else(|| b"0".to_vec());
            String::from_utf8(value).expect("text").parse().expect("a number")
        })
        .collect();
    let there = values.iter().copied().max().unwrap_or(0);
    for (of, &value) in (0..).zip(&values) {
        let want = (1..=there).rev().find(|write| write % KEYS == of).unwrap_or(0);
        assert_eq!(value, want, "{context}: {values:?}");
    }
    there
}

fn recovered(disk: &MemoryDisk, context: &str) -> u64 {
    let engine = new_engine();
    let log = open(&engine, disk).unwrap_or_else(|error| panic!("{context}: {error:?}"));
    let there = last_write(&engine, context);
    log.close().unwrap_or_else(|error| panic!("{context}: {error:?}"));
    drop(log);
    there
}

#[test]
fn a_snapshot_replaces_the_log_before_it_and_the_snapshot_before() {
    let disk = MemoryDisk::default();
    let engine = new_engine();
    let log = open(&engine, &disk).unwrap();
    #[cfg(feature = "scripting")]
    engine.load_function_library(LIBRARY).unwrap();
    let mut session = engine.session();
    session.set_journal(log.journal());
    let mut epochs = Vec::new();
    for round in 0..3 {
        for write in 1..=100 {
            put(&mut session, round * 100 + write);
        }
        // What waits for the log thread would come behind the trim.
        log.sync().unwrap();
        let meter = Meter::default();
        let done = log.snapshot(&snapshot_options(), &meter).unwrap();
        assert_eq!((done.summary.keys, meter.keys(), meter.keys_expected()), (5, 5, 5));
        epochs.push(done.header.epoch);
        assert_eq!(snapshots_of(&disk).unwrap(), [done.header.epoch]);
        let names = disk.list().unwrap();
        let segments = names.iter().filter(|name| name.starts_with("log-")).count();
        assert!(segments <= 3, "{names:?}");
    }
    assert!(epochs.is_sorted());
    put(&mut session, 301);
    drop(session);
    log.close().unwrap();
    drop(log);
    let engine = new_engine();
    let log = open(&engine, &disk).unwrap();
    assert_eq!(last_write(&engine, "all"), 301);
    let recovery = log.recovery();
    assert_eq!((recovery.snapshot_epoch, recovery.snapshot_keys), (epochs[2], 5));
    assert_eq!(recovery.entries, 1, "what is in the snapshot is not applied again");
    #[cfg(feature = "scripting")]
    {
        let with_library = new_engine();
        with_library.load_function_library(LIBRARY).unwrap();
        assert_eq!(engine.dump_functions(), with_library.dump_functions());
    }
    assert!(engine.stats().epoch > epochs[2], "epochs go on");
}

/// A directory with a snapshot and a log that goes on behind it, and the snapshot that was taken
/// next, which let the log go.
fn two_snapshots() -> (MemoryDisk, MemoryDisk) {
    let disk = MemoryDisk::default();
    let engine = new_engine();
    let log = open(&engine, &disk).expect("an empty disk");
    let mut session = engine.session();
    session.set_journal(log.journal());
    (1..=50).for_each(|write| put(&mut session, write));
    log.snapshot(&snapshot_options(), &Meter::default()).expect("a snapshot");
    (51..=100).for_each(|write| put(&mut session, write));
    log.sync().expect("no fault");
    let before = disk.duplicate();
    log.snapshot(&snapshot_options(), &Meter::default()).expect("a snapshot");
    drop(session);
    log.close().expect("no fault");
    drop(log);
    (before, disk)
}

fn newest(disk: &MemoryDisk) -> (String, Vec<u8>) {
    let name = format!("snapshot-{:016x}.zdb", snapshots_of(disk).expect("memory")[0]);
    let bytes = disk.read(&name).expect("it was listed");
    (name, bytes)
}

#[test]
fn a_damaged_snapshot_falls_back_as_far_as_the_log_reaches() {
    let (before, after) = two_snapshots();
    let (name, bytes) = newest(&after);
    let mut damaged = bytes.clone();
    damaged[200] ^= 1;
    // The process died before the log was trimmed: the older snapshot and the log have it all.
    before.put(&name, damaged.clone());
    let engine = new_engine();
    let log = open(&engine, &before).unwrap();
    assert_eq!(last_write(&engine, "fallen back"), 100);
    let notes = &log.recovery().damaged_snapshots;
    assert!(notes.len() == 1 && notes[0].contains(&name), "{notes:?}");
    // The next snapshot is a newer one, whatever the log says of epochs.
    let mut session = engine.session();
    session.set_journal(log.journal());
    put(&mut session, 101);
    log.snapshot(&snapshot_options(), &Meter::default()).unwrap();
    assert_ne!(newest(&before).0, name);
    drop(session);
    log.close().unwrap();
    drop(log);
    assert_eq!(recovered(&before, "after the next snapshot"), 101);

    // The log was trimmed: refused, with the file and what is wrong in it.
    after.put(&name, damaged);
    let error = open(&new_engine(), &after).expect_err("damaged");
    assert_eq!(error.kind(), ErrorKind::Damaged);
    let text = format!("{error:?}");
    assert!(text.contains(&name) && text.contains("at: "), "{text}");
}

/// Under `always`, with snapshots in between: whatever the instant of a power loss, and whatever
/// is lost of what was not synced, every acknowledged write is there.
#[test]
fn power_may_fail_at_any_instant_of_a_snapshot() {
    const WRITES: u64 = 24;
    let disk = RecordingDisk::default();
    let engine = new_engine();
    let log = open(&engine, &disk).unwrap();
    let (woken, wakes) = channel();
    log.set_waker(Arc::new(move || woken.send(()).unwrap_or_default()));
    let mut session = engine.session();
    session.set_journal(log.journal());
    for write in 1..=WRITES {
        put(&mut session, write);
        let epoch = engine.stats().epoch;
        log.ring();
        while log.durable_epoch() < epoch {
            wakes.recv_timeout(Duration::from_secs(10)).expect("a wake-up");
        }
        disk.mark(write);
        if write % 8 == 0 {
            log.snapshot(&snapshot_options(), &Meter::default()).unwrap();
        }
    }
    drop(session);
    log.close().unwrap();
    drop(log);
    let events = disk.events();
    let renames = events
        .iter()
        .filter(|event| matches!(event, Event::Rename(from, _) if from == "snapshot.tmp"));
    assert_eq!(renames.count(), 3);
    let mut acknowledged = 0;
    for length in 0..=events.len() {
        if let Some(Event::Mark(mark)) = length.checked_sub(1).map(|last| &events[last]) {
            acknowledged = *mark;
        }
        for loss in [Loss::All, Loss::Nothing, Loss::Some(1), Loss::Some(0xbeef)] {
            let context = format!("{length} of {} events, {loss:?}", events.len());
            let left = RecordingDisk::after(&events[..length], loss);
            let there = recovered(&left, &context);
            assert!(there >= acknowledged, "{context}: {there} of {acknowledged} acknowledged");
        }
    }
}

/// A store whose disk fails on demand.
struct Faulty {
    memory: MemoryDisk,
    faults: Faults,
    log: Persistence,
    session: Session,
}

/// Such a store after so many writes, all of them synced.
fn faulty_after(writes: u64) -> Faulty {
    let memory = MemoryDisk::default();
    let faults = Faults::default();
    let engine = new_engine();
    let disk = Arc::new(FaultyDisk::new(Arc::new(memory.clone()), faults.clone()));
    let log = Persistence::open(&engine, disk, OPTIONS, &Progress::default()).expect("no fault");
    let mut session = engine.session();
    session.set_journal(log.journal());
    (1..=writes).for_each(|write| put(&mut session, write));
    log.sync().expect("no fault");
    Faulty { memory, faults, log, session }
}

#[test]
fn a_snapshot_that_fails_leaves_everything_as_it_was() {
    let Faulty { memory, faults, log, mut session } = faulty_after(20);
    let names = |disk: &MemoryDisk| {
        let mut names = disk.list().unwrap();
        names.sort();
        names
    };
    let before = names(&memory);
    // Nobody else writes meanwhile, so the first write that fails is one of the snapshot.
    for write in 0..4 {
        faults.fail_writes_after(write, io::ErrorKind::StorageFull);
        let failed = log.snapshot(&snapshot_options(), &Meter::default());
        faults.clear();
        let error = failed.expect_err("the disk is full");
        assert_eq!(error.kind(), ErrorKind::Io, "{error:?}");
        assert_eq!(names(&memory), before, "write {write}");
    }
    faults.fail_sync_after(0, io::ErrorKind::Other);
    assert!(log.snapshot(&snapshot_options(), &Meter::default()).is_err());
    faults.clear();
    assert_eq!(names(&memory), before);
    let stopped = Meter::default();
    stopped.abandon();
    assert!(log.snapshot(&snapshot_options(), &stopped).is_err());
    // After all of this it still takes one, and a claim left over would be missing in it.
    put(&mut session, 21);
    let done = log.snapshot(&snapshot_options(), &Meter::default()).unwrap();
    assert_eq!(done.summary.keys, KEYS);
    drop(session);
    log.close().unwrap();
    drop(log);
    assert_eq!(recovered(&memory, "at last"), 21);
}

#[test]
fn a_snapshot_makes_a_failed_log_whole_again() {
    let Faulty { memory, faults, log, mut session } = faulty_after(20);
    faults.fail_sync_after(0, io::ErrorKind::Other);
    put(&mut session, 21);
    assert!(log.sync().is_err(), "the sync failed");
    assert!(log.fault().is_some());
    faults.clear();
    log.snapshot(&snapshot_options(), &Meter::default()).unwrap();
    assert_eq!(log.fault(), None);
    put(&mut session, 22);
    log.sync().unwrap();
    drop(session);
    log.close().unwrap();
    drop(log);
    assert_eq!(recovered(&memory, "healed"), 22);
}
