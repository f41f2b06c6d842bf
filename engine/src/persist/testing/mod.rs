//! Disks for tests: one in memory, one that fails on demand, one that remembers everything.
//!
//! Why it exists: what a store promises about power loss, full disks and failing syncs can only be
//! tested where those can be had; and tests of several crates want them. Not part of the API.

mod faulty;
mod memory;
mod recording;

pub use faulty::{Faults, FaultyDisk};
pub use memory::MemoryDisk;
pub use recording::{Event, Loss, RecordingDisk};
