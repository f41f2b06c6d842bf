//! Filling a store from a ZDB file, with as many threads as it takes.
//!
//! Why it exists: one thread reads; the others check, expand, decode and insert, each through a
//! session of its own. The store is of no use to anybody until all of it is in, so insertion takes
//! the shortest way ([`crate::Turn::load`]).

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};

use smallvec::SmallVec;

use super::entry::Entry;
use super::error::{ZdbError, ZdbFlaw};
use super::format::{BlockKind, Header, Summary};
use super::reader::{Block, Reader, Unpacker};
use crate::Ahead;
use crate::persist::meter::Meter;
use crate::persist::rdb::value::Rules;
use crate::sync::{AtomicBool, Ordering};
use crate::{Engine, Session, Turn};

/// Blocks read ahead, for each thread that decodes.
const AHEAD: usize = 2;
/// Entries whose places in the map are fetched together.
const GROUP: usize = 32;

/// What a file was, once it is loaded.
#[derive(Clone, Debug, Default)]
pub struct Loading {
    /// Its header.
    pub header: Header,
    /// Its footer.
    pub summary: Summary,
    /// The libraries of functions, as they were given to the writer.
    pub functions: Vec<u8>,
}

/// Parts of values and sections that are not complete yet.
#[derive(Debug, Default)]
struct Chains {
    parts: Mutex<HashMap<(u8, u32), Chain>>,
}

#[derive(Debug, Default)]
struct Chain {
    parts: BTreeMap<u32, Vec<u8>>,
    /// Parts there are, once the last one has come.
    count: Option<u32>,
}

impl Chains {
    /// Keeps a part; all of them in one when it was the last one missing.
    fn add(&self, block: &Block, raw: &[u8]) -> Result<Option<Vec<u8>>, ZdbError> {
        let parts_flaw = ZdbError::Damaged { at: block.offset, flaw: ZdbFlaw::Parts };
        let mut chains = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (block.kind().code(), block.chain());
        let chain = chains.entry(key).or_default();
        if block.is_last() {
            chain.count = block.count().checked_add(1);
        }
        if chain.parts.insert(block.count(), raw.to_vec()).is_some() {
            return Err(parts_flaw);
        }
        let have = u32::try_from(chain.parts.len()).unwrap_or(u32::MAX);
        match chain.count {
            Some(count) if have > count => Err(parts_flaw),
            Some(count) if have == count => {
                let chain = chains.remove(&key).unwrap_or_default();
                // As many as the last one's number says, none twice: from zero without a gap,
                // unless one lies behind the last.
                if chain.parts.last_key_value().is_none_or(|(&last, _)| last + 1 != count) {
                    return Err(parts_flaw);
                }
                Ok(Some(chain.parts.into_values().flatten().collect()))
            }
            _ => Ok(None),
        }
    }

    fn is_empty(&self) -> bool {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

/// Calls `each` with every entry of a file, in its order, on this thread: for checks and exports.
/// A value in parts comes when its last part does.
///
/// # Errors
/// Damage, with its place; what the system says; what `each` answers.
pub fn each_entry<R: Read>(
    reader: &mut Reader<R>,
    rules: &Rules,
    mut each: impl FnMut(Entry<'_>) -> Result<(), ZdbFlaw>,
) -> Result<Loading, ZdbError> {
    let mut unpacker = Unpacker::new()?;
    let chains = Chains::default();
    let mut functions = Vec::new();
    while let Some(block) = reader.next_block()? {
        let raw = unpacker.unpack(&block)?;
        match block.kind() {
            BlockKind::Entries => block.entries(raw, rules, &mut each)?,
            BlockKind::Functions => functions.extend(chains.add(&block, raw)?.unwrap_or_default()),
            BlockKind::Index => {}
            BlockKind::Part => {
                if let Some(whole) = chains.add(&block, raw)? {
                    block.entries(&whole, rules, &mut each)?;
                }
            }
        }
    }
    finished(reader, &chains, functions)
}

fn finished<R: Read>(
    reader: &Reader<R>,
    chains: &Chains,
    functions: Vec<u8>,
) -> Result<Loading, ZdbError> {
    if !chains.is_empty() {
        return Err(ZdbError::Damaged { at: reader.offset(), flaw: ZdbFlaw::Parts });
    }
    let summary = *reader.summary().expect("read to its end");
    Ok(Loading { header: *reader.header(), summary, functions })
}

/// What the threads of a load share.
struct Crew<'a> {
    blocks: Mutex<Receiver<Block>>,
    chains: Chains,
    functions: Mutex<Vec<u8>>,
    failed: AtomicBool,
    /// The error nearest to the beginning of the file.
    error: Mutex<Option<ZdbError>>,
    meter: &'a Meter,
    databases: u16,
}

impl Crew<'_> {
    fn has_failed(&self) -> bool {
        // ORDER: Relaxed (unpaired); a hint, the error is behind the lock.
        self.failed.load(Ordering::Relaxed)
    }

    fn fail(&self, error: ZdbError) {
        let place = |error: &ZdbError| match error {
            ZdbError::Damaged { at, .. } => *at,
            ZdbError::Io(_) => u64::MAX,
        };
        let mut first = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        if first.as_ref().is_none_or(|first| place(&error) < place(first)) {
            *first = Some(error);
        }
        // ORDER: Relaxed (unpaired); a hint.
        self.failed.store(true, Ordering::Relaxed);
    }

    /// Decodes and inserts blocks until there are no more.
    fn work(&self, mut session: Session) {
        let mut unpacker = match Unpacker::new() {
            Ok(unpacker) => unpacker,
            Err(error) => return self.fail(error.into()),
        };
        loop {
            let next = self.blocks.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(block) = next else { return };
            // After an error the rest is only taken, so that the reader does not wait for ever.
            if self.has_failed() {
                continue;
            }
            if let Err(error) = self.one(&block, &mut unpacker, &mut session) {
                self.fail(error);
            }
        }
    }

    fn one(
        &self,
        block: &Block,
        unpacker: &mut Unpacker,
        session: &mut Session,
    ) -> Result<(), ZdbError> {
        let raw = unpacker.unpack(block)?;
        match block.kind() {
            BlockKind::Entries => self.insert(block, raw, session),
            BlockKind::Part => match self.chains.add(block, raw)? {
                Some(whole) => self.insert(block, &whole, session),
                None => Ok(()),
            },
            BlockKind::Functions => {
                if let Some(whole) = self.chains.add(block, raw)? {
                    *self.functions.lock().unwrap_or_else(PoisonError::into_inner) = whole;
                }
                Ok(())
            }
            BlockKind::Index => Ok(()),
        }
    }

    fn insert(&self, block: &Block, raw: &[u8], session: &mut Session) -> Result<(), ZdbError> {
        let mut turn = session.enter(0);
        let rules = turn.rules();
        let mut keys = 0;
        let mut group: Vec<Entry<'_>> = Vec::with_capacity(GROUP);
        let done = block.entries(raw, &rules, |entry| {
            keys += 1;
            if entry.db >= self.databases {
                return Err(ZdbFlaw::Database(entry.db.into()));
            }
            group.push(entry);
            if group.len() == GROUP { put(&mut turn, &mut group) } else { Ok(()) }
        });
        let mut rest = || put(&mut turn, &mut group).map_err(|flaw| block.damage(flaw));
        let done = done.and_then(|()| rest());
        self.meter.add_keys(keys);
        done
    }
}

/// Inserts entries; where they go is fetched for all of them first.
fn put(turn: &mut Turn<'_>, group: &mut Vec<Entry<'_>>) -> Result<(), ZdbFlaw> {
    let ahead: SmallVec<[Ahead<'_>; GROUP]> = group
        .iter()
        .map(|entry| Ahead { db: entry.db, key: entry.key, value: false, element: None })
        .collect();
    turn.prefetch(&ahead);
    for Entry { db, key, expire_at_ms, value, .. } in group.drain(..) {
        if !turn.load(db, key, value, expire_at_ms, None) {
            return Err(ZdbFlaw::Duplicate);
        }
    }
    Ok(())
}

/// Loads a file into an engine that nobody uses yet, on `threads` threads besides this one.
///
/// The keys get TIDs of the engine's current epoch. After an error the engine holds a part of the
/// file: throw it away.
///
/// # Errors
/// The damage nearest to the beginning of the file, or what the system says.
///
/// # Examples
/// ```
/// use engine::Engine;
/// use engine::persist::Meter;
/// use engine::persist::zdb::{Compression, Header, Reader, Writer, load};
///
/// let header = Header { epoch: 7, ..Header::default() };
/// let writer = Writer::new(Vec::new(), header, Compression::default());
/// writer.put_functions(b"opaque");
/// let (bytes, _) = writer.finish().unwrap();
///
/// let engine = Engine::builder().build();
/// let mut reader = Reader::new(&bytes[..]).unwrap();
/// let loaded = load(&engine, &mut reader, 1, &Meter::default()).unwrap();
/// assert_eq!((loaded.header.epoch, &loaded.functions[..]), (7, &b"opaque"[..]));
/// ```
pub fn load<R: Read>(
    engine: &Engine,
    reader: &mut Reader<R>,
    threads: usize,
    meter: &Meter,
) -> Result<Loading, ZdbError> {
    let threads = threads.max(1);
    meter.set_keys_expected(reader.header().keys_expected);
    let (send, receive) = sync_channel::<Block>(threads * AHEAD);
    let crew = Crew {
        blocks: Mutex::new(receive),
        chains: Chains::default(),
        functions: Mutex::default(),
        failed: AtomicBool::new(false),
        error: Mutex::new(None),
        meter,
        databases: engine.databases(),
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let session = engine.session();
            let crew = &crew;
            scope.spawn(move || crew.work(session));
        }
        while !crew.has_failed() {
            match reader.next_block() {
                Ok(Some(block)) => {
                    meter.set_bytes(reader.offset());
                    // The threads take blocks until the sender is gone.
                    let _ = send.send(block);
                }
                Ok(None) => break,
                Err(error) => crew.fail(error),
            }
        }
        drop(send);
    });
    if let Some(error) = crew.error.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let functions = crew.functions.into_inner().unwrap_or_else(PoisonError::into_inner);
    finished(reader, &crew.chains, functions)
}
