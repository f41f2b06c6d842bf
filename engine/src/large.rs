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
        let mut at = start;
        while at < end {
            let (chunk, inside) = (&self.chunks[at / CHUNK_BYTES], at % CHUNK_BYTES);
            let taken = (chunk.len() - inside).min(end - at);
            bytes.extend_from_slice(&chunk[inside..inside + taken]);
            at += taken;
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
        let end = offset + bytes.len();
        let len = self.len.max(end);
        let chunk = |index: usize| -> Arc<[u8]> {
            let first = index * CHUNK_BYTES;
            let wanted = CHUNK_BYTES.min(len - first);
            let old = self.chunks.get(index);
            let written = first.max(offset)..(first + wanted).min(end);
            if let Some(old) = old
                && old.len() == wanted
                && written.is_empty()
            {
                return Arc::clone(old);
            }
            let mut new = vec![0; wanted];
            if let Some(old) = old {
                new[..old.len()].copy_from_slice(old);
            }
            if !written.is_empty() {
                let from = &bytes[written.start - offset..written.end - offset];
                new[written.start - first..written.end - first].copy_from_slice(from);
            }
            new.into()
        };
        Self { len, chunks: (0..len.div_ceil(CHUNK_BYTES)).map(chunk).collect() }
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
