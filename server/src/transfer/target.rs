//! Where imported data go: a running server, over one connection, or a directory.
//!
//! Why it exists: a source does not care where its keys go. To a server, requests are sent in
//! batches, so that a round trip is paid for hundreds of keys. A key that the server refuses is
//! remembered and the import goes on; a server that cannot take anything (no memory, a log that
//! stopped) ends it.

use std::collections::BTreeMap;
use std::io::Read;

use engine::Access as Use;
use engine::persist::rdb::checksum;
use engine::persist::rdb::file::{FileEntry, FileReader, Part};
use engine::persist::rdb::value::version_of;
use protocol::encode_request;
use zumic_error::{Error, ErrorKind};

use super::directory::Store;
use crate::cli::connection::{Connection, Waited, Writer};
use crate::cli::login;
use crate::cli::options::Access;
use crate::cli::reply::Reply;

/// Requests and bytes of a batch.
const BATCH_REQUESTS: usize = 500;
const BATCH_BYTES: usize = 1 << 20;
/// Refusals that are told in full.
const TOLD_MAX: usize = 10;

/// What a request was for.
#[derive(Debug)]
enum Purpose {
    Command(String),
    Function,
    Key(String),
    /// SELECT, MULTI: only a refusal counts.
    Frame(&'static str),
    /// EXEC of so many commands.
    Transaction(usize),
}

/// What the server took.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) keys: u64,
    pub(super) commands: u64,
    pub(super) functions: u64,
    pub(super) refused: u64,
    /// The first of what was refused, and why.
    pub(super) refusals: Vec<String>,
}

impl Sent {
    fn refuse(&mut self, what: &str, text: &str) {
        self.refused += 1;
        if self.refusals.len() < TOLD_MAX {
            self.refusals.push(format!("{what}: {text}"));
        }
    }
}

/// A server that is being filled.
#[derive(Debug)]
pub(super) struct Server {
    connection: Connection,
    writer: Writer,
    requests: Vec<u8>,
    purposes: Vec<Purpose>,
    database: u64,
    sent: Sent,
}

impl Server {
    pub(super) fn open(access: &Access) -> Result<Self, Error> {
        let connection = login::enter(access)?.connection;
        let writer = connection.writer()?;
        Ok(Self {
            connection,
            writer,
            requests: Vec::new(),
            purposes: Vec::new(),
            database: 0,
            sent: Sent::default(),
        })
    }

    /// Sends a key of a dump file.
    fn entry(&mut self, entry: &FileEntry) -> Result<(), Error> {
        if entry.db != self.database {
            self.database = entry.db;
            let select = [b"SELECT".to_vec(), entry.db.to_string().into_bytes()];
            self.push(&select, Purpose::Frame("SELECT"))?;
        }
        let mut payload = Vec::with_capacity(entry.value.len() + 11);
        payload.push(entry.type_byte);
        payload.extend_from_slice(&entry.value);
        payload.extend_from_slice(&version_of(entry.type_byte).to_le_bytes());
        payload.extend_from_slice(&checksum(&payload).to_le_bytes());
        let deadline = entry.expire_at_ms.unwrap_or(0).to_string();
        let mut words: Vec<&[u8]> = vec![b"RESTORE", &entry.key, deadline.as_bytes(), &payload];
        words.extend([&b"REPLACE"[..], b"ABSTTL"]);
        let number = match entry.access {
            Some(Use::Idle(seconds)) => Some(("IDLETIME", seconds.to_string())),
            Some(Use::Frequency(count)) => Some(("FREQ", count.to_string())),
            None => None,
        };
        if let Some((name, number)) = &number {
            words.extend([name.as_bytes(), number.as_bytes()]);
        }
        self.push(&words, Purpose::Key(shown(&entry.key)))
    }

    /// Sends a library of functions.
    fn function(&mut self, library: &[u8]) -> Result<(), Error> {
        self.push(&[&b"FUNCTION"[..], b"LOAD", b"REPLACE", library], Purpose::Function)
    }

    /// Sends a command of a log.
    fn command(&mut self, words: &[Vec<u8>]) -> Result<(), Error> {
        if words[0].eq_ignore_ascii_case(b"SELECT") {
            let number = words.get(1).and_then(|word| std::str::from_utf8(word).ok());
            self.database = number.and_then(|text| text.parse().ok()).unwrap_or(self.database);
            return self.push(words, Purpose::Frame("SELECT"));
        }
        self.push(words, Purpose::Command(shown(&words.join(&b' '))))
    }

    /// Sends the commands of a transaction as one.
    fn transaction(&mut self, commands: &[Vec<Vec<u8>>]) -> Result<(), Error> {
        self.push(&[b"MULTI"], Purpose::Frame("MULTI"))?;
        for words in commands {
            self.push(words, Purpose::Frame("a command of a transaction"))?;
        }
        self.push(&[b"EXEC"], Purpose::Transaction(commands.len()))
    }

    fn push<A: AsRef<[u8]>>(&mut self, words: &[A], purpose: Purpose) -> Result<(), Error> {
        encode_request(&mut self.requests, words);
        self.purposes.push(purpose);
        if self.purposes.len() >= BATCH_REQUESTS || self.requests.len() >= BATCH_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Sends the batch and reads its replies, which are short.
    fn flush(&mut self) -> Result<(), Error> {
        self.writer.send_raw(&self.requests)?;
        self.requests.clear();
        for purpose in std::mem::take(&mut self.purposes) {
            let reply = loop {
                match self.connection.receive(None)? {
                    Waited::Reply(Reply::Push(_)) => {}
                    Waited::Reply(reply) => break reply,
                    Waited::Interrupted | Waited::Silence => {
                        let text = "the server does not answer";
                        return Err(Error::new(ErrorKind::Connection, text));
                    }
                }
            };
            self.account(purpose, &reply)?;
        }
        Ok(())
    }

    fn account(&mut self, purpose: Purpose, reply: &Reply) -> Result<(), Error> {
        if let Some(text) = reply.error() {
            let text = String::from_utf8_lossy(text).into_owned();
            let what = match purpose {
                Purpose::Command(command) => command,
                Purpose::Frame(name) => name.to_owned(),
                Purpose::Function => "a library of functions".to_owned(),
                Purpose::Key(key) => format!("key {key}"),
                Purpose::Transaction(_) => "a transaction".to_owned(),
            };
            return self.refuse(&what, &text);
        }
        match purpose {
            Purpose::Command(_) => self.sent.commands += 1,
            Purpose::Function => self.sent.functions += 1,
            Purpose::Key(_) => self.sent.keys += 1,
            Purpose::Frame(_) => {}
            Purpose::Transaction(count) => {
                let errors = reply.elements().unwrap_or_default().iter().filter_map(Reply::error);
                let errors: Vec<String> =
                    errors.map(|text| String::from_utf8_lossy(text).into_owned()).collect();
                self.sent.commands += (count - errors.len().min(count)) as u64;
                for text in errors {
                    self.refuse("a command of a transaction", &text)?;
                }
            }
        }
        Ok(())
    }

    /// Notes a refusal; an error if the server would refuse everything.
    fn refuse(&mut self, what: &str, text: &str) -> Result<(), Error> {
        let code = text.split(' ').next().unwrap_or_default();
        if matches!(code, "OOM" | "MISCONF" | "NOAUTH" | "NOPERM" | "READONLY" | "LOADING") {
            return Err(Error::new(ErrorKind::Reply, format!("{what}: {text}")));
        }
        self.sent.refuse(what, text);
        Ok(())
    }

    /// Sends what is left; answers what the server took.
    fn finish(mut self) -> Result<Sent, Error> {
        self.flush()?;
        Ok(self.sent)
    }
}

/// Where imported data go.
#[derive(Debug)]
pub(super) enum Target {
    /// Into a directory, by an engine of our own.
    Directory(Box<Store>, Sent),
    /// To a server.
    Server(Box<Server>),
}

impl Target {
    /// Takes everything of a dump file.
    pub(super) fn dump<R: Read>(
        &mut self,
        reader: &mut FileReader<R>,
        modules: &mut BTreeMap<String, u64>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), Error> {
        let server = match self {
            Self::Directory(store, sent) => {
                let report = store.dump(reader, progress)?;
                sent.keys += report.keys;
                for (name, count) in report.modules {
                    *modules.entry(name).or_default() += count;
                }
                for library in report.functions {
                    match store.function(&library) {
                        Ok(()) => sent.functions += 1,
                        Err(error) => sent.refuse("a library of functions", &error.to_string()),
                    }
                }
                return Ok(());
            }
            Self::Server(server) => server,
        };
        while let Some(part) = reader.next_part()? {
            match part {
                Part::Entry(entry) => server.entry(&entry)?,
                Part::Function(library) => server.function(&library)?,
                Part::ModuleValue(name) => {
                    let name = String::from_utf8_lossy(&name).into_owned();
                    *modules.entry(name).or_default() += 1;
                }
                Part::Aux(..) | Part::ModuleAux(_) => {}
            }
            progress(reader.position());
        }
        Ok(())
    }

    /// Takes a command of a log.
    pub(super) fn command(&mut self, words: &[Vec<u8>]) -> Result<(), Error> {
        match self {
            Self::Directory(store, sent) => {
                match store.command(words) {
                    Ok(()) => sent.commands += 1,
                    Err(error) => sent.refuse(&shown(&words.join(&b' ')), &error.to_string()),
                }
                Ok(())
            }
            Self::Server(server) => server.command(words),
        }
    }

    /// Takes the commands of a transaction.
    pub(super) fn transaction(&mut self, commands: &[Vec<Vec<u8>>]) -> Result<(), Error> {
        match self {
            // Nobody sees it half done.
            Self::Directory(..) => commands.iter().try_for_each(|words| self.command(words)),
            Self::Server(server) => server.transaction(commands),
        }
    }

    /// Waits until everything is there; answers what was taken.
    pub(super) fn finish(self) -> Result<Sent, Error> {
        match self {
            Self::Directory(store, sent) => store.save(sent),
            Self::Server(server) => server.finish(),
        }
    }
}

/// Bytes as they can be printed, not too many of them.
fn shown(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(60)].escape_ascii().to_string()
}
