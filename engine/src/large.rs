//! Strings above the embedding limit: chunks that versions of a value share.
//!
//! Why it exists: records are immutable, so a change to a value makes another record. For a large
//! string that must not mean a copy of the string: it is a list of groups of chunks of 64 KiB, and
//! a new version shares the groups and the chunks that did not change. APPEND, SETRANGE and SETBIT
//! copy one chunk, one group (64 pointers) and the list (one pointer per 4 MiB). The network sends
//! chunks from where they lie.
//! Not for strings below [`LARGE_BYTES_MIN`]: those are embedded in their record.
//!
//! Invariants
//! - C1: every chunk but the last has exactly `CHUNK_BYTES` bytes; the last has at least one.
//! - C2: a chunk never changes once it is shared.
//! - C3: every group but the last has exactly `GROUP_CHUNKS` chunks; the last has at least one.

use std::sync::Arc;

/// Strings of this length and more are large.
pub(crate) const LARGE_BYTES_MIN: usize = CHUNK_BYTES;
const CHUNK_BYTES: usize = 64 * 1024;
/// Chunks of a group: a change copies as many pointers, and one for each group of the string.
const GROUP_CHUNKS: usize = 64;
const GROUP_BYTES: usize = GROUP_CHUNKS * CHUNK_BYTES;

type Chunk = Arc<[u8]>;
type Group = Arc<[Chunk]>;

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
    groups: Arc<[Group]>,
}

impl LargeString {
    /// Copies bytes into chunks.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Self {
        let group = |bytes: &[u8]| bytes.chunks(CHUNK_BYTES).map(Arc::from).collect();
        Self { len: bytes.len(), groups: bytes.chunks(GROUP_BYTES).map(group).collect() }
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
    pub fn chunks(&self) -> impl Iterator<Item = &Arc<[u8]>> {
        self.groups.iter().flat_map(|group| group.iter())
    }

    /// Makes a string of `len` bytes chunk by chunk: `fill` writes the bytes from an offset on.
    ///
    /// What the target holds when `fill` is called is undefined. Cost: O(len).
    #[must_use]
    pub fn generate(len: usize, mut fill: impl FnMut(usize, &mut [u8])) -> Self {
        let mut scratch = vec![0; CHUNK_BYTES.min(len)];
        let mut chunk = |first: usize| {
            let part = &mut scratch[..CHUNK_BYTES.min(len - first)];
            fill(first, part);
            Chunk::from(&*part)
        };
        let mut group = |first: usize| {
            let end = len.min(first + GROUP_BYTES);
            (first..end).step_by(CHUNK_BYTES).map(&mut chunk).collect()
        };
        Self { len, groups: (0..len).step_by(GROUP_BYTES).map(&mut group).collect() }
    }

    /// The bytes from `offset` up to the end of their chunk; empty at and behind the end.
    ///
    /// Offsets at which one string has a new piece are those at which every other has one.
    #[must_use]
    pub fn piece_at(&self, offset: usize) -> &[u8] {
        let group = self.groups.get(offset / GROUP_BYTES);
        let chunk = group.and_then(|group| group.get(offset % GROUP_BYTES / CHUNK_BYTES));
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
        let groups = Arc::make_mut(&mut self.groups);
        let mut at = offset;
        while at < end {
            let inside = at % CHUNK_BYTES;
            let count = (CHUNK_BYTES - inside).min(end - at);
            let group = Arc::make_mut(&mut groups[at / GROUP_BYTES]);
            let chunk = Arc::make_mut(&mut group[at % GROUP_BYTES / CHUNK_BYTES]);
            chunk[inside..inside + count].copy_from_slice(&bytes[at - offset..][..count]);
            at += count;
        }
    }

    /// A version that is at least `len` bytes long, zeros behind what there was.
    ///
    /// Cost: the last chunk, its group and the list; chunks and groups of zeros are one and the
    /// same.
    #[must_use]
    pub fn grown(&self, len: usize) -> Self {
        if len <= self.len {
            return self.clone();
        }
        let mut zeros = Zeros::default();
        let group = |first: usize| -> Group {
            let wanted = (len - first).min(GROUP_BYTES);
            let old = self.groups.get(first / GROUP_BYTES);
            match old {
                Some(old) if first + wanted <= self.len => Arc::clone(old),
                None if wanted == GROUP_BYTES => zeros.group(),
                _ => {
                    let old = old.map_or(&[][..], |old| old);
                    let chunk = |index: usize| {
                        let wanted = (wanted - index * CHUNK_BYTES).min(CHUNK_BYTES);
                        grown_chunk(old.get(index), wanted, &mut zeros)
                    };
                    (0..wanted.div_ceil(CHUNK_BYTES)).map(chunk).collect()
                }
            }
        };
        Self { len, groups: (0..len).step_by(GROUP_BYTES).map(group).collect() }
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
        let list = COUNTS + self.groups.len() * (size_of::<Group>() + COUNTS);
        let list = list + self.len.div_ceil(CHUNK_BYTES) * (size_of::<Chunk>() + COUNTS);
        size_of::<Self>() + list + self.len
    }
}

/// The zeros of one string that grows, made when they are wanted.
#[derive(Debug, Default)]
struct Zeros {
    chunk: Option<Chunk>,
    group: Option<Group>,
}

impl Zeros {
    fn chunk(&mut self) -> Chunk {
        Arc::clone(self.chunk.get_or_insert_with(|| vec![0; CHUNK_BYTES].into()))
    }

    fn group(&mut self) -> Group {
        if self.group.is_none() {
            self.group = Some(std::iter::repeat_n(self.chunk(), GROUP_CHUNKS).collect());
        }
        self.group.as_ref().map(Arc::clone).expect("made above")
    }
}

/// A chunk of `wanted` bytes, zeros behind those there were.
fn grown_chunk(old: Option<&Chunk>, wanted: usize, zeros: &mut Zeros) -> Chunk {
    match old {
        Some(old) if old.len() == wanted => Arc::clone(old),
        Some(old) => {
            let mut new = old.to_vec();
            new.resize(wanted, 0);
            new.into()
        }
        None if wanted == CHUNK_BYTES => zeros.chunk(),
        None => vec![0; wanted].into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every operation against a plain vector, around the chunk limits.
    #[test]
    fn writes_agree_with_a_plain_vector() {
        let around =
            [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, GROUP_BYTES + 9];
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
        let shared = large.chunks().zip(new.chunks()).map(|(a, b)| Arc::ptr_eq(a, b));
        assert_eq!(shared.collect::<Vec<_>>(), [true, false, true]);
    }

    #[test]
    fn untouched_groups_are_shared_and_zeros_are_made_once() {
        let large = LargeString::from_slice(&vec![1; 2 * GROUP_BYTES + 5]);
        let new = large.write_at(GROUP_BYTES + 1, b"x");
        let shared = large.groups.iter().zip(&*new.groups).map(|(a, b)| Arc::ptr_eq(a, b));
        assert_eq!(shared.collect::<Vec<_>>(), [true, false, true]);
        let far = large.write_at(9 * GROUP_BYTES, b"x");
        assert_eq!(far.len(), 9 * GROUP_BYTES + 1);
        assert!(Arc::ptr_eq(&far.groups[3], &far.groups[4]), "one group of zeros");
        assert!(Arc::ptr_eq(&far.groups[3][0], &far.groups[2][1]), "one chunk of zeros");
        assert_eq!(far.piece_at(2 * GROUP_BYTES + 4)[..2], [1, 0]);
        assert_eq!(far.piece_at(9 * GROUP_BYTES), b"x");
    }
}
