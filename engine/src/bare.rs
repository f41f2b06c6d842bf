//! How a record that was unlinked goes back to its allocator.
//!
//! Why it exists: by the time that a batch of reclamation is freed, its records have left the
//! first caches, and to learn a block's size from its header is a miss for each: 8 % of an INCR.
//! So a record that owns nothing but its block is retired with the block's size in the upper bits
//! of its address, of which user space uses 48. Freeing it writes one word, and reads nothing.
//!
//! Invariants
//! - D1: what is behind a [`Bare`] pointer came from `NewRecord::new`, is a bare record, and has
//!   as many bytes as the upper 16 bits say.

use std::alloc::Layout;

use crate::guard::{Guard, Reclaim};
use crate::map::word::ADDRESS_BITS;
use crate::record::{Header, Record};
use crate::slab;

/// A record that owns nothing but its block, on its way back.
struct Bare;

impl Reclaim for Bare {
    unsafe fn reclaim(pointer: *mut Self) {
        let bytes = pointer.addr() >> ADDRESS_BITS;
        let layout = Layout::from_size_align(bytes, align_of::<Header>());
        let layout = layout.expect("16 bits are below isize::MAX");
        let block = pointer.map_addr(|address| address & ((1 << ADDRESS_BITS) - 1));
        // SAFETY: D1; the caller owns it.
        unsafe { slab::free(block.cast::<u8>(), layout) };
    }
}

impl Record {
    /// Retires the record, which `pointer` leads to.
    ///
    /// # Safety
    /// As for [`Guard::retire`].
    #[inline]
    pub(crate) unsafe fn retire(&self, pointer: *mut Header, guard: &Guard<'_>) {
        let bytes = self.memory();
        if self.is_large() || self.object().is_some() || bytes > usize::from(u16::MAX) {
            // SAFETY: passed on.
            return unsafe { guard.retire(pointer, bytes) };
        }
        debug_assert_eq!(pointer.addr() >> ADDRESS_BITS, 0, "a slot has room for no more (W1)");
        let bare = pointer.map_addr(|address| address | bytes << ADDRESS_BITS);
        // SAFETY: passed on; D1: without parts of its own, its memory is that of its block.
        unsafe { guard.retire(bare.cast::<Bare>(), bytes) };
    }
}
