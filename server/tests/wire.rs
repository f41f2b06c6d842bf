//! The compatibility suite: every script of `wire/`, on Zumic with one and with two reactors
//! and on the Redis that it must equal, in RESP2 and RESP3.
//!
//! Why it exists: "compatible" is a claim about bytes, and the only judge of it is the server
//! that clients were written for. The scripts' expectations were checked on it, so a line that
//! fails on Zumic alone is a bug in Zumic. What a script cannot say (iteration guarantees, the
//! password, random choices) is code further down.

mod support;

use std::collections::HashSet;

use support::client::encode;
use support::reply::quoted;
use support::{Client, Redis, Reply, Running, Server, Zumic};

/// One test per script and server, so that a runner can spread them over the cores.
macro_rules! script {
    ($name:ident $(, $more:item)?) => {
        mod $name {
            use crate::support::process::oracle_available;
            use crate::support::{Redis, Zumic, script};

            const SCRIPT: &str = include_str!(concat!("wire/", stringify!($name), ".wire"));

            #[test]
            fn zumic_with_one_thread() {
                script::run(SCRIPT, &Zumic { threads: 1 });
            }

            #[test]
            fn zumic_with_two_threads() {
                script::run(SCRIPT, &Zumic { threads: 2 });
            }

            #[test]
            fn redis() {
                if oracle_available() {
                    script::run(SCRIPT, &Redis);
                }
            }

            $($more)?
        }
    };
}

/// Scripts that are also run where every reply waits for the disk: what is answered, and in which
/// order, must be the same.
macro_rules! scripts {
    ($($name:ident),* $(,)?) => {$(
        script!(
            $name,
            #[test]
            fn zumic_on_disk() {
                script::run(SCRIPT, &crate::support::process::OnDisk);
            }
        );
    )*};
}

// It says what a server in memory answers of itself.
script!(server);

scripts!(
    bitmaps,
    blocking_lists,
    blocking_sorted_sets,
    collection_events,
    connection,
    dump,
    events,
    expiry,
    functions,
    geo,
    groups,
    hash_fields,
    hashes,
    hyperloglogs,
    keys,
    lists,
    numbers,
    pubsub,
    scripts,
    sets,
    sort,
    sorted_sets,
    streams,
    strings,
    time_series,
    tracking,
    transactions,
);

/// Runs `check` on all three servers in both protocols, each time with an empty store.
fn everywhere(options: &[&str], check: impl Fn(&Running, &mut dyn FnMut() -> Client)) {
    let zumic: [&dyn Server; 2] = [&Zumic { threads: 1 }, &Zumic { threads: 2 }];
    let oracle: &[&dyn Server] = if support::process::oracle_available() { &[&Redis] } else { &[] };
    for server in zumic.iter().chain(oracle) {
        let running = Running::start_with(*server, options);
        for version in ["2", "3"] {
            eprintln!("{} RESP{version}", server.name());
            let mut open = || {
                let mut client = running.connect();
                if version == "3" && options.is_empty() {
                    assert!(!client.call(&["HELLO", version]).is_error());
                }
                client
            };
            if options.is_empty() {
                open().run("FLUSHALL");
            }
            check(&running, &mut open);
        }
    }
}

/// Walks a whole iteration; returns everything it was given.
fn scan_all(
    client: &mut Client,
    options: &str,
    mut between: impl FnMut(&mut Client),
) -> Vec<String> {
    let mut seen = Vec::new();
    let mut cursor = "0".to_owned();
    for _ in 0..100_000 {
        let reply = client.run(&format!("SCAN {cursor} {options}"));
        let parts = reply.elements();
        cursor = parts[0].text();
        seen.extend(parts[1].elements().iter().map(Reply::text));
        if cursor == "0" {
            return seen;
        }
        between(client);
    }
    panic!("the iteration does not end");
}

fn fill(client: &mut Client, prefix: &str, count: usize) {
    let requests: Vec<Vec<String>> = (0..count)
        .map(|index| vec!["SET".to_owned(), format!("{prefix}{index}"), index.to_string()])
        .collect();
    client.pipeline(&requests).expect("the keys are set");
}

#[test]
fn scan_returns_everything_that_stays() {
    everywhere(&[], |_, open| {
        let mut client = open();
        fill(&mut client, "stays:", 3000);
        fill(&mut client, "goes:", 3000);
        let mut round = 0;
        let seen = scan_all(&mut client, "COUNT 50", |client| {
            // The table grows and shrinks under the cursor.
            let requests: Vec<Vec<String>> = (0..200)
                .map(|index| match round % 2 {
                    0 => vec!["DEL".to_owned(), format!("goes:{}", round * 100 + index)],
                    _ => vec!["SET".to_owned(), format!("new:{round}:{index}"), "1".to_owned()],
                })
                .collect();
            round += 1;
            client.pipeline(&requests).expect("the keys change");
        });
        let seen: HashSet<_> = seen.into_iter().collect();
        let missing: Vec<_> = (0..3000)
            .map(|index| format!("stays:{index}"))
            .filter(|key| !seen.contains(key))
            .collect();
        assert!(missing.is_empty(), "{} keys were not returned: {missing:?}", missing.len());
    });
}

#[test]
fn scan_of_a_quiet_store_returns_each_key_once() {
    everywhere(&[], |_, open| {
        let mut client = open();
        fill(&mut client, "key:", 2000);
        for count in [1, 7, 10, 1000, 100_000] {
            let seen = scan_all(&mut client, &format!("COUNT {count}"), |_| {});
            let distinct: HashSet<_> = seen.iter().collect();
            assert_eq!(distinct.len(), 2000, "COUNT {count}");
            assert_eq!(seen.len(), 2000, "COUNT {count}: a key came twice");
        }
        let some = scan_all(&mut client, "MATCH key:1?? COUNT 100", |_| {});
        assert_eq!(some.len(), 100);
    });
}

#[test]
fn randomkey_reaches_every_key() {
    everywhere(&[], |_, open| {
        let mut client = open();
        fill(&mut client, "key:", 20);
        let requests = vec![vec!["RANDOMKEY"]; 4000];
        let seen: HashSet<_> =
            client.pipeline(&requests).expect("keys").iter().map(Reply::text).collect();
        assert_eq!(seen.len(), 20);
    });
}

#[test]
fn a_password_guards_everything() {
    everywhere(&["--requirepass", "open sesame"], |_, open| {
        let mut client = open();
        let noauth = "NOAUTH Authentication required.";
        for line in ["GET k", "PING", "CLIENT LIST", "MULTI", "SELECT 1"] {
            assert_eq!(client.run(line).text(), noauth, "{line}");
        }
        // The middle of the text changed between 7.0 and 7.2.
        let refusal = client.run("HELLO 3").text();
        let start = "NOAUTH HELLO must be called with the client already authenticated, otherwise";
        assert!(refusal.starts_with(start), "{refusal}");
        assert!(
            refusal.ends_with("select the RESP protocol version at the same time"),
            "{refusal}"
        );
        let wrong = "WRONGPASS invalid username-password pair or user is disabled.";
        assert_eq!(client.run("AUTH wrong").text(), wrong);
        assert_eq!(client.run("AUTH default wrong").text(), wrong);
        assert_eq!(client.call(&["AUTH", "nobody", "open sesame"]).text(), wrong);
        assert_eq!(client.run("GET k").text(), noauth);
        assert_eq!(client.call(&["AUTH", "open sesame"]), Reply::simple("OK"));
        assert_eq!(client.run("PING"), Reply::simple("PONG"));
        assert_eq!(client.run("RESET"), Reply::simple("RESET"));
        assert_eq!(client.run("PING").text(), noauth, "RESET logs out");
        let hello = client.call(&["HELLO", "3", "AUTH", "default", "open sesame", "SETNAME", "a"]);
        assert_eq!(hello.field("proto"), Some(&Reply::Integer(3)));
        assert_eq!(client.run("CLIENT GETNAME"), Reply::bulk("a"));

        let mut other = open();
        let failed = other.run("HELLO 3 AUTH default wrong SETNAME b");
        assert_eq!(failed.text(), wrong);
        assert_eq!(other.run("PING").text(), noauth);
        assert_eq!(other.call(&["AUTH", "default", "open sesame"]), Reply::simple("OK"));
        assert!(other.run("CLIENT GETNAME").is_null(), "a HELLO that failed changes nothing");
        assert_eq!(other.run("QUIT"), Reply::simple("OK"));
    });
}

#[test]
fn before_the_password_requests_are_small() {
    everywhere(&["--requirepass", "secret"], |_, open| {
        let mut client = open();
        client.send_raw(b"*11\r\n").expect("the bytes are sent");
        assert_eq!(
            client.read().expect("an answer").text(),
            "ERR Protocol error: unauthenticated multibulk length"
        );
        assert_eq!(client.read_to_close().expect("a close"), b"");
        let mut client = open();
        client.send_raw(b"*2\r\n$16385\r\n").expect("the bytes are sent");
        assert_eq!(
            client.read().expect("an answer").text(),
            "ERR Protocol error: unauthenticated bulk length"
        );
        assert_eq!(client.read_to_close().expect("a close"), b"");
    });
}

#[test]
fn a_long_pipeline_is_answered_in_order() {
    everywhere(&[], |_, open| {
        let mut client = open();
        let requests: Vec<Vec<String>> =
            (0..20_000).map(|index| vec!["ECHO".to_owned(), format!("{index}")]).collect();
        let replies = client.pipeline(&requests).expect("all are answered");
        for (index, reply) in replies.iter().enumerate() {
            assert_eq!(reply, &Reply::bulk(index.to_string()));
        }
        let mixed = vec![
            vec!["SET", "k", "1"],
            vec!["INCR", "k"],
            vec!["GET", "k"],
            vec!["NOSUCH"],
            vec!["DEL", "k"],
            vec!["GET", "k"],
        ];
        let replies = client.pipeline(&mixed).expect("all are answered");
        assert_eq!(replies[0], Reply::simple("OK"));
        assert_eq!(replies[1], Reply::Integer(2));
        assert_eq!(replies[2], Reply::bulk("2"));
        assert!(replies[3].is_error());
        assert_eq!(replies[4], Reply::Integer(1));
        assert!(replies[5].is_null());
    });
}

#[test]
fn values_of_many_sizes_come_back_whole() {
    everywhere(&[], |_, open| {
        let mut client = open();
        let mut random = support::Random::new(7);
        for size in [0, 1, 15, 16, 255, 4096, 16_383, 16_384, 65_535, 65_536, 65_537, 3_000_000] {
            let value: Vec<u8> = (0..size).map(|_| random.next().to_le_bytes()[0]).collect();
            let key = format!("size:{size}");
            assert_eq!(
                client.call(&[b"SET", key.as_bytes(), &value]),
                Reply::simple("OK"),
                "{size} bytes"
            );
            let got = client.call(&["GET", &key]);
            assert!(got == Reply::bulk(&value), "{size} bytes came back changed");
            let length = i64::from(size);
            assert_eq!(client.call(&["STRLEN", &key]), Reply::Integer(length));
        }
    });
}

#[test]
fn keys_of_any_bytes_and_length() {
    everywhere(&[], |_, open| {
        let mut client = open();
        let keys: [Vec<u8>; 5] =
            [vec![], vec![0], vec![0xff; 300], b"\r\n$-1\r\n".to_vec(), vec![b'k'; 100_000]];
        for key in &keys {
            let shown = quoted(&key[..key.len().min(20)]);
            assert_eq!(client.call(&[b"SET", &key[..], b"v"]), Reply::simple("OK"), "{shown}");
            assert_eq!(client.call(&[b"GET", &key[..]]), Reply::bulk("v"), "{shown}");
        }
        assert_eq!(client.run("DBSIZE"), Reply::Integer(5));
        let mut listed: Vec<_> = client.run("KEYS *").elements().to_vec();
        let mut wanted: Vec<_> = keys.iter().map(Reply::bulk).collect();
        listed.sort_by_key(ToString::to_string);
        wanted.sort_by_key(ToString::to_string);
        assert!(listed == wanted, "KEYS returns the keys as they are");
    });
}

/// What one of many clients sends at once, in two parts, and how many replies that gets.
fn habit(client: usize, round: usize) -> (Vec<u8>, Vec<u8>, usize) {
    let (key, value) = (format!("habit:{client}"), format!("{client}:{round}"));
    let set = encode(&["SET", &key, &value]);
    let get = encode(&["GET", &key]);
    let both = [&set[..], &get].concat();
    let many = [&set[..], &get.repeat(99)].concat();
    match client % 8 {
        0 => (both, Vec::new(), 2),
        1 => (both[..both.len() - 3].to_vec(), both[both.len() - 3..].to_vec(), 2),
        2 => (set[..7].to_vec(), [&set[7..], &get].concat(), 2),
        3 => (many, Vec::new(), 100),
        4 => (format!("SET {key} {value}\r\nGET {key}\r\n").into_bytes(), Vec::new(), 2),
        5 => ([&encode(&["MULTI"])[..], &set, &get, &encode(&["EXEC"])].concat(), Vec::new(), 4),
        6 => (encode(&["BLPOP", &key, "9"]), get, 2),
        _ => ([&set[..], &encode(&["NO", "SUCH"]), &get].concat(), Vec::new(), 3),
    }
}

#[test]
fn clients_that_are_served_together_get_their_own_replies() {
    everywhere(&[], |_, open| {
        let mut helper = open();
        let mut clients: Vec<Client> = (0..80).map(|_| open()).collect();
        for round in 0..5 {
            let habits: Vec<_> = (0..clients.len()).map(|client| habit(client, round)).collect();
            for (client, (first, ..)) in clients.iter_mut().zip(&habits) {
                client.send_raw(first).unwrap();
            }
            for (client, (_, second, _)) in clients.iter_mut().zip(&habits) {
                client.send_raw(second).unwrap();
            }
            for client in (6..clients.len()).step_by(8) {
                let (key, value) = (format!("habit:{client}"), format!("{client}:{round}"));
                assert!(!helper.call(&["RPUSH", &key, &value]).is_error());
            }
            for (i, (client, (.., count))) in clients.iter_mut().zip(habits).enumerate() {
                let replies: Vec<Reply> = (0..count).map(|_| client.read().unwrap()).collect();
                let value = Reply::bulk(format!("{i}:{round}"));
                match i % 8 {
                    5 => assert_eq!(replies[3].elements()[1], value, "client {i}"),
                    6 => {
                        assert_eq!(replies[0].elements()[1], value, "client {i}");
                        assert!(replies[1].is_null(), "client {i}: its list is empty again");
                    }
                    7 => assert!(replies[1].is_error() && replies[2] == value, "client {i}"),
                    _ => assert!(replies[1..].iter().all(|got| *got == value), "client {i}"),
                }
            }
        }
    });
}
