//! What the engine and its host say to each other about a command.
//!
//! Why it exists: handlers stop for reasons that only the host can act on (a busy key, a wait), and
//! some commands are the host's own.

use zumic_error::CommandError;

use crate::Context;
use crate::commands::{CommandSpec, HostCommand};

/// Why a handler stopped without a reply.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Halt {
    /// A key is held elsewhere for longer than a spin: park the command and run it again.
    Busy,
    /// The command failed; the caller writes this reply.
    Error(CommandError),
    /// There is nothing to take yet: run the command again when one of its keys has changed.
    Wait(Wait),
}

/// How a blocking command waits.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wait {
    /// Unix time in milliseconds when it gives up; `None` for never.
    pub until_ms: Option<u64>,
    /// The arguments to run again with, where they are not those of the first run (XREAD's `$`).
    pub args: Option<Vec<Vec<u8>>>,
}

impl From<CommandError> for Halt {
    fn from(error: CommandError) -> Self {
        Self::Error(error)
    }
}

/// The side of a command that is not about data: connections, settings, the process.
pub trait Host {
    /// Runs a command whose handler is [`Handler::Host`](crate::commands::Handler::Host).
    ///
    /// # Errors
    /// As a handler: nothing was written to the sink.
    fn run(
        &mut self,
        context: &mut Context<'_>,
        command: HostCommand,
        spec: &'static CommandSpec,
        args: &[&[u8]],
    ) -> Result<(), Halt>;

    /// A clock for durations, in microseconds. Where it stands still, scripts run to their end
    /// without a pause.
    fn clock_us(&mut self) -> u64 {
        0
    }

    /// What the running script asked of the host did not happen: it is about to start again.
    fn undone(&mut self) {}

    /// A script is about to run this command on its client's behalf, in this database.
    fn scripted(&mut self, _spec: &'static CommandSpec, _db: u16, _args: &[&[u8]]) {}

    /// A command of a transaction has run, in this database; `failed`: it answered an error.
    fn executed(&mut self, _spec: &'static CommandSpec, _db: u16, _args: &[&[u8]], _failed: bool) {}

    /// A script writes a line to the log, at one of Redis's levels: 0 for debugging to 3 for
    /// warnings.
    fn log_line(&mut self, _level: u8, _line: &[u8]) {}
}

/// A command waiting for EXEC, with arguments of its own.
#[derive(Debug)]
pub struct Queued {
    /// Its row.
    pub spec: &'static CommandSpec,
    /// Its arguments, name first.
    pub args: Vec<Vec<u8>>,
}

/// A host without commands, for what never asks one: it panics when a row is the host's.
#[derive(Clone, Copy, Debug)]
pub struct NoHost;

impl Host for NoHost {
    fn run(
        &mut self,
        _: &mut Context<'_>,
        _: HostCommand,
        spec: &'static CommandSpec,
        _: &[&[u8]],
    ) -> Result<(), Halt> {
        unreachable!("{} is the host's", spec.name)
    }
}
