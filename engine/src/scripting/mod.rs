//! Scripts and functions: how they run, atomically, on every core.
//!
//! Why it exists: a script is a transaction whose keys are not all known before it runs, and that
//! may run for long. Reading order: `unit` (one script as a transaction), `fiber` (a stack that can
//! be left), `job` (what a fiber does), `program` (from EVAL to the interpreter), `side` (what a
//! script reaches), `runner` (the scripts of a reactor), `running` (stopping one from outside),
//! `bodies` (where scripts are kept), `lua` (the interpreter). Taking keys on the way and going
//! back is in `gentle`, the token that keeps two scripts from waiting for each other in
//! `escalation`.

mod bodies;
pub(crate) mod checked;
mod fiber;
mod gate;
mod job;
pub(crate) mod libraries;
pub mod lua;
mod program;
mod runner;
mod running;
mod side;
#[cfg(all(test, not(loom)))]
mod tests;
mod unit;

pub use runner::{Progress, Scripts};

use std::sync::{Arc, Mutex, PoisonError};

use crate::sync::{AtomicU64, Counter, Ordering};
use bodies::Bodies;
use libraries::Libraries;
use running::LongScripts;

/// A reading of what scripts take.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ScriptStats {
    /// Scripts that are kept.
    pub scripts: u64,
    /// Bytes of their bodies.
    pub script_bytes: u64,
    /// Bytes of the interpreters' values.
    pub vm_bytes: u64,
    /// Libraries of functions.
    pub libraries: u64,
    /// Functions in them.
    pub functions: u64,
}

/// What all sessions share about scripts.
#[derive(Debug)]
pub(crate) struct Scripting {
    pub(crate) bodies: Bodies,
    pub(crate) libraries: Libraries,
    pub(crate) long: LongScripts,
    patience_ms: AtomicU64,
    /// Bytes of each interpreter.
    vms: Mutex<Vec<Arc<Counter>>>,
}

impl Default for Scripting {
    fn default() -> Self {
        Self {
            bodies: Bodies::default(),
            libraries: Libraries::default(),
            long: LongScripts::default(),
            patience_ms: AtomicU64::new(5_000),
            vms: Mutex::default(),
        }
    }
}

impl Scripting {
    /// A place for the bytes of an interpreter. Places of interpreters that ended are used again.
    pub(crate) fn register_vm(&self) -> Arc<Counter> {
        let mut vms = self.vms.lock().unwrap_or_else(PoisonError::into_inner);
        vms.retain(|bytes| Arc::strong_count(bytes) > 1);
        let bytes = Arc::<Counter>::default();
        vms.push(Arc::clone(&bytes));
        bytes
    }

    /// Bytes of all interpreters.
    pub(crate) fn vm_bytes(&self) -> u64 {
        let vms = self.vms.lock().unwrap_or_else(PoisonError::into_inner);
        vms.iter().map(|bytes| bytes.get()).sum()
    }

    /// The same as [`LongScripts::overdue`], by the setting; 0 there is for ever.
    pub(crate) fn overdue(&self) -> Option<bool> {
        let patience_ms = self.patience_ms();
        if patience_ms > 0 { self.long.overdue(patience_ms) } else { None }
    }

    /// `busy-reply-threshold`.
    pub(crate) fn patience_ms(&self) -> u64 {
        // ORDER: Relaxed (unpaired); a setting.
        self.patience_ms.load(Ordering::Relaxed)
    }

    /// `busy-reply-threshold`.
    pub(crate) fn set_patience_ms(&self, milliseconds: u64) {
        // ORDER: Relaxed (unpaired); a setting.
        self.patience_ms.store(milliseconds, Ordering::Relaxed);
    }
}

impl crate::Context<'_> {
    /// Logs a command that has changed the libraries; the store is this session's.
    pub(crate) fn log_libraries(&mut self, words: &[&[u8]]) {
        self.stage(0, words);
    }
}
