//! A sorted array of distinct integers, as narrow as the widest of them needs.
//!
//! Why it exists: a set of ids takes two, four or eight bytes per member here and thirty in a
//! table, and below a few hundred members a search through it is faster than hashing. Not for
//! large sets: an insertion moves everything behind it, which is why `set-max-intset-entries`
//! bounds it.
//!
//! ```text
//! [ 2 | -5 | 0 | 3 | 700 ]                  a byte for the width, then elements as in Redis's
//! [ 4 |  -5  |   0   |   3   | 100000 ]     intset, little-endian, without its header
//! ```
//!
//! Invariants
//! - N1: the bytes are a width and a whole number of elements of that width, ascending, without
//!   duplicates. No bytes at all are the empty set.
//! - N2: a set never becomes narrower (neither does Redis's), so a member that comes and goes
//!   does not make every insertion a conversion.
//!
//! Searching halves the range without branches until 32 bytes are left, and compares those at
//! once (Khuong and Morin, "Array Layouts for Comparison-Based Searching", JEA 2017, on why the
//! branch-free halves win at these sizes).

use wide::{CmpGt, i16x16, i32x8, i64x4};

/// Bytes compared at once at the end of a search.
const WINDOW_BYTES: usize = 32;
/// Bytes in front of the elements.
const HEAD_BYTES: usize = 1;

/// Bytes per element.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Width {
    /// 16-bit elements.
    Two = 2,
    /// 32-bit elements.
    Four = 4,
    /// 64-bit elements.
    Eight = 8,
}

impl Width {
    /// The narrowest width that holds `value`.
    #[inline]
    #[must_use]
    pub fn of(value: i64) -> Self {
        if i16::try_from(value).is_ok() {
            Self::Two
        } else if i32::try_from(value).is_ok() {
            Self::Four
        } else {
            Self::Eight
        }
    }

    /// Bytes per element.
    #[inline]
    #[must_use]
    pub const fn bytes(self) -> usize {
        self as usize
    }

    #[inline]
    fn from_byte(byte: u8) -> Self {
        match byte {
            2 => Self::Two,
            4 => Self::Four,
            _ => Self::Eight,
        }
    }
}

/// An element in one of the three widths.
trait Lane: Copy + Ord + Into<i64> {
    const BYTES: usize;

    fn load(bytes: &[u8]) -> Self;
    /// `None` when the value needs a wider lane.
    fn narrow(value: i64) -> Option<Self>;
    /// How many of the elements in the window are less than `self`.
    fn count_less(self, window: &[u8; WINDOW_BYTES]) -> usize;
}

macro_rules! lane {
    ($int:ty, $vector:ty) => {
        impl Lane for $int {
            const BYTES: usize = size_of::<$int>();

            #[inline]
            fn load(bytes: &[u8]) -> Self {
                Self::from_le_bytes(bytes[..Self::BYTES].try_into().expect("one element"))
            }

            #[inline]
            fn narrow(value: i64) -> Option<Self> {
                Self::try_from(value).ok()
            }

            #[inline]
            fn count_less(self, window: &[u8; WINDOW_BYTES]) -> usize {
                let lanes = std::array::from_fn(|i| Self::load(&window[i * Self::BYTES..]));
                let less = <$vector>::splat(self).cmp_gt(<$vector>::new(lanes));
                less.move_mask().count_ones() as usize
            }
        }
    };
}

lane!(i16, i16x16);
lane!(i32, i32x8);
lane!(i64, i64x4);

/// The count one by one: what the vectors are tested against.
#[cfg(test)]
fn count_less_scalar<T: Lane>(value: T, window: &[u8; WINDOW_BYTES]) -> usize {
    window.chunks_exact(T::BYTES).filter(|bytes| T::load(bytes) < value).count()
}

/// How many of the sorted elements in `bytes` are less than `value`, and whether the next one
/// equals it.
#[inline]
fn search<T: Lane>(bytes: &[u8], value: T) -> (usize, bool) {
    let len = bytes.len() / T::BYTES;
    let lanes = WINDOW_BYTES / T::BYTES;
    let at = |index: usize| T::load(&bytes[index * T::BYTES..]);
    let below = if len < lanes {
        (0..len).filter(|&index| at(index) < value).count()
    } else {
        let (mut base, mut size) = (0, len);
        while size > lanes {
            let half = size / 2;
            base = if at(base + half - 1) < value { base + half } else { base };
            size -= half;
        }
        // Whatever stands before the window is less, also when the window begins earlier than
        // the range to have its full length.
        let start = base.min(len - lanes);
        let window = &bytes[start * T::BYTES..start * T::BYTES + WINDOW_BYTES];
        start + value.count_less(window.try_into().expect("the length of a window"))
    };
    (below, below < len && at(below) == value)
}

/// A set of integers, borrowed: packed bytes with their width.
///
/// Cost: a search takes O(log n), everything else O(1).
///
/// # Examples
/// ```
/// use engine::structures::intset::{Intset, IntsetBuf};
///
/// let mut set = IntsetBuf::new();
/// for number in [3, -70_000, 5] {
///     assert!(set.insert(number));
/// }
/// let view = Intset::from_packed(set.as_packed());
/// assert!(view.contains(5) && !view.contains(4));
/// assert_eq!(view.iter().collect::<Vec<_>>(), [-70_000, 3, 5]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Intset<'a> {
    width: Width,
    bytes: &'a [u8],
}

impl<'a> Intset<'a> {
    /// A view of what [`IntsetBuf::as_packed`] gave.
    #[inline]
    #[must_use]
    pub fn from_packed(packed: &'a [u8]) -> Self {
        let Some((&width, bytes)) = packed.split_first() else {
            return Self { width: Width::Two, bytes: &[] };
        };
        let width = Width::from_byte(width);
        debug_assert!(bytes.len().is_multiple_of(width.bytes()), "N1: whole elements");
        Self { width, bytes }
    }

    /// Number of elements.
    #[inline]
    #[must_use]
    pub fn len(self) -> usize {
        self.bytes.len() / self.width.bytes()
    }

    /// Whether there is no element.
    #[inline]
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes per element.
    #[must_use]
    pub fn width(self) -> Width {
        self.width
    }

    /// The elements as they lie in memory: ascending, little-endian.
    #[must_use]
    pub fn as_bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// The element at `index` in ascending order.
    #[inline]
    #[must_use]
    pub fn get(self, index: usize) -> Option<i64> {
        let bytes = self.bytes.get(index.checked_mul(self.width.bytes())?..)?;
        (!bytes.is_empty()).then(|| load(self.width, bytes))
    }

    /// Whether `value` is an element.
    #[inline]
    #[must_use]
    pub fn contains(self, value: i64) -> bool {
        self.position(value).is_ok()
    }

    /// The index of `value`, or the index that it would have.
    ///
    /// # Errors
    /// `Err` with the index of the first greater element when `value` is none.
    #[inline]
    pub fn position(self, value: i64) -> Result<usize, usize> {
        let found = match self.width {
            Width::Two => i16::narrow(value).map(|value| search(self.bytes, value)),
            Width::Four => i32::narrow(value).map(|value| search(self.bytes, value)),
            Width::Eight => Some(search(self.bytes, value)),
        };
        match found {
            Some((index, true)) => Ok(index),
            Some((index, false)) => Err(index),
            None => Err(if value < 0 { 0 } else { self.len() }),
        }
    }

    /// The elements in ascending order.
    #[inline]
    #[must_use]
    pub fn iter(self) -> Iter<'a> {
        Iter(self)
    }
}

impl<'a> IntoIterator for Intset<'a> {
    type Item = i64;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

#[inline]
fn load(width: Width, bytes: &[u8]) -> i64 {
    match width {
        Width::Two => i16::load(bytes).into(),
        Width::Four => i32::load(bytes).into(),
        Width::Eight => i64::load(bytes),
    }
}

/// Elements of an [`Intset`] in ascending order.
#[derive(Clone, Debug)]
pub struct Iter<'a>(Intset<'a>);

impl Iterator for Iter<'_> {
    type Item = i64;

    #[inline]
    fn next(&mut self) -> Option<i64> {
        let (first, rest) = self.0.bytes.split_at_checked(self.0.width.bytes())?;
        self.0.bytes = rest;
        Some(load(self.0.width, first))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.0.len(), Some(self.0.len()))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<i64> {
        let end = self.0.bytes.len().checked_sub(self.0.width.bytes())?;
        let (rest, last) = self.0.bytes.split_at(end);
        self.0.bytes = rest;
        Some(load(self.0.width, last))
    }
}

impl ExactSizeIterator for Iter<'_> {}

/// A set of integers that owns its bytes.
///
/// Cost: insertion and removal move what stands behind, O(n); see [`Intset`] for reading.
#[derive(Clone, Debug, Default)]
pub struct IntsetBuf {
    packed: Vec<u8>,
}

impl IntsetBuf {
    /// The empty set; allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { packed: Vec::new() }
    }

    /// A copy of what [`IntsetBuf::as_packed`] gave, with room for one more.
    #[must_use]
    pub fn from_packed(bytes: &[u8]) -> Self {
        let mut packed = Vec::with_capacity(bytes.len() + size_of::<i64>());
        packed.extend_from_slice(bytes);
        Self { packed }
    }

    /// The bytes, for [`Intset::from_packed`].
    #[inline]
    #[must_use]
    pub fn as_packed(&self) -> &[u8] {
        &self.packed
    }

    /// The set to read.
    #[inline]
    #[must_use]
    pub fn as_ref(&self) -> Intset<'_> {
        Intset::from_packed(&self.packed)
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_ref().len()
    }

    /// Whether there is no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_ref().is_empty()
    }

    /// Heap bytes owned.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.packed.capacity()
    }

    /// Adds `value`; false when it was there.
    ///
    /// Cost: O(1) amortized above the greatest element, else O(n) of moving bytes; the first
    /// element of a greater width rewrites all.
    pub fn insert(&mut self, value: i64) -> bool {
        let wanted = Width::of(value);
        if self.packed.is_empty() || wanted > self.as_ref().width {
            self.widen(wanted);
        }
        let view = self.as_ref();
        let (width, count) = (view.width, view.len());
        let above_all = count == 0 || view.get(count - 1).is_some_and(|max| max < value);
        let index = if above_all { Err(count) } else { view.position(value) };
        let Err(index) = index else { return false };
        let (size, old) = (width.bytes(), self.packed.len());
        let at = HEAD_BYTES + index * size;
        self.packed.resize(old + size, 0);
        self.packed.copy_within(at..old, at + size);
        self.packed[at..at + size].copy_from_slice(&value.to_le_bytes()[..size]);
        true
    }

    /// Takes `value` away; false when it was not there.
    pub fn remove(&mut self, value: i64) -> bool {
        match self.as_ref().position(value) {
            Ok(index) => {
                self.remove_at(index);
                true
            }
            Err(_) => false,
        }
    }

    /// Takes the element at `index` away and returns it.
    ///
    /// # Panics
    /// When there is no such element.
    pub fn remove_at(&mut self, index: usize) -> i64 {
        let value = self.as_ref().get(index).expect("the caller's index is below the count");
        let size = self.as_ref().width.bytes();
        let at = HEAD_BYTES + index * size;
        self.packed.drain(at..at + size);
        value
    }

    fn widen(&mut self, width: Width) {
        let size = width.bytes();
        let mut packed = Vec::with_capacity(HEAD_BYTES + (self.len() + 1) * size);
        packed.push(width as u8);
        for value in self.as_ref() {
            packed.extend_from_slice(&value.to_le_bytes()[..size]);
        }
        self.packed = packed;
    }
}

impl FromIterator<i64> for IntsetBuf {
    fn from_iter<T: IntoIterator<Item = i64>>(values: T) -> Self {
        let mut set = Self::new();
        for value in values {
            set.insert(value);
        }
        set
    }
}

/// What must hold for any input: shared by the tests here and the fuzz target.
pub mod properties {
    use std::collections::BTreeSet;

    use super::{Intset, IntsetBuf, Width};

    /// Every nine bytes are an operation: what to do, and a number cut to a random width, so
    /// that members meet.
    ///
    /// # Panics
    /// When the set does not answer as a `BTreeSet`.
    pub fn agrees_with_a_tree(input: &[u8]) {
        let (mut set, mut model) = (IntsetBuf::new(), BTreeSet::new());
        for (step, op) in input.chunks_exact(9).enumerate() {
            let raw = i64::from_le_bytes(op[1..].try_into().expect("eight bytes"));
            let value = raw >> [0, 31, 33, 47, 49, 57, 60, 62][usize::from(op[0] >> 5)];
            match op[0] & 3 {
                0 | 1 => assert_eq!(set.insert(value), model.insert(value), "{step}: +{value}"),
                2 => assert_eq!(set.remove(value), model.remove(&value), "{step}: -{value}"),
                _ => check(&set, &model, value, step),
            }
        }
        check(&set, &model, 0, usize::MAX);
    }

    fn check(set: &IntsetBuf, model: &BTreeSet<i64>, value: i64, step: usize) {
        let view = Intset::from_packed(set.as_packed());
        assert_eq!(view.len(), model.len(), "step {step}");
        assert_eq!(view.contains(value), model.contains(&value), "{step}: {value}");
        let below = model.range(..value).count();
        let position = view.position(value).unwrap_or_else(|index| index);
        assert_eq!(position, below, "{step}: where {value} is or would be");
        assert!(view.iter().eq(model.iter().copied()), "step {step}");
        assert!(view.iter().rev().eq(model.iter().rev().copied()), "step {step}");
        assert_eq!(view.get(below), model.range(value..).next().copied(), "step {step}");
        let widest = model.iter().map(|&value| Width::of(value)).max();
        assert!(widest.is_none_or(|widest| widest <= view.width()), "step {step}");
        assert!(set.memory() >= set.as_packed().len(), "step {step}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(seed: &mut u64) -> u64 {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        *seed ^ *seed >> 33
    }

    #[test]
    fn widths_change_at_the_limits() {
        for (value, width) in [
            (i64::from(i16::MAX), Width::Two),
            (i64::from(i16::MIN), Width::Two),
            (i64::from(i16::MAX) + 1, Width::Four),
            (i64::from(i16::MIN) - 1, Width::Four),
            (i64::from(i32::MAX), Width::Four),
            (i64::from(i32::MIN), Width::Four),
            (i64::from(i32::MAX) + 1, Width::Eight),
            (i64::from(i32::MIN) - 1, Width::Eight),
            (i64::MAX, Width::Eight),
            (i64::MIN, Width::Eight),
        ] {
            let mut set = IntsetBuf::from_iter([1, -1]);
            assert!(set.insert(value) && !set.insert(value), "{value}");
            assert_eq!(set.as_ref().width(), width, "{value}");
            assert!(!set.as_ref().contains(value.wrapping_add(1)), "{value}");
            assert!(set.remove(value) && !set.remove(value), "{value}");
            assert_eq!(set.as_ref().width(), width, "N2: {value}");
            assert_eq!(set.as_ref().iter().collect::<Vec<_>>(), [-1, 1]);
        }
    }

    #[test]
    fn every_length_around_the_window_is_searched_right() {
        for scale in [1, 1_000, 1_000_000_000_000] {
            let mut set = IntsetBuf::new();
            for len in 0..80 {
                for probe in -1..=2 * len {
                    let want = if probe % 2 == 0 && probe >= 0 && probe < 2 * len {
                        Ok(usize::try_from(probe / 2).unwrap())
                    } else {
                        Err(usize::try_from((probe + 1) / 2).unwrap())
                    };
                    let got = set.as_ref().position(probe * scale);
                    assert_eq!(got, want, "{probe} of {len} times {scale}");
                }
                set.insert(2 * len * scale);
            }
        }
    }

    #[test]
    fn the_vectors_agree_with_their_scalar_twin() {
        let mut seed = 7;
        for step in 0..20_000 {
            let shift = random(&mut seed) % 8 * 8;
            let mut window = [0; WINDOW_BYTES];
            for eight in window.chunks_exact_mut(8) {
                let word = random(&mut seed) >> shift | random(&mut seed) << 40;
                eight.copy_from_slice(&word.to_le_bytes());
            }
            let at = usize::try_from(random(&mut seed) % 4).unwrap() * 8;
            let short = i16::load(&window[at..]);
            assert_eq!(short.count_less(&window), count_less_scalar(short, &window), "{step}");
            let int = i32::load(&window[at..]);
            assert_eq!(int.count_less(&window), count_less_scalar(int, &window), "{step}");
            let long = i64::load(&window[at..]);
            assert_eq!(long.count_less(&window), count_less_scalar(long, &window), "{step}");
        }
    }

    #[test]
    fn random_operations_agree_with_a_tree() {
        for seed in 0..60 {
            let mut state = seed;
            let bytes: Vec<u8> =
                (0..9 * 400).map(|_| random(&mut state).to_le_bytes()[3]).collect();
            eprintln!("SEED={seed}");
            properties::agrees_with_a_tree(&bytes);
        }
    }

    #[test]
    fn an_element_is_taken_by_its_index() {
        let mut set = IntsetBuf::from_iter([10, 20, 30]);
        assert_eq!(set.remove_at(1), 20);
        assert_eq!(set.remove_at(1), 30);
        assert_eq!(set.as_ref().iter().collect::<Vec<_>>(), [10]);
        assert_eq!(set.as_ref().get(1), None);
    }
}
