//! From a request to its command: the checks that are the server's, in Redis's order.
//!
//! Why it exists: what may run, now, for this client, is decided in one place; what it does is
//! the engine's business (rows of the command table) or that of `session` and `admin`.

use std::sync::Arc;

use engine::commands::{CommandSpec, Flags, Handler, HostCommand};
use engine::{Context, Halt, Host, Queued, ReplySink, Scope, Turn, Wait};
use protocol::Version;
use zumic_error::{CommandError, DurabilityError};

use crate::admin::{ClientFacts, monitor, unix_microseconds};
use crate::blocked::{self, must_queue};
use crate::clients::Words;
use crate::connection::{ClientState, ReplyMode, Waiting};
use crate::durability::Standing;
use crate::output::Output;
use crate::reactor::Core;
use crate::reply::Reply;
use crate::scripts;
use crate::shared::Message;
use crate::tracking::commands as tracking;

/// What a connection does after a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Flow {
    /// The next request.
    Next,
    /// Nothing more for now: the request has to run again, or something is awaited.
    Park,
    /// Nothing more at all.
    Close,
}

/// Commands that run inside MULTI instead of being queued.
fn runs_inside_multi(command: HostCommand) -> bool {
    use HostCommand as C;
    matches!(command, C::Discard | C::Exec | C::Multi | C::Quit | C::Reset | C::Watch)
}

/// Whether a command's answers are messages, which CLIENT REPLY leaves alone.
fn answers_by_messages(spec: &CommandSpec) -> bool {
    matches!(spec.handler, Handler::Host(HostCommand::Subscribe | HostCommand::Unsubscribe))
}

/// Whether a client that reads messages only, in version 2, may send this.
fn is_for_subscribers(spec: &CommandSpec) -> bool {
    use HostCommand as C;
    match spec.handler {
        Handler::Host(command) => {
            matches!(command, C::Quit | C::Reset | C::Subscribe | C::Unsubscribe)
        }
        Handler::Container | Handler::Engine(_) | Handler::Script(_) => spec.name == "ping",
    }
}

/// Finds the row of a request, the subcommand's if it has one.
///
/// # Errors
/// Unknown command, unknown subcommand, or wrong arity.
#[inline]
fn resolve(
    spec: Option<&'static CommandSpec>,
    args: &[&[u8]],
) -> Result<&'static CommandSpec, CommandError> {
    let spec = spec.ok_or_else(|| CommandError::unknown_command(args))?;
    let spec = match args.get(1) {
        Some(name) if !spec.subcommands.is_empty() => {
            spec.subcommand(name).ok_or_else(|| CommandError::UnknownSubcommand {
                container: spec.container_name(),
                name: name.to_vec(),
            })?
        }
        _ => spec,
    };
    if spec.accepts(args.len()) && !(matches!(spec.handler, Handler::Container)) {
        Ok(spec)
    } else {
        Err(CommandError::WrongArity(spec.name.to_owned()))
    }
}

/// The server's side of one running command.
pub(crate) struct ConnectionHost<'c> {
    /// The reactor's things.
    pub(crate) core: &'c mut Core,
    /// The client's.
    pub(crate) state: &'c mut ClientState,
    /// Whether the command runs inside EXEC, where nothing can be awaited.
    pub(crate) in_exec: bool,
    /// In EXEC: when the command before ended, by the fast clock. Not where scripts run, which
    /// may be suspended in between.
    pub(crate) executed_at: Option<u64>,
}

impl Host for ConnectionHost<'_> {
    fn run(
        &mut self,
        context: &mut Context<'_>,
        command: HostCommand,
        spec: &'static CommandSpec,
        args: &[&[u8]],
    ) -> Result<(), Halt> {
        crate::session::run(self, context, command, spec, args)
    }

    fn clock_us(&mut self) -> u64 {
        let now = self.core.counter.raw();
        self.core.counter.delta_as_nanos(0, now) / 1_000
    }

    /// A script runs from its beginning again: what it published was not heard.
    fn undone(&mut self) {
        self.core.outbox.clear();
    }

    fn scripted(&mut self, spec: &'static CommandSpec, db: u16, args: &[&[u8]]) {
        if self.state.tracking.is_some() {
            tracking::before(self.core, self.state, spec, args);
        }
        self.core.stats.commands_processed.add(1);
        self.core.stats.commands.record(spec.id, 0, false, false);
        if self.core.shared.is_monitored() {
            feed_monitors_of_script(self.core, db, args);
        }
    }

    fn executed(&mut self, spec: &'static CommandSpec, db: u16, args: &[&[u8]], failed: bool) {
        let core = &mut *self.core;
        let now = core.counter.raw();
        let since = self.executed_at.as_mut().map(|at| std::mem::replace(at, now));
        let nanoseconds = since.map_or(0, |since| core.counter.delta_as_nanos(since, now));
        count(core, spec, nanoseconds, failed);
        show(core, self.state, spec, db, args);
    }

    fn log_line(&mut self, level: u8, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        match level {
            0 => tracing::trace!("{line}"),
            1 => tracing::debug!("{line}"),
            2 => tracing::info!("{line}"),
            _ => tracing::warn!("{line}"),
        }
    }
}

/// Runs one request of a connection.
pub(crate) fn execute(
    core: &mut Core,
    turn: &mut Turn<'_>,
    state: &mut ClientState,
    scope: &mut Scope,
    output: &mut Output,
    spec: Option<&'static CommandSpec>,
    args: &[&[u8]],
) -> Flow {
    let mark = output.mark();
    if state.reply_mode == ReplyMode::SkipNext {
        state.reply_mode = ReplyMode::Skipping;
    }
    let mut reply = Reply::new(output, state.version);
    let flow = checked(core, turn, state, scope, &mut reply, spec, args);
    if let Some(log) = &core.log {
        if log.standing == Standing::Stopped
            && flow == Flow::Next
            && log.gating
            && turn.seen_epoch() > log.durable
        {
            // What it read may be gone after a restart, and no sync will come that changes that.
            turn.reset_seen();
            output.rewind(mark);
            reply = Reply::new(output, state.version);
            reply.error(&DurabilityError::ReadNotDurable.into());
        }
        state.epoch = state.epoch.max(turn.seen_epoch());
    }
    if let Some(code) = reply.error_code() {
        core.stats.record_error(code);
    }
    if flow == Flow::Park {
        return flow;
    }
    if state.tracking.is_some() && !spec.is_some_and(is_client_container) {
        tracking::after(state);
    }
    // What (un)subscribing answers is no reply but a message, as are those that follow.
    let rewinds = !spec.is_some_and(answers_by_messages);
    match state.reply_mode {
        ReplyMode::On | ReplyMode::SkipNext => {}
        ReplyMode::Off if rewinds => output.rewind(mark),
        ReplyMode::Off => {}
        ReplyMode::Skipping => {
            if rewinds {
                output.rewind(mark);
            }
            state.reply_mode = ReplyMode::On;
        }
    }
    if state.closing { Flow::Close } else { flow }
}

/// Inlined by force, as [`run`] and [`conclude`]: a request passes all of them, and has eight
/// arguments to pass on.
#[inline(always)]
fn checked(
    core: &mut Core,
    turn: &mut Turn<'_>,
    state: &mut ClientState,
    scope: &mut Scope,
    reply: &mut Reply<'_>,
    row: Option<&'static CommandSpec>,
    args: &[&[u8]],
) -> Flow {
    let spec = match resolve(row, args) {
        Ok(spec) => spec,
        Err(CommandError::UnknownCommand { .. }) if is_http(args[0]) => {
            let peer = &state.record.address;
            tracing::warn!("closing {peer}: it speaks HTTP, as a page in a browser would");
            return Flow::Close;
        }
        Err(error) => {
            if let CommandError::WrongArity(_) = error
                && let Some(spec) = row
            {
                core.stats.commands.reject(spec.id);
                if matches!(spec.handler, Handler::Host(HostCommand::Exec)) {
                    state.multi = None;
                    turn.unwatch(scope);
                    reply.error(&CommandError::ExecAbortArity);
                    return Flow::Next;
                }
            }
            return refuse(state, reply, &error);
        }
    };
    if let Err(error) = permitted(core, state, spec) {
        core.stats.commands.reject(spec.id);
        return refuse(state, reply, &error);
    }
    if let Some(log) = &core.log
        && log.standing != Standing::Normal
        && let Some(error) = log.refusal(spec, state.multi.as_ref())
    {
        core.stats.commands.reject(spec.id);
        return refuse(state, reply, &error.into());
    }
    let immediate = match spec.handler {
        Handler::Host(command) => runs_inside_multi(command),
        Handler::Container | Handler::Engine(_) | Handler::Script(_) => false,
    };
    if state.multi.is_some() && !immediate {
        return queue(core, turn, state, scope, reply, spec, args);
    }
    let writes = may_write(spec) || (immediate && state.multi.as_ref().is_some_and(has_write));
    let is_paused = core.shared.pause.holds(turn.now_ms(), writes) && !is_client(spec);
    if is_paused != state.paused {
        note_pause(core, state, is_paused);
    }
    if is_paused {
        state.waiting = Some(Waiting::Turn);
        return Flow::Park;
    }
    if writes && core.must_hold_events() {
        state.waiting = Some(Waiting::Turn);
        return Flow::Park;
    }
    run(core, turn, state, scope, reply, spec, args)
}

/// Counts a client whose command waits for the end of a pause among those that are blocked, as
/// Redis does, or no more.
#[cold]
pub(crate) fn note_pause(core: &Core, state: &mut ClientState, is_paused: bool) {
    state.paused = is_paused;
    if is_paused {
        core.stats.clients_blocked.add(1);
    } else {
        core.stats.clients_blocked.subtract(1);
    }
}

/// The words of an HTTP request that no command has. A browser can be made to send one to any
/// address with commands in its body, so nothing after such a word runs.
fn is_http(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:")
}

/// Keeps a command for EXEC. What cannot be in a transaction, or has no memory left to write
/// to, is refused now; a client that queues without end is closed at the limit that its
/// requests have anyway.
fn queue(
    core: &mut Core,
    turn: &mut Turn<'_>,
    state: &mut ClientState,
    scope: &mut Scope,
    reply: &mut Reply<'_>,
    spec: &'static CommandSpec,
    args: &[&[u8]],
) -> Flow {
    if spec.flags.contains(Flags::NO_MULTI) {
        let error = CommandError::NotSupported("Command not allowed inside a transaction");
        return refuse(state, reply, &error);
    }
    if spec.flags.contains(Flags::DENY_OOM)
        && let Err(Halt::Error(error)) = turn.make_room(scope)
    {
        core.stats.commands.reject(spec.id);
        return refuse(state, reply, &error);
    }
    let multi = state.multi.as_mut().expect("the caller saw the transaction");
    multi.bytes += args.iter().map(|arg| arg.len() as u64).sum::<u64>();
    if multi.bytes > core.settings.query_buffer_bytes_max {
        let peer = &state.record.address;
        tracing::warn!("closing {peer}: its transaction is over the query buffer's limit");
        core.stats.clients_over_limit.add(1);
        return Flow::Close;
    }
    let args = args.iter().map(|arg| arg.to_vec()).collect();
    multi.queue.push(Queued { spec, args });
    reply.simple("QUEUED");
    Flow::Next
}

/// Whether a command writes, or is a script that is free to.
fn may_write(spec: &CommandSpec) -> bool {
    let free = matches!(spec.handler, Handler::Script(_)) && !spec.flags.contains(Flags::READONLY);
    free || spec.flags.contains(Flags::WRITE)
}

/// Whether EXEC might write.
fn has_write(multi: &crate::connection::Multi) -> bool {
    multi.queue.iter().any(|queued| may_write(queued.spec))
}

/// CLIENT, whichever subcommand: it leaves CLIENT CACHING alone.
fn is_client_container(spec: &CommandSpec) -> bool {
    spec.name == "client"
}

/// CLIENT itself is never paused, or nobody could end the pause.
fn is_client(spec: &CommandSpec) -> bool {
    matches!(spec.handler, Handler::Host(HostCommand::Client))
}

fn permitted(core: &Core, state: &ClientState, spec: &CommandSpec) -> Result<(), CommandError> {
    if !state.authenticated
        && !spec.flags.contains(Flags::NO_AUTH)
        && core.shared.admin.authenticator().password_required()
    {
        return Err(CommandError::NoAuth);
    }
    let listens = state.version == Version::Two && !state.subscriptions.is_empty();
    if listens && !is_for_subscribers(spec) {
        return Err(CommandError::SubscriberOnly(spec.name));
    }
    Ok(())
}

/// Answers an error that kept a command from running; inside MULTI it breaks the queue.
fn refuse(state: &mut ClientState, reply: &mut Reply<'_>, error: &CommandError) -> Flow {
    if let Some(multi) = &mut state.multi {
        multi.broken = true;
    }
    reply.error(error);
    Flow::Next
}

#[inline(always)]
fn run(
    core: &mut Core,
    turn: &mut Turn<'_>,
    state: &mut ClientState,
    scope: &mut Scope,
    reply: &mut Reply<'_>,
    spec: &'static CommandSpec,
    args: &[&[u8]],
) -> Flow {
    crate::panic::set_current(spec.name);
    // Before it runs: CLIENT LIST shows itself.
    state.record.last_command.set(u64::from(spec.id) + 1);
    let db = scope.db;
    // XREAD takes nothing away, so it need not queue up.
    let consumes = spec.flags.contains(Flags::BLOCKING.or(Flags::WRITE));
    let queues = consumes && must_queue(core, db, spec, args);
    if state.tracking.is_some() {
        tracking::before(core, state, spec, args);
    }
    core.origin = Some(state.record.id);
    let result = if scripts::is_script(spec, state) {
        match scripts::start(core, turn, state, scope, reply, spec, args) {
            Some(result) => result,
            None => return Flow::Park,
        }
    } else {
        let mut host = ConnectionHost { core, state, in_exec: false, executed_at: None };
        if queues {
            turn.wait(scope, &mut host, spec, args, reply)
        } else {
            turn.run(scope, &mut host, spec, args, reply)
        }
    };
    match &result {
        Err(Halt::Busy) => {
            state.waiting.get_or_insert(Waiting::Turn);
            return Flow::Park;
        }
        Err(Halt::Wait(wait)) => return wait_for_keys(core, turn, state, scope, spec, args, wait),
        Err(Halt::Error(_)) | Ok(()) => {}
    }
    conclude(core, turn, state, scope, reply, &Ran { spec, args, db, before: 0 }, &result);
    if state.waiting.is_some() { Flow::Park } else { Flow::Next }
}

/// A command that has run.
pub(crate) struct Ran<'a> {
    /// Its row.
    pub(crate) spec: &'static CommandSpec,
    /// Its arguments.
    pub(crate) args: &'a [&'a [u8]],
    /// The database that was selected before it.
    pub(crate) db: u16,
    /// Nanoseconds it ran before the current tick.
    pub(crate) before: u64,
}

/// What has to be done after every command: its consequences for others, its error, its figures.
#[inline(always)]
pub(crate) fn conclude(
    core: &mut Core,
    turn: &mut Turn<'_>,
    state: &mut ClientState,
    scope: &mut Scope,
    reply: &mut Reply<'_>,
    ran: &Ran<'_>,
    result: &Result<(), Halt>,
) {
    let &Ran { spec, args, db, before } = ran;
    if turn.has_changes() {
        blocked::follow(core, turn);
    }
    if !core.outbox.is_empty() {
        core.send_published();
    }
    if let Err(Halt::Error(error)) = result {
        reply.error(error);
    }
    let now = core.counter.raw();
    let nanoseconds = before + core.counter.delta_as_nanos(core.tick, now);
    core.tick = now;
    let failed = reply.error_code().is_some();
    if !failed && core.log.is_some() && spec.flags.contains(Flags::WRITE) {
        core.stats.changes.add(1);
    }
    count(core, spec, nanoseconds, failed);
    let microseconds = nanoseconds / 1_000;
    if microseconds >= core.settings.notable_us() {
        let words = state.record.words();
        let facts = facts(state, &words, db);
        core.shared.admin.note_slow(&facts, spec, args, microseconds);
    }
    show(core, state, spec, scope.db, args);
}

/// Counts a command that has run.
#[inline(always)]
fn count(core: &Core, spec: &CommandSpec, nanoseconds: u64, failed: bool) {
    core.stats.commands_processed.add(1);
    core.stats.commands.record(spec.id, nanoseconds, failed, core.settings.latency_tracking);
}

/// Shows a command that has run to MONITOR. As in Redis: afterwards, so with the database that
/// SELECT chose, and nothing administrative.
#[inline(always)]
fn show(core: &Core, state: &ClientState, spec: &CommandSpec, db: u16, args: &[&[u8]]) {
    let hidden = Flags::SKIP_MONITOR.or(Flags::ADMIN);
    if core.shared.is_monitored() && !spec.flags.intersects(hidden) {
        feed_monitors(core, state, db, args);
    }
}

/// Lets a client wait for the keys of its blocking command.
fn wait_for_keys(
    core: &mut Core,
    turn: &mut Turn<'_>,
    state: &mut ClientState,
    scope: &Scope,
    spec: &'static CommandSpec,
    args: &[&[u8]],
    wait: &Wait,
) -> Flow {
    let args = wait.args.clone().unwrap_or_else(|| args.iter().map(|arg| arg.to_vec()).collect());
    let client = blocked::client(core, state, scope, spec, args, wait.until_ms);
    if let (Some(epoch), Some(log)) = (state.awaits_log.take(), &mut core.log) {
        log.waits.push((epoch, client.id));
    }
    state.waiting = Some(Waiting::Blocked(Arc::clone(&client)));
    if let Some(until_ms) = client.until_ms {
        core.deadlines.insert((until_ms, client.id));
    }
    blocked::block(core, turn, &state.record, &client);
    Flow::Park
}

/// What other modules may know of the client.
pub(crate) fn facts<'c>(state: &'c ClientState, words: &'c Words, db: u16) -> ClientFacts<'c> {
    let record = &state.record;
    ClientFacts {
        peer: &record.address,
        name: words.name.as_bytes(),
        db,
        is_local: record.peer.is_local(),
    }
}

#[cold]
pub(crate) fn feed_monitors(core: &Core, state: &ClientState, db: u16, args: &[&[u8]]) {
    let words = state.record.words();
    feed(core, &facts(state, &words, db), args);
}

#[cold]
fn feed_monitors_of_script(core: &Core, db: u16, args: &[&[u8]]) {
    feed(core, &ClientFacts { peer: "lua", name: b"", db, is_local: true }, args);
}

fn feed(core: &Core, client: &ClientFacts<'_>, args: &[&[u8]]) {
    let line = monitor::line(unix_microseconds(), client, args);
    let line: Arc<str> = line.into();
    for reactor in &core.shared.reactors {
        reactor.send(Message::Monitor(Arc::clone(&line)));
    }
}
