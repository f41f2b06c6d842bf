//! What a batch of commands will look up, asked for before they run.
//!
//! Why it exists: a dependent lookup on a large store costs 275 ns, one whose lines were asked for
//! in a batch 34 ns. The keys of a batch are taken one step further together: bucket, record,
//! and what a command names in a large collection. Hints only: nothing depends on them.

use smallvec::SmallVec;

use crate::collection::Presence;
use crate::intent::{key_record, resolve};
use crate::map::Map;
use crate::map::bucket::Bucket;
use crate::map::segment::Pinned;
use crate::map::word::Word;
use crate::record::Record;
use crate::session::Turn;

/// A key that a command to come will look up: see [`Turn::prefetch`].
#[derive(Clone, Copy, Debug)]
pub struct Ahead<'k> {
    /// Its database.
    pub db: u16,
    /// The key.
    pub key: &'k [u8],
    /// Whether the value will be read, and not the key alone.
    pub value: bool,
    /// A field or member that will be looked for in it.
    pub element: Option<&'k [u8]>,
}

impl Ahead<'_> {
    #[inline]
    fn names_key_of(&self, other: &Ahead<'_>) -> bool {
        self.db == other.db && self.key == other.key
    }
}

/// Asks for what a lookup reads of the record behind a word.
#[inline]
fn prefetch_record(word: Word, ahead: &Ahead<'_>) {
    let record = std::ptr::with_exposed_provenance::<u8>(word.address());
    crate::prefetch::address(record);
    // The end of the key, or the line behind where the value is read, too.
    let more = if ahead.value { 64 } else { Record::key_end_of(ahead.key) };
    crate::prefetch::address(record.wrapping_add(more));
}

/// Elements of one collection that a batch will look for; asks for them when dropped.
struct Run<'a> {
    record: &'a Record,
    elements: SmallVec<[&'a [u8]; 64]>,
    /// Left after the elements were asked for.
    _place: Presence<'a>,
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        if let Some(object) = self.record.object() {
            // SAFETY: announced at its latch, so no editor is inside, and the record keeps it.
            unsafe { object.prefetch(&self.elements) };
        }
    }
}

impl Turn<'_> {
    /// Hides the memory latency of the lookups to come: hashes the keys, asks for their buckets,
    /// then for their records, then for what will be looked for in large collections. Pays from
    /// about eight keys on.
    pub fn prefetch(&mut self, keys: &[Ahead<'_>]) {
        const GROUP: usize = 64;
        let mut hashes = [0_u64; GROUP];
        let mut buckets: [Option<&Bucket>; GROUP] = [None; GROUP];
        for group in keys.chunks(GROUP) {
            let mut last: Option<(&Ahead<'_>, u64)> = None;
            for (i, ahead) in group.iter().enumerate() {
                // Requests of one batch often go to the same key: it is asked for once.
                (hashes[i], buckets[i]) = match last {
                    Some((last, hash)) if last.names_key_of(ahead) => (hash, None),
                    _ => {
                        let hash = self.shared.residents.hash_key(ahead.key);
                        (hash, self.shared.map(ahead.db).prefetch_chain(hash))
                    }
                };
                last = Some((ahead, hashes[i]));
            }
            let mut is_pending = true;
            while is_pending {
                is_pending = false;
                for (i, ahead) in group.iter().enumerate() {
                    let Some(bucket) = buckets[i] else { continue };
                    buckets[i] = Map::prefetch_entry(bucket, hashes[i], |word| {
                        prefetch_record(word, ahead);
                    });
                    is_pending |= buckets[i].is_some();
                }
            }
            if group.iter().any(|ahead| ahead.element.is_some()) {
                self.prefetch_elements(&hashes, group);
            }
        }
    }

    /// Asks for elements of large collections. One whose editor is inside is left out.
    fn prefetch_elements(&self, hashes: &[u64], group: &[Ahead<'_>]) {
        // Requests of one batch often go to the same collection: it is looked up once, and asked
        // once for all.
        let mut run: Option<Run<'_>> = None;
        let mut last: Option<&Ahead<'_>> = None;
        for (&hash, ahead) in hashes.iter().zip(group) {
            let is_same = last.is_some_and(|last| last.names_key_of(ahead));
            let was_asked = last.is_some_and(|last| last.element.is_some());
            last = Some(ahead);
            let Some(element) = ahead.element else { continue };
            if !(is_same && was_asked) {
                self.begin_run(&mut run, hash, ahead);
            }
            if let Some(run) = &mut run {
                run.elements.push(element);
            }
        }
    }

    /// Begins a run at the collection of a key, if it is a large one.
    fn begin_run<'t>(&'t self, run: &mut Option<Run<'t>>, hash: u64, ahead: &Ahead<'_>) {
        let books = &self.own.books[usize::from(ahead.db)];
        let pinned = Pinned { guard: &self.guard, index_bytes: &books.index_bytes };
        let matches = |word| {
            // SAFETY: loaded under this turn's guard.
            unsafe { key_record(word) }.key() == ahead.key
        };
        // A place is left before the next one is taken.
        drop(run.take());
        let Some(word) = self.shared.map(ahead.db).find(hash, matches, pinned) else { return };
        // SAFETY: loaded under this turn's guard.
        let (_, record) = unsafe { resolve(word) };
        let Some(latch) = record.latch() else { return };
        let Some(place) = Presence::enter(&self.own.reading, latch) else { return };
        *run = Some(Run { record, elements: SmallVec::new(), _place: place });
    }
}
