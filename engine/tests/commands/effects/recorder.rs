//! A journal in memory, held to the rules of journals.

use std::sync::{Arc, Mutex};

use engine::{Journal, Tid};

use super::grammar::Line;

/// An entry of a log.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) tid: Tid,
    pub(crate) now_ms: u64,
    /// Effects with their databases.
    pub(crate) effects: Vec<(u16, Line)>,
}

/// Entries of all sessions of a store, in no order.
pub(crate) type Log = Arc<Mutex<Vec<Entry>>>;

/// One session's journal.
#[derive(Debug)]
pub(crate) struct Recorder {
    log: Log,
    staged: Vec<(u16, Line)>,
    last: Tid,
    /// What it answers when it is asked.
    pub(crate) congested: bool,
    pub(crate) fault: Option<String>,
}

impl Recorder {
    pub(crate) fn new(log: &Log) -> Self {
        let (staged, last) = (Vec::new(), Tid::ZERO);
        Self { log: Arc::clone(log), staged, last, congested: false, fault: None }
    }
}

impl Journal for Recorder {
    fn stage(&mut self, db: u16, words: &[&[u8]]) {
        self.staged.push((db, words.iter().map(|word| word.to_vec()).collect()));
    }

    fn publish(&mut self, tid: Tid, now_ms: u64) {
        assert!(tid > self.last, "TIDs of one session grow: {tid:?} after {:?}", self.last);
        assert!(!self.staged.is_empty(), "an entry has effects");
        self.last = tid;
        let effects = std::mem::take(&mut self.staged);
        self.log.lock().expect("no test panics here").push(Entry { tid, now_ms, effects });
    }

    fn withdraw(&mut self) {
        assert!(!self.staged.is_empty(), "something was staged");
        self.staged.clear();
    }

    fn turn_ended(&mut self) {
        assert!(self.staged.is_empty(), "a turn leaves nothing behind: {:?}", self.staged);
    }

    fn is_congested(&self) -> bool {
        self.congested
    }

    fn fault(&self) -> Option<String> {
        self.fault.clone()
    }
}
