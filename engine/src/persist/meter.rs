//! How far something long is, and the way to stop it.
//!
//! Why it exists: saving and loading take seconds to minutes, and clients, logs and a bar on a
//! terminal want to know. Not for deciding anything: readings are a little old.

use crate::sync::{AtomicBool, AtomicU64, Ordering};

/// How far something long is; read by others while it goes on.
#[derive(Debug, Default)]
pub struct Meter {
    abandoned: AtomicBool,
    keys: AtomicU64,
    keys_expected: AtomicU64,
    bytes: AtomicU64,
}

impl Meter {
    /// Keys done.
    pub fn keys(&self) -> u64 {
        // ORDER: Relaxed (unpaired); a statistic.
        self.keys.load(Ordering::Relaxed)
    }

    /// Keys there will be, more or less.
    pub fn keys_expected(&self) -> u64 {
        // ORDER: Relaxed (unpaired); a statistic.
        self.keys_expected.load(Ordering::Relaxed)
    }

    /// Bytes of the file done.
    pub fn bytes(&self) -> u64 {
        // ORDER: Relaxed (unpaired); a statistic.
        self.bytes.load(Ordering::Relaxed)
    }

    /// Asks for it to end early. For good.
    pub fn abandon(&self) {
        // ORDER: Relaxed (unpaired); a request, obeyed soon.
        self.abandoned.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to end early.
    pub fn is_abandoned(&self) -> bool {
        // ORDER: Relaxed (unpaired); a request, obeyed soon.
        self.abandoned.load(Ordering::Relaxed)
    }

    pub(crate) fn add_keys(&self, count: u64) {
        // ORDER: Relaxed (unpaired); a statistic.
        self.keys.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn set_keys_expected(&self, count: u64) {
        // ORDER: Relaxed (unpaired); a statistic.
        self.keys_expected.store(count, Ordering::Relaxed);
    }

    pub(crate) fn restart(&self) {
        for counter in [&self.keys, &self.keys_expected, &self.bytes] {
            // ORDER: Relaxed (unpaired); a statistic.
            counter.store(0, Ordering::Relaxed);
        }
    }

    pub(crate) fn set_bytes(&self, count: u64) {
        // ORDER: Relaxed (unpaired); a statistic.
        self.bytes.store(count, Ordering::Relaxed);
    }
}
