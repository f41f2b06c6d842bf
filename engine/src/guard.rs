//! Reclamation: memory that readers may still hold is freed when none of them can.
//!
//! Why it exists: one place says which scheme the engine uses (`seize`, an implementation of
//! Hyaline-1: Nikolaev and Ravindran, "Snapshot-Free, Transparent, and Robust Memory
//! Reclamation for Lock-Free Data Structures", PLDI 2021) and how it is tuned. There is one
//! collector for the process, one guard per loop turn, and batches large enough that the
//! barrier a batch costs is shared by thousands of writes. docs/src/decisions/reclamation.md
//! has the figures.
//!
//! Invariants
//! - G1: what is retired was unlinked before: no thread that enters later can reach it.
//! - G2: every load of a pointer that may be retired is `SeqCst`, as `seize` requires of
//!   protected loads (on x86-64 that is a plain load).
//!
//! Under loom nothing is freed before the collector is: the models look at the protocols, and
//! the retire/read model brings a collector that loom can see.

use std::cell::Cell;

/// Retired bytes after which a batch is handed over early, so that large values do not pile up
/// in a batch that is counted in entries.
const PENDING_BYTES_MAX: usize = 1 << 20;

/// Retirements per batch: at 2 threads a retirement costs 295 ns with 32 and 37 ns with 2,048.
#[cfg(not(loom))]
const BATCH_ENTRIES: usize = 2048;

/// How a retired allocation is freed.
pub(crate) trait Reclaim {
    /// Frees the allocation behind `pointer`.
    ///
    /// # Safety
    /// `pointer` came from the type's own allocation function, is not used again, and nobody
    /// else can reach it.
    unsafe fn reclaim(pointer: *mut Self);
}

#[cfg(not(loom))]
mod shipped {
    use super::{BATCH_ENTRIES, Cell, PENDING_BYTES_MAX, Reclaim};
    use seize::Guard as _;

    /// The collector of one engine.
    #[derive(Debug)]
    pub(crate) struct Collector(seize::Collector);

    impl Collector {
        pub(crate) fn new() -> Self {
            Self(seize::Collector::new().batch_size(BATCH_ENTRIES))
        }

        /// Pins everything reachable from now on until the guard is dropped.
        #[inline]
        pub(crate) fn enter(&self) -> Guard<'_> {
            Guard { inner: self.0.enter(), pending_bytes: Cell::new(0) }
        }
    }

    /// Proof that what was reachable stays allocated.
    #[derive(Debug)]
    pub(crate) struct Guard<'c> {
        inner: seize::LocalGuard<'c>,
        pending_bytes: Cell<usize>,
    }

    /// What the collector calls when no guard can hold `pointer` any more.
    ///
    /// # Safety
    /// As for [`Reclaim::reclaim`].
    unsafe fn reclaim<T: Reclaim>(pointer: *mut T, _: &seize::Collector) {
        // SAFETY: passed on from `Guard::retire`, whose caller guarantees it.
        unsafe { T::reclaim(pointer) }
    }

    impl Guard<'_> {
        /// Frees `pointer` once no guard can hold it. `bytes` is its size, for pacing only.
        ///
        /// # Safety
        /// `pointer` is valid for [`Reclaim::reclaim`], unlinked (G1), and retired once.
        #[inline]
        pub(crate) unsafe fn retire<T: Reclaim>(&self, pointer: *mut T, bytes: usize) {
            // SAFETY: guaranteed by the caller.
            unsafe { self.inner.defer_retire(pointer, reclaim::<T>) };
            let pending = self.pending_bytes.get() + bytes;
            self.pending_bytes.set(pending);
            if pending >= PENDING_BYTES_MAX {
                self.flush();
            }
        }

        /// Hands the current batch over without waiting for it to fill.
        #[cold]
        pub(crate) fn flush(&self) {
            self.pending_bytes.set(0);
            self.inner.flush();
        }
    }
}
#[cfg(not(loom))]
pub(crate) use shipped::{Collector, Guard};

#[cfg(loom)]
mod modelled {
    use super::{Cell, PENDING_BYTES_MAX, Reclaim};
    use std::sync::Mutex;

    type Retired = Box<dyn FnOnce() + Send>;

    /// Keeps everything until it is dropped.
    pub(crate) struct Collector(Mutex<Vec<Retired>>);

    impl std::fmt::Debug for Collector {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Collector")
        }
    }

    impl Collector {
        pub(crate) fn new() -> Self {
            Self(Mutex::new(Vec::new()))
        }

        pub(crate) fn enter(&self) -> Guard<'_> {
            Guard { collector: self, pending_bytes: Cell::new(0) }
        }
    }

    impl Drop for Collector {
        fn drop(&mut self) {
            for free in self.0.get_mut().expect("no panic while retiring").drain(..) {
                free();
            }
        }
    }

    /// Proof that what was reachable stays allocated.
    #[derive(Debug)]
    pub(crate) struct Guard<'c> {
        collector: &'c Collector,
        pending_bytes: Cell<usize>,
    }

    impl Guard<'_> {
        /// See the shipped twin.
        ///
        /// # Safety
        /// As the shipped twin.
        pub(crate) unsafe fn retire<T: Reclaim>(&self, pointer: *mut T, bytes: usize) {
            let address = pointer.expose_provenance();
            // SAFETY: guaranteed by the caller.
            let free =
                move || unsafe { T::reclaim(std::ptr::with_exposed_provenance_mut(address)) };
            self.collector.0.lock().expect("no panic while retiring").push(Box::new(free));
            self.pending_bytes.set((self.pending_bytes.get() + bytes) % PENDING_BYTES_MAX);
        }

        pub(crate) fn flush(&self) {}
    }
}
#[cfg(loom)]
pub(crate) use modelled::{Collector, Guard};
