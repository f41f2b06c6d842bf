//! `--stat`: a line of figures about the server every second.
//!
//! Why it exists: the quickest look at what a server is doing, over a connection that any
//! monitoring tool could have. All figures come from INFO; one that the server does not report
//! is shown as `-`. Not a metrics exporter.

use std::collections::HashMap;
use std::io::Write;
use std::time::Duration;

use zumic_error::{Error, ErrorKind};

use crate::cli::login;
use crate::cli::options::Settings;
use crate::cli::session::{Verdict, print};

/// The pause between two lines, unless told otherwise.
const PAUSE_DEFAULT: Duration = Duration::from_secs(1);
/// Lines between two headings.
const HEADING_EVERY: u64 = 20;
const HEADING: &str = "\
------- data ------ --------------------- load -------------------- -- connections --
keys       mem      clients blocked requests            requests/s  accepted
";

/// Prints figures as often as `-r` says; by default for ever.
///
/// # Errors
/// The connection is lost, the server refuses INFO, or the output fails.
pub fn run(settings: &Settings, out: &mut dyn Write) -> Result<Verdict, Error> {
    let mut connection = login::enter(&settings.access)?.connection;
    let pause = settings.interval.unwrap_or(PAUSE_DEFAULT);
    let limit = settings.repeat.and_then(|lines| u64::try_from(lines).ok());
    let mut before = None;
    for line in 0.. {
        if limit.is_some_and(|limit| line >= limit) {
            break;
        }
        if line > 0 {
            std::thread::sleep(pause);
        }
        let reply = connection.ask(&["INFO"])?;
        if let Some(text) = reply.error() {
            return Err(Error::new(ErrorKind::Reply, String::from_utf8_lossy(text)));
        }
        let info = String::from_utf8_lossy(reply.text().unwrap_or(b""));
        let fields = fields(&info);
        let requests = number(&fields, "total_commands_processed");
        if line % HEADING_EVERY == 0 {
            print(out, HEADING.as_bytes())?;
        }
        print(out, figures(&fields, requests.zip(before), pause).as_bytes())?;
        before = requests;
    }
    Ok(Verdict::Answered)
}

/// The `name:value` lines of INFO.
fn fields(info: &str) -> HashMap<&str, &str> {
    info.lines().filter_map(|line| line.trim_end().split_once(':')).collect()
}

fn number(fields: &HashMap<&str, &str>, name: &str) -> Option<u64> {
    fields.get(name)?.parse().ok()
}

/// The keys of all databases: `db0:keys=2,expires=0,...`. A database without keys has no line.
fn keys(fields: &HashMap<&str, &str>) -> u64 {
    let counts = fields.iter().filter_map(|(name, value)| {
        name.strip_prefix("db")?.parse::<u32>().ok()?;
        value.strip_prefix("keys=")?.split(',').next()?.parse::<u64>().ok()
    });
    counts.sum()
}

fn figures(fields: &HashMap<&str, &str>, requests: Option<(u64, u64)>, pause: Duration) -> String {
    let field = |name| fields.get(name).copied().unwrap_or("-");
    let (growth, rate) = match requests {
        Some((now, before)) => {
            // Our own INFO is one of them.
            let new = now.saturating_sub(before);
            let rate = f64::from(u32::try_from(new).unwrap_or(u32::MAX)) / pause.as_secs_f64();
            (format!("{now} (+{new})"), format!("{rate:.0}"))
        }
        None => (field("total_commands_processed").to_owned(), "-".to_owned()),
    };
    let memory = number(fields, "used_memory").map_or_else(|| "-".to_owned(), human_bytes);
    format!(
        "{:<10} {memory:<8} {:<7} {:<7} {growth:<19} {rate:<11} {}\n",
        keys(fields),
        field("connected_clients"),
        field("blocked_clients"),
        field("total_connections_received"),
    )
}

fn human_bytes(bytes: u64) -> String {
    let mut units = ["B", "K", "M", "G", "T"].iter();
    let mut unit = units.next().expect("there is a first unit");
    #[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
    let mut value = bytes as f64;
    while value >= 1024.0
        && let Some(next) = units.next()
    {
        value /= 1024.0;
        unit = next;
    }
    if *unit == "B" { format!("{bytes}B") } else { format!("{value:.2}{unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_change_unit_at_1024() {
        assert_eq!(human_bytes(1023), "1023B");
        assert_eq!(human_bytes(1024), "1.00K");
        assert_eq!(human_bytes(1_572_864), "1.50M");
        assert_eq!(human_bytes(u64::MAX), "16777216.00T");
    }

    #[test]
    fn a_line_is_made_of_what_the_server_reports() {
        let info = "# Server\r\nused_memory:2048\r\nconnected_clients:3\r\nblocked_clients:1\r\n\
                    db0:keys=2,expires=0\r\ndb3:keys=5,expires=0\r\ndbx:keys=7\r\n";
        let fields = fields(info);
        assert_eq!(keys(&fields), 7);
        let line = figures(&fields, Some((30, 10)), Duration::from_secs(2));
        let words: Vec<_> = line.split_whitespace().collect();
        assert_eq!(words, ["7", "2.00K", "3", "1", "30", "(+20)", "10", "-"]);
    }
}
