//! Filling an empty store: `--rdb` at the start, and `zumic import --dir`, also when the process is
//! killed in the middle.
//!
//! Why it exists: a half-filled store that looks whole is the worst outcome of moving in. So
//! whatever instant the kill meets, what starts afterwards has all of the file or nothing.

mod support;

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use support::disk::{Disk, contents};
use support::process::{Folder, finish, free_port, oracle_available, wait_exit, zumic_command};
use support::{Client, Random, Redis, Reply, Running, Zumic, seed, stress};

const LIMIT: Duration = Duration::from_secs(60);
const KEYS: i64 = 20_000;

/// A dump file of Redis with values of every type and a library.
fn dump_of_redis(folder: &Path) -> (PathBuf, String) {
    let redis = Running::start(&Redis);
    let mut client = redis.connect();
    let library = "#!lua name=lib\nredis.register_function('f', function() return 1 end)";
    assert_eq!(client.call(&["FUNCTION", "LOAD", library]), Reply::bulk("lib"));
    for line in [
        "SET text some",
        "SET deadline 1 PXAT 4102444800000",
        "RPUSH list a b c",
        "SADD set a b c",
        "ZADD zset 1 a 2 b",
        "HSET hash a 1 b 2",
        "XADD stream 1-1 a 1",
        "SELECT 3",
        "SET elsewhere 1",
    ] {
        assert!(!client.run(line).is_error(), "{line}");
    }
    client.run("SAVE");
    let file = folder.join("dump.rdb");
    fs::copy(redis.folder().join("dump.rdb"), &file).expect("it was saved");
    (file, client.run("DEBUG DIGEST").text())
}

/// The digest that Redis has of what a Zumic holds.
fn digest(server: &Running) -> String {
    let file = server.folder().join("out.rdb");
    let mut export = zumic_command();
    let from = format!("zumic://{}", server.address);
    export.args(["export", "--rdb"]).arg(&file).args(["--from", &from]);
    let done = finish(export, LIMIT);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let redis = Running::start_by(&Redis, |command| {
        let folder = command.get_current_dir().expect("one of its own").to_owned();
        fs::copy(&file, folder.join("dump.rdb")).expect("the file is copied");
    });
    redis.connect().run("DEBUG DIGEST").text()
}

#[test]
fn a_store_begins_with_a_dump_of_redis() {
    if !oracle_available() {
        return;
    }
    let folder = Folder::new();
    let (file, wanted) = dump_of_redis(folder.path());
    let file = file.to_str().expect("a path");
    let memory = Running::start_with(&Zumic { threads: 2 }, &["--rdb", file]);
    assert_eq!(digest(&memory), wanted);
    assert_eq!(memory.connect().run("FCALL f 0"), Reply::Integer(1));
    // On disk it is there without the file as well.
    let disk = Disk::new();
    let first = disk.start(&["--rdb", file]);
    assert_eq!(digest(&first), wanted);
    let mut client = first.connect();
    assert_eq!(client.run("SET text other"), Reply::simple("OK"));
    client.run("WAITAOF 1 0 0");
    first.signal("KILL");
    drop(first);
    let second = disk.start(&[]);
    assert_eq!(second.connect().run("FCALL f 0"), Reply::Integer(1));
    assert_eq!(second.connect().run("GET text"), Reply::bulk("other"));
    second.connect().run("SET text some");
    assert_eq!(digest(&second), wanted);
    drop(second);
    // And what is there is not filled again, nor is what a log alone holds.
    let refused = disk.start_in_vain(&["--rdb", file]);
    assert_eq!(refused.code, Some(78), "{}", refused.stderr);
    assert!(refused.stderr.contains("it holds data already"), "{}", refused.stderr);
    let disk = Disk::new();
    let running = disk.start(&["--appendfsync", "always"]);
    running.connect().run("SET k v");
    drop(running);
    assert_eq!(disk.start_in_vain(&["--rdb", file]).code, Some(78));
    assert_eq!(disk.start(&[]).connect().run("DBSIZE"), Reply::Integer(1));
}

#[test]
fn a_file_that_cannot_be_loaded_leaves_the_directory_empty() {
    if !oracle_available() {
        return;
    }
    let folder = Folder::new();
    let (file, wanted) = dump_of_redis(folder.path());
    let mut bytes = fs::read(&file).expect("it is readable");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let damaged = folder.path().join("damaged.rdb");
    fs::write(&damaged, &bytes).expect("the folder is writable");
    let disk = Disk::new();
    for (path, code) in [(&damaged, 65), (&folder.path().join("none.rdb"), 74)] {
        let name = path.to_str().expect("a path");
        let refused = disk.start_in_vain(&["--rdb", name]);
        assert_eq!(refused.code, Some(code), "{}", refused.stderr);
        assert!(refused.stderr.contains(name), "{}", refused.stderr);
        let mut memory = zumic_command();
        memory.args(["--bind", "127.0.0.1", "--port", &free_port().to_string()]);
        memory.args(["--rdb", name]);
        let refused = finish(memory, LIMIT);
        assert_eq!(refused.code, Some(code), "{}", refused.stderr);
    }
    assert_eq!(disk.start(&[]).connect().run("DBSIZE"), Reply::Integer(0));
    let name = file.to_str().expect("a path");
    assert_eq!(digest(&disk.start(&["--rdb", name])), wanted);
}

/// A dump file that takes a while to load, made by Zumic itself.
fn long_dump(folder: &Path) -> PathBuf {
    let server = Running::start(&Zumic { threads: 1 });
    let mut client = server.connect();
    let mut random = Random::new(3);
    for start in (0..KEYS).step_by(500) {
        let set = |number| {
            let value = format!("{:x}", random.next()).repeat(20);
            vec!["SET".to_owned(), format!("key:{number}"), value]
        };
        let requests: Vec<_> = (start..start + 500).map(set).collect();
        client.pipeline(&requests).expect("all are answered");
    }
    let file = folder.join("long.rdb");
    let mut export = zumic_command();
    let from = format!("zumic://{}", server.address);
    export.args(["export", "--rdb"]).arg(&file).args(["--from", &from]);
    assert_eq!(finish(export, LIMIT).code, Some(0));
    file
}

#[test]
fn how_far_the_fill_is_can_be_seen() {
    let folder = Folder::new();
    let file = long_dump(folder.path());
    let bytes = fs::metadata(&file).expect("it was written").len().to_string();
    let disk = Disk::new();
    let port = free_port();
    let mut command = zumic_command();
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--mode", "persistent"]);
    command.arg("--dir").arg(disk.path()).arg("--rdb").arg(&file);
    let mut child = spawn(command);
    let deadline = Instant::now() + LIMIT;
    let (mut seen, mut keys) = (false, None);
    // A server that cannot be asked yet is asked again.
    while keys.is_none() && Instant::now() < deadline {
        let Ok(mut client) = Client::connect((Ipv4Addr::LOCALHOST, port).into()) else { continue };
        let Ok(info) = client.try_call(&["INFO", "persistence"]) else { continue };
        let info = info.text();
        let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name));
        seen |= field("loading_total_bytes:") == Some(&bytes);
        if field("loading:") == Some("0") {
            keys = client.try_call(&["DBSIZE"]).ok();
        }
    }
    child.kill().expect("it is ours");
    child.wait().expect("it has ended");
    assert!(seen, "it was never said that the dump is being read");
    assert_eq!(keys, Some(Reply::Integer(KEYS)));
}

/// Lets a process run for a random part of the time it took last, and kills it; whether it was
/// killed before it had ended.
fn kill_within(mut child: Child, took: Duration, random: &mut Random) -> bool {
    let share = u32::try_from(random.below(1_000)).expect("below a thousand");
    thread::sleep(took * share / 1_000);
    let ended = child.try_wait().expect("it can be waited for").is_some();
    child.kill().expect("it is ours");
    child.wait().expect("it has ended");
    !ended
}

fn spawn(mut command: Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("it starts")
}

fn import(file: &Path, directory: &Path) -> Command {
    let mut command = zumic_command();
    command.arg("import").arg(file).arg("--dir").arg(directory);
    command
}

#[test]
fn a_kill_during_an_import_leaves_what_was_there_or_all() {
    let folder = Folder::new();
    let file = long_dump(folder.path());
    let seed = seed();
    println!("ZUMIC_SEED={seed}");
    let mut random = Random::new(seed);
    let whole = Disk::new();
    let began = Instant::now();
    assert_eq!(finish(import(&file, whole.path()), LIMIT).code, Some(0));
    let took = began.elapsed();
    let (mut killed, mut none) = (0, 0);
    for cycle in 0..6 * stress() {
        let disk = Disk::new();
        disk.start(&["--appendfsync", "always"]).connect().run("SET before 1");
        killed += u64::from(kill_within(spawn(import(&file, disk.path())), took, &mut random));
        let running = disk.start(&[]);
        let mut client = running.connect();
        let context = format!("SEED={seed} cycle={cycle}");
        assert_eq!(client.run("GET before"), Reply::bulk("1"), "{context}");
        let keys = client.run("DBSIZE").integer();
        assert!(keys == 1 || keys == KEYS + 1, "{context}: {keys} keys");
        none += u64::from(keys == 1);
        drop(running);
        // It can be done again.
        assert_eq!(finish(import(&file, disk.path()), LIMIT).code, Some(0), "{context}");
        let keys = disk.start(&[]).connect().run("DBSIZE");
        assert_eq!(keys, Reply::Integer(KEYS + 1), "{context}");
    }
    println!("{killed} were killed in time, {none} before the end of the snapshot");
}

#[test]
fn a_kill_during_the_first_start_leaves_nothing_or_all() {
    let folder = Folder::new();
    let file = long_dump(folder.path());
    let name = file.to_str().expect("a path");
    let seed = seed();
    println!("ZUMIC_SEED={seed}");
    let mut random = Random::new(seed);
    let whole = Disk::new();
    let began = Instant::now();
    drop(whole.start(&["--rdb", name]));
    let took = began.elapsed();
    for cycle in 0..6 * stress() {
        let disk = Disk::new();
        let mut command = zumic_command();
        command.args(["--bind", "127.0.0.1", "--port", &free_port().to_string()]);
        command.args(["--mode", "persistent", "--rdb", name, "--dir"]).arg(disk.path());
        kill_within(spawn(command), took, &mut random);
        let context = format!("SEED={seed} cycle={cycle}");
        let keys = disk.start(&[]).connect().run("DBSIZE").integer();
        assert!(keys == 0 || keys == KEYS, "{context}: {keys} keys");
        if keys == 0 {
            let keys = disk.start(&["--rdb", name]).connect().run("DBSIZE");
            assert_eq!(keys, Reply::Integer(KEYS), "{context}");
        }
    }
}

/// A server that dies under an import has what it acknowledged; the import says that it failed.
#[test]
fn a_server_that_is_killed_under_an_import_has_a_part_of_it() {
    let folder = Folder::new();
    let file = long_dump(folder.path());
    let disk = Disk::new();
    let server = disk.start(&["--appendfsync", "always"]);
    let mut command = zumic_command();
    command.arg("import").arg(&file).args(["--to", &format!("zumic://{}", server.address)]);
    let mut child = spawn(command);
    let waiting = Instant::now();
    let mut client = server.connect();
    while client.run("DBSIZE").integer() < KEYS / 10 {
        assert!(waiting.elapsed() < LIMIT, "nothing comes");
    }
    let seen = client.run("DBSIZE").integer();
    server.signal("KILL");
    drop(server);
    let status = wait_exit(&mut child, LIMIT).expect("the import ends");
    assert_eq!(status.code(), Some(69), "the connection was lost");
    let again = disk.start(&[]);
    let found = contents(&mut again.connect(), 1);
    let count = i64::try_from(found.len()).expect("a small number");
    assert!((seen..=KEYS).contains(&count), "{count} keys, and {seen} were seen");
    assert!(found.values().all(|value| value.len() > 100), "a key is not whole");
    let mut command = zumic_command();
    command.arg("import").arg(&file).args(["--to", &format!("zumic://{}", again.address)]);
    assert_eq!(finish(command, LIMIT).code, Some(0));
    assert_eq!(again.connect().run("DBSIZE"), Reply::Integer(KEYS));
}
