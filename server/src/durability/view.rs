//! What one reactor knows of the log, read once per loop turn.
//!
//! Why it exists: a command asks several times whether its reply may leave and whether it may run
//! at all; the answers are shared words that the log thread writes, and are good for a turn.

use std::sync::Arc;

use engine::commands::{CommandSpec, Flags};
use zumic_error::DurabilityError;

use super::Durability;
use crate::connection::Multi;
use crate::settings::{AppendFsync, Settings};

/// Which commands may run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Standing {
    /// Only those that need no data: recovery runs.
    Loading,
    /// All.
    Normal,
    /// Those that write nothing: the last snapshot failed, and `save` rules want one.
    SnapshotFailed,
    /// Those that write nothing: the log stopped at an error.
    Stopped,
}

/// A reactor's view of the log.
#[derive(Debug)]
pub(crate) struct LogView {
    /// The shared side.
    pub(crate) durability: Arc<Durability>,
    /// Whether replies wait for the disk.
    pub(crate) gating: bool,
    /// Everything up to this epoch was on disk when the turn began.
    pub(crate) durable: u64,
    /// Which commands may run.
    pub(crate) standing: Standing,
    /// The journal of this reactor's session is set.
    pub(crate) loaded: bool,
    /// Clients in WAITAOF, each with the epoch it waits for.
    pub(crate) waits: Vec<(u64, u64)>,
}

impl LogView {
    /// As it is before recovery ended.
    #[must_use]
    pub(crate) fn new(durability: Arc<Durability>) -> Self {
        Self {
            durability,
            gating: false,
            durable: 0,
            standing: Standing::Loading,
            loaded: false,
            waits: Vec::new(),
        }
    }

    /// Looks at the shared words; whether anything moved that somebody may wait for.
    pub(crate) fn refresh(&mut self, settings: &Settings) -> bool {
        if !self.loaded {
            return false;
        }
        let durable = self.durability.durable_epoch();
        let standing = self.durability.standing(settings);
        self.gating = settings.durability.fsync == AppendFsync::Always;
        let moved = durable != self.durable || standing != self.standing;
        (self.durable, self.standing) = (durable, standing);
        moved
    }

    /// Whether everything up to `epoch` is on disk now.
    #[must_use]
    pub(crate) fn has(&self, epoch: u64) -> bool {
        self.loaded && self.durability.durable_epoch() >= epoch
    }

    /// Why a command must not run in this standing, if it must not.
    #[cold]
    pub(crate) fn refusal(
        &self,
        spec: &CommandSpec,
        multi: Option<&Multi>,
    ) -> Option<DurabilityError> {
        let is_exec = spec.name == "exec";
        let queued = |test: fn(&CommandSpec) -> bool| {
            is_exec && multi.is_some_and(|multi| multi.queue.iter().any(|q| test(q.spec)))
        };
        match self.standing {
            Standing::Normal => None,
            // The last reactor got its journal since this turn began.
            Standing::Loading if self.loaded && self.durability.is_open() => None,
            Standing::Loading => {
                let needs_data = |spec: &CommandSpec| !spec.flags.contains(Flags::LOADING);
                (needs_data(spec) || queued(needs_data)).then_some(DurabilityError::Loading)
            }
            Standing::SnapshotFailed | Standing::Stopped => {
                let writes = |spec: &CommandSpec| spec.flags.contains(Flags::WRITE);
                // PING answers the error as well, as in Redis: monitors look at it.
                let refused = writes(spec) || spec.name == "ping" || queued(writes);
                refused.then(|| self.disk_error())
            }
        }
    }

    fn disk_error(&self) -> DurabilityError {
        match self.durability.fault() {
            Some(fault) => DurabilityError::LogStopped(fault),
            None => DurabilityError::SnapshotFailed,
        }
    }
}
