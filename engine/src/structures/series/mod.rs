//! A time series: samples by time, in compressed chunks.
//!
//! Why it exists: measurements arrive mostly in order, are read by ranges and thrown away by
//! age. In a sorted set each takes some thirty bytes; here one to ten. Not for many writes far
//! from the end: each decodes and encodes its chunk (tens of microseconds).
//!
//! ```text
//! chunks   [ 0 .. 900 | 901 .. 1700 | 1702 .. ]      ascending; samples are appended to the last
//!             4 KiB        4 KiB        growing
//! ```
//!
//! Invariants
//! - T1: chunks are not empty, and each ends before the next begins.
//! - T2: no chunk has more bytes than the limit, one sample's excepted.
//! - T3: `samples` and `heap` are the sums over the chunks.

mod aggregate;
mod bits;
mod chunk;
mod model;
mod range;

pub use aggregate::{Aggregator, BucketTime, Bucketing, Buckets};
use chunk::{Chunk, SAMPLE_BYTES_MAX};
pub use model::properties;
pub use range::{Backward, Forward};

use super::spine::{Iter, Spine, Spot};

/// A value at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Milliseconds, usually since 1970.
    pub time: i64,
    /// What was measured.
    pub value: f64,
}

/// What a sample does to another one of the same time.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum DuplicatePolicy {
    /// It is refused.
    #[default]
    Block,
    /// It is ignored.
    First,
    /// It takes its place.
    Last,
    /// The greater value stays.
    Max,
    /// The smaller value stays.
    Min,
    /// The values are added.
    Sum,
}

impl DuplicatePolicy {
    /// The value that stays; `None` when the new one is refused.
    fn decide(self, old: f64, new: f64) -> Option<f64> {
        match self {
            Self::Block => None,
            Self::First => Some(old),
            Self::Last => Some(new),
            Self::Max => Some(old.max(new)),
            Self::Min => Some(old.min(new)),
            Self::Sum => Some(old + new),
        }
    }
}

/// There is a sample of this time, and the policy is to keep it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Blocked;

/// What a chunk holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ChunkInfo {
    /// The time of its earliest sample.
    pub first_time: i64,
    /// The time of its latest sample.
    pub last_time: i64,
    /// How many there are.
    pub samples: usize,
    /// How many bytes they take.
    pub bytes: usize,
}

/// A chunk as it is written down.
#[derive(Clone, Copy, Debug)]
pub struct RawChunk<'a> {
    /// The time of its first sample.
    pub first_time: i64,
    /// How many samples there are.
    pub samples: usize,
    /// Their codes.
    pub codes: &'a [u8],
}

/// Samples by time. A clone shares all chunks until they are edited.
///
/// # Examples
/// ```
/// use engine::structures::series::{DuplicatePolicy, Series};
///
/// let mut series = Series::new(4096);
/// for (time, value) in [(1_000, 20.5), (2_000, 20.5), (1_500, 21.0)] {
///     assert!(series.add(time, value, DuplicatePolicy::Block).is_ok());
/// }
/// assert!(series.add(1_500, 22.0, DuplicatePolicy::Block).is_err());
/// assert!(series.add(1_500, 22.0, DuplicatePolicy::Last).is_ok());
/// let values: Vec<f64> = series.range(1_000, 1_999).map(|sample| sample.value).collect();
/// assert_eq!(values, [20.5, 22.0]);
/// ```
#[derive(Clone, Debug)]
pub struct Series {
    chunks: Spine<Chunk>,
    chunk_bytes_max: usize,
    samples: usize,
    heap: usize,
}

impl Series {
    /// The empty series, whose chunks have at most so many bytes.
    #[must_use]
    pub fn new(chunk_bytes_max: usize) -> Self {
        Self { chunks: Spine::default(), chunk_bytes_max, samples: 0, heap: 0 }
    }

    /// Number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.samples
    }

    /// Whether there is no sample.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.samples == 0
    }

    /// Number of chunks.
    #[must_use]
    pub fn chunk_count(&self) -> usize {
        self.chunks.len()
    }

    /// The most bytes of a chunk.
    #[must_use]
    pub fn chunk_bytes_max(&self) -> usize {
        self.chunk_bytes_max
    }

    /// Heap bytes owned.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.heap + self.chunks.memory()
    }

    /// The time of the earliest sample.
    #[must_use]
    pub fn first_time(&self) -> Option<i64> {
        self.chunks.front().map(Chunk::first_time)
    }

    /// The latest sample.
    #[must_use]
    pub fn last(&self) -> Option<Sample> {
        self.chunks.back().map(Chunk::last)
    }

    /// The sample at `time`.
    ///
    /// Cost: O(log chunks) and half a chunk decoded.
    #[must_use]
    pub fn get(&self, time: i64) -> Option<f64> {
        self.range(time, time).next().map(|sample| sample.value)
    }

    /// The chunks in order of time: what TS.INFO shows of them.
    pub fn chunks(&self) -> impl ExactSizeIterator<Item = ChunkInfo> + '_ {
        self.chunks.iter().map(|chunk| ChunkInfo {
            first_time: chunk.first_time(),
            last_time: chunk.last().time,
            samples: chunk.len(),
            bytes: chunk.bytes_len(),
        })
    }

    /// The chunks as they are written down.
    pub fn raw_chunks(&self) -> impl Iterator<Item = RawChunk<'_>> {
        self.chunks.iter().map(|chunk| RawChunk {
            first_time: chunk.first_time(),
            samples: chunk.len(),
            codes: chunk.codes(),
        })
    }

    /// Adds a chunk that was written down behind all others; false if it is not sound, or not
    /// later than they are. Cost: its samples are decoded and encoded again.
    #[must_use]
    pub fn push_raw(&mut self, first_time: i64, samples: u64, codes: &[u8]) -> bool {
        let Ok(samples) = u32::try_from(samples) else { return false };
        if self.last().is_some_and(|last| last.time >= first_time) {
            return false;
        }
        let Some(chunk) = Chunk::from_codes(first_time, samples, codes) else { return false };
        if chunk.bytes_len() > self.chunk_bytes_max && chunk.len() > 1 {
            return false;
        }
        self.samples += chunk.len();
        self.heap += chunk.memory();
        self.chunks.push_back(chunk);
        true
    }

    /// The samples from `from` to `to`, both included, in order of time.
    ///
    /// Cost: O(log chunks) to begin and part of a chunk decoded; then some nanoseconds each.
    #[must_use]
    pub fn range(&self, from: i64, to: i64) -> Forward<'_> {
        match self.ending_from(from) {
            None => Forward::new(Iter::default(), from, to),
            begin => Forward::new(self.chunks.between(begin, None), from, to),
        }
    }

    /// The same backwards. Decodes one chunk at a time into memory.
    #[must_use]
    pub fn range_back(&self, from: i64, to: i64) -> Backward<'_> {
        let end = self.chunks.partition_point(|chunk| chunk.first_time() <= to);
        Backward::new(self.chunks.between(None, end), from, to)
    }

    /// Adds a sample; `policy` says what happens to one of the same time. Returns the value that
    /// is there now.
    ///
    /// Cost: O(1) at the end; elsewhere one chunk is decoded and encoded again.
    ///
    /// # Errors
    /// [`Blocked`], and nothing was changed.
    pub fn add(&mut self, time: i64, value: f64, policy: DuplicatePolicy) -> Result<f64, Blocked> {
        let sample = Sample { time, value };
        match self.last() {
            Some(last) if time <= last.time => self.add_inside(sample, policy),
            _ => {
                self.append(sample);
                Ok(value)
            }
        }
    }

    fn append(&mut self, sample: Sample) {
        let limit = self.chunk_bytes_max;
        let room = self.chunks.back().map(|chunk| chunk.bytes_len() + SAMPLE_BYTES_MAX <= limit);
        if room == Some(true) {
            self.change_last(|chunk| chunk.push(sample));
        } else {
            if room == Some(false) {
                self.change_last(Chunk::seal);
            }
            let chunk = Chunk::new(sample);
            self.heap += chunk.memory();
            self.chunks.push_back(chunk);
        }
        self.samples += 1;
    }

    /// Changes the last chunk and keeps its bytes in the sum.
    #[inline]
    fn change_last(&mut self, change: impl FnOnce(&mut Chunk)) {
        let Some(last) = self.chunks.back_mut() else { return };
        let before = last.memory();
        change(last);
        self.heap = self.heap - before + last.memory();
    }

    /// The first chunk that does not end before a time.
    fn ending_from(&self, time: i64) -> Option<Spot> {
        self.chunks.partition_point(|chunk| chunk.last().time < time)
    }

    /// Adds a sample that is not later than the last one.
    fn add_inside(&mut self, sample: Sample, policy: DuplicatePolicy) -> Result<f64, Blocked> {
        let spot = self.ending_from(sample.time).expect("the sample is not later than the last");
        let mut samples: Vec<Sample> = self.chunks.at(spot).samples().collect();
        let at = samples.partition_point(|other| other.time < sample.time);
        let value = match samples.get_mut(at) {
            Some(old) if old.time == sample.time => {
                let value = policy.decide(old.value, sample.value).ok_or(Blocked)?;
                if value.to_bits() == old.value.to_bits() {
                    return Ok(value);
                }
                old.value = value;
                value
            }
            _ => {
                samples.insert(at, sample);
                sample.value
            }
        };
        self.rewrite(spot, &samples);
        Ok(value)
    }

    /// Puts `samples` in the place of a chunk: as none, one, or more when they need more than the
    /// limit.
    fn rewrite(&mut self, spot: Spot, samples: &[Sample]) {
        let Some(chunk) = Chunk::of(samples) else {
            self.take_chunk(spot);
            return;
        };
        if chunk.bytes_len() > self.chunk_bytes_max && samples.len() > 1 {
            let (early, late) = samples.split_at(samples.len() / 2);
            self.rewrite(spot, early);
            let half = Chunk::of(late).expect("half of two or more");
            let time = half.first_time();
            self.heap += half.memory();
            self.samples += half.len();
            // Early samples may have taken several chunks.
            let before = self.chunks.partition_point(|chunk| chunk.first_time() < time);
            let before = self.chunks.before(before).expect("the early ones");
            self.chunks.insert_behind(before, half);
            let spot = self.ending_from(time).expect("put there");
            self.rewrite(spot, late);
            return;
        }
        let old = self.chunks.at_mut(spot);
        self.samples = self.samples - old.len() + chunk.len();
        self.heap = self.heap - old.memory() + chunk.memory();
        *old = chunk;
    }

    fn take_chunk(&mut self, spot: Spot) {
        let chunk = self.chunks.remove(spot);
        self.samples -= chunk.len();
        self.heap -= chunk.memory();
    }

    /// Removes the samples from `from` to `to`, both included; returns how many.
    ///
    /// Cost: O(1) per chunk that goes as a whole; the one or two at the ends are encoded again.
    pub fn remove_range(&mut self, from: i64, to: i64) -> usize {
        let before = self.samples;
        let mut begin = from;
        while let Some(spot) = self.ending_from(begin) {
            let chunk = self.chunks.at(spot);
            let last = chunk.last().time;
            if chunk.first_time() > to || from > to {
                break;
            }
            if from <= chunk.first_time() && last <= to {
                self.take_chunk(spot);
            } else {
                let is_kept = |sample: &Sample| sample.time < from || sample.time > to;
                let kept: Vec<Sample> = chunk.samples().filter(is_kept).collect();
                if kept.len() < chunk.len() {
                    self.rewrite(spot, &kept);
                }
            }
            // What stays of the chunk is not looked at again.
            let Some(behind) = last.checked_add(1) else { break };
            begin = behind;
        }
        before - self.samples
    }

    /// Drops the chunks that hold nothing at or after `time`. What is older in the chunk that
    /// stays is left: readers begin their range at `time`.
    ///
    /// Cost: O(1) per dropped chunk.
    pub fn drop_before(&mut self, time: i64) {
        while self.chunks.front().is_some_and(|chunk| chunk.last().time < time) {
            self.take_chunk(self.chunks.spot(0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structures::cow::copied;

    fn times(series: &Series) -> Vec<i64> {
        series.range(i64::MIN, i64::MAX).map(|sample| sample.time).collect()
    }

    fn filled(len: i64) -> Series {
        let mut series = Series::new(64);
        for time in 0..len {
            series.add(time * 10, 0.5, DuplicatePolicy::Block).expect("a new time");
        }
        series
    }

    #[test]
    fn policies_decide_between_two_values() {
        use DuplicatePolicy::{Block, First, Last, Max, Min, Sum};
        let wanted = [
            (Block, Err(Blocked), 2.0),
            (First, Ok(2.0), 2.0),
            (Last, Ok(5.0), 5.0),
            (Max, Ok(5.0), 5.0),
            (Min, Ok(2.0), 2.0),
            (Sum, Ok(7.0), 7.0),
        ];
        for (policy, result, value) in wanted {
            let mut series = Series::new(4096);
            assert_eq!(series.add(1, 2.0, policy), Ok(2.0));
            assert_eq!(series.add(9, 1.0, policy), Ok(1.0));
            assert_eq!(series.add(1, 5.0, policy), result, "{policy:?}");
            assert_eq!(series.get(1), Some(value), "{policy:?}");
            assert_eq!(series.len(), 2);
        }
    }

    #[test]
    fn a_chunk_that_grows_in_its_middle_is_split() {
        let mut series = Series::new(128);
        for time in 0..400 {
            series.add(time * 1_000, 0.0, DuplicatePolicy::Block).expect("a new time");
        }
        let chunks = series.chunk_count();
        for time in 0..400 {
            let value = f64::from_bits(0x1234_5678_9abc_def1_u64.wrapping_mul(time * 2 + 1));
            let time = i64::try_from(time).unwrap() * 997 + 500;
            series.add(time, value, DuplicatePolicy::Last).expect("Last takes all");
        }
        assert!(series.chunk_count() > chunks);
        assert!(series.chunks.iter().all(|chunk| chunk.bytes_len() <= 128), "T2");
        assert!(times(&series).is_sorted());
        let capacity: usize = series.chunks.iter().map(Chunk::memory).sum();
        assert_eq!(series.heap, capacity, "T3");
    }

    #[test]
    fn old_chunks_are_dropped_and_young_ones_stay() {
        let mut series = filled(2_000);
        let (chunks, memory) = (series.chunk_count(), series.memory());
        series.drop_before(-5);
        assert_eq!(series.chunk_count(), chunks);
        series.drop_before(10_000);
        assert!(series.chunk_count() < chunks && series.memory() < memory);
        assert!(series.first_time().is_some_and(|first| first <= 10_000), "its chunk stays");
        assert_eq!(series.range(10_000, i64::MAX).count(), 1_000);
        series.drop_before(i64::MAX);
        assert!(series.is_empty() && series.chunk_count() == 0);
    }

    #[test]
    fn ranges_are_closed_and_may_be_empty() {
        let series = filled(1_000);
        for (from, to, want) in [
            (0, 0, 1),
            (0, 9, 1),
            (1, 9, 0),
            (1, 10, 1),
            (9_990, i64::MAX, 1),
            (9_991, i64::MAX, 0),
            (i64::MIN, -1, 0),
            (i64::MIN, i64::MAX, 1_000),
            (500, 400, 0),
            (3_333, 6_667, 333),
        ] {
            assert_eq!(series.range(from, to).count(), want, "{from} {to}");
            assert_eq!(series.range_back(from, to).count(), want, "{from} {to} back");
        }
    }

    #[test]
    fn a_range_is_removed_whatever_chunks_it_meets() {
        for (from, to, want) in
            [(0, 0, 1), (1, 9, 0), (5, 4, 0), (3_333, 6_667, 333), (-5, 99_999, 1_000)]
        {
            let mut series = filled(1_000);
            assert_eq!(series.remove_range(from, to), want, "{from} {to}");
            assert_eq!(series.len(), 1_000 - want);
            assert_eq!(times(&series).len(), 1_000 - want);
            assert_eq!(series.range(from, to).count(), 0);
        }
    }

    #[test]
    fn an_edit_of_a_shared_series_copies_its_chunk_only() {
        let mut series = Series::new(4096);
        for time in 0..400_000 {
            let value = f64::from(u32::try_from(time % 977).expect("small"));
            series.add(time * 1_000, value, DuplicatePolicy::Block).expect("a new time");
        }
        copied::take();
        series.add(400_000_000, 1.0, DuplicatePolicy::Block).expect("a new time");
        assert_eq!(copied::take(), 0, "nothing is shared");
        let shared = series.clone();
        let mut most = 0;
        for time in 1..2_000 {
            let end = (400_000 + time) * 1_000;
            series.add(end, 0.25, DuplicatePolicy::Block).expect("a new time");
            most = most.max(copied::take());
            series.add(time * 173_000 + 5, 0.5, DuplicatePolicy::Block).expect("a new time");
            most = most.max(copied::take());
        }
        series.drop_before(50_000_000);
        most = most.max(copied::take());
        assert!(most <= 16 * 1024, "{most} bytes for one edit");
        assert_eq!((shared.len(), shared.range(0, i64::MAX).count()), (400_001, 400_001));
    }
}
