//! Replies as they came over the wire, with their types kept apart.
//!
//! Why it exists: `+OK` and `$2 OK`, a null bulk and a null array, an array of pairs and a map
//! are different answers to a client, so they must be different values to a test. Not a
//! general decoder: a malformed reply panics, because in a test it is a failure.

use std::fmt;

/// One reply. Text is bytes, because Redis's is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Reply {
    /// `*`; `None` is RESP2's null array.
    Array(Option<Vec<Self>>),
    /// `|`, with the reply that it decorates.
    Attribute(Vec<Self>, Box<Self>),
    /// `(`.
    BigNumber(Vec<u8>),
    /// `#`.
    Boolean(bool),
    /// `$`; `None` is RESP2's null bulk string.
    Bulk(Option<Vec<u8>>),
    /// `!`.
    BulkError(Vec<u8>),
    /// `,`, as its text: two spellings of one number are two answers.
    Double(Vec<u8>),
    /// `-`.
    Error(Vec<u8>),
    /// `:`.
    Integer(i64),
    /// `%`, keys and values alternating.
    Map(Vec<Self>),
    /// `_`.
    Null,
    /// `>`.
    Push(Vec<Self>),
    /// `~`.
    Set(Vec<Self>),
    /// `+`.
    Simple(Vec<u8>),
    /// `^`, members and scores alternating (version 4).
    SortedSet(Vec<Self>),
    /// `=`, with its three-letter format.
    Verbatim(Vec<u8>),
}

impl Reply {
    /// A bulk string, for comparisons.
    pub(crate) fn bulk(text: impl AsRef<[u8]>) -> Self {
        Self::Bulk(Some(text.as_ref().to_vec()))
    }

    /// A simple string, for comparisons.
    pub(crate) fn simple(text: &str) -> Self {
        Self::Simple(text.as_bytes().to_vec())
    }

    /// The array of `elements`, for comparisons.
    pub(crate) fn array(elements: impl IntoIterator<Item = Self>) -> Self {
        Self::Array(Some(elements.into_iter().collect()))
    }

    /// True for the nulls of both protocols.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Null | Self::Bulk(None) | Self::Array(None))
    }

    /// True for errors, bulk errors included.
    pub(crate) fn is_error(&self) -> bool {
        matches!(self, Self::Error(_) | Self::BulkError(_))
    }

    /// The text of a simple string, bulk string, verbatim string (without its format), error,
    /// double or integer.
    ///
    /// # Panics
    /// When the reply is none of these.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Simple(text) | Self::Error(text) | Self::BulkError(text) => lossy(text),
            Self::Bulk(Some(text)) | Self::Double(text) | Self::BigNumber(text) => lossy(text),
            Self::Verbatim(text) => lossy(text.get(4..).unwrap_or_default()),
            Self::Integer(number) => number.to_string(),
            other => panic!("no text in {other}"),
        }
    }

    /// The number in an integer reply.
    ///
    /// # Panics
    /// When the reply is not an integer.
    pub(crate) fn integer(&self) -> i64 {
        match self {
            Self::Integer(number) => *number,
            other => panic!("not an integer: {other}"),
        }
    }

    /// The elements of an array, set, push or map (flattened).
    ///
    /// # Panics
    /// When the reply has no elements.
    pub(crate) fn elements(&self) -> &[Self] {
        match self {
            Self::Array(Some(elements))
            | Self::Set(elements)
            | Self::Push(elements)
            | Self::SortedSet(elements)
            | Self::Map(elements) => elements,
            other => panic!("no elements in {other}"),
        }
    }

    /// The value beside `key` in a map, or in the flat array that RESP2 makes of one.
    pub(crate) fn field(&self, key: &str) -> Option<&Self> {
        self.elements().chunks(2).find(|pair| pair[0].text() == key).map(|pair| &pair[1])
    }
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// Text in quotes with everything outside printable ASCII escaped, as the scripts write it.
pub(crate) fn quoted(text: &[u8]) -> String {
    format!("\"{}\"", text.escape_ascii())
}

/// The notation of the wire scripts (see `expect`), so that a failure can be pasted back.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Array(None) => write!(f, "*_"),
            Self::Array(Some(elements)) => list(f, "[", elements, "]"),
            Self::Attribute(fields, inner) => {
                list(f, "|{", fields, "}")?;
                write!(f, " {inner}")
            }
            Self::BigNumber(text) => write!(f, "({}", lossy(text)),
            Self::Boolean(value) => write!(f, "#{}", if *value { 't' } else { 'f' }),
            Self::Bulk(None) => write!(f, "$_"),
            Self::Bulk(Some(text)) => f.write_str(&quoted(text)),
            Self::BulkError(text) => write!(f, "!{}", quoted(text)),
            Self::Double(text) => write!(f, ",{}", lossy(text)),
            Self::Error(text) => write!(f, "-{}", quoted(text)),
            Self::Integer(number) => write!(f, ":{number}"),
            Self::Map(fields) => list(f, "%{", fields, "}"),
            Self::Null => write!(f, "_"),
            Self::Push(elements) => list(f, ">[", elements, "]"),
            Self::Set(elements) => list(f, "~[", elements, "]"),
            Self::Simple(text) => write!(f, "+{}", lossy(text)),
            Self::SortedSet(elements) => list(f, "^[", elements, "]"),
            Self::Verbatim(text) => write!(f, "={}", quoted(text)),
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, open: &str, elements: &[Reply], close: &str) -> fmt::Result {
    f.write_str(open)?;
    for (index, element) in elements.iter().enumerate() {
        if index > 0 {
            f.write_str(" ")?;
        }
        write!(f, "{element}")?;
    }
    f.write_str(close)
}
