//! A reply as a tree, for those who read replies: clients, tools, tests.
//!
//! Not for the server's hot path, which writes replies piece by piece ([`crate::encode`]).

use crate::encode::Encoder;
use crate::number::write_double;
use crate::version::Version;

/// A member of a sorted set and its score.
pub type Member = (Vec<u8>, f64);

/// One frame of any version.
#[derive(Clone, Debug)]
pub enum Frame {
    /// `*`
    Array(Vec<Self>),
    /// `|`: pairs that describe the frame that follows them.
    Attribute(Vec<(Self, Self)>, Box<Self>),
    /// `(`: decimal digits.
    BigNumber(String),
    /// `#`
    Boolean(bool),
    /// `$`
    Bulk(Vec<u8>),
    /// `!`
    BulkError(Vec<u8>),
    /// `,`
    Double(f64),
    /// `-`
    Error(Vec<u8>),
    /// `:`
    Integer(i64),
    /// `%`
    Map(Vec<(Self, Self)>),
    /// `_`
    Null,
    /// `*-1`, version 2's null array.
    NullArray,
    /// `$-1`, version 2's null string.
    NullBulk,
    /// `>`
    Push(Vec<Self>),
    /// `^`: members with scores, version 4.
    Scored(Vec<Member>),
    /// `~`
    Set(Vec<Self>),
    /// `+`
    Simple(Vec<u8>),
    /// `=`: a format of three letters, and text.
    Verbatim([u8; 3], Vec<u8>),
}

impl PartialEq for Frame {
    /// As expected, and a NaN equals a NaN, so that what was written compares to what was read.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Array(a), Self::Array(b))
            | (Self::Push(a), Self::Push(b))
            | (Self::Set(a), Self::Set(b)) => a == b,
            (Self::Attribute(a, x), Self::Attribute(b, y)) => a == b && x == y,
            (Self::BigNumber(a), Self::BigNumber(b)) => a == b,
            (Self::Boolean(a), Self::Boolean(b)) => a == b,
            (Self::Bulk(a), Self::Bulk(b))
            | (Self::BulkError(a), Self::BulkError(b))
            | (Self::Error(a), Self::Error(b))
            | (Self::Simple(a), Self::Simple(b)) => a == b,
            (Self::Double(a), Self::Double(b)) => same_double(*a, *b),
            (Self::Integer(a), Self::Integer(b)) => a == b,
            (Self::Map(a), Self::Map(b)) => a == b,
            (Self::Null, Self::Null)
            | (Self::NullArray, Self::NullArray)
            | (Self::NullBulk, Self::NullBulk) => true,
            (Self::Scored(a), Self::Scored(b)) => {
                let same = |(a, b): (&Member, &Member)| a.0 == b.0 && same_double(a.1, b.1);
                a.len() == b.len() && a.iter().zip(b).all(same)
            }
            (Self::Verbatim(f, a), Self::Verbatim(g, b)) => f == g && a == b,
            _ => false,
        }
    }
}

fn same_double(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

impl Frame {
    /// Appends the frame as it stands; a frame of a later version is not turned into an older one.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut encoder = Encoder::new(out, Version::Four);
        match self {
            Self::Array(items) => encoder.array(items.len()),
            Self::Attribute(pairs, _) => encoder.attribute(pairs.len()),
            Self::BigNumber(digits) => encoder.big_number(digits),
            Self::Boolean(value) => encoder.boolean(*value),
            Self::Bulk(bytes) => encoder.bulk(bytes),
            Self::BulkError(text) => encoder.bulk_error(text),
            Self::Double(number) => encoder.double(*number),
            Self::Error(text) => line(out, b'-', text),
            Self::Integer(number) => encoder.integer(*number),
            Self::Map(pairs) => encoder.map(pairs.len()),
            Self::Null => encoder.null(),
            Self::NullArray => out.extend_from_slice(b"*-1\r\n"),
            Self::NullBulk => out.extend_from_slice(b"$-1\r\n"),
            Self::Push(items) => encoder.push(items.len()),
            Self::Scored(members) => encoder.scored(members.len()),
            Self::Set(items) => encoder.set(items.len()),
            Self::Simple(text) => line(out, b'+', text),
            Self::Verbatim(format, text) => encoder.verbatim(*format, text),
        }
        self.encode_inside(out);
    }

    fn encode_inside(&self, out: &mut Vec<u8>) {
        match self {
            Self::Array(items) | Self::Push(items) | Self::Set(items) => {
                items.iter().for_each(|item| item.encode(out));
            }
            Self::Map(pairs) => encode_pairs(pairs, out),
            Self::Attribute(pairs, reply) => {
                encode_pairs(pairs, out);
                reply.encode(out);
            }
            Self::Scored(members) => {
                for (member, score) in members {
                    let mut encoder = Encoder::new(out, Version::Four);
                    encoder.bulk(member);
                    encoder.double(*score);
                }
            }
            _ => {}
        }
    }

    /// The text of an error frame.
    #[must_use]
    pub fn as_error(&self) -> Option<&[u8]> {
        match self {
            Self::BulkError(text) | Self::Error(text) => Some(text),
            _ => None,
        }
    }

    /// The bytes of any kind of string.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bulk(bytes) | Self::Simple(bytes) | Self::Verbatim(_, bytes) => Some(bytes),
            _ => None,
        }
    }
}

fn line(out: &mut Vec<u8>, kind: u8, text: &[u8]) {
    out.push(kind);
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}

fn encode_pairs(pairs: &[(Frame, Frame)], out: &mut Vec<u8>) {
    for (key, value) in pairs {
        key.encode(out);
        value.encode(out);
    }
}

/// The text of a double, for people and tests.
#[must_use]
pub fn double_text(number: f64) -> String {
    let mut out = Vec::new();
    write_double(&mut out, number);
    String::from_utf8(out).expect("digits are ASCII")
}
