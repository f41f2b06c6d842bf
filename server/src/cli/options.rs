//! The command line of `zumic-cli`, and what it comes to together with the environment.
//!
//! Why it exists: the letters are those of `redis-cli`, so fingers and scripts need not learn
//! anything: `-h` is the host (help is `--help` only), options end at the first word of the
//! command, and of several output options the last one wins. [`Options`] is what was typed;
//! [`Settings`] is what it means, every rule of precedence applied.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Parser, ValueEnum};

use super::endpoint::{self, Address, DEFAULT_PORT, Endpoint};
use super::format::{Output, Style};

const OUTPUT_OPTIONS: [&str; 5] = ["output", "raw", "no_raw", "json", "quoted_json"];
const MODES: [&str; 5] = ["pipe", "stat", "latency", "scan", "rdb"];

/// What was typed on the command line.
#[derive(Debug, Parser)]
#[command(
    name = "zumic-cli",
    version,
    disable_help_flag = true,
    disable_version_flag = true,
    about = "Talks to a Zumic server, or to any server that speaks the Redis protocol",
    after_help = "Without a command: at a terminal an interactive session (type \"help\" there), \
                  otherwise commands are read from the standard input, one per line.\n\n\
                  Exit status: 0 success; 1 an error reply with -e, or errors with --pipe; 64 \
                  wrong usage; 69 no connection, or it was lost, or the server refused the login; \
                  74 input or output failed; 76 the server's bytes make no sense."
)]
pub struct Options {
    /// Server host name or IP address.
    #[arg(short = 'h', value_name = "host", default_value = "127.0.0.1")]
    host: String,
    /// Server port.
    #[arg(short = 'p', value_name = "port", default_value_t = DEFAULT_PORT)]
    port: u16,
    /// Server Unix socket; overrides host and port.
    #[arg(short = 's', value_name = "path")]
    socket: Option<PathBuf>,
    /// Password; safer is the environment: ZUMICCLI_AUTH, or REDISCLI_AUTH.
    #[arg(short = 'a', long = "pass", value_name = "password")]
    password: Option<OsString>,
    /// User to log in as; needs a password.
    #[arg(long, value_name = "name")]
    user: Option<OsString>,
    /// Ask for the password at the terminal.
    #[arg(long)]
    askpass: bool,
    /// Do not warn that a password on the command line can be seen by others.
    #[arg(long)]
    no_auth_warning: bool,
    /// Server address as redis://user:password@host:port/database, or with zumic://.
    #[arg(short = 'u', value_name = "url")]
    url: Option<String>,
    /// Execute the command, or print figures (--stat), this many times; below zero: for ever.
    #[arg(short = 'r', value_name = "times", allow_negative_numbers = true)]
    repeat: Option<i64>,
    /// Wait this many seconds, such as 0.1, between repeats (-r), lines (--stat) or calls (--scan);
    /// sample for this long (--latency).
    #[arg(short = 'i', value_name = "seconds", value_parser = parse_seconds)]
    interval: Option<Duration>,
    /// Database number.
    #[arg(short = 'n', value_name = "database")]
    database: Option<u32>,
    /// Speak RESP2.
    #[arg(short = '2', group = "protocol_version")]
    two: bool,
    /// Speak RESP3.
    #[arg(short = '3', group = "protocol_version")]
    three: bool,
    /// Speak ZSP version 4: RESP3 and sorted-set replies.
    #[arg(short = '4', group = "protocol_version")]
    four: bool,
    /// Read the last argument from the standard input.
    #[arg(short = 'x')]
    last_argument_from_input: bool,
    /// Delimiter between the elements of a reply in raw form [default: line feed].
    #[arg(short = 'd', value_name = "delimiter")]
    element_delimiter: Option<OsString>,
    /// Delimiter after each reply in raw form [default: line feed].
    #[arg(short = 'D', value_name = "delimiter")]
    reply_delimiter: Option<OsString>,
    /// Exit with 1 when a command is answered with an error.
    #[arg(short = 'e')]
    exit_on_error: bool,
    /// Form of the replies [default: pretty at a terminal, raw otherwise].
    #[arg(long, value_name = "form", overrides_with_all = OUTPUT_OPTIONS)]
    output: Option<OutputName>,
    /// Same as --output raw.
    #[arg(long, overrides_with_all = OUTPUT_OPTIONS)]
    raw: bool,
    /// Same as --output pretty.
    #[arg(long, overrides_with_all = OUTPUT_OPTIONS)]
    no_raw: bool,
    /// Same as --output json; asks for RESP3 unless -2 is given.
    #[arg(long, overrides_with_all = OUTPUT_OPTIONS)]
    json: bool,
    /// Like --json, but in pure ASCII that any byte survives.
    #[arg(long, overrides_with_all = OUTPUT_OPTIONS)]
    quoted_json: bool,
    /// Print messages that answer no command [default: yes at a terminal].
    #[arg(long, value_name = "yes|no")]
    show_pushes: Option<YesNo>,
    /// Send the standard input to the server as it is, and count replies and errors.
    #[arg(long, group = "mode")]
    pipe: bool,
    /// With --pipe: give up after this many silent seconds; 0 waits for ever.
    #[arg(long, value_name = "seconds", default_value_t = 30)]
    pipe_timeout: u64,
    /// Print a line of figures about the server every second (-i), for ever (-r).
    #[arg(long, group = "mode")]
    stat: bool,
    /// Measure the time of PING: at a terminal until Ctrl-C, otherwise for one second (-i).
    #[arg(long, group = "mode")]
    latency: bool,
    /// Print all keys, found with SCAN.
    #[arg(long, group = "mode")]
    scan: bool,
    /// Write all keys, as they are at one instant, into a dump file that Redis reads.
    #[arg(long, value_name = "file", group = "mode")]
    rdb: Option<PathBuf>,
    /// With --scan: only keys that match this pattern.
    #[arg(long, value_name = "pattern", requires = "scan")]
    pattern: Option<OsString>,
    /// With --scan: hint of how many keys to look at per call.
    #[arg(long, value_name = "count", requires = "scan")]
    count: Option<u64>,
    /// With --scan: only keys of this type.
    #[arg(long = "type", value_name = "type", requires = "scan")]
    key_type: Option<OsString>,
    /// Print this help and exit.
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
    /// Print the version and exit.
    #[arg(long, action = ArgAction::Version)]
    version: Option<bool>,
    /// The command and its arguments.
    #[arg(value_name = "command", trailing_var_arg = true, conflicts_with_all = MODES)]
    command: Vec<OsString>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum OutputName {
    Json,
    Pretty,
    Raw,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum YesNo {
    No,
    Yes,
}

/// The protocol version to ask for after connecting.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// What a connection starts with: version 2, no handshake.
    Initial,
    /// This version; being refused is a failure.
    Required(u8),
    /// This version if the server knows it.
    Wished(u8),
}

/// How to reach and enter the server.
#[derive(Clone, Debug)]
pub struct Access {
    /// Where it is.
    pub endpoint: Endpoint,
    /// User to log in as; without one the server's default user.
    pub user: Option<Vec<u8>>,
    /// Password; without one there is no login.
    pub password: Option<Vec<u8>>,
    /// Database to select.
    pub database: u32,
    /// Protocol version to ask for.
    pub protocol: Protocol,
}

/// What to do once connected.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Task {
    /// Execute one command.
    Command(Vec<Vec<u8>>),
    /// Execute the lines of the standard input, or hold a session with the person at the terminal.
    Lines,
    /// Measure the time of PING.
    Latency,
    /// Pass the standard input through; give up after this silence.
    Pipe(Option<Duration>),
    /// Write a dump file.
    Rdb(PathBuf),
    /// Print all keys.
    Scan(ScanFilter),
    /// Print figures.
    Stat,
}

/// Which keys `--scan` prints.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ScanFilter {
    /// Glob pattern.
    pub pattern: Option<Vec<u8>>,
    /// Keys to look at per call.
    pub count: Option<u64>,
    /// Type of the keys.
    pub key_type: Option<Vec<u8>>,
}

/// What the command line and the environment come to.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How to reach the server.
    pub access: Access,
    /// What to do there.
    pub task: Task,
    /// How to print replies.
    pub style: Style,
    /// Repeats of what the task does once by default, or for ever; below zero: for ever.
    pub repeat: Option<i64>,
    /// The time between repeats, or of one sample.
    pub interval: Option<Duration>,
    /// Whether an error reply ends the program with 1.
    pub exit_on_error: bool,
    /// Whether messages that answer no command are printed.
    pub show_pushes: bool,
    /// Whether the standard input is one more argument of the command.
    pub last_argument_from_input: bool,
    /// Whether to ask for the password before connecting.
    pub ask_password: bool,
    /// Whether a password stood on the command line, and nothing forbids to warn of that.
    pub warn_password: bool,
}

/// The parts of the surroundings that settings depend on.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Whether the standard output is a terminal.
    pub output_is_terminal: bool,
    /// The password from the environment.
    pub password: Option<Vec<u8>>,
}

impl Surroundings {
    /// Those of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let variable = |name| std::env::var_os(name).map(OsString::into_vec);
        Self {
            output_is_terminal: std::io::stdout().is_terminal(),
            password: variable("ZUMICCLI_AUTH").or_else(|| variable("REDISCLI_AUTH")),
        }
    }
}

impl Options {
    /// Applies the rules of precedence: `-a` over the URL over the environment; `-n` over the URL's
    /// database; the URL's host and port over `-h` and `-p`; a socket over both.
    ///
    /// # Errors
    /// The URL cannot be read.
    pub fn settings(self, around: Surroundings) -> Result<Settings, endpoint::AddressError> {
        let address = match &self.url {
            Some(url) => endpoint::parse_url(url)?,
            None => Address::default(),
        };
        let output = self.output(around.output_is_terminal);
        let warn_password = !self.no_auth_warning
            && !self.askpass
            && (self.password.is_some() || address.password.is_some());
        Ok(Settings {
            style: self.style(output),
            task: self.task(),
            repeat: self.repeat,
            interval: self.interval,
            exit_on_error: self.exit_on_error,
            show_pushes: self
                .show_pushes
                .map_or(around.output_is_terminal, |choice| choice == YesNo::Yes),
            last_argument_from_input: self.last_argument_from_input,
            ask_password: self.askpass,
            warn_password,
            access: self.access(address, output, around.password),
        })
    }

    fn access(self, address: Address, output: Output, environment: Option<Vec<u8>>) -> Access {
        let protocol = self.protocol(output);
        let endpoint = match self.socket {
            Some(path) => Endpoint::Unix(path),
            None => {
                Endpoint::Tcp(address.host.unwrap_or(self.host), address.port.unwrap_or(self.port))
            }
        };
        Access {
            endpoint,
            user: self.user.map(OsString::into_vec).or(address.user),
            password: self.password.map(OsString::into_vec).or(address.password).or(environment),
            database: self.database.or(address.database).unwrap_or(0),
            protocol,
        }
    }

    fn protocol(&self, output: Output) -> Protocol {
        let json = matches!(output, Output::Json | Output::QuotedJson);
        match (self.two, self.three, self.four) {
            (true, ..) => Protocol::Initial,
            (_, true, _) => Protocol::Required(3),
            (_, _, true) => Protocol::Required(4),
            _ if json => Protocol::Wished(3),
            _ => Protocol::Initial,
        }
    }

    fn output(&self, terminal: bool) -> Output {
        match self.output {
            Some(OutputName::Json) => Output::Json,
            Some(OutputName::Pretty) => Output::Pretty,
            Some(OutputName::Raw) => Output::Raw,
            None if self.raw => Output::Raw,
            None if self.no_raw => Output::Pretty,
            None if self.json => Output::Json,
            None if self.quoted_json => Output::QuotedJson,
            None if terminal => Output::Pretty,
            None => Output::Raw,
        }
    }

    fn style(&self, output: Output) -> Style {
        let mut style = Style::new(output);
        if let Some(delimiter) = &self.element_delimiter {
            style.element_delimiter = delimiter.clone().into_vec();
        }
        if let Some(delimiter) = &self.reply_delimiter {
            style.reply_delimiter = delimiter.clone().into_vec();
        }
        style
    }

    fn task(&self) -> Task {
        let bytes = |text: &Option<OsString>| text.clone().map(OsString::into_vec);
        if self.pipe {
            let timeout = Duration::from_secs(self.pipe_timeout);
            Task::Pipe(Some(timeout).filter(|timeout| !timeout.is_zero()))
        } else if self.stat {
            Task::Stat
        } else if self.latency {
            Task::Latency
        } else if let Some(path) = &self.rdb {
            Task::Rdb(path.clone())
        } else if self.scan {
            Task::Scan(ScanFilter {
                pattern: bytes(&self.pattern),
                count: self.count,
                key_type: bytes(&self.key_type),
            })
        } else if self.command.is_empty() && !self.last_argument_from_input {
            Task::Lines
        } else {
            Task::Command(self.command.iter().cloned().map(OsString::into_vec).collect())
        }
    }
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn settings(arguments: &[&str]) -> Settings {
        let all = std::iter::once("zumic-cli").chain(arguments.iter().copied());
        Options::try_parse_from(all).unwrap().settings(Surroundings::default()).unwrap()
    }

    fn words(text: &str) -> Task {
        Task::Command(text.split(' ').map(|word| word.as_bytes().to_vec()).collect())
    }

    #[test]
    fn options_end_at_the_command() {
        let found = settings(&["-n", "3", "SET", "a", "-1", "-h", "--raw"]);
        assert_eq!(found.task, words("SET a -1 -h --raw"));
        assert_eq!(found.access.database, 3);
        assert_eq!(found.access.endpoint, Endpoint::Tcp("127.0.0.1".into(), 6174));
    }

    #[test]
    fn a_command_may_start_with_anything_after_two_dashes() {
        assert_eq!(settings(&["--", "-x"]).task, words("-x"));
    }

    #[test]
    fn numbers_below_zero_and_fractions_are_values() {
        let found = settings(&["-r", "-1", "-i", "0.25", "PING"]);
        assert_eq!((found.repeat, found.interval), (Some(-1), Some(Duration::from_millis(250))));
    }

    #[test]
    fn the_last_output_option_wins() {
        assert_eq!(settings(&["PING"]).style.output, Output::Raw);
        assert_eq!(settings(&["--json", "--no-raw"]).style.output, Output::Pretty);
        assert_eq!(settings(&["--no-raw", "--raw"]).style.output, Output::Raw);
        assert_eq!(settings(&["--raw", "--output", "json"]).style.output, Output::Json);
        assert_eq!(
            settings(&["--output", "json", "--quoted-json"]).style.output,
            Output::QuotedJson
        );
    }

    #[test]
    fn json_wishes_for_version_three_unless_told_otherwise() {
        assert_eq!(settings(&["--json"]).access.protocol, Protocol::Wished(3));
        assert_eq!(settings(&["--json", "-2"]).access.protocol, Protocol::Initial);
        assert_eq!(settings(&["--json", "-4"]).access.protocol, Protocol::Required(4));
        assert_eq!(settings(&["-3"]).access.protocol, Protocol::Required(3));
        assert_eq!(settings(&[]).access.protocol, Protocol::Initial);
    }

    #[test]
    fn passwords_come_from_the_option_then_the_url_then_the_environment() {
        let around = |password: &str| Surroundings {
            password: Some(password.as_bytes().to_vec()),
            ..Surroundings::default()
        };
        let found = |arguments: &[&str]| {
            let all = std::iter::once("zumic-cli").chain(arguments.iter().copied());
            let options = Options::try_parse_from(all).unwrap();
            let settings = options.settings(around("environment")).unwrap();
            (settings.access.password.unwrap(), settings.warn_password)
        };
        assert_eq!(found(&[]), (b"environment".to_vec(), false));
        assert_eq!(found(&["-u", "redis://url@h"]), (b"url".to_vec(), true));
        assert_eq!(found(&["-u", "redis://url@h", "-a", "a"]), (b"a".to_vec(), true));
        assert_eq!(found(&["--pass", "a", "--no-auth-warning"]), (b"a".to_vec(), false));
    }

    #[test]
    fn a_url_names_the_place_and_a_socket_overrides_it() {
        let found = settings(&["-u", "zumic://host:7/4"]);
        assert_eq!(found.access.endpoint, Endpoint::Tcp("host".into(), 7));
        assert_eq!(found.access.database, 4);
        let found = settings(&["-u", "zumic://host:7/4", "-s", "/s", "-n", "1"]);
        assert_eq!(found.access.endpoint, Endpoint::Unix("/s".into()));
        assert_eq!(found.access.database, 1);
    }

    #[test]
    fn refuses_what_makes_no_sense() {
        for arguments in [
            &["-p", "65536"][..],
            &["--nonsense"],
            &["-i", "-1", "PING"],
            &["-2", "-3"],
            &["--pipe", "--scan"],
            &["--pipe", "PING"],
            &["--pattern", "x"],
            &["--output", "csv"],
        ] {
            let all = std::iter::once("zumic-cli").chain(arguments.iter().copied());
            assert!(Options::try_parse_from(all).is_err(), "{arguments:?}");
        }
    }
}
