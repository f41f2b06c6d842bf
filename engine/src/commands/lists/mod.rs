//! Commands on lists: pushing, popping, reading and changing one list.
//!
//! Why it exists: the order in which Redis parses arguments, looks the key up and checks its type
//! decides which error a client sees; each handler keeps that order. Moving elements between lists
//! is in `moves`, waiting for them in `blocking`.

pub(super) mod blocking;
pub(super) mod moves;

use std::ops::ControlFlow;

use zumic_error::CommandError;

use super::number::parse_integer;
use crate::collection::{Collection, Edit, Missing};
use crate::structures::listpack::{Entry, Listpack, ListpackBuf, Needle, Popped};
use crate::values::list::{End, List, ListRef, Rules};
use crate::{Class, Context, Halt, ReplySink};

/// How large a block of a list may be and which are compressed, as configured now.
#[inline]
fn rules(context: &Context<'_>) -> Rules {
    context.shared.tunables.list_rules()
}

fn reply_len(sink: &mut dyn ReplySink, len: usize) {
    sink.integer(i64::try_from(len).expect("a list is shorter than 2^63"));
}

/// Writes elements as an array.
fn reply_elements(sink: &mut dyn ReplySink, elements: Listpack<'_>) {
    sink.array(elements.len());
    elements.each(0, elements.len(), |element| element.write(sink));
}

/// Tells that elements were taken from a list, and that it is gone if they were the last.
fn notify_taken(context: &mut Context<'_>, event: &'static str, key: &[u8], emptied: bool) {
    context.notify(Class::List, event, key);
    if emptied {
        context.notify(Class::Generic, "del", key);
    }
}

/// What a pop at an end is called.
const fn pop_event(end: End) -> &'static str {
    match end {
        End::Left => "lpop",
        End::Right => "rpop",
    }
}

/// The command that pops from an end.
const fn pop_command(end: End) -> &'static [u8] {
    match end {
        End::Left => b"LPOP",
        End::Right => b"RPOP",
    }
}

/// The command that pushes to an end.
const fn push_command(end: End) -> &'static [u8] {
    match end {
        End::Left => b"LPUSH",
        End::Right => b"RPUSH",
    }
}

/// What a push at an end is called.
const fn push_event(end: End) -> &'static str {
    match end {
        End::Left => "lpush",
        End::Right => "rpush",
    }
}

/// LEFT or RIGHT.
fn parse_end(word: &[u8]) -> Result<End, CommandError> {
    if word.eq_ignore_ascii_case(b"LEFT") {
        Ok(End::Left)
    } else if word.eq_ignore_ascii_case(b"RIGHT") {
        Ok(End::Right)
    } else {
        Err(CommandError::Syntax)
    }
}

/// A number that is not negative; `error` for anything else.
fn parse_natural(text: &[u8], error: CommandError) -> Result<usize, CommandError> {
    let number = parse_integer(text).ok().and_then(|number| usize::try_from(number).ok());
    number.ok_or(error)
}

/// A number whose negative exists as well.
fn parse_signed(text: &[u8]) -> Result<i64, CommandError> {
    match parse_integer(text)? {
        i64::MIN => Err(CommandError::NotInRange { min: -i64::MAX, max: i64::MAX }),
        number => Ok(number),
    }
}

/// A position counted from the left, or from the right if negative; `None` before the first.
fn position(index: i64, len: usize) -> Option<usize> {
    if index >= 0 {
        return Some(usize::try_from(index).unwrap_or(usize::MAX));
    }
    let from_right = usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX);
    len.checked_sub(from_right)
}

/// The half-open range of elements that LRANGE and LTRIM mean; empty as `0..0`.
fn span(start: i64, stop: i64, len: usize) -> (usize, usize) {
    let start = position(start, len).unwrap_or(0);
    let end = position(stop, len).map_or(0, |stop| stop.saturating_add(1)).min(len);
    if start < end { (start, end) } else { (0, 0) }
}

fn push(context: &mut Context<'_>, args: &[&[u8]], end: End, missing: Missing) -> Result<(), Halt> {
    let rules = rules(context);
    let len = context.edit(args[1], missing, |list: &mut List| {
        list.push(&args[2..], end, rules);
        Ok(Edit::Changed(list.len()))
    })?;
    if len.is_some() {
        context.notify(Class::List, push_event(end), args[1]);
    }
    reply_len(context.sink(), len.unwrap_or(0));
    Ok(())
}

/// LPUSH key element [element ...]
pub(super) fn lpush(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    push(context, args, End::Left, Missing::Create)
}

/// RPUSH key element [element ...]
pub(super) fn rpush(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    push(context, args, End::Right, Missing::Create)
}

/// LPUSHX key element [element ...]
pub(super) fn lpushx(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    push(context, args, End::Left, Missing::Skip)
}

/// RPUSHX key element [element ...]
pub(super) fn rpushx(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    push(context, args, End::Right, Missing::Skip)
}

/// Takes the element at an end of a list, which has one, into `popped`.
#[inline]
fn pop_into(list: &mut List, end: End, rules: Rules, popped: &mut Popped) {
    let taken = list.pop(end, rules, |element| {
        popped.clear();
        element.with_bytes(|bytes| popped.extend_from_slice(bytes));
    });
    taken.expect("a stored list has elements");
}

/// Takes one element of a list into `popped`; false if there is no list.
///
/// Into a place of the caller's: passed on as a result, it would be copied at each step.
fn pop_one(
    context: &mut Context<'_>,
    key: &[u8],
    end: End,
    popped: &mut Popped,
) -> Result<bool, Halt> {
    let rules = rules(context);
    let emptied = context.edit(key, Missing::Skip, |list: &mut List| {
        pop_into(list, end, rules, popped);
        Ok(Edit::Changed(list.is_empty()))
    })?;
    let Some(emptied) = emptied else { return Ok(false) };
    context.log(&[pop_command(end), key]);
    notify_taken(context, pop_event(end), key, emptied);
    Ok(true)
}

/// Takes up to `count` elements of a list that may be absent.
fn pop_many(
    context: &mut Context<'_>,
    key: &[u8],
    count: usize,
    end: End,
) -> Result<Option<ListpackBuf>, Halt> {
    let rules = rules(context);
    let popped = context.edit(key, Missing::Skip, |list: &mut List| {
        let popped = list.pop_many(count, end, rules);
        let result = (popped, list.is_empty());
        Ok(if count == 0 { Edit::Same(result) } else { Edit::Changed(result) })
    })?;
    let Some((popped, emptied)) = popped else { return Ok(None) };
    if count > 0 {
        context.log(&[pop_command(end), key, itoa::Buffer::new().format(count).as_bytes()]);
        notify_taken(context, pop_event(end), key, emptied);
    }
    Ok(Some(popped))
}

fn pop(context: &mut Context<'_>, args: &[&[u8]], end: End) -> Result<(), Halt> {
    match args {
        [_, key] => {
            let mut popped = Popped::new();
            if pop_one(context, key, end, &mut popped)? {
                context.sink().bulk(&popped);
            } else {
                context.sink().null();
            }
        }
        [_, key, count] => {
            let count = parse_natural(count, CommandError::NotPositive)?;
            match pop_many(context, key, count, end)? {
                Some(popped) => reply_elements(context.sink(), popped.as_ref()),
                None => context.sink().null_array(),
            }
        }
        _ => return Err(CommandError::WrongArity(pop_event(end).to_owned()).into()),
    }
    Ok(())
}

/// LPOP key [count]
pub(super) fn lpop(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    pop(context, args, End::Left)
}

/// RPOP key [count]
pub(super) fn rpop(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    pop(context, args, End::Right)
}

/// LLEN key
pub(super) fn llen(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    let len = context.view::<List>(args[1])?.map_or(0, |list| list.get().len());
    reply_len(context.sink(), len);
    Ok(())
}

/// LRANGE key start stop
pub(super) fn lrange(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    let (start, stop) = (parse_integer(args[2])?, parse_integer(args[3])?);
    let Some(list) = context.view::<List>(args[1])? else {
        context.sink().array(0);
        return Ok(());
    };
    let list = list.get();
    let (start, end) = span(start, stop, list.len());
    let sink = context.sink();
    sink.array(end - start);
    list.each(start, end - start, |element| element.write(sink));
    Ok(())
}

/// LINDEX key index
pub(super) fn lindex(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    let Some(list) = context.view::<List>(args[1])? else {
        context.sink().null();
        return Ok(());
    };
    let index = parse_integer(args[2])?;
    let list = list.get();
    let sink = context.sink();
    let index = position(index, list.len());
    if index.and_then(|index| list.get(index, |element| element.write(sink))).is_none() {
        sink.null();
    }
    Ok(())
}

/// LSET key index element
pub(super) fn lset(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    let rules = rules(context);
    let set = context.edit(args[1], Missing::Skip, |list: &mut List| {
        let index = position(parse_integer(args[2])?, list.len());
        let index = index.filter(|index| *index < list.len());
        list.replace(index.ok_or(CommandError::IndexOutOfRange)?, args[3], rules);
        Ok(Edit::Changed(()))
    })?;
    set.ok_or(CommandError::NoSuchKey)?;
    context.notify(Class::List, "lset", args[1]);
    context.sink().simple("OK");
    Ok(())
}

/// LINSERT key <BEFORE | AFTER> pivot element
pub(super) fn linsert(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    let behind = if args[2].eq_ignore_ascii_case(b"AFTER") {
        1
    } else if args[2].eq_ignore_ascii_case(b"BEFORE") {
        0
    } else {
        return Err(CommandError::Syntax.into());
    };
    let rules = rules(context);
    let len = context.edit(args[1], Missing::Skip, |list: &mut List| {
        let Some(pivot) = list.as_ref().find(args[3]) else { return Ok(Edit::Same(None)) };
        list.insert(pivot + behind, args[4], rules);
        Ok(Edit::Changed(Some(list.len())))
    })?;
    match len {
        None => context.sink().integer(0),
        Some(None) => context.sink().integer(-1),
        Some(Some(len)) => {
            context.notify(Class::List, "linsert", args[1]);
            reply_len(context.sink(), len);
        }
    }
    Ok(())
}

/// LREM key count element
pub(super) fn lrem(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    let count = parse_integer(args[2])?;
    let end = if count < 0 { End::Right } else { End::Left };
    let max = match usize::try_from(count.unsigned_abs()) {
        Ok(0) | Err(_) => usize::MAX,
        Ok(max) => max,
    };
    let rules = rules(context);
    let removed = context.edit(args[1], Missing::Skip, |list: &mut List| {
        let removed = list.remove_equal(args[3], max, end, rules);
        let result = (removed, list.is_empty());
        Ok(if removed == 0 { Edit::Same(result) } else { Edit::Changed(result) })
    })?;
    let (removed, emptied) = removed.unwrap_or_default();
    if removed > 0 {
        notify_taken(context, "lrem", args[1], emptied);
    }
    reply_len(context.sink(), removed);
    Ok(())
}

/// LTRIM key start stop
pub(super) fn ltrim(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    let (start, stop) = (parse_integer(args[2])?, parse_integer(args[3])?);
    let rules = rules(context);
    let emptied = context.edit(args[1], Missing::Skip, |list: &mut List| {
        let len = list.len();
        let (start, end) = span(start, stop, len);
        if end - start == len {
            return Ok(Edit::Same(false));
        }
        list.remove(end, len - end, rules);
        list.remove(0, start, rules);
        Ok(Edit::Changed(list.is_empty()))
    })?;
    if let Some(emptied) = emptied {
        notify_taken(context, "ltrim", args[1], emptied);
    }
    context.sink().simple("OK");
    Ok(())
}

/// What LPOS looks for.
struct Search<'a> {
    needle: Needle<'a>,
    /// The first match that counts.
    rank: usize,
    from_right: bool,
    /// Matches wanted, 0 for all; `None` answers one position instead of an array.
    count: Option<usize>,
    /// Elements to look at, 0 for all.
    len_max: usize,
}

impl<'a> Search<'a> {
    fn parse(args: &[&'a [u8]]) -> Result<Self, CommandError> {
        let needle = Needle::new(args[2]);
        let mut search = Self { needle, rank: 1, from_right: false, count: None, len_max: 0 };
        for option in args[3..].chunks(2) {
            let [word, value] = option else { return Err(CommandError::Syntax) };
            if word.eq_ignore_ascii_case(b"RANK") {
                let rank = parse_signed(value)?;
                search.rank = usize::try_from(rank.unsigned_abs()).unwrap_or(usize::MAX);
                search.from_right = rank < 0;
                if rank == 0 {
                    return Err(CommandError::RankZero);
                }
            } else if word.eq_ignore_ascii_case(b"COUNT") {
                search.count = Some(parse_natural(value, CommandError::CountNegative)?);
            } else if word.eq_ignore_ascii_case(b"MAXLEN") {
                search.len_max = parse_natural(value, CommandError::MaxLenNegative)?;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(search)
    }

    /// The positions of the matches that count.
    fn positions(&self, list: ListRef<'_>) -> Vec<usize> {
        let len = list.len();
        let seen = if self.len_max == 0 { len } else { self.len_max.min(len) };
        let wanted = match self.count {
            None => 1,
            Some(0) => usize::MAX,
            Some(count) => count,
        };
        let (mut found, mut looked_at, mut skip) = (Vec::new(), 0, self.rank - 1);
        let mut visit = |element: Entry<'_>| {
            looked_at += 1;
            if !self.needle.is(element) {
                return ControlFlow::Continue(());
            }
            if skip > 0 {
                skip -= 1;
                return ControlFlow::Continue(());
            }
            found.push(if self.from_right { len - looked_at } else { looked_at - 1 });
            if found.len() < wanted { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        if self.from_right {
            list.each_back_until(len, seen, &mut visit);
        } else {
            list.each_until(0, seen, &mut visit);
        }
        found
    }
}

/// LPOS key element [RANK rank] [COUNT num-matches] [MAXLEN len]
pub(super) fn lpos(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    let search = Search::parse(args)?;
    let list = context.view::<List>(args[1])?;
    let positions = list.map_or_else(Vec::new, |list| search.positions(list.get()));
    match search.count {
        None => match positions.first() {
            Some(position) => reply_len(context.sink(), *position),
            None => context.sink().null(),
        },
        Some(_) => {
            context.sink().array(positions.len());
            for position in positions {
                reply_len(context.sink(), position);
            }
        }
    }
    Ok(())
}
