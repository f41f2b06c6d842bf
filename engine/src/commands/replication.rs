//! Handlers: waiting for copies of what was written.
//!
//! Why it exists: clients call these after important writes, and must hear the truth: there are no
//! replicas, and no log.

use zumic_error::CommandError;

use super::blocking;
use super::number::parse_integer;
use crate::{Context, Halt};

type Outcome = Result<(), Halt>;
type Args<'a> = [&'a [u8]];

/// WAIT numreplicas timeout
pub(super) fn wait(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let replicas = parse_integer(args[1])?;
    let until_ms = blocking::milliseconds(context, args[2])?;
    if replicas > 0 && context.may_wait() {
        return Err(context.wait(until_ms, None));
    }
    context.sink().integer(0);
    Ok(())
}

/// WAITAOF numlocal numreplicas timeout
pub(super) fn waitaof(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let local = parse_integer(args[1])?;
    if !(0..=1).contains(&local) {
        return Err(CommandError::NotInRange { min: 0, max: 1 }.into());
    }
    let replicas = parse_integer(args[2])?;
    if replicas < 0 {
        return Err(CommandError::NotPositive.into());
    }
    let until_ms = blocking::milliseconds(context, args[3])?;
    if local > 0 {
        return Err(CommandError::WaitAofWithoutLog.into());
    }
    if replicas > 0 && context.may_wait() {
        return Err(context.wait(until_ms, None));
    }
    let sink = context.sink();
    sink.array(2);
    sink.integer(0);
    sink.integer(0);
    Ok(())
}
