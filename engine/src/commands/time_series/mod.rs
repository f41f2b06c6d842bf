//! Commands on time series: Zumic's own group, with the names and answers of RedisTimeSeries.
//! Reading ranges is in `range`, the options of a new series in `options`.
//!
//! Not here: rules that compact one series into another, queries by label. Options that belong
//! to those or that are not known are refused.

mod options;
mod range;

use zumic_error::{CommandError, TimeSeriesError};

use self::options::AddOptions;
pub(super) use self::range::{ts_range, ts_revrange};
use super::number::{format_double, integer, parse_finite_double};
use crate::collection::{Edit, Missing, View};
use crate::events::Class;
use crate::structures::series::{DuplicatePolicy, Sample};
use crate::values::time_series::{Settings, TimeSeries};
use crate::{Context, Halt, ReplySink};

type Outcome = Result<(), Halt>;
type Args<'a> = [&'a [u8]];

fn count(number: usize) -> i64 {
    i64::try_from(number).expect("a count of things in memory")
}

/// A time that a client wrote: milliseconds since 1970.
fn time(text: &[u8]) -> Option<i64> {
    integer(text).filter(|time| *time >= 0)
}

/// The time of a new sample, which may be `*` for now.
fn new_time(context: &Context<'_>, text: &[u8]) -> Result<i64, TimeSeriesError> {
    if text == b"*" {
        return Ok(i64::try_from(context.now_ms()).unwrap_or(i64::MAX));
    }
    let number = integer(text).ok_or(TimeSeriesError::TimeInvalid)?;
    if number < 0 { Err(TimeSeriesError::TimeNegative) } else { Ok(number) }
}

fn new_value(text: &[u8]) -> Result<f64, TimeSeriesError> {
    parse_finite_double(text).map_err(|_| TimeSeriesError::ValueInvalid)
}

/// The series at a key that must be there.
fn existing<'s>(context: &mut Context<'s>, key: &[u8]) -> Result<View<'s, TimeSeries>, Halt> {
    let series = context.view::<TimeSeries>(key)?;
    series.ok_or_else(|| CommandError::from(TimeSeriesError::NoSuchKey).into())
}

/// A key of another type is told apart from other failures in words of its own.
fn rename_wrong_type(halt: Halt, error: TimeSeriesError) -> Halt {
    match halt {
        Halt::Error(CommandError::WrongType) => CommandError::from(error).into(),
        other => other,
    }
}

fn write_number(sink: &mut dyn ReplySink, value: f64) {
    if sink.version() == 2 {
        sink.simple(&format_double(value));
    } else {
        sink.double(value);
    }
}

fn write_sample(sink: &mut dyn ReplySink, sample: Sample) {
    sink.array(2);
    sink.integer(sample.time);
    write_number(sink, sample.value);
}

/// TS.CREATE key [RETENTION ms] [ENCODING COMPRESSED] [CHUNK_SIZE bytes]
/// [DUPLICATE_POLICY policy] [LABELS [label value ...]]
pub(super) fn ts_create(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let settings = options::parse_create(&args[2..])?;
    let created = context.edit(args[1], Missing::Create, |series: &mut TimeSeries| {
        if !series.is_new() {
            return Err(TimeSeriesError::KeyExists.into());
        }
        *series = TimeSeries::new(settings.clone());
        Ok(Edit::Changed(()))
    });
    created.map_err(|halt| rename_wrong_type(halt, TimeSeriesError::KeyExists))?;
    context.notify(Class::Module, "ts.create", args[1]);
    context.sink().simple("OK");
    Ok(())
}

/// Adds a sample to the series at `key`; one that is absent is created if there are settings.
fn add(
    context: &mut Context<'_>,
    key: &[u8],
    sample: Sample,
    settings: Option<&Settings>,
    policy: Option<DuplicatePolicy>,
) -> Outcome {
    let missing = if settings.is_some() { Missing::Create } else { Missing::Skip };
    let added = context.edit(key, missing, |series: &mut TimeSeries| {
        if let (true, Some(settings)) = (series.is_new(), settings) {
            *series = TimeSeries::new(settings.clone());
        }
        series.add(sample.time, sample.value, policy)?;
        Ok(Edit::Changed(()))
    });
    let added = added.map_err(|halt| rename_wrong_type(halt, TimeSeriesError::NotASeries))?;
    added.ok_or(CommandError::from(TimeSeriesError::NotASeries))?;
    context.notify(Class::Module, "ts.add", key);
    Ok(())
}

/// TS.ADD key timestamp value [RETENTION ms] [ENCODING COMPRESSED] [CHUNK_SIZE bytes]
/// [DUPLICATE_POLICY policy] [ON_DUPLICATE policy] [LABELS [label value ...]]
pub(super) fn ts_add(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let value = new_value(args[3]).map_err(CommandError::from)?;
    let time = new_time(context, args[2]).map_err(CommandError::from)?;
    let AddOptions { settings, policy } = options::parse_add(&args[4..])?;
    add(context, args[1], Sample { time, value }, Some(&settings), policy)?;
    if context.is_logged() {
        let mut words = args.to_vec();
        let mut digits = itoa::Buffer::new();
        words[2] = digits.format(time).as_bytes();
        context.log(&words);
    }
    context.sink().integer(time);
    Ok(())
}

/// TS.MADD key timestamp value [key timestamp value ...]
pub(super) fn ts_madd(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let samples = &args[1..];
    if !samples.len().is_multiple_of(3) {
        return Err(CommandError::WrongArity("ts.madd".into()).into());
    }
    let mut results = Vec::with_capacity(samples.len() / 3);
    for sample in samples.chunks_exact(3) {
        let parsed = new_value(sample[2])
            .and_then(|value| new_time(context, sample[1]).map(|time| Sample { time, value }));
        let added = match parsed {
            Ok(parsed) => add(context, sample[0], parsed, None, None).map(|()| {
                let mut digits = itoa::Buffer::new();
                let time = digits.format(parsed.time).as_bytes();
                context.log(&[b"TS.MADD", sample[0], time, sample[2]]);
                parsed.time
            }),
            Err(error) => Err(CommandError::from(error).into()),
        };
        results.push(match added {
            Ok(time) => Ok(time),
            Err(Halt::Error(error)) => Err(error),
            Err(halt) => return Err(halt),
        });
    }
    let sink = context.sink();
    sink.array(results.len());
    for result in results {
        match result {
            Ok(time) => sink.integer(time),
            Err(error) => sink.error(&error),
        }
    }
    Ok(())
}

/// TS.GET key [LATEST]
pub(super) fn ts_get(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    match &args[2..] {
        [] => {}
        [latest] if latest.eq_ignore_ascii_case(b"LATEST") => {}
        [_] => return Err(CommandError::from(TimeSeriesError::ThirdArgument).into()),
        _ => return Err(CommandError::WrongArity("ts.get".into()).into()),
    }
    let series = existing(context, args[1])?;
    match series.get().last() {
        Some(sample) => write_sample(context.sink(), sample),
        None => context.sink().array(0),
    }
    Ok(())
}

/// TS.DEL key fromTimestamp toTimestamp
pub(super) fn ts_del(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let from = range::parse_from(args[2])?;
    let to = range::parse_to(args[3])?;
    let (from, to) = (from.unwrap_or(0), to.unwrap_or(i64::MAX));
    let removed = context.edit(args[1], Missing::Skip, |series: &mut TimeSeries| {
        let removed = series.remove_range(from, to);
        Ok(if removed > 0 { Edit::Changed(removed) } else { Edit::Same(0) })
    })?;
    let removed = removed.ok_or(CommandError::from(TimeSeriesError::NoSuchKey))?;
    if removed > 0 {
        context.notify(Class::Module, "ts.del", args[1]);
    }
    context.sink().integer(count(removed));
    Ok(())
}

fn policy_name(policy: DuplicatePolicy) -> &'static str {
    match policy {
        DuplicatePolicy::Block => "block",
        DuplicatePolicy::First => "first",
        DuplicatePolicy::Last => "last",
        DuplicatePolicy::Max => "max",
        DuplicatePolicy::Min => "min",
        DuplicatePolicy::Sum => "sum",
    }
}

/// TS.INFO key [DEBUG]
pub(super) fn ts_info(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let debug = match &args[2..] {
        [] => false,
        [debug] if debug.eq_ignore_ascii_case(b"DEBUG") => true,
        [_] => return Err(CommandError::Syntax.into()),
        _ => return Err(CommandError::WrongArity("ts.info".into()).into()),
    };
    let view = existing(context, args[1])?;
    let (series, sink) = (view.get(), context.sink());
    sink.map(if debug { 14 } else { 12 });
    write_counts(sink, series);
    let settings = series.settings();
    sink.simple("chunkType");
    sink.simple("compressed");
    sink.simple("duplicatePolicy");
    match settings.policy {
        Some(policy) => sink.simple(policy_name(policy)),
        None => sink.null(),
    }
    write_labels(sink, settings);
    sink.simple("sourceKey");
    sink.null();
    sink.simple("rules");
    if sink.version() == 2 {
        sink.array(0)
    } else {
        sink.map(0)
    }
    if debug {
        sink.simple("keySelfName");
        sink.bulk(args[1]);
        write_chunks(sink, series);
    }
    Ok(())
}

/// What TS.INFO counts.
fn write_counts(sink: &mut dyn ReplySink, series: &TimeSeries) {
    let from = series.shown_from();
    let first = series.series().range(from, i64::MAX).next();
    let figures = [
        ("totalSamples", count(series.shown_len())),
        ("memoryUsage", count(size_of::<TimeSeries>() + crate::Collection::memory(series))),
        ("firstTimestamp", first.map_or(0, |sample| sample.time)),
        ("lastTimestamp", series.last().map_or(0, |sample| sample.time)),
        ("retentionTime", series.settings().retention_ms),
        ("chunkCount", count(series.series().chunk_count())),
        ("chunkSize", count(series.settings().chunk_bytes)),
    ];
    for (name, figure) in figures {
        sink.simple(name);
        sink.integer(figure);
    }
}

fn write_labels(sink: &mut dyn ReplySink, settings: &Settings) {
    sink.simple("labels");
    let pairs = sink.version() == 2;
    if pairs {
        sink.array(settings.labels.len())
    } else {
        sink.map(settings.labels.len())
    }
    for (name, value) in &settings.labels {
        if pairs {
            sink.array(2);
        }
        sink.bulk(name);
        sink.bulk(value);
    }
}

fn write_chunks(sink: &mut dyn ReplySink, series: &TimeSeries) {
    sink.simple("Chunks");
    let chunks = series.series().chunks();
    sink.array(chunks.len());
    for chunk in chunks {
        sink.map(5);
        let figures = [
            ("startTimestamp", chunk.first_time),
            ("endTimestamp", chunk.last_time),
            ("samples", count(chunk.samples)),
            ("size", count(chunk.bytes)),
        ];
        for (name, figure) in figures {
            sink.simple(name);
            sink.integer(figure);
        }
        sink.simple("bytesPerSample");
        #[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
        sink.double(chunk.bytes as f64 / chunk.samples as f64);
    }
}
