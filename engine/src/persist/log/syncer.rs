//! A thread that syncs files while the log thread goes on writing.
//!
//! Why it exists: under `everysec` a sync may take as long as the disk likes; what is written
//! meanwhile must leave the process all the same, so that its end alone loses milliseconds and not
//! that sync's length. Not for `always`, where the log thread has nothing
//! better to do than to wait.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};
use std::{io, thread};

use crate::persist::storage::DiskFile;

/// What a sync makes durable: the last epoch, and that of the last block.
pub(crate) type Epochs = (u64, u64);
/// The epochs, how long it took, and whether it worked.
pub(crate) type Done = (Epochs, Duration, io::Result<()>);

/// A sync in the background, one at a time.
pub(crate) struct Syncer {
    jobs: Sender<(Vec<Arc<dyn DiskFile>>, Epochs)>,
    results: Receiver<Done>,
    busy: bool,
}

impl Syncer {
    pub(crate) fn start() -> io::Result<Self> {
        let (jobs, inbox) = channel::<(Vec<Arc<dyn DiskFile>>, Epochs)>();
        let (outbox, results) = channel();
        // It ends when the sender goes.
        thread::Builder::new().name("zumic-sync".into()).spawn(move || {
            for (files, epochs) in inbox {
                let began = Instant::now();
                let result = files.iter().try_for_each(|file| file.sync());
                if outbox.send((epochs, began.elapsed(), result)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { jobs, results, busy: false })
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.busy
    }

    /// Begins to sync `files`, after which `epochs` are durable.
    pub(crate) fn begin(&mut self, files: Vec<Arc<dyn DiskFile>>, epochs: Epochs) {
        assert!(!self.busy, "one sync at a time");
        self.busy = true;
        self.jobs.send((files, epochs)).expect("the thread ends after its sender");
    }

    /// The result, if it is there.
    pub(crate) fn take_result(&mut self) -> Option<Done> {
        let done = self.results.try_recv().ok()?;
        self.busy = false;
        Some(done)
    }

    /// The result of a sync under way.
    pub(crate) fn wait(&mut self) -> Option<Done> {
        if !self.busy {
            return None;
        }
        let done = self.results.recv().expect("the thread ends after its sender");
        self.busy = false;
        Some(done)
    }
}
