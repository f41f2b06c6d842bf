//! `--rdb`: a dump file of Redis as what an empty store begins with.
//!
//! Why it exists: whoever starts on a dump file needs no second step, and none in memory mode,
//! where there is no directory to import into. Not for stores that hold something: `zumic import`
//! adds to those, and a server that is started twice by the same command line must not load twice.

use std::fs::File;
use std::path::Path;
use std::time::Instant;

use engine::Engine;
use engine::persist::rdb::file::{FileReader, LoadOptions, load};
use engine::persist::snapshot::SnapshotOptions;
use engine::persist::{Persistence, Progress, Stage};
use zumic_error::{Error, ErrorKind, ResultExt as _};

use crate::clock;
use crate::durability::Durability;

/// Loads a dump file into an engine that is empty and that nobody uses yet; `progress` tells others
/// how far that is.
///
/// # Errors
/// The file cannot be read, is damaged, or names a database that there is not.
pub(crate) fn fill(engine: &Engine, path: &Path, progress: &Progress) -> Result<(), Error> {
    let began = Instant::now();
    let shown = path.display();
    tracing::info!("loading {shown}");
    let file = File::open(path).context(ErrorKind::Io, format!("opening {shown}"))?;
    let bytes = file.metadata().map_or(0, |about| about.len());
    progress.begin(Stage::Dump, bytes);
    let mut told = 0;
    let mut tell = |read: u64, keys| {
        progress.advance(read - told, keys);
        told = read;
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let options = LoadOptions { now_ms: clock::now_ms(), threads, replace: false };
    let report = FileReader::open(file)
        .and_then(|mut reader| load(engine, &mut reader, options, None, &mut tell))
        .map_err(|error| error.context(format!("loading {shown}")))?;
    for library in &report.functions {
        engine.load_function_library(library).map_err(|error| {
            Error::new(ErrorKind::Damaged, format!("a library of functions in {shown}: {error}"))
        })?;
    }
    for (name, count) in &report.modules {
        tracing::warn!("left out: {count} keys of the module type {name}");
    }
    let took = began.elapsed().as_secs_f64();
    tracing::info!("loaded {} keys of {shown} in {took:.3} s", report.keys);
    Ok(())
}

/// The same for a data directory that holds nothing; durable when this returns.
///
/// # Errors
/// As [`fill`]; [`ErrorKind::Configuration`] when the directory holds something. Then it is as it
/// was.
pub(crate) fn fill_directory(
    engine: &Engine,
    path: &Path,
    (persistence, progress): (&Persistence, &Progress),
    (durability, options): (&Durability, &SnapshotOptions),
) -> Result<(), Error> {
    let found = persistence.recovery();
    if found.snapshot_epoch > 0 || found.entries > 0 || !found.damaged_snapshots.is_empty() {
        let text = "it holds data already, and 'rdb' fills an empty one: leave that out, or add \
                    the file's keys by 'zumic import'";
        return Err(Error::new(ErrorKind::Configuration, text));
    }
    fill(engine, path, progress)?;
    // The log knows nothing of these keys: until the snapshot is durable, the directory is empty.
    persistence.snapshot(options, durability.meter()).map(drop)
}
