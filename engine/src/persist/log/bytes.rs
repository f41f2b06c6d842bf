//! Memory that a writer fills while a reader reads what is published of it.
//!
//! Why it exists: the two ends of a lane look at disjoint ranges of one allocation, which Rust's
//! references cannot say; and loom sees a race on memory only through cells of its own.
//!
//! Invariants
//! - B1: the caller keeps ranges that are written apart from those that are read, and orders a
//!   range's writes before its reads.

/// Where published bytes are put together.
pub trait Gather {
    /// Appends them.
    fn gather(&mut self, bytes: &[u8]);
    /// How many bytes are there.
    fn gathered(&self) -> usize;
}

impl Gather for Vec<u8> {
    fn gather(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn gathered(&self) -> usize {
        self.len()
    }
}

#[cfg(loom)]
pub(crate) use modelled::Bytes;
#[cfg(not(loom))]
pub(crate) use real::Bytes;

#[cfg(not(loom))]
mod real {
    use std::mem::ManuallyDrop;
    use std::ptr::NonNull;

    use super::Gather;

    /// A fixed number of bytes.
    #[derive(Debug)]
    pub(crate) struct Bytes {
        memory: NonNull<u8>,
        capacity: usize,
    }

    // SAFETY: plain bytes; B1 orders all accesses.
    unsafe impl Send for Bytes {}
    // SAFETY: as above.
    unsafe impl Sync for Bytes {}

    impl Bytes {
        pub(crate) fn new(capacity: usize) -> Self {
            // Not cleared: what is read was written before (B1).
            let mut memory = ManuallyDrop::new(Vec::<u8>::with_capacity(capacity));
            let start = NonNull::new(memory.as_mut_ptr()).expect("a vector's memory is not null");
            Self { memory: start, capacity: memory.capacity() }
        }

        pub(crate) fn capacity(&self) -> usize {
            self.capacity
        }

        /// # Safety
        /// `at + bytes.len()` is within the capacity, and nobody else looks at that range.
        #[inline]
        pub(crate) unsafe fn write(&self, at: usize, bytes: &[u8]) {
            debug_assert!(at + bytes.len() <= self.capacity);
            // SAFETY: within the allocation.
            let to = unsafe { self.memory.add(at) };
            // SAFETY: within the allocation; the caller's range, and `bytes` is none of it.
            unsafe { to.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
        }

        /// # Safety
        /// The range is within the capacity, nobody writes it, and the same range at the start of
        /// `to`, another one, is the caller's to write.
        pub(crate) unsafe fn copy_to(&self, at: usize, length: usize, to: &Self) {
            // SAFETY: within the allocation.
            let from = unsafe { self.memory.add(at) };
            // SAFETY: as the caller says.
            unsafe { to.memory.copy_from_nonoverlapping(from, length) };
        }

        /// # Safety
        /// The range is within the capacity, was written, and nobody writes it now.
        #[inline]
        pub(crate) unsafe fn append_to(&self, from: usize, end: usize, into: &mut impl Gather) {
            // SAFETY: within the allocation.
            let start = unsafe { self.memory.add(from) };
            // SAFETY: written before and not written now, as the caller says.
            into.gather(unsafe { std::slice::from_raw_parts(start.as_ptr(), end - from) });
        }
    }

    impl Drop for Bytes {
        fn drop(&mut self) {
            // SAFETY: taken from a vector of this capacity in `new`.
            drop(unsafe { Vec::from_raw_parts(self.memory.as_ptr(), 0, self.capacity) });
        }
    }
}

#[cfg(loom)]
mod modelled {
    use loom::cell::UnsafeCell;

    use super::Gather;

    /// The same, a cell per byte: loom reports a byte that is read while or before it is written.
    #[derive(Debug)]
    pub(crate) struct Bytes {
        cells: Box<[UnsafeCell<u8>]>,
    }

    impl Bytes {
        pub(crate) fn new(capacity: usize) -> Self {
            Self { cells: (0..capacity).map(|_| UnsafeCell::new(0)).collect() }
        }

        pub(crate) fn capacity(&self) -> usize {
            self.cells.len()
        }

        /// # Safety
        /// As the real one.
        pub(crate) unsafe fn write(&self, at: usize, bytes: &[u8]) {
            for (cell, &byte) in self.cells[at..].iter().zip(bytes) {
                // SAFETY: as the caller says; loom checks it.
                cell.with_mut(|place| unsafe { *place = byte });
            }
        }

        /// # Safety
        /// As the real one.
        pub(crate) unsafe fn copy_to(&self, at: usize, length: usize, to: &Self) {
            let mut bytes = Vec::new();
            // SAFETY: as the caller says.
            unsafe { self.append_to(at, at + length, &mut bytes) };
            // SAFETY: as the caller says.
            unsafe { to.write(0, &bytes) };
        }

        /// # Safety
        /// As the real one.
        pub(crate) unsafe fn append_to(&self, from: usize, end: usize, into: &mut impl Gather) {
            for cell in &self.cells[from..end] {
                // SAFETY: as the caller says; loom checks it.
                into.gather(&[cell.with(|place| unsafe { *place })]);
            }
        }
    }
}
