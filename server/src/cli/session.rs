//! A conversation with a server: the connection, and what the commands so far have made of it.
//!
//! Why it exists: one-shot commands, piped lines and the interactive session all execute commands
//! the same way; the difference is where commands come from. The session knows the database, the
//! open transaction and the protocol version, so that the prompt tells them and a new connection
//! gets them back. Not for the special modes (`--scan`, `--pipe`, ...), which use a connection of
//! their own.
//!
//! Invariants
//! - S1: a command is sent at most once. A connection found dead before sending is replaced; after
//!   sending, the loss is reported, since the server may have executed the command.

use std::io::Write;
use std::time::Duration;

use zumic_error::{Error, ErrorKind, ResultExt};

use super::connection::{Connection, Waited};
use super::endpoint::Endpoint;
use super::format::{Output, Style};
use super::interrupt::Interrupts;
use super::login;
use super::options::{Access, Protocol};
use super::reply::Reply;
use super::report;

/// How a command ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It was answered.
    Answered,
    /// It was answered with an error.
    Refused,
}

/// A conversation.
#[derive(Debug)]
pub struct Session {
    access: Access,
    style: Style,
    show_pushes: bool,
    interrupts: Option<Interrupts>,
    connection: Option<Connection>,
    state: State,
}

/// What the commands so far have made of the connection.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct State {
    database: u32,
    /// The database before MULTI, while a transaction is open.
    transaction: Option<u32>,
    version: u8,
}

/// What an endless answer consists of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stream {
    /// `MONITOR`: everything from now on.
    Monitor,
    /// `SUBSCRIBE` and its like: messages from now on.
    Subscribe,
}

impl Session {
    /// A session that connects when the first command needs it. With `interrupts`, Ctrl-C ends
    /// waits; without, it ends the process.
    #[must_use]
    pub fn new(
        access: Access,
        style: Style,
        show_pushes: bool,
        interrupts: Option<Interrupts>,
    ) -> Self {
        let state = State { database: 0, transaction: None, version: 2 };
        Self { access, style, show_pushes, interrupts, connection: None, state }
    }

    /// The prompt: address, database unless 0, and whether a transaction is open.
    #[must_use]
    pub fn prompt(&self) -> String {
        if self.connection.is_none() {
            return "not connected> ".to_owned();
        }
        let database = match self.state.database {
            0 => String::new(),
            database => format!("[{database}]"),
        };
        let transaction = if self.state.transaction.is_some() { "(TX)" } else { "" };
        format!("{}{database}{transaction}> ", self.access.endpoint)
    }

    /// How replies are printed.
    #[must_use]
    pub fn style(&self) -> &Style {
        &self.style
    }

    /// Leaves the server for another one.
    ///
    /// # Errors
    /// As [`Session::connect`]; the new address is kept.
    pub fn move_to(&mut self, endpoint: Endpoint) -> Result<(), Error> {
        self.access.endpoint = endpoint;
        self.connect()
    }

    /// Connects anew: login, protocol version, database.
    ///
    /// # Errors
    /// The server cannot be reached, or refuses the login, the version or the database.
    pub fn connect(&mut self) -> Result<(), Error> {
        self.connection = None;
        let entered = login::enter(&self.access)?;
        self.state =
            State { database: self.access.database, transaction: None, version: entered.version };
        self.connection = Some(entered.connection);
        Ok(())
    }

    /// Asks for something on the person's behalf; nothing is printed. Pushes are dropped.
    ///
    /// # Errors
    /// The connection cannot be made, or is lost.
    pub fn ask(&mut self, arguments: &[&str]) -> Result<Reply, Error> {
        self.connect_if_needed()?;
        let connection = self.connection.as_mut().expect("connected just now");
        let answer = connection.ask(arguments);
        if answer.is_err() {
            self.connection = None;
        }
        answer
    }

    /// Executes a command `repeat` times (below zero: for ever) with pauses in between, and prints
    /// each reply to `out`. Stops at the first refusal when `stop_on_error`.
    ///
    /// # Errors
    /// The connection cannot be made or is lost, or `out` cannot be written.
    pub fn execute_repeatedly(
        &mut self,
        arguments: &[Vec<u8>],
        repeat: i64,
        interval: Option<Duration>,
        stop_on_error: bool,
        out: &mut dyn Write,
    ) -> Result<Verdict, Error> {
        let mut left = repeat;
        let mut verdict = Verdict::Answered;
        while left != 0 {
            verdict = self.execute(arguments, stop_on_error, out)?;
            if stop_on_error && verdict == Verdict::Refused {
                break;
            }
            left = if left < 0 { left } else { left - 1 };
            if let Some(interval) = interval.filter(|_| left != 0) {
                std::thread::sleep(interval);
            }
            if self.interrupts.as_ref().is_some_and(Interrupts::take) {
                break;
            }
        }
        Ok(verdict)
    }

    /// Executes one command. An error reply goes to the standard error when `errors_apart`.
    fn execute(
        &mut self,
        arguments: &[Vec<u8>],
        errors_apart: bool,
        out: &mut dyn Write,
    ) -> Result<Verdict, Error> {
        self.connect_if_needed()?;
        let sent = self.connection.as_mut().expect("connected just now").send(arguments);
        let done = sent.and_then(|()| match stream_of(arguments) {
            Some(stream) => self.follow(stream, arguments, out),
            None => self.answer(arguments, errors_apart, out),
        });
        if done.is_err() {
            self.connection = None;
            if report::is_command(arguments, "shutdown") {
                return Ok(Verdict::Answered);
            }
        }
        done
    }

    /// Connects if there is no connection, or the one there is has died unnoticed (S1).
    fn connect_if_needed(&mut self) -> Result<(), Error> {
        match self.connection.as_mut().map(Connection::is_closed) {
            Some(false) => Ok(()),
            None => self.connect(),
            Some(true) => {
                let lost = if self.state.transaction.is_some() {
                    "The connection was lost, and the open transaction with it"
                } else {
                    "The connection was lost"
                };
                self.connect().map_err(|error| error.context(lost))?;
                eprintln_line(&format!("{lost}; reconnected to {}.", self.access.endpoint.place()));
                Ok(())
            }
        }
    }

    /// Waits for the reply to a command, and prints it and the pushes before it.
    fn answer(
        &mut self,
        arguments: &[Vec<u8>],
        errors_apart: bool,
        out: &mut dyn Write,
    ) -> Result<Verdict, Error> {
        let mut confirmations = confirmations_of(arguments);
        loop {
            let Some(reply) = self.receive()? else {
                eprintln_line("Interrupted; the server may still execute the command.");
                return self.connect().map(|()| Verdict::Answered);
            };
            if matches!(reply, Reply::Push(_)) && confirmations == 0 {
                self.print_push(&reply, out)?;
                continue;
            }
            if confirmations > 1 && reply.elements().is_some() {
                confirmations -= 1;
                print(out, &self.style.format(&reply))?;
                continue;
            }
            self.learn(arguments, &reply);
            if let Some(text) = reply.error().filter(|_| errors_apart) {
                eprintln_line(&String::from_utf8_lossy(text));
                return Ok(Verdict::Refused);
            }
            let text = if report::is_report(arguments) {
                self.style.format_report(&reply)
            } else {
                self.style.format(&reply)
            };
            print(out, &text)?;
            let refused = reply.error().is_some();
            return Ok(if refused { Verdict::Refused } else { Verdict::Answered });
        }
    }

    /// Prints what the server sends, until Ctrl-C or the end of the connection.
    fn follow(
        &mut self,
        stream: Stream,
        arguments: &[Vec<u8>],
        out: &mut dyn Write,
    ) -> Result<Verdict, Error> {
        if stream == Stream::Subscribe && self.style.output != Output::Raw {
            print(out, b"Reading messages... (press Ctrl-C to quit)\n")?;
        }
        loop {
            let Some(reply) = self.receive()? else {
                // Subscriptions end with their connection, in every protocol version.
                return self.connect().map(|()| Verdict::Answered);
            };
            print(out, &self.style.format(&reply))?;
            if reply.error().is_some() {
                self.learn(arguments, &reply);
                return Ok(Verdict::Refused);
            }
            if stream == Stream::Subscribe && self.state.transaction.is_some() {
                // Queued: the messages start after EXEC.
                return Ok(Verdict::Answered);
            }
        }
    }

    fn receive(&mut self) -> Result<Option<Reply>, Error> {
        let connection = self.connection.as_mut().expect("a command was sent on it");
        match connection.receive(self.interrupts.as_ref())? {
            Waited::Interrupted => Ok(None),
            Waited::Reply(reply) => Ok(Some(reply)),
            Waited::Silence => unreachable!("a session sets no limit on silence"),
        }
    }

    fn print_push(&self, push: &Reply, out: &mut dyn Write) -> Result<(), Error> {
        if !self.show_pushes {
            return Ok(());
        }
        let invalidation =
            if self.style.output == Output::Pretty { report::invalidation(push) } else { None };
        let text = invalidation.unwrap_or_else(|| self.style.format(push));
        print(out, &text)
    }

    /// Follows what a command did to the connection.
    fn learn(&mut self, arguments: &[Vec<u8>], reply: &Reply) {
        let refused = reply.error().is_some();
        let name = arguments[0].to_ascii_lowercase();
        match (&name[..], arguments.len()) {
            (b"select", 2) if !refused => {
                let number = std::str::from_utf8(&arguments[1]).ok().and_then(|t| t.parse().ok());
                self.set_database(number.unwrap_or(self.state.database));
            }
            (b"auth", 2 | 3) if !refused => {
                self.access.password = arguments.last().cloned();
                self.access.user = (arguments.len() == 3).then(|| arguments[1].clone());
            }
            (b"multi", 1) if !refused => self.state.transaction = Some(self.state.database),
            (b"exec", 1) => {
                if let Some(before) = self.state.transaction.take()
                    && (refused || *reply == Reply::Null)
                {
                    self.set_database(before);
                }
            }
            (b"discard", 1) if !refused => {
                if let Some(before) = self.state.transaction.take() {
                    self.set_database(before);
                }
            }
            (b"reset", 1) if !refused => {
                self.state = State { database: 0, transaction: None, version: 2 };
                self.access.database = 0;
                self.access.protocol = Protocol::Initial;
            }
            (b"hello", 2..) if !refused => {
                let number = std::str::from_utf8(&arguments[1]).ok().and_then(|t| t.parse().ok());
                self.state.version = number.unwrap_or(self.state.version);
                self.access.protocol = match self.state.version {
                    2 => Protocol::Initial,
                    version => Protocol::Required(version),
                };
            }
            _ => {}
        }
    }

    fn set_database(&mut self, database: u32) {
        self.state.database = database;
        self.access.database = database;
    }
}

/// Whether a command is answered by an endless stream.
fn stream_of(arguments: &[Vec<u8>]) -> Option<Stream> {
    match &arguments[0].to_ascii_lowercase()[..] {
        b"monitor" => Some(Stream::Monitor),
        b"subscribe" | b"psubscribe" | b"ssubscribe" => Some(Stream::Subscribe),
        _ => None,
    }
}

/// How many confirmations answer the end of subscriptions: one per channel. They are pushes in
/// version 3, yet they are the answer. 0 for all other commands.
fn confirmations_of(arguments: &[Vec<u8>]) -> usize {
    match &arguments[0].to_ascii_lowercase()[..] {
        b"unsubscribe" | b"punsubscribe" | b"sunsubscribe" => arguments.len().max(2) - 1,
        _ => 0,
    }
}

/// Writes and flushes: whoever reads the other end of a pipe sees each reply at once.
pub(super) fn print(out: &mut dyn Write, text: &[u8]) -> Result<(), Error> {
    out.write_all(text).and_then(|()| out.flush()).context(ErrorKind::Io, "writing the output")
}

/// A line for the person, beside the output.
pub(super) fn eprintln_line(text: &str) {
    // Nobody is left to tell when the standard error is gone.
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}
