//! The session's help: what the client knows by itself, and what the server says about commands.
//!
//! Why it exists: `help SET` is faster than a browser. Not the command reference: that is the
//! book, generated from the same table as the server's `COMMAND DOCS`.

use super::docs::{Command, Docs};
use super::hint;

/// Shown for `help` alone.
const GENERAL: &str = "\
To get help about commands type:
      \"help @<group>\" to get a list of commands in <group>
      \"help <command>\" for help on <command>
      \"help <tab>\" to get a list of possible help topics

Commands of this client itself:
      \"connect <host> <port>\" to talk to another server
      \"<number> <command>\" to execute a command several times
      \"clear\" to clear the screen
      \":set hints\" and \":set nohints\" to show argument hints or not
      \"quit\" or \"exit\" to leave

Ctrl-C ends a stream of messages or a command that waits; Ctrl-D leaves.
";

/// The text for `help` with these words after it. `colors` puts terminal colors in.
#[must_use]
pub fn text(docs: &Docs, topic: &[String], colors: bool) -> String {
    let Some(first) = topic.first() else {
        return format!("zumic-cli {}\n{GENERAL}", env!("CARGO_PKG_VERSION"));
    };
    let entries: Vec<String> = match first.strip_prefix('@') {
        Some(group) => docs
            .commands()
            .iter()
            .filter(|command| command.group.eq_ignore_ascii_case(group))
            .map(|command| entry(command, false, colors))
            .collect(),
        None => {
            let name = topic.join(" ").to_ascii_uppercase();
            let below = format!("{name} ");
            docs.commands()
                .iter()
                .filter(|command| command.name == name || command.name.starts_with(&below))
                .map(|command| entry(command, true, colors))
                .collect()
        }
    };
    if entries.is_empty() {
        return format!("\n  The server has no help on \"{}\".\n\n", topic.join(" "));
    }
    entries.concat() + "\n"
}

fn entry(command: &Command, with_group: bool, colors: bool) -> String {
    let paint = |code: &str, text: &str| {
        if colors { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    };
    let mut syntax = hint::syntax(&command.arguments);
    if !syntax.is_empty() {
        syntax = format!(" {}", paint("90", &syntax));
    }
    let mut lines = format!("\n  {}{syntax}\n", paint("1", &command.name));
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            lines.push_str(&format!("  {} {value}\n", paint("33", &format!("{name}:"))));
        }
    };
    line("summary", &command.summary);
    line("since", &command.since);
    line("complexity", if with_group { &command.complexity } else { "" });
    line("group", if with_group { &command.group } else { "" });
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::reply::Reply;

    fn docs() -> Docs {
        let bulk = |text: &str| Reply::Bulk(text.as_bytes().to_vec());
        let fields = |summary| {
            Reply::Map(vec![
                (bulk("summary"), bulk(summary)),
                (bulk("since"), bulk("1.0.0")),
                (bulk("group"), bulk("string")),
            ])
        };
        Docs::from_docs(&Reply::Map(vec![
            (bulk("get"), fields("Gets")),
            (bulk("getdel"), fields("Gets and deletes")),
            (bulk("config|get"), fields("Gets a setting")),
        ]))
    }

    #[test]
    fn a_command_has_its_group_and_a_group_its_commands() {
        let get = text(&docs(), &["get".to_owned()], false);
        assert_eq!(get, "\n  GET\n  summary: Gets\n  since: 1.0.0\n  group: string\n\n");
        let group = text(&docs(), &["@STRING".to_owned()], false);
        assert!(group.contains("  GETDEL\n") && !group.contains("group:"), "{group}");
    }

    #[test]
    fn a_container_lists_its_subcommands() {
        assert!(text(&docs(), &["config".to_owned()], false).contains("  CONFIG GET\n"));
    }

    #[test]
    fn colors_are_optional_and_the_unknown_is_named() {
        assert!(text(&docs(), &["get".to_owned()], true).contains("\x1b[1mGET\x1b[0m"));
        assert!(text(&docs(), &["nope".to_owned()], false).contains("no help on \"nope\""));
        assert!(text(&docs(), &[], false).contains("connect <host> <port>"));
    }
}
