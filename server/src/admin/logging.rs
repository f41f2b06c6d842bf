//! The log: lines to stderr, of a level that CONFIG SET changes.
//!
//! Why it exists: a reactor must never wait for a terminal or a full pipe. Lines go through a
//! bounded queue to a thread of their own; when the reader of stderr stalls for long, lines are
//! dropped, and the store goes on.
//!
//! Redis's levels on tracing's: `debug` is TRACE and up, `verbose` DEBUG, `notice` INFO,
//! `warning` WARN. Code in this workspace logs with tracing's macros.

use std::fmt;
use std::io::{self, IsTerminal};

use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{NonBlocking, WorkerGuard};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt as lines, reload};

use crate::settings::LogLevel;

/// Changes the level.
#[derive(Clone)]
pub struct LogControl(reload::Handle<LevelFilter, Registry>);

impl fmt::Debug for LogControl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("LogControl")
    }
}

impl LogControl {
    /// From now on only lines of this level and up are written.
    pub fn set_level(&self, level: LogLevel) {
        // Fails only if the subscriber is gone, and then there is no log to filter.
        let _ = self.0.reload(filter(level));
    }
}

const fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Debug => LevelFilter::TRACE,
        LogLevel::Notice => LevelFilter::INFO,
        LogLevel::Verbose => LevelFilter::DEBUG,
        LogLevel::Warning => LevelFilter::WARN,
    }
}

/// Starts logging for the whole process. Drop the guard last: it writes out what is queued.
///
/// # Errors
/// The process logs already.
pub fn start(level: LogLevel) -> io::Result<(LogControl, WorkerGuard)> {
    let (writer, guard) = NonBlocking::new(io::stderr());
    let (filter, handle) = reload::Layer::new(filter(level));
    let colors = io::stderr().is_terminal();
    let lines = lines::layer().with_writer(writer).with_target(false).with_ansi(colors);
    tracing_subscriber::registry().with(filter).with(lines).try_init().map_err(io::Error::other)?;
    Ok((LogControl(handle), guard))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test for the process's one log: the level is a live filter.
    #[test]
    fn the_level_changes_while_running() {
        let (control, _guard) = start(LogLevel::Warning).unwrap();
        assert!(!tracing::enabled!(tracing::Level::INFO));
        assert!(tracing::enabled!(tracing::Level::WARN));
        control.set_level(LogLevel::Verbose);
        assert!(tracing::enabled!(tracing::Level::DEBUG));
        assert!(!tracing::enabled!(tracing::Level::TRACE));
        assert!(start(LogLevel::Debug).is_err(), "a second log was started");
    }
}
