//! The table's rows: strings.
//!
//! Legend: see [`super`].

use crate::EffectForm;
use crate::commands::argument::{block, integer, key, one_of, text, token, unix_time};
use crate::commands::keyspec::{KeyFlags, KeySpec};
use crate::commands::spec::{Categories, CommandSpec, Deprecated, Flags, Group, Handler};
use crate::commands::{lcs, strings};

/// Strings.
pub(super) const ROWS: &[CommandSpec] = &[
    CommandSpec {
        name: "append",
        arity: 3,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::INSERT))],
        categories: Categories::STRING,
        group: Group::String,
        since: "2.0.0",
        complexity: "O(1). The amortized time complexity is O(1) assuming the appended value is \
            small and the already present value is of any size, since the dynamic string library \
            used by Redis will double the free space available on every reallocation.",
        summary: "Append a value to a key",
        arguments: &[key("key"), text("value")],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(strings::append),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "get",
        arity: 2,
        flags: Flags::READONLY.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::STRING,
        group: Group::String,
        summary: "Get the value of a key",
        arguments: &[key("key")],
        handler: Handler::Engine(strings::get),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "getdel",
        arity: 2,
        flags: Flags::WRITE.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::DELETE))],
        categories: Categories::STRING,
        group: Group::String,
        since: "6.2.0",
        summary: "Get the value of a key and delete the key",
        arguments: &[key("key")],
        effect: EffectForm::Image,
        handler: Handler::Engine(strings::getdel),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "getex",
        arity: -2,
        flags: Flags::WRITE.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE))
            .noted("RW and UPDATE because it changes the TTL")],
        categories: Categories::STRING,
        group: Group::String,
        since: "6.2.0",
        summary: "Get the value of a key and optionally set its expiration",
        arguments: &[
            key("key"),
            one_of(
                "expiration",
                &[
                    integer("seconds").after("EX"),
                    integer("milliseconds").after("PX"),
                    unix_time("unix-time-seconds").after("EXAT"),
                    unix_time("unix-time-milliseconds").after("PXAT"),
                    token("persist", "PERSIST"),
                ],
            )
            .optional(),
        ],
        effect: EffectForm::Image,
        handler: Handler::Engine(strings::getex),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "getrange",
        arity: 4,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::STRING,
        group: Group::String,
        since: "2.4.0",
        complexity: "O(N) where N is the length of the returned string. The complexity is \
            ultimately determined by the returned length, but because creating a substring from \
            an existing string is very cheap, it can be considered O(1) for small strings.",
        summary: "Get a substring of the string stored at a key",
        arguments: &[key("key"), integer("start"), integer("end")],
        handler: Handler::Engine(strings::getrange),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "getset",
        arity: 3,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE))],
        categories: Categories::STRING,
        group: Group::String,
        deprecated: Some(Deprecated {
            since: "6.2.0",
            replaced_by: "`SET` with the `!GET` argument",
        }),
        summary: "Set the string value of a key and return its old value",
        arguments: &[key("key"), text("value")],
        effect: EffectForm::Image,
        handler: Handler::Engine(strings::getset),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "lcs",
        arity: -3,
        flags: Flags::READONLY,
        keys: &[KeySpec::range(1, 1, 1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::STRING,
        group: Group::String,
        since: "7.0.0",
        complexity: "O(N*M) where N and M are the lengths of s1 and s2, respectively",
        summary: "Find longest common substring",
        arguments: &[
            key("key1"),
            key("key2"),
            token("len", "LEN").optional(),
            token("idx", "IDX").optional(),
            integer("len").after("MINMATCHLEN").optional(),
            token("withmatchlen", "WITHMATCHLEN").optional(),
        ],
        handler: Handler::Engine(lcs::lcs),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "mget",
        arity: -2,
        flags: Flags::READONLY.or(Flags::FAST),
        keys: &[KeySpec::range(1, -1, 1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::STRING,
        group: Group::String,
        complexity: "O(N) where N is the number of keys to retrieve.",
        summary: "Get the values of all the given keys",
        tips: &["request_policy:multi_shard"],
        arguments: &[key("key").multiple()],
        handler: Handler::Engine(strings::mget),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "mset",
        arity: -3,
        flags: Flags::WRITE.or(Flags::DENY_OOM),
        keys: &[KeySpec::range(1, -1, 2, KeyFlags::OW.or(KeyFlags::UPDATE))],
        categories: Categories::STRING,
        group: Group::String,
        since: "1.0.1",
        complexity: "O(N) where N is the number of keys to set.",
        summary: "Set multiple keys to multiple values",
        tips: &["request_policy:multi_shard", "response_policy:all_succeeded"],
        arguments: &[block("key_value", &[key("key"), text("value")]).multiple()],
        effect: EffectForm::Image,
        handler: Handler::Engine(strings::mset),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "msetnx",
        arity: -3,
        flags: Flags::WRITE.or(Flags::DENY_OOM),
        keys: &[KeySpec::range(1, -1, 2, KeyFlags::OW.or(KeyFlags::INSERT))],
        categories: Categories::STRING,
        group: Group::String,
        since: "1.0.1",
        complexity: "O(N) where N is the number of keys to set.",
        summary: "Set multiple keys to multiple values, only if none of the keys exist",
        tips: &["request_policy:multi_shard", "response_policy:agg_min"],
        arguments: &[block("key_value", &[key("key"), text("value")]).multiple()],
        effect: EffectForm::Image,
        handler: Handler::Engine(strings::msetnx),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "psetex",
        arity: 4,
        flags: Flags::WRITE.or(Flags::DENY_OOM),
        keys: &[KeySpec::one(1, KeyFlags::OW.or(KeyFlags::UPDATE))],
        categories: Categories::STRING,
        group: Group::String,
        since: "2.6.0",
        summary: "Set the value and expiration in milliseconds of a key",
        arguments: &[key("key"), integer("milliseconds"), text("value")],
        effect: EffectForm::Image,
        handler: Handler::Engine(strings::psetex),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "set",
        arity: -3,
        flags: Flags::WRITE.or(Flags::DENY_OOM),
        keys: &[KeySpec::one(
            1,
            KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE).or(KeyFlags::VARIABLE),
        )
        .noted("RW and ACCESS due to the optional `GET` argument")],
        categories: Categories::STRING,
        group: Group::String,
        summary: "Set the string value of a key",
        history: &[
            ("2.6.12", "Added the `EX`, `PX`, `NX` and `XX` options."),
            ("6.0.0", "Added the `KEEPTTL` option."),
            ("6.2.0", "Added the `GET`, `EXAT` and `PXAT` option."),
            ("7.0.0", "Allowed the `NX` and `GET` options to be used together."),
            ("zumic 0.1.0", "Added the `IFEQ` option, as Valkey 8.1 has it."),
        ],
        arguments: &[
            key("key"),
            text("value"),
            one_of(
                "condition",
                &[
                    token("nx", "NX"),
                    token("xx", "XX"),
                    text("comparison-value").after("IFEQ").since("zumic 0.1.0"),
                ],
            )
            .since("2.6.12")
            .optional(),
            token("get", "GET").since("6.2.0").optional(),
            one_of(
                "expiration",
                &[
                    integer("seconds").after("EX").since("2.6.12"),
                    integer("milliseconds").after("PX").since("2.6.12"),
                    unix_time("unix-time-seconds").after("EXAT").since("6.2.0"),
                    unix_time("unix-time-milliseconds").after("PXAT").since("6.2.0"),
                    token("keepttl", "KEEPTTL").since("6.0.0"),
                ],
            )
            .optional(),
        ],
        effect: EffectForm::Image,
        handler: Handler::Engine(strings::set),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "setex",
        arity: 4,
        flags: Flags::WRITE.or(Flags::DENY_OOM),
        keys: &[KeySpec::one(1, KeyFlags::OW.or(KeyFlags::UPDATE))],
        categories: Categories::STRING,
        group: Group::String,
        since: "2.0.0",
        summary: "Set the value and expiration of a key",
        arguments: &[key("key"), integer("seconds"), text("value")],
        effect: EffectForm::Image,
        handler: Handler::Engine(strings::setex),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "setnx",
        arity: 3,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::OW.or(KeyFlags::INSERT))],
        categories: Categories::STRING,
        group: Group::String,
        summary: "Set the value of a key, only if the key does not exist",
        arguments: &[key("key"), text("value")],
        effect: EffectForm::Image,
        handler: Handler::Engine(strings::setnx),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "setrange",
        arity: 4,
        flags: Flags::WRITE.or(Flags::DENY_OOM),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::UPDATE))],
        categories: Categories::STRING,
        group: Group::String,
        since: "2.2.0",
        complexity: "O(1), not counting the time taken to copy the new string in place. Usually, \
            this string is very small so the amortized complexity is O(1). Otherwise, complexity \
            is O(M) with M being the length of the value argument.",
        summary: "Overwrite part of a string at key starting at the specified offset",
        arguments: &[key("key"), integer("offset"), text("value")],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(strings::setrange),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "strlen",
        arity: 2,
        flags: Flags::READONLY.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RO)],
        categories: Categories::STRING,
        group: Group::String,
        since: "2.2.0",
        summary: "Get the length of the value stored in a key",
        arguments: &[key("key")],
        handler: Handler::Engine(strings::strlen),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "substr",
        arity: 4,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::STRING,
        group: Group::String,
        deprecated: Some(Deprecated { since: "2.0.0", replaced_by: "`GETRANGE`" }),
        complexity: "O(N) where N is the length of the returned string. The complexity is \
            ultimately determined by the returned length, but because creating a substring from \
            an existing string is very cheap, it can be considered O(1) for small strings.",
        summary: "Get a substring of the string stored at a key",
        arguments: &[key("key"), integer("start"), integer("end")],
        handler: Handler::Engine(strings::getrange),
        ..CommandSpec::DEFAULT
    },
];
