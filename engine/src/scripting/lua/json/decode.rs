//! JSON to values.

use std::ffi::c_int;

use super::{Level, settings};
use crate::scripting::lua::failure::fail_with;
use crate::scripting::lua::numbers;
use crate::scripting::lua::raw::{Outcome, Raise, Stack};
use crate::scripting::lua::shared::Shared;
use crate::scripting::lua::vm::pace;

/// Slots that a table takes on the Lua stack.
const LEVEL_SLOTS: c_int = 3;

/// What a text is made of.
#[derive(Clone, Copy, Debug)]
enum Token {
    ArrayBegin,
    ArrayEnd,
    Boolean(bool),
    Colon,
    Comma,
    End,
    /// Something else, and what is wrong with it.
    Error(&'static str),
    Null,
    Number(f64),
    ObjectBegin,
    ObjectEnd,
    /// Its bytes are in the buffer, from where the reader began.
    String,
}

impl Token {
    /// How errors call it.
    fn name(self) -> &'static str {
        match self {
            Self::ArrayBegin => "T_ARR_BEGIN",
            Self::ArrayEnd => "T_ARR_END",
            Self::Boolean(_) => "T_BOOLEAN",
            Self::Colon => "T_COLON",
            Self::Comma => "T_COMMA",
            Self::End => "T_END",
            Self::Error(what) => what,
            Self::Null => "T_NULL",
            Self::Number(_) => "T_NUMBER",
            Self::ObjectBegin => "T_OBJ_BEGIN",
            Self::ObjectEnd => "T_OBJ_END",
            Self::String => "T_STRING",
        }
    }
}

/// A text that is being read.
struct Reader<'r> {
    text: &'r [u8],
    place: usize,
    /// Where the last token began, or went wrong.
    token_place: usize,
    shared: &'r Shared,
    /// Where strings begin in the buffer.
    buffer_start: usize,
    invalid_numbers: bool,
}

/// `cjson.decode(text)`.
pub(super) fn decode(stack: Stack, shared: &Shared) -> Outcome {
    if stack.top() != 1 {
        return stack.fail_argument(1, c"expected 1 argument");
    }
    let text = stack.check_bytes(1);
    if let [0, _, ..] | [_, 0, ..] = text {
        return stack.fail(b"JSON parser does not support UTF-16 or UTF-32");
    }
    let mut reader = Reader {
        text,
        place: 0,
        token_place: 0,
        shared,
        buffer_start: shared.buffer.len(),
        invalid_numbers: settings(stack).decode_invalid.get(),
    };
    let read = read_all(stack, &mut reader, settings(stack).decode_depth_max.get());
    shared.buffer.truncate(reader.buffer_start);
    read.map(|()| 1)
}

/// Reads one value and the end.
fn read_all(stack: Stack, reader: &mut Reader<'_>, depth_max: c_int) -> Result<(), Raise> {
    let levels = &reader.shared.json_levels;
    levels.clear();
    let mut token = reader.next();
    loop {
        // A value begins with this token; an opened table goes on with its first.
        if read_value(stack, reader, token, depth_max)? {
            token = reader.next();
            match (levels.last(), token) {
                (Some(Level::Items { .. }), Token::ArrayEnd)
                | (Some(Level::Members { .. }), Token::ObjectEnd) => levels.pop(),
                (Some(Level::Members { .. }), _) => {
                    token = read_key(stack, reader, token)?;
                    continue;
                }
                _ => continue,
            }
        }
        // A value is complete: put it into its table, until one goes on.
        loop {
            let Some(level) = levels.last() else {
                let token = reader.next();
                return match token {
                    Token::End => Ok(()),
                    _ => expected(stack, reader, "the end", token),
                };
            };
            store(stack, reader, level);
            token = reader.next();
            match (level, token) {
                (Level::Items { .. }, Token::ArrayEnd)
                | (Level::Members { .. }, Token::ObjectEnd) => levels.pop(),
                (Level::Items { .. }, Token::Comma) => {
                    token = reader.next();
                    break;
                }
                (Level::Members { .. }, Token::Comma) => {
                    let key = reader.next();
                    token = read_key(stack, reader, key)?;
                    break;
                }
                (Level::Items { .. }, _) => {
                    return expected(stack, reader, "comma or array end", token);
                }
                (Level::Members { .. }, _) => {
                    return expected(stack, reader, "comma or object end", token);
                }
            }
        }
    }
}

/// Puts the value on the top into the table below, under the key between them in an object.
fn store(stack: Stack, reader: &Reader<'_>, level: Level) {
    match level {
        Level::Items { next, len } => {
            stack.raw_set_item(-2, next);
            reader.shared.json_levels.set_last(Level::Items { next: next + 1, len });
        }
        Level::Members { .. } => stack.raw_set(-3),
    }
}

/// Pushes the value that begins with a token; true when it is a table that is open now.
fn read_value(
    stack: Stack,
    reader: &Reader<'_>,
    token: Token,
    depth_max: c_int,
) -> Result<bool, Raise> {
    pace(stack, reader.shared)?;
    let level = match token {
        Token::String => {
            push_string(stack, reader);
            return Ok(false);
        }
        Token::Number(number) => {
            stack.push_number(number);
            return Ok(false);
        }
        Token::Boolean(value) => {
            stack.push_boolean(value);
            return Ok(false);
        }
        Token::Null => {
            stack.push_address(std::ptr::null_mut());
            return Ok(false);
        }
        Token::ArrayBegin => Level::Items { next: 1, len: 0 },
        Token::ObjectBegin => Level::Members { any: false },
        _ => return expected(stack, reader, "value", token),
    };
    let depth = reader.shared.json_levels.depth() + 1;
    if depth > depth_max || !stack.has_room(LEVEL_SLOTS) {
        return fail_with(stack, reader.shared, |out| {
            out.extend_from_slice(b"Found too many nested data structures (");
            out.extend_from_slice(itoa::Buffer::new().format(depth).as_bytes());
            out.extend_from_slice(b") at character ");
            out.extend_from_slice(itoa::Buffer::new().format(reader.place).as_bytes());
        });
    }
    reader.shared.json_levels.push(level);
    stack.push_table(0, 0);
    Ok(true)
}

/// Pushes the key that a token is; the token behind the colon.
fn read_key(stack: Stack, reader: &mut Reader<'_>, token: Token) -> Result<Token, Raise> {
    if !matches!(token, Token::String) {
        return expected(stack, reader, "object key string", token);
    }
    push_string(stack, reader);
    match reader.next() {
        Token::Colon => Ok(reader.next()),
        other => expected(stack, reader, "colon", other),
    }
}

/// Pushes the string that was just read.
fn push_string(stack: Stack, reader: &Reader<'_>) {
    stack.push_bytes(reader.shared.buffer.from(reader.buffer_start));
    reader.shared.buffer.truncate(reader.buffer_start);
}

/// "Expected <what> but found <token> at character <place>".
fn expected<T>(stack: Stack, reader: &Reader<'_>, what: &str, found: Token) -> Result<T, Raise> {
    let place = reader.token_place + 1;
    fail_with(stack, reader.shared, |out| {
        for part in ["Expected ", what, " but found ", found.name(), " at character "] {
            out.extend_from_slice(part.as_bytes());
        }
        out.extend_from_slice(itoa::Buffer::new().format(place).as_bytes());
    })
}

impl Reader<'_> {
    /// The byte at an offset from the present place; 0 at the end, as C strings have it.
    fn at(&self, offset: usize) -> u8 {
        self.text.get(self.place + offset).copied().unwrap_or(0)
    }

    fn rest(&self) -> &[u8] {
        self.text.get(self.place..).unwrap_or_default()
    }

    fn next(&mut self) -> Token {
        while matches!(self.at(0), b' ' | b'\t' | b'\n' | b'\r') {
            self.place += 1;
        }
        self.token_place = self.place;
        let single = match self.at(0) {
            b'{' => Token::ObjectBegin,
            b'}' => Token::ObjectEnd,
            b'[' => Token::ArrayBegin,
            b']' => Token::ArrayEnd,
            b',' => Token::Comma,
            b':' => Token::Colon,
            0 => return Token::End,
            b'"' => return self.string(),
            b'-' | b'0'..=b'9' => return self.number(),
            b'f' | b'i' | b'I' | b'n' | b'N' | b't' | b'+' => return self.word(),
            _ => return self.error("invalid token"),
        };
        self.place += 1;
        single
    }

    fn error(&mut self, what: &'static str) -> Token {
        self.token_place = self.place;
        Token::Error(what)
    }

    fn word(&mut self) -> Token {
        for (name, token) in [
            (&b"true"[..], Token::Boolean(true)),
            (b"false", Token::Boolean(false)),
            (b"null", Token::Null),
        ] {
            if self.rest().starts_with(name) {
                self.place += name.len();
                return token;
            }
        }
        if self.invalid_numbers && self.is_invalid_number() {
            return self.number();
        }
        self.error("invalid token")
    }

    /// A number as C's `strtod` reads it.
    fn number(&mut self) -> Token {
        if !self.invalid_numbers && self.is_invalid_number() {
            return self.error("invalid number");
        }
        match numbers::read_prefix(self.rest()) {
            Some((number, len)) => {
                self.place += len;
                Token::Number(number)
            }
            None => self.error("invalid number"),
        }
    }

    /// Whether it is what C takes for a number and JSON does not.
    fn is_invalid_number(&self) -> bool {
        if self.at(0) == b'+' {
            return true;
        }
        let sign = usize::from(self.at(0) == b'-');
        match self.at(sign) {
            b'0' => matches!(self.at(sign + 1), b'x' | b'X' | b'0'..=b'9'),
            0..=b'9' => false,
            _ => {
                let word = self.rest().get(sign..sign + 3).unwrap_or_default();
                word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"nan")
            }
        }
    }

    fn string(&mut self) -> Token {
        self.place += 1;
        let buffer = &self.shared.buffer;
        buffer.truncate(self.buffer_start);
        loop {
            // What needs no translation goes as one piece.
            let rest = self.rest();
            let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0);
            let plain = rest.iter().position(special).unwrap_or(rest.len());
            buffer.extend(&rest[..plain]);
            self.place += plain;
            match self.at(0) {
                b'"' => {
                    self.place += 1;
                    return Token::String;
                }
                b'\\' => {
                    if let Err(what) = self.escape() {
                        return self.error(what);
                    }
                }
                _ => return self.error("unexpected end of string"),
            }
        }
    }

    /// Reads an escape into the buffer.
    fn escape(&mut self) -> Result<(), &'static str> {
        let byte = match self.at(1) {
            byte @ (b'"' | b'\\' | b'/') => byte,
            b'b' => 8,
            b't' => b'\t',
            b'n' => b'\n',
            b'f' => 12,
            b'r' => b'\r',
            b'u' => {
                let (point, len) = self.code_point().ok_or("invalid unicode escape code")?;
                self.shared.buffer.extend(point.encode_utf8(&mut [0; 4]).as_bytes());
                self.place += len;
                return Ok(());
            }
            _ => return Err("invalid escape code"),
        };
        self.shared.buffer.push(byte);
        self.place += 2;
        Ok(())
    }

    /// The character of one escape, or of the two of a surrogate pair, and their length.
    fn code_point(&self) -> Option<(char, usize)> {
        let first = self.hexadecimal(2)?;
        if first & 0xF800 != 0xD800 {
            return Some((char::from_u32(first)?, 6));
        }
        if first & 0x400 != 0 || self.at(6) != b'\\' || self.at(7) != b'u' {
            return None;
        }
        let second = self.hexadecimal(8)?;
        if second & 0xFC00 != 0xDC00 {
            return None;
        }
        let point = (((first & 0x3FF) << 10) | (second & 0x3FF)) + 0x1_0000;
        Some((char::from_u32(point)?, 12))
    }

    /// Four hexadecimal digits.
    fn hexadecimal(&self, offset: usize) -> Option<u32> {
        (offset..offset + 4).try_fold(0, |value, offset| {
            Some(value << 4 | char::from(self.at(offset)).to_digit(16)?)
        })
    }
}
