//! The table's rows: scripts.
//!
//! Legend: see [`super`].

use crate::commands::argument::{integer, key, one_of, text, token};
use crate::commands::keyspec::{BeginSearch, FindKeys, KeyFlags, KeySpec};
use crate::commands::scripts;
use crate::commands::spec::{Categories, CommandSpec, Flags, Group, Handler, ScriptCommand};

/// The keys that a script declares: a number, then so many.
const fn declared(flags: KeyFlags, notes: &'static str) -> KeySpec {
    let find = FindKeys::KeyNum { index: 0, first: 1, step: 1 };
    KeySpec { begin: BeginSearch::Index(2), find, flags, notes }
}

const WRITES: KeyFlags = KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE);
const READS: KeyFlags = KeyFlags::RO.or(KeyFlags::ACCESS);
const WORST_RW: &str =
    "We cannot tell how the keys will be used so we assume the worst, RW and UPDATE";
const WORST_RO: &str =
    "We cannot tell how the keys will be used so we assume the worst, RO and ACCESS";

/// Subcommands of SCRIPT.
const SCRIPT: &[CommandSpec] = &[
    CommandSpec {
        name: "script|exists",
        arity: -3,
        flags: Flags::NO_SCRIPT,
        categories: Categories::SCRIPTING,
        group: Group::Scripting,
        since: "2.6.0",
        complexity: "O(N) with N being the number of scripts to check (so checking a single \
            script is an O(1) operation).",
        summary: "Check existence of scripts in the script cache.",
        tips: &["request_policy:all_shards", "response_policy:agg_logical_and"],
        arguments: &[text("sha1").multiple()],
        handler: Handler::Engine(scripts::script_exists),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "script|flush",
        arity: -2,
        flags: Flags::NO_SCRIPT,
        categories: Categories::SCRIPTING,
        group: Group::Scripting,
        since: "2.6.0",
        complexity: "O(N) with N being the number of scripts in cache",
        summary: "Remove all the scripts from the script cache.",
        history: &[("6.2.0", "Added the `ASYNC` and `SYNC` flushing mode modifiers.")],
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        arguments: &[one_of("async", &[token("async", "ASYNC"), token("sync", "SYNC")])
            .since("6.2.0")
            .optional()],
        handler: Handler::Engine(scripts::script_flush),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "script|help",
        arity: 2,
        flags: Flags::LOADING.or(Flags::STALE),
        categories: Categories::SCRIPTING,
        group: Group::Scripting,
        since: "5.0.0",
        summary: "Show helpful text about the different subcommands",
        handler: Handler::Engine(scripts::script_help),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "script|kill",
        arity: 2,
        flags: Flags::NO_SCRIPT.or(Flags::ALLOW_BUSY),
        categories: Categories::SCRIPTING,
        group: Group::Scripting,
        since: "2.6.0",
        summary: "Kill the script currently in execution.",
        tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
        handler: Handler::Engine(scripts::script_kill),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "script|load",
        arity: 3,
        flags: Flags::NO_SCRIPT.or(Flags::STALE),
        categories: Categories::SCRIPTING,
        group: Group::Scripting,
        since: "2.6.0",
        complexity: "O(N) with N being the length in bytes of the script body.",
        summary: "Load the specified Lua script into the script cache.",
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        arguments: &[text("script")],
        handler: Handler::Engine(scripts::script_load),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "script|show",
        arity: 3,
        flags: Flags::NO_SCRIPT,
        categories: Categories::SCRIPTING,
        group: Group::Scripting,
        since: "8.0.0",
        summary: "Show the source of a script in the script cache.",
        arguments: &[text("sha1")],
        handler: Handler::Engine(scripts::script_show),
        ..CommandSpec::DEFAULT
    },
];

/// Scripts.
pub(super) const ROWS: &[CommandSpec] = &[
    CommandSpec {
        name: "eval",
        arity: -3,
        flags: Flags::NO_SCRIPT
            .or(Flags::STALE)
            .or(Flags::SKIP_MONITOR)
            .or(Flags::NO_MANDATORY_KEYS)
            .or(Flags::MOVABLE_KEYS),
        keys: &[declared(WRITES, WORST_RW)],
        categories: Categories::SCRIPTING,
        group: Group::Scripting,
        since: "2.6.0",
        complexity: "Depends on the script that is executed.",
        summary: "Execute a Lua script server side",
        arguments: &[
            text("script"),
            integer("numkeys"),
            key("key").optional().multiple(),
            text("arg").optional().multiple(),
        ],
        handler: Handler::Script(ScriptCommand::Eval),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "eval_ro",
        arity: -3,
        flags: Flags::READONLY
            .or(Flags::NO_SCRIPT)
            .or(Flags::STALE)
            .or(Flags::SKIP_MONITOR)
            .or(Flags::NO_MANDATORY_KEYS)
            .or(Flags::MOVABLE_KEYS),
        keys: &[declared(READS, WORST_RO)],
        categories: Categories::SCRIPTING,
        group: Group::Scripting,
        since: "7.0.0",
        complexity: "Depends on the script that is executed.",
        summary: "Execute a read-only Lua script server side",
        arguments: &[
            text("script"),
            integer("numkeys"),
            key("key").optional().multiple(),
            text("arg").optional().multiple(),
        ],
        handler: Handler::Script(ScriptCommand::EvalRo),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "evalsha",
        arity: -3,
        flags: Flags::NO_SCRIPT
            .or(Flags::STALE)
            .or(Flags::SKIP_MONITOR)
            .or(Flags::NO_MANDATORY_KEYS)
            .or(Flags::MOVABLE_KEYS),
        keys: &[declared(WRITES, "")],
        categories: Categories::SCRIPTING,
        group: Group::Scripting,
        since: "2.6.0",
        complexity: "Depends on the script that is executed.",
        summary: "Execute a Lua script server side",
        arguments: &[
            text("sha1"),
            integer("numkeys"),
            key("key").optional().multiple(),
            text("arg").optional().multiple(),
        ],
        handler: Handler::Script(ScriptCommand::EvalSha),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "evalsha_ro",
        arity: -3,
        flags: Flags::READONLY
            .or(Flags::NO_SCRIPT)
            .or(Flags::STALE)
            .or(Flags::SKIP_MONITOR)
            .or(Flags::NO_MANDATORY_KEYS)
            .or(Flags::MOVABLE_KEYS),
        keys: &[declared(READS, "")],
        categories: Categories::SCRIPTING,
        group: Group::Scripting,
        since: "7.0.0",
        complexity: "Depends on the script that is executed.",
        summary: "Execute a read-only Lua script server side",
        arguments: &[
            text("sha1"),
            integer("numkeys"),
            key("key").optional().multiple(),
            text("arg").optional().multiple(),
        ],
        handler: Handler::Script(ScriptCommand::EvalShaRo),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "fcall",
        arity: -3,
        flags: Flags::NO_SCRIPT
            .or(Flags::STALE)
            .or(Flags::SKIP_MONITOR)
            .or(Flags::NO_MANDATORY_KEYS)
            .or(Flags::MOVABLE_KEYS),
        keys: &[declared(WRITES, WORST_RW)],
        categories: Categories::SCRIPTING,
        group: Group::Scripting,
        since: "7.0.0",
        complexity: "Depends on the function that is executed.",
        summary: "Invoke a function",
        arguments: &[
            text("function"),
            integer("numkeys"),
            key("key").optional().multiple(),
            text("arg").optional().multiple(),
        ],
        handler: Handler::Script(ScriptCommand::Fcall),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "fcall_ro",
        arity: -3,
        flags: Flags::READONLY
            .or(Flags::NO_SCRIPT)
            .or(Flags::STALE)
            .or(Flags::SKIP_MONITOR)
            .or(Flags::NO_MANDATORY_KEYS)
            .or(Flags::MOVABLE_KEYS),
        keys: &[declared(READS, WORST_RO)],
        categories: Categories::SCRIPTING,
        group: Group::Scripting,
        since: "7.0.0",
        complexity: "Depends on the function that is executed.",
        summary: "Invoke a read-only function",
        arguments: &[
            text("function"),
            integer("numkeys"),
            key("key").optional().multiple(),
            text("arg").optional().multiple(),
        ],
        handler: Handler::Script(ScriptCommand::FcallRo),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "script",
        arity: -2,
        group: Group::Scripting,
        since: "2.6.0",
        complexity: "Depends on subcommand.",
        summary: "A container for Lua scripts management commands",
        subcommands: SCRIPT,
        ..CommandSpec::DEFAULT
    },
];
