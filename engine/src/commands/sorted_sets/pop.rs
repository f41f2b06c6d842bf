//! Taking from the ends, with waiting and without.
//!
//! A handler that finds nothing says until when it would wait; the host runs it again when one of
//! its keys has changed, and answers for it when the time is over.

use zumic_error::CommandError;

use super::Outcome;
use super::{Args, notify_taken, reply_scored};
use crate::collection::{Edit, Missing};
use crate::commands::blocking::seconds;
use crate::commands::number::parse_integer;
use crate::structures::listpack::Entry;
use crate::values::sorted_set::SortedSet;
use crate::{Context, Halt};

/// An end of a sorted set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    Max,
    Min,
}

impl End {
    const fn event(self) -> &'static str {
        match self {
            Self::Max => "zpopmax",
            Self::Min => "zpopmin",
        }
    }

    const fn command(self) -> &'static [u8] {
        match self {
            Self::Max => b"ZPOPMAX",
            Self::Min => b"ZPOPMIN",
        }
    }

    fn parse(word: &[u8]) -> Result<Self, CommandError> {
        if word.eq_ignore_ascii_case(b"MIN") {
            Ok(Self::Min)
        } else if word.eq_ignore_ascii_case(b"MAX") {
            Ok(Self::Max)
        } else {
            Err(CommandError::Syntax)
        }
    }
}

type Taken = Vec<(Vec<u8>, f64)>;

/// Takes up to `count` elements of a key; `None` when it is absent.
fn take(
    context: &mut Context<'_>,
    key: &[u8],
    end: End,
    count: u64,
) -> Result<Option<Taken>, Halt> {
    let taken = context.edit(key, Missing::Skip, |set: &mut SortedSet| {
        let len = set.len();
        let count = count.min(len);
        let mut taken = Taken::with_capacity(usize::try_from(count).expect("they are in memory"));
        let start = if end == End::Min { 0 } else { len - count };
        set.remove_range(start, start + count, |member, score| {
            taken.push((member.to_vec(), score))
        });
        if end == End::Max {
            taken.reverse();
        }
        let result = (taken, set.is_empty());
        Ok(if count == 0 { Edit::Same(result) } else { Edit::Changed(result) })
    })?;
    let Some((taken, emptied)) = taken else { return Ok(None) };
    if !taken.is_empty() {
        let mut digits = itoa::Buffer::new();
        context.log(&[end.command(), key, digits.format(taken.len()).as_bytes()]);
        notify_taken(context, end.event(), key, emptied);
    }
    Ok(Some(taken))
}

fn entries(taken: &Taken) -> impl ExactSizeIterator<Item = (Entry<'_>, f64)> {
    taken.iter().map(|(member, score)| (Entry::Bytes(member), *score))
}

fn pop(context: &mut Context<'_>, args: &Args<'_>, end: End) -> Outcome {
    let count = match args[2..] {
        [] => None,
        [count] => {
            let count = parse_integer(count).ok().and_then(|count| u64::try_from(count).ok());
            Some(count.ok_or(CommandError::NotPositive)?)
        }
        _ => return Err(CommandError::Syntax.into()),
    };
    let taken = take(context, args[1], end, count.unwrap_or(1))?.unwrap_or_default();
    let sink = context.sink();
    if count.is_some() && !taken.is_empty() {
        reply_scored(sink, entries(&taken));
        return Ok(());
    }
    sink.array(taken.len() * 2);
    for (member, score) in &taken {
        sink.bulk(member);
        sink.double(*score);
    }
    Ok(())
}

/// ZPOPMIN key [count]
pub(in crate::commands) fn zpopmin(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    pop(context, args, End::Min)
}

/// ZPOPMAX key [count]
pub(in crate::commands) fn zpopmax(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    pop(context, args, End::Max)
}

fn blocking_pop(context: &mut Context<'_>, args: &Args<'_>, end: End) -> Outcome {
    let (timeout, keys) = args[1..].split_last().expect("the arity is at least three");
    let until_ms = seconds(context, timeout)?;
    for key in keys {
        if let Some(taken) = take(context, key, end, 1)? {
            let sink = context.sink();
            sink.array(3);
            sink.bulk(key);
            for (member, score) in &taken {
                sink.bulk(member);
                sink.double(*score);
            }
            return Ok(());
        }
    }
    if context.may_wait() {
        return Err(context.wait(until_ms, None));
    }
    context.sink().null_array();
    Ok(())
}

/// BZPOPMIN key [key ...] timeout
pub(in crate::commands) fn bzpopmin(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    blocking_pop(context, args, End::Min)
}

/// BZPOPMAX key [key ...] timeout
pub(in crate::commands) fn bzpopmax(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    blocking_pop(context, args, End::Max)
}

/// What ZMPOP asks for.
struct Several<'r, 'a> {
    keys: &'r Args<'a>,
    end: End,
    count: u64,
}

impl<'r, 'a> Several<'r, 'a> {
    /// Reads `numkeys key [key ...] <MIN | MAX> [COUNT count]`.
    fn parse(args: &'r Args<'a>) -> Result<Self, CommandError> {
        let positive = |text: &[u8]| {
            let number = parse_integer(text).ok().and_then(|number| u64::try_from(number).ok());
            number.filter(|number| *number > 0)
        };
        let keys = positive(args[0]).ok_or(CommandError::NumkeysNotPositive)?;
        let keys = usize::try_from(keys).unwrap_or(usize::MAX);
        let Some((keys, [end, options @ ..])) = args[1..].split_at_checked(keys) else {
            return Err(CommandError::Syntax);
        };
        let end = End::parse(end)?;
        let count = match options {
            [] => 1,
            [word, count, rest @ ..] if word.eq_ignore_ascii_case(b"COUNT") => {
                let count = positive(count).ok_or(CommandError::CountNotPositive)?;
                if !rest.is_empty() {
                    return Err(CommandError::Syntax);
                }
                count
            }
            _ => return Err(CommandError::Syntax),
        };
        Ok(Self { keys, end, count })
    }

    /// Takes from the first key that is there; false when there is none.
    fn run(&self, context: &mut Context<'_>) -> Result<bool, Halt> {
        for key in self.keys {
            let Some(taken) = take(context, key, self.end, self.count)? else { continue };
            let sink = context.sink();
            sink.array(2);
            sink.bulk(key);
            if sink.version() == 4 {
                reply_scored(sink, entries(&taken));
                return Ok(true);
            }
            // Pairs in version 2 as well.
            sink.array(taken.len());
            for (member, score) in &taken {
                sink.array(2);
                sink.bulk(member);
                sink.double(*score);
            }
            return Ok(true);
        }
        Ok(false)
    }
}

/// ZMPOP numkeys key [key ...] <MIN | MAX> [COUNT count]
pub(in crate::commands) fn zmpop(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    if !Several::parse(&args[1..])?.run(context)? {
        context.sink().null_array();
    }
    Ok(())
}

/// BZMPOP timeout numkeys key [key ...] <MIN | MAX> [COUNT count]
pub(in crate::commands) fn bzmpop(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    // Redis reads the timeout after everything else.
    let several = Several::parse(&args[2..])?;
    let until_ms = seconds(context, args[1])?;
    if several.run(context)? {
        return Ok(());
    }
    if context.may_wait() {
        return Err(context.wait(until_ms, None));
    }
    context.sink().null_array();
    Ok(())
}
