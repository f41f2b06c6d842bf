//! Searching the arrays of a block: the SIMD half of finding a score or a tag.
//!
//! Why it exists: a block is searched on every step of a descent, and a loop that leaves early
//! pays a mispredicted branch each time. Counting the smaller scores of a few lanes at once has
//! no such branch. Each wide form has a scalar twin, and a test on random input that they agree.
//!
//! Scores are 8-byte little-endian doubles without NaN, ascending.

use wide::{CmpEq, CmpLe, CmpLt, f64x4, i8x16};

/// Bytes of a score.
pub(super) const SCORE: usize = 8;

/// How many of the ascending scores are below `score`.
#[inline]
pub(super) fn below(scores: &[u8], score: f64) -> usize {
    count(scores, |lanes| lanes.cmp_lt(f64x4::splat(score)), |one| one < score)
}

/// How many of the ascending scores are at most `score`.
#[inline]
pub(super) fn at_most(scores: &[u8], score: f64) -> usize {
    count(scores, |lanes| lanes.cmp_le(f64x4::splat(score)), |one| one <= score)
}

/// Binary search down to a few lanes, which are then compared at once.
#[inline]
fn count(scores: &[u8], wide: impl Fn(f64x4) -> f64x4, one: impl Fn(f64) -> bool) -> usize {
    /// Scores that are compared at once: two comparisons of four lanes.
    const WINDOW: usize = 8;
    let number = scores.len() / SCORE;
    let (mut from, mut left) = (0, number);
    // All before `from` count; nothing from `from + left` on does.
    while left > WINDOW {
        let half = left / 2;
        let counts = one(score_at(scores, from + half - 1));
        from += if counts { half } else { 0 };
        left -= half;
    }
    if number < WINDOW {
        return from + (0..left).take_while(|at| one(score_at(scores, from + at))).count();
    }
    // The window may begin early: what lies before `from` counts anyway.
    let start = from.min(number - WINDOW);
    let lanes = |at: usize| {
        let lanes: [f64; 4] = std::array::from_fn(|lane| score_at(scores, at + lane));
        wide(f64x4::new(lanes)).move_mask().count_ones() as usize
    };
    start + lanes(start) + lanes(start + 4)
}

/// The score at a position.
#[inline]
pub(super) fn score_at(scores: &[u8], at: usize) -> f64 {
    let bytes = &scores[at * SCORE..at * SCORE + SCORE];
    f64::from_le_bytes(bytes.try_into().expect("eight bytes"))
}

/// Positions below `len` whose tag is `tag`, in order, sixteen at a time.
///
/// `bytes` begins with the tags; what lies behind them may be read, and is left out.
#[inline]
pub(super) fn tags(bytes: &[u8], len: usize, tag: u8) -> impl Iterator<Item = usize> {
    (0..len).step_by(16).flat_map(move |start| {
        let mut lanes = [0_u8; 16];
        let end = (start + 16).min(bytes.len());
        lanes[..end - start].copy_from_slice(&bytes[start..end]);
        let mask = equal(lanes, tag) & mask_below(len - start);
        Bits(mask).map(move |lane| start + lane)
    })
}

/// One bit for each of the first `len` lanes.
#[inline]
fn mask_below(len: usize) -> u32 {
    if len >= 16 { 0xFFFF } else { (1 << len) - 1 }
}

#[inline]
fn equal(lanes: [u8; 16], tag: u8) -> u32 {
    let lanes = i8x16::new(lanes.map(u8::cast_signed));
    lanes.cmp_eq(i8x16::splat(tag.cast_signed())).move_mask().cast_unsigned()
}

/// Iterates over set bits.
struct Bits(u32);

impl Iterator for Bits {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn random(seed: &mut u64) -> u64 {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
        *seed >> 33
    }

    #[test]
    fn counting_agrees_with_one_by_one() {
        let mut seed = 7;
        for step in 0..4_000 {
            let len = random(&mut seed) % 90;
            let mut scores: Vec<f64> = (0..len)
                .map(|_| match random(&mut seed) % 40 {
                    0 => f64::INFINITY,
                    1 => f64::NEG_INFINITY,
                    2 => -0.0,
                    small => f64::from(u32::try_from(small).unwrap()) - 20.0,
                })
                .collect();
            scores.sort_by(|a, b| a.partial_cmp(b).unwrap());
            let bytes: Vec<u8> = scores.iter().flat_map(|score| score.to_le_bytes()).collect();
            for probe in [f64::NEG_INFINITY, -20.0, -3.5, 0.0, 4.0, 17.0, 30.0, f64::INFINITY] {
                let scalar = scores.iter().filter(|&&score| score < probe).count();
                assert_eq!(below(&bytes, probe), scalar, "step={step} {probe} {scores:?}");
                let scalar = scores.iter().filter(|&&score| score <= probe).count();
                assert_eq!(at_most(&bytes, probe), scalar, "step={step} {probe} {scores:?}");
            }
        }
    }

    #[test]
    fn tags_agree_with_one_by_one() {
        let mut seed = 11;
        for step in 0..4_000 {
            let len = usize::try_from(random(&mut seed) % 70).unwrap();
            let behind = usize::try_from(random(&mut seed) % 40).unwrap();
            let bytes: Vec<u8> = (0..len + behind)
                .map(|_| u8::try_from(random(&mut seed) % 4).unwrap() * 85)
                .collect();
            for tag in [0, 85, 170, 255] {
                let scalar: Vec<usize> = (0..len).filter(|&at| bytes[at] == tag).collect();
                let wide: Vec<usize> = tags(&bytes, len, tag).collect();
                assert_eq!(wide, scalar, "step={step}");
            }
        }
    }
}
