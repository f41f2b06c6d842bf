//! The sizes at which collections change from their small form to their large one.
//!
//! Why it exists: they have the names and the defaults that Redis users know, may change while
//! commands run, and a command must see one set of them.

use crate::sync::{AtomicU64, Ordering};
use crate::values::list::Rules;

/// One reading of all thresholds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Thresholds {
    /// `hash-max-listpack-entries`.
    pub hash_entries_max: usize,
    /// `hash-max-listpack-value`, in bytes.
    pub hash_value_max: usize,
    /// `hll-sparse-max-bytes`.
    pub hll_sparse_bytes_max: usize,
    /// `list-compress-depth`: blocks at each end of a list that are not compressed; 0 for all.
    pub list_compress_depth: usize,
    /// `list-max-listpack-size`: entries per block, or -1 to -5 for 4 to 64 KiB.
    pub list_size_max: i64,
    /// `set-max-intset-entries`.
    pub set_intset_entries_max: usize,
    /// `set-max-listpack-entries`.
    pub set_entries_max: usize,
    /// `set-max-listpack-value`, in bytes.
    pub set_value_max: usize,
    /// `stream-node-max-bytes`; 0 for no limit.
    pub stream_node_bytes_max: usize,
    /// `stream-node-max-entries`; 0 for no limit.
    pub stream_node_entries_max: usize,
    /// `zset-max-listpack-entries`.
    pub zset_entries_max: usize,
    /// `zset-max-listpack-value`, in bytes.
    pub zset_value_max: usize,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            hash_entries_max: 512,
            hash_value_max: 64,
            hll_sparse_bytes_max: 3_000,
            list_compress_depth: 0,
            list_size_max: -2,
            set_intset_entries_max: 512,
            set_entries_max: 128,
            set_value_max: 64,
            stream_node_bytes_max: 4_096,
            stream_node_entries_max: 100,
            zset_entries_max: 128,
            zset_value_max: 64,
        }
    }
}

/// The thresholds as CONFIG SET changes them.
#[derive(Debug)]
pub(crate) struct SharedThresholds([AtomicU64; 12]);

impl Default for SharedThresholds {
    fn default() -> Self {
        let shared = Self(std::array::from_fn(|_| AtomicU64::new(0)));
        shared.write(Thresholds::default());
        shared
    }
}

impl SharedThresholds {
    #[inline]
    fn number(&self, at: usize) -> u64 {
        // ORDER: Relaxed (unpaired); a setting takes effect soon, and orders nothing.
        self.0[at].load(Ordering::Relaxed)
    }

    #[inline]
    fn size(&self, at: usize) -> usize {
        usize::try_from(self.number(at)).unwrap_or(usize::MAX)
    }

    #[inline]
    fn list_size_max(&self) -> i64 {
        self.number(3).cast_signed()
    }

    /// What concerns lists alone: loads of the others would be made, wanted or not.
    #[inline]
    pub(crate) fn list_rules(&self) -> Rules {
        Rules::from_settings(self.list_size_max(), self.size(11))
    }

    /// [`Thresholds::hash_entries_max`] and [`Thresholds::hash_value_max`] alone.
    #[inline]
    pub(crate) fn hash_sizes_max(&self) -> (usize, usize) {
        (self.size(0), self.size(1))
    }

    #[inline]
    pub(crate) fn read(&self) -> Thresholds {
        let size = |at| self.size(at);
        let (hash_entries_max, hash_value_max) = self.hash_sizes_max();
        Thresholds {
            hash_entries_max,
            hash_value_max,
            hll_sparse_bytes_max: size(2),
            list_compress_depth: size(11),
            list_size_max: self.list_size_max(),
            set_intset_entries_max: size(4),
            set_entries_max: size(5),
            set_value_max: size(6),
            stream_node_bytes_max: size(7),
            stream_node_entries_max: size(8),
            zset_entries_max: size(9),
            zset_value_max: size(10),
        }
    }

    pub(crate) fn write(&self, thresholds: Thresholds) {
        let numbers = [
            thresholds.hash_entries_max as u64,
            thresholds.hash_value_max as u64,
            thresholds.hll_sparse_bytes_max as u64,
            thresholds.list_size_max.cast_unsigned(),
            thresholds.set_intset_entries_max as u64,
            thresholds.set_entries_max as u64,
            thresholds.set_value_max as u64,
            thresholds.stream_node_bytes_max as u64,
            thresholds.stream_node_entries_max as u64,
            thresholds.zset_entries_max as u64,
            thresholds.zset_value_max as u64,
            thresholds.list_compress_depth as u64,
        ];
        for (setting, number) in self.0.iter().zip(numbers) {
            // ORDER: Relaxed (unpaired); as above.
            setting.store(number, Ordering::Relaxed);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let thresholds = Thresholds {
            hash_entries_max: 1,
            hash_value_max: 2,
            hll_sparse_bytes_max: 3,
            list_compress_depth: 11,
            list_size_max: -4,
            set_intset_entries_max: 5,
            set_entries_max: 6,
            set_value_max: 7,
            stream_node_bytes_max: 8,
            stream_node_entries_max: 9,
            zset_entries_max: 10,
            zset_value_max: usize::MAX,
        };
        let shared = SharedThresholds::default();
        assert_eq!(shared.read(), Thresholds::default());
        shared.write(thresholds);
        assert_eq!(shared.read(), thresholds);
    }
}
