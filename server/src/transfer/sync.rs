//! The way out at one instant: the server's own dump, as replicas are given one.
//!
//! Why it exists: a server can say what it holds at one instant, which reading keys one after the
//! other cannot. Redis from 6.2 on and Zumic give their dump to who says that it wants nothing but
//! that; with other servers, and where an ACL forbids it, `fetch` does what it can.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use engine::persist::rdb::file::{FileReader, Part};
use engine::persist::snapshot::LEFT_OUT_NOTE;
use zumic_error::{Error, ErrorKind, ResultExt as _};

use super::fetch::Fetched;
use super::meter::Meter;
use crate::cli::connection::Connection;
use crate::cli::login;
use crate::cli::options::Access;

/// Receives the dump of a server into a file; `None` when the server gives none.
///
/// # Errors
/// The connection is lost, the file cannot be written, or what came is damaged; then there is no
/// new file.
pub(super) fn receive(access: &Access, path: &Path) -> Result<Option<Fetched>, Error> {
    let mut connection = login::enter(access)?.connection;
    if connection.ask(&["REPLCONF", "rdb-only", "1"])?.error().is_some() {
        return Ok(None);
    }
    connection.send(&["SYNC"])?;
    let line = loop {
        // Redis sends empty lines while it writes the file.
        let line = connection.receive_line()?;
        if !line.is_empty() {
            break String::from_utf8_lossy(&line).into_owned();
        }
    };
    let bytes = line.strip_prefix('$').and_then(|digits| digits.parse::<u64>().ok());
    let Some(bytes) = bytes else {
        let is_known = line.starts_with("-NOPERM") || line.contains("unknown command");
        return if is_known { Ok(None) } else { Err(Error::new(ErrorKind::Reply, line)) };
    };
    let temporary = path.with_extension("rdb-part");
    let received = take(&mut connection, &temporary, bytes).and_then(|()| {
        let about = read(&temporary, bytes)?;
        let what = || format!("renaming {}", temporary.display());
        fs::rename(&temporary, path).context(ErrorKind::Io, what())?;
        Ok(about)
    });
    if received.is_err() {
        // What is incomplete is of no use; a failure to remove it changes nothing.
        drop(fs::remove_file(&temporary));
    }
    received.map(Some)
}

/// Writes so many bytes of the connection into a file that is on the disk then.
fn take(connection: &mut Connection, path: &Path, bytes: u64) -> Result<(), Error> {
    let what = || format!("writing {}", path.display());
    let mut file = BufWriter::new(File::create(path).context(ErrorKind::Io, what())?);
    let mut meter = Meter::new("of the bytes exported", bytes);
    let mut left = bytes;
    while left > 0 {
        let part = connection.receive_bytes(usize::try_from(left).unwrap_or(usize::MAX))?;
        file.write_all(&part).context(ErrorKind::Io, what())?;
        left -= part.len() as u64;
        meter.add(part.len() as u64);
    }
    let file = file.into_inner().map_err(io::IntoInnerError::into_error);
    file.and_then(|file| file.sync_all()).context(ErrorKind::Io, what())?;
    meter.finish();
    Ok(())
}

/// Reads a file to its end, which checks it, and says what is in it.
fn read(path: &Path, bytes: u64) -> Result<Fetched, Error> {
    let mut reader = FileReader::open(super::open(path)?)?;
    let (mut keys, mut left_out) = (0, 0);
    while let Some(part) = reader.next_part()? {
        match part {
            Part::Aux(name, value) if name == LEFT_OUT_NOTE.as_bytes() => {
                left_out = String::from_utf8_lossy(&value).parse().unwrap_or(0);
            }
            Part::Entry(_) | Part::ModuleValue(_) => keys += 1,
            Part::Aux(..) | Part::Function(_) | Part::ModuleAux(_) => {}
        }
    }
    let version = reader.version();
    Ok(Fetched { keys, left_out, bytes, version, is_exact: true })
}
