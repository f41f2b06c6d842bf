//! The table's rows: sets.
//!
//! Legend: see [`super`].

use crate::EffectForm;
use crate::commands::argument::{integer, key, key_of, pattern, text};
use crate::commands::keyspec::{BeginSearch, FindKeys, KeyFlags, KeySpec};
use crate::commands::sets;
use crate::commands::spec::{Categories, CommandSpec, Flags, Group, Handler};

/// Sets.
pub(super) const ROWS: &[CommandSpec] = &[
    CommandSpec {
        name: "sadd",
        arity: -3,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::INSERT))],
        categories: Categories::SET,
        group: Group::Set,
        complexity: "O(1) for each element added, so O(N) to add N elements when the command is \
            called with multiple arguments.",
        summary: "Add one or more members to a set",
        history: &[("2.4.0", "Accepts multiple `member` arguments.")],
        arguments: &[key("key"), text("member").multiple()],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(sets::sadd),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "scard",
        arity: 2,
        flags: Flags::READONLY.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RO)],
        categories: Categories::SET,
        group: Group::Set,
        summary: "Get the number of members in a set",
        arguments: &[key("key")],
        handler: Handler::Engine(sets::scard),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "sdiff",
        arity: -2,
        flags: Flags::READONLY,
        keys: &[KeySpec::range(1, -1, 1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::SET,
        group: Group::Set,
        complexity: "O(N) where N is the total number of elements in all given sets.",
        summary: "Subtract multiple sets",
        tips: &["nondeterministic_output_order"],
        arguments: &[key("key").multiple()],
        handler: Handler::Engine(sets::sdiff),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "sdiffstore",
        arity: -3,
        flags: Flags::WRITE.or(Flags::DENY_OOM),
        keys: &[
            KeySpec::one(1, KeyFlags::OW.or(KeyFlags::UPDATE)),
            KeySpec::range(2, -1, 1, KeyFlags::RO.or(KeyFlags::ACCESS)),
        ],
        categories: Categories::SET,
        group: Group::Set,
        complexity: "O(N) where N is the total number of elements in all given sets.",
        summary: "Subtract multiple sets and store the resulting set in a key",
        arguments: &[key("destination"), key_of("key", 1).multiple()],
        effect: EffectForm::Image,
        handler: Handler::Engine(sets::sdiffstore),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "sinter",
        arity: -2,
        flags: Flags::READONLY,
        keys: &[KeySpec::range(1, -1, 1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::SET,
        group: Group::Set,
        complexity: "O(N*M) worst case where N is the cardinality of the smallest set and M is \
            the number of sets.",
        summary: "Intersect multiple sets",
        tips: &["nondeterministic_output_order"],
        arguments: &[key("key").multiple()],
        handler: Handler::Engine(sets::sinter),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "sintercard",
        arity: -3,
        flags: Flags::READONLY.or(Flags::MOVABLE_KEYS),
        keys: &[KeySpec {
            begin: BeginSearch::Index(1),
            find: FindKeys::KeyNum { index: 0, first: 1, step: 1 },
            flags: KeyFlags::RO.or(KeyFlags::ACCESS),
            notes: "",
        }],
        categories: Categories::SET,
        group: Group::Set,
        since: "7.0.0",
        complexity: "O(N*M) worst case where N is the cardinality of the smallest set and M is \
            the number of sets.",
        summary: "Intersect multiple sets and return the cardinality of the result",
        arguments: &[
            integer("numkeys"),
            key("key").multiple(),
            integer("limit").after("LIMIT").optional(),
        ],
        handler: Handler::Engine(sets::sintercard),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "sinterstore",
        arity: -3,
        flags: Flags::WRITE.or(Flags::DENY_OOM),
        keys: &[
            KeySpec::one(1, KeyFlags::RW.or(KeyFlags::UPDATE)),
            KeySpec::range(2, -1, 1, KeyFlags::RO.or(KeyFlags::ACCESS)),
        ],
        categories: Categories::SET,
        group: Group::Set,
        complexity: "O(N*M) worst case where N is the cardinality of the smallest set and M is \
            the number of sets.",
        summary: "Intersect multiple sets and store the resulting set in a key",
        arguments: &[key("destination"), key_of("key", 1).multiple()],
        effect: EffectForm::Image,
        handler: Handler::Engine(sets::sinterstore),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "sismember",
        arity: 3,
        flags: Flags::READONLY.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RO)],
        categories: Categories::SET,
        group: Group::Set,
        summary: "Determine if a given value is a member of a set",
        arguments: &[key("key"), text("member")],
        handler: Handler::Engine(sets::sismember),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "smembers",
        arity: 2,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::SET,
        group: Group::Set,
        complexity: "O(N) where N is the set cardinality.",
        summary: "Get all the members in a set",
        tips: &["nondeterministic_output_order"],
        arguments: &[key("key")],
        handler: Handler::Engine(sets::smembers),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "smismember",
        arity: -3,
        flags: Flags::READONLY.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::SET,
        group: Group::Set,
        since: "6.2.0",
        complexity: "O(N) where N is the number of elements being checked for membership",
        summary: "Returns the membership associated with the given elements for a set",
        arguments: &[key("key"), text("member").multiple()],
        handler: Handler::Engine(sets::smismember),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "smove",
        arity: 4,
        flags: Flags::WRITE.or(Flags::FAST),
        keys: &[
            KeySpec::one(1, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::DELETE)),
            KeySpec::one(2, KeyFlags::RW.or(KeyFlags::INSERT)),
        ],
        categories: Categories::SET,
        group: Group::Set,
        summary: "Move a member from one set to another",
        arguments: &[key("source"), key_of("destination", 1), text("member")],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(sets::smove),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "spop",
        arity: -2,
        flags: Flags::WRITE.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::DELETE))],
        categories: Categories::SET,
        group: Group::Set,
        complexity: "Without the count argument O(1), otherwise O(N) where N is the value of the \
            passed count.",
        summary: "Remove and return one or multiple random members from a set",
        history: &[("3.2.0", "Added the `count` argument.")],
        tips: &["nondeterministic_output"],
        arguments: &[key("key"), integer("count").since("3.2.0").optional()],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(sets::spop),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "srandmember",
        arity: -2,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::SET,
        group: Group::Set,
        complexity: "Without the count argument O(1), otherwise O(N) where N is the absolute \
            value of the passed count.",
        summary: "Get one or multiple random members from a set",
        history: &[("2.6.0", "Added the optional `count` argument.")],
        tips: &["nondeterministic_output"],
        arguments: &[key("key"), integer("count").since("2.6.0").optional()],
        handler: Handler::Engine(sets::srandmember),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "srem",
        arity: -3,
        flags: Flags::WRITE.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::DELETE))],
        categories: Categories::SET,
        group: Group::Set,
        complexity: "O(N) where N is the number of members to be removed.",
        summary: "Remove one or more members from a set",
        history: &[("2.4.0", "Accepts multiple `member` arguments.")],
        arguments: &[key("key"), text("member").multiple()],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(sets::srem),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "sscan",
        arity: -3,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::SET,
        group: Group::Set,
        since: "2.8.0",
        complexity: "O(1) for every call. O(N) for a complete iteration, including enough command \
            calls for the cursor to return back to 0. N is the number of elements inside \
            the collection..",
        summary: "Incrementally iterate Set elements",
        tips: &["nondeterministic_output"],
        arguments: &[
            key("key"),
            integer("cursor"),
            pattern("pattern").after("MATCH").optional(),
            integer("count").after("COUNT").optional(),
        ],
        handler: Handler::Engine(sets::sscan),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "sunion",
        arity: -2,
        flags: Flags::READONLY,
        keys: &[KeySpec::range(1, -1, 1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::SET,
        group: Group::Set,
        complexity: "O(N) where N is the total number of elements in all given sets.",
        summary: "Add multiple sets",
        tips: &["nondeterministic_output_order"],
        arguments: &[key("key").multiple()],
        handler: Handler::Engine(sets::sunion),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "sunionstore",
        arity: -3,
        flags: Flags::WRITE.or(Flags::DENY_OOM),
        keys: &[
            KeySpec::one(1, KeyFlags::OW.or(KeyFlags::UPDATE)),
            KeySpec::range(2, -1, 1, KeyFlags::RO.or(KeyFlags::ACCESS)),
        ],
        categories: Categories::SET,
        group: Group::Set,
        complexity: "O(N) where N is the total number of elements in all given sets.",
        summary: "Add multiple sets and store the resulting set in a key",
        arguments: &[key("destination"), key_of("key", 1).multiple()],
        effect: EffectForm::Image,
        handler: Handler::Engine(sets::sunionstore),
        ..CommandSpec::DEFAULT
    },
];
