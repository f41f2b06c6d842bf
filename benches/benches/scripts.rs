//! What does a second reactor bring to scripts?
//!
//! Scripts that declare their one key, no two threads the same, on one thread and on two: reads of
//! a key, and the taking and usual release of a lock, in a store that holds other keys, too (an
//! empty one is a few lines of memory, which every write wants). Wanted: 1.7. What a script costs
//! by itself is the `script` bench's.
//!
//! Prints a Markdown table.

use std::time::Duration;

use engine::commands::lookup;
use engine::reply::Discard;
use engine::scripting::lua::sha1_hex;
use engine::scripting::{Progress, Scripts};
use engine::{Engine, NoHost, Scope, Session, Turn};
use zumic_benches::{emit, is_smoke, one_and_two, rate};

struct Load {
    others: usize,
    rounds: usize,
    time: Duration,
}

const FULL: Load = Load { others: 100_000, rounds: 7, time: Duration::from_millis(700) };
const SMOKE: Load = Load { others: 1_000, rounds: 1, time: Duration::from_millis(5) };

const NOW_MS: u64 = 1_700_000_000_000;
/// Scripts per turn, as many as a batch of the server's.
const BATCH: u32 = 32;
/// Keys of each thread, used in turn.
const KEYS: u32 = 1_000;

const SCRIPTS: [(&str, &str); 2] = [
    ("GET", "return redis.call('get', KEYS[1])"),
    (
        "take and release a lock",
        "redis.call('set', KEYS[1], ARGV[1]) \
         if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) \
         else return 0 end",
    ),
];

/// A reactor as far as scripts are concerned.
struct Reactor {
    session: Session,
    scripts: Scripts,
    thread: usize,
    next: u32,
}

fn run(turn: &mut Turn<'_>, scripts: &mut Scripts, args: &[&[u8]]) {
    let row = lookup(args[0]).expect("a command of the engine");
    let mut scope = Scope::default();
    match scripts.start_script(turn, &mut scope, &mut NoHost, (row, args), &mut Discard) {
        Progress::Ended(result) => {
            result.expect("the scripts are right, and nobody has their keys")
        }
        Progress::Suspended(_) => panic!("these scripts are short"),
    }
}

/// An engine that holds so many keys.
fn filled(others: usize) -> Engine {
    let engine = Engine::builder().databases(1).seed(7).build();
    let mut session = engine.session();
    let mut turn = session.enter(NOW_MS);
    let set = lookup(b"SET").expect("a command of the engine");
    for number in 0..others {
        let key = format!("other:{number}");
        let args = [b"SET", key.as_bytes(), b"value"];
        turn.run(&mut Scope::default(), &mut NoHost, set, &args, &mut Discard)
            .expect("nobody else is there");
    }
    drop(turn);
    drop(session);
    engine
}

fn main() {
    let load = if is_smoke() { SMOKE } else { FULL };
    emit(&format!("median of {} rounds; millions per second\n", load.rounds));
    emit("| script | 1 thread | 2 threads | ratio |");
    emit("| --- | ---: | ---: | ---: |");
    for (name, body) in SCRIPTS {
        let engine = filled(load.others);
        let sha = sha1_hex(body.as_bytes());
        let worker = |thread| {
            let (mut session, mut scripts) = (engine.session(), Scripts::default());
            let first = [b"EVAL", body.as_bytes(), b"1", b"known from now on", b"token"];
            run(&mut session.enter(NOW_MS), &mut scripts, &first);
            Reactor { session, scripts, thread, next: 0 }
        };
        let batch = |reactor: &mut Reactor| {
            let mut turn = reactor.session.enter(NOW_MS);
            for _ in 0..BATCH {
                reactor.next = (reactor.next + 1) % KEYS;
                let key = format!("lock:{}:{}", reactor.thread, reactor.next);
                let args = [b"EVALSHA", &sha[..], b"1", key.as_bytes(), b"token"];
                run(&mut turn, &mut reactor.scripts, &args);
            }
            BATCH
        };
        let rates = one_and_two(load.rounds, |threads| rate(threads, load.time, worker, batch));
        emit(&format!("| {name} | {rates} |"));
    }
}
