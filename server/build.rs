//! Tells the crate which commit it is built from.
//!
//! Outside of git, or without the program, the commit is empty and the build goes on.

use std::process::Command;

fn main() {
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_default();
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]);
    let dirty = changed.is_some_and(|files| !files.is_empty());
    let suffix = if dirty && !commit.is_empty() { "-dirty" } else { "" };
    println!("cargo::rustc-env=BUILD_GIT_COMMIT={commit}{suffix}");
    println!("cargo::rerun-if-changed=build.rs");
    // The log of HEAD changes with every commit and checkout.
    if let Some(path) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={path}");
    }
}

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
