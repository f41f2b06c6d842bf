//! Which elements of a segment carry a tag: the SIMD half of a lookup.
//!
//! Why it exists: four comparisons answer for 64 elements, so that a lookup visits the element
//! it is looking for and, once in a hundred times, another one. The wide form and its scalar
//! twin are checked against each other on random tags.

use wide::u8x16;

/// Elements a segment may have: their tags fill a cache line.
pub(super) const TAGS: usize = 64;

/// Bit `i` is set where `tags[i]` is `tag`. Bits behind the last element may be set as well.
#[inline]
pub(super) fn matching(tags: &[u8; TAGS], tag: u8) -> u64 {
    let wanted = u8x16::splat(tag);
    let (chunks, _) = tags.as_chunks::<16>();
    chunks.iter().rev().fold(0, |mask, chunk| {
        let equal = u8x16::new(*chunk).cmp_eq(wanted).move_mask().cast_unsigned();
        mask << 16 | u64::from(equal)
    })
}

/// The same, one by one.
#[cfg(test)]
fn matching_scalar(tags: &[u8; TAGS], tag: u8) -> u64 {
    tags.iter().enumerate().fold(0, |mask, (i, &each)| mask | u64::from(each == tag) << i)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wide_form_agrees_with_its_scalar_twin() {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        for step in 0..10_000 {
            let tags: [u8; TAGS] = std::array::from_fn(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                u8::try_from(seed >> 62).unwrap() * 85
            });
            for tag in [0, 85, 170, 255, 1] {
                assert_eq!(matching(&tags, tag), matching_scalar(&tags, tag), "step={step}");
            }
        }
    }
}
