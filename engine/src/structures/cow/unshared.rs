//! A vector that nobody else has, for editing: what `Vec` can do, as far as blocks need it.

use std::alloc::{handle_alloc_error, realloc};
use std::ops::{Deref, DerefMut, Range};
use std::ptr::NonNull;

use super::{CowVec, front, layout, narrow};

/// Elements that the first allocation of a vector that grows has room for.
const CAPACITY_MIN: usize = 4;

/// A [`CowVec`] whose elements are its own: see [`CowVec::unshare`].
#[repr(transparent)]
#[derive(Debug)]
pub struct Unshared<T>(CowVec<T>);

impl<T> Unshared<T> {
    /// The caller knows that it is not shared (C3).
    #[inline]
    pub(super) fn of(vector: &mut CowVec<T>) -> &mut Self {
        debug_assert!(vector.is_unique(), "nobody else has it (C3)");
        let vector: *mut CowVec<T> = vector;
        // SAFETY: a transparent wrapper, borrowed as long as `vector` was.
        unsafe { &mut *vector.cast::<Self>() }
    }

    /// Elements that fit without another allocation.
    #[inline]
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// Gives it room for exactly so many elements.
    ///
    /// # Panics
    /// If there are more.
    #[cold]
    fn set_capacity(&mut self, capacity: usize) {
        assert!(capacity >= self.len(), "the elements need room");
        if self.0.capacity == 0 || capacity == 0 {
            // Without elements (C1), so nothing has to move.
            self.0 = CowVec::with_capacity(capacity);
            return;
        }
        let (old, new) = (layout::<T>(self.0.capacity), layout::<T>(narrow(capacity)));
        // SAFETY: allocated with that layout (C1); nobody else refers to it (C3).
        let start = unsafe { realloc(self.0.start().as_ptr(), old, new.size()) };
        let Some(start) = NonNull::new(start) else { handle_alloc_error(new) };
        // SAFETY: within the allocation.
        let data = unsafe { start.byte_add(front::<T>()) };
        self.0.data = data.cast();
        self.0.capacity = narrow(capacity);
    }

    /// Room for exactly `more` elements beyond those that are there, unless there is more.
    #[inline]
    pub fn reserve_exact(&mut self, more: usize) {
        if self.capacity() - self.len() < more {
            self.set_capacity(self.len() + more);
        }
    }

    /// Room for `more` elements; doubles the allocation, so that growing is amortized O(1).
    #[inline]
    pub fn reserve(&mut self, more: usize) {
        if self.capacity() - self.len() < more {
            self.grow(more);
        }
    }

    #[cold]
    fn grow(&mut self, more: usize) {
        let least = (self.len() + more).max(CAPACITY_MIN);
        let doubled = CowVec::<T>::capacity_within(2 * self.0.heap_bytes());
        self.set_capacity(least.max(doubled));
    }

    /// Gives back room beyond `capacity` elements, and beyond those that are there.
    pub fn shrink_to(&mut self, capacity: usize) {
        let capacity = capacity.max(self.len());
        if capacity < self.capacity() {
            self.set_capacity(capacity);
        }
    }

    /// Adds a last element. Cost: amortized O(1).
    #[inline]
    pub fn push(&mut self, element: T) {
        self.reserve(1);
        // SAFETY: there is room for one behind the last.
        let place = unsafe { self.0.data.add(self.len()) };
        // SAFETY: as above; nothing is there.
        unsafe { place.write(element) };
        self.0.len += 1;
    }

    /// Removes the last element.
    pub fn pop(&mut self) -> Option<T> {
        let last = self.0.len.checked_sub(1)?;
        self.0.len = last;
        // SAFETY: it was initialised (C1).
        let place = unsafe { self.0.data.add(last as usize) };
        // SAFETY: it belongs to the vector no more.
        Some(unsafe { place.read() })
    }

    /// Adds an element before element `at`, or behind the last. Cost: O(elements behind).
    ///
    /// # Panics
    /// If `at` is more than the number of elements.
    pub fn insert(&mut self, at: usize, element: T) {
        assert!(at <= self.len(), "element {at} cannot come after {}", self.len());
        self.push(element);
        self[at..].rotate_right(1);
    }

    /// Removes element `at`. Cost: O(elements behind).
    ///
    /// # Panics
    /// If there is no such element.
    pub fn remove(&mut self, at: usize) -> T {
        self[at..].rotate_left(1);
        self.pop().expect("there was an element to rotate")
    }

    /// Removes a range of elements. Cost: O(elements from its start on).
    ///
    /// # Panics
    /// If it is not within the elements.
    pub fn remove_range(&mut self, range: Range<usize>) {
        let count = range.len();
        self[range.start..].rotate_left(count);
        self.truncate(self.len() - count);
    }

    /// Keeps the first `len` elements.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        let Some(gone) = self.len().checked_sub(len) else { return };
        #[expect(clippy::cast_possible_truncation, reason = "at most what there were")]
        let kept = len as u32;
        self.0.len = kept;
        // SAFETY: within the allocation, or at its end.
        let first = unsafe { self.0.data.add(len) };
        let gone = std::ptr::slice_from_raw_parts_mut(first.as_ptr(), gone);
        // SAFETY: they were initialised (C1), and belong to the vector no more.
        unsafe { std::ptr::drop_in_place(gone) };
    }

    /// Moves the elements from `at` on into a vector of their own.
    ///
    /// # Panics
    /// If there are fewer.
    #[must_use]
    pub fn split_off(&mut self, at: usize) -> CowVec<T> {
        let mut tail = CowVec::with_capacity(self.len() - at);
        let moved = self.len() - at;
        // SAFETY: within the allocation, or at its end.
        let from = unsafe { self.0.data.add(at) };
        // SAFETY: so many are initialised (C1), and the new vector has room for them.
        unsafe { tail.data.copy_from_nonoverlapping(from, moved) };
        self.0.len = narrow(at);
        tail.len = narrow(moved);
        tail
    }

    /// Moves all elements of another vector behind these.
    pub fn append(&mut self, other: &mut Self) {
        let moved = other.len();
        self.reserve_exact(moved);
        // SAFETY: there is room for them behind the last.
        let to = unsafe { self.0.data.add(self.len()) };
        // SAFETY: so many are initialised (C1); two vectors do not overlap (C3).
        unsafe { to.copy_from_nonoverlapping(other.0.data, moved) };
        other.0.len = 0;
        self.0.len += narrow(moved);
    }
}

impl<T: Copy> Unshared<T> {
    /// Adds copies of these. Cost: amortized O(their number).
    #[inline]
    pub fn extend_from_slice(&mut self, elements: &[T]) {
        self.reserve(elements.len());
        // SAFETY: there is room for them behind the last.
        let to = unsafe { self.0.data.add(self.len()) };
        // SAFETY: as above; what is borrowed cannot lie in this vector.
        unsafe { to.as_ptr().copy_from_nonoverlapping(elements.as_ptr(), elements.len()) };
        #[expect(clippy::cast_possible_truncation, reason = "they fit into the capacity")]
        let added = elements.len() as u32;
        self.0.len += added;
    }

    /// Makes it `len` elements long; new ones are `element`.
    pub fn resize(&mut self, len: usize, element: T) {
        self.reserve_exact(len.saturating_sub(self.len()));
        for at in self.len()..len {
            // SAFETY: there is room for so many.
            let place = unsafe { self.0.data.add(at) };
            // SAFETY: as above.
            unsafe { place.write(element) };
        }
        self.0.len = narrow(len);
    }
}

impl<T> Deref for Unshared<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> DerefMut for Unshared<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: so many are initialised (C1), and they are this vector's own (C3).
        unsafe { std::slice::from_raw_parts_mut(self.0.data.as_ptr(), self.0.len as usize) }
    }
}
