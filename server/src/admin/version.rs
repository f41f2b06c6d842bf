//! Which version this is, and which version of Redis it answers like.

/// The version of Redis whose answers are given; clients decide by it what they may use.
pub const REDIS: &str = "7.2.4";
/// Zumic's own version.
pub const ZUMIC: &str = env!("CARGO_PKG_VERSION");
/// The commit it was built from, `-dirty` if changed since; empty when built outside of git.
pub const GIT_COMMIT: &str = env!("BUILD_GIT_COMMIT");

/// One line: version, and commit if known.
#[must_use]
pub fn line() -> String {
    match GIT_COMMIT {
        "" => format!("zumic {ZUMIC}"),
        commit => format!("zumic {ZUMIC} ({commit})"),
    }
}
