//! What is wrong with bytes that should have been a value.
//!
//! Why it exists: dumps come from the network and from disks, so every flaw is an answer and never
//! a panic; whoever reads a file adds where the value begins.

use std::fmt;

/// A flaw and where it was met.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Damage {
    /// Offset in the bytes that were given, of what could not be read.
    pub at: usize,
    /// What is wrong there.
    pub flaw: Flaw,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flaw {
    /// LZF data that does not make what it says.
    Compressed,
    /// More elements or bytes are announced than the rest of the input can hold.
    Count,
    /// A deadline that is no time.
    Deadline,
    /// A field or member is there twice.
    Duplicate,
    /// A value without elements; Redis skips such keys when it loads a file.
    Empty,
    /// A length or the encoding of a string that is none.
    Length,
    /// A listpack that is none.
    Listpack,
    /// A value of a module's type, with the name of the type.
    Module([u8; 9]),
    /// Integers that do not ascend, or in a width that is none.
    NotAnIntset,
    /// A score that is no number.
    Score,
    /// A time series that is none.
    Series,
    /// A stream that contradicts itself.
    Stream,
    /// Bytes are left over behind the value.
    Surplus,
    /// The input ends before the value does.
    Truncated,
    /// A type that is not known.
    Type(u8),
    /// A ziplist that is none.
    Ziplist,
    /// A zipmap that is none.
    Zipmap,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Compressed => "LZF data does not expand to its announced length",
            Self::Count => "more is announced than the input can hold",
            Self::Deadline => "a field's deadline is no time",
            Self::Duplicate => "a field or member is there twice",
            Self::Empty => "a value has no elements",
            Self::Length => "no such length or string encoding",
            Self::Listpack => "a listpack is damaged",
            Self::Module(name) => {
                let name = String::from_utf8_lossy(name);
                return write!(f, "a value of the module type '{name}', which is not supported");
            }
            Self::NotAnIntset => "an intset is damaged",
            Self::Score => "a score is no number",
            Self::Series => "a time series is damaged",
            Self::Stream => "a stream contradicts itself",
            Self::Surplus => "bytes are left over behind the value",
            Self::Truncated => "the input ends too early",
            Self::Type(number) => return write!(f, "no value has the type {number}"),
            Self::Ziplist => "a ziplist is damaged",
            Self::Zipmap => "a zipmap is damaged",
        };
        f.write_str(text)
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (byte {})", self.flaw, self.at)
    }
}

impl std::error::Error for Damage {}
