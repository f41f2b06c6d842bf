//! Reading a ZDB file, block by block, from anything that can be read.
//!
//! Why it exists: one thread reads blocks in order, checks what binds them together, and hands them
//! to others that check and decode their content. Nothing seeks: a pipe is as good as a file.

use std::io::{self, Read};

use xxhash_rust::xxh3::xxh3_64;

use super::entry::{self, Entry, Wrong};
use super::error::{ZdbError, ZdbFlaw};
use super::format::{
    BLOCK_HEADER_BYTES, BlockHeader, BlockKind, Codec, FOOTER_BYTES, HEADER_BYTES, Header,
    RAW_BYTES_MAX, Summary, Tally, seal_of,
};
use crate::persist::rdb::Input;
use crate::persist::rdb::value::Rules;

/// Reads blocks in order. See [`super::load`] for an example.
#[derive(Debug)]
pub struct Reader<R> {
    inner: R,
    header: Header,
    seed: u64,
    tally: Tally,
    summary: Option<Summary>,
}

/// A block as it is in the file; its content is not checked yet.
#[derive(Debug)]
pub struct Block {
    /// Where its header begins.
    pub offset: u64,
    header: BlockHeader,
    stored: Vec<u8>,
}

fn damaged(at: u64, flaw: ZdbFlaw) -> ZdbError {
    ZdbError::Damaged { at, flaw }
}

/// Reads exactly `into`; the end of the file is damage.
fn fill(inner: &mut impl Read, into: &mut [u8], at: u64) -> Result<(), ZdbError> {
    inner.read_exact(into).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged(at, ZdbFlaw::Truncated),
        _ => ZdbError::Io(error),
    })
}

impl<R: Read> Reader<R> {
    /// Reads and checks the header.
    ///
    /// # Errors
    /// Damage in it, or what the system says.
    pub fn new(mut inner: R) -> Result<Self, ZdbError> {
        let mut bytes = [0; HEADER_BYTES];
        // A short file that does not even begin like one of ours is called by its name.
        let mut have = 0;
        while have < HEADER_BYTES {
            match inner.read(&mut bytes[have..]) {
                Ok(0) => break,
                Ok(read) => have += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        let header = Header::from_bytes(&bytes);
        if have < HEADER_BYTES && header != Err(ZdbFlaw::NotZdb) {
            return Err(damaged(0, ZdbFlaw::Truncated));
        }
        let header = header.map_err(|flaw| damaged(0, flaw))?;
        let tally = Tally::behind_header();
        Ok(Self { inner, header, seed: seal_of(&bytes), tally, summary: None })
    }

    /// What the file says of itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What its footer says, once [`Reader::next_block`] has answered `None`.
    pub fn summary(&self) -> Option<&Summary> {
        self.summary.as_ref()
    }

    /// Where the next block begins.
    pub fn offset(&self) -> u64 {
        self.tally.offset
    }

    /// The next block, or `None` behind the last one: then the file was whole as far as its blocks
    /// follow each other. What comes behind the footer is not read.
    ///
    /// # Errors
    /// Damage of a block's header, of the order of blocks, or of the footer; what the system says.
    pub fn next_block(&mut self) -> Result<Option<Block>, ZdbError> {
        if self.summary.is_some() {
            return Ok(None);
        }
        let at = self.tally.offset;
        let mut bytes = [0; BLOCK_HEADER_BYTES];
        fill(&mut self.inner, &mut bytes, at)?;
        if Summary::begins_with(&bytes) {
            let mut footer = [0; FOOTER_BYTES];
            footer[..BLOCK_HEADER_BYTES].copy_from_slice(&bytes);
            fill(&mut self.inner, &mut footer[BLOCK_HEADER_BYTES..], at)?;
            self.summary = Some(self.check_end(&footer, at)?);
            return Ok(None);
        }
        let header =
            BlockHeader::from_bytes(&bytes, self.seed).map_err(|flaw| damaged(at, flaw))?;
        let after_index = self.tally.index_offset != 0 && header.kind != BlockKind::Index;
        if header.number != self.tally.blocks || after_index {
            return Err(damaged(at, ZdbFlaw::BlockOrder));
        }
        let mut stored = vec![0; header.stored_bytes as usize];
        fill(&mut self.inner, &mut stored, at)?;
        self.tally.add(&header, seal_of(&bytes));
        Ok(Some(Block { offset: at, header, stored }))
    }

    fn check_end(&self, footer: &[u8; FOOTER_BYTES], at: u64) -> Result<Summary, ZdbError> {
        let summary = Summary::from_bytes(footer, self.seed).map_err(|flaw| damaged(at, flaw))?;
        if summary != self.tally.summary() || self.tally.index_offset == 0 {
            return Err(damaged(at, ZdbFlaw::Counts));
        }
        Ok(summary)
    }
}

/// Checks and expands blocks; one per thread.
pub struct Unpacker {
    decompressor: zstd::bulk::Decompressor<'static>,
    raw: Vec<u8>,
}

impl std::fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unpacker").finish_non_exhaustive()
    }
}

impl Unpacker {
    /// An unpacker with its buffers.
    ///
    /// # Errors
    /// When the system has no memory for them.
    pub fn new() -> io::Result<Self> {
        Ok(Self { decompressor: zstd::bulk::Decompressor::new()?, raw: Vec::new() })
    }

    /// The content of a block.
    ///
    /// # Errors
    /// [`ZdbFlaw::Content`], [`ZdbFlaw::Compressed`].
    pub fn unpack<'a>(&'a mut self, block: &'a Block) -> Result<&'a [u8], ZdbError> {
        let Block { offset, header, stored } = block;
        if xxh3_64(stored) != header.content_hash {
            return Err(damaged(*offset, ZdbFlaw::Content));
        }
        let raw_bytes = header.raw_bytes as usize;
        debug_assert!(raw_bytes <= RAW_BYTES_MAX, "checked with the header");
        match header.codec {
            Codec::None => Ok(stored),
            Codec::Zstd => {
                if self.raw.len() < raw_bytes {
                    self.raw.resize(raw_bytes, 0);
                }
                let room = &mut self.raw[..raw_bytes];
                match self.decompressor.decompress_to_buffer(stored, room) {
                    Ok(bytes) if bytes == raw_bytes => Ok(&self.raw[..raw_bytes]),
                    _ => Err(damaged(*offset, ZdbFlaw::Compressed)),
                }
            }
        }
    }
}

impl Block {
    /// What is in it.
    #[must_use]
    pub fn kind(&self) -> BlockKind {
        self.header.kind
    }

    /// How it is compressed.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.header.codec
    }

    /// Bytes before compression.
    #[must_use]
    pub fn raw_bytes(&self) -> u32 {
        self.header.raw_bytes
    }

    /// Bytes in the file, the header left out.
    #[must_use]
    pub fn stored_bytes(&self) -> u32 {
        self.header.stored_bytes
    }

    /// Entries in it, or which part of its entry it is.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.header.count
    }

    /// Which entry it is a part of.
    #[must_use]
    pub fn chain(&self) -> u32 {
        self.header.chain
    }

    /// Whether it is the last part.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.header.is_last
    }

    /// Damage of this block.
    pub(super) fn damage(&self, flaw: ZdbFlaw) -> ZdbError {
        damaged(self.offset, flaw)
    }

    /// Calls `each` with every entry in its content (`raw`), which is that of a block of whole
    /// entries, or of all parts of one.
    ///
    /// # Errors
    /// Damage of an entry; what `each` answers.
    pub fn entries<'r>(
        &self,
        raw: &'r [u8],
        rules: &Rules,
        mut each: impl FnMut(Entry<'r>) -> Result<(), ZdbFlaw>,
    ) -> Result<(), ZdbError> {
        let count = match self.kind() {
            BlockKind::Entries => self.header.count,
            BlockKind::Part => 1,
            BlockKind::Functions | BlockKind::Index => 0,
        };
        let mut input = Input::new(raw);
        let mut db = None;
        for _ in 0..count {
            let read = entry::read(db, &mut input, rules).map_err(|wrong| match wrong {
                Wrong::Database(db) => ZdbFlaw::Database(db),
                Wrong::Entry(damage) => ZdbFlaw::Entry(damage),
            });
            let done = read.and_then(|entry| {
                db = Some(entry.db);
                each(entry)
            });
            done.map_err(|flaw| self.damage(flaw))?;
        }
        if input.left() > 0 {
            return Err(self.damage(ZdbFlaw::Counts));
        }
        Ok(())
    }
}
