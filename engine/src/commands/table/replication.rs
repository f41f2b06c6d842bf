//! The table's rows: waiting for copies.
//!
//! Legend: see [`super`].

use crate::commands::argument::integer;
use crate::commands::replication;
use crate::commands::spec::{Categories, CommandSpec, Flags, Group, Handler, HostCommand};

/// Waiting for copies.
pub(super) const ROWS: &[CommandSpec] = &[
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
