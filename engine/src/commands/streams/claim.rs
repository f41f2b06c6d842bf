//! XCLAIM and XAUTOCLAIM: pending entries change hands.

use zumic_error::{CommandError, StreamError};

use super::page::Page;
use super::{Args, Outcome, is, no_group, now_ms, parse_id, parse_start, write_id};
use crate::commands::number::parse_integer;
use crate::structures::stream::{Claim, Claimed, Group, Log, Stream, StreamId};
use crate::{Class, Context, Edit, Halt, Missing, ReplySink};

/// Entries that XAUTOCLAIM claims unless told.
const AUTOCLAIM_COUNT: i64 = 100;
/// The most it can be told: Redis's limit.
const AUTOCLAIM_COUNT_MAX: i64 = i64::MAX / 16;
/// Entries that it looks at for each it may claim.
const AUTOCLAIM_LOOKS: i64 = 10;

/// What was claimed: entries, or only their ids.
#[derive(Default)]
struct Claims {
    page: Page,
    ids: Vec<StreamId>,
    changed: bool,
    created: bool,
}

impl Claims {
    /// Claims one entry and notes what became of it.
    fn claim<'l>(&mut self, claimed: Claimed<'l>, only_ids: bool) -> Claimed<'l> {
        match claimed {
            Claimed::Entry(entry) if only_ids => self.ids.push(entry.id()),
            Claimed::Entry(entry) => self.page.push(&entry),
            Claimed::Gone => {}
            Claimed::Refused => return claimed,
        }
        self.changed = true;
        claimed
    }

    fn write(&self, sink: &mut dyn ReplySink, only_ids: bool) {
        if only_ids { write_ids(sink, &self.ids) } else { self.page.write(sink) }
    }
}

fn write_ids(sink: &mut dyn ReplySink, ids: &[StreamId]) {
    sink.array(ids.len());
    ids.iter().for_each(|id| write_id(sink, *id));
}

/// Changes the group of `args[1]` and `args[2]`, which must be there, and tells if a consumer was
/// made.
fn change(
    context: &mut Context<'_>,
    args: &Args<'_>,
    mut change: impl FnMut(&Log, &mut Group) -> Result<Claims, CommandError>,
) -> Result<Claims, Halt> {
    let claims = context.edit(args[1], Missing::Skip, |stream: &mut Stream| {
        let claims = stream.change_group(args[2], &mut change);
        let claims = claims.unwrap_or_else(|| Err(no_group(args[1], args[2])))?;
        Ok(if claims.changed || claims.created {
            Edit::Changed(claims)
        } else {
            Edit::Same(claims)
        })
    })?;
    let claims = claims.ok_or_else(|| no_group(args[1], args[2]))?;
    if claims.created {
        context.notify(Class::Stream, "xgroup-createconsumer", args[1]);
    }
    Ok(claims)
}

/// The arguments of XCLAIM behind the consumer.
#[derive(Clone)]
struct Request {
    ids: Vec<StreamId>,
    claim: Claim,
    last_id: StreamId,
}

impl Request {
    fn parse(args: &Args<'_>, now_ms: i64) -> Result<Self, CommandError> {
        let idle = parse_integer(args[4]).map_err(|_| StreamError::ClaimIdleMin)?;
        let ids: Vec<_> = args[5..].iter().map_while(|text| parse_id(text).ok()).collect();
        let mut claim = Claim {
            idle_ms_min: idle.max(0),
            delivered_ms: now_ms,
            deliveries: None,
            force: false,
            only_ids: false,
        };
        let mut last_id = StreamId::MIN;
        let mut rest = args[5 + ids.len()..].iter();
        while let Some(option) = rest.next() {
            if is(option, "FORCE") {
                claim.force = true;
                continue;
            }
            if is(option, "JUSTID") {
                claim.only_ids = true;
                continue;
            }
            let unknown = || StreamError::ClaimOptionUnknown(option.to_vec());
            let value = rest.next().ok_or_else(unknown)?;
            if is(option, "IDLE") {
                let idle = parse_integer(value).map_err(|_| StreamError::ClaimIdle)?;
                claim.delivered_ms = now_ms.saturating_sub(idle);
            } else if is(option, "TIME") {
                claim.delivered_ms = parse_integer(value).map_err(|_| StreamError::ClaimTime)?;
            } else if is(option, "RETRYCOUNT") {
                let count = parse_integer(value).map_err(|_| StreamError::ClaimRetryCount)?;
                claim.deliveries = Some(count).filter(|count| *count >= 0);
            } else if is(option, "LASTID") {
                last_id = parse_id(value)?;
            } else {
                return Err(unknown().into());
            }
        }
        // A client's clock may be ahead: what makes no sense counts as now.
        if !(0..=now_ms).contains(&claim.delivered_ms) {
            claim.delivered_ms = now_ms;
        }
        Ok(Self { ids, claim, last_id })
    }
}

/// XCLAIM key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-time-milliseconds]
/// [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID id]
pub(in crate::commands) fn xclaim(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let now_ms = now_ms(context);
    let request = Request::parse(args, now_ms);
    let claims = change(context, args, |log, group| {
        let Request { ids, claim, last_id } = request.as_ref().map_err(Clone::clone)?;
        let mut claims = Claims { changed: *last_id > group.last_id(), ..Claims::default() };
        group.skip_to(*last_id);
        let consumer;
        (consumer, claims.created) = group.meet(args[3], now_ms);
        for id in ids {
            claims.claim(group.claim(log, *id, consumer, claim, now_ms), claim.only_ids);
        }
        Ok(claims)
    })?;
    let only_ids = request.is_ok_and(|request| request.claim.only_ids);
    claims.write(context.sink(), only_ids);
    Ok(())
}

/// XAUTOCLAIM key group consumer min-idle-time start [COUNT count] [JUSTID]
pub(in crate::commands) fn xautoclaim(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let now_ms = now_ms(context);
    let idle =
        parse_integer(args[4]).map_err(|_| CommandError::from(StreamError::AutoclaimIdleMin));
    let idle_ms_min = idle?.max(0);
    let start = parse_start(args[5])?;
    let (count, only_ids) = autoclaim_options(&args[6..])?;
    let claim =
        Claim { idle_ms_min, delivered_ms: now_ms, deliveries: None, force: false, only_ids };
    let (mut next, mut gone) = (None, Vec::new());
    let claims = change(context, args, |log, group| {
        let mut claims = Claims::default();
        let consumer;
        (consumer, claims.created) = group.meet(args[3], now_ms);
        next = group.pending_from(start);
        gone.clear();
        let (mut left, mut looks) = (count, count.saturating_mul(AUTOCLAIM_LOOKS));
        while let Some(id) = next.filter(|_| left > 0 && looks > 0) {
            looks -= 1;
            let claimed = group.claim(log, id, consumer, &claim, now_ms);
            match claims.claim(claimed, only_ids) {
                Claimed::Entry(_) => left -= 1,
                Claimed::Gone => {
                    gone.push(id);
                    left -= 1;
                }
                Claimed::Refused => {}
            }
            next = id.next().and_then(|after| group.pending_from(after));
        }
        Ok(claims)
    })?;
    let sink = context.sink();
    sink.array(3);
    write_id(sink, next.unwrap_or_default());
    claims.write(sink, only_ids);
    write_ids(sink, &gone);
    Ok(())
}

/// How many entries are claimed at most, and whether only their ids are wanted.
fn autoclaim_options(options: &Args<'_>) -> Result<(i64, bool), CommandError> {
    let (mut count, mut only_ids) = (AUTOCLAIM_COUNT, false);
    let mut rest = options.iter();
    while let Some(option) = rest.next() {
        if is(option, "JUSTID") {
            only_ids = true;
        } else if is(option, "COUNT")
            && let Some(number) = rest.next()
        {
            let number = parse_integer(number).ok();
            count = number
                .filter(|number| (1..=AUTOCLAIM_COUNT_MAX).contains(number))
                .ok_or(StreamError::AutoclaimCount)?;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    Ok((count, only_ids))
}
