//! Scripts in Rust: what a script may rely on, without an interpreter.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use zumic_error::{CommandError, ScriptError};

use super::job::{Job, Task, TestTask};
use super::unit::Unit;
use super::{Progress, Scripts};
use crate::commands::{CommandSpec, HostCommand, lookup};
use crate::reply::Discard;
use crate::sync::{AtomicBool, AtomicU64, Ordering};
use crate::{Context, Engine, Halt, Host, Journal, JournalSource, ReplySink, Scope, Tape, Turn};

const NOW_MS: u64 = 1_700_000_000_000;

type Run = Box<dyn FnMut(&mut Unit<'_, '_>) -> Result<(), CommandError>>;

/// A script that a test gives.
struct Script {
    keys: Vec<Vec<u8>>,
    run: Run,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Script")
    }
}

impl TestTask for Script {
    fn keys(&self) -> Vec<Vec<u8>> {
        self.keys.clone()
    }

    fn run(&mut self, unit: &mut Unit<'_, '_>) -> Result<(), CommandError> {
        (self.run)(unit)
    }
}

/// A host whose clock goes on by so much whenever it is looked at.
#[derive(Debug, Default)]
struct Clockwork {
    now_us: u64,
    step_us: u64,
    undone: u32,
}

impl Host for Clockwork {
    fn run(
        &mut self,
        _: &mut Context<'_>,
        command: HostCommand,
        _: &'static CommandSpec,
        _: &[&[u8]],
    ) -> Result<(), Halt> {
        unreachable!("{command:?} is not in these scripts")
    }

    fn clock_us(&mut self) -> u64 {
        self.now_us += self.step_us;
        self.now_us
    }

    fn undone(&mut self) {
        self.undone += 1;
    }
}

fn job(keys: &[&str], run: Run) -> Job {
    let keys = keys.iter().map(|key| key.as_bytes().to_vec()).collect();
    let task = Task::Test(RefCell::new(Box::new(Script { keys, run })));
    let mut job = Job { task, ..Job::default() };
    job.words.copy(&[b"EVAL"]);
    job
}

/// The answer of one command of a script, as text.
fn call(unit: &mut Unit<'_, '_>, line: &str) -> Result<String, CommandError> {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    let spec = lookup(words[0]).expect("a command");
    let mut text = Text::default();
    unit.call(spec, &words, &mut text)?;
    Ok(text.0)
}

/// Writes replies as words.
#[derive(Default)]
struct Text(String);

impl Text {
    fn word(&mut self, word: impl fmt::Display) {
        let space = if self.0.is_empty() { "" } else { " " };
        self.0 = format!("{}{space}{word}", self.0);
    }
}

impl ReplySink for Text {
    fn version(&self) -> u8 {
        2
    }
    fn set_version(&mut self, _: u8) {}
    fn simple(&mut self, text: &str) {
        self.word(text);
    }
    fn error(&mut self, error: &CommandError) {
        self.word(error);
    }
    fn integer(&mut self, number: i64) {
        self.word(number);
    }
    fn bulk(&mut self, bytes: &[u8]) {
        self.word(String::from_utf8_lossy(bytes));
    }
    fn bulk_large(&mut self, value: &crate::LargeString) {
        self.word(value.len());
    }
    fn null(&mut self) {
        self.word("nil");
    }
    fn null_array(&mut self) {
        self.word("nil");
    }
    fn array(&mut self, len: usize) {
        self.word(format!("*{len}"));
    }
    fn map(&mut self, pairs: usize) {
        self.array(2 * pairs);
    }
    fn set(&mut self, len: usize) {
        self.array(len);
    }
    fn sorted_set(&mut self, len: usize) {
        self.array(len);
    }
    fn push(&mut self, len: usize) {
        self.array(len);
    }
    fn attribute(&mut self, _: usize) {}
    fn boolean(&mut self, value: bool) {
        self.word(value);
    }
    fn double(&mut self, value: f64) {
        self.word(value);
    }
    fn bulk_double(&mut self, value: f64) {
        self.word(value);
    }
    fn decimal(&mut self, digits: &str) {
        self.word(digits);
    }
    fn big_number(&mut self, digits: &str) {
        self.word(digits);
    }
    fn verbatim(&mut self, _: [u8; 3], text: &[u8]) {
        self.bulk(text);
    }
}

/// The answer of a command of another client.
fn ask(turn: &mut Turn<'_>, line: &str) -> Result<String, Halt> {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    let spec = lookup(words[0]).expect("a command");
    let mut text = Text::default();
    turn.run(&mut Scope::default(), &mut Clockwork::default(), spec, &words, &mut text)?;
    Ok(text.0)
}

/// Runs a script to its end, again and again while its keys are busy.
fn run(turn: &mut Turn<'_>, scripts: &mut Scripts, make: impl Fn() -> Job) -> Result<(), Halt> {
    let (mut scope, mut host) = (Scope::default(), Clockwork::default());
    loop {
        let fill = |job: &mut Job, scope: &mut Scope| {
            *job = make();
            job.scope.get_mut().wanted = std::mem::take(&mut scope.wanted);
        };
        let mut progress = scripts.start(turn, &mut scope, &mut host, fill, &mut Discard);
        // Its clock stands still, so it waits for a key as the token's holder.
        while let Progress::Suspended(number) = progress {
            std::thread::yield_now();
            progress = scripts.resume(number, turn, &mut scope, &mut host, &mut Discard);
        }
        match progress {
            Progress::Ended(Err(Halt::Busy)) => std::thread::yield_now(),
            Progress::Ended(result) => return result,
            Progress::Suspended(_) => unreachable!("resumed above"),
        }
    }
}

#[test]
fn a_script_takes_keys_on_the_way_and_commits_at_once() {
    let engine = Engine::builder().build();
    let mut session = engine.session();
    let mut scripts = Scripts::default();
    let mut turn = session.enter(NOW_MS);
    run(&mut turn, &mut scripts, || {
        job(
            &["a"],
            Box::new(|unit| {
                assert_eq!(call(unit, "SET a 1")?, "OK");
                assert_eq!(call(unit, "RPUSH l x y")?, "2");
                assert_eq!(call(unit, "LMOVE l m LEFT RIGHT")?, "x");
                assert_eq!(call(unit, "MGET a nothing")?, "*2 1 nil");
                let error = call(unit, "INCR l").unwrap_err();
                assert_eq!(error, CommandError::WrongType);
                Ok(())
            }),
        )
    })
    .unwrap();
    assert_eq!(ask(&mut turn, "LRANGE m 0 -1").unwrap(), "*1 x");
    assert_eq!(ask(&mut turn, "LRANGE l 0 -1").unwrap(), "*1 y");
    assert_eq!(ask(&mut turn, "GET a").unwrap(), "1");
}

/// Runs a script with one key `n`, a counter, which another client sets to 10 after the script has
/// looked for the first time; how often it started.
fn interrupted(engine: &Engine, then: &'static [&'static str]) -> u64 {
    let starts = Arc::new(AtomicU64::new(0));
    let mut session = engine.session();
    let mut turn = session.enter(NOW_MS);
    ask(&mut turn, "SET n 1").expect("nobody holds it");
    run(&mut turn, &mut Scripts::default(), || {
        let (engine, starts) = (engine.clone(), Arc::clone(&starts));
        job(
            &["n"],
            Box::new(move |unit| {
                // ORDER: Relaxed (unpaired); one thread counts.
                let first = starts.fetch_add(1, Ordering::Relaxed) == 0;
                let seen = call(unit, "GET n")?;
                assert_eq!(seen, if first { "1" } else { "10" });
                if first {
                    let mut session = engine.session();
                    let set = move || {
                        ask(&mut session.enter(NOW_MS), "SET n 10").expect("nobody holds it")
                    };
                    std::thread::spawn(set).join().expect("no panic");
                }
                assert_eq!(call(unit, "GET n")?, seen, "one instant");
                then.iter().try_for_each(|line| call(unit, line).map(drop))
            }),
        )
    })
    .expect("the script is right");
    // ORDER: Relaxed (unpaired); as above.
    starts.load(Ordering::Relaxed)
}

#[test]
fn a_script_with_one_key_starts_again_when_others_write_it() {
    let engine = Engine::builder().build();
    let n = || ask(&mut engine.session().enter(NOW_MS), "GET n").unwrap();
    assert_eq!((interrupted(&engine, &[]), n()), (1, "10".to_owned()), "it only read");
    assert_eq!((interrupted(&engine, &["INCR n"]), n()), (2, "11".to_owned()));
    assert_eq!((interrupted(&engine, &["INCR n", "DEL n"]), n()), (2, "nil".to_owned()));
    assert_eq!((interrupted(&engine, &["INCR n", "GET other"]), n()), (2, "11".to_owned()));
    assert_eq!((interrupted(&engine, &["INCR n", "DBSIZE"]), n()), (2, "11".to_owned()));
}

#[test]
fn an_error_keeps_what_was_written() {
    let engine = Engine::builder().build();
    let mut session = engine.session();
    let mut turn = session.enter(NOW_MS);
    let result = run(&mut turn, &mut Scripts::default(), || {
        job(
            &[],
            Box::new(|unit| {
                call(unit, "SET a 1")?;
                call(unit, "SUBSCRIBE a").map(drop)
            }),
        )
    });
    assert_eq!(result, Err(CommandError::from(ScriptError::CommandForbidden).into()));
    assert_eq!(ask(&mut turn, "GET a").unwrap(), "1");
}

#[test]
fn the_whole_store_is_one_instant_with_what_was_written_before() {
    let engine = Engine::builder().build();
    let mut session = engine.session();
    let mut scripts = Scripts::default();
    let mut turn = session.enter(NOW_MS);
    ask(&mut turn, "MSET a 1 b 2").unwrap();
    run(&mut turn, &mut scripts, || {
        job(
            &["c"],
            Box::new(|unit| {
                call(unit, "SET c 3")?;
                assert_eq!(call(unit, "DBSIZE")?, "3");
                call(unit, "FLUSHALL")?;
                assert_eq!(call(unit, "DBSIZE")?, "0");
                call(unit, "RPUSH d 4 5")?;
                call(unit, "LPOP d")?;
                assert_eq!(call(unit, "KEYS *")?, "*1 d");
                Ok(())
            }),
        )
    })
    .unwrap();
    assert_eq!(ask(&mut turn, "KEYS *").unwrap(), "*1 d");
    assert_eq!(ask(&mut turn, "LRANGE d 0 -1").unwrap(), "*1 5");
}

/// A script that looks at the clock until told to stop.
fn spinning(first: &'static str, stop: Arc<AtomicBool>) -> Job {
    job(
        &["k"],
        Box::new(move |unit| {
            call(unit, first)?;
            while !stop.load(Ordering::Relaxed) {
                if !unit.tick() {
                    return Err(CommandError::CannotWait);
                }
            }
            call(unit, "APPEND k !").map(drop)
        }),
    )
}

/// What a suspended script holds up, and what it does not.
struct Long {
    engine: Engine,
    scripts: Scripts,
    host: Clockwork,
    number: usize,
    stop: Arc<AtomicBool>,
}

impl Long {
    fn start(turn: &mut Turn<'_>, engine: &Engine, first: &'static str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut scripts = Scripts::default();
        let mut host = Clockwork { step_us: 100, ..Clockwork::default() };
        let fill = |job: &mut Job, _: &mut Scope| *job = spinning(first, Arc::clone(&stop));
        let progress = scripts.start(turn, &mut Scope::default(), &mut host, fill, &mut Discard);
        let Progress::Suspended(number) = progress else { panic!("{progress:?}") };
        Self { engine: engine.clone(), scripts, host, number, stop }
    }

    /// One more slice; the result if that was the last.
    fn resume(&mut self, turn: &mut Turn<'_>) -> Option<Result<(), Halt>> {
        let (number, scope) = (self.number, &mut Scope::default());
        match self.scripts.resume(number, turn, scope, &mut self.host, &mut Discard) {
            Progress::Ended(result) => Some(result),
            Progress::Suspended(number) => {
                self.number = number;
                None
            }
        }
    }
}

#[test]
fn a_long_script_holds_up_its_own_keys_alone() {
    let engine = Engine::builder().build();
    let mut session = engine.session();
    let mut turn = session.enter(NOW_MS);
    let mut long = Long::start(&mut turn, &engine, "SET k new");
    assert_eq!(ask(&mut turn, "GET k").unwrap(), "nil", "not committed, and readers never wait");
    assert_eq!(ask(&mut turn, "SET other 1").unwrap(), "OK");
    assert_eq!(ask(&mut turn, "SET k old"), Err(Halt::Busy));
    assert_eq!(ask(&mut turn, "FLUSHALL"), Err(Halt::Busy), "the barrier waits for scripts");
    drop(turn);
    // No turn: the epochs go on.
    let (before, mut maintainer) = (engine.stats().epoch, engine.maintainer());
    for _ in 0..3 {
        maintainer.tick(NOW_MS);
    }
    assert!(engine.stats().epoch > before);
    let mut turn = session.enter(NOW_MS);
    assert!(long.resume(&mut turn).is_none());
    long.stop.store(true, Ordering::Relaxed);
    assert_eq!(long.resume(&mut turn), Some(Ok(())));
    assert_eq!(ask(&mut turn, "GET k").unwrap(), "new!");
    assert_eq!(ask(&mut turn, "FLUSHALL").unwrap(), "OK");
}

#[test]
fn who_needs_a_key_of_a_slow_script_is_told_so() {
    let engine = Engine::builder().build();
    engine.set_script_patience_ms(10);
    let mut session = engine.session();
    let mut turn = session.enter(NOW_MS);
    let mut long = Long::start(&mut turn, &engine, "SET k new");
    long.host.now_us += 20_000;
    assert!(long.resume(&mut turn).is_none());
    let busy = Err(CommandError::from(ScriptError::Busy).into());
    assert_eq!(ask(&mut turn, "SET k old"), busy);
    assert_eq!(ask(&mut turn, "MSET a 1 k 2"), busy);
    assert_eq!(ask(&mut turn, "SET a 1").unwrap(), "OK");
    assert_eq!(long.engine.kill_script(false), Err(ScriptError::Unkillable));
    long.stop.store(true, Ordering::Relaxed);
    assert_eq!(long.resume(&mut turn), Some(Ok(())));
    assert_eq!(ask(&mut turn, "GET k").unwrap(), "new!");
    assert_eq!(long.engine.kill_script(false), Err(ScriptError::NotBusy));
}

#[test]
fn a_script_that_has_not_written_is_killed() {
    let engine = Engine::builder().build();
    let mut session = engine.session();
    let mut turn = session.enter(NOW_MS);
    let mut long = Long::start(&mut turn, &engine, "GET k");
    assert_eq!(long.engine.kill_script(true), Err(ScriptError::Busy));
    assert_eq!(long.engine.kill_script(false), Ok(()));
    assert_eq!(long.resume(&mut turn), Some(Err(CommandError::CannotWait.into())));
    assert_eq!(ask(&mut turn, "SET k 1").unwrap(), "OK");
}

/// Two threads move money between accounts that they do not declare, in opposite orders; a third
/// reads all of them at once.
fn transfers(
    setup: &[String],
    transfer: impl Fn(&mut Unit<'_, '_>, usize) -> Result<(), CommandError>
    + Copy
    + Send
    + Sync
    + 'static,
    total: impl Fn(&mut Turn<'_>) -> i64 + Send + Copy + 'static,
) {
    let engine = Engine::builder().build();
    let mut session = engine.session();
    for line in setup {
        ask(&mut session.enter(NOW_MS), line).expect("nobody else is there");
    }
    let want = total(&mut session.enter(NOW_MS));
    let until = Instant::now() + Duration::from_millis(1_000);
    let done = Arc::new(AtomicU64::new(0));
    let workers: Vec<_> = (0..3_u64)
        .map(|index| {
            let (engine, done) = (engine.clone(), Arc::clone(&done));
            std::thread::spawn(move || {
                let (mut session, mut scripts) = (engine.session(), Scripts::default());
                let mut seed = index;
                while Instant::now() < until {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let choice = usize::try_from(seed >> 33).expect("31 bits");
                    let make = || job(&[], Box::new(move |unit| transfer(unit, choice)));
                    let turn = &mut session.enter(NOW_MS);
                    run(turn, &mut scripts, make).expect("transfers do not fail");
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    while Instant::now() < until {
        assert_eq!(total(&mut session.enter(NOW_MS)), want, "half a script was seen");
        std::thread::yield_now();
    }
    workers.into_iter().for_each(|worker| worker.join().expect("it has not panicked"));
    assert_eq!(total(&mut session.enter(NOW_MS)), want);
    assert!(done.load(Ordering::Relaxed) > 100, "they hardly got on");
}

fn two_of(choice: usize) -> (&'static str, &'static str) {
    let names = ["a", "b", "c"];
    (names[choice % 3], names[choice / 3 % 3])
}

fn sum(text: &str) -> i64 {
    text.split(' ').filter_map(|word| word.parse::<i64>().ok()).sum()
}

#[test]
fn scripts_that_want_each_others_undeclared_keys_never_hang() {
    transfers(
        &["MSET a 100 b 100 c 100".to_owned()],
        |unit, choice| {
            let (from, to) = two_of(choice);
            call(unit, &format!("DECRBY {from} 1"))?;
            call(unit, &format!("GET {to}"))?;
            call(unit, &format!("INCRBY {to} 1")).map(drop)
        },
        |turn| loop {
            match ask(turn, "MGET a b c") {
                Ok(text) => return sum(&text),
                Err(_) => std::thread::yield_now(),
            }
        },
    );
}

#[test]
fn scripts_that_edit_large_collections_never_hang() {
    // Above the size that is copied, so edited in place with the token.
    let large = |name: &str| format!("HSET {name} n 100 pad {}", "x".repeat(1_200_000));
    let small = |name: &str| format!("HSET {name} n 100 pad {}", "x".repeat(20_000));
    transfers(
        &[large("a"), large("b"), small("c")],
        |unit, choice| {
            let (from, to) = two_of(choice);
            call(unit, &format!("HINCRBY {from} n -1"))?;
            call(unit, &format!("HINCRBY {to} n 1")).map(drop)
        },
        |turn| {
            // One EXEC would do; a script is what is tested.
            let mut scripts = Scripts::default();
            let seen = Arc::new(AtomicU64::new(0));
            let copy = Arc::clone(&seen);
            let make = || {
                let seen = Arc::clone(&copy);
                job(
                    &["a", "b", "c"],
                    Box::new(move |unit| {
                        let mut total = 0;
                        for key in ["a", "b", "c"] {
                            total += sum(&call(unit, &format!("HGET {key} n"))?);
                        }
                        seen.store(total.cast_unsigned(), Ordering::Relaxed);
                        Ok(())
                    }),
                )
            };
            run(turn, &mut scripts, make).unwrap();
            seen.load(Ordering::Relaxed).cast_signed()
        },
    );
}

#[test]
fn a_tape_plays_what_it_heard() {
    let mut tape = Tape::new(2);
    tape.array(2);
    tape.bulk(b"one");
    tape.integer(2);
    let mut text = Text::default();
    tape.play(&mut text);
    assert_eq!(text.0, "*2 one 2");
}

/// Entries of scripts' journals: effects in words, with their entry's TID.
#[derive(Clone, Debug, Default)]
struct Entries(Arc<Mutex<Vec<String>>>);

#[derive(Debug)]
struct Recorder {
    entries: Entries,
    staged: Vec<String>,
}

impl JournalSource for Entries {
    fn make(&self) -> Box<dyn Journal> {
        Box::new(Recorder { entries: self.clone(), staged: Vec::new() })
    }
}

impl Journal for Recorder {
    fn stage(&mut self, _: u16, words: &[&[u8]]) {
        let words: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(word)).collect();
        self.staged.push(words.join(" "));
    }
    fn publish(&mut self, _: crate::Tid, _: u64) {
        let entry = std::mem::take(&mut self.staged).join("; ");
        self.entries.0.lock().expect("no test panics while it records").push(entry);
    }
    fn withdraw(&mut self) {
        self.staged.clear();
    }
    fn turn_ended(&mut self) {
        assert!(self.staged.is_empty(), "{:?} is neither published nor withdrawn", self.staged);
    }
    fn is_congested(&self) -> bool {
        false
    }
    fn fault(&self) -> Option<String> {
        None
    }
}

#[test]
fn a_script_is_one_entry_of_the_log_or_none() {
    let (engine, entries) = (Engine::builder().build(), Entries::default());
    engine.set_journals(Box::new(entries.clone()));
    let (mut session, mut owner) = (engine.session(), engine.session());
    let mut scripts = Scripts::default();
    let whole = || {
        job(
            &["a"],
            Box::new(|unit| {
                call(unit, "SET a 1")?;
                call(unit, "SADD u x")?;
                call(unit, "GET busy")?;
                call(unit, "KEYS *")?;
                call(unit, "SPOP u")?;
                call(unit, "FLUSHDB")?;
                call(unit, "SET c 3").map(drop)
            }),
        )
    };
    owner.enter(NOW_MS).with_context(0, |context| {
        context.take(&[(0, b"busy")]).unwrap();
        let (mut scope, mut host) = (Scope::default(), Clockwork::default());
        let mut turn = session.enter(NOW_MS);
        let fill = |job: &mut Job, _: &mut Scope| *job = whole();
        let progress = scripts.start(&mut turn, &mut scope, &mut host, fill, &mut Discard);
        assert!(matches!(progress, Progress::Ended(Err(Halt::Busy))));
        assert!(host.undone > 0, "it wrote, and went back");
        context.finish();
    });
    assert_eq!(*entries.0.lock().unwrap(), [""; 0]);
    run(&mut session.enter(NOW_MS), &mut scripts, whole).unwrap();
    let want = "SET a 1; SADD u x; SREM u x; FLUSHDB; SET c 3";
    assert_eq!(*entries.0.lock().unwrap(), [want]);
}
