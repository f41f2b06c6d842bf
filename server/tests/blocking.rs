//! CLIENT UNBLOCK against changes that make another thread look for the client meanwhile.
//!
//! Why it exists: CLIENT UNBLOCK that answers 0 has told its caller that the client had its answer,
//! and nobody asks twice. It answered so, too, while another reactor looked for the client and
//! found nothing, which left the client waiting for good. Only a race shows it.

mod support;

use std::thread;
use std::time::{Duration, Instant};

use engine::sync::{AtomicBool, Ordering};
use support::{Client, Redis, Reply, Running, Server, Zumic, stress};

/// Without the fix, one round of some hundreds fails.
const ROUNDS: u64 = 2000;

fn words(line: &str) -> Vec<Vec<u8>> {
    line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

fn wait_until_blocked(client: &mut Client) {
    let until = Instant::now() + Duration::from_secs(20);
    while !client.run("INFO clients").text().contains("blocked_clients:1\r\n") {
        assert!(Instant::now() < until, "nobody blocks");
    }
}

/// Ends the other thread with the test, also when that fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Changes the key over and over, and leaves nothing in it for who pops from it.
fn change(running: &Running, ended: &AtomicBool) {
    let mut client = running.connect();
    let transaction = ["MULTI", "RPUSH k x", "LPOP k", "EXEC"].map(words);
    let round = vec![transaction; 20].concat();
    while !ended.load(Ordering::Relaxed) {
        client.pipeline(&round).expect("the server answers");
    }
}

fn who_is_blocked_is_unblocked(server: &dyn Server, in_exec: bool) {
    let running = Running::start(server);
    let ended = AtomicBool::new(false);
    let mut blocked = running.connect();
    let mut asks = running.connect();
    let unblock = format!("CLIENT UNBLOCK {}", blocked.run("CLIENT ID").integer());
    let one = Reply::Integer(1);
    thread::scope(|scope| {
        scope.spawn(|| change(&running, &ended));
        let _ends = Ends(&ended);
        for round in 0..ROUNDS * stress() {
            blocked.send(&words("BLPOP k other 0")).expect("the request is sent");
            wait_until_blocked(&mut asks);
            let reply = if in_exec {
                let transaction = [words("MULTI"), words(&unblock), words("EXEC")];
                asks.pipeline(&transaction).expect("the server answers")[2].elements()[0].clone()
            } else {
                asks.run(&unblock)
            };
            assert_eq!(reply, one, "round {round}: blocked, and not unblocked");
            assert!(blocked.read().expect("an answer").is_null(), "round {round}");
        }
    });
}

#[test]
fn who_is_blocked_is_unblocked_while_others_look_for_it() {
    who_is_blocked_is_unblocked(&Zumic { threads: 2 }, false);
}

#[test]
fn who_is_blocked_is_unblocked_by_a_transaction() {
    who_is_blocked_is_unblocked(&Zumic { threads: 3 }, true);
}

#[test]
fn the_oracle_agrees() {
    if support::process::oracle_available() {
        who_is_blocked_is_unblocked(&Redis, false);
        who_is_blocked_is_unblocked(&Redis, true);
    }
}
