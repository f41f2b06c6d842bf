//! Prefetch hints.
//!
//! Why it exists: a dependent lookup on a large store costs 275 ns, one whose lines were asked
//! for in a batch 34 ns. Not a promise: on other processors the hint is nothing.

/// Bytes that a comparison of `len` bytes loads: whole vectors, and a load across two lines waits
/// for both, whatever is masked out of it.
#[inline]
pub(crate) const fn compared(len: usize) -> usize {
    const VECTOR: usize = 32;
    if len < VECTOR { VECTOR } else { len }
}

/// Asks for the cache line at `target`.
#[inline]
pub(crate) fn read<T>(target: &T) {
    address(std::ptr::from_ref(target).cast());
}

/// Asks for the cache line at an address, which need not be mapped.
#[inline]
pub(crate) fn address(pointer: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch never faults, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(pointer.cast()) };
    }
    #[cfg(not(all(target_arch = "x86_64", not(loom), not(miri))))]
    let _ = pointer;
}
