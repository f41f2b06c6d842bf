//! How large a block of a list may be: `list-max-listpack-size` as Redis 7.2 reads it.
//!
//! Why it exists: the limit decides what OBJECT ENCODING answers, so its corner cases (sizes that
//! count the header of a listpack which is not kept in memory, limits by count that are limits by
//! size as well) are an interface. They are in this file alone.

use super::block::Block;
use crate::structures::listpack::Listpack;

/// Header and end byte of a listpack in Redis; its sizes count them.
const LISTPACK_FRAME_BYTES: usize = 7;
/// What Redis reckons with for an entry's encoding and back-length.
const ENTRY_OVERHEAD_BYTES: usize = 8;
/// A block limited by count is limited to this size too.
const BYTES_SAFE_MAX: usize = 8 * 1024;

/// The largest block of a list.
///
/// # Examples
/// ```
/// use engine::structures::quicklist::BlockLimit;
///
/// let by_size = BlockLimit::from_setting(-2);
/// assert!(!by_size.exceeded_by(8192, 1_000_000));
/// assert!(by_size.exceeded_by(8193, 1));
/// let by_count = BlockLimit::from_setting(128);
/// assert!(by_count.exceeded_by(500, 129));
/// assert!(by_count.exceeded_by(8193, 1));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BlockLimit {
    /// At most so many bytes, counted as Redis counts them.
    Bytes(usize),
    /// At most so many entries, and not more than 8 KiB.
    Count(usize),
}

impl BlockLimit {
    /// Reads the setting: a number of entries, or -1 to -5 for 4, 8, 16, 32 and 64 KiB. Zero is
    /// one entry, and what is below -5 is -5.
    #[must_use]
    pub fn from_setting(list_size_max: i64) -> Self {
        match list_size_max {
            ..=-5 => Self::Bytes(64 * 1024),
            -4 => Self::Bytes(32 * 1024),
            -3 => Self::Bytes(16 * 1024),
            -2 => Self::Bytes(8 * 1024),
            -1 => Self::Bytes(4 * 1024),
            0 => Self::Count(1),
            count => Self::Count(usize::try_from(count).unwrap_or(usize::MAX)),
        }
    }

    /// Whether a block of `bytes` (as [`BlockLimit::framed`]) and `count` entries is too large.
    #[must_use]
    #[inline]
    pub fn exceeded_by(self, bytes: usize, count: usize) -> bool {
        match self {
            Self::Bytes(bytes_max) => bytes > bytes_max,
            Self::Count(count_max) => bytes > BYTES_SAFE_MAX || count > count_max,
        }
    }

    /// Whether a quicklist of one such block becomes a listpack again. `shrinking` asks for half
    /// the limit, so that a list at the limit does not flap between the two.
    #[must_use]
    pub fn fits_listpack(self, bytes: usize, count: usize, shrinking: bool) -> bool {
        let share = if shrinking { 2 } else { 1 };
        match self {
            Self::Bytes(bytes_max) => bytes <= bytes_max / share,
            Self::Count(count_max) => count <= count_max / share,
        }
    }

    /// Size of a listpack as Redis counts it.
    #[must_use]
    #[inline]
    pub fn framed(block: Listpack<'_>) -> usize {
        Self::with_frame(block.bytes_len())
    }

    /// The same of its entries' bytes.
    #[inline]
    pub(super) const fn with_frame(bytes_len: usize) -> usize {
        bytes_len + LISTPACK_FRAME_BYTES
    }

    /// Whether an element of `len` bytes gets a block of its own.
    #[must_use]
    #[inline]
    pub fn is_large(self, len: usize) -> bool {
        len > self.bytes_max()
    }

    /// Whether an element of `len` bytes may join `block`.
    #[must_use]
    #[inline]
    pub(super) fn admits(self, block: &Block, len: usize) -> bool {
        let bytes = Self::with_frame(block.bytes_len()) + len + ENTRY_OVERHEAD_BYTES;
        !self.exceeded_by(bytes, block.len() + 1) && !self.is_large(len)
    }

    /// Whether two neighbours may become one.
    pub(super) fn admits_both(self, first: &Block, second: &Block) -> bool {
        let bytes = Self::with_frame(first.bytes_len()) + second.bytes_len();
        !self.exceeded_by(bytes, first.len() + second.len())
    }

    /// The size that no block of several entries should exceed.
    #[inline]
    pub(super) fn bytes_max(self) -> usize {
        match self {
            Self::Bytes(bytes_max) => bytes_max,
            Self::Count(_) => BYTES_SAFE_MAX,
        }
    }
}
