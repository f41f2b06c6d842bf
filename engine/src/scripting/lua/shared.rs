//! The part of a VM that functions called from Lua reach.
//!
//! Why it exists: a function that Lua calls gets a state and nothing else; the address of this is
//! the first own value of each closure. What is here lives at one address until the state is
//! closed, and an error that jumps over our frames frees nothing of it.
//!
//! Invariants
//! - H1: `host` is set while a script runs, by the borrow that `Vm::run` holds, and not otherwise.
//! - H2: one thread, and no reference into a [`Buffer`] or a [`Words`] is held while another
//!   function of ours runs: each method is done when it returns, and a slice that one gives is used
//!   up before the next is called.

use std::cell::{Cell, UnsafeCell};
use std::ffi::c_int;
use std::ptr::NonNull;

use super::host::{ScriptHost, Verdict};
use super::json;
use super::kept::Blank;
use super::library::Registered;
use super::msgpack;
use super::random::Random;
use super::reply::CallReply;

/// What the closures of a VM share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    host: Cell<Option<NonNull<dyn ScriptHost>>>,
    /// The version of the protocol in which replies come to the script: 2, or 3 after `setresp`.
    pub(super) version: Cell<u8>,
    /// What the host said when it said anything but to go on.
    pub(super) verdict: Cell<Option<Verdict>>,
    /// Bytes under construction.
    pub(super) buffer: Buffer,
    /// The arguments of the command that is called.
    pub(super) words: Words,
    /// The reply to it.
    reply: UnsafeCell<CallReply>,
    /// What the library that is being loaded has registered.
    pub(super) registered: Registrations,
    pub(super) random: Random,
    /// The settings of `cjson`.
    pub(super) json: json::Settings,
    pub(super) json_levels: Levels<json::Level>,
    pub(super) msgpack_levels: Levels<msgpack::Level>,
    /// How the tables KEYS and ARGV look when they are new.
    pub(super) blank: Blank,
    /// Steps of our functions until the host is asked again; see `vm::pace`.
    pub(super) steps_left: Cell<u32>,
    /// What the buffer may hold.
    pub(super) buffer_bytes_max: Cell<usize>,
}

impl Shared {
    /// Lends the host to the script until [`Shared::leave`].
    pub(super) fn enter(&self, host: &mut dyn ScriptHost) {
        // SAFETY: only the lifetime changes; `leave` is called before the borrow ends (H1).
        let host: NonNull<dyn ScriptHost> = unsafe { std::mem::transmute(NonNull::from(host)) };
        self.host.set(Some(host));
        self.version.set(2);
        self.verdict.set(None);
        self.json.reset();
        self.steps_left.set(super::vm::STEPS);
    }

    /// Takes the host away.
    pub(super) fn leave(&self) {
        self.host.set(None);
    }

    /// The host, while a script runs.
    pub(super) fn host<'h>(&self) -> Option<&'h mut (dyn ScriptHost + 'static)> {
        // SAFETY: H1: the host lives while it is set, and the VM's caller has lent it; calls of it
        // do not nest, because a host does not run scripts on the VM that calls it.
        self.host.get().map(|mut host| unsafe { host.as_mut() })
    }

    /// Runs the command in [`Shared::words`]; its reply is returned, for use before the next.
    pub(super) fn run_command(&self, host: &mut dyn ScriptHost) -> &CallReply {
        // SAFETY: H2: no other reference to the reply is in use when a command is called.
        let reply = unsafe { &mut *self.reply.get() };
        reply.clear(self.version.get());
        host.call(self.words.all(), reply);
        reply
    }
}

/// Bytes under construction, used like a stack: whoever nests cuts back to where it began.
#[derive(Debug, Default)]
pub(super) struct Buffer(UnsafeCell<Vec<u8>>);

/// What a buffer keeps between uses.
const KEPT_BYTES_MAX: usize = 64 * 1024;

impl Buffer {
    #[expect(clippy::mut_from_ref, reason = "private; H2")]
    fn vec(&self) -> &mut Vec<u8> {
        // SAFETY: H2: no other reference is alive during a method of this type.
        unsafe { &mut *self.0.get() }
    }

    pub(super) fn len(&self) -> usize {
        self.vec().len()
    }

    pub(super) fn push(&self, byte: u8) {
        self.vec().push(byte);
    }

    pub(super) fn extend(&self, bytes: &[u8]) {
        self.vec().extend_from_slice(bytes);
    }

    /// Runs code that appends; it must not call anything of this module.
    pub(super) fn append(&self, write: impl FnOnce(&mut Vec<u8>)) {
        write(self.vec());
    }

    /// Room for `bytes` more, so that slices stay where they are meanwhile.
    pub(super) fn reserve(&self, bytes: usize) {
        self.vec().reserve(bytes);
    }

    /// Cuts back.
    pub(super) fn truncate(&self, len: usize) {
        self.vec().truncate(len);
    }

    /// The bytes from `start` on (H2).
    pub(super) fn from(&self, start: usize) -> &[u8] {
        &self.vec()[start..]
    }

    /// Gives back what one large use has left.
    pub(super) fn trim(&self) {
        let vec = self.vec();
        vec.clear();
        vec.shrink_to(KEPT_BYTES_MAX);
    }
}

/// The words of a command, borrowed from the Lua stack and the buffer.
#[derive(Debug, Default)]
pub(super) struct Words(UnsafeCell<Vec<&'static [u8]>>);

impl Words {
    #[expect(clippy::mut_from_ref, reason = "private; H2")]
    fn vec(&self) -> &mut Vec<&'static [u8]> {
        // SAFETY: H2: no other reference is alive during a method of this type.
        unsafe { &mut *self.0.get() }
    }

    pub(super) fn clear(&self) {
        self.vec().clear();
    }

    /// Adds a word that stays where it is until the words are cleared.
    pub(super) fn push(&self, word: &[u8]) {
        // SAFETY: only the lifetime changes; who pushes keeps the bytes until `clear`.
        let word: &'static [u8] = unsafe { std::mem::transmute(word) };
        self.vec().push(word);
    }

    /// All words, until the next is pushed (H2).
    pub(super) fn all(&self) -> &[&[u8]] {
        self.vec()
    }
}

/// The functions that a library registers while it is loaded.
#[derive(Debug, Default)]
pub(super) struct Registrations(UnsafeCell<Option<Vec<Registered>>>);

impl Registrations {
    #[expect(clippy::mut_from_ref, reason = "private; H2")]
    fn inner(&self) -> &mut Option<Vec<Registered>> {
        // SAFETY: H2: no other reference is alive during a method of this type.
        unsafe { &mut *self.0.get() }
    }

    /// A library is loaded from now on.
    pub(super) fn begin(&self) {
        *self.inner() = Some(Vec::new());
    }

    /// What was registered since.
    pub(super) fn end(&self) -> Vec<Registered> {
        self.inner().take().unwrap_or_default()
    }

    pub(super) fn is_loading(&self) -> bool {
        self.inner().is_some()
    }

    pub(super) fn has(&self, name: &[u8]) -> bool {
        self.inner().iter().flatten().any(|registered| registered.name == name)
    }

    pub(super) fn add(&self, registered: Registered) {
        if let Some(all) = self.inner() {
            all.push(registered);
        }
    }
}

/// The tables around the value that is being read or written, used under H2.
#[derive(Debug)]
pub(super) struct Levels<L>(UnsafeCell<Vec<L>>);

impl<L: Copy> Levels<L> {
    #[expect(clippy::mut_from_ref, reason = "private; H2")]
    fn vec(&self) -> &mut Vec<L> {
        // SAFETY: H2: no other reference is alive during a method of this type.
        unsafe { &mut *self.0.get() }
    }

    pub(super) fn clear(&self) {
        self.vec().clear();
    }

    pub(super) fn push(&self, level: L) {
        self.vec().push(level);
    }

    pub(super) fn pop(&self) {
        self.vec().pop();
    }

    pub(super) fn last(&self) -> Option<L> {
        self.vec().last().copied()
    }

    pub(super) fn set_last(&self, level: L) {
        if let Some(last) = self.vec().last_mut() {
            *last = level;
        }
    }

    /// How many tables there are around the value, as C counts.
    pub(super) fn depth(&self) -> c_int {
        c_int::try_from(self.vec().len()).unwrap_or(c_int::MAX)
    }
}

impl<L> Default for Levels<L> {
    fn default() -> Self {
        Self(UnsafeCell::new(Vec::new()))
    }
}
