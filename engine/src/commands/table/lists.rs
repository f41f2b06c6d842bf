//! The table's rows: lists.
//!
//! Legend: see [`super`].

use crate::EffectForm;
use crate::commands::argument::{Argument, double, integer, key, key_of, one_of, text, token};
use crate::commands::keyspec::{KeyFlags, KeySpec};
use crate::commands::lists::{self, blocking, moves};
use crate::commands::spec::{Categories, CommandSpec, Deprecated, Flags, Group, Handler};

/// A list that loses elements to the client.
const POPPED: KeyFlags = KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::DELETE);
/// A list that gains elements.
const PUSHED: KeyFlags = KeyFlags::RW.or(KeyFlags::INSERT);
/// The ends of a list.
const SIDES: &[Argument] = &[token("left", "LEFT"), token("right", "RIGHT")];

/// Lists.
pub(super) const ROWS: &[CommandSpec] = &[
    CommandSpec {
        name: "blmove",
        arity: 6,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::NO_SCRIPT).or(Flags::BLOCKING),
        keys: &[KeySpec::one(1, POPPED), KeySpec::one(2, PUSHED)],
        categories: Categories::LIST,
        group: Group::List,
        since: "6.2.0",
        summary: "Pop an element from a list, push it to another list and return it; or block \
            until one is available",
        arguments: &[
            key("source"),
            key_of("destination", 1),
            one_of("wherefrom", SIDES),
            one_of("whereto", SIDES),
            double("timeout"),
        ],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(blocking::blmove),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "blmpop",
        arity: -5,
        flags: Flags::WRITE.or(Flags::BLOCKING).or(Flags::MOVABLE_KEYS),
        keys: &[KeySpec::counted(2, POPPED)],
        categories: Categories::LIST,
        group: Group::List,
        since: "7.0.0",
        complexity: "O(N+M) where N is the number of provided keys and M is the number of \
            elements returned.",
        summary: "Pop elements from a list, or block until one is available",
        arguments: &[
            double("timeout"),
            integer("numkeys"),
            key("key").multiple(),
            one_of("where", SIDES),
            integer("count").after("COUNT").optional(),
        ],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(blocking::blmpop),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "blpop",
        arity: -3,
        flags: Flags::WRITE.or(Flags::NO_SCRIPT).or(Flags::BLOCKING),
        keys: &[KeySpec::range(1, -2, 1, POPPED)],
        categories: Categories::LIST,
        group: Group::List,
        since: "2.0.0",
        complexity: "O(N) where N is the number of provided keys.",
        summary: "Remove and get the first element in a list, or block until one is available",
        history: &[("6.0.0", "`timeout` is interpreted as a double instead of an integer.")],
        arguments: &[key("key").multiple(), double("timeout")],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(blocking::blpop),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "brpop",
        arity: -3,
        flags: Flags::WRITE.or(Flags::NO_SCRIPT).or(Flags::BLOCKING),
        keys: &[KeySpec::range(1, -2, 1, POPPED)],
        categories: Categories::LIST,
        group: Group::List,
        since: "2.0.0",
        complexity: "O(N) where N is the number of provided keys.",
        summary: "Remove and get the last element in a list, or block until one is available",
        history: &[("6.0.0", "`timeout` is interpreted as a double instead of an integer.")],
        arguments: &[key("key").multiple(), double("timeout")],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(blocking::brpop),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "brpoplpush",
        arity: 4,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::NO_SCRIPT).or(Flags::BLOCKING),
        keys: &[KeySpec::one(1, POPPED), KeySpec::one(2, PUSHED)],
        categories: Categories::LIST,
        group: Group::List,
        since: "2.2.0",
        deprecated: Some(Deprecated {
            since: "6.2.0",
            replaced_by: "`BLMOVE` with the `RIGHT` and `LEFT` arguments",
        }),
        summary: "Pop an element from a list, push it to another list and return it; or block \
            until one is available",
        history: &[("6.0.0", "`timeout` is interpreted as a double instead of an integer.")],
        arguments: &[key("source"), key_of("destination", 1), double("timeout")],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(blocking::brpoplpush),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "lindex",
        arity: 3,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::LIST,
        group: Group::List,
        complexity: "O(N) where N is the number of elements to traverse to get to the element at \
            index. This makes asking for the first or the last element of the list O(1).",
        summary: "Get an element from a list by its index",
        arguments: &[key("key"), integer("index")],
        handler: Handler::Engine(lists::lindex),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "linsert",
        arity: 5,
        flags: Flags::WRITE.or(Flags::DENY_OOM),
        keys: &[KeySpec::one(1, PUSHED)],
        categories: Categories::LIST,
        group: Group::List,
        since: "2.2.0",
        complexity: "O(N) where N is the number of elements to traverse before seeing the value \
            pivot. This means that inserting somewhere on the left end on the list (head) can be \
            considered O(1) and inserting somewhere on the right end (tail) is O(N).",
        summary: "Insert an element before or after another element in a list",
        arguments: &[
            key("key"),
            one_of("where", &[token("before", "BEFORE"), token("after", "AFTER")]),
            text("pivot"),
            text("element"),
        ],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(lists::linsert),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "llen",
        arity: 2,
        flags: Flags::READONLY.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RO)],
        categories: Categories::LIST,
        group: Group::List,
        summary: "Get the length of a list",
        arguments: &[key("key")],
        handler: Handler::Engine(lists::llen),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "lmove",
        arity: 5,
        flags: Flags::WRITE.or(Flags::DENY_OOM),
        keys: &[KeySpec::one(1, POPPED), KeySpec::one(2, PUSHED)],
        categories: Categories::LIST,
        group: Group::List,
        since: "6.2.0",
        summary: "Pop an element from a list, push it to another list and return it",
        arguments: &[
            key("source"),
            key_of("destination", 1),
            one_of("wherefrom", SIDES),
            one_of("whereto", SIDES),
        ],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(moves::lmove),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "lmpop",
        arity: -4,
        flags: Flags::WRITE.or(Flags::MOVABLE_KEYS),
        keys: &[KeySpec::counted(1, POPPED)],
        categories: Categories::LIST,
        group: Group::List,
        since: "7.0.0",
        complexity: "O(N+M) where N is the number of provided keys and M is the number of \
            elements returned.",
        summary: "Pop elements from a list",
        arguments: &[
            integer("numkeys"),
            key("key").multiple(),
            one_of("where", SIDES),
            integer("count").after("COUNT").optional(),
        ],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(moves::lmpop),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "lpop",
        arity: -2,
        flags: Flags::WRITE.or(Flags::FAST),
        keys: &[KeySpec::one(1, POPPED)],
        categories: Categories::LIST,
        group: Group::List,
        complexity: "O(N) where N is the number of elements returned",
        summary: "Remove and get the first elements in a list",
        history: &[("6.2.0", "Added the `count` argument.")],
        arguments: &[key("key"), integer("count").since("6.2.0").optional()],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(lists::lpop),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "lpos",
        arity: -3,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::LIST,
        group: Group::List,
        since: "6.0.6",
        complexity: "O(N) where N is the number of elements in the list, for the average case. \
            When searching for elements near the head or the tail of the list, or when the \
            MAXLEN option is provided, the command may run in constant time.",
        summary: "Return the index of matching elements on a list",
        arguments: &[
            key("key"),
            text("element"),
            integer("rank").after("RANK").optional(),
            integer("num-matches").after("COUNT").optional(),
            integer("len").after("MAXLEN").optional(),
        ],
        handler: Handler::Engine(lists::lpos),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "lpush",
        arity: -3,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::FAST),
        keys: &[KeySpec::one(1, PUSHED)],
        categories: Categories::LIST,
        group: Group::List,
        complexity: "O(1) for each element added, so O(N) to add N elements when the command is \
            called with multiple arguments.",
        summary: "Prepend one or multiple elements to a list",
        history: &[("2.4.0", "Accepts multiple `element` arguments.")],
        arguments: &[key("key"), text("element").multiple()],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(lists::lpush),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "lpushx",
        arity: -3,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::FAST),
        keys: &[KeySpec::one(1, PUSHED)],
        categories: Categories::LIST,
        group: Group::List,
        since: "2.2.0",
        complexity: "O(1) for each element added, so O(N) to add N elements when the command is \
            called with multiple arguments.",
        summary: "Prepend an element to a list, only if the list exists",
        history: &[("4.0.0", "Accepts multiple `element` arguments.")],
        arguments: &[key("key"), text("element").multiple()],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(lists::lpushx),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "lrange",
        arity: 4,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::LIST,
        group: Group::List,
        complexity: "O(S+N) where S is the distance of start offset from HEAD for small lists, \
            from nearest end (HEAD or TAIL) for large lists; and N is the number of elements in \
            the specified range.",
        summary: "Get a range of elements from a list",
        arguments: &[key("key"), integer("start"), integer("stop")],
        handler: Handler::Engine(lists::lrange),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "lrem",
        arity: 4,
        flags: Flags::WRITE,
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::DELETE))],
        categories: Categories::LIST,
        group: Group::List,
        complexity: "O(N+M) where N is the length of the list and M is the number of elements \
            removed.",
        summary: "Remove elements from a list",
        arguments: &[key("key"), integer("count"), text("element")],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(lists::lrem),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "lset",
        arity: 4,
        flags: Flags::WRITE.or(Flags::DENY_OOM),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::UPDATE))],
        categories: Categories::LIST,
        group: Group::List,
        complexity: "O(N) where N is the length of the list. Setting either the first or the \
            last element of the list is O(1).",
        summary: "Set the value of an element in a list by its index",
        arguments: &[key("key"), integer("index"), text("element")],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(lists::lset),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "ltrim",
        arity: 4,
        flags: Flags::WRITE,
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::DELETE))],
        categories: Categories::LIST,
        group: Group::List,
        complexity: "O(N) where N is the number of elements to be removed by the operation.",
        summary: "Trim a list to the specified range",
        arguments: &[key("key"), integer("start"), integer("stop")],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(lists::ltrim),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "rpop",
        arity: -2,
        flags: Flags::WRITE.or(Flags::FAST),
        keys: &[KeySpec::one(1, POPPED)],
        categories: Categories::LIST,
        group: Group::List,
        complexity: "O(N) where N is the number of elements returned",
        summary: "Remove and get the last elements in a list",
        history: &[("6.2.0", "Added the `count` argument.")],
        arguments: &[key("key"), integer("count").since("6.2.0").optional()],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(lists::rpop),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "rpoplpush",
        arity: 3,
        flags: Flags::WRITE.or(Flags::DENY_OOM),
        keys: &[KeySpec::one(1, POPPED), KeySpec::one(2, PUSHED)],
        categories: Categories::LIST,
        group: Group::List,
        since: "1.2.0",
        deprecated: Some(Deprecated {
            since: "6.2.0",
            replaced_by: "`LMOVE` with the `RIGHT` and `LEFT` arguments",
        }),
        summary: "Remove the last element in a list, prepend it to another list and return it",
        arguments: &[key("source"), key_of("destination", 1)],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(moves::rpoplpush),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "rpush",
        arity: -3,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::FAST),
        keys: &[KeySpec::one(1, PUSHED)],
        categories: Categories::LIST,
        group: Group::List,
        complexity: "O(1) for each element added, so O(N) to add N elements when the command is \
            called with multiple arguments.",
        summary: "Append one or multiple elements to a list",
        history: &[("2.4.0", "Accepts multiple `element` arguments.")],
        arguments: &[key("key"), text("element").multiple()],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(lists::rpush),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "rpushx",
        arity: -3,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::FAST),
        keys: &[KeySpec::one(1, PUSHED)],
        categories: Categories::LIST,
        group: Group::List,
        since: "2.2.0",
        complexity: "O(1) for each element added, so O(N) to add N elements when the command is \
            called with multiple arguments.",
        summary: "Append an element to a list, only if the list exists",
        history: &[("4.0.0", "Accepts multiple `element` arguments.")],
        arguments: &[key("key"), text("element").multiple()],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(lists::rpushx),
        ..CommandSpec::DEFAULT
    },
];
