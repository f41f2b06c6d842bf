//! How long does one operation take while the map grows to twenty million keys?
//!
//! One thread inserts one key after the other and times each by itself (for Zumic that includes
//! entering and leaving a turn); after every 64th it times one read. Wanted: p99.99 below 50 us.
//! A map that moves everything at once, or a share of it with every insert, shows in the tail.
//!
//! Prints a Markdown table. Times include the clock (some 25 ns).

use std::hint::black_box;
use std::time::Instant;

use hdrhistogram::Histogram;
use zumic_benches::contestants::{Dash, Locked, Papaya, Store, Worker, Zumic};
use zumic_benches::keys::{Random, key};
use zumic_benches::{BATCH, emit, is_smoke, pin};

const FULL: u64 = 20_000_000;
const SMOKE: u64 = 20_000;

fn grow<S: Store>(keys: u64) {
    let mut inserts =
        Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3).expect("up to a minute");
    let mut reads = inserts.clone();
    let store = S::new();
    let mut worker = store.worker();
    let mut random = Random(1);
    let begun = Instant::now();
    for number in 0..keys {
        let key = [key(number)];
        let start = Instant::now();
        worker.set(&key);
        record(&mut inserts, start);
        if number % BATCH as u64 == 0 {
            let key = [zumic_benches::keys::key(random.below(number + 1))];
            let start = Instant::now();
            assert!(black_box(worker.get(&key)) > 0, "an inserted key is found");
            record(&mut reads, start);
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    for (what, times) in [("insert", &inserts), ("read", &reads)] {
        let us = |quantile: f64| {
            #[expect(clippy::cast_precision_loss, reason = "a time in a table")]
            let nanoseconds = times.value_at_quantile(quantile) as f64;
            nanoseconds / 1000.0
        };
        emit(&format!(
            "| {} | {what} | {:.2} | {:.2} | {:.1} | {:.1} | {:.1} | {seconds:.1} |",
            S::NAME,
            us(0.5),
            us(0.99),
            us(0.999),
            us(0.9999),
            us(1.0),
        ));
    }
}

fn record(times: &mut Histogram<u64>, start: Instant) {
    let nanoseconds = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
    times.saturating_record(nanoseconds);
}

fn main() {
    pin(0);
    let keys = if is_smoke() { SMOKE } else { FULL };
    emit(&format!("growing to {keys} keys of 16 bytes with values of 64; microseconds\n"));
    emit("| map | operation | p50 | p99 | p99.9 | p99.99 | max | seconds in all |");
    emit("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    grow::<Zumic>(keys);
    grow::<Papaya>(keys);
    grow::<Dash>(keys);
    grow::<Locked>(keys);
}
