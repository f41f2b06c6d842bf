//! The table's rows: values as payloads.
//!
//! Legend: see [`super`].

use crate::EffectForm;
use crate::commands::argument::{Argument, block, integer, key, key_of, one_of, text, token};
use crate::commands::dump;
use crate::commands::keyspec::{BeginSearch, FindKeys, KeyFlags, KeySpec};
use crate::commands::spec::{Categories, CommandSpec, Flags, Handler, HostCommand};

/// What MIGRATE does with its keys.
const MOVED: KeyFlags = KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::DELETE);

/// How MIGRATE logs in.
const AUTHENTICATION: &[Argument] = &[
    text("password").after("AUTH").since("4.0.7").optional(),
    block("username_password", &[text("username"), text("password")])
        .after("AUTH2")
        .since("6.0.0")
        .optional(),
];

/// Values as payloads.
pub(super) const ROWS: &[CommandSpec] = &[
    CommandSpec {
        name: "dump",
        arity: 2,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::KEYSPACE,
        since: "2.6.0",
        complexity: "O(1) to access the key and additional O(N*M) to serialize it, where N is the \
            number of Redis objects composing the value and M their average size. For small \
            string values the time complexity is thus O(1)+O(1*M) where M is small, so simply \
            O(1).",
        summary: "Return a serialized version of the value stored at the specified key.",
        tips: &["nondeterministic_output"],
        arguments: &[key("key")],
        handler: Handler::Engine(dump::dump),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "migrate",
        arity: -6,
        flags: Flags::WRITE.or(Flags::MOVABLE_KEYS),
        keys: &[
            KeySpec::one(3, MOVED),
            KeySpec {
                begin: BeginSearch::Keyword { word: "KEYS", from: -2 },
                find: FindKeys::Range { last: -1, step: 1, limit: 0 },
                flags: MOVED.or(KeyFlags::INCOMPLETE),
                notes: "",
            },
        ],
        key_range: Some(dump::migrated_keys),
        categories: Categories::KEYSPACE.or(Categories::DANGEROUS),
        since: "2.6.0",
        complexity: "This command actually executes a DUMP+DEL in the source instance, and a \
            RESTORE in the target instance. See the pages of these commands for time complexity. \
            Also an O(N) data transfer between the two instances is performed.",
        summary: "Atomically transfer a key from a Redis instance to another one.",
        history: &[
            ("3.0.0", "Added the `COPY` and `REPLACE` options."),
            ("3.0.6", "Added the `KEYS` option."),
            ("4.0.7", "Added the `AUTH` option."),
            ("6.0.0", "Added the `AUTH2` option."),
        ],
        tips: &["nondeterministic_output"],
        arguments: &[
            text("host"),
            integer("port"),
            one_of("key_or_empty_string", &[key("key"), token("empty_string", "")]),
            integer("destination-db"),
            integer("timeout"),
            token("copy", "COPY").since("3.0.0").optional(),
            token("replace", "REPLACE").since("3.0.0").optional(),
            one_of("authentication", AUTHENTICATION).optional(),
            key_of("key", 1).after("KEYS").since("3.0.6").optional().multiple(),
        ],
        // What it removes is removed by DEL.
        handler: Handler::Host(HostCommand::Migrate),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "restore",
        arity: -4,
        flags: Flags::WRITE.or(Flags::DENY_OOM),
        keys: &[KeySpec::one(1, KeyFlags::OW.or(KeyFlags::UPDATE))],
        categories: Categories::KEYSPACE.or(Categories::DANGEROUS),
        since: "2.6.0",
        complexity: "O(1) to create the new key and additional O(N*M) to reconstruct the \
            serialized value, where N is the number of Redis objects composing the value and M \
            their average size. For small string values the time complexity is thus \
            O(1)+O(1*M) where M is small, so simply O(1). However for sorted set values the \
            complexity is O(N*M*log(N)) because inserting values into sorted sets is O(log(N)).",
        summary: "Create a key using the provided serialized value, previously obtained using \
            DUMP.",
        history: &[
            ("3.0.0", "Added the `REPLACE` modifier."),
            ("5.0.0", "Added the `ABSTTL` modifier."),
            ("5.0.0", "Added the `IDLETIME` and `FREQ` options."),
        ],
        arguments: &[
            key("key"),
            integer("ttl"),
            text("serialized-value"),
            token("replace", "REPLACE").since("3.0.0").optional(),
            token("absttl", "ABSTTL").since("5.0.0").optional(),
            integer("seconds").after("IDLETIME").since("5.0.0").optional(),
            integer("frequency").after("FREQ").since("5.0.0").optional(),
        ],
        effect: EffectForm::Image,
        handler: Handler::Engine(dump::restore),
        ..CommandSpec::DEFAULT
    },
];
