//! HSCAN.

use zumic_error::CommandError;

use super::{Args, Outcome};
use crate::Context;
use crate::commands::glob;
use crate::commands::number::{parse_cursor, parse_integer};
use crate::values::hash::{Hash, HashRef, Item};

/// What HSCAN shows.
#[derive(Debug)]
struct Options<'a> {
    pattern: Option<&'a [u8]>,
    count: usize,
    values: bool,
}

impl<'a> Options<'a> {
    fn parse(words: &[&'a [u8]]) -> Result<Self, CommandError> {
        let mut options = Self { pattern: None, count: 10, values: true };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().copied().ok_or(CommandError::Syntax);
            match word.to_ascii_uppercase().as_slice() {
                b"COUNT" => {
                    let count = usize::try_from(parse_integer(value()?)?).ok();
                    options.count = count.filter(|count| *count > 0).ok_or(CommandError::Syntax)?;
                }
                b"MATCH" => options.pattern = Some(value()?),
                b"NOVALUES" => options.values = false,
                _ => return Err(CommandError::Syntax),
            }
        }
        Ok(options)
    }
}

/// HSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES]
///
/// The options are looked at only if there is a hash, as in Redis. A packed hash is shown whole.
pub(in crate::commands) fn hscan(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let cursor = parse_cursor(args[2])?;
    let now = context.now_ms();
    let view = context.view::<Hash>(args[1])?;
    let (mut next, mut values) = (0, true);
    let mut shown: Vec<Item<'_>> = Vec::new();
    if let Some(view) = &view {
        let options = Options::parse(&args[3..])?;
        values = options.values;
        let show = |item: Item<'_>| {
            let matches = |pattern| item.field.with_bytes(|field| glob::selects(pattern, field));
            item.is_live(now) && options.pattern.is_none_or(matches)
        };
        match view.get() {
            HashRef::Table(table) => {
                next = table.scan(cursor, options.count, |element| {
                    let item = Item::from(element);
                    if show(item) {
                        shown.push(item);
                    }
                });
            }
            packed => shown.extend(packed.iter().filter(|item| show(*item))),
        }
    }
    let sink = context.sink();
    sink.array(2);
    sink.bulk(itoa::Buffer::new().format(next).as_bytes());
    sink.array(if values { 2 * shown.len() } else { shown.len() });
    for item in shown {
        item.field.write(sink);
        if values {
            item.value.write(sink);
        }
    }
    Ok(())
}
