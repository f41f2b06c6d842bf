//! Which key comes next: uniform, Zipf or one after the other.
//!
//! Every worker owns a [`KeySource`] seeded from the run's seed and its own index, so a run can be
//! repeated and threads share nothing.

use std::ops::Range;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution as _, Zipf};

use super::options::Distribution;

/// An endless sequence of keys and of choices.
#[derive(Debug)]
pub(super) struct KeySource {
    random: SmallRng,
    order: Order,
}

#[derive(Debug)]
enum Order {
    Sequential { next: u64, range: Range<u64> },
    Uniform { keyspace: u64 },
    Zipf(Zipf<f64>),
}

impl KeySource {
    /// A source for worker `worker` of `workers` over the keys `0..keyspace`.
    pub(super) fn new(
        distribution: Distribution,
        keyspace: u64,
        (worker, workers): (u32, u32),
        seed: u64,
    ) -> Self {
        let order = match distribution {
            Distribution::Sequential => {
                let range = share(keyspace, worker, workers);
                // Fewer keys than workers leave this one without a share: it walks all of them.
                let range = if range.is_empty() { 0..keyspace } else { range };
                Order::Sequential { next: range.start, range }
            }
            Distribution::Uniform => Order::Uniform { keyspace },
            #[expect(clippy::cast_precision_loss, reason = "a keyspace stays far below 2^53")]
            Distribution::Zipf { theta } => Order::Zipf(
                Zipf::new(keyspace as f64, theta)
                    .expect("keyspace >= 1 and theta > 0 were checked"),
            ),
        };
        // Neighbouring seeds give unrelated streams: `seed_from_u64` mixes them.
        let random = SmallRng::seed_from_u64(seed.wrapping_add(u64::from(worker) << 32));
        Self { random, order }
    }

    /// The next key, below the keyspace.
    pub(super) fn next_key(&mut self) -> u64 {
        match &mut self.order {
            Order::Sequential { next, range } => {
                let key = *next;
                *next = if key + 1 == range.end { range.start } else { key + 1 };
                key
            }
            Order::Uniform { keyspace } => self.random.random_range(0..*keyspace),
            #[expect(clippy::cast_possible_truncation, reason = "samples are whole, 1..=keyspace")]
            #[expect(clippy::cast_sign_loss, reason = "samples are whole, 1..=keyspace")]
            Order::Zipf(zipf) => zipf.sample(&mut self.random) as u64 - 1,
        }
    }

    /// A number below `limit`.
    pub(super) fn draw(&mut self, limit: u32) -> u32 {
        self.random.random_range(0..limit)
    }
}

/// The part of `0..total` that worker `worker` of `workers` owns; parts differ by at most one.
pub(super) fn share(total: u64, worker: u32, workers: u32) -> Range<u64> {
    let (worker, workers) = (u64::from(worker), u64::from(workers));
    let (each, rest) = (total / workers, total % workers);
    let start = worker * each + worker.min(rest);
    start..start + each + u64::from(worker < rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_cover_everything_once() {
        for total in [0, 1, 2, 7, 100] {
            for workers in 1..9 {
                let mut next = 0;
                for worker in 0..workers {
                    let part = share(total, worker, workers);
                    assert_eq!(part.start, next, "total={total} workers={workers}");
                    next = part.end;
                }
                assert_eq!(next, total);
            }
        }
    }

    #[test]
    fn sequential_walks_and_starts_again() {
        let mut keys = KeySource::new(Distribution::Sequential, 5, (1, 2), 1);
        let walked: Vec<u64> = (0..5).map(|_| keys.next_key()).collect();
        assert_eq!(walked, [3, 4, 3, 4, 3]);
    }

    #[test]
    fn the_seed_decides() {
        let draw = |worker, seed| {
            let mut keys = KeySource::new(Distribution::Uniform, 1 << 40, (worker, 4), seed);
            [keys.next_key(), keys.next_key()]
        };
        assert_eq!(draw(0, 1), draw(0, 1));
        assert_ne!(draw(0, 1), draw(1, 1));
        assert_ne!(draw(0, 1), draw(0, 2));
    }

    #[test]
    fn zipf_is_skewed_and_in_range() {
        const DRAWS: u32 = 100_000;
        let mut keys = KeySource::new(Distribution::Zipf { theta: 0.99 }, 1000, (0, 1), 1);
        let mut counts = vec![0_u32; 1000];
        for _ in 0..DRAWS {
            counts[usize::try_from(keys.next_key()).unwrap()] += 1;
        }
        // The harmonic sum of 1000 terms with theta 0.99 is 7.73, so the first key has 12.9 %.
        assert!((12_000..14_000).contains(&counts[0]), "{}", counts[0]);
        assert!(counts[0] > counts[9] && counts[9] > counts[99]);
    }

    #[test]
    fn uniform_reaches_both_ends() {
        let mut keys = KeySource::new(Distribution::Uniform, 3, (0, 1), 1);
        let drawn: std::collections::BTreeSet<u64> = (0..100).map(|_| keys.next_key()).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
    }
}
