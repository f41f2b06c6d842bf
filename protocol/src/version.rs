//! The protocol versions a connection may speak.

/// What the server sends on a connection; chosen by HELLO, 2 at connect.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Version {
    /// RESP2.
    #[default]
    Two,
    /// RESP3.
    Three,
    /// RESP3 and the ZSP extensions.
    Four,
}

impl Version {
    /// The version with this number, or `None` if there is none.
    ///
    /// # Examples
    /// ```
    /// use protocol::Version;
    /// assert_eq!(Version::from_number(3), Some(Version::Three));
    /// assert_eq!(Version::from_number(5), None);
    /// ```
    #[must_use]
    pub const fn from_number(number: i64) -> Option<Self> {
        match number {
            2 => Some(Self::Two),
            3 => Some(Self::Three),
            4 => Some(Self::Four),
            _ => None,
        }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Two => 2,
            Self::Three => 3,
            Self::Four => 4,
        }
    }
}
