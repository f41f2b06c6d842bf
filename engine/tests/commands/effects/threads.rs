//! Several sessions on threads of their own, over the same few keys.

use engine::sync::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use engine::{Engine, Scope};

use super::merged::{Step, step};
use super::recorder::{Log, Recorder};
use super::store::{build, difference, exec, replay, run};
use super::templates::START_MS;
use crate::random::Random;

const SEEDS: u64 = 12;
const STEPS: usize = 1_500;
const THREADS: u64 = 3;
/// Steps of one turn at most.
const STEPS_PER_TURN: usize = 6;
/// How far the clocks of two sessions may be apart, in milliseconds.
const SKEW_MS: usize = 4;

/// The work of one thread.
fn work(engine: &Engine, log: &Log, clock: &AtomicU64, seed: u64) {
    let mut random = Random::new(seed);
    let mut session = engine.session();
    session.set_journal(Box::new(Recorder::new(log)));
    let mut scope = Scope::default();
    let mut left = STEPS;
    while left > 0 {
        // ORDER: Relaxed (unpaired); any time will do.
        let now_ms = clock.load(Ordering::Relaxed) + random.below(SKEW_MS) as u64;
        let steps: Vec<Step> =
            (0..=random.below(STEPS_PER_TURN)).map(|_| step(&mut random, now_ms)).collect();
        left = left.saturating_sub(steps.len());
        for step in steps {
            // A key that is held elsewhere is tried again in another turn.
            while !try_step(&mut session, &mut scope, now_ms, clock, &step) {
                std::thread::yield_now();
            }
        }
    }
    session.enter(START_MS).unwatch(&mut scope);
}

fn try_step(
    session: &mut engine::Session,
    scope: &mut Scope,
    now_ms: u64,
    clock: &AtomicU64,
    step: &Step,
) -> bool {
    let mut turn = session.enter(now_ms);
    match step {
        Step::Advance(ms) => {
            // ORDER: Relaxed (unpaired); as above.
            clock.fetch_add(ms.unsigned_abs(), Ordering::Relaxed);
            true
        }
        Step::Command(line) => run(&mut turn, scope, line),
        Step::Maintain => true,
        Step::Select(db) => {
            scope.db = *db;
            true
        }
        Step::Transaction(lines) => exec(&mut turn, scope, lines),
        Step::Watch(line) => {
            let key: &[&[u8]] = &[&line[1]];
            let mut sink = crate::sink::Collect::default();
            turn.with(scope, &mut sink, |context| context.watch(key)).is_ok()
        }
    }
}

#[test]
fn journals_of_several_sessions_make_the_same_store() {
    let one = std::env::var("ZUMIC_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    for seed in one.map_or(1..=SEEDS, |seed| seed..=seed) {
        let engine = build(seed, seed.is_multiple_of(2));
        let log: Log = Arc::new(Mutex::default());
        let clock = AtomicU64::new(START_MS);
        let working = AtomicU64::new(THREADS);
        std::thread::scope(|threads| {
            for thread in 0..THREADS {
                let (engine, log, clock, working) = (&engine, &log, &clock, &working);
                threads.spawn(move || {
                    work(engine, log, clock, seed * 100 + thread);
                    // ORDER: Relaxed (unpaired); the scope's end orders the rest.
                    working.fetch_sub(1, Ordering::Relaxed);
                });
            }
            let mut maintainer = engine.maintainer();
            maintainer.set_journal(Box::new(Recorder::new(&log)));
            // ORDER: Relaxed (unpaired); one more tick does no harm.
            while working.load(Ordering::Relaxed) > 0 {
                // ORDER: Relaxed (unpaired); any time will do.
                maintainer.tick(clock.load(Ordering::Relaxed));
                std::thread::yield_now();
            }
        });
        let copy = build(seed ^ 1, !seed.is_multiple_of(2));
        let mut entries = log.lock().expect("no thread panicked").clone();
        replay(&copy, &mut entries, &format!("SEED={seed}"));
        if let Some(what) = difference(&engine, &copy) {
            panic!("SEED={seed}: {what}\n{}", history(&entries, &what));
        }
    }
}

/// The entries that name the key which differs.
fn history(entries: &[super::recorder::Entry], what: &str) -> String {
    let key = what.split(' ').next().unwrap_or_default().as_bytes();
    let mut text = String::new();
    for entry in entries {
        let names = |line: &Vec<Vec<u8>>| line.iter().any(|word| word == key);
        let whole = |line: &Vec<Vec<u8>>| line[0].starts_with(b"FLUSH") || line[0] == b"SWAPDB";
        if entry.effects.iter().any(|(_, line)| names(line) || whole(line)) {
            let effects: Vec<_> = entry
                .effects
                .iter()
                .map(|(db, line)| format!("{db}: {}", super::store::shown(line)))
                .collect();
            text += &format!("{:?} at {}: {}\n", entry.tid, entry.now_ms, effects.join("; "));
        }
    }
    text
}
