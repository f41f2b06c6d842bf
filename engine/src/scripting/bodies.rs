//! The bodies of scripts that clients have sent, by their SHA1.
//!
//! Why it exists: EVALSHA finds on every reactor what EVAL or SCRIPT LOAD brought to one of them.
//! The map is shared and locked; each reactor keeps what it has used in a map of its own
//! ([`Shelf`]), so that a script that runs often touches nothing shared but one counter.
//!
//! Invariants
//! - B1: what SCRIPT LOAD brought stays until SCRIPT FLUSH. What only EVAL brought goes when
//!   [`EVALED_MAX`] others were brought after it; the count is Redis 7.4's.
//! - B2: a shelf of an older generation is emptied before it is looked at, so nothing is found
//!   after SCRIPT FLUSH has answered.
//!
//! Ordering edges
//! - `bodies-generation`: SCRIPT FLUSH (Release) -> a look at a shelf (Acquire). Carries nothing
//!   but the number; the map has its lock.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasherDefault;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zumic_error::ScriptError;

use super::lua::{ScriptFlags, ShaHasher, sha1_hex};
use crate::sync::{AtomicU64, Ordering};

/// Scripts kept that only EVAL brought.
const EVALED_MAX: usize = 500;
/// Scripts on a reactor's shelf; all go when it is full.
const SHELF_MAX: usize = 1_024;

/// A SHA1 in hexadecimal digits, lower case.
pub(crate) type Sha = [u8; 40];

/// A script.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) sha: Sha,
    /// As it was sent.
    pub(crate) source: Box<[u8]>,
    /// Where Lua begins in it: at the end of a shebang line.
    code_at: usize,
    /// What its first line says, `#!lua flags=no-writes`. Without such a line a script may do what
    /// scripts could before there were flags.
    pub(crate) flags: Option<ScriptFlags>,
}

impl Body {
    /// Reads the first line, if it is a shebang, and computes the SHA1.
    ///
    /// # Errors
    /// The first line makes no sense.
    pub(crate) fn new(source: &[u8]) -> Result<Self, ScriptError> {
        let (flags, code_at) = shebang(source)?;
        Ok(Self { sha: sha1_hex(source), source: source.into(), code_at, flags })
    }

    /// What Lua compiles. The line numbers are those of the source.
    pub(crate) fn code(&self) -> &[u8] {
        &self.source[self.code_at..]
    }
}

/// The flags in the first line, and where it ends.
fn shebang(source: &[u8]) -> Result<(Option<ScriptFlags>, usize), ScriptError> {
    let mut flags = ScriptFlags::default();
    if !source.starts_with(b"#!") {
        return Ok((None, 0));
    }
    let end = source.iter().position(|byte| *byte == b'\n').ok_or(ScriptError::ShebangInvalid)?;
    let mut words = source[..end].split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    match words.next() {
        Some(b"#!lua") => {}
        other => {
            return Err(ScriptError::EngineUnexpected(other.unwrap_or_default().to_vec()));
        }
    }
    for word in words {
        let list = word.strip_prefix(b"flags=");
        let list = list.ok_or_else(|| ScriptError::ShebangOption(word.to_vec()))?;
        for name in list.split(|byte| *byte == b',').filter(|name| !name.is_empty()) {
            if !flags.set(name) {
                return Err(ScriptError::FlagUnexpected(name.to_vec()));
            }
        }
    }
    Ok((Some(flags), end))
}

#[derive(Debug)]
struct Entry {
    body: Arc<Body>,
    /// SCRIPT LOAD brought it.
    loaded: bool,
}

#[derive(Debug, Default)]
struct Map {
    entries: HashMap<Sha, Entry>,
    /// What EVAL brought, oldest first; some of it was loaded since.
    evaled: VecDeque<Sha>,
    bytes: u64,
}

/// The bodies of all scripts.
#[derive(Debug, Default)]
pub(crate) struct Bodies {
    map: Mutex<Map>,
    generation: AtomicU64,
}

impl Bodies {
    fn lock(&self) -> MutexGuard<'_, Map> {
        // Nothing in here is left half-done by a panic of another thread, which ends the process.
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a script; `loaded` by SCRIPT LOAD, or else as long as there is room.
    pub(crate) fn insert(&self, body: Body, loaded: bool) -> Arc<Body> {
        let mut map = self.lock();
        if let Some(entry) = map.entries.get_mut(&body.sha) {
            entry.loaded |= loaded;
            return Arc::clone(&entry.body);
        }
        let body = Arc::new(body);
        map.bytes += body.source.len() as u64;
        map.entries.insert(body.sha, Entry { body: Arc::clone(&body), loaded });
        if !loaded {
            map.evaled.push_back(body.sha);
            map.shed();
        }
        body
    }

    pub(crate) fn find(&self, sha: &Sha) -> Option<Arc<Body>> {
        self.lock().entries.get(sha).map(|entry| Arc::clone(&entry.body))
    }

    /// The same for digits in any case, and for what are none.
    pub(crate) fn find_any_case(&self, sha: &[u8]) -> Option<Arc<Body>> {
        let mut key: Sha = sha.try_into().ok()?;
        key.make_ascii_lowercase();
        self.find(&key)
    }

    /// SCRIPT FLUSH.
    pub(crate) fn flush(&self) {
        let old = std::mem::take(&mut *self.lock());
        // ORDER(bodies-generation): Release; pairs with `generation`.
        self.generation.fetch_add(1, Ordering::Release);
        drop(old);
    }

    /// Counts flushes.
    #[inline]
    pub(crate) fn generation(&self) -> u64 {
        // ORDER(bodies-generation): Acquire; pairs with `flush`.
        self.generation.load(Ordering::Acquire)
    }

    /// How many scripts there are, and the bytes of their bodies.
    pub(crate) fn totals(&self) -> (u64, u64) {
        let map = self.lock();
        (map.entries.len() as u64, map.bytes)
    }
}

impl Map {
    /// Forgets what EVAL brought longest ago (B1).
    fn shed(&mut self) {
        while self.evaled.len() > EVALED_MAX {
            let sha = self.evaled.pop_front().expect("more than none");
            if self.entries.get(&sha).is_some_and(|entry| !entry.loaded)
                && let Some(entry) = self.entries.remove(&sha)
            {
                self.bytes -= entry.body.source.len() as u64;
            }
        }
    }
}

/// What one reactor has used.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    by_sha: HashMap<Sha, Arc<Body>, BuildHasherDefault<ShaHasher>>,
    /// By a hash of the source.
    by_source: HashMap<u64, Arc<Body>>,
    generation: u64,
}

impl Shelf {
    fn refresh(&mut self, bodies: &Bodies) {
        let generation = bodies.generation();
        if generation != self.generation || self.by_sha.len() > SHELF_MAX {
            *self = Self { generation, ..Self::default() };
        }
    }

    /// EVALSHA's script.
    pub(crate) fn find(&mut self, bodies: &Bodies, sha: &[u8]) -> Option<Arc<Body>> {
        self.refresh(bodies);
        let mut key: Sha = sha.try_into().ok()?;
        if let Some(body) = self.by_sha.get(&key) {
            return Some(Arc::clone(body));
        }
        key.make_ascii_lowercase();
        let body = bodies.find(&key)?;
        self.by_sha.insert(key, Arc::clone(&body));
        Some(body)
    }

    /// EVAL's script, if it was run here before.
    pub(crate) fn find_source(&mut self, bodies: &Bodies, source: &[u8]) -> Option<Arc<Body>> {
        self.refresh(bodies);
        let body = self.by_source.get(&hash(source))?;
        (*body.source == *source).then(|| Arc::clone(body))
    }

    /// Keeps EVAL's script.
    pub(crate) fn keep(&mut self, body: &Arc<Body>) {
        if self.by_source.len() > SHELF_MAX {
            self.by_source.clear();
        }
        self.by_source.insert(hash(&body.source), Arc::clone(body));
    }
}

fn hash(source: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(source)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn body(text: &str) -> Body {
        Body::new(text.as_bytes()).expect("its first line is well-formed")
    }

    #[test]
    fn the_first_line_is_read_as_redis_reads_it() {
        let flags = body("#!lua flags=no-writes,allow-oom\nreturn 1").flags.unwrap();
        assert!(flags.no_writes && flags.allow_oom && !flags.no_cluster);
        assert_eq!(body("#!lua\nreturn 1").code(), b"\nreturn 1");
        assert_eq!(body("return 1").flags, None);
        for (text, error) in [
            ("#!lua", ScriptError::ShebangInvalid),
            ("#!python\n", ScriptError::EngineUnexpected(b"#!python".to_vec())),
            ("#!lua flags=x\n", ScriptError::FlagUnexpected(b"x".to_vec())),
            ("#!lua name=x\n", ScriptError::ShebangOption(b"name=x".to_vec())),
        ] {
            assert_eq!(Body::new(text.as_bytes()).unwrap_err(), error, "{text}");
        }
    }

    #[test]
    fn ten_thousand_scripts_do_not_stay() {
        let bodies = Bodies::default();
        let kept = bodies.insert(body("return 'kept'"), true).sha;
        let first = bodies.insert(body("return 0"), false).sha;
        (1..10_000).for_each(|number| {
            bodies.insert(body(&format!("return {number}")), false);
        });
        assert_eq!(bodies.totals().0, EVALED_MAX as u64 + 1);
        assert!(bodies.find(&kept).is_some() && bodies.find(&first).is_none());
        let mut shelf = Shelf::default();
        assert!(shelf.find(&bodies, &kept.to_ascii_uppercase()).is_some());
        assert!(shelf.find(&bodies, b"short").is_none());
        bodies.flush();
        assert!(shelf.find(&bodies, &kept).is_none());
        assert_eq!(bodies.totals(), (0, 0));
    }

    #[test]
    fn a_loaded_script_stays_though_eval_brought_it_first() {
        let bodies = Bodies::default();
        bodies.insert(body("return 'both'"), false);
        let sha = bodies.insert(body("return 'both'"), true).sha;
        for number in 0..=EVALED_MAX {
            bodies.insert(body(&format!("return {number}")), false);
        }
        assert!(bodies.find(&sha).is_some());
        let mut shelf = Shelf::default();
        assert!(shelf.find_source(&bodies, b"return 'both'").is_none());
        shelf.keep(&bodies.find(&sha).unwrap());
        assert!(shelf.find_source(&bodies, b"return 'both'").is_some());
    }
}
