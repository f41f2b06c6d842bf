//! Strings above the embedding limit: chunks that versions of a value share.
//!
//! Why it exists: records are immutable, so a change to a value makes another record. For a large
//! string that must not mean a copy of the string: it is a list of chunks of 64 KiB, and a new
//! version shares the chunks that did not change. APPEND and SETRANGE copy one chunk and the list
//! (eight bytes per 64 KiB). The network sends chunks from where they lie.
//! Not for strings below [`LARGE_BYTES_MIN`]: those are embedded in their record.
//!
//! Invariants
//! - C1: every chunk but the last has exactly `CHUNK_BYTES` bytes; the last has at least one.
//! - C2: a chunk never changes once it is shared.

use std::sync::Arc;

/// Strings of this length and more are large.
pub(crate) const LARGE_BYTES_MIN: usize = CHUNK_BYTES;
const CHUNK_BYTES: usize = 64 * 1024;

/// A large string; a clone shares its chunks.
///
/// # Examples
/// ```
/// use engine::LargeString;
///
/// let hello = LargeString::from_slice(b"hello");
/// let world = hello.append(b" world");
/// assert_eq!(world.to_vec(), b"hello world");
/// assert_eq!(hello.len(), 5);
/// ```
#[derive(Clone, Debug)]
pub struct LargeString {
    len: usize,
    chunks: Arc<[Arc<[u8]>]>,
}

impl LargeString {
    /// Copies bytes into chunks.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Self {
        Self { len: bytes.len(), chunks: bytes.chunks(CHUNK_BYTES).map(Arc::from).collect() }
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The chunks, in order.
    #[must_use]
    pub fn chunks(&self) -> &[Arc<[u8]>] {
        &self.chunks
    }

    /// Makes a string of `len` bytes chunk by chunk: `fill` writes the bytes from an offset on.
    ///
    /// What the target holds when `fill` is called is undefined. Cost: O(len).
    #[must_use]
    pub fn generate(len: usize, mut fill: impl FnMut(usize, &mut [u8])) -> Self {
        let mut scratch = vec![0; CHUNK_BYTES.min(len)];
        let chunks = (0..len).step_by(CHUNK_BYTES).map(|first| {
            let part = &mut scratch[..CHUNK_BYTES.min(len - first)];
            fill(first, part);
            Arc::from(&*part)
        });
        Self { len, chunks: chunks.collect() }
    }

    /// The bytes from `offset` up to the end of their chunk; empty at and behind the end.
    ///
    /// Offsets at which one string has a new piece are those at which every other has one.
    #[must_use]
    pub fn piece_at(&self, offset: usize) -> &[u8] {
        let chunk = self.chunks.get(offset / CHUNK_BYTES);
        chunk.and_then(|chunk| chunk.get(offset % CHUNK_BYTES..)).unwrap_or_default()
    }

    /// Changes bytes within the string. Chunks that other versions share are copied first, so a
    /// series of changes copies each chunk once.
    ///
    /// # Panics
    /// If the bytes would go beyond the end.
    pub fn set_within(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        assert!(end <= self.len, "{offset}..{end} is not within {}", self.len);
        let chunks = Arc::make_mut(&mut self.chunks);
        let mut at = offset;
        while at < end {
            let inside = at % CHUNK_BYTES;
            let count = (CHUNK_BYTES - inside).min(end - at);
            let chunk = Arc::make_mut(&mut chunks[at / CHUNK_BYTES]);
            chunk[inside..inside + count].copy_from_slice(&bytes[at - offset..][..count]);
            at += count;
        }
    }

    /// A version that is at least `len` bytes long, zeros behind what there was.
    ///
    /// Cost: the last chunk and the list of chunks; chunks of zeros are one and the same.
    #[must_use]
    pub fn grown(&self, len: usize) -> Self {
        if len <= self.len {
            return self.clone();
        }
        let mut zeros: Option<Arc<[u8]>> = None;
        let chunk = |index: usize| -> Arc<[u8]> {
            let wanted = CHUNK_BYTES.min(len - index * CHUNK_BYTES);
            match self.chunks.get(index) {
                Some(old) if old.len() == wanted => Arc::clone(old),
                Some(old) => {
                    let mut new = old.to_vec();
                    new.resize(wanted, 0);
                    new.into()
                }
                None if wanted == CHUNK_BYTES => {
                    Arc::clone(zeros.get_or_insert_with(|| vec![0; CHUNK_BYTES].into()))
                }
                None => vec![0; wanted].into(),
            }
        };
        Self { len, chunks: (0..len.div_ceil(CHUNK_BYTES)).map(chunk).collect() }
    }

    /// All bytes in one piece. Cost: O(len).
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        self.range(0, self.len)
    }

    /// The bytes from `start` up to `end`. Cost: O(end - start).
    ///
    /// # Panics
    /// If the range is not within the string.
    #[must_use]
    pub fn range(&self, start: usize, end: usize) -> Vec<u8> {
        assert!(start <= end && end <= self.len, "{start}..{end} is not within {}", self.len);
        let mut bytes = Vec::with_capacity(end - start);
        while start + bytes.len() < end {
            let piece = self.piece_at(start + bytes.len());
            bytes.extend_from_slice(&piece[..piece.len().min(end - start - bytes.len())]);
        }
        bytes
    }

    /// A version with `more` behind it. Cost: O(more) and the list of chunks.
    #[must_use]
    pub fn append(&self, more: &[u8]) -> Self {
        self.write_at(self.len, more)
    }

    /// A version with `bytes` at `offset`, zeros before it where there was nothing.
    ///
    /// Cost: the chunks that are touched, and the list of chunks.
    #[must_use]
    pub fn write_at(&self, offset: usize, bytes: &[u8]) -> Self {
        let mut new = self.grown(offset + bytes.len());
        new.set_within(offset, bytes);
        new
    }

    /// Bytes of memory, shared chunks counted in full.
    #[must_use]
    pub fn memory(&self) -> usize {
        const COUNTS: usize = 2 * size_of::<usize>();
        let list = COUNTS + self.chunks.len() * (size_of::<Arc<[u8]>>() + COUNTS);
        size_of::<Self>() + list + self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every operation against a plain vector, around the chunk limits.
    #[test]
    fn writes_agree_with_a_plain_vector() {
        let around = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES];
        for len in around {
            let base: Vec<u8> = (0..=250).cycle().take(len).collect();
            let large = LargeString::from_slice(&base);
            for offset in around {
                for count in [1, 2, CHUNK_BYTES, 2 * CHUNK_BYTES + 1] {
                    let bytes = vec![0xff; count];
                    let mut want = base.clone();
                    want.resize(len.max(offset + count), 0);
                    want[offset..offset + count].copy_from_slice(&bytes);
                    let new = large.write_at(offset, &bytes);
                    assert!(new.to_vec() == want, "{len} {offset} {count}");
                    assert_eq!(new.len(), want.len());
                }
            }
            assert!(large.to_vec() == base, "the old version changed");
        }
    }

    #[test]
    fn untouched_chunks_are_shared() {
        let large = LargeString::from_slice(&vec![1; 3 * CHUNK_BYTES]);
        let new = large.write_at(CHUNK_BYTES, b"x");
        let shared = large.chunks().iter().zip(new.chunks()).map(|(a, b)| Arc::ptr_eq(a, b));
        assert_eq!(shared.collect::<Vec<_>>(), [true, false, true]);
    }
}
