//! Numbered places for the nodes of one structure.
//!
//! Why it exists: nodes name each other by 32-bit numbers instead of pointers, so that a member
//! index entry is 8 bytes and dropping never recurses. Places come in chunks that never move:
//! growing costs one small allocation, never a copy of everything. A clone shares the chunks;
//! who edits a place copies its chunk first if need be, and so shares what the other values of
//! the chunk own. Not for values that outlive their structure.
//!
//! Invariants
//! - A1: every chunk but the last is full, and no chunk holds more than [`CHUNK`] places.
//! - A2: `heap` is the sum of what the values own on the heap.

use crate::structures::cow::CowVec;

/// Places of a chunk. A clone counts one up per chunk; the first edit of a chunk afterwards copies
/// that many headers, of 32 bytes, and counts one up for each (`ranked::tests` has the figures).
const CHUNK: usize = 128;

/// What a value owns on the heap.
pub(super) trait Heap {
    /// Bytes, as the allocator rounds them where we know it.
    fn heap(&self) -> usize;
}

impl Heap for CowVec<u8> {
    fn heap(&self) -> usize {
        self.heap_bytes()
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Arena<T> {
    chunks: Vec<CowVec<T>>,
    free: Vec<u32>,
    heap: usize,
}

impl<T> Default for Arena<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), free: Vec::new(), heap: 0 }
    }
}

impl<T: Clone + Default + Heap> Arena<T> {
    /// Stores a value; its number stays the same until [`Arena::take`].
    pub(super) fn add(&mut self, value: T) -> u32 {
        self.heap += value.heap();
        if let Some(id) = self.free.pop() {
            *self.place(id) = value;
            return id;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            // The first chunk grows as needed: most structures are small.
            let room = if self.chunks.is_empty() { 1 } else { CHUNK };
            self.chunks.push(CowVec::with_capacity(room));
        }
        let before = (self.chunks.len() - 1) * CHUNK;
        let chunk = self.chunks.last_mut().expect("pushed above");
        chunk.unshare().push(value);
        u32::try_from(before + chunk.len() - 1).expect("fewer than 2^32 nodes")
    }

    /// Takes a value out; its number is used again.
    pub(super) fn take(&mut self, id: u32) -> T {
        let value = std::mem::take(self.place(id));
        self.heap -= value.heap();
        self.free.push(id);
        value
    }

    /// Asks for the cache line of the value at a place.
    #[inline]
    pub(super) fn prefetch(&self, id: u32) {
        crate::prefetch::read(self.get(id));
    }

    /// The value at a place.
    #[inline]
    pub(super) fn get(&self, id: u32) -> &T {
        let id = id as usize;
        &self.chunks[id / CHUNK][id % CHUNK]
    }

    /// The value at a place, for edits that leave as many bytes with it (A2).
    #[inline]
    pub(super) fn get_mut(&mut self, id: u32) -> &mut T {
        self.place(id)
    }

    /// Changes the value at a place; what it owns is counted anew.
    #[inline]
    pub(super) fn edit<R>(&mut self, id: u32, change: impl FnOnce(&mut T) -> R) -> R {
        let value = self.place(id);
        let before = value.heap();
        let result = change(value);
        let after = value.heap();
        self.heap = self.heap - before + after;
        result
    }

    /// Bytes of the values, of what they own and of the places themselves.
    pub(super) fn memory(&self) -> usize {
        // All chunks but the first are allocated whole.
        let first = self.chunks.first().map_or(0, CowVec::heap_bytes);
        let others = self.chunks.len().saturating_sub(1) * CowVec::<T>::bytes_for(CHUNK);
        self.heap
            + first
            + others
            + self.chunks.capacity() * size_of::<CowVec<T>>()
            + self.free.capacity() * size_of::<u32>()
    }

    /// Places in use.
    #[cfg(any(test, fuzzing))]
    pub(super) fn len(&self) -> usize {
        let before = self.chunks.len().saturating_sub(1) * CHUNK;
        before + self.chunks.last().map_or(0, |chunk| chunk.len()) - self.free.len()
    }

    #[inline]
    fn place(&mut self, id: u32) -> &mut T {
        let id = id as usize;
        &mut self.chunks[id / CHUNK].unshare()[id % CHUNK]
    }
}

/// The size an allocation of `bytes` really takes in an allocator with four classes per power of
/// two, as jemalloc has them: asking for less wastes the rest.
pub(super) const fn class_of(bytes: usize) -> usize {
    if bytes <= 128 {
        return bytes.next_multiple_of(16);
    }
    let step = bytes.next_power_of_two() / 8;
    bytes.next_multiple_of(step)
}

/// Elements for which a vector of at least so many has room, if it is to waste nothing.
pub(super) const fn room_for<T>(elements: usize) -> usize {
    CowVec::<T>::capacity_within(class_of(CowVec::<T>::bytes_for(elements)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(byte: u8, len: usize) -> CowVec<u8> {
        std::iter::repeat_n(byte, len).collect()
    }

    #[test]
    fn classes_are_those_of_jemalloc() {
        let cases = [(1, 16), (16, 16), (129, 160), (160, 160), (161, 192), (257, 320)];
        for (bytes, class) in cases.into_iter().chain([(1024, 1024), (1025, 1280), (2049, 2560)]) {
            assert_eq!(class_of(bytes), class, "{bytes}");
        }
    }

    #[test]
    fn places_are_used_again_and_counted() {
        let mut arena: Arena<CowVec<u8>> = Arena::default();
        let ids: Vec<u32> = (0..600).map(|n| arena.add(bytes(0, n))).collect();
        assert_eq!(ids, (0..600).collect::<Vec<u32>>());
        assert_eq!(arena.take(599).len(), 599);
        assert_eq!(arena.take(3).len(), 3);
        assert_eq!(arena.len(), 598);
        assert_eq!(arena.add(bytes(1, 8)), 3);
        arena.edit(3, |value| *value = bytes(2, 9));
        assert_eq!(&**arena.get(3), [2; 9]);
        let count = CowVec::<u8>::bytes_for(1) - 1;
        assert_eq!(arena.heap, 599 * 598 / 2 - 3 + 9 + 598 * count);
        assert!(arena.memory() > arena.heap + 600 * size_of::<CowVec<u8>>());
        // A clone shares everything but the chunk that is edited, and that one's other values.
        let before = arena.clone();
        arena.edit(5, |value| value.unshare().push(7));
        assert_eq!((before.get(5).len(), arena.get(5).len()), (5, 6));
        assert_eq!(before.get(6).as_ptr(), arena.get(6).as_ptr());
    }
}
