//! The HELP subcommands: what there is, line by line.
//!
//! Why it exists: each text lists exactly the subcommands that this server has, in Redis's words.

use engine::Context;

/// Answers with `lines`, then with the lines about HELP itself.
pub(super) fn write(context: &mut Context<'_>, (container, lines): (&str, &[&str])) {
    let sink = context.sink();
    sink.array(lines.len() + 3);
    let usage = "<subcommand> [<arg> [value] [opt] ...]. Subcommands are:";
    sink.simple(&format!("{container} {usage}"));
    lines.iter().for_each(|line| sink.simple(line));
    sink.simple("HELP");
    sink.simple("    Prints this help.");
}

pub(super) const CONFIG: (&str, &[&str]) = (
    "CONFIG",
    &[
        "GET <pattern>",
        "    Return parameters matching the glob-like <pattern> and their values.",
        "SET <directive> <value>",
        "    Set the configuration <directive> to <value>.",
        "RESETSTAT",
        "    Reset statistics reported by the INFO command.",
        "REWRITE",
        "    Rewrite the configuration file.",
    ],
);

pub(super) const DEBUG: (&str, &[&str]) = (
    "DEBUG",
    &[
        "ERROR <string>",
        "    Return a Redis protocol error with <string> as message. Useful for clients",
        "    unit tests to simulate Redis errors.",
        "OBJECT <key>",
        "    Show low level info about `key` and associated value.",
        "PROTOCOL <type>",
        "    Reply with a test value of the specified type. <type> can be: string,",
        "    integer, double, bignum, null, array, set, map, push, verbatim,",
        "    true, false.",
        "SET-ACTIVE-EXPIRE <0|1>",
        "    Setting it to 0 disables expiring keys in background when they are not",
        "    accessed (otherwise the Redis behavior). Setting it to 1 reenables back the",
        "    default.",
        "SLEEP <seconds>",
        "    Stop the event loop of this connection for <seconds>. Decimals allowed.",
    ],
);

pub(super) const LATENCY: (&str, &[&str]) = (
    "LATENCY",
    &[
        "DOCTOR",
        "    Return a human readable latency analysis report.",
        "GRAPH <event>",
        "    Return an ASCII latency graph for the <event> class.",
        "HISTORY <event>",
        "    Return time-latency samples for the <event> class.",
        "LATEST",
        "    Return the latest latency samples for all events.",
        "RESET [<event> ...]",
        "    Reset latency data of one or more <event> classes.",
        "    (default: reset all data for all event classes)",
        "HISTOGRAM [COMMAND ...]",
        "    Return a cumulative distribution of latencies in the format of a histogram for the \
         specified command names.",
        "    If no commands are specified then all histograms are replied.",
    ],
);

pub(super) const SLOWLOG: (&str, &[&str]) = (
    "SLOWLOG",
    &[
        "GET [<count>]",
        "    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
        "    Entries are made of:",
        "    id, timestamp, time in microseconds, arguments array, client IP and port,",
        "    client name",
        "LEN",
        "    Return the length of the slowlog.",
        "RESET",
        "    Reset the slowlog.",
    ],
);
