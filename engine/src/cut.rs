//! The cut of a snapshot: one instant of the whole store, kept while writers go on.
//!
//! Why it exists: a snapshot is the state at the end of one epoch, exactly, and nobody waits for
//! it. Records are immutable, so keeping the instant means to keep what is replaced after it: who
//! replaces or removes a record of the cut claims it (version.rs) and hands it over instead of
//! retiring it; the scanner (persist/snapshot) claims and takes what is still in the maps. Large
//! collections are edited in place, so who is about to edit one for the first time since the cut
//! hands over a copy of it first, whose blocks it shares with the original.
//! Without a cut all of this is one branch, taken from a pointer that is read once per turn.
//!
//! Invariants
//! - C1: a cut begins and ends under the barrier. So no turn spans either, every write of a turn
//!   that saw a cut has a TID above the cut's epoch, and one that did not see it has none above.
//! - C2: each value of the cut is claimed once (V2), and whoever wins the claim hands it over, or
//!   is the scanner. Nothing else is claimed.
//! - C3: an object of the cut is claimed, with its record, before it is edited or a second record
//!   refers to it, by somebody who holds its latch or is announced at it.
//! - C4: what a turn hands over is in the mail before the turn leaves its place.
//! - C5: the maps of the cut live until its end: a flushed one is given to the cut.
//!
//! Ordering edges
//! - `cut-active`: stored under the barrier, read inside a turn; the barrier's edges carry it.

use std::ptr::null_mut;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::context::Context;
use crate::guard::Guard;
use crate::host::Halt;
use crate::mailbox::Mailbox;
use crate::map::Map;
use crate::object::ObjectRef;
use crate::record::{Header, Record};
use crate::shared::{Public, Shared, free_map};
use crate::sync::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use crate::version::ClaimNumber;

/// Epochs left out at a cut: a session may have given TIDs that carried beyond its epoch, by one
/// for a million writes of one epoch.
const MARGIN: u64 = 1_000;
/// Bytes handed over by one turn after which they are mailed before its end.
const MAIL_BYTES: u64 = 256 << 10;
/// What one handed-over value counts for at the most: it was in memory before the cut as well, and
/// writers should not wait because one large value was deleted.
const WEIGHT_MAX: u64 = 1 << 20;

/// A value of the cut that its replacer claimed.
#[derive(Debug)]
pub(crate) enum Claimed {
    /// A copy of a collection that is edited in place.
    Object { db: u16, key: Box<[u8]>, deadline_ms: Option<u64>, object: ObjectRef },
    /// A record that is in no slot any more, to be retired once it was written.
    Record { db: u16, pointer: *mut Header },
}

// SAFETY: a claimed record is unlinked and belongs to who has the claim; records are `Sync`.
unsafe impl Send for Claimed {}

impl Claimed {
    /// The record, while nobody has retired it.
    ///
    /// # Safety
    /// The result is not used after [`Claimed::retire`].
    pub(crate) unsafe fn record<'a>(pointer: *mut Header) -> &'a Record {
        // SAFETY: guaranteed by the caller: owned by the claim until it is retired.
        unsafe { Record::from_raw(pointer) }
    }

    fn weight(&self) -> u64 {
        match self {
            // Its blocks are the original's as well, until that is edited.
            Self::Object { key, .. } => 4_096 + key.len() as u64,
            Self::Record { pointer, .. } => {
                // SAFETY: not retired yet.
                let record = unsafe { Self::record(*pointer) };
                (record.memory() as u64).min(WEIGHT_MAX)
            }
        }
    }

    /// Frees what was handed over, when no reader can hold it any more.
    pub(crate) fn retire(self, guard: &Guard<'_>) {
        if let Self::Record { pointer, .. } = self {
            // SAFETY: not retired yet.
            let bytes = unsafe { Self::record(pointer) }.memory();
            // SAFETY: unlinked by its replacer, who handed the duty to retire it over.
            unsafe { guard.retire(pointer, bytes) };
        }
    }
}

/// What one turn hands over.
#[derive(Debug, Default)]
pub(crate) struct Surrendered {
    items: Vec<Claimed>,
    bytes: u64,
}

/// A map as it was at the cut.
#[derive(Debug)]
struct Kept {
    map: *mut Map,
    /// Flushed since, so the cut's to free.
    flushed: AtomicBool,
}

/// One instant of the store.
#[derive(Debug)]
pub(crate) struct Cut {
    epoch: u64,
    number: ClaimNumber,
    maps: Box<[Kept]>,
    /// For each database as it is numbered now, its number at the cut.
    numbers: Box<[AtomicU32]>,
    mail: Mailbox<Surrendered>,
    /// Handed over and not written yet.
    pending_bytes: AtomicU64,
    pending_bytes_max: u64,
    handed_over: AtomicU64,
}

// SAFETY: the maps are shared like those of the store; they live as long as the cut (C5).
unsafe impl Send for Cut {}
// SAFETY: as above; everything else is atomic or does its own synchronisation.
unsafe impl Sync for Cut {}

impl Cut {
    /// The last epoch of the cut.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The maps as they were numbered at the cut.
    pub(crate) fn maps(&self) -> impl Iterator<Item = &Map> {
        // SAFETY: C5.
        self.maps.iter().map(|kept| unsafe { &*kept.map })
    }

    /// Claims a record; true once for each that was there at the cut and is no tombstone.
    #[inline]
    pub(crate) fn claims(&self, record: &Record) -> bool {
        !record.is_gone() && record.claim(self.epoch, self.number)
    }

    /// The number that a database had at the cut.
    fn number_of(&self, db: u16) -> u16 {
        // ORDER: Relaxed (unpaired); changed under the barrier, which orders it.
        let number = self.numbers[usize::from(db)].load(Ordering::Relaxed);
        u16::try_from(number).expect("a database's number")
    }

    /// Two databases change places. Under the barrier.
    pub(crate) fn swap_databases(&self, a: u16, b: u16) {
        let [a_was, b_was] = [a, b].map(|db| u32::from(self.number_of(db)));
        // ORDER: Relaxed (unpaired); as above.
        self.numbers[usize::from(a)].store(b_was, Ordering::Relaxed);
        // ORDER: Relaxed (unpaired); as above.
        self.numbers[usize::from(b)].store(a_was, Ordering::Relaxed);
    }

    /// Takes over a map that a flush replaced, if it is one of the cut. Under the barrier.
    pub(crate) fn keeps(&self, map: *mut Map) -> bool {
        let kept = self.maps.iter().find(|kept| std::ptr::eq(kept.map, map));
        if let Some(kept) = kept {
            // ORDER: Relaxed (unpaired); the barrier orders it with the cut's end.
            kept.flushed.store(true, Ordering::Relaxed);
        }
        kept.is_some()
    }

    /// Mails what a turn hands over.
    pub(crate) fn take_over(&self, surrendered: &mut Surrendered) {
        if surrendered.items.is_empty() {
            return;
        }
        let count = surrendered.items.len() as u64;
        // ORDER: Relaxed (unpaired); statistics, and a limit that need not be exact.
        self.pending_bytes.fetch_add(surrendered.bytes, Ordering::Relaxed);
        // ORDER: Relaxed (unpaired); a statistic.
        self.handed_over.fetch_add(count, Ordering::Relaxed);
        self.mail.push(std::mem::take(surrendered));
    }

    /// Takes everything out of the mail, as it was handed over. One thread at a time.
    pub(crate) fn collect(&self, mut take: impl FnMut(Vec<Claimed>)) {
        self.mail.drain(|surrendered| {
            take(surrendered.items);
            // ORDER: Relaxed (unpaired); a limit that need not be exact.
            self.pending_bytes.fetch_sub(surrendered.bytes, Ordering::Relaxed);
        });
    }

    /// Bytes handed over that are not written yet.
    pub(crate) fn pending_bytes(&self) -> u64 {
        // ORDER: Relaxed (unpaired); a statistic.
        self.pending_bytes.load(Ordering::Relaxed)
    }

    /// Values handed over so far.
    pub(crate) fn handed_over(&self) -> u64 {
        // ORDER: Relaxed (unpaired); a statistic.
        self.handed_over.load(Ordering::Relaxed)
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        for kept in &self.maps {
            // ORDER: Relaxed (unpaired); set under the barrier, and this is after the cut's end.
            if kept.flushed.load(Ordering::Relaxed) {
                // SAFETY: C5: unlinked by the flush, boxed when it was made, and no turn of that
                // time is left.
                free_map(*unsafe { Box::from_raw(kept.map) });
            }
        }
    }
}

/// The cut that holds, and what outlives it.
#[derive(Debug)]
pub(crate) struct Cuts {
    active: AtomicPtr<Cut>,
    next: Mutex<ClaimNumber>,
    /// Held from before a cut until its last value was taken.
    scanning: Mutex<()>,
    /// Public halves of scanners that rest.
    scanners: Mutex<Vec<Arc<Public>>>,
}

impl Default for Cuts {
    fn default() -> Self {
        Self {
            active: AtomicPtr::new(null_mut()),
            next: Mutex::new(ClaimNumber::FIRST),
            scanning: Mutex::new(()),
            scanners: Mutex::default(),
        }
    }
}

impl Cuts {
    /// The cut that holds. Inside a turn, which it then outlives (C1).
    #[inline]
    pub(crate) fn active(&self) -> Option<&Cut> {
        // ORDER(cut-active): Relaxed; see the header.
        let cut = self.active.load(Ordering::Relaxed);
        // SAFETY: C1: freed after a barrier that this turn's end comes before.
        unsafe { cut.as_ref() }
    }
}

impl Shared {
    /// Waits until no snapshot is being taken, and keeps others from being begun.
    pub(crate) fn scanning(&self) -> MutexGuard<'_, ()> {
        self.cuts.scanning.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a cut, if every session leaves its turn before `wait` has enough of it. Runs `under`
    /// at that instant. The caller holds [`Shared::scanning`].
    pub(crate) fn begin_cut(
        &self,
        own: &Public,
        pending_bytes_max: u64,
        wait: impl FnMut() -> bool,
        under: impl FnOnce(&Self),
    ) -> Option<Arc<Cut>> {
        if !self.reign(&own.place, wait) {
            return None;
        }
        let mut next = self.cuts.next.lock().unwrap_or_else(PoisonError::into_inner);
        let number = *next;
        *next = number.next();
        let kept = |map| Kept { map, flushed: AtomicBool::new(false) };
        let count = u32::try_from(self.databases.len()).expect("built from a u16");
        let cut = Arc::new(Cut {
            epoch: self.epochs.cut(MARGIN),
            number,
            maps: self.databases.iter().map(|database| kept(database.pointer())).collect(),
            numbers: (0..count).map(AtomicU32::new).collect(),
            mail: Mailbox::default(),
            pending_bytes: AtomicU64::new(0),
            pending_bytes_max,
            handed_over: AtomicU64::new(0),
        });
        under(self);
        let pointer = Arc::as_ptr(&cut).cast_mut();
        // ORDER(cut-active): Relaxed; see the header.
        let before = self.cuts.active.swap(pointer, Ordering::Relaxed);
        assert!(before.is_null(), "one snapshot at a time");
        self.epochs.drop_barrier();
        Some(cut)
    }

    /// Ends the cut, if every session leaves its turn before `wait` has enough of it: afterwards
    /// everything that was handed over is in the mail, and nothing more will be.
    pub(crate) fn end_cut(&self, own: &Public, wait: impl FnMut() -> bool) -> bool {
        if !self.reign(&own.place, wait) {
            return false;
        }
        // ORDER(cut-active): Relaxed; see the header.
        self.cuts.active.store(null_mut(), Ordering::Relaxed);
        self.epochs.drop_barrier();
        true
    }

    /// The public half of a scanner: a session that is never inside a turn, but reads objects.
    pub(crate) fn hire_scanner(&self) -> Arc<Public> {
        let resting = self.cuts.scanners.lock().unwrap_or_else(PoisonError::into_inner).pop();
        resting.unwrap_or_else(|| self.register(None))
    }

    /// Keeps it for the next snapshot: what registers stays for good.
    pub(crate) fn rest_scanner(&self, scanner: Arc<Public>) {
        self.cuts.scanners.lock().unwrap_or_else(PoisonError::into_inner).push(scanner);
    }
}

impl Context<'_> {
    /// Retires a record that was just unlinked, or hands it over to the snapshot.
    ///
    /// An object behind it has no other record: whoever made one surrendered it before (C3).
    ///
    /// # Safety
    /// As for `Guard::retire`: unlinked by the caller, who alone calls this for it.
    #[inline]
    pub(crate) unsafe fn supersede(&mut self, db: u16, pointer: *mut Header, record: &Record) {
        if let Some(cut) = self.cut
            && cut.claims(record)
        {
            self.hand_over(cut, Claimed::Record { db: cut.number_of(db), pointer });
            return;
        }
        // SAFETY: guaranteed by the caller.
        unsafe { record.retire(pointer, self.guard) };
    }

    /// Hands a copy of the object behind `record` over to the snapshot, if it is of the cut and
    /// nobody has claimed it: before it is edited, or another record refers to it (C3).
    ///
    /// The caller holds the object's latch, or nobody else knows the object.
    #[inline]
    pub(crate) fn surrender(&mut self, db: u16, record: &Record) {
        if let Some(cut) = self.cut {
            self.surrender_to(cut, db, record);
        }
    }

    #[cold]
    fn surrender_to(&mut self, cut: &Cut, db: u16, record: &Record) {
        let Some(object) = record.object() else { return };
        if !cut.claims(record) {
            return;
        }
        // SAFETY: the latch is held, so nobody edits it.
        let object = unsafe { object.share() };
        let (key, deadline_ms) = (record.key().into(), record.expire_at_ms());
        let db = cut.number_of(db);
        self.hand_over(cut, Claimed::Object { db, key, deadline_ms, object });
    }

    #[cold]
    fn hand_over(&mut self, cut: &Cut, claimed: Claimed) {
        let surrendered = &mut self.state.surrendered;
        surrendered.bytes += claimed.weight();
        surrendered.items.push(claimed);
        if surrendered.bytes >= MAIL_BYTES {
            cut.take_over(surrendered);
        }
    }

    /// Refuses a write for now when so much was handed over that the scanner must catch up first.
    ///
    /// # Errors
    /// [`Halt::Busy`].
    #[inline]
    pub(crate) fn mind_the_cut(&self) -> Result<(), Halt> {
        match self.cut {
            Some(cut) if cut.pending_bytes() > cut.pending_bytes_max => Err(Halt::Busy),
            _ => Ok(()),
        }
    }
}
