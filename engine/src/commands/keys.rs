//! Handlers: keys of any type, and whole databases.

use zumic_error::CommandError;

use super::glob;
use super::number::{parse_cursor, parse_integer};
use super::scanning::{ScanOptions, Scanned};
use crate::{Change, Class, Context, Halt, Record};

type Outcome = Result<(), Halt>;
type Args<'a> = [&'a [u8]];
/// Keys with their databases, as the dispatcher takes them.
type KeyList<'a> = Vec<(u16, &'a [u8])>;

fn count(context: &mut Context<'_>, number: usize) -> Outcome {
    context.sink().integer(i64::try_from(number).expect("a count of arguments"));
    Ok(())
}

fn remove_all(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let mut removed = 0;
    for key in &args[1..] {
        if context.update(key, |old| Ok((Change::Remove, old.is_some())))? {
            removed += 1;
            context.notify(Class::Generic, "del", key);
        }
    }
    count(context, removed)
}

/// DEL key [key ...]
pub(super) fn del(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    remove_all(context, args)
}

/// UNLINK key [key ...]: memory is reclaimed off the command either way.
pub(super) fn unlink(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    remove_all(context, args)
}

/// The record of a key for a command that only asks about it: no access, but a miss.
pub(super) fn find<'s>(context: &mut Context<'s>, key: &[u8]) -> Result<Option<&'s Record>, Halt> {
    let found = context.peek(key)?;
    if found.is_none() {
        context.notify(Class::KeyMiss, "keymiss", key);
    }
    Ok(found)
}

/// EXISTS key [key ...]
pub(super) fn exists(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let mut found = 0;
    for key in &args[1..] {
        found += usize::from(find(context, key)?.is_some());
    }
    count(context, found)
}

/// TOUCH key [key ...]
pub(super) fn touch(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let mut found = 0;
    for key in &args[1..] {
        found += usize::from(context.read(key)?.is_some());
    }
    count(context, found)
}

/// TYPE key
pub(super) fn r#type(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let name = find(context, args[1])?.map_or("none", |record| record.kind().name());
    context.sink().simple(name);
    Ok(())
}

/// KEYS pattern
pub(super) fn keys(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let pattern = args[1];
    let mut cursor = 0;
    let mut found: Vec<&Record> = Vec::new();
    loop {
        let step = context.scan(cursor, 1_024);
        found.extend(step.records.iter().filter(|record| glob::selects(pattern, record.key())));
        cursor = step.cursor;
        if cursor == 0 {
            break;
        }
    }
    // A resize during the walk may show a key twice.
    found.sort_unstable_by_key(|record| record.key());
    found.dedup_by_key(|record| record.key());
    context.sink().array(found.len());
    found.iter().for_each(|record| context.sink().bulk(record.key()));
    Ok(())
}

/// SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]
pub(super) fn scan(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let cursor = parse_cursor(args[1])?;
    let options = ScanOptions::parse(&args[2..], Scanned::Keys)?;
    let step = context.scan(cursor, options.count);
    let is_wanted = |record: &&Record| {
        let name = record.kind().name().as_bytes();
        options.kind.is_none_or(|kind| kind.eq_ignore_ascii_case(name))
            && options.selects(record.key())
    };
    let shown: Vec<&Record> = step.records.iter().copied().filter(is_wanted).collect();
    let sink = context.sink();
    sink.array(2);
    sink.bulk(step.cursor.to_string().as_bytes());
    sink.array(shown.len());
    shown.iter().for_each(|record| sink.bulk(record.key()));
    Ok(())
}

/// RANDOMKEY
pub(super) fn randomkey(context: &mut Context<'_>, _: &Args<'_>) -> Outcome {
    match context.random_record() {
        None => context.sink().null(),
        Some(record) => context.sink().bulk(record.key()),
    }
    Ok(())
}

/// DBSIZE
pub(super) fn dbsize(context: &mut Context<'_>, _: &Args<'_>) -> Outcome {
    let db = context.scope().db;
    let keys = i64::try_from(context.key_count(db)).expect("a count of keys");
    context.sink().integer(keys);
    Ok(())
}

/// Moves a key; false when there is none, or the target is there and must not be replaced.
fn rename_key(
    context: &mut Context<'_>,
    from: &[u8],
    to: &[u8],
    replace: bool,
) -> Result<bool, Halt> {
    let Some(record) = context.peek(from)? else { return Err(CommandError::NoSuchKey.into()) };
    if from == to {
        return Ok(replace);
    }
    if !replace && context.peek(to)?.is_some() {
        return Ok(false);
    }
    let db = context.scope().db;
    context.put_value(db, to, record, record.expire_at_ms(), false)?;
    context.update(from, |_| Ok((Change::Remove, ())))?;
    context.log(&[b"RENAME", from, to]);
    context.notify(Class::Generic, "rename_from", from);
    context.notify(Class::Generic, "rename_to", to);
    Ok(true)
}

/// RENAME key newkey
pub(super) fn rename(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    rename_key(context, args[1], args[2], true)?;
    context.sink().simple("OK");
    Ok(())
}

/// RENAMENX key newkey
pub(super) fn renamenx(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let renamed = rename_key(context, args[1], args[2], false)?;
    context.sink().integer(i64::from(renamed));
    Ok(())
}

/// A number of 32 bits: what Redis takes for the index of a database.
fn int32(text: &[u8]) -> Result<i32, CommandError> {
    i32::try_from(parse_integer(text)?).map_err(|_| CommandError::NotAnInt32)
}

fn known(context: &Context<'_>, index: i32) -> Result<u16, CommandError> {
    let index = u16::try_from(index).ok().filter(|index| *index < context.databases());
    index.ok_or(CommandError::DbIndexOutOfRange)
}

/// A database by its number.
///
/// # Errors
/// [`CommandError::NotAnInteger`], [`CommandError::NotAnInt32`] or
/// [`CommandError::DbIndexOutOfRange`].
pub(super) fn database(context: &Context<'_>, text: &[u8]) -> Result<u16, CommandError> {
    known(context, int32(text)?)
}

/// COPY's options.
fn copy_options(context: &mut Context<'_>, args: &Args<'_>) -> Result<(u16, bool), CommandError> {
    let (mut db, mut replace) = (context.scope().db, false);
    let mut rest = &args[3..];
    loop {
        rest = match rest {
            [] => return Ok((db, replace)),
            [option, rest @ ..] if option.eq_ignore_ascii_case(b"REPLACE") => {
                replace = true;
                rest
            }
            [option, index, rest @ ..] if option.eq_ignore_ascii_case(b"DB") => {
                db = database(context, index)?;
                rest
            }
            _ => return Err(CommandError::Syntax),
        };
    }
}

/// COPY source destination [DB index] [REPLACE]
pub(super) fn copy(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let (db, replace) = copy_options(context, args)?;
    if db == context.scope().db && args[1] == args[2] {
        return Err(CommandError::SameObject.into());
    }
    let Some(record) = find(context, args[1])? else {
        context.sink().integer(0);
        return Ok(());
    };
    if !replace && context.peek_in(db, args[2])?.is_some() {
        context.sink().integer(0);
        return Ok(());
    }
    context.put_value(db, args[2], record, record.expire_at_ms(), true)?;
    context.notify_in(db, Class::Generic, "copy_to", args[2]);
    context.sink().integer(1);
    Ok(())
}

/// The keys COPY touches.
pub(super) fn copy_keys<'a>(db: u16, args: &[&'a [u8]], keys: &mut KeyList<'a>) {
    let mut target = db;
    for pair in args.get(3..).unwrap_or_default().windows(2) {
        if pair[0].eq_ignore_ascii_case(b"DB")
            && let Some(index) = parse_integer(pair[1]).ok().and_then(|i| u16::try_from(i).ok())
        {
            target = index;
        }
    }
    keys.push((db, args[1]));
    keys.push((target, args[2]));
}

/// MOVE key db
pub(super) fn r#move(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let target = database(context, args[2])?;
    if target == context.scope().db {
        return Err(CommandError::SameObject.into());
    }
    let Some(record) = context.peek(args[1])? else {
        context.sink().integer(0);
        return Ok(());
    };
    if context.peek_in(target, args[1])?.is_some() {
        context.sink().integer(0);
        return Ok(());
    }
    context.put_value(target, args[1], record, record.expire_at_ms(), false)?;
    context.update(args[1], |_| Ok((Change::Remove, ())))?;
    context.log(&[b"MOVE", args[1], args[2]]);
    context.notify(Class::Generic, "move_from", args[1]);
    context.notify_in(target, Class::Generic, "move_to", args[1]);
    context.sink().integer(1);
    Ok(())
}

/// The keys MOVE touches.
pub(super) fn move_keys<'a>(db: u16, args: &[&'a [u8]], keys: &mut KeyList<'a>) {
    keys.push((db, args[1]));
    if let Some(target) = parse_integer(args[2]).ok().and_then(|index| u16::try_from(index).ok()) {
        keys.push((target, args[1]));
    }
}

/// SWAPDB index1 index2
pub(super) fn swapdb(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let first = int32(args[1]).map_err(|_| CommandError::DbIndexInvalidFirst)?;
    let second = int32(args[2]).map_err(|_| CommandError::DbIndexInvalidSecond)?;
    let (first, second) = (known(context, first)?, known(context, second)?);
    context.swap_databases(first, second);
    context.sink().simple("OK");
    Ok(())
}

/// Whether SYNC was asked for; ASYNC is the default.
fn flush_mode(args: &Args<'_>) -> Result<bool, CommandError> {
    match &args[1..] {
        [] => Ok(false),
        [mode] if mode.eq_ignore_ascii_case(b"SYNC") => Ok(true),
        [mode] if mode.eq_ignore_ascii_case(b"ASYNC") => Ok(false),
        _ => Err(CommandError::Syntax),
    }
}

/// FLUSHDB [ASYNC|SYNC]
pub(super) fn flushdb(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let sync = flush_mode(args)?;
    let db = context.scope().db;
    context.flush(Some(db), sync);
    context.sink().simple("OK");
    Ok(())
}

/// FLUSHALL [ASYNC|SYNC]
pub(super) fn flushall(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let sync = flush_mode(args)?;
    context.flush(None, sync);
    context.sink().simple("OK");
    Ok(())
}
