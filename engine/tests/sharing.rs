//! How long it takes to share a large collection, and to let go of it.
//!
//! Why it exists: a snapshot shares each collection at one instant, while its command waits. With
//! five million elements that must stay far below a millisecond. Times are the best of a few
//! rounds, since the machine may be doing something else; they are printed
//! (`cargo nextest run --release -p zumic-engine --test sharing --no-capture`). Unoptimised
//! builds take fewer elements, and only check that sharing is not copying.

#![expect(clippy::print_stdout, reason = "figures are what these tests are also for")]

use std::time::{Duration, Instant};

use engine::structures::quicklist::{BlockLimit, Quicklist};
use engine::structures::ranked::Ranked;
use engine::structures::smart_hash::SmartHash;

const ELEMENTS: u64 = if cfg!(debug_assertions) { 100_000 } else { 5_000_000 };
const MOST: Duration = Duration::from_millis(if cfg!(debug_assertions) { 20 } else { 1 });
const ROUNDS: u64 = 5;

fn name(number: u64) -> [u8; 16] {
    let mut name = *b"element:00000000";
    let mut rest = number.wrapping_mul(0x9E37_79B1) % 100_000_007;
    for digit in name.iter_mut().rev().take(8) {
        *digit = b'0' + u8::try_from(rest % 10).expect("a digit");
        rest /= 10;
    }
    name
}

/// Best times of sharing, of the first edit of each of 100 places, and of letting go.
fn measure<T>(what: &str, whole: &mut T, share: impl Fn(&T) -> T, edit: impl Fn(&mut T, u64, u64)) {
    let (mut sharing, mut dropping) = (Duration::MAX, Duration::MAX);
    let mut editing = Duration::MAX;
    for round in 1..=ROUNDS {
        let start = Instant::now();
        let shared = share(whole);
        sharing = sharing.min(start.elapsed());
        let mut slowest = Duration::ZERO;
        for number in 0..100 {
            let start = Instant::now();
            edit(whole, number * 7_919 * round % ELEMENTS, round);
            slowest = slowest.max(start.elapsed());
        }
        editing = editing.min(slowest);
        let start = Instant::now();
        drop(shared);
        dropping = dropping.min(start.elapsed());
    }
    println!(
        "{what}: {ELEMENTS} elements, shared in {sharing:?}, first edits at most {editing:?}, \
         let go in {dropping:?}"
    );
    assert!(sharing < MOST, "{what}: sharing took {sharing:?}");
    assert!(editing < MOST, "{what}: an edit took {editing:?}");
}

#[test]
fn a_sorted_set_is_shared_at_once() {
    let mut ranked = Ranked::new(1);
    for number in 0..ELEMENTS {
        ranked.insert(&name(number), f64::from(u32::try_from(number % 1_000_003).unwrap()));
    }
    let edit = |ranked: &mut Ranked, number, round: u64| {
        let score = ranked.score(&name(number)).unwrap();
        ranked.insert(&name(number), score * 31.0 % 1_000_003.0 + 1.0 / round as f64);
    };
    measure("sorted set", &mut ranked, Ranked::share, edit);
    measure("sorted set, whole", &mut ranked, Ranked::clone, edit);
}

#[test]
fn a_hash_is_shared_at_once() {
    let mut table = SmartHash::new(1);
    for number in 0..ELEMENTS {
        table.insert(&name(number), b"value:0123456789");
    }
    measure("hash", &mut table, SmartHash::clone, |table, number, round| {
        table.insert(&name(number), format!("value:{round:010}").as_bytes());
    });
}

#[test]
fn a_list_is_shared_at_once() {
    let limit = BlockLimit::from_setting(-2);
    let mut list = Quicklist::new();
    for number in 0..ELEMENTS {
        list.push_back(&[name(number), name(number + 1), name(number + 2)].concat(), limit);
    }
    measure("list", &mut list, Quicklist::clone, |list, number, round| {
        let index = usize::try_from(number).expect("an index");
        list.replace(index, format!("round {round}").as_bytes(), limit);
        list.push_front(b"first", limit);
    });
}
