//! The scripts that run for longer than a slice, for those who want to stop them.
//!
//! Why it exists: SCRIPT KILL comes from any connection, on any reactor, while the script is
//! suspended on its own. It may stop a script that has not written, and only such a one; which of
//! the two came first is decided by one word.
//!
//! Ordering edges
//! - `script-fate`: the killer and the script's first write exchange one word; before the script
//!   is on the list it stores the word, and the list's lock carries that. Nothing else hangs on
//!   it: the script itself sees the verdict and stops.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zumic_error::ScriptError;

use crate::sync::{AtomicU32, Counter, Ordering};

const CLEAN: u32 = 0;
const WROTE: u32 = 1;
const KILLED: u32 = 2;

/// What runs, for FUNCTION STATS.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Label {
    /// The function's name; of a script, nothing.
    pub(crate) function: Option<Box<[u8]>>,
    /// The command with its arguments.
    pub(crate) command: Vec<Box<[u8]>>,
}

/// One running script.
#[derive(Debug, Default)]
pub(crate) struct Running {
    fate: AtomicU32,
    /// Milliseconds it has run, by its own clock, when it was last looked at.
    pub(crate) elapsed_ms: Counter,
    label: Mutex<Label>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whole values are stored; nothing is half-done behind a poisoned lock.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Running {
    /// Forgets the script before.
    pub(crate) fn reset(&self) {
        // ORDER(script-fate): Relaxed; nobody else knows of a script that just starts.
        self.fate.store(CLEAN, Ordering::Relaxed);
    }

    /// The script is about to write for the first time; false when it was killed before. Only one
    /// that is on the list of the long ones can have been.
    pub(crate) fn begin_to_write(&self, is_listed: bool) -> bool {
        if !is_listed {
            // ORDER(script-fate): Relaxed; nobody else knows of it before it is on the list, which
            // has a lock.
            self.fate.store(WROTE, Ordering::Relaxed);
            return true;
        }
        // ORDER(script-fate): Relaxed; the word alone decides.
        let was = self.fate.compare_exchange(CLEAN, WROTE, Ordering::Relaxed, Ordering::Relaxed);
        was != Err(KILLED)
    }

    /// What it wrote was undone.
    pub(crate) fn has_gone_back(&self) {
        // ORDER(script-fate): Relaxed; as above.
        let _ = self.fate.compare_exchange(WROTE, CLEAN, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Whether somebody killed it.
    #[inline]
    pub(crate) fn is_killed(&self) -> bool {
        // ORDER(script-fate): Relaxed; seen at a later look.
        self.fate.load(Ordering::Relaxed) == KILLED
    }

    /// Kills it; false when it has written.
    fn kill(&self) -> bool {
        // ORDER(script-fate): Relaxed; the word alone decides.
        let was = self.fate.compare_exchange(CLEAN, KILLED, Ordering::Relaxed, Ordering::Relaxed);
        was != Err(WROTE)
    }
}

/// Every script that has been suspended and has not ended.
#[derive(Debug, Default)]
pub(crate) struct LongScripts(Mutex<Vec<Arc<Running>>>);

impl LongScripts {
    /// Adds a script.
    pub(crate) fn add(&self, running: &Arc<Running>, label: Label) {
        *lock(&running.label) = label;
        lock(&self.0).push(Arc::clone(running));
    }

    /// Takes it off.
    pub(crate) fn remove(&self, running: &Arc<Running>) {
        lock(&self.0).retain(|other| !Arc::ptr_eq(other, running));
    }

    /// SCRIPT KILL and FUNCTION KILL: stops what has not written.
    ///
    /// # Errors
    /// The answer of the command when nothing was stopped.
    pub(crate) fn kill(&self, functions: bool) -> Result<(), ScriptError> {
        let scripts = lock(&self.0);
        let of_kind = |running: &Arc<Running>| lock(&running.label).function.is_some() == functions;
        let (ours, others): (Vec<_>, Vec<_>) = scripts.iter().cloned().partition(of_kind);
        if ours.is_empty() {
            return Err(match (others.is_empty(), functions) {
                (true, _) => ScriptError::NotBusy,
                (false, true) => ScriptError::Busy,
                (false, false) => ScriptError::BusyFunction,
            });
        }
        let killed = ours.iter().filter(|running| running.kill()).count();
        if killed > 0 { Ok(()) } else { Err(ScriptError::Unkillable) }
    }

    /// Whether a script has run for so long that nobody should wait for it: `Some`, and whether it
    /// is a function.
    pub(crate) fn overdue(&self, patience_ms: u64) -> Option<bool> {
        let scripts = lock(&self.0);
        let mut overdue = scripts.iter().filter(|running| running.elapsed_ms.get() >= patience_ms);
        overdue.next().map(|running| lock(&running.label).function.is_some())
    }

    /// The function that runs longest, and for how long in milliseconds.
    pub(crate) fn longest_function(&self) -> Option<(Label, u64)> {
        let scripts = lock(&self.0);
        let functions = scripts.iter().filter(|running| lock(&running.label).function.is_some());
        let longest = functions.max_by_key(|running| running.elapsed_ms.get())?;
        Some((lock(&longest.label).clone(), longest.elapsed_ms.get()))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_not_written_is_killed() {
        let scripts = LongScripts::default();
        assert_eq!(scripts.kill(false), Err(ScriptError::NotBusy));
        let running = Arc::new(Running::default());
        scripts.add(&running, Label::default());
        assert_eq!(scripts.kill(true), Err(ScriptError::Busy));
        assert!(running.begin_to_write(true));
        assert_eq!(scripts.kill(false), Err(ScriptError::Unkillable));
        running.has_gone_back();
        assert_eq!(scripts.kill(false), Ok(()));
        assert!(running.is_killed() && !running.begin_to_write(true));
        scripts.remove(&running);
        let function = Label { function: Some((*b"f").into()), ..Label::default() };
        running.reset();
        scripts.add(&running, function.clone());
        assert_eq!(scripts.kill(false), Err(ScriptError::BusyFunction));
        assert_eq!(scripts.longest_function(), Some((function, 0)));
        running.elapsed_ms.set(20);
        assert_eq!((scripts.overdue(21), scripts.overdue(20)), (None, Some(true)));
        assert_eq!(scripts.kill(true), Ok(()));
    }
}
