//! What a script asks of the world around it.
//!
//! Why it exists: the VM knows no key, no log and no user. Who runs a script stands in for all
//! of them behind one trait, so that the VM can be tested, fuzzed and measured alone.

use super::reply::CallReply;

/// What a running script is told every so many instructions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Go on.
    GoOn,
    /// Stop with an error that the script cannot catch for good.
    Kill,
    /// The same for a library that takes too long to load.
    LoadTimeout,
}

/// How loud a line is that a script logs: `redis.LOG_DEBUG` to `redis.LOG_WARNING`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum LogLevel {
    /// 0.
    Debug,
    /// 1.
    Verbose,
    /// 2.
    Notice,
    /// 3.
    Warning,
}

/// What `redis.acl_check_cmd` finds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Permission {
    /// The user may run the command.
    Allowed,
    /// The user may not.
    Denied,
    /// There is no such command.
    Unknown,
}

/// The world of one script that runs.
///
/// Calls come from inside the Lua interpreter, on whatever stack the script runs on. A host may
/// suspend that stack in `call` and in `tick` and resume it later, on the same thread; meanwhile
/// the VM must not be used. It must not throw the stack away: a script ends only by being told
/// [`Verdict::Kill`].
pub trait ScriptHost {
    /// Runs a command and writes its reply, or its error, to `reply`, which is empty.
    ///
    /// What may not run from scripts is answered with an error like any other.
    fn call(&mut self, args: &[&[u8]], reply: &mut CallReply);

    /// Writes a line to the log.
    fn log(&mut self, level: LogLevel, line: &[u8]);

    /// Whether the user who runs the script may run a command.
    fn permission(&mut self, args: &[&[u8]]) -> Permission;

    /// The script has returned without an error. It is answered with what it returned if this is
    /// true; if not, nothing is written, because it is going to be run again.
    fn returned(&mut self) -> bool {
        true
    }

    /// Called every [`Limits::tick_instructions`](super::Limits) instructions, and as often in
    /// string searches that take long.
    fn tick(&mut self) -> Verdict;
}
