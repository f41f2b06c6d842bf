//! The command table against the real thing: COMMAND INFO and COMMAND DOCS of redis-server.
//!
//! Every field of every command that both have must be the same; what Zumic means to differ in
//! is listed here, with the reason. Skipped, with a message, where redis-server is not installed.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use engine::commands::{CommandSpec, all};
use engine::{Engine, Scope};

use super::harness::run;
use super::sink::Value;

/// A redis-server on a Unix socket in a directory of its own; gone when dropped.
struct Oracle {
    process: Child,
    directory: std::path::PathBuf,
    stream: BufReader<UnixStream>,
}

impl Oracle {
    fn start() -> Option<Self> {
        let name = format!("zumic-table-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).expect("a directory for the socket");
        let socket = directory.join("redis.sock");
        let process = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--unixsocket"])
            .arg(&socket)
            .current_dir(&directory)
            .stdout(Stdio::null())
            .spawn()
            .ok()?;
        let deadline = Instant::now() + Duration::from_secs(20);
        let stream = loop {
            match UnixStream::connect(&socket) {
                Ok(stream) => break stream,
                Err(error) => assert!(Instant::now() < deadline, "no redis-server: {error}"),
            }
            std::thread::yield_now();
        };
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout is not zero");
        let mut oracle = Self { process, directory, stream: BufReader::new(stream) };
        oracle.ask("HELLO 3");
        Some(oracle)
    }

    fn ask(&mut self, line: &str) -> Value {
        let request = format!("{line}\r\n");
        self.stream.get_mut().write_all(request.as_bytes()).expect("redis-server reads");
        self.reply()
    }

    fn reply(&mut self) -> Value {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("redis-server answers");
        let (kind, text) = line.trim_end().split_at(1);
        let number = || text.parse::<usize>().expect("a length");
        match kind {
            "+" => Value::Simple(text.to_owned()),
            "-" => Value::Error(text.to_owned()),
            ":" => Value::Integer(text.parse().expect("an integer")),
            "_" => Value::Null,
            "$" => {
                let mut bytes = vec![0; number() + 2];
                self.stream.read_exact(&mut bytes).expect("redis-server answers");
                bytes.truncate(bytes.len() - 2);
                Value::Bulk(bytes)
            }
            "*" | "~" | "%" => {
                let len = if kind == "%" { 2 * number() } else { number() };
                let values = (0..len).map(|_| self.reply()).collect();
                Value::Aggregate(kind.chars().next().expect("one character"), values)
            }
            other => panic!("{other:?} is no reply of COMMAND"),
        }
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // Best effort: a failure to clean up must not hide the failure of the test.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Bulk(bytes) => String::from_utf8(bytes.clone()).expect("names are text"),
        Value::Simple(text) => text.clone(),
        other => panic!("{other:?} is no text"),
    }
}

fn elements(value: &Value) -> &[Value] {
    match value {
        Value::Aggregate(_, values) => values,
        other => panic!("{other:?} is no aggregate"),
    }
}

fn fields(map: &Value) -> BTreeMap<String, Value> {
    let pairs = elements(map).chunks(2);
    pairs.map(|pair| (text(&pair[0]), pair[1].clone())).collect()
}

/// Rows of both tables: those of Redis, subcommands in full.
fn shared() -> impl Iterator<Item = &'static CommandSpec> {
    let is_newer = |row: &&CommandSpec| {
        row.since.starts_with("zumic") || ["7.2.0", "7.4.0", "8.0.0"].contains(&row.since)
    };
    all().iter().copied().filter(move |row| !is_newer(row))
}

/// COMMAND INFO of one command without its subcommands, which have rows of their own and whose
/// number differs.
fn info(reply: &Value) -> Vec<Value> {
    let rows = elements(reply);
    assert_eq!(rows.len(), 1);
    let mut parts = elements(&rows[0]).to_vec();
    assert_eq!(parts.len(), 10, "{rows:?}");
    let subcommands = parts.pop().expect("ten parts");
    let kind = if let Value::Aggregate(kind, _) = subcommands { kind } else { '?' };
    parts.push(Value::Simple(format!("subcommands in {kind}")));
    parts
}

/// What Redis 7.2 tells of an argument and 7.0 does not.
fn without_display_text(arguments: &Value) -> Value {
    let Value::Aggregate('*', arguments) = arguments else { panic!("{arguments:?}") };
    let strip = |argument: &Value| {
        let mut kept = Vec::new();
        for pair in elements(argument).chunks(2) {
            match text(&pair[0]).as_str() {
                "display_text" => {}
                "arguments" => kept.extend([pair[0].clone(), without_display_text(&pair[1])]),
                _ => kept.extend_from_slice(pair),
            }
        }
        Value::Aggregate('%', kept)
    };
    Value::array(arguments.iter().map(strip).collect())
}

fn docs(reply: &Value) -> BTreeMap<String, Value> {
    let mut all = fields(&fields(reply).into_values().next().expect("one command"));
    all.remove("subcommands");
    if let Some(arguments) = all.get_mut("arguments") {
        *arguments = without_display_text(arguments);
    }
    all
}

#[test]
fn rows_say_what_redis_says() {
    let Some(mut oracle) = Oracle::start() else {
        println!("skipped: redis-server is not installed");
        return;
    };
    let engine = Engine::builder().build();
    let (mut session, mut scope) = (engine.session(), Scope::default());
    let mut compared = 0;
    let mut differences = Vec::new();
    for row in shared() {
        let mut both = |sub: &str| {
            let args: [&[u8]; 3] = [b"COMMAND", sub.as_bytes(), row.name.as_bytes()];
            let ours = run(&mut session, &mut scope, 0, &args);
            (ours, oracle.ask(&format!("COMMAND {sub} {}", row.name)))
        };
        let (ours, theirs) = both("INFO");
        for (part, (ours, theirs)) in info(&ours).iter().zip(&info(&theirs)).enumerate() {
            if ours != theirs && !is_meant(row.name, "info") {
                differences.push(format!("{} info {part}: {ours:?}, not {theirs:?}", row.name));
            }
        }
        let (ours, theirs) = both("DOCS");
        let (ours, theirs) = (docs(&ours), docs(&theirs));
        let names: std::collections::BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
        for name in names {
            let (ours, theirs) = (ours.get(name), theirs.get(name));
            if ours != theirs && !is_meant(row.name, name) {
                differences.push(format!("{} {name}: {ours:?}, not {theirs:?}", row.name));
            }
        }
        compared += 1;
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(compared > 90, "only {compared} commands were compared");
}

/// Fields in which Zumic means to differ.
fn is_meant(command: &str, field: &str) -> bool {
    match command {
        // METHOD is Zumic's.
        "geodist" => field == "arguments",
        // NOVALUES came with Redis 7.4.
        "hscan" => field == "arguments",
        // TYPE is Zumic's; so PUBLISH takes more arguments.
        "publish" => matches!(field, "arguments" | "info"),
        // IFEQ is Valkey's.
        "set" => matches!(field, "arguments" | "history"),
        // FILTER is Zumic's.
        "subscribe" => field == "arguments",
        // WITHSCORE came with Redis 7.2.
        "zrank" | "zrevrank" => matches!(field, "info" | "arguments" | "history"),
        _ => false,
    }
}
