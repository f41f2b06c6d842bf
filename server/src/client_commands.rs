//! CLIENT and its subcommands.

use std::net::IpAddr;
use std::sync::Arc;

use engine::commands::CommandSpec;
use engine::{Context, Halt};
use protocol::parse_integer;
use zumic_error::CommandError;

use crate::blocked::BlockedClient;
use crate::clients::ClientRecord;
use crate::connection::{ClientState, ReplyMode};
use crate::dispatch::ConnectionHost;
use crate::output::Output;
use crate::session::client_name;
use crate::shared::{Message, Shared};

type Outcome = Result<(), Halt>;

const HELP: &[&str] = &[
    "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "BY IP <prefix>",
    "    Return the connections whose address starts with <prefix> (Zumic's own).",
    "CACHING (YES|NO)",
    "    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.",
    "COUNT",
    "    Return the number of connections (Zumic's own).",
    "GETNAME",
    "    Return the name of the current connection.",
    "GETREDIR",
    "    Return the client ID we are redirecting to when tracking is enabled.",
    "ID",
    "    Return the ID of the current connection.",
    "INFO",
    "    Return information about the current client connection.",
    "KILL <ip:port>",
    "    Kill connection made from <ip:port>.",
    "KILL <option> <value> [<option> <value> [...]]",
    "    Kill connections. Options are: ADDR, LADDR, TYPE, USER, SKIPME, ID, MAXAGE.",
    "LIST [options ...]",
    "    Return information about client connections. Options: TYPE <type>, ID <id> [<id>...]",
    "NO-EVICT (ON|OFF)",
    "    Protect current client connection from eviction.",
    "NO-TOUCH (ON|OFF)",
    "    Will not touch LRU/LFU stats when this mode is on.",
    "PAUSE <timeout> [WRITE|ALL]",
    "    Suspend all, or just write, clients for <timeout> milliseconds.",
    "REPLY (ON|OFF|SKIP)",
    "    Control the replies sent to the current connection.",
    "SETINFO <option> <value>",
    "    Set client meta attr. Options are: LIB-NAME, LIB-VER.",
    "SETNAME <name>",
    "    Assign the name <name> to the current connection.",
    "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
    "         [OPTIN] [OPTOUT] [NOLOOP]",
    "    Control server assisted client side caching.",
    "TRACKINGINFO",
    "    Report tracking status for the current connection.",
    "UNBLOCK <clientid> [TIMEOUT|ERROR]",
    "    Unblock the specified blocked client.",
    "UNPAUSE",
    "    Stop the current client pause, resuming traffic.",
    "HELP",
    "    Prints this help.",
];

/// Runs one of CLIENT's subcommands.
pub(crate) fn run(
    host: &mut ConnectionHost<'_>,
    context: &mut Context<'_>,
    spec: &'static CommandSpec,
    args: &[&[u8]],
) -> Outcome {
    let shared = Arc::clone(&host.core.shared);
    let state = &mut *host.state;
    match spec.short_name() {
        "caching" | "getredir" | "tracking" | "trackinginfo" => {
            crate::tracking::commands::run(host, context, spec.short_name(), args)
        }
        "by" => by_address(&shared, context, args),
        "count" => integer(context, shared.clients.count()),
        "getname" => get_name(state, context),
        "help" => help(context),
        "id" => {
            context.sink().integer(state.record.id.cast_signed());
            Ok(())
        }
        "info" => {
            state.record.db.set(u64::from(context.scope().db));
            let line = state.record.line(context.now_ms()) + "\n";
            context.sink().verbatim(*b"txt", line.as_bytes());
            Ok(())
        }
        "kill" => kill(&shared, state, context, args),
        "list" => list(&shared, state, context, args),
        "no-evict" => {
            let on = switch(args[2])?;
            state.record.no_evict.set(u64::from(on));
            ok(context)
        }
        "no-touch" => {
            let on = switch(args[2])?;
            context.scope().no_touch = on;
            state.record.no_touch.set(u64::from(on));
            ok(context)
        }
        "pause" => pause(&shared, context, args),
        "reply" => reply(state, context, args[2]),
        "setinfo" => set_info(state, context, args),
        "setname" => {
            let name = client_name(args[2])?;
            state.record.change_words(|words| words.name = name);
            ok(context)
        }
        "unblock" => unblock(&shared, context, args, host.in_exec),
        "unpause" => {
            shared.pause.end();
            shared.reactors.iter().for_each(|reactor| reactor.wake());
            ok(context)
        }
        other => unreachable!("CLIENT {other} is in the table but not here"),
    }
}

fn ok(context: &mut Context<'_>) -> Outcome {
    context.sink().simple("OK");
    Ok(())
}

fn integer(context: &mut Context<'_>, number: usize) -> Outcome {
    context.sink().integer(i64::try_from(number).expect("a count of connections"));
    Ok(())
}

fn help(context: &mut Context<'_>) -> Outcome {
    let sink = context.sink();
    sink.array(HELP.len());
    HELP.iter().for_each(|line| sink.simple(line));
    Ok(())
}

fn switch(word: &[u8]) -> Result<bool, CommandError> {
    if word.eq_ignore_ascii_case(b"ON") {
        Ok(true)
    } else if word.eq_ignore_ascii_case(b"OFF") {
        Ok(false)
    } else {
        Err(CommandError::Syntax)
    }
}

fn get_name(state: &ClientState, context: &mut Context<'_>) -> Outcome {
    let name = state.record.words().name;
    if name.is_empty() {
        context.sink().null();
    } else {
        context.sink().bulk(name.as_bytes());
    }
    Ok(())
}

/// CLIENT REPLY: the reply to it is subject to the new mode already.
fn reply(state: &mut ClientState, context: &mut Context<'_>, mode: &[u8]) -> Outcome {
    if mode.eq_ignore_ascii_case(b"ON") {
        state.reply_mode = ReplyMode::On;
        return ok(context);
    }
    if mode.eq_ignore_ascii_case(b"OFF") {
        state.reply_mode = ReplyMode::Off;
    } else if mode.eq_ignore_ascii_case(b"SKIP") {
        if state.reply_mode != ReplyMode::Off {
            state.reply_mode = ReplyMode::SkipNext;
        }
    } else {
        return Err(CommandError::Syntax.into());
    }
    Ok(())
}

fn set_info(state: &ClientState, context: &mut Context<'_>, args: &[&[u8]]) -> Outcome {
    let (option, value) = (args[2], args[3]);
    let is_name = option.eq_ignore_ascii_case(b"LIB-NAME");
    if !is_name && !option.eq_ignore_ascii_case(b"LIB-VER") {
        let option = String::from_utf8_lossy(option).into_owned();
        return Err(CommandError::SetInfoInvalid(option).into());
    }
    let Ok(value) = client_name(value) else {
        let option = String::from_utf8_lossy(option).into_owned();
        return Err(CommandError::SetInfoValueInvalid(option).into());
    };
    state.record.change_words(|words| {
        let field = if is_name { &mut words.library } else { &mut words.library_version };
        *field = value;
    });
    ok(context)
}

/// CLIENT PAUSE milliseconds [WRITE|ALL]
fn pause(shared: &Shared, context: &mut Context<'_>, args: &[&[u8]]) -> Outcome {
    let all = match args.get(3) {
        None => true,
        Some(mode) if mode.eq_ignore_ascii_case(b"ALL") => true,
        Some(mode) if mode.eq_ignore_ascii_case(b"WRITE") => false,
        Some(_) => return Err(CommandError::ClientPauseMode.into()),
    };
    let timeout = parse_integer(args[2]).ok_or(CommandError::TimeoutInvalid)?;
    let timeout = u64::try_from(timeout).map_err(|_| CommandError::TimeoutNegative)?;
    let now_ms = context.now_ms();
    let until = now_ms.checked_add(timeout).ok_or(CommandError::TimeoutInvalid)?;
    shared.pause.start(until, all, now_ms);
    ok(context)
}

/// CLIENT UNBLOCK id [TIMEOUT | ERROR]: ends a blocking command.
fn unblock(shared: &Shared, context: &mut Context<'_>, args: &[&[u8]], in_exec: bool) -> Outcome {
    let reason = args.get(3).copied().unwrap_or(b"TIMEOUT");
    let known = [b"TIMEOUT".as_slice(), b"ERROR"];
    if !known.iter().any(|word| reason.eq_ignore_ascii_case(word)) {
        let text = "CLIENT UNBLOCK reason should be TIMEOUT or ERROR";
        return Err(CommandError::ClientOptionInvalid(text).into());
    }
    let id = parse_integer(args[2]).ok_or(CommandError::NotAnInteger)?;
    let found = u64::try_from(id).ok().and_then(|id| shared.clients.find(id));
    let client = match found.and_then(|record| record.blocked()) {
        Some(client) if end_wait(&client, in_exec)? => Some(client),
        _ => None,
    };
    if let Some(client) = &client {
        shared.blocked.unregister(shared.admin.engine(), client);
        let mut output = Box::<Output>::default();
        if reason.eq_ignore_ascii_case(b"ERROR") {
            client.write_unblocked(&mut output);
        } else {
            let log = shared.durability.as_ref();
            let logged = log.is_some_and(|log| log.durable_epoch() >= client.epoch);
            client.write_timeout(&mut output, logged);
        }
        shared.reactors[client.reactor].send(Message::Unblocked(client.id, output, 0));
    }
    context.sink().integer(i64::from(client.is_some()));
    Ok(())
}

/// Ends the wait of a client; false when it has its answer.
///
/// While another reactor looks whether there is something for the client, neither is true yet: that
/// it is not unblocked may only be said of one that was answered. The command is run again, except
/// in a transaction, which cannot stop in between; the other reactor is at one command's work, and
/// waits for nobody.
fn end_wait(client: &BlockedClient, in_exec: bool) -> Result<bool, Halt> {
    loop {
        if client.end() {
            return Ok(true);
        }
        if client.has_ended() {
            return Ok(false);
        }
        if !in_exec {
            return Err(Halt::Busy);
        }
        std::thread::yield_now();
    }
}

// --- LIST, KILL, BY ----------------------------------------------------------------------

/// Which connections are meant; every condition that is given must hold.
#[derive(Default)]
struct Filter {
    id: Option<u64>,
    address: Option<String>,
    local_address: Option<String>,
    kind: Option<ClientKind>,
    user: Option<bool>,
    age_seconds_min: Option<u64>,
    skip_me: bool,
}

impl Filter {
    fn admits(&self, record: &ClientRecord, own_id: u64, now_ms: u64) -> bool {
        let age = now_ms.saturating_sub(record.created_ms) / 1_000;
        self.id.is_none_or(|id| id == record.id)
            && self.address.as_ref().is_none_or(|address| *address == record.address)
            && self.local_address.as_ref().is_none_or(|own| *own == record.peer.local_address())
            && self.kind.is_none_or(|kind| kind.admits(record))
            && self.user.unwrap_or(true)
            && self.age_seconds_min.is_none_or(|least| age >= least)
            && !(self.skip_me && record.id == own_id)
    }
}

/// What a connection is for.
#[derive(Clone, Copy)]
enum ClientKind {
    Normal,
    Pubsub,
    /// Replicas and their primary: there are none.
    Replication,
}

impl ClientKind {
    fn admits(self, record: &ClientRecord) -> bool {
        match self {
            Self::Normal => !record.is_subscriber(),
            Self::Pubsub => record.is_subscriber(),
            Self::Replication => false,
        }
    }
}

fn client_kind(name: &[u8]) -> Result<ClientKind, CommandError> {
    match name.to_ascii_lowercase().as_slice() {
        b"normal" => Ok(ClientKind::Normal),
        b"pubsub" => Ok(ClientKind::Pubsub),
        b"master" | b"replica" | b"slave" => Ok(ClientKind::Replication),
        _ => Err(CommandError::ClientTypeUnknown(String::from_utf8_lossy(name).into_owned())),
    }
}

/// CLIENT LIST [TYPE type] [ID id ...]
fn list(
    shared: &Shared,
    state: &ClientState,
    context: &mut Context<'_>,
    args: &[&[u8]],
) -> Outcome {
    let now_ms = context.now_ms();
    state.record.db.set(u64::from(context.scope().db));
    let records = match &args[2..] {
        [] => shared.clients.all(),
        [option, name] if option.eq_ignore_ascii_case(b"TYPE") => {
            let kind = client_kind(name)?;
            let mut records = shared.clients.all();
            records.retain(|record| kind.admits(record));
            records
        }
        [option, ids @ ..] if option.eq_ignore_ascii_case(b"ID") && !ids.is_empty() => {
            let mut records = Vec::new();
            for id in ids {
                let id = parse_integer(id).ok_or(CommandError::ClientIdsInvalid)?;
                // No client has such a number; as in Redis that is no error.
                let Ok(id) = u64::try_from(id) else { continue };
                records.extend(shared.clients.find(id));
            }
            records
        }
        _ => return Err(CommandError::Syntax.into()),
    };
    lines(context, &records, now_ms);
    Ok(())
}

fn lines(context: &mut Context<'_>, records: &[Arc<ClientRecord>], now_ms: u64) {
    let text: String = records.iter().map(|record| record.line(now_ms) + "\n").collect();
    context.sink().verbatim(*b"txt", text.as_bytes());
}

/// CLIENT BY IP prefix: the connections whose address starts so (Zumic's own).
fn by_address(shared: &Shared, context: &mut Context<'_>, args: &[&[u8]]) -> Outcome {
    if !args[2].eq_ignore_ascii_case(b"IP") {
        return Err(CommandError::Syntax.into());
    }
    let prefix = Prefix::parse(args[3]).ok_or(CommandError::Syntax)?;
    let mut records = shared.clients.all();
    records.retain(|record| record.peer.ip().is_some_and(|ip| prefix.contains(ip)));
    let now_ms = context.now_ms();
    lines(context, &records, now_ms);
    Ok(())
}

/// `10.0.0.0/8`, `::1`, or the start of an address as text, such as `192.168.`.
#[derive(Debug, Eq, PartialEq)]
enum Prefix {
    Network(IpAddr, u32),
    Text(String),
}

impl Prefix {
    fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        if let Some((address, bits)) = text.split_once('/') {
            let (address, bits): (IpAddr, u32) = (address.parse().ok()?, bits.parse().ok()?);
            let width = if address.is_ipv4() { 32 } else { 128 };
            return (bits <= width).then_some(Self::Network(address, bits));
        }
        let known = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':');
        (!text.is_empty() && text.bytes().all(known)).then(|| Self::Text(text.to_owned()))
    }

    fn contains(&self, ip: IpAddr) -> bool {
        match (self, ip) {
            (Self::Text(prefix), ip) => ip.to_string().starts_with(prefix),
            (Self::Network(IpAddr::V4(network), bits), IpAddr::V4(ip)) => {
                let shift = 32 - bits;
                network.to_bits().checked_shr(shift) == ip.to_bits().checked_shr(shift)
            }
            (Self::Network(IpAddr::V6(network), bits), IpAddr::V6(ip)) => {
                let shift = 128 - bits;
                network.to_bits().checked_shr(shift) == ip.to_bits().checked_shr(shift)
            }
            _ => false,
        }
    }
}

/// CLIENT KILL address, or CLIENT KILL option value ...
fn kill(
    shared: &Shared,
    state: &mut ClientState,
    context: &mut Context<'_>,
    args: &[&[u8]],
) -> Outcome {
    let old_form = args.len() == 3;
    let filter = if old_form {
        let address = String::from_utf8_lossy(args[2]).into_owned();
        Filter { address: Some(address), ..Filter::default() }
    } else {
        kill_filter(&args[2..])?
    };
    let (own_id, now_ms) = (state.record.id, context.now_ms());
    let mut records = shared.clients.all();
    records.retain(|record| filter.admits(record, own_id, now_ms));
    if old_form && records.is_empty() {
        return Err(CommandError::NoSuchClient.into());
    }
    for record in &records {
        if record.id == own_id {
            // Its reply is sent first.
            state.closing = true;
        } else {
            // Nobody sees it any more, though its reactor has yet to end it.
            shared.clients.remove(record);
            shared.reactors[record.reactor].send(Message::Kill(record.id));
        }
    }
    if old_form { ok(context) } else { integer(context, records.len()) }
}

fn kill_filter(mut rest: &[&[u8]]) -> Result<Filter, CommandError> {
    let mut filter = Filter { skip_me: true, ..Filter::default() };
    loop {
        let (option, value) = match rest {
            [] => return Ok(filter),
            [option, value, tail @ ..] => {
                rest = tail;
                (option.to_ascii_uppercase(), *value)
            }
            [_] => return Err(CommandError::Syntax),
        };
        let text = || String::from_utf8_lossy(value).into_owned();
        let positive =
            || parse_integer(value).and_then(|n| u64::try_from(n).ok()).filter(|n| *n > 0);
        match option.as_slice() {
            b"ADDR" => filter.address = Some(text()),
            b"ID" => filter.id = Some(positive().ok_or(CommandError::KillId)?),
            b"LADDR" => filter.local_address = Some(text()),
            b"MAXAGE" => {
                filter.age_seconds_min = Some(positive().ok_or(CommandError::KillAge)?);
            }
            b"SKIPME" => {
                filter.skip_me = match value.to_ascii_lowercase().as_slice() {
                    b"yes" => true,
                    b"no" => false,
                    _ => return Err(CommandError::Syntax),
                };
            }
            b"TYPE" => filter.kind = Some(client_kind(value)?),
            b"USER" => {
                if value != b"default" {
                    return Err(CommandError::NoSuchUser(text()));
                }
                filter.user = Some(true);
            }
            _ => return Err(CommandError::Syntax),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_by_bits_and_by_text() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let contains = |prefix: &[u8], address: &str| {
            Prefix::parse(prefix).is_some_and(|prefix| prefix.contains(ip(address)))
        };
        assert!(contains(b"10.0.0.0/8", "10.255.0.1"));
        assert!(!contains(b"10.0.0.0/8", "11.0.0.1"));
        assert!(contains(b"0.0.0.0/0", "1.2.3.4"));
        assert!(!contains(b"0.0.0.0/0", "::1"));
        assert!(contains(b"fe80::/10", "fe80::1"));
        assert!(contains(b"127.", "127.0.0.1"));
        assert!(!contains(b"27.", "127.0.0.1"));
        assert_eq!(Prefix::parse(b"10.0.0.0/33"), None);
        assert_eq!(Prefix::parse(b"example.org"), None);
    }
}
