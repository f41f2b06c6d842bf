//! Which snapshot runs, which waits, and how the last ones went.
//!
//! Why it exists: BGSAVE and BGREWRITEAOF are the same work here (a snapshot, after which the log
//! before it goes), but their answers, figures and rules are Redis's two. Pure bookkeeping: the
//! work is the durability thread's, the clock its argument.

use std::time::{Duration, Instant};

use zumic_error::DurabilityError;

use crate::settings::{DurabilitySettings, SaveRule};

/// How long rules wait after a failure, as Redis does.
const RETRY: Duration = Duration::from_secs(5);

/// Growth of the log does not ask for a snapshot before so many times the duration of the last one
/// has passed since: however fast is written, cutting the log takes a fifth of the time at most.
const RESTS: u32 = 4;

/// On whose behalf a snapshot is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Purpose {
    /// BGREWRITEAOF, or growth of the log.
    Rewrite,
    /// SAVE, BGSAVE, the `save` rules, a shutdown.
    Save,
}

/// What became of a wish for a snapshot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Asked {
    /// It runs when the one under way has ended.
    Scheduled,
    /// It begins.
    Started,
}

/// Who waits for a snapshot: reactor and connection, or the main thread.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Waiter {
    /// SAVE.
    Client(usize, u64),
    /// A shutdown that saves.
    Main,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    purpose: Purpose,
    since: Instant,
    /// Writes until it began.
    changes: u64,
}

/// How snapshots of one purpose went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tally {
    /// Whether the last one worked.
    pub(crate) ok: bool,
    /// How long it took; `None` before the first.
    pub(crate) took: Option<Duration>,
    /// How many worked.
    pub(crate) done: u64,
    /// Failures since the last that worked.
    pub(crate) failures: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Self { ok: true, took: None, done: 0, failures: 0 }
    }
}

/// The state of snapshots.
#[derive(Debug)]
pub(crate) struct Books {
    run: Option<Run>,
    scheduled: Option<Purpose>,
    /// For the one that runs.
    waiters: Vec<Waiter>,
    /// For the one that is scheduled.
    patient: Vec<Waiter>,
    tallies: [Tally; 2],
    /// Unix time of the last snapshot that worked, or of the start.
    saved_at_s: u64,
    /// The same on the monotonic clock: a jump of the wall clock fires no rule.
    saved_at: Instant,
    /// Writes until then.
    saved_changes: u64,
    /// How long it took.
    saved_in: Duration,
    failed_at: Option<Instant>,
}

impl Books {
    /// Nothing happened yet.
    #[must_use]
    pub(crate) fn new(now: Instant, unix_s: u64) -> Self {
        Self {
            run: None,
            scheduled: None,
            waiters: Vec::new(),
            patient: Vec::new(),
            tallies: [Tally::default(); 2],
            saved_at_s: unix_s,
            saved_at: now,
            saved_changes: 0,
            saved_in: Duration::ZERO,
            failed_at: None,
        }
    }

    /// Asks for a snapshot. When one runs already, `schedule` lets this one wait for its end.
    ///
    /// # Errors
    /// Redis's complaint about what runs, if it cannot be scheduled.
    pub(crate) fn ask(
        &mut self,
        purpose: Purpose,
        schedule: bool,
        waiter: Option<Waiter>,
    ) -> Result<Asked, DurabilityError> {
        let running = self.run.map(|run| run.purpose);
        let Some(running) = running.or(self.scheduled) else {
            self.scheduled = Some(purpose);
            self.patient.extend(waiter);
            return Ok(Asked::Started);
        };
        match (running, purpose) {
            (Purpose::Rewrite, Purpose::Rewrite) => Err(DurabilityError::RewriteInProgress),
            (Purpose::Save, Purpose::Save) if waiter != Some(Waiter::Main) => {
                Err(DurabilityError::SaveInProgress)
            }
            (Purpose::Rewrite, Purpose::Save) if !schedule => {
                Err(DurabilityError::SaveBehindRewrite)
            }
            _ => {
                self.scheduled = Some(purpose);
                self.patient.extend(waiter);
                Ok(Asked::Scheduled)
            }
        }
    }

    /// Begins what is scheduled, if nothing runs; `changes` is the number of writes so far.
    pub(crate) fn begin(&mut self, now: Instant, changes: u64) -> Option<Purpose> {
        if self.run.is_some() {
            return None;
        }
        let purpose = self.scheduled.take()?;
        self.waiters = std::mem::take(&mut self.patient);
        self.run = Some(Run { purpose, since: now, changes });
        Some(purpose)
    }

    /// Notes how the running snapshot ended; returns who waits for it.
    pub(crate) fn finish(&mut self, ok: bool, now: Instant, unix_s: u64) -> Vec<Waiter> {
        let Some(run) = self.run.take() else { return Vec::new() };
        let took = now.saturating_duration_since(run.since);
        let tally = &mut self.tallies[run.purpose as usize];
        tally.ok = ok;
        tally.took = Some(took);
        if ok {
            tally.done += 1;
            tally.failures = 0;
            self.failed_at = None;
            (self.saved_at, self.saved_in, self.saved_at_s) = (now, took, unix_s);
            self.saved_changes = run.changes;
        } else {
            tally.failures += 1;
            self.failed_at = Some(now);
        }
        std::mem::take(&mut self.waiters)
    }

    /// Asks for the snapshot that the `save` rules or the log's growth want, if one does.
    pub(crate) fn follow_rules(
        &mut self,
        settings: &DurabilitySettings,
        now: Instant,
        changes: u64,
        (log_bytes, base_bytes): (u64, u64),
    ) -> Option<Purpose> {
        let resting = self.failed_at.is_some_and(|at| now.saturating_duration_since(at) < RETRY);
        if self.run.is_some() || self.scheduled.is_some() || resting {
            return None;
        }
        let since = now.saturating_duration_since(self.saved_at);
        let fresh = changes.saturating_sub(self.saved_changes);
        let due = |rule: &SaveRule| {
            fresh >= rule.changes.max(1) && since.as_secs() >= u64::from(rule.seconds)
        };
        let purpose = if settings.save.iter().any(due) {
            Purpose::Save
        } else if since >= self.saved_in * RESTS && has_grown(settings, log_bytes, base_bytes) {
            Purpose::Rewrite
        } else {
            return None;
        };
        self.scheduled = Some(purpose);
        Some(purpose)
    }

    /// How snapshots of a purpose went.
    #[must_use]
    pub(crate) fn tally(&self, purpose: Purpose) -> Tally {
        self.tallies[purpose as usize]
    }

    /// What runs, and for how long.
    #[must_use]
    pub(crate) fn running(&self, now: Instant) -> Option<(Purpose, Duration)> {
        self.run.map(|run| (run.purpose, now.saturating_duration_since(run.since)))
    }

    /// What waits.
    #[must_use]
    pub(crate) fn scheduled(&self) -> Option<Purpose> {
        self.scheduled
    }

    /// Unix time of the last snapshot that worked, or of the start.
    #[must_use]
    pub(crate) fn saved_at_s(&self) -> u64 {
        self.saved_at_s
    }

    /// Writes until then.
    #[must_use]
    pub(crate) fn saved_changes(&self) -> u64 {
        self.saved_changes
    }
}

/// Whether the log is worth cutting: Redis's rule, with the snapshot as the base.
fn has_grown(settings: &DurabilitySettings, log_bytes: u64, base_bytes: u64) -> bool {
    let percentage = u64::from(settings.rewrite_percentage);
    percentage > 0
        && log_bytes >= settings.rewrite_bytes_min
        && u128::from(log_bytes) * 100 >= u128::from(base_bytes) * u128::from(percentage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn books() -> (Books, Instant) {
        let now = Instant::now();
        (Books::new(now, 1_000), now)
    }

    #[test]
    fn one_snapshot_runs_and_one_waits() {
        let (mut books, now) = books();
        assert_eq!(books.ask(Purpose::Save, false, None), Ok(Asked::Started));
        assert_eq!(books.begin(now, 7), Some(Purpose::Save));
        assert_eq!(
            books.ask(Purpose::Save, true, None),
            Err(DurabilityError::SaveInProgress),
            "SCHEDULE is about rewrites"
        );
        assert_eq!(books.ask(Purpose::Rewrite, false, None), Ok(Asked::Scheduled));
        assert_eq!(books.begin(now, 8), None, "one at a time");
        assert_eq!(books.finish(true, now, 2_000), []);
        assert_eq!((books.saved_at_s(), books.saved_changes()), (2_000, 7));
        assert_eq!(books.begin(now, 9), Some(Purpose::Rewrite));
        let refused = books.ask(Purpose::Rewrite, false, None);
        assert_eq!(refused, Err(DurabilityError::RewriteInProgress));
        let refused = books.ask(Purpose::Save, false, None);
        assert_eq!(refused, Err(DurabilityError::SaveBehindRewrite));
        let waiter = Waiter::Client(1, 2);
        assert_eq!(books.ask(Purpose::Save, true, Some(waiter)), Ok(Asked::Scheduled));
        assert_eq!(books.finish(false, now, 3_000), [], "it waits for the next one");
        assert_eq!(books.saved_at_s(), 2_000);
        assert_eq!(
            (books.tally(Purpose::Rewrite).ok, books.tally(Purpose::Save).ok),
            (false, true)
        );
        assert_eq!(books.begin(now, 9), Some(Purpose::Save));
        assert_eq!(books.finish(true, now, 4_000), [waiter]);
    }

    #[test]
    fn rules_fire_when_both_numbers_are_reached() {
        let (mut books, start) = books();
        let mut settings = Settings::default().durability;
        settings.save = vec![SaveRule { seconds: 10, changes: 5 }];
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(books.follow_rules(&settings, at(11), 4, (0, 0)), None);
        assert_eq!(books.follow_rules(&settings, at(9), 5, (0, 0)), None);
        assert_eq!(books.follow_rules(&settings, at(10), 5, (0, 0)), Some(Purpose::Save));
        assert_eq!(books.follow_rules(&settings, at(10), 5, (0, 0)), None, "it is scheduled");
        books.begin(at(10), 5);
        books.finish(false, at(11), 0);
        assert_eq!(books.follow_rules(&settings, at(15), 6, (0, 0)), None, "not at once again");
        assert_eq!(books.follow_rules(&settings, at(16), 6, (0, 0)), Some(Purpose::Save));
    }

    #[test]
    fn growth_waits_four_times_as_long_as_the_last_snapshot_took() {
        let (mut books, start) = books();
        let mut settings = Settings::default().durability;
        (settings.rewrite_percentage, settings.rewrite_bytes_min) = (100, 1_000);
        let at = |seconds| start + Duration::from_secs(seconds);
        let grown = (5_000, 1_000);
        assert_eq!(books.follow_rules(&settings, at(0), 1, grown), Some(Purpose::Rewrite));
        books.begin(at(0), 1);
        books.finish(true, at(3), 0);
        assert_eq!(books.follow_rules(&settings, at(14), 2, grown), None);
        assert_eq!(books.follow_rules(&settings, at(15), 2, grown), Some(Purpose::Rewrite));
    }

    #[test]
    fn the_log_is_cut_when_it_has_doubled() {
        let mut settings = Settings::default().durability;
        (settings.rewrite_percentage, settings.rewrite_bytes_min) = (100, 1_000);
        assert!(!has_grown(&settings, 999, 10));
        assert!(has_grown(&settings, 1_000, 10));
        assert!(!has_grown(&settings, 4_999, 5_000));
        assert!(has_grown(&settings, 5_000, 5_000));
        settings.rewrite_percentage = 0;
        assert!(!has_grown(&settings, u64::MAX, 0));
    }
}
