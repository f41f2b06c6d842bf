//! Runs the effects of entries on an engine that nobody else uses yet.
//!
//! Why it exists: the log holds commands, so the handlers that ran them first run them again, at
//! the time they ran at. Not for entries' order: see `recover`.

use zumic_error::{Error, ErrorKind};

use super::entry::Entry;
use super::recover::Receive;
use crate::commands::{CommandSpec, HostCommand, lookup};
use crate::reply::Discard;
use crate::{Context, Engine, Halt, Host, Scope, Session};

/// Applies entries one after the other.
pub(crate) struct Replay {
    session: Session,
    scope: Scope,
}

/// The log has no command of a host's.
struct NoHost;

impl Host for NoHost {
    fn run(
        &mut self,
        _: &mut Context<'_>,
        _: HostCommand,
        _: &'static CommandSpec,
        _: &[&[u8]],
    ) -> Result<(), Halt> {
        Err(Halt::Busy)
    }
}

impl Replay {
    pub(crate) fn new(engine: &Engine) -> Self {
        Self { session: engine.session(), scope: Scope::default() }
    }
}

impl Receive for Replay {
    fn entry(&mut self, entry: Entry<'_>) -> Result<(), Error> {
        let mut turn = self.session.enter(entry.now_ms);
        let mut words: Vec<&[u8]> = Vec::new();
        for effect in entry.effects() {
            words.clear();
            words.extend(effect.words());
            let row = lookup(words[0]).filter(|row| row.accepts(words.len()));
            self.scope.db = effect.db;
            let done =
                row.map(|row| turn.run(&mut self.scope, &mut NoHost, row, &words, &mut Discard));
            if !matches!(done, Some(Ok(()))) {
                let name = String::from_utf8_lossy(words[0]);
                let what = format!("the log's {name} of epoch {} fails", entry.tid.epoch());
                return Err(Error::new(ErrorKind::Damaged, what));
            }
        }
        Ok(())
    }
}
