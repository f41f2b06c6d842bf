//! The table's rows: hyperloglogs.
//!
//! Legend: see [`super`].

use crate::EffectForm;
use crate::commands::argument::{key, key_of, text};
use crate::commands::hyperloglogs;
use crate::commands::keyspec::{KeyFlags, KeySpec};
use crate::commands::spec::{Categories, CommandSpec, Flags, Group, Handler};

/// Hyperloglogs.
pub(super) const ROWS: &[CommandSpec] = &[
    CommandSpec {
        name: "pfadd",
        arity: -2,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::INSERT))],
        categories: Categories::HYPERLOGLOG,
        group: Group::HyperLogLog,
        since: "2.8.9",
        complexity: "O(1) to add every element.",
        summary: "Adds the specified elements to the specified HyperLogLog.",
        arguments: &[key("key"), text("element").optional().multiple()],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(hyperloglogs::pfadd),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "pfcount",
        arity: -2,
        flags: Flags::READONLY,
        keys: &[KeySpec::range(1, -1, 1, KeyFlags::RW.or(KeyFlags::ACCESS)).noted(
            "RW because it may change the internal representation of the key, and \
            propagate to replicas",
        )],
        categories: Categories::HYPERLOGLOG,
        group: Group::HyperLogLog,
        since: "2.8.9",
        complexity: "O(1) with a very small average constant time when called with a single key. \
            O(N) with N being the number of keys, and much bigger constant times, when \
            called with multiple keys.",
        summary: "Return the approximated cardinality of the set(s) observed by the \
            HyperLogLog at key(s).",
        arguments: &[key("key").multiple()],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(hyperloglogs::pfcount),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "pfdebug",
        arity: 3,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::ADMIN),
        keys: &[KeySpec::one(2, KeyFlags::RW.or(KeyFlags::ACCESS))],
        categories: Categories::HYPERLOGLOG,
        group: Group::HyperLogLog,
        since: "2.8.9",
        system: true,
        complexity: "N/A",
        summary: "Internal commands for debugging HyperLogLog values",
        arguments: &[text("subcommand"), key("key")],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(hyperloglogs::pfdebug),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "pfmerge",
        arity: -2,
        flags: Flags::WRITE.or(Flags::DENY_OOM),
        keys: &[
            KeySpec::one(1, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::INSERT)),
            KeySpec::range(2, -1, 1, KeyFlags::RO.or(KeyFlags::ACCESS)),
        ],
        categories: Categories::HYPERLOGLOG,
        group: Group::HyperLogLog,
        since: "2.8.9",
        complexity: "O(N) to merge N HyperLogLogs, but with high constant times.",
        summary: "Merge N different HyperLogLogs into a single one.",
        arguments: &[key("destkey"), key_of("sourcekey", 1).multiple()],
        effect: EffectForm::Image,
        handler: Handler::Engine(hyperloglogs::pfmerge),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "pfselftest",
        arity: 1,
        flags: Flags::ADMIN,
        categories: Categories::HYPERLOGLOG,
        group: Group::HyperLogLog,
        since: "2.8.9",
        system: true,
        complexity: "N/A",
        summary: "An internal command for testing HyperLogLog values",
        handler: Handler::Engine(hyperloglogs::pfselftest),
        ..CommandSpec::DEFAULT
    },
];
