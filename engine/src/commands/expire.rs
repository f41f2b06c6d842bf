//! Deadlines of keys: setting them, reading them, taking them away.
//!
//! Deadlines are Unix milliseconds. One that has passed when it is set deletes the key.

use zumic_error::CommandError;

use super::keys::find;
use super::number::parse_integer;
use crate::{Change, Class, Context, Halt, Record};

/// A deadline as a client wrote it: a time from now, or a point in time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span<'a> {
    pub(super) value: &'a [u8],
    /// Seconds, or milliseconds.
    pub(super) seconds: bool,
    /// Since 1970, or since now.
    pub(super) absolute: bool,
}

impl Span<'_> {
    /// The deadline for the options of SET and GETEX, which take only positive numbers.
    ///
    /// # Errors
    /// [`CommandError::NotAnInteger`]; [`CommandError::ExpireTimeInvalid`] with the name of the
    /// command when the number is not positive or too large.
    pub(super) fn deadline(self, now_ms: u64, command: &'static str) -> Result<u64, CommandError> {
        let number = parse_integer(self.value)?;
        let deadline = (number > 0).then(|| self.resolve(number, now_ms)).flatten();
        let deadline = deadline.and_then(|deadline| u64::try_from(deadline).ok());
        deadline.ok_or(CommandError::ExpireTimeInvalid(command))
    }

    fn resolve(self, number: i64, now_ms: u64) -> Option<i64> {
        let milliseconds = if self.seconds { number.checked_mul(1000)? } else { number };
        if self.absolute {
            return Some(milliseconds);
        }
        milliseconds.checked_add(i64::try_from(now_ms).ok()?)
    }
}

/// The options of EXPIRE and its like.
#[derive(Clone, Copy, Debug, Default)]
struct Conditions {
    absent: bool,
    greater: bool,
    less: bool,
    present: bool,
}

impl Conditions {
    fn parse(options: &[&[u8]]) -> Result<Self, CommandError> {
        let mut parsed = Self::default();
        for option in options {
            match option.to_ascii_uppercase().as_slice() {
                b"NX" => parsed.absent = true,
                b"XX" => parsed.present = true,
                b"GT" => parsed.greater = true,
                b"LT" => parsed.less = true,
                _ => {
                    let option = String::from_utf8_lossy(option);
                    // Redis cuts line ends off the end of an error.
                    let option = option.trim_end_matches(['\r', '\n']).to_owned();
                    return Err(CommandError::ExpireOptionUnknown(option));
                }
            }
        }
        if parsed.absent && (parsed.present || parsed.greater || parsed.less) {
            return Err(CommandError::ExpireConflict);
        }
        if parsed.greater && parsed.less {
            return Err(CommandError::ExpireGtLtConflict);
        }
        Ok(parsed)
    }

    /// Whether the new deadline may replace the old one; no deadline is later than any.
    fn allow(self, old: Option<u64>, new: i64) -> bool {
        let old = old.map(|old| i64::try_from(old).unwrap_or(i64::MAX));
        !(self.absent && old.is_some()
            || self.present && old.is_none()
            || self.greater && old.is_none_or(|old| new <= old)
            || self.less && old.is_some_and(|old| new >= old))
    }
}

/// EXPIRE key seconds [NX | XX | GT | LT]
pub(super) fn expire(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    set_deadline(context, args, true, false, "expire")
}

/// PEXPIRE key milliseconds [NX | XX | GT | LT]
pub(super) fn pexpire(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    set_deadline(context, args, false, false, "pexpire")
}

/// EXPIREAT key unix-time-seconds [NX | XX | GT | LT]
pub(super) fn expireat(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    set_deadline(context, args, true, true, "expireat")
}

/// PEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT]
pub(super) fn pexpireat(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    set_deadline(context, args, false, true, "pexpireat")
}

fn set_deadline(
    context: &mut Context<'_>,
    args: &[&[u8]],
    seconds: bool,
    absolute: bool,
    command: &'static str,
) -> Result<(), Halt> {
    let conditions = Conditions::parse(&args[3..])?;
    let now = context.now_ms();
    let number = parse_integer(args[2])?;
    let span = Span { value: args[2], seconds, absolute };
    let deadline = span.resolve(number, now).ok_or(CommandError::ExpireTimeInvalid(command))?;
    let done = context.update(args[1], |live| {
        let Some(record) = live else { return Ok((Change::Keep, None)) };
        if !conditions.allow(record.expire_at_ms(), deadline) {
            return Ok((Change::Keep, None));
        }
        let future = u64::try_from(deadline).ok().filter(|deadline| *deadline > now);
        let change = future.map_or(Change::Remove, |deadline| Change::Expire(Some(deadline)));
        Ok((change, Some(if future.is_some() { "expire" } else { "del" })))
    })?;
    if let Some(event) = done {
        context.notify(Class::Generic, event, args[1]);
    }
    context.sink().integer(i64::from(done.is_some()));
    Ok(())
}

/// PERSIST key
pub(super) fn persist(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    let done = context.update(args[1], |live| {
        let timed = live.and_then(Record::expire_at_ms).is_some();
        Ok((if timed { Change::Expire(None) } else { Change::Keep }, timed))
    })?;
    if done {
        context.notify(Class::Generic, "persist", args[1]);
    }
    context.sink().integer(i64::from(done));
    Ok(())
}

/// TTL key
pub(super) fn ttl(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    let now = context.now_ms();
    answer(context, args[1], |deadline| to_seconds(deadline.saturating_sub(now)))
}

/// PTTL key
pub(super) fn pttl(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    let now = context.now_ms();
    answer(context, args[1], |deadline| deadline.saturating_sub(now))
}

/// EXPIRETIME key
pub(super) fn expiretime(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    answer(context, args[1], to_seconds)
}

/// PEXPIRETIME key
pub(super) fn pexpiretime(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    answer(context, args[1], |deadline| deadline)
}

/// Seconds, rounded as Redis rounds: half a second counts as one.
const fn to_seconds(milliseconds: u64) -> u64 {
    milliseconds.saturating_add(500) / 1000
}

/// Answers -2 without a key, -1 without a deadline.
fn answer(context: &mut Context<'_>, key: &[u8], form: impl Fn(u64) -> u64) -> Result<(), Halt> {
    let number = match find(context, key)?.map(Record::expire_at_ms) {
        None => -2,
        Some(None) => -1,
        Some(Some(deadline)) => i64::try_from(form(deadline)).unwrap_or(i64::MAX),
    };
    context.sink().integer(number);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_refuse_what_redis_refuses() {
        let span = |value: &'static str, seconds, absolute| {
            Span { value: value.as_bytes(), seconds, absolute }.deadline(1_000, "set")
        };
        assert_eq!(span("5", true, false), Ok(6_000));
        assert_eq!(span("5", false, true), Ok(5));
        let invalid = Err(CommandError::ExpireTimeInvalid("set"));
        assert_eq!(span("0", true, false), invalid);
        assert_eq!(span("-1", false, true), invalid);
        assert_eq!(span("9223372036854775807", false, false), invalid);
        assert_eq!(span("9223372036854776", true, true), invalid);
        assert_eq!(span("9223372036854775", true, true), Ok(9_223_372_036_854_775_000));
        assert_eq!(span("x", true, false), Err(CommandError::NotAnInteger));
    }

    #[test]
    fn conditions_compare_with_the_old_deadline() {
        let parse = |line: &str| {
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            Conditions::parse(&words)
        };
        let allow = |line: &str, old| parse(line).map(|conditions| conditions.allow(old, 10));
        assert_eq!(allow("nx", None), Ok(true));
        assert_eq!(allow("nx", Some(5)), Ok(false));
        assert_eq!(allow("xx", None), Ok(false));
        assert_eq!(allow("gt", None), Ok(false));
        assert_eq!(allow("gt", Some(9)), Ok(true));
        assert_eq!(allow("gt", Some(10)), Ok(false));
        assert_eq!(allow("lt", None), Ok(true));
        assert_eq!(allow("lt xx", None), Ok(false));
        assert_eq!(allow("lt", Some(10)), Ok(false));
        assert_eq!(allow("nx gt", None), Err(CommandError::ExpireConflict));
        assert_eq!(allow("gt lt", None), Err(CommandError::ExpireGtLtConflict));
    }
}
