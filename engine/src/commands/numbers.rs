//! Handlers: strings that are numbers.

use zumic_error::CommandError;

use super::extended::Extended;
use super::number::{format_double, parse_finite_double, parse_integer};
use super::strings::{put, text_of};
use crate::{Class, Context, Halt, NewText, Record, Text};

type Outcome = Result<(), Halt>;
type Args<'a> = [&'a [u8]];

fn add(context: &mut Context<'_>, key: &[u8], amount: i64) -> Outcome {
    let sum = context.update(key, |old| {
        let now = match text_of(old)? {
            None => 0,
            Some(Text::Int(number)) => number,
            Some(text) => parse_integer(&text.to_bytes())?,
        };
        let sum = now.checked_add(amount).ok_or(CommandError::Overflow)?;
        Ok((put(NewText::Int(sum), old.and_then(Record::expire_at_ms)), sum))
    })?;
    context.notify(Class::String, "incrby", key);
    context.sink().integer(sum);
    Ok(())
}

/// INCR key
pub(super) fn incr(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    add(context, args[1], 1)
}

/// DECR key
pub(super) fn decr(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    add(context, args[1], -1)
}

/// INCRBY key increment
pub(super) fn incrby(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    add(context, args[1], parse_integer(args[2])?)
}

/// DECRBY key decrement
pub(super) fn decrby(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let amount = parse_integer(args[2])?.checked_neg().ok_or(CommandError::DecrementOverflow)?;
    add(context, args[1], amount)
}

/// The value is looked at before the amount, because Redis's errors come in that order.
fn add_float(
    context: &mut Context<'_>,
    args: &Args<'_>,
    sign: impl Fn(Extended) -> Extended,
) -> Outcome {
    let sum = context.update(args[1], |old| {
        let now = match text_of(old)? {
            None => Extended::from_integer(0),
            Some(Text::Int(number)) => Extended::from_integer(number),
            Some(text) => Extended::parse(&text.to_bytes()).ok_or(CommandError::NotAFloat)?,
        };
        let amount = Extended::parse(args[2]).ok_or(CommandError::NotAFloat)?;
        let sum = now.plus(sign(amount)).filter(|sum| !sum.is_infinite());
        let text = sum.ok_or(CommandError::NanOrInfinity)?.to_text().into_bytes();
        let new = NewText::Fresh(text.clone());
        Ok((put(new, old.and_then(Record::expire_at_ms)), text))
    })?;
    context.notify(Class::String, "incrbyfloat", args[1]);
    context.sink().bulk(&sum);
    Ok(())
}

/// INCRBYFLOAT key increment
pub(super) fn incrbyfloat(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    add_float(context, args, |amount| amount)
}

/// DECRBYFLOAT key decrement (Zumic's own)
pub(super) fn decrbyfloat(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    add_float(context, args, Extended::negated)
}

/// SETFLOAT key number (Zumic's own): stores the shortest text that reads back the same.
pub(super) fn setfloat(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let text = format_double(parse_finite_double(args[2])?).into_bytes();
    context.update(args[1], |_| Ok((put(NewText::Fresh(text.clone()), None), ())))?;
    context.notify(Class::String, "set", args[1]);
    context.sink().simple("OK");
    Ok(())
}
