//! What is still to be typed: the rest of a command's syntax.
//!
//! Why it exists: after `SET key value EX` one wants to see `seconds [NX|XX] [GET]`, not the whole
//! line from the manual. Not a validator: what does not fit gets no hint, and the server decides.
//!
//! How it works. The typed words are matched against the arguments from left to right:
//! - a required argument takes its words (the token first, if it has one);
//! - optional arguments that stand side by side may come in any order; the next word goes to the
//!   first one that accepts it;
//! - a repeatable argument takes words as long as they fit, and is offered once more;
//! - what was begun and not finished (a token without its value) is shown first.
//!
//! Example: `SET key value [NX|XX] [GET] [EX seconds|PX milliseconds]` with the words `k v GET EX`
//! leaves `seconds [NX|XX]`. Known limit: in `BLPOP key [key ...] timeout` the repeated key also
//! takes the word that is meant as the timeout, since nothing tells them apart.

use super::docs::{Argument, Kind};

/// The rest of the syntax `arguments` after `words`; `None` when the words do not fit. Cost: words
/// times arguments.
#[must_use]
pub fn remaining(arguments: &[Argument], words: &[String]) -> Option<String> {
    let mut rest = words;
    let parts = match_sequence(arguments, &mut rest);
    rest.is_empty().then(|| parts.join(" "))
}

/// The whole syntax of `arguments`.
#[must_use]
pub fn syntax(arguments: &[Argument]) -> String {
    arguments.iter().map(render).collect::<Vec<_>>().join(" ")
}

/// Takes from `words` what fits, and gives what is missing, in the order to show it.
fn match_sequence(arguments: &[Argument], words: &mut &[String]) -> Vec<String> {
    let mut missing = Vec::new();
    let mut index = 0;
    while index < arguments.len() {
        if arguments[index].optional {
            let run = arguments[index..].iter().take_while(|argument| argument.optional).count();
            match_optional(&arguments[index..index + run], words, &mut missing);
            index += run;
            // Words that no option took belong to what follows: the options are over.
            continue;
        }
        match match_argument(&arguments[index], words) {
            Some(part) => missing.extend(part),
            None if words.is_empty() => missing.push(render(&arguments[index])),
            // A word that does not fit stays, and the caller sees it.
            None => return missing,
        }
        index += 1;
    }
    missing
}

fn match_optional(run: &[Argument], words: &mut &[String], missing: &mut Vec<String>) {
    let mut open: Vec<&Argument> = run.iter().collect();
    while !words.is_empty() {
        let taker = open.iter().enumerate().find_map(|(position, argument)| {
            match_argument(argument, words).map(|part| (position, part))
        });
        let Some((position, part)) = taker else { return };
        open.remove(position);
        missing.extend(part);
    }
    missing.extend(open.into_iter().map(render));
}

/// Takes the words of `argument`, repeats included, and gives what is missing of it. `None`, and
/// nothing taken, when there is no word or the first one does not fit.
fn match_argument(argument: &Argument, words: &mut &[String]) -> Option<Vec<String>> {
    let mut missing = match_once(argument, words, true)?;
    if argument.multiple {
        while missing.is_empty() && !words.is_empty() {
            match match_once(argument, words, argument.multiple_token) {
                Some(part) => missing = part,
                None => break,
            }
        }
        missing.push(render_repeat(argument));
    }
    Some(missing)
}

/// One occurrence. The token is expected only `with_token`: repeats often go without.
fn match_once(argument: &Argument, words: &mut &[String], with_token: bool) -> Option<Vec<String>> {
    let first = words.first()?;
    let mut rest = *words;
    if let Some(token) = argument.token.as_ref().filter(|_| with_token) {
        if !first.eq_ignore_ascii_case(token) {
            return None;
        }
        rest = &rest[1..];
        if rest.is_empty() && argument.kind != Kind::PureToken {
            *words = rest;
            return Some(vec![render_body(argument)]);
        }
    }
    let missing = match argument.kind {
        Kind::PureToken => Vec::new(),
        Kind::Block => {
            let before = rest.len();
            let missing = match_sequence(&argument.arguments, &mut rest);
            let took_some = rest.len() < before || rest.len() < words.len();
            let complete = missing.is_empty() || rest.is_empty();
            (took_some && complete).then_some(missing)?
        }
        Kind::OneOf => argument.arguments.iter().find_map(|c| match_argument(c, &mut rest))?,
        Kind::Double | Kind::Integer | Kind::Value => {
            if !accepts(argument.kind, rest.first()?) {
                return None;
            }
            rest = &rest[1..];
            Vec::new()
        }
    };
    *words = rest;
    Some(missing)
}

fn accepts(kind: Kind, word: &str) -> bool {
    match kind {
        Kind::Integer => word.parse::<i64>().is_ok(),
        // Bounds of scores may be exclusive or infinite: `(1`, `+inf`.
        Kind::Double => word.trim_start_matches('(').parse::<f64>().is_ok(),
        _ => true,
    }
}

fn render(argument: &Argument) -> String {
    let mut text = render_single(argument);
    if argument.multiple {
        text = format!("{text} {}", render_repeat(argument));
    }
    if argument.optional { format!("[{text}]") } else { text }
}

fn render_repeat(argument: &Argument) -> String {
    let unit =
        if argument.multiple_token { render_single(argument) } else { render_body(argument) };
    format!("[{unit} ...]")
}

fn render_single(argument: &Argument) -> String {
    let body = render_body(argument);
    match &argument.token {
        Some(token) if body.is_empty() => token.clone(),
        Some(token) if token.is_empty() => format!("\"\" {body}"),
        Some(token) => format!("{token} {body}"),
        None => body,
    }
}

/// The argument without its token.
fn render_body(argument: &Argument) -> String {
    match argument.kind {
        Kind::Block => syntax(&argument.arguments),
        Kind::OneOf => argument.arguments.iter().map(render).collect::<Vec<_>>().join("|"),
        Kind::PureToken => String::new(),
        Kind::Double | Kind::Integer | Kind::Value => argument.text.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argument(kind: Kind, text: &str) -> Argument {
        Argument {
            kind,
            text: text.to_owned(),
            token: None,
            optional: false,
            multiple: false,
            multiple_token: false,
            arguments: Vec::new(),
        }
    }

    fn value(text: &str) -> Argument {
        argument(Kind::Value, text)
    }

    fn token(word: &str) -> Argument {
        Argument { token: Some(word.to_owned()), ..argument(Kind::PureToken, word) }
    }

    fn named(word: &str, inner: Argument) -> Argument {
        Argument { token: Some(word.to_owned()), ..inner }
    }

    fn group(kind: Kind, arguments: Vec<Argument>) -> Argument {
        Argument { arguments, ..argument(kind, "group") }
    }

    fn optional(inner: Argument) -> Argument {
        Argument { optional: true, ..inner }
    }

    fn multiple(inner: Argument) -> Argument {
        Argument { multiple: true, ..inner }
    }

    fn set() -> Vec<Argument> {
        vec![
            value("key"),
            value("value"),
            optional(group(Kind::OneOf, vec![token("NX"), token("XX")])),
            optional(token("GET")),
            optional(group(
                Kind::OneOf,
                vec![
                    named("EX", argument(Kind::Integer, "seconds")),
                    named("PX", argument(Kind::Integer, "milliseconds")),
                    token("KEEPTTL"),
                ],
            )),
        ]
    }

    fn after(arguments: &[Argument], typed: &str) -> Option<String> {
        let words: Vec<_> = typed.split_whitespace().map(str::to_owned).collect();
        remaining(arguments, &words)
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn options_come_in_any_order_and_the_begun_one_is_first() {
        let set = set();
        let options = "[NX|XX] [GET] [EX seconds|PX milliseconds|KEEPTTL]";
        assert_eq!(after(&set, ""), Some(format!("key value {options}")));
        assert_eq!(after(&set, "k"), Some(format!("value {options}")));
        assert_eq!(after(&set, "k v"), some(options));
        assert_eq!(after(&set, "k v GET EX"), some("seconds [NX|XX]"));
        assert_eq!(after(&set, "k v ex 10"), some("[NX|XX] [GET]"));
        assert_eq!(after(&set, "k v keepttl nx get"), some(""));
    }

    #[test]
    fn what_does_not_fit_gets_no_hint() {
        let set = set();
        assert_eq!(after(&set, "k v WRONG"), None);
        assert_eq!(after(&set, "k v EX ten"), None);
        assert_eq!(after(&set, "k v NX XX"), None);
        assert_eq!(after(&[], "x"), None);
    }

    #[test]
    fn blocks_repeat_and_show_their_missing_half() {
        let pair = group(Kind::Block, vec![argument(Kind::Double, "score"), value("member")]);
        let zadd = [value("key"), optional(token("CH")), multiple(pair)];
        assert_eq!(after(&zadd, ""), some("key [CH] score member [score member ...]"));
        assert_eq!(after(&zadd, "k 1"), some("member [score member ...]"));
        assert_eq!(after(&zadd, "k 1 a"), some("[score member ...]"));
        assert_eq!(after(&zadd, "k CH 1 a 2.5"), some("member [score member ...]"));
        assert_eq!(after(&zadd, "k one"), None);
    }

    #[test]
    fn a_repeated_value_is_followed_by_what_is_required() {
        let blpop = [multiple(value("key")), argument(Kind::Double, "timeout")];
        assert_eq!(after(&blpop, ""), some("key [key ...] timeout"));
        assert_eq!(after(&blpop, "a b"), some("[key ...] timeout"));
    }

    #[test]
    fn tokens_repeat_only_where_they_must() {
        let get = Argument { multiple_token: true, ..multiple(named("GET", value("pattern"))) };
        let sort = [value("key"), optional(get)];
        assert_eq!(after(&sort, ""), some("key [GET pattern [GET pattern ...]]"));
        assert_eq!(after(&sort, "k GET a GET"), some("pattern [GET pattern ...]"));
        let streams = [named("STREAMS", multiple(value("key")))];
        assert_eq!(after(&streams, "STREAMS a b"), some("[key ...]"));
    }

    #[test]
    fn optional_blocks_show_their_rest_before_what_follows() {
        let limit = named(
            "LIMIT",
            group(
                Kind::Block,
                vec![argument(Kind::Integer, "offset"), argument(Kind::Integer, "count")],
            ),
        );
        let range = [value("key"), optional(limit), optional(token("WITHSCORES"))];
        assert_eq!(after(&range, "k"), some("[LIMIT offset count] [WITHSCORES]"));
        assert_eq!(after(&range, "k LIMIT"), some("offset count [WITHSCORES]"));
        assert_eq!(after(&range, "k LIMIT 1"), some("count [WITHSCORES]"));
        assert_eq!(after(&range, "k WITHSCORES LIMIT 1 2"), some(""));
    }
}
