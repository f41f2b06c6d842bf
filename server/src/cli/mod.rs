//! `zumic-cli`, the command-line client.
//!
//! Why it exists: people look into a server, try commands, and script it. What `redis-cli` users
//! know works here the same way. The client is a library module so that its tests reach every
//! part; the binary is a thin `main`. Not for programs: they use a client library.
//!
//! Reading order: [`options`] (what was asked), [`session`] (a conversation), [`connection`] and
//! [`login`] below it, [`reply`] and [`mod@format`] (what is printed), [`lines`] and [`repl`]
//! (where commands come from), [`docs`], [`hint`] and [`help`] (what the server says about
//! commands), [`modes`] (`--scan` and its like).

pub mod connection;
pub mod docs;
pub mod endpoint;
pub mod format;
pub mod help;
pub mod hint;
pub mod interrupt;
pub mod lines;
pub mod login;
pub mod modes;
pub mod options;
pub mod password;
pub mod repl;
pub mod reply;
pub mod report;
pub mod session;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Read, Write};
use std::process::ExitCode;

use clap::Parser;
use zumic_error::{Error, ErrorKind, ResultExt, Status};

use options::{Options, Settings, Surroundings, Task};
use session::{Session, Verdict, eprintln_line, print};

/// Runs the client with the process's arguments, its name first, and gives the exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let options = match Options::try_parse_from(arguments) {
        Ok(options) => options,
        Err(error) => {
            // Help and the version come this way, too; they are no failures.
            drop(error.print());
            return if error.use_stderr() { exit(Status::Usage) } else { ExitCode::SUCCESS };
        }
    };
    let settings = match options.settings(Surroundings::of_process()) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln_line(&format!("zumic-cli: {error}"));
            return exit(Status::Usage);
        }
    };
    if settings.warn_password {
        eprintln_line(
            "Warning: Using a password with '-a' or '-u' option on the command line interface \
             may not be safe.",
        );
    }
    match perform(settings) {
        Ok(Verdict::Answered) => ExitCode::SUCCESS,
        Ok(Verdict::Refused) => exit(Status::Failure),
        // The reader of a pipe, such as `head`, has seen enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln_line(&error.to_string());
            exit(error.status())
        }
    }
}

fn exit(status: Status) -> ExitCode {
    ExitCode::from(status.code())
}

fn is_broken_pipe(error: &Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref());
    error.kind() == ErrorKind::Io
        && source.is_some_and(|source: &io::Error| source.kind() == io::ErrorKind::BrokenPipe)
}

/// Does what was asked for. `Refused` makes the exit code 1.
fn perform(mut settings: Settings) -> Result<Verdict, Error> {
    if settings.ask_password {
        let password = password::ask().context(ErrorKind::Io, "reading the password")?;
        settings.access.password = Some(password);
    }
    let mut out = io::stdout().lock();
    match settings.task.clone() {
        Task::Command(words) => perform_command(&settings, words, &mut out),
        Task::Latency => modes::latency::run(&settings, &mut out),
        Task::Lines => {
            if io::stdin().is_terminal() {
                drop(out);
                return repl::run(&settings);
            }
            let mut session = session(&settings);
            lines::execute_all(&mut session, &settings, &mut io::stdin().lock(), &mut out)
        }
        Task::Pipe(timeout) => modes::pipe::run(&settings, timeout, &mut out),
        Task::Rdb(path) => modes::rdb::run(&settings, &path),
        Task::Scan(filter) => modes::scan::run(&settings, &filter, &mut out),
        Task::Stat => modes::stat::run(&settings, &mut out),
    }
}

fn session(settings: &Settings) -> Session {
    Session::new(settings.access.clone(), settings.style.clone(), settings.show_pushes, None)
}

fn perform_command(
    settings: &Settings,
    mut words: Vec<Vec<u8>>,
    out: &mut dyn Write,
) -> Result<Verdict, Error> {
    if settings.last_argument_from_input {
        let mut last = Vec::new();
        io::stdin().lock().read_to_end(&mut last).context(ErrorKind::Io, "reading input")?;
        words.push(last);
    }
    let mut session = session(settings);
    if report::is_command(&words, "help") {
        let topic: Vec<_> =
            words[1..].iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        let text = lines::help(&mut session, &topic, io::stdout().is_terminal())?;
        return print(out, text.as_bytes()).map(|()| Verdict::Answered);
    }
    let verdict = session.execute_repeatedly(
        &words,
        settings.repeat.unwrap_or(1),
        settings.interval,
        settings.exit_on_error,
        out,
    )?;
    // As in redis-cli, only -e makes an error reply a failure.
    Ok(if settings.exit_on_error { verdict } else { Verdict::Answered })
}
