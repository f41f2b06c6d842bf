//! The table's rows: keys of any type.
//!
//! Legend: see [`super`].

use crate::EffectForm;
use crate::commands::argument::{integer, key, key_of, pattern, text, token};
use crate::commands::keyspec::{KeyFlags, KeySpec};
use crate::commands::spec::{Categories, CommandSpec, Flags, Handler};
use crate::commands::{keys, object};

/// Subcommands of OBJECT.
const OBJECT: &[CommandSpec] = &[
    CommandSpec {
        name: "object|encoding",
        arity: 3,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(2, KeyFlags::RO)],
        categories: Categories::KEYSPACE,
        since: "2.2.3",
        summary: "Inspect the internal encoding of a Redis object",
        tips: &["nondeterministic_output"],
        arguments: &[key("key")],
        handler: Handler::Engine(object::encoding),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "object|freq",
        arity: 3,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(2, KeyFlags::RO)],
        categories: Categories::KEYSPACE,
        since: "4.0.0",
        summary: "Get the logarithmic access frequency counter of a Redis object",
        tips: &["nondeterministic_output"],
        arguments: &[key("key")],
        handler: Handler::Engine(object::freq),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "object|help",
        arity: 2,
        flags: Flags::LOADING.or(Flags::STALE),
        categories: Categories::KEYSPACE,
        since: "6.2.0",
        summary: "Show helpful text about the different subcommands",
        handler: Handler::Engine(object::help),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "object|idletime",
        arity: 3,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(2, KeyFlags::RO)],
        categories: Categories::KEYSPACE,
        since: "2.2.3",
        summary: "Get the time since a Redis object was last accessed",
        tips: &["nondeterministic_output"],
        arguments: &[key("key")],
        handler: Handler::Engine(object::idletime),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "object|refcount",
        arity: 3,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(2, KeyFlags::RO)],
        categories: Categories::KEYSPACE,
        since: "2.2.3",
        summary: "Get the number of references to the value of the key",
        tips: &["nondeterministic_output"],
        arguments: &[key("key")],
        handler: Handler::Engine(object::refcount),
        ..CommandSpec::DEFAULT
    },
];

/// Keys of any type.
pub(super) const ROWS: &[CommandSpec] = &[
    CommandSpec {
        name: "copy",
        arity: -3,
        flags: Flags::WRITE.or(Flags::DENY_OOM),
        keys: &[
            KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS)),
            KeySpec::one(2, KeyFlags::OW.or(KeyFlags::UPDATE)),
        ],
        cross_db: Some(keys::copy_keys),
        categories: Categories::KEYSPACE,
        since: "6.2.0",
        complexity: "O(N) worst case for collections, where N is the number of nested items. O(1) \
            for string values.",
        summary: "Copy a key",
        arguments: &[
            key("source"),
            key_of("destination", 1),
            integer("destination-db").after("DB").optional(),
            token("replace", "REPLACE").optional(),
        ],
        effect: EffectForm::Image,
        handler: Handler::Engine(keys::copy),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "del",
        arity: -2,
        flags: Flags::WRITE,
        keys: &[KeySpec::range(1, -1, 1, KeyFlags::RM.or(KeyFlags::DELETE))],
        categories: Categories::KEYSPACE,
        complexity: "O(N) where N is the number of keys that will be removed. When a key to \
            remove holds a value other than a string, the individual complexity for this key is \
            O(M) where M is the number of elements in the list, set, sorted set or hash. Removing \
            a single key that holds a string value is O(1).",
        summary: "Delete a key",
        tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
        arguments: &[key("key").multiple()],
        effect: EffectForm::Image,
        handler: Handler::Engine(keys::del),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "exists",
        arity: -2,
        flags: Flags::READONLY.or(Flags::FAST),
        keys: &[KeySpec::range(1, -1, 1, KeyFlags::RO)],
        categories: Categories::KEYSPACE,
        complexity: "O(N) where N is the number of keys to check.",
        summary: "Determine if a key exists",
        history: &[("3.0.3", "Accepts multiple `key` arguments.")],
        tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
        arguments: &[key("key").multiple()],
        handler: Handler::Engine(keys::exists),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "keys",
        arity: 2,
        flags: Flags::READONLY.or(Flags::WHOLE),
        categories: Categories::KEYSPACE.or(Categories::DANGEROUS),
        complexity: "O(N) with N being the number of keys in the database, under the assumption \
            that the key names in the database and the given pattern have limited length.",
        summary: "Find all keys matching the given pattern",
        tips: &["request_policy:all_shards", "nondeterministic_output_order"],
        arguments: &[pattern("pattern")],
        handler: Handler::Engine(keys::keys),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "move",
        arity: 3,
        flags: Flags::WRITE.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE))],
        cross_db: Some(keys::move_keys),
        categories: Categories::KEYSPACE,
        summary: "Move a key to another database",
        arguments: &[key("key"), integer("db")],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(keys::r#move),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "object",
        arity: -2,
        since: "2.2.3",
        complexity: "Depends on subcommand.",
        summary: "A container for object introspection commands",
        subcommands: OBJECT,
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "randomkey",
        arity: 1,
        flags: Flags::READONLY.or(Flags::WHOLE),
        categories: Categories::KEYSPACE,
        summary: "Return a random key from the keyspace",
        tips: &["request_policy:all_shards", "nondeterministic_output"],
        handler: Handler::Engine(keys::randomkey),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "rename",
        arity: 3,
        flags: Flags::WRITE,
        keys: &[
            KeySpec::one(1, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::DELETE)),
            KeySpec::one(2, KeyFlags::OW.or(KeyFlags::UPDATE)),
        ],
        categories: Categories::KEYSPACE,
        summary: "Rename a key",
        arguments: &[key("key"), key_of("newkey", 1)],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(keys::rename),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "renamenx",
        arity: 3,
        flags: Flags::WRITE.or(Flags::FAST),
        keys: &[
            KeySpec::one(1, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::DELETE)),
            KeySpec::one(2, KeyFlags::OW.or(KeyFlags::INSERT)),
        ],
        categories: Categories::KEYSPACE,
        summary: "Rename a key, only if the new key does not exist",
        history: &[(
            "3.2.0",
            "The command no longer returns an error when source and destination names are the \
                same.",
        )],
        arguments: &[key("key"), key_of("newkey", 1)],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(keys::renamenx),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "scan",
        arity: -2,
        flags: Flags::READONLY.or(Flags::WHOLE),
        categories: Categories::KEYSPACE,
        since: "2.8.0",
        complexity: "O(1) for every call. O(N) for a complete iteration, including enough command \
            calls for the cursor to return back to 0. N is the number of elements inside the \
            collection.",
        summary: "Incrementally iterate the keys space",
        history: &[("6.0.0", "Added the `TYPE` subcommand.")],
        tips: &["nondeterministic_output", "request_policy:special"],
        arguments: &[
            integer("cursor"),
            pattern("pattern").after("MATCH").optional(),
            integer("count").after("COUNT").optional(),
            text("type").after("TYPE").since("6.0.0").optional(),
        ],
        handler: Handler::Engine(keys::scan),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "touch",
        arity: -2,
        flags: Flags::READONLY.or(Flags::FAST),
        keys: &[KeySpec::range(1, -1, 1, KeyFlags::RO)],
        categories: Categories::KEYSPACE,
        since: "3.2.1",
        complexity: "O(N) where N is the number of keys that will be touched.",
        summary: "Alters the last access time of a key(s). Returns the number of existing keys \
            specified.",
        tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
        arguments: &[key("key").multiple()],
        handler: Handler::Engine(keys::touch),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "type",
        arity: 2,
        flags: Flags::READONLY.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RO)],
        categories: Categories::KEYSPACE,
        summary: "Determine the type stored at key",
        arguments: &[key("key")],
        handler: Handler::Engine(keys::r#type),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "unlink",
        arity: -2,
        flags: Flags::WRITE.or(Flags::FAST),
        keys: &[KeySpec::range(1, -1, 1, KeyFlags::RM.or(KeyFlags::DELETE))],
        categories: Categories::KEYSPACE,
        since: "4.0.0",
        complexity: "O(1) for each key removed regardless of its size. Then the command does O(N) \
            work in a different thread in order to reclaim memory, where N is the number of \
            allocations the deleted objects where composed of.",
        summary: "Delete a key asynchronously in another thread. Otherwise it is just as DEL, but \
            non blocking.",
        tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
        arguments: &[key("key").multiple()],
        effect: EffectForm::Image,
        handler: Handler::Engine(keys::unlink),
        ..CommandSpec::DEFAULT
    },
];
