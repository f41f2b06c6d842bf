//! The table's rows: the table itself.
//!
//! Legend: see [`super`].

use crate::commands::argument::{one_of, pattern, text};
use crate::commands::command;
use crate::commands::spec::{Categories, CommandSpec, Flags, Group, Handler};

/// Subcommands of COMMAND.
const COMMAND: &[CommandSpec] = &[
    CommandSpec {
        name: "command|count",
        arity: 2,
        flags: Flags::LOADING.or(Flags::STALE),
        categories: Categories::CONNECTION,
        group: Group::Server,
        since: "2.8.13",
        summary: "Get total number of Redis commands",
        handler: Handler::Engine(command::count),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "command|docs",
        arity: -2,
        flags: Flags::LOADING.or(Flags::STALE),
        categories: Categories::CONNECTION,
        group: Group::Server,
        since: "7.0.0",
        complexity: "O(N) where N is the number of commands to look up",
        summary: "Get array of specific Redis command documentation",
        tips: &["nondeterministic_output_order"],
        arguments: &[text("command-name").optional().multiple()],
        handler: Handler::Engine(command::docs),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "command|getkeys",
        arity: -4,
        flags: Flags::LOADING.or(Flags::STALE),
        categories: Categories::CONNECTION,
        group: Group::Server,
        since: "2.8.13",
        complexity: "O(N) where N is the number of arguments to the command",
        summary: "Extract keys given a full Redis command",
        handler: Handler::Engine(command::getkeys),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "command|getkeysandflags",
        arity: -4,
        flags: Flags::LOADING.or(Flags::STALE),
        categories: Categories::CONNECTION,
        group: Group::Server,
        since: "7.0.0",
        complexity: "O(N) where N is the number of arguments to the command",
        summary: "Extract keys and access flags given a full Redis command",
        handler: Handler::Engine(command::getkeysandflags),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "command|help",
        arity: 2,
        flags: Flags::LOADING.or(Flags::STALE),
        categories: Categories::CONNECTION,
        group: Group::Server,
        since: "5.0.0",
        summary: "Show helpful text about the different subcommands",
        handler: Handler::Engine(command::help),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "command|info",
        arity: -2,
        flags: Flags::LOADING.or(Flags::STALE),
        categories: Categories::CONNECTION,
        group: Group::Server,
        since: "2.8.13",
        complexity: "O(N) where N is the number of commands to look up",
        summary: "Get array of specific Redis command details, or all when no argument is given.",
        history: &[("7.0.0", "Allowed to be called with no argument to get info on all commands.")],
        tips: &["nondeterministic_output_order"],
        arguments: &[text("command-name").optional().multiple()],
        handler: Handler::Engine(command::info),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "command|list",
        arity: -2,
        flags: Flags::LOADING.or(Flags::STALE),
        categories: Categories::CONNECTION,
        group: Group::Server,
        since: "7.0.0",
        complexity: "O(N) where N is the total number of Redis commands",
        summary: "Get an array of Redis command names",
        tips: &["nondeterministic_output_order"],
        arguments: &[one_of(
            "filterby",
            &[
                text("module-name").after("MODULE"),
                text("category").after("ACLCAT"),
                pattern("pattern").after("PATTERN"),
            ],
        )
        .after("FILTERBY")
        .optional()],
        handler: Handler::Engine(command::list),
        ..CommandSpec::DEFAULT
    },
];

/// The table itself.
pub(super) const ROWS: &[CommandSpec] = &[CommandSpec {
    name: "command",
    arity: -1,
    flags: Flags::LOADING.or(Flags::STALE),
    categories: Categories::CONNECTION,
    group: Group::Server,
    since: "2.8.13",
    complexity: "O(N) where N is the total number of Redis commands",
    summary: "Get array of Redis command details",
    tips: &["nondeterministic_output_order"],
    subcommands: COMMAND,
    handler: Handler::Engine(command::all),
    ..CommandSpec::DEFAULT
}];
