//! `math.random` as Redis seeds and draws it.
//!
//! Why it exists: scripts that draw must do the same on every machine and at every run, so Redis
//! has the generator of `drand48` (a linear congruence of 48 bits) and starts each EVAL with seed
//! 0.

use std::cell::Cell;

const MULTIPLIER: u64 = 0x5_DEEC_E66D;
const ADDEND: u64 = 0xB;
const STATE_BITS: u32 = 48;
/// What the lowest 16 bits are after seeding.
const SEED_LOW: u64 = 0x330E;
/// The largest number drawn, by which Redis divides.
const DRAWN_MAX: u32 = i32::MAX.cast_unsigned();

/// The generator of a VM.
#[derive(Debug, Default)]
pub(super) struct Random(Cell<u64>);

impl Random {
    /// Starts over from a seed.
    pub(super) fn seed(&self, seed: u32) {
        self.0.set((u64::from(seed) << 16) | SEED_LOW);
    }

    /// A number from 0 to below 1.
    pub(super) fn draw(&self) -> f64 {
        let mask = (1 << STATE_BITS) - 1;
        let next = self.0.get().wrapping_mul(MULTIPLIER).wrapping_add(ADDEND) & mask;
        self.0.set(next);
        let drawn = u32::try_from(next >> (STATE_BITS - 31)).expect("31 bits");
        f64::from(drawn % DRAWN_MAX) / f64::from(DRAWN_MAX)
    }
}
