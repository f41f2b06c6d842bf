//! The time series: samples with what was said about them when they were created.
//!
//! Why it exists: retention, the policy for duplicates and labels belong to the key, not to the
//! compressed samples. Samples that are older than the retention allows are not shown, whether
//! their chunk has been dropped yet or not. Not for labels as an index: nothing looks series up
//! by them.

use zumic_error::TimeSeriesError;

use crate::Kind;
use crate::collection::Collection;
use crate::structures::series::{DuplicatePolicy, Sample, Series};

/// The default of CHUNK_SIZE.
pub const CHUNK_BYTES: usize = 4096;

/// A label and its value.
pub type Label = (Box<[u8]>, Box<[u8]>);

/// What a series is created with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The most bytes of a chunk.
    pub chunk_bytes: usize,
    /// What happens to a second sample of one time; `None` is the default, which refuses it.
    pub policy: Option<DuplicatePolicy>,
    /// How much older than the latest a sample may be, in milliseconds; 0 for any age.
    pub retention_ms: i64,
    /// Labels in the order they were given.
    pub labels: Vec<Label>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { chunk_bytes: CHUNK_BYTES, policy: None, retention_ms: 0, labels: Vec::new() }
    }
}

/// A time series at a key.
#[derive(Clone, Debug)]
pub struct TimeSeries {
    settings: Settings,
    series: Series,
    labels_bytes: usize,
    is_new: bool,
}

impl Default for TimeSeries {
    fn default() -> Self {
        Self { is_new: true, ..Self::new(Settings::default()) }
    }
}

impl TimeSeries {
    /// A series without samples.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let series = Series::new(settings.chunk_bytes);
        Self::restore(settings, series)
    }

    /// A series of samples that were written down; its chunks are no larger than the settings say.
    #[must_use]
    pub(crate) fn restore(settings: Settings, series: Series) -> Self {
        let text: usize =
            settings.labels.iter().map(|(name, value)| name.len() + value.len()).sum();
        let labels_bytes = text + settings.labels.capacity() * size_of::<Label>();
        Self { settings, series, labels_bytes, is_new: false }
    }

    /// Whether it is the value that an edit of an absent key begins with.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// What it was created with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The samples, those that are too old and not yet dropped included.
    #[must_use]
    pub fn series(&self) -> &Series {
        &self.series
    }

    /// The latest sample.
    #[must_use]
    pub fn last(&self) -> Option<Sample> {
        self.series.last()
    }

    /// The earliest time that is still shown.
    #[must_use]
    pub fn shown_from(&self) -> i64 {
        match (self.settings.retention_ms, self.last()) {
            (retention @ 1.., Some(last)) => last.time.saturating_sub(retention).max(0),
            _ => 0,
        }
    }

    /// How many samples are shown.
    ///
    /// Cost: O(1), and part of the first chunk decoded when there is a retention.
    #[must_use]
    pub fn shown_len(&self) -> usize {
        let from = self.shown_from();
        let hidden = if from > 0 { self.series.range(0, from - 1).count() } else { 0 };
        self.series.len() - hidden
    }

    /// Adds a sample under `policy`, or the series' own.
    ///
    /// # Errors
    /// [`TimeSeriesError::OlderThanRetention`] and [`TimeSeriesError::Blocked`], with nothing
    /// changed.
    pub fn add(
        &mut self,
        time: i64,
        value: f64,
        policy: Option<DuplicatePolicy>,
    ) -> Result<(), TimeSeriesError> {
        if time < self.shown_from() {
            return Err(TimeSeriesError::OlderThanRetention);
        }
        let policy = policy.or(self.settings.policy).unwrap_or_default();
        self.series.add(time, value, policy).map_err(|_| TimeSeriesError::Blocked)?;
        self.series.drop_before(self.shown_from());
        Ok(())
    }

    /// Removes the samples from `from` to `to`, both included; returns how many.
    pub fn remove_range(&mut self, from: i64, to: i64) -> usize {
        self.series.remove_range(from, to)
    }
}

impl Collection for TimeSeries {
    const KIND: Kind = Kind::TimeSeries;
    type Ref<'a> = &'a Self;

    fn as_ref(&self) -> &Self {
        self
    }

    /// A series without samples is a series.
    fn is_empty(&self) -> bool {
        false
    }

    fn memory(&self) -> usize {
        self.series.memory() + self.labels_bytes
    }

    fn packed(&self) -> Option<(u8, &[u8])> {
        None
    }

    fn unpack(code: u8, _: &[u8]) -> Self {
        unreachable!("time series have no packed encoding {code}")
    }

    fn view(code: u8, _: &[u8]) -> &Self {
        unreachable!("time series have no packed encoding {code}")
    }

    /// What Redis answers for every type of a module.
    fn encoding(_: &Self) -> &'static str {
        "raw"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_retention(retention_ms: i64) -> TimeSeries {
        TimeSeries::new(Settings { retention_ms, ..Settings::default() })
    }

    #[test]
    fn samples_beyond_the_retention_are_neither_shown_nor_taken() {
        let mut series = with_retention(100);
        for time in [1_000, 1_050, 1_100] {
            assert_eq!(series.add(time, 1.0, None), Ok(()));
        }
        assert_eq!((series.shown_from(), series.shown_len()), (1_000, 3));
        assert_eq!(series.add(1_000, 2.0, None), Err(TimeSeriesError::Blocked));
        assert_eq!(series.add(999, 1.0, None), Err(TimeSeriesError::OlderThanRetention));
        assert_eq!(series.add(1_101, 1.0, None), Ok(()));
        assert_eq!((series.shown_from(), series.shown_len()), (1_001, 3));
        assert_eq!(series.add(1_000, 2.0, None), Err(TimeSeriesError::OlderThanRetention));
        assert_eq!(series.add(90_000, 1.0, None), Ok(()));
        assert_eq!((series.shown_from(), series.shown_len()), (89_900, 1));
        assert_eq!(with_retention(0).shown_from(), 0);
    }

    #[test]
    fn a_policy_of_the_command_goes_before_that_of_the_key() {
        let settings = Settings { policy: Some(DuplicatePolicy::Sum), ..Settings::default() };
        let mut series = TimeSeries::new(settings);
        assert_eq!(series.add(1, 2.0, None), Ok(()));
        assert_eq!(series.add(1, 2.0, None), Ok(()));
        assert_eq!(series.last().map(|sample| sample.value), Some(4.0));
        assert_eq!(series.add(1, 9.0, Some(DuplicatePolicy::Min)), Ok(()));
        assert_eq!(series.last().map(|sample| sample.value), Some(4.0));
        let block = Some(DuplicatePolicy::Block);
        assert_eq!(series.add(1, 9.0, block), Err(TimeSeriesError::Blocked));
    }
}
