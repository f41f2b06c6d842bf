//! XINFO: what is known about a stream, its groups and their consumers.

use zumic_error::CommandError;

use super::{
    Args, Outcome, count_of, is, no_group_for_key, now_ms, write_entries, write_entry, write_id,
    write_lines,
};
use crate::commands::number::parse_integer;
use crate::structures::stream::{Consumer, Entry, Group, Log, Pending, Stream, StreamId};
use crate::{Context, Halt, ReplySink, View};

const HELP: &[&str] = &[
    "XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CONSUMERS <key> <groupname>",
    "    Show consumers of <groupname>.",
    "GROUPS <key>",
    "    Show the stream consumer groups.",
    "STREAM <key> [FULL [COUNT <count>]",
    "    Show information about the stream.",
    "HELP",
    "    Prints this help.",
];

/// Entries, and pending entries of each group and consumer, that FULL tells unless told.
const FULL_COUNT: i64 = 10;

fn stream_at<'s>(context: &mut Context<'s>, key: &[u8]) -> Result<View<'s, Stream>, Halt> {
    Ok(context.view(key)?.ok_or(CommandError::NoSuchKey)?)
}

fn write_number(sink: &mut dyn ReplySink, name: &str, number: i64) {
    sink.bulk(name.as_bytes());
    sink.integer(number);
}

fn write_number_or_null(sink: &mut dyn ReplySink, name: &str, number: Option<i64>) {
    sink.bulk(name.as_bytes());
    match number {
        Some(number) => sink.integer(number),
        None => sink.null(),
    }
}

fn write_named_id(sink: &mut dyn ReplySink, name: &str, id: StreamId) {
    sink.bulk(name.as_bytes());
    write_id(sink, id);
}

fn write_text(sink: &mut dyn ReplySink, name: &str, text: &[u8]) {
    sink.bulk(name.as_bytes());
    sink.bulk(text);
}

/// XINFO CONSUMERS key group
pub(in crate::commands) fn consumers(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let now_ms = now_ms(context);
    let stream = stream_at(context, args[2])?;
    let group = stream.get().group(args[3]);
    let group = group.ok_or_else(|| no_group_for_key(args[2], args[3]))?;
    let sink = context.sink();
    sink.array(group.consumer_count());
    for consumer in group.consumers() {
        sink.map(4);
        write_text(sink, "name", consumer.name());
        write_number(sink, "pending", count_of(consumer.pending_count()));
        write_number(sink, "idle", now_ms.saturating_sub(consumer.seen_ms()).max(0));
        let inactive = consumer.active_ms().map_or(-1, |at| now_ms.saturating_sub(at));
        write_number(sink, "inactive", inactive);
    }
    Ok(())
}

/// XINFO GROUPS key
pub(in crate::commands) fn groups(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let stream = stream_at(context, args[2])?;
    let stream = stream.get();
    let sink = context.sink();
    sink.array(stream.group_count());
    for (name, group) in stream.groups() {
        sink.map(6);
        write_text(sink, "name", name);
        write_number(sink, "consumers", count_of(group.consumer_count()));
        write_number(sink, "pending", count_of(group.pending_count()));
        write_progress(sink, stream.log(), group);
    }
    Ok(())
}

/// How far a group has read: three pairs.
fn write_progress(sink: &mut dyn ReplySink, log: &Log, group: &Group) {
    write_named_id(sink, "last-delivered-id", group.last_id());
    write_number_or_null(sink, "entries-read", group.entries_read());
    write_number_or_null(sink, "lag", group.lag(log));
}

/// XINFO STREAM key [FULL [COUNT count]]
pub(in crate::commands) fn stream(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let stream = stream_at(context, args[2])?;
    let stream = stream.get();
    let usage = || CommandError::SubcommandUsage { container: "XINFO", name: args[1].to_vec() };
    let count = match &args[3..] {
        [] => {
            write_outline(context.sink(), stream);
            return Ok(());
        }
        [full] if is(full, "FULL") => FULL_COUNT,
        [full, count, number] if is(full, "FULL") && is(count, "COUNT") => parse_integer(number)?,
        _ => return Err(usage().into()),
    };
    let count = if count < 0 { FULL_COUNT } else { count };
    let limit = if count == 0 { usize::MAX } else { usize::try_from(count).unwrap_or(usize::MAX) };
    write_full(context.sink(), stream, limit);
    Ok(())
}

/// The seven pairs that every form has.
fn write_counters(sink: &mut dyn ReplySink, log: &Log) {
    let len = i64::try_from(log.len()).expect("entries are in memory");
    write_number(sink, "length", len);
    write_number(sink, "radix-tree-keys", count_of(log.block_count()));
    // The tree of blocks has nodes of another kind; a root and one per block are what Redis has
    // in the simplest case.
    write_number(sink, "radix-tree-nodes", count_of(log.block_count() + 1));
    write_named_id(sink, "last-generated-id", log.last_id());
    write_named_id(sink, "max-deleted-entry-id", log.max_deleted_id());
    write_number(sink, "entries-added", log.added());
    write_named_id(sink, "recorded-first-entry-id", log.first_id());
}

fn write_outline(sink: &mut dyn ReplySink, stream: &Stream) {
    let log = stream.log();
    sink.map(10);
    write_counters(sink, log);
    write_number(sink, "groups", count_of(stream.group_count()));
    let mut edge = |name: &str, entry: Option<Entry<'_>>| {
        sink.bulk(name.as_bytes());
        match entry {
            Some(entry) => write_entry(sink, &entry),
            None => sink.null(),
        }
    };
    edge("first-entry", log.range(StreamId::MIN, StreamId::MAX).next());
    edge("last-entry", log.range_back(StreamId::MIN, StreamId::MAX).next());
}

fn write_full(sink: &mut dyn ReplySink, stream: &Stream, limit: usize) {
    let log = stream.log();
    sink.map(9);
    write_counters(sink, log);
    sink.bulk(b"entries");
    let entries: Vec<_> = log.range(StreamId::MIN, StreamId::MAX).take(limit).collect();
    write_entries(sink, &entries);
    sink.bulk(b"groups");
    sink.array(stream.group_count());
    for (name, group) in stream.groups() {
        sink.map(7);
        write_text(sink, "name", name);
        write_progress(sink, log, group);
        write_number(sink, "pel-count", count_of(group.pending_count()));
        let pending = group.pending(StreamId::MIN, StreamId::MAX).take(limit);
        write_pending(sink, &pending.collect::<Vec<_>>(), true);
        sink.bulk(b"consumers");
        sink.array(group.consumer_count());
        for consumer in group.consumers() {
            write_consumer(sink, group, consumer, limit);
        }
    }
}

/// A consumer of FULL.
fn write_consumer(sink: &mut dyn ReplySink, group: &Group, consumer: &Consumer, limit: usize) {
    sink.map(5);
    write_text(sink, "name", consumer.name());
    write_number(sink, "seen-time", consumer.seen_ms());
    write_number(sink, "active-time", consumer.active_ms().unwrap_or(-1));
    write_number(sink, "pel-count", count_of(consumer.pending_count()));
    let index = group.find(consumer.name()).expect("the group's own consumer");
    let pending = group.pending_of(index, StreamId::MIN, StreamId::MAX).take(limit);
    write_pending(sink, &pending.collect::<Vec<_>>(), false);
}

/// Pending entries of FULL.
fn write_pending(sink: &mut dyn ReplySink, pending: &[Pending<'_>], with_consumer: bool) {
    sink.bulk(b"pending");
    sink.array(pending.len());
    for pending in pending {
        sink.array(if with_consumer { 4 } else { 3 });
        write_id(sink, pending.id);
        if with_consumer {
            sink.bulk(pending.consumer.name());
        }
        sink.integer(pending.delivered_ms);
        sink.integer(pending.deliveries);
    }
}

/// XINFO HELP
pub(in crate::commands) fn help(context: &mut Context<'_>, _: &Args<'_>) -> Outcome {
    write_lines(context, HELP)
}
