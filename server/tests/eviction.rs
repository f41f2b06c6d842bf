//! maxmemory: every policy holds the limit, chooses among the right keys, and noeviction says
//! OOM and keeps serving reads.
//!
//! Why it exists: a limit that does not hold ends in the kernel killing the store. Not a judge
//! of hit ratios; `benches` compares those.

mod support;

use support::{Client, Reply, Running, Zumic};

const LIMIT: u64 = 12 << 20;
const VALUE: usize = 1000;

fn used_memory(client: &mut Client) -> u64 {
    let info = client.run("INFO memory").text();
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
    line.and_then(|number| number.trim().parse().ok()).expect("INFO has used_memory")
}

fn evicted(client: &mut Client) -> u64 {
    let info = client.run("INFO stats").text();
    let line = info.lines().find_map(|line| line.strip_prefix("evicted_keys:"));
    line.and_then(|number| number.trim().parse().ok()).expect("INFO has evicted_keys")
}

fn start(policy: &str, threads: usize) -> Running {
    let limit = LIMIT.to_string();
    let options = ["--maxmemory", &limit, "--maxmemory-policy", policy];
    Running::start_with(&Zumic { threads }, &options)
}

/// Sets keys in pipelines; `ttl` gives each a time to live. Returns the errors.
fn fill(client: &mut Client, prefix: &str, range: std::ops::Range<usize>, ttl: bool) -> Vec<Reply> {
    let value = "v".repeat(VALUE);
    let mut errors = Vec::new();
    let indexes: Vec<usize> = range.collect();
    for batch in indexes.chunks(100) {
        let request = |index: &usize| {
            let mut words = vec!["SET".to_owned(), format!("{prefix}{index}"), value.clone()];
            if ttl {
                words.extend(["EX".to_owned(), (1000 + index).to_string()]);
            }
            words
        };
        let requests: Vec<_> = batch.iter().map(request).collect();
        let replies = client.pipeline(&requests).expect("the server answers");
        errors.extend(replies.into_iter().filter(Reply::is_error));
    }
    errors
}

fn count(client: &mut Client, prefix: &str) -> usize {
    client.run(&format!("KEYS {prefix}*")).elements().len()
}

/// Four times as much as fits, and some for the books of the allocator and the reactors.
fn holds_the_limit(policy: &str, ttl: bool) {
    for threads in [1, 2] {
        let running = start(policy, threads);
        let mut client = running.connect();
        let errors = fill(&mut client, "key:", 0..40_000, ttl);
        assert_eq!(errors, [], "{policy}");
        let used = used_memory(&mut client);
        assert!(used <= LIMIT + LIMIT / 10, "{policy}, {threads} threads: {used} bytes used");
        let kept = count(&mut client, "key:");
        assert!(kept > 4000, "{policy}, {threads} threads: only {kept} keys were kept");
        let evicted = evicted(&mut client);
        // Listing the keys may itself have evicted some, which the list then still shows.
        let gone = 40_000 - u64::try_from(kept).expect("few");
        assert!((gone..gone + 200).contains(&evicted), "{policy}: {evicted} counted, {gone} gone");
    }
}

#[test]
fn allkeys_lru_holds_the_limit() {
    holds_the_limit("allkeys-lru", false);
}

#[test]
fn allkeys_lfu_holds_the_limit() {
    holds_the_limit("allkeys-lfu", false);
}

#[test]
fn allkeys_random_holds_the_limit() {
    holds_the_limit("allkeys-random", false);
}

#[test]
fn allkeys_s3fifo_holds_the_limit() {
    holds_the_limit("allkeys-s3fifo", false);
}

#[test]
fn volatile_policies_hold_the_limit() {
    for policy in ["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"] {
        holds_the_limit(policy, true);
    }
}

#[test]
fn volatile_policies_spare_keys_without_ttl() {
    for policy in ["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"] {
        let running = start(policy, 2);
        let mut client = running.connect();
        assert_eq!(fill(&mut client, "stays:", 0..3000, false), []);
        assert_eq!(fill(&mut client, "goes:", 0..20_000, true), []);
        assert_eq!(count(&mut client, "stays:"), 3000, "{policy}");
        let errors = fill(&mut client, "more:", 0..20_000, false);
        assert!(!errors.is_empty(), "{policy}: with nothing left to evict it must refuse");
        assert!(errors[0].text().starts_with("OOM command not allowed"), "{}", errors[0]);
        assert_eq!(count(&mut client, "goes:"), 0, "{policy}: keys with TTL went first");
    }
}

#[test]
fn volatile_ttl_takes_the_nearest_deadlines() {
    let running = start("volatile-ttl", 1);
    let mut client = running.connect();
    assert_eq!(fill(&mut client, "key:", 0..20_000, true), []);
    // Later keys live longer, so of the early half almost nothing may be left.
    let kept = |client: &mut Client, digit: &str| count(client, &format!("key:{digit}????"));
    let early = count(&mut client, "key:") - kept(&mut client, "1");
    let late = kept(&mut client, "1");
    assert!(late > early * 2, "{late} late keys and {early} early keys were kept");
}

#[test]
fn a_hot_key_survives() {
    // Not LRU: its clock counts seconds, and all this happens within one.
    for policy in ["allkeys-lfu", "allkeys-s3fifo"] {
        let running = start(policy, 2);
        let mut client = running.connect();
        let hot: Vec<Vec<String>> =
            (0..50).map(|index| vec!["GET".to_owned(), format!("hot:{index}")]).collect();
        assert_eq!(fill(&mut client, "hot:", 0..50, false), []);
        for step in 0..200 {
            client.pipeline(&hot).expect("the server answers");
            fill(&mut client, "cold:", step * 200..(step + 1) * 200, false);
        }
        let kept = count(&mut client, "hot:");
        assert!(kept >= 35, "{policy}: of 50 hot keys {kept} were kept");
    }
}

#[test]
fn noeviction_refuses_writes_and_serves_reads() {
    let running = start("noeviction", 2);
    let mut client = running.connect();
    let mut early = running.connect();
    early.run("MULTI");
    assert_eq!(early.run("SET a b").text(), "QUEUED");
    let errors = fill(&mut client, "key:", 0..20_000, false);
    assert!(!errors.is_empty(), "the limit was not reached");
    for error in &errors {
        assert_eq!(error.text(), "OOM command not allowed when used memory > 'maxmemory'.");
    }
    assert_eq!(client.run("GET key:0").text().len(), VALUE);
    assert_eq!(evicted(&mut client), 0);
    let used = used_memory(&mut client);
    assert!(used <= LIMIT + LIMIT / 10, "{used} bytes used");
    assert!(client.run("APPEND key:0 x").is_error());
    client.run("MULTI");
    assert!(client.run("SET a b").text().starts_with("OOM"));
    assert!(client.run("EXEC").text().starts_with("EXECABORT"));
    let wanted = "EXECABORT Transaction discarded because of: OOM command not allowed when used \
        memory > 'maxmemory'.";
    assert_eq!(early.run("EXEC").text(), wanted, "it was queued while there was memory");
    for index in 0..200 {
        assert_eq!(client.run(&format!("DEL key:{index}")), Reply::Integer(1));
    }
    assert_eq!(client.run("SET key:new v"), Reply::simple("OK"));
}

#[test]
fn the_limit_can_be_lowered_while_running() {
    let running = Running::start(&Zumic { threads: 2 });
    let mut client = running.connect();
    assert_eq!(fill(&mut client, "key:", 0..30_000, false), []);
    assert!(used_memory(&mut client) > LIMIT * 2);
    let lower = client.run(&format!("CONFIG SET maxmemory {LIMIT} maxmemory-policy allkeys-lru"));
    assert_eq!(lower, Reply::simple("OK"));
    assert_eq!(fill(&mut client, "new:", 0..5000, false), []);
    let used = used_memory(&mut client);
    assert!(used <= LIMIT + LIMIT / 10, "{used} bytes used");
}

/// The kernel's count and not ours: what was evicted is really given back or used again.
#[test]
fn resident_memory_stays_bounded() {
    let running = start("allkeys-lru", 2);
    let mut client = running.connect();
    assert_eq!(fill(&mut client, "first:", 0..20_000, false), []);
    let before = running.resident_bytes();
    for round in 0..5 {
        let prefix = format!("round{round}:");
        assert_eq!(fill(&mut client, &prefix, 0..20_000, false), []);
    }
    let after = running.resident_bytes();
    let bound = before + LIMIT;
    assert!(after < bound, "resident {before} bytes before, {after} after 100 MB went through");
}
