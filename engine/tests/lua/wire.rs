//! A reply as the bytes on the wire, to be compared with redis-server's.

use std::io::Write as _;

use engine::{LargeString, ReplySink};
use zumic_error::CommandError;

/// Encodes a reply in version 2 or 3.
pub(crate) struct Wire {
    pub(crate) bytes: Vec<u8>,
    pub(crate) version: u8,
}

impl Wire {
    pub(crate) fn new(version: u8) -> Self {
        Self { bytes: Vec::new(), version }
    }

    fn head(&mut self, tag: char, number: impl std::fmt::Display) {
        write!(self.bytes, "{tag}{number}\r\n").expect("a Vec takes all");
    }

    fn line(&mut self, tag: u8, text: &[u8]) {
        self.bytes.push(tag);
        self.bytes.extend_from_slice(text);
        self.bytes.extend_from_slice(b"\r\n");
    }
}

impl ReplySink for Wire {
    fn version(&self) -> u8 {
        self.version
    }
    fn set_version(&mut self, _: u8) {}
    fn simple(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }
    fn status(&mut self, text: &[u8]) {
        self.line(b'+', text);
    }
    fn error(&mut self, error: &CommandError) {
        let mut line = Vec::new();
        error.write_wire(&mut line);
        self.line(b'-', &line);
    }
    fn integer(&mut self, number: i64) {
        self.head(':', number);
    }
    fn bulk(&mut self, bytes: &[u8]) {
        self.head('$', bytes.len());
        self.bytes.extend_from_slice(bytes);
        self.bytes.extend_from_slice(b"\r\n");
    }
    fn bulk_large(&mut self, value: &LargeString) {
        self.bulk(&value.to_vec());
    }
    fn null(&mut self) {
        self.bytes.extend_from_slice(if self.version == 2 { b"$-1\r\n" } else { b"_\r\n" });
    }
    fn null_array(&mut self) {
        self.bytes.extend_from_slice(if self.version == 2 { b"*-1\r\n" } else { b"_\r\n" });
    }
    fn array(&mut self, len: usize) {
        self.head('*', len);
    }
    fn map(&mut self, pairs: usize) {
        if self.version == 2 { self.head('*', 2 * pairs) } else { self.head('%', pairs) }
    }
    fn set(&mut self, len: usize) {
        self.head(if self.version == 2 { '*' } else { '~' }, len);
    }
    fn sorted_set(&mut self, len: usize) {
        self.head('*', if self.version == 2 { 2 * len } else { len });
    }
    fn push(&mut self, len: usize) {
        self.head('>', len);
    }
    fn attribute(&mut self, pairs: usize) {
        self.head('|', pairs);
    }
    fn boolean(&mut self, value: bool) {
        match self.version {
            2 => self.integer(i64::from(value)),
            _ => self.head('#', if value { 't' } else { 'f' }),
        }
    }
    fn double(&mut self, value: f64) {
        match self.version {
            2 => self.bulk(value.to_string().as_bytes()),
            _ => self.head(',', value),
        }
    }
    fn bulk_double(&mut self, value: f64) {
        self.bulk(value.to_string().as_bytes());
    }
    fn decimal(&mut self, digits: &str) {
        match self.version {
            2 => self.bulk(digits.as_bytes()),
            _ => self.head(',', digits),
        }
    }
    fn big_number(&mut self, digits: &str) {
        match self.version {
            2 => self.bulk(digits.as_bytes()),
            _ => self.head('(', digits),
        }
    }
    fn verbatim(&mut self, format: [u8; 3], text: &[u8]) {
        if self.version == 2 {
            self.bulk(text);
            return;
        }
        self.head('=', text.len() + 4);
        self.bytes.extend_from_slice(&format);
        self.bytes.push(b':');
        self.bytes.extend_from_slice(text);
        self.bytes.extend_from_slice(b"\r\n");
    }
}
