//! Replies as text: for people, for pipes, for programs.
//!
//! Why it exists: `zumic-cli` takes the place of `redis-cli` in people's scripts, so what it
//! prints is that program's output to the byte wherever that program prints anything useful. It
//! goes further where `redis-cli` gives up: big numbers, sorted sets of ZSP version 4, and quoted
//! JSON that holds a double quote. Not for reading replies: see `connection`.

mod json;
mod pretty;
mod raw;

use super::reply::Reply;

/// How to print replies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Output {
    /// JSON; bytes above ASCII go through as they are, so UTF-8 stays UTF-8.
    Json,
    /// With types and indexes, for people.
    Pretty,
    /// JSON in pure ASCII: strings hold Redis's quoted form, so every byte survives.
    QuotedJson,
    /// Bare values, for pipes.
    Raw,
}

/// Everything that decides how a reply is printed.
#[derive(Clone, Debug)]
pub struct Style {
    /// The form.
    pub output: Output,
    /// What goes between the elements of a reply in raw form.
    pub element_delimiter: Vec<u8>,
    /// What goes after every reply in raw form.
    pub reply_delimiter: Vec<u8>,
}

impl Style {
    /// The usual style of `output`: line feeds as delimiters.
    #[must_use]
    pub fn new(output: Output) -> Self {
        Self { output, element_delimiter: b"\n".to_vec(), reply_delimiter: b"\n".to_vec() }
    }

    /// The reply as bytes to print, line end included. Cost: O(size of the reply).
    ///
    /// # Examples
    /// ```
    /// use server::cli::format::{Output, Style};
    /// use server::cli::reply::Reply;
    ///
    /// let reply = Reply::Array(vec![Reply::Integer(1), Reply::Bulk(b"a".to_vec())]);
    /// assert_eq!(Style::new(Output::Pretty).format(&reply), b"1) (integer) 1\n2) \"a\"\n");
    /// assert_eq!(Style::new(Output::Raw).format(&reply), b"1\na\n");
    /// assert_eq!(Style::new(Output::Json).format(&reply), b"[1,\"a\"]\n");
    /// ```
    #[must_use]
    pub fn format(&self, reply: &Reply) -> Vec<u8> {
        let mut out = Vec::new();
        match self.output {
            Output::Json => json::append(&mut out, reply, json::Strings::Plain),
            Output::Pretty => pretty::append(&mut out, reply),
            Output::QuotedJson => json::append(&mut out, reply, json::Strings::Quoted),
            Output::Raw => raw::append(&mut out, reply, &self.element_delimiter),
        }
        match self.output {
            Output::Json | Output::QuotedJson => out.push(b'\n'),
            Output::Pretty => {}
            Output::Raw => out.extend_from_slice(&self.reply_delimiter),
        }
        out
    }

    /// The reply's bare text, whatever the form: for reports such as `INFO`, which are meant to be
    /// read as they are. Nothing is added at the end.
    #[must_use]
    pub fn format_report(&self, reply: &Reply) -> Vec<u8> {
        let mut out = Vec::new();
        raw::append(&mut out, reply, &self.element_delimiter);
        out
    }
}
