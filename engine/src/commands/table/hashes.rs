//! The table's rows: hashes.
//!
//! Legend: see [`super`].

use crate::EffectForm;
use crate::commands::argument::{block, double, integer, key, pattern, text, token};
use crate::commands::hashes;
use crate::commands::keyspec::{KeyFlags, KeySpec};
use crate::commands::spec::{Categories, CommandSpec, Deprecated, Flags, Group, Handler};

/// Hashes.
pub(super) const ROWS: &[CommandSpec] = &[
    CommandSpec {
        name: "hdel",
        arity: -3,
        flags: Flags::WRITE.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::DELETE))],
        categories: Categories::HASH,
        group: Group::Hash,
        since: "2.0.0",
        complexity: "O(N) where N is the number of fields to be removed.",
        summary: "Delete one or more hash fields",
        history: &[("2.4.0", "Accepts multiple `field` arguments.")],
        arguments: &[key("key"), text("field").multiple()],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(hashes::hdel),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "hexists",
        arity: 3,
        flags: Flags::READONLY.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RO)],
        categories: Categories::HASH,
        group: Group::Hash,
        since: "2.0.0",
        summary: "Determine if a hash field exists",
        arguments: &[key("key"), text("field")],
        handler: Handler::Engine(hashes::hexists),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "hget",
        arity: 3,
        flags: Flags::READONLY.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::HASH,
        group: Group::Hash,
        since: "2.0.0",
        summary: "Get the value of a hash field",
        arguments: &[key("key"), text("field")],
        handler: Handler::Engine(hashes::hget),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "hgetall",
        arity: 2,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::HASH,
        group: Group::Hash,
        since: "2.0.0",
        complexity: "O(N) where N is the size of the hash.",
        summary: "Get all the fields and values in a hash",
        tips: &["nondeterministic_output_order"],
        arguments: &[key("key")],
        handler: Handler::Engine(hashes::hgetall),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "hincrby",
        arity: 4,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE))],
        categories: Categories::HASH,
        group: Group::Hash,
        since: "2.0.0",
        summary: "Increment the integer value of a hash field by the given number",
        arguments: &[key("key"), text("field"), integer("increment")],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(hashes::hincrby),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "hincrbyfloat",
        arity: 4,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE))],
        categories: Categories::HASH,
        group: Group::Hash,
        since: "2.6.0",
        summary: "Increment the float value of a hash field by the given amount",
        arguments: &[key("key"), text("field"), double("increment")],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(hashes::hincrbyfloat),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "hkeys",
        arity: 2,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::HASH,
        group: Group::Hash,
        since: "2.0.0",
        complexity: "O(N) where N is the size of the hash.",
        summary: "Get all the fields in a hash",
        tips: &["nondeterministic_output_order"],
        arguments: &[key("key")],
        handler: Handler::Engine(hashes::hkeys),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "hlen",
        arity: 2,
        flags: Flags::READONLY.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RO)],
        categories: Categories::HASH,
        group: Group::Hash,
        since: "2.0.0",
        summary: "Get the number of fields in a hash",
        arguments: &[key("key")],
        handler: Handler::Engine(hashes::hlen),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "hmget",
        arity: -3,
        flags: Flags::READONLY.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::HASH,
        group: Group::Hash,
        since: "2.0.0",
        complexity: "O(N) where N is the number of fields being requested.",
        summary: "Get the values of all the given hash fields",
        arguments: &[key("key"), text("field").multiple()],
        handler: Handler::Engine(hashes::hmget),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "hmset",
        arity: -4,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::UPDATE))],
        categories: Categories::HASH,
        group: Group::Hash,
        since: "2.0.0",
        deprecated: Some(Deprecated {
            since: "4.0.0",
            replaced_by: "`HSET` with multiple field-value pairs",
        }),
        complexity: "O(N) where N is the number of fields being set.",
        summary: "Set multiple hash fields to multiple values",
        arguments: &[key("key"), block("field_value", &[text("field"), text("value")]).multiple()],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(hashes::hmset),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "hrandfield",
        arity: -2,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::HASH,
        group: Group::Hash,
        since: "6.2.0",
        complexity: "O(N) where N is the number of fields returned",
        summary: "Get one or multiple random fields from a hash",
        tips: &["nondeterministic_output"],
        arguments: &[
            key("key"),
            block("options", &[integer("count"), token("withvalues", "WITHVALUES").optional()])
                .optional(),
        ],
        handler: Handler::Engine(hashes::hrandfield),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "hscan",
        arity: -3,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::HASH,
        group: Group::Hash,
        since: "2.8.0",
        complexity: "O(1) for every call. O(N) for a complete iteration, including enough \
            command calls for the cursor to return back to 0. N is the number of elements inside \
            the collection..",
        summary: "Incrementally iterate hash fields and associated values",
        tips: &["nondeterministic_output"],
        arguments: &[
            key("key"),
            integer("cursor"),
            pattern("pattern").after("MATCH").optional(),
            integer("count").after("COUNT").optional(),
            token("novalues", "NOVALUES").since("7.4.0").optional(),
        ],
        handler: Handler::Engine(hashes::hscan),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "hset",
        arity: -4,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::UPDATE))],
        categories: Categories::HASH,
        group: Group::Hash,
        since: "2.0.0",
        complexity: "O(1) for each field/value pair added, so O(N) to add N field/value pairs \
            when the command is called with multiple field/value pairs.",
        summary: "Set the string value of a hash field",
        history: &[("4.0.0", "Accepts multiple `field` and `value` arguments.")],
        arguments: &[key("key"), block("field_value", &[text("field"), text("value")]).multiple()],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(hashes::hset),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "hsetnx",
        arity: 4,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::INSERT))],
        categories: Categories::HASH,
        group: Group::Hash,
        since: "2.0.0",
        summary: "Set the value of a hash field, only if the field does not exist",
        arguments: &[key("key"), text("field"), text("value")],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(hashes::hsetnx),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "hstrlen",
        arity: 3,
        flags: Flags::READONLY.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RO)],
        categories: Categories::HASH,
        group: Group::Hash,
        since: "3.2.0",
        summary: "Get the length of the value of a hash field",
        arguments: &[key("key"), text("field")],
        handler: Handler::Engine(hashes::hstrlen),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "hvals",
        arity: 2,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::HASH,
        group: Group::Hash,
        since: "2.0.0",
        complexity: "O(N) where N is the size of the hash.",
        summary: "Get all the values in a hash",
        tips: &["nondeterministic_output_order"],
        arguments: &[key("key")],
        handler: Handler::Engine(hashes::hvals),
        ..CommandSpec::DEFAULT
    },
];
