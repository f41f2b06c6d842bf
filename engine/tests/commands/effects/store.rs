//! Running command lines, replaying entries, and looking at all a store holds.

use std::collections::BTreeMap;

use engine::commands::{CommandSpec, lookup};
use engine::{Engine, Halt, Queued, Scope, Session, Thresholds, Turn};

use super::grammar::Line;
use super::recorder::Entry;
use crate::sink::{Collect, Value};
use engine::NoHost;

/// Databases of the stores under test.
pub(crate) const DATABASES: u16 = 3;
/// Entries replayed in one turn.
const ENTRIES_PER_TURN: usize = 50;

/// The row of a command line, subcommands looked up.
pub(crate) fn row_of(line: &Line) -> &'static CommandSpec {
    let args: Vec<&[u8]> = line.iter().map(Vec::as_slice).collect();
    crate::harness::row_of(&args)
}

/// A line as the engine shows it to people.
pub(crate) fn shown(line: &Line) -> String {
    let word = |word: &Vec<u8>| match word.len() {
        0..=40 => word.escape_ascii().to_string(),
        len => format!("{}…{len}", word[..8].escape_ascii()),
    };
    line.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// A store; small thresholds make large collections of a few elements.
pub(crate) fn build(seed: u64, small: bool) -> Engine {
    let engine = Engine::builder().databases(DATABASES).seed(seed).build();
    if small {
        engine.tunables().set_thresholds(Thresholds {
            hash_entries_max: 4,
            hll_sparse_bytes_max: 60,
            list_size_max: 3,
            set_entries_max: 4,
            set_intset_entries_max: 4,
            stream_node_entries_max: 2,
            zset_entries_max: 4,
            ..Thresholds::default()
        });
    }
    engine
}

/// Runs a line; false when a key is held elsewhere.
pub(crate) fn run(turn: &mut Turn<'_>, scope: &mut Scope, line: &Line) -> bool {
    let args: Vec<&[u8]> = line.iter().map(Vec::as_slice).collect();
    let row = row_of(line);
    assert!(row.accepts(args.len()), "{} has the wrong number of words", shown(line));
    let done = turn.run(scope, &mut NoHost, row, &args, &mut Collect::default());
    !matches!(done, Err(Halt::Busy))
}

/// Runs lines as one transaction; false when a key is held elsewhere.
pub(crate) fn exec(turn: &mut Turn<'_>, scope: &mut Scope, lines: &[Line]) -> bool {
    let queued = |line: &Line| Queued { spec: row_of(line), args: line.clone() };
    let queue: Vec<Queued> = lines.iter().map(queued).collect();
    let mut sink = Collect::default();
    let done = turn.with(scope, &mut sink, |context| context.exec(&mut NoHost, &queue));
    !matches!(done, Err(Halt::Busy))
}

/// Replays a log, in the order of its TIDs, into an empty store.
pub(crate) fn replay(engine: &Engine, log: &mut [Entry], note: &str) {
    log.sort_by_key(|entry| entry.tid);
    let mut session = engine.session();
    for entries in log.chunks(ENTRIES_PER_TURN) {
        let mut turn = session.enter(1);
        for entry in entries {
            for (db, line) in &entry.effects {
                let words: Vec<&[u8]> = line.iter().map(Vec::as_slice).collect();
                let done = turn.replay(*db, entry.now_ms, &words);
                assert_eq!(done, Ok(()), "{note}: {} of {:?}", shown(line), entry.tid);
            }
        }
        assert!(!turn.has_changes(), "{note}: nothing is told of what is replayed");
    }
}

/// All a store holds: what `view` shows, by database and key.
pub(crate) fn contents(engine: &Engine) -> BTreeMap<(u16, Vec<u8>), String> {
    let mut session = engine.session();
    let mut all = BTreeMap::new();
    // In a place that is no database's.
    if engine.script_stats().libraries > 0 {
        let functions = engine.dump_functions().escape_ascii().to_string();
        all.insert((u16::MAX, b"functions".to_vec()), functions);
    }
    for db in 0..DATABASES {
        for key in elements(ask(&mut session, db, &[b"KEYS", b"*"])) {
            let Value::Bulk(key) = key else { panic!("{key:?} is no key") };
            let view = view(&mut session, db, &key);
            all.insert((db, key), view);
        }
    }
    all
}

/// Asks as of long ago, so that what has expired is there until it is removed.
fn ask(session: &mut Session, db: u16, args: &[&[u8]]) -> Value {
    let mut scope = Scope::default();
    (scope.db, scope.no_touch) = (db, true);
    let mut sink = Collect::default();
    let row = lookup(args[0]).expect("a known command");
    let row = row.subcommand(args[1]).unwrap_or(row);
    let done = session.enter(1).run(&mut scope, &mut NoHost, row, args, &mut sink);
    assert_eq!(done, Ok(()), "{}", args[0].escape_ascii());
    sink.into_reply()
}

fn elements(value: Value) -> Vec<Value> {
    match value {
        Value::Aggregate(_, values) => values,
        other => panic!("{other:?} is no aggregate"),
    }
}

fn sorted(value: Value, by: usize) -> Vec<Vec<Value>> {
    let mut rows: Vec<_> = elements(value).chunks(by).map(<[_]>::to_vec).collect();
    rows.sort_by_key(|row| format!("{:?}", row[0]));
    rows
}

/// The type, the deadline and the value of a key.
fn view(session: &mut Session, db: u16, key: &[u8]) -> String {
    let mut ask = |args: &[&[u8]]| ask(session, db, args);
    let Value::Simple(kind) = ask(&[b"TYPE", key]) else { panic!("TYPE answers a status") };
    let deadline = ask(&[b"PEXPIRETIME", key]);
    let value = match kind.as_str() {
        "string" => format!("{:?}", ask(&[b"GET", key])),
        "list" => format!("{:?}", ask(&[b"LRANGE", key, b"0", b"-1"])),
        "set" => format!("{:?}", sorted(ask(&[b"SMEMBERS", key]), 1)),
        "zset" => format!("{:?}", ask(&[b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"])),
        "hash" => {
            let mut fields = sorted(ask(&[b"HGETALL", key]), 2);
            for row in &mut fields {
                let Value::Bulk(field) = row[0].clone() else { panic!("a field") };
                row.push(ask(&[b"HPEXPIRETIME", key, b"FIELDS", b"1", &field]));
            }
            format!("{fields:?}")
        }
        "stream" => {
            let whole = ask(&[b"XINFO", b"STREAM", key, b"FULL", b"COUNT", b"0"]);
            format!("{:?}", without(whole, &["radix-tree-keys", "radix-tree-nodes", "seen-time"]))
        }
        "TSDB-TYPE" => {
            let names = ["chunkCount", "memoryUsage"];
            let about = without(ask(&[b"TS.INFO", key]), &names);
            format!("{about:?} {:?}", ask(&[b"TS.RANGE", key, b"-", b"+"]))
        }
        other => panic!("{other} is no type"),
    };
    format!("{kind} {deadline:?} {value}")
}

/// A reply without the values of some names: what depends on the representation, or on a
/// consumer's having been seen without getting anything.
fn without(value: Value, names: &[&str]) -> Value {
    let Value::Aggregate(kind, values) = value else { return value };
    let mut kept = Vec::new();
    let mut skip = false;
    for value in values {
        let name = match &value {
            Value::Bulk(name) => String::from_utf8_lossy(name).into_owned(),
            Value::Simple(name) => name.clone(),
            _ => String::new(),
        };
        if !std::mem::take(&mut skip) {
            skip = names.contains(&name.as_str());
            kept.push(without(value, names));
        }
    }
    Value::Aggregate(kind, kept)
}

/// Compares two stores; the first key that differs.
pub(crate) fn difference(ours: &Engine, theirs: &Engine) -> Option<String> {
    let (ours, theirs) = (contents(ours), contents(theirs));
    let keys: std::collections::BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
    keys.into_iter().find(|&key| ours.get(key) != theirs.get(key)).map(|key| {
        let (db, name) = (key.0, key.1.escape_ascii());
        format!("{name} of {db}\n in memory {:?}\n replayed  {:?}", ours.get(key), theirs.get(key))
    })
}
