//! One reply of a server, as the client shows it.
//!
//! Why it exists: what the wire distinguishes and what a person wants to see are not the same
//! thing. A bulk error and a simple error print alike, so do the three forms of null, and
//! attributes, which only annotate the reply behind them, are dropped. Not for parsing: that is
//! the `protocol` crate's work.

use protocol::Frame;
use protocol::frame::double_text;

/// A reply to print. Bytes stay bytes: nothing here assumes UTF-8.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// A list, in the server's order.
    Array(Vec<Self>),
    /// An integer too large for 64 bits, in decimal.
    BigNumber(Vec<u8>),
    /// True or false (RESP3).
    Boolean(bool),
    /// A binary-safe string.
    Bulk(Vec<u8>),
    /// A floating-point number, in its shortest digits.
    Double(Vec<u8>),
    /// An error: its code, a space, and the text.
    Error(Vec<u8>),
    /// A signed integer.
    Integer(i64),
    /// Pairs of key and value, in the server's order (RESP3).
    Map(Vec<(Self, Self)>),
    /// No value.
    Null,
    /// A message that answers no request (RESP3).
    Push(Vec<Self>),
    /// A collection without order or duplicates (RESP3).
    Set(Vec<Self>),
    /// Members with their scores (ZSP version 4).
    SortedSet(Vec<(Self, Self)>),
    /// A short text without line breaks, such as `OK`.
    Status(Vec<u8>),
    /// Text that is meant to be shown as it is (RESP3).
    Verbatim(Vec<u8>),
}

impl Reply {
    /// The text of a string-like reply; `None` for everything else.
    ///
    /// # Examples
    /// ```
    /// use server::cli::reply::Reply;
    /// assert_eq!(Reply::Status(b"OK".to_vec()).text(), Some(&b"OK"[..]));
    /// assert_eq!(Reply::Integer(1).text(), None);
    /// ```
    #[must_use]
    pub fn text(&self) -> Option<&[u8]> {
        match self {
            Self::Bulk(text) | Self::Status(text) | Self::Verbatim(text) => Some(text),
            _ => None,
        }
    }

    /// The error's text, code included; `None` when this is not an error.
    #[must_use]
    pub fn error(&self) -> Option<&[u8]> {
        match self {
            Self::Error(text) => Some(text),
            _ => None,
        }
    }

    /// The elements of a list-like reply; `None` for scalars, maps and sorted sets.
    #[must_use]
    pub fn elements(&self) -> Option<&[Self]> {
        match self {
            Self::Array(elements) | Self::Push(elements) | Self::Set(elements) => Some(elements),
            _ => None,
        }
    }

    /// The pairs of a map, or of the flat list that RESP2 sends in its place (an odd last element
    /// is dropped). Empty for every other reply. Cost: O(pairs).
    ///
    /// # Examples
    /// ```
    /// use server::cli::reply::Reply;
    /// let flat = Reply::Array(vec![Reply::Integer(1), Reply::Null]);
    /// assert_eq!(flat.pairs(), vec![(&Reply::Integer(1), &Reply::Null)]);
    /// ```
    #[must_use]
    pub fn pairs(&self) -> Vec<(&Self, &Self)> {
        match self {
            Self::Map(pairs) | Self::SortedSet(pairs) => {
                pairs.iter().map(|(key, value)| (key, value)).collect()
            }
            Self::Array(flat) => flat.chunks_exact(2).map(|pair| (&pair[0], &pair[1])).collect(),
            _ => Vec::new(),
        }
    }
}

impl From<Frame> for Reply {
    fn from(frame: Frame) -> Self {
        let list = |frames: Vec<Frame>| frames.into_iter().map(Self::from).collect();
        match frame {
            Frame::Array(frames) => Self::Array(list(frames)),
            Frame::Attribute(_, reply) => Self::from(*reply),
            Frame::BigNumber(digits) => Self::BigNumber(digits.into_bytes()),
            Frame::Boolean(value) => Self::Boolean(value),
            Frame::Bulk(text) => Self::Bulk(text),
            Frame::BulkError(text) | Frame::Error(text) => Self::Error(text),
            Frame::Double(number) => Self::Double(double_text(number).into_bytes()),
            Frame::Integer(number) => Self::Integer(number),
            Frame::Map(pairs) => {
                Self::Map(pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
            }
            Frame::Null | Frame::NullArray | Frame::NullBulk => Self::Null,
            Frame::Push(frames) => Self::Push(list(frames)),
            Frame::Scored(members) => {
                let pair = |(member, score)| {
                    (Self::Bulk(member), Self::Double(double_text(score).into_bytes()))
                };
                Self::SortedSet(members.into_iter().map(pair).collect())
            }
            Frame::Set(frames) => Self::Set(list(frames)),
            Frame::Simple(text) => Self::Status(text),
            Frame::Verbatim(_, text) => Self::Verbatim(text),
        }
    }
}
