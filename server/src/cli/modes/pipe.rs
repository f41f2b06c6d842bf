//! `--pipe`: mass insertion of raw protocol.
//!
//! Why it exists: loading a million keys one reply at a time takes a million round trips. Here one
//! thread sends the standard input as it is while this one counts the replies, so neither side's
//! buffers can fill up and stop both. The end is found by asking for an echo of a random word:
//! its reply is the last one. Not for lines of commands: those are read when there is no mode.

use std::io::{self, Read, Write};
use std::thread;
use std::time::Duration;

use zumic_error::{Error, ErrorKind, ResultExt};

use crate::cli::connection::{Waited, Writer};
use crate::cli::login;
use crate::cli::options::Settings;
use crate::cli::reply::Reply;
use crate::cli::session::{Verdict, eprintln_line, print};

/// Bytes sent at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// Sends the standard input, and counts replies and errors. `Refused` if there were errors.
///
/// # Errors
/// The connection is lost, nothing comes for `silence_max` after everything was sent, or input or
/// output fail.
pub fn run(
    settings: &Settings,
    silence_max: Option<Duration>,
    out: &mut dyn Write,
) -> Result<Verdict, Error> {
    let mut connection = login::enter(&settings.access)?.connection;
    let mut random = [0; 16];
    getrandom::fill(&mut random)
        .map_err(|error| Error::with_source(ErrorKind::Resource, "taking random bytes", error))?;
    let farewell = format!("zumic-cli-{:032x}", u128::from_ne_bytes(random));
    let mut writer = connection.writer()?;
    let last_words = farewell.clone();
    let sender = thread::spawn(move || send_input(&mut writer, &last_words));

    // While the input is still being read, silence means nothing.
    connection.limit_silence(Some(Duration::from_millis(100)));
    let (mut replies, mut errors) = (0_u64, 0_u64);
    let mut all_sent = false;
    loop {
        if !all_sent && sender.is_finished() {
            all_sent = true;
            connection.limit_silence(silence_max);
            print(out, b"All data transferred. Waiting for the last reply...\n")?;
        }
        match connection.receive(None)? {
            Waited::Reply(Reply::Bulk(text)) if text == farewell.as_bytes() => break,
            Waited::Reply(Reply::Push(_)) => {}
            Waited::Reply(reply) => {
                replies += 1;
                if let Some(text) = reply.error() {
                    errors += 1;
                    eprintln_line(&String::from_utf8_lossy(text));
                }
            }
            Waited::Silence if all_sent => {
                let text = format!("no reply for too long; errors: {errors}, replies: {replies}");
                return Err(Error::new(ErrorKind::Connection, text));
            }
            Waited::Interrupted | Waited::Silence => {}
        }
    }
    sender.join().expect("the sender does not panic")?;
    if !all_sent {
        print(out, b"All data transferred. Waiting for the last reply...\n")?;
    }
    let summary =
        format!("Last reply received from server.\nerrors: {errors}, replies: {replies}\n");
    print(out, summary.as_bytes())?;
    Ok(if errors == 0 { Verdict::Answered } else { Verdict::Refused })
}

fn send_input(writer: &mut Writer, farewell: &str) -> Result<(), Error> {
    let mut input = io::stdin().lock();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match input.read(&mut chunk).context(ErrorKind::Io, "reading input")? {
            0 => break,
            count => writer.send_raw(&chunk[..count])?,
        }
    }
    // The line end finishes an inline command that lacks its own.
    let mut request = b"\r\n".to_vec();
    protocol::encode_request(&mut request, &["ECHO", farewell]);
    writer.send_raw(&request)
}
