//! What stops a benchmark before it can report: the one error type of the load generator.
//!
//! Failures of single connections during the run are no such errors; they are counted in the
//! report, because the measurements of the others still say something.

use std::error::Error;
use std::fmt;
use std::io;

/// Why a benchmark could not be run.
#[derive(Debug)]
pub enum BenchError {
    /// The server at `address` could not be reached or went away during the handshake.
    Connect {
        /// Where the connection went: `host:port` or a socket's path.
        address: String,
        /// What the system answered.
        source: io::Error,
    },
    /// The server answered the handshake (AUTH, HELLO) or the prefill with an error.
    Refused {
        /// What was being done.
        step: &'static str,
        /// The server's error line, without the leading `-`.
        reply: String,
    },
    /// Options that contradict each other or cannot be meant.
    Usage(String),
    /// The machine refused something a worker needs: a poll descriptor, a thread.
    Worker(io::Error),
}

impl fmt::Display for BenchError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect { address, source } => {
                write!(formatter, "cannot talk to {address}: {source}")
            }
            Self::Refused { step, reply } => {
                write!(formatter, "the server refused the {step}: {reply}")
            }
            Self::Usage(text) => formatter.write_str(text),
            Self::Worker(source) => write!(formatter, "cannot set up a worker: {source}"),
        }
    }
}

impl Error for BenchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Connect { source, .. } | Self::Worker(source) => Some(source),
            Self::Refused { .. } | Self::Usage(_) => None,
        }
    }
}
