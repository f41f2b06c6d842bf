//! Settings of persistent mode, each by what it does to files and processes.

mod support;

use std::fs::File;
use std::time::Duration;

use support::Reply;
use support::disk::{Disk, info, save};

const STOP_MAX: Duration = Duration::from_secs(20);

#[test]
fn sigint_does_what_its_setting_says() {
    for (what, snapshots) in [("save", 1), ("nosave", 0)] {
        let disk = Disk::new();
        let mut running = disk.start(&["--shutdown-on-sigint", what]);
        running.connect().run("SET k v");
        running.signal("INT");
        assert_eq!(running.wait_exit(STOP_MAX).code(), Some(0), "{}", running.log());
        assert_eq!(disk.files(".zdb").len(), snapshots, "{what}: {:?}", disk.files(""));
    }
}

/// Bytes of a snapshot of text that compresses, the better the harder one tries.
fn snapshot_bytes(options: &[&str]) -> u64 {
    let disk = Disk::new();
    let running = disk.start(options);
    let mut client = running.connect();
    for index in 0..2_000_u32 {
        let mixed = index.wrapping_mul(2_654_435_761);
        let value =
            format!("{{\"id\":{index},\"mixed\":{mixed},\"half\":{},\"on\":true}}", mixed / 2);
        client.call(&["SET", &format!("user:{index}"), &value]);
    }
    save(&mut client);
    let snapshot = disk.files(".zdb").pop().expect("it was saved");
    std::fs::metadata(snapshot).expect("it is there").len()
}

#[test]
fn snapshots_are_as_large_as_their_compression_makes_them() {
    let plain = snapshot_bytes(&["--rdbcompression", "no"]);
    let quick = snapshot_bytes(&["--rdbcompression-level", "1"]);
    let hard = snapshot_bytes(&["--rdbcompression-level", "19"]);
    assert!(hard < quick && quick < plain, "{hard} {quick} {plain}");
}

#[test]
fn a_torn_log_is_cut_only_if_that_is_allowed() {
    let disk = Disk::new();
    {
        let running = disk.start(&["--appendfsync", "always"]);
        let mut client = running.connect();
        client.run("SET first one");
        client.run("SET last two");
    }
    let segment = disk.files(".zlog").pop().expect("there is a log");
    let bytes = std::fs::read(&segment).expect("it is readable");
    let end = bytes.iter().rposition(|&byte| byte != 0).expect("it is not empty");
    assert_eq!(&bytes[end - 2..=end], b"two", "the last write is the last block");
    let file = File::options().write(true).open(&segment).expect("it is writable");
    file.set_len(end as u64).expect("it can be cut");
    let refused = disk.start_in_vain(&["--aof-load-truncated", "no"]);
    assert!(refused.code.is_some_and(|code| code != 0), "{}", refused.stderr);
    assert!(refused.stderr.contains("torn"), "{}", refused.stderr);
    let running = disk.start(&["--aof-load-truncated", "yes"]);
    let mut client = running.connect();
    assert_eq!(client.run("GET first"), Reply::bulk("one"));
    assert_eq!(client.run("EXISTS last"), Reply::Integer(0));
}

/// The most bytes that were seen waiting for the disk while a client wrote as fast as it could.
fn most_waiting(limit: &str) -> u64 {
    const VALUE_BYTES: usize = 100_000;
    let disk = Disk::new();
    let running = disk.start(&["--appendfsync", "everysec", "--aof-buffer-limit", limit]);
    let (mut writer, mut watcher) = (running.connect(), running.connect());
    let value = "x".repeat(VALUE_BYTES);
    let mut most = 0;
    for _ in 0..20 {
        (0..20).for_each(|_| writer.send(&["SET", "k", &value]).expect("the server reads"));
        let waiting = info(&mut watcher, "aof_buffer_length");
        most = most.max(waiting.parse().expect("a number"));
        (0..20).for_each(|_| assert_eq!(writer.read().expect("a reply"), Reply::simple("OK")));
    }
    most
}

#[test]
fn what_waits_for_the_disk_is_as_much_as_the_limit_allows() {
    let (narrow, wide) = (most_waiting("1mb"), most_waiting("256mb"));
    assert!(narrow < 3 << 20 && narrow < wide, "{narrow} {wide}");
}
