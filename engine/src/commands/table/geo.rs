//! The table's rows: geographic indexes.
//!
//! Legend: see [`super`].

use crate::EffectForm;
use crate::commands::argument::{block, double, integer, key, key_of, one_of, text, token};
use crate::commands::geo;
use crate::commands::geo::search;
use crate::commands::keyspec::{BeginSearch, KeyFlags, KeySpec};
use crate::commands::spec::{Categories, CommandSpec, Deprecated, Flags, Group, Handler};

/// Geographic indexes.
pub(super) const ROWS: &[CommandSpec] = &[
    CommandSpec {
        name: "geoadd",
        arity: -5,
        flags: Flags::WRITE.or(Flags::DENY_OOM),
        keys: &[KeySpec::one(1, KeyFlags::RW.or(KeyFlags::UPDATE))],
        categories: Categories::GEO,
        group: Group::Geo,
        since: "3.2.0",
        complexity: "O(log(N)) for each item added, where N is the number of elements in the \
            sorted set.",
        summary: "Add one or more geospatial items in the geospatial index represented using a \
            sorted set",
        history: &[("6.2.0", "Added the `CH`, `NX` and `XX` options.")],
        arguments: &[
            key("key"),
            one_of("condition", &[token("nx", "NX"), token("xx", "XX")]).since("6.2.0").optional(),
            token("change", "CH").since("6.2.0").optional(),
            block(
                "longitude_latitude_member",
                &[double("longitude"), double("latitude"), text("member")],
            )
            .multiple(),
        ],
        effect: EffectForm::Verbatim,
        handler: Handler::Engine(geo::geoadd),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "geodist",
        arity: -4,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::GEO,
        group: Group::Geo,
        since: "3.2.0",
        complexity: "O(log(N))",
        summary: "Returns the distance between two members of a geospatial index",
        arguments: &[
            key("key"),
            text("member1"),
            text("member2"),
            one_of(
                "unit",
                &[token("m", "M"), token("km", "KM"), token("ft", "FT"), token("mi", "MI")],
            )
            .optional(),
            one_of("method", &[token("haversine", "HAVERSINE"), token("vincenty", "VINCENTY")])
                .after("METHOD")
                .since("zumic 0.1.0")
                .optional(),
        ],
        handler: Handler::Engine(geo::geodist),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "geohash",
        arity: -2,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::GEO,
        group: Group::Geo,
        since: "3.2.0",
        complexity: "O(log(N)) for each member requested, where N is the number of elements in \
            the sorted set.",
        summary: "Returns members of a geospatial index as standard geohash strings",
        arguments: &[key("key"), text("member").multiple()],
        handler: Handler::Engine(geo::geohash),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "geopos",
        arity: -2,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::GEO,
        group: Group::Geo,
        since: "3.2.0",
        complexity: "O(N) where N is the number of members requested.",
        summary: "Returns longitude and latitude of members of a geospatial index",
        arguments: &[key("key"), text("member").multiple()],
        handler: Handler::Engine(geo::geopos),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "georadius",
        cross_db: Some(search::radius_keys),
        arity: -6,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::MOVABLE_KEYS),
        keys: &[
            KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS)),
            KeySpec {
                begin: BeginSearch::Keyword { word: "STORE", from: 6 },
                ..KeySpec::one(0, KeyFlags::OW.or(KeyFlags::UPDATE))
            },
            KeySpec {
                begin: BeginSearch::Keyword { word: "STOREDIST", from: 6 },
                ..KeySpec::one(0, KeyFlags::OW.or(KeyFlags::UPDATE))
            },
        ],
        categories: Categories::GEO,
        group: Group::Geo,
        since: "3.2.0",
        deprecated: Some(Deprecated {
            since: "6.2.0",
            replaced_by: "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument",
        }),
        complexity: "O(N+log(M)) where N is the number of elements inside the bounding box of the \
            circular area delimited by center and radius and M is the number of items \
            inside the index.",
        summary: "Query a sorted set representing a geospatial index to fetch members matching \
            a given maximum distance from a point",
        history: &[
            ("6.2.0", "Added the `ANY` option for `COUNT`."),
            ("7.0.0", "Added support for uppercase unit names."),
        ],
        arguments: &[
            key("key"),
            double("longitude"),
            double("latitude"),
            double("radius"),
            one_of(
                "unit",
                &[token("m", "M"), token("km", "KM"), token("ft", "FT"), token("mi", "MI")],
            ),
            token("withcoord", "WITHCOORD").optional(),
            token("withdist", "WITHDIST").optional(),
            token("withhash", "WITHHASH").optional(),
            block(
                "count",
                &[integer("count").after("COUNT"), token("any", "ANY").since("6.2.0").optional()],
            )
            .optional(),
            one_of("order", &[token("asc", "ASC"), token("desc", "DESC")]).optional(),
            key_of("key", 1).after("STORE").optional(),
            key_of("key", 2).after("STOREDIST").optional(),
        ],
        effect: EffectForm::Image,
        handler: Handler::Engine(search::georadius),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "georadius_ro",
        arity: -6,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::GEO,
        group: Group::Geo,
        since: "3.2.10",
        deprecated: Some(Deprecated {
            since: "6.2.0",
            replaced_by: "`GEOSEARCH` with the `BYRADIUS` argument",
        }),
        complexity: "O(N+log(M)) where N is the number of elements inside the bounding box of the \
            circular area delimited by center and radius and M is the number of items \
            inside the index.",
        summary: "A read-only variant for GEORADIUS",
        history: &[("6.2.0", "Added the `ANY` option for `COUNT`.")],
        arguments: &[
            key("key"),
            double("longitude"),
            double("latitude"),
            double("radius"),
            one_of(
                "unit",
                &[token("m", "M"), token("km", "KM"), token("ft", "FT"), token("mi", "MI")],
            ),
            token("withcoord", "WITHCOORD").optional(),
            token("withdist", "WITHDIST").optional(),
            token("withhash", "WITHHASH").optional(),
            block(
                "count",
                &[integer("count").after("COUNT"), token("any", "ANY").since("6.2.0").optional()],
            )
            .optional(),
            one_of("order", &[token("asc", "ASC"), token("desc", "DESC")]).optional(),
        ],
        handler: Handler::Engine(search::georadius_ro),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "georadiusbymember",
        cross_db: Some(search::radius_keys),
        arity: -5,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::MOVABLE_KEYS),
        keys: &[
            KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS)),
            KeySpec {
                begin: BeginSearch::Keyword { word: "STORE", from: 5 },
                ..KeySpec::one(0, KeyFlags::OW.or(KeyFlags::UPDATE))
            },
            KeySpec {
                begin: BeginSearch::Keyword { word: "STOREDIST", from: 5 },
                ..KeySpec::one(0, KeyFlags::OW.or(KeyFlags::UPDATE))
            },
        ],
        categories: Categories::GEO,
        group: Group::Geo,
        since: "3.2.0",
        deprecated: Some(Deprecated {
            since: "6.2.0",
            replaced_by: "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` \
                arguments",
        }),
        complexity: "O(N+log(M)) where N is the number of elements inside the bounding box of the \
            circular area delimited by center and radius and M is the number of items \
            inside the index.",
        summary: "Query a sorted set representing a geospatial index to fetch members matching \
            a given maximum distance from a member",
        history: &[("7.0.0", "Added support for uppercase unit names.")],
        arguments: &[
            key("key"),
            text("member"),
            double("radius"),
            one_of(
                "unit",
                &[token("m", "M"), token("km", "KM"), token("ft", "FT"), token("mi", "MI")],
            ),
            token("withcoord", "WITHCOORD").optional(),
            token("withdist", "WITHDIST").optional(),
            token("withhash", "WITHHASH").optional(),
            block("count", &[integer("count").after("COUNT"), token("any", "ANY").optional()])
                .optional(),
            one_of("order", &[token("asc", "ASC"), token("desc", "DESC")]).optional(),
            key_of("key", 1).after("STORE").optional(),
            key_of("key", 2).after("STOREDIST").optional(),
        ],
        effect: EffectForm::Image,
        handler: Handler::Engine(search::georadiusbymember),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "georadiusbymember_ro",
        arity: -5,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::GEO,
        group: Group::Geo,
        since: "3.2.10",
        deprecated: Some(Deprecated {
            since: "6.2.0",
            replaced_by: "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments",
        }),
        complexity: "O(N+log(M)) where N is the number of elements inside the bounding box of the \
            circular area delimited by center and radius and M is the number of items \
            inside the index.",
        summary: "A read-only variant for GEORADIUSBYMEMBER",
        arguments: &[
            key("key"),
            text("member"),
            double("radius"),
            one_of(
                "unit",
                &[token("m", "M"), token("km", "KM"), token("ft", "FT"), token("mi", "MI")],
            ),
            token("withcoord", "WITHCOORD").optional(),
            token("withdist", "WITHDIST").optional(),
            token("withhash", "WITHHASH").optional(),
            block("count", &[integer("count").after("COUNT"), token("any", "ANY").optional()])
                .optional(),
            one_of("order", &[token("asc", "ASC"), token("desc", "DESC")]).optional(),
        ],
        handler: Handler::Engine(search::georadiusbymember_ro),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "geosearch",
        arity: -7,
        flags: Flags::READONLY,
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        categories: Categories::GEO,
        group: Group::Geo,
        since: "6.2.0",
        complexity: "O(N+log(M)) where N is the number of elements in the grid-aligned bounding \
            box area around the shape provided as the filter and M is the number of \
            items inside the shape",
        summary: "Query a sorted set representing a geospatial index to fetch members inside \
            an area of a box or a circle.",
        history: &[("7.0.0", "Added support for uppercase unit names.")],
        arguments: &[
            key("key"),
            one_of(
                "from",
                &[
                    text("member").after("FROMMEMBER"),
                    block("longitude_latitude", &[double("longitude"), double("latitude")])
                        .after("FROMLONLAT"),
                ],
            ),
            one_of(
                "by",
                &[
                    block(
                        "circle",
                        &[
                            double("radius").after("BYRADIUS"),
                            one_of(
                                "unit",
                                &[
                                    token("m", "M"),
                                    token("km", "KM"),
                                    token("ft", "FT"),
                                    token("mi", "MI"),
                                ],
                            ),
                        ],
                    ),
                    block(
                        "box",
                        &[
                            double("width").after("BYBOX"),
                            double("height"),
                            one_of(
                                "unit",
                                &[
                                    token("m", "M"),
                                    token("km", "KM"),
                                    token("ft", "FT"),
                                    token("mi", "MI"),
                                ],
                            ),
                        ],
                    ),
                ],
            ),
            one_of("order", &[token("asc", "ASC"), token("desc", "DESC")]).optional(),
            block("count", &[integer("count").after("COUNT"), token("any", "ANY").optional()])
                .optional(),
            token("withcoord", "WITHCOORD").optional(),
            token("withdist", "WITHDIST").optional(),
            token("withhash", "WITHHASH").optional(),
        ],
        handler: Handler::Engine(search::geosearch),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "geosearchstore",
        arity: -8,
        flags: Flags::WRITE.or(Flags::DENY_OOM),
        keys: &[
            KeySpec::one(1, KeyFlags::OW.or(KeyFlags::UPDATE)),
            KeySpec::one(2, KeyFlags::RO.or(KeyFlags::ACCESS)),
        ],
        categories: Categories::GEO,
        group: Group::Geo,
        since: "6.2.0",
        complexity: "O(N+log(M)) where N is the number of elements in the grid-aligned bounding \
            box area around the shape provided as the filter and M is the number of \
            items inside the shape",
        summary: "Query a sorted set representing a geospatial index to fetch members inside \
            an area of a box or a circle, and store the result in another key.",
        history: &[("7.0.0", "Added support for uppercase unit names.")],
        arguments: &[
            key("destination"),
            key_of("source", 1),
            one_of(
                "from",
                &[
                    text("member").after("FROMMEMBER"),
                    block("longitude_latitude", &[double("longitude"), double("latitude")])
                        .after("FROMLONLAT"),
                ],
            ),
            one_of(
                "by",
                &[
                    block(
                        "circle",
                        &[
                            double("radius").after("BYRADIUS"),
                            one_of(
                                "unit",
                                &[
                                    token("m", "M"),
                                    token("km", "KM"),
                                    token("ft", "FT"),
                                    token("mi", "MI"),
                                ],
                            ),
                        ],
                    ),
                    block(
                        "box",
                        &[
                            double("width").after("BYBOX"),
                            double("height"),
                            one_of(
                                "unit",
                                &[
                                    token("m", "M"),
                                    token("km", "KM"),
                                    token("ft", "FT"),
                                    token("mi", "MI"),
                                ],
                            ),
                        ],
                    ),
                ],
            ),
            one_of("order", &[token("asc", "ASC"), token("desc", "DESC")]).optional(),
            block("count", &[integer("count").after("COUNT"), token("any", "ANY").optional()])
                .optional(),
            token("storedist", "STOREDIST").optional(),
        ],
        effect: EffectForm::Image,
        handler: Handler::Engine(search::geosearchstore),
        ..CommandSpec::DEFAULT
    },
];
