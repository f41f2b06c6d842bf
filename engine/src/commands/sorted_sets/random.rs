//! ZRANDMEMBER.

use std::collections::HashSet;

use zumic_error::CommandError;

use super::Outcome;
use super::{Args, reply_elements};
use crate::commands::number::parse_integer;
use crate::structures::listpack::Entry;
use crate::values::sorted_set::{SortedSet, SortedSetRef};
use crate::{Context, ReplySink};

/// Most elements that a negative count may draw: the reply is in memory before it is sent.
const DRAWS_MAX: u64 = 1 << 24;

fn below(random: u64, limit: u64) -> u64 {
    let wide = u128::from(random) * u128::from(limit);
    u64::try_from(wide >> 64).expect("below the limit")
}

fn element(set: SortedSetRef<'_>, rank: u64) -> (Entry<'_>, f64) {
    set.range(rank, rank + 1).next().expect("the rank is below the length")
}

/// Distinct ranks in random order, by Floyd's algorithm (Bentley and Floyd, "A sample of
/// brilliance", CACM 1987).
fn distinct(count: u64, len: u64, mut random: impl FnMut() -> u64) -> Vec<u64> {
    let (mut chosen, mut ranks) = (HashSet::new(), Vec::new());
    for last in len - count..len {
        let rank = below(random(), last + 1);
        let rank = if chosen.insert(rank) { rank } else { last };
        chosen.insert(rank);
        ranks.push(rank);
    }
    ranks
}

fn reply_ranks(sink: &mut dyn ReplySink, set: SortedSetRef<'_>, ranks: &[u64], scores: bool) {
    if let SortedSetRef::Listpack(_) = set {
        // An index into a listpack is a walk: its elements are found once.
        let all: Vec<_> = set.iter().collect();
        let at = |rank: &u64| all[usize::try_from(*rank).expect("within the listpack")];
        return reply_elements(sink, ranks.iter().map(at), scores);
    }
    reply_elements(sink, ranks.iter().map(|&rank| element(set, rank)), scores);
}

/// ZRANDMEMBER key [count [WITHSCORES]]
pub(in crate::commands) fn zrandmember(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let Some(count) = args.get(2) else {
        let random = context.random();
        let Some(set) = context.view::<SortedSet>(args[1])? else {
            context.sink().null();
            return Ok(());
        };
        let set = set.get();
        element(set, below(random, set.len())).0.write(context.sink());
        return Ok(());
    };
    let count = parse_integer(count)?;
    if count == i64::MIN {
        return Err(CommandError::NotInRange { min: -i64::MAX, max: i64::MAX }.into());
    }
    let with_scores = match args[3..] {
        [] => false,
        [word] if word.eq_ignore_ascii_case(b"WITHSCORES") => true,
        _ => return Err(CommandError::Syntax.into()),
    };
    if with_scores && count.unsigned_abs() > i64::MAX.unsigned_abs() / 2 {
        return Err(CommandError::ValueOutOfRange.into());
    }
    let Some(view) = context.view::<SortedSet>(args[1])? else {
        context.sink().array(0);
        return Ok(());
    };
    let set = view.get();
    let len = set.len();
    let wanted = count.unsigned_abs();
    if count < 0 {
        // With repetitions.
        if wanted > DRAWS_MAX {
            return Err(CommandError::ValueOutOfRange.into());
        }
        let ranks: Vec<u64> = (0..wanted).map(|_| below(context.random(), len)).collect();
        reply_ranks(context.sink(), set, &ranks, with_scores);
    } else if wanted == 0 {
        context.sink().array(0);
    } else if wanted >= len {
        // As Redis walks it: from the end.
        reply_elements(context.sink(), set.iter().rev(), with_scores);
    } else {
        let ranks = distinct(wanted, len, || context.random());
        reply_ranks(context.sink(), set, &ranks, with_scores);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_no_repetitions_and_reaches_everything() {
        let mut seed = 1_u64;
        let mut seen = [0_u32; 10];
        for _ in 0..1_000 {
            let ranks = distinct(4, 10, || {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
                seed
            });
            assert_eq!(ranks.iter().collect::<HashSet<_>>().len(), 4, "{ranks:?}");
            ranks.iter().for_each(|&rank| seen[usize::try_from(rank).unwrap()] += 1);
        }
        assert!(seen.iter().all(|&times| (300..500).contains(&times)), "{seen:?}");
    }
}
