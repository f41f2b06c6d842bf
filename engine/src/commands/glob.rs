//! Glob patterns: `*`, `?`, `[a-z]`, `[^a]` and `\` escapes, exactly as Redis matches them.
//!
//! Why it exists: KEYS, SCAN and their kin must agree with Redis on odd patterns (an unclosed
//! class, a trailing backslash), yet a hostile pattern such as `*a*a*a*b` must not stop a
//! reactor. Redis tries every split of every star; here only the last star is ever retried, which
//! is enough, because what an earlier star matched can only be shortened in vain.
//!
//! Invariants
//! - G1: matching takes at most O(pattern x text) steps, and no memory.

/// Whether the whole of `text` matches `pattern`, bytes compared as they are.
///
/// An empty text matches no pattern but the empty one, not even `*`: Redis does not begin to
/// read a pattern without a text.
///
/// Cost: O(pattern x text) at worst, O(pattern + text) for patterns with one star.
///
/// # Examples
/// ```
/// use engine::commands::glob::matches;
/// assert!(matches(b"user:[0-9]*", b"user:42"));
/// assert!(!matches(b"user:?", b"user:42"));
/// ```
#[must_use]
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    matches_with(pattern, text, |byte| byte)
}

/// The same for names that a client lists: `*` alone selects them all, the empty one included.
///
/// # Examples
/// ```
/// use engine::commands::glob::{matches, selects};
/// assert!(selects(b"*", b"") && !matches(b"*", b""));
/// assert!(!selects(b"**", b""));
/// ```
#[must_use]
pub fn selects(pattern: &[u8], name: &[u8]) -> bool {
    pattern == b"*" || matches(pattern, name)
}

/// As [`matches()`], letters in any case.
#[must_use]
pub fn matches_ignoring_case(pattern: &[u8], text: &[u8]) -> bool {
    matches_with(pattern, text, |byte| byte.to_ascii_lowercase())
}

fn matches_with(pattern: &[u8], text: &[u8], fold: impl Fn(u8) -> u8 + Copy) -> bool {
    // Redis does not begin to read a pattern for an empty text.
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut p, mut t) = (0, 0);
    // Where to go on when what follows the last star does not fit: after that star, with the
    // star swallowing one byte more.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            if p == pattern.len() {
                return true;
            }
            retry = Some((p, t));
            continue;
        }
        // Redis stops reading the pattern when the text ends, so only stars may remain.
        if t == text.len() {
            return p == pattern.len();
        }
        let step = (p < pattern.len()).then(|| one(&pattern[p..], text[t], fold));
        if let Some((true, used)) = step {
            p += used;
            t += 1;
            continue;
        }
        let Some((after_star, from)) = retry else { return false };
        p = after_star;
        t = from + 1;
        retry = Some((p, t));
    }
}

/// Matches one byte against the head of a non-empty `pattern` that is no star; returns the answer
/// and how many bytes of the pattern the head took.
fn one(pattern: &[u8], byte: u8, fold: impl Fn(u8) -> u8) -> (bool, usize) {
    match pattern {
        [b'?', ..] => (true, 1),
        [b'[', class @ ..] => {
            let (matched, used) = class_matches(class, byte, fold);
            (matched, used + 1)
        }
        [b'\\', escaped, ..] => (fold(*escaped) == fold(byte), 2),
        [literal, ..] => (fold(*literal) == fold(byte), 1),
        [] => (false, 0),
    }
}

/// Matches the part of a class after its bracket. An unclosed class ends with the pattern.
fn class_matches(class: &[u8], byte: u8, fold: impl Fn(u8) -> u8) -> (bool, usize) {
    let negated = class.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut found = false;
    loop {
        match &class[at..] {
            [] => break,
            [b'\\', escaped, ..] => {
                found |= *escaped == byte;
                at += 2;
            }
            [b']', ..] => {
                at += 1;
                break;
            }
            [from, b'-', to, ..] => {
                let (low, high) = (fold(*from.min(to)), fold(*from.max(to)));
                found |= (low..=high).contains(&fold(byte));
                at += 3;
            }
            [literal, ..] => {
                found |= fold(*literal) == fold(byte);
                at += 1;
            }
        }
    }
    (found != negated, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naive(pattern: &[u8], text: &[u8]) -> bool {
        if text.is_empty() { pattern.is_empty() } else { naive_rest(pattern, text) }
    }

    /// Tries every split of every star, as Redis does: the definition, in exponential time.
    fn naive_rest(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], _) => text.is_empty(),
            ([b'*', rest @ ..], _) => {
                (0..=text.len()).any(|skipped| naive_rest(rest, &text[skipped..]))
            }
            (_, []) => false,
            (_, [first, rest @ ..]) => {
                let (matched, used) = one(pattern, *first, |byte| byte);
                matched && naive_rest(&pattern[used..], rest)
            }
        }
    }

    #[test]
    fn agrees_with_the_definition() {
        let alphabet = b"ab*?[]^-\\";
        let mut state: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut below = |bound: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(state >> 33).expect("31 bits") % bound
        };
        for step in 0..200_000 {
            let pattern: Vec<u8> = (0..below(9)).map(|_| alphabet[below(9)]).collect();
            let text: Vec<u8> = (0..below(7)).map(|_| b"ab-]"[below(4)]).collect();
            let is_empty = text.is_empty() && !matches!(&pattern[..], [] | [b'*']);
            let (got, want) = (matches(&pattern, &text), !is_empty && naive(&pattern, &text));
            let shown = (String::from_utf8_lossy(&pattern), String::from_utf8_lossy(&text));
            assert_eq!(got, want, "step={step} {shown:?}");
        }
    }

    #[test]
    fn odd_patterns_answer_as_redis() {
        for (pattern, text, want) in [
            ("", "", true),
            ("*", "", false),
            ("**", "", false),
            ("a*", "a", true),
            ("a**", "a", true),
            ("[abc", "b", true),
            ("[^", "b", true),
            ("[", "b", false),
            ("a\\", "a\\", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("[\\]]", "]", true),
            ("[z-a]", "m", true),
            ("[a-]", "-", false),
            ("[]a", "a", false),
            ("?", "", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), want, "{pattern} {text}");
        }
        assert!(matches_ignoring_case(b"GET*", b"getrange"));
    }

    #[test]
    fn nested_stars_take_bounded_time() {
        let pattern = b"*a".repeat(1_000);
        let text = b"a".repeat(999);
        assert!(!matches(&pattern, &[text.as_slice(), b"b"].concat()));
        assert!(!matches(&[pattern.as_slice(), b"b"].concat(), &b"a".repeat(4_000)));
    }
}
