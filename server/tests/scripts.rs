//! Long scripts: what they hold up, what they do not, and how they are stopped.
//!
//! Why it exists: a script that runs for seconds stops Redis altogether. Here it stops nobody but
//! who needs its keys, and that has to be true of its own reactor, too.

mod support;

use std::time::{Duration, Instant};

use support::{Client, Reply, Running, Zumic};

/// What a script does before it spins: a write, or a read.
fn spinning(first: &str) -> String {
    format!(
        "{first} local last = 0 for i = 1, ARGV[1] do for j = 1, 10000 do last = last + j \
         end end return last"
    )
}

/// Starts a long script and waits until it runs.
fn start(running: &Running, first: &str, rounds: u32) -> (Client, Client) {
    let (mut runner, mut other) = (running.connect(), running.connect());
    runner
        .send(&["EVAL", &spinning(first), "1", "held", &rounds.to_string()])
        .expect("the server reads");
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_running(&mut other) {
        assert!(Instant::now() < deadline, "the script has not begun");
    }
    (runner, other)
}

/// Whether some script runs: only then there is something to kill, and this one has written.
fn is_running(client: &mut Client) -> bool {
    client.run("SCRIPT KILL").text().starts_with("UNKILLABLE")
}

#[test]
fn others_go_on_while_a_script_runs() {
    for threads in [1, 2] {
        let running = Running::start(&Zumic { threads });
        let first = "redis.call('SET', KEYS[1], 'by the script')";
        let (mut runner, mut other) = start(&running, first, 15_000);
        let mut times: Vec<Duration> = Vec::new();
        for step in 0..300 {
            let begun = Instant::now();
            assert_eq!(other.run(&format!("SET free {step}")).text(), "OK");
            assert_eq!(other.run("GET free").text(), step.to_string());
            times.push(begun.elapsed());
        }
        assert!(is_running(&mut other), "the script ended too soon to tell");
        assert!(other.run("GET held").is_null(), "it has not committed, and nobody waits to read");
        times.sort_unstable();
        let median = times[times.len() / 2];
        assert!(median < Duration::from_millis(20), "two commands took {median:?}");
        let value = runner.read().expect("the script ends");
        assert!(!value.is_error(), "{value}");
        assert_eq!(other.run("GET held").text(), "by the script");
    }
}

#[test]
fn who_needs_its_keys_is_told_that_it_is_busy() {
    let running = Running::start_with(&Zumic { threads: 2 }, &["--busy-reply-threshold", "50"]);
    let (mut runner, mut other) = start(&running, "redis.call('SET', KEYS[1], '1')", 6_000);
    let deadline = Instant::now() + Duration::from_secs(10);
    let busy = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN \
                NOSAVE.";
    let reply = other.run("SET held 2");
    assert!(Instant::now() < deadline && reply.is_error(), "{reply}");
    assert_eq!(reply.text(), busy);
    assert_eq!(other.run("DEL held x").text(), busy);
    assert_eq!(other.run("EVAL return(1) 1 held").text(), busy);
    assert_eq!(other.run("FLUSHALL").text(), busy, "it needs the whole store");
    other.run("MULTI");
    other.run("FLUSHDB");
    assert_eq!(other.run("EXEC").text(), busy);
    assert_eq!(other.run("SET free 1").text(), "OK");
    assert!(!runner.read().expect("the script ends").is_error());
    assert_eq!(other.run("SET held 2").text(), "OK");
}

#[test]
fn a_script_that_only_read_is_killed_from_any_connection() {
    let running = Running::start(&Zumic { threads: 2 });
    let (mut runner, mut other) = (running.connect(), running.connect());
    assert_eq!(other.run("SCRIPT KILL").text(), "NOTBUSY No scripts in execution right now.");
    let endless = "redis.call('GET', KEYS[1]) while true do pcall(function() while true do end \
                   end) end";
    runner.send(&["EVAL", endless, "1", "k"]).expect("the server reads");
    let deadline = Instant::now() + Duration::from_secs(10);
    while other.run("SCRIPT KILL").is_error() {
        assert!(Instant::now() < deadline, "the script has not begun");
    }
    let reply = runner.read().expect("it ends");
    assert!(reply.text().starts_with("ERR Script killed by user with SCRIPT KILL."), "{reply}");
    assert_eq!(runner.run("SET k 1").text(), "OK");
}

#[test]
fn a_script_goes_on_when_its_client_has_left() {
    let running = Running::start(&Zumic { threads: 1 });
    let (runner, mut other) = start(&running, "redis.call('SET', KEYS[1], '1')", 2_000);
    drop(runner);
    let deadline = Instant::now() + Duration::from_secs(20);
    while other.run("GET held").is_null() {
        assert!(Instant::now() < deadline, "the script did not end");
    }
    assert_eq!(other.run("SET held 2").text(), "OK");
}

#[test]
fn many_scripts_do_not_stay() {
    let running = Running::start(&Zumic { threads: 1 });
    let mut client = running.connect();
    for batch in 0..100 {
        let requests: Vec<Vec<String>> = (0..100)
            .map(|number| {
                let body = format!("return {}", batch * 100 + number);
                vec!["EVAL".to_owned(), body, "0".to_owned()]
            })
            .collect();
        let replies = client.pipeline(&requests).expect("the server answers");
        for (number, reply) in replies.iter().enumerate() {
            assert_eq!(*reply, Reply::Integer(batch * 100 + i64::try_from(number).unwrap()));
        }
    }
    let info = client.run("INFO memory").text();
    let field = |name: &str| -> u64 {
        let line = info.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.trim().strip_prefix(':')?.parse().ok()).expect("a field of INFO")
    };
    assert_eq!(field("number_of_cached_scripts"), 500);
    assert!(field("used_memory_lua") < 4 << 20, "{} bytes", field("used_memory_lua"));
}
