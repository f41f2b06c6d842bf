//! Rules about atomics: every access says why its ordering is enough, and edges have two ends.
//!
//! Why it exists: an ordering that nobody explained cannot be reviewed, and an Acquire without
//! its Release is a bug that no test on a strongly ordered machine finds. Test code is exempt: it
//! is not what loom models.

use std::collections::BTreeMap;

use crate::Finding;
use crate::source::Source;

/// How many lines above an access its `// ORDER` comment may begin.
pub const ORDER_LINES_ABOVE_MAX: usize = 6;

/// The names of the memory orderings.
const ORDERINGS: [&str; 5] = ["AcqRel", "Acquire", "Relaxed", "Release", "SeqCst"];

/// Finds calls that take a memory ordering and have no `// ORDER` comment close above.
pub fn accesses_without_order(source: &Source) -> Vec<Finding> {
    let code = source.code();
    let mut findings = Vec::new();
    let mut last = None;
    for at in ordering_positions(&code) {
        let Some(open) = enclosing_parenthesis(&code, at) else { continue };
        let line = code[..open].matches('\n').count();
        if last == Some(line) || source.lines[line].is_test {
            continue;
        }
        last = Some(line);
        if !source.comment_near(line, ORDER_LINES_ABOVE_MAX, "// ORDER") {
            let message = format!(
                "atomic access without `// ORDER` in the {ORDER_LINES_ABOVE_MAX} lines above"
            );
            findings.push(Finding::new(line + 1, message));
        }
    }
    findings
}

/// Byte positions of ordering names that stand as whole words.
fn ordering_positions(code: &str) -> Vec<usize> {
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let mut positions: Vec<usize> = ORDERINGS
        .iter()
        .flat_map(|name| code.match_indices(name))
        .filter(|(at, name)| {
            !is_word(code[..*at].chars().next_back())
                && !is_word(code[at + name.len()..].chars().next())
        })
        .map(|(at, _)| at)
        .collect();
    positions.sort_unstable();
    positions
}

/// The `(` of the call whose arguments hold `at`; none inside a block or a `use` list.
fn enclosing_parenthesis(code: &str, at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (index, character) in code[..at].char_indices().rev() {
        match character {
            ')' | '}' | ']' => depth += 1,
            '(' if depth == 0 => return Some(index),
            '{' if depth == 0 => return None,
            '(' | '{' | '[' => depth = depth.saturating_sub(1),
            ';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// The edges of one or more files: who declares them, and how often each is cited.
#[derive(Clone, Debug, Default)]
pub struct Edges {
    declared: BTreeMap<String, Declaration>,
    cited: BTreeMap<String, Vec<(String, usize)>>,
}

#[derive(Clone, Debug)]
struct Declaration {
    path: String,
    line: usize,
    is_unpaired: bool,
}

impl Edges {
    /// Adds what the file at `path` declares in its header (below a line `Ordering edges`, as
    /// ``- `name`: ...``) and cites (`ORDER(name)`). An edge whose entry says "unpaired" (weaker
    /// is enough) or "both ends in one place" (one line of code plays both) is cited once.
    pub fn add(&mut self, path: &str, source: &Source) {
        let mut in_list = false;
        let mut current: Option<String> = None;
        for (index, line) in source.lines.iter().enumerate() {
            let Some(text) = line.comment.strip_prefix("//!").map(str::trim) else {
                self.add_citations(path, index, &line.comment);
                continue;
            };
            if text.trim_start_matches('#').trim().starts_with("Ordering edges") {
                in_list = true;
            } else if in_list && text.is_empty() && current.is_some() {
                in_list = false;
                current = None;
            } else if in_list && let Some(name) = declared_name(text) {
                let is_unpaired = says_unpaired(text);
                let declaration =
                    Declaration { path: path.to_owned(), line: index + 1, is_unpaired };
                self.declared.insert(name.clone(), declaration);
                current = Some(name);
            } else if says_unpaired(text)
                && let Some(declaration) =
                    current.as_ref().and_then(|name| self.declared.get_mut(name))
            {
                declaration.is_unpaired = true;
            }
        }
    }

    fn add_citations(&mut self, path: &str, index: usize, comment: &str) {
        for (at, opening) in comment.match_indices("ORDER(") {
            let rest = &comment[at + opening.len()..];
            let Some(end) = rest.find(')') else { continue };
            for name in rest[..end].split(',') {
                let places = self.cited.entry(name.trim().to_owned()).or_default();
                places.push((path.to_owned(), index + 1));
            }
        }
    }

    /// Edges with one end, or with none, and citations of edges that no header declares. Each
    /// finding comes with the path it belongs to.
    pub fn findings(&self) -> Vec<(String, Finding)> {
        let mut findings = Vec::new();
        for (name, declaration) in &self.declared {
            let ends = self.cited.get(name).map_or(0, Vec::len);
            let wanted = if declaration.is_unpaired { 1 } else { 2 };
            if ends < wanted {
                let message =
                    format!("edge `{name}` is cited {ends} time(s) as ORDER({name}), not {wanted}");
                findings.push((declaration.path.clone(), Finding::new(declaration.line, message)));
            }
        }
        for (name, places) in &self.cited {
            if !self.declared.contains_key(name) {
                let (path, line) = &places[0];
                let message = format!("ORDER({name}) names an edge that no file header declares");
                findings.push((path.clone(), Finding::new(*line, message)));
            }
        }
        findings
    }
}

/// Whether an entry's line says that one citation is enough.
fn says_unpaired(text: &str) -> bool {
    text.contains("unpaired") || text.to_lowercase().contains("both ends in one place")
}

/// The name in ``- `name`: ...`` of a header's list.
fn declared_name(text: &str) -> Option<String> {
    let rest = text.strip_prefix("- `")?;
    let (name, _) = rest.split_once('`')?;
    Some(name.to_owned())
}

/// Finds uses of the standard library's atomics outside a crate's `sync` door. The `Ordering`
/// type alone may be named: loom has the same one.
pub fn atomics_past_the_door(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in source.lines.iter().enumerate() {
        let code: String = line.code.split_whitespace().collect::<Vec<_>>().join(" ");
        let named = ["std::sync::atomic", "core::sync::atomic"]
            .iter()
            .find_map(|path| code.split_once(path).map(|(_, rest)| rest.to_owned()));
        let Some(rest) = named else { continue };
        if line.is_test || rest.starts_with("::Ordering") {
            continue;
        }
        findings.push(Finding::new(index + 1, "atomics come through the crate's `sync` door"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> usize {
        accesses_without_order(&Source::parse(text)).len()
    }

    #[test]
    fn an_access_without_a_reason_is_found() {
        assert_eq!(count("fn f() {\n    a.load(Ordering::Acquire);\n}"), 1);
        assert_eq!(count("fn f() {\n    a.swap(1, SeqCst);\n}"), 1);
        assert_eq!(count("fn f() {\n    guard.protect(&a.b, Ordering::Acquire);\n}"), 1);
        assert_eq!(count("fn f() {\n    // ORDER: counter.\n    a.load(Ordering::Relaxed);\n}"), 0);
    }

    #[test]
    fn the_reason_must_be_close() {
        let far = format!("// ORDER: x.\n{}a.load(Ordering::Acquire);", "\n".repeat(6));
        let close = format!("// ORDER: x.\n{}a.load(Ordering::Acquire);", "\n".repeat(5));
        assert_eq!((count(&far), count(&close)), (1, 0));
    }

    #[test]
    fn a_call_over_many_lines_counts_once_from_its_first() {
        let call = "a.compare_exchange(\n0,\n1,\nOrdering::Release,\nOrdering::Relaxed,\n);";
        assert_eq!(count(call), 1);
        assert_eq!(count(&format!("// ORDER(x): y.\n{call}")), 0);
    }

    #[test]
    fn comparisons_strings_imports_and_tests_are_left_alone() {
        assert_eq!(count("use std::sync::atomic::Ordering::{Acquire, Release};"), 0);
        assert_eq!(count("f(a.cmp(&b) == Ordering::Less, \"Acquire\"); // (Acquire)"), 0);
        assert_eq!(count("#[cfg(test)]\nmod t {\n fn f() { a.load(Ordering::Acquire); }\n}"), 0);
    }

    fn edge_findings(text: &str) -> Vec<String> {
        let mut edges = Edges::default();
        edges.add("a.rs", &Source::parse(text));
        edges.findings().into_iter().map(|(_, finding)| finding.message).collect()
    }

    #[test]
    fn an_edge_has_two_ends() {
        let header = "//! A.\n//!\n//! Ordering edges\n//! - `pub`: a -> b.\n";
        assert_eq!(edge_findings(header).len(), 1);
        assert_eq!(edge_findings(&format!("{header}// ORDER(pub): a.")).len(), 1);
        let both = format!("{header}// ORDER(pub): a.\n// ORDER(pub): b.");
        assert_eq!(edge_findings(&both), Vec::<String>::new());
    }

    #[test]
    fn an_edge_marked_unpaired_has_one() {
        let header = "//! A.\n//!\n//! Ordering edges\n//! - `pub`: a,\n//!   unpaired.\n";
        assert_eq!(edge_findings(&format!("{header}// ORDER(pub): a.")), Vec::<String>::new());
    }

    #[test]
    fn an_undeclared_edge_is_found() {
        assert_eq!(edge_findings("//! A.\n// ORDER(x): a.\n// ORDER(x): b.").len(), 1);
    }

    #[test]
    fn only_the_door_names_the_standard_atomics() {
        let found = |text: &str| atomics_past_the_door(&Source::parse(text)).len();
        assert_eq!(found("use std::sync::atomic::AtomicU8;"), 1);
        assert_eq!(found("type A = core::sync::atomic::AtomicI64;"), 1);
        assert_eq!(found("use std::sync::atomic::Ordering;"), 0);
        assert_eq!(found("use std::sync::atomic::{AtomicU8, Ordering};"), 1);
        assert_eq!(found("// std::sync::atomic::AtomicU8"), 0);
    }
}
