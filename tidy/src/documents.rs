//! Rules about documents: what they name exists.
//!
//! Why it exists: a document that names a file which has moved teaches the reader to distrust it.

use crate::Finding;

/// A path that a document names, and the line where it does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Named {
    /// Line in the document, from 1.
    pub line: usize,
    /// The path as it is written, without line number, anchor or slash at the end.
    pub path: String,
}

/// The paths that a Markdown text names in code marks and that begin with one of `roots` (folders
/// and files at the top of the repository). A path with a wildcard or a gap is left out.
pub fn paths_in_code_marks(text: &str, roots: &[String]) -> Vec<Named> {
    let mut named = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for word in line.split('`').skip(1).step_by(2).flat_map(str::split_whitespace) {
            let path = word.split(':').next().unwrap_or(word).trim_end_matches(['/', '.', ',']);
            let path = path.strip_prefix("./").unwrap_or(path);
            let root = path.split('/').next().unwrap_or(path);
            let is_path = word.contains('/') || path.contains('.');
            if is_path && !path.contains(['*', '<', '{', '…']) && roots.iter().any(|r| r == root)
            {
                named.push(Named { line: index + 1, path: path.to_owned() });
            }
        }
    }
    named
}

/// The targets of a Markdown text's links that stay inside the repository, relative to the text.
pub fn links(text: &str) -> Vec<Named> {
    let mut named = Vec::new();
    let mut in_block = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        }
        if in_block {
            continue;
        }
        for (at, opening) in line.match_indices("](") {
            let rest = &line[at + opening.len()..];
            let Some(end) = rest.find(')') else { continue };
            let path = rest[..end].split('#').next().unwrap_or_default();
            if !path.is_empty() && !path.contains("://") {
                named.push(Named { line: index + 1, path: path.to_owned() });
            }
        }
    }
    named
}

/// The benchmarks that a text tells its reader to run: `--bench NAME`.
pub fn benchmarks(text: &str) -> Vec<Named> {
    let mut named = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut words = line.split([' ', '`', '\t']);
        while let Some(word) = words.next() {
            if word == "--bench"
                && let Some(name) = words.next()
            {
                let path = name.trim_end_matches(['.', ',', ')']).to_owned();
                named.push(Named { line: index + 1, path });
            }
        }
    }
    named
}

/// Turns what a document names into findings, by asking whether each exists.
pub fn missing(named: &[Named], what: &str, exists: impl Fn(&str) -> bool) -> Vec<Finding> {
    named
        .iter()
        .filter(|name| !exists(&name.path))
        .map(|name| Finding::new(name.line, format!("{what} `{}` does not exist", name.path)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roots() -> Vec<String> {
        vec!["engine".to_owned(), "README.md".to_owned()]
    }

    fn paths(text: &str) -> Vec<String> {
        paths_in_code_marks(text, &roots()).into_iter().map(|named| named.path).collect()
    }

    #[test]
    fn paths_are_read_from_code_marks() {
        assert_eq!(
            paths("see `engine/src/map.rs:12` and `README.md`"),
            ["engine/src/map.rs", "README.md"]
        );
        assert_eq!(paths("`engine/`"), ["engine"]);
        assert_eq!(paths("`engine` `engine/*.rs` `a/b` engine/x"), Vec::<String>::new());
    }

    #[test]
    fn a_path_that_is_not_there_is_found() {
        let named = paths_in_code_marks("a\n`engine/gone.rs`", &roots());
        let findings = missing(&named, "path", |path| path == "engine/src/lib.rs");
        assert_eq!(findings, [Finding::new(2, "path `engine/gone.rs` does not exist")]);
    }

    #[test]
    fn links_are_read_without_their_anchors() {
        let text = "[a](b.md#c) [d](https://e) [f](#g)\n```\n[x](y.md)\n```";
        assert_eq!(links(text), [Named { line: 1, path: "b.md".to_owned() }]);
    }

    #[test]
    fn benchmarks_are_read_from_commands() {
        let named = benchmarks("run `cargo bench -p zumic-benches --bench map`, then");
        assert_eq!(named, [Named { line: 1, path: "map".to_owned() }]);
    }
}
