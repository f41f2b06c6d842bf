//! A snapshot as a dump file of Redis: the store at one instant, for who takes it elsewhere.
//!
//! Why it exists: a running server must be able to hand out a file that Redis loads and that is of
//! one instant. The cut and the scan are those of ZDB; only the bytes are others, and one thread
//! makes them, because such a file has an order. Not for restarts: see [`write`](fn@super::write).

use std::io::Write;

use super::scan::{Piece, Source, Taker};
use super::{SnapshotError, SnapshotOptions, take};
use crate::Engine;
use crate::persist::meter::Meter;
use crate::persist::rdb::file::FileWriter;
use crate::persist::rdb::value::{Style, type_byte, version_of};

/// The note in a file that says how many keys are missing, because no Redis has their type.
pub const LEFT_OUT_NOTE: &str = "zumic-left-out";

/// What became of a dump.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Dumped {
    /// The instant: everything up to this epoch is in the file.
    pub epoch: u64,
    /// Keys in it.
    pub keys: u64,
    /// Keys that Redis has no type for.
    pub left_out: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Takes values into a dump file.
struct Dumper<W> {
    writer: FileWriter<W>,
    version: u16,
    keys: u64,
    left_out: u64,
    /// A value is of a later version than the file.
    is_too_old: bool,
}

impl<W: Write + Send> Taker for Dumper<W> {
    fn take(&mut self, piece: Piece<'_>) {
        let value = piece.source.value();
        // The scan holds memory while it gives out what is in records, so these wait (N1).
        self.writer.gather(matches!(piece.source, Source::Record(_)));
        if self.writer.key(piece.db, piece.key, piece.deadline_ms, value) {
            self.keys += 1;
        } else if version_of(type_byte(value, Style::REDIS)) > self.version {
            self.is_too_old = true;
        } else {
            self.left_out += 1;
        }
    }

    fn settle(&mut self) {
        self.writer.gather(false);
    }

    fn has_failed(&self) -> bool {
        self.is_too_old || self.writer.has_failed()
    }
}

/// Writes the store, as it is at one instant, into a dump file of an RDB version, while others
/// go on; `None` when a value needs a later version: begin again with that. Functions are in it.
///
/// Waits while another snapshot is being taken, and keeps one waiting. Of `options`, how many
/// threads and which compression do not matter. `inner` must not be slow for long: writers wait
/// when too much was handed over.
///
/// # Errors
/// [`SnapshotError`]; what was written then is no dump file, and its reader sees that.
///
/// # Examples
/// ```
/// use engine::Engine;
/// use engine::persist::Meter;
/// use engine::persist::rdb::file::FileReader;
/// use engine::persist::snapshot::{SnapshotOptions, dump};
///
/// let engine = Engine::builder().build();
/// engine.session().enter(1).set(0, b"key", b"value").unwrap();
/// let options = SnapshotOptions::default();
/// let dumped = dump(&engine, Vec::new(), 10, &options, &Meter::default()).unwrap();
/// let (bytes, about) = dumped.expect("a string is of any version");
/// assert_eq!((about.keys, about.bytes), (1, bytes.len() as u64));
/// assert_eq!(FileReader::open(&bytes[..]).unwrap().version(), 10);
/// ```
pub fn dump<W: Write + Send>(
    engine: &Engine,
    inner: W,
    version: u16,
    options: &SnapshotOptions,
    meter: &Meter,
) -> Result<Option<(W, Dumped)>, SnapshotError> {
    let mut writer = FileWriter::new(inner, version);
    writer.introduce();
    writer.note("ctime", &(options.created_ms / 1_000).to_string());
    #[cfg(feature = "scripting")]
    let functions = || engine.dump_functions();
    #[cfg(not(feature = "scripting"))]
    let functions = Vec::new;
    let begin = |_, libraries: &[u8]| {
        writer.functions(libraries);
        vec![Dumper { writer, version, keys: 0, left_out: 0, is_too_old: false }]
    };
    let (mut dumpers, taken) = take(engine, options, &functions, meter, begin)?;
    let Dumper { mut writer, keys, left_out, is_too_old, .. } =
        dumpers.pop().expect("one was begun");
    if is_too_old {
        return Ok(None);
    }
    if left_out > 0 {
        writer.note(LEFT_OUT_NOTE, &left_out.to_string());
    }
    let (inner, bytes) = writer.finish()?;
    Ok(Some((inner, Dumped { epoch: taken.header.epoch, keys, left_out, bytes })))
}
