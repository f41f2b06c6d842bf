//! DUMP and RESTORE between Zumic and redis-server, both ways.
//!
//! Why it exists: a payload is only Redis's if Redis takes it, and what it makes of it is the same
//! value. Values of every type around the sizes where their form changes travel from Redis to
//! Zumic and back; where both keep a value in the same form, the payloads are the same but for
//! the version, which is the lowest that will do.

mod support;

use support::process::oracle_available;
use support::{Client, Random, Redis, Reply, Running, Zumic};

/// Version and checksum at the end of a payload.
const FOOTER_BYTES: usize = 10;

type Request = Vec<Vec<u8>>;

fn request(words: &[&str]) -> Request {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

/// Elements that are stored in every way there is.
fn element(random: &mut Random, number: usize) -> Vec<u8> {
    match random.below(10) {
        0 => (number * 3).to_string().into_bytes(),
        1 => format!("-{}", number as u64 * 1_000_003).into_bytes(),
        2 => (number as u64 * 99_999_999_999_991).to_string().into_bytes(),
        3 => format!("{number}{}", "y".repeat(80)).into_bytes(),
        4 => [&[0, 0xff, b'\r', b'\n'][..], number.to_string().as_bytes()].concat(),
        5 => format!("0{number}").into_bytes(),
        _ => format!("element:{number}").into_bytes(),
    }
}

/// Commands that make a value at `key`, of the kind and the size that are asked for.
fn make(random: &mut Random, kind: usize, size: usize) -> Vec<Request> {
    let elements: Vec<Vec<u8>> = (0..size).map(|number| element(random, number)).collect();
    let with = |name: &str, words: Vec<Vec<u8>>| [request(&[name, "key"]), words].concat();
    match kind {
        0 => vec![with("SET", vec![elements.concat()])],
        1 => vec![with("RPUSH", elements)],
        2 => vec![with("SADD", (0..size).map(|n| (n * n).to_string().into_bytes()).collect())],
        3 => vec![with("SADD", elements)],
        4 => {
            let scores = ["1.5", "-3", "inf", "0.1", "1e300", "-0"];
            let mut words = Vec::new();
            for (number, element) in elements.into_iter().enumerate() {
                let score = scores.get(number).map_or(number.to_string(), ToString::to_string);
                words.extend([score.into_bytes(), element]);
            }
            vec![with("ZADD", words)]
        }
        5 => {
            let pair = |element: Vec<u8>| [element.clone(), [&b"v:"[..], &element].concat()];
            vec![with("HSET", elements.into_iter().flat_map(pair).collect())]
        }
        _ => stream(&elements),
    }
}

fn stream(elements: &[Vec<u8>]) -> Vec<Request> {
    let mut requests = Vec::new();
    for (number, element) in elements.iter().enumerate() {
        let id = format!("{}-{}", number / 3 + 1, number + 1);
        let mut add = request(&["XADD", "key", &id, "field"]);
        add.push(element.clone());
        if number % 5 == 4 {
            add.extend(request(&["other", "x"]));
        }
        requests.push(add);
    }
    for (number, _) in elements.iter().enumerate().skip(1).step_by(3) {
        let id = format!("{}-{}", number / 3 + 1, number + 1);
        requests.push(request(&["XDEL", "key", &id]));
    }
    for line in [
        "XGROUP CREATE key one 0 MKSTREAM",
        "XGROUP CREATE key two $",
        "XREADGROUP GROUP one ann COUNT 3 STREAMS key >",
        "XREADGROUP GROUP one bob COUNT 2 STREAMS key >",
        "XGROUP CREATECONSUMER key two idle",
        "XACK key one 1-1",
    ] {
        requests.push(request(&line.split(' ').collect::<Vec<_>>()));
    }
    requests
}

/// Members with scores. Redis 7.0 tells more digits of a score than it takes.
fn scores(reply: &Reply) -> String {
    let pair = |pair: &[Reply]| {
        let score: f64 = pair[1].text().parse().expect("a score");
        format!("{}={score}", pair[0])
    };
    reply.elements().chunks(2).map(pair).collect::<Vec<_>>().join(" ")
}

/// What a key holds, as text: the same for equal values, in whatever form they are kept.
fn shown(client: &mut Client, key: &str) -> String {
    let sorted = |reply: Reply, each: usize| {
        let mut parts: Vec<String> =
            reply.elements().chunks(each).map(|part| format!("{part:?}")).collect();
        parts.sort();
        parts.join(" ")
    };
    let kind = client.call(&["TYPE", key]).text();
    let value = match kind.as_str() {
        "string" => client.call(&["GET", key]).to_string(),
        "list" => client.call(&["LRANGE", key, "0", "-1"]).to_string(),
        "set" => sorted(client.call(&["SMEMBERS", key]), 1),
        "zset" => scores(&client.call(&["ZRANGE", key, "0", "-1", "WITHSCORES"])),
        "hash" => sorted(client.call(&["HGETALL", key]), 2),
        _ => {
            let entries = client.call(&["XRANGE", key, "-", "+"]).to_string();
            let groups = client.call(&["XINFO", "GROUPS", key]).to_string();
            let pending = client.call(&["XPENDING", key, "one", "-", "+", "100"]);
            let info = client.call(&["XINFO", "STREAM", key]).to_string();
            // Delivery times are told in milliseconds since.
            let pending: Vec<String> = pending
                .elements()
                .iter()
                .map(|one| {
                    format!("{} {} {}", one.elements()[0], one.elements()[1], one.elements()[3])
                })
                .collect();
            // Memory is the server's own affair.
            let info = info.split("recorded-first-entry-id").nth(1).unwrap_or(&info).to_owned();
            format!("{entries} {groups} {pending:?} {info}")
        }
    };
    format!("{kind} {value}")
}

fn dump(client: &mut Client, key: &str) -> Vec<u8> {
    match client.call(&["DUMP", key]) {
        Reply::Bulk(Some(payload)) => payload,
        other => panic!("no payload: {other}"),
    }
}

fn restore(client: &mut Client, key: &str, payload: &[u8]) -> Reply {
    client.call(&[b"RESTORE", key.as_bytes(), b"0", payload, b"REPLACE"])
}

/// Whether both servers keep the value of this payload in the same form and order.
fn is_same_form(payload: &[u8]) -> bool {
    // Tables have an order of their own: sets, hashes. Small sorted sets have scores as text.
    !matches!(payload[0], 2 | 4 | 17)
}

#[test]
fn values_travel_both_ways() {
    if !oracle_available() {
        return;
    }
    let (zumic, redis) = (Running::start(&Zumic { threads: 1 }), Running::start(&Redis));
    let (mut zumic, mut redis) = (zumic.connect(), redis.connect());
    let mut random = Random::new(11);
    for kind in 0..7 {
        for size in [1, 2, 7, 50, 127, 128, 129, 200, 512, 513, 3_000] {
            redis.run("FLUSHALL");
            zumic.run("FLUSHALL");
            for request in make(&mut random, kind, size) {
                let answer = redis.call(&request);
                assert!(!answer.is_error(), "{answer}");
            }
            let there = dump(&mut redis, "key");
            let context = format!("kind {kind}, size {size}, type {}", there[0]);
            assert_eq!(restore(&mut zumic, "key", &there), Reply::simple("OK"), "{context}");
            assert_eq!(shown(&mut zumic, "key"), shown(&mut redis, "key"), "{context}");
            let back = dump(&mut zumic, "key");
            assert_eq!(restore(&mut redis, "back", &back), Reply::simple("OK"), "{context}");
            assert_eq!(shown(&mut redis, "back"), shown(&mut redis, "key"), "{context}");
            if is_same_form(&there) && kind < 6 {
                let body = |payload: &[u8]| payload[..payload.len() - FOOTER_BYTES].to_vec();
                assert!(body(&there) == body(&back), "{context}: other bytes");
            }
            assert!(back[back.len() - FOOTER_BYTES] <= there[there.len() - FOOTER_BYTES]);
        }
    }
}

/// A time series is ours: Redis says so and goes on.
#[test]
fn redis_refuses_what_it_does_not_know() {
    if !oracle_available() {
        return;
    }
    let (zumic, redis) = (Running::start(&Zumic { threads: 1 }), Running::start(&Redis));
    let (mut zumic, mut redis) = (zumic.connect(), redis.connect());
    zumic.run("TS.ADD series 1000 20.5");
    zumic.run("TS.ADD series 2000 21.5");
    let payload = dump(&mut zumic, "series");
    assert_eq!(restore(&mut redis, "series", &payload).text(), "ERR Bad data format");
    assert_eq!(restore(&mut zumic, "copy", &payload), Reply::simple("OK"));
    assert_eq!(zumic.run("TS.RANGE copy - +"), zumic.run("TS.RANGE series - +"));
    zumic.run("HSET hash f v g w");
    zumic.run("HPEXPIREAT hash 4102444800000 FIELDS 1 f");
    let payload = dump(&mut zumic, "hash");
    // Deadlines of fields came with RDB version 12, which Redis before 7.4 does not take.
    let refusal = "ERR DUMP payload version or checksum are wrong";
    assert_eq!(restore(&mut redis, "hash", &payload).text(), refusal);
    assert_eq!(restore(&mut zumic, "copy", &payload), Reply::simple("OK"));
    assert_eq!(
        zumic.run("HPEXPIRETIME copy FIELDS 2 f g"),
        zumic.run("HPEXPIRETIME hash FIELDS 2 f g")
    );
}
