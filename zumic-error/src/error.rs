//! The world's failures: files, sockets, settings, other processes.

use std::error::Error as StdError;
use std::{fmt, io};

/// What failed, for programs that decide by it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ErrorKind {
    /// A setting or an option is wrong.
    Configuration,
    /// The peer could not be reached, or went away.
    Connection,
    /// A file does not hold what it should.
    Damaged,
    /// A file or a device failed.
    Io,
    /// The peer spoke something else than ZSP.
    Protocol,
    /// The peer answered with an error.
    Reply,
    /// Something the process needs from its system was refused: threads, descriptors, memory.
    Resource,
}

/// The exit status of a process, after sysexits.h of BSD, and the health that goes with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Status {
    /// The command was used wrongly (64).
    Usage,
    /// Data are damaged (65).
    Data,
    /// A peer is unavailable (69).
    Unavailable,
    /// The system refused something (71).
    System,
    /// Input or output failed (74).
    InputOutput,
    /// The peer broke the protocol (76).
    Protocol,
    /// A setting is wrong (78).
    Configuration,
    /// The request was answered with an error (1).
    Failure,
}

impl Status {
    /// The process's exit code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Failure => 1,
            Self::Usage => 64,
            Self::Data => 65,
            Self::Unavailable => 69,
            Self::System => 71,
            Self::InputOutput => 74,
            Self::Protocol => 76,
            Self::Configuration => 78,
        }
    }

    /// Whether trying again later may help, which is what a health check wants to know.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::Unavailable | Self::System | Self::InputOutput)
    }
}

/// A failure with what was being done when it happened, and what it came from.
///
/// # Examples
/// ```
/// use std::io;
/// use zumic_error::{Error, ErrorKind, ResultExt};
///
/// let bound: io::Result<()> = Err(io::ErrorKind::AddrInUse.into());
/// let error = bound.context(ErrorKind::Resource, "binding 127.0.0.1:6174").unwrap_err();
/// assert_eq!(error.to_string(), "binding 127.0.0.1:6174: address in use");
/// assert_eq!(error.status().code(), 71);
/// ```
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    context: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// A failure that has no other behind it. `context` says what was being done, or what is
    /// wrong, as the reader of a log wants to read it.
    #[must_use]
    pub fn new(kind: ErrorKind, context: impl Into<String>) -> Self {
        Self { kind, context: context.into(), source: None }
    }

    /// A failure that came from another.
    #[must_use]
    pub fn with_source(
        kind: ErrorKind,
        context: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self { kind, context: context.into(), source: Some(source.into()) }
    }

    /// Puts what the caller was doing in front. The kind stays.
    #[must_use]
    pub fn context(self, context: impl Into<String>) -> Self {
        Self { kind: self.kind, context: context.into(), source: Some(Box::new(self)) }
    }

    /// What failed.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// How a process that fails by this should end.
    #[must_use]
    pub fn status(&self) -> Status {
        match self.kind {
            ErrorKind::Configuration => Status::Configuration,
            ErrorKind::Connection => Status::Unavailable,
            ErrorKind::Damaged => Status::Data,
            ErrorKind::Io => Status::InputOutput,
            ErrorKind::Protocol => Status::Protocol,
            ErrorKind::Reply => Status::Failure,
            ErrorKind::Resource => Status::System,
        }
    }
}

impl fmt::Display for Error {
    /// The whole chain, outermost first, separated by colons.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)?;
        match &self.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Adds context to results on their way up.
pub trait ResultExt<T> {
    /// Says what was being done.
    ///
    /// # Errors
    /// The error of `self`, wrapped.
    fn context(self, kind: ErrorKind, context: impl Into<String>) -> Result<T, Error>;
}

impl<T> ResultExt<T> for io::Result<T> {
    fn context(self, kind: ErrorKind, context: impl Into<String>) -> Result<T, Error> {
        self.map_err(|source| Error::with_source(kind, context, source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_reads_from_the_outside_in_and_keeps_its_sources() {
        let inner = Error::with_source(
            ErrorKind::Io,
            "reading the settings",
            io::Error::from(io::ErrorKind::NotFound),
        );
        let outer = inner.context("starting");
        assert_eq!(outer.to_string(), "starting: reading the settings: entity not found");
        assert_eq!(outer.kind(), ErrorKind::Io);
        let middle = outer.source().expect("a source");
        assert!(middle.source().is_some_and(<dyn StdError>::is::<io::Error>));
    }

    #[test]
    fn every_kind_has_a_status_of_its_own_code() {
        let kinds = [
            (ErrorKind::Configuration, 78, false),
            (ErrorKind::Connection, 69, true),
            (ErrorKind::Damaged, 65, false),
            (ErrorKind::Io, 74, true),
            (ErrorKind::Protocol, 76, false),
            (ErrorKind::Reply, 1, false),
            (ErrorKind::Resource, 71, true),
        ];
        for (kind, code, transient) in kinds {
            let status = Error::new(kind, "x").status();
            assert_eq!((status.code(), status.is_transient()), (code, transient), "{kind:?}");
        }
        assert_eq!(Status::Usage.code(), 64);
    }
}
