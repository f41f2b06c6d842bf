//! Random commands against plain maps, from seeds.
//!
//! A failure prints the seed: `ZUMIC_SEED=<seed>` runs that one alone.

mod support;

use support::model::engine_agrees_with_maps;
use support::ops::{Input, Seed};

const SEEDS: u64 = 60;
const STEPS: usize = 1_500;

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
