//! Handlers: values as payloads.

use std::ops::Range;

use zumic_error::{CommandError, DumpError};

use super::number::parse_integer;
use crate::persist::rdb::value::{Style, decode};
use crate::persist::rdb::{open, seal};
use crate::{Access, Change, Class, Context, Halt};

type Outcome = Result<(), Halt>;
type Args<'a> = [&'a [u8]];

/// DUMP key
pub(super) fn dump(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    match context.read_value(args[1], |_, value| seal(value, Style::REDIS))? {
        None => context.sink().null(),
        Some(payload) => context.sink().bulk(&payload),
    }
    Ok(())
}

/// RESTORE's options.
#[derive(Clone, Copy, Debug, Default)]
struct Options {
    replace: bool,
    absolute: bool,
    access: Option<Access>,
}

impl Options {
    fn parse(options: &Args<'_>) -> Result<Self, CommandError> {
        let mut parsed = Self::default();
        let mut rest = options;
        while let [option, tail @ ..] = rest {
            rest = match (option.to_ascii_uppercase().as_slice(), tail, parsed.access) {
                (b"REPLACE", ..) => {
                    parsed.replace = true;
                    tail
                }
                (b"ABSTTL", ..) => {
                    parsed.absolute = true;
                    tail
                }
                (b"IDLETIME", [seconds, tail @ ..], None | Some(Access::Idle(_))) => {
                    let seconds = parse_integer(seconds)?;
                    let seconds = u64::try_from(seconds).map_err(|_| DumpError::IdleInvalid)?;
                    parsed.access = Some(Access::Idle(seconds));
                    tail
                }
                (b"FREQ", [count, tail @ ..], None | Some(Access::Frequency(_))) => {
                    let count = parse_integer(count)?;
                    let count = u8::try_from(count).map_err(|_| DumpError::FrequencyInvalid)?;
                    parsed.access = Some(Access::Frequency(count));
                    tail
                }
                _ => return Err(CommandError::Syntax),
            };
        }
        Ok(parsed)
    }
}

/// RESTORE key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]
pub(super) fn restore(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let (key, payload) = (args[1], args[3]);
    let options = Options::parse(&args[4..])?;
    if !options.replace && context.peek(key)?.is_some() {
        return Err(CommandError::from(DumpError::BusyKey).into());
    }
    let ttl = parse_integer(args[2])?;
    if ttl < 0 {
        return Err(CommandError::from(DumpError::TtlInvalid).into());
    }
    let (type_byte, bytes) = open(payload).map_err(CommandError::from)?;
    let loaded = decode(type_byte, bytes, &context.rules())
        .map_err(|_| CommandError::from(DumpError::BadFormat))?;
    let now = context.now_ms();
    // A time that is too far away for Redis wraps around, and is past.
    let deadline = match ttl {
        0 => None,
        at if options.absolute => Some(at),
        ttl => Some(ttl.wrapping_add_unsigned(now)),
    };
    let deadline = deadline.map(|deadline| u64::try_from(deadline).unwrap_or(0));
    // What was copied in its last millisecond is there for the rest of it.
    let last = if context.replays { now.saturating_sub(1) } else { now };
    if deadline.is_some_and(|deadline| deadline <= last) {
        // It would have expired already: what it was to replace goes.
        if context.update(key, |old| Ok((Change::Remove, old.is_some())))? {
            context.notify(Class::Generic, "del", key);
        }
    } else {
        let db = context.scope().db;
        context.put_loaded(db, key, &loaded, deadline, options.replace)?;
        if let Some(access) = options.access {
            context.set_access(key, access)?;
        }
        context.notify(Class::Generic, "restore", key);
    }
    context.sink().simple("OK");
    Ok(())
}

/// An option of MIGRATE.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MigrateOption {
    /// A password.
    Auth,
    /// A user and a password.
    Auth2,
    /// The keys stay.
    Copy,
    /// The keys, to the end.
    Keys,
    /// Keys that are there are replaced.
    Replace,
    /// A word that is no option.
    Unknown,
}

/// The options of `MIGRATE host port key db timeout [option ...]`, each with the positions of the
/// words that belong to it, as far as they are there.
pub fn migrate_options(args: &Args<'_>) -> impl Iterator<Item = (MigrateOption, Range<usize>)> {
    let mut at = 6;
    std::iter::from_fn(move || {
        let (option, words) = match args.get(at)?.to_ascii_uppercase().as_slice() {
            b"AUTH" => (MigrateOption::Auth, 1),
            b"AUTH2" => (MigrateOption::Auth2, 2),
            b"COPY" => (MigrateOption::Copy, 0),
            b"KEYS" => (MigrateOption::Keys, usize::MAX),
            b"REPLACE" => (MigrateOption::Replace, 0),
            _ => (MigrateOption::Unknown, 0),
        };
        let from = at + 1;
        at = from.saturating_add(words).min(args.len());
        Some((option, from..at))
    })
}

/// Where the keys of MIGRATE are: one in its own place, or those behind KEYS. Its key
/// specifications, which are Redis's, take a password called KEYS for the word.
pub(super) fn migrated_keys(args: &Args<'_>) -> Range<usize> {
    match migrate_options(args).find(|(option, _)| *option == MigrateOption::Keys) {
        Some((_, keys)) if args[3].is_empty() => keys,
        Some(_) => 0..0,
        None => 3..4,
    }
}
