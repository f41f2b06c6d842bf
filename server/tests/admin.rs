//! Administration over a real socket: settings from all three sources, figures, passwords.
//!
//! Why it exists: what is promised here is about effects (a limit that limits, a password that
//! locks out, a hash that does not stop the other clients), which scripts of requests and replies
//! cannot show. Exact replies are in `wire/server.wire`.

mod support;

use std::time::{Duration, Instant};

use support::process::{oracle_available, wait_exit, zumic_command};
use support::{Client, Redis, Reply, Running, Server, Zumic};

const ZUMIC: Zumic = Zumic { threads: 2 };
const LIMIT: Duration = Duration::from_secs(20);

fn field(client: &mut Client, section: &str, name: &str) -> String {
    let info = client.run(&format!("INFO {section}")).text();
    let prefix = format!("{name}:");
    let value = info.lines().find_map(|line| line.strip_prefix(&prefix).map(str::to_owned));
    value.unwrap_or_else(|| panic!("{name} is not in INFO {section}:\n{info}"))
}

fn setting(client: &mut Client, name: &str) -> String {
    match client.call(&["CONFIG", "GET", name]) {
        Reply::Array(Some(pair)) if pair.len() == 2 => pair[1].text(),
        other => panic!("CONFIG GET {name} answered {other:?}"),
    }
}

fn error(reply: &Reply) -> String {
    assert!(reply.is_error(), "not an error: {reply:?}");
    reply.text()
}

#[test]
fn the_command_line_wins_over_the_environment() {
    let running = Running::start_by(&ZUMIC, |command| {
        command.env("ZUMIC_MAXMEMORY", "64mb").env("ZUMIC_TIMEOUT", "77");
        command.args(["--timeout", "88", "--maxmemory-policy=allkeys-s3fifo"]);
    });
    let mut client = running.connect();
    assert_eq!(setting(&mut client, "maxmemory"), (64 << 20).to_string());
    assert_eq!(setting(&mut client, "timeout"), "88");
    assert_eq!(field(&mut client, "memory", "maxmemory_policy"), "allkeys-s3fifo");
}

/// What the program says and how it ends, for a command line that must not start a server.
fn refused(arguments: &[&str], variables: &[(&str, &str)]) -> (String, Option<i32>) {
    let mut command = zumic_command();
    command.args(arguments).envs(variables.iter().copied());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().expect("the program runs");
    let status = wait_exit(&mut child, LIMIT);
    if status.is_none() {
        drop(child.kill());
    }
    let output = child.wait_with_output().expect("the program ended");
    let said = [output.stdout, output.stderr].concat();
    (String::from_utf8_lossy(&said).into_owned(), status.and_then(|status| status.code()))
}

#[test]
fn what_is_not_understood_stops_the_start_and_help_does_not() {
    let unknown = [
        refused(&["--prot", "1"], &[]),
        refused(&["--port", "x"], &[]),
        refused(&["zumic.conf"], &[]),
        refused(&["--save", "60", "1"], &[]),
        refused(&["--port", "0"], &[("ZUMIC_PROT", "1")]),
    ];
    let words = ["'--prot'", "--port: ", "'zumic.conf'", "--mode persistent", "ZUMIC_PROT"];
    for ((said, code), word) in unknown.iter().zip(words) {
        assert!(said.contains(word), "{word} is not in: {said}");
        assert!(code.is_some_and(|code| code != 0), "{word}: ended with {code:?}: {said}");
    }
    let (help, code) = refused(&["--help"], &[]);
    assert!(help.contains("--maxmemory-policy <policy>") && code == Some(0), "{code:?}: {help}");
    let (version, code) = refused(&["--version"], &[]);
    assert!(version.starts_with("zumic 0.") && code == Some(0), "{code:?}: {version}");
}

#[test]
fn a_setting_changed_on_one_reactor_holds_on_all() {
    let running = Running::start(&ZUMIC);
    let mut clients: Vec<Client> = (0..8).map(|_| running.connect()).collect();
    clients[0].run("CONFIG SET proto-inline-max-bytes 1024 slowlog-log-slower-than 0");
    for client in &mut clients {
        assert_eq!(client.run("PING"), Reply::Simple(b"PONG".to_vec()));
    }
    let len = clients[0].run("SLOWLOG LEN").integer();
    assert!(len >= 8, "only {len} of 8 commands on 2 reactors were slow");
    clients[7].send_raw(&vec![b'x'; 4_000]).expect("the server reads");
    let said = clients[7].read_to_close().expect("the server closes");
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(said.contains("too big inline request"), "{said}");
}

#[test]
fn a_password_locks_new_clients_out_and_the_right_one_lets_them_in() {
    let running = Running::start(&ZUMIC);
    let mut before = running.connect();
    before.run("CONFIG SET requirepass hunter2");
    assert_eq!(before.run("PING"), Reply::Simple(b"PONG".to_vec()), "who was in stays in");
    assert_eq!(setting(&mut before, "requirepass"), "********");
    let refused = error(&before.run("CONFIG SET requirepass ********"));
    assert!(refused.contains("mask"), "{refused}");
    let mut client = running.connect();
    assert_eq!(error(&client.run("GET a")), "NOAUTH Authentication required.");
    let wrong = "WRONGPASS invalid username-password pair or user is disabled.";
    assert_eq!(error(&client.run("AUTH hunter3")), wrong);
    assert_eq!(error(&client.run("AUTH somebody hunter2")), wrong);
    assert_eq!(error(&client.run("HELLO 3 AUTH default hunter3")), wrong);
    assert_eq!(error(&client.run("PING")), "NOAUTH Authentication required.");
    assert_eq!(client.run("AUTH default hunter2"), Reply::Simple(b"OK".to_vec()));
    assert_eq!(client.run("PING"), Reply::Simple(b"PONG".to_vec()));
    before.run("CONFIG SET slowlog-log-slower-than 0");
    before.run("CONFIG SET requirepass other");
    let mut late = running.connect();
    assert_eq!(error(&late.run("AUTH hunter2")), wrong, "the old password is remembered");
    assert_eq!(late.run("AUTH other"), Reply::Simple(b"OK".to_vec()));
    let seen = format!("{:?}", late.run("SLOWLOG GET -1"));
    let secret = |word: &str| seen.contains(&format!("{:?}", word.as_bytes()));
    assert!(!secret("hunter2") && !secret("other"), "a password is in the slow log");
}

/// One argon2 takes tens of milliseconds; two hundred in a row on a reactor would stop it for
/// seconds. Guesses must be slow for who guesses, and for nobody else.
#[test]
fn guessing_passwords_does_not_slow_others() {
    let running = Running::start_with(&Zumic { threads: 1 }, &["--requirepass", "hunter2"]);
    let mut inside = loop {
        let mut client = running.connect();
        if !client.run("AUTH hunter2").is_error() {
            break client;
        }
    };
    let mut guessers: Vec<Client> = (0..400).map(|_| running.connect()).collect();
    for guesser in &mut guessers {
        guesser.send(&["AUTH", "guess"]).expect("the server reads");
    }
    let start = Instant::now();
    for _ in 0..100 {
        assert_eq!(inside.run("PING"), Reply::Simple(b"PONG".to_vec()));
    }
    let elapsed = start.elapsed();
    assert!(elapsed < Duration::from_secs(2), "100 pings took {elapsed:?} among guesses");
    // Not all of the 400 fit the queue of 256, and who did not learned that at once. The reactor
    // may have read them in any order.
    let busy = "ERR too many authentications at once, try again later";
    let is_busy = |guesser: &mut Client| {
        guesser.limit_read(Duration::from_millis(20));
        guesser.read().is_ok_and(|reply| error(&reply) == busy)
    };
    assert!(guessers.iter_mut().any(is_busy), "the queue has no end");
}

#[test]
fn a_storm_of_right_passwords_costs_one_check() {
    let running = Running::start_with(&ZUMIC, &["--requirepass", "hunter2"]);
    let mut clients: Vec<Client> = (0..200).map(|_| running.connect()).collect();
    let ok = Reply::Simple(b"OK".to_vec());
    assert_eq!(clients[0].run("AUTH hunter2"), ok);
    let start = Instant::now();
    for client in &mut clients[1..] {
        assert_eq!(client.run("AUTH hunter2"), ok);
    }
    // 199 checks of 20 ms would be four seconds, and each is much more without optimization.
    let elapsed = start.elapsed();
    assert!(elapsed < Duration::from_secs(3), "199 right passwords took {elapsed:?}");
}

#[test]
fn figures_follow_what_happens() {
    let running = Running::start(&ZUMIC);
    let mut client = running.connect();
    let mut other = running.connect();
    other.run("PING");
    assert_eq!(field(&mut client, "clients", "connected_clients"), "2");
    client.run("CONFIG RESETSTAT");
    for index in 0..50 {
        client.run(&format!("SET key:{index} value"));
        other.run(&format!("GET key:{index}"));
    }
    assert_eq!(field(&mut client, "stats", "keyspace_hits"), "50");
    assert_eq!(field(&mut client, "keyspace", "db0"), "keys=50,expires=0,avg_ttl=0");
    let set = field(&mut client, "commandstats", "cmdstat_set");
    assert!(set.starts_with("calls=50,usec="), "{set}");
    let latency = field(&mut client, "latencystats", "latency_percentiles_usec_get");
    assert!(latency.starts_with("p50=") && latency.contains(",p99.9="), "{latency}");
    let resident: u64 = field(&mut client, "memory", "used_memory_rss").parse().expect("bytes");
    assert!(resident.abs_diff(running.resident_bytes()) < 64 << 20, "{resident}");
    assert_eq!(field(&mut client, "server", "process_id"), running.pid().to_string());
    client.run("CONFIG SET latency-tracking no");
    client.run("CONFIG RESETSTAT");
    client.run("GET key:1");
    assert_eq!(client.run("LATENCY HISTOGRAM get"), Reply::Array(Some(Vec::new())));
}

#[test]
fn the_log_level_changes_what_is_logged() {
    let mut running = Running::start_with(&ZUMIC, &["--loglevel", "warning"]);
    let mut client = running.connect();
    client.run("CONFIG SET loglevel debug");
    assert_eq!(setting(&mut client, "loglevel"), "debug");
    client.send(&["SHUTDOWN", "NOSAVE"]).expect("the server reads");
    let status = running.wait_exit(LIMIT);
    assert!(status.success(), "{status}");
    let log = running.log();
    assert!(log.contains("SHUTDOWN: stopping"), "the notice is missing:\n{log}");
    assert!(!log.contains("ready"), "a notice was logged at level warning:\n{log}");
}

#[test]
fn a_killed_client_is_not_listed_any_more() {
    let mut servers: Vec<&dyn Server> = vec![&ZUMIC];
    if oracle_available() {
        servers.push(&Redis);
    }
    for server in servers {
        let running = Running::start(server);
        let mut client = running.connect();
        // They are spread over the reactors, so half of them are another one's.
        for _ in 0..40 {
            let mut victim = running.connect();
            let id = victim.run("CLIENT ID").text();
            assert_eq!(client.run(&format!("CLIENT KILL ID {id}")).text(), "1");
            let listed = client.run(&format!("CLIENT LIST ID {id}")).text();
            assert_eq!(listed, "", "{}", server.name());
            assert_eq!(client.run(&format!("CLIENT KILL ID {id}")).text(), "0");
            assert_eq!(victim.read_to_close().expect("it is ended"), b"", "{}", server.name());
        }
    }
}

/// Depth 0 is the default; the setting is that of lists that come into being after it.
#[test]
fn compressed_lists_take_less_memory() {
    let running = Running::start(&ZUMIC);
    let mut client = running.connect();
    let used = |client: &mut Client| -> i64 {
        field(client, "memory", "used_memory").parse().expect("bytes")
    };
    let fill = |client: &mut Client, key: &str, depth: &str| {
        client.run(&format!("CONFIG SET list-compress-depth {depth}"));
        assert_eq!(setting(client, "list-compress-depth"), depth);
        let before = used(client);
        for batch in 0..100 {
            let element = |index: i32| format!("session:{}:user:active", batch * 200 + index);
            let mut words = vec!["RPUSH".to_owned(), key.to_owned()];
            words.extend((0..200).map(element));
            client.pipeline(&[words]).expect("the server answers");
        }
        let usage = client.run(&format!("MEMORY USAGE {key}")).integer();
        (usage, used(client) - before)
    };
    let (plain, plain_used) = fill(&mut client, "plain", "0");
    let (compressed, compressed_used) = fill(&mut client, "compressed", "1");
    assert!(plain > 20_000 * 20, "{plain} bytes");
    assert!(compressed < plain / 2, "{compressed} bytes instead of {plain}");
    assert!(compressed_used < plain_used / 2, "{compressed_used} bytes instead of {plain_used}");
    // All of it comes back, and both are the same to a client.
    assert_eq!(client.run("LRANGE plain 0 -1"), client.run("LRANGE compressed 0 -1"));
    client.run("COPY compressed copy");
    assert!(client.run("MEMORY USAGE copy").integer() < plain / 2);
    assert_eq!(client.run("OBJECT ENCODING copy").text(), "quicklist");
    let dump = client.call(&["DUMP", "compressed"]);
    assert_eq!(client.call(&["DUMP", "plain"]), dump);
    let Reply::Bulk(Some(payload)) = dump else { panic!("{dump:?}") };
    assert_eq!(client.call(&[&b"RESTORE"[..], b"back", b"0", &payload]).text(), "OK");
    assert!(client.run("MEMORY USAGE back").integer() < plain / 2);
    assert_eq!(client.run("LRANGE plain 0 -1"), client.run("LRANGE back 0 -1"));
    client.run("LTRIM compressed -1 -1");
    assert_eq!(client.run("LRANGE compressed 0 -1").elements().len(), 1);
}
