//! What the server prints once it listens.

use std::fmt;

use super::allocator::Allocator;
use super::info::human_bytes;
use super::{process, version};
use crate::settings::Settings;

/// The name, for people who like to see that it is up.
const ART: [&str; 5] = [
    r"  ______                _      ",
    r" |___  /               (_)     ",
    r"    / / _   _ _ __ ___  _  ___ ",
    r"   / / | | | | '_ ` _ \| |/ __|",
    r"  /____|\__,_|_| |_| |_|_|\___|",
];

/// The facts of a start.
#[derive(Clone, Debug)]
pub struct Banner<'s> {
    /// The settings it started with.
    pub settings: &'s Settings,
    /// Addresses and paths it listens on, as listeners report them (port 0 resolved).
    pub addresses: &'s [String],
    /// The global allocator.
    pub allocator: Allocator,
}

impl fmt::Display for Banner<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let limit = match self.settings.memory_max {
            0 => "no limit".to_owned(),
            bytes => format!("limit {}", human_bytes(bytes)),
        };
        let machine = process::machine_bytes()
            .map_or_else(String::new, |bytes| format!(", machine {}", human_bytes(bytes)));
        let facts = [
            ("version", version::line()),
            ("mode", format!("standalone, answers as Redis {}", version::REDIS)),
            ("listens", self.addresses.join(", ")),
            ("process", std::process::id().to_string()),
            ("threads", format!("{} on {cores} cores", self.settings.thread_count())),
            ("memory", format!("{limit}{machine}, {}", self.allocator.name())),
        ];
        for line in ART {
            writeln!(formatter, "{}", line.trim_end())?;
        }
        writeln!(formatter)?;
        for (name, value) in facts {
            writeln!(formatter, "  {name:<8} {value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_what_an_operator_looks_for() {
        let settings = Settings { memory_max: 64 << 20, threads: 3, ..Settings::default() };
        let addresses = ["127.0.0.1:7000".to_owned(), "/tmp/z.sock".to_owned()];
        let allocator = Allocator::System;
        let text = Banner { settings: &settings, addresses: &addresses, allocator }.to_string();
        let pid = std::process::id().to_string();
        for part in [version::ZUMIC, "127.0.0.1:7000, /tmp/z.sock", "limit 64.00M", "3 on", &pid] {
            assert!(text.contains(part), "{part} is missing:\n{text}");
        }
        assert!(text.lines().all(|line| line.len() <= 100));
    }
}
