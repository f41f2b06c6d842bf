//! Handlers: strings.

use zumic_error::CommandError;

use super::expire::{Deadline, deadline_after};
use super::number::parse_integer;
use crate::{Change, Context, Halt, LargeString, NewText, Put, Record, Text};

pub(super) use super::lcs::lcs;

type Outcome = Result<(), Halt>;
type Args<'a> = [&'a [u8]];

/// The text of a live record, or nothing; `WRONGTYPE` for another type.
pub(super) fn text_of<'r>(record: Option<&'r Record>) -> Result<Option<Text<'r>>, CommandError> {
    match record {
        None => Ok(None),
        Some(record) => record.text().map(Some).ok_or(CommandError::WrongType),
    }
}

/// A change that stores `text` under a deadline.
pub(super) fn put(text: NewText<'_>, expire_at_ms: Option<u64>) -> Change<'_> {
    Change::Put(Put { text, expire_at_ms })
}

/// An owned copy of a text, for a reply that is written after the update.
#[derive(Clone, Debug)]
pub(super) enum Owned {
    Bytes(Vec<u8>),
    Large(LargeString),
}

impl Owned {
    pub(super) fn of(text: Text<'_>) -> Self {
        match text {
            Text::Large(large) => Self::Large(large.clone()),
            other => Self::Bytes(other.to_bytes().into_owned()),
        }
    }
}

/// Writes an optional text.
pub(super) fn write_optional(context: &mut Context<'_>, text: Option<&Owned>) {
    match text {
        None => context.sink().null(),
        Some(Owned::Bytes(bytes)) => context.sink().bulk(bytes),
        Some(Owned::Large(large)) => context.sink().bulk_large(large),
    }
}

pub(super) fn ok(context: &mut Context<'_>) -> Outcome {
    context.sink().simple("OK");
    Ok(())
}

/// GET key
pub(super) fn get(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    match text_of(context.read(args[1])?)? {
        None => context.sink().null(),
        Some(text) => text.write(context.sink()),
    }
    Ok(())
}

/// When SET stores.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Condition<'a> {
    Always,
    Absent,
    Present,
    /// The value there equals this one (Valkey 8.1).
    Equal(&'a [u8]),
}

/// SET's options.
struct SetOptions<'a> {
    condition: Condition<'a>,
    deadline: Deadline,
    get: bool,
}

fn set_options<'a>(
    context: &Context<'_>,
    options: &[&'a [u8]],
) -> Result<SetOptions<'a>, CommandError> {
    let mut parsed =
        SetOptions { condition: Condition::Always, deadline: Deadline::Never, get: false };
    let mut rest = options;
    while let [option, tail @ ..] = rest {
        rest = tail;
        let free = parsed.condition == Condition::Always;
        match option.to_ascii_uppercase().as_slice() {
            b"NX" if free => parsed.condition = Condition::Absent,
            b"XX" if free => parsed.condition = Condition::Present,
            b"IFEQ" if free => {
                let [value, tail @ ..] = rest else { return Err(CommandError::Syntax) };
                parsed.condition = Condition::Equal(value);
                rest = tail;
            }
            b"NX" if parsed.condition == Condition::Absent => {}
            b"XX" if parsed.condition == Condition::Present => {}
            b"GET" => parsed.get = true,
            b"KEEPTTL" if parsed.deadline == Deadline::Never => parsed.deadline = Deadline::Keep,
            unit @ (b"EX" | b"PX" | b"EXAT" | b"PXAT") if parsed.deadline == Deadline::Never => {
                let [amount, tail @ ..] = rest else { return Err(CommandError::Syntax) };
                parsed.deadline = deadline_after(context.now_ms(), unit, amount, "set")?;
                rest = tail;
            }
            _ => return Err(CommandError::Syntax),
        }
    }
    Ok(parsed)
}

/// What SET answers.
enum SetReply {
    Done,
    Kept,
    Old(Option<Owned>),
}

/// SET key value [options]
pub(super) fn set(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let value = NewText::encode(args[2]);
    if args.len() == 3 {
        context.update(args[1], |_| Ok((put(value.clone(), None), ())))?;
        return ok(context);
    }
    let options = set_options(context, &args[3..])?;
    let reply = context.update(args[1], |old| {
        let wants_text = options.get || matches!(options.condition, Condition::Equal(_));
        let text = if wants_text { text_of(old)? } else { None };
        let stores = match options.condition {
            Condition::Always => true,
            Condition::Absent => old.is_none(),
            Condition::Present => old.is_some(),
            Condition::Equal(wanted) => text.is_some_and(|text| *text.to_bytes() == *wanted),
        };
        let reply = match (options.get, stores) {
            (true, _) => SetReply::Old(text.map(Owned::of)),
            (false, true) => SetReply::Done,
            (false, false) => SetReply::Kept,
        };
        let change = match options.deadline {
            _ if !stores => Change::Keep,
            Deadline::Keep => put(value.clone(), old.and_then(Record::expire_at_ms)),
            Deadline::Never => put(value.clone(), None),
            Deadline::Past => Change::Remove,
            Deadline::At(at) => put(value.clone(), Some(at)),
        };
        Ok((change, reply))
    })?;
    match reply {
        SetReply::Done => context.sink().simple("OK"),
        SetReply::Kept => context.sink().null(),
        SetReply::Old(old) => write_optional(context, old.as_ref()),
    }
    Ok(())
}

/// SETNX key value
pub(super) fn setnx(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let value = NewText::encode(args[2]);
    let stored = context.update(args[1], |old| {
        let absent = old.is_none();
        Ok((if absent { put(value.clone(), None) } else { Change::Keep }, absent))
    })?;
    context.sink().integer(i64::from(stored));
    Ok(())
}

fn set_with_deadline(
    context: &mut Context<'_>,
    args: &Args<'_>,
    unit: &[u8],
    name: &'static str,
) -> Outcome {
    let Deadline::At(at) = deadline_after(context.now_ms(), unit, args[2], name)? else {
        unreachable!("a time from now on is in the future")
    };
    let value = NewText::encode(args[3]);
    context.update(args[1], |_| Ok((put(value.clone(), Some(at)), ())))?;
    ok(context)
}

/// SETEX key seconds value
pub(super) fn setex(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    set_with_deadline(context, args, b"EX", "setex")
}

/// PSETEX key milliseconds value
pub(super) fn psetex(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    set_with_deadline(context, args, b"PX", "psetex")
}

/// GETSET key value
pub(super) fn getset(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let value = NewText::encode(args[2]);
    let old = context.update(args[1], |old| {
        let old = text_of(old)?.map(Owned::of);
        Ok((put(value.clone(), None), old))
    })?;
    write_optional(context, old.as_ref());
    Ok(())
}

/// GETDEL key
pub(super) fn getdel(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let old = context.update(args[1], |old| {
        let old = text_of(old)?.map(Owned::of);
        Ok((if old.is_some() { Change::Remove } else { Change::Keep }, old))
    })?;
    write_optional(context, old.as_ref());
    Ok(())
}

/// GETEX key [EX seconds | PX milliseconds | EXAT time | PXAT time | PERSIST]
pub(super) fn getex(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let deadline = match &args[2..] {
        [] => Deadline::Keep,
        [persist] if persist.eq_ignore_ascii_case(b"PERSIST") => Deadline::Never,
        [unit, amount] => {
            deadline_after(context.now_ms(), &unit.to_ascii_uppercase(), amount, "getex")?
        }
        _ => return Err(CommandError::Syntax.into()),
    };
    let old = context.update(args[1], |old| {
        let text = text_of(old)?.map(Owned::of);
        let change = match (old, deadline) {
            (None, _) | (_, Deadline::Keep) => Change::Keep,
            (Some(old), Deadline::Never) if old.expire_at_ms().is_none() => Change::Keep,
            (_, Deadline::Never) => Change::Expire(None),
            (_, Deadline::Past) => Change::Remove,
            (_, Deadline::At(at)) => Change::Expire(Some(at)),
        };
        Ok((change, text))
    })?;
    write_optional(context, old.as_ref());
    Ok(())
}

/// MGET key [key ...]
pub(super) fn mget(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    context.sink().array(args.len() - 1);
    for key in &args[1..] {
        // Another type counts as absent here, as in Redis.
        match context.read(key)?.and_then(Record::text) {
            None => context.sink().null(),
            Some(text) => text.write(context.sink()),
        }
    }
    Ok(())
}

fn check_pairs(args: &Args<'_>, name: &str) -> Result<(), CommandError> {
    if args.len().is_multiple_of(2) { Err(CommandError::WrongArity(name.into())) } else { Ok(()) }
}

fn store_pairs(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    for pair in args[1..].chunks_exact(2) {
        let value = NewText::encode(pair[1]);
        context.update(pair[0], |_| Ok((put(value.clone(), None), ())))?;
    }
    Ok(())
}

/// MSET key value [key value ...]
pub(super) fn mset(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    check_pairs(args, "mset")?;
    store_pairs(context, args)?;
    ok(context)
}

/// MSETNX key value [key value ...]
pub(super) fn msetnx(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    check_pairs(args, "msetnx")?;
    let single = args.len() == 3;
    if single {
        return setnx(context, args);
    }
    for pair in args[1..].chunks_exact(2) {
        if context.peek(pair[0])?.is_some() {
            context.sink().integer(0);
            return Ok(());
        }
    }
    store_pairs(context, args)?;
    context.sink().integer(1);
    Ok(())
}

/// STRLEN key
pub(super) fn strlen(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let len = text_of(context.read(args[1])?)?.map_or(0, Text::len);
    context.sink().integer(length(len));
    Ok(())
}

/// A length as a reply.
pub(super) fn length(len: usize) -> i64 {
    i64::try_from(len).expect("a string is far below 2^63 bytes")
}

/// Refuses a string that would be too long.
fn check_len(context: &Context<'_>, len: usize) -> Result<(), CommandError> {
    let max = context.string_bytes_max();
    if len as u64 > max { Err(CommandError::StringTooLong) } else { Ok(()) }
}

/// APPEND key value
pub(super) fn append(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let more = args[2];
    let old_len = text_of(context.peek(args[1])?)?.map_or(0, Text::len);
    check_len(context, old_len + more.len())?;
    let len = context.update(args[1], |old| {
        let deadline = old.and_then(Record::expire_at_ms);
        let Some(text) = text_of(old)? else {
            return Ok((put(NewText::encode(more), None), more.len()));
        };
        let (len, new) = match text {
            Text::Large(large) => (large.len() + more.len(), NewText::Large(large.append(more))),
            other => {
                let mut bytes = other.to_bytes().into_owned();
                bytes.extend_from_slice(more);
                (bytes.len(), NewText::Owned(bytes))
            }
        };
        Ok((put(new, deadline), len))
    })?;
    context.sink().integer(length(len));
    Ok(())
}

/// SETRANGE key offset value
pub(super) fn setrange(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let offset = parse_integer(args[2])?;
    let offset = usize::try_from(offset).map_err(|_| CommandError::OffsetOutOfRange)?;
    let value = args[3];
    if value.is_empty() {
        let len = text_of(context.peek(args[1])?)?.map_or(0, Text::len);
        context.sink().integer(length(len));
        return Ok(());
    }
    check_len(context, offset.saturating_add(value.len()))?;
    let len = context.update(args[1], |old| {
        let deadline = old.and_then(Record::expire_at_ms);
        let (len, new) = match text_of(old)? {
            Some(Text::Large(large)) => {
                let new = large.write_at(offset, value);
                (new.len(), NewText::Large(new))
            }
            small => {
                let mut bytes = small.map_or_else(Vec::new, |text| text.to_bytes().into_owned());
                let end = offset + value.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[offset..end].copy_from_slice(value);
                (bytes.len(), NewText::Owned(bytes))
            }
        };
        Ok((put(new, deadline), len))
    })?;
    context.sink().integer(length(len));
    Ok(())
}

/// GETRANGE key start end
pub(super) fn getrange(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let (start, end) = (parse_integer(args[2])?, parse_integer(args[3])?);
    let Some(text) = text_of(context.read(args[1])?)? else {
        context.sink().bulk(b"");
        return Ok(());
    };
    let Some((first, last)) = clamp_range(start, end, text.len()) else {
        context.sink().bulk(b"");
        return Ok(());
    };
    match text {
        Text::Large(large) => context.sink().bulk(&large.range(first, last + 1)),
        other => context.sink().bulk(&other.to_bytes()[first..=last]),
    }
    Ok(())
}

/// SUBSTR key start end: GETRANGE's old name.
pub(super) fn substr(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    getrange(context, args)
}

/// First and last position of a range that may count from the end; `None` when it is empty.
fn clamp_range(start: i64, end: i64, len: usize) -> Option<(usize, usize)> {
    let len = length(len);
    if start < 0 && end < 0 && start > end {
        return None;
    }
    let from_end = |position: i64| if position < 0 { (len + position).max(0) } else { position };
    let (start, end) = (from_end(start), from_end(end).min(len - 1));
    if len == 0 || start > end {
        return None;
    }
    Some((usize::try_from(start).ok()?, usize::try_from(end).ok()?))
}

#[cfg(test)]
mod tests {
    use super::clamp_range;

    #[test]
    fn ranges_are_clamped_as_in_redis() {
        let cases = [
            ((0, -1, 5), Some((0, 4))),
            ((-3, -1, 5), Some((2, 4))),
            ((-100, 100, 5), Some((0, 4))),
            ((3, 1, 5), None),
            ((-1, -3, 5), None),
            ((5, 5, 5), None),
            ((0, 0, 0), None),
            ((0, -100, 5), Some((0, 0))),
        ];
        for ((start, end, len), want) in cases {
            assert_eq!(clamp_range(start, end, len), want, "{start} {end} {len}");
        }
    }
}
