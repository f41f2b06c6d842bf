//! Persistent servers: a directory that outlives its processes, and what is in a store.
//!
//! Why it exists: a test of durability ends a server in some way, starts another one on the same
//! directory, and compares what both said.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::process::{Finished, Folder, finish, free_port, zumic_command};
use super::{Client, Reply, Running, Zumic};

/// A data directory.
pub(crate) struct Disk {
    folder: Folder,
    threads: usize,
}

impl Disk {
    /// An empty one, for servers of two reactors.
    pub(crate) fn new() -> Self {
        Self { folder: Folder::new(), threads: 2 }
    }

    /// An empty one, for servers of so many reactors.
    pub(crate) fn with_threads(threads: usize) -> Self {
        Self { folder: Folder::new(), threads }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Starts a server on it and waits until it has loaded its data.
    ///
    /// # Panics
    /// When it does not come up.
    pub(crate) fn start(&self, options: &[&str]) -> Running {
        let zumic = Zumic { threads: self.threads };
        Running::start_by(&zumic, |command| {
            command.args(["--mode", "persistent", "--dir"]).arg(self.path()).args(options);
        })
    }

    /// Runs a server that must not come up, to its end.
    pub(crate) fn start_in_vain(&self, options: &[&str]) -> Finished {
        let mut command = zumic_command();
        command.args(["--bind", "127.0.0.1", "--port", &free_port().to_string()]);
        command.args(["--mode", "persistent", "--dir"]).arg(self.path()).args(options);
        finish(command, Duration::from_secs(60))
    }

    /// Its files whose names end so.
    ///
    /// # Panics
    /// When the directory cannot be read.
    pub(crate) fn files(&self, ending: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path()).expect("the directory is readable");
        let paths = entries.map(|entry| entry.expect("an entry is readable").path());
        let mut files: Vec<_> =
            paths.filter(|path| path.to_string_lossy().ends_with(ending)).collect();
        files.sort();
        files
    }

    /// A copy of it as it is now.
    ///
    /// # Panics
    /// When it cannot be copied.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::with_threads(self.threads);
        for file in self.files("") {
            let name = file.file_name().expect("a listed file has a name");
            std::fs::copy(&file, copy.path().join(name)).expect("the file is copied");
        }
        copy
    }
}

/// A field of INFO.
///
/// # Panics
/// When there is none of this name.
pub(crate) fn info(client: &mut Client, field: &str) -> String {
    let text = client.run("INFO everything").text();
    let found = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    found.unwrap_or_else(|| panic!("INFO has no {field}:\n{text}")).to_owned()
}

/// Waits until a field of INFO has this value.
///
/// # Panics
/// When it has not within half a minute.
pub(crate) fn wait_for(client: &mut Client, field: &str, value: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let now = info(client, field);
        if now == value {
            return;
        }
        assert!(Instant::now() < deadline, "{field} is {now}, not {value}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Has a snapshot written and waits for it.
///
/// # Panics
/// When it fails.
pub(crate) fn save(client: &mut Client) {
    assert_eq!(client.run("SAVE"), Reply::simple("OK"));
}

/// Everything in a store, by database and key: type, deadline and value as text.
pub(crate) fn contents(client: &mut Client, databases: u16) -> BTreeMap<(u16, String), String> {
    let mut all = BTreeMap::new();
    for db in 0..databases {
        client.run(&format!("SELECT {db}"));
        for key in client.run("KEYS *").elements() {
            let Reply::Bulk(Some(name)) = key else { panic!("KEYS answered {key}") };
            let text = describe(client, name);
            all.insert((db, key.text()), text);
        }
    }
    client.run("SELECT 0");
    all
}

/// One key's type, deadline and value.
fn describe(client: &mut Client, key: &[u8]) -> String {
    let kind = ask(client, "TYPE", key, &[]).text();
    let value = match kind.as_str() {
        "string" => ask(client, "GET", key, &[]).to_string(),
        "list" => ask(client, "LRANGE", key, &["0", "-1"]).to_string(),
        "set" => sorted(&ask(client, "SMEMBERS", key, &[])),
        "hash" => hash(client, key),
        "zset" => ask(client, "ZRANGE", key, &["0", "-1", "WITHSCORES"]).to_string(),
        "stream" => stream(client, key),
        "TSDB-TYPE" => ask(client, "TS.RANGE", key, &["-", "+"]).to_string(),
        other => panic!("a key of type {other}"),
    };
    format!("{kind} until {}: {value}", ask(client, "PEXPIRETIME", key, &[]))
}

/// A command on a key.
fn ask(client: &mut Client, command: &str, key: &[u8], rest: &[&str]) -> Reply {
    let mut words = vec![command.as_bytes(), key];
    words.extend(rest.iter().map(|word| word.as_bytes()));
    client.call(&words)
}

/// Fields with values and deadlines.
fn hash(client: &mut Client, key: &[u8]) -> String {
    let all = ask(client, "HGETALL", key, &[]);
    let mut lines = Vec::new();
    for pair in all.elements().chunks(2) {
        let Reply::Bulk(Some(field)) = &pair[0] else { panic!("a field is {}", pair[0]) };
        let words: [&[u8]; 5] = [b"HPEXPIRETIME", key, b"FIELDS", b"1", field];
        lines.push(format!("{} {} {}", pair[0], pair[1], client.call(&words)));
    }
    lines.sort();
    lines.join("; ")
}

/// Entries, counts, groups and what is pending in them; not the idle times.
fn stream(client: &mut Client, key: &[u8]) -> String {
    let mut text = ask(client, "XRANGE", key, &["-", "+"]).to_string();
    let head = client.call(&[b"XINFO", b"STREAM".as_slice(), key]);
    for field in ["length", "last-generated-id", "max-deleted-entry-id", "entries-added"] {
        let value = head.field(field).unwrap_or_else(|| panic!("{head} has no {field}"));
        text.push_str(&format!("; {field} {value}"));
    }
    let groups = client.call(&[b"XINFO", b"GROUPS".as_slice(), key]);
    for group in groups.elements() {
        let name = group.field("name").expect("a group has a name").text();
        text.push_str(&format!("; {group} {}", ask(client, "XPENDING", key, &[&name])));
    }
    text
}

/// A reply of unordered elements in some order.
fn sorted(reply: &Reply) -> String {
    let mut elements: Vec<String> = reply.elements().iter().map(ToString::to_string).collect();
    elements.sort();
    elements.join("; ")
}
