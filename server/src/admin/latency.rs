//! LATENCY: how long commands took, as counted by [`super::stats`].
//!
//! Not here: latency events (LATEST, HISTORY, GRAPH, DOCTOR), which need a monitor of their own;
//! RESET therefore truthfully answers that it reset none.

use engine::{Context, Halt};

use super::help;
use super::stats::{CommandTotals, StatsHub};

/// Answers `LATENCY <sub>`.
pub(super) fn run(
    stats: &StatsHub,
    context: &mut Context<'_>,
    sub: &str,
    args: &[&[u8]],
) -> Result<(), Halt> {
    match sub {
        "help" => help::write(context, help::LATENCY),
        "histogram" => histogram(stats, context, &args[2..]),
        "reset" => context.sink().integer(0),
        other => unreachable!("no row of the table leads to LATENCY {other}"),
    }
    Ok(())
}

/// A container's name stands for all of its subcommands; unknown names are passed over.
fn histogram(stats: &StatsHub, context: &mut Context<'_>, names: &[&[u8]]) {
    let is_wanted = |name: &str| {
        let container = name.split('|').next().unwrap_or(name);
        names.is_empty()
            || names.iter().any(|wanted| {
                wanted.eq_ignore_ascii_case(name.as_bytes())
                    || wanted.eq_ignore_ascii_case(container.as_bytes())
            })
    };
    let totals = stats.totals();
    let rows: Vec<(&str, &CommandTotals)> = totals
        .commands
        .iter()
        .enumerate()
        .map(|(id, total)| (stats.name(id), total))
        .filter(|(name, total)| total.latencies.count() > 0 && is_wanted(name))
        .collect();
    let sink = context.sink();
    let integer = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    sink.map(rows.len());
    for (name, total) in rows {
        sink.bulk(name.as_bytes());
        sink.map(2);
        sink.bulk(b"calls");
        sink.integer(integer(total.latencies.count()));
        sink.bulk(b"histogram_usec");
        let doublings = total.latencies.doublings();
        sink.map(doublings.len());
        for (microseconds, calls) in doublings {
            sink.integer(integer(microseconds));
            sink.integer(integer(calls));
        }
    }
}
