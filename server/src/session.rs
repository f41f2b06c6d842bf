//! The commands that are about the connection itself: HELLO, AUTH, MULTI and its kin, RESET, QUIT,
//! MONITOR, SHUTDOWN. (CLIENT has a file of its own; the rest is `admin`'s.)

use engine::commands::{CommandSpec, Flags, HostCommand};
use engine::{Context, Halt};
use protocol::{Version, parse_integer};
use zumic_error::{CommandError, DurabilityError};

use crate::admin::auth::{AuthTicket, DEFAULT_USER, Submission, Verdict};
use crate::admin::shutdown::{self, ShutdownRequest};
use crate::admin::version;
use crate::connection::{AfterAuth, ClientState, Multi, ReplyMode, Waiting};
use crate::dispatch::{ConnectionHost, facts};
use crate::reactor::Core;
use crate::shared::Stop;
use crate::tracking::commands as tracking;

type Outcome = Result<(), Halt>;

/// Runs a command that the engine leaves to its host.
pub(crate) fn run(
    host: &mut ConnectionHost<'_>,
    context: &mut Context<'_>,
    command: HostCommand,
    spec: &'static CommandSpec,
    args: &[&[u8]],
) -> Outcome {
    match command {
        HostCommand::Auth => auth(host, context, args),
        HostCommand::BgRewriteAof
        | HostCommand::BgSave
        | HostCommand::LastSave
        | HostCommand::Save
        | HostCommand::WaitAof => crate::durability::run(host, context, command, args),
        HostCommand::Client => crate::client_commands::run(host, context, spec, args),
        HostCommand::Discard => discard(host.state, context),
        HostCommand::Exec => exec(host, context),
        HostCommand::Hello => hello(host, context, args),
        HostCommand::Publish
        | HostCommand::Pubsub
        | HostCommand::Subscribe
        | HostCommand::Unsubscribe => {
            crate::pubsub::commands::run(host, context, command, spec, args)
        }
        HostCommand::Monitor => monitor(host, context),
        HostCommand::Migrate => crate::migrate::run(host, context, args),
        HostCommand::Multi => multi(host.state, context),
        HostCommand::Quit => {
            host.state.closing = true;
            ok(context)
        }
        HostCommand::ReplConf => crate::handout::introduce(host, context, args),
        HostCommand::Reset => reset(host, context),
        HostCommand::Shutdown => shut_down(host, context, args),
        HostCommand::Sync => crate::handout::run(host),
        HostCommand::Unwatch => {
            context.unwatch();
            ok(context)
        }
        HostCommand::Watch => watch(host.state, context, args),
        _ => administer(host, context, command, spec, args),
    }
}

fn ok(context: &mut Context<'_>) -> Outcome {
    context.sink().simple("OK");
    Ok(())
}

fn administer(
    host: &mut ConnectionHost<'_>,
    context: &mut Context<'_>,
    command: HostCommand,
    spec: &'static CommandSpec,
    args: &[&[u8]],
) -> Outcome {
    let words = host.state.record.words();
    let db = context.scope().db;
    let facts = facts(host.state, &words, db);
    let answer = host.core.shared.admin.answer(&facts, context, command, spec, args);
    answer.expect("every other host command is the administration's")
}

// --- HELLO and AUTH ----------------------------------------------------------------------

/// What HELLO asks for.
struct Greeting<'a> {
    version: Option<Version>,
    credentials: Option<(&'a [u8], &'a [u8])>,
    name: Option<String>,
}

/// HELLO [version [AUTH user password] [SETNAME name]]: all of it, or nothing.
fn hello(host: &mut ConnectionHost<'_>, context: &mut Context<'_>, args: &[&[u8]]) -> Outcome {
    let greeting = greeting(args)?;
    let version = greeting.version.unwrap_or(host.state.version);
    let after = AfterAuth { hello: Some(version), name: greeting.name };
    if let Some((user, password)) = greeting.credentials {
        return check_password(host, context, user, password, after);
    }
    let required = host.core.shared.admin.authenticator().password_required();
    if required && !host.state.authenticated {
        return Err(CommandError::NoAuthHello.into());
    }
    greet(host.state, context, &after);
    Ok(())
}

fn greeting<'a>(args: &[&'a [u8]]) -> Result<Greeting<'a>, CommandError> {
    let mut greeting = Greeting { version: None, credentials: None, name: None };
    let Some(version) = args.get(1) else { return Ok(greeting) };
    let number = parse_integer(version).ok_or(CommandError::ProtoVersionInvalid)?;
    greeting.version = Some(Version::from_number(number).ok_or(CommandError::NoProto)?);
    let mut rest = &args[2..];
    loop {
        rest = match rest {
            [] => return Ok(greeting),
            [option, user, password, rest @ ..] if option.eq_ignore_ascii_case(b"AUTH") => {
                greeting.credentials = Some((user, password));
                rest
            }
            [option, name, rest @ ..] if option.eq_ignore_ascii_case(b"SETNAME") => {
                greeting.name = Some(client_name(name)?);
                rest
            }
            [option, ..] => {
                let option = String::from_utf8_lossy(option).into_owned();
                return Err(CommandError::HelloSyntax(option));
            }
        };
    }
}

/// A name that CLIENT LIST can show: printable ASCII without spaces.
pub(crate) fn client_name(name: &[u8]) -> Result<String, CommandError> {
    if name.iter().all(|byte| (b'!'..=b'~').contains(byte)) {
        Ok(String::from_utf8_lossy(name).into_owned())
    } else {
        Err(CommandError::ClientNameInvalid)
    }
}

/// Answers HELLO in the version it chose.
fn greet(state: &mut ClientState, context: &mut Context<'_>, after: &AfterAuth) {
    let version = after.hello.expect("only HELLO greets");
    state.set_version(version);
    if let Some(name) = &after.name {
        state.record.change_words(|words| words.name.clone_from(name));
    }
    let id = state.record.id.cast_signed();
    let sink = context.sink();
    sink.set_version(version.number());
    sink.map(7);
    for (field, value) in [("server", "redis"), ("version", version::REDIS)] {
        sink.bulk(field.as_bytes());
        sink.bulk(value.as_bytes());
    }
    sink.bulk(b"proto");
    sink.integer(i64::from(version.number()));
    sink.bulk(b"id");
    sink.integer(id);
    for (field, value) in [("mode", "standalone"), ("role", "master")] {
        sink.bulk(field.as_bytes());
        sink.bulk(value.as_bytes());
    }
    sink.bulk(b"modules");
    sink.array(0);
}

/// AUTH [user] password
fn auth(host: &mut ConnectionHost<'_>, context: &mut Context<'_>, args: &[&[u8]]) -> Outcome {
    let (user, password) = match args {
        [_, password] => {
            if !host.core.shared.admin.authenticator().password_required() {
                return Err(CommandError::AuthNotConfigured.into());
            }
            (DEFAULT_USER, *password)
        }
        [_, user, password] => (*user, *password),
        _ => return Err(CommandError::Syntax.into()),
    };
    check_password(host, context, user, password, AfterAuth::default())
}

/// Has a password checked, off the reactor unless it is known at once.
fn check_password(
    host: &mut ConnectionHost<'_>,
    context: &mut Context<'_>,
    user: &[u8],
    password: &[u8],
    after: AfterAuth,
) -> Outcome {
    let ticket = AuthTicket { reactor: host.core.index, connection: host.state.record.id };
    match host.core.shared.admin.authenticator().submit(ticket, user, password) {
        Submission::Done(verdict) => conclude(host.core, host.state, context, verdict, &after),
        Submission::Pending if host.in_exec => Err(CommandError::CannotWait.into()),
        Submission::Pending => {
            host.state.waiting = Some(Waiting::Verdict(after));
            Ok(())
        }
    }
}

/// Acts on a verdict: the reply, and what HELLO changes.
pub(crate) fn conclude(
    core: &Core,
    state: &mut ClientState,
    context: &mut Context<'_>,
    verdict: Verdict,
    after: &AfterAuth,
) -> Outcome {
    match verdict {
        Verdict::Accepted => {}
        Verdict::Overloaded => return Err(CommandError::AuthBusy.into()),
        Verdict::Refused => {
            tracing::debug!(
                "reactor {}: a password of {} is wrong",
                core.index,
                state.record.address
            );
            return Err(CommandError::WrongPass.into());
        }
    }
    state.authenticated = true;
    if after.hello.is_some() {
        greet(state, context, after);
        return Ok(());
    }
    ok(context)
}

// --- MULTI -------------------------------------------------------------------------------

fn multi(state: &mut ClientState, context: &mut Context<'_>) -> Outcome {
    if state.multi.is_some() {
        return Err(CommandError::NestedMulti.into());
    }
    state.multi = Some(Multi::default());
    ok(context)
}

fn discard(state: &mut ClientState, context: &mut Context<'_>) -> Outcome {
    if state.multi.take().is_none() {
        return Err(CommandError::DiscardWithoutMulti.into());
    }
    context.unwatch();
    ok(context)
}

fn watch(state: &ClientState, context: &mut Context<'_>, args: &[&[u8]]) -> Outcome {
    if state.multi.is_some() {
        return Err(CommandError::WatchInMulti.into());
    }
    context.watch(&args[1..])?;
    ok(context)
}

fn exec(host: &mut ConnectionHost<'_>, context: &mut Context<'_>) -> Outcome {
    let multi = host.state.multi.take().ok_or(CommandError::ExecWithoutMulti)?;
    if multi.broken {
        context.unwatch();
        return Err(CommandError::ExecAbort.into());
    }
    if host.state.tracking.is_some() {
        for queued in &multi.queue {
            let args: Vec<&[u8]> = queued.args.iter().map(Vec::as_slice).collect();
            tracking::before(host.core, host.state, queued.spec, &args);
        }
    }
    host.in_exec = true;
    host.executed_at = Some(host.core.counter.raw());
    let result = context.exec(host, &multi.queue);
    host.in_exec = false;
    match result {
        Err(Halt::Busy | Halt::Wait(_)) => host.state.multi = Some(multi),
        Err(Halt::Error(_)) => context.unwatch(),
        Ok(()) if host.core.log.is_some() => {
            let writes = multi.queue.iter().filter(|one| one.spec.flags.contains(Flags::WRITE));
            host.core.stats.changes.add(writes.count() as u64);
        }
        Ok(()) => {}
    }
    match result {
        Err(Halt::Error(CommandError::OutOfMemory)) => Err(CommandError::ExecAbortMemory.into()),
        other => other,
    }
}

// --- The rest ----------------------------------------------------------------------------

/// RESET: as if the client had just connected.
fn reset(host: &mut ConnectionHost<'_>, context: &mut Context<'_>) -> Outcome {
    crate::pubsub::commands::forget(host.core, host.state);
    tracking::forget(host.core, host.state);
    let state = &mut *host.state;
    state.multi = None;
    context.unwatch();
    let scope = context.scope();
    scope.subscribed = false;
    scope.db = 0;
    scope.no_touch = false;
    state.record.no_touch.set(0);
    state.record.no_evict.set(0);
    state.record.change_words(|words| words.name.clear());
    state.set_version(Version::Two);
    state.reply_mode = ReplyMode::On;
    state.authenticated = !host.core.shared.admin.authenticator().password_required();
    if std::mem::take(&mut state.monitor) {
        state.record.monitor.set(0);
        host.core.shared.count_monitors(false);
    }
    let sink = context.sink();
    sink.set_version(2);
    sink.simple("RESET");
    Ok(())
}

fn monitor(host: &mut ConnectionHost<'_>, context: &mut Context<'_>) -> Outcome {
    if !host.state.monitor {
        host.state.monitor = true;
        host.state.record.monitor.set(1);
        host.core.shared.count_monitors(true);
    }
    ok(context)
}

/// SHUTDOWN: no reply, unless it fails; the connection closes when the server does.
fn shut_down(host: &mut ConnectionHost<'_>, context: &mut Context<'_>, args: &[&[u8]]) -> Outcome {
    let shared = &host.core.shared;
    let flags = match shutdown::parse(&args[1..])? {
        ShutdownRequest::End(flags) => flags,
        ShutdownRequest::Abort => {
            let durability = shared.durability.as_ref();
            if !durability.is_some_and(|durability| durability.abort_shutdown()) {
                return Err(CommandError::ShutdownNotInProgress.into());
            }
            return ok(context);
        }
    };
    if flags.save && shared.durability.is_none() {
        return Err(CommandError::from(DurabilityError::NothingOnDisk).into());
    }
    // The main thread may be stopping already.
    let asker = (host.core.index, host.state.record.id);
    let _ = shared.stop.send(Stop::Command(flags, asker));
    host.state.waiting = Some(Waiting::Answer);
    Ok(())
}
