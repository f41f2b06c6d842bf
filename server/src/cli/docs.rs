//! What the server says about its own commands.
//!
//! Why it exists: completion, hints and help come from the server one talks to, so they fit its
//! version and its own commands. `COMMAND DOCS` has everything; a server without it is asked for
//! `COMMAND`, which has names and argument counts. Not a list of commands in the client: it would
//! be out of date.

use std::collections::BTreeSet;

use super::reply::Reply;

/// What an argument is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A sequence of arguments.
    Block,
    /// A floating-point number.
    Double,
    /// An integer, or a time as one.
    Integer,
    /// One of several arguments.
    OneOf,
    /// A word that stands for itself.
    PureToken,
    /// Any value: a key, a string, a pattern.
    Value,
}

/// One argument of a command.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Argument {
    /// What it is.
    pub kind: Kind,
    /// What to show for it.
    pub text: String,
    /// The word that precedes it, or that it consists of.
    pub token: Option<String>,
    /// Whether it may be left out.
    pub optional: bool,
    /// Whether it may be given several times.
    pub multiple: bool,
    /// Whether each time needs the token again.
    pub multiple_token: bool,
    /// The parts of a block, or the choices.
    pub arguments: Vec<Self>,
}

/// One command or subcommand.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Command {
    /// Its name in capitals, a container's name before it: `CONFIG GET`.
    pub name: String,
    /// What it does.
    pub summary: String,
    /// The server's version that brought it.
    pub since: String,
    /// Its group, such as `string`.
    pub group: String,
    /// Its cost.
    pub complexity: String,
    /// Its arguments.
    pub arguments: Vec<Argument>,
}

/// All commands of a server, sorted by name.
#[derive(Clone, Debug, Default)]
pub struct Docs {
    commands: Vec<Command>,
}

impl Docs {
    /// Reads the answer to `COMMAND DOCS`, of either protocol version. What cannot be understood is
    /// left out. Cost: O(size of the reply).
    #[must_use]
    pub fn from_docs(reply: &Reply) -> Self {
        let mut commands = Vec::new();
        collect_docs(reply, &mut commands);
        Self::sorted(commands)
    }

    /// Reads the answer to `COMMAND`, which knows only how many arguments there are.
    #[must_use]
    pub fn from_table(reply: &Reply) -> Self {
        let mut commands = Vec::new();
        collect_table(reply, &mut commands);
        Self::sorted(commands)
    }

    fn sorted(mut commands: Vec<Command>) -> Self {
        commands.sort_by(|left, right| left.name.cmp(&right.name));
        commands.dedup_by(|left, right| left.name == right.name);
        Self { commands }
    }

    /// All commands, by name.
    #[must_use]
    pub fn commands(&self) -> &[Command] {
        &self.commands
    }

    /// The groups that occur, by name.
    #[must_use]
    pub fn groups(&self) -> BTreeSet<&str> {
        self.commands.iter().map(|c| c.group.as_str()).filter(|group| !group.is_empty()).collect()
    }

    /// The command that `words` begins with, and the words of its name: two for a subcommand.
    /// Cost: O(log commands).
    #[must_use]
    pub fn find(&self, words: &[String]) -> Option<(&Command, usize)> {
        (1..=words.len().min(2)).rev().find_map(|count| {
            let name = words[..count].join(" ").to_ascii_uppercase();
            let index = self.commands.binary_search_by(|c| c.name.cmp(&name)).ok()?;
            Some((&self.commands[index], count))
        })
    }

    /// Whether `name`, in capitals, has subcommands.
    #[must_use]
    pub fn is_container(&self, name: &str) -> bool {
        let prefix = format!("{name} ");
        self.commands.iter().any(|command| command.name.starts_with(&prefix))
    }
}

fn collect_docs(reply: &Reply, commands: &mut Vec<Command>) {
    for (name, fields) in reply.pairs() {
        let Some(name) = name.text() else { continue };
        let mut command = Command { name: display_name(name), ..Command::default() };
        for (field, value) in fields.pairs() {
            match field.text().unwrap_or(b"") {
                b"summary" => command.summary = text_of(value),
                b"since" => command.since = text_of(value),
                b"group" => command.group = text_of(value),
                b"complexity" => command.complexity = text_of(value),
                b"arguments" => command.arguments = read_arguments(value),
                b"subcommands" => collect_docs(value, commands),
                _ => {}
            }
        }
        commands.push(command);
    }
}

fn read_arguments(reply: &Reply) -> Vec<Argument> {
    reply.elements().unwrap_or(&[]).iter().map(read_argument).collect()
}

fn read_argument(reply: &Reply) -> Argument {
    let mut argument = Argument {
        kind: Kind::Value,
        text: String::new(),
        token: None,
        optional: false,
        multiple: false,
        multiple_token: false,
        arguments: Vec::new(),
    };
    let mut display_text = None;
    for (field, value) in reply.pairs() {
        match field.text().unwrap_or(b"") {
            b"name" => argument.text = text_of(value),
            b"display_text" => display_text = Some(text_of(value)),
            b"token" => argument.token = Some(text_of(value)),
            b"arguments" => argument.arguments = read_arguments(value),
            b"type" => argument.kind = kind_of(value),
            b"flags" => {
                for flag in value.elements().unwrap_or(&[]) {
                    match flag.text().unwrap_or(b"") {
                        b"optional" => argument.optional = true,
                        b"multiple" => argument.multiple = true,
                        b"multiple_token" => argument.multiple_token = true,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    argument.text = display_text.unwrap_or(argument.text);
    argument
}

fn kind_of(reply: &Reply) -> Kind {
    match reply.text().unwrap_or(b"") {
        b"block" => Kind::Block,
        b"double" => Kind::Double,
        b"integer" | b"unix-time" => Kind::Integer,
        b"oneof" => Kind::OneOf,
        b"pure-token" => Kind::PureToken,
        _ => Kind::Value,
    }
}

/// Positions in an entry of `COMMAND`.
const TABLE_NAME: usize = 0;
const TABLE_ARITY: usize = 1;
const TABLE_SUBCOMMANDS: usize = 9;

fn collect_table(reply: &Reply, commands: &mut Vec<Command>) {
    for entry in reply.elements().unwrap_or(&[]) {
        let fields = entry.elements().unwrap_or(&[]);
        let Some(name) = fields.get(TABLE_NAME).and_then(Reply::text) else { continue };
        let name = display_name(name);
        let arity = match fields.get(TABLE_ARITY) {
            Some(Reply::Integer(arity)) => *arity,
            _ => 0,
        };
        let name_words = i64::try_from(name.split(' ').count()).expect("at most two words");
        commands.push(Command {
            arguments: arguments_of_arity(arity, name_words),
            name,
            ..Command::default()
        });
        if let Some(subcommands) = fields.get(TABLE_SUBCOMMANDS) {
            collect_table(subcommands, commands);
        }
    }
}

/// Nameless arguments for a count: below zero it is a minimum, and it includes the name.
fn arguments_of_arity(arity: i64, name_words: i64) -> Vec<Argument> {
    let argument = |optional| Argument {
        kind: Kind::Value,
        text: "arg".to_owned(),
        token: None,
        optional,
        multiple: optional,
        multiple_token: false,
        arguments: Vec::new(),
    };
    let required = arity.saturating_abs().saturating_sub(name_words).clamp(0, 16);
    let mut arguments: Vec<_> = (0..required).map(|_| argument(false)).collect();
    if arity < 0 {
        arguments.push(argument(true));
    }
    arguments
}

/// `config|get` as `CONFIG GET`.
fn display_name(name: &[u8]) -> String {
    String::from_utf8_lossy(name).replace('|', " ").to_ascii_uppercase()
}

fn text_of(reply: &Reply) -> String {
    String::from_utf8_lossy(reply.text().unwrap_or(b"")).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Reply {
        Reply::Bulk(text.as_bytes().to_vec())
    }

    fn map(pairs: Vec<(&str, Reply)>) -> Reply {
        Reply::Map(pairs.into_iter().map(|(key, value)| (bulk(key), value)).collect())
    }

    /// A map as version 2 sends it.
    fn flat(pairs: Vec<(&str, Reply)>) -> Reply {
        Reply::Array(pairs.into_iter().flat_map(|(key, value)| [bulk(key), value]).collect())
    }

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn docs_of_both_versions_read_alike() {
        let build = |map: fn(Vec<(&str, Reply)>) -> Reply| {
            let argument = map(vec![
                ("name", bulk("parameter")),
                ("type", bulk("string")),
                ("token", bulk("T")),
                ("flags", Reply::Array(vec![Reply::Status(b"optional".to_vec())])),
            ]);
            let get =
                map(vec![("summary", bulk("Gets")), ("arguments", Reply::Array(vec![argument]))]);
            let config = map(vec![
                ("group", bulk("server")),
                ("subcommands", map(vec![("config|get", get)])),
            ]);
            Docs::from_docs(&map(vec![("config", config)]))
        };
        let docs = build(map);
        assert_eq!(docs.commands(), build(flat).commands());
        let (get, count) = docs.find(&words("config get x")).unwrap();
        assert_eq!((get.name.as_str(), count), ("CONFIG GET", 2));
        assert_eq!(get.arguments[0].token.as_deref(), Some("T"));
        assert!(get.arguments[0].optional && !get.arguments[0].multiple);
        assert_eq!(docs.find(&words("config nonsense")).unwrap().1, 1);
        assert_eq!(docs.find(&words("nonsense")), None);
        assert!(docs.is_container("CONFIG") && !docs.is_container("CONFIG GET"));
        assert_eq!(docs.groups().into_iter().collect::<Vec<_>>(), ["server"]);
    }

    #[test]
    fn a_table_gives_names_and_counts() {
        let mut config = vec![bulk("config"), Reply::Integer(-2)];
        config.resize(TABLE_SUBCOMMANDS, Reply::Null);
        let get = Reply::Array(vec![bulk("config|get"), Reply::Integer(-3)]);
        config.push(Reply::Array(vec![get]));
        let set = Reply::Array(vec![bulk("get"), Reply::Integer(2)]);
        let docs = Docs::from_table(&Reply::Array(vec![Reply::Array(config), set]));
        let counts: Vec<_> = docs
            .commands()
            .iter()
            .map(|command| (command.name.as_str(), command.arguments.len()))
            .collect();
        assert_eq!(counts, [("CONFIG", 2), ("CONFIG GET", 2), ("GET", 1)]);
    }

    #[test]
    fn nonsense_is_left_out() {
        assert!(Docs::from_docs(&Reply::Null).commands().is_empty());
        assert!(Docs::from_table(&Reply::Array(vec![Reply::Integer(1)])).commands().is_empty());
        let absurd = Reply::Array(vec![bulk("x"), Reply::Integer(i64::MIN)]);
        let docs = Docs::from_table(&Reply::Array(vec![absurd]));
        assert_eq!(docs.commands()[0].arguments.len(), 17);
    }
}
