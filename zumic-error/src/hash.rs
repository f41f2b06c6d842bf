//! The errors that only commands of hashes answer with.

use std::fmt;

/// A failure of a hash command; a variant's `Display` is the line on the wire.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "each variant is explained by its text below")]
pub enum HashError {
    ConditionConflict,
    CountTooLarge,
    ExpireTimeMissing,
    ExpireTimeNegative,
    ExpiryConflict,
    FieldCountInvalid,
    FieldCountMismatch,
    FieldCountNotPositive,
    FieldCountZero,
    FieldsMissing,
    NanOrInfinity,
    NotAFloat,
    NotAnInteger,
    UnknownArgument(String),
}

impl fmt::Display for HashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ConditionConflict => "ERR Only one of FXX or FNX arguments can be specified",
            Self::CountTooLarge => "ERR count asks for more random fields than a reply may hold",
            Self::ExpireTimeMissing => "ERR missing expire time",
            Self::ExpireTimeNegative => "ERR invalid expire time, must be >= 0",
            Self::ExpiryConflict => {
                "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified"
            }
            Self::FieldCountInvalid => "ERR invalid number of fields",
            Self::FieldCountMismatch => {
                "ERR The `numfields` parameter must match the number of arguments"
            }
            Self::FieldCountNotPositive => "ERR Number of fields must be a positive integer",
            Self::FieldCountZero => "ERR Parameter `numFields` should be greater than 0",
            Self::FieldsMissing => {
                "ERR Mandatory argument FIELDS is missing or not at the right position"
            }
            Self::NanOrInfinity => "ERR value is NaN or Infinity",
            Self::NotAFloat => "ERR hash value is not a float",
            Self::NotAnInteger => "ERR hash value is not an integer",
            Self::UnknownArgument(argument) => {
                return write!(f, "ERR unknown argument: {argument}");
            }
        })
    }
}

impl std::error::Error for HashError {}
