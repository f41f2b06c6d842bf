//! Snapshots as files of a data directory: written so that a crash at any point loses nothing, and
//! found again.
//!
//! Why it exists: a snapshot replaces a part of the log, so it must be durable under its name
//! before any of that goes; and when the newest one is damaged, an older one will do only as long
//! as the log reaches back to it. The order of things is here; the log's side is `persist::facade`.
//!
//! Invariants
//! - F1: a name `snapshot-<16 hex digits of the epoch>.zdb` is given to whole, synced files only.
//! - F2: nothing that an older snapshot needs goes before the newer one's name is durable.

use std::io::{self, Read, Write};
use std::sync::Arc;

use zumic_error::{Error, ErrorKind, ResultExt as _};

use super::{SnapshotError, SnapshotOptions, Snapshotted, write};
use crate::Engine;
use crate::persist::meter::Meter;
use crate::persist::progress::{Progress, Stage};
use crate::persist::storage::{Disk, DiskFile, write_all_at};
use crate::persist::zdb::{Header, Loading, Reader, ZdbError, load};

/// What a snapshot is called while it is written.
const UNFINISHED_NAME: &str = "snapshot.tmp";
/// Bytes after which a file being written is synced, so that the log's own syncs find a disk that
/// has not gathered the whole snapshot.
const SYNC_BYTES: u64 = 32 << 20;
/// Bytes read at once.
const READ_BYTES: usize = 1 << 20;

/// The name of the snapshot of an epoch.
fn name_of(epoch: u64) -> String {
    format!("snapshot-{epoch:016x}.zdb")
}

/// The epoch of a snapshot's name.
fn epoch_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("snapshot-")?.strip_suffix(".zdb")?;
    let epoch = u64::from_str_radix(digits, 16).ok()?;
    (name_of(epoch) == name).then_some(epoch)
}

/// Epochs of the snapshots in a directory, the newest first.
///
/// # Errors
/// As the disk says.
pub fn snapshots_of(disk: &dyn Disk) -> io::Result<Vec<u64>> {
    let mut epochs: Vec<u64> = disk.list()?.iter().filter_map(|name| epoch_of(name)).collect();
    epochs.sort_unstable_by(|a, b| b.cmp(a));
    Ok(epochs)
}

/// Writes a file from its beginning, and syncs it now and then.
struct Output {
    file: Box<dyn DiskFile>,
    offset: u64,
    synced: u64,
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        write_all_at(&*self.file, bytes, self.offset)?;
        self.offset += bytes.len() as u64;
        if self.offset - self.synced >= SYNC_BYTES {
            self.file.sync()?;
            self.synced = self.offset;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.sync()
    }
}

/// Writes a snapshot of `engine` into a directory; durable when this returns. Older ones stay.
///
/// # Errors
/// As [`write`](fn@write), and as the disk says; then the directory is as before.
pub fn save(
    engine: &Engine,
    disk: &dyn Disk,
    options: &SnapshotOptions,
    functions: &dyn Fn() -> Vec<u8>,
    meter: &Meter,
) -> Result<Snapshotted, SnapshotError> {
    let saved = save_unfinished(engine, disk, options, functions, meter);
    if saved.is_err() {
        // What it holds is of no use; if this fails, too, the next snapshot writes over it.
        let _ = disk.remove(UNFINISHED_NAME);
    }
    saved
}

fn save_unfinished(
    engine: &Engine,
    disk: &dyn Disk,
    options: &SnapshotOptions,
    functions: &dyn Fn() -> Vec<u8>,
    meter: &Meter,
) -> Result<Snapshotted, SnapshotError> {
    let output = Output { file: disk.create(UNFINISHED_NAME)?, offset: 0, synced: 0 };
    // Flushed, and so synced, by the writer (F1).
    let (output, done) = write(engine, output, options, functions, meter)?;
    drop(output);
    disk.rename(UNFINISHED_NAME, &name_of(done.header.epoch))?;
    disk.sync_names()?;
    Ok(done)
}

/// Removes the snapshots before that of `epoch`, as far as the disk lets it: the next one tries
/// again.
pub(crate) fn remove_older(disk: &dyn Disk, epoch: u64) {
    let older = snapshots_of(disk).unwrap_or_default();
    for older in older.into_iter().filter(|&older| older < epoch) {
        let _ = disk.remove(&name_of(older));
    }
    let _ = disk.sync_names();
}

/// Reads a file from its beginning, and says how far that is.
struct Input<'p> {
    file: Box<dyn DiskFile>,
    offset: u64,
    progress: &'p Progress,
    meter: &'p Meter,
}

impl Read for Input<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(into, self.offset)?;
        self.offset += read as u64;
        self.progress.advance(read as u64, self.meter.keys());
        Ok(read)
    }
}

/// What was found of snapshots.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    /// What was loaded; nothing when there was no snapshot that is whole.
    pub(crate) loading: Option<Loading>,
    /// Newer ones that are damaged, and how.
    pub(crate) damaged: Vec<Error>,
    /// The newest epoch in a name: later snapshots must have later ones.
    pub(crate) newest: u64,
}

/// Loads the newest snapshot that is whole into an empty engine.
///
/// # Errors
/// As the disk says. Damage is no error here: whether an older snapshot will do is for the log to
/// say.
pub(crate) fn restore(
    engine: &Engine,
    disk: &Arc<dyn Disk>,
    progress: &Progress,
) -> Result<Restored, Error> {
    let epochs = snapshots_of(&**disk).context(ErrorKind::Io, "listing the data directory")?;
    let newest = epochs.first().copied().unwrap_or(0);
    let mut restored = Restored { newest, ..Restored::default() };
    for epoch in epochs {
        let name = name_of(epoch);
        let reading = || format!("reading {}", disk.describe(&name));
        match load_one(engine, &**disk, &name, progress) {
            Ok(loading) if loading.header.epoch == epoch => {
                restored.loading = Some(loading);
                return Ok(restored);
            }
            Ok(loading) => {
                let what = format!("{}: it is of epoch {}", reading(), loading.header.epoch);
                restored.damaged.push(Error::new(ErrorKind::Damaged, what));
            }
            Err(ZdbError::Io(error)) => return Err(error).context(ErrorKind::Io, reading()),
            Err(error) => {
                restored.damaged.push(Error::with_source(ErrorKind::Damaged, reading(), error));
            }
        }
        engine.clear();
    }
    Ok(restored)
}

fn load_one(
    engine: &Engine,
    disk: &dyn Disk,
    name: &str,
    progress: &Progress,
) -> Result<Loading, ZdbError> {
    let file = disk.open(name)?;
    let length = file.length()?;
    progress.begin(Stage::Snapshot, length);
    let meter = Meter::default();
    let input = Input { file, offset: 0, progress, meter: &meter };
    let mut reader = Reader::new(io::BufReader::with_capacity(READ_BYTES, input))?;
    make_room(engine, reader.header(), length);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    load(engine, &mut reader, threads, &meter)
}

/// Makes room for what the file says it holds, as far as that is likely for its length: a key that
/// differs from the others takes more than a byte, however well they compress.
fn make_room(engine: &Engine, header: &Header, length: u64) {
    let keys = header.largest_db_keys.min(length);
    engine.session().enter(0).reserve(header.largest_db, keys);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_epochs_go_together() {
        assert_eq!(name_of(0x3e8), "snapshot-00000000000003e8.zdb");
        assert_eq!(epoch_of("snapshot-00000000000003e8.zdb"), Some(0x3e8));
        for other in ["snapshot-3e8.zdb", "snapshot-00000000000003E8.zdb", UNFINISHED_NAME] {
            assert_eq!(epoch_of(other), None, "{other}");
        }
    }
}
