//! Writing a ZDB file, by any number of threads.
//!
//! Why it exists: encoding and compressing cost more than writing, so each thread fills and
//! compresses blocks of its own ([`Packer`]); only appending a finished block takes the lock.
//!
//! Invariants
//! - W1: after the first error nothing more is written: the file is cut short, which its reader
//!   sees, and the error is what [`Writer::finish`] answers.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use xxhash_rust::xxh3::xxh3_64;

use super::entry;
use super::format::{
    BlockHeader, BlockKind, Codec, Header, RAW_BYTES_MAX, Summary, Tally, seal_of,
};
use crate::persist::rdb::value::ValueRef;
use crate::persist::rdb::{Sink, put_length};
use crate::persist::snapshot::scan::{Piece, Source, Taker};
use crate::sync::{AtomicBool, AtomicU32, Ordering};

/// Bytes at which a block is full. Zstandard's fast levels look back half as far.
const BLOCK_BYTES: usize = 1 << 20;
/// Levels of Zstandard that are offered: those above take hundreds of megabytes of memory.
const LEVELS: std::ops::RangeInclusive<i32> = 1..=19;

/// How blocks are compressed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Compression {
    /// Not at all.
    None,
    /// By Zstandard, levels 1 (fast) to 19 (small); others are taken for the nearest of these.
    Zstd(i32),
}

impl Default for Compression {
    /// Level 1: it keeps up with most disks, and the levels up to 5 save little more.
    fn default() -> Self {
        Self::Zstd(1)
    }
}

/// The end of the file, where blocks are appended.
#[derive(Debug)]
struct Tail<W> {
    inner: W,
    tally: Tally,
    index: Vec<u8>,
    indexed: u32,
    error: Option<io::Error>,
}

/// A file being written. See [`super::load`] for an example.
#[derive(Debug)]
pub struct Writer<W> {
    tail: Mutex<Tail<W>>,
    has_failed: AtomicBool,
    compression: Compression,
    /// The file header's hash.
    seed: u64,
    chains: AtomicU32,
}

impl<W: Write + Send> Writer<W> {
    /// Begins a file. An error of `inner` is kept for [`Writer::finish`].
    pub fn new(mut inner: W, header: Header, compression: Compression) -> Self {
        let bytes = header.to_bytes();
        let error = inner.write_all(&bytes).err();
        let tally = Tally::behind_header();
        let has_failed = AtomicBool::new(error.is_some());
        let tail = Tail { inner, tally, index: Vec::new(), indexed: 0, error };
        Self {
            tail: Mutex::new(tail),
            has_failed,
            compression,
            seed: seal_of(&bytes),
            chains: AtomicU32::new(0),
        }
    }

    /// A thread's way of adding entries.
    pub(crate) fn packer(&self) -> Packer<'_, W> {
        Packer {
            shaper: Shaper::new(self),
            entries: Vec::with_capacity(BLOCK_BYTES + BLOCK_BYTES / 4),
            count: 0,
            db: None,
            scratch: Vec::new(),
        }
    }

    /// Writes the libraries of functions, whose form is the caller's. Before or between entries.
    pub fn put_functions(&self, bytes: &[u8]) {
        let mut shaper = Shaper::new(self);
        let count = bytes.len().div_ceil(BLOCK_BYTES);
        for (number, part) in (0..).zip(bytes.chunks(BLOCK_BYTES)) {
            let is_last = number as usize + 1 == count;
            shaper.emit(BlockKind::Functions, part, (number, 0), is_last);
        }
    }

    fn tail(&self) -> MutexGuard<'_, Tail<W>> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether writing has failed, so that there is no use in going on.
    pub fn has_failed(&self) -> bool {
        // ORDER: Relaxed (unpaired); a hint, the error itself is behind the lock.
        self.has_failed.load(Ordering::Relaxed)
    }

    /// Bytes written so far.
    pub fn written_bytes(&self) -> u64 {
        self.tail().tally.offset
    }

    fn append(&self, mut header: BlockHeader, content: &[u8]) {
        let mut tail = self.tail();
        if tail.error.is_some() {
            return;
        }
        header.number = tail.tally.blocks;
        let bytes = header.to_bytes(self.seed);
        let written = tail.inner.write_all(&bytes).and_then(|()| tail.inner.write_all(content));
        if let Err(error) = written {
            tail.error = Some(error);
            // ORDER: Relaxed (unpaired); a hint.
            self.has_failed.store(true, Ordering::Relaxed);
            return;
        }
        tail.tally.add(&header, seal_of(&bytes));
        if header.kind != BlockKind::Index {
            tail.index.push(header.kind.code());
            put_length(u64::from(header.stored_bytes), &mut tail.index);
            put_length(u64::from(header.count), &mut tail.index);
            tail.indexed += 1;
        }
    }

    /// Writes index and footer, and gives back what was written to, flushed.
    ///
    /// # Errors
    /// The first error of any thread.
    pub fn finish(self) -> io::Result<(W, Summary)> {
        let (index, indexed) = {
            let mut tail = self.tail();
            (std::mem::take(&mut tail.index), tail.indexed)
        };
        let mut shaper = Shaper::new(&self);
        // An index without an entry is there, too: it says that the file has no more blocks.
        let count = index.len().div_ceil(BLOCK_BYTES).max(1);
        for number in 0..count {
            let part = index.len().min((number + 1) * BLOCK_BYTES);
            let part = &index[number * BLOCK_BYTES..part];
            shaper.emit(BlockKind::Index, part, (indexed, 0), number + 1 == count);
        }
        drop(shaper);
        let seed = self.seed;
        let mut tail = self.tail.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = tail.error {
            return Err(error);
        }
        let summary = tail.tally.summary();
        tail.inner.write_all(&summary.to_bytes(seed))?;
        tail.inner.flush()?;
        Ok((tail.inner, summary))
    }
}

/// Makes blocks of bytes.
struct Shaper<'w, W> {
    writer: &'w Writer<W>,
    compressor: Option<zstd::bulk::Compressor<'static>>,
    packed: Vec<u8>,
}

impl<'w, W: Write + Send> Shaper<'w, W> {
    fn new(writer: &'w Writer<W>) -> Self {
        let compressor = match writer.compression {
            Compression::None => None,
            // A system without memory for it gets a file that is not compressed.
            Compression::Zstd(level) => {
                zstd::bulk::Compressor::new(level.clamp(*LEVELS.start(), *LEVELS.end())).ok()
            }
        };
        Self { writer, compressor, packed: Vec::new() }
    }

    /// Compresses a block's content where that saves something, and appends the block.
    fn emit(&mut self, kind: BlockKind, raw: &[u8], (count, chain): (u32, u32), is_last: bool) {
        assert!(raw.len() <= RAW_BYTES_MAX, "blocks are cut before they are that long");
        if self.writer.has_failed() {
            return;
        }
        if self.packed.len() < raw.len() {
            self.packed.resize(raw.len(), 0);
        }
        // Room for one byte less than there is: what would not shrink is stored as it is.
        let room = &mut self.packed[..raw.len().saturating_sub(1)];
        let packed = match &mut self.compressor {
            Some(compressor) => compressor.compress_to_buffer(raw, room).ok(),
            None => None,
        };
        let (codec, stored) = match packed {
            Some(bytes) => (Codec::Zstd, &self.packed[..bytes]),
            None => (Codec::None, raw),
        };
        let size = |bytes: &[u8]| u32::try_from(bytes.len()).expect("below the maximum");
        let header = BlockHeader {
            kind,
            codec,
            is_last,
            stored_bytes: size(stored),
            raw_bytes: size(raw),
            count,
            chain,
            number: 0,
            content_hash: xxh3_64(stored),
        };
        self.writer.append(header, stored);
    }
}

/// Gathers entries of one thread into blocks.
pub(crate) struct Packer<'w, W> {
    shaper: Shaper<'w, W>,
    entries: Vec<u8>,
    count: u32,
    /// The database of the last entry in `entries`.
    db: Option<u16>,
    scratch: Vec<u8>,
}

impl<W: Write + Send> Packer<'_, W> {
    /// Adds an entry that fits a block.
    fn put_small(&mut self, piece: &Piece<'_>, value: ValueRef<'_>) {
        let databases = (self.db, piece.db);
        entry::put(databases, piece.key, piece.deadline_ms, value, &mut self.entries);
        self.db = Some(piece.db);
        self.count += 1;
    }

    /// Adds an entry of any size: one that is too long for a block becomes a chain of them, and is
    /// never in memory as a whole.
    pub(crate) fn put(&mut self, piece: &Piece<'_>, value: ValueRef<'_>) {
        let scratch = std::mem::take(&mut self.scratch);
        let mut spill = Spill { shaper: &mut self.shaper, bytes: scratch, chain: None, part: 0 };
        entry::put((None, piece.db), piece.key, piece.deadline_ms, value, &mut spill);
        let (mut bytes, chain, part) = (spill.bytes, spill.chain, spill.part);
        match chain {
            Some(chain) => self.shaper.emit(BlockKind::Part, &bytes, (part, chain), true),
            None => {
                self.entries.extend_from_slice(&bytes);
                self.db = Some(piece.db);
                self.count += 1;
            }
        }
        bytes.clear();
        self.scratch = bytes;
        self.settle();
    }

    /// Writes the last, unfinished block.
    pub(crate) fn close(&mut self) {
        if self.count > 0 {
            self.shaper.emit(BlockKind::Entries, &self.entries, (self.count, 0), false);
            self.entries.clear();
            (self.count, self.db) = (0, None);
        }
    }
}

impl<W: Write + Send> Taker for Packer<'_, W> {
    fn take(&mut self, piece: Piece<'_>) {
        let value = piece.source.value();
        if !matches!(piece.source, Source::Record(_)) {
            return self.put(&piece, value);
        }
        self.put_small(&piece, value);
        // A slice stays below that by far; a record is at most some dozens of kilobytes.
        if self.entries.len() > RAW_BYTES_MAX - BLOCK_BYTES {
            self.close();
        }
    }

    fn settle(&mut self) {
        if self.entries.len() >= BLOCK_BYTES {
            self.close();
        }
    }

    fn has_failed(&self) -> bool {
        self.shaper.writer.has_failed()
    }
}

/// Takes the bytes of one entry and lets blocks go as they fill.
struct Spill<'p, 'w, W> {
    shaper: &'p mut Shaper<'w, W>,
    bytes: Vec<u8>,
    chain: Option<u32>,
    part: u32,
}

impl<W: Write + Send> Sink for Spill<'_, '_, W> {
    fn put(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.bytes.len() == BLOCK_BYTES {
                // ORDER: Relaxed (unpaired); each number goes to one entry, that is all.
                let next = || self.shaper.writer.chains.fetch_add(1, Ordering::Relaxed);
                let chain = *self.chain.get_or_insert_with(next);
                self.shaper.emit(BlockKind::Part, &self.bytes, (self.part, chain), false);
                self.part += 1;
                self.bytes.clear();
            }
            let fits = bytes.len().min(BLOCK_BYTES - self.bytes.len());
            self.bytes.extend_from_slice(&bytes[..fits]);
            bytes = &bytes[fits..];
        }
    }
}
