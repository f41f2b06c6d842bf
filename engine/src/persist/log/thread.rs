//! The log thread: closes epochs, writes what they hold, says what is durable.
//!
//! Why it exists: one thread writes for all sessions, so that one sync serves every client that
//! wrote meanwhile (group commit), and no reactor ever waits for a disk.
//!
//! One cycle: begin a new epoch; see which epochs are closed; take what is published; write it as
//! blocks, the last of which says "complete up to the closed epoch"; sync as the policy says.
//!
//! Invariants
//! - G1: lanes are emptied after the closed epoch was determined, so all of its entries are in.
//! - G2: an epoch is told durable after a sync that began when its block was written.
//! - G3: after an error nothing is told durable until a snapshot has replaced what is missing.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::{Duration, Instant};
use std::{io, thread};

use super::appender::{Appender, Beginning};
use super::core::Core;
use super::draft::Draft;
use super::format::{Kind, RUN_HEADER_BYTES};
use super::lane::LaneReader;
use super::syncer::{Done, Syncer};
use crate::persist::Fsync;
use crate::shared::{Public, Shared, largest};

/// A block is written when it has this many bytes, even if more waits.
const BLOCK_BYTES: usize = 4 << 20;
/// How long writes are gathered where nobody waits for them: the most a crash of the process costs.
const GATHER: Duration = Duration::from_millis(5);
/// Gatherings without a find, after which the thread sleeps until it is rung for.
const GATHERINGS_IDLE_MAX: u32 = 20;
/// Sleep while nobody rings: epochs close, and tombstones go, at this pace.
const SLEEP: Duration = Duration::from_millis(100);
/// How long a cycle waits for turns that stand in the epoch to close.
const CLOSE_WAIT: Duration = Duration::from_millis(1);
/// Between two syncs under `everysec`.
const SECOND: Duration = Duration::from_secs(1);

/// What others ask of the log thread.
#[derive(Debug)]
pub(crate) enum Order {
    /// Write and sync everything, then end.
    Close(Sender<io::Result<()>>),
    /// A snapshot that covers all that is missing is durable.
    Heal(Sender<io::Result<()>>),
    /// Begin a segment behind a gap, after a fault: a snapshot is about to be cut.
    Reopen(Sender<io::Result<()>>),
    /// Begin a segment: a snapshot is about to be cut, after which the others may go.
    Rotate(Sender<io::Result<()>>),
    /// Sync what is written now.
    Sync(Sender<io::Result<u64>>),
    /// Let go of what a durable snapshot of this epoch covers; answers with files to remove.
    Trim(u64, Sender<io::Result<Vec<String>>>),
}

/// See the file's header.
pub(crate) struct LogThread {
    core: Arc<Core>,
    shared: Arc<Shared>,
    appender: Appender,
    orders: Receiver<Order>,
    readers: Vec<LaneReader>,
    everyone: Vec<Arc<Public>>,
    block: Draft,
    /// Complete in the log, synced or not.
    written: u64,
    /// Of the last block.
    marked: u64,
    /// Of the last block that is known to be on the disk: what new blocks vouch for.
    vouched: u64,
    /// The highest epoch of any entry.
    highest: u64,
    /// Written since the last sync began.
    dirty: bool,
    synced_at: Instant,
    syncer: Syncer,
    /// Between a fault's new segment and the snapshot that makes it count.
    mending: bool,
}

impl LogThread {
    pub(crate) fn new(
        core: Arc<Core>,
        shared: Arc<Shared>,
        appender: Appender,
        orders: Receiver<Order>,
        (written, highest): (u64, u64),
    ) -> io::Result<Self> {
        Ok(Self {
            core,
            shared,
            appender,
            orders,
            readers: Vec::new(),
            everyone: Vec::new(),
            block: Draft::new(),
            written,
            marked: written,
            vouched: written,
            highest,
            dirty: false,
            synced_at: Instant::now(),
            syncer: Syncer::start()?,
            mending: false,
        })
    }

    /// Runs until told to close, or until nobody is left who could.
    pub(crate) fn run(mut self) {
        let mut idle = 0;
        loop {
            self.core.answer();
            // Early entries count once their epoch is closed, so that is something to do.
            let found = self.cycle() || self.highest > self.marked;
            match self.obey() {
                Next::End => return,
                Next::Again => continue,
                Next::Sleep => {}
            }
            idle = if found { 0 } else { idle + 1 };
            match self.core.fsync() {
                Fsync::Always if found => {}
                Fsync::EverySec | Fsync::No if idle < GATHERINGS_IDLE_MAX => {
                    thread::park_timeout(GATHER);
                }
                _ if self.core.doze() => thread::park_timeout(SLEEP),
                _ => {}
            }
        }
    }

    /// One cycle; whether anything was written.
    fn cycle(&mut self) -> bool {
        let closed = self.close_epoch();
        self.readers.extend(self.core.arrivals());
        if self.core.is_faulty() && !self.mending {
            self.discard();
            return false;
        }
        match self.write(closed) {
            Ok(found) => {
                self.keep_pace();
                found
            }
            Err(error) => {
                self.fail("writing the log", &error);
                false
            }
        }
    }

    /// Begins a new epoch; returns the last that is closed.
    fn close_epoch(&mut self) -> u64 {
        let epochs = &self.shared.epochs;
        let ended = epochs.advance() - 1;
        let began = Instant::now();
        let wait = self.core.fsync() == Fsync::Always;
        loop {
            let closed = epochs.close(|| {
                self.shared.refresh(&mut self.everyone);
                self.everyone.iter().map(|public| &public.place)
            });
            let waited = began.elapsed();
            if closed >= ended || !wait || waited > CLOSE_WAIT {
                let longest = &self.core.figures.epoch_wait_us_max;
                longest.set(longest.get().max(micros(waited)));
                return closed;
            }
            thread::yield_now();
        }
    }

    /// Takes what is published and writes it; G1. Whether there was anything.
    fn write(&mut self, closed: u64) -> io::Result<bool> {
        let mut found = false;
        let mut next = 0;
        loop {
            let all = self.fill(&mut next);
            found |= !self.block.is_empty();
            let epoch = if all { closed } else { self.marked };
            // Entries of epochs that were open then count once a block says that they are closed.
            let due = all && closed > self.marked && self.highest > self.marked;
            if !self.block.is_empty() || due {
                self.append(epoch)?;
            }
            if all {
                break;
            }
        }
        self.written = self.written.max(closed);
        self.core.figures.written.set(self.written);
        Ok(found)
    }

    /// Fills a block with runs of the sessions from `next` on; whether that was all of them.
    fn fill(&mut self, next: &mut usize) -> bool {
        self.block.begin(self.appender.lead());
        while *next < self.readers.len() {
            let reader = &mut self.readers[*next];
            let ended = reader.has_ended();
            let start = self.block.len();
            self.block.push(&[0; RUN_HEADER_BYTES]);
            let emptied = reader.take(&mut self.block, BLOCK_BYTES);
            let run = self.block.len() - start - RUN_HEADER_BYTES;
            self.highest = self.highest.max(reader.last().epoch());
            if run == 0 {
                self.block.truncate(start);
            } else {
                self.block.block_mut()[start..start + RUN_HEADER_BYTES]
                    .copy_from_slice(&(run as u64).to_le_bytes());
            }
            if !emptied {
                return false;
            }
            if ended {
                self.readers.swap_remove(*next);
            } else {
                *next += 1;
            }
            if self.block.len() >= BLOCK_BYTES && *next < self.readers.len() {
                return false;
            }
        }
        true
    }

    fn append(&mut self, epoch: u64) -> io::Result<()> {
        let synced = self.vouched;
        if self.appender.is_full(self.block.len()) {
            self.begin_next()?;
        }
        self.appender.set_reserve(self.core.fsync() == Fsync::Always);
        self.appender.append(&mut self.block, (epoch, synced, self.highest))?;
        self.marked = self.marked.max(epoch);
        self.dirty = true;
        let figures = &self.core.figures;
        figures.blocks.add(1);
        figures.block_bytes.add(self.block.len() as u64);
        self.note_extent();
        self.block.shrink_to(4 * BLOCK_BYTES);
        Ok(())
    }

    /// Tells how long the log is, by which it is cut when it has grown.
    fn note_extent(&self) {
        let (bytes, segments) = self.appender.extent();
        self.core.figures.log_bytes.set(bytes);
        self.core.figures.segments.set(segments);
    }

    /// Syncs what the policy says, and tells what is durable.
    fn keep_pace(&mut self) {
        if let Some(done) = self.syncer.take_result() {
            self.note_sync(done);
        }
        if self.core.is_faulty() && !self.mending {
            return;
        }
        if !self.dirty && !self.syncer.is_busy() {
            // Nothing is on its way to the disk, so nothing of the closed epochs can be missing.
            self.tell_durable(self.written);
            return;
        }
        match self.core.fsync() {
            Fsync::Always => self.sync_now(),
            Fsync::EverySec if self.synced_at.elapsed() >= SECOND && !self.syncer.is_busy() => {
                self.begin_sync();
            }
            Fsync::EverySec | Fsync::No => {}
        }
    }

    fn begin_sync(&mut self) {
        if !self.dirty {
            return;
        }
        self.dirty = false;
        self.synced_at = Instant::now();
        self.syncer.begin(self.appender.take_unsynced(), (self.written, self.marked));
    }

    /// Syncs everything written, here and now.
    fn sync_now(&mut self) {
        if let Some(done) = self.syncer.wait() {
            self.note_sync(done);
        }
        if !self.dirty || (self.core.is_faulty() && !self.mending) {
            return;
        }
        self.dirty = false;
        self.synced_at = Instant::now();
        let files = self.appender.take_unsynced();
        let result = files.iter().try_for_each(|file| file.sync());
        let epochs = (self.written, self.marked);
        self.note_sync((epochs, self.synced_at.elapsed(), result));
    }

    fn note_sync(&mut self, ((epoch, marked), took, result): Done) {
        let figures = &self.core.figures;
        figures.syncs.add(1);
        figures.sync_us_last.set(micros(took));
        figures.sync_us_max.set(figures.sync_us_max.get().max(micros(took)));
        match result {
            Ok(()) => {
                self.vouched = self.vouched.max(marked);
                self.tell_durable(epoch);
            }
            Err(error) => self.fail("syncing the log", &error),
        }
    }

    /// G2, G3.
    fn tell_durable(&mut self, epoch: u64) {
        if self.core.is_faulty() || epoch <= self.core.durable() {
            return;
        }
        let always = self.core.fsync() == Fsync::Always;
        self.shared.epochs.set_settled(if always { epoch } else { u64::MAX });
        self.core.tell_durable(epoch);
    }

    /// The first error latches (G3): what was not synced by then may be lost, whatever a later
    /// sync says.
    fn fail(&mut self, doing: &str, error: &io::Error) {
        self.mending = false;
        self.dirty = false;
        self.appender.abandon();
        self.core.latch(format!("{doing}: {error}"));
    }

    /// Empties the lanes into nothing, while there is no log to write to.
    fn discard(&mut self) {
        let mut next = 0;
        while !self.fill(&mut next) {}
    }

    // --- Orders --------------------------------------------------------------------------

    fn obey(&mut self) -> Next {
        let mut next = Next::Sleep;
        loop {
            let order = match self.orders.try_recv() {
                Ok(order) => order,
                Err(TryRecvError::Empty) => return next,
                Err(TryRecvError::Disconnected) => {
                    // The handle was dropped without closing: what is published is written.
                    let _ = self.finish();
                    return Next::End;
                }
            };
            next = Next::Again;
            match order {
                Order::Close(done) => {
                    let result = self.finish();
                    drop(done.send(result));
                    return Next::End;
                }
                Order::Heal(done) => drop(done.send(self.heal())),
                Order::Reopen(done) => drop(done.send(self.reopen())),
                Order::Rotate(done) => drop(done.send(self.rotate())),
                Order::Sync(done) => {
                    self.cycle();
                    self.sync_now();
                    drop(done.send(self.outcome().map(|()| self.core.durable())));
                }
                Order::Trim(covered, done) => {
                    let gone = self.appender.trim(covered);
                    self.note_extent();
                    drop(done.send(gone));
                }
            }
        }
    }

    /// The fault as a result.
    fn outcome(&self) -> io::Result<()> {
        self.core.fault().map_or(Ok(()), |reason| Err(io::Error::other(reason)))
    }

    /// Writes and syncs what is there. A block without entries at the end tells damage of the last
    /// one from a write that never finished.
    fn finish(&mut self) -> io::Result<()> {
        self.cycle();
        self.shared.epochs.raise_to(self.highest + 1);
        self.cycle();
        self.sync_now();
        if !self.core.is_faulty() && self.core.durable() >= self.marked {
            self.block.begin(self.appender.lead());
            let written = self.append(self.written);
            match written {
                Ok(()) => self.sync_now(),
                Err(error) => self.fail("writing the log", &error),
            }
        }
        self.core.wake();
        self.outcome()
    }

    /// Ends the current segment, so that it may go with the snapshot to come.
    fn rotate(&mut self) -> io::Result<()> {
        if self.core.is_faulty() || !self.appender.is_worth_ending() {
            return Ok(());
        }
        let begun = self.begin_next();
        if let Err(error) = &begun {
            self.fail("beginning a segment of the log", error);
        }
        begun
    }

    fn begin_next(&mut self) -> io::Result<()> {
        self.appender.set_largest_db(largest(&self.shared.key_counts()));
        self.appender.begin(Beginning {
            kind: Kind::Next,
            base: self.marked,
            highest: self.highest,
            synced: self.vouched,
        })
    }

    fn reopen(&mut self) -> io::Result<()> {
        if !self.core.is_faulty() {
            return Ok(());
        }
        // What this throws away, the snapshot to be cut has.
        let closed = self.close_epoch();
        self.discard();
        self.highest = self.highest.max(self.shared.epochs.current());
        self.appender.abandon();
        self.appender.begin(Beginning {
            kind: Kind::Gap,
            base: closed,
            highest: self.highest,
            synced: self.vouched,
        })?;
        self.marked = closed;
        self.written = self.written.max(closed);
        self.mending = true;
        Ok(())
    }

    fn heal(&mut self) -> io::Result<()> {
        if self.core.is_faulty() {
            if !self.mending {
                return self.outcome();
            }
            self.sync_now();
            if !self.mending {
                return self.outcome();
            }
            self.mending = false;
            self.core.heal();
            self.tell_durable(self.written);
        }
        Ok(())
    }
}

/// What follows the orders.
enum Next {
    Again,
    End,
    Sleep,
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
