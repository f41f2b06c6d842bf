//! The house rules, held against every file of the repository.
//!
//! Each test prints all places where its rule does not hold, as `path:line: what`. The rules, and
//! the snippets that show that they can fail, are in the library of this crate.

use std::fs;
use std::path::Path;

use tidy::source::Source;
use tidy::{Finding, atomics, comments, documents, hygiene, walk};

/// Files over the size limits, with the size that each may have at most. The list only shrinks:
/// whoever makes such a file smaller lowers its number; one within the limits leaves the list.
const TOO_LONG_ALLOWED: [(&str, usize); 0] = [];

/// Crates whose atomics loom must see, so that each access needs its `// ORDER`.
const CONCURRENT: [&str; 2] = ["engine/src/", "server/src/"];

fn read(path: &str) -> String {
    fs::read_to_string(walk::root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn files(wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let all = walk::files(&walk::root()).expect("the repository can be read");
    let files: Vec<String> = all.into_iter().filter(|path| wanted(path)).collect();
    assert!(!files.is_empty(), "a rule that looks at no file proves nothing");
    files
}

fn is_rust(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "rs")
}

fn is_markdown(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "md")
}

fn is_concurrent(path: &str) -> bool {
    is_rust(path) && !is_test_file(path) && CONCURRENT.iter().any(|folder| path.starts_with(folder))
}

fn is_test_file(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, "tests" | "tests.rs" | "benches" | "fuzz_targets"))
}

/// Fails with every finding of `rule` over `paths`.
fn hold(paths: Vec<String>, rule: impl Fn(&str, &str) -> Vec<Finding>) {
    let findings: Vec<String> = paths
        .iter()
        .flat_map(|path| {
            rule(path, &read(path)).into_iter().map(move |finding| format!("{path}:{finding}"))
        })
        .collect();
    assert!(findings.is_empty(), "{} findings\n{}", findings.len(), findings.join("\n"));
}

fn hold_rust(wanted: impl Fn(&str) -> bool, rule: impl Fn(&Source) -> Vec<Finding>) {
    hold(files(wanted), |_, text| rule(&Source::parse(text)));
}

#[test]
fn every_atomic_access_says_why_its_ordering_is_enough() {
    hold_rust(is_concurrent, atomics::accesses_without_order);
}

#[test]
fn every_ordering_edge_has_two_ends() {
    let mut edges = atomics::Edges::default();
    for path in files(is_concurrent) {
        edges.add(&path, &Source::parse(&read(&path)));
    }
    let findings: Vec<String> =
        edges.findings().iter().map(|(path, finding)| format!("{path}:{finding}")).collect();
    assert!(findings.is_empty(), "{} findings\n{}", findings.len(), findings.join("\n"));
}

#[test]
fn standard_atomics_come_through_the_sync_doors() {
    hold_rust(
        |path| is_concurrent(path) && !path.ends_with("/src/sync.rs"),
        atomics::atomics_past_the_door,
    );
}

#[test]
fn every_file_says_what_it_is() {
    hold_rust(is_rust, comments::missing_header);
}

#[test]
fn every_unsafe_has_its_argument() {
    hold_rust(is_rust, comments::unsafe_without_safety);
}

#[test]
fn every_silenced_lint_has_its_reason() {
    hold_rust(is_rust, comments::silenced_without_reason);
}

#[test]
fn files_are_short() {
    hold(files(is_rust), |path, text| {
        let source = Source::parse(text);
        let allowed = TOO_LONG_ALLOWED.iter().find(|(allowed, _)| *allowed == path);
        let findings = hygiene::too_long(&source, is_test_file(path));
        match allowed {
            None => findings,
            Some((_, _)) if findings.is_empty() => {
                vec![Finding::new(0, "is within the limits: take it off the list")]
            }
            Some((_, lines)) if source.lines.len() <= *lines => Vec::new(),
            Some((_, lines)) => {
                vec![Finding::new(0, format!("has grown beyond its {lines} lines"))]
            }
        }
    });
}

#[test]
fn lines_are_narrow() {
    let is_narrow = |path: &str| {
        let by_name = Path::new(path).extension().is_some_and(|e| e == "sh" || e == "py");
        is_rust(path) || by_name || path.starts_with("scripts/") || path.starts_with(".ci/")
    };
    hold(files(is_narrow), |_, text| hygiene::too_wide(text));
}

#[test]
fn nothing_unwraps_outside_tests() {
    hold_rust(|path| is_rust(path) && !is_test_file(path), hygiene::unwraps);
}

#[test]
fn nothing_is_left_open() {
    hold_rust(is_rust, hygiene::open_ends);
}

#[test]
fn nothing_names_one_machine() {
    let kinds = ["json", "md", "py", "rs", "sh", "toml", "js", "mjs"];
    let is_text = |path: &str| {
        let extension = Path::new(path).extension().and_then(|e| e.to_str());
        extension.is_some_and(|e| kinds.contains(&e))
            || path.starts_with("scripts/")
            || path.starts_with(".ci/")
    };
    hold(files(is_text), |_, text| hygiene::places(text));
}

#[test]
fn paths_named_in_documents_exist() {
    let root = walk::root();
    let top: Vec<String> = fs::read_dir(&root)
        .expect("the repository can be read")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name != "target")
        .collect();
    hold(files(is_markdown), |path, text| {
        let folder = root.join(path).parent().expect("a file lies in a folder").to_path_buf();
        let marked = documents::paths_in_code_marks(text, &top);
        let mut findings = documents::missing(&marked, "path", |path| root.join(path).exists());
        let linked = documents::links(text);
        findings.extend(documents::missing(&linked, "link", |path| folder.join(path).exists()));
        findings
    });
}

#[test]
fn benchmarks_named_in_documents_exist() {
    let benches = walk::root().join("benches/benches");
    hold(files(is_markdown), |_, text| {
        let exists = |name: &str| benches.join(format!("{name}.rs")).exists();
        documents::missing(&documents::benchmarks(text), "benchmark", exists)
    });
}

#[test]
fn every_page_of_the_book_is_in_its_summary() {
    let summary = read("docs/src/SUMMARY.md");
    let listed: Vec<String> =
        documents::links(&summary).into_iter().map(|named| named.path).collect();
    hold(files(|path| path.starts_with("docs/src/") && is_markdown(path)), |path, _| {
        let page = path.trim_start_matches("docs/src/");
        let is_listed = page == "SUMMARY.md" || listed.iter().any(|link| link == page);
        if is_listed { Vec::new() } else { vec![Finding::new(0, "is not in docs/src/SUMMARY.md")] }
    });
}
