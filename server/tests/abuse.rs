//! Hostile and broken clients: each gets the documented answer, memory stays bounded, and the
//! others are served meanwhile.
//!
//! Why it exists: a store is reachable by whatever can open a socket. Memory is read from the
//! kernel, because a leak is exactly what the server's own books miss. What is documented for
//! Redis too is checked on Redis too.

mod support;

use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use support::process::{oracle_available, zumic_command};
use support::{Client, Random, Redis, Reply, Running, Server, Zumic};

const MIB: u64 = 1 << 20;
const TWO: Zumic = Zumic { threads: 2 };

fn on_both(check: impl Fn(&dyn Server)) {
    check(&TWO);
    if oracle_available() {
        check(&Redis);
    }
}

/// The server still answers, and at once.
fn assert_serves(running: &Running) {
    let start = Instant::now();
    assert_eq!(running.connect().run("PING"), Reply::simple("PONG"));
    let took = start.elapsed();
    assert!(took < Duration::from_secs(2), "a new client waited {took:?}");
}

fn refused(running: &Running, bytes: &[u8], wanted: &str) {
    let mut client = running.connect();
    // It may close before all has been sent; its answer is what counts.
    let _ = client.send_raw(bytes);
    let shown = bytes[..bytes.len().min(40)].escape_ascii();
    match client.read() {
        Ok(reply) => assert_eq!(reply.text(), wanted, "{shown}"),
        Err(error) => panic!("{shown}: {error}"),
    }
    assert!(client.read_to_close().is_ok(), "{shown}: it is closed");
}

#[test]
fn absurd_lengths_are_refused() {
    on_both(|server| {
        let running = Running::start(server);
        let bulk = "ERR Protocol error: invalid bulk length";
        let count = "ERR Protocol error: invalid multibulk length";
        let cases: [(&[u8], &str); 12] = [
            (b"*2147483648\r\n", count),
            (b"*99999999999999999999999999\r\n", count),
            (b"*1a\r\n", count),
            (b"* 1\r\n", count),
            (b"*\r\n$4\r\nPING\r\n", count),
            (b"*1\r\n$-1\r\n", bulk),
            (b"*1\r\n$-2147483648\r\n", bulk),
            (b"*1\r\n$536870913\r\n", bulk),
            (b"*1\r\n$9223372036854775807\r\n", bulk),
            (b"*1\r\n$99999999999999999999\r\n", bulk),
            (b"*1\r\n$4a\r\nPING\r\n", bulk),
            (b"*1\r\nPING\r\n", "ERR Protocol error: expected '$', got 'P'"),
        ];
        for (bytes, wanted) in cases {
            refused(&running, bytes, wanted);
        }
        let long = vec![b'a'; 70_000];
        refused(&running, &long, "ERR Protocol error: too big inline request");
        let long_count = [b"*".as_slice(), &[b'1'; 70_000]].concat();
        refused(&running, &long_count, "ERR Protocol error: too big mbulk count string");
        let long_bulk = [b"*1\r\n$".as_slice(), &[b'1'; 70_000]].concat();
        refused(&running, &long_bulk, "ERR Protocol error: too big bulk count string");
        assert_serves(&running);
    });
}

#[test]
fn a_hundred_thousand_nested_arrays_are_refused() {
    on_both(|server| {
        let running = Running::start(server);
        let nested = b"*1\r\n".repeat(100_000);
        refused(&running, &nested, "ERR Protocol error: expected '$', got '*'");
        assert_serves(&running);
    });
}

#[test]
fn declared_lengths_take_no_memory() {
    let running = Running::start(&TWO);
    let before = running.resident_bytes();
    let mut clients = Vec::new();
    for index in 0..200 {
        let mut client = running.connect();
        let bytes: &[u8] = match index % 3 {
            0 => b"*1048576\r\n$3\r\nSET\r\n",
            1 => b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\nabc",
            _ => b"*1000000\r\n$536870912\r\n",
        };
        client.send_raw(bytes).expect("the bytes are sent");
        clients.push(client);
    }
    assert_serves(&running);
    let grown = running.resident_bytes().saturating_sub(before);
    assert!(grown < 64 * MIB, "{grown} bytes for promises");
}

#[test]
fn garbage_ends_nothing_but_its_connection() {
    let seed = support::seed();
    let mut random = Random::new(seed);
    let mut running = Running::start(&TWO);
    for round in 0..300 {
        let mut client = running.connect();
        let length = random.below(300);
        let mut bytes: Vec<u8> = (0..length).map(|_| random.next().to_le_bytes()[0]).collect();
        if random.chance(2) {
            // Nearly right is worse than wrong.
            let alphabet = b"*$:+-0123456789\r\n\r\n\r\n PINGSETk\"'\\x";
            bytes.iter_mut().for_each(|byte| *byte = *random.pick(alphabet));
        }
        // It may be refused in the middle.
        let _ = client.send_raw(&bytes);
        assert!(running.is_alive(), "ZUMIC_SEED={seed} round={round}: {}", bytes.escape_ascii());
    }
    assert_serves(&running);
}

#[test]
fn a_client_that_never_reads_is_closed() {
    let limit = ["--client-output-buffer-limit", "normal", "8mb", "0", "0"];
    let running = Running::start_with(&TWO, &limit);
    let value = "v".repeat(100_000);
    assert_eq!(running.connect().call(&["SET", "k", &value]), Reply::simple("OK"));
    let before = running.resident_bytes();
    let mut client = running.connect();
    client.run("CLIENT SETNAME deaf");
    let requests = b"GET k\r\n".repeat(2000);
    let closed_from = Instant::now();
    loop {
        // Two hundred megabytes of replies per turn, none of them read.
        let sent = client.send_raw(&requests);
        let list = running.connect().run("CLIENT LIST").text();
        if sent.is_err() || !list.contains("name=deaf") {
            break;
        }
        assert!(closed_from.elapsed() < Duration::from_secs(15), "it is still there: {list}");
        assert_serves(&running);
    }
    assert_serves(&running);
    let grown = running.resident_bytes().saturating_sub(before);
    assert!(grown < 96 * MIB, "{grown} bytes for a client that does not read");
}

/// Without a limit the server may keep replies, but it must not let one deaf client's pipeline
/// take all memory: it stops reading from it, and goes on when the client reads.
#[test]
fn a_client_that_reads_late_gets_everything() {
    let running = Running::start(&TWO);
    let value = "v".repeat(10_000);
    assert_eq!(running.connect().call(&["SET", "k", &value]), Reply::simple("OK"));
    let mut client = running.connect();
    client.send_raw(&b"GET k\r\n".repeat(5000)).expect("the requests are sent");
    assert_serves(&running);
    for _ in 0..5000 {
        assert_eq!(client.read().expect("a reply").text().len(), value.len());
    }
    assert_eq!(client.run("PING"), Reply::simple("PONG"));
}

#[test]
fn a_client_that_sends_byte_by_byte_is_served_and_slows_nobody() {
    on_both(|server| {
        let running = Running::start(server);
        let mut slow: Vec<Client> = (0..20).map(|_| running.connect()).collect();
        let mut other = running.connect();
        for byte in b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\nvv\r\n" {
            for client in &mut slow {
                client.send_raw(&[*byte]).expect("the byte is sent");
            }
            let start = Instant::now();
            assert_eq!(other.run("PING"), Reply::simple("PONG"));
            assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
            std::thread::sleep(Duration::from_millis(10));
        }
        for client in &mut slow {
            assert_eq!(client.read().expect("a reply"), Reply::simple("OK"));
        }
    });
}

#[test]
fn ten_thousand_connections_come_and_go() {
    let running = Running::start(&TWO);
    let address = running.address;
    let start = Instant::now();
    let visit = |count: usize| {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(move || {
                    for index in 0..count / 4 {
                        let mut client = Client::connect(address).expect("it accepts");
                        if index % 3 != 0 {
                            assert_eq!(client.run("PING"), Reply::simple("PONG"));
                        }
                    }
                });
            }
        });
    };
    visit(2000);
    let before = running.resident_bytes();
    visit(8000);
    let took = start.elapsed();
    assert!(took < Duration::from_secs(60), "{took:?}");
    let grown = running.resident_bytes().saturating_sub(before);
    assert!(grown < 16 * MIB, "{grown} bytes stayed after 8000 connections");
    let mut client = running.connect();
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let info = client.run("INFO clients").text();
        if info.lines().any(|line| line == "connected_clients:1") {
            break;
        }
        assert!(Instant::now() < deadline, "connections are still counted: {info}");
    }
    let stats = client.run("INFO stats").text();
    let received = stats.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
    let received: u64 = received.and_then(|n| n.parse().ok()).expect("INFO counts connections");
    assert!(received >= 10_000, "{received}");
}

#[test]
fn maxclients_refuses_politely() {
    on_both(|server| {
        let running = Running::start_with(server, &["--maxclients", "20"]);
        let mut clients: Vec<Client> = Vec::new();
        // The connection that waited for the start may still be on its way out.
        let full = loop {
            let mut client = running.connect();
            match client.try_call(&["PING"]) {
                Ok(Reply::Simple(_)) => clients.push(client),
                other => break other,
            }
            assert!(clients.len() <= 20, "more than maxclients are served");
        };
        if let Ok(reply) = full {
            assert_eq!(reply.text(), "ERR max number of clients reached");
        }
        assert!(clients.len() >= 18, "only {} of 20 were served", clients.len());
        for client in &mut clients {
            assert_eq!(client.run("PING"), Reply::simple("PONG"));
        }
        let info = clients[0].run("INFO stats").text();
        assert!(!info.contains("rejected_connections:0\r"), "rejections are counted");
        clients.truncate(10);
        let deadline = Instant::now() + Duration::from_secs(5);
        while running.connect().try_call(&["PING"]).ok() != Some(Reply::simple("PONG")) {
            assert!(Instant::now() < deadline, "places that were left are not given out");
        }
    });
}

#[test]
fn one_address_cannot_take_all_places() {
    let running = Running::start_with(&TWO, &["--maxclients-per-ip", "5"]);
    let mut clients: Vec<Client> = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(5);
    while clients.len() < 5 {
        let mut client = running.connect();
        if client.try_call(&["PING"]).ok() == Some(Reply::simple("PONG")) {
            clients.push(client);
        }
        assert!(Instant::now() < deadline, "only {} of 5 were served", clients.len());
    }
    let mut sixth = running.connect();
    if let Ok(reply) = sixth.read() {
        let text = reply.text();
        assert!(text.starts_with("ERR max number of clients"), "{text}");
    }
    assert!(sixth.read_to_close().is_ok());
    assert_eq!(clients[0].run("CONFIG SET maxclients-per-ip 0"), Reply::simple("OK"));
    // The other reactor takes a setting over with its next turn: one that accepts just now may
    // still refuse.
    while running.connect().try_call(&["PING"]).ok() != Some(Reply::simple("PONG")) {
        assert!(Instant::now() < deadline, "the limit is gone, but nobody gets in");
    }
}

/// User and system time of the process so far, in clock ticks (100 per second).
fn cpu_ticks(running: &Running) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", running.pid())).expect("it runs");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("a name").split_whitespace().collect();
    fields[11].parse::<u64>().expect("utime") + fields[12].parse::<u64>().expect("stime")
}

#[test]
fn out_of_file_descriptors_it_keeps_serving() {
    let limit = 128;
    let running = Running::launch(&TWO, |port, _| {
        let zumic = zumic_command();
        let mut command = Command::new("sh");
        let script = format!("ulimit -n {limit}; exec \"$0\" \"$@\"");
        command.arg("-c").arg(script).arg(zumic.get_program());
        for (name, _) in zumic.get_envs() {
            command.env_remove(name);
        }
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--threads", "2"]);
        command
    });
    let mut served = Vec::new();
    let mut waiting = Vec::new();
    for _ in 0..200 {
        let mut client = running.connect();
        client.limit_read(Duration::from_millis(20));
        match client.try_call(&["PING"]) {
            Ok(Reply::Simple(_)) => {
                client.limit_read(support::client::REPLY_MAX);
                served.push(client);
            }
            // Refused with a message, closed, or left in the queue of the kernel.
            _ => waiting.push(client),
        }
    }
    assert!(served.len() >= 20, "only {} were served with {limit} descriptors", served.len());
    assert!(!waiting.is_empty(), "the limit was not reached");
    for client in &mut served {
        assert_eq!(client.run("PING"), Reply::simple("PONG"));
    }
    let before = cpu_ticks(&running);
    std::thread::sleep(Duration::from_secs(1));
    let burnt = cpu_ticks(&running) - before;
    assert!(burnt < 50, "{burnt} of 200 ticks went into accepting in vain");
    drop(waiting);
    drop(served);
    let deadline = Instant::now() + Duration::from_secs(10);
    while running.connect().try_call(&["PING"]).ok() != Some(Reply::simple("PONG")) {
        assert!(Instant::now() < deadline, "it does not accept again\n{}", running.log());
    }
    assert!(!running.log().trim().is_empty(), "it is logged");
}

#[test]
fn the_query_buffer_is_limited() {
    on_both(|server| {
        let running = Running::start_with(server, &["--client-query-buffer-limit", "1mb"]);
        let mut stream = TcpStream::connect(running.address).expect("it accepts");
        stream.set_write_timeout(Some(Duration::from_secs(10))).expect("a limit is accepted");
        stream
            .write_all(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000000\r\n")
            .expect("the start is sent");
        let chunk = vec![b'x'; 64 << 10];
        let mut sent = 0_usize;
        while stream.write_all(&chunk).is_ok() {
            sent += chunk.len();
            assert!(sent < 90_000_000, "90 MB were taken under a limit of 1 MB");
        }
        assert_serves(&running);
        assert_eq!(running.connect().run("EXISTS k"), Reply::Integer(0));
    });
}

#[test]
fn proto_max_bulk_len_is_kept() {
    on_both(|server| {
        let running = Running::start_with(server, &["--proto-max-bulk-len", "1mb"]);
        refused(&running, b"*1\r\n$1048577\r\n", "ERR Protocol error: invalid bulk length");
        let mut client = running.connect();
        let value = "v".repeat(1 << 20);
        assert_eq!(client.call(&["SET", "k", &value]), Reply::simple("OK"));
        let over = "ERR string exceeds maximum allowed size (proto-max-bulk-len)";
        assert_eq!(client.run("APPEND k x").text(), over);
        assert_eq!(client.run("SETRANGE k 1048576 x").text(), over);
        assert_eq!(client.run("STRLEN k"), Reply::Integer(1 << 20));
    });
}

/// One pipeline of many requests must not keep its neighbours on the same reactor waiting.
#[test]
fn an_endless_pipeline_shares_the_reactor() {
    let running = Running::start(&Zumic { threads: 1 });
    let address = running.address;
    let end = Instant::now() + Duration::from_secs(2);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut client = Client::connect(address).expect("it accepts");
            let requests = vec![vec!["INCR", "k"]; 10_000];
            while Instant::now() < end {
                client.pipeline(&requests).expect("the server answers");
            }
        });
        let mut slowest = Duration::ZERO;
        let mut client = running.connect();
        while Instant::now() < end {
            let start = Instant::now();
            assert_eq!(client.run("PING"), Reply::simple("PONG"));
            slowest = slowest.max(start.elapsed());
        }
        assert!(slowest < Duration::from_millis(500), "a neighbour waited {slowest:?}");
    });
}

/// A transaction that is never executed is bounded by the query buffer's limit too.
#[test]
fn an_endless_transaction_is_closed() {
    let running = Running::start_with(&TWO, &["--client-query-buffer-limit", "4mb"]);
    let before = running.resident_bytes();
    let mut client = running.connect();
    assert_eq!(client.run("MULTI"), Reply::simple("OK"));
    let value = "v".repeat(100_000);
    let mut queued = 0;
    while client.try_call(&["SET", "k", &value]).is_ok_and(|reply| !reply.is_error()) {
        queued += 1;
        assert!(queued < 1000, "100 MB were queued under a limit of 4 MB");
    }
    let grown = running.resident_bytes().saturating_sub(before);
    assert!(grown < 64 * MIB, "{grown} bytes");
    assert_serves(&running);
}
