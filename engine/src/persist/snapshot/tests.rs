//! A scan under writers: what it takes is the store at one instant.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::begin::{Patience, begin};
use super::scan::{Piece, Scan, Source, Taker};
use crate::commands::lookup;
use crate::persist::meter::Meter;
use crate::reply::Discard;
use crate::sync::{AtomicBool, Ordering};
use crate::values::hash::Hash;
use crate::{Collection, Engine, Halt, NoHost, Scope, Session};

type Image = BTreeMap<(u16, Vec<u8>), Vec<(Vec<u8>, Vec<u8>)>>;

/// Keeps what it takes: fields of hashes, and strings as one field without a name.
#[derive(Default)]
struct Keep(Image);

impl Taker for Keep {
    fn take(&mut self, piece: Piece<'_>) {
        let value = match piece.source {
            Source::Large(large) => vec![(Vec::new(), large.to_vec())],
            Source::Object(object) => {
                // SAFETY: nobody edits what a taker is given.
                fields(unsafe { &*object.body::<Hash>() }.as_ref())
            }
            Source::Record(record) => match (record.text(), record.packed()) {
                (Some(text), _) => vec![(Vec::new(), text.to_bytes().into_owned())],
                (None, Some((code, bytes))) => fields(Hash::view(code, bytes)),
                (None, None) => panic!("a tombstone or an object"),
            },
        };
        let before = self.0.insert((piece.db, piece.key.to_vec()), value);
        assert!(before.is_none(), "{:?} was taken twice", String::from_utf8_lossy(piece.key));
    }

    fn settle(&mut self) {}

    fn has_failed(&self) -> bool {
        false
    }
}

fn fields(hash: <Hash as Collection>::Ref<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let pair = |item: crate::values::hash::Item<'_>| {
        (item.field.to_bytes().into_owned(), item.value.to_bytes().into_owned())
    };
    let mut fields: Vec<_> = hash.iter().map(pair).collect();
    fields.sort();
    fields
}

const NOW_MS: u64 = 1_700_000_000_000;

/// Runs a command until it is not refused for being busy; returns the epoch of its turn.
fn run(session: &mut Session, db: u16, words: &[&[u8]]) -> u64 {
    let spec = lookup(words[0]).expect("a command");
    loop {
        let mut scope = Scope { db, ..Scope::default() };
        let mut turn = session.enter(NOW_MS);
        let epoch = turn.epoch();
        match turn.run(&mut scope, &mut NoHost, spec, words, &mut Discard) {
            Ok(()) => return epoch,
            Err(Halt::Busy) => {
                drop(turn);
                std::thread::yield_now();
            }
            Err(halt) => panic!("{halt:?}"),
        }
    }
}

fn words(text: &str) -> Vec<Vec<u8>> {
    text.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

fn say(session: &mut Session, db: u16, text: &str) -> u64 {
    let words = words(text);
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    run(session, db, &words)
}

/// Takes a snapshot; returns its epoch and what it took.
fn take(engine: &Engine, threads: usize) -> (u64, Image) {
    let shared = &engine.shared;
    let own = shared.hire_scanner();
    let meter = Meter::default();
    let (cut, _) = begin(shared, &own, 1 << 20, &meter, &mut |_| {}).expect("not abandoned");
    let mut takers: Vec<Keep> = (0..threads).map(|_| Keep::default()).collect();
    let scan = Scan::new(shared, &cut, &meter);
    scan.run(&mut takers);
    let mut patience = Patience::default();
    scan.finish(&own, &mut takers[0], || patience.next_try());
    shared.rest_scanner(own);
    let mut all = Image::new();
    for taker in takers {
        for (key, value) in taker.0 {
            assert!(all.insert(key.clone(), value).is_none(), "{key:?} was taken by two");
        }
    }
    assert_eq!(meter.keys(), all.len() as u64);
    (cut.epoch(), all)
}

#[test]
fn a_store_at_rest_is_taken_whole_again_and_again() {
    let engine = Engine::builder().databases(3).seed(1).build();
    let mut session = engine.session();
    for i in 0..5_000 {
        say(&mut session, i % 3, &format!("SET key:{i} {i}"));
    }
    for i in 0..1_000 {
        say(&mut session, 1, &format!("HSET large field:{i} {i}"));
    }
    for round in 0..7 {
        let (_, image) = take(&engine, 1 + round % 2);
        assert_eq!(image.len(), 5_001, "round {round}");
        assert_eq!(image[&(1, b"large".to_vec())].len(), 1_000);
        say(&mut session, 0, "SET key:0 new");
    }
}

/// Keys of the transfers between strings, and fields of those inside the large hash.
const ACCOUNTS: u64 = 300;
const START: i64 = 1_000;

/// Moves amounts between accounts, each move one transaction, until told to stop.
fn transfer(engine: &Engine, seed: u64, stop: &AtomicBool) {
    let mut session = engine.session();
    let mut random = seed;
    let queue = |text: &str| {
        let args = words(text);
        crate::Queued { spec: lookup(&args[0]).expect("a command"), args }
    };
    while !stop.load(Ordering::Relaxed) {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (from, to) = ((random >> 33) % ACCOUNTS, (random >> 20) % ACCOUNTS);
        let amount = random >> 60;
        let moves = [
            queue(&format!("INCRBY account:{from} -{amount}")),
            queue(&format!("INCRBY account:{to} {amount}")),
            queue(&format!("HINCRBY bank field:{from} -{amount}")),
            queue(&format!("HINCRBY bank field:{to} {amount}")),
        ];
        let mut scope = Scope::default();
        // Busy when another holds the keys: nothing was moved.
        let _ = session
            .enter(NOW_MS)
            .with(&mut scope, &mut Discard, |context| context.exec(&mut NoHost, &moves));
        // A key that wanders, and one that comes and goes.
        let at = random % 2;
        if seed == 1 {
            let name = format!("RENAME wanderer:{at} wanderer:{}", 1 - at);
            let args = words(&name);
            let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
            let spec = lookup(b"rename").expect("a command");
            let _ = session.enter(NOW_MS).run(&mut scope, &mut NoHost, spec, &args, &mut Discard);
        } else {
            say(&mut session, 0, "SET fleeting 1");
            say(&mut session, 0, "HSET wanderer:0 none 0");
            say(&mut session, 0, "DEL fleeting");
            say(&mut session, 0, "HDEL wanderer:0 none");
        }
    }
}

#[test]
fn what_is_taken_under_transfers_adds_up() {
    let engine = Engine::builder().databases(2).seed(2).build();
    let mut session = engine.session();
    for i in 0..ACCOUNTS {
        say(&mut session, 0, &format!("SET account:{i} {START}"));
        say(&mut session, 0, &format!("HSET bank field:{i} {START}"));
        say(&mut session, 0, &format!("HSET wanderer:0 field:{i} value-{i}"));
    }
    for i in 0..20_000 {
        say(&mut session, 1, &format!("SET bystander:{i} {i}"));
    }
    let stop = AtomicBool::new(false);
    let failed = Mutex::new(None);
    std::thread::scope(|scope| {
        for seed in 1..=2 {
            let (engine, stop) = (&engine, &stop);
            scope.spawn(move || transfer(engine, seed, stop));
        }
        for round in 0..20 {
            let (_, image) = take(&engine, 2);
            let number =
                |value: &[u8]| -> i64 { std::str::from_utf8(value).unwrap().parse().unwrap() };
            let of = |i: u64| &image[&(0, format!("account:{i}").into_bytes())][0].1;
            let sum: i64 = (0..ACCOUNTS).map(|i| number(of(i))).sum();
            let bank = &image[&(0, b"bank".to_vec())];
            let inside: i64 = bank.iter().map(|(_, value)| number(value)).sum();
            let wanderers: Vec<usize> = (0..2)
                .filter_map(|i| image.get(&(0, format!("wanderer:{i}").into_bytes())))
                .map(|fields| fields.iter().filter(|(name, _)| name != b"none").count())
                .filter(|&count| count > 0)
                .collect();
            let bystanders = image.keys().filter(|(db, _)| *db == 1).count();
            let whole = i64::try_from(ACCOUNTS).unwrap() * START;
            let got = (sum, inside, bank.len(), wanderers, bystanders);
            let want = (whole, whole, 300, vec![300], 20_000);
            if got != want {
                *failed.lock().unwrap() = Some((round, got));
                break;
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(failed.into_inner().unwrap(), None);
}

#[test]
fn flushed_and_swapped_databases_are_taken_as_they_were() {
    let engine = Engine::builder().databases(3).seed(3).build();
    let mut session = engine.session();
    for i in 0..10_000 {
        say(&mut session, 0, &format!("SET zero:{i} {i}"));
        say(&mut session, 1, &format!("SET one:{i} {i}"));
    }
    let shared = &engine.shared;
    let own = shared.hire_scanner();
    let meter = Meter::default();
    let (cut, _) = begin(shared, &own, 1 << 20, &meter, &mut |_| {}).expect("not abandoned");
    let mut taker = [Keep::default()];
    let epoch = say(&mut session, 0, "SWAPDB 0 1");
    assert!(epoch > cut.epoch());
    say(&mut session, 0, "SET one:5 changed");
    say(&mut session, 0, "DEL one:6");
    say(&mut session, 1, "FLUSHDB SYNC");
    say(&mut session, 1, "SET zero:7 new");
    say(&mut session, 0, "SWAPDB 0 2");
    say(&mut session, 2, "DEL one:8");
    say(&mut session, 0, "FLUSHALL");
    say(&mut session, 0, "SET one:9 new");
    let scan = Scan::new(shared, &cut, &meter);
    scan.run(&mut taker);
    let mut patience = Patience::default();
    scan.finish(&own, &mut taker[0], || patience.next_try());
    let image = &taker[0].0;
    assert_eq!(image.len(), 20_000);
    for i in 0..10_000 {
        let value = |db, name| image[&(db, format!("{name}:{i}").into_bytes())][0].1.clone();
        assert_eq!(value(0, "zero"), i.to_string().as_bytes());
        assert_eq!(value(1, "one"), i.to_string().as_bytes());
    }
    assert_eq!(session.enter(NOW_MS).get(0, b"one:9"), Ok(Some(b"new".to_vec())));
}
