//! Persistence: how data outlives the process, and how it moves between servers.
//!
//! Reading order: `facade` (what a host opens), `storage` (the disk), `log` (what happens),
//! `rdb` (values as bytes), `zdb` (snapshot files), `snapshot` (how they are taken).

mod background;
mod facade;
pub mod log;
mod meter;
mod progress;
pub mod rdb;
pub mod snapshot;
mod storage;
#[doc(hidden)]
pub mod testing;
pub mod zdb;

pub use facade::{Fsync, LogStatus, Options, Persistence, Recovery};
pub use log::entry::{Entry, LoggedEffect};
pub use log::recover::{Damage, TornTail};
pub use meter::Meter;
pub use progress::{Progress, Stage};
pub use storage::{Directory, DirectoryLock, Disk, DiskFile, read_full_at, write_all_at};
