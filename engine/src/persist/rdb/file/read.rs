//! The reader: a file's parts in order, each with its place.
//!
//! Why it exists: a file is larger than memory wants to be, comes perhaps through a pipe, and may
//! be damaged anywhere. It is read through a window that holds one part at least; lengths are not
//! believed, the window grows only by what was really read.

use std::io::{self, Cursor, Read};

use zumic_error::{Error, ErrorKind, ResultExt};

use super::super::damage::{Damage, Flaw};
use super::super::dump::Checksum;
use super::super::input::Input;
use super::super::value::{VERSION_MAX, code, extent, module_name, skip_module};
use super::{CHECKSUM_SINCE, MAGIC, opcode};
use crate::Access;

/// The least that is read at once.
const READ_BYTES_MIN: usize = 256 * 1024;

/// A key as it is in the file.
#[derive(Clone, Debug)]
pub struct FileEntry {
    /// Where its type byte is.
    pub at: u64,
    /// Its database.
    pub db: u64,
    /// The key.
    pub key: Vec<u8>,
    /// Unix time in milliseconds from which it does not exist.
    pub expire_at_ms: Option<u64>,
    /// Its last use, or how often it is used.
    pub access: Option<Access>,
    /// The type of the value.
    pub type_byte: u8,
    /// The value, not decoded yet.
    pub value: Vec<u8>,
}

/// A part of a file.
#[derive(Clone, Debug)]
pub enum Part {
    /// Something about the file.
    Aux(Vec<u8>, Vec<u8>),
    /// A key.
    Entry(FileEntry),
    /// A library of functions.
    Function(Vec<u8>),
    /// What a module keeps outside of keys, passed over: the module's name.
    ModuleAux([u8; 9]),
    /// A key with a value of a module's type, passed over: the type's name.
    ModuleValue([u8; 9]),
}

/// What stands before a key and belongs to it.
#[derive(Clone, Copy, Debug, Default)]
struct Ahead {
    expire_at_ms: Option<u64>,
    access: Option<Access>,
}

/// Reads a file from its front.
#[derive(Debug)]
pub struct FileReader<R> {
    source: R,
    /// What was read and is not used up from `start` on.
    window: Vec<u8>,
    start: usize,
    at_end: bool,
    /// Bytes used up.
    position: u64,
    checksum: Checksum,
    version: u16,
    db: u64,
    is_done: bool,
}

impl<R: Read> FileReader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] when the stream is no RDB file or of a version that is not known;
    /// [`ErrorKind::Io`] when it cannot be read.
    pub fn open(source: R) -> Result<Self, Error> {
        let mut reader = Self {
            source,
            window: Vec::new(),
            start: 0,
            at_end: false,
            position: 0,
            checksum: Checksum::default(),
            version: 0,
            db: 0,
            is_done: false,
        };
        let header = reader.part("the header", |input| Ok(input.take(9)?.to_vec()))?;
        let version = header.strip_prefix(MAGIC).and_then(|digits| {
            let text = std::str::from_utf8(digits).ok()?;
            text.bytes().all(|digit| digit.is_ascii_digit()).then(|| text.parse().ok())?
        });
        let Some(version) = version else {
            return Err(Error::new(ErrorKind::Damaged, "not an RDB file: it begins otherwise"));
        };
        if !(1..=VERSION_MAX).contains(&version) {
            let text = format!("RDB version {version} is not known; 1 to {VERSION_MAX} are read");
            return Err(Error::new(ErrorKind::Damaged, text));
        }
        reader.version = version;
        Ok(reader)
    }

    /// The version that the file says it is.
    #[must_use]
    pub fn version(&self) -> u16 {
        self.version
    }

    /// Bytes that were used up.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next part; `None` at the end, when the checksum is right.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] with the offset; [`ErrorKind::Io`].
    pub fn next_part(&mut self) -> Result<Option<Part>, Error> {
        let mut ahead = Ahead::default();
        while !self.is_done {
            let at = self.position;
            let what = self.byte("a type")?;
            match what {
                opcode::END => self.end()?,
                opcode::DATABASE => self.db = self.number("a database")?,
                opcode::RESIZE => self.skip_lengths("a hint", 2)?,
                opcode::SLOT_INFO => self.skip_lengths("a hint", 3)?,
                opcode::DEADLINE_MS => {
                    ahead.expire_at_ms = Some(self.wide("a deadline")?);
                }
                opcode::DEADLINE_S => {
                    let seconds = self.part("a deadline", |input| input.u32_le())?;
                    ahead.expire_at_ms = Some(u64::from(seconds) * 1_000);
                }
                opcode::IDLE => {
                    ahead.access = Some(Access::Idle(self.number("an idle time")?));
                }
                opcode::FREQUENCY => {
                    ahead.access = Some(Access::Frequency(self.byte("a count")?));
                }
                opcode::AUX => {
                    let pair = |input: &mut Input<'_>| {
                        Ok((input.word()?.to_vec(), input.word()?.to_vec()))
                    };
                    let (name, value) = self.part("a note", pair)?;
                    return Ok(Some(Part::Aux(name, value)));
                }
                opcode::FUNCTION => {
                    let library =
                        self.part("a library of functions", |input| Ok(input.word()?.to_vec()))?;
                    return Ok(Some(Part::Function(library)));
                }
                opcode::MODULE_AUX => {
                    let name = self.part("a module's note", module_aux)?;
                    return Ok(Some(Part::ModuleAux(name)));
                }
                code::MODULE_2 => {
                    let name = self.part("a module's value", |input| {
                        input.skip_word()?;
                        let name = module_name(input.clone().length()?);
                        extent(code::MODULE_2, input).map(|()| name)
                    })?;
                    return Ok(Some(Part::ModuleValue(name)));
                }
                type_byte => return self.entry(at, type_byte, ahead).map(Some),
            }
        }
        Ok(None)
    }

    fn entry(&mut self, at: u64, type_byte: u8, ahead: Ahead) -> Result<Part, Error> {
        let (key, value) = self.part("a key", |input| {
            let key = input.word()?;
            let from = input.position();
            extent(type_byte, input)?;
            Ok((key.to_vec(), input.since(from).to_vec()))
        })?;
        let Ahead { expire_at_ms, access } = ahead;
        let db = self.db;
        Ok(Part::Entry(FileEntry { at, db, key, expire_at_ms, access, type_byte, value }))
    }

    fn skip_lengths(&mut self, what: &str, count: usize) -> Result<(), Error> {
        self.part(what, |input| (0..count).try_for_each(|_| input.length().map(drop)))
    }

    /// Compares the checksum, where there is one.
    fn end(&mut self) -> Result<(), Error> {
        self.is_done = true;
        if self.version < CHECKSUM_SINCE {
            return Ok(());
        }
        let made = self.checksum.value();
        let found = self.wide("the checksum")?;
        if found != 0 && found != made {
            let text = format!("the checksum is {found:016x} and should be {made:016x}");
            return Err(Error::new(ErrorKind::Damaged, text));
        }
        Ok(())
    }

    fn byte(&mut self, what: &str) -> Result<u8, Error> {
        self.part(what, |input| input.byte())
    }

    fn number(&mut self, what: &str) -> Result<u64, Error> {
        self.part(what, |input| input.length())
    }

    fn wide(&mut self, what: &str) -> Result<u64, Error> {
        self.part(what, |input| input.u64_le())
    }

    /// Reads one thing, with as much of the stream in the window as it takes.
    fn part<T>(
        &mut self,
        what: &str,
        read: impl Fn(&mut Input<'_>) -> Result<T, Damage>,
    ) -> Result<T, Error> {
        loop {
            let mut input = Input::new(&self.window[self.start..]);
            match read(&mut input) {
                Ok(value) => {
                    let used = input.position();
                    self.use_up(used);
                    return Ok(value);
                }
                Err(Damage { flaw: Flaw::Truncated, .. }) if !self.at_end => self.read_more()?,
                Err(Damage { flaw: Flaw::Truncated, .. }) => {
                    let text = format!("the file ends within {what} that begins at byte {}", {
                        self.position
                    });
                    return Err(Error::new(ErrorKind::Damaged, text));
                }
                Err(Damage { at, flaw }) => {
                    let at = self.position + at as u64;
                    let text = format!("{what} at byte {}: {flaw} (byte {at})", self.position);
                    return Err(Error::new(ErrorKind::Damaged, text));
                }
            }
        }
    }

    fn use_up(&mut self, bytes: usize) {
        self.checksum.update(&self.window[self.start..self.start + bytes]);
        self.start += bytes;
        self.position += bytes as u64;
    }

    /// Doubles what is in the window, so that what is long is looked at a few times only.
    fn read_more(&mut self) -> Result<(), Error> {
        self.window.drain(..self.start);
        self.start = 0;
        let wanted = self.window.len().max(READ_BYTES_MIN) as u64;
        let read = (&mut self.source).take(wanted).read_to_end(&mut self.window);
        let read = read.context(ErrorKind::Io, "reading the RDB file")?;
        self.at_end = read == 0;
        Ok(())
    }

    /// What follows the file in the stream: an old append-only file goes on behind it.
    #[must_use]
    pub fn into_rest(mut self) -> io::Chain<Cursor<Vec<u8>>, R> {
        self.window.drain(..self.start);
        Cursor::new(self.window).chain(self.source)
    }
}

/// A module's id, when it was kept, and parts up to the end.
fn module_aux(input: &mut Input<'_>) -> Result<[u8; 9], Damage> {
    let name = module_name(input.length()?);
    skip_module(input)?;
    Ok(name)
}
