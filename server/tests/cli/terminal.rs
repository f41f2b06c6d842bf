//! The session at a terminal: a pseudo terminal to type into, and the screen that results.
//!
//! Why it exists: colors, hints and completion are what the person sees, not the bytes that make
//! it, so the output goes through a terminal emulator and the tests look at its cells. All waits
//! are for something to appear, and give up after a minute.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{PATIENCE, Redis, ZUMIC_CLI};

const ROWS: u16 = 30;
const COLUMNS: u16 = 160;
const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
const UP: &str = "\x1b[A";
/// SGR 90: bright black, which is how terminals draw grey.
const GREY: vt100::Color = vt100::Color::Idx(8);

struct Terminal {
    pty: Arc<pty_process::blocking::Pty>,
    child: Child,
    chunks: Receiver<Vec<u8>>,
    screen: vt100::Parser,
}

impl Terminal {
    /// Starts the client in a terminal, with `home` as its user's home directory.
    fn start(arguments: &[&str], home: &Path) -> Self {
        let (pty, slave) = pty_process::blocking::open().unwrap();
        pty.resize(pty_process::Size::new(ROWS, COLUMNS)).unwrap();
        let child = pty_process::blocking::Command::new(ZUMIC_CLI)
            .args(arguments)
            .env_clear()
            .env("HOME", home)
            .env("TERM", "xterm")
            .spawn(slave)
            .unwrap();
        let pty = Arc::new(pty);
        let (sender, chunks) = mpsc::channel();
        let reader = Arc::clone(&pty);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            // Reading fails when the client has gone.
            while let Ok(count @ 1..) = (&*reader).read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        let screen = vt100::Parser::new(ROWS.try_into().unwrap(), COLUMNS.try_into().unwrap(), 0);
        Self { pty, child, chunks, screen }
    }

    /// A session with this server, its prompt waited for.
    fn session(redis: &Redis) -> Self {
        let mut terminal = Self::start(&["-p", &redis.port.to_string()], &redis.scratch.0);
        terminal.wait_for_line(&prompt(redis, ""));
        terminal
    }

    fn press(&mut self, keys: &str) {
        (&*self.pty).write_all(keys.as_bytes()).unwrap();
    }

    fn contents(&self) -> String {
        self.screen.screen().contents()
    }

    /// The line of the cursor.
    fn line(&self) -> String {
        let (row, _) = self.screen.screen().cursor_position();
        let line = self.screen.screen().rows(0, COLUMNS).nth(usize::from(row)).unwrap();
        line.trim_end().to_owned()
    }

    fn wait_until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds(self) {
            let left = end.saturating_duration_since(Instant::now());
            match self.chunks.recv_timeout(left) {
                Ok(chunk) => self.screen.process(&chunk),
                Err(error) => panic!("waiting for {what:?}: {error}; screen:\n{}", self.contents()),
            }
        }
    }

    /// Waits for a text anywhere on the screen.
    fn wait_for(&mut self, text: &str) {
        self.wait_until(text, |terminal| terminal.contents().contains(text));
    }

    /// Waits for the cursor's line to be exactly this, spaces at the end aside.
    fn wait_for_line(&mut self, line: &str) {
        self.wait_until(line, |terminal| terminal.line() == line.trim_end());
    }

    fn wait_for_end(mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "the client did not end:\n{}", self.contents());
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn prompt(redis: &Redis, marks: &str) -> String {
    format!("127.0.0.1:{}{marks}> ", redis.port)
}

#[test]
fn the_prompt_tells_address_database_and_transaction() {
    let redis = Redis::start("t-prompt", &[]);
    let mut terminal = Terminal::session(&redis);
    terminal.press("SELECT 2\r");
    terminal.wait_for_line(&prompt(&redis, "[2]"));
    terminal.press("MULTI\r");
    terminal.wait_for_line(&prompt(&redis, "[2](TX)"));
    terminal.press("SELECT 5\r");
    terminal.wait_for_line(&prompt(&redis, "[5](TX)"));
    // What was queued never happened, so neither did the change of database.
    terminal.press("DISCARD\r");
    terminal.wait_for_line(&prompt(&redis, "[2]"));
    terminal.press("SET a \"b\\n\"\r");
    terminal.wait_for("OK");
    terminal.press("GET a\r");
    terminal.wait_for("\n\"b\\n\"");
    terminal.press("RESET\r");
    terminal.wait_for_line(&prompt(&redis, ""));
    terminal.press(CTRL_D);
    assert!(terminal.wait_for_end().success());
}

#[test]
fn hints_are_grey_and_follow_what_is_typed() {
    let redis = Redis::start("t-hints", &[]);
    let mut terminal = Terminal::session(&redis);
    let line = |typed: &str| prompt(&redis, "") + typed;
    let options = "[NX|XX] [GET] [EX seconds|PX milliseconds|EXAT unix-time-seconds\
                   |PXAT unix-time-milliseconds|KEEPTTL]";
    terminal.press("set ");
    terminal.wait_for_line(&line(&format!("set key value {options}")));
    // The cursor goes back to before the hint.
    let width = line("set ").len();
    terminal.wait_until("the cursor before the hint", |terminal| {
        usize::from(terminal.screen.screen().cursor_position().1) == width
    });
    let (row, column) = terminal.screen.screen().cursor_position();
    let color = |column| terminal.screen.screen().cell(row, column).unwrap().fgcolor();
    assert_eq!(color(column), GREY);
    assert_eq!(color(column - 2), vt100::Color::Default);
    terminal.press("k v");
    terminal.wait_for_line(&line(&format!("set k v {options}")));
    terminal.press(" ex");
    terminal.wait_for_line(&line("set k v ex seconds [NX|XX] [GET]"));
    terminal.press(CTRL_C);
    terminal.wait_for_line(&line(""));
    terminal.press("config get ");
    terminal.wait_for_line(&line("config get parameter [parameter ...]"));
    terminal.press(CTRL_C);
    terminal.wait_for_line(&line(""));
    terminal.press(":set nohints\r");
    terminal.press("set k");
    terminal.wait_for_line(&line("set k"));
    terminal.press(CTRL_C);
    terminal.wait_for_line(&line(""));
    terminal.press(CTRL_C);
    assert!(terminal.wait_for_end().success());
}

#[test]
fn tab_completes_commands_and_subcommands() {
    let redis = Redis::start("t-complete", &[]);
    let mut terminal = Terminal::session(&redis);
    let line = |typed: &str| prompt(&redis, "") + typed;
    terminal.press("getra\t");
    terminal.wait_for_line(&line("GETRANGE key start end"));
    terminal.press(CTRL_C);
    terminal.wait_for_line(&line(""));
    terminal.press("conf\t");
    terminal.wait_until("CONFIG", |t| t.line().starts_with(&line("CONFIG")));
    terminal.press("resets\t");
    terminal.wait_for_line(&line("CONFIG RESETSTAT"));
    terminal.press("\r");
    terminal.wait_for("OK");
    terminal.press("help @gen\t");
    terminal.wait_for_line(&line("help @generic"));
    terminal.press("\r");
    terminal.wait_for("  UNLINK key [key ...]\n  summary: ");
    terminal.press("incr\t\t");
    terminal.wait_for("INCRBYFLOAT");
}

#[test]
fn history_outlives_the_session_without_its_secrets() {
    let redis = Redis::start("t-history", &[]);
    let mut first = Terminal::session(&redis);
    first.press("SET remembered 1\r");
    first.wait_for("OK");
    first.press("AUTH top-secret\r");
    first.wait_for("(error) ERR AUTH");
    first.press("CONFIG SET requirepass \"\"\r");
    first.wait_until("two OKs", |terminal| terminal.contents().matches("\nOK").count() == 2);
    first.press("exit\r");
    assert!(first.wait_for_end().success());
    let file = redis.scratch.0.join(".zumic_cli_history");
    let history = std::fs::read_to_string(file).unwrap();
    assert!(history.contains("SET remembered 1\n"), "{history}");
    assert!(!history.contains("secret") && !history.contains("requirepass"), "{history}");
    let mut second = Terminal::session(&redis);
    second.press(UP);
    second.wait_for_line(&(prompt(&redis, "") + "exit"));
    second.press(UP);
    second.wait_until("SET remembered 1", |t| t.line().contains("SET remembered 1"));
}

#[test]
fn ctrl_c_ends_streams_and_waits_but_not_the_session() {
    let redis = Redis::start("t-streams", &[]);
    let mut terminal = Terminal::session(&redis);
    terminal.press("SELECT 1\r");
    terminal.wait_for_line(&prompt(&redis, "[1]"));
    terminal.press("SUBSCRIBE news\r");
    terminal.wait_for("1) \"subscribe\"\n2) \"news\"\n3) (integer) 1");
    redis.zumic(&["PUBLISH", "news", "hello"]);
    terminal.wait_for("1) \"message\"\n2) \"news\"\n3) \"hello\"");
    terminal.press(CTRL_C);
    terminal.wait_for_line(&prompt(&redis, "[1]"));
    terminal.press("MONITOR\r");
    terminal.wait_for("MONITOR\nOK");
    redis.zumic(&["SET", "watched", "1"]);
    terminal.wait_for("\"SET\" \"watched\" \"1\"");
    terminal.press(CTRL_C);
    terminal.wait_for_line(&prompt(&redis, "[1]"));
    terminal.press("BLPOP nothing 0\r");
    let end = Instant::now() + PATIENCE;
    while !redis.zumic(&["INFO", "clients"]).contains("blocked_clients:1") {
        assert!(Instant::now() < end, "BLPOP never blocked");
    }
    terminal.press(CTRL_C);
    terminal.wait_for("Interrupted");
    terminal.wait_for_line(&prompt(&redis, "[1]"));
    terminal.press("ECHO still-here\r");
    terminal.wait_for("\n\"still-here\"");
}

#[test]
fn lost_connections_are_made_anew_and_told() {
    let redis = Redis::start("t-reconnect", &[]);
    let mut terminal = Terminal::session(&redis);
    terminal.press("SELECT 3\r");
    terminal.wait_for_line(&prompt(&redis, "[3]"));
    terminal.press("MULTI\r");
    terminal.wait_for_line(&prompt(&redis, "[3](TX)"));
    redis.zumic(&["CLIENT", "KILL", "TYPE", "normal"]);
    terminal.press("ECHO back\r");
    terminal.wait_for("and the open transaction with it; reconnected to 127.0.0.1:");
    terminal.wait_for("\n\"back\"");
    terminal.wait_for_line(&prompt(&redis, "[3]"));

    let other = Redis::start("t-reconnect-other", &[]);
    drop(redis);
    terminal.press("PING\r");
    terminal.wait_for("Could not connect to Zumic at 127.0.0.1:");
    terminal.wait_for_line("not connected>");
    terminal.press(&format!("connect 127.0.0.1 {}\r", other.port));
    terminal.wait_for_line(&prompt(&other, "[3]"));
    terminal.press("connect 127.0.0.1 x\r");
    terminal.wait_for("\"x\" is not a port.");
}

#[test]
fn help_clear_repeat_and_slow_commands() {
    let redis = Redis::start("t-words", &[]);
    let mut terminal = Terminal::session(&redis);
    terminal.press("help\r");
    terminal.wait_for("connect <host> <port>");
    terminal.press("clear\r");
    terminal.wait_until("an empty screen", |t| {
        t.contents().trim_end() == prompt(&redis, "").trim_end()
    });
    terminal.press("help getdel\r");
    terminal.wait_for("\n  GETDEL key\n  summary: ");
    terminal.press("3 ECHO x\r");
    terminal.wait_for("\n\"x\"\n\"x\"\n\"x\"");
    terminal.press("DEBUG SLEEP 0.6\r");
    terminal.wait_for("OK\n(0.");
    terminal.press("quit\r");
    assert!(terminal.wait_for_end().success());
}

#[test]
fn what_is_typed_or_pasted_ahead_is_not_lost() {
    let redis = Redis::start("t-ahead", &[]);
    let mut terminal = Terminal::session(&redis);
    terminal.press("ECHO one\rECHO two\rDEBUG SLEEP 0.1\rECHO three\r");
    terminal.wait_for("\n\"three\"");
    assert!(terminal.contents().contains("\n\"two\"\n"), "{}", terminal.contents());
    // A terminal marks what is pasted; its line ends execute nothing before Enter is pressed.
    terminal.press("\x1b[200~ECHO four\nECHO five\x1b[201~");
    terminal.wait_for("ECHO five");
    assert!(!terminal.contents().contains("\"four\""), "{}", terminal.contents());
    terminal.press("\r");
    terminal.wait_for("\n\"four\"\n\"five\"");
}

#[test]
fn without_a_server_there_is_still_a_prompt() {
    let redis = Redis::start("t-nowhere", &[]);
    let mut terminal = Terminal::start(&["-s", "/nonexistent"], &redis.scratch.0);
    terminal.wait_for("Could not connect to Zumic at /nonexistent");
    terminal.wait_for_line("not connected>");
    terminal.press("quit\r");
    assert!(terminal.wait_for_end().success());
}

#[test]
fn a_password_is_asked_for_without_showing_it() {
    let redis = Redis::start("t-askpass", &["--requirepass", "secret"]);
    let port = redis.port.to_string();
    let mut terminal = Terminal::start(&["-p", &port, "--askpass"], &redis.scratch.0);
    terminal.wait_for("Please input password:");
    terminal.press("secret\r");
    terminal.wait_for_line(&prompt(&redis, ""));
    assert!(!terminal.contents().contains("secret"));
    terminal.press("ECHO entered\r");
    terminal.wait_for("\n\"entered\"");
}
