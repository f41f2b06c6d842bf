//! The table's rows: time series, Zumic's own group.
//!
//! Legend: see [`super`].

use crate::EffectForm;
use crate::commands::argument::{Argument, block, double, integer, key, one_of, text, token};
use crate::commands::keyspec::{KeyFlags, KeySpec};
use crate::commands::spec::{CommandSpec, Flags, Group, Handler};
use crate::commands::time_series as ts;

/// What all rows have in common.
const OWN: CommandSpec =
    CommandSpec { group: Group::TimeSeries, since: "zumic 0.1.0", ..CommandSpec::DEFAULT };

const POLICIES: &[Argument] = &[
    token("block", "BLOCK"),
    token("first", "FIRST"),
    token("last", "LAST"),
    token("min", "MIN"),
    token("max", "MAX"),
    token("sum", "SUM"),
];

const ENCODINGS: &[Argument] = &[token("compressed", "COMPRESSED")];

const LABEL: &[Argument] = &[text("label"), text("value")];

const RETENTION: Argument = integer("retentionPeriod").after("RETENTION").optional();
const ENCODING: Argument = one_of("enc", ENCODINGS).after("ENCODING").optional();
const CHUNK_SIZE: Argument = integer("size").after("CHUNK_SIZE").optional();
const POLICY: Argument = one_of("policy", POLICIES).after("DUPLICATE_POLICY").optional();
const ON_DUPLICATE: Argument = one_of("policy_ovr", POLICIES).after("ON_DUPLICATE").optional();
const LABELS: Argument = block("labels", LABEL).after("LABELS").multiple().optional();

const AGGREGATORS: &[Argument] = &[
    token("avg", "AVG"),
    token("count", "COUNT"),
    token("first", "FIRST"),
    token("last", "LAST"),
    token("max", "MAX"),
    token("min", "MIN"),
    token("range", "RANGE"),
    token("sum", "SUM"),
];

const AGGREGATION: &[Argument] = &[
    text("align").after("ALIGN").optional(),
    one_of("aggregator", AGGREGATORS).after("AGGREGATION"),
    integer("bucketDuration"),
    text("bt").after("BUCKETTIMESTAMP").optional(),
];

const VALUES: &[Argument] = &[double("min"), double("max")];

const RANGE: &[Argument] = &[
    key("key"),
    text("fromTimestamp"),
    text("toTimestamp"),
    token("latest", "LATEST").optional(),
    integer("ts").after("FILTER_BY_TS").multiple().optional(),
    block("filter_by_value", VALUES).after("FILTER_BY_VALUE").optional(),
    integer("count").after("COUNT").optional(),
    block("aggregation", AGGREGATION).optional(),
];

const SAMPLE: &[Argument] = &[key("key"), text("timestamp"), double("value")];

/// Time series.
pub(super) const ROWS: &[CommandSpec] = &[
    CommandSpec {
        name: "ts.add",
        arity: -4,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::UPDATE))],
        complexity: "O(1) at the end of the series, O(chunk size) elsewhere.",
        summary: "Append a sample to a time series",
        arguments: &[
            key("key"),
            text("timestamp"),
            double("value"),
            RETENTION,
            ENCODING,
            CHUNK_SIZE,
            POLICY,
            ON_DUPLICATE,
            LABELS,
        ],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(ts::ts_add),
        ..OWN
    },
    CommandSpec {
        name: "ts.create",
        arity: -2,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::INSERT))],
        summary: "Create a new time series",
        arguments: &[key("key"), RETENTION, ENCODING, CHUNK_SIZE, POLICY, LABELS],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(ts::ts_create),
        ..OWN
    },
    CommandSpec {
        name: "ts.del",
        arity: 4,
        flags: Flags::WRITE,
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::DELETE))],
        complexity: "O(N) where N is the number of chunks that hold something of the range.",
        summary: "Delete all samples between two timestamps for a given time series",
        arguments: &[key("key"), text("fromTimestamp"), text("toTimestamp")],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(ts::ts_del),
        ..OWN
    },
    CommandSpec {
        name: "ts.get",
        arity: -2,
        flags: Flags::READONLY.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        summary: "Get the sample with the highest timestamp from a given time series",
        arguments: &[key("key"), token("latest", "LATEST").optional()],
        handler: Handler::Engine(ts::ts_get),
        ..OWN
    },
    CommandSpec {
        name: "ts.info",
        arity: -2,
        flags: Flags::READONLY.or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::RO)],
        summary: "Returns information and statistics for a time series",
        arguments: &[key("key"), token("debug", "DEBUG").optional()],
        handler: Handler::Engine(ts::ts_info),
        ..OWN
    },
    CommandSpec {
        name: "ts.madd",
        arity: -4,
        flags: Flags::WRITE.or(Flags::DENY_OOM),
        keys: &[KeySpec::range(1, -1, 3, KeyFlags::RW.or(KeyFlags::UPDATE))],
        complexity: "O(N) where N is the number of samples, at the ends of their series.",
        summary: "Append new samples to one or more time series",
        arguments: &[block("ktv", SAMPLE).multiple()],
        effect: EffectForm::Explicit,
        handler: Handler::Engine(ts::ts_madd),
        ..OWN
    },
    CommandSpec {
        name: "ts.range",
        arity: -4,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        complexity: "O(log M + N) where M is the number of chunks and N that of samples in the \
            range.",
        summary: "Query a range in forward direction",
        arguments: RANGE,
        handler: Handler::Engine(ts::ts_range),
        ..OWN
    },
    CommandSpec {
        name: "ts.revrange",
        arity: -4,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        complexity: "O(log M + N) where M is the number of chunks and N that of samples in the \
            range.",
        summary: "Query a range in reverse direction",
        arguments: RANGE,
        handler: Handler::Engine(ts::ts_revrange),
        ..OWN
    },
];
