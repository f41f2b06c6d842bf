//! Asking for a password at the terminal.
//!
//! Why it exists: a password must not stay on the screen. Echo is off before the question appears,
//! so that not even someone who types ahead shows it. It reads from the terminal itself: the
//! standard input may hold commands.

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, Write};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

/// Asks for a password; the line end is not part of it.
///
/// # Errors
/// There is no terminal, or it cannot be read.
pub fn ask() -> io::Result<Vec<u8>> {
    let mut terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    let usual = tcgetattr(&terminal)?;
    let mut silent = usual.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&terminal, OptionalActions::Drain, &silent)?;
    let answer = read_answer(&mut terminal);
    tcsetattr(&terminal, OptionalActions::Drain, &usual)?;
    answer
}

fn read_answer(terminal: &mut std::fs::File) -> io::Result<Vec<u8>> {
    terminal.write_all(b"Please input password: ")?;
    let mut answer = Vec::new();
    BufReader::new(&*terminal).read_until(b'\n', &mut answer)?;
    // The person's own line end was not echoed.
    terminal.write_all(b"\n")?;
    if answer.pop_if(|&mut last| last == b'\n').is_none() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(answer)
}
