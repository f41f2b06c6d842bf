//! What does the log cost a write, and how fast is it read back?
//!
//! SET of 64 bytes in turns of 64 commands, by one session: processor time of the whole process
//! per command, log thread included, without a log and with one of each policy on a directory of
//! the file system; then the time that a start takes with the log that was written. Ratios of one
//! run count; the file system is that of the working directory, below target/.
//!
//! Not for sockets and clients around it: `perf/compare`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use engine::commands::lookup;
use engine::persist::{Directory, Fsync, Options, Persistence, Progress};
use engine::reply::Discard;
use engine::{Engine, Halt, NoHost, Scope};
use zumic_benches::keys::Random;
use zumic_benches::{emit, is_smoke};

struct Load {
    writes: u64,
    keys: u64,
}

/// Processor time of the process so far, in seconds; its threads included. Zero where there is no
/// such file.
fn processor_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let behind = text.rsplit(')').next().unwrap_or_default();
    let fields: Vec<&str> = behind.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

/// Writes the load; returns wall and processor nanoseconds per write.
fn write(engine: &Engine, log: Option<&Persistence>, load: &Load) -> (f64, f64) {
    let mut session = engine.session();
    if let Some(log) = log {
        session.set_journal(log.journal());
    }
    let row = lookup(b"SET").expect("a command");
    let mut random = Random(7);
    let value = [b'v'; 64];
    let mut scope = Scope::default();
    let (began, processor) = (Instant::now(), processor_seconds());
    let mut left = load.writes;
    while left > 0 {
        let mut turn = session.enter(1_700_000_000_000);
        for _ in 0..left.min(64) {
            let key = format!("key:{:012}", random.next() % load.keys);
            let words: [&[u8]; 3] = [b"SET", key.as_bytes(), &value];
            match turn.run(&mut scope, &mut NoHost, row, &words, &mut Discard) {
                Ok(()) => left -= 1,
                Err(Halt::Busy) => break,
                Err(halt) => panic!("{halt:?}"),
            }
        }
    }
    drop(session);
    if let Some(log) = log {
        log.sync().expect("the disk works");
    }
    let per = |seconds: f64| seconds * 1e9 / load.writes as f64;
    (per(began.elapsed().as_secs_f64()), per(processor_seconds() - processor))
}

fn open(path: &Path, fsync: Fsync) -> (Engine, Persistence) {
    let engine = Engine::builder().databases(1).seed(3).build();
    let disk = Arc::new(Directory::open(path).expect("a directory"));
    let options = Options { fsync, ..Options::default() };
    let log = Persistence::open(&engine, disk, options, &Progress::default());
    (engine, log.expect("opens"))
}

fn main() {
    let load = if is_smoke() {
        Load { writes: 5_000, keys: 1_000 }
    } else {
        Load { writes: 10_000_000, keys: 1_000_000 }
    };
    let engine = Engine::builder().databases(1).seed(3).build();
    // Once to fill the memory, once to measure.
    write(&engine, None, &load);
    let (wall, plain) = write(&engine, None, &load);
    emit(&format!("no log:    {wall:6.0} ns, {plain:6.0} ns of processor time per SET"));
    drop(engine);
    let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    for fsync in [Fsync::No, Fsync::EverySec, Fsync::Always] {
        let path = root.join(format!("log-bench-{}", std::process::id()));
        let (engine, log) = open(&path, fsync);
        write(&engine, None, &load);
        let (wall, processor) = write(&engine, Some(&log), &load);
        let ratio = processor / plain;
        let name = format!("{fsync:?}:");
        emit(&format!(
            "{name:10} {wall:6.0} ns, {processor:6.0} ns of processor time, {ratio:.2} times"
        ));
        let bytes = log.log_status().log_bytes;
        log.close().expect("the disk works");
        drop(log);
        drop(engine);
        let (began, processor) = (Instant::now(), processor_seconds());
        let (_engine, log) = open(&path, fsync);
        let (took, processor) = (began.elapsed(), processor_seconds() - processor);
        let entries = log.recovery().entries;
        emit(&format!(
            "  {entries} entries in {bytes} bytes again: {took:.2?}, {processor:.2} s processor"
        ));
        drop(log);
        std::fs::remove_dir_all(&path).expect("made above");
    }
}
