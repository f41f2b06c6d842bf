//! A dump of a running server, of one instant: SYNC, by `redis-cli --rdb`, `zumic-cli --rdb` and
//! `zumic export`, judged by a redis-server that loads it.
//!
//! Why it exists: reading keys one after the other gives a file that never was the store. So
//! clients move amounts between keys while the dump is made, and what Redis loads must have what
//! every instant has: the same sum.

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use support::process::{OnDisk, finish, oracle_available, zumic_command};
use support::{Client, Random, Redis, Reply, Running, Server, Zumic, seed};

const LIMIT: Duration = Duration::from_secs(60);
const ACCOUNTS: usize = 400;
const BALANCE: usize = 1_000;

/// A redis-server that has loaded a dump file.
fn redis_with(file: &Path) -> Running {
    let file = file.to_owned();
    Running::start_by(&Redis, move |command| {
        let folder = command.get_current_dir().expect("one of its own").to_owned();
        fs::copy(&file, folder.join("dump.rdb")).expect("the file is copied");
    })
}

/// Opens accounts: half of them strings, half of them in large hashes and sorted sets.
fn open_accounts(client: &mut Client) {
    for number in 0..ACCOUNTS {
        client.run(&format!("SET account:{number} {BALANCE}"));
        client.run(&format!("HSET hash {number} {BALANCE}"));
        client.run(&format!("ZADD zset {BALANCE} {number}"));
        client.run(&format!("RPUSH list {}", "x".repeat(200)));
    }
}

/// Moves amounts between accounts until told to stop.
fn trade(client: &mut Client, random: &mut Random, stop: &Mutex<bool>) -> u64 {
    let mut trades = 0;
    while !*stop.lock().expect("no holder panics") {
        let amount = random.below(50);
        let [from, to] = [random.below(ACCOUNTS), random.below(ACCOUNTS)];
        for line in [
            "MULTI".to_owned(),
            format!("DECRBY account:{from} {amount}"),
            format!("INCRBY account:{to} {amount}"),
            format!("HINCRBY hash {from} -{amount}"),
            format!("ZINCRBY zset {amount} {to}"),
            format!("ZINCRBY zset -{amount} {from}"),
            format!("HINCRBY hash {to} {amount}"),
            "LMOVE list list LEFT RIGHT".to_owned(),
            "EXEC".to_owned(),
        ] {
            assert!(!client.run(&line).is_error(), "{line}");
        }
        trades += 1;
    }
    trades
}

/// Sums that no instant has otherwise.
fn audit(client: &mut Client) {
    let sum = |values: &[Reply]| values.iter().map(|value| number(&value.text())).sum::<i64>();
    let all = i64::try_from(ACCOUNTS * BALANCE).expect("a small number");
    let keys: String = (0..ACCOUNTS).map(|number| format!(" account:{number}")).collect();
    let strings = client.run(&format!("MGET{keys}"));
    assert_eq!(sum(strings.elements()), all);
    let hash = client.run("HVALS hash");
    assert_eq!(sum(hash.elements()), all);
    for account in 0..ACCOUNTS {
        let text = client.run(&format!("GET account:{account}")).text();
        assert_eq!(client.run(&format!("HGET hash {account}")).text(), text, "account {account}");
        let score = client.run(&format!("ZSCORE zset {account}")).text();
        assert_eq!(score, text, "account {account}");
    }
    assert_eq!(client.run("LLEN list"), Reply::Integer(ACCOUNTS as i64));
}

fn number(text: &str) -> i64 {
    text.parse().expect("a balance")
}

/// Every program that takes such a file, with its arguments.
fn takers(server: &Running, file: &Path) -> Vec<Command> {
    let file = file.to_str().expect("a path");
    let mut redis_cli = Command::new("redis-cli");
    redis_cli.args(["-p", &server.port(), "--rdb", file]);
    let mut zumic_cli = Command::new(env!("CARGO_BIN_EXE_zumic-cli"));
    zumic_cli.args(["-p", &server.port(), "--rdb", file]);
    let mut export = zumic_command();
    export.args(["export", "--rdb", file, "--from", &format!("zumic://{}", server.address)]);
    vec![redis_cli, zumic_cli, export]
}

#[test]
fn a_dump_of_a_busy_server_is_of_one_instant() {
    if !oracle_available() {
        return;
    }
    let seed = seed();
    println!("ZUMIC_SEED={seed}");
    for kind in [&Zumic { threads: 2 } as &dyn Server, &OnDisk] {
        let server = Running::start(kind);
        open_accounts(&mut server.connect());
        let file = server.folder().join("out.rdb");
        let stop = Mutex::new(false);
        thread::scope(|scope| {
            let traders: Vec<_> = (0..2)
                .map(|number| {
                    let (mut client, stop) = (server.connect(), &stop);
                    let mut random = Random::new(seed + number);
                    scope.spawn(move || trade(&mut client, &mut random, stop))
                })
                .collect();
            for command in takers(&server, &file) {
                let shown = format!("{command:?}");
                let done = finish(command, LIMIT);
                assert_eq!(done.code, Some(0), "{shown}: {} {}", done.stdout, done.stderr);
                assert!(!done.stderr.contains("one after the other"), "{}", done.stderr);
                audit(&mut redis_with(&file).connect());
                fs::remove_file(&file).expect("it was written");
            }
            *stop.lock().expect("no holder panics") = true;
            let trades: u64 = traders.into_iter().map(|t| t.join().expect("no panic")).sum();
            assert!(trades > 20, "{trades} trades");
        });
    }
}

#[test]
fn functions_deadlines_and_databases_are_in_it_and_time_series_are_counted() {
    if !oracle_available() {
        return;
    }
    let server = Running::start(&Zumic { threads: 1 });
    let mut client = server.connect();
    let library = "#!lua name=lib\nredis.register_function('f', function() return 1 end)";
    assert_eq!(client.call(&["FUNCTION", "LOAD", library]), Reply::bulk("lib"));
    for line in [
        "SET a 1 PXAT 4102444800000",
        "TS.ADD series 1 1",
        "HSET fields a 1 b 2",
        "SELECT 7",
        "SET b 2",
    ] {
        assert!(!client.run(line).is_error(), "{line}");
    }
    let file = server.folder().join("out.rdb");
    for (command, code) in takers(&server, &file).into_iter().zip([0, 1, 1]) {
        let done = finish(command, LIMIT);
        assert_eq!(done.code, Some(code), "{}", done.stderr);
        assert!(code == 0 || done.stderr.contains("left out: 1 keys"), "{}", done.stderr);
        assert!(code == 0 || done.stderr.contains("3 keys"), "{}", done.stderr);
        let redis = redis_with(&file);
        let mut there = redis.connect();
        assert_eq!(there.run("FCALL f 0"), Reply::Integer(1));
        assert_eq!(there.run("PEXPIRETIME a"), Reply::Integer(4_102_444_800_000));
        assert_eq!(there.run("HGET fields b"), Reply::bulk("2"));
        assert_eq!(there.run("DBSIZE"), Reply::Integer(2));
        there.run("SELECT 7");
        assert_eq!(there.run("GET b"), Reply::bulk("2"));
        fs::remove_file(&file).expect("it was written");
    }
    // A field with a deadline needs a later version, which the second try writes.
    assert!(!client.run("SELECT 0").is_error());
    assert_eq!(client.run("HPEXPIRE fields 9000000 FIELDS 1 a"), Reply::array([Reply::Integer(1)]));
    let export = takers(&server, &file).pop().expect("three takers");
    assert!(finish(export, LIMIT).stderr.contains("RDB version 12"));
}

#[test]
fn redis_gives_its_dump_as_well() {
    if !oracle_available() {
        return;
    }
    let redis = Running::start_with(&Redis, &["--repl-diskless-sync-delay", "0"]);
    let mut client = redis.connect();
    open_accounts(&mut client);
    let file = redis.folder().join("out.rdb");
    for command in takers(&redis, &file) {
        let done = finish(command, LIMIT);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        let copy = redis_with(&file).connect().run("DEBUG DIGEST");
        assert_eq!(copy, client.run("DEBUG DIGEST"));
        fs::remove_file(&file).expect("it was written");
    }
    // Where that is forbidden, the keys are read one after the other, and that is said.
    client.run("ACL SETUSER default -sync");
    let export = takers(&redis, &file).pop().expect("three takers");
    let done = finish(export, LIMIT);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stderr.contains("one after the other"), "{}", done.stderr);
    audit(&mut redis_with(&file).connect());
}

/// Redis, told to follow Zumic, must not believe that it does.
#[test]
fn nobody_takes_a_dump_for_replication() {
    let server = Running::start(&Zumic { threads: 1 });
    let mut client = server.connect();
    let text = "ERR this server has no replicas; SYNC gives a dump after 'REPLCONF rdb-only 1'";
    for line in ["SYNC", "REPLCONF listening-port 1"] {
        assert_eq!(client.run(line), Reply::Error(text.into()), "{line}");
    }
    assert_eq!(client.run("REPLCONF capa eof rdb-only 0"), Reply::simple("OK"));
    assert_eq!(client.run("SYNC"), Reply::Error(text.into()));
    if !oracle_available() {
        return;
    }
    let replica = Running::start(&Redis);
    let mut follower = replica.connect();
    follower.run("SET kept 1");
    follower.run(&format!("REPLICAOF 127.0.0.1 {}", server.port()));
    let waiting = Instant::now();
    while !replica.log().contains("has no replicas") {
        assert!(waiting.elapsed() < LIMIT, "it does not even try: {}", replica.log());
        thread::sleep(Duration::from_millis(20));
    }
    assert!(follower.run("INFO replication").text().contains("master_link_status:down"));
    assert_eq!(follower.run("GET kept"), Reply::bulk("1"));
}

/// A reader that takes nothing holds up neither the others nor the writers.
#[test]
fn a_slow_reader_holds_nobody_up() {
    let server = Running::start(&Zumic { threads: 1 });
    let mut client = server.connect();
    let mut random = Random::new(5);
    for number in 0..300 {
        let value: String = (0..5_000).map(|_| format!("{:x}", random.next())).collect();
        assert!(!client.call(&["SET", &format!("key:{number}"), &value]).is_error());
    }
    let mut slow = server.connect();
    slow.run("REPLCONF rdb-only 1");
    slow.send(&["SYNC"]).expect("sent");
    let waiting = Instant::now();
    let busy = b"ERR another client is given a dump, try again later".to_vec();
    let mut second = server.connect();
    second.run("REPLCONF rdb-only 1");
    assert_eq!(second.run("SYNC"), Reply::Error(busy));
    while waiting.elapsed() < Duration::from_millis(500) {
        assert!(!client.run("SET key:1 y").is_error());
    }
    // A client that goes makes room for the next.
    drop(slow);
    while second.try_call(&["SYNC"]).is_ok() {
        assert!(waiting.elapsed() < LIMIT, "it is never its turn");
        thread::sleep(Duration::from_millis(20));
    }
    // Not a bulk string with a line end, and nothing comes behind it.
    let rest = second.read_to_close().expect("it is closed behind the dump");
    assert!(rest.len() > 10_000_000, "{}", rest.len());
    assert!(rest.starts_with(b"REDIS0010"));
}
