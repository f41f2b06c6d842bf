//! What must hold for any input. Unit tests call these with generated input, fuzz targets with
//! whatever the fuzzer finds.
//!
//! Each function panics when its property does not hold; that is their only result.

use zumic_error::ProtocolError;

use crate::decode::{DecodeError, Decoder};
use crate::frame::Frame;
use crate::inline;
use crate::limits::Limits;
use crate::request::{RequestParser, Step};

/// What a parser may hold whatever it was sent: its first argument slots, its nesting.
const MEMORY_BASE: usize = 32 * 1024;

/// The requests in a stream, and how it ended.
type Requests = (Vec<Vec<Vec<u8>>>, Option<ProtocolError>);
/// The replies in a stream, and how it ended.
type Replies = (Vec<Frame>, Option<DecodeError>);

/// Reads requests from a stream that arrives in the pieces that `cut` gives.
fn requests(stream: &[u8], mut cut: impl FnMut() -> usize) -> Requests {
    let mut parser = RequestParser::new(Limits::default());
    let (mut buffer, mut found, mut rest) = (Vec::new(), Vec::new(), stream);
    loop {
        let sent = stream.len() - rest.len();
        assert!(parser.memory() <= MEMORY_BASE + 32 * sent, "memory for what was not sent");
        match parser.next(&buffer) {
            Err(error) => return (found, Some(error)),
            Ok(Step::Request(taken)) => {
                found.push(parser.args(&buffer).map(<[u8]>::to_vec).collect());
                buffer.drain(..taken);
            }
            Ok(Step::NeedMore(bytes)) => {
                assert!(bytes > 0, "waiting for nothing would never end");
                if rest.is_empty() {
                    return (found, None);
                }
                let (piece, behind) = rest.split_at(cut().clamp(1, rest.len()));
                buffer.extend_from_slice(piece);
                rest = behind;
            }
        }
    }
}

/// Reads replies from a stream that arrives in the pieces that `cut` gives.
fn replies(stream: &[u8], mut cut: impl FnMut() -> usize) -> Replies {
    let mut decoder = Decoder::default();
    let (mut found, mut rest) = (Vec::new(), stream);
    while !rest.is_empty() {
        let mut piece = &rest[..cut().clamp(1, rest.len())];
        rest = &rest[piece.len()..];
        while !piece.is_empty() {
            match decoder.feed(piece) {
                Err(error) => return (found, Some(error)),
                Ok((taken, frame)) => {
                    let sent = stream.len() - rest.len();
                    assert!(decoder.memory() <= MEMORY_BASE + 64 * sent, "memory for nothing");
                    piece = &piece[taken..];
                    found.extend(frame);
                }
            }
        }
    }
    (found, None)
}

/// The network may cut requests anywhere; what is read must not change, and no more memory may
/// be held than the bytes that came account for, whatever they declare.
pub fn request_cuts_do_not_matter(stream: &[u8], cut: usize) {
    let whole = requests(stream, || usize::MAX);
    assert_eq!(whole, requests(stream, || cut), "cut every {cut} bytes");
    assert_eq!(whole, requests(stream, || 1), "cut at every byte");
}

/// The network may cut replies anywhere; what is read must not change, and no more memory may be
/// held than the bytes that came account for, whatever they declare.
pub fn reply_cuts_do_not_matter(stream: &[u8], cut: usize) {
    let whole = replies(stream, || usize::MAX);
    assert_eq!(whole, replies(stream, || cut), "cut every {cut} bytes");
    assert_eq!(whole, replies(stream, || 1), "cut at every byte");
}

/// What was decoded is the same after it was written and read again.
pub fn encode_then_decode_is_identity(stream: &[u8]) {
    for frame in replies(stream, || usize::MAX).0 {
        let mut wire = Vec::new();
        frame.encode(&mut wire);
        let (again, error) = replies(&wire, || usize::MAX);
        assert_eq!((again.as_slice(), error), (std::slice::from_ref(&frame), None));
    }
}

/// A request that was sent is the request that is read.
pub fn requests_read_back(args: &[Vec<u8>]) {
    if args.is_empty() {
        return;
    }
    let mut wire = Vec::new();
    crate::encode_request(&mut wire, args);
    assert_eq!(requests(&wire, || usize::MAX), (vec![args.to_vec()], None));
}

/// Whatever a line holds, it splits or it does not; and what is quoted splits back.
pub fn inline_splits(line: &[u8]) {
    if let Some(words) = inline::split(line) {
        assert!(words.iter().map(Vec::len).sum::<usize>() <= line.len(), "words from nowhere");
        let mut quoted = Vec::new();
        for word in &words {
            inline::quote(&mut quoted, word);
            quoted.push(b' ');
        }
        assert_eq!(inline::split(&quoted), Some(words));
    }
}

/// What the short way takes for a whole request is the one that the parser finds.
pub fn the_short_way_agrees(stream: &[u8]) {
    let mut parser = RequestParser::new(Limits::default());
    let mut rest = stream;
    loop {
        let mut args = Vec::new();
        let whole = parser.whole(rest, &mut args);
        let found = parser.next(rest);
        match whole {
            Some(taken) => {
                assert_eq!(found, Ok(Step::Request(taken)));
                assert_eq!(parser.args(rest).collect::<Vec<_>>(), args);
            }
            None => assert!(args.is_empty(), "arguments of no request"),
        }
        match found {
            Ok(Step::Request(taken)) => rest = &rest[taken..],
            Ok(Step::NeedMore(_)) | Err(_) => return,
        }
    }
}

/// Everything that must hold for a stream of requests; its first byte says how it is cut.
pub fn any_request(input: &[u8]) {
    if let Some((&cut, stream)) = input.split_first() {
        request_cuts_do_not_matter(stream, usize::from(cut));
        the_short_way_agrees(stream);
    }
}

/// Everything that must hold for a stream of replies; its first byte says how it is cut.
pub fn any_decoder(input: &[u8]) {
    if let Some((&cut, stream)) = input.split_first() {
        reply_cuts_do_not_matter(stream, usize::from(cut));
        encode_then_decode_is_identity(stream);
    }
}

/// Everything that must hold for a line, and for arguments made of its words.
pub fn any_inline(line: &[u8]) {
    inline_splits(line);
    let args: Vec<Vec<u8>> = line.split(|&byte| byte == b' ').map(<[u8]>::to_vec).collect();
    requests_read_back(&args);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers without a library: reproducible from the seed alone.
    struct Random(u64);

    impl Random {
        fn below(&mut self, limit: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(self.0 >> 33).unwrap() % limit
        }

        /// A stream of protocol-like pieces, so that most of it means something.
        fn stream(&mut self) -> Vec<u8> {
            const PIECES: [&[u8]; 34] = [
                b"*1\r\n",
                b"*2\r\n",
                b"*0\r\n",
                b"*-1\r\n",
                b"$1\r\n",
                b"$3\r\n",
                b"$0\r\n",
                b"$-1\r\n",
                b"\r\n",
                b"a",
                b"foo",
                b"+OK\r\n",
                b"-ERR x\r\n",
                b":12\r\n",
                b"%1\r\n",
                b"~2\r\n",
                b">1\r\n",
                b"|1\r\n",
                b"_\r\n",
                b"#t\r\n",
                b",1.5\r\n",
                b"(123\r\n",
                b"!3\r\n",
                b"=7\r\ntxt:foo\r\n",
                b"^1\r\n",
                b"$?\r\n",
                b";1\r\n",
                b";0\r\n",
                b"*?\r\n",
                b".\r\n",
                b"PING\r\n",
                b"\"q\" 'w'\n",
                b"\xff",
                b"\n",
            ];
            (0..self.below(24)).flat_map(|_| PIECES[self.below(PIECES.len())]).copied().collect()
        }
    }

    #[test]
    fn the_properties_hold_for_generated_streams() {
        let mut random = Random(6_174);
        for step in 0..20_000 {
            let stream = random.stream();
            let cut = 1 + random.below(9);
            let shown = String::from_utf8_lossy(&stream);
            let check = std::panic::catch_unwind(|| {
                request_cuts_do_not_matter(&stream, cut);
                reply_cuts_do_not_matter(&stream, cut);
                encode_then_decode_is_identity(&stream);
                inline_splits(&stream);
            });
            assert!(check.is_ok(), "step={step} cut={cut} {shown:?}");
        }
    }

    #[test]
    fn declared_lengths_allocate_nothing_and_long_lines_fail_however_they_are_cut() {
        for declared in ["*1048576\r\n", "*1\r\n$536870912\r\n", "*2147483648\r\n"] {
            request_cuts_do_not_matter(declared.as_bytes(), 3);
        }
        for declared in ["*1073741824\r\n", "$1073741824\r\n", "%1073741824\r\n", "=99999\r\n"] {
            reply_cuts_do_not_matter(declared.as_bytes(), 3);
        }
        for len in [65_536, 65_537] {
            let line = [vec![b'a'; len], b"\nPING\n".to_vec()].concat();
            request_cuts_do_not_matter(&line, 4_000);
            let count = [&b"*"[..], &vec![b'1'; len - 1], b"\r\n"].concat();
            request_cuts_do_not_matter(&count, 4_000);
        }
        reply_cuts_do_not_matter(&b"*1\r\n".repeat(100_000), 4_000);
    }

    #[test]
    fn requests_of_any_bytes_read_back() {
        let mut random = Random(1);
        for _ in 0..2_000 {
            let args: Vec<Vec<u8>> = (0..random.below(6)).map(|_| random.stream()).collect();
            requests_read_back(&args);
        }
    }
}
