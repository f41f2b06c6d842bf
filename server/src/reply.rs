//! The network's reply sink: frames appended to a connection's output.

use engine::{LargeString, ReplySink};
use protocol::{Encoder, Version};
use zumic_error::CommandError;

use crate::output::{Mark, Output};

/// Writes one command's reply to a connection.
#[derive(Debug)]
pub(crate) struct Reply<'c> {
    output: &'c mut Output,
    version: Version,
    /// The first word of the last error written, for the statistics.
    error: Option<&'static str>,
}

impl<'c> Reply<'c> {
    /// Appends to `output` in the form of `version`.
    #[inline]
    pub(crate) fn new(output: &'c mut Output, version: Version) -> Self {
        Self { output, version, error: None }
    }

    /// The code of an error that was answered, if any was.
    #[inline]
    #[must_use]
    pub(crate) fn error_code(&self) -> Option<&'static str> {
        self.error
    }

    /// Where the output stands.
    #[must_use]
    pub(crate) fn mark(&self) -> Mark {
        self.output.mark()
    }

    /// Takes back what was written since.
    pub(crate) fn rewind(&mut self, mark: Mark) {
        self.output.rewind(mark);
        self.error = None;
    }

    #[inline]
    fn encoder(&mut self) -> Encoder<'_> {
        Encoder::new(self.output.tail(), self.version)
    }
}

impl ReplySink for Reply<'_> {
    fn version(&self) -> u8 {
        self.version.number()
    }

    /// HELLO answers in the version it chose.
    fn set_version(&mut self, version: u8) {
        self.version = Version::from_number(i64::from(version)).unwrap_or(self.version);
    }

    fn simple(&mut self, text: &str) {
        self.encoder().simple(text);
    }

    fn status(&mut self, text: &[u8]) {
        self.encoder().status(text);
    }

    fn error(&mut self, error: &CommandError) {
        self.error = Some(error.code());
        self.encoder().error(error);
    }

    fn integer(&mut self, number: i64) {
        self.encoder().integer(number);
    }

    fn bulk(&mut self, bytes: &[u8]) {
        self.encoder().bulk(bytes);
    }

    fn bulk_large(&mut self, value: &LargeString) {
        self.encoder().bulk_start(value.len());
        self.output.push_large(value);
        self.encoder().bulk_end();
    }

    fn null(&mut self) {
        self.encoder().null();
    }

    fn null_array(&mut self) {
        self.encoder().null_array();
    }

    fn array(&mut self, len: usize) {
        self.encoder().array(len);
    }

    fn map(&mut self, pairs: usize) {
        self.encoder().map(pairs);
    }

    fn set(&mut self, len: usize) {
        self.encoder().set(len);
    }

    fn sorted_set(&mut self, len: usize) {
        self.encoder().scored(len);
    }

    fn push(&mut self, len: usize) {
        self.encoder().push(len);
    }

    fn attribute(&mut self, pairs: usize) {
        self.encoder().attribute(pairs);
    }

    fn boolean(&mut self, value: bool) {
        self.encoder().boolean(value);
    }

    fn double(&mut self, value: f64) {
        self.encoder().double(value);
    }

    fn bulk_double(&mut self, value: f64) {
        self.encoder().bulk_double(value);
    }

    fn decimal(&mut self, digits: &str) {
        self.encoder().decimal(digits);
    }

    fn big_number(&mut self, digits: &str) {
        self.encoder().big_number(digits);
    }

    fn verbatim(&mut self, format: [u8; 3], text: &[u8]) {
        self.encoder().verbatim(format, text);
    }
}
