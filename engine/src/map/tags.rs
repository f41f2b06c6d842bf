//! Which slots of a bucket carry a tag: the SIMD half of a lookup.
//!
//! Why it exists: one comparison answers for eight slots, so that a miss costs no visit to a
//! record (a 16-bit tag errs once in 9,000 buckets). The wide form and its scalar twin are
//! checked against each other on random words.

#[cfg(not(loom))]
use wide::CmpEq;

use super::bucket::SLOTS;
use super::word::Word;

/// Positions of the words whose tag is `tag`, in order. Empty and special words may be among
/// them; the caller looks at the word anyway.
#[inline]
pub(super) fn matching(words: &[Word; SLOTS], tag: u16) -> Positions {
    #[cfg(not(loom))]
    return Positions(mask_wide(words, tag));
    #[cfg(loom)]
    return Positions(mask_scalar(words, tag));
}

/// Iterates over set bits.
#[derive(Debug)]
pub(super) struct Positions(u32);

impl Iterator for Positions {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let position = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some(position)
    }
}

/// All eight tags against one, in one 128-bit comparison.
#[cfg(not(loom))]
#[inline]
fn mask_wide(words: &[Word; SLOTS], tag: u16) -> u32 {
    let tags: [i16; SLOTS] = std::array::from_fn(|i| words[i].tag().cast_signed());
    let equal = wide::i16x8::new(tags).cmp_eq(wide::i16x8::splat(tag.cast_signed()));
    equal.move_mask().cast_unsigned()
}

/// The same, one by one.
#[cfg(any(loom, test))]
fn mask_scalar(words: &[Word; SLOTS], tag: u16) -> u32 {
    words.iter().enumerate().fold(0, |mask, (i, w)| mask | u32::from(w.tag() == tag) << i)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_wide_form_agrees_with_its_scalar_twin() {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        for step in 0..10_000 {
            let words: [Word; SLOTS] = std::array::from_fn(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                Word::record(u16::try_from(seed >> 62).unwrap() << 14, 64)
            });
            for tag in [0, 1 << 14, 2 << 14, 3 << 14] {
                assert_eq!(mask_wide(&words, tag), mask_scalar(&words, tag), "step={step}");
            }
        }
    }
}
