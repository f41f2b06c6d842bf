//! The table's rows: SORT and its read-only twin.
//!
//! Legend: see [`super`].

use crate::EffectForm;
use crate::commands::argument::{block, integer, key, key_of, key_pattern, one_of, token};
use crate::commands::keyspec::{KeyFlags, KeySpec};
use crate::commands::sort::{self, OPTION_ARGUMENTS};
use crate::commands::spec::{Categories, CommandSpec, Flags, Handler};

/// Keys that the elements name.
const ELSEWHERE: KeySpec =
    KeySpec::option("", 2, OPTION_ARGUMENTS, KeyFlags::RO.or(KeyFlags::ACCESS)).noted(
        "For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from \
         the content of the key we sort",
    );
/// Where the result is stored.
const DESTINATION: KeySpec =
    KeySpec::option("STORE", 2, OPTION_ARGUMENTS, KeyFlags::OW.or(KeyFlags::UPDATE)).noted(
        "For the optional STORE keyword. It is marked 'unknown' because the keyword can appear \
         anywhere in the argument array",
    );
/// Whatever can be sorted.
const CATEGORIES: Categories =
    Categories::SET.or(Categories::SORTED_SET).or(Categories::LIST).or(Categories::DANGEROUS);

/// SORT and its read-only twin.
pub(super) const ROWS: &[CommandSpec] = &[
    CommandSpec {
        name: "sort",
        arity: -2,
        flags: Flags::WRITE.or(Flags::DENY_OOM).or(Flags::MOVABLE_KEYS).or(Flags::INDIRECT),
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS)), ELSEWHERE, DESTINATION],
        categories: CATEGORIES,
        complexity: "O(N+M*log(M)) where N is the number of elements in the list or set to sort, \
            and M the number of returned elements. When the elements are not sorted, complexity \
            is O(N).",
        summary: "Sort the elements in a list, set or sorted set",
        arguments: &[
            key("key"),
            key_pattern("pattern", 1).after("BY").optional(),
            block("offset_count", &[integer("offset"), integer("count")]).after("LIMIT").optional(),
            key_pattern("pattern", 1).after("GET").multiple_token().optional(),
            one_of("order", &[token("asc", "ASC"), token("desc", "DESC")]).optional(),
            token("sorting", "ALPHA").optional(),
            key_of("destination", 2).after("STORE").optional(),
        ],
        effect: EffectForm::Image,
        handler: Handler::Engine(sort::sort),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "sort_ro",
        arity: -2,
        flags: Flags::READONLY.or(Flags::MOVABLE_KEYS).or(Flags::INDIRECT),
        keys: &[KeySpec::one(1, KeyFlags::RO.or(KeyFlags::ACCESS)), ELSEWHERE],
        categories: CATEGORIES,
        since: "7.0.0",
        complexity: "O(N+M*log(M)) where N is the number of elements in the list or set to sort, \
            and M the number of returned elements. When the elements are not sorted, complexity \
            is O(N).",
        summary: "Sort the elements in a list, set or sorted set. Read-only variant of SORT.",
        arguments: &[
            key("key"),
            key_pattern("pattern", 1).after("BY").optional(),
            block("offset_count", &[integer("offset"), integer("count")]).after("LIMIT").optional(),
            key_pattern("pattern", 1).after("GET").multiple_token().optional(),
            one_of("order", &[token("asc", "ASC"), token("desc", "DESC")]).optional(),
            token("sorting", "ALPHA").optional(),
        ],
        handler: Handler::Engine(sort::sort_ro),
        ..CommandSpec::DEFAULT
    },
];
