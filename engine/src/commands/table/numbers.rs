//! The table's rows: numbers in strings.
//!
//! Legend: see [`super`].

use crate::EffectForm;
use crate::commands::argument::{double, integer, key};
use crate::commands::keyspec::{KeyFlags, KeySpec};
use crate::commands::numbers;
use crate::commands::spec::{Categories, CommandSpec, Flags, Group, Handler};

/// Numbers in strings.
pub(super) const ROWS: &[CommandSpec] = &[
    CommandSpec {
        name: "decr",
        arity: 2,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE))],
        categories: Categories::STRING,
        group: Group::String,
        summary: "Decrement the integer value of a key by one",
        arguments: &[key("key")],
        effect: EffectForm::Image,
        handler: Handler::Engine(numbers::decr),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "decrby",
        arity: 3,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE))],
        categories: Categories::STRING,
        group: Group::String,
        summary: "Decrement the integer value of a key by the given number",
        arguments: &[key("key"), integer("decrement")],
        effect: EffectForm::Image,
        handler: Handler::Engine(numbers::decrby),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "decrbyfloat",
        arity: 3,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE))],
        categories: Categories::STRING,
        group: Group::String,
        since: "zumic 0.1.0",
        summary: "Decrement the float value of a key by the given amount",
        arguments: &[key("key"), double("number")],
        effect: EffectForm::Image,
        handler: Handler::Engine(numbers::decrbyfloat),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "incr",
        arity: 2,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE))],
        categories: Categories::STRING,
        group: Group::String,
        summary: "Increment the integer value of a key by one",
        arguments: &[key("key")],
        effect: EffectForm::Image,
        handler: Handler::Engine(numbers::incr),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "incrby",
        arity: 3,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE))],
        categories: Categories::STRING,
        group: Group::String,
        summary: "Increment the integer value of a key by the given amount",
        arguments: &[key("key"), integer("increment")],
        effect: EffectForm::Image,
        handler: Handler::Engine(numbers::incrby),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "incrbyfloat",
        arity: 3,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE))],
        categories: Categories::STRING,
        group: Group::String,
        since: "2.6.0",
        summary: "Increment the float value of a key by the given amount",
        arguments: &[key("key"), double("increment")],
        effect: EffectForm::Image,
        handler: Handler::Engine(numbers::incrbyfloat),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "setfloat",
        arity: 3,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::OW.or(KeyFlags::UPDATE))],
        categories: Categories::STRING,
        group: Group::String,
        since: "zumic 0.1.0",
        summary: "Set the float value of a key, checked and in its shortest form",
        arguments: &[key("key"), double("number")],
        effect: EffectForm::Image,
        handler: Handler::Engine(numbers::setfloat),
        ..CommandSpec::DEFAULT
    },
];
