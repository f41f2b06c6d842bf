//! The table's rows: sorted sets: members and ends.
//!
//! Legend: see [`super`].

use crate::EffectForm;
use crate::commands::argument::{block, double, integer, key, one_of, pattern, text, token};
use crate::commands::keyspec::{BeginSearch, FindKeys, KeyFlags, KeySpec};
use crate::commands::sorted_sets;
use crate::commands::spec::{Categories, CommandSpec, Flags, Group, Handler};

/// Sorted sets: members and ends.
pub(super) const ROWS: &[CommandSpec] = &[
    CommandSpec {
        name: "bzmpop",
        arity: -5,
        flags: Flags::WRITE.or(Flags::BLOCKING).or(Flags::MOVABLE_KEYS),
        keys: &[KeySpec {
            begin: BeginSearch::Index(2),
            find: FindKeys::KeyNum { index: 0, first: 1, step: 1 },
            flags: KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::DELETE),
            notes: "",
        }],
        categories: Categories::SORTED_SET,
        group: Group::SortedSet,
        since: "7.0.0",
        complexity: "O(K) + O(M*log(N)) where K is the number of provided keys, N being the \
            number of elements in the sorted set, and M being the number of elements popped.",
        summary: "Remove and return members with scores in a sorted set or block until one is \
            available",
        arguments: &[
            double("timeout"),
            integer("numkeys"),
            key("key").multiple(),
            one_of("where", &[token("min", "MIN"), token("max", "MAX")]),
            integer("count").after("COUNT").optional(),
        ],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(sorted_sets::pop::bzmpop),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "bzpopmax",
        arity: -3,
        flags: Flags::WRITE.or(Flags::NO_SCRIPT).or(Flags::BLOCKING).or(Flags::FAST),
        keys: &[KeySpec::range(1, -2, 1, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::DELETE))],
        categories: Categories::SORTED_SET,
        group: Group::SortedSet,
        since: "5.0.0",
        complexity: "O(log(N)) with N being the number of elements in the sorted set.",
        summary: "Remove and return the member with the highest score from one or more sorted \
            sets, or block until one is available",
        history: &[("6.0.0", "`timeout` is interpreted as a double instead of an integer.")],
        arguments: &[key("key").multiple(), double("timeout")],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(sorted_sets::pop::bzpopmax),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "bzpopmin",
        arity: -3,
        flags: Flags::WRITE.or(Flags::NO_SCRIPT).or(Flags::BLOCKING).or(Flags::FAST),
        keys: &[KeySpec::range(1, -2, 1, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::DELETE))],
        categories: Categories::SORTED_SET,
        group: Group::SortedSet,
        since: "5.0.0",
        complexity: "O(log(N)) with N being the number of elements in the sorted set.",
        summary: "Remove and return the member with the lowest score from one or more sorted \
            sets, or block until one is available",
        history: &[("6.0.0", "`timeout` is interpreted as a double instead of an integer.")],
        arguments: &[key("key").multiple(), double("timeout")],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(sorted_sets::pop::bzpopmin),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "zadd",
        arity: -4,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::UPDATE))],
        categories: Categories::SORTED_SET,
        group: Group::SortedSet,
        since: "1.2.0",
        complexity: "O(log(N)) for each item added, where N is the number of elements in the \
            sorted set.",
        summary: "Add one or more members to a sorted set, or update its score if it already \
            exists",
        history: &[
            ("2.4.0", "Accepts multiple elements."),
            ("3.0.2", "Added the `XX`, `NX`, `CH` and `INCR` options."),
            ("6.2.0", "Added the `GT` and `LT` options."),
        ],
        arguments: &[
            key("key"),
            one_of("condition", &[token("nx", "NX"), token("xx", "XX")]).since("3.0.2").optional(),
            one_of("comparison", &[token("gt", "GT"), token("lt", "LT")]).since("6.2.0").optional(),
            token("change", "CH").since("3.0.2").optional(),
            token("increment", "INCR").since("3.0.2").optional(),
            block("score_member", &[double("score"), text("member")]).multiple(),
        ],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(sorted_sets::zadd),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "zcard",
        arity: 2,
        flags: Flags::READONLY.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RO)],
        categories: Categories::SORTED_SET,
        group: Group::SortedSet,
        since: "1.2.0",
        complexity: "O(1)",
        summary: "Get the number of members in a sorted set",
        arguments: &[key("key")],
        handler: Handler::Engine(sorted_sets::zcard),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "zincrby",
        arity: 4,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE))],
        categories: Categories::SORTED_SET,
        group: Group::SortedSet,
        since: "1.2.0",
        complexity: "O(log(N)) where N is the number of elements in the sorted set.",
        summary: "Increment the score of a member in a sorted set",
        arguments: &[key("key"), integer("increment"), text("member")],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(sorted_sets::zincrby),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "zmpop",
        arity: -4,
        flags: Flags::WRITE.or(Flags::MOVABLE_KEYS),
        keys: &[KeySpec {
            begin: BeginSearch::Index(1),
            find: FindKeys::KeyNum { index: 0, first: 1, step: 1 },
            flags: KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::DELETE),
            notes: "",
        }],
        categories: Categories::SORTED_SET,
        group: Group::SortedSet,
        since: "7.0.0",
        complexity: "O(K) + O(M*log(N)) where K is the number of provided keys, N being the \
            number of elements in the sorted set, and M being the number of elements popped.",
        summary: "Remove and return members with scores in a sorted set",
        arguments: &[
            integer("numkeys"),
            key("key").multiple(),
            one_of("where", &[token("min", "MIN"), token("max", "MAX")]),
            integer("count").after("COUNT").optional(),
        ],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(sorted_sets::pop::zmpop),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "zmscore",
        arity: -3,
        flags: Flags::READONLY.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::SORTED_SET,
        group: Group::SortedSet,
        since: "6.2.0",
        complexity: "O(N) where N is the number of members being requested.",
        summary: "Get the score associated with the given members in a sorted set",
        arguments: &[key("key"), text("member").multiple()],
        handler: Handler::Engine(sorted_sets::zmscore),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "zpopmax",
        arity: -2,
        flags: Flags::WRITE.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::DELETE))],
        categories: Categories::SORTED_SET,
        group: Group::SortedSet,
        since: "5.0.0",
        complexity: "O(log(N)*M) with N being the number of elements in the sorted set, and M \
            being the number of elements popped.",
        summary: "Remove and return members with the highest scores in a sorted set",
        arguments: &[key("key"), integer("count").optional()],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(sorted_sets::pop::zpopmax),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "zpopmin",
        arity: -2,
        flags: Flags::WRITE.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::DELETE))],
        categories: Categories::SORTED_SET,
        group: Group::SortedSet,
        since: "5.0.0",
        complexity: "O(log(N)*M) with N being the number of elements in the sorted set, and M \
            being the number of elements popped.",
        summary: "Remove and return members with the lowest scores in a sorted set",
        arguments: &[key("key"), integer("count").optional()],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(sorted_sets::pop::zpopmin),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "zrandmember",
        arity: -2,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::SORTED_SET,
        group: Group::SortedSet,
        since: "6.2.0",
        complexity: "O(N) where N is the number of elements returned",
        summary: "Get one or multiple random elements from a sorted set",
        tips: &["nondeterministic_output"],
        arguments: &[
            key("key"),
            block("options", &[integer("count"), token("withscores", "WITHSCORES").optional()])
                .optional(),
        ],
        handler: Handler::Engine(sorted_sets::random::zrandmember),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "zrank",
        arity: -3,
        flags: Flags::READONLY.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::SORTED_SET,
        group: Group::SortedSet,
        since: "2.0.0",
        complexity: "O(log(N))",
        summary: "Determine the index of a member in a sorted set",
        history: &[("7.2.0", "Added the optional `WITHSCORE` argument.")],
        arguments: &[key("key"), text("member"), token("withscore", "WITHSCORE").optional()],
        handler: Handler::Engine(sorted_sets::zrank),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "zrem",
        arity: -3,
        flags: Flags::WRITE.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::DELETE))],
        categories: Categories::SORTED_SET,
        group: Group::SortedSet,
        since: "1.2.0",
        complexity: "O(M*log(N)) with N being the number of elements in the sorted set and M the \
            number of elements to be removed.",
        summary: "Remove one or more members from a sorted set",
        history: &[("2.4.0", "Accepts multiple elements.")],
        arguments: &[key("key"), text("member").multiple()],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(sorted_sets::zrem),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "zrevrank",
        arity: -3,
        flags: Flags::READONLY.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::SORTED_SET,
        group: Group::SortedSet,
        since: "2.0.0",
        complexity: "O(log(N))",
        summary: "Determine the index of a member in a sorted set, with scores ordered from high \
            to low",
        history: &[("7.2.0", "Added the optional `WITHSCORE` argument.")],
        arguments: &[key("key"), text("member"), token("withscore", "WITHSCORE").optional()],
        handler: Handler::Engine(sorted_sets::zrevrank),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "zscan",
        arity: -3,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::SORTED_SET,
        group: Group::SortedSet,
        since: "2.8.0",
        complexity: "O(1) for every call. O(N) for a complete iteration, including enough \
            command calls for the cursor to return back to 0. N is the number of elements inside \
            the collection..",
        summary: "Incrementally iterate sorted sets elements and associated scores",
        tips: &["nondeterministic_output"],
        arguments: &[
            key("key"),
            integer("cursor"),
            pattern("pattern").after("MATCH").optional(),
            integer("count").after("COUNT").optional(),
        ],
        handler: Handler::Engine(sorted_sets::zscan),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "zscore",
        arity: 3,
        flags: Flags::READONLY.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::SORTED_SET,
        group: Group::SortedSet,
        since: "1.2.0",
        complexity: "O(1)",
        summary: "Get the score associated with the given member in a sorted set",
        arguments: &[key("key"), text("member")],
        handler: Handler::Engine(sorted_sets::zscore),
        ..CommandSpec::DEFAULT
    },
];
