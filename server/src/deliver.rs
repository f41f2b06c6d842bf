//! What other threads and the clock say to connections of a reactor.
//!
//! Why it exists: answers come late (a blocked client was served, a password was checked, a
//! snapshot is on disk, a wait timed out), from outside of the connection's own requests, and all
//! of them have to leave in order, behind the gate where there is one.

use std::collections::HashMap;

use engine::{ReplySink, Turn};
use zumic_error::CommandError;

use crate::connection::{Connection, ReplyMode, Waiting};
use crate::output::Output;
use crate::reactor::{Core, schedule};
use crate::reply::Reply;
use crate::shared::Message;
use crate::{blocked, handout, tracking};

/// Acts on a message of another thread.
pub(crate) fn deliver(
    core: &mut Core,
    turn: &mut Turn<'_>,
    connections: &mut slab::Slab<Connection>,
    keys: &HashMap<u64, usize>,
    message: Message,
    scheduled: &mut Vec<usize>,
) {
    match message {
        Message::Changed(keys) => {
            let keys = keys.into_iter().map(|changed| (changed.db, changed.key)).collect();
            blocked::serve(core, turn, keys);
        }
        Message::Unblocked(id, output, epoch) => {
            let Some((key, connection)) = by_id(connections, keys, id) else { return };
            unblock(core, connection, *output, epoch);
            schedule(scheduled, key, connection);
        }
        Message::Accepted(_) | Message::Loaded(_) | Message::Publish(..) => {
            unreachable!("taken out by `receive`")
        }
        Message::Answer(id, answer, epoch) => {
            let Some((key, connection)) = by_id(connections, keys, id) else { return };
            if connection.state.waiting != Some(Waiting::Answer) {
                return;
            }
            conclude(core, connection, answer, epoch);
            schedule(scheduled, key, connection);
        }
        Message::Dump(id, dump) => match by_id(connections, keys, id) {
            Some((key, connection)) => {
                handout::hand_out(core, connection, *dump);
                schedule(scheduled, key, connection);
            }
            None => core.shared.handout.end(),
        },
        Message::Invalidate(news) => {
            for &id in &news.ids {
                let Some((key, connection)) = by_id(connections, keys, id) else { continue };
                if tracking::invalidate_here(core, connection, &news) {
                    schedule(scheduled, key, connection);
                }
            }
        }
        Message::Redirected(id, keys_gone) => {
            let Some((key, connection)) = by_id(connections, keys, id) else { return };
            if tracking::redirected(connection, &keys_gone) {
                schedule(scheduled, key, connection);
            }
        }
        Message::Kill(id) => {
            if let Some((key, connection)) = by_id(connections, keys, id) {
                connection.killed = true;
                schedule(scheduled, key, connection);
            }
        }
        Message::Monitor(line) => {
            let watching = connections.iter_mut().filter(|(_, c)| c.state.monitor);
            for (key, connection) in watching {
                let mut encoder =
                    protocol::Encoder::new(connection.output.tail(), connection.state.version);
                encoder.simple(&line);
                schedule(scheduled, key, connection);
            }
        }
        Message::Verdict(id, verdict) => {
            let Some((key, connection)) = by_id(connections, keys, id) else { return };
            let Some(Waiting::Verdict(after)) = connection.state.waiting.take() else { return };
            crate::batch::resume(core, turn, connection, verdict, &after);
            // What it sent meanwhile runs now.
            connection.state.waiting = Some(Waiting::Turn);
            schedule(scheduled, key, connection);
        }
    }
}

/// Answers a connection that waited for another thread; what it sent meanwhile runs next.
fn conclude(
    core: &Core,
    connection: &mut Connection,
    answer: Result<&'static str, CommandError>,
    epoch: u64,
) {
    let state = &mut connection.state;
    let mut output = Output::default();
    let mut reply = Reply::new(&mut output, state.version);
    match answer {
        Ok(word) => reply.simple(word),
        Err(error) => {
            core.stats.record_error(error.code());
            reply.error(&error);
        }
    }
    hold(core, connection, epoch);
    append(connection, output);
    connection.state.waiting = Some(Waiting::Turn);
}

/// Has a late reply wait until everything up to `epoch` is on disk, if replies do.
fn hold(core: &Core, connection: &mut Connection, epoch: u64) {
    if let Some(log) = &core.log {
        connection.state.epoch = connection.state.epoch.max(epoch);
        if log.gating && epoch > log.durable {
            connection.gate.hold(epoch, connection.output.end());
        }
    }
}

/// Appends a late reply, unless the client wants none.
fn append(connection: &mut Connection, answer: Output) {
    match connection.state.reply_mode {
        ReplyMode::On | ReplyMode::SkipNext => connection.output.append(answer),
        ReplyMode::Off => {}
        ReplyMode::Skipping => connection.state.reply_mode = ReplyMode::On,
    }
}

/// Answers a connection that waited for a key, by what was written up to `epoch`; what it sent
/// meanwhile runs next.
fn unblock(core: &mut Core, connection: &mut Connection, answer: Output, epoch: u64) {
    let state = &mut connection.state;
    let Some(Waiting::Blocked(client)) = state.waiting.take() else { return };
    if let Some(until_ms) = client.until_ms {
        core.deadlines.remove(&(until_ms, client.id));
    }
    core.stats.clients_blocked.subtract(1);
    state.record.set_blocked(None);
    hold(core, connection, epoch);
    append(connection, answer);
    connection.state.waiting = Some(Waiting::Turn);
}

/// Ends a WAITAOF whose epoch is on disk.
pub(crate) fn answer_waitaof(
    core: &mut Core,
    connections: &mut slab::Slab<Connection>,
    keys: &HashMap<u64, usize>,
    id: u64,
    scheduled: &mut Vec<usize>,
) {
    let Some((key, connection)) = by_id(connections, keys, id) else { return };
    let Some(Waiting::Blocked(client)) = connection.state.waiting.clone() else { return };
    if client.is_waitaof() && client.end() {
        let mut answer = Output::default();
        client.write_timeout(&mut answer, true);
        unblock(core, connection, answer, 0);
        schedule(scheduled, key, connection);
    }
}

/// Ends the waits whose time has come.
pub(crate) fn give_up(
    core: &mut Core,
    connections: &mut slab::Slab<Connection>,
    keys: &HashMap<u64, usize>,
    now_ms: u64,
    work: &mut Vec<usize>,
) {
    let due: Vec<_> = core.deadlines.range(..(now_ms, 0)).copied().collect();
    for (until_ms, id) in due {
        let found = by_id(connections, keys, id);
        let Some((key, connection)) = found else {
            core.deadlines.remove(&(until_ms, id));
            continue;
        };
        let Some(Waiting::Blocked(client)) = connection.state.waiting.clone() else { continue };
        // Somebody is answering it: the answer comes by message, or the next turn ends it.
        if client.end() {
            core.shared.blocked.unregister(core.shared.admin.engine(), &client);
            let mut answer = Output::default();
            let logged = core.log.as_ref().is_some_and(|log| log.has(client.epoch));
            client.write_timeout(&mut answer, logged);
            unblock(core, connection, answer, 0);
            schedule(work, key, connection);
        }
    }
}

fn by_id<'c>(
    connections: &'c mut slab::Slab<Connection>,
    keys: &HashMap<u64, usize>,
    id: u64,
) -> Option<(usize, &'c mut Connection)> {
    let key = *keys.get(&id)?;
    Some((key, connections.get_mut(key)?))
}
