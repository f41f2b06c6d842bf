//! Intersections, unions and differences of sets.
//!
//! The ways they go are Redis's, because the order of small replies and the encoding of what is
//! stored follow from them.

use std::cmp::Reverse;
use std::ops::ControlFlow;

use smallvec::SmallVec;
use zumic_error::CommandError;

use super::{Args, Outcome, integer, rules, write_set};
use crate::collection::{Collection, View};
use crate::commands::number::parse_integer;
use crate::events::Class;
use crate::structures::listpack::{Entry, ListpackBuf};
use crate::values::set::{Rules, Set, SetRef};
use crate::{Context, Halt};

/// The sets of some keys, absent ones as `None`; all of them are read at one moment.
type Views<'s> = SmallVec<[Option<View<'s, Set>>; 4]>;
type Sets<'a> = SmallVec<[SetRef<'a>; 4]>;

fn views<'s>(context: &mut Context<'s>, keys: &Args<'_>) -> Result<Views<'s>, Halt> {
    keys.iter().map(|key| context.view::<Set>(key)).collect()
}

/// The sets with the smallest first, or `None` when one of them is empty.
fn ascending<'a>(views: &'a Views<'_>) -> Option<Sets<'a>> {
    let mut sets: Sets<'a> =
        views.iter().map(|view| view.as_ref().map(View::get)).collect::<Option<_>>()?;
    sets.sort_by(|a, b| a.compare_len(*b));
    Some(sets)
}

/// Shows the members that all sets have, in the order of the first.
fn intersect<'a>(sets: &Sets<'a>, mut show: impl FnMut(Entry<'a>) -> ControlFlow<()>) {
    let Some((first, others)) = sets.split_first() else { return };
    for entry in first.iter() {
        if others.iter().all(|set| set.contains_entry(entry)) && show(entry).is_break() {
            return;
        }
    }
}

/// The intersection as a set of its own.
fn intersection(views: &Views<'_>, rules: &Rules) -> Set {
    let Some(sets) = ascending(views) else { return Set::default() };
    let mut result = match sets[0] {
        SetRef::Intset(_) => Set::default(),
        SetRef::Listpack(_) | SetRef::Table(_) => Set::Listpack(ListpackBuf::new()),
    };
    intersect(&sets, |entry| {
        result.insert_entry(entry, rules);
        ControlFlow::Continue(())
    });
    result.narrow(rules);
    result
}

fn union(views: &Views<'_>, rules: &Rules) -> Set {
    let mut result = Set::default();
    for view in views.iter().flatten() {
        for entry in view.get().iter() {
            result.insert_entry(entry, rules);
        }
    }
    result
}

/// The first set without the members of the others.
fn difference(keys: &Args<'_>, views: &Views<'_>, rules: &Rules) -> Set {
    let mut result = Set::default();
    let Some(Some(first)) = views.first() else { return result };
    if keys[1..].contains(&keys[0]) {
        return result;
    }
    let first = first.get();
    let mut others: Sets<'_> = views[1..].iter().flatten().map(View::get).collect();
    // Redis's estimates: asking every other set for each member of the first, with an advantage
    // of two, against removing every member of the others.
    let asking = first.len().saturating_mul(others.len() + 1) / 2;
    let removing = others.iter().fold(first.len(), |sum, set| sum.saturating_add(set.len()));
    if asking <= removing {
        others.sort_by_key(|set| Reverse(set.len()));
        for entry in first.iter() {
            if !others.iter().any(|set| set.contains_entry(entry)) {
                result.insert_entry(entry, rules);
            }
        }
        return result;
    }
    for entry in first.iter() {
        result.insert_entry(entry, rules);
    }
    for entry in others.iter().flat_map(|set| set.iter()) {
        entry.with_bytes(|member| result.remove(member));
        if result.is_empty() {
            break;
        }
    }
    result
}

/// Stores a result as Redis does: nothing is stored of an empty one, and the key is gone.
fn store(context: &mut Context<'_>, key: &[u8], set: Set, event: &'static str) -> Outcome {
    let count = set.as_ref().len();
    let existed = context.replace(key, Some(set))?;
    if count > 0 {
        context.notify(Class::Set, event, key);
    } else if existed {
        context.notify(Class::Generic, "del", key);
    }
    integer(context, count)
}

/// SINTER key [key ...]
pub(in crate::commands) fn sinter(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let views = views(context, &args[1..])?;
    let mut members = Vec::new();
    if let Some(sets) = ascending(&views) {
        intersect(&sets, |entry| {
            members.push(entry);
            ControlFlow::Continue(())
        });
    }
    let sink = context.sink();
    sink.set(members.len());
    members.iter().for_each(|entry| entry.write(sink));
    Ok(())
}

/// SINTERCARD numkeys key [key ...] [LIMIT limit]
pub(in crate::commands) fn sintercard(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let keys = parse_integer(args[1]).ok().and_then(|keys| usize::try_from(keys).ok());
    let keys = keys.filter(|keys| *keys > 0).ok_or(CommandError::NumkeysNotPositive)?;
    if keys > args.len() - 2 {
        return Err(CommandError::NumkeysTooMany.into());
    }
    let (keys, mut options) = args[2..].split_at(keys);
    let mut limit = 0;
    while let [option, rest @ ..] = options {
        let [value, rest @ ..] = rest else { return Err(CommandError::Syntax.into()) };
        if !option.eq_ignore_ascii_case(b"LIMIT") {
            return Err(CommandError::Syntax.into());
        }
        let value = parse_integer(value).ok().and_then(|value| usize::try_from(value).ok());
        limit = value.ok_or(CommandError::LimitNegative)?;
        options = rest;
    }
    let views = views(context, keys)?;
    let mut count = 0;
    if let Some(sets) = ascending(&views) {
        intersect(&sets, |_| {
            count += 1;
            if count == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    }
    drop(views);
    integer(context, count)
}

/// SINTERSTORE destination key [key ...]
pub(in crate::commands) fn sinterstore(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let rules = rules(context);
    let set = intersection(&views(context, &args[2..])?, &rules);
    store(context, args[1], set, "sinterstore")
}

/// SUNION key [key ...]
pub(in crate::commands) fn sunion(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let rules = rules(context);
    let set = union(&views(context, &args[1..])?, &rules);
    write_set(context.sink(), set.as_ref());
    Ok(())
}

/// SUNIONSTORE destination key [key ...]
pub(in crate::commands) fn sunionstore(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let rules = rules(context);
    let set = union(&views(context, &args[2..])?, &rules);
    store(context, args[1], set, "sunionstore")
}

/// SDIFF key [key ...]
pub(in crate::commands) fn sdiff(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let (keys, rules) = (&args[1..], rules(context));
    let set = difference(keys, &views(context, keys)?, &rules);
    write_set(context.sink(), set.as_ref());
    Ok(())
}

/// SDIFFSTORE destination key [key ...]
pub(in crate::commands) fn sdiffstore(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let (keys, rules) = (&args[2..], rules(context));
    let set = difference(keys, &views(context, keys)?, &rules);
    store(context, args[1], set, "sdiffstore")
}
