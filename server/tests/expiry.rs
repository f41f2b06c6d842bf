//! Time to live under load: never returned after the deadline, reclaimed within a second.
//!
//! Why it exists: both are promises of the first release, and both fail only in numbers. The
//! scripts hold the semantics. `ZUMIC_STRESS=100` gives five million keys.

mod support;

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use support::{Client, Running, Zumic};

const KEYS: u64 = 50_000;
const BATCH: u64 = 1000;

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    i64::try_from(since.as_millis()).expect("before the year 292 million")
}

/// Sets `count` keys with the same absolute deadline.
fn fill(client: &mut Client, prefix: &str, count: u64, deadline_ms: i64) {
    let deadline = deadline_ms.to_string();
    for first in (0..count).step_by(usize::try_from(BATCH).expect("small")) {
        let requests: Vec<Vec<String>> = (first..(first + BATCH).min(count))
            .map(|index| {
                let key = format!("{prefix}{index}");
                vec!["SET".into(), key, "v".into(), "PXAT".into(), deadline.clone()]
            })
            .collect();
        let replies = client.pipeline(&requests).expect("the server answers");
        assert!(replies.iter().all(|reply| !reply.is_error()), "{:?}", replies[0]);
    }
}

/// Sets `count` keys that are due at one instant, all before it; returns the instant. How long
/// that takes depends on the machine, so a budget that was too short is doubled.
fn fill_in_time(client: &mut Client, count: u64) -> i64 {
    let mut budget = 1000 + i64::try_from(count / 50).expect("few keys");
    for _ in 0..5 {
        let deadline = now_ms() + budget;
        fill(client, "due:", count, deadline);
        if now_ms() < deadline {
            return deadline;
        }
        client.run("FLUSHALL");
        budget *= 2;
    }
    panic!("{count} keys cannot be set within {budget} ms");
}

/// Waits until the clock shows `deadline_ms`, which is the past or seconds away.
fn wait_for(deadline_ms: i64) {
    let left = deadline_ms - now_ms();
    thread::sleep(Duration::from_millis(u64::try_from(left).unwrap_or(0)));
}

fn stat(client: &mut Client, section: &str, field: &str) -> String {
    let info = client.run(&format!("INFO {section}")).text();
    let prefix = format!("{field}:");
    let value = info.lines().find_map(|line| line.strip_prefix(&prefix).map(str::to_owned));
    value.unwrap_or_else(|| panic!("{field} is not in INFO {section}:\n{info}"))
}

#[test]
fn keys_are_reclaimed_within_a_second() {
    let count = KEYS * support::stress();
    for threads in [1, 2] {
        let running = Running::start(&Zumic { threads });
        let mut client = running.connect();
        let deadline = fill_in_time(&mut client, count);
        fill(&mut client, "later:", 1000, deadline + 3_600_000);
        wait_for(deadline + 1000);
        let left = client.run("DBSIZE").integer() - 1000;
        assert_eq!(left, 0, "{threads} threads: {left} keys stay a second after their deadline");
        let expired: u64 = stat(&mut client, "stats", "expired_keys").parse().expect("a number");
        assert!(expired >= count, "{expired} of {count} were counted");
        let keyspace = stat(&mut client, "keyspace", "db0");
        assert!(keyspace.starts_with("keys=1000,expires=1000,"), "{keyspace}");
    }
}

#[test]
fn a_mass_expiry_stalls_nobody() {
    let running = Running::start(&Zumic { threads: 2 });
    let mut client = running.connect();
    let count = KEYS * support::stress();
    let deadline = fill_in_time(&mut client, count);
    let mut slowest = Duration::ZERO;
    while now_ms() < deadline + 1200 {
        let start = Instant::now();
        client.run("PING");
        slowest = slowest.max(start.elapsed());
    }
    // Generous: a busy machine takes the processor away for longer than any sweep step.
    assert!(slowest < Duration::from_millis(500), "a PING took {slowest:?}");
    assert_eq!(client.run("DBSIZE").integer(), 0);
}

/// The sweep is switched off, so that only the check on access hides the keys.
#[test]
fn nothing_is_returned_after_its_deadline() {
    let running = Running::start(&Zumic { threads: 2 });
    let mut client = running.connect();
    assert!(!client.run("DEBUG SET-ACTIVE-EXPIRE 0").is_error());
    let deadline = now_ms() + 1000;
    fill(&mut client, "due:", 2000, deadline);
    let address = running.address;
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(move || {
                let mut client = Client::connect(address).expect("the server accepts");
                let mut index = 0;
                while now_ms() < deadline + 300 {
                    index = (index + 1) % 2000;
                    // Asked after this instant, so an answer must be from after it.
                    let asked = now_ms();
                    let key = format!("due:{index}");
                    let reply = client.call(&["GET", &key]);
                    let late = asked > deadline && !reply.is_null();
                    assert!(!late, "{key} came back {} ms late", asked - deadline);
                    let early = now_ms() < deadline && reply.is_null();
                    assert!(!early, "{key} vanished early");
                }
            });
        }
    });
    for line in ["KEYS *", "MGET due:1 due:2", "EXISTS due:1 due:2", "RANDOMKEY"] {
        let reply = client.run(line).to_string();
        assert!(!reply.contains("due:") && !reply.contains("\"v\""), "{line}: {reply}");
    }
    let mut cursor = "0".to_owned();
    loop {
        let reply = client.run(&format!("SCAN {cursor} COUNT 500"));
        assert_eq!(reply.elements()[1].elements(), &[], "SCAN returns an expired key");
        cursor = reply.elements()[0].text();
        if cursor == "0" {
            break;
        }
    }
}

/// The deadline belongs to the value that was written, whatever was pending before.
#[test]
fn an_old_deadline_does_not_remove_a_new_value() {
    let running = Running::start(&Zumic { threads: 2 });
    let mut client = running.connect();
    let deadline = now_ms() + 400;
    fill(&mut client, "key:", 2000, deadline);
    for index in 0..2000 {
        let line = match index % 4 {
            0 => format!("SET key:{index} new"),
            1 => format!("PERSIST key:{index}"),
            2 => format!("PEXPIRE key:{index} 3600000"),
            _ => format!("GETSET key:{index} new"),
        };
        // A key may have expired on a slow machine; then it is made again.
        if client.run(&line).is_null() || client.run(&format!("EXISTS key:{index}")).integer() == 0
        {
            client.run(&format!("SET key:{index} new"));
        }
    }
    wait_for(deadline + 1200);
    assert_eq!(client.run("DBSIZE").integer(), 2000);
}
