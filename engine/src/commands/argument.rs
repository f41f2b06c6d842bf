//! Argument trees: what COMMAND DOCS answers, the CLI hints at and the book prints.
//!
//! Why it exists: one tree gives both Redis's argument maps and the syntax line that people read.
//! Trees are built by constant functions, so a row reads like the syntax it stands for.

use std::fmt;

/// One argument of a command, or a group of them.
#[derive(Clone, Copy, Debug)]
pub struct Argument {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: ArgumentKind,
    /// Which of the command's key specifications it belongs to, for keys.
    pub key_spec: Option<u8>,
    /// The word that stands before it, or for it.
    pub token: &'static str,
    /// Version that added it; empty for the command's own.
    pub since: &'static str,
    /// Version that deprecated it; empty for none.
    pub deprecated_since: &'static str,
    /// May be left out.
    pub optional: bool,
    /// May be repeated.
    pub multiple: bool,
    /// If repeated, its token is repeated as well.
    pub multiple_token: bool,
    /// Members of a block or alternatives of a choice.
    pub arguments: &'static [Argument],
}

/// The type of an argument.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ArgumentKind {
    Block,
    Double,
    Integer,
    Key,
    OneOf,
    Pattern,
    PureToken,
    String,
    UnixTime,
}

impl ArgumentKind {
    /// The name COMMAND DOCS answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Double => "double",
            Self::Integer => "integer",
            Self::Key => "key",
            Self::OneOf => "oneof",
            Self::Pattern => "pattern",
            Self::PureToken => "pure-token",
            Self::String => "string",
            Self::UnixTime => "unix-time",
        }
    }
}

impl Argument {
    const fn of(kind: ArgumentKind, name: &'static str) -> Self {
        Self {
            name,
            kind,
            key_spec: None,
            token: "",
            since: "",
            deprecated_since: "",
            optional: false,
            multiple: false,
            multiple_token: false,
            arguments: &[],
        }
    }

    /// Gives it a word of its own in front.
    #[must_use]
    pub const fn after(self, token: &'static str) -> Self {
        Self { token, ..self }
    }

    /// Says which version added it.
    #[must_use]
    pub const fn since(self, since: &'static str) -> Self {
        Self { since, ..self }
    }

    /// Says which version deprecated it.
    #[must_use]
    pub const fn deprecated_since(self, deprecated_since: &'static str) -> Self {
        Self { deprecated_since, ..self }
    }

    /// Makes it optional.
    #[must_use]
    pub const fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// Lets it be repeated.
    #[must_use]
    pub const fn multiple(self) -> Self {
        Self { multiple: true, ..self }
    }

    /// Lets it be repeated, its token each time.
    #[must_use]
    pub const fn multiple_token(self) -> Self {
        Self { multiple: true, multiple_token: true, ..self }
    }

    /// Whether it is a group of other arguments.
    #[must_use]
    pub const fn is_group(&self) -> bool {
        matches!(self.kind, ArgumentKind::Block | ArgumentKind::OneOf)
    }

    fn fmt_core(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ArgumentKind::PureToken => f.write_str(self.token),
            ArgumentKind::OneOf => join(f, self.arguments, " | "),
            ArgumentKind::Block => join(f, self.arguments, " "),
            _ => f.write_str(self.name),
        }
    }

    fn fmt_once(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.token.is_empty() && self.kind != ArgumentKind::PureToken {
            write!(f, "{} ", self.token)?;
        }
        let bracket = self.kind == ArgumentKind::OneOf && !(self.optional && self.token.is_empty());
        if bracket {
            f.write_str("<")?;
        }
        self.fmt_core(f)?;
        if bracket {
            f.write_str(">")?;
        }
        Ok(())
    }
}

/// The syntax line of the argument, as in the Redis documentation: `[NX | XX]`, `key [key ...]`.
impl fmt::Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.optional {
            f.write_str("[")?;
        }
        self.fmt_once(f)?;
        if self.multiple {
            f.write_str(" [")?;
            if self.multiple_token {
                self.fmt_once(f)?
            } else {
                self.fmt_core(f)?
            }
            f.write_str(" ...]")?;
        }
        if self.optional {
            f.write_str("]")?;
        }
        Ok(())
    }
}

fn join(f: &mut fmt::Formatter<'_>, arguments: &[Argument], between: &str) -> fmt::Result {
    for (index, argument) in arguments.iter().enumerate() {
        if index > 0 {
            f.write_str(between)?;
        }
        write!(f, "{argument}")?;
    }
    Ok(())
}

/// A key of the command's first key specification.
#[must_use]
pub(super) const fn key(name: &'static str) -> Argument {
    key_of(name, 0)
}

/// A key of the given key specification.
#[must_use]
pub(super) const fn key_of(name: &'static str, spec: u8) -> Argument {
    Argument { key_spec: Some(spec), ..Argument::of(ArgumentKind::Key, name) }
}

/// Any bytes.
#[must_use]
pub(super) const fn text(name: &'static str) -> Argument {
    Argument::of(ArgumentKind::String, name)
}

/// A 64-bit integer.
#[must_use]
pub(super) const fn integer(name: &'static str) -> Argument {
    Argument::of(ArgumentKind::Integer, name)
}

/// A floating-point number.
#[must_use]
pub(super) const fn double(name: &'static str) -> Argument {
    Argument::of(ArgumentKind::Double, name)
}

/// A glob pattern.
#[must_use]
pub(super) const fn pattern(name: &'static str) -> Argument {
    Argument::of(ArgumentKind::Pattern, name)
}

/// A pattern that makes the keys of a key specification.
#[must_use]
pub(super) const fn key_pattern(name: &'static str, spec: u8) -> Argument {
    Argument { key_spec: Some(spec), ..Argument::of(ArgumentKind::Pattern, name) }
}

/// A point in time, in seconds or milliseconds since 1970.
#[must_use]
pub(super) const fn unix_time(name: &'static str) -> Argument {
    Argument::of(ArgumentKind::UnixTime, name)
}

/// A word that stands for itself.
#[must_use]
pub(super) const fn token(name: &'static str, token: &'static str) -> Argument {
    Argument::of(ArgumentKind::PureToken, name).after(token)
}

/// One of several.
#[must_use]
pub(super) const fn one_of(name: &'static str, arguments: &'static [Argument]) -> Argument {
    Argument { arguments, ..Argument::of(ArgumentKind::OneOf, name) }
}

/// Several in a row.
#[must_use]
pub(super) const fn block(name: &'static str, arguments: &'static [Argument]) -> Argument {
    Argument { arguments, ..Argument::of(ArgumentKind::Block, name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syntax_reads_as_documented() {
        const EITHER: &[Argument] = &[integer("seconds").after("EX"), token("k", "KEEPTTL")];
        const PAIR: &[Argument] = &[key("key"), text("value")];
        let expiry = one_of("x", EITHER);
        assert_eq!(expiry.optional().to_string(), "[EX seconds | KEEPTTL]");
        assert_eq!(expiry.to_string(), "<EX seconds | KEEPTTL>");
        assert_eq!(key("key").multiple().to_string(), "key [key ...]");
        let pairs = block("data", PAIR).multiple();
        assert_eq!(pairs.to_string(), "key value [key value ...]");
        assert_eq!(text("p").after("MATCH").optional().to_string(), "[MATCH p]");
        let ids = integer("id").after("ID").multiple();
        assert_eq!(ids.to_string(), "ID id [id ...]");
        let ids = integer("id").after("ID").multiple_token();
        assert_eq!(ids.to_string(), "ID id [ID id ...]");
    }
}
