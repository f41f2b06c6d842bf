//! Errors of scripts.

use std::fmt;

/// A failure that a script raised, or that running one met.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "each variant is explained by its text below")]
pub enum ScriptError {
    /// What the script says, with its code; any bytes.
    Raised(Vec<u8>),
    StackLimit,
}

impl ScriptError {
    /// Appends the line on the wire, without the leading `-` and the line end.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self {
            Self::Raised(line) => line,
            Self::StackLimit => b"ERR reached lua stack limit",
        });
    }
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = Vec::new();
        self.write(&mut line);
        f.write_str(&String::from_utf8_lossy(&line))
    }
}
