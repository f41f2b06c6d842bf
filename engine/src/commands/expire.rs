//! Handlers: deadlines.

use zumic_error::CommandError;

use super::number::parse_integer;
use crate::{Change, Context, Halt, Record};

type Outcome = Result<(), Halt>;
type Args<'a> = [&'a [u8]];

/// A deadline as an option gives it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Deadline {
    /// At this Unix time in milliseconds.
    At(u64),
    /// The one there is.
    Keep,
    /// None.
    Never,
    /// In the past: the key goes at once.
    Past,
}

/// The deadline that `EX`, `PX`, `EXAT` or `PXAT` with its number means.
///
/// # Errors
/// Not an integer, not positive, or beyond what a time can be.
pub(super) fn deadline_after(
    now_ms: u64,
    unit: &[u8],
    amount: &[u8],
    command: &'static str,
) -> Result<Deadline, CommandError> {
    let (in_seconds, from_now) = match unit {
        b"EX" => (true, true),
        b"PX" => (false, true),
        b"EXAT" => (true, false),
        b"PXAT" => (false, false),
        _ => return Err(CommandError::Syntax),
    };
    let amount = parse_integer(amount)?;
    let invalid = CommandError::ExpireTimeInvalid(command);
    if amount <= 0 {
        return Err(invalid);
    }
    let at = absolute(now_ms, amount, in_seconds, from_now).ok_or(invalid)?;
    Ok(bounded(at, now_ms))
}

/// Unix milliseconds, or `None` on overflow.
fn absolute(now_ms: u64, amount: i64, in_seconds: bool, from_now: bool) -> Option<i64> {
    let ms = if in_seconds { amount.checked_mul(1_000)? } else { amount };
    if from_now { ms.checked_add(i64::try_from(now_ms).ok()?) } else { Some(ms) }
}

fn bounded(at: i64, now_ms: u64) -> Deadline {
    match u64::try_from(at) {
        Ok(at) if at > now_ms => Deadline::At(at),
        _ => Deadline::Past,
    }
}

/// EXPIRE's conditions.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Conditions {
    absent: bool,
    present: bool,
    greater: bool,
    less: bool,
}

impl Conditions {
    fn parse(options: &[&[u8]]) -> Result<Self, CommandError> {
        let mut parsed = Self::default();
        for option in options {
            match option.to_ascii_uppercase().as_slice() {
                b"GT" => parsed.greater = true,
                b"LT" => parsed.less = true,
                b"NX" => parsed.absent = true,
                b"XX" => parsed.present = true,
                _ => {
                    let option = String::from_utf8_lossy(option).into_owned();
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

    /// Whether a deadline may replace the one there is. No deadline counts as infinitely late.
    fn allow(self, current: Option<u64>, new_ms: i64) -> bool {
        let current_ms = current.map_or(i64::MAX, |at| i64::try_from(at).unwrap_or(i64::MAX));
        !(self.absent && current.is_some()
            || self.present && current.is_none()
            || self.greater && (current.is_none() || new_ms <= current_ms)
            || self.less && current.is_some() && new_ms >= current_ms)
    }
}

fn set_deadline(
    context: &mut Context<'_>,
    args: &Args<'_>,
    in_seconds: bool,
    from_now: bool,
    command: &'static str,
) -> Outcome {
    let conditions = Conditions::parse(&args[3..])?;
    let amount = parse_integer(args[2])?;
    let now_ms = context.now_ms();
    let at = absolute(now_ms, amount, in_seconds, from_now)
        .ok_or(CommandError::ExpireTimeInvalid(command))?;
    let done = context.update(args[1], |old| {
        let Some(old) = old else { return Ok((Change::Keep, false)) };
        if !conditions.allow(old.expire_at_ms(), at) {
            return Ok((Change::Keep, false));
        }
        let change = match bounded(at, now_ms) {
            Deadline::At(at) => Change::Expire(Some(at)),
            _ => Change::Remove,
        };
        Ok((change, true))
    })?;
    context.sink().integer(i64::from(done));
    Ok(())
}

/// EXPIRE key seconds [NX|XX|GT|LT]
pub(super) fn expire(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    set_deadline(context, args, true, true, "expire")
}

/// PEXPIRE key milliseconds [NX|XX|GT|LT]
pub(super) fn pexpire(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    set_deadline(context, args, false, true, "pexpire")
}

/// EXPIREAT key unix-time-seconds [NX|XX|GT|LT]
pub(super) fn expireat(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    set_deadline(context, args, true, false, "expireat")
}

/// PEXPIREAT key unix-time-milliseconds [NX|XX|GT|LT]
pub(super) fn pexpireat(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    set_deadline(context, args, false, false, "pexpireat")
}

/// PERSIST key
pub(super) fn persist(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let done = context.update(args[1], |old| match old.and_then(Record::expire_at_ms) {
        Some(_) => Ok((Change::Expire(None), true)),
        None => Ok((Change::Keep, false)),
    })?;
    context.sink().integer(i64::from(done));
    Ok(())
}

/// Answers -2 for no key, -1 for no deadline, else what `of` makes of deadline and time.
fn answer(context: &mut Context<'_>, key: &[u8], of: impl Fn(u64, u64) -> u64) -> Outcome {
    let now_ms = context.now_ms();
    let reply = match context.peek(key)? {
        None => -2,
        Some(record) => record
            .expire_at_ms()
            .map_or(-1, |at| i64::try_from(of(at, now_ms)).expect("deadlines come from an i64")),
    };
    context.sink().integer(reply);
    Ok(())
}

/// TTL key: seconds, rounded.
pub(super) fn ttl(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    answer(context, args[1], |at, now| (at.saturating_sub(now) + 500) / 1_000)
}

/// PTTL key: milliseconds.
pub(super) fn pttl(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    answer(context, args[1], u64::saturating_sub)
}

/// EXPIRETIME key: Unix seconds, rounded.
pub(super) fn expiretime(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    answer(context, args[1], |at, _| (at + 500) / 1_000)
}

/// PEXPIRETIME key: Unix milliseconds.
pub(super) fn pexpiretime(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    answer(context, args[1], |at, _| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_on_both_sides() {
        let parse = |words: &[&str]| {
            let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
            Conditions::parse(&words)
        };
        assert!(parse(&["nx"]).unwrap().allow(None, 5));
        assert!(!parse(&["NX"]).unwrap().allow(Some(9), 5));
        assert!(!parse(&["xx"]).unwrap().allow(None, 5));
        assert!(!parse(&["gt"]).unwrap().allow(None, 5));
        assert!(parse(&["gt"]).unwrap().allow(Some(4), 5));
        assert!(!parse(&["gt"]).unwrap().allow(Some(5), 5));
        assert!(parse(&["lt"]).unwrap().allow(None, 5));
        assert!(!parse(&["lt"]).unwrap().allow(Some(5), 5));
        assert_eq!(parse(&["nx", "gt"]), Err(CommandError::ExpireConflict));
        assert_eq!(parse(&["lt", "gt"]), Err(CommandError::ExpireGtLtConflict));
        assert_eq!(parse(&["x"]), Err(CommandError::ExpireOptionUnknown("x".into())));
    }

    #[test]
    fn a_deadline_now_is_in_the_past() {
        assert_eq!(deadline_after(1_000, b"PXAT", b"1000", "set"), Ok(Deadline::Past));
        assert_eq!(deadline_after(1_000, b"PXAT", b"1001", "set"), Ok(Deadline::At(1_001)));
        assert_eq!(deadline_after(1_000, b"EX", b"2", "set"), Ok(Deadline::At(3_000)));
        let invalid = Err(CommandError::ExpireTimeInvalid("set"));
        assert_eq!(deadline_after(1_000, b"EX", b"0", "set"), invalid);
        assert_eq!(deadline_after(1_000, b"EX", b"9223372036854775807", "set"), invalid);
    }
}
