//! Makes a directory startable again, at the price of what is damaged.
//!
//! Why it exists: after damage somebody has to decide that the data before it are worth more than
//! none. Nothing is thrown away: what was cut or set aside is kept beside the file.
//!
//! What is behind damage in the log is not kept: later writes may depend on what is lost, and a
//! prefix is what every part of the store promises.

use std::fs;

use serde::Serialize;
use zumic_error::{Error, ErrorKind, ResultExt};

use super::source::Source;
use super::verify::{State, verify};
use engine::persist::log::inspect::inspect_log;
use engine::persist::{Damage, DirectoryLock, Disk};

/// The ending of what is set aside.
pub(super) const KEPT: &str = ".before-repair";

/// What was done, or would be.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Repair {
    /// Whether it was done.
    pub(super) done: bool,
    /// One line per step; none when nothing has to be done.
    pub(super) steps: Vec<String>,
    /// How things are afterwards.
    pub(super) state: State,
}

impl Repair {
    /// The exit code.
    #[must_use]
    pub(super) fn code(&self) -> u8 {
        match self.state {
            State::Damaged => 2,
            State::Sound | State::Torn => 0,
        }
    }
}

/// Sets damaged snapshots aside and cuts the log at its first damage, if `yes`.
///
/// # Errors
/// It is no directory, a server has it, or a file cannot be written.
pub(super) fn repair(source: &Source, yes: bool) -> Result<Repair, Error> {
    if !source.whole {
        let what = "repair takes a data directory";
        return Err(Error::new(ErrorKind::Configuration, what));
    }
    // What is only said needs no lock, and may be about a directory that cannot be written to.
    let _lock = if yes { Some(locked(source)?) } else { None };
    let verdict = verify(source)?;
    let mut steps = Vec::new();
    for snapshot in verdict.snapshots.iter().filter(|one| one.state == State::Damaged) {
        steps.push(format!("set the damaged snapshot {} aside", snapshot.name));
        if yes {
            set_aside(source, &snapshot.name)?;
        }
    }
    let sound = verdict.snapshots.iter().filter(|snapshot| snapshot.state == State::Sound);
    let covered = sound.map(|snapshot| snapshot.epoch).max().unwrap_or(0);
    // Each round removes a file or bytes of one, so this ends.
    while let Some(damage) = damage_of_log(source, covered)? {
        let step = cut(source, &damage, yes)?;
        steps.push(step);
        if !yes {
            break;
        }
    }
    if yes && !steps.is_empty() {
        source.disk.sync_names().context(ErrorKind::Io, "syncing the data directory")?;
    }
    let state = if yes { verify(&Source::open(&source.directory)?)?.state } else { verdict.state };
    Ok(Repair { done: yes && !steps.is_empty(), steps, state })
}

/// Keeps servers out.
fn locked(source: &Source) -> Result<Box<dyn DirectoryLock>, Error> {
    let lock = source.disk.lock("LOCK").context(ErrorKind::Io, "locking the data directory")?;
    let what = "a server uses the directory; end it first";
    lock.ok_or_else(|| Error::new(ErrorKind::Resource, what))
}

/// Where the log is damaged, if it is.
fn damage_of_log(source: &Source, covered: u64) -> Result<Option<Damage>, Error> {
    let Err(error) = inspect_log(&source.disk, covered, &mut |_| Ok(())) else { return Ok(None) };
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(one) = next {
        if let Some(damage) = one.downcast_ref::<Damage>() {
            return Ok(Some(damage.clone()));
        }
        next = one.source();
    }
    Err(error)
}

/// Cuts the log at `damage`: the file there, and the segments behind it.
fn cut(source: &Source, damage: &Damage, yes: bool) -> Result<String, Error> {
    let name = damage.file.rsplit('/').next().unwrap_or(&damage.file).to_owned();
    let listed = source.disk.list().context(ErrorKind::Io, "listing the data directory")?;
    let mut behind: Vec<&String> =
        listed.iter().filter(|one| one.ends_with(super::source::SEGMENT) && **one > name).collect();
    behind.sort_unstable();
    let step = format!(
        "cut {name} at byte {}, behind epoch {} ({}), and set {} later segments aside",
        damage.offset,
        damage.epoch,
        damage.what,
        behind.len()
    );
    if !yes {
        return Ok(step);
    }
    for later in behind.into_iter().rev() {
        set_aside(source, later)?;
    }
    if damage.offset == 0 {
        set_aside(source, &name)?;
        return Ok(step);
    }
    keep_copy(source, &name)?;
    let context = || format!("cutting {name}");
    let file = source.disk.open(&name).context(ErrorKind::Io, context())?;
    file.set_length(damage.offset).context(ErrorKind::Io, context())?;
    file.sync().context(ErrorKind::Io, context())?;
    Ok(step)
}

fn set_aside(source: &Source, name: &str) -> Result<(), Error> {
    let context = || format!("setting {name} aside");
    fs::rename(source.path(name), source.path(&format!("{name}{KEPT}")))
        .context(ErrorKind::Io, context())
}

fn keep_copy(source: &Source, name: &str) -> Result<(), Error> {
    let kept = source.path(&format!("{name}{KEPT}"));
    if kept.exists() {
        // The first copy is the one before any repair.
        return Ok(());
    }
    let context = || format!("copying {name}");
    fs::copy(source.path(name), &kept).context(ErrorKind::Io, context())?;
    let copy = fs::File::open(&kept).context(ErrorKind::Io, context())?;
    copy.sync_all().context(ErrorKind::Io, context())
}
