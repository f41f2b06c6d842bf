//! Whole values: removed when they have expired, moved and copied between keys.
//!
//! Why it exists: these do to a value of any type what `Context::update` does to a string, with
//! the latch of its object where it has one (collection/mod.rs, Y1).

use crate::context::{Context, Mode};
use crate::events::Class;
use crate::follow::Changed;
use crate::host::Halt;
use crate::record::{Header, NewRecord, Record, Value};
use crate::tid::Tid;

impl<'s> Context<'s> {
    /// Deletes a record whose deadline has passed, if it still holds.
    pub(crate) fn expire(&mut self, db: u16, hash: u64, expired: *mut Header) -> bool {
        // SAFETY: found under this turn's guard (X1).
        let record: &'s Record = unsafe { Record::from_raw(expired) };
        let done = self.remove_exactly(db, hash, expired, record);
        if done {
            self.own.expired.add(1);
            self.notify_in(db, Class::Expired, "expired", record.key());
        }
        done
    }

    /// Tells who follows the store that a key changed.
    #[inline]
    pub(crate) fn changed(&mut self, db: u16, hash: u64, key: &[u8]) {
        if self.shared.followers.are_there(hash) {
            self.state.changes.keys.push(Changed { db, key: key.into() });
        }
    }

    /// Deletes `record` if the key still holds it.
    pub(crate) fn remove_exactly(
        &mut self,
        db: u16,
        hash: u64,
        pointer: *mut Header,
        record: &'s Record,
    ) -> bool {
        let key = record.key();
        match self.spot(db, hash, key) {
            Ok(Some(spot)) if spot.pointer == pointer => {
                let Ok(_hold) = self.hold_spot(Some(spot)) else { return false };
                let tombstone = NewRecord::new(key, Value::Tombstone, None);
                let removed = self.publish(db, hash, key, Some(spot), tombstone);
                if let Some(tid) = removed {
                    self.log_removed(db, key, tid);
                }
                removed.is_some()
            }
            _ => false,
        }
    }

    /// Stores the value of `record`, of any type, under `key`, replacing what is there. A
    /// collection is copied if `copied`, and else shared: then `record`, which is in the selected
    /// database, has to go.
    ///
    /// The dispatcher has taken the record's key.
    ///
    /// # Errors
    /// As [`Context::update`].
    pub fn put_value(
        &mut self,
        db: u16,
        key: &[u8],
        record: &Record,
        expire_at_ms: Option<u64>,
        copied: bool,
    ) -> Result<(), Halt> {
        let hash = self.hash(key);
        let copy = match record.object() {
            // SAFETY: the key is taken, and with it the object (collection.rs, Y3).
            Some(object) if copied => Some(unsafe { object.duplicate() }),
            _ => None,
        };
        if !copied {
            self.surrender(self.scope.db, record);
        }
        loop {
            let value = copy.clone().map_or_else(|| record.value(), Value::Object);
            let new = NewRecord::new(key, value, expire_at_ms);
            new.set_access(record.access());
            let staged = self.is_logged() && self.stage_record(db, key, new.as_record());
            if matches!(self.mode, Mode::Single(_) | Mode::Transaction(_)) {
                self.write_owned(db, hash, key, new);
                self.notify_created(db, key, false);
                if !staged {
                    self.owe(Tid::ZERO);
                }
                return Ok(());
            }
            let spot = self.spot(db, hash, key)?;
            let _hold = self.hold_spot(spot)?;
            if let Some(tid) = self.publish(db, hash, key, spot, new) {
                self.notify_created(db, key, false);
                if staged {
                    self.publish_staged(tid);
                } else {
                    self.owe(tid);
                }
                return Ok(());
            }
            if staged {
                self.withdraw();
            }
            self.own.retries.add(1);
        }
    }
}
