//! Libraries of functions: what FUNCTION LOAD has brought, for all interpreters.
//!
//! Why it exists: functions are data, as keys are: they are in the log and in snapshots, and each
//! interpreter loads a library when it first calls one of its functions. The catalog of all
//! libraries is replaced whole; who runs functions keeps one and looks at the version.
//!
//! Invariants
//! - L1: a catalog is never changed, only replaced by another one, under the lock.
//! - L2: a function has one name in the whole catalog, and a library too.
//!
//! Ordering edges
//! - `libraries-version`: a replacement (Release) -> a look (Acquire). Carries nothing but the
//!   number; the catalog has its lock.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use smallvec::SmallVec;
use zumic_error::{CommandError, ScriptError};

use super::checked;
use super::lua::ScriptFlags;
use crate::persist::rdb::{Input, checksum, put_string};
use crate::sync::{AtomicU64, Ordering};

/// The byte before a library in Redis's dumps.
const LIBRARY: u8 = 245;
/// The version of Redis's dumps that functions came with.
const DUMP_VERSION: u16 = 10;
/// Version and checksum.
const SEAL_BYTES: usize = 10;

/// A function.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Function {
    pub(crate) name: Box<[u8]>,
    pub(crate) description: Option<Box<[u8]>>,
    pub(crate) flags: ScriptFlags,
}

/// A library.
#[derive(Debug)]
pub(crate) struct Library {
    pub(crate) name: String,
    /// As it was sent.
    pub(crate) source: Box<[u8]>,
    code_at: usize,
    /// In the order of their names.
    pub(crate) functions: Vec<Function>,
}

impl Library {
    /// Reads the first line, and runs the code to see which functions it registers.
    ///
    /// # Errors
    /// The line for the client.
    pub(crate) fn new(source: &[u8]) -> Result<Self, CommandError> {
        let (name, code_at) = metadata(source)?;
        let mut functions = checked::functions(&source[code_at..])?;
        if functions.is_empty() {
            return Err(ScriptError::NoFunctions.into());
        }
        functions.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Self { name, source: source.into(), code_at, functions })
    }

    /// The name in the first line.
    ///
    /// # Errors
    /// The first line makes no sense.
    pub(crate) fn name_of(source: &[u8]) -> Result<String, ScriptError> {
        metadata(source).map(|(name, _)| name)
    }

    /// What Lua runs. The line numbers are those of the source.
    pub(crate) fn code(&self) -> &[u8] {
        &self.source[self.code_at..]
    }
}

/// The name in a library's first line, and where that ends.
fn metadata(source: &[u8]) -> Result<(String, usize), ScriptError> {
    use ScriptError::LibraryMetadataInvalid as Invalid;
    if !source.starts_with(b"#!") {
        return Err(Invalid("Missing library metadata".into()));
    }
    let end = source.iter().position(|byte| *byte == b'\n');
    let end = end.ok_or_else(|| Invalid("Invalid library metadata".into()))?;
    let line = String::from_utf8_lossy(&source[2..end]);
    let mut words = line.split_ascii_whitespace();
    let engine = words.next().ok_or_else(|| Invalid("Invalid library metadata".into()))?;
    let mut name = None;
    for word in words {
        match word.strip_prefix("name=") {
            Some(_) if name.is_some() => {
                let text = "Invalid metadata value, name argument was given multiple times";
                return Err(Invalid(text.into()));
            }
            Some(given) => name = Some(given.to_owned()),
            None => return Err(Invalid(format!("Invalid metadata value given: {word}"))),
        }
    }
    let name = name.ok_or_else(|| Invalid("Library name was not given".into()))?;
    let known = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    if name.is_empty() || !name.chars().all(known) {
        return Err(ScriptError::LibraryNameInvalid);
    }
    if !engine.eq_ignore_ascii_case("lua") {
        return Err(ScriptError::EngineUnknown(engine.to_owned()));
    }
    Ok((name, end))
}

/// All libraries at one time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Catalog {
    pub(crate) libraries: BTreeMap<String, Arc<Library>>,
    /// Which library has a function, by the function's name in lower case: as in Redis, callers
    /// need not mind its case, and no two functions differ in nothing else.
    functions: HashMap<Box<[u8]>, Arc<Library>>,
}

/// What functions are looked up by.
fn folded(name: &[u8]) -> SmallVec<[u8; 32]> {
    name.iter().map(u8::to_ascii_lowercase).collect()
}

impl Catalog {
    /// Which library has a function, and which of its functions it is.
    pub(crate) fn find(&self, name: &[u8]) -> Option<(&Arc<Library>, usize)> {
        let library = self.functions.get(&*folded(name))?;
        let is_meant = |function: &Function| function.name.eq_ignore_ascii_case(name);
        let function = library.functions.iter().position(is_meant);
        Some((library, function.expect("the catalog and its library agree")))
    }

    pub(crate) fn function_count(&self) -> usize {
        self.functions.len()
    }

    /// Adds a library; one of the same name goes if it may be replaced.
    pub(crate) fn add(&mut self, library: Arc<Library>, replace: bool) -> Result<(), ScriptError> {
        if self.libraries.contains_key(&library.name) {
            if !replace {
                return Err(ScriptError::LibraryExists(library.name.clone()));
            }
            self.remove(&library.name);
        }
        for function in &library.functions {
            if self.functions.contains_key(&*folded(&function.name)) {
                let name = String::from_utf8_lossy(&function.name).into_owned();
                return Err(ScriptError::FunctionExists(name));
            }
        }
        for function in &library.functions {
            self.functions.insert(folded(&function.name).into_boxed_slice(), Arc::clone(&library));
        }
        self.libraries.insert(library.name.clone(), library);
        Ok(())
    }

    /// Removes a library; false when there is none.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        let Some(library) = self.libraries.remove(name) else { return false };
        for function in &library.functions {
            self.functions.remove(&*folded(&function.name));
        }
        true
    }

    /// FUNCTION DUMP's payload.
    pub(crate) fn dump(&self) -> Vec<u8> {
        let mut payload = Vec::new();
        for library in self.libraries.values() {
            payload.push(LIBRARY);
            put_string(&library.source, false, &mut payload);
        }
        payload.extend_from_slice(&DUMP_VERSION.to_le_bytes());
        let sum = checksum(&payload);
        payload.extend_from_slice(&sum.to_le_bytes());
        payload
    }

    /// The libraries in a payload.
    ///
    /// # Errors
    /// It is damaged, or one of them cannot be loaded.
    pub(crate) fn undump(payload: &[u8]) -> Result<Self, CommandError> {
        let invalid = || CommandError::from(ScriptError::PayloadInvalid);
        let at = payload.len().checked_sub(8).filter(|at| at + 8 >= SEAL_BYTES);
        let (sealed, sum) = payload.split_at(at.ok_or_else(invalid)?);
        if checksum(sealed).to_le_bytes() != *sum {
            return Err(invalid());
        }
        let (body, version) = sealed.split_at(sealed.len() - 2);
        if u16::from_le_bytes([version[0], version[1]]) > 12 {
            return Err(invalid());
        }
        let mut input = Input::new(body);
        let mut catalog = Self::default();
        while input.left() > 0 {
            if input.byte().map_err(|_| invalid())? != LIBRARY {
                return Err(ScriptError::PayloadForeign.into());
            }
            let source = input.word().map_err(|_| invalid())?.to_vec();
            catalog.add(Arc::new(Library::new(&source)?), false)?;
        }
        Ok(catalog)
    }
}

/// The catalog that holds now.
#[derive(Debug, Default)]
pub(crate) struct Libraries {
    current: Mutex<Arc<Catalog>>,
    version: AtomicU64,
}

impl Libraries {
    fn lock(&self) -> MutexGuard<'_, Arc<Catalog>> {
        // A whole catalog is stored; nothing is half-done behind a poisoned lock.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The catalog. Cost: a lock; who runs functions looks at the version first.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.lock())
    }

    /// Counts replacements.
    #[inline]
    pub(crate) fn version(&self) -> u64 {
        // ORDER(libraries-version): Acquire; pairs with `change`.
        self.version.load(Ordering::Acquire)
    }

    /// Replaces the catalog by a changed copy.
    ///
    /// # Errors
    /// What `change` returns; the catalog is as before then.
    pub(crate) fn change<R, E>(
        &self,
        change: impl FnOnce(&mut Catalog) -> Result<R, E>,
    ) -> Result<R, E> {
        let mut current = self.lock();
        let mut next = Catalog::clone(&current);
        let result = change(&mut next)?;
        *current = Arc::new(next);
        // ORDER(libraries-version): Release; pairs with `version`.
        self.version.fetch_add(1, Ordering::Release);
        Ok(result)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const ONE: &[u8] = b"#!lua name=one\nredis.register_function('f', function() return 1 end)";
    const TWO: &[u8] = b"#!lua name=two\nredis.register_function{function_name='g', \
        callback=function() return 1 end, flags={'no-writes'}, description='d'}";

    #[test]
    fn the_first_line_is_read_as_redis_reads_it() {
        let error = |source: &str| Library::new(source.as_bytes()).unwrap_err().to_string();
        for (source, text) in [
            ("return 1", "ERR Missing library metadata"),
            ("#!lua name=a", "ERR Invalid library metadata"),
            ("#!lua\n", "ERR Library name was not given"),
            ("#!lua x=y\n", "ERR Invalid metadata value given: x=y"),
            ("#!js name=a\n", "ERR Engine 'js' not found"),
            ("#!lua name=a\n", "ERR No functions registered"),
        ] {
            assert_eq!(error(source), text, "{source}");
        }
        assert!(error("#!lua name=a-b\n").contains("letters, numbers, or underscores"));
        assert!(error("#!lua name=a\nreturn x.y").starts_with("ERR Error registering functions"));
        assert!(error("#!lua name=a\nreturn (").starts_with("ERR Error compiling function"));
    }

    #[test]
    fn names_are_there_once() {
        let libraries = Libraries::default();
        let add = |source: &[u8], replace| {
            let library = Arc::new(Library::new(source).unwrap());
            libraries.change(|catalog| catalog.add(library, replace))
        };
        add(ONE, false).unwrap();
        assert_eq!(add(ONE, false), Err(ScriptError::LibraryExists("one".into())));
        add(ONE, true).unwrap();
        let thief = b"#!lua name=thief\nredis.register_function('f', function() end)";
        assert_eq!(add(thief, false), Err(ScriptError::FunctionExists("f".into())));
        assert_eq!(libraries.version(), 2);
        assert!(libraries.change(|catalog| catalog.remove("one").then_some(()).ok_or(())).is_ok());
        assert!(libraries.catalog().find(b"f").is_none());
        add(thief, false).unwrap();
    }

    #[test]
    fn a_dump_is_restored_and_damage_is_seen() {
        let mut catalog = Catalog::default();
        for source in [ONE, TWO] {
            catalog.add(Arc::new(Library::new(source).unwrap()), false).unwrap();
        }
        let dump = catalog.dump();
        let back = Catalog::undump(&dump).unwrap();
        assert_eq!(back.dump(), dump);
        let (library, number) = back.find(b"G").unwrap();
        assert_eq!(library.name, "two");
        let function = &library.functions[number];
        assert!(function.flags.no_writes && function.description.as_deref() == Some(b"d"));
        assert!(Catalog::undump(&Catalog::default().dump()).unwrap().libraries.is_empty());
        for at in 0..dump.len() {
            let mut damaged = dump.clone();
            damaged[at] ^= 1;
            assert!(Catalog::undump(&damaged).is_err(), "byte {at}");
            assert!(Catalog::undump(&dump[..at]).is_err(), "cut at {at}");
        }
    }
}
