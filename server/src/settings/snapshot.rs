//! The typed settings, and the small types of their values.
//!
//! Why it exists: a reactor reads plain fields, never text. Not for parsing: see the table.

use std::fmt;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;

use engine::{Classes, EvictionPolicy};
use zeroize::Zeroizing;

use super::BindAddress;
use super::durability::DurabilitySettings;
use super::value::ValueError;

/// Declares an enum whose variants are the words of a setting.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident {
        $($(#[$word_doc:meta])* $variant:ident = $word:literal),* $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum $name { $($(#[$word_doc])* $variant),* }

        impl $name {
            /// The words, in the order in which they are offered.
            pub const WORDS: &'static [&'static str] = &[$($word),*];

            /// The word of this value.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            pub(super) fn parse(text: &str) -> Result<Self, ValueError> {
                match text.to_ascii_lowercase().as_str() {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(ValueError::OneOf(Self::WORDS)),
                }
            }
        }
    };
}

pub(super) use words;

words! {
    /// Who may use DEBUG.
    DebugAccess {
        /// Nobody.
        No = "no",
        /// Everybody.
        Yes = "yes",
        /// Connections from this machine.
        Local = "local",
    }
}

words! {
    /// The least important message that is logged.
    LogLevel {
        /// Everything, also what is useful only while developing.
        Debug = "debug",
        /// Much, such as each connection.
        Verbose = "verbose",
        /// What an operator wants to know.
        Notice = "notice",
        /// What an operator must know.
        Warning = "warning",
    }
}

words! {
    /// What makes room when `maxmemory` is reached.
    MaxMemoryPolicy {
        /// Keys with a deadline, least recently used first.
        VolatileLru = "volatile-lru",
        /// Keys with a deadline, least frequently used first.
        VolatileLfu = "volatile-lfu",
        /// Keys with a deadline, at random.
        VolatileRandom = "volatile-random",
        /// Keys with a deadline, nearest deadline first.
        VolatileTtl = "volatile-ttl",
        /// All keys, least recently used first.
        AllKeysLru = "allkeys-lru",
        /// All keys, least frequently used first.
        AllKeysLfu = "allkeys-lfu",
        /// All keys, at random.
        AllKeysRandom = "allkeys-random",
        /// All keys, by S3-FIFO (Zumic's own).
        AllKeysS3Fifo = "allkeys-s3fifo",
        /// Nothing: writes that need memory are refused.
        NoEviction = "noeviction",
    }
}

impl From<MaxMemoryPolicy> for EvictionPolicy {
    fn from(policy: MaxMemoryPolicy) -> Self {
        match policy {
            MaxMemoryPolicy::VolatileLru => Self::VolatileLru,
            MaxMemoryPolicy::VolatileLfu => Self::VolatileLfu,
            MaxMemoryPolicy::VolatileRandom => Self::VolatileRandom,
            MaxMemoryPolicy::VolatileTtl => Self::VolatileTtl,
            MaxMemoryPolicy::AllKeysLru => Self::AllKeysLru,
            MaxMemoryPolicy::AllKeysLfu => Self::AllKeysLfu,
            MaxMemoryPolicy::AllKeysRandom => Self::AllKeysRandom,
            MaxMemoryPolicy::AllKeysS3Fifo => Self::AllKeysS3Fifo,
            MaxMemoryPolicy::NoEviction => Self::NoEviction,
        }
    }
}

/// When a client whose replies pile up is disconnected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OutputLimit {
    /// At once above this many bytes; 0 for never.
    pub hard_bytes: u64,
    /// When above this many bytes for `soft_seconds` without a pause; 0 for never.
    pub soft_bytes: u64,
    /// See `soft_bytes`.
    pub soft_seconds: u32,
}

impl OutputLimit {
    /// The classes, in the order of [`Settings::output_limits`].
    pub const CLASSES: [&'static str; 3] = ["normal", "slave", "pubsub"];

    /// Reads any number of `class hard soft seconds` into `limits`.
    pub(super) fn parse(limits: &mut [Self; 3], text: &str) -> Result<(), ValueError> {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        if words.is_empty() || !words.len().is_multiple_of(4) {
            return Err(ValueError::LimitWords);
        }
        for group in words.chunks_exact(4) {
            let class = group[0].to_ascii_lowercase();
            let class = if class == "replica" { "slave" } else { class.as_str() };
            let index = Self::CLASSES.iter().position(|known| *known == class);
            let index = index.ok_or(ValueError::LimitClass)?;
            let bytes = |word| super::parse_memory(word).ok_or(ValueError::LimitNumber);
            limits[index] = Self {
                hard_bytes: bytes(group[1])?,
                soft_bytes: bytes(group[2])?,
                soft_seconds: group[3].parse().map_err(|_| ValueError::LimitNumber)?,
            };
        }
        Ok(())
    }

    /// All classes as CONFIG GET shows them.
    pub(super) fn show(limits: &[Self; 3]) -> String {
        let show = |(class, limit): (&str, &Self)| {
            format!("{class} {} {} {}", limit.hard_bytes, limit.soft_bytes, limit.soft_seconds)
        };
        Self::CLASSES.into_iter().zip(limits).map(show).collect::<Vec<_>>().join(" ")
    }
}

/// A text that is wiped when the last copy goes, and that does not print itself.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Secret(Arc<Zeroizing<Vec<u8>>>);

impl Secret {
    /// Takes the text over.
    #[must_use]
    pub fn new(text: Vec<u8>) -> Self {
        Self(Arc::new(Zeroizing::new(text)))
    }

    /// The text.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether there is no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

/// Every setting, typed and checked. Defaults are those of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `bind`; empty for no TCP listener on any address.
    pub bind: Vec<BindAddress>,
    /// `client-query-buffer-limit`, in bytes.
    pub query_buffer_bytes_max: u64,
    /// `client-output-buffer-limit` by class, see [`OutputLimit::CLASSES`].
    pub output_limits: [OutputLimit; 3],
    /// `databases`.
    pub databases: u16,
    /// `enable-debug-command`.
    pub debug_access: DebugAccess,
    /// Everything about disk.
    pub durability: DurabilitySettings,
    /// `notify-keyspace-events`.
    pub events: Classes,
    /// `latency-monitor-threshold`, in milliseconds; 0 for never.
    pub latency_threshold_ms: u64,
    /// `latency-tracking`.
    pub latency_tracking: bool,
    /// `latency-tracking-info-percentiles`, each 0 to 100.
    pub latency_percentiles: Vec<f64>,
    /// `lfu-decay-time`, in minutes.
    pub lfu_decay_minutes: u32,
    /// `lfu-log-factor`.
    pub lfu_log_factor: u32,
    /// `loglevel`.
    pub log_level: LogLevel,
    /// `maxclients`.
    pub clients_max: u32,
    /// `maxclients-per-ip`; 0 for no limit.
    pub clients_per_ip_max: u32,
    /// `maxmemory`, in bytes; 0 for no limit.
    pub memory_max: u64,
    /// `maxmemory-policy`.
    pub memory_policy: MaxMemoryPolicy,
    /// `maxmemory-samples`.
    pub memory_samples: u32,
    /// The sizes at which collections change their representation.
    pub thresholds: engine::Thresholds,
    /// `port`; 0 for no TCP listener.
    pub port: u16,
    /// `protected-mode`.
    pub protected_mode: bool,
    /// `proto-inline-max-bytes`.
    pub inline_bytes_max: u64,
    /// `proto-max-bulk-len`, in bytes.
    pub bulk_bytes_max: u64,
    /// `request-args-max`.
    pub request_args_max: u32,
    /// Whether `requirepass` is set. The password itself is hashed and lives in
    /// [`crate::admin::auth`].
    pub password_required: bool,
    /// A password on its way to being hashed; always empty in a published snapshot.
    pub(crate) password_new: Option<Secret>,
    /// `busy-reply-threshold`, in milliseconds; 0 for never.
    pub script_patience_ms: u64,
    /// `slowlog-log-slower-than`, in microseconds; negative for never.
    pub slowlog_threshold_us: i64,
    /// `slowlog-max-len`, in entries.
    pub slowlog_len_max: u64,
    /// `tcp-backlog`.
    pub tcp_backlog: u32,
    /// `tcp-keepalive`, in seconds; 0 for none.
    pub tcp_keepalive_seconds: u32,
    /// `threads`; 0 for one per core. See [`Settings::thread_count`].
    pub threads: u16,
    /// `timeout` of idle clients, in seconds; 0 for none.
    pub idle_seconds_max: u32,
    /// `tracking-table-max-keys`; 0 for no limit.
    pub tracking_keys_max: u64,
    /// `unixsocket`.
    pub unix_socket: Option<PathBuf>,
    /// `unixsocketperm`; 0 leaves the mode to the umask.
    pub unix_socket_mode: u32,
}

impl Settings {
    /// Microseconds from which somebody wants to know of a command: the slow log or LATENCY.
    #[must_use]
    pub fn notable_us(&self) -> u64 {
        let slow = u64::try_from(self.slowlog_threshold_us).unwrap_or(u64::MAX);
        match self.latency_threshold_ms {
            0 => slow,
            threshold => slow.min(threshold.saturating_mul(1_000)),
        }
    }

    /// Zero everywhere: what the table's defaults are written into.
    pub(super) fn blank() -> Self {
        let limit = OutputLimit { hard_bytes: 0, soft_bytes: 0, soft_seconds: 0 };
        Self {
            bind: Vec::new(),
            query_buffer_bytes_max: 0,
            output_limits: [limit; 3],
            databases: 0,
            debug_access: DebugAccess::No,
            durability: DurabilitySettings::blank(),
            events: Classes::default(),
            latency_threshold_ms: 0,
            latency_tracking: false,
            latency_percentiles: Vec::new(),
            lfu_decay_minutes: 0,
            lfu_log_factor: 0,
            log_level: LogLevel::Notice,
            clients_max: 0,
            clients_per_ip_max: 0,
            memory_max: 0,
            memory_policy: MaxMemoryPolicy::NoEviction,
            memory_samples: 0,
            thresholds: engine::Thresholds::default(),
            port: 0,
            protected_mode: false,
            inline_bytes_max: 0,
            bulk_bytes_max: 0,
            request_args_max: 0,
            password_required: false,
            password_new: None,
            script_patience_ms: 0,
            slowlog_threshold_us: 0,
            slowlog_len_max: 0,
            tcp_backlog: 0,
            tcp_keepalive_seconds: 0,
            threads: 0,
            idle_seconds_max: 0,
            tracking_keys_max: 0,
            unix_socket: None,
            unix_socket_mode: 0,
        }
    }

    /// Number of reactor threads: `threads`, or one per core this process may use.
    #[must_use]
    pub fn thread_count(&self) -> NonZero<u16> {
        NonZero::new(self.threads).unwrap_or_else(|| {
            let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
            let cores = u16::try_from(cores).unwrap_or(u16::MAX);
            NonZero::new(cores).unwrap_or(NonZero::<u16>::MIN)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZERO: OutputLimit = OutputLimit { hard_bytes: 0, soft_bytes: 0, soft_seconds: 0 };

    #[test]
    fn output_limits_read_what_they_print() {
        let mut limits = [ZERO; 3];
        OutputLimit::parse(&mut limits, "normal 1mb 1kb 3 replica 5 6 7").unwrap();
        let shown = OutputLimit::show(&limits);
        assert_eq!(shown, "normal 1048576 1024 3 slave 5 6 7 pubsub 0 0 0");
        let mut again = [ZERO; 3];
        OutputLimit::parse(&mut again, &shown).unwrap();
        assert_eq!(again, limits);
    }

    #[test]
    fn output_limits_complain_as_redis_does() {
        let cases = [
            ("", ValueError::LimitWords),
            ("normal 1", ValueError::LimitWords),
            ("normal 1 2 x", ValueError::LimitNumber),
            ("normal 1 -2 3", ValueError::LimitNumber),
            ("foo 1 2 3", ValueError::LimitClass),
        ];
        for (text, error) in cases {
            assert_eq!(OutputLimit::parse(&mut [ZERO; 3], text), Err(error), "{text}");
        }
    }

    #[test]
    fn every_word_reads_back() {
        for word in MaxMemoryPolicy::WORDS {
            assert_eq!(MaxMemoryPolicy::parse(word).unwrap().word(), *word);
            let name = format!("{:?}", EvictionPolicy::from(MaxMemoryPolicy::parse(word).unwrap()));
            assert_eq!(name.to_lowercase(), word.replace('-', ""), "mapped to the wrong policy");
        }
        assert_eq!(LogLevel::parse("NOTICE"), Ok(LogLevel::Notice));
        assert_eq!(LogLevel::parse("loud"), Err(ValueError::OneOf(LogLevel::WORDS)));
    }

    #[test]
    fn a_secret_does_not_print_itself() {
        let secret = Secret::new(b"hunter2".to_vec());
        assert_eq!(format!("{secret:?}"), "Secret");
        assert_eq!(secret.expose(), b"hunter2");
    }
}
