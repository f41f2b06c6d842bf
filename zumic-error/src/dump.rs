//! The errors that only DUMP, RESTORE and MIGRATE answer with.

use std::fmt;

/// A failure of one of them; a variant's `Display` is the line on the wire.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "each variant is explained by its text below")]
pub enum DumpError {
    BadFormat,
    BusyKey,
    FrequencyInvalid,
    IdleInvalid,
    Payload,
    TtlInvalid,
}

impl fmt::Display for DumpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadFormat => "ERR Bad data format",
            Self::BusyKey => "BUSYKEY Target key name already exists.",
            Self::FrequencyInvalid => "ERR Invalid FREQ value, must be >= 0 and <= 255",
            Self::IdleInvalid => "ERR Invalid IDLETIME value, must be >= 0",
            Self::Payload => "ERR DUMP payload version or checksum are wrong",
            Self::TtlInvalid => "ERR Invalid TTL value, must be >= 0",
        })
    }
}

impl std::error::Error for DumpError {}

impl DumpError {
    /// The first word of the text, by which clients tell errors apart.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::BusyKey => "BUSYKEY",
            _ => "ERR",
        }
    }
}
