//! One session: every command in turn, with the shortest failing prefix told.
//!
//! `ZUMIC_SEED=<seed>` runs one seed alone.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use engine::commands::{CommandSpec, Flags, all};
use engine::{Classes, EffectForm, EvictionPolicy, Scope};

use super::grammar::{Line, Words};
use super::recorder::{Log, Recorder};
use super::store::{DATABASES, build, difference, exec, replay, row_of, run, shown};
use super::templates::{READS, START_MS, STREAMS, WRITES};
use crate::random::Random;

const SEEDS: u64 = 40;
const STEPS: usize = 700;
/// `maxmemory` of the seeds that evict, in bytes.
const MEMORY_MAX: u64 = 60_000;

/// One step of a run.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Time passes, or somebody sets the clock, forth or back.
    Advance(i64),
    Command(Line),
    /// A slice of the sweep.
    Maintain,
    Select(u16),
    Transaction(Vec<Line>),
    Watch(Line),
}

/// A command line, mostly of a writing command.
pub(crate) fn command(random: &mut Random, now_ms: u64) -> Line {
    let template = match random.below(12) {
        0 => READS[random.below(READS.len())],
        // Groups need several commands to get anywhere.
        1 | 2 => STREAMS[random.below(STREAMS.len())],
        _ => WRITES[random.below(WRITES.len())],
    };
    // What empties everything is rare, or there would be nothing else.
    if template.starts_with("FLUSH") && random.below(8) != 0 {
        return command(random, now_ms);
    }
    Words { random, now_ms }.line(template)
}

/// The next step of a run.
pub(crate) fn step(random: &mut Random, now_ms: u64) -> Step {
    match random.below(40) {
        0..4 => Step::Advance(random.below(12) as i64),
        4 => Step::Maintain,
        5 => Step::Select(u16::try_from(random.below(usize::from(DATABASES))).expect("few")),
        6 => Step::Watch(Words { random, now_ms }.line("WATCH {k}")),
        7..10 => {
            let count = 1 + random.below(5);
            Step::Transaction((0..count).map(|_| command(random, now_ms)).collect())
        }
        _ => Step::Command(command(random, now_ms)),
    }
}

/// A wall clock that is set: mostly by what deadlines are away, sometimes by a day.
fn jump(random: &mut Random) -> Option<i64> {
    let ms = match random.below(6) {
        0 => random.below(400) as i64,
        1 => random.below(86_400_000) as i64,
        _ => return None,
    };
    Some(if random.below(2) == 0 { ms } else { -ms })
}

fn steps(seed: u64) -> Vec<Step> {
    let mut random = Random::new(seed);
    let mut now_ms = START_MS;
    let mut steps = Vec::new();
    for _ in 0..STEPS {
        let mut step = step(&mut random, now_ms);
        if let Step::Advance(ms) = &mut step {
            if seed.is_multiple_of(3) {
                *ms = jump(&mut random).unwrap_or(*ms);
            }
            now_ms = now_ms.saturating_add_signed(*ms);
        }
        steps.push(step);
    }
    steps
}

/// Runs steps and replays what they left; what differs.
fn fails(seed: u64, steps: &[Step], written: &mut BTreeSet<u16>) -> Option<String> {
    let engine = build(seed, seed.is_multiple_of(2));
    engine.tunables().set_event_classes(Classes::parse("KEA").expect("letters of classes"));
    if seed.is_multiple_of(5) {
        engine.tunables().set_memory_max(MEMORY_MAX);
        engine.tunables().set_policy(EvictionPolicy::AllKeysRandom);
    }
    let log: Log = Arc::new(Mutex::default());
    let (mut session, mut maintainer) = (engine.session(), engine.maintainer());
    session.set_journal(Box::new(Recorder::new(&log)));
    maintainer.set_journal(Box::new(Recorder::new(&log)));
    let (mut scope, mut now_ms) = (Scope::default(), START_MS);
    for step in steps {
        let mut turn = session.enter(now_ms);
        let before = log.lock().expect("no panic").len();
        match step {
            Step::Advance(ms) => now_ms = now_ms.saturating_add_signed(*ms),
            Step::Command(line) => {
                assert!(run(&mut turn, &mut scope, line), "nobody else is there");
                if log.lock().expect("no panic").len() > before {
                    written.insert(row_of(line).id);
                }
            }
            Step::Maintain => {
                drop(turn);
                maintainer.tick(now_ms);
            }
            Step::Select(db) => scope.db = *db,
            Step::Transaction(lines) => {
                assert!(exec(&mut turn, &mut scope, lines), "nobody else is there");
                let entries = log.lock().expect("no panic").len() - before;
                let evicted = seed.is_multiple_of(5);
                assert!(entries <= 1 || evicted, "a transaction is one entry: {lines:?}");
            }
            Step::Watch(line) => {
                let key: &[&[u8]] = &[&line[1]];
                turn.with(&mut scope, &mut crate::sink::Collect::default(), |it| it.watch(key))
                    .expect("nobody holds it");
            }
        }
    }
    session.enter(now_ms).unwatch(&mut scope);
    let copy = build(seed ^ 1, !seed.is_multiple_of(2));
    let mut log = log.lock().expect("no panic").clone();
    replay(&copy, &mut log, &format!("SEED={seed}"));
    difference(&engine, &copy)
}

/// The length of the shortest prefix that fails.
fn shortest(seed: u64, steps: &[Step]) -> usize {
    let (mut passes, mut fails_at) = (0, steps.len());
    while fails_at - passes > 1 {
        let middle = passes.midpoint(fails_at);
        if fails(seed, &steps[..middle], &mut BTreeSet::new()).is_some() {
            fails_at = middle;
        } else {
            passes = middle;
        }
    }
    fails_at
}

#[test]
fn a_replayed_log_makes_the_same_store() {
    let one = std::env::var("ZUMIC_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    let seeds = one.map_or(1..=SEEDS, |seed| seed..=seed);
    let mut written = BTreeSet::new();
    for seed in seeds {
        let steps = steps(seed);
        if let Some(what) = fails(seed, &steps, &mut written) {
            let len = shortest(seed, &steps);
            let last = fails(seed, &steps[..len], &mut BTreeSet::new()).unwrap_or(what);
            panic!("SEED={seed}: {last}\n after {len} steps, the last {:?}", tail(&steps[..len]));
        }
    }
    let silent = writing_rows().filter(|row| !written.contains(&row.id));
    let silent: Vec<_> = silent.map(|row| row.name).collect();
    assert!(one.is_some() || silent.is_empty(), "never wrote anything: {silent:?}");
}

/// The last steps, as people read them.
fn tail(steps: &[Step]) -> Vec<String> {
    let text = |step: &Step| match step {
        Step::Command(line) | Step::Watch(line) => shown(line),
        Step::Transaction(lines) => {
            format!("MULTI {} EXEC", lines.iter().map(shown).collect::<Vec<_>>().join("; "))
        }
        other => format!("{other:?}"),
    };
    steps.iter().rev().take(12).rev().map(text).collect()
}

/// Rows that write, subcommands included.
fn writing_rows() -> impl Iterator<Item = &'static CommandSpec> {
    let rows = all().iter().copied();
    rows.filter(|row| row.subcommands.is_empty() && row.effect != EffectForm::None)
}

#[test]
fn every_command_that_writes_says_what_it_leaves_and_is_tried() {
    let mut random = Random::new(1);
    let mut tried = BTreeSet::new();
    for template in WRITES {
        let line = Words { random: &mut random, now_ms: START_MS }.line(template);
        let row = row_of(&line);
        assert_ne!(row.effect, EffectForm::None, "{template} writes");
        tried.insert(row.id);
    }
    for row in all() {
        let writes = row.effect != EffectForm::None;
        let is_write = row.flags.contains(Flags::WRITE) && row.subcommands.is_empty();
        // The host of MIGRATE removes its keys by DEL.
        let is_write = is_write && row.name != "migrate";
        // PFCOUNT keeps what it counted in the string.
        assert_eq!(writes, is_write || row.name == "pfcount", "{}", row.name);
        assert!(!writes || tried.contains(&row.id), "{} has no template", row.name);
    }
}
