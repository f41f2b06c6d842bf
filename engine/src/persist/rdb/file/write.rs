//! The writer: a dump file, part by part, into any stream.
//!
//! Why it exists: whoever wants to leave takes a file along that Redis reads. A value is written
//! as it is encoded, without a copy of it in memory.

use std::io::{self, Write};

use super::super::dump::{Checksum, FOOTER_BYTES};
use super::super::sink::{Sink, put_count, put_length, put_string};
use super::super::value::{Style, ValueRef, code, encode, type_byte, version_of};
use super::{MAGIC, opcode};

/// Bytes that are gathered before they are written.
const BUFFER_BYTES: usize = 256 * 1024;

/// Gathers, sums up, and remembers the first error.
struct Out<W> {
    stream: W,
    buffer: Vec<u8>,
    checksum: Checksum,
    written: u64,
    /// Nothing is written for now.
    gathers: bool,
    error: Option<io::Error>,
}

impl<W: Write> Sink for Out<W> {
    fn put(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER_BYTES && !self.gathers {
            self.flush();
        }
    }
}

impl<W: Write> Out<W> {
    fn flush(&mut self) {
        self.checksum.update(&self.buffer);
        self.written += self.buffer.len() as u64;
        if self.error.is_none() {
            self.error = self.stream.write_all(&self.buffer).err();
        }
        self.buffer.clear();
    }
}

/// Writes a file. An error of the stream shows at the end.
///
/// # Examples
/// ```
/// use engine::Text;
/// use engine::persist::rdb::file::{FileReader, FileWriter, Part};
/// use engine::persist::rdb::value::ValueRef;
///
/// let mut file = FileWriter::new(Vec::new(), 10);
/// file.note("redis-ver", "7.2.4");
/// assert!(file.key(0, b"greeting", None, ValueRef::Text(Text::Slice(b"hello"))));
/// let (bytes, _) = file.finish().expect("a vector takes all");
///
/// let mut reader = FileReader::open(&bytes[..]).expect("a header");
/// assert!(matches!(reader.next_part(), Ok(Some(Part::Aux(..)))));
/// let Ok(Some(Part::Entry(entry))) = reader.next_part() else { panic!("a key") };
/// assert_eq!((&entry.key[..], &entry.value[..]), (&b"greeting"[..], &b"\x05hello"[..]));
/// assert!(matches!(reader.next_part(), Ok(None)));
/// ```
pub struct FileWriter<W> {
    out: Out<W>,
    version: u16,
    db: Option<u16>,
}

impl<W> std::fmt::Debug for FileWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileWriter").field("version", &self.version).finish_non_exhaustive()
    }
}

impl<W: Write> FileWriter<W> {
    /// Begins a file of an RDB version: 10 for Redis 7.0 and later, 12 for Redis 7.4.
    #[must_use]
    pub fn new(stream: W, version: u16) -> Self {
        let checksum = Checksum::default();
        let (buffer, written, gathers) = (Vec::new(), 0, false);
        let mut out = Out { stream, buffer, checksum, written, gathers, error: None };
        out.put(MAGIC);
        out.put(format!("{version:04}").as_bytes());
        Self { out, version, db: None }
    }

    /// Says something about the file.
    pub fn note(&mut self, name: &str, value: &str) {
        self.out.put(&[opcode::AUX]);
        put_string(name.as_bytes(), false, &mut self.out);
        put_string(value.as_bytes(), false, &mut self.out);
    }

    /// Adds a library of functions.
    pub fn function(&mut self, library: &[u8]) {
        self.out.put(&[opcode::FUNCTION]);
        put_string(library, true, &mut self.out);
    }

    /// Notes what Redis's own files say of the server that wrote them.
    pub fn introduce(&mut self) {
        self.note("redis-ver", "7.2.4");
        self.note("redis-bits", "64");
    }

    /// Adds the libraries of functions in the payload of a FUNCTION DUMP.
    pub(crate) fn functions(&mut self, payload: &[u8]) {
        self.out.put(&payload[..payload.len().saturating_sub(FOOTER_BYTES)]);
    }

    /// Whether what follows is kept in memory for now, and not written by who adds it.
    pub(crate) fn gather(&mut self, gathers: bool) {
        self.out.gathers = gathers;
        if !gathers && self.out.buffer.len() >= BUFFER_BYTES {
            self.out.flush();
        }
    }

    /// Whether the stream has failed, so that there is no use in going on.
    pub(crate) fn has_failed(&self) -> bool {
        self.out.error.is_some()
    }

    /// Says how many keys a database has, before the first of them: it saves the reader time.
    pub fn database(&mut self, db: u16, keys: u64, with_deadline: u64) {
        self.select(db);
        self.out.put(&[opcode::RESIZE]);
        put_length(keys, &mut self.out);
        put_length(with_deadline, &mut self.out);
    }

    fn select(&mut self, db: u16) {
        if self.db != Some(db) {
            self.db = Some(db);
            self.out.put(&[opcode::DATABASE]);
            put_count(usize::from(db), &mut self.out);
        }
    }

    /// Adds a key. False, and nothing added, when the file's version of Redis has no such value: a
    /// time series, or before version 12 a hash whose fields have deadlines.
    #[must_use]
    pub fn key(
        &mut self,
        db: u16,
        key: &[u8],
        expire_at_ms: Option<u64>,
        value: ValueRef<'_>,
    ) -> bool {
        let type_byte = type_byte(value, Style::REDIS);
        if !self.begin(db, key, expire_at_ms, type_byte) {
            return false;
        }
        encode(value, Style::REDIS, &mut self.out);
        true
    }

    /// The same with a value that is encoded already.
    #[must_use]
    pub fn encoded(
        &mut self,
        db: u16,
        key: &[u8],
        expire_at_ms: Option<u64>,
        type_byte: u8,
        value: &[u8],
    ) -> bool {
        let begun = self.begin(db, key, expire_at_ms, type_byte);
        if begun {
            self.out.put(value);
        }
        begun
    }

    fn begin(&mut self, db: u16, key: &[u8], deadline: Option<u64>, type_byte: u8) -> bool {
        if type_byte == code::TIME_SERIES || version_of(type_byte) > self.version {
            return false;
        }
        self.select(db);
        if let Some(deadline) = deadline {
            self.out.put(&[opcode::DEADLINE_MS]);
            self.out.put(&deadline.to_le_bytes());
        }
        self.out.put(&[type_byte]);
        put_string(key, true, &mut self.out);
        true
    }

    /// Writes the end and the checksum; answers the stream and the bytes of the file.
    ///
    /// # Errors
    /// The first error of the stream.
    pub fn finish(mut self) -> io::Result<(W, u64)> {
        self.out.put(&[opcode::END]);
        self.out.flush();
        let checksum = self.out.checksum.value();
        self.out.put(&checksum.to_le_bytes());
        self.out.flush();
        if let Some(error) = self.out.error {
            return Err(error);
        }
        self.out.stream.flush()?;
        Ok((self.out.stream, self.out.written))
    }
}
