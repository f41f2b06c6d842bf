//! Latencies of one command on one reactor, counted in log-linear cells.
//!
//! Why it exists: INFO latencystats and LATENCY HISTOGRAM need percentiles of every call without
//! keeping the calls, and without a shared cache line. A cell spans 1/32 of a power of two, so a
//! percentile is at most 3.2 % too high. Not for values other than nanoseconds.

use engine::sync::Counter;

/// Cells per power of two; the error of a percentile is its inverse.
const CELLS_PER_DOUBLING: usize = 1 << CELL_BITS;
const CELL_BITS: u32 = 5;
/// Latencies from 2^37 ns (137 s) on count as that.
const BITS_MAX: u32 = 37;
const CELL_COUNT: usize = CELLS_PER_DOUBLING * (BITS_MAX - CELL_BITS + 1) as usize;

/// A histogram that one thread writes and any thread reads. 8,448 bytes.
#[derive(Debug)]
pub(super) struct Histogram(Box<[Counter]>);

impl Default for Histogram {
    fn default() -> Self {
        Self((0..CELL_COUNT).map(|_| Counter::default()).collect())
    }
}

impl Histogram {
    /// Counts one latency. Only the owning thread calls it.
    #[inline]
    pub(super) fn record(&self, nanoseconds: u64) {
        self.0[cell_of(nanoseconds)].add(1);
    }

    /// Adds this histogram's counts to `total`.
    pub(super) fn add_to(&self, total: &mut Latencies) {
        total.0.resize(CELL_COUNT, 0);
        for (sum, cell) in total.0.iter_mut().zip(&self.0) {
            *sum += cell.get();
        }
    }
}

fn cell_of(nanoseconds: u64) -> usize {
    let value = nanoseconds.min((1 << BITS_MAX) - 1);
    let bits = u64::BITS - value.leading_zeros();
    let doubling = bits.saturating_sub(CELL_BITS + 1);
    let within = usize::try_from(value >> doubling).expect("at most two doublings of cells");
    (doubling as usize) * CELLS_PER_DOUBLING + within
}

/// The greatest latency that counts in a cell.
fn top_of(cell: usize) -> u64 {
    let doubling = (cell / CELLS_PER_DOUBLING).saturating_sub(1);
    let within = (cell - doubling * CELLS_PER_DOUBLING) as u64;
    ((within + 1) << doubling) - 1
}

/// A reading of one or more histograms, summed. Empty until something was added.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Latencies(Vec<u64>);

impl Latencies {
    /// Number of latencies counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Takes an earlier reading of the same histograms away.
    pub(super) fn subtract(&mut self, earlier: &Self) {
        for (now, then) in self.0.iter_mut().zip(&earlier.0) {
            *now = now.saturating_sub(*then);
        }
    }

    /// The latency that `percentile` (0 to 100) percent of the calls did not exceed, in
    /// nanoseconds; 0 without calls.
    #[must_use]
    pub fn percentile(&self, percentile: f64) -> u64 {
        let count = self.count();
        let mut seen = 0;
        for (cell, calls) in self.0.iter().enumerate().filter(|(_, calls)| **calls > 0) {
            seen += calls;
            // Counts stay far below 2^53, where doubles are exact.
            if seen as f64 >= percentile / 100.0 * count as f64 {
                return top_of(cell);
            }
        }
        0
    }

    /// Redis's LATENCY HISTOGRAM: `(microseconds, calls up to there)` per doubling from about a
    /// microsecond on, without those that add nothing.
    #[must_use]
    pub fn doublings(&self) -> Vec<(u64, u64)> {
        let mut pairs: Vec<(u64, u64)> = Vec::new();
        let (mut seen, mut bound) = (0, 1_024_u64);
        for (cell, calls) in self.0.iter().enumerate() {
            while top_of(cell) >= bound {
                push_grown(&mut pairs, bound, seen);
                bound <<= 1;
            }
            seen += calls;
        }
        push_grown(&mut pairs, bound, seen);
        pairs
    }
}

/// Redis's histogram rounds each bound up by its precision of 1/128, hence 33, 66, 132...
fn push_grown(pairs: &mut Vec<(u64, u64)>, bound: u64, seen: u64) {
    if seen > pairs.last().map_or(0, |(_, calls)| *calls) {
        pairs.push(((bound + bound / 128 - 1) / 1_000, seen));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(values: &[u64]) -> Latencies {
        let histogram = Histogram::default();
        values.iter().for_each(|value| histogram.record(*value));
        let mut total = Latencies::default();
        histogram.add_to(&mut total);
        total
    }

    #[test]
    fn cells_follow_each_other_without_gaps() {
        let mut previous = None;
        for cell in 0..CELL_COUNT {
            let top = top_of(cell);
            assert_eq!(cell_of(top), cell);
            assert_eq!(previous.map_or(0, |value: u64| cell_of(value + 1)), cell);
            previous = Some(top);
        }
        assert_eq!(previous, Some((1 << BITS_MAX) - 1));
        assert_eq!(cell_of(u64::MAX), CELL_COUNT - 1);
    }

    #[test]
    fn percentiles_are_at_most_a_cell_too_high() {
        let values: Vec<u64> = (1..=1_000).map(|value| value * 1_000).collect();
        let reading = reading(&values);
        for (percentile, exact) in [(50.0, 500_000), (99.0, 990_000), (99.9, 999_000)] {
            let answer = reading.percentile(percentile);
            assert!(answer >= exact && answer <= exact + exact / 31, "{percentile}: {answer}");
        }
        assert_eq!(Latencies::default().percentile(50.0), 0);
    }

    #[test]
    fn doublings_are_those_of_redis() {
        let reading = reading(&[500, 900, 5_000, 30_000, 1_000_000]);
        assert_eq!(reading.doublings(), [(1, 2), (8, 3), (33, 4), (1_056, 5)]);
    }

    #[test]
    fn an_earlier_reading_can_be_taken_away() {
        let mut now = reading(&[10, 10, 20]);
        now.subtract(&reading(&[10]));
        assert_eq!(now, reading(&[10, 20]));
    }
}
