//! The table's rows: copies of the whole, and waiting for copies.
//!
//! Legend: see [`super`].

use crate::commands::argument::integer;
use crate::commands::replication;
use crate::commands::spec::{Categories, CommandSpec, Flags, Group, Handler, HostCommand};

/// Copies of the whole, and waiting for copies.
pub(super) const ROWS: &[CommandSpec] = &[
    CommandSpec {
        name: "replconf",
        arity: -1,
        flags: Flags::ADMIN
            .or(Flags::NO_SCRIPT)
            .or(Flags::LOADING)
            .or(Flags::STALE)
            .or(Flags::ALLOW_BUSY),
        group: Group::Server,
        since: "3.0.0",
        system: true,
        summary: "An internal command for configuring the replication stream",
        handler: Handler::Host(HostCommand::ReplConf),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "role",
        arity: 1,
        flags: Flags::NO_SCRIPT.or(Flags::LOADING).or(Flags::STALE).or(Flags::FAST),
        categories: Categories::ADMIN.or(Categories::DANGEROUS),
        group: Group::Server,
        since: "2.8.12",
        summary: "Return the role of the instance in the context of replication",
        handler: Handler::Engine(replication::role),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "sync",
        arity: 1,
        flags: Flags::ADMIN.or(Flags::NO_SCRIPT).or(Flags::NO_ASYNC_LOADING).or(Flags::NO_MULTI),
        group: Group::Server,
        since: "1.0.0",
        complexity: "",
        summary: "Internal command used for replication",
        handler: Handler::Host(HostCommand::Sync),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "wait",
        arity: 3,
        flags: Flags::NO_SCRIPT,
        categories: Categories::CONNECTION,
        group: Group::Generic,
        since: "3.0.0",
        summary: "Wait for the synchronous replication of all the write commands sent in the \
            context of the current connection",
        tips: &["request_policy:all_shards", "response_policy:agg_min"],
        arguments: &[integer("numreplicas"), integer("timeout")],
        handler: Handler::Engine(replication::wait),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "waitaof",
        arity: 4,
        flags: Flags::NO_SCRIPT,
        categories: Categories::CONNECTION,
        group: Group::Generic,
        since: "7.2.0",
        summary: "Wait until all of the preceding write commands sent by the connection are \
            written to the append-only file of the primary and/or replicas",
        tips: &["request_policy:all_shards", "response_policy:agg_min"],
        arguments: &[integer("numlocal"), integer("numreplicas"), integer("timeout")],
        handler: Handler::Host(HostCommand::WaitAof),
        ..CommandSpec::DEFAULT
    },
];
