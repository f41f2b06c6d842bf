//! Rules about what must not be there: long files, long lines, `unwrap`, open ends, and places of
//! one particular machine.
//!
//! Why it exists: sizes grow a line at a time, and nobody notices the line that was one too many.

use crate::Finding;
use crate::source::Source;

/// Lines of a file without its tests.
pub const LINES_MAX: usize = 600;
/// Lines of a file with its tests.
pub const LINES_WITH_TESTS_MAX: usize = 800;
/// Columns of a line.
pub const COLUMNS_MAX: usize = 100;

/// What must not be named: folders of one machine, hosts of package registries. In pieces, so
/// that this file passes its own rule.
const PLACES: [&str; 10] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("static.", "crates.io"),
    concat!("index.", "crates.io"),
    concat!("registry.", "npmjs.org"),
    concat!("files.", "pythonhosted.org"),
    concat!("pypi", ".org"),
    concat!("deb.", "debian.org"),
    concat!("proxy.", "golang.org"),
];

/// What marks work that is not finished.
const OPEN_ENDS: [&str; 4] =
    [concat!("FIX", "ME"), concat!("XX", "X"), concat!("TO", "DO"), concat!("HA", "CK:")];

/// Finds a file longer than the limits; `tests_only` files have the larger one alone.
pub fn too_long(source: &Source, tests_only: bool) -> Vec<Finding> {
    let all = source.lines.len();
    let code = source.lines.iter().filter(|line| !line.is_test).count();
    let mut findings = Vec::new();
    if !tests_only && code > LINES_MAX {
        let message = format!("{code} lines without tests, more than {LINES_MAX}");
        findings.push(Finding::new(0, message));
    }
    if all > LINES_WITH_TESTS_MAX {
        let message = format!("{all} lines, more than {LINES_WITH_TESTS_MAX}");
        findings.push(Finding::new(0, message));
    }
    findings
}

/// Finds lines wider than the limit. A line with an address in it may be wider: an address
/// cannot be broken.
pub fn too_wide(text: &str) -> Vec<Finding> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| line.chars().count() > COLUMNS_MAX && !line.contains("://"))
        .map(|(index, line)| {
            let message = format!("{} columns, more than {COLUMNS_MAX}", line.chars().count());
            Finding::new(index + 1, message)
        })
        .collect()
}

/// Finds `.unwrap()` outside tests.
pub fn unwraps(source: &Source) -> Vec<Finding> {
    in_code(source, &[".unwrap()"], "`unwrap` outside tests: `expect` states the invariant")
}

/// Finds macros and marks of unfinished work, in code or in comments.
pub fn open_ends(source: &Source) -> Vec<Finding> {
    let macros = [concat!("to", "do!("), concat!("unimple", "mented!(")];
    let mut findings = in_code(source, &macros, "unfinished code");
    for (index, line) in source.lines.iter().enumerate() {
        if OPEN_ENDS.iter().any(|mark| line.comment.contains(mark)) {
            findings.push(Finding::new(index + 1, "an open end: finish it, or leave it out"));
        }
    }
    findings
}

fn in_code(source: &Source, needles: &[&str], message: &str) -> Vec<Finding> {
    source
        .lines
        .iter()
        .enumerate()
        .filter(|(_, line)| !line.is_test && needles.iter().any(|n| line.code.contains(n)))
        .map(|(index, _)| Finding::new(index + 1, message))
        .collect()
}

/// Finds folders of one machine and hosts of package registries, in any text.
pub fn places(text: &str) -> Vec<Finding> {
    text.lines()
        .enumerate()
        .filter_map(|(index, line)| {
            let place = PLACES.iter().find(|place| line.contains(*place))?;
            Some(Finding::new(index + 1, format!("names a place of one machine: {place}")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_files_are_found_on_both_sides_of_the_limit() {
        let lines = |count: usize| Source::parse(&"a();\n".repeat(count));
        assert_eq!(too_long(&lines(LINES_MAX), false).len(), 0);
        assert_eq!(too_long(&lines(LINES_MAX + 1), false).len(), 1);
        assert_eq!(too_long(&lines(LINES_MAX + 1), true).len(), 0);
        assert_eq!(too_long(&lines(LINES_WITH_TESTS_MAX + 1), true).len(), 1);
    }

    #[test]
    fn tests_count_only_in_the_larger_limit() {
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "a();\n".repeat(300));
        let text = format!("{}{tests}", "a();\n".repeat(480));
        assert_eq!(too_long(&Source::parse(&text), false).len(), 0);
        let text = format!("{}{tests}", "a();\n".repeat(580));
        assert_eq!(too_long(&Source::parse(&text), false).len(), 1);
    }

    #[test]
    fn wide_lines_are_found_on_both_sides_of_the_limit() {
        assert_eq!(too_wide(&"é".repeat(COLUMNS_MAX)).len(), 0);
        assert_eq!(too_wide(&"é".repeat(COLUMNS_MAX + 1)).len(), 1);
        assert_eq!(too_wide(&format!("https://{}", "x".repeat(COLUMNS_MAX))).len(), 0);
    }

    #[test]
    fn unwraps_are_found_outside_tests_only() {
        let found = |text: &str| unwraps(&Source::parse(text)).len();
        assert_eq!(found("a.unwrap();"), 1);
        assert_eq!(found("a.unwrap_or(1); // a.unwrap()"), 0);
        assert_eq!(found("#[cfg(test)]\nmod t { fn f() { a.unwrap(); } }"), 0);
    }

    #[test]
    fn open_ends_are_found() {
        let found = |text: &str| open_ends(&Source::parse(text)).len();
        assert_eq!(found(concat!("to", "do!();")), 1);
        assert_eq!(found(concat!("a(); // FIX", "ME: later")), 1);
        assert_eq!(found("a(); // done"), 0);
    }

    #[test]
    fn places_of_one_machine_are_found() {
        assert_eq!(places(concat!("see /wo", "rk/main")).len(), 1);
        assert_eq!(places(concat!("\"resolved\": \"https://registry.", "npmjs.org/a\"")).len(), 1);
        assert_eq!(places("cargo add itoa").len(), 0);
    }
}
