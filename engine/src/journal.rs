//! Where a write's log entry is built.
//!
//! Why it exists: the log and whoever follows the store need the effect of every write, in an
//! order that agrees with the keyspace along each key. An effect is staged before the write is
//! published, published with the write's TID after it, and withdrawn if the write lost its race,
//! so a failed write leaves nothing.

use crate::tid::Tid;

/// Receives the effects of one session's writes.
///
/// Calls come as `stage`* then one of `publish` or `withdraw`. All effects between two
/// publications belong to one transaction: one entry with one TID. The TIDs of one session only
/// grow.
///
/// An effect is a command in the words of the protocol, `SET key value` or `DEL key`, whose
/// outcome depends on its own key's value, its words and the entry's time alone.
pub trait Journal: std::fmt::Debug + Send {
    /// Adds an effect on a database to the entry. Not visible to anybody yet.
    fn stage(&mut self, db: u16, words: &[&[u8]]);
    /// The staged effects happened, all at once, as version `tid`, in a turn at `now_ms`.
    fn publish(&mut self, tid: Tid, now_ms: u64);
    /// The staged effects did not happen.
    fn withdraw(&mut self);
    /// The turn has ended: what it published may be taken.
    fn turn_ended(&mut self);
    /// Whether so much waits for the disk that commands which write had better wait, too. Cost:
    /// a load.
    fn is_congested(&self) -> bool;
    /// Why nothing more can be written, if that is so. Cost: a load while all is well.
    fn fault(&self) -> Option<String>;
}

/// Makes journals for sessions that the engine begins on its own, which are those of scripts.
pub trait JournalSource: std::fmt::Debug + Send + Sync {
    /// A journal for one more session.
    fn make(&self) -> Box<dyn Journal>;
}
