//! What a benchmark found, for people and for programs.

use std::fmt;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;

use super::options::Options;
use super::processor::Spent;
use super::worker::Outcome;

/// The result of one measured run.
///
/// Displays as a table; serializes to the JSON that `--json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Where the server is: `host:port` or a socket's path.
    pub address: String,
    /// The load, as it was asked for.
    pub load: Load,
    /// Replies received, error replies included.
    pub requests: u64,
    /// From the first request to the last reply.
    pub seconds: f64,
    /// Replies per second.
    pub requests_per_second: f64,
    /// Error replies of all texts.
    pub errors: u64,
    /// Error replies by text, at most 16 distinct ones.
    pub error_texts: Vec<ErrorText>,
    /// Why connections failed, one text each.
    pub failed_connections: Vec<String>,
    /// Requests in flight on connections when they failed.
    pub lost: u64,
    /// Scheduled by the timetable and never sent: the server or this client could not keep up.
    pub unsent: u64,
    /// Bytes of requests.
    pub sent_bytes: u64,
    /// Bytes of replies.
    pub received_bytes: u64,
    /// From sending to reply; with a rate, from the scheduled instant to the reply.
    pub latency_ns: Latency,
    /// CPU time of both sides.
    pub processor: Processor,
}

/// The load of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Load {
    /// Connections in total.
    pub connections: u32,
    /// Client threads.
    pub threads: u32,
    /// Requests in flight per connection at most.
    pub pipeline: u32,
    /// The mix, or the command templates.
    pub commands: Vec<String>,
    /// How keys are drawn.
    pub distribution: String,
    /// Distinct keys.
    pub keyspace: u64,
    /// Bytes of a key.
    pub key_bytes: u32,
    /// Bytes of a value.
    pub value_bytes: u32,
    /// Protocol version: 2 or 3.
    pub protocol: u8,
    /// Requests per second of the timetable, if there was one.
    pub rate: Option<u64>,
    /// Seed of the randomness.
    pub seed: u64,
}

/// An error reply and how often it came.
#[derive(Clone, Debug, Serialize)]
pub struct ErrorText {
    /// The error line.
    pub text: String,
    /// Replies with it.
    pub count: u64,
}

/// Latencies in nanoseconds, exact to three digits.
#[derive(Clone, Debug, Serialize)]
pub struct Latency {
    /// The shortest.
    pub min: u64,
    /// The arithmetic mean.
    pub mean: f64,
    /// The median.
    pub p50: u64,
    /// 90 of 100 were at most this long.
    pub p90: u64,
    /// 99 of 100 were at most this long.
    pub p99: u64,
    /// 999 of 1,000 were at most this long.
    pub p99_9: u64,
    /// 9,999 of 10,000 were at most this long.
    pub p99_99: u64,
    /// The longest.
    pub max: u64,
}

impl Latency {
    fn new(histogram: &Histogram<u64>) -> Self {
        Self {
            min: histogram.min(),
            mean: histogram.mean(),
            p50: histogram.value_at_quantile(0.5),
            p90: histogram.value_at_quantile(0.9),
            p99: histogram.value_at_quantile(0.99),
            p99_9: histogram.value_at_quantile(0.999),
            p99_99: histogram.value_at_quantile(0.9999),
            max: histogram.max(),
        }
    }
}

/// CPU time over the measured run.
#[derive(Clone, Debug, Serialize)]
pub struct Processor {
    /// The process measured.
    pub server_pid: Option<u32>,
    /// All threads of the server; `None` if its process is unknown or hidden.
    pub server_ns: Option<u64>,
    /// The same per request.
    pub server_ns_per_request: Option<f64>,
    /// The part spent in user space, from ticks of 10 ms.
    pub server_user_ns: Option<u64>,
    /// The part spent in the kernel, from ticks of 10 ms.
    pub server_system_ns: Option<u64>,
    /// All load threads of this client.
    pub client_ns: u64,
    /// The same per request.
    pub client_ns_per_request: f64,
}

#[expect(clippy::cast_precision_loss, reason = "figures for reading; far below 2^53")]
fn ratio(amount: u64, count: u64) -> f64 {
    if count == 0 { 0.0 } else { amount as f64 / count as f64 }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).expect("below 500 years")
}

impl Report {
    pub(super) fn new(
        options: &Options,
        outcome: &Outcome,
        start: Instant,
        server_pid: Option<u32>,
        spent: Option<Spent>,
    ) -> Self {
        let elapsed = outcome.finished_at.saturating_duration_since(start);
        let (client_ns, server_ns) =
            (nanos(outcome.own_time), spent.map(|spent| nanos(spent.total)));
        let texts = outcome.errors.texts();
        Self {
            address: options.address(),
            load: Load::new(options),
            requests: outcome.replies,
            seconds: elapsed.as_secs_f64(),
            requests_per_second: ratio(outcome.replies, nanos(elapsed)) * 1e9,
            errors: outcome.errors.total(),
            error_texts: texts
                .map(|(text, count)| ErrorText { text: text.to_owned(), count })
                .collect(),
            failed_connections: outcome.failures.clone(),
            lost: outcome.lost,
            unsent: outcome.unsent,
            sent_bytes: outcome.sent_bytes,
            received_bytes: outcome.received_bytes,
            latency_ns: Latency::new(&outcome.latencies),
            processor: Processor {
                server_pid,
                server_ns,
                server_ns_per_request: server_ns.map(|total| ratio(total, outcome.replies)),
                server_user_ns: spent.map(|spent| nanos(spent.user)),
                server_system_ns: spent.map(|spent| nanos(spent.system)),
                client_ns,
                client_ns_per_request: ratio(client_ns, outcome.replies),
            },
        }
    }

    /// Whether every request was sent and answered, without an error unless those are allowed.
    #[must_use]
    pub fn is_success(&self, errors_allowed: bool) -> bool {
        self.failed_connections.is_empty() && (errors_allowed || self.errors == 0)
    }
}

impl Load {
    fn new(options: &Options) -> Self {
        let commands = if options.command.is_empty() {
            vec![options.mix.clone()]
        } else {
            options.command.clone()
        };
        Self {
            connections: options.connections.get(),
            threads: options.thread_count(),
            pipeline: options.pipeline.get(),
            commands,
            distribution: options.distribution.to_string(),
            keyspace: options.keyspace.get(),
            key_bytes: options.key_bytes,
            value_bytes: options.value_bytes,
            protocol: if options.resp3 { 3 } else { 2 },
            rate: options.rate.map(std::num::NonZero::get),
            seed: options.seed,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let load = &self.load;
        writeln!(
            formatter,
            "{}: {}, {} connections, {} threads, pipeline {}, {} keys ({}), {}+{} bytes, RESP{}",
            self.address,
            load.commands.join("; "),
            load.connections,
            load.threads,
            load.pipeline,
            load.keyspace,
            load.distribution,
            load.key_bytes,
            load.value_bytes,
            load.protocol
        )?;
        writeln!(formatter, "requests    {} in {:.3} s", self.requests, self.seconds)?;
        write!(formatter, "throughput  {:.0} requests/s", self.requests_per_second)?;
        match load.rate {
            Some(rate) => writeln!(formatter, " of {rate} scheduled, {} unsent", self.unsent)?,
            None => writeln!(formatter)?,
        }
        self.latency_ns.fmt(formatter)?;
        self.processor.fmt(formatter)?;
        self.fmt_failures(formatter)
    }
}

impl Report {
    fn fmt_failures(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.failed_connections.is_empty() {
            let count = self.failed_connections.len();
            writeln!(formatter, "failed      {count} connections, {} requests lost", self.lost)?;
            let mut texts = self.failed_connections.clone();
            texts.sort();
            texts.dedup();
            texts.iter().try_for_each(|text| writeln!(formatter, "            {text}"))?;
        }
        if self.errors > 0 {
            writeln!(formatter, "errors      {}", self.errors)?;
        }
        for error in &self.error_texts {
            writeln!(formatter, "            {} x {}", error.count, error.text)?;
        }
        Ok(())
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = |nanos| ratio(nanos, 1000);
        writeln!(
            formatter,
            "latency us  p50 {:.1}  p90 {:.1}  p99 {:.1}  p99.9 {:.1}  p99.99 {:.1}  max {:.1}",
            micros(self.p50),
            micros(self.p90),
            micros(self.p99),
            micros(self.p99_9),
            micros(self.p99_99),
            micros(self.max)
        )
    }
}

impl fmt::Display for Processor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CPU         client {:.0} ns/request", self.client_ns_per_request)?;
        match (self.server_ns_per_request, self.server_pid) {
            (Some(nanos), Some(pid)) => {
                writeln!(formatter, ", server {nanos:.0} ns/request (pid {pid})")
            }
            (_, Some(pid)) => writeln!(formatter, ", server's unknown: cannot read pid {pid}"),
            (_, None) => writeln!(formatter, ", server's unknown: give --server-pid"),
        }
    }
}
