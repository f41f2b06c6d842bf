//! Handlers: COMMAND and its subcommands, all read from the table.

use zumic_error::CommandError;

use super::argument::{Argument, ArgumentKind};
use super::glob;
use super::keyspec::{BeginSearch, FindKeys, KeyFlags, KeySpec};
use super::spec::{Categories, CommandSpec, Flags};
use super::table::{commands, lookup};
use crate::{Context, Halt, ReplySink};

type Outcome = Result<(), Halt>;
type Args<'a> = [&'a [u8]];

const HELP: &[&str] = &[
    "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "(no subcommand)",
    "    Return details about all Redis commands.",
    "COUNT",
    "    Return the total number of commands in this Redis server.",
    "LIST",
    "    Return a list of all commands in this Redis server.",
    "INFO [<command-name> ...]",
    "    Return details about multiple Redis commands.",
    "    If no command names are given, documentation details for all",
    "    commands are returned.",
    "DOCS [<command-name> ...]",
    "    Return documentation details about multiple Redis commands.",
    "    If no command names are given, documentation details for all",
    "    commands are returned.",
    "GETKEYS <full-command>",
    "    Return the keys from a full Redis command.",
    "GETKEYSANDFLAGS <full-command>",
    "    Return the keys and the access flags from a full Redis command.",
    "HELP",
    "    Prints this help.",
];

/// The row of a name that may be `container|sub`.
fn find(name: &[u8]) -> Option<&'static CommandSpec> {
    match name.iter().position(|byte| *byte == b'|') {
        None => lookup(name),
        Some(at) => lookup(&name[..at])?.subcommand(&name[at + 1..]),
    }
}

/// COMMAND
pub(super) fn all(context: &mut Context<'_>, _: &Args<'_>) -> Outcome {
    let sink = context.sink();
    sink.array(commands().len());
    commands().iter().for_each(|row| write_info(sink, row));
    Ok(())
}

/// COMMAND COUNT
pub(super) fn count(context: &mut Context<'_>, _: &Args<'_>) -> Outcome {
    context.sink().integer(i64::try_from(commands().len()).expect("a few hundred"));
    Ok(())
}

/// COMMAND HELP
pub(super) fn help(context: &mut Context<'_>, _: &Args<'_>) -> Outcome {
    let sink = context.sink();
    sink.array(HELP.len());
    HELP.iter().for_each(|line| sink.simple(line));
    Ok(())
}

/// COMMAND INFO [name ...]
pub(super) fn info(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    if args.len() == 2 {
        return all(context, args);
    }
    let sink = context.sink();
    sink.array(args.len() - 2);
    for name in &args[2..] {
        match find(name) {
            Some(row) => write_info(sink, row),
            None => sink.null(),
        }
    }
    Ok(())
}

fn write_words(sink: &mut dyn ReplySink, words: impl Iterator<Item = &'static str> + Clone) {
    sink.set(words.clone().count());
    words.for_each(|word| sink.simple(word));
}

/// One command as COMMAND INFO shows it.
fn write_info(sink: &mut dyn ReplySink, row: &CommandSpec) {
    let (first, last, step) = row.legacy_range();
    sink.array(10);
    sink.bulk(row.name.as_bytes());
    sink.integer(i64::from(row.arity));
    write_words(sink, row.flags.names());
    sink.integer(first);
    sink.integer(last);
    sink.integer(step);
    write_words(sink, row.categories.names());
    sink.set(row.tips.len());
    row.tips.iter().for_each(|tip| sink.bulk(tip.as_bytes()));
    sink.set(row.keys.len());
    row.keys.iter().for_each(|spec| write_key_spec(sink, spec));
    if row.subcommands.is_empty() {
        // An empty set, not an empty array: so Redis.
        sink.set(0);
        return;
    }
    sink.array(row.subcommands.len());
    row.subcommands.iter().for_each(|sub| write_info(sink, sub));
}

fn write_key_spec(sink: &mut dyn ReplySink, spec: &KeySpec) {
    let number = |value: usize| i64::try_from(value).expect("a position of an argument");
    sink.map(if spec.notes.is_empty() { 3 } else { 4 });
    if !spec.notes.is_empty() {
        sink.bulk(b"notes");
        sink.bulk(spec.notes.as_bytes());
    }
    sink.bulk(b"flags");
    write_words(sink, spec.flags.names());
    sink.bulk(b"begin_search");
    sink.map(2);
    sink.bulk(b"type");
    match spec.begin {
        BeginSearch::Index(index) => {
            sink.bulk(b"index");
            sink.bulk(b"spec");
            sink.map(1);
            sink.bulk(b"index");
            sink.integer(number(index));
        }
        BeginSearch::Keyword { word, from } => {
            sink.bulk(b"keyword");
            sink.bulk(b"spec");
            sink.map(2);
            sink.bulk(b"keyword");
            sink.bulk(word.as_bytes());
            sink.bulk(b"startfrom");
            sink.integer(i64::from(from));
        }
        BeginSearch::Options { .. } => write_unknown(sink),
    }
    sink.bulk(b"find_keys");
    sink.map(2);
    sink.bulk(b"type");
    let (kind, fields): (&[u8], [(&[u8], i64); 3]) = match spec.find {
        FindKeys::Range { last, step, limit } => (
            b"range",
            [(b"lastkey", i64::from(last)), (b"keystep", number(step)), (b"limit", number(limit))],
        ),
        FindKeys::Unknown => return write_unknown(sink),
        FindKeys::KeyNum { index, first, step } => (
            b"keynum",
            [
                (b"keynumidx", number(index)),
                (b"firstkey", number(first)),
                (b"keystep", number(step)),
            ],
        ),
    };
    sink.bulk(kind);
    sink.bulk(b"spec");
    sink.map(fields.len());
    for (name, value) in fields {
        sink.bulk(name);
        sink.integer(value);
    }
}

/// A rule that COMMAND INFO has no form for.
fn write_unknown(sink: &mut dyn ReplySink) {
    sink.bulk(b"unknown");
    sink.bulk(b"spec");
    sink.map(0);
}

/// COMMAND LIST [FILTERBY MODULE|ACLCAT|PATTERN value]
pub(super) fn list(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    type Admits<'a> = Box<dyn Fn(&CommandSpec) -> bool + 'a>;
    let admits: Admits<'_> = match &args[2..] {
        [] => Box::new(|_| true),
        [by, kind, value] if by.eq_ignore_ascii_case(b"FILTERBY") => {
            match kind.to_ascii_uppercase().as_slice() {
                // There are no modules, so no command comes from one.
                b"MODULE" => Box::new(|_| false),
                b"ACLCAT" => match Categories::named(value) {
                    None => Box::new(|_| false),
                    Some(category) => Box::new(move |row| row.categories.contains(category)),
                },
                b"PATTERN" => {
                    Box::new(|row| glob::matches_ignoring_case(value, row.name.as_bytes()))
                }
                _ => return Err(CommandError::Syntax.into()),
            }
        }
        _ => return Err(CommandError::Syntax.into()),
    };
    let mut names = Vec::new();
    for row in commands() {
        let both = std::iter::once(*row).chain(row.subcommands);
        names.extend(both.filter(|row| admits(row)).map(|row| row.name));
    }
    let sink = context.sink();
    sink.array(names.len());
    names.iter().for_each(|name| sink.bulk(name.as_bytes()));
    Ok(())
}

/// The row and the arguments of a command to look into.
fn inspected<'a, 'b>(
    args: &'b Args<'a>,
) -> Result<(&'static CommandSpec, &'b [&'a [u8]]), CommandError> {
    let args = &args[2..];
    let row = lookup(args[0]).ok_or(CommandError::InvalidCommandSpecified)?;
    let row = match args.get(1) {
        Some(name) if !row.subcommands.is_empty() => {
            row.subcommand(name).ok_or(CommandError::InvalidCommandSpecified)?
        }
        _ => row,
    };
    if !row.has_keys() {
        return Err(CommandError::CommandHasNoKeys);
    }
    if !row.accepts(args.len()) {
        return Err(CommandError::KeyCountInvalid);
    }
    Ok((row, args))
}

/// What is said of a command in which no keys were found: a script may have none.
fn without_keys(context: &mut Context<'_>, row: &CommandSpec) -> Outcome {
    if !row.flags.contains(Flags::NO_MANDATORY_KEYS) {
        return Err(CommandError::BadKeyPositions.into());
    }
    context.sink().array(0);
    Ok(())
}

/// COMMAND GETKEYS command [argument ...]
pub(super) fn getkeys(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let (row, args) = inspected(args)?;
    let keys: Vec<usize> = row.key_positions(args).collect();
    if keys.is_empty() || !row.keys.iter().all(|spec| spec.is_sound(args)) {
        return without_keys(context, row);
    }
    let sink = context.sink();
    sink.array(keys.len());
    keys.iter().for_each(|&at| sink.bulk(args[at]));
    Ok(())
}

/// COMMAND GETKEYSANDFLAGS command [argument ...]
pub(super) fn getkeysandflags(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let (row, args) = inspected(args)?;
    let keyed = |spec: &KeySpec| -> Vec<(usize, KeyFlags)> {
        let flags = spec.flags_for(args);
        spec.positions(args).map(|at| (at, flags)).collect()
    };
    let keys: Vec<(usize, KeyFlags)> = row.keys.iter().flat_map(keyed).collect();
    if keys.is_empty() {
        return without_keys(context, row);
    }
    let sink = context.sink();
    sink.array(keys.len());
    for (at, flags) in keys {
        sink.array(2);
        sink.bulk(args[at]);
        write_words(sink, flags.names());
    }
    Ok(())
}

/// COMMAND DOCS [name ...]
pub(super) fn docs(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let rows: Vec<&CommandSpec> = match &args[2..] {
        [] => commands().to_vec(),
        names => names.iter().filter_map(|name| find(name)).collect(),
    };
    let sink = context.sink();
    sink.map(rows.len());
    rows.iter().for_each(|row| write_docs(sink, row));
    Ok(())
}

fn write_text(sink: &mut dyn ReplySink, name: &str, value: &str) {
    sink.bulk(name.as_bytes());
    sink.bulk(value.as_bytes());
}

fn write_docs(sink: &mut dyn ReplySink, row: &CommandSpec) {
    sink.bulk(row.name.as_bytes());
    let deprecated = row.deprecated.is_some();
    let flags = deprecated || row.system;
    let optional = [
        !row.complexity.is_empty(),
        flags,
        deprecated,
        deprecated,
        !row.history.is_empty(),
        !row.arguments.is_empty(),
        !row.subcommands.is_empty(),
    ];
    sink.map(3 + optional.into_iter().filter(|field| *field).count());
    write_text(sink, "summary", row.summary);
    write_text(sink, "since", row.since);
    write_text(sink, "group", row.group.name());
    if !row.complexity.is_empty() {
        write_text(sink, "complexity", row.complexity);
    }
    if flags {
        sink.bulk(b"doc_flags");
        sink.set(usize::from(deprecated) + usize::from(row.system));
        if deprecated {
            sink.simple("deprecated");
        }
        if row.system {
            sink.simple("syscmd");
        }
    }
    if let Some(deprecated) = row.deprecated {
        write_text(sink, "deprecated_since", deprecated.since);
        write_text(sink, "replaced_by", deprecated.replaced_by);
    }
    if !row.history.is_empty() {
        sink.bulk(b"history");
        sink.set(row.history.len());
        for (version, change) in row.history {
            sink.array(2);
            sink.bulk(version.as_bytes());
            sink.bulk(change.as_bytes());
        }
    }
    if !row.arguments.is_empty() {
        sink.bulk(b"arguments");
        write_arguments(sink, row.arguments);
    }
    if !row.subcommands.is_empty() {
        sink.bulk(b"subcommands");
        sink.map(row.subcommands.len());
        row.subcommands.iter().for_each(|sub| write_docs(sink, sub));
    }
}

fn write_arguments(sink: &mut dyn ReplySink, arguments: &[Argument]) {
    sink.array(arguments.len());
    arguments.iter().for_each(|argument| write_argument(sink, argument));
}

fn write_argument(sink: &mut dyn ReplySink, argument: &Argument) {
    let flags: Vec<&str> = [
        (argument.optional, "optional"),
        (argument.multiple, "multiple"),
        (argument.multiple_token, "multiple_token"),
    ]
    .into_iter()
    .filter(|(set, _)| *set)
    .map(|(_, name)| name)
    .collect();
    let shown = !argument.is_group();
    // The word that stands for no key, in MIGRATE, is empty.
    let has_token = !argument.token.is_empty() || argument.kind == ArgumentKind::PureToken;
    let optional = [
        argument.key_spec.is_some(),
        has_token,
        !argument.since.is_empty(),
        !argument.deprecated_since.is_empty(),
        !flags.is_empty(),
        argument.is_group(),
        shown,
    ];
    sink.map(2 + optional.into_iter().filter(|field| *field).count());
    write_text(sink, "name", argument.name);
    write_text(sink, "type", argument.kind.name());
    if shown {
        write_text(sink, "display_text", argument.name);
    }
    if let Some(spec) = argument.key_spec {
        sink.bulk(b"key_spec_index");
        sink.integer(i64::from(spec));
    }
    if has_token {
        write_text(sink, "token", argument.token);
    }
    if !argument.since.is_empty() {
        write_text(sink, "since", argument.since);
    }
    if !argument.deprecated_since.is_empty() {
        write_text(sink, "deprecated_since", argument.deprecated_since);
    }
    if !flags.is_empty() {
        sink.bulk(b"flags");
        sink.set(flags.len());
        flags.iter().for_each(|flag| sink.simple(flag));
    }
    if argument.is_group() {
        sink.bulk(b"arguments");
        write_arguments(sink, argument.arguments);
    }
}
