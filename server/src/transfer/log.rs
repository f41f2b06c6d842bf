//! Commands in an append-only file of Redis.
//!
//! Why it exists: such a file is requests one after the other, with notes of the time between
//! them, and may end in the middle of a command when the machine went down. Not for the network:
//! a client's bytes come in pieces, these do not.

use std::io::{BufRead, Read};

use zumic_error::{Error, ErrorKind, ResultExt as _};

/// Most words of a command: Redis's limit.
const WORDS_MAX: usize = 1 << 20;
/// Longest line that announces something.
const LINE_BYTES_MAX: u64 = 64;

/// What was read.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Read1 {
    Command(Vec<Vec<u8>>),
    /// The file ends here, and well.
    End,
    /// The file ends in the middle of a command that begins at this byte.
    Torn(u64),
}

/// Reads commands from the front of a stream.
#[derive(Debug)]
pub(super) struct LogReader<R> {
    source: R,
    position: u64,
}

impl<R: BufRead> LogReader<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, position: 0 }
    }

    /// Bytes read.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The next command.
    pub(super) fn next(&mut self) -> Result<Read1, Error> {
        loop {
            let start = self.position;
            if self.is_at_end()? {
                return Ok(Read1::End);
            }
            let Some(line) = self.line()? else { return Ok(Read1::Torn(start)) };
            match line.split_first() {
                // A note: the time, since version 7.
                Some((b'#', _)) => {}
                Some((b'*', count)) => {
                    let count = number(count).filter(|count| (1..=WORDS_MAX).contains(count));
                    let count = count.ok_or_else(|| damaged(start, "no number of words"))?;
                    return self.words(start, count);
                }
                _ => return Err(damaged(start, "no command begins here")),
            }
        }
    }

    fn words(&mut self, start: u64, count: usize) -> Result<Read1, Error> {
        let mut words = Vec::new();
        for _ in 0..count {
            let at = self.position;
            let Some(line) = self.line()? else { return Ok(Read1::Torn(start)) };
            let len = line.strip_prefix(b"$").and_then(number);
            let len = len.ok_or_else(|| damaged(at, "no length of a word"))?;
            let Some(word) = self.word(len)? else { return Ok(Read1::Torn(start)) };
            words.push(word);
        }
        Ok(Read1::Command(words))
    }

    fn is_at_end(&mut self) -> Result<bool, Error> {
        let rest = self.source.fill_buf().context(ErrorKind::Io, "reading the log")?;
        Ok(rest.is_empty())
    }

    /// A line without its end; `None` when the file ends before the line does.
    fn line(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let at = self.position;
        let mut line = Vec::new();
        let limited = &mut (&mut self.source).take(LINE_BYTES_MAX);
        let read =
            limited.read_until(b'\n', &mut line).context(ErrorKind::Io, "reading the log")?;
        self.position += read as u64;
        if let Some(line) = line.strip_suffix(b"\n") {
            return Ok(Some(line.strip_suffix(b"\r").unwrap_or(line).to_vec()));
        }
        if read as u64 == LINE_BYTES_MAX {
            return Err(damaged(at, "a line is too long"));
        }
        Ok(None)
    }

    /// A word and the line end behind it; memory grows with what is really there.
    fn word(&mut self, len: usize) -> Result<Option<Vec<u8>>, Error> {
        let at = self.position;
        let mut word = Vec::new();
        let whole = len as u64 + 2;
        let read = (&mut self.source).take(whole).read_to_end(&mut word);
        let read = read.context(ErrorKind::Io, "reading the log")? as u64;
        self.position += read;
        if read < whole {
            return Ok(None);
        }
        if !word.ends_with(b"\r\n") {
            return Err(damaged(at, "a word is longer than it says"));
        }
        word.truncate(len);
        Ok(Some(word))
    }
}

fn number(digits: &[u8]) -> Option<usize> {
    let is_plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| is_plain)?.parse().ok()
}

fn damaged(at: u64, what: &str) -> Error {
    Error::new(ErrorKind::Damaged, format!("{what} (byte {at} of the log)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &[u8] =
        b"#TS:1700000000\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*1\r\n$4\r\n\r\n\r\n\r\n";

    #[test]
    fn commands_come_one_after_the_other() {
        let mut reader = LogReader::new(LOG);
        let select = Read1::Command(vec![b"SELECT".to_vec(), b"0".to_vec()]);
        assert_eq!(reader.next().unwrap(), select);
        assert_eq!(reader.next().unwrap(), Read1::Command(vec![b"\r\n\r\n".to_vec()]));
        assert_eq!(reader.next().unwrap(), Read1::End);
        assert_eq!(reader.position(), LOG.len() as u64);
    }

    #[test]
    fn every_cut_is_an_end_or_torn() {
        for cut in 0..LOG.len() {
            let mut reader = LogReader::new(&LOG[..cut]);
            let mut last = reader.next().unwrap();
            while let Read1::Command(_) = last {
                last = reader.next().unwrap();
            }
            let whole = [0, 16, 39].contains(&cut);
            assert_eq!(last == Read1::End, whole, "{cut}: {last:?}");
        }
    }

    #[test]
    fn what_is_no_command_is_refused_with_its_place() {
        for (log, want) in [
            (&b"PING\r\n"[..], "no command begins here (byte 0 of the log)"),
            (b"*1\r\n$1\r\nab\r\n", "a word is longer than it says (byte 8 of the log)"),
            (b"*1\r\n:1\r\n", "no length of a word (byte 4 of the log)"),
            (b"*0\r\n", "no number of words (byte 0 of the log)"),
            (b"*99999999999\r\n", "no number of words (byte 0 of the log)"),
        ] {
            let error = LogReader::new(log).next().unwrap_err();
            assert_eq!(error.to_string(), want);
        }
        let long = [b'*'; 100];
        let error = LogReader::new(&long[..]).next().unwrap_err();
        assert_eq!(error.to_string(), "a line is too long (byte 0 of the log)");
        // A length is not believed: nothing is reserved for it.
        let huge = b"*1\r\n$999999999999\r\nab";
        assert_eq!(LogReader::new(&huge[..]).next().unwrap(), Read1::Torn(0));
    }
}
