//! Every error a command can answer with, and its exact text, written once.
//!
//! The texts are those of Redis 7.2, because clients and frameworks match on them. A variant's
//! `Display` is the line on the wire without the leading `-`; its first word is the code.

use std::fmt::{self, Write as _};

use crate::{
    BitmapError, DumpError, DurabilityError, GeoError, HashError, HyperLogLogError, ProtocolError,
    ScriptError, StreamError, TimeSeriesError,
};

/// Longest part of an unknown command's arguments that is quoted back.
const QUOTED_BYTES_MAX: usize = 128;

/// A command's failure.
///
/// # Examples
/// ```
/// use zumic_error::CommandError;
///
/// let error = CommandError::WrongArity("get".into());
/// assert_eq!(error.code(), "ERR");
/// assert_eq!(error.to_string(), "ERR wrong number of arguments for 'get' command");
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "each variant is explained by its text below")]
pub enum CommandError {
    AuthBusy,
    AuthNotConfigured,
    BadKeyPositions,
    Bitmap(BitmapError),
    CannotWait,
    ClientIdsInvalid,
    ClientNameInvalid,
    ClientOptionInvalid(&'static str),
    ClientPauseMode,
    ClientTypeUnknown(String),
    CommandHasNoKeys,
    ConfigImmutable(String),
    ConfigInvalid { name: String, reason: String },
    ConfigNoFile,
    ConfigUnknown(String),
    CountNegative,
    CountNotPositive,
    IndexOutOfRange,
    InputKeysMissing(&'static str),
    InvalidCursor,
    DbIndexInvalidFirst,
    DbIndexInvalidSecond,
    DbIndexOutOfRange,
    DebugDisallowed,
    DecrementOverflow,
    Denied(&'static str),
    DiscardWithoutMulti,
    Durability(DurabilityError),
    Dump(DumpError),
    ExecAbort,
    ExecAbortArity,
    ExecAbortMemory,
    ExecWithoutMulti,
    ExpireConflict,
    ExpireGtLtConflict,
    ExpireOptionUnknown(String),
    ExpireTimeInvalid(&'static str),
    FilterPathInvalid,
    Geo(GeoError),
    Hash(HashError),
    HelloSyntax(String),
    HyperLogLog(HyperLogLogError),
    InvalidCommandSpecified,
    KeyCountInvalid,
    KillAge,
    KillId,
    LatencyUnknown(Vec<u8>),
    LcsBothFlags,
    LcsTooLong,
    LfuNotSelected,
    LexRangeInvalid,
    LimitNegative,
    LruNotSelected,
    MaxClients,
    MaxClientsPerIp,
    MaxLenNegative,
    NanOrInfinity,
    NestedMulti,
    NoAuth,
    NoAuthHello,
    NoProto,
    NoSuchClient,
    NoSuchKey,
    NoSuchUser(String),
    NotAFloat,
    NotAnInt32,
    NotAnInteger,
    NotInRange { min: i64, max: i64 },
    NotPositive,
    NotSupported(&'static str),
    NumkeysNotPositive,
    NumkeysTooMany,
    OffsetOutOfRange,
    OutOfMemory,
    Overflow,
    Protocol(ProtocolError),
    ProtoVersionInvalid,
    PublishNotJson,
    PublishNotUtf8,
    RankZero,
    RangeLimitByRank,
    RangeScoresByLex,
    SameObject,
    ScoreNan,
    ScoreRangeInvalid,
    Script(ScriptError),
    SetInfoInvalid(String),
    SetInfoValueInvalid(String),
    ShutdownNotInProgress,
    SlowlogCountInvalid,
    Stream(StreamError),
    SortNotANumber,
    SsubscribeInMulti,
    StringTooLong,
    SubcommandUsage { container: &'static str, name: Vec<u8> },
    SubscriberOnly(&'static str),
    Syntax,
    TimeoutInvalid,
    TimeoutNegative,
    TimeSeries(TimeSeriesError),
    TimeoutNotAFloat,
    TimeoutOutOfRange,
    Unblocked,
    TrackingPrefix(String),
    UnknownCommand { name: Vec<u8>, args: Vec<Vec<u8>> },
    UnknownSubcommand { container: String, name: Vec<u8> },
    ValueOutOfRange,
    WaitAofWithoutLog,
    WatchInMulti,
    WeightNotAFloat,
    WrongArity(String),
    WrongPass,
    WrongType,
    ZaddGtLtNx,
    ZaddIncrementPairs,
    ZaddNxXx,
}

impl CommandError {
    /// The first word of the text, by which clients tell errors apart.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Denied(_) => "DENIED",
            Self::Durability(error) => error.code(),
            Self::Dump(error) => error.code(),
            Self::ExecAbort | Self::ExecAbortArity | Self::ExecAbortMemory => "EXECABORT",
            Self::HyperLogLog(error) => error.code(),
            Self::NoAuth | Self::NoAuthHello => "NOAUTH",
            Self::NoProto => "NOPROTO",
            Self::OutOfMemory => "OOM",
            Self::Script(error) => error.code(),
            Self::Stream(error) => error.code(),
            Self::WrongPass => "WRONGPASS",
            Self::WrongType => "WRONGTYPE",
            _ => "ERR",
        }
    }

    /// An unknown command with its first arguments, as much of them as is quoted back.
    #[must_use]
    pub fn unknown_command(args: &[&[u8]]) -> Self {
        let name = args.first().copied().unwrap_or_default();
        let name = name[..name.len().min(QUOTED_BYTES_MAX)].to_vec();
        let mut quoted = 0;
        let mut kept = Vec::new();
        for arg in args.iter().skip(1) {
            if quoted >= QUOTED_BYTES_MAX {
                break;
            }
            let part = &arg[..arg.len().min(QUOTED_BYTES_MAX - quoted)];
            quoted += part.len() + 3;
            kept.push(part.to_vec());
        }
        Self::UnknownCommand { name, args: kept }
    }

    /// Appends the line on the wire, without the leading `-` and the line end: the text of
    /// `Display`, but with the client's own bytes as they came, text or not. Line ends inside
    /// become spaces, so that no argument can break the frame.
    ///
    /// # Examples
    /// ```
    /// use zumic_error::CommandError;
    ///
    /// let mut line = Vec::new();
    /// CommandError::unknown_command(&[b"a\r\xff"]).write_wire(&mut line);
    /// assert_eq!(line, b"ERR unknown command 'a \xff', with args beginning with: ");
    /// ```
    pub fn write_wire(&self, out: &mut Vec<u8>) {
        if let Some(text) = self.fixed() {
            out.extend_from_slice(text.as_bytes());
            return;
        }
        let start = out.len();
        match self {
            Self::Script(error) => error.write(out),
            Self::Stream(error) => error.write(out),
            Self::UnknownCommand { .. } | Self::UnknownSubcommand { .. } => self.write_quoted(out),
            Self::Protocol(ProtocolError::ExpectedDollar(got)) if !got.is_ascii() => {
                let text = ProtocolError::ExpectedDollar(0).to_string();
                let (before, after) = text.split_once('\0').expect("the byte is quoted");
                out.extend_from_slice(before.as_bytes());
                out.push(*got);
                out.extend_from_slice(after.as_bytes());
            }
            other => out.extend_from_slice(other.to_string().as_bytes()),
        }
        for byte in &mut out[start..] {
            if matches!(byte, b'\r' | b'\n') {
                *byte = b' ';
            }
        }
    }

    /// The texts that quote the client's bytes; nothing for other variants.
    fn write_quoted(&self, out: &mut Vec<u8>) {
        match self {
            Self::UnknownCommand { name, args } => {
                out.extend_from_slice(b"ERR unknown command '");
                out.extend_from_slice(name);
                out.extend_from_slice(b"', with args beginning with: ");
                for arg in args {
                    out.push(b'\'');
                    out.extend_from_slice(arg);
                    out.extend_from_slice(b"' ");
                }
            }
            Self::UnknownSubcommand { container, name } => {
                out.extend_from_slice(b"ERR unknown subcommand '");
                out.extend_from_slice(&name[..name.len().min(QUOTED_BYTES_MAX)]);
                out.extend_from_slice(format!("'. Try {container} HELP.").as_bytes());
            }
            _ => {}
        }
    }

    /// The text of a variant without data; `None` for the others.
    const fn fixed(&self) -> Option<&'static str> {
        match (self.fixed_connection(), self.fixed_data()) {
            (None, None) => self.fixed_collections(),
            (Some(text), _) | (None, Some(text)) => Some(text),
        }
    }

    const fn fixed_connection(&self) -> Option<&'static str> {
        Some(match self {
            Self::AuthBusy => "ERR too many authentications at once, try again later",
            Self::AuthNotConfigured => {
                "ERR AUTH <password> called without any password configured for the default \
                 user. Are you sure your configuration is correct?"
            }
            Self::CannotWait => "ERR this command cannot wait inside a transaction",
            Self::ClientIdsInvalid => "ERR Invalid client ID",
            Self::ClientNameInvalid => {
                "ERR Client names cannot contain spaces, newlines or special characters."
            }
            Self::ClientPauseMode => "ERR CLIENT PAUSE mode must be WRITE or ALL",
            Self::ConfigNoFile => "ERR The server is running without a config file",
            Self::DebugDisallowed => {
                "ERR DEBUG command not allowed. If the enable-debug-command option is set to \
                 \"local\", you can run it from a local connection, otherwise you need to set \
                 this option in the configuration file, and then restart the server."
            }
            Self::Denied(text) => text,
            Self::DiscardWithoutMulti => "ERR DISCARD without MULTI",
            Self::ExecAbort => "EXECABORT Transaction discarded because of previous errors.",
            Self::ExecAbortArity => {
                "EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' \
                 command"
            }
            Self::ExecAbortMemory => {
                "EXECABORT Transaction discarded because of: OOM command not allowed when used \
                 memory > 'maxmemory'."
            }
            Self::ExecWithoutMulti => "ERR EXEC without MULTI",
            Self::FilterPathInvalid => "ERR invalid JSON path in FILTER",
            Self::KillAge => "ERR maxage is not an integer or out of range",
            Self::KillId => "ERR client-id should be greater than 0",
            Self::MaxClientsPerIp => "ERR max number of clients per address reached",
            Self::MaxClients => "ERR max number of clients reached",
            Self::NestedMulti => "ERR MULTI calls can not be nested",
            Self::NoAuth => "NOAUTH Authentication required.",
            Self::NoAuthHello => {
                "NOAUTH HELLO must be called with the client already authenticated, otherwise \
                 the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the \
                 client and select the RESP protocol version at the same time"
            }
            Self::NoProto => "NOPROTO unsupported protocol version",
            Self::NoSuchClient => "ERR No such client",
            Self::ProtoVersionInvalid => "ERR Protocol version is not an integer or out of range",
            Self::PublishNotJson => "ERR message is not valid JSON",
            Self::PublishNotUtf8 => "ERR message is not valid UTF-8",
            Self::ShutdownNotInProgress => "ERR No shutdown in progress.",
            Self::SlowlogCountInvalid => "ERR count should be greater than or equal to -1",
            Self::TimeoutInvalid => "ERR timeout is not an integer or out of range",
            Self::TimeoutNegative => "ERR timeout is negative",
            Self::TimeoutNotAFloat => "ERR timeout is not a float or out of range",
            Self::TimeoutOutOfRange => "ERR timeout is out of range",
            Self::WaitAofWithoutLog => {
                "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."
            }
            Self::WatchInMulti => "ERR WATCH inside MULTI is not allowed",
            Self::WrongPass => "WRONGPASS invalid username-password pair or user is disabled.",
            _ => return None,
        })
    }

    const fn fixed_data(&self) -> Option<&'static str> {
        Some(match self {
            Self::BadKeyPositions => "ERR Invalid arguments specified for command",
            Self::CommandHasNoKeys => "ERR The command has no key arguments",
            Self::InvalidCursor => "ERR invalid cursor",
            Self::DbIndexInvalidFirst => "ERR invalid first DB index",
            Self::DbIndexInvalidSecond => "ERR invalid second DB index",
            Self::DbIndexOutOfRange => "ERR DB index is out of range",
            Self::DecrementOverflow => "ERR decrement would overflow",
            Self::ExpireConflict => {
                "ERR NX and XX, GT or LT options at the same time are not compatible"
            }
            Self::ExpireGtLtConflict => "ERR GT and LT options at the same time are not compatible",
            Self::NotAFloat => "ERR value is not a valid float",
            Self::InvalidCommandSpecified => "ERR Invalid command specified",
            Self::KeyCountInvalid => "ERR Invalid number of arguments specified for command",
            Self::LcsBothFlags => {
                "ERR If you want both the length and indexes, please just use IDX."
            }
            Self::LcsTooLong => {
                "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"
            }
            Self::LfuNotSelected => {
                "ERR An LFU maxmemory policy is not selected, access frequency not tracked. \
                 Please note that when switching between policies at runtime LRU and LFU data \
                 will take some time to adjust."
            }
            Self::LruNotSelected => {
                "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note \
                 that when switching between policies at runtime LRU and LFU data will take \
                 some time to adjust."
            }
            Self::NanOrInfinity => "ERR increment would produce NaN or Infinity",
            Self::NoSuchKey => "ERR no such key",
            Self::NotAnInt32 => {
                "ERR value is out of range, value must between -2147483648 and 2147483647"
            }
            Self::NotAnInteger => "ERR value is not an integer or out of range",
            Self::OffsetOutOfRange => "ERR offset is out of range",
            Self::OutOfMemory => "OOM command not allowed when used memory > 'maxmemory'.",
            Self::Overflow => "ERR increment or decrement would overflow",
            Self::SameObject => "ERR source and destination objects are the same",
            Self::SsubscribeInMulti => "ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client",
            Self::StringTooLong => "ERR string exceeds maximum allowed size (proto-max-bulk-len)",
            Self::Syntax => "ERR syntax error",
            Self::Unblocked => "UNBLOCKED client unblocked via CLIENT UNBLOCK",
            Self::WrongType => "WRONGTYPE Operation against a key holding the wrong kind of value",
            _ => return None,
        })
    }

    const fn fixed_collections(&self) -> Option<&'static str> {
        Some(match self {
            Self::CountNegative => "ERR COUNT can't be negative",
            Self::CountNotPositive => "ERR count should be greater than 0",
            Self::IndexOutOfRange => "ERR index out of range",
            Self::LexRangeInvalid => "ERR min or max not valid string range item",
            Self::LimitNegative => "ERR LIMIT can't be negative",
            Self::MaxLenNegative => "ERR MAXLEN can't be negative",
            Self::NotPositive => "ERR value is out of range, must be positive",
            Self::NumkeysNotPositive => "ERR numkeys should be greater than 0",
            Self::NumkeysTooMany => "ERR Number of keys can't be greater than number of args",
            Self::RangeLimitByRank => {
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or \
                 BYLEX"
            }
            Self::RangeScoresByLex => {
                "ERR syntax error, WITHSCORES not supported in combination with BYLEX"
            }
            Self::RankZero => {
                "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second \
                 ... or use negative to start from the end of the list"
            }
            Self::ScoreNan => "ERR resulting score is not a number (NaN)",
            Self::ScoreRangeInvalid => "ERR min or max is not a float",
            Self::SortNotANumber => "ERR One or more scores can't be converted into double",
            Self::ValueOutOfRange => "ERR value is out of range",
            Self::WeightNotAFloat => "ERR weight value is not a float",
            Self::ZaddGtLtNx => "ERR GT, LT, and/or NX options at the same time are not compatible",
            Self::ZaddIncrementPairs => "ERR INCR option supports a single increment-element pair",
            Self::ZaddNxXx => "ERR XX and NX options at the same time are not compatible",
            _ => return None,
        })
    }
}

/// Writes bytes as text for people; what a client gets is [`CommandError::write_wire`].
fn write_lossy(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    for chunk in bytes.utf8_chunks() {
        f.write_str(chunk.valid())?;
        if !chunk.invalid().is_empty() {
            f.write_char(char::REPLACEMENT_CHARACTER)?;
        }
    }
    Ok(())
}

/// What is wrong with a word that a client says of itself.
const NOT_A_WORD: &str = "cannot contain spaces, newlines or special characters.";

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = self.fixed() {
            return f.write_str(text);
        }
        match self {
            Self::ClientOptionInvalid(text) => write!(f, "ERR {text}"),
            Self::ClientTypeUnknown(name) => write!(f, "ERR Unknown client type '{name}'"),
            Self::ConfigImmutable(name) => write!(
                f,
                "ERR CONFIG SET failed (possibly related to argument '{name}') - can't set \
                 immutable config"
            ),
            Self::ConfigInvalid { name, reason } => write!(
                f,
                "ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}"
            ),
            Self::ConfigUnknown(name) => {
                write!(f, "ERR Unknown option or number of arguments for CONFIG SET - '{name}'")
            }
            Self::ExpireOptionUnknown(option) => write!(f, "ERR Unsupported option {option}"),
            Self::ExpireTimeInvalid(name) => {
                write!(f, "ERR invalid expire time in '{name}' command")
            }
            Self::Bitmap(error) => write!(f, "{error}"),
            Self::Durability(error) => write!(f, "{error}"),
            Self::Geo(error) => write!(f, "{error}"),
            Self::Dump(error) => write!(f, "{error}"),
            Self::Hash(error) => write!(f, "{error}"),
            Self::HyperLogLog(error) => write!(f, "{error}"),
            Self::HelloSyntax(option) => write!(f, "ERR Syntax error in HELLO option '{option}'"),
            Self::InputKeysMissing(name) => {
                write!(f, "ERR at least 1 input key is needed for '{name}' command")
            }
            Self::LatencyUnknown(event) => {
                f.write_str("ERR No samples available for event '")?;
                write_lossy(f, event)?;
                f.write_str("'")
            }
            Self::NoSuchUser(name) => write!(f, "ERR No such user '{name}'"),
            Self::NotInRange { min, max } => {
                write!(f, "ERR value is out of range, value must between {min} and {max}")
            }
            Self::NotSupported(what) => write!(f, "ERR {what}"),
            Self::Protocol(error) => write!(f, "{error}"),
            Self::SetInfoValueInvalid(name) => write!(f, "ERR {name} {NOT_A_WORD}"),
            Self::SetInfoInvalid(name) => write!(f, "ERR Unrecognized option '{name}'"),
            Self::Script(error) => write!(f, "{error}"),
            Self::Stream(error) => write!(f, "{error}"),
            Self::SubcommandUsage { container, name } => {
                f.write_str("ERR unknown subcommand or wrong number of arguments for '")?;
                write_lossy(f, &name[..name.len().min(QUOTED_BYTES_MAX)])?;
                write!(f, "'. Try {container} HELP.")
            }
            Self::SubscriberOnly(name) => write!(
                f,
                "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT \
                 / RESET are allowed in this context"
            ),
            Self::TimeSeries(error) => write!(f, "{error}"),
            Self::TrackingPrefix(text) => write!(f, "ERR {text}"),
            Self::UnknownCommand { .. } | Self::UnknownSubcommand { .. } => {
                let mut quoted = Vec::new();
                self.write_quoted(&mut quoted);
                write_lossy(f, &quoted)
            }
            Self::WrongArity(name) => {
                write!(f, "ERR wrong number of arguments for '{name}' command")
            }
            _ => unreachable!("every variant without data has a fixed text"),
        }
    }
}

impl std::error::Error for CommandError {}

impl From<DurabilityError> for CommandError {
    fn from(error: DurabilityError) -> Self {
        Self::Durability(error)
    }
}

impl From<BitmapError> for CommandError {
    fn from(error: BitmapError) -> Self {
        Self::Bitmap(error)
    }
}

impl From<GeoError> for CommandError {
    fn from(error: GeoError) -> Self {
        Self::Geo(error)
    }
}

impl From<DumpError> for CommandError {
    fn from(error: DumpError) -> Self {
        Self::Dump(error)
    }
}

impl From<HyperLogLogError> for CommandError {
    fn from(error: HyperLogLogError) -> Self {
        Self::HyperLogLog(error)
    }
}

impl From<HashError> for CommandError {
    fn from(error: HashError) -> Self {
        Self::Hash(error)
    }
}

impl From<ScriptError> for CommandError {
    fn from(error: ScriptError) -> Self {
        Self::Script(error)
    }
}

impl From<StreamError> for CommandError {
    fn from(error: StreamError) -> Self {
        Self::Stream(error)
    }
}

impl From<ProtocolError> for CommandError {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

impl From<TimeSeriesError> for CommandError {
    fn from(error: TimeSeriesError) -> Self {
        Self::TimeSeries(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_the_first_word_of_the_text() {
        let errors = [
            CommandError::ExecAbort,
            CommandError::NoAuth,
            CommandError::NoProto,
            CommandError::OutOfMemory,
            CommandError::Syntax,
            CommandError::WrongPass,
            CommandError::WrongType,
            CommandError::Denied("DENIED running in protected mode"),
            CommandError::WrongArity("get".into()),
            CommandError::ExpireTimeInvalid("set"),
            ProtocolError::ExpectedDollar(b'x').into(),
        ];
        for error in errors {
            let text = error.to_string();
            assert_eq!(text.split(' ').next(), Some(error.code()), "{text}");
            assert!(!text.contains("  "), "a broken literal: {text}");
        }
    }

    #[test]
    fn an_unknown_command_quotes_its_first_128_bytes() {
        let error = CommandError::unknown_command(&[b"foo", b"a\nb", &[b'x'; 200], b"no room"]);
        let long = "x".repeat(128 - 6);
        let want = format!("ERR unknown command 'foo', with args beginning with: 'a b' '{long}' ");
        assert_eq!(wire(&error), want.as_bytes());
        assert_eq!(error.to_string().replace('\n', " "), want);
    }

    fn wire(error: &CommandError) -> Vec<u8> {
        let mut out = Vec::new();
        error.write_wire(&mut out);
        out
    }

    #[test]
    fn the_bytes_of_a_client_come_back_as_they_were() {
        let got = wire(&ProtocolError::ExpectedDollar(0xff).into());
        assert_eq!(got, b"ERR Protocol error: expected '$', got '\xff'");
        let got = wire(&ProtocolError::ExpectedDollar(b'\r').into());
        assert_eq!(got, b"ERR Protocol error: expected '$', got ' '");
        let subcommand = |name: &[u8]| CommandError::UnknownSubcommand {
            container: "CLIENT".into(),
            name: name.to_vec(),
        };
        assert_eq!(
            wire(&subcommand(b"\xe9\n")),
            b"ERR unknown subcommand '\xe9 '. Try CLIENT HELP."
        );
        let long = subcommand(&[b'a'; 200]).to_string();
        assert_eq!(long.matches('a').count(), 128 + "subcommand".matches('a').count());
    }

    #[test]
    fn protocol_errors_have_the_words_of_redis() {
        assert_eq!(
            ProtocolError::ExpectedDollar(b'x').to_string(),
            "ERR Protocol error: expected '$', got 'x'"
        );
        assert_eq!(
            ProtocolError::UnauthenticatedMultibulk.to_string(),
            "ERR Protocol error: unauthenticated multibulk length"
        );
    }
}
