//! Publish and subscribe under load: crowds, order, slow readers.
//!
//! Why it exists: a wire script shows that one message arrives. Here are the promises about many:
//! a crowd of subscribers stalls nobody, messages of one publisher keep their order on every
//! reactor, nothing is lost after SUBSCRIBE was answered, and who does not read is closed.

mod support;

use std::sync::Barrier;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use support::{Client, Reply, Running, Zumic, stress};

/// As many of `wanted` connections as this process may open, with some to spare.
fn possible(wanted: usize) -> usize {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("the limit can be read");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("up to the hard limit is allowed");
    let hard = usize::try_from(hard).unwrap_or(usize::MAX);
    let possible = wanted.min(hard.saturating_sub(500));
    if possible < wanted {
        eprintln!("{possible} connections instead of {wanted}: the system allows no more files");
    }
    possible
}

fn message(channel: &str, text: &str) -> Reply {
    Reply::Array(Some(vec![Reply::bulk("message"), Reply::bulk(channel), Reply::bulk(text)]))
}

fn subscribe(client: &mut Client, channel: &str) {
    let reply = client.call(&["SUBSCRIBE", channel]);
    assert_eq!(reply.elements()[1], Reply::bulk(channel));
}

/// Pings until told to stop; the times in microseconds, sorted.
fn ping(mut client: Client, stop: &Receiver<()>) -> Vec<u128> {
    let mut times = Vec::new();
    while stop.try_recv() == Err(TryRecvError::Empty) {
        let start = Instant::now();
        assert_eq!(client.run("PING"), Reply::simple("PONG"));
        times.push(start.elapsed().as_micros());
    }
    times.sort_unstable();
    times
}

/// With delivery in one go, each message would stop the reactor for the time of ten thousand
/// writes, and the other connection would get one answer per message.
#[test]
fn ten_thousand_subscribers_do_not_stall_the_reactor() {
    const MESSAGES: usize = 5;
    let running = Running::start_with(&Zumic { threads: 1 }, &["--maxclients", "20000"]);
    let mut crowd: Vec<Client> = (0..possible(10_000)).map(|_| running.connect()).collect();
    for client in &mut crowd {
        client.send(&["SUBSCRIBE", "crowd"]).expect("the request is sent");
    }
    for client in &mut crowd {
        assert_eq!(client.read().expect("an answer").elements().len(), 3);
    }
    let other = running.connect();
    let (stop, stopped) = channel();
    let pinger = thread::spawn(move || ping(other, &stopped));
    let mut publisher = running.connect();
    let start = Instant::now();
    for number in 0..MESSAGES {
        let receivers = publisher.call(&["PUBLISH", "crowd", &number.to_string()]);
        assert_eq!(receivers, Reply::Integer(crowd.len().try_into().expect("a count")));
    }
    let last = crowd.last_mut().expect("a crowd");
    for number in 0..MESSAGES {
        assert_eq!(last.read().expect("a message"), message("crowd", &number.to_string()));
    }
    let elapsed = start.elapsed();
    stop.send(()).expect("the pinger runs");
    let times = pinger.join().expect("every ping was answered");
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    eprintln!(
        "{} deliveries in {elapsed:?}; {} pings meanwhile: p50 {} us, p99 {} us, max {} us",
        crowd.len() * MESSAGES,
        times.len(),
        at(50),
        at(99),
        at(100)
    );
    assert!(times.len() > 10 * MESSAGES, "only {} pings in {elapsed:?}", times.len());
    let rest = crowd.len() - 1;
    for client in &mut crowd[..rest] {
        for number in 0..MESSAGES {
            assert_eq!(client.read().expect("a message"), message("crowd", &number.to_string()));
        }
    }
}

/// Publishers and subscribers on all reactors: each subscriber gets every message, and those of
/// one publisher in order.
#[test]
fn messages_of_one_publisher_keep_their_order_everywhere() {
    let each = 300 * usize::try_from(stress()).expect("a small factor");
    let running = Running::start(&Zumic { threads: 4 });
    let ready = Barrier::new(8 + 4);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut client = running.connect();
                subscribe(&mut client, "c");
                ready.wait();
                let mut next = [0; 4];
                for _ in 0..4 * each {
                    let text = client.read().expect("a message").elements()[2].text();
                    let (publisher, number) = text.split_once(' ').expect("two words");
                    let publisher: usize = publisher.parse().expect("a number");
                    assert_eq!(number, next[publisher].to_string(), "publisher {publisher}");
                    next[publisher] += 1;
                }
            });
        }
        for publisher in 0..4 {
            let (running, ready) = (&running, &ready);
            scope.spawn(move || {
                let mut client = running.connect();
                ready.wait();
                let requests: Vec<Vec<String>> = (0..each)
                    .map(|number| {
                        vec!["PUBLISH".to_owned(), "c".to_owned(), format!("{publisher} {number}")]
                    })
                    .collect();
                for reply in client.pipeline(&requests).expect("all are answered") {
                    assert_eq!(reply, Reply::Integer(8));
                }
            });
        }
    });
}

/// What is published after SUBSCRIBE was answered arrives, whatever reactors the two are on.
#[test]
fn nothing_is_lost_after_the_subscription_was_answered() {
    let running = Running::start(&Zumic { threads: 4 });
    let mut publishers: Vec<Client> = (0..8).map(|_| running.connect()).collect();
    for round in 0..200 {
        let mut client = running.connect();
        let channel = format!("c{}", round % 3);
        subscribe(&mut client, &channel);
        let publisher = &mut publishers[round % 8];
        let text = round.to_string();
        let receivers = publisher.call(&["PUBLISH", &channel, &text]);
        assert_ne!(receivers, Reply::Integer(0), "round {round}");
        assert_eq!(client.read().expect("a message"), message(&channel, &text));
    }
}

/// A transaction's message leaves after its writes: who gets it finds them.
#[test]
fn a_message_of_a_transaction_comes_after_its_writes() {
    let running = Running::start(&Zumic { threads: 4 });
    let (mut reader, mut writer) = (running.connect(), running.connect());
    let mut listener = running.connect();
    subscribe(&mut listener, "done");
    for round in 0..300 {
        let value = round.to_string();
        let requests = [
            vec!["MULTI"],
            vec!["PUBLISH", "done", &value],
            vec!["SET", "a", &value],
            vec!["SET", "b", &value],
            vec!["EXEC"],
        ];
        let replies = writer.pipeline(&requests).expect("all are answered");
        assert!(!replies[4].is_error());
        assert_eq!(listener.read().expect("a message"), message("done", &value));
        for key in ["a", "b"] {
            assert_eq!(reader.call(&["GET", key]), Reply::bulk(&value), "round {round}");
        }
    }
}

/// A subscriber that does not read is closed at the limit of its class, and the log says so; the
/// others do not notice.
#[test]
fn who_does_not_read_is_closed_at_the_limit() {
    let running = Running::start(&Zumic { threads: 2 });
    let mut admin = running.connect();
    let limit = "normal 0 0 0 pubsub 2mb 0 0";
    assert!(!admin.call(&["CONFIG", "SET", "client-output-buffer-limit", limit]).is_error());
    let (mut slow, mut quick) = (running.connect(), running.connect());
    subscribe(&mut slow, "c");
    subscribe(&mut quick, "c");
    let text = "x".repeat(100_000);
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let receivers = admin.call(&["PUBLISH", "c", &text]);
        assert_eq!(quick.read().expect("a message"), message("c", &text));
        if receivers == Reply::Integer(1) {
            break;
        }
        assert!(Instant::now() < deadline, "the slow subscriber is still there");
    }
    let info = admin.run("INFO stats").text();
    assert!(info.contains("client_buffer_limit_disconnections:1"), "{info}");
    // The log is written by a thread of its own.
    while !running.log().contains("bytes of messages wait, over the limit") {
        assert!(Instant::now() < deadline, "{}", running.log());
        thread::yield_now();
    }
    drop(slow);
}

/// A publisher that is faster than the subscribers waits; the server's memory is not the queue.
#[test]
fn a_publisher_waits_for_a_crowd_that_is_behind() {
    let running = Running::start_with(&Zumic { threads: 1 }, &["--maxclients", "20000"]);
    let mut crowd: Vec<Client> = (0..200).map(|_| running.connect()).collect();
    crowd.iter_mut().for_each(|client| subscribe(client, "c"));
    let mut publisher = running.connect();
    let requests: Vec<Vec<&str>> = (0..1_000).map(|_| vec!["PUBLISH", "c", "x"]).collect();
    let replies = publisher.pipeline(&requests).expect("all are answered");
    assert!(replies.iter().all(|reply| *reply == Reply::Integer(200)));
    for client in &mut crowd {
        for _ in 0..1_000 {
            assert_eq!(client.read().expect("a message"), message("c", "x"));
        }
    }
}

#[test]
fn subscribers_may_be_idle() {
    let running = Running::start(&Zumic { threads: 2 });
    let (mut listener, mut idle) = (running.connect(), running.connect());
    subscribe(&mut listener, "c");
    let mut other = running.connect();
    assert_eq!(other.run("CONFIG SET timeout 1"), Reply::simple("OK"));
    // The one without a subscription shows that the time has come.
    assert_eq!(idle.read_to_close().expect("a close"), b"");
    let mut publisher = running.connect();
    assert_eq!(publisher.run("PUBLISH c still"), Reply::Integer(1));
    assert_eq!(listener.read().expect("a message"), message("c", "still"));
}
