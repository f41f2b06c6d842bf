//! Handlers about the deadlines of fields.
//!
//! What comes first when several things are wrong is as in Redis 7.4 and 8: the key's type, then
//! the arguments from left to right; HSETEX alone looks at its arguments first.

use zumic_error::{CommandError, HashError};

use super::{Args, Done, Outcome, edit, fields, limits, tell};
use crate::commands::number::parse_integer;
use crate::values::hash::{Deadline, Hash};
use crate::{Context, Edit, Missing};

/// The latest deadline of a field, in Unix milliseconds: Redis keeps 46 bits.
const DEADLINE_MS_MAX: i64 = (1 << 46) - 1;
/// Answers of HEXPIRE, HTTL and HPERSIST for one field.
const NO_FIELD: i64 = -2;
const NO_DEADLINE: i64 = -1;
const NOT_MET: i64 = 0;
const DONE: i64 = 1;
const DELETED: i64 = 2;

/// A command's way of giving a time.
#[derive(Clone, Copy, Debug)]
struct Clock {
    command: &'static str,
    seconds: bool,
    absolute: bool,
}

impl Clock {
    /// The deadline that `text` stands for, in Unix milliseconds.
    fn deadline(self, text: &[u8], now_ms: u64) -> Result<u64, CommandError> {
        let number = parse_integer(text)?;
        if number < 0 {
            return Err(HashError::ExpireTimeNegative.into());
        }
        let invalid = || CommandError::ExpireTimeInvalid(self.command);
        let base = if self.absolute { 0 } else { i64::try_from(now_ms).map_err(|_| invalid())? };
        let unit = if self.seconds { 1_000 } else { 1 };
        let deadline = number.checked_mul(unit).and_then(|time| time.checked_add(base));
        let deadline = deadline.filter(|deadline| *deadline <= DEADLINE_MS_MAX);
        deadline.and_then(|deadline| u64::try_from(deadline).ok()).ok_or_else(invalid)
    }
}

/// Which fields HEXPIRE changes.
#[derive(Clone, Copy, Debug)]
enum Condition {
    Always,
    Greater,
    Less,
    Present,
    Vacant,
}

impl Condition {
    /// The condition a word stands for.
    fn parse(word: &[u8]) -> Option<Self> {
        Some(match word.to_ascii_uppercase().as_slice() {
            b"GT" => Self::Greater,
            b"LT" => Self::Less,
            b"NX" => Self::Vacant,
            b"XX" => Self::Present,
            _ => return None,
        })
    }

    /// Whether the new deadline may replace the old one; no deadline is later than any.
    fn allows(self, old: Option<u64>, new: u64) -> bool {
        match self {
            Self::Always => true,
            Self::Greater => old.is_some_and(|old| old < new),
            Self::Less => old.is_none_or(|old| old > new),
            Self::Present => old.is_some(),
            Self::Vacant => old.is_none(),
        }
    }
}

/// Writes one number per field; all the same for an absent key.
fn numbers(context: &mut Context<'_>, fields: &Args<'_>, numbers: Option<Vec<i64>>) {
    let sink = context.sink();
    sink.array(fields.len());
    for number in numbers.unwrap_or_else(|| vec![NO_FIELD; fields.len()]) {
        sink.integer(number);
    }
}

/// Gives a field of the hash a deadline, or deletes it if that has passed.
fn expire(hash: &mut Hash, field: &[u8], deadline: u64, now_ms: u64) -> i64 {
    if deadline <= now_ms {
        hash.remove(field);
        return DELETED;
    }
    hash.set_deadline(field, Some(deadline));
    DONE
}

/// What HEXPIRE and its like were told to do.
#[derive(Clone, Debug)]
struct Expiry<'r, 'a> {
    deadline: u64,
    condition: Condition,
    fields: &'r Args<'a>,
}

impl<'r, 'a> Expiry<'r, 'a> {
    fn parse(args: &'r Args<'a>, clock: Clock, now_ms: u64) -> Result<Self, CommandError> {
        let deadline = clock.deadline(args[2], now_ms)?;
        let condition = Condition::parse(args[3]);
        let at = if condition.is_some() { 4 } else { 3 };
        let fields = fields(args, at, HashError::FieldCountZero)?;
        Ok(Self { deadline, condition: condition.unwrap_or(Condition::Always), fields })
    }

    fn apply(&self, hash: &mut Hash, field: &[u8], now_ms: u64) -> i64 {
        match hash.find(field).map(|item| item.deadline_ms) {
            None => NO_FIELD,
            Some(old) if !self.condition.allows(old, self.deadline) => NOT_MET,
            Some(_) => expire(hash, field, self.deadline, now_ms),
        }
    }
}

fn expire_fields(context: &mut Context<'_>, args: &Args<'_>, clock: Clock) -> Outcome {
    let now = context.now_ms();
    let parsed = Expiry::parse(args, clock, now);
    let done = edit(context, args, Missing::Skip, |hash| {
        let expiry = parsed.as_ref().map_err(Clone::clone)?;
        let apply = |field: &&[u8]| expiry.apply(hash, field, now);
        let answers: Vec<i64> = expiry.fields.iter().map(apply).collect();
        let changed = answers.iter().any(|answer| *answer > NOT_MET);
        Ok(if changed { Edit::Changed(answers) } else { Edit::Same(answers) })
    })?;
    let Expiry { deadline, fields, .. } = parsed?;
    if let Some(Done { result, emptied }) = &done {
        log_expiry(context, args, deadline);
        let deleted = result.contains(&DELETED);
        if result.contains(&DONE) || deleted {
            let event = if deleted { "hdel" } else { "hexpire" };
            tell(context, event, args[1], *emptied);
        }
    }
    numbers(context, fields, done.map(|done| done.result));
    Ok(())
}

/// Logs HEXPIRE and its like with the time they stand for.
fn log_expiry(context: &mut Context<'_>, args: &Args<'_>, deadline: u64) {
    if context.is_logged() {
        let mut digits = itoa::Buffer::new();
        let deadline = digits.format(deadline).as_bytes();
        context.log_words(&[b"HPEXPIREAT", args[1], deadline], &args[3..]);
    }
}

/// HEXPIRE key seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]
pub(in crate::commands) fn hexpire(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    expire_fields(context, args, Clock { command: "hexpire", seconds: true, absolute: false })
}

/// HPEXPIRE key milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]
pub(in crate::commands) fn hpexpire(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    expire_fields(context, args, Clock { command: "hpexpire", seconds: false, absolute: false })
}

/// HEXPIREAT key unix-time-seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]
pub(in crate::commands) fn hexpireat(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    expire_fields(context, args, Clock { command: "hexpireat", seconds: true, absolute: true })
}

/// HPEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]
pub(in crate::commands) fn hpexpireat(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    expire_fields(context, args, Clock { command: "hpexpireat", seconds: false, absolute: true })
}

/// HPERSIST key FIELDS numfields field [field ...]
pub(in crate::commands) fn hpersist(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let parsed = fields(args, 2, HashError::FieldCountNotPositive);
    let done = edit(context, args, Missing::Skip, |hash| {
        let mut persist = |field: &&[u8]| match hash.find(field).map(|item| item.deadline_ms) {
            None => NO_FIELD,
            Some(None) => NO_DEADLINE,
            Some(Some(_)) => {
                hash.set_deadline(field, None);
                DONE
            }
        };
        let fields = parsed.clone()?;
        let answers: Vec<i64> = fields.iter().map(&mut persist).collect();
        let changed = answers.contains(&DONE);
        Ok(if changed { Edit::Changed(answers) } else { Edit::Same(answers) })
    })?;
    let fields = parsed?;
    let answers = done.map(|done| done.result);
    if answers.as_ref().is_some_and(|answers| answers.contains(&DONE)) {
        tell(context, "hpersist", args[1], false);
    }
    numbers(context, fields, answers);
    Ok(())
}

/// Answers what `form` makes of each field's deadline.
fn deadlines(context: &mut Context<'_>, args: &Args<'_>, form: impl Fn(u64) -> u64) -> Outcome {
    let now = context.now_ms();
    let view = context.view::<Hash>(args[1])?;
    let fields = fields(args, 2, HashError::FieldCountNotPositive)?;
    let answer = |field: &&[u8]| {
        let item = view.as_ref().and_then(|view| view.get().find_live(field, now));
        match item.map(|item| item.deadline_ms) {
            None => NO_FIELD,
            Some(None) => NO_DEADLINE,
            Some(Some(deadline)) => i64::try_from(form(deadline)).unwrap_or(i64::MAX),
        }
    };
    let answers = fields.iter().map(answer).collect();
    numbers(context, fields, Some(answers));
    Ok(())
}

/// Seconds, rounded up: what Redis answers for fields, where it rounds to nearest for keys.
const fn to_seconds(milliseconds: u64) -> u64 {
    milliseconds.div_ceil(1_000)
}

/// HTTL key FIELDS numfields field [field ...]
pub(in crate::commands) fn httl(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let now = context.now_ms();
    deadlines(context, args, |deadline| to_seconds(deadline.saturating_sub(now)))
}

/// HPTTL key FIELDS numfields field [field ...]
pub(in crate::commands) fn hpttl(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let now = context.now_ms();
    deadlines(context, args, |deadline| deadline.saturating_sub(now))
}

/// HEXPIRETIME key FIELDS numfields field [field ...]
pub(in crate::commands) fn hexpiretime(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    deadlines(context, args, to_seconds)
}

/// HPEXPIRETIME key FIELDS numfields field [field ...]
pub(in crate::commands) fn hpexpiretime(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    deadlines(context, args, |deadline| deadline)
}

/// Writes values or nulls; all nulls for an absent key.
fn values(context: &mut Context<'_>, fields: &Args<'_>, values: Option<Vec<Option<Vec<u8>>>>) {
    let sink = context.sink();
    sink.array(fields.len());
    for value in values.unwrap_or_else(|| vec![None; fields.len()]) {
        match value {
            None => sink.null(),
            Some(value) => sink.bulk(&value),
        }
    }
}

fn value_of(hash: &Hash, field: &[u8]) -> Option<Vec<u8>> {
    hash.find(field).map(|item| item.value.to_bytes().into_owned())
}

/// HGETDEL key FIELDS numfields field [field ...]
pub(in crate::commands) fn hgetdel(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let parsed = fields(args, 2, HashError::FieldCountNotPositive);
    let done = edit(context, args, Missing::Skip, |hash| {
        let mut take = |field: &&[u8]| {
            let value = value_of(hash, field);
            hash.remove(field);
            value
        };
        let taken: Vec<_> = parsed.clone()?.iter().map(&mut take).collect();
        let changed = taken.iter().any(Option::is_some);
        Ok(if changed { Edit::Changed(taken) } else { Edit::Same(taken) })
    })?;
    let fields = parsed?;
    if let Some(Done { result, emptied }) = &done
        && result.iter().any(Option::is_some)
    {
        tell(context, "hdel", args[1], *emptied);
    }
    values(context, fields, done.map(|done| done.result));
    Ok(())
}

/// The clock that a word of HGETEX or HSETEX stands for.
fn clock(word: &[u8], command: &'static str) -> Option<Clock> {
    let (seconds, absolute) = match word.to_ascii_uppercase().as_slice() {
        b"EX" => (true, false),
        b"PX" => (false, false),
        b"EXAT" => (true, true),
        b"PXAT" => (false, true),
        _ => return None,
    };
    Some(Clock { command, seconds, absolute })
}

/// Logs HGETEX or HSETEX with the time they stand for.
fn log_deadline(context: &mut Context<'_>, args: &Args<'_>, deadline: Deadline) {
    if !context.is_logged() {
        return;
    }
    let mut digits = itoa::Buffer::new();
    let mut words = args.to_vec();
    // The first such word: the fields, which may have any name, are behind it.
    let at = args.iter().skip(2).position(|word| clock(word, "").is_some());
    if let (Deadline::Until(deadline), Some(at)) = (deadline, at) {
        words[at + 2] = b"PXAT";
        words[at + 3] = digits.format(deadline).as_bytes();
    }
    context.log(&words);
}

/// What HGETEX does to the deadlines of the fields, and which they are.
fn parse_getex<'r, 'a>(
    args: &'r Args<'a>,
    now_ms: u64,
) -> Result<(Deadline, &'r Args<'a>), CommandError> {
    let (deadline, at) = match clock(args[2], "hgetex") {
        Some(clock) => (Deadline::Until(clock.deadline(args[3], now_ms)?), 4),
        None if args[2].eq_ignore_ascii_case(b"PERSIST") => (Deadline::Clear, 3),
        None => (Deadline::Keep, 2),
    };
    Ok((deadline, fields(args, at, HashError::FieldCountNotPositive)?))
}

/// HGETEX key [EX seconds | PX milliseconds | EXAT unix-time-seconds |
/// PXAT unix-time-milliseconds | PERSIST] FIELDS numfields field [field ...]
pub(in crate::commands) fn hgetex(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let now = context.now_ms();
    let parsed = parse_getex(args, now);
    let mut event = None;
    let done = edit(context, args, Missing::Skip, |hash| {
        let (deadline, fields) = parsed.clone()?;
        event = None;
        let mut get = |field: &&[u8]| {
            let old = hash.find(field)?.deadline_ms;
            let value = value_of(hash, field);
            event = match deadline {
                Deadline::Keep => event,
                Deadline::Clear if old.is_none() => event,
                Deadline::Clear => {
                    hash.set_deadline(field, None);
                    Some("hpersist")
                }
                Deadline::Until(deadline) if expire(hash, field, deadline, now) == DELETED => {
                    Some("hdel")
                }
                Deadline::Until(_) => Some("hexpire"),
            };
            value
        };
        let got: Vec<_> = fields.iter().map(&mut get).collect();
        Ok(if event.is_some() { Edit::Changed(got) } else { Edit::Same(got) })
    })?;
    let (deadline, fields) = parsed?;
    if let (Some(done), Some(event)) = (&done, event) {
        log_deadline(context, args, deadline);
        tell(context, event, args[1], done.emptied);
    }
    values(context, fields, done.map(|done| done.result));
    Ok(())
}

/// Which fields have to be there for HSETEX to set any.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Need {
    All,
    Any,
    None,
}

/// What HSETEX was told to do.
#[derive(Debug)]
struct SetEx<'r, 'a> {
    need: Need,
    deadline: Deadline,
    /// Fields and values.
    pairs: &'r Args<'a>,
}

impl<'r, 'a> SetEx<'r, 'a> {
    fn parse(args: &'r Args<'a>, now_ms: u64) -> Result<Self, CommandError> {
        let (mut need, mut deadline) = (None, None);
        let mut at = 2;
        while let Some(word) = args.get(at) {
            at += 1;
            match word.to_ascii_uppercase().as_slice() {
                b"FIELDS" => {
                    return Ok(Self {
                        need: need.unwrap_or(Need::Any),
                        deadline: deadline.unwrap_or(Deadline::Clear),
                        pairs: Self::pairs(&args[at..])?,
                    });
                }
                upper @ (b"FNX" | b"FXX") => {
                    let wanted = if upper == b"FNX" { Need::None } else { Need::All };
                    if need.replace(wanted).is_some() {
                        return Err(HashError::ConditionConflict.into());
                    }
                }
                b"KEEPTTL" => {
                    if deadline.replace(Deadline::Keep).is_some() {
                        return Err(HashError::ExpiryConflict.into());
                    }
                }
                _ => {
                    let Some(clock) = clock(word, "hsetex") else {
                        let word = String::from_utf8_lossy(word).into_owned();
                        return Err(HashError::UnknownArgument(word).into());
                    };
                    if deadline.is_some() {
                        return Err(HashError::ExpiryConflict.into());
                    }
                    let time = args.get(at).ok_or(HashError::ExpireTimeMissing)?;
                    deadline = Some(Deadline::Until(clock.deadline(time, now_ms)?));
                    at += 1;
                }
            }
        }
        // Redis asserts that FIELDS is among the arguments.
        Err(HashError::FieldsMissing.into())
    }

    /// The pairs behind the number of them.
    fn pairs(rest: &'r Args<'a>) -> Result<&'r Args<'a>, CommandError> {
        let arity = || CommandError::WrongArity("hsetex".into());
        let [count, pairs @ ..] = rest else { return Err(arity()) };
        if pairs.len() < 2 {
            return Err(arity());
        }
        let count = parse_integer(count).ok().filter(|count| i32::try_from(*count).is_ok());
        let count = count.and_then(|count| usize::try_from(count).ok());
        let count = count.filter(|count| *count > 0).ok_or(HashError::FieldCountInvalid)?;
        if !pairs.len().is_multiple_of(2) || pairs.len() / 2 != count {
            return Err(arity());
        }
        Ok(pairs)
    }

    fn is_met(&self, hash: &Hash) -> bool {
        let mut there = self.pairs.chunks_exact(2).map(|pair| hash.find(pair[0]).is_some());
        match self.need {
            Need::All => there.all(|there| there),
            Need::Any => true,
            Need::None => !there.any(|there| there),
        }
    }
}

/// HSETEX key [FNX | FXX] [EX seconds | PX milliseconds | EXAT unix-time-seconds |
/// PXAT unix-time-milliseconds | KEEPTTL] FIELDS numfields field value [field value ...]
pub(in crate::commands) fn hsetex(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let now = context.now_ms();
    let parsed = SetEx::parse(args, now)?;
    let lapsed = matches!(parsed.deadline, Deadline::Until(deadline) if deadline <= now);
    let limits = limits(context);
    let done = edit(context, args, Missing::Create, |hash| {
        if !parsed.is_met(hash) {
            return Ok(Edit::Same(false));
        }
        hash.prepare(parsed.pairs.len() / 2, parsed.pairs, limits);
        for pair in parsed.pairs.chunks_exact(2) {
            if lapsed {
                hash.remove(pair[0]);
            } else {
                hash.set(pair[0], pair[1], parsed.deadline, limits);
            }
        }
        Ok(Edit::Changed(true))
    })?;
    let set = done.as_ref().is_some_and(|done| done.result);
    if let (true, Some(done)) = (set, done) {
        log_deadline(context, args, parsed.deadline);
        tell_set(context, args[1], &parsed, lapsed, done.emptied);
    }
    context.sink().integer(i64::from(set));
    Ok(())
}

/// HSETEX's events: that fields were set, and what became of their deadlines.
fn tell_set(
    context: &mut Context<'_>,
    key: &[u8],
    parsed: &SetEx<'_, '_>,
    lapsed: bool,
    emptied: bool,
) {
    let timed = matches!(parsed.deadline, Deadline::Until(_));
    tell(context, "hset", key, emptied && !timed);
    if timed {
        tell(context, if lapsed { "hdel" } else { "hexpire" }, key, emptied);
    }
}
