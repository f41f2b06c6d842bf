//! Several sorted sets at once: unions, intersections and differences. Sets take part with a
//! score of 1 for every member.

use std::cmp::Ordering;
use std::collections::HashMap;

use zumic_error::CommandError;

use super::Outcome;
use super::range::store;
use super::{Args, reply_count, reply_elements, rules, score};
use crate::collection::View;
use crate::commands::number::parse_integer;
use crate::structures::listpack::Entry;
use crate::values::set::Set;
use crate::values::sorted_set::SortedSet;
use crate::{Context, Halt, Kind};

/// Which combination.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Operation {
    Difference,
    Intersection,
    Union,
}

/// How scores of one member become one.
#[derive(Clone, Copy, Debug)]
enum Aggregate {
    Max,
    Min,
    Sum,
}

impl Aggregate {
    fn parse(word: &[u8]) -> Result<Self, CommandError> {
        match word.to_ascii_uppercase().as_slice() {
            b"MAX" => Ok(Self::Max),
            b"MIN" => Ok(Self::Min),
            b"SUM" => Ok(Self::Sum),
            _ => Err(CommandError::Syntax),
        }
    }

    fn of(self, one: f64, other: f64) -> f64 {
        match self {
            // Infinities of both signs add up to 0, as in Redis.
            Self::Sum => zero_for_nan(one + other),
            Self::Min => {
                if other < one {
                    other
                } else {
                    one
                }
            }
            Self::Max => {
                if other > one {
                    other
                } else {
                    one
                }
            }
        }
    }
}

fn zero_for_nan(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// The score of a set's members.
const SET_SCORE: f64 = 1.0;

/// What is combined: a key's value.
enum Source<'s> {
    Set(View<'s, Set>),
    SortedSet(View<'s, SortedSet>),
}

impl Source<'_> {
    fn len(&self) -> u64 {
        match self {
            Self::Set(set) => set.get().len() as u64,
            Self::SortedSet(set) => set.get().len(),
        }
    }

    fn score(&self, member: &[u8]) -> Option<f64> {
        match self {
            Self::Set(set) => set.get().contains(member).then_some(SET_SCORE),
            Self::SortedSet(set) => set.get().score(member),
        }
    }

    fn each(&self, mut visit: impl FnMut(Entry<'_>, f64)) {
        match self {
            Self::Set(set) => set.get().iter().for_each(|member| visit(member, SET_SCORE)),
            Self::SortedSet(set) => {
                set.get().iter().for_each(|(member, score)| visit(member, score))
            }
        }
    }
}

/// A source and its weight; no source for an absent key.
struct Input<'s> {
    source: Option<Source<'s>>,
    weight: f64,
}

impl Input<'_> {
    fn len(&self) -> u64 {
        self.source.as_ref().map_or(0, Source::len)
    }

    fn score(&self, member: &[u8]) -> Option<f64> {
        self.source.as_ref().and_then(|source| source.score(member))
    }

    fn each(&self, visit: impl FnMut(Entry<'_>, f64)) {
        if let Some(source) = &self.source {
            source.each(visit);
        }
    }
}

/// What a command asks for, its inputs at hand.
struct Combination<'s> {
    operation: Operation,
    inputs: Vec<Input<'s>>,
    aggregate: Aggregate,
    with_scores: bool,
    /// ZINTERCARD's; 0 for none.
    limit: u64,
}

/// Which options a command has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    Count,
    Reply,
    Store,
}

fn open<'s>(context: &mut Context<'s>, key: &[u8]) -> Result<Option<Source<'s>>, Halt> {
    let kind = crate::commands::keys::find(context, key)?.map(|record| record.kind());
    match kind {
        None => Ok(None),
        Some(Kind::Set) => Ok(context.view::<Set>(key)?.map(Source::Set)),
        Some(Kind::SortedSet) => Ok(context.view::<SortedSet>(key)?.map(Source::SortedSet)),
        Some(_) => Err(CommandError::WrongType.into()),
    }
}

impl<'s> Combination<'s> {
    /// Reads `numkeys key [key ...]` and the options behind; `name` is the command's.
    fn parse(
        context: &mut Context<'s>,
        args: &Args<'_>,
        operation: Operation,
        form: Form,
        name: &'static str,
    ) -> Result<Self, Halt> {
        let number = parse_integer(args[0])?;
        if number < 1 {
            return Err(CommandError::InputKeysMissing(name).into());
        }
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        let Some((keys, mut options)) = args[1..].split_at_checked(number) else {
            return Err(CommandError::Syntax.into());
        };
        let mut inputs = Vec::with_capacity(keys.len());
        for key in keys {
            inputs.push(Input { source: open(context, key)?, weight: 1.0 });
        }
        let mut all =
            Self { operation, inputs, aggregate: Aggregate::Sum, with_scores: false, limit: 0 };
        let has_weights = operation != Operation::Difference && form != Form::Count;
        while let [word, rest @ ..] = options {
            options = match (word.to_ascii_uppercase().as_slice(), rest) {
                (b"WEIGHTS", rest) if has_weights && rest.len() >= keys.len() => {
                    for (input, weight) in all.inputs.iter_mut().zip(rest) {
                        input.weight =
                            score::strict(weight).ok_or(CommandError::WeightNotAFloat)?;
                    }
                    &rest[keys.len()..]
                }
                (b"AGGREGATE", [how, rest @ ..]) if has_weights => {
                    all.aggregate = Aggregate::parse(how)?;
                    rest
                }
                (b"WITHSCORES", rest) if form == Form::Reply => {
                    all.with_scores = true;
                    rest
                }
                (b"LIMIT", [limit, rest @ ..]) if form == Form::Count => {
                    let limit = parse_integer(limit).ok().and_then(|it| u64::try_from(it).ok());
                    all.limit = limit.ok_or(CommandError::LimitNegative)?;
                    rest
                }
                _ => return Err(CommandError::Syntax.into()),
            };
        }
        Ok(all)
    }

    /// The result, by score and then member.
    fn run(mut self) -> Vec<(Vec<u8>, f64)> {
        if self.operation != Operation::Difference {
            // Sums depend on the order of their terms: Redis begins with the smallest set.
            self.inputs.sort_by_key(Input::len);
        }
        let mut result = match self.operation {
            Operation::Difference => self.difference(),
            Operation::Intersection => self.intersection(),
            Operation::Union => self.union(),
        };
        result.sort_unstable_by(|(a, x), (b, y)| {
            x.partial_cmp(y).unwrap_or(Ordering::Equal).then_with(|| a.cmp(b))
        });
        result
    }

    fn union(&self) -> Vec<(Vec<u8>, f64)> {
        let mut scores: HashMap<Vec<u8>, f64> = HashMap::new();
        for input in &self.inputs {
            input.each(|member, score| {
                let score = zero_for_nan(input.weight * score);
                member.with_bytes(|member| match scores.get_mut(member) {
                    Some(sum) => *sum = self.aggregate.of(*sum, score),
                    None => drop(scores.insert(member.to_vec(), score)),
                });
            });
        }
        scores.into_iter().collect()
    }

    /// Visits every member of the first input that is in all others, with its score.
    fn each_common(&self, mut visit: impl FnMut(&[u8], f64)) {
        let [first, others @ ..] = &self.inputs[..] else { return };
        first.each(|member, score| {
            member.with_bytes(|member| {
                let mut sum = zero_for_nan(first.weight * score);
                for other in others {
                    let Some(score) = other.score(member) else { return };
                    sum = self.aggregate.of(sum, score * other.weight);
                }
                visit(member, sum);
            });
        });
    }

    fn intersection(&self) -> Vec<(Vec<u8>, f64)> {
        let mut result = Vec::new();
        self.each_common(|member, score| result.push((member.to_vec(), score)));
        result
    }

    fn difference(&self) -> Vec<(Vec<u8>, f64)> {
        let [first, others @ ..] = &self.inputs[..] else { return Vec::new() };
        let mut result = Vec::new();
        first.each(|member, score| {
            member.with_bytes(|member| {
                if others.iter().all(|other| other.score(member).is_none()) {
                    result.push((member.to_vec(), score));
                }
            });
        });
        result
    }
}

fn reply(
    context: &mut Context<'_>,
    args: &Args<'_>,
    operation: Operation,
    name: &'static str,
) -> Outcome {
    let all = Combination::parse(context, &args[1..], operation, Form::Reply, name)?;
    let with_scores = all.with_scores;
    let result = all.run();
    let elements = result.iter().map(|(member, score)| (Entry::Bytes(member), *score));
    reply_elements(context.sink(), elements, with_scores);
    Ok(())
}

/// `name` is the command's, and its event's.
fn combine_into(
    context: &mut Context<'_>,
    args: &Args<'_>,
    operation: Operation,
    name: &'static str,
) -> Outcome {
    let rules = rules(context);
    let all = Combination::parse(context, &args[2..], operation, Form::Store, name)?;
    let set = SortedSet::from_sorted(&all.run(), &rules);
    store(context, args[1], set, name)
}

/// ZUNION numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM | MIN | MAX]
/// [WITHSCORES]
pub(in crate::commands) fn zunion(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    reply(context, args, Operation::Union, "zunion")
}

/// ZINTER, as ZUNION
pub(in crate::commands) fn zinter(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    reply(context, args, Operation::Intersection, "zinter")
}

/// ZDIFF numkeys key [key ...] [WITHSCORES]
pub(in crate::commands) fn zdiff(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    reply(context, args, Operation::Difference, "zdiff")
}

/// ZUNIONSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]]
/// [AGGREGATE SUM | MIN | MAX]
pub(in crate::commands) fn zunionstore(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    combine_into(context, args, Operation::Union, "zunionstore")
}

/// ZINTERSTORE, as ZUNIONSTORE
pub(in crate::commands) fn zinterstore(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    combine_into(context, args, Operation::Intersection, "zinterstore")
}

/// ZDIFFSTORE destination numkeys key [key ...]
pub(in crate::commands) fn zdiffstore(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    combine_into(context, args, Operation::Difference, "zdiffstore")
}

/// ZINTERCARD numkeys key [key ...] [LIMIT limit]
pub(in crate::commands) fn zintercard(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let form = Form::Count;
    let mut all =
        Combination::parse(context, &args[1..], Operation::Intersection, form, "zintercard")?;
    all.inputs.sort_by_key(Input::len);
    let mut count = 0;
    all.each_common(|_, _| count += 1);
    if all.limit > 0 {
        count = count.min(all.limit);
    }
    reply_count(context.sink(), count);
    Ok(())
}
