//! The command line of `zumic-bench`, and the checks that no single option can make.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{ArgAction, Parser};

use super::error::BenchError;
use super::template::{KEY_PREFIX_BYTES, Mix};

/// A load generator for any server that speaks RESP.
///
/// Sends requests from pre-encoded templates, measures latency in HDR histograms and, when the
/// server runs on this machine, the CPU time it spends per request. Keys are `key:` and digits;
/// INCR uses `cnt:` so that counters and values do not meet.
#[derive(Clone, Debug, Parser)]
#[command(name = "zumic-bench", version, disable_help_flag = true)]
pub struct Options {
    /// Server host
    #[arg(short = 'h', long, default_value = "127.0.0.1")]
    pub host: String,

    /// Server port
    #[arg(short, long, default_value_t = 6174)]
    pub port: u16,

    /// Unix socket (instead of host and port)
    #[arg(short, long, value_name = "PATH")]
    pub socket: Option<PathBuf>,

    /// Password of the default user, or of --user
    #[arg(short = 'a', long, value_name = "PASSWORD")]
    pub password: Option<String>,

    /// User name to authenticate as
    #[arg(long, requires = "password")]
    pub user: Option<String>,

    /// Requests to send in total [default: 100000, unless --seconds is given]
    #[arg(short = 'n', long, conflicts_with = "seconds")]
    pub requests: Option<NonZeroU64>,

    /// Send for this long instead of a number of requests
    #[arg(long, value_parser = parse_seconds)]
    pub seconds: Option<Duration>,

    /// Unmeasured load of the same kind before the measurement
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub warmup: Option<Duration>,

    /// Connections in total, spread over the threads
    #[arg(short, long, default_value = "50")]
    pub connections: NonZeroU32,

    /// Client threads
    #[arg(short, long, default_value = "1")]
    pub threads: NonZeroU32,

    /// Requests in flight per connection
    #[arg(short = 'P', long, default_value = "1")]
    pub pipeline: NonZeroU32,

    /// Bytes of a value
    #[arg(short = 'd', long, default_value_t = 64, value_name = "BYTES")]
    pub value_bytes: u32,

    /// Number of distinct keys
    #[arg(short = 'r', long, default_value = "1000000", value_name = "KEYS")]
    pub keyspace: NonZeroU64,

    /// Bytes of a key, prefix included
    #[arg(long, default_value_t = 16, value_name = "BYTES")]
    pub key_bytes: u32,

    /// How keys are chosen: uniform, sequential, zipf or zipf:THETA (0.99)
    #[arg(long, default_value = "uniform")]
    pub distribution: Distribution,

    /// Commands and their shares: get set incr del mset10 mget10 ping
    #[arg(long, default_value = "get:80,set:20", conflicts_with = "command")]
    pub mix: String,

    /// A command to send instead of the mix; `__key__`, `__value__` and `__digits__` are filled
    /// in. Repeatable
    #[arg(long, value_name = "TEMPLATE")]
    pub command: Vec<String>,

    /// SET every key of the keyspace once before anything is measured
    #[arg(long)]
    pub prefill: bool,

    /// Open loop: send this many requests per second on a timetable, whatever the server does,
    /// and measure latency from the scheduled time. --pipeline limits what is in flight per
    /// connection; what waits for a place is late, and its latency says so
    #[arg(long, value_name = "PER_SECOND")]
    pub rate: Option<NonZeroU64>,

    /// Poll without sleeping: exact timing, at the cost of a whole core per thread
    #[arg(long)]
    pub spin: bool,

    /// Speak RESP3
    #[arg(short = '3', long)]
    pub resp3: bool,

    /// Seed of all randomness: the same seed and threads send the same requests
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// Process whose CPU time is measured [default: INFO's process_id, if the server is local]
    #[arg(long, value_name = "PID")]
    pub server_pid: Option<u32>,

    /// Give up on a connection after this long without a reply
    #[arg(long, default_value = "30", value_name = "SECONDS", value_parser = parse_seconds)]
    pub timeout: Duration,

    /// Exit with success even if replies were errors
    #[arg(long)]
    pub allow_errors: bool,

    /// A line per second on stderr [default: only if stderr is a terminal]
    #[arg(long)]
    pub progress: bool,

    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,

    /// Print help
    #[arg(long, action = ArgAction::Help)]
    pub help: Option<bool>,
}

/// Requests sent when neither a number nor a time is asked for.
const REQUESTS_DEFAULT: NonZeroU64 = NonZeroU64::new(100_000).expect("not zero");

impl Options {
    /// Requests to send in total, or `None` when the run ends by time.
    #[must_use]
    pub fn request_count(&self) -> Option<NonZeroU64> {
        match (self.requests, self.seconds) {
            (Some(requests), _) => Some(requests),
            (None, Some(_)) => None,
            (None, None) => Some(REQUESTS_DEFAULT),
        }
    }

    /// Client threads that have at least one connection.
    #[must_use]
    pub fn thread_count(&self) -> u32 {
        self.threads.min(self.connections).get()
    }

    /// Where connections go, for messages.
    #[must_use]
    pub fn address(&self) -> String {
        match &self.socket {
            Some(path) => path.display().to_string(),
            None => format!("{}:{}", self.host, self.port),
        }
    }

    /// The templates of the measured load.
    ///
    /// # Errors
    /// [`BenchError::Usage`] when the mix or a command template cannot be parsed, or the keys
    /// are too short for the keyspace.
    pub(super) fn build_mix(&self) -> Result<Mix, BenchError> {
        let shape = self.shape()?;
        if self.command.is_empty() {
            Mix::parse(&self.mix, shape)
        } else {
            Mix::from_commands(&self.command, shape)
        }
    }

    /// The template that fills the keyspace before the measurement.
    pub(super) fn build_prefill(&self) -> Result<Mix, BenchError> {
        Mix::parse("set:1", self.shape()?)
    }

    fn shape(&self) -> Result<Shape, BenchError> {
        let digits = (self.keyspace.get() - 1).checked_ilog10().unwrap_or(0) + 1;
        let wanted = KEY_PREFIX_BYTES + digits;
        if self.key_bytes < wanted {
            return Err(BenchError::Usage(format!(
                "--key-bytes {} is too short: {} keys need {wanted} bytes",
                self.key_bytes, self.keyspace
            )));
        }
        Ok(Shape { key_bytes: self.key_bytes, value_bytes: self.value_bytes })
    }
}

/// Sizes of the keys and values in a template.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) key_bytes: u32,
    pub(super) value_bytes: u32,
}

/// How keys are drawn from the keyspace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distribution {
    /// One after the other; each thread walks its own share and starts again at its end.
    Sequential,
    /// Every key equally often.
    Uniform,
    /// Key `k` (from 1) with a weight of `1 / k^theta`.
    Zipf {
        /// The exponent; 0.99 is what YCSB uses.
        theta: f64,
    },
}

impl FromStr for Distribution {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, theta) = match text.split_once(':') {
            Some((name, theta)) => (name, Some(theta)),
            None => (text, None),
        };
        match (name, theta) {
            ("sequential", None) => Ok(Self::Sequential),
            ("uniform", None) => Ok(Self::Uniform),
            ("zipf", None) => Ok(Self::Zipf { theta: 0.99 }),
            ("zipf", Some(theta)) => match theta.parse::<f64>() {
                Ok(theta) if theta > 0.0 && theta <= 10.0 => Ok(Self::Zipf { theta }),
                Ok(_) | Err(_) => Err("theta is a number above 0, at most 10".to_owned()),
            },
            _ => Err("one of uniform, sequential, zipf, zipf:THETA".to_owned()),
        }
    }
}

impl std::fmt::Display for Distribution {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sequential => formatter.write_str("sequential"),
            Self::Uniform => formatter.write_str("uniform"),
            Self::Zipf { theta } => write!(formatter, "zipf:{theta}"),
        }
    }
}

/// Parses a time in seconds, fractions allowed, of at most a week.
fn parse_seconds(text: &str) -> Result<Duration, String> {
    const SECONDS_MAX: f64 = 7.0 * 24.0 * 3600.0;
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= SECONDS_MAX => {
            Ok(Duration::from_secs_f64(seconds))
        }
        Ok(_) | Err(_) => Err("a number of seconds above 0, at most a week".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Options {
        let words = std::iter::once("zumic-bench").chain(arguments.iter().copied());
        Options::try_parse_from(words).unwrap()
    }

    #[test]
    fn the_declaration_is_sound() {
        use clap::CommandFactory;
        Options::command().debug_assert();
    }

    #[test]
    fn distributions_parse_and_print_alike() {
        for text in ["uniform", "sequential", "zipf:0.5", "zipf:1.2"] {
            assert_eq!(text.parse::<Distribution>().unwrap().to_string(), text);
        }
        assert_eq!("zipf".parse(), Ok(Distribution::Zipf { theta: 0.99 }));
        for text in ["zipf:0", "zipf:-1", "zipf:NaN", "zipf:11", "uniform:1", "", "pareto"] {
            assert!(text.parse::<Distribution>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_run_ends_by_count_or_by_time() {
        assert_eq!(parse(&[]).request_count(), Some(REQUESTS_DEFAULT));
        assert_eq!(parse(&["-n", "7"]).request_count().unwrap().get(), 7);
        assert_eq!(parse(&["--seconds", "0.5"]).request_count(), None);
        let both = ["zumic-bench", "-n", "7", "--seconds", "1"];
        assert!(Options::try_parse_from(both).is_err());
    }

    #[test]
    fn keys_must_have_room_for_the_keyspace() {
        assert!(parse(&["-r", "1000", "--key-bytes", "7"]).build_mix().is_ok());
        assert!(parse(&["-r", "1001", "--key-bytes", "7"]).build_mix().is_err());
        assert!(parse(&["-r", "1", "--key-bytes", "5"]).build_mix().is_ok());
        assert!(parse(&["-r", "1", "--key-bytes", "4"]).build_mix().is_err());
    }
}
