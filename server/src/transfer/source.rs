//! What is imported: a dump file, a log, or a directory with a manifest of both.
//!
//! Why it exists: since version 7, Redis keeps its log in parts: a base (a dump file or commands)
//! and increments, and a manifest that says which. Only the last part may end in the middle of a
//! command; anything else is damage.
//!
//! ```text
//! file appendonly.aof.1.base.rdb seq 1 type b        b base, i increment, h history (not read)
//! file appendonly.aof.1.incr.aof seq 1 type i
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};

use engine::persist::rdb::file::FileReader;
use zumic_error::{Error, ErrorKind, ResultExt as _};

use super::log::{LogReader, Read1};
use super::meter::Meter;
use super::open;
use super::target::Target;

const BUFFER_BYTES: usize = 256 * 1024;

/// The files to read, in order.
#[derive(Debug)]
pub(super) struct Source {
    files: Vec<PathBuf>,
    bytes: u64,
}

/// What was found besides keys and commands.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Keys of modules' types, by the type's name.
    pub(super) modules: BTreeMap<String, u64>,
    /// What was cut off at the end of the log.
    pub(super) tail: Option<String>,
}

impl Source {
    /// Looks what is at a path.
    pub(super) fn find(path: &Path) -> Result<Self, Error> {
        let what = || format!("looking at {}", path.display());
        let meta = fs::metadata(path).context(ErrorKind::Io, what())?;
        let files = if meta.is_dir() { files_of(path)? } else { vec![path.to_owned()] };
        let mut bytes = 0;
        for file in &files {
            let what = || format!("looking at {}", file.display());
            bytes += fs::metadata(file).context(ErrorKind::Io, what())?.len();
        }
        Ok(Self { files, bytes })
    }

    /// Bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads everything into a target.
    pub(super) fn read(&self, target: &mut Target, meter: &mut Meter) -> Result<Found, Error> {
        let mut found = Found::default();
        let mut before = 0;
        for (index, path) in self.files.iter().enumerate() {
            let file = open(path)?;
            let mut stream = BufReader::with_capacity(BUFFER_BYTES, file);
            let is_last = index + 1 == self.files.len();
            read_file(&mut stream, is_last, before, target, meter, &mut found)
                .map_err(|error| error.context(path.display().to_string()))?;
            before += fs::metadata(path).map_or(0, |meta| meta.len());
        }
        Ok(found)
    }
}

/// Reads one file, whatever it is: a dump, commands, or a dump with commands behind it.
fn read_file(
    stream: &mut BufReader<fs::File>,
    is_last: bool,
    before: u64,
    target: &mut Target,
    meter: &mut Meter,
    found: &mut Found,
) -> Result<(), Error> {
    let begin = stream.fill_buf().context(ErrorKind::Io, "reading")?;
    let tail = if begin.starts_with(b"REDIS") {
        let mut reader = FileReader::open(stream)?;
        let progress = &mut |position| meter.set(before + position);
        target.dump(&mut reader, &mut found.modules, progress)?;
        let before = before + reader.position();
        let rest = BufReader::with_capacity(BUFFER_BYTES, reader.into_rest());
        read_commands(rest, before, target, meter)?
    } else {
        read_commands(stream, before, target, meter)?
    };
    match tail {
        Some(tail) if is_last => found.tail = Some(tail),
        Some(tail) => return Err(Error::new(ErrorKind::Damaged, tail)),
        None => {}
    }
    Ok(())
}

/// Reads commands to the end; answers what was cut off there.
fn read_commands<R: std::io::BufRead>(
    stream: R,
    before: u64,
    target: &mut Target,
    meter: &mut Meter,
) -> Result<Option<String>, Error> {
    let mut reader = LogReader::new(stream);
    // A transaction is sent when all of it was read.
    let mut open: Option<Vec<Vec<Vec<u8>>>> = None;
    loop {
        let start = reader.position();
        let words = match reader.next()? {
            Read1::Command(words) => words,
            Read1::End if open.is_some() => {
                return Ok(Some(format!("the transaction that is open at byte {start}")));
            }
            Read1::End => return Ok(None),
            Read1::Torn(at) => return Ok(Some(format!("what begins at byte {at}"))),
        };
        meter.set(before + reader.position());
        let name = words[0].to_ascii_uppercase();
        match (name.as_slice(), &mut open) {
            (b"MULTI", None) => open = Some(Vec::new()),
            (b"EXEC", Some(_)) => {
                let commands = open.take().unwrap_or_default();
                target.transaction(&commands)?;
            }
            (_, Some(commands)) => commands.push(words),
            (_, None) => target.command(&words)?,
        }
    }
}

/// The files that the manifest of a directory names.
fn files_of(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let what = || format!("reading {}", directory.display());
    let mut manifests = Vec::new();
    for entry in fs::read_dir(directory).context(ErrorKind::Io, what())? {
        let path = entry.context(ErrorKind::Io, what())?.path();
        if path.extension().is_some_and(|extension| extension == "manifest") {
            manifests.push(path);
        }
    }
    let [manifest] = manifests.as_slice() else {
        let count = manifests.len();
        let text = format!("{} has {count} manifests, and should have one", directory.display());
        return Err(Error::new(ErrorKind::Damaged, text));
    };
    let mut text = String::new();
    let read = open(manifest)?.read_to_string(&mut text);
    read.context(ErrorKind::Io, format!("reading {}", manifest.display()))?;
    let names = names_of(&text).map_err(|error| error.context(manifest.display().to_string()))?;
    Ok(names.into_iter().map(|name| directory.join(name)).collect())
}

/// The names in a manifest: the base, then the increments by their numbers.
fn names_of(manifest: &str) -> Result<Vec<String>, Error> {
    let (mut base, mut increments) = (None, Vec::new());
    for (index, line) in manifest.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let damaged = || Error::new(ErrorKind::Damaged, format!("line {}: {line}", index + 1));
        let words = shlex::split(line).ok_or_else(damaged)?;
        let value = |name: &str| {
            let mut pairs = words.chunks_exact(2);
            pairs.find(|pair| pair[0] == name).map(|pair| pair[1].clone())
        };
        let (Some(file), Some(number), Some(kind)) = (value("file"), value("seq"), value("type"))
        else {
            return Err(damaged());
        };
        // A name is of this directory, and not of another.
        if file.contains('/') {
            return Err(damaged());
        }
        let number: u64 = number.parse().map_err(|_| damaged())?;
        match kind.as_str() {
            "b" if base.is_none() => base = Some(file),
            "i" => increments.push((number, file)),
            "h" => {}
            _ => return Err(damaged()),
        }
    }
    increments.sort();
    Ok(base.into_iter().chain(increments.into_iter().map(|(_, file)| file)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_names_its_files_in_order() {
        let manifest = "file appendonly.aof.2.incr.aof seq 10 type i\n\
                        file \"a name.rdb\" seq 1 type b\n\
                        file appendonly.aof.1.incr.aof seq 9 type i\n\
                        file old.rdb seq 1 type h\n\n# a note\n";
        let names = ["a name.rdb", "appendonly.aof.1.incr.aof", "appendonly.aof.2.incr.aof"];
        assert_eq!(names_of(manifest).unwrap(), names);
        for bad in ["file a seq 1", "file a seq x type i", "file a seq 1 type z", "nonsense"] {
            assert_eq!(names_of(bad).unwrap_err().to_string(), format!("line 1: {bad}"));
        }
        assert!(names_of("file ../a seq 1 type i").is_err());
        assert!(names_of("file a seq 1 type b\nfile b seq 2 type b").is_err());
    }
}
