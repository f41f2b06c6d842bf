//! SLOWLOG: the last commands that took long.
//!
//! Why it exists: an operator asks which request it was. One small ring behind a lock serves all
//! reactors: it is written only when a command was slow, so nobody waits for it.
//! Not for counting latencies: see [`super::stats`].

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use engine::{Context, Halt};
use zumic_error::CommandError;

use super::ClientFacts;
use super::help;

/// Arguments kept of one command, the note about the rest included.
const ARGS_MAX: usize = 32;
/// Bytes kept of one argument, before the note about the rest.
const ARG_BYTES_MAX: usize = 128;
/// Entries of SLOWLOG GET without a count.
const GET_DEFAULT: usize = 10;

/// One slow command.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Entry {
    id: u64,
    unix_seconds: u64,
    microseconds: u64,
    args: Vec<Vec<u8>>,
    peer: String,
    name: Vec<u8>,
}

#[derive(Debug, Default)]
struct Ring {
    next_id: u64,
    entries: VecDeque<Entry>,
}

/// The slow log of all reactors.
#[derive(Debug, Default)]
pub struct Slowlog(Mutex<Ring>);

impl Slowlog {
    fn lock(&self) -> MutexGuard<'_, Ring> {
        // At worst an entry is missing after a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a command, its arguments shortened as Redis shortens them, and drops the oldest
    /// beyond `len_max`. The caller found it slow, and redacted its secrets.
    pub fn push(
        &self,
        args: &[&[u8]],
        microseconds: u64,
        unix_seconds: u64,
        client: &ClientFacts<'_>,
        len_max: u64,
    ) {
        let (args, peer, name) = (shorten(args), client.peer.to_owned(), client.name.to_vec());
        let mut ring = self.lock();
        let id = ring.next_id;
        ring.next_id += 1;
        ring.entries.push_front(Entry { id, unix_seconds, microseconds, args, peer, name });
        let len_max = usize::try_from(len_max).unwrap_or(usize::MAX);
        ring.entries.truncate(len_max);
    }

    /// Applies a changed `slowlog-max-len`.
    pub fn truncate(&self, len_max: u64) {
        self.lock().entries.truncate(usize::try_from(len_max).unwrap_or(usize::MAX));
    }
}

fn shorten(args: &[&[u8]]) -> Vec<Vec<u8>> {
    let kept = if args.len() > ARGS_MAX { ARGS_MAX - 1 } else { args.len() };
    let mut short: Vec<Vec<u8>> = args[..kept].iter().map(|arg| shorten_one(arg)).collect();
    if kept < args.len() {
        short.push(format!("... ({} more arguments)", args.len() - kept).into_bytes());
    }
    short
}

fn shorten_one(arg: &[u8]) -> Vec<u8> {
    if arg.len() <= ARG_BYTES_MAX {
        return arg.to_vec();
    }
    let note = format!("... ({} more bytes)", arg.len() - ARG_BYTES_MAX);
    [&arg[..ARG_BYTES_MAX], note.as_bytes()].concat()
}

/// Answers `SLOWLOG <sub>`.
pub(super) fn run(
    slowlog: &Slowlog,
    context: &mut Context<'_>,
    sub: &str,
    args: &[&[u8]],
) -> Result<(), Halt> {
    match sub {
        "get" => get(slowlog, context, args)?,
        "help" => help::write(context, help::SLOWLOG),
        "len" => {
            let len = slowlog.lock().entries.len();
            context.sink().integer(i64::try_from(len).expect("entries fit memory"));
        }
        "reset" => {
            slowlog.lock().entries.clear();
            context.sink().simple("OK");
        }
        other => unreachable!("no row of the table leads to SLOWLOG {other}"),
    }
    Ok(())
}

fn get(slowlog: &Slowlog, context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), CommandError> {
    let count = match args {
        [_, _] => GET_DEFAULT,
        [_, _, count] => match super::integer(count) {
            Some(-1) => usize::MAX,
            Some(count) => usize::try_from(count).map_err(|_| CommandError::SlowlogCountInvalid)?,
            None => return Err(CommandError::SlowlogCountInvalid),
        },
        _ => {
            return Err(CommandError::SubcommandUsage {
                container: "SLOWLOG",
                name: args[1].to_vec(),
            });
        }
    };
    let entries: Vec<Entry> = slowlog.lock().entries.iter().take(count).cloned().collect();
    let sink = context.sink();
    sink.array(entries.len());
    for entry in &entries {
        sink.array(6);
        for number in [entry.id, entry.unix_seconds, entry.microseconds] {
            sink.integer(i64::try_from(number).unwrap_or(i64::MAX));
        }
        sink.array(entry.args.len());
        entry.args.iter().for_each(|arg| sink.bulk(arg));
        sink.bulk(entry.peer.as_bytes());
        sink.bulk(&entry.name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: ClientFacts<'static> =
        ClientFacts { peer: "127.0.0.1:5000", name: b"me", db: 0, is_local: true };

    #[test]
    fn the_ring_keeps_the_newest() {
        let slowlog = Slowlog::default();
        for number in 0..5 {
            slowlog.push(&[b"GET", b"a"], number, 0, &CLIENT, 3);
        }
        let ids: Vec<u64> = slowlog.lock().entries.iter().map(|entry| entry.id).collect();
        assert_eq!(ids, [4, 3, 2]);
        slowlog.truncate(1);
        assert_eq!(slowlog.lock().entries.len(), 1);
        slowlog.push(&[b"GET"], 1, 0, &CLIENT, 0);
        assert_eq!(slowlog.lock().entries.len(), 0);
    }

    #[test]
    fn arguments_are_shortened_on_both_sides_of_the_limits() {
        let word: &[u8] = b"a";
        assert_eq!(shorten(&[word; ARGS_MAX]).len(), ARGS_MAX);
        let short = shorten(&[word; ARGS_MAX + 1]);
        assert_eq!(short.len(), ARGS_MAX);
        assert_eq!(short[ARGS_MAX - 1], b"... (2 more arguments)");
        assert_eq!(shorten_one(&[b'x'; 128]), [b'x'; 128]);
        assert!(shorten_one(&[b'x'; 129]).ends_with(b"x... (1 more bytes)"));
    }
}
