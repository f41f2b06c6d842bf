//! A key on its way: its version here, its value as a payload.

use engine::commands::lookup;
use engine::persist::rdb::seal;
use engine::persist::rdb::value::Style;
use engine::reply::Discard;
use engine::{Halt, NoHost, Queued, Scope, Session};
use protocol::{Version, encode_request};

use crate::clock;
use crate::output::Output;
use crate::reply::Reply;

/// What EXEC answers in version 2 when a watched key has changed.
const CHANGED: &[u8] = b"*-1\r\n";

/// A key and what it held.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) key: Vec<u8>,
    /// The epoch of what it held.
    pub(super) epoch: u64,
    /// The payload, and when the key ends; `None` when the key was absent.
    value: Option<(Vec<u8>, Option<u64>)>,
    /// Watches the key.
    scope: Scope,
}

impl Parcel {
    /// Reads a key, and watches it from before that.
    ///
    /// # Errors
    /// [`Halt::Busy`]: nothing happened; try again.
    pub(super) fn pack(session: &mut Session, db: u16, key: &[u8]) -> Result<Self, Halt> {
        let mut turn = session.enter(clock::now_ms());
        turn.reset_seen();
        let mut scope = Scope::default();
        scope.db = db;
        let value = turn.with(&mut scope, &mut Discard, |context| {
            context.watch(&[key])?;
            context
                .read_value(key, |record, value| (seal(value, Style::REDIS), record.expire_at_ms()))
        });
        match value {
            Ok(value) => Ok(Self { key: key.to_vec(), epoch: turn.seen_epoch(), value, scope }),
            Err(halt) => {
                turn.unwatch(&mut scope);
                Err(halt)
            }
        }
    }

    pub(super) fn is_absent(&self) -> bool {
        self.value.is_none()
    }

    /// Appends the request that makes it the same over there.
    pub(super) fn write(&mut self, requests: &mut Vec<u8>, now_ms: u64, replace: bool) {
        let Some((payload, deadline)) = &self.value else {
            encode_request(requests, &[&b"DEL"[..], &self.key]);
            return;
        };
        // As Redis does: what is about to end has a millisecond left, so that it ends there.
        let left_ms = deadline.map_or(0, |deadline| deadline.saturating_sub(now_ms).max(1));
        let left_ms = left_ms.to_string();
        let mut words = vec![&b"RESTORE"[..], &self.key, left_ms.as_bytes(), payload];
        if replace {
            words.push(b"REPLACE");
        }
        encode_request(requests, &words);
    }

    /// Removes the key if it is what was read: the epoch of that. `None` when it has changed.
    ///
    /// # Errors
    /// [`Halt::Busy`]: nothing happened; try again. An error: nothing can be written.
    pub(super) fn remove(&mut self, session: &mut Session) -> Result<Option<u64>, Halt> {
        let mut turn = session.enter(clock::now_ms());
        turn.reset_seen();
        let spec = lookup(b"del").expect("a command of the table");
        let queue = [Queued { spec, args: vec![b"DEL".to_vec(), self.key.clone()] }];
        let mut output = Output::default();
        let mut reply = Reply::new(&mut output, Version::Two);
        let done =
            turn.with(&mut self.scope, &mut reply, |context| context.exec(&mut NoHost, &queue));
        if let Err(Halt::Error(_)) = done {
            turn.unwatch(&mut self.scope);
        }
        done?;
        let epoch = turn.seen_epoch();
        Ok((output.tail() != CHANGED).then_some(epoch))
    }

    /// Forgets the version.
    pub(super) fn unwatch(&mut self, session: &mut Session) {
        session.enter(clock::now_ms()).unwatch(&mut self.scope);
    }
}
