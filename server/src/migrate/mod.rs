//! MIGRATE: keys from here to another server.
//!
//! Why it exists: Redis stops the world while it talks to the other server. Here a few threads of
//! their own do that, the client's connection waits, and everybody else goes on. So a key may
//! change on its way. What must hold all the same is that a key is neither lost nor in both places
//! when the client hears OK: it is removed here only if it is what was sent (as WATCH would
//! have it). Otherwise it is sent again, over the copy that is there; and when it changes faster
//! than that, the copy is taken back.
//!
//! Reading order: `order` (the arguments), this file (threads, rounds), `parcel` (the keys on this
//! side), `link` (the other side).
//!
//! Invariants
//! - M1: a key is removed only after the other server has acknowledged this very version of it.
//! - M2: under `appendfsync always` a version is sent only when it is on disk, and OK waits until
//!   the removal is; a crash leaves a key in both places at worst, never in none.
//! - M3: no lock is held while a thread talks to the other server.
//! - M4: after `end` no thread touches the store, so that the log can be closed.

mod link;
mod order;
mod parcel;

use std::mem;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use engine::{Context, Halt, Session};
use zumic_error::{CommandError, DumpError, DurabilityError};

use self::link::{Line, Link, Trouble};
use self::order::Order;
use self::parcel::Parcel;
use crate::clock;
use crate::connection::Waiting;
use crate::dispatch::ConnectionHost;
use crate::notify;
use crate::shared::{Message, Shared};

/// Orders carried out at the same time.
const THREADS: usize = 4;
/// Orders that wait for one of the threads.
const QUEUE_LEN_MAX: usize = 1_024;
/// Times that a key which changes is sent.
const ROUNDS_MAX: usize = 8;
/// Connections that are kept for the next order, and how long: Redis's numbers.
const LINKS_MAX: usize = 64;
const LINK_IDLE_MAX: Duration = Duration::from_secs(10);
/// Between two looks at something that will change soon.
const PATIENCE: Duration = Duration::from_millis(1);

/// An order, and who waits for it.
#[derive(Debug)]
struct Job {
    reactor: usize,
    client: u64,
    order: Order,
}

/// The way to the threads.
#[derive(Debug, Default)]
enum Queue {
    #[default]
    Idle,
    Running(SyncSender<Job>),
    Ended,
}

/// The orders of a server.
#[derive(Debug, Default)]
pub(crate) struct Migrations {
    queue: Mutex<Queue>,
    /// The session of all threads: each is at the store for microseconds, and on its way for
    /// milliseconds. `None` before the first order and after the end.
    session: Mutex<Option<Session>>,
    links: Mutex<Vec<Link>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is half-done behind a poisoned lock: a panic ends the process.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// MIGRATE host port key|"" db timeout [COPY] [REPLACE] [AUTH ...] [KEYS ...]: answered by a
/// thread.
pub(crate) fn run(
    host: &mut ConnectionHost<'_>,
    context: &mut Context<'_>,
    args: &[&[u8]],
) -> Result<(), Halt> {
    let order = Order::parse(context.scope().db, args)?;
    if host.in_exec {
        return Err(CommandError::CannotWait.into());
    }
    let (reactor, client) = (host.core.index, host.state.record.id);
    submit(&host.core.shared, Job { reactor, client, order })?;
    host.state.waiting = Some(Waiting::Answer);
    Ok(())
}

/// Hands an order to the threads, which are started for the first one.
fn submit(shared: &Arc<Shared>, job: Job) -> Result<(), CommandError> {
    let mut queue = lock(&shared.migrations.queue);
    if let Queue::Idle = *queue {
        let (sender, jobs) = sync_channel(QUEUE_LEN_MAX);
        let jobs = Arc::new(Mutex::new(jobs));
        let mut session = shared.admin.engine().session();
        if let Some(journal) = shared.durability.as_ref().and_then(|own| own.journal()) {
            session.set_journal(journal);
        }
        *lock(&shared.migrations.session) = Some(session);
        for number in 0..THREADS {
            let (shared, jobs) = (Arc::clone(shared), Arc::clone(&jobs));
            let thread = thread::Builder::new().name(format!("zumic-migrate-{number}"));
            // One is enough; with none, the queue is closed, and the order refused below.
            drop(thread.spawn(move || work(&shared, &jobs)));
        }
        *queue = Queue::Running(sender);
    }
    let sent = match &*queue {
        Queue::Running(sender) => sender.try_send(job).is_ok(),
        Queue::Idle | Queue::Ended => false,
    };
    if sent { Ok(()) } else { Err(DumpError::MigrateBusy.into()) }
}

impl Migrations {
    /// Now and then, by a background thread: clears what deleted keys left behind in the
    /// session, and closes connections that nobody has used for a while.
    pub(crate) fn tick(&self, now_ms: u64) {
        if let Ok(mut session) = self.session.try_lock()
            && let Some(session) = &mut *session
        {
            drop(session.enter(now_ms));
        }
        if let Ok(mut links) = self.links.try_lock() {
            links.retain(|link| link.idle() < LINK_IDLE_MAX);
        }
    }

    /// Ends the work at the store. Orders under way are not answered any more; what they
    /// have not removed stays.
    pub(crate) fn end(&self) {
        *lock(&self.queue) = Queue::Ended;
        lock(&self.session).take();
    }

    /// An open connection to the place of an order, and whether it was used before.
    fn link(&self, order: &Order, fresh: bool) -> Result<(Link, bool), DumpError> {
        let mut links = lock(&self.links);
        links.retain(|link| link.idle() < LINK_IDLE_MAX && !(fresh && link.leads_to(order)));
        let kept = links.iter().position(|link| link.leads_to(order));
        let kept = kept.map(|at| links.swap_remove(at));
        drop(links);
        match kept {
            Some(link) => Ok((link, true)),
            None => Ok((Link::open(order)?, false)),
        }
    }

    fn keep(&self, link: Link) {
        let mut links = lock(&self.links);
        if links.len() < LINKS_MAX {
            links.push(link);
        }
    }
}

/// A thread: order after order, until the server ends.
fn work(shared: &Shared, jobs: &Mutex<Receiver<Job>>) {
    loop {
        let job = lock(jobs).recv();
        let Ok(Job { reactor, client, order }) = job else { return };
        crate::panic::set_current("migrate");
        let mut journey = Journey { shared, order: &order, epoch: 0 };
        let answer = journey.go();
        let message = Message::Answer(client, answer, journey.epoch);
        shared.reactors[reactor].send(message);
    }
}

/// An order that is being carried out.
struct Journey<'s> {
    shared: &'s Shared,
    order: &'s Order,
    /// The highest epoch of a version that was sent, or of a removal.
    epoch: u64,
}

/// What came of a round.
#[derive(Default)]
struct Round {
    /// Keys that changed on their way.
    changed: Vec<Vec<u8>>,
    /// The first thing that went wrong.
    error: Option<CommandError>,
}

impl Journey<'_> {
    fn go(&mut self) -> Result<&'static str, CommandError> {
        let mut parcels = self.pack(&self.order.keys, true)?;
        if parcels.is_empty() {
            return Ok("NOKEY");
        }
        let (mut link, reused) = self.shared.migrations.link(self.order, false)?;
        let mut replies = self.send(&mut link, &mut parcels, false);
        if reused && replies.as_ref().is_err_and(|trouble| trouble.is_stale()) {
            // The other server closes connections that are idle; nobody needs to hear of that.
            link = self.shared.migrations.link(self.order, true)?.0;
            replies = self.send(&mut link, &mut parcels, false);
        }
        let mut round = self.account(parcels, replies);
        for _ in 1..ROUNDS_MAX {
            if round.changed.is_empty() || round.error.is_some() {
                break;
            }
            let mut parcels = self.pack(&round.changed, false)?;
            let replies = self.send(&mut link, &mut parcels, true);
            round = self.account(parcels, replies);
        }
        if let (Some(first), None) = (round.changed.first(), &round.error) {
            let first = String::from_utf8_lossy(first).into_owned();
            link.take_back(&round.changed).map_err(Trouble::error)?;
            return Err(DumpError::MigrateChanging(first).into());
        }
        if let Some(error) = round.error {
            return Err(error);
        }
        self.shared.migrations.keep(link);
        Ok("OK")
    }

    /// Reads keys as they are now. What is absent is left out, or packed as that.
    fn pack(&mut self, keys: &[Vec<u8>], present: bool) -> Result<Vec<Parcel>, CommandError> {
        let mut parcels = Vec::with_capacity(keys.len());
        for key in keys {
            let db = self.order.db;
            let parcel = self.at_store(|session| Parcel::pack(session, db, key))?;
            self.epoch = self.epoch.max(parcel.epoch);
            if present && parcel.is_absent() {
                self.unwatch(parcel);
            } else {
                parcels.push(parcel);
            }
        }
        self.wait_for_disk()?;
        Ok(parcels)
    }

    /// Waits until what was packed is on disk, if replies do (M2).
    fn wait_for_disk(&self) -> Result<(), CommandError> {
        match &self.shared.durability {
            Some(durability) if !durability.await_disk(self.epoch, self.shared) => {
                Err(DurabilityError::ReadNotDurable.into())
            }
            _ => Ok(()),
        }
    }

    /// Sends parcels; a reply for each, until something went wrong.
    fn send(
        &self,
        link: &mut Link,
        parcels: &mut [Parcel],
        again: bool,
    ) -> Result<Vec<Line>, Trouble> {
        link.greet(self.order)?;
        let mut requests = Vec::new();
        let now_ms = clock::now_ms();
        for parcel in parcels.iter_mut() {
            parcel.write(&mut requests, now_ms, self.order.replace || again);
        }
        link.exchange(&requests, parcels.len())
    }

    /// Removes what has arrived, unless it is to stay.
    fn account(&mut self, parcels: Vec<Parcel>, replies: Result<Vec<Line>, Trouble>) -> Round {
        let mut round = Round::default();
        let (replies, trouble) = match replies {
            Ok(replies) => (replies, None),
            Err(mut trouble) => (mem::take(&mut trouble.replies), Some(trouble)),
        };
        let mut replies = replies.into_iter();
        for parcel in parcels {
            match replies.next() {
                Some(Ok(())) if !self.order.copy => match self.remove(parcel) {
                    Ok(None) => {}
                    Ok(Some(changed)) => round.changed.push(changed),
                    Err(error) => round.error = round.error.or(Some(error)),
                },
                Some(Err(text)) => {
                    let error = DumpError::MigrateTarget(text).into();
                    round.error = round.error.or(Some(error));
                    self.unwatch(parcel);
                }
                Some(Ok(())) | None => self.unwatch(parcel),
            }
        }
        round.error = round.error.or(trouble.map(|trouble| trouble.error().into()));
        round
    }

    /// Removes a key that is there now, if it is what was sent; its name if it is not (M1).
    fn remove(&mut self, mut parcel: Parcel) -> Result<Option<Vec<u8>>, CommandError> {
        if parcel.is_absent() {
            return Ok(None);
        }
        while self.shared.pause.holds(clock::now_ms(), true) && !self.shared.is_stopping() {
            thread::sleep(PATIENCE);
        }
        match self.at_store(|session| parcel.remove(session))? {
            Some(epoch) => {
                self.epoch = self.epoch.max(epoch);
                Ok(None)
            }
            None => Ok(Some(parcel.key)),
        }
    }

    /// Runs `work` at the store, as soon as that can be, and tells what it changed.
    fn at_store<R>(
        &self,
        mut work: impl FnMut(&mut Session) -> Result<R, Halt>,
    ) -> Result<R, CommandError> {
        loop {
            let mut session = lock(&self.shared.migrations.session);
            let at_work = session.as_mut();
            let done = at_work.map(|session| (work(session), session.take_changes()));
            // The lock is given up before the next look.
            drop(session);
            let Some((done, changes)) = done else { return Err(DumpError::MigrateBusy.into()) };
            notify::tell(self.shared, changes);
            match done {
                Ok(result) => return Ok(result),
                Err(Halt::Error(error)) => return Err(error),
                Err(Halt::Busy | Halt::Wait(_)) => thread::sleep(PATIENCE),
            }
        }
    }

    fn unwatch(&self, mut parcel: Parcel) {
        // Without a store there is nothing to give back.
        drop(self.at_store(|session| {
            parcel.unwatch(session);
            Ok(())
        }));
    }
}
