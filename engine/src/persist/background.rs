//! Threads that nobody waits for give way to those that serve requests.
//!
//! Why it exists: where a scanner of a snapshot has its core in common with a reactor, the system
//! gives either half of it, and a reactor that needs more than half falls behind for as long as the
//! snapshot takes. Not for the log's threads: writers wait for those when they fall behind.

/// How much less of a contended core a thread gets: a quarter of it beside one other thread. Found
/// with `perf/durability --parts everysec`: at 10 and at 19 requests waited no less, and writers,
/// which hand what they replace to the scanner, met it for longer.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

/// Has the calling thread give way to others, for good. Where that cannot be had it does not
/// matter: it was about latency alone.
pub(crate) fn give_way() {
    // Linux takes "the calling process" for the calling thread, others for all of them.
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{getpriority_process, setpriority_process};
        if let Ok(now) = getpriority_process(None) {
            let _ = setpriority_process(None, now + NICENESS);
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::getpriority_process;

    use super::*;

    #[test]
    fn one_thread_gives_way_and_the_others_do_not() {
        let before = getpriority_process(None).unwrap();
        let given = std::thread::spawn(|| {
            give_way();
            getpriority_process(None).unwrap()
        });
        assert_eq!(given.join().unwrap(), (before + NICENESS).min(19));
        assert_eq!(getpriority_process(None).unwrap(), before);
    }
}
