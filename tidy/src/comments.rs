//! Rules about what must be said: file headers, safety arguments, reasons for silenced lints.
//!
//! Why it exists: clippy asks for a SAFETY comment, but not across `cfg`s that are off, and no
//! lint asks a file to say what it is for.

use crate::Finding;
use crate::source::Source;

/// How many lines above an `unsafe` its argument may begin.
pub const SAFETY_LINES_ABOVE_MAX: usize = 8;

/// Finds a file that does not open with `//!`.
pub fn missing_header(source: &Source) -> Vec<Finding> {
    let opens = source.lines.first().is_some_and(|line| line.text.starts_with("//! "));
    if opens { Vec::new() } else { vec![Finding::new(1, "the file does not open with `//! `")] }
}

/// Finds `unsafe` blocks and impls without `SAFETY:` close above, and unsafe functions and traits
/// without a `# Safety` section or such a comment.
pub fn unsafe_without_safety(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in source.lines.iter().enumerate() {
        let Some(what) = unsafe_kind(&line.code) else { continue };
        let argued = source.comment_near(index, SAFETY_LINES_ABOVE_MAX, "SAFETY:");
        let documented = what == UnsafeKind::Declaration
            && (has_safety_section(source, index) || in_trait_impl(source, index));
        if !argued && !documented {
            findings.push(Finding::new(index + 1, "`unsafe` without SAFETY close above"));
        }
    }
    findings
}

/// What an `unsafe` on a line begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum UnsafeKind {
    /// A block or an impl: says why it is right.
    Argument,
    /// A function or a trait: says what its users must do.
    Declaration,
}

fn unsafe_kind(code: &str) -> Option<UnsafeKind> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    for (at, keyword) in code.match_indices("unsafe") {
        let rest = &code[at + keyword.len()..];
        if code[..at].ends_with(is_word) || rest.starts_with(is_word) {
            continue;
        }
        let rest = rest.trim_start();
        if rest.starts_with("fn(") || rest.starts_with("extern") && rest.contains("fn(") {
            continue; // A function pointer's type promises nothing.
        }
        if rest.starts_with("fn") || rest.starts_with("trait") || rest.starts_with("extern") {
            return Some(UnsafeKind::Declaration);
        }
        if rest.is_empty() || rest.starts_with('{') || rest.starts_with("impl") {
            return Some(UnsafeKind::Argument);
        }
    }
    None
}

/// Whether the comments and attributes right above `index` have a `# Safety` section.
fn has_safety_section(source: &Source, index: usize) -> bool {
    source.lines[..index]
        .iter()
        .rev()
        .map(|line| line.text.trim_start())
        .take_while(|text| text.starts_with("//") || text.starts_with('#'))
        .any(|text| text.contains("# Safety"))
}

/// Whether the item at `index` lies in `impl Trait for Type`: the trait says what callers must do.
fn in_trait_impl(source: &Source, index: usize) -> bool {
    let indent = |text: &str| text.len() - text.trim_start().len();
    let own = indent(&source.lines[index].code);
    let around = source.lines[..index]
        .iter()
        .rev()
        .map(|line| line.code.as_str())
        .find(|code| !code.trim().is_empty() && indent(code) < own);
    around.is_some_and(|code| code.contains("impl") && code.contains(" for "))
}

/// Finds `#[allow(...)]` and `#[expect(...)]` without a reason.
pub fn silenced_without_reason(source: &Source) -> Vec<Finding> {
    let code = source.code();
    let mut findings = Vec::new();
    for opening in ["[allow(", "[expect(", " allow(", " expect("] {
        for (at, _) in code.match_indices(opening) {
            let start = code[..at].rfind('#').unwrap_or(0);
            let between: String = code[start..at].split_whitespace().collect();
            let in_attribute = matches!(between.as_str(), "#" | "#!")
                || (between.starts_with("#[cfg_attr(") || between.starts_with("#![cfg_attr("))
                    && !between.contains(']');
            if in_attribute && !arguments(&code[at + opening.len()..]).contains("reason") {
                let line = code[..at].matches('\n').count() + 1;
                findings.push(Finding::new(line, "a lint is silenced without a reason"));
            }
        }
    }
    findings
}

/// The text up to the parenthesis that closes the one just opened.
fn arguments(rest: &str) -> &str {
    let mut depth = 1_usize;
    for (index, character) in rest.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &rest[..index];
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_header_is_found() {
        assert_eq!(missing_header(&Source::parse("use x;\n//! Late.")).len(), 1);
        assert_eq!(missing_header(&Source::parse("")).len(), 1);
        assert_eq!(missing_header(&Source::parse("//! What it is.")).len(), 0);
    }

    #[test]
    fn unsafe_needs_an_argument() {
        let found = |text: &str| unsafe_without_safety(&Source::parse(text)).len();
        assert_eq!(found("let a = unsafe { b() };"), 1);
        assert_eq!(found("unsafe impl Send for A {}"), 1);
        assert_eq!(found("// SAFETY: I1.\nunsafe impl Send for A {}"), 0);
        assert_eq!(found("pub unsafe fn a() {}"), 1);
        assert_eq!(found("/// # Safety\n/// Do b.\n#[inline]\npub unsafe fn a() {}"), 0);
        assert_eq!(found("/// # Safety\nlet a = unsafe { b() };"), 1);
        assert_eq!(found("impl A for B {\n    unsafe fn a() {}\n}"), 0);
        assert_eq!(found("impl B {\n    unsafe fn a() {}\n}"), 1);
        assert_eq!(found("drop: unsafe fn(*mut u8),\n#![forbid(unsafe_code)] // unsafe {"), 0);
    }

    #[test]
    fn a_silenced_lint_needs_a_reason() {
        let found = |text: &str| silenced_without_reason(&Source::parse(text)).len();
        assert_eq!(found("#[allow(dead_code)]"), 1);
        assert_eq!(found("#![expect(\n    clippy::x,\n)]"), 1);
        assert_eq!(found("#[cfg_attr(loom, allow(dead_code))]"), 1);
        assert_eq!(found("#[expect(clippy::x, reason = \"y\")]"), 0);
        assert_eq!(found("a.expect(\"b\"); // #[allow(x)]"), 0);
    }
}
