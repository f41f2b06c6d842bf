//! Bits of byte strings: counting them, finding one, combining several strings into another.
//!
//! Why it exists: BITCOUNT, BITPOS and BITOP run over strings of many megabytes, so they must go
//! as fast as memory does. Bit 0 is the highest bit of the first byte, as in Redis. Not for where
//! the bytes of a string lie: the functions take what is in one piece, the caller walks.
//!
//! The loops are written once, in `kernels`, so that the compiler can turn them into vectors;
//! `width` compiles them for each vector width and chooses one while the process runs. Each
//! width is tested against the others, and all against single bits.
//!
//! ```text
//!   byte        0               1
//!   bit         0 1 2 3 4 5 6 7 8 9 …
//!   value       80 40 20 10 …
//! ```

mod kernels;
pub mod properties;

use super::width::by_width;

by_width! {
    fn count_wide, count_at(bytes: &[u8]) -> u64 = kernels::count(bytes);
    fn first_other, first_other_at(bytes: &[u8], skipped: u8) -> Option<usize>
        = kernels::first_other(bytes, skipped);
    fn and, and_at(target: &mut [u8], source: &[u8])
        = kernels::fold(target, source, |own, other| own & other);
    fn and_pair, and_pair_at(target: &mut [u8], a: &[u8], b: &[u8])
        = kernels::pair(target, a, b, |a, b| a & b);
    fn and_not, and_not_at(target: &mut [u8], source: &[u8])
        = kernels::fold(target, source, |own, other| own & !other);
    fn and_not_pair, and_not_pair_at(target: &mut [u8], a: &[u8], b: &[u8])
        = kernels::pair(target, a, b, |a, b| a & !b);
    fn or, or_at(target: &mut [u8], source: &[u8])
        = kernels::fold(target, source, |own, other| own | other);
    fn or_pair, or_pair_at(target: &mut [u8], a: &[u8], b: &[u8])
        = kernels::pair(target, a, b, |a, b| a | b);
    fn xor, xor_at(target: &mut [u8], source: &[u8])
        = kernels::fold(target, source, |own, other| own ^ other);
    fn xor_pair, xor_pair_at(target: &mut [u8], a: &[u8], b: &[u8])
        = kernels::pair(target, a, b, |a, b| a ^ b);
    fn invert, invert_at(target: &mut [u8], source: &[u8]) = kernels::invert(target, source);
    fn count_twice, count_twice_at(target: &mut [u8], repeated: &mut [u8], source: &[u8])
        = kernels::count_twice(target, repeated, source);
}

/// How BITOP combines its sources; `x` is the first, `y` the others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Operation {
    /// Bits set in all.
    And,
    /// Bits set in `x` and in one of `y` at least.
    AndOr,
    /// Bits set in `x` and in none of `y`.
    Diff,
    /// Bits set in one of `y` at least and not in `x`.
    Diff1,
    /// Bits not set in `x`, the only source.
    Not,
    /// Bits set in exactly one.
    One,
    /// Bits set in one at least.
    Or,
    /// Bits set in an odd number.
    Xor,
}

impl Operation {
    /// Every operation with its name on the wire.
    pub const ALL: [(Self, &'static str); 8] = [
        (Self::And, "AND"),
        (Self::AndOr, "ANDOR"),
        (Self::Diff, "DIFF"),
        (Self::Diff1, "DIFF1"),
        (Self::Not, "NOT"),
        (Self::One, "ONE"),
        (Self::Or, "OR"),
        (Self::Xor, "XOR"),
    ];

    /// Its name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(operation, _)| *operation == self);
        found.map(|(_, name)| *name).expect("every operation is in the list")
    }

    /// The operation with this name, in any case.
    #[must_use]
    pub fn named(name: &[u8]) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, text)| text.as_bytes().eq_ignore_ascii_case(name));
        found.map(|(operation, _)| *operation)
    }
}

/// Number of bits set. Cost: O(len), at the speed of memory.
///
/// # Examples
/// ```
/// assert_eq!(engine::structures::bitmap::count(b"foobar"), 26);
/// ```
#[must_use]
pub fn count(bytes: &[u8]) -> u64 {
    count_wide(bytes)
}

/// Position of the first bit that is `bit`; `None` when all are the other.
///
/// Cost: O(position), at the speed of memory.
///
/// # Examples
/// ```
/// use engine::structures::bitmap::first;
/// assert_eq!(first(b"\x00\x0f", true), Some(12));
/// assert_eq!(first(b"\xff\xff", false), None);
/// ```
#[must_use]
pub fn first(bytes: &[u8], bit: bool) -> Option<u64> {
    let skipped = if bit { 0 } else { 0xff };
    let at = first_other(bytes, skipped)?;
    let inside = (bytes[at] ^ skipped).leading_zeros();
    Some(at as u64 * 8 + u64::from(inside))
}

/// Bytes of the target that all sources pass over before the next: they stay in the first cache.
const BLOCK_BYTES: usize = 8 * 1024;

/// Fills `target` with the combination of `sources`, which are zero beyond their ends.
///
/// Cost: O(sources * target), at the speed of memory.
///
/// # Panics
/// If there are no sources.
///
/// # Examples
/// ```
/// use engine::structures::bitmap::{Operation, combine};
/// let mut target = [0; 3];
/// combine(Operation::Or, &[b"\x01\x02\x03", b"\x10"], &mut target);
/// assert_eq!(target, [0x11, 0x02, 0x03]);
/// ```
pub fn combine(operation: Operation, sources: &[&[u8]], target: &mut [u8]) {
    let mut repeated = [0; BLOCK_BYTES];
    for (index, block) in target.chunks_mut(BLOCK_BYTES).enumerate() {
        let from = index * BLOCK_BYTES;
        let to = from + block.len();
        let parts = sources.iter().map(|source| {
            let end = to.min(source.len());
            &source[from.min(end)..end]
        });
        combine_block(operation, parts, block, &mut repeated);
    }
}

/// One block. `repeated` is room for the bits seen more than once.
///
/// The first two sources are joined into the target at once: with two, which is the usual case,
/// that is one pass over memory.
fn combine_block<'a>(
    operation: Operation,
    mut parts: impl Iterator<Item = &'a [u8]>,
    target: &mut [u8],
    repeated: &mut [u8; BLOCK_BYTES],
) {
    let x = parts.next().expect("BITOP has a source at least");
    if operation == Operation::Not {
        invert(target, x);
        return;
    }
    let Some(y) = parts.next() else {
        // Without a `y`, no bit is in one.
        let none = matches!(operation, Operation::AndOr | Operation::Diff1);
        let (own, rest) = target.split_at_mut(if none { 0 } else { x.len() });
        own.copy_from_slice(&x[..own.len()]);
        rest.fill(0);
        return;
    };
    match operation {
        Operation::And => {
            and_pair(target, x, y);
            for part in parts {
                and(target, part);
                target[part.len()..].fill(0);
            }
        }
        Operation::Diff => {
            and_not_pair(target, x, y);
            parts.for_each(|part| and_not(target, part));
        }
        Operation::Or => {
            or_pair(target, x, y);
            parts.for_each(|part| or(target, part));
        }
        Operation::Xor => {
            xor_pair(target, x, y);
            parts.for_each(|part| xor(target, part));
        }
        Operation::AndOr => {
            let first = parts.next().unwrap_or_default();
            or_pair(target, y, first);
            parts.for_each(|part| or(target, part));
            and(target, x);
            target[x.len()..].fill(0);
        }
        Operation::Diff1 => {
            and_not_pair(target, y, x);
            for part in parts {
                let kept = &mut repeated[..part.len()];
                and_not_pair(kept, part, &x[..x.len().min(part.len())]);
                or(target, kept);
            }
        }
        Operation::One => {
            let repeated = &mut repeated[..target.len()];
            xor_pair(target, x, y);
            and_pair(repeated, x, y);
            parts.for_each(|part| count_twice(target, repeated, part));
            and_not(target, repeated);
        }
        Operation::Not => unreachable!("done above"),
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

    fn bytes(seed: &mut u64, len: usize) -> Vec<u8> {
        (0..len).map(|_| random(seed).to_le_bytes()[0]).collect()
    }

    #[test]
    fn counts_and_positions_at_every_alignment_and_length() {
        let mut seed = 7;
        let whole = bytes(&mut seed, 700);
        for start in 0..64 {
            for len in 0..600 {
                let part = &whole[start..start + len];
                let want: u64 = part.iter().map(|byte| u64::from(byte.count_ones())).sum();
                assert_eq!(count(part), want, "start={start} len={len}");
            }
        }
        for skipped in [0_u8, 0xff] {
            let mut whole = vec![skipped; 700];
            for start in 0..64 {
                for len in 0..600 {
                    assert_eq!(first(&whole[start..start + len], skipped == 0), None);
                }
                for at in (0..600 * 8).step_by(5) {
                    let byte = start + at / 8;
                    whole[byte] ^= 0x80 >> (at % 8);
                    let found = first(&whole[start..], skipped == 0);
                    assert_eq!(found, Some(at as u64), "start={start}");
                    whole[byte] = skipped;
                }
            }
        }
    }

    #[test]
    fn bitmaps_agree_with_single_bits() {
        let mut seed = 11;
        for step in 0..400_u64 {
            let limit = if step % 20 == 0 { 60_000 } else { 600 };
            let len = usize::try_from(random(&mut seed) % limit).expect("small");
            properties::bitmaps_agree_with_single_bits(&bytes(&mut seed, len));
        }
    }

    #[test]
    fn every_width_gives_the_same() {
        let mut seed = 13;
        for step in 0..300_u64 {
            let len = usize::try_from(random(&mut seed) % 700).expect("small");
            let (a, b) = (bytes(&mut seed, len), bytes(&mut seed, len));
            let skipped = a.first().copied().unwrap_or_default();
            let mut first = None;
            for width in Width::available() {
                let mut all = vec![];
                let folds = [and_at, and_not_at, or_at, xor_at];
                for fold in folds {
                    let mut target = a.clone();
                    fold(width, &mut target, &b);
                    all.push(target);
                }
                for pair in [and_pair_at, and_not_pair_at, or_pair_at, xor_pair_at] {
                    let mut target = vec![0xa5; len + 9];
                    pair(width, &mut target, &a, &b[..len / 2]);
                    all.push(target.clone());
                    pair(width, &mut target, &a[..len / 3], &b);
                    all.push(target);
                }
                let mut target = vec![0; len + 3];
                invert_at(width, &mut target, &a);
                all.push(target);
                let (mut target, mut repeated) = (a.clone(), b.clone());
                count_twice_at(width, &mut target, &mut repeated, &b);
                all.extend([target, repeated]);
                let found = (count_at(width, &a), first_other_at(width, &a, skipped), all);
                let want = first.get_or_insert_with(|| found.clone());
                assert_eq!(&found, want, "step={step} {width:?}");
            }
        }
    }
}
