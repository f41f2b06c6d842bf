//! `zumic-bench`: a load generator for any server that speaks RESP. See `server::bench`.
//!
//! Exits with 0 when all went well, 1 when the benchmark could not run, a connection failed or a
//! reply was an error (unless `--allow-errors`), and 2 on a wrong command line.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use server::bench::{BenchError, Options, Report, run};

fn main() -> ExitCode {
    let options = Options::parse();
    let report = match run(&options) {
        Ok(report) => report,
        Err(error) => {
            eprintln!("zumic-bench: {error}");
            let usage = matches!(error, BenchError::Usage(_));
            return ExitCode::from(if usage { 2 } else { 1 });
        }
    };
    if let Err(error) = print(&report, options.json) {
        eprintln!("zumic-bench: cannot print the result: {error}");
        return ExitCode::FAILURE;
    }
    if report.is_success(options.allow_errors) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print(report: &Report, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, report)?;
        return writeln!(out);
    }
    write!(out, "{report}")
}
