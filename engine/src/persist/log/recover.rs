//! Reads a log back: finds its segments, proves every block, and hands entries over in order.
//!
//! Why it exists: after a crash the end of the log may be torn, which is normal, and a disk may
//! have damaged what was durable, which must never pass for a shorter log. The two are told apart
//! by what blocks say of each other: a block carries the epoch that was durable when it was
//! written, so a hole before a block that vouches for it is damage, and any other hole is an end.
//!
//! Invariants
//! - V1: an entry is handed over only when a block says that its epoch is complete, and in the
//!   order of TIDs.
//! - V2: nothing is handed over from behind a hole.
//! - V3: memory is bounded by a few blocks: lengths are believed only within the file they are in.

use std::fmt;

use zumic_error::{Error, ErrorKind, ResultExt as _};

use super::appender::{OldSegment, UNFINISHED_NAME, is_spare};
use super::entry::Entry;
use super::format::{
    BLOCK_HEADER_BYTES, BlockHeader, Kind, RUN_HEADER_BYTES, SEGMENT_HEADER_BYTES, SegmentHeader,
    Unreadable, VERSION, checksum, segment_index, segment_name,
};
use crate::Tid;
use crate::persist::storage::{Disk, DiskFile, read_full_at};
use crate::persist::{Progress, Stage};

/// An entry with a key is not shorter.
const ENTRY_BYTES_MIN: u64 = 24;
/// An entry is seldom shorter.
const ENTRY_BYTES_COMMON: usize = 64;
/// Bytes that the system is asked to read ahead, when half of them are left: a few of the largest
/// blocks.
const AHEAD_BYTES: u64 = 16 << 20;
/// Bytes read at a time while looking for a block behind a hole.
const SEARCH_BYTES: usize = 1 << 20;

/// Where a log does not hold what it should.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Damage {
    /// The file, with its directory.
    pub file: String,
    /// Where in the file, in bytes.
    pub offset: u64,
    /// The last epoch that is whole before it.
    pub epoch: u64,
    /// What is wrong.
    pub what: &'static str,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, offset, epoch, what } = self;
        write!(f, "{file} is damaged at byte {offset}, behind epoch {epoch}: {what}")
    }
}

impl std::error::Error for Damage {}

impl Damage {
    fn into_error(self) -> Error {
        Error::with_source(ErrorKind::Damaged, "reading the log", self)
    }
}

/// An end of the log that was never complete, and was cut off.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TornTail {
    /// The file, with its directory.
    pub file: String,
    /// From here on, in bytes.
    pub offset: u64,
    /// How many bytes were there, zeros at the end left out.
    pub bytes: u64,
    /// The last epoch before it.
    pub epoch: u64,
}

impl fmt::Display for TornTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, offset, bytes, epoch } = self;
        write!(f, "{file} ends at byte {offset}, behind epoch {epoch}; {bytes} bytes were cut off")
    }
}

/// Receives entries in their order.
pub(crate) trait Receive {
    /// The next entry.
    fn entry(&mut self, entry: Entry<'_>) -> Result<(), Error>;

    /// So many keys a database had near the end of what is to come; perhaps. Its number is not
    /// checked.
    fn expect_keys(&mut self, _db: u64, _keys: u64) {}

    /// The next entries.
    fn entries(&mut self, entries: &[Entry<'_>]) -> Result<(), Error> {
        entries.iter().try_for_each(|&entry| self.entry(entry))
    }
}

/// What a log held.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    pub(crate) older: Vec<OldSegment>,
    /// Index and length of the last segment.
    pub(crate) last: (u64, u64),
    pub(crate) spares: Vec<String>,
    /// The last complete epoch.
    pub(crate) complete: u64,
    /// The highest epoch of anything in the files, valid or not.
    pub(crate) highest: u64,
    pub(crate) torn: Option<TornTail>,
    /// Handed over.
    pub(crate) entries: u64,
    /// Of epochs that were not complete.
    pub(crate) dropped: u64,
    /// Files that hold nothing valid any more: they must go before the log goes on.
    pub(crate) void: Vec<String>,
}

/// A segment that is there.
struct Found {
    name: String,
    header: SegmentHeader,
    file: Box<dyn DiskFile>,
    length: u64,
}

/// Reads the log of `disk`. Entries of epochs up to `covered` are in a snapshot and are skipped.
///
/// # Errors
/// [`Damage`] as the source when what was durable is not there; what the disk says.
pub(crate) fn recover(
    disk: &dyn Disk,
    covered: u64,
    progress: &Progress,
    into: &mut dyn Receive,
) -> Result<Recovered, Error> {
    let names = disk.list().context(ErrorKind::Io, "listing the data directory")?;
    let mut reader = Reader {
        disk,
        covered,
        progress,
        into,
        carried: Carried::default(),
        done: Recovered { complete: covered, highest: covered, ..Recovered::default() },
        block: Vec::new(),
        at: 0,
    };
    reader.done.spares = names.iter().filter(|name| is_spare(name)).cloned().collect();
    if names.iter().any(|name| name == UNFINISHED_NAME) {
        reader.done.void.push(UNFINISHED_NAME.into());
    }
    let mut indexes: Vec<u64> = names.iter().filter_map(|name| segment_index(name)).collect();
    indexes.sort_unstable();
    let segments = reader.choose(&indexes)?;
    let length = segments.iter().map(|segment| segment.length).sum();
    progress.begin(Stage::Log, length);
    // A start's own segment does not say.
    let mut known = segments.iter().rev().map(|segment| segment.header.largest_db);
    if let Some((keys, db)) = known.find(|&(keys, _)| keys > 0) {
        // What a damaged or a strange file says is believed as far as its entries could make them.
        reader.into.expect_keys(db, keys.min(length / ENTRY_BYTES_MIN));
    }
    reader.read(&segments)?;
    reader.done.dropped = reader.carried.entries.len() as u64;
    Ok(reader.done)
}

/// Entries of epochs that are not complete yet.
#[derive(Default)]
struct Carried {
    bytes: Vec<u8>,
    /// TID, where it begins and how long it is.
    entries: Vec<(Tid, usize, usize)>,
}

struct Reader<'r> {
    disk: &'r dyn Disk,
    covered: u64,
    progress: &'r Progress,
    into: &'r mut dyn Receive,
    carried: Carried,
    done: Recovered,
    block: Vec<u8>,
    /// The last complete epoch that the log itself speaks of.
    at: u64,
}

/// What is at some place of a segment.
enum Place {
    Block(BlockHeader),
    End,
    Hole,
}

impl Reader<'_> {
    fn damage(&self, name: &str, offset: u64, what: &'static str) -> Error {
        let file = self.disk.describe(name);
        Damage { file, offset, epoch: self.at, what }.into_error()
    }

    // --- Segments ------------------------------------------------------------------------

    fn open(&self, index: u64) -> Result<Found, Error> {
        let name = segment_name(index);
        let context = || format!("reading {}", self.disk.describe(&name));
        let file = self.disk.open(&name).context(ErrorKind::Io, context())?;
        let length = file.length().context(ErrorKind::Io, context())?;
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        let read = read_full_at(&*file, &mut bytes, 0).context(ErrorKind::Io, context())?;
        if read < SEGMENT_HEADER_BYTES {
            return Err(self.damage(&name, 0, "the segment's header is cut"));
        }
        let header = match SegmentHeader::decode(&bytes) {
            Ok(header) => header,
            Err(Unreadable::Version(found)) => {
                let what = format!(
                    "{} has format version {found}, and this program reads version {VERSION}",
                    self.disk.describe(&name)
                );
                return Err(Error::new(ErrorKind::Damaged, what));
            }
            Err(Unreadable::Magic) => return Err(self.damage(&name, 0, "not a log segment")),
            Err(Unreadable::Checksum | Unreadable::Kind) => {
                return Err(self.damage(&name, 0, "the segment's header is wrong"));
            }
        };
        if header.index != index {
            return Err(self.damage(&name, 0, "the segment has another one's name"));
        }
        Ok(Found { name, header, file, length })
    }

    /// The segments to read: those from the last gap on that a snapshot covers.
    fn choose(&mut self, indexes: &[u64]) -> Result<Vec<Found>, Error> {
        let mut segments: Vec<Found> = Vec::new();
        for (position, &index) in indexes.iter().enumerate() {
            let found = self.open(index)?;
            self.done.last = (index, found.length);
            let header = found.header;
            let follows = segments.last().map_or(index == 1 && header.highest == 0, |before| {
                before.header.index + 1 == index && header.kind != Kind::Gap
            });
            if header.highest <= self.covered {
                // All that is before it, or missing there, is in the snapshot.
                let covered = std::mem::take(&mut segments);
                let highest = self.covered;
                self.done.older.extend(covered.into_iter().map(|before| {
                    let Found { name, length: bytes, .. } = before;
                    OldSegment { name, bytes, highest }
                }));
            } else if header.kind == Kind::Gap {
                // Begun after a fault, and no snapshot made it count.
                let void = indexes[position..].iter().map(|&index| segment_name(index));
                self.done.void.extend(void);
                break;
            } else if !follows {
                return Err(self.damage(&found.name, 0, "the segment before it is missing"));
            }
            segments.push(found);
        }
        Ok(segments)
    }

    fn read(&mut self, segments: &[Found]) -> Result<(), Error> {
        for (position, segment) in segments.iter().enumerate() {
            if segment.header.kind == Kind::Restart {
                self.carried = Carried::default();
            }
            self.at = self.at.max(segment.header.base);
            self.done.complete = self.done.complete.max(self.at);
            let behind = &segments[position + 1..];
            let limit = behind.first().map(|next| next.header.previous_bytes);
            let end = self.read_segment(segment, limit)?;
            let (name, highest) = (segment.name.clone(), self.done.highest);
            self.done.older.push(OldSegment { name, bytes: end, highest });
            self.done.last = (segment.header.index, end);
            if limit.is_none_or(|limit| end == limit) {
                continue;
            }
            // V2: the segments behind the hole never happened.
            self.refuse_if_vouched_for(segment, end, behind)?;
            self.done.void.extend(behind.iter().map(|segment| segment.name.clone()));
            self.note_torn(segment, end)?;
            return Ok(());
        }
        if let Some(last) = segments.last() {
            let end = self.done.last.1;
            self.refuse_if_vouched_for(last, end, &[])?;
            self.note_torn(last, end)?;
        }
        Ok(())
    }

    /// Reads the blocks of a segment up to `limit`; returns where they end.
    fn read_segment(&mut self, segment: &Found, limit: Option<u64>) -> Result<u64, Error> {
        let mut offset = SEGMENT_HEADER_BYTES as u64;
        let end = limit.unwrap_or(segment.length).min(segment.length);
        let mut asked = 0;
        while let Place::Block(header) = self.read_block(segment, offset, end)? {
            if offset + AHEAD_BYTES / 2 >= asked {
                segment.file.will_be_read(offset, AHEAD_BYTES);
                asked = offset + AHEAD_BYTES;
            }
            self.accept(segment, offset, header)?;
            let bytes = BLOCK_HEADER_BYTES as u64 + header.payload_bytes;
            offset += bytes;
            self.progress.advance(bytes, self.done.entries);
        }
        Ok(offset)
    }

    /// Reads the block at `offset` into `self.block`, if there is a sound one before `end`.
    fn read_block(&mut self, segment: &Found, offset: u64, end: u64) -> Result<Place, Error> {
        let context = || format!("reading {}", self.disk.describe(&segment.name));
        let room = end.saturating_sub(offset);
        if room == 0 {
            return Ok(Place::End);
        }
        let mut bytes = [0; BLOCK_HEADER_BYTES];
        let read = read_full_at(&*segment.file, &mut bytes, offset);
        if read.context(ErrorKind::Io, context())? < BLOCK_HEADER_BYTES
            || room < BLOCK_HEADER_BYTES as u64
        {
            return Ok(Place::Hole);
        }
        let Some(header) = BlockHeader::decode(&bytes, segment.header.nonce) else {
            return Ok(Place::Hole);
        };
        if header.payload_bytes > room - BLOCK_HEADER_BYTES as u64 {
            return Ok(Place::Hole);
        }
        // V3: no longer than the file.
        let length = usize::try_from(header.payload_bytes).unwrap_or(usize::MAX);
        self.block.resize(length, 0);
        let at = offset + BLOCK_HEADER_BYTES as u64;
        let read = read_full_at(&*segment.file, &mut self.block, at);
        let whole = read.context(ErrorKind::Io, context())? == length
            && checksum(&bytes[..48], &self.block) == header.checksum;
        Ok(if whole { Place::Block(header) } else { Place::Hole })
    }

    // --- Entries -------------------------------------------------------------------------

    /// Hands over what a block completes, and carries the rest.
    fn accept(&mut self, segment: &Found, offset: u64, header: BlockHeader) -> Result<(), Error> {
        if header.epoch < self.at {
            return Err(self.damage(&segment.name, offset, "epochs go back"));
        }
        self.done.highest = self.done.highest.max(header.highest).max(header.epoch);
        let block = std::mem::take(&mut self.block);
        let mut ready: Vec<Entry<'_>> = Vec::with_capacity(block.len() / ENTRY_BYTES_COMMON);
        let mut early: Vec<Entry<'_>> = Vec::new();
        let mut rest = &block[..];
        while !rest.is_empty() {
            let sorted = take_run(&mut rest, |entry| match entry.tid.epoch() {
                epoch if epoch <= self.covered => {}
                epoch if epoch <= header.epoch => ready.push(entry),
                _ => early.push(entry),
            });
            if sorted.is_none() {
                return Err(self.damage(&segment.name, offset, "an entry is none"));
            }
        }
        let carried = std::mem::take(&mut self.carried);
        for &(tid, start, length) in &carried.entries {
            let mut bytes = &carried.bytes[start..start + length];
            let entry = Entry::parse(&mut bytes).expect("parsed when it was carried");
            if tid.epoch() <= header.epoch { ready.push(entry) } else { early.push(entry) }
        }
        // Stable, and runs are sorted already.
        ready.sort_by_key(|entry| entry.tid);
        self.done.entries += ready.len() as u64;
        self.into.entries(&ready)?;
        self.at = header.epoch;
        self.done.complete = self.done.complete.max(header.epoch);
        let mut next = Carried::default();
        for entry in early {
            let start = next.bytes.len();
            let length = entry.append_to(&mut next.bytes);
            next.entries.push((entry.tid, start, length));
        }
        self.carried = next;
        self.block = block;
        Ok(())
    }

    // --- Holes ---------------------------------------------------------------------------

    /// A hole at `offset` is damage when something behind it was written after a sync of it.
    fn refuse_if_vouched_for(
        &mut self,
        segment: &Found,
        offset: u64,
        behind: &[Found],
    ) -> Result<(), Error> {
        let mut synced = self.search(segment, offset)?;
        for later in behind {
            synced = synced.max(later.header.synced);
            synced = synced.max(self.search(later, SEGMENT_HEADER_BYTES as u64)?);
        }
        if synced > self.at {
            let what = "what was durable there cannot be read";
            return Err(self.damage(&segment.name, offset, what));
        }
        Ok(())
    }

    /// The highest durable epoch that any sound block from `offset` on speaks of; 0 for none.
    fn search(&mut self, segment: &Found, mut offset: u64) -> Result<u64, Error> {
        let signature = BlockHeader::signature(segment.header.nonce);
        let context = || format!("reading {}", self.disk.describe(&segment.name));
        let mut window = vec![0; SEARCH_BYTES];
        let mut synced = 0;
        loop {
            let read = read_full_at(&*segment.file, &mut window, offset);
            let read = read.context(ErrorKind::Io, context())?;
            let mut next = offset + read.saturating_sub(signature.len() - 1) as u64;
            if let Some(at) = find(&window[..read], &signature) {
                let candidate = offset + at as u64;
                next = candidate + 1;
                if let Place::Block(header) = self.read_block(segment, candidate, segment.length)? {
                    synced = synced.max(header.synced);
                    self.done.highest = self.done.highest.max(header.highest).max(header.epoch);
                    next = candidate + BLOCK_HEADER_BYTES as u64 + header.payload_bytes;
                }
            }
            if read < signature.len() {
                return Ok(synced);
            }
            offset = next;
        }
    }

    /// Reports what is cut off, if it is anything of this log's.
    fn note_torn(&mut self, segment: &Found, offset: u64) -> Result<(), Error> {
        let context = || format!("reading {}", self.disk.describe(&segment.name));
        let signature = BlockHeader::signature(segment.header.nonce);
        let mut head = [0; 16];
        let read = read_full_at(&*segment.file, &mut head, offset);
        let read = read.context(ErrorKind::Io, context())?;
        if read > 0 && head[..read] == signature[..read] {
            self.done.torn = Some(TornTail {
                file: self.disk.describe(&segment.name),
                offset,
                bytes: segment.length - offset,
                epoch: self.at,
            });
        }
        Ok(())
    }
}

/// Takes a run off the front of `bytes`; `None` when it is none.
pub(super) fn take_run<'b>(bytes: &mut &'b [u8], mut entry: impl FnMut(Entry<'b>)) -> Option<()> {
    let (length, behind) = bytes.split_first_chunk::<RUN_HEADER_BYTES>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let (mut run, behind) = behind.split_at_checked(length)?;
    *bytes = behind;
    while !run.is_empty() {
        entry(Entry::parse(&mut run)?);
    }
    Some(())
}

/// Where `needle` is in `hay`.
fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len()).position(|window| window == needle)
}
