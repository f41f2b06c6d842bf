//! Which effects writes leave, what was seen, and when writes have to wait.

use std::sync::{Arc, Mutex};

use engine::{Engine, Halt, ReplayError, Scope, Session};
use zumic_error::{CommandError, DurabilityError};

use super::grammar::Line;
use super::recorder::{Log, Recorder};
use super::store::{build, contents, exec, replay, row_of, run, shown};
use super::templates::START_MS;
use crate::sink::Collect;
use engine::NoHost;

/// A store with one session that is logged.
struct Logged {
    engine: Engine,
    log: Log,
    session: Session,
    scope: Scope,
}

impl Logged {
    fn new() -> Self {
        let engine = build(1, true);
        let log: Log = Arc::new(Mutex::default());
        let session = logged(&engine, &log);
        Self { engine, log, session, scope: Scope::default() }
    }

    fn run(&mut self, text: &str) {
        assert!(run(&mut self.session.enter(START_MS), &mut self.scope, &line(text)), "{text}");
    }

    fn exec(&mut self, texts: &[&str]) {
        let lines: Vec<Line> = texts.iter().map(|text| line(text)).collect();
        assert!(exec(&mut self.session.enter(START_MS), &mut self.scope, &lines), "{texts:?}");
    }

    /// Takes the entries so far, as people read them: effects of one entry behind semicolons.
    fn entries(&self) -> Vec<String> {
        let entries = std::mem::take(&mut *self.log.lock().expect("nobody panics"));
        let text = |(db, line): &(u16, Line)| match db {
            0 => shown(line),
            db => format!("{db}: {}", shown(line)),
        };
        let all = |entry: super::recorder::Entry| {
            entry.effects.iter().map(text).collect::<Vec<_>>().join("; ")
        };
        entries.into_iter().map(all).collect()
    }
}

fn logged(engine: &Engine, log: &Log) -> Session {
    let mut session = engine.session();
    session.set_journal(Box::new(Recorder::new(log)));
    session
}

fn line(text: &str) -> Line {
    text.split(' ').map(Into::into).collect()
}

/// What a line is refused with.
fn refusal(session: &mut Session, scope: &mut Scope, text: &str) -> Option<Halt> {
    let line = line(text);
    let args: Vec<&[u8]> = line.iter().map(Vec::as_slice).collect();
    let mut sink = Collect::default();
    session.enter(START_MS).run(scope, &mut NoHost, row_of(&line), &args, &mut sink).err()
}

#[test]
fn each_write_leaves_what_does_it_again() {
    for (before, command, effects) in [
        // Images, with points in time.
        ("", "SET s 1 EX 5", "SET s 1 PXAT 1700000005000"),
        ("SET s 1", "INCRBYFLOAT s 1.5", "SET s 2.5"),
        ("SET s 1 PX 5", "INCR s", "SET s 2 PXAT 1700000000005"),
        ("SET s 1", "EXPIRE s 5", "PEXPIREAT s 1700000005000"),
        ("SET s 1", "EXPIRE s -1", "DEL s"),
        ("SET s 1 PX 5", "GETEX s PERSIST", "PERSIST s"),
        ("SET s 1", "GETDEL s", "DEL s"),
        ("", "MSET a 1 b 2", "SET a 1; SET b 2"),
        ("SET a 1", "DEL a b", "DEL a"),
        ("SET a 1", "BITOP OR b a", "SET b 1"),
        ("SET a 1", "COPY a b DB 1", "1: SET b 1"),
        // What was sent, for functions of one key.
        ("SET s 1", "APPEND s 2", "APPEND s 2"),
        ("", "RPUSH l a b", "RPUSH l a b"),
        ("HSET h f 1", "HINCRBYFLOAT h f .5", "HINCRBYFLOAT h f .5"),
        // The handlers' own words.
        ("SADD u a", "SPOP u", "SREM u a"),
        ("SADD u a", "SPOP u 9", "DEL u"),
        ("SADD u a", "SMOVE u v a", "SREM u a; SADD v a"),
        ("RPUSH l a b", "LMOVE l m LEFT RIGHT", "LPOP l; RPUSH m a"),
        ("RPUSH l a b", "RPOPLPUSH l l", "LMOVE l l RIGHT LEFT"),
        ("RPUSH l a b", "BLMPOP 0 2 k l LEFT COUNT 5", "LPOP l 5"),
        ("RPUSH l a b", "BRPOP k l 0", "RPOP l"),
        ("ZADD z 1 a 2 b", "BZMPOP 0 2 k z MAX COUNT 9", "ZPOPMAX z 2"),
        ("ZADD z 1 a 2 b", "ZREMRANGEBYSCORE z 2 9", "ZREMRANGEBYRANK z 1 1"),
        ("SET s 1", "RENAMENX s r", "RENAME s r"),
        ("SET s 1", "MOVE s 2", "MOVE s 2"),
        ("HSET h f 1 g 1", "HEXPIRE h 1 FIELDS 1 f", "HPEXPIREAT h 1700000001000 FIELDS 1 f"),
        ("HSET h EX 1", "HGETEX h EX 1 FIELDS 1 EX", "HGETEX h PXAT 1700000001000 FIELDS 1 EX"),
        ("", "XADD x * a 1", "XADD x 1700000000000-0 a 1"),
        ("XADD x 1-1 a 1", "XADD x MAXLEN 1 2-* a 1", "XADD x MAXLEN = 1 2-0 a 1"),
        ("XADD x 1-1 a 1", "XTRIM x MINID 5", "XTRIM x MAXLEN = 0"),
        ("", "TS.ADD t * 1", "TS.ADD t 1700000000000 1"),
        ("SET a 1", "FLUSHDB", "FLUSHDB"),
        ("", "SWAPDB 0 1", "SWAPDB 0 1"),
        // Nothing for what writes nothing.
        ("SET s 1", "SET s 2 NX", ""),
        ("SET s 1", "GETEX s", ""),
        ("SADD u a", "SADD u a", ""),
        ("SET s 1", "RENAME s s", ""),
        ("", "DEL a b", ""),
        ("", "LPUSHX l a", ""),
        ("", "PFMERGE s s", ""),
    ] {
        let mut store = Logged::new();
        if !before.is_empty() {
            store.run(before);
        }
        drop(store.entries());
        store.run(command);
        let got = store.entries();
        if command.starts_with("PFMERGE") {
            assert!(got[0].starts_with("SET s HYLL"), "{got:?}");
            continue;
        }
        let want: Vec<_> =
            Some(effects.to_owned()).filter(|it| !it.is_empty()).into_iter().collect();
        assert_eq!(got, want, "{command}");
    }
}

#[test]
fn a_transaction_is_one_entry_of_what_succeeded() {
    let mut store = Logged::new();
    store.exec(&["SET a 1", "LPUSH a x", "GET a", "RPUSH l x", "LPOP l", "DEL b"]);
    assert_eq!(store.entries(), ["SET a 1; RPUSH l x; LPOP l"]);
    store.exec(&["GET a", "LRANGE l 0 -1", "SET a 2 NX"]);
    assert_eq!(store.entries(), [""; 0]);
    // With the whole store in it, too.
    store.exec(&["SET a 2", "RENAME a b", "FLUSHALL", "SADD u 1", "SPOP u", "KEYS *"]);
    assert_eq!(store.entries(), ["SET a 2; RENAME a b; FLUSHALL; SADD u 1; SREM u 1"]);
    store.exec(&["KEYS *", "DBSIZE"]);
    assert_eq!(store.entries(), [""; 0]);
}

#[test]
fn what_expires_leaves_its_removal() {
    let mut store = Logged::new();
    store.run("SET s 1 PX 5");
    store.run("HSETEX h PX 5 FIELDS 2 f 1 g 2");
    store.run("HSET h a 1");
    drop(store.entries());
    let mut turn = store.session.enter(START_MS + 100);
    assert!(run(&mut turn, &mut store.scope, &line("GET s")));
    assert!(run(&mut turn, &mut store.scope, &line("HSET h b 2")));
    drop(turn);
    let entries = store.entries();
    assert_eq!(entries[0], "DEL s");
    assert!(entries[1] == "HDEL h f g" || entries[1] == "HDEL h g f", "{entries:?}");
    assert_eq!(entries[2..], ["HSET h b 2"]);
}

/// FLUSHALL has to be ordered against keys that it never saw a version of.
#[test]
fn what_empties_the_store_is_behind_all_before_and_ahead_of_all_after() {
    let mut busy = Logged::new();
    let log = Arc::clone(&busy.log);
    let (mut flusher, mut late) = (logged(&busy.engine, &log), logged(&busy.engine, &log));
    for _ in 0..1_000 {
        busy.run("SET before 1");
    }
    let mut scope = Scope::default();
    assert!(run(&mut flusher.enter(START_MS), &mut scope, &line("FLUSHALL SYNC")));
    assert!(run(&mut late.enter(START_MS), &mut scope, &line("SET after 1")));
    busy.run("SET after 2");
    let copy = build(2, false);
    replay(&copy, &mut log.lock().expect("nobody panics"), "in order of TIDs");
    assert_eq!(contents(&copy), contents(&busy.engine));
    assert_eq!(contents(&copy).len(), 1);
}

#[test]
fn an_effect_that_is_none_is_told() {
    let engine = build(1, false);
    let mut session = engine.session();
    let mut turn = session.enter(START_MS);
    let mut replay = |db, text: &str| {
        let line = line(text);
        let words: Vec<&[u8]> = line.iter().map(Vec::as_slice).collect();
        turn.replay(db, START_MS, &words)
    };
    assert_eq!(replay(0, "SET a 1"), Ok(()));
    for text in ["GET a", "NOSUCH a", "SET a", "XGROUP NOSUCH x g 0", "XGROUP", "EXEC"] {
        assert_eq!(replay(0, text), Err(ReplayError::NotAnEffect), "{text}");
    }
    assert_eq!(replay(9, "SET a 1"), Err(ReplayError::DatabaseUnknown(9)));
    let wrong = Err(ReplayError::Refused(CommandError::WrongType));
    assert_eq!(replay(0, "RPUSH a 1"), wrong);
    // Errors inside a reply are none less.
    assert!(matches!(replay(0, "TS.MADD t 1 1"), Err(ReplayError::Refused(_))));
    assert_eq!(turn.replay(0, START_MS, &[]), Err(ReplayError::NotAnEffect));
}

#[test]
fn the_epoch_of_what_was_seen_is_told() {
    let mut store = Logged::new();
    let mut maintainer = store.engine.maintainer();
    let mut reader = logged(&store.engine, &Arc::new(Mutex::default()));
    let mut next_epoch = || {
        maintainer.tick(START_MS);
        store.engine.stats().epoch
    };
    let seen = |reader: &mut Session, text: &str| {
        let mut turn = reader.enter(START_MS);
        turn.reset_seen();
        assert!(run(&mut turn, &mut Scope::default(), &line(text)), "{text}");
        turn.seen_epoch()
    };
    let mut write = |text: &str| {
        assert!(run(&mut store.session.enter(START_MS), &mut store.scope, &line(text)));
    };
    assert_eq!(seen(&mut reader, "GET a"), 0);
    let first = next_epoch();
    write("SET a 1");
    write("SADD u a b c d e f g h i");
    let second = next_epoch();
    write("DEL a");
    assert_eq!(seen(&mut reader, "SCARD u"), first);
    assert_eq!(seen(&mut reader, "GET a"), second, "what was deleted");
    assert_eq!(seen(&mut reader, "MGET a u"), second);
    let third = next_epoch();
    write("SADD u z");
    assert_eq!(seen(&mut reader, "SISMEMBER u z"), third, "edited in place");
    assert_eq!(seen(&mut reader, "SETNX u 1"), third, "what kept a write from happening");
    assert_eq!(seen(&mut reader, "EXISTS nothing"), 0);
    let fourth = next_epoch();
    assert_eq!(seen(&mut reader, "KEYS *"), fourth);
    assert_eq!(seen(&mut reader, "DBSIZE"), fourth);
    assert_eq!(seen(&mut reader, "SET b 1"), fourth, "its own");
    write("FLUSHALL SYNC");
    let flushed = store.engine.stats().epoch;
    assert!(flushed > fourth);
    assert_eq!(seen(&mut reader, "GET nothing"), flushed, "it may have been flushed");
    let mut unlogged = store.engine.session();
    assert_eq!(seen(&mut unlogged, "KEYS *"), 0);
}

#[test]
fn writes_wait_or_are_refused_as_the_log_says() {
    let engine = build(1, false);
    let log: Log = Arc::new(Mutex::default());
    let mut scope = Scope::default();
    let lines = [line("GET a"), line("SET a 1")];
    let stopped = || DurabilityError::LogStopped("no space".to_owned());
    for (congested, fault, want) in [
        (true, None, Halt::Busy),
        (false, Some("no space"), Halt::Error(stopped().into())),
        (true, Some("no space"), Halt::Error(stopped().into())),
    ] {
        let mut session = engine.session();
        let mut recorder = Recorder::new(&log);
        (recorder.congested, recorder.fault) = (congested, fault.map(str::to_owned));
        session.set_journal(Box::new(recorder));
        for text in ["SET a 1", "LPUSH l 1", "MSET a 1 b 2", "FLUSHALL", "DEL a"] {
            assert_eq!(refusal(&mut session, &mut scope, text).as_ref(), Some(&want), "{text}");
        }
        for text in ["GET a", "MGET a b", "KEYS *"] {
            assert_eq!(refusal(&mut session, &mut scope, text), None, "{text}");
        }
        let is_busy = !exec(&mut session.enter(START_MS), &mut scope, &lines);
        assert_eq!(is_busy, want == Halt::Busy);
        assert!(exec(&mut session.enter(START_MS), &mut scope, &lines[..1]), "it only reads");
    }
    assert!(log.lock().expect("nobody panics").is_empty());
    assert!(contents(&engine).is_empty());
}
