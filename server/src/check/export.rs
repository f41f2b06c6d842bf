//! The data as commands, so that nobody is locked in.
//!
//! A snapshot becomes a RESTORE per key, with payloads that Redis 7.0 reads (time series it does
//! not have); the log becomes the commands it holds, transactions between MULTI and EXEC. Loading
//! the output into an empty server by `redis-cli --pipe` gives the data that a start would have.

use std::io::Write;

use engine::persist::Entry;
use engine::persist::log::inspect::{inspect_log, inspect_segment};
use engine::persist::rdb::seal;
use engine::persist::rdb::value::Style;
use engine::persist::zdb::{Reader, each_entry};
use zumic_error::{Error, ErrorKind, ResultExt};

use super::source::{Source, rules};

/// Writes commands, and remembers the database they are in.
struct Commands<'w, W> {
    out: &'w mut W,
    db: Option<u16>,
    /// The first failure of the output; nothing is written behind it.
    failed: Option<std::io::Error>,
}

impl<W: Write> Commands<'_, W> {
    fn put(&mut self, db: u16, words: &[&[u8]]) {
        if self.db != Some(db) {
            self.db = Some(db);
            self.write(&[b"SELECT", db.to_string().as_bytes()]);
        }
        self.write(words);
    }

    fn write(&mut self, words: &[&[u8]]) {
        if self.failed.is_none() {
            self.failed = self.try_write(words).err();
        }
    }

    fn try_write(&mut self, words: &[&[u8]]) -> std::io::Result<()> {
        write!(self.out, "*{}\r\n", words.len())?;
        for word in words {
            write!(self.out, "${}\r\n", word.len())?;
            self.out.write_all(word)?;
            self.out.write_all(b"\r\n")?;
        }
        Ok(())
    }

    fn put_entry(&mut self, entry: Entry<'_>) {
        let together = entry.effects().nth(1).is_some();
        if together {
            self.write(&[b"MULTI"]);
        }
        for effect in entry.effects() {
            let words: Vec<&[u8]> = effect.words().collect();
            self.put(effect.db, &words);
        }
        if together {
            self.write(&[b"EXEC"]);
        }
    }

    fn end(self) -> Result<(), Error> {
        self.failed.map_or(Ok(()), Err).context(ErrorKind::Io, "writing")
    }
}

/// Writes everything that a start would load.
///
/// # Errors
/// Damage, or a file that cannot be read; the output cannot be written.
pub(super) fn export(source: &Source, out: &mut impl Write) -> Result<(), Error> {
    let mut commands = Commands { out, db: None, failed: None };
    let mut covered = 0;
    if let Some(name) = source.snapshots.first() {
        covered = export_snapshot(source, name, &mut commands)?;
    }
    let mut each = |entry: Entry<'_>| {
        commands.put_entry(entry);
        Ok(())
    };
    if source.whole {
        inspect_log(&source.disk, covered, &mut each)?;
    } else if let Some(name) = source.segments.first() {
        inspect_segment(&*source.segment(name)?, &mut each)?;
    }
    commands.end()
}

fn export_snapshot<W: Write>(
    source: &Source,
    name: &str,
    commands: &mut Commands<'_, W>,
) -> Result<u64, Error> {
    let file = source.snapshot(name)?;
    let read = || {
        each_entry(&mut Reader::new(file)?, &rules(), |entry| {
            let payload = entry.value.with_ref(|value| seal(value, Style::REDIS));
            let deadline = entry.expire_at_ms.unwrap_or(0).to_string();
            let words: [&[u8]; 6] =
                [b"RESTORE", entry.key, deadline.as_bytes(), &payload, b"REPLACE", b"ABSTTL"];
            commands.put(entry.db, &words);
            Ok(())
        })
    };
    let loading = read().map_err(|error| {
        Error::with_source(ErrorKind::Damaged, format!("reading {name}"), error)
    })?;
    Ok(loading.header.epoch)
}
