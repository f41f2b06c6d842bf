//! MIGRATE, between Zumic and redis-server both ways, and against a target that misbehaves.
//!
//! Why it exists: the key must be neither lost nor in both places, while, unlike in Redis, other
//! clients change it on its way. Redis judges the answers and the values; a target of the test's
//! own decides when what happens.

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use support::disk::Disk;
use support::process::{OnDisk, free_port, oracle_available};
use support::{Client, Random, Redis, Reply, Running, Zumic, stress};

const LIMIT: Duration = Duration::from_secs(20);

fn migrate(source: &mut Client, target: &Running, rest: &str) -> Reply {
    source.run(&format!("MIGRATE 127.0.0.1 {} {rest}", target.port()))
}

/// Values of every type, small and large, some with a deadline.
fn fill(client: &mut Client) {
    let mut random = Random::new(11);
    for number in 0..200 {
        let text = format!("value:{}", random.next());
        for line in [
            format!("SET string:{number} {text} PXAT 41024448{number:05}"),
            format!("RPUSH list:{} {text} {number} {}", number % 3, "x".repeat(number)),
            format!("SADD set:{} {text} {number}", number % 3),
            format!("ZADD zset:{} {} {text}", number % 3, number * 3),
            format!("HSET hash:{} field:{number} {text}", number % 3),
            format!("XADD stream {}-1 field {text}", number + 1),
        ] {
            assert!(!client.run(&line).is_error(), "{line}");
        }
    }
}

/// Moves everything by one MIGRATE with KEYS.
fn move_all(source: &mut Client, target: &Running) {
    let keys = source.run("KEYS *").elements().to_vec();
    let mut words: Vec<Vec<u8>> = Vec::new();
    for word in ["MIGRATE", "127.0.0.1", &target.port(), "", "0", "20000", "KEYS"] {
        words.push(word.as_bytes().to_vec());
    }
    words.extend(keys.iter().map(|key| key.text().into_bytes()));
    assert_eq!(source.call(&words), Reply::simple("OK"));
    assert_eq!(source.run("DBSIZE"), Reply::Integer(0));
    assert_eq!(target.connect().run("DBSIZE"), Reply::Integer(keys.len() as i64));
}

#[test]
fn values_come_back_from_a_journey_as_they_left() {
    if !oracle_available() {
        return;
    }
    let (first, last) = (Running::start(&Redis), Running::start(&Redis));
    let (memory, disk) = (Running::start(&Zumic { threads: 2 }), Running::start(&OnDisk));
    let mut client = first.connect();
    fill(&mut client);
    let digest = client.run("DEBUG DIGEST");
    move_all(&mut client, &memory);
    move_all(&mut memory.connect(), &disk);
    move_all(&mut disk.connect(), &last);
    assert_eq!(last.connect().run("DEBUG DIGEST"), digest);
}

/// Requests to a source; names in capitals stand for ports.
const LINES: &[&str] = &[
    "SET a 1 PX 90000000",
    "SET b 2",
    "SET c 3",
    "MIGRATE 127.0.0.1 TARGET nokey 0 1000",
    "MIGRATE 127.0.0.1 TARGET a 0 1000 COPY",
    "GET a",
    "MIGRATE 127.0.0.1 TARGET a 0 1000",
    "MIGRATE 127.0.0.1 TARGET a 0 1000 COPY REPLACE",
    "MIGRATE 127.0.0.1 TARGET a 3 0 replace copy",
    "EXISTS a",
    "MIGRATE 127.0.0.1 TARGET a 0 1000 REPLACE",
    "EXISTS a",
    "MIGRATE 127.0.0.1 TARGET a 0 1000",
    // Redis leaves a copy in database 0 then, so nobody looks at this key again.
    "SET elsewhere 1",
    "MIGRATE 127.0.0.1 TARGET elsewhere 99 1000",
    "GET elsewhere",
    "MIGRATE 127.0.0.1 GUARDED b 0 1000",
    "MIGRATE 127.0.0.1 GUARDED b 0 1000 AUTH wrong",
    "MIGRATE 127.0.0.1 GUARDED b 0 1000 AUTH",
    "MIGRATE 127.0.0.1 GUARDED b 0 1000 AUTH2 default",
    "MIGRATE 127.0.0.1 GUARDED b 0 1000 COPY AUTH secret",
    "MIGRATE 127.0.0.1 GUARDED b 0 1000 AUTH2 default secret REPLACE",
    "EXISTS b",
    "MIGRATE 127.0.0.1 DEAD c 0 1000",
    "MIGRATE 127.0.0.1 SILENT c 0 50",
    "MIGRATE 127.0.0.1 0 c 0 50",
    "MIGRATE 127.0.0.1 TARGET c 0 1000 OTHER",
    "MIGRATE 127.0.0.1 TARGET c x 1000",
    "MIGRATE 127.0.0.1 TARGET c 0 x",
    "MIGRATE 127.0.0.1 TARGET c 0",
    "MIGRATE 127.0.0.1 TARGET c 0 1000 KEYS c",
    "COMMAND GETKEYS MIGRATE h 1 k 0 1",
    "COMMAND GETKEYS MIGRATE h 1 k 0 1 AUTH keys REPLACE",
    "GET c",
];

#[test]
fn answers_are_those_of_redis() {
    if !oracle_available() {
        return;
    }
    let sources = [Running::start(&Redis), Running::start(&Zumic { threads: 2 })];
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let silent = silent.local_addr().expect("it is bound").port();
    let mut transcripts = sources.iter().map(|source| {
        let target = Running::start(&Redis);
        let guarded = Running::start_with(&Redis, &["--requirepass", "secret"]);
        let mut client = source.connect();
        let mut said = Vec::new();
        let dead = free_port();
        for line in LINES {
            let line = line
                .replace("TARGET", &target.port())
                .replace("GUARDED", &guarded.port())
                .replace("SILENT", &silent.to_string())
                .replace("DEAD", &dead.to_string());
            said.push((line.clone(), client.run(&line)));
        }
        for keys in [&["c", "nokey", "d"][..], &["e", "c", "f"], &["nokey"], &[]] {
            for key in ["d", "e", "f"] {
                client.run(&format!("SET {key} {key}"));
            }
            let port = target.port();
            let words = [&["MIGRATE", "127.0.0.1", &port, "", "0", "1000", "KEYS"], keys].concat();
            said.push((format!("KEYS {keys:?}"), client.call(&words)));
            said.push(("what stays".to_owned(), client.run("EXISTS a b c d e f")));
            if !keys.is_empty() {
                let words = [&["COMMAND", "GETKEYS"], &words[..]].concat();
                said.push((format!("GETKEYS {keys:?}"), client.call(&words)));
            }
        }
        let mut there = target.connect();
        for line in ["MGET a b c d e f", "EXISTS nokey"] {
            said.push((line.to_owned(), there.run(line)));
        }
        let left = there.run("PTTL a").integer();
        assert!((89_000_000..=90_000_000).contains(&left), "{left}");
        said
    });
    let (redis, zumic) = (transcripts.next().expect("one"), transcripts.next().expect("two"));
    for ((line, wanted), (_, found)) in redis.iter().zip(&zumic) {
        assert_eq!(found, wanted, "{line}");
    }
}

/// The next request that a target got, in words.
fn request(reader: &mut BufReader<TcpStream>) -> Vec<Vec<u8>> {
    let mut line = String::new();
    reader.read_line(&mut line).expect("a line comes");
    let count: usize = line.trim_end()[1..].parse().expect("a request of words");
    let mut words = Vec::new();
    for _ in 0..count {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line comes");
        let length: usize = line.trim_end()[1..].parse().expect("a length");
        let mut word = vec![0; length + 2];
        reader.read_exact(&mut word).expect("a word comes");
        word.truncate(length);
        words.push(word);
    }
    words
}

/// Sends a key to a target that runs `meanwhile` before it acknowledges, and tells the names of
/// the requests that it got.
fn send_to_a_target(
    source: &Running,
    meanwhile: impl Fn(&mut Client, usize),
) -> (Reply, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let mut client = source.connect();
    client.send(&["MIGRATE", "127.0.0.1", &port.to_string(), "key", "0", "20000"]).expect("sent");
    let (stream, _) = listener.accept().expect("it connects");
    stream.set_read_timeout(Some(LIMIT)).expect("a limit");
    let mut answers = stream.try_clone().expect("a second handle");
    let mut reader = BufReader::new(stream);
    let mut other = source.connect();
    let (mut names, mut sends) = (Vec::new(), 0);
    client.limit_read(Duration::from_millis(50));
    loop {
        let words = request(&mut reader);
        let name = String::from_utf8_lossy(&words[0]).into_owned();
        let replaces = words.last().is_some_and(|word| word == b"REPLACE");
        names.push(if replaces { format!("{name} REPLACE") } else { name.clone() });
        if name == "RESTORE" {
            meanwhile(&mut other, sends);
            sends += 1;
        }
        answers.write_all(if name == "DEL" { b":1\r\n" } else { b"+OK\r\n" }).expect("answered");
        match client.read() {
            Ok(reply) => return (reply, names),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
        }
    }
}

#[test]
fn a_key_that_changes_on_its_way_is_sent_again() {
    for server in [&Zumic { threads: 2 } as &dyn support::Server, &OnDisk] {
        let source = Running::start(server);
        let mut client = source.connect();
        // Once: the second version goes over the first.
        client.run("RPUSH key a");
        let once = |other: &mut Client, sends| {
            if sends == 0 {
                other.run("RPUSH key b");
            }
        };
        let (reply, names) = send_to_a_target(&source, once);
        assert_eq!(reply, Reply::simple("OK"));
        assert_eq!(names, ["SELECT", "RESTORE", "RESTORE REPLACE"]);
        assert_eq!(client.run("EXISTS key"), Reply::Integer(0));
        // Deleted: the copy goes, too.
        client.run("SET key 1");
        let (reply, names) = send_to_a_target(&source, |other, _| {
            other.run("DEL key");
        });
        assert_eq!(reply, Reply::simple("OK"));
        assert_eq!(names, ["SELECT", "RESTORE", "DEL"]);
        // Always: it stays, and the copy goes.
        client.run("SET key 0");
        let (reply, names) = send_to_a_target(&source, |other, _| {
            other.run("INCR key");
        });
        let text = "TRYAGAIN key 'key' changes faster than it can be moved; it stays here";
        assert_eq!(reply, Reply::Error(text.into()));
        assert_eq!(names.len(), 10, "{names:?}");
        assert_eq!(names[9], "DEL");
        assert_eq!(client.run("GET key"), Reply::bulk("8"));
    }
}

/// A target that does not answer: Redis would serve nobody until the timeout.
#[test]
fn a_silent_target_holds_nobody_else_up() {
    let source = Running::start(&Zumic { threads: 1 });
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it is bound").port().to_string();
    let (mut waiting, mut other) = (source.connect(), source.connect());
    other.run("SET key 1");
    waiting.send(&["MIGRATE", "127.0.0.1", &port, "key", "0", "700"]).expect("sent");
    let began = Instant::now();
    let mut answered = 0;
    waiting.limit_read(Duration::from_millis(1));
    let reply = loop {
        assert_eq!(other.run("INCR key"), Reply::Integer(answered + 2));
        answered += 1;
        match waiting.read() {
            Ok(reply) => break reply,
            Err(_) => assert!(began.elapsed() < LIMIT, "no answer"),
        }
    };
    assert_eq!(reply, Reply::Error(b"IOERR error or timeout reading to target instance".into()));
    assert!(began.elapsed() >= Duration::from_millis(700));
    assert!(answered > 20, "{answered}");
    // Neither does the end of the server wait for it.
    waiting.limit_read(LIMIT);
    waiting.send(&["MIGRATE", "127.0.0.1", &port, "key", "0", "60000"]).expect("sent");
    let mut source = source;
    source.signal("TERM");
    assert!(source.wait_exit(LIMIT).success());
}

/// What moves is counted once, however the moving and the writing meet: the sum of what arrived
/// and of what stayed is that of all increments.
#[test]
fn no_increment_is_lost_or_doubled_while_keys_move() {
    for server in [&Zumic { threads: 2 } as &dyn support::Server, &OnDisk] {
        let (source, target) = (Running::start(server), Running::start(&Zumic { threads: 1 }));
        let increments = 400 * stress();
        let mut arrived = 0;
        thread::scope(|scope| {
            let writers: Vec<_> = (0..2)
                .map(|_| {
                    let mut client = source.connect();
                    scope.spawn(move || {
                        for _ in 0..increments {
                            assert!(!client.run("INCR key").is_error());
                        }
                    })
                })
                .collect();
            let (mut here, mut there) = (source.connect(), target.connect());
            while !writers.iter().all(|writer| writer.is_finished()) {
                let reply = migrate(&mut here, &target, "key 0 20000");
                let number = there.run("GETDEL key");
                if reply == Reply::simple("OK") && !number.is_null() {
                    arrived += number.text().parse::<u64>().expect("a number");
                } else {
                    assert!(number.is_null(), "{reply:?}, but {number:?} is there");
                }
            }
        });
        let stays = source.connect().run("GET key");
        let stays = if stays.is_null() { 0 } else { stays.text().parse().expect("a number") };
        assert_eq!(arrived + stays, 2 * increments);
    }
}

#[test]
fn what_left_is_gone_after_a_crash_and_everybody_hears_of_it() {
    let (disk, target) = (Disk::new(), Running::start(&Zumic { threads: 1 }));
    let source = disk.start(&["--appendfsync", "always", "--notify-keyspace-events", "KEA"]);
    let (mut client, mut listener) = (source.connect(), source.connect());
    client.run("SET key 1");
    listener.run("SUBSCRIBE __keyspace@0__:key");
    assert_eq!(migrate(&mut client, &target, "key 0 20000"), Reply::simple("OK"));
    let heard = listener.read().expect("an event");
    assert_eq!(heard.elements()[2], Reply::bulk("del"));
    source.signal("KILL");
    drop(source);
    let again = disk.start(&[]);
    assert_eq!(again.connect().run("EXISTS key"), Reply::Integer(0));
    assert_eq!(target.connect().run("GET key"), Reply::bulk("1"));
}

#[test]
fn a_transaction_cannot_wait_for_another_server() {
    let source = Running::start(&Zumic { threads: 1 });
    let mut client = source.connect();
    client.run("SET key 1");
    client.run("MULTI");
    client.run("MIGRATE 127.0.0.1 1 key 0 100");
    let text = b"ERR this command cannot wait inside a transaction".to_vec();
    assert_eq!(client.run("EXEC"), Reply::array([Reply::Error(text.clone())]));
    let script = "return redis.pcall('MIGRATE', '127.0.0.1', 1, 'key', 0, 100).err";
    assert_eq!(client.call(&["EVAL", script, "1", "key"]), Reply::bulk(&text));
    assert_eq!(client.run("GET key"), Reply::bulk("1"));
}
