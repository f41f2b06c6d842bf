//! What part of a sorted set a command means: by rank, by score, by member.
//!
//! Why it exists: three kinds of range with an inclusive and an exclusive form of each end come
//! down to two ranks each, in O(log n); everything behind that is the same for all.

use zumic_error::CommandError;

use super::Args;
use super::score;
use crate::commands::number::parse_integer;
use crate::values::sorted_set::SortedSetRef;

/// Which kind of range.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum By {
    Lex,
    Rank,
    Score,
}

/// An end of a range of members.
#[derive(Clone, Copy, Debug)]
pub(super) enum LexEnd<'a> {
    Above(&'a [u8]),
    From(&'a [u8]),
    First,
    Last,
}

/// A range as it was written, its low end first.
#[derive(Clone, Copy, Debug)]
pub(super) enum Span<'a> {
    Lex(LexEnd<'a>, LexEnd<'a>),
    /// Counted from the end if negative.
    Rank(i64, i64),
    Score(ScoreEnd, ScoreEnd),
}

/// An end of a range of scores.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScoreEnd {
    score: f64,
    is_exclusive: bool,
}

impl ScoreEnd {
    fn parse(text: &[u8]) -> Result<Self, CommandError> {
        let (is_exclusive, text) = match text {
            [b'(', text @ ..] => (true, text),
            text => (false, text),
        };
        let score = score::bound(text).ok_or(CommandError::ScoreRangeInvalid)?;
        Ok(Self { score, is_exclusive })
    }
}

impl<'a> LexEnd<'a> {
    fn parse(text: &'a [u8]) -> Result<Self, CommandError> {
        match text {
            [b'[', member @ ..] => Ok(Self::From(member)),
            [b'(', member @ ..] => Ok(Self::Above(member)),
            [b'-'] | [b'-', 0, ..] => Ok(Self::First),
            [b'+'] | [b'+', 0, ..] => Ok(Self::Last),
            _ => Err(CommandError::LexRangeInvalid),
        }
    }

    /// How many elements are below the end; with `or_equal`, or at it.
    fn rank(self, set: SortedSetRef<'_>, is_high: bool) -> u64 {
        match self {
            Self::First => 0,
            Self::Last => set.len(),
            Self::From(member) if is_high => set.count_while(|_, one| one <= member),
            Self::From(member) => set.count_while(|_, one| one < member),
            Self::Above(member) if is_high => set.count_while(|_, one| one < member),
            Self::Above(member) => set.count_while(|_, one| one <= member),
        }
    }
}

impl<'a> Span<'a> {
    /// Reads the two ends.
    pub(super) fn parse(by: By, low: &'a [u8], high: &'a [u8]) -> Result<Self, CommandError> {
        Ok(match by {
            By::Lex => Self::Lex(LexEnd::parse(low)?, LexEnd::parse(high)?),
            By::Rank => Self::Rank(parse_integer(low)?, parse_integer(high)?),
            By::Score => Self::Score(ScoreEnd::parse(low)?, ScoreEnd::parse(high)?),
        })
    }

    /// The half-open range of ranks, from the end that is asked for; empty ones as `0..0`.
    pub(super) fn ranks(self, set: SortedSetRef<'_>, reverse: bool) -> (u64, u64) {
        let (start, end) = match self {
            Self::Lex(low, high) => (low.rank(set, false), high.rank(set, true)),
            Self::Rank(start, stop) => {
                let (start, end) = ranks(start, stop, set.len());
                if reverse && start < end {
                    (set.len() - end, set.len() - start)
                } else {
                    (start, end)
                }
            }
            Self::Score(low, high) => {
                let below = |ScoreEnd { score, .. }| set.count_while(|one, _| one < score);
                let up_to = |ScoreEnd { score, .. }| set.count_while(|one, _| one <= score);
                let start = if low.is_exclusive { up_to(low) } else { below(low) };
                let end = if high.is_exclusive { below(high) } else { up_to(high) };
                (start, end)
            }
        };
        if start < end { (start, end) } else { (0, 0) }
    }
}

/// The half-open range of the ranks `start..=stop`, negative ones counted from the end.
fn ranks(start: i64, stop: i64, len: u64) -> (u64, u64) {
    let rank = |index: i64| match u64::try_from(index) {
        Ok(rank) => Some(rank),
        Err(_) => len.checked_sub(index.unsigned_abs()),
    };
    let end = rank(stop).map_or(0, |stop| stop.saturating_add(1)).min(len);
    (rank(start).unwrap_or(0), end)
}

/// LIMIT's numbers, as they were written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    offset: i64,
    /// Negative for no limit.
    pub(super) count: i64,
}

impl Limit {
    /// No limit.
    pub(super) const NONE: Self = Self { offset: 0, count: -1 };

    /// # Errors
    /// [`CommandError::NotAnInteger`].
    pub(super) fn parse(args: &Args<'_>) -> Result<Self, CommandError> {
        Ok(Self { offset: parse_integer(args[0])?, count: parse_integer(args[1])? })
    }

    /// Cuts a range of ranks, seen from the front or from the back.
    pub(super) fn cut(self, (start, end): (u64, u64), reverse: bool) -> (u64, u64) {
        // A negative offset skips everything.
        let Ok(offset) = u64::try_from(self.offset) else { return (0, 0) };
        let left = (end - start).saturating_sub(offset);
        let count = u64::try_from(self.count).map_or(left, |count| count.min(left));
        if count == 0 {
            return (0, 0);
        }
        if reverse {
            (end - offset - count, end - offset)
        } else {
            (start + offset, start + offset + count)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_cut_to_what_there_is() {
        assert_eq!(ranks(0, -1, 5), (0, 5));
        assert_eq!(ranks(-100, 100, 5), (0, 5));
        assert_eq!(ranks(1, 3, 5), (1, 4));
        assert_eq!(ranks(-2, -1, 5), (3, 5));
        assert_eq!(ranks(0, -6, 5), (0, 0));
        assert_eq!(ranks(i64::MIN, i64::MAX, 5), (0, 5));
    }

    #[test]
    fn limits_are_counted_from_the_end_that_is_asked_for() {
        let cut = |offset, count, reverse| Limit { offset, count }.cut((10, 20), reverse);
        assert_eq!(cut(0, -1, false), (10, 20));
        assert_eq!(cut(2, 3, false), (12, 15));
        assert_eq!(cut(2, 3, true), (15, 18));
        assert_eq!(cut(8, 100, true), (10, 12));
        assert_eq!(cut(10, 1, false), (0, 0));
        assert_eq!(cut(-1, 5, false), (0, 0));
        assert_eq!(cut(0, 0, false), (0, 0));
    }
}
