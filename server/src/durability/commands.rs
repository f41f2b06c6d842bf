//! SAVE, BGSAVE, BGREWRITEAOF, LASTSAVE and WAITAOF.
//!
//! Why it exists: the answers are Redis's to the letter, because operators' scripts match on them.
//! No command waits on its reactor: SAVE parks its connection until the snapshot is there, and
//! everybody else goes on.

use engine::commands::{HostCommand, WaitAof};
use engine::{Context, Halt};
use zumic_error::{CommandError, DurabilityError};

use super::{Asked, Durability, Purpose, Waiter};
use crate::connection::Waiting;
use crate::dispatch::ConnectionHost;

type Outcome = Result<(), Halt>;

/// Runs one of them.
pub(crate) fn run(
    host: &mut ConnectionHost<'_>,
    context: &mut Context<'_>,
    command: HostCommand,
    args: &[&[u8]],
) -> Outcome {
    match command {
        HostCommand::BgRewriteAof => rewrite(host, context),
        HostCommand::BgSave => save_behind(host, context, args),
        HostCommand::LastSave => {
            let saved = host.core.shared.admin.saved_at_s();
            context.sink().integer(saved.cast_signed());
            Ok(())
        }
        HostCommand::Save => save(host),
        HostCommand::WaitAof => wait_for_log(host, context, args),
        other => unreachable!("{other:?} is not about durability"),
    }
}

fn durability<'h>(host: &'h ConnectionHost<'_>) -> Result<&'h Durability, CommandError> {
    let durability = host.core.shared.durability.as_deref();
    durability.ok_or(CommandError::Durability(DurabilityError::NothingOnDisk))
}

/// BGREWRITEAOF
fn rewrite(host: &ConnectionHost<'_>, context: &mut Context<'_>) -> Outcome {
    let asked = durability(host)?.ask(Purpose::Rewrite, true, None)?;
    context.sink().simple(match asked {
        Asked::Scheduled => "Background append only file rewriting scheduled",
        Asked::Started => "Background append only file rewriting started",
    });
    Ok(())
}

/// BGSAVE [SCHEDULE]
fn save_behind(host: &ConnectionHost<'_>, context: &mut Context<'_>, args: &[&[u8]]) -> Outcome {
    let schedule = match &args[1..] {
        [] => false,
        [word] if word.eq_ignore_ascii_case(b"SCHEDULE") => true,
        _ => return Err(CommandError::Syntax.into()),
    };
    let asked = durability(host)?.ask(Purpose::Save, schedule, None)?;
    context.sink().simple(match asked {
        Asked::Scheduled => "Background saving scheduled",
        Asked::Started => "Background saving started",
    });
    Ok(())
}

/// SAVE: answered when the snapshot is on disk.
fn save(host: &mut ConnectionHost<'_>) -> Outcome {
    let waiter = Waiter::Client(host.core.index, host.state.record.id);
    durability(host)?.ask(Purpose::Save, true, Some(waiter))?;
    host.state.waiting = Some(Waiting::Answer);
    Ok(())
}

/// WAITAOF numlocal numreplicas timeout
fn wait_for_log(
    host: &mut ConnectionHost<'_>,
    context: &mut Context<'_>,
    args: &[&[u8]],
) -> Outcome {
    let wanted = WaitAof::parse(context, args)?;
    let log = host.core.log.as_ref();
    if wanted.local && log.is_none() {
        return Err(CommandError::WaitAofWithoutLog.into());
    }
    let epoch = host.state.epoch;
    let logged = log.is_some_and(|log| log.has(epoch));
    let enough = wanted.replicas == 0 && (logged || !wanted.local);
    if !enough && context.may_wait() {
        // Replicas there are none of: such a wait ends by its timeout.
        host.state.awaits_log = (wanted.replicas == 0).then_some(epoch);
        return Err(context.wait(wanted.until_ms, None));
    }
    let sink = context.sink();
    sink.array(2);
    sink.integer(i64::from(logged));
    sink.integer(0);
    Ok(())
}
