//! The one door to atomics, so that loom sees every access of the code that ships.
//!
//! Why it exists: a model of a protocol is worth its name only if it runs the protocol's own
//! code. Everything shared goes through these names; `--cfg loom` swaps what is behind them.
//! Statistics are the exception loom need not explore: they use [`Counter`].

#[cfg(loom)]
pub use loom::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, fence};
#[cfg(loom)]
pub use loom::sync::{Mutex, MutexGuard};
#[cfg(not(loom))]
pub use std::sync::atomic::fence;
#[cfg(not(loom))]
pub use std::sync::{Mutex, MutexGuard};

#[cfg(not(loom))]
#[expect(clippy::disallowed_types, reason = "this is the door")]
mod aliases {
    /// See [`std::sync::atomic::AtomicBool`].
    pub type AtomicBool = std::sync::atomic::AtomicBool;
    /// See [`std::sync::atomic::AtomicPtr`].
    pub type AtomicPtr<T> = std::sync::atomic::AtomicPtr<T>;
    /// See [`std::sync::atomic::AtomicU32`].
    pub type AtomicU32 = std::sync::atomic::AtomicU32;
    /// See [`std::sync::atomic::AtomicU64`].
    pub type AtomicU64 = std::sync::atomic::AtomicU64;
    /// See [`std::sync::atomic::AtomicUsize`].
    pub type AtomicUsize = std::sync::atomic::AtomicUsize;
}
#[cfg(not(loom))]
pub use aliases::*;
pub use std::sync::atomic::Ordering;

/// A statistic: counted by one thread, read by any, ordering nothing.
///
/// Cost: a plain load and a plain store; no locked instruction. Only its owner may add.
#[derive(Debug, Default)]
pub struct Counter(CounterCell);

#[expect(clippy::disallowed_types, reason = "this is the door; loom need not see statistics")]
type CounterCell = std::sync::atomic::AtomicU64;

impl Counter {
    /// Adds `amount`; wraps. Only the owning thread calls it, or an addition may be lost.
    #[inline]
    pub fn add(&self, amount: u64) {
        // ORDER: Relaxed (unpaired); a statistic orders nothing, and one thread writes it.
        let now = self.0.load(Ordering::Relaxed).wrapping_add(amount);
        // ORDER: Relaxed (unpaired); as above.
        self.0.store(now, Ordering::Relaxed);
    }

    /// Subtracts `amount`; wraps, so that a thread may free what another counted.
    #[inline]
    pub fn subtract(&self, amount: u64) {
        self.add(amount.wrapping_neg());
    }

    /// The current reading.
    #[inline]
    #[must_use]
    pub fn get(&self) -> u64 {
        // ORDER: Relaxed (unpaired); a statistic may be a little old.
        self.0.load(Ordering::Relaxed)
    }

    /// Sets the reading, such as to zero on CONFIG RESETSTAT.
    #[inline]
    pub fn set(&self, value: u64) {
        // ORDER: Relaxed (unpaired); a statistic orders nothing.
        self.0.store(value, Ordering::Relaxed);
    }
}

/// Tells the processor (or loom) that this is a spin.
#[inline]
pub fn spin_hint() {
    #[cfg(loom)]
    loom::thread::yield_now();
    #[cfg(not(loom))]
    std::hint::spin_loop();
}
