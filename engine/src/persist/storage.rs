//! The directory that holds the log and the snapshots, behind one trait.
//!
//! Why it exists: everything that can go wrong with a disk (full, failing, slow, losing what was
//! not synced) must be producible in a test, so nothing in this crate opens a file but through
//! [`Disk`]. The one that ships is [`Directory`].
//!
//! Invariants
//! - D1: names are plain file names of one directory; nothing here follows a path.
//! - D2: what a `sync` returned from is on the device: the file's bytes and length for
//!   [`DiskFile::sync`], names for [`Disk::sync_names`].

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// A flat directory of files.
pub trait Disk: Debug + Send + Sync {
    /// A new file, for reading and writing. An old one of that name loses its content.
    ///
    /// # Errors
    /// As the system says.
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;
    /// An existing file, for reading and writing.
    ///
    /// # Errors
    /// As the system says.
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;
    /// The names of all files, in no order.
    ///
    /// # Errors
    /// As the system says.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Gives a file another name; what had that name is gone.
    ///
    /// # Errors
    /// As the system says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    ///
    /// # Errors
    /// As the system says.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes names durable: created, renamed and removed ones.
    ///
    /// # Errors
    /// As the system says.
    fn sync_names(&self) -> io::Result<()>;
    /// Locks the directory for one process, by a file of this name, until the answer is dropped;
    /// `None` when another has it.
    ///
    /// # Errors
    /// As the system says.
    fn lock(&self, name: &str) -> io::Result<Option<Box<dyn DirectoryLock>>>;
    /// How a message calls a file of this directory.
    fn describe(&self, name: &str) -> String;
}

/// An open file. Reads and writes say where; there is no cursor.
pub trait DiskFile: Debug + Send + Sync {
    /// Reads some bytes; 0 at the end.
    ///
    /// # Errors
    /// As the system says.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes some bytes, at least one; longer than the file makes it longer.
    ///
    /// # Errors
    /// As the system says.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Makes the bytes and the length durable.
    ///
    /// # Errors
    /// As the system says. After an error nothing is known of what was not durable before.
    fn sync(&self) -> io::Result<()>;
    /// The length in bytes.
    ///
    /// # Errors
    /// As the system says.
    fn length(&self) -> io::Result<u64>;
    /// Cuts the file, or fills it up with zeros.
    ///
    /// # Errors
    /// As the system says.
    fn set_length(&self, bytes: u64) -> io::Result<()>;
    /// Has writes go past the system's cache from now on, where that can be done: they have to be
    /// of whole pages of 4096 bytes, at a page's offset and from a page's address. They are no
    /// more durable for that, until [`DiskFile::sync`].
    fn bypass_cache(&self) {}
    /// Says that a part of the file will be read soon, where that is of use to the system.
    fn will_be_read(&self, _offset: u64, _bytes: u64) {}
}

/// Holds a directory for this process while it lives.
pub trait DirectoryLock: Debug + Send + Sync {}

/// Writes all of `bytes`, however often the file takes only a part.
///
/// # Errors
/// As [`DiskFile::write_at`]; [`io::ErrorKind::WriteZero`] when the file takes nothing.
pub fn write_all_at(file: &dyn DiskFile, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = &bytes[written..];
                offset += written as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads until `into` is full or the file ends; returns how much there was.
///
/// # Errors
/// As [`DiskFile::read_at`].
pub fn read_full_at(file: &dyn DiskFile, into: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < into.len() {
        match file.read_at(&mut into[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// A directory of the file system.
///
/// # Examples
/// ```
/// use engine::persist::{Directory, Disk};
///
/// let path = std::env::temp_dir().join(format!("zumic-doc-{}", std::process::id()));
/// let disk = Directory::open(&path).unwrap();
/// disk.create("a").unwrap().write_at(b"bytes", 0).unwrap();
/// assert_eq!(disk.list().unwrap(), ["a"]);
/// std::fs::remove_dir_all(&path).unwrap();
/// ```
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    /// Whether files are opened for reading alone.
    is_read_only: bool,
}

impl Directory {
    /// The directory at `path`, made if it is not there.
    ///
    /// # Errors
    /// As the system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        Ok(Self { path: path.to_owned(), is_read_only: false })
    }

    /// The directory at `path`, whose files are opened for reading alone: for who looks at a
    /// backup, or at what is another user's. Whatever changes something fails.
    #[must_use]
    pub fn reading(path: &Path) -> Self {
        Self { path: path.to_owned(), is_read_only: true }
    }

    /// Whether something may be changed.
    fn writable(&self) -> io::Result<()> {
        let refused = || io::Error::new(io::ErrorKind::ReadOnlyFilesystem, "opened for reading");
        if self.is_read_only { Err(refused()) } else { Ok(()) }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Disk for Directory {
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.writable()?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        Ok(Box::new(RealFile(options.open(self.path.join(name))?)))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(!self.is_read_only);
        let file = options.open(self.path.join(name))?;
        Ok(Box::new(RealFile(file)))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            // A name that is no text is none of ours.
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.writable()?;
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.writable()?;
        fs::remove_file(self.path.join(name))
    }

    fn sync_names(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    fn lock(&self, name: &str) -> io::Result<Option<Box<dyn DirectoryLock>>> {
        self.writable()?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(self.path.join(name))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(FileLock(file)))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn describe(&self, name: &str) -> String {
        self.path.join(name).display().to_string()
    }
}

/// The lock goes with the file's descriptor.
#[derive(Debug)]
struct FileLock(#[expect(dead_code, reason = "held for its descriptor")] File);

impl DirectoryLock for FileLock {}

#[derive(Debug)]
struct RealFile(File);

impl RealFile {
    /// Whether writes go past the cache. Neither answer costs more than a quick system call.
    #[cfg(target_os = "linux")]
    fn set_direct(&self, on: bool) -> io::Result<()> {
        use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
        let flags = fcntl_getfl(&self.0)?;
        let wanted = if on { flags | OFlags::DIRECT } else { flags - OFlags::DIRECT };
        fcntl_setfl(&self.0, wanted)?;
        Ok(())
    }

    #[cfg(not(target_os = "linux"))]
    fn set_direct(&self, _on: bool) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl DiskFile for RealFile {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(into, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let written = self.0.write_at(bytes, offset);
        // A file system that does not care for pages of this size, or a write that a limit has
        // cut short.
        let refused = matches!(&written, Err(error) if error.kind() == io::ErrorKind::InvalidInput);
        if refused && self.set_direct(false).is_ok() {
            return self.0.write_at(bytes, offset);
        }
        written
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_length(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    fn will_be_read(&self, offset: u64, bytes: u64) {
        // A hint: where it fails the reading itself will say what is wrong.
        #[cfg(target_os = "linux")]
        let _ = rustix::fs::fadvise(
            &self.0,
            offset,
            std::num::NonZero::new(bytes),
            rustix::fs::Advice::WillNeed,
        );
        #[cfg(not(target_os = "linux"))]
        let _ = (offset, bytes);
    }

    fn bypass_cache(&self) {
        // Refused by file systems in memory, and by some others: then it goes through the cache.
        let _ = self.set_direct(true);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// A directory of this test's own, removed at its end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("zumic-{name}-{}", std::process::id()));
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_directory_keeps_files_under_their_names() {
        let scratch = Scratch::new("storage");
        let disk = Directory::open(&scratch.0).unwrap();
        let file = disk.create("a").unwrap();
        write_all_at(&*file, b"hello", 3).unwrap();
        file.sync().unwrap();
        assert_eq!(file.length().unwrap(), 8);
        disk.rename("a", "b").unwrap();
        disk.sync_names().unwrap();
        let file = disk.open("b").unwrap();
        let mut bytes = [9; 10];
        assert_eq!(read_full_at(&*file, &mut bytes, 0).unwrap(), 8);
        assert_eq!(&bytes, b"\0\0\0hello\x09\x09");
        file.set_length(4).unwrap();
        assert_eq!(read_full_at(&*file, &mut bytes, 3).unwrap(), 1);
        disk.remove("b").unwrap();
        assert_eq!(disk.list().unwrap(), Vec::<String>::new());
        assert_eq!(disk.open("b").unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn one_process_holds_the_lock() {
        let scratch = Scratch::new("lock");
        let disk = Directory::open(&scratch.0).unwrap();
        let lock = disk.lock("LOCK").unwrap();
        assert!(lock.is_some());
        let other = Directory::open(&scratch.0).unwrap();
        assert!(other.lock("LOCK").unwrap().is_none());
        drop(lock);
        assert!(other.lock("LOCK").unwrap().is_some());
    }
}
