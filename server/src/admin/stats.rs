//! Statistics: each reactor counts in its own block, a reader adds the blocks up.
//!
//! Why it exists: no command may write a cache line that another reactor writes (I2 of the
//! architecture), and INFO must still know the sums. CONFIG RESETSTAT therefore writes nothing to
//! the blocks: it remembers a reading, which is taken away from later ones.
//! Not for the engine's figures (memory, hits, evictions): [`engine::Stats`] has those.
//!
//! Invariants
//! - T1: only the reactor that a [`ReactorStats`] was made for adds to its counters.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use engine::sync::Counter;

use super::histogram::{Histogram, Latencies};

/// Position of a command (or subcommand) in the list of names that [`StatsHub`] was made with.
pub type CommandId = u16;

/// Different error codes that are told apart; Redis stops at 128 too.
const ERROR_CODES_MAX: usize = 128;

/// One command's counters on one reactor.
#[derive(Debug, Default)]
struct CommandCell {
    calls: Counter,
    nanoseconds: Counter,
    rejected: Counter,
    failed: Counter,
    latencies: OnceLock<Histogram>,
}

/// Per-command counters of one reactor.
#[derive(Debug)]
pub struct CommandStats(Box<[CommandCell]>);

impl CommandStats {
    fn new(command_count: usize) -> Self {
        Self((0..command_count).map(|_| CommandCell::default()).collect())
    }

    /// Counts one run of a command. `failed`: it answered an error. `tracking`: the setting
    /// `latency-tracking`. Cost: three plain stores; a histogram on the command's first run.
    #[inline]
    pub fn record(&self, id: CommandId, nanoseconds: u64, failed: bool, tracking: bool) {
        let cell = &self.0[usize::from(id)];
        cell.calls.add(1);
        cell.nanoseconds.add(nanoseconds);
        if failed {
            cell.failed.add(1);
        }
        if tracking {
            cell.latencies.get_or_init(Histogram::default).record(nanoseconds);
        }
    }

    /// Counts a command that was refused before it ran (arity, NOAUTH, OOM, ...).
    #[inline]
    pub fn reject(&self, id: CommandId) {
        self.0[usize::from(id)].rejected.add(1);
    }
}

/// What one reactor counts. (T1)
#[derive(Debug)]
pub struct ReactorStats {
    /// Per command.
    pub commands: CommandStats,
    /// Commands that ran.
    pub commands_processed: Counter,
    /// Writes that did not fail, while there is a log.
    pub changes: Counter,
    /// Connections accepted.
    pub connections_received: Counter,
    /// Connections turned away (`maxclients`, protected mode, file descriptors).
    pub connections_rejected: Counter,
    /// Connections open now.
    pub clients_connected: Counter,
    /// Connections parked in a blocking command or by CLIENT PAUSE now.
    pub clients_blocked: Counter,
    /// Connections closed because of their output or query buffer.
    pub clients_over_limit: Counter,
    /// Bytes read from clients.
    pub bytes_in: Counter,
    /// Bytes written to clients.
    pub bytes_out: Counter,
    /// Read calls that brought bytes.
    pub reads: Counter,
    /// Write calls that took bytes.
    pub writes: Counter,
    errors: Mutex<BTreeMap<Box<str>, u64>>,
}

impl ReactorStats {
    fn new(command_count: usize) -> Self {
        Self {
            commands: CommandStats::new(command_count),
            commands_processed: Counter::default(),
            changes: Counter::default(),
            connections_received: Counter::default(),
            connections_rejected: Counter::default(),
            clients_connected: Counter::default(),
            clients_blocked: Counter::default(),
            clients_over_limit: Counter::default(),
            bytes_in: Counter::default(),
            bytes_out: Counter::default(),
            reads: Counter::default(),
            writes: Counter::default(),
            errors: Mutex::default(),
        }
    }

    /// Counts an error reply by the first word of its text. Cost: an uncontended lock.
    pub fn record_error(&self, text: &str) {
        let code = text.split_ascii_whitespace().next().unwrap_or("ERR");
        let mut errors = lock(&self.errors);
        if let Some(count) = errors.get_mut(code) {
            *count += 1;
        } else if errors.len() < ERROR_CODES_MAX {
            errors.insert(code.into(), 1);
        } else {
            *errors.entry("other".into()).or_default() += 1;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A count may be lost by a panic, never half-written.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One command's sums.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "named as INFO commandstats names them")]
pub struct CommandTotals {
    pub calls: u64,
    pub nanoseconds: u64,
    pub rejected: u64,
    pub failed: u64,
    pub latencies: Latencies,
}

/// Sums over all reactors.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the fields are those of ReactorStats")]
pub struct Totals {
    pub commands: Vec<CommandTotals>,
    pub commands_processed: u64,
    pub connections_received: u64,
    pub connections_rejected: u64,
    pub clients_connected: u64,
    pub clients_blocked: u64,
    pub clients_over_limit: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub reads: u64,
    pub writes: u64,
    pub errors: BTreeMap<Box<str>, u64>,
}

impl Totals {
    fn add(&mut self, block: &ReactorStats) {
        for (total, cell) in self.commands.iter_mut().zip(&block.commands.0) {
            total.calls += cell.calls.get();
            total.nanoseconds += cell.nanoseconds.get();
            total.rejected += cell.rejected.get();
            total.failed += cell.failed.get();
            if let Some(histogram) = cell.latencies.get() {
                histogram.add_to(&mut total.latencies);
            }
        }
        self.commands_processed += block.commands_processed.get();
        self.connections_received += block.connections_received.get();
        self.connections_rejected += block.connections_rejected.get();
        self.clients_connected += block.clients_connected.get();
        self.clients_blocked += block.clients_blocked.get();
        self.clients_over_limit += block.clients_over_limit.get();
        self.bytes_in += block.bytes_in.get();
        self.bytes_out += block.bytes_out.get();
        self.reads += block.reads.get();
        self.writes += block.writes.get();
        for (code, count) in lock(&block.errors).iter() {
            *self.errors.entry(code.clone()).or_default() += count;
        }
    }

    /// Takes away what was counted before CONFIG RESETSTAT. Gauges (clients) stay.
    fn subtract(&mut self, earlier: &Self) {
        for (now, then) in self.commands.iter_mut().zip(&earlier.commands) {
            now.calls -= then.calls;
            now.nanoseconds -= then.nanoseconds;
            now.rejected -= then.rejected;
            now.failed -= then.failed;
            now.latencies.subtract(&then.latencies);
        }
        self.commands_processed -= earlier.commands_processed;
        self.connections_received -= earlier.connections_received;
        self.connections_rejected -= earlier.connections_rejected;
        self.clients_over_limit -= earlier.clients_over_limit;
        self.bytes_in -= earlier.bytes_in;
        self.bytes_out -= earlier.bytes_out;
        self.reads -= earlier.reads;
        self.writes -= earlier.writes;
        for (code, count) in &earlier.errors {
            if let Some(now) = self.errors.get_mut(code) {
                *now -= count;
            }
        }
        self.errors.retain(|_, count| *count > 0);
    }

    /// Error replies of all codes.
    #[must_use]
    pub fn errors_total(&self) -> u64 {
        self.errors.values().sum()
    }
}

/// Samples for the `instantaneous_` figures, as many as Redis takes.
const SAMPLES_MAX: usize = 16;
const SAMPLE_INTERVAL_MS: u64 = 100;

/// A reading of what the `instantaneous_` figures are made of.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    at_ms: u64,
    commands: u64,
    bytes_in: u64,
    bytes_out: u64,
}

/// Rates over the last 1.6 seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Commands per second.
    pub commands: u64,
    /// KiB per second read from clients.
    pub kib_in: f64,
    /// KiB per second written to clients.
    pub kib_out: f64,
}

/// All reactors' statistics.
#[derive(Debug)]
pub struct StatsHub {
    names: Vec<&'static str>,
    blocks: Mutex<Vec<Arc<ReactorStats>>>,
    baseline: Mutex<Totals>,
    samples: Mutex<VecDeque<Sample>>,
}

impl StatsHub {
    /// For commands with these names; a [`CommandId`] is a position in the list.
    #[must_use]
    pub fn new(names: Vec<&'static str>) -> Self {
        Self {
            names,
            blocks: Mutex::default(),
            baseline: Mutex::default(),
            samples: Mutex::default(),
        }
    }

    /// A block for one more reactor.
    #[must_use]
    pub fn register(&self) -> Arc<ReactorStats> {
        let block = Arc::new(ReactorStats::new(self.names.len()));
        lock(&self.blocks).push(Arc::clone(&block));
        block
    }

    /// The name of a command.
    #[must_use]
    pub fn name(&self, id: usize) -> &'static str {
        self.names[id]
    }

    /// Writes since the start, while there is a log; no reset touches them.
    #[must_use]
    pub fn changes(&self) -> u64 {
        lock(&self.blocks).iter().map(|block| block.changes.get()).sum()
    }

    /// Sums since the start or the last reset. Cost: walks every counter of every reactor.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let baseline = lock(&self.baseline);
        let mut totals = self.sum();
        totals.subtract(&baseline);
        totals
    }

    /// CONFIG RESETSTAT: from now on [`StatsHub::totals`] starts at zero.
    pub fn reset(&self) {
        let mut baseline = lock(&self.baseline);
        *baseline = self.sum();
        lock(&self.samples).clear();
    }

    fn sum(&self) -> Totals {
        let commands = vec![CommandTotals::default(); self.names.len()];
        let mut totals = Totals { commands, ..Totals::default() };
        lock(&self.blocks).iter().for_each(|block| totals.add(block));
        totals
    }

    /// Takes a sample when one is due. One background thread calls it about every millisecond.
    pub fn tick(&self, now_ms: u64) {
        let mut samples = lock(&self.samples);
        let due = samples.back().is_none_or(|last| now_ms >= last.at_ms + SAMPLE_INTERVAL_MS);
        if !due {
            return;
        }
        let mut sample = Sample { at_ms: now_ms, ..Sample::default() };
        for block in lock(&self.blocks).iter() {
            sample.commands += block.commands_processed.get();
            sample.bytes_in += block.bytes_in.get();
            sample.bytes_out += block.bytes_out.get();
        }
        if samples.len() > SAMPLES_MAX {
            samples.pop_front();
        }
        samples.push_back(sample);
    }

    /// The rates between the oldest and the newest sample; zero with fewer than two.
    #[must_use]
    pub fn rates(&self) -> Rates {
        let samples = lock(&self.samples);
        let (Some(first), Some(last)) = (samples.front(), samples.back()) else {
            return Rates::default();
        };
        let elapsed_ms = last.at_ms.saturating_sub(first.at_ms);
        if elapsed_ms == 0 {
            return Rates::default();
        }
        let kib = |bytes: u64| bytes as f64 / 1_024.0 * 1_000.0 / elapsed_ms as f64;
        Rates {
            commands: (last.commands - first.commands) * 1_000 / elapsed_ms,
            kib_in: kib(last.bytes_in - first.bytes_in),
            kib_out: kib(last.bytes_out - first.bytes_out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_start_again_after_a_reset_and_gauges_do_not() {
        let hub = StatsHub::new(vec!["get", "set"]);
        let blocks = [hub.register(), hub.register()];
        for block in &blocks {
            block.commands.record(1, 2_000, false, true);
            block.commands.reject(0);
            block.clients_connected.add(1);
            block.record_error("WRONGTYPE of some kind");
        }
        let totals = hub.totals();
        assert_eq!((totals.commands[1].calls, totals.commands[1].nanoseconds), (2, 4_000));
        assert_eq!((totals.commands[0].rejected, totals.errors_total()), (2, 2));
        assert_eq!(totals.commands[1].latencies.count(), 2);
        hub.reset();
        blocks[0].commands.record(1, 10, true, false);
        let totals = hub.totals();
        assert_eq!((totals.commands[1].calls, totals.commands[1].failed), (1, 1));
        assert_eq!(totals.commands[1].latencies.count(), 0);
        assert_eq!((totals.errors.len(), totals.clients_connected), (0, 2));
    }

    #[test]
    fn rates_need_two_samples() {
        let hub = StatsHub::new(vec!["get"]);
        let block = hub.register();
        hub.tick(1_000);
        assert_eq!(hub.rates(), Rates::default());
        block.commands_processed.add(500);
        block.bytes_in.add(1_024);
        hub.tick(1_050);
        assert_eq!(hub.rates(), Rates::default(), "too early for a second sample");
        hub.tick(1_500);
        assert_eq!(hub.rates(), Rates { commands: 1_000, kib_in: 2.0, kib_out: 0.0 });
    }

    #[test]
    fn error_codes_are_bounded() {
        let hub = StatsHub::new(vec![]);
        let block = hub.register();
        (0..1_000).for_each(|number| block.record_error(&format!("CODE{number} text")));
        let totals = hub.totals();
        assert_eq!(totals.errors_total(), 1_000);
        assert_eq!(totals.errors.len(), ERROR_CODES_MAX + 1);
    }
}
