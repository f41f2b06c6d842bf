//! The log from outside: what sessions wrote is there after the end of the process.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use engine::persist::{Directory, Fsync, Options, Persistence, Progress, Stage};
use engine::{Engine, Halt};

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
        let (engine, log) = scratch.open(options);
        assert_eq!(log.recovery().torn, None);
        assert_eq!(log.recovery().dropped, 0);
        let mut session = engine.session();
        let mut turn = session.enter(NOW_MS);
        assert_eq!(turn.get(0, b"shared").unwrap(), shared, "{fsync:?}");
        for worker in 0..3 {
            let own = turn.get(0, format!("own:{worker}").as_bytes()).unwrap();
            assert_eq!(own.as_deref(), Some(&1_999_u32.to_le_bytes()[..]));
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
