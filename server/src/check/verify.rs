//! Reads everything and judges it.

use engine::persist::log::inspect::{LogReport, SegmentReport, inspect_log, inspect_segment};
use engine::persist::zdb::{Header, Loading, Reader, Summary, ZdbError, each_entry};
use serde::Serialize;
use zumic_error::{Error, ErrorKind};

use super::source::{Source, rules};

/// How bad it is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// Nothing is wrong.
    Sound,
    /// The end was never finished: a crash leaves that.
    Torn,
    /// Something that was there cannot be read.
    Damaged,
}

/// One log segment.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Segment {
    pub(super) name: String,
    pub(super) state: State,
    /// What is wrong with it, or what is remarkable.
    pub(super) note: Option<String>,
    pub(super) kind: &'static str,
    pub(super) file_bytes: u64,
    pub(super) used_bytes: u64,
    pub(super) blocks: u64,
    pub(super) entries: u64,
    /// Complete before it.
    pub(super) epoch_before: u64,
    /// Complete with it.
    pub(super) epoch: u64,
}

/// One snapshot.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Snapshot {
    pub(super) name: String,
    pub(super) state: State,
    pub(super) note: Option<String>,
    pub(super) epoch: u64,
    pub(super) created_ms: u64,
    pub(super) keys: u64,
    pub(super) blocks: u64,
    pub(super) file_bytes: u64,
    pub(super) raw_bytes: u64,
}

/// What a start on the directory would do.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Start {
    pub(super) state: State,
    pub(super) note: Option<String>,
    /// The snapshot it would load.
    pub(super) snapshot: Option<String>,
    /// Entries of the log behind that.
    pub(super) entries: u64,
    /// Entries whose epoch is not complete, which do not count.
    pub(super) dropped: u64,
    /// The last complete epoch.
    pub(super) epoch: u64,
}

/// The judgement of a source.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Verdict {
    pub(super) state: State,
    pub(super) snapshots: Vec<Snapshot>,
    pub(super) segments: Vec<Segment>,
    /// For a directory.
    pub(super) start: Option<Start>,
}

impl Verdict {
    /// The exit code.
    #[must_use]
    pub(super) fn code(&self) -> u8 {
        match self.state {
            State::Sound => 0,
            State::Torn => 1,
            State::Damaged => 2,
        }
    }
}

/// Reads everything there is.
///
/// # Errors
/// A file cannot be read at all; damage is no error but a finding.
pub(super) fn verify(source: &Source) -> Result<Verdict, Error> {
    let snapshots: Vec<Snapshot> =
        source.snapshots.iter().map(|name| snapshot(source, name)).collect::<Result<_, _>>()?;
    let segments: Vec<Segment> =
        source.segments.iter().map(|name| segment(source, name)).collect::<Result<_, _>>()?;
    let start = if source.whole { Some(start(source, &snapshots)?) } else { None };
    // A hole in one segment may be the end that a restart left behind it, so of a directory the
    // start's judgement counts, and that of the snapshots.
    let files = snapshots.iter().map(|snapshot| snapshot.state);
    let state = match &start {
        Some(start) => files.chain([start.state]).max(),
        None => files.chain(segments.iter().map(|segment| segment.state)).max(),
    };
    Ok(Verdict { state: state.unwrap_or(State::Sound), snapshots, segments, start })
}

fn segment(source: &Source, name: &str) -> Result<Segment, Error> {
    let file = source.segment(name)?;
    let (report, state, note) = match inspect_segment(&*file, &mut |_| Ok(())) {
        Ok(report) => {
            let (state, note) = judge(&report);
            (report, state, note)
        }
        Err(error) if error.kind() == ErrorKind::Damaged => {
            (SegmentReport::default(), State::Damaged, Some(error.to_string()))
        }
        Err(error) => return Err(error),
    };
    Ok(Segment {
        name: name.to_owned(),
        state,
        note,
        kind: report.kind,
        file_bytes: report.file_bytes,
        used_bytes: report.used_bytes,
        blocks: report.blocks,
        entries: report.entries,
        epoch_before: report.base,
        epoch: report.epoch,
    })
}

fn judge(report: &SegmentReport) -> (State, Option<String>) {
    match report.hole {
        None => (State::Sound, None),
        Some(hole) => match hole.next_block {
            None => (State::Torn, Some(format!("the block at byte {} is torn", hole.offset))),
            Some(next) => {
                let note = format!(
                    "the block at byte {} cannot be read, and a sound one follows at byte {next}",
                    hole.offset
                );
                (State::Damaged, Some(note))
            }
        },
    }
}

fn snapshot(source: &Source, name: &str) -> Result<Snapshot, Error> {
    let read = read_snapshot(source, name)?;
    let (header, summary, state, note) = match read {
        Ok(loading) => (loading.header, loading.summary, State::Sound, None),
        Err(ZdbError::Io(error)) => {
            return Err(Error::with_source(ErrorKind::Io, format!("reading {name}"), error));
        }
        Err(error) => {
            (Header::default(), Summary::default(), State::Damaged, Some(error.to_string()))
        }
    };
    Ok(Snapshot {
        name: name.to_owned(),
        state,
        note,
        epoch: header.epoch,
        created_ms: header.created_ms,
        keys: summary.keys,
        blocks: summary.blocks,
        file_bytes: summary.file_bytes,
        raw_bytes: summary.raw_bytes,
    })
}

fn read_snapshot(source: &Source, name: &str) -> Result<Result<Loading, ZdbError>, Error> {
    let file = source.snapshot(name)?;
    let read = || each_entry(&mut Reader::new(file)?, &rules(), |_| Ok(()));
    Ok(read())
}

/// What a start would find; it takes the newest snapshot that is sound.
fn start(source: &Source, snapshots: &[Snapshot]) -> Result<Start, Error> {
    let newest = snapshots.iter().find(|snapshot| snapshot.state == State::Sound);
    let covered = newest.map_or(0, |snapshot| snapshot.epoch);
    let snapshot = newest.map(|snapshot| snapshot.name.clone());
    let (report, state, note) = match inspect_log(&source.disk, covered, &mut |_| Ok(())) {
        Ok(report) => {
            let torn = report.torn.as_ref().map(ToString::to_string);
            let state = if torn.is_some() { State::Torn } else { State::Sound };
            (report, state, torn)
        }
        Err(error) if error.kind() == ErrorKind::Damaged => {
            (LogReport::default(), State::Damaged, Some(error.to_string()))
        }
        Err(error) => return Err(error),
    };
    let LogReport { epoch, entries, dropped, .. } = report;
    Ok(Start { state, note, snapshot, entries, dropped, epoch })
}
