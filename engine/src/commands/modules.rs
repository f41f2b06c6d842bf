//! Handlers: MODULE.
//!
//! Why it exists: tools and client libraries ask which modules there are before they use what
//! modules add, and must hear the truth: none. So there is LIST, and nothing that would load one.

use super::object::lines;
use crate::{Context, Halt};

type Outcome = Result<(), Halt>;
type Args<'a> = [&'a [u8]];

const HELP: &[&str] = &[
    "MODULE <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "LIST",
    "    Return a list of loaded modules.",
    "HELP",
    "    Prints this help.",
];

/// MODULE HELP
pub(super) fn help(context: &mut Context<'_>, _: &Args<'_>) -> Outcome {
    lines(context, HELP)
}

/// MODULE LIST
#[expect(clippy::unnecessary_wraps, reason = "a handler")]
pub(super) fn list(context: &mut Context<'_>, _: &Args<'_>) -> Outcome {
    context.sink().array(0);
    Ok(())
}
