//! Random members of a set: to look at and to take.

use std::collections::HashSet;

use zumic_error::CommandError;

use super::{Args, Outcome, notify_if_gone, rules, write_set};
use crate::collection::{Edit, Missing};
use crate::commands::number::parse_integer;
use crate::events::Class;
use crate::structures::listpack::{Entry, ListpackBuf};
use crate::values::set::{Rules, Set, SetRef, below};
use crate::{Collection, Context};

/// The most members that SRANDMEMBER repeats in one reply: more would be gigabytes, whatever the
/// set. Redis has no limit here but its memory.
const REPEATS_MAX: u64 = 1 << 26;

/// When this many times the wanted members are more than the set has, its members are walked
/// over; else they are drawn until enough different ones have been. Redis's constant.
const WALK_FACTOR: usize = 3;

/// When this many times what remains is less than what is taken, what remains is put into a new
/// set. Redis's constant; it decides which encoding the set has afterwards.
const REBUILD_FACTOR: usize = 5;

/// Random numbers from a first one: a closure that may run again must not ask the context.
#[derive(Clone, Copy)]
struct Source(u64);

impl Source {
    /// The next number (splitmix64: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number
    /// Generators", OOPSLA 2014).
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Whether the next of `left` things is among the `wanted` still to be chosen, all choices
    /// being as likely (Fan, Muller and Rezucha, "Development of Sampling Plans by Using
    /// Sequential Selection Techniques", 1962).
    fn chooses(&mut self, wanted: usize, left: usize) -> bool {
        below(self.next(), left) < wanted
    }
}

/// Walks over a set and shows `wanted` of its members, all choices being as likely.
fn choose<'a>(
    set: SetRef<'a>,
    mut wanted: usize,
    source: &mut Source,
    mut show: impl FnMut(Entry<'a>),
) {
    let mut left = set.len();
    for entry in set.iter() {
        if wanted == 0 {
            return;
        }
        if source.chooses(wanted, left) {
            wanted -= 1;
            show(entry);
        }
        left -= 1;
    }
}

/// SPOP key [count]
pub(in crate::commands) fn spop(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    match args {
        [_, key] => pop_one(context, key),
        [_, key, count] => {
            let count = parse_integer(count).ok().and_then(|count| usize::try_from(count).ok());
            pop_many(context, key, count.ok_or(CommandError::NotPositive)?)
        }
        _ => Err(CommandError::Syntax.into()),
    }
}

fn pop_one(context: &mut Context<'_>, key: &[u8]) -> Outcome {
    let source = context.random();
    let popped = context.edit(key, Missing::Skip, |set: &mut Set| {
        let member = set.pop(source).expect("a set at a key has members");
        Ok(Edit::Changed((member, set.as_ref().len())))
    })?;
    match popped {
        Some((member, left)) => {
            context.log(&[b"SREM", key, &member]);
            context.notify(Class::Set, "spop", key);
            notify_if_gone(context, key, left);
            context.sink().bulk(&member);
        }
        None => context.sink().null(),
    }
    Ok(())
}

fn pop_many(context: &mut Context<'_>, key: &[u8], count: usize) -> Outcome {
    let (source, rules) = (Source(context.random()), rules(context));
    let popped = context.edit(key, Missing::Skip, |set: &mut Set| {
        let left = set.as_ref().len().saturating_sub(count);
        if count == 0 {
            return Ok(Edit::Same((Set::default(), left)));
        }
        let popped = if left == 0 {
            // Redis answers with the union of this set alone, which has an order of its own.
            union_of(std::mem::take(set).as_ref(), &rules)
        } else {
            Set::Listpack(take(set, count, source, &rules))
        };
        Ok(Edit::Changed((popped, left)))
    })?;
    let Some((popped, left)) = popped else {
        context.sink().set(0);
        return Ok(());
    };
    if count > 0 {
        log_popped(context, key, &popped, left);
        context.notify(Class::Set, "spop", key);
        notify_if_gone(context, key, left);
    }
    write_set(context.sink(), popped.as_ref());
    Ok(())
}

/// Logs which members were taken.
fn log_popped(context: &mut Context<'_>, key: &[u8], popped: &Set, left: usize) {
    if !context.is_logged() {
        return;
    }
    if left == 0 {
        return context.log(&[b"DEL", key]);
    }
    let members: Vec<_> = popped.as_ref().iter().map(|member| member.to_bytes()).collect();
    context.log_words(&[b"SREM", key], &members);
}

/// The members of one set as SUNION answers them.
fn union_of(set: SetRef<'_>, rules: &Rules) -> Set {
    let mut union = Set::default();
    for entry in set.iter() {
        union.insert_entry(entry, rules);
    }
    union
}

/// Takes `count` random members out of a set that has more.
fn take(set: &mut Set, count: usize, mut source: Source, rules: &Rules) -> ListpackBuf {
    let mut taken = ListpackBuf::new();
    let left = set.as_ref().len() - count;
    match set {
        Set::Listpack(list) => {
            let mut rest = ListpackBuf::new();
            let (mut wanted, mut unseen) = (count, list.len());
            for entry in list.as_ref() {
                if source.chooses(wanted, unseen) {
                    taken.push_back_entry(entry);
                    wanted -= 1;
                } else {
                    rest.push_back_entry(entry);
                }
                unseen -= 1;
            }
            *list = rest;
        }
        Set::Table(_) if left * REBUILD_FACTOR <= count => {
            let mut rest = Set::Listpack(ListpackBuf::new());
            let (mut wanted, mut unseen) = (count, set.as_ref().len());
            for entry in set.as_ref().iter() {
                if source.chooses(wanted, unseen) {
                    taken.push_back_entry(entry);
                    wanted -= 1;
                } else {
                    rest.insert_entry(entry, rules);
                }
                unseen -= 1;
            }
            *set = rest;
        }
        Set::Intset(_) | Set::Table(_) => {
            for _ in 0..count {
                let member = set.pop(source.next()).expect("the set has more than that");
                taken.push_back(&member);
            }
        }
    }
    taken
}

/// SRANDMEMBER key [count]
pub(in crate::commands) fn srandmember(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    match args {
        [_, key] => show_one(context, key),
        [_, key, count] => {
            let count = parse_integer(count)?;
            if count == i64::MIN {
                return Err(CommandError::NotInRange { min: -i64::MAX, max: i64::MAX }.into());
            }
            if count < 0 {
                show_repeated(context, key, count.unsigned_abs())
            } else {
                show_distinct(context, key, usize::try_from(count).unwrap_or(usize::MAX))
            }
        }
        _ => Err(CommandError::Syntax.into()),
    }
}

fn show_one(context: &mut Context<'_>, key: &[u8]) -> Outcome {
    let source = context.random();
    let set = context.view::<Set>(key)?;
    match set.as_ref().and_then(|set| set.get().random(source)) {
        Some(entry) => entry.write(context.sink()),
        None => context.sink().null(),
    }
    Ok(())
}

/// `count` members, each drawn from all.
fn show_repeated(context: &mut Context<'_>, key: &[u8], count: u64) -> Outcome {
    let mut source = Source(context.random());
    let Some(set) = context.view::<Set>(key)? else {
        context.sink().array(0);
        return Ok(());
    };
    let count = Some(count).filter(|count| *count <= REPEATS_MAX);
    let count = count.and_then(|count| usize::try_from(count).ok());
    let count = count.ok_or(CommandError::NotAnInteger)?;
    let set = set.get();
    let sink = context.sink();
    sink.array(count);
    // An index into a listpack is a walk, so its entries are found once.
    if let SetRef::Listpack(list) = set {
        let entries: Vec<Entry<'_>> = list.iter().collect();
        for _ in 0..count {
            entries[below(source.next(), entries.len())].write(sink);
        }
        return Ok(());
    }
    for _ in 0..count {
        set.random(source.next()).expect("a set at a key has members").write(sink);
    }
    Ok(())
}

/// `count` different members, or all of them.
fn show_distinct(context: &mut Context<'_>, key: &[u8], count: usize) -> Outcome {
    let mut source = Source(context.random());
    let Some(set) = context.view::<Set>(key)? else {
        context.sink().array(0);
        return Ok(());
    };
    let set = set.get();
    let count = count.min(set.len());
    let sink = context.sink();
    sink.array(count);
    match set {
        SetRef::Table(table) if count.saturating_mul(WALK_FACTOR) <= set.len() => {
            // Members lie at different places as long as the set is read.
            let mut seen = HashSet::with_capacity(count);
            while seen.len() < count {
                let element = table.random(source.next()).expect("a set at a key has members");
                if seen.insert(element.field.as_ptr()) {
                    sink.bulk(element.field);
                }
            }
        }
        _ => choose(set, count, &mut source, |entry| entry.write(sink)),
    }
    Ok(())
}
