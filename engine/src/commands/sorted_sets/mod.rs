//! Commands on sorted sets: adding, removing, and asking about members.
//!
//! Why it exists: the order in which Redis parses arguments, looks the key up and checks its type
//! decides which error a client sees; each handler keeps that order. What ranges are is in
//! `bounds`, commands on them in `range`, taking from the ends in `pop`, several sets at once in
//! `combine`, and how numbers are read in `score`.

mod bounds;
pub(super) mod combine;
pub(super) mod pop;
pub(super) mod random;
pub(super) mod range;
pub(super) mod score;

use smallvec::SmallVec;
use zumic_error::CommandError;

use super::number::parse_cursor;
use super::scanning::{ScanOptions, Scanned};
use crate::collection::{Edit, Missing};
use crate::structures::listpack::Entry;
use crate::values::sorted_set::{Rules, SortedSet};
use crate::{Class, Context, Halt, ReplySink};

use score::parse_score;

type Args<'a> = [&'a [u8]];
type Outcome = Result<(), Halt>;

/// The rules of the configuration; a seed for the case that a set becomes large.
fn rules(context: &mut Context<'_>) -> Rules {
    let seed = context.random();
    Rules::new(&context.thresholds(), seed)
}

fn reply_count(sink: &mut dyn ReplySink, count: u64) {
    sink.integer(i64::try_from(count).expect("fewer than 2^63 elements"));
}

/// Writes members with scores: flat in version 2, pairs in version 3, the frame of sorted sets in
/// version 4.
fn reply_scored<'e>(
    sink: &mut dyn ReplySink,
    elements: impl ExactSizeIterator<Item = (Entry<'e>, f64)>,
) {
    sink.sorted_set(elements.len());
    let pairs = sink.version() == 3;
    elements.for_each(|(member, score)| {
        if pairs {
            sink.array(2);
        }
        member.write(sink);
        sink.double(score);
    });
}

/// Writes members, with their scores if asked to.
fn reply_elements<'e>(
    sink: &mut dyn ReplySink,
    elements: impl ExactSizeIterator<Item = (Entry<'e>, f64)>,
    with_scores: bool,
) {
    if with_scores {
        return reply_scored(sink, elements);
    }
    sink.array(elements.len());
    elements.for_each(|(member, _)| member.write(sink));
}

/// Tells that elements were taken, and that the key is gone if they were the last.
fn notify_taken(context: &mut Context<'_>, event: &'static str, key: &[u8], emptied: bool) {
    context.notify(Class::SortedSet, event, key);
    if emptied {
        context.notify(Class::Generic, "del", key);
    }
}

// --- Adding --------------------------------------------------------------------------------

/// ZADD's options.
#[derive(Clone, Copy, Debug, Default)]
struct AddOptions {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
    changed: bool,
    increment: bool,
}

impl AddOptions {
    /// Reads the options in front of the pairs; returns what follows them.
    fn parse<'r, 'a>(
        mut self,
        mut args: &'r Args<'a>,
    ) -> Result<(Self, &'r Args<'a>), CommandError> {
        while let [word, rest @ ..] = args {
            match word.to_ascii_uppercase().as_slice() {
                b"NX" => self.nx = true,
                b"XX" => self.xx = true,
                b"GT" => self.gt = true,
                b"LT" => self.lt = true,
                b"CH" => self.changed = true,
                b"INCR" => self.increment = true,
                _ => break,
            }
            args = rest;
        }
        if args.is_empty() || !args.len().is_multiple_of(2) {
            return Err(CommandError::Syntax);
        }
        if self.nx && self.xx {
            return Err(CommandError::ZaddNxXx);
        }
        if [self.nx, self.gt, self.lt].into_iter().filter(|set| *set).count() > 1 {
            return Err(CommandError::ZaddGtLtNx);
        }
        if self.increment && args.len() > 2 {
            return Err(CommandError::ZaddIncrementPairs);
        }
        Ok((self, args))
    }

    /// Whether a plain insertion does what is asked.
    const fn are_plain(self) -> bool {
        !(self.nx || self.xx || self.gt || self.lt || self.increment)
    }
}

/// What adding did.
#[derive(Clone, Copy, Debug, Default)]
struct Added {
    added: u64,
    updated: u64,
    /// The score after an increment that took place.
    score: Option<f64>,
}

impl Added {
    fn one(
        &mut self,
        set: &mut SortedSet,
        (member, score): (&[u8], f64),
        options: AddOptions,
        rules: &Rules,
    ) -> Result<(), CommandError> {
        if options.are_plain() {
            match set.insert(member, score, rules) {
                None => self.added += 1,
                Some(old) => self.updated += u64::from(old != score),
            }
            return Ok(());
        }
        let Some(old) = crate::collection::Collection::as_ref(set).score(member) else {
            if !options.xx {
                set.insert(member, score, rules);
                self.added += 1;
                self.score = Some(score);
            }
            return Ok(());
        };
        if options.nx {
            return Ok(());
        }
        let score = if options.increment { old + score } else { score };
        if score.is_nan() {
            return Err(CommandError::ScoreNan);
        }
        if (options.lt && score >= old) || (options.gt && score <= old) {
            return Ok(());
        }
        self.score = Some(score);
        if score != old {
            set.insert(member, score, rules);
            self.updated += 1;
        }
        Ok(())
    }
}

fn add(context: &mut Context<'_>, args: &Args<'_>, options: AddOptions) -> Outcome {
    let (options, pairs) = options.parse(&args[2..])?;
    let scores: SmallVec<[f64; 8]> =
        pairs.iter().step_by(2).map(|text| parse_score(text)).collect::<Result<_, _>>()?;
    let rules = rules(context);
    let missing = if options.xx { Missing::Skip } else { Missing::Create };
    let done = context.edit(args[1], missing, |set: &mut SortedSet| {
        if set.is_empty() {
            *set = SortedSet::for_elements(scores.len() as u64, pairs[1].len(), &rules);
        } else {
            set.expect(scores.len() as u64, &rules);
        }
        let mut done = Added::default();
        for (pair, &score) in pairs.chunks_exact(2).zip(&scores) {
            done.one(set, (pair[1], score), options, &rules)?;
        }
        let same = done.added + done.updated == 0;
        Ok(if same { Edit::Same(done) } else { Edit::Changed(done) })
    })?;
    let done = done.unwrap_or_default();
    if done.added + done.updated > 0 {
        let event = if options.increment { "zincr" } else { "zadd" };
        context.notify(Class::SortedSet, event, args[1]);
    }
    let sink = context.sink();
    match (options.increment, done.score) {
        (true, Some(score)) => sink.double(score),
        (true, None) => sink.null(),
        (false, _) if options.changed => reply_count(sink, done.added + done.updated),
        (false, _) => reply_count(sink, done.added),
    }
    Ok(())
}

/// ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]
pub(super) fn zadd(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    add(context, args, AddOptions::default())
}

/// ZINCRBY key increment member
pub(super) fn zincrby(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    add(context, args, AddOptions { increment: true, ..AddOptions::default() })
}

/// ZREM key member [member ...]
pub(super) fn zrem(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let removed = context.edit(args[1], Missing::Skip, |set: &mut SortedSet| {
        let removed = args[2..].iter().filter(|member| set.remove(member).is_some()).count();
        let result = (removed as u64, set.is_empty());
        Ok(if removed == 0 { Edit::Same(result) } else { Edit::Changed(result) })
    })?;
    let (removed, emptied) = removed.unwrap_or_default();
    if removed > 0 {
        notify_taken(context, "zrem", args[1], emptied);
    }
    reply_count(context.sink(), removed);
    Ok(())
}

// --- Asking about members --------------------------------------------------------------------

/// ZCARD key
pub(super) fn zcard(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let len = context.view::<SortedSet>(args[1])?.map_or(0, |set| set.get().len());
    reply_count(context.sink(), len);
    Ok(())
}

fn reply_score(sink: &mut dyn ReplySink, score: Option<f64>) {
    match score {
        None => sink.null(),
        Some(score) => sink.double(score),
    }
}

/// ZSCORE key member
pub(super) fn zscore(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let score = context.view::<SortedSet>(args[1])?.and_then(|set| set.get().score(args[2]));
    reply_score(context.sink(), score);
    Ok(())
}

/// ZMSCORE key member [member ...]
pub(super) fn zmscore(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let set = context.view::<SortedSet>(args[1])?;
    let sink = context.sink();
    sink.array(args.len() - 2);
    for member in &args[2..] {
        reply_score(sink, set.as_ref().and_then(|set| set.get().score(member)));
    }
    Ok(())
}

fn rank(context: &mut Context<'_>, args: &Args<'_>, reverse: bool) -> Outcome {
    let with_score = match args[3..] {
        [] => false,
        [word] if word.eq_ignore_ascii_case(b"WITHSCORE") => true,
        [_] => return Err(CommandError::Syntax.into()),
        _ => {
            let name = if reverse { "zrevrank" } else { "zrank" };
            return Err(CommandError::WrongArity(name.to_owned()).into());
        }
    };
    let found = context.view::<SortedSet>(args[1])?.and_then(|set| {
        let set = set.get();
        let (rank, score) = set.rank(args[2])?;
        Some((if reverse { set.len() - 1 - rank } else { rank }, score))
    });
    let sink = context.sink();
    match found {
        None if with_score => sink.null_array(),
        None => sink.null(),
        Some((rank, score)) => {
            if with_score {
                sink.array(2);
            }
            reply_count(sink, rank);
            if with_score {
                sink.double(score);
            }
        }
    }
    Ok(())
}

/// ZRANK key member [WITHSCORE]
pub(super) fn zrank(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    rank(context, args, false)
}

/// ZREVRANK key member [WITHSCORE]
pub(super) fn zrevrank(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    rank(context, args, true)
}

/// ZSCAN key cursor [MATCH pattern] [COUNT count]
pub(super) fn zscan(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let cursor = parse_cursor(args[2])?;
    let set = context.view::<SortedSet>(args[1])?;
    // Redis looks at the options only where there is something to scan.
    let words = if set.is_some() { &args[3..] } else { &[] };
    let options = ScanOptions::parse(words, Scanned::Members)?;
    let mut shown: Vec<(Vec<u8>, f64)> = Vec::new();
    let next = set.map_or(0, |set| {
        set.get().scan(cursor, options.count, |member, score| {
            if options.selects(member) {
                shown.push((member.to_vec(), score));
            }
        })
    });
    let sink = context.sink();
    sink.array(2);
    sink.bulk(itoa::Buffer::new().format(next).as_bytes());
    sink.array(shown.len() * 2);
    for (member, score) in shown {
        sink.bulk(&member);
        sink.bulk_double(score);
    }
    Ok(())
}
