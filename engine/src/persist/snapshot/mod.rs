//! Snapshots: the whole store at one instant, taken while it is being written to.
//!
//! Why it exists: a restart must not replay everything that was ever written, and a backup or a
//! replica needs one consistent state. There is no fork and no pause: the engine's cut fixes the
//! instant (`cut.rs`), `scan` takes what is of it, and this file puts both together with a writer
//! of ZDB.

mod begin;
mod dump;
mod save;
pub(crate) mod scan;
#[cfg(test)]
mod tests;

use std::cell::OnceCell;
use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use begin::{Patience, begin};
pub use dump::{Dumped, LEFT_OUT_NOTE, dump};
pub(crate) use save::{Restored, remove_older, restore};
pub use save::{save, snapshots_of};
use scan::{Scan, Taker};

use super::meter::Meter;
use super::zdb::{Compression, Header, Packer, Summary, Writer};
use crate::Engine;
use crate::shared::Shared;

/// How a snapshot is taken.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotOptions {
    /// How its blocks are compressed.
    pub compression: Compression,
    /// Threads that scan, encode and compress.
    pub threads: usize,
    /// Bytes that writers may hand over before they wait for the scanner: what a snapshot keeps in
    /// memory beyond the data itself.
    pub pending_bytes_max: u64,
    /// When it is taken, in Unix milliseconds.
    pub created_ms: u64,
}

impl Default for SnapshotOptions {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            compression: Compression::default(),
            // Most of the machine is for the traffic.
            threads: (cores / 4).clamp(1, 4),
            pending_bytes_max: 64 << 20,
            created_ms: 0,
        }
    }
}

/// Why there is no snapshot.
#[derive(Debug)]
pub enum SnapshotError {
    /// It was told to stop.
    Abandoned,
    /// It could not be written.
    Io(io::Error),
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Abandoned => f.write_str("the snapshot was abandoned"),
            Self::Io(error) => write!(f, "the snapshot could not be written: {error}"),
        }
    }
}

impl std::error::Error for SnapshotError {}

impl From<io::Error> for SnapshotError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What became of a snapshot.
#[derive(Clone, Copy, Debug, Default)]
pub struct Snapshotted {
    /// Its header: the epoch above all.
    pub header: Header,
    /// Its footer.
    pub summary: Summary,
    /// How long the cut kept sessions out of their turns.
    pub pause: Duration,
    /// Values that writers handed over.
    pub handed_over: u64,
}

/// Writes a snapshot of the engine to `inner` while others go on; returns it flushed. While another
/// one is being taken it waits for that.
///
/// `functions` is called at the instant of the cut, when no command runs, and has to be quick; its
/// bytes are kept as they are. `meter` tells how far it is; once it was told to abandon, this ends
/// soon, after a walk through what is left.
///
/// # Errors
/// [`SnapshotError`]; what was written then is no snapshot, and its reader sees that.
///
/// # Examples
/// ```
/// use engine::Engine;
/// use engine::persist::Meter;
/// use engine::persist::snapshot::{SnapshotOptions, write};
/// use engine::persist::zdb::{Reader, load};
///
/// let engine = Engine::builder().build();
/// engine.session().enter(1).set(0, b"key", b"value").unwrap();
/// let meter = Meter::default();
/// let options = SnapshotOptions::default();
/// let (bytes, _) = write(&engine, Vec::new(), &options, &Vec::new, &meter).unwrap();
///
/// let other = Engine::builder().build();
/// load(&other, &mut Reader::new(&bytes[..]).unwrap(), 2, &Meter::default()).unwrap();
/// let value = other.session().enter(1).get(0, b"key").unwrap();
/// assert_eq!(value.as_deref(), Some(&b"value"[..]));
/// ```
pub fn write<W: Write + Send>(
    engine: &Engine,
    inner: W,
    options: &SnapshotOptions,
    functions: &dyn Fn() -> Vec<u8>,
    meter: &Meter,
) -> Result<(W, Snapshotted), SnapshotError> {
    let writer = OnceCell::new();
    let begin = |header, libraries: &[u8]| -> Vec<Packer<'_, W>> {
        let writer = writer.get_or_init(|| Writer::new(inner, header, options.compression));
        writer.put_functions(libraries);
        (0..options.threads.max(1)).map(|_| writer.packer()).collect()
    };
    let (mut packers, mut done) = take(engine, options, functions, meter, begin)?;
    packers.iter_mut().for_each(Packer::close);
    drop(packers);
    let (inner, summary) = writer.into_inner().expect("begun with the cut").finish()?;
    meter.set_bytes(summary.file_bytes);
    done.summary = summary;
    Ok((inner, done))
}

/// Fixes an instant and has takers take what is of it; they are made at that instant, from the
/// header and the functions. Returned as they are at the end, with all but the footer.
fn take<T: Taker>(
    engine: &Engine,
    options: &SnapshotOptions,
    functions: &dyn Fn() -> Vec<u8>,
    meter: &Meter,
    begin: impl FnOnce(Header, &[u8]) -> Vec<T>,
) -> Result<(Vec<T>, Snapshotted), SnapshotError> {
    let shared = &*engine.shared;
    let _alone = shared.scanning();
    let own = shared.hire_scanner();
    let result = take_as(&own, shared, options, functions, meter, begin);
    shared.rest_scanner(own);
    result
}

fn take_as<T: Taker>(
    own: &crate::shared::Public,
    shared: &Shared,
    options: &SnapshotOptions,
    functions: &dyn Fn() -> Vec<u8>,
    meter: &Meter,
    make: impl FnOnce(Header, &[u8]) -> Vec<T>,
) -> Result<(Vec<T>, Snapshotted), SnapshotError> {
    meter.restart();
    let mut libraries = Vec::new();
    let mut counts = Vec::new();
    let mut under = |shared: &Shared| {
        libraries = functions();
        counts = shared.key_counts();
    };
    let begun = begin(shared, own, options.pending_bytes_max, meter, &mut under);
    let Some((cut, pause)) = begun else { return Err(SnapshotError::Abandoned) };
    let header =
        Header { epoch: cut.epoch(), created_ms: options.created_ms, ..Header::of_counts(&counts) };
    meter.set_keys_expected(header.keys_expected);
    let mut takers = make(header, &libraries);
    let scan = Scan::new(shared, &cut, meter);
    scan.run(&mut takers);
    let mut patience = Patience::default();
    scan.finish(own, &mut takers[0], || patience.next_try());
    let handed_over = cut.handed_over();
    if meter.is_abandoned() {
        return Err(SnapshotError::Abandoned);
    }
    Ok((takers, Snapshotted { header, pause, handed_over, ..Snapshotted::default() }))
}
