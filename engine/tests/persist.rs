//! The log from outside: what sessions wrote is there after the end of the process.

use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use engine::persist::snapshot::SnapshotOptions;
use engine::persist::testing::MemoryDisk;
use engine::persist::{Damage, Directory, Fsync, Meter, Options, Persistence, Progress, Stage};
use engine::{Engine, Halt, Journal, Tid};

const NOW_MS: u64 = 1_700_000_000_000;

/// A directory of one test, removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("zumic-{name}-{}", std::process::id())))
    }

    fn open(&self, options: Options) -> (Engine, Persistence) {
        let engine = Engine::builder().seed(1).build();
        let disk = Arc::new(Directory::open(&self.0).expect("a directory"));
        let progress = Progress::default();
        let log = Persistence::open(&engine, disk, options, &progress).expect("opens");
        assert_eq!(progress.stage(), Stage::Done);
        (engine, log)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn set(turn: &mut engine::Turn<'_>, key: &[u8], value: &[u8]) {
    while turn.set(0, key, value) == Err(Halt::Busy) {
        thread::yield_now();
    }
}

#[test]
fn writes_of_several_sessions_are_there_again_under_every_policy() {
    for fsync in [Fsync::Always, Fsync::EverySec, Fsync::No] {
        let scratch = Scratch::new(&format!("policy-{fsync:?}"));
        // Small segments, so that the log has several.
        let options = Options { fsync, segment_bytes: 32 << 10, ..Options::default() };
        let (engine, log) = scratch.open(options);
        thread::scope(|scope| {
            for worker in 0..3_u32 {
                let mut session = engine.session();
                session.set_journal(log.journal());
                scope.spawn(move || {
                    for round in 0..2_000_u32 {
                        let mut turn = session.enter(NOW_MS);
                        set(&mut turn, format!("own:{worker}").as_bytes(), b"old");
                        set(&mut turn, format!("own:{worker}").as_bytes(), &round.to_le_bytes());
                        set(&mut turn, b"shared", format!("{worker}:{round}").as_bytes());
                        if round % 7 == 0 {
                            turn.delete(0, b"shared").unwrap();
                        }
                    }
                });
            }
        });
        let mut session = engine.session();
        let shared = session.enter(NOW_MS).get(0, b"shared").unwrap();
        log.close().unwrap();
        drop(log);
        for replay_threads in [Some(1), Some(3), None] {
            let (engine, log) = scratch.open(Options { replay_threads, ..options });
            assert_eq!(log.recovery().torn, None);
            assert_eq!(log.recovery().dropped, 0);
            let mut session = engine.session();
            let mut turn = session.enter(NOW_MS);
            let found = turn.get(0, b"shared").unwrap();
            assert_eq!(found, shared, "{fsync:?}, {replay_threads:?}");
            for worker in 0..3 {
                let own = turn.get(0, format!("own:{worker}").as_bytes()).unwrap();
                assert_eq!(own.as_deref(), Some(&1_999_u32.to_le_bytes()[..]));
            }
            drop(turn);
            log.close().unwrap();
        }
    }
}

#[test]
fn the_durable_epoch_reaches_a_write_and_wakes_its_host() {
    let scratch = Scratch::new("durable");
    let (engine, log) = scratch.open(Options { fsync: Fsync::Always, ..Options::default() });
    let (woken, wakes) = channel();
    log.set_waker(Arc::new(move || {
        let _ = woken.send(());
    }));
    let mut session = engine.session();
    session.set_journal(log.journal());
    for round in 0..50 {
        set(&mut session.enter(NOW_MS + round), b"key", b"value");
        // The write's epoch is this one at the most.
        let epoch = engine.stats().epoch;
        log.ring();
        while log.durable_epoch() < epoch {
            wakes.recv_timeout(Duration::from_secs(10)).expect("a wake-up");
        }
    }
    let status = log.log_status();
    assert!(status.syncs >= 1 && status.blocks >= 50, "{status:?}");
    assert_eq!(status.fault, None);
}

/// The length by which a log is cut when it has grown was that of the last block: nobody wrote
/// after a snapshot, so the log seemed as long as before and was cut again and again.
#[test]
fn the_length_of_the_log_is_told_as_soon_as_it_was_cut() {
    let scratch = Scratch::new("extent");
    let options = Options { segment_bytes: 16 << 10, ..Options::default() };
    let (engine, log) = scratch.open(options);
    let mut session = engine.session();
    session.set_journal(log.journal());
    for round in 0..200_u32 {
        set(&mut session.enter(NOW_MS), &round.to_le_bytes(), &[7; 1_000]);
        log.sync().unwrap();
    }
    drop(session);
    let before = log.log_status();
    assert!(before.segments > 5, "{before:?}");
    log.snapshot(&SnapshotOptions::default(), &Meter::default()).unwrap();
    let after = log.log_status();
    assert!(after.segments <= 2 && after.log_bytes < before.log_bytes / 3, "{after:?}");
}

/// A start after a snapshot read and checked up to 64 MB of log for nothing: the segment that was
/// being written at the cut stayed, however little came behind it.
#[test]
fn a_start_reads_no_log_that_a_snapshot_covers() {
    let scratch = Scratch::new("covered");
    let (engine, log) = scratch.open(Options::default());
    let mut session = engine.session();
    session.set_journal(log.journal());
    let value = vec![b'v'; 1 << 20];
    for key in [b"a", b"b"] {
        set(&mut session.enter(NOW_MS), key, &value);
        // The log thread has written it: it is as long as a start would feel.
        log.sync().unwrap();
    }
    assert!(log.log_status().log_bytes > 2 << 20);
    log.snapshot(&SnapshotOptions::default(), &Meter::default()).unwrap();
    assert!(log.log_status().log_bytes < 1 << 20, "what the snapshot has is gone");
    set(&mut session.enter(NOW_MS), b"c", b"behind it");
    drop(session);
    log.close().unwrap();
    drop(log);
    let (engine, log) = scratch.open(Options::default());
    assert_eq!((log.recovery().snapshot_keys, log.recovery().entries), (2, 1));
    let mut session = engine.session();
    let mut turn = session.enter(NOW_MS);
    assert!(turn.get(0, b"b").unwrap().is_some_and(|found| found == value));
    assert_eq!(turn.get(0, b"c").unwrap().as_deref(), Some(&b"behind it"[..]));
    drop(turn);
    log.close().unwrap();
}

#[test]
fn a_second_process_is_kept_out() {
    let scratch = Scratch::new("second");
    let (_engine, _log) = scratch.open(Options::default());
    let other = Engine::builder().build();
    let disk = Arc::new(Directory::open(&scratch.0).unwrap());
    let refused = Persistence::open(&other, disk, Options::default(), &Progress::default());
    let error = refused.unwrap_err();
    assert_eq!(error.kind(), zumic_error::ErrorKind::Resource);
    assert!(error.to_string().contains("locked by another process"), "{error}");
}

/// Takes the TIDs down.
#[derive(Debug)]
struct Tids(Arc<Mutex<Vec<Tid>>>);

impl Journal for Tids {
    fn stage(&mut self, _: u16, _: &[&[u8]]) {}
    fn publish(&mut self, tid: Tid, _: u64) {
        self.0.lock().expect("no test panics here").push(tid);
    }
    fn withdraw(&mut self) {}
    fn turn_ended(&mut self) {}
    fn is_congested(&self) -> bool {
        false
    }
    fn fault(&self) -> Option<String> {
        None
    }
}

/// A turn that began in one epoch reads what another session wrote in the next, and writes it down.
/// TIDs once used the epoch of the turn's beginning, so a log that ended between the two epochs
/// kept the note and not what it spoke of; a write now takes the epoch it happens in.
#[test]
fn a_write_is_of_no_earlier_epoch_than_what_its_session_has_seen() {
    let engine = Engine::builder().build();
    let tids = Arc::new(Mutex::new(Vec::new()));
    let mut sessions = [engine.session(), engine.session()];
    for session in &mut sessions {
        session.set_journal(Box::new(Tids(Arc::clone(&tids))));
    }
    let [long, other] = &mut sessions;
    let mut turn = long.enter(NOW_MS);
    engine.resume_at(engine.stats().epoch + 1);
    other.enter(NOW_MS).set(0, b"cause", b"1").unwrap();
    assert!(turn.get(0, b"cause").unwrap().is_some());
    turn.set(0, b"effect", b"1").unwrap();
    let tids = tids.lock().unwrap();
    assert_eq!(tids.len(), 2);
    assert!(tids[1].epoch() >= tids[0].epoch(), "{tids:?}");
}

/// After a clean end nothing that was written may be cut off as a torn tail: the end itself vouches
/// for the last entry.
#[test]
fn damage_after_a_clean_end_is_never_taken_for_a_torn_tail() {
    let disk = MemoryDisk::default();
    let engine = Engine::builder().databases(1).build();
    let options = Options::default();
    let shared = Arc::new(disk.clone());
    let log = Persistence::open(&engine, shared, options, &Progress::default()).unwrap();
    let mut session = engine.session();
    session.set_journal(log.journal());
    set(&mut session.enter(NOW_MS), b"key", b"the only value");
    drop(session);
    log.close().unwrap();
    drop(log);
    let name = "log-0000000000000001.zlog";
    let content = disk.read(name).unwrap();
    let at = content.windows(14).position(|bytes| bytes == b"the only value").unwrap();
    let mut changed = content;
    changed[at] = b'T';
    disk.put(name, changed);
    let engine = Engine::builder().databases(1).build();
    let opened = Persistence::open(&engine, Arc::new(disk), options, &Progress::default());
    let error = opened.unwrap_err();
    let source = std::error::Error::source(&error).expect("a source");
    let damage = source.downcast_ref::<Damage>().expect("damage");
    assert!(damage.file.ends_with(name) && damage.offset < at as u64, "{damage}");
    assert!(error.to_string().contains("is damaged at byte"), "{error}");
}
