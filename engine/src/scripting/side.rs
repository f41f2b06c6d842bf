//! The world of a running script: what `redis.call` and its kin reach.
//!
//! Why it exists: the interpreter knows no commands. Here a call finds its row, with the errors
//! that scripts know, and goes on to the unit.

use zumic_error::{CommandError, ScriptError};

use super::fiber::Courier;
use super::lua::{CallReply, LogLevel, Permission, ScriptHost, Verdict};
use super::unit::Unit;
use crate::ReplySink as _;
use crate::commands::{CommandSpec, lookup};

/// A script's side of its unit.
#[derive(Debug)]
pub(crate) struct Side<'a, 't, 's> {
    pub(crate) unit: &'a mut Unit<'t, 's>,
    pub(crate) courier: &'a Courier<'a>,
}

/// The row of a call, the subcommand's if it has one.
fn row(args: &[&[u8]]) -> Result<&'static CommandSpec, ScriptError> {
    let spec = args.first().and_then(|name| lookup(name)).ok_or(ScriptError::CommandUnknown)?;
    match args.get(1) {
        Some(name) if !spec.subcommands.is_empty() => {
            spec.subcommand(name).ok_or(ScriptError::CommandUnknown)
        }
        _ => Ok(spec),
    }
}

impl ScriptHost for Side<'_, '_, '_> {
    fn call(&mut self, args: &[&[u8]], reply: &mut CallReply) {
        let spec = row(args).and_then(|spec| {
            let fits = spec.accepts(args.len()) && !spec.is_bare_container();
            if fits { Ok(spec) } else { Err(ScriptError::ArgumentsWrong) }
        });
        let result = match spec {
            Ok(spec) => self.unit.call(spec, args, reply),
            Err(error) => Err(error.into()),
        };
        if let Err(error) = result {
            reply.restart();
            reply.error(&error);
        }
    }

    fn log(&mut self, level: LogLevel, line: &[u8]) {
        self.courier.host(|host| host.log_line(level as u8, line));
    }

    fn permission(&mut self, args: &[&[u8]]) -> Permission {
        match row(args) {
            Ok(_) => Permission::Allowed,
            Err(_) => Permission::Unknown,
        }
    }

    fn returned(&mut self) -> bool {
        self.unit.has_returned()
    }

    fn tick(&mut self) -> Verdict {
        if self.unit.tick() { Verdict::GoOn } else { Verdict::Kill }
    }
}

/// Why a script could not go on, if its error is not its own.
pub(crate) fn as_error(line: Vec<u8>) -> CommandError {
    ScriptError::Raised(line).into()
}
