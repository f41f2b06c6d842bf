//! What a string key holds, as a handler sees it and as a handler gives it back.
//!
//! Why it exists: a record's bytes have three shapes (an integer, bytes in the record, a large
//! chunked string); commands should match on that once, here.

use std::borrow::Cow;

use crate::collection::Stored;
use crate::large::LARGE_BYTES_MIN;
use crate::record::{NewRecord, Value};
use crate::{LargeString, ReplySink};

/// The value of a string record, borrowed from it.
#[derive(Clone, Copy, Debug)]
pub enum Text<'r> {
    /// A number in the canonical decimal form, stored as eight bytes.
    Int(i64),
    /// Above the embedding limit: in chunks, shared between versions of the value.
    Large(&'r LargeString),
    /// Bytes embedded in the record.
    Slice(&'r [u8]),
}

impl<'r> Text<'r> {
    /// Length of the decimal or byte form, in bytes.
    #[must_use]
    pub fn len(self) -> usize {
        match self {
            Self::Int(number) => itoa::Buffer::new().format(number).len(),
            Self::Large(large) => large.len(),
            Self::Slice(bytes) => bytes.len(),
        }
    }

    /// Whether the string is empty.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The bytes in one piece. Copies integers and large strings.
    #[must_use]
    pub fn to_bytes(self) -> Cow<'r, [u8]> {
        match self {
            Self::Int(number) => Cow::Owned(itoa::Buffer::new().format(number).into()),
            Self::Large(large) => Cow::Owned(large.to_vec()),
            Self::Slice(bytes) => Cow::Borrowed(bytes),
        }
    }

    /// Writes the string as one bulk reply, without copying a large one.
    pub fn write(self, sink: &mut dyn ReplySink) {
        match self {
            Self::Int(number) => sink.bulk(itoa::Buffer::new().format(number).as_bytes()),
            Self::Large(large) => sink.bulk_large(large),
            Self::Slice(bytes) => sink.bulk(bytes),
        }
    }
}

/// A string value on its way into a record.
#[derive(Clone, Debug)]
pub enum NewText<'v> {
    /// Bytes made by the command, as if a client had sent them.
    Fresh(Vec<u8>),
    /// Stored as an integer (`OBJECT ENCODING` says `int`).
    Int(i64),
    /// Shares its chunks with the value it was derived from.
    Large(LargeString),
    /// Bytes changed in place (APPEND, SETRANGE): `OBJECT ENCODING` says `raw`.
    Owned(Vec<u8>),
    /// Bytes of an argument. Stored raw: never turned into an integer.
    Slice(&'v [u8]),
}

impl<'v> NewText<'v> {
    /// The string as readers see it.
    #[must_use]
    pub fn as_text(&self) -> Text<'_> {
        match self {
            Self::Fresh(bytes) | Self::Owned(bytes) => Text::Slice(bytes),
            Self::Int(number) => Text::Int(*number),
            Self::Large(large) => Text::Large(large),
            Self::Slice(bytes) => Text::Slice(bytes),
        }
    }

    /// Chooses the encoding as SET does: canonical 64-bit decimals become integers.
    #[must_use]
    pub fn encode(bytes: &'v [u8]) -> Self {
        match crate::commands::number::integer(bytes) {
            Some(number) => Self::Int(number),
            None => Self::Slice(bytes),
        }
    }
}

/// A string value and its deadline, to be stored whole.
#[derive(Clone, Debug)]
pub struct Put<'v> {
    /// The value.
    pub text: NewText<'v>,
    /// Unix time in milliseconds from which the key does not exist; `None` for never.
    pub expire_at_ms: Option<u64>,
}

impl Put<'_> {
    /// The record of `key` that holds it.
    pub(crate) fn record(self, key: &[u8]) -> NewRecord {
        let value = match &self.text {
            NewText::Int(number) => Value::Int(*number),
            NewText::Large(large) => Value::Large(large.clone()),
            NewText::Fresh(bytes) | NewText::Owned(bytes) if bytes.len() >= LARGE_BYTES_MIN => {
                Value::Large(LargeString::from_slice(bytes))
            }
            NewText::Slice(bytes) if bytes.len() >= LARGE_BYTES_MIN => {
                Value::Large(LargeString::from_slice(bytes))
            }
            NewText::Owned(bytes) => Value::Bytes { bytes, made_raw: true },
            NewText::Fresh(bytes) => Value::Bytes { bytes, made_raw: false },
            NewText::Slice(bytes) => Value::Bytes { bytes, made_raw: false },
        };
        NewRecord::new(key, value, self.expire_at_ms)
    }
}

/// What an update decided to do with a key.
#[derive(Clone, Debug)]
pub enum Change<'v> {
    /// Leave the key as it is; nothing is written, logged or notified.
    Keep,
    /// Store this value in place of whatever is there.
    Put(Put<'v>),
    /// Keep the value as it is (any type) under another deadline.
    Expire(Option<u64>),
    /// Delete the key.
    Remove,
    /// Store this collection, under this deadline, in place of whatever is there.
    Store(Stored, Option<u64>),
}

impl Change<'_> {
    /// Whether it writes, given whether the key is there.
    #[inline]
    #[must_use]
    pub(crate) fn writes(&self, is_live: bool) -> bool {
        match self {
            Self::Keep => false,
            Self::Put(_) | Self::Store(..) => true,
            Self::Expire(_) | Self::Remove => is_live,
        }
    }
}
