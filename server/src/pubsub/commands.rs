//! SUBSCRIBE and its kin, PUBLISH, PUBSUB.
//!
//! Why it exists: see [`super`]. Each name of a (UN)SUBSCRIBE is answered by a frame of its own,
//! in version 3 by a push: the one place where a command does not write exactly one reply.

use engine::commands::{CommandSpec, HostCommand};
use engine::{Context, Halt};
use zumic_error::CommandError;

use super::local::BACKLOG_MAX;
use super::{Filter, Payload, Space};
use crate::connection::ClientState;
use crate::dispatch::ConnectionHost;
use crate::reactor::Core;

type Outcome = Result<(), Halt>;
type Args<'a> = [&'a [u8]];

const HELP: &[&str] = &[
    "PUBSUB <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CHANNELS [<pattern>]",
    "    Return the currently active channels matching a <pattern> (default: '*').",
    "NUMPAT",
    "    Return number of subscriptions to patterns.",
    "NUMSUB [<channel> ...]",
    "    Return the number of subscribers for the specified channels, excluding",
    "    pattern subscriptions(default: no channels).",
    "SHARDCHANNELS [<pattern>]",
    "    Return the currently active shard level channels matching a <pattern> (default: '*').",
    "SHARDNUMSUB [<shardchannel> ...]",
    "    Return the number of subscribers for the specified shard level channel(s)",
    "HELP",
    "    Prints this help.",
];

/// Runs one of them.
pub(crate) fn run(
    host: &mut ConnectionHost<'_>,
    context: &mut Context<'_>,
    command: HostCommand,
    spec: &'static CommandSpec,
    args: &Args<'_>,
) -> Outcome {
    match command {
        HostCommand::Publish => publish(host, context, spec, args),
        HostCommand::Pubsub => pubsub(host.core, context, spec, args),
        HostCommand::Subscribe => subscribe(host, context, spec, args),
        _ => unsubscribe(host, context, spec, args),
    }
}

/// The space that the name of a command is about.
fn space_of(name: &str) -> Space {
    match name.as_bytes() {
        [b'p', b's' | b'u', ..] if name != "publish" => Space::Pattern,
        [b's', b's' | b'u' | b'p', ..] if name != "subscribe" => Space::Shard,
        _ => Space::Channel,
    }
}

// --- Subscribing -------------------------------------------------------------------------

/// The count that a reply shows: of shard channels, or of channels and patterns together.
fn shown_count(state: &ClientState, space: Space) -> i64 {
    let count = match space {
        Space::Shard => state.subscriptions.count(Space::Shard),
        _ => state.subscriptions.count(Space::Channel) + state.subscriptions.count(Space::Pattern),
    };
    i64::try_from(count).expect("a count of subscriptions")
}

fn answer(
    host: &ConnectionHost<'_>,
    context: &mut Context<'_>,
    spec: &CommandSpec,
    name: Option<&[u8]>,
    space: Space,
) {
    let sink = context.sink();
    sink.push(3);
    sink.bulk(spec.name.as_bytes());
    match name {
        Some(name) => sink.bulk(name),
        None => sink.null(),
    }
    sink.integer(shown_count(host.state, space));
}

/// Tells the others what changed.
fn note(state: &ClientState, context: &mut Context<'_>) {
    let record = &state.record;
    let spaces = [
        (Space::Channel, &record.channels),
        (Space::Pattern, &record.patterns),
        (Space::Shard, &record.shard_channels),
    ];
    for (space, counter) in spaces {
        counter.set(state.subscriptions.count(space) as u64);
    }
    context.scope().subscribed = !state.subscriptions.is_empty();
}

/// SUBSCRIBE channel [channel ...] [FILTER path value], PSUBSCRIBE, SSUBSCRIBE
fn subscribe(
    host: &mut ConnectionHost<'_>,
    context: &mut Context<'_>,
    spec: &'static CommandSpec,
    args: &Args<'_>,
) -> Outcome {
    let space = space_of(spec.name);
    if space == Space::Shard && host.in_exec {
        return Err(CommandError::SsubscribeInMulti.into());
    }
    let (names, filter) = match &args[1..] {
        [names @ .., word, path, value]
            if space == Space::Channel
                && !names.is_empty()
                && word.eq_ignore_ascii_case(b"FILTER")
                && Filter::is_path(path) =>
        {
            (names, Some(Filter::new(path, value)?))
        }
        names => (names, None),
    };
    for name in names {
        let place = (host.core.index, host.state.slot);
        let Core { local, shared, .. } = &mut *host.core;
        let own = &mut host.state.subscriptions;
        local.subscribe(&shared.broker, place, own, space, (name, filter.as_ref()));
        answer(host, context, spec, Some(name), space);
    }
    note(host.state, context);
    Ok(())
}

/// UNSUBSCRIBE [channel ...], PUNSUBSCRIBE, SUNSUBSCRIBE: all without a name.
fn unsubscribe(
    host: &mut ConnectionHost<'_>,
    context: &mut Context<'_>,
    spec: &'static CommandSpec,
    args: &Args<'_>,
) -> Outcome {
    let space = space_of(spec.name);
    let all = host.state.subscriptions.names(space);
    let names: Vec<&[u8]> = match &args[1..] {
        [] => all.iter().map(|name| &**name).collect(),
        names => names.to_vec(),
    };
    if names.is_empty() {
        answer(host, context, spec, None, space);
    }
    for name in names {
        let Core { local, shared, index, .. } = &mut *host.core;
        let own = &mut host.state.subscriptions;
        local.unsubscribe(&shared.broker, *index, own, space, name);
        answer(host, context, spec, Some(name), space);
    }
    note(host.state, context);
    Ok(())
}

/// Takes every subscription back, without a word: RESET, and the end of a connection.
pub(crate) fn forget(core: &mut Core, state: &mut ClientState) {
    if !state.subscriptions.is_empty() {
        let own = &mut state.subscriptions;
        core.local.unsubscribe_all(&core.shared.broker, core.index, own);
    }
    for counter in [&state.record.channels, &state.record.patterns, &state.record.shard_channels] {
        counter.set(0);
    }
}

// --- Publishing --------------------------------------------------------------------------

/// PUBLISH channel message [TYPE STRING|JSON|BYTES], SPUBLISH
fn publish(
    host: &mut ConnectionHost<'_>,
    context: &mut Context<'_>,
    spec: &'static CommandSpec,
    args: &Args<'_>,
) -> Outcome {
    let (channel, message) = (args[1], args[2]);
    match &args[3..] {
        [] => {}
        [word, kind] if word.eq_ignore_ascii_case(b"TYPE") => check(kind, message)?,
        _ => return Err(CommandError::WrongArity(spec.name.to_owned()).into()),
    }
    let plan = host.core.shared.broker.plan(space_of(spec.name), channel, message);
    let Some(plan) = plan else {
        context.sink().integer(0);
        return Ok(());
    };
    if !host.in_exec && plan.reactors().any(|reactor| host.core.is_behind(reactor)) {
        // The subscribers take less than is published: this one waits, and nobody else.
        return Err(Halt::Busy);
    }
    let receivers = i64::try_from(plan.receivers()).expect("a count of connections");
    context.sink().integer(receivers);
    // It leaves after the command, or after the transaction (P3), and behind the events of the
    // transaction's commands so far.
    let events = context.take_events();
    if !events.is_empty() {
        host.core.publish_events(&events);
    }
    host.core.outbox.push(plan);
    Ok(())
}

/// Whether a message is what its publisher says.
fn check(kind: &[u8], message: &[u8]) -> Result<(), CommandError> {
    match kind.to_ascii_uppercase().as_slice() {
        b"BYTES" => Ok(()),
        b"JSON" if Payload::new(message).json().is_some() => Ok(()),
        b"JSON" => Err(CommandError::PublishNotJson),
        b"STRING" if std::str::from_utf8(message).is_ok() => Ok(()),
        b"STRING" => Err(CommandError::PublishNotUtf8),
        _ => Err(CommandError::Syntax),
    }
}

impl Core {
    /// Whether a reactor has more messages to deliver than it can soon.
    pub(crate) fn is_behind(&self, reactor: usize) -> bool {
        let backlog = if reactor == self.index {
            self.local.backlog()
        } else {
            self.shared.reactors[reactor].backlog.get()
        };
        backlog > BACKLOG_MAX
    }

    /// Sends what was published.
    pub(crate) fn send_published(&mut self) {
        for plan in std::mem::take(&mut self.outbox) {
            plan.send(&self.shared.reactors, Some((self.index, &mut self.local)));
        }
    }
}

// --- PUBSUB ------------------------------------------------------------------------------

fn pubsub(
    core: &Core,
    context: &mut Context<'_>,
    spec: &'static CommandSpec,
    args: &Args<'_>,
) -> Outcome {
    let broker = &core.shared.broker;
    let sub = spec.short_name();
    let space = if sub.starts_with("shard") { Space::Shard } else { Space::Channel };
    match sub {
        "channels" | "shardchannels" => {
            if args.len() > 3 {
                let (container, name) = ("PUBSUB", args[1].to_vec());
                return Err(CommandError::SubcommandUsage { container, name }.into());
            }
            let names = broker.space(space).matching(args.get(2).copied());
            context.sink().array(names.len());
            names.iter().for_each(|name| context.sink().bulk(name));
        }
        "help" => {
            context.sink().array(HELP.len());
            HELP.iter().for_each(|line| context.sink().simple(line));
        }
        "numpat" => {
            let patterns = broker.names(Space::Pattern).cast_signed();
            context.sink().integer(patterns);
        }
        _ => {
            let names = &args[2..];
            context.sink().array(names.len() * 2);
            for name in names {
                context.sink().bulk(name);
                context.sink().integer(broker.space(space).count(name).cast_signed());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_knows_its_space() {
        for (name, space) in [
            ("subscribe", Space::Channel),
            ("unsubscribe", Space::Channel),
            ("publish", Space::Channel),
            ("psubscribe", Space::Pattern),
            ("punsubscribe", Space::Pattern),
            ("ssubscribe", Space::Shard),
            ("sunsubscribe", Space::Shard),
            ("spublish", Space::Shard),
        ] {
            assert_eq!(space_of(name), space, "{name}");
        }
    }

    #[test]
    fn a_message_is_what_it_is_said_to_be() {
        assert_eq!(check(b"json", b"{\"a\":1}"), Ok(()));
        assert_eq!(check(b"JSON", b"{a:1}"), Err(CommandError::PublishNotJson));
        assert_eq!(check(b"JSON", b"1 2"), Err(CommandError::PublishNotJson));
        assert_eq!(check(b"STRING", "\u{e9}".as_bytes()), Ok(()));
        assert_eq!(check(b"STRING", b"\xff"), Err(CommandError::PublishNotUtf8));
        assert_eq!(check(b"BYTES", b"\xff"), Ok(()));
        assert_eq!(check(b"XML", b"<a/>"), Err(CommandError::Syntax));
    }
}
