//! TS.RANGE and TS.REVRANGE.

use zumic_error::{CommandError, TimeSeriesError};

use super::{Args, Outcome, existing, time, write_sample};
use crate::Context;
use crate::commands::number::integer;
use crate::structures::series::{Aggregator, BucketTime, Bucketing, Sample};
use crate::values::time_series::TimeSeries;

/// The most times of FILTER_BY_TS.
const FILTER_TIMES_MAX: usize = 128;

/// Where buckets begin.
#[derive(Clone, Copy)]
enum Align {
    At(i64),
    End,
    Start,
}

/// What a range was asked for.
#[derive(Default)]
struct Query {
    /// `None` for the earliest sample.
    from: Option<i64>,
    /// `None` for the latest sample.
    to: Option<i64>,
    /// Sorted.
    times: Option<Vec<i64>>,
    values: Option<(f64, f64)>,
    count: Option<usize>,
    align: Option<Align>,
    aggregation: Option<(Aggregator, i64)>,
    bucket_time: Option<BucketTime>,
}

/// The start of a range; `None` for `-`.
pub(super) fn parse_from(text: &[u8]) -> Result<Option<i64>, CommandError> {
    if text == b"-" {
        return Ok(None);
    }
    time(text).map(Some).ok_or(TimeSeriesError::FromInvalid.into())
}

/// The end of a range; `None` for `+`.
pub(super) fn parse_to(text: &[u8]) -> Result<Option<i64>, CommandError> {
    if text == b"+" {
        return Ok(None);
    }
    time(text).map(Some).ok_or(TimeSeriesError::ToInvalid.into())
}

impl Query {
    fn parse(args: &Args<'_>) -> Result<Self, CommandError> {
        let mut query =
            Self { from: parse_from(args[0])?, to: parse_to(args[1])?, ..Self::default() };
        let mut options = &args[2..];
        while let [name, rest @ ..] = options {
            options = query.parse_option(&name.to_ascii_uppercase(), rest)?;
        }
        if query.bucket_time.is_some() && query.aggregation.is_none() {
            return Err(CommandError::Syntax);
        }
        match query.align {
            Some(_) if query.aggregation.is_none() => {
                Err(TimeSeriesError::AlignWithoutAggregation.into())
            }
            Some(Align::Start) if query.from.is_none() => {
                Err(TimeSeriesError::AlignStartImplicit.into())
            }
            Some(Align::End) if query.to.is_none() => Err(TimeSeriesError::AlignEndImplicit.into()),
            _ => Ok(query),
        }
    }

    /// Takes one option with its arguments; returns what is behind.
    fn parse_option<'a, 'b>(
        &mut self,
        name: &[u8],
        rest: &'b Args<'a>,
    ) -> Result<&'b Args<'a>, CommandError> {
        match (name, rest) {
            (b"AGGREGATION", [aggregator, width, rest @ ..]) => {
                let width = integer(width).ok_or(TimeSeriesError::AggregationInvalid)?;
                let aggregator =
                    Aggregator::named(aggregator).ok_or(TimeSeriesError::AggregationUnknown)?;
                if width <= 0 {
                    return Err(TimeSeriesError::BucketDurationNotPositive.into());
                }
                self.aggregation = Some((aggregator, width));
                Ok(rest)
            }
            (b"AGGREGATION", _) => Err(TimeSeriesError::AggregationInvalid.into()),
            (b"ALIGN", [align, rest @ ..]) => {
                self.align = Some(match align.to_ascii_lowercase().as_slice() {
                    b"start" | b"-" => Align::Start,
                    b"end" | b"+" => Align::End,
                    _ => Align::At(time(align).ok_or(TimeSeriesError::AlignUnknown)?),
                });
                Ok(rest)
            }
            (b"BUCKETTIMESTAMP", [at, rest @ ..]) => {
                self.bucket_time = Some(match at.to_ascii_lowercase().as_slice() {
                    b"-" | b"low" | b"start" => BucketTime::Start,
                    b"+" | b"high" | b"end" => BucketTime::End,
                    b"~" | b"mid" => BucketTime::Middle,
                    _ => return Err(TimeSeriesError::BucketTimestampUnknown.into()),
                });
                Ok(rest)
            }
            (b"COUNT", [count, rest @ ..]) => {
                let count = integer(count).ok_or(TimeSeriesError::CountInvalid)?;
                let count = usize::try_from(count).map_err(|_| TimeSeriesError::CountNegative)?;
                self.count = Some(count);
                Ok(rest)
            }
            (b"COUNT", []) => Err(TimeSeriesError::CountMissing.into()),
            (b"FILTER_BY_TS", rest) => self.parse_times(rest),
            (b"FILTER_BY_VALUE", [min, max, rest @ ..]) => {
                let min = bound(min).ok_or(TimeSeriesError::MinInvalid)?;
                let max = bound(max).ok_or(TimeSeriesError::MaxInvalid)?;
                self.values = Some((min, max));
                Ok(rest)
            }
            (b"FILTER_BY_VALUE", _) => Err(TimeSeriesError::FilterByValueMissing.into()),
            // Of a series that is no compaction, the latest bucket is nothing special.
            (b"LATEST", rest) => Ok(rest),
            _ => Err(CommandError::Syntax),
        }
    }

    fn parse_times<'a, 'b>(&mut self, rest: &'b Args<'a>) -> Result<&'b Args<'a>, CommandError> {
        let limited = rest.iter().take(FILTER_TIMES_MAX);
        let mut times: Vec<i64> = limited.map_while(|text| time(text)).collect();
        if times.is_empty() {
            return Err(TimeSeriesError::FilterByTimeMissing.into());
        }
        let rest = &rest[times.len()..];
        times.sort_unstable();
        self.times = Some(times);
        Ok(rest)
    }

    fn shows(&self, sample: &Sample) -> bool {
        let times = self.times.as_ref();
        times.is_none_or(|times| times.binary_search(&sample.time).is_ok())
            && self.values.is_none_or(|(min, max)| (min..=max).contains(&sample.value))
    }

    /// The first and last time that can be shown.
    fn bounds(&self, series: &TimeSeries) -> (i64, i64) {
        let (mut from, mut to) = (self.from.unwrap_or(0), self.to.unwrap_or(i64::MAX));
        from = from.max(series.shown_from());
        if let Some([first, .., last] | [first @ last]) = self.times.as_deref() {
            (from, to) = (from.max(*first), to.min(*last));
        }
        (from, to)
    }

    fn bucketing(&self) -> Option<Bucketing> {
        let (aggregator, width) = self.aggregation?;
        let align = match self.align {
            None => 0,
            Some(Align::At(time)) => time,
            Some(Align::End) => self.to.unwrap_or(0),
            Some(Align::Start) => self.from.unwrap_or(0),
        };
        Some(Bucketing { aggregator, align, width, time: self.bucket_time.unwrap_or_default() })
    }

    /// What is answered, of samples in the order they are answered in.
    fn collect(&self, samples: impl Iterator<Item = Sample>) -> Vec<Sample> {
        let shown = samples.filter(|sample| self.shows(sample));
        let count = self.count.unwrap_or(usize::MAX);
        match self.bucketing() {
            Some(bucketing) => bucketing.over(shown).take(count).collect(),
            None => shown.take(count).collect(),
        }
    }
}

/// A bound of FILTER_BY_VALUE, which may be infinite.
fn bound(text: &[u8]) -> Option<f64> {
    let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (!number.is_nan()).then_some(number)
}

fn answer(context: &mut Context<'_>, args: &Args<'_>, backward: bool) -> Outcome {
    let view = existing(context, args[1])?;
    let query = Query::parse(&args[2..])?;
    let series = view.get();
    let (from, to) = query.bounds(series);
    let samples = if backward {
        query.collect(series.series().range_back(from, to))
    } else {
        query.collect(series.series().range(from, to))
    };
    let sink = context.sink();
    sink.array(samples.len());
    samples.into_iter().for_each(|sample| write_sample(sink, sample));
    Ok(())
}

/// TS.RANGE key fromTimestamp toTimestamp [LATEST] [FILTER_BY_TS ts ...]
/// [FILTER_BY_VALUE min max] [COUNT count]
/// [[ALIGN align] AGGREGATION aggregator bucketDuration [BUCKETTIMESTAMP bt]]
pub(in crate::commands) fn ts_range(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    answer(context, args, false)
}

/// TS.REVRANGE, with the options of TS.RANGE: the same backwards.
pub(in crate::commands) fn ts_revrange(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    answer(context, args, true)
}
