//! Effects: what a write leaves in the log, and how it gets there.
//!
//! Why it exists: replaying the log has to make the same store, although it orders only the writes
//! of each key and not the reads before them. So an effect is a command whose outcome follows
//! from the value of its own key, its words and the time of the write, and from nothing else.
//! Which one a write has depends on the command ([`EffectForm`], a column of the table):
//!
//! - `Image`: the value that was stored, as SET or RESTORE, or what happened to the key as a whole;
//! - `Verbatim`: the command as it was sent, for commands that are functions of their one key;
//! - `Explicit`: words that the handler gives ([`Context::log`]), where the command is random,
//!   picks one of several keys, moves things between keys, or depends on settings.
//!
//! A write *owes* an effect from the moment it is published until its words are known, which is
//! when the handler gives them or returns. Until the turn ends its epoch cannot close, so no block
//! of the log is complete without them, and nobody answers a client who saw the write.
//!
//! Invariants
//! - F1: a write has exactly one effect, staged once: an unpaid debt when a handler returns, and a
//!   second write while one is owed, are errors of the program.
//! - F2: effects of a transaction are staged in the order of its writes and published with its TID;
//!   outside one, each write is published on its own, before the next.
//! - F3: nothing is built, copied or asked for without a journal, but whether there is one.

use crate::collection::{Shape, Stored};
use crate::commands::CommandSpec;
use crate::context::{Context, Mode};
use crate::host::{Halt, Host};
use crate::persist::rdb::seal;
use crate::persist::rdb::value::{Style, ValueRef};
use crate::record::Record;
use crate::tid::Tid;
use crate::value::{Change, NewText, Put};

/// Which effect the writes of a command have.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum EffectForm {
    /// Words that the handler gives.
    Explicit,
    /// The value that is stored.
    Image,
    /// It writes nothing.
    #[default]
    None,
    /// The command as it was sent.
    Verbatim,
}

/// What the running command owes the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ledger {
    pub(crate) form: EffectForm,
    /// The version of a write whose effect is not staged yet.
    owed: Option<Tid>,
}

impl Ledger {
    /// For work that is no command: what it writes is logged as it is.
    pub(crate) const fn new() -> Self {
        Self { form: EffectForm::Image, owed: None }
    }
}

impl Context<'_> {
    /// Whether the writes of this session go into a log, so that it pays to build effects.
    #[inline]
    pub(crate) fn is_logged(&self) -> bool {
        self.state.journal.is_some()
    }

    /// Calls a handler and stages the effect that its writes owe.
    #[inline(never)]
    pub(crate) fn call_logged(
        &mut self,
        host: &mut dyn Host,
        spec: &'static CommandSpec,
        args: &[&[u8]],
    ) -> Result<(), Halt> {
        let outer = std::mem::replace(&mut self.ledger.form, spec.effect);
        let result = self.handle(host, spec, args);
        if self.ledger.owed.is_some() {
            assert!(spec.effect == EffectForm::Verbatim, "{} owes an effect (F1)", spec.name);
            self.log(args);
        }
        self.ledger.form = outer;
        result
    }

    /// Gives the effect of the write that was just made, a command on the selected database. Does
    /// nothing if there was none.
    pub(crate) fn log(&mut self, words: &[&[u8]]) {
        let Some(tid) = self.ledger.owed.take() else { return };
        self.stage(self.scope.db, words);
        self.publish_staged(tid);
    }

    /// [`Context::log`] for a string that is stored.
    pub(crate) fn log_text(&mut self, key: &[u8], value: &[u8], deadline: Option<u64>) {
        let Some(tid) = self.ledger.owed.take() else { return };
        self.stage_text(self.scope.db, key, value, deadline);
        self.publish_staged(tid);
    }

    /// Notes that a write was published whose effect the handler knows, or its return.
    #[inline]
    pub(crate) fn owe(&mut self, tid: Tid) {
        if self.is_logged() {
            self.note_seen(tid);
            // A command that moves a value has one effect for both of its keys.
            let moves = self.ledger.form == EffectForm::Explicit && self.is_whole();
            assert!(self.ledger.owed.is_none() || moves, "a second write of one effect (F1)");
            self.ledger.owed = Some(tid);
        }
    }

    /// Whether writes take effect all at once, later.
    fn is_whole(&self) -> bool {
        matches!(self.mode, Mode::Alone(_) | Mode::Single(_) | Mode::Transaction(_))
    }

    /// Stages the effect of a change of a whole value; the caller is about to write it. False if
    /// the write is to owe its effect instead.
    pub(crate) fn stage_change(&mut self, db: u16, key: &[u8], change: &Change<'_>) -> bool {
        if self.ledger.form != EffectForm::Image {
            return false;
        }
        match change {
            Change::Keep => unreachable!("nothing is written"),
            Change::Expire(None) => self.stage(db, &[b"PERSIST", key]),
            Change::Expire(Some(deadline)) => {
                let mut digits = itoa::Buffer::new();
                self.stage(db, &[b"PEXPIREAT", key, digits.format(*deadline).as_bytes()]);
            }
            Change::Put(put) => self.stage_put(db, key, put),
            Change::Remove => self.stage(db, &[b"DEL", key]),
            Change::Store(stored, deadline) => self.stage_stored(db, key, stored, *deadline),
        }
        true
    }

    fn stage_put(&mut self, db: u16, key: &[u8], put: &Put<'_>) {
        let mut digits = itoa::Buffer::new();
        let copied;
        let value = match &put.text {
            NewText::Fresh(bytes) | NewText::Owned(bytes) => bytes,
            NewText::Int(number) => digits.format(*number).as_bytes(),
            NewText::Large(large) => {
                copied = large.to_vec();
                &copied
            }
            NewText::Slice(bytes) => *bytes,
        };
        self.stage_text(db, key, value, put.expire_at_ms);
    }

    /// Stages that a key holds a string.
    pub(crate) fn stage_text(&mut self, db: u16, key: &[u8], value: &[u8], deadline: Option<u64>) {
        match deadline {
            None => self.stage(db, &[b"SET", key, value]),
            Some(deadline) => {
                let mut digits = itoa::Buffer::new();
                let deadline = digits.format(deadline).as_bytes();
                self.stage(db, &[b"SET", key, value, b"PXAT", deadline]);
            }
        }
    }

    fn stage_stored(&mut self, db: u16, key: &[u8], stored: &Stored, deadline: Option<u64>) {
        let payload = match &stored.0 {
            Shape::Packed { kind, code, bytes } => {
                seal(ValueRef::of_packed(*kind, *code, bytes), Style::OWN)
            }
            // SAFETY: not in the keyspace yet, so nobody edits it.
            Shape::Object(object) => seal(unsafe { ValueRef::of_object(object) }, Style::OWN),
        };
        self.stage_image(db, key, &payload, deadline);
    }

    /// Stages that a key holds the value of a record that nobody else knows yet. False if the
    /// write is to owe its effect instead.
    pub(crate) fn stage_record(&mut self, db: u16, key: &[u8], record: &Record) -> bool {
        if self.ledger.form != EffectForm::Image {
            return false;
        }
        let deadline = record.expire_at_ms();
        if let Some(text) = record.text() {
            self.stage_text(db, key, &text.to_bytes(), deadline);
            return true;
        }
        let payload = match (record.object(), ValueRef::of_record(record)) {
            // SAFETY: the record is not published, and its object is its own.
            (Some(object), _) => seal(unsafe { ValueRef::of_object(&object) }, Style::OWN),
            (None, Some(packed)) => seal(packed, Style::OWN),
            (None, None) => unreachable!("a collection is an object or a block"),
        };
        self.stage_image(db, key, &payload, deadline);
        true
    }

    fn stage_image(&mut self, db: u16, key: &[u8], payload: &[u8], deadline: Option<u64>) {
        let mut digits = itoa::Buffer::new();
        let deadline = digits.format(deadline.unwrap_or(0)).as_bytes();
        self.stage(db, &[b"RESTORE", key, deadline, payload, b"REPLACE", b"ABSTTL"]);
    }

    /// Stages an effect.
    pub(crate) fn stage(&mut self, db: u16, words: &[&[u8]]) {
        if let Some(journal) = &mut self.state.journal {
            journal.stage(db, words);
            self.state.staged = true;
        }
    }

    /// Publishes what a write staged, unless it is part of a transaction.
    #[inline]
    pub(crate) fn publish_staged(&mut self, tid: Tid) {
        if self.is_whole() {
            return;
        }
        self.state.staged = false;
        self.note_seen(tid);
        if let Some(journal) = &mut self.state.journal {
            journal.publish(tid, self.now_ms);
        }
    }

    /// Publishes what a transaction staged; whether it staged anything.
    pub(crate) fn publish_whole(&mut self, tid: Tid) -> bool {
        if !std::mem::take(&mut self.state.staged) {
            return false;
        }
        self.note_seen(tid);
        if let Some(journal) = &mut self.state.journal {
            journal.publish(tid, self.now_ms);
        }
        true
    }

    /// Takes back what a write staged that lost its race.
    pub(crate) fn withdraw(&mut self) {
        assert!(!self.is_whole(), "nobody races a transaction for its keys");
        self.withdraw_whole();
    }

    /// Takes back what a transaction staged, if anything.
    pub(crate) fn withdraw_whole(&mut self) {
        if std::mem::take(&mut self.state.staged)
            && let Some(journal) = &mut self.state.journal
        {
            journal.withdraw();
        }
    }

    /// Logs that a key was removed on nobody's command.
    pub(crate) fn log_removed(&mut self, db: u16, key: &[u8], tid: Tid) {
        if self.is_logged() {
            assert!(self.ledger.owed.is_none(), "effects in the order of their TIDs (F2)");
            self.stage(db, &[b"DEL", key]);
            self.publish_staged(tid);
        }
    }

    /// Logs that parts of a collection were removed because they had expired.
    pub(crate) fn log_parts_gone(&mut self, key: &[u8], parts: &[Vec<u8>]) {
        if self.is_logged() {
            self.log_words(&[b"HDEL", key], parts);
        }
    }

    /// [`Context::log`] with a tail of words.
    pub(crate) fn log_words(&mut self, head: &[&[u8]], tail: &[impl AsRef<[u8]>]) {
        let words: Vec<&[u8]> =
            head.iter().copied().chain(tail.iter().map(AsRef::as_ref)).collect();
        self.log(&words);
    }

    // --- What was seen ---------------------------------------------------------------------

    /// Notes that the command looked at something of this version.
    #[inline]
    pub(crate) fn note_seen(&mut self, tid: Tid) {
        if self.is_logged() {
            self.state.seen = self.state.seen.max(tid.epoch());
        }
    }

    /// Notes that the command looked at whatever is there.
    pub(crate) fn note_all_seen(&mut self) {
        if self.is_logged() {
            self.state.seen = self.state.seen.max(self.shared.epochs.current());
        }
    }
}
