//! Wakes a worker's poll at an instant, to the microsecond where the system can.
//!
//! Why it exists: a poll's own timeout is rounded up to milliseconds, which would make every
//! request of a timetable late by up to one. On Linux a timer descriptor in the poll has no such
//! rounding; elsewhere the poll's timeout has to do.

use std::io;
use std::time::{Duration, Instant};

use mio::{Registry, Token};

/// Longest sleep of a worker: how soon it notices a deadline or a silent server.
pub(super) const SLEEP_MAX: Duration = Duration::from_millis(100);

/// A timer inside a poll.
#[derive(Debug)]
pub(super) struct Alarm {
    #[cfg(target_os = "linux")]
    timer: std::os::fd::OwnedFd,
}

#[cfg(target_os = "linux")]
impl Alarm {
    /// Creates a timer that reports with `token`.
    pub(super) fn register(registry: &Registry, token: Token) -> io::Result<Self> {
        use std::os::fd::AsRawFd;

        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};

        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let descriptor = timer.as_raw_fd();
        registry.register(&mut mio::unix::SourceFd(&descriptor), token, mio::Interest::READABLE)?;
        Ok(Self { timer })
    }

    /// Arms the timer for `due` and returns how long to poll for.
    ///
    /// The timer is never read: mio's events are edge-triggered, and arming resets it.
    pub(super) fn sleep_until(&self, due: Instant, now: Instant) -> io::Result<Duration> {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};

        let wait = due.saturating_duration_since(now).min(SLEEP_MAX);
        if wait.is_zero() {
            return Ok(Duration::ZERO);
        }
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let value = Timespec { tv_sec: 0, tv_nsec: wait.subsec_nanos().into() };
        let spec = Itimerspec { it_interval: zero, it_value: value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &spec)?;
        Ok(SLEEP_MAX)
    }
}

#[cfg(not(target_os = "linux"))]
impl Alarm {
    /// Nothing to create: the poll's timeout is the timer.
    pub(super) fn register(_registry: &Registry, _token: Token) -> io::Result<Self> {
        Ok(Self {})
    }

    /// Returns how long to poll for.
    pub(super) fn sleep_until(&self, due: Instant, now: Instant) -> io::Result<Duration> {
        Ok(due.saturating_duration_since(now).min(SLEEP_MAX))
    }
}
