//! What must hold of reading any bytes as a log: unit tests and the fuzzer call the same functions.

use std::sync::Arc;

use zumic_error::{Error, ErrorKind};

use super::appender::{Appender, Beginning};
use super::draft::Draft;
use super::entry::{self, Entry, HEADER_BYTES, VARINT_BYTES_MAX, put_varint};
use super::format::{Kind, RUN_HEADER_BYTES, segment_name};
use super::recover::{Receive, Recovered, recover};
use crate::Tid;
use crate::persist::testing::MemoryDisk;
use crate::persist::{Disk, Progress};

/// An entry, with bytes of its own.
pub(crate) type Seen = (u64, Vec<(u16, Vec<Vec<u8>>)>);

/// Collects entries, and holds them to the order they must come in.
#[derive(Debug, Default)]
pub(crate) struct Collect {
    pub(crate) entries: Vec<Seen>,
    /// The database and the keys that it was told to expect.
    pub(crate) expected: Option<(u64, u64)>,
}

impl Receive for Collect {
    fn expect_keys(&mut self, db: u64, keys: u64) {
        self.expected = Some((db, keys));
    }

    fn entry(&mut self, entry: Entry<'_>) -> Result<(), Error> {
        let effects = entry
            .effects()
            .map(|effect| (effect.db, effect.words().map(<[u8]>::to_vec).collect()))
            .collect();
        let tid = entry.tid.to_bits();
        assert!(self.entries.last().is_none_or(|last| last.0 <= tid), "entries come by TID");
        self.entries.push((tid, effects));
        Ok(())
    }
}

/// Reads a disk's log; what it finds must be sound, and what it refuses must say where.
pub(crate) fn read(disk: &MemoryDisk) -> Result<(Vec<Seen>, Recovered), Error> {
    let mut into = Collect::default();
    match recover(disk, 0, &Progress::default(), &mut into) {
        Ok(recovered) => Ok((into.entries, recovered)),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
            Err(error)
        }
    }
}

/// An entry's bytes.
pub(crate) fn entry_bytes(tid: Tid, now_ms: u64, db: u16, words: &[&[u8]]) -> Vec<u8> {
    let mut effects = Vec::new();
    let number = |effects: &mut Vec<u8>, number: u64| {
        let mut varint = [0; VARINT_BYTES_MAX];
        let length = put_varint(number, &mut varint);
        effects.extend_from_slice(&varint[..length]);
    };
    number(&mut effects, u64::from(db));
    number(&mut effects, words.len() as u64);
    for word in words {
        number(&mut effects, word.len() as u64);
        effects.extend_from_slice(word);
    }
    let mut bytes = entry::header(HEADER_BYTES + effects.len(), tid, now_ms).to_vec();
    bytes.append(&mut effects);
    bytes
}

/// A run's bytes.
pub(crate) fn run_bytes(entries: &[u8]) -> Vec<u8> {
    let mut bytes = (entries.len() as u64).to_le_bytes().to_vec();
    debug_assert_eq!(bytes.len(), RUN_HEADER_BYTES);
    bytes.extend_from_slice(entries);
    bytes
}

/// A log without segments yet, on `disk`.
pub(crate) fn appender(disk: &MemoryDisk, segment_bytes: u64) -> Appender {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut appender = Appender::new(disk, segment_bytes, 1, Vec::new(), (0, 0), Vec::new());
    let beginning = Beginning { kind: Kind::Next, base: 0, highest: 0, synced: 0 };
    appender.begin(beginning).expect("memory does not fail");
    appender
}

/// Bytes as a segment, and as the payload of a sound block of one: neither may do any harm.
pub fn any_bytes_are_read_or_refused(bytes: &[u8]) {
    let disk = MemoryDisk::default();
    disk.put(&segment_name(1), bytes.to_vec());
    let _ = read(&disk);

    let disk = MemoryDisk::default();
    let mut appender = appender(&disk, 1 << 20);
    let mut block = Draft::new();
    block.push(bytes);
    appender.append(&mut block, (1, 0, 1)).expect("memory does not fail");
    if let Ok((entries, recovered)) = read(&disk) {
        assert_eq!((recovered.complete, recovered.torn), (1, None));
        assert!(entries.iter().all(|entry| Tid::from_bits(entry.0).epoch() <= 1));
    }
}

/// A sound log of a few blocks, changed at a place by the input: what is read of it is a beginning
/// of what was written, and what every later block vouches for is not missing.
pub fn a_changed_log_gives_a_prefix_or_an_error(bytes: &[u8]) {
    let Some((&[at_low, at_high, change], cuts)) = bytes.split_first_chunk() else { return };
    let (disk, written) = sample_log();
    let names = disk.list().expect("memory does not fail");
    let name = &names[usize::from(at_high) % names.len()];
    let mut content = disk.read(name).expect("just listed");
    let at = (usize::from(at_high) * 256 + usize::from(at_low)) % content.len();
    content[at] ^= change;
    if let [cut_low, cut_high, ..] = cuts {
        content.truncate(usize::from(*cut_high) * 256 + usize::from(*cut_low));
    }
    disk.put(name, content);
    if let Ok((entries, _)) = read(&disk) {
        assert_eq!(entries, written[..entries.len()], "no beginning of what was written");
    }
}

/// Three segments of small blocks, each synced before the next was written, and what they hold.
pub(crate) fn sample_log() -> (MemoryDisk, Vec<Seen>) {
    let disk = MemoryDisk::default();
    let mut log = appender(&disk, 700);
    let mut written = Vec::new();
    let mut early: Vec<Seen> = Vec::new();
    for epoch in 1..=12_u64 {
        let mut block = Draft::new();
        let mut due = std::mem::take(&mut early);
        for session in 0..2_u64 {
            let mut run = Vec::new();
            // The second session is early with its last entry.
            for step in 0..2 {
                let of = epoch + (session & step);
                let tid = Tid::from_bits(Tid::start_of(of).to_bits() + 10 * step + session);
                let key = format!("k{}", (epoch + session) % 3);
                let value = format!("{epoch}:{session}:{step}");
                let words: [&[u8]; 3] = [b"SET", key.as_bytes(), value.as_bytes()];
                run.extend(entry_bytes(tid, 1_000 + epoch, 0, &words));
                let seen = (tid.to_bits(), vec![(0, words.map(<[u8]>::to_vec).to_vec())]);
                if of > epoch { early.push(seen) } else { due.push(seen) }
            }
            block.push(&run_bytes(&run));
        }
        due.sort_by_key(|seen| seen.0);
        written.append(&mut due);
        if log.is_full(block.len()) {
            let (base, highest) = (epoch - 1, epoch);
            let beginning = Beginning { kind: Kind::Next, base, highest, synced: base };
            log.begin(beginning).expect("memory does not fail");
        }
        log.append(&mut block, (epoch, epoch - 1, epoch + 1)).expect("memory does not fail");
    }
    // Zeros behind the last block of a file are nothing that could be damaged.
    for name in disk.list().expect("memory does not fail") {
        let mut content = disk.read(&name).expect("just listed");
        while content.pop_if(|byte| *byte == 0).is_some() {}
        disk.put(&name, content);
    }
    (disk, written)
}
