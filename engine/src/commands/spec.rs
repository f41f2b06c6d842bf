//! The shape of a row of the command table.
//!
//! Why it exists: COMMAND and its subcommands, key extraction, the dispatcher's checks, the
//! book's command page and the CLI's hints all read the same rows, so they cannot disagree.
//! Not here: the rows themselves (`table/`) and how clients see them (`command.rs`).

use std::ops::Range;

use super::argument::Argument;
use super::keyspec::{BeginSearch, FindKeys, KeyFlags, KeyPositions, KeySpec};
use crate::{Context, EffectForm, Halt};

/// Runs a command. `args[0]` is the command's name as sent; arity was checked.
pub type Run = for<'s> fn(&mut Context<'s>, &[&[u8]]) -> Result<(), Halt>;

/// Names the keys of a command that reaches into another database, as `(database, key)`.
///
/// Called before the handler, with arguments that may be wrong: it leaves out what it cannot
/// understand, and the handler answers the error.
pub type CrossDb = for<'a> fn(db: u16, args: &[&'a [u8]], keys: &mut Vec<(u16, &'a [u8])>);

/// Tells where the keys of a command stand, as a range of arguments.
///
/// Called with arguments that may be wrong: the handler answers the error, and needs no keys.
pub type KeyRange = fn(args: &[&[u8]]) -> Range<usize>;

/// Who runs the command.
#[derive(Clone, Copy, Debug)]
pub enum Handler {
    /// A container: only its subcommands run.
    Container,
    /// The engine, over the keyspace.
    Engine(Run),
    /// The host: connections, settings, the process. See [`crate::Host`].
    Host(HostCommand),
    /// A script, on a stack of its own. See [`crate::scripting::Scripts`].
    Script(ScriptCommand),
}

/// Commands that run a script.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "each variant is the command it is named after")]
pub enum ScriptCommand {
    Eval,
    EvalRo,
    EvalSha,
    EvalShaRo,
    Fcall,
    FcallRo,
}

/// Commands that the engine lists but its host runs.
///
/// Subcommands of a container share its variant; the host tells them apart by
/// [`CommandSpec::name`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "each variant is the command it is named after")]
pub enum HostCommand {
    Auth,
    BgRewriteAof,
    BgSave,
    Client,
    Config,
    Debug,
    Discard,
    Exec,
    Hello,
    Info,
    LastSave,
    Latency,
    Lolwut,
    MemoryDoctor,
    MemoryMallocStats,
    MemoryStats,
    Migrate,
    Monitor,
    Multi,
    Publish,
    Pubsub,
    Quit,
    ReplConf,
    Reset,
    Save,
    Shutdown,
    Slowlog,
    Subscribe,
    Sync,
    Time,
    Unsubscribe,
    Unwatch,
    WaitAof,
    Watch,
}

/// A command that another one has replaced.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Deprecated {
    /// Version that deprecated it.
    pub since: &'static str,
    /// What to use instead, as documentation.
    pub replaced_by: &'static str,
}

/// One row of the table. A subcommand is a row of its own, named `container|sub`.
#[derive(Clone, Copy, Debug)]
pub struct CommandSpec {
    /// Position among all rows, subcommands included; `0..count`. For per-command statistics.
    pub id: u16,
    /// Lower-case name; subcommands in full, such as `config|get`.
    pub name: &'static str,
    /// Number of arguments with the name; negative for "at least".
    pub arity: i16,
    /// Redis's command flags and Zumic's own.
    pub flags: Flags,
    /// Where the keys are.
    pub keys: &'static [KeySpec],
    /// Overrides `keys` for taking the keys, where a command reaches into another database.
    pub cross_db: Option<CrossDb>,
    /// Overrides `keys` for telling the keys, where their description cannot tell them in all
    /// cases.
    pub key_range: Option<KeyRange>,
    /// ACL categories. Those that follow from the flags are added when the table is built.
    pub categories: Categories,
    /// Group in the documentation.
    pub group: Group,
    /// Version of Redis (or `zumic 0.1.0`) that first had it.
    pub since: &'static str,
    /// Set when another command has taken its place.
    pub deprecated: Option<Deprecated>,
    /// Whether it is for the people who debug the server, not for programs.
    pub system: bool,
    /// Time complexity, as documentation.
    pub complexity: &'static str,
    /// One line of documentation.
    pub summary: &'static str,
    /// What later versions added, as `(version, change)`.
    pub history: &'static [(&'static str, &'static str)],
    /// Hints for clients and proxies, such as `request_policy:all_shards`.
    pub tips: &'static [&'static str],
    /// Arguments for COMMAND DOCS, hints and the book.
    pub arguments: &'static [Argument],
    /// Subcommands of a container.
    pub subcommands: &'static [CommandSpec],
    /// What its writes leave in the log.
    pub effect: EffectForm,
    /// Who runs it.
    pub handler: Handler,
}

impl CommandSpec {
    /// What most rows have in common; a row overrides the rest. It is a nameless container.
    pub const DEFAULT: Self = Self {
        id: 0,
        name: "",
        arity: 1,
        flags: Flags::NONE,
        keys: &[],
        cross_db: None,
        key_range: None,
        categories: Categories::NONE,
        group: Group::Generic,
        since: "1.0.0",
        deprecated: None,
        system: false,
        complexity: "O(1)",
        summary: "",
        history: &[],
        tips: &[],
        arguments: &[],
        subcommands: &[],
        effect: EffectForm::None,
        handler: Handler::Container,
    };

    /// Whether `len` arguments, the name included, satisfy the arity.
    #[inline]
    #[must_use]
    pub fn accepts(&self, len: usize) -> bool {
        let wanted = usize::from(self.arity.unsigned_abs());
        if self.arity < 0 { len >= wanted } else { len == wanted }
    }

    /// Positions of the keys in `args`, where `args[0]` is the name.
    ///
    /// Allocates only for commands with more than one key specification. Arguments that make no
    /// sense yield fewer keys, never positions out of range.
    ///
    /// # Examples
    /// ```
    /// let mset = engine::commands::lookup(b"mset").expect("in the table");
    /// let args: [&[u8]; 5] = [b"MSET", b"a", b"1", b"b", b"2"];
    /// assert_eq!(mset.key_positions(&args).collect::<Vec<_>>(), [1, 3]);
    /// ```
    #[inline]
    #[must_use]
    pub fn key_positions(&self, args: &[&[u8]]) -> KeyPositions {
        if let Some(key_range) = self.key_range {
            let Range { start, end } = key_range(args);
            return KeyPositions::range(start, end.min(args.len()), 1);
        }
        match self.keys {
            [] => KeyPositions::none(),
            [_] if !self.has_keys() => KeyPositions::none(),
            [one] => one.positions(args),
            many => KeyPositions::joined(many, args),
        }
    }

    /// Whether the row can name keys; shard channels are none.
    #[inline]
    #[must_use]
    pub const fn has_keys(&self) -> bool {
        match self.keys {
            [] => false,
            [first, ..] => !first.flags.contains(KeyFlags::NOT_KEY),
        }
    }

    /// Whether the row names one key at most, whatever the arguments.
    #[inline]
    #[must_use]
    pub fn has_one_key_at_most(&self) -> bool {
        let single = |find: &FindKeys| matches!(find, FindKeys::Range { last: 0, .. });
        match self.keys {
            [] => self.cross_db.is_none(),
            [_] if !self.has_keys() => true,
            [one] => single(&one.find) && self.cross_db.is_none(),
            _ => false,
        }
    }

    /// Whether the command reads keys that its arguments do not name, so that only the whole
    /// store makes it one instant.
    #[inline]
    #[must_use]
    pub fn reads_elsewhere(&self, args: &[&[u8]]) -> bool {
        self.flags.contains(Flags::INDIRECT) && super::sort::follows_patterns(args)
    }

    /// The container's name in capitals, as error texts show it.
    #[must_use]
    pub fn container_name(&self) -> String {
        self.name.split('|').next().unwrap_or_default().to_uppercase()
    }

    /// Whether the row only holds subcommands.
    #[must_use]
    pub fn is_bare_container(&self) -> bool {
        matches!(self.handler, Handler::Container)
    }

    /// Whether the first argument is a key.
    #[inline]
    fn first_key_is_first_argument(&self) -> bool {
        self.has_keys()
            && matches!(
                self.keys,
                [KeySpec { begin: BeginSearch::Index(1), find: FindKeys::Range { .. }, .. }, ..]
            )
    }

    /// Where the first key stands among the arguments of a request: what a prefetch can know
    /// cheaply, so of most commands that name their keys otherwise it knows nothing.
    ///
    /// # Examples
    /// ```
    /// use engine::commands::lookup;
    /// let evalsha = lookup(b"evalsha").unwrap();
    /// assert_eq!(evalsha.first_key_ahead(&[b"evalsha", b"sha", b"1", b"key"]), Some(3));
    /// assert_eq!(evalsha.first_key_ahead(&[b"evalsha", b"sha", b"0", b"argument"]), None);
    /// ```
    #[inline]
    #[must_use]
    pub fn first_key_ahead(&self, args: &[&[u8]]) -> Option<usize> {
        let at = match self.handler {
            // The code, the number of keys, and the keys.
            Handler::Script(_) if args.get(2).is_none_or(|count| **count == *b"0") => return None,
            Handler::Script(_) => 3,
            _ if self.first_key_is_first_argument() => 1,
            _ => return None,
        };
        (at < args.len()).then_some(at)
    }

    /// Which argument names something in the collection at the key, the first of them: what a
    /// prefetch can know cheaply.
    #[inline]
    #[must_use]
    pub fn element_argument(&self) -> Option<usize> {
        if !matches!(self.keys, [KeySpec { find: FindKeys::Range { last: 0, .. }, .. }]) {
            return None;
        }
        match self.group {
            Group::Hash | Group::Set => Some(2),
            Group::SortedSet => match self.name {
                "zadd" | "zincrby" => Some(3),
                "zscore" | "zrank" | "zrevrank" | "zrem" | "zmscore" => Some(2),
                _ => None,
            },
            _ => None,
        }
    }

    /// First key, last key and step, as COMMAND INFO has told them since before key
    /// specifications; zeros when there is no single range.
    #[must_use]
    pub fn legacy_range(&self) -> (i64, i64, i64) {
        let number = |value: usize| i64::try_from(value).expect("a position of an argument");
        let mut range = (0, 0, 0);
        for spec in self.keys {
            let (BeginSearch::Index(first), FindKeys::Range { last, step, .. }) =
                (spec.begin, spec.find)
            else {
                continue;
            };
            let first = number(first);
            let last = i64::from(last);
            let last = if last < 0 { last } else { first + last };
            if range.0 == 0 {
                range = (first, last, number(step));
            } else {
                // As unsigned numbers, so that a position from the end is beyond all others.
                let last = range.1.cast_unsigned().max(last.cast_unsigned()).cast_signed();
                range = (range.0.min(first), last, 1);
            }
        }
        range
    }

    /// The part of the name after the container's, or the whole name.
    #[must_use]
    pub fn short_name(&self) -> &'static str {
        self.name.rsplit_once('|').map_or(self.name, |(_, name)| name)
    }

    /// The subcommand called `name`, in any case.
    ///
    /// Cost: a walk over at most some twenty rows.
    #[must_use]
    pub fn subcommand(&self, name: &[u8]) -> Option<&'static Self> {
        self.subcommands.iter().find(|row| row.short_name().as_bytes().eq_ignore_ascii_case(name))
    }
}

macro_rules! bits {
    ($(#[$meta:meta])* $type:ident;
     $($(#[$doc:meta])* $name:ident = $value:expr, $text:expr;)*) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
        pub struct $type(u32);

        impl $type {
            /// The empty set.
            pub const NONE: Self = Self(0);
            $($(#[$doc])* pub const $name: Self = Self(1 << $value);)*
            /// Every element with the name that clients see, in the order Redis lists them.
            /// Elements without a name are not shown to clients.
            pub const ALL: &'static [(Self, &'static str)] = &[$((Self::$name, $text)),*];

            /// The union of both sets.
            #[inline]
            #[must_use]
            pub const fn or(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// Whether all of `other` is in the set.
            #[inline]
            #[must_use]
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// Whether any of `other` is in the set.
            #[inline]
            #[must_use]
            pub const fn intersects(self, other: Self) -> bool {
                self.0 & other.0 != 0
            }

            /// Names of the elements, in Redis's order.
            pub fn names(self) -> impl Iterator<Item = &'static str> + Clone {
                let named = Self::ALL.iter().filter(|(_, name)| !name.is_empty());
                named.filter(move |(bit, _)| self.contains(*bit)).map(|(_, name)| *name)
            }
        }
    };
}

bits! {
    /// A set of command flags: Redis's, which clients see, and Zumic's own, which they do not.
    Flags;
    /// May change the keyspace.
    WRITE = 0, "write";
    /// Reads the keyspace and leaves it as it is.
    READONLY = 1, "readonly";
    /// Refused when memory is over its limit.
    DENY_OOM = 2, "denyoom";
    /// For operators.
    ADMIN = 3, "admin";
    /// Publish and subscribe.
    PUBSUB = 4, "pubsub";
    /// Not for scripts.
    NO_SCRIPT = 5, "noscript";
    /// May wait for another client.
    BLOCKING = 6, "blocking";
    /// Allowed while loading.
    LOADING = 7, "loading";
    /// Allowed on a replica that lost its primary.
    STALE = 8, "stale";
    /// Not shown to MONITOR.
    SKIP_MONITOR = 9, "skip_monitor";
    /// Not put into the slow log.
    SKIP_SLOWLOG = 10, "skip_slowlog";
    /// Constant or logarithmic time, no waiting.
    FAST = 11, "fast";
    /// Allowed before authentication.
    NO_AUTH = 12, "no_auth";
    /// May replicate although it is no write.
    MAY_REPLICATE = 13, "may_replicate";
    /// Works without any of its keys.
    NO_MANDATORY_KEYS = 14, "no_mandatory_keys";
    /// Not while a replica swaps in a new data set.
    NO_ASYNC_LOADING = 15, "no_async_loading";
    /// Not inside MULTI.
    NO_MULTI = 16, "no_multi";
    /// The key specifications do not tell all of its keys.
    MOVABLE_KEYS = 17, "movablekeys";
    /// Allowed while a script is running for long.
    ALLOW_BUSY = 18, "allow_busy";
    /// Zumic's: changes whole databases; the dispatcher takes a global barrier around it.
    EXCLUSIVE = 19, "";
    /// Zumic's: reads whole databases; inside EXEC it needs the global barrier.
    WHOLE = 20, "";
    /// Zumic's: may read keys that only values name, as SORT BY does; see
    /// [`CommandSpec::reads_elsewhere`].
    INDIRECT = 21, "";
}

bits! {
    /// A set of ACL categories.
    Categories;
    /// Keys of any type.
    KEYSPACE = 0, "@keyspace";
    /// Follows from [`Flags::READONLY`].
    READ = 1, "@read";
    /// Follows from [`Flags::WRITE`].
    WRITE = 2, "@write";
    /// Sets.
    SET = 3, "@set";
    /// Sorted sets.
    SORTED_SET = 4, "@sortedset";
    /// Lists.
    LIST = 5, "@list";
    /// Hashes.
    HASH = 6, "@hash";
    /// Strings.
    STRING = 7, "@string";
    /// Bitmaps.
    BITMAP = 8, "@bitmap";
    /// HyperLogLogs.
    HYPERLOGLOG = 9, "@hyperloglog";
    /// Geographic indexes.
    GEO = 10, "@geo";
    /// Streams.
    STREAM = 11, "@stream";
    /// Publish and subscribe.
    PUBSUB = 12, "@pubsub";
    /// Follows from [`Flags::ADMIN`].
    ADMIN = 13, "@admin";
    /// Follows from [`Flags::FAST`].
    FAST = 14, "@fast";
    /// Follows from the lack of [`Flags::FAST`].
    SLOW = 15, "@slow";
    /// Follows from [`Flags::BLOCKING`].
    BLOCKING = 16, "@blocking";
    /// May hurt others: slow, destructive or revealing.
    DANGEROUS = 17, "@dangerous";
    /// Connections.
    CONNECTION = 18, "@connection";
    /// MULTI and its kin.
    TRANSACTION = 19, "@transaction";
    /// Scripts.
    SCRIPTING = 20, "@scripting";
}

impl Categories {
    /// The set with the categories that `flags` imply, by Redis's rules.
    #[must_use]
    pub const fn implied_by(self, flags: Flags) -> Self {
        let mut all = self;
        if flags.contains(Flags::WRITE) {
            all = all.or(Self::WRITE);
        }
        if flags.contains(Flags::READONLY) && !all.contains(Self::SCRIPTING) {
            all = all.or(Self::READ);
        }
        if flags.contains(Flags::ADMIN) {
            all = all.or(Self::ADMIN).or(Self::DANGEROUS);
        }
        if flags.contains(Flags::PUBSUB) {
            all = all.or(Self::PUBSUB);
        }
        if flags.contains(Flags::BLOCKING) {
            all = all.or(Self::BLOCKING);
        }
        all.or(if flags.contains(Flags::FAST) { Self::FAST } else { Self::SLOW })
    }

    /// The category with this name, which has no `@` in front, in any case.
    #[must_use]
    pub fn named(name: &[u8]) -> Option<Self> {
        let matches = |text: &str| text.as_bytes()[1..].eq_ignore_ascii_case(name);
        Self::ALL.iter().find(|(_, text)| matches(text)).map(|(category, _)| *category)
    }
}

/// Group in the documentation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Group {
    /// Strings as rows of bits.
    Bitmap,
    /// Connections and their settings.
    Connection,
    /// Keys of any type.
    Generic,
    /// Places on the earth.
    Geo,
    /// Hashes.
    Hash,
    /// Approximate counts.
    HyperLogLog,
    /// Lists.
    List,
    /// Publish and subscribe.
    Pubsub,
    /// Scripts and functions.
    Scripting,
    /// The process and its figures.
    Server,
    /// Sets.
    Set,
    /// Sorted sets.
    SortedSet,
    /// Streams.
    Stream,
    /// Strings and the numbers in them.
    String,
    /// Samples by time.
    TimeSeries,
    /// MULTI and its kin.
    Transactions,
}

impl Group {
    /// All groups, in the order of the book.
    pub const ALL: &'static [Self] = &[
        Self::String,
        Self::Bitmap,
        Self::HyperLogLog,
        Self::Geo,
        Self::List,
        Self::Hash,
        Self::Set,
        Self::SortedSet,
        Self::Stream,
        Self::TimeSeries,
        Self::Generic,
        Self::Transactions,
        Self::Pubsub,
        Self::Scripting,
        Self::Connection,
        Self::Server,
    ];

    /// The name COMMAND DOCS answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bitmap => "bitmap",
            Self::Connection => "connection",
            Self::Generic => "generic",
            Self::Geo => "geo",
            Self::Hash => "hash",
            Self::HyperLogLog => "hyperloglog",
            Self::List => "list",
            Self::Pubsub => "pubsub",
            Self::Scripting => "scripting",
            Self::Server => "server",
            Self::Set => "set",
            Self::SortedSet => "sorted-set",
            Self::Stream => "stream",
            Self::String => "string",
            Self::TimeSeries => "timeseries",
            Self::Transactions => "transactions",
        }
    }
}
