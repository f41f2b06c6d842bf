//! HSCAN.

use super::{Args, Outcome};
use crate::Context;
use crate::commands::number::parse_cursor;
use crate::commands::scanning::{ScanOptions, Scanned};
use crate::values::hash::{Hash, HashRef, Item};

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
        let options = ScanOptions::parse(&args[3..], Scanned::Fields)?;
        values = options.values;
        let show = |item: Item<'_>| {
            item.is_live(now) && item.field.with_bytes(|field| options.selects(field))
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
