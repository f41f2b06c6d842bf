//! The table's rows: values as payloads.
//!
//! Legend: see [`super`].

use crate::EffectForm;
use crate::commands::argument::{integer, key, text, token};
use crate::commands::dump;
use crate::commands::keyspec::{KeyFlags, KeySpec};
use crate::commands::spec::{Categories, CommandSpec, Flags, Handler};

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
