//! `zumic-cli` as its users meet it: the real binary beside redis-cli, on a real redis-server.
//!
//! Why it exists: scripts depend on every byte that a client prints, so the bytes are compared with
//! the original's. Where zumic-cli differs on purpose, a test says how and why. Not for: parts
//! that need no server; those have their tests beside the code. The session at a terminal is in
//! `cli/terminal.rs`.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]

#[path = "cli/harness.rs"]
mod harness;
#[path = "cli/terminal.rs"]
mod terminal;

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use harness::{REDIS_CLI, Redis, Then, ZUMIC_CLI, command, fake_server, finish, run};

const FORMS: [&str; 4] = ["--raw", "--no-raw", "--json", "--quoted-json"];
const VERSIONS: [&str; 2] = ["-2", "-3"];

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn words(text: &str) -> Vec<&str> {
    text.split(' ').collect()
}

/// Compares in every form and version.
fn compare_everywhere(redis: &Redis, arguments: &[&str]) {
    for form in FORMS {
        for version in VERSIONS {
            let mut all = vec![form, version];
            all.extend(arguments);
            redis.compare(&all, b"");
        }
    }
}

#[test]
fn every_type_prints_as_in_redis_cli() {
    let redis = Redis::start("types", &[]);
    for kind in ["string", "integer", "double", "null", "array", "set", "map", "push"] {
        compare_everywhere(&redis, &["DEBUG", "PROTOCOL", kind]);
    }
    for kind in ["verbatim", "true", "false", "nonsense"] {
        compare_everywhere(&redis, &["DEBUG", "PROTOCOL", kind]);
    }
    compare_everywhere(&redis, &["PING"]);
    compare_everywhere(&redis, &["NONSENSE", "a"]);
}

/// redis-cli 7.0 ends with an error on these, which helps nobody.
#[test]
fn types_that_redis_cli_cannot_print_are_printed() {
    let redis = Redis::start("more-types", &[]);
    let run = |form: &str, kind: &str| redis.zumic(&[form, "-3", "DEBUG", "PROTOCOL", kind]);
    let digits = "1234567999999999999999999999999999999";
    assert_eq!(run("--no-raw", "bignum"), format!("(big number) {digits}\n"));
    assert_eq!(run("--raw", "bignum"), format!("{digits}\n"));
    assert_eq!(run("--json", "bignum"), format!("{digits}\n"));
    let reply = "Some real reply following the attribute";
    assert_eq!(run("--no-raw", "attrib"), format!("\"{reply}\"\n"));
}

#[test]
fn nested_replies_print_as_in_redis_cli() {
    let redis = Redis::start("nested", &[]);
    for script in [
        "return {1, {2, {3, {}}, 'x'}, {}, {ok='fine'}, redis.error_reply('BOOM yes')}",
        "local t = {} for i = 1, 11 do t[i] = {i, {i}} end return t",
        "return {{{{{{'deep', 'er'}}}}}}",
        "redis.setresp(3) return {map={a={1, 2}, b={map={}}, c={map={d={1, 2}}}}}",
        "redis.setresp(3) return {map={[1]=true, [2]=false}}",
        "redis.setresp(3) return {{set={only=true}}, {double=2.5}, {map={k={set={x=true}}}}}",
        "return {'', '\\0\\1\\7\\8\\9\\10\\11\\12\\13\\27\\31 ~\\127\\128\\255', 'a\\\\b'}",
    ] {
        compare_everywhere(&redis, &["EVAL", script, "0"]);
    }
}

#[test]
fn data_prints_as_in_redis_cli() {
    let redis = Redis::start("data", &[]);
    for line in [
        "HSET h f v",
        "SADD s one",
        "ZADD z 1 a 2.5 b inf c",
        "RPUSH l a b c",
        "SET n 5",
        "XADD x 1-1 f v",
    ] {
        redis.zumic(&words(line));
    }
    for line in [
        "HGETALL h",
        "HGETALL none",
        "SMEMBERS s",
        "SMEMBERS none",
        "ZRANGE z 0 -1 WITHSCORES",
        "ZSCORE z b",
        "LRANGE l 0 -1",
        "LRANGE none 0 -1",
        "GET n",
        "GET none",
        "GET l",
        "XRANGE x - +",
        "CONFIG GET maxmemory*",
        "COMMAND INFO get",
        "EXISTS n",
        "TYPE z",
        "LPOP none 2",
        "MEMORY DOCTOR",
        "CLUSTER INFO",
        "COMMAND DOCS get set",
    ] {
        compare_everywhere(&redis, &words(line));
    }
}

/// redis-cli's own quoted form breaks at a double quote: it writes `\\"`, which ends the string.
#[test]
fn quoted_json_is_valid_with_a_double_quote_inside() {
    let redis = Redis::start("quoted", &[]);
    redis.zumic(&["SET", "k", "a\"b\u{e9}"]);
    assert_eq!(redis.zumic(&["--quoted-json", "GET", "k"]), "\"a\\\\\\\"b\\\\xc3\\\\xa9\"\n");
    let parsed: String =
        serde_json::from_str(&redis.zumic(&["--quoted-json", "GET", "k"])).unwrap();
    assert_eq!(parsed, "a\\\"b\\xc3\\xa9");
}

#[test]
fn options_work_as_in_redis_cli() {
    let redis = Redis::start("options", &[]);
    redis.compare(&["-n", "3", "SET", "a", "1"], b"");
    redis.compare(&["-n", "3", "GET", "a"], b"");
    redis.compare(&["-n", "2", "GET", "a"], b"");
    redis.compare(&["-r", "3", "PING"], b"");
    redis.compare(&["-r", "2", "-i", "0.01", "--no-raw", "PING"], b"");
    redis.compare(&["-x", "SET", "binary"], b"line\n\x00\xff\n");
    redis.compare(&["GET", "binary"], b"");
    redis.compare(&["--no-raw", "GET", "binary"], b"");
    redis.compare(&["-d", "|", "DEBUG", "PROTOCOL", "array"], b"");
    redis.compare(&["-D", "<end>", "DEBUG", "PROTOCOL", "array"], b"");
    redis.compare(&["--no-raw", "--raw", "PING", "x"], b"");
    redis.compare(&["ECHO", "-n"], b"");
    redis.compare(&["ECHO", "--raw"], b"");
    redis.compare(&["ECHO", ""], b"");
    redis.compare(&["NONSENSE"], b"");
    let refused = redis.run(ZUMIC_CLI, &["-e", "NONSENSE"], b"");
    let original = redis.run(REDIS_CLI, &["-e", "NONSENSE"], b"");
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!((refused.stdout, refused.stderr), (original.stdout, original.stderr));
    assert_eq!(redis.run(ZUMIC_CLI, &["-e", "PING"], b"").status.code(), Some(0));
}

#[test]
fn pushes_are_shown_only_when_asked_for() {
    let redis = Redis::start("pushes", &[]);
    let lines = b"CLIENT TRACKING ON\nGET k\nSET k 1\nPING\n";
    let hidden = redis.run(ZUMIC_CLI, &["-3", "--no-raw"], lines);
    assert_eq!(text(&hidden.stdout), "OK\n(nil)\nOK\nPONG\n");
    redis.zumic(&["DEL", "k"]);
    let shown = redis.run(ZUMIC_CLI, &["-3", "--no-raw", "--show-pushes", "yes"], lines);
    // The message may come before or after the reply to the command that caused it.
    let shown = text(&shown.stdout);
    assert!(shown.contains("-> invalidate: 'k'\n"), "{shown}");
    assert_eq!(shown.replace("-> invalidate: 'k'\n", ""), "OK\n(nil)\nOK\nPONG\n");
}

#[test]
fn piped_lines_work_as_in_redis_cli() {
    let redis = Redis::start("lines", &[]);
    let lines = b"SET a \"x\\x41\\n\"\nGET a\n\n  \n2 PING\nGET 'a b\nNONSENSE\nSELECT 3\nGET a\n\
                  MULTI\nSET b 1\nINCR b\nEXEC\nDISCARD\nHELLO 3\nCONFIG GET port\nEXPIRE b 10\r\n";
    for form in ["--raw", "--no-raw"] {
        let keep = |bytes: Vec<u8>| {
            let lines: Vec<String> = text(&bytes)
                .lines()
                .filter(|line| !line.contains("id") && !line.starts_with("5#"))
                .map(str::to_owned)
                .collect();
            lines
        };
        let want = redis.run(REDIS_CLI, &[form], lines);
        let found = redis.run(ZUMIC_CLI, &[form], lines);
        // The reply to HELLO holds the connection's number.
        let number = |line: &String| line.parse::<u64>().is_ok() && line.len() > 1;
        let strip = |bytes| -> Vec<String> {
            keep(bytes).into_iter().filter(|line| !number(line)).collect()
        };
        assert_eq!(strip(found.stdout), strip(want.stdout), "{form}");
        assert_eq!(found.status.code(), want.status.code());
    }
    redis.compare(&[], b"PING\nquit\nPING\n");
    redis.compare(&[], b"PING");
    redis.compare(&[], b"");
}

/// redis-cli goes on after an error even with -e when commands are piped; a script that asks to
/// stop wants to stop.
#[test]
fn with_e_the_first_refused_line_is_the_last_one() {
    let redis = Redis::start("stop", &[]);
    let output = redis.run(ZUMIC_CLI, &["-e"], b"SET a 1\nNONSENSE\nSET a 2\n");
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(1), "OK\n"));
    assert!(text(&output.stderr).starts_with("ERR unknown command"));
    assert_eq!(redis.zumic(&["GET", "a"]), "1\n");
}

#[test]
fn addresses_come_by_port_socket_and_url() {
    let redis = Redis::start("address", &["--requirepass", "p@ss"]);
    let port = redis.port.to_string();
    let ping = |arguments: &[&str]| run(ZUMIC_CLI, arguments, &[], b"");
    let authority = format!("127.0.0.1:{port}");
    for url in
        [format!("redis://:p%40ss@{authority}/2"), format!("zumic://default:p@ss@{authority}/2")]
    {
        let output = ping(&["-u", &url, "CLIENT", "INFO"]);
        assert!(text(&output.stdout).contains(" db=2 "), "{output:?}");
        assert!(text(&output.stderr).contains("may not be safe"), "{output:?}");
    }
    let by_port =
        ping(&["-h", "127.0.0.1", "-p", &port, "-a", "p@ss", "--no-auth-warning", "PING"]);
    assert_eq!((text(&by_port.stdout), text(&by_port.stderr)), ("PONG\n".into(), String::new()));
    let wrong = ping(&["-u", "http://x", "PING"]);
    assert_eq!(wrong.status.code(), Some(64), "{wrong:?}");
}

#[test]
fn passwords_come_by_option_and_environment() {
    let redis = Redis::start("password", &["--requirepass", "secret"]);
    let ping = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut all = vec!["-s", &redis.socket];
        all.extend(arguments);
        all.push("PING");
        run(ZUMIC_CLI, &all, variables, b"")
    };
    assert!(text(&ping(&[], &[]).stdout).starts_with("NOAUTH"));
    for (arguments, variables) in [
        (&["-a", "secret"][..], &[][..]),
        (&["--pass", "secret", "--user", "default"], &[]),
        (&[], &[("ZUMICCLI_AUTH", "secret"), ("REDISCLI_AUTH", "wrong")]),
        (&[], &[("REDISCLI_AUTH", "secret")]),
        (&["-a", "secret"], &[("ZUMICCLI_AUTH", "wrong")]),
    ] {
        let output = ping(arguments, variables);
        assert_eq!(text(&output.stdout), "PONG\n", "{arguments:?} {variables:?}");
        let warned = text(&output.stderr).contains("may not be safe");
        assert_eq!(warned, !arguments.is_empty());
    }
    // redis-cli goes on without the login; here a wrong password ends it.
    let wrong = ping(&["-a", "wrong", "--no-auth-warning"], &[]);
    assert_eq!((wrong.status.code(), wrong.stdout), (Some(69), vec![]));
    assert!(text(&wrong.stderr).starts_with("AUTH failed: WRONGPASS"));
}

#[test]
fn a_password_that_nobody_asked_for_does_no_harm() {
    let redis = Redis::start("unasked", &[]);
    let output = run(ZUMIC_CLI, &["-s", &redis.socket, "PING"], &[("ZUMICCLI_AUTH", "x")], b"");
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(0), "PONG\n"));
    assert!(text(&output.stderr).starts_with("AUTH failed: ERR AUTH"), "{output:?}");
}

/// redis-cli executes the command in database 0 then.
#[test]
fn a_refused_database_ends_it() {
    let redis = Redis::start("database", &[]);
    let output = redis.run(ZUMIC_CLI, &["-n", "99", "SET", "a", "1"], b"");
    assert_eq!(output.status.code(), Some(69));
    assert!(text(&output.stderr).starts_with("SELECT 99 failed: ERR"), "{output:?}");
    assert_eq!(redis.zumic(&["DBSIZE"]), "0\n");
}

#[test]
fn servers_that_are_not_there_or_go_away_have_exit_codes() {
    let nowhere = run(ZUMIC_CLI, &["-s", "/nonexistent/socket", "PING"], &[], b"");
    assert_eq!(nowhere.status.code(), Some(69));
    assert!(text(&nowhere.stderr).contains("Could not connect to Zumic at /nonexistent/socket"));
    let piped = run(ZUMIC_CLI, &["-s", "/nonexistent/socket"], &[], b"PING\nPING\n");
    assert_eq!(piped.status.code(), Some(69));
    let answer = |answers, arguments: &[&str]| {
        let port = fake_server(answers, Then::Close).to_string();
        let mut all = vec!["-p", &port];
        all.extend(arguments);
        run(ZUMIC_CLI, &all, &[], b"PING\nPING\n")
    };
    let gone = answer(&[b"$5\r\nha"], &["GET", "k"]);
    assert_eq!(gone.status.code(), Some(69), "{gone:?}");
    let garbage = answer(&[b"HTTP/1.1 400 Bad Request\r\n"], &["PING"]);
    assert_eq!(garbage.status.code(), Some(76), "{garbage:?}");
    assert!(text(&garbage.stderr).starts_with("Protocol error"), "{garbage:?}");
    let refused = answer(&[b"-NOPROTO unsupported protocol version\r\n"], &["-4", "PING"]);
    assert_eq!(refused.status.code(), Some(69));
    assert!(text(&refused.stderr).starts_with("HELLO 4 failed: NOPROTO"), "{refused:?}");
    let wished =
        answer(&[b"-NOPROTO unsupported protocol version\r\n", b"+PONG\r\n"], &["--json", "PING"]);
    assert_eq!(text(&wished.stdout), "\"PONG\"\n");
    assert_eq!(run(ZUMIC_CLI, &["--nonsense"], &[], b"").status.code(), Some(64));
}

#[test]
fn sorted_sets_of_version_four_have_their_own_form() {
    const ANSWERS: [&[u8]; 2] =
        [b"%1\r\n$5\r\nproto\r\n:4\r\n", b"^2\r\n$3\r\nbob\r\n,1.5\r\n$3\r\nann\r\n,inf\r\n"];
    let run = |form: &str| {
        let port = fake_server(&ANSWERS, Then::Close).to_string();
        let arguments = ["-p", &port, "-4", form, "ZRANGE", "z", "0", "-1", "WITHSCORES"];
        text(&run(ZUMIC_CLI, &arguments, &[], b"").stdout)
    };
    assert_eq!(run("--no-raw"), "1^ \"bob\" => (double) 1.5\n2^ \"ann\" => (double) inf\n");
    assert_eq!(run("--raw"), "bob 1.5\nann inf\n");
    assert_eq!(run("--json"), "[[\"bob\",1.5],[\"ann\",inf]]\n");
}

#[test]
fn raw_protocol_is_passed_through_and_counted() {
    let redis = Redis::start("pipe", &[]);
    redis.compare(&["--pipe"], b"SET a 1\r\nGET a\r\nNONSENSE\r\n");
    redis.compare(&["--pipe"], b"");
    redis.compare(&["--pipe"], b"SET a 2");
    assert_eq!(redis.zumic(&["GET", "a"]), "2\n");
    // More than both sides' socket buffers hold: sending must not wait for the end of reading.
    let mut many = Vec::new();
    for number in 0..100_000 {
        let number = number.to_string();
        protocol::encode_request(&mut many, &["SET", &number, "some value of some length"]);
        protocol::encode_request(&mut many, &["GET", &number]);
    }
    let output = redis.run(ZUMIC_CLI, &["--pipe"], &many);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stdout).ends_with("errors: 0, replies: 200000\n"), "{output:?}");
    assert_eq!(redis.zumic(&["DBSIZE"]), "100001\n");
}

#[test]
fn a_pipe_into_silence_ends() {
    let port = fake_server(&[b"+OK\r\n"], Then::Listen).to_string();
    let arguments = ["-p", &port, "--pipe", "--pipe-timeout", "1"];
    let output = run(ZUMIC_CLI, &arguments, &[], b"SET a 1\r\n");
    assert_eq!(output.status.code(), Some(69), "{output:?}");
}

#[test]
fn scan_prints_every_key() {
    let redis = Redis::start("scan", &[]);
    redis.zumic(&["DEBUG", "POPULATE", "1000", "key"]);
    redis.zumic(&["SADD", "set \"1\"", "x"]);
    let sorted = |program: &str, arguments: &[&str]| {
        let output = redis.run(program, arguments, b"");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let mut lines: Vec<String> = text(&output.stdout).lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    for arguments in [&["--scan"][..], &["--scan", "--no-raw"], &["--scan", "--pattern", "key:1*"]]
    {
        assert_eq!(sorted(ZUMIC_CLI, arguments), sorted(REDIS_CLI, arguments), "{arguments:?}");
    }
    assert_eq!(sorted(ZUMIC_CLI, &["--scan", "--count", "100"]).len(), 1001);
    assert_eq!(sorted(ZUMIC_CLI, &["--scan", "--type", "set", "--json"]), [r#""set \"1\"""#]);
}

#[test]
fn latency_and_stat_print_figures() {
    let redis = Redis::start("figures", &[]);
    let raw = redis.zumic(&["--latency", "-i", "0.1"]);
    let figures: Vec<f64> = raw.split_whitespace().map(|word| word.parse().unwrap()).collect();
    let [least, most, average, samples] = figures[..] else { panic!("{raw}") };
    assert!(0.0 < least && least <= average && average <= most && samples >= 1.0, "{raw}");
    let json = redis.zumic(&["--latency", "-i", "0.05", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(json["count"].as_u64().unwrap() >= 1 && json["min"].as_f64().unwrap() > 0.0, "{json}");
    redis.zumic(&["DEBUG", "POPULATE", "7"]);
    let stat = redis.zumic(&["--stat", "-r", "2", "-i", "0.05"]);
    let lines: Vec<Vec<&str>> =
        stat.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines.len(), 4, "{stat}");
    assert_eq!((lines[2][0], lines[3][0], lines[3][5]), ("7", "7", "(+1)"), "{stat}");
}

#[test]
fn messages_and_monitor_are_streamed() {
    let redis = Redis::start("stream", &[]);
    for version in VERSIONS {
        let mut child = command(ZUMIC_CLI)
            .args(["-s", &redis.socket, version, "--no-raw", "SUBSCRIBE", "news", "more"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut take = |count| -> Vec<String> { lines.by_ref().take(count).flatten().collect() };
        assert_eq!(take(1), ["Reading messages... (press Ctrl-C to quit)"]);
        assert_eq!(take(3), ["1) \"subscribe\"", "2) \"news\"", "3) (integer) 1"]);
        assert_eq!(take(3), ["1) \"subscribe\"", "2) \"more\"", "3) (integer) 2"]);
        assert_eq!(redis.zumic(&["PUBLISH", "news", "hello"]), "1\n");
        assert_eq!(take(3), ["1) \"message\"", "2) \"news\"", "3) \"hello\""]);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let mut child = command(ZUMIC_CLI)
        .args(["-s", &redis.socket, "MONITOR"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(lines.next().unwrap(), "OK");
    redis.zumic(&["SET", "seen", "1"]);
    assert!(lines.next().unwrap().ends_with("\"SET\" \"seen\" \"1\""));
    drop(lines);
    child.kill().unwrap();
    finish(child);
}

#[test]
fn unsubscribing_is_answered_in_both_versions() {
    let redis = Redis::start("unsubscribe", &[]);
    for version in VERSIONS {
        let output = redis.zumic(&[version, "UNSUBSCRIBE", "a", "b"]);
        assert_eq!(output, "unsubscribe\na\n0\nunsubscribe\nb\n0\n");
    }
}

#[test]
fn help_and_version_need_no_server() {
    let help = run(ZUMIC_CLI, &["--help"], &[], b"");
    assert_eq!(help.status.code(), Some(0));
    assert!(text(&help.stdout).contains("--quoted-json"), "{help:?}");
    let version = run(ZUMIC_CLI, &["--version"], &[], b"");
    let want = format!("zumic-cli {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(text(&version.stdout), want);
    let redis = Redis::start("help", &[]);
    let help = redis.zumic(&["help", "GETEX"]);
    assert!(help.starts_with("\n  GETEX key ["), "{help}");
    assert!(help.contains("group: string"), "{help}");
}

#[test]
fn shutdown_is_no_lost_connection() {
    let redis = Redis::start("shutdown", &[]);
    let output = redis.run(ZUMIC_CLI, &["SHUTDOWN", "NOW"], b"");
    assert_eq!((output.status.code(), output.stderr), (Some(0), vec![]));
}
