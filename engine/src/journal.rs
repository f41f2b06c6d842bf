//! Where a write's log entry is built.
//!
//! Why it exists: the log (to come) and whoever follows the store need the effect of every
//! write, in an order that agrees with the keyspace along each key. An effect is staged before
//! the write is published, published with the write's TID after it, and withdrawn if the write
//! lost its race, so a failed write leaves nothing.

use crate::Record;
use crate::tid::Tid;

/// What a write did to one key.
#[derive(Clone, Copy, Debug)]
pub enum Effect<'e> {
    /// The key holds this record now (its value, its deadline).
    Put(&'e Record),
    /// The key is gone.
    Remove(&'e [u8]),
    /// The database is empty.
    Flush,
    /// The database changed places with this one.
    Swap(u16),
}

/// Receives the effects of one session's writes.
///
/// Calls come as `stage`* then one of `publish` or `withdraw`. All effects between two
/// publications belong to one transaction.
pub trait Journal: std::fmt::Debug + Send {
    /// Prepares an effect on a database. Not visible to anybody yet.
    fn stage(&mut self, db: u16, effect: Effect<'_>);
    /// The staged effects happened, all at once, as version `tid`.
    fn publish(&mut self, tid: Tid);
    /// The staged effects did not happen.
    fn withdraw(&mut self);
}
