//! Counts: keys and bytes by type, writes by command.

use std::collections::BTreeMap;

use engine::persist::log::inspect::{inspect_log, inspect_segment};
use engine::persist::rdb::seal;
use engine::persist::rdb::value::Style;
use engine::persist::zdb::{Reader, each_entry};
use engine::persist::{Entry, LoggedEffect};
use serde::Serialize;
use zumic_error::{Error, ErrorKind};

use super::source::{Source, rules};

/// One type of keys, or one command.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Count {
    pub(super) count: u64,
    /// Of keys and serialized values, or of the command's words.
    pub(super) bytes: u64,
    /// The largest of them.
    pub(super) largest_bytes: u64,
    /// Whose that is.
    pub(super) largest_key: String,
    /// How many are of at most this many bytes, and more than half of it.
    pub(super) sizes: BTreeMap<u64, u64>,
}

impl Count {
    fn add(&mut self, key: &[u8], bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
        *self.sizes.entry(bytes.max(1).next_power_of_two()).or_default() += 1;
        if bytes > self.largest_bytes {
            self.largest_bytes = bytes;
            self.largest_key = String::from_utf8_lossy(key).into_owned();
        }
    }
}

/// Everything that was counted.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Stats {
    /// The snapshot that was read.
    pub(super) snapshot: Option<String>,
    /// Its keys by type.
    pub(super) types: BTreeMap<&'static str, Count>,
    /// Keys by database.
    pub(super) databases: BTreeMap<u16, u64>,
    /// Keys with a deadline.
    pub(super) expires: u64,
    /// Entries of the log, each a command or a transaction.
    pub(super) entries: u64,
    /// Their writes by command.
    pub(super) commands: BTreeMap<String, Count>,
}

impl Stats {
    fn add_entry(&mut self, entry: Entry<'_>) {
        self.entries += 1;
        entry.effects().for_each(|effect| self.add_effect(effect));
    }

    fn add_effect(&mut self, effect: LoggedEffect<'_>) {
        let words: Vec<&[u8]> = effect.words().collect();
        let name = String::from_utf8_lossy(words[0]).to_ascii_uppercase();
        let bytes = words.iter().map(|word| word.len() as u64).sum();
        let key = words.get(1).copied().unwrap_or_default();
        self.commands.entry(name).or_default().add(key, bytes);
    }
}

/// Counts what a start would load: the newest snapshot, and the log behind it.
///
/// # Errors
/// Damage, or a file that cannot be read.
pub(super) fn stats(source: &Source) -> Result<Stats, Error> {
    let mut stats = Stats::default();
    let mut covered = 0;
    if let Some(name) = source.snapshots.first() {
        covered = count_snapshot(source, name, &mut stats)?;
        stats.snapshot = Some(name.clone());
    }
    let mut each = |entry: Entry<'_>| {
        stats.add_entry(entry);
        Ok(())
    };
    if source.whole {
        inspect_log(&source.disk, covered, &mut each)?;
    } else if let Some(name) = source.segments.first() {
        inspect_segment(&*source.segment(name)?, &mut each)?;
    }
    Ok(stats)
}

fn count_snapshot(source: &Source, name: &str, stats: &mut Stats) -> Result<u64, Error> {
    let file = source.snapshot(name)?;
    let read = || {
        each_entry(&mut Reader::new(file)?, &rules(), |entry| {
            let kind = entry.value.with_ref(|value| value.kind());
            let value = entry.value.with_ref(|value| seal(value, Style::OWN));
            let bytes = (entry.key.len() + value.len()) as u64;
            stats.types.entry(kind.name()).or_default().add(entry.key, bytes);
            *stats.databases.entry(entry.db).or_default() += 1;
            stats.expires += u64::from(entry.expire_at_ms.is_some());
            Ok(())
        })
    };
    let loading = read().map_err(|error| {
        Error::with_source(ErrorKind::Damaged, format!("reading {name}"), error)
    })?;
    Ok(loading.header.epoch)
}
