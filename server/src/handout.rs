//! SYNC: the whole store at one instant, as a dump file, for who asks over a connection.
//!
//! Why it exists: `redis-cli --rdb` and `zumic export` want a file that is of one instant from a
//! server that goes on, in memory mode, too. It is written to a file without a name first, because
//! a slow reader must not prolong the snapshot, during which writers may have to wait; then a
//! thread of its own sends it. Not for replicas: who has not said `REPLCONF rdb-only 1` would
//! believe to be one, and gets an error.
//!
//! Invariants
//! - D1: while a dump is sent, the connection waits for an answer and has nothing else to send, so
//!   that its reactor and the sending thread never write to the socket at the same time.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::net::Shutdown;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use engine::persist::Meter;
use engine::persist::snapshot::{Dumped, SnapshotError, SnapshotOptions, dump};
use engine::{Context, Halt};
use socket2::Socket;
use zumic_error::{CommandError, DumpError};

use crate::clock;
use crate::connection::{Connection, Waiting};
use crate::dispatch::ConnectionHost;
use crate::reactor::Core;
use crate::shared::{Message, Shared};

/// The version that Redis 7.0 reads, and the one for values that it does not know.
const VERSIONS: [u16; 2] = [10, 12];
/// Bytes sent at once.
const CHUNK_BYTES: usize = 256 * 1024;
/// A reader that takes nothing for this long is given up: Redis's `repl-timeout`.
const STALL_MAX: Duration = Duration::from_secs(60);
/// Between two looks at a socket that was full.
const PATIENCE: Duration = Duration::from_millis(1);

/// The dump that is on its way: one at a time, because each is the size of the store.
#[derive(Debug, Default)]
pub(crate) struct Handout {
    running: Mutex<Option<Arc<Meter>>>,
}

/// A dump that is ready to be sent.
#[derive(Debug)]
pub(crate) struct Dump {
    file: File,
    about: Dumped,
}

impl Handout {
    fn running(&self) -> MutexGuard<'_, Option<Arc<Meter>>> {
        // Nothing is half-done behind a poisoned lock: a panic ends the process.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The dump is sent, or of no use to anybody.
    pub(crate) fn end(&self) {
        self.running().take();
    }

    /// Ends what is being written, so that the server can end.
    pub(crate) fn abandon(&self) {
        if let Some(meter) = &*self.running() {
            meter.abandon();
        }
    }
}

/// REPLCONF option value ...: what a reader of dumps says of itself.
pub(crate) fn introduce(
    host: &mut ConnectionHost<'_>,
    context: &mut Context<'_>,
    args: &[&[u8]],
) -> Result<(), Halt> {
    let (pairs, rest) = args[1..].as_chunks::<2>();
    if !rest.is_empty() {
        return Err(CommandError::Syntax.into());
    }
    for [option, value] in pairs {
        match option.to_ascii_lowercase().as_slice() {
            b"capa" => {}
            b"rdb-only" => host.state.wants_dump = *value == b"1",
            _ => return Err(CommandError::from(DumpError::NoReplicas).into()),
        }
    }
    context.sink().simple("OK");
    Ok(())
}

/// SYNC: answered by the bulk string of a dump file; then the connection is closed.
pub(crate) fn run(host: &mut ConnectionHost<'_>) -> Result<(), Halt> {
    if !host.state.wants_dump {
        return Err(CommandError::from(DumpError::NoReplicas).into());
    }
    let shared = Arc::clone(&host.core.shared);
    let (reactor, client) = (host.core.index, host.state.record.id);
    let meter = Arc::new(Meter::default());
    {
        let mut running = shared.handout.running();
        if running.is_some() {
            return Err(CommandError::from(DumpError::HandoutRunning).into());
        }
        *running = Some(Arc::clone(&meter));
    }
    let own = Arc::clone(&shared);
    let thread = thread::Builder::new().name("zumic-handout".to_owned());
    let started = thread.spawn(move || {
        crate::panic::set_current("sync");
        let message = match write(&own, &meter) {
            Ok(dump) => Message::Dump(client, Box::new(dump)),
            Err(error) => {
                tracing::warn!("a dump for a client failed: {error}");
                own.handout.end();
                let failed = DumpError::HandoutFailed(error.to_string());
                Message::Answer(client, Err(failed.into()), 0)
            }
        };
        own.reactors[reactor].send(message);
    });
    if let Err(error) = started {
        shared.handout.end();
        return Err(CommandError::from(DumpError::HandoutFailed(error.to_string())).into());
    }
    host.state.waiting = Some(Waiting::Answer);
    Ok(())
}

/// Writes the store into a file that has no name any more.
fn write(shared: &Shared, meter: &Meter) -> Result<Dump, SnapshotError> {
    let began = Instant::now();
    let options = SnapshotOptions { created_ms: clock::now_ms(), ..SnapshotOptions::default() };
    for version in VERSIONS {
        let file = nameless(shared)?;
        let dumped = dump(shared.admin.engine(), file, version, &options, meter)?;
        let Some((file, about)) = dumped else { continue };
        if let Some(durability) = &shared.durability
            && !durability.await_disk(about.epoch, shared)
        {
            return Err(SnapshotError::Abandoned);
        }
        let took = began.elapsed().as_secs_f64();
        tracing::info!("dump of {} keys for a client: {took:.3} s", about.keys);
        return Ok(Dump { file, about });
    }
    unreachable!("every value is of the last version")
}

/// A file of the data directory, or of that for temporary files in memory mode.
fn nameless(shared: &Shared) -> io::Result<File> {
    let settings = shared.settings.load();
    let directory = match &shared.durability {
        Some(_) => settings.durability.dir.clone(),
        None => std::env::temp_dir(),
    };
    tempfile::tempfile_in(directory)
}

/// Has a dump sent to the connection that asked for it.
pub(crate) fn hand_out(core: &Core, connection: &mut Connection, dump: Dump) {
    let shared = &core.shared;
    let ready = connection.state.waiting == Some(Waiting::Answer) && connection.output.is_empty();
    let socket = connection.stream.share();
    let (Ok(socket), true) = (socket, ready) else {
        // Its earlier replies are not taken: nobody is there.
        shared.handout.end();
        connection.killed = true;
        return;
    };
    let (own, id) = (Arc::clone(shared), connection.state.record.id);
    let reactor = core.index;
    let thread = thread::Builder::new().name("zumic-handout".to_owned());
    let started = thread.spawn(move || {
        if let Err(error) = send(&own, &socket, dump) {
            tracing::warn!("a dump was not taken by its client: {error}");
        }
        own.handout.end();
        own.reactors[reactor].send(Message::Kill(id));
    });
    if started.is_err() {
        shared.handout.end();
        connection.killed = true;
    }
}

/// Sends a dump as a bulk string without its line end, as Redis does.
fn send(shared: &Shared, socket: &Socket, dump: Dump) -> io::Result<()> {
    let Dump { mut file, about } = dump;
    file.seek(SeekFrom::Start(0))?;
    let mut chunk = format!("${}\r\n", about.bytes).into_bytes();
    while !chunk.is_empty() {
        send_all(shared, socket, &chunk)?;
        chunk.clear();
        (&mut file).take(CHUNK_BYTES as u64).read_to_end(&mut chunk)?;
    }
    socket.shutdown(Shutdown::Write)
}

/// Writes to a socket that does not block.
fn send_all(shared: &Shared, mut socket: &Socket, mut bytes: &[u8]) -> io::Result<()> {
    let mut moved = Instant::now();
    while !bytes.is_empty() {
        match socket.write(bytes) {
            Ok(count) => {
                bytes = &bytes[count..];
                moved = Instant::now();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            Err(_) if moved.elapsed() > STALL_MAX || shared.is_stopping() => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Err(_) => thread::sleep(PATIENCE),
        }
    }
    Ok(())
}
