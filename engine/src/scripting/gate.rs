//! The way of a script's answer to its client.
//!
//! Why it exists: the interpreter answers when the script has returned, before it is known to the
//! interpreter that all of it has to be run again; and the client's sink is another one after each
//! pause. The gate drops what must not be said, and finds the sink of the moment.

use zumic_error::CommandError;

use super::fiber::Courier;
use crate::{LargeString, ReplySink};

/// A sink that leads to the client's.
#[derive(Debug)]
pub(crate) struct Gate<'g, 'f> {
    courier: &'g Courier<'f>,
    version: u8,
}

impl<'g, 'f> Gate<'g, 'f> {
    pub(crate) fn new(courier: &'g Courier<'f>) -> Self {
        Self { courier, version: courier.sink(|sink| sink.version()) }
    }

    fn pass(&self, write: impl FnOnce(&mut dyn ReplySink)) {
        if !self.courier.again.get() {
            self.courier.sink(write);
        }
    }
}

impl ReplySink for Gate<'_, '_> {
    fn version(&self) -> u8 {
        self.version
    }
    fn set_version(&mut self, version: u8) {
        self.pass(|sink| sink.set_version(version));
    }
    fn simple(&mut self, text: &str) {
        self.pass(|sink| sink.simple(text));
    }
    fn status(&mut self, text: &[u8]) {
        self.pass(|sink| sink.status(text));
    }
    fn error(&mut self, error: &CommandError) {
        self.pass(|sink| sink.error(error));
    }
    fn integer(&mut self, number: i64) {
        self.pass(|sink| sink.integer(number));
    }
    fn bulk(&mut self, bytes: &[u8]) {
        self.pass(|sink| sink.bulk(bytes));
    }
    fn bulk_large(&mut self, value: &LargeString) {
        self.pass(|sink| sink.bulk_large(value));
    }
    fn null(&mut self) {
        self.pass(|sink| sink.null());
    }
    fn null_array(&mut self) {
        self.pass(|sink| sink.null_array());
    }
    fn array(&mut self, len: usize) {
        self.pass(|sink| sink.array(len));
    }
    fn map(&mut self, pairs: usize) {
        self.pass(|sink| sink.map(pairs));
    }
    fn set(&mut self, len: usize) {
        self.pass(|sink| sink.set(len));
    }
    fn sorted_set(&mut self, len: usize) {
        self.pass(|sink| sink.sorted_set(len));
    }
    fn push(&mut self, len: usize) {
        self.pass(|sink| sink.push(len));
    }
    fn attribute(&mut self, pairs: usize) {
        self.pass(|sink| sink.attribute(pairs));
    }
    fn boolean(&mut self, value: bool) {
        self.pass(|sink| sink.boolean(value));
    }
    fn double(&mut self, value: f64) {
        self.pass(|sink| sink.double(value));
    }
    fn bulk_double(&mut self, value: f64) {
        self.pass(|sink| sink.bulk_double(value));
    }
    fn decimal(&mut self, digits: &str) {
        self.pass(|sink| sink.decimal(digits));
    }
    fn big_number(&mut self, digits: &str) {
        self.pass(|sink| sink.big_number(digits));
    }
    fn verbatim(&mut self, format: [u8; 3], text: &[u8]) {
        self.pass(|sink| sink.verbatim(format, text));
    }
}
