//! Commands that wait for elements.
//!
//! Why it exists: each is its sibling that does not wait, plus a timeout. A handler that finds
//! nothing says until when it would wait; the host runs it again when one of its keys has changed,
//! and answers for it when the time is over.

use super::moves::{Move, Take, answer_taken};
use super::pop_one;
use crate::commands::blocking::seconds;
use crate::structures::listpack::Popped;
use crate::values::list::End;
use crate::{Context, Halt};

fn blocking_pop(context: &mut Context<'_>, args: &[&[u8]], end: End) -> Result<(), Halt> {
    let (timeout, keys) = args[1..].split_last().expect("the arity is at least three");
    let until_ms = seconds(context, timeout)?;
    let mut popped = Popped::new();
    for key in keys {
        if pop_one(context, key, end, &mut popped)? {
            let sink = context.sink();
            sink.array(2);
            sink.bulk(key);
            sink.bulk(&popped);
            return Ok(());
        }
    }
    if context.may_wait() {
        return Err(context.wait(until_ms, None));
    }
    context.sink().null_array();
    Ok(())
}

/// BLPOP key [key ...] timeout
pub(in crate::commands) fn blpop(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    blocking_pop(context, args, End::Left)
}

/// BRPOP key [key ...] timeout
pub(in crate::commands) fn brpop(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    blocking_pop(context, args, End::Right)
}

fn blocking_move(context: &mut Context<'_>, step: Move<'_>, timeout: &[u8]) -> Result<(), Halt> {
    let until_ms = seconds(context, timeout)?;
    match step.run(context)? {
        Some(moved) => context.sink().bulk(&moved),
        None if context.may_wait() => return Err(context.wait(until_ms, None)),
        None => context.sink().null(),
    }
    Ok(())
}

/// BLMOVE source destination <LEFT | RIGHT> <LEFT | RIGHT> timeout
pub(in crate::commands) fn blmove(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    blocking_move(context, Move::parse(args)?, args[5])
}

/// BRPOPLPUSH source destination timeout
pub(in crate::commands) fn brpoplpush(
    context: &mut Context<'_>,
    args: &[&[u8]],
) -> Result<(), Halt> {
    blocking_move(context, Move::right_to_left(args), args[3])
}

/// BLMPOP timeout numkeys key [key ...] <LEFT | RIGHT> [COUNT count]
pub(in crate::commands) fn blmpop(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    // Redis reads the timeout after everything else.
    let take = Take::parse(&args[2..])?;
    let until_ms = seconds(context, args[1])?;
    match take.run(context)? {
        Some((key, taken)) => answer_taken(context, key, &taken),
        None if context.may_wait() => return Err(context.wait(until_ms, None)),
        None => context.sink().null_array(),
    }
    Ok(())
}
