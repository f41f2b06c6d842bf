//! `zumic-bench` as its users meet it: the real binary against a real redis-server.
//!
//! Not for: parts that need no server; those have their tests beside the code.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;

use serde_json::Value;

/// A directory that goes away with its owner.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("zb-{}-{test}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A redis-server on a Unix socket, ended with the test.
struct Redis {
    process: Child,
    socket: String,
    _scratch: Scratch,
}

impl Redis {
    fn start(test: &str, more: &[&str]) -> Self {
        let scratch = Scratch::new(test);
        let socket = scratch.0.join("s").display().to_string();
        let mut process = Command::new("redis-server")
            .args(["--port", "0", "--unixsocket", &socket, "--save", "", "--daemonize", "no"])
            .args(more)
            .current_dir(&scratch.0)
            .stdout(Stdio::piped())
            .spawn()
            .expect("redis-server is installed");
        let mut log = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        // Its log says when it listens; after that it must still be read, or the pipe fills.
        while !line.contains("ready to accept connections") {
            line.clear();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "redis-server ended early");
        }
        thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { process, socket, _scratch: scratch }
    }

    fn bench(&self, arguments: &str) -> (Output, Value) {
        let socket = ["--socket", &self.socket, "--json", "--timeout", "20"];
        let output = bench(socket.into_iter().chain(arguments.split_whitespace()));
        let text = String::from_utf8_lossy(&output.stdout);
        let report = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{error}: {text} {output:?}"));
        (output, report)
    }

    /// One inline command; returns the first line of the reply.
    fn ask(&self, command: &str) -> String {
        let mut stream = std::os::unix::net::UnixStream::connect(&self.socket).unwrap();
        stream.write_all(format!("{command}\r\n").as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// How often the server ran a command, by its own count.
    fn calls(&self, command: &str) -> u64 {
        let mut stream = std::os::unix::net::UnixStream::connect(&self.socket).unwrap();
        stream.write_all(b"INFO commandstats\r\nQUIT\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let start = format!("cmdstat_{command}:calls=");
        let found = text.lines().find_map(|line| line.strip_prefix(&start)?.split(',').next());
        found.map_or(0, |count| count.parse().unwrap())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn bench<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Output {
    Command::new(env!("CARGO_BIN_EXE_zumic-bench")).args(arguments).output().unwrap()
}

fn number(report: &Value, path: &str) -> f64 {
    report.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("{path} in {report}"))
}

fn count(report: &Value, path: &str) -> u64 {
    report.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("{path} in {report}"))
}

#[test]
fn counts_are_exact_whatever_the_shape() {
    let redis = Redis::start("exact", &[]);
    for (index, shape) in
        ["-c 1 -t 1 -P 1", "-c 7 -t 2 -P 1", "-c 3 -t 3 -P 64 -3", "-c 2 -t 8 -P 1000"]
            .into_iter()
            .enumerate()
    {
        let (output, report) = redis.bench(&format!("-n 10007 --mix set -r 100 {shape}"));
        assert!(output.status.success(), "{shape}: {output:?}");
        assert_eq!(count(&report, "/requests"), 10_007, "{shape}");
        assert_eq!(count(&report, "/errors"), 0, "{shape}");
        assert_eq!(redis.calls("set"), 10_007 * (index as u64 + 1), "{shape}");
    }
}

#[test]
fn prefill_sets_every_key_once_and_mixes_reach_them() {
    let redis = Redis::start("prefill", &[]);
    let (output, report) =
        redis.bench("-n 3000 -r 5003 -c 3 -t 2 -P 8 --prefill --mix get:1,mget10:1 -d 10");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(redis.ask("DBSIZE"), ":5003");
    assert_eq!(redis.ask("STRLEN key:000000005002"), ":10");
    assert_eq!(redis.calls("set"), 5003);
    assert_eq!(redis.calls("get") + redis.calls("mget"), 3000);
    assert!(redis.calls("get").abs_diff(1500) < 300, "{}", redis.calls("get"));
    // All keys are there, so each GET brings a value: 10 bytes in a frame of 17.
    assert!(count(&report, "/received_bytes") > 17 * 3000);
}

#[test]
fn every_named_command_and_template_is_accepted() {
    let redis = Redis::start("commands", &[]);
    let mix = "get,set,incr,del,mset10,mget10,ping";
    let (output, report) = redis.bench(&format!("-n 7000 -r 50 --mix {mix} --seed 3"));
    assert!(output.status.success(), "{output:?}");
    assert_eq!(count(&report, "/requests"), 7000);
    let commands = ["get", "set", "incr", "del", "mset", "mget", "ping"];
    let calls: Vec<u64> = commands.iter().map(|command| redis.calls(command)).collect();
    assert_eq!(calls.iter().sum::<u64>(), 7000);
    assert!(calls.iter().all(|calls| calls.abs_diff(1000) < 200), "{calls:?}");

    let template = ["--command", "HSET h:__key__ 'a field' __value__"];
    let output = bench(["-s", &redis.socket, "-n", "20", "-r", "1"].into_iter().chain(template));
    assert!(output.status.success(), "{output:?}");
    assert_eq!(redis.ask("HLEN h:key:000000000000"), ":1");
}

#[test]
fn sequential_and_zipf_choose_as_they_say() {
    let redis = Redis::start("keys", &[]);
    let run = |distribution| {
        redis.bench(&format!("-n 10000 -r 1000 --mix incr --distribution {distribution}"));
    };
    run("sequential");
    assert_eq!(redis.ask("DBSIZE"), ":1000");
    assert_eq!(redis.ask("EVAL \"return redis.call('get','cnt:000000000999')\" 0"), "$2");
    redis.ask("FLUSHALL");
    run("zipf:1.1");
    let hottest = redis.ask("INCR cnt:000000000000");
    let hottest: u64 = hottest.strip_prefix(':').unwrap().parse().unwrap();
    assert!((1_000..3_500).contains(&hottest), "17 % of 10,000 expected, {hottest} found");
}

#[test]
fn errors_are_counted_and_decide_the_exit() {
    let redis = Redis::start("errors", &[]);
    redis.ask("LPUSH key:000000000000 a");
    let (output, report) = redis.bench("-n 500 -r 1 --mix get -P 5");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(count(&report, "/requests"), 500);
    assert_eq!(count(&report, "/errors"), 500);
    assert_eq!(count(&report, "/error_texts/0/count"), 500);
    let text = report.pointer("/error_texts/0/text").and_then(Value::as_str).unwrap();
    assert!(text.starts_with("WRONGTYPE"), "{text}");
    let (output, _) = redis.bench("-n 500 -r 1 --mix get -P 5 --allow-errors");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn the_rate_is_kept_and_the_histogram_is_ordered() {
    let redis = Redis::start("rate", &[]);
    let (output, report) = redis.bench("--rate 4000 --seconds 2 -c 10 -t 2 -P 16 -r 100");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(count(&report, "/requests") + count(&report, "/unsent"), 8000);
    let rate = number(&report, "/requests_per_second");
    assert!((3600.0..=4400.0).contains(&rate), "{rate}");
    let names = ["min", "p50", "p90", "p99", "p99_9", "p99_99", "max"];
    let values = names.map(|name| count(&report, &format!("/latency_ns/{name}")));
    assert!(values.is_sorted() && values[0] > 0, "{values:?}");
}

/// A generator that waits for replies before it sends would see one slow request here. By the
/// timetable, everything due during the pause is late: of 2 s with a pause of 1 s, half.
#[test]
fn a_stall_shows_in_the_latencies_of_all_that_waited() {
    let redis = Redis::start("stall", &[]);
    let socket = redis.socket.clone();
    let pauser = thread::spawn(move || {
        // Waits until the load is there, then holds the server up.
        let mut stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        while !line.starts_with(':') || line.trim_end() == ":0" {
            stream.write_all(b"EXISTS cnt:000000000000\r\n").unwrap();
            line.clear();
            reader.read_line(&mut line).unwrap();
        }
        stream.write_all(b"CLIENT PAUSE 1000 ALL\r\n").unwrap();
        line.clear();
        reader.read_line(&mut line).unwrap();
    });
    let (_, report) = redis.bench("--rate 1000 --seconds 2 -c 4 -P 1 -r 1 --mix incr");
    pauser.join().unwrap();
    let p50 = count(&report, "/latency_ns/p50");
    let p90 = count(&report, "/latency_ns/p90");
    let late_ns_min = 500_000_000;
    assert!(p90 > late_ns_min, "p50 {p50} p90 {p90}");
}

#[test]
fn a_number_of_scheduled_requests_is_exact_too() {
    let redis = Redis::start("scheduled", &[]);
    let (output, report) = redis.bench("--rate 5000 -n 1501 -c 7 -t 3 -P 4 -r 10 --warmup 0.1");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(count(&report, "/requests"), 1501);
    assert_eq!(count(&report, "/unsent"), 0);
}

#[test]
fn cpu_time_of_both_sides_is_measured() {
    let redis = Redis::start("cpu", &[]);
    let (_, report) = redis.bench("-n 200000 -P 32 --warmup 0.1");
    assert_eq!(count(&report, "/processor/server_pid"), u64::from(redis.process.id()));
    for side in ["server", "client"] {
        let nanos = number(&report, &format!("/processor/{side}_ns_per_request"));
        assert!((10.0..1_000_000.0).contains(&nanos), "{side} {nanos}");
    }
}

#[test]
fn passwords_are_sent_and_refusals_reported() {
    let redis = Redis::start("auth", &["--requirepass", "hunter 2"]);
    let socket = ["-s", &redis.socket, "-n", "100"];
    let with = |more: &[&str]| bench(socket.iter().copied().chain(more.iter().copied()));
    assert!(with(&["-a", "hunter 2", "-3"]).status.success());
    assert!(with(&["-a", "hunter 2", "--user", "default"]).status.success());
    let refused = with(&["-a", "wrong"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("WRONGPASS"), "{refused:?}");
}

#[test]
fn a_server_that_is_not_there_is_an_error() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port().to_string();
    drop(free);
    let output = bench(["-p", &port, "-n", "1"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains(&format!("cannot talk to 127.0.0.1:{port}")), "{text}");
}

#[test]
fn a_wrong_command_line_exits_with_2() {
    for arguments in [["-n", "0"], ["--mix", "fly"], ["--distribution", "x"], ["--key-bytes", "3"]]
    {
        assert_eq!(bench(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

/// Answers INFO, then closes each connection at its first request.
fn serve_and_hang_up(listener: &TcpListener) {
    let (mut first, _) = listener.accept().unwrap();
    let mut buffer = [0; 1024];
    let _ = first.read(&mut buffer).unwrap();
    first.write_all(b"$4\r\nnone\r\n").unwrap();
    let connections: Vec<TcpStream> = (0..3).map(|_| listener.accept().unwrap().0).collect();
    for mut connection in connections {
        let _ = connection.read(&mut buffer);
    }
}

#[test]
fn a_server_that_hangs_up_fails_the_run() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let server = thread::spawn(move || serve_and_hang_up(&listener));
    let output = bench(["-p", &port, "-c", "3", "-n", "100", "-P", "2", "--json"]);
    server.join().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(count(&report, "/requests"), 0);
    assert_eq!(count(&report, "/lost"), 6);
    let failed = report.pointer("/failed_connections").and_then(Value::as_array).unwrap();
    assert_eq!(failed.len(), 3);
    assert!(report.pointer("/processor/server_ns").is_some_and(Value::is_null));
}

/// Answers INFO, then takes requests and never answers.
fn serve_in_silence(path: &Path) -> thread::JoinHandle<()> {
    let listener = UnixListener::bind(path).unwrap();
    thread::spawn(move || {
        let (mut first, _) = listener.accept().unwrap();
        let mut buffer = [0; 1024];
        let _ = first.read(&mut buffer).unwrap();
        first.write_all(b"$4\r\nnone\r\n").unwrap();
        let (mut second, _) = listener.accept().unwrap();
        while second.read(&mut buffer).unwrap() > 0 {}
    })
}

#[test]
fn a_silent_server_is_given_up() {
    let scratch = Scratch::new("silent");
    let path = scratch.0.join("s");
    let server = serve_in_silence(&path);
    let path = path.to_str().unwrap();
    let output = bench(["-s", path, "-c", "1", "-n", "9", "--timeout", "0.3"]);
    server.join().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("no reply in time"), "{text}");
}
