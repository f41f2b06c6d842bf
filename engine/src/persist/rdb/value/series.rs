//! Time series to bytes and back. The form is ours: no other server reads it.
//!
//! ```text
//! series   bytes of a chunk | policy 1 | retention in ms | labels | chunks
//! label    name | value                       strings
//! chunk    time of the first sample, 8 bytes | samples | codes         a string
//! ```
//!
//! Numbers without a size are lengths. The codes are those of `structures/series/chunk.rs`.

use super::super::damage::{Damage, Flaw};
use super::super::input::Input;
use super::super::sink::{Sink, put_count, put_length, put_string};
use crate::structures::series::{DuplicatePolicy, Series};
use crate::values::time_series::{Settings, TimeSeries};

/// Policies by the byte that stands for them; none is zero.
const POLICIES: [DuplicatePolicy; 6] = [
    DuplicatePolicy::Block,
    DuplicatePolicy::First,
    DuplicatePolicy::Last,
    DuplicatePolicy::Max,
    DuplicatePolicy::Min,
    DuplicatePolicy::Sum,
];

pub(super) fn put(series: &TimeSeries, sink: &mut impl Sink) {
    let settings = series.settings();
    put_count(settings.chunk_bytes, sink);
    let policy = settings.policy.and_then(|policy| POLICIES.iter().position(|at| *at == policy));
    let policy = u8::try_from(policy.map_or(0, |at| at + 1)).expect("six policies");
    sink.put(&[policy]);
    put_length(settings.retention_ms.cast_unsigned(), sink);
    put_count(settings.labels.len(), sink);
    for (name, value) in &settings.labels {
        put_string(name, false, sink);
        put_string(value, false, sink);
    }
    put_count(series.series().chunk_count(), sink);
    for chunk in series.series().raw_chunks() {
        sink.put(&chunk.first_time.to_le_bytes());
        put_count(chunk.samples, sink);
        put_count(chunk.codes.len(), sink);
        sink.put(chunk.codes);
    }
}

pub(super) fn read(input: &mut Input<'_>) -> Result<TimeSeries, Damage> {
    let at = input.position();
    let damage = Damage { at, flaw: Flaw::Series };
    let chunk_bytes = usize::try_from(input.length()?).map_err(|_| damage)?;
    let policy = match input.byte()? {
        0 => None,
        one => Some(*POLICIES.get(usize::from(one) - 1).ok_or(damage)?),
    };
    let retention_ms = i64::try_from(input.length()?).map_err(|_| damage)?;
    let mut labels = Vec::new();
    for _ in 0..input.count(2)? {
        labels.push((input.word()?.to_vec().into(), input.word()?.to_vec().into()));
    }
    let mut series = Series::new(chunk_bytes);
    for _ in 0..input.count(10)? {
        let at = input.position();
        let first_time = input.u64_le()?.cast_signed();
        let samples = input.length()?;
        let codes = input.count(1)?;
        let codes = input.take(codes)?;
        if !series.push_raw(first_time, samples, codes) {
            return Err(Damage { at, flaw: Flaw::Series });
        }
    }
    let settings = Settings { chunk_bytes, policy, retention_ms, labels };
    Ok(TimeSeries::restore(settings, series))
}
