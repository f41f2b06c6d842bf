//! Runs command lines, and compares stores by what commands say of them.

use std::collections::BTreeMap;

use engine::commands::{CommandSpec, lookup};
use engine::persist::Meter;
use engine::persist::snapshot::{SnapshotOptions, Snapshotted, write};
use engine::persist::zdb::{Loading, Reader, load};
use engine::{Engine, Halt, NoHost, Queued, Scope, Session};

use super::sink::{Collect, Value};

pub(crate) const NOW_MS: u64 = 1_700_000_000_000;
pub(crate) const DATABASES: u16 = 4;

pub(crate) fn new_engine() -> Engine {
    Engine::builder().databases(DATABASES).seed(7).build()
}

fn row_of(args: &[Vec<u8>]) -> &'static CommandSpec {
    let row = lookup(&args[0]).expect("a known command");
    match args.get(1) {
        Some(name) if !row.subcommands.is_empty() => row.subcommand(name).expect("a subcommand"),
        _ => row,
    }
}

/// The words of a line; `~N` stands for N bytes that do not compress well.
fn words(line: &str) -> Vec<Vec<u8>> {
    let word = |word: &str| match word.strip_prefix('~') {
        Some(count) => {
            let count: u32 = count.parse().expect("a number");
            let mut seed = u64::from(count) | 1;
            let mut next = || {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                seed.to_be_bytes()[0]
            };
            (0..count).map(|_| next()).collect()
        }
        None => word.as_bytes().to_vec(),
    };
    line.split(' ').map(word).collect()
}

/// Runs a line; several commands between `;` are one transaction. Returns the epoch of the turn,
/// and the reply.
pub(crate) fn run(session: &mut Session, db: u16, line: &str) -> (u64, Value) {
    let queue: Vec<Vec<Vec<u8>>> = line.split("; ").map(words).collect();
    loop {
        let mut scope = Scope::default();
        scope.db = db;
        let mut sink = Collect::default();
        let mut turn = session.enter(NOW_MS);
        let epoch = turn.epoch();
        let done = if let [args] = &queue[..] {
            let borrowed: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
            turn.run(&mut scope, &mut NoHost, row_of(args), &borrowed, &mut sink)
        } else {
            let queued = |args: &Vec<Vec<u8>>| Queued { spec: row_of(args), args: args.clone() };
            let queue: Vec<Queued> = queue.iter().map(queued).collect();
            turn.with(&mut scope, &mut sink, |context| context.exec(&mut NoHost, &queue))
        };
        match done {
            Ok(()) => return (epoch, sink.into_reply()),
            Err(Halt::Error(error)) => return (epoch, Value::Error(error.to_string())),
            Err(Halt::Busy) => {
                drop(turn);
                std::thread::yield_now();
            }
            Err(Halt::Wait(_)) => panic!("{line} waits"),
        }
    }
}

/// Elements in an order that does not depend on the table they are in.
fn sorted(value: Value, width: usize) -> Vec<String> {
    let Value::Aggregate(_, values) = value else { return vec![format!("{value:?}")] };
    let mut parts: Vec<String> = values.chunks(width).map(|part| format!("{part:?}")).collect();
    parts.sort();
    parts
}

/// A string; of a long one what tells it from others (FNV-1a).
fn brief(value: &Value) -> String {
    match value {
        Value::Bulk(bytes) if bytes.len() > 1_000 => {
            let mix =
                |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
            format!("{} bytes, {:x}", bytes.len(), bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix))
        }
        short => format!("{short:?}"),
    }
}

/// Everything there is to know of a key, and of every key of a store.
pub(crate) fn picture(engine: &Engine) -> BTreeMap<(u16, String), Vec<String>> {
    let mut session = engine.session();
    let mut all = BTreeMap::new();
    for db in 0..DATABASES {
        let Value::Aggregate(_, keys) = run(&mut session, db, "KEYS *").1 else {
            panic!("an array")
        };
        for key in keys {
            let Value::Bulk(key) = key else { panic!("a key") };
            let key = String::from_utf8(key).expect("keys of this test are text");
            let mut say = |line: &str| run(&mut session, db, &line.replace('@', &key)).1;
            let kind = say("TYPE @");
            let Value::Simple(name) = &kind else { panic!("{kind:?}") };
            let mut facts = vec![format!("{kind:?} until {:?}", say("PEXPIRETIME @"))];
            facts.extend(match &name[..] {
                "hash" => {
                    let mut all = sorted(say("HGETALL @"), 2);
                    all.push(format!("{:?}", say("HPEXPIRETIME @ FIELDS 2 f1 f2")));
                    all
                }
                "list" => vec![format!("{:?}", say("LRANGE @ 0 -1"))],
                "set" => sorted(say("SMEMBERS @"), 1),
                "stream" => vec![
                    format!("{:?}", say("XRANGE @ - +")),
                    format!("{:?}", say("XINFO STREAM @ FULL COUNT 0")),
                ],
                "string" => vec![brief(&say("GET @"))],
                "TSDB-TYPE" => vec![format!("{:?}", say("TS.RANGE @ - +"))],
                "zset" => vec![format!("{:?}", say("ZRANGE @ 0 -1 WITHSCORES"))],
                other => panic!("{other}"),
            });
            all.insert((db, key), facts);
        }
    }
    all
}

/// Memory that is as slow as a disk, so that writers get ahead of the scanner.
#[derive(Default)]
struct Slow(Vec<u8>);

impl std::io::Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if bytes.len() > 1_000 {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Takes a snapshot into memory.
pub(crate) fn snapshot(engine: &Engine, options: &SnapshotOptions) -> (Vec<u8>, Snapshotted) {
    let meter = Meter::default();
    let functions = || b"functions of the test".to_vec();
    let (Slow(bytes), done) =
        write(engine, Slow::default(), options, &functions, &meter).expect("memory does not fail");
    assert_eq!(meter.keys(), done.summary.keys, "the meter counted something else");
    assert_eq!(done.summary.file_bytes, bytes.len() as u64);
    (bytes, done)
}

/// Loads a file into a new engine.
pub(crate) fn loaded(bytes: &[u8], threads: usize) -> (Engine, Loading) {
    let engine = new_engine();
    let mut reader = Reader::new(bytes).expect("a header");
    let loading = load(&engine, &mut reader, threads, &Meter::default()).expect("a whole file");
    assert_eq!(loading.functions, b"functions of the test");
    (engine, loading)
}
