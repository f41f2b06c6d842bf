//! The errors that only DUMP, RESTORE, MIGRATE and SYNC answer with.

use std::fmt;

/// A failure of one of them; a variant's `Display` is the line on the wire.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "each variant is explained by its text below")]
pub enum DumpError {
    BadFormat,
    BusyKey,
    FrequencyInvalid,
    HandoutFailed(String),
    HandoutRunning,
    IdleInvalid,
    MigrateBusy,
    MigrateChanging(String),
    MigrateConnecting,
    MigrateKeyAndKeys,
    MigrateReading,
    MigrateTarget(String),
    MigrateWriting,
    NoReplicas,
    Payload,
    TtlInvalid,
}

impl fmt::Display for DumpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadFormat => "ERR Bad data format",
            Self::BusyKey => "BUSYKEY Target key name already exists.",
            Self::FrequencyInvalid => "ERR Invalid FREQ value, must be >= 0 and <= 255",
            Self::HandoutFailed(why) => return write!(f, "ERR no dump could be made: {why}"),
            Self::HandoutRunning => "ERR another client is given a dump, try again later",
            Self::IdleInvalid => "ERR Invalid IDLETIME value, must be >= 0",
            Self::MigrateBusy => "ERR too many MIGRATE commands are waiting, try again later",
            Self::MigrateChanging(key) => {
                return write!(
                    f,
                    "TRYAGAIN key '{key}' changes faster than it can be moved; it stays here"
                );
            }
            Self::MigrateConnecting => "IOERR error or timeout connecting to the client",
            Self::MigrateKeyAndKeys => {
                "ERR When using MIGRATE KEYS option, the key argument must be set to the empty \
                 string"
            }
            Self::MigrateReading => "IOERR error or timeout reading to target instance",
            Self::MigrateTarget(text) => {
                return write!(f, "ERR Target instance replied with error: {text}");
            }
            Self::MigrateWriting => "IOERR error or timeout writing to target instance",
            Self::NoReplicas => {
                "ERR this server has no replicas; SYNC gives a dump after 'REPLCONF rdb-only 1'"
            }
            Self::Payload => "ERR DUMP payload version or checksum are wrong",
            Self::TtlInvalid => "ERR Invalid TTL value, must be >= 0",
        })
    }
}

impl std::error::Error for DumpError {}

impl DumpError {
    /// The first word of the text, by which clients tell errors apart.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::BusyKey => "BUSYKEY",
            Self::MigrateChanging(_) => "TRYAGAIN",
            Self::MigrateConnecting | Self::MigrateReading | Self::MigrateWriting => "IOERR",
            _ => "ERR",
        }
    }
}
