//! The allocator's own view of the memory.
//!
//! Why it exists: the binary chooses the global allocator, and a program that embeds this library
//! may choose another; asking jemalloc for figures while another allocator is at work would
//! report fiction. So the binary says which one it is.

use tikv_jemalloc_ctl::stats_print::{self, Options};
use tikv_jemalloc_ctl::{epoch, stats, version};

/// A reading of the allocator.
#[derive(Clone, Copy, Debug)]
pub struct AllocatorReading {
    /// Bytes the program asked for, rounded up to size classes.
    pub allocated: u64,
    /// Bytes of pages with allocations in them.
    pub active: u64,
    /// Bytes of resident pages that the allocator holds.
    pub resident: u64,
}

/// The global allocator of the program.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Allocator {
    /// jemalloc, through `tikv-jemallocator`.
    Jemalloc,
    /// Whatever the platform's C library has; it gives no figures.
    System,
}

impl Allocator {
    /// Name and version, as INFO shows them.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Jemalloc => {
                let text = version::read().unwrap_or("unknown");
                // `5.3.0-0-g54eaed1d...`: the commit does not help an operator.
                format!("jemalloc-{}", text.split('-').next().unwrap_or(text))
            }
            Self::System => "libc".to_owned(),
        }
    }

    /// The allocator's figures, if it has any. Cost: jemalloc sums its arenas, microseconds.
    #[must_use]
    pub fn read(self) -> Option<AllocatorReading> {
        match self {
            Self::Jemalloc => {
                epoch::advance().ok()?;
                Some(AllocatorReading {
                    allocated: stats::allocated::read().ok()? as u64,
                    active: stats::active::read().ok()? as u64,
                    resident: stats::resident::read().ok()? as u64,
                })
            }
            Self::System => None,
        }
    }

    /// The allocator's own report, if it makes one: text for people, whose form is its business.
    /// Cost: milliseconds.
    #[must_use]
    pub fn report(self) -> Option<String> {
        let mut report = Vec::new();
        match self {
            Self::Jemalloc => stats_print::stats_print(&mut report, Options::default()).ok()?,
            Self::System => return None,
        }
        Some(String::from_utf8_lossy(&report).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_allocator_has_a_name_and_only_jemalloc_has_figures() {
        assert!(Allocator::Jemalloc.name().starts_with("jemalloc-5"));
        assert!(Allocator::System.read().is_none());
        assert!(Allocator::Jemalloc.report().unwrap().contains("Allocated: "));
        assert!(Allocator::System.report().is_none());
    }
}
