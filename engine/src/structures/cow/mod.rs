//! A vector whose clones share its elements until one of them is edited.
//!
//! Why it exists: a snapshot takes a collection of millions of elements at one instant, while the
//! next command may edit it. So the parts of large structures (blocks, and runs of the headers of
//! blocks) are vectors of this kind: a clone counts one up, and who edits a part that is shared
//! copies that part first. Where nothing is shared an edit costs one load and one comparison over
//! `Vec`: there are no weak references that would make it a compare-and-swap, as in
//! `std::sync::Arc`. And 16 bytes where `Vec` has 24: the count takes the 4 or 8 that this saves.
//! Not for vectors of many gigabytes: lengths have 32 bits.
//!
//! ```text
//!   CowVec                          heap
//!   | data | len 4 | capacity 4 |   | count 4 | (pad) | element, element ... | spare |
//!       `-------------------------------------------> ^
//! ```
//!
//! All edits go through [`CowVec::unshare`], so that one check serves many of them.
//!
//! Invariants
//! - C1: `capacity` is zero and `data` dangles, or `data` points behind the count of an
//!   allocation of `layout`. The first `len` elements are initialised.
//! - C2: `count` is the number of vectors with that allocation. While it is above one, nobody
//!   writes to it but the count.
//! - C3: behind an [`Unshared`] the count is one or there is no allocation; nobody can clone it,
//!   because it shows no `CowVec`.
//!
//! Ordering edges
//! - `cow-count`: decrement (Release) -> load (Acquire) of who edits or frees. Carries every read
//!   of the elements by those who let go.

#[cfg(test)]
pub(crate) mod copied;
mod single;
#[cfg(all(test, not(loom)))]
mod tests;
mod unshared;

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::NonNull;

pub use single::CowBox;
pub use unshared::Unshared;

use crate::sync::{AtomicU32, Ordering, fence};

/// See the module.
///
/// # Examples
/// ```
/// use engine::structures::cow::CowVec;
///
/// let mut numbers: CowVec<u64> = (0..100).collect();
/// let before = numbers.clone();
/// numbers.unshare().push(100);
/// assert_eq!((numbers.len(), before.len()), (101, 100));
/// ```
pub struct CowVec<T> {
    data: NonNull<T>,
    len: u32,
    capacity: u32,
    _owns: PhantomData<T>,
}

// SAFETY: a clone on another thread reads the elements (`Sync`), and the last to go drops them
// there (`Send`); the count is atomic.
unsafe impl<T: Send + Sync> Send for CowVec<T> {}
// SAFETY: `&CowVec` gives `&T`, and clones, for which see above.
unsafe impl<T: Send + Sync> Sync for CowVec<T> {}

/// Alignment of an allocation.
const fn align<T>() -> usize {
    if align_of::<T>() > align_of::<AtomicU32>() {
        align_of::<T>()
    } else {
        align_of::<AtomicU32>()
    }
}

/// Bytes in front of the elements.
const fn front<T>() -> usize {
    size_of::<AtomicU32>().next_multiple_of(align::<T>())
}

/// An allocation for `capacity` elements.
fn layout<T>(capacity: u32) -> Layout {
    const { assert!(size_of::<T>() > 0, "elements take memory") };
    let bytes = (capacity as usize).checked_mul(size_of::<T>());
    let bytes = bytes.and_then(|bytes| bytes.checked_add(front::<T>()));
    let layout = bytes.and_then(|bytes| Layout::from_size_align(bytes, align::<T>()).ok());
    layout.expect("an allocation is smaller than the address space")
}

fn narrow(count: usize) -> u32 {
    u32::try_from(count).expect("blocks have fewer than 2^32 elements")
}

impl<T> CowVec<T> {
    /// No elements, no allocation.
    #[must_use]
    pub const fn new() -> Self {
        Self { data: NonNull::dangling(), len: 0, capacity: 0, _owns: PhantomData }
    }

    /// No elements, and room for exactly so many.
    ///
    /// # Panics
    /// If that is 2^32 or more.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        let capacity = narrow(capacity);
        if capacity == 0 {
            return Self::new();
        }
        let layout = layout::<T>(capacity);
        // SAFETY: the layout is not empty: it has a count.
        let start = unsafe { alloc(layout) };
        let Some(start) = NonNull::new(start) else { handle_alloc_error(layout) };
        // SAFETY: the count lies at the start (C1), which is aligned for it.
        unsafe { start.cast::<AtomicU32>().write(AtomicU32::new(1)) };
        // SAFETY: within the allocation.
        let data = unsafe { start.byte_add(front::<T>()) };
        Self { data: data.cast(), len: 0, capacity, _owns: PhantomData }
    }

    /// How many elements fit into an allocation of `bytes` bytes.
    #[must_use]
    pub const fn capacity_within(bytes: usize) -> usize {
        bytes.saturating_sub(front::<T>()) / size_of::<T>()
    }

    /// Bytes of an allocation for so many elements.
    #[must_use]
    pub const fn bytes_for(capacity: usize) -> usize {
        if capacity == 0 { 0 } else { front::<T>() + capacity * size_of::<T>() }
    }

    /// Elements that fit without another allocation.
    #[inline]
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity as usize
    }

    /// Bytes of the allocation; shared ones count in every clone.
    #[inline]
    #[must_use]
    pub const fn heap_bytes(&self) -> usize {
        Self::bytes_for(self.capacity as usize)
    }

    /// Where the allocation begins.
    fn start(&self) -> NonNull<u8> {
        debug_assert!(self.capacity > 0, "there is an allocation (C1)");
        // SAFETY: the elements lie behind the count (C1).
        unsafe { self.data.cast::<u8>().byte_sub(front::<T>()) }
    }

    #[inline]
    fn count(&self) -> &AtomicU32 {
        // SAFETY: the count lies at the start (C1) and lives as long as `self` (C2).
        unsafe { self.start().cast::<AtomicU32>().as_ref() }
    }

    /// Asks for the line that says whether somebody else has these elements.
    #[inline]
    pub fn prefetch_count(&self) {
        crate::prefetch::address(self.data.as_ptr().cast::<u8>().wrapping_sub(front::<T>()));
    }

    /// Whether nobody else has these elements.
    #[inline]
    #[must_use]
    pub fn is_unique(&self) -> bool {
        // ORDER(cow-count): Acquire; what the others read of it has been read.
        self.capacity == 0 || self.count().load(Ordering::Acquire) == 1
    }
}

impl<T: Clone> CowVec<T> {
    /// The vector for editing; a copy of its own if it was shared.
    ///
    /// Cost: one load and one comparison, or the copy.
    #[inline]
    pub fn unshare(&mut self) -> &mut Unshared<T> {
        if !self.is_unique() {
            self.copy();
        }
        Unshared::of(self)
    }

    #[cold]
    fn copy(&mut self) {
        let mut copy = Self::with_capacity(self.capacity());
        for (at, element) in self.iter().enumerate() {
            // SAFETY: the copy has room for as many elements.
            let place = unsafe { copy.data.add(at) };
            // SAFETY: as above; nothing is there yet.
            unsafe { place.write(element.clone()) };
        }
        copy.len = self.len;
        #[cfg(test)]
        copied::note(self.heap_bytes());
        *self = copy;
    }
}

impl<T> Deref for CowVec<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: so many are initialised (C1), and nobody writes to them while `self` is
        // borrowed (C2, C3).
        unsafe { std::slice::from_raw_parts(self.data.as_ptr(), self.len as usize) }
    }
}

impl<T> Clone for CowVec<T> {
    /// Shares the elements. Cost: O(1).
    #[inline]
    fn clone(&self) -> Self {
        if self.capacity > 0 {
            // ORDER(cow-count): Relaxed; a new one comes from one that is held.
            let before = self.count().fetch_add(1, Ordering::Relaxed);
            assert!(before < u32::MAX / 2, "fewer clones than snapshots");
        }
        Self { ..*self }
    }
}

impl<T> Drop for CowVec<T> {
    #[inline]
    fn drop(&mut self) {
        if self.capacity == 0 {
            return;
        }
        // Without a locked instruction where nobody else has it: nobody can come by it either.
        if !self.is_unique() {
            // ORDER(cow-count): Release; what was read through this one has been read.
            if self.count().fetch_sub(1, Ordering::Release) != 1 {
                return;
            }
            // ORDER(cow-count): Acquire; what the others read has been read.
            fence(Ordering::Acquire);
        }
        let elements = std::ptr::slice_from_raw_parts_mut(self.data.as_ptr(), self.len as usize);
        // SAFETY: this was the last with them (C2); so many are initialised (C1).
        unsafe { std::ptr::drop_in_place(elements) };
        // SAFETY: allocated with this layout (C1), and nobody refers to it any more (C2).
        unsafe { dealloc(self.start().as_ptr(), layout::<T>(self.capacity)) };
    }
}

impl<T> Default for CowVec<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for CowVec<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<T> FromIterator<T> for CowVec<T> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        let elements = elements.into_iter();
        let mut all = Self::with_capacity(elements.size_hint().0);
        let new = Unshared::of(&mut all);
        elements.for_each(|element| new.push(element));
        all
    }
}

impl<T: Copy> CowVec<T> {
    /// So many elements, all `element`, and no room for more.
    #[must_use]
    pub fn filled(element: T, len: usize) -> Self {
        let mut all = Self::with_capacity(len);
        Unshared::of(&mut all).resize(len, element);
        all
    }
}

impl<T: Copy> From<&[T]> for CowVec<T> {
    fn from(elements: &[T]) -> Self {
        let mut all = Self::with_capacity(elements.len());
        Unshared::of(&mut all).extend_from_slice(elements);
        all
    }
}
