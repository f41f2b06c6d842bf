//! The estimator: from a histogram of register values to a count.
//!
//! Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", 2017, algorithm
//! 6. The operations and their order are Redis's, so that the numbers are the same to the last.

use super::{Histogram, PATTERN_BITS, REGISTERS};

/// 1 / (2 ln 2).
const ALPHA: f64 = 0.721_347_520_444_481_7;

/// Corrects for registers that are still zero.
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

/// Corrects for registers that are at their maximum.
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

/// Estimated number of distinct elements.
#[expect(clippy::cast_possible_truncation, reason = "below 2^64, and saturating")]
#[expect(clippy::cast_sign_loss, reason = "never negative")]
pub(super) fn count(histogram: &Histogram) -> u64 {
    let registers = REGISTERS as f64;
    let (all, rest) = (usize::try_from(PATTERN_BITS).expect("small"), &histogram[1..]);
    let mut z = registers * tau((registers - f64::from(rest[all])) / registers);
    for number in rest[..all].iter().rev() {
        z = (z + f64::from(*number)) * 0.5;
    }
    z += registers * sigma(f64::from(histogram[0]) / registers);
    (ALPHA * registers * registers / z).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edges_are_finite() {
        let mut histogram = [0; 64];
        histogram[0] = 16_384;
        assert_eq!(count(&histogram), 0);
        histogram[0] = 16_383;
        histogram[1] = 1;
        assert_eq!(count(&histogram), 1);
        // What redis-server 7.0.15 says when every register is at its maximum.
        histogram = [0; 64];
        histogram[51] = 16_384;
        assert!(count(&histogram) > 1 << 60);
    }
}
