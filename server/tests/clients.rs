//! The libraries and programs that people use, unchanged, against the real server.
//!
//! Why it exists: a client's handshake, reconnect logic and reply parsing are stricter than any
//! script of ours. The programs are in `clients/`. Their libraries are installed under cargo's
//! target folder, pinned, by pip and npm; where neither a network nor an earlier installation
//! is there, the test fails and says so, unless `ZUMIC_TESTS_WITHOUT_CLIENTS=1` declares it.

mod support;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use support::process::{finish, oracle_available};
use support::{Redis, Running, Server, Zumic};

const INSTALL_MAX: Duration = Duration::from_secs(180);
const RUN_MAX: Duration = Duration::from_secs(90);

/// The tests of a library sleep much, to see what expires.
const SUITE_MAX: Duration = Duration::from_secs(240);

const REDIS_PY: &str = "redis==6.4.0";
/// What redis-py's own tests need.
const REDIS_PY_TESTS: [&str; 5] = [
    "packaging==25.0",
    "PyJWT==2.10.1",
    "pytest==8.4.2",
    "pytest-asyncio==1.2.0",
    "pytest-timeout==2.4.0",
];
const NODE_PACKAGES: [&str; 3] = ["bullmq@6.7.0", "ioredis@5.8.2", "redis@5.9.0"];

/// Packages of the larger Python programs, one a line.
const SERVICES: &str = include_str!("clients/services.txt");

fn wanted() -> bool {
    if std::env::var_os("ZUMIC_TESTS_WITHOUT_CLIENTS").is_some_and(|value| value == "1") {
        eprintln!("ZUMIC_TESTS_WITHOUT_CLIENTS=1: no client library is tested");
        return false;
    }
    true
}

/// Where the libraries are installed: `target/tmp/clients`.
fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients");
    std::fs::create_dir_all(&folder).expect("the target folder is writable");
    folder
}

/// Installations of one process are done one after the other. Between processes: each
/// installs into a folder of its own and renames it into place.
fn installing() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

fn must_run(command: Command, limit: Duration, what: &str) -> String {
    let shown = format!("{command:?}");
    let ended = finish(command, limit);
    assert!(
        ended.code == Some(0),
        "{what} failed ({shown}, exit code {:?}); set ZUMIC_TESTS_WITHOUT_CLIENTS=1 to run the \
         suite on a machine that cannot have it\n{}\n{}",
        ended.code,
        ended.stdout,
        ended.stderr
    );
    ended.stdout
}

fn require(program: &str, package: &str) {
    let mut command = Command::new(program);
    command.arg("--version");
    assert!(
        command.output().is_ok_and(|output| output.status.success()),
        "{program} is not installed ({package}); set ZUMIC_TESTS_WITHOUT_CLIENTS=1 to do without"
    );
}

/// Builds a folder with `build` unless it is there; one with other pinned versions has another
/// name.
fn installed(name: &str, build: impl Fn(&Path)) -> PathBuf {
    let _lock = installing();
    let ready = folder().join(name);
    if ready.exists() {
        return ready;
    }
    let mine = folder().join(format!("{name}.{}", std::process::id()));
    build(&mine);
    if std::fs::rename(&mine, &ready).is_err() {
        assert!(ready.exists(), "{} cannot be put into place", ready.display());
        // Another process was faster; its result is as good.
        let _ = std::fs::remove_dir_all(&mine);
    }
    ready
}

/// A folder for PYTHONPATH. Not a whole virtual environment: those hold absolute paths and
/// could not be renamed into place.
fn python_packages() -> PathBuf {
    require("python3", "Python with pip");
    installed(&REDIS_PY.replace("==", "-"), |path| {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]);
        pip.arg(path).arg(REDIS_PY);
        must_run(pip, INSTALL_MAX, "installing redis-py");
    })
}

/// redis-py with what its own tests need, and in `source` its source distribution, which has them.
fn redis_py_source() -> PathBuf {
    require("python3", "Python with pip");
    installed(&format!("{}-tests", REDIS_PY.replace("==", "-")), |path| {
        let pip = |what: &str| {
            let mut pip = Command::new("python3");
            pip.args(["-m", "pip", what, "--quiet", "--disable-pip-version-check"]);
            pip
        };
        let mut install = pip("install");
        install.arg("--target").arg(path).arg(REDIS_PY).args(REDIS_PY_TESTS);
        must_run(install, INSTALL_MAX, "installing pytest");
        let mut download = pip("download");
        download.args(["--no-deps", "--no-binary", ":all:", REDIS_PY, "--dest"]).arg(path);
        must_run(download, INSTALL_MAX, "downloading redis-py's source");
        let name = REDIS_PY.replace("==", "-");
        let mut unpack = Command::new("python3");
        unpack.args(["-m", "tarfile", "-e"]).arg(path.join(format!("{name}.tar.gz"))).arg(path);
        must_run(unpack, INSTALL_MAX, "unpacking redis-py's source");
        std::fs::rename(path.join(name), path.join("source")).expect("it was unpacked");
    })
}

/// The same for the programs that stand on more than redis-py. The folder's name has a digest
/// of the list in it: another list is another folder.
fn service_packages() -> PathBuf {
    require("python3", "Python with pip");
    let mut hasher = DefaultHasher::new();
    SERVICES.hash(&mut hasher);
    installed(&format!("services-{:016x}", hasher.finish()), |path| {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
        pip.arg("--target").arg(path).arg("--requirement").arg(program("services.txt"));
        must_run(pip, INSTALL_MAX, "installing Celery, RQ, Flask and Django");
    })
}

fn node_packages() -> PathBuf {
    require("node", "Node.js");
    require("npm", "npm");
    installed(&NODE_PACKAGES.join("-").replace('@', "-"), |path| {
        std::fs::create_dir_all(path).expect("the target folder is writable");
        let mut npm = Command::new("npm");
        npm.current_dir(path);
        npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", "."]);
        npm.args(NODE_PACKAGES);
        must_run(npm, INSTALL_MAX, "installing BullMQ, ioredis and node-redis");
    })
}

fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

/// Zumic on one and two reactors; and the oracle, which shows that the program itself is right.
fn servers() -> Vec<&'static dyn Server> {
    let mut servers: Vec<&dyn Server> = vec![&Zumic { threads: 1 }, &Zumic { threads: 2 }];
    if oracle_available() {
        servers.push(&Redis);
    }
    servers
}

/// Runs a Python program on every server, once for each list of further arguments.
fn python(file: &str, packages: impl Fn() -> PathBuf, arguments: &[&[&str]]) {
    if !wanted() {
        return;
    }
    let packages = packages();
    for server in servers() {
        let running = Running::start(server);
        for further in arguments {
            let mut python = Command::new("python3");
            python.arg(program(file)).arg(running.port()).args(*further);
            python.env("PYTHONPATH", &packages).env("PYTHONDONTWRITEBYTECODE", "1");
            let said = must_run(python, RUN_MAX, &format!("{file} on {}", server.name()));
            assert!(said.contains("ok"), "{said}");
        }
        assert_eq!(running.connect().run("DBSIZE").text(), "0", "{file} on {}", server.name());
    }
}

const BOTH_PROTOCOLS: &[&[&str]] = &[&["2"], &["3"]];

#[test]
fn redis_py() {
    python("redis_py.py", python_packages, BOTH_PROTOCOLS);
}

#[test]
fn redis_py_asyncio() {
    python("redis_py_asyncio.py", python_packages, BOTH_PROTOCOLS);
}

/// redis-py's own tests: those of one kind of client, by one version of the protocol. Not on the
/// oracle: it is older than what they test, and its makers run them.
fn redis_py_suite(client: &str, protocol: &str) {
    if !wanted() {
        return;
    }
    let packages = redis_py_source();
    let running = Running::start(&Zumic { threads: 2 });
    let mut python = Command::new("python3");
    python.arg(program("redis_py_suite.py")).args([&running.port(), client, protocol]);
    python.arg(packages.join("source"));
    python.env("PYTHONPATH", &packages).env("PYTHONDONTWRITEBYTECODE", "1");
    let said = must_run(python, SUITE_MAX, "redis-py's own tests");
    assert!(said.contains("ok"), "{said}");
}

#[test]
fn redis_py_suite_2() {
    redis_py_suite("blocking", "2");
}

#[test]
fn redis_py_suite_3() {
    redis_py_suite("blocking", "3");
}

#[test]
fn redis_py_suite_asyncio_2() {
    redis_py_suite("asyncio", "2");
}

#[test]
fn redis_py_suite_asyncio_3() {
    redis_py_suite("asyncio", "3");
}

#[test]
fn celery_worker() {
    python("celery_worker.py", service_packages, &[&[]]);
}

#[test]
fn rq_worker() {
    python("rq_worker.py", service_packages, &[&[]]);
}

#[test]
fn locks() {
    python("locks.py", service_packages, &[&[]]);
}

#[test]
fn django_cache() {
    python("django_cache.py", service_packages, &[&[]]);
}

#[test]
fn flask_app() {
    python("flask_app.py", service_packages, &[&[]]);
}

fn node(file: &str) {
    if !wanted() {
        return;
    }
    let packages = node_packages().join("node_modules");
    for server in servers() {
        let running = Running::start(server);
        let mut node = Command::new("node");
        node.arg(program(file)).arg(running.port()).env("NODE_PATH", &packages);
        let said = must_run(node, RUN_MAX, &format!("{file} on {}", server.name()));
        assert!(said.contains("ok"), "{said}");
    }
}

#[test]
fn bullmq() {
    node("bullmq.cjs");
}

#[test]
fn ioredis() {
    node("ioredis.cjs");
}

#[test]
fn ioredis_streams() {
    node("ioredis_streams.cjs");
}

#[test]
fn node_redis() {
    node("node_redis.cjs");
}

#[test]
fn redis_benchmark() {
    if !oracle_available() {
        return;
    }
    for server in servers() {
        for pipeline in ["1", "16"] {
            let running = Running::start(server);
            let mut benchmark = Command::new("redis-benchmark");
            benchmark.args(["-p", &running.port(), "-q", "-n", "10000", "-P", pipeline]);
            benchmark.args(["-t", "ping,set,get,incr,mset"]);
            let ended = finish(benchmark, RUN_MAX);
            assert_eq!(ended.code, Some(0), "{}: {}", server.name(), ended.stderr);
            // Progress lines end in CR; the last part of a line is its result.
            let results: Vec<&str> = ended
                .stdout
                .split(['\r', '\n'])
                .filter(|line| line.contains("requests per second"))
                .collect();
            for name in ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET (10 keys)"] {
                let found = results.iter().any(|line| line.starts_with(&format!("{name}:")));
                assert!(found, "{}: no result for {name}:\n{}", server.name(), ended.stdout);
            }
            assert!(!ended.stderr.contains("rror"), "{}: {}", server.name(), ended.stderr);
            let counter = running.connect().run("GET counter:__rand_int__").text();
            assert_eq!(counter, "10000", "{}: every INCR counted", server.name());
        }
    }
}

#[test]
fn redis_cli() {
    if !oracle_available() {
        return;
    }
    for server in servers() {
        let running = Running::start(server);
        let cases: [(&[&str], &str); 11] = [
            (&["PING"], "PONG\n"),
            (&["SET", "k", "hello world"], "OK\n"),
            (&["GET", "k"], "hello world\n"),
            (&["--no-raw", "GET", "k"], "\"hello world\"\n"),
            (&["--no-raw", "GET", "missing"], "(nil)\n"),
            (&["--no-raw", "INCR", "n"], "(integer) 1\n"),
            (&["-3", "--no-raw", "CONFIG", "GET", "timeout"], "1# \"timeout\" => \"0\"\n"),
            (&["--no-raw", "INCR", "k"], "(error) ERR value is not an integer or out of range\n"),
            (&["--scan", "--pattern", "k*"], "k\n"),
            (&["-n", "2", "DBSIZE"], "0\n"),
            (&["--csv", "MGET", "k", "missing"], "\"hello world\",NULL\n"),
        ];
        for (arguments, wanted) in cases {
            let mut cli = Command::new("redis-cli");
            cli.args(["-p", &running.port()]).args(arguments);
            let ended = finish(cli, RUN_MAX);
            assert_eq!(ended.stdout, wanted, "{} {arguments:?} {}", server.name(), ended.stderr);
        }
        let mut bigkeys = Command::new("redis-cli");
        bigkeys.args(["-p", &running.port(), "--bigkeys"]);
        let ended = finish(bigkeys, RUN_MAX);
        assert!(ended.stdout.contains("2 strings with"), "{}: {}", server.name(), ended.stdout);
    }
}
