//! Commands on sets: members in, out and asked for. Several sets at once are in `algebra`,
//! random members in `random`.

mod algebra;
mod random;

pub(super) use self::algebra::{
    sdiff, sdiffstore, sinter, sintercard, sinterstore, sunion, sunionstore,
};
pub(super) use self::random::{spop, srandmember};
use super::number::parse_cursor;
use super::scanning::{ScanOptions, Scanned};
use crate::collection::{Collection, Edit, Missing, View};
use crate::events::Class;
use crate::structures::listpack::Entry;
use crate::values::set::{Rules, Set, SetRef};
use crate::{Context, Halt, ReplySink};

type Outcome = Result<(), Halt>;
type Args<'a> = [&'a [u8]];

fn integer(context: &mut Context<'_>, count: usize) -> Outcome {
    context.sink().integer(i64::try_from(count).expect("a count of things in memory"));
    Ok(())
}

/// Writes a set as the reply.
fn write_set(sink: &mut dyn ReplySink, set: SetRef<'_>) {
    sink.set(set.len());
    set.iter().for_each(|entry| entry.write(sink));
}

/// The rules for a set that is about to be changed.
fn rules(context: &mut Context<'_>) -> Rules {
    let seed = context.random();
    Rules::new(&context.thresholds(), seed)
}

/// SADD key member [member ...]
pub(super) fn sadd(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let (members, rules) = (&args[2..], rules(context));
    let added = context.edit(args[1], Missing::Create, |set: &mut Set| {
        if set.as_ref().is_empty() {
            *set = Set::for_members(members[0], members.len(), &rules);
        } else {
            set.expect(members.len(), &rules);
        }
        let added = members.iter().filter(|member| set.insert(member, &rules)).count();
        Ok(if added > 0 { Edit::Changed(added) } else { Edit::Same(0) })
    })?;
    let added = added.unwrap_or(0);
    if added > 0 {
        context.notify(Class::Set, "sadd", args[1]);
    }
    integer(context, added)
}

/// SREM key member [member ...]
pub(super) fn srem(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let members = &args[2..];
    let removed = context.edit(args[1], Missing::Skip, |set: &mut Set| {
        let removed = members.iter().filter(|member| set.remove(member)).count();
        let left = set.as_ref().len();
        Ok(if removed > 0 { Edit::Changed((removed, left)) } else { Edit::Same((0, left)) })
    })?;
    let (removed, left) = removed.unwrap_or((0, 0));
    if removed > 0 {
        context.notify(Class::Set, "srem", args[1]);
        notify_if_gone(context, args[1], left);
    }
    integer(context, removed)
}

/// Tells that a key is gone once its set has no members left.
fn notify_if_gone(context: &mut Context<'_>, key: &[u8], left: usize) {
    if left == 0 {
        context.notify(Class::Generic, "del", key);
    }
}

/// SCARD key
pub(super) fn scard(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let set = context.view::<Set>(args[1])?;
    integer(context, set.map_or(0, |set| set.get().len()))
}

/// SISMEMBER key member
pub(super) fn sismember(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let set = context.view::<Set>(args[1])?;
    let is_member = set.is_some_and(|set| set.get().contains(args[2]));
    integer(context, usize::from(is_member))
}

/// SMISMEMBER key member [member ...]
pub(super) fn smismember(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let set = context.view::<Set>(args[1])?;
    let set = set.as_ref().map(View::get);
    let sink = context.sink();
    sink.array(args.len() - 2);
    for member in &args[2..] {
        sink.integer(i64::from(set.is_some_and(|set| set.contains(member))));
    }
    Ok(())
}

/// SMEMBERS key
pub(super) fn smembers(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    match context.view::<Set>(args[1])? {
        Some(set) => write_set(context.sink(), set.get()),
        None => context.sink().set(0),
    }
    Ok(())
}

/// SMOVE source destination member
pub(super) fn smove(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let (source, destination, member) = (args[1], args[2], args[3]);
    if !context.holds::<Set>(source)? {
        return integer(context, 0);
    }
    let is_member = context.view::<Set>(source)?.is_some_and(|set| set.get().contains(member));
    // The type of the destination counts even when there is nothing to move.
    context.holds::<Set>(destination)?;
    if source == destination || !is_member {
        return integer(context, usize::from(is_member));
    }
    let rules = rules(context);
    let left = context.edit(source, Missing::Skip, |set: &mut Set| {
        set.remove(member);
        Ok(Edit::Changed(set.as_ref().len()))
    })?;
    context.log(&[b"SREM", source, member]);
    context.notify(Class::Set, "srem", source);
    notify_if_gone(context, source, left.unwrap_or(0));
    let added = context.edit(destination, Missing::Create, |set: &mut Set| {
        if set.as_ref().is_empty() {
            *set = Set::for_members(member, 1, &rules);
        }
        Ok(if set.insert(member, &rules) { Edit::Changed(true) } else { Edit::Same(false) })
    })?;
    if added == Some(true) {
        context.log(&[b"SADD", destination, member]);
        context.notify(Class::Set, "sadd", destination);
    }
    integer(context, 1)
}

/// SSCAN key cursor [MATCH pattern] [COUNT count]
pub(super) fn sscan(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let cursor = parse_cursor(args[2])?;
    let set = context.view::<Set>(args[1])?;
    let mut shown: Vec<Entry<'_>> = Vec::new();
    let mut next = 0;
    if let Some(set) = &set {
        let options = ScanOptions::parse(&args[3..], Scanned::Members)?;
        let selects = |entry: &Entry<'_>| entry.with_bytes(|member| options.selects(member));
        match set.get() {
            SetRef::Table(table) => {
                next = table.scan(cursor, options.count, |element| {
                    shown.extend(Some(Entry::Bytes(element.field)).filter(selects));
                });
            }
            // The small forms are answered whole, as Redis does.
            small => shown.extend(small.iter().filter(selects)),
        }
    }
    let sink = context.sink();
    sink.array(2);
    sink.bulk(itoa::Buffer::new().format(next).as_bytes());
    sink.array(shown.len());
    shown.iter().for_each(|entry| entry.write(sink));
    Ok(())
}
