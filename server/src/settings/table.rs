//! The table of settings.
//!
//! Why it exists: see [`crate::settings`]. Legend of a row: name; kind with field and limits;
//! default as an operator would type it; when it may change; group; one line of help.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use engine::Classes;

use super::durability::{APPEND_ONLY, AppendFsync, DIR, Mode, ON_SIGINT, ON_SIGTERM, RDB, SAVE};
use super::snapshot::{DebugAccess, LogLevel, MaxMemoryPolicy, OutputLimit, Secret, Settings};
use super::value::{ValueError, parse_bytes, parse_integer, parse_octal, parse_switch};
use super::{BindAddress, value};

/// What CONFIG GET shows in place of a password. Refused as a password, so that replaying the
/// output of CONFIG GET cannot set it.
pub(crate) const PASSWORD_MASK: &str = "********";

/// When a setting may change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change {
    /// Only on the command line or in the environment.
    Start,
    /// Also by CONFIG SET.
    Running,
}

/// Where a setting stands in the documentation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "each variant is the heading it is named after")]
pub enum Group {
    Network,
    Clients,
    Security,
    Memory,
    Protocol,
    Diagnostics,
    Persistence,
}

impl Group {
    /// All groups in the order of the help text.
    pub const ALL: [Self; 7] = [
        Self::Network,
        Self::Clients,
        Self::Security,
        Self::Memory,
        Self::Protocol,
        Self::Diagnostics,
        Self::Persistence,
    ];

    /// The heading.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Network => "Network and threads",
            Self::Clients => "Clients",
            Self::Security => "Security",
            Self::Memory => "Data and memory",
            Self::Protocol => "Protocol limits",
            Self::Diagnostics => "Diagnostics",
            Self::Persistence => "Persistence",
        }
    }
}

/// One row: everything there is to know about a setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The name, as CONFIG and the command line spell it.
    pub name: &'static str,
    /// What a value looks like, for the help text.
    pub shape: &'static str,
    /// Whether the command line takes every word up to the next option.
    pub many_words: bool,
    /// The default, as text.
    pub default: &'static str,
    /// When it may change.
    pub change: Change,
    /// Where it stands in the documentation.
    pub group: Group,
    /// One line of help.
    pub summary: &'static str,
    /// The value as CONFIG GET shows it.
    pub read: fn(&Settings) -> String,
    /// Checks a text and stores it.
    pub(super) write: fn(&mut Settings, &[u8]) -> Result<(), ValueError>,
}

impl Setting {
    /// The environment variable: `ZUMIC_`, then the name in capitals with `_` for `-`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("ZUMIC_{}", self.name.to_ascii_uppercase().replace('-', "_"))
    }
}

/// The setting of this name in any case. Cost: a walk over the table.
#[must_use]
pub fn find(name: &[u8]) -> Option<&'static Setting> {
    TABLE.iter().find(|row| row.name.as_bytes().eq_ignore_ascii_case(name))
}

impl Default for Settings {
    /// Every row's default.
    fn default() -> Self {
        let mut settings = Self::blank();
        for row in TABLE {
            (row.write)(&mut settings, row.default.as_bytes())
                .expect("every default passes its own check");
        }
        // The row of `requirepass` says "now without a password"; nothing has to be hashed.
        settings.password_new = None;
        settings
    }
}

/// A number field with a parser: `integer`, `bytes` or `octal`.
macro_rules! number {
    ($parse:ident, $shape:literal, $show:literal, $($field:ident).+, $range:expr) => {
        Kind {
            shape: $shape,
            many_words: false,
            read: |settings| format!($show, settings.$($field).+),
            write: |settings, text| {
                let number = $parse(&String::from_utf8_lossy(text), &$range)?;
                settings.$($field).+ =
                    number.try_into().expect("the row's range is within its field's type");
                Ok(())
            },
        }
    };
}

macro_rules! integer {
    ($($field:ident).+, $range:expr) => {
        number!(parse_integer, "<number>", "{}", $($field).+, $range)
    };
}

macro_rules! bytes {
    ($($field:ident).+, $range:expr) => {
        number!(parse_bytes, "<bytes>", "{}", $($field).+, $range)
    };
}

macro_rules! octal {
    ($field:ident, $range:expr) => {
        number!(parse_octal, "<octal>", "{:o}", $field, $range)
    };
}

macro_rules! switch {
    ($($field:ident).+) => {
        Kind {
            shape: "yes|no",
            many_words: false,
            read: |settings| if settings.$($field).+ { "yes" } else { "no" }.to_owned(),
            write: |settings, text| {
                settings.$($field).+ = parse_switch(&String::from_utf8_lossy(text))?;
                Ok(())
            },
        }
    };
}

macro_rules! word {
    ($type:ident, $shape:literal, $($field:ident).+) => {
        Kind {
            shape: $shape,
            many_words: false,
            read: |settings| settings.$($field).+.word().to_owned(),
            write: |settings, text| {
                settings.$($field).+ = $type::parse(&String::from_utf8_lossy(text))?;
                Ok(())
            },
        }
    };
}

/// The part of a row that a kind decides.
pub(super) struct Kind {
    pub(super) shape: &'static str,
    pub(super) many_words: bool,
    pub(super) read: fn(&Settings) -> String,
    pub(super) write: fn(&mut Settings, &[u8]) -> Result<(), ValueError>,
}

const BIND: Kind = Kind {
    shape: "<address>...",
    many_words: true,
    read: |settings| settings.bind.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
    write: |settings, text| {
        let text = String::from_utf8_lossy(text);
        let addresses = text.split_ascii_whitespace().map(BindAddress::parse);
        settings.bind = addresses.collect::<Option<_>>().ok_or(ValueError::Address)?;
        Ok(())
    },
};

const UNIX_SOCKET: Kind = Kind {
    shape: "<path>",
    many_words: false,
    read: |settings| {
        settings.unix_socket.as_ref().map_or_else(String::new, |path| path.display().to_string())
    },
    write: |settings, text| {
        settings.unix_socket = (!text.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(text)));
        Ok(())
    },
};

const PASSWORD: Kind = Kind {
    shape: "<password>",
    many_words: false,
    read: |settings| if settings.password_required { PASSWORD_MASK } else { "" }.to_owned(),
    write: |settings, text| {
        if text == PASSWORD_MASK.as_bytes() {
            return Err(ValueError::Mask);
        }
        settings.password_required = !text.is_empty();
        settings.password_new = Some(Secret::new(text.to_vec()));
        Ok(())
    },
};

const OUTPUT_LIMITS: Kind = Kind {
    shape: "<class> <hard> <soft> <seconds>...",
    many_words: true,
    read: |settings| OutputLimit::show(&settings.output_limits),
    write: |settings, text| {
        OutputLimit::parse(&mut settings.output_limits, &String::from_utf8_lossy(text))
    },
};

const EVENTS: Kind = Kind {
    shape: "<classes>",
    many_words: false,
    read: |settings| settings.events.to_string(),
    write: |settings, text| {
        let classes = Classes::parse(&String::from_utf8_lossy(text));
        settings.events = classes.ok_or(ValueError::EventClass)?;
        Ok(())
    },
};

const PERCENTILES: Kind = Kind {
    shape: "<percentile>...",
    many_words: true,
    read: |settings| {
        let show = |number: &f64| value::show_percentile(*number);
        settings.latency_percentiles.iter().map(show).collect::<Vec<_>>().join(" ")
    },
    write: |settings, text| {
        settings.latency_percentiles = value::parse_percentiles(&String::from_utf8_lossy(text))?;
        Ok(())
    },
};

const fn row(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    change: Change,
    group: Group,
    summary: &'static str,
) -> Setting {
    let Kind { shape, many_words, read, write } = kind;
    Setting { name, shape, many_words, default, change, group, summary, read, write }
}

use Change::{Running, Start};
use Group::{Clients, Diagnostics, Memory, Network, Persistence, Protocol, Security};

const I32_MAX: i64 = i32::MAX as i64;
const U32_MAX: i64 = u32::MAX as i64;

/// Every setting there is.
#[rustfmt::skip]
pub static TABLE: &[Setting] = &[
    row("port", integer!(port, 0..=65_535), "6174", Start, Network,
        "TCP port; 0 for no TCP listener"),
    row("bind", BIND, "127.0.0.1 -::1", Start, Network,
        "addresses to listen on; '-' in front of one that may be missing, '*' for every interface"),
    row("unixsocket", UNIX_SOCKET, "", Start, Network,
        "path of a Unix socket to listen on as well"),
    row("unixsocketperm", octal!(unix_socket_mode, 0..=0o777), "0", Start, Network,
        "permissions of the Unix socket; 0 leaves them to the umask"),
    row("tcp-backlog", integer!(tcp_backlog, 1..=I32_MAX), "511", Start, Network,
        "connections that may wait to be accepted"),
    row("threads", integer!(threads, 0..=1_024), "0", Start, Network,
        "event loops; 0 for one per core"),

    row("maxclients", integer!(clients_max, 1..=U32_MAX), "10000", Running, Clients,
        "connections at one time"),
    row("maxclients-per-ip", integer!(clients_per_ip_max, 0..=U32_MAX), "0", Running, Clients,
        "connections at one time from one address; 0 for no limit"),
    row("timeout", integer!(idle_seconds_max, 0..=I32_MAX), "0", Running, Clients,
        "seconds after which an idle connection is closed; 0 for never"),
    row("tcp-keepalive", integer!(tcp_keepalive_seconds, 0..=I32_MAX), "300", Running, Clients,
        "seconds of silence before the kernel probes a peer; 0 for never"),
    row("client-output-buffer-limit", OUTPUT_LIMITS,
        "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60", Running, Clients,
        "when a client that does not read its replies is closed, by class: 'pubsub' for those with \
         subscriptions; 'slave' is kept for tools that read it and gains its effect with replicas"),
    row("client-query-buffer-limit", bytes!(query_buffer_bytes_max, 1 << 20..=i64::MAX), "1gb",
        Running, Clients, "bytes a client may have sent of requests that did not run yet"),

    row("tracking-table-max-keys", integer!(tracking_keys_max, 0..=i64::MAX), "1000000", Running,
        Clients, "keys remembered for clients that track what they read; 0 for no limit"),
    row("notify-keyspace-events", EVENTS, "", Running, Clients,
        "keyspace events to publish: K and E choose the channels, A or g$lshzxetdnm the events"),

    row("requirepass", PASSWORD, "", Running, Security,
        "password of the default user, better given as ZUMIC_REQUIREPASS; kept only as a hash"),
    row("protected-mode", switch!(protected_mode), "yes", Running, Security,
        "whether only this machine may connect while no password is set"),
    row("enable-debug-command", word!(DebugAccess, "no|yes|local", debug_access), "no", Start,
        Security, "who may use DEBUG"),

    row("databases", integer!(databases, 1..=65_535), "16", Start, Memory,
        "number of databases for SELECT"),
    row("maxmemory", bytes!(memory_max, 0..=i64::MAX), "0", Running, Memory,
        "bytes of memory the data may use; 0 for no limit"),
    row("maxmemory-policy", word!(MaxMemoryPolicy, "<policy>", memory_policy), "noeviction",
        Running, Memory,
        "what makes room: noeviction, {allkeys,volatile}-{lru,lfu,random}, volatile-ttl, \
         allkeys-s3fifo"),
    row("maxmemory-samples", integer!(memory_samples, 1..=64), "5", Running, Memory,
        "keys looked at to choose one to evict"),
    row("lfu-log-factor", integer!(lfu_log_factor, 0..=I32_MAX), "10", Running, Memory,
        "how slowly the LFU counter saturates"),
    row("lfu-decay-time", integer!(lfu_decay_minutes, 0..=I32_MAX), "1", Running, Memory,
        "minutes after which an unused LFU counter drops by one; 0 for never"),

    row("hash-max-listpack-entries",
        integer!(thresholds.hash_entries_max, 0..=i64::MAX), "512", Running, Memory,
        "fields of a hash that is one packed block at most"),
    row("hash-max-listpack-value",
        integer!(thresholds.hash_value_max, 0..=i64::MAX), "64", Running, Memory,
        "bytes of the longest field or value in a packed hash"),
    row("hll-sparse-max-bytes",
        integer!(thresholds.hll_sparse_bytes_max, 0..=i64::MAX), "3000", Running, Memory,
        "bytes of a HyperLogLog in its sparse form"),
    row("list-compress-depth",
        integer!(thresholds.list_compress_depth, 0..=I32_MAX), "0", Running, Memory,
        "blocks at each end of a new list that are not compressed; 0 for all of them"),
    row("list-max-listpack-size",
        integer!(thresholds.list_size_max, -1 << 31..=I32_MAX), "-2", Running, Memory,
        "elements of a list's block; -1 to -5 for blocks of 4 to 64 KiB"),
    row("set-max-intset-entries",
        integer!(thresholds.set_intset_entries_max, 0..=i64::MAX), "512", Running, Memory,
        "members of a set of integers that is one sorted block at most"),
    row("set-max-listpack-entries",
        integer!(thresholds.set_entries_max, 0..=i64::MAX), "128", Running, Memory,
        "members of a set that is one packed block at most"),
    row("set-max-listpack-value",
        integer!(thresholds.set_value_max, 0..=i64::MAX), "64", Running, Memory,
        "bytes of the longest member of a packed set"),
    row("stream-node-max-bytes",
        integer!(thresholds.stream_node_bytes_max, 0..=i64::MAX), "4096", Running, Memory,
        "bytes of a stream's block; 0 for no limit"),
    row("stream-node-max-entries",
        integer!(thresholds.stream_node_entries_max, 0..=i64::MAX), "100", Running, Memory,
        "entries of a stream's block; 0 for no limit"),
    row("zset-max-listpack-entries",
        integer!(thresholds.zset_entries_max, 0..=i64::MAX), "128", Running, Memory,
        "members of a sorted set that is one packed block at most"),
    row("zset-max-listpack-value",
        integer!(thresholds.zset_value_max, 0..=i64::MAX), "64", Running, Memory,
        "bytes of the longest member of a packed sorted set"),
    row("hash-max-ziplist-entries",
        integer!(thresholds.hash_entries_max, 0..=i64::MAX), "512", Running, Memory,
        "another name of hash-max-listpack-entries"),
    row("hash-max-ziplist-value",
        integer!(thresholds.hash_value_max, 0..=i64::MAX), "64", Running, Memory,
        "another name of hash-max-listpack-value"),
    row("list-max-ziplist-size",
        integer!(thresholds.list_size_max, -1 << 31..=I32_MAX), "-2", Running, Memory,
        "another name of list-max-listpack-size"),
    row("zset-max-ziplist-entries",
        integer!(thresholds.zset_entries_max, 0..=i64::MAX), "128", Running, Memory,
        "another name of zset-max-listpack-entries"),
    row("zset-max-ziplist-value",
        integer!(thresholds.zset_value_max, 0..=i64::MAX), "64", Running, Memory,
        "another name of zset-max-listpack-value"),

    row("proto-max-bulk-len", bytes!(bulk_bytes_max, 1 << 20..=i64::MAX), "512mb", Running,
        Protocol, "bytes of the longest string"),
    row("proto-inline-max-bytes", bytes!(inline_bytes_max, 1_024..=I32_MAX), "64kb", Running,
        Protocol, "bytes of the longest inline request"),
    row("request-args-max", integer!(request_args_max, 64..=I32_MAX), "1048576", Running, Protocol,
        "arguments of one request"),

    row("loglevel", word!(LogLevel, "debug|verbose|notice|warning", log_level), "notice", Running,
        Diagnostics, "the least important message that is logged"),
    row("busy-reply-threshold", integer!(script_patience_ms, 0..=i64::MAX), "5000", Running,
        Diagnostics, "milliseconds after which who needs a script's keys gets BUSY; 0 for never"),
    row("lua-time-limit", integer!(script_patience_ms, 0..=i64::MAX), "5000", Running, Diagnostics,
        "another name of busy-reply-threshold"),
    row("slowlog-log-slower-than", integer!(slowlog_threshold_us, -1..=i64::MAX), "10000", Running,
        Diagnostics, "microseconds from which a command is slow; -1 for never"),
    row("slowlog-max-len", integer!(slowlog_len_max, 0..=i64::MAX), "128", Running, Diagnostics,
        "slow commands remembered"),
    row("latency-monitor-threshold", integer!(latency_threshold_ms, 0..=i64::MAX), "0", Running,
        Diagnostics, "milliseconds from which LATENCY notes a command; 0 for never"),
    row("latency-tracking", switch!(latency_tracking), "yes", Running, Diagnostics,
        "whether each command's latencies are counted"),
    row("latency-tracking-info-percentiles", PERCENTILES, "50 99 99.9", Running, Diagnostics,
        "percentiles in INFO latencystats"),

    row("mode", word!(Mode, "memory|persistent", durability.mode), "memory", Start, Persistence,
        "whether data outlive the process: 'persistent' keeps a log and snapshots in 'dir'"),
    row("appendonly", APPEND_ONLY, "no", Running, Persistence,
        "Redis's name of mode: 'yes' is persistent; only the start may choose"),
    row("dir", DIR, "./data", Start, Persistence,
        "where the log and the snapshots are; made if it is missing"),
    row("rdb", RDB, "", Start, Persistence,
        "a dump file of Redis that an empty store begins with; refused if 'dir' holds data"),
    row("appendfsync", word!(AppendFsync, "always|everysec|no", durability.fsync), "everysec",
        Running, Persistence,
        "when writes reach the disk: before they are acknowledged, each second, or when the \
         kernel likes"),
    row("save", SAVE, "", Running, Persistence,
        "snapshot after so many seconds if so many writes happened; the log needs none of this"),
    row("stop-writes-on-bgsave-error", switch!(durability.stop_writes_on_save_error), "yes",
        Running, Persistence,
        "whether writes are refused while there are 'save' rules and the last snapshot failed"),
    row("rdbcompression", switch!(durability.compression), "yes", Running, Persistence,
        "whether snapshots are compressed"),
    row("rdbcompression-level", integer!(durability.compression_level, 1..=19), "1", Running,
        Persistence, "zstd's level for snapshots"),
    row("auto-aof-rewrite-percentage", integer!(durability.rewrite_percentage, 0..=I32_MAX), "100",
        Running, Persistence,
        "growth of the log over the last snapshot before its compression, in percent of it, at \
         which a new snapshot cuts it, but not before four times as long as the last one took has \
         passed; 0 for never"),
    row("auto-aof-rewrite-min-size", bytes!(durability.rewrite_bytes_min, 0..=i64::MAX), "64mb",
        Running, Persistence, "bytes of log below which it is not cut by growth"),
    row("aof-load-truncated", switch!(durability.load_truncated), "yes", Start, Persistence,
        "whether the server starts when the log's last block is torn, which a crash may do"),
    row("aof-buffer-limit", bytes!(durability.buffer_bytes_max, 1 << 20..=i64::MAX), "256mb",
        Start, Persistence,
        "bytes that may wait for the disk before writers wait, too; readers go on"),
    row("shutdown-on-sigterm", ON_SIGTERM, "default", Running, Persistence,
        "what SIGTERM does: 'default' saves if there are 'save' rules"),
    row("shutdown-on-sigint", ON_SIGINT, "default", Running, Persistence,
        "what SIGINT does"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_print_as_values_that_read_back() {
        let settings = Settings::default();
        let mut copy = Settings::blank();
        for row in TABLE {
            let shown = (row.read)(&settings);
            (row.write)(&mut copy, shown.as_bytes()).unwrap();
            assert_eq!((row.read)(&copy), shown, "{}", row.name);
        }
        copy.password_new = None;
        assert_eq!(copy, settings);
    }

    #[test]
    fn names_are_unique_and_lower_case() {
        for (index, row) in TABLE.iter().enumerate() {
            assert!(TABLE[..index].iter().all(|other| other.name != row.name), "{}", row.name);
            let fine = |c: char| c.is_ascii_lowercase() || c == '-';
            assert!(row.name.chars().all(fine), "{}", row.name);
        }
    }

    #[test]
    fn defaults_are_safe() {
        let settings = Settings::default();
        assert!(settings.bind.iter().all(|address| address.ip.is_loopback()));
        assert!(settings.protected_mode);
        assert_eq!(settings.debug_access, DebugAccess::No);
        assert_eq!(settings.port, 6174);
    }

    #[test]
    fn a_password_is_masked_and_the_mask_is_no_password() {
        let mut settings = Settings::default();
        let row = find(b"REQUIREPASS").unwrap();
        assert_eq!((row.read)(&settings), "");
        (row.write)(&mut settings, b"\xffhunter2").unwrap();
        assert_eq!((row.read)(&settings), PASSWORD_MASK);
        let error = (row.write)(&mut settings, PASSWORD_MASK.as_bytes());
        assert_eq!(error, Err(ValueError::Mask));
    }

    #[test]
    fn appendonly_is_another_name_of_the_mode() {
        let mut settings = Settings::default();
        let row = find(b"appendonly").unwrap();
        assert_eq!((row.read)(&settings), "no");
        assert_eq!((row.write)(&mut settings, b"yes"), Ok(()));
        assert_eq!(settings.durability.mode, Mode::Persistent);
        assert_eq!((row.write)(&mut settings, b"maybe"), Err(ValueError::Switch));
    }

    #[test]
    fn variables_follow_one_rule() {
        assert_eq!(find(b"maxmemory-policy").unwrap().variable(), "ZUMIC_MAXMEMORY_POLICY");
    }
}
