//! A directory in memory.
//!
//! Why it exists: tests that try every length and every byte of a log open thousands of
//! directories.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::persist::{DirectoryLock, Disk, DiskFile};

/// Files by name. Clones are handles to the same directory.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, MemoryFile>,
    locked: bool,
}

/// A file's bytes.
#[derive(Clone, Debug, Default)]
struct MemoryFile(Arc<Mutex<Vec<u8>>>);

#[derive(Debug)]
struct MemoryLock(MemoryDisk);

impl DirectoryLock for MemoryLock {}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.0.lock_state().locked = false;
    }
}

impl MemoryDisk {
    fn lock_state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy of a file's bytes.
    #[must_use]
    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        let file = self.lock_state().files.get(name)?.clone();
        Some(file.bytes().clone())
    }

    /// Makes a file with these bytes, or replaces its bytes.
    pub fn put(&self, name: &str, bytes: Vec<u8>) {
        *self.lock_state().files.entry(name.into()).or_default().bytes() = bytes;
    }

    /// A directory with the same files, unlocked, that does not change with this one.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        let copy = Self::default();
        for (name, file) in &self.lock_state().files {
            copy.put(name, file.bytes().clone());
        }
        copy
    }
}

impl MemoryFile {
    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn position(offset: u64) -> usize {
    usize::try_from(offset).expect("a file in memory is shorter than the address space")
}

impl Disk for MemoryDisk {
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = MemoryFile::default();
        self.lock_state().files.insert(name.into(), file.clone());
        Ok(Box::new(file))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        match self.lock_state().files.get(name) {
            Some(file) => Ok(Box::new(file.clone())),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.lock_state().files.keys().cloned().collect())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.lock_state();
        let file = state.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.files.insert(to.into(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let gone = self.lock_state().files.remove(name);
        gone.map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_names(&self) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, _: &str) -> io::Result<Option<Box<dyn DirectoryLock>>> {
        let taken = std::mem::replace(&mut self.lock_state().locked, true);
        Ok((!taken).then(|| Box::new(MemoryLock(self.clone())) as Box<dyn DirectoryLock>))
    }

    fn describe(&self, name: &str) -> String {
        format!("memory/{name}")
    }
}

impl DiskFile for MemoryFile {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let bytes = self.bytes();
        let there = bytes.get(position(offset)..).unwrap_or_default();
        let length = there.len().min(into.len());
        into[..length].copy_from_slice(&there[..length]);
        Ok(length)
    }

    fn write_at(&self, from: &[u8], offset: u64) -> io::Result<usize> {
        let mut bytes = self.bytes();
        let (start, end) = (position(offset), position(offset) + from.len());
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[start..end].copy_from_slice(from);
        Ok(from.len())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.bytes().len() as u64)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.bytes().resize(position(length), 0);
        Ok(())
    }
}
