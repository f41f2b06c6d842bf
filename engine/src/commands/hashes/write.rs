//! Handlers that set and delete fields.

use zumic_error::{CommandError, HashError};

use super::{Args, Outcome, count, edit, limits, tell};
use crate::commands::extended::Extended;
use crate::commands::number::parse_integer;
use crate::values::hash::Deadline;
use crate::{Context, Edit, Missing};

/// Sets pairs; how many are new.
fn set(context: &mut Context<'_>, args: &Args<'_>, command: &str) -> Result<usize, crate::Halt> {
    if !args.len().is_multiple_of(2) {
        return Err(CommandError::WrongArity(command.into()).into());
    }
    let limits = limits(context);
    let pairs = &args[2..];
    let done = edit(context, args, Missing::Create, |hash| {
        hash.prepare(pairs.len() / 2, pairs, limits);
        let mut created = 0;
        for pair in pairs.chunks_exact(2) {
            created += usize::from(hash.set(pair[0], pair[1], Deadline::Clear, limits));
        }
        Ok(Edit::Changed(created))
    })?;
    tell(context, "hset", args[1], false);
    Ok(done.map_or(0, |done| done.result))
}

/// HSET key field value [field value ...]
pub(in crate::commands) fn hset(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let created = set(context, args, "hset")?;
    context.sink().integer(count(created));
    Ok(())
}

/// HMSET key field value [field value ...]
pub(in crate::commands) fn hmset(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    set(context, args, "hmset")?;
    context.sink().simple("OK");
    Ok(())
}

/// HSETNX key field value
pub(in crate::commands) fn hsetnx(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let limits = limits(context);
    let done = edit(context, args, Missing::Create, |hash| {
        if hash.find(args[2]).is_some() {
            return Ok(Edit::Same(false));
        }
        hash.set(args[2], args[3], Deadline::Clear, limits);
        Ok(Edit::Changed(true))
    })?;
    let created = done.is_some_and(|done| done.result);
    if created {
        tell(context, "hset", args[1], false);
    }
    context.sink().integer(i64::from(created));
    Ok(())
}

/// HDEL key field [field ...]
pub(in crate::commands) fn hdel(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let done = edit(context, args, Missing::Skip, |hash| {
        let removed = args[2..].iter().filter(|field| hash.remove(field)).count();
        Ok(if removed > 0 { Edit::Changed(removed) } else { Edit::Same(0) })
    })?;
    let removed = done.as_ref().map_or(0, |done| done.result);
    if let Some(done) = done
        && removed > 0
    {
        tell(context, "hdel", args[1], done.emptied);
    }
    context.sink().integer(count(removed));
    Ok(())
}

/// HINCRBY key field increment
pub(in crate::commands) fn hincrby(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let amount = parse_integer(args[3])?;
    let limits = limits(context);
    let done = edit(context, args, Missing::Create, |hash| {
        let now = match hash.find(args[2]) {
            None => 0,
            Some(item) => item.value.integer().ok_or(HashError::NotAnInteger)?,
        };
        let sum = now.checked_add(amount).ok_or(CommandError::Overflow)?;
        let mut text = itoa::Buffer::new();
        hash.set(args[2], text.format(sum).as_bytes(), Deadline::Keep, limits);
        Ok(Edit::Changed(sum))
    })?;
    tell(context, "hincrby", args[1], false);
    context.sink().integer(done.map_or(0, |done| done.result));
    Ok(())
}

/// HINCRBYFLOAT key field increment
pub(in crate::commands) fn hincrbyfloat(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let amount = Extended::parse(args[3]).ok_or(CommandError::NotAFloat)?;
    if amount.is_infinite() {
        return Err(CommandError::from(HashError::NanOrInfinity).into());
    }
    let limits = limits(context);
    let done = edit(context, args, Missing::Create, |hash| {
        let now = match hash.find(args[2]) {
            None => Extended::from_integer(0),
            Some(item) => {
                let parsed = item.value.with_bytes(Extended::parse);
                parsed.ok_or(HashError::NotAFloat)?
            }
        };
        let sum = now.plus(amount).filter(|sum| !sum.is_infinite());
        let text = sum.ok_or(CommandError::NanOrInfinity)?.to_text();
        hash.set(args[2], text.as_bytes(), Deadline::Keep, limits);
        Ok(Edit::Changed(text))
    })?;
    tell(context, "hincrbyfloat", args[1], false);
    context.sink().bulk(done.map_or(String::new(), |done| done.result).as_bytes());
    Ok(())
}
