//! `math.random` as Redis draws it.
//!
//! Why it exists: what a script draws from a seed must be the same on every machine, so Redis has
//! the generator of `drand48` (a linear congruence of 48 bits) instead of C's. It goes on from one
//! script to the next. Machines begin with seeds of their own, lest scripts that make up names draw
//! the same ones on two reactors.

use std::cell::Cell;

const MULTIPLIER: u64 = 0x5_DEEC_E66D;
const ADDEND: u64 = 0xB;
const STATE_BITS: u32 = 48;
const STATE_MASK: u64 = (1 << STATE_BITS) - 1;
/// Where Redis begins.
pub(super) const REDIS_STATE: u64 = 0x1234_ABCD_330E;
/// What the lowest 16 bits are after seeding.
const SEED_LOW: u64 = 0x330E;
/// The largest number drawn, by which Redis divides.
const DRAWN_MAX: u32 = i32::MAX.cast_unsigned();

/// The generator of a VM.
#[derive(Debug, Default)]
pub(super) struct Random(Cell<u64>);

impl Random {
    /// Begins with 48 bits.
    pub(super) fn begin(&self, state: u64) {
        self.0.set(state & STATE_MASK);
    }

    /// Starts over from a seed.
    pub(super) fn seed(&self, seed: u32) {
        self.0.set((u64::from(seed) << 16) | SEED_LOW);
    }

    /// A number from 0 to below 1.
    pub(super) fn draw(&self) -> f64 {
        let next = self.0.get().wrapping_mul(MULTIPLIER).wrapping_add(ADDEND) & STATE_MASK;
        self.0.set(next);
        let drawn = u32::try_from(next >> (STATE_BITS - 31)).expect("31 bits");
        f64::from(drawn % DRAWN_MAX) / f64::from(DRAWN_MAX)
    }
}
