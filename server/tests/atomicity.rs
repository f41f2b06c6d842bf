//! Commands on several keys are seen whole or not at all, whichever reactors run them.
//!
//! Why it exists: "no torn read in ten million" is a promise of the first release. The default
//! counts suit every run of the suite; `ZUMIC_STRESS=2000` gives the ten million.

mod support;

use std::thread;

use support::{Client, Redis, Reply, Running, Server, Zumic};

const KEYS: usize = 10;
const READS: u64 = 5000;
const PIPELINE: u64 = 50;

fn words(command: &str, value: Option<&str>) -> Vec<String> {
    let mut words = vec![command.to_owned()];
    for index in 0..KEYS {
        words.push(format!("torn:{index}"));
        words.extend(value.map(str::to_owned));
    }
    words
}

fn mset(writer: u64, step: u64) -> Vec<Vec<String>> {
    vec![words("MSET", Some(&format!("{writer}:{step}")))]
}

fn exec(writer: u64, step: u64) -> Vec<Vec<String>> {
    let value = format!("{writer}:{step}");
    let mut requests = vec![vec!["MULTI".to_owned()]];
    requests.extend((0..KEYS).map(|key| vec!["SET".into(), format!("torn:{key}"), value.clone()]));
    requests.push(vec!["EXEC".to_owned()]);
    requests
}

/// A script that declares one of the keys that it writes.
fn script(writer: u64, step: u64) -> Vec<Vec<String>> {
    let body = "for i = 0, ARGV[2] do redis.call('SET', 'torn:' .. i, ARGV[1]) end";
    let last = (KEYS - 1).to_string();
    // The two begin at different keys, so that they want what the other one has.
    let first = format!("torn:{}", writer * 5);
    let words = ["EVAL", body, "1", &first, &format!("{writer}:{step}"), &last];
    vec![words.map(str::to_owned).to_vec()]
}

/// Reads all keys in a script.
fn reading_script() -> Vec<Vec<String>> {
    let body = "local all = {} for i = 0, ARGV[1] do all[i + 1] = redis.call('GET', 'torn:' .. i) \
                end return all";
    let last = (KEYS - 1).to_string();
    vec![["EVAL_RO", body, "0", &last].map(str::to_owned).to_vec()]
}

/// Two writers write all keys while two readers read them with `read`, each on a connection of
/// its own; the server spreads connections over its reactors.
fn no_torn_read(
    server: &dyn Server,
    write: impl Fn(u64, u64) -> Vec<Vec<String>> + Sync,
    read: impl Fn() -> Vec<Vec<String>> + Sync,
) {
    let running = Running::start(server);
    running.connect().call(&words("MSET", Some("0:0")));
    let rounds = READS * support::stress() / PIPELINE;
    thread::scope(|scope| {
        for writer in 0..2 {
            let (running, write) = (&running, &write);
            scope.spawn(move || {
                let mut client = running.connect();
                for round in 0..rounds {
                    let steps = round * 10..(round + 1) * 10;
                    let requests: Vec<_> = steps.flat_map(|step| write(writer, step)).collect();
                    let replies = client.pipeline(&requests).expect("the server answers");
                    let failed = replies.iter().find(|reply| reply.is_error());
                    assert!(failed.is_none(), "{failed:?}");
                }
            });
        }
        for _ in 0..2 {
            let (running, read) = (&running, &read);
            scope.spawn(move || {
                let mut client = running.connect();
                for round in 0..rounds {
                    let requests: Vec<_> = (0..PIPELINE).flat_map(|_| read()).collect();
                    let replies = client.pipeline(&requests).expect("the server answers");
                    for reply in &replies {
                        assert_whole(reply, round);
                    }
                }
            });
        }
    });
}

/// Checks one reply of a read: the values of an MGET, or of the GETs in an EXEC.
fn assert_whole(reply: &Reply, round: u64) {
    let Reply::Array(Some(values)) = reply else {
        assert!(!reply.is_error(), "{reply}");
        return;
    };
    assert_eq!(values.len(), KEYS);
    let first = &values[0];
    assert!(!first.is_null(), "round {round}: a key is missing: {reply}");
    assert!(values.iter().all(|value| value == first), "round {round}: torn: {reply}");
}

fn mget() -> Vec<Vec<String>> {
    vec![words("MGET", None)]
}

fn exec_of_gets() -> Vec<Vec<String>> {
    let mut requests = vec![vec!["MULTI".to_owned()]];
    requests.extend((0..KEYS).map(|key| vec!["GET".to_owned(), format!("torn:{key}")]));
    requests.push(vec!["EXEC".to_owned()]);
    requests
}

#[test]
fn mset_is_seen_whole_by_mget() {
    no_torn_read(&Zumic { threads: 2 }, mset, mget);
}

#[test]
fn mset_is_seen_whole_by_mget_on_four_reactors() {
    no_torn_read(&Zumic { threads: 4 }, mset, mget);
}

#[test]
fn exec_is_seen_whole_by_mget() {
    no_torn_read(&Zumic { threads: 2 }, exec, mget);
}

#[test]
fn mset_is_seen_whole_by_exec() {
    no_torn_read(&Zumic { threads: 2 }, mset, exec_of_gets);
}

#[test]
fn the_oracle_agrees() {
    if support::process::oracle_available() {
        no_torn_read(&Redis, exec, exec_of_gets);
    }
}

/// A key that is renamed to and fro is in exactly one of its two places at every instant.
#[test]
fn rename_moves_at_one_instant() {
    let running = Running::start(&Zumic { threads: 2 });
    running.connect().run("SET here v");
    let rounds = READS * support::stress() / PIPELINE;
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = running.connect();
            let there = vec!["RENAME", "here", "there"];
            let here = vec!["RENAME", "there", "here"];
            for _ in 0..rounds {
                let requests: Vec<_> =
                    (0..10).flat_map(|_| [there.clone(), here.clone()]).collect();
                let replies = client.pipeline(&requests).expect("the server answers");
                assert!(replies.iter().all(|reply| *reply == Reply::simple("OK")), "{replies:?}");
            }
        });
        for _ in 0..2 {
            scope.spawn(|| {
                let mut client = running.connect();
                let exists = vec!["EXISTS", "here", "there"];
                let mget = vec!["MGET", "here", "there"];
                for _ in 0..rounds {
                    let requests: Vec<_> =
                        (0..PIPELINE / 2).flat_map(|_| [exists.clone(), mget.clone()]).collect();
                    for reply in client.pipeline(&requests).expect("the server answers") {
                        match &reply {
                            Reply::Integer(count) => assert_eq!(*count, 1, "EXISTS"),
                            other => {
                                let nulls = other.elements().iter().filter(|v| v.is_null());
                                assert_eq!(nulls.count(), 1, "MGET: {other}");
                            }
                        }
                    }
                }
            });
        }
    });
}

fn increment(client: &mut Client, key: &str, times: u64) {
    for _ in 0..times / PIPELINE {
        let requests = vec![vec!["INCR", key]; usize::try_from(PIPELINE).expect("small")];
        let replies = client.pipeline(&requests).expect("the server answers");
        assert!(replies.iter().all(|reply| !reply.is_error()), "{replies:?}");
    }
}

#[test]
fn no_increment_is_lost() {
    for threads in [1, 2, 4] {
        let running = Running::start(&Zumic { threads });
        let each = READS * support::stress();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| increment(&mut running.connect(), "counter", each));
            }
        });
        let total = running.connect().run("GET counter").text();
        assert_eq!(total, (each / PIPELINE * PIPELINE * 4).to_string(), "{threads} threads");
    }
}

/// Optimistic increments: WATCH, GET, MULTI SET EXEC, again when aborted.
#[test]
fn watch_makes_read_modify_write_safe() {
    let running = Running::start(&Zumic { threads: 2 });
    let each = 200 * support::stress();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut client = running.connect();
                let mut done = 0;
                let mut tries = 0_u64;
                while done < each {
                    tries += 1;
                    assert!(tries < each * 10_000, "no progress: {done} of {each}");
                    client.run("WATCH balance");
                    let read = client.run("GET balance");
                    let value: u64 =
                        if read.is_null() { 0 } else { read.text().parse().expect("a number") };
                    client.run("MULTI");
                    client.run(&format!("SET balance {}", value + 1));
                    done += u64::from(!client.run("EXEC").is_null());
                }
            });
        }
    });
    assert_eq!(running.connect().run("GET balance").text(), (each * 3).to_string());
}

/// FLUSHALL and SWAPDB are one instant too: an EXEC never sees half of them.
#[test]
fn swapdb_is_seen_whole() {
    let running = Running::start(&Zumic { threads: 2 });
    let mut setup = running.connect();
    setup.run("MSET a 0 b 0");
    setup.run("SELECT 1");
    setup.run("MSET a 1 b 1");
    let rounds = READS * support::stress() / PIPELINE;
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = running.connect();
            for _ in 0..rounds * 4 {
                assert_eq!(client.run("SWAPDB 0 1"), Reply::simple("OK"));
            }
        });
        for _ in 0..2 {
            scope.spawn(|| {
                let mut client = running.connect();
                for _ in 0..rounds {
                    let requests = vec![vec!["MGET", "a", "b"]; 20];
                    for reply in client.pipeline(&requests).expect("the server answers") {
                        let values = reply.elements();
                        assert_eq!(values[0], values[1], "{reply}");
                        assert!(!values[0].is_null(), "{reply}");
                    }
                }
            });
        }
    });
}

#[test]
fn scripts_are_seen_whole() {
    for threads in [2, 4] {
        no_torn_read(&Zumic { threads }, script, mget);
    }
}

#[test]
fn scripts_see_everything_at_one_instant() {
    no_torn_read(&Zumic { threads: 2 }, script, reading_script);
    no_torn_read(&Zumic { threads: 2 }, mset, reading_script);
}
