//! The least a server has to do, and the stories of connections that once went wrong.
//!
//! Why it exists: when this fails, nothing else is worth looking at. The wire suite, the abuse
//! tests and the life cycle tests go into depth.

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use support::{Client, Reply, Running, Zumic};

const TWO: Zumic = Zumic { threads: 2 };

fn raw(running: &Running) -> TcpStream {
    let address: SocketAddr = format!("127.0.0.1:{}", running.port()).parse().expect("an address");
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
    stream
}

/// Waits until only `count` connections are left, the asking one among them.
fn assert_connections_become(client: &mut Client, count: i64) {
    let start = Instant::now();
    loop {
        let now = client.run("CLIENT COUNT");
        if now == Reply::Integer(count) {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "{now:?} connections, not {count}");
    }
}

#[test]
fn a_session_from_the_first_command_to_sigterm() {
    let mut running = Running::start(&TWO);
    let mut client = running.connect();
    assert_eq!(client.run("SET key value"), Reply::simple("OK"));
    assert_eq!(client.run("GET key"), Reply::bulk("value"));
    for (line, answer) in [("MULTI", "OK"), ("INCR n", "QUEUED"), ("SET key other", "QUEUED")] {
        assert_eq!(client.run(line), Reply::simple(answer), "{line}");
    }
    assert_eq!(
        client.run("EXEC"),
        Reply::Array(Some(vec![Reply::Integer(1), Reply::simple("OK")]))
    );
    assert_eq!(running.connect().run("GET key"), Reply::bulk("other"));
    running.signal("TERM");
    let status = running.wait_exit(Duration::from_secs(10));
    assert_eq!(status.code(), Some(0));
}

/// The network may cut a pipeline anywhere; the answers must not change.
#[test]
fn a_pipeline_is_answered_alike_wherever_it_is_cut() {
    let running = Running::start(&TWO);
    let wire =
        b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\nPING\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
    let wanted = b"+OK\r\n+PONG\r\n$5\r\nvalue\r\n";
    let mut stream = raw(&running);
    stream.set_nodelay(true).unwrap();
    for cut in 1..wire.len() {
        stream.write_all(&wire[..cut]).unwrap();
        stream.write_all(&wire[cut..]).unwrap();
        let mut answer = vec![0; wanted.len()];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, wanted, "cut at {cut}");
    }
}

/// A client that sent its requests and closed its side at once got no answers, and its connection
/// was never noticed to be over: the end of the stream came in the event of the bytes, and an
/// edge-triggered poll does not repeat it. Since then an event that tells of the end is read to
/// the end, and what was answered is sent first.
#[test]
fn who_hangs_up_behind_requests_gets_the_answers_and_is_forgotten() {
    let running = Running::start(&TWO);
    let mut watcher = running.connect();
    for _ in 0..50 {
        let mut stream = raw(&running);
        stream.write_all(b"*1\r\n$4\r\nPING\r\n").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert_eq!(answer, b"+PONG\r\n");
    }
    assert_connections_become(&mut watcher, 1);
}

/// CLIENT KILL waited for the killed client to take its replies, which one that does not read
/// never does; the connection and its memory stayed. A kill ends a connection without a word.
#[test]
fn a_client_that_does_not_read_can_be_killed() {
    let running = Running::start(&TWO);
    let mut client = running.connect();
    let value = "v".repeat(10_000_000);
    assert_eq!(client.call(&["SET", "big", &value]), Reply::simple("OK"));
    let mut stubborn = running.connect();
    let id = stubborn.run("CLIENT ID");
    let Reply::Integer(id) = id else { panic!("{id:?}") };
    for _ in 0..20 {
        stubborn.send(&["GET", "big"]).unwrap();
    }
    assert_connections_become(&mut client, 2);
    assert_eq!(client.run(&format!("CLIENT KILL ID {id}")), Reply::Integer(1));
    assert_connections_become(&mut client, 1);
}

/// A value larger than every buffer goes in and comes out whole, in pieces of any size.
#[test]
fn large_values_go_both_ways() {
    let running = Running::start(&TWO);
    let mut client = running.connect();
    let value: String = (0..3_000_000).map(|i| char::from(b'a' + (i % 26) as u8)).collect();
    for _ in 0..3 {
        assert_eq!(client.call(&["SET", "large", &value]), Reply::simple("OK"));
        assert_eq!(client.run("GET large"), Reply::bulk(&value));
        assert_eq!(client.run("PING"), Reply::simple("PONG"));
    }
}
