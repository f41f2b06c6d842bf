//! The command line of `zumic-check`.

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

/// What was typed.
#[derive(Debug, Parser)]
#[command(
    name = "zumic-check",
    version,
    about = "Looks at the data directory, a log segment or a snapshot of a Zumic server",
    after_help = "Exit status: 0 everything is sound; 1 the end of the log is torn, as a crash \
                  leaves it, and a start cuts it off; 2 there is damage; 64 wrong usage; 74 a file \
                  cannot be read or written."
)]
pub(super) struct Options {
    /// Answer as one JSON document.
    #[arg(long, global = true)]
    pub(super) json: bool,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write the data to the standard output as commands, for `redis-cli --pipe`.
    Export {
        /// A data directory, a segment (.zlog) or a snapshot (.zdb).
        path: PathBuf,
    },
    /// Show each file: epochs, blocks, entries, and where it ends.
    Inspect {
        /// As for export.
        path: PathBuf,
    },
    /// Cut the log where it is damaged, and set damaged snapshots aside. What was changed is kept
    /// beside it, with the ending .before-repair. Without --yes it only says what it would do.
    Repair {
        /// A data directory that no server uses.
        path: PathBuf,
        /// Do it.
        #[arg(long)]
        yes: bool,
    },
    /// Count keys and bytes by type, and writes by command.
    Stats {
        /// As for export.
        path: PathBuf,
    },
    /// Read everything, prove every checksum, and say whether a server would start on it.
    Verify {
        /// As for export.
        path: PathBuf,
    },
}

impl Command {
    /// What to look at.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Export { path }
            | Self::Inspect { path }
            | Self::Repair { path, .. }
            | Self::Stats { path }
            | Self::Verify { path } => path,
        }
    }
}
