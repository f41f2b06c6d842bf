//! LATENCY: how long commands took, as counted by [`super::stats`], and when one took very long,
//! as noted in [`super::spikes`].

use engine::{Context, Halt};
use zumic_error::CommandError;

use super::help;
use super::spikes::Series;
use super::stats::{CommandTotals, StatsHub};
use super::{Admin, unix_microseconds};
use crate::settings::Settings;

/// Answers `LATENCY <sub>`.
pub(super) fn run(
    admin: &Admin,
    context: &mut Context<'_>,
    sub: &str,
    args: &[&[u8]],
) -> Result<(), Halt> {
    let now_s = unix_microseconds() / 1_000_000;
    match sub {
        "doctor" => {
            let report = diagnose(&admin.spikes.all(), &admin.settings.load(), now_s);
            context.sink().verbatim(*b"txt", report.as_bytes());
        }
        "graph" => {
            let missing = || CommandError::LatencyUnknown(args[2].to_vec());
            let (event, series) = admin.spikes.series(args[2]).ok_or_else(missing)?;
            context.sink().verbatim(*b"txt", series.graph(event, now_s).as_bytes());
        }
        "help" => help::write(context, help::LATENCY),
        "histogram" => histogram(&admin.stats, context, &args[2..]),
        "history" => history(context, admin.spikes.series(args[2])),
        "latest" => latest(context, &admin.spikes.all()),
        "reset" => {
            let count = admin.spikes.reset(&args[2..]);
            context.sink().integer(i64::try_from(count).expect("a handful of events"));
        }
        other => unreachable!("no row of the table leads to LATENCY {other}"),
    }
    Ok(())
}

fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Each event with its last sample and its worst.
fn latest(context: &mut Context<'_>, all: &[(&str, Series)]) {
    let sink = context.sink();
    sink.array(all.len());
    for (event, series) in all {
        let last = series.samples.back().expect("a series begins with a sample");
        sink.array(4);
        sink.bulk(event.as_bytes());
        for number in [last.at_s, last.took_ms, series.max_ms] {
            sink.integer(integer(number));
        }
    }
}

fn history(context: &mut Context<'_>, found: Option<(&str, Series)>) {
    let samples = found.map(|(_, series)| series.samples).unwrap_or_default();
    let sink = context.sink();
    sink.array(samples.len());
    for sample in samples {
        sink.array(2);
        sink.integer(integer(sample.at_s));
        sink.integer(integer(sample.took_ms));
    }
}

/// Redis's report, with such of its advice as is true here.
fn diagnose(all: &[(&str, Series)], settings: &Settings, now_s: u64) -> String {
    let threshold_ms = settings.latency_threshold_ms;
    if all.is_empty() && threshold_ms == 0 {
        return "I'm sorry, Dave, I can't do that. Latency monitoring is disabled in this Zumic \
                instance. You may use \"CONFIG SET latency-monitor-threshold <milliseconds>.\" in \
                order to enable it.\n"
            .to_owned();
    }
    if all.is_empty() {
        return "Dave, no latency spike was observed during the lifetime of this Zumic instance, \
                not in the slightest bit. I honestly think you ought to sit down calmly, take a \
                stress pill, and think things over.\n"
            .to_owned();
    }
    let mut report = "Dave, I have observed latency spikes in this Zumic instance. You don't mind \
                      talking about it, do you Dave?\n\n"
        .to_owned();
    for (index, (event, series)) in all.iter().enumerate() {
        let digest = series.digest(now_s);
        report.push_str(&format!(
            "{}. {event}: {} latency spikes (average {}ms, mean deviation {}ms, period {:.2} \
             sec). Worst all time event {}ms.\n",
            index + 1,
            digest.count,
            digest.average_ms,
            digest.deviation_ms,
            digest.period_s,
            series.max_ms
        ));
    }
    report.push_str("\nI have a few advices for you:\n\n");
    for (event, _) in all {
        match *event {
            "command" => advise_on_slow_commands(&mut report, settings),
            _ => report.push_str(
                "- The system is slow to execute code paths not containing system calls. This \
                 usually means the system does not provide Zumic CPU time to run for long \
                 periods. You should try to:\n  1) Lower the system load.\n  2) Use a computer / \
                 VM just for Zumic if you are running other software in the same system.\n  3) \
                 Check if you have a \"noisy neighbour\" problem.\n  4) Check with 'redis-cli \
                 --intrinsic-latency 100' what is the intrinsic latency in your system.\n",
            ),
        }
    }
    report
}

fn advise_on_slow_commands(report: &mut String, settings: &Settings) {
    let threshold_ms = settings.latency_threshold_ms;
    let threshold_us = threshold_ms.saturating_mul(1_000);
    let slow = u64::try_from(settings.slowlog_threshold_us).ok();
    match slow.filter(|_| settings.slowlog_len_max > 0) {
        None => report.push_str(&format!(
            "- There are latency issues with potentially slow commands you are using. Try to \
             enable the Slow Log using the command 'CONFIG SET slowlog-log-slower-than \
             {threshold_us}'. If the Slow log is disabled Zumic is not able to log slow commands \
             execution for you.\n"
        )),
        Some(slow) if slow / 1_000 > threshold_ms => report.push_str(&format!(
            "- Your current Slow Log configuration only logs events that are slower than your \
             configured latency monitor threshold. Please use 'CONFIG SET \
             slowlog-log-slower-than {threshold_us}'.\n"
        )),
        Some(_) => {}
    }
    report.push_str(
        "- Check your Slow Log to understand what are the commands you are running which are too \
         slow to execute.\n",
    );
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

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(latency_threshold_ms: u64, slowlog_threshold_us: i64) -> Settings {
        let (slowlog_len_max, defaults) = (128, Settings::default());
        Settings { latency_threshold_ms, slowlog_threshold_us, slowlog_len_max, ..defaults }
    }

    fn one(event: &'static str) -> Vec<(&'static str, Series)> {
        let spikes = super::super::spikes::Spikes::default();
        spikes.add(event, 100, 30);
        spikes.all()
    }

    #[test]
    fn the_doctor_advises_on_what_happened() {
        assert!(diagnose(&[], &settings(0, 0), 0).contains("monitoring is disabled"));
        assert!(diagnose(&[], &settings(1, 0), 0).contains("no latency spike"));
        let slow = diagnose(&one("command"), &settings(10, 10_000), 104);
        let line = "1. command: 1 latency spikes (average 30ms, mean deviation 0ms, period 4.00 \
                    sec). Worst all time event 30ms.\n";
        assert!(slow.contains(line), "{slow}");
        assert!(slow.contains("Check your Slow Log") && !slow.contains("CONFIG SET"), "{slow}");
        let high = diagnose(&one("command"), &settings(10, 20_000), 104);
        assert!(high.contains("only logs events that are slower"), "{high}");
        assert!(high.contains("slowlog-log-slower-than 10000'"), "{high}");
        let off = diagnose(&one("command"), &settings(10, -1), 104);
        assert!(off.contains("Try to enable the Slow Log"), "{off}");
        let fast = diagnose(&one("fast-command"), &settings(10, -1), 104);
        assert!(fast.contains("noisy neighbour") && !fast.contains("Slow Log"), "{fast}");
    }
}
