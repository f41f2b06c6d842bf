//! CONFIG: the settings of the running server.
//!
//! Why it exists: the wire's view of [`crate::settings`]. CONFIG SET changes all of its pairs or
//! none, at one instant for each reactor's next loop turn.

use engine::commands::glob;
use engine::{Context, Halt};
use zumic_error::CommandError;

use super::{Admin, help};
use crate::settings::{Settings, TABLE, UpdateError, ValueError};

/// Answers `CONFIG <sub>`.
pub(super) fn run(
    admin: &Admin,
    context: &mut Context<'_>,
    sub: &str,
    args: &[&[u8]],
) -> Result<(), Halt> {
    match sub {
        "get" => get(&admin.settings().load(), context, &args[2..]),
        "help" => help::write(context, help::CONFIG),
        "resetstat" => {
            admin.reset_stats();
            context.sink().simple("OK");
        }
        "rewrite" => return Err(CommandError::ConfigNoFile.into()),
        "set" => set(admin, context, &args[2..])?,
        other => unreachable!("no row of the table leads to CONFIG {other}"),
    }
    Ok(())
}

/// Each setting once, however many patterns it matches.
fn get(settings: &Settings, context: &mut Context<'_>, patterns: &[&[u8]]) {
    let wanted = |name: &str| {
        patterns.iter().any(|pattern| glob::matches_ignoring_case(pattern, name.as_bytes()))
    };
    let rows: Vec<_> = TABLE.iter().filter(|row| wanted(row.name)).collect();
    let sink = context.sink();
    sink.map(rows.len());
    for row in rows {
        sink.bulk(row.name.as_bytes());
        sink.bulk((row.read)(settings).as_bytes());
    }
}

/// May answer [`Halt::Busy`]: a new password is hashed by another thread, and the command then
/// runs again.
fn set(admin: &Admin, context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    let pairs: Vec<(&[u8], &[u8])> = args.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
    if pairs.len() * 2 != args.len() {
        return Err(CommandError::Syntax.into());
    }
    admin.change(&pairs).map_err(|Stop(halt)| halt)?;
    context.sink().simple("OK");
    Ok(())
}

/// Why a change did not happen. (A type of our own, to convert [`UpdateError`] into.)
#[derive(Debug)]
pub struct Stop(pub Halt);

impl From<UpdateError> for Stop {
    fn from(error: UpdateError) -> Self {
        let reason = |why: &dyn std::fmt::Display| why.to_string();
        Self(Halt::Error(match error {
            UpdateError::Duplicate(name) => CommandError::ConfigInvalid {
                name: name.to_owned(),
                reason: reason(&"duplicate parameter"),
            },
            UpdateError::Unknown(name) => {
                CommandError::ConfigUnknown(String::from_utf8_lossy(&name).into_owned())
            }
            UpdateError::Value(name, ValueError::Immutable) => {
                CommandError::ConfigImmutable(name.to_owned())
            }
            UpdateError::Value(name, why) => {
                CommandError::ConfigInvalid { name: name.to_owned(), reason: reason(&why) }
            }
        }))
    }
}
