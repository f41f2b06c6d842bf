//! The types a value can have.

/// The type of a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Kind {
    /// A string.
    String = 0,
    /// A list.
    List = 1,
    /// A set.
    Set = 2,
    /// A hash.
    Hash = 3,
    /// A sorted set.
    SortedSet = 4,
    /// A stream.
    Stream = 5,
    /// A time series.
    TimeSeries = 6,
}

impl Kind {
    /// The name that TYPE answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::List => "list",
            Self::Set => "set",
            Self::Hash => "hash",
            Self::SortedSet => "zset",
            Self::Stream => "stream",
            Self::TimeSeries => "TSDB-TYPE",
        }
    }

    /// The kind in the low three bits of a record's `meta`.
    #[inline]
    pub(crate) fn from_bits(bits: u32) -> Self {
        match bits & 7 {
            1 => Self::List,
            2 => Self::Set,
            3 => Self::Hash,
            4 => Self::SortedSet,
            5 => Self::Stream,
            6 => Self::TimeSeries,
            _ => Self::String,
        }
    }
}
