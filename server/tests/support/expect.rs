//! Expected replies: a small notation, its parser and its matcher.
//!
//! Why it exists: one expectation must serve RESP2 and RESP3, so it says what is meant (a map,
//! a double, a null) and the matcher knows how each protocol spells that. Not a way to be
//! vague: a wildcard is for what cannot be known, such as a process id.
//!
//! | notation | RESP2 | RESP3 |
//! |---|---|---|
//! | `+OK`, `+"two words"` | simple string | the same |
//! | `-ERR text to the end of the line`, `-"ERR text"`, `-glob"ERR *"` | error | the same |
//! | `:5`, `:1..9`, `:?`, `:=name` | integer | the same |
//! | `"text"`, `glob"a*z"`, `$?`, `$=name` | bulk string | the same |
//! | `_` | null bulk string | null |
//! | `*_` | null array | null |
//! | `[a b]`, `[a ...]` | array (`...`: and whatever follows) | the same |
//! | `{a b}` | array in any order | the same |
//! | `~[a b]` | array in any order | set in any order |
//! | `>[a b]` | array | push |
//! | `%{k v}`, `%{k v ...}` | flat array, pairs in any order | map |
//! | `,1.5`, `,?` | bulk string | double |
//! | `#t` | integer 1 or 0 | boolean |
//! | `="text"` | bulk string | verbatim string of format `txt` |
//! | `lines["a:*" "b"]` | bulk string with such lines | bulk or verbatim string |
//! | `?` | anything but an error | the same |
//! | `a \| b` | either | either |

use std::collections::HashMap;

use super::reply::Reply;

/// Values that a script has caught with `=name`.
pub(crate) type Names = HashMap<String, Vec<u8>>;

/// Text to compare with.
#[derive(Clone, Debug)]
enum Text {
    Any,
    Exact(Vec<u8>),
    Glob(Vec<u8>),
    Named(String),
}

/// An expected reply.
#[derive(Clone, Debug)]
enum Pattern {
    Anything,
    Array(Vec<Pattern>, bool),
    Boolean(bool),
    Bulk(Text),
    Double(Text),
    Error(Text),
    Integer(i64, i64),
    IntegerNamed(String),
    Lines(Vec<Vec<u8>>),
    Map(Vec<Pattern>, bool),
    Null,
    NullArray,
    Push(Vec<Pattern>, bool),
    Set(Vec<Pattern>, bool),
    Simple(Text),
    Unordered(Vec<Pattern>, bool),
    Verbatim(Text),
}

/// One or more alternatives, of which a reply must match one.
#[derive(Clone, Debug)]
pub(crate) struct Expectation(Vec<Pattern>);

/// Makes a pattern of the patterns between brackets, and whether more may follow.
type MakeList = fn(Vec<Pattern>, bool) -> Pattern;

impl Expectation {
    /// Reads the notation of the table above.
    ///
    /// # Errors
    /// A sentence that says where it stopped making sense.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { text: text.as_bytes(), at: 0 };
        let mut alternatives = vec![parser.pattern(true)?];
        loop {
            parser.skip_spaces();
            match parser.peek() {
                None => return Ok(Self(alternatives)),
                Some(b'|') => {
                    parser.at += 1;
                    parser.skip_spaces();
                    alternatives.push(parser.pattern(true)?);
                }
                Some(_) => return Err(parser.complain("the end or |")),
            }
        }
    }

    /// Does `reply`, given in protocol version `version`, match? Names caught by the matching
    /// alternative are added to `names`.
    pub(crate) fn matches(&self, reply: &Reply, version: u8, names: &mut Names) -> bool {
        self.0.iter().any(|pattern| {
            let mut caught = names.clone();
            let matched = pattern.matches(reply, version, &mut caught);
            if matched {
                *names = caught;
            }
            matched
        })
    }
}

impl Text {
    fn matches(&self, text: &[u8], names: &mut Names) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(wanted) => wanted == text,
            Self::Glob(pattern) => glob(pattern, text),
            Self::Named(name) => {
                names.entry(name.clone()).or_insert_with(|| text.to_vec()).as_slice() == text
            }
        }
    }
}

impl Pattern {
    fn matches(&self, reply: &Reply, version: u8, names: &mut Names) -> bool {
        let new = version >= 3;
        match (self, reply) {
            (Self::Anything, other) => !other.is_error(),
            (Self::Array(wanted, more), Reply::Array(Some(got))) => {
                in_order(wanted, *more, got, version, names)
            }
            (Self::Push(wanted, more), Reply::Push(got)) if new => {
                in_order(wanted, *more, got, version, names)
            }
            (Self::Push(wanted, more), Reply::Array(Some(got))) if !new => {
                in_order(wanted, *more, got, version, names)
            }
            (Self::Unordered(wanted, more), Reply::Array(Some(got))) => {
                any_order(wanted, *more, got, 1, version, names)
            }
            (Self::Set(wanted, more), Reply::Set(got)) if new => {
                any_order(wanted, *more, got, 1, version, names)
            }
            (Self::Set(wanted, more), Reply::Array(Some(got))) if !new => {
                any_order(wanted, *more, got, 1, version, names)
            }
            (Self::Map(wanted, more), Reply::Map(got)) if new => {
                any_order(wanted, *more, got, 2, version, names)
            }
            (Self::Map(wanted, more), Reply::Array(Some(got))) if !new => {
                got.len() % 2 == 0 && any_order(wanted, *more, got, 2, version, names)
            }
            (Self::Lines(wanted), Reply::Bulk(Some(_)) | Reply::Verbatim(_)) => {
                let text = reply.text();
                let has = |line: &Vec<u8>| text.lines().any(|got| glob(line, got.as_bytes()));
                wanted.iter().all(has)
            }
            _ => self.matches_scalar(reply, new, names),
        }
    }

    fn matches_scalar(&self, reply: &Reply, new: bool, names: &mut Names) -> bool {
        match (self, reply) {
            (Self::Boolean(wanted), Reply::Boolean(got)) => new && wanted == got,
            (Self::Boolean(wanted), Reply::Integer(got)) => !new && i64::from(*wanted) == *got,
            (Self::Bulk(wanted), Reply::Bulk(Some(got))) => wanted.matches(got, names),
            (Self::Double(wanted), Reply::Double(got)) => new && wanted.matches(got, names),
            (Self::Double(wanted), Reply::Bulk(Some(got))) => !new && wanted.matches(got, names),
            (Self::Error(wanted), Reply::Error(got)) => wanted.matches(got, names),
            (Self::Integer(low, high), Reply::Integer(got)) => (*low..=*high).contains(got),
            (Self::IntegerNamed(name), Reply::Integer(got)) => {
                Text::Named(name.clone()).matches(got.to_string().as_bytes(), names)
            }
            (Self::Null, Reply::Bulk(None)) | (Self::NullArray, Reply::Array(None)) => !new,
            (Self::Null | Self::NullArray, Reply::Null) => new,
            (Self::Simple(wanted), Reply::Simple(got)) => wanted.matches(got, names),
            (Self::Verbatim(wanted), Reply::Bulk(Some(got))) => !new && wanted.matches(got, names),
            (Self::Verbatim(wanted), Reply::Verbatim(got)) => {
                new && got.starts_with(b"txt:") && wanted.matches(&got[4..], names)
            }
            _ => false,
        }
    }
}

fn in_order(wanted: &[Pattern], more: bool, got: &[Reply], version: u8, names: &mut Names) -> bool {
    (got.len() == wanted.len() || more && got.len() > wanted.len())
        && wanted.iter().zip(got).all(|(want, reply)| want.matches(reply, version, names))
}

/// Greedy: each wanted group of `each` patterns takes the first group of replies that matches
/// and is still free. Enough, because the scripts' patterns do not overlap.
fn any_order(
    wanted: &[Pattern],
    more: bool,
    got: &[Reply],
    each: usize,
    version: u8,
    names: &mut Names,
) -> bool {
    let mut free: Vec<&[Reply]> = got.chunks(each).collect();
    for want in wanted.chunks(each) {
        let found = free.iter().position(|group| in_order(want, false, group, version, names));
        match found {
            Some(index) => free.remove(index),
            None => return false,
        };
    }
    more || free.is_empty()
}

/// Does `text` match `pattern`, in which `*` stands for anything?
pub(crate) fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|skip| glob(rest, &text[skip..])),
        Some((first, rest)) => text.first() == Some(first) && glob(rest, &text[1..]),
    }
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_spaces(&mut self) {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
    }

    fn complain(&self, wanted: &str) -> String {
        let rest = &self.text[self.at.min(self.text.len())..];
        format!("expected {wanted} at `{}`", rest.escape_ascii())
    }

    fn eat(&mut self, prefix: &str) -> bool {
        let found = self.text[self.at..].starts_with(prefix.as_bytes());
        if found {
            self.at += prefix.len();
        }
        found
    }

    fn pattern(&mut self, top: bool) -> Result<Pattern, String> {
        let lists: [(&str, &str, MakeList); 5] = [
            ("[", "]", Pattern::Array),
            ("~[", "]", Pattern::Set),
            (">[", "]", Pattern::Push),
            ("%{", "}", Pattern::Map),
            ("{", "}", Pattern::Unordered),
        ];
        for (open, close, make) in lists {
            if self.eat(open) {
                let (elements, more) = self.elements(close)?;
                return Ok(make(elements, more));
            }
        }
        if self.eat("lines[") {
            return self.lines();
        }
        if self.eat("*_") {
            return Ok(Pattern::NullArray);
        }
        if self.eat("$?") {
            return Ok(Pattern::Bulk(Text::Any));
        }
        if self.eat("$=") {
            return Ok(Pattern::Bulk(Text::Named(self.word())));
        }
        if self.text[self.at..].starts_with(b"glob\"") || self.peek() == Some(b'"') {
            return Ok(Pattern::Bulk(self.quoted_text()?));
        }
        self.prefixed(top)
    }

    fn prefixed(&mut self, top: bool) -> Result<Pattern, String> {
        let kind = self.peek().ok_or_else(|| self.complain("a reply"))?;
        self.at += 1;
        match kind {
            b'+' => Ok(Pattern::Simple(self.text_or_word()?)),
            b'-' if top && !self.is_quoted() => {
                let rest = self.text[self.at..].to_vec();
                self.at = self.text.len();
                Ok(Pattern::Error(Text::Exact(rest)))
            }
            b'-' => Ok(Pattern::Error(self.quoted_text()?)),
            b':' if self.eat("=") => Ok(Pattern::IntegerNamed(self.word())),
            b':' => self.integer(),
            b',' if self.eat("?") => Ok(Pattern::Double(Text::Any)),
            b',' => Ok(Pattern::Double(Text::Exact(self.word().into_bytes()))),
            b'#' => Ok(Pattern::Boolean(self.word() == "t")),
            b'=' => Ok(Pattern::Verbatim(self.quoted_text()?)),
            b'_' => Ok(Pattern::Null),
            b'?' => Ok(Pattern::Anything),
            _ => {
                self.at -= 1;
                Err(self.complain("a reply"))
            }
        }
    }

    fn integer(&mut self) -> Result<Pattern, String> {
        let word = self.word();
        if word == "?" {
            return Ok(Pattern::Integer(i64::MIN, i64::MAX));
        }
        let (low, high) = word.split_once("..").unwrap_or((&word, &word));
        let parse = |text: &str| text.parse::<i64>().map_err(|_| self.complain("an integer"));
        Ok(Pattern::Integer(parse(low)?, parse(high)?))
    }

    fn elements(&mut self, close: &str) -> Result<(Vec<Pattern>, bool), String> {
        let mut elements = Vec::new();
        loop {
            self.skip_spaces();
            if self.eat(close) {
                return Ok((elements, false));
            }
            if self.eat("...") {
                self.skip_spaces();
                let closed = self.eat(close);
                return if closed { Ok((elements, true)) } else { Err(self.complain(close)) };
            }
            elements.push(self.pattern(false)?);
        }
    }

    fn lines(&mut self) -> Result<Pattern, String> {
        let mut lines = Vec::new();
        loop {
            self.skip_spaces();
            if self.eat("]") {
                return Ok(Pattern::Lines(lines));
            }
            lines.push(self.quoted()?);
        }
    }

    fn is_quoted(&self) -> bool {
        let rest = &self.text[self.at..];
        rest.starts_with(b"\"") || rest.starts_with(b"glob\"")
    }

    fn text_or_word(&mut self) -> Result<Text, String> {
        if self.is_quoted() {
            self.quoted_text()
        } else {
            Ok(Text::Exact(self.word().into_bytes()))
        }
    }

    fn quoted_text(&mut self) -> Result<Text, String> {
        if self.eat("glob") {
            self.quoted().map(Text::Glob)
        } else {
            self.quoted().map(Text::Exact)
        }
    }

    fn quoted(&mut self) -> Result<Vec<u8>, String> {
        let (text, used) =
            unquote(&self.text[self.at..]).ok_or_else(|| self.complain("a quoted text"))?;
        self.at += used;
        Ok(text)
    }

    fn word(&mut self) -> String {
        let start = self.at;
        while self.peek().is_some_and(|byte| !matches!(byte, b' ' | b']' | b'}')) {
            self.at += 1;
        }
        String::from_utf8_lossy(&self.text[start..self.at]).into_owned()
    }
}

/// Reads a text in double quotes with the escapes `\r \n \t \0 \xNN \" \\`; returns it and the
/// number of bytes that it took.
pub(crate) fn unquote(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    if text.first() != Some(&b'"') {
        return None;
    }
    let mut out = Vec::new();
    let mut at = 1;
    loop {
        match text.get(at)? {
            b'"' => return Some((out, at + 1)),
            b'\\' => {
                let escaped = *text.get(at + 1)?;
                at += 2;
                out.push(match escaped {
                    b'r' => b'\r',
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'0' => 0,
                    b'x' => {
                        let digits = std::str::from_utf8(text.get(at..at + 2)?).ok()?;
                        at += 2;
                        u8::from_str_radix(digits, 16).ok()?
                    }
                    other => other,
                });
            }
            &byte => {
                out.push(byte);
                at += 1;
            }
        }
    }
}
