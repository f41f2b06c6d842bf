//! A string of bits: written at its end, read from its front, the highest bit of a byte first.
//!
//! Why it exists: Gorilla's codes are one to seventy bits long. Not for random access.
//!
//! Invariants
//! - B1: `free` is the number of unused low bits of the last byte, 0..=7, and those are zero.

use crate::structures::cow::CowVec;

/// Bits that own their bytes, or share them with clones until one of them is edited.
#[derive(Clone, Debug, Default)]
pub(super) struct Bits {
    bytes: CowVec<u8>,
    free: u32,
}

impl Bits {
    /// Appends the `count` low bits of `value`; higher ones are ignored.
    #[inline]
    pub(super) fn push(&mut self, value: u64, count: u32) {
        debug_assert!((1..=64).contains(&count), "a code has a length");
        let bytes = self.bytes.unshare();
        let mut left = count;
        while left > 0 {
            if self.free == 0 {
                bytes.push(0);
                self.free = 8;
            }
            let taken = left.min(self.free);
            left -= taken;
            self.free -= taken;
            let part = (value >> left) & ((1 << taken) - 1);
            let byte = bytes.last_mut().expect("pushed above when there was none");
            *byte |= low_byte(part << self.free);
        }
    }

    /// Bytes in use.
    #[inline]
    pub(super) fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes, the last one filled up with zeros (B1).
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Heap bytes owned.
    pub(super) fn memory(&self) -> usize {
        self.bytes.heap_bytes()
    }

    /// Gives back what was reserved for more.
    pub(super) fn shrink(&mut self) {
        self.bytes.unshare().shrink_to(0);
    }

    /// The bits from the first one on.
    #[inline]
    pub(super) fn reader(&self) -> Reader<'_> {
        Reader { bytes: &self.bytes, at: 0 }
    }
}

/// The lowest eight bits.
#[inline]
fn low_byte(value: u64) -> u8 {
    value.to_le_bytes()[0]
}

/// A place in a string of bits.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads bits that are not owned by a [`Bits`].
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }
}

impl Reader<'_> {
    /// The next `count` bits as a number. Behind the end there are zeros.
    #[inline]
    pub(super) fn take(&mut self, count: u32) -> u64 {
        debug_assert!((1..=64).contains(&count), "a code has a length");
        let (byte, bit) = (self.at / 8, self.at % 8);
        self.at += count as usize;
        let mut nine = [0; 9];
        let source = match self.bytes.get(byte..byte + 9) {
            Some(source) => source.try_into().expect("nine bytes"),
            None => {
                let rest = self.bytes.get(byte..).unwrap_or_default();
                nine[..rest.len()].copy_from_slice(rest);
                nine
            }
        };
        let [head @ .., tail] = source;
        let mut word = u64::from_be_bytes(head) << bit;
        if bit > 0 {
            word |= u64::from(tail) >> (8 - bit);
        }
        word >> (64 - count)
    }

    /// The next bit.
    #[inline]
    pub(super) fn take_bit(&mut self) -> bool {
        let byte = self.bytes.get(self.at / 8).copied().unwrap_or(0);
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        bit == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_at_every_place_comes_back() {
        for offset in 1..=8 {
            for count in 1..=64 {
                for value in [0, 1, u64::MAX, 0x1234_5678_9abc_def0] {
                    let mut bits = Bits::default();
                    bits.push(0, offset);
                    bits.push(value, count);
                    bits.push(1, 1);
                    assert_eq!(bits.bytes_len(), (offset + count + 1).div_ceil(8) as usize);
                    let mut reader = bits.reader();
                    assert_eq!(reader.take(offset), 0);
                    assert_eq!(reader.take(count), value & (u64::MAX >> (64 - count)));
                    assert!(reader.take_bit(), "{offset} {count} {value:x}");
                    assert_eq!(reader.take(64), 0, "zeros behind the end");
                }
            }
        }
    }
}
