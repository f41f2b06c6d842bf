//! The two clocks of the server: the wall for deadlines, a fast counter for durations.
//!
//! Why it exists: the engine takes time as an argument; this is where it comes from. The wall
//! clock is read once per loop turn, the counter (the processor's, through `quanta`) twice per
//! command: 8 ns instead of 20.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Unix time.
#[must_use]
pub(crate) fn unix_time() -> Duration {
    // A wall clock before 1970 is read as 1970.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Unix time in milliseconds.
#[must_use]
pub(crate) fn now_ms() -> u64 {
    u64::try_from(unix_time().as_millis()).unwrap_or(u64::MAX)
}
