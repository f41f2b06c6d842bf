//! How far loading is, at the start: for INFO, for the log, and as a bar on a terminal.

use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use engine::persist::{Progress, Stage};

use crate::clock;

/// Between two lines of the log.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Characters of a full bar.
const BAR_WIDTH: u64 = 40;

/// Data that are being loaded.
#[derive(Debug, Default)]
pub(crate) struct Loading {
    /// What the engine says.
    progress: Progress,
    began: OnceLock<(Instant, u64)>,
}

/// A reading of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// When it began, Unix seconds.
    pub(super) began_at_s: u64,
    /// Bytes to read in this stage; 0 while not known.
    pub(super) bytes_total: u64,
    /// Bytes read.
    pub(super) bytes: u64,
    /// Seconds to go at this pace; 0 while nobody knows.
    pub(super) left_s: u64,
    /// Keys, or entries of the log.
    pub(super) entries: u64,
    stage: Stage,
}

impl Reading {
    /// How much of this stage is done, 0 to 100.
    #[must_use]
    pub(super) fn percent(&self) -> f64 {
        match self.bytes_total {
            0 => 0.0,
            total => (self.bytes as f64 * 100.0 / total as f64).min(100.0),
        }
    }

    fn what(&self) -> &'static str {
        match self.stage {
            Stage::Looking => "looking at the files",
            Stage::Snapshot => "reading the snapshot",
            Stage::Log => "applying the log",
            Stage::Dump => "reading the dump",
            Stage::Done => "done",
        }
    }

    fn unit(&self) -> &'static str {
        match self.stage {
            Stage::Dump | Stage::Snapshot => "keys",
            Stage::Done | Stage::Log | Stage::Looking => "entries",
        }
    }

    /// The bar, as one line without its end.
    fn bar(&self) -> String {
        let percent = self.percent();
        // Between 0 and 100, so it fits.
        let done = (0..BAR_WIDTH).filter(|at| percent * BAR_WIDTH as f64 > *at as f64 * 100.0);
        let filled = done.count();
        let rest = usize::try_from(BAR_WIDTH).expect("a small constant") - filled;
        format!(
            "{:<20} [{}{}] {percent:>3.0}%  {} {}  {} s left",
            self.what(),
            "#".repeat(filled),
            " ".repeat(rest),
            self.entries,
            self.unit(),
            self.left_s
        )
    }
}

impl Loading {
    /// Runs what loads on a thread of its own, and tells how far it is meanwhile.
    pub(crate) fn run<T: Send>(&self, load: impl FnOnce(&Progress) -> T + Send) -> T {
        self.began.get_or_init(|| (Instant::now(), clock::unix_time().as_secs()));
        thread::scope(|scope| {
            let loading = scope.spawn(|| load(&self.progress));
            let mut teller = Teller::new();
            while !loading.is_finished() {
                thread::sleep(LOOK_EVERY);
                if let Some(reading) = self.reading() {
                    teller.tell(&reading);
                }
            }
            loading.join().expect("a panic ends the process")
        })
    }

    /// How far it is; `None` before it began.
    #[must_use]
    pub(super) fn reading(&self) -> Option<Reading> {
        let &(began, began_at_s) = self.began.get()?;
        let (bytes, bytes_total) = self.progress.bytes();
        let passed = began.elapsed().as_secs_f64();
        let left = match bytes {
            0 => 0.0,
            bytes => passed * bytes_total.saturating_sub(bytes) as f64 / bytes as f64,
        };
        let left_s = Duration::try_from_secs_f64(left).map_or(0, |left| left.as_secs());
        let (entries, stage) = (self.progress.entries(), self.progress.stage());
        Some(Reading { began_at_s, bytes_total, bytes, left_s, entries, stage })
    }

    /// How long it has been running.
    #[must_use]
    pub(super) fn elapsed(&self) -> Duration {
        self.began.get().map_or(Duration::ZERO, |(began, _)| began.elapsed())
    }
}

/// Tells of a load while it runs: a bar where somebody watches, else a line now and then.
#[derive(Debug)]
struct Teller {
    bar: bool,
    drawn: bool,
    said_at: Instant,
}

impl Teller {
    /// Tells on stderr, where the log goes.
    fn new() -> Self {
        Self { bar: io::stderr().is_terminal(), drawn: false, said_at: Instant::now() }
    }

    /// Tells how far it is, if it is time.
    fn tell(&mut self, reading: &Reading) {
        if self.bar {
            self.drawn = true;
            // A terminal that is gone is told nothing.
            let _ = write!(io::stderr(), "\r{}\x1b[K", reading.bar());
            return;
        }
        if self.said_at.elapsed() >= LINE_EVERY {
            self.said_at = Instant::now();
            tracing::info!(
                "loading: {}, {:.0} %, {} {} in",
                reading.what(),
                reading.percent(),
                reading.entries,
                reading.unit()
            );
        }
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        if self.drawn {
            // As above.
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_grows_with_the_bytes() {
        let reading = |bytes| Reading {
            began_at_s: 0,
            bytes_total: 1_000,
            bytes,
            left_s: 3,
            entries: 7,
            stage: Stage::Log,
        };
        let filled = |bytes| reading(bytes).bar().matches('#').count();
        assert_eq!([0, 500, 1_000, 2_000].map(filled), [0, 20, 40, 40]);
        assert!(reading(500).bar().contains(" 50%  7 entries  3 s left"), "{}", reading(500).bar());
        let unknown = Reading { bytes_total: 0, ..reading(5) };
        assert_eq!(unknown.percent(), 0.0);
    }
}
