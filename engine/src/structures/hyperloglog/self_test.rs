//! PFSELFTEST: what a sketch promises, tried on this machine.
//!
//! Why it exists: the loops differ from machine to machine (vector widths), and the command lets
//! an operator see that they are right on theirs.

use super::{DENSE_BYTES, Encoding, REGISTERS, Sketch, dense, pack, unpack};

/// Elements that are added; their numbers are checked at every power of ten.
const ELEMENTS: u64 = 1_000_000;
const SPARSE_BYTES_MAX: usize = 3_000;
/// Rounds of setting every register.
const ROUNDS: usize = 50;

/// Tries registers, the agreement of both encodings, and the error of the count. Cost: some
/// 50 ms.
///
/// # Errors
/// What failed.
pub fn self_test(seed: u64) -> Result<(), &'static str> {
    let mut state = seed | 1;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut packed = [0; DENSE_BYTES];
    for _ in 0..ROUNDS {
        let registers: [u8; REGISTERS] = std::array::from_fn(|_| random().to_le_bytes()[0] & 63);
        for (index, value) in registers.iter().enumerate() {
            dense::set(&mut packed, index, *value);
        }
        let (mut unpacked, mut again) = ([0; REGISTERS], [0; DENSE_BYTES]);
        unpack(&packed, &mut unpacked);
        pack(&registers, &mut again);
        if unpacked != registers || again != packed {
            return Err("a register does not hold its value");
        }
    }
    let salt = random();
    let (mut sparse, mut dense) = (Sketch::default(), Sketch::default());
    let corrupt = |_| "a sketch became corrupt";
    dense.to_dense().map_err(corrupt)?;
    let mut checkpoint = 1;
    for number in 1..=ELEMENTS {
        let element = (number ^ salt).to_le_bytes();
        for sketch in [&mut sparse, &mut dense] {
            sketch.add(&element, SPARSE_BYTES_MAX).map_err(corrupt)?;
        }
        if number == checkpoint {
            check(&sparse, &dense, number)?;
            checkpoint *= 10;
        }
    }
    Ok(())
}

fn check(sparse: &Sketch, dense: &Sketch, number: u64) -> Result<(), &'static str> {
    let corrupt = |_| "a sketch became corrupt";
    if number < 1_000 && sparse.view().encoding() != Encoding::Sparse {
        return Err("sparse encoding not used");
    }
    let count = dense.view().count().map_err(corrupt)?;
    if sparse.view().count().map_err(corrupt)? != count {
        return Err("dense/sparse disagree");
    }
    // Six standard errors of 0.8125 %, and two for collisions among the first few.
    let allowed = 2 + number * 4_875 / 100_000;
    if count.abs_diff(number) > allowed { Err("Too big error.") } else { Ok(()) }
}
