//! What a connection still has to send.
//!
//! Why it exists: replies of a turn are appended to one buffer and leave in one write. A large
//! value is not copied: the queue refers to its chunks where they lie, and `writev` gathers.
//!
//! Invariants
//! - O1: bytes leave in the order in which they were queued: `queue` first, then `tail`.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};
use std::sync::Arc;

use engine::LargeString;

/// Slices gathered by one write.
const SLICES_MAX: usize = 64;
/// Shared bytes from here on are referred to instead of copied.
const SHARED_BYTES_MIN: usize = 2_048;
/// A drained buffer larger than this gives its memory back.
const IDLE_BYTES_MAX: usize = 64 * 1024;

#[derive(Debug)]
enum Segment {
    Owned(Vec<u8>),
    Shared(Arc<[u8]>),
}

impl Segment {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Owned(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

/// Where the output stood, to take back what came after.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    segments: usize,
    tail: usize,
}

/// A queue of bytes to send.
#[derive(Debug, Default)]
pub(crate) struct Output {
    queue: VecDeque<Segment>,
    /// Bytes of the first segment (or of the tail) that were sent.
    sent: usize,
    tail: Vec<u8>,
    queued_bytes: usize,
    /// Bytes that ever left.
    passed: u64,
}

impl Output {
    /// The position behind the last byte, counted from the first that was ever queued.
    #[inline]
    #[must_use]
    pub(crate) fn end(&self) -> u64 {
        self.passed + self.len() as u64
    }

    /// Bytes before position `limit`; all for `None`.
    #[inline]
    #[must_use]
    pub(crate) fn ready(&self, limit: Option<u64>) -> usize {
        let before = |limit: u64| {
            usize::try_from(limit.saturating_sub(self.passed)).unwrap_or(usize::MAX).min(self.len())
        };
        limit.map_or(self.len(), before)
    }

    /// Bytes waiting.
    #[inline]
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.queued_bytes + self.tail.len() - self.sent
    }

    /// Whether nothing waits.
    #[inline]
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.tail.len() == self.sent
    }

    /// Segments waiting behind large values, for CLIENT LIST.
    #[must_use]
    pub(crate) fn segments(&self) -> usize {
        self.queue.len()
    }

    /// Appends to a buffer of the caller's instead of one of its own, where it has none.
    pub(crate) fn borrow(&mut self, buffer: &mut Vec<u8>) {
        if self.tail.capacity() == 0 {
            std::mem::swap(&mut self.tail, buffer);
        }
    }

    /// Gives the buffer back if nothing is left in it.
    pub(crate) fn give_back(&mut self, buffer: &mut Vec<u8>) {
        if !self.is_empty() {
            return;
        }
        self.sent = 0;
        self.tail.clear();
        let own = std::mem::take(&mut self.tail);
        if buffer.capacity() == 0 {
            *buffer = own;
        }
    }

    /// The buffer to append to.
    #[inline]
    pub(crate) fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.tail
    }

    /// Where the output stands.
    #[must_use]
    pub(crate) fn mark(&self) -> Mark {
        Mark { segments: self.queue.len(), tail: self.tail.len() }
    }

    /// Takes back everything since `mark`. Nothing may have been sent in between.
    pub(crate) fn rewind(&mut self, mark: Mark) {
        while self.queue.len() > mark.segments {
            let segment = self.queue.pop_back().expect("longer than before");
            self.queued_bytes -= segment.bytes().len();
            if let Segment::Owned(bytes) = segment
                && self.queue.len() == mark.segments
            {
                self.tail = bytes;
            }
        }
        self.tail.truncate(mark.tail);
    }

    /// Appends a large value without copying it.
    pub(crate) fn push_large(&mut self, value: &LargeString) {
        self.seal();
        for chunk in value.chunks() {
            self.queued_bytes += chunk.len();
            self.queue.push_back(Segment::Shared(Arc::clone(chunk)));
        }
    }

    /// Appends everything that waits in another output.
    pub(crate) fn append(&mut self, other: Self) {
        debug_assert!(other.sent == 0, "nothing of it was sent");
        if other.queue.is_empty() {
            self.tail.extend_from_slice(&other.tail);
            return;
        }
        self.seal();
        self.queued_bytes += other.queued_bytes;
        self.queue.extend(other.queue);
        self.tail = other.tail;
    }

    /// Appends bytes that others send, too. Short ones are copied: a segment costs more.
    pub(crate) fn push_shared(&mut self, bytes: &Arc<[u8]>) {
        if bytes.len() < SHARED_BYTES_MIN {
            self.tail.extend_from_slice(bytes);
            return;
        }
        if !self.tail.is_empty() {
            self.seal();
        }
        self.queued_bytes += bytes.len();
        self.queue.push_back(Segment::Shared(Arc::clone(bytes)));
    }

    /// Makes the tail a segment of the queue.
    fn seal(&mut self) {
        let tail = std::mem::take(&mut self.tail);
        self.queued_bytes += tail.len();
        self.queue.push_back(Segment::Owned(tail));
    }

    /// Sends as much as the socket takes, `bytes_max` at the most. Returns the bytes sent; whatever
    /// is left of them waits for the socket to become writable.
    ///
    /// # Errors
    /// The connection is broken.
    pub(crate) fn send(&mut self, stream: &mut impl Write, bytes_max: usize) -> io::Result<usize> {
        let mut total = 0;
        let bytes_max = bytes_max.min(self.len());
        while total < bytes_max {
            let room = bytes_max - total;
            let sent = if self.queue.is_empty() {
                let rest = &self.tail[self.sent..];
                stream.write(&rest[..room.min(rest.len())])
            } else {
                self.send_gathered(stream, room)
            };
            match sent {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(bytes) => {
                    total += bytes;
                    self.passed += bytes as u64;
                    self.advance(bytes);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(total)
    }

    fn send_gathered(&self, stream: &mut impl Write, mut room: usize) -> io::Result<usize> {
        let mut slices = Vec::with_capacity(SLICES_MAX);
        let mut skip = self.sent;
        let tail = std::iter::once(&*self.tail);
        for bytes in self.queue.iter().map(Segment::bytes).chain(tail).take(SLICES_MAX) {
            let bytes = &bytes[skip..];
            let bytes = &bytes[..bytes.len().min(room)];
            room -= bytes.len();
            slices.push(IoSlice::new(bytes));
            skip = 0;
            if room == 0 {
                break;
            }
        }
        stream.write_vectored(&slices)
    }

    fn advance(&mut self, mut bytes: usize) {
        while let Some(first) = self.queue.front() {
            let left = first.bytes().len() - self.sent;
            if bytes < left {
                self.sent += bytes;
                return;
            }
            bytes -= left;
            self.sent = 0;
            let segment = self.queue.pop_front().expect("just seen");
            self.queued_bytes -= segment.bytes().len();
        }
        self.sent += bytes;
        if self.sent == self.tail.len() {
            self.sent = 0;
            self.tail.clear();
            if self.tail.capacity() > IDLE_BYTES_MAX {
                self.tail = Vec::new();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a few bytes at a time.
    struct Trickle(Vec<u8>, usize);

    impl Write for Trickle {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.1);
            self.0.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn bytes_and_large_values_leave_in_order_however_little_is_taken() {
        let large = LargeString::from_slice(&vec![b'x'; 200_000]);
        for step in [1_000, 65_536, usize::MAX] {
            let mut output = Output::default();
            output.tail().extend_from_slice(b"before");
            output.push_large(&large);
            output.tail().extend_from_slice(b"after");
            let mut stream = Trickle(Vec::new(), step);
            assert_eq!(output.len(), 200_011);
            assert_eq!(output.send(&mut stream, usize::MAX).unwrap(), 200_011);
            assert!(output.is_empty());
            assert!(stream.0.starts_with(b"beforexx") && stream.0.ends_with(b"xxafter"));
        }
    }

    #[test]
    fn what_is_behind_the_limit_stays() {
        let large = LargeString::from_slice(&vec![b'x'; 100_000]);
        for step in [1_000, usize::MAX] {
            let mut output = Output::default();
            let mut stream = Trickle(Vec::new(), step);
            output.tail().extend_from_slice(b"first");
            let limit = output.end();
            output.tail().extend_from_slice(b"second");
            output.push_large(&large);
            for _ in 0..2 {
                let ready = output.ready(Some(limit));
                output.send(&mut stream, ready).unwrap();
                assert_eq!(stream.0, b"first");
            }
            let limit = limit + 50_006;
            let ready = output.ready(Some(limit));
            assert_eq!(output.send(&mut stream, ready).unwrap(), 50_006);
            assert_eq!((output.ready(Some(limit)), output.ready(None)), (0, 50_000));
            assert_eq!(output.end(), limit + 50_000);
        }
    }

    #[test]
    fn shared_bytes_leave_in_order_copied_or_not() {
        let mut output = Output::default();
        let long: Arc<[u8]> = vec![b'l'; SHARED_BYTES_MIN].into();
        let short: Arc<[u8]> = b"short".as_slice().into();
        for bytes in [&long, &short, &long, &long, &short] {
            output.push_shared(bytes);
        }
        let mut stream = Trickle(Vec::new(), 1_000);
        assert_eq!(output.len(), 3 * SHARED_BYTES_MIN + 10);
        output.send(&mut stream, usize::MAX).unwrap();
        assert!(output.is_empty());
        let wanted = [&*long, &short, &long, &long, &short].concat();
        assert!(stream.0 == wanted);
    }

    #[test]
    fn a_rewind_takes_back_what_came_after_the_mark() {
        let mut output = Output::default();
        output.tail().extend_from_slice(b"kept");
        let mark = output.mark();
        output.tail().extend_from_slice(b"gone");
        output.push_large(&LargeString::from_slice(&vec![b'x'; 100_000]));
        output.tail().extend_from_slice(b"gone too");
        output.rewind(mark);
        assert_eq!((output.len(), &**output.tail()), (4, &b"kept"[..]));
    }
}
