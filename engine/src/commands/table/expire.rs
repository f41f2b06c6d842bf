//! The table's rows: deadlines of keys.
//!
//! Legend: see [`super`].

use crate::EffectForm;
use crate::commands::argument::{integer, key, one_of, token, unix_time};
use crate::commands::expire;
use crate::commands::keyspec::{KeyFlags, KeySpec};
use crate::commands::spec::{Categories, CommandSpec, Flags, Handler};

/// Deadlines of keys.
pub(super) const ROWS: &[CommandSpec] = &[
    CommandSpec {
        name: "expire",
        arity: -3,
        flags: Flags::WRITE.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::UPDATE))],
        categories: Categories::KEYSPACE,
        summary: "Set a key's time to live in seconds",
        history: &[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")],
        arguments: &[
            key("key"),
            integer("seconds"),
            one_of(
                "condition",
                &[token("nx", "NX"), token("xx", "XX"), token("gt", "GT"), token("lt", "LT")],
            )
            .since("7.0.0")
            .optional(),
        ],
        effect: EffectForm::Image,
        handler: Handler::Engine(expire::expire),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "expireat",
        arity: -3,
        flags: Flags::WRITE.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::UPDATE))],
        categories: Categories::KEYSPACE,
        since: "1.2.0",
        summary: "Set the expiration for a key as a UNIX timestamp",
        history: &[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")],
        arguments: &[
            key("key"),
            unix_time("unix-time-seconds"),
            one_of(
                "condition",
                &[token("nx", "NX"), token("xx", "XX"), token("gt", "GT"), token("lt", "LT")],
            )
            .since("7.0.0")
            .optional(),
        ],
        effect: EffectForm::Image,
        handler: Handler::Engine(expire::expireat),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "expiretime",
        arity: 2,
        flags: Flags::READONLY.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::KEYSPACE,
        since: "7.0.0",
        summary: "Get the expiration Unix timestamp for a key",
        arguments: &[key("key")],
        handler: Handler::Engine(expire::expiretime),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "persist",
        arity: 2,
        flags: Flags::WRITE.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::UPDATE))],
        categories: Categories::KEYSPACE,
        since: "2.2.0",
        summary: "Remove the expiration from a key",
        arguments: &[key("key")],
        effect: EffectForm::Image,
        handler: Handler::Engine(expire::persist),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "pexpire",
        arity: -3,
        flags: Flags::WRITE.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::UPDATE))],
        categories: Categories::KEYSPACE,
        since: "2.6.0",
        summary: "Set a key's time to live in milliseconds",
        history: &[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")],
        arguments: &[
            key("key"),
            integer("milliseconds"),
            one_of(
                "condition",
                &[token("nx", "NX"), token("xx", "XX"), token("gt", "GT"), token("lt", "LT")],
            )
            .since("7.0.0")
            .optional(),
        ],
        effect: EffectForm::Image,
        handler: Handler::Engine(expire::pexpire),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "pexpireat",
        arity: -3,
        flags: Flags::WRITE.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::UPDATE))],
        categories: Categories::KEYSPACE,
        since: "2.6.0",
        summary: "Set the expiration for a key as a UNIX timestamp specified in milliseconds",
        history: &[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")],
        arguments: &[
            key("key"),
            unix_time("unix-time-milliseconds"),
            one_of(
                "condition",
                &[token("nx", "NX"), token("xx", "XX"), token("gt", "GT"), token("lt", "LT")],
            )
            .since("7.0.0")
            .optional(),
        ],
        effect: EffectForm::Image,
        handler: Handler::Engine(expire::pexpireat),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "pexpiretime",
        arity: 2,
        flags: Flags::READONLY.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::KEYSPACE,
        since: "7.0.0",
        summary: "Get the expiration Unix timestamp for a key in milliseconds",
        arguments: &[key("key")],
        handler: Handler::Engine(expire::pexpiretime),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "pttl",
        arity: 2,
        flags: Flags::READONLY.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::KEYSPACE,
        since: "2.6.0",
        summary: "Get the time to live for a key in milliseconds",
        history: &[("2.8.0", "Added the -2 reply.")],
        tips: &["nondeterministic_output"],
        arguments: &[key("key")],
        handler: Handler::Engine(expire::pttl),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "ttl",
        arity: 2,
        flags: Flags::READONLY.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::KEYSPACE,
        summary: "Get the time to live for a key in seconds",
        history: &[("2.8.0", "Added the -2 reply.")],
        tips: &["nondeterministic_output"],
        arguments: &[key("key")],
        handler: Handler::Engine(expire::ttl),
        ..CommandSpec::DEFAULT
    },
];
