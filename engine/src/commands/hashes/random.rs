//! HRANDFIELD.

use std::collections::HashSet;

use zumic_error::{CommandError, HashError};

use super::{Args, Outcome};
use crate::commands::number::parse_integer;
use crate::structures::smart_hash::SmartHash;
use crate::values::hash::{Hash, HashRef, Item};
use crate::{Context, Halt};

/// Most fields that a negative count may draw: the reply is in memory before it is sent.
const DRAWS_MAX: u64 = 1 << 24;
/// A table is asked for that part of its fields one by one; for more, all are listed.
const SPARSE_PART: usize = 3;

/// What to draw from: fields that have not expired.
enum Urn<'a> {
    Items(Vec<Item<'a>>),
    Table(&'a SmartHash),
}

impl<'a> Urn<'a> {
    fn new(hash: HashRef<'a>, now_ms: u64) -> Self {
        match hash {
            HashRef::Table(table) if table.live_len(now_ms) == table.len() => Self::Table(table),
            hash => Self::Items(hash.iter().filter(|item| item.is_live(now_ms)).collect()),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Items(items) => items.len(),
            Self::Table(table) => table.len(),
        }
    }

    fn draw(&self, random: u64) -> Option<Item<'a>> {
        match self {
            Self::Items(items) => items.get(below(random, items.len())).copied(),
            Self::Table(table) => table.random(random).map(Item::from),
        }
    }

    /// `wanted` different fields; all of them in their order if there are no more.
    fn sample(self, context: &mut Context<'_>, wanted: usize) -> Vec<Item<'a>> {
        let mut items = match self {
            Self::Table(table) if wanted < table.len() / SPARSE_PART => {
                return sparse(table, context, wanted);
            }
            Self::Table(table) => table.iter().map(Item::from).collect(),
            Self::Items(items) => items,
        };
        if wanted < items.len() {
            // The first steps of a shuffle (Fisher and Yates).
            for at in 0..wanted {
                let other = at + below(context.random(), items.len() - at);
                items.swap(at, other);
            }
            items.truncate(wanted);
        }
        items
    }
}

/// Different fields out of many more.
fn sparse<'a>(table: &'a SmartHash, context: &mut Context<'_>, wanted: usize) -> Vec<Item<'a>> {
    let mut drawn = HashSet::with_capacity(wanted);
    let mut items = Vec::with_capacity(wanted);
    while items.len() < wanted {
        let element = table.random(context.random()).expect("more fields than are wanted");
        if drawn.insert(element.field) {
            items.push(Item::from(element));
        }
    }
    items
}

/// A number below `limit`, or 0.
fn below(random: u64, limit: usize) -> usize {
    let wide = u128::from(random) * limit as u128;
    usize::try_from(wide >> 64).expect("below a usize")
}

/// The count, and whether values are wanted.
fn parse(args: &Args<'_>) -> Result<(i64, bool), CommandError> {
    let count = parse_integer(args[2])?;
    if count == i64::MIN {
        return Err(CommandError::NotInRange { min: -i64::MAX, max: i64::MAX });
    }
    match args[3..] {
        [] => Ok((count, false)),
        [word] if word.eq_ignore_ascii_case(b"WITHVALUES") => {
            let fits = count.unsigned_abs() <= i64::MAX.unsigned_abs() / 2;
            if fits { Ok((count, true)) } else { Err(CommandError::ValueOutOfRange) }
        }
        _ => Err(CommandError::Syntax),
    }
}

/// HRANDFIELD key [count [WITHVALUES]]
pub(in crate::commands) fn hrandfield(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let now = context.now_ms();
    let parsed = if args.len() > 2 { Some(parse(args)?) } else { None };
    let view = context.view::<Hash>(args[1])?;
    let urn = view.as_ref().map(|view| Urn::new(view.get(), now)).filter(|urn| urn.len() > 0);
    let Some((count, values)) = parsed else {
        let random = context.random();
        match urn.and_then(|urn| urn.draw(random)) {
            None => context.sink().null(),
            Some(item) => item.field.write(context.sink()),
        }
        return Ok(());
    };
    let items = match urn {
        None => Vec::new(),
        Some(urn) if count < 0 => repeated(context, &urn, count.unsigned_abs())?,
        Some(urn) => {
            let wanted = usize::try_from(count).unwrap_or(usize::MAX).min(urn.len());
            urn.sample(context, wanted)
        }
    };
    reply(context, &items, values);
    Ok(())
}

/// So many draws, each out of all fields.
fn repeated<'a>(
    context: &mut Context<'_>,
    urn: &Urn<'a>,
    draws: u64,
) -> Result<Vec<Item<'a>>, Halt> {
    if draws > DRAWS_MAX {
        return Err(CommandError::from(HashError::CountTooLarge).into());
    }
    Ok((0..draws).filter_map(|_| urn.draw(context.random())).collect())
}

/// Pairs are arrays of their own since version 3.
fn reply(context: &mut Context<'_>, items: &[Item<'_>], values: bool) {
    let sink = context.sink();
    let nested = sink.version() > 2;
    sink.array(if values && !nested { 2 * items.len() } else { items.len() });
    for item in items {
        if values && nested {
            sink.array(2);
        }
        item.field.write(sink);
        if values {
            item.value.write(sink);
        }
    }
}
