//! One script (or one EXEC with scripts in it) as a transaction that grows.
//!
//! Why it exists: the VM says which command to call; here is decided what the command may do in
//! a script, which keys it needs, and what happens when they cannot be had: the whole unit
//! goes back and starts again (gentle.rs), waits as the token's holder, or takes the store.
//!
//! - Commands over the whole store (KEYS, DBSIZE, FLUSHALL, SORT with patterns, ...) take the
//!   barrier from there to the end of the script, which is one instant for everybody then. What
//!   was written before is committed under the barrier, so nobody sees it early. While the barrier
//!   is held the script is not suspended, for every other session stands still.
//!
//! Invariants
//! - R1: `begin` is followed by `commit` or `go_back`; nothing is held after either (I8).
//! - R2: once the courier's `again` is set, every call fails, and the unit is not committed.

use smallvec::SmallVec;
use zumic_error::{CommandError, ScriptError};

use super::fiber::Courier;
use crate::commands::{CommandSpec, Flags};
use crate::context::{Context, KeyRef, Mode};
use crate::dispatch::collect_keys;
use crate::follow::Changes;
use crate::reply::Discard;
use crate::single::Single;
use crate::tid::Tid;
use crate::transaction::Transaction;
use crate::{Halt, ReplySink, Scope, Turn};

/// A slice of a script, after which its reactor serves others, in microseconds. As long as the
/// longest command on small values, a quarter of what a waiting client may notice (1 ms).
const SLICE_US: u64 = 250;

/// A key that has to be taken before the next start.
pub(crate) type Wanted = (u16, Box<[u8]>);

/// What the unit owns.
#[derive(Debug, Default)]
enum Held {
    Keys(Transaction),
    #[default]
    Nothing,
    /// Nothing, but the only key was looked up.
    Single(Single),
    /// The whole, for writes of this version.
    Store(Tid),
}

/// What a script may do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rights {
    /// Writes are errors.
    pub(crate) read_only: bool,
    /// Writes that need memory are allowed above the limit.
    pub(crate) allow_oom: bool,
}

/// A script while it runs.
#[derive(Debug)]
pub(crate) struct Unit<'t, 's> {
    turn: &'t mut Turn<'s>,
    /// The script's own state as a client: its database.
    pub(crate) scope: &'t mut Scope,
    pub(crate) rights: Rights,
    courier: &'t Courier<'t>,
    held: Held,
    /// Learned on the way; taken first at the next start.
    wanted: Vec<Wanted>,
    /// Memory was over its limit before it began, and nothing could be evicted.
    pub(crate) full: bool,
    wrote: bool,
    /// What changed before it began: room made.
    changes: Changes,
    started_us: u64,
    slice_us: u64,
    listed: bool,
}

impl<'t, 's> Unit<'t, 's> {
    /// A unit that owns nothing yet.
    pub(crate) fn new(
        turn: &'t mut Turn<'s>,
        scope: &'t mut Scope,
        courier: &'t Courier<'t>,
    ) -> Self {
        let wanted = std::mem::take(&mut scope.wanted);
        let now_us = courier.clock_us();
        Self {
            turn,
            scope,
            rights: Rights::default(),
            courier,
            held: Held::Nothing,
            wanted,
            full: false,
            wrote: false,
            changes: Changes::default(),
            started_us: now_us,
            slice_us: now_us,
            listed: false,
        }
    }

    /// Runs `work` in a context that owns what the unit owns.
    pub(crate) fn within<R>(
        &mut self,
        sink: &mut dyn ReplySink,
        work: impl FnOnce(&mut Context<'_>) -> R,
    ) -> R {
        let mode = match &mut self.held {
            Held::Single(single) => Mode::Single(single),
            held => match std::mem::take(held) {
                Held::Keys(transaction) => Mode::Transaction(transaction),
                Held::Nothing | Held::Single(_) => Mode::Plain,
                Held::Store(tid) => Mode::Alone(tid),
            },
        };
        let (result, held) = {
            let mut context = self.turn.context(self.scope, sink);
            context.mode = mode;
            context.may_wait = false;
            let result = work(&mut context);
            let held = match context.mode {
                Mode::Alone(tid) => Some(Held::Store(tid)),
                // It was lent, and has stayed where it was.
                Mode::Single(_) => None,
                Mode::Transaction(transaction) => Some(Held::Keys(transaction)),
                Mode::Blind | Mode::Plain | Mode::View { .. } => Some(Held::Nothing),
            };
            (result, held)
        };
        if let Some(held) = held {
            self.held = held;
        }
        result
    }

    /// Makes room, and looks up the only key of a script (single.rs) at its first start; false
    /// when it has to [`begin`](Self::begin) instead.
    pub(crate) fn begin_single(&mut self, key: KeyRef<'_>) -> bool {
        if !self.wanted.is_empty() {
            return false;
        }
        let (full, found) = self
            .within(&mut Discard, |context| (context.make_room().is_err(), context.glance(key)));
        self.full = full;
        self.keep_changes();
        let is_found = found.is_some();
        if let Some(single) = found {
            self.held = Held::Single(single);
        }
        is_found
    }

    /// Makes room, and takes the keys that are known beforehand.
    ///
    /// # Errors
    /// [`Halt::Busy`]: one of them is held elsewhere for longer than a spin.
    pub(crate) fn begin(&mut self, declared: &[KeyRef<'_>]) -> Result<(), Halt> {
        let wanted = std::mem::take(&mut self.wanted);
        let (full, taken) = self.within(&mut Discard, |context| {
            let full = context.make_room().is_err();
            let mut keys: SmallVec<[KeyRef<'_>; 8]> = declared.into();
            keys.extend(wanted.iter().map(|(db, key)| (*db, &**key)));
            let taken = context.take(&keys);
            context.be_gentle();
            (full, taken)
        });
        self.full = full;
        self.wanted = wanted;
        self.keep_changes();
        taken
    }

    /// What has changed is not taken back any more.
    fn keep_changes(&mut self) {
        if self.turn.has_changes() {
            self.changes = merged(std::mem::take(&mut self.changes), self.turn.take_changes());
        }
    }

    /// Commits what was written; the keys are free. A unit whose single key was changed by others
    /// has to go back instead.
    pub(crate) fn commit(&mut self) {
        assert!(!self.courier.again.get(), "what has to go back is not committed (R2)");
        if matches!(&self.held, Held::Single(single) if !single.has_draft()) {
            // What only read holds nothing.
            self.held = Held::Nothing;
        }
        if matches!(self.held, Held::Nothing) {
            return self.keep_changes();
        }
        let done = self.within(&mut Discard, |context| {
            match context.mode {
                Mode::Alone(_) => context.leave_store(),
                Mode::Single(_) => return context.commit_single(),
                _ => context.finish(),
            }
            true
        });
        if done {
            self.keep_changes();
        } else {
            self.courier.again.set(true);
        }
    }

    /// The script has returned and is about to answer: false when it will not, because it starts
    /// again.
    pub(crate) fn has_returned(&mut self) -> bool {
        if matches!(self.held, Held::Single(_)) && !self.courier.again.get() {
            self.commit();
        }
        !self.courier.again.get()
    }

    /// Undoes everything; the keys are free.
    pub(crate) fn go_back(&mut self) {
        self.within(&mut Discard, |context| context.roll_back());
        drop(self.turn.take_changes());
        self.courier.host(|host| host.undone());
        self.courier.running().has_gone_back();
        self.wrote = false;
    }

    /// Leaves the keys to take first next time in the scope. Returns what changed.
    pub(crate) fn end(self) -> Changes {
        if self.listed {
            self.courier.unlist();
        }
        self.scope.wanted = self.wanted;
        self.changes
    }

    /// Runs a command that was queued for EXEC; its client's rights are its own.
    ///
    /// # Errors
    /// The answer in its place. When the unit has to go back it is of no account.
    pub(crate) fn run_queued(
        &mut self,
        spec: &'static CommandSpec,
        args: &[&[u8]],
        sink: &mut dyn ReplySink,
    ) -> Result<(), CommandError> {
        if self.courier.again.get() {
            return Err(CommandError::CannotWait);
        }
        self.prepare_and_call(spec, args, sink)
    }

    /// Runs one command of the script.
    ///
    /// # Errors
    /// The answer that the script sees. When the unit has to go back it is of no account.
    pub(crate) fn call(
        &mut self,
        spec: &'static CommandSpec,
        args: &[&[u8]],
        sink: &mut dyn ReplySink,
    ) -> Result<(), CommandError> {
        if self.courier.again.get() {
            return Err(CommandError::CannotWait);
        }
        self.permit(spec, args)?;
        let db = self.scope.db;
        self.courier.host(|host| host.scripted(spec, db, args));
        self.prepare_and_call(spec, args, sink)
    }

    fn prepare_and_call(
        &mut self,
        spec: &'static CommandSpec,
        args: &[&[u8]],
        sink: &mut dyn ReplySink,
    ) -> Result<(), CommandError> {
        let whole = spec.flags.intersects(Flags::EXCLUSIVE.or(Flags::WHOLE));
        if matches!(self.held, Held::Single(_)) && (whole || !self.is_single(spec, args)) {
            self.take_after_all()?;
        }
        if whole || spec.reads_elsewhere(args) {
            self.take_store()?;
        }
        self.take_keys(spec, args)?;
        let writes = spec.flags.contains(Flags::WRITE);
        if writes && !self.wrote {
            self.admit_write()?;
            if !self.courier.running().begin_to_write(self.listed) {
                return Err(CommandError::CannotWait);
            }
            self.wrote = true;
        }
        let courier = self.courier;
        let result =
            self.within(sink, |context| courier.host(|host| context.call(host, spec, args)));
        match result {
            Ok(()) => Ok(()),
            Err(Halt::Error(error)) => Err(error),
            // The token is somebody else's.
            Err(Halt::Busy | Halt::Wait(_)) => Err(self.give_up()),
        }
    }

    /// Whether the log takes a write. One that is congested takes a script's: it cannot be parked.
    fn admit_write(&mut self) -> Result<(), CommandError> {
        if self.turn.state.journal.is_none() {
            return Ok(());
        }
        match self.within(&mut Discard, |context| context.admit_write()) {
            Err(Halt::Error(error)) => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether a script may run the command at all.
    fn permit(&self, spec: &CommandSpec, args: &[&[u8]]) -> Result<(), CommandError> {
        if spec.flags.contains(Flags::NO_SCRIPT) {
            return Err(ScriptError::CommandForbidden.into());
        }
        // Other blocking commands are not for scripts at all; these are, without the option.
        let blocks = |arg: &&[u8]| arg.eq_ignore_ascii_case(b"block");
        let options = || args.iter().take_while(|arg| !arg.eq_ignore_ascii_case(b"streams"));
        if spec.flags.contains(Flags::BLOCKING) && options().any(blocks) {
            return Err(
                ScriptError::BlockOption(String::from_utf8_lossy(args[0]).into_owned()).into()
            );
        }
        // What others hear counts as a write here, as in Redis.
        if self.rights.read_only && spec.flags.intersects(Flags::WRITE.or(Flags::MAY_REPLICATE)) {
            return Err(ScriptError::CallsReadOnlyWrite.into());
        }
        let needs_memory = spec.flags.contains(Flags::DENY_OOM);
        if self.full && needs_memory && !self.rights.allow_oom && !self.wrote {
            return Err(CommandError::OutOfMemory);
        }
        Ok(())
    }

    /// Takes the keys of a command that are not owned yet.
    fn take_keys(&mut self, spec: &CommandSpec, args: &[&[u8]]) -> Result<(), CommandError> {
        if matches!(self.held, Held::Single(_) | Held::Store(_)) {
            return Ok(());
        }
        let (db, databases) = (self.scope.db, self.turn.databases());
        if spec.has_one_key_at_most() {
            return match spec.key_positions(args).next() {
                Some(at) => self.take_key((db, args[at])),
                None => Ok(()),
            };
        }
        let mut keys = Vec::new();
        collect_keys(db, spec, args, &mut keys);
        keys.retain(|&(db, _)| db < databases);
        keys.into_iter().try_for_each(|key| self.take_key(key))
    }

    /// Whether a command needs no key but the single one, and that not as an object.
    fn is_single(&self, spec: &CommandSpec, args: &[&[u8]]) -> bool {
        let Held::Single(single) = &self.held else { return false };
        let mut positions = spec.key_positions(args);
        let ours = |at: usize| single.is(self.scope.db, args[at]) && !single.has_object();
        let elsewhere = spec.cross_db.is_some() || spec.reads_elsewhere(args);
        !elsewhere && positions.next().is_none_or(ours) && positions.next().is_none()
    }

    /// Takes the single key.
    fn take_after_all(&mut self) -> Result<(), CommandError> {
        let taken = self.within(&mut Discard, |context| context.take_after_all());
        taken.map_err(|_| self.give_up())
    }

    fn take_key(&mut self, key: KeyRef<'_>) -> Result<(), CommandError> {
        loop {
            match self.within(&mut Discard, |context| context.take_more(key)) {
                Ok(()) => {
                    return Ok(());
                }
                Err(Halt::Error(error)) if !self.is_irrevocable() => {
                    // The owner takes long: so would everything that waits for it.
                    self.courier.again.set(true);
                    self.courier.fail(error.clone());
                    return Err(error);
                }
                Err(_) if self.is_irrevocable() => self.wait_for(key),
                Err(_) => {
                    self.wanted.push((key.0, key.1.into()));
                    return Err(self.give_up());
                }
            }
        }
    }

    /// Waits for a key as the token's holder: everybody else gives way.
    fn wait_for(&mut self, key: KeyRef<'_>) {
        self.within(&mut Discard, |context| {
            let hash = context.hash(key.1);
            context.shared.escalation.want(hash);
        });
        self.pause();
        self.within(&mut Discard, |context| context.shared.escalation.satisfy());
    }

    fn is_irrevocable(&self) -> bool {
        matches!(&self.held, Held::Keys(transaction) if transaction.irrevocable)
    }

    /// Marks the unit to go back.
    fn give_up(&mut self) -> CommandError {
        self.courier.again.set(true);
        CommandError::CannotWait
    }

    /// Takes the whole store for the rest of the script.
    fn take_store(&mut self) -> Result<(), CommandError> {
        loop {
            if matches!(self.held, Held::Store(_)) {
                return Ok(());
            }
            if self.within(&mut Discard, |context| context.enter_store()) {
                return Ok(());
            }
            if !self.is_irrevocable() {
                return Err(self.give_up());
            }
            self.pause();
        }
    }

    /// Lets the reactor serve others. What the unit owns stays its own.
    pub(crate) fn pause(&mut self) {
        self.list();
        self.turn.suspend();
        self.courier.pause();
        self.turn.resume();
        self.slice_us = self.courier.clock_us();
    }

    /// Puts the unit on the list of those that run for long.
    fn list(&mut self) {
        if !self.listed {
            self.listed = true;
            self.courier.list();
        }
    }

    /// Looks at the clock between instructions; false when the script has to end.
    pub(crate) fn tick(&mut self) -> bool {
        if self.courier.again.get() || self.courier.running().is_killed() {
            return false;
        }
        let now_us = self.courier.clock_us();
        let elapsed_us = now_us.saturating_sub(self.started_us);
        self.courier.running().elapsed_ms.set(elapsed_us / 1_000);
        let limit_us = self.courier.patience_ms() * 1_000;
        let is_slow = limit_us > 0 && elapsed_us >= limit_us;
        if let (true, Held::Keys(transaction)) = (is_slow, &self.held) {
            // SAFETY: boxed in `take`; the unit's, until it is committed or released.
            unsafe { &*transaction.commit }.mark_slow(self.courier.is_function());
        }
        if matches!(self.held, Held::Store(_)) {
            // Nobody else can run, not even SCRIPT KILL, so this takes its place.
            return !is_slow || self.wrote;
        }
        if now_us.saturating_sub(self.slice_us) >= SLICE_US {
            if matches!(self.held, Held::Single(_)) && self.take_after_all().is_err() {
                return false;
            }
            self.pause();
        }
        !self.courier.running().is_killed()
    }

    /// Whether every watched key is as it was.
    pub(crate) fn watches_hold(&mut self) -> bool {
        self.within(&mut Discard, |context| context.watches_hold())
    }

    /// Forgets the watched keys.
    pub(crate) fn unwatch(&mut self) {
        self.turn.unwatch(self.scope);
    }

    /// Number of databases.
    pub(crate) fn databases(&self) -> u16 {
        self.turn.databases()
    }
}

fn merged(mut first: Changes, second: Changes) -> Changes {
    first.keys.extend(second.keys);
    first.events.extend(second.events);
    first.whole |= second.whole;
    first
}
