//! The bytes of a log file: one segment header, then blocks.
//!
//! Why it exists: one place says how the log lies on disk; the writer and the reader share it.
//! Not for entries, which a block carries without looking at them: see `entry`.
//!
//! ```text
//! segment header, 96 bytes                     block header, 56 bytes
//!  0 magic "ZUMICLOG"                           0 magic "ZLOGBLCK"
//!  8 u32 version  12 u32 kind                   8 u64 nonce, that of the segment
//! 16 u64 nonce, random                         16 u64 epoch, complete with this block
//! 24 u64 index, one more than the last one's   24 u64 synced: epoch of a block on the disk
//! 32 u64 base: epoch complete before           32 u64 highest epoch of any entry so far
//! 40 u64 highest epoch of any entry before     40 u64 payload bytes
//! 48 u64 length of the segment before          48 u64 checksum, see `checksum`
//! 56 u64 synced, as in a block
//! 64 u64 keys of the largest database then     payload: (u64 bytes, entries)*, a run per session
//! 72 u64 number of that   80 u64 zero
//! 88 u64 XXH3 of the 88 bytes
//! ```
//!
//! Invariants
//! - F1: a block of epoch E on disk means: every entry of an epoch up to E is in this block or in
//!   an earlier one. It may have entries of later epochs, too.
//! - F2: epochs and `synced` of blocks never decrease along the log.
//! - F3: what a nonce does not match is no block of this segment: what a recycled file held before
//!   is never taken for one.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Bytes of a segment's header.
pub(crate) const SEGMENT_HEADER_BYTES: usize = 96;
/// Bytes of a block's header.
pub(crate) const BLOCK_HEADER_BYTES: usize = 56;
/// What a run's length takes.
pub(crate) const RUN_HEADER_BYTES: usize = 8;
const SEGMENT_MAGIC: &[u8; 8] = b"ZUMICLOG";
const BLOCK_MAGIC: &[u8; 8] = b"ZLOGBLCK";
/// The version this code writes, and the only one it reads.
pub(crate) const VERSION: u32 = 1;

/// How a segment follows the one before it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// Goes on where it ended.
    Next = 0,
    /// Begun by a recovery: entries before it above `base` never happened.
    Restart = 1,
    /// Begun after a fault: entries of epochs above the last block's and up to `highest` are
    /// missing, so what follows is worth something to a snapshot of `highest` or later only.
    Gap = 2,
}

/// A segment's header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct SegmentHeader {
    pub(crate) kind: Kind,
    pub(crate) nonce: u64,
    pub(crate) index: u64,
    pub(crate) base: u64,
    pub(crate) highest: u64,
    pub(crate) previous_bytes: u64,
    pub(crate) synced: u64,
    /// Keys and number of the largest database when it was begun, so that a start makes room; of
    /// no other meaning.
    pub(crate) largest_db: (u64, u64),
}

/// A block's header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct BlockHeader {
    pub(crate) nonce: u64,
    pub(crate) epoch: u64,
    pub(crate) synced: u64,
    pub(crate) highest: u64,
    pub(crate) payload_bytes: u64,
    pub(crate) checksum: u64,
}

fn number(bytes: &[u8], at: usize) -> u64 {
    let word: [u8; 8] = bytes[at..at + 8].try_into().expect("eight bytes");
    u64::from_le_bytes(word)
}

fn half(bytes: &[u8], at: usize) -> u32 {
    let word: [u8; 4] = bytes[at..at + 4].try_into().expect("four bytes");
    u32::from_le_bytes(word)
}

/// Why a header is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Unreadable {
    Checksum,
    Kind,
    Magic,
    Version(u32),
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        bytes[..8].copy_from_slice(SEGMENT_MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&(self.kind as u32).to_le_bytes());
        let Self { nonce, index, base, highest, previous_bytes, synced, .. } = *self;
        let (keys, db) = self.largest_db;
        let numbers = [nonce, index, base, highest, previous_bytes, synced, keys, db];
        for (place, number) in bytes[16..80].chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        let checksum = xxh3_64(&bytes[..88]);
        bytes[88..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; SEGMENT_HEADER_BYTES]) -> Result<Self, Unreadable> {
        if &bytes[..8] != SEGMENT_MAGIC {
            return Err(Unreadable::Magic);
        }
        if half(bytes, 8) != VERSION {
            return Err(Unreadable::Version(half(bytes, 8)));
        }
        if number(bytes, 88) != xxh3_64(&bytes[..88]) {
            return Err(Unreadable::Checksum);
        }
        let kind = match half(bytes, 12) {
            0 => Kind::Next,
            1 => Kind::Restart,
            2 => Kind::Gap,
            _ => return Err(Unreadable::Kind),
        };
        Ok(Self {
            kind,
            nonce: number(bytes, 16),
            index: number(bytes, 24),
            base: number(bytes, 32),
            highest: number(bytes, 40),
            previous_bytes: number(bytes, 48),
            synced: number(bytes, 56),
            largest_db: (number(bytes, 64), number(bytes, 72)),
        })
    }
}

impl BlockHeader {
    /// Writes the header in front of its payload; the checksum is computed here.
    pub(crate) fn seal(mut self, block: &mut [u8]) {
        self.payload_bytes = (block.len() - BLOCK_HEADER_BYTES) as u64;
        block[..8].copy_from_slice(BLOCK_MAGIC);
        let numbers = [self.nonce, self.epoch, self.synced, self.highest, self.payload_bytes];
        for (place, number) in block[8..48].chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        let checksum = checksum(&block[..48], &block[BLOCK_HEADER_BYTES..]);
        block[48..BLOCK_HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
    }

    /// The header, unless it is none of the segment's. Its numbers are unproven until the
    /// checksum over the payload is.
    pub(crate) fn decode(bytes: &[u8; BLOCK_HEADER_BYTES], nonce: u64) -> Option<Self> {
        let header = Self {
            nonce: number(bytes, 8),
            epoch: number(bytes, 16),
            synced: number(bytes, 24),
            highest: number(bytes, 32),
            payload_bytes: number(bytes, 40),
            checksum: number(bytes, 48),
        };
        (&bytes[..8] == BLOCK_MAGIC && header.nonce == nonce).then_some(header)
    }

    /// What a block of this segment begins with, for finding one behind damage.
    pub(crate) fn signature(nonce: u64) -> [u8; 16] {
        let mut signature = [0; 16];
        signature[..8].copy_from_slice(BLOCK_MAGIC);
        signature[8..].copy_from_slice(&nonce.to_le_bytes());
        signature
    }
}

/// The checksum of a block: its header's first 48 bytes, then the payload.
pub(crate) fn checksum(header: &[u8], payload: &[u8]) -> u64 {
    // The payload in one piece is hashed at the speed of memory; the header is its seed.
    xxh3_64_with_seed(payload, xxh3_64(header))
}

/// The name of the segment with this index.
pub(crate) fn segment_name(index: u64) -> String {
    format!("log-{index:016x}.zlog")
}

/// The index in a segment's name; `None` for another file's name.
pub(crate) fn segment_index(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("log-")?.strip_suffix(".zlog")?;
    let index = u64::from_str_radix(digits, 16).ok()?;
    (name == segment_name(index)).then_some(index)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_segment_header_comes_back_and_no_flipped_byte_passes() {
        let header = SegmentHeader {
            kind: Kind::Restart,
            nonce: 7,
            index: 3,
            base: 100,
            highest: 101,
            previous_bytes: 4096,
            synced: 99,
            largest_db: (1 << 40, 15),
        };
        let bytes = header.encode();
        assert_eq!(SegmentHeader::decode(&bytes), Ok(header));
        for at in 0..bytes.len() {
            let mut flipped = bytes;
            flipped[at] ^= 0x10;
            assert!(SegmentHeader::decode(&flipped).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_sealed_block_proves_itself() {
        let mut block = vec![0; BLOCK_HEADER_BYTES];
        block.extend_from_slice(&[0xab; 1000]);
        let header = BlockHeader {
            nonce: 9,
            epoch: 5,
            synced: 4,
            highest: 6,
            payload_bytes: 0,
            checksum: 0,
        };
        header.seal(&mut block);
        assert!(block.starts_with(&BlockHeader::signature(9)));
        let (head, payload) = block.split_first_chunk().unwrap();
        let read = BlockHeader::decode(head, 9).unwrap();
        assert_eq!((read.epoch, read.synced, read.highest, read.payload_bytes), (5, 4, 6, 1000));
        assert_eq!(read.checksum, checksum(&head[..48], payload));
        assert_eq!(BlockHeader::decode(head, 8), None, "another segment's");
    }

    #[test]
    fn names_carry_the_index() {
        assert_eq!(segment_name(0x1f), "log-000000000000001f.zlog");
        assert_eq!(segment_index("log-000000000000001f.zlog"), Some(0x1f));
        for other in ["log-1f.zlog", "log-00000000000001F.zlog", "snapshot-000000000000001f.zdb"] {
            assert_eq!(segment_index(other), None, "{other}");
        }
    }
}
