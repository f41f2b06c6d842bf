//! A Rust file taken apart: what is code, what is comment, what is test.
//!
//! Why it exists: a rule about `unwrap` must not trip over a comment or a string that speaks of
//! it. Not a parser: strings, comments, character literals and brackets are all that it knows.
//!
//! Invariants
//! - I1: `lines.len()` is the number of lines of the text, and every `Line` keeps its columns: a
//!   character that is not code is a space in `code`.

/// One line of a file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Line {
    /// The line as it stands.
    pub text: String,
    /// The line with comments and the contents of strings blanked.
    pub code: String,
    /// The comments of the line, with their slashes.
    pub comment: String,
    /// Whether the line lies in an item marked `#[cfg(test)]` or `#[cfg(all(test, ...))]`.
    pub is_test: bool,
}

/// A Rust file, line by line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Source {
    /// The lines, in order.
    pub lines: Vec<Line>,
}

/// Where the reader of characters stands.
#[derive(Clone, Copy, Eq, PartialEq)]
enum State {
    BlockComment(usize),
    Code,
    LineComment,
    RawString(usize),
    String,
}

impl Source {
    /// Takes `text` apart. Cost: a few passes over the text.
    pub fn parse(text: &str) -> Self {
        let mut lines = Vec::new();
        let mut state = State::Code;
        for text_line in text.lines() {
            if state == State::LineComment {
                state = State::Code;
            }
            let mut line = Line { text: text_line.to_owned(), ..Line::default() };
            state = split_line(text_line, state, &mut line);
            lines.push(line);
        }
        mark_tests(&mut lines);
        Self { lines }
    }

    /// Whether one of the `above` lines before `index`, or that line itself, has a comment which
    /// contains `needle`.
    pub fn comment_near(&self, index: usize, above: usize, needle: &str) -> bool {
        let first = index.saturating_sub(above);
        self.lines[first..=index].iter().any(|line| line.comment.contains(needle))
    }

    /// The code of all lines, joined by line ends: columns and lines as in the text.
    pub fn code(&self) -> String {
        let lines: Vec<&str> = self.lines.iter().map(|line| line.code.as_str()).collect();
        lines.join("\n")
    }
}

/// Splits one line into code and comment, and returns the state at its end.
fn split_line(text: &str, mut state: State, line: &mut Line) -> State {
    let characters: Vec<char> = text.chars().collect();
    let mut index = 0;
    while index < characters.len() {
        let rest = &characters[index..];
        let (next, taken) = step(state, rest, characters[..index].last().copied());
        for &character in &rest[..taken] {
            let is_comment = |s| matches!(s, State::LineComment | State::BlockComment(_));
            let in_comment = is_comment(state) || is_comment(next);
            let in_code = state == State::Code && next == State::Code && !is_literal(rest, taken);
            line.code.push(if in_code { character } else { ' ' });
            if in_comment {
                line.comment.push(character);
            }
        }
        state = next;
        index += taken;
    }
    state
}

/// A step over several characters that stays in code is a character literal.
fn is_literal(rest: &[char], taken: usize) -> bool {
    taken > 1 && rest[0] == '\''
}

/// What the characters at the front of `rest` mean: the next state, and how many they are.
fn step(state: State, rest: &[char], before: Option<char>) -> (State, usize) {
    let starts = |pattern: &str| pattern.chars().enumerate().all(|(i, c)| rest.get(i) == Some(&c));
    match state {
        State::LineComment => (state, rest.len()),
        State::BlockComment(depth) if starts("*/") && depth == 1 => (State::Code, 2),
        State::BlockComment(depth) if starts("*/") => (State::BlockComment(depth - 1), 2),
        State::BlockComment(depth) if starts("/*") => (State::BlockComment(depth + 1), 2),
        State::BlockComment(_) => (state, 1),
        State::String if starts("\\") => (state, rest.len().min(2)),
        State::String if starts("\"") => (State::Code, 1),
        State::String => (state, 1),
        State::RawString(hashes) if ends_raw(rest, hashes) => (State::Code, 1 + hashes),
        State::RawString(_) => (state, 1),
        State::Code if starts("//") => (State::LineComment, rest.len()),
        State::Code if starts("/*") => (State::BlockComment(1), 2),
        State::Code if starts("\"") => (State::String, 1),
        State::Code => step_code(rest, before),
    }
}

/// A step in code: raw strings and character literals are told from names and lifetimes.
fn step_code(rest: &[char], before: Option<char>) -> (State, usize) {
    let in_word = before.is_some_and(|c| (c.is_alphanumeric() && c != 'b') || c == '_');
    if rest[0] == 'r' && !in_word {
        let hashes = rest[1..].iter().take_while(|&&c| c == '#').count();
        if rest.get(1 + hashes) == Some(&'"') {
            return (State::RawString(hashes), 2 + hashes);
        }
    }
    if rest[0] == '\'' {
        if rest.get(1) == Some(&'\\') {
            let end = rest.iter().skip(3).position(|&c| c == '\'');
            return (State::Code, end.map_or(1, |end| end + 4));
        }
        if rest.get(2) == Some(&'\'') {
            return (State::Code, 3);
        }
    }
    (State::Code, 1)
}

/// Whether a raw string with so many hashes ends here.
fn ends_raw(rest: &[char], hashes: usize) -> bool {
    rest[0] == '"' && (1..=hashes).all(|i| rest.get(i) == Some(&'#'))
}

/// Marks the items under `#[cfg(test)]`: from the attribute to the closing brace or semicolon.
fn mark_tests(lines: &mut [Line]) {
    let mut depth_open: Option<usize> = None;
    let mut depth = 0_usize;
    let mut waiting = false;
    for line in lines {
        let code: String = line.code.split_whitespace().collect();
        if depth_open.is_none()
            && (code.starts_with("#[cfg(test)]") || code.starts_with("#[cfg(all(test"))
        {
            waiting = true;
        }
        line.is_test = waiting || depth_open.is_some();
        for character in line.code.chars() {
            match character {
                '{' => {
                    depth += 1;
                    if waiting {
                        waiting = false;
                        depth_open = Some(depth);
                    }
                }
                '}' => {
                    if depth_open == Some(depth) {
                        depth_open = None;
                    }
                    depth = depth.saturating_sub(1);
                }
                ';' if waiting => waiting = false,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_comments_are_not_code() {
        let source =
            Source::parse("let a = \"x // y\"; // z\nlet b = r#\"q\" w\"#; f('\"', '\\'');");
        assert_eq!(source.lines[0].comment, "// z");
        assert!(!source.lines[0].code.contains('y'));
        assert!(source.lines[0].code.starts_with("let a ="));
        assert!(!source.lines[1].code.contains('q') && !source.lines[1].code.contains('w'));
        assert!(source.lines[1].code.ends_with(");"), "{:?}", source.lines[1].code);
    }

    #[test]
    fn strings_and_block_comments_may_span_lines() {
        let source = Source::parse("let a = \"one\ntwo\"; b();\n/* c\nd */ e();");
        assert!(!source.lines[1].code.contains("two"));
        assert!(source.lines[1].code.contains("b();"));
        assert!(!source.lines[2].code.contains('c'));
        assert_eq!(source.lines[3].code.trim(), "e();");
    }

    #[test]
    fn lifetimes_are_not_characters() {
        let source = Source::parse("fn f<'a>(x: &'a str) -> &'a str { g(x) }");
        assert_eq!(source.lines[0].code, source.lines[0].text);
    }

    #[test]
    fn test_items_are_marked() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n\
                    #[cfg(test)]\nuse x;\nfn d() {}";
        let marks: Vec<bool> = Source::parse(text).lines.iter().map(|l| l.is_test).collect();
        assert_eq!(marks, [false, true, true, true, true, false, true, true, false]);
    }
}
