//! One value whose clones share it until one of them is edited: a [`CowVec`] of one element in a
//! pointer.

use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::NonNull;

use super::{CowVec, Unshared};

/// See the module.
///
/// Invariants
/// - `data` is that of a `CowVec` of one element with room for one, which this owns.
pub struct CowBox<T>(NonNull<T>);

// SAFETY: it stands for a `CowVec`, which asks the same.
unsafe impl<T: Send + Sync> Send for CowBox<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for CowBox<T> {}

impl<T> CowBox<T> {
    /// Puts a value on the heap.
    #[must_use]
    pub fn new(value: T) -> Self {
        let mut vector = ManuallyDrop::new(CowVec::with_capacity(1));
        Unshared::of(&mut vector).push(value);
        Self(vector.data)
    }

    /// Bytes of the allocation.
    #[must_use]
    pub const fn heap_bytes() -> usize {
        CowVec::<T>::bytes_for(1)
    }

    /// The vector that this stands for, and goes on owning.
    #[inline]
    fn vector(&self) -> ManuallyDrop<CowVec<T>> {
        ManuallyDrop::new(CowVec { data: self.0, len: 1, capacity: 1, ..CowVec::new() })
    }
}

impl<T: Clone> CowBox<T> {
    /// The value for editing; a copy of its own if it was shared.
    #[inline]
    pub fn unshare(&mut self) -> &mut T {
        if !self.vector().is_unique() {
            self.copy();
        }
        // SAFETY: its own now, and borrowed as long as `self`.
        unsafe { self.0.as_mut() }
    }

    #[cold]
    fn copy(&mut self) {
        let mut vector = self.vector();
        vector.unshare();
        self.0 = vector.data;
    }
}

impl<T> Deref for CowBox<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: initialised, and kept by what `self` owns.
        unsafe { self.0.as_ref() }
    }
}

impl<T> Clone for CowBox<T> {
    fn clone(&self) -> Self {
        Self(ManuallyDrop::new(CowVec::clone(&self.vector())).data)
    }
}

impl<T> Drop for CowBox<T> {
    fn drop(&mut self) {
        drop(ManuallyDrop::into_inner(self.vector()));
    }
}

impl<T: std::fmt::Debug> std::fmt::Debug for CowBox<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        T::fmt(self, f)
    }
}
