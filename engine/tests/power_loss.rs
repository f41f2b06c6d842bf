//! Simulated power loss: the disk after every prefix of what was written to it.
//!
//! A workload runs once on a disk that records its writes, syncs and renames. Then, for each prefix
//! of the record, a disk is made that has lost what was not synced (all of it, none of it, or
//! sectors by chance), and a store is opened on it.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use engine::persist::testing::{Event, Loss, MemoryDisk, RecordingDisk};
use engine::persist::{Fsync, Options, Persistence, Progress};
use engine::{Engine, Halt, Session};

const NOW_MS: u64 = 1_700_000_000_000;
const KEYS: u64 = 3;

fn options(fsync: Fsync) -> Options {
    Options { fsync, segment_bytes: 1_500, ..Options::default() }
}

fn set(session: &mut Session, key: &[u8], value: &[u8]) {
    while session.enter(NOW_MS).set(0, key, value) == Err(Halt::Busy) {
        thread::yield_now();
    }
}

fn number(session: &mut Session, key: &[u8]) -> u64 {
    let value = session.enter(NOW_MS).get(0, key).expect("nobody holds it");
    let text = String::from_utf8(value.unwrap_or_else(|| b"0".to_vec())).expect("a number");
    text.parse().expect("a number")
}

fn key(of: u64) -> Vec<u8> {
    format!("key:{}", of % KEYS).into_bytes()
}

/// The prefixes, each with the last mark in it.
fn prefixes(events: &[Event]) -> impl Iterator<Item = (usize, u64)> + '_ {
    let mut marked = 0;
    (0..=events.len()).map(move |length| {
        if let Some(Event::Mark(mark)) = length.checked_sub(1).map(|last| &events[last]) {
            marked = *mark;
        }
        (length, marked)
    })
}

const LOSSES: [Loss; 5] =
    [Loss::All, Loss::Nothing, Loss::Some(1), Loss::Some(0xdead), Loss::Some(0xbeef_0003)];

/// Opens a store on what is left; returns how many of the writes are there, which must be the first
/// ones.
fn recovered(disk: &MemoryDisk, writes: u64, context: &str) -> u64 {
    let engine = Engine::builder().databases(1).build();
    let opened = Persistence::open(
        &engine,
        Arc::new(disk.clone()),
        options(Fsync::No),
        &Progress::default(),
    );
    let log = opened.unwrap_or_else(|error| panic!("{context}: {error}"));
    let mut session = engine.session();
    let values: Vec<u64> = (0..KEYS).map(|of| number(&mut session, &key(of))).collect();
    let there = values.iter().copied().max().unwrap_or(0);
    for (of, &value) in (0..KEYS).zip(&values) {
        let want = (1..=there).rev().find(|write| write % KEYS == of).unwrap_or(0);
        assert_eq!(value, want, "{context}: {values:?}");
    }
    assert!(there <= writes, "{context}: never written");
    // The log goes on, and what it has now is there after another start.
    session.set_journal(log.journal());
    set(&mut session, b"later", b"1");
    drop(session);
    log.close().expect("nothing fails");
    drop(log);
    let engine = Engine::builder().databases(1).build();
    let log = Persistence::open(
        &engine,
        Arc::new(disk.clone()),
        options(Fsync::No),
        &Progress::default(),
    )
    .unwrap_or_else(|error| panic!("{context}, again: {error}"));
    let mut session = engine.session();
    assert_eq!(number(&mut session, b"later"), 1, "{context}, again");
    assert_eq!(number(&mut session, &key(there)), there, "{context}, again");
    drop(log);
    there
}

/// Write `n` sets a key to `n`; under `always` each is acknowledged before the next.
#[test]
fn what_was_acknowledged_under_always_survives_at_every_instant() {
    const WRITES: u64 = 24;
    let disk = RecordingDisk::default();
    let engine = Engine::builder().databases(1).build();
    let log = Persistence::open(
        &engine,
        Arc::new(disk.clone()),
        options(Fsync::Always),
        &Progress::default(),
    )
    .unwrap();
    let (woken, wakes) = channel();
    log.set_waker(Arc::new(move || woken.send(()).unwrap_or_default()));
    let mut session = engine.session();
    session.set_journal(log.journal());
    for write in 1..=WRITES {
        set(&mut session, &key(write), write.to_string().as_bytes());
        let epoch = engine.stats().epoch;
        log.ring();
        while log.durable_epoch() < epoch {
            wakes.recv_timeout(Duration::from_secs(10)).expect("a wake-up");
        }
        disk.mark(write);
    }
    drop(session);
    log.close().unwrap();
    drop(log);
    let events = disk.events();
    let syncs = events.iter().filter(|event| matches!(event, Event::Sync(_))).count();
    assert!(syncs >= 24, "each was synced");
    for (length, acknowledged) in prefixes(&events) {
        for loss in LOSSES {
            let context = format!("{length} of {} events, {loss:?}", events.len());
            let left = RecordingDisk::after(&events[..length], loss);
            let there = recovered(&left, WRITES, &context);
            assert!(there >= acknowledged, "{context}: {there} of {acknowledged} acknowledged");
        }
    }
}

/// Without syncs of its own the log is still a beginning of what happened, whatever is lost.
#[test]
fn what_is_left_under_no_is_a_beginning() {
    const WRITES: u64 = 30;
    let disk = RecordingDisk::default();
    let engine = Engine::builder().databases(1).build();
    let shared: Arc<RecordingDisk> = Arc::new(disk.clone());
    let log = Persistence::open(&engine, shared, options(Fsync::No), &Progress::default()).unwrap();
    let mut session = engine.session();
    session.set_journal(log.journal());
    for write in 1..=WRITES {
        set(&mut session, &key(write), write.to_string().as_bytes());
        if write % 4 == 0 {
            let before = log.log_status().blocks;
            while log.log_status().blocks == before {
                thread::sleep(Duration::from_millis(1));
            }
        }
        if write == WRITES / 2 {
            log.sync().unwrap();
            disk.mark(write);
        }
    }
    drop(session);
    drop(log);
    let events = disk.events();
    for (length, acknowledged) in prefixes(&events) {
        for loss in LOSSES {
            let context = format!("{length} of {} events, {loss:?}", events.len());
            let left = RecordingDisk::after(&events[..length], loss);
            let there = recovered(&left, WRITES, &context);
            assert!(there >= acknowledged, "{context}: {there} of {acknowledged} synced");
        }
    }
}

/// Sessions read what others wrote and write it down: whoever's note survives, what it speaks of
/// survives, too.
#[test]
fn no_effect_survives_without_its_cause() {
    const ROUNDS: u64 = 60;
    let disk = RecordingDisk::default();
    let engine = Engine::builder().databases(1).build();
    let shared: Arc<RecordingDisk> = Arc::new(disk.clone());
    let log =
        Persistence::open(&engine, shared, options(Fsync::Always), &Progress::default()).unwrap();
    thread::scope(|scope| {
        for worker in 0..3_u64 {
            let mut session = engine.session();
            session.set_journal(log.journal());
            scope.spawn(move || {
                for round in 1..=ROUNDS {
                    // One turn for both, so that the epoch may change in its middle.
                    let mut turn = session.enter(NOW_MS);
                    let other = format!("count:{}", (worker + 1) % 3);
                    let seen = turn.get(0, other.as_bytes()).unwrap().unwrap_or_default();
                    thread::yield_now();
                    let note = format!("note:{worker}");
                    while turn.set(0, note.as_bytes(), &seen) == Err(Halt::Busy) {}
                    let (own, count) = (format!("count:{worker}"), round.to_string());
                    while turn.set(0, own.as_bytes(), count.as_bytes()) == Err(Halt::Busy) {}
                }
            });
        }
    });
    drop(log);
    let events = disk.events();
    for (length, _) in prefixes(&events) {
        let left = RecordingDisk::after(&events[..length], Loss::Nothing);
        let engine = Engine::builder().databases(1).build();
        let log =
            Persistence::open(&engine, Arc::new(left), options(Fsync::No), &Progress::default())
                .unwrap();
        let mut session = engine.session();
        for worker in 0..3_u64 {
            let note = session.enter(NOW_MS).get(0, format!("note:{worker}").as_bytes()).unwrap();
            let note = note.filter(|note| !note.is_empty());
            let seen: u64 =
                note.map_or(0, |note| std::str::from_utf8(&note).unwrap().parse().unwrap());
            let there = number(&mut session, format!("count:{}", (worker + 1) % 3).as_bytes());
            assert!(seen <= there, "event {length}: {worker} saw {seen}, left is {there}");
        }
        drop(log);
    }
}
