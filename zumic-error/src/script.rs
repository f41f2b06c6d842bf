//! The errors that scripts and functions answer with.

use std::fmt;

/// A failure of a script, of a function or of a command about them; a variant's `Display` is the
/// line on the wire.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "each variant is explained by its text below")]
pub enum ScriptError {
    ArgumentsWrong,
    BlockOption(String),
    Busy,
    BusyFunction,
    CallsReadOnlyWrite,
    CommandForbidden,
    CommandUnknown,
    EngineUnexpected(Vec<u8>),
    EngineUnknown(String),
    FlagUnexpected(Vec<u8>),
    FlushOption(&'static str),
    FunctionExists(String),
    FunctionNotFound,
    KeysCountInvalid,
    KeysNegative,
    LibraryCollides(String),
    LibraryExists(String),
    LibraryMetadataInvalid(String),
    LibraryNameInvalid,
    LibraryNotFound,
    ListArgument(Vec<u8>),
    ListNameMissing,
    LoadOption(Vec<u8>),
    MemoryFlagMissing,
    NoFunctions,
    NotBusy,
    NotFound,
    PayloadForeign,
    PayloadInvalid,
    Raised(Vec<u8>),
    ReadOnlyNeeded,
    RestorePolicy,
    Runnerless,
    ShebangInvalid,
    ShebangOption(Vec<u8>),
    StackLimit,
    Unkillable,
}

impl ScriptError {
    /// The first word of the text; of what a script raised, the words that are known.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Busy | Self::BusyFunction => "BUSY",
            Self::MemoryFlagMissing => "OOM",
            Self::NotBusy => "NOTBUSY",
            Self::NotFound => "NOSCRIPT",
            Self::Raised(line) => known_code(line),
            Self::Unkillable => "UNKILLABLE",
            _ => "ERR",
        }
    }

    const fn fixed(&self) -> Option<&'static str> {
        Some(match self {
            Self::ArgumentsWrong => "ERR Wrong number of args calling Redis command from script",
            Self::Busy => {
                "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN \
                 NOSAVE."
            }
            Self::BusyFunction => {
                "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN \
                 NOSAVE."
            }
            Self::CallsReadOnlyWrite => {
                "ERR Write commands are not allowed from read-only scripts."
            }
            Self::CommandForbidden => "ERR This Redis command is not allowed from script",
            Self::CommandUnknown => "ERR Unknown Redis command called from script",
            Self::FunctionNotFound => "ERR Function not found",
            Self::KeysCountInvalid => "ERR Bad number of keys provided",
            Self::KeysNegative => "ERR Number of keys can't be negative",
            Self::LibraryNameInvalid => {
                "ERR Library names can only contain letters, numbers, or underscores(_) and must \
                 be at least one character long"
            }
            Self::LibraryNotFound => "ERR Library not found",
            Self::ListNameMissing => "ERR library name argument was not given",
            Self::MemoryFlagMissing => {
                "OOM allow-oom flag is not set on the script, can not run it when used memory > \
                 'maxmemory'"
            }
            Self::NoFunctions => "ERR No functions registered",
            Self::NotBusy => "NOTBUSY No scripts in execution right now.",
            Self::NotFound => "NOSCRIPT No matching script. Please use EVAL.",
            Self::PayloadForeign => "ERR given type is not a function",
            Self::PayloadInvalid => "ERR DUMP payload version or checksum are wrong",
            Self::ReadOnlyNeeded => {
                "ERR Can not execute a script with write flag using *_ro command."
            }
            Self::RestorePolicy => {
                "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE."
            }
            Self::Runnerless => "ERR scripts do not run here",
            Self::ShebangInvalid => "ERR Invalid script shebang",
            Self::StackLimit => "ERR reached lua stack limit",
            Self::Unkillable => {
                "UNKILLABLE Sorry the script already executed write commands against the dataset. \
                 You can either wait the script termination or kill the server in a hard way \
                 using the SHUTDOWN NOSAVE command."
            }
            _ => return None,
        })
    }

    /// Appends the line on the wire, with the client's own bytes as they came.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let mut quote = |before: &str, bytes: &[u8], after: &str| {
            out.extend_from_slice(before.as_bytes());
            out.extend_from_slice(bytes);
            out.extend_from_slice(after.as_bytes());
        };
        match self {
            Self::BlockOption(name) => {
                let text = " command is not allowed with BLOCK option from scripts";
                quote("ERR ", name.as_bytes(), text);
            }
            Self::EngineUnexpected(name) => {
                quote("ERR Unexpected engine in script shebang: ", name, "");
            }
            Self::EngineUnknown(name) => quote("ERR Engine '", name.as_bytes(), "' not found"),
            Self::FlagUnexpected(name) => {
                quote("ERR Unexpected flag in script shebang: ", name, "")
            }
            Self::FlushOption(command) => {
                quote("ERR ", command.as_bytes(), " SYNC|ASYNC option");
            }
            Self::FunctionExists(name) => {
                quote("ERR Function ", name.as_bytes(), " already exists");
            }
            Self::LibraryCollides(name) => {
                quote("ERR Library ", name.as_bytes(), " already exists");
            }
            Self::LibraryExists(name) => {
                quote("ERR Library '", name.as_bytes(), "' already exists");
            }
            Self::LibraryMetadataInvalid(what) => quote("ERR ", what.as_bytes(), ""),
            Self::ListArgument(name) => quote("ERR Unknown argument ", name, ""),
            Self::LoadOption(name) => quote("ERR Unknown option given: ", name, ""),
            Self::Raised(line) => out.extend_from_slice(line),
            Self::ShebangOption(text) => quote("ERR Unknown lua shebang option: ", text, ""),
            other => {
                let text = other.fixed().expect("every other variant has a fixed text");
                out.extend_from_slice(text.as_bytes());
            }
        }
    }
}

/// The code of an error line that a script made. Codes that nobody knows count as `ERR`.
fn known_code(line: &[u8]) -> &'static str {
    const KNOWN: [&str; 16] = [
        "BUSY",
        "BUSYGROUP",
        "BUSYKEY",
        "CROSSSLOT",
        "EXECABORT",
        "LOADING",
        "MISCONF",
        "NOAUTH",
        "NOGROUP",
        "NOPERM",
        "NOSCRIPT",
        "OOM",
        "READONLY",
        "UNKILLABLE",
        "WRONGPASS",
        "WRONGTYPE",
    ];
    let word = line.split(|byte| *byte == b' ').next().unwrap_or_default();
    KNOWN.into_iter().find(|code| code.as_bytes() == word).unwrap_or("ERR")
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = Vec::new();
        self.write(&mut line);
        f.write_str(&String::from_utf8_lossy(&line))
    }
}

impl std::error::Error for ScriptError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_script_raised_comes_back_as_it_was() {
        let raised = ScriptError::Raised(b"MINE \xff".to_vec());
        let mut line = Vec::new();
        raised.write(&mut line);
        assert_eq!((line.as_slice(), raised.code()), (&b"MINE \xff"[..], "ERR"));
        assert_eq!(ScriptError::Raised(b"WRONGTYPE x".to_vec()).code(), "WRONGTYPE");
    }

    #[test]
    fn codes_are_the_first_words() {
        for error in [
            ScriptError::Busy,
            ScriptError::BusyFunction,
            ScriptError::MemoryFlagMissing,
            ScriptError::NotBusy,
            ScriptError::NotFound,
            ScriptError::Unkillable,
            ScriptError::FlushOption("SCRIPT FLUSH only support"),
            ScriptError::LibraryExists("l".into()),
        ] {
            let text = error.to_string();
            assert_eq!(text.split(' ').next(), Some(error.code()), "{text}");
            assert!(!text.contains("  "), "a broken literal: {text}");
        }
    }
}
