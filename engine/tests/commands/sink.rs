//! A sink that keeps the reply as a value, with every distinction the wire makes.

use engine::{LargeString, ReplySink};
use zumic_error::CommandError;

/// One reply. Aggregates keep their kind, because clients see it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// Array, map, push or set: which one, then the elements, pairs flat.
    Aggregate(char, Vec<Value>),
    Bulk(Vec<u8>),
    Error(String),
    Integer(i64),
    /// `_`, or `*-1` of version 2 for the null array.
    Null,
    Simple(String),
}

impl Value {
    /// A bulk string.
    pub(crate) fn bulk(bytes: &[u8]) -> Self {
        Self::Bulk(bytes.to_vec())
    }

    /// An array.
    pub(crate) fn array(values: Vec<Self>) -> Self {
        Self::Aggregate('*', values)
    }
}

/// Collects replies of one protocol version.
#[derive(Debug, Default)]
pub(crate) struct Collect {
    open: Vec<(char, usize, Vec<Value>)>,
    replies: Vec<Value>,
}

impl Collect {
    /// The only reply.
    ///
    /// # Panics
    /// If there is none, more than one, or one that is not whole.
    pub(crate) fn into_reply(mut self) -> Value {
        assert!(self.open.is_empty(), "an aggregate is not whole: {:?}", self.open);
        assert_eq!(self.replies.len(), 1, "exactly one reply: {:?}", self.replies);
        self.replies.remove(0)
    }

    /// Whether nothing was written.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.replies.is_empty()
    }

    fn add(&mut self, value: Value) {
        let Some((_, missing, values)) = self.open.last_mut() else {
            self.replies.push(value);
            return;
        };
        values.push(value);
        *missing -= 1;
        self.close();
    }

    fn open(&mut self, kind: char, len: usize) {
        self.open.push((kind, len, Vec::new()));
        self.close();
    }

    fn close(&mut self) {
        if let Some((_, 0, _)) = self.open.last() {
            let (kind, _, values) = self.open.pop().expect("there is a last one");
            self.add(Value::Aggregate(kind, values));
        }
    }
}

impl ReplySink for Collect {
    fn version(&self) -> u8 {
        3
    }
    fn set_version(&mut self, _: u8) {}
    fn simple(&mut self, text: &str) {
        self.add(Value::Simple(text.to_owned()));
    }
    fn error(&mut self, error: &CommandError) {
        self.add(Value::Error(error.to_string()));
    }
    fn integer(&mut self, number: i64) {
        self.add(Value::Integer(number));
    }
    fn bulk(&mut self, bytes: &[u8]) {
        self.add(Value::bulk(bytes));
    }
    fn bulk_large(&mut self, value: &LargeString) {
        self.add(Value::Bulk(value.to_vec()));
    }
    fn null(&mut self) {
        self.add(Value::Null);
    }
    fn null_array(&mut self) {
        self.add(Value::Null);
    }
    fn array(&mut self, len: usize) {
        self.open('*', len);
    }
    fn map(&mut self, pairs: usize) {
        self.open('%', 2 * pairs);
    }
    fn set(&mut self, len: usize) {
        self.open('~', len);
    }
    fn sorted_set(&mut self, len: usize) {
        self.open('*', len);
    }
    fn push(&mut self, len: usize) {
        self.open('>', len);
    }
    fn attribute(&mut self, pairs: usize) {
        self.open('|', 2 * pairs);
    }
    fn boolean(&mut self, value: bool) {
        self.add(Value::Simple(value.to_string()));
    }
    fn double(&mut self, value: f64) {
        self.add(Value::Simple(value.to_string()));
    }
    fn bulk_double(&mut self, value: f64) {
        self.add(Value::bulk(value.to_string().as_bytes()));
    }
    fn decimal(&mut self, digits: &str) {
        self.add(Value::Simple(digits.to_owned()));
    }
    fn big_number(&mut self, digits: &str) {
        self.add(Value::Simple(digits.to_owned()));
    }
    fn verbatim(&mut self, _: [u8; 3], text: &[u8]) {
        self.add(Value::bulk(text));
    }
}
