//! What the operating system knows about this process.
//!
//! Why it exists: INFO reports true figures, so each of these is an `Option`: where the system
//! does not say (no `/proc`), the field is left out instead of being zero.

use std::fs;

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};

/// Descriptors that are no clients: listeners, pollers, wakers, log, libraries.
const OTHER_FILES: u64 = 64;

/// Resident memory in bytes.
#[must_use]
pub fn resident_bytes() -> Option<u64> {
    kib_field("/proc/self/status", "VmRSS:")
}

/// Memory of the machine in bytes.
#[must_use]
pub fn machine_bytes() -> Option<u64> {
    kib_field("/proc/meminfo", "MemTotal:")
}

fn kib_field(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1_024)
}

/// Processor time in seconds.
#[derive(Clone, Copy, Debug)]
pub struct CpuSeconds {
    /// In the kernel.
    pub system: f64,
    /// Outside of it.
    pub user: f64,
}

/// Processor time of this process; `children`: of those it waited for.
#[must_use]
pub fn cpu_seconds(children: bool) -> Option<CpuSeconds> {
    let who = if children { UsageWho::RUSAGE_CHILDREN } else { UsageWho::RUSAGE_SELF };
    let usage = getrusage(who).ok()?;
    let (system, user) = (usage.system_time(), usage.user_time());
    let seconds = |whole: i64, micros: i64| whole as f64 + micros as f64 / 1_000_000.0;
    Some(CpuSeconds {
        system: seconds(system.tv_sec(), system.tv_usec()),
        user: seconds(user.tv_sec(), user.tv_usec()),
    })
}

/// Name and release of the system, and the machine's architecture.
#[must_use]
pub fn system_name() -> Option<String> {
    let name = nix::sys::utsname::uname().ok()?;
    let parts = [name.sysname(), name.release(), name.machine()];
    Some(parts.map(std::ffi::OsStr::to_string_lossy).join(" "))
}

/// Makes sure that `clients` connections can be open, raising the soft limit if it must.
///
/// # Errors
/// How many clients are possible, if those are too many.
pub fn allow_clients(clients: u32) -> Result<(), u32> {
    let wanted = u64::from(clients) + OTHER_FILES;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return Ok(()) };
    if soft >= wanted {
        return Ok(());
    }
    // An unprivileged process may raise the soft limit up to the hard one, not more; a
    // privileged one may raise both.
    let raised = setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted)).is_ok();
    if raised {
        return Ok(());
    }
    let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    let possible = getrlimit(Resource::RLIMIT_NOFILE).map_or(soft, |(soft, _)| soft);
    if possible >= wanted {
        return Ok(());
    }
    Err(u32::try_from(possible.saturating_sub(OTHER_FILES)).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn linux_tells_all_of_it() {
        let resident = resident_bytes().unwrap();
        assert!(resident > 100_000 && resident < machine_bytes().unwrap());
        assert!(cpu_seconds(false).is_some_and(|cpu| cpu.user + cpu.system >= 0.0));
        assert!(system_name().unwrap().starts_with("Linux "));
    }

    #[test]
    fn few_clients_are_always_possible_and_absurdly_many_are_not() {
        assert_eq!(allow_clients(1), Ok(()));
        let possible = allow_clients(u32::MAX).unwrap_err();
        assert!(possible > 0 && possible < u32::MAX);
    }
}
