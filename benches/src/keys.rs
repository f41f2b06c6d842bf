//! Keys, values and the order in which they are asked for.

/// Bytes of a key: `key:` and twelve digits.
pub const KEY_BYTES: usize = 16;
/// Bytes of a value.
pub const VALUE_BYTES: usize = 64;

/// A key.
pub type Key = [u8; KEY_BYTES];

/// Every value.
pub const VALUE: [u8; VALUE_BYTES] = [b'v'; VALUE_BYTES];

/// The key of a number below 10^12.
#[must_use]
pub fn key(mut number: u64) -> Key {
    let mut key = *b"key:000000000000";
    for digit in key.iter_mut().rev() {
        if number == 0 {
            break;
        }
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
    key
}

/// Pseudo-random numbers (splitmix64: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number
/// Generators", OOPSLA 2014).
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next number.
    #[expect(clippy::should_implement_trait, reason = "it has no end, so it is no iterator")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        let wide = u128::from(self.next()) * u128::from(limit);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// A fraction from 0 up to 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    pub fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// `count` keys out of `population`, uniformly.
#[must_use]
pub fn uniform(population: u64, count: usize, seed: u64) -> Vec<Key> {
    let mut random = Random(seed);
    (0..count).map(|_| key(random.below(population))).collect()
}

/// `count` keys out of `population`, the r-th most frequent in proportion to r^-0.99, by the
/// approximation of Gray et al., "Quickly Generating Billion-Record Synthetic Databases", 1994.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a distribution, not a count")]
#[expect(clippy::cast_possible_truncation, reason = "below the population")]
#[expect(clippy::cast_sign_loss, reason = "never negative")]
pub fn zipf(population: u64, count: usize, seed: u64) -> Vec<Key> {
    const THETA: f64 = 0.99;
    let zeta = |n: u64| (1..=n).map(|rank| (rank as f64).powf(-THETA)).sum::<f64>();
    let (all, two) = (zeta(population), zeta(2));
    let alpha = 1.0 / (1.0 - THETA);
    let eta = (1.0 - (2.0 / population as f64).powf(1.0 - THETA)) / (1.0 - two / all);
    let mut random = Random(seed);
    let mut draw = || {
        let u = random.fraction();
        let uz = u * all;
        if uz < 1.0 {
            0
        } else if uz < two {
            1
        } else {
            (population as f64 * (eta * u - eta + 1.0).powf(alpha)) as u64
        }
    };
    // Neighbours in rank are no neighbours in the map: the hash sees to that.
    (0..count).map(|_| key(draw().min(population - 1))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_what_they_say() {
        assert_eq!(&key(0), b"key:000000000000");
        assert_eq!(&key(20_000_001), b"key:000020000001");
    }

    #[test]
    fn zipf_prefers_few_keys_and_reaches_many() {
        let keys = zipf(10_000, 100_000, 1);
        let first = keys.iter().filter(|&&each| each == key(0)).count();
        assert!((8_000..13_000).contains(&first), "1 / zeta(10,000) is a tenth: {first}");
        let distinct: std::collections::HashSet<_> = keys.iter().collect();
        assert!(distinct.len() > 5_000, "{}", distinct.len());
    }
}
