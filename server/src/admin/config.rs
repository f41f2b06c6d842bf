//! CONFIG: the settings of the running server.
//!
//! Why it exists: the wire's view of [`crate::settings`]. CONFIG SET changes all of its pairs or
//! none, at one instant for each reactor's next loop turn.

use engine::commands::glob;
use engine::{Context, Halt};
use zumic_error::CommandError;

use super::{Admin, help};
use crate::settings::{Setting, Settings, TABLE, UpdateError, ValueError, find};

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

/// Each setting once, however many patterns it matches. A plain name is answered as it was
/// spelled, as in Redis: clients look their own spelling up in the reply.
fn get(settings: &Settings, context: &mut Context<'_>, patterns: &[&[u8]]) {
    let mut rows: Vec<(&'static Setting, &[u8])> = Vec::new();
    let mut add = |row: &'static Setting, name| {
        if rows.iter().all(|(known, _)| known.name != row.name) {
            rows.push((row, name));
        }
    };
    for pattern in patterns {
        if !pattern.iter().any(|byte| b"*?[".contains(byte)) {
            find(pattern).into_iter().for_each(|row| add(row, pattern));
            continue;
        }
        let fits = |row: &&Setting| glob::matches_ignoring_case(pattern, row.name.as_bytes());
        TABLE.iter().filter(fits).for_each(|row| add(row, row.name.as_bytes()));
    }
    let sink = context.sink();
    sink.map(rows.len());
    for (row, name) in rows {
        sink.bulk(name);
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
