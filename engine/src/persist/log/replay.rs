//! Runs the effects of entries on an engine that nobody else uses yet.
//!
//! Why it exists: the log holds commands, so the handlers that ran them first run them again, at
//! the time they ran at. Not for entries' order: see `recover`.

use zumic_error::{Error, ErrorKind};

use super::entry::Entry;
use super::recover::Receive;
use crate::{Engine, Session};

/// Applies entries one after the other.
pub(crate) struct Replay {
    session: Session,
}

impl Replay {
    pub(crate) fn new(engine: &Engine) -> Self {
        Self { session: engine.session() }
    }
}

impl Receive for Replay {
    fn entry(&mut self, entry: Entry<'_>) -> Result<(), Error> {
        let mut turn = self.session.enter(entry.now_ms);
        let mut words: Vec<&[u8]> = Vec::new();
        for effect in entry.effects() {
            words.clear();
            words.extend(effect.words());
            turn.replay(effect.db, entry.now_ms, &words).map_err(|error| {
                let name = words.first().map_or("", |name| str::from_utf8(name).unwrap_or("?"));
                let what = format!("the log's {name} of epoch {}: {error}", entry.tid.epoch());
                Error::new(ErrorKind::Damaged, what)
            })?;
        }
        Ok(())
    }
}
