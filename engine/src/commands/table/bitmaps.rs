//! The table's rows: bitmaps.
//!
//! Legend: see [`super`].

use crate::EffectForm;
use crate::commands::argument::{block, integer, key, key_of, one_of, text, token};
use crate::commands::keyspec::{KeyFlags, KeySpec};
use crate::commands::spec::{Categories, CommandSpec, Flags, Group, Handler};
use crate::commands::{bitfield, bitmaps};

/// Bitmaps.
pub(super) const ROWS: &[CommandSpec] = &[
    CommandSpec {
        name: "bitcount",
        arity: -2,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::BITMAP,
        group: Group::Bitmap,
        since: "2.6.0",
        complexity: "O(N)",
        summary: "Count set bits in a string",
        history: &[("7.0.0", "Added the `BYTE|BIT` option.")],
        arguments: &[
            key("key"),
            block(
                "index",
                &[
                    integer("start"),
                    integer("end"),
                    one_of("index_unit", &[token("byte", "BYTE"), token("bit", "BIT")])
                        .since("7.0.0")
                        .optional(),
                ],
            )
            .optional(),
        ],
        handler: Handler::Engine(bitmaps::bitcount),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "bitfield",
        arity: -2,
        flags: Flags::WRITE.or(Flags::DENY_OOM),
        keys: &[KeySpec::one(
            1,
            KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE).or(KeyFlags::VARIABLE),
        )
        .noted("This command allows both access and modification of the key")],
        categories: Categories::BITMAP,
        group: Group::Bitmap,
        since: "3.2.0",
        complexity: "O(1) for each subcommand specified",
        summary: "Perform arbitrary bitfield integer operations on strings",
        arguments: &[
            key("key"),
            one_of(
                "operation",
                &[
                    block("encoding_offset", &[text("encoding"), integer("offset")]).after("GET"),
                    block(
                        "write",
                        &[
                            one_of(
                                "wrap_sat_fail",
                                &[
                                    token("wrap", "WRAP"),
                                    token("sat", "SAT"),
                                    token("fail", "FAIL"),
                                ],
                            )
                            .after("OVERFLOW")
                            .optional(),
                            one_of(
                                "write_operation",
                                &[
                                    block(
                                        "encoding_offset_value",
                                        &[text("encoding"), integer("offset"), integer("value")],
                                    )
                                    .after("SET"),
                                    block(
                                        "encoding_offset_increment",
                                        &[
                                            text("encoding"),
                                            integer("offset"),
                                            integer("increment"),
                                        ],
                                    )
                                    .after("INCRBY"),
                                ],
                            ),
                        ],
                    ),
                ],
            )
            .optional()
            .multiple(),
        ],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(bitfield::bitfield),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "bitfield_ro",
        arity: -2,
        flags: Flags::READONLY.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::BITMAP,
        group: Group::Bitmap,
        since: "6.0.0",
        complexity: "O(1) for each subcommand specified",
        summary: "Perform arbitrary bitfield integer operations on strings. Read-only variant \
            of BITFIELD",
        arguments: &[
            key("key"),
            block("encoding_offset", &[text("encoding"), integer("offset")])
                .after("GET")
                .optional()
                .multiple_token(),
        ],
        handler: Handler::Engine(bitfield::bitfield_ro),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "bitop",
        arity: -4,
        flags: Flags::WRITE.or(Flags::DENY_OOM),
        keys: &[
            KeySpec::one(2, KeyFlags::OW.or(KeyFlags::UPDATE)),
            KeySpec::range(3, -1, 1, KeyFlags::RO.or(KeyFlags::ACCESS)),
        ],
        categories: Categories::BITMAP,
        group: Group::Bitmap,
        since: "2.6.0",
        complexity: "O(N)",
        summary: "Perform bitwise operations between strings",
        arguments: &[text("operation"), key("destkey"), key_of("key", 1).multiple()],
        effect: EffectForm::Image,
        handler: Handler::Engine(bitmaps::bitop),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "bitpos",
        arity: -3,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::BITMAP,
        group: Group::Bitmap,
        since: "2.8.7",
        complexity: "O(N)",
        summary: "Find first bit set or clear in a string",
        history: &[("7.0.0", "Added the `BYTE|BIT` option.")],
        arguments: &[
            key("key"),
            integer("bit"),
            block(
                "index",
                &[
                    integer("start"),
                    block(
                        "end_index",
                        &[
                            integer("end"),
                            one_of("index_unit", &[token("byte", "BYTE"), token("bit", "BIT")])
                                .since("7.0.0")
                                .optional(),
                        ],
                    )
                    .optional(),
                ],
            )
            .optional(),
        ],
        handler: Handler::Engine(bitmaps::bitpos),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "getbit",
        arity: 3,
        flags: Flags::READONLY.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::BITMAP,
        group: Group::Bitmap,
        since: "2.2.0",
        summary: "Returns the bit value at offset in the string value stored at key",
        arguments: &[key("key"), integer("offset")],
        handler: Handler::Engine(bitmaps::getbit),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "setbit",
        arity: 4,
        flags: Flags::WRITE.or(Flags::DENY_OOM),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE))],
        categories: Categories::BITMAP,
        group: Group::Bitmap,
        since: "2.2.0",
        summary: "Sets or clears the bit at offset in the string value stored at key",
        arguments: &[key("key"), integer("offset"), integer("value")],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(bitmaps::setbit),
        ..CommandSpec::DEFAULT
    },
];
