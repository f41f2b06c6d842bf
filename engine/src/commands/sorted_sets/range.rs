//! Commands on ranges: by rank, by score, by member, in both directions.

use zumic_error::CommandError;

use super::Outcome;
use super::bounds::{By, Limit, Span};
use super::{Args, notify_taken, reply_count, reply_elements, rules};
use crate::collection::{Edit, Missing};
use crate::values::sorted_set::{Elements, SortedSet, SortedSetRef};
use crate::{Class, Context};

/// What a command of the ZRANGE family asks for.
struct Query<'a> {
    span: Span<'a>,
    limit: Limit,
    reverse: bool,
    with_scores: bool,
}

/// What such a command fixes by its name.
#[derive(Clone, Copy, Default)]
struct Preset {
    by: Option<By>,
    reverse: Option<bool>,
    stores: bool,
}

impl<'a> Query<'a> {
    /// Reads the two ends and the options behind them.
    fn parse(args: &[&'a [u8]], preset: Preset) -> Result<Self, CommandError> {
        let (mut by, mut reverse) = (preset.by, preset.reverse);
        let (mut limit, mut with_scores) = (Limit::NONE, false);
        let mut rest = &args[2..];
        while let [word, behind @ ..] = rest {
            rest = behind;
            match (word.to_ascii_uppercase().as_slice(), behind) {
                (b"WITHSCORES", _) if !preset.stores => with_scores = true,
                (b"LIMIT", [_, _, behind @ ..]) => {
                    limit = Limit::parse(&rest[..2])?;
                    rest = behind;
                }
                (b"REV", _) if reverse.is_none() => reverse = Some(true),
                (b"BYLEX", _) if by.is_none() => by = Some(By::Lex),
                (b"BYSCORE", _) if by.is_none() => by = Some(By::Score),
                _ => return Err(CommandError::Syntax),
            }
        }
        let (by, reverse) = (by.unwrap_or(By::Rank), reverse.unwrap_or(false));
        if limit.count != -1 && by == By::Rank {
            return Err(CommandError::RangeLimitByRank);
        }
        if with_scores && by == By::Lex {
            return Err(CommandError::RangeScoresByLex);
        }
        let swapped = reverse && by != By::Rank;
        let (low, high) = if swapped { (args[1], args[0]) } else { (args[0], args[1]) };
        let span = Span::parse(by, low, high)?;
        Ok(Self { span, limit, reverse, with_scores })
    }

    /// The elements asked for, ascending.
    fn select<'s>(&self, set: SortedSetRef<'s>) -> Elements<'s> {
        let ranks = self.span.ranks(set, self.reverse);
        let ranks = match self.span {
            Span::Rank(..) => ranks,
            Span::Lex(..) | Span::Score(..) => self.limit.cut(ranks, self.reverse),
        };
        set.range(ranks.0, ranks.1)
    }
}

fn range(context: &mut Context<'_>, args: &Args<'_>, preset: Preset) -> Outcome {
    let query = Query::parse(&args[2..], preset)?;
    let Some(set) = context.view::<SortedSet>(args[1])? else {
        context.sink().array(0);
        return Ok(());
    };
    let elements = query.select(set.get());
    if query.reverse {
        reply_elements(context.sink(), elements.rev(), query.with_scores);
    } else {
        reply_elements(context.sink(), elements, query.with_scores);
    }
    Ok(())
}

/// ZRANGE key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]
pub(in crate::commands) fn zrange(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    range(context, args, Preset::default())
}

/// ZREVRANGE key start stop [WITHSCORES]
pub(in crate::commands) fn zrevrange(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    range(context, args, Preset { by: Some(By::Rank), reverse: Some(true), stores: false })
}

/// ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]
pub(in crate::commands) fn zrangebyscore(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    range(context, args, Preset { by: Some(By::Score), reverse: Some(false), stores: false })
}

/// ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]
pub(in crate::commands) fn zrevrangebyscore(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    range(context, args, Preset { by: Some(By::Score), reverse: Some(true), stores: false })
}

/// ZRANGEBYLEX key min max [LIMIT offset count]
pub(in crate::commands) fn zrangebylex(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    range(context, args, Preset { by: Some(By::Lex), reverse: Some(false), stores: false })
}

/// ZREVRANGEBYLEX key max min [LIMIT offset count]
pub(in crate::commands) fn zrevrangebylex(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    range(context, args, Preset { by: Some(By::Lex), reverse: Some(true), stores: false })
}

/// ZRANGESTORE dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]
pub(in crate::commands) fn zrangestore(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let query = Query::parse(&args[3..], Preset { stores: true, ..Preset::default() })?;
    let rules = rules(context);
    let pairs: Vec<_> = match context.view::<SortedSet>(args[2])? {
        None => Vec::new(),
        Some(set) => query
            .select(set.get())
            .map(|(member, score)| (member.to_bytes().into_owned(), score))
            .collect(),
    };
    let set = SortedSet::from_sorted(&pairs, &rules);
    store(context, args[1], set, "zrangestore")
}

/// Stores a command's result and answers how much it is; nothing removes the key.
pub(in crate::commands) fn store(
    context: &mut Context<'_>,
    key: &[u8],
    set: SortedSet,
    event: &'static str,
) -> Outcome {
    let len = set.len();
    let existed = context.replace(key, Some(set))?;
    if len > 0 {
        context.notify(Class::SortedSet, event, key);
    } else if existed {
        context.notify(Class::Generic, "del", key);
    }
    reply_count(context.sink(), len);
    Ok(())
}

fn count(context: &mut Context<'_>, args: &Args<'_>, by: By) -> Outcome {
    let span = Span::parse(by, args[2], args[3])?;
    let count = context.view::<SortedSet>(args[1])?.map_or(0, |set| {
        let (start, end) = span.ranks(set.get(), false);
        end - start
    });
    reply_count(context.sink(), count);
    Ok(())
}

/// ZCOUNT key min max
pub(in crate::commands) fn zcount(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    count(context, args, By::Score)
}

/// ZLEXCOUNT key min max
pub(in crate::commands) fn zlexcount(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    count(context, args, By::Lex)
}

fn remove(context: &mut Context<'_>, args: &Args<'_>, by: By, event: &'static str) -> Outcome {
    let span = Span::parse(by, args[2], args[3])?;
    let done = context.edit(args[1], Missing::Skip, |set: &mut SortedSet| {
        let (start, end) = span.ranks(crate::collection::Collection::as_ref(set), false);
        let removed = set.remove_range(start, end, |_, _| ());
        let result = (removed, set.is_empty(), start);
        Ok(if removed == 0 { Edit::Same(result) } else { Edit::Changed(result) })
    })?;
    let (removed, emptied, start) = done.unwrap_or_default();
    if removed > 0 {
        // As ranks: which members lie between two others is open where scores differ.
        let (mut first, mut last) = (itoa::Buffer::new(), itoa::Buffer::new());
        let (first, last) = (first.format(start), last.format(start + removed - 1));
        context.log(&[b"ZREMRANGEBYRANK", args[1], first.as_bytes(), last.as_bytes()]);
        notify_taken(context, event, args[1], emptied);
    }
    reply_count(context.sink(), removed);
    Ok(())
}

/// ZREMRANGEBYRANK key start stop
pub(in crate::commands) fn zremrangebyrank(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    remove(context, args, By::Rank, "zremrangebyrank")
}

/// ZREMRANGEBYSCORE key min max
pub(in crate::commands) fn zremrangebyscore(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    remove(context, args, By::Score, "zremrangebyscore")
}

/// ZREMRANGEBYLEX key min max
pub(in crate::commands) fn zremrangebylex(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    remove(context, args, By::Lex, "zremrangebylex")
}
