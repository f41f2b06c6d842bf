//! The table's rows: publish and subscribe.
//!
//! Legend: see [`super`]. The broker is the host's: the engine knows no connections.

use crate::commands::argument::{Argument, block, one_of, pattern, text, token};
use crate::commands::keyspec::{KeyFlags, KeySpec};
use crate::commands::spec::{CommandSpec, Flags, Group, Handler, HostCommand};

/// What PUBLISH checks a message to be (Zumic's own).
const TYPES: &[Argument] =
    &[token("string", "STRING"), token("json", "JSON"), token("bytes", "BYTES")];

/// Subcommands of PUBSUB.
const PUBSUB: &[CommandSpec] = &[
    CommandSpec {
        name: "pubsub|channels",
        arity: -2,
        flags: Flags::PUBSUB.or(Flags::LOADING).or(Flags::STALE),
        group: Group::Pubsub,
        since: "2.8.0",
        complexity: "O(N) where N is the number of active channels, and assuming constant time \
            pattern matching (relatively short channels and patterns)",
        summary: "List active channels",
        arguments: &[pattern("pattern").optional()],
        handler: Handler::Host(HostCommand::Pubsub),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "pubsub|help",
        arity: 2,
        flags: Flags::LOADING.or(Flags::STALE),
        group: Group::Pubsub,
        since: "6.2.0",
        summary: "Show helpful text about the different subcommands",
        handler: Handler::Host(HostCommand::Pubsub),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "pubsub|numpat",
        arity: 2,
        flags: Flags::PUBSUB.or(Flags::LOADING).or(Flags::STALE),
        group: Group::Pubsub,
        since: "2.8.0",
        summary: "Get the count of unique patterns pattern subscriptions",
        handler: Handler::Host(HostCommand::Pubsub),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "pubsub|numsub",
        arity: -2,
        flags: Flags::PUBSUB.or(Flags::LOADING).or(Flags::STALE),
        group: Group::Pubsub,
        since: "2.8.0",
        complexity: "O(N) for the NUMSUB subcommand, where N is the number of requested channels",
        summary: "Get the count of subscribers for channels",
        arguments: &[text("channel").optional().multiple()],
        handler: Handler::Host(HostCommand::Pubsub),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "pubsub|shardchannels",
        arity: -2,
        flags: Flags::PUBSUB.or(Flags::LOADING).or(Flags::STALE),
        group: Group::Pubsub,
        since: "7.0.0",
        complexity: "O(N) where N is the number of active shard channels, and assuming constant \
            time pattern matching (relatively short shard channels).",
        summary: "List active shard channels",
        arguments: &[pattern("pattern").optional()],
        handler: Handler::Host(HostCommand::Pubsub),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "pubsub|shardnumsub",
        arity: -2,
        flags: Flags::PUBSUB.or(Flags::LOADING).or(Flags::STALE),
        group: Group::Pubsub,
        since: "7.0.0",
        complexity: "O(N) for the SHARDNUMSUB subcommand, where N is the number of requested \
            shard channels",
        summary: "Get the count of subscribers for shard channels",
        arguments: &[text("shardchannel").optional().multiple()],
        handler: Handler::Host(HostCommand::Pubsub),
        ..CommandSpec::DEFAULT
    },
];

/// Publish and subscribe.
pub(super) const ROWS: &[CommandSpec] = &[
    CommandSpec {
        name: "psubscribe",
        arity: -2,
        flags: Flags::PUBSUB.or(Flags::NO_SCRIPT).or(Flags::LOADING).or(Flags::STALE),
        group: Group::Pubsub,
        since: "2.0.0",
        complexity: "O(N) where N is the number of patterns the client is already subscribed to.",
        summary: "Listen for messages published to channels matching the given patterns",
        arguments: &[block("pattern", &[pattern("pattern")]).multiple()],
        handler: Handler::Host(HostCommand::Subscribe),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "publish",
        arity: -3,
        flags: Flags::PUBSUB.or(Flags::LOADING).or(Flags::STALE).or(Flags::FAST),
        group: Group::Pubsub,
        since: "2.0.0",
        complexity: "O(N+M) where N is the number of clients subscribed to the receiving channel \
            and M is the total number of subscribed patterns (by any client).",
        summary: "Post a message to a channel",
        arguments: &[
            text("channel"),
            text("message"),
            one_of("type", TYPES).after("TYPE").since("zumic 0.1.0").optional(),
        ],
        handler: Handler::Host(HostCommand::Publish),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "pubsub",
        arity: -2,
        group: Group::Pubsub,
        since: "2.8.0",
        complexity: "Depends on subcommand.",
        summary: "A container for Pub/Sub commands",
        subcommands: PUBSUB,
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "punsubscribe",
        arity: -1,
        flags: Flags::PUBSUB.or(Flags::NO_SCRIPT).or(Flags::LOADING).or(Flags::STALE),
        group: Group::Pubsub,
        since: "2.0.0",
        complexity: "O(N+M) where N is the number of patterns the client is already subscribed \
            and M is the number of total patterns subscribed in the system (by any client).",
        summary: "Stop listening for messages posted to channels matching the given patterns",
        arguments: &[pattern("pattern").optional().multiple()],
        handler: Handler::Host(HostCommand::Unsubscribe),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "spublish",
        arity: 3,
        flags: Flags::PUBSUB.or(Flags::LOADING).or(Flags::STALE).or(Flags::FAST),
        keys: &[KeySpec::one(1, KeyFlags::NOT_KEY)],
        group: Group::Pubsub,
        since: "7.0.0",
        complexity: "O(N) where N is the number of clients subscribed to the receiving shard \
            channel.",
        summary: "Post a message to a shard channel",
        arguments: &[text("shardchannel"), text("message")],
        handler: Handler::Host(HostCommand::Publish),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "ssubscribe",
        arity: -2,
        flags: Flags::PUBSUB.or(Flags::NO_SCRIPT).or(Flags::LOADING).or(Flags::STALE),
        keys: &[KeySpec::range(1, -1, 1, KeyFlags::NOT_KEY)],
        group: Group::Pubsub,
        since: "7.0.0",
        complexity: "O(N) where N is the number of shard channels to subscribe to.",
        summary: "Listen for messages published to the given shard channels",
        arguments: &[text("shardchannel").multiple()],
        handler: Handler::Host(HostCommand::Subscribe),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "subscribe",
        arity: -2,
        flags: Flags::PUBSUB.or(Flags::NO_SCRIPT).or(Flags::LOADING).or(Flags::STALE),
        group: Group::Pubsub,
        since: "2.0.0",
        complexity: "O(N) where N is the number of channels to subscribe to.",
        summary: "Listen for messages published to the given channels",
        arguments: &[
            text("channel").multiple(),
            block("filter", &[text("path"), text("value")])
                .after("FILTER")
                .since("zumic 0.1.0")
                .optional(),
        ],
        handler: Handler::Host(HostCommand::Subscribe),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "sunsubscribe",
        arity: -1,
        flags: Flags::PUBSUB.or(Flags::NO_SCRIPT).or(Flags::LOADING).or(Flags::STALE),
        keys: &[KeySpec::range(1, -1, 1, KeyFlags::NOT_KEY)],
        group: Group::Pubsub,
        since: "7.0.0",
        complexity: "O(N) where N is the number of clients already subscribed to a shard channel.",
        summary: "Stop listening for messages posted to the given shard channels",
        arguments: &[text("shardchannel").optional().multiple()],
        handler: Handler::Host(HostCommand::Unsubscribe),
        ..CommandSpec::DEFAULT
    },
    CommandSpec {
        name: "unsubscribe",
        arity: -1,
        flags: Flags::PUBSUB.or(Flags::NO_SCRIPT).or(Flags::LOADING).or(Flags::STALE),
        group: Group::Pubsub,
        since: "2.0.0",
        complexity: "O(N) where N is the number of clients already subscribed to a channel.",
        summary: "Stop listening for messages posted to the given channels",
        arguments: &[text("channel").optional().multiple()],
        handler: Handler::Host(HostCommand::Unsubscribe),
        ..CommandSpec::DEFAULT
    },
];
