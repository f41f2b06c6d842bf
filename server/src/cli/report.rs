//! Which replies are texts to be read as they are, and other facts about particular commands.
//!
//! Why it exists: `INFO` in quotes with `\r\n` inside helps nobody. The list is `redis-cli`'s.

use super::reply::Reply;

/// Commands whose reply is a text, by their first words; a number limits the count of words.
const REPORTS: [(&[&str], Option<usize>); 12] = [
    (&["info"], None),
    (&["lolwut"], None),
    (&["debug", "htstats"], None),
    (&["debug", "htstats-key"], None),
    (&["memory", "malloc-stats"], None),
    (&["memory", "doctor"], None),
    (&["cluster", "nodes"], Some(2)),
    (&["cluster", "info"], Some(2)),
    (&["client", "info"], None),
    (&["client", "list"], None),
    (&["latency", "graph"], Some(3)),
    (&["latency", "doctor"], Some(2)),
];

/// Whether the command's reply is a text to be printed as it is.
#[must_use]
pub fn is_report(arguments: &[Vec<u8>]) -> bool {
    let matches = |words: &[&str]| {
        let pairs = words.iter().zip(arguments);
        arguments.len() >= words.len()
            && pairs.into_iter().all(|(word, text)| text.eq_ignore_ascii_case(word.as_bytes()))
    };
    REPORTS
        .iter()
        .any(|(words, count)| count.is_none_or(|count| arguments.len() == count) && matches(words))
}

/// Whether the command's first word is `name`.
#[must_use]
pub fn is_command(arguments: &[Vec<u8>], name: &str) -> bool {
    arguments.first().is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes()))
}

/// The line that tells of invalidated keys, if `push` is such a message.
#[must_use]
pub fn invalidation(push: &Reply) -> Option<Vec<u8>> {
    let [name, Reply::Array(keys)] = push.elements()? else { return None };
    if !name.text()?.starts_with(b"invalidate") {
        return None;
    }
    let mut line = b"-> invalidate: ".to_vec();
    for (index, key) in keys.iter().enumerate() {
        if index > 0 {
            line.extend_from_slice(b", ");
        }
        line.push(b'\'');
        line.extend_from_slice(key.text()?);
        line.push(b'\'');
    }
    line.push(b'\n');
    Some(line)
}

/// Whether a command carries a secret that must not end up in a history file: `AUTH`,
/// `HELLO ... AUTH`, `ACL SETUSER`, `CONFIG SET requirepass` and its like, `MIGRATE ... AUTH`.
#[must_use]
pub fn is_sensitive(arguments: &[Vec<u8>]) -> bool {
    let is = |index: usize, word: &str| {
        arguments.get(index).is_some_and(|text| text.eq_ignore_ascii_case(word.as_bytes()))
    };
    let later =
        |words: &[&str]| (2..arguments.len()).any(|index| words.iter().any(|word| is(index, word)));
    is(0, "auth")
        || (is(0, "acl") && is(1, "setuser"))
        || (is(0, "config")
            && is(1, "set")
            && later(&["requirepass", "masterauth", "masteruser", "primaryauth"]))
        || (is(0, "hello") && later(&["auth"]))
        || (is(0, "migrate") && later(&["auth", "auth2"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Vec<u8>> {
        text.split(' ').map(|word| word.as_bytes().to_vec()).collect()
    }

    #[test]
    fn reports_are_known_by_their_words() {
        for text in ["INFO", "info memory", "CLIENT LIST", "client info", "cluster nodes"] {
            assert!(is_report(&words(text)), "{text}");
        }
        for text in ["get info", "client id", "cluster nodes x", "memory usage k", "cluster"] {
            assert!(!is_report(&words(text)), "{text}");
        }
    }

    #[test]
    fn secrets_stay_out_of_the_history() {
        for text in [
            "auth x",
            "HELLO 3 AUTH u p",
            "acl setuser u >p",
            "config set maxmemory 1 requirepass x",
            "migrate h 1 k 0 10 AUTH p",
        ] {
            assert!(is_sensitive(&words(text)), "{text}");
        }
        for text in ["set auth x", "hello 3", "acl list", "config get requirepass"] {
            assert!(!is_sensitive(&words(text)), "{text}");
        }
    }

    #[test]
    fn invalidations_name_their_keys() {
        let bulk = |text: &str| Reply::Bulk(text.as_bytes().to_vec());
        let keys = Reply::Array(vec![bulk("a"), bulk("b")]);
        let push = Reply::Push(vec![bulk("invalidate"), keys]);
        assert_eq!(invalidation(&push).unwrap(), b"-> invalidate: 'a', 'b'\n");
        assert_eq!(invalidation(&Reply::Push(vec![bulk("message")])), None);
    }
}
