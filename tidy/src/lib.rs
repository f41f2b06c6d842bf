//! The house rules, as functions over text.
//!
//! Why it exists: some rules of this project are not lints of the compiler (every atomic access
//! says why its ordering is enough, every path named in a document exists, ...). Each rule is a
//! function from text to findings, and each has a test beside it that shows it a bad snippet, so
//! that a rule which no longer finds anything is noticed. `tests/house.rs` runs them all over the
//! repository.
//!
//! Not for anything that needs to understand Rust: a rule here sees lines, comments and brackets.
#![forbid(unsafe_code)]

pub mod atomics;
pub mod comments;
pub mod documents;
pub mod hygiene;
pub mod source;
pub mod walk;

use std::fmt;

/// One place where a rule does not hold.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// Line in the file, from 1; 0 speaks of the file as a whole.
    pub line: usize,
    /// What is wrong, as a sentence without its end.
    pub message: String,
}

impl Finding {
    /// A finding at `line` (from 1).
    pub fn new(line: usize, message: impl Into<String>) -> Self {
        Self { line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.line, self.message)
    }
}
