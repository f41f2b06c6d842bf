//! Ctrl-C as something to look at instead of something to die of.
//!
//! Why it exists: in a session, Ctrl-C ends what is going on (a stream of messages, a blocking
//! command), not the program. A handler may do next to nothing, so it only writes a byte into a
//! socket pair, which the waiting loop reads between its timeouts. Not for the prompt: there the
//! line editor reads the key itself.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;

/// Remembers whether Ctrl-C was pressed.
#[derive(Debug)]
pub struct Interrupts {
    presses: UnixStream,
}

impl Interrupts {
    /// Takes over SIGINT for the rest of the process's life.
    ///
    /// # Errors
    /// The system refuses a socket pair or the signal handler.
    pub fn install() -> io::Result<Self> {
        let (presses, writer) = UnixStream::pair()?;
        presses.set_nonblocking(true)?;
        signal_hook::low_level::pipe::register(signal_hook::consts::SIGINT, writer)?;
        Ok(Self { presses })
    }

    /// Whether Ctrl-C was pressed since the last call. Never blocks.
    #[must_use]
    pub fn take(&self) -> bool {
        let mut presses = [0; 64];
        let mut pressed = false;
        while matches!((&self.presses).read(&mut presses), Ok(1..)) {
            pressed = true;
        }
        pressed
    }
}
