//! How far a recovery is, for those who wait for it.

use crate::sync::{AtomicU32, Counter, Ordering};

/// What a recovery is doing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// Looking what is there.
    Looking,
    /// Reading a snapshot.
    Snapshot,
    /// Applying the log.
    Log,
    /// Reading a dump file of Redis.
    Dump,
    /// Done.
    Done,
}

/// Counters that the recovering thread writes and any other reads.
#[derive(Debug, Default)]
pub struct Progress {
    stage: AtomicU32,
    bytes: Counter,
    bytes_total: Counter,
    entries: Counter,
}

impl Progress {
    /// What it is doing.
    #[must_use]
    pub fn stage(&self) -> Stage {
        // ORDER: Relaxed (unpaired); a report.
        match self.stage.load(Ordering::Relaxed) {
            0 => Stage::Looking,
            1 => Stage::Snapshot,
            2 => Stage::Log,
            3 => Stage::Dump,
            _ => Stage::Done,
        }
    }

    fn set_stage(&self, stage: Stage) {
        // ORDER: Relaxed (unpaired); a report.
        self.stage.store(stage as u32, Ordering::Relaxed);
    }

    /// Bytes read in this stage, and all of them; the second is 0 while it is not known.
    #[must_use]
    pub fn bytes(&self) -> (u64, u64) {
        (self.bytes.get(), self.bytes_total.get())
    }

    /// Log entries applied, or keys loaded.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries.get()
    }

    /// A stage begins that reads `bytes_total` bytes.
    pub fn begin(&self, stage: Stage, bytes_total: u64) {
        self.bytes.set(0);
        self.entries.set(0);
        self.bytes_total.set(bytes_total);
        self.set_stage(stage);
    }

    /// More bytes were read, and so many entries or keys are in by now. One thread calls this.
    pub fn advance(&self, bytes: u64, entries: u64) {
        self.bytes.add(bytes);
        self.entries.set(entries);
    }

    /// Everything is there.
    pub fn finish(&self) {
        self.set_stage(Stage::Done);
    }
}
