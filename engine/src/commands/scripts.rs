//! Handlers: the scripts that are kept.
//!
//! Why it exists: what runs a script is `scripting`; here is what clients ask about the scripts
//! themselves.

use zumic_error::ScriptError;

use crate::scripting::checked;
use crate::{Context, Halt};

type Outcome = Result<(), Halt>;
type Args<'a> = [&'a [u8]];

const HELP: &[&str] = &[
    "SCRIPT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "EXISTS <sha1> [<sha1> ...]",
    "    Return information about the existence of the scripts in the script cache.",
    "FLUSH [ASYNC|SYNC]",
    "    Flush the Lua scripts cache. Very dangerous on replicas.",
    "    When called without the optional mode argument, the behavior is determined by the",
    "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
    "    * ASYNC: Asynchronously flush the scripts cache.",
    "    * SYNC: Synchronously flush the scripts cache.",
    "KILL",
    "    Kill the currently executing Lua script.",
    "LOAD <script>",
    "    Load a script into the scripts cache without executing it.",
    "SHOW <sha1>",
    "    Show a script in the scripts cache.",
    "HELP",
    "    Prints this help.",
];

/// Whether the only option of a flush is one; there is nothing to do later for either.
pub(super) fn is_flush_mode(args: &Args<'_>) -> bool {
    match args {
        [] => true,
        [mode] => mode.eq_ignore_ascii_case(b"sync") || mode.eq_ignore_ascii_case(b"async"),
        _ => false,
    }
}

/// SCRIPT EXISTS sha1 [sha1 ...]
pub(super) fn script_exists(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let bodies = &context.shared.scripting.bodies;
    context.sink.array(args.len() - 2);
    for sha in &args[2..] {
        context.sink.integer(i64::from(bodies.find_any_case(sha).is_some()));
    }
    Ok(())
}

/// SCRIPT FLUSH [ASYNC | SYNC]
pub(super) fn script_flush(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    if !is_flush_mode(&args[2..]) {
        return Err(Halt::Error(ScriptError::FlushOption("SCRIPT FLUSH only support").into()));
    }
    context.shared.scripting.bodies.flush();
    context.sink.simple("OK");
    Ok(())
}

/// SCRIPT HELP
pub(super) fn script_help(context: &mut Context<'_>, _: &Args<'_>) -> Outcome {
    context.sink.array(HELP.len());
    HELP.iter().for_each(|line| context.sink.simple(line));
    Ok(())
}

/// SCRIPT KILL
pub(super) fn script_kill(context: &mut Context<'_>, _: &Args<'_>) -> Outcome {
    context.shared.scripting.long.kill(false).map_err(|error| Halt::Error(error.into()))?;
    context.sink.simple("OK");
    Ok(())
}

/// SCRIPT LOAD script
pub(super) fn script_load(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let body = checked::script(args[2]).map_err(Halt::Error)?;
    let body = context.shared.scripting.bodies.insert(body, true);
    context.sink.bulk(&body.sha);
    Ok(())
}

/// SCRIPT SHOW sha1
pub(super) fn script_show(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let found = context.shared.scripting.bodies.find_any_case(args[2]);
    let body = found.ok_or_else(|| Halt::Error(ScriptError::NotFound.into()))?;
    context.sink.bulk(&body.source);
    Ok(())
}
