//! A disk that remembers every write, sync and rename, and what a power loss leaves of them.
//!
//! Why it exists: "survives power loss at any instant" is checked by trying every instant. A test
//! runs its work once on this disk, with marks of its own in between, and then asks for what the
//! disk may hold after each prefix of the events, with what was not synced kept, dropped or torn.
//!
//! What may be lost: of a file's bytes, every sector written since its last sync, each on its own
//! (writes may be reordered); of names, every change since the last sync of the directory, from
//! some change on (file systems keep them in order), or each on its own.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::memory::MemoryDisk;
use crate::persist::{DirectoryLock, Disk, DiskFile};

/// What a device writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// Something that happened, in order. Files are known by a number: names change.
#[derive(Clone, Debug)]
pub enum Event {
    /// A file was created under a name.
    Create(String, usize),
    /// A mark of the test's own.
    Mark(u64),
    /// A name was removed.
    Remove(String),
    /// A file was renamed.
    Rename(String, String),
    /// A file was cut or lengthened.
    SetLength(usize, u64),
    /// A file was synced.
    Sync(usize),
    /// Names were synced.
    SyncNames,
    /// Bytes were written to a file at an offset.
    Write(usize, u64, Vec<u8>),
}

/// What is lost of what was not synced.
#[derive(Clone, Copy, Debug)]
pub enum Loss {
    /// Everything.
    All,
    /// Nothing: the end of the process alone.
    Nothing,
    /// Sectors and names by chance, from this seed.
    Some(u64),
}

/// See the file's header. Clones are handles to the same disk.
#[derive(Clone, Debug, Default)]
pub struct RecordingDisk {
    disk: MemoryDisk,
    log: Arc<Mutex<Log>>,
}

#[derive(Debug, Default)]
struct Log {
    events: Vec<Event>,
    numbers: BTreeMap<String, usize>,
    files: usize,
}

impl RecordingDisk {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a mark between the events.
    pub fn mark(&self, number: u64) {
        self.log().events.push(Event::Mark(number));
    }

    /// All events so far.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.log().events.clone()
    }

    /// What a disk may hold after `events`.
    #[must_use]
    pub fn after(events: &[Event], loss: Loss) -> MemoryDisk {
        let mut chance = match loss {
            Loss::Some(seed) => seed | 1,
            Loss::All | Loss::Nothing => 0,
        };
        let mut kept = || match loss {
            Loss::All => false,
            Loss::Nothing => true,
            Loss::Some(_) => {
                chance ^= chance << 13;
                chance ^= chance >> 7;
                chance ^= chance << 17;
                chance & 1 == 1
            }
        };
        let mut files: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
        for (at, event) in events.iter().enumerate() {
            let synced = |file| {
                let later = &events[at..];
                later.iter().any(|event| matches!(event, Event::Sync(synced) if *synced == file))
            };
            match event {
                Event::Create(_, file) => drop(files.insert(*file, Vec::new())),
                Event::Write(file, offset, bytes) => {
                    let content = files.entry(*file).or_default();
                    write(content, *offset, bytes, || synced(*file) || kept());
                }
                Event::SetLength(file, length) if synced(*file) || kept() => {
                    let length = usize::try_from(*length).expect("a test's file is short");
                    files.entry(*file).or_default().resize(length, 0);
                }
                _ => {}
            }
        }
        let ordered = kept();
        let disk = MemoryDisk::default();
        for (name, file) in names_after(events, ordered, kept) {
            disk.put(&name, files.get(&file).cloned().unwrap_or_default());
        }
        disk
    }
}

/// Writes sector by sector, those that are kept.
fn write(content: &mut Vec<u8>, offset: u64, bytes: &[u8], mut kept: impl FnMut() -> bool) {
    let mut at = usize::try_from(offset).expect("a test's file is short");
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = rest.len().min(SECTOR_BYTES - at % SECTOR_BYTES);
        if kept() {
            if content.len() < at + length {
                content.resize(at + length, 0);
            }
            content[at..at + length].copy_from_slice(&rest[..length]);
        }
        at += length;
        rest = &rest[length..];
    }
}

/// The names after `events`: those not synced are lost each on its own, or, `ordered`, from one on.
fn names_after(
    events: &[Event],
    ordered: bool,
    mut kept: impl FnMut() -> bool,
) -> BTreeMap<String, usize> {
    let synced = events.iter().rposition(|event| matches!(event, Event::SyncNames));
    let mut names = BTreeMap::new();
    let mut lost = false;
    for (at, event) in events.iter().enumerate() {
        let changes = matches!(event, Event::Create(..) | Event::Remove(_) | Event::Rename(..));
        if !changes {
            continue;
        }
        if synced.is_none_or(|synced| at > synced) && ((lost && ordered) || !kept()) {
            lost = true;
            continue;
        }
        match event {
            Event::Create(name, file) => drop(names.insert(name.clone(), *file)),
            Event::Remove(name) => drop(names.remove(name)),
            Event::Rename(from, to) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
            _ => unreachable!("asked above"),
        }
    }
    names
}

impl Disk for RecordingDisk {
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let inner = self.disk.create(name)?;
        let mut log = self.log();
        let number = log.files;
        log.files += 1;
        log.numbers.insert(name.into(), number);
        log.events.push(Event::Create(name.into(), number));
        Ok(Box::new(RecordingFile { inner, number, disk: self.clone() }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let inner = self.disk.open(name)?;
        let number = self.log().numbers[name];
        Ok(Box::new(RecordingFile { inner, number, disk: self.clone() }))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)?;
        let mut log = self.log();
        if let Some(number) = log.numbers.remove(from) {
            log.numbers.insert(to.into(), number);
        }
        log.events.push(Event::Rename(from.into(), to.into()));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)?;
        let mut log = self.log();
        log.numbers.remove(name);
        log.events.push(Event::Remove(name.into()));
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        self.log().events.push(Event::SyncNames);
        Ok(())
    }

    fn lock(&self, name: &str) -> io::Result<Option<Box<dyn DirectoryLock>>> {
        self.disk.lock(name)
    }

    fn describe(&self, name: &str) -> String {
        self.disk.describe(name)
    }
}

#[derive(Debug)]
struct RecordingFile {
    inner: Box<dyn DiskFile>,
    number: usize,
    disk: RecordingDisk,
}

impl DiskFile for RecordingFile {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(into, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.disk.log().events.push(Event::Write(self.number, offset, bytes.to_vec()));
        self.inner.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.log().events.push(Event::Sync(self.number));
        self.inner.sync()
    }

    fn length(&self) -> io::Result<u64> {
        self.inner.length()
    }

    fn set_length(&self, bytes: u64) -> io::Result<()> {
        self.disk.log().events.push(Event::SetLength(self.number, bytes));
        self.inner.set_length(bytes)
    }
}
