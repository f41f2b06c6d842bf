//! The server's program: settings in, exit status out.

use std::env;
use std::process::ExitCode;

use server::admin::allocator::Allocator;
use server::admin::{logging, version};
use server::settings::{Invocation, Settings, help, read};
use server::transfer;
use zumic_error::{Error, ErrorKind, ResultExt, Status};

/// Chosen by measurement: docs/src/decisions/allocator.md.
#[global_allocator]
static GLOBAL: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args_os().collect();
    if transfer::is_asked_for(&arguments[1.min(arguments.len())..]) {
        return transfer::run(arguments);
    }
    match read(env::args_os().skip(1), env::vars_os()) {
        Ok(Invocation::Help) => say(&help()),
        Ok(Invocation::Version) => say(&format!("{}\n", version::line())),
        Ok(Invocation::Run(settings)) => match run(*settings) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                complain(&format!("zumic: {error}"));
                ExitCode::from(error.status().code())
            }
        },
        Err(error) => {
            complain(&format!("zumic: {error}\nTry 'zumic --help'."));
            ExitCode::from(Status::Usage.code())
        }
    }
}

fn run(settings: Settings) -> Result<(), Error> {
    let (log, flushed_at_the_end) =
        logging::start(settings.log_level).context(ErrorKind::Resource, "starting the log")?;
    let result = server::start::run(settings, Allocator::Jemalloc, Some(log));
    drop(flushed_at_the_end);
    result
}

#[expect(clippy::print_stdout, reason = "--help and --version print")]
fn say(text: &str) -> ExitCode {
    print!("{text}");
    ExitCode::SUCCESS
}

fn complain(text: &str) {
    eprintln!("{text}");
}
