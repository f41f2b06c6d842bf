//! The table's rows: sorted sets: ranges.
//!
//! Legend: see [`super`].

use crate::EffectForm;
use crate::commands::argument::{block, double, integer, key, key_of, one_of, text, token};
use crate::commands::keyspec::{KeyFlags, KeySpec};
use crate::commands::sorted_sets;
use crate::commands::spec::{Categories, CommandSpec, Deprecated, Flags, Group, Handler};

/// Sorted sets: ranges.
pub(super) const ROWS: &[CommandSpec] = &[
    CommandSpec {
        name: "zcount",
        arity: 4,
        flags: Flags::READONLY.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::SORTED_SET,
        group: Group::SortedSet,
        since: "2.0.0",
        complexity: "O(log(N)) with N being the number of elements in the sorted set.",
        summary: "Count the members in a sorted set with scores within the given values",
        arguments: &[key("key"), double("min"), double("max")],
        handler: Handler::Engine(sorted_sets::range::zcount),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "zlexcount",
        arity: 4,
        flags: Flags::READONLY.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::SORTED_SET,
        group: Group::SortedSet,
        since: "2.8.9",
        complexity: "O(log(N)) with N being the number of elements in the sorted set.",
        summary: "Count the number of members in a sorted set between a given lexicographical \
            range",
        arguments: &[key("key"), text("min"), text("max")],
        handler: Handler::Engine(sorted_sets::range::zlexcount),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "zrange",
        arity: -4,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::SORTED_SET,
        group: Group::SortedSet,
        since: "1.2.0",
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the \
            number of elements returned.",
        summary: "Return a range of members in a sorted set",
        history: &[("6.2.0", "Added the `REV`, `BYSCORE`, `BYLEX` and `LIMIT` options.")],
        arguments: &[
            key("key"),
            text("start"),
            text("stop"),
            one_of("sortby", &[token("byscore", "BYSCORE"), token("bylex", "BYLEX")])
                .since("6.2.0")
                .optional(),
            token("rev", "REV").since("6.2.0").optional(),
            block("offset_count", &[integer("offset"), integer("count")])
                .after("LIMIT")
                .since("6.2.0")
                .optional(),
            token("withscores", "WITHSCORES").optional(),
        ],
        handler: Handler::Engine(sorted_sets::range::zrange),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "zrangebylex",
        arity: -4,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::SORTED_SET,
        group: Group::SortedSet,
        since: "2.8.9",
        deprecated: Some(Deprecated {
            since: "6.2.0",
            replaced_by: "`ZRANGE` with the `BYLEX` argument",
        }),
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the \
            number of elements being returned. If M is constant (e.g. always asking for the \
            first 10 elements with LIMIT), you can consider it O(log(N)).",
        summary: "Return a range of members in a sorted set, by lexicographical range",
        arguments: &[
            key("key"),
            text("min"),
            text("max"),
            block("offset_count", &[integer("offset"), integer("count")]).after("LIMIT").optional(),
        ],
        handler: Handler::Engine(sorted_sets::range::zrangebylex),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "zrangebyscore",
        arity: -4,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::SORTED_SET,
        group: Group::SortedSet,
        since: "1.0.5",
        deprecated: Some(Deprecated {
            since: "6.2.0",
            replaced_by: "`ZRANGE` with the `BYSCORE` argument",
        }),
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the \
            number of elements being returned. If M is constant (e.g. always asking for the \
            first 10 elements with LIMIT), you can consider it O(log(N)).",
        summary: "Return a range of members in a sorted set, by score",
        history: &[("2.0.0", "Added the `WITHSCORES` modifier.")],
        arguments: &[
            key("key"),
            double("min"),
            double("max"),
            token("withscores", "WITHSCORES").since("2.0.0").optional(),
            block("offset_count", &[integer("offset"), integer("count")]).after("LIMIT").optional(),
        ],
        handler: Handler::Engine(sorted_sets::range::zrangebyscore),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "zrangestore",
        arity: -5,
        flags: Flags::WRITE.or(Flags::DENY_OOM),
        keys: &[
            KeySpec::one(1, KeyFlags::OW.or(KeyFlags::UPDATE)),
            KeySpec::one(2, KeyFlags::RO.or(KeyFlags::ACCESS)),
        ],
        categories: Categories::SORTED_SET,
        group: Group::SortedSet,
        since: "6.2.0",
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the \
            number of elements stored into the destination key.",
        summary: "Store a range of members from sorted set into another key",
        arguments: &[
            key("dst"),
            key_of("src", 1),
            text("min"),
            text("max"),
            one_of("sortby", &[token("byscore", "BYSCORE"), token("bylex", "BYLEX")]).optional(),
            token("rev", "REV").optional(),
            block("offset_count", &[integer("offset"), integer("count")]).after("LIMIT").optional(),
        ],
        effect: EffectForm::Image,
        handler: Handler::Engine(sorted_sets::range::zrangestore),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "zremrangebylex",
        arity: 4,
        flags: Flags::WRITE,
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::DELETE))],
        categories: Categories::SORTED_SET,
        group: Group::SortedSet,
        since: "2.8.9",
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the \
            number of elements removed by the operation.",
        summary: "Remove all members in a sorted set between the given lexicographical range",
        arguments: &[key("key"), text("min"), text("max")],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(sorted_sets::range::zremrangebylex),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "zremrangebyrank",
        arity: 4,
        flags: Flags::WRITE,
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::DELETE))],
        categories: Categories::SORTED_SET,
        group: Group::SortedSet,
        since: "2.0.0",
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the \
            number of elements removed by the operation.",
        summary: "Remove all members in a sorted set within the given indexes",
        arguments: &[key("key"), integer("start"), integer("stop")],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(sorted_sets::range::zremrangebyrank),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "zremrangebyscore",
        arity: 4,
        flags: Flags::WRITE,
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::DELETE))],
        categories: Categories::SORTED_SET,
        group: Group::SortedSet,
        since: "1.2.0",
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the \
            number of elements removed by the operation.",
        summary: "Remove all members in a sorted set within the given scores",
        arguments: &[key("key"), double("min"), double("max")],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(sorted_sets::range::zremrangebyscore),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "zrevrange",
        arity: -4,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::SORTED_SET,
        group: Group::SortedSet,
        since: "1.2.0",
        deprecated: Some(Deprecated {
            since: "6.2.0",
            replaced_by: "`ZRANGE` with the `REV` argument",
        }),
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the \
            number of elements returned.",
        summary: "Return a range of members in a sorted set, by index, with scores ordered from \
            high to low",
        arguments: &[
            key("key"),
            integer("start"),
            integer("stop"),
            token("withscores", "WITHSCORES").optional(),
        ],
        handler: Handler::Engine(sorted_sets::range::zrevrange),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "zrevrangebylex",
        arity: -4,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::SORTED_SET,
        group: Group::SortedSet,
        since: "2.8.9",
        deprecated: Some(Deprecated {
            since: "6.2.0",
            replaced_by: "`ZRANGE` with the `REV` and `BYLEX` arguments",
        }),
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the \
            number of elements being returned. If M is constant (e.g. always asking for the \
            first 10 elements with LIMIT), you can consider it O(log(N)).",
        summary: "Return a range of members in a sorted set, by lexicographical range, ordered \
            from higher to lower strings.",
        arguments: &[
            key("key"),
            text("max"),
            text("min"),
            block("offset_count", &[integer("offset"), integer("count")]).after("LIMIT").optional(),
        ],
        handler: Handler::Engine(sorted_sets::range::zrevrangebylex),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "zrevrangebyscore",
        arity: -4,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::SORTED_SET,
        group: Group::SortedSet,
        since: "2.2.0",
        deprecated: Some(Deprecated {
            since: "6.2.0",
            replaced_by: "`ZRANGE` with the `REV` and `BYSCORE` arguments",
        }),
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the \
            number of elements being returned. If M is constant (e.g. always asking for the \
            first 10 elements with LIMIT), you can consider it O(log(N)).",
        summary: "Return a range of members in a sorted set, by score, with scores ordered from \
            high to low",
        history: &[("2.1.6", "`min` and `max` can be exclusive.")],
        arguments: &[
            key("key"),
            double("max"),
            double("min"),
            token("withscores", "WITHSCORES").optional(),
            block("offset_count", &[integer("offset"), integer("count")]).after("LIMIT").optional(),
        ],
        handler: Handler::Engine(sorted_sets::range::zrevrangebyscore),
        ..CommandSpec::DEFAULT
    },
];
