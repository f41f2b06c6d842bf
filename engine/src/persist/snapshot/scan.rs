//! The scanner: takes every value of a cut exactly once, while writers go on.
//!
//! Why it exists: this is the reading half of cut.rs. A few background threads walk the maps of the
//! cut in hash order, claim what is still there, and take what writers handed over; the claims
//! settle who takes what, so neither resizes nor replaced records lose or double anything.
//! Not for bytes: what a value looks like on disk is the [`Taker`]'s business.
//!
//! Invariants
//! - N1: a scanner thread is in no turn and holds no latch. It pins memory for one slice of buckets
//!   at a time, and never while its taker may wait for a disk.
//! - N2: a scan that is abandoned goes on claiming, and drops what it claims: a claim's number may
//!   come back only when every record of the cut was claimed (version.rs, V1).
//! - N3: after the cut has ended, what is in the mail is all there is (cut.rs, C4).

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use crate::LargeString;
use crate::Text;
use crate::collection::Presence;
use crate::cut::{Claimed, Cut};
use crate::guard::Guard;
use crate::intent::resolve;
use crate::map::GROUPS;
use crate::map::word::Word;
use crate::object::ObjectRef;
use crate::persist::background::give_way;
use crate::persist::meter::Meter;
use crate::persist::rdb::value::ValueRef;
use crate::prefetch;
use crate::record::Record;
use crate::shared::{Public, Shared};
use crate::sync::{AtomicUsize, Ordering};

/// Buckets of one slice: some five hundred keys, so that what is pinned meanwhile stays small.
const SLICE_BUCKETS: usize = 64;
/// Buckets whose records are fetched together: twice as fast as one after the other.
const GROUP_BUCKETS: usize = 8;
/// Values from the mail that are fetched ahead.
const MAIL_AHEAD: usize = 8;
/// After so much work a scanner lets others have its core: what a request waits for at the most
/// where a reactor shares it, beside the compression of a block, which takes about as long.
const STRETCH: Duration = Duration::from_millis(1);
/// Bytes of records after which a slice ends early.
const SLICE_BYTES: usize = 1 << 20;
/// How long a scanner rests when all it has left is being edited, or waits for a long command.
const REST: Duration = Duration::from_micros(100);

/// A value of the cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece<'a> {
    /// The number its database had at the cut.
    pub(crate) db: u16,
    pub(crate) key: &'a [u8],
    pub(crate) deadline_ms: Option<u64>,
    pub(crate) source: Source<'a>,
}

/// Where the value is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source<'a> {
    /// In chunks.
    Large(&'a LargeString),
    /// In an object that nobody else refers to any more, or edits.
    Object(&'a ObjectRef),
    /// In its record.
    Record(&'a Record),
}

impl<'a> Source<'a> {
    /// The value.
    pub(crate) fn value(self) -> ValueRef<'a> {
        match self {
            Self::Large(large) => ValueRef::Text(Text::Large(large)),
            // SAFETY: nobody edits what a taker is given.
            Self::Object(object) => unsafe { ValueRef::of_object(object) },
            Self::Record(record) => ValueRef::of_record(record).expect("objects come as such"),
        }
    }
}

/// Where one scanner thread puts what it takes.
pub(crate) trait Taker: Send {
    /// Takes a piece. Bounded work for a piece in a record; others may be of any size, and only
    /// those may wait for a disk.
    fn take(&mut self, piece: Piece<'_>);
    /// Passes on what has gathered. May wait for a disk.
    fn settle(&mut self);
    /// Whether there is no use in going on: what comes is dropped.
    fn has_failed(&self) -> bool;
}

/// One scan of one cut.
#[derive(Debug)]
pub(crate) struct Scan<'a> {
    shared: &'a Shared,
    cut: &'a Cut,
    meter: &'a Meter,
    /// The next share of the work: a group of a database's map.
    next: AtomicUsize,
    /// Held by the thread that empties the mail.
    mail: Mutex<()>,
}

/// What has to be looked at again: an editor was at the object.
type Missed = (usize, u64);

/// A value that is written after the slice.
enum Lump {
    Large(LargeString),
    Object(ObjectRef),
}

impl<'a> Scan<'a> {
    pub(crate) fn new(shared: &'a Shared, cut: &'a Cut, meter: &'a Meter) -> Self {
        Self { shared, cut, meter, next: AtomicUsize::new(0), mail: Mutex::new(()) }
    }

    /// Takes everything of the cut that is in the maps, and what comes by mail meanwhile, on one
    /// thread per taker, which gives way to reactors. The cut still holds afterwards: see
    /// [`Scan::finish`].
    pub(crate) fn run<T: Taker>(&self, takers: &mut [T]) {
        let mut threads = 0;
        std::thread::scope(|scope| {
            for taker in &mut *takers {
                let work = || {
                    give_way();
                    self.work(taker);
                };
                let named = std::thread::Builder::new().name("zumic-scan".into());
                // Without a thread to spare the others do its share.
                threads += u32::from(named.spawn_scoped(scope, work).is_ok());
            }
        });
        if threads == 0 {
            self.work(takers.first_mut().expect("a scan has a taker"));
        }
    }

    /// Ends the cut and takes the rest of the mail. `begin_wait` makes the patience of one try.
    pub(crate) fn finish<W: FnMut() -> bool>(
        &self,
        own: &Public,
        taker: &mut impl Taker,
        mut begin_wait: impl FnMut() -> W,
    ) {
        while !self.shared.end_cut(own, begin_wait()) {
            self.read_mail(taker);
            std::thread::sleep(REST);
        }
        self.read_mail(taker);
        taker.settle();
    }

    fn work(&self, taker: &mut impl Taker) {
        let own = self.shared.hire_scanner();
        let mut missed: Vec<Missed> = Vec::new();
        let maps = self.cut.maps().count();
        loop {
            // ORDER: Relaxed (unpaired); each number goes to one thread, that is all.
            let unit = self.next.fetch_add(1, Ordering::Relaxed);
            if unit >= maps * GROUPS {
                break;
            }
            let (db, group) = (unit / GROUPS, unit % GROUPS);
            let first = group as u64 * (u64::MAX / GROUPS as u64 + 1);
            let last = first + u64::MAX / GROUPS as u64;
            self.walk(db, first, last, &own, &mut missed, taker);
        }
        while !missed.is_empty() {
            for (db, position) in std::mem::take(&mut missed) {
                self.walk(db, position, position, &own, &mut missed, taker);
            }
            if !missed.is_empty() {
                self.read_mail(taker);
                std::thread::sleep(REST);
            }
        }
        self.shared.rest_scanner(own);
    }

    /// Takes what is between two positions of a map, slice by slice.
    fn walk(
        &self,
        db: usize,
        first: u64,
        last: u64,
        own: &Public,
        missed: &mut Vec<Missed>,
        taker: &mut impl Taker,
    ) {
        let mut position = Some(first);
        let mut pace = Pace::new();
        while let Some(at) = position.filter(|&at| at <= last) {
            self.read_mail(taker);
            pace.step();
            position = self.slice(db, at, last, own, missed, taker);
            pace.step();
            taker.settle();
            pace.step();
        }
    }

    /// Takes what is in the next buckets; returns where to go on.
    fn slice(
        &self,
        db: usize,
        from: u64,
        last: u64,
        own: &Public,
        missed: &mut Vec<Missed>,
        taker: &mut impl Taker,
    ) -> Option<u64> {
        let map = self.cut.maps().nth(db).expect("a database's number");
        let number = u16::try_from(db).expect("built from a u16");
        let mut lumps: Vec<(Box<[u8]>, Option<u64>, Lump)> = Vec::new();
        let (mut taken, mut bytes) = (0, 0);
        let mut position = Some(from);
        let mut words: SmallVec<[Word; 64]> = SmallVec::new();
        let guard = self.shared.collector.enter();
        for _ in 0..SLICE_BUCKETS / GROUP_BUCKETS {
            for _ in 0..GROUP_BUCKETS {
                let next = position.filter(|&at| at <= last && bytes < SLICE_BYTES);
                let Some(at) = next else { break };
                position = map.scan_bucket(at, &self.shared.residents, |word| {
                    let record = std::ptr::with_exposed_provenance::<u8>(word.address());
                    prefetch::address(record);
                    prefetch::address(record.wrapping_add(64));
                    words.push(word);
                });
            }
            for word in words.drain(..) {
                // SAFETY: loaded under the guard. Who has replaced it since has claimed it, or
                // claims it now.
                let (_, record) = unsafe { resolve(word) };
                match self.claim(record, own) {
                    // By its own hash: buckets may be others when it is looked at again.
                    Claim::Edited => {
                        missed.push((db, self.shared.residents.hash_key(record.key())))
                    }
                    Claim::Lost => {}
                    Claim::Record => {
                        taken += 1;
                        bytes += record.memory();
                        self.pass_on(taker, number, record);
                    }
                    Claim::Lump(lump) => {
                        taken += 1;
                        lumps.push((record.key().into(), record.expire_at_ms(), lump));
                    }
                }
            }
        }
        drop(guard);
        for (key, deadline_ms, lump) in lumps {
            let source = match &lump {
                Lump::Large(large) => Source::Large(large),
                Lump::Object(object) => Source::Object(object),
            };
            self.give(taker, Piece { db: number, key: &key, deadline_ms, source });
        }
        self.count(taken);
        position
    }

    /// Claims a record that was found in a map.
    fn claim(&self, record: &Record, own: &Public) -> Claim {
        let Some(latch) = record.latch() else {
            return match record.text() {
                _ if !self.cut.claims(record) => Claim::Lost,
                Some(Text::Large(large)) => Claim::Lump(Lump::Large(large.clone())),
                _ => Claim::Record,
            };
        };
        // An editor has claimed it before its first edit, and its record's TID says so; but what
        // it does now is seen only by an announced reader.
        if record.tid().epoch() > self.cut.epoch() || record.is_gone() {
            return Claim::Lost;
        }
        let Some(_place) = Presence::enter(&own.reading, latch) else { return Claim::Edited };
        if !self.cut.claims(record) {
            return Claim::Lost;
        }
        let object = record.object().expect("it has a latch");
        // SAFETY: announced at its latch, so nobody edits it.
        Claim::Lump(Lump::Object(unsafe { object.share() }))
    }

    fn pass_on(&self, taker: &mut impl Taker, db: u16, record: &Record) {
        let source = match (record.text(), record.object()) {
            (Some(Text::Large(large)), _) => Source::Large(large),
            (_, Some(object)) => {
                let piece = |source| Piece {
                    db,
                    key: record.key(),
                    deadline_ms: record.expire_at_ms(),
                    source,
                };
                return self.give(taker, piece(Source::Object(&object)));
            }
            _ => Source::Record(record),
        };
        let (key, deadline_ms) = (record.key(), record.expire_at_ms());
        self.give(taker, Piece { db, key, deadline_ms, source });
    }

    fn give(&self, taker: &mut impl Taker, piece: Piece<'_>) {
        if !self.meter.is_abandoned() && !taker.has_failed() {
            taker.take(piece);
        }
    }

    /// Takes what writers handed over, unless another thread is at it.
    fn read_mail(&self, taker: &mut impl Taker) {
        let _held = match self.mail.try_lock() {
            Ok(held) => held,
            Err(std::sync::TryLockError::WouldBlock) => return,
            Err(std::sync::TryLockError::Poisoned(poisoned)) => PoisonError::into_inner(poisoned),
        };
        self.cut.collect(|batch| {
            self.count(batch.len() as u64);
            for (at, claimed) in batch.iter().enumerate() {
                if let Some(Claimed::Record { pointer, .. }) = batch.get(at + MAIL_AHEAD) {
                    prefetch::address(pointer.cast_const().cast());
                }
                match claimed {
                    Claimed::Object { db, key, deadline_ms, object } => {
                        let source = Source::Object(object);
                        let deadline_ms = *deadline_ms;
                        self.give(taker, Piece { db: *db, key, deadline_ms, source });
                    }
                    Claimed::Record { db, pointer } => {
                        // SAFETY: retired below.
                        let record = unsafe { Claimed::record(*pointer) };
                        self.pass_on(taker, *db, record);
                    }
                }
            }
            taker.settle();
            let guard: Guard<'_> = self.shared.collector.enter();
            batch.into_iter().for_each(|claimed| claimed.retire(&guard));
        });
    }

    fn count(&self, taken: u64) {
        self.meter.add_keys(taken);
    }
}

/// Gives the processor away now and then.
struct Pace {
    since: Instant,
}

impl Pace {
    fn new() -> Self {
        Self { since: Instant::now() }
    }

    /// Lets others have the core when this thread has had it for long enough.
    fn step(&mut self) {
        if self.since.elapsed() >= STRETCH {
            std::thread::yield_now();
            self.since = Instant::now();
        }
    }
}

/// How a claim ended.
enum Claim {
    /// An editor is at the object: come again.
    Edited,
    /// Not of the cut, or taken by somebody else.
    Lost,
    /// Ours, and its value is taken out of the record.
    Lump(Lump),
    /// Ours, with the value in it.
    Record,
}
