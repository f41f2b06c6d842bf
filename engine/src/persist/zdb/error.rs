//! What is wrong with a snapshot file, and where.

use std::fmt;
use std::io;

use crate::persist::rdb::Damage;

/// A file that cannot be read.
#[derive(Debug)]
pub enum ZdbError {
    /// The file contradicts itself, ends too early, or is no snapshot.
    Damaged {
        /// Offset in the file of the block or the fixed part that is wrong.
        at: u64,
        /// What is wrong there.
        flaw: ZdbFlaw,
    },
    /// The system could not read it.
    Io(io::Error),
}

/// What is wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ZdbFlaw {
    /// A block's header does not have the hash it says, or is not of this file.
    BlockHeader,
    /// A block is of a kind, a compression or a size that is none.
    BlockKind,
    /// A block is missing, or there twice.
    BlockOrder,
    /// A block's content does not have the hash its header says.
    Content,
    /// What was compressed does not expand to its announced length.
    Compressed,
    /// The counts at the end are not those of the file.
    Counts,
    /// A key is there twice.
    Duplicate,
    /// An entry is none, or its value is damaged.
    Entry(Damage),
    /// The end of the file does not have the hash it says.
    Footer,
    /// The beginning of the file does not have the hash it says.
    Header,
    /// Parts of a value are missing, or there twice.
    Parts,
    /// The file ends before its end mark.
    Truncated,
    /// It does not begin like a snapshot.
    NotZdb,
    /// An entry is of a database that this store does not have.
    Database(u64),
    /// Written by a later version, or with features this version does not know.
    Version(u32),
}

impl fmt::Display for ZdbFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BlockHeader => "the header of a block is damaged",
            Self::BlockKind => "a block has a kind, a compression or a size that is not known",
            Self::BlockOrder => "a block is missing or in the wrong place",
            Self::Content => "the content of a block is damaged",
            Self::Compressed => "the content of a block does not expand to its announced length",
            Self::Counts => "the counts in the footer are not those of the file",
            Self::Database(db) => return write!(f, "database {db} is more than this store has"),
            Self::Duplicate => "a key is there twice",
            Self::Entry(damage) => return write!(f, "an entry is damaged: {damage}"),
            Self::Footer => "the footer is damaged",
            Self::Header => "the header of the file is damaged",
            Self::NotZdb => "this is not a ZDB file",
            Self::Parts => "parts of a value are missing",
            Self::Truncated => "the file ends too early",
            Self::Version(version) => {
                return write!(f, "format {version:#x} is newer than this version reads");
            }
        })
    }
}

impl fmt::Display for ZdbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged { at, flaw } => write!(f, "{flaw} (offset {at})"),
            Self::Io(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for ZdbError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Damaged { .. } => None,
            Self::Io(error) => Some(error),
        }
    }
}

impl From<io::Error> for ZdbError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
