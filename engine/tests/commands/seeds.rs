//! Random commands against plain maps, from seeds.
//!
//! A failure prints the seed: `ZUMIC_SEED=<seed>` runs that one alone.

use super::model::engine_agrees_with_maps;
use super::ops::{Input, Source};

const SEEDS: u64 = 60;
const STEPS: usize = 1_500;

/// Choices from a seed: xorshift64*, endless.
#[derive(Debug)]
struct Seed(u64);

impl Source for Seed {
    fn below(&mut self, bound: usize) -> Option<usize> {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let mixed = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        Some(usize::try_from(mixed).expect("31 bits") % bound)
    }
}

#[test]
fn the_engine_answers_as_maps_do() {
    let one = std::env::var("ZUMIC_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    let seeds = one.map_or(1..=SEEDS, |seed| seed..=seed);
    for seed in seeds {
        let mut source = Seed(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        engine_agrees_with_maps(&mut source, STEPS, &format!("SEED={seed}"));
    }
}

/// What the fuzz target runs, with inputs that are always at hand.
#[test]
fn bytes_drive_the_same_property() {
    for first in 0..=255_u8 {
        let bytes: Vec<u8> =
            (0..200_u8).map(|at| at.wrapping_mul(31).wrapping_add(first)).collect();
        engine_agrees_with_maps(&mut Input(&bytes), STEPS, &format!("first={first}"));
    }
}
