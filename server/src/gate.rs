//! Holding replies back until what they tell is on disk.
//!
//! Why it exists: under `appendfsync always` a reply says that a write is durable, or shows one, so
//! it may leave when the log has synced the epoch it saw and no sooner. The reactor does not wait
//! for that: the bytes stay in the connection's output behind a gate, and the loop goes on.
//! Not for memory mode or the other policies, which never hold anything.
//!
//! Invariants
//! - G1: epochs and positions of a gate rise from its front to its back, so opening it from the
//!   front releases bytes in their order (I1 of the architecture).
//! - G2: no byte at or behind the position of the front hold leaves.

use std::collections::VecDeque;

/// From this position on, replies wait for this epoch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Hold {
    epoch: u64,
    at: u64,
}

/// What one connection's replies wait for. Owns no memory while nothing waits.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    holds: VecDeque<Hold>,
}

impl Gate {
    /// Holds what is behind position `at` of the output until `epoch` is durable.
    pub(crate) fn hold(&mut self, epoch: u64, at: u64) {
        // G1: behind a later epoch it waits long enough already.
        if self.holds.back().is_none_or(|last| last.epoch < epoch) {
            debug_assert!(self.holds.back().is_none_or(|last| last.at <= at), "G1");
            self.holds.push_back(Hold { epoch, at });
        }
    }

    /// Opens as far as `durable` allows; whether anything was released.
    pub(crate) fn open(&mut self, durable: u64) -> bool {
        let before = self.holds.len();
        while self.holds.front().is_some_and(|hold| hold.epoch <= durable) {
            self.holds.pop_front();
        }
        if self.holds.is_empty() && self.holds.capacity() > 0 {
            self.holds = VecDeque::new();
        }
        self.holds.len() < before
    }

    /// The position that bytes may leave up to; `None` for all.
    #[inline]
    #[must_use]
    pub(crate) fn limit(&self) -> Option<u64> {
        self.holds.front().map(|hold| hold.at)
    }

    /// The epoch it waits for first; `None` when it is open.
    #[inline]
    #[must_use]
    pub(crate) fn awaits(&self) -> Option<u64> {
        self.holds.front().map(|hold| hold.epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_released_in_order_and_no_sooner() {
        let mut gate = Gate::default();
        assert_eq!((gate.limit(), gate.awaits()), (None, None));
        gate.hold(5, 100);
        gate.hold(5, 110);
        gate.hold(4, 120);
        gate.hold(7, 130);
        assert!(!gate.open(4));
        assert_eq!((gate.limit(), gate.awaits()), (Some(100), Some(5)));
        assert!(gate.open(6));
        assert_eq!((gate.limit(), gate.awaits()), (Some(130), Some(7)));
        assert!(gate.open(7));
        assert_eq!((gate.limit(), gate.awaits()), (None, None));
    }

    #[test]
    fn an_open_gate_owns_nothing() {
        let mut gate = Gate::default();
        gate.hold(1, 0);
        gate.open(1);
        assert_eq!(gate.holds.capacity(), 0);
    }
}
