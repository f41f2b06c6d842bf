//! Clients that wait for a key: BLPOP and its kin, XREAD BLOCK.
//!
//! Why it exists: a command that found nothing is kept with its arguments and run again, by
//! whichever reactor changes one of its keys, before that reactor answers its own client. So the
//! element goes to the client that waits longest, and the pusher finds it gone, as in Redis,
//! whichever threads the two are on. A command without anybody waiting pays two loads
//! (`engine::Followers`).
//!
//! Invariants
//! - B1: a client is on the queue of each of its keys from before its second look at them until it
//!   is answered, and counted among the followers of each.
//! - B2: `state` decides who answers: one thread at a time has claimed it, and what has ended is
//!   never claimed again.
//! - B3: a key's queue is served by one thread at a time; a change that comes meanwhile makes that
//!   thread look again.
//!
//! Ordering edges
//! - `blocked-claim`: claim (Acquire) -> unclaim or end (Release), one word. The rest of a client
//!   never changes.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::commands::{CommandSpec, Group};
use engine::sync::{AtomicU32, Ordering};
use engine::{Changed, Engine, Halt, Kind, NoHost, ReplySink, Scope, Turn};
use protocol::Version;
use zumic_error::CommandError;

use crate::connection::ClientState;
use crate::output::Output;
use crate::reactor::Core;
use crate::reply::Reply;
use crate::shared::Message;

const WAITING: u32 = 0;
const CLAIMED: u32 = 1;
const ENDED: u32 = 2;
/// Locks, so that keys of different clients rarely meet.
const SHARDS: usize = 64;

/// A command that waits, and whose it is.
#[derive(Debug)]
pub(crate) struct BlockedClient {
    /// The connection's id and reactor.
    pub(crate) id: u64,
    /// See `id`.
    pub(crate) reactor: usize,
    /// When it gives up, Unix milliseconds.
    pub(crate) until_ms: Option<u64>,
    /// What its client wrote or saw before, up to this epoch: for WAITAOF.
    pub(crate) epoch: u64,
    version: Version,
    db: u16,
    no_touch: bool,
    spec: &'static CommandSpec,
    args: Vec<Vec<u8>>,
    state: AtomicU32,
}

impl PartialEq for BlockedClient {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for BlockedClient {}

impl BlockedClient {
    fn take(&self, to: u32) -> bool {
        // ORDER(blocked-claim): Acquire; what the last claimer did is done. Relaxed on failure:
        // somebody else has it.
        let taken = self.state.compare_exchange(WAITING, to, Ordering::Acquire, Ordering::Relaxed);
        taken.is_ok()
    }

    fn set(&self, to: u32) {
        // ORDER(blocked-claim): Release; pairs with the next claim.
        self.state.store(to, Ordering::Release);
    }

    /// Whether it waits for the log, and not for a key.
    #[must_use]
    pub(crate) fn is_waitaof(&self) -> bool {
        self.spec.name == "waitaof"
    }

    /// Ends the wait; false when somebody is answering it, or has.
    #[must_use]
    pub(crate) fn end(&self) -> bool {
        self.take(ENDED)
    }

    fn args(&self) -> Vec<&[u8]> {
        self.args.iter().map(Vec::as_slice).collect()
    }

    fn keys(&self) -> Vec<Box<[u8]>> {
        let args = self.args();
        let mut keys: Vec<Box<[u8]>> =
            awaited(self.spec, &args).map(|at| args[at].into()).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// The answer of a wait that nothing came of; `logged` says whether the client's writes are on
    /// disk.
    pub(crate) fn write_timeout(&self, output: &mut Output, logged: bool) {
        let mut reply = Reply::new(output, self.version);
        match self.spec.name {
            // How many replicas have it; and before that, how many logs.
            "wait" => reply.integer(0),
            "waitaof" => {
                reply.array(2);
                reply.integer(i64::from(logged));
                reply.integer(0);
            }
            _ => reply.null_array(),
        }
    }

    /// The answer to who was woken by CLIENT UNBLOCK ... ERROR.
    pub(crate) fn write_unblocked(&self, output: &mut Output) {
        Reply::new(output, self.version).error(&CommandError::Unblocked);
    }
}

#[derive(Debug, Default)]
struct Queue {
    clients: VecDeque<Arc<BlockedClient>>,
    serving: bool,
    again: bool,
}

type Queues = HashMap<(u16, Box<[u8]>), Queue>;

/// All waiting clients by their keys, in order of arrival.
#[derive(Debug)]
pub(crate) struct Blocked {
    hasher: RandomState,
    shards: Box<[Mutex<Queues>]>,
}

impl Default for Blocked {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { hasher: RandomState::new(), shards }
    }
}

impl Blocked {
    fn shard(&self, db: u16, key: &[u8]) -> MutexGuard<'_, Queues> {
        let hash = self.hasher.hash_one((db, key));
        let at = usize::try_from(hash % SHARDS as u64).expect("below SHARDS");
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn register(&self, engine: &Engine, client: &Arc<BlockedClient>) {
        for key in client.keys() {
            engine.follow_key(&key);
            let queue = &mut self.shard(client.db, &key);
            let queue = queue.entry((client.db, key)).or_default();
            queue.clients.push_back(Arc::clone(client));
        }
    }

    /// Takes a client off its queues. Whoever claimed or ended it does.
    pub(crate) fn unregister(&self, engine: &Engine, client: &BlockedClient) {
        for key in client.keys() {
            let mut shard = self.shard(client.db, &key);
            let name = (client.db, key);
            let Some(queue) = shard.get_mut(&name) else { continue };
            let at =
                queue.clients.iter().position(|other| std::ptr::eq(&raw const **other, client));
            if let Some(at) = at {
                queue.clients.remove(at);
                engine.unfollow_key(&name.1);
            }
            if queue.clients.is_empty() && !queue.serving {
                shard.remove(&name);
            }
        }
    }

    /// Whether anybody waits for the key.
    fn waits(&self, db: u16, key: &[u8]) -> bool {
        self.shard(db, key).contains_key(&(db, Box::from(key)))
    }

    /// Every key that somebody waits for.
    fn keys(&self) -> Vec<(u16, Box<[u8]>)> {
        let lock = |shard: &'_ Mutex<Queues>| -> Vec<(u16, Box<[u8]>)> {
            shard.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
        };
        self.shards.iter().flat_map(lock).collect()
    }

    /// Begins to serve a key; false when nobody waits, or another thread is at it (B3).
    fn begin(&self, db: u16, key: &[u8]) -> bool {
        let mut shard = self.shard(db, key);
        match shard.get_mut(&(db, Box::from(key))) {
            None => false,
            Some(queue) if queue.serving => {
                queue.again = true;
                false
            }
            Some(queue) => {
                queue.serving = true;
                true
            }
        }
    }

    /// The next client from position `from` on that is not of a group without hope.
    fn next(
        &self,
        db: u16,
        key: &[u8],
        from: usize,
        hopeless: &[Group],
    ) -> Option<(usize, Arc<BlockedClient>)> {
        let shard = self.shard(db, key);
        let queue = shard.get(&(db, Box::from(key)))?;
        let mut rest = queue.clients.iter().enumerate().skip(from);
        let found = rest.find(|(_, client)| !hopeless.contains(&client.spec.group));
        found.map(|(at, client)| (at, Arc::clone(client)))
    }

    /// Ends serving; true when the key changed meanwhile and has to be served again.
    fn finish(&self, db: u16, key: &[u8], abandon: bool) -> bool {
        let mut shard = self.shard(db, key);
        let name = (db, Box::from(key));
        let Some(queue) = shard.get_mut(&name) else { return false };
        if std::mem::take(&mut queue.again) && !abandon {
            return true;
        }
        queue.serving = false;
        if queue.clients.is_empty() {
            shard.remove(&name);
        }
        false
    }
}

/// Positions of the keys that a command waits for: all, but not those that it would push to.
fn awaited(spec: &CommandSpec, args: &[&[u8]]) -> impl Iterator<Item = usize> {
    let moves = matches!(spec.name, "blmove" | "brpoplpush");
    spec.key_positions(args).take(if moves { 1 } else { usize::MAX })
}

/// The type of the keys that a blocking command waits for.
fn awaited_kind(spec: &CommandSpec) -> Kind {
    match spec.name.as_bytes() {
        [b'b', b'z', ..] => Kind::SortedSet,
        [b'x', ..] => Kind::Stream,
        _ => Kind::List,
    }
}

/// Whether a change to a key concerns a waiting command: Redis wakes nobody when the key holds
/// another type, except XREADGROUP, whose group is gone.
fn concerns(spec: &CommandSpec, kind: Option<Kind>) -> bool {
    spec.name == "xreadgroup" || kind.is_none_or(|kind| kind == awaited_kind(spec))
}

/// Whether a blocking command has to queue up behind others before it may look.
///
/// XREADGROUP never does: whether it would wait at all depends on its group, and an entry that is
/// there while others wait is one that was not there for them yet.
pub(crate) fn must_queue(core: &Core, db: u16, spec: &CommandSpec, args: &[&[u8]]) -> bool {
    if spec.name == "xreadgroup" {
        return false;
    }
    let engine = core.shared.admin.engine();
    let waits = |key: &[u8]| engine.has_followers(key) && core.shared.blocked.waits(db, key);
    awaited(spec, args).any(|at| waits(args[at]))
}

/// Lets a client wait, and looks at its keys once more (B1).
pub(crate) fn block(core: &mut Core, turn: &mut Turn<'_>, client: &Arc<BlockedClient>) {
    core.shared.blocked.register(core.shared.admin.engine(), client);
    core.stats.clients_blocked.add(1);
    let keys = client.keys();
    serve(core, turn, keys.into_iter().map(|key| (client.db, key)).collect());
}

/// A waiting client.
pub(crate) fn client(
    core: &Core,
    state: &ClientState,
    scope: &Scope,
    spec: &'static CommandSpec,
    args: Vec<Vec<u8>>,
    until_ms: Option<u64>,
) -> Arc<BlockedClient> {
    Arc::new(BlockedClient {
        id: state.record.id,
        reactor: core.index,
        until_ms,
        epoch: state.epoch,
        version: state.version,
        db: scope.db,
        no_touch: scope.no_touch,
        spec,
        args,
        state: AtomicU32::new(WAITING),
    })
}

/// Serves who waits for the keys that the last commands of this turn changed.
#[cold]
pub(crate) fn follow(core: &mut Core, turn: &mut Turn<'_>) {
    let changes = core.take_changes(turn);
    let mut keys: VecDeque<_> = changes.keys.into_iter().map(name).collect();
    if changes.whole {
        keys.extend(core.shared.blocked.keys());
    }
    serve(core, turn, keys);
}

fn name(changed: Changed) -> (u16, Box<[u8]>) {
    (changed.db, changed.key)
}

/// Serves who waits for these keys, and for those that serving them changes.
pub(crate) fn serve(core: &mut Core, turn: &mut Turn<'_>, mut keys: VecDeque<(u16, Box<[u8]>)>) {
    while let Some((db, key)) = keys.pop_front() {
        if core.shared.blocked.begin(db, &key) {
            serve_key(core, turn, db, &key);
        }
        keys.extend(core.take_changes(turn).keys.into_iter().map(name));
    }
}

fn serve_key(core: &mut Core, turn: &mut Turn<'_>, db: u16, key: &[u8]) {
    let shared = Arc::clone(&core.shared);
    loop {
        let (mut from, mut hopeless) = (0, Vec::new());
        while let Some((at, client)) = shared.blocked.next(db, key, from, &hopeless) {
            from = at;
            if !concerns(client.spec, turn.kind(db, key)) || !client.take(CLAIMED) {
                from += 1;
                continue;
            }
            match run_for(core, turn, &client) {
                Ran::Answered(output, epoch) => {
                    shared.blocked.unregister(shared.admin.engine(), &client);
                    client.set(ENDED);
                    let message = Message::Unblocked(client.id, output, epoch);
                    shared.reactors[client.reactor].send(message);
                }
                Ran::Busy => {
                    client.set(WAITING);
                    core.retry.push((db, key.into()));
                    shared.blocked.finish(db, key, true);
                    return;
                }
                Ran::Nothing => {
                    client.set(WAITING);
                    // What one pop does not find, another of its kind does not either.
                    if !client.spec.name.starts_with("xread") {
                        hopeless.push(client.spec.group);
                    }
                    from += 1;
                }
            }
        }
        if !shared.blocked.finish(db, key, false) {
            return;
        }
    }
}

enum Ran {
    /// With the epoch of what it saw or wrote.
    Answered(Box<Output>, u64),
    Busy,
    Nothing,
}

/// Runs a waiting command for its client.
fn run_for(core: &mut Core, turn: &mut Turn<'_>, client: &BlockedClient) -> Ran {
    let mut output = Box::<Output>::default();
    let mut reply = Reply::new(&mut output, client.version);
    let mut scope = Scope::default();
    scope.db = client.db;
    scope.no_touch = client.no_touch;
    let before = core.counter.raw();
    // The epoch is the waiting client's, not that of whoever runs for it.
    let own = turn.seen_epoch();
    turn.reset_seen();
    let result = turn.run(&mut scope, &mut NoHost, client.spec, &client.args(), &mut reply);
    let epoch = turn.seen_epoch();
    turn.adopt_seen(own);
    match result {
        Err(Halt::Busy) => return Ran::Busy,
        Err(Halt::Wait(_)) => return Ran::Nothing,
        Err(Halt::Error(error)) => reply.error(&error),
        Ok(()) => {}
    }
    let failed = reply.error_code();
    if let Some(code) = failed {
        core.stats.record_error(code);
    }
    let nanoseconds = core.counter.delta_as_nanos(before, core.counter.raw());
    core.stats.commands_processed.add(1);
    let tracked = core.settings.latency_tracking;
    core.stats.commands.record(client.spec.id, nanoseconds, failed.is_some(), tracked);
    Ran::Answered(output, epoch)
}
