//! The way out: all keys of a running server, into a dump file.
//!
//! Why it exists: a server that gives its own dump (`sync`) is asked for that. DUMP gives a value
//! in the form in which a dump file has it, so any other server that speaks the protocol can be
//! written down without its help. The price: SCAN visits keys one after the other while others
//! write, so such a file is not of one instant; each value is.
//!
//! The file is written under another name, and renamed when it is complete and on the disk.

use std::fs::{self, File};
use std::path::Path;

use engine::persist::rdb::file::FileWriter;
use engine::persist::rdb::open as open_payload;
use engine::persist::rdb::value::version_of;
use protocol::encode_request;
use zumic_error::{Error, ErrorKind, ResultExt as _};

use super::meter::Meter;
use crate::cli::connection::{Connection, Waited, Writer};
use crate::cli::login;
use crate::cli::options::Access;
use crate::cli::reply::Reply;

/// Keys that are asked for at once.
const PAGE_KEYS: &str = "300";
/// The version that Redis 7.0 reads, and the one for values that it does not know.
const VERSION: u16 = 10;
const VERSION_NEWEST: u16 = 12;

/// What came of an export.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Fetched {
    /// Keys in the file.
    pub keys: u64,
    /// Keys that no Redis could have read.
    pub left_out: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// The RDB version of the file: 10, or 12 when fields of hashes have deadlines.
    pub version: u16,
    /// Whether the file is of one instant.
    pub is_exact: bool,
}

/// Writes all keys of all databases into a file.
///
/// # Errors
/// The connection is lost, the server refuses (SYNC, then SCAN or DUMP), or the file cannot be
/// written; then there is no new file.
pub fn fetch(access: &Access, path: &Path) -> Result<Fetched, Error> {
    if let Some(fetched) = super::sync::receive(access, path)? {
        return Ok(fetched);
    }
    let mut server = Server::enter(access)?;
    let fetched = write(path, |writer, version| fill(&mut server, writer, version))?;
    Ok(Fetched { is_exact: false, ..fetched })
}

/// How filling a file went.
pub(super) enum Written {
    /// So many keys are in it, and so many are left out.
    Keys { keys: u64, left_out: u64 },
    /// A value is not of this version.
    TooOld,
}

/// Writes a file under another name, and gives it its own when it is whole.
///
/// What Redis 7.0 does not read is only known at the end, and the version stands in front: the rare
/// second time, it is the newer one.
pub(super) fn write(
    path: &Path,
    mut fill: impl FnMut(&mut FileWriter<File>, u16) -> Result<Written, Error>,
) -> Result<Fetched, Error> {
    let temporary = path.with_extension("rdb-part");
    let what = || format!("writing {}", temporary.display());
    for version in [VERSION, VERSION_NEWEST] {
        let file = File::create(&temporary).context(ErrorKind::Io, what())?;
        let mut writer = FileWriter::new(file, version);
        writer.introduce();
        match fill(&mut writer, version) {
            Ok(Written::TooOld) => {}
            Ok(Written::Keys { keys, left_out }) => {
                let finished = writer.finish().and_then(|(file, bytes)| {
                    file.sync_all()?;
                    fs::rename(&temporary, path)?;
                    Ok(bytes)
                });
                let bytes = finished.context(ErrorKind::Io, what())?;
                return Ok(Fetched { keys, left_out, bytes, version, is_exact: true });
            }
            Err(error) => {
                drop(writer);
                // What is incomplete is of no use; a failure to remove it changes nothing.
                drop(fs::remove_file(&temporary));
                return Err(error);
            }
        }
    }
    drop(fs::remove_file(&temporary));
    Err(Error::new(ErrorKind::Reply, "DUMP gives values of a version to come"))
}

fn fill(
    server: &mut Server,
    writer: &mut FileWriter<File>,
    version: u16,
) -> Result<Written, Error> {
    let (mut keys, mut left_out) = (0, 0);
    let databases = server.databases()?;
    let total = databases.iter().map(|(_, count)| count).sum();
    let mut meter = Meter::new("of the keys exported", total);
    for (db, count) in databases {
        server.ask_plain(&["SELECT", &db.to_string()])?;
        writer.database(db, count, 0);
        // SCAN may show a key twice, and a file must not have it twice.
        let mut seen = std::collections::HashSet::new();
        let mut cursor = b"0".to_vec();
        loop {
            let (next, page) = server.page(&cursor)?;
            let page: Vec<Vec<u8>> =
                page.into_iter().filter(|key| seen.insert(fingerprint(key))).collect();
            for (key, deadline, payload) in server.values(&page)? {
                let (type_byte, value) = open_payload(&payload).map_err(|_| {
                    Error::new(ErrorKind::Protocol, "DUMP's reply is not a payload")
                })?;
                if writer.encoded(db, &key, deadline, type_byte, value) {
                    keys += 1;
                } else if version_of(type_byte) > version {
                    return Ok(Written::TooOld);
                } else {
                    left_out += 1;
                }
            }
            meter.add(page.len() as u64);
            cursor = next;
            if cursor == b"0" {
                break;
            }
        }
    }
    meter.finish();
    Ok(Written::Keys { keys, left_out })
}

/// Sixteen bytes that stand for a key: two of the same are not expected in a lifetime.
fn fingerprint(key: &[u8]) -> u128 {
    use std::hash::{BuildHasher as _, RandomState};
    use std::sync::OnceLock;
    static STATES: OnceLock<[RandomState; 2]> = OnceLock::new();
    let [high, low] = STATES.get_or_init(|| [RandomState::new(), RandomState::new()]);
    u128::from(high.hash_one(key)) << 64 | u128::from(low.hash_one(key))
}

/// A server that is being read.
struct Server {
    connection: Connection,
    writer: Writer,
}

/// A key with its deadline and its payload.
type Value = (Vec<u8>, Option<u64>, Vec<u8>);

impl Server {
    fn enter(access: &Access) -> Result<Self, Error> {
        let connection = login::enter(access)?.connection;
        let writer = connection.writer()?;
        Ok(Self { connection, writer })
    }

    fn ask_plain(&mut self, words: &[&str]) -> Result<Reply, Error> {
        plain(self.connection.ask(words)?)
    }

    /// The databases that have keys, and how many.
    fn databases(&mut self) -> Result<Vec<(u16, u64)>, Error> {
        let reply = self.ask_plain(&["INFO", "keyspace"])?;
        let text = String::from_utf8_lossy(reply.text().unwrap_or_default()).into_owned();
        let parse = |line: &str| {
            let (db, rest) = line.strip_prefix("db")?.split_once(":keys=")?;
            let (keys, _) = rest.split_once(',')?;
            Some((db.parse().ok()?, keys.parse().ok()?))
        };
        Ok(text.lines().filter_map(parse).collect())
    }

    fn page(&mut self, cursor: &[u8]) -> Result<(Vec<u8>, Vec<Vec<u8>>), Error> {
        let words: [&[u8]; 4] = [b"SCAN", cursor, b"COUNT", PAGE_KEYS.as_bytes()];
        let reply = plain(self.connection.ask(&words)?)?;
        let shape = || Error::new(ErrorKind::Protocol, "SCAN's reply is not a cursor and keys");
        let Some([cursor, keys]) = reply.elements() else { return Err(shape()) };
        let keys = keys.elements().ok_or_else(shape)?;
        let keys = keys.iter().filter_map(|key| key.text().map(<[u8]>::to_vec)).collect();
        Ok((cursor.text().ok_or_else(shape)?.to_vec(), keys))
    }

    /// Deadlines and payloads of keys; those that are gone by now are left out.
    fn values(&mut self, keys: &[Vec<u8>]) -> Result<Vec<Value>, Error> {
        let mut requests = Vec::new();
        for key in keys {
            encode_request(&mut requests, &[&b"MULTI"[..]]);
            encode_request(&mut requests, &[&b"PEXPIRETIME"[..], key]);
            encode_request(&mut requests, &[&b"DUMP"[..], key]);
            encode_request(&mut requests, &[&b"EXEC"[..]]);
        }
        self.writer.send_raw(&requests)?;
        let mut values = Vec::with_capacity(keys.len());
        for key in keys {
            for _ in 0..3 {
                plain(self.receive()?)?;
            }
            let reply = plain(self.receive()?)?;
            let Some([deadline, payload]) = reply.elements() else {
                return Err(Error::new(ErrorKind::Protocol, "EXEC's reply is not two replies"));
            };
            for part in [deadline, payload] {
                plain(part.clone())?;
            }
            let deadline = match deadline {
                Reply::Integer(at) => u64::try_from(*at).ok(),
                _ => None,
            };
            if let Some(payload) = payload.text() {
                values.push((key.clone(), deadline, payload.to_vec()));
            }
        }
        Ok(values)
    }

    fn receive(&mut self) -> Result<Reply, Error> {
        loop {
            match self.connection.receive(None)? {
                Waited::Reply(Reply::Push(_)) => {}
                Waited::Reply(reply) => return Ok(reply),
                Waited::Interrupted | Waited::Silence => {
                    let text = "the server does not answer";
                    return Err(Error::new(ErrorKind::Connection, text));
                }
            }
        }
    }
}

/// A reply that is no error.
fn plain(reply: Reply) -> Result<Reply, Error> {
    match reply.error() {
        Some(text) => Err(Error::new(ErrorKind::Reply, String::from_utf8_lossy(text))),
        None => Ok(reply),
    }
}
