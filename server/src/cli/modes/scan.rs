//! `--scan`: all keys, a page at a time.
//!
//! Why it exists: `KEYS *` makes one huge reply; this asks for pages with SCAN and prints keys as
//! they come. A key may come twice, as SCAN promises no more.

use std::io::Write;

use zumic_error::{Error, ErrorKind};

use crate::cli::format::{Output, Style};
use crate::cli::login;
use crate::cli::options::{ScanFilter, Settings};
use crate::cli::reply::Reply;
use crate::cli::session::{Verdict, print};

/// Prints the keys that pass the filter, one per line.
///
/// # Errors
/// The connection is lost, the server refuses SCAN, or the output fails.
pub fn run(
    settings: &Settings,
    filter: &ScanFilter,
    out: &mut dyn Write,
) -> Result<Verdict, Error> {
    let mut connection = login::enter(&settings.access)?.connection;
    let mut cursor = b"0".to_vec();
    loop {
        let reply = connection.ask(&request(&cursor, filter))?;
        let (next, keys) = page(&reply)?;
        let mut text = Vec::new();
        for key in keys {
            text.extend_from_slice(&line(&settings.style, key));
        }
        print(out, &text)?;
        if next == b"0" {
            return Ok(Verdict::Answered);
        }
        cursor = next.to_vec();
        if let Some(interval) = settings.interval {
            std::thread::sleep(interval);
        }
    }
}

fn request(cursor: &[u8], filter: &ScanFilter) -> Vec<Vec<u8>> {
    let mut request = vec![b"SCAN".to_vec(), cursor.to_vec()];
    let mut option = |name: &str, value: Option<Vec<u8>>| {
        if let Some(value) = value {
            request.extend([name.as_bytes().to_vec(), value]);
        }
    };
    option("MATCH", filter.pattern.clone());
    option("COUNT", filter.count.map(|count| count.to_string().into_bytes()));
    option("TYPE", filter.key_type.clone());
    request
}

/// The next cursor and the keys.
fn page(reply: &Reply) -> Result<(&[u8], &[Reply]), Error> {
    if let Some(text) = reply.error() {
        return Err(Error::new(ErrorKind::Reply, String::from_utf8_lossy(text)));
    }
    let shape = || Error::new(ErrorKind::Protocol, "SCAN's reply is not a cursor and keys");
    let Some([cursor, keys]) = reply.elements() else { return Err(shape()) };
    Ok((cursor.text().ok_or_else(shape)?, keys.elements().ok_or_else(shape)?))
}

/// A key on a line of its own; delimiters are for elements of replies, and these are not.
fn line(style: &Style, key: &Reply) -> Vec<u8> {
    match style.output {
        Output::Raw => [key.text().unwrap_or(b""), b"\n"].concat(),
        _ => style.format(key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_become_arguments() {
        let filter = ScanFilter {
            pattern: Some(b"a*".to_vec()),
            count: Some(5),
            key_type: Some(b"list".to_vec()),
        };
        let words = request(b"7", &filter).join(&b' ');
        assert_eq!(words, b"SCAN 7 MATCH a* COUNT 5 TYPE list");
        assert_eq!(request(b"0", &ScanFilter::default()).join(&b' '), b"SCAN 0");
    }

    #[test]
    fn other_shapes_are_errors() {
        assert_eq!(page(&Reply::Null).unwrap_err().kind(), ErrorKind::Protocol);
        let refused = Reply::Error(b"ERR no".to_vec());
        assert_eq!(page(&refused).unwrap_err().to_string(), "ERR no");
    }
}
