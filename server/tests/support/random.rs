//! A small seeded random generator, so that a failing test can be run again.
//!
//! Why it exists: the tests need repeatable choices and no more; SplitMix64 (Steele, Lea and
//! Flood, 2014) is a dozen lines and passes BigCrush. Not for secrets.

/// SplitMix64.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// A generator that repeats its numbers for the same seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 random bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number in `0..limit`; the bias is below 2^-50 for the limits used here.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        assert!(limit > 0, "nothing is below zero");
        let limit = u64::try_from(limit).expect("usize fits u64");
        usize::try_from(self.next() % limit).expect("smaller than a usize")
    }

    /// True once in `one_in` calls on average.
    pub(crate) fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }

    /// One of `items`.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}
