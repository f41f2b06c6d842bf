//! The settings about disk, typed, and how their texts are read.
//!
//! Why it exists: names and forms are those of Redis where it has them (`save 900 1`,
//! `appendfsync`), so that a command line that started Redis starts Zumic. Not for their effect:
//! that is [`crate::durability`].

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::Settings;
use super::snapshot::words;
use super::table::Kind;
use super::value::{ValueError, parse_switch};

words! {
    /// Whether data outlive the process.
    Mode {
        /// Nothing is on disk.
        Memory = "memory",
        /// Writes go to a log, and snapshots cut it.
        Persistent = "persistent",
    }
}

words! {
    /// When the log reaches the disk.
    AppendFsync {
        /// Before the reply leaves.
        Always = "always",
        /// Once a second.
        EverySec = "everysec",
        /// When the kernel likes.
        No = "no",
    }
}

/// Snapshot when so many writes happened and so many seconds passed since the last one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SaveRule {
    /// Seconds since the last snapshot, at least.
    pub seconds: u32,
    /// Writes since the last snapshot, at least.
    pub changes: u64,
}

impl SaveRule {
    /// Pairs of seconds and changes; an empty text is no rule.
    fn parse(text: &str) -> Result<Vec<Self>, ValueError> {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        if !words.len().is_multiple_of(2) {
            return Err(ValueError::SaveRule);
        }
        let rule = |pair: &[&str]| {
            let seconds = pair[0].parse().ok().filter(|seconds| *seconds > 0);
            let rule = Self {
                seconds: seconds.ok_or(ValueError::SaveRule)?,
                changes: pair[1].parse().map_err(|_| ValueError::SaveRule)?,
            };
            Ok(rule)
        };
        words.chunks_exact(2).map(rule).collect()
    }
}

/// What a signal or a plain SHUTDOWN does besides ending the process.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ShutdownFlags {
    /// Snapshot first, whatever the rules.
    pub save: bool,
    /// No snapshot, whatever the rules.
    pub no_save: bool,
    /// Do not wait for anybody.
    pub now: bool,
    /// End even if the snapshot fails.
    pub force: bool,
}

impl ShutdownFlags {
    const NAMES: &'static [&'static str] = &["default", "save", "nosave", "now", "force"];

    fn parse(text: &str) -> Result<Self, ValueError> {
        let mut flags = Self::default();
        let words: Vec<String> =
            text.split_ascii_whitespace().map(str::to_ascii_lowercase).collect();
        for word in &words {
            match word.as_str() {
                "default" if words.len() == 1 => {}
                "save" => flags.save = true,
                "nosave" => flags.no_save = true,
                "now" => flags.now = true,
                "force" => flags.force = true,
                _ => return Err(ValueError::OneOf(Self::NAMES)),
            }
        }
        if words.is_empty() {
            return Err(ValueError::OneOf(Self::NAMES));
        }
        if flags.save && flags.no_save {
            return Err(ValueError::ShutdownSave);
        }
        Ok(flags)
    }

    fn show(self) -> String {
        let set = [
            (self.save, "save"),
            (self.no_save, "nosave"),
            (self.now, "now"),
            (self.force, "force"),
        ];
        let words: Vec<&str> =
            set.into_iter().filter(|(set, _)| *set).map(|(_, word)| word).collect();
        if words.is_empty() { "default".to_owned() } else { words.join(" ") }
    }
}

/// Every setting about disk.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DurabilitySettings {
    /// `mode`, also `appendonly`.
    pub mode: Mode,
    /// `dir`: where log and snapshots are.
    pub dir: PathBuf,
    /// `rdb`: a dump file that an empty store begins with.
    pub rdb: Option<PathBuf>,
    /// `appendfsync`.
    pub fsync: AppendFsync,
    /// `save`.
    pub save: Vec<SaveRule>,
    /// `stop-writes-on-bgsave-error`.
    pub stop_writes_on_save_error: bool,
    /// `rdbcompression`.
    pub compression: bool,
    /// `rdbcompression-level`: of zstd.
    pub compression_level: i32,
    /// `auto-aof-rewrite-percentage`; 0 for never.
    pub rewrite_percentage: u32,
    /// `auto-aof-rewrite-min-size`, in bytes.
    pub rewrite_bytes_min: u64,
    /// `aof-load-truncated`.
    pub load_truncated: bool,
    /// `aof-buffer-limit`: bytes that may wait for the disk before writers wait, too.
    pub buffer_bytes_max: u64,
    /// `shutdown-on-sigterm`.
    pub on_sigterm: ShutdownFlags,
    /// `shutdown-on-sigint`.
    pub on_sigint: ShutdownFlags,
}

impl DurabilitySettings {
    /// Zero everywhere: what the table's defaults are written into.
    pub(super) fn blank() -> Self {
        Self {
            mode: Mode::Memory,
            dir: PathBuf::new(),
            rdb: None,
            fsync: AppendFsync::EverySec,
            save: Vec::new(),
            stop_writes_on_save_error: false,
            compression: false,
            compression_level: 0,
            rewrite_percentage: 0,
            rewrite_bytes_min: 0,
            load_truncated: false,
            buffer_bytes_max: 0,
            on_sigterm: ShutdownFlags::default(),
            on_sigint: ShutdownFlags::default(),
        }
    }

    /// Whether anything is on disk.
    #[must_use]
    pub fn is_persistent(&self) -> bool {
        self.mode == Mode::Persistent
    }

    /// Settings that contradict each other: the one that has to change, and why.
    pub(crate) fn contradiction(&self) -> Option<(&'static str, ValueError)> {
        let pointless = !self.is_persistent() && !self.save.is_empty();
        pointless.then_some(("save", ValueError::NothingOnDisk))
    }
}

pub(super) const APPEND_ONLY: Kind = Kind {
    shape: "yes|no",
    many_words: false,
    read: |settings| if settings.durability.is_persistent() { "yes" } else { "no" }.to_owned(),
    write: |settings, text| {
        let on = parse_switch(&String::from_utf8_lossy(text))?;
        settings.durability.mode = if on { Mode::Persistent } else { Mode::Memory };
        Ok(())
    },
};

pub(super) const RDB: Kind = Kind {
    shape: "<path>",
    many_words: false,
    read: |settings| {
        settings.durability.rdb.as_ref().map_or_else(String::new, |path| path.display().to_string())
    },
    write: |settings, text| {
        if text.contains(&0) {
            return Err(ValueError::Path);
        }
        let path = (!text.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(text)));
        settings.durability.rdb = path;
        Ok(())
    },
};

pub(super) const DIR: Kind = Kind {
    shape: "<path>",
    many_words: false,
    read: |settings| settings.durability.dir.display().to_string(),
    write: |settings, text| {
        if text.is_empty() || text.contains(&0) {
            return Err(ValueError::Path);
        }
        settings.durability.dir = PathBuf::from(OsStr::from_bytes(text));
        Ok(())
    },
};

pub(super) const SAVE: Kind = Kind {
    shape: "<seconds> <changes>...",
    many_words: true,
    read: |settings| {
        let mut text = String::new();
        for rule in &settings.durability.save {
            let gap = if text.is_empty() { "" } else { " " };
            // Writing to a String cannot fail.
            let _ = write!(text, "{gap}{} {}", rule.seconds, rule.changes);
        }
        text
    },
    write: |settings, text| {
        settings.durability.save = SaveRule::parse(&String::from_utf8_lossy(text))?;
        Ok(())
    },
};

/// A row of flags of a shutdown.
macro_rules! shutdown_flags {
    ($field:ident) => {
        Kind {
            shape: "default|save|nosave|now|force...",
            many_words: true,
            read: |settings| settings.durability.$field.show(),
            write: |settings, text| {
                settings.durability.$field = ShutdownFlags::parse(&String::from_utf8_lossy(text))?;
                Ok(())
            },
        }
    };
}

pub(super) const ON_SIGTERM: Kind = shutdown_flags!(on_sigterm);
pub(super) const ON_SIGINT: Kind = shutdown_flags!(on_sigint);

/// Checks what no single row can.
///
/// # Errors
/// The setting that has to change, and why.
pub(crate) fn check(settings: &Settings) -> Result<(), (&'static str, ValueError)> {
    settings.durability.contradiction().map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn save_rules_are_pairs() {
        let rule = |seconds, changes| SaveRule { seconds, changes };
        assert_eq!(SaveRule::parse(""), Ok(vec![]));
        assert_eq!(SaveRule::parse("900 1 60 0"), Ok(vec![rule(900, 1), rule(60, 0)]));
        for wrong in ["900", "0 1", "-1 1", "1 -1", "a b", "1 2 3"] {
            assert_eq!(SaveRule::parse(wrong), Err(ValueError::SaveRule), "{wrong}");
        }
    }

    #[test]
    fn shutdown_flags_read_what_they_print() {
        for text in ["default", "save", "nosave", "save now force"] {
            assert_eq!(ShutdownFlags::parse(text).unwrap().show(), text);
        }
        assert_eq!(ShutdownFlags::parse("save nosave"), Err(ValueError::ShutdownSave));
        for wrong in ["", "default now", "later"] {
            let error = ValueError::OneOf(ShutdownFlags::NAMES);
            assert_eq!(ShutdownFlags::parse(wrong), Err(error), "{wrong}");
        }
    }

    #[test]
    fn save_rules_need_a_disk() {
        let mut settings = Settings::default();
        assert_eq!(check(&settings), Ok(()));
        settings.durability.save = vec![SaveRule { seconds: 1, changes: 1 }];
        assert_eq!(check(&settings), Err(("save", ValueError::NothingOnDisk)));
        settings.durability.mode = Mode::Persistent;
        assert_eq!(check(&settings), Ok(()));
    }
}
