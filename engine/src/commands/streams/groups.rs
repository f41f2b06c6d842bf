//! XGROUP: groups and their consumers.

use zumic_error::{CommandError, StreamError};

use super::{
    Args, Outcome, count_of, is, no_group_for_key, now_ms, parse_edge, parse_id, write_lines,
};
use crate::commands::number::parse_integer;
use crate::structures::stream::{Group, Log, Stream, StreamId};
use crate::{Class, Context, Edit, Halt, Missing};

const HELP: &[&str] = &[
    "XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CREATE <key> <groupname> <id|$> [option]",
    "    Create a new consumer group. Options are:",
    "    * MKSTREAM",
    "      Create the empty stream if it does not exist.",
    "    * ENTRIESREAD entries_read",
    "      Set the group's entries_read counter (internal use).",
    "CREATECONSUMER <key> <groupname> <consumer>",
    "    Create a new consumer in the specified group.",
    "DELCONSUMER <key> <groupname> <consumer>",
    "    Remove the specified consumer.",
    "DESTROY <key> <groupname>",
    "    Remove the specified group.",
    "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
    "    Set the current group ID and entries_read counter.",
    "HELP",
    "    Prints this help.",
];

/// Arguments that CREATE and SETID have at most; Redis counts them after it has read them.
const CREATE_ARGS_MAX: usize = 8;
const SETID_ARGS_MAX: usize = 7;

/// The options of CREATE and SETID.
struct Options {
    create_stream: bool,
    entries_read: Option<i64>,
}

fn usage(args: &Args<'_>) -> CommandError {
    CommandError::SubcommandUsage { container: "XGROUP", name: args[1].to_vec() }
}

fn parse_options(args: &Args<'_>, creating: bool) -> Result<Options, CommandError> {
    let mut options = Options { create_stream: false, entries_read: None };
    let mut rest = args[5..].iter();
    while let Some(option) = rest.next() {
        if creating && is(option, "MKSTREAM") {
            options.create_stream = true;
        } else if is(option, "ENTRIESREAD")
            && let Some(number) = rest.next()
        {
            options.entries_read = match parse_integer(number)? {
                -1 => None,
                ..-1 => return Err(StreamError::EntriesReadInvalid.into()),
                read => Some(read),
            };
        } else {
            return Err(usage(args));
        }
    }
    Ok(options)
}

fn key_missing() -> Halt {
    CommandError::from(StreamError::KeyMissing).into()
}

/// The id that a group is set to.
fn group_id(
    text: &[u8],
    log: &Log,
    parse: impl Fn(&[u8]) -> Result<StreamId, CommandError>,
) -> Result<StreamId, CommandError> {
    if text == b"$" { Ok(log.last_id()) } else { parse(text) }
}

/// XGROUP CREATE key group id|$ [MKSTREAM] [ENTRIESREAD entries-read]
pub(in crate::commands) fn create(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let options = parse_options(args, true)?;
    let (key, name) = (args[2], args[3]);
    let missing = if options.create_stream { Missing::Create } else { Missing::Skip };
    let created = context.edit(key, missing, |stream: &mut Stream| {
        if args.len() > CREATE_ARGS_MAX {
            return Err(usage(args));
        }
        let id = group_id(args[4], stream.log(), parse_id)?;
        if stream.create_group(name, Group::new(id, options.entries_read)) {
            Ok(Edit::Changed(()))
        } else {
            Err(StreamError::BusyGroup.into())
        }
    })?;
    created.ok_or_else(key_missing)?;
    context.notify(Class::Stream, "xgroup-create", key);
    context.sink().simple("OK");
    Ok(())
}

/// XGROUP SETID key group id|$ [ENTRIESREAD entries-read]
pub(in crate::commands) fn setid(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let options = parse_options(args, false)?;
    change(context, args, |log, group| {
        if args.len() > SETID_ARGS_MAX {
            return Err(usage(args));
        }
        let id = group_id(args[4], log, |text| parse_edge(text, 0))?;
        group.set_last(id, options.entries_read);
        Ok(Edit::Changed(()))
    })?;
    context.notify(Class::Stream, "xgroup-setid", args[2]);
    context.sink().simple("OK");
    Ok(())
}

/// XGROUP DESTROY key group
pub(in crate::commands) fn destroy(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let removed = context.edit(args[2], Missing::Skip, |stream: &mut Stream| {
        let removed = stream.remove_group(args[3]);
        Ok(if removed { Edit::Changed(true) } else { Edit::Same(false) })
    })?;
    let removed = removed.ok_or_else(key_missing)?;
    if removed {
        context.notify(Class::Stream, "xgroup-destroy", args[2]);
    }
    context.sink().integer(i64::from(removed));
    Ok(())
}

/// XGROUP CREATECONSUMER key group consumer
pub(in crate::commands) fn createconsumer(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let now_ms = now_ms(context);
    let created = change(context, args, |_, group| {
        let created = group.create(args[4], now_ms).is_some();
        Ok(if created { Edit::Changed(true) } else { Edit::Same(false) })
    })?;
    if created {
        context.notify(Class::Stream, "xgroup-createconsumer", args[2]);
    }
    context.sink().integer(i64::from(created));
    Ok(())
}

/// XGROUP DELCONSUMER key group consumer
pub(in crate::commands) fn delconsumer(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let removed = change(context, args, |_, group| {
        let removed = group.remove_consumer(args[4]);
        Ok(if removed.is_some() { Edit::Changed(removed) } else { Edit::Same(None) })
    })?;
    if removed.is_some() {
        context.notify(Class::Stream, "xgroup-delconsumer", args[2]);
    }
    context.sink().integer(count_of(removed.unwrap_or(0)));
    Ok(())
}

/// Changes the group of `args[2]` and `args[3]`, which must be there.
fn change<R>(
    context: &mut Context<'_>,
    args: &Args<'_>,
    mut change: impl FnMut(&Log, &mut Group) -> Result<Edit<R>, CommandError>,
) -> Result<R, Halt> {
    let changed = context.edit(args[2], Missing::Skip, |stream: &mut Stream| {
        let edit = stream.change_group(args[3], &mut change);
        edit.unwrap_or_else(|| Err(no_group_for_key(args[2], args[3])))
    })?;
    changed.ok_or_else(key_missing)
}

/// XGROUP HELP
pub(in crate::commands) fn help(context: &mut Context<'_>, _: &Args<'_>) -> Outcome {
    write_lines(context, HELP)
}
