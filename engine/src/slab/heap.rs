//! One thread's blocks: a stack of free ones per size, in front of the pages.
//!
//! Why it exists: a store that replaces values frees one block for every block it allocates. The
//! stack hands the one freed last out first, while it is still in the processor's cache, and no
//! page is touched.
//!
//! Invariants
//! - H1: a heap is used by one thread at a time (the lease, mod.rs) and never freed, so that a
//!   page's owner can always be asked.
//! - H2: a block is on the stack of its size, free in its page, at its page's door, or in use.

use std::cell::UnsafeCell;
use std::ptr::{NonNull, null_mut};

use super::page::Page;
use super::returns::{Block, Visits};
use super::{CLASS_STEP, CLASSES};
use crate::prefetch;

/// Bytes of free blocks a stack keeps at most: two batches of reclamation of small records.
const STACK_BYTES_MAX: usize = 512 * 1024;
/// Blocks moved from pages to an empty stack at once.
const REFILL: usize = 64;

/// One size's blocks.
#[derive(Debug)]
struct Class {
    stack: *mut Block,
    height: u32,
    height_max: u32,
    /// Pages with room, as a list.
    pages: *mut Page,
}

/// A thread's blocks of all sizes.
#[derive(Debug)]
pub(super) struct Heap {
    classes: UnsafeCell<[Class; CLASSES]>,
    visits: Visits,
}

// SAFETY: H1: the classes belong to the thread that leases the heap; `visits` is made for many.
unsafe impl Send for Heap {}
// SAFETY: as above.
unsafe impl Sync for Heap {}

impl Heap {
    pub(super) fn new() -> Self {
        let class = |index: usize| {
            let height_max = STACK_BYTES_MAX / (index.max(1) * CLASS_STEP);
            Class {
                stack: null_mut(),
                height: 0,
                height_max: u32::try_from(height_max.min(4096)).expect("small"),
                pages: null_mut(),
            }
        };
        Self { classes: UnsafeCell::new(std::array::from_fn(class)), visits: Visits::default() }
    }

    /// One size's blocks.
    ///
    /// # Safety
    /// The caller leases the heap (H1) and holds no other reference to the class.
    #[inline]
    #[expect(clippy::mut_from_ref, reason = "one thread at a time, by the lease")]
    unsafe fn class(&self, index: usize) -> &mut Class {
        // SAFETY: guaranteed by the caller.
        let classes = unsafe { &mut *self.classes.get() };
        &mut classes[index]
    }

    /// A block of the class.
    ///
    /// # Safety
    /// The calling thread leases the heap.
    #[inline]
    pub(super) unsafe fn allocate(&self, index: usize) -> *mut u8 {
        // SAFETY: passed on.
        let class = unsafe { self.class(index) };
        if class.stack.is_null() {
            // SAFETY: passed on.
            unsafe { self.refill(index) };
            // SAFETY: passed on; the reference from above is not used again.
            return unsafe { self.allocate(index) };
        }
        class.pop().cast()
    }

    /// Takes a block back, whichever thread cut it.
    ///
    /// # Safety
    /// The calling thread leases the heap; the block is of this class and not used again.
    #[inline]
    pub(super) unsafe fn free(&self, index: usize, block: *mut u8) {
        // SAFETY: passed on.
        let class = unsafe { self.class(index) };
        class.push(block.cast());
        if class.height > class.height_max {
            let keep = class.height_max / 2;
            // SAFETY: passed on; `class` is not used again.
            unsafe { self.drain(index, keep) };
        }
    }

    /// Moves blocks from pages to the stack, which is empty.
    ///
    /// # Safety
    /// The calling thread leases the heap.
    #[cold]
    unsafe fn refill(&self, index: usize) {
        // SAFETY: passed on.
        unsafe { self.collect() };
        for _ in 0..REFILL {
            // SAFETY: passed on; taken anew each time, `list` takes it too.
            let class = unsafe { self.class(index) };
            let Some(page) = NonNull::new(class.pages) else {
                if !class.stack.is_null() {
                    return;
                }
                let page = Page::allocate(NonNull::from(self), index * CLASS_STEP);
                // SAFETY: a page of ours, with room, on no list.
                unsafe { class.list(page) };
                continue;
            };
            // SAFETY: a page of ours (P1).
            match unsafe { page.as_ref() }.take(page) {
                Some(block) => class.push(block),
                // SAFETY: a page of ours, on this list.
                None => unsafe { class.unlist(page) },
            }
        }
    }

    /// Gives blocks back to their pages until `keep` are left on the stack.
    ///
    /// # Safety
    /// The calling thread leases the heap.
    #[cold]
    pub(super) unsafe fn drain(&self, index: usize, keep: u32) {
        loop {
            // SAFETY: passed on.
            let class = unsafe { self.class(index) };
            if class.height <= keep {
                return;
            }
            let block = class.pop();
            // SAFETY: a block that is not back keeps its page alive (N2).
            let page = unsafe { Page::of(block).as_ref() };
            if page.heap == NonNull::from(self) {
                // SAFETY: ours, and free.
                unsafe { self.put(block) };
            } else {
                // SAFETY: heaps are never freed (H1).
                let owner = unsafe { page.heap.as_ref() };
                // SAFETY: the block is free and was cut from that page, which is its heap's.
                unsafe { owner.visits.leave(&page.door, block) };
            }
        }
    }

    /// Gives every block on a stack back, when a thread ends.
    ///
    /// # Safety
    /// The calling thread leases the heap.
    pub(super) unsafe fn drain_all(&self) {
        for index in 0..CLASSES {
            // SAFETY: passed on.
            unsafe { self.drain(index, 0) };
        }
    }

    /// Puts a block of our own into its page, and gives the page back if that was the last.
    ///
    /// # Safety
    /// The calling thread leases the heap; the block is free and was cut from a page of it.
    unsafe fn put(&self, block: *mut Block) {
        let page = Page::of(block);
        // SAFETY: ours (P1).
        let this = unsafe { page.as_ref() };
        this.put(block);
        let index = this.block_bytes() / CLASS_STEP;
        // SAFETY: passed on.
        let class = unsafe { self.class(index) };
        if !this.listed.get() {
            // SAFETY: ours, on no list.
            unsafe { class.list(page) };
        }
        // The last page with room stays: the next block would need it.
        let alone = class.pages == page.as_ptr() && this.next.get().is_null();
        if this.is_idle() && !alone {
            // SAFETY: ours, on this list.
            unsafe { class.unlist(page) };
            // SAFETY: nothing of it is in use, so no other thread knows it (N2).
            unsafe { Page::release(page) };
        }
    }

    /// Takes home what other threads freed.
    ///
    /// # Safety
    /// The calling thread leases the heap.
    #[inline]
    pub(super) unsafe fn collect(&self) {
        if !self.visits.is_empty() {
            // SAFETY: ours, and free: it was left at a door of ours.
            let put = |block| unsafe { self.put(block) };
            // SAFETY: we are the owner; `put` frees a page only with its last block (N2).
            unsafe { self.visits.collect(put) };
        }
    }
}

impl Class {
    #[inline]
    fn push(&mut self, block: *mut Block) {
        // SAFETY: free, so ours; a block is at least one word.
        unsafe { &*block }.link(self.stack);
        self.stack = block;
        self.height += 1;
    }

    #[inline]
    fn pop(&mut self) -> *mut Block {
        let block = self.stack;
        // SAFETY: on the stack, which the callers know not to be empty.
        self.stack = unsafe { &*block }.next();
        // The next one is written soon, and a CAS behind those writes would wait for its lines.
        let next = self.stack.cast::<u8>();
        prefetch::address(next);
        prefetch::address(next.wrapping_add(64));
        self.height -= 1;
        block
    }

    /// Puts a page on the list of those with room.
    ///
    /// # Safety
    /// The page is the heap's, has room, and is on no list.
    unsafe fn list(&mut self, page: NonNull<Page>) {
        // SAFETY: guaranteed by the caller.
        let this = unsafe { page.as_ref() };
        debug_assert!(this.has_room() && !this.listed.get(), "P3");
        this.listed.set(true);
        this.previous.set(null_mut());
        this.next.set(self.pages);
        // SAFETY: null or another page of the list.
        if let Some(first) = unsafe { self.pages.as_ref() } {
            first.previous.set(page.as_ptr());
        }
        self.pages = page.as_ptr();
    }

    /// Takes a page off the list.
    ///
    /// # Safety
    /// The page is on this list.
    unsafe fn unlist(&mut self, page: NonNull<Page>) {
        // SAFETY: guaranteed by the caller.
        let this = unsafe { page.as_ref() };
        this.listed.set(false);
        let (previous, next) = (this.previous.get(), this.next.get());
        // SAFETY: null or another page of the list.
        match unsafe { previous.as_ref() } {
            Some(previous) => previous.next.set(next),
            None => self.pages = next,
        }
        // SAFETY: null or another page of the list.
        if let Some(next) = unsafe { next.as_ref() } {
            next.previous.set(previous);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every block is its own, keeps what was written, and pages go when their last block does.
    #[test]
    fn blocks_do_not_overlap_and_come_back() {
        let heap = Heap::new();
        let mut held: Vec<(usize, *mut u8, u8)> = Vec::new();
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        for step in 0..200_000_u32 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let roll = usize::try_from(seed >> 40).unwrap();
            if held.len() < 5_000 && roll % 5 != 0 {
                let class = 1 + roll % (CLASSES - 1);
                let mark = step.to_le_bytes()[0];
                // SAFETY: this thread alone uses the heap.
                let block = unsafe { heap.allocate(class) };
                // SAFETY: a block has that many bytes.
                unsafe { block.write_bytes(mark, class * CLASS_STEP) };
                held.push((class, block, mark));
            } else if !held.is_empty() {
                let (class, block, mark) = held.swap_remove(roll % held.len());
                // SAFETY: written above, and ours until it is freed.
                let bytes = unsafe { std::slice::from_raw_parts(block, class * CLASS_STEP) };
                assert!(bytes.iter().all(|&byte| byte == mark), "step={step} class={class}");
                // SAFETY: from `allocate`, and not used again.
                unsafe { heap.free(class, block) };
            }
        }
        for (class, block, _) in held.drain(..) {
            // SAFETY: as above.
            unsafe { heap.free(class, block) };
        }
        // SAFETY: as above.
        unsafe { heap.drain_all() };
        for index in 1..CLASSES {
            // SAFETY: as above.
            let class = unsafe { heap.class(index) };
            assert_eq!(class.height, 0, "class={index}");
            // SAFETY: null, or a page of this heap's list.
            let last = unsafe { class.pages.as_ref() }.expect("every class was used");
            assert!(last.is_idle() && last.next.get().is_null(), "class={index}");
            // SAFETY: idle, and the heap is not used again.
            unsafe { Page::release(NonNull::from(last)) };
        }
    }

    /// What another thread frees comes home, and so does its page.
    #[test]
    fn blocks_freed_elsewhere_come_home() {
        const BLOCKS: usize = 100_000;
        let heap: &'static Heap = Box::leak(Box::new(Heap::new()));
        // SAFETY: this thread alone uses the heap.
        let blocks: Vec<usize> =
            (0..BLOCKS).map(|_| unsafe { heap.allocate(9) }.expose_provenance()).collect();
        std::thread::spawn(move || {
            let other = Heap::new();
            for address in blocks {
                // SAFETY: handed over by the other thread, which does not use them any more.
                unsafe { other.free(9, std::ptr::with_exposed_provenance_mut(address)) };
            }
            // SAFETY: as above.
            unsafe { other.drain_all() };
        })
        .join()
        .unwrap();
        // SAFETY: as above.
        unsafe { heap.drain_all() };
        // SAFETY: as above.
        unsafe { heap.collect() };
        // SAFETY: as above.
        let class = unsafe { heap.class(9) };
        // SAFETY: null, or a page of this heap's list.
        let last = unsafe { class.pages.as_ref() }.expect("one page stays");
        assert!(last.is_idle() && last.next.get().is_null());
    }
}
