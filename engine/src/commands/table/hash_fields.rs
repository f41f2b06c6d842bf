//! The table's rows: deadlines of hashes' fields.
//!
//! Legend: see [`super`].

use crate::EffectForm;
use crate::commands::argument::{Argument, block, integer, key, one_of, text, token, unix_time};
use crate::commands::hashes;
use crate::commands::keyspec::{KeyFlags, KeySpec};
use crate::commands::spec::{Categories, CommandSpec, Flags, Group, Handler};

const FIELDS: Argument =
    block("fields", &[integer("numfields"), text("field").multiple()]).after("FIELDS");
const CONDITION: Argument = one_of(
    "condition",
    &[token("nx", "NX"), token("xx", "XX"), token("gt", "GT"), token("lt", "LT")],
)
.optional();
const SECONDS: Argument = integer("seconds").after("EX");
const MILLISECONDS: Argument = integer("milliseconds").after("PX");
const AT_SECONDS: Argument = unix_time("unix-time-seconds").after("EXAT");
const AT_MILLISECONDS: Argument = unix_time("unix-time-milliseconds").after("PXAT");
const OF_FIELDS: &str = "O(N) where N is the number of specified fields";

/// Deadlines of hashes' fields.
pub(super) const ROWS: &[CommandSpec] = &[
    CommandSpec {
        name: "hexpire",
        arity: -6,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::UPDATE))],
        categories: Categories::HASH,
        group: Group::Hash,
        since: "7.4.0",
        complexity: OF_FIELDS,
        summary: "Set expiry for hash field using relative time to expire (seconds)",
        arguments: &[key("key"), integer("seconds"), CONDITION, FIELDS],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(hashes::hexpire),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "hexpireat",
        arity: -6,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::UPDATE))],
        categories: Categories::HASH,
        group: Group::Hash,
        since: "7.4.0",
        complexity: OF_FIELDS,
        summary: "Set expiry for hash field using an absolute Unix timestamp (seconds)",
        arguments: &[key("key"), unix_time("unix-time-seconds"), CONDITION, FIELDS],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(hashes::hexpireat),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "hexpiretime",
        arity: -5,
        flags: Flags::READONLY.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::HASH,
        group: Group::Hash,
        since: "7.4.0",
        complexity: OF_FIELDS,
        summary: "Returns the expiration time of a hash field as a Unix timestamp, in seconds.",
        arguments: &[key("key"), FIELDS],
        handler: Handler::Engine(hashes::hexpiretime),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "hgetdel",
        arity: -5,
        flags: Flags::WRITE.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::DELETE))],
        categories: Categories::HASH,
        group: Group::Hash,
        since: "8.0.0",
        complexity: OF_FIELDS,
        summary: "Returns the value of a field and deletes it from the hash.",
        arguments: &[key("key"), FIELDS],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(hashes::hgetdel),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "hgetex",
        arity: -5,
        flags: Flags::WRITE.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE))
            .noted("RW and UPDATE because it changes the TTL")],
        categories: Categories::HASH,
        group: Group::Hash,
        since: "8.0.0",
        complexity: OF_FIELDS,
        summary: "Get the value of one or more fields of a given hash key, and optionally set \
            their expiration.",
        arguments: &[
            key("key"),
            one_of(
                "expiration",
                &[SECONDS, MILLISECONDS, AT_SECONDS, AT_MILLISECONDS, token("persist", "PERSIST")],
            )
            .optional(),
            FIELDS,
        ],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(hashes::hgetex),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "hpersist",
        arity: -5,
        flags: Flags::WRITE.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::UPDATE))],
        categories: Categories::HASH,
        group: Group::Hash,
        since: "7.4.0",
        complexity: OF_FIELDS,
        summary: "Removes the expiration time for each specified field",
        arguments: &[key("key"), FIELDS],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(hashes::hpersist),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "hpexpire",
        arity: -6,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::UPDATE))],
        categories: Categories::HASH,
        group: Group::Hash,
        since: "7.4.0",
        complexity: OF_FIELDS,
        summary: "Set expiry for hash field using relative time to expire (milliseconds)",
        arguments: &[key("key"), integer("milliseconds"), CONDITION, FIELDS],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(hashes::hpexpire),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "hpexpireat",
        arity: -6,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::UPDATE))],
        categories: Categories::HASH,
        group: Group::Hash,
        since: "7.4.0",
        complexity: OF_FIELDS,
        summary: "Set expiry for hash field using an absolute Unix timestamp (milliseconds)",
        arguments: &[key("key"), unix_time("unix-time-milliseconds"), CONDITION, FIELDS],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(hashes::hpexpireat),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "hpexpiretime",
        arity: -5,
        flags: Flags::READONLY.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::HASH,
        group: Group::Hash,
        since: "7.4.0",
        complexity: OF_FIELDS,
        summary: "Returns the expiration time of a hash field as a Unix timestamp, in msec.",
        arguments: &[key("key"), FIELDS],
        handler: Handler::Engine(hashes::hpexpiretime),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "hpttl",
        arity: -5,
        flags: Flags::READONLY.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::HASH,
        group: Group::Hash,
        since: "7.4.0",
        complexity: OF_FIELDS,
        summary: "Returns the TTL in milliseconds of a hash field.",
        tips: &["nondeterministic_output"],
        arguments: &[key("key"), FIELDS],
        handler: Handler::Engine(hashes::hpttl),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "hsetex",
        arity: -6,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::UPDATE))],
        categories: Categories::HASH,
        group: Group::Hash,
        since: "8.0.0",
        complexity: "O(N) where N is the number of fields being set.",
        summary: "Set the value of one or more fields of a given hash key, and optionally set \
            their expiration.",
        arguments: &[
            key("key"),
            one_of("condition", &[token("fnx", "FNX"), token("fxx", "FXX")]).optional(),
            one_of(
                "expiration",
                &[SECONDS, MILLISECONDS, AT_SECONDS, AT_MILLISECONDS, token("keepttl", "KEEPTTL")],
            )
            .optional(),
            block(
                "fields",
                &[integer("numfields"), block("data", &[text("field"), text("value")]).multiple()],
            )
            .after("FIELDS"),
        ],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(hashes::hsetex),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "httl",
        arity: -5,
        flags: Flags::READONLY.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::HASH,
        group: Group::Hash,
        since: "7.4.0",
        complexity: OF_FIELDS,
        summary: "Returns the TTL in seconds of a hash field.",
        tips: &["nondeterministic_output"],
        arguments: &[key("key"), FIELDS],
        handler: Handler::Engine(hashes::httl),
        ..CommandSpec::DEFAULT
    },
];
