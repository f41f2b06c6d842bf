//! What of a request others may see: MONITOR's lines, and secrets taken out.
//!
//! Why it exists: passwords pass through AUTH, HELLO, MIGRATE and CONFIG SET; neither the slow log
//! nor MONITOR may show them. Not for delivering the lines: reactors do that.

use std::borrow::Cow;
use std::fmt::Write as _;

use engine::commands::{MigrateOption, migrate_options};

use super::ClientFacts;

/// What Redis shows in place of a secret.
const REDACTED: &[u8] = b"(redacted)";

/// `args` without passwords. Cost: nothing for commands that carry none.
#[must_use]
pub fn redact<'r, 'a>(args: &'r [&'a [u8]]) -> Cow<'r, [&'a [u8]]> {
    let is = |index: usize, word: &str| {
        args.get(index).is_some_and(|arg: &&[u8]| arg.eq_ignore_ascii_case(word.as_bytes()))
    };
    let secrets: Vec<usize> = if is(0, "auth") {
        (1..args.len()).collect()
    } else if is(0, "hello") {
        let auth = (1..args.len()).find(|index| is(*index, "auth"));
        auth.map_or_else(Vec::new, |auth| (auth + 1..args.len().min(auth + 3)).collect())
    } else if is(0, "migrate") {
        secrets_of_migrate(args)
    } else if is(0, "config") && is(1, "set") {
        (2..args.len())
            .step_by(2)
            .filter(|index| is(*index, "requirepass"))
            .map(|i| i + 1)
            .collect()
    } else {
        return Cow::Borrowed(args);
    };
    let mut copy = args.to_vec();
    for index in secrets {
        if let Some(arg) = copy.get_mut(index) {
            *arg = REDACTED;
        }
    }
    Cow::Owned(copy)
}

/// Positions of the words that MIGRATE logs in with.
fn secrets_of_migrate(args: &[&[u8]]) -> Vec<usize> {
    let logins = [MigrateOption::Auth, MigrateOption::Auth2];
    migrate_options(args)
        .filter(|(option, _)| logins.contains(option))
        .flat_map(|(_, words)| words)
        .collect()
}

/// One line of MONITOR without its line end, such as
/// `1339518083.107412 [0 127.0.0.1:60866] "get" "a key"`. Secrets are taken out.
#[must_use]
pub fn line(unix_microseconds: u64, client: &ClientFacts<'_>, args: &[&[u8]]) -> String {
    let (seconds, rest) = (unix_microseconds / 1_000_000, unix_microseconds % 1_000_000);
    // A Unix socket's peer is its path, with a port of 0 in CLIENT LIST.
    let unix = client.peer.starts_with('/').then(|| client.peer.trim_end_matches(":0"));
    let mut line = format!("{seconds}.{rest:06} [{} ", client.db);
    match unix {
        Some(path) => line.push_str(&format!("unix:{path}]")),
        None => line.push_str(&format!("{}]", client.peer)),
    }
    for arg in redact(args).iter() {
        line.push(' ');
        quote(&mut line, arg);
    }
    line
}

/// Appends `bytes` in double quotes, escaped as Redis does (`sdscatrepr`).
pub fn quote(text: &mut String, bytes: &[u8]) {
    text.push('"');
    for byte in bytes {
        match byte {
            b'\\' | b'"' => text.extend(['\\', char::from(*byte)]),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            0x07 => text.push_str("\\a"),
            0x08 => text.push_str("\\b"),
            b' '..=b'~' => text.push(char::from(*byte)),
            // Writing to a String cannot fail.
            other => drop(write!(text, "\\x{other:02x}")),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(peer: &str, args: &[&[u8]]) -> String {
        line(1_339_518_083_007_412, &ClientFacts { peer, name: b"", db: 3, is_local: true }, args)
    }

    #[test]
    fn lines_are_those_of_redis() {
        let line = shown("127.0.0.1:60866", &[b"set", b"a \"key\"\\", b"\x00\r\n\t\x07\x08\xffz"]);
        let expected = "1339518083.007412 [3 127.0.0.1:60866] \"set\" \"a \\\"key\\\"\\\\\" \
                        \"\\x00\\r\\n\\t\\a\\b\\xffz\"";
        assert_eq!(line, expected);
        assert!(shown("/tmp/z.sock:0", &[b"ping"]).contains("[3 unix:/tmp/z.sock]"));
    }

    #[test]
    fn secrets_are_taken_out() {
        let redacted = |args: &[&[u8]]| {
            redact(args)
                .iter()
                .map(|arg| String::from_utf8_lossy(arg).into_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(redacted(&[b"AUTH", b"pw"]), ["AUTH", "(redacted)"]);
        let hello = redacted(&[b"hello", b"3", b"AUTH", b"u", b"p", b"SETNAME", b"n"]);
        assert_eq!(hello, ["hello", "3", "AUTH", "(redacted)", "(redacted)", "SETNAME", "n"]);
        assert_eq!(redacted(&[b"hello", b"3", b"auth"]), ["hello", "3", "auth"]);
        let config = redacted(&[b"config", b"SET", b"timeout", b"1", b"RequirePass", b"pw"]);
        assert_eq!(config, ["config", "SET", "timeout", "1", "RequirePass", "(redacted)"]);
        assert_eq!(redacted(&[b"config", b"set", b"requirepass"]).len(), 3);
        let migrate: &[&[u8]] = &[b"migrate", b"h", b"1", b"", b"0", b"1", b"AUTH", b"p"];
        assert_eq!(redacted(migrate)[6..], ["AUTH", "(redacted)"]);
        let migrate = [migrate, &[b"auth2", b"u", b"p", b"KEYS", b"auth", b"k"]].concat();
        let shown = redacted(&migrate);
        assert_eq!(shown[8..11], ["auth2", "(redacted)", "(redacted)"]);
        assert_eq!(shown[11..], ["KEYS", "auth", "k"]);
        assert_eq!(redacted(&[b"get", b"auth"]), ["get", "auth"]);
    }
}
