//! Handlers: what needs a connection's state but no socket.

use zumic_error::CommandError;

use super::keys::database;
use crate::{Context, Halt};

type Outcome = Result<(), Halt>;
type Args<'a> = [&'a [u8]];

/// PING [message]
pub(super) fn ping(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let as_message = context.scope().subscribed && context.sink().version() == 2;
    match args {
        [_] | [_, _] if as_message => {
            let sink = context.sink();
            sink.array(2);
            sink.bulk(b"pong");
            sink.bulk(args.get(1).copied().unwrap_or_default());
        }
        [_] => context.sink().simple("PONG"),
        [_, message] => context.sink().bulk(message),
        _ => return Err(CommandError::WrongArity("ping".into()).into()),
    }
    Ok(())
}

/// ECHO message
pub(super) fn echo(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    context.sink().bulk(args[1]);
    Ok(())
}

/// SELECT index
pub(super) fn select(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let db = database(context, args[1])?;
    context.scope().db = db;
    context.sink().simple("OK");
    Ok(())
}
