//! One client connection: what is being sent, what is awaited.
//!
//! Not for: deciding when to send (`pacing`) or measuring (`worker`).

use std::io::{self, Read, Write};
use std::time::Instant;

use super::skipper::{ErrorTally, Skipper};
use super::socket::Socket;

/// A socket with its unsent bytes and its unanswered requests.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) socket: Socket,
    /// Encoded requests; `written` of them have gone out.
    pub(super) out: Vec<u8>,
    written: usize,
    skipper: Skipper,
    /// Requests encoded and not yet answered.
    pub(super) outstanding: u64,
    /// Replies since the phase began.
    pub(super) answered: u64,
    /// When the batch in flight was handed to the socket.
    pub(super) sent_at: Instant,
    /// The loop waits for room in the socket.
    pub(super) blocked: bool,
}

/// What one read brought.
#[derive(Debug, Default)]
pub(super) struct Received {
    pub(super) replies: u64,
    pub(super) byte_count: u64,
    /// The buffer was filled: there may be more, and no new event will say so.
    pub(super) more: bool,
}

impl Connection {
    pub(super) fn new(socket: Socket) -> Self {
        Self {
            socket,
            out: Vec::new(),
            written: 0,
            skipper: Skipper::default(),
            outstanding: 0,
            answered: 0,
            sent_at: Instant::now(),
            blocked: false,
        }
    }

    /// Writes what the socket takes; returns the bytes gone, and leaves `out` empty if all went.
    pub(super) fn flush(&mut self) -> io::Result<u64> {
        let before = self.written;
        while self.written < self.out.len() {
            match self.socket.write(&self.out[self.written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok((self.written - before) as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let gone = (self.written - before) as u64;
        self.out.clear();
        self.written = 0;
        Ok(gone)
    }

    /// Reads once and counts the replies in it.
    ///
    /// # Errors
    /// The socket's; `UnexpectedEof` when the server closed; `InvalidData` when the bytes are not
    /// RESP or answer more than was asked.
    pub(super) fn receive(
        &mut self,
        buffer: &mut [u8],
        tally: &mut ErrorTally,
    ) -> io::Result<Received> {
        let count = loop {
            match self.socket.read(buffer) {
                Ok(0) => {
                    let text = "the server closed the connection";
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
                }
                Ok(count) => break count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Received::default());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        };
        let replies = self
            .skipper
            .feed(&buffer[..count], tally)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
        if replies > self.outstanding {
            let text = "the server sent more replies than it got requests";
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        self.outstanding -= replies;
        Ok(Received { replies, byte_count: count as u64, more: count == buffer.len() })
    }
}
