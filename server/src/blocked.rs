//! Clients that wait for a key: BLPOP and its kin, XREAD BLOCK.
//!
//! Why it exists: a command that found nothing is kept with its arguments and run again, by
//! whichever reactor changes one of its keys, before that reactor answers its own client. So the
//! element goes to the client that waits longest, and the pusher finds it gone, as in Redis,
//! whichever threads the two are on. A command without anybody waiting pays two loads
//! (`engine::Followers`).
//!
//! Who answers whom is decided by `engine::waiting`, whose models are in `loom-tests`.

use std::collections::VecDeque;
use std::sync::Arc;

use engine::commands::CommandSpec;
use engine::waiting::{Claim, Name, Queues, Waiter};
use engine::{Changed, Halt, Kind, NoHost, ReplySink, Scope, Turn};
use protocol::Version;
use zumic_error::CommandError;

use crate::clients::ClientRecord;
use crate::connection::ClientState;
use crate::output::Output;
use crate::reactor::Core;
use crate::reply::Reply;
use crate::shared::Message;

/// All waiting clients by their keys.
pub(crate) type Blocked = Queues<BlockedClient>;

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
    claim: Claim,
}

impl PartialEq for BlockedClient {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for BlockedClient {}

impl BlockedClient {
    /// Whether it waits for the log, and not for a key.
    #[must_use]
    pub(crate) fn is_waitaof(&self) -> bool {
        self.spec.name == "waitaof"
    }

    /// Ends the wait; false when somebody is answering it, or has.
    #[must_use]
    pub(crate) fn end(&self) -> bool {
        self.claim.end()
    }

    /// Whether the wait is over.
    #[must_use]
    pub(crate) fn has_ended(&self) -> bool {
        self.claim.has_ended()
    }

    /// Ends the wait of a client that is gone; false when it is taken care of.
    #[must_use]
    pub(crate) fn leave(&self) -> bool {
        self.claim.leave()
    }

    fn args(&self) -> Vec<&[u8]> {
        self.args.iter().map(Vec::as_slice).collect()
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

impl Waiter for BlockedClient {
    fn claim(&self) -> &Claim {
        &self.claim
    }

    fn keys(&self) -> Vec<Name> {
        let args = self.args();
        let mut keys: Vec<Name> =
            awaited(self.spec, &args).map(|at| (self.db, args[at].into())).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// What one pop does not find, another of its kind does not either.
    fn is_like(&self, other: &Self) -> bool {
        self.spec.group == other.spec.group
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
    let waits =
        |key: &[u8]| engine.has_followers(key) && core.shared.blocked.waits(&(db, key.into()));
    awaited(spec, args).any(|at| waits(args[at]))
}

/// Lets a client wait, and looks at its keys once more.
pub(crate) fn block(
    core: &mut Core,
    turn: &mut Turn<'_>,
    record: &ClientRecord,
    client: &Arc<BlockedClient>,
) {
    core.shared.blocked.register(core.shared.admin.engine(), client);
    // CLIENT UNBLOCK finds it from here on, and not before.
    record.set_blocked(Some(Arc::clone(client)));
    core.stats.clients_blocked.add(1);
    serve(core, turn, client.keys().into());
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
        claim: Claim::default(),
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

fn name(changed: Changed) -> Name {
    (changed.db, changed.key)
}

/// Serves who waits for these keys, and for those that serving them changes.
pub(crate) fn serve(core: &mut Core, turn: &mut Turn<'_>, mut keys: VecDeque<Name>) {
    while let Some(key) = keys.pop_front() {
        keys.extend(serve_key(core, turn, &key));
        keys.extend(core.take_changes(turn).keys.into_iter().map(name));
    }
}

/// Serves who waits for a key; what else has to be served because of that.
fn serve_key(core: &mut Core, turn: &mut Turn<'_>, key: &Name) -> Vec<Name> {
    let shared = Arc::clone(&core.shared);
    let Some(mut serving) = shared.blocked.serve(shared.admin.engine(), key) else {
        return Vec::new();
    };
    while let Some(client) = serving.next() {
        if !concerns(client.spec, turn.kind(key.0, &key.1)) {
            serving.nothing(client, false);
            continue;
        }
        match run_for(core, turn, &client) {
            Ran::Answered(output, epoch) => {
                serving.answered(&client);
                let message = Message::Unblocked(client.id, output, epoch);
                shared.reactors[client.reactor].send(message);
            }
            Ran::Busy => {
                core.retry.extend(serving.busy(&client));
                return Vec::new();
            }
            Ran::Nothing => {
                let speaks = !client.spec.name.starts_with("xread");
                serving.nothing(client, speaks);
            }
        }
    }
    serving.rest()
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
