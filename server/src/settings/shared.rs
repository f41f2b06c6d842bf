//! The one published snapshot of the settings, and each thread's copy of the handle.
//!
//! Why it exists: a reactor must see a CONFIG SET soon, and must not pay for a lock in each loop
//! turn. It loads one generation number per turn and takes the lock only when that moved.
//! Not for settings that need more than a new value: see [`crate::admin::Admin`].

use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::sync::{AtomicU64, Ordering};

use super::table::{Change, find};
use super::value::ValueError;
use super::{Setting, Settings};

/// Why CONFIG SET changed nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum UpdateError {
    /// One name twice.
    Duplicate(&'static str),
    /// No setting of this name.
    Unknown(Vec<u8>),
    /// A value that its setting does not take.
    Value(&'static str, ValueError),
}

/// The settings of a running server.
#[derive(Debug)]
pub struct SharedSettings {
    generation: AtomicU64,
    current: Mutex<Arc<Settings>>,
}

impl SharedSettings {
    /// Publishes the first snapshot.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { generation: AtomicU64::new(1), current: Mutex::new(Arc::new(settings)) }
    }

    /// The current snapshot. Cost: an uncontended lock and a reference count.
    #[must_use]
    pub fn load(&self) -> Arc<Settings> {
        Arc::clone(&self.lock())
    }

    /// Changes whenever the snapshot does.
    #[must_use]
    pub fn generation(&self) -> u64 {
        // ORDER(settings-publish): Acquire; who sees the new number and then takes the lock finds
        // the new snapshot.
        self.generation.load(Ordering::Acquire)
    }

    /// Changes several settings at once, or none (S2).
    ///
    /// `commit` runs once all values are checked, with the old and the new snapshot, and may
    /// still refuse; what it does (allocate, raise limits) must be harmless if it then fails.
    /// Concurrent updates wait for each other.
    ///
    /// # Errors
    /// [`UpdateError`] for the first wrong pair, or whatever `commit` answers.
    pub fn update<E: From<UpdateError>>(
        &self,
        pairs: &[(&[u8], &[u8])],
        commit: impl FnOnce(&Settings, &mut Settings) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut current = self.lock();
        let mut draft = Settings::clone(&current);
        for (row, value) in changeable(pairs)? {
            (row.write)(&mut draft, value)
                .map_err(|error| E::from(UpdateError::Value(row.name, error)))?;
        }
        commit(&current, &mut draft)?;
        assert!(draft.password_new.is_none(), "a password is published only as a hash");
        *current = Arc::new(draft);
        // ORDER(settings-publish): Release; pairs with `generation`.
        self.generation.fetch_add(1, Ordering::Release);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Settings>> {
        // Nothing is half-done behind a poisoned lock: the snapshot is replaced by one store.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Resolves names in Redis's order of complaints: unknown names before anything else.
fn changeable<'v>(
    pairs: &[(&[u8], &'v [u8])],
) -> Result<Vec<(&'static Setting, &'v [u8])>, UpdateError> {
    let mut rows: Vec<(&'static Setting, &[u8])> = Vec::with_capacity(pairs.len());
    let mut refused = None;
    for (name, value) in pairs {
        let row = find(name).ok_or_else(|| UpdateError::Unknown(name.to_vec()))?;
        if row.change == Change::Start {
            refused = refused.or(Some(UpdateError::Value(row.name, ValueError::Immutable)));
        }
        if rows.iter().any(|(other, _)| other.name == row.name) {
            refused = refused.or(Some(UpdateError::Duplicate(row.name)));
        }
        rows.push((row, value));
    }
    refused.map_or(Ok(rows), Err)
}

/// One thread's view: derefs to the snapshot it last saw.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use server::settings::{Settings, SettingsReader, SharedSettings, UpdateError};
/// let shared = Arc::new(SharedSettings::new(Settings::default()));
/// let mut reader = SettingsReader::new(Arc::clone(&shared));
/// shared.update::<UpdateError>(&[(b"timeout", b"60")], |_, _| Ok(())).expect("a valid value");
/// assert_eq!(reader.idle_seconds_max, 0);
/// assert!(reader.refresh());
/// assert_eq!(reader.idle_seconds_max, 60);
/// ```
#[derive(Clone, Debug)]
pub struct SettingsReader {
    shared: Arc<SharedSettings>,
    generation: u64,
    current: Arc<Settings>,
    /// Of `current`: asked for after every command.
    notable_us: u64,
}

impl SettingsReader {
    /// Starts with the current snapshot.
    #[must_use]
    pub fn new(shared: Arc<SharedSettings>) -> Self {
        // The number before the snapshot: a change in between is then seen as news.
        let generation = shared.generation();
        let current = shared.load();
        let notable_us = current.notable_us();
        Self { shared, generation, current, notable_us }
    }

    /// As [`Settings::notable_us`], without computing it.
    #[inline]
    #[must_use]
    pub fn notable_us(&self) -> u64 {
        self.notable_us
    }

    /// Looks for a newer snapshot; whether there was one. Cost: one load when there is none.
    #[inline]
    pub fn refresh(&mut self) -> bool {
        let generation = self.shared.generation();
        if generation == self.generation {
            return false;
        }
        self.generation = generation;
        self.current = self.shared.load();
        self.notable_us = self.current.notable_us();
        true
    }
}

impl Deref for SettingsReader {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.current
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(shared: &SharedSettings, pairs: &[(&str, &str)]) -> Result<(), UpdateError> {
        let pairs: Vec<(&[u8], &[u8])> =
            pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        shared.update(&pairs, |_, _| Ok(()))
    }

    #[test]
    fn all_pairs_or_none() {
        let shared = SharedSettings::new(Settings::default());
        let before = shared.generation();
        let error = set(&shared, &[("maxmemory", "64mb"), ("timeout", "abc")]);
        assert_eq!(error, Err(UpdateError::Value("timeout", ValueError::Integer)));
        assert_eq!(shared.load().memory_max, 0);
        assert_eq!(shared.generation(), before);
        set(&shared, &[("maxmemory", "64mb"), ("TIMEOUT", "5")]).unwrap();
        assert_eq!((shared.load().memory_max, shared.load().idle_seconds_max), (64 << 20, 5));
    }

    #[test]
    fn complaints_come_in_redis_order() {
        let shared = SharedSettings::new(Settings::default());
        let error = set(&shared, &[("port", "1"), ("nosuch", "1")]);
        assert_eq!(error, Err(UpdateError::Unknown(b"nosuch".to_vec())));
        let error = set(&shared, &[("timeout", "abc"), ("port", "1")]);
        assert_eq!(error, Err(UpdateError::Value("port", ValueError::Immutable)));
        let error = set(&shared, &[("timeout", "1"), ("timeout", "2")]);
        assert_eq!(error, Err(UpdateError::Duplicate("timeout")));
    }

    #[test]
    fn a_refused_commit_publishes_nothing() {
        let shared = SharedSettings::new(Settings::default());
        let refused = UpdateError::Value("timeout", ValueError::Immutable);
        let answer = shared.update(&[(b"timeout", b"9")], |_, _| Err(refused.clone()));
        assert_eq!(answer, Err(refused));
        assert_eq!(shared.load().idle_seconds_max, 0);
    }
}
