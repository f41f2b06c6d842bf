//! Starting and stopping: from settings to threads, and from a signal to an empty process.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

use engine::scripting::Scripts;
use engine::sync::{AtomicBool, AtomicU64};
use mio::{Poll, Waker};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use zumic_error::{DurabilityError, Error, ErrorKind, ResultExt};

use crate::admin::allocator::Allocator;
use crate::admin::banner::Banner;
use crate::admin::logging::LogControl;
use crate::admin::{Admin, Wiring};
use crate::blocked::Blocked;
use crate::clients::Clients;
use crate::durability::{self, Durability, Loading, LogView};
use crate::fill::fill;
use crate::handout::Handout;
use crate::migrate::Migrations;
use crate::net::{Listener, listen, probe};
use crate::pubsub::{Broker, Local};
use crate::reactor::{Core, Reactor, WAKER};
use crate::settings::ShutdownFlags;
use crate::settings::{Settings, SettingsReader};
use crate::shared::{Handle, Message, Pause, Shared, Stop};
use crate::tracking::Tracking;
use crate::{maintain, panic};

type Running = Vec<JoinHandle<Result<(), Error>>>;

/// Runs a server until it is told to stop, and waits for its threads.
///
/// # Errors
/// What kept it from starting: an address in use, no threads, no descriptors.
pub fn run(settings: Settings, allocator: Allocator, log: Option<LogControl>) -> Result<(), Error> {
    panic::abort_on_panic();
    probe(&settings)?;
    let (stop, stopped) = channel();
    // Before any thread is there: they all inherit the mask and the handlers.
    watch_signals(stop.clone())?;
    let threads = usize::from(settings.thread_count().get());
    let mut polls = Vec::with_capacity(threads);
    let mut handles = Vec::with_capacity(threads);
    for _ in 0..threads {
        let poll = Poll::new().context(ErrorKind::Resource, "creating a poll")?;
        let waker = Waker::new(poll.registry(), WAKER);
        let waker = waker.context(ErrorKind::Resource, "creating a waker")?;
        handles.push(Arc::new(Handle::new(waker)));
        polls.push(poll);
    }
    let persistent = settings.durability.is_persistent();
    let durability = persistent.then(|| Arc::new(Durability::default()));
    let broker = Arc::new(Broker::default());
    let tracking = Arc::new(Tracking::default());
    let figures = (Arc::clone(&broker), Arc::clone(&tracking), durability.clone());
    let admin = start_admin(settings, allocator, log, &handles, figures)?;
    fill_memory(&admin)?;
    let shared = Arc::new(Shared {
        settings: Arc::clone(admin.settings()),
        admin,
        clients: Clients::default(),
        blocked: Blocked::default(),
        durability,
        broker,
        tracking,
        reactors: handles,
        handout: Handout::default(),
        migrations: Migrations::default(),
        pause: Pause::default(),
        monitors: AtomicU64::new(0),
        stopping: AtomicBool::new(false),
        stop,
    });
    let (running, addresses) = start_reactors(&shared, polls)?;
    let maintenance = maintain::start(Arc::clone(&shared))
        .context(ErrorKind::Resource, "starting the maintenance thread")?;
    let worker = durability::start(&shared, move |shared| greet(shared, &addresses))
        .context(ErrorKind::Resource, "starting the durability thread")?;
    let asked = until_stopped(&shared, &stopped);
    let ended = end(&shared, running);
    shared.migrations.end();
    // It only sleeps and works in short slices, and aborts the process if it panics.
    drop(maintenance.join());
    let closed = worker.end();
    tracing::info!("bye");
    asked.and(ended).and(closed)
}

/// Loads the dump file that a store in memory mode begins with. Nobody is served before; in
/// persistent mode that is a part of recovery.
fn fill_memory(admin: &Admin) -> Result<(), Error> {
    let settings = admin.settings().load();
    match &settings.durability.rdb {
        Some(path) if !settings.durability.is_persistent() => {
            Loading::default().run(|progress| fill(admin.engine(), path, progress))
        }
        _ => Ok(()),
    }
}

fn start_admin(
    settings: Settings,
    allocator: Allocator,
    log: Option<LogControl>,
    handles: &[Arc<Handle>],
    (broker, tracking, durability): (Arc<Broker>, Arc<Tracking>, Option<Arc<Durability>>),
) -> Result<Arc<Admin>, Error> {
    let reactors: OnceLock<Vec<Arc<Handle>>> = OnceLock::from(handles.to_vec());
    let deliver = move |ticket: crate::admin::auth::AuthTicket, verdict| {
        let reactors = reactors.get().expect("set when it was made");
        reactors[ticket.reactor].send(Message::Verdict(ticket.connection, verdict));
    };
    let names = engine::commands::all().iter().map(|row| row.name).collect();
    let deliver = Box::new(deliver);
    let wiring = Wiring { allocator, broker, tracking, durability, deliver, log };
    Admin::start(settings, names, wiring).context(ErrorKind::Resource, "starting")
}

fn start_reactors(shared: &Arc<Shared>, polls: Vec<Poll>) -> Result<(Running, Vec<String>), Error> {
    let settings = shared.settings.load();
    let counter = quanta::Clock::new();
    let mut reactors = Vec::with_capacity(polls.len());
    let mut addresses = Vec::new();
    for (index, poll) in polls.into_iter().enumerate() {
        let core = Core {
            shared: Arc::clone(shared),
            stats: shared.admin.stats().register(),
            settings: SettingsReader::new(Arc::clone(&shared.settings)),
            index,
            counter: counter.clone(),
            tick: 0,
            deadlines: BTreeSet::new(),
            retry: Vec::new(),
            local: Local::default(),
            outbox: Vec::new(),
            origin: None,
            scripts: Scripts::default(),
            long_scripts: Vec::new(),
            log: shared.durability.clone().map(LogView::new),
        };
        let listeners = listen(&settings, index == 0)?;
        if index == 0 {
            addresses = listeners.iter().map(Listener::address).collect();
        }
        let session = shared.admin.engine().session();
        reactors.push((index, Reactor::new(core, poll, listeners, session)?));
    }
    let start = |(index, reactor): (usize, Reactor)| {
        let name = format!("zumic-reactor-{index}");
        thread::Builder::new()
            .name(name)
            .spawn(move || reactor.run())
            .context(ErrorKind::Resource, "starting a reactor thread")
    };
    let running = reactors.into_iter().map(start).collect::<Result<_, _>>()?;
    Ok((running, addresses))
}

/// Says that the server is up.
fn greet(shared: &Shared, addresses: &[String]) {
    let settings = shared.settings.load();
    let allocator = shared.admin.allocator();
    let banner = Banner { settings: &settings, addresses, allocator };
    tracing::info!("ready\n\n{banner}");
}

/// Turns signals into messages. A second signal ends the process at once.
fn watch_signals(stop: Sender<Stop>) -> Result<(), Error> {
    let mut signals =
        Signals::new([SIGINT, SIGTERM]).context(ErrorKind::Resource, "watching signals")?;
    let watch = move || {
        for (count, signal) in signals.forever().enumerate() {
            if count > 0 {
                tracing::warn!("a second signal: ending at once");
                std::process::exit(128 + signal);
            }
            let _ = stop.send(Stop::Signal(signal));
        }
    };
    thread::Builder::new()
        .name("zumic-signals".to_owned())
        .spawn(watch)
        .context(ErrorKind::Resource, "starting the signal thread")?;
    Ok(())
}

/// Waits for the word to stop, and saves first if that is wanted. When saving fails, the server
/// goes on, unless the word was to stop anyway.
fn until_stopped(shared: &Shared, stopped: &Receiver<Stop>) -> Result<(), Error> {
    loop {
        let (flags, asker) = match stopped.recv() {
            Ok(Stop::Signal(signal)) => {
                tracing::info!("signal {signal}: stopping");
                let settings = shared.settings.load();
                let flags = match signal {
                    SIGINT => settings.durability.on_sigint,
                    _ => settings.durability.on_sigterm,
                };
                (flags, None)
            }
            Ok(Stop::Command(flags, asker)) => {
                tracing::info!("SHUTDOWN: stopping");
                (flags, Some(asker))
            }
            Ok(Stop::Failed(error)) => return Err(error),
            Err(_) => {
                tracing::warn!("nobody is left to stop the server: stopping");
                return Ok(());
            }
        };
        shared.handout.abandon();
        if save_before_the_end(shared, flags) || flags.force {
            return Ok(());
        }
        tracing::warn!("the snapshot before the end failed or was called off: going on");
        if let Some((reactor, id)) = asker {
            let answer = Err(DurabilityError::ShutdownFailed.into());
            shared.reactors[reactor].send(Message::Answer(id, answer, 0));
        }
    }
}

/// Whether what has to be on disk before the end is.
fn save_before_the_end(shared: &Shared, flags: ShutdownFlags) -> bool {
    let Some(durability) = &shared.durability else { return true };
    let rules = &shared.settings.load().durability.save;
    let wanted = flags.save || (!flags.no_save && !rules.is_empty());
    !wanted || !durability.is_loaded() || durability.save_and_wait()
}

/// Ends the reactors.
fn end(shared: &Shared, running: Running) -> Result<(), Error> {
    shared.begin_stop();
    let mut result = Ok(());
    for reactor in running {
        // A reactor that panicked has aborted the process, so a join does not fail.
        let ended = reactor.join().unwrap_or(Ok(()));
        result = result.and(ended);
    }
    result
}
