//! A page: 64 KiB of blocks of one size, with a count of those in use.
//!
//! Why it exists: the page of a block is found by clearing the low bits of its address, so a block
//! needs no header, and a page that is wholly free can be given back.
//!
//! ```text
//!   0                     64
//!   | header              | block | block | … | never cut yet … |
//! ```
//!
//! Invariants
//! - P1: a page is aligned to its size and owned by one heap for life; only the owner touches
//!   anything but `door`.
//! - P2: `used` counts the blocks that are handed out, those on stacks included.
//! - P3: every page with room is on its heap's list of such pages; one that was filled leaves
//!   the list when the next block is wanted.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::ptr::{NonNull, null_mut};

use super::heap::Heap;
use super::returns::{Block, Door};

/// Bytes of a page.
pub(super) const PAGE_BYTES: usize = 64 * 1024;
const PAGE_LAYOUT: Layout = match Layout::from_size_align(PAGE_BYTES, PAGE_BYTES) {
    Ok(layout) => layout,
    Err(_) => panic!("a page is a power of two"),
};
/// Bytes in front of the first block: one cache line.
const HEADER_BYTES: usize = 64;
const HEADER_BYTES_U32: u32 = 64;

/// The header of a page. Cells, because another thread may hold a reference for the sake of
/// `heap` and `door` while the owner changes the rest.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Page {
    /// Who owns it.
    pub(super) heap: NonNull<Heap>,
    /// Blocks that others freed.
    pub(super) door: Door,
    free: Cell<*mut Block>,
    block_bytes: u32,
    used: Cell<u32>,
    /// Where the next block is cut.
    cut: Cell<u32>,
    /// Whether it is on the list of pages with room.
    pub(super) listed: Cell<bool>,
    /// Its neighbours on that list.
    pub(super) previous: Cell<*mut Page>,
    /// See `previous`.
    pub(super) next: Cell<*mut Page>,
}

const _: () = assert!(size_of::<Page>() <= HEADER_BYTES, "the header is one cache line");

impl Page {
    /// A fresh page.
    pub(super) fn allocate(heap: NonNull<Heap>, block_bytes: usize) -> NonNull<Self> {
        // SAFETY: the layout is not empty.
        let raw = unsafe { alloc(PAGE_LAYOUT) };
        let Some(page) = NonNull::new(raw.cast::<Self>()) else { handle_alloc_error(PAGE_LAYOUT) };
        let header = Self {
            heap,
            door: Door::default(),
            free: Cell::new(null_mut()),
            block_bytes: u32::try_from(block_bytes).expect("blocks are small"),
            used: Cell::new(0),
            cut: Cell::new(HEADER_BYTES_U32),
            listed: Cell::new(false),
            previous: Cell::new(null_mut()),
            next: Cell::new(null_mut()),
        };
        // SAFETY: freshly allocated, large enough, and aligned far beyond need.
        unsafe { page.write(header) };
        page
    }

    /// Gives the page back.
    ///
    /// # Safety
    /// It came from [`Page::allocate`], no block of it is in use, and it is on no list.
    pub(super) unsafe fn release(page: NonNull<Self>) {
        // SAFETY: guaranteed by the caller.
        unsafe { dealloc(page.as_ptr().cast(), PAGE_LAYOUT) };
    }

    /// The page that a block was cut from.
    #[inline]
    pub(super) fn of(block: *mut Block) -> NonNull<Self> {
        let page = block.map_addr(|address| address & !(PAGE_BYTES - 1));
        NonNull::new(page.cast()).expect("no block lies in the first page of memory")
    }

    /// Bytes of its blocks.
    #[inline]
    pub(super) fn block_bytes(&self) -> usize {
        self.block_bytes as usize
    }

    /// Whether no block is in use.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.used.get() == 0
    }

    /// Takes a block out; `None` when the page is full. `page` is the pointer that blocks are
    /// cut from: a reference would not reach beyond the header.
    #[inline]
    pub(super) fn take(&self, page: NonNull<Self>) -> Option<*mut Block> {
        let free = self.free.get();
        let block = if free.is_null() {
            if !self.has_room() {
                return None;
            }
            let at = self.cut.get();
            self.cut.set(at + self.block_bytes);
            // SAFETY: below the page's end, by `has_room`.
            unsafe { page.as_ptr().cast::<u8>().add(at as usize) }.cast::<Block>()
        } else {
            // SAFETY: on the free list, so it is ours and its link was written.
            self.free.set(unsafe { &*free }.next());
            free
        };
        self.used.set(self.used.get() + 1);
        Some(block)
    }

    /// Whether a block can be taken.
    #[inline]
    pub(super) fn has_room(&self) -> bool {
        !self.free.get().is_null() || (self.cut.get() + self.block_bytes) as usize <= PAGE_BYTES
    }

    /// Puts a block back.
    #[inline]
    pub(super) fn put(&self, block: *mut Block) {
        // SAFETY: handed back by its user, so it is ours; a block is at least one word.
        unsafe { &*block }.link(self.free.get());
        self.free.set(block);
        self.used.set(self.used.get() - 1);
    }
}
