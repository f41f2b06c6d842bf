//! kill -9 at random instants under load, with clients that remember what was acknowledged.
//!
//! Why it exists: the promise of a policy is about the worst instant, so the instants are random
//! and many: a few cycles in every run of the suite, `ZUMIC_CRASH_CYCLES` of them by
//! `scripts/crash`. Snapshots and compactions run meanwhile, so kills meet them, too.
//!
//! Each worker sends operations numbered from one, in order, one connection each; what its keys
//! hold is a function of the number of the last operation done, and that number is in a key of its
//! own that every operation writes. So after a restart the whole state can be checked against any
//! number of operations, and the number against what was acknowledged. A list that all workers push
//! to ties them together: it must have exactly the entries of each worker's prefix.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

use engine::sync::{AtomicBool, Ordering};

use support::disk::{Disk, info};
use support::{Client, Random, Reply, Running};

const WORKERS: u64 = 4;
/// Elements that the lists of a worker keep.
const KEPT: u64 = 50;
/// What `everysec` may lose: a second, and what a busy machine adds to it.
const LOSS_MAX: Duration = Duration::from_millis(2_500);

/// How a worker sends.
#[derive(Clone, Copy)]
struct Load {
    policy: &'static str,
    pipeline: u64,
}

/// Requests of one operation, and how many replies they have.
fn operation(worker: u64, number: u64) -> Vec<Vec<String>> {
    let line = |text: String| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let w = worker;
    let n = number;
    match n % 5 {
        0 => vec![
            line("MULTI".to_owned()),
            line(format!("SET {{{w}}}:last {n}")),
            line(format!("RPUSH {{{w}}}:list {n}")),
            line(format!("LTRIM {{{w}}}:list -{KEPT} -1")),
            line(format!("RPUSH shared {w}:{n}")),
            line(format!("HSET {{{w}}}:hash f{} {n}", n % 20)),
            line("EXEC".to_owned()),
        ],
        1 => vec![line(format!("SET {{{w}}}:last {n} EX 100000"))],
        2 => vec![
            line("MULTI".to_owned()),
            line(format!("INCRBY {{{w}}}:last 1")),
            line(format!("ZADD {{{w}}}:zset {n} m{}", n % 300)),
            line(format!("SREM {{{w}}}:set m{}", (n + 150) % 300)),
            line(format!("SADD {{{w}}}:set m{}", n % 300)),
            line("EXEC".to_owned()),
        ],
        3 => vec![line(format!("MSET {{{w}}}:last {n} {{{w}}}:copy {n}"))],
        _ => vec![
            line("MULTI".to_owned()),
            line(format!("SET {{{w}}}:last {n}")),
            line(format!("XADD {{{w}}}:stream MAXLEN {KEPT} {n}-1 n {n}")),
            line(format!("SPOP {{{w}}}:bag 1")),
            line(format!("SADD {{{w}}}:bag {n}")),
            line("EXEC".to_owned()),
        ],
    }
}

/// What a worker knows after its server is gone.
#[derive(Clone, Debug)]
struct Memory {
    /// The last operation that was acknowledged.
    acknowledged: u64,
    /// The last one sent.
    sent: u64,
    /// When operations were acknowledged, the last of each 10 milliseconds.
    times: Vec<(Instant, u64)>,
}

/// Sends operations from `first` on until the server is gone.
fn work(running: &Running, worker: u64, first: u64, load: Load) -> Memory {
    let mut memory = Memory { acknowledged: first - 1, sent: first - 1, times: Vec::new() };
    let Ok(mut client) = Client::connect(running.address) else { return memory };
    loop {
        let from = memory.acknowledged + 1;
        let mut replies = Vec::new();
        let mut bytes = Vec::new();
        for number in from..from + load.pipeline {
            let requests = operation(worker, number);
            replies.push(requests.len());
            for request in &requests {
                bytes.extend(support::client::encode(request));
            }
        }
        memory.sent = from + load.pipeline - 1;
        if client.send_raw(&bytes).is_err() {
            return memory;
        }
        for count in replies {
            for _ in 0..count {
                match client.read() {
                    Err(_) => return memory,
                    Ok(reply) => assert!(!reply.is_error(), "worker {worker}: {reply}"),
                }
            }
            memory.acknowledged += 1;
        }
        let now = Instant::now();
        let gap = Duration::from_millis(10);
        if memory.times.last().is_none_or(|(at, _)| now.duration_since(*at) > gap) {
            memory.times.push((now, memory.acknowledged));
        }
    }
}

/// Asks for snapshots and compactions now and then, until the server is gone.
fn disturb(running: &Running, seed: u64, ended: &AtomicBool) {
    let mut random = Random::new(seed);
    let Ok(mut client) = Client::connect(running.address) else { return };
    while !ended.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(random.below(300) as u64));
        let word = *random.pick(&["BGSAVE", "BGREWRITEAOF"]);
        if client.try_call(&[word]).is_err() {
            return;
        }
    }
}

/// The numbers up to `last` that `keep` wants.
fn numbers(last: u64, keep: impl Fn(u64) -> bool) -> Vec<u64> {
    (1..=last).filter(|number| keep(*number)).collect()
}

/// Checks every key of a worker against its first `last` operations.
fn check_worker(client: &mut Client, w: u64, last: u64, context: &str) {
    let mut texts = |words: &[&str]| -> Vec<String> {
        client.call(words).elements().iter().map(Reply::text).collect()
    };
    let all = numbers(last, |n| n % 5 == 0);
    let kept = &all[all.len().saturating_sub(usize::try_from(KEPT).expect("small"))..];
    let wanted: Vec<String> = kept.iter().map(u64::to_string).collect();
    assert_eq!(texts(&["LRANGE", &format!("{{{w}}}:list"), "0", "-1"]), wanted, "{context} list");
    let mut hash = BTreeMap::new();
    all.iter().for_each(|n| drop(hash.insert(format!("f{}", n % 20), n.to_string())));
    let found = texts(&["HGETALL", &format!("{{{w}}}:hash")]);
    let found: BTreeMap<String, String> =
        found.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
    assert_eq!(found, hash, "{context} hash");
    let mut zset = BTreeMap::new();
    let mut set = BTreeSet::new();
    for n in numbers(last, |n| n % 5 == 2) {
        zset.insert(format!("m{}", n % 300), n.to_string());
        set.remove(&format!("m{}", (n + 150) % 300));
        set.insert(format!("m{}", n % 300));
    }
    let found = texts(&["ZRANGE", &format!("{{{w}}}:zset"), "0", "-1", "WITHSCORES"]);
    let found: BTreeMap<String, String> =
        found.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
    assert_eq!(found, zset, "{context} sorted set");
    let found: BTreeSet<String> =
        texts(&["SMEMBERS", &format!("{{{w}}}:set")]).into_iter().collect();
    assert_eq!(found, set, "{context} set");
    let copy = client.call(&["GET", &format!("{{{w}}}:copy")]);
    let wanted = numbers(last, |n| n % 5 == 3).last().copied();
    let found = if copy.is_null() { None } else { copy.text().parse().ok() };
    assert_eq!(found, wanted, "{context} MSET");
    let entries = client.call(&["XRANGE", &format!("{{{w}}}:stream"), "-", "+"]);
    let entries: Vec<String> =
        entries.elements().iter().map(|entry| entry.elements()[0].text()).collect();
    let all = numbers(last, |n| n % 5 == 4);
    let kept = &all[all.len().saturating_sub(usize::try_from(KEPT).expect("small"))..];
    let wanted: Vec<String> = kept.iter().map(|n| format!("{n}-1")).collect();
    assert_eq!(entries, wanted, "{context} stream");
    // One is taken out and one put in each time, so one is left, and what SPOP took stays out.
    let bag = client.call(&["SCARD", &format!("{{{w}}}:bag")]).integer();
    assert_eq!(bag, i64::from(!all.is_empty()), "{context} bag");
}

/// Checks everything after a restart; returns the last operation of each worker.
fn check(
    client: &mut Client,
    memories: &[Memory],
    killed: Instant,
    load: Load,
    say: &str,
) -> Vec<u64> {
    let shared: Vec<String> =
        client.run("LRANGE shared 0 -1").elements().iter().map(Reply::text).collect();
    let mut lasts = Vec::new();
    for (w, memory) in (0..).zip(memories) {
        let last = client.call(&["GET", &format!("{{{w}}}:last")]);
        let last: u64 = if last.is_null() { 0 } else { last.text().parse().expect("a number") };
        let context = format!("{say}: worker {w} at {last}, acknowledged {}", memory.acknowledged);
        assert!(last <= memory.sent, "{context}: more than was sent ({})", memory.sent);
        let bound = match load.policy {
            "always" => memory.acknowledged,
            _ => {
                let old = memory.times.iter().rev();
                let mut old = old.filter(|(at, _)| killed.duration_since(*at) > LOSS_MAX);
                old.next().map_or(0, |(_, number)| *number)
            }
        };
        assert!(last >= bound, "{context}: lost what had to be on disk, up to {bound}");
        check_worker(client, w, last, &context);
        let mine: Vec<&String> =
            shared.iter().filter(|entry| entry.starts_with(&format!("{w}:"))).collect();
        let wanted: Vec<String> =
            numbers(last, |n| n % 5 == 0).iter().map(|n| format!("{w}:{n}")).collect();
        assert!(mine.iter().copied().eq(&wanted), "{context}: the shared list is no prefix");
        lasts.push(last);
    }
    lasts
}

fn cycles(load: Load, options: &[&str]) {
    let count = std::env::var("ZUMIC_CRASH_CYCLES")
        .map_or(3, |text| text.parse().expect("ZUMIC_CRASH_CYCLES is a whole number"));
    let seed = support::seed();
    let mut random = Random::new(seed);
    let disk = Disk::new();
    let mut options = options.to_vec();
    options.extend(["--appendfsync", load.policy, "--auto-aof-rewrite-min-size", "1mb"]);
    let mut lasts = vec![0; usize::try_from(WORKERS).expect("small")];
    for cycle in 0..count {
        let running = disk.start(&options);
        let ended = AtomicBool::new(false);
        let alive = Duration::from_millis(50 + random.below(1_500) as u64);
        let noise = random.next();
        let (memories, killed) = thread::scope(|scope| {
            let running = &running;
            let workers: Vec<_> = (0..)
                .zip(&lasts)
                .map(|(worker, last)| scope.spawn(move || work(running, worker, last + 1, load)))
                .collect();
            let ended = &ended;
            let noise = scope.spawn(move || disturb(running, noise, ended));
            thread::sleep(alive);
            let killed = Instant::now();
            running.signal("KILL");
            ended.store(true, Ordering::Relaxed);
            noise.join().expect("the disturber does not panic");
            let memories: Vec<Memory> =
                workers.into_iter().map(|worker| worker.join().expect("no panic")).collect();
            (memories, killed)
        });
        drop(running);
        let say = format!("SEED={seed} cycle {cycle}, {} pipeline {}", load.policy, load.pipeline);
        let running = disk.start(&options);
        let mut client = running.connect();
        lasts = check(&mut client, &memories, killed, load, &say);
        assert_eq!(info(&mut client, "aof_last_write_status"), "ok", "{say}");
    }
    let done: u64 = lasts.iter().sum();
    eprintln!("{}: {done} operations over {count} kills", load.policy);
    assert!(done > 0, "nothing was ever written");
}

#[test]
fn always_loses_nothing_that_was_acknowledged() {
    cycles(Load { policy: "always", pipeline: 1 }, &[]);
}

#[test]
fn always_loses_nothing_of_a_pipeline() {
    cycles(Load { policy: "always", pipeline: 16 }, &[]);
}

#[test]
fn everysec_loses_a_second_at_most_and_keeps_a_prefix() {
    cycles(Load { policy: "everysec", pipeline: 4 }, &[]);
}

#[test]
fn no_keeps_a_prefix() {
    cycles(Load { policy: "no", pipeline: 4 }, &["--save", "1", "1"]);
}
