//! When requests are sent: as fast as replies come, or by a timetable.
//!
//! A closed loop sends a batch on a connection and waits for its replies before the next. It
//! finds out what a server can do, but its latencies flatter: while the server stalls, the
//! requests that users would have sent meanwhile are not sent and not measured ("coordinated
//! omission").
//!
//! The open loop therefore gives every request an instant beforehand. Request `i` of connection
//! `g` of `C` belongs at `start + (i * C + g) / rate`; latency counts from there, so no record is
//! needed per request, and a late reply makes all those behind it late as well.

use std::time::{Duration, Instant};

use super::keys::share;

/// How late a timetable's last requests may be sent: they are due just before the end, and a
/// wake-up takes a moment, or some milliseconds where cores are shared.
const WAKE_LATE_MAX: Duration = Duration::from_millis(20);

/// What ends a phase.
#[derive(Clone, Copy, Debug)]
pub(super) enum Goal {
    Requests(u64),
    Time(Duration),
}

/// A worker's place among all workers, and all connections.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) worker: u32,
    pub(super) workers: u32,
    pub(super) connections: u32,
}

impl Place {
    /// Connections of this worker: every `workers`-th of all, from `worker` on.
    pub(super) fn own_connections(self) -> u32 {
        (self.connections - self.worker).div_ceil(self.workers)
    }
}

/// Hands out requests to the connections of one worker.
#[derive(Debug)]
pub(super) enum Pacing {
    Closed(Closed),
    Timetable(Timetable),
}

impl Pacing {
    pub(super) fn new(
        goal: Goal,
        rate: Option<u64>,
        pipeline: u64,
        place: Place,
        start: Instant,
    ) -> Self {
        let deadline = match goal {
            Goal::Requests(_) => None,
            Goal::Time(length) if rate.is_some() => Some(start + length + WAKE_LATE_MAX),
            Goal::Time(length) => Some(start + length),
        };
        match (rate, goal) {
            (Some(rate), _) => {
                let total = match goal {
                    Goal::Requests(total) => total,
                    Goal::Time(length) => scheduled_within(length, rate),
                };
                Self::Timetable(Timetable::new(rate, total, pipeline, place, start, deadline))
            }
            (None, Goal::Requests(total)) => {
                let share = share(total, place.worker, place.workers);
                let remaining = share.end - share.start;
                Self::Closed(Closed { remaining, pipeline, deadline })
            }
            (None, Goal::Time(_)) => {
                Self::Closed(Closed { remaining: u64::MAX, pipeline, deadline })
            }
        }
    }

    /// How many requests the connection sends now, given what it has in flight.
    pub(super) fn grant(&mut self, connection: usize, outstanding: u64, now: Instant) -> u64 {
        match self {
            Self::Closed(closed) => closed.grant(outstanding, now),
            Self::Timetable(timetable) => timetable.grant(connection, outstanding, now),
        }
    }

    /// Nothing will be granted any more.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        match self {
            Self::Closed(closed) => closed.remaining == 0 || is_past(closed.deadline, now),
            Self::Timetable(timetable) => timetable.is_over(now),
        }
    }
}

fn is_past(deadline: Option<Instant>, now: Instant) -> bool {
    deadline.is_some_and(|deadline| now >= deadline)
}

/// Requests of a timetable that start within `length`.
fn scheduled_within(length: Duration, rate: u64) -> u64 {
    let total = length.as_nanos() * u128::from(rate) / 1_000_000_000;
    u64::try_from(total).expect("a week at any sane rate").max(1)
}

/// As fast as replies come.
#[derive(Debug)]
pub(super) struct Closed {
    remaining: u64,
    pipeline: u64,
    deadline: Option<Instant>,
}

impl Closed {
    fn grant(&mut self, outstanding: u64, now: Instant) -> u64 {
        if outstanding > 0 || is_past(self.deadline, now) {
            return 0;
        }
        let count = self.pipeline.min(self.remaining);
        self.remaining -= count;
        count
    }
}

/// By the clock.
#[derive(Debug)]
pub(super) struct Timetable {
    start: Instant,
    deadline: Option<Instant>,
    rate: u64,
    total: u64,
    pipeline: u64,
    place: Place,
    /// The next request of this worker that is not yet due, counted over its connections.
    cursor: u64,
    /// Due and not sent, per connection.
    backlogs: Vec<u64>,
    backlog_total: u64,
    granted: u64,
}

impl Timetable {
    fn new(
        rate: u64,
        total: u64,
        pipeline: u64,
        place: Place,
        start: Instant,
        deadline: Option<Instant>,
    ) -> Self {
        let backlogs = vec![0; place.own_connections() as usize];
        Self {
            start,
            deadline,
            rate,
            total,
            pipeline,
            place,
            cursor: 0,
            backlogs,
            backlog_total: 0,
            granted: 0,
        }
    }

    /// Number of request `nth` of this worker's connection in the whole timetable.
    fn index(&self, connection: usize, nth: u64) -> u64 {
        let global =
            u64::from(self.place.worker) + connection as u64 * u64::from(self.place.workers);
        nth * u64::from(self.place.connections) + global
    }

    /// When request `nth` of the connection belongs.
    pub(super) fn scheduled(&self, connection: usize, nth: u64) -> Instant {
        let nanos = u128::from(self.index(connection, nth)) * 1_000_000_000 / u128::from(self.rate);
        self.start + Duration::from_nanos(u64::try_from(nanos).expect("below 500 years"))
    }

    /// Connection and ordinal of the request at the cursor, or `None` when the table is done.
    fn at_cursor(&self) -> Option<(usize, u64)> {
        let count = self.backlogs.len() as u64;
        let connection = usize::try_from(self.cursor % count).expect("below a usize count");
        let nth = self.cursor / count;
        (self.index(connection, nth) < self.total).then_some((connection, nth))
    }

    /// Makes everything due by `now` grantable, and appends its connections to `due`.
    pub(super) fn advance(&mut self, now: Instant, due: &mut Vec<usize>) {
        while let Some((connection, nth)) = self.at_cursor() {
            if self.scheduled(connection, nth) > now {
                return;
            }
            if self.backlogs[connection] == 0 {
                due.push(connection);
            }
            self.backlogs[connection] += 1;
            self.backlog_total += 1;
            self.cursor += 1;
        }
    }

    /// When the next request is due, if there is one.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.at_cursor().map(|(connection, nth)| self.scheduled(connection, nth))
    }

    fn grant(&mut self, connection: usize, outstanding: u64, now: Instant) -> u64 {
        if is_past(self.deadline, now) {
            return 0;
        }
        let room = self.pipeline.saturating_sub(outstanding);
        let count = self.backlogs[connection].min(room);
        self.backlogs[connection] -= count;
        self.backlog_total -= count;
        self.granted += count;
        count
    }

    /// Takes a failed connection's due requests out, so that nobody waits for them.
    pub(super) fn abandon(&mut self, connection: usize) {
        self.backlog_total -= std::mem::take(&mut self.backlogs[connection]);
    }

    fn is_over(&self, now: Instant) -> bool {
        let sent = self.backlog_total == 0 && self.at_cursor().is_none();
        sent || is_past(self.deadline, now)
    }

    /// Requests of this worker in the timetable that were never sent.
    pub(super) fn unsent(&self) -> u64 {
        let own: u64 = (0..self.backlogs.len())
            .map(|connection| {
                let first = self.index(connection, 0);
                self.total.saturating_sub(first).div_ceil(u64::from(self.place.connections))
            })
            .sum();
        own - self.granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_dealt_out_evenly() {
        for connections in 1..20 {
            for workers in 1..=connections {
                let total: u32 = (0..workers)
                    .map(|worker| Place { worker, workers, connections }.own_connections())
                    .sum();
                assert_eq!(total, connections);
            }
        }
    }

    #[test]
    fn a_closed_loop_waits_for_the_whole_batch_and_sends_exactly_its_share() {
        let start = Instant::now();
        let place = Place { worker: 1, workers: 3, connections: 3 };
        let mut pacing = Pacing::new(Goal::Requests(11), None, 3, place, start);
        assert_eq!(pacing.grant(0, 0, start), 3);
        assert_eq!(pacing.grant(0, 1, start), 0, "a reply is still missing");
        assert!(!pacing.is_over(start));
        assert_eq!(pacing.grant(0, 0, start), 1, "11 = 4 + 4 + 3");
        assert_eq!(pacing.grant(0, 0, start), 0);
        assert!(pacing.is_over(start));
    }

    #[test]
    fn time_ends_a_closed_loop() {
        let start = Instant::now();
        let place = Place { worker: 0, workers: 1, connections: 1 };
        let goal = Goal::Time(Duration::from_secs(1));
        let mut pacing = Pacing::new(goal, None, 3, place, start);
        let end = start + Duration::from_secs(1);
        assert_eq!(pacing.grant(0, 0, end.checked_sub(Duration::from_nanos(1)).unwrap()), 3);
        assert_eq!(pacing.grant(0, 0, end), 0);
        assert!(pacing.is_over(end));
    }

    #[test]
    fn the_timetables_of_all_workers_are_one_even_sequence() {
        const TOTAL: u64 = 103;
        let start = Instant::now();
        for (connections, workers) in [(1, 1), (5, 2), (7, 3), (4, 4)] {
            let mut instants = Vec::new();
            for worker in 0..workers {
                let place = Place { worker, workers, connections };
                let mut table = Timetable::new(1000, TOTAL, 1000, place, start, None);
                while let Some((connection, nth)) = table.at_cursor() {
                    instants.push(table.scheduled(connection, nth));
                    table.cursor += 1;
                }
            }
            instants.sort();
            let expected: Vec<Instant> =
                (0..TOTAL).map(|index| start + Duration::from_millis(index)).collect();
            assert_eq!(instants, expected, "connections={connections} workers={workers}");
        }
    }

    #[test]
    fn what_finds_no_place_stays_due_and_is_counted() {
        let start = Instant::now();
        let place = Place { worker: 0, workers: 1, connections: 2 };
        let mut table = Timetable::new(1000, 10, 2, place, start, None);
        let mut due = Vec::new();
        table.advance(start + Duration::from_millis(6), &mut due);
        assert_eq!(due, [0, 1], "each connection once");
        assert_eq!(table.next_due(), Some(start + Duration::from_millis(7)));
        assert_eq!(table.grant(0, 0, start), 2, "no more than the pipeline");
        assert_eq!(table.grant(0, 1, start), 1);
        assert_eq!(table.unsent(), 7);
        table.advance(start + Duration::from_millis(60), &mut due);
        assert_eq!(table.next_due(), None);
        assert_eq!((table.backlogs.as_slice(), table.backlog_total), ([2, 5].as_slice(), 7));
        assert_eq!(table.grant(1, 0, start), 2);
        table.abandon(1);
        assert!(!table.is_over(start));
        assert_eq!(table.grant(0, 0, start), 2);
        assert!(table.is_over(start));
        assert_eq!(table.unsent(), 3);
    }
}
