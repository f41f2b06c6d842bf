//! Samples summed up by buckets of time.
//!
//! Why it exists: what a chart asks for is an average a minute, not every sample. A bucket is
//! made while the walk over the samples goes by, in either direction, so a range costs no memory
//! beyond its answer. Buckets without samples are not reported.

use super::Sample;

/// What a bucket says of its samples.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Aggregator {
    /// Their mean.
    Avg,
    /// How many there are.
    Count,
    /// The earliest.
    First,
    /// The latest.
    Last,
    /// The greatest.
    Max,
    /// The smallest.
    Min,
    /// The greatest minus the smallest.
    Range,
    /// Their sum.
    Sum,
}

impl Aggregator {
    /// The aggregator that clients call `name`, in any case.
    ///
    /// # Examples
    /// ```
    /// use engine::structures::series::Aggregator;
    /// assert_eq!(Aggregator::named(b"Avg"), Some(Aggregator::Avg));
    /// assert_eq!(Aggregator::named(b"median"), None);
    /// ```
    #[must_use]
    pub fn named(name: &[u8]) -> Option<Self> {
        let names: [(&[u8], Self); 8] = [
            (b"avg", Self::Avg),
            (b"count", Self::Count),
            (b"first", Self::First),
            (b"last", Self::Last),
            (b"max", Self::Max),
            (b"min", Self::Min),
            (b"range", Self::Range),
            (b"sum", Self::Sum),
        ];
        let named = names.iter().find(|(text, _)| text.eq_ignore_ascii_case(name));
        named.map(|(_, aggregator)| *aggregator)
    }
}

/// The time that a bucket is reported at.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum BucketTime {
    /// Where the next bucket starts.
    End,
    /// Half way, rounded down.
    Middle,
    /// Where it starts.
    #[default]
    Start,
}

/// How samples are put into buckets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bucketing {
    /// What is reported of each.
    pub aggregator: Aggregator,
    /// A time at which a bucket starts.
    pub align: i64,
    /// Milliseconds of each; above zero.
    pub width: i64,
    /// The time it is reported at.
    pub time: BucketTime,
}

impl Bucketing {
    fn start_of(&self, time: i64) -> i64 {
        time - (time - self.align).rem_euclid(self.width)
    }

    /// Sums up `samples`, which ascend or descend.
    ///
    /// Cost: one pass, no allocation.
    ///
    /// # Examples
    /// ```
    /// use engine::structures::series::{Aggregator, Bucketing, BucketTime, Sample};
    ///
    /// let samples = [(1_000, 1.0), (1_010, 3.0), (1_020, 5.0)];
    /// let samples = samples.into_iter().map(|(time, value)| Sample { time, value });
    /// let (aggregator, time) = (Aggregator::Avg, BucketTime::Start);
    /// let buckets = Bucketing { aggregator, align: 0, width: 20, time };
    /// let got: Vec<(i64, f64)> =
    ///     buckets.over(samples).map(|sample| (sample.time, sample.value)).collect();
    /// assert_eq!(got, [(1_000, 2.0), (1_020, 5.0)]);
    /// ```
    pub fn over<I: Iterator<Item = Sample>>(self, samples: I) -> Buckets<I> {
        Buckets { samples, bucketing: self, open: None }
    }
}

/// What is known of the samples of a bucket.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    start: i64,
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
    first: Sample,
    last: Sample,
}

impl Bucket {
    fn new(start: i64, sample: Sample) -> Self {
        let value = sample.value;
        Self { start, count: 1, sum: value, min: value, max: value, first: sample, last: sample }
    }

    fn add(&mut self, sample: Sample) {
        self.count += 1;
        self.sum += sample.value;
        self.min = self.min.min(sample.value);
        self.max = self.max.max(sample.value);
        if sample.time < self.first.time {
            self.first = sample;
        }
        if sample.time > self.last.time {
            self.last = sample;
        }
    }

    fn report(&self, bucketing: &Bucketing) -> Sample {
        #[expect(clippy::cast_precision_loss, reason = "a double is what clients get")]
        let count = self.count as f64;
        let value = match bucketing.aggregator {
            Aggregator::Avg => self.sum / count,
            Aggregator::Count => count,
            Aggregator::First => self.first.value,
            Aggregator::Last => self.last.value,
            Aggregator::Max => self.max,
            Aggregator::Min => self.min,
            Aggregator::Range => self.max - self.min,
            Aggregator::Sum => self.sum,
        };
        let shift = match bucketing.time {
            BucketTime::End => bucketing.width,
            BucketTime::Middle => bucketing.width / 2,
            BucketTime::Start => 0,
        };
        // No time is before 1970: the first bucket is reported there if it begins earlier.
        Sample { time: self.start.saturating_add(shift).max(0), value }
    }
}

/// Buckets in the order of the samples they are made of.
#[derive(Clone, Debug)]
pub struct Buckets<I> {
    samples: I,
    bucketing: Bucketing,
    open: Option<Bucket>,
}

impl<I: Iterator<Item = Sample>> Iterator for Buckets<I> {
    type Item = Sample;

    fn next(&mut self) -> Option<Sample> {
        for sample in self.samples.by_ref() {
            let start = self.bucketing.start_of(sample.time);
            match &mut self.open {
                Some(bucket) if bucket.start == start => bucket.add(sample),
                open => {
                    if let Some(full) = open.replace(Bucket::new(start, sample)) {
                        return Some(full.report(&self.bucketing));
                    }
                }
            }
        }
        self.open.take().map(|bucket| bucket.report(&self.bucketing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOCK: [(i64, f64); 9] = [
        (1_000, 100.0),
        (1_010, 110.0),
        (1_020, 120.0),
        (2_000, 200.0),
        (2_010, 210.0),
        (2_020, 220.0),
        (3_000, 300.0),
        (3_010, 310.0),
        (3_020, 320.0),
    ];

    fn run(aggregator: Aggregator, align: i64, width: i64, time: BucketTime) -> Vec<(i64, f64)> {
        let samples = STOCK.map(|(time, value)| Sample { time, value });
        let bucketing = Bucketing { aggregator, align, width, time };
        let pair = |sample: Sample| (sample.time, sample.value);
        let forward: Vec<_> = bucketing.over(samples.into_iter()).map(pair).collect();
        let mut backward: Vec<_> = bucketing.over(samples.into_iter().rev()).map(pair).collect();
        backward.reverse();
        assert_eq!(forward, backward, "{aggregator:?}");
        forward
    }

    #[test]
    fn buckets_begin_where_documented() {
        let got = run(Aggregator::Min, 0, 20, BucketTime::Start);
        let want = [
            (1_000, 100.0),
            (1_020, 120.0),
            (2_000, 200.0),
            (2_020, 220.0),
            (3_000, 300.0),
            (3_020, 320.0),
        ];
        assert_eq!(got, want);
        let got = run(Aggregator::Min, 10, 20, BucketTime::Start);
        let want = [
            (990, 100.0),
            (1_010, 110.0),
            (1_990, 200.0),
            (2_010, 210.0),
            (2_990, 300.0),
            (3_010, 310.0),
        ];
        assert_eq!(got, want);
    }

    #[test]
    fn every_aggregator_answers_its_definition() {
        for (aggregator, want) in [
            (Aggregator::Avg, 110.0),
            (Aggregator::Count, 3.0),
            (Aggregator::First, 100.0),
            (Aggregator::Last, 120.0),
            (Aggregator::Max, 120.0),
            (Aggregator::Min, 100.0),
            (Aggregator::Range, 20.0),
            (Aggregator::Sum, 330.0),
        ] {
            let got = run(aggregator, 0, 1_000, BucketTime::Start);
            assert_eq!(got[0], (1_000, want), "{aggregator:?}");
            assert_eq!(got.len(), 3);
        }
    }

    #[test]
    fn a_bucket_is_reported_where_asked_and_not_before_1970() {
        let first = |time| run(Aggregator::Sum, 0, 1_001, time)[0].0;
        assert_eq!(first(BucketTime::Start), 0);
        assert_eq!(first(BucketTime::Middle), 500);
        assert_eq!(first(BucketTime::End), 1_001);
        assert_eq!(run(Aggregator::Sum, 3_021, 3_000, BucketTime::Start)[0].0, 21);
        assert_eq!(run(Aggregator::Sum, 900, 5_000, BucketTime::Start)[0].0, 900);
        assert_eq!(run(Aggregator::Sum, 3_500, 9_000, BucketTime::Start), [(0, 1_890.0)]);
    }
}
