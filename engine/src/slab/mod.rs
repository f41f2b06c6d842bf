//! Memory for records: blocks in steps of eight bytes, one stack of free ones per thread.
//!
//! Why it exists: most of what Zumic allocates are records of 24 to 200 bytes, one for every
//! write. General allocators round them up (to 80 bytes where 72 are needed) and keep their books
//! elsewhere, which costs a write two cache misses once a million records lie about. Not for
//! anything else: what is larger than 1 KiB goes to the global allocator.
//! docs/src/decisions/allocator.md has the figures.
//!
//! The scheme is that of mimalloc (Leijen, Zorn and de Moura, "Mimalloc: Free List Sharding in
//! Action", 2019): pages of one size, found by masking an address, a list for the owner and one for
//! the others; with a stack in front, as in tcmalloc's thread caches, because Zumic's frees come
//! in the bursts of reclamation.
//!
//! Files in reading order: returns (the lock-free part, which loom models), page, heap, this.
//!
//! Memory that a thread's frees leave on its stacks stays with it: 512 KiB per size at most.

pub mod returns;

#[cfg(not(any(loom, miri)))]
mod heap;
#[cfg(not(any(loom, miri)))]
mod page;

use std::alloc::Layout;

/// Sizes are multiples of this.
#[cfg(not(any(loom, miri)))]
const CLASS_STEP: usize = 8;
/// The largest block.
#[cfg(not(any(loom, miri)))]
const BLOCK_BYTES_MAX: usize = 1024;
/// Number of sizes, the unused zero included.
#[cfg(not(any(loom, miri)))]
const CLASSES: usize = BLOCK_BYTES_MAX / CLASS_STEP + 1;

#[cfg(not(any(loom, miri)))]
mod lease {
    use std::cell::Cell;
    use std::ptr::null;
    use std::sync::{Mutex, PoisonError};

    use super::heap::Heap;

    /// Heaps that no thread uses.
    static IDLE: Mutex<Vec<&'static Heap>> = Mutex::new(Vec::new());

    thread_local! {
        /// The thread's heap; null before it has one and after it ended. No destructor, so that
        /// reading it is one load.
        static HEAP: Cell<*const Heap> = const { Cell::new(null()) };
        static LEASE: Lease = const { Lease };
    }

    /// Ends with the thread.
    struct Lease;

    impl Drop for Lease {
        fn drop(&mut self) {
            let heap = HEAP.replace(null());
            // SAFETY: heaps are leaked, so the pointer is null or good.
            if let Some(heap) = unsafe { heap.as_ref() } {
                give_back(heap);
            }
        }
    }

    fn give_back(heap: &'static Heap) {
        // SAFETY: the calling thread leases it until the next line.
        unsafe { heap.drain_all() };
        IDLE.lock().unwrap_or_else(PoisonError::into_inner).push(heap);
    }

    fn lease() -> &'static Heap {
        let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.unwrap_or_else(|| Box::leak(Box::new(Heap::new())))
    }

    /// Runs `work` on the thread's heap.
    #[inline]
    pub(super) fn with<R>(work: impl FnOnce(&Heap) -> R) -> R {
        // SAFETY: heaps are leaked, so the pointer is null or good.
        match unsafe { HEAP.get().as_ref() } {
            Some(heap) => work(heap),
            None => first(work),
        }
    }

    #[cold]
    fn first<R>(work: impl FnOnce(&Heap) -> R) -> R {
        let heap = lease();
        if LEASE.try_with(|_| ()).is_ok() {
            HEAP.set(heap);
            return work(heap);
        }
        // The thread is ending, and one of its destructors frees records.
        let result = work(heap);
        give_back(heap);
        result
    }
}

/// Memory for `layout`, whose alignment is at most eight; null when there is none.
///
/// # Safety
/// The layout's size is not zero.
#[inline]
pub(crate) unsafe fn allocate(layout: Layout) -> *mut u8 {
    #[cfg(not(any(loom, miri)))]
    if layout.size() <= BLOCK_BYTES_MAX {
        debug_assert!(layout.align() <= CLASS_STEP);
        let class = layout.size().div_ceil(CLASS_STEP);
        // SAFETY: `with` passes the heap that this thread leases.
        return lease::with(|heap| unsafe { heap.allocate(class) });
    }
    // SAFETY: guaranteed by the caller.
    unsafe { std::alloc::alloc(layout) }
}

/// Takes memory back.
///
/// # Safety
/// `pointer` came from [`allocate`] with this layout and is not used again.
#[inline]
pub(crate) unsafe fn free(pointer: *mut u8, layout: Layout) {
    #[cfg(not(any(loom, miri)))]
    if layout.size() <= BLOCK_BYTES_MAX {
        let class = layout.size().div_ceil(CLASS_STEP);
        // SAFETY: `with` passes the heap that this thread leases; the rest by the caller.
        return lease::with(|heap| unsafe { heap.free(class, pointer) });
    }
    // SAFETY: guaranteed by the caller.
    unsafe { std::alloc::dealloc(pointer, layout) };
}

/// Takes home what other threads freed, once per turn: a thread that writes nothing would keep it.
#[inline]
pub(crate) fn collect() {
    #[cfg(not(any(loom, miri)))]
    // SAFETY: `with` passes the heap that this thread leases.
    lease::with(|heap| unsafe { heap.collect() });
}
