//! The interactive session: prompt, history, completion, hints.
//!
//! Why it exists: this is what most people see of Zumic first. The line editor is rustyline: like
//! the linenoise of `redis-cli` it edits one line, keeps a history file and shows hints behind the
//! cursor; reedline's hints are offers from the history, and it brings several times as much code.
//! Not for pipes: see `lines`.
//!
//! Keys: Ctrl-C empties the line, and leaves when it is empty; Ctrl-D leaves; Tab completes.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::{Hint, Hinter};
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{
    Cmd, CompletionType, ConditionalEventHandler, Config, Context, Editor, Event, EventContext,
    EventHandler, Helper, KeyEvent, Movement, RepeatCount,
};
use zumic_error::{Error, ErrorKind, ResultExt};

use super::docs::Docs;
use super::format::Output;
use super::hint;
use super::interrupt::Interrupts;
use super::lines::{self, Line};
use super::options::Settings;
use super::report;
use super::session::{Session, Verdict, eprintln_line, print};

/// Commands that take this long are told how long they took, as in `redis-cli`.
const SLOW: Duration = Duration::from_millis(500);
const HISTORY_FILE: &str = ".zumic_cli_history";

type LineEditor = Editor<Assistant, FileHistory>;

/// Holds a session with the person at the terminal until they leave. A lost connection is told
/// and made anew by the next command; it does not end the session.
///
/// # Errors
/// The terminal cannot be used.
pub fn run(settings: &Settings) -> Result<Verdict, Error> {
    let interrupts = Interrupts::install().context(ErrorKind::Resource, "watching for Ctrl-C")?;
    let mut session = Session::new(
        settings.access.clone(),
        settings.style.clone(),
        settings.show_pushes,
        Some(interrupts),
    );
    let docs = session.connect().and_then(|()| lines::load_docs(&mut session));
    let docs = docs.unwrap_or_else(|error| {
        eprintln_line(&error.to_string());
        Docs::default()
    });
    let mut editor = editor(Assistant { docs, hints: true })?;
    let history = history_path();
    if let Some(path) = &history {
        // There is none before the first session.
        drop(editor.load_history(path));
    }
    loop {
        match editor.readline(&session.prompt()) {
            Ok(line) => {
                for line in pasted_lines(&line) {
                    let parsed = lines::parse(line.as_bytes());
                    remember(&mut editor, history.as_ref(), line, &parsed);
                    if parsed == Line::Leave {
                        return Ok(Verdict::Answered);
                    }
                    perform(&mut session, &mut editor, settings, parsed)?;
                }
            }
            Err(ReadlineError::Eof | ReadlineError::Interrupted) => return Ok(Verdict::Answered),
            Err(error) => return Err(terminal_error(error)),
        }
    }
}

fn editor(assistant: Assistant) -> Result<LineEditor, Error> {
    let config = Config::builder().completion_type(CompletionType::List).build();
    let history = FileHistory::with_config(&config);
    let mut editor = LineEditor::with_history(config, history).map_err(terminal_error)?;
    editor.set_helper(Some(assistant));
    let ctrl_c = EventHandler::Conditional(Box::new(EmptyOrLeave));
    editor.bind_sequence(KeyEvent::ctrl('C'), ctrl_c);
    Ok(editor)
}

fn terminal_error(error: ReadlineError) -> Error {
    Error::with_source(ErrorKind::Io, "using the terminal", error)
}

/// `$ZUMICCLI_HISTFILE`, else a file in the home directory. `None` when the variable is empty or
/// `/dev/null`, which switches the file off.
fn history_path() -> Option<PathBuf> {
    match std::env::var_os("ZUMICCLI_HISTFILE") {
        Some(path) if path.is_empty() || path == "/dev/null" => None,
        Some(path) => Some(path.into()),
        None => std::env::home_dir().map(|home| home.join(HISTORY_FILE)),
    }
}

/// Every line is appended to the file at once, so that sessions side by side all keep theirs, and
/// a killed one loses nothing.
fn remember(editor: &mut LineEditor, history: Option<&PathBuf>, line: &str, parsed: &Line) {
    let secret = matches!(parsed, Line::Command(words, _) if report::is_sensitive(words));
    if secret || *parsed == Line::Empty {
        return;
    }
    let added = editor.add_history_entry(line).unwrap_or(false);
    if let Some(path) = history.filter(|_| added)
        && let Err(error) = editor.append_history(path)
    {
        eprintln_line(&format!("The history cannot be written to {}: {error}", path.display()));
    }
}

/// Does what a line says. Failures of the connection are told, not returned.
fn perform(
    session: &mut Session,
    editor: &mut LineEditor,
    settings: &Settings,
    line: Line,
) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    let done = match line {
        Line::Clear => editor.clear_screen().map_err(terminal_error),
        Line::Command(words, repeat) => execute(session, &words, repeat, settings, &mut out),
        Line::Connect(endpoint) => {
            session.move_to(endpoint).and_then(|()| refresh_docs(session, editor))
        }
        Line::Empty | Line::Leave => Ok(()),
        Line::Help(topic) => {
            if editor.helper().is_none_or(|assistant| assistant.docs.commands().is_empty()) {
                refresh_docs(session, editor).unwrap_or_else(|e| eprintln_line(&e.to_string()));
            }
            let text = match editor.helper() {
                Some(assistant) => {
                    super::help::text(&assistant.docs, &topic, io::stdout().is_terminal())
                }
                None => String::new(),
            };
            print(&mut out, text.as_bytes())
        }
        Line::Hints(show) => {
            if let Some(assistant) = editor.helper_mut() {
                assistant.hints = show;
            }
            Ok(())
        }
        Line::Wrong(text) => print(&mut out, format!("{text}\n").as_bytes()),
    };
    match done {
        Err(error) if error.kind() == ErrorKind::Io => Err(error),
        Err(error) => {
            eprintln_line(&error.to_string());
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

fn execute(
    session: &mut Session,
    words: &[Vec<u8>],
    repeat: i64,
    settings: &Settings,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let start = Instant::now();
    session.execute_repeatedly(words, repeat, settings.interval, false, out)?;
    let elapsed = start.elapsed();
    if elapsed >= SLOW && session.style().output == Output::Pretty {
        print(out, format!("({:.2}s)\n", elapsed.as_secs_f64()).as_bytes())?;
    }
    Ok(())
}

/// Another server may know other commands.
fn refresh_docs(session: &mut Session, editor: &mut LineEditor) -> Result<(), Error> {
    let docs = lines::load_docs(session)?;
    if let Some(assistant) = editor.helper_mut() {
        assistant.docs = docs;
    }
    Ok(())
}

/// Ctrl-C: empties the line; on an empty one it leaves, as in `redis-cli`.
struct EmptyOrLeave;

impl ConditionalEventHandler for EmptyOrLeave {
    fn handle(
        &self,
        _: &Event,
        _: RepeatCount,
        _: bool,
        context: &EventContext<'_>,
    ) -> Option<Cmd> {
        let command = if context.line().is_empty() {
            Cmd::Interrupt
        } else {
            Cmd::Kill(Movement::WholeBuffer)
        };
        Some(command)
    }
}

/// What the editor asks while a person types.
struct Assistant {
    docs: Docs,
    hints: bool,
}

impl Helper for Assistant {}

impl Validator for Assistant {}

impl Highlighter for Assistant {
    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(format!("\x1b[90m{hint}\x1b[0m"))
    }
}

/// Syntax to look at; it cannot be accepted into the line.
struct Syntax(String);

impl Hint for Syntax {
    fn display(&self) -> &str {
        &self.0
    }

    fn completion(&self) -> Option<&str> {
        None
    }
}

impl Hinter for Assistant {
    type Hint = Syntax;

    fn hint(&self, line: &str, position: usize, _: &Context<'_>) -> Option<Syntax> {
        if !self.hints || position < line.len() {
            return None;
        }
        syntax_after(&self.docs, line).map(Syntax)
    }
}

impl Completer for Assistant {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(completions(&self.docs, &line[..position]))
    }
}

/// The syntax that is still missing behind `line`; `None` if there is nothing to say. An unfinished
/// last word counts as typed.
fn syntax_after(docs: &Docs, line: &str) -> Option<String> {
    let mut words: Vec<String> = protocol::inline::split(line.as_bytes())?
        .into_iter()
        .map(|word| String::from_utf8_lossy(&word).into_owned())
        .collect();
    if words.len() > 1 && words[0].parse::<u64>().is_ok() {
        words.remove(0);
    }
    let (command, name_words) = docs.find(&words)?;
    let rest = hint::remaining(&command.arguments, &words[name_words..])?;
    let space = if line.ends_with(char::is_whitespace) { "" } else { " " };
    (!rest.is_empty()).then(|| format!("{space}{rest}"))
}

/// What was pasted in one go comes as one line: several commands, or one with a script in quotes
/// that has lines of its own. They are several if each makes sense alone.
fn pasted_lines(pasted: &str) -> Vec<&str> {
    let lines: Vec<&str> = pasted.lines().collect();
    if lines.iter().all(|line| protocol::inline::split(line.as_bytes()).is_some()) {
        lines
    } else {
        vec![pasted]
    }
}

/// Where the completed text starts in `line`, and what it may become: names of commands, then of
/// subcommands; behind `help` also groups.
fn completions(docs: &Docs, line: &str) -> (usize, Vec<String>) {
    let help = line.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("help "));
    let line_start = line.len() - line.trim_start().len();
    let start = if help { line.len() - line[5..].trim_start().len() } else { line_start };
    let typed = &line[start..];
    let wanted = typed.to_ascii_uppercase();
    let depth = wanted.matches(' ').count();
    let mut found: Vec<String> = docs
        .commands()
        .iter()
        .map(|command| &command.name)
        .filter(|name| name.starts_with(&wanted) && name.matches(' ').count() == depth)
        .map(|name| {
            // A container is not a command yet: its subcommand follows.
            let more = if docs.is_container(name) { " " } else { "" };
            format!("{name}{more}")
        })
        .collect();
    if help {
        let groups = docs.groups().into_iter().map(|group| format!("@{group}"));
        found.extend(groups.filter(|group| group.starts_with(&typed.to_ascii_lowercase())));
    }
    (start, found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::reply::Reply;

    fn docs() -> Docs {
        let bulk = |text: &str| Reply::Bulk(text.as_bytes().to_vec());
        let argument =
            Reply::Map(vec![(bulk("name"), bulk("parameter")), (bulk("type"), bulk("string"))]);
        let fields = Reply::Map(vec![
            (bulk("group"), bulk("server")),
            (bulk("arguments"), Reply::Array(vec![argument])),
        ]);
        let names = ["get", "getdel", "config", "config|get", "config|set"];
        Docs::from_docs(&Reply::Map(
            names.into_iter().map(|name| (bulk(name), fields.clone())).collect(),
        ))
    }

    #[test]
    fn names_complete_a_word_at_a_time() {
        let docs = docs();
        let found = |line| completions(&docs, line);
        assert_eq!(found("ge"), (0, vec!["GET".to_owned(), "GETDEL".to_owned()]));
        assert_eq!(found("c"), (0, vec!["CONFIG ".to_owned()]));
        assert_eq!(found("config g"), (0, vec!["CONFIG GET".to_owned()]));
        assert_eq!(found("help @s"), (5, vec!["@server".to_owned()]));
        assert_eq!(found("HELP  getd"), (6, vec!["GETDEL".to_owned()]));
        assert_eq!(found("get x"), (0, vec![]));
        assert_eq!(found("\u{e9}\u{e9}\u{e9}").1, Vec::<String>::new());
    }

    #[test]
    fn pasted_lines_are_commands_unless_quotes_span_them() {
        assert_eq!(pasted_lines("SET a 1\nGET a"), ["SET a 1", "GET a"]);
        assert_eq!(pasted_lines("PING"), ["PING"]);
        let script = "EVAL \"local a = 1\nreturn a\" 0";
        assert_eq!(pasted_lines(script), [script]);
    }

    #[test]
    fn hints_follow_the_words() {
        let docs = docs();
        let hint = |line| syntax_after(&docs, line);
        assert_eq!(hint("get"), Some(" parameter".to_owned()));
        assert_eq!(hint("get "), Some("parameter".to_owned()));
        assert_eq!(hint("5 config get "), Some("parameter".to_owned()));
        assert_eq!(hint("get x"), None);
        assert_eq!(hint("ge"), None);
        assert_eq!(hint("get \"open"), None);
    }
}
