//! The table's rows: transactions.
//!
//! Legend: see [`super`].

use crate::commands::argument::key;
use crate::commands::keyspec::{KeyFlags, KeySpec};
use crate::commands::spec::{Categories, CommandSpec, Flags, Group, Handler, HostCommand};

/// Transactions.
pub(super) const ROWS: &[CommandSpec] = &[
    CommandSpec {
        name: "discard",
        arity: 1,
        flags: Flags::NO_SCRIPT
            .or(Flags::LOADING)
            .or(Flags::STALE)
            .or(Flags::FAST)
            .or(Flags::ALLOW_BUSY),
        categories: Categories::TRANSACTION,
        group: Group::Transactions,
        since: "2.0.0",
        complexity: "O(N), when N is the number of queued commands",
        summary: "Discard all commands issued after MULTI",
        handler: Handler::Host(HostCommand::Discard),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "exec",
        arity: 1,
        flags: Flags::NO_SCRIPT.or(Flags::LOADING).or(Flags::STALE).or(Flags::SKIP_SLOWLOG),
        categories: Categories::TRANSACTION,
        group: Group::Transactions,
        since: "1.2.0",
        complexity: "Depends on commands in the transaction",
        summary: "Execute all commands issued after MULTI",
        handler: Handler::Host(HostCommand::Exec),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "multi",
        arity: 1,
        flags: Flags::NO_SCRIPT
            .or(Flags::LOADING)
            .or(Flags::STALE)
            .or(Flags::FAST)
            .or(Flags::ALLOW_BUSY),
        categories: Categories::TRANSACTION,
        group: Group::Transactions,
        since: "1.2.0",
        summary: "Mark the start of a transaction block",
        handler: Handler::Host(HostCommand::Multi),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "unwatch",
        arity: 1,
        flags: Flags::NO_SCRIPT
            .or(Flags::LOADING)
            .or(Flags::STALE)
            .or(Flags::FAST)
            .or(Flags::ALLOW_BUSY),
        categories: Categories::TRANSACTION,
        group: Group::Transactions,
        since: "2.2.0",
        summary: "Forget about all watched keys",
        handler: Handler::Host(HostCommand::Unwatch),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "watch",
        arity: -2,
        flags: Flags::NO_SCRIPT
            .or(Flags::LOADING)
            .or(Flags::STALE)
            .or(Flags::FAST)
            .or(Flags::ALLOW_BUSY),
        keys: &[KeySpec::range(1, -1, 1, KeyFlags::RO)],
        categories: Categories::TRANSACTION,
        group: Group::Transactions,
        since: "2.2.0",
        complexity: "O(1) for every key.",
        summary: "Watch the given keys to determine execution of the MULTI/EXEC block",
        arguments: &[key("key").multiple()],
        handler: Handler::Host(HostCommand::Watch),
        ..CommandSpec::DEFAULT
    },
];
