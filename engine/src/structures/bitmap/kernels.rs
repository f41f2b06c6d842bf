//! The loops of the bitmap functions, in the portable form.
//!
//! Why it exists: the compiler makes vectors of these loops, of whatever width it may use where
//! they are inlined; so they are written once and compiled several times, by [`super::wide`].
//! Whoever changes one looks at the benchmark, which shows a loop that is no longer vectorised.

/// Bytes between two looks at whether the search has ended.
const STRIDE: usize = 256;

/// Number of bits set.
#[inline(always)]
pub(super) fn count(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let sum: u64 = words.iter().map(|word| u64::from(u64::from_le_bytes(*word).count_ones())).sum();
    sum + rest.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>()
}

/// Position of the first byte that is not `skipped`.
#[inline(always)]
pub(super) fn first_other(bytes: &[u8], skipped: u8) -> Option<usize> {
    let (strides, _) = bytes.as_chunks::<STRIDE>();
    let differs =
        |stride: &[u8; STRIDE]| stride.iter().fold(0, |all, byte| all | (byte ^ skipped)) != 0;
    let start = strides.iter().position(differs).unwrap_or(strides.len()) * STRIDE;
    bytes[start..].iter().position(|byte| *byte != skipped).map(|at| start + at)
}

/// `target[i] = change(target[i], source[i])` as far as both go.
#[inline(always)]
pub(super) fn fold(target: &mut [u8], source: &[u8], change: impl Fn(u8, u8) -> u8) {
    for (own, other) in target.iter_mut().zip(source) {
        *own = change(*own, *other);
    }
}

/// `target[i] = join(a[i], b[i])`, where what is behind the end of either is zero.
#[inline(always)]
pub(super) fn pair(target: &mut [u8], a: &[u8], b: &[u8], join: impl Fn(u8, u8) -> u8) {
    let both = a.len().min(b.len());
    let (body, tail) = target.split_at_mut(both);
    let (a, a_tail) = a.split_at(both);
    let (b, b_tail) = b.split_at(both);
    for ((own, a), b) in body.iter_mut().zip(a).zip(b) {
        *own = join(*a, *b);
    }
    tail.fill(join(0, 0));
    for (own, a) in tail.iter_mut().zip(a_tail) {
        *own = join(*a, 0);
    }
    for (own, b) in tail.iter_mut().zip(b_tail) {
        *own = join(0, *b);
    }
}

/// `target[i] = !source[i]`, where what is behind the end of the source is zero.
#[inline(always)]
pub(super) fn invert(target: &mut [u8], source: &[u8]) {
    let (body, tail) = target.split_at_mut(source.len());
    for (own, source) in body.iter_mut().zip(source) {
        *own = !*source;
    }
    tail.fill(0xff);
}

/// `target` has the bits seen an odd number of times, `repeated` those seen twice and more.
#[inline(always)]
pub(super) fn count_twice(target: &mut [u8], repeated: &mut [u8], source: &[u8]) {
    for ((own, twice), other) in target.iter_mut().zip(repeated).zip(source) {
        *twice |= *own & *other;
        *own ^= *other;
    }
}
