//! XACK and XPENDING: entries that were delivered.

use zumic_error::CommandError;

use super::{
    Args, Outcome, count_of, is, no_group, now_ms, parse_count, parse_end, parse_ids, parse_start,
    write_id,
};
use crate::commands::number::parse_integer;
use crate::structures::stream::{Group, Pending, Stream, StreamId};
use crate::{Context, Edit, Missing, ReplySink};

/// XACK key group id [id ...]
pub(in crate::commands) fn xack(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let ids = parse_ids(&args[3..]);
    let acknowledged = context.edit(args[1], Missing::Skip, |stream: &mut Stream| {
        let done = stream.change_group(args[2], |_, group| {
            let ids = ids.as_ref().map_err(Clone::clone)?;
            let acknowledged = ids.iter().filter(|id| group.acknowledge(**id)).count();
            Ok::<_, CommandError>(acknowledged)
        });
        Ok(match done.transpose()?.unwrap_or(0) {
            0 => Edit::Same(0),
            some => Edit::Changed(some),
        })
    })?;
    context.sink().integer(count_of(acknowledged.unwrap_or(0)));
    Ok(())
}

/// Which pending entries are asked for.
struct Filter<'a> {
    idle_ms_min: i64,
    start: StreamId,
    end: StreamId,
    count: usize,
    consumer: Option<&'a [u8]>,
}

impl<'a> Filter<'a> {
    /// `None` when only a summary is asked for.
    fn parse(args: &[&'a [u8]]) -> Result<Option<Self>, CommandError> {
        if args.len() == 3 {
            return Ok(None);
        }
        if !(6..=9).contains(&args.len()) {
            return Err(CommandError::Syntax);
        }
        let (mut idle_ms_min, mut at) = (0, 3);
        if is(args[3], "IDLE") {
            idle_ms_min = parse_integer(args[4])?;
            if args.len() < 8 {
                return Err(CommandError::Syntax);
            }
            at = 5;
        }
        let count = parse_count(args[at + 2])?;
        let start = parse_start(args[at])?;
        let end = parse_end(args[at + 1])?;
        let consumer = args.get(at + 3).copied();
        Ok(Some(Self { idle_ms_min, start, end, count, consumer }))
    }

    /// The pending entries that pass.
    fn apply<'g>(&self, group: &'g Group, now_ms: i64) -> Vec<Pending<'g>> {
        let idle_ms_min = self.idle_ms_min;
        let passes = move |pending: &Pending<'_>| {
            idle_ms_min == 0 || now_ms.saturating_sub(pending.delivered_ms) >= idle_ms_min
        };
        match self.consumer.map(|name| group.find(name)) {
            None => group.pending(self.start, self.end).filter(passes).take(self.count).collect(),
            Some(None) => Vec::new(),
            Some(Some(consumer)) => {
                let own = group.pending_of(consumer, self.start, self.end);
                own.filter(passes).take(self.count).collect()
            }
        }
    }
}

/// XPENDING key group [[IDLE min-idle-time] start end count [consumer]]
pub(in crate::commands) fn xpending(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let filter = Filter::parse(args)?;
    let now_ms = now_ms(context);
    let stream = context.view::<Stream>(args[1])?;
    let group = stream.as_ref().and_then(|stream| stream.get().group(args[2]));
    let group = group.ok_or_else(|| no_group(args[1], args[2]))?;
    let sink = context.sink();
    let Some(filter) = filter else {
        write_summary(sink, group);
        return Ok(());
    };
    let found = filter.apply(group, now_ms);
    sink.array(found.len());
    for pending in found {
        sink.array(4);
        write_id(sink, pending.id);
        sink.bulk(pending.consumer.name());
        sink.integer(now_ms.saturating_sub(pending.delivered_ms).max(0));
        sink.integer(pending.deliveries);
    }
    Ok(())
}

fn write_summary(sink: &mut dyn ReplySink, group: &Group) {
    sink.array(4);
    sink.integer(count_of(group.pending_count()));
    let Some((first, last)) = group.pending_ends() else {
        sink.null();
        sink.null();
        sink.null_array();
        return;
    };
    write_id(sink, first);
    write_id(sink, last);
    let busy = || group.consumers().filter(|consumer| consumer.pending_count() > 0);
    sink.array(busy().count());
    for consumer in busy() {
        sink.array(2);
        sink.bulk(consumer.name());
        let count = itoa::Buffer::new().format(consumer.pending_count()).to_owned();
        sink.bulk(count.as_bytes());
    }
}
