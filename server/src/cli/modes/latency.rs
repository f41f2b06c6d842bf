//! `--latency`: how long the server takes to answer PING.
//!
//! Why it exists: the first question about a slow application is whether it is the network. One
//! PING at a time, a hundred a second. At a terminal the figures are updated in place until Ctrl-C;
//! otherwise they are printed once, after one second or the given interval. In milliseconds with
//! three decimals, where `redis-cli` has whole ones: on one machine those are all 0. Not a
//! benchmark: see `zumic-bench`.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use zumic_error::{Error, ErrorKind};

use crate::cli::format::Output;
use crate::cli::login;
use crate::cli::options::Settings;
use crate::cli::session::{Verdict, print};

/// The pause between two samples.
const PAUSE: Duration = Duration::from_millis(10);
/// How long to sample when the output is not a terminal.
const SAMPLE_DEFAULT: Duration = Duration::from_secs(1);

/// What was measured so far.
#[derive(Clone, Copy, Debug)]
struct Figures {
    least: Duration,
    most: Duration,
    total: Duration,
    samples: u32,
}

impl Figures {
    const EMPTY: Self =
        Self { least: Duration::MAX, most: Duration::ZERO, total: Duration::ZERO, samples: 0 };

    fn add(&mut self, sample: Duration) {
        self.least = self.least.min(sample);
        self.most = self.most.max(sample);
        self.total += sample;
        self.samples += 1;
    }

    fn text(&self, output: Output) -> String {
        let ms = |duration: Duration| duration.as_secs_f64() * 1000.0;
        let (least, most) = (ms(self.least), ms(self.most));
        let average = ms(self.total / self.samples.max(1));
        let samples = self.samples;
        match output {
            Output::Json | Output::QuotedJson => format!(
                "{{\"min\": {least:.3}, \"max\": {most:.3}, \"avg\": {average:.3}, \
                 \"count\": {samples}}}"
            ),
            Output::Pretty => {
                format!("min: {least:.3}, max: {most:.3}, avg: {average:.3} ({samples} samples)")
            }
            Output::Raw => format!("{least:.3} {most:.3} {average:.3} {samples}"),
        }
    }
}

/// Measures and prints.
///
/// # Errors
/// The connection is lost, the server refuses PING, or the output fails.
pub fn run(settings: &Settings, out: &mut dyn Write) -> Result<Verdict, Error> {
    let mut connection = login::enter(&settings.access)?.connection;
    let live = io::stdout().is_terminal() && settings.style.output == Output::Pretty;
    let end = Instant::now() + settings.interval.unwrap_or(SAMPLE_DEFAULT);
    let mut figures = Figures::EMPTY;
    loop {
        let start = Instant::now();
        let reply = connection.ask(&["PING"])?;
        figures.add(start.elapsed());
        if let Some(text) = reply.error() {
            return Err(Error::new(ErrorKind::Reply, String::from_utf8_lossy(text)));
        }
        let text = figures.text(settings.style.output);
        if live {
            print(out, format!("\r\x1b[2K{text}").as_bytes())?;
        } else if Instant::now() >= end {
            print(out, format!("{text}\n").as_bytes())?;
            return Ok(Verdict::Answered);
        }
        std::thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_what_their_names_say() {
        let mut figures = Figures::EMPTY;
        figures.add(Duration::from_micros(100));
        figures.add(Duration::from_micros(300));
        let text = "min: 0.100, max: 0.300, avg: 0.200 (2 samples)";
        assert_eq!(figures.text(Output::Pretty), text);
        assert_eq!(figures.text(Output::Raw), "0.100 0.300 0.200 2");
        let json = r#"{"min": 0.100, "max": 0.300, "avg": 0.200, "count": 2}"#;
        assert_eq!(figures.text(Output::Json), json);
    }
}
