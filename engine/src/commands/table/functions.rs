//! The table's rows: functions.
//!
//! Legend: see [`super`].

use crate::EffectForm;
use crate::commands::argument::{one_of, text, token};
use crate::commands::functions;
use crate::commands::spec::{Categories, CommandSpec, Flags, Group, Handler};

/// Subcommands of FUNCTION.
const FUNCTION: &[CommandSpec] = &[
    CommandSpec {
        name: "function|delete",
        arity: 3,
        flags: Flags::WRITE.or(Flags::NO_SCRIPT).or(Flags::EXCLUSIVE),
        categories: Categories::SCRIPTING,
        group: Group::Scripting,
        since: "7.0.0",
        summary: "Delete a function by name",
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        arguments: &[text("library-name")],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(functions::delete),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "function|dump",
        arity: 2,
        flags: Flags::NO_SCRIPT,
        categories: Categories::SCRIPTING,
        group: Group::Scripting,
        since: "7.0.0",
        complexity: "O(N) where N is the number of functions",
        summary: "Dump all functions into a serialized binary payload",
        handler: Handler::Engine(functions::dump),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "function|flush",
        arity: -2,
        flags: Flags::WRITE.or(Flags::NO_SCRIPT).or(Flags::EXCLUSIVE),
        categories: Categories::SCRIPTING,
        group: Group::Scripting,
        since: "7.0.0",
        complexity: "O(N) where N is the number of functions deleted",
        summary: "Deleting all functions",
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        arguments: &[one_of("async", &[token("async", "ASYNC"), token("sync", "SYNC")]).optional()],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(functions::flush),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "function|help",
        arity: 2,
        flags: Flags::LOADING.or(Flags::STALE),
        categories: Categories::SCRIPTING,
        group: Group::Scripting,
        since: "7.0.0",
        summary: "Show helpful text about the different subcommands",
        handler: Handler::Engine(functions::help),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "function|kill",
        arity: 2,
        flags: Flags::NO_SCRIPT.or(Flags::ALLOW_BUSY),
        categories: Categories::SCRIPTING,
        group: Group::Scripting,
        since: "7.0.0",
        summary: "Kill the function currently in execution.",
        tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
        handler: Handler::Engine(functions::kill),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "function|list",
        arity: -2,
        flags: Flags::NO_SCRIPT,
        categories: Categories::SCRIPTING,
        group: Group::Scripting,
        since: "7.0.0",
        complexity: "O(N) where N is the number of functions",
        summary: "List information about all the functions",
        tips: &["nondeterministic_output_order"],
        arguments: &[
            text("library-name-pattern").after("LIBRARYNAME").optional(),
            token("withcode", "WITHCODE").optional(),
        ],
        handler: Handler::Engine(functions::list),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "function|load",
        arity: -3,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::NO_SCRIPT).or(Flags::EXCLUSIVE),
        categories: Categories::SCRIPTING,
        group: Group::Scripting,
        since: "7.0.0",
        complexity: "O(1) (considering compilation time is redundant)",
        summary: "Create a function with the given arguments (name, code, description)",
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        arguments: &[token("replace", "REPLACE").optional(), text("function-code")],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(functions::load),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "function|restore",
        arity: -3,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::NO_SCRIPT).or(Flags::EXCLUSIVE),
        categories: Categories::SCRIPTING,
        group: Group::Scripting,
        since: "7.0.0",
        complexity: "O(N) where N is the number of functions on the payload",
        summary: "Restore all the functions on the given payload",
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        arguments: &[
            text("serialized-value"),
            one_of(
                "policy",
                &[token("flush", "FLUSH"), token("append", "APPEND"), token("replace", "REPLACE")],
            )
            .optional(),
        ],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(functions::restore),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "function|stats",
        arity: 2,
        flags: Flags::NO_SCRIPT.or(Flags::ALLOW_BUSY),
        categories: Categories::SCRIPTING,
        group: Group::Scripting,
        since: "7.0.0",
        summary: "Return information about the function currently running (name, \
            description, duration)",
        tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        handler: Handler::Engine(functions::stats),
        ..CommandSpec::DEFAULT
    },
];

/// Functions; FCALL is with the scripts.
pub(super) const ROWS: &[CommandSpec] = &[CommandSpec {
    name: "function",
    arity: -2,
    group: Group::Scripting,
    since: "7.0.0",
    complexity: "Depends on subcommand.",
    summary: "A container for function commands",
    subcommands: FUNCTION,
    ..CommandSpec::DEFAULT
}];
