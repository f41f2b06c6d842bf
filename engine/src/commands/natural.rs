//! Natural numbers of any size: just what exact decimal conversion needs.
//!
//! Why it exists: INCRBYFLOAT must round as Redis's `long double` does, up to 10^4932, and the
//! correctly rounded answer needs exact intermediate numbers. Not a general big-number library:
//! numbers have at most a few hundred limbs and every operation is the schoolbook one.
//!
//! Invariants
//! - N1: the last limb is not zero; zero has no limbs.

use std::cmp::Ordering;

/// A natural number, least significant limb first.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Natural {
    limbs: Vec<u32>,
}

impl Natural {
    /// Reads digits of base `base` (at most 16); `digits` holds their values.
    pub(super) fn from_digits(digits: impl IntoIterator<Item = u8>, base: u32) -> Self {
        let mut number = Self::default();
        for digit in digits {
            number.multiply_add(base, u32::from(digit));
        }
        number
    }

    /// `self * factor + addend`, in place.
    pub(super) fn multiply_add(&mut self, factor: u32, addend: u32) {
        let mut carry = addend;
        for limb in &mut self.limbs {
            let product = u64::from(*limb) * u64::from(factor) + u64::from(carry);
            (*limb, carry) = (low(product), high(product));
        }
        if carry != 0 {
            self.limbs.push(carry);
        }
    }

    /// Multiplies by `10^power`.
    pub(super) fn scale_ten(&mut self, power: u32) {
        for _ in 0..power / 9 {
            self.multiply_add(1_000_000_000, 0);
        }
        self.multiply_add(10_u32.pow(power % 9), 0);
    }

    /// Shifts left, in place.
    pub(super) fn shift_left(&mut self, bits: usize) {
        if self.limbs.is_empty() {
            return;
        }
        self.multiply_add(1 << (bits % 32), 0);
        self.limbs.splice(0..0, std::iter::repeat_n(0, bits / 32));
    }

    fn shift_right_one(&mut self) {
        let mut carry = 0;
        for limb in self.limbs.iter_mut().rev() {
            let shifted = *limb >> 1 | carry << 31;
            carry = *limb & 1;
            *limb = shifted;
        }
        self.trim();
    }

    fn trim(&mut self) {
        while self.limbs.last() == Some(&0) {
            self.limbs.pop();
        }
    }

    /// Number of bits; 0 for zero.
    pub(super) fn bits(&self) -> usize {
        self.limbs.last().map_or(0, |last| {
            self.limbs.len() * 32 - usize::try_from(last.leading_zeros()).expect("at most 32")
        })
    }

    /// The highest 128 bits as a number, how far they were shifted down, and whether any bit
    /// below them is set.
    pub(super) fn top(&self) -> (u128, usize, bool) {
        let dropped = self.bits().saturating_sub(128);
        let (first, offset) = (dropped / 32, dropped % 32);
        let mut value: u128 = 0;
        for (index, limb) in self.limbs[first..].iter().enumerate() {
            let position = index * 32;
            let limb = u128::from(*limb);
            value |= if position < offset { limb >> offset } else { limb << (position - offset) };
        }
        let below = self.limbs[..first].iter().any(|limb| *limb != 0);
        let partial = offset > 0 && self.limbs[first] & ((1 << offset) - 1) != 0;
        (value, dropped, below || partial)
    }

    /// `self / divisor`, where the quotient has at most 128 bits, and whether there is a rest.
    pub(super) fn divide(mut self, mut divisor: Self) -> (u128, bool) {
        let steps = (self.bits() + 1).saturating_sub(divisor.bits());
        assert!(steps <= 128, "the quotient must fit");
        divisor.shift_left(steps);
        let mut quotient = 0;
        for _ in 0..steps {
            divisor.shift_right_one();
            quotient <<= 1;
            if self.compare(&divisor) != Ordering::Less {
                self.subtract(&divisor);
                quotient |= 1;
            }
        }
        (quotient, !self.limbs.is_empty())
    }

    fn compare(&self, other: &Self) -> Ordering {
        let lengths = self.limbs.len().cmp(&other.limbs.len());
        lengths.then_with(|| self.limbs.iter().rev().cmp(other.limbs.iter().rev()))
    }

    /// `self - other`, in place; `other` is not greater.
    fn subtract(&mut self, other: &Self) {
        let mut borrow = false;
        for (index, limb) in self.limbs.iter_mut().enumerate() {
            let right = other.limbs.get(index).copied().unwrap_or(0);
            let (difference, first) = limb.overflowing_sub(right);
            let (difference, second) = difference.overflowing_sub(u32::from(borrow));
            (*limb, borrow) = (difference, first || second);
        }
        assert!(!borrow, "the subtrahend is not greater");
        self.trim();
    }

    /// Decimal digits.
    pub(super) fn into_decimal(mut self) -> String {
        let mut groups = Vec::new();
        while !self.limbs.is_empty() {
            let mut rest: u32 = 0;
            for limb in self.limbs.iter_mut().rev() {
                let whole = u64::from(rest) << 32 | u64::from(*limb);
                *limb = low(whole / 1_000_000_000);
                rest = low(whole % 1_000_000_000);
            }
            groups.push(rest);
            self.trim();
        }
        let mut text = groups.pop().unwrap_or(0).to_string();
        for group in groups.iter().rev() {
            text.push_str(&format!("{group:09}"));
        }
        text
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
const fn low(number: u64) -> u32 {
    number as u32
}

const fn high(number: u64) -> u32 {
    low(number >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn natural(text: &str) -> Natural {
        Natural::from_digits(text.bytes().map(|digit| digit - b'0'), 10)
    }

    #[test]
    fn decimals_survive() {
        for text in ["0", "1", "4294967296", "340282366920938463463374607431768211456"] {
            assert_eq!(natural(text).into_decimal(), text);
        }
        let mut power = natural("1");
        power.scale_ten(40);
        assert_eq!(power.into_decimal(), format!("1{}", "0".repeat(40)));
    }

    #[test]
    fn division_is_exact() {
        let mut state: u128 = 1;
        for _ in 0..1_000 {
            state = state.wrapping_mul(0xDA94_2042_E4DD_58B5).wrapping_add(0x1405_7B7E_F767_814F);
            let (a, b) = (state.max(1), state >> 70 | 1);
            let (quotient, rest) = natural(&a.to_string()).divide(natural(&b.to_string()));
            assert_eq!((quotient, rest), (a / b, a % b != 0), "{a} / {b}");
        }
    }

    #[test]
    fn top_bits_and_the_rest() {
        let mut number = natural("5");
        number.shift_left(200);
        assert_eq!(number.bits(), 203);
        assert_eq!(number.top(), (5 << 125, 75, false));
        number.multiply_add(1, 1);
        assert_eq!(number.top(), (5 << 125, 75, true));
        assert_eq!(natural("7").top(), (7, 0, false));
    }
}
