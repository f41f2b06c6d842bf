//! Looks at a log without opening a store on it: for `zumic-check`.
//!
//! Why it exists: an operator whose server refuses to start has to see what is in the files, and
//! whoever moves away has to get the data out. One segment is looked at by itself; the log of a
//! directory is read exactly as a start would read it, with its entries in their order.
//!
//! Invariants
//! - A1: nothing here writes, and nothing takes the directory's lock.

use std::io;

use zumic_error::{Error, ErrorKind, ResultExt as _};

use super::entry::Entry;
use super::format::{
    BLOCK_HEADER_BYTES, BlockHeader, Kind, SEGMENT_HEADER_BYTES, SegmentHeader, Unreadable,
    VERSION, checksum,
};
use super::recover::{Receive, TornTail, recover, take_run};
use crate::persist::Progress;
use crate::persist::storage::{Disk, DiskFile, read_full_at};

/// Bytes read at a time while looking for what is behind the last block.
const SEARCH_BYTES: usize = 1 << 20;

/// What one segment holds.
#[derive(Clone, Debug, Default)]
pub struct SegmentReport {
    /// Its number in the log.
    pub index: u64,
    /// How it follows the one before it: `next`, `restart` or `gap`.
    pub kind: &'static str,
    /// The epoch that was complete before it.
    pub base: u64,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Bytes up to the end of the last sound block.
    pub used_bytes: u64,
    /// Sound blocks in a row from the beginning.
    pub blocks: u64,
    /// Entries in them.
    pub entries: u64,
    /// The epoch that is complete with the last of them.
    pub epoch: u64,
    /// Where something that is no block begins, if it is not just the unused rest of the file.
    pub hole: Option<Hole>,
}

/// A place behind the last sound block that is not empty.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Hole {
    /// Where it begins.
    pub offset: u64,
    /// Where the next sound block of this segment is; `None` when there is none, as after a crash.
    pub next_block: Option<u64>,
}

/// Reads one segment, and calls `each` with its entries, block by block as they lie there.
///
/// # Errors
/// What the file's system says; [`ErrorKind::Damaged`] when it has no segment's header, or a block
/// that is sound has something else than entries; what `each` answers.
pub fn inspect_segment(
    file: &dyn DiskFile,
    each: &mut dyn FnMut(Entry<'_>) -> Result<(), Error>,
) -> Result<SegmentReport, Error> {
    let file_bytes = file.length().context(ErrorKind::Io, "reading the segment")?;
    let header = read_header(file)?;
    let mut report = SegmentReport {
        index: header.index,
        kind: match header.kind {
            Kind::Next => "next",
            Kind::Restart => "restart",
            Kind::Gap => "gap",
        },
        base: header.base,
        file_bytes,
        used_bytes: SEGMENT_HEADER_BYTES as u64,
        epoch: header.base,
        ..SegmentReport::default()
    };
    let mut block = Vec::new();
    let read = |offset, block: &mut Vec<u8>| {
        read_block(file, (offset, file_bytes), header.nonce, block)
            .context(ErrorKind::Io, "reading the segment")
    };
    while let Some(found) = read(report.used_bytes, &mut block)? {
        let mut rest = &block[..];
        let mut result = Ok(());
        while !rest.is_empty() {
            let sound = take_run(&mut rest, |entry| {
                report.entries += 1;
                if result.is_ok() {
                    result = each(entry);
                }
            });
            if sound.is_none() {
                let what = format!("the block at byte {} has no entries", report.used_bytes);
                return Err(Error::new(ErrorKind::Damaged, what));
            }
        }
        result?;
        report.blocks += 1;
        report.epoch = found.epoch;
        report.used_bytes += (BLOCK_HEADER_BYTES + block.len()) as u64;
    }
    report.hole =
        look_behind(file, &report, header.nonce).context(ErrorKind::Io, "reading the segment")?;
    Ok(report)
}

fn read_header(file: &dyn DiskFile) -> Result<SegmentHeader, Error> {
    let damaged = |what: String| Error::new(ErrorKind::Damaged, what);
    let mut bytes = [0; SEGMENT_HEADER_BYTES];
    let read = read_full_at(file, &mut bytes, 0).context(ErrorKind::Io, "reading the segment")?;
    if read < SEGMENT_HEADER_BYTES {
        return Err(damaged("the segment's header is cut".to_owned()));
    }
    SegmentHeader::decode(&bytes).map_err(|why| {
        damaged(match why {
            Unreadable::Magic => "this is no log segment".to_owned(),
            Unreadable::Version(found) => {
                format!("format version {found}, and this program reads version {VERSION}")
            }
            Unreadable::Checksum | Unreadable::Kind => "the segment's header is wrong".to_owned(),
        })
    })
}

/// The sound block of the segment at `offset`, its payload in `block`; no longer than the file.
fn read_block(
    file: &dyn DiskFile,
    (offset, file_bytes): (u64, u64),
    nonce: u64,
    block: &mut Vec<u8>,
) -> io::Result<Option<BlockHeader>> {
    let mut bytes = [0; BLOCK_HEADER_BYTES];
    if read_full_at(file, &mut bytes, offset)? < BLOCK_HEADER_BYTES {
        return Ok(None);
    }
    let Some(header) = BlockHeader::decode(&bytes, nonce) else { return Ok(None) };
    let room = file_bytes.saturating_sub(offset + BLOCK_HEADER_BYTES as u64);
    if header.payload_bytes > room {
        return Ok(None);
    }
    block.resize(usize::try_from(header.payload_bytes).unwrap_or(usize::MAX), 0);
    let read = read_full_at(file, block, offset + BLOCK_HEADER_BYTES as u64)?;
    let whole = read == block.len() && checksum(&bytes[..48], block) == header.checksum;
    Ok(whole.then_some(header))
}

/// What is behind the last sound block: nothing of this segment, a torn block, or more blocks.
fn look_behind(
    file: &dyn DiskFile,
    report: &SegmentReport,
    nonce: u64,
) -> io::Result<Option<Hole>> {
    let signature = BlockHeader::signature(nonce);
    let offset = report.used_bytes;
    let mut head = [0; 16];
    let read = read_full_at(file, &mut head, offset)?;
    // A recycled file may hold anything of an older segment behind its last block.
    let torn = read > 0 && head[..read] == signature[..read];
    let next_block = find_block(file, offset, report.file_bytes, nonce)?;
    Ok((torn || next_block.is_some()).then_some(Hole { offset, next_block }))
}

/// The first sound block of the segment behind `offset`.
fn find_block(
    file: &dyn DiskFile,
    mut offset: u64,
    file_bytes: u64,
    nonce: u64,
) -> io::Result<Option<u64>> {
    let signature = BlockHeader::signature(nonce);
    let mut window = vec![0; SEARCH_BYTES];
    let mut block = Vec::new();
    loop {
        let read = read_full_at(file, &mut window, offset)?;
        if read < signature.len() {
            return Ok(None);
        }
        let found = window[..read].windows(signature.len()).position(|bytes| bytes == signature);
        offset += match found {
            Some(at) => {
                let candidate = offset + at as u64;
                if read_block(file, (candidate, file_bytes), nonce, &mut block)?.is_some() {
                    return Ok(Some(candidate));
                }
                at as u64 + 1
            }
            None => (read - (signature.len() - 1)) as u64,
        };
    }
}

/// What a directory's log holds, as a start would take it.
#[derive(Clone, Debug, Default)]
pub struct LogReport {
    /// The last complete epoch.
    pub epoch: u64,
    /// Entries behind the snapshot.
    pub entries: u64,
    /// Entries whose epoch is not complete, which do not count.
    pub dropped: u64,
    /// What is cut off at the end.
    pub torn: Option<TornTail>,
}

/// Reads the log of a directory from `covered` on, the epoch of a snapshot, and calls `each` with
/// its entries in their order.
///
/// # Errors
/// As a start would end: [`ErrorKind::Damaged`] with a [`super::recover::Damage`] as its source.
/// What `each` answers.
pub fn inspect_log(
    disk: &dyn Disk,
    covered: u64,
    each: &mut dyn FnMut(Entry<'_>) -> Result<(), Error>,
) -> Result<LogReport, Error> {
    struct Each<'e>(&'e mut dyn FnMut(Entry<'_>) -> Result<(), Error>);
    impl Receive for Each<'_> {
        fn entry(&mut self, entry: Entry<'_>) -> Result<(), Error> {
            (self.0)(entry)
        }
    }
    let found = recover(disk, covered, &Progress::default(), &mut Each(each))?;
    Ok(LogReport {
        epoch: found.complete,
        entries: found.entries,
        dropped: found.dropped,
        torn: found.torn,
    })
}
