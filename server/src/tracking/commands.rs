//! CLIENT TRACKING, CACHING, TRACKINGINFO and GETREDIR.
//!
//! Why it exists: see [`super`].

use engine::commands::{CommandSpec, Flags};
use engine::{Context, Halt};
use protocol::parse_integer;
use zumic_error::CommandError;

use super::{Watcher, remember};
use crate::clients::ClientRecord;
use crate::connection::ClientState;
use crate::dispatch::ConnectionHost;
use crate::reactor::Core;
use crate::shared::Shared;

type Outcome = Result<(), Halt>;
type Args<'a> = [&'a [u8]];

/// How a client tracks.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct TrackingState {
    /// Who gets the news instead.
    pub(super) redirect: Option<u64>,
    /// BCAST.
    pub(super) broadcast: bool,
    /// NOLOOP.
    pub(super) no_loop: bool,
    /// Whom the news was redirected to is gone.
    pub(super) broken: bool,
    opt_in: bool,
    opt_out: bool,
    /// CLIENT CACHING was given for the next command.
    caching: bool,
    /// The prefixes of BCAST, sorted.
    prefixes: Vec<Box<[u8]>>,
}

impl TrackingState {
    /// Tells CLIENT LIST.
    pub(super) fn publish(&self, record: &ClientRecord) {
        let bits = 1 | u64::from(self.broken) << 1 | u64::from(self.broadcast) << 2;
        record.tracking.set(bits);
        record.redirect.set(self.redirect.unwrap_or(0));
    }

    /// Whether the keys of the next command are remembered.
    fn remembers(&self) -> bool {
        !(self.broadcast || (self.opt_in && !self.caching) || (self.opt_out && self.caching))
    }
}

/// Runs one of the four.
pub(crate) fn run(
    host: &mut ConnectionHost<'_>,
    context: &mut Context<'_>,
    name: &str,
    args: &Args<'_>,
) -> Outcome {
    match name {
        "caching" => caching(host.state, args)?,
        "getredir" => {
            context.sink().integer(shown_redirect(host.state));
            return Ok(());
        }
        "trackinginfo" => return info(host.state, context),
        _ => tracking(host, args)?,
    }
    context.sink().simple("OK");
    Ok(())
}

fn refusal(text: &'static str) -> CommandError {
    CommandError::ClientOptionInvalid(text)
}

fn shown_redirect(state: &ClientState) -> i64 {
    let tracking = state.tracking.as_ref();
    tracking.map_or(-1, |tracking| tracking.redirect.unwrap_or(0).cast_signed())
}

/// CLIENT CACHING YES|NO
fn caching(state: &mut ClientState, args: &Args<'_>) -> Result<(), CommandError> {
    let tracking = state.tracking.as_mut().filter(|tracking| tracking.opt_in || tracking.opt_out);
    let Some(tracking) = tracking else {
        return Err(refusal(
            "CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or \
             OPTOUT mode enabled",
        ));
    };
    let fits = match args[2].to_ascii_uppercase().as_slice() {
        b"YES" if !tracking.opt_in => {
            Err("CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.")
        }
        b"NO" if !tracking.opt_out => {
            Err("CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.")
        }
        b"YES" | b"NO" => Ok(()),
        _ => return Err(CommandError::Syntax),
    };
    fits.map_err(refusal)?;
    tracking.caching = true;
    Ok(())
}

fn info(state: &ClientState, context: &mut Context<'_>) -> Outcome {
    let redirect = shown_redirect(state);
    let sink = context.sink();
    sink.map(3);
    sink.bulk(b"flags");
    let off = [("off", true)];
    let on = state.tracking.as_ref().map(|tracking| {
        [
            ("on", true),
            ("bcast", tracking.broadcast),
            ("optin", tracking.opt_in),
            ("caching-yes", tracking.opt_in && tracking.caching),
            ("optout", tracking.opt_out),
            ("caching-no", tracking.opt_out && tracking.caching),
            ("noloop", tracking.no_loop),
            ("broken_redirect", tracking.broken),
        ]
    });
    let flags = on.as_ref().map_or(&off[..], |on| &on[..]);
    let shown = flags.iter().filter(|(_, set)| *set);
    sink.set(shown.clone().count());
    shown.for_each(|(name, _)| sink.bulk(name.as_bytes()));
    sink.bulk(b"redirect");
    sink.integer(redirect);
    sink.bulk(b"prefixes");
    let prefixes = state.tracking.as_ref().map_or(&[][..], |tracking| &tracking.prefixes);
    sink.array(prefixes.len());
    prefixes.iter().for_each(|prefix| sink.bulk(prefix));
    Ok(())
}

// --- CLIENT TRACKING ---------------------------------------------------------------------

/// The options of CLIENT TRACKING, which are checked for OFF, too.
fn options(shared: &Shared, args: &Args<'_>) -> Result<TrackingState, CommandError> {
    let mut wanted = TrackingState::default();
    let mut rest = args.iter();
    while let Some(word) = rest.next() {
        match word.to_ascii_uppercase().as_slice() {
            b"BCAST" => wanted.broadcast = true,
            b"NOLOOP" => wanted.no_loop = true,
            b"OPTIN" => wanted.opt_in = true,
            b"OPTOUT" => wanted.opt_out = true,
            b"PREFIX" => {
                let prefix = rest.next().ok_or(CommandError::Syntax)?;
                wanted.prefixes.push(Box::from(*prefix));
            }
            b"REDIRECT" => {
                let id = rest.next().ok_or(CommandError::Syntax)?;
                if wanted.redirect.is_some() {
                    let text = "A client can only redirect to a single other client";
                    return Err(refusal(text));
                }
                let id = parse_integer(id).ok_or(CommandError::NotAnInteger)?;
                let found = u64::try_from(id).ok().and_then(|id| shared.clients.find(id));
                let Some(found) = found else {
                    return Err(refusal("The client ID you want redirect to does not exist"));
                };
                wanted.redirect = Some(found.id);
            }
            _ => return Err(CommandError::Syntax),
        }
    }
    Ok(wanted)
}

/// Whether what is asked for goes together, and with what is there.
fn check(wanted: &TrackingState, now: Option<&TrackingState>) -> Result<(), CommandError> {
    if !wanted.broadcast && !wanted.prefixes.is_empty() {
        return Err(refusal("PREFIX option requires BCAST mode to be enabled"));
    }
    if now.is_some_and(|now| now.broadcast != wanted.broadcast) {
        return Err(refusal(
            "You can't switch BCAST mode on/off before disabling tracking for this client, and \
             then re-enabling it with a different mode.",
        ));
    }
    if wanted.broadcast && (wanted.opt_in || wanted.opt_out) {
        return Err(refusal("OPTIN and OPTOUT are not compatible with BCAST"));
    }
    if wanted.opt_in && wanted.opt_out {
        return Err(refusal("You can't specify both OPTIN mode and OPTOUT mode"));
    }
    let switches =
        |now: &TrackingState| (wanted.opt_in && now.opt_out) || (wanted.opt_out && now.opt_in);
    if now.is_some_and(switches) {
        return Err(refusal(
            "You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and \
             then re-enabling it with a different mode.",
        ));
    }
    check_prefixes(wanted, now)
}

/// Prefixes of one client must not overlap, or it would be told twice.
fn check_prefixes(wanted: &TrackingState, now: Option<&TrackingState>) -> Result<(), CommandError> {
    let overlap = |a: &[u8], b: &[u8]| a.starts_with(b) || b.starts_with(a);
    let error = |prefix: &[u8], other: &[u8], whose: &str| {
        let (prefix, other) = (String::from_utf8_lossy(prefix), String::from_utf8_lossy(other));
        CommandError::TrackingPrefix(format!(
            "Prefix '{prefix}' overlaps with {whose} prefix '{other}'. Prefixes for a single \
             client must not overlap."
        ))
    };
    for (i, prefix) in wanted.prefixes.iter().enumerate() {
        let existing = now.map_or(&[][..], |now| &now.prefixes);
        if let Some(other) = existing.iter().find(|other| overlap(prefix, other)) {
            return Err(error(prefix, other, "an existing"));
        }
        if let Some(other) = wanted.prefixes[i + 1..].iter().find(|other| overlap(prefix, other)) {
            return Err(error(prefix, other, "another provided"));
        }
    }
    Ok(())
}

/// CLIENT TRACKING ON|OFF [REDIRECT id] [PREFIX prefix]... [BCAST] [OPTIN] [OPTOUT] [NOLOOP]
fn tracking(host: &mut ConnectionHost<'_>, args: &Args<'_>) -> Result<(), CommandError> {
    let wanted = options(&host.core.shared, &args[3..])?;
    if args[2].eq_ignore_ascii_case(b"OFF") {
        forget(host.core, host.state);
        return Ok(());
    }
    if !args[2].eq_ignore_ascii_case(b"ON") {
        return Err(CommandError::Syntax);
    }
    check(&wanted, host.state.tracking.as_deref())?;
    enable(host.core, host.state, wanted);
    Ok(())
}

fn watcher(core: &Core, state: &ClientState) -> Watcher {
    Watcher { id: state.record.id, reactor: core.index }
}

fn enable(core: &Core, state: &mut ClientState, mut wanted: TrackingState) {
    let (shared, watcher) = (&core.shared, watcher(core, state));
    if state.tracking.is_none() {
        shared.tracking.enter(watcher);
        shared.admin.engine().follow_all();
    }
    if wanted.broadcast {
        if wanted.prefixes.is_empty() {
            wanted.prefixes.push(Box::default());
        }
        for prefix in &wanted.prefixes {
            shared.tracking.add_prefix(watcher, prefix);
        }
    }
    if let Some(now) = state.tracking.take() {
        wanted.prefixes.extend(now.prefixes);
    }
    wanted.prefixes.sort_unstable();
    wanted.prefixes.dedup();
    wanted.publish(&state.record);
    state.tracking = Some(Box::new(wanted));
}

/// Ends tracking: OFF, RESET, and the end of a connection.
pub(crate) fn forget(core: &Core, state: &mut ClientState) {
    let Some(tracking) = state.tracking.take() else { return };
    core.shared.tracking.leave(watcher(core, state), &tracking.prefixes);
    core.shared.admin.engine().unfollow_all();
    state.record.tracking.set(0);
    state.record.redirect.set(u64::MAX);
}

// --- Around a command --------------------------------------------------------------------

/// Remembers the keys that a command is about to read, if its client tracks.
#[cold]
pub(crate) fn before(core: &Core, state: &ClientState, spec: &CommandSpec, args: &Args<'_>) {
    let tracking = state.tracking.as_ref();
    let remembers = tracking.is_some_and(|tracking| tracking.remembers());
    if !remembers || !spec.flags.contains(Flags::READONLY) {
        return;
    }
    let keys: Vec<&[u8]> = spec.key_positions(args).map(|at| args[at]).collect();
    let keys_max = core.settings.tracking_keys_max;
    // The counter's low bits are as good as random here.
    let random = core.counter.raw().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    remember(&core.shared, watcher(core, state), &keys, keys_max, random);
}

/// CLIENT CACHING holds for one command, or one transaction.
#[cold]
pub(crate) fn after(state: &mut ClientState) {
    if state.multi.is_none()
        && let Some(tracking) = &mut state.tracking
    {
        tracking.caching = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefixes(words: &[&str]) -> TrackingState {
        let prefixes = words.iter().map(|word| Box::from(word.as_bytes())).collect();
        TrackingState { broadcast: true, prefixes, ..TrackingState::default() }
    }

    #[test]
    fn prefixes_must_not_overlap() {
        assert_eq!(check(&prefixes(&["a", "b"]), Some(&prefixes(&["c"]))), Ok(()));
        let error = check(&prefixes(&["a", "ab"]), None).unwrap_err().to_string();
        assert!(error.starts_with("ERR Prefix 'a' overlaps with another provided prefix 'ab'."));
        let error = check(&prefixes(&["fo"]), Some(&prefixes(&["foo"]))).unwrap_err().to_string();
        assert!(error.starts_with("ERR Prefix 'fo' overlaps with an existing prefix 'foo'."));
    }

    #[test]
    fn what_is_remembered_depends_on_the_mode_and_on_caching() {
        let state = |opt_in, opt_out, caching| TrackingState {
            opt_in,
            opt_out,
            caching,
            ..TrackingState::default()
        };
        assert!(state(false, false, false).remembers());
        assert!(!state(true, false, false).remembers() && state(true, false, true).remembers());
        assert!(state(false, true, false).remembers() && !state(false, true, true).remembers());
        assert!(!prefixes(&[]).remembers());
    }
}
