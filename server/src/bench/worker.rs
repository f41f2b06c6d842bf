//! One thread of the load generator: its connections, its loop, its measurements.
//!
//! A worker lives through several phases (prefill, warm-up, measurement) with the same open
//! connections; what a phase measured is its [`Outcome`].
//!
//! Invariants
//! - W1: a connection that failed is dropped at once and its text kept; the others go on.
//! - W2: latencies are recorded only for replies that arrived; requests in flight on a failed
//!   connection count as `lost`.

use std::io;
use std::ops::ControlFlow;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::{Events, Poll, Token};

use super::alarm::{Alarm, SLEEP_MAX};
use super::connection::{Connection, Received};
use super::keys::KeySource;
use super::options::Distribution;
use super::pacing::{Goal, Pacing, Place};
use super::processor::own_thread_time;
use super::skipper::ErrorTally;
use super::socket::Socket;
use super::template::Mix;

/// Read at once; 64 replies of 4 KiB fit.
const READ_BYTES: usize = 256 * 1024;

/// Events taken from one poll.
const EVENT_COUNT: usize = 1024;

/// How often a worker tells the progress line what it did.
const TICK_EVERY: Duration = Duration::from_millis(200);

const ALARM: Token = Token(usize::MAX);

/// What one phase is to do; the same for all workers.
#[derive(Debug)]
pub(super) struct Phase {
    pub(super) mix: Mix,
    pub(super) distribution: Distribution,
    pub(super) keyspace: u64,
    pub(super) seed: u64,
    pub(super) goal: Goal,
    pub(super) rate: Option<u64>,
    pub(super) pipeline: u64,
    pub(super) timeout: Duration,
    pub(super) spin: bool,
}

/// What happened since the last tick; for the progress line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tick {
    pub(super) replies: u64,
    pub(super) errors: u64,
}

/// What a worker measured in one phase.
#[derive(Debug)]
pub(super) struct Outcome {
    /// Nanoseconds.
    pub(super) latencies: Histogram<u64>,
    pub(super) replies: u64,
    pub(super) errors: ErrorTally,
    pub(super) sent_bytes: u64,
    pub(super) received_bytes: u64,
    /// Scheduled by the timetable and never sent.
    pub(super) unsent: u64,
    /// Sent on a connection that failed before the reply.
    pub(super) lost: u64,
    pub(super) failures: Vec<String>,
    pub(super) finished_at: Instant,
    /// CPU time of the worker itself.
    pub(super) own_time: Duration,
}

impl Outcome {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            latencies: Histogram::new(3).expect("3 digits are allowed"),
            replies: 0,
            errors: ErrorTally::default(),
            sent_bytes: 0,
            received_bytes: 0,
            unsent: 0,
            lost: 0,
            failures: Vec::new(),
            finished_at: now,
            own_time: Duration::ZERO,
        }
    }

    /// Adds another worker's figures to these.
    pub(super) fn merge(&mut self, other: &Self) {
        self.latencies.add(&other.latencies).expect("an auto-resizing histogram takes all values");
        self.replies += other.replies;
        self.errors.merge(&other.errors);
        self.sent_bytes += other.sent_bytes;
        self.received_bytes += other.received_bytes;
        self.unsent += other.unsent;
        self.lost += other.lost;
        self.failures.extend_from_slice(&other.failures);
        self.finished_at = self.finished_at.max(other.finished_at);
        self.own_time += other.own_time;
    }
}

/// A thread's connections and what it polls them with.
#[derive(Debug)]
pub(super) struct Worker {
    place: Place,
    connections: Vec<Option<Connection>>,
    poll: Poll,
    alarm: Alarm,
    buffer: Vec<u8>,
}

impl Worker {
    /// Takes over open sockets, one per own connection of `place`.
    pub(super) fn new(place: Place, sockets: Vec<Socket>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let alarm = Alarm::register(poll.registry(), ALARM)?;
        let mut connections = Vec::with_capacity(sockets.len());
        for (index, mut socket) in sockets.into_iter().enumerate() {
            socket.register(poll.registry(), Token(index))?;
            connections.push(Some(Connection::new(socket)));
        }
        Ok(Self { place, connections, poll, alarm, buffer: vec![0; READ_BYTES] })
    }

    /// Runs one phase from `start` on, and tells `ticks` how it goes.
    ///
    /// # Errors
    /// Only what the poll itself refuses; failures of connections are in the outcome.
    pub(super) fn run(
        &mut self,
        phase: &Phase,
        start: Instant,
        ticks: &Sender<Tick>,
    ) -> io::Result<Outcome> {
        let own_start = own_thread_time();
        for connection in self.connections.iter_mut().flatten() {
            connection.answered = 0;
        }
        let pacing = Pacing::new(phase.goal, phase.rate, phase.pipeline, self.place, start);
        let place = (self.place.worker, self.place.workers);
        let mut shift = Shift {
            keys: KeySource::new(phase.distribution, phase.keyspace, place, phase.seed),
            phase,
            worker: self,
            pacing,
            outcome: Outcome::new(start),
            in_flight: 0,
            due: Vec::new(),
            last_reply: start,
            last_tick: start,
            told: Tick { replies: 0, errors: 0 },
        };
        shift.work(ticks)?;
        let mut outcome = shift.outcome;
        if let Pacing::Timetable(timetable) = &shift.pacing {
            outcome.unsent = timetable.unsent();
        }
        outcome.own_time = own_thread_time().saturating_sub(own_start);
        Ok(outcome)
    }
}

/// A worker during one phase.
struct Shift<'a> {
    phase: &'a Phase,
    worker: &'a mut Worker,
    keys: KeySource,
    pacing: Pacing,
    outcome: Outcome,
    /// Requests sent and not answered, over all connections.
    in_flight: u64,
    /// Connections that have something to send by the timetable.
    due: Vec<usize>,
    last_reply: Instant,
    last_tick: Instant,
    told: Tick,
}

impl Shift<'_> {
    /// The loop: send what is due, wait, read what came, until all is sent and answered.
    fn work(&mut self, ticks: &Sender<Tick>) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENT_COUNT);
        let mut now = Instant::now();
        if matches!(self.pacing, Pacing::Closed(_)) {
            (0..self.worker.connections.len()).for_each(|index| self.send(index));
        }
        loop {
            self.send_due(now);
            if self.housekeeping(now, ticks).is_break() {
                self.tell(ticks);
                return Ok(());
            }
            let timeout = self.poll_timeout(now)?;
            match self.worker.poll.poll(&mut events, Some(timeout)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => events.clear(),
                other => other?,
            }
            for event in &events {
                if event.token() != ALARM {
                    self.serve(event.token().0);
                }
            }
            now = Instant::now();
        }
    }

    fn poll_timeout(&self, now: Instant) -> io::Result<Duration> {
        if self.phase.spin {
            return Ok(Duration::ZERO);
        }
        match &self.pacing {
            Pacing::Closed(_) => Ok(SLEEP_MAX),
            Pacing::Timetable(timetable) => match timetable.next_due() {
                Some(due) => self.worker.alarm.sleep_until(due, now),
                None => Ok(SLEEP_MAX),
            },
        }
    }

    /// Sends what the timetable made due.
    fn send_due(&mut self, now: Instant) {
        let Pacing::Timetable(timetable) = &mut self.pacing else {
            return;
        };
        let mut due = std::mem::take(&mut self.due);
        timetable.advance(now, &mut due);
        for index in due.drain(..) {
            self.send(index);
        }
        self.due = due;
    }

    /// Ends the phase when nothing is left to do, or nothing has answered for too long.
    fn housekeeping(&mut self, now: Instant, ticks: &Sender<Tick>) -> ControlFlow<()> {
        if self.in_flight == 0 {
            self.last_reply = now;
            let alive = self.worker.connections.iter().any(Option::is_some);
            if !alive || self.pacing.is_over(now) {
                return ControlFlow::Break(());
            }
        } else if now.saturating_duration_since(self.last_reply) > self.phase.timeout {
            self.fail_silent();
        }
        if now.saturating_duration_since(self.last_tick) >= TICK_EVERY {
            self.last_tick = now;
            self.tell(ticks);
        }
        ControlFlow::Continue(())
    }

    fn tell(&mut self, ticks: &Sender<Tick>) {
        let so_far = Tick { replies: self.outcome.replies, errors: self.outcome.errors.total() };
        let tick = Tick {
            replies: so_far.replies - self.told.replies,
            errors: so_far.errors - self.told.errors,
        };
        self.told = so_far;
        // Nobody listens when there is no progress line.
        let _ = ticks.send(tick);
    }

    fn fail_silent(&mut self) {
        for index in 0..self.worker.connections.len() {
            let waiting = self.worker.connections[index].as_ref().map_or(0, |one| one.outstanding);
            if waiting > 0 {
                self.fail(index, &io::Error::new(io::ErrorKind::TimedOut, "no reply in time"));
            }
        }
    }

    /// Drops a connection (W1).
    fn fail(&mut self, index: usize, error: &io::Error) {
        if let Some(connection) = self.worker.connections[index].take() {
            self.in_flight -= connection.outstanding;
            self.outcome.lost += connection.outstanding;
            self.outcome.failures.push(error.to_string());
        }
        if let Pacing::Timetable(timetable) = &mut self.pacing {
            timetable.abandon(index);
        }
    }

    /// Handles an event of one connection: room to write, replies, and what may be sent next.
    fn serve(&mut self, index: usize) {
        match self.try_serve(index) {
            Ok(()) => self.send(index),
            Err(error) => self.fail(index, &error),
        }
    }

    fn try_serve(&mut self, index: usize) -> io::Result<()> {
        if self.worker.connections[index].as_ref().is_some_and(|one| one.blocked) {
            self.flush(index)?;
        }
        loop {
            let Some(connection) = &mut self.worker.connections[index] else {
                return Ok(());
            };
            let received = connection.receive(&mut self.worker.buffer, &mut self.outcome.errors)?;
            self.record(index, &received);
            if !received.more {
                return Ok(());
            }
        }
    }

    /// Records the latency of the replies just read.
    fn record(&mut self, index: usize, received: &Received) {
        self.outcome.received_bytes += received.byte_count;
        let Some(connection) = &mut self.worker.connections[index] else {
            return;
        };
        if received.replies == 0 {
            return;
        }
        let now = Instant::now();
        self.last_reply = now;
        self.in_flight -= received.replies;
        self.outcome.replies += received.replies;
        self.outcome.finished_at = now;
        let first = connection.answered;
        connection.answered += received.replies;
        match &self.pacing {
            Pacing::Closed(_) => {
                let latency = nanos_between(connection.sent_at, now);
                let recorded = self.outcome.latencies.record_n(latency, received.replies);
                recorded.expect("an auto-resizing histogram takes all values");
            }
            Pacing::Timetable(timetable) => {
                for nth in first..connection.answered {
                    let latency = nanos_between(timetable.scheduled(index, nth), now);
                    let recorded = self.outcome.latencies.record(latency);
                    recorded.expect("an auto-resizing histogram takes all values");
                }
            }
        }
    }

    /// Encodes and writes what the pacing grants the connection now.
    fn send(&mut self, index: usize) {
        let Some(connection) = &mut self.worker.connections[index] else {
            if let Pacing::Timetable(timetable) = &mut self.pacing {
                timetable.abandon(index);
            }
            return;
        };
        let now = Instant::now();
        let count = self.pacing.grant(index, connection.outstanding, now);
        if count == 0 {
            return;
        }
        for _ in 0..count {
            let template = self.phase.mix.pick(|limit| self.keys.draw(limit));
            template.append(&mut connection.out, || self.keys.next_key());
        }
        connection.outstanding += count;
        connection.sent_at = now;
        self.in_flight += count;
        if let Err(error) = self.flush(index) {
            self.fail(index, &error);
        }
    }

    /// Writes, and watches for room in the socket exactly while something is left over.
    fn flush(&mut self, index: usize) -> io::Result<()> {
        let Some(connection) = &mut self.worker.connections[index] else {
            return Ok(());
        };
        self.outcome.sent_bytes += connection.flush()?;
        let blocked = !connection.out.is_empty();
        if blocked != connection.blocked {
            connection.blocked = blocked;
            let registry = self.worker.poll.registry();
            connection.socket.watch_writable(registry, Token(index), blocked)?;
        }
        Ok(())
    }
}

/// At least one, so that the histogram's minimum is a time and not "nothing".
fn nanos_between(start: Instant, end: Instant) -> u64 {
    let nanos = end.saturating_duration_since(start).as_nanos();
    u64::try_from(nanos).unwrap_or(u64::MAX).max(1)
}
