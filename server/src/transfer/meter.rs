//! How far a move is, on a line of the terminal that is written over and over.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// Between two readings.
const INTERVAL: Duration = Duration::from_millis(200);
/// Cells of the bar.
const CELLS: u64 = 30;

/// Shows progress on a terminal; silent elsewhere.
#[derive(Debug)]
pub(crate) struct Meter {
    what: &'static str,
    /// All there is, or zero while that is not known.
    total: u64,
    done: u64,
    shown: Option<Instant>,
    is_terminal: bool,
}

impl Meter {
    pub(crate) fn new(what: &'static str, total: u64) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        Self { what, total, done: 0, shown: None, is_terminal }
    }

    /// So much is done by now.
    pub(crate) fn set(&mut self, done: u64) {
        self.done = done;
        if self.is_terminal && self.shown.is_none_or(|shown| shown.elapsed() >= INTERVAL) {
            self.shown = Some(Instant::now());
            let _ = write!(std::io::stderr(), "\r{}", self.line());
        }
    }

    /// More is done.
    pub(crate) fn add(&mut self, more: u64) {
        self.set(self.done + more);
    }

    /// Shows all as done and leaves the line.
    pub(crate) fn finish(mut self) {
        if self.is_terminal {
            self.done = self.done.max(self.total);
            let _ = writeln!(std::io::stderr(), "\r{}", self.line());
        }
    }

    fn line(&self) -> String {
        let Some(share) = (self.done * 100).checked_div(self.total) else {
            return format!("{} {}", self.done, self.what);
        };
        let share = share.min(100);
        let full = usize::try_from(share * CELLS / 100).expect("at most all cells");
        let left = usize::try_from(CELLS).expect("a few") - full;
        let bar: String = "#".repeat(full) + &".".repeat(left);
        format!("[{bar}] {share:3} % {}", self.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(total: u64, done: u64) -> String {
        Meter { what: "moved", total, done, shown: None, is_terminal: false }.line()
    }

    #[test]
    fn the_bar_fills_and_never_overflows() {
        assert_eq!(line(200, 0), format!("[{}]   0 % moved", ".".repeat(30)));
        assert_eq!(line(200, 100), format!("[{}{}]  50 % moved", "#".repeat(15), ".".repeat(15)));
        assert_eq!(line(200, 999), format!("[{}] 100 % moved", "#".repeat(30)));
        assert_eq!(line(0, 7), "7 moved");
    }
}
