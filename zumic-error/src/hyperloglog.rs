//! The errors that only commands on HyperLogLogs answer with.

use std::fmt;

/// A failure of a HyperLogLog command; a variant's `Display` is the line on the wire.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "each variant is explained by its text below")]
pub enum HyperLogLogError {
    Corrupt,
    Invalid,
    KeyMissing,
    NotSparse,
    SelfTest(&'static str),
    SubcommandUnknown(String),
}

impl fmt::Display for HyperLogLogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Corrupt => "INVALIDOBJ Corrupted HLL object detected",
            Self::Invalid => "WRONGTYPE Key is not a valid HyperLogLog string value.",
            Self::KeyMissing => "ERR The specified key does not exist",
            Self::NotSparse => "ERR HLL encoding is not sparse",
            Self::SelfTest(what) => {
                return write!(f, "ERR TESTFAILED {what}");
            }
            Self::SubcommandUnknown(what) => {
                return write!(f, "ERR Unknown PFDEBUG subcommand '{what}'");
            }
        })
    }
}

impl std::error::Error for HyperLogLogError {}

impl HyperLogLogError {
    /// The first word of the text, by which clients tell errors apart.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Corrupt => "INVALIDOBJ",
            Self::Invalid => "WRONGTYPE",
            _ => "ERR",
        }
    }
}
