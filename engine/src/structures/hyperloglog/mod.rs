//! HyperLogLog: how many distinct elements were added, in 12 KiB at most.
//!
//! Why it exists: PFADD and its kin work on plain strings that clients may GET, SET elsewhere and
//! dump; so the bytes are Redis's, exactly, and so are the answers. Flajolet, Fusy, Gandouet and
//! Meunier, "HyperLogLog: the analysis of a near-optimal cardinality estimation algorithm" (2007);
//! the estimator is that of Ertl, "New cardinality estimation algorithms for HyperLogLog
//! sketches" (2017), as in Redis since 4.0. The standard error is 0.81 %.
//!
//! An element's hash has 64 bits: 14 choose one of 16,384 registers; the register keeps the
//! largest position of the first 1 among the other 50 that it has seen.
//!
//! ```text
//!   0      4          5        8                16
//!   | HYLL | encoding | unused | cached count 8 | registers …
//!                                                dense: 6 bits each, the lowest bits first
//!                                                sparse: runs, see `sparse`
//! ```
//!
//! Invariants
//! - H1: a [`View`] or [`Sketch`] has a whole header, and all 12,288 bytes if it is dense. Runs of
//!   a sparse one may be anything a client has stored: what reads them checks.
//! - H2: the cached count holds unless its highest bit is set.

mod dense;
mod estimate;
pub mod properties;
mod self_test;
mod sparse;

pub use self_test::self_test;

use super::width::by_width;

/// Registers of a sketch.
pub const REGISTERS: usize = 1 << INDEX_BITS;
const INDEX_BITS: u32 = 14;
/// Bits of a hash that are left for the position of the first 1.
const PATTERN_BITS: u32 = 64 - INDEX_BITS;
const HEADER_BYTES: usize = 16;
const DENSE_BYTES: usize = REGISTERS / 8 * 6;
const MAGIC: &[u8; 4] = b"HYLL";
const ENCODING_AT: usize = 4;
const CACHE_AT: usize = 8;
/// The highest byte of the cached count, and its bit that says the count is stale.
const STALE_AT: usize = CACHE_AT + 7;
const STALE: u8 = 0x80;

by_width! {
    fn unpack, unpack_at(packed: &[u8; DENSE_BYTES], registers: &mut Registers)
        = dense::unpack(packed, registers);
    fn pack, pack_at(registers: &Registers, packed: &mut [u8; DENSE_BYTES])
        = dense::pack(registers, packed);
    fn maximum, maximum_at(all: &mut Registers, other: &Registers)
        = dense::maximum(all, other);
    fn histogram_of, histogram_at(registers: &Registers) -> Histogram
        = dense::histogram(registers);
}

/// One byte per register.
pub type Registers = [u8; REGISTERS];
/// How many registers have each value.
pub type Histogram = [u32; 64];

/// How the registers are stored.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Encoding {
    /// Six bits each.
    Dense,
    /// Runs.
    Sparse,
}

/// Why a string is no sketch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Invalid {
    /// The header is one, but the runs do not make up all registers.
    Corrupt,
    /// The header is none, or the length is wrong.
    NotASketch,
}

/// The hash that chooses a register and its value: `MurmurHash64A` (Appleby), read as little
/// endian, with Redis's seed.
fn hash(element: &[u8]) -> u64 {
    const MULTIPLIER: u64 = 0xc6a4_a793_5bd1_e995;
    const SEED: u64 = 0xadc8_3b19;
    let mix = |word: u64| {
        let word = word.wrapping_mul(MULTIPLIER);
        (word ^ word >> 47).wrapping_mul(MULTIPLIER)
    };
    let (words, rest) = element.as_chunks::<8>();
    let mut hash = SEED ^ (element.len() as u64).wrapping_mul(MULTIPLIER);
    for word in words {
        hash = (hash ^ mix(u64::from_le_bytes(*word))).wrapping_mul(MULTIPLIER);
    }
    if !rest.is_empty() {
        let mut word = [0; 8];
        word[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(MULTIPLIER);
    }
    hash ^= hash >> 47;
    hash = hash.wrapping_mul(MULTIPLIER);
    hash ^ hash >> 47
}

/// The register of an element, and the value it asks for.
fn place(element: &[u8]) -> (usize, u8) {
    let hash = hash(element);
    let index = usize::try_from(hash % REGISTERS as u64).expect("14 bits");
    // The bit above the pattern ends every search.
    let pattern = hash >> INDEX_BITS | 1 << PATTERN_BITS;
    (index, u8::try_from(pattern.trailing_zeros() + 1).expect("51 at most"))
}

/// A sketch where it is stored.
///
/// # Examples
/// ```
/// use engine::structures::hyperloglog::{Sketch, View};
///
/// let mut sketch = Sketch::default();
/// for element in ["a", "b", "c", "a"] {
///     sketch.add(element.as_bytes(), 3_000).expect("not corrupt");
/// }
/// assert_eq!(View::new(sketch.bytes()).expect("a sketch").count(), Ok(3));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct View<'a>(&'a [u8]);

impl<'a> View<'a> {
    /// Looks at a string.
    ///
    /// # Errors
    /// [`Invalid::NotASketch`]; whether the runs of a sparse one are sound shows later.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Invalid> {
        let sound = bytes.len() >= HEADER_BYTES
            && bytes.starts_with(MAGIC)
            && match bytes[ENCODING_AT] {
                0 => bytes.len() == HEADER_BYTES + DENSE_BYTES,
                other => other == 1,
            };
        if sound { Ok(Self(bytes)) } else { Err(Invalid::NotASketch) }
    }

    /// How the registers are stored.
    #[must_use]
    pub fn encoding(self) -> Encoding {
        if self.0[ENCODING_AT] == 0 { Encoding::Dense } else { Encoding::Sparse }
    }

    /// The count as it was last computed, unless the registers have changed since.
    #[must_use]
    pub fn cached(self) -> Option<u64> {
        let cached = self.0[CACHE_AT..HEADER_BYTES].try_into().expect("eight bytes");
        (self.0[STALE_AT] & STALE == 0).then_some(u64::from_le_bytes(cached))
    }

    fn dense(self) -> &'a [u8; DENSE_BYTES] {
        self.0[HEADER_BYTES..].try_into().expect("a dense sketch has all of its bytes (H1)")
    }

    fn runs(self) -> sparse::Runs<'a> {
        sparse::Runs::new(&self.0[HEADER_BYTES..])
    }

    /// Raises `all` to the registers of this sketch. Cost: a microsecond or two.
    ///
    /// # Errors
    /// [`Invalid::Corrupt`]; some of the registers may have been raised.
    pub fn merge_into(self, all: &mut Registers) -> Result<(), Invalid> {
        match self.encoding() {
            Encoding::Dense => {
                let mut own = [0; REGISTERS];
                unpack(self.dense(), &mut own);
                maximum(all, &own);
                Ok(())
            }
            Encoding::Sparse => self.runs().for_each_run(|start, len, value| {
                for register in &mut all[start..start + len] {
                    *register = value.max(*register);
                }
            }),
        }
    }

    /// Estimated number of distinct elements, computed anew. Cost: some microseconds.
    ///
    /// # Errors
    /// [`Invalid::Corrupt`].
    pub fn count(self) -> Result<u64, Invalid> {
        match self.encoding() {
            Encoding::Dense => {
                let mut registers = [0; REGISTERS];
                unpack(self.dense(), &mut registers);
                Ok(count(&registers))
            }
            Encoding::Sparse => {
                let mut histogram = [0; 64];
                self.runs().for_each_run(|_, len, value| {
                    histogram[usize::from(value)] += u32::try_from(len).expect("below 2^15");
                })?;
                Ok(estimate::count(&histogram))
            }
        }
    }

    /// Whether adding these elements would leave a dense sketch as it is. Cost: O(elements).
    #[must_use]
    pub fn has_all(self, elements: &[&[u8]]) -> bool {
        self.encoding() == Encoding::Dense
            && elements.iter().all(|element| {
                let (index, value) = place(element);
                dense::get(self.dense(), index) >= value
            })
    }

    /// The runs of a sparse sketch as PFDEBUG DECODE shows them; `None` of a dense one.
    #[must_use]
    pub fn decoded(self) -> Option<String> {
        (self.encoding() == Encoding::Sparse).then(|| self.runs().decoded())
    }
}

/// Estimated number of distinct elements that gave these registers.
#[must_use]
pub fn count(registers: &Registers) -> u64 {
    estimate::count(&histogram_of(registers))
}

/// A sketch that is being changed.
#[derive(Clone, Debug)]
pub struct Sketch(Vec<u8>);

impl Default for Sketch {
    /// The empty sketch, sparse.
    fn default() -> Self {
        let mut bytes = vec![0; HEADER_BYTES];
        bytes[..MAGIC.len()].copy_from_slice(MAGIC);
        bytes[ENCODING_AT] = 1;
        bytes.extend_from_slice(&sparse::EMPTY);
        Self(bytes)
    }
}

impl From<View<'_>> for Sketch {
    fn from(view: View<'_>) -> Self {
        Self(view.0.to_vec())
    }
}

impl Sketch {
    /// The string to be stored.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// The string as it is now.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The sketch as it is now.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        View(&self.0)
    }

    /// Adds an element; whether that changed a register. A sparse sketch becomes dense when it
    /// would have more than `sparse_bytes_max` bytes, header included.
    ///
    /// # Errors
    /// [`Invalid::Corrupt`].
    pub fn add(&mut self, element: &[u8], sparse_bytes_max: usize) -> Result<bool, Invalid> {
        let (index, value) = place(element);
        self.raise(index, value, sparse_bytes_max)
    }

    /// Raises a register; whether it was lower.
    fn raise(&mut self, index: usize, value: u8, sparse_bytes_max: usize) -> Result<bool, Invalid> {
        if self.view().encoding() == Encoding::Sparse {
            match sparse::raise(&mut self.0, HEADER_BYTES, index, value, sparse_bytes_max)? {
                sparse::Raised::Changed => {
                    self.set_stale();
                    return Ok(true);
                }
                sparse::Raised::Same => return Ok(false),
                sparse::Raised::TooLarge => self.make_dense()?,
            }
        }
        let registers = self.dense_mut();
        let lower = dense::get(registers, index) < value;
        if lower {
            dense::set(registers, index, value);
        }
        Ok(lower)
    }

    fn dense_mut(&mut self) -> &mut [u8; DENSE_BYTES] {
        let bytes = &mut self.0[HEADER_BYTES..];
        bytes.try_into().expect("a dense sketch has all of its bytes (H1)")
    }

    /// Stores the registers densely; whether they were not before.
    ///
    /// # Errors
    /// [`Invalid::Corrupt`]; the sketch is unchanged.
    pub fn to_dense(&mut self) -> Result<bool, Invalid> {
        let sparse = self.view().encoding() == Encoding::Sparse;
        if sparse {
            self.make_dense()?;
        }
        Ok(sparse)
    }

    fn make_dense(&mut self) -> Result<(), Invalid> {
        let mut registers = [0; REGISTERS];
        self.view().merge_into(&mut registers)?;
        self.0.resize(HEADER_BYTES + DENSE_BYTES, 0);
        self.0[ENCODING_AT] = 0;
        pack(&registers, self.dense_mut());
        Ok(())
    }

    /// Raises the registers to those of `all`, which are no lower than its own; a sparse sketch
    /// becomes dense if `dense` says so or it grows too large.
    ///
    /// # Errors
    /// [`Invalid::Corrupt`].
    pub fn raise_all(
        &mut self,
        all: &Registers,
        dense: bool,
        sparse_bytes_max: usize,
    ) -> Result<(), Invalid> {
        if dense {
            self.to_dense()?;
        }
        for (index, value) in all.iter().enumerate().filter(|(_, value)| **value > 0) {
            if self.view().encoding() == Encoding::Dense {
                pack(all, self.dense_mut());
                break;
            }
            self.raise(index, *value, sparse_bytes_max)?;
        }
        Ok(())
    }

    /// Says that the cached count no longer holds.
    pub fn set_stale(&mut self) {
        self.0[STALE_AT] |= STALE;
    }

    /// Caches the count.
    pub fn set_cached(&mut self, count: u64) {
        self.0[CACHE_AT..HEADER_BYTES].copy_from_slice(&count.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structures::width::Width;

    fn random(seed: &mut u64) -> u64 {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        *seed
    }

    fn below(seed: &mut u64, limit: u64) -> usize {
        usize::try_from(random(seed) % limit).unwrap()
    }

    #[test]
    fn every_width_gives_what_single_registers_give() {
        let mut seed = 3;
        for step in 0..12 {
            let limit = [64, 20, 2, 1][step % 4];
            let mut registers: Registers =
                std::array::from_fn(|_| below(&mut seed, limit).try_into().unwrap());
            registers[below(&mut seed, 16_384)] = 63;
            let mut packed = [0; DENSE_BYTES];
            for (index, value) in registers.iter().enumerate() {
                dense::set(&mut packed, index, 63 - value);
                dense::set(&mut packed, index, *value);
            }
            let mut histogram = [0; 64];
            for (index, value) in registers.iter().enumerate() {
                assert_eq!(dense::get(&packed, index), *value, "step={step} {index}");
                histogram[usize::from(*value)] += 1;
            }
            let other: Registers =
                std::array::from_fn(|_| below(&mut seed, limit).try_into().unwrap());
            for width in Width::available() {
                let mut unpacked = [0; REGISTERS];
                unpack_at(width, &packed, &mut unpacked);
                assert!(unpacked == registers, "step={step} {width:?}");
                let mut again = [0xa5; DENSE_BYTES];
                pack_at(width, &registers, &mut again);
                assert!(again == packed, "step={step} {width:?}");
                assert_eq!(histogram_at(width, &registers), histogram, "step={step} {width:?}");
                let mut both = registers;
                maximum_at(width, &mut both, &other);
                for index in 0..REGISTERS {
                    assert_eq!(both[index], registers[index].max(other[index]), "step={step}");
                }
            }
        }
    }

    /// A sparse sketch against one that was dense from the start.
    #[test]
    fn sparse_and_dense_agree() {
        for seed in 1..16_u64 {
            let mut state = seed;
            let bytes_max = [20, 100, 3_000, 15_000][below(&mut state, 4)];
            let (mut sparse, mut dense) = (Sketch::default(), Sketch::default());
            dense.to_dense().expect("an empty one is sound");
            for step in 0..600 {
                let index = below(&mut state, if seed % 2 == 0 { 64 } else { 16_384 });
                let value = u8::try_from(1 + below(&mut state, 40)).unwrap();
                let a = sparse.raise(index, value, bytes_max);
                let b = dense.raise(index, value, bytes_max);
                assert_eq!(a, b, "seed={seed} step={step} {index} {value}");
                let long = sparse.bytes().len() > bytes_max.max(18);
                assert!(sparse.view().encoding() == Encoding::Dense || !long, "seed={seed}");
                if step % 97 != 0 {
                    continue;
                }
                let (mut a, mut b) = ([0; REGISTERS], [0; REGISTERS]);
                sparse.view().merge_into(&mut a).expect("sound");
                dense.view().merge_into(&mut b).expect("sound");
                assert!(a == b, "seed={seed} step={step} {index} {value}");
                assert_eq!(sparse.view().count(), dense.view().count());
            }
        }
    }

    #[test]
    fn strings_that_are_no_sketches() {
        let good = Sketch::default();
        assert_eq!(good.bytes(), b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\0\x7f\xff");
        let mut bytes = good.bytes().to_vec();
        bytes[4] = 2;
        let short_dense = [b"HYLL\0", &[0; HEADER_BYTES + DENSE_BYTES - 6][..]].concat();
        for bad in
            [&b""[..], b"HYLL", b"HYLX\x01\0\0\0\0\0\0\0\0\0\0\0\x7f\xff", &bytes, &short_dense]
        {
            assert_eq!(View::new(bad).map(|_| ()), Err(Invalid::NotASketch));
        }
        // Runs that end early, go on too long, or are cut.
        for runs in [&b"\x7f\xfe"[..], b"\x7f\xff\0", b"\x80", b"", b"\x7f", b"\x7f\xfe\x83"] {
            let mut bytes = good.bytes()[..HEADER_BYTES].to_vec();
            bytes.extend_from_slice(runs);
            let view = View::new(&bytes).expect("the header is sound");
            assert_eq!(view.count(), Err(Invalid::Corrupt), "{runs:?}");
            assert_eq!(view.merge_into(&mut [0; REGISTERS]), Err(Invalid::Corrupt), "{runs:?}");
            assert_eq!(Sketch::from(view).to_dense(), Err(Invalid::Corrupt), "{runs:?}");
        }
    }

    #[test]
    fn hashes_are_those_of_redis() {
        // PFADD of one element into an empty sketch, as redis-server 7.0.15 stores it.
        for (element, runs) in [("a", "Z:12711 v:2,1 Z:3672"), ("", "Z:5938 v:2,1 Z:10445")] {
            let mut sketch = Sketch::default();
            assert_eq!(sketch.add(element.as_bytes(), 3_000), Ok(true));
            assert_eq!(sketch.view().decoded().as_deref(), Some(runs), "{element}");
        }
    }

    #[test]
    fn additions_agree_for_generated_bytes() {
        let mut seed = 23;
        for step in 0..60 {
            let len = below(&mut seed, 40);
            let mut bytes: Vec<u8> =
                (0..len + 2).map(|_| random(&mut seed).to_le_bytes()[0]).collect();
            if step % 2 == 0 {
                // Mostly sound: long zeros up to the last register.
                bytes.truncate(2);
                bytes.extend_from_slice(&[0x80 | 5 << 2, 0x7f, 0xfe]);
            }
            properties::additions_agree_with_dense(&bytes);
        }
    }

    #[test]
    fn the_self_test_passes() {
        assert_eq!(self_test(7), Ok(()));
    }
}
