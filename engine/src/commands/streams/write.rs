//! XADD, XDEL, XSETID and XTRIM.

use zumic_error::{CommandError, StreamError};

use super::{Args, Outcome, count_of, is, parse_id, parse_ids, write_id};
use crate::commands::number::parse_integer;
use crate::structures::stream::{
    BlockLimits, ENTRY_BYTES_MAX, Keep, NewId, Precision, Stream, StreamId,
};
use crate::thresholds::Thresholds;
use crate::{Class, Context, Edit, Missing};

/// Blocks that an approximate trim removes at most, unless told.
const TRIM_BLOCKS_MAX: u64 = 100;
/// Entries that it removes at most if blocks have no limit of entries.
const TRIM_ENTRIES: u64 = 10_000;
/// Entries that it removes at most, however large blocks may be.
const TRIM_ENTRIES_MAX: u64 = 1_000_000;

/// What stands between the key and the fields.
struct Options {
    id: NewId,
    /// Where the fields begin.
    fields_at: usize,
    create: bool,
    trim: Option<(Keep, Precision)>,
}

/// The options of XADD and XTRIM as far as they are read.
struct Parser<'a> {
    args: &'a Args<'a>,
    at: usize,
    keep: Option<Keep>,
    approximate: bool,
    limit: Option<i64>,
}

impl Parser<'_> {
    /// How many arguments stand behind the current one.
    fn more(&self) -> usize {
        self.args.len() - 1 - self.at
    }

    /// Reads the option at the current place, up to its last word; false if there is none.
    fn option(&mut self) -> Result<bool, CommandError> {
        let word = self.args[self.at];
        if self.more() == 0 {
            return Ok(false);
        }
        if is(word, "MAXLEN") {
            let maxlen = parse_integer(self.threshold()?)?;
            let maxlen = u64::try_from(maxlen).map_err(|_| StreamError::MaxlenNegative)?;
            self.keep = Some(Keep::Newest(maxlen));
        } else if is(word, "MINID") {
            self.keep = Some(Keep::From(parse_id(self.threshold()?)?));
        } else if is(word, "LIMIT") {
            self.at += 1;
            let limit = parse_integer(self.args[self.at])?;
            if limit < 0 {
                return Err(StreamError::LimitNegative.into());
            }
            self.limit = Some(limit);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// The argument of MAXLEN or MINID, perhaps behind `~` or `=`.
    fn threshold(&mut self) -> Result<&[u8], CommandError> {
        if self.keep.is_some() {
            return Err(StreamError::TrimTwice.into());
        }
        let operator = self.args[self.at + 1];
        self.approximate = self.more() >= 2 && operator == b"~";
        let skipped = usize::from(self.approximate || self.more() >= 2 && operator == b"=");
        self.at += 1 + skipped;
        Ok(self.args[self.at])
    }

    /// What the options amount to.
    fn trim(&self, limits: &Thresholds) -> Result<Option<(Keep, Precision)>, CommandError> {
        let Some(keep) = self.keep else {
            return match self.limit {
                None => Ok(None),
                // Redis finds this one before it looks at the strategy.
                Some(0) => Err(StreamError::LimitWithoutApproximation.into()),
                Some(_) => Err(StreamError::LimitWithoutTrim.into()),
            };
        };
        let precision = match (self.approximate, self.limit) {
            (false, Some(_)) => return Err(StreamError::LimitWithoutApproximation.into()),
            (false, None) => Precision::Exact,
            (true, Some(limit)) => Precision::Blocks(limit.cast_unsigned()),
            (true, None) => Precision::Blocks(default_limit(limits)),
        };
        Ok(Some((keep, precision)))
    }
}

/// Entries that an approximate trim without LIMIT removes at most.
fn default_limit(limits: &Thresholds) -> u64 {
    let entries = u64::try_from(limits.stream_node_entries_max).unwrap_or(u64::MAX);
    match entries.saturating_mul(TRIM_BLOCKS_MAX) {
        0 => TRIM_ENTRIES,
        some => some.min(TRIM_ENTRIES_MAX),
    }
}

impl<'a> Parser<'a> {
    const fn new(args: &'a Args<'a>) -> Self {
        Self { args, at: 2, keep: None, approximate: false, limit: None }
    }
}

fn add_options(args: &Args<'_>, limits: &Thresholds) -> Result<Options, CommandError> {
    let mut parser = Parser::new(args);
    let (mut create, mut id) = (true, NewId::Auto);
    while let Some(word) = args.get(parser.at) {
        if *word == b"*" {
            break;
        }
        if is(word, "NOMKSTREAM") {
            create = false;
        } else if !parser.option()? {
            id = new_id(word)?;
            break;
        }
        parser.at += 1;
    }
    let trim = parser.trim(limits)?;
    Ok(Options { id, fields_at: parser.at + 1, create, trim })
}

/// An id in full, or `ms-*`.
fn new_id(text: &[u8]) -> Result<NewId, CommandError> {
    match text.strip_suffix(b"-*") {
        Some(ms) if !ms.contains(&b'-') => Ok(NewId::Within(parse_id(ms)?.ms)),
        _ => Ok(NewId::Exact(parse_id(text)?)),
    }
}

pub(super) fn block_limits(thresholds: &Thresholds) -> BlockLimits {
    BlockLimits {
        bytes_max: thresholds.stream_node_bytes_max,
        entries_max: thresholds.stream_node_entries_max,
    }
}

/// XADD key [NOMKSTREAM] [MAXLEN|MINID [=|~] threshold [LIMIT count]] *|id field value ...
pub(in crate::commands) fn xadd(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let thresholds = context.thresholds();
    let options = add_options(args, &thresholds)?;
    let pairs = args.get(options.fields_at..).unwrap_or_default();
    if pairs.is_empty() || pairs.len() % 2 == 1 {
        return Err(CommandError::WrongArity("xadd".into()).into());
    }
    if options.id == NewId::Exact(StreamId::MIN) {
        return Err(CommandError::from(StreamError::IdZero).into());
    }
    let now_ms = context.now_ms();
    let missing = if options.create { Missing::Create } else { Missing::Skip };
    let added = context.edit(args[1], missing, |stream: &mut Stream| {
        let log = stream.log_mut();
        if log.last_id() == StreamId::MAX {
            return Err(StreamError::Exhausted.into());
        }
        let id = log.new_id(options.id, now_ms).ok_or(StreamError::IdSmall)?;
        if pairs.iter().map(|string| string.len()).sum::<usize>() > ENTRY_BYTES_MAX {
            return Err(StreamError::EntryTooLarge.into());
        }
        log.append(id, pairs, block_limits(&thresholds));
        let trimmed = options.trim.map_or(0, |(keep, precision)| log.trim(keep, precision));
        Ok(Edit::Changed((id, trimmed, log.len())))
    })?;
    let Some((id, trimmed, len)) = added else {
        context.sink().null();
        return Ok(());
    };
    log_added(context, args[1], id, (trimmed > 0).then_some(len), pairs);
    context.notify(Class::Stream, "xadd", args[1]);
    if trimmed > 0 {
        context.notify(Class::Stream, "xtrim", args[1]);
    }
    write_id(context.sink(), id);
    Ok(())
}

/// Logs an entry under the id it got, with how many were left if some were removed: where an
/// approximate trim stops depends on the blocks.
fn log_added(
    context: &mut Context<'_>,
    key: &[u8],
    id: StreamId,
    left: Option<u64>,
    pairs: &Args<'_>,
) {
    if !context.is_logged() {
        return;
    }
    let mut digits = itoa::Buffer::new();
    id.with_text(|id| match left {
        None => context.log_words(&[b"XADD", key, id], pairs),
        Some(left) => {
            let left = digits.format(left).as_bytes();
            context.log_words(&[b"XADD", key, b"MAXLEN", b"=", left, id], pairs);
        }
    });
}

/// XTRIM key MAXLEN|MINID [=|~] threshold [LIMIT count]
pub(in crate::commands) fn xtrim(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let mut parser = Parser::new(args);
    while parser.at < args.len() {
        if !parser.option()? {
            return Err(CommandError::Syntax.into());
        }
        parser.at += 1;
    }
    let trim = match (parser.keep, parser.limit) {
        (None, None | Some(0)) => Err(StreamError::NoTrim.into()),
        _ => parser.trim(&context.thresholds()),
    };
    let (keep, precision) = trim?.expect("an option other than LIMIT was given");
    let trimmed = context.edit(args[1], Missing::Skip, |stream: &mut Stream| {
        let log = stream.log_mut();
        Ok(match log.trim(keep, precision) {
            0 => Edit::Same((0, log.len())),
            some => Edit::Changed((some, log.len())),
        })
    })?;
    if let Some((_, left)) = trimmed {
        let mut digits = itoa::Buffer::new();
        context.log(&[b"XTRIM", args[1], b"MAXLEN", b"=", digits.format(left).as_bytes()]);
    }
    answer_removed(context, args[1], "xtrim", trimmed.map(|(removed, _)| removed))
}

/// XDEL key id [id ...]
pub(in crate::commands) fn xdel(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let ids = parse_ids(&args[2..]);
    let removed = context.edit(args[1], Missing::Skip, |stream: &mut Stream| {
        let ids = ids.as_ref().map_err(Clone::clone)?;
        Ok(match stream.log_mut().remove(ids) {
            0 => Edit::Same(0),
            some => Edit::Changed(some),
        })
    })?;
    answer_removed(context, args[1], "xdel", removed)
}

/// Answers how many entries were removed, and tells of it.
fn answer_removed(
    context: &mut Context<'_>,
    key: &[u8],
    event: &'static str,
    removed: Option<u64>,
) -> Outcome {
    let removed = removed.unwrap_or(0);
    if removed > 0 {
        context.notify(Class::Stream, event, key);
    }
    let removed = usize::try_from(removed).expect("entries were in memory");
    context.sink().integer(count_of(removed));
    Ok(())
}

/// XSETID key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]
pub(in crate::commands) fn xsetid(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let last_id = parse_id(args[2])?;
    let (added, deleted) = setid_options(last_id, &args[3..])?;
    let set = context.edit(args[1], Missing::Skip, |stream: &mut Stream| {
        let log = stream.log_mut();
        if last_id < log.max_deleted_id() {
            return Err(StreamError::LastIdBelowDeleted.into());
        }
        if log.greatest_id().is_some_and(|greatest| last_id < greatest) {
            return Err(StreamError::LastIdBelowTop.into());
        }
        let is_small = |added: i64| u64::try_from(added).is_ok_and(|added| added < log.len());
        if added.is_some_and(is_small) {
            return Err(StreamError::AddedSmall.into());
        }
        log.set_ids(last_id, added, deleted);
        Ok(Edit::Changed(()))
    })?;
    if set.is_none() {
        return Err(CommandError::NoSuchKey.into());
    }
    context.notify(Class::Stream, "xsetid", args[1]);
    context.sink().simple("OK");
    Ok(())
}

/// The number of entries ever added, and the greatest id that was deleted, if given.
fn setid_options(
    last_id: StreamId,
    options: &Args<'_>,
) -> Result<(Option<i64>, Option<StreamId>), CommandError> {
    let (mut added, mut deleted) = (None, None);
    for option in options.chunks(2) {
        let [name, value] = option else { return Err(CommandError::Syntax) };
        if is(name, "ENTRIESADDED") {
            let number = parse_integer(value)?;
            if number < 0 {
                return Err(StreamError::AddedNegative.into());
            }
            added = Some(number);
        } else if is(name, "MAXDELETEDID") {
            let id = parse_id(value)?;
            if last_id < id {
                return Err(StreamError::LastIdBelowGivenDeleted.into());
            }
            deleted = (id != StreamId::MIN).then_some(id);
        } else {
            return Err(CommandError::Syntax);
        }
    }
    Ok((added, deleted))
}
