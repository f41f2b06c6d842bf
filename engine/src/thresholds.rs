//! The sizes at which collections change from their small form to their large one.
//!
//! Why it exists: they have the names and the defaults that Redis users know, may change while
//! commands run, and a command must see one set of them.

use crate::sync::{AtomicU64, Ordering};

/// One reading of all thresholds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Thresholds {
    /// `hash-max-listpack-entries`.
    pub hash_entries_max: usize,
    /// `hash-max-listpack-value`, in bytes.
    pub hash_value_max: usize,
    /// `hll-sparse-max-bytes`.
    pub hll_sparse_bytes_max: usize,
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

/// The settings, in the order of [`SharedThresholds::read`], with Redis 7.2's defaults.
pub(crate) const SETTINGS: [(&str, i64); 11] = [
    ("hash-max-listpack-entries", 128),
    ("hash-max-listpack-value", 64),
    ("hll-sparse-max-bytes", 3_000),
    ("list-max-listpack-size", -2),
    ("set-max-intset-entries", 512),
    ("set-max-listpack-entries", 128),
    ("set-max-listpack-value", 64),
    ("stream-node-max-bytes", 4_096),
    ("stream-node-max-entries", 100),
    ("zset-max-listpack-entries", 128),
    ("zset-max-listpack-value", 64),
];

/// The thresholds as CONFIG SET changes them.
#[derive(Debug)]
pub(crate) struct SharedThresholds([AtomicU64; SETTINGS.len()]);

impl Default for SharedThresholds {
    fn default() -> Self {
        Self(SETTINGS.map(|(_, value)| AtomicU64::new(value.cast_unsigned())))
    }
}

impl Default for Thresholds {
    fn default() -> Self {
        SharedThresholds::default().read()
    }
}

impl SharedThresholds {
    #[inline]
    pub(crate) fn read(&self) -> Thresholds {
        let [hash_entries, hash_value, hll, list, intset, set_entries, set_value, .., zset_value] =
            &self.0;
        let [.., stream_bytes, stream_entries, zset_entries, _] = &self.0;
        // ORDER: Relaxed (unpaired); a setting takes effect soon, and orders nothing.
        let number = |setting: &AtomicU64| setting.load(Ordering::Relaxed);
        let size = |setting| usize::try_from(number(setting)).unwrap_or(usize::MAX);
        Thresholds {
            hash_entries_max: size(hash_entries),
            hash_value_max: size(hash_value),
            hll_sparse_bytes_max: size(hll),
            list_size_max: number(list).cast_signed(),
            set_intset_entries_max: size(intset),
            set_entries_max: size(set_entries),
            set_value_max: size(set_value),
            stream_node_bytes_max: size(stream_bytes),
            stream_node_entries_max: size(stream_entries),
            zset_entries_max: size(zset_entries),
            zset_value_max: size(zset_value),
        }
    }

    pub(crate) fn set(&self, name: &str, value: i64) -> bool {
        let at = SETTINGS.iter().position(|(setting, _)| *setting == name);
        if let Some(at) = at {
            // ORDER: Relaxed (unpaired); as above.
            self.0[at].store(value.cast_unsigned(), Ordering::Relaxed);
        }
        at.is_some()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_setting_reaches_its_own_field() {
        for (at, (name, _)) in SETTINGS.into_iter().enumerate() {
            let shared = SharedThresholds::default();
            assert!(shared.set(name, 7));
            let changed = shared.read();
            let fields = |t: Thresholds| {
                [
                    t.hash_entries_max,
                    t.hash_value_max,
                    t.hll_sparse_bytes_max,
                    usize::try_from(t.list_size_max).unwrap_or(2),
                    t.set_intset_entries_max,
                    t.set_entries_max,
                    t.set_value_max,
                    t.stream_node_bytes_max,
                    t.stream_node_entries_max,
                    t.zset_entries_max,
                    t.zset_value_max,
                ]
            };
            let mut want = fields(Thresholds::default());
            want[at] = 7;
            assert_eq!(fields(changed), want, "{name}");
        }
        assert!(!SharedThresholds::default().set("no-such-setting", 1));
    }
}
