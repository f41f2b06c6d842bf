//! What all reactors share.
//!
//! Ordering edges
//! - `pause`: stores of `until_ms` and `all` -> loads of them. Numbers alone; a reactor may see a
//!   pause one turn late, as a client that is elsewhere cannot tell.
//! - `stop`: `begin_stop` (Release) -> `is_stopping` (Acquire). What was decided before the stop
//!   is visible to who sees it.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use engine::awaited::Awaited;
use engine::mailbox::Mailbox;
use engine::sync::{AtomicBool, AtomicU64, Counter, Ordering};
use engine::{Changed, Journal};
use mio::Waker;
use mio::net::UnixStream;
use zumic_error::{CommandError, Error};

use crate::admin::Admin;
use crate::admin::auth::Verdict;
use crate::blocked::Blocked;
use crate::clients::Clients;
use crate::durability::Durability;
use crate::handout::{Dump, Handout};
use crate::migrate::Migrations;
use crate::output::Output;
use crate::pubsub::{Broker, Publication};
use crate::settings::SharedSettings;
use crate::settings::ShutdownFlags;
use crate::tracking::{Invalidation, Stale, Tracking};

/// What one reactor says to another.
#[derive(Debug)]
pub(crate) enum Message {
    /// A connection from the Unix socket.
    Accepted(UnixStream),
    /// What a connection waited for ended: this word, or this error, by what was written up to
    /// this epoch.
    Answer(u64, Result<&'static str, CommandError>, u64),
    /// Keys that another thread changed and that clients may wait for.
    Changed(Vec<Changed>),
    /// The dump that this connection asked for.
    Dump(u64, Box<Dump>),
    /// Keys that connections have to forget.
    Invalidate(Invalidation),
    /// Close this connection, if it still is there.
    Kill(u64),
    /// Recovery ended: from now on writes go to this journal.
    Loaded(Box<dyn Journal>),
    /// A line for the connections under MONITOR.
    Monitor(Arc<str>),
    /// A waiting command of this connection was answered, by what was written up to this epoch.
    Unblocked(u64, Box<Output>, u64),
    /// A message for so many of its subscriptions.
    Publish(Arc<Publication>, u64),
    /// News for a connection that another one has redirected to it.
    Redirected(u64, Stale),
    /// The password check of a connection ended.
    Verdict(u64, Verdict),
}

/// How others reach a reactor.
#[derive(Debug)]
pub(crate) struct Handle {
    mailbox: Mailbox<Message>,
    waker: Waker,
    /// The epoch that its connections wait for to be on disk.
    pub(crate) awaited: Awaited,
    /// Receivers that wait for published messages; its reactor says so once per turn.
    pub(crate) backlog: Counter,
}

impl Handle {
    /// Makes a reactor's address.
    #[must_use]
    pub(crate) fn new(waker: Waker) -> Self {
        Self {
            mailbox: Mailbox::default(),
            waker,
            awaited: Awaited::default(),
            backlog: Counter::default(),
        }
    }

    /// Sends a message; wakes the reactor if it may be polling.
    pub(crate) fn send(&self, message: Message) {
        if self.mailbox.push(message) {
            self.wake();
        }
    }

    /// Wakes the reactor, so that it looks at the flags.
    pub(crate) fn wake(&self) {
        // The waker's pipe can only be full of wake-ups already.
        drop(self.waker.wake());
    }

    /// Takes every message. Only the reactor itself does.
    pub(crate) fn receive(&self, take: impl FnMut(Message)) {
        self.mailbox.drain(take);
    }
}

/// CLIENT PAUSE.
#[derive(Debug, Default)]
pub(crate) struct Pause {
    until_ms: AtomicU64,
    all: AtomicBool,
}

impl Pause {
    /// Pauses commands until `until_ms`; a pause under way is only ever made longer and wider,
    /// as in Redis.
    pub(crate) fn start(&self, until_ms: u64, all: bool, now_ms: u64) {
        // ORDER(pause): Relaxed; see above.
        let running = self.until_ms.load(Ordering::Relaxed) > now_ms;
        if !running {
            // ORDER(pause): Relaxed; see above.
            self.all.store(all, Ordering::Relaxed);
        } else if all {
            // ORDER(pause): Relaxed; see above.
            self.all.store(true, Ordering::Relaxed);
        }
        // ORDER(pause): Relaxed; see above.
        self.until_ms.fetch_max(until_ms, Ordering::Relaxed);
    }

    /// Ends the pause.
    pub(crate) fn end(&self) {
        // ORDER(pause): Relaxed; see above.
        self.until_ms.store(0, Ordering::Relaxed);
    }

    /// Whether a command has to wait.
    #[inline]
    #[must_use]
    pub(crate) fn holds(&self, now_ms: u64, writes: bool) -> bool {
        // ORDER(pause): Relaxed; see above.
        if self.until_ms.load(Ordering::Relaxed) <= now_ms {
            return false;
        }
        // ORDER(pause): Relaxed; see above.
        writes || self.all.load(Ordering::Relaxed)
    }
}

/// Why the server ends.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The SHUTDOWN command, and who sent it: reactor and connection.
    Command(ShutdownFlags, (usize, u64)),
    /// The data could not be loaded.
    Failed(Error),
    /// SIGTERM or SIGINT.
    Signal(i32),
}

/// What all reactors share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Settings, INFO, logs, passwords.
    pub(crate) admin: Arc<Admin>,
    /// The published settings.
    pub(crate) settings: Arc<SharedSettings>,
    /// All connections.
    pub(crate) clients: Clients,
    /// Clients that wait for a key.
    pub(crate) blocked: Blocked,
    /// Log and snapshots, in persistent mode.
    pub(crate) durability: Option<Arc<Durability>>,
    /// Publish and subscribe.
    pub(crate) broker: Arc<Broker>,
    /// Client-side caching.
    pub(crate) tracking: Arc<Tracking>,
    /// All reactors.
    pub(crate) reactors: Vec<Arc<Handle>>,
    /// The dump that a client is given.
    pub(crate) handout: Handout,
    /// Keys on their way to other servers.
    pub(crate) migrations: Migrations,
    /// CLIENT PAUSE.
    pub(crate) pause: Pause,
    /// Connections under MONITOR: nobody formats a line for none.
    pub(crate) monitors: AtomicU64,
    /// Reactors finish what they have and end.
    pub(crate) stopping: AtomicBool,
    /// To the main thread.
    pub(crate) stop: Sender<Stop>,
}

impl Shared {
    /// Whether reactors should end.
    #[inline]
    #[must_use]
    pub(crate) fn is_stopping(&self) -> bool {
        // ORDER(stop): Acquire; pairs with `begin_stop`.
        self.stopping.load(Ordering::Acquire)
    }

    /// Tells all reactors to end.
    pub(crate) fn begin_stop(&self) {
        // ORDER(stop): Release; pairs with `is_stopping`.
        self.stopping.store(true, Ordering::Release);
        for reactor in &self.reactors {
            reactor.wake();
        }
    }

    /// Whether any connection is under MONITOR.
    #[inline]
    #[must_use]
    pub(crate) fn is_monitored(&self) -> bool {
        // ORDER: Relaxed (unpaired); a monitor may miss commands from before its own reply.
        self.monitors.load(Ordering::Relaxed) != 0
    }

    /// Counts connections under MONITOR up or down.
    pub(crate) fn count_monitors(&self, up: bool) {
        let change = if up { 1 } else { u64::MAX };
        // ORDER: Relaxed (unpaired); a count.
        self.monitors.fetch_add(change, Ordering::Relaxed);
    }
}
