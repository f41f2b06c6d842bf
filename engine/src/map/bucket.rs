//! A chain of slots in which a key appears at most once, without locks.
//!
//! Why it exists: this is the loom-visible core of the map. It knows words, not records: what
//! "the same key" means is a question it asks its caller. Not for iteration order: slots of a
//! chain are filled wherever there is room.
//!
//! Inserting must not create duplicates although two inserters may find different empty slots.
//! The scheme is the two-phase insert of FASTER's index (Chandramouli et al., "FASTER: A
//! Concurrent Key-Value Store with In-Place Updates", SIGMOD 2018), with a tie-break by
//! position: put the entry in tentatively, fence, look at the whole chain again. Who sees a
//! confirmed twin withdraws. Of two tentative twins the one further down loses: it withdraws,
//! or the other clears it. Two inserters cannot both confirm: the later of the two tentative
//! stores is followed by a scan that sees the other's.
//!
//! The last slot of a bucket becomes a pointer to an overflow bucket when the chain is full: the
//! new bucket holds the old word of that slot, so one CAS both moves it and attaches the bucket,
//! and a reader finds it in exactly one of the two places.
//!
//! Invariants
//! - B1: a confirmed entry stays in its slot, or moves down with its slot's overflow, until it is
//!   replaced or cleared by CAS.
//! - B2: at most one confirmed entry of a chain matches a key.
//! - B3: an overflow bucket lives as long as the segment that owns the chain.
//! - B4: a tentative entry is never moved; it is confirmed by its inserter or cleared by anyone.
//!
//! Ordering edges
//! - `slot-publish`: every CAS that puts a word into a slot -> every load of a slot. Carries the
//!   record, intent or bucket behind the word. Loads are SeqCst for reclamation (guard.rs, G2).
//! - `insert-rescan`: tentative CAS, then fence, then loads of the chain, in both inserters: a
//!   store-load pair (Dekker), so it needs the SeqCst fence. Both ends in one place.
//! - `freeze`: the frozen bit (`fetch_or`) -> the CAS of a writer, which fails.

use crate::sync::{AtomicU64, Ordering, fence};

use super::word::Word;

/// Slots of a bucket: one cache line. Two under loom, which explores every interleaving.
pub const SLOTS: usize = if cfg!(loom) { 2 } else { 8 };

/// One cache line of slots.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Bucket {
    slots: [AtomicU64; SLOTS],
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<Bucket>() == 64, "a bucket is a cache line");

impl Default for Bucket {
    fn default() -> Self {
        Self { slots: std::array::from_fn(|_| AtomicU64::new(0)) }
    }
}

/// What a look at a chain found.
#[derive(Debug)]
pub struct Found<'b> {
    /// The matching slot and its word (thawed), if any.
    pub entry: Option<(&'b AtomicU64, Word)>,
    /// Whether any word met was frozen: the segment is being, or was, replaced.
    pub frozen: bool,
}

/// How an insert ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Insert {
    /// The entry is in and confirmed.
    Done,
    /// The chain is frozen: the resize comes first. The entry is not in.
    Frozen,
    /// Another entry of the key is, or may be, there: look again. The entry is not in, but
    /// others may have seen it.
    Lost,
}

/// Loads a slot.
#[inline]
pub fn load(slot: &AtomicU64) -> Word {
    // ORDER(slot-publish): SeqCst, as protected loads must be (guard.rs, G2); it includes the
    // Acquire that makes the pointee visible.
    Word::from_bits(slot.load(Ordering::SeqCst))
}

/// Replaces a slot's word if it is still `old`.
#[inline]
pub fn replace(slot: &AtomicU64, old: Word, new: Word) -> bool {
    // ORDER(slot-publish, freeze): SeqCst on success: releases what `new` points to, and orders the
    // publication before the load of a deadline minimum (deadline.rs). Relaxed on failure: the
    // loser reads nothing through the word.
    slot.compare_exchange(old.to_bits(), new.to_bits(), Ordering::SeqCst, Ordering::Relaxed).is_ok()
}

impl Bucket {
    /// The bucket behind an overflow word.
    #[inline]
    fn overflow(&self, word: Word) -> &Self {
        debug_assert!(word.is_overflow());
        let pointer = std::ptr::with_exposed_provenance::<Self>(word.address());
        // SAFETY: B3; `self` is in the same chain, so the segment is alive.
        unsafe { &*pointer }
    }

    /// Hints that the bucket behind this one will be looked at soon; that bucket, if there is one.
    /// This one should be cached.
    #[inline]
    pub(crate) fn prefetch_overflow(&self) -> Option<&Self> {
        let last = load(&self.slots[SLOTS - 1]);
        let next = last.is_overflow().then(|| self.overflow(last))?;
        crate::prefetch::read(next);
        Some(next)
    }

    /// All slots of the chain that starts here, top down, with their words.
    pub fn walk<'b>(&'b self, mut visit: impl FnMut(&'b AtomicU64, Word) -> Walk) {
        let mut bucket = self;
        'chain: loop {
            for slot in &bucket.slots {
                let word = load(slot);
                if word.is_overflow() {
                    bucket = bucket.overflow(word);
                    continue 'chain;
                }
                if visit(slot, word) == Walk::Stop {
                    return;
                }
            }
            return;
        }
    }

    /// Finds the confirmed entry for which `matches` holds among those with `tag`.
    ///
    /// Cost: one cache line per bucket of the chain, and what `matches` touches.
    #[inline]
    pub fn find(&self, tag: u16, mut matches: impl FnMut(Word) -> bool) -> Found<'_> {
        let mut bucket = self;
        let mut frozen = false;
        loop {
            let words: [Word; SLOTS] = std::array::from_fn(|i| load(&bucket.slots[i]));
            frozen |=
                words.iter().fold(0, |all, word| all | word.to_bits()) & Word::frozen_bit() != 0;
            let last = words[SLOTS - 1];
            for i in super::tags::matching(&words, tag) {
                let word = words[i];
                if word.is_empty() || word.is_tentative() || word.is_overflow() {
                    continue;
                }
                if matches(word.thawed()) {
                    frozen = word.is_frozen();
                    return Found { entry: Some((&bucket.slots[i], word.thawed())), frozen };
                }
            }
            if !last.is_overflow() {
                return Found { entry: None, frozen };
            }
            bucket = bucket.overflow(last);
        }
    }

    /// Inserts `word` unless the chain has an entry for which `matches` holds.
    ///
    /// `matches` is asked about tentative entries too. `grow` makes an overflow bucket.
    pub fn insert(
        &self,
        word: Word,
        mut matches: impl FnMut(Word) -> bool,
        mut grow: impl FnMut(Bucket) -> *mut Bucket,
    ) -> Insert {
        let slot = loop {
            match self.vacancy(&mut grow) {
                Vacancy::Frozen => return Insert::Frozen,
                Vacancy::Again => {}
                Vacancy::Slot(slot) if replace(slot, Word::EMPTY, word.tentative()) => break slot,
                Vacancy::Slot(_) => {}
            }
        };
        // ORDER(insert-rescan): SeqCst; our tentative store before our look at the others', as
        // theirs before their look at ours.
        fence(Ordering::SeqCst);
        if self.has_twin(slot, word.tag(), &mut matches) {
            replace(slot, word.tentative(), Word::EMPTY);
            return Insert::Lost;
        }
        if replace(slot, word.tentative(), word) {
            return Insert::Done;
        }
        if load(slot).is_frozen() { Insert::Frozen } else { Insert::Lost }
    }

    /// Whether another entry of the key keeps ours from being confirmed. Clears tentative twins
    /// further down.
    fn has_twin(&self, own: &AtomicU64, tag: u16, matches: &mut impl FnMut(Word) -> bool) -> bool {
        let mut below = false;
        let mut twin = false;
        self.walk(|slot, mut word| {
            if std::ptr::eq(slot, own) {
                below = true;
                return Walk::Go;
            }
            while !word.is_empty() && word.tag() == tag && matches(word.thawed()) {
                if !word.is_tentative() || !below {
                    twin = true;
                    return Walk::Stop;
                }
                if word.is_frozen() || replace(slot, word, Word::EMPTY) {
                    break;
                }
                word = load(slot);
                if word.is_overflow() {
                    // The slot was cleared, filled and moved down meanwhile: look at it all again.
                    twin = true;
                    return Walk::Stop;
                }
            }
            Walk::Go
        });
        twin
    }

    /// An empty slot of the chain, or the reason to come again.
    fn vacancy(&self, grow: &mut impl FnMut(Bucket) -> *mut Bucket) -> Vacancy<'_> {
        let mut bucket = self;
        loop {
            for slot in &bucket.slots {
                let word = load(slot);
                if word.is_frozen() {
                    return Vacancy::Frozen;
                }
                if word.is_empty() {
                    return Vacancy::Slot(slot);
                }
            }
            let last = &bucket.slots[SLOTS - 1];
            let word = load(last);
            if word.is_overflow() {
                bucket = bucket.overflow(word);
                continue;
            }
            if word.is_tentative() {
                // B4: it may not move, so it goes; its inserter tries again.
                replace(last, word, Word::EMPTY);
            } else if !word.is_empty() && !word.is_frozen() {
                Self::attach(last, word, grow);
            }
            return Vacancy::Again;
        }
    }

    /// Turns the full last slot into a pointer to a bucket that starts with its word.
    fn attach(last: &AtomicU64, word: Word, grow: &mut impl FnMut(Bucket) -> *mut Bucket) {
        let bucket = Self::default();
        // ORDER(slot-publish): Relaxed; nobody sees the bucket before the CAS below.
        bucket.slots[0].store(word.to_bits(), Ordering::Relaxed);
        let pointer = grow(bucket);
        if !replace(last, word, Word::overflow(pointer.expose_provenance())) {
            // SAFETY: `grow` boxed it, and it was not published.
            drop(unsafe { Box::from_raw(pointer) });
        }
    }

    /// Freezes every slot of the chain. Afterwards nothing in it changes (W2).
    pub fn freeze(&self) {
        let mut bucket = self;
        'chain: loop {
            for slot in &bucket.slots {
                // ORDER(freeze): SeqCst; what writers put in before is visible to the copy that
                // follows, and a writer that comes after fails its CAS.
                let bits = slot.fetch_or(Word::frozen_bit(), Ordering::SeqCst);
                let word = Word::from_bits(bits);
                if word.is_overflow() {
                    bucket = bucket.overflow(word);
                    continue 'chain;
                }
            }
            return;
        }
    }

    /// Adds a word to a chain nobody else can see.
    pub(crate) fn push_private(&self, word: Word, grow: &mut impl FnMut(Bucket) -> *mut Bucket) {
        loop {
            if let Vacancy::Slot(slot) = self.vacancy(grow) {
                // ORDER(slot-publish): Relaxed; the resize's outcome publishes the whole segment.
                slot.store(word.to_bits(), Ordering::Relaxed);
                return;
            }
        }
    }

    /// The overflow buckets of the chain, for whoever frees them.
    pub(crate) fn overflow_buckets(&self, mut visit: impl FnMut(*mut Bucket)) {
        let mut bucket = self;
        loop {
            let last = load(&bucket.slots[SLOTS - 1]);
            if !last.is_overflow() {
                return;
            }
            bucket = bucket.overflow(last);
            visit(std::ptr::with_exposed_provenance_mut(last.address()));
        }
    }

    /// One slot by position, for sampling.
    #[inline]
    pub(crate) fn slot(&self, position: usize) -> &AtomicU64 {
        &self.slots[position]
    }
}

/// Whether a walk goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Walk {
    /// To the next slot.
    Go,
    /// No further.
    Stop,
}

enum Vacancy<'b> {
    Again,
    Frozen,
    Slot(&'b AtomicU64),
}
