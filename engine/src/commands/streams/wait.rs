//! XREAD and XREADGROUP: entries that the reader has not seen, waited for if need be.
//!
//! A command that waits is run again with its arguments when one of its keys has changed; `$` is
//! replaced by the id it stood for, because by then it would stand for a later one.

use std::ops::Range;

use zumic_error::{CommandError, StreamError};

use super::page::Page;
use super::{Args, Outcome, is, now_ms, parse_count, parse_id, write_entries};
use crate::commands::blocking;
use crate::structures::stream::{Entry, Log, Stream, StreamId};
use crate::{Class, Context, Edit, Halt, Missing, ReplySink, Wait};

/// A parsed XREAD or XREADGROUP.
#[derive(Clone, Copy)]
struct Request<'a> {
    args: &'a Args<'a>,
    /// Zero for all.
    count: usize,
    /// Unix time in milliseconds up to which it waits, if that is limited, if it waits.
    wait: Option<Option<u64>>,
    /// Group and consumer.
    group: Option<(&'a [u8], &'a [u8])>,
    forget: bool,
    /// Where the keys begin; as many ids follow them.
    keys_at: usize,
}

impl<'a> Request<'a> {
    /// Reads the arguments; `until` is what BLOCK's says.
    fn parse(
        args: &'a Args<'a>,
        grouped: bool,
        until: impl Fn(&[u8]) -> Result<Option<u64>, CommandError>,
    ) -> Result<Self, CommandError> {
        let mut request =
            Self { args, count: 0, wait: None, group: None, forget: false, keys_at: 0 };
        let mut at = 1;
        while request.keys_at == 0 {
            let word = args.get(at).ok_or(CommandError::Syntax)?;
            match &args[at + 1..] {
                [value, ..] if is(word, "BLOCK") => {
                    request.wait = Some(until(value)?);
                    at += 2;
                }
                [value, ..] if is(word, "COUNT") => {
                    request.count = parse_count(value)?;
                    at += 2;
                }
                [_, ..] if is(word, "STREAMS") => request.keys_at = at + 1,
                [group, consumer, ..] if is(word, "GROUP") => {
                    if !grouped {
                        return Err(StreamError::GroupOption.into());
                    }
                    request.group = Some((group, consumer));
                    at += 3;
                }
                _ if is(word, "NOACK") => {
                    if !grouped {
                        return Err(StreamError::NoAckOption.into());
                    }
                    request.forget = true;
                    at += 1;
                }
                _ => return Err(CommandError::Syntax),
            }
        }
        if (args.len() - request.keys_at) % 2 == 1 {
            return Err(match grouped {
                false => StreamError::UnbalancedRead.into(),
                true => StreamError::UnbalancedReadGroup.into(),
            });
        }
        if grouped && request.group.is_none() {
            return Err(StreamError::WithoutGroup.into());
        }
        Ok(request)
    }

    /// The keys, each with the text of its id.
    fn streams(&self) -> impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let (keys, ids) = self.args[self.keys_at..].split_at(self.len());
        keys.iter().copied().zip(ids.iter().copied())
    }

    fn len(&self) -> usize {
        (self.args.len() - self.keys_at) / 2
    }

    /// Answers that there is nothing, or waits. `ids` are those that the arguments stand for.
    fn nothing(&self, context: &mut Context<'_>, ids: &[StreamId]) -> Outcome {
        let Some(until_ms) = self.wait.filter(|_| context.may_wait()) else {
            context.sink().null_array();
            return Ok(());
        };
        let mut replaced = None;
        for (index, (id, (_, text))) in ids.iter().zip(self.streams()).enumerate() {
            if text == b"$" {
                let owned = || self.args.iter().map(|arg| arg.to_vec()).collect::<Vec<_>>();
                let args = replaced.get_or_insert_with(owned);
                args[self.keys_at + self.len() + index] = id.to_string().into_bytes();
            }
        }
        Err(Halt::Wait(Wait { until_ms, args: replaced }))
    }
}

/// Where the keys of XREADGROUP are. Its key specification, which is Redis's, is misled by a
/// group or a consumer called STREAMS.
pub(in crate::commands) fn group_keys(args: &Args<'_>) -> Range<usize> {
    // What is wrong with BLOCK is the handler's to say.
    let request = Request::parse(args, true, |_| Ok(None));
    request.map_or(0..0, |request| request.keys_at..request.keys_at + request.len())
}

/// Writes the streams that have something, each with what it has.
fn write_streams<T>(
    sink: &mut dyn ReplySink,
    streams: &[(&[u8], T)],
    write: impl Fn(&mut dyn ReplySink, &T),
) {
    let as_map = sink.version() >= 3;
    if as_map {
        sink.map(streams.len())
    } else {
        sink.array(streams.len())
    }
    for (key, stream) in streams {
        if !as_map {
            sink.array(2);
        }
        sink.bulk(key);
        write(sink, stream);
    }
}

/// XREAD [COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]
pub(in crate::commands) fn xread(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let request = Request::parse(args, false, |text| blocking::milliseconds(context, text))?;
    let (mut views, mut ids) = (Vec::new(), Vec::new());
    for (key, text) in request.streams() {
        let view = context.view::<Stream>(key)?;
        let log = view.as_ref().map(|view| view.get().log());
        ids.push(read_id(text, log)?);
        views.push(view);
    }
    let limit = if request.count == 0 { usize::MAX } else { request.count };
    let mut found: Vec<(&[u8], Vec<Entry<'_>>)> = Vec::new();
    for (((key, _), view), id) in request.streams().zip(&views).zip(&ids) {
        let Some(log) = view.as_ref().map(|view| view.get().log()) else { continue };
        let Some(start) = id.next().filter(|_| log.last_id() > *id) else { continue };
        let entries: Vec<_> = log.range(start, StreamId::MAX).take(limit).collect();
        if !entries.is_empty() {
            found.push((key, entries));
        }
    }
    if found.is_empty() {
        drop(found);
        drop(views);
        return request.nothing(context, &ids);
    }
    write_streams(context.sink(), &found, |sink, entries| write_entries(sink, entries));
    Ok(())
}

/// The id behind which XREAD begins.
fn read_id(text: &[u8], log: Option<&Log>) -> Result<StreamId, CommandError> {
    match text {
        b"$" => Ok(log.map_or(StreamId::MIN, Log::last_id)),
        b"+" => {
            let greatest = log.and_then(Log::greatest_id);
            Ok(greatest.and_then(StreamId::previous).unwrap_or_default())
        }
        b">" => Err(StreamError::UndeliveredId.into()),
        id => parse_id(id),
    }
}

/// What XREADGROUP did to one stream.
struct Round {
    page: Option<Page>,
    created: bool,
}

/// XREADGROUP GROUP group consumer [COUNT count] [BLOCK milliseconds] [NOACK] STREAMS key [key ...]
/// id [id ...]
pub(in crate::commands) fn xreadgroup(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let request = Request::parse(args, true, |text| blocking::milliseconds(context, text))?;
    let (group, _) = request.group.expect("checked by the parser");
    let streams: Vec<_> = request.streams().collect();
    // With several keys, all of them are checked before the first is changed.
    if streams.len() > 1 {
        for (key, text) in &streams {
            let view = context.view::<Stream>(key)?;
            if view.is_none_or(|view| view.get().group(group).is_none()) {
                return Err(no_group_to_read(key, group).into());
            }
            group_id(text)?;
        }
    }
    let mut found = Vec::new();
    for (key, text) in streams {
        let round = read_round(context, &request, key, text)?;
        if round.created {
            context.notify(Class::Stream, "xgroup-createconsumer", key);
        }
        found.extend(round.page.map(|page| (key, page)));
    }
    if found.is_empty() {
        return request.nothing(context, &[]);
    }
    write_streams(context.sink(), &found, |sink, page| page.write(sink));
    Ok(())
}

fn no_group_to_read(key: &[u8], group: &[u8]) -> CommandError {
    StreamError::NoGroupToRead { key: key.to_vec(), group: group.to_vec() }.into()
}

/// The id behind which a consumer's history begins; `None` for entries not delivered yet.
fn group_id(text: &[u8]) -> Result<Option<StreamId>, CommandError> {
    match text {
        b"$" => Err(StreamError::NewIdOfGroup.into()),
        b"+" => Err(StreamError::TopIdOfGroup.into()),
        b">" => Ok(None),
        // There is no history behind the greatest id, and Redis takes it for `>`.
        id => Ok(Some(parse_id(id)?).filter(|id| *id != StreamId::MAX)),
    }
}

/// Delivers from one stream, or repeats what was delivered.
fn read_round(
    context: &mut Context<'_>,
    request: &Request<'_>,
    key: &[u8],
    text: &[u8],
) -> Result<Round, Halt> {
    let now_ms = now_ms(context);
    let (group_name, consumer_name) = request.group.expect("checked by the parser");
    let after = group_id(text);
    let round = context.edit(key, Missing::Skip, |stream: &mut Stream| {
        let absent = || no_group_to_read(key, group_name);
        if stream.group(group_name).is_none() {
            return Err(absent());
        }
        let after = after.clone()?;
        let edit =
            stream.change_group(group_name, |log, group| {
                let (consumer, created) = group.meet(consumer_name, now_ms);
                let (mut page, mut changed) = (Page::default(), created);
                if let Some(after) = after {
                    group.repeat(log, consumer, after, request.count, now_ms, |id, entry| {
                        match entry {
                            Some(entry) => {
                                page.push(&entry);
                                changed = true;
                            }
                            None => page.push_removed(id),
                        }
                    });
                } else {
                    let (count, forget) = (request.count, request.forget);
                    group.deliver(log, consumer, count, forget, now_ms, |entry| page.push(&entry));
                    changed |= !page.is_empty();
                }
                let page = (after.is_some() || !page.is_empty()).then_some(page);
                let round = Round { page, created };
                // That a consumer was seen is not worth waking anybody, least of all itself.
                if changed { Edit::Changed(round) } else { Edit::Same(round) }
            });
        edit.ok_or_else(absent)
    })?;
    log_round(context, request, key, text);
    Ok(round.ok_or_else(|| no_group_to_read(key, group_name))?)
}

/// Logs what was done to one stream, if anything.
fn log_round(context: &mut Context<'_>, request: &Request<'_>, key: &[u8], text: &[u8]) {
    if !context.is_logged() {
        return;
    }
    let (group, consumer) = request.group.expect("checked by the parser");
    let mut digits = itoa::Buffer::new();
    let mut words: Vec<&[u8]> = vec![b"XREADGROUP", b"GROUP", group, consumer];
    if request.count > 0 {
        words.extend([b"COUNT", digits.format(request.count).as_bytes()]);
    }
    if request.forget {
        words.push(b"NOACK");
    }
    words.extend([&b"STREAMS"[..], key, text]);
    context.log(&words);
}
