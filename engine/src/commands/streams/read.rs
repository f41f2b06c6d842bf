//! XLEN, XRANGE and XREVRANGE.

use zumic_error::CommandError;

use super::{Args, Outcome, is, parse_count, parse_end, parse_start, write_entries};
use crate::Context;
use crate::structures::stream::{Entry, Stream};

/// XLEN key
pub(in crate::commands) fn xlen(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let len = context.view::<Stream>(args[1])?.map_or(0, |stream| stream.get().log().len());
    context.sink().integer(i64::try_from(len).expect("entries are in memory"));
    Ok(())
}

/// XRANGE key start end [COUNT count]
pub(in crate::commands) fn xrange(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    range(context, args, false)
}

/// XREVRANGE key end start [COUNT count]
pub(in crate::commands) fn xrevrange(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    range(context, args, true)
}

fn range(context: &mut Context<'_>, args: &Args<'_>, back: bool) -> Outcome {
    let (start, end) = if back { (args[3], args[2]) } else { (args[2], args[3]) };
    let start = parse_start(start)?;
    let end = parse_end(end)?;
    let mut count = None;
    for option in args[4..].chunks(2) {
        match option {
            [name, number] if is(name, "COUNT") => count = Some(parse_count(number)?),
            _ => return Err(CommandError::Syntax.into()),
        }
    }
    let Some(stream) = context.view::<Stream>(args[1])? else {
        context.sink().array(0);
        return Ok(());
    };
    if count == Some(0) {
        context.sink().null_array();
        return Ok(());
    }
    let (log, count) = (stream.get().log(), count.unwrap_or(usize::MAX));
    let entries: Vec<Entry<'_>> = if back {
        log.range_back(start, end).take(count).collect()
    } else {
        log.range(start, end).take(count).collect()
    };
    write_entries(context.sink(), &entries);
    Ok(())
}
