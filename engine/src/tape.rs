//! A reply that is kept, and written later or never.
//!
//! Why it exists: an EXEC with scripts in it may have to start again after some of its commands
//! have answered, and may be left in the middle; so its answers are collected and written when
//! all of them are there.
//!
//! Invariants
//! - A1: what is played is what was recorded, call by call.

use zumic_error::CommandError;

use crate::{LargeString, ReplySink};

/// One call of a sink.
#[derive(Clone, Debug)]
enum Piece {
    Array(usize),
    Attribute(usize),
    BigNumber(Box<str>),
    Boolean(bool),
    Bulk(Box<[u8]>),
    BulkDouble(f64),
    Decimal(Box<str>),
    Double(f64),
    Error(CommandError),
    Integer(i64),
    Large(LargeString),
    Map(usize),
    Null,
    NullArray,
    Push(usize),
    Set(usize),
    SetVersion(u8),
    Simple(Box<str>),
    SortedSet(usize),
    Verbatim([u8; 3], Box<[u8]>),
}

/// Collects replies.
///
/// # Examples
/// ```
/// use engine::{ReplySink, Tape};
/// use engine::reply::Discard;
///
/// let mut tape = Tape::new(3);
/// tape.array(1);
/// tape.integer(7);
/// tape.play(&mut Discard);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Tape {
    version: u8,
    pieces: Vec<Piece>,
}

impl Tape {
    /// An empty one for a receiver of this protocol version.
    #[must_use]
    pub fn new(version: u8) -> Self {
        Self { version, pieces: Vec::new() }
    }

    /// Writes what was collected. Cost: O(pieces).
    pub fn play(&self, sink: &mut dyn ReplySink) {
        for piece in &self.pieces {
            match piece {
                Piece::Array(len) => sink.array(*len),
                Piece::Attribute(pairs) => sink.attribute(*pairs),
                Piece::BigNumber(digits) => sink.big_number(digits),
                Piece::Boolean(value) => sink.boolean(*value),
                Piece::Bulk(bytes) => sink.bulk(bytes),
                Piece::BulkDouble(value) => sink.bulk_double(*value),
                Piece::Decimal(digits) => sink.decimal(digits),
                Piece::Double(value) => sink.double(*value),
                Piece::Error(error) => sink.error(error),
                Piece::Integer(number) => sink.integer(*number),
                Piece::Large(value) => sink.bulk_large(value),
                Piece::Map(pairs) => sink.map(*pairs),
                Piece::Null => sink.null(),
                Piece::NullArray => sink.null_array(),
                Piece::Push(len) => sink.push(*len),
                Piece::Set(len) => sink.set(*len),
                Piece::SetVersion(version) => sink.set_version(*version),
                Piece::Simple(text) => sink.simple(text),
                Piece::SortedSet(len) => sink.sorted_set(*len),
                Piece::Verbatim(format, text) => sink.verbatim(*format, text),
            }
        }
    }
}

impl ReplySink for Tape {
    fn version(&self) -> u8 {
        self.version
    }
    fn set_version(&mut self, version: u8) {
        self.version = version;
        self.pieces.push(Piece::SetVersion(version));
    }
    fn simple(&mut self, text: &str) {
        self.pieces.push(Piece::Simple(text.into()));
    }
    fn error(&mut self, error: &CommandError) {
        self.pieces.push(Piece::Error(error.clone()));
    }
    fn integer(&mut self, number: i64) {
        self.pieces.push(Piece::Integer(number));
    }
    fn bulk(&mut self, bytes: &[u8]) {
        self.pieces.push(Piece::Bulk(bytes.into()));
    }
    fn bulk_large(&mut self, value: &LargeString) {
        self.pieces.push(Piece::Large(value.clone()));
    }
    fn null(&mut self) {
        self.pieces.push(Piece::Null);
    }
    fn null_array(&mut self) {
        self.pieces.push(Piece::NullArray);
    }
    fn array(&mut self, len: usize) {
        self.pieces.push(Piece::Array(len));
    }
    fn map(&mut self, pairs: usize) {
        self.pieces.push(Piece::Map(pairs));
    }
    fn set(&mut self, len: usize) {
        self.pieces.push(Piece::Set(len));
    }
    fn sorted_set(&mut self, len: usize) {
        self.pieces.push(Piece::SortedSet(len));
    }
    fn push(&mut self, len: usize) {
        self.pieces.push(Piece::Push(len));
    }
    fn attribute(&mut self, pairs: usize) {
        self.pieces.push(Piece::Attribute(pairs));
    }
    fn boolean(&mut self, value: bool) {
        self.pieces.push(Piece::Boolean(value));
    }
    fn double(&mut self, value: f64) {
        self.pieces.push(Piece::Double(value));
    }
    fn bulk_double(&mut self, value: f64) {
        self.pieces.push(Piece::BulkDouble(value));
    }
    fn decimal(&mut self, digits: &str) {
        self.pieces.push(Piece::Decimal(digits.into()));
    }
    fn big_number(&mut self, digits: &str) {
        self.pieces.push(Piece::BigNumber(digits.into()));
    }
    fn verbatim(&mut self, format: [u8; 3], text: &[u8]) {
        self.pieces.push(Piece::Verbatim(format, text.into()));
    }
}
