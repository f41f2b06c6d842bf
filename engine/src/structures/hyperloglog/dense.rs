//! Registers of six bits, and the loops over all of them.
//!
//! Why it exists: a merge of many sketches is one pass over their registers; as bytes these can
//! be handled by vectors. The loops are compiled for each width by the parent.

use super::{DENSE_BYTES, Histogram, REGISTERS, Registers};

/// Registers of one step: 6 bytes packed, 8 unpacked, each in one word.
const STEP: usize = 8;

fn pair(packed: &[u8; DENSE_BYTES], index: usize) -> (usize, u32, u16) {
    let (byte, bit) = (index * 6 / 8, index * 6 % 8);
    let high = packed.get(byte + 1).copied().unwrap_or(0);
    (byte, u32::try_from(bit).expect("below eight"), u16::from_le_bytes([packed[byte], high]))
}

/// One register.
pub(super) fn get(packed: &[u8; DENSE_BYTES], index: usize) -> u8 {
    let (_, shift, pair) = pair(packed, index);
    u8::try_from(pair >> shift & 63).expect("six bits")
}

/// Sets one register.
pub(super) fn set(packed: &mut [u8; DENSE_BYTES], index: usize, value: u8) {
    let (byte, shift, pair) = pair(packed, index);
    let [low, high] = (pair & !(63 << shift) | u16::from(value) << shift).to_le_bytes();
    packed[byte] = low;
    if let Some(second) = packed.get_mut(byte + 1) {
        *second = high;
    }
}

/// Spreads 48 bits over eight bytes, six bits each: halves, quarters, eighths.
#[inline(always)]
fn spread(word: u64) -> u64 {
    let word = word & 0xff_ffff | (word & 0xffff_ff00_0000) << 8;
    let word = word & 0x0000_0fff_0000_0fff | (word & 0x00ff_f000_00ff_f000) << 4;
    word & 0x003f_003f_003f_003f | (word & 0x0fc0_0fc0_0fc0_0fc0) << 2
}

/// The reverse.
#[inline(always)]
fn gather(word: u64) -> u64 {
    let word = word & 0x003f_003f_003f_003f | (word & 0x3f00_3f00_3f00_3f00) >> 2;
    let word = word & 0x0000_0fff_0000_0fff | (word & 0x0fff_0000_0fff_0000) >> 4;
    word & 0xff_ffff | (word & 0x00ff_ffff_0000_0000) >> 8
}

/// Packed registers to bytes.
#[inline(always)]
pub(super) fn unpack(packed: &[u8; DENSE_BYTES], registers: &mut Registers) {
    let (to, _) = registers.as_chunks_mut::<STEP>();
    let (from, _) = packed.as_chunks::<6>();
    for (to, from) in to.iter_mut().zip(from) {
        let [a, b, c, d, e, f] = *from;
        *to = spread(u64::from_le_bytes([a, b, c, d, e, f, 0, 0])).to_le_bytes();
    }
}

/// Bytes to packed registers.
#[inline(always)]
pub(super) fn pack(registers: &Registers, packed: &mut [u8; DENSE_BYTES]) {
    let (from, _) = registers.as_chunks::<STEP>();
    let (to, _) = packed.as_chunks_mut::<6>();
    for (to, from) in to.iter_mut().zip(from) {
        let [a, b, c, d, e, f, ..] = gather(u64::from_le_bytes(*from)).to_le_bytes();
        *to = [a, b, c, d, e, f];
    }
}

/// Raises each register to that of `other`.
#[inline(always)]
pub(super) fn maximum(all: &mut Registers, other: &Registers) {
    for (own, other) in all.iter_mut().zip(other) {
        *own = (*own).max(*other);
    }
}

/// How many registers have each value: one pass of comparisons per value that may occur.
///
/// A pass compares a vector at a time and adds up in bytes, 128 rows at most so that no sum
/// overflows; counting register by register would wait for each increment.
#[inline(always)]
pub(super) fn histogram(registers: &Registers) -> Histogram {
    const ROW: usize = 64;
    const ROWS: usize = 128;
    let (rows, _) = registers.as_chunks::<ROW>();
    let (mut low, mut high) = ([63_u8; ROW], [0_u8; ROW]);
    for row in rows {
        for at in 0..ROW {
            low[at] = low[at].min(row[at]);
            high[at] = high[at].max(row[at]);
        }
    }
    let low = low.into_iter().min().unwrap_or(0);
    let high = high.into_iter().max().unwrap_or(0).min(63);
    let mut histogram = [0; 64];
    for value in low..=high {
        let mut total = 0;
        for rows in rows.chunks(ROWS) {
            let mut sums = [0_u8; ROW];
            for row in rows {
                for at in 0..ROW {
                    sums[at] += u8::from(row[at] == value);
                }
            }
            total += sums.iter().map(|sum| u32::from(*sum)).sum::<u32>();
        }
        histogram[usize::from(value)] = total;
    }
    histogram
}

const _: () = assert!(DENSE_BYTES * 8 == REGISTERS * 6, "six bits per register");
