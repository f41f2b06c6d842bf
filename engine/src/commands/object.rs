//! Handlers: OBJECT and the part of MEMORY that is about keys.

use zumic_error::CommandError;

use super::number::parse_integer;
use crate::{Context, Halt, Record, Text};

type Outcome = Result<(), Halt>;
type Args<'a> = [&'a [u8]];

/// What Redis answers for values that are shared and never freed.
const SHARED_REFERENCES: i64 = 2_147_483_647;
/// Integers below this are shared in Redis.
const SHARED_INTEGERS: i64 = 10_000;

const OBJECT_HELP: &[&str] = &[
    "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "ENCODING <key>",
    "    Return the kind of internal representation used in order to store the value",
    "    associated with a <key>.",
    "FREQ <key>",
    "    Return the access frequency index of the <key>. The returned integer is",
    "    proportional to the logarithm of the recent access frequency of the key.",
    "IDLETIME <key>",
    "    Return the idle time of the <key>, that is the approximated number of",
    "    seconds elapsed since the last access to the key.",
    "REFCOUNT <key>",
    "    Return the number of references of the value associated with the specified",
    "    <key>.",
    "HELP",
    "    Prints this help.",
];

const MEMORY_HELP: &[&str] = &[
    "MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "DOCTOR",
    "    Return memory problems reports.",
    "MALLOC-STATS",
    "    Return internal statistics report from the memory allocator.",
    "STATS",
    "    Return information about the memory usage of the server.",
    "USAGE <key> [SAMPLES <count>]",
    "    Return memory in bytes used by <key> and its value. Nested values are",
    "    sampled up to <count> times (default: 5, 0 means sample all).",
    "HELP",
    "    Prints this help.",
];

/// Answers with lines of help.
pub(super) fn lines(context: &mut Context<'_>, lines: &[&str]) -> Outcome {
    let sink = context.sink();
    sink.array(lines.len());
    lines.iter().for_each(|line| sink.simple(line));
    Ok(())
}

/// Answers null for an absent key.
fn inspect(
    context: &mut Context<'_>,
    key: &[u8],
    answer: impl FnOnce(&mut Context<'_>, &Record) -> Outcome,
) -> Outcome {
    match context.peek(key)? {
        Some(record) => answer(context, record),
        None => {
            context.sink().null();
            Ok(())
        }
    }
}

/// OBJECT HELP
pub(super) fn help(context: &mut Context<'_>, _: &Args<'_>) -> Outcome {
    lines(context, OBJECT_HELP)
}

/// OBJECT ENCODING key
pub(super) fn encoding(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    match context.encoding(args[2])? {
        Some(name) => context.sink().bulk(name.as_bytes()),
        None => context.sink().null(),
    }
    Ok(())
}

/// OBJECT FREQ key
pub(super) fn freq(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    inspect(context, args[2], |context, record| {
        let counter = context.frequency(record).ok_or(CommandError::LfuNotSelected)?;
        context.sink().integer(i64::from(counter));
        Ok(())
    })
}

/// OBJECT IDLETIME key
pub(super) fn idletime(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    inspect(context, args[2], |context, record| {
        let seconds = context.idle_seconds(record).ok_or(CommandError::LruNotSelected)?;
        context.sink().integer(i64::try_from(seconds).expect("24 bits"));
        Ok(())
    })
}

/// OBJECT REFCOUNT key
///
/// Values are never shared between keys here; the answer is the one that Redis gives, which
/// shares small integers.
pub(super) fn refcount(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    inspect(context, args[2], |context, record| {
        let shared = matches!(record.text(), Some(Text::Int(0..SHARED_INTEGERS)));
        context.sink().integer(if shared { SHARED_REFERENCES } else { 1 });
        Ok(())
    })
}

/// MEMORY HELP
pub(super) fn memory_help(context: &mut Context<'_>, _: &Args<'_>) -> Outcome {
    lines(context, MEMORY_HELP)
}

/// MEMORY USAGE key [SAMPLES count]
pub(super) fn memory_usage(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    for pair in args[3..].chunks(2) {
        match pair {
            // Strings are measured whole, whatever the count; it still has to be one.
            [option, count] if option.eq_ignore_ascii_case(b"SAMPLES") => {
                if parse_integer(count)? < 0 {
                    return Err(CommandError::Syntax.into());
                }
            }
            _ => return Err(CommandError::Syntax.into()),
        }
    }
    inspect(context, args[2], |context, record| {
        let bytes = record.memory() + size_of::<u64>();
        context.sink().integer(i64::try_from(bytes).expect("a size in memory"));
        Ok(())
    })
}
