//! What a client did wrong on the wire, so that its connection is closed after the answer.

use std::fmt;

/// A request that is not ZSP, or beyond a limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ProtocolError {
    /// A bulk string was announced by something else than `$`.
    ExpectedDollar(u8),
    /// A bulk length that is no number, negative, or above the limit.
    InvalidBulkLength,
    /// An argument count that is no number or above the limit.
    InvalidMultibulkLength,
    /// The line of a bulk length is longer than any length.
    TooBigBulkCount,
    /// An inline request above its limit.
    TooBigInline,
    /// The line of an argument count is longer than any count.
    TooBigMultibulkCount,
    /// A bulk above the limit that holds before authentication.
    UnauthenticatedBulk,
    /// More arguments than are allowed before authentication.
    UnauthenticatedMultibulk,
    /// Quotes of an inline request that do not close, or close inside a word.
    UnbalancedQuotes,
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ERR Protocol error: ")?;
        match self {
            Self::ExpectedDollar(got) => write!(f, "expected '$', got '{}'", char::from(*got)),
            Self::InvalidBulkLength => f.write_str("invalid bulk length"),
            Self::InvalidMultibulkLength => f.write_str("invalid multibulk length"),
            Self::TooBigBulkCount => f.write_str("too big bulk count string"),
            Self::TooBigInline => f.write_str("too big inline request"),
            Self::TooBigMultibulkCount => f.write_str("too big mbulk count string"),
            Self::UnauthenticatedBulk => f.write_str("unauthenticated bulk length"),
            Self::UnauthenticatedMultibulk => f.write_str("unauthenticated multibulk length"),
            Self::UnbalancedQuotes => f.write_str("unbalanced quotes in request"),
        }
    }
}

impl std::error::Error for ProtocolError {}
