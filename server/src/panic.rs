//! What a panic does: end the process, with a message that names the command (I9).
//!
//! Why it exists: a thread that died while it held something would leave it held, or half-edited.
//! The log (to come) has the acknowledged writes; a restart is the safe way on.

use std::cell::Cell;
use std::panic;
use std::process;

thread_local! {
    static CURRENT: Cell<&'static str> = const { Cell::new("") };
}

/// Notes the command that this thread runs.
#[inline]
pub(crate) fn set_current(command: &'static str) {
    CURRENT.set(command);
}

/// Makes every panic of the process end it.
pub(crate) fn abort_on_panic() {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        report(info);
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("unnamed");
        match CURRENT.get() {
            "" => tracing::error!("panic on thread {thread}; the process ends"),
            command => {
                tracing::error!(
                    "panic on thread {thread} in command '{command}'; the process ends"
                );
            }
        }
        process::abort();
    }));
}
