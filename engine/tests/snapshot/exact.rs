//! The snapshot against each writer's own history, replayed up to the cut.

use std::sync::Barrier;
use std::time::Duration;

use engine::persist::snapshot::SnapshotOptions;
use engine::persist::zdb::Compression;
use engine::sync::{AtomicBool, Ordering};
use engine::{Engine, Session};

use super::ops::{Random, beginning, line};
use super::run::{loaded, new_engine, picture, run, snapshot};

/// What one writer did: the epoch of the turn, the database, the line.
type History = Vec<(u64, u16, String)>;

fn write_until(
    engine: &Engine,
    (ready, stop): (&Barrier, &AtomicBool),
    seed: u64,
    own: [u16; 2],
) -> History {
    let mut session = engine.session();
    let mut random = Random(seed);
    let mut history = History::new();
    for text in beginning() {
        let (epoch, _) = run(&mut session, own[0], &text);
        history.push((epoch, own[0], text));
    }
    ready.wait();
    let mut step = 0;
    while !stop.load(Ordering::Relaxed) {
        step += 1;
        // The more they do, the longer is the replay.
        std::thread::sleep(Duration::from_micros(20));
        let (db, text) = line(&mut random, step, own);
        let (epoch, _) = run(&mut session, db, &text);
        history.push((epoch, db, text));
        if step.is_multiple_of(10_000) {
            for text in beginning() {
                let (epoch, _) = run(&mut session, own[0], &text);
                history.push((epoch, own[0], text));
            }
        }
    }
    history
}

/// Follows the writers' histories from one epoch to the next.
struct Replay<'h> {
    engine: Engine,
    session: Session,
    left: Vec<&'h [(u64, u16, String)]>,
}

impl<'h> Replay<'h> {
    fn new(histories: &'h [History]) -> Self {
        let engine = new_engine();
        let session = engine.session();
        Self { engine, session, left: histories.iter().map(Vec::as_slice).collect() }
    }

    /// The store as the histories say it was at the end of `epoch`.
    fn until(&mut self, epoch: u64) -> &Engine {
        for left in &mut self.left {
            let behind = left.partition_point(|(at, ..)| *at <= epoch);
            for (_, db, text) in &left[..behind] {
                run(&mut self.session, *db, text);
            }
            *left = &left[behind..];
        }
        &self.engine
    }
}

fn snapshots_are_exact(seed: u64, rounds: usize, options: &SnapshotOptions) {
    let engine = new_engine();
    let (ready, stop) = (Barrier::new(3), AtomicBool::new(false));
    let mut taken = Vec::new();
    let histories: Vec<History> = std::thread::scope(|scope| {
        let writer = |own: [u16; 2]| {
            let (engine, signs) = (&engine, (&ready, &stop));
            scope.spawn(move || write_until(engine, signs, seed + u64::from(own[0]), own))
        };
        let writers = [writer([0, 1]), writer([2, 3])];
        let mut maintainer = engine.maintainer();
        ready.wait();
        for round in 0..rounds {
            for _ in 0..20 {
                maintainer.tick(super::run::NOW_MS);
                std::thread::sleep(Duration::from_millis(2 + round as u64 % 3));
            }
            taken.push(snapshot(&engine, options));
        }
        stop.store(true, Ordering::Relaxed);
        writers.into_iter().map(|writer| writer.join().expect("a writer panicked")).collect()
    });
    let mut handed_over = 0;
    let mut replay = Replay::new(&histories);
    for (bytes, done) in &taken {
        handed_over += done.handed_over;
        let (engine, loading) = loaded(bytes, 2);
        assert_eq!(loading.header.epoch, done.header.epoch);
        let (got, want) = (picture(&engine), picture(replay.until(done.header.epoch)));
        assert_eq!(got.keys().collect::<Vec<_>>(), want.keys().collect::<Vec<_>>(), "seed {seed}");
        for (key, facts) in &want {
            for (got, want) in got[key].iter().zip(facts) {
                assert_eq!(got, want, "seed {seed}, epoch {}, {key:?}", done.header.epoch);
            }
            assert_eq!(got[key].len(), facts.len(), "seed {seed}, {key:?}");
        }
    }
    assert!(
        handed_over > 20 * rounds as u64,
        "no writer got ahead of the scanner: {handed_over} values"
    );
}

#[test]
fn a_snapshot_under_writers_is_the_store_at_the_end_of_its_epoch() {
    let options = SnapshotOptions { threads: 2, created_ms: 5, ..SnapshotOptions::default() };
    snapshots_are_exact(1, 4, &options);
}

#[test]
fn writers_that_wait_for_the_scanner_lose_nothing() {
    let options = SnapshotOptions {
        threads: 1,
        compression: Compression::None,
        pending_bytes_max: 10_000,
        created_ms: 5,
    };
    snapshots_are_exact(100, 3, &options);
}
