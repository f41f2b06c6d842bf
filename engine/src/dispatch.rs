//! From a command's row to its handler: how the keys it names become one instant.
//!
//! Why it exists: handlers say what to read and write; which of the ways of context.rs makes that
//! atomic depends on the row alone (one key, several, the whole store) and is chosen here.

use zumic_error::{CommandError, DurabilityError, ScriptError};

use crate::collection::Presence;
use crate::commands::{CommandSpec, Flags, Handler};
use crate::context::{Context, KeyRef, Mode, Seen};
use crate::host::{Halt, Host, Queued};
use crate::record::{Header, Record};

/// Tries of a read of several keys before it takes them.
const COLLECTS_MAX: u32 = 3;

impl<'s> Context<'s> {
    /// Prepares and runs one command.
    #[inline(always)]
    pub(crate) fn dispatch(
        &mut self,
        host: &mut dyn Host,
        spec: &'static CommandSpec,
        args: &[&[u8]],
    ) -> Result<(), Halt> {
        if spec.flags.contains(Flags::WRITE) {
            self.mind_the_cut()?;
            self.admit_write()?;
        }
        if spec.flags.contains(Flags::DENY_OOM) {
            self.make_room()?;
        }
        self.prepare_and_call(host, spec, args)
    }

    /// Runs one command that is admitted.
    ///
    /// Inlined by force, as what it calls: from several places, so that the compiler would not,
    /// and some 80 instructions per command go into passing arguments on.
    #[inline(always)]
    pub(crate) fn prepare_and_call(
        &mut self,
        host: &mut dyn Host,
        spec: &'static CommandSpec,
        args: &[&[u8]],
    ) -> Result<(), Halt> {
        if spec.flags.contains(Flags::EXCLUSIVE) || spec.reads_elsewhere(args) {
            return self.alone(|context| context.call(host, spec, args));
        }
        let single = spec.has_one_key_at_most()
            || (spec.cross_db.is_none() && spec.key_positions(args).nth(1).is_none());
        if single { self.call(host, spec, args) } else { self.call_prepared(host, spec, args) }
    }

    /// Runs a command of several keys.
    #[inline(never)]
    fn call_prepared(
        &mut self,
        host: &mut dyn Host,
        spec: &'static CommandSpec,
        args: &[&[u8]],
    ) -> Result<(), Halt> {
        let mut keys = Vec::new();
        collect_keys(self.scope.db, spec, args, &mut keys);
        // A database that is none: the handler answers the error.
        keys.retain(|&(db, _)| db < self.databases());
        if spec.flags.contains(Flags::WRITE) {
            self.take(&keys)?;
        } else {
            self.prepare_read(&keys)?;
        }
        let result = self.call(host, spec, args);
        self.finish();
        result
    }

    /// Whether the log can take a write now: it may have stopped, or wait for the disk.
    #[inline]
    pub(crate) fn admit_write(&self) -> Result<(), Halt> {
        let Some(journal) = &self.state.journal else { return Ok(()) };
        if let Some(why) = journal.fault() {
            return Err(CommandError::from(DurabilityError::LogStopped(why)).into());
        }
        if journal.is_congested() { Err(Halt::Busy) } else { Ok(()) }
    }

    /// Calls the handler in the mode that was prepared.
    #[inline(always)]
    pub(crate) fn call(
        &mut self,
        host: &mut dyn Host,
        spec: &'static CommandSpec,
        args: &[&[u8]],
    ) -> Result<(), Halt> {
        if self.is_logged() {
            self.call_logged(host, spec, args)
        } else {
            self.handle(host, spec, args)
        }
    }

    /// Calls the handler.
    #[inline]
    pub(crate) fn handle(
        &mut self,
        host: &mut dyn Host,
        spec: &'static CommandSpec,
        args: &[&[u8]],
    ) -> Result<(), Halt> {
        match spec.handler {
            Handler::Engine(run) => run(self, args),
            Handler::Host(command) => host.run(self, command, spec, args),
            Handler::Container => unreachable!("the host looks subcommands up"),
            Handler::Script(_) => Err(CommandError::from(ScriptError::Runnerless).into()),
        }
    }

    /// Makes reads of several keys see one instant; [`Context::finish`] ends that.
    pub(crate) fn prepare_read(&mut self, keys: &[KeyRef<'_>]) -> Result<(), Halt> {
        if self.collect(keys) { Ok(()) } else { self.take(keys) }
    }

    /// Announces a reader at every object among the records; `None` when an editor is at one of
    /// them, one has lost its last element, or they are more than a session has places for.
    fn announce(&self, seen: &[Seen]) -> Option<Vec<Presence<'s>>> {
        let mut places = Vec::new();
        for seen in seen.iter().filter(|seen| !seen.record.is_null()) {
            // SAFETY: found under this turn's guard.
            let record: &'s Record = unsafe { Record::from_raw(seen.record) };
            if let Some(latch) = record.latch() {
                places.push(Presence::enter(&self.own.reading, latch)?);
            }
        }
        Some(places)
    }

    /// Looks several keys up until two looks agree; false when they keep changing.
    ///
    /// What both looks resolved to held all the time between them: records are not published
    /// twice, and the guard keeps them from being reused.
    fn collect(&mut self, keys: &[KeyRef<'_>]) -> bool {
        let look = |&(db, key): &KeyRef<'_>| {
            let hash = self.hash(key);
            Seen { db, hash, record: self.lookup(db, hash, key) }
        };
        let mut seen: Vec<Seen> = keys.iter().map(look).collect();
        for _ in 0..COLLECTS_MAX {
            let places = self.announce(&seen);
            let mut changed = places.is_none();
            for (seen, &(db, key)) in seen.iter_mut().zip(keys) {
                let record = self.lookup(db, seen.hash, key);
                changed |= record != seen.record;
                seen.record = record;
            }
            if let (false, Some(places)) = (changed, places) {
                seen.sort_unstable_by_key(|seen| (seen.db, seen.hash));
                self.mode = Mode::View { seen, _places: places };
                return true;
            }
        }
        false
    }
}

/// The record a view has for a key. Keys of one hash are told apart by their records.
pub(crate) fn seen_record(seen: &[Seen], db: u16, hash: u64, key: &[u8]) -> *mut Header {
    let first = seen.partition_point(|seen| (seen.db, seen.hash) < (db, hash));
    let same = seen[first..].iter().take_while(|seen| (seen.db, seen.hash) == (db, hash));
    let mut records = same.map(|seen| seen.record).filter(|record| !record.is_null());
    // SAFETY: seen under this turn's guard.
    records.find(|&record| unsafe { Record::from_raw(record) }.key() == key).unwrap_or_default()
}

/// All keys a command names, with their databases.
pub(crate) fn collect_keys<'a>(
    db: u16,
    spec: &CommandSpec,
    args: &[&'a [u8]],
    keys: &mut Vec<KeyRef<'a>>,
) {
    match spec.cross_db {
        Some(collect) => collect(db, args, keys),
        None => keys.extend(spec.key_positions(args).map(|at| (db, args[at]))),
    }
}

/// All keys that the commands of a queue name.
pub(crate) fn queue_keys<'a>(
    mut db: u16,
    databases: u16,
    queue: &[Queued],
    args: &'a [Vec<&'a [u8]>],
) -> Vec<KeyRef<'a>> {
    let mut keys = Vec::new();
    for (queued, args) in queue.iter().zip(args) {
        db = selected(queued.spec, args).filter(|&db| db < databases).unwrap_or(db);
        collect_keys(db, queued.spec, args, &mut keys);
    }
    keys.retain(|&(db, _)| db < databases);
    keys
}

/// A queued command's arguments, as handlers take them.
pub(crate) fn borrowed(queued: &Queued) -> Vec<&[u8]> {
    queued.args.iter().map(Vec::as_slice).collect()
}

/// The database that a SELECT inside a queue changes to.
fn selected(spec: &CommandSpec, args: &[&[u8]]) -> Option<u16> {
    if spec.name != "select" {
        return None;
    }
    std::str::from_utf8(args.get(1)?).ok()?.parse().ok()
}
