//! Moving in and out: `zumic import`, `zumic export` and `zumic-cli --rdb`, against redis-server.
//!
//! Why it exists: the operations page promises that moving takes three commands, so they are run
//! here. The judge is Redis itself: a data set goes from one redis-server through Zumic to
//! another, and DEBUG DIGEST of both must be the same.

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use support::process::{Finished, finish, oracle_available, zumic_command};
use support::{Client, Random, Redis, Reply, Running, Zumic};

const LIMIT: Duration = Duration::from_secs(60);

fn zumic(words: &[&str]) -> Finished {
    let mut command = zumic_command();
    command.args(words);
    finish(command, LIMIT)
}

fn url(server: &Running) -> String {
    format!("zumic://{}", server.address)
}

/// Values of every type, small and large, in two databases.
fn fill(client: &mut Client) {
    let mut random = Random::new(3);
    let mut requests: Vec<Vec<String>> = Vec::new();
    let mut push = |line: String| requests.push(line.split(' ').map(str::to_owned).collect());
    for number in 0..300 {
        let text = format!("value:{}", random.next());
        push(format!("SET string:{number} {text}"));
        push(format!("SET number:{number} {number} PXAT 41024448{:05}", number));
        push(format!("RPUSH list:{} {text} {number} {}", number % 7, "x".repeat(number)));
        push(format!("SADD set:{} {text} {number}", number % 5));
        push(format!("SADD intset:{} {number}", number % 3));
        push(format!("ZADD zset:{} {} {text}", number % 4, number * 3));
        push(format!("HSET hash:{} field:{number} {text}", number % 6));
        push(format!("XADD stream:{} {}-1 field {text} number {number}", number % 2, number + 1));
    }
    push(format!("SET long {}", "abc".repeat(100_000)));
    push("XDEL stream:1 4-1".to_owned());
    push("XGROUP CREATE stream:0 group 0".to_owned());
    push("SELECT 5".to_owned());
    push("SET elsewhere 1".to_owned());
    let replies = client.pipeline(&requests).expect("all are answered");
    assert!(!replies.iter().any(Reply::is_error));
}

fn digest(client: &mut Client) -> String {
    client.run("DEBUG DIGEST").text()
}

/// A redis-server that has loaded a dump file.
fn redis_with(file: &Path) -> Running {
    let file = file.to_owned();
    Running::start_by(&Redis, move |command| {
        let folder = command.get_current_dir().expect("one of its own").to_owned();
        fs::copy(&file, folder.join("dump.rdb")).expect("the file is copied");
    })
}

#[test]
fn a_dump_goes_through_zumic_and_comes_back_the_same() {
    if !oracle_available() {
        return;
    }
    let (redis, middle) = (Running::start(&Redis), Running::start(&Zumic { threads: 2 }));
    let mut client = redis.connect();
    fill(&mut client);
    let library = "#!lua name=lib\nredis.register_function('f', function() return 1 end)";
    assert_eq!(client.call(&["FUNCTION", "LOAD", library]), Reply::bulk("lib"));
    assert_eq!(client.run("SAVE"), Reply::simple("OK"));
    let dump = redis.folder().join("dump.rdb");
    let done = zumic(&["import", dump.to_str().expect("a path"), "--to", &url(&middle)]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stderr.contains(" keys, 0 commands and 1 libraries"), "{}", done.stderr);
    assert_eq!(middle.connect().run("FCALL f 0"), Reply::Integer(1));
    let out = middle.folder().join("out.rdb");
    let path = out.to_str().expect("a path");
    let done = zumic(&["export", "--rdb", path, "--from", &url(&middle)]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let other = redis_with(&out);
    assert_eq!(digest(&mut other.connect()), digest(&mut client));
    // The command line's own way gives the same, and replaces the file.
    let mut cli = Command::new(env!("CARGO_BIN_EXE_zumic-cli"));
    cli.args(["-p", &middle.port(), "--rdb", path]);
    let done = finish(cli, LIMIT);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(digest(&mut redis_with(&out).connect()), digest(&mut client));
    // A data directory without a server does as well, and twice changes nothing.
    let data = middle.folder().join("data");
    let data = data.to_str().expect("a path");
    for _ in 0..2 {
        let done = zumic(&["import", dump.to_str().expect("a path"), "--dir", data]);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        assert!(done.stderr.contains("and 1 libraries"), "{}", done.stderr);
        let done = zumic(&["export", "--rdb", path, "--dir", data]);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        assert_eq!(digest(&mut redis_with(&out).connect()), digest(&mut client));
    }
    // And so does a Redis that is written down by the same command.
    let done = zumic(&["export", "--rdb", path, "--from", &url(&redis)]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(digest(&mut redis_with(&out).connect()), digest(&mut client));
}

#[test]
fn a_log_in_parts_is_replayed_and_its_torn_end_is_reported() {
    if !oracle_available() {
        return;
    }
    for preamble in ["yes", "no"] {
        let options = ["--appendonly", "yes", "--aof-use-rdb-preamble", preamble];
        // Each second, it would put writes off while a busy disk syncs.
        let options = [&options[..], &["--appendfsync", "always"]].concat();
        let redis = Running::start_with(&Redis, &options);
        let mut client = redis.connect();
        fill(&mut client);
        assert!(!client.run("BGREWRITEAOF").is_error());
        let waiting = std::time::Instant::now();
        while !client.run("INFO persistence").text().contains("aof_rewrite_in_progress:0\r\n") {
            assert!(waiting.elapsed() < LIMIT, "the log is not rewritten");
        }
        for line in ["SELECT 0", "MULTI", "INCR counter", "LPUSH list:0 front", "EXEC", "DEL set:1"]
        {
            assert!(!client.run(line).is_error(), "{line}");
        }
        let want = digest(&mut client);
        let log = redis.folder().join("appendonlydir");
        let target = Running::start(&Zumic { threads: 1 });
        let import = || zumic(&["import", log.to_str().expect("a path"), "--to", &url(&target)]);
        // The last words of a machine that went down.
        let tail = "*3\r\n$3\r\nSET\r\n$4\r\ntorn\r\n$100\r\nhalf";
        let last = fs::read_dir(&log).expect("the directory").filter_map(Result::ok);
        let last = last.map(|entry| entry.path()).filter(|path| path.ends_with_increment());
        let last = last.max().expect("an increment");
        let whole = fs::read(&last).expect("the increment");
        fs::write(&last, [&whole[..], tail.as_bytes()].concat()).expect("the tail");
        let done = import();
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        let torn = format!("what begins at byte {}", whole.len());
        assert!(done.stderr.contains(&torn), "{}", done.stderr);
        let out = target.folder().join("out.rdb");
        let done =
            zumic(&["export", "--rdb", out.to_str().expect("a path"), "--from", &url(&target)]);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        assert_eq!(digest(&mut redis_with(&out).connect()), want, "preamble {preamble}");
        let data = target.folder().join("data");
        let data = data.to_str().expect("a path");
        let done = zumic(&["import", log.to_str().expect("a path"), "--dir", data]);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        let done = zumic(&["export", "--rdb", out.to_str().expect("a path"), "--dir", data]);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        assert_eq!(digest(&mut redis_with(&out).connect()), want, "into a directory");
        // Damage in the middle is another matter.
        fs::write(&last, [&b"nonsense\r\n"[..], &whole].concat()).expect("the damage");
        let done = import();
        assert_eq!(done.code, Some(65), "{}", done.stderr);
        assert!(
            done.stderr.contains("no command begins here (byte 0 of the log)"),
            "{}",
            done.stderr
        );
    }
}

trait Increment {
    fn ends_with_increment(&self) -> bool;
}

impl Increment for std::path::PathBuf {
    fn ends_with_increment(&self) -> bool {
        self.to_string_lossy().ends_with(".incr.aof")
    }
}

#[test]
fn what_cannot_be_moved_is_said() {
    let target = Running::start(&Zumic { threads: 1 });
    let folder = target.folder();
    let import = |bytes: &[u8], to: &str| {
        let path = folder.join("source");
        fs::write(&path, bytes).expect("the source");
        zumic(&["import", path.to_str().expect("a path"), "--to", to])
    };
    let done = import(b"REDIS0009\x00\x01k\x05v", &url(&target));
    assert_eq!(done.code, Some(65), "{}", done.stderr);
    assert!(done.stderr.contains("the file ends within a key that begins at byte 10"));
    let done = import(b"REDIS0099", &url(&target));
    assert!(done.stderr.contains("RDB version 99 is not known; 1 to 12 are read"));
    let done = import(b"REDIS0009\xff\0\0\0\0\0\0\0\0", "zumic://127.0.0.1:1");
    assert_eq!(done.code, Some(69), "{}", done.stderr);
    let done = import(b"*1\r\n$6\r\nNOSUCH\r\n", &url(&target));
    assert_eq!(done.code, Some(1));
    assert!(done.stderr.contains("refused: NOSUCH: ERR unknown command 'NOSUCH'"));
    let done = zumic(&["import", "/nonexistent/dump.rdb"]);
    assert_eq!(done.code, Some(74), "{}", done.stderr);
    let done = zumic(&["import"]);
    assert_eq!(done.code, Some(64), "{}", done.stderr);
    let mut client = target.connect();
    client.run("TS.ADD series 1 1");
    client.run("SET key value");
    let out = folder.join("out.rdb");
    let done = zumic(&["export", "--rdb", out.to_str().expect("a path"), "--from", &url(&target)]);
    assert_eq!(done.code, Some(1));
    assert!(done.stderr.contains("left out: 1 keys of types that Redis does not have"));
    client.run("HSET hash f v");
    client.run("HPEXPIREAT hash 4102444800000 FIELDS 1 f");
    let done = zumic(&["export", "--rdb", out.to_str().expect("a path"), "--from", &url(&target)]);
    assert!(done.stderr.contains("RDB version 12"), "{}", done.stderr);
    client.run("FLUSHALL");
    let done = zumic(&["import", out.to_str().expect("a path"), "--to", &url(&target)]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(client.run("HPEXPIRETIME hash FIELDS 1 f").to_string(), "[:4102444800000]");
}
