//! What `zumic-check` says, as text and as JSON.

use std::io::{self, Write};

use serde::Serialize;
use zumic_error::{Error, ErrorKind, ResultExt};

use super::repair::Repair;
use super::stats::{Count, Stats};
use super::verify::{Segment, Snapshot, Start, State, Verdict};
use crate::admin::info::human_bytes;

fn json(value: &impl Serialize, out: &mut impl Write) -> Result<(), Error> {
    serde_json::to_writer_pretty(&mut *out, value)
        .map_err(io::Error::from)
        .and_then(|()| out.write_all(b"\n"))
        .context(ErrorKind::Io, "writing")
}

fn word(state: State) -> &'static str {
    match state {
        State::Damaged => "DAMAGED",
        State::Sound => "sound",
        State::Torn => "torn",
    }
}

fn note(note: Option<&String>) -> String {
    note.map_or_else(String::new, |note| format!(": {note}"))
}

fn snapshot_line(one: &Snapshot) -> String {
    format!(
        "{}  {}{}\n    epoch {}, {} keys in {} blocks, {} of {} raw\n",
        one.name,
        word(one.state),
        note(one.note.as_ref()),
        one.epoch,
        one.keys,
        one.blocks,
        human_bytes(one.file_bytes),
        human_bytes(one.raw_bytes)
    )
}

fn segment_line(one: &Segment) -> String {
    format!(
        "{}  {}{}\n    {}, epochs {} to {}, {} entries in {} blocks, {} of {} used\n",
        one.name,
        word(one.state),
        note(one.note.as_ref()),
        one.kind,
        one.epoch_before,
        one.epoch,
        one.entries,
        one.blocks,
        human_bytes(one.used_bytes),
        human_bytes(one.file_bytes)
    )
}

fn start_line(start: &Start) -> String {
    let from = start.snapshot.as_ref().map_or("an empty store", String::as_str);
    match start.state {
        State::Damaged => format!("a start is refused{}\n", note(start.note.as_ref())),
        State::Sound | State::Torn => format!(
            "a start loads {from} and {} entries of the log, up to epoch {}{}\n",
            start.entries,
            start.epoch,
            note(start.note.as_ref())
        ),
    }
}

fn put(out: &mut impl Write, text: &str) -> Result<(), Error> {
    out.write_all(text.as_bytes()).context(ErrorKind::Io, "writing")
}

/// Every file, and what a start would do.
///
/// # Errors
/// The output cannot be written; also below.
pub(super) fn inspect(verdict: &Verdict, as_json: bool, out: &mut impl Write) -> Result<(), Error> {
    if as_json {
        return json(verdict, out);
    }
    let snapshots = verdict.snapshots.iter().map(snapshot_line);
    let segments = verdict.segments.iter().map(segment_line);
    let start = verdict.start.iter().map(start_line);
    let text: String = snapshots.chain(segments).chain(start).collect();
    put(out, &text)
}

/// What is wrong, and the judgement.
pub(super) fn verify(verdict: &Verdict, as_json: bool, out: &mut impl Write) -> Result<(), Error> {
    if as_json {
        return json(verdict, out);
    }
    let bad = |state: &State| *state != State::Sound;
    let snapshots = verdict.snapshots.iter().filter(|one| bad(&one.state)).map(snapshot_line);
    let segments = verdict.segments.iter().filter(|one| bad(&one.state)).map(segment_line);
    let start = verdict.start.iter().map(start_line);
    let text: String = snapshots.chain(segments).chain(start).collect();
    put(out, &text)?;
    put(out, &format!("{}\n", word(verdict.state)))
}

/// Tables by type and by command.
pub(super) fn stats(stats: &Stats, as_json: bool, out: &mut impl Write) -> Result<(), Error> {
    if as_json {
        return json(stats, out);
    }
    let mut text = String::new();
    let row = |name: &str, count: &Count| {
        format!(
            "{name:<16} {:>12} {:>10}  largest {:>10}  {}\n",
            count.count,
            human_bytes(count.bytes),
            human_bytes(count.largest_bytes),
            count.largest_key
        )
    };
    if let Some(name) = &stats.snapshot {
        text.push_str(&format!("{name}, {} keys with a deadline\n", stats.expires));
        for (db, keys) in &stats.databases {
            text.push_str(&format!("db{db:<14} {keys:>12}\n"));
        }
        stats.types.iter().for_each(|(kind, count)| text.push_str(&row(kind, count)));
        for (kind, count) in &stats.types {
            for (bytes, keys) in &count.sizes {
                let most = human_bytes(*bytes);
                text.push_str(&format!("{kind:<16} {keys:>12} of at most {most}\n"));
            }
        }
    }
    text.push_str(&format!("{} entries of the log\n", stats.entries));
    stats.commands.iter().for_each(|(name, count)| text.push_str(&row(name, count)));
    put(out, &text)
}

/// What was done.
pub(super) fn repair(repair: &Repair, as_json: bool, out: &mut impl Write) -> Result<(), Error> {
    if as_json {
        return json(repair, out);
    }
    let mut text: String = repair.steps.iter().map(|step| format!("{step}\n")).collect();
    text.push_str(match (repair.steps.is_empty(), repair.done) {
        (true, _) => "nothing has to be repaired\n",
        (false, false) => "nothing was changed: say --yes to do it\n",
        (false, true) => "done; what was changed is kept as *.before-repair\n",
    });
    put(out, &text)
}
