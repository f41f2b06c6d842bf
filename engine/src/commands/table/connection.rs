//! The table's rows: connections.
//!
//! Legend: see [`super`].

use crate::commands::argument::{block, integer, one_of, text, token};
use crate::commands::connection;
use crate::commands::spec::{Categories, CommandSpec, Flags, Group, Handler, HostCommand};

/// Subcommands of CLIENT.
const CLIENT: &[CommandSpec] = &[
    CommandSpec {
        name: "client|by",
        arity: 4,
        flags: Flags::ADMIN.or(Flags::NO_SCRIPT).or(Flags::LOADING).or(Flags::STALE),
        categories: Categories::CONNECTION,
        group: Group::Connection,
        since: "zumic 0.1.0",
        complexity: "O(N) where N is the number of client connections",
        summary: "List the connections whose address is within a prefix",
        tips: &["nondeterministic_output"],
        arguments: &[text("prefix").after("IP")],
        handler: Handler::Host(HostCommand::Client),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "client|caching",
        arity: 3,
        flags: Flags::NO_SCRIPT.or(Flags::LOADING).or(Flags::STALE),
        categories: Categories::CONNECTION,
        group: Group::Connection,
        since: "6.0.0",
        summary: "Instruct the server about tracking or not keys in the next request",
        arguments: &[one_of("mode", &[token("yes", "YES"), token("no", "NO")])],
        handler: Handler::Host(HostCommand::Client),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "client|count",
        arity: 2,
        flags: Flags::ADMIN.or(Flags::NO_SCRIPT).or(Flags::LOADING).or(Flags::STALE),
        categories: Categories::CONNECTION,
        group: Group::Connection,
        since: "zumic 0.1.0",
        summary: "Get the number of client connections",
        tips: &["nondeterministic_output"],
        handler: Handler::Host(HostCommand::Client),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "client|getname",
        arity: 2,
        flags: Flags::NO_SCRIPT.or(Flags::LOADING).or(Flags::STALE),
        categories: Categories::CONNECTION,
        group: Group::Connection,
        since: "2.6.9",
        summary: "Get the current connection name",
        handler: Handler::Host(HostCommand::Client),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "client|getredir",
        arity: 2,
        flags: Flags::NO_SCRIPT.or(Flags::LOADING).or(Flags::STALE),
        categories: Categories::CONNECTION,
        group: Group::Connection,
        since: "6.0.0",
        summary: "Get tracking notifications redirection client ID if any",
        handler: Handler::Host(HostCommand::Client),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "client|help",
        arity: 2,
        flags: Flags::LOADING.or(Flags::STALE),
        categories: Categories::CONNECTION,
        group: Group::Connection,
        since: "5.0.0",
        summary: "Show helpful text about the different subcommands",
        handler: Handler::Host(HostCommand::Client),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "client|id",
        arity: 2,
        flags: Flags::NO_SCRIPT.or(Flags::LOADING).or(Flags::STALE),
        categories: Categories::CONNECTION,
        group: Group::Connection,
        since: "5.0.0",
        summary: "Returns the client ID for the current connection",
        handler: Handler::Host(HostCommand::Client),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "client|info",
        arity: 2,
        flags: Flags::NO_SCRIPT.or(Flags::LOADING).or(Flags::STALE),
        categories: Categories::CONNECTION,
        group: Group::Connection,
        since: "6.2.0",
        summary: "Returns information about the current client connection.",
        tips: &["nondeterministic_output"],
        handler: Handler::Host(HostCommand::Client),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "client|kill",
        arity: -3,
        flags: Flags::ADMIN.or(Flags::NO_SCRIPT).or(Flags::LOADING).or(Flags::STALE),
        categories: Categories::CONNECTION,
        group: Group::Connection,
        since: "2.4.0",
        complexity: "O(N) where N is the number of client connections",
        summary: "Kill the connection of a client",
        history: &[
            ("2.8.12", "Added new filter format."),
            ("2.8.12", "`ID` option."),
            ("3.2.0", "Added `master` type in for `TYPE` option."),
            (
                "5.0.0",
                "Replaced `slave` `TYPE` with `replica`. `slave` still supported for backward \
                    compatibility.",
            ),
            ("6.2.0", "`LADDR` option."),
        ],
        arguments: &[one_of(
            "filter",
            &[
                text("ip:port").deprecated_since("2.8.12"),
                one_of(
                    "new-format",
                    &[
                        integer("client-id").after("ID").since("2.8.12").optional(),
                        one_of(
                            "normal_master_slave_pubsub",
                            &[
                                token("normal", "NORMAL"),
                                token("master", "MASTER").since("3.2.0"),
                                token("slave", "SLAVE"),
                                token("replica", "REPLICA").since("5.0.0"),
                                token("pubsub", "PUBSUB"),
                            ],
                        )
                        .after("TYPE")
                        .since("2.8.12")
                        .optional(),
                        text("username").after("USER").optional(),
                        text("ip:port").after("ADDR").optional(),
                        text("ip:port").after("LADDR").since("6.2.0").optional(),
                        text("yes/no").after("SKIPME").optional(),
                    ],
                )
                .multiple(),
            ],
        )],
        handler: Handler::Host(HostCommand::Client),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "client|list",
        arity: -2,
        flags: Flags::ADMIN.or(Flags::NO_SCRIPT).or(Flags::LOADING).or(Flags::STALE),
        categories: Categories::CONNECTION,
        group: Group::Connection,
        since: "2.4.0",
        complexity: "O(N) where N is the number of client connections",
        summary: "Get the list of client connections",
        history: &[
            ("2.8.12", "Added unique client `id` field."),
            ("5.0.0", "Added optional `TYPE` filter."),
            ("6.0.0", "Added `user` field."),
            (
                "6.2.0",
                "Added `argv-mem`, `tot-mem`, `laddr` and `redir` fields and the optional `ID` \
                    filter.",
            ),
            ("7.0.0", "Added `resp`, `multi-mem`, `rbs` and `rbp` fields."),
            ("7.0.3", "Added `ssub` field."),
        ],
        tips: &["nondeterministic_output"],
        arguments: &[
            one_of(
                "normal_master_replica_pubsub",
                &[
                    token("normal", "NORMAL"),
                    token("master", "MASTER"),
                    token("replica", "REPLICA"),
                    token("pubsub", "PUBSUB"),
                ],
            )
            .after("TYPE")
            .since("5.0.0")
            .optional(),
            block("id", &[integer("client-id").multiple()]).after("ID").since("6.2.0").optional(),
        ],
        handler: Handler::Host(HostCommand::Client),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "client|no-evict",
        arity: 3,
        flags: Flags::ADMIN.or(Flags::NO_SCRIPT).or(Flags::LOADING).or(Flags::STALE),
        categories: Categories::CONNECTION,
        group: Group::Connection,
        since: "7.0.0",
        summary: "Set client eviction mode for the current connection",
        arguments: &[one_of("enabled", &[token("on", "ON"), token("off", "OFF")])],
        handler: Handler::Host(HostCommand::Client),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "client|no-touch",
        arity: 3,
        flags: Flags::NO_SCRIPT.or(Flags::LOADING).or(Flags::STALE),
        categories: Categories::CONNECTION,
        group: Group::Connection,
        since: "7.2.0",
        summary: "Control whether commands sent by the client affect the LRU/LFU of the keys they \
            access",
        arguments: &[one_of("enabled", &[token("on", "ON"), token("off", "OFF")])],
        handler: Handler::Host(HostCommand::Client),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "client|pause",
        arity: -3,
        flags: Flags::ADMIN.or(Flags::NO_SCRIPT).or(Flags::LOADING).or(Flags::STALE),
        categories: Categories::CONNECTION,
        group: Group::Connection,
        since: "2.9.50",
        summary: "Stop processing commands from clients for some time",
        history: &[("6.2.0", "`CLIENT PAUSE WRITE` mode added along with the `mode` option.")],
        arguments: &[
            integer("timeout"),
            one_of("mode", &[token("write", "WRITE"), token("all", "ALL")])
                .since("6.2.0")
                .optional(),
        ],
        handler: Handler::Host(HostCommand::Client),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "client|reply",
        arity: 3,
        flags: Flags::NO_SCRIPT.or(Flags::LOADING).or(Flags::STALE),
        categories: Categories::CONNECTION,
        group: Group::Connection,
        since: "3.2.0",
        summary: "Instruct the server whether to reply to commands",
        arguments: &[one_of(
            "on_off_skip",
            &[token("on", "ON"), token("off", "OFF"), token("skip", "SKIP")],
        )],
        handler: Handler::Host(HostCommand::Client),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "client|setinfo",
        arity: 4,
        flags: Flags::NO_SCRIPT.or(Flags::LOADING).or(Flags::STALE),
        categories: Categories::CONNECTION,
        group: Group::Connection,
        since: "7.2.0",
        summary: "Set information specific to the client or connection",
        arguments: &[one_of(
            "attr",
            &[text("libname").after("LIB-NAME"), text("libver").after("LIB-VER")],
        )],
        handler: Handler::Host(HostCommand::Client),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "client|setname",
        arity: 3,
        flags: Flags::NO_SCRIPT.or(Flags::LOADING).or(Flags::STALE),
        categories: Categories::CONNECTION,
        group: Group::Connection,
        since: "2.6.9",
        summary: "Set the current connection name",
        arguments: &[text("connection-name")],
        handler: Handler::Host(HostCommand::Client),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "client|tracking",
        arity: -3,
        flags: Flags::NO_SCRIPT.or(Flags::LOADING).or(Flags::STALE),
        categories: Categories::CONNECTION,
        group: Group::Connection,
        since: "6.0.0",
        complexity: "O(1). Some options may introduce additional complexity.",
        summary: "Enable or disable server assisted client side caching support",
        arguments: &[
            one_of("status", &[token("on", "ON"), token("off", "OFF")]),
            integer("client-id").after("REDIRECT").optional(),
            text("prefix").after("PREFIX").optional().multiple_token(),
            token("bcast", "BCAST").optional(),
            token("optin", "OPTIN").optional(),
            token("optout", "OPTOUT").optional(),
            token("noloop", "NOLOOP").optional(),
        ],
        handler: Handler::Host(HostCommand::Client),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "client|trackinginfo",
        arity: 2,
        flags: Flags::NO_SCRIPT.or(Flags::LOADING).or(Flags::STALE),
        categories: Categories::CONNECTION,
        group: Group::Connection,
        since: "6.2.0",
        summary: "Return information about server assisted client side caching for the current \
            connection",
        handler: Handler::Host(HostCommand::Client),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "client|unblock",
        arity: -3,
        flags: Flags::ADMIN.or(Flags::NO_SCRIPT).or(Flags::LOADING).or(Flags::STALE),
        categories: Categories::CONNECTION,
        group: Group::Connection,
        since: "5.0.0",
        complexity: "O(log N) where N is the number of client connections",
        summary: "Unblock a client blocked in a blocking command from a different connection",
        arguments: &[
            integer("client-id"),
            one_of("timeout_error", &[token("timeout", "TIMEOUT"), token("error", "ERROR")])
                .optional(),
        ],
        handler: Handler::Host(HostCommand::Client),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "client|unpause",
        arity: 2,
        flags: Flags::ADMIN.or(Flags::NO_SCRIPT).or(Flags::LOADING).or(Flags::STALE),
        categories: Categories::CONNECTION,
        group: Group::Connection,
        since: "6.2.0",
        complexity: "O(N) Where N is the number of paused clients",
        summary: "Resume processing of clients that were paused",
        handler: Handler::Host(HostCommand::Client),
        ..CommandSpec::DEFAULT
    },
];

/// Connections.
pub(super) const ROWS: &[CommandSpec] = &[
    CommandSpec {
        name: "auth",
        arity: -2,
        flags: Flags::NO_SCRIPT
            .or(Flags::LOADING)
            .or(Flags::STALE)
            .or(Flags::FAST)
            .or(Flags::NO_AUTH)
            .or(Flags::ALLOW_BUSY),
        categories: Categories::CONNECTION,
        group: Group::Connection,
        complexity: "O(N) where N is the number of passwords defined for the user",
        summary: "Authenticate to the server",
        history: &[("6.0.0", "Added ACL style (username and password).")],
        arguments: &[text("username").since("6.0.0").optional(), text("password")],
        handler: Handler::Host(HostCommand::Auth),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "client",
        arity: -2,
        group: Group::Connection,
        since: "2.4.0",
        complexity: "Depends on subcommand.",
        summary: "A container for client connection commands",
        subcommands: CLIENT,
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "echo",
        arity: 2,
        flags: Flags::LOADING.or(Flags::STALE).or(Flags::FAST),
        categories: Categories::CONNECTION,
        group: Group::Connection,
        summary: "Echo the given string",
        arguments: &[text("message")],
        handler: Handler::Engine(connection::echo),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "hello",
        arity: -1,
        flags: Flags::NO_SCRIPT
            .or(Flags::LOADING)
            .or(Flags::STALE)
            .or(Flags::FAST)
            .or(Flags::NO_AUTH)
            .or(Flags::ALLOW_BUSY),
        categories: Categories::CONNECTION,
        group: Group::Connection,
        since: "6.0.0",
        summary: "Handshake with Redis",
        history: &[(
            "6.2.0",
            "`protover` made optional; when called without arguments the command reports the \
                current connection's context.",
        )],
        arguments: &[block(
            "arguments",
            &[
                integer("protover"),
                block("username_password", &[text("username"), text("password")])
                    .after("AUTH")
                    .optional(),
                text("clientname").after("SETNAME").optional(),
            ],
        )
        .optional()],
        handler: Handler::Host(HostCommand::Hello),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "ping",
        arity: -1,
        flags: Flags::FAST,
        categories: Categories::CONNECTION,
        group: Group::Connection,
        summary: "Ping the server",
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        arguments: &[text("message").optional()],
        handler: Handler::Engine(connection::ping),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "quit",
        arity: -1,
        flags: Flags::NO_SCRIPT
            .or(Flags::LOADING)
            .or(Flags::STALE)
            .or(Flags::FAST)
            .or(Flags::NO_AUTH)
            .or(Flags::ALLOW_BUSY),
        categories: Categories::CONNECTION,
        group: Group::Connection,
        summary: "Close the connection",
        handler: Handler::Host(HostCommand::Quit),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "reset",
        arity: 1,
        flags: Flags::NO_SCRIPT
            .or(Flags::LOADING)
            .or(Flags::STALE)
            .or(Flags::FAST)
            .or(Flags::NO_AUTH)
            .or(Flags::ALLOW_BUSY),
        categories: Categories::CONNECTION,
        group: Group::Connection,
        since: "6.2.0",
        summary: "Reset the connection",
        handler: Handler::Host(HostCommand::Reset),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "select",
        arity: 2,
        flags: Flags::LOADING.or(Flags::STALE).or(Flags::FAST),
        categories: Categories::CONNECTION,
        group: Group::Connection,
        summary: "Change the selected database for the current connection",
        arguments: &[integer("index")],
        handler: Handler::Engine(connection::select),
        ..CommandSpec::DEFAULT
    },
];
