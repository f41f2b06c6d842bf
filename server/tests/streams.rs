//! Entries of a stream reach who waits for them, each consumer group as a whole exactly once.
//!
//! Why it exists: producers, consumers and readers are on different reactors, and a wait begins
//! and ends while others write. A lost wake-up shows as a test that never ends, a double delivery
//! as an entry too many.

mod support;

use std::sync::Mutex;
use std::thread;

use support::{Client, Reply, Running, Zumic, stress};

const PRODUCERS: usize = 2;
const CONSUMERS: usize = 3;
const STREAMS: [&str; 2] = ["orders", "events"];

/// An entry: its stream and its id.
type Entry = (String, String);

/// What XREAD and XREADGROUP answered in RESP2.
fn entries(reply: &Reply) -> Vec<Entry> {
    if reply.is_null() {
        return Vec::new();
    }
    let mut all = Vec::new();
    for stream in reply.elements() {
        let [name, entries] = stream.elements() else { panic!("no pair: {stream}") };
        let ids = entries.elements().iter().map(|entry| entry.elements()[0].text());
        all.extend(ids.map(|id| (name.text(), id)));
    }
    all
}

fn produce(mut client: Client, count: usize) -> Vec<Entry> {
    let add = |number: usize| {
        let stream = STREAMS[usize::from(number.is_multiple_of(3))];
        let id = client.run(&format!("XADD {stream} * number {number}")).text();
        (stream.to_owned(), id)
    };
    (0..count).map(add).collect()
}

/// Takes entries and acknowledges them, until all were taken.
fn consume(mut client: Client, name: usize, taken: &Mutex<usize>, total: usize) -> Vec<Entry> {
    let mut all = Vec::new();
    let [one, other] = STREAMS;
    while *taken.lock().expect("no panic") < total {
        let read = format!("XREADGROUP GROUP g c{name} COUNT {} BLOCK 50", name + 1);
        let got = entries(&client.run(&format!("{read} STREAMS {one} {other} > >")));
        for (stream, id) in &got {
            assert_eq!(client.run(&format!("XACK {stream} g {id}")), Reply::Integer(1));
        }
        *taken.lock().expect("no panic") += got.len();
        all.extend(got);
    }
    all
}

/// Follows one stream to its end without a group.
fn follow(mut client: Client, count: usize) -> Vec<Entry> {
    let mut all: Vec<Entry> = Vec::new();
    while all.len() < count {
        let last = all.last().map_or("0", |(_, id)| id);
        // It waits for ever: what wakes it is the only way on.
        let got = client.run(&format!("XREAD BLOCK 0 STREAMS {} {last}", STREAMS[0]));
        all.extend(entries(&got));
    }
    all
}

#[test]
fn every_entry_is_delivered_once_and_every_reader_sees_all() {
    let running = Running::start(&Zumic { threads: 2 });
    for stream in STREAMS {
        let create = format!("XGROUP CREATE {stream} g 0 MKSTREAM");
        assert_eq!(running.connect().run(&create), Reply::simple("OK"));
    }
    let count = 500 * usize::try_from(stress()).expect("a small number");
    let total = PRODUCERS * count;
    let first_count = PRODUCERS * (0..count).filter(|number| number % 3 != 0).count();
    let taken = &Mutex::new(0);
    let (mut sent, mut got, followed) = thread::scope(|scope| {
        let connect = || running.connect();
        let consumers: Vec<_> = (0..CONSUMERS)
            .map(|name| (name, connect()))
            .map(|(name, client)| scope.spawn(move || consume(client, name, taken, total)))
            .collect();
        let client = connect();
        let follower = scope.spawn(move || follow(client, first_count));
        let producers: Vec<_> = (0..PRODUCERS)
            .map(|_| connect())
            .map(|client| scope.spawn(move || produce(client, count)))
            .collect();
        let sent: Vec<Entry> =
            producers.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect();
        let got: Vec<Entry> =
            consumers.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect();
        (sent, got, follower.join().expect("no panic"))
    });
    sent.sort();
    got.sort();
    assert_eq!(sent.len(), total);
    assert!(sent == got, "{} were sent and {} delivered", sent.len(), got.len());
    let mut followed_sorted = followed;
    followed_sorted.sort();
    let first: Vec<Entry> = sent.into_iter().filter(|(name, _)| name == STREAMS[0]).collect();
    assert!(first == followed_sorted, "the reader missed entries or saw some twice");
    for stream in STREAMS {
        let pending = running.connect().run(&format!("XPENDING {stream} g"));
        assert_eq!(pending.elements()[0], Reply::Integer(0));
    }
}
