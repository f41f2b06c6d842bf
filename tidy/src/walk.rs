//! The files of the repository.
//!
//! Why it exists: the rules look at what is ours, not at what a build or a package manager left.
//! Not a reader of `.gitignore`: the few folders to pass over are named here.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Folders that hold nothing of ours, wherever they are.
const PASSED_OVER: [&str; 9] =
    [".git", "__pycache__", "artifacts", "book", "corpus", "node_modules", "out", "target", "venv"];

/// The top of the repository.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("this crate lies one folder below the top").to_path_buf()
}

/// All files below `folder`, sorted, as paths relative to it with `/` between their parts.
///
/// # Errors
/// Whatever reading a folder answers.
pub fn files(folder: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    collect(folder, "", &mut found)?;
    found.sort();
    Ok(found)
}

fn collect(folder: &Path, prefix: &str, found: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        let kind = entry.file_type()?;
        if kind.is_dir() && !PASSED_OVER.contains(&name.as_str()) {
            collect(&entry.path(), &path, found)?;
        } else if kind.is_file() {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_file_is_found_and_build_output_is_not() {
        let files = files(&root()).unwrap();
        assert!(files.iter().any(|path| path == "tidy/src/walk.rs"));
        assert!(!files.iter().any(|path| path.starts_with("target/")));
    }
}
