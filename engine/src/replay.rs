//! Effects done again, and what a reply depends on.
//!
//! Why it exists: recovery runs the commands that writes left in the log (effect.rs) through the
//! same handlers, at the time they were made; the host holds replies back until everything they
//! tell of is in the log. Not for the order of effects: that is the log's.

use zumic_error::CommandError;

use crate::commands::{CommandSpec, Handler};
use crate::effect::EffectForm;
use crate::host::{Halt, NoHost};
use crate::reply::Failures;
use crate::{Scope, Turn};

impl Turn<'_> {
    /// The epoch that has to be durable before the replies since [`Turn::reset_seen`] may leave:
    /// the highest of any version that commands looked at or wrote, deleted keys included. Zero
    /// without a journal.
    #[must_use]
    pub fn seen_epoch(&self) -> u64 {
        match self.state.journal {
            None => 0,
            Some(_) => self.state.seen.max(self.shared().rooted.get()),
        }
    }

    /// Begins to note afresh what is looked at: before a command, or a batch of one connection.
    #[inline]
    pub fn reset_seen(&mut self) {
        self.state.seen = 0;
    }

    /// Does an effect of the log again, as of `now_ms`: what [`crate::Journal::stage`] was given.
    ///
    /// Nothing is logged, evicted, notified or waited for. Effects of one key have to come in the
    /// order of their TIDs; those of other keys may come at the same time in other sessions, but
    /// for effects of several keys and of whole databases.
    ///
    /// # Errors
    /// [`ReplayError`]. All but `Busy` mean that the log is not one of this store.
    ///
    /// # Panics
    /// If the session has a journal.
    pub fn replay(&mut self, db: u16, now_ms: u64, words: &[&[u8]]) -> Result<(), ReplayError> {
        assert!(self.state.journal.is_none(), "what comes from the log does not go there");
        let spec = effect_row(words).ok_or(ReplayError::NotAnEffect)?;
        if usize::from(db) >= self.shared().databases.len() {
            return Err(ReplayError::DatabaseUnknown(db));
        }
        self.commands += 1;
        let mut scope = Scope { db, no_touch: true, ..Scope::default() };
        let mut failures = Failures::default();
        let mut context = self.context(&mut scope, &mut failures);
        (context.now_ms, context.may_wait, context.replays) = (now_ms, false, true);
        let done = context.prepare_and_call(&mut NoHost, spec, words);
        drop(context);
        match done {
            Ok(()) => failures.0.map_or(Ok(()), |error| Err(ReplayError::Refused(error))),
            Err(Halt::Busy) => Err(ReplayError::Busy),
            Err(Halt::Error(error)) => Err(ReplayError::Refused(error)),
            Err(Halt::Wait(_)) => unreachable!("it may not wait"),
        }
    }

    /// Counts as its own what a nested session saw.
    pub fn adopt_seen(&mut self, epoch: u64) {
        self.state.seen = self.state.seen.max(epoch);
    }
}

/// Why an effect could not be done again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ReplayError {
    /// A key, or the store, is held elsewhere: try again.
    Busy,
    /// It names a database that there is not.
    DatabaseUnknown(u16),
    /// It is no command that writes, or has the wrong number of words.
    NotAnEffect,
    /// It answered an error, which no effect does on the value it was made on.
    Refused(CommandError),
}

impl std::fmt::Display for ReplayError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Busy => f.write_str("a key is held elsewhere"),
            Self::DatabaseUnknown(db) => write!(f, "there is no database {db}"),
            Self::NotAnEffect => f.write_str("the command is no effect of a write"),
            Self::Refused(error) => write!(f, "the command failed: {error}"),
        }
    }
}

impl std::error::Error for ReplayError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Refused(error) => Some(error),
            Self::Busy | Self::DatabaseUnknown(_) | Self::NotAnEffect => None,
        }
    }
}

/// The row of an effect.
pub(crate) fn effect_row(words: &[&[u8]]) -> Option<&'static CommandSpec> {
    let row = crate::commands::lookup(words.first()?)?;
    let row = if row.subcommands.is_empty() { row } else { row.subcommand(words.get(1)?)? };
    let runs = matches!(row.handler, Handler::Engine(_)) && row.effect != EffectForm::None;
    (runs && row.accepts(words.len())).then_some(row)
}
