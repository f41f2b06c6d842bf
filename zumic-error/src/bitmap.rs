//! The errors that only commands on bits answer with.

use std::fmt;

/// A failure of a bitmap command; a variant's `Display` is the line on the wire.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "each variant is explained by its text below")]
pub enum BitmapError {
    BitInvalid,
    FieldTypeInvalid,
    OffsetInvalid,
    OneSource,
    OverflowInvalid,
    ReadOnly,
    SoughtInvalid,
    TwoSources(&'static str),
}

impl fmt::Display for BitmapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BitInvalid => "ERR bit is not an integer or out of range",
            Self::FieldTypeInvalid => {
                "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not \
                 supported but i64 is."
            }
            Self::OffsetInvalid => "ERR bit offset is not an integer or out of range",
            Self::OneSource => "ERR BITOP NOT must be called with a single source key.",
            Self::OverflowInvalid => "ERR Invalid OVERFLOW type specified",
            Self::ReadOnly => "ERR BITFIELD_RO only supports the GET subcommand",
            Self::SoughtInvalid => "ERR The bit argument must be 1 or 0.",
            Self::TwoSources(what) => {
                return write!(f, "ERR BITOP {what} must be called with at least two source keys.");
            }
        })
    }
}

impl std::error::Error for BitmapError {}
