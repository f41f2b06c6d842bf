//! Commands as lines of text, from a person or a pipe.
//!
//! Why it exists: both sources know the same small language: a command per line with Redis's
//! quoting, a number in front to repeat it, and a few words for the client itself. Not for raw
//! protocol: see `modes::pipe`.

use std::io::{BufRead, Write};

use protocol::inline;
use zumic_error::{Error, ErrorKind, ResultExt};

use super::docs::Docs;
use super::endpoint::Endpoint;
use super::help;
use super::options::Settings;
use super::reply::Reply;
use super::session::{Session, Verdict, print};

/// What a line says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Line {
    /// `clear`
    Clear,
    /// A command for the server, and how often.
    Command(Vec<Vec<u8>>, i64),
    /// `connect host port`
    Connect(Endpoint),
    /// Nothing.
    Empty,
    /// `help` and its topic.
    Help(Vec<String>),
    /// `:set hints`, `:set nohints`
    Hints(bool),
    /// `exit`, `quit`
    Leave,
    /// Something that cannot be done, and why.
    Wrong(String),
}

/// Reads a line.
///
/// # Examples
/// ```
/// use server::cli::lines::{Line, parse};
/// assert_eq!(parse(b"3 PING"), Line::Command(vec![b"PING".to_vec()], 3));
/// assert_eq!(parse(b"quit"), Line::Leave);
/// ```
#[must_use]
pub fn parse(line: &[u8]) -> Line {
    let Some(mut words) = inline::split(line) else {
        return Line::Wrong("Invalid argument(s)".to_owned());
    };
    if words.is_empty() {
        return Line::Empty;
    }
    let mut repeat = 1;
    if words.len() > 1
        && let Some(number) = std::str::from_utf8(&words[0]).ok().and_then(|t| t.parse().ok())
    {
        if number < 1 {
            return Line::Wrong("A command is repeated at least once.".to_owned());
        }
        repeat = number;
        words.remove(0);
    }
    let first = String::from_utf8_lossy(&words[0]).to_ascii_lowercase();
    let rest = || words[1..].iter().map(|word| String::from_utf8_lossy(word).into_owned());
    match (first.as_str(), words.len()) {
        ("exit" | "quit", _) => Line::Leave,
        ("help" | "?", _) => Line::Help(rest().collect()),
        ("clear", 1) => Line::Clear,
        ("connect", 3) => {
            let words: Vec<_> = rest().collect();
            match words[1].parse() {
                Ok(port) => Line::Connect(Endpoint::Tcp(words[0].clone(), port)),
                Err(_) => Line::Wrong(format!("\"{}\" is not a port.", words[1])),
            }
        }
        ("connect", _) => Line::Wrong("Usage: connect <host> <port>".to_owned()),
        (":set", 2) if words[1] == b"hints" => Line::Hints(true),
        (":set", 2) if words[1] == b"nohints" => Line::Hints(false),
        (word, _) if word.starts_with(':') => {
            Line::Wrong("Preferences are \":set hints\" and \":set nohints\".".to_owned())
        }
        _ => Line::Command(words, repeat),
    }
}

/// Executes the lines of `input` in order. What only makes sense at a terminal (`clear`, hints)
/// is refused there. With `exit_on_error` the first refused command ends it.
///
/// # Errors
/// The connection cannot be made or is lost (the lines behind are not executed), or input or output
/// fail.
pub fn execute_all(
    session: &mut Session,
    settings: &Settings,
    input: &mut dyn BufRead,
    out: &mut dyn Write,
) -> Result<Verdict, Error> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let count = input.read_until(b'\n', &mut line).context(ErrorKind::Io, "reading input")?;
        if count == 0 {
            return Ok(Verdict::Answered);
        }
        match parse(&line) {
            Line::Command(words, repeat) => {
                let stop = settings.exit_on_error;
                let pause = settings.interval;
                let verdict = session.execute_repeatedly(&words, repeat, pause, stop, out)?;
                if stop && verdict == Verdict::Refused {
                    return Ok(verdict);
                }
            }
            Line::Connect(endpoint) => session.move_to(endpoint)?,
            Line::Empty => {}
            Line::Help(topic) => print(out, help(session, &topic, false)?.as_bytes())?,
            Line::Leave => return Ok(Verdict::Answered),
            Line::Clear | Line::Hints(_) => print(out, b"Only at a terminal.\n")?,
            Line::Wrong(text) => {
                print(out, format!("{text}\n").as_bytes())?;
                if settings.exit_on_error {
                    return Ok(Verdict::Refused);
                }
            }
        }
    }
}

/// The help on a topic; asks the server unless none is named.
///
/// # Errors
/// The connection cannot be made, or is lost.
pub fn help(session: &mut Session, topic: &[String], colors: bool) -> Result<String, Error> {
    let docs = if topic.is_empty() { Docs::default() } else { load_docs(session)? };
    Ok(help::text(&docs, topic, colors))
}

/// What the server says about its commands: `COMMAND DOCS`, else `COMMAND`.
///
/// # Errors
/// The connection cannot be made, or is lost.
pub fn load_docs(session: &mut Session) -> Result<Docs, Error> {
    match session.ask(&["COMMAND", "DOCS"])? {
        Reply::Error(_) => Ok(Docs::from_table(&session.ask(&["COMMAND"])?)),
        docs => Ok(Docs::from_docs(&docs)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(words: &[&str], repeat: i64) -> Line {
        Line::Command(words.iter().map(|word| word.as_bytes().to_vec()).collect(), repeat)
    }

    #[test]
    fn numbers_repeat_only_what_follows_them() {
        assert_eq!(parse(b"2 set a \"b c\"\r\n"), command(&["set", "a", "b c"], 2));
        assert_eq!(parse(b"2"), command(&["2"], 1));
        assert_eq!(parse(b"2x ping"), command(&["2x", "ping"], 1));
        assert!(matches!(parse(b"0 ping"), Line::Wrong(_)));
        assert!(matches!(parse(b"-1 ping"), Line::Wrong(_)));
    }

    #[test]
    fn the_clients_own_words() {
        assert_eq!(parse(b"EXIT"), Line::Leave);
        assert_eq!(parse(b"help config get"), Line::Help(vec!["config".into(), "get".into()]));
        assert_eq!(parse(b"connect ::1 7"), Line::Connect(Endpoint::Tcp("::1".into(), 7)));
        assert!(matches!(parse(b"connect host"), Line::Wrong(_)));
        assert!(matches!(parse(b"connect host x"), Line::Wrong(_)));
        assert_eq!(parse(b":set nohints"), Line::Hints(false));
        assert!(matches!(parse(b":get"), Line::Wrong(_)));
        assert_eq!(parse(b"clear"), Line::Clear);
        assert_eq!(parse(b"clear x"), command(&["clear", "x"], 1));
        assert_eq!(parse(b" \t\n"), Line::Empty);
        assert!(matches!(parse(b"get 'a"), Line::Wrong(_)));
    }
}
