//! Settings from the command line and the environment.
//!
//! Why it exists: a store that starts with a misspelt option runs with settings nobody chose.
//! Anything not understood, on the command line or in a `ZUMIC_` variable, stops the start.
//! Not for running servers: CONFIG SET goes through [`super::SharedSettings`].
//!
//! Precedence: command line, then environment, then the table's default. The variable of
//! `maxmemory-policy` is `ZUMIC_MAXMEMORY_POLICY`, and so on for every setting.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;

use super::table::{Group, Setting, TABLE, find};
use super::value::ValueError;
use super::{Change, Settings};

/// What the command line asks for.
#[derive(Debug)]
pub enum Invocation {
    /// Print [`help`] and end well.
    Help,
    /// Run with these settings.
    Run(Box<Settings>),
    /// Print the version and end well.
    Version,
}

/// Why the server does not start.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum StartError {
    /// An option without its value.
    MissingValue(&'static str),
    /// A word that is no option; there is no configuration file.
    Stray(String),
    /// An option that names no setting.
    UnknownOption(String),
    /// A `ZUMIC_` variable that names no setting.
    UnknownVariable(String),
    /// A value that its setting does not take; where it came from and why.
    Value(String, ValueError),
}

impl fmt::Display for StartError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingValue(name) => write!(formatter, "option --{name} needs a value"),
            Self::Stray(word) => write!(
                formatter,
                "unexpected argument '{word}': options look like --port 6174, and there is no \
                 configuration file"
            ),
            Self::UnknownOption(option) => {
                write!(formatter, "unknown option '{option}'; zumic --help lists all")
            }
            Self::UnknownVariable(name) => write!(
                formatter,
                "environment variable {name} names no setting; zumic --help lists all"
            ),
            Self::Value(source, error) => write!(formatter, "{source}: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// Reads the settings from arguments (without the program's name) and variables.
///
/// # Errors
/// [`StartError`] for the first thing that is not understood.
///
/// # Examples
/// ```
/// use server::settings::{Invocation, read};
/// let arguments = ["--port", "7000", "--maxmemory=64mb"].map(Into::into);
/// let variables = [("ZUMIC_PORT", "1"), ("ZUMIC_THREADS", "2")];
/// let variables = variables.map(|(name, value)| (name.into(), value.into()));
/// let Ok(Invocation::Run(settings)) = read(arguments, variables) else { panic!("valid") };
/// assert_eq!((settings.port, settings.threads, settings.memory_max), (7000, 2, 64 << 20));
/// ```
pub fn read(
    arguments: impl IntoIterator<Item = OsString>,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Invocation, StartError> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let asks =
        |names: [&str; 2]| arguments.iter().any(|word| names.iter().any(|name| word == name));
    if asks(["-h", "--help"]) {
        return Ok(Invocation::Help);
    }
    if asks(["-v", "--version"]) {
        return Ok(Invocation::Version);
    }
    let mut settings = Settings::default();
    for (name, value) in variables {
        take_variable(&mut settings, &name, &value)?;
    }
    take_arguments(&mut settings, &arguments)?;
    super::check(&settings)
        .map_err(|(name, error)| StartError::Value(format!("--{name}"), error))?;
    Ok(Invocation::Run(Box::new(settings)))
}

fn take_variable(settings: &mut Settings, name: &OsStr, value: &OsStr) -> Result<(), StartError> {
    let name = name.to_string_lossy();
    let Some(suffix) = name.strip_prefix("ZUMIC_") else { return Ok(()) };
    if is_service_link(suffix, value) {
        return Ok(());
    }
    let row = TABLE.iter().find(|row| row.variable() == name);
    let row = row.ok_or_else(|| StartError::UnknownVariable(name.to_string()))?;
    (row.write)(settings, value.as_bytes())
        .map_err(|error| StartError::Value(name.to_string(), error))
}

/// Whether Kubernetes put the variable there because a service of the cluster is called `zumic`:
/// `ZUMIC_SERVICE_HOST`, `ZUMIC_PORT=tcp://10.0.0.1:6174`, `ZUMIC_PORT_6174_TCP_ADDR` and so on.
/// Nobody wrote those, so they neither set the port nor stop the start.
fn is_service_link(suffix: &str, value: &OsStr) -> bool {
    let numbered = suffix
        .strip_prefix("PORT_")
        .is_some_and(|rest| rest.bytes().next().is_some_and(|byte| byte.is_ascii_digit()));
    let address = value.as_bytes();
    let url = address.starts_with(b"tcp://") || address.starts_with(b"udp://");
    numbered
        || suffix == "SERVICE_HOST"
        || suffix == "SERVICE_PORT"
        || suffix.starts_with("SERVICE_PORT_")
        || (suffix == "PORT" && url)
}

fn take_arguments(settings: &mut Settings, arguments: &[OsString]) -> Result<(), StartError> {
    let mut rest = arguments;
    while let Some((word, after)) = rest.split_first() {
        let text = word.to_string_lossy();
        let Some(option) = word.as_bytes().strip_prefix(b"--") else {
            return Err(StartError::Stray(text.into_owned()));
        };
        let (name, inline) = match option.iter().position(|byte| *byte == b'=') {
            Some(at) => (&option[..at], Some(&option[at + 1..])),
            None => (option, None),
        };
        let row = find(name).ok_or_else(|| StartError::UnknownOption(text.into_owned()))?;
        let taken = if inline.is_some() { 0 } else { words_of(row, after) };
        let value = match inline {
            Some(value) => value.to_vec(),
            None if taken == 0 => return Err(StartError::MissingValue(row.name)),
            None => after[..taken].join(OsStr::new(" ")).as_bytes().to_vec(),
        };
        (row.write)(settings, &value)
            .map_err(|error| StartError::Value(format!("--{}", row.name), error))?;
        rest = &after[taken..];
    }
    Ok(())
}

/// How many of the words belong to the option before them.
fn words_of(row: &Setting, after: &[OsString]) -> usize {
    let is_option = |word: &OsString| word.as_bytes().starts_with(b"--");
    let until_option = after.iter().position(is_option).unwrap_or(after.len());
    if row.many_words { until_option } else { until_option.min(1) }
}

/// The text of `--help`, made from the table.
#[must_use]
pub fn help() -> String {
    let mut text = String::from(
        "Zumic: an in-memory data store that runs every command on every core\n\n\
         Usage: zumic [--<setting> <value>]...\n       zumic --help | --version\n\n\
         Every setting may also be given in the environment: ZUMIC_MAXMEMORY_POLICY for\n\
         --maxmemory-policy, and so on. The command line wins. Sizes take kb, mb and gb.\n\
         Settings marked * can be changed while running, with CONFIG SET.\n",
    );
    for group in Group::ALL {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n{}:\n", group.title());
        for row in TABLE.iter().filter(|row| row.group == group) {
            describe(&mut text, row);
        }
    }
    text
}

fn describe(text: &mut String, row: &Setting) {
    let star = if row.change == Change::Running { "*" } else { " " };
    let _ = writeln!(text, " {star}--{} {}", row.name, row.shape);
    let default =
        if row.default.is_empty() { String::new() } else { format!(" [default: {}]", row.default) };
    let words = format!("{}{default}", row.summary);
    let mut line = String::new();
    for word in words.split_whitespace() {
        if line.len() + word.len() > 80 {
            let _ = writeln!(text, "       {line}");
            line.clear();
        }
        line = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
    }
    let _ = writeln!(text, "       {line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Settings, StartError> {
        let arguments = arguments.iter().map(OsString::from);
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
        match read(arguments, variables)? {
            Invocation::Run(settings) => Ok(*settings),
            other => panic!("not a run: {other:?}"),
        }
    }

    #[test]
    fn the_command_line_wins_over_the_environment() {
        let variables =
            [("ZUMIC_PORT", "1"), ("ZUMIC_TIMEOUT", "2"), ("HOME", "/"), ("ZUMICX", "")];
        let settings = run(&["--port", "7"], &variables).unwrap();
        assert_eq!((settings.port, settings.idle_seconds_max, settings.databases), (7, 2, 16));
    }

    #[test]
    fn lists_take_words_up_to_the_next_option() {
        let settings = run(&["--bind", "10.0.0.1", "-::1", "--port", "0"], &[]).unwrap();
        assert_eq!(settings.bind.len(), 2);
        assert_eq!(settings.port, 0);
        assert_eq!(run(&["--bind="], &[]).unwrap().bind, []);
        assert_eq!(run(&["--save", ""], &[]).unwrap().databases, 16);
    }

    #[test]
    fn what_is_not_understood_stops_the_start() {
        let unknown = StartError::UnknownOption("--prot".to_owned());
        assert_eq!(run(&["--prot", "1"], &[]), Err(unknown));
        assert_eq!(run(&["zumic.conf"], &[]), Err(StartError::Stray("zumic.conf".to_owned())));
        assert_eq!(run(&["--port"], &[]), Err(StartError::MissingValue("port")));
        assert_eq!(run(&["--port", "--bind", "*"], &[]), Err(StartError::MissingValue("port")));
        let unknown = StartError::UnknownVariable("ZUMIC_PROT".to_owned());
        assert_eq!(run(&[], &[("ZUMIC_PROT", "1")]), Err(unknown));
        let wrong = StartError::Value("ZUMIC_PORT".to_owned(), ValueError::Integer);
        assert_eq!(run(&[], &[("ZUMIC_PORT", "x")]), Err(wrong));
        let wrong = StartError::Value("--port".to_owned(), ValueError::Range(0, 65_535));
        assert_eq!(run(&["--port=65536"], &[]), Err(wrong));
    }

    /// A cluster with a service called `zumic` injects these into every pod, and the server died
    /// on `ZUMIC_PORT=tcp://...` before it listened; they are recognised and left alone.
    #[test]
    fn service_links_are_not_settings() {
        let variables = [
            ("ZUMIC_PORT", "tcp://10.0.0.1:6174"),
            ("ZUMIC_PORT_6174_TCP", "tcp://10.0.0.1:6174"),
            ("ZUMIC_PORT_6174_TCP_ADDR", "10.0.0.1"),
            ("ZUMIC_SERVICE_HOST", "10.0.0.1"),
            ("ZUMIC_SERVICE_PORT", "6174"),
            ("ZUMIC_SERVICE_PORT_ZSP", "6174"),
        ];
        assert_eq!(run(&[], &variables).unwrap().port, 6174);
    }

    #[test]
    fn help_names_every_setting_and_fits_a_terminal() {
        let text = help();
        for row in TABLE {
            assert!(text.contains(&format!("--{} {}", row.name, row.shape)), "{}", row.name);
        }
        for line in text.lines() {
            assert!(line.len() <= 100, "{line}");
        }
        assert!(matches!(read(["-h".into()], []), Ok(Invocation::Help)));
        assert!(matches!(read(["--version".into()], []), Ok(Invocation::Version)));
    }
}
