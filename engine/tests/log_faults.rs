//! Disks that are full, broken or slow: nothing is lost silently, and nothing waits that need not.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use engine::commands::lookup;
use engine::persist::testing::{Faults, FaultyDisk, MemoryDisk};
use engine::persist::{Disk, Fsync, Options, Persistence, Progress};
use engine::reply::Discard;
use engine::{Engine, Halt, NoHost, Scope, Session};
use zumic_error::CommandError;

const NOW_MS: u64 = 1_700_000_000_000;

/// A store on a disk that can fail.
struct Store {
    engine: Engine,
    session: Session,
    log: Persistence,
    faults: Faults,
    disk: MemoryDisk,
    wakes: Receiver<()>,
}

fn open_on(disk: Arc<dyn Disk>, fsync: Fsync) -> (Engine, Persistence) {
    let engine = Engine::builder().databases(1).build();
    let options =
        Options { fsync, segment_bytes: 64 << 10, buffer_bytes_max: 1 << 20, ..Options::default() };
    let log = Persistence::open(&engine, disk, options, &Progress::default()).expect("opens");
    (engine, log)
}

impl Store {
    fn new(fsync: Fsync) -> Self {
        let (disk, faults) = (MemoryDisk::default(), Faults::default());
        let faulty = FaultyDisk::new(Arc::new(disk.clone()), faults.clone());
        let (engine, log) = open_on(Arc::new(faulty), fsync);
        let (woken, wakes) = channel();
        log.set_waker(Arc::new(move || woken.send(()).unwrap_or_default()));
        let mut session = engine.session();
        session.set_journal(log.journal());
        Self { engine, session, log, faults, disk, wakes }
    }

    /// Runs a command as a client's, in a turn of its own.
    fn run(&mut self, words: &[&[u8]]) -> Result<(), Halt> {
        let row = lookup(words[0]).expect("a command");
        let mut turn = self.session.enter(NOW_MS);
        turn.run(&mut Scope::default(), &mut NoHost, row, words, &mut Discard)
    }

    fn set(&mut self, key: &str, value: &[u8]) -> Result<(), Halt> {
        self.run(&[b"SET", key.as_bytes(), value])
    }

    /// Waits until what was written is durable; false when the log stopped instead.
    fn wait_durable(&self) -> bool {
        let epoch = self.engine.stats().epoch;
        self.log.ring();
        while self.log.durable_epoch() < epoch {
            if self.log.fault().is_some() {
                return false;
            }
            self.wakes.recv_timeout(Duration::from_secs(10)).expect("a wake-up");
        }
        true
    }

    /// Kills it and says what a next start finds.
    fn value_after_crash(self, key: &str) -> Option<Vec<u8>> {
        let copy = self.disk.duplicate();
        self.faults.clear();
        let (engine, _log) = open_on(Arc::new(copy), Fsync::No);
        engine.session().enter(NOW_MS).get(0, key.as_bytes()).expect("reads")
    }
}

fn refusal(result: Result<(), Halt>) -> String {
    match result {
        Err(Halt::Error(error @ CommandError::Durability(_))) => error.to_string(),
        other => panic!("not refused: {other:?}"),
    }
}

/// A full disk, a failing write and a failing sync stop the log for good: what cannot be durable is
/// never told to be, and the next writes are refused.
#[test]
fn the_first_error_latches() {
    let full: fn(&Faults) = |faults| faults.set_space(Some(10));
    let broken: fn(&Faults) = |faults| faults.fail_writes_after(0, ErrorKind::Other);
    let unsynced: fn(&Faults) = |faults| faults.fail_sync_after(0, ErrorKind::Other);
    for (name, fail) in [("full", full), ("broken", broken), ("unsynced", unsynced)] {
        let mut store = Store::new(Fsync::Always);
        store.set("key", b"durable").unwrap();
        assert!(store.wait_durable(), "{name}");
        fail(&store.faults);
        store.set("key", b"lost").unwrap();
        assert!(!store.wait_durable(), "{name}");
        // Epochs that held nothing may have been told until then.
        let durable = store.log.durable_epoch();
        store.faults.clear();
        let text = refusal(store.set("key", b"refused"));
        assert!(text.starts_with("MISCONF"), "{name}: {text}");
        store.run(&[b"GET", b"key"]).unwrap();
        // The disk works again, and yet nothing is durable any more: a hole is behind it.
        assert!(!store.wait_durable(), "{name}");
        assert_eq!(store.log.durable_epoch(), durable, "{name}");
        assert!(store.log.sync().is_err(), "{name}");
        let found = store.value_after_crash("key");
        // A sync that failed may still have written: what was not acknowledged may be there.
        let lost = found.as_deref() == Some(b"lost") && name == "unsynced";
        assert!(lost || found.as_deref() == Some(b"durable"), "{name}: {found:?}");
    }
}

/// Under `everysec` and `no` a failing write stops the log, too.
#[test]
fn errors_latch_under_every_policy() {
    for fsync in [Fsync::EverySec, Fsync::No] {
        let mut store = Store::new(fsync);
        store.faults.fail_writes_after(0, ErrorKind::Other);
        store.set("key", b"lost").unwrap();
        let began = Instant::now();
        while store.log.fault().is_none() {
            assert!(began.elapsed() < Duration::from_secs(10), "{fsync:?}: not noticed");
            thread::sleep(Duration::from_millis(1));
        }
        refusal(store.set("key", b"refused"));
        assert!(store.log.close().is_err(), "{fsync:?}: not everything is durable");
    }
}

/// After a fault a new log counts from the snapshot on that was cut after it was begun.
#[test]
fn a_healed_log_goes_on() {
    let mut store = Store::new(Fsync::Always);
    store.set("key", b"durable").unwrap();
    assert!(store.wait_durable());
    store.faults.fail_writes_after(0, ErrorKind::Other);
    store.set("key", b"lost").unwrap();
    assert!(!store.wait_durable());
    assert!(store.log.heal().is_err(), "nothing has been begun");
    store.faults.clear();
    store.log.reopen().unwrap();
    refusal(store.set("key", b"still refused"));
    store.log.heal().unwrap();
    store.set("key", b"healed").unwrap();
    assert!(store.wait_durable());
    // There is no snapshot in this test, so a start finds the log before the gap.
    let found = store.value_after_crash("key");
    assert_eq!(found.as_deref(), Some(&b"durable"[..]));
}

/// Short writes are no errors.
#[test]
fn short_writes_are_continued() {
    let mut store = Store::new(Fsync::Always);
    store.faults.set_write_bytes_max(Some(7));
    for round in 0..20_u32 {
        store.set("key", &[b'x'; 100]).unwrap();
        store.set("key", round.to_string().as_bytes()).unwrap();
    }
    assert!(store.wait_durable());
    assert_eq!(store.value_after_crash("key").as_deref(), Some(&b"19"[..]));
}

/// A disk that does not come back: writes wait once the buffers are full, reads go on, and memory
/// is bounded; when it comes back, everything is there.
#[test]
fn a_stuck_disk_makes_writers_wait_and_nobody_else() {
    let mut store = Store::new(Fsync::EverySec);
    store.faults.set_stuck(true, false);
    let value = vec![b'v'; 4 << 10];
    let mut written = 0_u32;
    loop {
        match store.set(&format!("key:{written}"), &value) {
            Ok(()) => written += 1,
            Err(Halt::Busy) => break,
            Err(other) => panic!("{other:?}"),
        }
        assert!(written < 10_000, "never full");
    }
    assert!(written >= 200, "the buffers were used: {written}");
    // Two limits' worth: what the log thread holds in its hands, and the buffers.
    assert!(store.log.log_status().buffer_bytes <= 2 << 20);
    store.run(&[b"GET", b"key:0"]).unwrap();
    assert_eq!(store.set("another", b"x"), Err(Halt::Busy));
    store.faults.clear();
    let began = Instant::now();
    while store.set("last", b"x") == Err(Halt::Busy) {
        assert!(began.elapsed() < Duration::from_secs(10), "never let go");
        thread::sleep(Duration::from_millis(1));
    }
    store.log.sync().unwrap();
    let last = format!("key:{}", written - 1);
    assert_eq!(store.value_after_crash(&last), Some(value));
}

/// Under `everysec` a sync that takes long does not keep writes from the kernel: the end of the
/// process alone loses milliseconds.
#[test]
fn a_slow_sync_does_not_hold_writes_up() {
    let mut store = Store::new(Fsync::EverySec);
    store.faults.set_stuck(false, true);
    store.set("key", b"first").unwrap();
    // The sync of the first second begins, and hangs.
    let (_, syncs) = store.faults.counts();
    let began = Instant::now();
    let mut round = 0_u32;
    while began.elapsed() < Duration::from_millis(1_600) {
        round += 1;
        store.set("key", round.to_string().as_bytes()).unwrap();
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(store.faults.counts().1, syncs, "no sync has come back");
    let blocks = store.log.log_status().blocks;
    assert!(blocks > 50, "blocks were written meanwhile: {blocks}");
    thread::sleep(Duration::from_millis(100));
    store.faults.set_stuck(false, false);
    assert_eq!(store.value_after_crash("key"), Some(round.to_string().into_bytes()));
}

/// Under `everysec` what was written is durable a second later, without anybody asking.
#[test]
fn a_second_is_enough() {
    let mut store = Store::new(Fsync::EverySec);
    store.set("key", b"value").unwrap();
    let epoch = store.engine.stats().epoch;
    let began = Instant::now();
    while store.log.durable_epoch() < epoch {
        assert!(began.elapsed() < Duration::from_secs(3), "not durable");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The policy changes while it runs, both ways.
#[test]
fn the_policy_changes_while_it_runs() {
    let mut store = Store::new(Fsync::No);
    for fsync in [Fsync::Always, Fsync::EverySec, Fsync::Always, Fsync::No] {
        store.log.set_fsync_policy(fsync);
        assert_eq!(store.log.fsync_policy(), fsync);
        store.set("key", format!("{fsync:?}").as_bytes()).unwrap();
        if fsync == Fsync::Always {
            assert!(store.wait_durable());
        }
    }
    store.log.sync().unwrap();
    assert_eq!(store.value_after_crash("key").as_deref(), Some(&b"No"[..]));
}
