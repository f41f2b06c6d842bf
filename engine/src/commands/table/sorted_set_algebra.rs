//! The table's rows: sorted sets: several at once.
//!
//! Legend: see [`super`].

use crate::EffectForm;
use crate::commands::argument::{integer, key, key_of, one_of, token};
use crate::commands::keyspec::{BeginSearch, FindKeys, KeyFlags, KeySpec};
use crate::commands::sorted_sets;
use crate::commands::spec::{Categories, CommandSpec, Flags, Group, Handler};

/// Sorted sets: several at once.
pub(super) const ROWS: &[CommandSpec] = &[
    CommandSpec {
        name: "zdiff",
        arity: -3,
        flags: Flags::READONLY.or(Flags::MOVABLE_KEYS),
        keys: &[KeySpec {
            begin: BeginSearch::Index(1),
            find: FindKeys::KeyNum { index: 0, first: 1, step: 1 },
            flags: KeyFlags::RO.or(KeyFlags::ACCESS),
            notes: "",
        }],
        categories: Categories::SORTED_SET,
        group: Group::SortedSet,
        since: "6.2.0",
        complexity: "O(L + (N-K)log(N)) worst case where L is the total number of elements in \
            all the sets, N is the size of the first set, and K is the size of the result set.",
        summary: "Subtract multiple sorted sets",
        arguments: &[
            integer("numkeys"),
            key("key").multiple(),
            token("withscores", "WITHSCORES").optional(),
        ],
        handler: Handler::Engine(sorted_sets::combine::zdiff),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "zdiffstore",
        arity: -4,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::MOVABLE_KEYS),
        keys: &[
            KeySpec::one(1, KeyFlags::OW.or(KeyFlags::UPDATE)),
            KeySpec {
                begin: BeginSearch::Index(2),
                find: FindKeys::KeyNum { index: 0, first: 1, step: 1 },
                flags: KeyFlags::RO.or(KeyFlags::ACCESS),
                notes: "",
            },
        ],
        categories: Categories::SORTED_SET,
        group: Group::SortedSet,
        since: "6.2.0",
        complexity: "O(L + (N-K)log(N)) worst case where L is the total number of elements in \
            all the sets, N is the size of the first set, and K is the size of the result set.",
        summary: "Subtract multiple sorted sets and store the resulting sorted set in a new key",
        arguments: &[key("destination"), integer("numkeys"), key_of("key", 1).multiple()],
        effect: EffectForm::Image,
        handler: Handler::Engine(sorted_sets::combine::zdiffstore),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "zinter",
        arity: -3,
        flags: Flags::READONLY.or(Flags::MOVABLE_KEYS),
        keys: &[KeySpec {
            begin: BeginSearch::Index(1),
            find: FindKeys::KeyNum { index: 0, first: 1, step: 1 },
            flags: KeyFlags::RO.or(KeyFlags::ACCESS),
            notes: "",
        }],
        categories: Categories::SORTED_SET,
        group: Group::SortedSet,
        since: "6.2.0",
        complexity: "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K \
            being the number of input sorted sets and M being the number of elements in the \
            resulting sorted set.",
        summary: "Intersect multiple sorted sets",
        arguments: &[
            integer("numkeys"),
            key("key").multiple(),
            integer("weight").after("WEIGHTS").optional().multiple(),
            one_of("aggregate", &[token("sum", "SUM"), token("min", "MIN"), token("max", "MAX")])
                .after("AGGREGATE")
                .optional(),
            token("withscores", "WITHSCORES").optional(),
        ],
        handler: Handler::Engine(sorted_sets::combine::zinter),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "zintercard",
        arity: -3,
        flags: Flags::READONLY.or(Flags::MOVABLE_KEYS),
        keys: &[KeySpec {
            begin: BeginSearch::Index(1),
            find: FindKeys::KeyNum { index: 0, first: 1, step: 1 },
            flags: KeyFlags::RO.or(KeyFlags::ACCESS),
            notes: "",
        }],
        categories: Categories::SORTED_SET,
        group: Group::SortedSet,
        since: "7.0.0",
        complexity: "O(N*K) worst case with N being the smallest input sorted set, K being the \
            number of input sorted sets.",
        summary: "Intersect multiple sorted sets and return the cardinality of the result",
        arguments: &[
            integer("numkeys"),
            key("key").multiple(),
            integer("limit").after("LIMIT").optional(),
        ],
        handler: Handler::Engine(sorted_sets::combine::zintercard),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "zinterstore",
        arity: -4,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::MOVABLE_KEYS),
        keys: &[
            KeySpec::one(1, KeyFlags::OW.or(KeyFlags::UPDATE)),
            KeySpec {
                begin: BeginSearch::Index(2),
                find: FindKeys::KeyNum { index: 0, first: 1, step: 1 },
                flags: KeyFlags::RO.or(KeyFlags::ACCESS),
                notes: "",
            },
        ],
        categories: Categories::SORTED_SET,
        group: Group::SortedSet,
        since: "2.0.0",
        complexity: "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K \
            being the number of input sorted sets and M being the number of elements in the \
            resulting sorted set.",
        summary: "Intersect multiple sorted sets and store the resulting sorted set in a new key",
        arguments: &[
            key("destination"),
            integer("numkeys"),
            key_of("key", 1).multiple(),
            integer("weight").after("WEIGHTS").optional().multiple(),
            one_of("aggregate", &[token("sum", "SUM"), token("min", "MIN"), token("max", "MAX")])
                .after("AGGREGATE")
                .optional(),
        ],
        effect: EffectForm::Image,
        handler: Handler::Engine(sorted_sets::combine::zinterstore),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "zunion",
        arity: -3,
        flags: Flags::READONLY.or(Flags::MOVABLE_KEYS),
        keys: &[KeySpec {
            begin: BeginSearch::Index(1),
            find: FindKeys::KeyNum { index: 0, first: 1, step: 1 },
            flags: KeyFlags::RO.or(KeyFlags::ACCESS),
            notes: "",
        }],
        categories: Categories::SORTED_SET,
        group: Group::SortedSet,
        since: "6.2.0",
        complexity: "O(N)+O(M*log(M)) with N being the sum of the sizes of the input sorted \
            sets, and M being the number of elements in the resulting sorted set.",
        summary: "Add multiple sorted sets",
        arguments: &[
            integer("numkeys"),
            key("key").multiple(),
            integer("weight").after("WEIGHTS").optional().multiple(),
            one_of("aggregate", &[token("sum", "SUM"), token("min", "MIN"), token("max", "MAX")])
                .after("AGGREGATE")
                .optional(),
            token("withscores", "WITHSCORES").optional(),
        ],
        handler: Handler::Engine(sorted_sets::combine::zunion),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "zunionstore",
        arity: -4,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::MOVABLE_KEYS),
        keys: &[
            KeySpec::one(1, KeyFlags::OW.or(KeyFlags::UPDATE)),
            KeySpec {
                begin: BeginSearch::Index(2),
                find: FindKeys::KeyNum { index: 0, first: 1, step: 1 },
                flags: KeyFlags::RO.or(KeyFlags::ACCESS),
                notes: "",
            },
        ],
        categories: Categories::SORTED_SET,
        group: Group::SortedSet,
        since: "2.0.0",
        complexity: "O(N)+O(M log(M)) with N being the sum of the sizes of the input sorted \
            sets, and M being the number of elements in the resulting sorted set.",
        summary: "Add multiple sorted sets and store the resulting sorted set in a new key",
        arguments: &[
            key("destination"),
            integer("numkeys"),
            key_of("key", 1).multiple(),
            integer("weight").after("WEIGHTS").optional().multiple(),
            one_of("aggregate", &[token("sum", "SUM"), token("min", "MIN"), token("max", "MAX")])
                .after("AGGREGATE")
                .optional(),
        ],
        effect: EffectForm::Image,
        handler: Handler::Engine(sorted_sets::combine::zunionstore),
        ..CommandSpec::DEFAULT
    },
];
