//! Starting, settings, sockets and stopping, as an operator or a supervisor meets them.
//!
//! Why it exists: a service manager knows a server by its exit code, its log and how it takes
//! SIGTERM; a promise about any of these needs a process, not a function.

mod support;

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use support::process::{Finished, finish, free_port, zumic_command};
use support::{Client, Reply, Running, Zumic};

/// Within this a server that has nothing to wait for must have ended.
const STOP_MAX: Duration = Duration::from_secs(10);

const ONE: Zumic = Zumic { threads: 1 };
const TWO: Zumic = Zumic { threads: 2 };

fn run_to_end(arguments: &[&str], variables: &[(&str, &str)]) -> Finished {
    let mut command = zumic_command();
    command.args(arguments).envs(variables.iter().copied());
    finish(command, STOP_MAX)
}

#[test]
fn one_sigterm_or_sigint_stops_it_cleanly() {
    for (signal, threads) in [("TERM", 1), ("TERM", 2), ("INT", 2)] {
        let mut running = Running::start(&Zumic { threads });
        let mut client = running.connect();
        client.run("SET k v");
        let _idle = running.connect();
        running.signal(signal);
        let status = running.wait_exit(STOP_MAX);
        assert_eq!(status.code(), Some(0), "SIG{signal}: {status}\n{}", running.log());
        assert!(client.try_call(&["PING"]).is_err(), "the connection is closed");
    }
}

#[test]
fn sigterm_stops_it_under_load() {
    let mut running = Running::start(&TWO);
    let address = running.address;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(move || {
                let Ok(mut client) = Client::connect(address) else { return };
                // Until the server closes; the test's own limit is below.
                while client.try_call(&["INCR", "k"]).is_ok() {}
            });
        }
        let mut client = running.connect();
        while client.run("GET k").is_null() {}
        running.signal("TERM");
        let status = running.wait_exit(STOP_MAX);
        assert_eq!(status.code(), Some(0), "{}", running.log());
    });
}

#[test]
fn sigterm_does_not_wait_for_a_client_that_does_not_read() {
    let mut running = Running::start(&ONE);
    let mut client = running.connect();
    let value = "v".repeat(1 << 20);
    client.call(&["SET", "k", &value]);
    let requests: Vec<u8> = b"GET k\r\n".repeat(64);
    client.send_raw(&requests).expect("the requests are sent");
    running.signal("TERM");
    assert_eq!(running.wait_exit(STOP_MAX).code(), Some(0), "{}", running.log());
}

#[test]
fn shutdown_ends_it() {
    for line in ["SHUTDOWN", "SHUTDOWN NOSAVE", "SHUTDOWN NOW FORCE"] {
        let mut running = Running::start(&TWO);
        let mut client = running.connect();
        let words: Vec<_> = line.split(' ').collect();
        let reply = client.try_call(&words);
        assert!(reply.is_err(), "{line} is answered by closing, got {reply:?}");
        assert_eq!(running.wait_exit(STOP_MAX).code(), Some(0), "{line}");
    }
}

#[test]
fn a_taken_port_is_a_clear_error() {
    let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = holder.local_addr().expect("bound").port().to_string();
    let ended = run_to_end(&["--port", &port, "--bind", "127.0.0.1"], &[]);
    assert!(ended.code.is_some_and(|code| code != 0), "exit code {:?}", ended.code);
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(said.contains(&port) && said.contains("127.0.0.1"), "names the address:\n{said}");
    assert!(said.to_lowercase().contains("in use"), "says why:\n{said}");
}

#[test]
fn two_servers_do_not_share_a_port() {
    let first = Running::start(&TWO);
    let ended = run_to_end(&["--port", &first.port(), "--bind", "127.0.0.1"], &[]);
    assert!(ended.code.is_some_and(|code| code != 0), "{}", ended.stderr);
    assert_eq!(first.connect().run("PING"), Reply::simple("PONG"));
}

#[test]
fn an_address_of_another_machine_is_a_clear_error() {
    let ended = run_to_end(&["--port", &free_port().to_string(), "--bind", "192.0.2.1"], &[]);
    assert!(ended.code.is_some_and(|code| code != 0));
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(said.contains("192.0.2.1"), "{said}");
}

#[test]
fn what_it_does_not_understand_stops_the_start() {
    /// Arguments, variables, and a word of the complaint.
    type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a str);
    let cases: [Case<'_>; 9] = [
        (&["--nosuch", "1"], &[], "nosuch"),
        (&["nosuch"], &[], "nosuch"),
        (&["--port"], &[], "port"),
        (&["--port", "abc"], &[], "port"),
        (&["--port", "65536"], &[], "port"),
        (&["--threads", "-1"], &[], "threads"),
        (&["--maxmemory", "lots"], &[], "maxmemory"),
        (&[], &[("ZUMIC_NOSUCH", "1")], "ZUMIC_NOSUCH"),
        (&[], &[("ZUMIC_MAXMEMORY_POLICY", "nosuch")], "ZUMIC_MAXMEMORY_POLICY"),
    ];
    for (arguments, variables, named) in cases {
        let ended = run_to_end(arguments, variables);
        assert!(ended.code.is_some_and(|code| code != 0), "{arguments:?} {variables:?}");
        assert!(ended.stderr.contains(named), "{arguments:?} {variables:?}: {}", ended.stderr);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    }
}

#[test]
fn help_and_version_answer_and_end() {
    let help = run_to_end(&["--help"], &[]);
    assert_eq!(help.code, Some(0), "{}", help.stderr);
    for option in ["--port", "--bind", "--threads", "--maxmemory", "--requirepass"] {
        assert!(help.stdout.contains(&option[2..]), "{option} is in the help:\n{}", help.stdout);
    }
    let version = run_to_end(&["--version"], &[]);
    assert_eq!(version.code, Some(0));
    assert!(version.stdout.contains(env!("CARGO_PKG_VERSION")), "{}", version.stdout);
}

/// A value other than the default for each kind of setting, by both ways of giving it.
const SETTINGS: &[(&str, &str, &str)] = &[
    ("timeout", "77", "77"),
    ("tcp-keepalive", "60", "60"),
    ("tcp-backlog", "100", "100"),
    ("maxclients", "321", "321"),
    ("maxclients-per-ip", "300", "300"),
    ("databases", "4", "4"),
    ("maxmemory", "100mb", "104857600"),
    ("maxmemory-policy", "volatile-lfu", "volatile-lfu"),
    ("maxmemory-samples", "7", "7"),
    ("lfu-log-factor", "20", "20"),
    ("lfu-decay-time", "2", "2"),
    ("protected-mode", "no", "no"),
    ("client-query-buffer-limit", "2mb", "2097152"),
    ("proto-max-bulk-len", "1mb", "1048576"),
    ("proto-inline-max-bytes", "2kb", "2048"),
    ("request-args-max", "100", "100"),
    ("slowlog-log-slower-than", "5", "5"),
    ("slowlog-max-len", "9", "9"),
    ("latency-monitor-threshold", "7", "7"),
    ("latency-tracking", "no", "no"),
    ("latency-tracking-info-percentiles", "50 90", "50 90"),
    ("loglevel", "verbose", "verbose"),
];

fn assert_settings(running: &Running) {
    let mut client = running.connect();
    for (name, _, shown) in SETTINGS {
        let reply = client.call(&["CONFIG", "GET", name]);
        assert_eq!(reply.field(name).map(Reply::text).as_deref(), Some(*shown), "{name}");
    }
}

#[test]
fn every_setting_by_command_line() {
    let running = Running::start_by(&ONE, |command| {
        for (name, value, _) in SETTINGS {
            command.arg(format!("--{name}")).args(value.split(' '));
        }
    });
    assert_settings(&running);
}

#[test]
fn every_setting_by_environment() {
    let running = Running::start_by(&ONE, |command| {
        for (name, value, _) in SETTINGS {
            command.env(format!("ZUMIC_{}", name.to_uppercase().replace('-', "_")), value);
        }
    });
    assert_settings(&running);
}

/// The table above must not fall behind the server's: whatever CONFIG GET lists can be given.
#[test]
fn every_listed_setting_is_reachable_by_environment() {
    let running = Running::start(&ONE);
    let listed = running.connect().run("CONFIG GET *");
    let pairs: Vec<(String, String)> =
        listed.elements().chunks(2).map(|pair| (pair[0].text(), pair[1].text())).collect();
    assert!(pairs.len() > 20, "{listed}");
    let again = Running::start_by(&ONE, |command| {
        for (name, value) in &pairs {
            // These three are given by the command line of every test server.
            if !["port", "bind", "threads"].contains(&name.as_str()) {
                command.env(format!("ZUMIC_{}", name.to_uppercase().replace('-', "_")), value);
            }
        }
    });
    let listed_again = again.connect().run("CONFIG GET *");
    for (name, value) in &pairs {
        if name != "port" {
            assert_eq!(listed_again.field(name).map(Reply::text).as_ref(), Some(value), "{name}");
        }
    }
}

#[test]
fn the_command_line_beats_the_environment() {
    let running = Running::start_by(&ONE, |command| {
        command.env("ZUMIC_TIMEOUT", "5").args(["--timeout", "6"]);
    });
    let reply = running.connect().run("CONFIG GET timeout");
    assert_eq!(reply.field("timeout"), Some(&Reply::bulk("6")));
}

#[test]
fn the_banner_names_version_address_and_pid() {
    let running = Running::start(&TWO);
    // The log is written by a thread of its own, a moment after the server answers.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    let pid = running.pid().to_string();
    while !running.log().contains(&pid) && std::time::Instant::now() < deadline {
        std::thread::yield_now();
    }
    let log = running.log();
    for wanted in [env!("CARGO_PKG_VERSION"), &running.port(), &pid] {
        assert!(log.contains(wanted), "{wanted} is in the banner:\n{log}");
    }
}

#[test]
fn the_unix_socket_serves_and_has_its_permissions() {
    for mode in ["700", "770"] {
        let mut running = Running::launch(&TWO, |port, folder| {
            let mut command = zumic_command();
            let path = folder.join("socket");
            command.args(["--port", &port.to_string(), "--bind", "127.0.0.1"]);
            command.arg("--unixsocket").arg(&path).args(["--unixsocketperm", mode]);
            command
        });
        let path = running.folder().join("socket");
        let mut client = Client::connect_unix(&path).expect("the socket accepts");
        assert_eq!(client.run("SET k v"), Reply::simple("OK"));
        assert_eq!(running.connect().run("GET k"), Reply::bulk("v"));
        let info = client.run("CLIENT INFO").text();
        assert!(info.contains("socket:0"), "the address of a Unix client is the path: {info}");
        let found = std::fs::metadata(&path).expect("it exists").permissions().mode() & 0o777;
        assert_eq!(format!("{found:o}"), mode);
        running.signal("TERM");
        assert_eq!(running.wait_exit(STOP_MAX).code(), Some(0));
        assert!(!path.exists(), "a clean stop removes the socket");
    }
}

#[test]
fn a_stale_unix_socket_is_replaced() {
    let stale = support::process::Folder::new();
    let path = stale.path().join("socket");
    for _ in 0..2 {
        // Killed on drop, so the file stays behind for the next one.
        let running = Running::start_by(&ONE, |command| {
            command.arg("--unixsocket").arg(&path);
        });
        let mut client = Client::connect_unix(&path).expect("the socket accepts");
        assert_eq!(client.run("PING"), Reply::simple("PONG"));
        drop(running);
    }
}

/// An address of this machine that is not loopback; `None` on a machine without a network.
/// Nothing is sent: connecting a UDP socket only picks a route.
fn outer_address() -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    match socket.local_addr().ok()? {
        SocketAddr::V4(address) if !address.ip().is_loopback() => Some(*address.ip()),
        _ => None,
    }
}

#[test]
fn protected_mode_keeps_other_machines_out() {
    let Some(outer) = outer_address() else {
        eprintln!("this machine has no address but loopback; protected mode cannot be seen");
        return;
    };
    let everywhere = |command: &mut Command| {
        command.args(["--bind", "0.0.0.0"]);
    };
    let running = Running::start_by(&TWO, everywhere);
    let address = SocketAddr::from((outer, running.address.port()));
    let mut client = Client::connect(address).expect("the connection is accepted");
    let refusal = client.read().expect("a refusal").text();
    assert!(refusal.starts_with("DENIED ") && refusal.contains("protected mode"), "{refusal}");
    assert_eq!(client.read_to_close().expect("a close"), b"");
    assert_eq!(running.connect().run("PING"), Reply::simple("PONG"), "loopback still works");

    running.connect().run("CONFIG SET requirepass secret");
    let mut client = Client::connect(address).expect("the connection is accepted");
    assert!(client.run("PING").text().starts_with("NOAUTH"), "with a password it may try");

    let open = Running::start_by(&TWO, |command| {
        everywhere(command);
        command.args(["--protected-mode", "no"]);
    });
    let mut client = Client::connect((outer, open.address.port()).into()).expect("accepted");
    assert_eq!(client.run("PING"), Reply::simple("PONG"));
}

#[test]
fn the_password_is_not_told() {
    let running = Running::start_with(&ONE, &["--requirepass", "open sesame"]);
    let mut client = running.connect();
    assert_eq!(client.call(&["AUTH", "open sesame"]), Reply::simple("OK"));
    let everything = client.run("CONFIG GET *").to_string() + &client.run("INFO everything").text();
    assert!(!everything.contains("open sesame"), "{everything}");
    assert!(!running.log().contains("open sesame"));
}

#[test]
fn debug_is_off_by_default() {
    let running = Running::launch(&ONE, |port, _| {
        let mut command = zumic_command();
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1"]);
        command
    });
    let reply = running.connect().run("DEBUG SLEEP 0");
    assert!(reply.text().starts_with("ERR DEBUG command not allowed."), "{reply}");
}

#[test]
fn an_idle_client_is_closed_and_a_busy_one_is_not() {
    let running = Running::start_with(&TWO, &["--timeout", "1"]);
    let mut idle = running.connect();
    let mut busy = running.connect();
    assert_eq!(idle.run("PING"), Reply::simple("PONG"));
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(2500) {
        assert_eq!(busy.run("PING"), Reply::simple("PONG"));
        std::thread::sleep(Duration::from_millis(50));
    }
    idle.limit_read(Duration::from_secs(5));
    assert_eq!(idle.read_to_close().expect("it is closed"), b"");
}
