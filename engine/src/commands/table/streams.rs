//! The table's rows: streams.
//!
//! Legend: see [`super`].

use crate::EffectForm;
use crate::commands::argument::{block, integer, key, one_of, text, token, unix_time};
use crate::commands::keyspec::{BeginSearch, FindKeys, KeyFlags, KeySpec};
use crate::commands::spec::{Categories, CommandSpec, Flags, Group, Handler};
use crate::commands::streams::{claim, groups, info, pending, read, wait, write};

/// The keys behind the word STREAMS, which are half of what follows.
const fn streams(from: i32, flags: KeyFlags) -> KeySpec {
    KeySpec {
        begin: BeginSearch::Keyword { word: "STREAMS", from },
        find: FindKeys::Range { last: -1, step: 1, limit: 2 },
        flags,
        notes: "",
    }
}

/// Subcommands of XGROUP.
const XGROUP: &[CommandSpec] = &[
    CommandSpec {
        name: "xgroup|create",
        arity: -5,
        flags: Flags::WRITE.or(Flags::DENY_OOM),
        keys: &[KeySpec::one(2, KeyFlags::RW.or(KeyFlags::INSERT))],
        categories: Categories::STREAM,
        group: Group::Stream,
        since: "5.0.0",
        summary: "Create a consumer group.",
        history: &[("7.0.0", "Added the `entries_read` named argument.")],
        arguments: &[
            key("key"),
            text("groupname"),
            one_of("id", &[text("id"), token("new_id", "$")]),
            token("mkstream", "MKSTREAM").optional(),
            integer("entries_read").after("ENTRIESREAD").optional(),
        ],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(groups::create),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "xgroup|createconsumer",
        arity: 5,
        flags: Flags::WRITE.or(Flags::DENY_OOM),
        keys: &[KeySpec::one(2, KeyFlags::RW.or(KeyFlags::INSERT))],
        categories: Categories::STREAM,
        group: Group::Stream,
        since: "6.2.0",
        summary: "Create a consumer in a consumer group.",
        arguments: &[key("key"), text("groupname"), text("consumername")],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(groups::createconsumer),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "xgroup|delconsumer",
        arity: 5,
        flags: Flags::WRITE,
        keys: &[KeySpec::one(2, KeyFlags::RW.or(KeyFlags::DELETE))],
        categories: Categories::STREAM,
        group: Group::Stream,
        since: "5.0.0",
        summary: "Delete a consumer from a consumer group.",
        arguments: &[key("key"), text("groupname"), text("consumername")],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(groups::delconsumer),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "xgroup|destroy",
        arity: 4,
        flags: Flags::WRITE,
        keys: &[KeySpec::one(2, KeyFlags::RW.or(KeyFlags::DELETE))],
        categories: Categories::STREAM,
        group: Group::Stream,
        since: "5.0.0",
        complexity: "O(N) where N is the number of entries in the group's pending entries list \
                (PEL).",
        summary: "Destroy a consumer group.",
        arguments: &[key("key"), text("groupname")],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(groups::destroy),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "xgroup|help",
        arity: 2,
        flags: Flags::LOADING.or(Flags::STALE),
        categories: Categories::STREAM,
        group: Group::Stream,
        since: "5.0.0",
        summary: "Show helpful text about the different subcommands",
        handler: Handler::Engine(groups::help),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "xgroup|setid",
        arity: -5,
        flags: Flags::WRITE,
        keys: &[KeySpec::one(2, KeyFlags::RW.or(KeyFlags::UPDATE))],
        categories: Categories::STREAM,
        group: Group::Stream,
        since: "5.0.0",
        summary: "Set a consumer group to an arbitrary last delivered ID value.",
        history: &[("7.0.0", "Added the optional `entries_read` argument.")],
        arguments: &[
            key("key"),
            text("groupname"),
            one_of("id", &[text("id"), token("new_id", "$")]),
            integer("entries_read").after("ENTRIESREAD").optional(),
        ],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(groups::setid),
        ..CommandSpec::DEFAULT
    },
];

/// Subcommands of XINFO.
const XINFO: &[CommandSpec] = &[
    CommandSpec {
        name: "xinfo|consumers",
        arity: 4,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(2, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::STREAM,
        group: Group::Stream,
        since: "5.0.0",
        summary: "List the consumers in a consumer group",
        tips: &["nondeterministic_output"],
        arguments: &[key("key"), text("groupname")],
        handler: Handler::Engine(info::consumers),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "xinfo|groups",
        arity: 3,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(2, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::STREAM,
        group: Group::Stream,
        since: "5.0.0",
        summary: "List the consumer groups of a stream",
        history: &[("7.0.0", "Added the `entries-read` and `lag` fields")],
        arguments: &[key("key")],
        handler: Handler::Engine(info::groups),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "xinfo|help",
        arity: 2,
        flags: Flags::LOADING.or(Flags::STALE),
        categories: Categories::STREAM,
        group: Group::Stream,
        since: "5.0.0",
        summary: "Show helpful text about the different subcommands",
        handler: Handler::Engine(info::help),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "xinfo|stream",
        arity: -3,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(2, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::STREAM,
        group: Group::Stream,
        since: "5.0.0",
        summary: "Get information about a stream",
        history: &[
            ("6.0.0", "Added the `FULL` modifier."),
            (
                "7.0.0",
                "Added the `max-deleted-entry-id`, `entries-added`, \
                `recorded-first-entry-id`, `entries-read` and `lag` fields",
            ),
        ],
        arguments: &[
            key("key"),
            block("full", &[integer("count").after("COUNT").optional()]).after("FULL").optional(),
        ],
        handler: Handler::Engine(info::stream),
        ..CommandSpec::DEFAULT
    },
];

/// Streams.
pub(super) const ROWS: &[CommandSpec] = &[
    CommandSpec {
        name: "xack",
        arity: -4,
        flags: Flags::WRITE.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::UPDATE))],
        categories: Categories::STREAM,
        group: Group::Stream,
        since: "5.0.0",
        complexity: "O(1) for each message ID processed.",
        summary: "Marks a pending message as correctly processed, effectively removing it from \
                the pending entries list of the consumer group. Return value of the command \
                is the number of messages successfully acknowledged, that is, the IDs we \
                were actually able to resolve in the PEL.",
        arguments: &[key("key"), text("group"), text("id").multiple()],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(pending::xack),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "xadd",
        arity: -5,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::UPDATE))
            .noted("UPDATE instead of INSERT because of the optional trimming feature")],
        categories: Categories::STREAM,
        group: Group::Stream,
        since: "5.0.0",
        complexity: "O(1) when adding a new entry, O(N) when trimming where N being the number of \
                entries evicted.",
        summary: "Appends a new entry to a stream",
        history: &[
            (
                "6.2.0",
                "Added the `NOMKSTREAM` option, `MINID` trimming strategy and the `LIMIT` \
                option.",
            ),
            ("7.0.0", "Added support for the `<ms>-*` explicit ID form."),
        ],
        tips: &["nondeterministic_output"],
        arguments: &[
            key("key"),
            token("nomkstream", "NOMKSTREAM").since("6.2.0").optional(),
            block(
                "trim",
                &[
                    one_of(
                        "strategy",
                        &[token("maxlen", "MAXLEN"), token("minid", "MINID").since("6.2.0")],
                    ),
                    one_of("operator", &[token("equal", "="), token("approximately", "~")])
                        .optional(),
                    text("threshold"),
                    integer("count").after("LIMIT").since("6.2.0").optional(),
                ],
            )
            .optional(),
            one_of("id_or_auto", &[token("auto_id", "*"), text("id")]),
            block("field_value", &[text("field"), text("value")]).multiple(),
        ],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(write::xadd),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "xautoclaim",
        arity: -6,
        flags: Flags::WRITE.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::DELETE))],
        categories: Categories::STREAM,
        group: Group::Stream,
        since: "6.2.0",
        complexity: "O(1) if COUNT is small.",
        summary: "Changes (or acquires) ownership of messages in a consumer group, as if the \
                messages were delivered to the specified consumer.",
        history: &[(
            "7.0.0",
            "Added an element to the reply array, containing deleted entries the command \
                cleared from the PEL",
        )],
        tips: &["nondeterministic_output"],
        arguments: &[
            key("key"),
            text("group"),
            text("consumer"),
            text("min-idle-time"),
            text("start"),
            integer("count").after("COUNT").optional(),
            token("justid", "JUSTID").optional(),
        ],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(claim::xautoclaim),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "xclaim",
        arity: -6,
        flags: Flags::WRITE.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::UPDATE))],
        categories: Categories::STREAM,
        group: Group::Stream,
        since: "5.0.0",
        complexity: "O(log N) with N being the number of messages in the PEL of the consumer \
                group.",
        summary: "Changes (or acquires) ownership of a message in a consumer group, as if the \
                message was delivered to the specified consumer.",
        tips: &["nondeterministic_output"],
        arguments: &[
            key("key"),
            text("group"),
            text("consumer"),
            text("min-idle-time"),
            text("id").multiple(),
            integer("ms").after("IDLE").optional(),
            unix_time("unix-time-milliseconds").after("TIME").optional(),
            integer("count").after("RETRYCOUNT").optional(),
            token("force", "FORCE").optional(),
            token("justid", "JUSTID").optional(),
            text("id").after("LASTID").optional(),
        ],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(claim::xclaim),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "xdel",
        arity: -3,
        flags: Flags::WRITE.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::DELETE))],
        categories: Categories::STREAM,
        group: Group::Stream,
        since: "5.0.0",
        complexity: "O(1) for each single item to delete in the stream, regardless of the stream \
                size.",
        summary: "Removes the specified entries from the stream. Returns the number of items \
                actually deleted, that may be different from the number of IDs passed in \
                case certain IDs do not exist.",
        arguments: &[key("key"), text("id").multiple()],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(write::xdel),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "xgroup",
        arity: -2,
        group: Group::Stream,
        since: "5.0.0",
        complexity: "Depends on subcommand.",
        summary: "A container for consumer groups commands",
        subcommands: XGROUP,
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "xinfo",
        arity: -2,
        group: Group::Stream,
        since: "5.0.0",
        complexity: "Depends on subcommand.",
        summary: "A container for stream introspection commands",
        subcommands: XINFO,
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "xlen",
        arity: 2,
        flags: Flags::READONLY.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RO)],
        categories: Categories::STREAM,
        group: Group::Stream,
        since: "5.0.0",
        summary: "Return the number of entries in a stream",
        arguments: &[key("key")],
        handler: Handler::Engine(read::xlen),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "xpending",
        arity: -3,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::STREAM,
        group: Group::Stream,
        since: "5.0.0",
        complexity: "O(N) with N being the number of elements returned, so asking for a small \
                fixed number of entries per call is O(1). O(M), where M is the total number \
                of entries scanned when used with the IDLE filter. When the command returns \
                just the summary and the list of consumers is small, it runs in O(1) time; \
                otherwise, an additional O(N) time for iterating every consumer.",
        summary: "Return information and entries from a stream consumer group pending entries \
                list, that are messages fetched but never acknowledged.",
        history: &[("6.2.0", "Added the `IDLE` option and exclusive range intervals.")],
        tips: &["nondeterministic_output"],
        arguments: &[
            key("key"),
            text("group"),
            block(
                "filters",
                &[
                    integer("min-idle-time").after("IDLE").since("6.2.0").optional(),
                    text("start"),
                    text("end"),
                    integer("count"),
                    text("consumer").optional(),
                ],
            )
            .optional(),
        ],
        handler: Handler::Engine(pending::xpending),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "xrange",
        arity: -4,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::STREAM,
        group: Group::Stream,
        since: "5.0.0",
        complexity: "O(N) with N being the number of elements being returned. If N is constant \
                (e.g. always asking for the first 10 elements with COUNT), you can consider \
                it O(1).",
        summary: "Return a range of elements in a stream, with IDs matching the specified IDs \
                interval",
        history: &[("6.2.0", "Added exclusive ranges.")],
        arguments: &[
            key("key"),
            text("start"),
            text("end"),
            integer("count").after("COUNT").optional(),
        ],
        handler: Handler::Engine(read::xrange),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "xread",
        arity: -4,
        flags: Flags::READONLY.or(Flags::BLOCKING).or(Flags::MOVABLE_KEYS),
        keys: &[streams(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::STREAM,
        group: Group::Stream,
        since: "5.0.0",
        complexity: "For each stream mentioned: O(N) with N being the number of elements being \
                returned, it means that XREAD-ing with a fixed COUNT is O(1). Note that when \
                the BLOCK option is used, XADD will pay O(M) time in order to serve the M \
                clients blocked on the stream getting new data.",
        summary: "Return never seen elements in multiple streams, with IDs greater than the \
                ones reported by the caller for each stream. Can block.",
        arguments: &[
            integer("count").after("COUNT").optional(),
            integer("milliseconds").after("BLOCK").optional(),
            block("streams", &[key("key").multiple(), text("id").multiple()]).after("STREAMS"),
        ],
        handler: Handler::Engine(wait::xread),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "xreadgroup",
        arity: -7,
        flags: Flags::WRITE.or(Flags::BLOCKING).or(Flags::MOVABLE_KEYS),
        keys: &[streams(4, KeyFlags::RO.or(KeyFlags::ACCESS))],
        key_range: Some(wait::group_keys),
        categories: Categories::STREAM,
        group: Group::Stream,
        since: "5.0.0",
        complexity: "For each stream mentioned: O(M) with M being the number of elements \
                returned. If M is constant (e.g. always asking for the first 10 elements \
                with COUNT), you can consider it O(1). On the other side when XREADGROUP \
                blocks, XADD will pay the O(N) time in order to serve the N clients blocked \
                on the stream getting new data.",
        summary: "Return new entries from a stream using a consumer group, or access the \
                history of the pending entries for a given consumer. Can block.",
        arguments: &[
            block("group_consumer", &[text("group"), text("consumer")]).after("GROUP"),
            integer("count").after("COUNT").optional(),
            integer("milliseconds").after("BLOCK").optional(),
            token("noack", "NOACK").optional(),
            block("streams", &[key("key").multiple(), text("id").multiple()]).after("STREAMS"),
        ],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(wait::xreadgroup),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "xrevrange",
        arity: -4,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::STREAM,
        group: Group::Stream,
        since: "5.0.0",
        complexity: "O(N) with N being the number of elements returned. If N is constant (e.g. \
                always asking for the first 10 elements with COUNT), you can consider it \
                O(1).",
        summary: "Return a range of elements in a stream, with IDs matching the specified IDs \
                interval, in reverse order (from greater to smaller IDs) compared to XRANGE",
        history: &[("6.2.0", "Added exclusive ranges.")],
        arguments: &[
            key("key"),
            text("end"),
            text("start"),
            integer("count").after("COUNT").optional(),
        ],
        handler: Handler::Engine(read::xrevrange),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "xsetid",
        arity: -3,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::UPDATE))],
        categories: Categories::STREAM,
        group: Group::Stream,
        since: "5.0.0",
        summary: "An internal command for replicating stream values",
        history: &[("7.0.0", "Added the `entries_added` and `max_deleted_entry_id` arguments.")],
        arguments: &[
            key("key"),
            text("last-id"),
            integer("entries_added").after("ENTRIESADDED").since("7.0.0").optional(),
            text("max_deleted_entry_id").after("MAXDELETEDID").since("7.0.0").optional(),
        ],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(write::xsetid),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "xtrim",
        arity: -4,
        flags: Flags::WRITE,
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::DELETE))],
        categories: Categories::STREAM,
        group: Group::Stream,
        since: "5.0.0",
        complexity: "O(N), with N being the number of evicted entries. Constant times are very \
                small however, since entries are organized in macro nodes containing \
                multiple entries that can be released with a single deallocation.",
        summary: "Trims the stream to (approximately if '~' is passed) a certain size",
        history: &[("6.2.0", "Added the `MINID` trimming strategy and the `LIMIT` option.")],
        tips: &["nondeterministic_output"],
        arguments: &[
            key("key"),
            block(
                "trim",
                &[
                    one_of(
                        "strategy",
                        &[token("maxlen", "MAXLEN"), token("minid", "MINID").since("6.2.0")],
                    ),
                    one_of("operator", &[token("equal", "="), token("approximately", "~")])
                        .optional(),
                    text("threshold"),
                    integer("count").after("LIMIT").since("6.2.0").optional(),
                ],
            ),
        ],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(write::xtrim),
        ..CommandSpec::DEFAULT
    },
];
