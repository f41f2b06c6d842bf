//! A block of a list: a listpack, or one that is compressed where it is seldom looked at.
//!
//! Why it exists: nearly all reads and edits of a long list are at its ends. `list-compress-depth`
//! trades the time of the others for memory, as in Redis, by Redis's rules: LZF, nothing shorter
//! than 48 bytes, and only where it saves enough. The number of entries and of their bytes stay
//! readable, so that finding an index or a place for an element expands nothing. Not for deciding
//! which blocks: that is `depth`.
//!
//! Invariants
//! - K1: `lzf` is what `compress` made of the entries of a listpack: `count` entries of
//!   `bytes_len` bytes in all. It never changes: an edit replaces it by the listpack.

use std::borrow::Cow;

use crate::structures::cow::CowVec;
use crate::structures::listpack::{Listpack, ListpackBuf};
use crate::structures::lzf::{compress, decompress};

/// Shorter blocks stay as they are, and those of which no more would be saved (Redis's
/// `MIN_COMPRESS_BYTES` and `MIN_COMPRESS_IMPROVE`).
const COMPRESSED_FROM_BYTES: usize = 48;
const SAVED_BYTES_MIN: usize = 8;

/// See the module. A clone shares the bytes until one of the two is edited.
#[derive(Clone, Debug)]
pub(super) enum Block {
    /// Compressed entries.
    Compressed { lzf: CowVec<u8>, count: u32, bytes_len: u32 },
    /// Entries as they are.
    Plain(ListpackBuf),
}

const _: () = assert!(size_of::<Block>() == size_of::<ListpackBuf>(), "headers are 32 bytes");

impl Block {
    /// Number of entries.
    #[inline]
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Compressed { count, .. } => *count as usize,
            Self::Plain(block) => block.len(),
        }
    }

    /// Bytes of all entries, expanded.
    #[inline]
    pub(super) fn bytes_len(&self) -> usize {
        match self {
            Self::Compressed { bytes_len, .. } => *bytes_len as usize,
            Self::Plain(block) => block.bytes_len(),
        }
    }

    /// Heap bytes.
    #[inline]
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::Compressed { lzf, .. } => lzf.heap_bytes(),
            Self::Plain(block) => block.memory(),
        }
    }

    pub(super) fn is_compressed(&self) -> bool {
        matches!(self, Self::Compressed { .. })
    }

    /// The entries, for reading. Cost: O(1), or O(bytes) and an allocation if compressed.
    #[inline]
    pub(super) fn open(&self) -> Opened<'_> {
        match self {
            Self::Compressed { lzf, count, bytes_len } => {
                Opened { count: *count as usize, entries: expand(lzf, *bytes_len) }
            }
            Self::Plain(block) => {
                let view = block.as_ref();
                Opened { count: view.len(), entries: Cow::Borrowed(view.entries()) }
            }
        }
    }

    /// The listpack, for editing. Cost: as [`Block::open`].
    #[inline]
    pub(super) fn plain_mut(&mut self) -> &mut ListpackBuf {
        if self.is_compressed() {
            let plain = Self::Plain(ListpackBuf::from(self.open().as_ref()));
            *self = plain;
        }
        match self {
            Self::Compressed { .. } => unreachable!("it has just been expanded"),
            Self::Plain(block) => block,
        }
    }

    /// The same, of a block that is no longer needed.
    pub(super) fn into_plain(mut self) -> ListpackBuf {
        std::mem::take(self.plain_mut())
    }

    /// Becomes compressed, if that is worth it. Cost: O(bytes).
    pub(super) fn compress(&mut self) {
        let Self::Plain(block) = self else { return };
        let entries = block.as_ref().entries();
        if entries.len() < COMPRESSED_FROM_BYTES {
            return;
        }
        let Some(packed) = compress(entries, entries.len() - SAVED_BYTES_MIN) else { return };
        let mut lzf = CowVec::with_capacity(packed.len());
        lzf.unshare().extend_from_slice(&packed);
        let narrow = |len| u32::try_from(len).expect("a block has fewer than 2^32 bytes");
        *self =
            Self::Compressed { lzf, count: narrow(block.len()), bytes_len: narrow(entries.len()) };
    }
}

#[cold]
fn expand<'a>(lzf: &[u8], bytes_len: u32) -> Cow<'a, [u8]> {
    let expanded = decompress(lzf, bytes_len as usize);
    Cow::Owned(expanded.expect("compressed here, and not changed since (K1)"))
}

/// A block's entries: the block's own, or a copy if that is compressed.
#[derive(Clone, Debug)]
pub struct Opened<'a> {
    count: usize,
    entries: Cow<'a, [u8]>,
}

impl Opened<'_> {
    /// For reading.
    #[must_use]
    #[inline]
    pub fn as_ref(&self) -> Listpack<'_> {
        Listpack::from_entries(self.count, &self.entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&[u8]]) -> Block {
        let mut block = ListpackBuf::new();
        values.iter().for_each(|value| block.push_back(value));
        Block::Plain(block)
    }

    /// A string of 44 bytes takes 46, of 46 bytes 48.
    #[test]
    fn short_blocks_and_those_that_do_not_shrink_stay_plain() {
        for (len, want) in [(44, false), (45, false), (46, true), (60, true)] {
            let mut block = of(&[&vec![b'x'; len]]);
            block.compress();
            assert_eq!(block.is_compressed(), want, "{len}");
        }
        let mut state = 1_u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
            state.to_be_bytes()[0]
        })
        .take(1_000)
        .collect();
        let mut block = of(&[&noise]);
        block.compress();
        assert!(!block.is_compressed());
    }

    #[test]
    fn what_is_compressed_keeps_its_numbers_and_comes_back() {
        let values = [&[b'a'; 300][..], b"12345", b"", &[b'b'; 5_000]];
        let plain = of(&values);
        let mut block = plain.clone();
        block.compress();
        block.compress();
        assert!(block.is_compressed() && block.memory() < plain.memory() / 10);
        assert_eq!((block.len(), block.bytes_len()), (4, plain.bytes_len()));
        assert_eq!(block.open().as_ref().entries(), plain.open().as_ref().entries());
        let other = block.clone();
        block.plain_mut().push_back(b"more");
        assert_eq!((block.len(), block.is_compressed()), (5, false));
        assert_eq!((other.len(), other.is_compressed()), (4, true));
        let back = other.into_plain();
        assert!(back.as_ref().iter().zip(values).all(|(entry, want)| entry.eq_bytes(want)));
    }
}
