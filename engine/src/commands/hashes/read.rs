//! Handlers that read fields.

use super::{Args, Outcome, count};
use crate::Context;
use crate::values::hash::{Hash, Item};

/// Calls `answer` with the field, if it is there.
fn with_field(
    context: &mut Context<'_>,
    args: &Args<'_>,
    answer: impl FnOnce(&mut Context<'_>, Option<Item<'_>>),
) -> Outcome {
    let now = context.now_ms();
    let view = context.view::<Hash>(args[1])?;
    let item = view.as_ref().and_then(|view| view.get().find_live(args[2], now));
    answer(context, item);
    Ok(())
}

/// HGET key field
pub(in crate::commands) fn hget(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    with_field(context, args, |context, item| match item {
        None => context.sink().null(),
        Some(item) => item.value.write(context.sink()),
    })
}

/// HEXISTS key field
pub(in crate::commands) fn hexists(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    with_field(context, args, |context, item| {
        context.sink().integer(i64::from(item.is_some()));
    })
}

/// HSTRLEN key field
pub(in crate::commands) fn hstrlen(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    with_field(context, args, |context, item| {
        context.sink().integer(count(item.map_or(0, |item| item.value.len())));
    })
}

/// HMGET key field [field ...]
pub(in crate::commands) fn hmget(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let now = context.now_ms();
    let view = context.view::<Hash>(args[1])?;
    let hash = view.as_ref().map(|view| view.get());
    let sink = context.sink();
    sink.array(args.len() - 2);
    for field in &args[2..] {
        match hash.and_then(|hash| hash.find_live(field, now)) {
            None => sink.null(),
            Some(item) => item.value.write(sink),
        }
    }
    Ok(())
}

/// HLEN key
pub(in crate::commands) fn hlen(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let now = context.now_ms();
    let view = context.view::<Hash>(args[1])?;
    context.sink().integer(count(view.map_or(0, |view| view.get().live_len(now))));
    Ok(())
}

/// What HGETALL and its like answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum What {
    Fields,
    Pairs,
    Values,
}

fn all(context: &mut Context<'_>, args: &Args<'_>, what: What) -> Outcome {
    let now = context.now_ms();
    let view = context.view::<Hash>(args[1])?;
    let len = view.as_ref().map_or(0, |view| view.get().live_len(now));
    let sink = context.sink();
    match what {
        What::Fields | What::Values => sink.array(len),
        What::Pairs => sink.map(len),
    }
    let items = view.iter().flat_map(|view| view.get().iter());
    for item in items.filter(|item| item.is_live(now)) {
        if what != What::Values {
            item.field.write(sink);
        }
        if what != What::Fields {
            item.value.write(sink);
        }
    }
    Ok(())
}

/// HGETALL key
pub(in crate::commands) fn hgetall(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    all(context, args, What::Pairs)
}

/// HKEYS key
pub(in crate::commands) fn hkeys(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    all(context, args, What::Fields)
}

/// HVALS key
pub(in crate::commands) fn hvals(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    all(context, args, What::Values)
}
