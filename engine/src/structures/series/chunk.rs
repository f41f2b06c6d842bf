//! A compressed run of samples: Gorilla's codes (Pelkonen et al., "Gorilla: A Fast, Scalable,
//! In-Memory Time Series Database", VLDB 2015), for milliseconds.
//!
//! Why it exists: samples that arrive at a steady pace with values that change little take one
//! to three bytes instead of sixteen. Not for random access: a chunk is read from its front.
//!
//! ```text
//! first sample    time: in the header     value: 64 bits
//! further ones    time: how much the step differs from the step before
//!                   0                      not at all
//!                   10    +  7 bits        -64 .. 63 ms
//!                   110   + 10 bits        -512 .. 511 ms
//!                   1110  + 16 bits        about half a minute
//!                   11110 + 32 bits        about 24 days
//!                   11111 + 64 bits        anything
//!                 value: its bits XOR those of the value before
//!                   0                      the same value
//!                   10    + n bits         differs inside the window used last
//!                   11    + 5 + 6 + n      a new window: leading zeros, n - 1, the bits in it
//! ```
//!
//! The paper's codes are for seconds: 7, 9, 12 and 32 bits. Those here are wider, because clocks
//! jitter by tens of milliseconds and because any two times must be allowed next to each other.
//!
//! Invariants
//! - H1: times ascend, without duplicates; `first` and `last` are those of the ends.
//! - H2: decoding `count` samples and encoding them again gives the same bits.

use super::Sample;
use super::bits::{Bits, Reader};

/// The longest a sample can be: 5 + 64 bits of time, 2 + 5 + 6 + 64 of value.
pub(super) const SAMPLE_BYTES_MAX: usize = (5_usize + 64 + 2 + 5 + 6 + 64).div_ceil(8);

/// Bits that name a new window, over those of the window used last.
const WINDOW_BITS: u32 = 5 + 6;

/// The longest run of leading zeros that has a code.
const LEADING_MAX: u32 = 31;

/// Width of the code, its prefix and the prefix's length; wider steps take 64 bits.
const STEPS: [(u32, u64, u32); 4] =
    [(7, 0b10, 2), (10, 0b110, 3), (16, 0b1110, 4), (32, 0b1_1110, 5)];

/// What the codes of the next sample refer to.
#[derive(Clone, Copy, Debug)]
struct State {
    time: i64,
    step: i64,
    value: u64,
    leading: u32,
    length: u32,
}

impl State {
    fn start(first: &Sample) -> Self {
        // A window that nothing fits into.
        Self { time: first.time, step: 0, value: first.value.to_bits(), leading: 64, length: 0 }
    }
}

/// A run of at least one sample.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    bits: Bits,
    first: i64,
    count: u32,
    end: State,
}

impl Chunk {
    /// The run that begins with `first`.
    pub(super) fn new(first: Sample) -> Self {
        let mut bits = Bits::default();
        bits.push(first.value.to_bits(), 64);
        Self { bits, first: first.time, count: 1, end: State::start(&first) }
    }

    /// The run of `samples`, which ascend; `None` for none.
    pub(super) fn of(samples: &[Sample]) -> Option<Self> {
        let (first, rest) = samples.split_first()?;
        let mut chunk = Self::new(*first);
        for sample in rest {
            chunk.push(*sample);
        }
        chunk.seal();
        Some(chunk)
    }

    /// Appends a sample that is later than all others.
    pub(super) fn push(&mut self, sample: Sample) {
        debug_assert!(sample.time > self.end.time, "H1");
        let State { time, step, .. } = self.end;
        let new_step = sample.time.wrapping_sub(time);
        self.push_step(new_step.wrapping_sub(step));
        self.push_value(sample.value.to_bits());
        self.end.time = sample.time;
        self.end.step = new_step;
        self.count += 1;
    }

    fn push_step(&mut self, change: i64) {
        if change == 0 {
            self.bits.push(0, 1);
            return;
        }
        for (width, prefix, prefix_len) in STEPS {
            let reach = 1_i64 << (width - 1);
            if (-reach..reach).contains(&change) {
                self.bits.push(prefix, prefix_len);
                self.bits.push(change.cast_unsigned(), width);
                return;
            }
        }
        self.bits.push(0b1_1111, 5);
        self.bits.push(change.cast_unsigned(), 64);
    }

    fn push_value(&mut self, value: u64) {
        let differing = value ^ self.end.value;
        self.end.value = value;
        if differing == 0 {
            self.bits.push(0, 1);
            return;
        }
        let leading = differing.leading_zeros().min(LEADING_MAX);
        let length = 64 - leading - differing.trailing_zeros();
        let window_end = self.end.leading + self.end.length;
        let fits = leading >= self.end.leading && leading + length <= window_end;
        // The paper keeps a window as long as the bits fit; a window that has become much too
        // wide costs more than naming a new one.
        if fits && self.end.length <= length + WINDOW_BITS {
            self.bits.push(0b10, 2);
            self.bits.push(differing >> (64 - window_end), self.end.length);
            return;
        }
        self.bits.push(0b11, 2);
        self.bits.push(u64::from(leading), 5);
        self.bits.push(u64::from(length - 1), 6);
        self.bits.push(differing >> (64 - leading - length), length);
        self.end.leading = leading;
        self.end.length = length;
    }

    /// Nothing will be appended soon: gives back memory reserved for that.
    pub(super) fn seal(&mut self) {
        self.bits.shrink();
    }

    pub(super) fn first_time(&self) -> i64 {
        self.first
    }

    pub(super) fn last(&self) -> Sample {
        Sample { time: self.end.time, value: f64::from_bits(self.end.value) }
    }

    pub(super) fn len(&self) -> usize {
        self.count as usize
    }

    /// Bytes of codes.
    pub(super) fn bytes_len(&self) -> usize {
        self.bits.bytes_len()
    }

    /// Heap bytes owned.
    pub(super) fn memory(&self) -> usize {
        self.bits.memory()
    }

    /// The codes of all samples.
    pub(super) fn codes(&self) -> &[u8] {
        self.bits.as_bytes()
    }

    /// The run that these codes stand for; `None` unless they are those of ascending samples (H1,
    /// H2). Cost: the samples are decoded and encoded again.
    pub(super) fn from_codes(first: i64, count: u32, codes: &[u8]) -> Option<Self> {
        let reader = Reader::new(codes);
        let samples = Samples { reader, left: count, first: Some(first), state: None };
        let mut chunk: Option<Self> = None;
        for sample in samples {
            match &mut chunk {
                None => chunk = Some(Self::new(sample)),
                // Codes that are none may say anything, but not make the same bits again.
                Some(chunk) if sample.time > chunk.end.time => chunk.push(sample),
                Some(_) => return None,
            }
            if chunk.as_ref().is_some_and(|chunk| chunk.bytes_len() > codes.len()) {
                return None;
            }
        }
        let mut chunk = chunk.filter(|chunk| chunk.codes() == codes)?;
        chunk.seal();
        Some(chunk)
    }

    /// The samples in order of time.
    pub(super) fn samples(&self) -> Samples<'_> {
        Samples {
            reader: self.bits.reader(),
            left: self.count,
            first: Some(self.first),
            state: None,
        }
    }
}

/// Decodes a chunk from its front.
#[derive(Clone, Debug)]
pub(super) struct Samples<'a> {
    reader: Reader<'a>,
    left: u32,
    first: Option<i64>,
    state: Option<State>,
}

impl Samples<'_> {
    /// How much the step changes.
    fn take_step(&mut self) -> i64 {
        if !self.reader.take_bit() {
            return 0;
        }
        for (width, _, _) in STEPS {
            if !self.reader.take_bit() {
                let raw = self.reader.take(width) << (64 - width);
                return raw.cast_signed() >> (64 - width);
            }
        }
        self.reader.take(64).cast_signed()
    }

    /// The bits in which the value differs from the one before.
    fn take_difference(&mut self, leading: &mut u32, length: &mut u32) -> u64 {
        if !self.reader.take_bit() {
            return 0;
        }
        if self.reader.take_bit() {
            let window = self.reader.take(WINDOW_BITS);
            *leading = u32::try_from(window >> 6).expect("five bits");
            *length = u32::try_from(window & 63).expect("six bits") + 1;
        }
        // A window beyond the end is only met in codes that came from elsewhere.
        let below = 64_u32.saturating_sub(*leading + *length);
        self.reader.take((*length).max(1)) << below
    }
}

impl Iterator for Samples<'_> {
    type Item = Sample;

    #[inline]
    fn next(&mut self) -> Option<Sample> {
        self.left = self.left.checked_sub(1)?;
        let sample = match self.state {
            None => {
                let time = self.first.take().expect("the first sample is read once");
                let value = f64::from_bits(self.reader.take(64));
                let first = Sample { time, value };
                self.state = Some(State::start(&first));
                return Some(first);
            }
            Some(mut state) => {
                state.step = state.step.wrapping_add(self.take_step());
                state.time = state.time.wrapping_add(state.step);
                state.value ^= self.take_difference(&mut state.leading, &mut state.length);
                self.state = Some(state);
                Sample { time: state.time, value: f64::from_bits(state.value) }
            }
        };
        Some(sample)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for Samples<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(samples: &[Sample]) -> Chunk {
        let chunk = Chunk::of(samples).expect("some samples");
        let got: Vec<Sample> = chunk.samples().collect();
        assert_eq!(got.len(), samples.len());
        for (got, want) in got.iter().zip(samples) {
            assert_eq!((got.time, got.value.to_bits()), (want.time, want.value.to_bits()));
        }
        assert_eq!(chunk.samples().len(), chunk.len());
        chunk
    }

    fn at(time: i64, value: f64) -> Sample {
        Sample { time, value }
    }

    #[test]
    fn a_steady_series_takes_two_bits_a_sample() {
        let samples: Vec<Sample> = (0..4_000).map(|i| at(i * 1_000, 21.5)).collect();
        // 64 bits of value, a step of 1000 ms (4 + 16 bits and one for the value), the rest.
        assert_eq!(round(&samples).bytes_len(), (64 + 21 + 3_998 * 2_usize).div_ceil(8));
    }

    #[test]
    fn steps_at_the_limits_of_their_codes_come_back() {
        let mut samples = vec![at(i64::MIN, 0.0)];
        for change in [0, 63, 64, 511, 512, 32_767, 32_768, i64::from(i32::MAX), 1 << 31, 1 << 40] {
            for step in [1_i64 << 41, (1 << 41) + change, 1 << 41, (1 << 41) - change - 1] {
                let last = samples.last().unwrap().time;
                samples.push(at(last + step, 1.0));
            }
        }
        samples.push(at(i64::MAX, 2.0));
        round(&samples);
        round(&[at(i64::MIN, 1.0), at(i64::MAX, 1.0)]);
        round(&[at(i64::MIN, 1.0), at(i64::MIN + 1, 1.0), at(i64::MAX, 1.0)]);
    }

    #[test]
    fn every_kind_of_value_comes_back() {
        let odd = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            f64::MAX,
            f64::MIN_POSITIVE,
            5e-324,
            f64::INFINITY,
            f64::NAN,
            0.1,
            f64::from_bits(1 << 63 | 1),
            f64::from_bits(u64::MAX),
        ];
        let pairs = odd.iter().flat_map(|a| odd.iter().flat_map(move |b| [*a, *b]));
        let samples: Vec<Sample> = (0..).zip(pairs).map(|(time, value)| at(time, value)).collect();
        round(&samples);
    }

    #[test]
    fn no_sample_is_longer_than_said() {
        let mut chunk = Chunk::new(at(i64::MIN, 0.0));
        for sample in [at(0, f64::from_bits(u64::MAX)), at(1, 0.0), at(i64::MAX, 1.5)] {
            let before = chunk.bytes_len();
            chunk.push(sample);
            assert!(chunk.bytes_len() - before <= SAMPLE_BYTES_MAX);
        }
    }
}
