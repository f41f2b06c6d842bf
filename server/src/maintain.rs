//! The background thread: the engine's housekeeping and the administration's, by the clock.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::clock;
use crate::notify;
use crate::shared::Shared;

/// Longest sleep, so that a stop is noticed soon.
const SLEEP_MS_MAX: u64 = 10;

/// Starts the thread; it ends when the server stops.
///
/// # Errors
/// The system has no thread to give.
pub(crate) fn start(shared: Arc<Shared>) -> io::Result<JoinHandle<()>> {
    let mut maintainer = shared.admin.engine().maintainer();
    thread::Builder::new().name("zumic-maintain".to_owned()).spawn(move || {
        let mut loaded = shared.durability.is_none();
        while !shared.is_stopping() {
            let now_ms = clock::now_ms();
            if !loaded {
                // What is expired stays until the log knows that it went.
                let journal = shared.durability.as_ref().and_then(|d| d.take_maintenance_journal());
                let Some(journal) = journal else {
                    shared.admin.tick(now_ms);
                    thread::sleep(Duration::from_millis(SLEEP_MS_MAX));
                    continue;
                };
                maintainer.set_journal(journal);
                loaded = true;
            }
            let sleep_ms = maintainer.tick(now_ms);
            let changes = maintainer.take_changes();
            notify::tell(&shared, changes);
            shared.migrations.tick(now_ms);
            shared.admin.tick(now_ms);
            if sleep_ms > 0 {
                thread::sleep(Duration::from_millis(sleep_ms.min(SLEEP_MS_MAX)));
            }
        }
    })
}
