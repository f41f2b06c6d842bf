//! `zumic-check` over sound and damaged files: what it says, what it exits with, what it repairs.
//!
//! Why it exists: people run it when something is wrong already, so it must be right about files
//! that nobody wrote on purpose, and it must agree with what a start does.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use support::disk::{Disk, contents, save};
use support::process::{Finished, finish, without_power};
use support::{Client, Random, Reply, Running, Zumic};

const CHECK_MAX: Duration = Duration::from_secs(60);

fn check(words: &[&str], path: &Path) -> Finished {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zumic-check"));
    command.args(words).arg(path);
    finish(command, CHECK_MAX)
}

/// A directory with a snapshot and a log behind it, or with a log alone.
fn filled(with_snapshot: bool) -> Disk {
    let disk = Disk::with_threads(1);
    let running = disk.start(&["--appendfsync", "always"]);
    let mut client = running.connect();
    for index in 0..50 {
        client.run(&format!("SET key{index} value{index}"));
        client.run(&format!("RPUSH list{} {index}", index % 5));
    }
    client.run("HSET hash a 1 b 2");
    client.run("ZADD zset 1 a 2 b");
    client.run("SADD set x y z");
    client.run("XADD stream 5-1 a 1");
    client.run("SET brief v EX 100000");
    if with_snapshot {
        save(&mut client);
    }
    for words in ["MULTI", "INCR counter", "RPUSH list1 last", "EXEC", "SELECT 3", "SET other db"] {
        client.run(words);
    }
    disk
}

#[test]
fn a_sound_directory_is_described() {
    for with_snapshot in [false, true] {
        let disk = filled(with_snapshot);
        let verified = check(&["verify"], disk.path());
        assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
        assert!(verified.stdout.ends_with("sound\n"), "{}", verified.stdout);
        let shown = check(&["inspect"], disk.path());
        assert!(shown.stdout.contains("log-0000000000000001.zlog  sound"), "{}", shown.stdout);
        assert_eq!(shown.stdout.contains(".zdb  sound"), with_snapshot, "{}", shown.stdout);
        let json = check(&["inspect", "--json"], disk.path());
        let json: serde_json::Value = serde_json::from_str(&json.stdout).expect("it is JSON");
        assert_eq!(json["state"], "sound");
        assert!(json["start"]["entries"].as_u64().is_some_and(|entries| entries > 1));
        let stats = check(&["stats", "--json"], disk.path());
        let stats: serde_json::Value = serde_json::from_str(&stats.stdout).expect("it is JSON");
        assert!(stats["commands"]["SET"]["count"].as_u64().is_some(), "{stats}");
        if with_snapshot {
            assert_eq!(stats["types"]["string"]["count"], 51, "{stats}");
            assert_eq!(stats["types"]["list"]["count"], 5, "{stats}");
            assert_eq!(stats["expires"], 1, "{stats}");
        }
        let text = check(&["stats"], disk.path());
        assert!(text.stdout.contains("entries of the log"), "{}", text.stdout);
        for file in disk.files(".zlog").iter().chain(&disk.files(".zdb")) {
            let one = check(&["verify"], file);
            assert_eq!(one.code, Some(0), "{}: {}{}", file.display(), one.stdout, one.stderr);
        }
    }
}

#[test]
fn what_is_exported_makes_the_same_store() {
    for with_snapshot in [false, true] {
        let disk = filled(with_snapshot);
        let running = disk.start(&[]);
        let wanted = contents(&mut running.connect(), 16);
        drop(running);
        // Bytes, not text: payloads are in it.
        let mut command = Command::new(env!("CARGO_BIN_EXE_zumic-check"));
        let exported = command.arg("export").arg(disk.path()).output().expect("it runs");
        assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
        let other = Running::start(&Zumic { threads: 1 });
        let mut client = other.connect();
        client.send_raw(&exported.stdout).expect("it is sent");
        client.send(&["ECHO", "the end"]).expect("it is sent");
        loop {
            let reply = client.read().expect("a reply");
            assert!(!reply.is_error(), "{reply}");
            if reply == Reply::bulk("the end") {
                break;
            }
        }
        assert_eq!(contents(&mut client, 16), wanted, "with a snapshot: {with_snapshot}");
    }
}

/// What a start on a copy of the directory does: the number of keys, or that it refuses.
fn start(disk: &Disk) -> Option<i64> {
    let copy = disk.copy();
    let mut command = support::process::zumic_command();
    let port = support::process::free_port().to_string();
    command.args([
        "--bind",
        "127.0.0.1",
        "--threads",
        "1",
        "--mode",
        "persistent",
        "--port",
        &port,
    ]);
    command.arg("--dir").arg(copy.path());
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut child = command.spawn().expect("it starts");
    let address = format!("127.0.0.1:{port}").parse().expect("an address");
    let deadline = std::time::Instant::now() + CHECK_MAX;
    let keys = loop {
        if child.try_wait().expect("it can be waited for").is_some() {
            break None;
        }
        let reply = Client::connect(address).and_then(|mut client| client.try_call(&["DBSIZE"]));
        if let Ok(Reply::Integer(keys)) = reply {
            break Some(keys);
        }
        assert!(std::time::Instant::now() < deadline, "neither up nor down");
        std::thread::sleep(Duration::from_millis(2));
    };
    // It may have ended by itself.
    let _ = child.kill();
    let _ = child.wait();
    keys
}

/// Damages one file of a copy, and compares what the checker says with what a start does.
fn agrees(disk: &Disk, ending: &str, say: &str, damage: impl Fn(&mut Vec<u8>)) {
    let copy = disk.copy();
    let file = copy.files(ending).pop().expect("there is such a file");
    let mut bytes = std::fs::read(&file).expect("it is readable");
    damage(&mut bytes);
    std::fs::write(&file, bytes).expect("it is writable");
    let verified = check(&["verify"], copy.path());
    let said = format!("{say}: {}{}", verified.stdout, verified.stderr);
    assert!(verified.code.is_some_and(|code| code <= 2), "{said}");
    assert!(!verified.stderr.contains("panicked"), "{said}");
    let keys = start(&copy);
    // A damaged snapshot may be made up for by an older one, so only the log's verdict is the
    // start's.
    if ending == ".zlog" {
        assert_eq!(keys.is_none(), verified.code == Some(2), "{said}: a start finds {keys:?}");
    }
    let whole = start(disk).expect("the original is sound");
    assert!(keys.is_none_or(|keys| keys <= whole), "{said}: {keys:?} keys of {whole}");
}

#[test]
fn it_agrees_with_a_start_on_damaged_logs() {
    let disk = filled(false);
    let seed = support::seed();
    let mut random = Random::new(seed);
    let used = 3_000;
    for _ in 0..8 * support::stress() {
        let at = random.below(used);
        agrees(&disk, ".zlog", &format!("SEED={seed} byte {at}"), |bytes| {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 0x10;
            }
        });
        agrees(&disk, ".zlog", &format!("SEED={seed} cut at {at}"), |bytes| bytes.truncate(at));
    }
}

#[test]
fn it_finds_every_damage_of_a_snapshot() {
    let disk = filled(true);
    let file = disk.files(".zdb").pop().expect("there is a snapshot");
    let sound = std::fs::read(&file).expect("it is readable");
    let seed = support::seed();
    let mut random = Random::new(seed);
    for _ in 0..40 * support::stress() {
        let mut bytes = sound.clone();
        let at = random.below(bytes.len());
        bytes[at] ^= 1 << random.below(8);
        std::fs::write(&file, &bytes).expect("it is writable");
        let found = check(&["verify"], &file);
        assert_eq!(found.code, Some(2), "SEED={seed} byte {at}: {}", found.stdout);
        std::fs::write(&file, &sound[..at]).expect("it is writable");
        let found = check(&["verify"], &file);
        assert_eq!(found.code, Some(2), "SEED={seed} cut at {at}: {}", found.stdout);
    }
}

/// A backup on a disk that nobody may write to, or of another user, is looked at all the same.
#[test]
fn a_directory_that_cannot_be_written_is_looked_at() {
    let disk = filled(true);
    let modes = |file, directory| {
        for path in disk.files("") {
            fs::set_permissions(path, fs::Permissions::from_mode(file)).expect("it is ours");
        }
        let permissions = fs::Permissions::from_mode(directory);
        fs::set_permissions(disk.path(), permissions).expect("it is ours");
    };
    modes(0o444, 0o555);
    let powerless = |words: &[&str], path: &Path| {
        let mut command = without_power(env!("CARGO_BIN_EXE_zumic-check"));
        command.args(words).arg(path);
        finish(command, CHECK_MAX)
    };
    let snapshot = disk.files(".zdb").remove(0);
    for words in [["verify"], ["inspect"], ["stats"], ["export"], ["repair"]] {
        let done = powerless(&words, disk.path());
        assert_eq!(done.code, Some(0), "{words:?} {}{}", done.stdout, done.stderr);
        if words != ["repair"] {
            let done = powerless(&words, &snapshot);
            assert_eq!(done.code, Some(0), "{words:?} {}{}", done.stdout, done.stderr);
        }
    }
    let refused = powerless(&["repair", "--yes"], disk.path());
    assert_eq!(refused.code, Some(74), "{}{}", refused.stdout, refused.stderr);
    modes(0o644, 0o755);
    // Nothing was changed, not even by a look that may.
    let listed = |disk: &Disk| -> Vec<_> {
        let about = |path: std::path::PathBuf| {
            let about = fs::metadata(&path).expect("it is there");
            (path, about.len(), about.modified().expect("a time"))
        };
        disk.files("").into_iter().map(about).collect()
    };
    let before = listed(&disk);
    for words in [["verify"], ["inspect"], ["stats"], ["export"], ["repair"]] {
        check(&words, disk.path());
    }
    assert_eq!(listed(&disk), before);
}

#[test]
fn repair_cuts_at_the_damage_and_keeps_the_original() {
    let disk = filled(false);
    let file = disk.files(".zlog").remove(0);
    let mut bytes = std::fs::read(&file).expect("it is readable");
    let at = bytes.windows(7).position(|window| window == b"value20").expect("it is in there");
    bytes[at] ^= 1;
    std::fs::write(&file, &bytes).expect("it is writable");
    assert_eq!(check(&["verify"], disk.path()).code, Some(2));
    assert_eq!(start(&disk), None);
    let planned = check(&["repair"], disk.path());
    assert!(planned.stdout.contains("nothing was changed"), "{}", planned.stdout);
    assert_eq!(std::fs::read(&file).expect("it is readable"), bytes, "only --yes changes it");
    let repaired = check(&["repair", "--yes"], disk.path());
    assert_eq!(repaired.code, Some(0), "{}{}", repaired.stdout, repaired.stderr);
    let kept = disk.files(".before-repair").remove(0);
    assert_eq!(std::fs::read(kept).expect("it is readable"), bytes, "the original is kept");
    let running = disk.start(&[]);
    let mut client = running.connect();
    assert_eq!(client.run("GET key19"), Reply::bulk("value19"));
    assert!(client.run("GET key20").is_null() && client.run("GET key21").is_null());
}

#[test]
fn repair_sets_a_damaged_snapshot_aside() {
    let disk = filled(true);
    let file = disk.files(".zdb").remove(0);
    let mut bytes = std::fs::read(&file).expect("it is readable");
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    std::fs::write(&file, &bytes).expect("it is writable");
    let repaired = check(&["repair", "--yes"], disk.path());
    assert!(repaired.stdout.contains("set the damaged snapshot"), "{}", repaired.stdout);
    assert!(disk.files(".zdb").is_empty(), "{:?}", disk.files(""));
}

#[test]
fn a_directory_in_use_is_not_repaired_and_wrong_paths_are_named() {
    let disk = Disk::with_threads(1);
    let running = disk.start(&[]);
    running.connect().run("SET k v");
    let refused = check(&["repair", "--yes"], disk.path());
    assert_eq!(refused.code, Some(71), "{}", refused.stderr);
    assert!(refused.stderr.contains("a server uses the directory"), "{}", refused.stderr);
    let verified = check(&["verify"], disk.path());
    assert!(verified.code.is_some_and(|code| code < 2), "{}", verified.stdout);
    let missing = check(&["verify"], Path::new("/nosuch/directory"));
    assert_eq!(missing.code, Some(74), "{}", missing.stderr);
    let nothing = check(&["verify"], Path::new("/proc"));
    assert_eq!(nothing.code, Some(78), "{}", nothing.stderr);
    let usage = check(&["nosuch"], disk.path());
    assert_eq!(usage.code, Some(64), "{}", usage.stderr);
    let help = check(&["--help"], disk.path());
    assert!(help.code == Some(0) && help.stdout.contains("Exit status"), "{}", help.stdout);
}
