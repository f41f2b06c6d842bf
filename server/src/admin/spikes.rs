//! Latency spikes: when something took long, by kinds of event.
//!
//! Why it exists: SLOWLOG tells which command it was, the histograms how often; this tells when,
//! in a form that an operator reads at a glance (LATENCY LATEST, HISTORY, GRAPH). One lock serves
//! all threads: it is taken only when something took at least `latency-monitor-threshold`.
//! Not for what stalls nobody: there are no events of forks, of freeing or of the expiry cycle,
//! which run beside the commands here.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Samples kept of each event: Redis's number.
const SAMPLES_MAX: usize = 160;
/// Columns of a graph.
const COLUMNS: usize = 80;
/// Rows of a graph, and what a column is drawn with: the parts of its topmost row, then the rest.
const ROWS: usize = 4;
const PARTS: [char; 3] = ['_', 'o', '#'];
const FILL: char = '|';

/// Something that took long: its second, and the longest of that second.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Sample {
    /// Unix seconds.
    pub(super) at_s: u64,
    pub(super) took_ms: u64,
}

/// All samples of one event, the oldest first; never empty.
#[derive(Clone, Debug, Default)]
pub(super) struct Series {
    pub(super) samples: VecDeque<Sample>,
    /// The longest ever, also when its sample is gone.
    pub(super) max_ms: u64,
}

/// What a series says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Digest {
    pub(super) count: usize,
    pub(super) average_ms: u64,
    /// Mean distance from the average.
    pub(super) deviation_ms: u64,
    /// Seconds per sample since the first.
    pub(super) period_s: f64,
}

impl Series {
    fn add(&mut self, sample: Sample) {
        self.max_ms = self.max_ms.max(sample.took_ms);
        match self.samples.back_mut() {
            Some(last) if last.at_s == sample.at_s => {
                last.took_ms = last.took_ms.max(sample.took_ms);
            }
            _ => {
                if self.samples.len() == SAMPLES_MAX {
                    self.samples.pop_front();
                }
                self.samples.push_back(sample);
            }
        }
    }

    /// Average, deviation and period, as Redis computes them: in whole milliseconds.
    pub(super) fn digest(&self, now_s: u64) -> Digest {
        let count = self.samples.len() as u64;
        let mean = |sum: u64| sum.checked_div(count).unwrap_or(0);
        let average_ms = mean(self.samples.iter().map(|sample| sample.took_ms).sum());
        let distances = self.samples.iter().map(|sample| sample.took_ms.abs_diff(average_ms));
        let first_s = self.samples.front().map_or(now_s, |sample| sample.at_s);
        let passed_s = now_s.saturating_sub(first_s).max(1);
        Digest {
            count: self.samples.len(),
            average_ms,
            deviation_ms: mean(distances.sum()),
            period_s: passed_s as f64 / count.max(1) as f64,
        }
    }

    /// The samples as columns, each with its age below it, read downwards.
    pub(super) fn graph(&self, event: &str, now_s: u64) -> String {
        let took = || self.samples.iter().map(|sample| sample.took_ms);
        let (low, high) = (took().min().unwrap_or(0), took().max().unwrap_or(0));
        let most = self.max_ms;
        let mut text =
            format!("{event} - high {high} ms, low {low} ms (all time high {most} ms)\n");
        text.push_str(&"-".repeat(COLUMNS));
        text.push('\n');
        let samples: Vec<Sample> = self.samples.iter().copied().collect();
        for (index, samples) in samples.chunks(COLUMNS).enumerate() {
            if index > 0 {
                text.push('\n');
            }
            draw(&mut text, samples, (low, high), now_s);
        }
        text
    }
}

/// Draws so many samples as fit side by side.
fn draw(text: &mut String, samples: &[Sample], (low, high): (u64, u64), now_s: u64) {
    let steps = ROWS * PARTS.len();
    let range = (high - low).max(1);
    let step = |sample: &Sample| {
        let step = u128::from(sample.took_ms - low) * steps as u128 / u128::from(range);
        usize::try_from(step).map_or(steps - 1, |step| step.min(steps - 1))
    };
    for row in (0..ROWS).rev() {
        let bottom = row * PARTS.len();
        text.extend(samples.iter().map(|sample| match step(sample).checked_sub(bottom) {
            None => ' ',
            Some(part) => PARTS.get(part).copied().unwrap_or(FILL),
        }));
        text.push('\n');
    }
    text.push_str(&" ".repeat(samples.len()));
    text.push('\n');
    let labels: Vec<String> =
        samples.iter().map(|sample| age(now_s.saturating_sub(sample.at_s))).collect();
    for at in 0..labels.iter().map(String::len).max().unwrap_or(0) {
        text.extend(labels.iter().map(|label| label.chars().nth(at).unwrap_or(' ')));
        text.push('\n');
    }
}

/// How long ago, in the largest unit.
fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// The spikes of all threads.
#[derive(Debug, Default)]
pub(crate) struct Spikes(Mutex<BTreeMap<&'static str, Series>>);

impl Spikes {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Series>> {
        // At worst a sample is missing after a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a spike. The caller found it long.
    pub(super) fn add(&self, event: &'static str, at_s: u64, took_ms: u64) {
        self.lock().entry(event).or_default().add(Sample { at_s, took_ms });
    }

    /// What is known of one event; names are compared exactly, as in Redis.
    pub(super) fn series(&self, event: &[u8]) -> Option<(&'static str, Series)> {
        let all = self.lock();
        let found = all.iter().find(|(name, _)| name.as_bytes() == event);
        found.map(|(name, series)| (*name, series.clone()))
    }

    /// All events with what is known of them, by name.
    pub(super) fn all(&self) -> Vec<(&'static str, Series)> {
        self.lock().iter().map(|(name, series)| (*name, series.clone())).collect()
    }

    /// Forgets these events, or all if there are none; returns how many it had.
    pub(super) fn reset(&self, events: &[&[u8]]) -> usize {
        let mut all = self.lock();
        let before = all.len();
        all.retain(|name, _| !events.is_empty() && !events.contains(&name.as_bytes()));
        before - all.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(samples: &[(u64, u64)]) -> Series {
        let mut series = Series::default();
        samples.iter().for_each(|&(at_s, took_ms)| series.add(Sample { at_s, took_ms }));
        series
    }

    #[test]
    fn a_second_has_one_sample() {
        let series = series(&[(1, 5), (1, 9), (1, 7), (2, 3)]);
        let kept: Vec<_> = series.samples.iter().map(|s| (s.at_s, s.took_ms)).collect();
        assert_eq!((kept, series.max_ms), (vec![(1, 9), (2, 3)], 9));
    }

    #[test]
    fn old_samples_go_but_the_maximum_stays() {
        let all: Vec<_> = (0..=160).map(|at| (at, 1_000 - at)).collect();
        let series = series(&all);
        assert_eq!((series.samples.len(), series.samples[0].at_s), (160, 1));
        assert_eq!(series.max_ms, 1_000);
    }

    #[test]
    fn a_digest_is_in_whole_milliseconds() {
        let digest = series(&[(10, 10), (12, 20), (13, 33)]).digest(16);
        let want = Digest { count: 3, average_ms: 21, deviation_ms: 8, period_s: 2.0 };
        assert_eq!(digest, want);
        assert_eq!(series(&[(10, 1)]).digest(10).period_s, 1.0);
    }

    #[test]
    fn a_graph_has_a_column_per_sample() {
        let graph = series(&[(0, 10), (50, 50), (90, 100)]).graph("command", 100);
        let rule = "-".repeat(80);
        let head = "command - high 100 ms, low 10 ms (all time high 100 ms)";
        assert_eq!(graph, format!("{head}\n{rule}\n  #\n  |\n #|\n_||\n   \n151\nm00\n ss\n"));
        assert_eq!([59, 60, 3_599, 7_200, 86_400].map(age), ["59s", "1m", "59m", "2h", "1d"]);
    }
}
