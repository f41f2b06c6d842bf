//! What a path on the command line is: a data directory, one segment, or one snapshot.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use engine::Thresholds;
use engine::persist::rdb::value::Rules;
use engine::persist::{Directory, Disk, DiskFile};
use zumic_error::{Error, ErrorKind, ResultExt};

/// What is looked at.
#[derive(Debug)]
pub(super) struct Source {
    /// Where the files are.
    pub(super) directory: PathBuf,
    /// The same, as the engine reads it.
    pub(super) disk: Directory,
    /// Log segments, in order of their names, which is that of the log.
    pub(super) segments: Vec<String>,
    /// Snapshots, newest first.
    pub(super) snapshots: Vec<String>,
    /// Whether it is a whole directory.
    pub(super) whole: bool,
}

/// The ending of log segments.
pub(super) const SEGMENT: &str = ".zlog";
/// The ending of snapshots.
pub(super) const SNAPSHOT: &str = ".zdb";

impl Source {
    /// Looks what is at `path`, for changing it.
    ///
    /// # Errors
    /// It cannot be read, or is nothing that a server writes.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let mut source = Self::read(path)?;
        let shown = source.directory.display().to_string();
        source.disk = Directory::open(&source.directory)
            .context(ErrorKind::Io, format!("opening {shown}"))?;
        Ok(source)
    }

    /// The same for looking only: files are opened for reading, so that a backup on a disk that
    /// cannot be written to, or of another user, is as good.
    ///
    /// # Errors
    /// As [`Source::open`].
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let shown = path.display();
        let about = std::fs::metadata(path).context(ErrorKind::Io, format!("reading {shown}"))?;
        let whole = about.is_dir();
        let directory = if whole { Some(path) } else { path.parent() };
        let directory = match directory {
            Some(directory) if !directory.as_os_str().is_empty() => directory.to_path_buf(),
            _ => PathBuf::from("."),
        };
        let disk = Directory::reading(&directory);
        let names = if whole {
            disk.list().context(ErrorKind::Io, format!("listing {shown}"))?
        } else {
            let name = path.file_name().unwrap_or_default();
            vec![name.to_string_lossy().into_owned()]
        };
        let ending = |ending: &str| -> Vec<String> {
            names.iter().filter(|name| name.ends_with(ending)).cloned().collect()
        };
        let (mut segments, mut snapshots) = (ending(SEGMENT), ending(SNAPSHOT));
        segments.sort_unstable();
        snapshots.sort_unstable();
        snapshots.reverse();
        if segments.is_empty() && snapshots.is_empty() {
            let what = format!("{shown} is no data directory, log segment or snapshot");
            return Err(Error::new(ErrorKind::Configuration, what));
        }
        Ok(Self { directory, disk, segments, snapshots, whole })
    }

    /// The full path of a file of it.
    #[must_use]
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Opens a segment.
    ///
    /// # Errors
    /// As the system says.
    pub(super) fn segment(&self, name: &str) -> Result<Box<dyn DiskFile>, Error> {
        let shown = self.disk.describe(name);
        self.disk.open(name).context(ErrorKind::Io, format!("opening {shown}"))
    }

    /// Opens a snapshot.
    ///
    /// # Errors
    /// As the system says.
    pub(super) fn snapshot(&self, name: &str) -> Result<impl Read, Error> {
        let path = self.path(name);
        let file = File::open(&path).context(ErrorKind::Io, format!("opening {}", path.display()));
        Ok(BufReader::with_capacity(1 << 20, file?))
    }
}

/// How values are read: the forms of collections do not matter here.
#[must_use]
pub(super) fn rules() -> Rules {
    Rules { thresholds: Thresholds::default(), seed: 0 }
}
