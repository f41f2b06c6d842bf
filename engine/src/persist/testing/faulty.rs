//! A disk that fails when it is told to.
//!
//! Why it exists: full, broken and slow disks on demand, in front of any other disk.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::persist::{DirectoryLock, Disk, DiskFile};

/// What goes wrong. Clones are handles to the same switches.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    shared: Arc<(Mutex<Switches>, Condvar)>,
}

#[derive(Debug, Default)]
struct Switches {
    /// Bytes that fit before the disk is full.
    space: Option<u64>,
    /// Writes that work before one fails, and how it fails.
    write_error: Option<(u64, io::ErrorKind)>,
    /// The same of syncs.
    sync_error: Option<(u64, io::ErrorKind)>,
    /// The same of reads.
    read_error: Option<(u64, io::ErrorKind)>,
    /// No write takes more bytes than this.
    write_bytes_max: Option<usize>,
    /// Reads, writes and syncs do not come back while set.
    stuck_writes: bool,
    stuck_syncs: bool,
    delay: Option<Duration>,
    /// Writes and syncs so far.
    writes: u64,
    syncs: u64,
}

impl Faults {
    fn switches(&self) -> MutexGuard<'_, Switches> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The disk is full after `bytes` more bytes; `None` for room enough.
    pub fn set_space(&self, bytes: Option<u64>) {
        self.switches().space = bytes;
    }

    /// After `count` more writes, each fails with `kind`.
    pub fn fail_writes_after(&self, count: u64, kind: io::ErrorKind) {
        self.switches().write_error = Some((count, kind));
    }

    /// After `count` more syncs, one fails with `kind`; those behind it work again, as on Linux.
    pub fn fail_sync_after(&self, count: u64, kind: io::ErrorKind) {
        self.switches().sync_error = Some((count, kind));
    }

    /// After `count` more reads, each fails with `kind`.
    pub fn fail_reads_after(&self, count: u64, kind: io::ErrorKind) {
        self.switches().read_error = Some((count, kind));
    }

    /// No write takes more than `bytes` bytes at once; `None` for no limit.
    pub fn set_write_bytes_max(&self, bytes: Option<usize>) {
        self.switches().write_bytes_max = bytes;
    }

    /// Every write and sync takes this much longer.
    pub fn set_delay(&self, delay: Option<Duration>) {
        self.switches().delay = delay;
    }

    /// Writes, or syncs, do not come back until they are let go.
    pub fn set_stuck(&self, writes: bool, syncs: bool) {
        let mut switches = self.switches();
        switches.stuck_writes = writes;
        switches.stuck_syncs = syncs;
        self.shared.1.notify_all();
    }

    /// Nothing goes wrong any more.
    pub fn clear(&self) {
        let mut switches = self.switches();
        let (writes, syncs) = (switches.writes, switches.syncs);
        *switches = Switches { writes, syncs, ..Switches::default() };
        self.shared.1.notify_all();
    }

    /// Writes and syncs so far, failed ones included.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        let switches = self.switches();
        (switches.writes, switches.syncs)
    }

    fn wait_while(&self, stuck: impl Fn(&Switches) -> bool) {
        let delay = self.switches().delay;
        if let Some(delay) = delay {
            std::thread::sleep(delay);
        }
        let mut switches = self.switches();
        while stuck(&switches) {
            switches = self.shared.1.wait(switches).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// How many of `wanted` bytes a write takes.
    fn admit_write(&self, wanted: usize) -> io::Result<usize> {
        self.wait_while(|switches| switches.stuck_writes);
        let mut switches = self.switches();
        switches.writes += 1;
        count_down(&mut switches.write_error)?;
        let mut taken = wanted.min(switches.write_bytes_max.unwrap_or(usize::MAX)) as u64;
        if let Some(space) = &mut switches.space {
            if *space == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            taken = taken.min(*space);
            *space -= taken;
        }
        Ok(usize::try_from(taken).expect("no more than wanted"))
    }

    fn admit_sync(&self) -> io::Result<()> {
        self.wait_while(|switches| switches.stuck_syncs);
        let mut switches = self.switches();
        switches.syncs += 1;
        let result = count_down(&mut switches.sync_error);
        if result.is_err() {
            switches.sync_error = None;
        }
        result
    }

    fn admit_read(&self) -> io::Result<()> {
        count_down(&mut self.switches().read_error)
    }
}

/// Counts one down; an error when none was left.
fn count_down(error: &mut Option<(u64, io::ErrorKind)>) -> io::Result<()> {
    match error {
        Some((0, kind)) => Err((*kind).into()),
        Some((left, _)) => {
            *left -= 1;
            Ok(())
        }
        None => Ok(()),
    }
}

/// Another disk, with faults in front.
#[derive(Debug)]
pub struct FaultyDisk {
    inner: Arc<dyn Disk>,
    faults: Faults,
}

impl FaultyDisk {
    /// `inner`, which fails as `faults` say.
    #[must_use]
    pub fn new(inner: Arc<dyn Disk>, faults: Faults) -> Self {
        Self { inner, faults }
    }

    fn wrap(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(FaultyFile { inner: file, faults: self.faults.clone() })
    }
}

impl Disk for FaultyDisk {
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.inner.create(name).map(|file| self.wrap(file))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.inner.open(name).map(|file| self.wrap(file))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.inner.list()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }

    fn sync_names(&self) -> io::Result<()> {
        self.faults.admit_sync()?;
        self.inner.sync_names()
    }

    fn lock(&self, name: &str) -> io::Result<Option<Box<dyn DirectoryLock>>> {
        self.inner.lock(name)
    }

    fn describe(&self, name: &str) -> String {
        self.inner.describe(name)
    }
}

#[derive(Debug)]
struct FaultyFile {
    inner: Box<dyn DiskFile>,
    faults: Faults,
}

impl DiskFile for FaultyFile {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        self.faults.admit_read()?;
        self.inner.read_at(into, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let taken = self.faults.admit_write(bytes.len())?;
        self.inner.write_at(&bytes[..taken], offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.faults.admit_sync()?;
        self.inner.sync()
    }

    fn length(&self) -> io::Result<u64> {
        self.inner.length()
    }

    fn set_length(&self, bytes: u64) -> io::Result<()> {
        self.inner.set_length(bytes)
    }
}
