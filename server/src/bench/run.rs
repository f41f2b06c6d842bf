//! The phases of a benchmark: connect, prefill, warm up, measure.
//!
//! Each phase runs its workers on threads of their own and joins them, so phases are separated
//! without any shared state, and the server's CPU time is read while nothing is in flight.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::error::BenchError;
use super::options::{Distribution, Options};
use super::pacing::{Goal, Place};
use super::processor::Reading;
use super::report::Report;
use super::socket::{Socket, find_server_process};
use super::template::Mix;
use super::worker::{Outcome, Phase, Tick, Worker};

/// Requests in flight per connection while filling: throughput is all that counts then.
const PREFILL_PIPELINE: u64 = 128;

/// Time for threads to start before the first request of a timetable is due.
const TIMETABLE_LEAD: Duration = Duration::from_millis(5);

const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// Runs the benchmark that `options` describe.
///
/// Blocks until it is over. Connections that fail during the measurement are part of the report.
///
/// # Errors
/// [`BenchError`] when the options contradict each other, a connection or its handshake fails, or
/// the prefill does.
///
/// # Panics
/// When a worker thread panicked, with its panic.
pub fn run(options: &Options) -> Result<Report, BenchError> {
    let mix = options.build_mix()?;
    let found = find_server_process(options)?;
    let process = options.server_pid.or(found);
    let mut workers = connect(options)?;
    let progress = options.progress || io::stderr().is_terminal();
    if options.prefill {
        prefill(options, &mut workers, progress)?;
    }
    let goal = match (options.request_count(), options.seconds) {
        (Some(requests), _) => Goal::Requests(requests.get()),
        (None, seconds) => Goal::Time(seconds.unwrap_or_default()),
    };
    let mut phase = plan(options, mix, goal);
    let mut failures = Vec::new();
    if let Some(length) = options.warmup {
        // Not the measurement's seed: the same keys in the same order would all be cached.
        phase.seed = options.seed.wrapping_add(1);
        phase.goal = Goal::Time(length);
        failures = run_phase(&mut workers, &phase, progress.then_some("warm-up"))?.0.failures;
        phase.seed = options.seed;
        phase.goal = goal;
    }
    let before = process.and_then(Reading::take);
    let (mut outcome, start) = run_phase(&mut workers, &phase, progress.then_some("running"))?;
    let after = process.and_then(Reading::take);
    let spent = before.zip(after).map(|(before, after)| before.until(&after));
    outcome.failures.append(&mut failures);
    Ok(Report::new(options, &outcome, start, process, spent))
}

fn plan(options: &Options, mix: Mix, goal: Goal) -> Phase {
    Phase {
        mix,
        distribution: options.distribution,
        keyspace: options.keyspace.get(),
        seed: options.seed,
        goal,
        rate: options.rate.map(std::num::NonZero::get),
        pipeline: u64::from(options.pipeline.get()),
        timeout: options.timeout,
        spin: options.spin,
    }
}

fn connect(options: &Options) -> Result<Vec<Worker>, BenchError> {
    let workers = options.thread_count();
    let connections = options.connections.get();
    (0..workers)
        .map(|worker| {
            let place = Place { worker, workers, connections };
            let sockets = (0..place.own_connections())
                .map(|_| Socket::open(options))
                .collect::<Result<Vec<_>, _>>()?;
            Worker::new(place, sockets).map_err(BenchError::Worker)
        })
        .collect()
}

/// SETs every key once.
fn prefill(options: &Options, workers: &mut [Worker], progress: bool) -> Result<(), BenchError> {
    let goal = Goal::Requests(options.keyspace.get());
    let phase = Phase {
        distribution: Distribution::Sequential,
        rate: None,
        pipeline: PREFILL_PIPELINE,
        ..plan(options, options.build_prefill()?, goal)
    };
    let (outcome, _) = run_phase(workers, &phase, progress.then_some("prefill"))?;
    if let Some(text) = outcome.failures.first() {
        let source = io::Error::other(text.clone());
        return Err(BenchError::Connect { address: options.address(), source });
    }
    match outcome.errors.texts().next() {
        Some((text, _)) => Err(BenchError::Refused { step: "prefill", reply: text.to_owned() }),
        None => Ok(()),
    }
}

/// Runs one phase on all workers; returns what they measured together, and when it began.
fn run_phase(
    workers: &mut [Worker],
    phase: &Phase,
    progress: Option<&str>,
) -> Result<(Outcome, Instant), BenchError> {
    let lead = if phase.rate.is_some() { TIMETABLE_LEAD } else { Duration::ZERO };
    let start = Instant::now() + lead;
    let outcomes = thread::scope(|scope| {
        let (sender, receiver) = channel();
        let mut threads = Vec::new();
        for worker in workers.iter_mut() {
            let ticks: Sender<Tick> = sender.clone();
            let spawned = thread::Builder::new()
                .name("load".to_owned())
                .spawn_scoped(scope, move || worker.run(phase, start, &ticks));
            threads.push(spawned.map_err(BenchError::Worker)?);
        }
        drop(sender);
        if let Some(name) = progress {
            show_progress(name, &receiver);
        }
        drop(receiver);
        let join = |handle: thread::ScopedJoinHandle<'_, io::Result<Outcome>>| {
            let result = handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            result.map_err(BenchError::Worker)
        };
        threads.into_iter().map(join).collect::<Result<Vec<_>, BenchError>>()
    })?;
    let mut total = Outcome::new(start);
    outcomes.iter().for_each(|outcome| total.merge(outcome));
    Ok((total, start))
}

/// Writes a line per second until all workers are done.
fn show_progress(name: &str, ticks: &Receiver<Tick>) {
    let began = Instant::now();
    let (mut line_began, mut replies, mut errors) = (began, 0_u64, 0_u64);
    loop {
        let wait = PROGRESS_EVERY.saturating_sub(line_began.elapsed());
        match ticks.recv_timeout(wait) {
            Ok(tick) => {
                replies += tick.replies;
                errors += tick.errors;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let elapsed = line_began.elapsed();
        if elapsed >= PROGRESS_EVERY {
            #[expect(clippy::cast_precision_loss, reason = "for reading only")]
            let per_second = replies as f64 / elapsed.as_secs_f64();
            // A closed stderr must not end the measurement.
            let _ = writeln!(
                io::stderr(),
                "{name} {:>4.0} s  {per_second:>12.0} requests/s  {errors} errors",
                began.elapsed().as_secs_f64()
            );
            (line_began, replies, errors) = (Instant::now(), 0, 0);
        }
    }
}
