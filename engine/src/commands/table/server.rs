//! The table's rows: the server and its databases.
//!
//! Legend: see [`super`].

use crate::EffectForm;
use crate::commands::argument::{block, integer, key, one_of, text, token};
use crate::commands::keyspec::{KeyFlags, KeySpec};
use crate::commands::spec::{Categories, CommandSpec, Flags, Group, Handler, HostCommand};
use crate::commands::{keys, modules, object};

/// Subcommands of CONFIG.
const CONFIG: &[CommandSpec] = &[
    CommandSpec {
        name: "config|get",
        arity: -3,
        flags: Flags::ADMIN.or(Flags::NO_SCRIPT).or(Flags::LOADING).or(Flags::STALE),
        group: Group::Server,
        since: "2.0.0",
        complexity: "O(N) when N is the number of configuration parameters provided",
        summary: "Get the values of configuration parameters",
        history: &[("7.0.0", "Added the ability to pass multiple pattern parameters in one call")],
        arguments: &[block("parameter", &[text("parameter")]).multiple()],
        handler: Handler::Host(HostCommand::Config),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "config|help",
        arity: 2,
        flags: Flags::LOADING.or(Flags::STALE),
        group: Group::Server,
        since: "5.0.0",
        summary: "Show helpful text about the different subcommands",
        handler: Handler::Host(HostCommand::Config),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "config|resetstat",
        arity: 2,
        flags: Flags::ADMIN.or(Flags::NO_SCRIPT).or(Flags::LOADING).or(Flags::STALE),
        group: Group::Server,
        since: "2.0.0",
        summary: "Reset the stats returned by INFO",
        handler: Handler::Host(HostCommand::Config),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "config|rewrite",
        arity: 2,
        flags: Flags::ADMIN.or(Flags::NO_SCRIPT).or(Flags::LOADING).or(Flags::STALE),
        group: Group::Server,
        since: "2.8.0",
        summary: "Rewrite the configuration file with the in memory configuration",
        handler: Handler::Host(HostCommand::Config),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "config|set",
        arity: -4,
        flags: Flags::ADMIN.or(Flags::NO_SCRIPT).or(Flags::LOADING).or(Flags::STALE),
        group: Group::Server,
        since: "2.0.0",
        complexity: "O(N) when N is the number of configuration parameters provided",
        summary: "Set configuration parameters to the given values",
        history: &[("7.0.0", "Added the ability to set multiple parameters in one call.")],
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        arguments: &[block("parameter_value", &[text("parameter"), text("value")]).multiple()],
        handler: Handler::Host(HostCommand::Config),
        ..CommandSpec::DEFAULT
    },
];

/// Subcommands of LATENCY.
const LATENCY: &[CommandSpec] = &[
    CommandSpec {
        name: "latency|doctor",
        arity: 2,
        flags: Flags::ADMIN.or(Flags::NO_SCRIPT).or(Flags::LOADING).or(Flags::STALE),
        group: Group::Server,
        since: "2.8.13",
        summary: "Return a human readable latency analysis report.",
        tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
        handler: Handler::Host(HostCommand::Latency),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "latency|graph",
        arity: 3,
        flags: Flags::ADMIN.or(Flags::NO_SCRIPT).or(Flags::LOADING).or(Flags::STALE),
        group: Group::Server,
        since: "2.8.13",
        summary: "Return a latency graph for the event.",
        tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
        arguments: &[text("event")],
        handler: Handler::Host(HostCommand::Latency),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "latency|help",
        arity: 2,
        flags: Flags::LOADING.or(Flags::STALE),
        group: Group::Server,
        since: "2.8.13",
        summary: "Show helpful text about the different subcommands.",
        handler: Handler::Host(HostCommand::Latency),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "latency|histogram",
        arity: -2,
        flags: Flags::ADMIN.or(Flags::NO_SCRIPT).or(Flags::LOADING).or(Flags::STALE),
        group: Group::Server,
        since: "7.0.0",
        complexity: "O(N) where N is the number of commands with latency information being \
            retrieved.",
        summary: "Return the cumulative distribution of latencies of a subset of commands or all.",
        tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
        arguments: &[text("command").optional().multiple()],
        handler: Handler::Host(HostCommand::Latency),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "latency|history",
        arity: 3,
        flags: Flags::ADMIN.or(Flags::NO_SCRIPT).or(Flags::LOADING).or(Flags::STALE),
        group: Group::Server,
        since: "2.8.13",
        summary: "Return timestamp-latency samples for the event.",
        tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
        arguments: &[text("event")],
        handler: Handler::Host(HostCommand::Latency),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "latency|latest",
        arity: 2,
        flags: Flags::ADMIN.or(Flags::NO_SCRIPT).or(Flags::LOADING).or(Flags::STALE),
        group: Group::Server,
        since: "2.8.13",
        summary: "Return the latest latency samples for all events.",
        tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
        handler: Handler::Host(HostCommand::Latency),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "latency|reset",
        arity: -2,
        flags: Flags::ADMIN.or(Flags::NO_SCRIPT).or(Flags::LOADING).or(Flags::STALE),
        group: Group::Server,
        since: "2.8.13",
        summary: "Reset latency data for one or more events.",
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        arguments: &[text("event").optional().multiple()],
        handler: Handler::Host(HostCommand::Latency),
        ..CommandSpec::DEFAULT
    },
];

/// Subcommands of MEMORY.
const MEMORY: &[CommandSpec] = &[
    CommandSpec {
        name: "memory|doctor",
        arity: 2,
        group: Group::Server,
        since: "4.0.0",
        summary: "Outputs memory problems report",
        tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        handler: Handler::Host(HostCommand::MemoryDoctor),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "memory|help",
        arity: 2,
        flags: Flags::LOADING.or(Flags::STALE),
        group: Group::Server,
        since: "4.0.0",
        summary: "Show helpful text about the different subcommands",
        handler: Handler::Engine(object::memory_help),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "memory|malloc-stats",
        arity: 2,
        group: Group::Server,
        since: "4.0.0",
        complexity: "Depends on how much memory is allocated, could be slow",
        summary: "Show allocator internal stats",
        tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        handler: Handler::Host(HostCommand::MemoryMallocStats),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "memory|stats",
        arity: 2,
        group: Group::Server,
        since: "4.0.0",
        summary: "Show memory usage details",
        tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        handler: Handler::Host(HostCommand::MemoryStats),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "memory|usage",
        arity: -3,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(2, KeyFlags::RO)],
        group: Group::Server,
        since: "4.0.0",
        complexity: "O(N) where N is the number of samples.",
        summary: "Estimate the memory usage of a key",
        arguments: &[key("key"), integer("count").after("SAMPLES").optional()],
        handler: Handler::Engine(object::memory_usage),
        ..CommandSpec::DEFAULT
    },
];

/// Subcommands of MODULE.
const MODULE: &[CommandSpec] = &[
    CommandSpec {
        name: "module|help",
        arity: 2,
        flags: Flags::LOADING.or(Flags::STALE),
        group: Group::Server,
        since: "5.0.0",
        summary: "Show helpful text about the different subcommands",
        handler: Handler::Engine(modules::help),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "module|list",
        arity: 2,
        flags: Flags::ADMIN.or(Flags::NO_SCRIPT),
        group: Group::Server,
        since: "4.0.0",
        complexity: "O(N) where N is the number of loaded modules.",
        summary: "List all modules loaded by the server",
        tips: &["nondeterministic_output_order"],
        handler: Handler::Engine(modules::list),
        ..CommandSpec::DEFAULT
    },
];

/// Subcommands of SLOWLOG.
const SLOWLOG: &[CommandSpec] = &[
    CommandSpec {
        name: "slowlog|get",
        arity: -2,
        flags: Flags::ADMIN.or(Flags::LOADING).or(Flags::STALE),
        group: Group::Server,
        since: "2.2.12",
        complexity: "O(N) where N is the number of entries returned",
        summary: "Get the slow log's entries",
        history: &[("4.0.0", "Added client IP address, port and name to the reply.")],
        tips: &["request_policy:all_nodes", "nondeterministic_output"],
        arguments: &[integer("count").optional()],
        handler: Handler::Host(HostCommand::Slowlog),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "slowlog|help",
        arity: 2,
        flags: Flags::LOADING.or(Flags::STALE),
        group: Group::Server,
        since: "6.2.0",
        summary: "Show helpful text about the different subcommands",
        handler: Handler::Host(HostCommand::Slowlog),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "slowlog|len",
        arity: 2,
        flags: Flags::ADMIN.or(Flags::LOADING).or(Flags::STALE),
        group: Group::Server,
        since: "2.2.12",
        summary: "Get the slow log's length",
        tips: &["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"],
        handler: Handler::Host(HostCommand::Slowlog),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "slowlog|reset",
        arity: 2,
        flags: Flags::ADMIN.or(Flags::LOADING).or(Flags::STALE),
        group: Group::Server,
        since: "2.2.12",
        complexity: "O(N) where N is the number of entries in the slowlog",
        summary: "Clear all entries from the slow log",
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        handler: Handler::Host(HostCommand::Slowlog),
        ..CommandSpec::DEFAULT
    },
];

/// The server and its databases.
pub(super) const ROWS: &[CommandSpec] = &[
    CommandSpec {
        name: "bgrewriteaof",
        arity: 1,
        flags: Flags::ADMIN.or(Flags::NO_SCRIPT).or(Flags::NO_ASYNC_LOADING),
        group: Group::Server,
        summary: "Asynchronously rewrite the append-only file",
        handler: Handler::Host(HostCommand::BgRewriteAof),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "bgsave",
        arity: -1,
        flags: Flags::ADMIN.or(Flags::NO_SCRIPT).or(Flags::NO_ASYNC_LOADING),
        group: Group::Server,
        summary: "Asynchronously save the dataset to disk",
        history: &[("3.2.2", "Added the `SCHEDULE` option.")],
        arguments: &[token("schedule", "SCHEDULE").since("3.2.2").optional()],
        handler: Handler::Host(HostCommand::BgSave),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "config",
        arity: -2,
        group: Group::Server,
        since: "2.0.0",
        complexity: "Depends on subcommand.",
        summary: "A container for server configuration commands",
        subcommands: CONFIG,
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "dbsize",
        arity: 1,
        flags: Flags::READONLY.or(Flags::FAST).or(Flags::WHOLE),
        categories: Categories::KEYSPACE,
        group: Group::Server,
        summary: "Return the number of keys in the selected database",
        tips: &["request_policy:all_shards", "response_policy:agg_sum"],
        handler: Handler::Engine(keys::dbsize),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "debug",
        arity: -2,
        flags: Flags::ADMIN.or(Flags::NO_SCRIPT).or(Flags::LOADING).or(Flags::STALE),
        group: Group::Server,
        system: true,
        complexity: "Depends on subcommand.",
        summary: "A container for debugging commands",
        handler: Handler::Host(HostCommand::Debug),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "flushall",
        arity: -1,
        flags: Flags::WRITE.or(Flags::EXCLUSIVE),
        categories: Categories::KEYSPACE.or(Categories::DANGEROUS),
        group: Group::Server,
        complexity: "O(N) where N is the total number of keys in all databases",
        summary: "Remove all keys from all databases",
        history: &[
            ("4.0.0", "Added the `ASYNC` flushing mode modifier."),
            ("6.2.0", "Added the `SYNC` flushing mode modifier."),
        ],
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        arguments: &[one_of(
            "async",
            &[token("async", "ASYNC").since("4.0.0"), token("sync", "SYNC").since("6.2.0")],
        )
        .optional()],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(keys::flushall),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "flushdb",
        arity: -1,
        flags: Flags::WRITE.or(Flags::EXCLUSIVE),
        categories: Categories::KEYSPACE.or(Categories::DANGEROUS),
        group: Group::Server,
        complexity: "O(N) where N is the number of keys in the selected database",
        summary: "Remove all keys from the current database",
        history: &[
            ("4.0.0", "Added the `ASYNC` flushing mode modifier."),
            ("6.2.0", "Added the `SYNC` flushing mode modifier."),
        ],
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        arguments: &[one_of(
            "async",
            &[token("async", "ASYNC").since("4.0.0"), token("sync", "SYNC").since("6.2.0")],
        )
        .optional()],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(keys::flushdb),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "info",
        arity: -1,
        flags: Flags::LOADING.or(Flags::STALE),
        categories: Categories::DANGEROUS,
        group: Group::Server,
        summary: "Get information and statistics about the server",
        history: &[("7.0.0", "Added support for taking multiple section arguments.")],
        tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        arguments: &[text("section").optional().multiple()],
        handler: Handler::Host(HostCommand::Info),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "lastsave",
        arity: 1,
        flags: Flags::LOADING.or(Flags::STALE).or(Flags::FAST),
        categories: Categories::ADMIN.or(Categories::DANGEROUS),
        group: Group::Server,
        summary: "Get the UNIX time stamp of the last successful save to disk",
        tips: &["nondeterministic_output"],
        handler: Handler::Host(HostCommand::LastSave),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "latency",
        arity: -2,
        group: Group::Server,
        since: "2.8.13",
        complexity: "Depends on subcommand.",
        summary: "A container for latency diagnostics commands",
        subcommands: LATENCY,
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "lolwut",
        arity: -1,
        flags: Flags::READONLY.or(Flags::FAST),
        group: Group::Server,
        since: "5.0.0",
        complexity: "",
        summary: "Display some computer art and the Redis version",
        arguments: &[integer("version").after("VERSION").optional()],
        handler: Handler::Host(HostCommand::Lolwut),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "memory",
        arity: -2,
        group: Group::Server,
        since: "4.0.0",
        complexity: "Depends on subcommand.",
        summary: "A container for memory diagnostics commands",
        subcommands: MEMORY,
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "module",
        arity: -2,
        group: Group::Server,
        since: "4.0.0",
        complexity: "Depends on subcommand.",
        summary: "A container for module commands",
        subcommands: MODULE,
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "monitor",
        arity: 1,
        flags: Flags::ADMIN.or(Flags::NO_SCRIPT).or(Flags::LOADING).or(Flags::STALE),
        group: Group::Server,
        complexity: "",
        summary: "Listen for all requests received by the server in real time",
        handler: Handler::Host(HostCommand::Monitor),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "save",
        arity: 1,
        flags: Flags::ADMIN.or(Flags::NO_SCRIPT).or(Flags::NO_ASYNC_LOADING).or(Flags::NO_MULTI),
        group: Group::Server,
        complexity: "O(N) where N is the total number of keys in all databases",
        summary: "Synchronously save the dataset to disk",
        handler: Handler::Host(HostCommand::Save),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "shutdown",
        arity: -1,
        flags: Flags::ADMIN
            .or(Flags::NO_SCRIPT)
            .or(Flags::LOADING)
            .or(Flags::STALE)
            .or(Flags::NO_MULTI)
            .or(Flags::ALLOW_BUSY),
        group: Group::Server,
        complexity: "O(N) when saving, where N is the total number of keys in all databases when \
            saving data, otherwise O(1)",
        summary: "Synchronously save the dataset to disk and then shut down the server",
        history: &[("7.0.0", "Added the `NOW`, `FORCE` and `ABORT` modifiers.")],
        arguments: &[
            one_of("nosave_save", &[token("nosave", "NOSAVE"), token("save", "SAVE")]).optional(),
            token("now", "NOW").since("7.0.0").optional(),
            token("force", "FORCE").since("7.0.0").optional(),
            token("abort", "ABORT").since("7.0.0").optional(),
        ],
        handler: Handler::Host(HostCommand::Shutdown),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "slowlog",
        arity: -2,
        group: Group::Server,
        since: "2.2.12",
        complexity: "Depends on subcommand.",
        summary: "A container for slow log commands",
        subcommands: SLOWLOG,
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "swapdb",
        arity: 3,
        flags: Flags::WRITE.or(Flags::FAST).or(Flags::EXCLUSIVE),
        categories: Categories::KEYSPACE.or(Categories::DANGEROUS),
        group: Group::Server,
        since: "4.0.0",
        complexity: "O(N) where N is the count of clients watching or blocking on keys from both \
            databases.",
        summary: "Swaps two Redis databases",
        arguments: &[integer("index1"), integer("index2")],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(keys::swapdb),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "time",
        arity: 1,
        flags: Flags::LOADING.or(Flags::STALE).or(Flags::FAST),
        group: Group::Server,
        since: "2.6.0",
        summary: "Return the current server time",
        tips: &["nondeterministic_output"],
        handler: Handler::Host(HostCommand::Time),
        ..CommandSpec::DEFAULT
    },
];
