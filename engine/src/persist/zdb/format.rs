//! The fixed parts of a ZDB file.
//!
//! ```text
//! file     header 64 | block … | index block … | footer 64
//!
//! header   magic 8 | version 4 | features 4 | epoch 8 | created ms 8 | keys expected 8
//!          | keys of the largest database 8 | its number 8 | hash 8
//! block    magic 4 | kind 1 | codec 1 | flags 2 | stored bytes 4 | raw bytes 4 | count 4 | chain 4
//!          | number 8 | content hash 8 | hash 8 | stored bytes …
//! footer   magic 8 | offset of the index 8 | blocks 8 | keys 8 | raw bytes 8 | hash of hashes 8
//!          | length 8 | hash 8
//! ```
//!
//! Numbers are little-endian. Hashes are XXH3 of 64 bits over what stands before them in their
//! part; those of block headers and of the footer are seeded with the file header's hash, so that
//! a block of another file is none of this one.

use xxhash_rust::xxh3::{Xxh3, xxh3_64, xxh3_64_with_seed};

use super::error::ZdbFlaw;
use crate::shared::largest;

/// The version this code writes, and the newest it reads.
pub const FORMAT_VERSION: u32 = 2;
/// The most that a block holds before compression.
pub const RAW_BYTES_MAX: usize = 4 << 20;

pub(super) const HEADER_BYTES: usize = 64;
pub(super) const BLOCK_HEADER_BYTES: usize = 48;
pub(super) const FOOTER_BYTES: usize = 64;
const FILE_MAGIC: &[u8; 8] = b"ZUMICZDB";
const BLOCK_MAGIC: &[u8; 4] = b"ZBLK";
const FOOTER_MAGIC: &[u8; 8] = b"ZUMICEND";
/// The block holds the last part of its entry or section.
const LAST: u16 = 1;

/// What a file says of itself at its beginning.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Header {
    /// The last epoch whose writes are in the file.
    pub epoch: u64,
    /// When it was begun, in Unix milliseconds.
    pub created_ms: u64,
    /// Keys at that time, for progress: the footer has the truth.
    pub keys_expected: u64,
    /// Those of the largest database, so that a reader makes room for them; 0 for nothing known, as
    /// in version 1.
    pub largest_db_keys: u64,
    /// The number of that database.
    pub largest_db: u64,
}

/// What a file says of itself at its end.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Summary {
    /// Where the index begins.
    pub index_offset: u64,
    /// Blocks, those of the index included.
    pub blocks: u64,
    /// Keys.
    pub keys: u64,
    /// Bytes of entries before compression.
    pub raw_bytes: u64,
    /// XXH3 over the hashes of all block headers, in order.
    pub hash_of_hashes: u64,
    /// Bytes of the file, the footer included.
    pub file_bytes: u64,
}

/// What is in a block.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BlockKind {
    /// Whole entries.
    Entries,
    /// A part of the libraries of functions, opaque here.
    Functions,
    /// A part of the index.
    Index,
    /// A part of one entry that is too large for a block.
    Part,
}

impl BlockKind {
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Entries => 1,
            Self::Part => 2,
            Self::Functions => 3,
            Self::Index => 4,
        }
    }

    const fn of(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Entries,
            2 => Self::Part,
            3 => Self::Functions,
            4 => Self::Index,
            _ => return None,
        })
    }
}

/// How a block's content is compressed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Codec {
    /// Not at all.
    None,
    /// One frame of Zstandard.
    Zstd,
}

/// The fixed part of a block.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct BlockHeader {
    pub(super) kind: BlockKind,
    pub(super) codec: Codec,
    pub(super) is_last: bool,
    pub(super) stored_bytes: u32,
    pub(super) raw_bytes: u32,
    /// Entries in the block; of a part, its number in its entry, from zero.
    pub(super) count: u32,
    /// Which entry a part belongs to.
    pub(super) chain: u32,
    pub(super) number: u64,
    pub(super) content_hash: u64,
}

/// Writes fixed parts.
struct Fields<const N: usize> {
    bytes: [u8; N],
    at: usize,
}

impl<const N: usize> Fields<N> {
    fn new() -> Self {
        Self { bytes: [0; N], at: 0 }
    }

    fn put(mut self, field: &[u8]) -> Self {
        self.bytes[self.at..self.at + field.len()].copy_from_slice(field);
        self.at += field.len();
        self
    }

    /// The part with the hash of all before in its last eight bytes.
    fn sealed(mut self, hash: impl Fn(&[u8]) -> u64) -> [u8; N] {
        let (front, back) = self.bytes.split_at_mut(N - 8);
        back.copy_from_slice(&hash(front).to_le_bytes());
        self.bytes
    }
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// The hash in the last eight bytes of a fixed part.
pub(super) fn seal_of(bytes: &[u8]) -> u64 {
    u64_at(bytes, bytes.len() - 8)
}

impl Header {
    /// What it says of a store with that many keys in each database.
    pub(crate) fn of_counts(counts: &[u64]) -> Self {
        let keys_expected = counts.iter().sum();
        let (largest_db_keys, largest_db) = largest(counts);
        Self { keys_expected, largest_db_keys, largest_db, ..Self::default() }
    }

    pub(super) fn to_bytes(self) -> [u8; HEADER_BYTES] {
        Fields::new()
            .put(FILE_MAGIC)
            .put(&FORMAT_VERSION.to_le_bytes())
            .put(&0_u32.to_le_bytes())
            .put(&self.epoch.to_le_bytes())
            .put(&self.created_ms.to_le_bytes())
            .put(&self.keys_expected.to_le_bytes())
            .put(&self.largest_db_keys.to_le_bytes())
            .put(&self.largest_db.to_le_bytes())
            .sealed(xxh3_64)
    }

    pub(super) fn from_bytes(bytes: &[u8; HEADER_BYTES]) -> Result<Self, ZdbFlaw> {
        if bytes[..8] != *FILE_MAGIC {
            return Err(ZdbFlaw::NotZdb);
        }
        if xxh3_64(&bytes[..HEADER_BYTES - 8]) != seal_of(bytes) {
            return Err(ZdbFlaw::Header);
        }
        let (version, features) = (u32_at(bytes, 8), u32_at(bytes, 12));
        if version == 0 || version > FORMAT_VERSION {
            return Err(ZdbFlaw::Version(version));
        }
        if features != 0 {
            return Err(ZdbFlaw::Version(features));
        }
        Ok(Self {
            epoch: u64_at(bytes, 16),
            created_ms: u64_at(bytes, 24),
            keys_expected: u64_at(bytes, 32),
            largest_db_keys: u64_at(bytes, 40),
            largest_db: u64_at(bytes, 48),
        })
    }
}

impl BlockHeader {
    pub(super) fn to_bytes(self, seed: u64) -> [u8; BLOCK_HEADER_BYTES] {
        let codec = match self.codec {
            Codec::None => 0_u8,
            Codec::Zstd => 1,
        };
        let flags = if self.is_last { LAST } else { 0 };
        Fields::new()
            .put(BLOCK_MAGIC)
            .put(&[self.kind.code(), codec])
            .put(&flags.to_le_bytes())
            .put(&self.stored_bytes.to_le_bytes())
            .put(&self.raw_bytes.to_le_bytes())
            .put(&self.count.to_le_bytes())
            .put(&self.chain.to_le_bytes())
            .put(&self.number.to_le_bytes())
            .put(&self.content_hash.to_le_bytes())
            .sealed(|front| xxh3_64_with_seed(front, seed))
    }

    pub(super) fn from_bytes(bytes: &[u8; BLOCK_HEADER_BYTES], seed: u64) -> Result<Self, ZdbFlaw> {
        let sealed = xxh3_64_with_seed(&bytes[..BLOCK_HEADER_BYTES - 8], seed) == seal_of(bytes);
        if bytes[..4] != *BLOCK_MAGIC || !sealed {
            return Err(ZdbFlaw::BlockHeader);
        }
        let kind = BlockKind::of(bytes[4]).ok_or(ZdbFlaw::BlockKind)?;
        let codec = match bytes[5] {
            0 => Codec::None,
            1 => Codec::Zstd,
            _ => return Err(ZdbFlaw::BlockKind),
        };
        let flags = u16::from_le_bytes([bytes[6], bytes[7]]);
        let (stored_bytes, raw_bytes) = (u32_at(bytes, 8), u32_at(bytes, 12));
        let fits = raw_bytes as usize <= RAW_BYTES_MAX && stored_bytes <= raw_bytes;
        if flags & !LAST != 0 || !fits || (codec == Codec::None && stored_bytes != raw_bytes) {
            return Err(ZdbFlaw::BlockKind);
        }
        Ok(Self {
            kind,
            codec,
            is_last: flags & LAST != 0,
            stored_bytes,
            raw_bytes,
            count: u32_at(bytes, 16),
            chain: u32_at(bytes, 20),
            number: u64_at(bytes, 24),
            content_hash: u64_at(bytes, 32),
        })
    }
}

impl Summary {
    pub(super) fn to_bytes(self, seed: u64) -> [u8; FOOTER_BYTES] {
        Fields::new()
            .put(FOOTER_MAGIC)
            .put(&self.index_offset.to_le_bytes())
            .put(&self.blocks.to_le_bytes())
            .put(&self.keys.to_le_bytes())
            .put(&self.raw_bytes.to_le_bytes())
            .put(&self.hash_of_hashes.to_le_bytes())
            .put(&self.file_bytes.to_le_bytes())
            .sealed(|front| xxh3_64_with_seed(front, seed))
    }

    pub(super) fn from_bytes(bytes: &[u8; FOOTER_BYTES], seed: u64) -> Result<Self, ZdbFlaw> {
        if xxh3_64_with_seed(&bytes[..FOOTER_BYTES - 8], seed) != seal_of(bytes) {
            return Err(ZdbFlaw::Footer);
        }
        Ok(Self {
            index_offset: u64_at(bytes, 8),
            blocks: u64_at(bytes, 16),
            keys: u64_at(bytes, 24),
            raw_bytes: u64_at(bytes, 32),
            hash_of_hashes: u64_at(bytes, 40),
            file_bytes: u64_at(bytes, 48),
        })
    }

    /// Whether these are the first bytes of a footer, and not of a block.
    pub(super) fn begins_with(bytes: &[u8]) -> bool {
        bytes.starts_with(FOOTER_MAGIC)
    }
}

/// What writer and reader both count, to compare it at the end.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) offset: u64,
    pub(super) index_offset: u64,
    pub(super) blocks: u64,
    pub(super) keys: u64,
    pub(super) raw_bytes: u64,
    hashes: Xxh3,
}

impl std::fmt::Debug for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tally").field("blocks", &self.blocks).finish_non_exhaustive()
    }
}

impl Tally {
    /// Of a file that has its header.
    pub(super) fn behind_header() -> Self {
        Self { offset: HEADER_BYTES as u64, ..Self::default() }
    }

    /// Counts a block.
    pub(super) fn add(&mut self, header: &BlockHeader, seal: u64) {
        match header.kind {
            BlockKind::Entries => self.keys += u64::from(header.count),
            BlockKind::Part => self.keys += u64::from(header.is_last),
            BlockKind::Functions => {}
            BlockKind::Index if self.index_offset == 0 => self.index_offset = self.offset,
            BlockKind::Index => {}
        }
        if matches!(header.kind, BlockKind::Entries | BlockKind::Part) {
            self.raw_bytes += u64::from(header.raw_bytes);
        }
        self.blocks += 1;
        self.hashes.update(&seal.to_le_bytes());
        self.offset += (BLOCK_HEADER_BYTES + header.stored_bytes as usize) as u64;
    }

    /// What the footer has to say.
    pub(super) fn summary(&self) -> Summary {
        Summary {
            index_offset: self.index_offset,
            blocks: self.blocks,
            keys: self.keys,
            raw_bytes: self.raw_bytes,
            hash_of_hashes: self.hashes.digest(),
            file_bytes: self.offset + FOOTER_BYTES as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_says_which_database_is_the_largest() {
        let header = Header { epoch: 5, created_ms: 6, ..Header::of_counts(&[3, 0, 70, 7]) };
        assert_eq!((header.keys_expected, header.largest_db, header.largest_db_keys), (80, 2, 70));
        assert_eq!(Header::from_bytes(&header.to_bytes()), Ok(header));
        assert_eq!(Header::of_counts(&[]), Header::default());
    }
}
