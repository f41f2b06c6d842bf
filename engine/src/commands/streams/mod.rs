//! Handlers of the stream commands, and what they share: ids in arguments, entries in replies.
//!
//! `write` changes entries, `read` answers them, `wait` is XREAD and XREADGROUP, `groups` manages
//! groups, `pending` and `claim` are about entries that were delivered, `info` tells all.

pub(super) mod claim;
pub(super) mod groups;
pub(super) mod info;
mod page;
pub(super) mod pending;
pub(super) mod read;
pub(super) mod wait;
pub(super) mod write;

use zumic_error::{CommandError, StreamError};

use super::number::parse_integer;
use crate::structures::stream::{Entry, StreamId};
use crate::{Context, Halt, ReplySink};

type Outcome = Result<(), Halt>;
type Args<'a> = [&'a [u8]];

/// Whether a word of a command line is this one, in any case.
fn is(word: &[u8], name: &str) -> bool {
    word.eq_ignore_ascii_case(name.as_bytes())
}

fn id_invalid() -> CommandError {
    StreamError::IdInvalid.into()
}

/// An id that an entry may have; the number is 0 if it is left out.
fn parse_id(text: &[u8]) -> Result<StreamId, CommandError> {
    StreamId::parse(text, 0).ok_or_else(id_invalid)
}

/// The same for every argument.
fn parse_ids(texts: &Args<'_>) -> Result<Vec<StreamId>, CommandError> {
    texts.iter().map(|text| parse_id(text)).collect()
}

/// An id, or `-` and `+` for the least and the greatest.
fn parse_edge(text: &[u8], seq_if_missing: u64) -> Result<StreamId, CommandError> {
    match text {
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        id => StreamId::parse(id, seq_if_missing).ok_or_else(id_invalid),
    }
}

/// Where a range begins: an edge, or `(` and an id for the next one.
fn parse_start(text: &[u8]) -> Result<StreamId, CommandError> {
    match text {
        [b'(', id @ ..] if !id.is_empty() => {
            Ok(parse_id(id)?.next().ok_or(StreamError::IntervalStart)?)
        }
        edge => parse_edge(edge, 0),
    }
}

/// Where a range ends: an edge, or `(` and an id for the one before.
fn parse_end(text: &[u8]) -> Result<StreamId, CommandError> {
    match text {
        [b'(', id @ ..] if !id.is_empty() => {
            let id = StreamId::parse(id, u64::MAX).ok_or_else(id_invalid)?;
            Ok(id.previous().ok_or(StreamError::IntervalEnd)?)
        }
        edge => parse_edge(edge, u64::MAX),
    }
}

/// A number of elements; nothing is less than nothing.
fn parse_count(text: &[u8]) -> Result<usize, CommandError> {
    Ok(usize::try_from(parse_integer(text)?.max(0)).unwrap_or(usize::MAX))
}

fn no_group(key: &[u8], group: &[u8]) -> CommandError {
    StreamError::NoGroup { key: key.to_vec(), group: group.to_vec() }.into()
}

fn no_group_for_key(key: &[u8], group: &[u8]) -> CommandError {
    StreamError::NoGroupForKey { key: key.to_vec(), group: group.to_vec() }.into()
}

/// Unix time of the turn in milliseconds, signed as clients see times.
fn now_ms(context: &Context<'_>) -> i64 {
    i64::try_from(context.now_ms()).unwrap_or(i64::MAX)
}

/// A number of things in memory, as a reply.
fn count_of(number: usize) -> i64 {
    i64::try_from(number).expect("what is in memory is below 2^63")
}

fn write_id(sink: &mut dyn ReplySink, id: StreamId) {
    id.with_text(|text| sink.bulk(text));
}

/// Writes the id and the fields with their values.
fn write_entry(sink: &mut dyn ReplySink, entry: &Entry<'_>) {
    sink.array(2);
    write_id(sink, entry.id());
    sink.array(2 * entry.field_count());
    for (field, value) in entry.pairs() {
        field.write(sink);
        value.write(sink);
    }
}

fn write_entries(sink: &mut dyn ReplySink, entries: &[Entry<'_>]) {
    sink.array(entries.len());
    entries.iter().for_each(|entry| write_entry(sink, entry));
}

/// Answers the lines of a HELP subcommand.
fn write_lines(context: &mut Context<'_>, lines: &[&str]) -> Outcome {
    let sink = context.sink();
    sink.array(lines.len());
    lines.iter().for_each(|line| sink.simple(line));
    Ok(())
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn ranges_may_exclude_their_ends() {
        let id = StreamId::new;
        assert_eq!(parse_start(b"-"), Ok(StreamId::MIN));
        assert_eq!(parse_start(b"5"), Ok(id(5, 0)));
        assert_eq!(parse_start(b"(5"), Ok(id(5, 1)));
        assert_eq!(parse_end(b"5"), Ok(id(5, u64::MAX)));
        assert_eq!(parse_end(b"(5"), Ok(id(5, u64::MAX - 1)));
        assert_eq!(parse_end(b"(5-0"), Ok(id(4, u64::MAX)));
        assert_eq!(parse_start(b"(18446744073709551615-18446744073709551615"), {
            Err(StreamError::IntervalStart.into())
        });
        assert_eq!(parse_end(b"(0-0"), Err(StreamError::IntervalEnd.into()));
        for bad in [&b"("[..], b"(-", b"(+", b"", b"x", b"-1"] {
            assert_eq!(parse_start(bad), Err(id_invalid()), "{bad:?}");
            assert_eq!(parse_end(bad), Err(id_invalid()), "{bad:?}");
        }
    }

    #[test]
    fn a_negative_count_is_nothing() {
        assert_eq!(parse_count(b"-5"), Ok(0));
        assert_eq!(parse_count(b"7"), Ok(7));
        assert_eq!(parse_count(b"x"), Err(CommandError::NotAnInteger));
    }
}
