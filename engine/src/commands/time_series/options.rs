//! The options that a time series is created with.
//!
//! They come in any order, LABELS last, because labels may be called anything. An option that is
//! not known is an error; RedisTimeSeries looks for those it knows and passes over the rest.

use zumic_error::{CommandError, TimeSeriesError};

use super::Args;
use crate::commands::number::integer;
use crate::structures::series::DuplicatePolicy;
use crate::values::time_series::{Label, Settings};

/// The least bytes of a chunk.
const CHUNK_BYTES_MIN: usize = 48;
/// The most bytes of a chunk.
const CHUNK_BYTES_MAX: usize = 1 << 20;

/// What TS.ADD was told.
pub(super) struct AddOptions {
    /// For a series that has to be created.
    pub(super) settings: Settings,
    /// In place of the series' own policy.
    pub(super) policy: Option<DuplicatePolicy>,
}

/// The options of TS.CREATE.
pub(super) fn parse_create(options: &Args<'_>) -> Result<Settings, CommandError> {
    let parsed = parse(options, false)?;
    Ok(parsed.settings)
}

/// The options of TS.ADD.
pub(super) fn parse_add(options: &Args<'_>) -> Result<AddOptions, CommandError> {
    parse(options, true)
}

fn parse(mut options: &Args<'_>, adding: bool) -> Result<AddOptions, CommandError> {
    let mut parsed = AddOptions { settings: Settings::default(), policy: None };
    let settings = &mut parsed.settings;
    while let [name, rest @ ..] = options {
        let name = name.to_ascii_uppercase();
        if name == b"LABELS" {
            settings.labels = labels(rest)?;
            break;
        }
        let value = rest.first().copied();
        match name.as_slice() {
            b"CHUNK_SIZE" => settings.chunk_bytes = chunk_bytes(value)?,
            b"DUPLICATE_POLICY" => settings.policy = Some(policy(value)?),
            b"ENCODING" if value.is_some_and(|v| v.eq_ignore_ascii_case(b"COMPRESSED")) => {}
            b"ENCODING" => return Err(TimeSeriesError::EncodingUnknown.into()),
            b"ON_DUPLICATE" if adding => parsed.policy = Some(policy(value)?),
            b"RETENTION" => {
                let retention = value.and_then(integer).filter(|retention| *retention >= 0);
                settings.retention_ms = retention.ok_or(TimeSeriesError::RetentionInvalid)?;
            }
            _ => return Err(CommandError::Syntax),
        }
        options = &rest[1..];
    }
    Ok(parsed)
}

fn labels(words: &Args<'_>) -> Result<Vec<Label>, TimeSeriesError> {
    let pairs = words.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return Err(TimeSeriesError::LabelsInvalid);
    }
    let label = |pair: &Args<'_>| {
        let is_bad = |byte: &u8| matches!(byte, b'(' | b')' | b',');
        let (name, value) = (pair[0], pair[1]);
        if name.is_empty() || value.is_empty() || value.iter().any(is_bad) {
            return Err(TimeSeriesError::LabelsInvalid);
        }
        Ok((name.into(), value.into()))
    };
    pairs.map(label).collect()
}

fn chunk_bytes(value: Option<&[u8]>) -> Result<usize, TimeSeriesError> {
    let number = value.and_then(integer).ok_or(TimeSeriesError::ChunkSizeInvalid)?;
    usize::try_from(number)
        .ok()
        .filter(|bytes| (CHUNK_BYTES_MIN..=CHUNK_BYTES_MAX).contains(bytes))
        .filter(|bytes| bytes.is_multiple_of(8))
        .ok_or(TimeSeriesError::ChunkSizeOutOfRange)
}

fn policy(value: Option<&[u8]>) -> Result<DuplicatePolicy, TimeSeriesError> {
    let name = value.ok_or(TimeSeriesError::DuplicatePolicyInvalid)?;
    let policies: [(&[u8], DuplicatePolicy); 6] = [
        (b"BLOCK", DuplicatePolicy::Block),
        (b"FIRST", DuplicatePolicy::First),
        (b"LAST", DuplicatePolicy::Last),
        (b"MAX", DuplicatePolicy::Max),
        (b"MIN", DuplicatePolicy::Min),
        (b"SUM", DuplicatePolicy::Sum),
    ];
    let named = policies.iter().find(|(text, _)| text.eq_ignore_ascii_case(name));
    named.map(|(_, policy)| *policy).ok_or(TimeSeriesError::DuplicatePolicyUnknown)
}
