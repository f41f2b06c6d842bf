//! The file itself: damage, giants, and the bytes of version 1.

use engine::persist::snapshot::SnapshotOptions;
use engine::persist::zdb::{
    BlockKind, Codec, Compression, Reader, ZdbError, ZdbFlaw, any_bytes_are_read_or_refused,
    any_content_is_read_or_refused,
};
use engine::{Engine, Session};

use super::run::{loaded, new_engine, picture, run, snapshot};

const PLAIN: SnapshotOptions = SnapshotOptions {
    threads: 1,
    compression: Compression::None,
    pending_bytes_max: 1 << 20,
    created_ms: 1_700_000_000_000,
};

fn fill_small(session: &mut Session) {
    for line in [
        "SET text plain",
        "SET number 123456",
        "SET deadline soon PXAT 1900000000000",
        "RPUSH list a b c",
        "SADD intset 1 2 3",
        "SADD set a b c",
        "ZADD zset 1 a 2.5 b",
        "HSET hash f1 v1 f2 v2",
        "HPEXPIREAT hash 1900000000001 FIELDS 1 f1",
        "XADD stream 1-1 field value",
        "XGROUP CREATE stream group 0",
        "TS.CREATE series RETENTION 1000",
        "TS.ADD series 1000 1.5",
    ] {
        run(session, 0, line);
    }
    run(session, 3, "SET elsewhere 1");
}

fn fill(session: &mut Session) {
    fill_small(session);
    for i in 0..150 {
        run(session, 1, &format!("HSET table f{i} v{i}"));
        run(session, 1, &format!("ZADD ranks {i} m{i}"));
        run(session, 1, &format!("SADD members m{i}"));
        run(session, 1, &format!("RPUSH queue m{i}"));
    }
}

fn filled() -> Engine {
    let engine = new_engine();
    fill(&mut engine.session());
    engine
}

#[test]
fn every_type_and_form_comes_back() {
    let engine = filled();
    for level in [None, Some(1), Some(19)] {
        let compression = level.map_or(Compression::None, Compression::Zstd);
        let options = SnapshotOptions { compression, ..PLAIN };
        let (bytes, done) = snapshot(&engine, &options);
        assert_eq!(done.summary.keys, 15);
        let (other, loading) = loaded(&bytes, 3);
        assert_eq!(loading.header.created_ms, PLAIN.created_ms);
        assert_eq!(picture(&other), picture(&engine), "{compression:?}");
    }
}

#[test]
fn a_value_that_is_longer_than_a_block_is_written_in_parts() {
    let engine = new_engine();
    let mut session = engine.session();
    run(&mut session, 0, "SET small 1");
    run(&mut session, 2, "SET giant ~5000000");
    run(&mut session, 2, "PEXPIREAT giant 1900000000000");
    for i in 0..30_000 {
        run(&mut session, 1, &format!("ZADD giant {i} member-with-a-long-name-{i}"));
    }
    let (bytes, done) = snapshot(&engine, &PLAIN);
    assert_eq!(done.summary.keys, 3);
    let mut reader = Reader::new(&bytes[..]).unwrap();
    let mut parts = 0;
    while let Some(block) = reader.next_block().unwrap() {
        parts += u32::from(block.kind() == BlockKind::Part);
        assert_eq!(block.codec(), Codec::None);
    }
    assert!(parts >= 6, "{parts} parts");
    assert_eq!(picture(&loaded(&bytes, 2).0), picture(&engine));
}

/// A file too small to take long, with blocks of every kind.
fn small_files() -> Vec<Vec<u8>> {
    let engine = new_engine();
    let mut session = engine.session();
    run(&mut session, 0, "SET text plain");
    run(&mut session, 1, "HSET hash f1 v1 f2 v2");
    run(
        &mut session,
        1,
        "RPUSH list aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    );
    let packed = SnapshotOptions { compression: Compression::Zstd(3), ..PLAIN };
    [PLAIN, packed].map(|options| snapshot(&engine, &options).0).into()
}

#[test]
fn every_flipped_byte_and_every_cut_is_an_error_with_a_place() {
    for bytes in small_files() {
        assert!(!any_bytes_are_read_or_refused(&bytes));
        for at in 0..bytes.len() {
            for mask in [0x01, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] ^= mask;
                assert!(any_bytes_are_read_or_refused(&damaged), "byte {at} ^ {mask:#x}");
            }
            assert!(any_bytes_are_read_or_refused(&bytes[..at]), "cut at {at}");
        }
    }
}

#[test]
fn what_comes_behind_the_footer_is_left_alone() {
    let mut bytes = small_files().remove(0);
    let whole = bytes.len() as u64;
    bytes.extend_from_slice(b"something else in the same stream");
    let (_, loading) = loaded(&bytes, 1);
    assert_eq!(loading.summary.file_bytes, whole);
}

fn error_of(bytes: &[u8]) -> ZdbError {
    let engine = new_engine();
    let read = Reader::new(bytes).and_then(|mut reader| {
        engine::persist::zdb::load(&engine, &mut reader, 2, &engine::persist::Meter::default())
    });
    read.expect_err("damaged")
}

#[test]
fn errors_say_what_is_wrong_and_where() {
    let bytes = small_files().remove(0);
    let flaw = |bytes: &[u8]| match error_of(bytes) {
        ZdbError::Damaged { at, flaw } => (at, flaw),
        ZdbError::Io(error) => panic!("{error}"),
    };
    let flipped = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        bytes
    };
    assert_eq!(flaw(b"REDIS0011"), (0, ZdbFlaw::NotZdb));
    assert_eq!(flaw(&bytes[..20]), (0, ZdbFlaw::Truncated));
    assert_eq!(flaw(&flipped(20)), (0, ZdbFlaw::Header));
    assert_eq!(flaw(&flipped(64 + 9)), (64, ZdbFlaw::BlockHeader));
    assert_eq!(flaw(&flipped(64 + 48)), (64, ZdbFlaw::Content));
    let footer = bytes.len() - 64;
    assert_eq!(flaw(&flipped(footer + 17)), (footer as u64, ZdbFlaw::Footer));
    assert_eq!(flaw(&bytes[..footer]), (footer as u64, ZdbFlaw::Truncated));
    let text = error_of(&flipped(64 + 48)).to_string();
    assert_eq!(text, "the content of a block is damaged (offset 64)");
}

#[test]
fn blocks_of_another_file_are_none_of_this_one() {
    let [first, second] = [1, 2].map(|created_ms| {
        let engine = new_engine();
        run(&mut engine.session(), 0, "SET key value");
        snapshot(&engine, &SnapshotOptions { created_ms, ..PLAIN }).0
    });
    let mut mixed = first[..64].to_vec();
    mixed.extend_from_slice(&second[64..]);
    assert!(any_bytes_are_read_or_refused(&mixed));
}

#[test]
fn random_content_behind_good_hashes_is_refused_or_read() {
    let mut seed = 1_u64;
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33).to_le_bytes()
    };
    for round in 0..3_000_u32 {
        let bytes: Vec<u8> = (0..round % 12).flat_map(|_| next()).collect();
        let _ = any_content_is_read_or_refused(&bytes);
    }
}

/// What earlier versions, and this one, wrote of the same store, uncompressed and compressed.
const GOLDEN: [&[u8]; 4] = [
    include_bytes!("golden/v1.zdb"),
    include_bytes!("golden/v1-zstd.zdb"),
    include_bytes!("golden/v2.zdb"),
    include_bytes!("golden/v2-zstd.zdb"),
];
const GOLDEN_SMALL: [&[u8]; 2] =
    [include_bytes!("golden/v1-small.zdb"), include_bytes!("golden/v2-small.zdb")];
const GOLDEN_PICTURE: &str = include_str!("golden/picture.txt");

/// What any version wrote is read by this one, and this one writes the newest.
#[test]
fn files_of_all_versions_are_read_and_the_newest_is_written() {
    for bytes in GOLDEN {
        let (engine, loading) = loaded(bytes, 2);
        assert_eq!(loading.header.created_ms, PLAIN.created_ms);
        assert_eq!(format!("{:#?}\n", picture(&engine)), GOLDEN_PICTURE);
    }
    // Without tables, whose order is another one in every process.
    let engine = new_engine();
    fill_small(&mut engine.session());
    let (bytes, _) = snapshot(&engine, &PLAIN);
    for small in GOLDEN_SMALL {
        assert_eq!(picture(&loaded(small, 2).0), picture(&engine));
    }
    let newest = GOLDEN_SMALL[GOLDEN_SMALL.len() - 1];
    assert!(bytes == newest, "the format has changed: that needs a new version and file");
}

/// Writes the files above, when there is a new version of the format.
#[test]
#[ignore = "changes files of the repository"]
fn write_golden_files() {
    let engine = filled();
    let at = |name: &str| format!("{}/tests/snapshot/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    let packed = SnapshotOptions { compression: Compression::Zstd(3), ..PLAIN };
    std::fs::write(at("v2.zdb"), snapshot(&engine, &PLAIN).0).unwrap();
    std::fs::write(at("v2-zstd.zdb"), snapshot(&engine, &packed).0).unwrap();
    let small = new_engine();
    fill_small(&mut small.session());
    std::fs::write(at("v2-small.zdb"), snapshot(&small, &PLAIN).0).unwrap();
    std::fs::write(at("picture.txt"), format!("{:#?}\n", picture(&engine))).unwrap();
}
