//! Client-side caching under load: no copy is stale for good.
//!
//! Why it exists: an invalidation that is lost once leaves a client with a wrong value for ever,
//! and only a race loses one: a write between the read of a key and the note that it was read.

mod support;

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

use support::{Client, Random, Reply, Running, Zumic, seed, stress};

const KEYS: u64 = 6;

/// A connection that keeps copies, as a client library does.
struct Caching {
    client: Client,
    copies: HashMap<String, Reply>,
    invalidated: usize,
}

impl Caching {
    fn new(running: &Running) -> Self {
        let mut client = running.connect();
        client.run("HELLO 3");
        assert_eq!(client.run("CLIENT TRACKING ON"), Reply::simple("OK"));
        Self { client, copies: HashMap::new(), invalidated: 0 }
    }

    /// Forgets what the server says; false for a reply that is no push.
    fn forget(&mut self, reply: &Reply) -> bool {
        let Reply::Push(parts) = reply else { return false };
        assert_eq!(parts[0], Reply::bulk("invalidate"));
        match &parts[1] {
            Reply::Null => self.copies.clear(),
            keys => keys.elements().iter().for_each(|key| {
                self.copies.remove(&key.text());
                self.invalidated += 1;
            }),
        }
        true
    }

    /// Sends a request; what is pushed before its reply takes effect before it.
    fn ask(&mut self, words: &[&str]) -> Reply {
        self.client.send(words).expect("the request is sent");
        loop {
            let reply = self.client.read().expect("an answer");
            if !self.forget(&reply) {
                return reply;
            }
        }
    }

    fn get(&mut self, key: &str) {
        if self.copies.contains_key(key) {
            self.ask(&["PING"]);
        } else {
            let reply = self.ask(&["GET", key]);
            self.copies.insert(key.to_owned(), reply);
        }
    }

    /// Whether every copy is what the server has, once the news has arrived.
    fn settle(&mut self, truth: &HashMap<String, Reply>) {
        let deadline = Instant::now() + Duration::from_secs(10);
        self.client.limit_read(Duration::from_millis(20));
        while self.copies.iter().any(|(key, copy)| truth[key] != *copy) {
            assert!(Instant::now() < deadline, "stale for good: {:?}, not {truth:?}", self.copies);
            if let Ok(reply) = self.client.read() {
                assert!(self.forget(&reply), "{reply:?} was not asked for");
            }
        }
    }
}

fn write(mut client: Client, mut random: Random, stop: &Receiver<()>) {
    while stop.try_recv() == Err(TryRecvError::Empty) {
        let (key, other) = (random.next() % KEYS, random.next() % KEYS);
        let requests: Vec<Vec<String>> = match random.next() % 8 {
            0 => vec![format!("DEL {key}")],
            1 => vec![format!("MSET {key} {} {other} {}", random.next(), random.next())],
            2 => vec![format!("SET {key} {} PX 1", random.next())],
            3 => vec!["MULTI".into(), format!("INCR {key}"), format!("DEL {other}"), "EXEC".into()],
            _ => vec![format!("SET {key} {}", random.next() % 1_000)],
        }
        .into_iter()
        .map(|line: String| line.split(' ').map(str::to_owned).collect())
        .collect();
        client.pipeline(&requests).expect("all are answered");
    }
}

#[test]
fn no_copy_is_stale_for_good() {
    let seed = seed();
    eprintln!("ZUMIC_SEED={seed}");
    let running = Running::start(&Zumic { threads: 4 });
    let rounds = 4_000 * stress();
    let mut random = Random::new(seed);
    let mut writers = Vec::new();
    for _ in 0..3 {
        let (client, random) = (running.connect(), Random::new(random.next()));
        let (stop, stopped) = channel();
        writers.push((stop, thread::spawn(move || write(client, random, &stopped))));
    }
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (mut caching, mut random) = (Caching::new(&running), Random::new(random.next()));
            thread::spawn(move || {
                for _ in 0..rounds {
                    caching.get(&(random.next() % KEYS).to_string());
                }
                caching
            })
        })
        .collect();
    let readers: Vec<Caching> =
        readers.into_iter().map(|reader| reader.join().expect("a reader ends")).collect();
    for (stop, writer) in writers {
        stop.send(()).expect("the writer runs");
        writer.join().expect("a writer ends");
    }
    // Keys with a deadline are gone by then.
    thread::sleep(Duration::from_millis(50));
    let mut client = running.connect();
    client.run("HELLO 3");
    let truth: HashMap<String, Reply> =
        (0..KEYS).map(|key| (key.to_string(), client.call(&["GET", &key.to_string()]))).collect();
    for mut reader in readers {
        reader.settle(&truth);
        assert!(reader.invalidated > 100, "only {} invalidations", reader.invalidated);
    }
}

/// One read against one write, over and over: with many of each, a later write repairs what an
/// earlier race broke. (Fails within a few runs if `tracking::before` is called after the command.)
#[test]
fn a_read_that_meets_a_write_is_told_of_it() {
    let rounds = usize::try_from(10_000 * stress()).expect("a small factor");
    let running = Running::start(&Zumic { threads: 2 });
    let mut caching = Caching::new(&running);
    let mut writers: Vec<Client> = (0..4).map(|_| running.connect()).collect();
    let (start, started) = channel::<usize>();
    let (finish, finished) = channel();
    let writer = thread::spawn(move || {
        for round in started {
            // Connections on either reactor, so that some meet the reader on the other one.
            let writer = &mut writers[round % 4];
            assert_eq!(writer.call(&["SET", "k", &round.to_string()]), Reply::simple("OK"));
            finish.send(()).expect("the reader waits");
        }
    });
    for round in 0..rounds {
        start.send(round).expect("the writer waits");
        // Now and then a little later, to move the read across the write.
        (0..round % 64 * 50).for_each(|_| std::hint::spin_loop());
        caching.get("k");
        finished.recv().expect("the writer is done");
        let truth = Reply::bulk(round.to_string());
        while caching.copies.get("k").is_some_and(|copy| *copy != truth) {
            let news = caching.client.read();
            let news = news.unwrap_or_else(|error| panic!("stale in round {round}: {error}"));
            assert!(caching.forget(&news), "{news:?} was not asked for");
        }
        caching.copies.clear();
    }
    drop(start);
    writer.join().expect("the writer ends");
}

/// Nothing is remembered for nobody.
#[test]
fn the_table_goes_with_the_last_client() {
    let running = Running::start(&Zumic { threads: 2 });
    let mut caching = Caching::new(&running);
    for key in 0..1_000 {
        caching.get(&key.to_string());
    }
    let mut client = running.connect();
    assert!(client.run("INFO stats").text().contains("tracking_total_keys:1000"));
    drop(caching);
    let deadline = Instant::now() + Duration::from_secs(10);
    while !client.run("INFO stats").text().contains("tracking_total_keys:0\r\n") {
        assert!(Instant::now() < deadline, "{}", client.run("INFO stats").text());
    }
    assert!(client.run("INFO clients").text().contains("tracking_clients:0"));
}
