//! Wire scripts: cases as plain text, run against any server in either protocol.
//!
//! Why it exists: most of what a store must answer is "this request, that reply"; written as
//! data it can be read by anybody who knows the commands, and the same lines judge Zumic on
//! any number of threads and the Redis that it must equal. Not for races, timing or volume:
//! those are code.
//!
//! A script is a list of cases. `== title` opens one; each case starts with an empty store and
//! a fresh connection `a`. A line is one of
//!
//! ```text
//! SET key "some text"            => +OK            a request and its reply (see `expect`)
//! b: GET key                     => "some text"    the same on connection b, opened at need
//! ! until GET key                => _              repeated until it matches, 10 s at most
//! ! send b "PING\r\n"                              bytes as they are
//! ! write b BLPOP list 0                           a request whose reply comes later
//! ! read b                       => +PONG          the next reply, with nothing sent
//! ! silent b                                       no reply is waiting (looked for 50 ms)
//! ! closed b                                       the server closes, without another byte
//! ! close b                                        we close
//! ! sleep 20                                       milliseconds; only to let time pass
//! ```
//!
//! Tags before a line, or after a title (then for the whole case), say where it runs: `@2` and
//! `@3` the protocol, `@zumic` and `@redis` the server, `@new` not on a Redis before 7.2.
//! `$name` in a request is replaced by what `=name` caught; `$` alone is itself.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::client::Client;
use super::expect::{Expectation, Names, unquote};
use super::process::{Running, Server};
use super::reply::Reply;

/// How long `! until` repeats.
const UNTIL_MAX: Duration = Duration::from_secs(10);

/// How long `! silent` listens: long enough for a reply that is on its way.
const SILENT: Duration = Duration::from_millis(50);

/// Where the script is being run.
struct Target {
    zumic: bool,
    modern: bool,
    version: u8,
}

/// The connections and caught names of one case.
struct Stage<'a> {
    server: &'a Running,
    target: &'a Target,
    clients: BTreeMap<String, Client>,
    names: Names,
}

/// Runs every case of `script` on a new server of this kind, in RESP2 and then in RESP3.
///
/// # Panics
/// With every line that did not hold, after all cases have been run.
pub(crate) fn run(script: &str, server: &dyn Server) {
    run_with(script, server, &[]);
}

/// Like `run`, with options for the server.
///
/// # Panics
/// As `run` does.
pub(crate) fn run_with(script: &str, server: &dyn Server, options: &[&str]) {
    let running = Running::start_with(server, options);
    let modern = server.is_zumic() || redis_is_modern(&running);
    let mut report = String::new();
    let mut held = 0_usize;
    for version in [2, 3] {
        let target = Target { zumic: server.is_zumic(), modern, version };
        for case in cases(script) {
            if !case.runs_on(&target) {
                continue;
            }
            match case.run(&running, &target) {
                Ok(lines) => held += lines,
                Err(failure) => {
                    let title = case.title;
                    let _ =
                        writeln!(report, "\n{} RESP{version} [{title}]\n{failure}", server.name());
                }
            }
        }
    }
    assert!(report.is_empty(), "{report}");
    assert!(held > 0, "the script has no line for {}", server.name());
}

fn redis_is_modern(running: &Running) -> bool {
    let info = running.connect().run("INFO server").text();
    let version = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
    let mut parts = version.unwrap_or("0.0").split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (7, 2)
}

struct Case<'a> {
    title: &'a str,
    tags: Vec<&'a str>,
    lines: Vec<(usize, &'a str)>,
}

fn cases(script: &str) -> Vec<Case<'_>> {
    let mut cases: Vec<Case<'_>> = Vec::new();
    for (index, line) in script.lines().enumerate() {
        let line = line.trim();
        if let Some(title) = line.strip_prefix("== ") {
            let (title, tags) = match title.find(" @") {
                Some(at) => (&title[..at], title[at..].split_whitespace().collect()),
                None => (title, Vec::new()),
            };
            cases.push(Case { title, tags, lines: Vec::new() });
        } else if !line.is_empty() && !line.starts_with("# ") {
            let case = cases.last_mut().expect("a script begins with a title");
            case.lines.push((index + 1, line));
        }
    }
    cases
}

fn tag_holds(tag: &str, target: &Target) -> bool {
    match tag {
        "@2" => target.version == 2,
        "@3" => target.version == 3,
        "@zumic" => target.zumic,
        "@redis" => !target.zumic,
        "@new" => target.modern,
        _ => panic!("unknown tag {tag}"),
    }
}

impl Case<'_> {
    fn runs_on(&self, target: &Target) -> bool {
        self.tags.iter().all(|tag| tag_holds(tag, target))
    }

    /// Runs all lines; returns how many were judged.
    fn run(&self, server: &Running, target: &Target) -> Result<usize, String> {
        let mut stage = Stage { server, target, clients: BTreeMap::new(), names: Names::new() };
        let flushed = server.connect().try_call(&["FLUSHALL"]);
        if !flushed.as_ref().is_ok_and(|reply| !reply.is_error()) {
            return Err(format!("FLUSHALL before the case: {flushed:?}\n{}", server.log()));
        }
        for &(number, line) in &self.lines {
            let (tags, rest) = split_tags(line);
            if tags.iter().all(|tag| tag_holds(tag, target)) {
                stage.line(rest).map_err(|why| format!("  line {number}: {line}\n    {why}"))?;
            }
        }
        Ok(self.lines.len())
    }
}

fn split_tags(line: &str) -> (Vec<&str>, &str) {
    let mut tags = Vec::new();
    let mut rest = line;
    while rest.starts_with('@') {
        let (tag, after) = rest.split_once(' ').expect("a tag is followed by a line");
        tags.push(tag);
        rest = after.trim_start();
    }
    (tags, rest)
}

impl Stage<'_> {
    fn line(&mut self, line: &str) -> Result<(), String> {
        let (action, expected) = match line.rsplit_once(" => ") {
            Some((action, expected)) => (action.trim(), Some(Expectation::parse(expected.trim())?)),
            None => (line, None),
        };
        match (action.strip_prefix("! "), expected) {
            (None, Some(expected)) => {
                let (client, words) = self.request(action)?;
                let reply = self.client(&client)?.try_call(&words);
                self.judge(&reply.map_err(|error| error.to_string())?, &expected)
            }
            (None, None) => Err("a request needs its reply: write => after it".to_owned()),
            (Some(directive), expected) => self.directive(directive, expected.as_ref()),
        }
    }

    fn directive(&mut self, text: &str, expected: Option<&Expectation>) -> Result<(), String> {
        let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
        let io = |error: io::Error| error.to_string();
        match (verb, expected) {
            ("until", Some(expected)) => self.until(rest, expected),
            ("read", Some(expected)) => {
                let reply = self.client(rest)?.read().map_err(io)?;
                self.judge(&reply, expected)
            }
            ("send", None) => {
                let (name, bytes) = rest.split_once(' ').ok_or("send NAME \"bytes\"")?;
                let (bytes, _) = unquote(bytes.as_bytes()).ok_or("the bytes are not quoted")?;
                self.client(name)?.send_raw(&bytes).map_err(io)
            }
            ("write", None) => {
                let (name, words) = rest.split_once(' ').ok_or("write NAME request")?;
                let words = self.words(words)?;
                self.client(name)?.send(&words).map_err(io)
            }
            ("silent", None) => {
                let client = self.client(rest)?;
                client.limit_read(SILENT);
                let got = client.read();
                client.limit_read(super::client::REPLY_MAX);
                match got {
                    Err(error) if is_timeout(&error) => Ok(()),
                    other => Err(format!("expected silence, got {other:?}")),
                }
            }
            ("closed", None) => {
                let rest = self.client(rest)?.read_to_close().map_err(io)?;
                if rest.is_empty() { Ok(()) } else { Err(format!("got {}", rest.escape_ascii())) }
            }
            ("close", None) => {
                self.clients.remove(rest);
                Ok(())
            }
            ("sleep", None) => {
                let pause = rest.parse().map_err(|_| "sleep MILLISECONDS")?;
                thread::sleep(Duration::from_millis(pause));
                Ok(())
            }
            _ => Err("no such directive, or => in the wrong place".to_owned()),
        }
    }

    fn until(&mut self, action: &str, expected: &Expectation) -> Result<(), String> {
        let deadline = Instant::now() + UNTIL_MAX;
        loop {
            let (client, words) = self.request(action)?;
            let reply = self.client(&client)?.try_call(&words);
            let judged = self.judge(&reply.map_err(|error| error.to_string())?, expected);
            if judged.is_ok() || Instant::now() > deadline {
                return judged;
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn judge(&mut self, reply: &Reply, expected: &Expectation) -> Result<(), String> {
        if expected.matches(reply, self.target.version, &mut self.names) {
            return Ok(());
        }
        let mut shown = reply.to_string();
        if shown.len() > 2000 {
            shown.truncate((0..=2000).rev().find(|&at| shown.is_char_boundary(at)).unwrap_or(0));
        }
        Err(format!("got {shown}"))
    }

    /// Splits `b: GET key` into the connection's name and the words.
    fn request(&self, line: &str) -> Result<(String, Vec<Vec<u8>>), String> {
        let (name, words) = match line.split_once(": ") {
            Some((name, words)) if is_connection(name) => (name, words),
            _ => ("a", line),
        };
        Ok((name.to_owned(), self.words(words)?))
    }

    fn words(&self, text: &str) -> Result<Vec<Vec<u8>>, String> {
        let mut words = Vec::new();
        let mut rest = text.trim().as_bytes();
        while !rest.is_empty() {
            let (word, used) = match unquote(rest) {
                Some(quoted) => quoted,
                None => {
                    let used = rest.iter().position(|&byte| byte == b' ').unwrap_or(rest.len());
                    (self.named(&rest[..used])?, used)
                }
            };
            words.push(word);
            rest = rest[used..].trim_ascii_start();
        }
        Ok(words)
    }

    /// `$name` as a word stands for what was caught; `{x*1000}` for a thousand times `x`.
    fn named(&self, word: &[u8]) -> Result<Vec<u8>, String> {
        let text = String::from_utf8_lossy(word);
        if let Some(name) = text.strip_prefix('$').filter(|name| !name.is_empty()) {
            return self.names.get(name).cloned().ok_or(format!("nothing was caught as {name}"));
        }
        let repeated = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        match repeated.and_then(|text| text.rsplit_once('*')) {
            Some((unit, count)) => {
                let count = count.parse().map_err(|_| format!("{text}: not a count"))?;
                Ok(unit.repeat(count).into_bytes())
            }
            None => Ok(word.to_vec()),
        }
    }

    /// The connection of that name, opened and switched to the protocol under test at need.
    fn client(&mut self, name: &str) -> Result<&mut Client, String> {
        if !is_connection(name) {
            return Err(format!("{name} is no connection name"));
        }
        if !self.clients.contains_key(name) {
            let mut client = self.server.connect();
            if self.target.version == 3 {
                let hello = client.try_call(&["HELLO", "3"]).map_err(|error| error.to_string())?;
                if hello.is_error() {
                    return Err(format!("HELLO 3: {hello}"));
                }
            }
            self.clients.insert(name.to_owned(), client);
        }
        Ok(self.clients.get_mut(name).expect("it was inserted above"))
    }
}

fn is_connection(name: &str) -> bool {
    name.len() == 1 && name.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// A read limit that ran out, in either of the two spellings of the standard library.
pub(crate) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
