//! Appends blocks to segment files: begins them, fills them, lets go of old ones.
//!
//! Why it exists: the log thread thinks in blocks and epochs; which file a block goes to, and how
//! that file came to be, is decided here. It knows no thread and no clock.
//!
//! Invariants
//! - A1: a segment has its name only once its header is durable under another.
//! - A2: after an error nothing more is appended until [`Appender::begin`] made a new segment: a
//!   block behind a hole would never be found.
//! - A3: `older` is in the order of the log; a segment leaves it only when every entry in it has an
//!   epoch that a durable snapshot covers.
//! - A4: a segment is written in whole pages; the first one of a block has what the block before
//!   left there, again, and the last one ends with zeros.

use std::io;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::draft::{Draft, PAGE_BYTES};
use super::format::{BlockHeader, Kind, SEGMENT_HEADER_BYTES, SegmentHeader, segment_name};
use crate::persist::storage::{Disk, DiskFile, write_all_at};

/// Under this name a segment is made.
pub(crate) const UNFINISHED_NAME: &str = "log.tmp";
/// Files kept for the next segments, at most.
const SPARES_MAX: usize = 2;
/// Zeros are written this far ahead of the log where its syncs must not wait for the file system.
const AHEAD_BYTES: usize = 1 << 20;

/// Where direct writes may come from.
#[repr(align(4096))]
struct Zeros([u8; AHEAD_BYTES]);

/// The name of a file kept for a segment to come.
fn spare_name(number: usize) -> String {
    format!("spare-{number}.zlog")
}

/// Whether a file is one of those.
pub(crate) fn is_spare(name: &str) -> bool {
    (0..SPARES_MAX).any(|number| name == spare_name(number))
}

/// A segment that is complete.
#[derive(Clone, Debug)]
pub(crate) struct OldSegment {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    /// No entry in it has a later epoch.
    pub(crate) highest: u64,
}

/// Where the log goes on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beginning {
    pub(crate) kind: Kind,
    pub(crate) base: u64,
    pub(crate) highest: u64,
    pub(crate) synced: u64,
}

/// The file being filled.
#[derive(Debug)]
struct Segment {
    file: Arc<dyn DiskFile>,
    name: String,
    header: SegmentHeader,
    bytes: u64,
    /// What its last page holds, if that is not full: the next block's pages begin with it.
    tail: Vec<u8>,
    /// The file's length: up to here a block replaces zeros or what a recycled file held.
    reserved: u64,
    highest: u64,
}

/// The log's files.
#[derive(Debug)]
pub(crate) struct Appender {
    disk: Arc<dyn Disk>,
    segment_bytes: u64,
    seed: u64,
    current: Option<Segment>,
    older: Vec<OldSegment>,
    /// Index and length of the last segment there was.
    last: (u64, u64),
    /// Complete but not synced.
    unsynced: Vec<Arc<dyn DiskFile>>,
    spares: Vec<String>,
    reserve: bool,
    largest_db: (u64, u64),
}

impl Appender {
    /// Goes on behind `older`, of which the last has `last` as index and length.
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        segment_bytes: u64,
        seed: u64,
        older: Vec<OldSegment>,
        last: (u64, u64),
        spares: Vec<String>,
    ) -> Self {
        let (current, unsynced, reserve, largest_db) = (None, Vec::new(), false, (0, 0));
        Self {
            disk,
            segment_bytes,
            seed,
            current,
            older,
            last,
            unsynced,
            spares,
            reserve,
            largest_db,
        }
    }

    /// What the next segment says of the largest database: its keys and its number.
    pub(crate) fn set_largest_db(&mut self, largest_db: (u64, u64)) {
        self.largest_db = largest_db;
    }

    /// Whether a block's place is written before the block, so that a sync has no metadata to
    /// write. Costs writing everything twice.
    pub(crate) fn set_reserve(&mut self, reserve: bool) {
        self.reserve = reserve;
    }

    /// Bytes and number of the log's segments.
    pub(crate) fn extent(&self) -> (u64, u64) {
        let current = self.current.iter().map(|segment| segment.bytes);
        let older = self.older.iter().map(|segment| segment.bytes);
        (
            current.chain(older).sum(),
            (self.older.len() + usize::from(self.current.is_some())) as u64,
        )
    }

    /// Whether a block of this size belongs into the next segment.
    pub(crate) fn is_full(&self, block_bytes: usize) -> bool {
        self.current.as_ref().is_none_or(|segment| {
            let behind = segment.bytes + block_bytes as u64;
            segment.bytes > SEGMENT_HEADER_BYTES as u64 && behind > self.segment_bytes
        })
    }

    /// Whether the current segment is long enough for a start to feel it.
    pub(crate) fn is_worth_ending(&self) -> bool {
        self.current.as_ref().is_some_and(|segment| segment.bytes > AHEAD_BYTES as u64)
    }

    /// Begins a segment; its name and header are durable when this returns.
    ///
    /// # Errors
    /// As the disk says; nothing can be appended then.
    pub(crate) fn begin(&mut self, beginning: Beginning) -> io::Result<()> {
        self.retire_current();
        let Beginning { kind, base, highest, synced } = beginning;
        let (index, previous_bytes) = (self.last.0 + 1, self.last.1);
        let mut unique = [0; 24];
        for (place, number) in unique.chunks_exact_mut(8).zip([self.seed, index, base]) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        let nonce = xxh3_64(&unique);
        let largest_db = self.largest_db;
        let header =
            SegmentHeader { kind, nonce, index, base, highest, previous_bytes, synced, largest_db };
        let name = segment_name(index);
        let (file, reserved) = self.make_file(&header.encode(), &name)?;
        let bytes = SEGMENT_HEADER_BYTES as u64;
        let mut tail = Vec::with_capacity(PAGE_BYTES);
        tail.extend(header.encode());
        self.last = (index, bytes);
        self.current = Some(Segment { file, name, header, bytes, tail, reserved, highest: 0 });
        Ok(())
    }

    /// A1: header, sync, name, sync.
    fn make_file(&mut self, header: &[u8], name: &str) -> io::Result<(Arc<dyn DiskFile>, u64)> {
        let from = self.spares.pop();
        let file: Arc<dyn DiskFile> = match &from {
            Some(spare) => self.disk.open(spare)?,
            None => self.disk.create(UNFINISHED_NAME)?,
        }
        .into();
        write_all_at(&*file, header, 0)?;
        file.sync()?;
        // From here on it is written in whole pages.
        file.bypass_cache();
        let reserved = file.length()?;
        self.disk.rename(from.as_deref().unwrap_or(UNFINISHED_NAME), name)?;
        self.disk.sync_names()?;
        Ok((file, reserved))
    }

    /// The current segment is complete, or given up.
    fn retire_current(&mut self) {
        let Some(segment) = self.current.take() else { return };
        self.last = (segment.header.index, segment.bytes);
        self.unsynced.push(segment.file);
        let Segment { name, bytes, highest, .. } = segment;
        self.older.push(OldSegment { name, bytes, highest });
    }

    /// Bytes in the page in which the next block begins: what its draft is to leave room for.
    pub(crate) fn lead(&self) -> usize {
        self.current.as_ref().map_or(SEGMENT_HEADER_BYTES, |segment| segment.tail.len())
    }

    /// Appends a block. `highest` is the highest epoch of any entry so far.
    ///
    /// # Errors
    /// As the disk says (A2).
    pub(crate) fn append(
        &mut self,
        block: &mut Draft,
        (epoch, synced, highest): (u64, u64, u64),
    ) -> io::Result<()> {
        let reserve = self.reserve;
        let limit = self.segment_bytes;
        let segment = self.current.as_mut().expect("a segment was begun");
        let nonce = segment.header.nonce;
        let header = BlockHeader { nonce, epoch, synced, highest, payload_bytes: 0, checksum: 0 };
        header.seal(block.block_mut());
        let end = segment.bytes + block.len() as u64;
        let written = if reserve { segment.reserve(end, limit) } else { Ok(()) }.and_then(|()| {
            let page = segment.bytes - segment.tail.len() as u64;
            write_all_at(&*segment.file, block.pages(&segment.tail), page)
        });
        if let Err(error) = written {
            self.retire_current();
            return Err(error);
        }
        segment.bytes = end;
        segment.tail.clear();
        segment.tail.extend_from_slice(block.tail());
        segment.reserved = segment.reserved.max(end.next_multiple_of(PAGE_BYTES as u64));
        segment.highest = highest;
        self.last.1 = end;
        Ok(())
    }

    /// The files that must be synced for everything appended so far to be durable.
    pub(crate) fn take_unsynced(&mut self) -> Vec<Arc<dyn DiskFile>> {
        let mut files = std::mem::take(&mut self.unsynced);
        files.extend(self.current.iter().map(|segment| Arc::clone(&segment.file)));
        files
    }

    /// Gives up the current segment after an error (A2).
    pub(crate) fn abandon(&mut self) {
        self.retire_current();
        self.unsynced.clear();
    }

    /// Lets go of complete segments without entries above epoch `covered`, oldest first. Some are
    /// kept for segments to come; the names of the others are the caller's to remove, which may
    /// take long.
    ///
    /// # Errors
    /// As the disk says; what is left goes the next time.
    pub(crate) fn trim(&mut self, covered: u64) -> io::Result<Vec<String>> {
        let mut gone = Vec::new();
        while self.older.first().is_some_and(|segment| segment.highest <= covered) {
            let segment = &self.older[0];
            let spare = (0..SPARES_MAX).map(spare_name).find(|name| !self.spares.contains(name));
            match spare.filter(|_| segment.bytes <= self.segment_bytes) {
                Some(spare) => {
                    self.disk.rename(&segment.name, &spare)?;
                    self.spares.push(spare);
                }
                None => gone.push(segment.name.clone()),
            }
            self.older.remove(0);
        }
        Ok(gone)
    }
}

impl Segment {
    /// Writes zeros ahead, up to the end of the segment.
    fn reserve(&mut self, end: u64, limit: u64) -> io::Result<()> {
        static ZEROS: Zeros = Zeros([0; AHEAD_BYTES]);
        if end <= self.reserved || self.reserved >= limit {
            return Ok(());
        }
        let from = self.reserved.next_multiple_of(PAGE_BYTES as u64);
        let room = usize::try_from(limit.saturating_sub(from)).unwrap_or(usize::MAX);
        let ahead = room.min(AHEAD_BYTES).next_multiple_of(PAGE_BYTES);
        write_all_at(&*self.file, &ZEROS.0[..ahead], from)?;
        self.reserved = from + ahead as u64;
        Ok(())
    }
}
