//! Lengths of blocks, and what the allocator takes for them.

use crate::structures::cow::CowVec;

/// The longest block. Positions must fit into twelve bits.
pub(super) const BLOCK_MAX: usize = CowVec::<u8>::capacity_within(4096);
/// Lengths of blocks: what fits into the allocator's size classes, so that nothing is lost to
/// rounding.
const LADDER: [usize; 17] = {
    let mut lengths = [
        256, 320, 384, 448, 512, 640, 768, 896, 1024, 1280, 1536, 1792, 2048, 2560, 3072, 3584,
        4096,
    ];
    let mut at = 0;
    while at < lengths.len() {
        lengths[at] = CowVec::<u8>::capacity_within(lengths[at]);
        at += 1;
    }
    lengths
};

/// The smallest block for that many bytes.
pub(super) fn block_len(bytes: usize) -> usize {
    LADDER[LADDER.partition_point(|&len| len < bytes).min(LADDER.len() - 1)]
}

/// Bytes the allocator takes for `bytes`: four classes per doubling, as jemalloc has them.
pub(super) fn size_class(bytes: usize) -> usize {
    match bytes {
        0 => 0,
        1..=8 => 8,
        9..=128 => bytes.next_multiple_of(16),
        _ => bytes.next_multiple_of(1 << ((bytes - 1).ilog2() - 2)),
    }
}
