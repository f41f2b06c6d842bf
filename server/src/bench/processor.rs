//! CPU time: the server's, read from `/proc`, and the calling thread's own.
//!
//! Why both sources in `/proc`: a thread's `schedstat` counts nanoseconds, but a thread that ended
//! takes its figure along; the process's `stat` keeps ended threads, in ticks of 10 ms. So
//! nanoseconds are used unless a thread ended in between.
//!
//! Not for systems without `/proc`: there, readings of other processes are `None`.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// CPU time of a process up to one instant.
#[derive(Debug)]
pub(super) struct Reading {
    /// Nanoseconds on a CPU, by thread; `None` if the kernel keeps no such statistics.
    threads: Option<BTreeMap<u32, u64>>,
    user_ticks: u64,
    system_ticks: u64,
}

/// CPU time between two readings.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Spent {
    pub(super) total: Duration,
    /// Split of the total as the kernel samples it; coarse (ticks of 10 ms).
    pub(super) user: Duration,
    pub(super) system: Duration,
}

impl Reading {
    /// Reads the process's figures; `None` when it is gone or hidden, or there is no `/proc`.
    ///
    /// Cost: a file per thread.
    pub(super) fn take(process: u32) -> Option<Self> {
        let (user_ticks, system_ticks) =
            parse_stat(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)?;
        Some(Self { threads: read_threads(process), user_ticks, system_ticks })
    }

    /// What was spent from `self` to the later reading `end`.
    pub(super) fn until(&self, end: &Self) -> Spent {
        let user = ticks(end.user_ticks.saturating_sub(self.user_ticks));
        let system = ticks(end.system_ticks.saturating_sub(self.system_ticks));
        let total = self.exact_until(end).unwrap_or(user + system);
        Spent { total, user, system }
    }

    fn exact_until(&self, end: &Self) -> Option<Duration> {
        let (before, after) = (self.threads.as_ref()?, end.threads.as_ref()?);
        if before.keys().any(|thread| !after.contains_key(thread)) {
            return None;
        }
        let nanos = after
            .iter()
            .map(|(thread, nanos)| nanos.saturating_sub(*before.get(thread).unwrap_or(&0)))
            .sum();
        Some(Duration::from_nanos(nanos))
    }
}

fn ticks(count: u64) -> Duration {
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Duration::from_nanos(count.saturating_mul(1_000_000_000 / per_second))
}

fn read_threads(process: u32) -> Option<BTreeMap<u32, u64>> {
    let mut threads = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{process}/task")).ok()? {
        let entry = entry.ok()?;
        let thread = entry.file_name().to_str()?.parse().ok()?;
        // A thread may end between listing and reading: it counts as ended.
        if let Ok(text) = fs::read_to_string(entry.path().join("schedstat")) {
            threads.insert(thread, text.split_whitespace().next()?.parse().ok()?);
        }
    }
    let counted = threads.values().any(|nanos| *nanos > 0);
    counted.then_some(threads)
}

/// User and system ticks in `/proc/PID/stat`, whose second field, the name, may hold anything.
fn parse_stat(text: &str) -> Option<(u64, u64)> {
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// CPU time of the calling thread since it began.
pub(super) fn own_thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).expect("a thread's time is not negative");
    let nanos = u32::try_from(time.tv_nsec).expect("below a second");
    Duration::new(seconds, nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_brackets_do_not_confuse() {
        let text = "42 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 77 88 0 0 20 0 1 0 5 6 7";
        assert_eq!(parse_stat(text), Some((77, 88)));
        assert_eq!(parse_stat("42 (a) S 1"), None);
    }

    #[test]
    fn an_ended_thread_falls_back_to_ticks() {
        let reading = |threads: &[(u32, u64)], ticks| Reading {
            threads: Some(threads.iter().copied().collect()),
            user_ticks: ticks,
            system_ticks: 0,
        };
        let start = reading(&[(1, 100), (2, 50)], 0);
        let same = reading(&[(1, 180), (2, 50), (3, 7)], 1);
        assert_eq!(start.until(&same).total, Duration::from_nanos(87));
        let ended = reading(&[(1, 180)], 1);
        assert_eq!(start.until(&ended).total, ticks(1));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn work_shows_in_both_clocks() {
        let process = std::process::id();
        let (before, own_before) = (Reading::take(process).unwrap(), own_thread_time());
        let mut sum = 0_u64;
        while own_thread_time() - own_before < Duration::from_millis(30) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let spent = before.until(&Reading::take(process).unwrap());
        assert!(spent.total >= Duration::from_millis(20), "{spent:?}");
    }
}
