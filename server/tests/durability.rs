//! Persistent mode as operators and clients meet it: restarts, snapshots, a failing disk, refusals.
//!
//! Why it exists: a promise about what is left after a process is gone needs processes that go.
//! (`crash` kills at random instants; the engine's own tests cover power loss and every fault.)

mod support;

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use support::disk::{Disk, contents, info, save, wait_for};
use support::process::{finish, free_port, without_power, zumic_command};
use support::{Client, Reply, Running};

const STOP_MAX: Duration = Duration::from_secs(20);
const ALWAYS: &[&str] = &["--appendfsync", "always"];

/// One command of each kind that the log has to know, over every type.
const LINES: &[&str] = &[
    "SET text value",
    "SET number 41",
    "INCR number",
    "APPEND text -more",
    "SETRANGE text 20 padded",
    "SETBIT bits 70 1",
    "BITFIELD bits SET u8 0 200 INCRBY u8 8 3",
    "INCRBYFLOAT float 10.5",
    "SET volatile v PX 86400000",
    "GETEX text EX 86400",
    "PERSIST text",
    "PFADD hll a b c",
    "PFMERGE hll2 hll",
    "RPUSH list a b c d e f",
    "LINSERT list BEFORE c x",
    "LREM list 1 d",
    "LMOVE list list2 LEFT RIGHT",
    "LMPOP 1 list RIGHT COUNT 2",
    "SADD set a b c d e f g h",
    "SPOP set 3",
    "SADD ints 1 2 3 400000",
    "SINTERSTORE both set set",
    "SMOVE ints set 2",
    "HSET hash f 1 g 2 h 3",
    "HINCRBY hash f 10",
    "HEXPIRE hash 86400 FIELDS 1 g",
    "HDEL hash h",
    "ZADD zset 1 a 2 b 3 c -inf d",
    "ZINCRBY zset 2.5 a",
    "ZPOPMIN zset",
    "ZUNIONSTORE zset2 2 zset zset WEIGHTS 1 2",
    "ZRANGESTORE zset3 zset 0 1",
    "GEOADD places 13.361389 38.115556 Palermo 15.087269 37.502669 Catania",
    "XADD stream * a 1",
    "XADD stream * b 2",
    "XADD stream MAXLEN ~ 100 * c 3",
    "XGROUP CREATE stream group 0",
    "XREADGROUP GROUP group reader COUNT 2 STREAMS stream >",
    "TS.CREATE series LABELS a b",
    "TS.ADD series 1000 1.5",
    "TS.ADD series 2000 2.5",
    "RENAME list2 list3",
    "COPY zset zset4",
    "SORT ints STORE sorted",
    "SET gone 1",
    "DEL gone",
    "MSET m1 1 m2 2",
    "SELECT 3",
    "SET elsewhere 3",
    "MOVE elsewhere 4",
    "SET elsewhere again",
    "SELECT 5",
    "SET flushed 1",
    "FLUSHDB",
    "SET kept 1",
    "SWAPDB 5 6",
    "SELECT 0",
];

fn fill(client: &mut Client) {
    for line in LINES {
        let reply = client.run(line);
        assert!(!reply.is_error(), "{line}: {reply}");
    }
    let large = "x".repeat(200_000);
    client.call(&["SET", "large", &large]);
    client.run("SETRANGE large 100000 changed");
    for index in 0..2_000 {
        let index = index.to_string();
        client.call(&["HSET", "table", &format!("field{index}"), &index]);
        client.call(&["ZADD", "ranked", &index, &format!("member{index}")]);
        client.call(&["RPUSH", "quick", &format!("element{index}")]);
        client.call(&["SADD", "members", &format!("member{index}")]);
    }
    for words in [&["MULTI"][..], &["INCR", "number"], &["SPOP", "members"], &["EXEC"]] {
        client.call(words);
    }
}

/// Fills a store, ends it by `end`, and compares what comes back.
fn comes_back(options: &[&str], end: impl Fn(&mut Running, &mut Client)) {
    let disk = Disk::new();
    let mut running = disk.start(options);
    let mut client = running.connect();
    fill(&mut client);
    let before = contents(&mut client, 16);
    assert!(before.len() > 30, "{} keys", before.len());
    end(&mut running, &mut client);
    drop(running);
    for _ in 0..2 {
        let running = disk.start(options);
        let mut client = running.connect();
        let after = contents(&mut client, 16);
        for (key, value) in &before {
            assert_eq!(after.get(key), Some(value), "{key:?} with {options:?}");
        }
        assert_eq!(after.len(), before.len(), "{:?}", after.keys());
    }
}

fn terminate(running: &mut Running, _: &mut Client) {
    running.signal("TERM");
    assert_eq!(running.wait_exit(STOP_MAX).code(), Some(0), "{}", running.log());
}

#[test]
fn everything_comes_back_after_sigterm() {
    comes_back(&[], terminate);
    comes_back(&["--appendfsync", "no"], terminate);
}

#[test]
fn everything_comes_back_after_a_kill() {
    // Dropping a server kills it.
    comes_back(ALWAYS, |_, _| {});
}

#[test]
fn everything_comes_back_from_a_snapshot() {
    comes_back(ALWAYS, |_, client| save(client));
}

#[test]
fn everything_comes_back_from_a_snapshot_and_the_log_behind_it() {
    comes_back(ALWAYS, |_, client| {
        save(client);
        client.run("SET number 41");
        client.run("INCR number");
        client.run("INCR number");
        assert_eq!(client.run("BGREWRITEAOF"), rewriting_started());
        wait_for(client, "aof_rewrite_in_progress", "0");
    });
}

fn rewriting_started() -> Reply {
    Reply::simple("Background append only file rewriting started")
}

#[test]
fn everything_comes_back_after_a_shutdown_that_saves() {
    for words in ["SHUTDOWN SAVE", "SHUTDOWN", "SHUTDOWN NOSAVE NOW"] {
        comes_back(&["--save", "3600", "1"], |running, client| {
            let words: Vec<&str> = words.split(' ').collect();
            assert!(client.try_call(&words).is_err(), "answered by closing");
            assert_eq!(running.wait_exit(STOP_MAX).code(), Some(0), "{}", running.log());
        });
    }
}

#[test]
fn a_shutdown_with_rules_leaves_a_snapshot() {
    for (options, snapshots) in [(&["--save", "3600", "1"][..], 1), (&[], 0)] {
        let disk = Disk::new();
        let mut running = disk.start(options);
        let mut client = running.connect();
        client.run("SET k v");
        terminate(&mut running, &mut client);
        assert_eq!(disk.files(".zdb").len(), snapshots, "{options:?}: {:?}", disk.files(""));
    }
}

#[test]
fn expired_keys_stay_gone() {
    let disk = Disk::new();
    {
        let running = disk.start(ALWAYS);
        let mut client = running.connect();
        client.run("SET brief v PX 30");
        client.run("SET lasting v PX 86400000");
        client.run("HSET hash brief 1 lasting 2");
        client.run("HPEXPIRE hash 30 FIELDS 1 brief");
        let deadline = Instant::now() + STOP_MAX;
        while client.run("DBSIZE").integer() > 2 || client.run("HLEN hash").integer() > 1 {
            assert!(Instant::now() < deadline, "nothing expires");
            thread::sleep(Duration::from_millis(5));
        }
        // As if written by others: what follows must not meet the old ones.
        client.run("SETNX brief new");
    }
    let running = disk.start(ALWAYS);
    let mut client = running.connect();
    assert_eq!(client.run("GET brief"), Reply::bulk("new"));
    assert_eq!(client.run("TTL brief"), Reply::Integer(-1));
    assert_eq!(client.run("HGETALL hash").elements().len(), 2);
    assert!(client.run("PTTL lasting").integer() > 86_000_000);
}

#[test]
fn pops_of_waiting_clients_and_evictions_are_logged() {
    let disk = Disk::new();
    {
        let running = disk.start(ALWAYS);
        let mut client = running.connect();
        let mut waiting = running.connect();
        waiting.send(&["BLPOP", "list", "0"]).expect("the request is sent");
        wait_for(&mut client, "blocked_clients", "1");
        client.run("RPUSH list a b");
        let popped = waiting.read().expect("an answer");
        assert_eq!(popped.elements()[1], Reply::bulk("a"));
    }
    let running = disk.start(ALWAYS);
    assert_eq!(running.connect().run("LRANGE list 0 -1"), Reply::array([Reply::bulk("b")]));
    drop(running);
    let disk = Disk::new();
    let left = {
        let running = disk.start(&["--maxmemory", "2mb", "--maxmemory-policy", "allkeys-random"]);
        let mut client = running.connect();
        let value = "v".repeat(1_000);
        for index in 0..5_000 {
            client.call(&["SET", &format!("key{index}"), &value]);
        }
        assert!(info(&mut client, "evicted_keys") != "0");
        client.run("CONFIG SET maxmemory 0");
        // A kill may take what was written in its last milliseconds.
        client.run("WAITAOF 1 0 0");
        contents(&mut client, 1)
    };
    let running = disk.start(&[]);
    assert!(contents(&mut running.connect(), 1) == left, "what was evicted is gone");
}

// --- Commands ------------------------------------------------------------------------------

#[test]
fn snapshots_answer_as_in_redis() {
    let disk = Disk::new();
    let running = disk.start(&[]);
    let mut client = running.connect();
    client.run("SET k v");
    assert_eq!(info(&mut client, "rdb_changes_since_last_save"), "1");
    let before = client.run("LASTSAVE").integer();
    assert!(before > 1_700_000_000);
    assert_eq!(client.run("BGSAVE"), Reply::simple("Background saving started"));
    wait_for(&mut client, "rdb_saves", "1");
    assert_eq!(info(&mut client, "rdb_last_bgsave_status"), "ok");
    assert_eq!(info(&mut client, "rdb_changes_since_last_save"), "0");
    assert!(client.run("LASTSAVE").integer() >= before);
    assert_eq!(client.run("SAVE"), Reply::simple("OK"));
    assert_eq!(client.run("BGSAVE SCHEDULE"), Reply::simple("Background saving started"));
    wait_for(&mut client, "rdb_saves", "3");
    assert_eq!(client.run("BGREWRITEAOF"), rewriting_started());
    wait_for(&mut client, "aof_rewrites", "1");
    assert_eq!(client.run("BGSAVE NOW").text(), "ERR syntax error");
    assert_eq!(disk.files(".zdb").len(), 1, "older ones are removed: {:?}", disk.files(""));
    client.run("MULTI");
    assert!(client.run("SAVE").is_error(), "not inside a transaction");
    assert!(client.run("EXEC").is_error());
}

#[test]
fn save_does_not_stop_others() {
    let disk = Disk::new();
    let running = disk.start(&[]);
    let mut client = running.connect();
    for chunk in 0..20 {
        let requests: Vec<Vec<String>> = (0..5_000)
            .map(|n| vec!["SET".to_owned(), format!("key:{chunk}:{n}"), "v".repeat(100)])
            .collect();
        client.pipeline(&requests).expect("the keys are set");
    }
    let mut saver = running.connect();
    saver.send(&["SAVE"]).expect("the request is sent");
    let mut meanwhile = 0;
    loop {
        assert_eq!(client.run("INCR counter").integer(), meanwhile + 1);
        meanwhile += 1;
        if info(&mut client, "rdb_saves") == "1" {
            break;
        }
    }
    assert_eq!(saver.read().expect("an answer"), Reply::simple("OK"));
    assert!(meanwhile > 1, "the other connection went on");
}

#[test]
fn rules_save_and_growth_cuts_the_log() {
    let disk = Disk::new();
    let running = disk.start(&["--save", "1", "3"]);
    let mut client = running.connect();
    client.run("MSET a 1 b 2");
    client.run("SET c 3");
    client.run("SET d 4");
    wait_for(&mut client, "rdb_saves", "1");
    drop(running);
    let disk = Disk::new();
    let running = disk.start(&["--auto-aof-rewrite-min-size", "1mb"]);
    let mut client = running.connect();
    let value = "v".repeat(10_000);
    for _ in 0..400 {
        client.call(&["SET", "k", &value]);
    }
    wait_for(&mut client, "aof_rewrite_in_progress", "0");
    let deadline = Instant::now() + STOP_MAX;
    while info(&mut client, "aof_rewrites") == "0" {
        assert!(Instant::now() < deadline, "the log is never cut");
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(client.run("GET k"), Reply::bulk(&value));
}

#[test]
fn waitaof_waits_for_the_disk() {
    for policy in ["always", "everysec"] {
        let disk = Disk::new();
        let running = disk.start(&["--appendfsync", policy]);
        let mut client = running.connect();
        let done =
            |local, replicas| Reply::array([Reply::Integer(local), Reply::Integer(replicas)]);
        client.run("SET k v");
        assert_eq!(client.run("WAITAOF 1 0 0"), done(1, 0), "{policy}");
        assert_eq!(client.run("WAITAOF 1 0 0"), done(1, 0), "{policy}, nothing new");
        assert_eq!(client.run("WAITAOF 0 1 20"), done(1, 0), "{policy}, no replica");
        assert_eq!(
            client.run("WAITAOF 2 0 0").text(),
            "ERR value is out of range, value must between 0 and 1"
        );
        client.run("MULTI");
        client.run("SET k w");
        client.run("WAITAOF 1 0 0");
        assert_eq!(client.run("EXEC").elements().len(), 2, "it does not wait inside EXEC");
    }
    let disk = Disk::new();
    let running = disk.start(&["--appendfsync", "no"]);
    let mut client = running.connect();
    client.run("SET k v");
    let reply = client.run("WAITAOF 1 0 50");
    assert_eq!(reply.elements()[0], Reply::Integer(0), "nobody syncs");
}

#[test]
fn memory_mode_keeps_nothing() {
    let running = Running::start(&support::Zumic { threads: 1 });
    let mut client = running.connect();
    for line in ["SAVE", "BGSAVE", "BGREWRITEAOF", "SHUTDOWN SAVE"] {
        let reply = client.run(line).text();
        assert_eq!(reply, "ERR this server keeps nothing on disk; start it with --mode persistent");
    }
    assert!(client.run("LASTSAVE").integer() > 1_700_000_000);
    assert_eq!(info(&mut client, "aof_enabled"), "0");
    let refused = client.run("CONFIG SET appendonly yes").text();
    assert!(refused.contains("--mode memory|persistent"), "{refused}");
    let refused = client.run("CONFIG SET save 60\\x201").text();
    assert!(refused.starts_with("ERR"), "{refused}");
    assert_eq!(client.run("CONFIG SET appendonly no"), Reply::simple("OK"));
    let left = std::fs::read_dir(running.folder()).expect("it is there").count();
    assert_eq!(left, 1, "only the test's own log");
}

// --- Loading -----------------------------------------------------------------------------------

#[test]
fn clients_hear_that_data_are_loaded() {
    let disk = Disk::with_threads(1);
    let count = 60_000;
    {
        let mut running = disk.start(&["--appendfsync", "no"]);
        let mut client = running.connect();
        for chunk in 0..count / 5_000 {
            let requests: Vec<Vec<String>> = (0..5_000)
                .map(|n| vec!["SET".to_owned(), format!("key:{chunk}:{n}"), n.to_string()])
                .collect();
            client.pipeline(&requests).expect("the keys are set");
        }
        terminate(&mut running, &mut client);
    }
    let port = free_port();
    let mut command = zumic_command();
    command.args(["--bind", "127.0.0.1", "--threads", "1", "--port", &port.to_string()]);
    command.args(["--mode", "persistent", "--dir"]).arg(disk.path());
    let said = std::fs::File::create(disk.path().join("said")).expect("it is writable");
    command.stdout(std::process::Stdio::null()).stderr(said);
    let mut child = command.spawn().expect("it starts");
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut loading = 0;
    loop {
        assert!(Instant::now() < deadline, "it never comes up");
        let Ok(mut client) = Client::connect(address) else { continue };
        let Ok(reply) = client.try_call(&["PING"]) else { continue };
        if reply == Reply::simple("PONG") {
            break;
        }
        assert_eq!(reply.text(), "LOADING Redis is loading the dataset in memory");
        loading += 1;
        // It may be over by now.
        let text = client.run("INFO persistence").text();
        assert!(text.contains("loading:0") || text.contains("loading_loaded_perc:"), "{text}");
        let get = client.run("GET key:0:0").text();
        assert!(get == "0" || get.starts_with("LOADING "), "{get}");
    }
    assert!(loading > 0, "nobody heard of it");
    let mut client = Client::connect(address).expect("it accepts");
    assert_eq!(client.run("DBSIZE"), Reply::Integer(count));
    // Whatever it does now, it must not outlive the test.
    let _ = child.kill();
    let _ = child.wait();
}

// --- Gating ------------------------------------------------------------------------------------

#[test]
fn replies_keep_their_order_behind_the_gate() {
    let disk = Disk::new();
    let running = disk.start(ALWAYS);
    let mut client = running.connect();
    let mut requests = Vec::new();
    for index in 0..3_000 {
        let index = index.to_string();
        requests.push(vec!["SET".to_owned(), format!("k{index}"), index.clone()]);
        requests.push(vec!["GET".to_owned(), format!("k{index}")]);
        requests.push(vec!["ECHO".to_owned(), index]);
    }
    let replies = client.pipeline(&requests).expect("all are answered");
    for (index, group) in replies.chunks(3).enumerate() {
        let index = Reply::bulk(index.to_string());
        assert_eq!(group, [Reply::simple("OK"), index.clone(), index]);
    }
}

#[test]
fn a_client_that_leaves_gets_its_answers_first() {
    let disk = Disk::new();
    let running = disk.start(ALWAYS);
    for _ in 0..50 {
        let mut client = running.connect();
        client.send_raw(b"SET k v\r\nINCR n\r\nQUIT\r\n").expect("the requests are sent");
        assert_eq!(client.read().expect("SET"), Reply::simple("OK"));
        assert!(matches!(client.read().expect("INCR"), Reply::Integer(_)));
        assert_eq!(client.read().expect("QUIT"), Reply::simple("OK"));
        assert_eq!(client.read_to_close().expect("a close"), b"");
    }
    // A half-closed connection, as `nc` makes them.
    for _ in 0..50 {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(running.address).expect("it accepts");
        stream.write_all(b"SET k v\r\n").expect("sent");
        stream.shutdown(std::net::Shutdown::Write).expect("half closed");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert_eq!(answer, "+OK\r\n");
    }
}

// --- A failing disk --------------------------------------------------------------------------

/// Whether this machine lets the test mount a small file system at `path`.
fn mount_small(path: &std::path::Path, options: &str) -> bool {
    let mut command = Command::new("mount");
    command.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(path);
    command.stderr(std::process::Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

struct Mounted<'a>(&'a std::path::Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        // What stays mounted is untidy, not wrong.
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

/// Sets the largest file that a process may write; `None` when the machine has no `prlimit`.
fn limit_files(pid: u32, bytes: &str) -> Option<()> {
    let mut command = Command::new("prlimit");
    command.args(["--pid", &pid.to_string(), &format!("--fsize={bytes}")]);
    command.status().ok().filter(std::process::ExitStatus::success).map(drop)
}

/// What a client finds while the log is stopped, and after it was begun anew.
fn stopped_and_mended(
    disk: &Disk,
    running: &Running,
    breaks: &mut dyn FnMut(),
    mend: &mut dyn FnMut(),
) {
    let mut reader = running.connect();
    let mut writer = running.connect();
    assert_eq!(writer.run("SET before 1"), Reply::simple("OK"));
    breaks();
    let mut acknowledged = 0;
    // The block that does not fit any more may be some writes away.
    let big = "b".repeat(100_000);
    for number in 1..2_000 {
        let number = number.to_string();
        match writer.try_call(&["MSET", "during", &number, "big", &big]) {
            Ok(Reply::Simple(_)) => acknowledged = number.parse().expect("a number"),
            Ok(reply) => {
                assert!(reply.text().starts_with("MISCONF "), "{reply}");
                break;
            }
            Err(_) => break,
        }
    }
    let refused = reader.run("SET after 1").text();
    assert!(refused.starts_with("MISCONF Errors writing to the AOF file: "), "{refused}");
    assert!(reader.run("PING").text().starts_with("MISCONF "));
    for words in ["MULTI", "INCR n"] {
        reader.run(words);
    }
    assert!(reader.run("EXEC").is_error(), "no write in a transaction either");
    reader.run("DISCARD");
    assert_eq!(reader.run("GET before"), Reply::bulk("1"), "what is on disk can be read");
    let unsure = reader.run("GET during");
    let known = unsure == Reply::bulk(acknowledged.to_string());
    assert!(known || unsure.text().starts_with("MISCONF "), "{unsure}");
    assert_eq!(info(&mut reader, "aof_last_write_status"), "err");
    assert!(!info(&mut reader, "aof_last_write_error").is_empty());
    assert!(running.log().contains("log"), "{}", running.log());
    mend();
    assert_eq!(reader.run("BGREWRITEAOF"), rewriting_started());
    wait_for(&mut reader, "aof_last_write_status", "ok");
    assert_eq!(reader.run("SET after 1"), Reply::simple("OK"));
    assert_eq!(reader.run("PING"), Reply::simple("PONG"));
    let during = reader.run("GET during");
    running.signal("KILL");
    let deadline = Instant::now() + STOP_MAX;
    while reader.try_call(&["PING"]).is_ok() {
        assert!(Instant::now() < deadline, "it survives a kill");
    }
    let again = disk.start(ALWAYS);
    let mut client = again.connect();
    assert_eq!(client.run("GET before"), Reply::bulk("1"));
    assert_eq!(client.run("GET after"), Reply::bulk("1"));
    assert_eq!(client.run("GET during"), during);
}

/// A file size limit makes writes fail in the middle of a segment, on any machine.
#[test]
fn a_write_error_stops_the_log_until_it_is_begun_anew() {
    let disk = Disk::new();
    let path = disk.path().to_path_buf();
    let running = Running::launch(&support::Zumic { threads: 2 }, |port, _| {
        // Without the trap the signal of the limit would end the process.
        let script = format!(
            "trap '' XFSZ; exec {} --bind 127.0.0.1 --port {port} --threads 2 --mode persistent \
             --dir {} --appendfsync always",
            support::process::zumic_path(),
            path.display()
        );
        let mut command = Command::new("sh");
        command.args(["-c", &script]);
        command
    });
    let pid = running.pid();
    let Some(()) = limit_files(pid, "unlimited:") else {
        eprintln!("this machine has no prlimit; a failing write cannot be made");
        return;
    };
    stopped_and_mended(
        &disk,
        &running,
        &mut || limit_files(pid, "1:").expect("it worked before"),
        &mut || limit_files(pid, "unlimited:").expect("it worked before"),
    );
}

#[test]
fn a_full_disk_stops_the_log_until_there_is_space() {
    let disk = Disk::new();
    if !mount_small(disk.path(), "size=100m") {
        eprintln!("this machine mounts no tmpfs for a test; a full disk cannot be made");
        return;
    }
    let _mounted = Mounted(disk.path());
    let running = disk.start(&["--appendfsync", "always", "--auto-aof-rewrite-percentage", "0"]);
    let ballast = disk.path().join("ballast");
    let full = ballast.clone();
    stopped_and_mended(
        &disk,
        &running,
        &mut || {
            // Takes what is left; that writing fails in the end is the point.
            let mut command = Command::new("sh");
            let line = format!("cat /dev/zero > {} 2> /dev/null", full.display());
            command.args(["-c", &line]);
            finish(command, STOP_MAX);
        },
        &mut || std::fs::remove_file(&ballast).expect("the ballast is there"),
    );
    drop(running);
}

#[test]
fn a_failed_snapshot_refuses_writes_if_rules_want_snapshots() {
    let disk = Disk::new();
    let running = disk.start(&["--save", "3600", "1", "--appendfsync", "always"]);
    let mut client = running.connect();
    client.run("SET k v");
    // A directory in the way of nothing: the name is new each time, so take the right to write.
    let pid = running.pid();
    if std::fs::metadata("/proc/self").is_err() || limit_files(pid, "unlimited:").is_none() {
        return;
    }
    drop(client);
    drop(running);
    let path = disk.path().to_path_buf();
    let running = Running::launch(&support::Zumic { threads: 1 }, |port, _| {
        let script = format!(
            "trap '' XFSZ; exec {} --bind 127.0.0.1 --port {port} --threads 1 --mode persistent \
             --dir {} --save 3600 1 --appendfsync no",
            support::process::zumic_path(),
            path.display()
        );
        let mut command = Command::new("sh");
        command.args(["-c", &script]);
        command
    });
    let mut client = running.connect();
    limit_files(running.pid(), "10:").expect("it worked before");
    assert_eq!(client.run("SAVE").text(), "ERR the snapshot failed; the log says why");
    assert_eq!(info(&mut client, "rdb_last_bgsave_status"), "err");
    let refused = client.run("SET k w").text();
    assert!(refused.starts_with("MISCONF "), "{refused}");
    assert_eq!(client.run("GET k"), Reply::bulk("v"));
    limit_files(running.pid(), "unlimited:").expect("it worked before");
    assert_eq!(client.run("SAVE"), Reply::simple("OK"));
    assert_eq!(client.run("SET k w"), Reply::simple("OK"));
}

// --- Refusals -----------------------------------------------------------------------------------

#[test]
fn two_processes_do_not_share_a_directory() {
    let disk = Disk::new();
    let first = disk.start(ALWAYS);
    first.connect().run("SET k v");
    let second = disk.start_in_vain(&[]);
    assert!(second.code.is_some_and(|code| code != 0), "{}", second.stderr);
    assert!(second.stderr.contains("locked by another process"), "{}", second.stderr);
    assert_eq!(first.connect().run("GET k"), Reply::bulk("v"));
    drop(first);
    assert_eq!(disk.start(&[]).connect().run("GET k"), Reply::bulk("v"), "the lock is gone");
}

#[test]
fn a_directory_that_cannot_be_written_is_refused() {
    let disk = Disk::new();
    let permissions = std::fs::Permissions::from_mode(0o555);
    std::fs::set_permissions(disk.path(), permissions).expect("it is ours");
    let mut command = without_power(support::process::zumic_path());
    command.args(["--bind", "127.0.0.1", "--port", &free_port().to_string()]);
    command.args(["--mode", "persistent", "--dir"]).arg(disk.path());
    let ended = finish(command, STOP_MAX);
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(ended.code.is_some_and(|code| code != 0), "{said}");
    let path = disk.path().display().to_string();
    assert!(said.contains(&path) && said.to_lowercase().contains("denied"), "{said}");
    let writable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(disk.path(), writable).expect("it is ours");
}

#[test]
fn damage_is_refused_with_its_place() {
    let disk = Disk::new();
    {
        let running = disk.start(ALWAYS);
        let mut client = running.connect();
        for index in 0..200 {
            client.run(&format!("SET key{index} value{index}"));
        }
    }
    let segment = disk.files(".zlog").pop().expect("there is a log");
    let mut bytes = std::fs::read(&segment).expect("it is readable");
    let at = bytes.windows(5).position(|window| window == b"key20").expect("a key is in it");
    bytes[at] ^= 1;
    std::fs::write(&segment, bytes).expect("it is writable");
    let ended = disk.start_in_vain(&[]);
    assert!(ended.code.is_some_and(|code| code != 0), "{}", ended.stderr);
    let name = segment.file_name().expect("a file").to_string_lossy().into_owned();
    for wanted in [name.as_str(), "at byte", "epoch"] {
        assert!(ended.stderr.contains(wanted), "{wanted} in: {}", ended.stderr);
    }
}

#[test]
fn settings_of_persistence_change_while_running() {
    let disk = Disk::new();
    let running = disk.start(&[]);
    let mut client = running.connect();
    for (name, value) in [
        ("appendfsync", "always"),
        ("save", "900 1 60 1000"),
        ("stop-writes-on-bgsave-error", "no"),
        ("rdbcompression", "no"),
        ("auto-aof-rewrite-percentage", "50"),
        ("shutdown-on-sigterm", "nosave force"),
    ] {
        assert_eq!(client.call(&["CONFIG", "SET", name, value]), Reply::simple("OK"), "{name}");
        let shown = client.call(&["CONFIG", "GET", name]);
        assert_eq!(shown.field(name).map(Reply::text).as_deref(), Some(value));
    }
    for (name, value) in [("mode", "persistent"), ("appendonly", "yes")] {
        let shown = client.call(&["CONFIG", "GET", name]);
        assert_eq!(shown.field(name).map(Reply::text).as_deref(), Some(value));
    }
    assert!(client.run("CONFIG SET dir /tmp").is_error());
    assert!(client.run("CONFIG SET appendonly no").is_error());
    client.run("SET k v");
    client.run("CONFIG SET appendfsync everysec");
    client.run("SET k w");
    assert_eq!(client.run("WAITAOF 1 0 0").elements()[0], Reply::Integer(1));
    drop(running);
    assert_eq!(disk.start(&[]).connect().run("GET k"), Reply::bulk("w"));
}
