//! Sorted sets beyond what a script can say: frames of version 4, iterations, large sets.

mod support;

use std::collections::BTreeSet;

use support::{Client, Reply, Running, Zumic};

fn start() -> (Running, Client) {
    let running = Running::start(&Zumic { threads: 2 });
    let client = running.connect();
    (running, client)
}

/// Members with scores have a frame of their own, wherever a reply is nothing else.
#[test]
fn version_four_has_a_frame_for_members_with_scores() {
    let (_running, mut client) = start();
    assert!(!client.run("HELLO 4").is_error());
    client.run("ZADD z 1.5 a 2 b 3 c 4 d 5 e");
    client.run("ZADD y 1 a");
    let is_scored = |reply: &Reply, len: usize| match reply {
        Reply::SortedSet(parts) => parts.len() == 2 * len,
        _ => false,
    };
    for (line, len) in [
        ("ZRANGE z 0 -1 WITHSCORES", 5),
        ("ZRANGE z 1 2 BYSCORE WITHSCORES", 2),
        ("ZREVRANGE z 0 0 WITHSCORES", 1),
        ("ZREVRANGEBYSCORE z 2 1 WITHSCORES", 2),
        ("ZUNION 2 z y WITHSCORES", 5),
        ("ZINTER 2 z y WITHSCORES", 1),
        ("ZDIFF 2 z y WITHSCORES", 4),
        ("ZRANDMEMBER z 3 WITHSCORES", 3),
        ("ZPOPMIN z 2", 2),
    ] {
        let reply = client.run(line);
        assert!(is_scored(&reply, len), "{line}: {reply}");
    }
    let popped = client.run("ZMPOP 1 z MAX COUNT 2");
    assert!(is_scored(&popped.elements()[1], 2), "{popped}");
    assert_eq!(client.run("ZPOPMIN z").elements().len(), 2);
    assert!(matches!(client.run("ZRANGE y 0 -1"), Reply::Array(Some(_))));
}

fn scan(client: &mut Client, count: usize, mut between: impl FnMut(&mut Client)) -> Vec<String> {
    let (mut cursor, mut seen) = ("0".to_owned(), Vec::new());
    loop {
        let reply = client.run(&format!("ZSCAN z {cursor} COUNT {count}"));
        let parts = reply.elements();
        cursor = parts[0].text();
        seen.extend(parts[1].elements().iter().step_by(2).map(Reply::text));
        if cursor == "0" {
            return seen;
        }
        between(client);
    }
}

#[test]
fn zscan_returns_everything_that_stays_once() {
    let (_running, mut client) = start();
    for number in 0..3_000 {
        client.run(&format!("ZADD z {} stays:{number}", number % 7));
    }
    assert_eq!(scan(&mut client, 100, |_| ()).len(), 3_000);
    let mut round = 0;
    let seen = scan(&mut client, 50, |client| {
        for number in 0..20 {
            client.run(&format!("ZADD z 3 new:{round}:{number}"));
            client.run(&format!("ZADD z {round} stays:{}", round * 20 + number));
            client.run(&format!("ZREM z new:{}:{number}", round / 2));
        }
        round += 1;
    });
    let stays: Vec<&String> = seen.iter().filter(|member| member.starts_with("stays")).collect();
    assert_eq!(stays.len(), 3_000, "each comes once");
    assert_eq!(stays.iter().collect::<BTreeSet<_>>().len(), 3_000);
}

/// The reply to such a count does not fit into any memory; it must not end the process.
#[test]
fn a_random_sample_has_a_limit() {
    let (_running, mut client) = start();
    client.run("ZADD z 1 a 2 b");
    assert!(client.run("ZRANDMEMBER z -9223372036854775807").is_error());
    assert!(client.run("ZRANDMEMBER z -16777217 WITHSCORES").is_error());
    assert_eq!(client.run("ZRANDMEMBER z -1000").elements().len(), 1_000);
    assert_eq!(client.run("ZRANDMEMBER absent -9223372036854775807").elements().len(), 0);
    assert_eq!(client.run("ZPOPMIN z 9223372036854775807").elements().len(), 4);
}

/// Every command on a set that is large, where the scripts' are small.
#[test]
fn a_large_set_answers_as_a_small_one() {
    let (_running, mut client) = start();
    for number in 0..2_000 {
        client.run(&format!("ZADD z {} m:{number:04}", number / 2));
    }
    assert_eq!(client.run("OBJECT ENCODING z").text(), "skiplist");
    for (line, want) in [
        ("ZCARD z", ":2000"),
        ("ZRANK z m:1234", ":1234"),
        ("ZREVRANK z m:1234", ":765"),
        ("ZCOUNT z 10 (20", ":20"),
        ("ZRANGE z 1000 1001", "[\"m:1000\" \"m:1001\"]"),
        ("ZRANGE z 11 (10 BYSCORE REV LIMIT 1 5", "[\"m:0022\"]"),
        ("ZREVRANGE z 0 0", "[\"m:1999\"]"),
        ("ZREMRANGEBYRANK z 100 1099", ":1000"),
        ("ZRANK z m:1234", ":234"),
        ("ZREMRANGEBYSCORE z -inf 9", ":20"),
        ("ZPOPMIN z", "[\"m:0020\" \"10\"]"),
        ("ZPOPMAX z", "[\"m:1999\" \"999\"]"),
        ("ZRANGESTORE y z 0 -1", ":978"),
        ("ZINTERCARD 2 y z LIMIT 500", ":500"),
        ("ZDIFF 2 y z", "[]"),
        ("ZREMRANGEBYRANK z 0 -1", ":978"),
        ("EXISTS z", ":0"),
    ] {
        assert_eq!(client.run(line).to_string(), want, "{line}");
    }
}

/// The nearest are the first of all that are there, whichever way they were looked for.
#[test]
fn a_search_for_the_nearest_finds_those() {
    let (_running, mut client) = start();
    let mut state = 7_u64;
    let mut random = |bound: f64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 40) as f64 / f64::from(1 << 24) * bound
    };
    // A few over the globe, most of them in two towns, one of them on the date line.
    for number in 0..6_000 {
        let (longitude, latitude) = match number % 10 {
            0 => (random(360.0) - 180.0, random(170.0) - 85.0),
            1..4 => (179.9 + random(0.2), 10.0 + random(0.1)),
            _ => (13.0 + random(0.5), 52.0 + random(0.5)),
        };
        let longitude = if longitude > 180.0 { longitude - 360.0 } else { longitude };
        client.run(&format!("GEOADD g {longitude} {latitude} {number}"));
    }
    let mut listed = |from: &str, shape: &str, rest: &str| -> Vec<(String, f64)> {
        let reply = client.run(&format!("GEOSEARCH g {from} {shape} ASC WITHDIST {rest}"));
        let pairs = reply.elements().iter().map(|pair| {
            let [member, distance] = pair.elements() else { panic!("{pair} is no pair") };
            (member.text(), distance.text().parse().unwrap())
        });
        pairs.collect()
    };
    for from in [
        "FROMLONLAT 13.2 52.2",
        "FROMLONLAT 180 10",
        "FROMLONLAT -70 -40",
        "FROMLONLAT 0 85",
        "FROMMEMBER 10",
    ] {
        for shape in [
            "BYRADIUS 30000 km",
            "BYRADIUS 900 km",
            "BYRADIUS 2 km",
            "BYBOX 40000 1 km",
            "BYBOX 30 9000 km",
        ] {
            let all = listed(from, shape, "");
            for count in [1, 10, 300, 5_999] {
                let some = listed(from, shape, &format!("COUNT {count}"));
                let wanted = &all[..all.len().min(count)];
                assert_eq!(some, wanted, "{from} {shape} COUNT {count}");
            }
        }
    }
}
