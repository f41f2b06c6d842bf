//! Commands on strings as strings; numbers in strings are in `numbers`.

use zumic_error::CommandError;

use super::expire::Span;
use super::number::parse_integer;
use crate::{Change, Class, Context, Halt, NewText, Put, Record, ReplySink, Text};

/// The string of a record that may be absent.
///
/// # Errors
/// [`CommandError::WrongType`] when it holds another type.
#[inline]
pub(super) fn text_of(record: Option<&Record>) -> Result<Option<Text<'_>>, CommandError> {
    record.map(|record| record.text().ok_or(CommandError::WrongType)).transpose()
}

#[inline]
fn write_or_null(sink: &mut dyn ReplySink, text: Option<Text<'_>>) {
    match text {
        Some(text) => text.write(sink),
        None => sink.null(),
    }
}

/// A change that stores `text` under a deadline.
pub(super) fn put(text: NewText<'_>, expire_at_ms: Option<u64>) -> Change<'_> {
    Change::Put(Put { text, expire_at_ms })
}

/// A change that stores an argument, encoded as SET does.
fn store(bytes: &[u8], expire_at_ms: Option<u64>) -> Change<'_> {
    put(NewText::encode(bytes), expire_at_ms)
}

/// GET key
pub(super) fn get(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    let text = text_of(context.read(args[1])?)?;
    write_or_null(context.sink(), text);
    Ok(())
}

/// STRLEN key
pub(super) fn strlen(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    let len = text_of(context.read(args[1])?)?.map_or(0, Text::len);
    context.sink().integer(i64::try_from(len).expect("strings are below 2^63 bytes"));
    Ok(())
}

/// MGET key [key ...]
pub(super) fn mget(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    // Reading may fail, so all of it comes before the first part of the reply (H1).
    let keys = args[1..].iter();
    let records = keys.map(|key| context.read(key)).collect::<Result<Vec<_>, _>>()?;
    let sink = context.sink();
    sink.array(records.len());
    for record in records {
        write_or_null(sink, record.and_then(Record::text));
    }
    Ok(())
}

/// When SET writes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Condition<'a> {
    Always,
    IfAbsent,
    IfEqual(&'a [u8]),
    IfPresent,
}

/// What happens to the deadline.
#[derive(Clone, Copy, Debug)]
enum Deadline<'a> {
    Clear,
    Keep,
    Set(Span<'a>),
}

struct SetOptions<'a> {
    condition: Condition<'a>,
    deadline: Option<Deadline<'a>>,
    get: bool,
}

/// `EX`, `PX`, `EXAT` and `PXAT`.
fn span_option<'a>(word: &[u8], value: Option<&&'a [u8]>) -> Option<Span<'a>> {
    let value = *value?;
    let of = |seconds, absolute| Some(Span { value, seconds, absolute });
    match word.to_ascii_uppercase().as_slice() {
        b"EX" => of(true, false),
        b"PX" => of(false, false),
        b"EXAT" => of(true, true),
        b"PXAT" => of(false, true),
        _ => None,
    }
}

/// Takes one of the deadline options; a unit may come twice, but not two different ones.
fn add_span<'a>(deadline: &mut Option<Deadline<'a>>, span: Span<'a>) -> Result<(), CommandError> {
    let fits = match deadline {
        None => true,
        Some(Deadline::Set(old)) => (old.seconds, old.absolute) == (span.seconds, span.absolute),
        Some(Deadline::Clear | Deadline::Keep) => false,
    };
    *deadline = Some(Deadline::Set(span));
    if fits { Ok(()) } else { Err(CommandError::Syntax) }
}

impl<'a> SetOptions<'a> {
    fn parse(options: &[&'a [u8]]) -> Result<Self, CommandError> {
        let mut parsed = Self { condition: Condition::Always, deadline: None, get: false };
        let mut rest = options.iter();
        while let Some(word) = rest.next() {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            let condition = parsed.condition;
            if is("NX") && matches!(condition, Condition::Always | Condition::IfAbsent) {
                parsed.condition = Condition::IfAbsent;
            } else if is("XX") && matches!(condition, Condition::Always | Condition::IfPresent) {
                parsed.condition = Condition::IfPresent;
            } else if is("GET") {
                parsed.get = true;
            } else if is("KEEPTTL") && !matches!(parsed.deadline, Some(Deadline::Set(_))) {
                parsed.deadline = Some(Deadline::Keep);
            } else if is("IFEQ") && condition == Condition::Always {
                let value = rest.next().ok_or(CommandError::Syntax)?;
                parsed.condition = Condition::IfEqual(value);
            } else {
                let value = rest.next();
                let span = span_option(word, value).ok_or(CommandError::Syntax)?;
                add_span(&mut parsed.deadline, span)?;
            }
        }
        Ok(parsed)
    }
}

/// Whether a stored string has these bytes.
fn equals(text: Text<'_>, bytes: &[u8]) -> bool {
    match text {
        Text::Int(_) => *text.to_bytes() == *bytes,
        Text::Large(large) => {
            let mut rest = bytes;
            let mut chunks = large.chunks();
            large.len() == bytes.len()
                && chunks.all(|chunk| {
                    let (part, behind) = rest.split_at(chunk.len());
                    rest = behind;
                    part == &**chunk
                })
        }
        Text::Slice(slice) => slice == bytes,
    }
}

/// SET key value [NX | XX | IFEQ comparison-value] [GET] [EX seconds | ... | KEEPTTL]
pub(super) fn set(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    if let [_, key, value] = args {
        context.update(key, |_| Ok((store(value, None), ())))?;
        context.notify(Class::String, "set", key);
        context.sink().simple("OK");
        return Ok(());
    }
    let options = SetOptions::parse(&args[3..])?;
    let now = context.now_ms();
    let deadline = match options.deadline {
        Some(Deadline::Set(span)) => Some(span.deadline(now, "set")?),
        _ => None,
    };
    let keep = matches!(options.deadline, Some(Deadline::Keep));
    let compares = matches!(options.condition, Condition::IfEqual(_));
    let (old, found, done) = context.update(args[1], |live| {
        let old = if options.get || compares { text_of(live)? } else { None };
        let go = match options.condition {
            Condition::Always => true,
            Condition::IfAbsent => live.is_none(),
            Condition::IfEqual(bytes) => old.is_some_and(|old| equals(old, bytes)),
            Condition::IfPresent => live.is_some(),
        };
        let expire_at = if keep { live.and_then(Record::expire_at_ms) } else { deadline };
        let change = match expire_at {
            _ if !go => Change::Keep,
            // Born expired: what Redis stores and then never shows.
            Some(deadline) if deadline < now => Change::Remove,
            _ => store(args[2], expire_at),
        };
        Ok((change, (old, live.is_some(), go)))
    })?;
    if options.get && !found {
        context.notify(Class::KeyMiss, "keymiss", args[1]);
    }
    if done {
        notify_set(context, args[1], deadline);
    }
    if options.get {
        write_or_null(context.sink(), old);
    } else if done {
        context.sink().simple("OK");
    } else {
        context.sink().null();
    }
    Ok(())
}

/// Says that a value was stored, with its deadline if it was given one.
fn notify_set(context: &mut Context<'_>, key: &[u8], deadline: Option<u64>) {
    context.notify(Class::String, "set", key);
    let Some(deadline) = deadline else { return };
    context.notify(Class::Generic, "expire", key);
    if deadline < context.now_ms() {
        context.notify(Class::Expired, "expired", key);
    }
}

/// SETNX key value
pub(super) fn setnx(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    let done = context.update(args[1], |live| match live {
        Some(_) => Ok((Change::Keep, false)),
        None => Ok((store(args[2], None), true)),
    })?;
    if done {
        context.notify(Class::String, "set", args[1]);
    }
    context.sink().integer(i64::from(done));
    Ok(())
}

/// SETEX key seconds value
pub(super) fn setex(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    let span = Span { value: args[2], seconds: true, absolute: false };
    set_for(context, args, span.deadline(context.now_ms(), "setex")?)
}

/// PSETEX key milliseconds value
pub(super) fn psetex(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    let span = Span { value: args[2], seconds: false, absolute: false };
    set_for(context, args, span.deadline(context.now_ms(), "psetex")?)
}

fn set_for(context: &mut Context<'_>, args: &[&[u8]], deadline: u64) -> Result<(), Halt> {
    context.update(args[1], |_| Ok((store(args[3], Some(deadline)), ())))?;
    notify_set(context, args[1], Some(deadline));
    context.sink().simple("OK");
    Ok(())
}

/// GETSET key value
pub(super) fn getset(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    let old = context.update(args[1], |live| Ok((store(args[2], None), text_of(live)?)))?;
    if old.is_none() {
        context.notify(Class::KeyMiss, "keymiss", args[1]);
    }
    context.notify(Class::String, "set", args[1]);
    write_or_null(context.sink(), old);
    Ok(())
}

/// GETDEL key
pub(super) fn getdel(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    let old = context.update(args[1], |live| Ok((Change::Remove, text_of(live)?)))?;
    match old {
        Some(_) => context.notify(Class::Generic, "del", args[1]),
        None => context.notify(Class::KeyMiss, "keymiss", args[1]),
    }
    write_or_null(context.sink(), old);
    Ok(())
}

/// GETEX key [EX seconds | PX milliseconds | EXAT time | PXAT time | PERSIST]
pub(super) fn getex(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    let mut wanted = None;
    let mut rest = args[2..].iter();
    while let Some(word) = rest.next() {
        let persists = word.eq_ignore_ascii_case(b"PERSIST");
        if persists && !matches!(wanted, Some(Deadline::Set(_))) {
            wanted = Some(Deadline::Clear);
        } else {
            let span = span_option(word, rest.next()).ok_or(CommandError::Syntax)?;
            add_span(&mut wanted, span)?;
        }
    }
    let Some(wanted) = wanted else { return get(context, args) };
    let now = context.now_ms();
    let (text, event) = context.update(args[1], |live| {
        let Some(text) = text_of(live)? else { return Ok((Change::Keep, (None, ""))) };
        let change = match wanted {
            Deadline::Set(span) => match span.deadline(now, "getex")? {
                past if past <= now => Change::Remove,
                deadline => Change::Expire(Some(deadline)),
            },
            _ if live.and_then(Record::expire_at_ms).is_some() => Change::Expire(None),
            _ => Change::Keep,
        };
        let event = match change {
            Change::Remove => "del",
            Change::Expire(Some(_)) => "expire",
            Change::Expire(None) => "persist",
            _ => "",
        };
        Ok((change, (Some(text), event)))
    })?;
    if text.is_none() {
        context.notify(Class::KeyMiss, "keymiss", args[1]);
    } else if !event.is_empty() {
        context.notify(Class::Generic, event, args[1]);
    }
    write_or_null(context.sink(), text);
    Ok(())
}

/// MSET key value [key value ...]
pub(super) fn mset(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    let (pairs, []) = args[1..].as_chunks() else {
        return Err(CommandError::WrongArity("mset".to_owned()).into());
    };
    for [key, value] in pairs {
        context.update(key, |_| Ok((store(value, None), ())))?;
        context.notify(Class::String, "set", key);
    }
    context.sink().simple("OK");
    Ok(())
}

/// MSETNX key value [key value ...]
pub(super) fn msetnx(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    let (pairs, []) = args[1..].as_chunks() else {
        return Err(CommandError::WrongArity("msetnx".to_owned()).into());
    };
    // One pair is no transaction, so its check and its write must be one update.
    if let [_, _, _] = args {
        return setnx(context, args);
    }
    for [key, _] in pairs {
        if context.peek(key)?.is_some() {
            context.sink().integer(0);
            return Ok(());
        }
    }
    for [key, value] in pairs {
        context.update(key, |_| Ok((store(value, None), ())))?;
        context.notify(Class::String, "set", key);
    }
    context.sink().integer(1);
    Ok(())
}

/// APPEND key value
pub(super) fn append(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    let tail = args[2];
    let limit = check_limit(context);
    let len = context.update(args[1], |live| {
        let Some(old) = text_of(live)? else { return Ok((store(tail, None), tail.len())) };
        let len = limit(old.len(), tail.len())?;
        let text = match old {
            Text::Large(large) => NewText::Large(large.append(tail)),
            short => NewText::Owned([&*short.to_bytes(), tail].concat()),
        };
        let expire_at_ms = live.and_then(Record::expire_at_ms);
        Ok((put(text, expire_at_ms), len))
    })?;
    context.notify(Class::String, "append", args[1]);
    context.sink().integer(i64::try_from(len).expect("below the string limit"));
    Ok(())
}

/// The check against `proto-max-bulk-len`, for use where the context is borrowed.
fn check_limit(
    context: &Context<'_>,
) -> impl Fn(usize, usize) -> Result<usize, CommandError> + use<> {
    let limit = context.string_bytes_max();
    move |offset, more| {
        let len = offset.checked_add(more).filter(|len| *len as u64 <= limit);
        len.ok_or(CommandError::StringTooLong)
    }
}

/// SETRANGE key offset value
pub(super) fn setrange(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    let (offset, bytes) = (parse_integer(args[2])?, args[3]);
    let offset = usize::try_from(offset).map_err(|_| CommandError::OffsetOutOfRange)?;
    let limit = check_limit(context);
    let len = context.update(args[1], |live| {
        let old = text_of(live)?;
        if bytes.is_empty() {
            return Ok((Change::Keep, old.map_or(0, Text::len)));
        }
        let end = limit(offset, bytes.len())?;
        let text = match old {
            Some(Text::Large(large)) => NewText::Large(large.write_at(offset, bytes)),
            short => {
                let mut whole = short.map_or(Vec::new(), |old| old.to_bytes().into_owned());
                whole.resize(whole.len().max(end), 0);
                whole[offset..end].copy_from_slice(bytes);
                NewText::Owned(whole)
            }
        };
        let len = old.map_or(0, Text::len).max(end);
        let expire_at_ms = live.and_then(Record::expire_at_ms);
        Ok((put(text, expire_at_ms), len))
    })?;
    if !bytes.is_empty() {
        context.notify(Class::String, "setrange", args[1]);
    }
    context.sink().integer(i64::try_from(len).expect("below the string limit"));
    Ok(())
}

/// GETRANGE key start end
pub(super) fn getrange(context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    let (start, end) = (parse_integer(args[2])?, parse_integer(args[3])?);
    let text = text_of(context.read(args[1])?)?;
    let Some((text, (from, to))) =
        text.and_then(|text| Some((text, clamp_range(start, end, text.len())?)))
    else {
        context.sink().bulk(b"");
        return Ok(());
    };
    match text {
        Text::Large(large) if (from, to) == (0, large.len()) => context.sink().bulk_large(large),
        Text::Large(large) => {
            context.sink().bulk(&large.range(from, to));
        }
        short => context.sink().bulk(&short.to_bytes()[from..to]),
    }
    Ok(())
}

/// Redis's inclusive range with negative positions as `start..end`; `None` when it is empty.
fn clamp_range(start: i64, end: i64, len: usize) -> Option<(usize, usize)> {
    if start < 0 && end < 0 && start > end {
        return None;
    }
    let size = i64::try_from(len).expect("strings are below 2^63 bytes");
    let from_end = |at: i64| if at < 0 { at.saturating_add(size).max(0) } else { at };
    let (start, end) = (from_end(start), from_end(end).min(size - 1));
    let first = usize::try_from(start).ok()?;
    let behind = usize::try_from(end.checked_add(1)?).ok()?;
    (start <= end).then_some((first, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_clamped_as_redis_does() {
        for (start, end, len, want) in [
            (0, -1, 5, Some((0, 5))),
            (1, 3, 5, Some((1, 4))),
            (-3, -1, 5, Some((2, 5))),
            (-1, -3, 5, None),
            (-100, -99, 5, Some((0, 1))),
            (3, 1, 5, None),
            (5, 9, 5, None),
            (0, 0, 0, None),
            (i64::MIN, i64::MAX, 5, Some((0, 5))),
        ] {
            assert_eq!(clamp_range(start, end, len), want, "{start} {end} {len}");
        }
    }
}
