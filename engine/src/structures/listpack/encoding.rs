//! How one entry of a listpack is encoded; the table is in the parent's header.
//!
//! Why it exists: bytes that other servers read as well are made and read in this file alone.

use super::Entry;
use crate::commands::number;
use crate::structures::cow::Unshared;

const STR_6: u8 = 0x80;
const INT_13: u8 = 0xc0;
const STR_12: u8 = 0xe0;
const STR_32: u8 = 0xf0;
const INT_16: u8 = 0xf1;
const INT_24: u8 = 0xf2;
const INT_32: u8 = 0xf3;
const INT_64: u8 = 0xf4;

/// Encoding byte and the longest number or length behind it.
const HEAD_BYTES_MAX: usize = 9;

/// An entry ready to be written: encoding (with the number, or the length), and a string's bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Encoded<'v> {
    head: [u8; HEAD_BYTES_MAX],
    head_len: usize,
    data: &'v [u8],
}

impl<'v> Encoded<'v> {
    #[inline]
    pub(super) fn of(entry: Entry<'v>) -> Self {
        match entry {
            Entry::Bytes(bytes) => Self::of_bytes(bytes),
            Entry::Int(number) => Self::of_int(number),
        }
    }

    /// Canonical decimals become numbers.
    #[inline]
    pub(super) fn of_bytes(bytes: &'v [u8]) -> Self {
        match number::integer(bytes) {
            Some(number) => Self::of_int(number),
            None => Self::of_str(bytes),
        }
    }

    fn of_str(data: &'v [u8]) -> Self {
        let len = u32::try_from(data.len()).expect("an argument is shorter than 4 GiB");
        let [l0, l1, l2, l3] = len.to_le_bytes();
        let (head, head_len) = match data.len() {
            0..64 => (head(&[STR_6 | l0]), 1),
            64..4096 => (head(&[STR_12 | l1, l0]), 2),
            _ => (head(&[STR_32, l0, l1, l2, l3]), 5),
        };
        Self { head, head_len, data }
    }

    fn of_int(number: i64) -> Self {
        let [n0, n1, n2, n3, n4, n5, n6, n7] = number.to_le_bytes();
        let (head, head_len) = match number {
            0..=127 => (head(&[n0]), 1),
            -4096..=4095 => (head(&[INT_13 | (n1 & 0x1f), n0]), 2),
            -0x8000..=0x7fff => (head(&[INT_16, n0, n1]), 3),
            -0x80_0000..=0x7f_ffff => (head(&[INT_24, n0, n1, n2]), 4),
            -0x8000_0000..=0x7fff_ffff => (head(&[INT_32, n0, n1, n2, n3]), 5),
            _ => (head(&[INT_64, n0, n1, n2, n3, n4, n5, n6, n7]), 9),
        };
        Self { head, head_len, data: &[] }
    }

    /// Bytes without the back-length.
    #[inline]
    fn size(&self) -> usize {
        self.head_len + self.data.len()
    }

    /// Bytes in all.
    #[inline]
    pub(super) fn whole_size(&self) -> usize {
        with_back_len(self.size())
    }

    /// Whether `entries` begins with this entry.
    #[inline]
    pub(super) fn is_at(&self, entries: &[u8]) -> bool {
        // The first byte differs more often than not, and needs no slice.
        entries[0] == self.head[0]
            && entries.starts_with(&self.head[..self.head_len])
            && entries[self.head_len..].starts_with(self.data)
    }

    /// Writes the entry behind `out`.
    #[inline]
    pub(super) fn append_to(&self, out: &mut Unshared<u8>) {
        out.extend_from_slice(&self.head[..self.head_len]);
        out.extend_from_slice(self.data);
        let (back, first) = back_len(self.size());
        out.extend_from_slice(&back[first..]);
    }

    /// Fills `out`, which has exactly the entry's whole size.
    #[inline]
    pub(super) fn write_to(&self, out: &mut [u8]) {
        let (head, rest) = out.split_at_mut(self.head_len);
        head.copy_from_slice(&self.head[..self.head_len]);
        let (data, last) = rest.split_at_mut(self.data.len());
        data.copy_from_slice(self.data);
        let (back, first) = back_len(self.size());
        last.copy_from_slice(&back[first..]);
    }
}

#[inline]
fn head(bytes: &[u8]) -> [u8; HEAD_BYTES_MAX] {
    let mut head = [0; HEAD_BYTES_MAX];
    head[..bytes.len()].copy_from_slice(bytes);
    head
}

/// Bytes of the back-length for an entry of `size` bytes. The limits are Redis's own, which uses
/// one byte more than needed for 16383 and its like.
#[inline]
fn back_len_size(size: usize) -> usize {
    match size {
        0..=127 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    }
}

/// The back-length, right-aligned, and where it begins.
#[inline]
fn back_len(size: usize) -> ([u8; 5], usize) {
    let mut back = [0; 5];
    let first = back.len() - back_len_size(size);
    let mut rest = size;
    for at in (first..back.len()).rev() {
        let more = if at == first { 0 } else { 0x80 };
        back[at] = (rest.to_le_bytes()[0] & 0x7f) | more;
        rest >>= 7;
    }
    // Read from the right, the last byte has the mark unless it is the only one.
    (back, first)
}

/// Size of the last entry, without and of its back-length.
///
/// # Panics
/// If `entries` is empty or damaged.
#[inline]
pub(super) fn decode_back(entries: &[u8]) -> (usize, usize) {
    let mut size = 0;
    let mut shift = 0;
    for (at, byte) in entries.iter().rev().take(5).enumerate() {
        size |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return (size, at + 1);
        }
        shift += 7;
    }
    panic!("a listpack is damaged: a back-length has no end")
}

/// The first entry, and its size with the back-length, if that is all there and agrees.
pub(super) fn decode_foreign(entries: &[u8]) -> Option<(Entry<'_>, usize)> {
    let first = *entries.first()?;
    let size = match first {
        0..STR_6 => 1,
        STR_6..INT_13 => 1 + usize::from(first & 0x3f),
        INT_13..STR_12 => 2,
        STR_12..STR_32 => 2 + (entries.len() >= 2).then(|| str_12_len(entries))?,
        STR_32 => 5 + (entries.len() >= 5).then(|| str_32_len(entries))?,
        INT_16 => 3,
        INT_24 => 4,
        INT_32 => 5,
        INT_64 => 9,
        _ => return None,
    };
    let (back, from) = back_len(size);
    let back = &back[from..];
    if entries.len().checked_sub(size)? < back.len() || !entries[size..].starts_with(back) {
        return None;
    }
    Some((decode(entries).0, size + back.len()))
}

/// Size of the first entry with its back-length.
///
/// # Panics
/// If `entries` is empty or damaged.
#[inline]
pub(super) fn whole_size(entries: &[u8]) -> usize {
    let first = entries[0];
    match first {
        // Short entries have a back-length of one byte.
        0..STR_6 => 2,
        STR_6..INT_13 => 2 + usize::from(first & 0x3f),
        INT_13..STR_12 => 3,
        STR_12..STR_32 => with_back_len(2 + str_12_len(entries)),
        STR_32 => with_back_len(5 + str_32_len(entries)),
        INT_16 => 4,
        INT_24 => 5,
        INT_32 => 6,
        INT_64 => 10,
        _ => damaged(first),
    }
}

/// The first entry, and its size with the back-length.
///
/// # Panics
/// If `entries` is empty or damaged.
#[inline]
pub(super) fn decode(entries: &[u8]) -> (Entry<'_>, usize) {
    let first = entries[0];
    match first {
        0..STR_6 => (Entry::Int(i64::from(first)), 2),
        STR_6..INT_13 => {
            let end = 1 + usize::from(first & 0x3f);
            (Entry::Bytes(&entries[1..end]), end + 1)
        }
        _ => decode_long(entries),
    }
}

/// The same for all but the shortest.
fn decode_long(entries: &[u8]) -> (Entry<'_>, usize) {
    let first = entries[0];
    let text = |head: usize, len: usize| {
        (Entry::Bytes(&entries[head..head + len]), with_back_len(head + len))
    };
    match first {
        INT_13..STR_12 => (Entry::Int(signed(&[entries[1], first & 0x1f], 13)), 3),
        STR_12..STR_32 => text(2, str_12_len(entries)),
        STR_32 => text(5, str_32_len(entries)),
        INT_16 => (Entry::Int(signed(&entries[1..3], 16)), 4),
        INT_24 => (Entry::Int(signed(&entries[1..4], 24)), 5),
        INT_32 => (Entry::Int(signed(&entries[1..5], 32)), 6),
        INT_64 => (Entry::Int(signed(&entries[1..9], 64)), 10),
        _ => damaged(first),
    }
}

#[inline]
fn with_back_len(size: usize) -> usize {
    size + back_len_size(size)
}

#[cold]
fn damaged(first: u8) -> ! {
    panic!("a listpack is damaged: no encoding {first:#x}")
}

#[inline]
fn str_12_len(entries: &[u8]) -> usize {
    usize::from(entries[0] & 0x0f) << 8 | usize::from(entries[1])
}

#[inline]
fn str_32_len(entries: &[u8]) -> usize {
    let len = u32::from_le_bytes([entries[1], entries[2], entries[3], entries[4]]);
    usize::try_from(len).expect("32 bits fit a usize")
}

/// The two's complement number of so many bits in little-endian bytes.
#[inline]
fn signed(bytes: &[u8], bits: u32) -> i64 {
    let mut whole = [0; 8];
    whole[..bytes.len()].copy_from_slice(bytes);
    let unused = 64 - bits;
    i64::from_le_bytes(whole) << unused >> unused
}
