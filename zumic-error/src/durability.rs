//! The errors of a store that keeps its data on disk.

use std::fmt;

/// Why a command does not run because of the disk; a variant's `Display` is the line on the wire.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "each variant is explained by its text below")]
pub enum DurabilityError {
    LogStopped(String),
    Loading,
    NothingOnDisk,
    ReadNotDurable,
    RewriteInProgress,
    SaveBehindRewrite,
    SaveFailed,
    SaveInProgress,
    ShutdownFailed,
    SnapshotFailed,
}

impl DurabilityError {
    /// The first word on the wire.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Loading => "LOADING",
            Self::LogStopped(_) | Self::ReadNotDurable | Self::SnapshotFailed => "MISCONF",
            _ => "ERR",
        }
    }
}

impl fmt::Display for DurabilityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LogStopped(why) => {
                return write!(f, "MISCONF Errors writing to the AOF file: {why}");
            }
            Self::Loading => "LOADING Redis is loading the dataset in memory",
            Self::NothingOnDisk => {
                "ERR this server keeps nothing on disk; start it with --mode persistent"
            }
            Self::ReadNotDurable => {
                "MISCONF what was asked for is not on disk and may be lost: the AOF file could not \
                 be written. BGREWRITEAOF starts a new one."
            }
            Self::RewriteInProgress => {
                "ERR Background append only file rewriting already in progress"
            }
            Self::SaveBehindRewrite => {
                "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE \
                 SCHEDULE in order to schedule a BGSAVE whenever possible."
            }
            Self::SaveFailed => "ERR the snapshot failed; the log says why",
            Self::SaveInProgress => "ERR Background save already in progress",
            Self::ShutdownFailed => "ERR Errors trying to SHUTDOWN. Check logs.",
            Self::SnapshotFailed => {
                "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to \
                 persist to disk. Commands that may modify the data set are disabled, because this \
                 instance is configured to report errors during writes if RDB snapshotting fails \
                 (stop-writes-on-bgsave-error option). Please check the Redis logs for details \
                 about the RDB error."
            }
        })
    }
}

impl std::error::Error for DurabilityError {}
