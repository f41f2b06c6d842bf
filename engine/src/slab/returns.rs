//! How a block that another thread frees comes back to the page it was cut from.
//!
//! Why it exists: only a page's owner changes the page. Others leave their blocks at its door
//! and, if the door was empty, put the page on the owner's list of pages to look at, so the owner
//! never searches.
//!
//! Both lists are pushed to by many and taken whole by one (Treiber, "Systems Programming:
//! Coping with Parallelism", 1986, without its pop, so there is no ABA).
//!
//! Invariants
//! - N1: from the push that found a door empty until the owner takes what is behind it, the door
//!   is on the owner's list, once. The owner takes blocks of doors on its list only.
//! - N2: so a page whose blocks are all back, by the owner's count, is on no list, and nobody is
//!   about to put it on one.
//!
//! Ordering edges
//! - `block-return`: CAS of `Door::blocks` in `leave` -> swap in `Visits::collect`, and back: the
//!   link of a door is free to be written again once the owner emptied it.
//! - `door-visit`: CAS of `Visits::doors` in `leave` -> swap in `collect`. Carries the link.

use std::ptr::null_mut;

use crate::sync::{AtomicPtr, Ordering};

/// A freed block: its first word links it to the next.
#[derive(Debug)]
pub struct Block {
    /// The next block of the list it is on.
    pub next: AtomicPtr<Block>,
}

impl Block {
    /// A block on no list.
    #[must_use]
    pub fn new() -> Self {
        Self { next: AtomicPtr::new(null_mut()) }
    }

    /// Links the block in front of `next`.
    #[inline]
    pub fn link(&self, next: *mut Self) {
        // ORDER: Relaxed (unpaired); whoever publishes the block orders it.
        self.next.store(next, Ordering::Relaxed);
    }

    /// What it is linked to.
    #[inline]
    #[must_use]
    pub fn next(&self) -> *mut Self {
        // ORDER: Relaxed (unpaired); the block was taken off a list, which ordered it.
        self.next.load(Ordering::Relaxed)
    }
}

impl Default for Block {
    fn default() -> Self {
        Self::new()
    }
}

/// A page's side: the blocks that others freed.
#[derive(Debug)]
pub struct Door {
    blocks: AtomicPtr<Block>,
    /// The next door on the owner's list.
    next: AtomicPtr<Door>,
}

impl Default for Door {
    fn default() -> Self {
        Self { blocks: AtomicPtr::new(null_mut()), next: AtomicPtr::new(null_mut()) }
    }
}

/// An owner's side: the doors to look behind.
#[derive(Debug)]
pub struct Visits {
    doors: AtomicPtr<Door>,
}

impl Default for Visits {
    fn default() -> Self {
        Self { doors: AtomicPtr::new(null_mut()) }
    }
}

impl Visits {
    /// Leaves `block` at `door`, whose owner looks at this list.
    ///
    /// Cost: one CAS, two when the door was empty; lock-free.
    ///
    /// # Safety
    /// `block` is ours, was handed out by the door's page, and is not back yet, which keeps the
    /// page alive (N2); the door's owner is the one who collects here.
    pub unsafe fn leave(&self, door: &Door, block: *mut Block) {
        // ORDER: Relaxed (unpaired); the pointer is only linked behind, not followed.
        let mut head = door.blocks.load(Ordering::Relaxed);
        loop {
            // SAFETY: ours until the CAS below.
            unsafe { &*block }.link(head);
            // ORDER(block-return): AcqRel: releases the block; where it finds null, acquires the
            // owner's look at the link that is written below.
            match door.blocks.compare_exchange_weak(
                head,
                block,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => break,
                Err(now) => head = now,
            }
        }
        if head.is_null() {
            self.announce(door);
        }
    }

    fn announce(&self, door: &Door) {
        let pointer = std::ptr::from_ref(door).cast_mut();
        // ORDER: Relaxed (unpaired); as in `leave`.
        let mut head = self.doors.load(Ordering::Relaxed);
        loop {
            // ORDER: Relaxed (unpaired); the CAS below publishes it.
            door.next.store(head, Ordering::Relaxed);
            // ORDER(door-visit): Release; the link is visible to `collect`.
            match self.doors.compare_exchange_weak(
                head,
                pointer,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Whether a door waits to be looked at.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        // ORDER: Relaxed (unpaired); a hint.
        self.doors.load(Ordering::Relaxed).is_null()
    }

    /// Takes every block that was left. `visit` may free the page of the last block it got.
    ///
    /// # Safety
    /// Only the owner calls it, and the doors that were announced are alive (N2).
    pub unsafe fn collect(&self, mut visit: impl FnMut(*mut Block)) {
        // ORDER(door-visit): Acquire; the links of all doors that are taken.
        let mut door = self.doors.swap(null_mut(), Ordering::Acquire);
        while !door.is_null() {
            // SAFETY: N2: blocks of it are not back yet.
            let here = unsafe { &*door };
            // Before its blocks are taken: from then on it may be announced again.
            // ORDER: Relaxed (unpaired); `doors` ordered it.
            door = here.next.load(Ordering::Relaxed);
            // ORDER(block-return): AcqRel: acquires the blocks, and releases the look at the link.
            let mut block = here.blocks.swap(null_mut(), Ordering::AcqRel);
            assert!(!block.is_null(), "a door is announced because of a block (N1)");
            while !block.is_null() {
                // SAFETY: left for us alone; a block is at least one word.
                let next = unsafe { &*block }.next();
                visit(block);
                block = next;
            }
        }
    }
}
