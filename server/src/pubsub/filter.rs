//! SUBSCRIBE's filter: messages whose JSON has this value at this place (Zumic's own).
//!
//! Why it exists: many subscribers of one busy channel want a small share of it each; without a
//! filter every one of them pays for every message. A publisher parses its message once, however
//! many filters there are; a channel without filters parses nothing. Not a query language: one
//! path without wildcards, one value.

use serde_json::Value;
use zumic_error::CommandError;

/// A message, parsed when the first filter asks.
#[derive(Debug)]
pub(crate) struct Payload<'m> {
    bytes: &'m [u8],
    parsed: Option<Option<Value>>,
}

impl<'m> Payload<'m> {
    /// A message that was not looked at yet.
    #[must_use]
    pub(crate) fn new(bytes: &'m [u8]) -> Self {
        Self { bytes, parsed: None }
    }

    /// The message as JSON; `None` when it is none.
    pub(crate) fn json(&mut self) -> Option<&Value> {
        let parse = || serde_json::from_slice(self.bytes).ok();
        self.parsed.get_or_insert_with(parse).as_ref()
    }
}

/// One step of a path.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Step {
    Index(usize),
    Name(String),
}

/// A path and the value that has to be there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Filter {
    path: Vec<Step>,
    /// The value as the client wrote it: what a string has to be.
    text: Vec<u8>,
    /// The value as JSON, if it is any.
    value: Option<Value>,
}

impl Filter {
    /// Whether a word can be a path at all; what cannot be one is a channel's name.
    #[must_use]
    pub(crate) fn is_path(word: &[u8]) -> bool {
        matches!(word, [b'$' | b'.', ..])
    }

    /// Reads a filter.
    ///
    /// # Errors
    /// [`CommandError::FilterPathInvalid`] when the path is none.
    pub(crate) fn new(path: &[u8], value: &[u8]) -> Result<Self, CommandError> {
        let path = std::str::from_utf8(path).ok().and_then(parse_path);
        let path = path.ok_or(CommandError::FilterPathInvalid)?;
        Ok(Self { path, text: value.to_vec(), value: serde_json::from_slice(value).ok() })
    }

    /// Whether a message has the value at the path. Numbers are compared as JSON compares them,
    /// a string also with the filter's text as it was written: `FILTER $.id 42` finds `42` and
    /// `"42"`.
    #[must_use]
    pub(crate) fn admits(&self, payload: &mut Payload<'_>) -> bool {
        let Some(mut at) = payload.json() else { return false };
        for step in &self.path {
            let below = match step {
                Step::Index(index) => at.get(index),
                Step::Name(name) => at.get(name),
            };
            let Some(below) = below else { return false };
            at = below;
        }
        let as_text = at.as_str().is_some_and(|text| text.as_bytes() == self.text);
        as_text || self.value.as_ref().is_some_and(|value| same(value, at))
    }
}

/// Equality of JSON values, where `1` and `1.0` are one number.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let in_b = |(name, value)| b.get(name).is_some_and(|other| same(value, other));
            a.len() == b.len() && a.iter().all(in_b)
        }
        _ => left == right,
    }
}

/// Reads `$`, `.name`, `[0]` and `["any name"]`, one behind the other.
fn parse_path(text: &str) -> Option<Vec<Step>> {
    let mut path = Vec::new();
    let mut rest = text.strip_prefix('$').unwrap_or(text);
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix("[\"") {
            let (name, behind) = quoted.split_once("\"]")?;
            path.push(Step::Name(name.to_owned()));
            rest = behind;
        } else if let Some(index) = rest.strip_prefix('[') {
            let (index, behind) = index.split_once(']')?;
            let digits = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
            path.push(Step::Index(digits.then(|| index.parse().ok())??));
            rest = behind;
        } else {
            let named = rest.strip_prefix('.')?;
            let end = named.find(['.', '[']).unwrap_or(named.len());
            let (name, behind) = named.split_at(end);
            if name.is_empty() || name.contains(']') {
                return None;
            }
            path.push(Step::Name(name.to_owned()));
            rest = behind;
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(path: &str, value: &str, message: &str) -> bool {
        let filter = Filter::new(path.as_bytes(), value.as_bytes()).unwrap();
        filter.admits(&mut Payload::new(message.as_bytes()))
    }

    #[test]
    fn a_path_leads_to_the_value() {
        let message = r#"{"user":{"id":42,"name":"bob"},"a":[{"b":true},null],"x y":1.5}"#;
        for (path, value) in [
            ("$.user.id", "42"),
            (".user.id", "42.0"),
            ("$.user.name", "bob"),
            ("$.user.name", "\"bob\""),
            (".a[0].b", "true"),
            ("$.a[1]", "null"),
            ("$[\"x y\"]", "1.5"),
            ("$.user", r#"{"name":"bob","id":42}"#),
        ] {
            assert!(admits(path, value, message), "{path} {value}");
        }
        for (path, value) in [
            ("$.user.id", "43"),
            ("$.user.id", "bob"),
            ("$.user.nobody", "42"),
            ("$.a[2]", "null"),
            ("$.a.b", "true"),
            ("$", "42"),
            ("$.user", r#"{"name":"bob"}"#),
        ] {
            assert!(!admits(path, value, message), "{path} {value}");
        }
        assert!(admits("$.id", "42", r#"{"id":"42"}"#), "a string as it was written");
        assert!(admits("$", "42", "42") && !admits("$", "42", "no JSON"));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for path in ["", "$"] {
            assert_eq!(parse_path(path), Some(vec![]), "{path}");
        }
        for path in ["a", "$a", "$.", "$..a", "$.a.", "$[", "$[x]", "$[-1]", "$[]", "$.a]", "$[\"a"]
        {
            assert_eq!(parse_path(path), None, "{path}");
        }
        assert!(Filter::new(b"$.\xff", b"1").is_err());
    }

    #[test]
    fn a_message_is_parsed_once() {
        let mut payload = Payload::new(b"{\"a\":1}");
        assert!(payload.parsed.is_none());
        assert!(payload.json().is_some() && payload.parsed.is_some());
    }
}
